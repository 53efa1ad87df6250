"""Mistakes that students make when they call the kit, each with a piece of the sentence that should answer it.

`outcome` says what became of a call: an answer without an error ("silent"), a sentence of the kit's own, or an error
from PyTorch or Python that came through ("raw"). test_bad_input.py runs the whole list; to see it as a table:

    python tests/student_mistakes.py
"""

# ruff: noqa: E501 (one mistake, one line)

import ast
import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import numpy as np
import torch
from torch.utils.data import TensorDataset

import helpers
from helpers import show
from helpers.data import course_image, from_pixels, load_image, mnist, rectangle_mask
from helpers.denoisers import guided
from helpers.digits import DigitDenoiser, sample_classes, sample_digits
from helpers.drawing import MaskPainter, SketchPad
from helpers.editing import inpaint, keep_known, sdedit
from helpers.if_denoisers import TextDenoiser
from helpers.illusions import anagram, blur, hybrid, inner_circle, permute_patches, rotate, turned, views
from helpers.metrics import digit_quality, frechet_distance, real_quality
from helpers.models import load_model
from helpers.recipes import Recipe, time_conditional
from helpers.results import load_result, load_unet
from helpers.sampling import (
    ddim_step,
    ddpm_step,
    denoise,
    dynamic_threshold,
    estimate_x0,
    final,
    forward,
    renoise,
    sample,
)
from helpers.schedule import NoiseSchedule, strided_timesteps
from helpers.tasks import ClassConditional, OneStep, TimeConditional, add_noise
from helpers.training import loss_history, train, training_step
from helpers.unet import ClassConditionalUNet, TimeConditionalUNet, UnconditionalUNet, one_hot
from helpers.widgets import play, watch

HELPERS = Path(helpers.__file__).parent


@functools.cache
def kit() -> SimpleNamespace:
    """What a student has at hand: the small model, images, noise, digits, networks."""
    model = load_model("mini-if")
    seeded = torch.Generator().manual_seed(0)
    digits, labels = torch.rand(4, 1, 28, 28, generator=seeded), torch.tensor([3, 1, 4, 1])
    time, classes = TimeConditionalUNet(4), ClassConditionalUNet(4)
    return SimpleNamespace(
        model=model,
        f=model.stage_1,
        x=torch.rand(2, 3, 64, 64, generator=seeded) * 2 - 1,  # clean images
        z=torch.randn(2, 3, 64, 64, generator=seeded),  # noise
        c=model.embed("a photo of a panda"),  # a condition
        schedule=model.stage_1.schedule,
        abar=model.stage_1.schedule.alphas_cumprod,
        ts=[990, 500, 0],
        mask=(torch.arange(64) > 31).float().expand(64, 64),
        digits=digits,
        labels=labels,
        data=TensorDataset(digits, labels),
        plain=UnconditionalUNet(4),
        time=time,
        classes=classes,
        linear=NoiseSchedule.linear(20),
        f_time=DigitDenoiser(time, NoiseSchedule.linear(300)),
        f_classes=DigitDenoiser(classes, NoiseSchedule.linear(300)),
        adam=torch.optim.Adam(time.parameters()),
        nan=torch.full((2, 3, 64, 64), torch.nan),
        graphic=show.grid([torch.zeros(3, 8, 8)]),
        step=next(sample(model.stage_1, model.embed(""), timesteps=[990, 0])),
        small=Recipe(TimeConditional(20), hidden=4, epochs=1, batch_size=2, lr=1e-3),
    )


def started(call: Callable) -> object:
    """What a call gives. Of a generator the first two values: some mistakes show only in its first steps."""
    result = call()
    if isinstance(result, Iterator):
        next(result, None)
        next(result, None)
    return result


@functools.cache
def raising_lines(file: str) -> set[int]:
    """The lines of a file that belong to a raise statement."""
    nodes = ast.walk(ast.parse(Path(file).read_text(encoding="utf-8")))
    return {
        line for node in nodes if isinstance(node, ast.Raise) for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }


def is_sentence(error: BaseException) -> bool:
    """Whether an error was raised by a raise statement of the kit's, with words in it."""
    traceback = error.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    file = traceback.tb_frame.f_code.co_filename
    ours = Path(file).is_relative_to(HELPERS) and traceback.tb_lineno in raising_lines(file)
    return ours and isinstance(error, (ValueError, TypeError, RuntimeError)) and len(str(error).split()) > 3


def outcome(call: Callable) -> tuple[str, str]:
    """ "silent", "sentence" or "raw", and the error's words."""
    try:
        result = started(call)
    except Exception as error:
        return ("sentence" if is_sentence(error) else "raw"), f"{type(error).__name__}: {error}"
    return "silent", type(result).__name__


