"""Diagrams: Part A's ideas, such as the chain from image to noise or guidance as vectors, and Part B's networks.

Grey lines and text on a transparent background, with colours of medium brightness, read on light and on dark pages.
"""

import itertools
import math

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from .show import DPI, GREY, Graphic, finish_drawing, grey_axes

__all__ = [
    "draw_anagram",
    "draw_chain",
    "draw_fcblock",
    "draw_guidance",
    "draw_hybrid",
    "draw_inpainting",
    "draw_loop",
    "draw_unet",
]

BLUE, ORANGE, GREEN = "#4c8ed9", "#d98032", "#3fa66b"  # images, time, class; images, noise, results
PAPER = "#f4f4f4"  # the empty part of an image, and text on a coloured area
RADIUS = 0.16  # of the circle around a + or ×


# ---- Part A: the way from image to noise, and back -----------------------------------------------------------------


def draw_loop() -> Graphic:
    """The loop of text to image (0): one network, called in each step, from pure noise to an image; then stage II."""
    axes = new_axes(width=11.2, height=3.4)
    y, top, below = 1.75, 3.0, 0.4
    text(axes, 0.5, y, "pure\nnoise", ORANGE)
    arrow(axes, (0.85, y), (1.35, y))
    square(axes, 1.7, y, 0.6, ORANGE, "$x_t$")
    arrow(axes, (2.05, y), (2.5, y))
    box(axes, 3.3, y, 1.6, 0.8, "network", BLUE)
    text(axes, 1.2, top, "prompt", GREEN)
    arrow(axes, (1.6, top), (2.3, top))
    box(axes, 3.3, top, 2.0, 0.6, "text encoder (frozen)", GREEN)
    arrow(axes, (3.3, top - 0.3), (3.3, y + 0.4))
    text(axes, 3.85, 2.42, "77 vectors", GREEN)
    arrow(axes, (3.3, 0.95), (3.3, y - 0.4))
    text(axes, 3.3, 0.8, "timestep $t$", GREY)
    arrow(axes, (4.1, y), (5.0, y))
    text(axes, 4.55, y + 0.22, r"$\hat\epsilon$", ORANGE, size=13)
    text(axes, 4.55, y - 0.3, "predicted\nnoise", ORANGE)
    box(axes, 6.1, y, 2.2, 0.8, "remove a part of it,\nadd fresh noise", ORANGE)
    axes.plot([6.1, 6.1, 1.7], [y - 0.4, below, below], color=GREY, linewidth=1.2)
    arrow(axes, (1.7, below), (1.7, y - 0.35))
    text(axes, 3.9, below - 0.2, "the next $x_t$, with less noise: once in each step", GREY)
    arrow(axes, (7.2, y), (8.0, y))
    text(axes, 7.6, y + 0.3, "after the\nlast step", GREY)
    square(axes, 8.35, y, 0.6, BLUE)
    text(axes, 8.35, y - 0.5, "64×64", BLUE)
    arrow(axes, (8.7, y), (9.05, y))
    box(axes, 9.5, y, 0.9, 0.6, "stage II", GREY)
    arrow(axes, (9.95, y), (10.2, y))
    square(axes, 10.65, y, 0.8, BLUE)
    text(axes, 10.65, y - 0.6, "256×256", BLUE)
    return finish_drawing(
        axes.figure,
        "from pure noise, a loop: x_t, t and the encoded prompt go to the network, which predicts the noise; a part of "
        "it is removed, and fresh noise added; after the last step stage II enlarges the image",
    )


def square(axes: Axes, x: float, y: float, size: float, color: str, words: str = "") -> None:
    """An image around (x, y)."""
    axes.add_patch(Rectangle((x - size / 2, y - size / 2), size, size, facecolor="none", edgecolor=color, lw=1.5))
    text(axes, x, y, words, color, size=12)


