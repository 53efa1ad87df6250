"""Exercises on the loop: one step, many of them, from noise, from a noised picture, round a mask."""

import functools
import itertools
import math

import torch
from torch import Tensor, nn

from ..sampling import Step, forward
from .exercise import Exercise, Measured, Mistake
from .running import Fault, tensor
from .toys import (
    GREY_NOISE,
    NOISY,
    Toy,
    conds,
    grey_noise,
    likeness,
    mean,
    mean_and_std,
    noise,
    of_chance,
    other_noises,
    pictures,
    schedule,
    seeded,
    std,
)

TIMESTEPS = [46, 33, 21, 12, 4, 0]

# ---- 1.4: one step -------------------------------------------------------------------------------------------------


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


def coefficients(abar, t, s):
    """α, β and β̃ of a stride."""
    alpha = abar[t] / abar[s]
    beta = 1 - alpha
    return alpha, beta, beta * (1 - abar[s]) / (1 - abar[t])


def posterior(abar, t, s, betas):
    """The weights of x0_hat and x_t."""
    alpha, beta, _ = coefficients(abar, t, s)
    return math.sqrt(abar[s]) * beta / (1 - abar[t]), math.sqrt(alpha) * (1 - abar[s]) / (1 - abar[t])


def between(v, beta, beta_tilde):
    """log σ² goes in a straight line from log β̃ at v = -1 to log β at v = 1."""
    v = (v.double() + 1) / 2
    return torch.exp(v * math.log(beta) + (1 - v) * math.log(beta_tilde))


def no_var(abar, t, s, betas):
    return coefficients(abar, t, s)[2]


def step_by(
    weights=posterior,
    variance=no_var,
    mix=between,
    last=lambda x_t, x0_hat, z: x0_hat,
    at_0=lambda x0_hat, mean, x_s: x_s,
    spread=torch.sqrt,
    draw=torch.randn,
    look_up=lambda abar: abar,
):
    def ddpm_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        z = draw(x_t.shape, generator=generator).double()
        if s is None:
            return last(x_t, x0_hat, z.float())
        abar, betas = look_up(schedule.alphas_cumprod.double()).tolist(), schedule.betas.double().tolist()
        a, b = weights(abar, t, s, betas)
        sigma2 = torch.tensor(variance(abar, t, s, betas)).double()
        if var is not None:
            sigma2 = mix(var, *coefficients(abar, t, s)[1:])
        mean = a * x0_hat.double() + b * x_t.double()
        x_s = mean + spread(sigma2) * z
        return (x_s if s > 0 else at_0(x0_hat, mean, x_s)).float()

    return ddpm_step


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
NOT_THE_END = "The last step is the one where s is None. s = 0 is a timestep with a little noise, like any other"
KEPT_AT_0 = f"At s = 0 the kept part is clean already. {NOT_THE_END}; to Python, 0 and None are both false."
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


# ---- 1.4: the loop -------------------------------------------------------------------------------------------------


def plain_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
    """A step that anybody can follow: no noise, and every argument leaves its trace in the result."""
    x_s = 0.6 * x_t + 0.4 * x0_hat.clamp(-2, 2) + 0.01 * t - 0.02 * (-1 if s is None else s)
    return x_s if var is None else x_s + 0.1 * var


def halve(x0_hat):
    return 0.5 * x0_hat


