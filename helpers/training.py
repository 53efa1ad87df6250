"""Part B's training: one loop for the one-step denoiser and for both diffusion models.

A task defines the inputs and target of a network, a recipe how long and how fast it learns. The loop is a generator
that yields every step.

    python -m helpers.training class-conditional --out runs/class-conditional
    accelerate launch --multi_gpu -m helpers.training class-conditional --out runs/class-conditional

The second command is for several GPUs. To start two processes on one CPU, put ACCELERATE_USE_CPU=true before it and add
--num_processes 2 (accelerate's own --cpu starts one process, or needs MPI).
"""

import argparse
import functools
import math
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from .checkpoints import RESUME, TrainingError, claim, load_adam, load_weights, read_run, read_tensors, write_tensors
from .command import errors_end
from .data import DataError, mnist
from .devices import bf16_autocast
from .processes import SharedBatchNorm, new_accelerator
from .recipes import RECIPES, Recipe
from .results import save_unet
from .unet import one_hot
from .validate import (
    check_floating,
    check_function,
    check_image,
    check_integer,
    check_network,
    check_number,
    check_path,
    check_seed,
    check_takes,
    in_words,
)

__all__ = ["Progress", "loss_history", "train", "training_folder", "training_step"]


class Progress(NamedTuple):
    """Reports a training step that has just been done."""

    epoch: int  # 1 … epochs
    epochs: int
    step: int  # 1 … steps, within the epoch
    steps: int  # in each epoch
    loss: float

    @property
    def epoch_done(self) -> bool:
        """Whether this was the epoch's last step: a good time for samples."""
        return self.step == self.steps


def training_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, inputs: tuple[Tensor, ...], target: Tensor
) -> Tensor:
    """One optimiser step on one batch. The loss is the mean squared error of the network's output.

    Args:
        network: is put into training mode, because sampling between two steps may have left it in evaluation mode.
        inputs: its arguments: images (B, 1, 28, 28), and the time and class for a network that takes them.
        target: the output it should have, (B, 1, 28, 28).

    Returns: the loss before the step, a tensor without gradient.
    """
    check_network(network, "network")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer is {in_words(optimizer)}; wanted one, such as torch.optim.Adam(…).")
    if not isinstance(inputs, (tuple, list)):
        raise TypeError(f"inputs is {in_words(inputs)}; wanted a tuple of the network's arguments: (x,) for one.")
    check_takes(network, tuple(inputs))
    check_floating(target, "target")
    network.train()
    with bf16_autocast(target.device):
        answer = network(*inputs)
    check_floating(answer, "the network's answer")
    if target.shape != answer.shape:
        raise ValueError(f"target has shape {tuple(target.shape)}; wanted the answer's, {tuple(answer.shape)}.")
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

    Each epoch shuffles the images and uses whole batches only; images left over are skipped in that epoch. The noise is
    drawn anew each time.

    Args:
        network: takes the task's arguments; recipe.new_network() makes one.
        data: images (N, 1, 28, 28) in [0, 1] and labels (N,), such as mnist().
        folder: for checkpoints: the weights after every epoch (epoch-01.safetensors, …; `load_unet` reads them), and
            resume.safetensors. If the folder has one, training resumes from it, bit-exactly on the same CPU, and on a
            GPU as exactly as its convolutions are reproducible. Without a folder, nothing is saved.
        seed: of the order, the timesteps, the noise, and the dropped classes.
        save_every: seconds between two saves of resume.safetensors, which is also saved after every epoch.
        learn: the step itself, training_step or a function with the same arguments.

    Raises a ValueError or DataError at once for data that do not fit, and a TrainingError for a folder of another run
    or a damaged one, for one that another process trains in, for a loss that is not a number, and when a checkpoint
    cannot be written.
    """
    check_network(network, "network")
    images, labels = check_run(recipe, data, seed)
    check_function(learn, "learn", "training_step")
    if folder is not None:
        check_path(folder, "folder")
    check_number(save_every, "save_every", 0)
    run = TrainingRun(network, recipe, images, labels, seed, None if folder is None else Path(folder))
    return _train(run, save_every, learn)


def _train(run: "TrainingRun", save_every: float, learn: Callable[..., Tensor]) -> Iterator[Progress]:
    # apart from train(): a generator's body runs only at the first next(), and bad arguments should fail at the call
    with run.claim:
        model = run.accelerator.prepare_model(run.network)  # with several processes, it averages their gradients
        saved_at = time.monotonic()
        while run.epoch < run.recipe.epochs:
            inputs, target = run.next_batch()
            run.set_rates()
            loss = learn(model, run.optimizer, inputs, target)
            progress = run.count(loss)
            if progress.epoch_done:
                run.save_weights()
            if progress.epoch_done or time.monotonic() - saved_at > save_every:
                run.save()
                saved_at = time.monotonic()
            yield progress


class TrainingRun:
    """The state of a training run, and its file resume.safetensors, which holds everything that changes."""

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
        self.optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr, fused=True)  # one call for all weights
        self.generator = torch.Generator().manual_seed(seed)
        self.epoch, self.step = 0, 0  # how many are done: epochs, and steps of the next one
        self.order = torch.arange(len(images))
        self.losses: list[float] = []
        self.claim = nullcontext()  # on the folder
        if folder is not None:
            data = zlib.crc32(labels.numpy(), zlib.crc32(images.numpy()))
            if self.accelerator.is_main_process:  # the others write nothing
                self.claim = claim(folder)
            self.identity = {"recipe": repr(recipe), "seed": str(seed), "data": f"{len(images)} images, {data:08x}"}
            if (folder / RESUME).exists():
                self.load()

    @property
    def steps(self) -> int:
        """The number of steps in each epoch."""
        return len(self.images) // self.recipe.batch_size

    def next_batch(self) -> tuple[list[Tensor], Tensor]:
        """The network's arguments and target for the next step: this process's share of them."""
        if self.step == 0:
            self.order = torch.randperm(len(self.images), generator=self.generator)
        indices = self.order[self.step * self.recipe.batch_size :][: self.recipe.batch_size]
        # every process draws the whole batch, which makes the noise independent of the number of processes
        inputs, target = self.recipe.task.examples(self.images[indices], self.labels[indices], self.generator)
        return [self.share(x) for x in inputs], self.share(target)

    def set_rates(self) -> None:
        """Set Adam's learning rate and BatchNorm's momentum for the next step, as the recipe has them."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate(self.epoch + self.step / self.steps)
        for module in self.batch_norms:
            module.momentum = self.recipe.momentum(self.epoch * self.steps + self.step)

    def count(self, loss: Tensor) -> Progress:
        """Record a step that has just been done, with its loss, a scalar in each process."""
        mean_loss = self.accelerator.reduce(loss, "mean").item()
        if not math.isfinite(mean_loss):
            raise TrainingError(
                f"the loss is {mean_loss} in epoch {self.epoch + 1}, step {self.step + 1}; wanted a finite number. "
                f"A smaller learning rate than {self.recipe.lr:g} may help. {self.what_is_left()}"
            )
        self.losses.append(mean_loss)
        self.step += 1
        progress = Progress(self.epoch + 1, self.recipe.epochs, self.step, self.steps, mean_loss)
        if progress.epoch_done:
            self.epoch, self.step = self.epoch + 1, 0
        return progress

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
        """Write the weights of the epoch that has just ended."""
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
        """Restore the state from resume.safetensors."""
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


