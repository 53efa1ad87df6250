import numpy as np
import pytest
import torch
from torchvision.transforms.functional import gaussian_blur
from toys import Toy, seeded

from helpers.illusions import View, anagram, find_view, hybrid, inner_circle, permute_patches, rotate, turned, views

pytestmark = pytest.mark.usefixtures("one_thread")
ALL = {
    **views,
    **{f"rotate {n}": rotate(n) for n in (-1, 1, 2, 3)},
    **{f"{p}×{p} patches, seed {s}": permute_patches(p, s) for p, s in [(1, 0), (2, 1), (4, 7), (8, 3), (16, 0)]},
    **{f"inner circle {n}, radius {r}": inner_circle(n, r) for n in (1, 2, 3) for r in (0.5, 0.7, 1.0)},
}
INVOLUTIONS = {"identity", "flip", "rotate_180", "negate", "rotate 2", "1×1 patches, seed 0"}
INVOLUTIONS |= {name for name in ALL if name.startswith("inner circle 2")}
every_view = pytest.mark.parametrize("name", ALL)


def sizes(name):
    return [16, 32] if "patches" in name else [16, 17, 32, 33]  # squares of patches need a size that divides


def arange(size):
    """An image in which every value occurs once, and its negative never."""
    return torch.arange(1.0, 2 * 3 * size * size + 1).view(2, 3, size, size)


@every_view
def test_the_inverse_view_undoes_the_view_exactly(name):
    for size in sizes(name):
        x = torch.randn(2, 3, size, size, generator=seeded())
        assert torch.equal(ALL[name].inverse_view(ALL[name].view(x)), x)
        assert torch.equal(ALL[name].view(ALL[name].inverse_view(x)), x)


@every_view
def test_only_the_involutions_undo_themselves(name):
    for size in sizes(name):
        x = arange(size)
        undone = torch.equal(ALL[name].view(ALL[name].view(x)), x)
        assert undone == (name in INVOLUTIONS)


@every_view
def test_a_view_shows_every_pixel_once_with_at_most_another_sign(name):
    # a signed permutation: so noise seen through it is independent standard normal noise again
    for size in sizes(name):
        x = arange(size)
        seen = ALL[name].view(x)
        assert seen.shape == x.shape
        for image, before in zip(seen.flatten(0, 1), x.flatten(0, 1)):  # images and channels do not mix
            assert torch.equal(image.abs().flatten().sort().values, before.flatten())


@every_view
def test_a_view_treats_every_channel_and_image_alike(name):
    x = torch.randn(1, 1, 16, 16, generator=seeded())
    seen = ALL[name].view(x.expand(2, 3, 16, 16))
    assert torch.equal(seen, ALL[name].view(x).expand(2, 3, 16, 16))


@every_view
def test_a_view_is_linear_and_never_changes_its_input(name):
    x, y = torch.randn(2, 1, 3, 16, 16, generator=seeded())
    before = x.clone()
    view = ALL[name].view
    torch.testing.assert_close(view(2 * x - y), 2 * view(x) - view(y))
    assert torch.equal(x, before)


@every_view
def test_a_view_takes_any_memory_layout(name):
    x = torch.randn(2, 3, 16, 16, generator=seeded())
    for layout in (x.to(memory_format=torch.channels_last), x.mT.contiguous().mT):
        assert torch.equal(ALL[name].view(layout), ALL[name].view(x))


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("identity", [[1, 2], [3, 4]]),
        ("flip", [[3, 4], [1, 2]]),
        ("rotate_90", [[2, 4], [1, 3]]),
        ("rotate_180", [[4, 3], [2, 1]]),
        ("negate", [[-1, -2], [-3, -4]]),
    ],
)
def test_simple_views_by_hand(name, wanted):
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert views[name].view(x)[0, 0].tolist() == wanted


def test_a_jigsaw_moves_whole_patches():
    x = torch.arange(16.0).repeat_interleave(4).view(4, 4, 2, 2).permute(0, 2, 1, 3).reshape(1, 1, 8, 8)
    seen = permute_patches(4, seed=1).view(x)
    patches = seen.view(4, 2, 4, 2).permute(0, 2, 1, 3).reshape(16, 4)
    assert (patches == patches[:, :1]).all()  # each patch still has one colour
    assert not torch.equal(seen, x)


def test_a_seed_means_one_jigsaw():
    x = arange(16)
    assert torch.equal(permute_patches(4, 5).view(x), permute_patches(4, np.int64(5)).view(x))
    assert not torch.equal(permute_patches(4, 5).view(x), permute_patches(4, 6).view(x))


def test_the_inner_circle_turns_and_the_corners_stay():
    x = arange(17)
    seen = inner_circle(1, radius=0.7).view(x)
    assert torch.equal(seen[..., 5:12, 5:12], x[..., 5:12, 5:12].rot90(1, (-2, -1)))  # its corners are inside
    assert torch.equal(seen[..., :3, :], x[..., :3, :])  # above 0.7 of the radius: outside
    assert not torch.equal(seen[..., 3, :], x[..., 3, :])