# The kit k -> a call, and what its error should say.
# fmt: off
SAMPLING = {
    "a number as the generator": (lambda k: sample(k.f, k.c, timesteps=k.ts, generator=42), r"generator is 42; wanted a torch\.Generator"),
    "a device as the generator": (lambda k: sample(k.f, k.c, timesteps=k.ts, generator="cpu"), r"generator is 'cpu'; wanted a torch\.Generator"),
    "manual_seed itself as the generator": (lambda k: sample(k.f, k.c, timesteps=k.ts, generator=torch.manual_seed), r"generator is the function manual_seed; wanted a torch\.Generator"),
    "the model for its stage": (lambda k: sample(k.model, k.c, timesteps=k.ts), r"denoiser is a TextToImage; wanted .*stage_1"),
    "the network for the denoiser": (lambda k: sample(k.f.unet, k.c, timesteps=k.ts), r"denoiser is a PatchUNet, a network; wanted a Denoiser"),
    "a digit network for the denoiser": (lambda k: sample(k.time, (), timesteps=k.ts), r"denoiser is a TimeConditionalUNet, a network; wanted .*DigitDenoiser"),
    "condition and denoiser exchanged": (lambda k: sample(k.c, k.f, timesteps=k.ts), r"denoiser is a tensor .*; wanted a Denoiser"),
    "no denoiser": (lambda k: sample(None, k.c, timesteps=k.ts), r"denoiser is None; wanted a Denoiser"),
    "a class for a denoiser": (lambda k: sample(TextDenoiser, k.c, timesteps=k.ts), r"denoiser is the class TextDenoiser; wanted a Denoiser"),
    "a prompt for its embedding": (lambda k: sample(k.f, "a photo of a panda", timesteps=k.ts), r"the condition is a str; wanted text states .*embed"),
    "no condition": (lambda k: sample(k.f, None, timesteps=k.ts), r"the condition is a NoneType; wanted text states"),
    "a list of conditions": (lambda k: sample(k.f, [k.c], timesteps=k.ts), r"the condition is a list; wanted text states"),
    "three conditions for two images": (lambda k: sample(k.f, k.c.expand(3, -1, -1), timesteps=k.ts, batch_size=2), r"the condition is for 3 .*wanted 1 or 2"),
    "a condition without a batch": (lambda k: sample(k.f, k.c[0], timesteps=k.ts), r"the condition has shape \(77, 384\)"),
    "another model's condition": (lambda k: sample(k.f, k.c[..., :300], timesteps=k.ts), r"the condition has shape \(1, 77, 300\)"),
    "token numbers for the condition": (lambda k: sample(k.f, torch.ones(1, 77, dtype=torch.long), timesteps=k.ts), r"the condition has shape \(1, 77\)"),
    "integers for the condition": (lambda k: sample(k.f, torch.ones(1, 77, 384, dtype=torch.long), timesteps=k.ts), r"the condition has dtype torch\.int64; wanted"),
    "NaN in the condition": (lambda k: sample(k.f, k.c * torch.nan, timesteps=k.ts), r"NaN or infinite; wanted finite"),
    "a count for timesteps": (lambda k: sample(k.f, k.c, timesteps=34), r"timesteps is 34; wanted a list"),
    "text for timesteps": (lambda k: sample(k.f, k.c, timesteps="34"), r"timesteps? is '34?'; wanted"),
    "no timesteps": (lambda k: sample(k.f, k.c, timesteps=None), r"timesteps is None; wanted a list"),
    "rising timesteps": (lambda k: sample(k.f, k.c, timesteps=range(0, 991, 30)), r"wanted strictly decreasing"),
    "float timesteps": (lambda k: sample(k.f, k.c, timesteps=np.linspace(990, 0, 34)), r"a timestep is 990\.0; wanted an integer"),
    "timesteps from T": (lambda k: sample(k.f, k.c, timesteps=range(1000, -1, -50)), r"a timestep is 1000; wanted 0 to 999"),
    "the schedule for timesteps": (lambda k: sample(k.f, k.c, timesteps=k.schedule), r"timesteps is a NoiseSchedule; wanted a list"),
    "strided_timesteps not called": (lambda k: sample(k.f, k.c, timesteps=strided_timesteps), r"timesteps is .*; wanted a list"),
    "timesteps in a list": (lambda k: sample(k.f, k.c, timesteps=[k.ts]), r"a timestep is \[990, 500, 0\]; wanted an integer"),
    "timesteps with two axes": (lambda k: sample(k.f, k.c, timesteps=torch.tensor([k.ts])), r"a timestep is \[990, 500, 0\]; wanted an integer"),
    "batch size as a float": (lambda k: sample(k.f, k.c, timesteps=k.ts, batch_size=2.0), r"batch_size is 2\.0; wanted an integer"),
    "batch size as text": (lambda k: sample(k.f, k.c, timesteps=k.ts, batch_size="4"), r"batch_size is '4'; wanted an integer"),
    "a negative batch size": (lambda k: sample(k.f, k.c, timesteps=k.ts, batch_size=-1), r"batch_size is -1; wanted at least 1"),
    "a step's name": (lambda k: sample(k.f, k.c, timesteps=k.ts, step="ddim"), r"step is 'ddim'; wanted a function, such as ddim_step"),
    "a step's result": (lambda k: sample(k.f, k.c, timesteps=k.ts, step=k.x), r"step is a tensor .*; wanted a function"),
    "no step": (lambda k: sample(k.f, k.c, timesteps=k.ts, step=None), r"step is None; wanted a function"),
    "threshold=True": (lambda k: sample(k.f, k.c, timesteps=k.ts, threshold=True), r"threshold is True; wanted a function, such as dynamic_threshold"),
    "a ratio for threshold": (lambda k: sample(k.f, k.c, timesteps=k.ts, threshold=0.95), r"threshold is 0\.95; wanted a function"),
    "a threshold's name": (lambda k: sample(k.f, k.c, timesteps=k.ts, threshold="dynamic"), r"threshold is 'dynamic'; wanted a function"),
    "a threshold's result": (lambda k: sample(k.f, k.c, timesteps=k.ts, threshold=dynamic_threshold(k.x)), r"threshold is a tensor .*; wanted a function"),
    "a mask for constrain": (lambda k: denoise(k.f, k.z, k.ts, k.c, constrain=k.mask), r"constrain is a tensor .*; wanted a function"),
    "a threshold that forgets to return": (lambda k: sample(k.f, k.c, timesteps=k.ts, threshold=lambda x0_hat: None), r"x0_hat is a NoneType; wanted a torch\.Tensor"),
    "a threshold that returns its bound": (lambda k: sample(k.f, k.c, timesteps=k.ts, threshold=lambda x0_hat: x0_hat.abs().amax()), r"x0_hat has shape \(\); wanted x_t's"),
    "a threshold that returns a pair": (lambda k: sample(k.f, k.c, timesteps=k.ts, threshold=lambda x0_hat: (x0_hat, 1)), r"x0_hat is a tuple; wanted a torch\.Tensor"),
    "a step that forgets to return": (lambda k: sample(k.f, k.c, timesteps=k.ts, step=lambda *a, **b: None), r"x_s, from step, is a NoneType; wanted a torch\.Tensor"),
    "a step that returns a pair": (lambda k: sample(k.f, k.c, timesteps=k.ts, step=lambda x_t, x0_hat, *a, **b: (x_t, x0_hat)), r"x_s, from step, is a tuple; wanted a torch\.Tensor"),
    "a step that returns one channel": (lambda k: sample(k.f, k.c, timesteps=k.ts, step=lambda x_t, *a, **b: x_t[:, :1]), r"x_s, from step, has shape \(1, 1, 64, 64\); wanted x_t's"),
    "a constraint that forgets to return": (lambda k: denoise(k.f, k.z, k.ts, k.c, constrain=lambda x_s, s: None), r"x_s, from constrain, is a NoneType; wanted"),
    "resample = 0": (lambda k: denoise(k.f, k.z, k.ts, k.c, resample=0), r"resample is 0; wanted at least 1"),
    "resample=True": (lambda k: denoise(k.f, k.z, k.ts, k.c, resample=True), r"resample is True; wanted an integer"),
    "half precision": (lambda k: denoise(k.f, k.z.half(), k.ts, k.c), r"x_t has dtype torch\.float16; wanted torch\.float32"),
    "double precision": (lambda k: denoise(k.f, k.z.double(), k.ts, k.c), r"x_t has dtype torch\.float64; wanted torch\.float32"),
    "no batch": (lambda k: denoise(k.f, k.z[0], k.ts, k.c), r"x_t has shape \(3, 64, 64\); wanted \(B, C, H, W\).*x_t\[None\]"),
    "one channel": (lambda k: denoise(k.f, k.z[:, :1], k.ts, k.c), r"x_t has shape \(2, 1, 64, 64\); this model wants"),
    "an array": (lambda k: denoise(k.f, k.z.numpy(), k.ts, k.c), r"x_t is a ndarray; wanted a torch\.Tensor"),
    "a shape for noise": (lambda k: denoise(k.f, (1, 3, 64, 64), k.ts, k.c), r"x_t is a tuple; wanted a torch\.Tensor"),
    "final of an image": (lambda k: final(k.x), r"steps is a tensor .*; wanted .*sample"),
    "final of one step": (lambda k: final(k.step), r"steps is a Step; wanted .*sample"),
    "final of the denoiser": (lambda k: final(k.f), r"steps is a TextDenoiser; wanted .*sample"),
    "final of nothing": (lambda k: final(None), r"steps is None; wanted .*sample"),
    "final of sample itself": (lambda k: final(sample), r"steps is .*; wanted .*sample"),
    "final of images": (lambda k: final([k.x, k.x]), r"a step is a tensor .*; wanted .*sample"),
    "final a second time": (lambda k: final(iter([])), r"no steps were given"),
    "final of a training": (lambda k: final(train(TimeConditionalUNet(4), k.small, k.data)), r"a step is a Progress; wanted .*sample"),
}

