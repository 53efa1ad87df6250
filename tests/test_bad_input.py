"""What a student gets wrong is answered by a sentence that names what was given and what is wanted."""

import math

import numpy as np
import pytest
import torch
from toys import TinyIF, Toy, tiny

from helpers.denoisers import batch_conds, guided
from helpers.editing import inpaint, sdedit
from helpers.illusions import anagram, hybrid, inner_circle, permute_patches, rotate, views
from helpers.sampling import ddim_step, ddpm_step, denoise, dynamic_threshold, estimate_x0, forward, sample
from helpers.schedule import NoiseSchedule, strided_timesteps

pytestmark = pytest.mark.usefixtures("one_thread")
TOY = Toy()
SCHEDULE = TOY.schedule
ABAR = SCHEDULE.alphas_cumprod
X0, X_T = torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16)
COND = torch.zeros(1, 3)
MASK = torch.ones(16, 16)
TIMESTEPS = strided_timesteps(34)
NAN = torch.full_like(X0, math.nan)
ONE_INF = torch.zeros_like(X0).index_fill(3, torch.tensor([2]), math.inf)


def check(cases):
    """Parametrize over {name: (call, sentence)}; the error is a ValueError or TypeError, raised by the call itself."""
    return pytest.mark.parametrize("call, sentence", cases.values(), ids=cases)


