"""Exercise of notebook 1.7.1: an image's bytes as the model's numbers."""

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .running import tensor

__all__ = ["EXERCISES"]


def probe_pixels(student):
    ramp = torch.arange(256, dtype=torch.uint8)
    pixels = torch.stack([ramp[:240], ramp[:240].flip(0), ramp[8:248]], dim=-1).view(12, 20, 3)
    x = tensor(student("a picture of 12 rows and 20 columns", pixels), "the result")
    yield Measured("the number of axes", x.ndim)
    yield Measured("the shape", list(x.shape))
    yield Measured("the smallest and the largest value", [x.double().min().item(), x.double().max().item()], 0.01)
    yield Measured(
        "the kind of number",
        str(x.dtype),
        name="wrong dtype",
        say="The model's numbers are torch.float32: .float() makes these.",
    )
    yield Measured("the picture", x, low=-1.0)


def pixels_by(scale, axes=(2, 0, 1), batch=True, view=False):
    def from_pixels(pixels):
        x = scale(pixels)
        x = x.reshape(3, *pixels.shape[:2]) if view else x.permute(*axes)
        return (x[None] if batch else x).float()

    return from_pixels


def to_one(pixels):
    return pixels.double() * (2 / 255) - 1


from_pixels = Exercise(
    name="from_pixels",
    notebook="a1_7_1",
    kit="helpers.data.from_pixels",
    task="Turn a picture's bytes (H, W, 3), 0 to 255, into what the model takes: (1, 3, H, W) in [-1, 1].",
    look="Print shape, dtype, smallest and largest value; then show the picture.",
    probe=probe_pixels,
    right=pixels_by(to_one),
    mistakes=(
        Mistake(
            "range [0, 1]",
            pixels_by(lambda p: p.double() / 255),
            "The values run from 0 to 1. Part A's pictures lie in [-1, 1]: black is -1.",
        ),
        Mistake(
            "range [0, 255]",
            pixels_by(lambda p: p.double()),
            "The values still run from 0 to 255; the model wants -1 to 1.",
        ),
        Mistake(
            "range [-0.5, 0.5]",
            pixels_by(lambda p: p.double() / 255 - 0.5),
            "The values run from -0.5 to 0.5: from -1 to 1 is twice as wide.",
        ),
        Mistake(
            "range [0, 2]",
            pixels_by(lambda p: p.double() / 127.5),
            "The values run from 0 to 2: shift them, so that black is -1.",
        ),
        Mistake(
            "divided without a remainder",
            pixels_by(lambda p: p // 127.5 - 1),
            "Only -1, 0 and 1 are left: `//` rounds down to whole numbers. Divide with `/`.",
        ),
        Mistake(
            "bytes overflow",
            pixels_by(lambda p: (p * 2).double() / 255 - 1),
            "Light pixels have become dark: bytes were multiplied as bytes, where 255 · 2 is 254. Make floating-point "
            "numbers of them first.",
        ),
        Mistake(
            "bytes overflow",
            pixels_by(lambda p: (p - 128).double() / 127.5),
            "Dark pixels have become light: bytes were subtracted as bytes, which know nothing below 0. Make "
            "floating-point numbers of them first.",
        ),
        Mistake(
            "128 instead of 127.5",
            pixels_by(lambda p: p.double() / 128 - 1),
            "White does not become 1: 255 / 127.5 - 1 would.",
        ),
        Mistake(
            "128 instead of 127.5",
            pixels_by(lambda p: (p.double() - 128) / 128),
            "White does not become 1, since it is divided by 128; half of 255 is 127.5.",
        ),
        Mistake(
            "reshaped instead of permuted",
            pixels_by(to_one, view=True),
            "The shape is right and the picture is torn to pieces: reshape and view keep the order of the numbers in "
            "memory. To move an axis, permute.",
        ),
        Mistake(
            "rows and columns exchanged",
            pixels_by(to_one, axes=(2, 1, 0)),
            "The picture lies on its side: the axes are (channels, rows, columns).",
        ),
        Mistake(
            "channels last",
            lambda p: to_one(p)[None].float(),
            "The channels are still the last axis. PyTorch wants (B, C, H, W).",
        ),
        Mistake(
            "no batch",
            pixels_by(to_one, batch=False),
            "The axis of the batch is missing: one picture is a batch of one, x[None].",
        ),
        Mistake("colours exchanged", lambda p: pixels_by(to_one)(p.flip(2)), "Red and blue are exchanged."),
        Mistake("negative", pixels_by(lambda p: 1 - p.double() / 127.5), "Black and white are exchanged."),
        Mistake(
            "standardised",
            pixels_by(lambda p: (p.double() - p.double().mean()) / p.double().std()),
            "It is shifted and scaled by the picture's own mean and deviation. The range is fixed: 0 is -1, 255 is 1.",
        ),
        Mistake(
            "stretched",
            pixels_by(lambda p: 2 * (p.double() - p.min()) / (p.max() - p.min()) - 1),
            "The picture's own darkest value becomes -1, and its lightest 1. The range is fixed: 0 is -1, 255 is 1.",
        ),
    ),
)


EXERCISES = [from_pixels]
