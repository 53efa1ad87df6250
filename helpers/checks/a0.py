"""Exercise of notebook 0: the timesteps."""

# ruff: noqa: E501 (one mistake, two lines)

import itertools

import torch

from .exercise import Exercise, Mistake, alike
from .measured import Measured

__all__ = ["EXERCISES"]


def probe_timesteps(student):
    for steps, T in ((34, 1000), (20, 1000), (150, 1000), (50, 50), (7, 300)):
        given = student(f"steps = {steps}, T = {T}", steps, T)
        try:
            ts = [t.item() if torch.is_tensor(t) else t for t in given]
            whole = all(t == int(t) for t in ts)
            kinds = all(isinstance(t, int) or hasattr(t, "__index__") for t in ts)
        except TypeError:
            ts, whole, kinds = [], False, False
        yield Measured("all are whole numbers", whole)
        yield Measured("all are integers, not floats", kinds)
        ts = [int(t) for t in ts] or [0]
        yield Measured(
            "the last timestep",
            ts[-1],
            name="does not end at 0",
            say="The last timestep has to be 0: otherwise the last estimate is made from a noisy image, and lacks detail.",
        )
        yield Measured("how many there are", len(ts))
        yield Measured(
            "the first is below T",
            ts[0] < T,
            name="begins at T",
            say="It begins at T, or beyond. Timesteps run from 0 to T - 1: there is no ᾱ for T.",
        )
        yield Measured(
            "the first is in the noisiest 2 %, or as near as T allows",
            ts[0] >= int(0.98 * T),
            name="begins in the middle",
            say="The first timestep is too small. A sampler begins with pure noise, and the network would take it for "
            "an image that is less noisy.",
        )
        if steps == 150:
            yield Measured(
                "the first timestep",
                ts[0],
                name="spread from below T − 1",
                say="No whole stride from 0 begins in the noisiest 2 % here, so spread the timesteps from "
                "T - 1 down to 0, both ends included: there are steps - 1 gaps between them.",
            )
        strides = [a - b for a, b in itertools.pairwise(ts)] or [0]
        yield Measured("each is smaller than the one before", min(strides) > 0)
        yield Measured("the strides are equal, but for one", max(strides) - min(strides) <= 1)
        if steps == 34:
            yield Measured(
                "the timesteps",
                ts,
                name="another stride",
                say="They are evenly spread, but not with the wanted stride. Where one whole number can be the stride "
                "between all of them, and the first is still in the noisiest 2 %, it is: here 990, 960, …, 0.",
            )


def strided_timesteps(steps=34, T=1000):
    stride = (T - 1) // (steps - 1)
    first = stride * (steps - 1)
    if first < 0.98 * T:
        first = T - 1
    return [first * i // (steps - 1) for i in reversed(range(steps))]


EXERCISES = [
    Exercise(
        name="strided_timesteps",
        notebook="a0",
        kit="helpers.schedule.strided_timesteps",
        task="Choose `steps` timesteps out of T, evenly spaced, from the noisy end down to 0.",
        look="Print the list: how many are there, and what are the first and the last?",
        probe=probe_timesteps,
        right=strided_timesteps,
        mistakes=(
            Mistake("upside down", "reversed(range(steps))", "range(steps)",
                    "They increase. A sampler begins with pure noise and ends at 0, so they have to decrease."),
            *alike("0 left out", "0 is missing: the last timestep has to be 0, or detail is missing in the image.",
                   ("first * i // (steps - 1)", "T // steps * (i + 1)"),
                   ("def strided_timesteps(steps=34, T=1000):", "def strided_timesteps(steps=34, T=1000):\n    return right(steps + 1, T)[:-1]\n\n\ndef right(steps, T):")),
            Mistake("begins at T", "first * i // (steps - 1)", "round(T * i / (steps - 1))",
                    "It begins at T. Timesteps run from 0 to T - 1: there is no ᾱ for T."),
            Mistake("one too few", "def strided_timesteps(steps=34, T=1000):", "def strided_timesteps(steps=34, T=1000):\n    return right(max(steps - 1, 2), T)\n\n\ndef right(steps, T):",
                    "There is one too few. Between `steps` timesteps there are steps - 1 strides."),
            Mistake("one too many", "def strided_timesteps(steps=34, T=1000):", "def strided_timesteps(steps=34, T=1000):\n    return right(min(steps + 1, T), T)\n\n\ndef right(steps, T):",
                    "There is one too many. Between `steps` timesteps there are steps - 1 strides."),
            Mistake("stride of 30 always", "[first * i // (steps - 1) for i in reversed(range(steps))]", "list(range(990, -1, -30))",
                    "It always gives 990, 960, …: `steps` and T are ignored. They determine the stride."),
            Mistake("begins in the middle", "first * i // (steps - 1)", "T // steps * i",
                    "The first timestep is too small: the whole number T // steps is used for a stride, and rounding excludes the noisiest timesteps. Between `steps` timesteps there are steps - 1 strides."),
            Mistake("begins in the middle", "first < 0.98 * T", "False",
                    "The first timestep is too small: the stride is rounded down to a whole number, even where T is not a multiple of it, and the rounding errors add up. Round the timesteps, not the stride."),
            *alike("strides from T − 1 miss 0", "It goes down from T - 1 in equal strides until it is below 0. They need not reach 0, and their number may differ from `steps`: the first and the last timestep are given, and `steps` counts both.",
                   ("[first * i // (steps - 1) for i in reversed(range(steps))]", "list(range(T - 1, -1, -(T // steps)))"),
                   ("[first * i // (steps - 1) for i in reversed(range(steps))]", "list(range(T - 1, -1, -stride))"),
                   ("[first * i // (steps - 1) for i in reversed(range(steps))]", "list(range(T - 1, -1, -max(round(T / steps), 1)))")),
            Mistake("floats", "first * i // (steps - 1)", "float(first * i // (steps - 1))",
                    "They are floats. A timestep is an index into alphas_cumprod, so it has to be an int."),
            Mistake("not whole", "first * i // (steps - 1)", "(T - 1) * i / (steps - 1)",
                    "They are not whole numbers. A timestep is an index into alphas_cumprod."),
        ),
    )
]  # fmt: skip