def check_run(recipe: Recipe, data: TensorDataset, seed: int) -> tuple[Tensor, Tensor]:
    """The images (N, 1, 28, 28) and labels (N,) for a training by this recipe."""
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe is {in_words(recipe)}; wanted a Recipe, such as helpers.recipes.one_step.")
    images, labels = check_data(data)
    check_seed(seed)
    if recipe.batch_size > len(images):
        raise DataError(
            f"batch_size is {recipe.batch_size}, but there are only {len(images)} images; wanted at most that many."
        )
    return images, labels


def check_data(data: TensorDataset) -> tuple[Tensor, Tensor]:
    """The images (N, 1, 28, 28) in [0, 1] and labels (N,) of a data set such as mnist()."""
    if not isinstance(data, TensorDataset) or len(data.tensors) != 2:
        raise TypeError(f"data is {in_words(data)}; wanted a TensorDataset of images and labels, such as mnist().")
    images, labels = data.tensors
    check_image(images, "the images", 0, 1)
    one_hot(labels)  # or its error
    return images.cpu().contiguous(), labels.cpu().contiguous()


def training_folder(folder: str | os.PathLike, recipe: Recipe, data: TensorDataset, *, seed: int = 0) -> Path:
    """The folder for a training that several notebooks share: `folder`, folder-2, … or folder-9.

        folder = training_folder("runs/digits", recipe, mnist())
        for progress in train(recipe.new_network(), recipe, mnist(), folder=folder):
            ...  # no step is left if the folder has the finished training

    It is the first that is empty or has a training by the same recipe, data and seed, which `train` resumes. A folder
    that is damaged, in use or of another training is reported and left as it is. If none can be used, or if nothing can
    be written there, it is a temporary folder.
    """
    check_path(folder, "folder")
    images, labels = check_run(recipe, data, seed)
    for number in range(1, 10):
        candidate = Path(folder if number == 1 else f"{folder}-{number}")
        try:
            TrainingRun(recipe.new_network(seed), recipe, images, labels, seed, candidate)  # reads what is there
            return candidate
        except TrainingError as error:
            print(f"{candidate} is not used: {error}")
    return Path(tempfile.mkdtemp(prefix="training-"))


def loss_history(folder: str | os.PathLike) -> Tensor:
    """The loss of every step that the run in this folder had done when it was last saved, (steps,)."""
    check_path(folder, "folder")
    return read_tensors(Path(folder) / RESUME)[0]["losses"]


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Train by one of the kit's recipes, in a folder. The same command again resumes a training that was stopped."""
    parser = argparse.ArgumentParser(prog="python -m helpers.training", description=main.__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--out", required=True, help="folder for the checkpoints")
    for field in fields(Recipe)[1:]:  # --hidden, --epochs, …
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, help="instead of the recipe's own")
    parser.add_argument("--images", type=int, help="train on only so many")
    parser.add_argument("--data", help="folder of another data set in MNIST's format")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    with errors_end(parser, TrainingError, ValueError, stopped="stopped; the same command resumes from the last save"):
        run_command(args)


def run_command(args: argparse.Namespace) -> None:
    """Run the command."""
    changes = {field.name: getattr(args, field.name) for field in fields(Recipe)[1:]}
    recipe = replace(RECIPES[args.recipe], **{name: value for name, value in changes.items() if value is not None})
    data = mnist(folder=args.data)
    if args.images is not None:
        check_integer(args.images, "images", 1, len(data))
        data = TensorDataset(*data[: args.images])
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
