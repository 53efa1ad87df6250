"""Displaying images: grids with titles, curves, animations.

Everything is drawn on a transparent background with grey text, which is legible on light and dark pages.
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
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image
from torch import Tensor

from .validate import check_finite, check_integer, check_number, in_words, kind

__all__ = [
    "DPI",
    "GREY",
    "Animation",
    "Graphic",
    "animate",
    "curves",
    "finish",
    "finish_drawing",
    "grey_axes",
    "grid",
    "loss_curve",
    "stack",
    "to_pixels",
]

GREY = "#7a7a7a"
EDGE = (122, 122, 122, 160)  # red, green, blue, alpha. Not opaque, so that images can be cut out of a grid again.
RED = "#d62728"
DPI = 100
MAX_CELL = 4096  # pixels
GAP, LINE = 6, 18  # pixels between cells, and for a line of text


class Graphic:
    """A PNG that a notebook displays as a cell's last expression, with an alt text."""

    def __init__(self, png: bytes, alt: str):
        self.png, self.alt = png, alt

    @property
    def width(self) -> int:
        """In pixels."""
        return Image.open(io.BytesIO(self.png)).width

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return f"[image: {self.alt}]"

    def save(self, path) -> None:
        with open(path, "wb") as file:
            file.write(self.png)


class Animation:
    """A GIF that a notebook plays as a cell's last expression, with an alt text."""

    def __init__(self, gif: bytes, alt: str, width: int):
        self.gif, self.alt, self.width = gif, alt, width

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.gif).decode()
        look = f'width="{self.width}" style="image-rendering: pixelated"'  # enlarges each pixel to a square
        return f'<img alt="{html.escape(self.alt)}" {look} src="data:image/gif;base64,{data}">'

    def __repr__(self) -> str:
        return f"[animation: {self.alt}]"


