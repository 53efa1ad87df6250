"""Training of Mini-IF's stage II: as stage I, but on crops of 256-pixel images, conditioned on blurred, noised twins.

    python -m making.mini_if.upscaling --out runs/mini-if-ii

Everything else is as in training.py, including the folder's contents; samples/ shows art of held-out pairs.
"""

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, IFSuperResolutionPipeline
from torch import Tensor

from helpers.devices import bf16_autocast
from helpers.if_denoisers import UpscaleDenoiser
from helpers.models import enlarged, lanczos, upscale
from helpers.sampling import forward
from helpers.show import grid
from helpers.stages import STAGE_2
from helpers.upscale_unet import UpscaleUNet, aligned
from helpers.validate import check_integer

from .dataset import EMPTY
from .recipe import StageRecipe
from .training import StageRun
from .training import main as train_stage

SIZE = 256  # of the images


@dataclass(frozen=True)
class UpscaleRecipe(StageRecipe):
    """The hyperparameters of stage II's training.

    Args:
        batch_size: crops in each step.
        crop: their height and width in pixels, a multiple of 16.
        crops: per image, because composing an image takes longer than training on it.
    """

    steps: int = 3000
    cooldown: float = 0.4
    lr: float = 1e-3
    ema: float = 0.998
    channels: tuple[int, ...] = (64, 96, 128)
    crop: int = 128
    crops: int = 4

    network_class = UpscaleUNet
    coarsest = 8  # it has no attention

    def __post_init__(self):
        super().__post_init__()
        check_integer(self.crop, "crop", 16, SIZE)
        check_integer(self.crops, "crops", 1)
        if self.crop % 16:
            raise ValueError(f"crop is {self.crop}; wanted a multiple of 16.")

    def network_options(self) -> dict:
        return {}


class UpscaleRun(StageRun):
    """A training run of stage II, and its files."""

    recipe_class = UpscaleRecipe
    size = SIZE
    unet_folder = f"{STAGE_2}/unet"

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """n crops, the indices of their captions (n,), their low-resolution twins and the twins' noise levels."""
        crops, crop = self.recipe.crops, self.recipe.crop
        examples = self.dataset.examples(-(-n // crops), generator)
        low = enlarged(softened(shrunk(examples.images), generator), SIZE)
        # upscale's default noise level is 250; beyond twice that, it would ignore the low-resolution image
        level = (self.schedule.T / 2 * torch.rand(len(low), generator=generator) ** 2).long()
        low, _ = forward(low, level, self.schedule.alphas_cumprod, generator=generator)
        pairs = torch.cat([examples.images, aligned(low)], dim=1)
        corners = torch.randint(SIZE - crop + 1, (n, 2), generator=generator).tolist()
        pairs = torch.stack([pairs[i // crops, :, y : y + crop, x : x + crop] for i, (y, x) in enumerate(corners)])
        x0, low = pairs.chunk(2, dim=1)  # (n, 3, crop, crop) each
        level = level.repeat_interleave(crops)[:n]
        return x0, examples.captions.repeat_interleave(crops)[:n], (low, level)

    def save_stage(self, network: UpscaleUNet, folder: Path) -> None:
        """Replace stage II in a model's folder, in the format of diffusers' pipeline."""
        shutil.rmtree(folder / STAGE_2, ignore_errors=True)
        cosine = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", clip_sample=True)
        missing = ("tokenizer", "text_encoder", "safety_checker", "feature_extractor", "watermarker")
        pipeline = IFSuperResolutionPipeline(
            unet=network,
            scheduler=cosine,
            image_noising_scheduler=cosine,
            requires_safety_checker=False,
            **dict.fromkeys(missing),
        )
        pipeline.save_pretrained(folder / STAGE_2)

    def save_samples(self, steps: int = 20) -> None:
        """Write eight enlarged images of held-out pairs, always the same, to samples/: Lanczos, stage II, real."""
        examples = self.dataset.examples(8, torch.Generator().manual_seed(0), which=self.dataset.held_out)
        seeded = torch.Generator().manual_seed(0)
        small, text = shrunk(examples.images), self.dataset.states[examples.captions].float()
        with bf16_autocast(self.device):
            large = upscale(self.denoiser(), small, text, steps=steps, generator=seeded, progress=False)
        titles = [self.dataset.texts[caption] for caption in examples.captions]
        rows = [list(images) for images in (lanczos(small, SIZE), large.cpu(), examples.images)]
        (self.folder / "samples").mkdir(parents=True, exist_ok=True)
        image = grid(rows, titles, rows=["Lanczos", "stage II", "real"], cell=SIZE)
        image.save(self.folder / "samples" / f"step-{self.step:07d}.png")

    def denoiser(self) -> UpscaleDenoiser:
        """A denoiser with the averaged weights."""
        empty = self.dataset.states[EMPTY][None].float()
        return UpscaleDenoiser(self.average.eval(), self.schedule, empty, self.schedule)


def shrunk(images: Tensor) -> Tensor:
    """Images (B, 3, 256, 256), shrunk to stage I's size, (B, 3, 64, 64)."""
    return F.avg_pool2d(images, 4)


def softened(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur half of the images (B, 3, H, W) by random amounts, because stage I's samples are softer than art."""
    near = torch.tensor([0.25, 0.5, 0.25])
    kernel = (near[:, None] * near).expand(3, 1, 3, 3)
    blurred = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    amount = (2 * torch.rand(len(images), 1, 1, 1, generator=generator) - 1).clamp(min=0)
    return torch.lerp(images, blurred, amount)


main = functools.partial(train_stage, run_class=UpscaleRun)

if __name__ == "__main__":
    main()
