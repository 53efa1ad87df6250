"""What Part B's networks learn: what a network is shown, and what it should predict."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from .flow import flow_target, interpolate
from .sampling import draw_noise, forward
from .schedule import NoiseSchedule
from .unet import ClassConditionalUNet, TimeConditionalUNet, TimeScaledUNet, UnconditionalUNet, one_hot
from .validate import check_axes, check_generator, check_image, check_integer, check_number, check_same, in_words

__all__ = ["ClassConditional", "FlowClass", "FlowTime", "OneStep", "TimeConditional", "add_noise"]


def add_noise(
    x0: Tensor, sigma: float, *, noise: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """z = x0 + sigma eps, the noising of B 1.2: images x0 (B, C, H, W) in [0, 1] -> z (B, C, H, W).

    noise is the eps to use; without it, it is drawn from `generator`. Raises a ValueError for sigma < 0.
    """
    check_image(x0, "x0", 0, 1)
    check_number(sigma, "sigma", 0)
    if noise is None:
        noise = draw_noise(x0.shape, generator, x0.device).to(x0.dtype)
    check_same(x0, noise, "x0", "noise")
    return x0 + sigma * noise


@dataclass(frozen=True)
class OneStep:
    """Remove noise of a fixed strength sigma in one step: given z = x0 + sigma eps, predict x0 (B 1.2)."""

    sigma: float = 0.5

    network = UnconditionalUNet

    def __post_init__(self):
        check_number(self.sigma, "sigma", 0)

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Images (B, 1, 28, 28) and labels (B,) -> the network's arguments (z,), and its target, x0."""
        return (add_noise(x0, self.sigma, generator=generator),), x0


@dataclass(frozen=True)
class TimeConditional:
    """Predict the noise at any timestep: given x_t and t/T, predict eps (B 2.2).

    Args:
        T: the number of timesteps.
        emphasis: noisy timesteps are drawn more often, t with the weight 1 / abar_t^emphasis. At 0, as in CS180,
            all are equally likely. The noisy timesteps decide which digit an image becomes, but contribute least to
            the plain loss: nearly all of x_t is noise there, which makes the noise easy to predict.

    Source: Ho et al. 2020, algorithm 1 (arXiv:2006.11239), where all are equally likely.
    """

    T: int = 300
    emphasis: float = 0.0

    network = TimeConditionalUNet

    def __post_init__(self):
        check_integer(self.T, "T", 1)
        check_number(self.emphasis, "emphasis", 0)

    @functools.cached_property
    def schedule(self) -> NoiseSchedule:
        """beta from 1e-4 to 0.02 in a straight line."""
        return NoiseSchedule.linear(self.T)

    def timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """Random timesteps 0 … T-1, (count,)."""
        check_generator(generator)
        if self.emphasis == 0:
            return torch.randint(self.T, (count,), generator=generator)
        weights = self.schedule.alphas_cumprod**-self.emphasis
        return torch.multinomial(weights, count, replacement=True, generator=generator)

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Images (B, 1, 28, 28) and labels (B,) -> the network's arguments (x_t, t01), and its target, eps.

        t, by `timesteps`, and eps are drawn anew for every image of every batch.
        """
        check_axes(x0, "x0")
        t = self.timesteps(len(x0), generator)
        x_t, eps = forward(x0, t, self.schedule.alphas_cumprod, generator=generator)
        t01 = (t / self.T)[:, None].to(x0.device)  # (B, 1)
        return (x_t, t01), eps


@dataclass(frozen=True)
class ClassConditional(TimeConditional):
    """Predict the noise in an image of a given class: given x_t, t/T and one-hot c, predict eps (B 2.4).

    With probability p_uncond an image's c is all zeros. From these, the network learns the unconditional prediction
    that guidance needs. Source: Ho & Salimans 2022, algorithm 1 (arXiv:2207.12598).
    """

    p_uncond: float = 0.1

    network = ClassConditionalUNet

    def __post_init__(self):
        super().__post_init__()
        check_number(self.p_uncond, "p_uncond", 0, 1)

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Images (B, 1, 28, 28) and labels (B,) -> the network's arguments (x_t, t01, c), and its target, eps."""
        (x_t, t01), eps = super().examples(x0, labels, generator)
        c = dropped_classes(labels, x0, self.p_uncond, generator)
        return (x_t, t01, c), eps


@dataclass(frozen=True)
class FlowTime:
    """Predict the velocity of flow matching at any flow time: given z and u, predict x0 - eps.

    z = u x0 + (1 - u) eps, with u drawn evenly from [0, 1]: 0 is noise, 1 is the image.
    Source: Lipman et al. 2023, equation 23 with sigma_min = 0 (arXiv:2210.02747).
    """

    network = TimeScaledUNet

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Images (B, 1, 28, 28) and labels (B,) -> the network's arguments (z, u01), and its target, x0 - eps.

        u and eps are drawn anew for every image of every batch.
        """
        check_axes(x0, "x0")
        check_generator(generator)
        u = torch.rand(len(x0), generator=generator).to(x0)  # (B,)
        z, eps = interpolate(x0, u, generator=generator)
        return (z, u[:, None]), flow_target(x0, eps)


@dataclass(frozen=True)
class FlowClass(FlowTime):
    """Predict the velocity for an image of a given class: given z, u and one-hot c, predict x0 - eps.

    With probability p_uncond an image's c is all zeros, as in ClassConditional.
    """

    p_uncond: float = 0.1

    network = ClassConditionalUNet

    def __post_init__(self):
        check_number(self.p_uncond, "p_uncond", 0, 1)

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Images (B, 1, 28, 28) and labels (B,) -> the network's arguments (z, u01, c), and its target, x0 - eps."""
        (z, u01), v = super().examples(x0, labels, generator)
        c = dropped_classes(labels, x0, self.p_uncond, generator)
        return (z, u01, c), v


def dropped_classes(labels: Tensor, x0: Tensor, p_uncond: float, generator: torch.Generator) -> Tensor:
    """One-hot classes (B, 10) for the images x0 (B, C, H, W); each row is all zeros with probability p_uncond."""
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels is {in_words(labels)}; wanted a torch.Tensor (B,).")
    if labels.shape[:1] != x0.shape[:1]:
        raise ValueError(f"labels have shape {tuple(labels.shape)}; wanted one for each of {len(x0)} images.")
    keep = torch.rand(len(x0), 1, generator=generator) >= p_uncond  # (B, 1)
    return one_hot(labels) * keep.to(x0.device)
