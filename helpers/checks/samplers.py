"""What the two samplers of digits share: a small network, the probe, the reference and its mistakes."""

import itertools
import math

import torch
from torch import nn

from .exercise import Mistake
from .faults import Fault
from .measured import Measured
from .running import tensor
from .toys import NOISY, likeness, mean_and_std, no_gradient, of_chance, other_noises, schedule, seeded


class Drawer(nn.Module):
    """A network of digits in small. It notes each call, and shows by its BatchNorm whether it is in training mode."""

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
            raise Fault("shape of t01", f"The network is told the time as {given}; it wants a tensor ({len(x)}, 1).")
        t01, rows = t01.float(), torch.zeros(len(x), 10) if c is None else c.float()  # FCBlock takes any precision
        if rows.shape != (len(x), 10):
            raise Fault("shape of c", f"The network is given c of shape {tuple(rows.shape)}; wanted ({len(x)}, 10).")
        push = (rows * torch.linspace(-1, 1.5, 10)).sum(dim=1).view(-1, 1, 1, 1)  # (no matrix product: never in bf16)
        self.calls.append((x.detach().clone(), t01.detach().clone(), rows.detach().clone(), self.training))
        return self.answer(x, t01, push)

    def answer(self, x, t01, push):
        return torch.tanh(self.scale * self.norm(x) + t01.view(-1, 1, 1, 1) + push * torch.sin(2 * x))

    def plain(self, x, t01, rows):
        """The same without a note, in evaluation mode."""
        push = (rows * torch.linspace(-1, 1.5, 10)).sum(dim=1).view(-1, 1, 1, 1)
        x_hat = x / math.sqrt(1 + self.norm.eps)  # a fresh BatchNorm's averages are 0 and 1
        return torch.tanh(0.7 * x_hat + t01.view(-1, 1, 1, 1) + push * torch.sin(2 * x))


