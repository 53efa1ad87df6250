"""Exercises of notebook B 1.2: the one-step denoiser, its examples and its training step."""

# ruff: noqa: E501 (one mistake, two lines)

import torch
import torch.nn.functional as F  # noqa: F401 (in a mistake)
from torch import nn

from . import toys
from .examples import examples_of
from .exercise import Exercise, Mistake, alike
from .faults import Fault
from .measured import Measured
from .running import tensor

__all__ = ["EXERCISES"]


def probe_add_noise(student):
    x0, eps = toys.images(2, 1, low=0), toys.noise(2, 1, 16, 16)
    for sigma in (0.5, 0.2, 0.0, 1.0):
        z = tensor(student(f"sigma = {sigma:g}, the noise given", x0, sigma, noise=eps), "z")
        yield Measured("z", z, low=0.0)
    black, case = torch.zeros(8, 1, 28, 28), "sigma = 0.5, the noise drawn from a generator, black images"
    z, again, other = (tensor(student(case, black, 0.5, generator=toys.seeded(s)), "z") for s in (84, 84, 85))
    yield from toys.of_chance(z, again, other)
    yield Measured("the shape of z", list(z.shape))
    yield Measured("the mean of z", z.double().mean(), toys.NOISY)
    yield Measured("the standard deviation of z", toys.std(z), 1.5 * toys.NOISY)
    yield toys.reach(z, "z")
    yield Measured("the likeness of two images' noise", toys.likeness(z[0], z[1]), 6 * toys.NOISY)


def add_noise(x0, sigma, *, noise=None, generator=None):
    eps = torch.randn(x0.shape, generator=generator) if noise is None else noise
    z = x0 + sigma * eps
    return z


NOISING = Exercise(
    name="add_noise",
    notebook="b1_2",
    kit="helpers.tasks.add_noise",
    task="Add noise of strength sigma to the images x0, by the formula in the docstring.",
    look="With sigma = 0 the image comes back as it was. With black images only the noise is left: how strong is it?",
    probe=probe_add_noise,
    right=add_noise,
    mistakes=(
        Mistake("σ²", "sigma * eps", "sigma**2 * eps",
                "The noise is too weak, as if by sigma squared: sigma is the standard deviation, not the variance."),
        Mistake("√σ", "sigma * eps", "sigma**0.5 * eps",
                "The noise is as strong as √sigma: sigma is the standard deviation, so it multiplies eps as it is."),
        *alike("image shrunk", "The image becomes weaker as sigma grows. Here, unlike in the forward process, it keeps its strength.",
               ("x0 + sigma", "(1 - sigma) * x0 + sigma"),
               ("x0 + sigma", "(1 - min(sigma, 1) ** 2) ** 0.5 * x0 + sigma")),
        Mistake("clamped", "return z", "return z.clamp(0, 1)",
                "z is clamped to [0, 1]: half of the noise on the black background is cut away. Clamp only for display."),
        Mistake("sigma ignored", "sigma * eps", "eps", "The noise always has full strength: sigma is ignored."),
        Mistake("sigma ignored", "sigma * eps", "0.5 * eps", "The noise always has strength 0.5: sigma is ignored."),
        Mistake("noise multiplied", "x0 + sigma * eps", "x0 * (1 + sigma * eps)",
                "Black stays black: the noise is multiplied with the image where it should be added."),
        Mistake("only the noise", "x0 + sigma", "sigma", "The image is missing in z."),
        Mistake("noise taken away", "x0 + sigma", "x0 - sigma",
                "The noise is subtracted. That is noise as well, but then eps is not what was added."),
        Mistake("the given noise ignored", " if noise is None else noise", "",
                "It draws its own noise and ignores the argument `noise`, which is the eps to use."),
        *toys.other_noises("x0.shape"),
    ),
)  # fmt: skip


def probe_one_step(student):
    x0, labels = toys.images(16, 1, 28, low=0), torch.arange(16) % 10
    for sigma in (0.5, 0.2):
        task, generator = student(f"sigma = {sigma:g}", sigma), toys.seeded(141)
        case = f"sigma = {sigma:g}, 16 images"
        (z,), target = examples_of(student, task, case, x0, labels, generator, 1)
        yield Measured("the shape of the noisy images", list(z.shape))
        yield Measured("the shape of the target", list(target.shape))
        if z.shape != x0.shape or target.shape != x0.shape:
            return
        yield Measured("x0, and the noise in z, as parts of the target", parts(target, x0, z - x0), 0.1)
        yield Measured("the target minus x0", target - x0)
        yield Measured("x0 as a part of z", parts(z, x0), toys.NOISY)
        yield Measured("the mean of what was added", toys.mean(z - x0), 2 * toys.NOISY)
        yield Measured("the standard deviation of what was added", toys.std(z - x0), 2 * toys.NOISY)
        yield toys.reach(z - x0, "what was added")
        yield Measured("the likeness of two images' noise", toys.likeness((z - x0)[0], (z - x0)[1]), 10 * toys.NOISY)
        (later,), _ = examples_of(student, task, case, x0, labels, generator, 1)
        yield Measured("the likeness of two batches' noise", toys.likeness(z - x0, later - x0), 2.5 * toys.NOISY)
        noisy = [examples_of(student, task, case, x0, labels, toys.seeded(seed), 1)[0][0] for seed in (141, 141, 142)]
        yield from toys.of_chance(*noisy)


