"""Exercise of notebook 1.7: SDEdit."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from ..validate import check_timesteps  # noqa: F401 (in a mistake)
from . import toys
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .references import LOOP_CUT, clamped_estimate, denoise, follows_from_its_start

__all__ = ["EXERCISES"]


def probe_sdedit(student):
    abar, cond = toys.schedule().alphas_cumprod, toys.conds()
    one, two = toys.images(2, size=32), -0.5 * toys.images(2, size=32)

    def edit(case, x_orig, i_start, seed=101, **options):
        toy = toys.Toy(size=32)
        given = {
            "timesteps": toys.TIMESTEPS,
            "i_start": i_start,
            "generator": toys.seeded(seed),
            "step": toys.plain_step,
        }
        return toys.steps_of(student(case, toy, x_orig, cond, **{**given, **options})), toy

    spy, generator = toys.Spy(), toys.seeded(103)
    edit("a step of the check's own", one, 2, step=spy, generator=generator)
    yield toys.option_used(spy)
    yield Measured("the step is given the generator", all(given is generator for given in spy.generators))
    for i_start in (2, 0, 5):
        t = toys.TIMESTEPS[i_start]
        case = f"i_start = {i_start}, which is t = {t}"
        trace, toy = edit(case, one, i_start)
        yield Measured("the timesteps at which the network is called", list(toy.asked))
        start = trace[0].x_t.detach()
        yield from toys.of_chance(
            start, edit(case, one, i_start)[0][0].x_t, edit(case, one, i_start, seed=102)[0][0].x_t
        )
        apart = start - edit(case, two, i_start)[0][0].x_t.detach()  # the noise is the same: this is image
        yield Measured("the image in the first x_t", apart, low=-1.0)
        eps = start - abar[t].sqrt() * one
        yield Measured("the standard deviation of the noise in the first x_t", toys.std(eps), 1.5 * toys.NOISY)
        yield toys.reach(eps, "the noise in the first x_t")
        yield Measured("the likeness of two images' noise", toys.likeness(eps[0], eps[1]), 3 * toys.NOISY)
        yield from follows_from_its_start(trace, toys.Toy(size=32), toys.TIMESTEPS[i_start:], cond)
    trace, _ = edit("threshold halves x0_hat", one, 2, threshold=toys.halve)
    yield from follows_from_its_start(trace, toys.Toy(size=32), toys.TIMESTEPS[2:], cond, threshold=toys.halve)


def sdedit(denoiser, x_orig, cond, *, timesteps, i_start, generator=None, **options):
    abar = denoiser.schedule.alphas_cumprod[timesteps[i_start]]
    eps = torch.randn(x_orig.shape, generator=generator)
    x_T = abar.sqrt() * x_orig + (1 - abar).sqrt() * eps
    return denoise(denoiser, x_T, timesteps[i_start:], cond, generator=generator, **options)


EXERCISES = [
    Exercise(
        name="sdedit",
        notebook="a1_7",
        kit="helpers.editing.sdedit",
        task="Noise the original up to timesteps[i_start], and denoise it from there.",
        look="The first x_t has to be the original noised to timesteps[i_start], and the first t that timestep.",
        probe=probe_sdedit,
        parts=(denoise,),
        right=sdedit,
        mistakes=(
            Mistake("all timesteps", "timesteps[i_start:]", "timesteps",
                    "It denoises along all the timesteps, although the image is noised only to timesteps[i_start]."),
            Mistake("the wrong half of the timesteps", "timesteps[i_start:]", "timesteps[: i_start + 1]",
                    "It uses the timesteps up to i_start. It should use those from i_start on: timesteps[i_start:]."),
            *alike("one timestep too late", "It begins one timestep too late: x_t is at timesteps[i_start], so the network has to be called there first.",
                   ("timesteps[i_start:]", "check_timesteps(timesteps[i_start + 1 :], 50)"),
                   ("timesteps[i_start:]", "timesteps[min(i_start + 1, len(timesteps) - 1) :]")),
            Mistake("i_start counted from the end", "    abar = ", "    i_start = len(timesteps) - 1 - i_start\n    abar = ",
                    "i_start seems to be counted from the clean end. It is an index into timesteps, which begins with the noisiest."),
            Mistake("i_start counted from the end", "    abar = ", "    i_start = -i_start\n    abar = ",
                    "The timesteps begin at timesteps[-i_start], counted from the clean end: without the minus they are those from i_start on."),
            Mistake("the wrong half of the timesteps", "    abar = ", "    timesteps, i_start = timesteps[:i_start] or timesteps, 0\n    abar = ",
                    "It uses the timesteps before i_start. It should use those from i_start on: timesteps[i_start:]."),
            Mistake("i_start taken for the timestep", "[timesteps[i_start]]", "[i_start]",
                    "The image is noised to t = i_start. i_start is an index into the list: the timestep is timesteps[i_start]."),
            Mistake("noised to another timestep", "[timesteps[i_start]]", "[timesteps[max(i_start - 1, 0)]]",
                    "The image is noised to the timestep before the one at which denoising begins: too much noise."),
            Mistake("noised to another timestep", "[timesteps[i_start]]", "[timesteps[min(i_start + 1, len(timesteps) - 1)]]",
                    "The image is noised to the timestep after the one at which denoising begins: too little noise."),
            Mistake("noised to another timestep", "[timesteps[i_start]]", "[timesteps[0]]",
                    "The image is always noised to timesteps[0]: i_start is ignored."),
            Mistake("not noised", "abar.sqrt() * x_orig + (1 - abar).sqrt() * eps", "x_orig",
                    "The original is not noised at all: there is no noise for the network to remove."),
            Mistake("pure noise", "abar.sqrt() * x_orig + (1 - abar).sqrt() * eps", "eps",
                    "It starts from pure noise: the original has no effect."),
            Mistake("noise only added", "abar.sqrt() * x_orig +", "x_orig +",
                    "The noise is added, but the image is not shrunk: forward does both."),
            Mistake("generator not handed on", "cond, generator=generator, **options)", "cond, **options)",
                    "The start comes from the generator, but the steps do not receive it: pass it on to the loop, too."),
            Mistake("options not handed on", "generator=generator, **options)", "generator=generator, step=options.get(\"step\"))",
                    "threshold is not passed on to the loop: pass `**options`."),
            Mistake(LOOP_CUT.name, "timesteps[i_start:]", "timesteps[i_start:-1] or timesteps[-1:]", LOOP_CUT.say),
            LOOP_CUT,
            *clamped_estimate(("generator=generator, **options)", "generator=generator, **{'threshold': lambda x: x.clamp(-1, 1), **options})")),
            Mistake("x_t clamped", "x_T = abar.sqrt() * x_orig + (1 - abar).sqrt() * eps", "x_T = (abar.sqrt() * x_orig + (1 - abar).sqrt() * eps).clamp(-1, 1)",
                    "The first x_t is clamped to [-1, 1]. A noisy image has to exceed this range: clamp only for display."),
            *toys.other_noises("x_orig.shape"),
        ),
    )
]  # fmt: skip
