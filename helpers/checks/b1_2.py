"""Exercises of notebook B 1.2: the one-step denoiser, its examples and its training step."""

import math

import torch
from torch import nn

from .examples import Task, examples_of
from .exercise import Exercise, Mistake
from .faults import Fault
from .measured import Measured
from .running import tensor
from .toys import NOISY, likeness, mean, noise, of_chance, other_noises, pictures, seeded, std

__all__ = ["EXERCISES"]


def probe_add_noise(student):
    x0, eps = pictures(2, 1, low=0), noise(2, 1, 16, 16)
    for sigma in (0.5, 0.2, 0.0, 1.0):
        z = tensor(student(f"sigma = {sigma:g}, the noise given", x0, sigma, noise=eps), "z")
        yield Measured("z", z, low=0.0)
    black, case = torch.zeros(8, 1, 28, 28), "sigma = 0.5, the noise drawn from a generator, black pictures"
    z, again, other = (tensor(student(case, black, 0.5, generator=seeded(s)), "z") for s in (84, 84, 85))
    yield from of_chance(z, again, other)
    yield Measured("the shape of z", list(z.shape))
    yield Measured("the mean of z", z.double().mean(), NOISY)
    yield Measured("the standard deviation of z", std(z), 1.5 * NOISY)
    yield Measured("the likeness of two pictures' noise", likeness(z[0], z[1]), 6 * NOISY)


def add_noise_by(mix, draw=torch.randn, own=False):
    def add_noise(x0, sigma, *, noise=None, generator=None):
        eps = draw(x0.shape, generator=generator) if noise is None or own else noise
        return mix(x0.double(), sigma, eps.double()).float()

    return add_noise


add_noise = Exercise(
    name="add_noise",
    notebook="b1_2",
    kit="helpers.tasks.add_noise",
    task="Add noise of strength sigma to the pictures x0: the first formula under The maths.",
    look="With sigma = 0 the picture comes back as it was. With black pictures only the noise is left: how strong "
    "is it?",
    probe=probe_add_noise,
    right=add_noise_by(lambda x, sigma, e: x + sigma * e),
    mistakes=(
        Mistake(
            "σ²",
            add_noise_by(lambda x, s, e: x + s**2 * e),
            "The noise is too weak, as if by sigma squared: sigma is the standard deviation, not the variance.",
        ),
        Mistake(
            "√σ",
            add_noise_by(lambda x, s, e: x + math.sqrt(s) * e),
            "The noise is as strong as √sigma: sigma is the standard deviation, so it multiplies eps as it is.",
        ),
        Mistake(
            "picture shrunk",
            add_noise_by(lambda x, s, e: (1 - s) * x + s * e),
            "The picture becomes weaker as sigma grows. Here, unlike in the forward process, it keeps its strength.",
        ),
        Mistake(
            "picture shrunk",
            add_noise_by(lambda x, s, e: math.sqrt(1 - min(s, 1) ** 2) * x + s * e),
            "The picture becomes weaker as sigma grows. Here, unlike in the forward process, it keeps its strength.",
        ),
        Mistake(
            "clamped",
            add_noise_by(lambda x, s, e: (x + s * e).clamp(0, 1)),
            "z is clamped to [0, 1]: half of the noise on the black ground is cut away. Clamp for the display only.",
        ),
        Mistake("sigma ignored", add_noise_by(lambda x, s, e: x + e), "The noise has always full strength."),
        Mistake(
            "sigma ignored",
            add_noise_by(lambda x, s, e: x + 0.5 * e),
            "The noise has always strength 0.5, whatever sigma is.",
        ),
        Mistake(
            "noise multiplied",
            add_noise_by(lambda x, s, e: x * (1 + s * e)),
            "Black stays black: the noise is multiplied with the picture where it should be added.",
        ),
        Mistake("only the noise", add_noise_by(lambda x, s, e: s * e), "The picture is missing in z."),
        Mistake(
            "noise taken away",
            add_noise_by(lambda x, s, e: x - s * e),
            "The noise is subtracted. That is noise as well, but then eps is not what was added.",
        ),
        Mistake(
            "the given noise ignored",
            add_noise_by(lambda x, s, e: x + s * e, own=True),
            "It draws noise of its own although it is given some: with `noise=`, that is the eps to use.",
        ),
        *other_noises(lambda draw: add_noise_by(lambda x, s, e: x + s * e, draw)),
    ),
)


