"""The checks of what students write: the kit's own pass, mistakes are caught and named, right solutions are let pass.

A false alarm is worse than a miss: nobody learns from being told that a right function is wrong.
"""

import contextlib
import importlib
import inspect
import io
import linecache
import math
import os
import random
import sys
import textwrap
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: F401 (in strings)
from mutants import MUTANTS, UNNAMED
from mutants_by_strangers import MUTANTS as BY_STRANGERS
from right_solutions import SOLUTIONS

from helpers import checks
from helpers.checks import EXERCISES, check
from helpers.checks import exercise as exercise_module
from helpers.checks.exercise import edited, judge, known
from helpers.checks.measured import Measured, difference
from helpers.sampling import draw_noise, forward

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))

FORWARD = EXERCISES["forward"]

pytestmark = pytest.mark.usefixtures("one_thread")


def planted(name, right, wrong):
    """The kit's own function or class of an exercise, with one piece of its source, or of what it uses, replaced."""
    kits_own = EXERCISES[name].kits_own()
    module = inspect.getmodule(kits_own)
    source = textwrap.dedent(inspect.getsource(kits_own))
    if source.count(right) != 1 and inspect.isclass(kits_own):  # in a method that it inherits, or in what that calls
        base = kits_own.__mro__[1]
        inherited = textwrap.dedent(inspect.getsource(base)).replace(base.__name__, kits_own.__name__)
        functions = [f for _, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__]
        called = [inspect.getsource(f) for f in functions if f"{f.__name__}(" in source]
        source = inherited if inherited.count(right) == 1 else "\n\n".join([*called, source])
    assert source.count(right) == 1, f"{name} has {source.count(right)} places {right!r}"
    namespace = {"nn": torch.nn, "draw_noise": draw_noise, **vars(module)}
    exec(compile(source.replace(right, wrong), f"<mutant of {name}>", "exec"), namespace)
    return namespace[kits_own.__name__]


@pytest.mark.parametrize("name", EXERCISES)
def test_the_kits_own_is_right_and_told_so_quickly(name):
    start = time.process_time()
    verdict = judge(EXERCISES[name], EXERCISES[name].kits_own())
    assert verdict.status == "right", verdict.say
    assert verdict.seen >= 4
    assert time.process_time() - start < 2


@pytest.mark.parametrize("name, solution", SOLUTIONS, ids=[f"{n}-{s.__name__}" for n, s in SOLUTIONS])
def test_a_right_solution_passes_however_it_is_written(name, solution):
    verdict = judge(EXERCISES[name], solution)
    assert verdict.status == "right", verdict.say


WITH_CHANCE = ["forward", "add_noise", "ddpm_step", "sample", "sdedit", "keep_known", "inpaint"]
WITH_CHANCE += ["sample_digits", "sample_classes", "sample_flow", "sample_flow_classes", "reflow_pairs"]


@pytest.mark.parametrize("name", WITH_CHANCE)
def test_whatever_noise_a_right_function_draws_there_is_no_false_alarm(name):
    kits_own = EXERCISES[name].kits_own()
    for ahead in range(1, 21):

        def further_on(*args, generator=None, ahead=ahead, **options):
            if generator is not None:
                torch.rand(ahead, generator=generator)  # from here on, it is other noise
            return kits_own(*args, generator=generator, **options)

        verdict = judge(EXERCISES[name], further_on)
        assert verdict.status == "right", f"{ahead}: {verdict.say}"


@pytest.mark.parametrize("name", ["one_step", "time_conditional", "class_conditional", "flow_time", "flow_class"])
def test_whatever_examples_a_right_task_draws_there_is_no_false_alarm(name):
    for ahead in range(1, 21):

        class FurtherOn(EXERCISES[name].kits_own()):
            def examples(self, x0, labels, generator, ahead=ahead):
                torch.rand(ahead, generator=generator)
                return super().examples(x0, labels, generator)

        verdict = judge(EXERCISES[name], FurtherOn)
        assert verdict.status == "right", f"{ahead}: {verdict.say}"