def rows_by_time(network):
    """The noted calls put together by timestep, as they first came: [t01, x with a class, x without, c].

    So it makes no difference whether all digits go down together or one after the other.
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
    """The rows of each timestep as x0 has them: one class may have had its turn before another."""
    last = steps[-1][1 if classes else 2]
    if last.shape != x0.shape:
        return steps
    rows = torch.cdist(x0.to(last).flatten(1), last.flatten(1)).argmin(dim=1)  # the last step hardly changes a digit
    if len(rows.unique()) < len(rows):
        return steps
    return [[value, *(part[rows] if len(part) == len(rows) else part for part in parts)] for value, *parts in steps]


def probe_digits(student, classes=False):
    steep = schedule(T := 6)
    abar, betas = steep.alphas_cumprod, steep.betas
    network, count = Drawer(classes).train(), 6
    c = torch.eye(10)[torch.tensor([0, 9, 4, 4, 1, 7])]
    gamma = 3.0

    def draw(case, seed=111, gamma=gamma):
        network.calls.clear()
        arguments = (c, gamma) if classes else (count,)
        result = student(case, network, steep, *arguments, generator=seeded(seed))
        tensor(result, "the result")
        return result

    case = "a schedule of 6 timesteps, 6 digits" + (f", gamma = {gamma:g}" if classes else "")
    x0 = draw(case)
    calls = list(network.calls)
    yield no_gradient(x0)
    yield Measured("the network predicts in evaluation mode", not any(training for *_, training in calls))
    yield Measured("the network's running averages are as they were", bool((network.norm.running_mean == 0).all()))
    steps = in_the_results_order(rows_by_time(network), x0, classes)
    yield Measured("the times t/T that the network is told", [value for value, *_ in steps], 1e-5)
    yield Measured("the shape of the result", list(x0.shape))
    conditional = [with_class if classes else without for _, with_class, without, _ in steps]
    yield Measured("how many pictures the network sees at each time", [len(x) for x in conditional])
    if classes:
        told = torch.cat([steps[0][3], torch.zeros(len(steps[0][2]), 10)])
        yield Measured("the conditions that the network is told, each once, in order", told.unique(dim=0))
        yield Measured("how many of them without their class", [len(without) for _, _, without, _ in steps])
        yield Measured("the classes that it is told", steps[0][3])
        same = all(a.shape == b.shape and torch.equal(a, b) for _, a, b, _ in steps)
        yield Measured(
            "the network sees the same pictures with and without their class",
            same,
            name="other pictures without the class",
            say="What the network is asked without the class is not the x_t that it is asked about with it: the "
            "difference of the two answers then says nothing about the class.",
        )
    start = conditional[0]
    yield Measured("the mean and the deviation of the start", mean_and_std(start), 2.5 * NOISY)
    yield Measured("the likeness of two digits' start", likeness(start[0], start[1]), 6 * NOISY)

    def guess(x, t):
        t01 = torch.full((len(x), 1), t / T)
        u = network.plain(x, t01, torch.zeros(len(x), 10))
        return u + gamma * (network.plain(x, t01, c) - u) if classes else u

    drawn, states = [], [*conditional, x0]
    for t, (x, x_next) in zip(range(T - 1, -1, -1), itertools.pairwise(states)):
        expected = (x - betas[t] / (1 - abar[t]).sqrt() * guess(x, t)) / (1 - betas[t]).sqrt()
        z = x_next - expected
        if t == 0:
            yield Measured("what the last step adds to its mean", z, 1e-3)
            break
        drawn.append(z)
        yield Measured(f"the mean and the deviation of what the step from t = {t} adds", mean_and_std(z), NOISY)
    yield Measured("the likeness of the noise of two steps", likeness(drawn[0], drawn[1]), 2.5 * NOISY)
    yield Measured("the likeness of two digits' noise", likeness(drawn[0][0], drawn[0][1]), 6 * NOISY)
    yield from of_chance(x0, draw(case), draw(case, seed=112))


def digits_by(
    classes=False,
    *,
    times=lambda T: range(T - 1, -1, -1),
    told=lambda t, T: t / T,
    sigma=None,
    last=False,
    ready=True,
    start=torch.randn,
    guide=lambda u, c, g: u + g * (c - u),
    mean_of=None,
    clamp=None,
    draw=torch.randn,
    keep_state=False,
    scale_out=None,
    fixed=False,
    pictures_of=None,
    empty=None,
):
    """Algorithm 2, written from the paper, and with everything in it that can be got wrong."""

    @torch.no_grad()
    def sample(network, schedule, *arguments, generator=None):
        count = len(arguments[0]) if classes else arguments[0]
        T, betas, abar = schedule.T, schedule.betas, schedule.alphas_cumprod
        if ready:
            network.eval()
        x = start((count, 1, 28, 28), generator=generator)
        frozen = torch.randn(x.shape, generator=generator) if fixed else None
        for t in times(T):
            t01 = torch.full((count, 1), told(t, T))
            if classes:
                c, gamma = arguments
                nothing = torch.zeros_like(c) if empty is None else empty(c)
                eps = guide(network(x, t01, nothing), network(x, t01, c), gamma) if guide else network(x, t01, c)
            else:
                eps = network(x, t01)
            beta = betas[t]
            if mean_of:
                mu = mean_of(x, eps, t, betas, abar)
            else:
                mu = (x - beta / (1 - abar[t]).sqrt() * eps) / (1 - beta).sqrt()
            z = frozen if fixed else draw(x.shape, generator=generator)
            spread = sigma(t, betas, abar) if sigma else beta.sqrt()
            x = mu + spread * z if t > 0 or last else mu
            if clamp:
                x = clamp(x, t)
        return x

    return sample


def beta_tilde(t, betas, abar):
    before = abar[t - 1] if t > 0 else torch.tensor(1.0)
    return (betas[t] * (1 - before) / (1 - abar[t])).sqrt()


def digit_mistakes(classes):
    def wrong(**twist):
        return digits_by(classes, **twist)

    mu = {
        "right": lambda x, e, t, b, a: (x - b[t] / (1 - a[t]).sqrt() * e) / (1 - b[t]).sqrt(),
        "not divided": lambda x, e, t, b, a: x - b[t] / (1 - a[t]).sqrt() * e,
        "beta": lambda x, e, t, b, a: (x - b[t] / (1 - a[t]) * e) / (1 - b[t]).sqrt(),
        "all": lambda x, e, t, b, a: (x - (1 - a[t]).sqrt() * e) / a[t].sqrt(),
        "root": lambda x, e, t, b, a: (x - b[t].sqrt() / (1 - a[t]).sqrt() * e) / (1 - b[t]).sqrt(),
        "abar": lambda x, e, t, b, a: (x - b[t] / (1 - a[t]).sqrt() * e) / a[t].sqrt(),
        "alpha": lambda x, e, t, b, a: (x - b[t] / (1 - a[t]).sqrt() * e) / (1 - b[t]),
        "sign": lambda x, e, t, b, a: (x + b[t] / (1 - a[t]).sqrt() * e) / (1 - b[t]).sqrt(),
        "whole": lambda x, e, t, b, a: (x - (1 - a[t]).sqrt() * e) / (1 - b[t]).sqrt(),
    }
    return (
        Mistake(
            "BatchNorm in training mode",
            wrong(ready=False),
            "The network predicts in training mode: BatchNorm then takes mean and variance of this batch, so that "
            "each digit depends on the others. network.eval() first.",
        ),
        Mistake(
            "the last step skipped",
            wrong(times=lambda T: range(T - 1, 0, -1)),
            "The loop ends at t = 1: the step at t = 0 is missing. range(T - 1, -1, -1) ends at 0.",
        ),
        Mistake(
            "t off by one",
            wrong(told=lambda t, T: (t + 1) / T),
            "The network is told (t + 1)/T. In training it was told t/T, with t from 0 to T - 1.",
        ),
        Mistake(
            "t instead of t/T",
            wrong(told=lambda t, T: float(t)),
            "The network is told t. It wants t/T, a number in [0, 1].",
        ),
        Mistake(
            "t/(T − 1)",
            wrong(told=lambda t, T: t / (T - 1)),
            "The network is told t/(T - 1). In training it was told t/T.",
        ),
        Mistake(
            "t/1000",
            wrong(told=lambda t, T: t / 1000),
            "The network is told t/1000. Its schedule has T timesteps, and in training it was told t/T: schedule.T.",
        ),
        Mistake(
            "time runs upwards",
            wrong(times=lambda T: range(T)),
            "t runs from 0 up. Sampling begins with noise, at t = T - 1.",
        ),
        Mistake(
            "noise at the last step",
            wrong(last=True),
            "Noise is added at the last step, t = 0. Nothing comes after it to take the noise away.",
        ),
        Mistake("β̃ instead of β", wrong(sigma=beta_tilde), "The noise has the variance β̃_t. The course takes β_t."),
        Mistake(
            "variance instead of standard deviation",
            wrong(sigma=lambda t, b, a: b[t]),
            "The noise is multiplied by β_t, its variance: multiply by the root.",
        ),
        Mistake(
            "noise at full strength",
            wrong(sigma=lambda t, b, a: torch.tensor(1.0)),
            "The noise of each step has variance 1: its factor √β_t is missing.",
        ),
        Mistake(
            "no noise",
            wrong(sigma=lambda t, b, a: torch.tensor(0.0)),
            "The steps add no noise. Each but the last adds √β_t z.",
        ),
        Mistake(
            "no noise at t = 1",
            wrong(sigma=lambda t, b, a: b[t].sqrt() * (t > 1)),
            "The step from t = 1 adds no noise. Algorithm 2 counts from 1 to T, and leaves it out at 1; counted from "
            "0, as here, that is t = 0.",
        ),
        Mistake(
            "another start",
            wrong(start=lambda shape, generator: 0.5 + 0.5 * torch.randn(shape, generator=generator)),
            "The start is normal, but with mean 0.5 and deviation 0.5, as if noise had to fit into [0, 1]. Pure noise "
            "has mean 0 and deviation 1.",
        ),
        *(
            Mistake(
                "x_t clamped",
                twist,
                f"x_t is clamped in the loop. A noisy picture has to leave [{low}, 1]: clamp for the display only.",
            )
            for low in (0, -1)
            for twist in (
                wrong(clamp=lambda x, t, low=low: x.clamp(low, 1)),
                wrong(mean_of=lambda *step, low=low: mu["right"](*step).clamp(low, 1)),
            )
        ),
        Mistake(
            "result clamped",
            wrong(clamp=lambda x, t: x.clamp(0, 1) if t == 0 else x),
            "The result is clamped. That is for whoever shows it to do: return x0 as the last step leaves it.",
        ),
        Mistake(
            "division by √α forgotten",
            wrong(mean_of=mu["not divided"]),
            "The mean is not divided by √α_t, where α_t = 1 − β_t.",
        ),
        Mistake(
            "√(1 − ᾱ) forgotten",
            wrong(mean_of=mu["beta"]),
            "The noise is weighted by β_t / (1 − ᾱ_t): the square root is missing.",
        ),
        Mistake(
            "√β in the mean", wrong(mean_of=mu["root"]), "The predicted noise is weighted by √β_t where β_t belongs."
        ),
        Mistake(
            "√ᾱ instead of √α",
            wrong(mean_of=mu["abar"]),
            "The mean is divided by √ᾱ_t. It is one step's own √α_t, with α_t = 1 − β_t.",
        ),
        Mistake(
            "√α forgotten",
            wrong(mean_of=mu["alpha"]),
            "The mean is divided by α_t itself, where its root belongs: √α_t, with α_t = 1 − β_t.",
        ),
        Mistake("noise added", wrong(mean_of=mu["sign"]), "The predicted noise is added where it is to be taken away."),
        Mistake(
            "all the noise at once",
            wrong(mean_of=mu["whole"]),
            "The predicted noise is weighted by √(1 − ᾱ_t), which is all of it. A step takes a part: β_t / √(1 − ᾱ_t).",
        ),
        Mistake(
            "1 − ᾱ instead of β",
            wrong(mean_of=mu["all"], sigma=lambda t, b, a: (1 - a[t]).sqrt()),
            "It looks as if 1 − ᾱ_t were taken for β_t, and so ᾱ_t for α_t: that is the noise of the whole way. One "
            "step's own is schedule.betas[t].",
        ),
        Mistake(
            "all the noise at once",
            wrong(mean_of=mu["all"]),
            "Each step jumps to the estimate x0_hat and adds a little noise. It has to take a part of the noise only.",
        ),
        Mistake("one noise for all steps", wrong(fixed=True), "All steps add the same noise: draw it inside the loop."),
        *other_noises(lambda draw: wrong(start=draw, draw=draw)),
        *other_noises(lambda draw: wrong(start=draw)),
        *other_noises(lambda draw: wrong(draw=draw)),
    )
