"""Exercises of notebook 1.7.2: inpainting."""

# ruff: noqa: E501 (one mistake, two lines)

import itertools

import torch

from . import toys
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .references import LOOP_CUT, NOT_THE_END, clamped_estimate, denoise, keep_known
from .running import tensor

__all__ = ["EXERCISES"]

KEPT_AT_0 = f"At s = 0 the kept part is clean already. {NOT_THE_END}; to Python, 0 and None are both false."


def hole(size=32):
    """A mask that is 1 where the image is repainted."""
    mask = torch.zeros(1, 1, size, size)
    mask[..., 4:20, 10:28] = 1
    return mask


def probe_keep(student):
    abar, x_s, mask = toys.schedule().alphas_cumprod, 3 + toys.noise(4, 3, 32, 32, seed=104), hole()
    one, two = toys.images(4, size=32), -0.5 * toys.images(4, size=32)
    inside = mask.bool().expand_as(x_s)

    def keep(case, x_orig, s, seed=105):
        return tensor(student(case, x_s, s, x_orig, mask, abar, generator=toys.seeded(seed)), "x_s")

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
        yield from toys.of_chance(x, keep(case, one, s), keep(case, one, s, seed=106))
        apart = (x - keep(case, two, s)) * (1 - mask)
        yield Measured("the original in the kept part", apart, low=-1.0)
        eps = (x - abar[s].sqrt() * one)[~inside]
        yield Measured("the standard deviation of the noise in the kept part", toys.std(eps), 1.3 * toys.NOISY)
        yield toys.reach(eps, "the noise in the kept part")
        eps = ((x - abar[s].sqrt() * one) * (1 - mask)).flatten(1)
        yield Measured("the likeness of two images' noise", toys.likeness(eps[0], eps[1]), 3 * toys.NOISY)


KEEP = Exercise(
    name="keep_known",
    notebook="a1_7_2",
    kit="helpers.editing.keep_known",
    task="Where the mask is 0, put the original noised to s; at the last step, where s is None, the original itself.",
    look="Show x_s afterwards: the hole has to be as it was, and around it the original, as noisy as the rest.",
    probe=probe_keep,
    right=keep_known,
    mistakes=(
        Mistake("mask the wrong way round", "mask.bool(), x_s, known", "mask.bool(), known, x_s",
                "The mask is inverted: it is 1 where the image is repainted, that is, where x_s stays."),
        Mistake("noised at the end", "known = x_orig\n", "known, s = x_orig, 0 if s is None else s\n",
                "After the last step the kept part is still a little noisy. Where s is None it is x_orig itself."),
        Mistake("not forced at the end", "return torch.where(", "return x_s if s is None else torch.where(",
                "After the last step, where s is None, nothing is forced: the kept pixels are the network's."),
        Mistake("not noised", "if s is not None:", "if False:",
                "The kept part is not noised. At timestep s the whole image has to be as noisy as x_s."),
        Mistake("noised to another timestep", "alphas_cumprod[s]", "alphas_cumprod[min(s + 1, 49)]",
                "The kept part is noised to the timestep after s, so it is noisier than the rest."),
        *alike("noised to another timestep", "The kept part is noised to the timestep before s, so it is less noisy than the rest.",
               ("alphas_cumprod[s]", "alphas_cumprod[max(s - 1, 0)]"), ("alphas_cumprod[s]", "alphas_cumprod[s - 1]")),
        Mistake("s = 0 taken for the last step", "if s is not None:", "if s:", KEPT_AT_0),
        Mistake("all of it kept", "torch.where(mask.bool(), x_s, known)", "known",
                "The whole image is the original: where the mask is 1, x_s has to stay."),
        Mistake("nothing kept", "torch.where(mask.bool(), x_s, known)", "x_s",
                "The original has no effect. Do you return the result?"),
        Mistake("added instead of replaced", "torch.where(mask.bool(), x_s, known)", "x_s + (1 - mask) * known",
                "The original is added to x_s instead of replacing it: multiply x_s by m."),
        Mistake("added instead of replaced", "torch.where(mask.bool(), x_s, known)", "mask * x_s + known",
                "The original is also added inside the hole: multiply known by 1 - m."),
        *alike("x_s noised instead of the original", "forward is applied to x_s, which has its noise already. Apply it to x_orig.",
               ("abar_s.sqrt() * x_orig", "abar_s.sqrt() * x_s"),
               ("abar_s.sqrt() * x_orig + (1 - abar_s).sqrt() * eps", "kits_forward(x_s, s, alphas_cumprod)[0]")),
        Mistake("hole blackened", "torch.where(mask.bool(), x_s, known)", "(1 - mask) * known",
                "The hole is zero: x_s, times m, is missing."),
        *toys.other_noises("x_orig.shape"),
    ),
)  # fmt: skip


