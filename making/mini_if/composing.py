"""Random placement, tint and background of cached images, which makes training examples.

Images are premultiplied: (n, 4, H, W) in [0, 1], colours times alpha, which can be averaged and resized. Random numbers
come from a generator on the CPU, also for images on another device.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .concepts import STYLES

YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
SHARPEST, SOFTEST = 1, 6  # photographs in the background are blurred: shrunk by such a factor and enlarged again


def uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def chosen(n: int, chance: Tensor | float, generator: torch.Generator) -> Tensor:
    """n independent draws, true with probability `chance`: (n,) booleans."""
    return torch.rand(n, generator=generator) < chance


def mirror(images: Tensor, may_be: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images (n, C, H, W) for which `may_be` (n,) is true.

    Drawings are not mirrored: a network trained on rockets leaning left and right would draw both at once.
    """
    mirrored = may_be & chosen(len(images), 0.5, generator)
    return torch.where(mirrored.to(images.device).view(-1, 1, 1, 1), images.flip(3), images)


SCALES = (0.96, 1.02)  # of a cutout
DRIFT = 1 / 32  # a cutout is shifted by at most so much of half the width: one pixel of 64


def place(images: Tensor, size: int, full: Tensor, zoom: Tensor, generator: torch.Generator) -> Tensor:
    """Scale and shift images (n, 4, H, H), each at random, to (n, 4, size, size).

    A cutout moves by a pixel or two only. A draft shows where things usually are, and a network of convolutions copies
    details from it only if they are there: with shifts of up to six pixels, faces had no eyes.

    A `full` image, which extends to the edges, is enlarged, at most by `zoom`, so its edges stay outside.
    full and zoom are (n,).
    """
    n, device = len(images), images.device
    scale = torch.where(full, 1 + (zoom - 1) * torch.rand(n, generator=generator), uniform(n, *SCALES, generator))
    room = torch.where(full, scale - 1, DRIFT)
    shift = room * (2 * torch.rand(2, n, generator=generator) - 1)

    zero = torch.zeros(n)
    x_row = torch.stack([1 / scale, zero, -shift[0] / scale], dim=1)
    y_row = torch.stack([zero, 1 / scale, -shift[1] / scale], dim=1)
    H = images.shape[-1]  # for stage I, twice the size: sampled finely, then halved
    theta = torch.stack([x_row, y_row], dim=1).to(device)
    grid = F.affine_grid(theta, [n, 4, H, H], align_corners=False)
    # padding with zeros: "border" would smear the last pixel of a cutout, and a full image's edges stay outside
    return F.avg_pool2d(F.grid_sample(images, grid, align_corners=False), H // size)


def tint(images: Tensor, ink: Tensor, generator: torch.Generator) -> Tensor:
    """Vary the colours of images (n, 4, H, W) slightly; where `ink` (n,), replace black by a dark colour."""
    n, device = len(images), images.device
    angle = uniform(n, -0.12, 0.12, generator)  # of the hue, in radians
    saturation, brightness = uniform(n, 0.85, 1.15, generator), uniform(n, 0.88, 1.08, generator)
    inks = 0.15 * torch.rand(n, 3, 1, 1, generator=generator).to(device)

    a, b = saturation * angle.cos(), saturation * angle.sin()
    turn = torch.zeros(n, 3, 3)  # of colour, in YIQ
    turn[:, 0, 0] = 1
    turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = a, -b, b, a
    matrix = (brightness.view(n, 1, 1) * (YIQ.inverse() @ turn @ YIQ)).to(device)  # (n, 3, 3)
    rgb, alpha = images[:, :3], images[:, 3:]
    turned = (matrix @ rgb.flatten(2)).view_as(rgb)
    inked = rgb + inks * (alpha - rgb)  # black becomes ink, white stays
    rgb = torch.where(ink.to(device).view(n, 1, 1, 1), inked, turned)
    return torch.cat([torch.minimum(rgb.clamp(min=0), alpha), alpha], dim=1)


def out_of_focus(photographs: Tensor, generator: torch.Generator) -> Tensor:
    """Blur photographs (n, 3, H, W), each by a random amount: shrink and enlarge them."""
    blurred = []
    for photograph in photographs.split(1):
        factor = uniform(1, SHARPEST, SOFTEST, generator).item()
        small = max(4, round(photograph.shape[-1] / factor))
        small = F.interpolate(photograph, size=(small, small), mode="area")
        blurred.append(F.interpolate(small, size=photograph.shape[-2:], mode="bicubic").clamp(0, 1))
    return torch.cat(blurred) if blurred else photographs


# For each style: the probabilities of a white, plain, graded or mottled background; its saturation; its brightness.
BACKGROUNDS = {
    "photo": ((0.2, 0.2, 0.6, 0.0), (0.0, 0.45), (0.55, 1.0)),
    "oil painting": ((0.1, 0.1, 0.2, 0.6), (0.1, 0.6), (0.45, 1.0)),
    "lithograph": ((0.4, 0.6, 0.0, 0.0), (0.0, 0.2), (0.85, 1.0)),
    "flat illustration": ((0.25, 0.75, 0.0, 0.0), (0.1, 0.6), (0.6, 1.0)),
    "drawing": ((0.5, 0.4, 0.1, 0.0), (0.0, 0.3), (0.75, 1.0)),
    "cartoon": ((0.2, 0.5, 0.3, 0.0), (0.1, 0.6), (0.7, 1.0)),
    "sticker": ((0.4, 0.5, 0.1, 0.0), (0.0, 0.5), (0.6, 1.0)),
    "clip art": ((0.7, 0.3, 0.0, 0.0), (0.0, 0.4), (0.8, 1.0)),
    "vector graphic": ((0.2, 0.3, 0.5, 0.0), (0.0, 0.6), (0.6, 1.0)),
    "sketch": ((0.5, 0.5, 0.0, 0.0), (0.0, 0.15), (0.9, 1.0)),
    "print": ((0.4, 0.6, 0.0, 0.0), (0.0, 0.2), (0.85, 1.0)),
    "stencil": ((0.3, 0.7, 0.0, 0.0), (0.0, 0.3), (0.8, 1.0)),
}


def backgrounds(styles: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Random backgrounds (n, 3, size, size) in [0, 1] for styles (n,), which are indices."""
    n = len(styles)
    chances, saturations, values = (torch.tensor([BACKGROUNDS[style][i] for style in STYLES])[styles] for i in range(3))
    kind = (torch.rand(n, 1, generator=generator) > chances.cumsum(1)).sum(1).clamp(max=3).view(n, 1, 1, 1)

    def colours() -> Tensor:
        hue, s, v = torch.rand(3, n, 1, generator=generator)
        s, v = (low + x * (high - low) for x, (low, high) in ((s, saturations.T[..., None]), (v, values.T[..., None])))
        k = (hue * 6 + torch.tensor([5.0, 3.0, 1.0])) % 6  # HSV to RGB
        return (v - v * s * torch.minimum(k, 4 - k).clamp(0, 1)).view(n, 3, 1, 1)

    one = torch.where(kind == 0, torch.ones(()), colours())
    other = torch.lerp(one, colours(), 0.6)  # similar to the first
    z = torch.linspace(-1, 1, size)
    angle = 2 * math.pi * torch.rand(n, 1, 1, 1, generator=generator)
    graded = 0.5 + 0.5 * (angle.cos() * z + angle.sin() * z[:, None]) / math.sqrt(2)  # (n, 1, size, size)
    blots = torch.rand(n, 1, 8, 8, generator=generator)
    mottled = F.interpolate(blots, size=(size, size), mode="bilinear")
    mix = torch.where(kind == 2, graded, torch.where(kind == 3, mottled, torch.zeros(())))
    return one + mix * (other - one)
