"""The seam between the maths and a network.

A Denoiser answers one question: which noise is in x_t? Samplers, editors and illusions know nothing else of a
model, so the same loop runs Mini-IF, DeepFloyd IF, the digit networks of Part B, and whatever a student writes.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from .devices import bf16_autocast
from .memory import execution_device
from .schedule import NoiseSchedule
from .unet import CLASSES
from .validate import check_batch, check_number, check_timestep

Cond = Tensor | tuple  # a tensor (1 or B, …), or a tuple of Conds


class Prediction(NamedTuple):
    """What a network says about x_t (B, C, H, W).

    eps: the noise that it sees in x_t (B, C, H, W), fp32.
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
        """x_t (B, C, H, W) in fp32, one timestep t, and a condition for each picture (or one for all).

        The prediction is where x_t is, wherever the network computes: pictures may stay in main memory.
        """

    @abstractmethod
    def unconditional(self, cond: Cond) -> Cond:
        """The empty condition, of the same tree and batch as cond."""


class TextDenoiser(Denoiser):
    """An IF-style network: UNet(x_t, t, text) gives predicted noise and learned variance, 2C channels.

    Args:
        unet: a diffusers UNet2DConditionModel, or Mini-IF's PatchUNet.
        schedule: the noise schedule that it was trained with.
        empty: the text states (1, 77, width) of the empty prompt "".
    """

    def __init__(self, unet: torch.nn.Module, schedule: NoiseSchedule, empty: Tensor):
        self.unet, self.schedule, self.empty = unet, schedule, empty
        size = unet.config.sample_size
        self.image_shape = (unet.config.in_channels, size, size)

    def __call__(self, x_t: Tensor, t: int, cond: Tensor) -> Prediction:
        self.check_text(cond)
        return self.predict(x_t, t, batch_conds([cond], len(x_t)))

    def predict(self, sample: Tensor, t: int, text: Tensor, **more) -> Prediction:
        """Call the network on what it wants beside text (B, 77, width), all on its device and in its own precision."""
        device = execution_device(self.unet)
        weight = next(self.unet.parameters())  # (diffusers' unet.dtype would search all modules, at every step)
        # Mini-IF's network takes the picture in fp32 and casts only its insides; IF's wants its own dtype
        picture = sample.to(device, getattr(self.unet, "picture_dtype", weight.dtype))
        more = {name: x.to(device) for name, x in more.items()}
        out = self.unet(picture, t, encoder_hidden_states=text.to(device, weight.dtype), **more).sample
        return Prediction(*out.to(sample.device, torch.float32).chunk(2, dim=1))  # of (B, 2C, H, W)

    def unconditional(self, cond: Tensor) -> Tensor:
        self.check_text(cond)
        return self.empty.to(cond).expand_as(cond)

    def check_text(self, cond) -> None:
        """Text states of the width and length that the network knows."""
        tokens, width = self.empty.shape[1:]
        if not isinstance(cond, Tensor):
            raise TypeError(
                f"the condition is a {type(cond).__name__}; wanted text states (1 or B, {tokens}, {width}): "
                "model.embed(prompt) makes them."
            )
        if cond.ndim != 3 or cond.shape[1:] != (tokens, width):
            raise ValueError(
                f"the condition has shape {tuple(cond.shape)}; this model wants text states "
                f"(1 or B, {tokens}, {width}): model.embed(prompt) makes them."
            )


