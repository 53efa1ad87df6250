"""Exercises of notebook C 1: points on the lines of a flow, their velocity, and Euler's method."""

# ruff: noqa: E501 (one mistake, two lines)

import math
from collections.abc import Callable

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
    no_gradient,
    noise,
    nothing_left,
    of_chance,
    other_noises,
    reach,
    seeded,
    std,
)

__all__ = ["EXERCISES"]

SECOND = "z is right. The second result is not the noise: return the eps that went into z, with variance 1."


# ---- points on the lines -------------------------------------------------------------------------------------------


def probe_interpolate(student):
    x0, eps = images(size=64), noise(2, 3, 64, 64)
    for u in (0.3, 0.0, 1.0):
        z, handed_back = pair(student(f"u = {u:g}, the noise given", x0, u, noise=eps), "z, eps")
        yield Measured("z", tensor(z, "z"), low=-1.0)
        yield Measured("eps", tensor(handed_back, "eps"), name="wrong second result", say=SECOND)
    u = torch.tensor([0.15, 0.8])
    z, _ = pair(student("a u of its own for each image, u = tensor([0.15, 0.8])", x0, u, noise=eps), "z, eps")
    yield Measured("z", tensor(z, "z"), low=-1.0)

    black = torch.zeros(4, 3, 32, 32)
    case = "u = 0.4, the noise drawn from a generator, black images"
    z, eps = pair(student(case, black, 0.4, generator=seeded(181)), "z, eps")
    z, eps = tensor(z, "z"), tensor(eps, "eps")
    again = pair(student(case, black, 0.4, generator=seeded(181)), "z, eps")[0]
    other = pair(student(case, black, 0.4, generator=seeded(182)), "z, eps")[0]
    yield from of_chance(z, tensor(again, "z"), tensor(other, "z"))
    yield Measured("the shape of z", list(z.shape))
    yield Measured("the standard deviation of eps", std(eps), NOISY)
    yield Measured("the mean of eps", eps.double().mean(), 2 * NOISY)
    yield Measured("the standard deviation of z", std(z), NOISY)
    yield reach(eps, "eps")
    yield from nothing_left(z - 0.6 * eps, "what is in z beside its eps")
    yield Measured("the likeness of two images' noise", likeness(eps[0], eps[1]), 3 * NOISY)
    yield Measured("the likeness of two colours' noise", likeness(eps[:, 0], eps[:, 1]), 2.5 * NOISY)


def interpolate(x0, u, *, noise=None, generator=None):
    eps = torch.randn(x0.shape, generator=generator) if noise is None else noise
    u = torch.as_tensor(u, dtype=x0.dtype).view(-1, 1, 1, 1)
    z = u * x0 + (1 - u) * eps
    return z, eps


# ---- the target ----------------------------------------------------------------------------------------------------


def probe_target(student):
    x0, eps = images(size=64), noise(2, 3, 64, 64)
    for case, image in (
        ("two images and their noise", x0),
        ("images that are 0 everywhere", 0 * x0),
        ("images that equal their noise", eps),
    ):
        yield Measured("v", tensor(student(case, image, eps), "v"), low=-1.0)
    points = 3 * noise(50, 2, 1, 1, seed=183)
    yield Measured("v", tensor(student("50 points in the plane", points, noise(50, 2, 1, 1, seed=184)), "v"))


def flow_target(x0, eps):
    v = x0 - eps
    return v


# ---- Euler's method ------------------------------------------------------------------------------------------------


class Field:
    """A velocity that differs at every point and time, and notes when it was asked; a network in small."""

    def __init__(self):
        self.pattern = noise(3, 2, 1, 1, seed=185).requires_grad_()  # like weights, so that kept gradients show
        self.asked: list[float] = []

    def __call__(self, z: Tensor, u: float) -> Tensor:
        self.asked.append(float(u))
        return torch.sin(z + self.pattern) + math.cos(3 * float(u)) * self.pattern