def parts(x, *of):
    """The least-squares coefficients of these tensors in x."""
    return torch.linalg.lstsq(torch.stack([y.flatten() for y in of], dim=1), x.flatten()[:, None]).solution.flatten()


class OneStep:
    def __init__(self, sigma=0.5):
        self.sigma = sigma

    def examples(self, x0, labels, generator):
        eps = torch.randn(x0.shape, generator=generator)
        z = x0 + self.sigma * eps
        return (z,), x0


ONE_STEP = Exercise(
    name="one_step",
    notebook="b1_2",
    kit="helpers.tasks.OneStep",
    task="Make a batch of examples: the noisy images, as a tuple of one, and the network's target, x0.",
    look="The network sees z = x0 + sigma eps, with fresh noise for every batch, and has the target x0.",
    probe=probe_one_step,
    right=OneStep,
    blank=("examples",),
    mistakes=(
        *alike("the noise as the answer", "The target is the noise. This network has to predict the clean image; that of 2.2 will predict the noise.",
               ("return (z,), x0", "return (z,), eps"), ("return (z,), x0", "return (z,), z - x0")),
        Mistake("image and answer exchanged", "return (z,), x0", "return (x0,), z",
                "x0 is the input and z the target. It should be the opposite."),
        Mistake("the noisy image as the answer", "return (z,), x0", "return (z,), z",
                "The target is z, the network's input: it would learn the identity."),
        Mistake("noise drawn once", "torch.randn(x0.shape, generator=generator)", "torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))",
                "Every batch has the same noise. Draw it anew in each call, or the network memorises it."),
        Mistake("σ²", "self.sigma * eps", "self.sigma**2 * eps",
                "The noise is too weak, as if by sigma squared: sigma is the standard deviation."),
        Mistake("√σ", "self.sigma * eps", "self.sigma**0.5 * eps",
                "The noise is as strong as √sigma: sigma is the standard deviation, so it multiplies eps as it is."),
        Mistake("sigma ignored", "self.sigma * eps", "eps", "The noise always has full strength: sigma is ignored."),
        Mistake("sigma ignored", "self.sigma * eps", "0.5 * eps",
                "The noise always has strength 0.5: the task's sigma is ignored."),
        *alike("image shrunk", "The image becomes weaker as sigma grows. Here it keeps its strength.",
               ("x0 + self.sigma", "(1 - self.sigma) * x0 + self.sigma"),
               ("x0 + self.sigma", "(1 - self.sigma**2) ** 0.5 * x0 + self.sigma")),
        Mistake("clamped", "self.sigma * eps", "self.sigma * eps\n        z = z.clamp(0, 1)",
                "z is clamped to [0, 1]: half of the noise on the black background is cut away."),
        Mistake("not noised", "self.sigma * eps", "0 * eps", "There is no noise in z."),
        Mistake("only the noise", "x0 + self.sigma", "self.sigma", "The image is missing in z."),
        Mistake("inputs no tuple", "return (z,), x0", "return z, x0", "The inputs are not a tuple."),
        *toys.other_noises("x0.shape"),
    ),
)  # fmt: skip