DENOISERS = {
    "t = 1000": (lambda k: k.f(k.z, 1000, k.c), r"t is 1000; wanted 0 to 999"),
    "t = -1": (lambda k: k.f(k.z, -1, k.c), r"t is -1; wanted 0 to 999"),
    "t = 500.0": (lambda k: k.f(k.z, 500.0, k.c), r"t is 500\.0; wanted an integer"),
    "t in [0, 1]": (lambda k: k.f(k.z, 0.5, k.c), r"t is 0\.5; wanted an integer"),
    "t as text": (lambda k: k.f(k.z, "500", k.c), r"t is '500'; wanted an integer"),
    "no t": (lambda k: k.f(k.z, None, k.c), r"t is None; wanted an integer"),
    "t for each image": (lambda k: k.f(k.z, torch.tensor([500, 400]), k.c), r"t is tensor\(\[500, 400\]\); wanted an integer"),
    "no batch": (lambda k: k.f(k.z[0], 500, k.c), r"x_t has shape \(3, 64, 64\); this model wants \(B, 3, 64, 64\).*x_t\[None\]"),
    "one channel": (lambda k: k.f(k.z[:, :1], 500, k.c), r"x_t has shape \(2, 1, 64, 64\); this model wants"),
    "32 pixels": (lambda k: k.f(k.z[..., :32, :32], 500, k.c), r"x_t has shape \(2, 3, 32, 32\); this model wants"),
    "half": (lambda k: k.f(k.z.half(), 500, k.c), r"x_t has dtype torch\.float16; wanted torch\.float32"),
    "double": (lambda k: k.f(k.z.double(), 500, k.c), r"x_t has dtype torch\.float64; wanted torch\.float32"),
    "bytes": (lambda k: k.f(k.z.byte(), 500, k.c), r"x_t has dtype torch\.uint8; wanted torch\.float32"),
    "an array": (lambda k: k.f(k.z.numpy(), 500, k.c), r"x_t is a ndarray; wanted a torch\.Tensor"),
    "no image": (lambda k: k.f(None, 500, k.c), r"x_t is a NoneType; wanted a torch\.Tensor"),
    "t and x_t exchanged": (lambda k: k.f(500, k.z, k.c), r"x_t is an int; wanted a torch\.Tensor"),
    "t and the condition exchanged": (lambda k: k.f(k.z, k.c, 500), r"t is a tensor .*; wanted an integer"),
    "integers for text": (lambda k: k.f(k.z, 500, k.c.long()), r"the condition has dtype torch\.int64"),
    "guided: t = 1000": (lambda k: guided(k.f, 7)(k.z, 1000, k.c), r"t is 1000; wanted 0 to 999"),
    "guided: t = -1": (lambda k: guided(k.f, 7)(k.z, -1, k.c), r"t is -1; wanted 0 to 999"),
    "guided: 32 pixels": (lambda k: guided(k.f, 7)(k.z[..., :32, :32], 500, k.c), r"x_t has shape \(2, 3, 32, 32\); this model wants"),
    "guided: no batch": (lambda k: guided(k.f, 7)(k.z[0], 500, k.c), r"x_t has shape \(3, 64, 64\); this model wants .*x_t\[None\]"),
    "guided: an array": (lambda k: guided(k.f, 7)(k.z.numpy(), 500, k.c), r"x_t is a ndarray; wanted a torch\.Tensor"),
    "guided: the model": (lambda k: guided(k.model, 7), r"denoiser is a TextToImage; wanted .*stage_1"),
    "guided: the network": (lambda k: guided(k.f.unet, 7), r"denoiser is a PatchUNet, a network; wanted a Denoiser"),
    "guided: exchanged": (lambda k: guided(7, k.f), r"denoiser is 7; wanted a Denoiser"),
    "guided: gamma as text": (lambda k: guided(k.f, "7"), r"gamma is '7'; wanted a number"),
    "guided: gamma = True": (lambda k: guided(k.f, True), r"gamma is True; wanted a number"),
    "guided: two gammas": (lambda k: guided(k.f, torch.tensor([1.0, 7.0])), r"gamma is tensor\(\[1\., 7\.\]\); wanted a number"),
    "guided: gamma in a list": (lambda k: guided(k.f, [7]), r"gamma is \[7\]; wanted a number"),
    "digits: t = T": (lambda k: k.f_time(k.digits, 300, ()), r"t is 300; wanted 0 to 299"),
    "digits: t = 299.5": (lambda k: k.f_time(k.digits, 299.5, ()), r"t is 299\.5; wanted an integer"),
    "digits: t = -1": (lambda k: k.f_time(k.digits, -1, ()), r"t is -1; wanted 0 to 299"),
    "digits: no batch": (lambda k: k.f_time(k.digits[0], 5, ()), r"x_t has shape \(1, 28, 28\); this model wants"),
    "digits: three channels": (lambda k: k.f_time(k.digits.expand(-1, 3, -1, -1), 5, ()), r"x_t has shape \(4, 3, 28, 28\); this model wants"),
    "digits: double": (lambda k: k.f_time(k.digits.double(), 5, ()), r"x_t has dtype torch\.float64; wanted torch\.float32"),
    "digits: labels for classes": (lambda k: k.f_classes(k.digits, 5, k.labels), r"wanted \(\) or one-hot classes"),
    "digits: no classes": (lambda k: k.f_classes(k.digits, 5, ()), r"ClassConditionalUNet takes \(x, t01, c\); it is given 2 arguments"),
    "digits: classes for a network without": (lambda k: k.f_time(k.digits, 5, one_hot(k.labels)), r"TimeConditionalUNet takes \(x, t01\); it is given 3 arguments"),
    "digits: a network without time": (lambda k: DigitDenoiser(k.plain, k.linear)(k.digits, 5, ()), r"UnconditionalUNet takes \(x\); it is given 2 arguments"),
    "digits: T for the schedule": (lambda k: DigitDenoiser(k.time, 300), r"schedule is 300; wanted a NoiseSchedule"),
    "digits: exchanged": (lambda k: DigitDenoiser(k.linear, k.time), r"unet is a NoiseSchedule; wanted a network"),
    "sample_digits: T for the schedule": (lambda k: sample_digits(k.time, 20, 4), r"schedule is 20; wanted a NoiseSchedule"),
    "sample_digits: no digits": (lambda k: sample_digits(k.time, k.linear, 0), r"batch_size is 0; wanted at least 1"),
    "sample_digits: count as text": (lambda k: sample_digits(k.time, k.linear, "4"), r"'4'; wanted an integer"),
    "sample_digits: a function": (lambda k: sample_digits(lambda x, t01: x, k.linear, 4), r"unet is the function <lambda>; wanted a network"),
    "sample_digits: a seed": (lambda k: sample_digits(k.time, k.linear, 4, generator=0), r"generator is 0; wanted a torch\.Generator"),
    "sample_digits: a network with classes": (lambda k: sample_digits(k.classes, k.linear, 4), r"takes \(x, t01, c\); it is given 2"),
    "sample_classes: labels": (lambda k: sample_classes(k.classes, k.linear, k.labels, 5.0), r"wanted \(\) or one-hot classes"),
    "sample_classes: a digit": (lambda k: sample_classes(k.classes, k.linear, 3, 5.0), r"c is 3; wanted one-hot classes"),
    "sample_classes: a list": (lambda k: sample_classes(k.classes, k.linear, [3, 1], 5.0), r"c is \[3, 1\]; wanted one-hot classes"),
    "sample_classes: gamma as text": (lambda k: sample_classes(k.classes, k.linear, one_hot(k.labels), "5"), r"gamma is '5'; wanted a number"),
    "sample_classes: a network without classes": (lambda k: sample_classes(k.time, k.linear, one_hot(k.labels), 5.0), r"takes \(x, t01\); it is given 3"),
}

