"""Exercise of notebook 1.7.1: an image's bytes as the model's numbers."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .running import tensor

__all__ = ["EXERCISES"]


def probe_pixels(student):
    ramp = torch.arange(256, dtype=torch.uint8)
    pixels = torch.stack([ramp[:240], ramp[:240].flip(0), ramp[8:248]], dim=-1).view(12, 20, 3)
    x = tensor(student("an image of 12 rows and 20 columns", pixels), "the result")
    yield Measured("the number of axes", x.ndim)
    yield Measured("the shape", list(x.shape))
    yield Measured("the smallest and the largest value", [x.double().min().item(), x.double().max().item()], 0.01)
    yield Measured(
        "the kind of number",
        str(x.dtype),
        name="wrong dtype",
        say="The model's numbers are torch.float32: .float() makes these.",
    )
    yield Measured("the image", x, low=-1.0)


def from_pixels(pixels):
    x = pixels.double() / 127.5 - 1
    return x.permute(2, 0, 1)[None].float()


EXERCISES = [
    Exercise(
        name="from_pixels",
        notebook="a1_7_1",
        kit="helpers.data.from_pixels",
        task="Turn an image's bytes (H, W, 3), 0 to 255, into what the model takes: (1, 3, H, W) in [-1, 1].",
        look="Print shape, dtype, smallest and largest value; then show the image.",
        probe=probe_pixels,
        right=from_pixels,
        mistakes=(
            Mistake("range [0, 1]", "/ 127.5 - 1", "/ 255",
                    "The values run from 0 to 1. Part A's images lie in [-1, 1]: black is -1."),
            Mistake("range [0, 255]", " / 127.5 - 1", "",
                    "The values still run from 0 to 255; the model wants -1 to 1."),
            Mistake("range [-0.5, 0.5]", "/ 127.5 - 1", "/ 255 - 0.5",
                    "The values run from -0.5 to 0.5: from -1 to 1 is twice as wide."),
            Mistake("range [0, 2]", "/ 127.5 - 1", "/ 127.5",
                    "The values run from 0 to 2: shift them, so that black is -1."),
            Mistake("divided without a remainder", "/ 127.5", "// 127.5",
                    "Only -1, 0 and 1 are left: `//` rounds down to whole numbers. Divide with `/`."),
            Mistake("bytes overflow", "pixels.double() / 127.5 - 1", "(pixels * 2).double() / 255 - 1",
                    "Light pixels have become dark: bytes were multiplied as bytes, where 255 · 2 is 254. Convert them to floating point first."),
            Mistake("bytes overflow", "pixels.double() / 127.5 - 1", "(pixels - 128).double() / 127.5",
                    "Dark pixels have become light: bytes were subtracted as bytes, which cannot be negative. Convert them to floating point first."),
            Mistake("128 instead of 127.5", "/ 127.5 - 1", "/ 128 - 1",
                    "White does not become 1: 255 / 127.5 - 1 would."),
            Mistake("128 instead of 127.5", "pixels.double() / 127.5 - 1", "(pixels.double() - 128) / 128",
                    "White does not become 1, since it is divided by 128; half of 255 is 127.5."),
            Mistake("reshaped instead of permuted", "x.permute(2, 0, 1)", "x.reshape(3, *pixels.shape[:2])",
                    "The shape is right, but the pixels are scrambled: reshape and view keep the order of the numbers in memory. To move an axis, permute."),
            Mistake("rows and columns exchanged", "permute(2, 0, 1)", "permute(2, 1, 0)",
                    "The image is transposed: the axes are (channels, rows, columns)."),
            Mistake("channels last", ".permute(2, 0, 1)", "",
                    "The channels are still the last axis. PyTorch wants (B, C, H, W)."),
            Mistake("no batch", "[None]", "",
                    "The axis of the batch is missing: one image is a batch of one, x[None]."),
            Mistake("colours exchanged", "x.permute(2, 0, 1)", "x.flip(2).permute(2, 0, 1)",
                    "Red and blue are exchanged."),
            Mistake("negative", "pixels.double() / 127.5 - 1", "1 - pixels.double() / 127.5",
                    "Black and white are exchanged."),
            Mistake("standardised", "pixels.double() / 127.5 - 1", "(pixels.double() - pixels.double().mean()) / pixels.double().std()",
                    "It is shifted and scaled by the image's own mean and deviation. The range is fixed: 0 is -1, 255 is 1."),
            Mistake("stretched", "pixels.double() / 127.5 - 1", "2 * (pixels.double() - pixels.min()) / (pixels.max() - pixels.min()) - 1",
                    "The image's own darkest value becomes -1, and its lightest 1. The range is fixed: 0 is -1, 255 is 1."),
            Mistake("shifted twice", "pixels.double() / 127.5 - 1", "2 * (pixels.double() / 127.5 - 1) - 1",
                    "The values run from -3 to 1, as if 2 x - 1 had been applied twice: once from [0, 1] to [-1, 1], and then again."),
        ),
    )
]  # fmt: skip
