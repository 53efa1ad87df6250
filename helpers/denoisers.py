"""The seam between the maths and a network.

A Denoiser predicts the noise in x_t. Samplers, editors and illusions use nothing else of a model, so the same loop runs
Mini-IF, DeepFloyd IF, the digit networks of Part B, and your own Denoisers.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .schedule import NoiseSchedule
from .validate import check_fits, check_integer, check_number, in_words, kind

__all__ = [
    "Combinator",
    "Cond",
    "Denoiser",
    "FlowPrediction",
    "Guided",
    "GuidedInInterval",
    "Prediction",
    "batch_conds",
    "check_denoiser",
    "guided",
    "mixed",
    "predict_together",
]

Cond = Tensor | tuple  # a tensor (1 or B, …), or a tuple of Conds


class Prediction(NamedTuple):
    """A network's prediction for x_t (B, C, H, W).

    eps: the predicted noise (B, C, H, W), fp32.
    var: the learned variance channels in [-1, 1] (B, C, H, W), from beta-tilde (-1) to beta (+1); None for a network
        that has not learned a variance, whose steps then take beta-tilde.
    """

    eps: Tensor
    var: Tensor | None

    x0 = None  # not a field: a prediction unpacks into eps and var


class FlowPrediction(Prediction):
    """A prediction that also carries x0 (B, C, H, W), the predicted clean images. It unpacks into eps and var.

    A flow network needs this where x_t is pure noise: there eps is x_t itself, and x0 does not follow from it.
    """

    x0: Tensor

    def __new__(cls, eps: Tensor, var: Tensor | None, x0: Tensor) -> "FlowPrediction":
        self = super().__new__(cls, eps, var)
        self.x0 = x0
        return self


class Denoiser(ABC):
    """A network behind one call. Subclasses set `schedule` and `image_shape` (C, H, W)."""

    schedule: NoiseSchedule
    image_shape: tuple[int, int, int]

    @abstractmethod
    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> Prediction:
        """x_t (B, C, H, W) in fp32, one timestep t, and a condition for each image (or one for all).

        The prediction is on x_t's device, even if the network computes elsewhere: images may stay in main memory.
        """

    @abstractmethod
    def unconditional(self, cond: Cond) -> Cond:
        """The unconditional counterpart of cond, with the same nesting and batch size."""

    def prepare(self, cond: Cond) -> Cond:
        """Move a condition to where the network computes. A run does this once, because its condition never changes.

        It is optional: a denoiser also accepts a condition that was not prepared, and predicts the same.
        """
        return cond


class Combinator(Denoiser):
    """A Denoiser made from another one, with the same schedule and images."""

    def __init__(self, denoiser: Denoiser):
        self.denoiser = denoiser

    @property
    def schedule(self) -> NoiseSchedule:
        return self.denoiser.schedule

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.denoiser.image_shape

    def unconditional(self, cond: Cond) -> Cond:
        return self.denoiser.unconditional(cond)


class Guided(Combinator):
    """The guided prediction eps_u + gamma (eps_c - eps_u); var is the conditional half's. See `guided`."""

    def __init__(self, denoiser: Denoiser, gamma: float):
        super().__init__(denoiser)
        self.gamma = gamma

    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> Prediction:
        check_fits(x_t, self.image_shape, "x_t")
        u, c = predict_together(self.denoiser, [x_t, x_t], t, [self.unconditional(cond), cond])
        return mixed(lambda eps_u, eps_c: eps_u + self.gamma * (eps_c - eps_u), [u, c], c.var)

    def prepare(self, cond: Cond) -> Cond:
        return prepare(self.denoiser, cond)


class GuidedInInterval(Guided):
    """Guided at the timesteps low <= t <= high, the plain conditional prediction at all others. See `guided`."""

    def __init__(self, denoiser: Denoiser, gamma: float, interval: tuple[int, int]):
        super().__init__(denoiser, gamma)
        self.low, self.high = interval

    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> Prediction:
        return super().__call__(x_t, t, cond) if self.low <= t <= self.high else self.denoiser(x_t, t, cond)


def guided(denoiser: Denoiser, gamma: float, interval: tuple[int, int] | None = None) -> Denoiser:
    """Classifier-free guidance: predicts eps_u + gamma (eps_c - eps_u), both halves in one batched call.

    gamma 0 ignores the condition, 1 is the plain conditional prediction, more than 1 exaggerates what the condition
    adds. The variance is the conditional half's, as extrapolating a variance makes no sense.

    Args:
        interval: the timesteps (low, high), ends included, at which to guide. Outside, only the conditional half is
            computed, which takes half the work. Guidance at the noisiest timesteps costs variety, and at the least
            noisy ones it changes little. By default it is applied at every timestep.

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", equation 6 (arXiv:2207.12598), which writes
    w = gamma - 1. The interval: Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval"
    (arXiv:2404.07724), who give it in noise levels.
    Raises a ValueError if gamma is not finite or the interval is not two timesteps with low <= high.
    """
    check_denoiser(denoiser)
    check_number(gamma, "gamma")
    if interval is None:
        return Guided(denoiser, float(gamma))
    return GuidedInInterval(denoiser, float(gamma), check_interval(interval, denoiser.schedule.T))


