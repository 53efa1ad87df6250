"""Diagrams show what they say, on a transparent background."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from helpers import diagrams, plots
from helpers.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.cosine()
X0 = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
ABAR = SCHEDULE.alphas_cumprod
IDEAS = [  # of Part A, and what has a colour of its own
    (diagrams.draw_loop, [diagrams.BLUE, diagrams.ORANGE, diagrams.GREEN]),  # images and network, noise, prompt
    (diagrams.draw_guidance, [diagrams.BLUE, diagrams.ORANGE, diagrams.GREEN]),  # eps_u, eps_c, and the guided one
    (plots.draw_sdedit, [diagrams.BLUE]),  # the original
    (diagrams.draw_inpainting, [diagrams.BLUE, diagrams.ORANGE]),  # kept, repainted
    (diagrams.draw_anagram, [diagrams.BLUE, diagrams.ORANGE, diagrams.GREEN]),  # two prompts, and their mean
    (diagrams.draw_hybrid, [diagrams.BLUE, diagrams.ORANGE]),  # far, near
]
DRAWINGS = {
    "chain": diagrams.draw_chain,
    "posterior": lambda: plots.draw_posterior(SCHEDULE, t=690, s=390, x0=0.8, x_t=-0.6),
    "strides": lambda: plots.draw_strides(SCHEDULE, t=690, ends=[90, 660]),
    "paths": lambda: plots.draw_paths([torch.ones(9, 1, 1, 1) * x for x in (2, 0.5, 1)], [990, 0], SCHEDULE),
    "spectra": lambda: plots.draw_spectra(X0, ABAR, [250, 750], blur=lambda x: x / 2),
    "fcblock": diagrams.draw_fcblock,
    "unet": lambda: diagrams.draw_unet(time=True, classes=True),
    **{draw.__name__.removeprefix("draw_"): draw for draw, _ in IDEAS},
}


def pixels(drawing) -> np.ndarray:
    """(H, W, 4)"""
    return np.asarray(Image.open(io.BytesIO(drawing.png)).convert("RGBA")).astype(int)


def shows(drawing, color: str) -> bool:
    """Whether a line of this colour is in it."""
    seen = pixels(drawing)
    near = np.abs(seen[..., :3] - ImageColor.getrgb(color)).max(axis=-1) < 3
    return (near & (seen[..., 3] > 250)).sum() > 100


@pytest.mark.parametrize("signals", [{}, {"time": True}, {"time": True, "classes": True}])
def test_a_unet_is_drawn_with_the_signals_that_it_has(signals):
    drawing = diagrams.draw_unet(**signals)
    assert shows(drawing, diagrams.BLUE)
    assert shows(drawing, diagrams.ORANGE) == ("time" in signals)
    assert shows(drawing, diagrams.GREEN) == ("classes" in signals)
    assert ("time" in drawing.alt, "class" in drawing.alt) == ("time" in signals, "classes" in signals)


@pytest.mark.parametrize("draw, colors", IDEAS)
def test_an_idea_of_part_a_is_drawn_with_all_its_sides(draw, colors):
    graphic = draw()
    assert all(shows(graphic, color) for color in colors) and graphic.alt


def test_the_far_prompt_has_more_of_a_hybrid_if_the_blur_is_narrow():
    def far(sigma):  # the blue pixels
        seen = pixels(diagrams.draw_hybrid(sigma))[..., :3]
        return (np.abs(seen - ImageColor.getrgb(diagrams.BLUE)).max(axis=-1) < 3).sum()

    assert far(1.0) > far(2.0) > far(4.0)


def test_a_guided_prediction_lies_further_away_with_more_guidance():
    def reach(gamma):  # the last column with the guided arrow's colour, up to its label
        seen = pixels(diagrams.draw_guidance(gamma))[:150, :, :3]
        near = np.abs(seen - ImageColor.getrgb(diagrams.GREEN)).max(axis=-1) < 3
        return near.any(axis=0).nonzero()[0].max()

    assert reach(1.5) < reach(2.0) < reach(3.0)


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_the_background_is_transparent_and_nothing_reaches_the_edge(draw):
    alpha = pixels(draw())[..., 3]
    assert (alpha == 0).mean() > 0.7
    assert not alpha[[0, -1]].any() and not alpha[:, [0, -1]].any()


@pytest.mark.parametrize("name", ["chain", "posterior", "strides", "spectra"])
def test_both_sources_are_drawn_in_their_colours(name):
    drawing = DRAWINGS[name]()
    assert shows(drawing, diagrams.BLUE) and shows(drawing, diagrams.ORANGE) and drawing.alt
    assert shows(drawing, diagrams.GREEN) == (name in ("chain", "posterior"))


def test_the_spectrum_of_noise_is_flat_and_that_of_a_wave_has_its_frequency():
    waves, power = plots.spectrum(torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert waves.tolist() == list(range(1, 17))
    assert power.sub(1).abs().max() < 0.1
    wave = torch.cos(2 * torch.pi * 5 * (torch.arange(32) + 0.5) / 32).expand(1, 1, 32, 32)
    _, power = plots.spectrum(wave + 3)  # a constant has no frequency
    assert waves[power.argmax()] == 5 and power.sort().values[-2] < 1e-6 * power.max()
    _, power = plots.spectrum(torch.linspace(-1, 1, 32).expand(1, 1, 32, 32))  # its borders differ, but have no edge
    assert power[-1] < 1e-4 * power[1]


def test_a_bell_has_its_area_mean_and_variance():
    x = torch.linspace(-10, 10, 4001, dtype=torch.float64)
    p = plots.bell(x, torch.tensor(0.5), torch.tensor(2.0)) * (x[1] - x[0])
    assert (p.sum().item(), (p * x).sum().item()) == pytest.approx((1, 0.5))
    assert (p * (x - 0.5) ** 2).sum().item() == pytest.approx(2)


def test_paths_say_how_many_results_are_near_1():
    ends = torch.tensor([-1.0, 1.0, 1.0, 1.0]).view(4, 1, 1, 1)
    drawing = plots.draw_paths([torch.zeros(4, 1, 1, 1), ends, ends], [990, 0], SCHEDULE, shown=2)
    assert "2 paths" in drawing.alt and "75%" in drawing.alt
