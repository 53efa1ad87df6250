"""Part B's training: one loop for the one-step denoiser and for both diffusion models.

A task says what a network is shown and what it should answer, a recipe how long and how fast it learns. The loop is
a generator that yields every step, and knows no more of the two than that.

    python -m helpers.training class-conditional --out runs/class-conditional
    accelerate launch --multi_gpu -m helpers.training class-conditional --out runs/class-conditional

The second line is for several GPUs. With ACCELERATE_USE_CPU=true before it and --num_processes 2 in it, it starts two
processes on one CPU (accelerate's own --cpu starts one, or needs MPI).
"""

import argparse
import copy
import functools
import math
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from .data import DATA, DataError, mnist
from .devices import bf16_autocast, choose_device
from .sampling import draw_noise, forward
from .schedule import NoiseSchedule
from .unet import ClassConditionalUNet, TimeConditionalUNet, UnconditionalUNet, one_hot
from .validate import check_image, check_integer, check_number, check_same

RESULTS = DATA / "models" / "digits"  # what ships with the kit
RESUME = "resume.safetensors"  # in a run's folder: all that the next step depends on
UNETS = {unet.__name__: unet for unet in (UnconditionalUNet, TimeConditionalUNet, ClassConditionalUNet)}


class TrainingError(RuntimeError):
    """A training run that cannot begin or go on, and what is left of it."""


# ---- tasks: what the network is shown, and what it should answer --------------------------------------------------


