"""Exercise of notebook 1.7.3: dynamic thresholding."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .running import tensor
from .toys import images, noise

__all__ = ["EXERCISES"]


def probe_threshold(student):
    gentle, strong = 0.6 * images(1), 2.2 * images(1) + 0.3 * noise(1, 3, 16, 16)
    slight = 1.2 * images(1) + 0.05
    for case, x, given in (
        ("an image that stays inside [-1, 1]", gentle, {}),
        ("an image that leaves [-1, 1] a little", slight, {}),
        ("an image that goes far beyond", strong, {}),
        ("ratio = 0.8, maximum = 3, a dark image", strong - 0.7, {"ratio": 0.8, "maximum": 3.0}),
        ("two images, one of them gentle", torch.cat([gentle, strong]), {}),
    ):
        result = tensor(student(case, x, **given), "the result")
        yield Measured("the result", result, 0.01, low=-1.0)


def dynamic_threshold(x0_hat, *, ratio=0.95, maximum=1.5):
    b = x0_hat.abs().flatten(1).quantile(ratio, dim=1)
    b = b.clamp(1, maximum).view(-1, 1, 1, 1)
    return x0_hat.clamp(-b, b) / b


EXERCISES = [
    Exercise(
        name="dynamic_threshold",
        notebook="a1_7_3",
        kit="helpers.sampling.dynamic_threshold",
        task="Bring an estimate outside [-1, 1] back: find the quantile, clamp to it, divide by it.",
        look="Print the bound b that you find for one image: it is between 1 and `maximum`, and never less than 1.",
        probe=probe_threshold,
        right=dynamic_threshold,
        mistakes=(
            Mistake("one quantile for the whole batch", ".flatten(1).quantile(ratio, dim=1)", ".quantile(ratio)",
                    "The quantile is taken over the whole batch, so one image changes the others. Each has its own."),
            Mistake("a quantile for each channel", "flatten(1).quantile(ratio, dim=1)\n    b = b.clamp(1, maximum).view(-1, 1, 1, 1)", "flatten(2).quantile(ratio, dim=2)\n    b = b.clamp(1, maximum).view(len(x0_hat), -1, 1, 1)",
                    "Each channel has a quantile of its own, which shifts the colours. An image has one for all three."),
            Mistake("b below 1", ".clamp(1, maximum)", ".clamp(max=maximum)",
                    "An image inside [-1, 1] is stretched: b must not be less than 1."),
            Mistake("maximum ignored", ".clamp(1, maximum)", ".clamp(min=1)", "b grows beyond `maximum`."),
            Mistake("not divided", "x0_hat.clamp(-b, b) / b", "x0_hat.clamp(-b, b)",
                    "It clamps to [-b, b], but does not divide by b: the result still leaves [-1, 1]."),
            Mistake("not clamped", "x0_hat.clamp(-b, b) / b", "x0_hat / b",
                    "It divides by b, but what is beyond b is not clamped before, and still leaves [-1, 1]."),
            Mistake("clamped to 1 and divided", "clamp(-b, b)", "clamp(-1, 1)",
                    "It clamps to [-1, 1] and then divides by b, so the result never reaches black or white. Clamp to [-b, b]."),
            Mistake("the largest b for all images", ".clamp(1, maximum)", ".clamp(1, maximum).max()",
                    "All images are clamped to the largest b of the batch, so one image changes the others. Each has its own."),
            Mistake("ratio ignored", "quantile(ratio, ", "quantile(0.95, ",
                    "ratio makes no difference: it is always the 0.95 quantile."),
            Mistake("absolute value forgotten", ".abs()", "",
                    "The quantile is taken of the values with their signs: dark pixels count as small. Take it of |x0_hat|."),
            Mistake("plainly clamped", "x0_hat.clamp(-b, b) / b", "x0_hat.clamp(-1, 1)",
                    "That is plain clamping to [-1, 1], which saturates strongly guided images."),
            Mistake("the maximum instead of the quantile", "quantile(ratio, ", "quantile(1.0, ",
                    "b is the largest value: a single pixel then darkens the whole image. Take the `ratio` quantile."),
            Mistake("arguments ignored", "    b = x0_hat.abs()", "    ratio, maximum = 0.95, 1.5\n    b = x0_hat.abs()",
                    "ratio and maximum make no difference."),
        ),
    )
]  # fmt: skip
