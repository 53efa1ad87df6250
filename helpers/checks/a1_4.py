"""Exercises of notebook 1.4: one step of DDPM, and the loop."""

import itertools
import math

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .references import LAST, NOT_THE_END, between, coefficients, loop_by, posterior, step_by, to_the_end
from .running import tensor
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
    no_gradient,
    noise,
    of_chance,
    other_noises,
    pictures,
    schedule,
    seeded,
    std,
    steps_of,
)

__all__ = ["EXERCISES"]


def probe_step(student):
    steep, x_t, x0_hat = schedule(), noise(4, 3, 32, 32, seed=91), pictures(4, 3, 32)
    empty = torch.zeros_like(x_t)

    def step(case, *pictures, t, s, seed=92, **options):
        return tensor(student(case, *pictures, t, s, steep, generator=seeded(seed), **options), "x_s")

    case = "the last step, s = None"
    end, other = (step(case, x_t, x0_hat, t=0, s=None, seed=seed) for seed in (92, 93))
    yield Measured(
        "the result depends on the noise",
        not torch.equal(end, other),
        name="noise at the last step",
        say="Noise is added at the last step. Nothing comes after it to take the noise away: return x0_hat itself.",
    )
    yield Measured("x_s", end, low=-1.0)
    for t, s in ((30, 18), (21, 20), (1, 0)):
        case = f"from t = {t} to s = {s}, without var"
        x_s = step(case, x_t, x0_hat, t=t, s=s)
        yield from of_chance(x_s, step(case, x_t, x0_hat, t=t, s=s), step(case, x_t, x0_hat, t=t, s=s, seed=93))
        drawn = step(case, empty, empty, t=t, s=s)  # the same noise, and nothing else
        yield Measured("x_s without its noise", x_s - drawn, low=-1.0)
        yield Measured("the standard deviation of the noise in x_s", std(drawn), NOISY)
        yield Measured("the likeness of two pictures' noise", likeness(drawn[0], drawn[1]), 3 * NOISY)
        yield Measured("the likeness of two colours' noise", likeness(drawn[:, 0], drawn[:, 1]), 2.5 * NOISY)
    var = torch.full_like(x_t, -1.0)
    var[..., 16:], var[..., :8] = 1.0, 0.3
    case = "from t = 4 to s = 0, var 0.3 on the left, -1 in the middle, 1 on the right"
    drawn = step(case, empty, empty, t=4, s=0, var=var)
    for where, columns in (
        ("on the right", slice(16, 32)),
        ("in the middle", slice(8, 16)),
        ("on the left", slice(0, 8)),
    ):
        yield Measured(f"the standard deviation of the noise {where}", std(drawn[..., columns]), 2 * NOISY)


def single_step(abar, t, s, betas):
    """With α_t and β_t of a single step, whatever the stride."""
    alpha, beta = 1 - betas[t], betas[t]
    return math.sqrt(abar[s]) * beta / (1 - abar[t]), math.sqrt(alpha) * (1 - abar[s]) / (1 - abar[t])


def single_beta(abar, t, s, betas):
    """α of the stride, and β_t of a single step."""
    alpha = abar[t] / abar[s]
    return math.sqrt(abar[s]) * betas[t] / (1 - abar[t]), math.sqrt(alpha) * (1 - abar[s]) / (1 - abar[t])


def single_beta_tilde(abar, t, s, betas):
    return betas[t] * (1 - abar[s]) / (1 - abar[t])


def rootless(first, second):
    def weights(abar, t, s, betas):
        alpha, beta, _ = coefficients(abar, t, s)
        a, b = (1.0 if first else 0.5), (1.0 if second else 0.5)
        return abar[s] ** a * beta / (1 - abar[t]), alpha**b * (1 - abar[s]) / (1 - abar[t])

    return weights


def under_the_roots(abar, t, s, betas):
    alpha, beta, _ = coefficients(abar, t, s)
    return math.sqrt(abar[s] * beta) / (1 - abar[t]), math.sqrt(alpha * (1 - abar[s])) / (1 - abar[t])