FORMULAS = {
    "forward: t = T": (lambda k: forward(k.x, 1000, k.abar), r"t is 1000; wanted 0 to 999"),
    "forward: t as a float": (lambda k: forward(k.x, 250.0, k.abar), r"t is 250\.0; wanted an integer"),
    "forward: t as text": (lambda k: forward(k.x, "250", k.abar), r"t is '250'; wanted an integer"),
    "forward: a list of t": (lambda k: forward(k.x, [250, 500], k.abar), r"t is \[250, 500\]; wanted an integer"),
    "forward: three t for two images": (lambda k: forward(k.x, torch.tensor([1, 2, 3]), k.abar), r"t has 3 timesteps for 2"),
    "forward: t as a column": (lambda k: forward(k.x, torch.tensor([[1], [2]]), k.abar), r"t has dtype torch\.int64 and shape \(2, 1\)"),
    "forward: bytes": (lambda k: forward((k.x * 255).byte(), 250, k.abar), r"x0 has dtype torch\.uint8; wanted floating point"),
    "forward: 0 to 255": (lambda k: forward((k.x + 1) * 127.5, 250, k.abar), r"x0 has values from .*; wanted \[-1, 1\]"),
    "forward: an array": (lambda k: forward(k.x.numpy(), 250, k.abar), r"x0 is a ndarray; wanted a torch\.Tensor"),
    "forward: no batch": (lambda k: forward(k.x[0], 250, k.abar), r"x0 has shape \(3, 64, 64\); wanted"),
    "forward: the schedule": (lambda k: forward(k.x, 250, k.schedule), r"alphas_cumprod is a NoiseSchedule; wanted a torch\.Tensor"),
    "forward: betas": (lambda k: forward(k.x, 250, k.schedule.betas), r"alphas_cumprod .* wanted .*schedule\.alphas_cumprod"),
    "forward: a list of abar": (lambda k: forward(k.x, 250, k.abar.tolist()), r"alphas_cumprod is a list; wanted a torch\.Tensor"),
    "forward: abar_t": (lambda k: forward(k.x, 250, k.abar[250]), r"alphas_cumprod has shape \(\); wanted \(T,\)"),
    "forward: abar as a column": (lambda k: forward(k.x, 250, k.abar[:, None]), r"alphas_cumprod has shape \(1000, 1\); wanted \(T,\)"),
    "forward: t and abar exchanged": (lambda k: forward(k.x, k.abar, 250), r"alphas_cumprod is an int; wanted a torch\.Tensor"),
    "forward: a seed": (lambda k: forward(k.x, 250, k.abar, generator=0), r"generator is 0; wanted a torch\.Generator"),
    "forward: noise=True": (lambda k: forward(k.x, 250, k.abar, noise=True), r"noise is a bool; wanted a torch\.Tensor"),
    "forward: one noise for two images": (lambda k: forward(k.x, 250, k.abar, noise=k.z[:1]), r"noise has shape \(1, 3, 64, 64\); wanted x0's shape"),
    "forward: noise in double": (lambda k: forward(k.x, 250, k.abar, noise=k.z.double()), r"noise has dtype torch\.float64; wanted x0's dtype"),
    "estimate: t = T": (lambda k: estimate_x0(k.z, 1000, k.z, k.abar), r"t is 1000; wanted 0 to 999"),
    "estimate: six channels": (lambda k: estimate_x0(k.z, 500, torch.cat([k.z, k.z], dim=1), k.abar), r"eps has shape \(2, 6, 64, 64\); wanted x_t's"),
    "estimate: the prediction": (lambda k: estimate_x0(k.z, 500, (k.z, None), k.abar), r"eps is a tuple; wanted a torch\.Tensor"),
    "estimate: t and eps exchanged": (lambda k: estimate_x0(k.z, k.z, 500, k.abar), r"eps is an int; wanted a torch\.Tensor"),
    "estimate: the schedule": (lambda k: estimate_x0(k.z, 500, k.z, k.schedule), r"alphas_cumprod is a NoiseSchedule"),
    "estimate: betas": (lambda k: estimate_x0(k.z, 500, k.z, k.schedule.betas), r"alphas_cumprod .* wanted .*schedule\.alphas_cumprod"),
    "ddpm: abar for the schedule": (lambda k: ddpm_step(k.z, k.x, 500, 470, k.abar), r"schedule is a .*; wanted a NoiseSchedule"),
    "ddpm: T for the schedule": (lambda k: ddpm_step(k.z, k.x, 500, 470, 1000), r"schedule is .*; wanted a NoiseSchedule"),
    "ddpm: s after t": (lambda k: ddpm_step(k.z, k.x, 470, 500, k.schedule), r"s is 500 after t = 470"),
    "ddpm: s = t": (lambda k: ddpm_step(k.z, k.x, 470, 470, k.schedule), r"s is 470 after t = 470"),
    "ddpm: s = -1": (lambda k: ddpm_step(k.z, k.x, 0, -1, k.schedule), r"s is -1 after t = 0; wanted .* None"),
    "ddpm: s as a float": (lambda k: ddpm_step(k.z, k.x, 500, 470.0, k.schedule), r"s is 470\.0; wanted an integer"),
    "ddpm: s = False": (lambda k: ddpm_step(k.z, k.x, 500, False, k.schedule), r"s is False; wanted an integer"),
    "ddpm: a number for the variance": (lambda k: ddpm_step(k.z, k.x, 500, 470, k.schedule, var=0.5), r"var is a float; wanted a torch\.Tensor"),
    "ddpm: a seed": (lambda k: ddpm_step(k.z, k.x, 500, 470, k.schedule, generator=1), r"generator is 1; wanted a torch\.Generator"),
    "ddpm: an array": (lambda k: ddpm_step(k.z, k.x.numpy(), 500, 470, k.schedule), r"x0_hat is a ndarray; wanted a torch\.Tensor"),
    "ddpm: t and x0_hat exchanged": (lambda k: ddpm_step(k.z, 500, k.x, 470, k.schedule), r"x0_hat is an int; wanted a torch\.Tensor"),
    "ddpm: half and fp32": (lambda k: ddpm_step(k.z.half(), k.x, 500, 470, k.schedule), r"x0_hat has dtype torch\.float32; wanted x_t's dtype"),
    "ddim: s after t": (lambda k: ddim_step(k.z, k.x, 470, 500, k.schedule), r"s is 500 after t = 470"),
    "ddim: no batch": (lambda k: ddim_step(k.z[0], k.x[0], 500, 470, k.schedule), r"x_t has shape \(3, 64, 64\)"),
    "renoise: s after t": (lambda k: renoise(k.z, 500, 470, k.abar), r"s is 500; wanted 0 to 469"),
    "renoise: t as a float": (lambda k: renoise(k.z, 470, 500.0, k.abar), r"t is 500\.0; wanted an integer"),
    "renoise: a seed": (lambda k: renoise(k.z, 470, 500, k.abar, generator=1), r"generator is 1; wanted a torch\.Generator"),
    "renoise: the schedule": (lambda k: renoise(k.z, 470, 500, k.schedule), r"alphas_cumprod is a NoiseSchedule"),
    "renoise: no batch": (lambda k: renoise(k.z[0], 470, 500, k.abar), r"x_s has shape \(3, 64, 64\); wanted"),
    "threshold: ratio in percent": (lambda k: dynamic_threshold(k.x, ratio=95), r"ratio is 95; wanted 0 to 1"),
    "threshold: ratio as text": (lambda k: dynamic_threshold(k.x, ratio="0.95"), r"ratio is '0\.95'; wanted a number"),
    "threshold: ratio in a tensor": (lambda k: dynamic_threshold(k.x, ratio=torch.ones(1, 1)), r"ratio is tensor\(\[\[1\.\]\]\); wanted a number"),
    "threshold: ratio = True": (lambda k: dynamic_threshold(k.x, ratio=True), r"ratio is True; wanted a number"),
    "threshold: half": (lambda k: dynamic_threshold(k.x.half()), r"x0_hat has dtype torch\.float16; wanted"),
    "threshold: no batch": (lambda k: dynamic_threshold(k.x[0]), r"x0_hat has shape \(3, 64, 64\)"),
    "linear: T as a float": (lambda k: NoiseSchedule.linear(300.0), r"T is 300\.0; wanted an integer"),
    "linear: T as text": (lambda k: NoiseSchedule.linear("300"), r"T is '300'; wanted an integer"),
    "linear: beta as text": (lambda k: NoiseSchedule.linear(300, beta_end="0.02"), r"beta_end is '0\.02'; wanted a number"),
    "cosine: T = 0": (lambda k: NoiseSchedule.cosine(0), r"T is 0; wanted at least 1"),
    "schedule: a list": (lambda k: NoiseSchedule([0.1, 0.2]), r"betas is a list; wanted a torch\.Tensor"),
    "schedule: T": (lambda k: NoiseSchedule(1000), r"betas is an int; wanted a torch\.Tensor"),
    "schedule: from a name": (lambda k: NoiseSchedule.from_scheduler("linear"), r"scheduler is 'linear'; wanted .*betas"),
    "strided: a float": (lambda k: strided_timesteps(34.0), r"steps is 34\.0; wanted an integer"),
    "strided: text": (lambda k: strided_timesteps("34"), r"steps is '34'; wanted an integer"),
    "strided: one": (lambda k: strided_timesteps(1), r"steps is 1; wanted 2 to 1000"),
    "strided: the schedule": (lambda k: strided_timesteps(34, k.schedule), r"T is .*; wanted an integer"),
}