def path_of(path) -> tuple[list[float], list[Tensor]]:
    """The times and the points of a path, if it is a list of pairs."""
    if not isinstance(path, (list, tuple)) or not path or not all(isinstance(p, (list, tuple)) for p in path):
        given = "an empty list" if isinstance(path, (list, tuple)) and not path else f"a {type(path).__name__}"
        raise Fault("wrong type", f"It returns {given}; wanted a list of pairs (u, z), from the start to u = 1.")
    pairs = [pair(point, "u, z") for point in path]
    return [float(u) for u, _ in pairs], [tensor(z, "a z of the path") for _, z in pairs]


def probe_euler(student):
    z = noise(3, 2, 1, 1, seed=186)
    for u_start, h in ((0.0, 0.25), (0.0, 0.3), (0.5, 0.02), (0.93, 0.02), (0.0, 1.0)):
        field = Field()
        result = student(f"u_start = {u_start:g}, h = {h:g}", field, z, u_start, h)
        times, points = path_of(result)
        yield Measured("the times at which the velocity is evaluated", field.asked)
        yield Measured("the times of the path", times)
        yield Measured("the first point of the path", points[0])
        yield Measured("the last point of the path", points[-1])
        yield no_gradient(result[-1][1])


@torch.no_grad()
def euler_sample(velocity: Callable, z, u_start=0.0, h=0.02):
    u, path = u_start, [(u_start, z)]
    while u < 1 - 1e-6:
        step = min(h, 1 - u)
        z = z + step * velocity(z, u)
        u = u + step
        path.append((u, z))
    return path


