"""Exercises of notebook 1.4: one step of DDPM, and the loop."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from . import toys
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .references import denoise
from .running import tensor

__all__ = ["EXERCISES"]


def probe_step(student):
    steep, x_t, x0_hat = toys.schedule(), toys.noise(4, 3, 32, 32, seed=91), 1.3 * toys.images(4, 3, 32)
    empty = torch.zeros_like(x_t)

    def step(case, *images, t, s, seed=92, **options):
        return tensor(student(case, *images, t, s, steep, generator=toys.seeded(seed), **options), "x_s")

    case = "the last step, s = None"
    end, other = (step(case, x_t, x0_hat, t=0, s=None, seed=seed) for seed in (92, 93))
    yield Measured(
        "the result depends on the noise",
        not torch.equal(end, other),
        name="noise at the last step",
        say="Noise is added at the last step. No later step removes it: return x0_hat itself.",
    )
    yield Measured("x_s", end, low=-1.0)
    for t, s in ((30, 18), (21, 20), (1, 0)):
        case = f"from t = {t} to s = {s}, without var"
        x_s = step(case, x_t, x0_hat, t=t, s=s)
        yield from toys.of_chance(x_s, step(case, x_t, x0_hat, t=t, s=s), step(case, x_t, x0_hat, t=t, s=s, seed=93))
        drawn = step(case, empty, empty, t=t, s=s)  # the same noise, and nothing else
        yield Measured("x_s without its noise", x_s - drawn, low=-1.0)
        yield Measured("the standard deviation of the noise in x_s", toys.std(drawn), toys.NOISY)
        yield toys.reach(drawn, "the noise in x_s")
        yield Measured("the likeness of two images' noise", toys.likeness(drawn[0], drawn[1]), 3 * toys.NOISY)
        yield Measured("the likeness of two colours' noise", toys.likeness(drawn[:, 0], drawn[:, 1]), 2.5 * toys.NOISY)
    var = torch.full_like(x_t, -1.0)
    var[..., 16:], var[..., :8] = 1.0, 0.3
    case = "from t = 4 to s = 0, var 0.3 on the left, -1 in the middle, 1 on the right"
    drawn = step(case, empty, empty, t=4, s=0, var=var)
    for where, columns in (
        ("on the right", slice(16, 32)),
        ("in the middle", slice(8, 16)),
        ("on the left", slice(0, 8)),
    ):
        yield Measured(f"the standard deviation of the noise {where}", toys.std(drawn[..., columns]), 2 * toys.NOISY)


def ddpm_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
    if s is None:
        return x0_hat
    abar_t, abar_s = schedule.alphas_cumprod[[t, s]].double()
    alpha = abar_t / abar_s
    beta = 1 - alpha
    beta_tilde = beta * (1 - abar_s) / (1 - abar_t)
    mean = (abar_s.sqrt() * beta * x0_hat + alpha.sqrt() * (1 - abar_s) * x_t) / (1 - abar_t)
    variance = beta_tilde
    if var is not None:
        v = (var + 1) / 2
        variance = torch.exp(v * beta.log() + (1 - v) * beta_tilde.log())
    x_s = mean + variance.sqrt() * torch.randn(x_t.shape, generator=generator)
    return x_s


STEP = Exercise(
    name="ddpm_step",
    notebook="a1_4",
    kit="helpers.sampling.ddpm_step",
    task="Go from timestep t to s: the weighted sum of x0_hat and x_t, plus noise; the last step returns x0_hat.",
    look="Print the weights of x0_hat and x_t for one pair t, s, and compare with those that the notebook prints under The DDPM step.",
    probe=probe_step,
    right=ddpm_step,
    mistakes=(
        Mistake("noise at the last step", "return x0_hat\n", "return x0_hat + 0.14142136 * torch.randn(x0_hat.shape, generator=generator)\n",
                "Noise is added at the last step. No later step removes it: return x0_hat itself."),
        Mistake("s = 0 taken for the last step", "if s is None:", "if not s:",
                "On the way to s = 0 it returns x0_hat. The last step is the one where s is None. s = 0 is a timestep with a little noise, like any other; to Python, 0 and None are both false."),
        Mistake("s = 0 taken for the last step", "return x_s", "return x_s if s > 0 else mean",
                "On the way to s = 0 it adds no noise. The last step is the one where s is None. s = 0 is a timestep with a little noise, like any other."),
        Mistake("the last step returns x_t", "return x0_hat\n", "return x_t\n",
                "The last step, where s is None, returns x_t: the image as it was before. Return x0_hat."),
        *alike("β of a single step", "It looks as if β_t of a single step were used for a stride of several. Here β = 1 − ᾱ_t / ᾱ_s.",
               ("alpha = abar_t / abar_s", "alpha = 1 - schedule.betas[t].double()"),
               ("beta = 1 - alpha", "beta = schedule.betas[t].double()"),
               ("beta * x0_hat + alpha.sqrt()", "schedule.betas[t] * x0_hat + (1 - schedule.betas[t]).sqrt()")),
        Mistake("t − 1 instead of s", "[[t, s]]", "[[t, t - 1]]",
                "It steps to t - 1 and ignores s: the stride may be longer, and ᾱ_s is alphas_cumprod[s]."),
        Mistake("β below 0", "alpha = abar_t / abar_s", "alpha = abar_s / abar_t",
                "x_s is NaN: the cause is the root of a negative number. Is your β = 1 − ᾱ_t / ᾱ_s below 0? ᾱ falls as t grows, so ᾱ_t / ᾱ_s is below 1, and β above 0: check whether the quotient is inverted, or ᾱ_t and ᾱ_s are exchanged."),
        Mistake("√ᾱ_s forgotten", "abar_s.sqrt()", "abar_s",
                "The weight of x0_hat has ᾱ_s where its square root belongs."),
        Mistake("√α forgotten", "alpha.sqrt()", "alpha", "The weight of x_t has α where its square root belongs."),
        Mistake("both roots forgotten", "abar_s.sqrt() * beta * x0_hat + alpha.sqrt()", "abar_s * beta * x0_hat + alpha",
                "Both weights lack their square roots: √ᾱ_s with x0_hat, √α with x_t."),
        Mistake("β and 1 − ᾱ_s under the roots", "abar_s.sqrt() * beta * x0_hat + alpha.sqrt() * (1 - abar_s) * x_t", "(abar_s * beta).sqrt() * x0_hat + (alpha * (1 - abar_s)).sqrt() * x_t",
                "The roots include too much: only ᾱ_s and α are under them, not β and 1 − ᾱ_s."),
        Mistake("weights exchanged", "beta * x0_hat + alpha.sqrt() * (1 - abar_s) * x_t", "beta * x_t + alpha.sqrt() * (1 - abar_s) * x0_hat",
                "x0_hat and x_t have each other's weight. At noisy timesteps, x0_hat has a small weight."),
        Mistake("t and s exchanged", "(abar_s.sqrt() * beta * x0_hat + alpha.sqrt() * (1 - abar_s) * x_t) / (1 - abar_t)", "(abar_t.sqrt() * beta * x0_hat + alpha.sqrt() * (1 - abar_t) * x_t) / (1 - abar_s)",
                "ᾱ_t and ᾱ_s look exchanged. s is the earlier timestep, with the larger ᾱ."),
        Mistake("√ᾱ_t instead of √ᾱ_s", "abar_s.sqrt()", "abar_t.sqrt()",
                "The weight of x0_hat has √ᾱ_t where √ᾱ_s belongs: x_s has that much of the image."),
        Mistake("not divided by 1 − ᾱ_t", " * x_t) / (1 - abar_t)", " * x_t)", "The sum is not divided by 1 − ᾱ_t."),
        Mistake("divided by 1 − ᾱ_s", " * x_t) / (1 - abar_t)", " * x_t) / (1 - abar_s)",
                "The mean is divided by 1 − ᾱ_s, where 1 − ᾱ_t belongs: the two weights then add up to too much."),
        Mistake("DDIM's mean", "(abar_s.sqrt() * beta * x0_hat + alpha.sqrt() * (1 - abar_s) * x_t) / (1 - abar_t)", "abar_s.sqrt() * x0_hat + ((1 - abar_s) / (1 - abar_t)).sqrt() * (x_t - abar_t.sqrt() * x0_hat)",
                "The mean is that of DDIM, which noises x0_hat again with the noise that x_t implies. DDPM's step removes a part of that noise and adds new noise."),
        *alike("ᾱ off by one", "ᾱ looks off by one: alphas_cumprod[t] belongs to t, alphas_cumprod[s] to s.",
               ("[[t, s]]", "[[max(t - 1, 0), max(s - 1, 0)]]"), ("[[t, s]]", "[[t - 1, s - 1]]")),
        Mistake("no noise", "torch.randn(x_t.shape, generator=generator)", "torch.zeros(x_t.shape)",
                "No noise is added. Between the first step and the last each adds some."),
        Mistake("variance instead of standard deviation", "variance.sqrt()", "variance",
                "The noise is multiplied by its variance. A standard normal draw times σ has variance σ²: take the root."),
        Mistake("β instead of β̃", "variance = beta_tilde", "variance = beta",
                "Without var the noise has the variance β. The posterior's own is β̃, which is smaller."),
        Mistake("β̃ upside down", "beta * (1 - abar_s) / (1 - abar_t)\n", "beta * (1 - abar_t) / (1 - abar_s)\n",
                "The quotient in β̃ is inverted: it is β (1 − ᾱ_s) / (1 − ᾱ_t), which is smaller than β."),
        Mistake("variance of the forward process", "variance = beta_tilde", "variance = 1 - abar_s",
                "The noise has the variance 1 − ᾱ_s, as if the image were noised from x0. x_t contains most of that noise already."),
        *alike("noise at full strength", "The noise has variance 1: its factor is missing.",
               ("variance.sqrt() * ", ""), ("variance = beta_tilde", "variance = torch.tensor(1.0)")),
        Mistake("variance taken for its logarithm", "variance.sqrt()", "torch.exp(variance / 2)",
                "σ is exp(σ² / 2), as if the variance were its own logarithm. Without var it is √β̃."),
        *alike("√ of β̃ twice", "The root is taken twice: the noise is too strong.",
               ("variance.sqrt()", "variance.sqrt().sqrt()"),
               ("variance = beta_tilde", "variance = beta_tilde.sqrt()")),
        Mistake("var ignored", "if var is not None:", "if False:",
                "var makes no difference. It is the learned variance: log σ² is linear in var, from log β̃ at -1 to log β at +1."),
        Mistake("var ignored", "torch.exp(v * beta.log() + (1 - v) * beta_tilde.log())", "beta",
                "With var, the variance is always β: log σ² is linear in var, from log β̃ at -1 to log β at +1."),
        Mistake("var upside down", "(var + 1) / 2", "(1 - var) / 2",
                "var has the opposite effect: log σ² is linear in var, from log β̃ at -1 to log β at +1."),
        Mistake("v instead of (v + 1) / 2", "(var + 1) / 2", "var",
                "var is used as the weight itself, as if it ran from 0 to 1. It runs from -1 to 1: log σ² is linear in var, from log β̃ at -1 to log β at +1."),
        Mistake("interpolated without the logarithm", "torch.exp(v * beta.log() + (1 - v) * beta_tilde.log())", "v * beta + (1 - v) * beta_tilde",
                "The variance itself is interpolated; its logarithm should be: log σ² is linear in var, from log β̃ at -1 to log β at +1."),
        Mistake("exp forgotten", "torch.exp(v * beta.log() + (1 - v) * beta_tilde.log())", "v * beta.log() + (1 - v) * beta_tilde.log()",
                "With var, x_s is NaN: the cause is the root of a negative number. log σ² is below 0: is it taken for σ², without exp?"),
        Mistake("log of β̃ forgotten", "beta_tilde.log()", "beta_tilde",
                "β̃ itself is mixed with log β: take the logarithm of both. log σ² is linear in var, from log β̃ at -1 to log β at +1."),
        Mistake("√ of σ² twice", "beta_tilde.log())", "beta_tilde.log()).sqrt()",
                "With var, the root is taken twice: exp(½ log σ²) is σ already."),
        Mistake("var taken for log σ²", "torch.exp(v * beta.log() + (1 - v) * beta_tilde.log())", "torch.exp(var)",
                "var is used as the logarithm of the variance. It only interpolates between two of them: log σ² is linear in var, from log β̃ at -1 to log β at +1."),
        Mistake("var taken for σ²", "torch.exp(v * beta.log() + (1 - v) * beta_tilde.log())", "var.abs()",
                "var is used as the variance itself. It interpolates between two logarithms: log σ² is linear in var, from log β̃ at -1 to log β at +1."),
        *alike("x0_hat clamped", "x0_hat is clamped to [-1, 1]. The step takes the estimate as it is: whether it is clamped before, and how, is up to the loop's `threshold`.",
               ("if s is None:", "x0_hat = x0_hat.clamp(-1, 1)\n    if s is None:"),
               ("abar_t, abar_s =", "x0_hat = x0_hat.clamp(-1, 1)\n    abar_t, abar_s ="),
               ("return x0_hat\n", "return x0_hat.clamp(-1, 1)\n")),
        Mistake("x_s clamped", "return x_s", "return x_s.clamp(-1, 1)",
                "x_s is clamped to [-1, 1]. A noisy image has to exceed this range: clamp only for display."),
        *toys.other_noises("x_t.shape"),
        toys.grey_noise("x_t.shape"),
    ),
)  # fmt: skip


def probe_loop(student):
    toy, x_t, cond, spy, generator = (
        toys.Toy(),
        toys.noise(2, 3, 16, 16, seed=94),
        toys.conds(),
        toys.Spy(),
        toys.seeded(95),
    )
    case = f"timesteps {', '.join(map(str, toys.TIMESTEPS))}, a step of the check's own"
    trace = toys.steps_of(student(case, toy, x_t, toys.TIMESTEPS, cond, step=spy, generator=generator))
    yield Measured("the timesteps at which the network is called", list(toy.asked))
    yield Measured("the pairs t, s that the steps go (-1: None)", [list(pair) for pair in spy.pairs])
    yield Measured("how many steps are yielded", len(trace))
    yield toys.no_gradient(trace[-1].x_s)
    yield Measured(
        "the first x_t",
        trace[0].x_t.detach(),
        name="x_t ignored",
        say="It does not start from the x_t argument.",
    )
    yield Measured("the first eps", trace[0].eps.detach())
    yield Measured("the first x0_hat", trace[0].x0_hat.detach())
    yield Measured("the step is given the learned variance", all(spy.variances))
    yield Measured("the first x_s", trace[0].x_s.detach())
    yield Measured("the second x_t", trace[1].x_t.detach() if len(trace) > 1 else None)
    yield Measured("the last x_s", trace[-1].x_s.detach())
    yield Measured("t and s of the Steps", [[int(step.t), -1 if step.s is None else int(step.s)] for step in trace])
    yield Measured("the step is given the generator", all(given is generator for given in spy.generators))

    toy = toys.Toy(learns_variance=False)
    trace = toys.steps_of(student("a network without learned variance", toy, x_t, [30, 0], cond, step=toys.Spy()))
    yield Measured("the last x_s", trace[-1].x_s.detach())
    trace = toys.steps_of(
        student("threshold halves x0_hat", toys.Toy(), x_t, toys.TIMESTEPS, cond, step=toys.Spy(), threshold=toys.halve)
    )
    yield Measured("the last x_s", trace[-1].x_s.detach())
    yield Measured("the last x0_hat", trace[-1].x0_hat.detach())

    constrained = []

    def constrain(x_s, s):
        constrained.append(-1 if s is None else int(s))
        return x_s + 1.0

    case = "constrain adds 1 to x_s"
    trace = toys.steps_of(student(case, toys.Toy(), x_t, toys.TIMESTEPS, cond, step=toys.Spy(), constrain=constrain))
    yield Measured("the timesteps s that constrain is given (-1: None)", constrained)
    yield Measured("the last x_s", trace[-1].x_s.detach())
    finals = [
        toys.steps_of(
            student(
                "the kit's ddpm_step, by default", toys.Toy(), x_t, toys.TIMESTEPS, cond, generator=toys.seeded(seed)
            )
        )[-1].x_s
        for seed in (96, 96, 97)
    ]
    yield from toys.of_chance(*finals)


# from the estimate to the step, and from the step to the end
THRESHOLD = """        if threshold is not None:
            x0_hat = threshold(x0_hat)
