"""Sampling from noise in strided timesteps, as used for both models and the site."""

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.denoisers import Cond, Denoiser
from helpers.sampling import ddpm_step, final, sample
from helpers.schedule import strided_timesteps

__all__ = ["paint"]


def paint(
    denoiser: Denoiser,
    cond: Cond,
    count: int,
    *,
    steps: int,
    step: Callable[..., Tensor] = ddpm_step,
    threshold: Callable[[Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Images (count, C, H, W), not clamped, on the CPU. The default generator has seed 0.

    The other arguments are those of helpers.sampling.sample; `steps` is their number.
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    timesteps = strided_timesteps(steps, denoiser.schedule.T)
    options = {"step": step, "threshold": threshold, "generator": generator}
    return final(sample(denoiser, cond, timesteps=timesteps, batch_size=count, **options), progress=False)
