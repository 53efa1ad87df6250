"""Controls, drawn for readers without a kernel."""

import io

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from helpers.controls import LABEL, ROW, TRACK, drawn, position, value_of
from helpers.drawing import SketchPad


def blue_columns(graphic) -> np.ndarray:
    """The x of the pixels that are clearly blue: a knob."""
    pixels = np.asarray(Image.open(io.BytesIO(graphic.png)).convert("RGBA")).astype(int)
    return np.nonzero(((pixels[..., 2] - pixels[..., 0] > 60) & (pixels[..., 3] > 128)).any(axis=0))[0]


@pytest.mark.parametrize("value", [0, 5, 20])
def test_a_sliders_knob_is_where_its_value_is(value):
    knob = blue_columns(drawn({"gamma": ipywidgets.FloatSlider(value=value, min=0.0, max=20.0)}))
    assert abs(knob.mean() - (LABEL + TRACK * value / 20)) < 1


@pytest.mark.parametrize(
    "control, where",
    [
        (ipywidgets.IntSlider(3, 1, 5), 0.5),
        (ipywidgets.SelectionSlider(options=[4, 8, 16], value=16), 1.0),
        (ipywidgets.Dropdown(options=["up", "down"]), None),
        (ipywidgets.Checkbox(True), None),
        (SketchPad(), None),
    ],
    ids=["slider", "selection", "menu", "checkbox", "sketch pad"],
)
def test_only_sliders_have_a_position(control, where):
    assert position(control) == where


@pytest.mark.parametrize(
    "control, words",
    [
        (ipywidgets.FloatSlider(value=0.30000000000000004), "0.3"),
        (ipywidgets.Checkbox(False), "off"),
        (ipywidgets.Text("a photo of a panda"), "a photo of a panda"),
        (SketchPad(torch.zeros(1, 3, 64, 64)), "(a drawing)"),
    ],
    ids=["number", "checkbox", "text", "sketch pad"],
)
def test_a_value_is_said_in_few_words(control, words):
    assert value_of(control) == words


def test_each_control_has_a_row_and_a_place_in_the_alt_text():
    graphic = drawn({"t": ipywidgets.IntSlider(400, 0, 999), "image": ipywidgets.Dropdown(options=["campanile"])})
    assert Image.open(io.BytesIO(graphic.png)).height == 2 * ROW
    assert graphic.alt == "controls: t 400, image campanile"
