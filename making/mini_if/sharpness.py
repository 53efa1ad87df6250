"""How sharp and how accurate enlarged images are: Lanczos and stage II, on held-out art.

    python -m making.mini_if.sharpness --model runs/mini-if-ii/model

prints a table, and writes build/mini-if/upscaled-art.png and upscaled-samples.png (stage I's samples for the course's
prompts) for inspection.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.command import errors_end
from helpers.denoisers import guided
from helpers.hub import ModelError
from helpers.models import lanczos, load_model, upscale
from helpers.prompts import course_prompts
from helpers.sampling import dynamic_threshold
from helpers.show import grid
from helpers.validate import check_image, check_same
from making.sampling import paint

from .dataset import CACHE, Dataset, DatasetError
from .sheets import OUT
from .upscaling import SIZE, shrunk

SHOWN = 8  # images on a sheet
GAMMA = 5.0  # of stage I's samples


class Quality(NamedTuple):
    """How good enlarged images are, on average."""

    psnr: float  # peak signal-to-noise ratio in dB: the higher, the more accurate
    sharpness: float  # squared gradient, relative to that of the real image: 1 is as sharp
    gmsd: float  # perceptual distance: 0 is identical


def quality(images: Tensor, real: Tensor) -> Quality:
    """Compare enlarged images with the real ones, both (B, 3, H, W) in [-1, 1]."""
    check_image(images, "images")
    check_image(real, "real")
    check_same(real, images, "real", "images")
    mse = ((images - real) ** 2).mean(dim=(1, 2, 3))
    psnr = 10 * (4 / mse).log10()  # the peak is 2
    sharpness = squared_gradient(images) / squared_gradient(real)
    return Quality(*(values.mean().item() for values in (psnr, sharpness, gmsd(images, real))))


def squared_gradient(images: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, (B,)."""
    across, down = images.diff(dim=3), images.diff(dim=2)
    return (across**2).mean(dim=(1, 2, 3)) + (down**2).mean(dim=(1, 2, 3))


def gmsd(images: Tensor, real: Tensor) -> Tensor:
    """Gradient magnitude similarity deviation, (B,): how unevenly the edges of two images differ.

    Source: Xue et al. 2014, "Gradient Magnitude Similarity Deviation", equations 1 to 6 (arXiv:1308.3052).
    """
    grey = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    prewitt = torch.tensor([[1.0, 0.0, -1.0]]).expand(3, 3) / 3
    kernels = torch.stack([prewitt, prewitt.T])[:, None]  # (2, 1, 3, 3)

    def edges(x: Tensor) -> Tensor:  # (B, 1, H / 2, W / 2)
        x = F.avg_pool2d(((x + 1) / 2 * grey).sum(dim=1, keepdim=True), 2)
        return F.conv2d(x, kernels, padding=1).norm(dim=1, keepdim=True)

    a, b, c = edges(images), edges(real), 0.0026
    return ((2 * a * b + c) / (a**2 + b**2 + c)).flatten(1).std(dim=1, correction=0)


def held_out_art(dataset: Dataset, n: int) -> tuple[Tensor, Tensor, list[str]]:
    """n images of held-out pairs (n, 3, 256, 256), their captions' text states, and the captions."""
    examples = dataset.examples(n, torch.Generator().manual_seed(1), which=dataset.held_out)
    titles = [dataset.texts[caption] for caption in examples.captions]
    return examples.images, dataset.states[examples.captions].float(), titles


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Compare a model's stage II with Lanczos on art of held-out pairs."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.sharpness", description=main.__doc__)
    parser.add_argument("--model", default="mini-if", help="its name, or its folder")
    parser.add_argument("--data", type=Path, default=CACHE, help="the training set's folder")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the sheets")
    parser.add_argument("--images", type=int, default=32, help="how many to compare")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--noise-level", type=int, default=250)
    parser.add_argument("--gamma", type=float, default=4.0)
    args = parser.parse_args(arguments)
    with errors_end(parser, DatasetError, ModelError, ValueError):
        run_command(args)


def run_command(args: argparse.Namespace) -> None:
    """Run the command."""
    model = load_model(args.model)
    if model.stage_2 is None:
        raise ModelError(f"{args.model} has no stage II; wanted a model with one.")
    options = {"steps": args.steps, "noise_level": args.noise_level, "gamma": args.gamma, "progress": False}

    def stage_2(small: Tensor, text: Tensor) -> Tensor:
        parts = zip(small.split(1), text.split(1))  # one at a time needs less memory and is no slower
        generator = torch.Generator().manual_seed(0)
        return torch.cat([upscale(model.stage_2, *part, generator=generator, **options) for part in parts]).cpu()

    ways: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "Lanczos": lambda small, _: lanczos(small, SIZE),
        "stage II": stage_2,
    }
    real, text, titles = held_out_art(Dataset(args.data, SIZE), args.images)
    enlarged = {way: enlarge(shrunk(real), text) for way, enlarge in ways.items()}
    print(f"{'':10}{'PSNR':>8}{'sharpness':>12}{'GMSD':>8}")
    for way, images in enlarged.items():
        psnr, sharpness, distance = quality(images, real)
        print(f"{way:10}{psnr:8.2f}{sharpness:12.2f}{distance:8.3f}")
    show({**enlarged, "real": real}, titles, args.out / "upscaled-art.png")

    prompts = [prompt for prompt in course_prompts() if prompt][:SHOWN]
    text = model.embed(prompts)
    small = paint(guided(model.stage_1, GAMMA), text, len(prompts), steps=34, threshold=dynamic_threshold).clamp(-1, 1)
    show(
        {way: enlarge(small, text) for way, enlarge in ways.items()},
        prompts,
        args.out / "upscaled-samples.png",
    )
    print(f"The sheets are in {args.out}.")


def show(rows: dict[str, Tensor], titles: list[str], file: Path) -> None:
    """A sheet of the first few images, one row for each method."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table = [list(images[:SHOWN]) for images in rows.values()]
    grid(table, titles[:SHOWN], rows=list(rows), cell=SIZE).save(file)


if __name__ == "__main__":
    main()
