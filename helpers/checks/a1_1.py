"""Exercise of notebook 1.1: the forward process."""

import math

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .references import forward_by, roots
from .running import pair, tensor
from .toys import (
    GREY_NOISE,
    NOISY,
    grey_noise,
    likeness,
    noise,
    of_chance,
    other_noises,
    pictures,
    schedule,
    seeded,
    std,
)

__all__ = ["EXERCISES"]

SECOND = "x_t is right. The second result is not the noise: return the eps that went into x_t, with variance 1."


def probe_forward(student):
    # large enough for the eye to find the picture in the noise
    abar, x0, eps = schedule().alphas_cumprod, pictures(size=64), noise(2, 3, 64, 64)
    for t in (20, 0, 49):
        x_t, handed_back = pair(student(f"t = {t}, the noise given", x0, t, abar, noise=eps), "x_t, eps")
        yield Measured("x_t", tensor(x_t, "x_t"), low=-1.0)
        yield Measured("eps", tensor(handed_back, "eps"), name="wrong second result", say=SECOND)
    t = torch.tensor([5, 30])
    x_t, _ = pair(
        student("a timestep of its own for each picture, t = tensor([5, 30])", x0, t, abar, noise=eps), "x_t, eps"
    )
    yield Measured("x_t", tensor(x_t, "x_t"), low=-1.0)

    black = torch.zeros(4, 3, 32, 32)
    case = "t = 20, the noise drawn from a generator, black pictures"
    x_t, eps = pair(student(case, black, 20, abar, generator=seeded(81)), "x_t, eps")
    x_t, eps = tensor(x_t, "x_t"), tensor(eps, "eps")
    again = pair(student(case, black, 20, abar, generator=seeded(81)), "x_t, eps")[0]
    other = pair(student(case, black, 20, abar, generator=seeded(82)), "x_t, eps")[0]
    yield from of_chance(x_t, tensor(again, "x_t"), tensor(other, "x_t"))
    yield Measured("the shape of x_t", list(x_t.shape))
    yield Measured("the standard deviation of eps", std(eps), NOISY)
    yield Measured("the mean of eps", eps.double().mean(), 2 * NOISY)
    yield Measured("the standard deviation of x_t", std(x_t), NOISY)
    yield Measured("how far x_t is from what its eps makes of it", x_t - (1 - abar[20]).sqrt() * eps)
    yield Measured("the likeness of two pictures' noise", likeness(eps[0], eps[1]), 3 * NOISY)
    yield Measured("the likeness of two colours' noise", likeness(eps[:, 0], eps[:, 1]), 2.5 * NOISY)


def hand_back_the_change(x0, t, alphas_cumprod, **options):
    x_t, _eps = forward_by(roots)(x0, t, alphas_cumprod, **options)
    return x_t, x_t - x0


def hand_back_weighted(x0, t, alphas_cumprod, **options):
    x_t, _eps = forward_by(roots)(x0, t, alphas_cumprod, **options)
    return x_t, x_t - alphas_cumprod[t].sqrt().view(-1, 1, 1, 1) * x0


def own_noise(x0, t, alphas_cumprod, *, noise=None, generator=None):
    return forward_by(roots)(x0, t, alphas_cumprod, generator=generator)


def clamped(*args, **options):
    x_t, eps = forward_by(roots)(*args, **options)
    return x_t.clamp(-1, 1), eps


SQUARES = "The squares of the two weights add up to 1, since they are shares of the variance."


forward = Exercise(
    name="forward",
    notebook="a1_1",
    kit="helpers.sampling.forward",
    task="Mix the picture x0 with noise, as the formula under 'All steps in one' says, and return x_t and the noise.",
    look="Set the noise to zero, and look at what is left: it is the first term of the formula, and nothing else.",
    probe=probe_forward,
    right=forward_by(roots),
    mistakes=(
        Mistake(
            "both roots forgotten",
            forward_by(lambda abar, t: (abar[t], 1 - abar[t])),
            f"Both weights look as if the square roots were forgotten: ᾱ_t is a variance. {SQUARES}",
        ),
        Mistake(
            "√ᾱ forgotten",
            forward_by(lambda abar, t: (abar[t], math.sqrt(1 - abar[t]))),
            f"The picture looks as if it were multiplied by ᾱ_t itself: its square root is missing. {SQUARES}",
        ),
        Mistake(
            "√(1 − ᾱ) forgotten",
            forward_by(lambda abar, t: (math.sqrt(abar[t]), 1 - abar[t])),
            f"The noise looks as if it were multiplied by 1 − ᾱ_t itself: its square root is missing. {SQUARES}",
        ),
        Mistake(
            "weights exchanged",
            forward_by(lambda abar, t: roots(abar, t)[::-1]),
            "Picture and noise have each other's weight. At t = 0 there is almost no noise: ᾱ_0 is nearly 1.",
        ),
        Mistake(
            "1 − √ᾱ",
            forward_by(lambda abar, t: (math.sqrt(abar[t]), 1 - math.sqrt(abar[t]))),
            f"The noise's weight looks like 1 − √ᾱ_t. {SQUARES}",
        ),
        Mistake(
            "picture not shrunk",
            forward_by(lambda abar, t: (1.0, math.sqrt(1 - abar[t]))),
            "The picture has its full strength in x_t. It shrinks as the noise grows, so that the variance stays.",
        ),
        Mistake(
            "ᾱ off by one",
            forward_by(lambda abar, t: roots(abar, max(t - 1, 0))),
            "It looks as if it used ᾱ of the timestep before. alphas_cumprod[t] belongs to t, and alphas_cumprod[0] "
            "to t = 0, which has a little noise already.",
        ),
        Mistake(
            "ᾱ off by one",
            forward_by(lambda abar, t: roots(abar, min(t + 1, len(abar) - 1))),
            "It looks as if it used ᾱ of the timestep after. alphas_cumprod[t] belongs to t.",
        ),
        Mistake(
            "ᾱ_t multiplied up again",
            forward_by(lambda abar, t: roots(abar.cumprod(0), t)),
            "It looks as if the product were taken twice. alphas_cumprod is ᾱ already, the product of all 1 − β.",
        ),
        Mistake(
            "one timestep for the whole batch",
            lambda x0, t, *rest, **options: forward_by(roots)(
                x0, t[0] if torch.is_tensor(t) and t.ndim else t, *rest, **options
            ),
            "All pictures get the first one's timestep. If t is a tensor (B,), each picture has its own: "
            "`.view(-1, 1, 1, 1)` gives the numbers the axes that pictures have.",
        ),
        Mistake(
            "clamped",
            clamped,
            "x_t is clamped to [-1, 1]. A noisy picture has to leave that: clamp for the display only.",
        ),
        Mistake(
            "the given noise ignored",
            own_noise,
            "It draws noise of its own although it is given some: with `noise=`, that is the eps to use.",
        ),
        Mistake(
            "wrong second result",
            hand_back_the_change,
            SECOND,
        ),
        Mistake(
            "wrong second result",
            hand_back_weighted,
            "x_t is right. The second result is the noise as it was added, √(1 − ᾱ_t) eps: return eps itself, whose "
            "variance is 1 at every t.",
        ),
        *other_noises(lambda draw: forward_by(roots, draw)),
        Mistake("one noise for all colours", forward_by(roots, grey_noise), GREY_NOISE),
    ),
)


EXERCISES = [forward]