EDITING = {
    "sdedit: the model": (lambda k: sdedit(k.model, k.x, k.c, timesteps=k.ts, i_start=1), r"denoiser is a TextToImage; wanted .*stage_1"),
    "sdedit: a timestep": (lambda k: sdedit(k.f, k.x, k.c, timesteps=k.ts, i_start=500), r"i_start is 500; wanted 0 to 2"),
    "sdedit: a share": (lambda k: sdedit(k.f, k.x, k.c, timesteps=k.ts, i_start=0.5), r"i_start is 0\.5; wanted an integer"),
    "sdedit: condition and image exchanged": (lambda k: sdedit(k.f, k.c, k.x, timesteps=k.ts, i_start=1), r"x_orig has shape \(1, 77, 384\)"),
    "sdedit: a file": (lambda k: sdedit(k.f, "cat.jpg", k.c, timesteps=k.ts, i_start=1), r"x_orig is a str; wanted a torch\.Tensor"),
    "sdedit: a seed": (lambda k: sdedit(k.f, k.x, k.c, timesteps=k.ts, i_start=1, generator=1), r"generator is 1; wanted a torch\.Generator"),
    "sdedit: threshold=True": (lambda k: sdedit(k.f, k.x, k.c, timesteps=k.ts, i_start=1, threshold=True), r"threshold is True; wanted a function"),
    "sdedit: 0 to 255": (lambda k: sdedit(k.f, (k.x + 1) * 127.5, k.c, timesteps=k.ts, i_start=1), r"x_orig has values"),
    "sdedit: a larger image": (lambda k: sdedit(k.f, torch.zeros(1, 3, 256, 256), k.c, timesteps=k.ts, i_start=1), r"x_orig has shape"),
    "inpaint: the network": (lambda k: inpaint(k.f.unet, k.x, k.mask, k.c, timesteps=k.ts), r"denoiser is a PatchUNet, a network"),
    "inpaint: mask and image exchanged": (lambda k: inpaint(k.f, k.mask[None, None], k.x, k.c, timesteps=k.ts), r"x_orig has shape \(1, 1, 64, 64\)"),
    "inpaint: no mask": (lambda k: inpaint(k.f, k.x, None, k.c, timesteps=k.ts), r"mask is a NoneType; wanted a torch\.Tensor"),
    "inpaint: a mask of 255": (lambda k: inpaint(k.f, k.x, k.mask * 255, k.c, timesteps=k.ts), r"mask has values from 0 to 255"),
    "inpaint: a rectangle": (lambda k: inpaint(k.f, k.x, (10, 10, 20, 20), k.c, timesteps=k.ts), r"mask is a tuple; wanted a torch\.Tensor"),
    "inpaint: a mask per channel first": (lambda k: inpaint(k.f, k.x, torch.ones(3, 64, 64), k.c, timesteps=k.ts), r"mask has shape \(3, 64, 64\)"),
    "inpaint: a seed": (lambda k: inpaint(k.f, k.x, k.mask, k.c, timesteps=k.ts, generator=1), r"generator is 1; wanted a torch\.Generator"),
    "inpaint: the painter": (lambda k: inpaint(k.f, k.x, MaskPainter(k.x[:1]), k.c, timesteps=k.ts), r"mask is a MaskPainter; wanted"),
    "keep: a grey mask": (lambda k: keep_known(k.z, 500, k.x, k.mask / 2, k.abar), r"mask has values from 0 to 0\.5"),
    "keep: a mask of another size": (lambda k: keep_known(k.z, 500, k.x, torch.ones(32, 32), k.abar), r"mask has shape \(32, 32\)"),
    "keep: a list for a mask": (lambda k: keep_known(k.z, 500, k.x, [[1]], k.abar), r"mask is a list; wanted a torch\.Tensor"),
    "keep: an array for a mask": (lambda k: keep_known(k.z, 500, k.x, k.mask.numpy(), k.abar), r"mask is a ndarray; wanted a torch\.Tensor"),
    "keep: x_s without a batch": (lambda k: keep_known(k.z[0], 500, k.x, k.mask, k.abar), r"x_s has shape \(3, 64, 64\); wanted x_orig's"),
    "keep: one x_s for two": (lambda k: keep_known(k.z[:1], 500, k.x, k.mask, k.abar), r"x_s has shape \(1, 3, 64, 64\); wanted x_orig's"),
    "keep: no x_s": (lambda k: keep_known(None, 500, k.x, k.mask, k.abar), r"x_s is a NoneType; wanted a torch\.Tensor"),
    "keep: x_s in double": (lambda k: keep_known(k.z.double(), 500, k.x, k.mask, k.abar), r"x_s has dtype torch\.float64; wanted x_orig's"),
    "keep: s = -1": (lambda k: keep_known(k.z, -1, k.x, k.mask, k.abar), r"t is -1; wanted 0 to 999"),
    "keep: x_s at the end": (lambda k: keep_known(k.z[:, :1], None, k.x, k.mask, k.abar), r"x_s has shape \(2, 1, 64, 64\); wanted x_orig's"),
    "keep: the schedule": (lambda k: keep_known(k.z, 500, k.x, k.mask, k.schedule), r"alphas_cumprod is a NoiseSchedule"),
    "keep: a seed": (lambda k: keep_known(k.z, 500, k.x, k.mask, k.abar, generator=7), r"generator is 7; wanted a torch\.Generator"),
}

ILLUSIONS = {
    "anagram: the model": (lambda k: anagram(k.model, ["identity", "flip"]), r"denoiser is a TextToImage; wanted .*stage_1"),
    "anagram: exchanged": (lambda k: anagram(["identity", "flip"], k.f), r"denoiser is \['identity', 'flip'\]; wanted a Denoiser"),
    "anagram: a number": (lambda k: anagram(k.f, ["identity", 180]), r"view is 180; wanted one of identity"),
    "anagram: a list in a list": (lambda k: anagram(k.f, [["identity", "flip"]]), r"view is \['identity', 'flip'\]; wanted one of identity"),
    "anagram: no views": (lambda k: anagram(k.f, None), r"views is None; wanted a list"),
    "anagram: a count": (lambda k: anagram(k.f, 2), r"views is 2; wanted a list"),
    "anagram: a function": (lambda k: anagram(k.f, ["identity", lambda x: x.flip(-1)]), r"view is .*; wanted one of identity.*View"),
    "anagram: mistyped": (lambda k: anagram(k.f, ["identity", "flipp"]), r"view is 'flipp'; wanted one of identity"),
    "anagram: one condition": (lambda k: sample(anagram(k.f, ["identity", "flip"]), k.c, timesteps=k.ts), r"the condition is a Tensor; wanted a tuple of 2"),
    "anagram: a list of conditions": (lambda k: sample(anagram(k.f, ["identity", "flip"]), [k.c, k.c], timesteps=k.ts), r"the condition is a list; wanted a tuple of 2"),
    "anagram: prompts": (lambda k: sample(anagram(k.f, ["identity", "flip"]), ("a panda", "a cat"), timesteps=k.ts), r"wanted text states|conditions are"),
    "anagram: t = -1": (lambda k: anagram(k.f, ["identity", "flip"])(k.z, -1, (k.c, k.c)), r"t is -1; wanted 0 to 999"),
    "hybrid: the model": (lambda k: hybrid(k.model), r"denoiser is a TextToImage; wanted .*stage_1"),
    "hybrid: a float kernel": (lambda k: hybrid(k.f, 33.0), r"kernel_size is 33\.0; wanted an integer"),
    "hybrid: an even kernel": (lambda k: hybrid(k.f, 32), r"kernel_size is 32; wanted an odd number"),
    "hybrid: a negative sigma": (lambda k: hybrid(k.f, 33, -2.0), r"sigma is -2; wanted"),
    "hybrid: sigma as text": (lambda k: hybrid(k.f, 33, "2"), r"sigma is '2'; wanted a number"),
    "hybrid: one condition": (lambda k: sample(hybrid(k.f), k.c, timesteps=k.ts), r"the condition is a Tensor; wanted a tuple of 2"),
    "blur: an even kernel": (lambda k: blur(k.x, 4, 2.0), r"kernel_size is 4; wanted an odd number"),
    "blur: a float kernel": (lambda k: blur(k.x, 5.0, 2.0), r"kernel_size is 5\.0; wanted an integer"),
    "blur: a kernel wider than the image": (lambda k: blur(k.x, 129, 2.0), r"kernel_size is 129; wanted 1 to 127"),
    "blur: sigma = 0": (lambda k: blur(k.x, 5, 0), r"sigma is 0; wanted"),
    "blur: a negative sigma": (lambda k: blur(k.x, 5, -1.0), r"sigma is -1; wanted"),
    "blur: exchanged": (lambda k: blur(k.x, 2.0, 5), r"kernel_size is 2\.0; wanted an integer"),
    "blur: an array": (lambda k: blur(k.x.numpy(), 5, 2.0), r"x is a ndarray; wanted a torch\.Tensor"),
    "rotate: degrees": (lambda k: rotate(90), r"quarter_turns is 90; wanted -3 to 3"),
    "rotate: text": (lambda k: rotate("1"), r"quarter_turns is '1'; wanted an integer"),
    "patches: too many": (lambda k: permute_patches(5).view(k.x), r"64×64 cannot be cut into 5×5"),
    "patches: a float": (lambda k: permute_patches(4.0), r"patches is 4\.0; wanted an integer"),
    "patches: a seed in words": (lambda k: permute_patches(4, seed="a"), r"seed is 'a'; wanted an integer"),
    "patches: a seed in a tensor": (lambda k: permute_patches(4, seed=torch.tensor(5)), r"seed is tensor\(5\); wanted an integer, such as"),
    "patches: no batch": (lambda k: permute_patches(4).view(k.x[0]), r"x has shape \(3, 64, 64\); wanted \(B, C, H, W\)"),
    "circle: radius as text": (lambda k: inner_circle(1, "0.7"), r"radius is '0\.7'; wanted a number"),
    "turned: in percent": (lambda k: turned(k.x, "flip", 50), r"share is 50; wanted 0 to 1"),
    "turned: an unknown view": (lambda k: turned(k.x, "mirror", 0.5), r"view is 'mirror'; wanted one of"),
    "turned: a View": (lambda k: turned(k.x, views["flip"], 0.5), r"view is .*; wanted the name of one|view is .*; wanted one of"),
}

