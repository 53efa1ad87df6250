"""Files of tensors that are whole at every moment, and what is wrong with a file that is not."""

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

__all__ = ["RESUME", "TrainingError", "load_adam", "load_weights", "read_run", "read_tensors", "write_tensors"]

RESUME = "resume.safetensors"  # in a run's folder: all that the next step depends on


class TrainingError(RuntimeError):
    """A training run that cannot begin or go on, and what is left of it."""


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