class Spy:
    """A step that notes what it is given."""

    def __init__(self):
        self.pairs, self.variances, self.generators = [], [], []

    def __call__(self, x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        self.pairs.append((int(t), -1 if s is None else int(s)))
        self.variances.append(var is not None)
        self.generators.append(generator)
        return plain_step(x_t, x0_hat, t, s, schedule, var=var)


def steps_of(trace) -> list[Step]:
    """What a loop has yielded, if it is Steps, or tuples like them."""
    if isinstance(trace, (str, Tensor)) or not hasattr(trace, "__iter__"):
        raise Fault("wrong type", f"It returns a {type(trace).__name__}; wanted a generator: `yield` each Step.")
    trace = list(trace)
    if not trace:
        raise Fault("nothing yielded", "It yields nothing: `yield Step(t, s, x_t, eps, x0_hat, x_s)` in the loop.")
    if not all(isinstance(step, tuple) and len(step) == 6 for step in trace):
        raise Fault("wrong type", f"It yields a {type(trace[0]).__name__}; wanted Step(t, s, x_t, eps, x0_hat, x_s).")
    for step in trace:
        for name, value in zip(Step._fields[2:], step[2:]):
            tensor(value, f"the {name} that it yields")
    return [Step(*step) for step in trace]


def no_gradient(x: Tensor) -> Measured:
    """Whether a result drags along how it was computed."""
    return Measured(
        "what is needed for a gradient is kept",
        x.requires_grad,
        name="gradients kept",
        say="PyTorch keeps everything that a gradient would need, for all the steps: on a real network, gigabytes. "
        "Nobody learns here: @torch.no_grad() above the function switches it off.",
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


def to_the_end(timesteps):
    return zip(timesteps, [*timesteps[1:], None])


def own_ddpm(*args, **options):
    return step_by()(*args, **options)


def loop_by(
    pairs=to_the_end,
    told=lambda i, t, s: t,
    at=lambda t, s: t,
    go_on=True,
    give_var=True,
    give_generator=True,
    use_step=True,
    thresholds="x0_hat",
    constrains="before",
    swap=False,
    both=False,
    named=lambda t, s: (t, s),
    solve=True,
    clamp=False,
    overwritten=False,
):
    """The loop as the maths has it, and with everything in it that can be got wrong."""

    @torch.no_grad()
    def denoise(denoiser, x_t, timesteps, cond, *, step=own_ddpm, threshold=None, constrain=None, generator=None):
        abar = denoiser.schedule.alphas_cumprod.double()
        for i, (t, s) in enumerate(pairs(list(timesteps))):
            eps, var = denoiser(x_t, told(i, t, s), cond)
            if swap:
                eps, var = var if var is not None else eps, eps
            a = abar[at(t, s)].item()
            x0_hat = ((x_t.double() - math.sqrt(1 - a) * eps.double()) / math.sqrt(a)).float() if solve else x_t - eps
            x0_hat = x0_hat.clamp(-1, 1) if clamp else x0_hat
            estimate = x0_hat
            if threshold is not None and thresholds in ("x0_hat", "unseen"):
                x0_hat = threshold(x0_hat)
            options = {"var": var if give_var else None, "generator": generator if give_generator else None}
            x_s = (step if use_step else own_ddpm)(x_t, x0_hat, t, s, denoiser.schedule, **options)
            if threshold is not None and thresholds == "x_s":
                x_s = threshold(x_s)
            if threshold is not None and thresholds == "too late":
                x0_hat = threshold(x0_hat)
            loose = x_s
            if constrain is not None and constrains in ("before", "for show"):
                x_s = constrain(x_s, s)
            if constrain is not None and constrains == "not at the end" and s is not None:
                x_s = constrain(x_s, s)
            if constrain is not None and constrains == "in vain":
                constrain(x_s, s)
            if constrain is not None and constrains == "with t":
                x_s = constrain(x_s, t)
            shown = x_s if overwritten else x_t
            yield Step(*named(t, s), shown, eps, estimate if thresholds == "unseen" else x0_hat, x_s)
            if constrain is not None and constrains == "after":
                x_s = constrain(x_s, s)
            if go_on:
                x_t = x0_hat if go_on == "x0_hat" else loose if constrains == "for show" else x_s

    return denoise


@torch.no_grad()
def always_from_noise(denoiser, x_t, timesteps, cond, **options):
    x_t = noise(*x_t.shape, seed=1)
    yield from loop_by()(denoiser, x_t, timesteps, cond, **options)


LAST = "A list of n timesteps has n network calls: the last one, at its last timestep, has no next one (s is None)."
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


# ---- 1.5: sampling -------------------------------------------------------------------------------------------------


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


# ---- 1.7: SDEdit ---------------------------------------------------------------------------------------------------


def option_used(spy: Spy) -> Measured:
    """Whether the step among the options is the one that is taken."""
    return Measured(
        "the step among the options is taken",
        bool(spy.pairs),
        name="options not handed on",
        say="The options (step, threshold …) are not handed on to the loop: pass `**options`.",
    )


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


def noised(x, a, generator, draw=torch.randn):
    return math.sqrt(a) * x + math.sqrt(1 - a) * draw(x.shape, generator=generator)


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


# ---- 1.7.2: inpainting ---------------------------------------------------------------------------------------------


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


# ---- B 2.3 and B 2.5: samplers of digits ---------------------------------------------------------------------------


class Drawer(nn.Module):
    """A network of digits in small. It notes each call, and shows by its BatchNorm whether it is in training mode."""

    def __init__(self, classes: bool):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.classes, self.calls = classes, []

    def forward(self, x, t01, c=None):
        if (c is not None) != self.classes:
            say = (
                'called without c: for "any digit", c is all zeros' if self.classes else "given a class: it takes none"
            )
            raise Fault("wrong arguments of the network", f"The network is {say}.")
        if not torch.is_tensor(t01) or t01.shape != (len(x), 1):
            given = tuple(t01.shape) if torch.is_tensor(t01) else t01
            raise Fault("shape of t01", f"The network is told the time as {given}; it wants a tensor ({len(x)}, 1).")
        t01, rows = t01.float(), torch.zeros(len(x), 10) if c is None else c.float()  # FCBlock takes any precision
        if rows.shape != (len(x), 10):
            raise Fault("shape of c", f"The network is given c of shape {tuple(rows.shape)}; wanted ({len(x)}, 10).")
        push = (rows * torch.linspace(-1, 1.5, 10)).sum(dim=1).view(-1, 1, 1, 1)  # (no matrix product: never in bf16)
        self.calls.append((x.detach().clone(), t01.detach().clone(), rows.detach().clone(), self.training))
        return self.answer(x, t01, push)

    def answer(self, x, t01, push):
        return torch.tanh(self.scale * self.norm(x) + t01.view(-1, 1, 1, 1) + push * torch.sin(2 * x))

    def plain(self, x, t01, rows):
        """The same without a note, in evaluation mode."""
        push = (rows * torch.linspace(-1, 1.5, 10)).sum(dim=1).view(-1, 1, 1, 1)
        x_hat = x / math.sqrt(1 + self.norm.eps)  # a fresh BatchNorm's averages are 0 and 1
        return torch.tanh(0.7 * x_hat + t01.view(-1, 1, 1, 1) + push * torch.sin(2 * x))


def rows_by_time(network):
    """The noted calls put together by timestep, as they first came: [t01, x with a class, x without, c].

    So it makes no difference whether all digits go down together or one after the other.
    """
    steps = {}
    for x, t01, rows, _ in network.calls:
        told = rows.any(dim=1)
        for value in dict.fromkeys(t01.flatten().tolist()):
            here = (t01 == value).flatten()
            parts = steps.setdefault(round(value, 5), ([], [], []))
            for part, seen in zip(parts, (x[here & told], x[here & ~told], rows[here & told])):
                part.append(seen)
    return [[value, *map(torch.cat, parts)] for value, parts in steps.items()]


def in_the_results_order(steps, x0, classes):
    """The rows of each timestep as x0 has them: one class may have had its turn before another."""
    last = steps[-1][1 if classes else 2]
    if last.shape != x0.shape:
        return steps
    rows = torch.cdist(x0.to(last).flatten(1), last.flatten(1)).argmin(dim=1)  # the last step hardly changes a digit
    if len(rows.unique()) < len(rows):
        return steps
    return [[value, *(part[rows] if len(part) == len(rows) else part for part in parts)] for value, *parts in steps]


def probe_digits(student, classes=False):
    steep = schedule(T := 6)
    abar, betas = steep.alphas_cumprod, steep.betas
    network, count = Drawer(classes).train(), 6
    c = torch.eye(10)[torch.tensor([0, 9, 4, 4, 1, 7])]
    gamma = 3.0

    def draw(case, seed=111, gamma=gamma):
        network.calls.clear()
        arguments = (c, gamma) if classes else (count,)
        result = student(case, network, steep, *arguments, generator=seeded(seed))
        tensor(result, "the result")
        return result

    case = "a schedule of 6 timesteps, 6 digits" + (f", gamma = {gamma:g}" if classes else "")
    x0 = draw(case)
    calls = list(network.calls)
    yield no_gradient(x0)
    yield Measured("the network predicts in evaluation mode", not any(training for *_, training in calls))
    yield Measured("the network's running averages are as they were", bool((network.norm.running_mean == 0).all()))
    steps = in_the_results_order(rows_by_time(network), x0, classes)
    yield Measured("the times t/T that the network is told", [value for value, *_ in steps], 1e-5)
    yield Measured("the shape of the result", list(x0.shape))
    conditional = [with_class if classes else without for _, with_class, without, _ in steps]
    yield Measured("how many pictures the network sees at each time", [len(x) for x in conditional])
    if classes:
        told = torch.cat([steps[0][3], torch.zeros(len(steps[0][2]), 10)])
        yield Measured("the conditions that the network is told, each once, in order", told.unique(dim=0))
        yield Measured("how many of them without their class", [len(without) for _, _, without, _ in steps])
        yield Measured("the classes that it is told", steps[0][3])
        same = all(a.shape == b.shape and torch.equal(a, b) for _, a, b, _ in steps)
        yield Measured(
            "the network sees the same pictures with and without their class",
            same,
            name="other pictures without the class",
            say="What the network is asked without the class is not the x_t that it is asked about with it: the "
            "difference of the two answers then says nothing about the class.",
        )
    start = conditional[0]
    yield Measured("the mean and the deviation of the start", mean_and_std(start), 2.5 * NOISY)
    yield Measured("the likeness of two digits' start", likeness(start[0], start[1]), 6 * NOISY)

    def guess(x, t):
        t01 = torch.full((len(x), 1), t / T)
        u = network.plain(x, t01, torch.zeros(len(x), 10))
        return u + gamma * (network.plain(x, t01, c) - u) if classes else u

    drawn, states = [], [*conditional, x0]
    for t, (x, x_next) in zip(range(T - 1, -1, -1), itertools.pairwise(states)):
        expected = (x - betas[t] / (1 - abar[t]).sqrt() * guess(x, t)) / (1 - betas[t]).sqrt()
        z = x_next - expected
        if t == 0:
            yield Measured("what the last step adds to its mean", z, 1e-3)
            break
        drawn.append(z)
        yield Measured(f"the mean and the deviation of what the step from t = {t} adds", mean_and_std(z), NOISY)
    yield Measured("the likeness of the noise of two steps", likeness(drawn[0], drawn[1]), 2.5 * NOISY)
    yield Measured("the likeness of two digits' noise", likeness(drawn[0][0], drawn[0][1]), 6 * NOISY)
    yield from of_chance(x0, draw(case), draw(case, seed=112))


def digits_by(
    classes=False,
    *,
    times=lambda T: range(T - 1, -1, -1),
    told=lambda t, T: t / T,
    sigma=None,
    last=False,
    ready=True,
    start=torch.randn,
    guide=lambda u, c, g: u + g * (c - u),
    mean_of=None,
    clamp=None,
    draw=torch.randn,
    keep_state=False,
    scale_out=None,
    fixed=False,
    pictures_of=None,
    empty=None,
):
    """Algorithm 2, written from the paper, and with everything in it that can be got wrong."""

    @torch.no_grad()
    def sample(network, schedule, *arguments, generator=None):
        count = len(arguments[0]) if classes else arguments[0]
        T, betas, abar = schedule.T, schedule.betas, schedule.alphas_cumprod
        if ready:
            network.eval()
        x = start((count, 1, 28, 28), generator=generator)
        frozen = torch.randn(x.shape, generator=generator) if fixed else None
        for t in times(T):
            t01 = torch.full((count, 1), told(t, T))
            if classes:
                c, gamma = arguments
                nothing = torch.zeros_like(c) if empty is None else empty(c)
                eps = guide(network(x, t01, nothing), network(x, t01, c), gamma) if guide else network(x, t01, c)
            else:
                eps = network(x, t01)
            beta = betas[t]
            if mean_of:
                mu = mean_of(x, eps, t, betas, abar)
            else:
                mu = (x - beta / (1 - abar[t]).sqrt() * eps) / (1 - beta).sqrt()
            z = frozen if fixed else draw(x.shape, generator=generator)
            spread = sigma(t, betas, abar) if sigma else beta.sqrt()
            x = mu + spread * z if t > 0 or last else mu
            if clamp:
                x = clamp(x, t)
        return x

    return sample


def beta_tilde(t, betas, abar):
    before = abar[t - 1] if t > 0 else torch.tensor(1.0)
    return (betas[t] * (1 - before) / (1 - abar[t])).sqrt()


def digit_mistakes(classes):
    def wrong(**twist):
        return digits_by(classes, **twist)

    mu = {
        "right": lambda x, e, t, b, a: (x - b[t] / (1 - a[t]).sqrt() * e) / (1 - b[t]).sqrt(),
        "not divided": lambda x, e, t, b, a: x - b[t] / (1 - a[t]).sqrt() * e,
        "beta": lambda x, e, t, b, a: (x - b[t] / (1 - a[t]) * e) / (1 - b[t]).sqrt(),
        "all": lambda x, e, t, b, a: (x - (1 - a[t]).sqrt() * e) / a[t].sqrt(),
        "root": lambda x, e, t, b, a: (x - b[t].sqrt() / (1 - a[t]).sqrt() * e) / (1 - b[t]).sqrt(),
        "abar": lambda x, e, t, b, a: (x - b[t] / (1 - a[t]).sqrt() * e) / a[t].sqrt(),
        "alpha": lambda x, e, t, b, a: (x - b[t] / (1 - a[t]).sqrt() * e) / (1 - b[t]),
        "sign": lambda x, e, t, b, a: (x + b[t] / (1 - a[t]).sqrt() * e) / (1 - b[t]).sqrt(),
        "whole": lambda x, e, t, b, a: (x - (1 - a[t]).sqrt() * e) / (1 - b[t]).sqrt(),
    }
    return (
        Mistake(
            "BatchNorm in training mode",
            wrong(ready=False),
            "The network predicts in training mode: BatchNorm then takes mean and variance of this batch, so that "
            "each digit depends on the others. network.eval() first.",
        ),
        Mistake(
            "the last step skipped",
            wrong(times=lambda T: range(T - 1, 0, -1)),
            "The loop ends at t = 1: the step at t = 0 is missing. range(T - 1, -1, -1) ends at 0.",
        ),
        Mistake(
            "t off by one",
            wrong(told=lambda t, T: (t + 1) / T),
            "The network is told (t + 1)/T. In training it was told t/T, with t from 0 to T - 1.",
        ),
        Mistake(
            "t instead of t/T",
            wrong(told=lambda t, T: float(t)),
            "The network is told t. It wants t/T, a number in [0, 1].",
        ),
        Mistake(
            "t/(T − 1)",
            wrong(told=lambda t, T: t / (T - 1)),
            "The network is told t/(T - 1). In training it was told t/T.",
        ),
        Mistake(
            "t/1000",
            wrong(told=lambda t, T: t / 1000),
            "The network is told t/1000. Its schedule has T timesteps, and in training it was told t/T: schedule.T.",
        ),
        Mistake(
            "time runs upwards",
            wrong(times=lambda T: range(T)),
            "t runs from 0 up. Sampling begins with noise, at t = T - 1.",
        ),
        Mistake(
            "noise at the last step",
            wrong(last=True),
            "Noise is added at the last step, t = 0. Nothing comes after it to take the noise away.",
        ),
        Mistake("β̃ instead of β", wrong(sigma=beta_tilde), "The noise has the variance β̃_t. The course takes β_t."),
        Mistake(
            "variance instead of standard deviation",
            wrong(sigma=lambda t, b, a: b[t]),
            "The noise is multiplied by β_t, its variance: multiply by the root.",
        ),
        Mistake(
            "noise at full strength",
            wrong(sigma=lambda t, b, a: torch.tensor(1.0)),
            "The noise of each step has variance 1: its factor √β_t is missing.",
        ),
        Mistake(
            "no noise",
            wrong(sigma=lambda t, b, a: torch.tensor(0.0)),
            "The steps add no noise. Each but the last adds √β_t z.",
        ),
        Mistake(
            "no noise at t = 1",
            wrong(sigma=lambda t, b, a: b[t].sqrt() * (t > 1)),
            "The step from t = 1 adds no noise. Algorithm 2 counts from 1 to T, and leaves it out at 1; counted from "
            "0, as here, that is t = 0.",
        ),
        Mistake(
            "another start",
            wrong(start=lambda shape, generator: 0.5 + 0.5 * torch.randn(shape, generator=generator)),
            "The start is normal, but with mean 0.5 and deviation 0.5, as if noise had to fit into [0, 1]. Pure noise "
            "has mean 0 and deviation 1.",
        ),
        *(
            Mistake(
                "x_t clamped",
                twist,
                f"x_t is clamped in the loop. A noisy picture has to leave [{low}, 1]: clamp for the display only.",
            )
            for low in (0, -1)
            for twist in (
                wrong(clamp=lambda x, t, low=low: x.clamp(low, 1)),
                wrong(mean_of=lambda *step, low=low: mu["right"](*step).clamp(low, 1)),
            )
        ),
        Mistake(
            "result clamped",
            wrong(clamp=lambda x, t: x.clamp(0, 1) if t == 0 else x),
            "The result is clamped. That is for whoever shows it to do: return x0 as the last step leaves it.",
        ),
        Mistake(
            "division by √α forgotten",
            wrong(mean_of=mu["not divided"]),
            "The mean is not divided by √α_t, where α_t = 1 − β_t.",
        ),
        Mistake(
            "√(1 − ᾱ) forgotten",
            wrong(mean_of=mu["beta"]),
            "The noise is weighted by β_t / (1 − ᾱ_t): the square root is missing.",
        ),
        Mistake(
            "√β in the mean", wrong(mean_of=mu["root"]), "The predicted noise is weighted by √β_t where β_t belongs."
        ),
        Mistake(
            "√ᾱ instead of √α",
            wrong(mean_of=mu["abar"]),
            "The mean is divided by √ᾱ_t. It is one step's own √α_t, with α_t = 1 − β_t.",
        ),
        Mistake(
            "√α forgotten",
            wrong(mean_of=mu["alpha"]),
            "The mean is divided by α_t itself, where its root belongs: √α_t, with α_t = 1 − β_t.",
        ),
        Mistake("noise added", wrong(mean_of=mu["sign"]), "The predicted noise is added where it is to be taken away."),
        Mistake(
            "all the noise at once",
            wrong(mean_of=mu["whole"]),
            "The predicted noise is weighted by √(1 − ᾱ_t), which is all of it. A step takes a part: β_t / √(1 − ᾱ_t).",
        ),
        Mistake(
            "1 − ᾱ instead of β",
            wrong(mean_of=mu["all"], sigma=lambda t, b, a: (1 - a[t]).sqrt()),
            "It looks as if 1 − ᾱ_t were taken for β_t, and so ᾱ_t for α_t: that is the noise of the whole way. One "
            "step's own is schedule.betas[t].",
        ),
        Mistake(
            "all the noise at once",
            wrong(mean_of=mu["all"]),
            "Each step jumps to the estimate x0_hat and adds a little noise. It has to take a part of the noise only.",
        ),
        Mistake("one noise for all steps", wrong(fixed=True), "All steps add the same noise: draw it inside the loop."),
        *other_noises(lambda draw: wrong(start=draw, draw=draw)),
        *other_noises(lambda draw: wrong(start=draw)),
        *other_noises(lambda draw: wrong(draw=draw)),
    )


sample_digits = Exercise(
    name="sample_digits",
    notebook="b2_3",
    kit="helpers.sampling.sample_digits",
    task="Write algorithm 2: from pure noise down all the timesteps, √β_t z added at every step but the last.",
    look="Print t and the mean and deviation of x at each step: where does it leave what the formula gives?",
    probe=probe_digits,
    right=digits_by(),
    mistakes=digit_mistakes(False),
)

sample_classes = Exercise(
    name="sample_classes",
    notebook="b2_5",
    kit="helpers.sampling.sample_classes",
    task="Write the sampler of 2.3 with guidance: at every step predict with the class and without it.",
    look="With gamma = 1 it has to be the plain sampler that is told the class; with gamma = 0 the class must not "
    "matter.",
    probe=lambda student: probe_digits(student, classes=True),
    right=digits_by(True),
    mistakes=(
        Mistake(
            "the halves exchanged",
            digits_by(True, guide=lambda u, c, g: c + g * (u - c)),
            "The two predictions are exchanged: this walks away from the class that was asked for.",
        ),
        Mistake(
            "another convention",
            digits_by(True, guide=lambda u, c, g: c + g * (c - u)),
            "It is ε_c + γ (ε_c − ε_u), another convention, in which γ is smaller by 1. Here it begins at ε_u.",
        ),
        Mistake(
            "guidance without ε_u",
            digits_by(True, guide=lambda u, c, g: g * (c - u)),
            "The difference is enlarged, but ε_u itself, to which it is added, is missing.",
        ),
        Mistake(
            "ε_u added in full",
            digits_by(True, guide=lambda u, c, g: u + g * c),
            "It is ε_u + γ ε_c: with γ = 1 it should be ε_c alone. It is the difference that is enlarged.",
        ),
        Mistake(
            "guided noise clamped",
            digits_by(True, guide=lambda u, c, g: (u + g * (c - u)).clamp(-1, 1)),
            "The guided noise is clamped to [-1, 1]. Noise is no picture, and has to leave that.",
        ),
        Mistake(
            "any digit as every other class",
            digits_by(True, empty=lambda c: 1 - c),
            'For "any digit" the network is told every class but the one that is asked for. It has never seen such a '
            "c: in training a class that was dropped was all zeros.",
        ),
        Mistake(
            "only the class",
            digits_by(True, guide=lambda u, c, g: g * c),
            "It multiplies ε_c by γ; ε_u makes no difference.",
        ),
        Mistake(
            "gamma ignored",
            digits_by(True, guide=lambda u, c, g: c),
            "γ makes no difference: it is the plain prediction with the class.",
        ),
        Mistake(
            "mean of the halves",
            digits_by(True, guide=lambda u, c, g: (u + c) / 2),
            "It is the mean of the two predictions; guidance goes beyond ε_c.",
        ),
        Mistake(
            "no guidance",
            digits_by(True, guide=None),
            "The network is never asked without the class: there is no ε_u, and so no guidance.",
        ),
        Mistake(
            "any digit as class 0",
            digits_by(True, empty=lambda c: torch.eye(10)[:1].expand(len(c), 10)),
            'For "any digit" the network is told class 0, which is a zero. No class is all zeros.',
        ),
        *(
            Mistake(
                "any digit as every class",
                digits_by(True, empty=lambda c, share=share: torch.full_like(c, share)),
                'For "any digit" the network is told a share of every class, the same for each. It has never seen '
                "such a c: in training a class that was dropped was all zeros.",
            )
            for share in (0.1, 1.0)
        ),
        *digit_mistakes(True),
    ),
)

EXERCISES = [ddpm_step, denoise, sample, sdedit, keep_known, inpaint, sample_digits, sample_classes]
