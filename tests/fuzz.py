"""The kit's public functions, called with arguments that are wrong at random. An error has to be one of the kit's own.

`make test` makes a few hundred calls, `make fuzz` 25,000. To see what becomes of them:

    python tests/fuzz.py 2000
"""

# ruff: noqa: E501

import functools
import inspect
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from student_mistakes import outcome
from torch.utils.data import TensorDataset
from toys import TinyIF, seeded, tiny

from helpers import show
from helpers.data import course_image, from_pixels, load_image, mnist, rectangle_mask
from helpers.denoisers import guided
from helpers.digits import (
    DigitDenoiser,
    FlowDigitDenoiser,
    sample_classes,
    sample_digits,
    sample_flow,
    sample_flow_classes,
)
from helpers.drawing import MaskPainter, SketchPad
from helpers.editing import inpaint, keep_known, sdedit
from helpers.flow import (
    dpm_solver_2m,
    euler_sample,
    euler_step,
    flow_target,
    from_flow,
    heun,
    interpolate,
    one_step_denoise,
    reflow_pairs,
    to_flow,
    velocity,
)
from helpers.if_denoisers import TextDenoiser
from helpers.illusions import anagram, blur, hybrid, inner_circle, permute_patches, rotate, turned
from helpers.metrics import frechet_distance
from helpers.recipes import Recipe
from helpers.sampling import ddim_step, ddpm_step, denoise, dynamic_threshold, estimate_x0, final, forward, sample
from helpers.schedule import NoiseSchedule, flow_timesteps, strided_timesteps
from helpers.tasks import ClassConditional, FlowClass, FlowTime, OneStep, TimeConditional, add_noise
from helpers.training import train, training_step
from helpers.unet import ClassConditionalUNet, TimeConditionalUNet, TimeScaledUNet, UnconditionalUNet, one_hot

TOY = tiny(TinyIF())  # the kit's TextDenoiser, around a network of one line
ABAR = TOY.schedule.alphas_cumprod
X = torch.rand(2, 3, 8, 8, generator=seeded(0)) * 2 - 1
Z = torch.randn(2, 3, 8, 8, generator=seeded(1))
COND = torch.randn(1, 5, 4, generator=seeded(2))
MASK = (torch.arange(8) > 3).float().expand(8, 8)
DIGITS, LABELS = torch.rand(2, 1, 28, 28, generator=seeded(3)), torch.tensor([3, 1])
T01, C = torch.rand(2, 1, generator=seeded(4)), one_hot([3, 1])
LINEAR, FLOW = NoiseSchedule.linear(3), NoiseSchedule.flow(3)
PLAIN, TIME, CLASSES = UnconditionalUNet(1), TimeConditionalUNet(1), ClassConditionalUNet(1)
SCALED = TimeScaledUNet(1)
DATA = TensorDataset(DIGITS, LABELS)
SMALL = Recipe(TimeConditional(3), hidden=1, epochs=1, batch_size=2, lr=1e-3)

