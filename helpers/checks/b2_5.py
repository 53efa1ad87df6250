"""Exercise of notebook B 2.5: sampling with classifier-free guidance."""

import torch

from .exercise import Exercise, Mistake
from .samplers import digit_mistakes, digits_by, probe_digits

__all__ = ["EXERCISES"]

sample_classes = Exercise(
    name="sample_classes",
    notebook="b2_5",
    kit="helpers.digits.sample_classes",
    task="Write the sampler of 2.3 with guidance: at every step predict with the class and without it.",
    look="With gamma = 1 it has to be the plain sampler that is told the class; with gamma = 0 the class must not "
    "matter.",
    probe=lambda student: probe_digits(student, classes=True),
    right=digits_by(True),
    mistakes=(
        Mistake(
            "the halves exchanged",
            digits_by(True, guide=lambda u, c, g: c + g * (u - c)),
            "The two predictions are exchanged: this walks away from the class that was asked for.",
        ),
        Mistake(
            "another convention",
            digits_by(True, guide=lambda u, c, g: c + g * (c - u)),
            "It is ε_c + γ (ε_c − ε_u), another convention, in which γ is smaller by 1. Here it begins at ε_u.",
        ),
        Mistake(
            "guidance without ε_u",
            digits_by(True, guide=lambda u, c, g: g * (c - u)),
            "The difference is enlarged, but ε_u itself, to which it is added, is missing.",
        ),
        Mistake(
            "ε_u added in full",
            digits_by(True, guide=lambda u, c, g: u + g * c),
            "It is ε_u + γ ε_c: with γ = 1 it should be ε_c alone. It is the difference that is enlarged.",
        ),
        Mistake(
            "guided noise clamped",
            digits_by(True, guide=lambda u, c, g: (u + g * (c - u)).clamp(-1, 1)),
            "The guided noise is clamped to [-1, 1]. Noise is no picture, and has to leave that.",
        ),
        Mistake(
            "any digit as every other class",
            digits_by(True, empty=lambda c: 1 - c),
            'For "any digit" the network is told every class but the one that is asked for. It has never seen such a '
            "c: in training a class that was dropped was all zeros.",
        ),
        Mistake(
            "only the class",
            digits_by(True, guide=lambda u, c, g: g * c),
            "It multiplies ε_c by γ; ε_u makes no difference.",
        ),
        Mistake(
            "gamma ignored",
            digits_by(True, guide=lambda u, c, g: c),
            "γ makes no difference: it is the plain prediction with the class.",
        ),
        Mistake(
            "mean of the halves",
            digits_by(True, guide=lambda u, c, g: (u + c) / 2),
            "It is the mean of the two predictions; guidance goes beyond ε_c.",
        ),
        Mistake(
            "no guidance",
            digits_by(True, guide=None),
            "The network is never asked without the class: there is no ε_u, and so no guidance.",
        ),
        Mistake(
            "any digit as class 0",
            digits_by(True, empty=lambda c: torch.eye(10)[:1].expand(len(c), 10)),
            'For "any digit" the network is told class 0, which is a zero. No class is all zeros.',
        ),
        *(
            Mistake(
                "any digit as every class",
                digits_by(True, empty=lambda c, share=share: torch.full_like(c, share)),
                'For "any digit" the network is told a share of every class, the same for each. It has never seen '
                "such a c: in training a class that was dropped was all zeros.",
            )
            for share in (0.1, 1.0)
        ),
        *digit_mistakes(True),
    ),
)


EXERCISES = [sample_classes]