def draw_chain() -> Graphic:
    """The chain from x_0 to x_{T-1}, and the two things that are known about an x_s in the middle."""
    axes = new_axes(width=9.6, height=2.5)
    y, places = 1.25, {"$x_0$": 0.9, "…": 2.4, "$x_s$": 3.9, "$x_t$": 5.9, " …": 7.4, "$x_{T-1}$": 8.9}
    for name, x in places.items():
        if "…" in name:
            text(axes, x, y, "…", GREY)
        else:
            color = GREEN if name == "$x_s$" else GREY
            axes.add_patch(Circle((x, y), 0.36, facecolor="none", edgecolor=color, linewidth=1.5))
            axes.text(x, y, name, color=color, ha="center", va="center", fontsize=13 if len(name) < 8 else 11)
    xs = list(places.values())
    for start, end in itertools.pairwise(xs):
        arrow(axes, (start + 0.4, y), (end - 0.4, y))
    for start, color, bend, words, x in (
        (
            places["$x_0$"],
            BLUE,
            -0.32,
            r"from $x_0$: mean $\sqrt{\bar\alpha_s}\,x_0$, variance $1 - \bar\alpha_s$",
            2.4,
        ),
        (places["$x_t$"], ORANGE, 0.6, r"from $x_t$: mean $x_t / \sqrt{\alpha}$, variance $\beta / \alpha$", 6.9),
    ):
        look = {"arrowstyle": "->", "color": color, "linewidth": 1.6, "connectionstyle": f"arc3,rad={bend}"}
        axes.annotate("", xy=(places["$x_s$"], y + 0.38), xytext=(start, y + 0.38), arrowprops=look)
        text(axes, x, 2.3, words, color)
    text(axes, 0.9, 0.55, "clean image,\nsupposed known", GREY)
    text(axes, 3.9, 0.55, "wanted", GREEN)
    text(axes, 5.9, 0.55, "known", GREY)
    text(axes, 8.9, 0.55, "almost\npure noise", GREY)
    text(axes, 4.9, 0.15, "noise is added from left to right; sampling goes from right to left", GREY)
    return finish_drawing(axes.figure, "a chain x_0 … x_s, x_t … x_{T-1}; arrows from x_0 and from x_t meet at x_s")


# ---- Part B: networks ----------------------------------------------------------------------------------------------


def draw_fcblock() -> Graphic:
    """An FCBlock: two linear layers with a GELU between them, and one number for each channel of an image."""
    axes = new_axes(width=10.0, height=1.2)
    y = 0.6
    text(axes, 0.8, y, "signal\n(B, F_in)", ORANGE)
    for i, words in enumerate(("Linear\nF_in → F_out", "GELU", "Linear\nF_out → F_out")):
        arrow(axes, (1.3 + 1.9 * i, y), (1.8 + 1.9 * i, y))
        box(axes, 2.5 + 1.9 * i, y, 1.4, 0.8, words, ORANGE)
    arrow(axes, (7.0, y), (7.5, y))
    text(axes, 8.7, y, "one number\nfor each channel\n(B, F_out, 1, 1)", ORANGE)
    return finish_drawing(axes.figure, "an FCBlock: a signal (B, F_in), Linear, GELU, Linear, (B, F_out, 1, 1)")


