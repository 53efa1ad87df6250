"""The images that an evaluation compares: a model's samples, and real images of the same pairs."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from helpers.denoisers import Cond, Denoiser, guided
from helpers.models import TextToImage
from helpers.prompts import course_prompts
from helpers.sampling import dynamic_threshold
from helpers.validate import check_integer, check_number
from making.sampling import paint

from .asked import ILLUSION_SEEDS, ILLUSIONS, row_of, usual_captions
from .dataset import Dataset

BATCH = 16  # images sampled at a time


@dataclass(frozen=True)
class Sampler:
    """How images are sampled: with DDPM in `steps` strided steps, guidance `gamma` and dynamic thresholding."""

    gamma: float = 5.0
    steps: int = 34

    def __post_init__(self):
        check_number(self.gamma, "gamma")
        check_integer(self.steps, "steps", 1)

    def __str__(self) -> str:
        return f"{self.steps} DDPM steps with guidance {self.gamma:g}"

    def paint(self, denoiser: Denoiser, cond: Cond, *, seed: int = 0, what: str = "samples") -> Tensor:
        """An image for each condition (N, …), in [-1, 1]: (N, 3, 64, 64)."""
        generator = torch.Generator().manual_seed(seed)
        parts = list(batches(cond))
        options = {"steps": self.steps, "threshold": dynamic_threshold, "generator": generator}
        painter = guided(denoiser, self.gamma)
        painted = [paint(painter, part, n, **options) for part, n in tqdm(parts, desc=what, leave=False)]
        return torch.cat(painted).clamp(-1, 1)

    def samples(self, model: TextToImage, dataset: Dataset, rows: Tensor, what: str = "samples") -> Tensor:
        """A model's samples for the usual captions of cached images, (N,) indices: (N, 3, 64, 64)."""
        text = dataset.states[usual_captions(dataset, rows)].float()  # (N, 77, 384)
        return self.paint(model.stage_1, text, what=what)

    def illusions(self, model: TextToImage, dataset: Dataset) -> list[Tensor]:
        """A model's samples of each of ILLUSIONS: (ILLUSION_SEEDS, 3, 64, 64)."""
        painted = []
        for i, illusion in enumerate(ILLUSIONS, 1):
            numbers = [dataset.texts.index(prompt) for prompt in illusion.prompts]
            text = tuple(dataset.states[number].float().expand(ILLUSION_SEEDS, -1, -1) for number in numbers)
            what = f"illusion {i} of {len(ILLUSIONS)}"
            painted.append(self.paint(illusion.denoiser(model.stage_1), text, what=what))
        return painted


def batches(cond: Cond) -> Iterator[tuple[Cond, int]]:
    """A condition for N images, split into batches, each with its number of images."""
    if isinstance(cond, tuple):
        for parts in zip(*(leaf.split(BATCH) for leaf in cond)):
            yield parts, len(parts[0])
    else:
        for part in cond.split(BATCH):
            yield part, len(part)


def real_images(dataset: Dataset, rows: Tensor, seed: int) -> Tensor:
    """A real example of each pair, given as a cached image of it, (N,) indices: (N, 3, 64, 64)."""
    generator = torch.Generator().manual_seed(seed)
    same_pair = (dataset.pair[rows, None] == dataset.pair) & (dataset.split[rows, None] == dataset.split)  # (N, images)
    rows = torch.multinomial(same_pair * dataset.weight, 1, generator=generator)[:, 0]
    return composed(dataset, rows, generator)


def generic_images(dataset: Dataset, which: Tensor, n: int = 500, seed: int = 5) -> Tensor:
    """n real images with the generic caption, of those in `which` (N,): (n, 3, 64, 64)."""
    generator = torch.Generator().manual_seed(seed)
    rows = dataset.draw(n, generator, which=which * dataset.generic_chance)
    return composed(dataset, rows, generator)


def composed(dataset: Dataset, rows: Tensor, generator: torch.Generator) -> Tensor:
    """One example of each of some cached images, (N,) indices, composed in batches: (N, 3, 64, 64)."""
    return torch.cat([dataset.compose(part, generator).images for part in rows.split(256)])


def real_illusions(dataset: Dataset, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For each of ILLUSIONS, the real art of both prompts, as the two views would show it (two images, not one)."""
    for illusion in ILLUSIONS:
        rows = torch.tensor([row_of(dataset, prompt) for prompt in illusion.prompts])
        first, second = real_images(dataset, rows.repeat_interleave(ILLUSION_SEEDS), seed).chunk(2)
        yield (illusion.seen(first)[0], second)  # the real art stands upright


def sheet_prompts(n: int = 64) -> list[str]:
    """n of the course's prompts, repeated as often as needed."""
    return list(itertools.islice(itertools.cycle(filter(None, course_prompts())), n))


def enlarge(model: TextToImage, images: Tensor, text: Tensor) -> Tensor:
    """Images (N, 3, 64, 64), enlarged by the model's stage II: (N, 3, 256, 256)."""
    generator = torch.Generator().manual_seed(0)
    parts = list(zip(images.split(BATCH), text.split(BATCH)))
    return torch.cat(
        [model.upscale(*part, generator=generator).cpu() for part in tqdm(parts, desc="stage II", leave=False)]
    )
