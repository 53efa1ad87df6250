"""Checksums of files, because a single flipped bit can change a network.

A file of tensors that the kit writes contains its own. The models that ship are listed in a file SHA256SUMS in their
folder, which `sha256sum --check` reads as well. Update the list after a change to one of them:

    python -m helpers.checksums data/models/mini-if          (`make checksums` does it for all)
"""

import argparse
import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from .files import write_whole

__all__ = ["SUMS", "damaged", "is_listed", "places", "renew", "tensors_sum", "write_sums"]

SUMS = "SHA256SUMS"
LISTED = ("*.safetensors", "*config.json", "model_index.json", "known.json")  # all files that are loaded


# ---- a file of tensors ---------------------------------------------------------------------------------------------


def tensors_sum(tensors: dict[str, Tensor], about: dict[str, str]) -> str:
    """The SHA-256 of the contents of a file of tensors: names, dtypes, shapes, values and metadata."""
    sha = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()


# ---- a folder ------------------------------------------------------------------------------------------------------


def file_sum(file: Path) -> str:
    """The SHA-256 of a file."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def read_sums(folder: Path) -> dict[str, str]:
    """The checksums in a folder's SHA256SUMS, by file name; none without such a list."""
    file = folder / SUMS
    if not file.is_file():
        return {}
    lines = [line.partition("  ") for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return {name: digest for digest, _, name in lines}


def write_sums(folder: Path) -> list[str]:
    """Update a model folder's list, without inner folders that have their own. Returns the listed files' names."""
    inner = [file.parent for file in folder.glob(f"*/{SUMS}")]
    files = {file for pattern in LISTED for file in folder.rglob(pattern)}
    files = sorted(file for file in files if not any(file.is_relative_to(other) for other in inner))
    save_sums({file.relative_to(folder).as_posix(): file_sum(file) for file in files}, folder)
    return [file.relative_to(folder).as_posix() for file in files]


def save_sums(sums: dict[str, str], folder: Path) -> None:
    """Write a folder's list."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    write_whole("".join(lines).encode(), folder / SUMS)


def damaged(folder: Path) -> list[str]:
    """The listed files of a folder that are missing or have changed."""
    sums = read_sums(folder).items()
    return [name for name, digest in sums if not (folder / name).is_file() or file_sum(folder / name) != digest]


def places(file: Path) -> dict[Path, str]:
    """The folders whose lists contain a file (its own, or the one above), and its name there."""
    names = {folder: file.relative_to(folder).as_posix() for folder in file.parents[:2]}
    return {folder: name for folder, name in names.items() if name in read_sums(folder)}


def is_listed(file: Path) -> bool:
    """Whether a list has the current checksum of a file."""
    return any(read_sums(folder)[name] == file_sum(file) for folder, name in places(file).items())


def renew(file: Path) -> None:
    """Update the checksum of a file in the lists that contain it."""
    for folder, name in places(file).items():
        save_sums(read_sums(folder) | {name: file_sum(file)}, folder)


def main(arguments: list[str] | None = None) -> None:
    """Update the checksums of a model's folder, after a change to one of its files."""
    parser = argparse.ArgumentParser(prog="python -m helpers.checksums", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="such as data/models/mini-if")
    for folder in parser.parse_args(arguments).folders:
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")
        names = write_sums(folder)
        if not names:
            (folder / SUMS).unlink()
            parser.error(f"{folder} has no weights")
        print(f"{folder / SUMS} lists {len(names)} files")


if __name__ == "__main__":
    main()