def draw_unet(*, time: bool = False, classes: bool = False) -> Graphic:
    """The UNet of B 1.1; with `time` that of B 2.1, with `time` and `classes` that of B 2.4."""
    signals = [("c", "×", GREEN)] * classes + [("t", "+", ORANGE)] * time  # in this order, from below
    row = (1.2, 1.7, 1.9)[len(signals)]  # the distance from row to row
    y1, y7, y14, y28 = rows = [0.4 + row * i for i in range(4)]  # by the resolution of the decoder's inputs
    down, up, side = 2.1, 5.9, 8.0
    axes = new_axes(width=10.1 if signals else 8.5, height=y28 + 0.4)

    encoder = ("flatten\nFlatten", "down2\nDownBlock", "down1\nDownBlock", "conv_in\nConvBlock")
    for y, words in zip(rows, encoder):
        box(axes, down, y, 1.5, 0.6, words, BLUE)
    for above, below, shape in ((y28, y14, "D, 28×28"), (y14, y7, "D, 14×14"), (y7, y1, "2D, 7×7")):
        arrow(axes, (down, above - 0.3), (down, below + 0.3))
        text(axes, down - 0.75, (above + below) / 2, shape, GREY)
    text(axes, 0.5, y28, "x\n1, 28×28", BLUE)
    arrow(axes, (0.95, y28), (down - 0.75, y28))

    decoder = ("unflatten\nUnflatten", "up1\nUpBlock", "up2\nUpBlock", "conv_out\nConvBlock, Conv")
    for y, words in zip(rows, decoder):
        box(axes, up, y, 1.5, 0.6, words, BLUE)
    for place, (y, shape) in enumerate(((y1, "2D, 7×7"), (y7, "D, 14×14"), (y14, "D, 28×28")), 1):
        text(axes, up - 0.75, y + row / 2, shape, GREY)
        bottom, top = y + 0.3, y + row - 0.3
        for i, (name, sign, color) in enumerate(signals if place < 3 else []):
            centre = y + (i + 1) * row / (len(signals) + 1)
            arrow(axes, (up, bottom), (up, centre - RADIUS))
            axes.add_patch(Circle((up, centre), RADIUS, facecolor="none", edgecolor=color, linewidth=1.5))
            text(axes, up, centre, sign, color)
            arrow(axes, (side - 0.8, centre), (up + RADIUS, centre))
            text(axes, up + 0.7, centre + 0.16, f"{name}{place}", color)
            box(axes, side, centre, 1.6, 0.42, f"FCBlock → {'D' if place == 2 else '2D'}", color)
            arrow(axes, (side + 1.25, centre), (side + 0.8, centre))
            text(axes, side + 1.6, centre, "t/T" if name == "t" else "class c", color)
            bottom = centre + RADIUS
        arrow(axes, (up, bottom), (up, top))
    arrow(axes, (down + 0.75, y1), (up - 0.75, y1))
    text(axes, (down + up) / 2, y1 + 0.17, "2D, 1×1", GREY)
    for y in (y7, y14, y28):
        arrow(axes, (down + 0.75, y), (up - 0.75, y), dashed=True)
        text(axes, (down + up) / 2, y + 0.17, "skip connection", GREY)
    arrow(axes, (up + 0.75, y28), (up + 1.15, y28))
    text(axes, up + 1.6, y28, "output\n1, 28×28", BLUE)

    alt = (
        "diagram of the UNet: three blocks down, a bottleneck of one pixel, three blocks up; "
        "three skip connections join equal resolutions"
    )
    if time:
        alt += "; FCBlocks of the time t/T give t1, added after unflatten, and t2, added after up1"
    if classes:
        alt += "; FCBlocks of the class give c1 and c2, which multiply in the same places"
    return finish_drawing(axes.figure, alt)


def draw_guidance(gamma: float = 3.0) -> Graphic:
    """Guidance as vectors (1.6): from the unconditional prediction through the conditional one, gamma times as far."""
    axes = new_axes(width=7.6, height=3.5)
    origin, eps_u, eps_c = torch.tensor([[0.6, 0.5], [2.0, 2.9], [3.5, 2.65]])
    guided = eps_u + gamma * (eps_c - eps_u)
    axes.plot(*torch.stack([eps_u, guided + (eps_c - eps_u) / 3]).T, color=GREY, linewidth=1, linestyle=":")
    for tip, color in ((eps_u, BLUE), (eps_c, ORANGE), (guided, GREEN)):
        axes.annotate("", xy=tip, xytext=origin, arrowprops={"arrowstyle": "->", "color": color, "linewidth": 2})
    axes.annotate("", xy=eps_c, xytext=eps_u, arrowprops={"arrowstyle": "->", "color": GREY, "linewidth": 1.5})
    text(axes, 2.9, 3.0, "$\\epsilon_c - \\epsilon_u$", GREY, size=11)
    text(axes, 0.75, 2.25, "empty prompt\n$\\epsilon_u$ ($\\gamma = 0$)", BLUE, size=11)
    text(axes, 3.0, 1.55, "prompt\n$\\epsilon_c$ ($\\gamma = 1$)", ORANGE, size=11)
    text(axes, 5.4, 1.1, f"guided prediction\n$\\tilde\\epsilon$ ($\\gamma = {gamma:g}$)", GREEN, size=11)
    return finish_drawing(
        axes.figure, f"arrows for eps_u and eps_c, and the guided one, {gamma:g} times as far from eps_u"
    )


