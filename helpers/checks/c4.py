"""Exercises of notebook C 4: flow networks that are told the class, and guidance of the velocity."""

# ruff: noqa: E501 (one mistake, two lines)

import torch
import torch.nn.functional as F

from .examples import CLASS_MISTAKES
from .exercise import Exercise, Mistake, alike
from .flow_digits import EXAMPLE_MISTAKES, SAMPLER_MISTAKES, FlowTime, probe_flow_examples, probe_flow_sampler

__all__ = ["EXERCISES"]


def probe_examples(student):
    yield from probe_flow_examples(student, classes=True)


class FlowClass(FlowTime):
    def __init__(self, p_uncond=0.1):
        self.p_uncond = p_uncond

    def examples(self, x0, labels, generator):
        (z, u01), target = super().examples(x0, labels, generator)
        one_hot = F.one_hot(labels, 10).float()
        keep = torch.rand(len(x0), 1, generator=generator) >= self.p_uncond
        c = one_hot * keep
        return (z, u01, c), target


EXAMPLES = Exercise(
    name="flow_class",
    notebook="c4",
    kit="helpers.tasks.FlowClass",
    task="As in C 3, and a third input: the one-hot class c, which is all zeros with probability p_uncond.",
    look="z and u01 are as in C 3, and c comes after them. Count its rows that are all zeros: it should be a share "
    "p_uncond of them. All others have a single 1.",
    probe=probe_examples,
    parts=(FlowTime,),
    right=FlowClass,
    blank=("examples",),
    mistakes=(
        Mistake("inputs in another order", "return (z, u01, c)", "return (z, c, u01)",
                "The inputs stand in another order than that in which the network takes them: z, u01, c."),
        *CLASS_MISTAKES,
        *EXAMPLE_MISTAKES,
    ),
)  # fmt: skip


def probe_sampler(student):
    yield from probe_flow_sampler(student, classes=True)


@torch.no_grad()
def sample_flow_classes(network, c, gamma, steps=300, *, generator=None):
    network.eval()
    count = len(c)
    z = torch.randn((count, 1, 28, 28), generator=generator)
    h = 1 / steps
    for i in range(steps):
        u = i / steps
        u01 = torch.full((count, 1), u)
        v_c, v_u = network(z, u01, c), network(z, u01, torch.zeros_like(c))
        v = v_u + gamma * (v_c - v_u)
        z = z + h * v
    return z


GUIDED = "v_u + gamma * (v_c - v_u)"
SAMPLER = Exercise(
    name="sample_flow_classes",
    notebook="c4",
    kit="helpers.digits.sample_flow_classes",
    task="Write the sampler of C 3 with guidance: at every step, ask for the velocity with the class and without it.",
    look="With gamma = 1 it is the sampler of C 3 that is told the class; with gamma = 0 the class does not matter.",
    probe=probe_sampler,
    right=sample_flow_classes,
    mistakes=(
        *alike("w for γ", "It is v_c + γ (v_c - v_u), Part A's w, which is smaller by 1: w = γ - 1. Here the sum begins at v_u.",
               (GUIDED, "v_c + gamma * (v_c - v_u)"), (GUIDED, "v_u + (gamma + 1) * (v_c - v_u)")),
        Mistake("γ for w", GUIDED, "v_u + (gamma - 1) * (v_c - v_u)",
                "The difference is multiplied by γ - 1. Here γ = 1 is the plain prediction with the class: multiply by γ."),
        Mistake("the halves exchanged", GUIDED, "v_c + gamma * (v_u - v_c)",
                "The two velocities are exchanged: this walks away from the class that was asked for."),
        Mistake("guidance without v_u", GUIDED, "gamma * (v_c - v_u)",
                "The difference is enlarged, but v_u itself, to which it is added, is missing."),
        Mistake("v_u added in full", GUIDED, "v_u + gamma * v_c",
                "It is v_u + γ v_c: with γ = 1 it should be v_c alone. It is the difference that is enlarged."),
        Mistake("only the class", GUIDED, "gamma * v_c", "It multiplies v_c by γ; v_u makes no difference."),
        Mistake("gamma ignored", GUIDED, "v_c", "γ makes no difference: it is the plain velocity with the class."),
        Mistake("class ignored", GUIDED, "v_u", "The class makes no difference: it is the velocity without one."),
        Mistake("mean of the halves", GUIDED, "(v_u + v_c) / 2", "It is the mean of the two velocities; guidance goes beyond v_c."),
        Mistake("guided velocity clamped", GUIDED, "(v_u + gamma * (v_c - v_u)).clamp(-1, 1)",
                "The guided velocity is clamped to [-1, 1]. It is no image: x0 - eps often leaves that range."),
        Mistake("no guidance", "v_c, v_u = network(z, u01, c), network(z, u01, torch.zeros_like(c))\n        v = v_u + gamma * (v_c - v_u)", "v = network(z, u01, c)",
                "The network is never asked without the class: there is no v_u, and so no guidance."),
        Mistake("two steps in one", "network(z, u01, torch.zeros_like(c))", "network(z + h * v_c, u01, torch.zeros_like(c))",
                "v_u is asked at another z than v_c. Both belong to the same z and u; only their guided sum moves it."),
        Mistake("any digit as every other class", "torch.zeros_like(c)", "1 - c",
                "For \"any digit\" the network is told every class but the one that is asked for. In training a class that was dropped was all zeros."),
        Mistake("any digit as class 0", "torch.zeros_like(c)", "torch.eye(10)[:1].expand(count, 10)",
                "For \"any digit\" the network is told class 0, which is a zero. No class is all zeros."),
        *alike("any digit as every class", "For \"any digit\" the network is told a share of every class. In training a class that was dropped was all zeros.",
               ("torch.zeros_like(c)", "torch.full_like(c, 0.1)"), ("torch.zeros_like(c)", "torch.ones_like(c)")),
        *SAMPLER_MISTAKES,
    ),
)  # fmt: skip

EXERCISES = [EXAMPLES, SAMPLER]
