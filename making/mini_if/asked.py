"""The prompts of an evaluation: pairs of a concept and a style, and illusions."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from helpers.denoisers import Denoiser
from helpers.illusions import anagram, hybrid, views

from .captions import captions
from .concepts import CONCEPTS
from .dataset import Dataset
from .reader import BLUR

TRAINED = 200  # how many of the trained pairs are evaluated
SEEDS = {"trained": 2, "held out": 4}  # of each pair
ILLUSION_SEEDS = 4


def asked(dataset: Dataset, *, held_out: bool, n: int | None = None) -> Tensor:
    """Pairs of a concept and a style, held out or trained: the index of a cached image of each, (N,).

    With `n`, only that many, always the same ones.
    """
    pairs = {}
    for row, entry in enumerate(dataset.entries):
        if entry.label in CONCEPTS and entry.split == ("pair" if held_out else "train"):
            pairs.setdefault((entry.label, entry.style), row)
    rows = list(pairs.values())
    return torch.tensor(rows if n is None else random.Random(0).sample(rows, min(n, len(rows))))


def row_of(dataset: Dataset, prompt: str) -> int:
    """The index of a cached image that has this prompt as a caption."""
    for row, entry in enumerate(dataset.entries):
        if prompt in captions(entry.called, entry.style, entry.source) and entry.split != "original":
            return row
    raise ValueError(f"no image of the training set is called {prompt!r}; wanted one of its captions.")


def usual_captions(dataset: Dataset, rows: Tensor) -> Tensor:
    """The usual caption of cached images, (N,) indices."""
    return dataset.caption[rows, 0]


@dataclass(frozen=True)
class Illusion:
    """One image, two prompts.

    Args:
        kind: the name of the view in which an anagram shows its second prompt; or "hybrid".
        prompts: upright and in that view; or from afar and close up.
    """

    kind: str
    prompts: tuple[str, str]

    def denoiser(self, denoiser: Denoiser) -> Denoiser:
        """The combinator of a denoiser that samples it."""
        return hybrid(denoiser, sigma=BLUR) if self.kind == "hybrid" else anagram(denoiser, ["identity", self.kind])

    def seen(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) as they are viewed for the first prompt and for the second."""
        if self.kind == "hybrid":
            return gaussian_blur(images, 33, BLUR), images
        return images, views[self.kind].view(images)


# chosen before any was sampled: first the course's, then pairs with similar shapes
ILLUSIONS = (
    Illusion("flip", ("an oil painting of an old man", "an oil painting of people around a campfire")),
    Illusion("flip", ("a photo of the amalfi cost", "a lithograph of waterfalls")),
    Illusion("flip", ("a lithograph of a skull", "an oil painting of a snowy mountain village")),
    Illusion("flip", ("a drawing of a penguin", "a drawing of a giraffe")),
    Illusion("rotate_90", ("a lithograph of a duck", "a lithograph of a rabbit")),
    Illusion("rotate_180", ("a flat illustration of a pear", "a flat illustration of a light bulb")),
    Illusion("hybrid", ("a lithograph of a skull", "a lithograph of waterfalls")),
    Illusion("hybrid", ("a rocket ship", "a pencil")),
    Illusion("hybrid", ("a photo of a hipster barista", "a photo of the amalfi cost")),
    Illusion("hybrid", ("a lithograph of a skull", "a lithograph of a house")),
    Illusion("hybrid", ("a photo of a panda", "a photo of a football")),
    Illusion("hybrid", ("an oil painting of the sun", "an oil painting of a sunflower")),
)


def chance(dataset: Dataset) -> dict[str, float]:
    """The accuracy of random guessing."""
    labels, styles = len(dataset.labels), len(dataset.styles)
    return {"top 1": 1 / labels, "top 5": 5 / labels, "style": 1 / styles, "both": (5 / labels) ** 2}


def pairs_of(dataset: Dataset) -> dict[str, Tensor]:
    """The pairs that are evaluated."""
    return {"trained": asked(dataset, held_out=False, n=TRAINED), "held out": asked(dataset, held_out=True)}
