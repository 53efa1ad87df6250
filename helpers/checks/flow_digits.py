"""What the exercises on flows of digits share: probes, the references of C 3, and their mistakes."""

# ruff: noqa: E501 (one mistake, two lines)

import itertools

import torch

from .examples import examples_of, probe_dropping
from .exercise import Mistake, alike
from .measured import Measured
from .running import tensor
from .samplers import Drawer, in_the_results_order, probe_asked, probe_mode, rows_by_time
from .toys import (
    NOISY,
    OTHER_NOISES,
    likeness,
    mean,
    of_chance,
    other_noises,
    reach,
    seeded,
    std,
)

__all__: list[str] = []  # it is for the checks alone


# ---- examples -----------------------------------------------------------------------------------------------------


def probe_flow_examples(student, classes=False):
    N, p = 200, 0.3
    shape, labels = (N, 1, 28, 28), torch.arange(N) % 10
    made = f"p_uncond = {p}" if classes else "FlowTime()"
    task = student(made, **({"p_uncond": p} if classes else {}))

    def batch(shade, generator):
        case = f"{made}, {N} {'white' if shade else 'black'} images"
        return examples_of(student, task, case, torch.full(shape, shade), labels, generator, 2 + classes)

    generator = seeded(161)
    (z, u01, *c), v = batch(0.0, generator)
    yield Measured("the shape of the images", list(z.shape))
    yield Measured("the shape of u01", list(u01.shape))
    yield Measured("the kind of number in u01", str(u01.dtype))
    yield Measured("the shape of the target", list(v.shape))
    if z.shape != shape or u01.numel() != N or v.shape != shape:
        return
    yield Measured("the images have a u of their own each", len(u01.unique()) > N / 2)
    yield Measured("the mean of the target, of black images", mean(v), NOISY)
    yield Measured("the standard deviation of the target, of black images", std(v), NOISY)
    yield reach(v, "the target")
    yield Measured("the likeness of two images' targets", likeness(*v.chunk(2)), NOISY)
    eps = -v  # a black image is 0
    part = (z * eps).flatten(1).sum(dim=1) / eps.square().flatten(1).sum(dim=1).clamp(min=1e-12)  # of the noise in z
    yield Measured("the part of the noise in z, at u01 = 0.1, 0.4, 0.6, 0.9", at_times(part, u01), 0.03)
    rest = z - part.view(-1, 1, 1, 1) * eps
    yield Measured("z, of black images, is noise and nothing else", bool(rest.abs().max() < 1e-3))
    (z_white, u_white, *_), v_white = batch(1.0, generator)
    yield Measured("the mean of the target, of white images", mean(v_white), NOISY)
    eps_white = 1 - v_white
    image = (z_white - (1 - u_white.view(-1, 1, 1, 1).to(z_white)) * eps_white).flatten(1)
    yield Measured("the part of the image in z, at u01 = 0.1, 0.4, 0.6, 0.9", at_times(image.mean(1), u_white), 0.04)
    (_, u_later, *c_later), v_later = batch(0.0, generator)
    yield Measured("the likeness of two batches' targets", likeness(v, v_later), NOISY)
    yield Measured("two batches have other times", not torch.equal(u01, u_later))
    (_, u_again, *c_again), again = batch(0.0, seeded(161))
    (_, u_other, *c_other), other = batch(0.0, seeded(162))
    yield from of_chance(v, again, other)
    yield from of_chance(u01, u_again, u_other, "choice of times")
    if classes:
        yield from probe_dropping(student, labels, *c, *c_later, *c_again, *c_other)
    u = torch.cat([batch(0.0, generator)[0][1] for _ in range(20)]).double()
    yield Measured("the largest u01 of many", u.max().item(), 0.02)
    yield Measured("the smallest u01 of many", u.min(), 0.02)
    yield Measured("the mean of u01", u.mean().item(), 1.2 * NOISY)
    yield Measured("the deviation of u01", u.std().item(), 1.2 * NOISY)


