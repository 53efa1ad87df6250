"""Shared by the exercises on sampling digits: a toy network, the probe, and the mistakes in algorithm 2."""

# ruff: noqa: E501 (one mistake, two lines)

import itertools
import math

import torch
from torch import nn

from . import toys
from .exercise import Mistake, alike
from .faults import Fault
from .measured import Measured
from .running import tensor

__all__: list[str] = []  # it is for the checks alone


class Drawer(nn.Module):
    """A toy digit network. It records each call; its BatchNorm reveals training mode."""

    def __init__(self, classes: bool):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.classes, self.calls = classes, []

    def forward(self, x, t01, c=None):
        if (c is not None) != self.classes:
            say = (
                'called without c: for "any digit", c is all zeros' if self.classes else "given a class: it takes none"
            )
            raise Fault("wrong arguments of the network", f"The network is {say}.")
        if not torch.is_tensor(t01) or t01.shape != (len(x), 1):
            given = tuple(t01.shape) if torch.is_tensor(t01) else t01
            raise Fault("shape of t01", f"The network receives the time as {given}; it needs a tensor ({len(x)}, 1).")
        t01, rows = t01.float(), torch.zeros(len(x), 10) if c is None else c.float()  # FCBlock takes any precision
        if rows.shape != (len(x), 10):
            raise Fault("shape of c", f"The network is given c of shape {tuple(rows.shape)}; wanted ({len(x)}, 10).")
        push = (rows * torch.linspace(-1, 1.5, 10)).sum(dim=1).view(-1, 1, 1, 1)  # (no matrix product: never in bf16)
        self.calls.append((x.detach().clone(), t01.detach().clone(), rows.detach().clone(), self.training))
        return self.answer(x, t01, push)

    def answer(self, x, t01, push):
        return torch.tanh(self.scale * self.norm(x) + t01.view(-1, 1, 1, 1) + push * torch.sin(2 * x))

    def plain(self, x, t01, rows):
        """The same in evaluation mode, without a record."""
        push = (rows * torch.linspace(-1, 1.5, 10)).sum(dim=1).view(-1, 1, 1, 1)
        x_hat = x / math.sqrt(1 + self.norm.eps)  # a fresh BatchNorm's averages are 0 and 1
        return torch.tanh(0.7 * x_hat + t01.view(-1, 1, 1, 1) + push * torch.sin(2 * x))


def rows_by_time(network):
    """The recorded calls, grouped by timestep in order of appearance: [t01, x with a class, x without, c].

    The result is the same if the digits are sampled one after the other.
    """
    steps = {}
    for x, t01, rows, _ in network.calls:
        told = rows.any(dim=1)
        for value in dict.fromkeys(t01.flatten().tolist()):
            here = (t01 == value).flatten()
            parts = steps.setdefault(round(value, 5), ([], [], []))
            for part, seen in zip(parts, (x[here & told], x[here & ~told], rows[here & told])):
                part.append(seen)
    return [[value, *map(torch.cat, parts)] for value, parts in steps.items()]


def in_the_results_order(steps, x0, classes):
    """The rows of each timestep in x0's order, in case the digits were not sampled in this order."""
    last = steps[-1][1 if classes else 2]
    if last.shape != x0.shape:
        return steps
    rows = torch.cdist(x0.to(last).flatten(1), last.flatten(1)).argmin(dim=1)  # the last step hardly changes a digit
    if len(rows.unique()) < len(rows):
        return steps
    return [[value, *(part[rows] if len(part) == len(rows) else part for part in parts)] for value, *parts in steps]


def probe_mode(network, calls, x0):
    """Measures whether the network predicted in evaluation mode, was left as it was, and the result has no graph."""
    yield toys.no_gradient(x0)
    yield Measured("the network predicts in evaluation mode", not any(training for *_, training in calls))
    yield Measured("the network's running averages are as they were", bool((network.norm.running_mean == 0).all()))


def probe_asked(steps, states, x0, c, image):
    """Measures what the network was asked about (its states, one for each step), and from which noise it began.

    c: the classes asked for, or None without classes. image: the name of a state.
    Returns whether each step is about images like the result, x0, so that more can be measured.
    """
    yield Measured("how many images the network sees at each time", [len(x) for x in states])
    if c is not None:
        _, with_class, without, rows = steps[0]
        told = torch.cat([rows, torch.zeros(len(without), 10)])
        yield Measured("the conditions that the network is told, each once, in order", told.unique(dim=0))
        yield Measured("how many of them without their class", [len(without) for _, _, without, _ in steps])
        if len(with_class) != len(c):
            return False
        yield Measured("the classes that it receives", rows)
        same = all(a.shape == b.shape and torch.equal(a, b) for _, a, b, _ in steps)
        yield Measured(
            "the network sees the same images with and without their class",
            same,
            name="other images without the class",
            say=f"The calls without the class and with it have different {image}: the difference of the two "
            "predictions is then not the effect of the class.",
        )
    if any(x.shape != x0.shape for x in states):
        return False
    start = states[0]
    yield Measured("the mean and the deviation of the start", toys.mean_and_std(start), 2.5 * toys.NOISY)
    yield toys.reach(start, "the start")
    yield Measured("the likeness of two digits' start", toys.likeness(start[0], start[1]), 6 * toys.NOISY)
    return True


