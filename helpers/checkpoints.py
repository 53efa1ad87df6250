"""Files of tensors with checksums, and locks on the folders that they are written to."""

import json
import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from filelock import BaseFileLock, FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from .checksums import is_listed, places, renew, tensors_sum
from .files import PARTIAL, write_whole

__all__ = [
    "RESUME",
    "TrainingError",
    "claim",
    "load_adam",
    "load_weights",
    "only_writer",
    "read_run",
    "read_tensors",
    "write_tensors",
]

CHECKSUM = "sha256"  # the key of a file's own checksum in its metadata
RESUME = "resume.safetensors"  # in a run's folder: the complete state of the run
LOCK = ".lock"  # in a folder: only the process that holds this lock may write there


class TrainingError(RuntimeError):
    """A training run that cannot start or resume, or a file of one that cannot be read or written."""


def load_weights(network: nn.Module, weights: dict[str, Tensor], file: Path) -> None:
    """Load weights that were read from a file into a network. Raises a TrainingError if they do not fit it."""
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


def only_writer(folder: Path, timeout: float = 60.0) -> AbstractContextManager:
    """A context that only one process or thread can enter at a time, for reading, changing and rewriting a file.

    Raises a TrainingError after `timeout` seconds of waiting.
    """
    return acquire(FileLock(lock_file(folder)), timeout)


def claim(folder: Path) -> AbstractContextManager:
    """Claim a folder for a training until the end of the context, or of this process, even if it is killed.

    Raises a TrainingError if another process has claimed it. The same process may claim it again, because a training
    that was interrupted in a notebook stays in memory. Partial files of a killed process are removed.
    """
    claimed = acquire(FileLock(lock_file(folder), is_singleton=True, thread_local=False), timeout=0)
    for leftover in filter(Path.is_file, folder.glob(f"*{PARTIAL}")):
        leftover.unlink(missing_ok=True)
    return claimed


def lock_file(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder} cannot be made: {error.strerror or error}.") from error
    return folder.resolve() / LOCK


def acquire(lock: BaseFileLock, timeout: float) -> AbstractContextManager:
    """A context that holds the lock. Raises a TrainingError if the lock cannot be acquired."""
    try:
        return lock.acquire(timeout=timeout)
    except NotImplementedError:  # a file system without locks
        return nullcontext()
    except Timeout as error:
        folder = Path(lock.lock_file).parent
        raise TrainingError(
            f"another process is writing to {folder}: wait until it has ended, or use another folder."
        ) from error
    except OSError as error:
        raise TrainingError(f"{lock.lock_file} cannot be written: {error.strerror or error}.") from error


def write_tensors(tensors: dict[str, Tensor], file: Path, about: dict[str, str]) -> None:
    """Write tensors and metadata to a safetensors file, which is complete at every moment: the old one, then the new.

    The metadata includes a checksum of the contents. If a list of checksums contains the file, its entry is updated.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = about | {CHECKSUM: tensors_sum(tensors, about)}
    try:
        write_whole(save(tensors, about), file)
        renew(file)
    except OSError as error:
        old = "The old one is intact." if file.exists() else "There is no older one."
        raise TrainingError(f"{file} cannot be written: {error.strerror or error}. {old}") from error


def read_run(file: Path, identity: dict[str, str]) -> dict[str, Tensor]:
    """The tensors of a run's resume file. Raises a TrainingError if it belongs to a run with another identity."""
    tensors, found = read_tensors(file)
    for what, wanted in identity.items():
        if found.get(what) != wanted:
            raise TrainingError(
                f"{file} belongs to another run: its {what} is {found.get(what)}; wanted {wanted}. "
                "Train in another folder, or delete this one."
            )
    return tensors


def load_adam(optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load Adam's state from the tensors "adam.<parameter>.<moment>". Raises a KeyError that names a missing one."""
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        # in the parameter's own memory layout, so that Adam's arithmetic rounds as it would have
        moments = {what: torch.empty_like(parameter).detach() for what in ("exp_avg", "exp_avg_sq")}
        for what, value in moments.items():
            value.copy_(tensors[f"adam.{name}.{what}"])
        step = tensors[f"adam.{name}.step"]
        if optimizer.defaults.get("fused"):
            step = step.to(parameter.device)
        optimizer.state[parameter] = {"step": step, **moments}


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, and its metadata.

    Raises a TrainingError for a file that is missing, damaged, or differs from its checksum (its own, or a list's).
    """
    if not file.is_file():
        raise TrainingError(f"there is no file {file}; wanted a checkpoint (.safetensors).")
    try:
        content = (
            file.read_bytes()
        )  # at once, because safe_open opens the file twice, and it may be replaced in between
        tensors, size = load(content), int.from_bytes(content[:8], "little")
        about = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{file} is damaged or half written: {error}. Fetch or make it again.") from error
    checksum = about.pop(CHECKSUM, None)
    if checksum is not None:
        whole = checksum == tensors_sum(tensors, about)
    elif places(file):
        whole = is_listed(file)
    else:  # written before files had checksums, unless the key itself is damaged
        whole = not any(re.fullmatch("[0-9a-f]{64}", value) for value in about.values())
    if not whole:
        raise TrainingError(f"{file} is damaged: it differs from its checksum. Fetch or make it again.")
    return tensors, about
