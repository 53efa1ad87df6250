"""Mini-IF's training: predict v and the variance from a noised image, its noise level and a caption.

This module has the loop, the loss and stage I; upscaling.py has what differs for stage II.

    python -m making.mini_if.training --out runs/mini-if --init runs/mini-if-start
    accelerate launch --multi_gpu -m making.mini_if.training --out runs/mini-if --init runs/mini-if-start

The second line is for several GPUs; helpers/training.py shows how to start two processes on one CPU.
The same command resumes an interrupted run, even after kill -9. The folder contains resume.safetensors, the complete
state of the run; samples/, grids of samples for the course's prompts; and model/, the averaged weights in IF format,
on which `make course MODEL=runs/mini-if/model` runs every notebook.
"""

import argparse
import copy
import functools
import inspect
import math
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from helpers.checkpoints import (
    RESUME,
    TrainingError,
    claim,
    load_adam,
    load_weights,
    read_run,
    read_tensors,
    write_tensors,
)
from helpers.checksums import write_sums
from helpers.command import errors_end
from helpers.denoisers import guided
from helpers.devices import bf16_autocast
from helpers.hub import ModelError
from helpers.if_denoisers import TextDenoiser
from helpers.patch_unet import PatchUNet, VUNet
from helpers.processes import new_accelerator
from helpers.prompts import course_prompts, load_embeddings
from helpers.sampling import draw_noise, dynamic_threshold, forward
from helpers.schedule import NoiseSchedule
from helpers.show import grid
from helpers.stages import BUNDLED, STAGE_2, load_network
from helpers.validate import check_integer
from making.sampling import paint

from .dataset import CACHE, Dataset, DatasetError
from .recipe import StageRecipe

LEVELS = 10  # noise levels that the loss is reported for: t from 0 to 99, from 100 to 199 …
REPORT = 100  # steps between two rows of the loss history


# ---- the loss -----------------------------------------------------------------------------------------------------


class VNetwork(nn.Module):
    """Wraps a network so that a call is predict_v. (With several processes, DDP wraps only forward.)"""

    def __init__(self, unet: VUNet):
        super().__init__()
        self.unet = unet

    def forward(self, x_t: Tensor, t: Tensor, *cond: Tensor) -> tuple[Tensor, Tensor]:
        return self.unet.predict_v(x_t, t, *cond)


def v_target(x0: Tensor, eps: Tensor, abar_t: Tensor) -> Tensor:
    """v = √abar_t eps - √(1 - abar_t) x0, images (B, C, H, W) and abar_t (B, 1, 1, 1).

    Source: Salimans & Ho 2022, "Progressive Distillation", section 4 (arXiv:2202.00512).
    """
    return abar_t.sqrt() * eps - (1 - abar_t).sqrt() * x0


def variance_loss(var: Tensor, x0_error: Tensor, t: Tensor, schedule: NoiseSchedule) -> Tensor:
    """KL(q(x_s | x_t, x0) ‖ p(x_s | x_t)) for s = t - 1, in nats per value, (B,): the loss of the variance channels.

    Args:
        var: the variance channels (B, C, H, W), which interpolate between log beta-tilde (-1) and log beta (+1).
        x0_error: x0 - x0_hat. It is detached, so that only v's loss trains the mean.
        t: timesteps (B,).

    Source: Nichol & Dhariwal 2021, equations 15 and 16 (arXiv:2102.09672). Like theirs, beta-tilde at t = 0, which
    is 0, is that of t = 1.
    """
    abar = schedule.alphas_cumprod.to(var.device)
    abar_s = torch.cat([torch.ones_like(abar[:1]), abar[:-1]])
    beta = schedule.betas.to(var.device)
    beta_tilde = beta * (1 - abar_s) / (1 - abar)
    beta_tilde[0] = beta_tilde[1]
    weight = abar_s.sqrt() * beta / (1 - abar)  # of x0 in the posterior's mean

    beta, beta_tilde, weight = (values[t].view(-1, 1, 1, 1) for values in (beta, beta_tilde, weight))
    v = (var + 1) / 2
    log_variance = v * beta.log() + (1 - v) * beta_tilde.log()
    shift = (weight * x0_error.detach()) ** 2
    kl = 0.5 * (log_variance - beta_tilde.log() + (beta_tilde + shift) * torch.exp(-log_variance) - 1)
    return kl.mean(dim=(1, 2, 3))