MODELS = {
    "an unknown model": (lambda k: load_model("minif"), r"there is no model 'minif'; wanted 'mini-if'"),
    "no such device": (lambda k: load_model(device="gpu"), r"device is 'gpu'; wanted \"cpu\""),
    "a device as a list": (lambda k: load_model(device=["cpu"]), r"device is \['cpu'\]; wanted \"cpu\""),
    "to gpu": (lambda k: k.model.to("gpu"), r"device is 'gpu'; wanted \"cpu\""),
    "embed: nothing": (lambda k: k.model.embed(None), r"prompts is None; wanted text"),
    "embed: a number": (lambda k: k.model.embed(["a cat", 5]), r"a prompt is 5; wanted text"),
    "embed: blank": (lambda k: k.model.embed("  "), r"a prompt is blank"),
    "embed: no prompts": (lambda k: k.model.embed([]), r"prompts is an empty list"),
    "embed: a tensor": (lambda k: k.model.embed(k.c), r"prompts is .*; wanted text"),
    "embed: too long": (lambda k: k.model.embed("panda " * 100), r"has 102 tokens; wanted at most 77"),
    "embed: a dictionary": (lambda k: k.model.embed({"prompt": "a cat"}), r"prompts is .*; wanted text"),
    "nearest: no text": (lambda k: k.model.nearest(None), r"prompt is None; wanted text"),
    "upscale: a prompt": (lambda k: k.model.upscale(k.x, "a panda"), r"the condition is a str; wanted text states"),
    "upscale: no batch": (lambda k: k.model.upscale(k.x[0], k.c), r"images has shape \(3, 64, 64\)"),
    "upscale: already large": (lambda k: k.model.upscale(torch.zeros(1, 3, 256, 256), k.c), r"images has shape \(1, 3, 256, 256\); this model wants"),
    "upscale: one step": (lambda k: k.model.upscale(k.x, k.c, steps=1), r"steps is 1; wanted"),
    "upscale: too many steps": (lambda k: k.model.upscale(k.x, k.c, steps=2000), r"steps is 2000; wanted 2 to 1000"),
    "upscale: the noise level as a share": (lambda k: k.model.upscale(k.x, k.c, noise_level=0.25), r"noise_level is 0\.25; wanted an integer"),
    "upscale: gamma as text": (lambda k: k.model.upscale(k.x, k.c, gamma="4"), r"gamma is '4'; wanted a number"),
    "upscale: a seed": (lambda k: k.model.upscale(k.x, k.c, steps=2, generator=0), r"generator is 0; wanted a torch\.Generator"),
    "upscale: three conditions": (lambda k: k.model.upscale(k.x, k.c.expand(3, -1, -1), steps=2), r"the condition is for 3"),
    "upscale: 0 to 255": (lambda k: k.model.upscale((k.x + 1) * 127.5, k.c), r"images has values"),
}

DATA = {
    "load_image: nothing": (lambda k: load_image(None), r"source is a NoneType; wanted"),
    "load_image: an array": (lambda k: load_image(np.zeros((8, 8, 3), np.uint8)), r"source is a ndarray; wanted"),
    "load_image: missing": (lambda k: load_image("nosuch.png"), r"there is no file nosuch\.png"),
    "load_image: a folder": (lambda k: load_image("."), r"\. cannot be opened"),
    "load_image: a web address": (lambda k: load_image("https://example.org/cat.jpg"), r"https://example\.org/cat\.jpg is a web address; wanted a file"),
    "load_image: text": (lambda k: load_image(__file__), r"is not an image that can be read"),
    "load_image: size 0": (lambda k: load_image(b"", 0), r"size is 0; wanted"),
    "load_image: size as text": (lambda k: load_image(b"", "64"), r"size is '64'; wanted an integer"),
    "load_image: a pair of sizes": (lambda k: load_image(b"", (64, 64)), r"size is \(64, 64\); wanted an integer"),
    "load_image: a huge size": (lambda k: course_image("cat", 10**6), r"size is 1000000; wanted"),
    "load_image: a name with a null": (lambda k: load_image("a\0b.png"), r"cannot be opened"),
    "load_image: a very long name": (lambda k: load_image("a" * 5000), r"cannot be opened"),
    "course_image: unknown": (lambda k: course_image("dog"), r"there is no test image 'dog'; wanted one of"),
    "course_image: with suffix": (lambda k: course_image("cat.jpg"), r"there is no test image 'cat\.jpg'; wanted one of"),
    "course_image: an image": (lambda k: course_image(k.x), r"there is no test image .*; wanted one of"),
    "mask: reversed": (lambda k: rectangle_mask(40, 10, 20, 30), r"bottom is 20; wanted"),
    "mask: floats": (lambda k: rectangle_mask(0.1, 0.1, 0.5, 0.5), r"top is 0\.1; wanted an integer"),
    "mask: outside": (lambda k: rectangle_mask(0, 0, 65, 64), r"bottom is 65; wanted"),
    "mask: size as text": (lambda k: rectangle_mask(0, 0, 8, 8, "64"), r"size is '64'; wanted an integer"),
    "mask: a huge size": (lambda k: rectangle_mask(0, 0, 8, 8, 10**6), r"size is 1000000; wanted"),
    "from_pixels: floats": (lambda k: from_pixels(torch.zeros(8, 8, 3)), r"wanted a torch\.uint8 tensor"),
    "from_pixels: channels first": (lambda k: from_pixels(torch.zeros(3, 8, 8, dtype=torch.uint8)), r"wanted a torch\.uint8 tensor"),
    "from_pixels: an array": (lambda k: from_pixels(np.zeros((8, 8, 3), np.uint8)), r"wanted a torch\.uint8 tensor"),
    "mnist: train by name": (lambda k: mnist("test"), r"train is 'test'; wanted True or False"),
    "mnist: a folder first": (lambda k: mnist("/usr/share/datasets"), r"train is '/usr/share/datasets'; wanted True or False"),
    "mnist: no such folder": (lambda k: mnist(folder="nosuch"), r"nosuch has no train-images"),
    "mnist: a number": (lambda k: mnist(folder=5), r"folder is 5; wanted"),
    "one_hot: text": (lambda k: one_hot("3"), r"labels is '3'; wanted integers"),
    "one_hot: nothing": (lambda k: one_hot(None), r"labels is None; wanted integers"),
    "one_hot: one label": (lambda k: one_hot(3), r"labels have .* wanted integers"),
    "one_hot: words": (lambda k: one_hot(["three"]), r"labels is \['three'\]; wanted integers"),
    "one_hot: of unequal rows": (lambda k: one_hot([[1], [2, 3]]), r"labels is .*; wanted integers"),
    "one_hot: 10": (lambda k: one_hot([10]), r"labels run from 10 to 10; wanted 0 to 9"),
    "one_hot: floats": (lambda k: one_hot(torch.tensor([1.0])), r"labels have dtype torch\.float32"),
    "one_hot: images": (lambda k: one_hot(k.digits), r"labels have dtype torch\.float32"),
}