def probe_one_step(student):
    x0, labels = pictures(16, 1, 28, low=0), torch.arange(16) % 10
    for sigma in (0.5, 0.2):
        task, generator = student(f"sigma = {sigma:g}", sigma), seeded(141)
        case = f"sigma = {sigma:g}, 16 pictures"
        (z,), target = examples_of(student, task, case, x0, labels, generator, 1)
        yield Measured("the shape of the noisy pictures", list(z.shape))
        yield Measured("the shape of what the network should answer", list(target.shape))
        if z.shape != x0.shape or target.shape != x0.shape:
            return
        yield Measured(
            "x0, and the noise in z, as parts of what the network should answer", parts(target, x0, z - x0), 0.1
        )
        yield Measured("what the network should answer, less x0", target - x0)
        yield Measured("the mean of what was added", mean(z - x0), 2 * NOISY)
        yield Measured("the standard deviation of what was added", std(z - x0), 2 * NOISY)
        yield Measured("the likeness of two pictures' noise", likeness((z - x0)[0], (z - x0)[1]), 10 * NOISY)
        (later,), _ = examples_of(student, task, case, x0, labels, generator, 1)
        yield Measured("the likeness of two batches' noise", likeness(z - x0, later - x0), 2.5 * NOISY)
        noisy = [examples_of(student, task, case, x0, labels, seeded(seed), 1)[0][0] for seed in (141, 141, 142)]
        yield from of_chance(*noisy)


def parts(x, *of):
    """How often each of the tensors is in x: the least squares."""
    return torch.linalg.lstsq(torch.stack([y.flatten() for y in of], dim=1), x.flatten()[:, None]).solution.flatten()


def one_step_by(
    mix=lambda x, s, e: x + s * e,
    answer=lambda x, e, z: x,
    draw=torch.randn,
    frozen=False,
    bare=False,
    exchanged=False,
):
    def make(sigma=0.5):
        kept = noise(16, 1, 28, 28, seed=1)

        def examples(x0, labels, generator):
            eps = kept if frozen else draw(x0.shape, generator=generator)
            z = mix(x0, sigma, eps)
            said = answer(x0, eps, z)
            z, said = (said, z) if exchanged else (z, said)
            return (z if bare else (z,)), said

        return Task(examples)

    return make


one_step = Exercise(
    name="one_step",
    notebook="b1_2",
    kit="helpers.tasks.OneStep",
    task="Make a batch of examples: the noisy pictures, as a tuple of one, and what the network should answer.",
    look="The network sees z = x0 + sigma eps, with fresh noise for every batch, and should answer x0.",
    probe=probe_one_step,
    right=one_step_by(),
    blank=("examples",),
    mistakes=(
        *(
            Mistake(
                "the noise as the answer",
                one_step_by(answer=answer),
                "The network is asked for the noise. This one is asked for the clean picture; 2.2 will ask for the "
                "noise.",
            )
            for answer in (lambda x, e, z: e, lambda x, e, z: z - x)
        ),
        Mistake(
            "picture and answer exchanged",
            one_step_by(exchanged=True),
            "The network is shown x0 and asked for z. It is shown z and asked for x0.",
        ),
        Mistake(
            "the noisy picture as the answer",
            one_step_by(answer=lambda x, e, z: z),
            "The network is asked for z, which it has been given: it would learn to do nothing.",
        ),
        Mistake(
            "noise drawn once",
            one_step_by(frozen=True),
            "Every batch has the same noise. Draw it anew in each call, or the network learns it by heart.",
        ),
        Mistake(
            "σ²",
            one_step_by(lambda x, s, e: x + s**2 * e),
            "The noise is too weak, as if by sigma squared: sigma is the standard deviation.",
        ),
        Mistake(
            "√σ",
            one_step_by(lambda x, s, e: x + s**0.5 * e),
            "The noise is as strong as √sigma: sigma is the standard deviation, so it multiplies eps as it is.",
        ),
        Mistake("sigma ignored", one_step_by(lambda x, s, e: x + e), "The noise has always full strength."),
        Mistake(
            "sigma ignored",
            one_step_by(lambda x, s, e: x + 0.5 * e),
            "The noise has always strength 0.5, whatever sigma the task was made with.",
        ),
        Mistake(
            "picture shrunk",
            one_step_by(lambda x, s, e: (1 - s) * x + s * e),
            "The picture becomes weaker as sigma grows. Here it keeps its strength.",
        ),
        Mistake(
            "clamped",
            one_step_by(lambda x, s, e: (x + s * e).clamp(0, 1)),
            "z is clamped to [0, 1]: half of the noise on the black ground is cut away.",
        ),
        Mistake("not noised", one_step_by(lambda x, s, e: x + 0 * e), "There is no noise in z."),
        Mistake("only the noise", one_step_by(lambda x, s, e: s * e), "The picture is missing in z."),
        *other_noises(lambda draw: one_step_by(draw=draw)),
        Mistake("inputs no tuple", one_step_by(bare=True), "The inputs are no tuple."),
    ),
)


class Line(nn.Module):
    """A network of three weights. It notes in which mode it was called."""

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
    """A list that grows by one with each step of the optimizer from now on."""
    steps: list = []
    optimizer.register_step_pre_hook(lambda *arguments: steps.append(1))
    return steps


