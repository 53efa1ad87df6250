"""Exercises of notebook B 2.4: a UNet that is conditioned on the class, and its examples."""

# ruff: noqa: E501 (one mistake, two lines)

import torch
import torch.nn.functional as F

from .examples import CLASS_MISTAKES, NOISE_MISTAKES, TimeConditional, probe_noise
from .exercise import Exercise, Mistake, alike
from .layers import FCBlock
from .unets import SCALE_MISTAKES, TIME_MISTAKES, WIRING, TimeUNet, UNet, join, probe_unet

__all__ = ["EXERCISES"]


def probe_class_unet(student):
    yield from probe_unet(student, time=True, classes=True)


class ClassUNet(TimeUNet):
    def __init__(self, hidden):
        super().__init__(hidden)
        self.class1, self.class2 = FCBlock(10, 2 * hidden), FCBlock(10, hidden)

    def forward(self, x, t01, c):
        t1, t2 = self.shifts(t01)
        c1, c2 = self.class1(c), self.class2(c)
        return self.wire(x, c1=c1, t1=t1, c2=c2, t2=t2)


UNET = Exercise(
    name="class_unet",
    notebook="b2_4",
    kit="helpers.unet.ClassConditionalUNet",
    task="Condition the UNet on the class, too: two FCBlocks of c, as wide as those of the time, which multiply where "
    "the time is added.",
    look="c1 · unflatten + t1, and c2 · up1 + t2: the class scales, the time shifts.",
    probe=probe_class_unet,
    parts=(join, UNet, TimeUNet),
    right=ClassUNet,
    blank=("__init__", "forward"),
    mistakes=(
        Mistake("class ignored", "c1=c1, t1=t1, c2=c2, t2=t2", "t1=t1, t2=t2",
                "The class makes no difference: c1 and c2 never multiply anything."),
        *SCALE_MISTAKES,
        Mistake("class and time exchanged", "c1=c1, t1=t1, c2=c2, t2=t2", "c1=t1, t1=c1, c2=t2, t2=c2",
                "Class and time are exchanged: c multiplies, t is added."),
        Mistake("class added", "c1=c1, t1=t1, c2=c2, t2=t2", "t1=t1 + c1, t2=t2 + c2",
                "The class is added; it multiplies the channels."),
        *alike("time scaled by the class", "The class multiplies the time, too: c · y + t, not c · (y + t).",
               ("c1=c1, t1=t1, c2=c2, t2=t2", "c1=c1, t1=c1 * t1, c2=c2, t2=c2 * t2"),
               ("c1=c1, t1=t1, c2=c2, t2=t2", "c1=c1, t1=c1 * t1, c2=c2, t2=t2"),
               ("c1=c1, t1=t1, c2=c2, t2=t2", "c1=c1, t1=t1, c2=c2, t2=c2 * t2")),
        Mistake("c between 0 and 1", "self.class1(c), self.class2(c)", "self.class1(c).sigmoid(), self.class2(c).sigmoid()",
                "c goes through a sigmoid. The output of the FCBlock multiplies directly."),
        Mistake("1 + c", "self.class1(c), self.class2(c)", "1 + self.class1(c), 1 + self.class2(c)",
                "The channels are multiplied by 1 + c; here it is c alone."),
        *TIME_MISTAKES,
        *WIRING,
    ),
)  # fmt: skip


def probe_class_examples(student):
    yield from probe_noise(student, classes=True)


class ClassConditional(TimeConditional):
    def __init__(self, p_uncond=0.1):
        super().__init__()
        self.p_uncond = p_uncond

    def examples(self, x0, labels, generator):
        (x_t, t01), target = super().examples(x0, labels, generator)
        one_hot = F.one_hot(labels, 10).float()
        keep = torch.rand(len(x0), 1, generator=generator) >= self.p_uncond
        c = one_hot * keep
        return (x_t, t01, c), target


EXAMPLES = Exercise(
    name="class_conditional",
    notebook="b2_4",
    kit="helpers.tasks.ClassConditional",
    task="As in 2.2, and a third input: the one-hot class c, which is all zeros with probability p_uncond.",
    look="x_t and t01 are as in 2.2, and c comes after them. Count its rows that are all zeros: it should be a share "
    "p_uncond of them. All others have a single 1.",
    probe=probe_class_examples,
    parts=(TimeConditional,),
    right=ClassConditional,
    blank=("examples",),
    mistakes=(
        Mistake("inputs in another order", "return (x_t, t01, c)", "return (x_t, c, t01)",
                "The inputs are not in the network's order: x_t, t01, c."),
        *CLASS_MISTAKES,
        *NOISE_MISTAKES,
    ),
)  # fmt: skip

EXERCISES = [UNET, EXAMPLES]