def draw_inpainting() -> Graphic:
    """The blend after each step of inpainting (1.7.2): the repainted part of x_s, and the original, noised to s."""
    axes = new_axes(width=10.0, height=2.8)
    high, low = 2.3, 0.8
    masked(axes, 0.6, high, ORANGE, ORANGE, "$x_t$")
    masked(axes, 0.6, low, BLUE, BLUE, "$x_\\mathrm{orig}$")
    for y, words, color in (
        (high, "one step of the loop\nfrom $t$ to $s$", ORANGE),
        (low, "forward process\nto $s$", BLUE),
    ):
        arrow(axes, (1.0, y), (1.4, y))
        box(axes, 2.5, y, 2.2, 0.8, words, color)
        arrow(axes, (3.6, y), (4.0, y))
        masked(axes, 4.4, y, color, color)
        arrow(axes, (4.8, y), (6.2, y))
    text(axes, 5.45, high + 0.2, "times $m$", GREY)
    text(axes, 5.45, low + 0.2, "times $1 - m$", GREY)
    masked(axes, 6.6, high, None, ORANGE)
    masked(axes, 6.6, low, BLUE, None)
    middle = (high + low) / 2
    plus(axes, 7.9, middle)
    for y in (high, low):
        arrow(axes, (7.0, y), (7.9 - RADIUS, middle + (0.05 if y == high else -0.05)))
    arrow(axes, (7.9 + RADIUS, middle), (8.7, middle))
    masked(axes, 9.1, middle, BLUE, ORANGE, "$x_s$")
    return finish_drawing(
        axes.figure, "x_t after one step, times m, plus the original, noised to s, times 1 - m, is x_s"
    )


def masked(axes: Axes, x: float, y: float, kept: str | None, repainted: str | None, name: str = "") -> None:
    """An image of 0.7 × 0.7 around (x, y): its kept frame and its repainted middle have a colour, or are empty."""
    for size, color in ((0.7, kept), (0.36, repainted)):
        corner = (x - size / 2, y - size / 2)
        axes.add_patch(Rectangle(corner, size, size, facecolor=color or PAPER, edgecolor=GREY, lw=1))
    text(axes, x, y - 0.5, name, GREY)


def draw_anagram() -> Graphic:
    """The data flow of an anagram (1.8): the second prompt sees x_t flipped, and its prediction is flipped back."""
    axes = new_axes(width=11.0, height=2.4)
    high, low, middle = 1.9, 0.5, 1.2
    text(axes, 0.4, middle, "$x_t$", GREY)
    arrow(axes, (0.6, middle + 0.1), (3.35, high))
    arrow(axes, (0.6, middle - 0.1), (1.2, low))
    box(axes, 1.8, low, 1.2, 0.55, "flip", ORANGE)
    arrow(axes, (2.4, low), (3.35, low))
    for y, number, color in ((high, 1, BLUE), (low, 2, ORANGE)):
        box(axes, 4.3, y, 1.9, 0.75, f"network\nwith prompt $c_{number}$", color)
    arrow(axes, (5.25, low), (6.2, low))
    box(axes, 6.8, low, 1.2, 0.55, "flip back", ORANGE)
    arrow(axes, (5.25, high), (8.6, middle + 0.3))
    arrow(axes, (7.4, low), (8.6, middle - 0.3))
    text(axes, 7.2, high - 0.05, "$\\epsilon_1$", BLUE)
    text(axes, 8.0, low, "$\\epsilon_2$", ORANGE)
    box(axes, 9.2, middle, 1.1, 0.7, "mean", GREEN)
    arrow(axes, (9.75, middle), (10.3, middle))
    text(axes, 10.55, middle, "$\\tilde\\epsilon$", GREEN)
    return finish_drawing(
        axes.figure, "x_t goes to the network twice, once flipped and flipped back; eps is the mean of both"
    )


