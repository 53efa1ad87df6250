"""Exercises of notebook C 3: what a flow network of digits learns, and sampling with it."""

import torch

from .exercise import Exercise, Mistake
from .flow_digits import EXAMPLE_MISTAKES, SAMPLER_MISTAKES, FlowTime, probe_flow_examples, probe_flow_sampler

__all__ = ["EXERCISES"]

EXAMPLES = Exercise(
    name="flow_time",
    notebook="c3",
    kit="helpers.tasks.FlowTime",
    task="Make a batch of examples: draw u, uniform in [0, 1], and eps for every image; the network sees (z, u) and "
    "should predict x0 - eps.",
    look="A flow time for every image, fresh noise, z on the straight line between them, and the whole line as target.",
    probe=probe_flow_examples,
    right=FlowTime,
    blank=("examples",),
    mistakes=(
        Mistake("inputs in another order", "return (z, u01)", "return (u01, z)",
                "The inputs stand in another order than that in which the network takes them: z, u01."),
        *EXAMPLE_MISTAKES,
    ),
)  # fmt: skip


@torch.no_grad()
def sample_flow(network, count, steps=50, *, generator=None):
    network.eval()
    z = torch.randn((count, 1, 28, 28), generator=generator)
    h = 1 / steps
    for i in range(steps):
        u = i / steps
        u01 = torch.full((count, 1), u)
        v = network(z, u01)
        z = z + h * v
    return z


SAMPLER = Exercise(
    name="sample_flow",
    notebook="c3",
    kit="helpers.digits.sample_flow",
    task="Follow the network's velocity in equal Euler steps, from noise at u = 0 to digits at u = 1.",
    look="Print u and the deviation of z at each step: it begins near 1 and ends near 0.3, that of a digit.",
    probe=probe_flow_sampler,
    right=sample_flow,
    mistakes=(
        Mistake("the velocity asked once", "v = network(z, u01)", "v = network(z, u01) if i == 0 else v",
                "The network is asked once, at u = 0. Ask it anew at every step: the velocity changes along the way."),
        *SAMPLER_MISTAKES,
    ),
)  # fmt: skip

EXERCISES = [EXAMPLES, SAMPLER]
