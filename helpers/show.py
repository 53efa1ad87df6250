"""Looking at pictures: grids and strips with titles, curves, animations.

Everything is drawn on a transparent ground with grey text, which reads on light and on dark pages.
"""

import base64
import html
import io
import textwrap
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from .validate import check_finite, check_integer, check_number, in_words, kind

__all__ = [
    "DPI",
    "GREY",
    "Animation",
    "Picture",
    "animate",
    "curves",
    "finish",
    "grey_axes",
    "grid",
    "loss_curve",
    "stack",
    "to_pixels",
]

GREY = "#7a7a7a"
RED = "#d62728"
DPI = 100
MAX_CELL = 4096  # pixels
GAP, LINE = 6, 18  # pixels between cells, and for a line of text


class Picture:
    """A finished PNG: the last expression of a cell shows it, `save` keeps it. `alt` says in words what it shows."""

    def __init__(self, png: bytes, alt: str):
        self.png, self.alt = png, alt

    @property
    def width(self) -> int:
        """In pixels."""
        return Image.open(io.BytesIO(self.png)).width

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return f"[picture: {self.alt}]"

    def save(self, path) -> None:
        with open(path, "wb") as file:
            file.write(self.png)


class Animation:
    """A finished GIF; the last expression of a cell plays it."""

    def __init__(self, gif: bytes, alt: str, width: int):
        self.gif, self.alt, self.width = gif, alt, width

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.gif).decode()
        look = f'width="{self.width}" style="image-rendering: pixelated"'  # its own few pixels, enlarged as squares
        return f'<img alt="{html.escape(self.alt)}" {look} src="data:image/gif;base64,{data}">'

    def __repr__(self) -> str:
        return f"[animation: {self.alt}]"