def to_pixels(image: Tensor, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """An image (C, H, W) or (1, C, H, W) in [low, high], clamped for display, as bytes (H, W, 3).

    It has 40 levels instead of 256: the difference is invisible, and notebooks with noisy images are much smaller.
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
    images: Sequence,
    titles: Sequence[str] | None = None,
    *,
    rows: Sequence[str] | None = None,
    columns: int | None = None,
    framed: Sequence | None = None,
    cell: int = 128,
    low: float = -1.0,
    high: float = 1.0,
) -> Graphic:
    """Images side by side, or in rows.

    Args:
        images: a list of images (or a batch), or a list of lists, one for each row; None leaves a gap.
        titles: one above each column (for a plain list with `columns`: one above each image).
        rows: a title beside each row.
        columns: breaks a plain list into rows of this length.
        framed: for each image, whether it gets a red frame; arranged like images.
        cell: displayed width of an image in pixels; a multiple of the image's own width keeps its pixels square.
        low, high: the values displayed as black and white.
    """
    check_some(images, "images")
    check_integer(cell, "cell", 1, MAX_CELL)
    cell = int(cell)
    check_range(low, high)
    if columns is not None:
        check_integer(columns, "columns", 1)
    for name, words in (("titles", titles), ("rows", rows)):
        check_words(words, name)
    nested = type(images[0]) in (list, tuple)  # a Step is a tuple, too, but not a row of images
    titles = [wrap(title, cell) for title in titles] if titles is not None else None
    if nested:
        table = [list(row) for row in images]
        for row in table:
            check_some(row, "a row")
        heads = [titles] + [None] * (len(table) - 1)
    else:
        images, n = list(images), columns or len(images)
        if titles is not None and len(titles) > len(images):
            raise ValueError(f"titles has {len(titles)} titles; wanted {len(images)}, one for each image.")
        table = [images[i : i + n] for i in range(0, len(images), n)]
        heads = [titles[i : i + n] if titles else None for i in range(0, len(images), n)]
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
        for j, image in enumerate(row):
            x = left + j * (cell + GAP)
            if image is not None:
                pixels = fit_to_cell(to_pixels(image, low, high), cell)
                pixels = edged(pixels)  # (h, w, 4)
                h, w, _ = pixels.shape
                # in less than half the time that axes would take
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
    shown = sum(image is not None for row in table for image in row)
    return finish(figure, f"{shown} image{'s' * (shown != 1)}" + (f": {', '.join(words)}" if words else ""))


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
    """Pixels (H, W, 3), resized to fill a cell (enlarged as squares, or shrunk smoothly): (h, w, 3)."""
    image = Image.fromarray(pixels)
    scale = cell / max(image.size)
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.HAMMING
    return np.asarray(image.resize((round(image.width * scale), round(image.height * scale)), how))


def edged(pixels: np.ndarray) -> np.ndarray:
    """Pixels (h, w, 3) with a thin edge, without which a drawing on white has no border on a white page:
    (h + 2, w + 2, 4)."""
    h, w, _ = pixels.shape
    framed = np.full((h + 2, w + 2, 4), EDGE, dtype=np.uint8)
    framed[1:-1, 1:-1, :3], framed[1:-1, 1:-1, 3] = pixels, 255
    return framed


def check_some(things: Sequence, name: str) -> None:
    """Raise an error unless `things` is a list with at least one item."""
    try:
        count = None if isinstance(things, (str, set, dict)) else len(things)
    except TypeError:  # a number, a generator, a tensor without axes
        count = None
    if count is None:
        raise TypeError(f"{name} is {in_words(things)}; wanted a list.")
    if count == 0:
        raise ValueError(f"{name} is empty; wanted at least one image.")


def check_words(words: Sequence[str] | None, name: str) -> None:
    """Raise a TypeError unless `words` is a list of titles or None."""
    if words is not None and (isinstance(words, (str, set, dict, Tensor)) or not hasattr(words, "__len__")):
        raise TypeError(f"{name} is {in_words(words)}; wanted a list of texts.")
    for word in words if words is not None else ():
        if not isinstance(word, str):
            raise TypeError(f"a title is {in_words(word)}; wanted text.")


def check_range(low: float, high: float) -> None:
    """Raise an error unless `low` and `high` are numbers in this order."""
    check_number(low, "low")
    check_number(high, "high")
    if not low < high:
        raise ValueError(f"high is {high:g} and low is {low:g}; wanted high above low.")


def wrap(title: str, width: int) -> str:
    """Break a title that is wider than `width` pixels into lines."""
    letters = max(width // 6, 8)
    return "\n".join(line for part in title.split("\n") for line in textwrap.wrap(part, letters) or [""])


def curves(
    x: Sequence[float],
    ys: dict[str, Sequence[float]],
    *,
    xlabel: str,
    ylabel: str = "",
    marks: Sequence[float] = (),
    falling: bool = False,
) -> Graphic:
    """Labelled curves over a common, increasing x.

    Args:
        marks: adds thin vertical lines at these x, with a point on each curve.
        falling: draws x from large (left) to small (right), as a sampler visits the timesteps.
    """
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
    if falling:
        axes.invert_xaxis()
    if len(ys) > 1:
        axes.legend(frameon=False, labelcolor=GREY, loc="center left", bbox_to_anchor=(1.0, 0.5))
    grey_axes(axes)
    figure.tight_layout()
    return finish_drawing(figure, f"curves of {', '.join(ys)} over {xlabel}")


def loss_curve(losses: Sequence[float], steps: int) -> Graphic:
    """The loss of each training step (thin) and its moving average (thick), over epochs of `steps` steps."""
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
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    grey_axes(axes)
    figure.tight_layout()
    alt = f"the loss over {len(losses)} steps, from {losses[0]:.3g} to {losses[-few:].mean():.3g}"
    return finish_drawing(figure, alt)


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
    """Make axes legible on light and dark pages."""
    axes.set_facecolor("none")
    axes.tick_params(which="both", colors=GREY)
    axes.xaxis.label.set_color(GREY)
    axes.yaxis.label.set_color(GREY)
    for side, spine in axes.spines.items():
        spine.set(color=GREY, visible=side in ("left", "bottom"))


def stack(*graphics: Graphic) -> Graphic:
    """Graphics, one below the other."""
    check_some(graphics, "the list of graphics")
    for graphic in graphics:
        if not isinstance(graphic, Graphic):
            raise TypeError(f"a graphic is {in_words(graphic)}; wanted graphics, such as stack(grid(…), grid(…)).")
    images = [Image.open(io.BytesIO(graphic.png)) for graphic in graphics]
    whole = Image.new("RGBA", (max(image.width for image in images), sum(image.height for image in images)))
    y = 0
    for image in images:
        whole.paste(image, (0, y))
        y += image.height
    buffer = io.BytesIO()
    whole.save(buffer, format="PNG")
    return Graphic(buffer.getvalue(), "; ".join(graphic.alt for graphic in graphics))


def finish(figure: Figure, alt: str) -> Graphic:
    """The figure as a Graphic; in its alt text, mathematical titles are plain text."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", transparent=True)
    return Graphic(buffer.getvalue(), alt.replace("$", "").replace("\\", "").replace("\n", " "))


def finish_drawing(figure: Figure, alt: str) -> Graphic:
    """As finish, for figures of lines and text: their 256 most frequent colours are enough, in a third of the bytes."""
    graphic = finish(figure, alt)
    pixels = np.asarray(Image.open(io.BytesIO(graphic.png)).convert("RGBA"))
    colors, which, counts = np.unique(pixels.view(np.uint32), return_inverse=True, return_counts=True)
    few = np.argsort(-counts, kind="stable")[:256]
    rgba = colors[:, None].view(np.uint8).astype(np.float64)  # (N, 4)
    seen = np.concatenate([rgba[:, :3] * rgba[:, 3:] / 255, rgba[:, 3:]], axis=1)  # transparent colours look alike
    nearest = ((seen[:, None] - seen[few]) ** 2).sum(axis=2).argmin(axis=1).astype(np.uint8)  # (N,)
    image = Image.fromarray(nearest[which.reshape(pixels.shape[:2])], mode="P")
    image.putpalette(rgba[few].astype(np.uint8).tobytes(), rawmode="RGBA")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return Graphic(buffer.getvalue(), graphic.alt)


def animate(
    frames: Sequence[Tensor], *, alt: str, fps: int = 8, width: int = 192, low: float = -1.0, high: float = 1.0
) -> Animation:
    """A looping animation of images (3, H, W); the last one is held for two seconds.

    It is stored at the images' size, and the browser enlarges it to `width` pixels, which keeps the notebook small.
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
