"""Exercises of notebook C 5: solvers of second order."""

# ruff: noqa: E501 (one mistake, two lines)

import math
from collections.abc import Callable

import torch

from ..flow import from_flow, to_flow
from ..sampling import estimate_x0
from ..schedule import NoiseSchedule
from .exercise import Exercise, Mistake, alike
from .faults import Fault
from .measured import Measured, agree
from .running import tensor
from .toys import TIMESTEPS, Toy, conds, halve, images, no_gradient, noise, schedule

__all__ = ["EXERCISES"]


def made(step) -> Callable:
    """A step that a student's function has made."""
    if not callable(step):
        raise Fault("wrong type", f"It returns a {type(step).__name__}; wanted the step, a function: `return step`.")
    return step


# ---- Heun ----------------------------------------------------------------------------------------------------------


def probe_heun(student):
    x_t, x0_hat, cond = noise(2, 3, 16, 16, seed=201), 1.3 * images(), conds()
    for words, threshold in (("no threshold", None), ("a threshold that halves x0_hat", halve)):
        toy = Toy()
        step = made(student(words, toy, cond, threshold=threshold))
        for t, s in ((30, 18), (1, 0), (12, None)):
            toy.asked.clear()
            case = f"{words}, from t = {t} to s = {s}"
            x_s = tensor(student.call(step, case, x_t, x0_hat, t, s, toy.schedule), "x_s")
            yield Measured("the timesteps at which the network is called again", list(toy.asked))
            yield Measured("x_s", x_s, low=-1.0)
    raw = step(x_t, x0_hat, 30, 18, toy.schedule)
    yield no_gradient(raw)


def heun(denoiser, cond, *, threshold=None):
    @torch.no_grad()
    def step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        if s is None:
            return x0_hat
        (z, u), u_s = to_flow(x_t, t, schedule), schedule.u[s]
        v = (x0_hat - z) / (1 - u)
        z_s = z + (u_s - u) * v
        x_s = from_flow(z_s, s, schedule)
        eps, _ = denoiser(x_s, s, cond)
        x0_hat_s = estimate_x0(x_s, s, eps, schedule.alphas_cumprod)
        if threshold is not None:
            x0_hat_s = threshold(x0_hat_s)
        v_s = (x0_hat_s - z_s) / (1 - u_s)
        z_s = z + (u_s - u) * ((v + v_s) / 2)
        return from_flow(z_s, s, schedule)

    return step


# ---- DPM-Solver++(2M) ----------------------------------------------------------------------------------------------


def estimate(x_t, t):
    """An estimate of the image that follows from x_t and t, as a network's would."""
    return torch.tanh(0.5 * x_t + noise(3, 16, 16, seed=202) + t / 20)


def along(student, step, case, timesteps, schedule, seed):
    """x_t at all the timesteps but the first, and the result."""
    x = noise(2, 3, 16, 16, seed=seed)
    for t, s in zip(timesteps, [*timesteps[1:], None]):
        words = f"{case}, from t = {t} to s = {s}"
        x = tensor(student.call(step, words, x, estimate(x, t), t, s, schedule), "x_s")
        yield Measured("x_s", x, low=-1.0)


def probe_2m(student):
    steep = schedule()
    step = made(student("one run"))
    yield from along(student, step, "one run", TIMESTEPS, steep, 203)
    yield from along(student, step, "the same step, in a second run", TIMESTEPS[:3], steep, 204)
    before = list(along(student, made(student("a new step")), "a new step", [21, 12, 4], steep, 206))
    yield from before
    # it ends at the timestep where the new step began
    stopped = made(student("a run that is stopped at t = 21"))
    x = noise(2, 3, 16, 16, seed=205)
    for t, s in ((46, 33), (33, 21)):
        x = tensor(student.call(stopped, "a run that is stopped at t = 21", x, estimate(x, t), t, s, steep), "x_s")
    after = list(along(student, made(student("a new step")), "a new step", [21, 12, 4], steep, 206))
    yield Measured(
        "a new step does the same after the run of another one",
        all(agree(a, b) for a, b in zip(before, after)),
        name="memory across runs",
        say="A new step still remembers the run of another one. Make the memory inside of dpm_solver_2m, so that each "
        "step has its own.",
    )
    yield from along(student, stopped, "a new run of the step that was stopped", TIMESTEPS[:3], steep, 208)
    flow = NoiseSchedule.flow(20)
    yield from along(student, made(student("from pure noise")), "from pure noise", [19, 12, 5, 0], flow, 207)


def dpm_solver_2m():
    last = {}

    def step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        if s is None:
            last.clear()
            return x0_hat
        abar_t, abar_s = schedule.alphas_cumprod[[t, s]].double()
        a_s, b_t, b_s = abar_s.sqrt(), (1 - abar_t).sqrt(), (1 - abar_s).sqrt()
        h = torch.log(a_s / b_s) - torch.log(abar_t.sqrt() / b_t)
        D = x0_hat
        if last.get("s") == t and math.isfinite(last["h"]):
            k = h / (2 * last["h"])
            D = x0_hat + k * (x0_hat - last["x0_hat"])
        x_s = b_s / b_t * x_t - a_s * (torch.exp(-h) - 1) * D
        last.update(s=s, h=h, x0_hat=x0_hat)
        return x_s.float()

    return step


GUARDED = ' and math.isfinite(last["h"]):\n            k = h / (2 * last["h"])'