SHOWING = {
    "grid: nothing": (lambda k: show.grid(None), r"images is None; wanted"),
    "grid: a number": (lambda k: show.grid(5), r"images is 5; wanted"),
    "grid: a generator": (lambda k: show.grid(sample(k.f, k.c, timesteps=k.ts)), r"images is a generator; wanted"),
    "grid: a set": (lambda k: show.grid({1, 2}), r"images is \{1, 2\}; wanted a list"),
    "grid: titles in a tensor": (lambda k: show.grid(k.x, torch.tensor(5)), r"titles is tensor\(5\); wanted a list of texts"),
    "grid: rows in a dictionary": (lambda k: show.grid(k.x, rows={"a": 1}), r"rows is \{'a': 1\}; wanted a list of texts"),
    "grid: an empty row": (lambda k: show.grid([[], []]), r"is empty; wanted at least one image"),
    "grid: a single image": (lambda k: show.grid(k.x[0]), r"shape \(64, 64\); wanted \(3, H, W\) or \(1, H, W\)"),
    "grid: batches": (lambda k: show.grid([k.x, k.x]), r"shape \(2, 3, 64, 64\); wanted \(3, H, W\)"),
    "grid: NaN": (lambda k: show.grid([k.nan[0]]), r"NaN or infinite; wanted finite"),
    "grid: steps": (lambda k: show.grid([k.step]), r"an image is a Step; wanted a torch\.Tensor"),
    "grid: arrays": (lambda k: show.grid([k.x[0].numpy()]), r"is a ndarray; wanted a torch\.Tensor"),
    "grid: files": (lambda k: show.grid(["cat.jpg"]), r"is a str; wanted a torch\.Tensor"),
    "grid: channels last": (lambda k: show.grid([k.x[0].permute(1, 2, 0)]), r"shape \(64, 64, 3\); wanted"),
    "grid: too few row titles": (lambda k: show.grid([list(k.x), list(k.x)], rows=["one"]), r"rows has 1 titles; wanted 2"),
    "grid: row titles that are no text": (lambda k: show.grid([list(k.x), list(k.x)], rows=[1, 2]), r"a title is 1; wanted text"),
    "grid: one text for titles": (lambda k: show.grid(list(k.x), "a panda"), r"titles is 'a panda'; wanted a list of texts"),
    "grid: titles that are no text": (lambda k: show.grid(list(k.x), [500, 470]), r"a title is 500; wanted text"),
    "grid: too many titles": (lambda k: show.grid(list(k.x), ["a", "b", "c"]), r"titles has 3 titles; wanted 2"),
    "grid: negative columns": (lambda k: show.grid(list(k.x), columns=-1), r"columns is -1; wanted at least 1"),
    "grid: half a column": (lambda k: show.grid(list(k.x), columns=1.5), r"columns is 1\.5; wanted an integer"),
    "grid: no cell": (lambda k: show.grid(list(k.x), cell=0), r"cell is 0; wanted"),
    "grid: a cell as text": (lambda k: show.grid(list(k.x), cell="128"), r"cell is '128'; wanted an integer"),
    "grid: low = high": (lambda k: show.grid(list(k.x), low=0, high=0), r"high is 0.*low"),
    "grid: low as text": (lambda k: show.grid(list(k.x), low="0"), r"low is '0'; wanted a number"),
    "curves: a list": (lambda k: show.curves([1, 2], [[1, 2]], xlabel="t"), r"ys is .*; wanted a dictionary"),
    "curves: of unequal lengths": (lambda k: show.curves([1, 2, 3], {"loss": [1, 2]}, xlabel="t"), r"the curve 'loss' has 2 values; wanted 3"),
    "curves: a number for marks": (lambda k: show.curves([1, 2], {"a": [1, 2]}, xlabel="t", marks=5), r"marks is 5; wanted a list"),
    "curves: of text": (lambda k: show.curves([1, 2], {"a": ["x", "y"]}, xlabel="t"), r"the curve 'a' is \['x', 'y'\]; wanted a list of numbers"),
    "loss_curve: no steps": (lambda k: show.loss_curve([1.0, 2.0], 0), r"steps is 0; wanted at least 1"),
    "loss_curve: of progress": (lambda k: show.loss_curve([(1, 1, 1, 1, 0.5)] * 2, 1), r"losses .*; wanted a list of numbers"),
    "loss_curve: nothing": (lambda k: show.loss_curve(None, 1), r"losses is None; wanted"),
    "stack: a list": (lambda k: show.stack([k.graphic, k.graphic]), r"a graphic is \[.*; wanted graphics"),
    "stack: images": (lambda k: show.stack(k.x), r"a graphic is a tensor .*; wanted graphics"),
    "animate: no speed": (lambda k: show.animate(list(k.x), alt="x", fps=0), r"fps is 0; wanted"),
    "animate: speed as text": (lambda k: show.animate(list(k.x), alt="x", fps="8"), r"fps is '8'; wanted"),
    "animate: steps": (lambda k: show.animate([k.step], alt="x"), r"is a Step; wanted a torch\.Tensor"),
    "animate: NaN": (lambda k: show.animate(list(k.nan), alt="x"), r"NaN or infinite; wanted finite"),
    "animate: a generator": (lambda k: show.animate(sample(k.f, k.c, timesteps=k.ts), alt="x"), r"frames is a generator; wanted"),
    "play: a value for a control": (lambda k: play(lambda seed: k.graphic, seed=5), r"seed is 5; wanted a control"),
    "play: an image": (lambda k: play(k.graphic), r"draw is .*; wanted a function"),
    "play: a class of controls": (lambda k: play(lambda seed: k.graphic, seed=ipywidgets.IntSlider), r"seed is the class IntSlider; wanted a control"),
    "play: draw that returns nothing": (lambda k: play(lambda: None), r"draw gave a NoneType; wanted"),
    "play: draw that returns an image": (lambda k: play(lambda: k.x), r"draw gave a Tensor; wanted"),
    "play: draw that yields only steps": (lambda k: play(lambda: sample(k.f, k.c, timesteps=[990, 0])), r"draw gave steps, but no image"),
    "watch: train itself": (lambda k: watch(train), r"steps is .*; wanted .*train"),
    "watch: a sampler": (lambda k: watch(sample(k.f, k.c, timesteps=k.ts)), r"is a Step; wanted .*train"),
    "sketch: two images": (lambda k: SketchPad(k.x), r"start has shape \(2, 3, 64, 64\); wanted \(1, 3, size, size\)"),
    "sketch: size as text": (lambda k: SketchPad(size="64"), r"size is '64'; wanted an integer"),
    "sketch: a negative size": (lambda k: SketchPad(size=-1), r"size is -1; wanted"),
    "sketch: a huge size": (lambda k: SketchPad(size=10**6), r"size is 1000000; wanted"),
    "painter: no image": (lambda k: MaskPainter(None), r"image is a NoneType; wanted a torch\.Tensor"),
    "painter: no batch": (lambda k: MaskPainter(k.x[0]), r"image has shape \(3, 64, 64\)"),
    "painter: a mask of another size": (lambda k: MaskPainter(k.x[:1], torch.ones(8, 8)), r"mask has shape \(8, 8\)"),
    "painter: no such file": (lambda k: MaskPainter(k.x[:1]).load("nosuch.png"), r"nosuch\.png"),
    "painter: a number": (lambda k: MaskPainter(k.x[:1]).load(5), r"source is an int; wanted"),
    "painter: an image of another size": (lambda k: MaskPainter(k.x[:1]).load(k.graphic.png), r"pixels; wanted 64×64"),
}

