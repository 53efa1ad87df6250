"""Editing with a diffusion model: an image is partly noised and denoised again, as a whole or inside a mask."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .denoisers import Cond, Denoiser, check_denoiser
from .sampling import Step, denoise, draw_noise, forward
from .validate import check_axes, check_fits, check_image, check_integer, check_like, check_mask, check_timesteps

__all__ = ["inpaint", "keep_known", "sdedit"]


def sdedit(
    denoiser: Denoiser,
    x_orig: Tensor,
    cond: Cond,
    *,
    timesteps: Sequence[int],
    i_start: int,
    generator: torch.Generator | None = None,
    **options,
) -> Iterator[Step]:
    """Noise x_orig up to timesteps[i_start] and denoise it from there; yields every Step.

    A small i_start leaves little of x_orig and gives the model freedom; a large one stays faithful.

    Args:
        x_orig: clean images (B, C, H, W) in [-1, 1] (Part B: in [0, 1]).
        i_start: an index into timesteps.
        options: step, threshold and constrain, as for denoise.

    Source: Meng et al. 2022, "SDEdit", section 3 (arXiv:2108.01073), with DDPM's steps for the reverse SDE.
    """
    check_denoiser(denoiser)
    check_image(x_orig, "x_orig")
    check_fits(x_orig, denoiser.image_shape, "x_orig")
    timesteps = check_timesteps(timesteps, denoiser.schedule.T)
    check_integer(i_start, "i_start", 0, len(timesteps) - 1)
    x_t, _ = forward(x_orig, timesteps[i_start], denoiser.schedule.alphas_cumprod, generator=generator)
    return denoise(denoiser, x_t, timesteps[i_start:], cond, generator=generator, **options)


def keep_known(
    x_s: Tensor,
    s: int | None,
    x_orig: Tensor,
    mask: Tensor,
    alphas_cumprod: Tensor,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Replace the kept part by the noised original: x_s ← m x_s + (1 - m) forward(x_orig, s). The loop's `constrain`.

    After the last step (s is None) the kept part is x_orig itself, so kept pixels are exact.

    Args:
        x_s, x_orig: the images at timestep s, and the original ones, (B, C, H, W).
        mask: 1 where the image is repainted, 0 where it is kept, (H, W) or (1 or B, 1 or C, H, W).
    """
    check_axes(x_orig, "x_orig")
    known = x_orig if s is None else forward(x_orig, s, alphas_cumprod, generator=generator)[0]
    check_like(known, x_s, "x_orig", "x_s")
    check_mask(mask, x_s)
    return torch.where(mask.bool(), x_s, known)  # m x_s + (1 - m) known, to the last bit


def inpaint(
    denoiser: Denoiser,
    x_orig: Tensor,
    mask: Tensor,
    cond: Cond,
    *,
    timesteps: Sequence[int],
    generator: torch.Generator | None = None,
    **options,
) -> Iterator[Step]:
    """Repaint x_orig where mask is 1 and keep it where mask is 0; yields every Step.

    After each step to s the kept part is replaced by x_orig noised to s: x_s ← m x_s + (1 - m) forward(x_orig, s).
    After the last step it is x_orig itself, so that kept pixels are exact.

    Args:
        x_orig: clean images (B, C, H, W) in [-1, 1] (Part B: in [0, 1]).
        mask: zeros and ones, (H, W) or (1 or B, 1 or C, H, W).
        options: step, threshold and resample, as for denoise. resample = 1 is CS180's method. With a larger
            number the repainted part can adapt to the kept one, at as many times the number of network calls.

    Source: Lugmayr et al. 2022, "RePaint", equation 8 and algorithm 1 (its m is 1 where ours is 0; arXiv:2201.09865).
    """
    check_denoiser(denoiser)
    check_image(x_orig, "x_orig")
    check_fits(x_orig, denoiser.image_shape, "x_orig")
    check_mask(mask, x_orig)
    mask, alphas_cumprod = mask.to(x_orig.device), denoiser.schedule.alphas_cumprod

    def keep(x_s: Tensor, s: int | None) -> Tensor:
        return keep_known(x_s, s, x_orig, mask, alphas_cumprod, generator=generator)

    x_T = draw_noise(x_orig.shape, generator, x_orig.device)
    return denoise(denoiser, x_T, timesteps, cond, constrain=keep, generator=generator, **options)