def probe_digits(student, classes=False):
    steep = toys.schedule(T := 6)
    abar, betas = steep.alphas_cumprod, steep.betas
    network, count = Drawer(classes).train(), 6
    c = torch.eye(10)[torch.tensor([0, 9, 4, 4, 1, 7])]
    gamma = 3.0

    def draw(case, seed=111, gamma=gamma):
        network.calls.clear()
        arguments = (c, gamma) if classes else (count,)
        result = student(case, network, steep, *arguments, generator=toys.seeded(seed))
        tensor(result, "the result")
        return result

    case = "a schedule of 6 timesteps, 6 digits" + (f", gamma = {gamma:g}" if classes else "")
    x0 = draw(case)
    calls = list(network.calls)
    yield from probe_mode(network, calls, x0)
    steps = in_the_results_order(rows_by_time(network), x0, classes)
    times = [round(value * T) for value, *_ in steps]
    yield Measured(
        "the network is called at the last timestep, t = 0",
        times != list(range(T - 1, 0, -1)),
        name="the last step skipped",
        say="The loop ends at t = 1: the step at t = 0 is missing. range(T - 1, -1, -1) ends at 0.",
    )
    yield Measured("the times t/T that the network is told", [value for value, *_ in steps], 1e-5)
    yield Measured("the shape of the result", list(x0.shape))
    conditional = [with_class if classes else without for _, with_class, without, _ in steps]
    if not (yield from probe_asked(steps, conditional, x0, c if classes else None, "x_t")):
        return

    def guess(x, t):
        t01 = torch.full((len(x), 1), t / T)
        u = network.plain(x, t01, torch.zeros(len(x), 10))
        return u + gamma * (network.plain(x, t01, c) - u) if classes else u

    drawn, states = [], [*conditional, x0]
    for t, (x, x_next) in zip(range(T - 1, -1, -1), itertools.pairwise(states)):
        expected = (x - betas[t] / (1 - abar[t]).sqrt() * guess(x, t)) / (1 - betas[t]).sqrt()
        z = x_next - expected
        if t == 0:
            yield from toys.nothing_left(z, "what the last step adds to its mean")
            break
        drawn.append(z)
        yield Measured(
            f"the mean and the deviation of what the step from t = {t} adds", toys.mean_and_std(z), toys.NOISY
        )
        yield Measured(f"the deviation of what the step from t = {t} adds, alone", toys.std(z), 1.6 * toys.NOISY)
        yield toys.reach(z, f"what the step from t = {t} adds")
    yield Measured("the likeness of the noise of two steps", toys.likeness(drawn[0], drawn[1]), 2.5 * toys.NOISY)
    yield Measured("the likeness of two digits' noise", toys.likeness(drawn[0][0], drawn[0][1]), 6 * toys.NOISY)
    yield from toys.of_chance(x0, draw(case), draw(case, seed=112))


# The mean of a step, in both references.
MEAN = "(x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()"

