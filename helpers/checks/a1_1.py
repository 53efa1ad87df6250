"""Exercise of notebook 1.1: the forward process."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from . import toys
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .references import FORWARD_MISTAKES, forward
from .running import pair, tensor

__all__ = ["EXERCISES"]

SECOND = "x_t is right. The second result is not the noise: return the eps that went into x_t, with variance 1."


def probe_forward(student):
    # large enough for the eye to find the image in the noise
    abar, x0, eps = toys.schedule().alphas_cumprod, toys.images(size=64), toys.noise(2, 3, 64, 64)
    for t in (20, 0, 49):
        x_t, handed_back = pair(student(f"t = {t}, the noise given", x0, t, abar, noise=eps), "x_t, eps")
        yield Measured("x_t", tensor(x_t, "x_t"), low=-1.0)
        yield Measured("eps", tensor(handed_back, "eps"), name="wrong second result", say=SECOND)
    t = torch.tensor([5, 30])
    x_t, _ = pair(
        student("a timestep of its own for each image, t = tensor([5, 30])", x0, t, abar, noise=eps), "x_t, eps"
    )
    yield Measured("x_t", tensor(x_t, "x_t"), low=-1.0)

    black = torch.zeros(4, 3, 32, 32)
    case = "t = 20, the noise drawn from a generator, black images"
    x_t, eps = pair(student(case, black, 20, abar, generator=toys.seeded(81)), "x_t, eps")
    x_t, eps = tensor(x_t, "x_t"), tensor(eps, "eps")
    again = pair(student(case, black, 20, abar, generator=toys.seeded(81)), "x_t, eps")[0]
    other = pair(student(case, black, 20, abar, generator=toys.seeded(82)), "x_t, eps")[0]
    yield from toys.of_chance(x_t, tensor(again, "x_t"), tensor(other, "x_t"))
    yield Measured("the shape of x_t", list(x_t.shape))
    yield Measured("the standard deviation of eps", toys.std(eps), toys.NOISY)
    yield Measured("the mean of eps", eps.double().mean(), 2 * toys.NOISY)
    yield Measured("the standard deviation of x_t", toys.std(x_t), toys.NOISY)
    yield toys.reach(eps, "eps")
    yield from toys.nothing_left(x_t - (1 - abar[20]).sqrt() * eps, "what is in x_t beside its eps")
    yield Measured("the likeness of two images' noise", toys.likeness(eps[0], eps[1]), 3 * toys.NOISY)
    yield Measured("the likeness of two colours' noise", toys.likeness(eps[:, 0], eps[:, 1]), 2.5 * toys.NOISY)


EXERCISES = [
    Exercise(
        name="forward",
        notebook="a1_1",
        kit="helpers.sampling.forward",
        task="Mix the image x0 with noise, as the formula under 'All steps in one' says, and return x_t and the noise.",
        look="Set the noise to zero, and look at what is left: it is the first term of the formula, and nothing else.",
        probe=probe_forward,
        right=forward,
        mistakes=(
            *FORWARD_MISTAKES,
            Mistake("1 − √ᾱ", "(1 - abar_t).sqrt()", "(1 - abar_t.sqrt())",
                    "The noise's weight looks like 1 − √ᾱ_t. The squares of the two weights add up to 1, since they are shares of the variance."),
            *alike("ᾱ off by one", "It looks as if it used ᾱ of the timestep before. alphas_cumprod[t] belongs to t, and alphas_cumprod[0] to t = 0, which has a little noise already.",
                   ("torch.as_tensor(t)", "(torch.as_tensor(t) - 1).clamp(min=0)"),
                   ("torch.as_tensor(t)", "torch.as_tensor(t) - 1")),
            Mistake("ᾱ off by one", "torch.as_tensor(t)", "(torch.as_tensor(t) + 1).clamp(max=len(alphas_cumprod) - 1)",
                    "It looks as if it used ᾱ of the timestep after. alphas_cumprod[t] belongs to t."),
            Mistake("ᾱ_t multiplied up again", "alphas_cumprod[", "alphas_cumprod.cumprod(0)[",
                    "The product seems to be taken twice. alphas_cumprod is already ᾱ, the product of all 1 − β."),
            Mistake("one timestep for the whole batch", "torch.as_tensor(t)", "torch.as_tensor(t).flatten()[0]",
                    "All images have the first one's timestep. If t is a tensor (B,), each image has its own: `.view(-1, 1, 1, 1)` adds the axes of images."),
            Mistake("clamped", "return x_t, eps", "return x_t.clamp(-1, 1), eps",
                    "x_t is clamped to [-1, 1]. A noisy image has to exceed this range: clamp only for display."),
            Mistake("the given noise ignored", " if noise is None else noise", "",
                    "It draws its own noise and ignores the argument `noise`, which is the eps to use."),
            Mistake("wrong second result", "return x_t, eps", "return x_t, x_t - x0",
                    "x_t is right. The second result is not the noise: return the eps that went into x_t, with variance 1."),
            Mistake("wrong second result", "return x_t, eps", "return x_t, (1 - abar_t).sqrt() * eps",
                    "x_t is right. The second result is the noise as it was added, √(1 − ᾱ_t) eps: return eps itself, whose variance is 1 at every t."),
            *toys.other_noises("x0.shape"),
            toys.grey_noise("x0.shape"),
        ),
    )
]  # fmt: skip
