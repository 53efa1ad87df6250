"""Exercises of notebook C 2: diffusion's images in the flow's coordinates, their velocity, and Euler's step."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from ..schedule import NoiseSchedule
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .running import pair, tensor
from .toys import images, noise, schedule, seeded

__all__ = ["EXERCISES"]


def weights_of(t, schedule):
    """a and b of x_t = a x0 + b eps: scalars, or (B, 1, 1, 1) for timesteps (B,)."""
    abar_t = schedule.alphas_cumprod[t]
    if abar_t.ndim:
        abar_t = abar_t.view(-1, 1, 1, 1)
    return abar_t.sqrt(), (1 - abar_t).sqrt()


# ---- coordinates ---------------------------------------------------------------------------------------------------


def probe_to_flow(student):
    steep, x_t = schedule(), noise(2, 3, 16, 16, seed=191)
    for t in (20, 0, 49):
        z, u = pair(student(f"t = {t}", x_t, t, steep), "z, u")
        yield Measured("z", tensor(z, "z"), low=-1.0)
        yield Measured("u", torch.as_tensor(u).double().mean())
    t = torch.tensor([5, 30])
    z, u = pair(student("a timestep of its own for each image, t = tensor([5, 30])", x_t, t, steep), "z, u")
    yield Measured("z", tensor(z, "z"), low=-1.0)
    yield Measured("u", tensor(u, "u").double().flatten())
    yield Measured("the shape of u", list(u.shape))
    z, u = pair(
        student("pure noise, the last timestep of NoiseSchedule.flow(20)", x_t, 19, NoiseSchedule.flow(20)), "z, u"
    )
    yield Measured("z", tensor(z, "z"), low=-1.0)
    yield Measured("u", torch.as_tensor(u).double().mean())


def to_flow(x_t, t, schedule):
    a, b = weights_of(t, schedule)
    z = x_t / (a + b)
    u = a / (a + b)
    return z, u


# ---- the velocity --------------------------------------------------------------------------------------------------


def probe_velocity(student):
    steep, x_t, x0_hat = schedule(), noise(2, 3, 16, 16, seed=192), 1.3 * images()
    for t in (20, 0, 49):
        yield Measured("v", tensor(student(f"t = {t}", x_t, x0_hat, t, steep), "v"), low=-3.0, high=3.0)
    case = "a timestep of its own for each image, t = tensor([5, 30])"
    v = student(case, x_t, x0_hat, torch.tensor([5, 30]), steep)
    yield Measured("v", tensor(v, "v"), low=-3.0, high=3.0)
    v = student("pure noise, the last timestep of NoiseSchedule.flow(20)", x_t, x0_hat, 19, NoiseSchedule.flow(20))
    yield Measured("v", tensor(v, "v"), low=-3.0, high=3.0)


def velocity(x_t, x0_hat, t, schedule):
    a, b = weights_of(t, schedule)
    z, u = x_t / (a + b), a / (a + b)
    v = (x0_hat - z) / (1 - u)
    return v


# ---- the step ------------------------------------------------------------------------------------------------------


def probe_step(student):
    steep, x_t, x0_hat, var = schedule(), noise(2, 3, 16, 16, seed=193), 1.3 * images(), noise(2, 3, 16, 16, seed=194)

    def step(t, s, seed=195):
        case = f"the last step, from t = {t} to s = None" if s is None else f"from t = {t} to s = {s}"
        return tensor(student(case, x_t, x0_hat, t, s, steep, var=var, generator=seeded(seed)), "x_s")

    for t, s in ((30, 18), (21, 20), (1, 0), (49, 0), (40, None)):
        yield Measured(
            "the result depends on the seed",
            not torch.equal(step(t, s), step(t, s, seed=196)),
            name="noise added",
            say="Noise is added. A step of the flow has nothing random in it: ignore var and generator.",
        )
        yield Measured("x_s", step(t, s), low=-1.0)


def euler_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
    if s is None:
        return x0_hat
    (a, b), (a_s, b_s) = weights_of(t, schedule), weights_of(s, schedule)
    z, u = x_t / (a + b), a / (a + b)
    u_s = a_s / (a_s + b_s)
    v = (x0_hat - z) / (1 - u)
    z_s = z + (u_s - u) * v
    return (a_s + b_s) * z_s


ABAR = Mistake("ᾱ for a", "abar_t.sqrt(), (1 - abar_t).sqrt()", "abar_t, 1 - abar_t",
               "The weights look like ᾱ and 1 - ᾱ. In x_t = a x0 + b eps they are the square roots, a = √ᾱ and b = √(1 - ᾱ).")  # fmt: skip
ALPHA = Mistake("α instead of ᾱ", "schedule.alphas_cumprod[t]", "(1 - schedule.betas)[t]",
                "The weights look like those of a single step, α_t. ᾱ_t is the product of all steps up to t: schedule.alphas_cumprod[t].")  # fmt: skip

EXERCISES = [
    Exercise(
        name="to_flow",
        notebook="c2",
        kit="helpers.flow.to_flow",
        task="Divide x_t by the sum of its two weights, and return z and the flow time u.",
        look="At t = 0 there is almost no noise, so u should be close to 1 and z close to x_t.",
        probe=probe_to_flow,
        parts=(weights_of,),
        right=to_flow,
        mistakes=(
            Mistake("a + b forgotten", "z = x_t / (a + b)", "z = x_t",
                    "z is x_t itself. Its weights a and b do not add up to 1: divide by a + b."),
            Mistake("multiplied by a + b", "z = x_t / (a + b)", "z = x_t * (a + b)",
                    "x_t is multiplied by a + b. That is the way back, from z to x_t; here divide."),
            Mistake("divided by a", "z = x_t / (a + b)", "z = x_t / a",
                    "x_t is divided by a, which makes the weight of the image 1. Divide by a + b, so that both weights add up to 1."),
            Mistake("u reversed", "u = a / (a + b)", "u = b / (a + b)",
                    "u is the weight of the noise. It should be the weight of the image in z: 0 for noise, 1 for the image."),
            Mistake("a for u", "u = a / (a + b)", "u = a + 0 * b",
                    "u is a, the weight of the image in x_t. In z the weights are divided by a + b, and so is u."),
            Mistake("u from the number of the timestep", "u = a / (a + b)", "u = (1 - torch.as_tensor(t) / schedule.T).reshape(a.shape)",
                    "u is 1 - t/T. How much of the image is left at t depends on the noise schedule: u = a / (a + b)."),
            Mistake("one timestep for the whole batch", ".view(-1, 1, 1, 1)", "[0]",
                    "All images of the batch get the timestep of the first."),
            Mistake("shape of u", "return z, u", "return z, u.flatten() if u.ndim else u",
                    "For timesteps (B,) u should have shape (B, 1, 1, 1), to be multiplied with images."),
            ABAR, ALPHA,
        ),
    ),
    Exercise(
        name="velocity",
        notebook="c2",
        kit="helpers.flow.velocity",
        task="Compute the velocity that takes z in a straight line to x0_hat at u = 1.",
        look="After the time 1 - u that is left, z + (1 - u) v should be x0_hat.",
        probe=probe_velocity,
        parts=(weights_of,),
        right=velocity,
        mistakes=(
            Mistake("not divided by 1 − u", "(x0_hat - z) / (1 - u)", "x0_hat - z",
                    "This is the whole way that is left, (1 - u) v. Divide by the time that is left, 1 - u."),
            Mistake("multiplied by 1 − u", "(x0_hat - z) / (1 - u)", "(x0_hat - z) * (1 - u)",
                    "The way that is left is multiplied by 1 - u. Velocity is way divided by time."),
            Mistake("divided by u", "(x0_hat - z) / (1 - u)", "(x0_hat - z) / u",
                    "It divides by u, the time since the noise. The way to x0_hat takes the rest, 1 - u."),
            Mistake("x_t for z", "(x0_hat - z)", "(x0_hat - x_t)",
                    "The way begins at x_t. The straight line begins at z = x_t / (a + b)."),
            Mistake("sign", "(x0_hat - z)", "(z - x0_hat)",
                    "The velocity points away from the image. As u grows, z moves towards x0_hat."),
            Mistake("u reversed", "a / (a + b)", "b / (a + b)",
                    "u looks like the weight of the noise, b / (a + b). It is the weight of the image, a / (a + b)."),
            Mistake("a for u", "z, u = x_t / (a + b), a / (a + b)", "z, u = x_t / (a + b), a",
                    "u looks like a, the weight of the image in x_t. In z the weights are divided by a + b: u = a / (a + b)."),
            Mistake("one timestep for the whole batch", ".view(-1, 1, 1, 1)", "[0]",
                    "All images of the batch get the timestep of the first."),
            ABAR, ALPHA,
        ),
    ),
    Exercise(
        name="euler_step",
        notebook="c2",
        kit="helpers.flow.euler_step",
        task="Change to the flow's coordinates, take one step of Euler's method from u_t to u_s, and change back.",
        look="Check the three parts one by one: z and u at t, then z_s, then x_s = (a_s + b_s) z_s.",
        probe=probe_step,
        parts=(weights_of,),
        right=euler_step,
        mistakes=(
            Mistake("z returned", "(a_s + b_s) * z_s", "z_s",
                    "The result is still in the flow's coordinates. The loop continues with x_s = (a_s + b_s) z_s."),
            Mistake("changed back with the weights of t", "(a_s + b_s) * z_s", "(a + b) * z_s",
                    "z_s is multiplied by a + b of timestep t. It is at s by now: use a_s + b_s."),
            Mistake("divided on the way back", "(a_s + b_s) * z_s", "z_s / (a_s + b_s)",
                    "z_s is divided by a_s + b_s. From x to z you divide, and back from z to x you multiply."),
            Mistake("not divided by 1 − u", "(x0_hat - z) / (1 - u)", "(x0_hat - z)",
                    "The velocity looks like x0_hat - z, which is the whole way that is left. Divide by 1 - u."),
            Mistake("the time of s in the velocity", "/ (1 - u)", "/ (1 - u_s)",
                    "The velocity divides by 1 - u_s. It belongs to the start of the step: 1 - u_t."),
            Mistake("sign", "(u_s - u)", "(u - u_s)",
                    "The step goes backwards, towards the noise: u grows from t to s, so its length is u_s - u_t."),
            Mistake("length from the timesteps", "(u_s - u)", "((t - s) / schedule.T)",
                    "The length of the step looks like (t - s)/T. In the flow's time it is u_s - u_t."),
            Mistake("x_t for z", "z, u = x_t / (a + b), a / (a + b)", "z, u = x_t, a / (a + b)",
                    "The step begins at x_t instead of z = x_t / (a + b)."),
            Mistake("the last step returns x_t", "return x0_hat", "return x_t",
                    "At s = None it returns x_t. The last step ends at u = 1, which is x0_hat."),
            Mistake("s = 0 taken for the last step", "if s is None", "if not s",
                    "The step to s = 0 is taken for the last one. Timestep 0 still has a little noise; the last step is the one with s = None."),
            *alike("the whole way", "The step goes all the way to x0_hat. It should stop at u_s.",
                   ("(u_s - u) * v", "(1 - u) * v"), ("z + (u_s - u) * v", "x0_hat")),
            ABAR, ALPHA,
        ),
    ),
]  # fmt: skip