def exchanged(abar, t, s, betas):
    return posterior(abar, t, s, betas)[::-1]


def swapped_times(abar, t, s, betas):
    alpha, beta, _ = coefficients(abar, t, s)
    return math.sqrt(abar[t]) * beta / (1 - abar[s]), math.sqrt(alpha) * (1 - abar[t]) / (1 - abar[s])


def root_of_t(abar, t, s, betas):
    alpha, beta, _ = coefficients(abar, t, s)
    return math.sqrt(abar[t]) * beta / (1 - abar[t]), math.sqrt(alpha) * (1 - abar[s]) / (1 - abar[t])


def not_divided(abar, t, s, betas):
    return tuple(w * (1 - abar[t]) for w in posterior(abar, t, s, betas))


def divided_by_s(abar, t, s, betas):
    return tuple(w * (1 - abar[t]) / (1 - abar[s]) for w in posterior(abar, t, s, betas))


def renoise(abar, t, s, betas):
    """x0_hat noised to s again, as DDIM does with the old noise."""
    b = math.sqrt((1 - abar[s]) / (1 - abar[t]))
    return math.sqrt(abar[s]) - b * math.sqrt(abar[t]), b


def silent(shape, generator=None):
    return torch.zeros(shape)


ONE_STRIDE = "It looks as if β_t of a single step were used for a stride of several. Here β = 1 − ᾱ_t / ᾱ_s."

BETWEEN = "log σ² goes in a straight line from log β̃ at -1 to log β at +1"


