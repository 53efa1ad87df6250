"""Training examples: cached pictures of concepts and scenes, put on ever new backgrounds.

    python -m making.mini_if.dataset

makes the cache in runs/mini-if-data from runs/art, in a few minutes:

    pictures-128.safetensors    (N, 4, 128, 128) uint8, premultiplied: for stage I, which halves them
    pictures-256.safetensors    (N, 4, 256, 256): for stage II
    texts.safetensors           text states (M, 77, 384) of all captions, fp16
    index.json                  what each picture shows, and its captions
"""

import argparse
import functools
import json
import math
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from helpers.checkpoints import write_tensors
from helpers.hub import ModelError
from helpers.text_encoders import ENCODER_WIDTH, encode
from helpers.validate import check_integer

from .art import ART, ArtError, brush_strokes, picture, premultiplied
from .captions import WEAK, captions
from .concepts import CONCEPTS, STYLES, read_held_out
from .scenes import SCENES

DATA = Path(__file__).resolve().parents[2] / "runs" / "mini-if-data"
SIZES = {64: 128, 256: 256}  # of an example, and of the cached picture that it is made from
SCENE_VARIANTS = 4  # pictures of each scene in each set
P_WEAK = 0.05  # of the 3-D pictures are captioned WEAK
P_USUAL = 0.5  # of the captions are the usual one, others are drawn from all


class DatasetError(RuntimeError):
    """A training set that is not there, or not whole."""


# ---- making the cache ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """What one cached picture shows.

    Args:
        label: the concept's name, or the scene's usual one.
        style, icons: the style, and the icon set.
        called: what captions may call it.
        full: whether it reaches the picture's edges.
        course: whether the course's prompts name it.
        held_out: whether its label and style are never trained together.
    """

    label: str
    style: str
    icons: str
    called: tuple[str, ...]
    full: bool = False
    course: bool = False
    held_out: bool = False


@functools.lru_cache(maxsize=2000)
def art(icons: str, concept: str, folder: Path = ART) -> np.ndarray:
    """A concept's picture in an icon set, (256, 256, 4) uint8; "noto-oil" is noto in oil."""
    if icons == "noto-oil":
        return brush_strokes(picture("noto", concept, folder), zlib.crc32(concept.encode()))
    return picture(icons, concept, folder)


def entries(art=art):
    """Every picture of the training set, as (Entry, (256, 256, 4) uint8), one after the other."""
    held_out = read_held_out()
    for style, about in STYLES.items():
        for icons in about.sets:
            for concept in CONCEPTS.values():
                if icons not in concept.without:
                    pair = (concept.name, style) in held_out
                    entry = Entry(concept.name, style, icons, concept.called, course=concept.course, held_out=pair)
                    yield entry, art(icons, concept.name)
            for scene in SCENES:
                for variant in range(SCENE_VARIANTS):
                    image, full = scene.picture(art, icons, variant)
                    if icons == "noto-oil":
                        image = brush_strokes(image, zlib.crc32(f"{scene.called[0]} {variant}".encode()))
                    yield Entry(scene.called[0], style, icons, scene.called, full, scene.course), image


