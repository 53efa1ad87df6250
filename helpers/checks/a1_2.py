"""Exercise of notebook 1.2: a Gaussian blur."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from .exercise import Exercise, Mistake
from .measured import Measured, same
from .references import blur
from .running import tensor
from .toys import images

__all__ = ["EXERCISES"]


def probe_blur(student):
    one = torch.zeros(1, 3, 17, 17)
    one[:, 1, 8, 8] = 1.0
    spot = tensor(student("a single bright pixel, kernel_size = 7, sigma = 2", one, 7, 2.0), "the result")
    yield Measured(
        "the spot is the same on both sides",
        spot.ndim != 4 or all(torch.allclose(spot, spot.flip(i), atol=1e-4, equal_nan=True) for i in (2, 3)),
        name="bell beside the middle",
        say="A single bright pixel becomes a lopsided spot, so the whole image shifts: the middle of the bell is not "
        "on the pixel. Print the weights: the largest stands in the middle, and they fall alike on both sides.",
    )
    other = tensor(student("a single bright pixel, kernel_size = 5, sigma = 0.8", one, 5, 0.8), "the result")
    yield Measured(
        "another kernel_size and sigma, another spot",
        not torch.equal(spot, other),
        name="arguments ignored",
        say="It ignores kernel_size and sigma.",
    )
    yield Measured("the spot", spot, low=0.0, high=0.1)
    x = images(2, size=32)
    for kernel_size, sigma in ((7, 2.0), (5, 0.8), (11, 1.5)):
        y = tensor(student(f"kernel_size = {kernel_size}, sigma = {sigma:g}", x, kernel_size, sigma), "the result")
        yield Measured("the shape of the result", list(y.shape))
        edge = kernel_size // 2
        yield Measured("the middle of the image", y[..., edge:-edge, edge:-edge], low=-1.0)
    y = tensor(student("the same images, up to their edges", x, 9, 2.0), "the result")
    if same(y, blur_with_the_edge_doubled(x, 9, 2.0), 1e-4):  # the pixel at the edge may be reflected, too
        y = blur(x, 9, 2.0)
    yield Measured("the result", y, low=-1.0)
    grey = tensor(student("an image that is 0.5 everywhere", torch.full((1, 3, 16, 16), 0.5), 7, 2.0), "the result")
    yield Measured("the blurred grey, up to its edges", grey, low=0.0)


def blur_with_the_edge_doubled(x, kernel_size, sigma):
    """Like the reference, but the pixel at the edge is reflected, too."""
    edge = kernel_size // 2
    x = torch.cat([x[..., :edge].flip(3), x, x[..., -edge:].flip(3)], dim=3)
    x = torch.cat([x[..., :edge, :].flip(2), x, x[..., -edge:, :].flip(2)], dim=2)
    return blur(x, kernel_size, sigma)[..., edge:-edge, edge:-edge]


EXERCISES = [
    Exercise(
        name="blur",
        notebook="a1_2",
        kit="helpers.illusions.blur",
        task="Blur the images with a Gaussian kernel whose weights add up to 1; beyond the edge the image is "
        "reflected.",
        look="Blur a single bright pixel and look: the spot is the kernel. Is it as wide as it should be, and adds up "
        "to 1?",
        probe=probe_blur,
        right=blur,
        mistakes=(
            Mistake("weights not normalised", "weights / weights.sum()", "weights / 1",
                    "The weights do not add up to 1, so the whole image becomes brighter or darker. Divide them by their sum."),
            Mistake("weights not normalised", "weights / weights.sum()", "weights / (sigma * (2 * torch.pi) ** 0.5)",
                    "The weights are the normal density's, which add up to 1 only over all of space. A kernel truncates the bell, and its weights add up to less than 1: divide them by their sum."),
            Mistake("σ instead of σ²", "2 * sigma**2", "2 * sigma",
                    "The bell has another width: it looks as if sigma were not squared in the exponent."),
            Mistake("2 missing in the exponent", "(2 * sigma**2)", "sigma**2",
                    "The bell is too narrow, by a factor of √2: the exponent is -d² / 2 sigma²."),
            Mistake("σ² on the wrong side of the line", "(2 * sigma**2)", "2 * sigma**2",
                    "The bell is narrower the larger sigma is: `/ 2 * sigma**2` divides by 2 and then multiplies. Put brackets around 2 * sigma**2."),
            Mistake("2 squared as well", "(2 * sigma**2)", "(2 * sigma) ** 2",
                    "The bell is too wide, by a factor of √2: only sigma is squared, 2 * sigma**2, and not (2 * sigma)**2."),
            Mistake("distance in halves of a kernel", "dtype=torch.float64)", "dtype=torch.float64) / edge",
                    "The bell is far too wide: d looks as if it ran from -1 to 1. Distances are in pixels, -3 … 3 for a kernel of 7."),
            Mistake("box blur", "torch.exp(-(d**2) / (2 * sigma**2))", "torch.ones_like(d)",
                    "All neighbours weigh the same: that is a box, not a bell."),
            Mistake("exponent not squared", "-(d**2)", "-d.abs()",
                    "The weights fall like exp(-d): the distance in the exponent is squared."),
            Mistake("only one direction", "x.unfold(2, kernel_size, 1) @ weights", "x[:, :, edge:-edge]",
                    "It blurs along the rows only. A Gaussian in two dimensions is one along each side."),
            Mistake("only one direction", "x.unfold(3, kernel_size, 1) @ weights", "x[..., edge:-edge]",
                    "It blurs along the columns only. A Gaussian in two dimensions is one along each side."),
            Mistake("twice in the same direction", "x.unfold(3, kernel_size, 1) @ weights", "(F.pad(x, (0, 0, edge, edge), mode=\"reflect\").unfold(2, kernel_size, 1) @ weights)[..., edge:-edge]",
                    "It blurs along the columns twice, and not along the rows: the second pass has to take the other side."),
            Mistake("twice in the same direction", "x.unfold(2, kernel_size, 1) @ weights", "F.pad(x[:, :, edge:-edge].unfold(3, kernel_size, 1) @ weights, (edge, edge, 0, 0), mode=\"reflect\")",
                    "It blurs along the rows twice, and not along the columns: the second pass has to take the other side."),
            Mistake("zeros at the edges", "mode=\"reflect\"", "mode=\"constant\"",
                    "Near the edges the image turns grey: beyond them it is padded with zeros. Reflect it instead."),
            Mistake("edges continued", "mode=\"reflect\"", "mode=\"replicate\"",
                    "Beyond the edges the outermost pixel is repeated. The docstring wants the image reflected there."),
            Mistake("edges wrapped round", "mode=\"reflect\"", "mode=\"circular\"",
                    "Beyond the right edge the left one begins again: top and bottom, left and right flow into one another. Reflect the image instead."),
            Mistake("no padding", "F.pad(x.double(), (edge,) * 4, mode=\"reflect\")", "x.double()",
                    "The result is smaller than the image. Pad the image by half a kernel on each side first."),
            Mistake("channels mixed", "x.double()", "x.double().mean(dim=1, keepdim=True).expand(x.shape)",
                    "The colours are mixed: each channel is blurred separately (groups=3, for a convolution)."),
            Mistake("kernel_size and sigma exchanged", "edge = kernel_size // 2", "kernel_size, sigma = 2 * int(sigma) + 1, float(kernel_size)\n    edge = kernel_size // 2",
                    "kernel_size and sigma look exchanged."),
            Mistake("arguments ignored", "edge = kernel_size // 2", "kernel_size, sigma = 7, 2.0\n    edge = kernel_size // 2",
                    "It ignores kernel_size and sigma."),
            Mistake("sigma ignored", "edge = kernel_size // 2", "sigma = 0.3 * ((kernel_size - 1) * 0.5 - 1) + 0.8\n    edge = kernel_size // 2",
                    "It takes kernel_size, and chooses a sigma of its own: that is what gaussian_blur does without sigma."),
            Mistake("sigma ignored", "edge = kernel_size // 2", "sigma = 2.0\n    edge = kernel_size // 2",
                    "It ignores sigma: the width of the bell is always 2."),
        ),
    )
]  # fmt: skip