class UpscaleDenoiser(TextDenoiser):
    """IF's stage II: UNet((x_t, low), t, text, level) gives predicted noise and learned variance.

    The condition is (text, low, level): text states (1 or B, 77, width); the low-resolution picture, enlarged to
    image_shape and noised (1 or B, C, H, W); and the timesteps (1 or B,) to which it is noised.

    Args:
        unet, schedule, empty: as for TextDenoiser. The unet takes 2C channels, and `class_labels`: the level.
        low_schedule: the noise schedule of the low-resolution picture.
    """

    def __init__(self, unet: torch.nn.Module, schedule: NoiseSchedule, empty: Tensor, low_schedule: NoiseSchedule):
        super().__init__(unet, schedule, empty)
        self.low_schedule = low_schedule
        channels, *size = self.image_shape
        self.image_shape = (channels // 2, *size)
        self.reads_text = getattr(unet, "reads_text", True)  # if not, guidance would compute the same twice

    def __call__(self, x_t: Tensor, t: int, cond: tuple[Tensor, Tensor, Tensor]) -> Prediction:
        self.check_cond(cond)
        text, low, level = batch_conds([cond], len(x_t))
        sample = torch.cat([x_t, low.to(x_t)], dim=1)  # (B, 2C, H, W)
        return self.predict(sample, t, text, class_labels=level)

    def unconditional(self, cond: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        self.check_cond(cond)
        text, low, level = cond
        return super().unconditional(text), low, level

    def check_cond(self, cond) -> None:
        """Text states, enlarged pictures and their noise levels."""
        if not isinstance(cond, tuple) or len(cond) != 3:
            given = f"{len(cond)} things" if isinstance(cond, tuple) else f"a {type(cond).__name__}"
            raise TypeError(f"the condition is {given}; wanted (text states, low-resolution pictures, noise levels).")
        text, low, level = cond
        self.check_text(text)
        check_batch(low, "the low-resolution picture")
        if tuple(low.shape[1:]) != self.image_shape:
            wanted = ", ".join(map(str, self.image_shape))
            raise ValueError(f"the low-resolution picture has shape {tuple(low.shape)}; wanted (1 or B, {wanted}).")
        if not isinstance(level, Tensor) or level.ndim != 1:
            raise TypeError(f"the noise level is {level!r}; wanted a tensor of timesteps (1 or B,).")
        check_timestep(level, self.low_schedule.T, "the noise level")


class DigitDenoiser(Denoiser):
    """A network of Part B: UNet(x_t, t/T) or UNet(x_t, t/T, c) gives predicted noise.

    The condition is () for a time-conditional network, and one-hot classes (1 or B, 10) for a class-conditional one;
    zeros are the empty class. The variance of a step is beta, not beta-tilde, as the course has it.

    Args:
        unet: a TimeConditionalUNet or ClassConditionalUNet, or one's own network with the same arguments.
        schedule: the noise schedule that it was trained with.
    """

    image_shape = (1, 28, 28)

    def __init__(self, unet: torch.nn.Module, schedule: NoiseSchedule):
        self.unet, self.schedule = unet, schedule

    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> Prediction:
        B, device = len(x_t), next(self.unet.parameters()).device
        t01 = torch.full((B, 1), t / self.schedule.T, device=device)
        classes = [] if isinstance(cond, tuple) and not cond else [self.classes(cond, B).to(device)]
        # in training mode, BatchNorm would make each picture depend on the others in its batch
        was_training = self.unet.training
        self.unet.eval()
        try:
            with bf16_autocast(device):
                eps = self.unet(x_t.to(device), t01, *classes).to(x_t.device, torch.float32)  # (B, 1, 28, 28)
        finally:
            self.unet.train(was_training)  # a network that is sampled between two epochs goes on training
        return Prediction(eps, torch.ones_like(eps))  # +1: the variance is beta

    def classes(self, cond: Tensor, batch_size: int) -> Tensor:
        """The condition (1 or B, 10) for each picture: (B, 10)."""
        if not isinstance(cond, Tensor) or cond.ndim != 2 or cond.shape[1] != CLASSES:
            given = f"of shape {tuple(cond.shape)}" if isinstance(cond, Tensor) else repr(cond)
            raise ValueError(f"the condition is {given}; wanted () or one-hot classes (B, {CLASSES}): one_hot(labels).")
        return batch_conds([cond], batch_size).float()

    def unconditional(self, cond: Cond) -> Cond:
        return torch.zeros_like(cond) if isinstance(cond, Tensor) else ()


class Combinator(Denoiser):
    """A Denoiser made from another one, with the same schedule and pictures."""

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
        u, c = predict_together(self.denoiser, [x_t, x_t], t, [self.unconditional(cond), cond])
        return Prediction(u.eps + self.gamma * (c.eps - u.eps), c.var)


def guided(denoiser: Denoiser, gamma: float) -> Denoiser:
    """Classifier-free guidance: eps = eps_u + gamma (eps_c - eps_u), both halves in one batched call.

    gamma 0 ignores the condition, 1 is the plain conditional prediction, more than 1 exaggerates what the condition
    adds. The variance is the conditional half's: it was trained together with eps_c and is not to be extrapolated.

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", equation 6 (arXiv:2207.12598), which writes
    w = gamma - 1. Raises a ValueError if gamma is not finite.
    """
    check_number(gamma, "gamma")
    return Guided(denoiser, float(gamma))


def predict_together(denoiser: Denoiser, pictures: list[Tensor], t: int, conds: list[Cond]) -> list[Prediction]:
    """Ask about n batches of pictures (B, C, H, W), each under its own condition, in ONE call of the network.

    One call on a larger batch is faster than several on small ones, and stacked combinators stay one call.
    """
    n, B = len(pictures), len(pictures[0])
    eps, var = denoiser(torch.cat(pictures), t, batch_conds(conds, B))  # (n · B, C, H, W)
    variances = [None] * n if var is None else var.chunk(n)
    return [Prediction(*prediction) for prediction in zip(eps.chunk(n), variances)]


def batch_conds(conds: list[Cond], batch_size: int) -> Cond:
    """Several conditions of the same tree, each for batch_size pictures, one behind the other, leaf by leaf.

    A leaf (1, …) is repeated for every picture; a leaf (batch_size, …) already has one for each.
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