ddpm_step = Exercise(
    name="ddpm_step",
    notebook="a1_4",
    kit="helpers.sampling.ddpm_step",
    task="Go from timestep t to s: the weighted sum of x0_hat and x_t, plus noise; the last step returns x0_hat.",
    look="Print the weights of x0_hat and x_t for one pair t, s, and compare with the table under Run it: one step.",
    probe=probe_step,
    right=step_by(),
    mistakes=(
        Mistake(
            "noise at the last step",
            step_by(last=lambda x_t, x0_hat, z: x0_hat + 0.14142136 * z),
            "Noise is added at the last step. Nothing comes after it to take the noise away: return x0_hat itself.",
        ),
        Mistake(
            "s = 0 taken for the last step",
            step_by(at_0=lambda x0_hat, mean, x_s: x0_hat),
            f"On the way to s = 0 it returns x0_hat. {NOT_THE_END}; to Python, 0 and None are both false.",
        ),
        Mistake(
            "s = 0 taken for the last step",
            step_by(at_0=lambda x0_hat, mean, x_s: mean),
            f"On the way to s = 0 it adds no noise. {NOT_THE_END}.",
        ),
        Mistake(
            "the last step returns x_t",
            step_by(last=lambda x_t, x0_hat, z: x_t),
            "The last step, where s is None, returns x_t: the picture as it was before. Return x0_hat.",
        ),
        Mistake(
            "β of a single step",
            step_by(weights=single_step, variance=single_beta_tilde),
            ONE_STRIDE,
        ),
        Mistake("β of a single step", step_by(weights=single_step), ONE_STRIDE),
        Mistake("β of a single step", step_by(weights=single_beta, variance=single_beta_tilde), ONE_STRIDE),
        Mistake(
            "t − 1 instead of s",
            lambda x_t, x0_hat, t, s, *schedule, **options: step_by()(
                x_t, x0_hat, t, None if s is None else t - 1, *schedule, **options
            ),
            "It steps to t - 1, whatever s is: the stride may be longer, and ᾱ_s is alphas_cumprod[s].",
        ),
        Mistake(
            "β below 0",
            step_by(variance=lambda abar, t, s, b: 1 - abar[s] / abar[t]),
            "x_s is NaN: that comes of the root of a negative number. Is your β = 1 − ᾱ_t / ᾱ_s below 0? ᾱ falls as t "
            "grows, so ᾱ_t / ᾱ_s is below 1, and β above 0: look whether the quotient is upside down, or ᾱ_t and ᾱ_s "
            "are exchanged.",
        ),
        Mistake(
            "√ᾱ_s forgotten",
            step_by(weights=rootless(True, False)),
            "The weight of x0_hat has ᾱ_s where its square root belongs.",
        ),
        Mistake(
            "√α forgotten",
            step_by(weights=rootless(False, True)),
            "The weight of x_t has α where its square root belongs.",
        ),
        Mistake(
            "both roots forgotten",
            step_by(weights=rootless(True, True)),
            "Both weights lack their square roots: √ᾱ_s with x0_hat, √α with x_t.",
        ),
        Mistake(
            "β and 1 − ᾱ_s under the roots",
            step_by(weights=under_the_roots),
            "The roots reach too far: only ᾱ_s and α are under them; β and 1 − ᾱ_s are not.",
        ),
        Mistake(
            "weights exchanged",
            step_by(weights=exchanged),
            "x0_hat and x_t have each other's weight. Far out the step hardly trusts x0_hat.",
        ),
        Mistake(
            "t and s exchanged",
            step_by(weights=swapped_times),
            "ᾱ_t and ᾱ_s look exchanged. s is the earlier timestep, with the larger ᾱ.",
        ),
        Mistake(
            "√ᾱ_t instead of √ᾱ_s",
            step_by(weights=root_of_t),
            "The weight of x0_hat has √ᾱ_t where √ᾱ_s belongs: x_s has that much of the picture.",
        ),
        Mistake("not divided by 1 − ᾱ_t", step_by(weights=not_divided), "The sum is not divided by 1 − ᾱ_t."),
        Mistake(
            "divided by 1 − ᾱ_s",
            step_by(weights=divided_by_s),
            "The mean is divided by 1 − ᾱ_s, where 1 − ᾱ_t belongs: the two weights then add up to too much.",
        ),
        Mistake(
            "DDIM's mean",
            step_by(weights=renoise),
            "The mean is that of DDIM, which noises x0_hat again with the noise that x_t implies. DDPM's step forgets "
            "a part of that noise, and adds new one.",
        ),
        Mistake(
            "ᾱ off by one",
            step_by(look_up=lambda abar: torch.cat([abar[:1], abar[:-1]])),
            "ᾱ looks off by one: alphas_cumprod[t] belongs to t, alphas_cumprod[s] to s.",
        ),
        Mistake(
            "no noise", step_by(draw=silent), "No noise is added. Between the first step and the last each adds some."
        ),
        Mistake(
            "variance instead of standard deviation",
            step_by(spread=lambda v: v),
            "The noise is multiplied by its variance. A standard normal draw times σ has variance σ²: take the root.",
        ),
        Mistake(
            "β instead of β̃",
            step_by(variance=lambda abar, t, s, b: coefficients(abar, t, s)[1]),
            "Without var the noise has the variance β. The posterior's own is β̃, which is smaller.",
        ),
        Mistake(
            "β̃ upside down",
            step_by(variance=lambda abar, t, s, b: (1 - abar[t] / abar[s]) * (1 - abar[t]) / (1 - abar[s])),
            "The quotient in β̃ is upside down: it is β (1 − ᾱ_s) / (1 − ᾱ_t), which is smaller than β.",
        ),
        Mistake(
            "variance of the forward process",
            step_by(variance=lambda abar, t, s, b: 1 - abar[s]),
            "The noise has the variance 1 − ᾱ_s, as if the picture were noised from x0. x_t has most of it already.",
        ),
        Mistake(
            "noise at full strength",
            step_by(variance=lambda abar, t, s, b: 1.0),
            "The noise has variance 1: its factor is missing.",
        ),
        Mistake(
            "variance taken for its logarithm",
            step_by(spread=lambda v: torch.exp(v / 2)),
            "σ is exp(σ² / 2), as if the variance were its own logarithm. Without var it is √β̃.",
        ),
        Mistake("√ of β̃ twice", step_by(spread=lambda v: v**0.25), "The root is taken twice: the noise is too strong."),
        Mistake(
            "var ignored",
            step_by(mix=lambda v, beta, tilde: torch.full_like(v, tilde).double()),
            f"var makes no difference. It is the learned variance: {BETWEEN}.",
        ),
        Mistake(
            "var ignored",
            step_by(mix=lambda v, beta, tilde: torch.full_like(v, beta).double()),
            f"With var, the variance is always β, whatever var says: {BETWEEN}.",
        ),
        Mistake(
            "var upside down",
            step_by(mix=lambda v, beta, tilde: between(-v, beta, tilde)),
            f"var works the wrong way round: {BETWEEN}.",
        ),
        Mistake(
            "v instead of (v + 1) / 2",
            step_by(mix=lambda v, beta, tilde: between(2 * v.double() - 1, beta, tilde)),
            f"var is used as the weight itself, as if it ran from 0 to 1. It runs from -1 to 1: {BETWEEN}.",
        ),
        Mistake(
            "interpolated without the logarithm",
            step_by(mix=lambda v, beta, tilde: (v.double() + 1) / 2 * beta + (1 - (v.double() + 1) / 2) * tilde),
            f"The variance itself goes in a straight line, where its logarithm should: {BETWEEN}.",
        ),
        Mistake(
            "exp forgotten",
            step_by(mix=lambda v, beta, tilde: between(v, beta, tilde).log()),
            "With var, x_s is NaN: that comes of the root of a negative number. log σ² is below 0: is it taken for σ², "
            "without exp?",
        ),
        Mistake(
            "log of β̃ forgotten",
            step_by(mix=lambda v, beta, tilde: between(v, beta, math.exp(tilde))),
            f"β̃ itself is mixed with log β: take the logarithm of both. {BETWEEN}.",
        ),
        Mistake(
            "√ of σ² twice",
            step_by(mix=lambda v, beta, tilde: between(v, beta, tilde).sqrt()),
            "With var, the root is taken twice: exp(½ log σ²) is σ already.",
        ),
        Mistake(
            "var taken for log σ²",
            step_by(mix=lambda v, beta, tilde: v.double().exp()),
            f"var is taken for the logarithm of the variance. It only says where between two of them it lies: "
            f"{BETWEEN}.",
        ),
        Mistake(
            "var taken for σ²",
            step_by(mix=lambda v, beta, tilde: v.double().abs()),
            f"var is taken for the variance itself. It says where between two of them it lies: {BETWEEN}.",
        ),
        *other_noises(lambda draw: step_by(draw=draw)),
        Mistake("one noise for all colours", step_by(draw=grey_noise), GREY_NOISE),
    ),
)


