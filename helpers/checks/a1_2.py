"""Exercise of notebook 1.2: a Gaussian blur."""

import math

import torch

from .exercise import Exercise, Mistake
from .measured import Measured, same
from .references import blur_by, gauss
from .running import tensor
from .toys import pictures

__all__ = ["EXERCISES"]


def probe_blur(student):
    one = torch.zeros(1, 3, 17, 17)
    one[:, 1, 8, 8] = 1.0
    spot = tensor(student("a single bright pixel, in the middle of one channel", one, 7, 2.0), "the result")
    yield Measured(
        "the spot is the same on both sides",
        spot.ndim != 4 or all(torch.allclose(spot, spot.flip(i), atol=1e-4, equal_nan=True) for i in (2, 3)),
        name="bell beside the middle",
        say="A single bright pixel becomes a lopsided spot, so the whole picture shifts: the middle of the bell is not "
        "on the pixel. Print the weights: the largest stands in the middle, and they fall alike on both sides.",
    )
    yield Measured("the spot", spot, low=0.0, high=0.1)
    x = pictures(2, size=32)
    for kernel_size, sigma in ((7, 2.0), (5, 0.8), (11, 1.5)):
        y = tensor(student(f"kernel_size = {kernel_size}, sigma = {sigma:g}", x, kernel_size, sigma), "the result")
        yield Measured("the shape of the result", list(y.shape))
        edge = kernel_size // 2
        yield Measured("the middle of the picture", y[..., edge:-edge, edge:-edge], low=-1.0)
    y = tensor(student("the same pictures, up to their edges", x, 9, 2.0), "the result")
    if same(y, blur_by(gauss, padding="doubled")(x, 9, 2.0), 1e-4):  # the pixel at the edge may be reflected, too
        y = blur_by(gauss)(x, 9, 2.0)
    yield Measured("the result", y, low=-1.0)
    grey = tensor(student("a picture that is 0.5 everywhere", torch.full((1, 3, 16, 16), 0.5), 7, 2.0), "the result")
    yield Measured("the blurred grey, up to its edges", grey, low=0.0)


blur = Exercise(
    name="blur",
    notebook="a1_2",
    kit="helpers.illusions.blur",
    task="Blur the pictures with a Gaussian kernel whose weights add up to 1; beyond the edge the picture is "
    "reflected.",
    look="Blur a single bright pixel and look: the spot is the kernel. Is it as wide as it should be, and adds up "
    "to 1?",
    probe=probe_blur,
    right=blur_by(gauss),
    mistakes=(
        Mistake(
            "weights not normalised",
            blur_by(gauss, normalise=False),
            "The weights do not add up to 1, so that the picture becomes brighter. Divide them by their sum.",
        ),
        Mistake(
            "weights not normalised",
            blur_by(lambda d, s: gauss(d, s) / (s * math.sqrt(2 * math.pi)), normalise=False),
            "The weights are the normal density's, which add up to 1 only over all of space. A kernel cuts the bell "
            "off, and this one's weights add up to less than 1: divide them by their sum.",
        ),
        Mistake(
            "σ instead of σ²",
            blur_by(lambda d, s: math.exp(-(d**2) / (2 * s))),
            "The bell has another width: it looks as if sigma were not squared in the exponent.",
        ),
        Mistake(
            "2 missing in the exponent",
            blur_by(lambda d, s: math.exp(-(d**2) / s**2)),
            "The bell is too narrow, by a factor of √2: the exponent is -d² / 2 sigma².",
        ),
        Mistake(
            "σ² on the wrong side of the line",
            blur_by(lambda d, s: math.exp(-(d**2) / 2 * s**2)),
            "The bell is narrower the larger sigma is: `/ 2 * sigma**2` divides by 2 and then multiplies. Put brackets "
            "around 2 * sigma**2.",
        ),
        Mistake(
            "2 squared as well",
            blur_by(lambda d, s: math.exp(-(d**2) / (2 * s) ** 2)),
            "The bell is too wide, by a factor of √2: only sigma is squared, 2 * sigma**2, and not (2 * sigma)**2.",
        ),
        Mistake(
            "distance in halves of a kernel",
            blur_by(gauss, fixed=lambda k, s: (k, s * (k // 2))),
            "The bell is far too wide: d looks as if it ran from -1 to 1. Distances are in pixels, -3 … 3 for a kernel "
            "of 7.",
        ),
        Mistake("box blur", blur_by(lambda d, s: 1.0), "All neighbours weigh the same: that is a box, not a bell."),
        Mistake(
            "exponent not squared",
            blur_by(lambda d, s: math.exp(-d / (2 * s**2))),
            "The weights fall like exp(-d): the distance in the exponent is squared.",
        ),
        Mistake(
            "only one direction",
            blur_by(gauss, sides=(1,)),
            "It blurs along the rows only. A Gaussian in two dimensions is one along each side.",
        ),
        Mistake(
            "only one direction",
            blur_by(gauss, sides=(0,)),
            "It blurs along the columns only. A Gaussian in two dimensions is one along each side.",
        ),
        *(
            Mistake(
                "twice in the same direction",
                lambda x, k, s, sides=(side,): blur_by(gauss, sides=sides)(blur_by(gauss, sides=sides)(x, k, s), k, s),
                f"It blurs along the {which} twice, and not along the {other}: the second pass has to take the other "
                "side.",
            )
            for side, which, other in ((0, "columns", "rows"), (1, "rows", "columns"))
        ),
        Mistake(
            "zeros at the edges",
            blur_by(gauss, padding="constant"),
            "Near the edges the picture turns grey: beyond them it is padded with zeros. Reflect it instead.",
        ),
        Mistake(
            "edges continued",
            blur_by(gauss, padding="replicate"),
            "Beyond the edges the outermost pixel is repeated. The docstring wants the picture reflected there.",
        ),
        Mistake(
            "edges wrapped round",
            blur_by(gauss, padding="circular"),
            "Beyond the right edge the left one begins again: top and bottom, left and right flow into one another. "
            "Reflect the picture instead.",
        ),
        Mistake(
            "no padding",
            blur_by(gauss, crop=True),
            "The result is smaller than the picture. Pad the picture by half a kernel on each side first.",
        ),
        Mistake(
            "channels mixed",
            blur_by(gauss, mix=True),
            "The colours flow into one another: each channel is blurred by itself (groups=3, for a convolution).",
        ),
        Mistake("kernel_size and sigma exchanged", blur_by(gauss, swap=True), "kernel_size and sigma look exchanged."),
        Mistake(
            "arguments ignored",
            blur_by(gauss, fixed=lambda k, s: (7, 2.0)),
            "It blurs the same whatever kernel_size and sigma are.",
        ),
        Mistake(
            "sigma ignored",
            blur_by(gauss, fixed=lambda k, s: (k, 0.3 * ((k - 1) * 0.5 - 1) + 0.8)),
            "It takes kernel_size, and chooses a sigma of its own: that is what gaussian_blur does without sigma.",
        ),
        Mistake(
            "sigma ignored",
            blur_by(gauss, fixed=lambda k, s: (k, 2.0)),
            "The width of the bell is always 2, whatever sigma is.",
        ),
    ),
)


EXERCISES = [blur]