def test_there_are_enough_of_them():
    assert len(MUTANTS) >= 40 and len(SOLUTIONS) >= 20
    assert len({name for name, *_ in MUTANTS}) == len(EXERCISES)


ONLY_WARNED_OF = ["halves exchanged"]  # it learns as well


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{m.exercise}-{m.mistake}-{i}" for i, m in enumerate(MUTANTS)])
def test_a_planted_mistake_is_caught_and_named(mutant):
    verdict = judge(EXERCISES[mutant.exercise], planted(*mutant[:3]))
    assert verdict.status == ("right" if mutant.mistake in ONLY_WARNED_OF else "wrong")
    assert verdict.mistake == mutant.mistake, verdict.say


@pytest.mark.parametrize("name, right, wrong", UNNAMED)
def test_what_is_like_no_known_mistake_gets_no_name(name, right, wrong):
    verdict = judge(EXERCISES[name], planted(name, right, wrong))
    assert (verdict.status, verdict.mistake) == ("wrong", None), verdict.say


def test_noise_at_the_last_step_is_named_in_whatever_order_it_is_drawn():
    def sample_digits(network, schedule, count, *, generator=None):
        network.eval()
        z = torch.randn(schedule.T + 1, count, 1, 28, 28, generator=generator).flip(0)  # all of it beforehand
        x = z[0]
        with torch.no_grad():
            for i, t in enumerate(reversed(range(schedule.T)), start=1):
                beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
                eps = network(x, torch.full((count, 1), t / schedule.T))
                x = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt() + beta.sqrt() * z[i]
        return x

    assert judge(EXERCISES["sample_digits"], sample_digits).mistake == "noise at the last step"


def test_the_skip_first_in_a_concatenation_is_let_pass_with_a_word(capsys):
    mine = planted("unconditional_unet", "torch.cat([up14, x14], dim=1)", "torch.cat([x14, up14], dim=1)")
    assert check("unconditional_unet", mine) is mine
    said = " ".join(capsys.readouterr().out.split())
    assert "✓" in said and "the skip comes first" in said


@pytest.mark.parametrize("name, right, wrong, words", BY_STRANGERS)
def test_a_strangers_mistake_is_caught_and_recognised(name, right, wrong, words):
    verdict = judge(EXERCISES[name], planted(name, right, wrong))
    assert verdict.status == "wrong" and verdict.mistake, verdict.say


# Strangers do not know our names, but some of their mistakes look like others. So that none of these gets the wrong
# one: how the stranger's words begin, and what the mistake is called here.
CALLED = {
    "The stride is rounded down to a whole number": "begins in the middle",
    "The list goes down from T - 1 in strides": "strides from T − 1 miss 0",
    "What comes back beside x_t is the noise as it was added": "wrong second result",
    "The middle of the bell is at kernel_size / 2": "bell beside the middle",
    "`not s` is also true for timestep 0: the step to s = 0": "s = 0 taken for the last step",
    "No noise on arriving at s = 0": "s = 0 taken for the last step",
    "The threshold is applied to x_s": "threshold on x_s",
    "The step goes from t to t - 1, although the next timestep": "s = t − 1",
    "s is the timestep before t in the list, timesteps[i - 1],": "s on the wrong side of t",
    "The estimate is clamped to [-1, 1] although nobody asked": "clamped",
    "The next step begins at the estimate x0_hat and not at x_s.": "x0_hat for x_s",
    "x_s is yielded where x_t belongs: x_t was overwritten": "x_t overwritten",
    "What constrain returns is thrown away.": "constrain in vain",
    "constrain does not run after the last step, where s is": "constrain left out at the end",
    "The threshold is applied to the estimate after the step,": "threshold after the step",
    "What is yielded as x0_hat is the estimate from before the": "x0_hat from before the threshold",
    "The sign of the predicted noise is wrong: it is added.": "noise added",
    "The mean is divided by alpha and not by its root.": "√α forgotten",
    "All of the noise is taken away at each step.": "all the noise at once",
    "As in the paper no noise at t = 1, but here t begins at 0.": "no noise at t = 1",
    "It starts from grey with half of the noise.": "another start",
    "The z of the steps is uniform.": "uniform noise",
    "The image is clamped in the loop": "x_t clamped",
    "1 - abar is taken for beta": "1 − ᾱ instead of β",
    "The network is told t / 1000, as if the schedule had 1000": "t/1000",
    "The prediction for the class is added in full, and not the difference.": "ε_u added in full",
    "The guided noise is clamped.": "guided noise clamped",
    '"Any digit" is told as all the other classes.': "any digit as every other class",
    "The half without the class is asked about other images.": "other images without the class",
    'For "any digit" the network is called without c.': "wrong arguments of the network",
    "The constrained image is yielded": "constrained for show only",
    "The start is a grey image noised": "start weighted by √(1 − ᾱ)",
    "`not s` is also true for timestep 0: there the kept part": "s = 0 taken for the last step",
    "Upsample only repeats each mean 49 times": "enlarged by copying",
    "The last layer is a Conv with BatchNorm and GELU": "an activation at the end",
    "The class scales the time's shift as well": "shift scaled too",
    "The strength 0.5 is written into the function": "sigma ignored",
    "The loss comes back with its whole graph": "loss still attached",
    "The target is noise drawn anew": "other noise as the answer",
    "var is filled with the variance β_t itself": "the variance itself as var",
    "randn for rand": "randn for rand",
    "Turned round: the class is kept with probability": "kept with probability p",
    '"Any digit" is a tenth of every class': "any digit as every class",
}