def assert_says(call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call()


@check(
    {
        "too large": (lambda: forward(X0, 1000, ABAR), r"t is 1000; wanted 0 to 999"),
        "negative": (lambda: forward(X0, -1, ABAR), r"t is -1; wanted 0 to 999"),
        "not an integer": (lambda: forward(X0, 0.5, ABAR), r"t is 0\.5; wanted an integer"),
        "a bool": (lambda: forward(X0, True, ABAR), r"t is True; wanted an integer"),
        "one of the batch": (
            lambda: forward(X0, torch.tensor([3, 1000]), ABAR),
            r"t runs from 3 to 1000; wanted 0 to 999",
        ),
        "floats": (lambda: forward(X0, torch.tensor([0.1, 0.2]), ABAR), r"t has dtype torch.float32 .*wanted integers"),
        "a wrong count": (
            lambda: forward(X0, torch.tensor([1, 2, 3]), ABAR),
            r"t has 3 timesteps for 2 images; wanted one for each",
        ),
        "estimate_x0": (lambda: estimate_x0(X_T, 1000, X_T, ABAR), r"t is 1000; wanted 0 to 999"),
        "ddpm_step": (lambda: ddpm_step(X_T, X0, 1000, 0, SCHEDULE), r"t is 1000; wanted 0 to 999"),
        "ddim_step": (lambda: ddim_step(X_T, X0, -1, None, SCHEDULE), r"t is -1; wanted 0 to 999"),
        "a batch of t in a step": (
            lambda: ddpm_step(X_T, X0, torch.tensor([5, 5]), 0, SCHEDULE),
            r"t is tensor\(\[5, 5\]\); wanted an integer",
        ),
        "s above t": (
            lambda: ddpm_step(X_T, X0, 30, 60, SCHEDULE),
            r"s is 60 after t = 30; wanted 0 <= s < t, or None",
        ),
        "s equal to t": (lambda: ddim_step(X_T, X0, 0, 0, SCHEDULE), r"s is 0 after t = 0; wanted 0 <= s < t, or None"),
        "s of -1": (
            lambda: ddpm_step(X_T, X0, 30, -1, SCHEDULE),
            r"s is -1 after t = 30; wanted .* or None at the last",
        ),
        "s not an integer": (lambda: ddpm_step(X_T, X0, 30, 0.5, SCHEDULE), r"s is 0\.5; wanted an integer"),
    }
)
def test_t_outside_the_schedule(call, sentence):
    assert_says(call, sentence)


@check(
    {
        "no batch": (lambda: forward(X0[0], 5, ABAR), r"x0 has shape \(3, 16, 16\); wanted \(B, C, H, W\).*x0\[None\]"),
        "empty": (lambda: forward(X0[:0], 5, ABAR), r"x0 has shape \(0, 3, 16, 16\).*at least one image"),
        "flat": (lambda: estimate_x0(X_T.flatten(), 5, X_T, ABAR), r"x_t has shape \(1536,\); wanted \(B, C, H, W\)"),
        "noise": (
            lambda: forward(X0, 5, ABAR, noise=X0[:1]),
            r"noise has shape \(1, 3, 16, 16\); wanted x0's shape, \(2, 3, 16, 16\)",
        ),
        "eps": (
            lambda: estimate_x0(X_T, 5, X_T[..., :8], ABAR),
            r"eps has shape \(2, 3, 16, 8\); wanted x_t's shape, \(2, 3, 16, 16\)",
        ),
        "x0_hat": (
            lambda: ddpm_step(X_T, X0[:, :1], 5, 0, SCHEDULE),
            r"x0_hat has shape \(2, 1, 16, 16\); wanted x_t's shape, \(2, 3, 16, 16\)",
        ),
        "var with eps still on it": (
            lambda: ddpm_step(X_T, X0, 5, 0, SCHEDULE, var=torch.zeros(2, 6, 16, 16)),
            r"var has shape \(2, 6, 16, 16\); wanted x_t's shape, \(2, 3, 16, 16\)",
        ),
        "denoise": (
            lambda: denoise(TOY, torch.zeros(1, 3, 8, 8), TIMESTEPS, COND),
            r"x_t has shape \(1, 3, 8, 8\); this model wants \(B, 3, 16, 16\)",
        ),
        "sdedit": (
            lambda: sdedit(TOY, torch.zeros(1, 1, 16, 16), COND, timesteps=TIMESTEPS, i_start=5),
            r"x_orig has shape \(1, 1, 16, 16\); this model wants \(B, 3, 16, 16\)",
        ),
        "inpaint": (
            lambda: inpaint(TOY, torch.zeros(1, 3, 32, 32), MASK, COND, timesteps=TIMESTEPS),
            r"x_orig has shape \(1, 3, 32, 32\); this model wants \(B, 3, 16, 16\)",
        ),
        "dynamic_threshold": (
            lambda: dynamic_threshold(X0[0]),
            r"x0_hat has shape \(3, 16, 16\); wanted \(B, C, H, W\)",
        ),
    }
)
def test_shapes_that_do_not_match(call, sentence):
    assert_says(call, sentence)


@check(
    {
        "numpy": (lambda: forward(np.zeros((1, 3, 16, 16)), 5, ABAR), r"x0 is a ndarray; wanted a torch.Tensor"),
        "bytes": (
            lambda: forward(X0.byte(), 5, ABAR),
            r"x0 has dtype torch.uint8; wanted floating point.*x0\.float\(\)",
        ),
        "noise": (
            lambda: forward(X0, 5, ABAR, noise=X0.double()),
            r"noise has dtype torch.float64; wanted x0's dtype, torch.float32",
        ),
        "eps": (
            lambda: estimate_x0(X_T, 5, X_T.half(), ABAR),
            r"eps has dtype torch.float16; wanted x_t's dtype, torch.float32",
        ),
        "denoise": (
            lambda: denoise(TOY, X_T.double(), TIMESTEPS, COND),
            r"x_t has dtype torch.float64; wanted torch.float32.*x_t\.float\(\)",
        ),
        "sdedit": (
            lambda: sdedit(TOY, X0.double(), COND, timesteps=TIMESTEPS, i_start=5),
            r"x_orig has dtype torch.float64; wanted torch.float32",
        ),
        "inpaint": (
            lambda: inpaint(TOY, X0.half(), MASK, COND, timesteps=TIMESTEPS),
            r"x_orig has dtype torch.float16; wanted torch.float32",
        ),
        "a schedule for its abar": (
            lambda: forward(X0, 5, SCHEDULE),
            r"alphas_cumprod is a NoiseSchedule; wanted a torch.Tensor",
        ),
        "abar for its schedule": (
            lambda: ddpm_step(X_T, X0, 5, 0, ABAR),
            r"schedule is a tensor of shape \(1000,\); wanted a NoiseSchedule",
        ),
    }
)
def test_kinds_and_dtypes_that_do_not_match(call, sentence):
    assert_says(call, sentence)


@check(
    {
        "0 to 255": (lambda: forward(X0 + 255, 5, ABAR), r"x0 has values from 255 to 255; wanted \[-1, 1\].*127\.5"),
        "too dark": (lambda: forward(X0 - 1.5, 5, ABAR), r"x0 has values from -1\.5 to -1\.5; wanted \[-1, 1\]"),
        "sdedit": (
            lambda: sdedit(TOY, X0 + 2, COND, timesteps=TIMESTEPS, i_start=5),
            r"x_orig has values from 2 to 2; wanted \[-1, 1\]",
        ),
        "inpaint": (
            lambda: inpaint(TOY, X0 - 2, MASK, COND, timesteps=TIMESTEPS),
            r"x_orig has values from -2 to -2; wanted \[-1, 1\]",
        ),
    }
)
def test_clean_images_outside_minus_1_to_1(call, sentence):
    assert_says(call, sentence)


def test_half_precision_round_off_at_the_ends_of_the_range_is_no_error():
    forward(X0 + 1.0005, 5, ABAR)
    with pytest.raises(ValueError):
        forward(X0 + 1.002, 5, ABAR)


@check(
    {
        "x0": (lambda: forward(NAN, 5, ABAR), r"x0 has 1536 of 1536 values that are NaN or infinite; wanted finite"),
        "noise": (lambda: forward(X0, 5, ABAR, noise=ONE_INF), r"noise has 96 of 1536 values that are NaN or infinite"),
        "eps": (lambda: estimate_x0(X_T, 5, NAN, ABAR), r"eps has 1536 of 1536 values that are NaN"),
        "x_t": (lambda: denoise(TOY, NAN, TIMESTEPS, COND), r"x_t has 1536 of 1536 values that are NaN"),
        "x_orig": (lambda: sdedit(TOY, NAN, COND, timesteps=TIMESTEPS, i_start=5), r"x_orig has 1536 of 1536 values"),
        "inpaint": (lambda: inpaint(TOY, NAN, MASK, COND, timesteps=TIMESTEPS), r"x_orig has 1536 of 1536 values"),
        "x0_hat": (lambda: ddim_step(X_T, ONE_INF, 5, 0, SCHEDULE), r"x0_hat has 96 of 1536 values that are NaN"),
        "var": (lambda: ddpm_step(X_T, X0, 5, 0, SCHEDULE, var=NAN), r"var has 1536 of 1536 values that are NaN"),
        "dynamic_threshold": (lambda: dynamic_threshold(NAN), r"x0_hat has 1536 of 1536 values that are NaN"),
        "mask": (
            lambda: inpaint(TOY, X0, MASK * math.nan, COND, timesteps=TIMESTEPS),
            r"mask has values from nan to nan; wanted only 0 \(keep\) and 1",
        ),
    }
)
def test_nan_and_infinity(call, sentence):
    assert_says(call, sentence)


class Breaking(Toy):
    """Predicts NaN from t = 300 on, as an overflowing half-precision network does."""

    def __call__(self, x_t, t, cond):
        prediction = super().__call__(x_t, t, cond)
        return prediction if t > 300 else prediction._replace(eps=prediction.eps * math.nan)


def test_a_network_that_predicts_nan_is_stopped_at_that_step():
    steps = denoise(Breaking(), X_T, [600, 300, 0], COND)
    assert next(steps).t == 600
    with pytest.raises(ValueError, match=r"the noise predicted at t = 300 has 1536 of 1536 values that are NaN"):
        next(steps)


@check(
    {
        "NaN": (lambda: guided(TOY, math.nan), r"gamma is nan; wanted a finite number"),
        "infinite": (lambda: guided(TOY, -math.inf), r"gamma is -inf; wanted a finite number"),
        "None": (lambda: guided(TOY, None), r"gamma is None; wanted a number"),
        "text": (lambda: guided(TOY, "much"), r"gamma is 'much'; wanted a number"),
        "hybrid's sigma": (lambda: hybrid(TOY, 5, math.nan), r"sigma is nan; wanted a finite number"),
        "hybrid's sigma of 0": (lambda: hybrid(TOY, 5, 0), r"sigma is 0; wanted"),
        "an even kernel": (lambda: hybrid(TOY, 32), r"kernel_size is 32; wanted (an odd number|1 to 31)"),
        "an even kernel that fits": (lambda: hybrid(TOY, 8), r"kernel_size is 8; wanted an odd number"),
        "a kernel wider than the image": (lambda: hybrid(TOY, 33), r"kernel_size is 33; wanted 1 to 31"),
        "threshold's ratio": (lambda: dynamic_threshold(X0, ratio=95), r"ratio is 95; wanted 0 to 1"),
        "threshold's maximum": (lambda: dynamic_threshold(X0, maximum=0.5), r"maximum is 0\.5; wanted 1 to"),
    }
)
def test_numbers_out_of_range(call, sentence):
    assert_says(call, sentence)


@check(
    {
        "past the list": (
            lambda: sdedit(TOY, X0, COND, timesteps=TIMESTEPS, i_start=34),
            r"i_start is 34; wanted 0 to 33",
        ),
        "a timestep": (
            lambda: sdedit(TOY, X0, COND, timesteps=TIMESTEPS, i_start=690),
            r"i_start is 690; wanted 0 to 33",
        ),
        "negative": (lambda: sdedit(TOY, X0, COND, timesteps=TIMESTEPS, i_start=-1), r"i_start is -1; wanted 0 to 33"),
        "a float": (
            lambda: sdedit(TOY, X0, COND, timesteps=TIMESTEPS, i_start=5.0),
            r"i_start is 5\.0; wanted an integer",
        ),
    }
)
def test_i_start_outside_the_list(call, sentence):
    assert_says(call, sentence)


RUNS = {
    "denoise": lambda timesteps: denoise(TOY, X_T, timesteps, COND),
    "sample": lambda timesteps: sample(TOY, COND, timesteps=timesteps),
    "sdedit": lambda timesteps: sdedit(TOY, X0, COND, timesteps=timesteps, i_start=0),
    "inpaint": lambda timesteps: inpaint(TOY, X0, MASK, COND, timesteps=timesteps),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize(
    "timesteps, sentence",
    [
        ([0, 500, 990], r"timesteps has 500 after 0; wanted strictly decreasing"),
        ([990, 500, 500, 0], r"timesteps has 500 after 500; wanted strictly decreasing"),
        (torch.arange(0, 991, 30), r"timesteps has 30 after 0; wanted strictly decreasing"),
        ([], r"timesteps is empty; wanted at least one"),
        ([1000, 500, 0], r"a timestep is 1000; wanted 0 to 999"),
        ([500, 0, -30], r"a timestep is -30; wanted 0 to 999"),
        ([990.0, 0.0], r"a timestep is 990\.0; wanted an integer"),
        (34, r"timesteps is 34; wanted a list"),
    ],
    ids=["rising", "twice the same", "a rising tensor", "empty", "too large", "negative", "floats", "a number"],
)
def test_timesteps_that_do_not_decrease_are_refused_at_the_call(run, timesteps, sentence):
    assert_says(lambda: run(timesteps), sentence)


@pytest.mark.parametrize(
    "timesteps", [[990, 0], (990, 0), torch.tensor([990, 0]), np.array([990, 0]), range(990, -1, -990)]
)
def test_timesteps_may_be_any_sequence_of_integers(timesteps):
    assert [step.t for step in denoise(TOY, X_T, timesteps, COND)] == [990, 0]


@check(
    {
        "grey": (
            lambda: inpaint(TOY, X0, MASK / 2, COND, timesteps=TIMESTEPS),
            r"mask has values from 0\.5 to 0\.5; wanted only 0 \(keep\) and 1 \(repaint\).*mask > 0\.5",
        ),
        "0 to 255": (
            lambda: inpaint(TOY, X0, 255 * MASK, COND, timesteps=TIMESTEPS),
            r"mask has values from 255 to 255",
        ),
        "the wrong size": (
            lambda: inpaint(TOY, X0, torch.ones(64, 64), COND, timesteps=TIMESTEPS),
            r"mask has shape \(64, 64\); wanted \(16, 16\) or \(1, 1, 16, 16\)",
        ),
        "the wrong batch": (
            lambda: inpaint(TOY, X0, torch.ones(3, 1, 16, 16), COND, timesteps=TIMESTEPS),
            r"mask has shape \(3, 1, 16, 16\); wanted \(16, 16\) or \(1, 1, 16, 16\)",
        ),
        "three axes": (
            lambda: inpaint(TOY, X0, torch.ones(1, 16, 16), COND, timesteps=TIMESTEPS),
            r"mask has shape \(1, 16, 16\); wanted \(16, 16\) or \(1, 1, 16, 16\)",
        ),
        "numpy": (
            lambda: inpaint(TOY, X0, np.ones((16, 16)), COND, timesteps=TIMESTEPS),
            r"mask is a ndarray; wanted a torch.Tensor",
        ),
    }
)
def test_masks_that_are_not_0_and_1_or_not_the_image_s_size(call, sentence):
    assert_says(call, sentence)


@check(
    {
        "no steps": (lambda: strided_timesteps(1), r"steps is 1; wanted 2 to 1000"),
        "too many steps": (lambda: strided_timesteps(1001), r"steps is 1001; wanted 2 to 1000"),
        "half a step": (lambda: strided_timesteps(33.5), r"steps is 33\.5; wanted an integer"),
        "T": (lambda: NoiseSchedule.cosine(0), r"T is 0; wanted at least 1"),
        "beta above 1": (lambda: NoiseSchedule.linear(10, beta_end=2), r"beta_end is 2; wanted 0 to 1"),
        "beta of 0": (
            lambda: NoiseSchedule.linear(10, beta_start=0),
            r"betas has values from 0 to 0\.02; wanted more than 0",
        ),
        "betas in a list": (lambda: NoiseSchedule([0.1]), r"betas is a list; wanted a torch.Tensor"),
        "betas in a table": (lambda: NoiseSchedule(torch.ones(2, 2) / 2), r"betas has shape \(2, 2\); wanted \(T,\)"),
        "no images": (
            lambda: sample(TOY, COND, timesteps=TIMESTEPS, batch_size=0),
            r"batch_size is 0; wanted at least 1",
        ),
    }
)
def test_schedules_and_counts(call, sentence):
    assert_says(call, sentence)


@check(
    {
        "too many": (
            lambda: batch_conds([torch.zeros(3, 3)], 2),
            r"the condition is for 3 images \(shape \(3, 3\)\); wanted 1 or 2",
        ),
        "too many in a tree": (lambda: batch_conds([(COND, torch.zeros(3, 3))], 2), r"for 3 images.*wanted 1 or 2"),
        "trees that differ": (
            lambda: batch_conds([(COND,), (COND, COND)], 2),
            r"wanted tensors.*tuples of equal length",
        ),
        "text": (lambda: batch_conds(["a cat"], 2), r"conditions are \['str'\]; wanted tensors .*model\.embed"),
        "anagram: one": (
            lambda: anagram(TOY, ["identity", "flip"])(X_T, 5, COND),
            r"the condition is a Tensor; wanted a tuple of 2 conditions",
        ),
        "guided anagram: one": (
            lambda: guided(anagram(TOY, ["identity", "flip"]), 7)(X_T, 5, COND),
            r"the condition is a Tensor; wanted a tuple of 2 conditions",
        ),
        "guided anagram: a list": (
            lambda: guided(anagram(TOY, ["identity", "flip"]), 7)(X_T, 5, [COND, COND]),
            r"the condition is a list; wanted a tuple of 2 conditions",
        ),
        "hybrid: three": (
            lambda: hybrid(TOY, 5)(X_T, 5, (COND, COND, COND)),
            r"the condition is a tuple of 3; wanted a tuple of 2 conditions",
        ),
        "a prompt": (
            lambda: tiny(TinyIF())(torch.zeros(1, 3, 8, 8), 5, "a cat"),
            r"the condition is a str; wanted text states \(1 or B, 5, 4\): model\.embed\(prompt\)",
        ),
        "a guided prompt": (
            lambda: guided(tiny(TinyIF()), 7)(torch.zeros(1, 3, 8, 8), 5, "a cat"),
            r"the condition is a str; wanted text states \(1 or B, 5, 4\): model\.embed\(prompt\)",
        ),
        "another model's text": (
            lambda: guided(tiny(TinyIF()), 7)(torch.zeros(1, 3, 8, 8), 5, torch.zeros(1, 5, 9)),
            r"the condition has shape \(1, 5, 9\); this model wants text states \(1 or B, 5, 4\)",
        ),
        "text without a batch": (
            lambda: tiny(TinyIF())(torch.zeros(1, 3, 8, 8), 5, torch.zeros(5, 4)),
            r"the condition has shape \(5, 4\); this model wants text states \(1 or B, 5, 4\)",
        ),
    }
)
def test_conditions_that_do_not_fit(call, sentence):
    assert_says(call, sentence)


@check(
    {
        "unknown": (
            lambda: anagram(TOY, ["identity", "mirror"]),
            r"view is 'mirror'; wanted one of identity, flip, .*View",
        ),
        "no identity": (
            lambda: anagram(TOY, ["flip", "identity"]),
            r"views is \['flip', 'identity'\].*first to be 'identity'",
        ),
        "none": (lambda: anagram(TOY, []), r"views is \[\]; wanted the first to be 'identity'"),
        "one name": (lambda: anagram(TOY, "flip"), r"views is 'flip'; wanted a list"),
        "patches that do not fit": (
            lambda: views["permute_patches"].view(torch.zeros(1, 3, 18, 18)),
            r"18×18 cannot be cut into 4×4 equal squares",
        ),
        "no patches": (lambda: permute_patches(0), r"patches is 0; wanted at least 1"),
        "half a quarter turn": (lambda: inner_circle(0.5), r"quarter_turns is 0\.5; wanted an integer"),
        "degrees": (lambda: rotate(90), r"quarter_turns is 90; wanted -3 to 3"),
        "a negative radius": (lambda: inner_circle(1, -0.5), r"radius is -0\.5; wanted 0 to"),
    }
)
def test_views_that_are_none(call, sentence):
    assert_says(call, sentence)