DIGIT_MISTAKES = (
    Mistake("BatchNorm in training mode", "network.eval()", "pass",
            "The network predicts in training mode: BatchNorm then takes the mean and variance of this batch, so that each digit depends on the others. network.eval() first."),
    Mistake("the last step skipped", "range(T - 1, -1, -1)", "range(T - 1, 0, -1)",
            "The loop ends at t = 1: the step at t = 0 is missing. range(T - 1, -1, -1) ends at 0."),
    Mistake("t off by one", "t / T)", "(t + 1) / T)",
            "The network receives (t + 1)/T. In training it received t/T, with t from 0 to T - 1."),
    Mistake("t instead of t/T", "t / T)", "float(t))", "The network receives t. It needs t/T, a number in [0, 1]."),
    Mistake("t/(T − 1)", "t / T)", "t / (T - 1))", "The network receives t/(T - 1). In training it received t/T."),
    Mistake("t/1000", "t / T)", "t / 1000)",
            "The network receives t/1000. Its schedule has T timesteps, and in training it received t/T: schedule.T."),
    Mistake("time runs upwards", "range(T - 1, -1, -1)", "range(T)",
            "t runs from 0 up. Sampling begins with noise, at t = T - 1."),
    Mistake("noise at the last step", "if t > 0 else mean", "",
            "Noise is added at the last step, t = 0. No later step removes it."),
    Mistake("β̃ instead of β", "beta.sqrt() * z", "(beta * (1 - abar / (1 - beta)) / (1 - abar)).clamp(min=0).sqrt() * z",
            "The noise has the variance β̃_t. CS180 takes β_t."),
    Mistake("variance instead of standard deviation", "beta.sqrt() * z", "beta * z",
            "The noise is multiplied by β_t, its variance: multiply by the root."),
    Mistake("noise at full strength", "beta.sqrt() * z", "z",
            "The noise of each step has variance 1: its factor √β_t is missing."),
    Mistake("no noise", "beta.sqrt() * z", "0 * z", "The steps add no noise. Each but the last adds √β_t z."),
    Mistake("no noise at t = 1", "if t > 0", "if t > 1",
            "The step from t = 1 adds no noise. Algorithm 2 counts from 1 to T, and leaves it out at 1; counted from 0, as here, that is t = 0."),
    *alike("σ of another timestep", "The noise has the strength of another timestep. The step from t adds √β_t z: schedule.betas[t].",
           ("beta.sqrt() * z", "schedule.betas[t - 1].sqrt() * z"),
           ("beta.sqrt() * z", "schedule.betas[min(t + 1, T - 1)].sqrt() * z")),
    Mistake("another start", "x = draw((count, 1, 28, 28), generator=generator)", "x = 0.5 + 0.5 * draw((count, 1, 28, 28), generator=generator)",
            "The start is normal, but with mean 0.5 and deviation 0.5, as if noise had to fit into [0, 1]. Pure noise has mean 0 and deviation 1."),
    *(
        Mistake("x_t clamped", piece, instead.format(low),
                f"x_t is clamped in the loop. A noisy image has to exceed [{low}, 1]: clamp only for display.")
        for low in (0, -1)
        for piece, instead in (("return x", "    x = x.clamp({}, 1)\n    return x"), (MEAN, f"({MEAN}).clamp({{}}, 1)"))
    ),
    *(
        Mistake("x0_hat clamped", f"mean = {MEAN}",
                f"x0_hat = ((x - (1 - abar).sqrt() * eps) / abar.sqrt()).clamp({low}, 1)\n"
                f"        eps = (x - abar.sqrt() * x0_hat) / (1 - abar).sqrt()\n        mean = {MEAN}",
                f"The estimate x0_hat is clamped to [{low}, 1] at every step. Algorithm 2 takes the predicted noise as it is.")
        for low in (0, -1)
    ),
    Mistake("result clamped", "return x", "return x.clamp(0, 1)",
            "The result is clamped. Clamp only for display: return x0 as the last step gives it."),
    Mistake("division by √α forgotten", " / (1 - beta).sqrt()", "",
            "The mean is not divided by √α_t, where α_t = 1 − β_t."),
    Mistake("√(1 − ᾱ) forgotten", "beta / (1 - abar).sqrt()", "beta / (1 - abar)",
            "The noise is weighted by β_t / (1 − ᾱ_t): the square root is missing."),
    Mistake("√β in the mean", "beta / (1 - abar).sqrt()", "beta.sqrt() / (1 - abar).sqrt()",
            "The predicted noise is weighted by √β_t where β_t belongs."),
    Mistake("√ᾱ instead of √α", "/ (1 - beta).sqrt()", "/ abar.sqrt()",
            "The mean is divided by √ᾱ_t. It is one step's own √α_t, with α_t = 1 − β_t."),
    Mistake("√α forgotten", "/ (1 - beta).sqrt()", "/ (1 - beta)",
            "The mean is divided by α_t itself, where its root belongs: √α_t, with α_t = 1 − β_t."),
    Mistake("noise added", "(x - beta", "(x + beta", "The predicted noise is added; it should be subtracted."),
    Mistake("all the noise at once", "beta / (1 - abar).sqrt()", "(1 - abar).sqrt()",
            "The predicted noise is weighted by √(1 − ᾱ_t), which is all of it. A step takes a part: β_t / √(1 − ᾱ_t)."),
    Mistake("1 − ᾱ instead of β", "beta, abar = schedule.betas[t],", "beta, abar = 1 - schedule.alphas_cumprod[t],",
            "It looks as if 1 − ᾱ_t were taken for β_t, and so ᾱ_t for α_t: that is the noise of the whole way. One step's own is schedule.betas[t]."),
    Mistake("all the noise at once", "(x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()", "(x - (1 - abar).sqrt() * eps) / abar.sqrt()",
            "Each step jumps to the estimate x0_hat and adds a little noise. It has to take a part of the noise only."),
    *alike("one noise for all steps", "All steps add the same noise: draw it inside the loop.",
           ("z = draw(x.shape, generator=generator)", "z = z if t < T - 1 else draw(x.shape, generator=generator)"),
           ("    for t in", "    z = draw(x.shape, generator=generator)\n    draw = lambda shape, generator: z\n    for t in")),
    *(
        Mistake(name, piece, instead.format(drawn.format(shape)), say)
        for piece, instead, shape in (
            ("draw = torch.randn", "draw = lambda shape, generator: {}", "shape"),
            ("x = draw((count, 1, 28, 28), generator=generator)", "x = {}", "(count, 1, 28, 28)"),
            ("z = draw(x.shape, generator=generator)", "z = {}", "x.shape"),
        )
        for name, drawn, say in toys.OTHER_NOISES
    ),
)  # fmt: skip
