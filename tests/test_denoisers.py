import pytest
import torch
from toys import Enlarger, TinyIF, TinyIF2, Toy, seeded, tiny, tiny_2

from helpers.denoisers import batch_conds, guided, predict_together
from helpers.illusions import anagram, hybrid
from helpers.sampling import final, sample

pytestmark = pytest.mark.usefixtures("one_thread")
VIEWS = ["identity", "rotate_90"]


def assert_same(a, b):
    """Two predictions agree, up to the order in which sums are taken."""
    torch.testing.assert_close(a.eps, b.eps, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(a.var, b.var, atol=1e-6, rtol=0)


# ---- guidance


@pytest.mark.parametrize("gamma", [-1.0, 0.0, 0.5, 1.0, 7.0])
def test_guidance_is_u_plus_gamma_times_c_minus_u(toy, x_t, conds, gamma):
    u = toy(x_t, 300, torch.zeros_like(conds[0])).eps
    c = toy(x_t, 300, conds[0]).eps
    guidance = guided(toy, gamma)(x_t, 300, conds[0])
    torch.testing.assert_close(guidance.eps, u + gamma * (c - u), atol=1e-6, rtol=0)


def test_gamma_1_is_the_conditional_prediction(toy, x_t, conds):
    assert_same(guided(toy, 1)(x_t, 300, conds[0]), toy(x_t, 300, conds[0]))


def test_gamma_0_ignores_the_condition(toy, x_t, conds):
    eps = toy(x_t, 300, toy.unconditional(conds[0])).eps
    torch.testing.assert_close(guided(toy, 0)(x_t, 300, conds[0]).eps, eps, atol=1e-6, rtol=0)


@pytest.mark.parametrize("gamma", [0.0, 7.0])
def test_guidance_leaves_the_conditional_variance_alone(toy, x_t, conds, gamma):
    assert torch.equal(guided(toy, gamma)(x_t, 300, conds[0]).var, toy(x_t, 300, conds[0]).var)


def test_guidance_of_a_network_without_variance_has_none(x_t, conds):
    assert guided(Toy(learns_variance=False), 7)(x_t, 300, conds[0]).var is None


def test_guidance_reaches_into_a_tree_of_conditions(x0, x_t, conds):
    enlarger, cond = Enlarger(), (conds[0], x0, torch.tensor([0.3]))
    u = enlarger(x_t, 300, (torch.zeros_like(conds[0]), x0, torch.tensor([0.3]))).eps  # image and level stay
    c = enlarger(x_t, 300, cond).eps
    enlarger.calls = 0
    eps = guided(enlarger, 4)(x_t, 300, cond).eps
    torch.testing.assert_close(eps, u + 4 * (c - u), atol=1e-6, rtol=0)
    assert enlarger.calls == 1


# ---- stacks

STACKS = {
    "guided": lambda d: guided(d, 7),
    "anagram": lambda d: anagram(d, VIEWS),
    "hybrid": lambda d: hybrid(d, 7),
    "guided anagram": lambda d: guided(anagram(d, VIEWS), 7),
    "anagram of guided": lambda d: anagram(guided(d, 7), VIEWS),
    "guided hybrid": lambda d: guided(hybrid(d, 7), 7),
    "hybrid of guided": lambda d: hybrid(guided(d, 7), 7),
    "guided anagram of hybrids": lambda d: guided(anagram(hybrid(d, 7), VIEWS), 7),
    "anagram of guided hybrids": lambda d: anagram(guided(hybrid(d, 7), 7), VIEWS),
    "guided hybrid of anagrams": lambda d: guided(hybrid(anagram(d, VIEWS), 7), 7),
    "hybrid of anagrams of guided": lambda d: hybrid(anagram(guided(d, 7), VIEWS), 7),
}


def cond_for(stack, conds):
    if "hybrid" in stack and "anagram" in stack:
        return (tuple(conds[:2]), tuple(conds[2:]))
    return conds[0] if stack == "guided" else tuple(conds[:2])


@pytest.mark.parametrize("stack", STACKS)
def test_any_stack_costs_one_network_call_per_step(toy, conds, stack):
    steps = sample(STACKS[stack](toy), cond_for(stack, conds), timesteps=[600, 300, 0], generator=seeded())
    assert final(steps, progress=False).shape == (1, *toy.image_shape)
    assert toy.calls == 3


@pytest.mark.parametrize("stack", STACKS)
def test_any_stack_keeps_schedule_and_shape(toy, stack):
    stacked = STACKS[stack](toy)
    assert stacked.schedule is toy.schedule and stacked.image_shape == toy.image_shape


@pytest.mark.parametrize("stack", STACKS)
def test_each_image_in_a_batch_has_its_own_condition(toy, x_t, conds, stack):
    one, other = cond_for(stack, conds), cond_for(stack, [-c for c in conds])
    stacked = STACKS[stack](toy)
    together = stacked(x_t, 300, batch_conds([one, other], 1))
    for i, cond in enumerate([one, other]):
        alone = stacked(x_t[i : i + 1], 300, cond)
        assert_same(alone, type(alone)(together.eps[i : i + 1], together.var[i : i + 1]))


@pytest.mark.parametrize(
    "one, other",
    [
        ("guided anagram", "anagram of guided"),
        ("guided hybrid", "hybrid of guided"),
        ("guided anagram of hybrids", "anagram of guided hybrids"),
        ("guided hybrid of anagrams", "hybrid of anagrams of guided"),
    ],
)
def test_guidance_may_be_inside_or_outside(toy, x_t, conds, one, other):
    cond = cond_for(one, conds)
    assert_same(STACKS[one](toy)(x_t, 300, cond), STACKS[other](toy)(x_t, 300, cond))


# ---- conditions in batches


def test_batch_conds_repeats_a_single_condition_and_keeps_a_batch():
    single, batch = torch.tensor([[9.0]]), torch.tensor([[1.0], [2.0], [3.0]])
    assert batch_conds([single, batch], 3).flatten().tolist() == [9, 9, 9, 1, 2, 3]


def test_batch_conds_walks_a_tree_leaf_by_leaf():
    one = (torch.zeros(1, 2), (torch.zeros(3, 4), torch.zeros(1)))
    other = (torch.ones(3, 2), (torch.ones(1, 4), torch.ones(3)))
    a, (b, c) = batch_conds([one, other], 3)
    assert [leaf.shape for leaf in (a, b, c)] == [(6, 2), (6, 4), (6,)]
    for leaf in (a, b, c):
        assert (leaf[:3] == 0).all() and (leaf[3:] == 1).all()


def test_batch_conds_of_networks_without_a_condition():
    assert batch_conds([(), ()], 5) == ()


def test_predict_together_answers_in_the_order_of_the_questions(toy, x_t, conds):
    images = [x_t, -x_t, 2 * x_t]
    answers = predict_together(toy, images, 300, conds[:3])
    assert toy.calls == 1
    for answer, image, cond in zip(answers, images, conds):
        assert_same(answer, toy(image, 300, cond))


def test_predictions_never_change_their_inputs(toy, x_t, conds):
    before = x_t.clone(), [c.clone() for c in conds]
    for stack, make in STACKS.items():
        make(toy)(x_t, 300, cond_for(stack, conds))
    assert torch.equal(x_t, before[0])
    assert all(torch.equal(a, b) for a, b in zip(conds, before[1]))


# ---- the text denoiser, round a network in IF's format


@pytest.fixture
def text():
    return torch.randn(2, 5, 4, generator=seeded())


def test_text_denoiser_splits_noise_and_variance(text):
    x = torch.randn(2, 3, 8, 8, generator=seeded())
    eps, var = tiny(TinyIF())(x, 300, text)
    assert torch.equal(eps, x)
    torch.testing.assert_close(var, text.mean((1, 2)).view(2, 1, 1, 1).expand_as(x))


def test_text_denoiser_is_told_the_shape_by_its_network():
    assert tiny(TinyIF()).image_shape == (3, 8, 8)


def test_one_text_serves_every_image(text):
    x = torch.randn(3, 3, 8, 8, generator=seeded())
    assert tiny(TinyIF())(x, 300, text[:1]).var.shape == x.shape


def test_the_empty_text_takes_the_batch_of_the_condition(text):
    assert torch.equal(tiny(TinyIF()).unconditional(text), torch.full((2, 5, 4), 0.25))


def test_predictions_are_fp32_whatever_the_network_computes_in(text):
    unet = TinyIF(torch.bfloat16)
    eps, var = tiny(unet)(torch.randn(2, 3, 8, 8, generator=seeded()), 300, text)
    assert unet.given == torch.bfloat16
    assert eps.dtype == var.dtype == torch.float32


def test_a_network_may_ask_for_the_image_in_fp32(text):
    unet = TinyIF(torch.bfloat16)
    unet.image_dtype = torch.float32
    x = torch.randn(2, 3, 8, 8, generator=seeded())
    assert torch.equal(tiny(unet)(x, 300, text).eps, x)


# ---- the denoiser of a stage II


@pytest.fixture
def cond(text):
    return text, torch.randn(2, 3, 8, 8, generator=seeded(3)), torch.tensor([1, 20])


def test_upscale_denoiser_tells_its_network_the_low_image_and_its_noise_level(cond):
    text, low, level = cond
    x = torch.randn(2, 3, 8, 8, generator=seeded())
    eps, var = tiny_2(TinyIF2())(x, 300, cond)
    assert torch.equal(eps, low + level.view(2, 1, 1, 1))
    torch.testing.assert_close(var, text.mean((1, 2)).view(2, 1, 1, 1).expand_as(x))
    assert tiny_2(TinyIF2()).image_shape == (3, 8, 8)


def test_only_the_text_becomes_empty(cond):
    text, low, level = tiny_2(TinyIF2()).unconditional(cond)
    assert torch.equal(text, torch.full((2, 5, 4), 0.25))
    assert low is cond[1] and level is cond[2]


def test_one_noise_level_serves_every_image_also_when_guided(cond):
    x = torch.randn(2, 3, 8, 8, generator=seeded())
    given = guided(tiny_2(TinyIF2()), 4)(x, 300, (*cond[:2], torch.tensor([20])))
    wanted = guided(tiny_2(TinyIF2()), 4)(x, 300, (*cond[:2], torch.tensor([20, 20])))
    assert torch.equal(given.eps, wanted.eps) and torch.equal(given.var, wanted.var)


def test_a_stage_ii_in_half_precision_predicts_in_fp32(cond):
    unet = TinyIF2(torch.bfloat16)
    eps, var = tiny_2(unet)(torch.randn(2, 3, 8, 8, generator=seeded()), 300, cond)
    assert unet.given == torch.bfloat16
    assert eps.dtype == var.dtype == torch.float32


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda text, low, level: text, "is a Tensor; wanted .text states, low-resolution images, noise levels"),
        (lambda text, low, level: (text, low), "is 2 things; wanted"),
        (lambda text, low, level: (low, text, level), "wants text states"),
        (lambda text, low, level: (text, low[..., :4], level), r"has shape \(2, 3, 8, 4\); wanted \(1 or B, 3, 8, 8\)"),
        (lambda text, low, level: (text, low, 250), "the noise level is 250; wanted a tensor"),
        (lambda text, low, level: (text, low, level + 999), "the noise level runs from 1000 to 1019; wanted 0 to 999"),
        (lambda text, low, level: (text[:, :, :3], low, level), "wants text states"),
    ],
)
def test_a_condition_of_another_kind_is_refused(cond, wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        tiny_2(TinyIF2())(torch.zeros(2, 3, 8, 8), 300, wrong(*cond))


# ---- a condition that is prepared once for a whole run


class Prepared(Toy):
    """Notes which conditions were prepared."""

    def prepare(self, cond):
        self.__dict__.setdefault("prepared", []).append(cond)
        return cond


def test_a_run_prepares_each_condition_once(conds):
    toy = Prepared()
    steps = sample(guided(anagram(toy, ["identity", "flip"]), 3), tuple(conds[:2]), timesteps=[900, 500, 100])
    final(steps, progress=False)
    assert toy.calls == 3 and [id(cond) for cond in toy.prepared] == [id(cond) for cond in conds[:2]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_prepared_text_gives_the_same_prediction(dtype):
    denoiser, x_t = guided(tiny(TinyIF(dtype)), 3), torch.randn(2, 3, 8, 8, generator=seeded(1))
    text = torch.randn(1, 5, 4, generator=seeded(2))
    prepared = denoiser.prepare(text)
    assert prepared.dtype == dtype
    for mine, plain in zip(denoiser(x_t, 500, prepared), denoiser(x_t, 500, text)):
        assert torch.equal(mine, plain)
