"""Drawing in a notebook: a sketch pad, and a mask painter over an image.

Both have a `value`, a tensor, and can be controls of `play`. drawing.js is the browser's side.
"""

import base64
import io
from os import PathLike
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from PIL import Image
from torch import Tensor

from .data import MAX_SIZE, ImageError, load_image, open_image
from .validate import check_image, check_integer, check_mask

__all__ = ["MaskPainter", "SketchPad"]

PREFIX = "data:image/png;base64,"
MASK_COLOUR = (233, 30, 99)  # MASK in drawing.js


class Drawing(anywidget.AnyWidget):
    """Their common base: a square image that is exchanged with the browser as a PNG of the tensor's size."""

    _esm = Path(__file__).with_name("drawing.js")
    _css = Path(__file__).with_name("drawing.css")
    kind = traitlets.Unicode().tag(sync=True)
    size = traitlets.Int().tag(sync=True)
    png = traitlets.Unicode().tag(sync=True)  # as a data URL
    under = traitlets.Unicode().tag(sync=True)  # the image below a mask
    value = traitlets.Any()

    @traitlets.observe("png")
    def read(self, change) -> None:
        """Update `value` when the browser or Python has set the PNG."""
        self.value = self.decode(base64.b64decode(self.png.removeprefix(PREFIX)))

    def save(self, path: str | PathLike) -> None:
        """Save it as a PNG file."""
        Path(path).write_bytes(base64.b64decode(self.png.removeprefix(PREFIX)))


class SketchPad(Drawing):
    """A pad to draw on; `value` is the sketch, (1, 3, size, size) in [-1, 1].

    Args:
        start: an image of this kind to draw on; white by default.
    """

    def __init__(self, start: Tensor | None = None, size: int = 64):
        check_integer(size, "size", 1, MAX_SIZE)
        if start is not None:
            size = check_square(start, "start")
        super().__init__(kind="sketch", size=size)
        self.png = to_png(torch.ones(1, 3, size, size) if start is None else start)

    def decode(self, png: bytes) -> Tensor:
        return load_image(png, self.size)

    def load(self, source: str | PathLike | bytes) -> None:
        """Load an image from a file, or its bytes. Raises an ImageError for anything else."""
        self.png = to_png(load_image(source, self.size))


class MaskPainter(Drawing):
    """A tool to paint a mask over an image; `value` is the mask, (1, 1, size, size): 1 in the region to repaint.

    Args:
        image: the image below the mask, (1, 3, size, size) in [-1, 1]. It may be replaced later.
        mask: the initial mask, zeros and ones; all zeros by default.
    """

    image = traitlets.Any()

    def __init__(self, image: Tensor, mask: Tensor | None = None):
        size = check_square(image, "image")
        super().__init__(kind="mask", size=size, image=image)
        self.cover(torch.zeros(1, 1, size, size) if mask is None else mask)

    @traitlets.observe("image")
    def put_under(self, change) -> None:
        check_square(self.image, "image")
        self.under = to_png(self.image)

    def cover(self, mask: Tensor) -> None:
        """Replace the mask by another one, zeros and ones (1, 1, size, size)."""
        check_mask(mask, self.image[:, :1])  # one for all colours
        painted = mask.expand(1, 1, self.size, self.size)[0, 0].cpu().numpy() > 0  # (size, size)
        layer = np.zeros((self.size, self.size, 4), np.uint8)
        layer[painted] = (*MASK_COLOUR, 255)
        self.png = data_url(Image.fromarray(layer))

    def decode(self, png: str | PathLike | bytes) -> Tensor:
        layer = open_image(png, self.check_size, ["PNG"], lambda layer: layer.convert("RGBA"))
        painted = np.array(layer.getchannel("A")) > 127
        return torch.from_numpy(painted).float()[None, None]  # (1, 1, size, size)

    def check_size(self, layer: Image.Image, name: str) -> None:
        """A mask has the size of its image."""
        if layer.size != (self.size, self.size):
            width, height = layer.size
            raise ImageError(f"{name} is {width}×{height} pixels; wanted {self.size}×{self.size}, the image's.")

    def load(self, source: str | PathLike | bytes) -> None:
        """Load a mask that `save` has written, from a file or its bytes. Raises an ImageError for anything else."""
        self.cover(self.decode(source))


def check_square(image, name: str) -> int:
    """One square RGB image in [-1, 1]. Returns its size."""
    check_image(image, name)
    if tuple(image.shape) != (1, 3, image.shape[-1], image.shape[-1]):
        raise ValueError(f"{name} has shape {tuple(image.shape)}; wanted (1, 3, size, size).")
    return image.shape[-1]


def to_png(image: Tensor) -> str:
    """An image (1, 3, H, W) in [-1, 1] as the data URL of a PNG, which has 256 levels."""
    pixels = ((image[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)  # (H, W, 3)
    return data_url(Image.fromarray(pixels.cpu().numpy()))


def data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return PREFIX + base64.b64encode(buffer.getvalue()).decode()