EXERCISES = [
    Exercise(
        name="interpolate",
        notebook="c1",
        kit="helpers.flow.interpolate",
        task="Mix each image with its noise, so that u = 0 gives the noise and u = 1 the image, and return z and the noise.",
        look="Set the noise to zero and look at what is left of the image: it should be u times the image.",
        probe=probe_interpolate,
        right=interpolate,
        mistakes=(
            Mistake("ends exchanged", "u * x0 + (1 - u) * eps", "(1 - u) * x0 + u * eps",
                    "The two ends are exchanged: u = 0 should be pure noise, and u = 1 the image. The timestep t of Parts A and B runs the other way."),
            *alike("square roots", "The weights look like those of diffusion, whose squares add up to 1. On a straight line the weights themselves add up to 1: u and 1 - u.",
                   ("(1 - u) * eps", "(1 - u**2).sqrt() * eps"), ("u * x0 + (1 - u) * eps", "u.sqrt() * x0 + (1 - u).sqrt() * eps")),
            Mistake("noise at full strength", "(1 - u) * eps", "eps",
                    "The noise keeps its full strength. Its weight is 1 - u, so that none is left at u = 1."),
            Mistake("image at full strength", "u * x0", "x0",
                    "The image keeps its full strength. Its weight is u, so that none of it is visible at u = 0."),
            Mistake("one u for the whole batch", ".view(-1, 1, 1, 1)", ".flatten()[0]",
                    "All images of the batch get the u of the first. Each has its own: u.view(-1, 1, 1, 1) multiplies image by image."),
            Mistake("clamped", "return z, eps", "return z.clamp(-1, 1), eps",
                    "z is clamped to [-1, 1], which cuts off a part of the noise. Clamp images for display only."),
            Mistake("noise as it was added", "return z, eps", "return z, (1 - u) * eps",
                    "The second result is the noise as it was added, (1 - u) eps. Return eps itself: the target of the training is x0 - eps."),
            Mistake("the velocity beside z", "return z, eps", "return z, x0 - eps",
                    "The second result is the velocity x0 - eps. Return the noise eps here; flow_target computes the velocity."),
            *other_noises("x0.shape"),
            grey_noise("x0.shape"),
        ),
    ),
    Exercise(
        name="flow_target",
        notebook="c1",
        kit="helpers.flow.flow_target",
        task="Return the velocity of the straight line from eps to x0.",
        look="Differentiate z = u x0 + (1 - u) eps with respect to u.",
        probe=probe_target,
        right=flow_target,
        mistakes=(
            Mistake("sign", "x0 - eps", "eps - x0",
                    "The velocity has the opposite sign: it points from the image to the noise. As u grows, z moves from the noise towards the image."),
            Mistake("the noise as the target", "x0 - eps", "eps + 0 * x0",
                    "It returns the noise, which is what a diffusion network predicts. A flow network predicts the velocity, x0 - eps."),
            Mistake("the image as the target", "x0 - eps", "x0 + 0 * eps",
                    "It returns the image. The velocity is the whole way from the noise to it, x0 - eps."),
            Mistake("sum instead of difference", "x0 - eps", "x0 + eps",
                    "It adds the noise to the image. Differentiate z = u x0 + (1 - u) eps: the derivative of 1 - u is -1."),
            Mistake("unit length", "x0 - eps", "(x0 - eps) / (x0 - eps).flatten(1).norm(dim=1).clamp(min=1e-9).view(-1, 1, 1, 1)",
                    "Each velocity has length 1. It should be as long as its line, because z covers the whole line while u goes from 0 to 1."),
            Mistake("halved", "x0 - eps", "(x0 - eps) / 2",
                    "It is half of the velocity. z covers the whole line from eps to x0 while u goes from 0 to 1."),
        ),
    ),
    Exercise(
        name="euler_sample",
        notebook="c1",
        kit="helpers.flow.euler_sample",
        task="Move z along its velocity in steps of length h from u_start to 1, and return the list of all pairs (u, z).",
        look="With h = 1 from u = 0 there is one step: z + velocity(z, 0).",
        probe=probe_euler,
        right=euler_sample,
        mistakes=(
            Mistake("v not asked anew", "velocity(z, u)", "velocity(path[0][1], path[0][0])",
                    "The velocity of the start is used for all steps. Evaluate it again at the point and time of each step: the paths bend."),
            Mistake("the start's point", "velocity(z, u)", "velocity(path[0][1], u)",
                    "The velocity is always evaluated at the starting point. Evaluate it at the z that the last step has reached."),
            Mistake("the start's time", "velocity(z, u)", "velocity(z, u_start)",
                    "The velocity is always evaluated at u_start. Its second argument is the time u of the current z."),
            Mistake("the time of the next point", "velocity(z, u)", "velocity(z, u + step)",
                    "The velocity is evaluated at the time at which the step ends. Euler's method takes the velocity where the step begins."),
            Mistake("last step not shortened", "min(h, 1 - u)", "h",
                    "The last step goes beyond u = 1. Shorten it, so that it ends exactly there."),
            *alike("last step forgotten", "The path ends before u = 1. If h does not divide the way evenly, a shorter step completes it.",
                   ("u < 1 - 1e-6", "u + h < 1 + 1e-6"), ("u < 1 - 1e-6", "u + h < 1 - 1e-6")),
            Mistake("sign", "z + step", "z - step",
                    "The steps go against the velocity, away from the images."),
            Mistake("step length forgotten", "step * velocity(z, u)", "velocity(z, u)",
                    "Each step adds the whole velocity. A step of length h moves z by h times the velocity."),
            Mistake("multiplied by u", "step * velocity(z, u)", "u * velocity(z, u)",
                    "The velocity is multiplied by the time u. A step moves z by the length of the step, h, times the velocity."),
            Mistake("a fixed number of steps", "min(h, 1 - u)", "h * (1 - u_start)",
                    "The steps from a later start are shorter: h times the way that is left. h is the length of a step itself."),
            Mistake("u_start ignored", "u, path = u_start, [(u_start, z)]", "u, path = 0.0, [(0.0, z)]",
                    "It begins at u = 0. The z that is given belongs to u_start."),
            Mistake("the start missing", "[(u_start, z)]", "[]",
                    "The path begins after the first step. Its first pair is the start, (u_start, z)."),
            Mistake("gradients kept", "@torch.no_grad()\n", "",
                    "PyTorch keeps everything that a gradient would need, for all the steps: @torch.no_grad() above the function switches it off."),
        ),
    ),
]  # fmt: skip