@pytest.mark.parametrize("begins, mistake", CALLED.items())
def test_a_strangers_mistake_gets_the_name_that_is_true_for_it(begins, mistake):
    [(name, right, wrong, _)] = [mutant for mutant in BY_STRANGERS if mutant[3].startswith(begins)]
    verdict = judge(EXERCISES[name], planted(name, right, wrong))
    assert verdict.mistake == mistake, verdict.say


@pytest.mark.parametrize("name", EXERCISES)
def test_each_piece_that_a_mistake_replaces_occurs_once_in_the_reference(name):
    for mistake in EXERCISES[name].mistakes:
        assert callable(EXERCISES[name].wrong(mistake)), mistake.name  # a ValueError if it does not


def test_a_check_goes_on_where_the_references_were_edited_since_they_were_imported(monkeypatch):
    monkeypatch.setattr(exercise_module, "edited", edited.__wrapped__)
    monkeypatch.setattr(exercise_module.inspect, "getsource", lambda part: "def forward(): pass")
    verdict = judge(FORWARD, lambda *args, **kwargs: (torch.zeros(2, 3, 64, 64), torch.zeros(2, 3, 64, 64)))
    assert (verdict.status, verdict.mistake) == ("wrong", None)


def test_a_piece_that_occurs_twice_or_never_is_refused():
    for piece, times in (("abar_t.sqrt()", 1), ("sqrt()", 2), ("cbrt()", 0)):
        if times == 1:
            edited((FORWARD.right,), piece, "abar_t")
        else:
            with pytest.raises(ValueError, match=f"occurs {times} times in forward; wanted once"):
                edited((FORWARD.right,), piece, "")


@pytest.mark.parametrize("name", EXERCISES)
def test_each_mistake_that_a_check_knows_is_told_from_the_others(name):
    for mistake in EXERCISES[name].mistakes:
        verdict = judge(EXERCISES[name], EXERCISES[name].wrong(mistake))
        assert (verdict.status, verdict.mistake) == ("wrong", mistake.name), f"{mistake.name}: {verdict.say}"


# ---- whatever a student's function does ----------------------------------------------------------------------------


def endless(*args, **kwargs):
    while True:
        pass


def endless_and_deaf(*args, **kwargs):
    for _ in range(3):
        try:
            while True:
                pass
        except BaseException:
            pass


def endlessly_yielding(*args, **kwargs):
    while True:
        yield 1


def sleeping(*args, **kwargs):
    time.sleep(2)