def to_pixels(image: Tensor, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """A picture (C, H, W) or (1, C, H, W) in [low, high] as bytes (H, W, 3). Clamped here, for display only.

    In 40 levels instead of 256: the eye sees no difference, and notebooks full of noise are much smaller.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"an image is {kind(image)}; wanted a torch.Tensor.")
    if image.ndim == 4 and len(image) == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"an image has shape {tuple(image.shape)}; wanted (3, H, W) or (1, H, W).")
    check_finite(image, "an image")
    image = (image.detach().float().cpu() - low) / (high - low)
    pixels = ((image.clamp(0, 1) * 39).round() * (255 / 39)).round().to(torch.uint8)
    return pixels.expand(3, -1, -1).permute(1, 2, 0).numpy()


def grid(
    pictures: Sequence,
    titles: Sequence[str] | None = None,
    *,
    rows: Sequence[str] | None = None,
    columns: int | None = None,
    framed: Sequence | None = None,
    cell: int = 128,
    low: float = -1.0,
    high: float = 1.0,
) -> Picture:
    """Pictures side by side, or in rows.

    Args:
        pictures: a list of pictures (or a batch), or a list of lists, one for each row; None leaves a gap.
        titles: one above each column (in a plain list broken by `columns`: above each picture).
        rows: one beside each row.
        columns: break a plain list after so many.
        framed: for each image whether it gets a red frame; arranged as the images are.
        cell: width of a picture on the screen in pixels; a multiple of the picture's keeps its pixels square.
        low, high: the values shown as black and white.
    """
    check_some(pictures, "pictures")
    check_integer(cell, "cell", 1, MAX_CELL)
    check_range(low, high)
    if columns is not None:
        check_integer(columns, "columns", 1)
    for name, words in (("titles", titles), ("rows", rows)):
        check_words(words, name)
    nested = type(pictures[0]) in (list, tuple)  # not a Step, which is no row of images
    titles = [wrap(title, cell) for title in titles] if titles is not None else None
    if nested:
        table = [list(row) for row in pictures]
        for row in table:
            check_some(row, "a row")
        heads = [titles] + [None] * (len(table) - 1)
    else:
        pictures, n = list(pictures), columns or len(pictures)
        if titles is not None and len(titles) > len(pictures):
            raise ValueError(f"titles has {len(titles)} titles; wanted {len(pictures)}, one for each image.")
        table = [pictures[i : i + n] for i in range(0, len(pictures), n)]
        heads = [titles[i : i + n] if titles else None for i in range(0, len(pictures), n)]
    frames = iter(flags(framed, table, nested))
    if rows is not None and len(rows) < len(table):
        raise ValueError(f"rows has {len(rows)} titles; wanted {len(table)}, one for each row.")

    width = max(len(row) for row in table)
    lines = [1 + max(title.count("\n") for title in head) if head else 0 for head in heads]
    left = 14 + 7 * max((len(line) for row in rows for line in row.split("\n")), default=0) if rows else GAP
    right = width * (cell + GAP) + left
    bottom = sum(cell + GAP + LINE * n for n in lines) + GAP
    figure = Figure(figsize=(right / DPI, bottom / DPI), dpi=DPI)

    y = GAP
    for i, (row, head) in enumerate(zip(table, heads)):
        y += LINE * lines[i]
        for j, picture in enumerate(row):
            x = left + j * (cell + GAP)
            if picture is not None:
                pixels = fit_to_cell(to_pixels(picture, low, high), cell)  # (h, w, 3)
                h, w, _ = pixels.shape
                # not on axes, which would take more than twice as long
                figure.figimage(pixels, x + (cell - w) // 2, bottom - y - (cell + h) // 2)
            if next(frames):
                corner = ((x - 1) / right, 1 - (y + cell + 1) / bottom)
                figure.add_artist(Rectangle(corner, (cell + 2) / right, (cell + 2) / bottom, fill=False, ec=RED, lw=2))
            if head and j < len(head):
                figure.text((x + cell / 2) / right, 1 - (y - 4) / bottom, head[j], fontsize=9, color=GREY, ha="center")
            if rows and j == 0:
                beside = {"ha": "right", "va": "center"}
                figure.text((x - 6) / right, 1 - (y + cell / 2) / bottom, rows[i], fontsize=9, color=GREY, **beside)
        y += cell + GAP
    words = [word for word in [*(rows or []), *(titles or [])] if word]
    shown = sum(picture is not None for row in table for picture in row)
    return finish(figure, f"{shown} pictures" + (f": {', '.join(words)}" if words else ""))


def flags(framed: Sequence | None, table: list[list], nested: bool) -> list[bool]:
    """Whether each cell of a table gets a frame, row by row."""
    count = sum(len(row) for row in table)
    if framed is None:
        return [False] * count
    check_some(framed, "framed")
    flat = [bool(flag) for row in framed for flag in row] if nested else [bool(flag) for flag in framed]
    if len(flat) != count:
        raise ValueError(f"framed has {len(flat)} values; wanted {count}, one for each image.")
    return flat


def fit_to_cell(pixels: np.ndarray, cell: int) -> np.ndarray:
    """Pixels (H, W, 3) enlarged as squares, or shrunk smoothly, until they fill a cell: (h, w, 3)."""
    image = Image.fromarray(pixels)
    scale = cell / max(image.size)
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.HAMMING
    return np.asarray(image.resize((round(image.width * scale), round(image.height * scale)), how))


def check_some(things: Sequence, name: str) -> None:
    """A list with something to show."""
    try:
        count = None if isinstance(things, str) else len(things)
    except TypeError:  # a number, a generator, a tensor without axes
        count = None
    if count is None:
        raise TypeError(f"{name} is {in_words(things)}; wanted a list.")
    if count == 0:
        raise ValueError(f"there is nothing to show, {name} is empty; wanted at least one image.")


def check_words(words: Sequence[str] | None, name: str) -> None:
    """A list of titles, or None."""
    if isinstance(words, str) or not (words is None or hasattr(words, "__len__")):
        raise TypeError(f"{name} is {in_words(words)}; wanted a list of texts.")
    for word in words if words is not None else ():
        if not isinstance(word, str):
            raise TypeError(f"a title is {in_words(word)}; wanted text.")


def check_range(low: float, high: float) -> None:
    """The values that are shown as black and white."""
    check_number(low, "low")
    check_number(high, "high")
    if not low < high:
        raise ValueError(f"high is {high:g} and low is {low:g}; wanted high above low.")


def wrap(title: str, width: int) -> str:
    """Break a title that is wider than `width` pixels, instead of running it into its neighbour."""
    letters = max(width // 6, 8)
    return "\n".join(line for part in title.split("\n") for line in textwrap.wrap(part, letters) or [""])


def curves(
    x: Sequence[float], ys: dict[str, Sequence[float]], *, xlabel: str, ylabel: str = "", marks: Sequence[float] = ()
) -> Picture:
    """Curves over a common, rising x, by label; `marks` draws thin vertical lines, with a point on each curve."""
    if not isinstance(ys, dict):
        raise TypeError(f"ys is {in_words(ys)}; wanted a dictionary, label -> values.")
    x, ys = numbers(x, "x"), {label: numbers(y, f"the curve {label!r}") for label, y in ys.items()}
    marks = numbers(marks, "marks")
    for label, y in ys.items():
        if len(y) != len(x):
            raise ValueError(f"the curve {label!r} has {len(y)} values; wanted {len(x)}, one for each x.")
    figure = Figure(figsize=(7.2, 3.0), dpi=DPI)
    axes = figure.add_subplot()
    for label, y in ys.items():
        (line,) = axes.plot(x, y, label=label, linewidth=2)
        if len(marks):
            axes.plot(marks, np.interp(marks, x, y), "o", color=line.get_color())
    for mark in marks:
        axes.axvline(mark, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if len(ys) > 1:
        axes.legend(frameon=False, labelcolor=GREY, loc="center left", bbox_to_anchor=(1.0, 0.5))
    grey_axes(axes)
    figure.tight_layout()
    return finish(figure, f"curves of {', '.join(ys)} over {xlabel}")


def loss_curve(losses: Sequence[float], steps: int) -> Picture:
    """The loss of each training step, `steps` of them in an epoch: thin as it is, thick the mean of the last few."""
    check_some(losses, "losses")
    losses = numbers(losses, "losses")
    check_integer(steps, "steps", 1)
    epochs = np.arange(1, len(losses) + 1) / steps
    few = max(len(losses) // 50, 1)
    sums = np.concatenate([[0.0], losses.cumsum()])
    figure = Figure(figsize=(7.2, 3.0), dpi=DPI)
    axes = figure.add_subplot()
    axes.semilogy(epochs, losses, linewidth=0.5, alpha=0.5)
    axes.semilogy(epochs[few - 1 :], (sums[few:] - sums[:-few]) / few, linewidth=2, color="C0")
    axes.set(xlabel="epoch", ylabel="loss")
    grey_axes(axes)
    figure.tight_layout()
    return finish(figure, f"the loss over {len(losses)} steps, from {losses[0]:.3g} to {losses[-few:].mean():.3g}")


def numbers(values: Sequence[float], name: str) -> np.ndarray:
    """A list of numbers as an array (N,)."""
    try:
        array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
    except (TypeError, ValueError):
        array = None
    if array is None or array.ndim != 1:
        raise TypeError(f"{name} is {in_words(values)}; wanted a list of numbers.")
    return array


def grey_axes(axes: Axes) -> None:
    """Axes that read on light and on dark pages."""
    axes.set_facecolor("none")
    axes.tick_params(which="both", colors=GREY)
    axes.xaxis.label.set_color(GREY)
    axes.yaxis.label.set_color(GREY)
    for side, spine in axes.spines.items():
        spine.set(color=GREY, visible=side in ("left", "bottom"))


def stack(*pictures: Picture) -> Picture:
    """Finished pictures, one below the other."""
    check_some(pictures, "the list of pictures")
    for picture in pictures:
        if not isinstance(picture, Picture):
            raise TypeError(f"a picture is {in_words(picture)}; wanted finished pictures: stack(grid(…), grid(…)).")
    images = [Image.open(io.BytesIO(picture.png)) for picture in pictures]
    whole = Image.new("RGBA", (max(image.width for image in images), sum(image.height for image in images)))
    y = 0
    for image in images:
        whole.paste(image, (0, y))
        y += image.height
    buffer = io.BytesIO()
    whole.save(buffer, format="PNG")
    return Picture(buffer.getvalue(), "; ".join(picture.alt for picture in pictures))


def finish(figure: Figure, alt: str) -> Picture:
    """The figure as a Picture, with what its mathematical titles say in plain letters."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", transparent=True)
    return Picture(buffer.getvalue(), alt.replace("$", "").replace("\\", "").replace("\n", " "))


def animate(
    frames: Sequence[Tensor], *, alt: str, fps: int = 8, width: int = 192, low: float = -1.0, high: float = 1.0
) -> Animation:
    """Pictures (3, H, W) one after the other, the last one held for two seconds, round and round.

    Stored at their own size and enlarged by the browser to `width` pixels, which keeps the notebook small.
    """
    check_some(frames, "frames")
    check_integer(width, "width", 1, MAX_CELL)
    check_range(low, high)
    check_integer(fps, "fps", 1, 100)
    images = [Image.fromarray(to_pixels(frame, low, high)) for frame in frames]
    buffer = io.BytesIO()
    durations = [1000 // fps] * (len(images) - 1) + [2000]
    images[0].save(buffer, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return Animation(buffer.getvalue(), alt, width)
