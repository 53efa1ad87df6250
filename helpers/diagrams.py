"""Diagrams: the chain from image to noise, small experiments in one dimension, spectra, and Part B's networks.

Grey lines and text on a transparent background, with colours of medium brightness, read on light and on dark pages.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from torch import Tensor

from .schedule import NoiseSchedule
from .show import DPI, GREY, Graphic, finish, grey_axes

__all__ = ["draw_chain", "draw_fcblock", "draw_posterior", "draw_spectra", "draw_strides", "draw_unet"]

BLUE, ORANGE, GREEN = "#4c8ed9", "#d98032", "#3fa66b"  # images, time, class; images, noise, results
RADIUS = 0.16  # of the circle around a + or ×


# ---- Part A: the way from image to noise, and back -----------------------------------------------------------------


def draw_chain() -> Graphic:
    """The chain from x_0 to x_T, and the two things that are known about an x_s in the middle."""
    axes = new_axes(width=9.6, height=2.5)
    y, places = 1.25, {"$x_0$": 0.9, "…": 2.4, "$x_s$": 3.9, "$x_t$": 5.9, " …": 7.4, "$x_T$": 8.9}
    for name, x in places.items():
        if "…" in name:
            text(axes, x, y, "…", GREY)
        else:
            color = GREEN if name == "$x_s$" else GREY
            axes.add_patch(Circle((x, y), 0.36, facecolor="none", edgecolor=color, linewidth=1.5))
            axes.text(x, y, name, color=color, ha="center", va="center", fontsize=13)
    xs = list(places.values())
    for start, end in itertools.pairwise(xs):
        arrow(axes, (start + 0.4, y), (end - 0.4, y))
    for start, color, bend, words, x in (
        (places["$x_0$"], BLUE, -0.32, r"all steps to s in one: $\sqrt{\bar\alpha_s}$, noise $1 - \bar\alpha_s$", 2.4),
        (places["$x_t$"], ORANGE, 0.6, r"the stride from s to t: $\sqrt{\alpha}$, noise $\beta$", 6.7),
    ):
        look = {"arrowstyle": "->", "color": color, "linewidth": 1.6, "connectionstyle": f"arc3,rad={bend}"}
        axes.annotate("", xy=(places["$x_s$"], y + 0.38), xytext=(start, y + 0.38), arrowprops=look)
        text(axes, x, 2.3, words, color)
    text(axes, 0.9, 0.55, "clean image", GREY)
    text(axes, 3.9, 0.55, "wanted", GREEN)
    text(axes, 5.9, 0.55, "known", GREY)
    text(axes, 8.9, 0.55, "pure noise", GREY)
    text(axes, 4.9, 0.15, "noise is added from left to right; sampling goes from right to left", GREY)
    return finish(axes.figure, "a chain x_0 … x_s, x_t … x_T; arrows from x_0 and from x_t meet at x_s")


def draw_posterior(schedule: NoiseSchedule, *, t: int, s: int, x0: float, x_t: float) -> Graphic:
    """The two facts about one pixel of x_s as bells, and the narrower bell of both together."""
    (axes,), x = panels(1, width=7.2, height=2.6), torch.linspace(-3, 3, 601)
    abar_t, abar_s = schedule.abar(t), schedule.abar(s)
    alpha, beta = abar_t / abar_s, 1 - abar_t / abar_s
    mean = (abar_s.sqrt() * beta * x0 + alpha.sqrt() * (1 - abar_s) * x_t) / (1 - abar_t)
    bells = {
        r"from $x_0$: mean $\sqrt{\bar\alpha_s}\,x_0$, variance $1 - \bar\alpha_s$": (
            abar_s.sqrt() * x0,
            1 - abar_s,
            BLUE,
        ),
        r"from $x_t$: mean $x_t / \sqrt{\alpha}$, variance $\beta / \alpha$": (
            x_t / alpha.sqrt(),
            beta / alpha,
            ORANGE,
        ),
        r"both together: mean $\mu$, variance $\tilde\beta$": (mean, beta * (1 - abar_s) / (1 - abar_t), GREEN),
    }
    for words, (centre, variance, color) in bells.items():
        axes.plot(x, bell(x, centre, variance), color=color, linewidth=2, label=words)
        axes.axvline(centre, color=color, linewidth=0.8, linestyle=":")
    axes.set(xlabel=f"one pixel of $x_s$, s = {s}, given $x_0 = {x0:g}$ and $x_t = {x_t:g}$ at t = {t}", yticks=[])
    axes.legend(frameon=False, labelcolor=GREY, fontsize=8, loc="upper right")
    axes.figure.tight_layout()
    return finish(axes.figure, "three bells: from x_0, from x_t, and a narrower one between them for both together")


def draw_strides(schedule: NoiseSchedule, *, t: int, ends: Sequence[int], x_t: float = 0.0) -> Graphic:
    """One pixel in a world of two images, -1 and 1: the true distribution of x_s after strides from t, and DDPM's."""
    axes, x = panels(len(ends), width=2.2 * len(ends), height=2.3), torch.linspace(-2.4, 2.4, 481)
    for panel, s in zip(axes, ends):
        abar_t, abar_s = schedule.abar(t), schedule.abar(s)
        alpha, beta = abar_t / abar_s, 1 - abar_t / abar_s
        variance = beta * (1 - abar_s) / (1 - abar_t)
        p = torch.sigmoid(2 * abar_t.sqrt() * x_t / (1 - abar_t))  # of the image 1
        means = [
            (abar_s.sqrt() * beta * x0 + alpha.sqrt() * (1 - abar_s) * x_t) / (1 - abar_t) for x0 in (-1, 1, 2 * p - 1)
        ]
        truth = (1 - p) * bell(x, means[0], variance) + p * bell(x, means[1], variance)
        panel.fill_between(x, truth, color=BLUE, alpha=0.35, linewidth=0)
        panel.plot(x, truth, color=BLUE, linewidth=1.5)
        panel.plot(x, bell(x, means[2], variance), color=ORANGE, linewidth=1.8, linestyle="--")
        panel.set(xlabel="$x_s$", xticks=[-1, 0, 1], yticks=[])
        panel.set_title(f"{t} → {s}", color=GREY, fontsize=10)
    words = "the truth (blue) and DDPM's one bell (orange) for x_s after strides from"
    axes[0].figure.tight_layout()
    return finish(axes[0].figure, f"{words} {t} to {', '.join(map(str, ends))}")


