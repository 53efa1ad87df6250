"""Test inputs (small images, noise, a schedule, toy networks), and measures of random numbers."""

import math

import torch
from torch import Tensor

from ..denoisers import Cond, Denoiser, Prediction
from ..sampling import Step
from ..schedule import NoiseSchedule
from .exercise import Mistake
from .faults import Fault
from .measured import Measured
from .running import pair, tensor

__all__: list[str] = []  # it is for the checks alone

NOISY = (
    0.05  # tolerance where chance has a part: five deviations or more between two right draws, of ten thousand values
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 71) -> Tensor:
    """Standard normal noise."""
    return torch.randn(shape, generator=seeded(seed))


def images(count: int = 2, channels: int = 3, size: int = 16, low: float = -1.0) -> Tensor:
    """Clean images (count, channels, size, size) in [low, 1]: discs on gradients."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    scenes = []
    for i in range(count):
        disc = ((x - 0.4 * math.cos(i)) ** 2 + (y + 0.3 * math.sin(i + 1)) ** 2 < 0.3).float()
        colours = [(0.9 - 0.3 * c) * disc + (0.5 - 0.4 * c) * (x if c % 2 else y) * (1 - disc) for c in range(channels)]
        scenes.append(torch.stack(colours))
    scene = torch.stack(scenes).clamp(-1, 1)
    return scene if low == -1 else (scene + 1) / 2


def schedule(T: int = 50) -> NoiseSchedule:
    """A steep schedule, whose neighbouring timesteps differ clearly."""
    return NoiseSchedule(torch.linspace(0.02, 0.15, T))


def std(x: Tensor) -> float:
    return x.double().std().item()


def mean(x: Tensor) -> Tensor:
    """As a tensor, which is compared absolutely, because a mean may be 0."""
    return x.double().mean()


def mean_and_std(x: Tensor) -> Tensor:
    """In one measurement, because a mistake is recognised only if both agree."""
    return torch.stack([mean(x), x.double().std()])


# replacements of torch.randn(shape, generator=generator): (name, replacement, explanation)
OTHER_NOISES = (
    (
        "uniform noise",
        "torch.rand({0}, generator=generator)",
        "The noise is uniform in [0, 1], as torch.rand draws it. Here it is normal, torch.randn: mean 0, variance 1.",
    ),
    (
        "uniform noise",
        "(2 * torch.rand({0}, generator=generator) - 1)",
        "The noise looks uniform in [-1, 1], with variance 1/3. Here it is normal, torch.randn: mean 0, variance 1.",
    ),
    (
        "folded noise",
        "torch.randn({0}, generator=generator).abs()",
        "The noise is never negative, as if its absolute value were taken. Normal noise is negative half of the time.",
    ),
    (
        "one noise for the whole batch",
        "torch.randn((1, *{0}[1:]), generator=generator).expand({0})",
        "All images of a batch have the same noise. Draw it in the shape of the whole batch.",
    ),
)
GREY = "torch.randn(({0}[0], 1, *{0}[2:]), generator=generator).expand({0})"  # the same for all channels
GREY_NOISE = (
    "The three colours of a pixel have the same noise, so it is grey. Draw every number independently, in "
    "the shape of the images."
)


def other_noises(shape: str, before: str = "") -> tuple[Mistake, ...]:
    """The mistakes of drawing other noise than the reference's `torch.randn(shape, generator=generator)`.

    before: the text before it, if the same piece occurs twice.
    """
    right = f"{before}torch.randn({shape}, generator=generator)"
    return tuple(Mistake(name, right, before + drawn.format(shape), say) for name, drawn, say in OTHER_NOISES)


def grey_noise(shape: str) -> Mistake:
    """The mistake of drawing one noise for all three colours."""
    right = f"torch.randn({shape}, generator=generator)"
    return Mistake("one noise for all colours", right, GREY.format(shape), GREY_NOISE)


def tails(z: Tensor) -> Tensor:
    """The kurtosis of noise, its fourth moment over its squared variance: 3 if it is normal, 1.8 if uniform."""
    z = z.double()
    return z.pow(4).mean() / z.square().mean().square().clamp(min=1e-12)


def reach(z: Tensor, of: str) -> Measured:
    """Measures whether noise is normal, independent of its strength."""
    return Measured(f"the kurtosis of {of} (3: normal, 1.8: uniform)", tails(z), 0.15)


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """The correlation of two noises: 0 if they are independent, 1 if they are the same."""
    a, b = a.double().flatten(), b.double().flatten()
    return (a * b).mean() / (a.square().mean() * b.square().mean()).sqrt().clamp(min=1e-12)


def of_chance(first: Tensor, again: Tensor, other: Tensor, what: str = "noise") -> list[Measured]:
    """Compares the results of two calls with the same seed, and of one with another seed."""
    return [
        Measured(
            f"the same seed, the same {what}",
            bool(torch.equal(first, again)),
            name="generator ignored",
            say=f"Its {what} does not come from the `generator` that it is given, so no result can be repeated: "
            "pass the generator to every draw, as in torch.randn(…, generator=generator).",
        ),
        Measured(
            f"another seed, another {what}",
            not torch.equal(first, other),
            name="fixed seed",
            say=f"Its {what} is the same for every seed of the `generator`. Is a seed fixed inside, or is no "
            "noise drawn?",
        ),
    ]


def nothing_left(x: Tensor, what: str) -> list[Measured]:
    """Measures whether x is 0 everywhere. If not, its moments say more than its values, which are noise."""
    return [
        Measured(f"the mean and the deviation of {what}", mean_and_std(x), NOISY),
        Measured(f"{what} is 0", bool(x.abs().max() < 1e-3)),
    ]


class Toy(Denoiser):
    """A toy network: elementwise, but different at every pixel. cond is (1 or B, 3), a number for each channel.

    Its empty condition is not zero, like the empty prompt of a text model.
    """

    def __init__(self, size: int = 16, learns_variance: bool = True, T: int = 50):
        self.schedule, self.image_shape = schedule(T), (3, size, size)
        self.weight, self.pattern = noise(2, 3, size, size, seed=72)
        self.learns_variance = learns_variance
        self.weight.requires_grad_()  # like a network's weights, which reveals stored graphs
        self.asked: list[int] = []  # the timesteps of its calls

    def __call__(self, x_t: Tensor, t: int, cond: Tensor) -> Prediction:
        self.asked.append(int(t))
        if cond.shape[0] not in (1, x_t.shape[0]):
            raise ValueError(f"the condition is for {cond.shape[0]} images, but there are {x_t.shape[0]}.")
        cond = cond[:, :, None, None]
        eps = torch.tanh(self.weight * x_t + self.pattern * cond + t / 50)
        return Prediction(eps, torch.tanh(self.pattern * x_t - cond) if self.learns_variance else None)

    def unconditional(self, cond: Cond) -> Cond:
        return torch.full_like(cond, -0.6)


def conds(count: int = 1) -> Tensor:
    """A condition for the toy, (count, 3)."""
    return noise(count, 3, seed=73)


TIMESTEPS = [46, 33, 21, 12, 4, 0]


def plain_step(x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
    """A step without noise, whose result depends on every argument."""
    x_s = 0.6 * x_t + 0.4 * x0_hat.clamp(-2, 2) + 0.01 * t - 0.02 * (-1 if s is None else s)
    return x_s if var is None else x_s + 0.1 * var


def halve(x0_hat):
    return 0.5 * x0_hat


class Spy:
    """A step that records its arguments."""

    def __init__(self):
        self.pairs, self.variances, self.generators = [], [], []

    def __call__(self, x_t, x0_hat, t, s, schedule, *, var=None, generator=None):
        self.pairs.append((int(t), -1 if s is None else int(s)))
        self.variances.append(var is not None)
        self.generators.append(generator)
        return plain_step(x_t, x0_hat, t, s, schedule, var=var)


def steps_of(trace) -> list[Step]:
    """The Steps (or equal tuples) that a loop has yielded. Raises a Fault for anything else."""
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
    """Measures whether a result has a graph."""
    return Measured(
        "the graph for a gradient is stored",
        x.requires_grad,
        name="gradients kept",
        say="PyTorch stores everything that a gradient would need, for all the steps: gigabytes for a real network. "
        "Nothing is trained here: put @torch.no_grad() above the function.",
    )


def option_used(spy: Spy) -> Measured:
    """Measures whether the `step` option is used."""
    return Measured(
        "the option `step` is used",
        bool(spy.pairs),
        name="options not handed on",
        say="The options (step, threshold …) are not passed on to the loop: pass `**options`.",
    )


def ask(student, denoiser, case, *question):
    """eps and var of a denoiser; var may be None."""
    if not callable(denoiser):
        raise Fault(
            "wrong type", f"It makes a {type(denoiser).__name__}; wanted a denoiser, to be called with x_t, t, cond."
        )
    eps, var = pair(student.call(denoiser, case, *question), "eps, var")
    return tensor(eps, "eps"), var if var is None else tensor(var, "var")
