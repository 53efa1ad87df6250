"""The sketch pad and the mask painter, from Python's side: the tensors are those that code cells use."""

import base64
import io

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image
from test_widgets import settle

from helpers import widgets
from helpers.data import ImageError, course_image, load_image, rectangle_mask
from helpers.drawing import PREFIX, MaskPainter, SketchPad


def from_browser(pixels: np.ndarray) -> str:
    """What a canvas with these pixels sends."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return PREFIX + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def strokes():
    """A white sheet with a red line, as bytes (64, 64, 3)."""
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[10:12, 5:50] = (255, 0, 0)
    return pixels


# The sketch pad


def test_a_new_pad_is_a_white_sheet():
    pad = SketchPad()
    assert torch.equal(pad.value, torch.ones(1, 3, 64, 64))


def test_what_is_drawn_becomes_the_image_pixel_by_pixel(strokes):
    pad = SketchPad()
    pad.png = from_browser(strokes)
    assert pad.value.shape == (1, 3, 64, 64) and pad.value.dtype == torch.float32
    assert torch.equal(pad.value, torch.from_numpy(strokes).permute(2, 0, 1)[None] / 127.5 - 1)


@pytest.mark.parametrize("name", ["apple_sketch", "astronaut"])
def test_an_image_to_draw_upon_is_the_one_that_code_cells_load(name):
    assert torch.equal(SketchPad(course_image(name)).value, course_image(name))


def test_a_pad_has_the_size_of_the_image():
    assert SketchPad(course_image("apple_sketch", 32)).size == 32
    assert SketchPad(size=16).value.shape == (1, 3, 16, 16)


def test_a_sketch_that_was_saved_can_be_loaded_by_pad_and_code(strokes, tmp_path):
    pad, other = SketchPad(), SketchPad()
    pad.png = from_browser(strokes)
    pad.save(tmp_path / "sketch.png")
    other.load(tmp_path / "sketch.png")
    assert torch.equal(other.value, pad.value)
    assert torch.equal(load_image(tmp_path / "sketch.png"), pad.value)
    other.load((tmp_path / "sketch.png").read_bytes())
    assert torch.equal(other.value, pad.value)


def test_what_is_no_image_is_not_put_on_the_pad(tmp_path):
    pad = SketchPad()
    with pytest.raises(ImageError, match="is not an image that can be read"):
        pad.load(b"certainly not")
    assert torch.equal(pad.value, torch.ones(1, 3, 64, 64))


@pytest.mark.parametrize(
    "start, error",
    [(torch.zeros(1, 1, 64, 64), "(1, 3, size, size)"), (torch.zeros(2, 3, 64, 64), "(1, 3, size, size)")],
)
def test_an_image_of_another_shape_is_refused(start, error):
    with pytest.raises(ValueError) as raised:
        SketchPad(start)
    assert error in str(raised.value)


# The mask painter


def test_a_new_mask_keeps_everything_and_shows_the_image():
    painter = MaskPainter(course_image("cat"))
    assert torch.equal(painter.value, torch.zeros(1, 1, 64, 64))
    assert torch.equal(load_image(base64.b64decode(painter.under.removeprefix(PREFIX))), course_image("cat"))


def test_a_mask_to_begin_with_is_the_one_that_code_cells_use():
    mask = rectangle_mask(2, 4, 30, 60)
    assert torch.equal(MaskPainter(course_image("cat"), mask).value, mask)
    assert torch.equal(MaskPainter(course_image("cat"), mask[0, 0]).value, mask)


def test_what_is_painted_becomes_ones_pixel_by_pixel():
    layer = np.zeros((64, 64, 4), np.uint8)
    layer[20:30, 5:9] = (233, 30, 99, 255)
    painter = MaskPainter(course_image("cat"))
    painter.png = from_browser(layer)
    assert torch.equal(painter.value, rectangle_mask(20, 5, 30, 9))
    assert painter.value.dtype == torch.float32


def test_a_mask_that_was_saved_can_be_loaded(tmp_path):
    painter, other = MaskPainter(course_image("cat"), rectangle_mask(1, 2, 3, 4)), MaskPainter(course_image("cat"))
    painter.save(tmp_path / "mask.png")
    other.load(tmp_path / "mask.png")
    assert torch.equal(other.value, painter.value)


def test_what_is_no_mask_is_refused(tmp_path):
    painter = MaskPainter(course_image("cat"))
    with pytest.raises(ImageError, match="is not an image that can be read"):
        painter.load(b"certainly not")
    with pytest.raises(ImageError, match="there is no file"):
        painter.load(tmp_path / "missing.png")
    with pytest.raises(ValueError, match="mask"):
        painter.cover(torch.full((1, 1, 64, 64), 0.5))


def test_the_image_below_can_follow_another_control():
    names, painter = ipywidgets.Dropdown(options=["cat", "coffee"]), MaskPainter(course_image("cat"))
    ipywidgets.dlink((names, "value"), (painter, "image"), course_image)
    names.value = "coffee"
    assert torch.equal(load_image(base64.b64decode(painter.under.removeprefix(PREFIX))), course_image("coffee"))
    assert torch.equal(painter.image, course_image("coffee"))


# Both, as controls


@pytest.mark.parametrize("drawing", [SketchPad(), MaskPainter(course_image("cat"))], ids=["sketch", "mask"])
def test_a_drawing_is_a_control_like_any_other(drawing, monkeypatch):
    monkeypatch.delenv("COURSE_HEADLESS", raising=False)
    monkeypatch.setattr(widgets, "display", lambda box: None)
    given = []

    def draw(x):
        given.append(x)
        yield from ()

    widgets.play(draw, x=drawing)
    settle()
    drawing.png = from_browser(np.array([[[0, 0, 0, 255]] * 64] * 64, np.uint8))  # all black, and all painted
    settle()
    assert len(given) == 2 and torch.equal(given[1], drawing.value)
    assert not torch.equal(given[0], given[1])


@pytest.mark.parametrize("drawing", [SketchPad(), MaskPainter(course_image("cat"))], ids=["sketch", "mask"])
def test_the_browser_fetches_nothing_from_elsewhere(drawing):
    code = drawing._esm + drawing._css
    assert "import " not in code and "http" not in code and "fetch(" not in code
