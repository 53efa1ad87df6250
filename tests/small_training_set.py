"""A small training set of Mini-IF's, on made-up art: without npm, in seconds.

python tests/small_training_set.py folder
"""

import hashlib
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from making.mini_if import dataset
from making.mini_if.art import MARGIN, SIZE, brush_strokes
from making.mini_if.concepts import CONCEPTS, read_held_out
from making.mini_if.scenes import SCENES


def made_up(icons: str, concept: str) -> np.ndarray:
    """A square in a colour of its own, with a hole, as large as art is."""
    colour = hashlib.sha256(f"{icons} {concept}".encode()).digest()[:3]
    image = np.zeros((SIZE, SIZE, 4), np.uint8)
    image[MARGIN:-MARGIN, MARGIN:-MARGIN] = (*(colour if icons != "fluent-contrast" else (0, 0, 0)), 255)
    image[100:140, 100:140] = 0
    return brush_strokes(image) if icons == "noto-oil" else image


def encoded(texts: list[str], width: int) -> torch.Tensor:
    """Text states that tell one text from another."""
    return torch.stack([torch.full((77, width), zlib.crc32(text.encode()) % 1000 / 1000) for text in texts]).half()


def make(folder: Path) -> None:
    """Six concepts, two of which are held out in a style, and two scenes."""
    pairs = sorted(read_held_out())
    photo, litho = (next(name for name, style in pairs if style == wanted) for wanted in ("photo", "lithograph"))
    with pytest.MonkeyPatch.context() as patch:
        names = ["dog", "skull", "deer", "door", photo, litho]
        patch.setattr(dataset, "CONCEPTS", {name: CONCEPTS[name] for name in names})
        patch.setattr(dataset, "SCENES", (SCENES[1], SCENES[3]))
        patch.setattr(dataset, "SCENE_VARIANTS", 2)
        dataset.build(folder, made_up, encoded)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