def probe_inpaint(student):
    abar, mask, cond = toys.schedule().alphas_cumprod, hole(), toys.conds()
    one = toys.images(2, size=32)
    inside = mask.bool().expand_as(one)
    timesteps = toys.TIMESTEPS[2:]  # where a start from the original would show

    def paint(case, mask=mask, seed=107, **options):
        toy = toys.Toy(size=32)
        given = {"timesteps": timesteps, "generator": toys.seeded(seed), "step": toys.plain_step}
        return toys.steps_of(student(case, toy, one, mask, cond, **{**given, **options})), toy

    spy = toys.Spy()
    paint("a step of the check's own", step=spy)
    yield toys.option_used(spy)
    case = "a rectangle to repaint"
    trace, toy = paint(case)
    yield Measured("the timesteps at which the network is called", list(toy.asked))
    yield Measured(
        "how many Steps are yielded",
        len(trace),
        name="not every Step yielded",
        say="Not every Step is yielded: yield everything that the loop yields, `yield from denoise(…)`.",
    )
    start = trace[0].x_t.detach()
    yield Measured(
        "the shape of the first x_t",
        list(start.shape),
        name="start of another shape",
        say="The noise that it starts from has another shape than the originals: draw it in the shape of x_orig.",
    )
    yield Measured("the mean and the deviation of the first x_t", toys.mean_and_std(start), 2 * toys.NOISY)
    yield Measured("the likeness of two images' first x_t", toys.likeness(start[0], start[1]), 3 * toys.NOISY)
    yield Measured("the likeness of the first x_t and the original", toys.likeness(start, one), 2 * toys.NOISY)
    yield toys.reach(start, "the first x_t")
    end = trace[-1].x_s.detach()
    yield Measured("the kept part in the end", end * (1 - mask), low=-1.0)
    yield Measured("kept pixels are exactly the original's", bool(torch.equal(end[~inside], one[~inside])))
    drawn = []
    for step in trace[:-1]:
        a = abar[step.s] if step.s is not None else torch.tensor(1.0)
        drawn.append((step.x_s.detach() - a.sqrt() * one)[~inside])
        yield Measured(
            f"the standard deviation of the noise in the kept part, s = {step.s}", toys.std(drawn[-1]), 1.8 * toys.NOISY
        )
        yield toys.reach(drawn[-1], f"the noise in the kept part, s = {step.s}")
    yield Measured(
        "each step begins where the one before ended",
        all(torch.equal(before.x_s, after.x_t) for before, after in itertools.pairwise(trace)),
        name="constrained for show only",
        say="Only the yielded image has the kept part: the loop goes on with the unconstrained one, and the "
        "network never sees the surroundings of the hole. Pass the loop a function as `constrain`.",
    )
    yield Measured(
        "the likeness of two images' noise in the kept part", toys.likeness(*drawn[0].chunk(2)), 3 * toys.NOISY
    )
    yield Measured(
        "the likeness of the kept part's noise in two steps", toys.likeness(drawn[0], drawn[1]), 2.5 * toys.NOISY
    )
    painted = [toys.plain_step(st.x_t, st.x0_hat, st.t, st.s, toy.schedule, var=None)[inside] for st in trace]
    with torch.no_grad():
        variances = [toys.Toy(size=32)(st.x_t, st.t, cond).var[inside] for st in trace]
    off = torch.stack([(st.x_s.detach()[inside] - p - 0.1 * v) for st, p, v in zip(trace, painted, variances)])
    yield from toys.nothing_left(off, "how far the repainted part is from what the steps make of it")
    off = torch.stack([st.x0_hat - x0_hat for st, x0_hat in zip(trace, estimates(trace, abar, cond))])
    yield from toys.nothing_left(off, "how far x0_hat is from the estimate, without a threshold")
    first, again, other = (paint(case, seed=s)[0][0].x_s for s in (107, 107, 108))
    yield from toys.of_chance(first, again, other)
    trace, _ = paint("the mask as (H, W)", mask=mask[0, 0])
    yield Measured("the kept part in the end", trace[-1].x_s.detach()[~inside])
    trace, _ = paint("threshold halves x0_hat", threshold=toys.halve)
    half = trace[0].x0_hat.detach() - 0.5 * estimates(trace[:1], abar, cond)[0]
    yield from toys.nothing_left(half, "how far the first x0_hat is from half the estimate")


