"""What the functions are tried on: small images, noise, a schedule of their own, and toy networks."""

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
    """Clean images (count, channels, size, size) in [low, 1]: a disc before a slope, each elsewhere."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    scenes = []
    for i in range(count):
        disc = ((x - 0.4 * math.cos(i)) ** 2 + (y + 0.3 * math.sin(i + 1)) ** 2 < 0.3).float()
        colours = [(0.9 - 0.3 * c) * disc + (0.5 - 0.4 * c) * (x if c % 2 else y) * (1 - disc) for c in range(channels)]
        scenes.append(torch.stack(colours))
    scene = torch.stack(scenes).clamp(-1, 1)
    return scene if low == -1 else (scene + 1) / 2


def schedule(T: int = 50) -> NoiseSchedule:
    """Steep, so that neighbouring timesteps differ."""
    return NoiseSchedule(torch.linspace(0.02, 0.15, T))


def std(x: Tensor) -> float:
    return x.double().std().item()


def mean(x: Tensor) -> Tensor:
    """Compared absolutely: a mean may be 0."""
    return x.double().mean()


def mean_and_std(x: Tensor) -> Tensor:
    """In one, so that only what has both of a mistake is taken for it."""
    return torch.stack([mean(x), x.double().std()])


# (name, how it is drawn, what to tell): what is drawn instead of torch.randn(shape, generator=generator)
OTHER_NOISES = (
    (
        "uniform noise",
        "torch.rand({0}, generator=generator)",
        "The noise is uniform in [0, 1], as torch.rand draws it. Here it is normal, torch.randn: mean 0, variance 1.",
    ),
    (
        "uniform noise",
        "(2 * torch.rand({0}, generator=generator) - 1)",
        "The noise looks uniform in [-1, 1], so that its variance is 1/3. Here it is normal, torch.randn: mean 0, "
        "variance 1.",
    ),
    (
        "folded noise",
        "torch.randn({0}, generator=generator).abs()",
        "The noise looks as if its absolute value were taken: it is never negative. Normal noise is as often below 0 "
        "as above.",
    ),
    (
        "one noise for the whole batch",
        "torch.randn((1, *{0}[1:]), generator=generator).expand({0})",
        "All images of a batch get the same noise. Draw it in the shape of the whole batch.",
    ),
)
GREY = "torch.randn(({0}[0], 1, *{0}[2:]), generator=generator).expand({0})"  # the same for all channels
GREY_NOISE = (
    "The three colours of a pixel get the same noise, so that it is grey. Each number is drawn on its own: draw in "
    "the shape of the images."
)


def other_noises(shape: str, before: str = "") -> tuple[Mistake, ...]:
    """The mistakes of drawing other noise where the reference has `torch.randn(shape, generator=generator)`.

    before: what stands before it, where the same piece stands twice.
    """
    right = f"{before}torch.randn({shape}, generator=generator)"
    return tuple(Mistake(name, right, before + drawn.format(shape), say) for name, drawn, say in OTHER_NOISES)


def grey_noise(shape: str) -> Mistake:
    """The mistake of drawing one noise for all three colours."""
    right = f"torch.randn({shape}, generator=generator)"
    return Mistake("one noise for all colours", right, GREY.format(shape), GREY_NOISE)


def tails(z: Tensor) -> Tensor:
    """How far noise reaches out: its fourth moment over its squared variance is 3 if it is normal, 1.8 if uniform."""
    z = z.double()
    return z.pow(4).mean() / z.square().mean().square().clamp(min=1e-12)


def reach(z: Tensor, of: str) -> Measured:
    """Whether some noise is normal, however strong it is."""
    return Measured(f"how far {of} reaches out (3: normal, 1.8: uniform)", tails(z), 0.15)


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """The correlation of two noises: 0 if they are independent, 1 if they are the same."""
    a, b = a.double().flatten(), b.double().flatten()
    return (a * b).mean() / (a.square().mean() * b.square().mean()).sqrt().clamp(min=1e-12)


def of_chance(first: Tensor, again: Tensor, other: Tensor, what: str = "noise") -> list[Measured]:
    """What two calls with the same seed, and one with another, have to say about the function's randomness."""
    return [
        Measured(
            f"the same seed, the same {what}",
            bool(torch.equal(first, again)),
            name="generator ignored",
            say=f"Its {what} does not come from the `generator` that it is given, so no result can be repeated: "
            "hand the generator on to whatever draws, as in torch.randn(…, generator=generator).",
        ),
        Measured(
            f"another seed, another {what}",
            not torch.equal(first, other),
            name="fixed seed",
            say=f"Its {what} is the same whatever the seed of the `generator`. Is a seed fixed inside, or is nothing "
            "drawn at all?",
        ),
    ]


def nothing_left(x: Tensor, what: str) -> list[Measured]:
    """Whether x, which should be 0 everywhere, is so. If not, its size tells more than its values, which are noise."""
    return [
        Measured(f"the mean and the deviation of {what}", mean_and_std(x), NOISY),
        Measured(f"{what} is 0", bool(x.abs().max() < 1e-3)),
    ]


class Toy(Denoiser):
    """A network in small: elementwise, and different at every pixel. cond is (1 or B, 3), a number for each channel.

    Its empty condition is not zero, as the empty prompt of a text model is not.
    """

    def __init__(self, size: int = 16, learns_variance: bool = True, T: int = 50):
        self.schedule, self.image_shape = schedule(T), (3, size, size)
        self.weight, self.pattern = noise(2, 3, size, size, seed=72)
        self.learns_variance = learns_variance
        self.weight.requires_grad_()  # like a network's, so that gradients that are kept show
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
    """A step that is easy to follow: no noise, and every argument leaves its trace in the result."""
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
        "Nothing is trained here: @torch.no_grad() above the function switches it off.",
    )


def option_used(spy: Spy) -> Measured:
    """Whether the step among the options is the one that is taken."""
    return Measured(
        "the step among the options is taken",
        bool(spy.pairs),
        name="options not handed on",
        say="The options (step, threshold …) are not handed on to the loop: pass `**options`.",
    )


def ask(student, denoiser, case, *question):
    """eps and var of a denoiser; a var of None stays None."""
    if not callable(denoiser):
        raise Fault(
            "wrong type", f"It makes a {type(denoiser).__name__}; wanted a denoiser, to be called with x_t, t, cond."
        )
    eps, var = pair(student.call(denoiser, case, *question), "eps, var")
    return tensor(eps, "eps"), var if var is None else tensor(var, "var")
