"""Exercises of notebook B 2.3: a network of digits as a denoiser, and the sampler of algorithm 2."""

import math

import torch
from torch import nn

from ..denoisers import Prediction
from ..digits import DigitDenoiser
from .exercise import Exercise, Mistake
from .faults import Fault
from .measured import Measured
from .running import tensor
from .samplers import digit_mistakes, digits_by, probe_digits
from .toys import ask, noise, schedule

__all__ = ["EXERCISES"]

sample_digits = Exercise(
    name="sample_digits",
    notebook="b2_3",
    kit="helpers.digits.sample_digits",
    task="Write algorithm 2: from pure noise down all the timesteps, √β_t z added at every step but the last.",
    look="Print t and the mean and deviation of x at each step: where does it leave what the formula gives?",
    probe=probe_digits,
    right=digits_by(),
    mistakes=digit_mistakes(False),
)


class Digits(nn.Module):
    """A network in small that notes how it is called. Its BatchNorm has averages, so the mode shows in its answer."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.norm.running_mean.fill_(0.3)
        self.calls = []

    def forward(self, x, t01, c=None):
        if not torch.is_tensor(t01) or t01.shape != (len(x), 1):
            given = tuple(t01.shape) if torch.is_tensor(t01) else t01
            raise Fault("shape of t01", f"The network is told the time as {given}; it wants a tensor ({len(x)}, 1).")
        if c is not None and (not torch.is_tensor(c) or c.shape != (len(x), 10)):
            given = tuple(c.shape) if torch.is_tensor(c) else c
            raise Fault("shape of c", f"The network is given the class as {given}; it wants a tensor ({len(x)}, 10).")
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


NOT_ONE = "var is not 1. It says where between β̃ (-1) and β (+1) the variance lies: the course's steps take β."


def classes_of(cond, count):
    """What the network gets beside the time, as a tuple: nothing, or a class for each picture."""
    return () if isinstance(cond, tuple) else (cond.expand(count, -1),)


def digit_denoiser_by(
    told=lambda t, T: t / T,
    ready=True,
    woken=False,
    var=lambda eps, beta: torch.ones_like(eps),
    classes=classes_of,
):
    class Denoiser:
        def __init__(self, unet, schedule):
            self.unet, self.schedule = unet, schedule

        def __call__(self, x_t, t, cond):
            was = self.unet.training
            if ready:
                self.unet.eval()
            t01 = torch.full((len(x_t), 1), told(t, self.schedule.T))
            eps = self.unet(x_t, t01, *classes(cond, len(x_t))).detach()
            self.unet.train(was or woken)
            return Prediction(eps, var(eps, self.schedule.betas[t].item()))

    return Denoiser


digit_denoiser = Exercise(
    name="digit_denoiser",
    notebook="b2_3",
    kit="helpers.digits.DigitDenoiser",
    task="Ask the network, in evaluation mode and told t/T, which noise it sees; var = 1 everywhere, which means β.",
    look="Print what the network is given: x_t, a column of t/T with a row for each picture, and the class if "
    "there is one.",
    probe=probe_digit_denoiser,
    right=digit_denoiser_by(),
    blank=("__call__",),
    mistakes=(
        Mistake(
            "t instead of t/T",
            digit_denoiser_by(told=lambda t, T: float(t)),
            "The network is told t. It wants t/T, a number in [0, 1].",
        ),
        Mistake(
            "t off by one",
            digit_denoiser_by(told=lambda t, T: (t + 1) / T),
            "The network is told (t + 1)/T. In training it was told t/T, with t from 0 to T - 1.",
        ),
        Mistake(
            "t/(T − 1)",
            digit_denoiser_by(told=lambda t, T: t / (T - 1)),
            "The network is told t/(T - 1). In training it was told t/T.",
        ),
        Mistake(
            "divided without a remainder",
            digit_denoiser_by(told=lambda t, T: t // T),
            "The network is told 0 at every timestep: `//` rounds down to whole numbers. Divide with `/`.",
        ),
        Mistake(
            "time runs backwards",
            digit_denoiser_by(told=lambda t, T: 1 - t / T),
            "The network is told 1 - t/T. t/T is 0 where there is no noise.",
        ),
        Mistake(
            "BatchNorm in training mode",
            digit_denoiser_by(ready=False),
            "The network predicts in training mode: BatchNorm then takes mean and variance of this batch, so that "
            "each picture's answer depends on the others.",
        ),
        Mistake(
            "put into training mode",
            digit_denoiser_by(woken=True),
            "The network was in evaluation mode, and is in training mode afterwards: leave it as it was.",
        ),
        Mistake(
            "β̃ instead of β",
            digit_denoiser_by(var=lambda eps, beta: -torch.ones_like(eps)),
            "var is -1, which means β̃. The course's steps take β: +1.",
        ),
        Mistake(
            "β̃ instead of β",
            digit_denoiser_by(var=lambda eps, beta: None),
            "var is None, with which a step takes β̃. The course's steps take β: +1 everywhere.",
        ),
        Mistake(
            "var = 0",
            digit_denoiser_by(var=lambda eps, beta: torch.zeros_like(eps)),
            "var is 0, which means the middle between β̃ and β. The course's steps take β: +1.",
        ),
        *(
            Mistake(
                "the variance itself as var",
                digit_denoiser_by(var=lambda eps, beta, of=of: torch.full_like(eps, of(beta))),
                f"var is {which}. It is no variance, but says where between β̃ (-1) and β (+1) the variance lies: the "
                "course's steps take β, at every timestep.",
            )
            for which, of in (("β_t itself", float), ("√β_t", math.sqrt), ("log β_t", math.log))
        ),
        Mistake(
            "a single number as var",
            digit_denoiser_by(var=lambda eps, beta: torch.tensor(1.0)),
            "var is a single number. It has one for each of eps: torch.ones_like(eps).",
        ),
        Mistake(
            "class ignored",
            digit_denoiser_by(classes=lambda cond, count: tuple(0 * c for c in classes_of(cond, count))),
            'The class makes no difference: the network is told zeros, "any digit", whatever cond is.',
        ),
        Mistake(
            "() taken for a class",
            digit_denoiser_by(classes=lambda cond, count: (DigitDenoiser.classes(None, cond, count),)),
            "cond is (), the empty tuple, where the network takes no class. That is not None: ask "
            "`isinstance(cond, torch.Tensor)`.",
        ),
        Mistake(
            "a class where there is none",
            digit_denoiser_by(classes=lambda cond, count: classes_of(cond, count) or (torch.zeros(count, 10),)),
            "A network without classes is given some: the condition () means that it takes only x_t and the time.",
        ),
    ),
)


EXERCISES = [sample_digits, digit_denoiser]
