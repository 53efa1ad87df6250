"""Plots of theory for Part A: a pixel's posterior, strides, paths between two images, SDEdit's trade-off, spectra.

Grey lines and text on a transparent background, with colours of medium brightness, read on light and on dark pages.
"""

from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from .schedule import NoiseSchedule
from .show import DPI, GREY, Graphic, finish_drawing, grey_axes

__all__ = ["draw_paths", "draw_posterior", "draw_sdedit", "draw_spectra", "draw_strides"]

BLUE, ORANGE, GREEN = "#4c8ed9", "#d98032", "#3fa66b"  # images, noise, results


def draw_posterior(schedule: NoiseSchedule, *, t: int, s: int, x0: float, x_t: float) -> Graphic:
    """The two facts about one pixel of x_s as bells, and the narrower bell of both together."""
    (axes,), x = panels(1, width=7.2, height=2.6), torch.linspace(-3, 4.5, 751)
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
    return finish_drawing(
        axes.figure, "three bells: from x_0, from x_t, and a narrower one between them for both together"
    )


def draw_strides(schedule: NoiseSchedule, *, t: int, ends: Sequence[int], x_t: float = 0.0) -> Graphic:
    """One pixel in a world of two images, -1 and 1: the true distribution of x_s after strides from t, and Gaussians.

    The Gaussians are that of the DDPM step, and that with the mean and variance of the true distribution.
    """
    axes, x = panels(len(ends), width=2.2 * len(ends), height=2.7), torch.linspace(-2.4, 2.4, 481)
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
        spread = p * (1 - p) * (means[1] - means[0]).square()
        panel.plot(x, truth, color=BLUE, linewidth=1.5, label="true distribution")
        panel.plot(x, bell(x, means[2], variance), color=ORANGE, linewidth=1.8, linestyle="--", label="DDPM step")
        best = bell(x, means[2], variance + spread)
        panel.plot(x, best, color=GREY, linewidth=1.8, linestyle=":", label="best Gaussian")
        panel.set(xlabel="$x_s$", xticks=[-1, 0, 1], yticks=[])
        panel.set_title(f"{t} → {s}", color=GREY, fontsize=10)
    legend_below(axes[0], handlelength=1.8, columnspacing=1.4)
    words = "the truth (blue), the DDPM step (orange) and the best Gaussian (dotted) for x_s after strides from"
    return finish_drawing(axes[0].figure, f"{words} {t} to {', '.join(map(str, ends))}")


def draw_paths(
    path: Sequence[Tensor], timesteps: Sequence[int], schedule: NoiseSchedule, *, shown: int = 30
) -> Graphic:
    """Samples in a world of two images, -1 and 1: paths over the distribution of x_t, and where all of them end.

    path holds x_t (N, 1, 1, 1) at each of the timesteps, and last the results.
    """
    axes, ends = panels(2, width=7.8, height=3.0, widths=(4, 1), sharey=True)
    ts, x = torch.arange(max(timesteps) + 1), torch.linspace(-3.4, 3.4, 273)
    abar = schedule.alphas_cumprod[ts]  # (T,)
    density = sum(bell(x[:, None], sign * abar.sqrt(), (1 - abar).clamp(min=0.01)) / 2 for sign in (-1, 1))  # (273, T)
    for level in (0.1, 0.2, 0.3, 0.6):
        axes.contourf(ts, x, density, levels=[level, 99], colors=BLUE, alpha=0.13)
    values = torch.stack([x.flatten() for x in path])  # (steps + 1, N)
    axes.plot([*timesteps, -25], values[:, :shown], color=GREY, linewidth=0.7)  # the last step ends beyond t = 0
    axes.set(xlabel="timestep t (sampling →)", ylabel="$x_t$, one pixel", xlim=(max(timesteps), -25), ylim=(-3.4, 3.4))
    marks = [Patch(color=BLUE, alpha=0.4, linewidth=0), Line2D([], [], color=GREY, linewidth=0.7)]
    words = ["noisy images, $p(x_t)$", f"{shown} paths"]
    axes.legend(marks, words, frameon=False, labelcolor=GREY, fontsize=8, loc="upper left", ncols=2)
    ends.hist(values[-1].numpy(), bins=60, range=(-3.4, 3.4), orientation="horizontal", color=BLUE)
    ends.set(xlabel="number of results")
    ends.set_title(f"all {len(values[-1]):,} results", color=GREY, fontsize=9)
    axes.figure.tight_layout()
    share = (values[-1] > 0).double().mean().item()
    return finish_drawing(axes.figure, f"{shown} paths from noise to -1 or 1; {share:.0%} of all results are near 1")


