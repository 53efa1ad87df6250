"""Flow matching: its coordinates, its velocity, and steps that follow it from noise to images.

Notation: the flow time u runs from 0 (noise) to 1 (the image), and a = √abar_t, b = √(1 - abar_t) are the weights of
image and noise in the kit's x_t = a x0 + b eps. The flow's image z = u x0 + (1 - u) eps lies on a straight line. With
u = a / (a + b) the two differ only by a factor, z = x_t / (a + b), so every Denoiser is also a flow network.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .denoisers import Cond, Denoiser, check_denoiser, prepare
from .sampling import check_step, draw_noise, predicted_x0
from .schedule import NoiseSchedule, check_schedule
from .validate import (
    check_batch,
    check_function,
    check_integer,
    check_like,
    check_number,
    check_same,
    check_tensor,
    check_timestep,
    in_words,
)

__all__ = [
    "dpm_solver_2m",
    "euler_sample",
    "euler_step",
    "flow_target",
    "from_flow",
    "heun",
    "interpolate",
    "one_step_denoise",
    "reflow_pairs",
    "to_flow",
    "velocity",
]


# ---- coordinates --------------------------------------------------------------------------------------------------


def interpolate(
    x0: Tensor, u: float | Tensor, *, noise: Tensor | None = None, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A point on the straight line from noise to an image: z = u x0 + (1 - u) eps.

    Args:
        x0: clean images (B, C, H, W).
        u: the flow time in [0, 1], a number for all images, or (B,), one for each.
        noise: the eps to use; drawn from `generator` otherwise.

    Returns: z and eps, both (B, C, H, W). Raises a ValueError for u outside [0, 1].
    Source: Liu et al. 2023, "Flow Straight and Fast", equation 1 (arXiv:2209.03003).
    """
    check_batch(x0, "x0")
    u = flow_time(u, x0)
    if noise is None:
        eps = draw_noise(x0.shape, generator, x0.device).to(x0.dtype)
    else:
        check_same(x0, noise, "x0", "noise")
        eps = noise
    return u * x0 + (1 - u) * eps, eps


def flow_target(x0: Tensor, eps: Tensor) -> Tensor:
    """What a flow network is trained to predict at a point of the line from eps to x0: the velocity dz/du = x0 - eps.

    x0 and eps are (B, C, H, W), and so is the result. It is the same at every flow time u.
    Source: Liu et al. 2023, "Flow Straight and Fast", equation 1 (arXiv:2209.03003).
    """
    check_batch(x0, "x0")
    check_same(x0, eps, "x0", "eps")
    return x0 - eps


def flow_time(u: float | Tensor, x: Tensor) -> float | Tensor:
    """u in [0, 1]: a number as it is, (B,) as (B, 1, 1, 1), to multiply images x (B, C, H, W)."""
    if not isinstance(u, Tensor) or u.ndim == 0:
        check_number(u, "u", 0, 1)
        return float(u)
    check_tensor(u, "u")
    if u.shape != (len(x),):
        raise ValueError(f"u has shape {tuple(u.shape)}; wanted ({len(x)},), one for each image, or a number.")
    if u.min() < 0 or u.max() > 1:
        raise ValueError(f"u has values from {u.min().item():g} to {u.max().item():g}; wanted [0, 1].")
    return u.to(x).view(-1, 1, 1, 1)


def to_flow(x_t: Tensor, t: int | Tensor, schedule: NoiseSchedule) -> tuple[Tensor, Tensor]:
    """x_t in the flow's coordinates: z = x_t / (a + b) at the flow time u = a / (a + b).

    Args:
        x_t: noisy images (B, C, H, W).
        t: a timestep, or (B,) of them.

    Returns: z (B, C, H, W), and u, a scalar, or (B, 1, 1, 1) for t (B,).
    Source: Kingma & Gao 2023, "Understanding Diffusion Objectives", appendix D.3 (arXiv:2303.00848).
    """
    a, b = weights(x_t, t, schedule, "x_t")
    return x_t / (a + b), a / (a + b)


def from_flow(z: Tensor, t: int | Tensor, schedule: NoiseSchedule) -> Tensor:
    """The inverse of to_flow: x_t = (a + b) z, which is z / √(u² + (1 - u)²)."""
    a, b = weights(z, t, schedule, "z")
    return (a + b) * z


def weights(x: Tensor, t: int | Tensor, schedule: NoiseSchedule, name: str) -> tuple[Tensor, Tensor]:
    """a = √abar_t and b = √(1 - abar_t), for images x (B, C, H, W)."""
    check_batch(x, name)
    check_schedule(schedule)
    check_timestep(t, schedule.T)
    abar_t = schedule.abar(t, x)
    return abar_t.sqrt(), (1 - abar_t).sqrt()