def draw_spectra(
    x0: Tensor,
    alphas_cumprod: Tensor,
    timesteps: Sequence[int],
    *,
    blur: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
) -> Graphic:
    """The power of the image's and of the noise's part of x_t over frequency; with `blur`, also after it (dashed).

    x0 is an image (1, C, H, H). The power at a frequency is the mean over all directions and channels.
    """
    axes = panels(len(timesteps), width=2.6 * len(timesteps), height=2.7, sharey=True)
    eps = torch.randn(16, *x0.shape[1:], generator=torch.Generator().manual_seed(seed))
    for panel, t in zip(axes, timesteps):
        parts = (
            (alphas_cumprod[t].sqrt() * x0, BLUE, "image"),
            ((1 - alphas_cumprod[t]).sqrt() * eps, ORANGE, "noise"),
        )
        for x, color, name in parts:
            panel.loglog(*spectrum(x), color=color, linewidth=2, label=f"{name}'s part")
            if blur:
                panel.loglog(*spectrum(blur(x)), color=color, linewidth=1.5, linestyle="--", label="after the blur")
        panel.set(xlabel="waves across the image")
        panel.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
        panel.minorticks_off()
        panel.set_title(f"t = {t}", color=GREY, fontsize=10)
    axes[0].set(ylabel="power", ylim=(1e-4, 1e3))
    axes[-1].legend(frameon=False, labelcolor=GREY, fontsize=8, loc="upper right")
    axes[0].figure.tight_layout()
    after = ", before and after a blur" if blur else ""
    return finish(axes[0].figure, f"power of image and noise over frequency at t = {list(timesteps)}{after}")


def spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """Frequencies 1 … H/2 in waves per image, and the mean power of x (B, C, H, H) at each; that of noise is 1."""
    size = x.shape[-1]
    x = x - x.mean(dim=(2, 3), keepdim=True)
    power = torch.fft.fft2(x, norm="ortho").abs().square().mean(dim=(0, 1))  # (H, H)
    waves = torch.fft.fftfreq(size, 1 / size)
    ring = torch.hypot(waves[:, None], waves[None, :]).round().long()  # (H, H), the frequency in any direction
    kept = torch.arange(1, size // 2 + 1)
    return kept, torch.stack([power[ring == k].mean() for k in kept])


def bell(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """The density of the normal distribution at x."""
    return torch.exp(-((x - mean) ** 2) / (2 * variance)) / (2 * torch.pi * variance).sqrt()


def panels(count: int, *, width: float, height: float, sharey: bool = False) -> list[Axes]:
    """Axes side by side, in grey."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = list(figure.subplots(1, count, sharey=sharey, squeeze=False)[0])
    for panel in axes:
        grey_axes(panel)
    return axes


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
