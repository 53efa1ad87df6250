"""Samples of digits: the network's fault or the sampler's?"""

import pytest
import torch

from helpers.checks import EXERCISES
from helpers.checks.samples import check_samples, measured
from helpers.data import mnist
from helpers.results import load_result

pytestmark = pytest.mark.usefixtures("one_thread")

REAL = mnist(train=False)[:40][0]
LABELS = mnist(train=False)[:40][1]
LEARNED, EARLY, NOTHING = [0.02] * 50, [0.07] * 50, [0.9] * 50


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(like, strength):
    return strength * torch.randn(like.shape, generator=seeded())


def fragments():
    """Strokes on black that are no digits: pieces of digits put together."""
    quarters = torch.zeros_like(REAL)
    for i, (rows, columns) in enumerate([(0, 0), (0, 14), (14, 0), (14, 14)]):
        other = REAL.roll(i + 1, 0)[:, :, 14 - rows : 28 - rows, 14 - columns : 28 - columns]
        quarters[:, :, rows : rows + 14, columns : columns + 14] = other
    return quarters


def test_real_digits_are_good_and_their_statistics_are_those_of_the_docstring(capsys):
    seen = measured(REAL)
    assert (seen.ink, seen.dark, seen.grey) == pytest.approx((0.12, 0.84, 0.05), abs=0.02)
    assert seen.outside == seen.grain == 0 and seen.alike == pytest.approx(0.25, abs=0.05) and seen.confident > 0.9
    assert check_samples(REAL, LEARNED, labels=LABELS) == "good"
    assert "ink 0.12 (digits: 0.12)" in capsys.readouterr().out


@pytest.mark.parametrize("strength", [0.02, 0.05, 0.2])
def test_grain_is_the_deviation_of_the_noise_in_the_background(strength):
    assert measured(REAL + noise(REAL, strength)).grain == pytest.approx(strength, rel=0.25)


@pytest.mark.parametrize(
    "x0, sentence",
    [
        (3 * REAL - 1, "far outside [0, 1]"),
        (REAL[:1].expand(20, -1, -1, -1), "The samples are alike"),
        ((3 * REAL + 0.1).clamp(0, 1) + torch.roll(REAL, 9, 3), "too much ink"),
        (0.2 * REAL + 0.4, "grey"),
        (REAL * torch.linspace(0, 1, 28).gt(0.6), "too little ink"),
        (REAL + noise(REAL, 0.14), "noise is left, with a standard deviation of 0.1"),
        (0 * REAL, "The samples are empty"),
    ],
    ids=["outside", "alike", "ink", "grey", "thin", "grain", "empty"],
)
def test_what_no_undertrained_network_draws_is_the_samplers(capsys, x0, sentence):
    assert check_samples(x0, LEARNED) == "sampler"
    said = " ".join(capsys.readouterr().out.split())
    assert sentence.lower() in said.lower() and "look at the sampler" in said


def test_fragments_are_the_networks_if_its_loss_is_high_and_otherwise_unclear(capsys):
    assert check_samples(fragments(), EARLY) == "training"
    assert check_samples(fragments(), LEARNED) == check_samples(fragments()) == "unclear"
    assert "Two causes look alike" in " ".join(capsys.readouterr().out.split())


def test_a_network_that_has_learned_nothing_comes_before_its_sampler():
    assert check_samples(3 * REAL - 1, NOTHING) == "training"
    assert check_samples(3 * REAL - 1, [float("nan")] * 30) == "training"
    assert check_samples(fragments(), [0.3] * 30, flow=True) == "training"


def test_empty_images_may_come_from_either_unless_the_network_has_learned():
    assert check_samples(0 * REAL) == check_samples(0 * REAL, EARLY) == "unclear"


def test_clear_digits_of_other_classes_are_named(capsys):
    assert check_samples(REAL, LEARNED, labels=LABELS.roll(1)) == "class"
    assert "are those that were asked for" in " ".join(capsys.readouterr().out.split())


def test_samples_of_one_class_may_be_alike():
    one = REAL[LABELS == 2]
    alike = one[:1] + 0.05 * torch.rand(20, 1, 28, 28, generator=seeded())
    assert measured(alike).alike > 0.85
    assert check_samples(alike, LEARNED, labels=[2] * 20) != "sampler" == check_samples(alike, LEARNED)


def test_samples_that_are_not_finite():
    broken = REAL.clone()
    broken[0, 0, 0, 0] = float("nan")
    assert [check_samples(broken, losses) for losses in (LEARNED, NOTHING, None)] == ["sampler", "training", "unclear"]


def test_the_loss_is_that_of_the_last_steps(capsys):
    check_samples(REAL, [1.0] * 980 + [0.025] * 20)
    assert "ended at 0.025" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ((REAL[:3],), "wanted at least 8 samples"),
        ((REAL[..., :14],), "wanted at least 8 samples"),
        ((REAL, []), "losses is empty"),
        ((REAL[0],), r"x0\[None\]"),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_samples(*arguments)
    with pytest.raises(ValueError, match="3 labels; wanted one for each of 40"):
        check_samples(REAL, labels=[1, 2, 3])


# a small flow network, and mistakes in its sampler that show

SAMPLER = EXERCISES["sample_flow"]
SHOWN = ["steps of length 1", "the sign of the step", "z clamped", "the same time at every step"]
SHOWN += ["one noise for the whole batch", "jumps to the estimate", "the velocity asked once"]


def test_the_bundled_flow_network_has_no_sign_of_a_faulty_sampler():
    result = load_result("flow-time")
    x0 = SAMPLER.right(result.network, 20, 50, generator=seeded(5))
    assert check_samples(x0, result.losses, flow=True) in ("good", "unclear")
    assert check_samples(result.samples[1], result.losses[:187], flow=True) == "training"


@pytest.mark.parametrize("name", SHOWN)
def test_a_mistake_in_the_sampler_of_a_trained_network_is_not_taken_for_too_little_training(name):
    result = load_result("flow-time")
    mistake = next(mistake for mistake in SAMPLER.mistakes if mistake.name == name)
    x0 = SAMPLER.wrong(mistake)(result.network, 20, 50, generator=seeded(5))
    assert check_samples(x0, result.losses, flow=True) == "sampler"


def test_a_time_that_runs_backwards_may_be_unclear():
    """Its samples have twice the grey and the grain of right ones, but undertrained networks come close."""
    result = load_result("flow-time")
    mistake = next(mistake for mistake in SAMPLER.mistakes if mistake.name == "time runs backwards")
    x0 = SAMPLER.wrong(mistake)(result.network, 20, 50, generator=seeded(5))
    assert check_samples(x0, result.losses, flow=True) in ("sampler", "unclear")
    right = SAMPLER.right(result.network, 20, 50, generator=seeded(5))
    assert measured(x0).grey > 2 * measured(right).grey and measured(x0).grain > 2 * measured(right).grain
