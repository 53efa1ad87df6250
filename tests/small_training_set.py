"""A small training set of Mini-IF's, on made-up art: without npm, in seconds.

python -m tests.small_training_set folder
"""

import hashlib
import itertools
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from making.mini_if import dataset
from making.mini_if.art import MARGIN, SIZE, brush_strokes
from making.mini_if.concepts import CONCEPTS, INK_SETS, read_held_out
from making.mini_if.scenes import SCENES


def made_up(icons: str, concept: str) -> np.ndarray:
    """A square in a colour of its own, with a hole, as large as art is."""
    colour = hashlib.sha256(f"{icons} {concept}".encode()).digest()[:3]
    image = np.zeros((SIZE, SIZE, 4), np.uint8)
    image[MARGIN:-MARGIN, MARGIN:-MARGIN] = (*(colour if icons not in INK_SETS else (0, 0, 0)), 255)
    image[100:140, 100:140] = 0
    return brush_strokes(image) if icons == "noto-oil" else image


def encoded(texts: list[str], width: int) -> torch.Tensor:
    """Text states that tell one text from another."""
    return torch.stack([torch.full((77, width), zlib.crc32(text.encode()) % 1000 / 1000) for text in texts]).half()


def others() -> Iterator[tuple[dataset.Entry, np.ndarray]]:
    """Three photographs, the last of which is held out, a painting, and two views of a 3-D model."""
    colours = np.linspace(20, 230, SIZE).astype(np.uint8)
    landscape = np.dstack([np.tile(colours, (SIZE, 1))] * 3 + [np.full((SIZE, SIZE), 255, np.uint8)])
    for name, split in (("a beach", "train"), ("snowy mountains", "train"), ("a canyon", "original")):
        entry = dataset.Entry(name, "photo", "photographs", (name,), kind="photograph", full=True, split=split)
        yield entry, landscape
    painting = dataset.Entry("a wheat field", "oil painting", "paintings", ("a wheat field",), "photograph", True)
    yield painting, landscape
    for words in ("a chair", "a chair from behind"):
        yield dataset.Entry("chair", "photo", "renders", ("a chair", words), kind="render"), made_up("renders", words)


def make(folder: Path) -> None:
    """Six concepts, two of which are held out in a style, two scenes, and a few photographs and renders."""
    pairs = sorted(read_held_out())
    photo, litho = (next(name for name, style in pairs if style == wanted) for wanted in ("photo", "lithograph"))
    with pytest.MonkeyPatch.context() as patch:
        names = ["dog", "skull", "deer", "door", photo, litho]
        patch.setattr(dataset, "CONCEPTS", {name: CONCEPTS[name] for name in names})
        patch.setattr(dataset, "SCENES", (SCENES[1], SCENES[3]))
        patch.setattr(dataset, "SCENE_VARIANTS", 2)
        dataset.build(itertools.chain(dataset.drawings(made_up), others()), folder, encoded)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