@pytest.mark.parametrize("name", ["forward", "denoise", "guided", "conv", "one_step", "sample_digits"])
@pytest.mark.parametrize(
    "function",
    [
        lambda *args, **kwargs: None,
        lambda *args, **kwargs: 3.5,
        lambda *args, **kwargs: "noise",
        lambda *args, **kwargs: (1, 2, 3),
        lambda *args, **kwargs: torch.tensor(math.nan),
        lambda *args, **kwargs: (torch.zeros(2, 3, 16, 16, dtype=torch.float64), None),
        lambda *args, **kwargs: 1 / 0,
        lambda *args, **kwargs: [][1],
        lambda *args, **kwargs: undefined,  # noqa: F821
        lambda: None,
        lambda x: x,
        lambda *args, **kwargs: print,
        lambda *args, **kwargs: exit(),
        endlessly_yielding,
    ],
)
def test_whatever_it_returns_or_raises_there_is_a_sentence(name, function):
    verdict = judge(EXERCISES[name], function)
    assert verdict.status == "wrong"
    assert len(verdict.say) > 20


class Unusual(BaseException):
    pass


def raising(error):
    def mine(*args, **kwargs):
        raise error

    return mine


@pytest.mark.parametrize("name", ["forward", "denoise", "guided", "conv", "one_step", "sample_digits"])
@pytest.mark.parametrize(
    "function",
    [
        raising(Unusual("so")),
        raising(GeneratorExit()),
        raising(KeyboardInterrupt()),
        raising(StopIteration()),
        lambda x, *args, **kwargs: (torch.zeros(2, 3, 64, 64).to_sparse(), x),
        lambda *args, **kwargs: torch.zeros(2, 3).to_sparse_csr(),
        lambda *args, **kwargs: torch.zeros(2, 3, 16, 16, device="meta"),
        lambda *args, **kwargs: torch.quantize_per_tensor(torch.zeros(2, 3), 0.1, 0, torch.qint8),
    ],
)
def test_nothing_that_it_raises_or_returns_escapes(name, function):
    verdict = judge(EXERCISES[name], function)
    assert verdict.status == "wrong" and verdict.mistake and len(verdict.say) > 20


@pytest.mark.parametrize("function", [endless, endless_and_deaf])
def test_a_function_that_never_ends_is_stopped(function):
    start = time.monotonic()
    verdict = judge(EXERCISES["forward"], function, seconds=0.3)
    assert verdict.mistake == "endless loop" and "restart" not in verdict.say
    assert time.monotonic() - start < 3


def test_what_cannot_be_stopped_is_left_behind_and_told():
    verdict = judge(EXERCISES["forward"], sleeping, seconds=0.2)
    assert verdict.mistake == "endless loop" and "restart the kernel" in verdict.say


