"""Exercise of notebook 1.5: sampling from noise."""

import itertools

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .references import LAST, loop_by, own_ddpm
from .toys import (
    GREY_NOISE,
    NOISY,
    TIMESTEPS,
    Spy,
    Toy,
    conds,
    grey_noise,
    halve,
    likeness,
    mean,
    of_chance,
    other_noises,
    plain_step,
    seeded,
    std,
    steps_of,
)

__all__ = ["EXERCISES"]


def probe_sample(student):
    toy, cond, spy, generator = Toy(size=32), conds(), Spy(), seeded(98)
    case = "4 pictures, a step of the check's own"

    def start(seed):
        options = {"timesteps": TIMESTEPS, "step": plain_step, "generator": seeded(seed)}
        return steps_of(student(case, Toy(size=32), cond, batch_size=4, **options))[0].x_t

    trace = steps_of(student(case, toy, cond, timesteps=TIMESTEPS, batch_size=4, step=spy, generator=generator))
    x_T = trace[0].x_t.detach()
    yield Measured("the shape of the first x_t", list(x_T.shape))
    yield Measured("the mean of the first x_t", mean(x_T), 2 * NOISY)
    yield Measured("the standard deviation of the first x_t", std(x_T), NOISY)
    yield Measured("the likeness of two pictures' first x_t", likeness(x_T[0], x_T[-1]), 3 * NOISY)
    yield Measured("the likeness of two colours' first x_t", likeness(x_T[:, 0], x_T[:, 1]), 2.5 * NOISY)
    yield from of_chance(start(98), start(98), start(99))
    yield Measured("the timesteps that the network is asked about", list(toy.asked))
    yield Measured("the pairs t, s that the steps go (-1: None)", [list(pair) for pair in spy.pairs])
    yield Measured("the step is given the generator", all(given is generator for given in spy.generators))
    expected = list(loop_by()(Toy(size=32), x_T, TIMESTEPS, cond, step=plain_step))[-1].x_s
    yield Measured("how far the last x_s is from what its own start should lead to", trace[-1].x_s.detach() - expected)

    case = "4 pictures, a schedule that ends at ᾱ = 0.4"
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
    one = steps_of(student("one picture", Toy(), cond, **options))
    yield Measured("the shape of the first x_t", list(one[0].x_t.shape))
    options = {"timesteps": TIMESTEPS, "step": plain_step, "generator": seeded(98)}
    halved = steps_of(student("threshold halves x0_hat", Toy(), cond, threshold=halve, **options))
    expected = list(loop_by()(Toy(), halved[0].x_t, TIMESTEPS, cond, step=plain_step, threshold=halve))[-1].x_s
    yield Measured("how far the last x_s is from what its own start should lead to", halved[-1].x_s.detach() - expected)


def sample_by(
    draw=lambda shape, g, denoiser, t: torch.randn(shape, generator=g), loop=None, batch=True, cut=0, pass_on=True
):
    def sample(denoiser, cond, *, timesteps, batch_size=1, step=own_ddpm, threshold=None, generator=None):
        x_T = draw((batch_size if batch else 1, *denoiser.image_shape), generator, denoiser, timesteps[0])
        inner = generator if pass_on else None
        options = {"step": step, "threshold": threshold, "generator": inner}
        return (loop or loop_by())(denoiser, x_T, timesteps[cut:], cond, **options)

    return sample


sample = Exercise(
    name="sample",
    notebook="a1_5",
    kit="helpers.sampling.sample",
    task="Draw pure noise for every picture of the batch, and denoise it along all the timesteps.",
    look="Look at the first x_t: one picture of noise for each of the batch, with mean 0 and standard deviation 1.",
    probe=probe_sample,
    right=sample_by(),
    mistakes=(
        *other_noises(lambda draw: sample_by(lambda shape, g, d, t: draw(shape, generator=g))),
        Mistake(
            "one noise for all colours", sample_by(lambda shape, g, d, t: grey_noise(shape, generator=g)), GREY_NOISE
        ),
        Mistake(
            "starts from nothing",
            sample_by(lambda shape, g, d, t: torch.zeros(shape)),
            "The start is all zeros. It has to be noise: what else should decide which picture it becomes?",
        ),
        Mistake(
            "noise scaled",
            sample_by(lambda shape, g, d, t: 0.5 * torch.randn(shape, generator=g)),
            "The start is too weak: pure noise has standard deviation 1.",
        ),
        Mistake(
            "start weighted by √(1 − ᾱ)",
            sample_by(
                lambda shape, g, d, t: (1 - d.schedule.alphas_cumprod[t]).sqrt() * torch.randn(shape, generator=g)
            ),
            "The start is as weak as the noise in x_t, √(1 − ᾱ_t) eps, as if a grey picture had been noised. Where ᾱ "
            "does not end near 0 that shows: pure noise has standard deviation 1, whatever the schedule.",
        ),
        Mistake(
            "noise clamped",
            sample_by(lambda shape, g, d, t: torch.randn(shape, generator=g).clamp(-1, 1)),
            "The start is clamped to [-1, 1]. It is noise, not a picture: a third of it has to lie outside.",
        ),
        Mistake("batch_size ignored", sample_by(batch=False), "There is only one picture, whatever batch_size is."),
        Mistake(
            "the first step forgotten", sample_by(cut=1), "The first timestep is left out: noise is at timesteps[0]."
        ),
        Mistake(
            "the last step forgotten", sample_by(loop=loop_by(itertools.pairwise)), f"The last step is missing. {LAST}"
        ),
        Mistake(
            "generator not handed on",
            sample_by(pass_on=False),
            "The start comes from the generator, but the steps do not get it: hand it on to the loop, too.",
        ),
        Mistake("step ignored", sample_by(loop=loop_by(use_step=False)), "`step` makes no difference: hand it on."),
        Mistake("threshold ignored", sample_by(loop=loop_by(thresholds="never")), "`threshold` is not handed on."),
        Mistake(
            "x_t stays the same",
            sample_by(loop=loop_by(go_on=False)),
            "Each step begins at the same x_t again: what one step returns is where the next one begins.",
        ),
    ),
)


EXERCISES = [sample]
