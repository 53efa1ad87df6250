"""Part B's recipes: how long and how fast a network learns its task."""

import math
from dataclasses import dataclass, replace

import torch
from torch import nn

from .tasks import ClassConditional, FlowClass, FlowTime, OneStep, TimeConditional
from .unet import copy_input
from .validate import check_integer, check_number, check_seed, in_words

__all__ = [
    "RECIPES",
    "Annealed",
    "Copying",
    "Recipe",
    "class_conditional",
    "faster_class_conditional",
    "faster_flow_class",
    "faster_flow_time",
    "faster_one_step",
    "faster_time_conditional",
    "flow_class",
    "flow_time",
    "one_step",
    "quick_class_conditional",
    "quick_flow_class",
    "quick_flow_time",
    "quick_time_conditional",
    "time_conditional",
]


@dataclass(frozen=True)
class Recipe:
    """How a network learns a task. `dataclasses.replace(class_conditional, hidden=16, epochs=1)` makes a small one.

    Args:
        task: the network's inputs and its target.
        hidden: the number D of the network's hidden channels.
        epochs: how many times it sees the whole data set.
        batch_size: images in each step, over all processes together.
        lr: Adam's learning rate in the first epoch …
        decay: … which falls exponentially from epoch to epoch. After the last epoch it would be lr · decay.
    """

    task: OneStep | TimeConditional | ClassConditional | FlowTime | FlowClass
    hidden: int
    epochs: int
    batch_size: int
    lr: float
    decay: float = 1.0

    def __post_init__(self):
        if isinstance(self.task, type) or not hasattr(self.task, "examples"):
            raise TypeError(f"task is {in_words(self.task)}; wanted a task, such as OneStep(sigma=0.5).")
        for name in ("hidden", "epochs", "batch_size"):
            check_integer(getattr(self, name), name, 1)
        check_number(self.lr, "lr", 0)
        check_number(self.decay, "decay", 0, 1)

    def new_network(self, seed: int = 0) -> nn.Module:
        """A network of the task's kind, with random weights that depend on the seed only."""
        check_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.task.network(self.hidden)

    def learning_rate(self, epoch: float) -> float:
        """Adam's learning rate after `epoch` epochs; 2.5 is the middle of the third."""
        return self.lr * self.decay ** (math.floor(epoch) / self.epochs)

    def momentum(self, steps: int) -> float:
        """The weight of each batch in BatchNorm's running means, after so many steps.

        PyTorch's default, 0.1, averages over about ten batches, which is noisy if they are small. For batches of fewer
        than 128 images, the weight falls during training, until the mean is over about 1280 images.
        """
        return max(min(0.1, self.batch_size / 1280), 10 / (steps + 100))


@dataclass(frozen=True)
class Annealed(Recipe):
    """A recipe whose learning rate rises for a twentieth of the training, and then falls to 0 along half a cosine.

    During the rise, Adam estimates the size of its gradients before it takes large steps. At a rate near 0 the weights
    converge; a recipe that stops at a high rate would have to average them. `decay` is not used.
    Source: Loshchilov & Hutter 2017, equation 5 (arXiv:1608.03983), without restarts.
    """

    def learning_rate(self, epoch: float) -> float:
        share = epoch / self.epochs  # of the training that is done
        return self.lr * min(share / 0.05, (1 + math.cos(math.pi * share)) / 2)


@dataclass(frozen=True)
class Copying(Annealed):
    """An annealed recipe whose network starts by copying its input, or -z for a flow: see `helpers.unet.copy_input`."""

    def new_network(self, seed: int = 0) -> nn.Module:
        network = super().new_network(seed)
        copy_input(network, sign=-1 if isinstance(self.task, FlowTime) else 1)  # the velocity is mostly -z
        return network


# CS180's own recipes, at full length.
one_step = Recipe(OneStep(sigma=0.5), hidden=128, epochs=5, batch_size=256, lr=1e-4)
time_conditional = Recipe(TimeConditional(T=300), hidden=64, epochs=20, batch_size=128, lr=1e-3, decay=0.1)
class_conditional = replace(time_conditional, task=ClassConditional(T=300, p_uncond=0.1))
flow_time = Recipe(FlowTime(), hidden=64, epochs=10, batch_size=64, lr=1e-2, decay=0.1)
flow_class = replace(flow_time, task=FlowClass(p_uncond=0.1))

# The same tasks in less time: class-conditional digits nearly as good in about a tenth, on two CPU cores.
faster_one_step = Annealed(OneStep(sigma=0.5), hidden=128, epochs=5, batch_size=16, lr=1e-3)
faster_time_conditional = Copying(TimeConditional(T=300, emphasis=0.5), hidden=32, epochs=4, batch_size=16, lr=2e-3)
faster_class_conditional = replace(faster_time_conditional, task=ClassConditional(T=300, emphasis=0.5, p_uncond=0.1))
faster_flow_time = Annealed(FlowTime(), hidden=32, epochs=4, batch_size=16, lr=2e-3)
faster_flow_class = replace(faster_flow_time, task=FlowClass(p_uncond=0.1))

# About a minute on one CPU core, if an epoch is 6,000 images: digits that can be read, as in notebooks 2.2 to 2.5.
quick_time_conditional = replace(faster_time_conditional, hidden=16, epochs=5, batch_size=32)
quick_class_conditional = replace(faster_class_conditional, hidden=16, epochs=5, batch_size=32)

# The same for flows: some minutes for ten epochs of 6,000 images; notebooks C 3 and C 4 train fewer.
quick_flow_time = Copying(FlowTime(), hidden=16, epochs=10, batch_size=32, lr=2e-3)
quick_flow_class = replace(quick_flow_time, task=FlowClass(p_uncond=0.1))

RECIPES = {
    "one-step": one_step,
    "time-conditional": time_conditional,
    "class-conditional": class_conditional,
    "flow-time": flow_time,
    "flow-class": flow_class,
    "one-step-faster": faster_one_step,
    "time-conditional-faster": faster_time_conditional,
    "class-conditional-faster": faster_class_conditional,
    "flow-time-faster": faster_flow_time,
    "flow-class-faster": faster_flow_class,
    "time-conditional-quick": quick_time_conditional,
    "class-conditional-quick": quick_class_conditional,
    "flow-time-quick": quick_flow_time,
    "flow-class-quick": quick_flow_class,
}
