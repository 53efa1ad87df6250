"""Exercises of notebook C 6: an image in one step, and pairs that straighten a flow."""

# ruff: noqa: E501 (one mistake, two lines)

import math

import torch
from torch import Tensor

from .exercise import Exercise, Mistake, alike
from .faults import Fault
from .measured import Measured
from .running import pair, tensor
from .toys import (
    NOISY,
    grey_noise,
    images,
    likeness,
    mean_and_std,
    no_gradient,
    noise,
    of_chance,
    other_noises,
    reach,
    seeded,
)

__all__ = ["EXERCISES"]


# ---- one step ------------------------------------------------------------------------------------------------------


def probe_one_step(student):
    z, v = noise(2, 3, 64, 64, seed=211), images(size=64) - noise(2, 3, 64, 64, seed=211)
    for u in (0.3, 0.0, 0.75, 1.0):
        yield Measured("x0_hat", tensor(student(f"u = {u:g}", z, v, u), "x0_hat"), low=-1.0)
    u = torch.tensor([0.15, 0.8])
    x0_hat = student("a u of its own for each image, u = tensor([0.15, 0.8])", z, v, u)
    yield Measured("x0_hat", tensor(x0_hat, "x0_hat"), low=-1.0)
    points, v = noise(50, 2, 1, 1, seed=212), 3 * noise(50, 2, 1, 1, seed=213)
    x0_hat = student("50 points in the plane, u = 0.5", points, v, 0.5)
    yield Measured("x0_hat", tensor(x0_hat, "x0_hat"))


def one_step_denoise(z, v, u):
    u = torch.as_tensor(u, dtype=z.dtype).view(-1, 1, 1, 1)
    x0_hat = z + (1 - u) * v
    return x0_hat


# ---- pairs ---------------------------------------------------------------------------------------------------------


class Field:
    """A velocity that differs at every place and time, and notes the times; a network in small."""

    def __init__(self):
        self.pattern = noise(3, 16, 16, seed=214).requires_grad_()  # like weights, so that kept gradients show
        self.asked: list[float] = []

    def __call__(self, z: Tensor, u: float) -> Tensor:
        if z.ndim != 4 or z.shape[1:] != self.pattern.shape:
            raise Fault(
                "other images", f"The velocity is asked about z of shape {tuple(z.shape)}; wanted (N, 3, 16, 16)."
            )
        self.asked.append(float(u))
        return torch.sin(2 * z + self.pattern) + math.cos(3 * float(u)) * self.pattern

    @torch.no_grad()
    def end(self, z: Tensor, h: float) -> Tensor:
        """Where Euler's method arrives from z at u = 0."""
        steps = math.ceil(1 / h - 1e-6)
        for i in range(steps):
            z = z + min(h, 1 - i * h) * self(z, i * h)
        return z


def probe_pairs(student):
    shape = (30, 3, 16, 16)

    def drawn(case, field, h, seed=215):
        x0, eps = pair(student(case, field, shape, h, generator=seeded(seed)), "x0, eps")
        return tensor(x0, "x0"), tensor(eps, "eps"), x0.requires_grad

    for h in (0.25, 0.3):
        field, case = Field(), f"h = {h:g}, 30 images of 3 × 16 × 16"
        x0, eps, has_graph = drawn(case, field, h)
        yield Measured("the times at which the velocity is evaluated", sorted({round(u, 4) for u in field.asked}))
        yield Measured("the shapes of x0 and eps", [list(x0.shape), list(eps.shape)])
        if x0.shape != shape or eps.shape != shape:
            return
        yield no_gradient(torch.zeros(1, requires_grad=has_graph))
        yield Measured("the mean and the deviation of eps", mean_and_std(eps), NOISY)
        yield reach(eps, "eps")
        yield Measured("the likeness of two images' noise", likeness(*eps.chunk(2)), NOISY)
        yield Measured("the likeness of two colours' noise", likeness(eps[:, 0], eps[:, 1]), 1.6 * NOISY)
        off = x0 - field.end(eps, h)
        yield Measured("the mean and the deviation of x0 - the end of the path from eps", mean_and_std(off), NOISY)
        yield Measured("x0[i] is the end of the path from eps[i]", bool(off.abs().max() < 1e-3))
    field = Field()
    first, again, other = (drawn("h = 0.5", field, 0.5, seed)[1] for seed in (216, 216, 217))
    yield from of_chance(first, again, other)


@torch.no_grad()
def reflow_pairs(velocity, shape, h=0.02, *, generator=None):
    eps = torch.randn(shape, generator=generator)
    x0, u = eps, 0.0
    while u < 1 - 1e-6:
        step = min(h, 1 - u)
        x0 = x0 + step * velocity(x0, u)
        u = u + step
    return x0, eps


LINE, PAIR = "z + (1 - u) * v", "return x0, eps"

