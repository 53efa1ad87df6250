"""Exercises of notebook B 2.3: a network of digits as a denoiser, and the sampler of algorithm 2."""

# ruff: noqa: E501 (one mistake, two lines)

import math  # noqa: F401 (in a mistake)

import torch
from torch import nn

from ..denoisers import Prediction
from ..digits import DigitDenoiser as KitsDigitDenoiser  # noqa: F401 (in a mistake)
from .exercise import Exercise, Mistake, alike
from .faults import Fault
from .measured import Measured
from .running import tensor
from .samplers import DIGIT_MISTAKES, probe_digits
from .toys import ask, noise, schedule

__all__ = ["EXERCISES"]

NOT_ONE = "var is not 1. It interpolates between β̃ (-1) and β (+1), and CS180's steps take β."


class Digits(nn.Module):
    """A toy network that records its calls. Its BatchNorm has running averages, which reveal the mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.norm.running_mean.fill_(0.3)
        self.calls = []

    def forward(self, x, t01, c=None):
        if not torch.is_tensor(t01) or t01.shape != (len(x), 1):
            given = tuple(t01.shape) if torch.is_tensor(t01) else t01
            raise Fault("shape of t01", f"The network receives the time as {given}; it needs a tensor ({len(x)}, 1).")
        if c is not None and (not torch.is_tensor(c) or c.shape != (len(x), 10)):
            given = tuple(c.shape) if torch.is_tensor(c) else c
            raise Fault("shape of c", f"The network is given the class as {given}; it needs a tensor ({len(x)}, 10).")
        t01 = t01.float()  # FCBlock takes any precision
        self.calls.append((t01, c is not None, self.training))
        push = 0.0 if c is None else (c.float() * torch.linspace(-1, 1.5, 10)).sum(dim=1).view(-1, 1, 1, 1)
        return torch.tanh(self.norm(x) + t01.view(-1, 1, 1, 1) + push)


def probe_digit_denoiser(student):
    steep, x_t, c = schedule(), noise(3, 1, 28, 28, seed=126), torch.eye(10)[[3, 0, 7]]
    for words, cond, t in (("without classes", (), 20), ("one-hot classes", c, 49), ("one class for all", c[:1], 0)):
        network = Digits().train()
        denoiser = student(words, network, steep)
        case = f"{words}, t = {t}"
        eps, var = ask(student, denoiser, case, x_t, t, cond)
        times, given, training = zip(
            *network.calls or [(torch.zeros(0), False, True)]
        )  # of one call, or of one for each
        yield Measured("the time that the network is told", torch.cat(times))
        yield Measured("the network is given a class", any(given))
        yield Measured("the network predicts in evaluation mode", not any(training))
        yield Measured("its running average", network.norm.running_mean.clone())
        yield Measured("eps", eps, 0.02)  # half precision is allowed
        yield Measured("the shape of var", None if var is None else list(tensor(var, "var").shape))
        yield Measured("var", var, name="another var than 1", say=NOT_ONE)
    network = Digits().eval()
    ask(student, student("a network in evaluation mode", network, steep), "a network in evaluation mode", x_t, 5, ())
    yield Measured("it stays in evaluation mode", not network.training)


class DigitDenoiser:
    def __init__(self, unet, schedule):
        self.unet, self.schedule = unet, schedule

    @torch.no_grad()
    def __call__(self, x_t, t, cond):
        was_training = self.unet.training
        self.unet.eval()
        t01 = torch.full((len(x_t), 1), t / self.schedule.T)
        classes = [] if isinstance(cond, tuple) else [cond.expand(len(x_t), -1)]
        eps = self.unet(x_t, t01, *classes)
        self.unet.train(was_training)
        return Prediction(eps, torch.ones_like(eps))


BETA = "self.schedule.betas[t].item()"
DENOISER = Exercise(
    name="digit_denoiser",
    notebook="b2_3",
    kit="helpers.digits.DigitDenoiser",
    task="Call the network in evaluation mode, with t/T, to predict the noise; var = 1 everywhere, which means β.",
    look="Print the network's arguments: x_t, a column of t/T with a row for each image, and the class if there is "
    "one.",
    probe=probe_digit_denoiser,
    right=DigitDenoiser,
    blank=("__call__", "ask"),
    mistakes=(
        Mistake("t instead of t/T", "t / self.schedule.T)", "float(t))",
                "The network receives t. It needs t/T, a number in [0, 1]."),
        Mistake("t off by one", "t / self.schedule.T)", "(t + 1) / self.schedule.T)",
                "The network receives (t + 1)/T. In training it received t/T, with t from 0 to T - 1."),
        Mistake("t/(T − 1)", "t / self.schedule.T)", "t / (self.schedule.T - 1))",
                "The network receives t/(T - 1). In training it received t/T."),
        Mistake("divided without a remainder", "t / self.schedule.T)", "t // self.schedule.T)",
                "The network receives 0 at every timestep: `//` rounds down to whole numbers. Divide with `/`."),
        Mistake("time runs backwards", "t / self.schedule.T)", "1 - t / self.schedule.T)",
                "The network receives 1 - t/T. t/T is 0 where there is no noise."),
        Mistake("BatchNorm in training mode", "self.unet.eval()", "pass",
                "The network predicts in training mode: BatchNorm then takes the mean and variance of this batch, so each image's prediction depends on the others."),
        Mistake("put into training mode", "self.unet.train(was_training)", "self.unet.train()",
                "The network was in evaluation mode, and is in training mode afterwards: leave it as it was."),
        Mistake("β̃ instead of β", "torch.ones_like(eps)", "-torch.ones_like(eps)",
                "var is -1, which means β̃. CS180's steps take β: +1."),
        Mistake("β̃ instead of β", "torch.ones_like(eps)", "None",
                "var is None, with which a step takes β̃. CS180's steps take β: +1 everywhere."),
        Mistake("var = 0", "torch.ones_like(eps)", "torch.zeros_like(eps)",
                "var is 0, which means the middle between β̃ and β. CS180's steps take β: +1."),
        *(
            Mistake("the variance itself as var", "torch.ones_like(eps)", f"torch.full_like(eps, {value.format(BETA)})",
                    f"var is {which}. It is not a variance: it interpolates between β̃ (-1) and β (+1). "
                    "CS180's steps take β, at every timestep.")
            for which, value in (("β_t itself", "{}"), ("√β_t", "{} ** 0.5"), ("log β_t", "math.log({})"))
        ),
        Mistake("a single number as var", "torch.ones_like(eps)", "torch.tensor(1.0)",
                "var is a single number. It has one for each of eps: torch.ones_like(eps)."),
        Mistake("class ignored", "[cond.expand(len(x_t), -1)]", "[0 * cond.expand(len(x_t), -1)]",
                "The class makes no difference: the network receives zeros, \"any digit\", and cond is ignored."),
        *alike("() taken for a class", "cond is (), the empty tuple, where the network takes no class. That is not None: ask `isinstance(cond, torch.Tensor)`.",
               ("isinstance(cond, tuple)", "cond is None"),
               ("[] if isinstance(cond, tuple) else [cond.expand(len(x_t), -1)]", "[KitsDigitDenoiser.classes(None, cond, len(x_t))]")),
        Mistake("a class where there is none", "classes = []", "classes = [torch.zeros(len(x_t), 10)]",
                "A network without classes is given some: the condition () means that it takes only x_t and the time."),
    ),
)  # fmt: skip


@torch.no_grad()
def sample_digits(network, schedule, count, *, generator=None):
    network.eval()
    T = schedule.T
    draw = torch.randn
    x = draw((count, 1, 28, 28), generator=generator)
    for t in range(T - 1, -1, -1):
        beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
        t01 = torch.full((count, 1), t / T)
        eps = network(x, t01)
        mean = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
        z = draw(x.shape, generator=generator)
        x = mean + beta.sqrt() * z if t > 0 else mean
    return x


SAMPLER = Exercise(
    name="sample_digits",
    notebook="b2_3",
    kit="helpers.digits.sample_digits",
    task="Write algorithm 2: from pure noise down all the timesteps, √β_t z added at every step but the last.",
    look="Print t and the mean and deviation of x at each step: where does it leave what the formula gives?",
    probe=probe_digits,
    right=sample_digits,
    mistakes=DIGIT_MISTAKES,
)

EXERCISES = [DENOISER, SAMPLER]