def velocity(x_t: Tensor, x0_hat: Tensor, t: int | Tensor, schedule: NoiseSchedule) -> Tensor:
    """The velocity dz/du that an estimate of the clean image implies: v = (x0_hat - z) / (1 - u).

    It points from z to x0_hat, and is x0_hat - eps_hat, the length of the whole line. Take the estimate after its
    threshold: x0_hat - eps with the network's own eps would be another velocity.

    Args:
        x_t, x0_hat: the noisy images and the estimate of the clean ones, (B, C, H, W).
        t: a timestep, or (B,) of them.

    Returns: v (B, C, H, W). Source: Lipman et al. 2023, equation 21 with sigma_min = 0 (arXiv:2210.02747).
    """
    z, u = to_flow(x_t, t, schedule)
    check_same(x_t, x0_hat, "x_t", "x0_hat")
    return (x0_hat - z) / (1 - u)


# ---- steps for the loop: denoise(…, step=euler_step) --------------------------------------------------------------


def euler_step(
    x_t: Tensor,
    x0_hat: Tensor,
    t: int,
    s: int | None,
    schedule: NoiseSchedule,
    *,
    var: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One Euler step of the flow, from timestep t to s: z_s = z_t + (u_s - u_t) v. Deterministic.

    It equals ddim_step: both move z_t to the point u_s x0_hat + (1 - u_s) eps_hat, whatever the length of the step.
    Arguments and result as for ddpm_step. So that steps are interchangeable, it accepts var and generator, unused.
    Source: Song et al. 2021, "Denoising Diffusion Implicit Models", equation 14, in x_t / a instead (arXiv:2010.02502).
    """
    check_step(x_t, x0_hat, t, s, schedule)
    if s is None:
        return x0_hat  # u = 1: z + (1 - u) v
    z, u = to_flow(x_t, t, schedule)
    z_s = z + (schedule.u[s] - u) * velocity(x_t, x0_hat, t, schedule)
    return from_flow(z_s, s, schedule)


def heun(
    denoiser: Denoiser, cond: Cond, *, threshold: Callable[[Tensor], Tensor] | None = None
) -> Callable[..., Tensor]:
    """A step of Heun's method for the loop: an Euler step with the mean of the velocities at both of its ends.

    Every step but the last calls the denoiser once more, so n timesteps cost 2n - 1 calls.

    Args:
        denoiser, cond, threshold: the same as for the loop that takes the step.

    Source: Karras et al. 2022, "Elucidating the Design Space", algorithm 1 (arXiv:2206.00364), in z and u.
    """
    check_denoiser(denoiser)
    if threshold is not None:
        check_function(threshold, "threshold", "dynamic_threshold")
    cond = prepare(denoiser, cond)

    @torch.no_grad()
    def heun_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        x_s = euler_step(x_t, x0_hat, t, s, schedule)
        if s is None:
            return x_s
        x0_hat_s = predicted_x0(denoiser(x_s, s, cond), x_s, s, schedule.alphas_cumprod)
        if threshold is not None:
            x0_hat_s = threshold(x0_hat_s)
        z, u = to_flow(x_t, t, schedule)
        v = (velocity(x_t, x0_hat, t, schedule) + velocity(x_s, x0_hat_s, s, schedule)) / 2
        return from_flow(z + (schedule.u[s] - u) * v, s, schedule)

    return heun_step


class Remembered(NamedTuple):
    """What a step of dpm_solver_2m keeps for the next one."""

    s: int  # the timestep at which it arrived
    x_s: Tensor
    x0_hat: Tensor
    h: float  # its length in lambda


def dpm_solver_2m() -> Callable[..., Tensor]:
    """A step of DPM-Solver++(2M) for the loop: second order, with a single network call in each step.

    It extrapolates x0_hat along lambda = log(a / b), from the last two estimates to the middle of the step. A step that
    does not begin where the last one ended, such as the first, is a ddim_step. If the run starts from pure
    noise, the second step is one, too, because lambda is infinite at the start. Since a / b = u / (1 - u), the solver
    is the same for diffusion and flow.

    The step remembers, so make a new one for every run. Raises a ValueError if it is given images of another run.
    Source: Lu et al. 2022, "DPM-Solver++", algorithm 2 (arXiv:2211.01095).
    """
    last: Remembered | None = None

    def dpm_solver_2m_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        nonlocal last
        check_step(x_t, x0_hat, t, s, schedule)
        before = last if last is not None and last.s == t else None
        if before is not None:
            check_continues(x_t, before)
        if s is None:
            last = None
            return x0_hat
        abar_t, abar_s = schedule.abar(t), schedule.abar(s)
        h = (torch.logit(abar_s) - torch.logit(abar_t)).item() / 2  # logit(abar) = log(a² / b²)
        D = x0_hat
        if before is not None and math.isfinite(before.h):
            D = x0_hat + h / (2 * before.h) * (x0_hat - before.x0_hat)
        x_s = ((1 - abar_s) / (1 - abar_t)).sqrt() * x_t - abar_s.sqrt() * math.expm1(-h) * D
        last = Remembered(s, x_s, x0_hat, h)
        return x_s

    return dpm_solver_2m_step


def check_continues(x_t: Tensor, last: Remembered) -> None:
    """x_t is what the last step returned, at least in some pixels: inpainting replaces the others in between."""
    if x_t.shape != last.x_s.shape or x_t.device != last.x_s.device or not (x_t == last.x_s).any():
        raise ValueError(
            f"x_t is not what this step returned at timestep {last.s}: dpm_solver_2m() gives a step that remembers one "
            "run; wanted a new one for each, step=dpm_solver_2m()."
        )


# ---- without the loop ---------------------------------------------------------------------------------------------


@torch.no_grad()
def euler_sample(
    velocity: Callable[[Tensor, float], Tensor], z: Tensor, u_start: float = 0.0, h: float = 0.02
) -> list[tuple[float, Tensor]]:
    """Follow a velocity from u_start to the image at u = 1 by Euler's method: z ← z + h velocity(z, u).

    Args:
        velocity: a function (z, u) -> v (B, C, H, W), such as a flow network.
        z: the images at u_start, (B, C, H, W).
        h: the length of a step, in (0, 1]. The last one is shortened so that it ends at 1.

    Returns: (u, z) before the first step and after every step; the last is (1.0, the images).
    Raises a ValueError for u_start outside [0, 1].
    """
    check_function(velocity, "velocity", "lambda z, u: v")
    check_batch(z, "z")
    check_number(u_start, "u_start", 0, 1)
    check_number(h, "h", 1e-6, 1)
    steps = math.ceil((1 - u_start) / h - 1e-6)  # (1 - 0.5) / 0.02 is 25, but for rounding
    times = [*(float(u_start) + i * h for i in range(steps)), 1.0]
    path = [(times[0], z)]
    for u, u_next in itertools.pairwise(times):
        v = velocity(z, u)
        check_like(z, v, "z", "v, from velocity,")
        z = z + (u_next - u) * v
        path.append((u_next, z))
    return path


def one_step_denoise(z: Tensor, v: Tensor, u: float | Tensor) -> Tensor:
    """The image at the end of the straight line along v: x0_hat = z + (1 - u) v, Euler's method in one step.

    From pure noise, at u = 0, this is the mean of all images, if v is the mean velocity of random pairs.

    Args:
        z, v: the points of the path and their velocities, (B, C, H, W).
        u: the flow time in [0, 1], a number for all images, or (B,), one for each.

    Returns: x0_hat (B, C, H, W), not clamped. Raises a ValueError for u outside [0, 1].
    Source: Liu et al. 2023, "Flow Straight and Fast", equation 2 solved for the image (arXiv:2209.03003).
    """
    check_batch(z, "z")
    check_same(z, v, "z", "v")
    return z + (1 - flow_time(u, z)) * v


def reflow_pairs(
    velocity: Callable[[Tensor, float], Tensor],
    shape: Sequence[int],
    h: float = 0.02,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Pairs for a second training, which straightens the paths: fresh noise, and the images to which a flow carries it.

    At one place and time a flow has one velocity, so its paths do not cross there. The lines between their ends cross
    far less than those of random pairs, and a network trained on them predicts almost the line itself.

    Args:
        velocity: the flow, a function (z, u) -> v, as for euler_sample.
        shape: of the noise, (N, C, H, W).
        h: the length of the steps along the flow, in (0, 1].

    Returns: x0 and eps, both (N, C, H, W); x0[i] is the end of the path that began at eps[i].
    Raises a ValueError for a shape that is not of images. Source: Liu et al. 2023, algorithm 1 (arXiv:2209.03003).
    """
    check_function(velocity, "velocity", "lambda z, u: v")
    if not isinstance(shape, (tuple, list)) or len(shape) != 4:
        raise ValueError(f"shape is {in_words(shape)}; wanted four numbers, (N, C, H, W).")
    for size in shape:
        check_integer(size, "a number of shape", 1)
    eps = draw_noise(shape, generator, torch.device("cpu"))
    _, x0 = euler_sample(velocity, eps, h=h)[-1]
    return x0, eps
