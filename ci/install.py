# /// script
# requires-python = ">=3.11"
# ///
"""Install the kit into a virtual environment: `make` runs this first; without make, run it once.

    python ci/install.py                    into .venv
    python ci/install.py build/other --torch default --extras browser,site --constraints constraints.txt

PyPI's PyTorch for Linux carries CUDA, several GB. Where there is no NVIDIA GPU, PyTorch's own index for CPU builds is
asked first; if it does not answer, PyPI's build is installed. uv does the work where it is installed, otherwise pip.
This file needs Python and nothing else, because it runs before anything is installed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (it is older Pythons that need the message)
    sys.exit(
        f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}; wanted 3.11 or newer. "
        "Name a newer one: make PYTHON=python3.12 course, or python3.12 ci/install.py."
    )

ROOT = Path(__file__).resolve().parent.parent
# for CI and for universities with a mirror of their own
PYTORCH_INDEX = os.environ.get("PYTORCH_INDEX", "https://download.pytorch.org/whl")
BUILDS = {"cpu": "cpu", "cuda": "cu130"}  # folders of that index
# for a try that has an alternative: an index that cannot be reached costs some twenty seconds at most
IMPATIENT = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "8", "UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "8"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / ".venv", help="the environment (.venv)")
    parser.add_argument(
        "--torch",
        choices=["", *BUILDS, "default"],
        default="",
        help="PyTorch's CPU or CUDA build, or the one that PyPI has; by default the CPU build on Linux without a GPU",
    )
    parser.add_argument("--extras", default="", help="optional parts that pyproject.toml names: browser,site")
    parser.add_argument("--constraints", default="", help="a file of name==version lines to keep to")
    args = parser.parse_args(arguments)

    python = environment(args.folder)
    install = [*installer(python), *(["-c", args.constraints] if args.constraints else [])]
    build = args.torch or build_for_this_computer()
    if build in BUILDS and not install_torch(install, build):
        if args.torch:
            sys.exit(f"PyTorch's {build} build could not be installed: see above. TORCH=default takes PyPI's.")
        print("That failed, so PyPI's PyTorch is installed, which works as well but takes 5 GB.", flush=True)
    project = f"{ROOT}[{args.extras}]" if args.extras else str(ROOT)
    return subprocess.run([*install, "-e", project]).returncode


def environment(folder: Path) -> Path:
    """The Python of a virtual environment, which is made if it is not there."""
    if subprocess.run([sys.executable, "-m", "venv", folder]).returncode:
        sys.exit(f"the environment {folder} could not be made: see above.")
    return python_of(folder)


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def installer(python: Path) -> list[str]:
    """The beginning of the command that installs packages for a Python."""
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", str(python)]
    pip = [str(python), "-m", "pip", "install"]
    subprocess.run([*pip, "--quiet", "--upgrade", "pip"])  # an older one does as well
    return [*pip, "--no-compile"]  # like uv: Python compiles what is imported, a small part, at the first import


def build_for_this_computer() -> str:
    """The CPU build of PyTorch on Linux without an NVIDIA GPU. Elsewhere PyPI's build is the right one."""
    has_gpu = shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists()
    return "cpu" if sys.platform == "linux" and not has_gpu else "default"


def install_torch(install: list[str], build: str) -> bool:
    """Install one build of torch and torchvision from PyTorch's index, without what they need. Returns whether it did.

    The rest, which the next step installs, comes from the usual index: PyTorch's has old versions of it.
    """
    index = f"{PYTORCH_INDEX}/{BUILDS[build]}"
    print(f"Installing PyTorch's {build.upper()} build, from {index} …", flush=True)
    command = [*install, "--no-deps", "--index-url", index, *torch_requirements()]
    return subprocess.run(command, env=os.environ | IMPATIENT).returncode == 0


def torch_requirements() -> list[str]:
    """The lines of requirements.txt for torch and torchvision."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return re.findall(r"^torch\S*", text, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())