class Line(nn.Module):
    """A network with three weights. It records the mode of each call."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.tensor(v)) for v in (0.5, -0.2, 0.1))
        self.modes = []

    def forward(self, x, t01):
        self.modes.append(self.training)
        return self.a * x + self.b + self.c * t01.view(-1, 1, 1, 1)

    def weights(self):
        return [p.detach().item() for p in (self.a, self.b, self.c)]


def count_steps(optimizer) -> list:
    """A list to which each further step of the optimizer adds an item."""
    steps: list = []
    optimizer.register_step_pre_hook(lambda *arguments: steps.append(1))
    return steps


def probe_training_step(student):
    x, t01, target = (
        toys.noise(6, 1, 28, 28, seed=161),
        torch.linspace(0, 1, 6)[:, None],
        toys.noise(6, 1, 28, 28, seed=162),
    )
    attached = False
    for words, optimizer_of in (
        ("plain gradient descent", lambda line: torch.optim.SGD(line.parameters(), lr=0.1)),
        ("Adam", lambda line: torch.optim.Adam(line.parameters(), lr=0.01)),
    ):
        line = Line().eval()
        optimizer = optimizer_of(line)
        for which in ("first", "second", "third"):
            steps, gradients = count_steps(optimizer), []
            hook = line.a.register_hook(gradients.append)
            loss = student(f"{words}, the {which} step", line, optimizer, (x, t01), target)
            hook.remove()
            try:
                value = float(loss.detach() if torch.is_tensor(loss) else loss)
            except (TypeError, ValueError, RuntimeError):
                given = f"a tensor {tuple(loss.shape)}" if torch.is_tensor(loss) else f"a {type(loss).__name__}"
                raise Fault("wrong type", f"It returns {given}; wanted the loss, one number.") from None
            yield Measured("the network learns in training mode", bool(line.modes) and line.modes[-1])
            yield Measured("the loss that it returns", value, 1e-3)
            yield Measured("a gradient is computed", bool(gradients))
            yield Measured("how often the optimizer steps", len(steps))
            yield Measured("the weights after the step", line.weights(), 2e-3)
            attached |= torch.is_tensor(loss) and loss.requires_grad
    yield Measured(
        "the loss that it returns is still attached to how it was computed",
        attached,
        name="loss still attached",
        say="The returned loss is still attached to its graph. A list of losses, as for the loss "
        "curve, then keeps every batch's activations in memory. Return only its value.",
    )


def training_step(network, optimizer, inputs, target):
    network.train()
    loss = ((network(*inputs) - target) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


TRAINING = Exercise(
    name="training_step",
    notebook="b1_2",
    kit="helpers.training.training_step",
    task="Train the network on one batch: clear the gradients, predict, compute the loss and its gradient, take one step.",
    look="Four steps in this order: the prediction and its loss, clear the old gradients, compute the new ones, the "
    "optimizer's step.",
    probe=probe_training_step,
    right=training_step,
    mistakes=(
        Mistake("zero_grad forgotten", "optimizer.zero_grad()", "pass",
                "The gradients of earlier steps are still there, and add up: optimizer.zero_grad() before the new ones."),
        Mistake("gradients cleared too late", "    optimizer.zero_grad()\n    loss.backward()\n", "    loss.backward()\n    optimizer.zero_grad()\n",
                "The gradients are cleared after they were computed, so the step does nothing."),
        Mistake("evaluation mode", "network.train()", "pass",
                "The network learns in evaluation mode: BatchNorm's averages then do not change. network.train() first."),
        *alike("inputs not unpacked", "The network is called with one argument. `inputs` is a tuple of all that it takes: network(*inputs).",
               ("network(*inputs)", "network(inputs)"), ("network(*inputs)", "network(inputs[0])")),
        Mistake("gradient cut off", "network(*inputs)", "network(*inputs).detach()",
                "No gradient reaches the weights. Is there a detach(), an item() or a torch.no_grad() before loss.backward()?"),
        Mistake("compared with its input", "- target", "- inputs[0]",
                "The prediction is compared with inputs[0], the network's input. Compare it with target."),
        Mistake("no step", "optimizer.step()", "pass",
                "The weights stay as they are: the optimizer's step is missing."),
        Mistake("no backward", "loss.backward()", "pass",
                "The weights stay as they are: no gradient is computed. loss.backward() does."),
        *alike("step before the gradient", "The optimizer steps before this batch's gradient is computed: it uses the previous one.",
               ("    loss = ((network(*inputs) - target) ** 2).mean()\n    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n", "    optimizer.step()\n    loss = ((network(*inputs) - target) ** 2).mean()\n    optimizer.zero_grad()\n    loss.backward()\n")),
        Mistake("loss summed", "** 2).mean()", "** 2).sum()",
                "The squared errors are added up. The loss is their mean, which does not depend on the batch's size."),
        Mistake("absolute error", "((network(*inputs) - target) ** 2).mean()", "(network(*inputs) - target).abs().mean()",
                "The loss is the mean absolute error; it is the mean of the squares."),
        Mistake("root of the loss", "** 2).mean()", "** 2).mean().sqrt()",
                "The loss is the root of the mean squared error; here it is the mean itself."),
        Mistake("log of the loss", "** 2).mean()", "** 2).mean().log()",
                "The loss is the logarithm of the mean squared error; here it is the mean itself. For the curve, take the logarithm where it is drawn."),
        *alike("Huber's loss", "The loss is Huber's, which is linear in large errors. Here it is the mean of the squares.",
               ("((network(*inputs) - target) ** 2).mean()", "F.huber_loss(network(*inputs), target)"),
               ("((network(*inputs) - target) ** 2).mean()", "F.smooth_l1_loss(network(*inputs), target, beta=0.5)")),
        Mistake("squares forgotten", "((network(*inputs) - target) ** 2)", "(network(*inputs) - target)",
                "The errors are not squared, so positive and negative ones cancel."),
        Mistake("uphill", "loss.backward()", "(-loss).backward()", "It goes up the gradient: the loss grows."),
        Mistake("two steps", "    optimizer.step()\n", "    optimizer.step()\n    optimizer.step()\n",
                "The optimizer steps twice."),
        Mistake("half of the loss", "** 2).mean()", "** 2).mean() / 2", "The loss is half of the mean squared error."),
        Mistake("loss after the step", "return loss.detach()", "return ((network(*inputs) - target) ** 2).mean().detach()",
                "The loss that is returned was measured after the step; wanted the one that the step followed."),
    ),
)  # fmt: skip

EXERCISES = [NOISING, ONE_STEP, TRAINING]
