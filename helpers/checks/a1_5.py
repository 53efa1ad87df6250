"""Exercise of notebook 1.5: sampling from noise."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from ..sampling import ddpm_step
from . import toys
from .exercise import Exercise, Mistake
from .measured import Measured
from .references import LOOP_CUT, clamped_estimate, denoise, follows_from_its_start

__all__ = ["EXERCISES"]


def probe_sample(student):
    toy, cond, spy, generator = toys.Toy(size=32), toys.conds(), toys.Spy(), toys.seeded(98)
    case = "4 images, a step of the check's own"

    def start(seed):
        options = {"timesteps": toys.TIMESTEPS, "step": toys.plain_step, "generator": toys.seeded(seed)}
        return toys.steps_of(student(case, toys.Toy(size=32), cond, batch_size=4, **options))[0].x_t

    trace = toys.steps_of(
        student(case, toy, cond, timesteps=toys.TIMESTEPS, batch_size=4, step=spy, generator=generator)
    )
    x_T = trace[0].x_t.detach()
    yield Measured("the shape of the first x_t", list(x_T.shape))
    yield Measured("the mean of the first x_t", toys.mean(x_T), 2 * toys.NOISY)
    yield Measured("the standard deviation of the first x_t", toys.std(x_T), toys.NOISY)
    yield toys.reach(x_T, "the first x_t")
    yield Measured("the likeness of two images' first x_t", toys.likeness(x_T[0], x_T[-1]), 3 * toys.NOISY)
    yield Measured("the likeness of two colours' first x_t", toys.likeness(x_T[:, 0], x_T[:, 1]), 2.5 * toys.NOISY)
    yield from toys.of_chance(start(98), start(98), start(99))
    yield Measured("the timesteps at which the network is called", list(toy.asked))
    yield Measured("the pairs t, s that the steps go (-1: None)", [list(pair) for pair in spy.pairs])
    yield Measured("the step is given the generator", all(given is generator for given in spy.generators))
    yield from follows_from_its_start(trace, toys.Toy(size=32), toys.TIMESTEPS, cond)

    case = "4 images, a schedule that ends at ᾱ = 0.4"
    options = {"timesteps": [9, 4, 0], "step": toys.plain_step, "generator": toys.seeded(98)}
    trace = toys.steps_of(student(case, toys.Toy(size=32, T=10), cond, batch_size=4, **options))
    yield Measured(
        "the standard deviation of the first x_t",
        toys.std(trace[0].x_t),
        toys.NOISY,
        name="start weighted by the schedule",
        say="The strength of the initial noise depends on the schedule. Pure noise has standard deviation 1 for any ᾱ.",
    )
    options = {"timesteps": toys.TIMESTEPS, "step": toys.plain_step, "generator": toys.seeded(98)}
    one = toys.steps_of(student("one image", toys.Toy(), cond, **options))
    yield Measured("the shape of the first x_t", list(one[0].x_t.shape))
    options = {"timesteps": toys.TIMESTEPS, "step": toys.plain_step, "generator": toys.seeded(98)}
    halved = toys.steps_of(student("threshold halves x0_hat", toys.Toy(), cond, threshold=toys.halve, **options))
    yield from follows_from_its_start(halved, toys.Toy(), toys.TIMESTEPS, cond, threshold=toys.halve)


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
            *toys.other_noises("(batch_size, *denoiser.image_shape)"),
            toys.grey_noise("(batch_size, *denoiser.image_shape)"),
            Mistake("starts from nothing", "torch.randn((batch_size, *denoiser.image_shape), generator=generator)", "torch.zeros((batch_size, *denoiser.image_shape))",
                    "The start is all zeros. It has to be noise, which decides what the image becomes."),
            Mistake("noise scaled", "x_T = torch", "x_T = 0.5 * torch",
                    "The start is too weak: pure noise has standard deviation 1."),
            Mistake("start weighted by √(1 − ᾱ)", "x_T = torch", "x_T = (1 - denoiser.schedule.alphas_cumprod[timesteps[0]]).sqrt() * torch",
                    "The start is as weak as the noise in x_t, √(1 − ᾱ_t) eps, as if a grey image had been noised. This shows where ᾱ does not end near 0: pure noise has standard deviation 1 for any schedule."),
            Mistake("noise clamped", "generator=generator)\n    return", "generator=generator).clamp(-1, 1)\n    return",
                    "The start is clamped to [-1, 1]. It is noise, not an image: a third of its values has to lie outside."),
            Mistake("batch_size ignored", "(batch_size, *", "(1, *",
                    "There is only one image: batch_size is ignored."),
            Mistake("the first step forgotten", "x_T, timesteps, cond", "x_T, timesteps[1:], cond",
                    "The first timestep is left out: noise is at timesteps[0]."),
            LOOP_CUT,
            Mistake(LOOP_CUT.name, "x_T, timesteps, cond", "x_T, timesteps[:-1], cond", LOOP_CUT.say),
            Mistake("generator not handed on", "threshold=threshold, generator=generator)", "threshold=threshold)",
                    "The start comes from the generator, but the steps do not receive it: pass it on to the loop, too."),
            Mistake("step ignored", "step=step, ", "", "`step` makes no difference: pass it on."),
            Mistake("threshold ignored", "threshold=threshold, ", "", "`threshold` is not passed on."),
            Mistake("x_t stays the same", "x_t = x_s", "pass",
                    "Each step begins at the same x_t again: the next step has to begin at the x_s of this one."),
            *clamped_estimate(("step=step, threshold=threshold", "step=step, threshold=threshold or (lambda x: x.clamp(-1, 1))"),
                              ("step=step, threshold=threshold", "step=step, threshold=lambda x: x.clamp(-1, 1)")),
            Mistake("x_t clamped", "x_t = x_s", "x_t = x_s.clamp(-1, 1)",
                    "x_t is clamped to [-1, 1] between the steps. A noisy image has to exceed this range: clamp only for display."),
        ),
    )
]  # fmt: skip
