"""Denoising and inpainting of held-out images, the tasks of notebooks 1.4 and 1.7.2."""

import torch
from torch import Tensor

from helpers.editing import inpaint, sdedit
from helpers.models import TextToImage
from helpers.sampling import estimate_x0, final, forward
from helpers.schedule import strided_timesteps

from .captions import GENERIC
from .dataset import Dataset
from .pixels import middle_mask

STEPS = 34
I_START = 10  # t = 690, as in 1.4


def originals(dataset: Dataset, n: int, seed: int = 6) -> Tensor:
    """n held-out photographs, (n, 3, 64, 64); none is repeated before all have been used."""
    photographs = (dataset.unseen & dataset.photograph).nonzero()[:, 0]
    generator = torch.Generator().manual_seed(seed)
    order = torch.cat([torch.randperm(len(photographs), generator=generator) for _ in range(1 + n // len(photographs))])
    return dataset.compose(photographs[order[:n]], generator).images


def denoised(model: TextToImage, images: Tensor, seed: int = 7) -> tuple[Tensor, Tensor]:
    """Images noised to t = 690, denoised iteratively and in one step from the same noise: (N, 3, 64, 64) each."""
    timesteps = strided_timesteps(STEPS, model.schedule.T)
    cond = model.embed([GENERIC] * len(images))
    options = {"timesteps": timesteps, "i_start": I_START, "generator": torch.Generator().manual_seed(seed)}
    iterative = final(sdedit(model.stage_1, images, cond, **options), progress=False)
    t, abar = timesteps[I_START], model.schedule.alphas_cumprod
    x_t, _ = forward(images, t, abar, generator=torch.Generator().manual_seed(seed))
    eps, _ = model.stage_1(x_t, t, cond)
    return iterative.clamp(-1, 1).cpu(), estimate_x0(x_t, t, eps, abar).clamp(-1, 1).cpu()


def inpainted(model: TextToImage, images: Tensor, seed: int = 8) -> Tensor:
    """Images whose centre is inpainted with the generic prompt: (N, 3, 64, 64)."""
    timesteps = strided_timesteps(STEPS, model.schedule.T)
    cond = model.embed([GENERIC] * len(images))
    generator = torch.Generator().manual_seed(seed)
    steps = inpaint(model.stage_1, images, middle_mask(), cond, timesteps=timesteps, generator=generator)
    return final(steps, progress=False).clamp(-1, 1).cpu()