def draw_hybrid(sigma: float = 2.0, pixels: int = 64) -> Graphic:
    """A hybrid's data flow, and which prompt decides which waves of the predicted noise (1.9)."""
    axes = new_axes(width=11.0, height=2.8)
    high, low, middle = 2.1, 0.7, 1.4
    text(axes, 0.3, middle, "$x_t$", GREY)
    for y, prompt, part, color in ((high, "far", "low-pass", BLUE), (low, "near", "high-pass", ORANGE)):
        arrow(axes, (0.5, middle + (0.1 if y == high else -0.1)), (1.05, y))
        box(axes, 2.1, y, 2.1, 0.75, f"network\nwith prompt $c_\\mathrm{{{prompt}}}$", color)
        arrow(axes, (3.15, y), (3.6, y))
        box(axes, 4.2, y, 1.2, 0.55, part, color)
        arrow(axes, (4.8, y), (5.5 - RADIUS, middle + (0.05 if y == high else -0.05)))
    plus(axes, 5.5, middle)
    arrow(axes, (5.5 + RADIUS, middle), (6.1, middle))
    text(axes, 6.3, middle, "$\\tilde\\epsilon$", GREEN)

    periods = torch.linspace(0, pixels / 2, 200)  # of a wave, across the image
    far = torch.exp(-2 * (math.pi * sigma * periods / pixels) ** 2)
    split = axes.figure.add_axes((0.68, 0.22, 0.3, 0.72))
    split.fill_between(periods, far, color=BLUE, linewidth=0)
    split.fill_between(periods, far, 1, color=ORANGE, linewidth=0)
    split.set(xlim=(0, pixels / 2), ylim=(0, 1), yticks=[0, 0.5, 1])
    equal = math.sqrt(math.log(2) / 2) * pixels / (math.pi * sigma)  # where the shares are equal
    split.plot([equal, equal], [0, 1], ":", color=PAPER, linewidth=1.5)
    split.set_xlabel("waves across the image", fontsize=9)
    split.set_ylabel("share", fontsize=9)
    split.tick_params(labelsize=8)
    grey_axes(split)
    split.annotate("far", xy=(0.6, 0.2), color=PAPER, fontsize=9)
    split.annotate("near", xy=(pixels / 4, 0.5), color=PAPER, fontsize=9)
    return finish_drawing(
        axes.figure, "low-pass of the far prediction plus high-pass of the near one; far has the long waves"
    )


def plus(axes: Axes, x: float, y: float) -> None:
    axes.add_patch(Circle((x, y), RADIUS, facecolor="none", edgecolor=GREEN, linewidth=1.5))
    text(axes, x, y, "+", GREEN)


def new_axes(width: float, height: float) -> Axes:
    """Axes without a frame, whose units are 0.84 inches."""
    figure = Figure(figsize=(0.84 * width, 0.84 * height), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return axes


def box(axes: Axes, x: float, y: float, width: float, height: float, words: str, color: str) -> None:
    """A rounded box around its centre (x, y)."""
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.1"
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, facecolor="none", edgecolor=color, lw=1.5))
    text(axes, x, y, words, color)


def text(axes: Axes, x: float, y: float, words: str, color: str, size: float = 9) -> None:
    axes.text(x, y, words, color=color, ha="center", va="center", fontsize=size)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False) -> None:
    look = {"arrowstyle": "->", "color": GREY, "linewidth": 1.2, "linestyle": "--" if dashed else "-"}
    axes.annotate("", xy=end, xytext=start, arrowprops=look | {"shrinkA": 1, "shrinkB": 1})
