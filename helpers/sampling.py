"""From noise to images: the forward process, one reverse step, and the loop of all samplers."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .denoisers import Cond, Denoiser, Prediction, check_denoiser, prepare
from .schedule import NoiseSchedule, abar_at, check_schedule
from .validate import (
    check_alphas_cumprod,
    check_axes,
    check_batch,
    check_finite,
    check_fits,
    check_function,
    check_generator,
    check_image,
    check_integer,
    check_like,
    check_number,
    check_same,
    check_timestep,
    check_timesteps,
    in_words,
)

__all__ = [
    "Step",
    "ddim_step",
    "ddpm_step",
    "denoise",
    "draw_noise",
    "dynamic_threshold",
    "estimate_x0",
    "final",
    "forward",
    "predicted_x0",
    "renoise",
    "sample",
]


class Step(NamedTuple):
    """One step of the loop, from timestep t to s (None: there is no next one). All images are (B, C, H, W)."""

    t: int
    s: int | None
    x_t: Tensor
    eps: Tensor  # the predicted noise in x_t
    x0_hat: Tensor  # the clean image that this implies, after the threshold: the step's input
    x_s: Tensor


def draw_noise(shape: Sequence[int], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Standard normal noise, drawn on the generator's device: a CPU seed gives the same noise for every device."""
    check_generator(generator)
    home = device if generator is None else generator.device
    return torch.randn(tuple(shape), generator=generator, device=home).to(device)