# each public function, and arguments that are right
CALLS: list[tuple[Callable, dict]] = [
    (sample, {"denoiser": TOY, "cond": COND, "timesteps": [9, 5, 0], "batch_size": 2, "generator": seeded()}),
    (sample, {"denoiser": TOY, "cond": COND, "timesteps": [9, 0], "step": ddim_step, "threshold": dynamic_threshold}),
    (denoise, {"denoiser": TOY, "x_t": Z, "timesteps": [9, 5, 0], "cond": COND, "generator": seeded()}),
    (guided(TOY, 7.0), {"x_t": Z, "t": 500, "cond": COND}),
    (anagram(TOY, ["identity", "flip"]), {"x_t": Z, "t": 500, "cond": (COND, COND)}),
    (hybrid(TOY, 5), {"x_t": Z, "t": 500, "cond": (COND, COND)}),
    (guided, {"denoiser": TOY, "gamma": 7.0, "interval": (100, 900)}),
    (anagram, {"denoiser": TOY, "views": ["identity", "flip"]}),
    (hybrid, {"denoiser": TOY, "kernel_size": 5, "sigma": 2.0}),
    (sdedit, {"denoiser": TOY, "x_orig": X, "cond": COND, "timesteps": [9, 5, 0], "i_start": 1}),
    (inpaint, {"denoiser": TOY, "x_orig": X, "mask": MASK, "cond": COND, "timesteps": [9, 0], "generator": seeded()}),
    (keep_known, {"x_s": Z, "s": 5, "x_orig": X, "mask": MASK, "alphas_cumprod": ABAR, "generator": seeded()}),
    (forward, {"x0": X, "t": 500, "alphas_cumprod": ABAR, "noise": Z, "generator": seeded()}),
    (estimate_x0, {"x_t": Z, "t": 500, "eps": Z, "alphas_cumprod": ABAR}),
    (ddpm_step, {"x_t": Z, "x0_hat": X, "t": 9, "s": 5, "schedule": TOY.schedule, "var": Z, "generator": seeded()}),
    (ddim_step, {"x_t": Z, "x0_hat": X, "t": 9, "s": 5, "schedule": TOY.schedule}),
    (dynamic_threshold, {"x0_hat": 3 * X, "ratio": 0.9, "maximum": 1.5}),
    (interpolate, {"x0": X, "u": 0.3, "noise": Z, "generator": seeded()}),
    (flow_target, {"x0": X, "eps": Z}),
    (to_flow, {"x_t": Z, "t": 500, "schedule": TOY.schedule}),
    (from_flow, {"z": Z, "t": 500, "schedule": TOY.schedule}),
    (velocity, {"x_t": Z, "x0_hat": X, "t": 500, "schedule": TOY.schedule}),
    (euler_step, {"x_t": Z, "x0_hat": X, "t": 9, "s": 5, "schedule": TOY.schedule, "var": Z, "generator": seeded()}),
    (dpm_solver_2m(), {"x_t": Z, "x0_hat": X, "t": 9, "s": 5, "schedule": TOY.schedule}),
    (heun, {"denoiser": TOY, "cond": COND, "threshold": dynamic_threshold}),
    (heun(TOY, COND), {"x_t": Z, "x0_hat": X, "t": 9, "s": 5, "schedule": TOY.schedule}),
    (euler_sample, {"velocity": lambda z, u: -z, "z": Z, "u_start": 0.5, "h": 0.25}),
    (one_step_denoise, {"z": Z, "v": X, "u": 0.3}),
    (reflow_pairs, {"velocity": lambda z, u: -z, "shape": (2, 3, 8, 8), "h": 0.5, "generator": seeded()}),
    (strided_timesteps, {"steps": 34, "T": 1000}),
    (flow_timesteps, {"schedule": TOY.schedule, "steps": 10, "start": 900}),
    (NoiseSchedule.flow, {"T": 10}),
    (NoiseSchedule, {"betas": LINEAR.betas}),
    (NoiseSchedule.linear, {"T": 10, "beta_start": 1e-4, "beta_end": 0.02}),
    (NoiseSchedule.cosine, {"T": 10}),
    (blur, {"x": X, "kernel_size": 5, "sigma": 2.0}),
    (rotate, {"quarter_turns": 1}),
    (permute_patches, {"patches": 4, "seed": 0}),
    (inner_circle, {"quarter_turns": 1, "radius": 0.7}),
    (turned, {"x": X, "view": "flip", "share": 0.5}),
    (one_hot, {"labels": LABELS}),
    (UnconditionalUNet, {"hidden": 1}),
    (PLAIN, {"x": DIGITS}),
    (TIME, {"x": DIGITS, "t01": T01}),
    (CLASSES, {"x": DIGITS, "t01": T01, "c": C}),
    (SCALED, {"z": DIGITS, "u01": T01}),
    (FlowDigitDenoiser, {"unet": SCALED, "schedule": FLOW}),
    (FlowDigitDenoiser(CLASSES, FLOW), {"x_t": DIGITS, "t": 2, "cond": C}),
    (sample_flow, {"network": SCALED, "count": 2, "steps": 2, "generator": seeded()}),
    (sample_flow_classes, {"network": CLASSES, "c": C, "gamma": 5.0, "steps": 2, "generator": seeded()}),
    (FlowTime().examples, {"x0": DIGITS, "labels": LABELS, "generator": seeded()}),
    (FlowClass, {"p_uncond": 0.1}),
    (FlowClass().examples, {"x0": DIGITS, "labels": LABELS, "generator": seeded()}),
    (DigitDenoiser, {"unet": TIME, "schedule": LINEAR}),
    (DigitDenoiser(TIME, LINEAR), {"x_t": DIGITS, "t": 2, "cond": ()}),
    (DigitDenoiser(CLASSES, LINEAR), {"x_t": DIGITS, "t": 2, "cond": C}),
    (sample_digits, {"network": TIME, "schedule": LINEAR, "count": 2, "generator": seeded()}),
    (sample_classes, {"network": CLASSES, "schedule": LINEAR, "c": C, "gamma": 5.0, "generator": seeded()}),
    (add_noise, {"x0": DIGITS, "sigma": 0.5, "noise": DIGITS, "generator": seeded()}),
    (OneStep, {"sigma": 0.5}),
    (TimeConditional, {"T": 3, "emphasis": 0.5}),
    (ClassConditional, {"T": 3, "p_uncond": 0.1}),
    (ClassConditional(3).examples, {"x0": DIGITS, "labels": LABELS, "generator": seeded()}),
    (Recipe, {"task": OneStep(), "hidden": 1, "epochs": 1, "batch_size": 2, "lr": 1e-3, "decay": 0.5}),
    (train, {"network": TIME, "recipe": SMALL, "data": DATA, "seed": 0, "save_every": 180.0, "learn": training_step}),
    (training_step, {"network": PLAIN, "optimizer": torch.optim.Adam(PLAIN.parameters()), "inputs": (DIGITS,), "target": DIGITS}),
    (frechet_distance, {"features": torch.rand(9, 2), "others": torch.rand(9, 2)}),
    (course_image, {"name": "cat", "size": 16}),
    (load_image, {"source": b"", "size": 16}),
    (from_pixels, {"pixels": torch.zeros(4, 4, 3, dtype=torch.uint8)}),
    (rectangle_mask, {"top": 1, "left": 1, "bottom": 3, "right": 4, "size": 16}),
    (mnist, {"train": False, "folder": "nosuch"}),
    (final, {"steps": list(sample(TOY, COND, timesteps=[9, 0]))}),
    (show.grid, {"images": [list(X)], "titles": ["a", "b"], "rows": ["c"], "cell": 16, "low": -1.0, "high": 1.0}),
    (show.grid, {"images": list(X), "titles": ["a", "b"], "columns": 2, "cell": 16}),
    (show.curves, {"x": [1, 2], "ys": {"a": [1, 2]}, "xlabel": "t", "marks": [1.5]}),
    (show.loss_curve, {"losses": [2.0, 1.0], "steps": 1}),
    (show.animate, {"frames": list(X), "alt": "noise", "fps": 8, "width": 16}),
    (SketchPad, {"start": X[:1], "size": 16}),
    (MaskPainter, {"image": X[:1], "mask": MASK}),
]  # fmt: skip

