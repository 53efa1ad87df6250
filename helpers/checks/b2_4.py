"""Exercises of notebook B 2.4: a UNet that is told the class, and its examples."""

import torch

from .b2_1 import time_mistakes
from .examples import drop_rows, noise_mistakes, noise_task, one_hot_of, probe_noise
from .exercise import Exercise, Mistake
from .layers import net, probe_unet, scale_mistakes, shifted_and_scaled, wiring

__all__ = ["EXERCISES"]

class_mistakes = (
    (
        "class ignored",
        {"kinds": lambda cs: [1.0, 1.0]},
        "The class makes no difference: c1 and c2 never multiply anything.",
    ),
    *scale_mistakes,
    (
        "class and time exchanged",
        {"put": lambda c, y, t: t * y + c},
        "Class and time are exchanged: c multiplies, t is added.",
    ),
    ("class added", {"put": lambda c, y, t: y + c + t}, "The class is added; it multiplies the channels."),
    *(
        (
            "time scaled by the class",
            {"puts": puts},
            "The class multiplies the time, too: c · y + t, not c · (y + t).",
        )
        for puts in shifted_and_scaled
    ),
    (
        "c between 0 and 1",
        {"kinds": lambda cs: [c.sigmoid() for c in cs]},
        "c goes through a sigmoid. What the FCBlock says multiplies as it is.",
    ),
    ("1 + c", {"put": lambda c, y, t: (1 + c) * y + t}, "The channels are multiplied by 1 + c; here it is c alone."),
)


class_unet = Exercise(
    name="class_unet",
    notebook="b2_4",
    kit="helpers.unet.ClassConditionalUNet",
    task="Tell the UNet the class, too: two FCBlocks of c, as wide as those of the time, which multiply where it is "
    "added.",
    look="c1 · unflatten + t1, and c2 · up1 + t2: the class scales, the time shifts.",
    probe=probe_unet(time=True, classes=True),
    right=net(True, True),
    blank=("__init__", "forward"),
    mistakes=tuple(Mistake(name, net(True, True, **twist), say) for name, twist, say in class_mistakes + time_mistakes)
    + wiring(True, True),
)


def drop_all(labels, p, generator):
    return one_hot_of(labels) * (torch.rand(1, generator=generator) >= p)


def drop_by_randn(labels, p, generator):
    return one_hot_of(labels) * (torch.randn(len(labels), 1, generator=generator) >= p)


def drop_to_zero_class(labels, p, generator):
    dropped = torch.rand(len(labels), generator=generator) < p
    return one_hot_of(labels.masked_fill(dropped, 0))


class_conditional = Exercise(
    name="class_conditional",
    notebook="b2_4",
    kit="helpers.tasks.ClassConditional",
    task="As in 2.2, and a third input: the one-hot class c, which is all zeros with probability p_uncond.",
    look="x_t and t01 are as in 2.2, and c comes after them. Count its rows that are all zeros: it should be a share "
    "p_uncond of them. All others have a single 1.",
    probe=lambda student: probe_noise(student, classes=True),
    right=noise_task(classes=True),
    blank=("examples",),
    mistakes=(
        Mistake(
            "the whole batch dropped at once",
            noise_task(classes=True, drop=drop_all),
            "The classes of a whole batch are dropped, or none. Draw it for every picture.",
        ),
        Mistake(
            "never dropped",
            noise_task(classes=True, drop=lambda labels, p, g: one_hot_of(labels)),
            "No class is ever dropped, so the network never learns to predict without one.",
        ),
        Mistake(
            "kept with probability p",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, 1 - p, g)),
            "The class is kept with probability p_uncond; it is dropped with it.",
        ),
        Mistake(
            "randn for rand",
            noise_task(classes=True, drop=drop_by_randn),
            "Too many classes are dropped, as if the draw were normal: half of torch.randn's numbers are below 0, and "
            "so below any p_uncond. torch.rand's are below p_uncond with that very probability.",
        ),
        Mistake(
            "no class as class 0",
            noise_task(classes=True, drop=drop_to_zero_class),
            "Where the class is dropped, c says class 0, which is a zero. No class is all zeros.",
        ),
        Mistake(
            "scaled by the dropout",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, p, g) / max(1 - p, 1e-6)),
            "What is kept is divided by 1 - p, as nn.Dropout does: then c has a size that sampling never shows.",
        ),
        Mistake(
            "p fixed",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, 0.1, g)),
            "A tenth is dropped whatever p_uncond is.",
        ),
        Mistake(
            "p fixed",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, 0.5, g)),
            "Half is dropped whatever p_uncond is.",
        ),
        Mistake(
            "classes exchanged",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels.roll(1), p, g)),
            "c is another picture's class: rows and labels have to stay together.",
        ),
        Mistake(
            "class as a number",
            noise_task(classes=True, drop=lambda labels, p, g: labels.float()[:, None]),
            "c is the label as a number. The network takes one-hot rows, (B, 10).",
        ),
        Mistake(
            "wrong dtype",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, p, g).long()),
            "c has integers. The network takes torch.float32.",
        ),
        *noise_mistakes(True),
    ),
)


EXERCISES = [class_unet, class_conditional]