EXERCISES = [
    Exercise(
        name="heun",
        notebook="c5",
        kit="helpers.flow.heun",
        task="Return a step that goes to s by Euler, evaluates the velocity there, and goes from t again with the mean of both.",
        look="With a network whose velocity is the same everywhere, it should be Euler's step.",
        probe=probe_heun,
        right=heun,
        mistakes=(
            Mistake("second call at the old time", "denoiser(x_s, s, cond)", "denoiser(x_s, t, cond)",
                    "The second call is made at timestep t. Euler's step has arrived at s, and x_s is as noisy as s says."),
            Mistake("second call with the old image", "denoiser(x_s, s, cond)", "denoiser(x_t, s, cond)",
                    "The second call is made with x_t. It should get the x_s that Euler's step has reached."),
            Mistake("second call without the condition", "denoiser(x_s, s, cond)", "denoiser(x_s, s, denoiser.unconditional(cond))",
                    "The second call is made without the condition."),
            Mistake("only Euler", "((v + v_s) / 2)", "v",
                    "The result is that of Euler's step: the second velocity makes no difference."),
            Mistake("only the second velocity", "((v + v_s) / 2)", "v_s",
                    "It takes the second velocity alone. Heun's method takes the mean of both."),
            Mistake("sum instead of mean", "((v + v_s) / 2)", "(v + v_s)",
                    "It takes the sum of both velocities. Divide by 2."),
            Mistake("estimates averaged", "((v + v_s) / 2)", "(((x0_hat + x0_hat_s) / 2 - z) / (1 - u))",
                    "The two estimates of the image are averaged. Average the velocities: each follows from its own estimate, place and time."),
            Mistake("from where Euler arrived", "z_s = z + (u_s - u) * ((v", "z_s = z_s + (u_s - u) * ((v",
                    "The mean velocity is applied after Euler's step, so that the way is twice as long. Begin at z again."),
            Mistake("the old time in the second velocity", "/ (1 - u_s)", "/ (1 - u)",
                    "The second velocity divides by 1 - u_t. It belongs to the time u_s."),
            Mistake("the old place in the second velocity", "(x0_hat_s - z_s)", "(x0_hat_s - z)",
                    "The second velocity begins at z. It begins where Euler's step has arrived."),
            Mistake("threshold ignored", "x0_hat_s = threshold(x0_hat_s)", "pass",
                    "The second estimate is not thresholded. The loop has thresholded the first one, and both should be treated alike."),
            Mistake("the last step returns x_t", "return x0_hat\n", "return x_t\n",
                    "At s = None it returns x_t. The last step ends in x0_hat."),
            Mistake("gradients kept", "    @torch.no_grad()\n", "",
                    "PyTorch keeps everything that a gradient would need: @torch.no_grad() above the inner function switches it off."),
        ),
    ),
    Exercise(
        name="dpm_solver_2m",
        notebook="c5",
        kit="helpers.flow.dpm_solver_2m",
        task="Return a step that extrapolates the estimate from this step and the last one, and remembers both for the next.",
        look="The first step of a run has nothing to remember, and should be a DDIM step.",
        probe=probe_2m,
        right=dpm_solver_2m,
        mistakes=(
            Mistake("nothing remembered", "if last.get(\"s\") == t and", "if False and",
                    "Each step is a DDIM step. From the second on, extrapolate with the estimate of the step before."),
            *alike("ratio inverted", "The ratio of the two step lengths is inverted. The factor is h of this step, divided by twice the h of the last one.",
                   ("h / (2 * last[\"h\"])", "last[\"h\"] / (2 * h)"), (GUARDED, ":\n            k = last[\"h\"] / (2 * h)")),
            Mistake("half forgotten", "h / (2 * last[\"h\"])", "h / last[\"h\"]",
                    "It extrapolates to the end of the step. Half as far is right, to its middle."),
            *alike("steps taken as equal", "It extrapolates as if both steps were equally long. Their lengths in λ differ.",
                   ("h / (2 * last[\"h\"])", "0.5"), (GUARDED, ":\n            k = 0.5")),
            *alike("estimates averaged", "It takes the mean of the two estimates. Go on in their direction instead: beyond the newer one.",
                   ("h / (2 * last[\"h\"])", "-0.5"), (GUARDED, ":\n            k = -0.5")),
            Mistake("extrapolated backwards", "x0_hat + k *", "x0_hat - k *",
                    "It extrapolates towards the older estimate. Go on from the older to the newer one."),
            Mistake("the start of a run not noticed", "if last.get(\"s\") == t and", "if last and",
                    "It extrapolates even where a run begins anew. The memory is only of use if the last step has ended at t."),
            Mistake("memory never renewed", "x0_hat=x0_hat)", "x0_hat=last.get(\"x0_hat\", x0_hat))",
                    "It remembers the first estimate of the run for ever. Remember the last one."),
            Mistake("the extrapolated estimate remembered", "x0_hat=x0_hat)", "x0_hat=D)",
                    "It remembers the extrapolated estimate D. Remember x0_hat as the network gave it."),
            Mistake("λ from ᾱ", "torch.log(a_s / b_s) - torch.log(abar_t.sqrt() / b_t)", "torch.log(abar_s / (1 - abar_s)) - torch.log(abar_t / (1 - abar_t))",
                    "The length of the step looks like the difference of log(ᾱ / (1 - ᾱ)), which is 2λ. λ is log(a / b), with the square roots."),
            Mistake("sign of h", "torch.exp(-h)", "torch.exp(h)",
                    "The factor of the estimate has exp(h) in it. λ grows from t to s, so that h is positive, and the factor is exp(-h) - 1."),
            *alike("the weights of the image on x_t", "x_t is multiplied by a_s / a_t. What is left of it is its noise: b_s / b_t.",
                   ("b_s / b_t * x_t", "a_s / abar_t.sqrt().clamp(min=1e-3) * x_t")),
            Mistake("the last step returns x_t", "return x0_hat\n", "return x_t\n",
                    "At s = None it returns x_t. The last step ends in x0_hat."),
        ),
    ),
]  # fmt: skip