LEARNING = {
    "network: no channels": (lambda k: UnconditionalUNet(0), r"hidden is 0; wanted at least 1"),
    "network: channels as text": (lambda k: TimeConditionalUNet("16"), r"hidden is '16'; wanted an integer"),
    "network: three channels": (lambda k: k.plain(torch.zeros(2, 3, 28, 28)), r"x has shape \(2, 3, 28, 28\); this network wants"),
    "network: no batch": (lambda k: k.plain(k.digits[0]), r"x has shape \(1, 28, 28\)"),
    "network: double": (lambda k: k.plain(k.digits.double()), r"x has dtype torch\.float64; wanted torch\.float32"),
    "network: half": (lambda k: k.plain(k.digits.half()), r"x has dtype torch\.float16; wanted torch\.float32"),
    "network: bytes": (lambda k: k.plain((k.digits * 255).byte()), r"x has dtype torch\.uint8"),
    "network: time as a number": (lambda k: k.time(k.digits, 0.5), r"t01 is a float; wanted a torch\.Tensor"),
    "network: time as a row": (lambda k: k.time(k.digits, torch.zeros(4)), r"t01 has shape \(4,\); wanted \(4, 1\)"),
    "network: one time for four": (lambda k: k.time(k.digits, torch.zeros(1, 1)), r"t01 has shape \(1, 1\); wanted \(4, 1\)"),
    "network: t not divided": (lambda k: k.time(k.digits, torch.full((4, 1), 150.0)), r"t01 has values from 150 to 150; wanted \[0, 1\]"),
    "network: integer time": (lambda k: k.time(k.digits, torch.ones(4, 1, dtype=torch.long)), r"t01 has dtype torch\.int64"),
    "network: labels": (lambda k: k.classes(k.digits, torch.zeros(4, 1), k.labels), r"c has dtype torch\.int64"),
    "network: one class for four": (lambda k: k.classes(k.digits, torch.zeros(4, 1), one_hot([3])), r"c has shape \(1, 10\); wanted \(4, 10\)"),
    "network: classes as a list": (lambda k: k.classes(k.digits, torch.zeros(4, 1), [3, 1, 4, 1]), r"c is a list; wanted a torch\.Tensor"),
    "noise: sigma as text": (lambda k: add_noise(k.digits, "0.5"), r"sigma is '0\.5'; wanted a number"),
    "noise: several sigmas": (lambda k: add_noise(k.digits, torch.tensor([0.1, 0.5])), r"sigma is tensor\(\[0\.1000, 0\.5000\]\); wanted a number"),
    "noise: a list of sigmas": (lambda k: add_noise(k.digits, [0.1, 0.5]), r"sigma is \[0\.1, 0\.5\]; wanted a number"),
    "noise: a negative sigma": (lambda k: add_noise(k.digits, -0.5), r"sigma is -0\.5; wanted"),
    "noise: [-1, 1]": (lambda k: add_noise(k.digits * 2 - 1, 0.5), r"x0 has values from .*; wanted \[0, 1\]"),
    "noise: a seed": (lambda k: add_noise(k.digits, 0.5, generator=0), r"generator is 0; wanted a torch\.Generator"),
    "noise: the data set": (lambda k: add_noise(k.data, 0.5), r"x0 is a TensorDataset; wanted a torch\.Tensor"),
    "task: one label for four images": (lambda k: ClassConditional(20).examples(k.digits, k.labels[:1], torch.Generator()), r"labels have shape \(1,\); wanted one for each of 4"),
    "task: one-hot labels": (lambda k: ClassConditional(20).examples(k.digits, one_hot(k.labels), torch.Generator()), r"labels have dtype torch\.float32"),
    "task: a seed": (lambda k: TimeConditional(20).examples(k.digits, k.labels, 0), r"generator is 0; wanted a torch\.Generator"),
    "task: T as a float": (lambda k: TimeConditional(300.0), r"T is 300\.0; wanted an integer"),
    "task: p_uncond in percent": (lambda k: ClassConditional(300, p_uncond=10), r"p_uncond is 10; wanted 0 to 1"),
    "task: sigma as text": (lambda k: OneStep("0.5"), r"sigma is '0\.5'; wanted a number"),
    "recipe: lr as text": (lambda k: Recipe(OneStep(), hidden=4, epochs=1, batch_size=2, lr="1e-3"), r"lr is '1e-3'; wanted a number"),
    "recipe: epochs as a float": (lambda k: Recipe(OneStep(), hidden=4, epochs=1.5, batch_size=2, lr=1e-3), r"epochs is 1\.5; wanted an integer"),
    "recipe: a task's name": (lambda k: Recipe("one-step", hidden=4, epochs=1, batch_size=2, lr=1e-3), r"task is 'one-step'; wanted"),
    "recipe: a task's class": (lambda k: Recipe(OneStep, hidden=4, epochs=1, batch_size=2, lr=1e-3), r"task is the class OneStep; wanted"),
    "train: a recipe's name": (lambda k: train(k.time, "time-conditional", k.data), r"recipe is 'time-conditional'; wanted a Recipe"),
    "train: exchanged": (lambda k: train(k.small, k.time, k.data), r"network is Recipe\(.*|network is a Recipe; wanted a network"),
    "train: a class": (lambda k: train(TimeConditionalUNet, k.small, k.data), r"network is the class TimeConditionalUNet; wanted a network"),
    "train: images and labels": (lambda k: train(k.time, k.small, (k.digits, k.labels)), r"data is .*; wanted a TensorDataset"),
    "train: images only": (lambda k: train(k.time, k.small, k.digits), r"data is .*; wanted a TensorDataset"),
    "train: [-1, 1]": (lambda k: train(k.time, k.small, TensorDataset(k.digits * 2 - 1, k.labels)), r"the images has values from"),
    "train: float labels": (lambda k: train(k.time, k.small, TensorDataset(k.digits, k.labels.float())), r"labels have dtype torch\.float32"),
    "train: larger images": (lambda k: train(k.time, k.small, TensorDataset(torch.zeros(4, 1, 32, 32), k.labels)), r"x has shape \(2, 1, 32, 32\); this network wants"),
    "train: another task's network": (lambda k: train(k.plain, k.small, k.data), r"UnconditionalUNet takes \(x\); it is given 2 arguments"),
    "train: a network with classes": (lambda k: train(k.classes, k.small, k.data), r"ClassConditionalUNet takes \(x, t01, c\); it is given 2 arguments"),
    "train: a seed in words": (lambda k: train(k.time, k.small, k.data, seed="0"), r"seed is '0'; wanted an integer"),
    "train: half a seed": (lambda k: train(k.time, k.small, k.data, seed=1.5), r"seed is 1\.5; wanted an integer"),
    "train: a number for a folder": (lambda k: train(k.time, k.small, k.data, folder=5), r"folder is 5; wanted"),
    "train: an optimiser's name": (lambda k: train(k.time, k.small, k.data, learn="adam"), r"learn is 'adam'; wanted a function"),
    "train: save_every as text": (lambda k: train(k.time, k.small, k.data, save_every="180"), r"save_every is '180'; wanted a number"),
    "train: more than there is": (lambda k: train(k.time, time_conditional, k.data), r"batch_size is 128, but there are only 4"),
    "step: a tensor for the inputs": (lambda k: training_step(k.plain, k.adam, k.digits, k.digits), r"inputs is a tensor .*; wanted a tuple"),
    "step: one input too few": (lambda k: training_step(k.time, k.adam, (k.digits,), k.digits), r"TimeConditionalUNet takes \(x, t01\); it is given 1 argument"),
    "step: labels for the target": (lambda k: training_step(k.plain, k.adam, (k.digits,), k.labels), r"target has dtype torch\.int64; wanted floating"),
    "step: one target for four": (lambda k: training_step(k.plain, k.adam, (k.digits,), k.digits[:1]), r"target has shape \(1, 1, 28, 28\); wanted .*\(4, 1, 28, 28\)"),
    "step: an optimiser's name": (lambda k: training_step(k.plain, "adam", (k.digits,), k.digits), r"optimizer is 'adam'; wanted"),
    "step: an optimiser's class": (lambda k: training_step(k.plain, torch.optim.Adam, (k.digits,), k.digits), r"optimizer is the class Adam; wanted"),
    "load_result: unknown": (lambda k: load_result("class"), r"there is no result 'class'; wanted one of"),
    "load_unet: missing": (lambda k: load_unet("nosuch.safetensors"), r"there is no file nosuch\.safetensors"),
    "load_unet: another file": (lambda k: load_unet(__file__), r"is damaged or half written"),
    "load_unet: a number": (lambda k: load_unet(5), r"file is 5; wanted"),
    "loss_history: missing": (lambda k: loss_history("nosuch"), r"there is no file nosuch"),
    "loss_history: a run": (lambda k: loss_history(k.small), r"folder is .*; wanted"),
    "quality: large images": (lambda k: digit_quality(k.x, k.labels), r"shape \(2, 3, 64, 64\); wanted"),
    "quality: a list of labels": (lambda k: digit_quality(k.digits.repeat(20, 1, 1, 1), [3] * 80), r"labels is a list; wanted a torch\.Tensor"),
    "quality: too few labels": (lambda k: digit_quality(k.digits.repeat(20, 1, 1, 1), k.labels), r"labels have shape \(4,\); wanted one for each of 80"),
    "quality: a list of images": (lambda k: digit_quality(list(k.digits), k.labels), r"is a list; wanted a torch\.Tensor"),
    "quality: too few images": (lambda k: digit_quality(k.digits, k.labels), r"there are 4 images; wanted more than 64"),
    "distance: lists": (lambda k: frechet_distance([[1.0]], [[1.0]]), r"is a list; wanted a torch\.Tensor"),
    "distance: integers": (lambda k: frechet_distance(torch.ones(4, 2, dtype=torch.long), torch.ones(4, 2)), r"dtype torch\.int64; wanted floating"),
    "distance: others are a list": (lambda k: frechet_distance(torch.ones(4, 2), [[1.0]]), r"others is a list; wanted a torch\.Tensor"),
    "distance: NaN": (lambda k: frechet_distance(torch.full((4, 2), torch.nan), torch.ones(4, 2)), r"NaN or infinite; wanted finite"),
    "real_quality: text": (lambda k: real_quality("100"), r"count is '100'; wanted an integer"),
}
# fmt: on

MISTAKES = {
    f"{part}: {name}": row
    for part, rows in {
        "sampling": SAMPLING,
        "denoisers": DENOISERS,
        "formulas": FORMULAS,
        "editing": EDITING,
        "illusions": ILLUSIONS,
        "models": MODELS,
        "data": DATA,
        "showing": SHOWING,
        "learning": LEARNING,
    }.items()
    for name, row in rows.items()
}


def main() -> None:
    """Run the list, and print what is no sentence."""
    os.environ.update(COURSE_HEADLESS="1", TQDM_DISABLE="1", HF_HUB_OFFLINE="1")
    counts = Counter()
    for name, (call, _) in MISTAKES.items():
        kind, words = outcome(functools.partial(call, kit()))
        counts[kind] += 1
        if kind != "sentence" or "-v" in sys.argv:
            print(f"{kind:8}  {name}: {words[:150]!r}")
    print(f"{len(MISTAKES)} mistakes: " + ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))


if __name__ == "__main__":
    main()