def test_weights_that_the_check_cannot_set_are_told():
    class OwnWeights(torch.nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.kernel = torch.nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
            self.norm = torch.nn.BatchNorm2d(out_channels)

        def forward(self, x):
            return torch.nn.functional.gelu(self.norm(torch.nn.functional.conv2d(x, self.kernel, padding=1)))

    verdict = judge(EXERCISES["conv"], OwnWeights)
    assert verdict.mistake == "weights outside a layer" and "in kernel." in verdict.say


def test_what_is_no_function_is_told():
    for nothing in (None, 3, torch.zeros(2)):
        assert judge(EXERCISES["forward"], nothing).mistake == "no function"


def test_an_error_comes_with_the_line_that_raised_it():
    source = "def mine(x0, t, alphas_cumprod, *, noise=None, generator=None):\n    return x0 @ noise[0, 0, :3]\n"
    namespace = {}
    exec(compile(source, "<mine>", "exec"), namespace)
    linecache.cache["<mine>"] = (len(source), None, source.splitlines(keepends=True), "<mine>")
    verdict = judge(EXERCISES["forward"], namespace["mine"])
    assert "`return x0 @ noise[0, 0, :3]`" in verdict.say


@pytest.mark.parametrize(
    "mistake, body, words",
    [
        ("wrong signature", None, "takes other arguments than the stub"),
        ("wrong call", "forward(x0, t)", "calls a function with wrong arguments"),
        ("truth of a tensor", "noise or x0", "a tensor as a condition"),
        ("tuple for a tensor", "0.5 * forward(x0, t, abar, noise=noise)", "x_t, eps = forward"),
        ("None for a timestep", "forward(x0, None, abar)", "s is None"),
        ("shapes that do not fit", "x0 * abar[[t, t]]", "`.view(-1, 1, 1, 1)`"),
        ("shapes that do not fit", "x0 * noise[:, :2]", "have 3 and 2 elements along axis 1"),
        ("shapes that do not fit", "F.linear(x0.flatten(1), abar[None, :5])", "with 5 input features receives 12288"),
        ("shapes that do not fit", "F.conv2d(x0, noise[:, :2, :3, :3])", "with 2 input channels receives 3"),
        ("NaN", "(-1 - x0).sqrt(), noise", "root"),
        ("AttributeError", "x0.image", "raises an AttributeError"),
    ],
)
def test_an_error_is_told_in_words_that_are_true_for_it(mistake, body, words):
    def mine(x0, t, abar, *, noise=None, generator=None):
        return eval(body, globals(), {"x0": x0, "t": t, "abar": abar, "noise": noise, "forward": forward})

    verdict = judge(EXERCISES["forward"], mine if body else lambda x0: x0)
    assert verdict.mistake == mistake and words in verdict.say, verdict.say


# ---- whatever state the notebook is in ---------------------------------------------------------------------------


@contextlib.contextmanager
def without_gradients():
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


@contextlib.contextmanager
def with_the_default(set_it, value, usual):
    set_it(value)
    try:
        yield
    finally:
        set_it(usual)


STATES = {
    "no gradients": without_gradients,
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "double precision": lambda: with_the_default(torch.set_default_dtype, torch.float64, torch.float32),
    "another device": lambda: with_the_default(torch.set_default_device, "meta", None),
    "deterministic": lambda: with_the_default(torch.use_deterministic_algorithms, True, False),
    "anomalies": lambda: with_the_default(torch.autograd.set_detect_anomaly, True, False),
}
IN_ANY_STATE = ["forward", "ddpm_step", "denoise", "sample", "guided", "conv", "unconditional_unet", "class_unet"]
IN_ANY_STATE += ["training_step", "class_conditional", "sample_digits", "digit_denoiser"]


@pytest.mark.parametrize("state", STATES)
def test_a_right_function_is_right_in_whatever_state_the_notebook_is_and_afterwards(state):
    known.cache_clear()
    with STATES[state]():
        before = {name: judge(EXERCISES[name], EXERCISES[name].kits_own()).status for name in IN_ANY_STATE}
    after = {name: judge(EXERCISES[name], EXERCISES[name].kits_own()).status for name in IN_ANY_STATE}
    assert set(before.values()) == set(after.values()) == {"right"}, (before, after)


def test_a_check_leaves_everything_as_it_was(tmp_path):
    def unruly(x0, t, alphas_cumprod, *, noise=None, generator=None):
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = True
        torch.set_printoptions(precision=2)
        np.set_printoptions(precision=2)
        warnings.simplefilter("error")
        random.seed(1)
        np.random.seed(1)
        os.chdir(tmp_path)
        sys.stdout = sys.stderr = io.StringIO()
        return x0, x0

    def state():
        return (
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
            repr(torch.tensor([1 / 3])),
            repr(np.array([1 / 3])),
            warnings.filters[:],
            random.getstate(),
            np.random.get_state()[1].tolist(),
            Path.cwd(),
            sys.stdout,
            sys.stderr,
            torch.get_rng_state().tolist(),
        )

    before = state()
    known.cache_clear()
    assert judge(FORWARD, unruly).status == "wrong"
    assert state() == before
    verdict = judge(FORWARD, FORWARD.wrong(FORWARD.mistakes[0]))  # what it is compared with was not touched either
    assert verdict.mistake == FORWARD.mistakes[0].name, verdict.say


def test_a_function_that_is_given_up_does_not_wind_the_random_numbers_back_later():
    judge(FORWARD, sleeping, seconds=0.2)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    time.sleep(2)
    assert torch.equal(torch.rand(3), wanted)


def test_a_check_leaves_the_random_numbers_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    judge(EXERCISES["forward"], EXERCISES["forward"].kits_own())
    judge(EXERCISES["forward"], FORWARD.wrong(FORWARD.mistakes[0]))
    assert torch.equal(torch.rand(3), wanted)


def test_a_right_function_is_handed_back_and_a_wrong_one_is_not(capsys):
    exercise = EXERCISES["forward"]

    def mine(*args, **kwargs):
        return exercise.kits_own()(*args, **kwargs)

    assert check("forward", mine) is mine
    assert "✓" in capsys.readouterr().out
    assert check("forward", exercise.wrong(exercise.mistakes[0])) is exercise.kits_own()
    said = " ".join(capsys.readouterr().out.split())
    assert "✗" in said and exercise.mistakes[0].say[:40] in said


def test_an_image_shows_what_came_out_beside_what_was_wanted():
    verdict = judge(EXERCISES["forward"], FORWARD.wrong(FORWARD.mistakes[0]))
    assert verdict.image().alt == "3 images: your x_t, wanted, difference"
    assert judge(EXERCISES["forward"], lambda *args, **kwargs: None).image() is None


def test_a_small_difference_is_scaled_until_it_shows_and_the_worst_image_is_the_one_shown():
    verdict = judge(EXERCISES["estimate_x0"], lambda *args: EXERCISES["estimate_x0"].kits_own()(*args) + 0.015)
    assert verdict.image().alt.endswith("66 × difference")


def test_a_difference_in_one_place_is_told_with_its_place():
    b = torch.zeros(1, 3, 8, 8)
    a = b.index_fill(3, torch.tensor(5), 1e-4)
    assert difference(Measured("the spot", a), Measured("the spot", b)).startswith("the spot: 0.0001 at [0, 0, 0, 5]")
    assert difference(Measured("var", a), Measured("var", None)) == "var: a tensor of shape (1, 3, 8, 8); wanted None"


def test_two_numbers_that_differ_look_different():
    loss, wanted = Measured("the loss", 1.2701), Measured("the loss", 1.2719)
    assert difference(loss, wanted) == "the loss: 1.27; wanted 1.272"
    assert difference(Measured("weights", [0.5, 0.39991]), Measured("weights", [0.5, 0.40021])) == (
        "weights: [0.5, 0.3999]; wanted [0.5, 0.4002]"
    )


def test_what_was_measured_stays_as_it_was_when_the_function_changes_it_later():
    def ddpm_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        return x0_hat if s is None else x0_hat.mul_(0.5)  # the last step, which is checked first, is right

    verdict = judge(EXERCISES["ddpm_step"], ddpm_step)
    assert verdict.mistake == "in-place change of the input", verdict.say


def test_a_module_of_the_checks_offers_its_exercises_and_nothing_else():
    for file in Path(checks.__file__).parent.glob("*.py"):
        module = importlib.import_module(f"helpers.checks.{file.stem}") if file.stem != "__init__" else checks
        wanted = (
            ["EXERCISES", "check", "check_samples"]
            if module is checks
            else ["EXERCISES"] * hasattr(module, "EXERCISES")
        )
        assert module.__all__ == wanted, file.stem


def test_there_is_no_such_exercise():
    with pytest.raises(ValueError, match=r"no exercise 'backward'; wanted one of .*forward"):
        check("backward", print)


def test_every_exercise_says_what_to_write_and_where_to_look():
    for name, exercise in EXERCISES.items():
        assert exercise.task.endswith(".") and exercise.look, name
        assert '"' not in exercise.task, name  # it stands in a string in the stub
    assert checks.find_exercise("forward").section == "1.1"
    assert checks.find_exercise("fc_block").section == "B 2.1"
    assert replace(FORWARD, notebook="c1").section == "C 1"
