"""Exercises of notebook 1.7.2: inpainting."""

import itertools
import math

import torch

from ..sampling import forward
from .exercise import Exercise, Mistake
from .measured import Measured
from .references import LAST, NOT_THE_END, loop_by, noised, own_ddpm
from .running import tensor
from .toys import (
    NOISY,
    TIMESTEPS,
    Spy,
    Toy,
    conds,
    halve,
    likeness,
    mean_and_std,
    noise,
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

KEPT_AT_0 = f"At s = 0 the kept part is clean already. {NOT_THE_END}; to Python, 0 and None are both false."


def hole(size=32):
    """1 where the picture is repainted."""
    mask = torch.zeros(1, 1, size, size)
    mask[..., 4:20, 10:28] = 1
    return mask


def probe_keep(student):
    abar, x_s, mask = schedule().alphas_cumprod, 3 + noise(4, 3, 32, 32, seed=104), hole()
    one, two = pictures(4, size=32), -0.5 * pictures(4, size=32)
    inside = mask.bool().expand_as(x_s)

    def keep(case, x_orig, s, seed=105):
        return tensor(student(case, x_s, s, x_orig, mask, abar, generator=seeded(seed)), "x_s")

    end = keep("the last step, s = None", one, None)
    yield Measured("the repainted part", end * mask)
    yield Measured("the kept part", end * (1 - mask), low=-1.0)
    yield Measured("kept pixels are exactly the original's", bool(torch.equal(end[~inside], one[~inside])))
    for s in (21, 4, 0):
        case = f"s = {s}"
        x = keep(case, one, s)
        yield Measured("the repainted part", x * mask)
        if s == 0:
            yield Measured(
                "the kept part is the clean original",
                bool(torch.equal(x[~inside], one[~inside])),
                name="s = 0 taken for the last step",
                say=KEPT_AT_0,
            )
        yield from of_chance(x, keep(case, one, s), keep(case, one, s, seed=106))
        apart = (x - keep(case, two, s)) * (1 - mask)
        yield Measured("the original in the kept part", apart, low=-1.0)
        eps = (x - abar[s].sqrt() * one)[~inside]
        yield Measured("the standard deviation of the noise in the kept part", std(eps), 1.3 * NOISY)
        eps = ((x - abar[s].sqrt() * one) * (1 - mask)).flatten(1)
        yield Measured("the likeness of two pictures' noise", likeness(eps[0], eps[1]), 3 * NOISY)


def keep_by(at=lambda s, abar: abar[s].item(), at_end="exact", turn=False, blend=None, draw=torch.randn):
    def keep_known(x_s, s, x_orig, mask, alphas_cumprod, *, generator=None):
        z = draw(x_orig.shape, generator=generator)
        if s is None:
            a = {"exact": 1.0, "noised": alphas_cumprod[0].item(), "skip": 1.0}[at_end]
        else:
            a = at(s, alphas_cumprod)
        known = math.sqrt(a) * x_orig + math.sqrt(1 - a) * z if a < 1 else x_orig
        if s is None and at_end == "skip":
            return x_s
        m = (1 - mask if turn else mask).bool()
        return blend(mask, x_s, known) if blend else torch.where(m, x_s, known)

    return keep_known


def clean_at_0(s, abar):
    return abar[s].item() if s > 0 else 1.0


keep_known = Exercise(
    name="keep_known",
    notebook="a1_7_2",
    kit="helpers.editing.keep_known",
    task="Where the mask is 0, put the original noised to s; at the last step, where s is None, the original itself.",
    look="Show x_s afterwards: the hole has to be as it was, and around it the original, as noisy as the rest.",
    probe=probe_keep,
    right=keep_by(),
    mistakes=(
        Mistake(
            "mask the wrong way round",
            keep_by(turn=True),
            "The mask is used the wrong way round: it is 1 where the picture is repainted, that is, where x_s stays.",
        ),
        Mistake(
            "noised at the end",
            keep_by(at_end="noised"),
            "After the last step the kept part is still a little noisy. Where s is None it is x_orig itself.",
        ),
        Mistake(
            "not forced at the end",
            keep_by(at_end="skip"),
            "After the last step, where s is None, nothing is forced: the kept pixels are the network's.",
        ),
        Mistake(
            "not noised",
            keep_by(at=lambda s, abar: 1.0),
            "The kept part is not noised. At timestep s the whole picture has to be as noisy as x_s.",
        ),
        Mistake(
            "noised to another timestep",
            keep_by(at=lambda s, abar: abar[min(s + 1, 49)].item()),
            "The kept part is noised to the timestep after s, so it is noisier than the rest.",
        ),
        Mistake(
            "noised to another timestep",
            keep_by(at=lambda s, abar: abar[max(s - 1, 0)].item()),
            "The kept part is noised to the timestep before s, so it is less noisy than the rest.",
        ),
        Mistake(
            "s = 0 taken for the last step",
            keep_by(at=clean_at_0),
            KEPT_AT_0,
        ),
        Mistake(
            "all of it kept",
            keep_by(blend=lambda m, x, k: k),
            "The whole picture is the original: where the mask is 1, x_s has to stay.",
        ),
        Mistake(
            "nothing kept",
            keep_by(blend=lambda m, x, k: x),
            "Nothing of the original is put in. Is the result what you return?",
        ),
        Mistake(
            "added instead of replaced",
            keep_by(blend=lambda m, x, k: x + (1 - m) * k),
            "The original is added to x_s where it should take its place: x_s is multiplied by m.",
        ),
        Mistake(
            "added instead of replaced",
            keep_by(blend=lambda m, x, k: m * x + k),
            "The original is also added inside the hole: known is multiplied by 1 - m.",
        ),
        Mistake(
            "x_s noised instead of the original",
            lambda x_s, s, x_orig, mask, abar, *, generator=None: torch.where(
                mask.bool(), x_s, x_orig if s is None else forward(x_s, s, abar, generator=generator)[0]
            ),
            "It is x_s that goes through forward. It has its noise already: what is put in is x_orig, noised to s.",
        ),
        Mistake(
            "hole blackened", keep_by(blend=lambda m, x, k: (1 - m) * k), "The hole is zero: x_s, times m, is missing."
        ),
        *other_noises(lambda draw: keep_by(draw=draw)),
    ),
)


def probe_inpaint(student):
    abar, mask, cond = schedule().alphas_cumprod, hole(), conds()
    one = pictures(2, size=32)
    inside = mask.bool().expand_as(one)
    timesteps = TIMESTEPS[2:]  # where a start from the original would show

    def paint(case, mask=mask, seed=107, **options):
        toy = Toy(size=32)
        given = {"timesteps": timesteps, "generator": seeded(seed), "step": plain_step}
        return steps_of(student(case, toy, one, mask, cond, **{**given, **options})), toy

    spy = Spy()
    paint("a step of the check's own", step=spy)
    yield option_used(spy)
    case = "a rectangle to repaint"
    trace, toy = paint(case)
    yield Measured("the timesteps that the network is asked about", list(toy.asked))
    yield Measured(
        "how many Steps are yielded",
        len(trace),
        name="not every Step yielded",
        say="Not every Step is yielded: hand on all that the loop yields, `yield from denoise(…)`.",
    )
    start = trace[0].x_t.detach()
    yield Measured(
        "the shape of the first x_t",
        list(start.shape),
        name="start of another shape",
        say="The noise that it starts from has another shape than the originals: draw it in the shape of x_orig.",
    )
    yield Measured("the mean and the deviation of the first x_t", mean_and_std(start), 2 * NOISY)
    yield Measured("the likeness of two pictures' first x_t", likeness(start[0], start[1]), 3 * NOISY)
    yield Measured("the likeness of the first x_t and the original", likeness(start, one), 2 * NOISY)
    end = trace[-1].x_s.detach()
    yield Measured("the kept part in the end", end * (1 - mask), low=-1.0)
    yield Measured("kept pixels are exactly the original's", bool(torch.equal(end[~inside], one[~inside])))
    drawn = []
    for step in trace[:-1]:
        a = abar[step.s] if step.s is not None else torch.tensor(1.0)
        drawn.append((step.x_s.detach() - a.sqrt() * one)[~inside])
        yield Measured(
            f"the standard deviation of the noise in the kept part, s = {step.s}", std(drawn[-1]), 1.8 * NOISY
        )
    yield Measured(
        "each step begins where the one before ended",
        all(torch.equal(before.x_s, after.x_t) for before, after in itertools.pairwise(trace)),
        name="constrained for show only",
        say="The kept part is put into what is yielded only: the loop goes on with the unconstrained picture, and the "
        "network never sees what is around the hole. Hand the loop a function as `constrain`.",
    )
    yield Measured("the likeness of two pictures' noise in the kept part", likeness(*drawn[0].chunk(2)), 3 * NOISY)
    yield Measured("the likeness of the kept part's noise in two steps", likeness(drawn[0], drawn[1]), 2.5 * NOISY)
    painted = [plain_step(st.x_t, st.x0_hat, st.t, st.s, toy.schedule, var=None)[inside] for st in trace]
    with torch.no_grad():
        variances = [Toy(size=32)(st.x_t, st.t, cond).var[inside] for st in trace]
    off = torch.stack([(st.x_s.detach()[inside] - p - 0.1 * v) for st, p, v in zip(trace, painted, variances)])
    yield Measured("how far the repainted part is from what the steps make of it", off)
    first, again, other = (paint(case, seed=s)[0][0].x_s for s in (107, 107, 108))
    yield from of_chance(first, again, other)
    trace, _ = paint("the mask as (H, W)", mask=mask[0, 0])
    yield Measured("the kept part in the end", trace[-1].x_s.detach()[~inside])
    trace, _ = paint("threshold halves x0_hat", threshold=halve)
    with torch.no_grad():
        eps = Toy(size=32)(trace[0].x_t, timesteps[0], cond).eps
    a = abar[timesteps[0]]
    half = trace[0].x0_hat.detach() - 0.5 * (trace[0].x_t - (1 - a).sqrt() * eps) / a.sqrt()
    yield Measured("how far the first x0_hat is from half the estimate", half)


def inpaint_by(
    keep=None,
    begin=lambda x, a, g: torch.randn(x.shape, generator=g),
    when="always",
    options_on=True,
    to=None,
    loop=None,
):
    def inpaint(denoiser, x_orig, mask, cond, *, timesteps, generator=None, **options):
        abar = denoiser.schedule.alphas_cumprod
        before = dict(zip([*timesteps[1:], None], timesteps))
        frozen = torch.randn(x_orig.shape, generator=generator) if when == "one draw" else None

        def constrain(x_s, s):
            if (when == "end" and s is not None) or when == "never":
                return x_s
            if when == "to t":
                s = before[s] if s is not None else None
            if when == "one draw" and s is not None:
                a = abar[s].item()
                return torch.where(mask.bool(), x_s, math.sqrt(a) * x_orig + math.sqrt(1 - a) * frozen)
            return (keep or keep_by())(x_s, s, x_orig, mask, abar, generator=generator)

        x_T = begin(x_orig, abar[timesteps[0]].item(), generator)
        options = options if options_on else {"step": options.get("step", own_ddpm)}
        return (loop or loop_by())(denoiser, x_T, timesteps, cond, constrain=constrain, generator=generator, **options)

    return inpaint


inpaint = Exercise(
    name="inpaint",
    notebook="a1_7_2",
    kit="helpers.editing.inpaint",
    task="Denoise from pure noise, and after each step force the kept part to be the original, noised to s.",
    look="Show the x_s of a few steps: the kept part has to be as noisy as the hole, and at the end exactly the "
    "original.",
    probe=probe_inpaint,
    right=inpaint_by(),
    mistakes=(
        Mistake(
            "mask the wrong way round",
            inpaint_by(keep_by(turn=True)),
            "The mask is used the wrong way round: it is 1 where the picture is repainted, 0 where it is kept.",
        ),
        Mistake(
            "noised at the end",
            inpaint_by(keep_by(at_end="noised")),
            "After the last step the kept part is still a little noisy. Where s is None it is x_orig itself.",
        ),
        Mistake(
            "not forced at the end",
            inpaint_by(keep_by(at_end="skip")),
            "After the last step, where s is None, nothing is forced: the kept pixels are the network's, not exact.",
        ),
        Mistake(
            "s = 0 taken for the last step",
            inpaint_by(keep_by(at=clean_at_0)),
            KEPT_AT_0,
        ),
        Mistake(
            "noised to t instead of s",
            inpaint_by(when="to t"),
            "The kept part is noised to t. After the step the picture is at s: the kept part is one step too noisy.",
        ),
        Mistake(
            "only at the end",
            inpaint_by(when="end"),
            "The original is put in at the end only: the network has painted without seeing what is around the hole.",
        ),
        Mistake(
            "not noised",
            inpaint_by(keep_by(at=lambda s, abar: 1.0)),
            "The kept part is put in without noise. At timestep s the whole picture has to be as noisy as x_s.",
        ),
        Mistake(
            "never kept",
            inpaint_by(when="never"),
            "Nothing of the original is put in: hand the loop a function as `constrain`.",
        ),
        Mistake(
            "noise drawn once",
            inpaint_by(when="one draw"),
            "The kept part has the same noise after every step. Draw it anew each time, as forward does.",
        ),
        Mistake(
            "starts from the original",
            inpaint_by(begin=noised),
            "It starts from the noised original, so the hole still shows what was there. Start from pure noise.",
        ),
        Mistake(
            "the kept part clean at the start",
            inpaint_by(begin=lambda x, a, g: torch.where(hole().bool(), torch.randn(x.shape, generator=g), x)),
            "At the start the kept part is the original, without noise. At the first timestep all of the picture is "
            "pure noise.",
        ),
        *other_noises(lambda draw: inpaint_by(begin=lambda x, a, g: draw(x.shape, generator=g))),
        *other_noises(lambda draw: inpaint_by(keep_by(draw=draw))),
        Mistake(
            "options not handed on",
            inpaint_by(options_on=False),
            "threshold is not handed on to the loop: pass `**options`.",
        ),
        Mistake(
            "the last step forgotten", inpaint_by(loop=loop_by(itertools.pairwise)), f"The last step is missing. {LAST}"
        ),
    ),
)


EXERCISES = [keep_known, inpaint]
