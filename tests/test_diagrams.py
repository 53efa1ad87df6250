"""Diagrams of Part B's networks: they show the signals that a network has, on a transparent background."""

import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from helpers import diagrams


def pixels(picture) -> np.ndarray:
    """(H, W, 4)"""
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGBA")).astype(int)


def shows(picture, color: str) -> bool:
    """Whether a line of this colour is in it."""
    seen = pixels(picture)
    near = np.abs(seen[..., :3] - ImageColor.getrgb(color)).max(axis=-1) < 3
    return (near & (seen[..., 3] > 250)).sum() > 100


@pytest.mark.parametrize("signals", [{}, {"time": True}, {"time": True, "classes": True}])
def test_a_unet_is_drawn_with_the_signals_that_it_has(signals):
    picture = diagrams.draw_unet(**signals)
    assert shows(picture, diagrams.BLUE)
    assert shows(picture, diagrams.ORANGE) == ("time" in signals)
    assert shows(picture, diagrams.GREEN) == ("classes" in signals)
    assert ("time" in picture.alt, "class" in picture.alt) == ("time" in signals, "classes" in signals)


@pytest.mark.parametrize("draw", [diagrams.draw_fcblock, lambda: diagrams.draw_unet(time=True, classes=True)])
def test_the_background_is_transparent_and_nothing_reaches_the_edge(draw):
    alpha = pixels(draw())[..., 3]
    assert (alpha == 0).mean() > 0.7
    assert not alpha[[0, -1]].any() and not alpha[:, [0, -1]].any()
