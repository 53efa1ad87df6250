"""The trained digit networks that ship with the kit."""

import copy
import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .checkpoints import TrainingError, load_weights, read_tensors, write_tensors
from .data import DATA
from .unet import ClassConditionalUNet, TimeConditionalUNet, TimeScaledUNet, UnconditionalUNet
from .validate import check_path

__all__ = ["RESULTS", "Result", "load_result", "load_unet", "save_result", "save_unet"]

RESULTS = DATA / "models" / "digits"  # the networks that ship with the kit
NETWORKS = (UnconditionalUNet, TimeConditionalUNet, TimeScaledUNet, ClassConditionalUNet)
UNETS = {unet.__name__: unet for unet in NETWORKS}


class Result(NamedTuple):
    """A finished training."""

    network: nn.Module  # ready to predict
    recipe: str  # in words
    losses: Tensor  # of every step, (steps,)
    steps: int  # in each epoch
    samples: dict[int, Tensor]  # its samples after some of the epochs, each (N, 1, 28, 28) in [0, 1]


def load_result(name: str) -> Result:
    """The bundled "one-step", "time-conditional" or "class-conditional" training: weights, losses and samples.

    data/models/digits/README.md describes their training and quality.
    """
    there = sorted(file.parent.name for file in RESULTS.glob("*/results.safetensors"))
    if name not in there:
        raise ValueError(f"there is no result {name!r}; wanted one of {', '.join(there)}.")
    tensors, about = read_tensors(RESULTS / name / "results.safetensors")
    losses = tensors.pop("losses")
    samples = {int(epoch.removeprefix("epoch-")): images.float() / 255 for epoch, images in sorted(tensors.items())}
    network = load_unet(RESULTS / name / "weights.safetensors")
    return Result(network, about["recipe"], losses, len(losses) // int(about["epochs"]), samples)


def save_result(result: Result, name: str) -> None:
    """Write the files that `load_result` reads: weights in fp16, samples in 256 levels."""
    samples = {
        f"epoch-{epoch:02d}": (images.clamp(0, 1) * 255).round().to(torch.uint8)
        for epoch, images in result.samples.items()
    }
    about = {"recipe": result.recipe, "epochs": str(len(result.losses) // result.steps)}
    write_tensors({"losses": result.losses, **samples}, RESULTS / name / "results.safetensors", about)
    save_unet(copy.deepcopy(result.network).half(), RESULTS / name / "weights.safetensors")


def save_unet(network: nn.Module, file: str | os.PathLike) -> None:
    """Write a network's weights, its class and its width, for `load_unet`."""
    about = {"unet": type(network).__name__, "hidden": str(getattr(network, "hidden", "unknown"))}
    write_tensors(network.state_dict(), Path(file), about)


def load_unet(file: str | os.PathLike) -> nn.Module:
    """The network that save_unet wrote, in evaluation mode: in fp32 (also from a file in fp16), on the CPU.

    Raises a TrainingError for a file that is missing, damaged, or of another network.
    """
    check_path(file, "file")
    file = Path(file)
    tensors, about = read_tensors(file)
    if about.get("unet") not in UNETS or not about.get("hidden", "").isdecimal():
        raise TrainingError(
            f"{file} is of {about or 'an unnamed network'}; wanted weights of one of {', '.join(UNETS)}."
        )
    network = UNETS[about["unet"]](int(about["hidden"]))
    load_weights(network, tensors, file)
    return network.eval().to(memory_format=torch.channels_last)  # faster convolutions on a CPU