def test_views_are_found_by_name_or_taken_as_they_are():
    assert find_view("flip") is views["flip"]
    mine = View(torch.neg, torch.neg)
    assert find_view(mine) is mine


# ---- anagrams


PAIRS = [["identity", name] for name in views] + [["identity", "rotate_90", "inner_circle"], ["identity"]]


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_anagram_is_the_mean_of_the_views_brought_back(toy, x_t, conds, names):
    eps = []
    for name, cond in zip(names, conds):
        view, inverse_view = views[name]
        eps.append(inverse_view(toy(view(x_t), 300, cond).eps))
    toy.calls = 0
    prediction = anagram(toy, names)(x_t, 300, tuple(conds[: len(names)]))
    torch.testing.assert_close(prediction.eps, sum(eps) / len(eps), atol=1e-6, rtol=0)
    assert toy.calls == 1


def test_the_first_view_gives_an_anagram_its_variance(toy, x_t, conds):
    prediction = anagram(toy, ["identity", "negate"])(x_t, 300, tuple(conds[:2]))
    assert torch.equal(prediction.var, toy(x_t, 300, conds[0]).var)


def test_anagram_without_learned_variance_has_none(x_t, conds):
    assert anagram(Toy(learns_variance=False), ["identity", "flip"])(x_t, 300, tuple(conds[:2])).var is None


def test_anagram_takes_a_view_of_one_s_own(toy, x_t, conds):
    shift = View(lambda x: x.roll(3, -1), lambda x: x.roll(-3, -1))
    prediction = anagram(toy, ["identity", shift])(x_t, 300, tuple(conds[:2]))
    other = toy(x_t.roll(3, -1), 300, conds[1]).eps.roll(-3, -1)
    torch.testing.assert_close(prediction.eps, (toy(x_t, 300, conds[0]).eps + other) / 2)


# ---- hybrids


@pytest.mark.parametrize("kernel_size, sigma", [(1, 1.0), (5, 0.8), (31, 2.0)])
def test_hybrid_is_far_s_low_frequencies_and_near_s_high_ones(toy, x_t, conds, kernel_size, sigma):
    far, near = toy(x_t, 300, conds[0]), toy(x_t, 300, conds[1])
    wanted = gaussian_blur(far.eps, kernel_size, sigma) + near.eps - gaussian_blur(near.eps, kernel_size, sigma)
    toy.calls = 0
    prediction = hybrid(toy, kernel_size, sigma)(x_t, 300, (conds[0], conds[1]))
    torch.testing.assert_close(prediction.eps, wanted, atol=1e-6, rtol=0)
    assert torch.equal(prediction.var, far.var)
    assert toy.calls == 1


def test_hybrid_blurs_with_the_course_s_kernel_unless_told():
    hybrid_denoiser = hybrid(Toy((3, 64, 64)))  # a kernel of 31 would blur alike, to the last digit
    assert (hybrid_denoiser.kernel_size, hybrid_denoiser.sigma) == (33, 2.0)


def test_a_hybrid_of_one_prompt_is_that_prompt(toy, x_t, conds):
    prediction = hybrid(toy, 7)(x_t, 300, (conds[0], conds[0]))
    torch.testing.assert_close(prediction.eps, toy(x_t, 300, conds[0]).eps, atol=1e-6, rtol=0)


# On the way to a view


@pytest.mark.parametrize("name", views)
def test_a_turn_begins_with_the_image_and_ends_with_the_view(name):
    x = torch.rand(1, 3, 16, 16, generator=seeded()) * 2 - 1
    assert torch.equal(turned(x, name, 0), x)
    assert torch.equal(turned(x, name, 1), views[name].view(x))
    half = turned(x, name, 0.5)
    assert half.shape == x.shape and half.min() >= -1 and half.max() <= 1


@pytest.mark.parametrize("name", ["flip", "rotate_90", "rotate_180"])
def test_just_before_its_end_a_turn_is_close_to_the_view(name):
    x = torch.linspace(-1, 1, 64).view(1, 1, 64, 1).expand(1, 3, 64, 64)  # dark above, bright below
    near = turned(x, name, 0.99)
    middle = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    assert (near - views[name].view(x))[middle].abs().max() < 0.1


def test_a_card_that_tips_over_is_half_as_high_at_a_third():
    card = turned(-torch.ones(1, 3, 64, 64), "flip", 1 / 3)
    dark = (card[0, 0] < 0).all(dim=1)
    assert dark.sum() == 32 and dark[16:48].all()


def test_a_share_beyond_the_end_is_refused():
    with pytest.raises(ValueError, match=r"share is 1\.5; wanted 0 to 1"):
        turned(torch.zeros(1, 3, 8, 8), "flip", 1.5)
