"""Exercise of notebook 1.3: the estimate of the clean image."""

import math

import torch
import torch.nn.functional as F

from .exercise import Exercise, Mistake
from .measured import Measured
from .references import forward_by, roots
from .running import tensor
from .toys import noise, pictures, schedule

__all__ = ["EXERCISES"]


def probe_estimate(student):
    abar, eps = schedule().alphas_cumprod, noise(2, 3, 64, 64)
    guess = eps + 0.3 * noise(2, 3, 64, 64, seed=83)  # no network is perfect: so x0_hat leaves [-1, 1] in places
    for case, t in (
        *((f"t = {t}", t) for t in (20, 0, 49)),
        ("a timestep of its own for each picture, t = tensor([5, 30])", torch.tensor([5, 30])),
    ):
        x_t, _ = forward_by(roots)(pictures(size=64), t, abar, noise=eps)
        yield Measured("x0_hat", tensor(student(case, x_t, t, guess, abar), "x0_hat"), low=-1.0)


def estimate_by(solve):
    """x0_hat = solve(x, e, ᾱ, t), picture by picture, in fp64."""

    def estimate_x0(x_t, t, eps, alphas_cumprod):
        ts = [int(t)] * len(x_t) if not torch.is_tensor(t) or t.ndim == 0 else t.tolist()
        abar = alphas_cumprod.double()
        return torch.stack([solve(x, e, abar, t) for x, e, t in zip(x_t.double(), eps.double(), ts)]).float()

    return estimate_x0


def solved(x, e, abar, t):
    return (x - math.sqrt(1 - abar[t]) * e) / math.sqrt(abar[t])


estimate_x0 = Exercise(
    name="estimate_x0",
    notebook="a1_3",
    kit="helpers.sampling.estimate_x0",
    task="Solve the forward process for the clean picture, with the predicted noise in the place of the true one.",
    look="Put x_t = √ᾱ_t x0 + √(1 − ᾱ_t) eps into your formula, on paper: x0 has to come out.",
    probe=probe_estimate,
    right=estimate_by(solved),
    mistakes=(
        Mistake(
            "division by √ᾱ forgotten",
            estimate_by(lambda x, e, a, t: x - math.sqrt(1 - a[t]) * e),
            "The noise is taken away, but what is left is √ᾱ_t x0, a picture too weak: divide by its factor.",
        ),
        Mistake(
            "√ᾱ forgotten",
            estimate_by(lambda x, e, a, t: (x - math.sqrt(1 - a[t]) * e) / a[t]),
            "It divides by ᾱ_t itself: the square root is missing there.",
        ),
        Mistake(
            "√(1 − ᾱ) forgotten",
            estimate_by(lambda x, e, a, t: (x - (1 - a[t]) * e) / math.sqrt(a[t])),
            "The noise is weighted by 1 − ᾱ_t itself: the square root is missing there.",
        ),
        Mistake(
            "both roots forgotten",
            estimate_by(lambda x, e, a, t: (x - (1 - a[t]) * e) / a[t]),
            "Both square roots look forgotten.",
        ),
        Mistake(
            "multiplied instead of divided",
            estimate_by(lambda x, e, a, t: (x - math.sqrt(1 - a[t]) * e) * math.sqrt(a[t])),
            "It multiplies by √ᾱ_t where it should divide: the picture was shrunk, and has to grow again.",
        ),
        Mistake(
            "noise added",
            estimate_by(lambda x, e, a, t: (x + math.sqrt(1 - a[t]) * e) / math.sqrt(a[t])),
            "The noise is added where it should be taken away.",
        ),
        Mistake(
            "brackets forgotten",
            estimate_by(lambda x, e, a, t: x - math.sqrt(1 - a[t]) * e / math.sqrt(a[t])),
            "Only the noise is divided by √ᾱ_t: brackets around the difference are missing.",
        ),
        Mistake(
            "brackets forgotten",
            estimate_by(lambda x, e, a, t: x / math.sqrt(a[t]) - math.sqrt(1 - a[t]) * e),
            "Only x_t is divided by √ᾱ_t: brackets around the difference are missing.",
        ),
        Mistake(
            "1 − √ᾱ",
            estimate_by(lambda x, e, a, t: (x - (1 - math.sqrt(a[t])) * e) / math.sqrt(a[t])),
            "The noise's weight looks like 1 − √ᾱ_t: the root is of the whole difference, √(1 − ᾱ_t).",
        ),
        Mistake(
            "α instead of ᾱ",
            estimate_by(lambda x, e, a, t: solved(x, e, a / F.pad(a, (1, 0), value=1.0)[:-1], t)),
            "It looks as if α_t of a single step were used. The noise of all steps up to t is in x_t: ᾱ_t, which is "
            "alphas_cumprod[t] as it is.",
        ),
        Mistake(
            "noise not weighted",
            estimate_by(lambda x, e, a, t: (x - e) / math.sqrt(a[t])),
            "It takes all of eps away. In x_t there is only √(1 − ᾱ_t) of it.",
        ),
        Mistake(
            "weights exchanged",
            estimate_by(lambda x, e, a, t: (x - math.sqrt(a[t]) * e) / math.sqrt(1 - a[t])),
            "√ᾱ_t and √(1 − ᾱ_t) look exchanged.",
        ),
        Mistake(
            "clamped",
            estimate_by(lambda x, e, a, t: solved(x, e, a, t).clamp(-1, 1)),
            "It is right, and then clamped to [-1, 1]. The course leaves it as it is: clamp for the display only.",
        ),
        Mistake(
            "ᾱ off by one",
            estimate_by(lambda x, e, a, t: solved(x, e, a, max(t - 1, 0))),
            "It looks as if it used ᾱ of the timestep before. alphas_cumprod[t] belongs to t.",
        ),
        Mistake(
            "ᾱ off by one",
            estimate_by(lambda x, e, a, t: solved(x, e, a, min(t + 1, len(a) - 1))),
            "It looks as if it used ᾱ of the timestep after. alphas_cumprod[t] belongs to t.",
        ),
        Mistake(
            "one timestep for the whole batch",
            lambda x, t, *rest: estimate_by(solved)(x, t[0] if torch.is_tensor(t) and t.ndim else t, *rest),
            "All pictures get the first one's timestep. If t is a tensor (B,), each picture has its own: "
            "`.view(-1, 1, 1, 1)` gives the numbers the axes that pictures have.",
        ),
    ),
)


EXERCISES = [estimate_x0]
