"""Exercises of notebook B 2.4: a UNet that is conditioned on the class, and its examples."""

# ruff: noqa: E501 (one mistake, two lines)

import torch
import torch.nn.functional as F

from .examples import NOISE_MISTAKES, TimeConditional, probe_noise
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
        Mistake("the whole batch dropped at once", "torch.rand(len(x0), 1,", "torch.rand(1, 1,",
                "The classes of a whole batch are dropped, or none. Draw it for every image."),
        Mistake("never dropped", "c = one_hot * keep", "c = one_hot",
                "No class is ever dropped, so the network never learns to predict without one."),
        Mistake("kept with probability p", ">= self.p_uncond", "< self.p_uncond",
                "The class is kept with probability p_uncond; it is dropped with it."),
        Mistake("randn for rand", "torch.rand(len(x0), 1,", "torch.randn(len(x0), 1,",
                "Too many classes are dropped, as if the draw were normal: half of torch.randn's numbers are below 0, and so below any p_uncond. torch.rand's are below p_uncond with that very probability."),
        Mistake("no class as class 0", "c = one_hot * keep", "c = F.one_hot(labels * keep[:, 0], 10).float()",
                "Where the class is dropped, c is class 0, the digit zero. No class is all zeros."),
        *alike("scaled by the dropout", "What is kept is divided by 1 - p, as nn.Dropout does: then c has a size that sampling never shows.",
               ("c = one_hot * keep", "c = one_hot * keep / max(1 - self.p_uncond, 1e-6)"),
               ("c = one_hot * keep", "c = F.dropout(one_hot, self.p_uncond)")),
        Mistake("p fixed", ">= self.p_uncond", ">= 0.1", "A tenth is always dropped: p_uncond is ignored."),
        Mistake("p fixed", ">= self.p_uncond", ">= 0.5", "Half is always dropped: p_uncond is ignored."),
        Mistake("classes exchanged", "F.one_hot(labels, 10)", "F.one_hot(labels.roll(1), 10)",
                "c is another image's class: rows and labels have to stay together."),
        Mistake("class as a number", "c = one_hot * keep", "c = labels.float()[:, None]",
                "c is the label as a number. The network takes one-hot rows, (B, 10)."),
        Mistake("wrong dtype", "c = one_hot * keep", "c = (one_hot * keep).long()",
                "c has integers. The network takes torch.float32."),
        Mistake("inputs in another order", "return (x_t, t01, c)", "return (x_t, c, t01)",
                "The inputs are not in the network's order: x_t, t01, c."),
        Mistake("the class negative", "c = one_hot * keep", "c = one_hot * (-1 * keep.float())",
                "c is one-hot with -1 in the place of 1: the mask that drops the classes has turned the sign. It is 1 for a class that is kept, and 0 for one that is dropped."),
        Mistake("-1 for no class", "c = one_hot * keep", "c = one_hot * keep - 1.0 * (~keep)",
                "Where the class is dropped, c is -1 everywhere. It is all zeros there."),
        *alike("shape of c", "c has axes like an image's. The network takes rows, (B, 10): its FCBlock adds the two axes.",
               ("c = one_hot * keep", "c = (one_hot * keep)[:, None, None]"),
               ("c = one_hot * keep", "c = (one_hot * keep)[:, :, None, None]")),
        *NOISE_MISTAKES,
    ),
)  # fmt: skip

EXERCISES = [UNET, EXAMPLES]