@torch.no_grad()
def forward(
    x0: Tensor,
    t: int | Tensor,
    alphas_cumprod: Tensor,
    *,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Noise clean images to timestep t in one step: x_t = √abar_t x0 + √(1 - abar_t) eps.

    Args:
        x0: clean images (B, C, H, W) in [-1, 1] (Part B: in [0, 1]).
        t: a timestep 0 … T-1 for all images, or integers (B,), one for each.
        alphas_cumprod: abar (T,), from a NoiseSchedule.
        noise: the eps to use; drawn from `generator` otherwise.

    Returns: x_t and eps, both (B, C, H, W).
    Source: Ho et al. 2020, equation 4 (arXiv:2006.11239).
    """
    check_image(x0, "x0")
    check_alphas_cumprod(alphas_cumprod)
    check_timestep(t, len(alphas_cumprod))
    if noise is None:
        eps = draw_noise(x0.shape, generator, x0.device).to(x0.dtype)
    else:
        check_same(x0, noise, "x0", "noise")
        eps = noise
    abar_t = abar_at(t, alphas_cumprod, x0)
    x_t = abar_t.sqrt() * x0 + (1 - abar_t).sqrt() * eps
    return x_t, eps


def estimate_x0(x_t: Tensor, t: int | Tensor, eps: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """The forward process solved for the clean image: x0_hat = (x_t - √(1 - abar_t) eps) / √abar_t.

    x_t and eps are (B, C, H, W); t is a timestep, or (B,) of them. The result is not clamped to [-1, 1].
    Raises a ValueError at abar_t = 0, where x_t is pure noise and eps says nothing about x0.
    Source: Ho et al. 2020, equation 15 (arXiv:2006.11239).
    """
    check_batch(x_t, "x_t")
    check_same(x_t, eps, "x_t", "eps")
    check_alphas_cumprod(alphas_cumprod)
    check_timestep(t, len(alphas_cumprod))
    abar_t = abar_at(t, alphas_cumprod, x_t)
    if not abar_t.all():
        raise ValueError(
            f"t is {in_words(t)}, where abar is 0: x_t is pure noise, and its eps says nothing about x0. Wanted an "
            "earlier t, or a network that predicts x0 as well, such as a FlowDigitDenoiser's."
        )
    return (x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()


def predicted_x0(prediction: Prediction, x_t: Tensor, t: int, alphas_cumprod: Tensor) -> Tensor:
    """The clean images (B, C, H, W) that a prediction for x_t implies: its x0 if it carries one, else estimate_x0."""
    x0 = getattr(prediction, "x0", None)  # a Denoiser of your own may return a plain pair
    return estimate_x0(x_t, t, prediction[0], alphas_cumprod) if x0 is None else x0


def ddpm_step(
    x_t: Tensor,
    x0_hat: Tensor,
    t: int,
    s: int | None,
    schedule: NoiseSchedule,
    *,
    var: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One DDPM step from timestep t to the next one, s: a draw from q(x_s | x_t, x0 = x0_hat).

    Args:
        x_t, x0_hat: the noisy images and the estimate of the clean ones, (B, C, H, W).
        s: an earlier timestep, or None at the last step, which returns x0_hat.
        var: learned variance channels in [-1, 1]; without them the variance is beta-tilde, the posterior's own.

    Returns: x_s (B, C, H, W).
    Source: Ho et al. 2020, equations 6 and 7 (arXiv:2006.11239), for a stride as in Nichol & Dhariwal 2021,
    equations 15 (the variance) and 19 (arXiv:2102.09672).
    """
    check_step(x_t, x0_hat, t, s, schedule)
    if s is None:
        return x0_hat
    abar_t, abar_s = schedule.abar(t), schedule.abar(s)  # in fp32 as in diffusers: numbers agree
    alpha = abar_t / abar_s  # what the stride from s to t keeps of the variance of x_s …
    beta = 1 - alpha  # … and what it adds as noise
    mean = (abar_s.sqrt() * beta * x0_hat + alpha.sqrt() * (1 - abar_s) * x_t) / (1 - abar_t)

    beta_tilde = beta * (1 - abar_s) / (1 - abar_t)
    if var is None:
        variance = beta_tilde
    else:
        check_same(x_t, var, "x_t", "var")
        v = (var + 1) / 2
        variance = torch.exp(v * beta.log() + (1 - v) * beta_tilde.log())
    return mean + variance.sqrt() * draw_noise(x_t.shape, generator, x_t.device)


def ddim_step(
    x_t: Tensor,
    x0_hat: Tensor,
    t: int,
    s: int | None,
    schedule: NoiseSchedule,
    *,
    var: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One DDIM step with eta = 0: noise x0_hat again, to s, with the noise that x_t implies. It is deterministic.

    Arguments and result as for ddpm_step; var and generator are unused; they make the two interchangeable.
    Source: Song et al. 2021, "Denoising Diffusion Implicit Models", equation 12 (arXiv:2010.02502).
    """
    check_step(x_t, x0_hat, t, s, schedule)
    if s is None:
        return x0_hat
    abar_t, abar_s = schedule.abar(t), schedule.abar(s)
    eps = (x_t - abar_t.sqrt() * x0_hat) / (1 - abar_t).sqrt()
    return abar_s.sqrt() * x0_hat + (1 - abar_s).sqrt() * eps


def check_step(x_t: Tensor, x0_hat: Tensor, t: int, s: int | None, schedule: NoiseSchedule) -> None:
    """Check the arguments of a step."""
    check_batch(x_t, "x_t")
    check_same(x_t, x0_hat, "x_t", "x0_hat")
    check_schedule(schedule)
    check_integer(t, "t", 0, schedule.T - 1)
    if s is not None:
        check_integer(s, "s")
        if not 0 <= s < t:
            raise ValueError(f"s is {int(s)} after t = {int(t)}; wanted 0 <= s < t, or None at the last step.")


def dynamic_threshold(x0_hat: Tensor, *, ratio: float = 0.95, maximum: float = 1.5) -> Tensor:
    """Bring estimates that guidance has pushed far outside [-1, 1] back, each image separately.

    The `ratio` quantile of |x0_hat|, limited to between 1 and `maximum`, becomes the new 1: larger values are clamped,
    and all are divided by it. This keeps colours distinct that clamping alone would saturate.

    Source: Saharia et al. 2022, "Imagen", section 2.3 (arXiv:2205.11487); ratio and maximum as in DeepFloyd IF.
    """
    check_batch(x0_hat, "x0_hat")
    if x0_hat.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x0_hat has dtype {x0_hat.dtype}; wanted torch.float32: convert it with x0_hat.float().")
    check_number(ratio, "ratio", 0, 1)
    check_number(maximum, "maximum", 1)
    bound = x0_hat.flatten(1).abs().quantile(ratio, dim=1).clamp(1, maximum).view(-1, 1, 1, 1)
    return x0_hat.clamp(-bound, bound) / bound


def denoise(
    denoiser: Denoiser,
    x_t: Tensor,
    timesteps: Sequence[int],
    cond: Cond,
    *,
    step: Callable[..., Tensor] = ddpm_step,
    threshold: Callable[[Tensor], Tensor] | None = None,
    constrain: Callable[[Tensor, int | None], Tensor] | None = None,
    resample: int = 1,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Denoise x_t from timesteps[0] on, one timestep after the other; yields every Step.

    Args:
        denoiser: predicts the noise in x_t; any Denoiser, or a combination of them.
        x_t: noisy images (B, C, H, W), fp32. All images stay on their device, even if the network computes elsewhere.
        timesteps: strictly decreasing, such as strided_timesteps(). The last one's step ends in x0_hat.
        cond: the denoiser's condition; for a text model the embeddings (1 or B, 77, width).
        step: ddpm_step, ddim_step, or a function like them.
        threshold: a function x0_hat -> x0_hat, such as dynamic_threshold; by default the estimate is unchanged. Its
            result is the step's input and the Step's x0_hat.
        constrain: a function (x_s, s) -> x_s, run after every step, before it is yielded.
        resample: how often each step is taken. In between, x_s is noised back to t, which lets the prediction adapt to
            the result of `constrain` (Lugmayr et al. 2022, algorithm 1, arXiv:2201.09865). The last time is
            yielded. The step that ends in x0_hat is taken once.
        generator: the source of all noise.

    Raises a ValueError: at the call if timesteps or images do not fit, and during sampling if a step produces a NaN.
    """
    check_denoiser(denoiser)
    check_batch(x_t, "x_t")
    check_fits(x_t, denoiser.image_shape, "x_t")
    timesteps = check_timesteps(timesteps, denoiser.schedule.T)
    check_function(step, "step", "ddim_step")
    if threshold is not None:
        check_function(threshold, "threshold", "dynamic_threshold")
    if constrain is not None:
        check_function(constrain, "constrain", "lambda x_s, s: x_s")
    check_integer(resample, "resample", 1)
    check_generator(generator)
    cond = prepare(denoiser, cond)
    return _denoise(denoiser, x_t, timesteps, cond, step, threshold, constrain, resample, generator)


@torch.no_grad()
def renoise(x_s: Tensor, s: int, t: int, alphas_cumprod: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Noise images x_s (B, C, H, W) from timestep s on to a noisier t: √α x_s + √(1 - α) noise, α = abar_t / abar_s.

    If x_s is distributed as noised images at s, the result is so at t.
    Source: Lugmayr et al. 2022, "RePaint", equation 1, over several steps at once (arXiv:2201.09865).
    """
    check_axes(x_s, "x_s")
    check_alphas_cumprod(alphas_cumprod)
    check_integer(t, "t", 1, len(alphas_cumprod) - 1)
    check_integer(s, "s", 0, t - 1)
    alpha = abar_at(t, alphas_cumprod, x_s) / abar_at(s, alphas_cumprod, x_s)
    return alpha.sqrt() * x_s + (1 - alpha).sqrt() * draw_noise(x_s.shape, generator, x_s.device)


@torch.no_grad()
def _denoise(denoiser, x_t, timesteps, cond, step, threshold, constrain, resample, generator):
    # apart from denoise(): a generator's body runs only at the first next(), and bad arguments should fail at the call
    schedule = denoiser.schedule
    for t, s in zip(timesteps, [*timesteps[1:], None]):
        for again in reversed(range(1 if s is None else resample)):
            prediction = denoiser(x_t, t, cond)
            eps, var = prediction
            check_finite(eps, f"the noise predicted at t = {t}")
            x0_hat = predicted_x0(prediction, x_t, t, schedule.alphas_cumprod)
            if threshold is not None:
                x0_hat = threshold(x0_hat)
            x_s = step(x_t, x0_hat, t, s, schedule, var=var, generator=generator)
            check_like(x_t, x_s, "x_t", "x_s, from step,")
            if constrain is not None:
                x_s = constrain(x_s, s)
                check_like(x_t, x_s, "x_t", "x_s, from constrain,")
            if again:
                x_t = renoise(x_s, s, t, schedule.alphas_cumprod, generator=generator)
        yield Step(t, s, x_t, eps, x0_hat, x_s)
        x_t = x_s


def sample(
    denoiser: Denoiser,
    cond: Cond,
    *,
    timesteps: Sequence[int],
    batch_size: int = 1,
    step: Callable[..., Tensor] = ddpm_step,
    threshold: Callable[[Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Sample images: start from pure noise (batch_size, C, H, W) and denoise it; yields every Step.

    All images are on the CPU, even if the network computes elsewhere. The other arguments are those of denoise.
    Source: Ho et al. 2020, algorithm 2 (arXiv:2006.11239).
    """
    check_denoiser(denoiser)
    check_integer(batch_size, "batch_size", 1)
    x_T = draw_noise((batch_size, *denoiser.image_shape), generator, torch.device("cpu"))
    return denoise(denoiser, x_T, timesteps, cond, step=step, threshold=threshold, generator=generator)


def final(steps: Iterable[Step], *, progress: bool = True) -> Tensor:
    """Run denoise, sample, sdedit or inpaint to its end, with a progress bar; returns the last x_s (B, C, H, W)."""
    wanted = "wanted what sample(…), denoise(…), sdedit(…) or inpaint(…) gives"
    if isinstance(steps, (Tensor, Step)) or not isinstance(steps, Iterable):
        raise TypeError(f"steps is {'a Step' if isinstance(steps, Step) else in_words(steps)}; {wanted}.")
    steps = iter(steps)
    first = next(steps, None)
    if first is None:
        raise ValueError("no steps were given; wanted a generator such as sample(…), which runs only once.")
    if not isinstance(first, Step):
        raise TypeError(f"a step is {in_words(first)}; {wanted}.")
    quiet = not progress or bool(os.environ.get("TQDM_DISABLE"))  # tqdm's own switch, which its notebook bar ignores
    look = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    # the bar counts timesteps, because the number of steps is unknown
    with tqdm(total=first.t + 1, desc="denoising", bar_format=look, leave=False, disable=quiet) as bar:
        for step in itertools.chain([first], steps):
            bar.update(step.t + 1 if step.s is None else step.t - step.s)
    return step.x_s