def build(folder: Path = DATA, art=art, encode=encode) -> None:
    """Make the cache. `art` and `encode` are the kit's own, unless a test has smaller ones."""
    index, pictures = [], []
    for entry, image in entries(art):
        index.append(entry)
        pictures.append((255 * premultiplied(image)).round().byte())
    large = torch.stack(pictures)  # (N, 4, 256, 256)
    small = torch.cat([F.avg_pool2d(part.float(), 2).round().byte() for part in large.split(64)])
    write_tensors({"pictures": large}, folder / "pictures-256.safetensors", {})
    write_tensors({"pictures": small}, folder / "pictures-128.safetensors", {})

    texts = {"": None, WEAK: None}  # a dict keeps the order
    for entry in index:
        texts |= dict.fromkeys(captions(entry.called, entry.style))
    texts = list(texts)
    states = [encode(texts[i : i + 64], ENCODER_WIDTH) for i in range(0, len(texts), 64)]
    write_tensors({"states": torch.cat(states)}, folder / "texts.safetensors", {})
    about = {"texts": texts, "pictures": [asdict(entry) for entry in index]}
    (folder / "index.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


# ---- using it -----------------------------------------------------------------------------------------------------


class Examples(NamedTuple):
    """A batch. Indices point into the data set's texts, labels and styles."""

    pictures: Tensor  # (B, 3, size, size) in [-1, 1]
    captions: Tensor  # (B,)
    labels: Tensor  # (B,)
    styles: Tensor  # (B,)


class Dataset:
    """The cached pictures and captions, and examples made from them.

    Args:
        folder: of the cache.
        size: of the examples, 64 or 256.

    texts are all captions; states (M, 77, 384), fp16, their text states; labels and styles names.
    """

    def __init__(self, folder: Path = DATA, size: int = 64):
        if size not in SIZES:
            raise ValueError(f"size is {size}; wanted one of {', '.join(map(str, SIZES))}.")
        self.size = size
        try:
            about = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            self.pictures = load_file(folder / f"pictures-{SIZES[size]}.safetensors")["pictures"]  # uint8
            self.states = load_file(folder / "texts.safetensors")["states"]
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise DatasetError(
                f"{folder} has no whole training set ({error}); make it with python -m making.mini_if.dataset."
            ) from error
        self.entries = [Entry(**{**entry, "called": tuple(entry["called"])}) for entry in about["pictures"]]
        self.texts: list[str] = about["texts"]
        self.labels = list(dict.fromkeys(entry.label for entry in self.entries))
        self.styles = list(STYLES)
        self.read_index()

    def read_index(self) -> None:
        """The entries as tensors, (N,) each."""
        text_index = {text: i for i, text in enumerate(self.texts)}
        label_index = {label: i for i, label in enumerate(self.labels)}
        self.weak = text_index[WEAK]
        self.label = torch.tensor([label_index[entry.label] for entry in self.entries])
        self.style = torch.tensor([self.styles.index(entry.style) for entry in self.entries])
        self.full = torch.tensor([entry.full for entry in self.entries])
        self.held_out = torch.tensor([entry.held_out for entry in self.entries])
        course = torch.tensor([entry.course for entry in self.entries])

        self.pair = self.label * len(self.styles) + self.style
        # a style with two sets, or a scene with four variants, is not shown more often for that
        self.weight = (1 + course.double()) / self.pair.bincount()[self.pair]

        own = [[text_index[text] for text in captions(entry.called, entry.style)] for entry in self.entries]
        self.caption_count = torch.tensor([len(numbers) for numbers in own])
        longest = int(self.caption_count.max())
        self.caption = torch.tensor([numbers + [0] * (longest - len(numbers)) for numbers in own])  # (N, longest)

    @property
    def identity(self) -> str:
        """What a training run compares, lest it goes on with another data set."""
        about = json.dumps([self.texts, [asdict(entry) for entry in self.entries]]).encode()
        return f"{len(self.entries)} pictures, {zlib.crc32(self.pictures.numpy(), zlib.crc32(about)):08x}"

    def examples(self, n: int, generator: torch.Generator, *, held_out: bool = False) -> Examples:
        """n examples, drawn and composed anew: of the pairs that are trained, or of those that are held out."""
        check_integer(n, "n", 1)
        return self.compose(self.draw(n, generator, held_out=held_out), generator)

    def compose(self, rows: Tensor, generator: torch.Generator) -> Examples:
        """An example of each of some cached pictures, (n,) indices."""
        foreground = self.pictures[rows] / 255  # (n, 4, H, H)
        foreground = place(foreground, self.size, self.full[rows], generator)
        foreground = tint(foreground, self.style[rows] == self.styles.index("lithograph"), generator)
        background = backgrounds(self.style[rows], self.size, generator)
        pictures = foreground[:, :3] + (1 - foreground[:, 3:]) * background  # (n, 3, size, size)
        return Examples(
            2 * pictures.clamp(0, 1) - 1, self.draw_captions(rows, generator), self.label[rows], self.style[rows]
        )

    def draw(self, n: int, generator: torch.Generator, *, held_out: bool = False) -> Tensor:
        """Which cached pictures to show, (n,) indices."""
        chance = (self.weight * (self.held_out if held_out else ~self.held_out)).cumsum(0)
        return torch.searchsorted(chance, torch.rand(n, dtype=torch.double, generator=generator) * chance[-1])

    def draw_captions(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """One of each picture's captions, (n,) indices."""
        chance, which, weak = torch.rand(3, len(rows), generator=generator)
        which = (which * self.caption_count[rows]).long() * (chance >= P_USUAL)
        drawn = self.caption[rows, which]
        photo = self.style[rows] == self.styles.index("photo")
        return torch.where(photo & (weak < P_WEAK), self.weak, drawn)


def uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def place(pictures: Tensor, size: int, full: Tensor, generator: torch.Generator) -> Tensor:
    """Shrink and shift pictures (n, 4, H, H), each in its own way, to (n, 4, size, size).

    A `full` picture, which reaches the edges, is enlarged a little instead, so that they stay outside. None is
    mirrored: a network that knows a rocket leaning left and one leaning right paints both at once.
    """
    n = len(pictures)
    scale = torch.where(full, uniform(n, 1.0, 1.12, generator), uniform(n, 0.85, 1.02, generator))
    room = torch.where(full, scale - 1, 0.98 - 0.92 * scale).clamp(min=0)  # art is 0.92 of its picture
    shift = room * (2 * torch.rand(2, n, generator=generator) - 1)

    zero = torch.zeros(n)
    x_row = torch.stack([1 / scale, zero, -shift[0] / scale], dim=1)
    y_row = torch.stack([zero, 1 / scale, -shift[1] / scale], dim=1)
    H = pictures.shape[-1]  # twice the size for stage I: sampled finely, then halved
    grid = F.affine_grid(torch.stack([x_row, y_row], dim=1), [n, 4, H, H], align_corners=False)
    placed = F.grid_sample(pictures, grid, align_corners=False)
    return F.avg_pool2d(placed, H // size)


def tint(pictures: Tensor, ink: Tensor, generator: torch.Generator) -> Tensor:
    """Vary the colours of premultiplied pictures (n, 4, H, W) a little; where `ink` (n,), black becomes some dark."""
    n = len(pictures)
    angle = uniform(n, -0.12, 0.12, generator)  # of the hue, in radians
    saturation, brightness = uniform(n, 0.85, 1.15, generator), uniform(n, 0.88, 1.08, generator)
    inks = 0.15 * torch.rand(n, 3, 1, 1, generator=generator)

    a, b = saturation * angle.cos(), saturation * angle.sin()
    turn = torch.zeros(n, 3, 3)  # of colour, in YIQ
    turn[:, 0, 0] = 1
    turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = a, -b, b, a
    matrix = brightness.view(n, 1, 1) * (YIQ.inverse() @ turn @ YIQ)  # (n, 3, 3)
    rgb, alpha = pictures[:, :3], pictures[:, 3:]
    turned = (matrix @ rgb.flatten(2)).view_as(rgb)
    inked = rgb + inks * (alpha - rgb)  # black becomes ink, white stays
    rgb = torch.where(ink.view(n, 1, 1, 1), inked, turned)
    return torch.cat([torch.minimum(rgb.clamp(min=0), alpha), alpha], dim=1)


YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])

# how often a style's background is white, plain, graded or mottled; and how colourful and how bright it is
BACKGROUNDS = {
    "photo": ((0.2, 0.2, 0.6, 0.0), (0.0, 0.45), (0.55, 1.0)),
    "oil painting": ((0.1, 0.1, 0.2, 0.6), (0.1, 0.6), (0.45, 1.0)),
    "lithograph": ((0.4, 0.6, 0.0, 0.0), (0.0, 0.2), (0.85, 1.0)),
    "flat illustration": ((0.25, 0.75, 0.0, 0.0), (0.1, 0.6), (0.6, 1.0)),
    "drawing": ((0.5, 0.4, 0.1, 0.0), (0.0, 0.3), (0.75, 1.0)),
}


def backgrounds(styles: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Backgrounds (n, 3, size, size) in [0, 1], of the kinds that each picture's style wants; styles (n,) indices."""
    n = len(styles)
    chances, saturations, values = (torch.tensor(column)[styles] for column in zip(*BACKGROUNDS.values()))
    kind = (torch.rand(n, 1, generator=generator) > chances.cumsum(1)).sum(1).clamp(max=3).view(n, 1, 1, 1)

    def colours() -> Tensor:
        hue, s, v = torch.rand(3, n, 1, generator=generator)
        s, v = (low + x * (high - low) for x, (low, high) in ((s, saturations.T[..., None]), (v, values.T[..., None])))
        k = (hue * 6 + torch.tensor([5.0, 3.0, 1.0])) % 6  # HSV to RGB
        return (v - v * s * torch.minimum(k, 4 - k).clamp(0, 1)).view(n, 3, 1, 1)

    one = torch.where(kind == 0, torch.ones(()), colours())
    other = torch.lerp(one, colours(), 0.6)  # related to the first
    z = torch.linspace(-1, 1, size)
    angle = 2 * math.pi * torch.rand(n, 1, 1, 1, generator=generator)
    graded = 0.5 + 0.5 * (angle.cos() * z + angle.sin() * z[:, None]) / math.sqrt(2)  # (n, 1, size, size)
    blots = torch.rand(n, 1, 8, 8, generator=generator)
    mottled = F.interpolate(blots, size=(size, size), mode="bilinear")
    mix = torch.where(kind == 2, graded, torch.where(kind == 3, mottled, torch.zeros(())))
    return one + mix * (other - one)


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Make the training set's cache from the icon art."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.dataset", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=DATA, help="folder for the cache")
    args = parser.parse_args(arguments)
    try:
        build(args.out)
        dataset = Dataset(args.out)
    except (ArtError, DatasetError, ModelError) as error:
        parser.exit(1, f"{error}\n")
    print(
        f"{dataset.identity}: {len(CONCEPTS)} concepts, {len(SCENES)} scenes, {len(dataset.texts)} captions, "
        f"in {args.out}"
    )


if __name__ == "__main__":
    main()