def probe_loop(student):
    toy, x_t, cond, spy, generator = Toy(), noise(2, 3, 16, 16, seed=94), conds(), Spy(), seeded(95)
    case = f"timesteps {', '.join(map(str, TIMESTEPS))}, a step of the check's own"
    trace = steps_of(student(case, toy, x_t, TIMESTEPS, cond, step=spy, generator=generator))
    yield Measured("the timesteps that the network is asked about", list(toy.asked))
    yield Measured("the pairs t, s that the steps go (-1: None)", [list(pair) for pair in spy.pairs])
    yield Measured("how many steps are yielded", len(trace))
    yield no_gradient(trace[-1].x_s)
    yield Measured("the first x_t", trace[0].x_t.detach())
    yield Measured("the first eps", trace[0].eps.detach())
    yield Measured("the first x0_hat", trace[0].x0_hat.detach())
    yield Measured("the step is given the learned variance", all(spy.variances))
    yield Measured("the first x_s", trace[0].x_s.detach())
    yield Measured("the second x_t", trace[1].x_t.detach() if len(trace) > 1 else None)
    yield Measured("the last x_s", trace[-1].x_s.detach())
    yield Measured("t and s of the Steps", [[int(step.t), -1 if step.s is None else int(step.s)] for step in trace])
    yield Measured("the step is given the generator", all(given is generator for given in spy.generators))

    toy = Toy(learns_variance=False)
    trace = steps_of(student("a network without learned variance", toy, x_t, [30, 0], cond, step=Spy()))
    yield Measured("the last x_s", trace[-1].x_s.detach())
    trace = steps_of(student("threshold halves x0_hat", Toy(), x_t, TIMESTEPS, cond, step=Spy(), threshold=halve))
    yield Measured("the last x_s", trace[-1].x_s.detach())
    yield Measured("the last x0_hat", trace[-1].x0_hat.detach())

    constrained = []

    def constrain(x_s, s):
        constrained.append(-1 if s is None else int(s))
        return x_s + 1.0

    case = "constrain adds 1 to x_s"
    trace = steps_of(student(case, Toy(), x_t, TIMESTEPS, cond, step=Spy(), constrain=constrain))
    yield Measured("the timesteps s that constrain is given (-1: None)", constrained)
    yield Measured("the last x_s", trace[-1].x_s.detach())
    finals = [
        steps_of(student("the kit's ddpm_step, by default", Toy(), x_t, TIMESTEPS, cond, generator=seeded(seed)))[
            -1
        ].x_s
        for seed in (96, 96, 97)
    ]
    yield from of_chance(*finals)