def estimates(trace, abar, cond):
    """The clean image that the toy network predicts at each Step."""
    with torch.no_grad():
        eps = [toys.Toy(size=32)(st.x_t, st.t, cond).eps for st in trace]
    return [(st.x_t - (1 - abar[st.t]).sqrt() * e) / abar[st.t].sqrt() for st, e in zip(trace, eps)]


def inpaint(denoiser, x_orig, mask, cond, *, timesteps, generator=None, **options):
    alphas_cumprod = denoiser.schedule.alphas_cumprod

    def keep(x_s, s):
        return keep_known(x_s, s, x_orig, mask, alphas_cumprod, generator=generator)

    x_T = torch.randn(x_orig.shape, generator=generator)
    return denoise(denoiser, x_T, timesteps, cond, constrain=keep, generator=generator, **options)


INPAINT = Exercise(
    name="inpaint",
    notebook="a1_7_2",
    kit="helpers.editing.inpaint",
    task="Denoise from pure noise, and after each step force the kept part to be the original, noised to s.",
    look="Show the x_s of a few steps: the kept part has to be as noisy as the hole, and at the end exactly the "
    "original.",
    probe=probe_inpaint,
    parts=(denoise, keep_known),
    right=inpaint,
    mistakes=(
        Mistake("mask the wrong way round", "mask.bool(), x_s, known", "mask.bool(), known, x_s",
                "The mask is inverted: it is 1 where the image is repainted, 0 where it is kept."),
        Mistake("noised at the end", "known = x_orig\n", "known, s = x_orig, 0 if s is None else s\n",
                "After the last step the kept part is still a little noisy. Where s is None it is x_orig itself."),
        Mistake("not forced at the end", "return torch.where(", "return x_s if s is None else torch.where(",
                "After the last step, where s is None, nothing is forced: the kept pixels are the network's, not exact."),
        Mistake("s = 0 taken for the last step", "if s is not None:", "if s:", KEPT_AT_0),
        Mistake("noised to t instead of s", "        return keep_known(x_s, s,", "        s = None if s is None else dict(zip([*timesteps[1:], None], timesteps))[s]\n        return keep_known(x_s, s,",
                "The kept part is noised to t. After the step the image is at s: the kept part is one step too noisy."),
        Mistake("only at the end", "return keep_known(x_s, s,", "return x_s if s is not None else keep_known(x_s, s,",
                "The original is put in only at the end, so the network never sees the surroundings of the hole."),
        Mistake("not noised", "if s is not None:", "if False:",
                "The kept part is put in without noise. At timestep s the whole image has to be as noisy as x_s."),
        Mistake("never kept", "constrain=keep, ", "",
                "Nothing of the original is put in: pass the loop a function as `constrain`."),
        Mistake("noise drawn once", "alphas_cumprod, generator=generator)", "alphas_cumprod, generator=torch.Generator().manual_seed(7))",
                "The kept part has the same noise after every step. Draw it anew each time, as forward does."),
        Mistake("starts from the original", "x_T = torch.randn(x_orig.shape, generator=generator)", "x_T = keep_known(0 * x_orig, timesteps[0], x_orig, 0 * mask, alphas_cumprod, generator=generator)",
                "It starts from the noised original, so the hole still shows what was there. Start from pure noise."),
        Mistake("the kept part clean at the start", "denoise(denoiser, x_T,", "denoise(denoiser, torch.where(mask.bool(), x_T, x_orig),",
                "At the start the kept part is the original, without noise. At the first timestep all of the image is pure noise."),
        Mistake("the kept part noised at the start", "denoise(denoiser, x_T,", "denoise(denoiser, keep(x_T, timesteps[0]),",
                "The kept part is put in before the first step already. The start is pure noise everywhere: it is after each step that the kept part is put in."),
        Mistake("options not handed on", "generator=generator, **options)", "generator=generator, step=options.get(\"step\"))",
                "threshold is not passed on to the loop: pass `**options`."),
        LOOP_CUT,
        Mistake(LOOP_CUT.name, "x_T, timesteps, cond", "x_T, timesteps[:-1], cond", LOOP_CUT.say),
        *clamped_estimate(("generator=generator, **options)", "generator=generator, **{'threshold': lambda x: x.clamp(-1, 1), **options})")),
        *toys.other_noises("x_orig.shape", "x_T = "),
        *toys.other_noises("x_orig.shape", "eps = "),
    ),
)  # fmt: skip

EXERCISES = [KEEP, INPAINT]
