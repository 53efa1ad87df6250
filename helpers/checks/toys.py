"""What the functions are tried on: small pictures, noise, a schedule that nobody has seen, and toy networks."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..denoisers import Cond, Denoiser, Prediction
from ..sampling import Step
from ..schedule import NoiseSchedule
from .exercise import Mistake
from .faults import Fault
from .measured import Measured
from .running import pair, tensor

NOISY = (
    0.05  # tolerance where chance has a part: five deviations or more between two right draws, of ten thousand values
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 71) -> Tensor:
    """Standard normal noise."""
    return torch.randn(shape, generator=seeded(seed))


def pictures(count: int = 2, channels: int = 3, size: int = 16, low: float = -1.0) -> Tensor:
    """Clean pictures (count, channels, size, size) in [low, 1]: a disc before a slope, each elsewhere."""
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


def one_noise(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """The same for all pictures."""
    return torch.randn((1, *shape[1:]), generator=generator).expand(shape)


def grey_noise(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """The same for all channels."""
    return torch.randn((shape[0], 1, *shape[2:]), generator=generator).expand(shape)


GREY_NOISE = (
    "The three colours of a pixel get the same noise, so that it is grey. Each number is drawn by itself: draw in the "
    "shape of the pictures."
)


def from_zero_to_one(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    return torch.rand(shape, generator=generator)


def from_minus_one_to_one(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    return 2 * torch.rand(shape, generator=generator) - 1


def folded(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    return torch.randn(shape, generator=generator).abs()


def other_noises(wrong: Callable[[Callable], Callable]) -> tuple[Mistake, ...]:
    """The mistakes of those who draw other noise; `wrong` makes the function that takes `draw` for torch.randn."""
    return (
        Mistake(
            "uniform noise",
            wrong(from_zero_to_one),
            "The noise is uniform in [0, 1], as torch.rand draws it. Here it is normal, torch.randn: mean 0, "
            "variance 1.",
        ),
        Mistake(
            "uniform noise",
            wrong(from_minus_one_to_one),
            "The noise looks uniform in [-1, 1], so that its variance is 1/3. Here it is normal, torch.randn: mean 0, "
            "variance 1.",
        ),
        Mistake(
            "folded noise",
            wrong(folded),
            "The noise looks as if its absolute value were taken: it is never negative. Normal noise is as often below "
            "0 as above.",
        ),
        Mistake(
            "one noise for the whole batch",
            wrong(one_noise),
            "All pictures of a batch get the same noise. Draw it in the shape of the whole batch.",
        ),
    )


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


class Toy(Denoiser):
    """A network in small: elementwise, and different at every pixel. cond is (1 or B, 3), a number for each channel.

    Its empty condition is not zero, as the empty prompt of a text model is not.
    """

    def __init__(self, size: int = 16, learns_variance: bool = True, T: int = 50):
        self.schedule, self.image_shape = schedule(T), (3, size, size)
        self.weight, self.pattern = noise(2, 3, size, size, seed=72)
        self.learns_variance = learns_variance
        self.weight.requires_grad_()  # like a network's: whoever keeps gradients is seen to
        self.asked: list[int] = []  # the timesteps of its calls

    def __call__(self, x_t: Tensor, t: int, cond: Tensor) -> Prediction:
        self.asked.append(int(t))
        if cond.shape[0] not in (1, x_t.shape[0]):
            raise ValueError(f"the condition is for {cond.shape[0]} pictures, but there are {x_t.shape[0]}.")
        cond = cond[:, :, None, None]
        eps = torch.tanh(self.weight * x_t + self.pattern * cond + t / 50)
        return Prediction(eps, torch.tanh(self.pattern * x_t - cond) if self.learns_variance else None)

    def unconditional(self, cond: Cond) -> Cond:
        return torch.full_like(cond, -0.6)


def conds(count: int = 1) -> Tensor:
    """A condition for the toy, (count, 3)."""
    return noise(count, 3, seed=73)


def terms(layer: nn.Module) -> float:
    """About how many terms each number that a layer gives is the sum of."""
    if isinstance(layer, nn.ConvTranspose2d):
        return 2 * layer.in_channels  # whatever the stride, which makes no difference to a single pixel
    return layer.weight[0].numel()


def fill(network: nn.Module) -> nn.Module:
    """Give a network weights that depend on the layers' kinds and sizes only, not on their names or order.

    BatchNorm gets running averages of its own as well, so that it shows whether it uses them. Biases of convolutions
    are set to 0: some leave them out before a BatchNorm, which has one too.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            values = 2 * noise(*layer.weight.shape, seed=74) / math.sqrt(terms(layer))  # 2: GELU halves what is small
            layer.weight.data = values.to(layer.weight)
            if layer.bias is not None:
                bias = noise(len(layer.bias), seed=75) if isinstance(layer, nn.Linear) else torch.zeros_like(layer.bias)
                layer.bias.data = bias.to(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            if layer.affine:
                layer.weight.data = 1 + 0.3 * noise(layer.num_features, seed=76)
                layer.bias.data = 0.3 * noise(layer.num_features, seed=77)
            if layer.running_mean is not None:
                layer.running_mean.data = 0.5 * noise(layer.num_features, seed=78)
                layer.running_var.data = noise(layer.num_features, seed=79).square() + 0.5
    return network


TIMESTEPS = [46, 33, 21, 12, 4, 0]


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


class Made:
    """A denoiser round another one, from a function of (denoiser, x_t, t, cond)."""

    def __init__(self, denoiser, predict):
        self.denoiser, self.predict = denoiser, predict
        self.schedule, self.image_shape = denoiser.schedule, denoiser.image_shape

    def __call__(self, x_t, t, cond):
        return Prediction(*self.predict(self.denoiser, x_t, t, cond))

    def unconditional(self, cond):
        if isinstance(cond, tuple):
            return tuple(self.denoiser.unconditional(c) for c in cond)
        return self.denoiser.unconditional(cond)