def check_interval(interval, T: int) -> tuple[int, int]:
    """A pair of timesteps (low, high) in 0 … T-1 with low <= high, returned as plain integers."""
    if not isinstance(interval, (tuple, list)) or len(interval) != 2:
        raise TypeError(f"interval is {in_words(interval)}; wanted two timesteps, such as (200, 800).")
    low, high = interval
    check_integer(low, "the interval's low end", 0, T - 1)
    check_integer(high, "the interval's high end", 0, T - 1)
    if low > high:
        raise ValueError(f"interval is {interval}; wanted (low, high) with low <= high, such as (200, 800).")
    return operator.index(low), operator.index(high)


def prepare(denoiser: Denoiser, cond: Cond) -> Cond:
    """The prepared condition of a run; for an object that only works like a Denoiser, it is unchanged."""
    return denoiser.prepare(cond) if isinstance(denoiser, Denoiser) else cond


def check_denoiser(denoiser) -> None:
    """Raise a TypeError unless it is a Denoiser, or an object of your own that has its attributes."""
    if isinstance(denoiser, Denoiser):
        return
    if isinstance(denoiser, torch.nn.Module):
        raise TypeError(
            f"denoiser is {kind(denoiser)}, a network; wanted a Denoiser, such as model.stage_1, "
            "or DigitDenoiser(network, schedule)."
        )
    if hasattr(denoiser, "stage_1"):
        raise TypeError(f"denoiser is {kind(denoiser)}; wanted its Denoiser, model.stage_1.")
    like_one = callable(denoiser) and hasattr(denoiser, "schedule") and hasattr(denoiser, "image_shape")
    if isinstance(denoiser, type) or not like_one:
        raise TypeError(f"denoiser is {in_words(denoiser)}; wanted a Denoiser, such as model.stage_1.")


def predict_together(denoiser: Denoiser, images: list[Tensor], t: int, conds: list[Cond]) -> list[Prediction]:
    """Predict for n batches of images (B, C, H, W), each under its own condition, in ONE call of the network.

    One call on a larger batch is faster than several on small ones, and stacked combinators stay one call.
    """
    n, B = len(images), len(images[0])
    prediction = denoiser(torch.cat(images), t, batch_conds(conds, B))  # of (n · B, C, H, W)
    eps, var = prediction
    x0 = getattr(prediction, "x0", None)  # a Denoiser of your own may return a plain pair
    variances = [None] * n if var is None else var.chunk(n)
    if x0 is None:
        return [Prediction(*each) for each in zip(eps.chunk(n), variances)]
    return [FlowPrediction(*each) for each in zip(eps.chunk(n), variances, x0.chunk(n))]


def mixed(mix: Callable[..., Tensor], predictions: list[Prediction], var: Tensor | None) -> Prediction:
    """Combine predictions by a linear map mix(eps_1, eps_2, …), which also maps the x0 of those that carry it.

    The same map serves both if it takes n times x_t to x_t, because x_t = √abar x0 + √(1 - abar) eps in each of them.

    Args:
        predictions: of n networks or conditions, for the same x_t (B, C, H, W), or for views of it that mix undoes.
        var: the variance channels of the result.
    """
    eps = mix(*(prediction.eps for prediction in predictions))
    if any(prediction.x0 is None for prediction in predictions):
        return Prediction(eps, var)
    return FlowPrediction(eps, var, mix(*(prediction.x0 for prediction in predictions)))


def batch_conds(conds: list[Cond], batch_size: int) -> Cond:
    """Concatenate conditions of the same nesting, each for batch_size images, leaf by leaf.

    A leaf (1, …) is repeated for every image; a leaf (batch_size, …) already has one for each.
    """
    if all(isinstance(cond, Tensor) for cond in conds):
        for cond in conds:
            if cond.shape[0] not in (1, batch_size):
                raise ValueError(
                    f"the condition is for {cond.shape[0]} images (shape {tuple(cond.shape)}); "
                    f"wanted 1 or {batch_size}, as many as there are images."
                )
        return torch.cat([cond.expand(batch_size, *cond.shape[1:]) for cond in conds])  # (n · batch_size, …)
    if all(isinstance(cond, tuple) for cond in conds) and len({len(cond) for cond in conds}) == 1:
        return tuple(batch_conds(list(leaves), batch_size) for leaves in zip(*conds))
    raise TypeError(
        f"conditions are {[type(cond).__name__ for cond in conds]}; wanted tensors (model.embed(prompt) makes one), "
        "or tuples of equal length."
    )