def probe_training_step(student):
    x, t01, target = noise(6, 1, 28, 28, seed=161), torch.linspace(0, 1, 6)[:, None], noise(6, 1, 28, 28, seed=162)
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
        say="The loss comes back with all that its gradient was computed from. Whoever collects the losses, as the "
        "loss curve does, then keeps every batch's activations in memory. What is wanted is its value alone.",
    )


def training_step_by(
    loss=lambda a, b: ((a - b) ** 2).mean(),
    predict=lambda network, inputs: network(*inputs),
    wanted=lambda inputs, target: target,
    train=True,
    clear="before",
    back=True,
    go=True,
    order="right",
    report="before",
    sign=1.0,
    twice=False,
):
    def training_step(network, optimizer, inputs, target):
        if train:
            network.train()
        if order == "step first":
            optimizer.step()
        value = sign * loss(predict(network, inputs), wanted(inputs, target))
        if clear == "before":
            optimizer.zero_grad()
        if back:
            value.backward()
        if clear == "after backward":
            optimizer.zero_grad()
        if go and order == "right":
            optimizer.step()
        if twice:
            optimizer.step()
        if report == "after":
            with torch.no_grad():
                value = loss(network(*inputs), target)
        return sign * value.detach() if report == "before" else value.detach()

    return training_step


training_step = Exercise(
    name="training_step",
    notebook="b1_2",
    kit="helpers.training.training_step",
    task="Let the network learn from one batch: its answer, the mean squared error, the gradient, Adam's step.",
    look="Four things in this order: the answer and its loss, the old gradients away, the new ones, the "
    "optimizer's step.",
    probe=probe_training_step,
    right=training_step_by(),
    mistakes=(
        Mistake(
            "zero_grad forgotten",
            training_step_by(clear="never"),
            "The gradients of earlier steps are still there, and add up: optimizer.zero_grad() before the new ones.",
        ),
        Mistake(
            "gradients cleared too late",
            training_step_by(clear="after backward"),
            "The gradients are cleared after they were computed, so the step has nothing to go by.",
        ),
        Mistake(
            "evaluation mode",
            training_step_by(train=False),
            "The network learns in evaluation mode: BatchNorm's averages then stand still. network.train() first.",
        ),
        Mistake(
            "inputs not unpacked",
            training_step_by(predict=lambda network, inputs: network(inputs)),
            "The network is called with one argument. `inputs` is a tuple of all that it takes: network(*inputs).",
        ),
        Mistake(
            "gradient cut off",
            training_step_by(predict=lambda network, inputs: network(*inputs).detach()),
            "There is no way back from the loss to the weights. Is there a detach(), an item() or a torch.no_grad() "
            "before loss.backward()?",
        ),
        Mistake(
            "compared with its input",
            training_step_by(wanted=lambda inputs, target: inputs[0]),
            "The answer is compared with inputs[0], which the network was shown. It is compared with target.",
        ),
        Mistake(
            "no step", training_step_by(go=False), "The weights stay as they are: the optimizer's step is missing."
        ),
        Mistake(
            "no backward",
            training_step_by(back=False, go=True),
            "The weights stay as they are: no gradient is computed. loss.backward() does.",
        ),
        Mistake(
            "step before the gradient",
            training_step_by(order="step first", clear="before"),
            "The optimizer steps before the gradient of this batch is there: it follows the one before.",
        ),
        Mistake(
            "loss summed",
            training_step_by(loss=lambda a, b: ((a - b) ** 2).sum()),
            "The squared errors are added up. The loss is their mean, which does not depend on the batch's size.",
        ),
        Mistake(
            "absolute error",
            training_step_by(loss=lambda a, b: (a - b).abs().mean()),
            "The loss is the mean absolute error; it is the mean of the squares.",
        ),
        Mistake(
            "root of the loss",
            training_step_by(loss=lambda a, b: ((a - b) ** 2).mean().sqrt()),
            "The loss is the root of the mean squared error; here it is the mean itself.",
        ),
        Mistake(
            "squares forgotten",
            training_step_by(loss=lambda a, b: (a - b).mean()),
            "The errors are not squared, so that positive and negative ones cancel.",
        ),
        Mistake("uphill", training_step_by(sign=-1.0), "It walks up the gradient: the loss grows."),
        Mistake("two steps", training_step_by(twice=True), "The optimizer steps twice."),
        Mistake(
            "half of the loss",
            training_step_by(loss=lambda a, b: ((a - b) ** 2).mean() / 2),
            "The loss is half of the mean squared error.",
        ),
        Mistake(
            "loss after the step",
            training_step_by(report="after"),
            "The loss that is returned was measured after the step; wanted the one that the step followed.",
        ),
    ),
)


EXERCISES = [add_noise, one_step, training_step]