def add_noise(
    x0: Tensor, sigma: float, *, noise: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """z = x0 + sigma eps, the noising of B 1.2: pictures x0 (B, C, H, W) in [0, 1] -> z (B, C, H, W).

    noise is the eps to use; without it, it is drawn from `generator`. Raises a ValueError for sigma < 0.
    """
    check_image(x0, "x0", 0, 1)
    check_number(sigma, "sigma", 0)
    if noise is None:
        noise = draw_noise(x0.shape, generator, x0.device).to(x0.dtype)
    check_same(x0, noise, "x0", "noise")
    return x0 + sigma * noise


@dataclass(frozen=True)
class OneStep:
    """Remove noise of a fixed strength sigma in one step: given z = x0 + sigma eps, say x0 (B 1.2)."""

    sigma: float = 0.5

    network = UnconditionalUNet

    def __post_init__(self):
        check_number(self.sigma, "sigma", 0)

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Pictures (B, 1, 28, 28) and labels (B,) -> the network's arguments (z,), and what it should say, x0."""
        return (add_noise(x0, self.sigma, generator=generator),), x0


@dataclass(frozen=True)
class TimeConditional:
    """Predict the noise at any timestep: given x_t and t/T, say eps (B 2.2).

    Args:
        T: the number of timesteps.
        emphasis: how much more often noisy timesteps are drawn: t with a weight of 1 / abar_t^emphasis. At 0 all are
            equal, as the course has it. The noisy end is where it is decided which digit a picture becomes, yet to the
            plain loss it matters least: nearly all of x_t is noise there, and so the noise is easy to say.

    Source: Ho et al. 2020, algorithm 1 (arXiv:2006.11239), where all are equal.
    """

    T: int = 300
    emphasis: float = 0.0

    network = TimeConditionalUNet

    def __post_init__(self):
        check_integer(self.T, "T", 1)
        check_number(self.emphasis, "emphasis", 0)

    @functools.cached_property
    def schedule(self) -> NoiseSchedule:
        """beta from 1e-4 to 0.02 in a straight line."""
        return NoiseSchedule.linear(self.T)

    def timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """Random timesteps 0 … T-1, (count,)."""
        if self.emphasis == 0:
            return torch.randint(self.T, (count,), generator=generator)
        weights = self.schedule.alphas_cumprod**-self.emphasis
        return torch.multinomial(weights, count, replacement=True, generator=generator)

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Pictures (B, 1, 28, 28) and labels (B,) -> the network's arguments (x_t, t01), and what it should say, eps.

        t, by `timesteps`, and eps are drawn anew for every picture of every batch.
        """
        t = self.timesteps(len(x0), generator)
        x_t, eps = forward(x0, t, self.schedule.alphas_cumprod, generator=generator)
        t01 = (t / self.T)[:, None].to(x0.device)  # (B, 1)
        return (x_t, t01), eps


@dataclass(frozen=True)
class ClassConditional(TimeConditional):
    """Predict the noise, told which digit it is: given x_t, t/T and one-hot c, say eps (B 2.4).

    With probability p_uncond a picture's c is all zeros, from which the network learns the unconditional prediction
    that guidance needs. Source: Ho & Salimans 2022, algorithm 1 (arXiv:2207.12598).
    """

    p_uncond: float = 0.1

    network = ClassConditionalUNet

    def __post_init__(self):
        super().__post_init__()
        check_number(self.p_uncond, "p_uncond", 0, 1)

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Pictures (B, 1, 28, 28) and labels (B,) -> the network's arguments (x_t, t01, c), and its answer, eps."""
        (x_t, t01), eps = super().examples(x0, labels, generator)
        keep = torch.rand(len(x0), 1, generator=generator) >= self.p_uncond  # (B, 1)
        c = one_hot(labels) * keep.to(x0.device)  # (B, 10)
        return (x_t, t01, c), eps


# ---- recipes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How a network learns a task. `dataclasses.replace(class_conditional, hidden=16, epochs=1)` makes a small one.

    Args:
        task: what the network is shown, and what it should answer.
        hidden: the number D of the network's hidden channels.
        epochs: how many times it sees the whole data set.
        batch_size: pictures in each step, over all processes together.
        lr: Adam's learning rate in the first epoch …
        decay: … which falls exponentially from epoch to epoch, so that after the last one it would be lr · decay.
    """

    task: OneStep | TimeConditional | ClassConditional
    hidden: int
    epochs: int
    batch_size: int
    lr: float
    decay: float = 1.0

    def __post_init__(self):
        for name in ("hidden", "epochs", "batch_size"):
            check_integer(getattr(self, name), name, 1)
        check_number(self.lr, "lr", 0)
        check_number(self.decay, "decay", 0, 1)

    def new_network(self, seed: int = 0) -> nn.Module:
        """A network of the task's kind, with random weights that depend on the seed only."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.task.network(self.hidden)

    def learning_rate(self, epoch: float) -> float:
        """Adam's learning rate when so many epochs are done; 2.5 is the middle of the third."""
        return self.lr * self.decay ** (math.floor(epoch) / self.epochs)

    def momentum(self, steps: int) -> float:
        """How much the running means of BatchNorm take from each batch, when so many steps are done.

        0.1, PyTorch's own, is a mean over about ten batches, and wobbles when these are small. So for batches of less
        than 128 it falls, as the network settles, to a mean over about 1280 pictures.
        """
        return max(min(0.1, self.batch_size / 1280), 10 / (steps + 100))


@dataclass(frozen=True)
class Annealed(Recipe):
    """A recipe whose learning rate rises for a twentieth of the training, and then falls to 0 along half a cosine.

    The rise lets Adam measure its gradients before it takes large steps. The end at 0 lets the weights settle; a
    recipe that stops at a high rate would have to average them. `decay` is not used.
    Source: Loshchilov & Hutter 2017, equation 5 (arXiv:1608.03983), without restarts.
    """

    def learning_rate(self, epoch: float) -> float:
        share = epoch / self.epochs  # of the training that is done
        return self.lr * min(share / 0.05, (1 + math.cos(math.pi * share)) / 2)


# The course's own recipes, in full.
one_step = Recipe(OneStep(sigma=0.5), hidden=128, epochs=5, batch_size=256, lr=1e-4)
time_conditional = Recipe(TimeConditional(T=300), hidden=64, epochs=20, batch_size=128, lr=1e-3, decay=0.1)
class_conditional = replace(time_conditional, task=ClassConditional(T=300, p_uncond=0.1))

# The same tasks in less time: class-conditional digits nearly as good in about a tenth, on two CPU cores.
faster_one_step = Annealed(OneStep(sigma=0.5), hidden=128, epochs=5, batch_size=16, lr=1e-3)
faster_time_conditional = Annealed(TimeConditional(T=300, emphasis=0.5), hidden=32, epochs=4, batch_size=16, lr=2e-3)
faster_class_conditional = replace(faster_time_conditional, task=ClassConditional(T=300, emphasis=0.5, p_uncond=0.1))

RECIPES = {
    "one-step": one_step,
    "time-conditional": time_conditional,
    "class-conditional": class_conditional,
    "one-step-faster": faster_one_step,
    "time-conditional-faster": faster_time_conditional,
    "class-conditional-faster": faster_class_conditional,
}


# ---- the loop -----------------------------------------------------------------------------------------------------


class Progress(NamedTuple):
    """One step of training. The network has just learned from it."""

    epoch: int  # 1 … epochs
    epochs: int
    step: int  # 1 … steps, within the epoch
    steps: int  # in each epoch
    loss: float

    @property
    def epoch_done(self) -> bool:
        """Whether this was the epoch's last step: the moment to look at samples."""
        return self.step == self.steps


def training_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, inputs: tuple[Tensor, ...], target: Tensor
) -> Tensor:
    """Let a network learn from one batch: one step down the gradient of the mean squared error of what it says.

    Args:
        network: is put into training mode, since whoever sampled between two steps may have left it in evaluation mode.
        inputs: its arguments, pictures (B, 1, 28, 28) and what else it takes.
        target: what it should have said, (B, 1, 28, 28).

    Returns: the loss before the step, a tensor without gradient.
    """
    network.train()
    with bf16_autocast(target.device):
        answer = network(*inputs)
    loss = F.mse_loss(answer.float(), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def train(
    network: nn.Module,
    recipe: Recipe,
    data: TensorDataset,
    *,
    folder: str | os.PathLike | None = None,
    seed: int = 0,
    save_every: float = 180.0,
    learn: Callable[..., Tensor] = training_step,
) -> Iterator[Progress]:
    """Train a network in place, on a GPU if there is one; yields Progress after every step.

        network = recipe.new_network()
        for progress in train(network, recipe, mnist()):
            print(progress)

    Each epoch shows the pictures in a new order, in whole batches (what is left over waits for another epoch's order),
    with fresh noise each time. The loss is the mean squared error of what the network says.

    Args:
        network: takes the task's arguments; recipe.new_network() makes one.
        data: pictures (N, 1, 28, 28) in [0, 1] and labels (N,), such as mnist().
        folder: where checkpoints go: the weights after every epoch (epoch-01.safetensors, …; `load_unet` reads them),
            and resume.safetensors. If the folder has one, training goes on from there as if it had never stopped: on
            the same CPU to the last bit, on a GPU as exactly as its convolutions repeat themselves. Without a folder
            nothing is saved.
        seed: of the order, the timesteps, the noise, and the dropped classes.
        save_every: seconds between two writings of resume.safetensors; it is also written after every epoch.
        learn: the step itself, training_step or a function like it.

    Raises a ValueError or DataError at once for data that do not fit, and a TrainingError for a folder of another run
    or a damaged one, for a loss that is not a number, and when a checkpoint cannot be written.
    """
    images, labels = check_data(data)
    if recipe.batch_size > len(images):
        raise DataError(
            f"batch_size is {recipe.batch_size}, but there are only {len(images)} pictures; wanted at most that many."
        )
    check_number(save_every, "save_every", 0)
    run = Run(network, recipe, images, labels, seed, None if folder is None else Path(folder))
    return _train(run, save_every, learn)


def _train(run: "Run", save_every: float, learn: Callable[..., Tensor]) -> Iterator[Progress]:
    # apart from train(), because a generator's checks would wait for the first step
    recipe = run.recipe
    model = run.accelerator.prepare_model(run.network)  # with several processes, it averages their gradients
    steps = len(run.images) // recipe.batch_size
    saved_at = time.monotonic()

    while run.epoch < recipe.epochs:
        if run.step == 0:
            run.order = torch.randperm(len(run.images), generator=run.generator)
        indices = run.order[run.step * recipe.batch_size :][: recipe.batch_size]
        # every process draws the whole batch, and learns from its share: any number of them sees the same noise
        inputs, target = recipe.task.examples(run.images[indices], run.labels[indices], run.generator)
        inputs, target = [run.share(x) for x in inputs], run.share(target)

        for module in run.batch_norms:
            module.momentum = recipe.momentum(run.epoch * steps + run.step)
        for group in run.optimizer.param_groups:
            group["lr"] = recipe.learning_rate(run.epoch + run.step / steps)
        loss = learn(model, run.optimizer, inputs, target)
        mean_loss = run.accelerator.reduce(loss, "mean").item()
        if not math.isfinite(mean_loss):
            raise TrainingError(
                f"the loss is {mean_loss} in epoch {run.epoch + 1}, step {run.step + 1}; wanted a finite number. "
                f"A smaller learning rate than {recipe.lr:g} may help. {run.what_is_left()}"
            )

        run.losses.append(mean_loss)
        run.step += 1
        progress = Progress(run.epoch + 1, recipe.epochs, run.step, steps, mean_loss)
        if progress.epoch_done:
            run.epoch, run.step = run.epoch + 1, 0
            run.save_weights()
        if progress.epoch_done or time.monotonic() - saved_at > save_every:
            run.save()
            saved_at = time.monotonic()
        yield progress


def new_accelerator() -> Accelerator:
    """What knows this process's device and the other processes, if accelerate launched several."""
    # accelerate would take Apple's GPU unasked; with ACCELERATE_TORCH_DEVICE=mps it is asked for
    on_cpu = choose_device().type == "cpu" and "ACCELERATE_TORCH_DEVICE" not in os.environ
    return Accelerator(cpu=on_cpu, mixed_precision="no")  # bf16_autocast does that, and wraps nothing


class SumOverProcesses(torch.autograd.Function):
    """x, summed over all processes; so is its gradient on the way back, since every process used the sum."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        x = x.clone()
        torch.distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return SumOverProcesses.forward(ctx, gradient)


class SharedBatchNorm(nn.BatchNorm2d):
    """BatchNorm whose mean and variance are those of the whole batch, of which each process has an equal share.

    Without it, several processes would learn something else than one does. PyTorch's own SyncBatchNorm needs a GPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        var, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)  # (C,)
        moments = torch.stack([mean, var + mean**2]).double()  # E[x] and E[x²], which may be averaged
        processes = torch.distributed.get_world_size()
        mean, square = SumOverProcesses.apply(moments) / processes
        var = square - mean**2
        n = x.numel() / x.shape[1] * processes
        with torch.no_grad():
            self.running_mean.lerp_(mean.float(), self.momentum)
            self.running_var.lerp_((var * n / (n - 1)).float(), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight / (var + self.eps).sqrt().float()
        shift = self.bias - mean.float() * scale
        return (x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).to(x.dtype)


class Run:
    """All that a training run consists of, and its file. Everything that changes is saved, as tensors, in one."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        images: Tensor,
        labels: Tensor,
        seed: int,
        folder: Path | None,
    ):
        self.recipe, self.images, self.labels, self.folder = recipe, images, labels, folder
        self.accelerator = new_accelerator()
        processes = self.accelerator.num_processes
        if recipe.batch_size % processes:
            raise ValueError(f"batch_size is {recipe.batch_size}; wanted a multiple of {processes}, the processes.")
        self.network = network.to(self.accelerator.device, memory_format=torch.channels_last)
        self.batch_norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        if processes > 1:
            for module in self.batch_norms:
                module.__class__ = SharedBatchNorm
        self.optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr)
        self.generator = torch.Generator().manual_seed(seed)
        self.epoch, self.step = 0, 0  # how many are done: epochs, and steps of the next one
        self.order = torch.arange(len(images))
        self.losses: list[float] = []
        if folder is not None:
            data = zlib.crc32(labels.numpy(), zlib.crc32(images.numpy()))
            self.identity = {"recipe": repr(recipe), "seed": str(seed), "data": f"{len(images)} pictures, {data:08x}"}
            if (folder / RESUME).exists():
                self.load()

    def share(self, x: Tensor) -> Tensor:
        """This process's part of a batch (B, …), on its device."""
        part = x.chunk(self.accelerator.num_processes)[self.accelerator.process_index]
        return part.to(self.accelerator.device)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name. The learning rate follows from the counters."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for moment, value in self.optimizer.state[parameter].items():  # step, exp_avg, exp_avg_sq
                tensors[f"adam.{name}.{moment}"] = value
        tensors["generator"] = self.generator.get_state()
        tensors["order"] = self.order
        tensors["counters"] = torch.tensor([self.epoch, self.step])
        tensors["losses"] = torch.tensor(self.losses)
        return tensors

    def save(self) -> None:
        """Replace resume.safetensors."""
        if self.folder is not None and self.accelerator.is_main_process:
            self.check_weights()
            write_tensors(self.tensors(), self.folder / RESUME, self.identity)

    def save_weights(self) -> None:
        """Write the weights of the epoch that is just done, for good."""
        if self.folder is not None and self.accelerator.is_main_process:
            self.check_weights()
            save_unet(self.network, self.folder / f"epoch-{self.epoch:02d}.safetensors")

    def check_weights(self) -> None:
        """A step can spoil the weights a step before the loss shows it; such weights must not be kept."""
        if not all(torch.isfinite(weights).all() for weights in self.network.state_dict().values()):
            raise TrainingError(
                f"the weights are no longer finite after epoch {self.epoch + 1}, step {self.step}. "
                f"A smaller learning rate than {self.recipe.lr:g} may help. {self.what_is_left()}"
            )

    def what_is_left(self) -> str:
        if self.folder is None or not (self.folder / RESUME).exists():
            return "No checkpoint was saved."
        return f"The last good state is in {self.folder / RESUME}."

    def load(self) -> None:
        """Go on from resume.safetensors."""
        file = self.folder / RESUME
        tensors = read_run(file, self.identity)
        try:
            weights = {name[8:]: value for name, value in tensors.items() if name.startswith("network.")}
            load_weights(self.network, weights, file)
            load_adam(self.optimizer, self.network, tensors)
            self.generator.set_state(tensors["generator"])
            self.order = tensors["order"]
            self.epoch, self.step = tensors["counters"].tolist()
            self.losses = tensors["losses"].tolist()
        except (KeyError, RuntimeError) as error:
            raise TrainingError(f"{file} does not fit this network: {error}. Train in another folder.") from error


def check_data(data: TensorDataset) -> tuple[Tensor, Tensor]:
    """The pictures (N, 1, 28, 28) in [0, 1] and labels (N,) of a data set such as mnist()."""
    if not isinstance(data, TensorDataset) or len(data.tensors) != 2:
        raise TypeError(f"data is {data!r}; wanted a TensorDataset of pictures and labels, such as mnist().")
    images, labels = data.tensors
    check_image(images, "the pictures", 0, 1)
    one_hot(labels)  # or its error
    return images.cpu().contiguous(), labels.cpu().contiguous()


def loss_history(folder: str | os.PathLike) -> Tensor:
    """The loss of every step that the run in this folder had done when it was last saved, (steps,)."""
    return read_tensors(Path(folder) / RESUME)[0]["losses"]


# ---- results that ship with the kit -------------------------------------------------------------------------------


class Result(NamedTuple):
    """A finished training."""

    network: nn.Module  # ready to predict
    recipe: str  # which one, in words
    losses: Tensor  # of every step, (steps,)
    steps: int  # in each epoch
    samples: dict[int, Tensor]  # what it drew after some of the epochs, each (N, 1, 28, 28) in [0, 1]


def load_result(name: str) -> Result:
    """The kit's own "one-step", "time-conditional" or "class-conditional" training: weights, losses and drawings.

    data/models/digits/README.md says how they were made, and how good they are.
    """
    there = sorted(file.parent.name for file in RESULTS.glob("*/results.safetensors"))
    if name not in there:
        raise ValueError(f"there is no result {name!r}; wanted one of {', '.join(there)}.")
    tensors, about = read_tensors(RESULTS / name / "results.safetensors")
    losses = tensors.pop("losses")
    samples = {int(epoch.removeprefix("epoch-")): pictures.float() / 255 for epoch, pictures in sorted(tensors.items())}
    network = load_unet(RESULTS / name / "weights.safetensors")
    return Result(network, about["recipe"], losses, len(losses) // int(about["epochs"]), samples)


def save_result(result: Result, name: str) -> None:
    """Write what `load_result` reads: weights in fp16, drawings in 256 levels."""
    samples = {
        f"epoch-{epoch:02d}": (pictures.clamp(0, 1) * 255).round().to(torch.uint8)
        for epoch, pictures in result.samples.items()
    }
    about = {"recipe": result.recipe, "epochs": str(len(result.losses) // result.steps)}
    write_tensors({"losses": result.losses, **samples}, RESULTS / name / "results.safetensors", about)
    save_unet(copy.deepcopy(result.network).half(), RESULTS / name / "weights.safetensors")


# ---- files --------------------------------------------------------------------------------------------------------


def save_unet(network: nn.Module, file: str | os.PathLike) -> None:
    """Write a network's weights, and which network they are of. `load_unet` reads them."""
    about = {"unet": type(network).__name__, "hidden": str(getattr(network, "hidden", "unknown"))}
    write_tensors(network.state_dict(), Path(file), about)


def load_unet(file: str | os.PathLike) -> nn.Module:
    """The network that save_unet wrote, ready to predict: in fp32 (whatever the file's precision), on the CPU.

    Raises a TrainingError for a file that is missing, damaged, or of another network.
    """
    file = Path(file)
    tensors, about = read_tensors(file)
    if about.get("unet") not in UNETS or not about.get("hidden", "").isdecimal():
        raise TrainingError(
            f"{file} is of {about or 'an unnamed network'}; wanted weights of one of {', '.join(UNETS)}."
        )
    network = UNETS[about["unet"]](int(about["hidden"]))
    load_weights(network, tensors, file)
    return network.eval().to(memory_format=torch.channels_last)  # in which a CPU convolves faster


def load_weights(network: nn.Module, weights: dict[str, Tensor], file: Path) -> None:
    """Put the weights that a file held into a network, if each fits."""
    wanted = network.state_dict()
    odd = sorted(weights.keys() ^ wanted.keys())
    if odd:
        raise TrainingError(
            f"{file} is of another network: {len(odd)} weights are only in one of them ({odd[0]}, …); "
            f"wanted those of a {type(network).__name__}."
        )
    for name, value in wanted.items():
        if weights[name].shape != value.shape:
            raise TrainingError(
                f"{file} is of another width: its {name} has shape {tuple(weights[name].shape)}; "
                f"wanted {tuple(value.shape)}."
            )
    network.load_state_dict(weights)


def write_tensors(tensors: dict[str, Tensor], file: Path, about: dict[str, str]) -> None:
    """Write tensors to a safetensors file that is, at every moment, the old one or the new one as a whole."""
    partial = file.with_name(file.name + ".partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as opened:
            opened.write(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, about))
            opened.flush()
            os.fsync(opened.fileno())  # on the disk, before the name points to it
        os.replace(partial, file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        old = "The old one is intact." if file.exists() else "There is no older one."
        raise TrainingError(f"{file} cannot be written: {error.strerror or error}. {old}") from error


def read_run(file: Path, identity: dict[str, str]) -> dict[str, Tensor]:
    """The tensors of a run's resume file, if it is that of the run with this identity."""
    tensors, found = read_tensors(file)
    for what, wanted in identity.items():
        if found.get(what) != wanted:
            raise TrainingError(
                f"{file} belongs to another run: its {what} is {found.get(what)}; wanted {wanted}. "
                "Train in another folder, or delete this one."
            )
    return tensors


def load_adam(optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Give Adam the state that the tensors "adam.<parameter>.<what>" hold; a KeyError names one that is missing."""
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        # in the parameter's own memory layout, in which Adam's arithmetic rounds as it would have
        moments = {what: torch.empty_like(parameter).detach() for what in ("exp_avg", "exp_avg_sq")}
        for what, value in moments.items():
            value.copy_(tensors[f"adam.{name}.{what}"])
        step = tensors[f"adam.{name}.step"]
        if optimizer.defaults.get("fused"):
            step = step.to(parameter.device)
        optimizer.state[parameter] = {"step": step, **moments}


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, and what it says about itself."""
    if not file.is_file():
        raise TrainingError(f"there is no file {file}; wanted a checkpoint (.safetensors).")
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{file} is damaged or half written: {error}. Fetch or make it again.") from error


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Train by one of the course's recipes, in a folder; the same command again goes on where it stopped."""
    parser = argparse.ArgumentParser(prog="python -m helpers.training", description=main.__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--out", required=True, help="folder for the checkpoints")
    for field in fields(Recipe)[1:]:  # --hidden, --epochs, …
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, help="instead of the recipe's own")
    parser.add_argument("--pictures", type=int, help="train on only so many")
    parser.add_argument("--data", help="folder of another data set in MNIST's format")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    try:
        run_command(args)
    except (TrainingError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "stopped; the same command goes on from the last save\n")


def run_command(args: argparse.Namespace) -> None:
    """What the command's arguments ask for."""
    changes = {field.name: getattr(args, field.name) for field in fields(Recipe)[1:]}
    recipe = replace(RECIPES[args.recipe], **{name: value for name, value in changes.items() if value is not None})
    data = mnist(folder=args.data)
    if args.pictures is not None:
        check_integer(args.pictures, "pictures", 1, len(data))
        data = TensorDataset(*data[: args.pictures])
    steps = train(recipe.new_network(args.seed), recipe, data, folder=args.out, seed=args.seed)
    report = functools.partial(print, flush=True) if new_accelerator().is_main_process else lambda *_: None
    report(f"{recipe}, in {args.out}")
    report_progress(steps, recipe, report)


def report_progress(steps: Iterator[Progress], recipe: Recipe, report: Callable[[str], None]) -> None:
    """Run a training to its end, with a line every ten seconds and after every epoch: the mean loss since the last."""
    losses, began = [], time.monotonic()
    for progress in steps:
        losses.append(progress.loss)
        if time.monotonic() - began > 10 or progress.epoch_done:
            speed = len(losses) * recipe.batch_size / (time.monotonic() - began)
            report(
                f"epoch {progress.epoch}/{recipe.epochs}  step {progress.step}/{progress.steps}  "
                f"loss {sum(losses) / len(losses):.4f}  {speed:.0f} images/s"
            )
            losses, began = [], time.monotonic()
    report("done")


if __name__ == "__main__":
    main()
