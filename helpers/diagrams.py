"""Diagrams of Part B's networks: an FCBlock, and the UNets with the places where time and class come in.

Grey lines and text on a transparent background, with colours of medium brightness, read on light and on dark pages.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from .show import DPI, GREY, Graphic, finish

__all__ = ["draw_fcblock", "draw_unet"]

BLUE, ORANGE, GREEN = "#4c8ed9", "#d98032", "#3fa66b"  # images, time, class
RADIUS = 0.16  # of the circle around a + or ×


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
    return finish(axes.figure, "an FCBlock: a signal (B, F_in), Linear, GELU, Linear, (B, F_out, 1, 1)")


def draw_unet(*, time: bool = False, classes: bool = False) -> Graphic:
    """The UNet of B 1.1; with `time` that of B 2.1, with `time` and `classes` that of B 2.4."""
    signals = [("c", "×", GREEN)] * classes + [("t", "+", ORANGE)] * time  # in this order, from below
    row = 1.2 + 0.5 * len(signals)  # the distance from row to row
    y1, y7, y14, y28 = rows = [0.4 + row * i for i in range(4)]  # by the resolution of what comes in on the way up
    down, up, side = 1.6, 5.4, 7.5
    axes = new_axes(width=9.6 if signals else 7.6, height=y28 + 0.4)

    for y, words in zip(rows, ("Flatten", "DownBlock", "DownBlock", "ConvBlock")):
        box(axes, down, y, 1.5, 0.55, words, BLUE)
    for above, below, shape in ((y28, y14, "D, 28×28"), (y14, y7, "D, 14×14"), (y7, y1, "2D, 7×7")):
        arrow(axes, (down, above - 0.28), (down, below + 0.28))
        text(axes, down - 0.75, (above + below) / 2, shape, GREY)
    text(axes, 0.2, y28, "x", BLUE)
    arrow(axes, (0.35, y28), (down - 0.75, y28))

    for y, words in zip(rows, ("Unflatten", "UpBlock", "UpBlock", "ConvBlock, Conv")):
        box(axes, up, y, 1.5, 0.55, words, BLUE)
    for place, (y, shape) in enumerate(((y1, "2D, 7×7"), (y7, "D, 14×14"), (y14, "D, 28×28")), 1):
        text(axes, up - 0.75, y + row / 2, shape, GREY)
        bottom, top = y + 0.28, y + row - 0.28
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
    arrow(axes, (up + 0.75, y28), (up + 1.25, y28))
    text(axes, up + 1.6, y28, "output", BLUE)

    kinds = [kind for kind, there in (("time", time), ("class", classes)) if there]
    return finish(axes.figure, "the UNet" + (f" conditioned on {' and '.join(kinds)}" if kinds else ""))


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


def text(axes: Axes, x: float, y: float, words: str, color: str) -> None:
    axes.text(x, y, words, color=color, ha="center", va="center", fontsize=9)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False) -> None:
    look = {"arrowstyle": "->", "color": GREY, "linewidth": 1.2, "linestyle": "--" if dashed else "-"}
    axes.annotate("", xy=end, xytext=start, arrowprops=look | {"shrinkA": 1, "shrinkB": 1})