@torch.no_grad()
def always_from_noise(denoiser, x_t, timesteps, cond, **options):
    x_t = noise(*x_t.shape, seed=1)
    yield from loop_by()(denoiser, x_t, timesteps, cond, **options)


denoise = Exercise(
    name="denoise",
    notebook="a1_4",
    kit="helpers.sampling.denoise",
    task="Walk down the timesteps: ask the network, estimate x0, step to the next one, and yield every Step.",
    look="Print t and s of each Step, and the mean of x_t: does each x_t come from the x_s before it?",
    probe=probe_loop,
    right=loop_by(),
    mistakes=(
        Mistake("the last step forgotten", loop_by(itertools.pairwise), f"The last step is missing. {LAST}"),
        Mistake(
            "the last step forgotten", loop_by(lambda ts: to_the_end(ts[:-1])), f"The last step is missing. {LAST}"
        ),
        Mistake(
            "the first step forgotten",
            loop_by(lambda ts: to_the_end(ts[1:])),
            "The first timestep is left out: x_t is at timesteps[0], so the network is asked about that one first.",
        ),
        Mistake(
            "timesteps upside down",
            loop_by(lambda ts: to_the_end(ts[::-1])),
            "It walks from 0 up. Denoising begins at the noisy end: timesteps is sorted like that already.",
        ),
        Mistake(
            "s = 0 at the end",
            loop_by(lambda ts: zip(ts, [*ts[1:], 0]), named=lambda t, s: (t, s)),
            "At the end it steps from 0 to 0. There is no next timestep then: s is None, and the step returns x0_hat.",
        ),
        Mistake(
            "s = t − 1",
            loop_by(lambda ts: [(t, t - 1 if t > 0 else None) for t in ts]),
            "It steps from t to t - 1. The next timestep is the next one in the list, whatever the stride; after the "
            "last one there is none.",
        ),
        Mistake(
            "s on the wrong side of t",
            loop_by(lambda ts: zip(ts, [ts[-1], *ts[:-1]])),
            "s is the timestep before t in the list. The list falls, so the next one, which is less noisy, stands "
            "after t.",
        ),
        Mistake(
            "the network told the index",
            loop_by(told=lambda i, t, s: i),
            "The network is told the index into the list. It wants the timestep itself.",
        ),
        Mistake(
            "the network told s",
            loop_by(told=lambda i, t, s: 0 if s is None else s),
            "The network is told s, where x_t will be next. It has to know where x_t is: t.",
        ),
        Mistake(
            "x_t stays the same",
            loop_by(go_on=False),
            "Each step begins at the same x_t again: what one step returns is where the next one begins.",
        ),
        Mistake(
            "x0_hat for x_s",
            loop_by(go_on="x0_hat"),
            "The next step begins at x0_hat. That is an estimate of the end; the picture at timestep s is x_s.",
        ),
        Mistake(
            "x_t overwritten",
            loop_by(overwritten=True),
            "The x_t of each Step is x_s already: it is overwritten before the yield. Go on, x_t = x_s, after it.",
        ),
        Mistake(
            "clamped",
            loop_by(clamp=True),
            "x0_hat is clamped to [-1, 1]. The loop leaves the estimate as it is, unless a `threshold` is given.",
        ),
        Mistake(
            "x0_hat at s",
            loop_by(at=lambda t, s: 0 if s is None else s),
            "x0_hat is solved for with ᾱ_s. The noise is in x_t, so it is ᾱ_t.",
        ),
        Mistake(
            "x0_hat = x_t − eps",
            loop_by(solve=False),
            "x0_hat looks like x_t - eps. The forward process, solved for x0, has weights: estimate_x0 does that.",
        ),
        Mistake(
            "noise and variance exchanged",
            loop_by(swap=True),
            "The network's answer is (eps, var), in this order; here the variance is taken for the noise.",
        ),
        Mistake(
            "var not handed on",
            loop_by(give_var=False),
            "The step does not get the learned variance: hand on what the network says, `var=var`.",
        ),
        Mistake(
            "generator not handed on",
            loop_by(give_generator=False),
            "The step does not get the generator, so its noise cannot be repeated: `generator=generator`.",
        ),
        Mistake("step ignored", loop_by(use_step=False), "It always takes ddpm_step, whatever `step` is."),
        Mistake(
            "threshold ignored",
            loop_by(thresholds="never"),
            "`threshold` is never used: it is a function of x0_hat, to be applied before the step.",
        ),
        Mistake(
            "threshold after the step",
            loop_by(thresholds="too late"),
            "`threshold` runs after the step, which has taken the estimate as it was: apply it to x0_hat before.",
        ),
        Mistake(
            "x0_hat from before the threshold",
            loop_by(thresholds="unseen"),
            "The x0_hat of each Step is the estimate from before `threshold`. Yield the one that the step has used.",
        ),
        Mistake(
            "threshold on x_s",
            loop_by(thresholds="x_s"),
            "`threshold` is applied to x_s, which is noisy and has to leave [-1, 1]. It is for the estimate of the "
            "clean picture, before the step takes it.",
        ),
        Mistake(
            "constrain ignored",
            loop_by(constrains="never"),
            "`constrain` is never used: it is a function of (x_s, s), to be applied after the step.",
        ),
        Mistake(
            "constrain in vain",
            loop_by(constrains="in vain"),
            "What `constrain` returns is thrown away: it does not change x_s in place, so x_s = constrain(x_s, s).",
        ),
        Mistake(
            "constrain left out at the end",
            loop_by(constrains="not at the end"),
            "`constrain` does not run after the last step. It runs after every one; at the end it is given s = None.",
        ),
        Mistake(
            "constrain after the yield",
            loop_by(constrains="after"),
            "constrain runs after the yield, so whoever watches sees an x_s that was not yet constrained; and of the "
            "last step nothing else is ever seen.",
        ),
        Mistake(
            "constrained for show only",
            loop_by(constrains="for show"),
            "The constrained picture is yielded, but the next step begins at the unconstrained one: whoever watches "
            "sees what the network never does.",
        ),
        Mistake(
            "constrain given t",
            loop_by(constrains="with t"),
            "constrain is given t. x_s is at s, and s is what constrain has to know.",
        ),
        Mistake("x_t ignored", always_from_noise, "It does not begin at the x_t that it is given."),
    ),
)


EXERCISES = [ddpm_step, denoise]
