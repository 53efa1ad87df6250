"""The seam between the maths and a network.

A Denoiser predicts the noise in x_t. Samplers, editors and illusions know nothing else about a model, so the same loop
runs Mini-IF, DeepFloyd IF, the digit networks of Part B, and your own Denoisers.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from .schedule import NoiseSchedule
from .validate import check_fits, check_number, in_words, kind

__all__ = [
    "Combinator",
    "Cond",
    "Denoiser",
    "Guided",
    "Prediction",
    "batch_conds",
    "check_denoiser",
    "guided",
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


class Denoiser(ABC):
    """A network behind one call. Subclasses set `schedule` and `image_shape` (C, H, W)."""

    schedule: NoiseSchedule
    image_shape: tuple[int, int, int]

    @abstractmethod
    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> Prediction:
        """x_t (B, C, H, W) in fp32, one timestep t, and a condition for each image (or one for all).

        The prediction is on x_t's device, wherever the network computes: images may stay in main memory.
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
    """eps = eps_u + gamma (eps_c - eps_u); var is the conditional half's. See `guided`."""

    def __init__(self, denoiser: Denoiser, gamma: float):
        super().__init__(denoiser)
        self.gamma = gamma

    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> Prediction:
        check_fits(x_t, self.image_shape, "x_t")
        u, c = predict_together(self.denoiser, [x_t, x_t], t, [self.unconditional(cond), cond])
        return Prediction(u.eps + self.gamma * (c.eps - u.eps), c.var)

    def prepare(self, cond: Cond) -> Cond:
        return prepare(self.denoiser, cond)


def guided(denoiser: Denoiser, gamma: float) -> Denoiser:
    """Classifier-free guidance: eps = eps_u + gamma (eps_c - eps_u), both halves in one batched call.

    gamma 0 ignores the condition, 1 is the plain conditional prediction, more than 1 exaggerates what the condition
    adds. The variance is the conditional half's, as extrapolating a variance makes no sense.

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", equation 6 (arXiv:2207.12598), which writes
    w = gamma - 1. Raises a ValueError if gamma is not finite.
    """
    check_denoiser(denoiser)
    check_number(gamma, "gamma")
    return Guided(denoiser, float(gamma))


def prepare(denoiser: Denoiser, cond: Cond) -> Cond:
    """The condition of a run, prepared; an object that is no Denoiser, but works like one, gets it as it is."""
    return denoiser.prepare(cond) if isinstance(denoiser, Denoiser) else cond


def check_denoiser(denoiser) -> None:
    """A Denoiser, or an object of your own that has its attributes."""
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


def predict_together(denoiser: Denoiser, pictures: list[Tensor], t: int, conds: list[Cond]) -> list[Prediction]:
    """Predict for n batches of images (B, C, H, W), each under its own condition, in ONE call of the network.

    One call on a larger batch is faster than several on small ones, and stacked combinators stay one call.
    """
    n, B = len(pictures), len(pictures[0])
    eps, var = denoiser(torch.cat(pictures), t, batch_conds(conds, B))  # (n · B, C, H, W)
    variances = [None] * n if var is None else var.chunk(n)
    return [Prediction(*prediction) for prediction in zip(eps.chunk(n), variances)]


def batch_conds(conds: list[Cond], batch_size: int) -> Cond:
    """Concatenate conditions of the same nesting, each for batch_size images, leaf by leaf.

    A leaf (1, …) is repeated for every image; a leaf (batch_size, …) already has one for each.
    """
    if all(isinstance(cond, Tensor) for cond in conds):
        for cond in conds:
            if cond.shape[0] not in (1, batch_size):
                raise ValueError(
                    f"the condition is for {cond.shape[0]} pictures (shape {tuple(cond.shape)}); "
                    f"wanted 1 or {batch_size}, as many as there are pictures."
                )
        return torch.cat([cond.expand(batch_size, *cond.shape[1:]) for cond in conds])  # (n · batch_size, …)
    if all(isinstance(cond, tuple) for cond in conds) and len({len(cond) for cond in conds}) == 1:
        return tuple(batch_conds(list(leaves), batch_size) for leaves in zip(*conds))
    raise TypeError(
        f"conditions are {[type(cond).__name__ for cond in conds]}; wanted tensors (model.embed(prompt) makes one), "
        "or tuples of equal length."
    )