# ---- the loop -----------------------------------------------------------------------------------------------------


class StageProgress(NamedTuple):
    """Reports a training step that has just been done."""

    step: int  # 1 … steps
    loss: float


class StageRun:
    """A training run of stage I, and its files. Stage II overrides draw() and save_…()."""

    recipe_class = StageRecipe
    size = 64  # of the data set's examples, in pixels
    unet_folder = "unet"  # the trained network's, in a model's folder

    def __init__(self, network: VUNet, recipe: StageRecipe, dataset: Dataset, folder: Path, seed: int = 0):
        self.recipe, self.dataset, self.folder, self.seed = recipe, dataset, Path(folder), seed
        self.accelerator = new_accelerator()
        self.processes, self.device = self.accelerator.num_processes, self.accelerator.device
        if recipe.batch_size % self.processes:
            raise ValueError(
                f"batch_size is {recipe.batch_size}; wanted a multiple of {self.processes}, the processes."
            )
        start = functools.reduce(lambda crc, w: zlib.crc32(w.numpy(), crc), network.state_dict().values(), 0)
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.network.requires_grad_(True).freeze()
        learning = [weights for weights in self.network.parameters() if weights.requires_grad]
        self.optimizer = torch.optim.AdamW(learning, lr=recipe.lr, betas=(0.9, 0.99), fused=True)
        self.schedule = NoiseSchedule.cosine(network.config.T)
        self.step = 0  # number of steps done
        self.tally = torch.zeros(2, LEVELS, dtype=torch.double)  # sum and number of the losses since the last row
        self.history: list[list[float]] = []  # rows: step, and the mean loss at each noise level
        self.identity = {
            "recipe": recipe.identity,
            "seed": str(seed),
            "start": f"{start:08x}",
            "data": dataset.identity,
        }
        if (self.folder / RESUME).exists():
            self.load()

    def batch(self) -> tuple[Tensor, ...]:
        """This process's share of the next step."""
        return self.share(self.accelerator.process_index)

    def share(self, process: int) -> tuple[Tensor, ...]:
        """A process's share of the next step: x0 and eps (B, C, H, W), t (B,), text states (B, 77, 384), and further
        inputs of the network.

        All random numbers follow from seed, step and process, so no generator's state needs saving. Each process
        composes only its own images, so a run with another number of processes trains on other images.
        """
        name = f"seed {self.seed}, step {self.step}, process {process}"
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))  # (a seed has 32 bits)
        n = self.recipe.batch_size // self.processes
        x0, captions, more = self.draw(n, generator)
        t = torch.randint(self.schedule.T, (n,), generator=generator)
        eps = draw_noise(x0.shape, generator, torch.device("cpu"))
        text = self.dataset.states[captions.to(self.dataset.states.device)].float()
        return tuple(x.to(self.device) for x in (x0, eps, t, text, *more))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """n training images, the indices of their captions (n,), and further inputs of the network: none in stage I."""
        examples = self.dataset.examples(n, generator, p_empty=self.recipe.p_empty)
        return examples.images, examples.captions, ()

    def losses(self, model: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
        """The next batch's losses, (B,) each: v's mean squared error and the variance's; and its timesteps t."""
        x0, eps, t, *cond = self.batch()
        x_t, _ = forward(x0, t, self.schedule.alphas_cumprod, noise=eps)
        with bf16_autocast(self.device), sdpa_kernel(SDPBackend.MATH):  # (the fused attention is slow on a CPU)
            v_hat, var = model(x_t, t, *cond)
        abar_t = self.schedule.abar(t, x_t)
        x0_hat = abar_t.sqrt() * x_t - (1 - abar_t).sqrt() * v_hat.float()
        errors = v_hat.float() - v_target(x0, eps, abar_t)
        mse = (self.network.weight(t) * errors**2).mean(dim=(1, 2, 3))
        return mse, variance_loss(var.float(), x0 - x0_hat, t, self.schedule), t

    def train(self, save_every: float = 300.0) -> Iterator[StageProgress]:
        """Train to the recipe's last step. Yields StageProgress after every step; saves every `save_every` seconds."""
        model = self.accelerator.prepare_model(VNetwork(self.network))  # with several processes, averages gradients
        saved_at = time.monotonic()
        while self.step < self.recipe.steps:
            self.network.eval()  # nothing drops out, and in training mode diffusers' ResNets copy their inputs
            mse, variance, t = self.losses(model)
            loss = mse.mean() + self.recipe.variance_weight * variance.mean()
            mean_loss = self.accelerator.reduce(loss.detach(), "mean").item()
            if not math.isfinite(mean_loss):
                raise TrainingError(
                    f"the loss is {mean_loss} in step {self.step + 1}; wanted a finite number. A smaller learning "
                    f"rate than {self.recipe.lr:g} may help; the last good state is in {self.folder / RESUME}."
                )
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate(self.step)
            self.optimizer.zero_grad()
            self.accelerator.backward(loss)
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            weights, averages = list(self.network.parameters()), list(self.average.parameters())
            torch._foreach_lerp_(averages, [w.detach() for w in weights], 1 - self.recipe.averaging(self.step))

            self.step += 1
            self.count(mse.detach(), t)
            if time.monotonic() - saved_at > save_every or self.step == self.recipe.steps:
                self.save()
                saved_at = time.monotonic()
            yield StageProgress(self.step, mean_loss)

    def count(self, mse: Tensor, t: Tensor) -> None:
        """Add v's losses (B,) at timesteps t (B,) to the history."""
        level = (t * LEVELS // self.schedule.T).cpu()
        sums = torch.zeros(2, LEVELS, dtype=torch.double)
        sums[0].index_add_(0, level, mse.cpu().double())
        sums[1] = level.bincount(minlength=LEVELS)
        self.tally += self.accelerator.reduce(sums.float().to(self.device), "sum").cpu()
        if self.step % REPORT == 0:
            self.history.append([self.step, *(self.tally[0] / self.tally[1]).tolist()])
            self.tally.zero_()

    # ---- its files ----

    def tensors(self) -> dict[str, Tensor]:
        """The state by name. The learning rate and the random numbers follow from the step."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for moment, value in self.optimizer.state[parameter].items():  # step, exp_avg, exp_avg_sq
                tensors[f"adam.{name}.{moment}"] = value
        tensors["step"] = torch.tensor(self.step)
        tensors["tally"] = self.tally
        tensors["history"] = torch.tensor(self.history, dtype=torch.double).view(-1, 1 + LEVELS)
        return tensors

    def save(self) -> None:
        """Replace resume.safetensors."""
        if self.accelerator.is_main_process:
            if not all(torch.isfinite(weights).all() for weights in self.network.parameters()):
                raise TrainingError(
                    f"the weights are no longer finite after step {self.step}; the last good state is in "
                    f"{self.folder / RESUME}. A smaller learning rate than {self.recipe.lr:g} may help."
                )
            write_tensors(self.tensors(), self.folder / RESUME, self.identity)

    def load(self) -> None:
        """Restore the state from resume.safetensors."""
        file = self.folder / RESUME
        tensors = read_run(file, self.identity)
        try:
            for prefix, network in (("network.", self.network), ("average.", self.average)):
                weights = {
                    name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)
                }
                load_weights(network, weights, file)
            load_adam(self.optimizer, self.network, tensors)
            self.step = int(tensors["step"])
            self.tally = tensors["tally"]
            self.history = tensors["history"].tolist()
        except (KeyError, RuntimeError) as error:
            raise TrainingError(f"{file} does not fit this network: {error}. Train in another folder.") from error

    def save_results(self) -> None:
        """Write samples and the model, if this is the main process."""
        if self.accelerator.is_main_process:
            self.save_model()
            self.save_samples()

    def save_model(self) -> None:
        """Replace model/ by the averaged weights in fp16, as a model that load_model reads."""
        partial, folder = self.folder / "model.partial", self.folder / "model"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(BUNDLED["mini-if"], partial, ignore=shutil.ignore_patterns("*.md", "evaluation.json"))
        self.save_stage(copy.deepcopy(self.average).to(torch.float16, memory_format=torch.contiguous_format), partial)
        for stage in (partial / STAGE_2, partial):
            write_sums(stage)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)

    def save_stage(self, network: VUNet, folder: Path) -> None:
        """Replace this stage in a model's folder; the other stage is the bundled model's."""
        shutil.rmtree(folder / self.unet_folder)
        network.save_pretrained(folder / self.unet_folder)

    def save_samples(self, gamma: float = 5.0, steps: int = 20) -> None:
        """Write samples for the course's prompts to samples/, always from the same noise."""
        prompts = [prompt for prompt in course_prompts() if prompt]
        embeddings = load_embeddings(BUNDLED["mini-if"])
        denoiser = TextDenoiser(self.average.eval(), self.schedule, embeddings[""][None].float())
        cond = torch.stack([embeddings[prompt] for prompt in prompts]).float()
        with bf16_autocast(self.device):
            images = paint(guided(denoiser, gamma), cond, len(prompts), steps=steps, threshold=dynamic_threshold)
        (self.folder / "samples").mkdir(parents=True, exist_ok=True)
        image = grid(list(images.clamp(-1, 1)), prompts, columns=9, cell=128)
        image.save(self.folder / "samples" / f"step-{self.step:07d}.png")


def stage_history(folder: Path) -> Tensor:
    """The last saved loss history of a run (rows, 11): the step, and v's mean loss at ten noise levels since the
    previous row."""
    return read_tensors(Path(folder) / RESUME)[0]["history"]


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None, run_class: type[StageRun] = StageRun) -> None:
    """Train a stage of Mini-IF in a folder; the same command resumes an interrupted run."""
    module = Path(inspect.getfile(run_class)).stem
    parser = argparse.ArgumentParser(prog=f"python -m making.mini_if.{module}", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoints")
    parser.add_argument("--data", type=Path, default=CACHE, help="the training set's folder")
    parser.add_argument("--init", type=Path, help="a folder with the unet/ to start from, such as data/models/mini-if")
    for field in fields(run_class.recipe_class):  # --steps, --lr, …
        many = {"type": int, "nargs": "+"} if field.name == "channels" else {"type": field.type}
        parser.add_argument(f"--{field.name.replace('_', '-')}", **many, help=f"default: {field.default}")
    parser.add_argument("--samples-every", type=int, default=2000, help="steps between two grids of samples")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    stopped = "stopped; the same command resumes from the last save"
    with errors_end(parser, TrainingError, DatasetError, ModelError, ValueError, stopped=stopped):
        try:
            run_command(args, run_class)
        except OSError as error:  # such as a full disk
            where = f"The last good state is in {args.out / RESUME}; the same command resumes from it."
            raise TrainingError(f"{error}. {where}") from error


def run_command(args: argparse.Namespace, run_class: type[StageRun]) -> None:
    """Run the command."""
    recipe = run_class.recipe_class()
    given = {field.name: getattr(args, field.name) for field in fields(recipe)}
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    recipe = replace(recipe, channels=tuple(recipe.channels))
    unet_folder = None if args.init is None else args.init / run_class.unet_folder
    network = recipe.new_network(args.seed) if unet_folder is None else load_network(unet_folder)
    if not isinstance(network, recipe.network_class):
        raise ModelError(f"{unet_folder} has a {type(network).__name__}; wanted a {recipe.network_class.__name__}.")
    check_integer(args.samples_every, "samples_every", 1)
    run = run_class(network, recipe, Dataset(args.data, run_class.size), args.out, args.seed)
    report = functools.partial(print, flush=True) if run.accelerator.is_main_process else lambda *_: None
    report(f"{recipe}, in {args.out}, from step {run.step}")
    if unet_folder is None and isinstance(network, PatchUNet):
        report("No --init: the drafter is untrained. Run python -m making.mini_if.drafts, then --init with its folder.")
    with claim(args.out) if run.accelerator.is_main_process else nullcontext():
        began, done = time.monotonic(), run.step
        for progress in run.train():
            if progress.step % REPORT == 0:
                speed = (progress.step - done) * recipe.batch_size / (time.monotonic() - began)
                levels = " ".join(f"{loss:.3f}" for loss in run.history[-1][1:])
                report(f"step {progress.step}/{recipe.steps}  {speed:.0f} images/s  loss by noise level {levels}")
                began, done = time.monotonic(), progress.step
            if progress.step % args.samples_every == 0 and progress.step < recipe.steps:
                run.save_results()
        # even if no step was left: an earlier run may have been killed before it saved its results
        run.save_results()
        report(f"done: {args.out / 'model'}")


if __name__ == "__main__":
    main()