# What gets into a student's call: numbers as text, seeds, lists, arrays, other shapes, ranges and precisions, what was
# forgotten or not called, and one argument in another's place.
WRONG = [
    None, True, False, 0, -1, 1, 2, 3, 1000, 0.5, -0.5, 300.0, 1e30, float("nan"), float("inf"), 1j,
    "", "5", "0.5", "flip", "a photo of a cat", b"bytes", (), [], {}, [1], (1, 2), [0.5, "a"], {"a": 1}, {1, 2}, [[1], [2, 3]],
    range(9), slice(2), object(), torch.Generator, seeded(), torch.manual_seed, len, lambda x: x, lambda *a, **b: None,
    np.float64(0.5), np.int64(3), np.zeros((2, 3, 8, 8)), np.array(["a"]), Path("nosuch"), torch.float32, torch.device("cpu"),
    torch.tensor(5), torch.tensor(0.5), torch.tensor([5, 3]), torch.tensor([5, 3], dtype=torch.uint8), torch.tensor([True, False]),
    torch.zeros(0), torch.zeros(()), torch.zeros(2, 3), torch.zeros(1, 1), torch.zeros(2, 3, 16), torch.zeros(2, 1, 8, 8),
    torch.zeros(0, 3, 8, 8), torch.zeros(2, 3, 16, 16), torch.zeros(2, 6, 8, 8), torch.zeros(1, 2, 3, 16, 16), X[0], X[:1],
    X.half(), X.double(), X.bfloat16(), X.byte(), X * torch.nan, X * torch.inf, 255 * (X + 1), X + 0j,
    X.clone().requires_grad_(), X.permute(0, 2, 3, 1), ABAR, TOY.schedule.betas, TOY.schedule, LINEAR, TOY, TextDenoiser, PLAIN, TIME,
    CLASSES, TimeConditionalUNet, DIGITS, LABELS, C, DATA, SMALL, COND, MASK, MASK / 2, MASK.bool(), [X, X], (X, X), iter([X]),
]  # fmt: skip


# functions that the caller passes: an error inside one of them is the caller's own
FUNCTIONS = {"step", "threshold", "velocity", "learn"}


def wrong_calls(count: int, seed: int = 0) -> Iterator[tuple[str, Callable]]:
    """So many calls with one or two arguments that are exchanged, or anything."""
    chance = random.Random(seed)
    for i in range(count):
        function, right = CALLS[i % len(CALLS)]
        given = dict(right)
        for name in chance.sample(list(given), min(len(given), chance.choice((1, 1, 2)))):
            value = chance.choice([*WRONG, *right.values()])
            if not (name in FUNCTIONS and callable(value)):
                given[name] = value
        shown = ", ".join(f"{name}={brief(value)}" for name, value in given.items() if value is not right[name])
        yield f"{getattr(function, '__name__', type(function).__name__)}({shown})", functools.partial(function, **given)


def brief(value) -> str:
    if isinstance(value, torch.Tensor):
        return f"<{value.dtype} {tuple(value.shape)}>"
    return value.__name__ if inspect.isroutine(value) or isinstance(value, type) else repr(value)[:40]


def main() -> None:
    counts = Counter()
    for name, call in wrong_calls(int(sys.argv[1])):
        what, words = outcome(call)
        counts[what] += 1
        if what == "raw":
            print(f"{name}: {words[:160]!r}")
    print(", ".join(f"{count} {what}" for what, count in counts.most_common()))


if __name__ == "__main__":
    main()
