"""The instructors' estimate: the published speeds come out again, and larger networks take longer."""

from collections import Counter

import pytest

from ci.bench.costs import SHORTEST, operations, t4_seconds


def test_what_was_measured_comes_out_again():
    assert t4_seconds(Counter({("I", 8): 579}), "deepfloyd-m") == pytest.approx(100)  # four guided images
    assert t4_seconds(Counter({("II", 2): 247}), "deepfloyd-m") == pytest.approx(100)
    assert t4_seconds(Counter({("I", 1): 10}), "deepfloyd-m") == pytest.approx(10 * SHORTEST)


def test_time_follows_the_operations_and_the_stages_add_up():
    calls = Counter({("I", 8): 10, ("II", 2): 10})
    m, large, xl = (t4_seconds(calls, f"deepfloyd-{size}") for size in ("m", "l", "xl"))
    assert m < large < xl
    more = 10 / 5.79 * (operations("IF-I-XL") - operations("IF-I-L")) / operations("IF-I-M")
    assert xl - large == pytest.approx(more)  # their stage II is the same


def test_a_network_computes_at_least_its_convolutions():
    """At full resolution: two of each of the blocks' 3 × 3 convolutions, twice as wide, at an image's 64 × 64."""
    assert 2 * 64 * 64 * 9 * 192 * 192 * 6 < operations("IF-I-M") < operations("IF-I-L") < operations("IF-I-XL")