def at_times(part, u01):
    """A curve over u01, smoothed by a polynomial, so that it can be read where no u was drawn."""
    low, high = u01.min().item(), u01.max().item()
    x = ((u01.double().flatten() - low) / max(high - low, 1e-6))[:, None]  # 0 … 1, whatever u01 is
    powers = torch.arange(4)
    curve = torch.linalg.lstsq(x**powers, part.double()[:, None], driver="gelsd").solution
    return (torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)[:, None] ** powers @ curve).flatten()


class FlowTime:
    def examples(self, x0, labels, generator):
        u = torch.rand(len(x0), generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        w = u.view(-1, 1, 1, 1)
        z = w * x0 + (1 - w) * eps
        u01 = u[:, None]
        target = x0 - eps
        return (z, u01), target


TARGET, POINT = "target = x0 - eps", "z = w * x0 + (1 - w) * eps"
EXAMPLE_MISTAKES = (
    Mistake("the noise as the answer", TARGET, "target = eps",
            "The network is asked for eps, as in Part B. A flow network is asked for the velocity x0 - eps."),
    Mistake("the image as the answer", TARGET, "target = x0",
            "The network is asked for x0. It is asked for the velocity x0 - eps."),
    Mistake("the sign of the velocity", TARGET, "target = eps - x0",
            "The target is eps - x0, which leads from the image to the noise. u grows towards the image: x0 - eps."),
    Mistake("the rest of the way as the answer", TARGET, "target = x0 - z",
            "The target is x0 - z, the rest of the way from z, which is (1 - u) v. The velocity is the whole line, x0 - eps, at every u."),
    Mistake("the way so far as the answer", TARGET, "target = z - eps",
            "The target is z - eps, the way so far, which is u v. The velocity is the whole line, x0 - eps, at every u."),
    *alike("other noise as the answer", "The velocity is computed with noise that is not in z. Draw eps once, and use it for both.",
           (TARGET, "target = x0 - torch.randn(z.shape, generator=generator)"),
           (TARGET, "target = x0 - torch.randn(z.shape)")),
    *alike("clean is 0", "Time runs backwards: z is the clean image at u = 0. Here u is 0 for noise and 1 for the image.",
           (POINT, "z = (1 - w) * x0 + w * eps"), ("u01 = u[:, None]", "u01 = 1 - u[:, None]")),
    Mistake("square roots", POINT, "z = w.sqrt() * x0 + (1 - w).sqrt() * eps",
            "The weights are √u and √(1 - u), as if u were ᾱ. On a straight line they are u and 1 - u."),
    *alike("on a circle", "The weights lie on a circle, as those of Part A and B do: their squares add up to 1. On a straight line, the weights themselves do: u and 1 - u.",
           (POINT, "z = w * x0 + (1 - w**2).sqrt() * eps"),
           (POINT, "z = torch.sin(w * torch.pi / 2) * x0 + torch.cos(w * torch.pi / 2) * eps")),
    Mistake("the image at full strength", POINT, "z = x0 + (1 - w) * eps",
            "The image has its full strength at every u. Its weight is u."),
    Mistake("the noise at full strength", POINT, "z = w * x0 + eps",
            "The noise has its full strength at every u. Its weight is 1 - u."),
    Mistake("images in [-1, 1]", POINT, "x0 = 2 * x0 - 1\n        z = w * x0 + (1 - w) * eps",
            "It looks as if x0 were moved to [-1, 1], as in Part A. These images stay in [0, 1]."),
    *alike("u in timesteps", "u01 is larger than 1. The network takes the flow time u itself, a number in [0, 1].",
           ("u01 = u[:, None]", "u01 = 1000 * u[:, None]"), ("u01 = u[:, None]", "u01 = 300 * u[:, None]"),
           ("u01 = u[:, None]", "u01 = 50 * u[:, None]")),
    *alike("few times", "u is drawn from a short list of values. Any number in [0, 1] can come up: torch.rand.",
           ("torch.rand(len(x0), generator=generator)", "torch.randint(50, (len(x0),), generator=generator) / 50"),
           ("torch.rand(len(x0), generator=generator)", "torch.randint(10, (len(x0),), generator=generator) / 10")),
    Mistake("u is normal", "u = torch.rand(len(x0)", "u = torch.randn(len(x0)",
            "u comes from torch.randn, which leaves [0, 1] in most draws. torch.rand is uniform in [0, 1]."),
    Mistake("u near the middle", "torch.rand(len(x0), generator=generator)", "torch.randn(len(x0), generator=generator).sigmoid()",
            "u is drawn near the middle more often than at the ends. Some large models do this; here u is uniform: torch.rand."),
    Mistake("one time for the whole batch", "torch.rand(len(x0), generator=generator)", "torch.rand(1, generator=generator).expand(len(x0))",
            "All images of the batch have the same u: draw one for each."),
    Mistake("times drawn once", "torch.rand(len(x0), generator=generator)", "torch.rand(len(x0), generator=torch.Generator().manual_seed(0))",
            "Every batch has the same flow times. Draw them anew in each call."),
    Mistake("noise drawn once", "torch.randn(x0.shape, generator=generator)", "torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))",
            "Every batch has the same noise. Draw it anew in each call."),
    *alike("shape of u01", "u01 is no column. The network takes one number for each image, (B, 1).",
           ("u01 = u[:, None]", "u01 = u"), ("u01 = u[:, None]", "u01 = w")),
    Mistake("wrong dtype", "u01 = u[:, None]", "u01 = u.double()[:, None]",
            "u01 is in double precision. What a network is shown is torch.float32, as its weights are."),
    *alike("z clamped", "z is clamped, which cuts a part of the noise away. A noisy image has to leave the range of clean ones.",
           (POINT, f"{POINT}\n        z = z.clamp(0, 1)"), (POINT, f"{POINT}\n        z = z.clamp(-1, 1)")),
    *other_noises("x0.shape"),
)  # fmt: skip


# ---- samplers -----------------------------------------------------------------------------------------------------


def probe_flow_sampler(student, classes=False):
    network, count, n = Drawer(classes).train(), 6, 5
    c = torch.eye(10)[torch.tensor([0, 9, 4, 4, 1, 7])]
    gamma = 3.0

    def draw(case, seed=114):
        network.calls.clear()
        arguments = (c, gamma) if classes else (count,)
        result = student(case, network, *arguments, n, generator=seeded(seed))
        tensor(result, "the result")
        return result

    case = f"{n} steps, 6 digits" + (f", gamma = {gamma:g}" if classes else "")
    x0 = draw(case)
    calls = list(network.calls)
    yield from probe_mode(network, calls, x0)
    steps = in_the_results_order(rows_by_time(network), x0, classes)
    yield Measured("the flow times that the network is told", [value for value, *_ in steps], 1e-5)
    yield Measured("the shape of the result", list(x0.shape))
    states = [with_class if classes else without for _, with_class, without, _ in steps]
    if not (yield from probe_asked(steps, states, x0, c if classes else None, "z")):
        return
    for i, (z, z_next) in enumerate(itertools.pairwise([*states, x0])):
        v = velocity_of(network, z, i / n, c if classes else None, gamma)
        moved = (z_next - z) * n  # v, if the step is h v with h = 1/n
        share = (moved * v).sum() / v.square().sum()
        yield Measured(f"how far the step from u = {i}/{n} goes, over v/{n}", share.item(), 0.8 * NOISY)
        yield Measured(f"what else the step from u = {i}/{n} adds, times {n}", std(moved - share * v) + 1, NOISY)
    yield from of_chance(x0, draw(case), draw(case, seed=115))


def velocity_of(network, z, u, c, gamma):
    """What the network says, in evaluation mode, of images z at flow time u; with classes, guided."""
    u01, nothing = torch.full((len(z), 1), u), torch.zeros(len(z), 10)
    v = network.plain(z, u01, nothing)
    return v if c is None else v + gamma * (network.plain(z, u01, c) - v)


# What stands in both references.
STEP, TIME, LOOP = "z = z + h * v", "u = i / steps", "for i in range(steps):"
SAMPLER_MISTAKES = (
    Mistake("BatchNorm in training mode", "network.eval()", "pass",
            "The network predicts in training mode: BatchNorm then takes the mean and variance of this batch, so that each digit depends on the others. network.eval() first."),
    *alike("one call too many", "The network is called once more than there are steps: the last step begins at u = 1 - 1/steps and ends at u = 1, where nothing is left to be done.",
           (LOOP, "for i in range(steps + 1):"),
           ("h = 1 / steps", "h = 1 / steps\n    steps = steps + 1"),
           ("h = 1 / steps", "steps = steps + 1\n    h = 1 / steps")),
    Mistake("the last step skipped", LOOP, "for i in range(steps - 1):",
            "The last step is missing: the loop ends at u = 1 - 1/steps, where some noise is left."),
    Mistake("the first step skipped", LOOP, "for i in range(1, steps):",
            "The first step is missing: begin at u = 0, where z is nothing but noise."),
    Mistake("the end of the step", TIME, "u = (i + 1) / steps",
            "The network is told the flow time at which the step ends. Euler's method asks for the velocity where the step begins: u = i/steps."),
    Mistake("the middle of the step", TIME, "u = (i + 0.5) / steps",
            "The network is told the flow time in the middle of the step, but shown z at its beginning: u = i/steps."),
    Mistake("times that reach 1", TIME, "u = i / (steps - 1)",
            "The network is told i/(steps - 1), which reaches 1, but each step is only 1/steps long. The steps begin at i/steps."),
    Mistake("time runs backwards", TIME, "u = 1 - i / steps",
            "The network is told 1 - u, as if it began with an image. u is 0 at the noise, and grows."),
    Mistake("u in timesteps", TIME, "u = float(i)",
            "The network is told the number of the step. It wants the flow time, i/steps, in [0, 1]."),
    Mistake("the same time at every step", TIME, "u = 0 * i / steps",
            "The network is told u = 0 at every step. The flow time grows from step to step."),
    Mistake("steps of length 1", STEP, "z = z + v", "Each step adds the whole velocity. It is multiplied by the length of the step, 1/steps."),
    Mistake("the sign of the step", STEP, "z = z - h * v",
            "The step subtracts h v, which leads away from the image. v = x0 - eps points from noise to image: add it."),
    Mistake("jumps to the estimate", STEP, "z = z + (1 - u) * v",
            "Each step goes all the way to the estimate of the image, z + (1 - u) v. A step goes 1/steps of the way: h v."),
    Mistake("the velocity as noise", STEP, "z = z - h * v / (1 - u)", "It looks as if v were taken for noise to be removed. A step adds h v."),
    *(
        Mistake("noise added", STEP, instead, "The steps add noise, as DDPM's do. Nothing in Euler's method is random: noise is drawn once, for the start.")
        for instead in ("z = z + h * v + h**0.5 * torch.randn(z.shape, generator=generator)",
                        "z = z + h * v + h * torch.randn(z.shape, generator=generator)")
    ),
    *(
        Mistake("z clamped", STEP, f"z = (z + h * v).clamp({low}, 1)",
                f"z is clamped in the loop. On its way it has to leave [{low}, 1]: clamp for the display only.")
        for low in (0, -1)
    ),
    *(
        Mistake("x0_hat clamped", STEP, f"z = z + h * ((z + (1 - u) * v).clamp({low}, 1) - z) / (1 - u)",
                f"The estimate of the image is clamped to [{low}, 1] at every step. Take the velocity as it is.")
        for low in (0, -1)
    ),
    Mistake("result clamped", "return z", "return z.clamp(0, 1)",
            "The result is clamped. Clamping is for the display: return z as the last step leaves it."),
    Mistake("another start", "z = torch.randn((count, 1, 28, 28), generator=generator)", "z = 0.5 + 0.5 * torch.randn((count, 1, 28, 28), generator=generator)",
            "The start is normal, but with mean 0.5 and deviation 0.5, as if noise had to fit into [0, 1]. Pure noise has mean 0 and deviation 1."),
    *(
        Mistake(name, "z = torch.randn((count, 1, 28, 28), generator=generator)", f"z = {drawn.format('(count, 1, 28, 28)')}", say)
        for name, drawn, say in OTHER_NOISES
    ),
)  # fmt: skip
