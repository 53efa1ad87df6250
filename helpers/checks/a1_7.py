"""Exercise of notebook 1.7: SDEdit."""

import functools
import itertools
import math

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .references import LAST, loop_by, noised, own_ddpm
from .toys import (
    NOISY,
    TIMESTEPS,
    Spy,
    Toy,
    conds,
    halve,
    likeness,
    of_chance,
    option_used,
    other_noises,
    pictures,
    plain_step,
    schedule,
    seeded,
    std,
    steps_of,
)

__all__ = ["EXERCISES"]


def probe_sdedit(student):
    abar, cond = schedule().alphas_cumprod, conds()
    one, two = pictures(2, size=32), -0.5 * pictures(2, size=32)

    def edit(case, x_orig, i_start, seed=101, **options):
        toy = Toy(size=32)
        given = {"timesteps": TIMESTEPS, "i_start": i_start, "generator": seeded(seed), "step": plain_step}
        return steps_of(student(case, toy, x_orig, cond, **{**given, **options})), toy

    spy, generator = Spy(), seeded(103)
    edit("a step of the check's own", one, 2, step=spy, generator=generator)
    yield option_used(spy)
    yield Measured("the step is given the generator", all(given is generator for given in spy.generators))
    for i_start in (2, 0, 5):
        t = TIMESTEPS[i_start]
        case = f"i_start = {i_start}, which is t = {t}"
        trace, toy = edit(case, one, i_start)
        yield Measured("the timesteps that the network is asked about", list(toy.asked))
        start = trace[0].x_t.detach()
        yield from of_chance(start, edit(case, one, i_start)[0][0].x_t, edit(case, one, i_start, seed=102)[0][0].x_t)
        apart = start - edit(case, two, i_start)[0][0].x_t.detach()  # the noise is the same: this is picture
        yield Measured("the picture in the first x_t", apart, low=-1.0)
        eps = start - abar[t].sqrt() * one
        yield Measured("the standard deviation of the noise in the first x_t", std(eps), 1.5 * NOISY)
        yield Measured("the likeness of two pictures' noise", likeness(eps[0], eps[1]), 3 * NOISY)
        expected = list(loop_by()(Toy(size=32), start, TIMESTEPS[i_start:], cond, step=plain_step))[-1].x_s
        yield Measured(
            "how far the last x_s is from what its own start should lead to", trace[-1].x_s.detach() - expected
        )
    trace, _ = edit("threshold halves x0_hat", one, 2, threshold=halve)
    options = {"step": plain_step, "threshold": halve}
    expected = list(loop_by()(Toy(size=32), trace[0].x_t.detach(), TIMESTEPS[2:], cond, **options))[-1].x_s
    yield Measured("how far the last x_s is from what its own start should lead to", trace[-1].x_s.detach() - expected)


def sdedit_by(
    to=lambda ts, i: ts[i], after=lambda ts, i: ts[i:], start=noised, pass_on=True, options_on=True, loop=None
):
    def sdedit(denoiser, x_orig, cond, *, timesteps, i_start, generator=None, **options):
        a = denoiser.schedule.alphas_cumprod[to(timesteps, i_start)].item()
        x_t = start(x_orig, a, generator)
        inner = {"generator": generator} if pass_on else {}
        options = options if options_on else {"step": options.get("step", own_ddpm)}
        return (loop or loop_by())(denoiser, x_t, after(timesteps, i_start), cond, **inner, **options)

    return sdedit


def clipped(i, ts):
    return min(max(i, 0), len(ts) - 1)


sdedit = Exercise(
    name="sdedit",
    notebook="a1_7",
    kit="helpers.editing.sdedit",
    task="Noise the original up to timesteps[i_start], and denoise it from there.",
    look="The first x_t has to be the original noised to timesteps[i_start], and the first t that timestep.",
    probe=probe_sdedit,
    right=sdedit_by(),
    mistakes=(
        Mistake(
            "all timesteps",
            sdedit_by(after=lambda ts, i: ts),
            "It denoises along all the timesteps, although the picture is noised only to timesteps[i_start].",
        ),
        Mistake(
            "the wrong half of the timesteps",
            sdedit_by(after=lambda ts, i: ts[: i + 1]),
            "It walks the timesteps up to i_start. What is left to do is from i_start on: timesteps[i_start:].",
        ),
        Mistake(
            "one timestep too late",
            sdedit_by(after=lambda ts, i: ts[min(i + 1, len(ts) - 1) :]),
            "It begins one timestep too late: x_t is at timesteps[i_start], so that is the first to ask about.",
        ),
        Mistake(
            "i_start counted from the end",
            sdedit_by(to=lambda ts, i: ts[len(ts) - 1 - i], after=lambda ts, i: ts[len(ts) - 1 - i :]),
            "i_start looks counted from the clean end. It is an index into timesteps, which begins with the noisiest.",
        ),
        Mistake(
            "i_start counted from the end",
            sdedit_by(to=lambda ts, i: ts[-i], after=lambda ts, i: ts[-i:]),
            "The timesteps begin at timesteps[-i_start], counted from the clean end: without the minus they are those "
            "from i_start on.",
        ),
        Mistake(
            "the wrong half of the timesteps",
            sdedit_by(to=lambda ts, i: ts[0], after=lambda ts, i: ts[:i] or ts),
            "It walks the timesteps before i_start. What is left to do is from i_start on: timesteps[i_start:].",
        ),
        Mistake(
            "i_start taken for the timestep",
            sdedit_by(to=lambda ts, i: i),
            "The picture is noised to t = i_start. i_start is an index into the list: the timestep is "
            "timesteps[i_start].",
        ),
        Mistake(
            "noised to another timestep",
            sdedit_by(to=lambda ts, i: ts[clipped(i - 1, ts)]),
            "The picture is noised to the timestep before the one at which denoising begins: too much noise.",
        ),
        Mistake(
            "noised to another timestep",
            sdedit_by(to=lambda ts, i: ts[clipped(i + 1, ts)]),
            "The picture is noised to the timestep after the one at which denoising begins: too little noise.",
        ),
        Mistake(
            "noised to another timestep",
            sdedit_by(to=lambda ts, i: ts[0]),
            "The picture is always noised to timesteps[0], whatever i_start is.",
        ),
        Mistake(
            "not noised",
            sdedit_by(start=lambda x, a, g: x),
            "The original is not noised at all: the network would find no noise to remove.",
        ),
        Mistake(
            "pure noise",
            sdedit_by(start=lambda x, a, g: torch.randn(x.shape, generator=g)),
            "It starts from pure noise: nothing of the original is left.",
        ),
        Mistake(
            "noise only added",
            sdedit_by(start=lambda x, a, g: x + math.sqrt(1 - a) * torch.randn(x.shape, generator=g)),
            "The noise is added, but the picture is not shrunk: forward does both.",
        ),
        *other_noises(lambda draw: sdedit_by(start=functools.partial(noised, draw=draw))),
        Mistake(
            "generator not handed on",
            sdedit_by(pass_on=False),
            "The start comes from the generator, but the steps do not get it: hand it on to the loop, too.",
        ),
        Mistake(
            "options not handed on",
            sdedit_by(options_on=False),
            "threshold is not handed on to the loop: pass `**options`.",
        ),
        Mistake(
            "the last step forgotten", sdedit_by(loop=loop_by(itertools.pairwise)), f"The last step is missing. {LAST}"
        ),
    ),
)


EXERCISES = [sdedit]
