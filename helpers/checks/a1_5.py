"""Exercise of notebook 1.5: sampling from noise."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from ..sampling import ddpm_step
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .references import LAST, denoise
from .toys import (
    NOISY,
    TIMESTEPS,
    Spy,
    Toy,
    conds,
    grey_noise,
    halve,
    likeness,
    mean,
    nothing_left,
    of_chance,
    other_noises,
    plain_step,
    reach,
    seeded,
    std,
    steps_of,
)

__all__ = ["EXERCISES"]


def probe_sample(student):
    toy, cond, spy, generator = Toy(size=32), conds(), Spy(), seeded(98)
    case = "4 images, a step of the check's own"

    def start(seed):
        options = {"timesteps": TIMESTEPS, "step": plain_step, "generator": seeded(seed)}
        return steps_of(student(case, Toy(size=32), cond, batch_size=4, **options))[0].x_t

    trace = steps_of(student(case, toy, cond, timesteps=TIMESTEPS, batch_size=4, step=spy, generator=generator))
    x_T = trace[0].x_t.detach()
    yield Measured("the shape of the first x_t", list(x_T.shape))
    yield Measured("the mean of the first x_t", mean(x_T), 2 * NOISY)
    yield Measured("the standard deviation of the first x_t", std(x_T), NOISY)
    yield reach(x_T, "the first x_t")
    yield Measured("the likeness of two images' first x_t", likeness(x_T[0], x_T[-1]), 3 * NOISY)
    yield Measured("the likeness of two colours' first x_t", likeness(x_T[:, 0], x_T[:, 1]), 2.5 * NOISY)
    yield from of_chance(start(98), start(98), start(99))
    yield Measured("the timesteps that the network is asked about", list(toy.asked))
    yield Measured("the pairs t, s that the steps go (-1: None)", [list(pair) for pair in spy.pairs])
    yield Measured("the step is given the generator", all(given is generator for given in spy.generators))
    expected = list(denoise(Toy(size=32), x_T, TIMESTEPS, cond, step=plain_step))[-1].x_s
    yield from nothing_left(trace[-1].x_s - expected, "how far the last x_s is from what its own start should lead to")

    case = "4 images, a schedule that ends at ᾱ = 0.4"
    options = {"timesteps": [9, 4, 0], "step": plain_step, "generator": seeded(98)}
    trace = steps_of(student(case, Toy(size=32, T=10), cond, batch_size=4, **options))
    yield Measured(
        "the standard deviation of the first x_t",
        std(trace[0].x_t),
        NOISY,
        name="start weighted by the schedule",
        say="How strong the start is depends on the schedule. Pure noise has standard deviation 1, whatever ᾱ is.",
    )
    options = {"timesteps": TIMESTEPS, "step": plain_step, "generator": seeded(98)}
    one = steps_of(student("one image", Toy(), cond, **options))
    yield Measured("the shape of the first x_t", list(one[0].x_t.shape))
    options = {"timesteps": TIMESTEPS, "step": plain_step, "generator": seeded(98)}
    halved = steps_of(student("threshold halves x0_hat", Toy(), cond, threshold=halve, **options))
    expected = list(denoise(Toy(), halved[0].x_t, TIMESTEPS, cond, step=plain_step, threshold=halve))[-1].x_s
    yield from nothing_left(halved[-1].x_s - expected, "how far the last x_s is from what its own start should lead to")


def sample(denoiser, cond, *, timesteps, batch_size=1, step=ddpm_step, threshold=None, generator=None):
    x_T = torch.randn((batch_size, *denoiser.image_shape), generator=generator)
    return denoise(denoiser, x_T, timesteps, cond, step=step, threshold=threshold, generator=generator)


EXERCISES = [
    Exercise(
        name="sample",
        notebook="a1_5",
        kit="helpers.sampling.sample",
        task="Draw pure noise for every image of the batch, and denoise it along all the timesteps.",
        look="Look at the first x_t: one image of noise for each of the batch, with mean 0 and standard deviation 1.",
        probe=probe_sample,
        parts=(denoise,),
        right=sample,
        mistakes=(
            *other_noises("(batch_size, *denoiser.image_shape)"),
            grey_noise("(batch_size, *denoiser.image_shape)"),
            Mistake("starts from nothing", "torch.randn((batch_size, *denoiser.image_shape), generator=generator)", "torch.zeros((batch_size, *denoiser.image_shape))",
                    "The start is all zeros. It has to be noise: what else should decide which image it becomes?"),
            Mistake("noise scaled", "x_T = torch", "x_T = 0.5 * torch",
                    "The start is too weak: pure noise has standard deviation 1."),
            Mistake("start weighted by √(1 − ᾱ)", "x_T = torch", "x_T = (1 - denoiser.schedule.alphas_cumprod[timesteps[0]]).sqrt() * torch",
                    "The start is as weak as the noise in x_t, √(1 − ᾱ_t) eps, as if a grey image had been noised. Where ᾱ does not end near 0 that shows: pure noise has standard deviation 1, whatever the schedule."),
            Mistake("noise clamped", "generator=generator)\n    return", "generator=generator).clamp(-1, 1)\n    return",
                    "The start is clamped to [-1, 1]. It is noise, not an image: a third of it has to lie outside."),
            Mistake("batch_size ignored", "(batch_size, *", "(1, *",
                    "There is only one image, whatever batch_size is."),
            Mistake("the first step forgotten", "x_T, timesteps, cond", "x_T, timesteps[1:], cond",
                    "The first timestep is left out: noise is at timesteps[0]."),
            *alike("the last step forgotten", f"The last step is missing. {LAST}",
                   ("x_T, timesteps, cond", "x_T, timesteps[:-1], cond"),
                   ("zip(timesteps, [*timesteps[1:], None])", "zip(timesteps, timesteps[1:])")),
            Mistake("generator not handed on", "threshold=threshold, generator=generator)", "threshold=threshold)",
                    "The start comes from the generator, but the steps do not get it: hand it on to the loop, too."),
            Mistake("step ignored", "step=step, ", "", "`step` makes no difference: hand it on."),
            Mistake("threshold ignored", "threshold=threshold, ", "", "`threshold` is not handed on."),
            Mistake("x_t stays the same", "x_t = x_s", "pass",
                    "Each step begins at the same x_t again: what one step returns is where the next one begins."),
            *alike("x0_hat clamped", "The estimate is clamped to [-1, 1] at every step. The loop leaves it as it is, unless a `threshold` is given.",
                   ("(x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "((x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()).clamp(-1, 1)"),
                   ("step=step, threshold=threshold", "step=step, threshold=threshold or (lambda x: x.clamp(-1, 1))"),
                   ("step=step, threshold=threshold", "step=step, threshold=lambda x: x.clamp(-1, 1)")),
            Mistake("x_t clamped", "x_t = x_s", "x_t = x_s.clamp(-1, 1)",
                    "x_t is clamped to [-1, 1] between the steps. A noisy image has to leave that: clamp for the display only."),
        ),
    )
]  # fmt: skip
