"""Set up the course on a hosted notebook server (Colab, Kaggle), from a clone there. A notebook's first cell calls it.

Only missing packages are installed. PyTorch, torchvision and NumPy are never replaced: the host's versions fit its GPU
and driver, and the running kernel may have loaded them already.
"""

import importlib
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
FOR_STUDENTS, END = ROOT / "requirements.txt", "# running the notebooks"  # the host has its own way of running them
KEPT = ("torch", "torchvision", "numpy")


def prepare() -> None:
    """Install missing packages, change to the notebooks' folder, and make helpers/ importable."""
    install(missing(needed(FOR_STUDENTS.read_text(encoding="utf-8"))))
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    os.chdir(ROOT / "notebooks")


def needed(requirements: str) -> list[Requirement]:
    """The entries of requirements.txt that a notebook imports: those before the tools that run and check notebooks."""
    lines = requirements[: requirements.index(END)].splitlines()
    entries = [line.partition("#")[0].strip() for line in lines]
    return [Requirement(entry) for entry in entries if entry]


def version(package: str) -> str | None:
    """The installed version of a package, if it is installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def missing(requirements: list[Requirement]) -> list[Requirement]:
    """Requirements that are not installed, or too old. Raises a RuntimeError for one that must not be replaced."""
    lacking = []
    for requirement in requirements:
        installed = version(requirement.name)
        if installed is not None and requirement.specifier.contains(installed, prereleases=True):
            continue
        if installed is not None and requirement.name in KEPT:
            raise RuntimeError(
                f"this host has {requirement.name} {installed}; wanted {requirement}. "
                "Choose a newer runtime or environment in the host's menu: the course never replaces PyTorch or NumPy."
            )
        lacking.append(requirement)
    return lacking


def install(requirements: list[Requirement]) -> None:
    """Install these with pip, without changing the packages that must stay."""
    if not requirements:
        return
    # naming the installed versions makes pip keep them
    kept = [f"{package}=={version(package)}" for package in KEPT if version(package)]
    wanted = [str(requirement) for requirement in requirements]
    try:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *wanted, *kept], check=True)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(
            f"pip could not install {', '.join(wanted)}; it says why above. "
            "Kaggle: is Internet switched on in the notebook's settings?"
        ) from error
    importlib.invalidate_caches()  # so that this kernel finds them
    print(f"Installed {', '.join(wanted)}.")
