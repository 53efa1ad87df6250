"""Exercise of notebook 1.7.3: dynamic thresholding."""

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .running import tensor
from .toys import noise, pictures

__all__ = ["EXERCISES"]


def probe_threshold(student):
    gentle, strong = 0.6 * pictures(1), 2.2 * pictures(1) + 0.3 * noise(1, 3, 16, 16)
    slight = 1.2 * pictures(1) + 0.05
    for case, x, given in (
        ("a picture that stays inside [-1, 1]", gentle, {}),
        ("a picture that leaves [-1, 1] a little", slight, {}),
        ("a picture that goes far beyond", strong, {}),
        ("ratio = 0.8, maximum = 3, a dark picture", strong - 0.7, {"ratio": 0.8, "maximum": 3.0}),
        ("two pictures, one of them gentle", torch.cat([gentle, strong]), {}),
    ):
        result = tensor(student(case, x, **given), "the result")
        yield Measured("the result", result, 0.01, low=-1.0)  # between two values, a quantile may be either


def threshold_by(
    size=lambda x: x.abs(),
    parts="picture",
    floor=True,
    ceiling=True,
    scale=True,
    clamp=lambda x, s: x.clamp(-s, s),
    together=False,
):
    def dynamic_threshold(x0_hat, *, ratio=0.95, maximum=1.5):
        results = []
        for x in x0_hat.double():
            of = {"picture": [x], "batch": [x0_hat.double()], "channel": list(x)}[parts]
            values = [torch.quantile(size(part).flatten(), ratio).item() for part in of]
            values = [max(v, 1.0) if floor else v for v in values]
            values = [min(v, maximum) if ceiling else v for v in values]
            if together:
                values = [max(1.0, min(maximum, max(torch.quantile(size(p).flatten(), ratio).item() for p in x0_hat)))]
            pieces = x[None] if parts != "channel" else x[:, None]
            done = [clamp(p, s) / (s if scale else 1) for p, s in zip(pieces, values)]
            results.append(torch.cat([d if d.ndim == 3 else d[None] for d in done]))
        return torch.stack(results).float()

    return dynamic_threshold


dynamic_threshold = Exercise(
    name="dynamic_threshold",
    notebook="a1_7_3",
    kit="helpers.sampling.dynamic_threshold",
    task="Pull an estimate that has left [-1, 1] back in: find the quantile, clamp to it, divide by it.",
    look="Print the bound b that you find for one picture: it is between 1 and `maximum`, and never less than 1.",
    probe=probe_threshold,
    right=threshold_by(),
    mistakes=(
        Mistake(
            "one quantile for the whole batch",
            threshold_by(parts="batch"),
            "The quantile is taken over the whole batch, so that one picture changes its neighbours. Each has its own.",
        ),
        Mistake(
            "a quantile for each channel",
            threshold_by(parts="channel"),
            "Each channel has a quantile of its own, which shifts the colours. A picture has one for all three.",
        ),
        Mistake(
            "b below 1",
            threshold_by(floor=False),
            "A picture that never left [-1, 1] is stretched: b must not be less than 1.",
        ),
        Mistake("maximum ignored", threshold_by(ceiling=False), "b grows beyond `maximum`."),
        Mistake(
            "not divided",
            threshold_by(scale=False),
            "It clamps to [-b, b], but does not divide by b: the result still leaves [-1, 1].",
        ),
        Mistake(
            "not clamped",
            threshold_by(clamp=lambda x, s: x),
            "It divides by b, but what is beyond b is not clamped before, and still leaves [-1, 1].",
        ),
        Mistake(
            "clamped to 1 and divided",
            threshold_by(clamp=lambda x, s: x.clamp(-1, 1)),
            "It clamps to [-1, 1] and then divides by b, so the result never reaches black or white. Clamp to [-b, b].",
        ),
        Mistake(
            "the largest b for all pictures",
            threshold_by(together=True),
            "All pictures are clamped to the largest b of the batch, so that one changes its neighbours. Each has its "
            "own.",
        ),
        Mistake(
            "ratio ignored",
            lambda x, ratio=0.95, maximum=1.5: threshold_by()(x, maximum=maximum),
            "ratio makes no difference: it is always the 0.95 quantile.",
        ),
        Mistake(
            "absolute value forgotten",
            threshold_by(size=lambda x: x),
            "The quantile is taken of the values with their signs: dark pixels count as small. Take it of |x0_hat|.",
        ),
        Mistake(
            "plainly clamped",
            lambda x0_hat, **options: x0_hat.clamp(-1, 1),
            "That is plain clamping to [-1, 1], which burns out what guidance has pushed far.",
        ),
        Mistake(
            "the maximum instead of the quantile",
            lambda x, ratio=0.95, maximum=1.5: threshold_by()(x, ratio=1.0, maximum=maximum),
            "b is the largest value: a single pixel then darkens the whole picture. Take the `ratio` quantile.",
        ),
        Mistake("arguments ignored", lambda x, **options: threshold_by()(x), "ratio and maximum make no difference."),
    ),
)


EXERCISES = [dynamic_threshold]