EXERCISES = [
    Exercise(
        name="one_step_denoise",
        notebook="c6",
        kit="helpers.flow.one_step_denoise",
        task="Walk along v from z to the end of its line, at u = 1.",
        look="At u = 1 nothing is left of the way: z itself is the result.",
        probe=probe_one_step,
        right=one_step_denoise,
        mistakes=(
            Mistake("u for 1 − u", LINE, "z + u * v",
                    "The velocity is multiplied by u, which is the way that lies behind. The way that is left is 1 - u."),
            Mistake("the noise", LINE, "z - u * v",
                    "It walks back: z - u v is the noise at the other end of the line. Walk on to the image: z + (1 - u) v."),
            Mistake("sign", LINE, "z - (1 - u) * v",
                    "The step goes against the velocity, away from the image."),
            Mistake("the whole velocity", LINE, "z + v + 0 * u",
                    "It adds the whole velocity, at every u. That is right at u = 0 only: later, a share 1 - u of the line is left."),
            Mistake("only the way", LINE, "(1 - u) * v",
                    "It returns the rest of the way alone. The image is z plus the rest of the way."),
            Mistake("divided by 1 − u", LINE, "z + v / (1 - u)",
                    "It divides by 1 - u, as the velocity of an estimate does. Here the velocity is known: multiply by the time that is left."),
            Mistake("z shrunk", LINE, "u * z + (1 - u) * v",
                    "It mixes z and v with the weights u and 1 - u. v is no point but a direction: z keeps its full weight."),
            *alike("one u for the whole batch", "All images of the batch get the same u. Each has its own: u.view(-1, 1, 1, 1) multiplies image by image.",
                   (".view(-1, 1, 1, 1)", ".flatten()[0]"), (".view(-1, 1, 1, 1)", ".mean()")),
            *alike("clamped", "x0_hat is clamped. An estimate may leave the range of images: clamp it for display only.",
                   ("return x0_hat", "return x0_hat.clamp(-1, 1)"), ("return x0_hat", "return x0_hat.clamp(0, 1)")),
        ),
    ),
    Exercise(
        name="reflow_pairs",
        notebook="c6",
        kit="helpers.flow.reflow_pairs",
        task="Draw noise, follow the velocity from it to u = 1 in steps of length h, and return both ends: x0, eps.",
        look="Follow the velocity once more from the eps that you return: you should arrive at the x0 that you return.",
        probe=probe_pairs,
        right=reflow_pairs,
        mistakes=(
            *alike("pairs torn apart", "x0[i] is not where the path from eps[i] ends: noise and images were shuffled, or drawn anew. Such pairs are as random as those of the first training, and straighten nothing. Keep both in their order.",
                   (PAIR, "return x0[torch.randperm(len(x0), generator=generator)], eps"),
                   (PAIR, "return x0, eps[torch.randperm(len(x0), generator=generator)]"),
                   (PAIR, "return x0, torch.randn(shape, generator=generator)"),
                   (PAIR, "return x0, eps.roll(1, 0)"), (PAIR, "return x0.flip(0), eps")),
            Mistake("order", PAIR, "return eps, x0",
                    "The two results stand in the other order. Return the images first, then the noise: x0, eps."),
            Mistake("one step", "x0, u = eps, 0.0", "x0, u, h = eps, 0.0, 1.0",
                    "It takes a single step, which ends near the mean image from any noise. Take steps of length h."),
            Mistake("h ignored", "x0, u = eps, 0.0", "x0, u, h = eps, 0.0, 0.02",
                    "The steps have the length 0.02, whatever h is."),
            Mistake("v not asked anew", "velocity(x0, u)", "velocity(eps, 0.0)",
                    "The velocity of the start is used for all steps. Evaluate it again at the point and time of each step: the paths bend."),
            Mistake("u for 1 − u", "velocity(x0, u)", "velocity(x0, 1 - u)",
                    "The velocity is evaluated at 1 - u, as if the way began at the image. u is 0 at the noise, and grows."),
            Mistake("sign", "x0 + step", "x0 - step", "The steps go against the velocity, away from the images."),
            *alike("last step forgotten", "The path ends before u = 1. If h does not divide the way evenly, a shorter step completes it.",
                   ("u < 1 - 1e-6", "u + h < 1 + 1e-6"), ("u < 1 - 1e-6", "u + h < 1 - 1e-6")),
            Mistake("last step not shortened", "min(h, 1 - u)", "h",
                    "The last step goes beyond u = 1. Shorten it, so that it ends exactly there."),
            *alike("clamped", "The images are clamped. The straight line has to end where the path ends: clamp for display only.",
                   (PAIR, "return x0.clamp(-1, 1), eps"), (PAIR, "return x0.clamp(0, 1), eps")),
            Mistake("the velocity for the image", PAIR, "return x0 - eps, eps",
                    "The first result is x0 - eps, the velocity of the pair. Return x0 itself; flow_target computes the velocity."),
            *other_noises("shape"),
            grey_noise("shape"),
            Mistake("gradients kept", "@torch.no_grad()\n", "",
                    "PyTorch keeps everything that a gradient would need, for all the steps: @torch.no_grad() above the function switches it off."),
        ),
    ),
]  # fmt: skip
