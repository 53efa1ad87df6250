"""Measures of images that no network judges."""

import pytest
import torch
from toys import seeded

from making.mini_if.pixels import mean_colour, middle_mask, seam, weave


def test_a_weave_is_seen_on_flat_areas_and_edges_are_not_mistaken_for_it():
    plain = torch.zeros(2, 3, 64, 64)
    plain[..., 17:] = 0.8  # an edge inside a patch
    assert weave(plain) == 0
    woven = plain.clone()
    woven[..., ::2] += 0.1
    assert weave(woven) == pytest.approx(0.05**2, rel=0.01)


def test_images_without_a_flat_area():
    with pytest.raises(ValueError, match="no flat block"):
        weave(torch.randn(1, 3, 64, 64, generator=seeded()))


def test_mean_colours():
    images = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
    assert mean_colour(images).tolist() == [0, 0.5, 1]


def test_a_seam_is_a_difference_across_the_masks_edge_only():
    mask = middle_mask()
    assert mask.sum() == 24 * 24 and mask[20, 20] == 1 and mask[19, 20] == 0
    images = torch.stack([mask.expand(3, 64, 64), torch.arange(64.0).expand(3, 64, 64) / 100])
    steps = seam(images, mask)
    assert steps[0] == pytest.approx(1)
    assert steps[1] == pytest.approx(0.005)  # 0.01 across the left and right edge, nothing across the others