def draw_sdedit(r: Sequence[float] = (0.25, 1.0, 4.0)) -> Graphic:
    """SDEdit's trade-off in one dimension (1.7): what comes out with little, medium and much noise beside the image.

    The "images" that the model knows are numbers from a mixture of two Gaussians, and the original is an unlikely one.
    """
    x, x_orig, square = torch.linspace(-6, 6, 601), torch.tensor(0.4), torch.tensor(r).square()
    known = 0.7 * bell(x, x.new_tensor(-2.4), x.new_tensor(0.36)) + 0.3 * bell(x, x.new_tensor(1.6), x.new_tensor(0.25))
    axes = panels(len(r), width=8.4, height=2.6)
    for panel, strength, variance in zip(axes, r, square):
        posterior = known * bell(x[:, None], x, variance)  # [y, x] ∝ p(x0 = x | x_t / √abar = y)
        posterior /= posterior.sum(dim=1, keepdim=True)
        result = bell(x, x_orig, variance) @ posterior  # y is the original plus noise of strength r
        panel.plot(x, known / known.max(), color=GREY, linewidth=1.5, label="likely images, $p(x_0)$")
        panel.fill_between(x, result / result.max(), color=ORANGE, alpha=0.6, linewidth=0, label="results")
        panel.axvline(x_orig, color=BLUE, linewidth=2, label="original")
        panel.set_title(f"noise of strength r = {strength:g}", color=GREY, fontsize=9)
        panel.set(xlim=(-4.5, 3.5), ylim=(0, 1.1), xticks=[-4, -2, 0, 2], yticks=[], xlabel="image (one number)")
    legend_below(axes[0])
    alt = "a line at the original, a curve with two bumps, and what comes out: near the line, in one bump, in both"
    return finish_drawing(axes[0].figure, alt)


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
    return finish_drawing(axes[0].figure, f"power of image and noise over frequency at t = {list(timesteps)}{after}")


def spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """Frequencies 1 … H/2 in waves per image, and the mean power of x (B, C, H, H) at each; that of noise is 1.

    The images are continued as in a mirror. Continued periodically, as a Fourier transform assumes, they would have
    edges where their opposite borders meet, which show as fine detail.
    """
    size = x.shape[-1]
    x = x - x.mean(dim=(2, 3), keepdim=True)
    x = torch.cat([x, x.flip(2)], dim=2)
    x = torch.cat([x, x.flip(3)], dim=3)  # (B, C, 2H, 2H)
    power = torch.fft.fft2(x, norm="ortho").abs().square().mean(dim=(0, 1))[:size, :size]  # all four quarters are alike
    power[0], power[:, 0] = power[0] / 2, power[:, 0] / 2  # a wave along one side only is its own mirror image
    waves = torch.arange(size) / 2
    ring = torch.hypot(waves[:, None], waves[None, :]).round().long()  # (H, H), the frequency in any direction
    kept = torch.arange(1, size // 2 + 1)
    return kept, torch.stack([power[ring == k].mean() for k in kept])


def bell(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """The density of the normal distribution at x."""
    return torch.exp(-((x - mean) ** 2) / (2 * variance)) / (2 * torch.pi * variance).sqrt()


def panels(
    count: int, *, width: float, height: float, sharey: bool = False, widths: Sequence[float] | None = None
) -> list[Axes]:
    """Axes side by side, in grey; `widths` are relative."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = list(figure.subplots(1, count, sharey=sharey, squeeze=False, width_ratios=widths)[0])
    for panel in axes:
        grey_axes(panel)
    return axes


def legend_below(panel: Axes, **look) -> None:
    """One legend for all panels of a figure, below them: the labels of one of them."""
    figure = panel.figure
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    handles, labels = panel.get_legend_handles_labels()
    style = {"frameon": False, "labelcolor": GREY, "fontsize": 9, **look}
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), **style)
