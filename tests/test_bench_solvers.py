"""The benchmark of samplers, on a toy: the calls that it counts, and the quality that it compares."""

import pytest
import torch
from toys import Gaussian, Toy, seeded

from ci.bench import solvers
from ci.bench.solvers import Case, Counting, Judged, Sampler, compare, reached
from helpers.schedule import NoiseSchedule

pytestmark = pytest.mark.usefixtures("one_thread")


def case(denoiser, cond):
    return Case("toy", denoiser, 3.0, None, cond, lambda images: Judged({}, images.flatten(1)), torch.zeros(9, 3))


@pytest.mark.parametrize(
    "solver, timesteps, interval, calls",
    [
        ("DDPM", 34, None, 34),
        ("2M", 11, None, 11),
        ("Heun", 6, None, 11),
        ("Euler", 4, (0, 700), 3),
        ("DDIM", 2, (0, 0), 1.5),
    ],
)
def test_an_evaluation_without_guidance_counts_half(solver, timesteps, interval, calls):
    cond = torch.randn(2, 3, generator=seeded())
    counting = Counting(Toy((3, 4, 4)))
    images = Sampler(solver, timesteps, interval).paint(case(counting.denoiser, cond), counting, cond, seed=1)
    assert images.shape == (2, 3, 4, 4) and counting.evaluated / 2 / len(cond) == calls


def test_every_sampler_is_run_with_and_without_the_interval():
    runs = list(solvers.samplers(1000, [5, 11], (0.2, 0.8)))
    assert str(runs[0]) == solvers.REFERENCE and len(set(map(str, runs))) == len(runs) == 1 + 5 * 2 * 2
    assert str(Sampler("Heun", 6, (200, 799))) in map(str, runs)


def crowd(n, shift, share, seed=0):
    features = torch.randn(n, 3, generator=seeded(seed)) + shift
    return Judged({"read": torch.arange(n) < share * n}, features)


def test_the_comparison_by_hand():
    real, reference = torch.randn(5000, 3, generator=seeded(5)), crowd(500, 1.0, 0.8)
    same = compare(reference, reference, real)
    assert same["read"] == (1, 1, 1) and same["distance"] == (1, 1, 1) and reached(same)
    worse = compare(crowd(500, 1.0, 0.6), reference, real)
    ratio, low, high = worse["read"]
    assert ratio == pytest.approx(0.75) and low < 0.75 < high and high - low < 0.1 and not reached(worse)
    ratio, low, high = compare(crowd(500, 2.0, 0.8), reference, real)["distance"]
    assert low < ratio < high and 3.5 < ratio < 4.5  # the distance is about |shift|²
    assert not reached(compare(crowd(500, 1.0, 0.1), crowd(500, 1.0, 0.0), real))  # nothing was recognised


def test_what_was_judged_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(solvers, "KEPT", tmp_path / "solvers")
    denoiser = Gaussian(NoiseSchedule.cosine(), torch.tensor(0.5), torch.tensor(0.1), (1, 2, 2))

    def judge(images):
        brightness = images.mean((1, 2, 3))
        return Judged({"bright": brightness > 0.4, "a": brightness > 0, "dark": brightness < 0}, images.flatten(1))

    toy = Case("toy", denoiser, 1.0, None, torch.zeros(30, 1), judge, torch.zeros(9, 4))
    monkeypatch.setattr(Gaussian, "unconditional", lambda self, cond: cond)
    first, calls = solvers.judged(toy, Sampler("2M", 5))
    assert calls == 5 and first.right["bright"].double().mean() > 0.9
    monkeypatch.setattr(Sampler, "paint", lambda *args: pytest.fail("painted again"))
    again, _ = solvers.judged(toy, Sampler("2M", 5))
    assert list(first.right) == list(again.right) == ["a", "bright", "dark"]
    assert torch.equal(first.features, again.features) and torch.equal(first.right["bright"], again.right["bright"])