"""
STEPPED = "        x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=var, generator=generator)\n"
CONSTRAIN = """        if constrain is not None:
            x_s = constrain(x_s, s)
"""
YIELDED = "        yield Step(t, s, x_t, eps, x0_hat, x_s)\n"

LOOP = Exercise(
    name="denoise",
    notebook="a1_4",
    kit="helpers.sampling.denoise",
    task="Walk down the timesteps: call the network, estimate x0, step to the next one, and yield every Step.",
    look="Print t and s of each Step, and the mean of x_t: does each x_t come from the x_s before it?",
    probe=probe_loop,
    right=denoise,
    mistakes=(
        *alike("the last step forgotten", "The last step is missing. A list of n timesteps has n network calls: the last one, at its last timestep, has no next one (s is None).",
               ("zip(timesteps, [*timesteps[1:], None])", "zip(timesteps, timesteps[1:])"),
               ("zip(timesteps, [*timesteps[1:], None])", "zip(timesteps[:-1], [*timesteps[1:-1], None])")),
        Mistake("the first step forgotten", "zip(timesteps, [*timesteps[1:], None])", "zip(timesteps[1:], [*timesteps[2:], None])",
                "The first timestep is left out: x_t is at timesteps[0], so the network is called there first."),
        Mistake("timesteps upside down", "zip(timesteps, [*timesteps[1:], None])", "zip(timesteps[::-1], [*timesteps[-2::-1], None])",
                "It goes up from 0. Denoising begins at the noisy end, and timesteps is already in this order."),
        Mistake("s = 0 at the end", "[*timesteps[1:], None]", "[*timesteps[1:], 0]",
                "At the end it steps from 0 to 0. There is no next timestep: s is None, and the step returns x0_hat."),
        Mistake("s = t − 1", "zip(timesteps, [*timesteps[1:], None])", "[(t, t - 1 if t > 0 else None) for t in timesteps]",
                "It steps from t to t - 1. The next timestep is the next one in the list, which may be further away; after the last one there is none."),
        Mistake("s on the wrong side of t", "[*timesteps[1:], None]", "[timesteps[-1], *timesteps[:-1]]",
                "s is the timestep before t in the list. The list falls, so the next one, which is less noisy, stands after t."),
        Mistake("the network told the index", "denoiser(x_t, t, cond)", "denoiser(x_t, timesteps.index(t), cond)",
                "The network receives the index into the list. It needs the timestep itself."),
        Mistake("the network told s", "denoiser(x_t, t, cond)", "denoiser(x_t, 0 if s is None else s, cond)",
                "The network receives s, the next timestep. It needs t, the timestep of x_t."),
        Mistake("x_t stays the same", "x_t = x_s", "pass",
                "Each step begins at the same x_t again: the next step has to begin at the x_s of this one."),
        Mistake("x0_hat for x_s", "x_t = x_s", "x_t = x0_hat",
                "The next step begins at x0_hat. That is an estimate of the clean image; the image at timestep s is x_s."),
        Mistake("x_t overwritten", "yield Step(t, s, x_t,", "yield Step(t, s, x_s,",
                "The x_t of each Step is already x_s: it is overwritten before the yield. Put x_t = x_s after it."),
        Mistake("clamped", "(x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "((x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()).clamp(-1, 1)",
                "x0_hat is clamped to [-1, 1]. The loop does not change the estimate, unless a `threshold` is given."),
        Mistake("x0_hat at s", "alphas_cumprod[t]", "alphas_cumprod[0 if s is None else s]",
                "x0_hat is solved for with ᾱ_s. The noise is in x_t, so it is ᾱ_t."),
        *alike("ᾱ off by one", "x0_hat is solved for with ᾱ of another timestep: alphas_cumprod[t] belongs to t.",
               ("alphas_cumprod[t]", "alphas_cumprod[t - 1]"),
               ("alphas_cumprod[t]", "alphas_cumprod[max(t - 1, 0)]"),
               ("alphas_cumprod[t]", "alphas_cumprod[min(t + 1, 49)]")),
        Mistake("x0_hat = x_t − eps", "(x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "x_t - eps",
                "x0_hat looks like x_t - eps. The forward process, solved for x0, has weights: estimate_x0 does that."),
        Mistake("noise and variance exchanged", "eps, var = denoiser(x_t, t, cond)", "var, eps = denoiser(x_t, t, cond)",
                "The network returns (eps, var) in this order; here the variance is used as the noise."),
        Mistake("var not handed on", "var=var, ", "",
                "The step does not receive the learned variance: pass the network's, `var=var`."),
        Mistake("generator not handed on", "var=var, generator=generator)", "var=var)",
                "The step does not receive the generator, so its noise is not reproducible: `generator=generator`."),
        Mistake("step ignored", "x_s = step(", "x_s = ddpm_step(", "It always takes ddpm_step and ignores `step`."),
        Mistake("threshold ignored", "if threshold is not None:", "if False:",
                "`threshold` is never used: it is a function of x0_hat, to be applied before the step."),
        *alike("threshold after the step",
               "`threshold` runs after the step, which has already used the estimate: apply it to x0_hat before.",
               (THRESHOLD + STEPPED, STEPPED + THRESHOLD)),
        *alike("x0_hat from before the threshold",
               "The x0_hat of each Step is the estimate from before `threshold`. Yield the one that the step has used.",
               (THRESHOLD + STEPPED, STEPPED.replace("x0_hat", "threshold(x0_hat) if threshold else x0_hat"))),
        *alike("threshold on x_s",
               "`threshold` is applied to x_s, which is noisy and has to exceed [-1, 1]. It is for the estimate of the clean "
               "image, before the step takes it.",
               (THRESHOLD + STEPPED, STEPPED + THRESHOLD.replace("x0_hat", "x_s"))),
        Mistake("constrain ignored", "if constrain is not None:", "if False:",
                "`constrain` is never used: it is a function of (x_s, s), to be applied after the step."),
        Mistake("constrain in vain", "x_s = constrain(x_s, s)", "constrain(x_s, s)",
                "The result of `constrain` is discarded: it does not change x_s in place, so write x_s = constrain(x_s, s)."),
        Mistake("constrain left out at the end", "if constrain is not None:", "if constrain is not None and s is not None:",
                "`constrain` does not run after the last step. It runs after every one; at the end it is given s = None."),
        *alike("constrain after the yield",
               "constrain runs after the yield, so the yielded x_s is not constrained, and the result of the last step never "
               "is.",
               (CONSTRAIN + YIELDED, YIELDED + CONSTRAIN)),
        *alike("constrained for show only",
               "The constrained image is yielded, but the next step begins at the unconstrained one, so the network never sees "
               "the constraint.",
               (CONSTRAIN + YIELDED, YIELDED.replace("x_s", "constrain(x_s, s) if constrain else x_s"))),
        Mistake("constrain given t", "constrain(x_s, s)", "constrain(x_s, t)",
                "constrain is given t. x_s is at s, and s is what constrain has to know."),
    ),
)  # fmt: skip

EXERCISES = [STEP, LOOP]
