"""Install the kit from nothing and run one notebook: `make smoke`, or `python -m ci.smoke`.

The last commit is cloned into an empty folder. The seconds, the downloads and the disk that the installation took are
printed. On a computer for which the CPU build is meant, more than the budget is an error.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ci.install import ROOT, build_for_this_computer, python_of

DOWNLOADS, DISK = 700, 2500  # the budget without a GPU, in MB
UNITS = {"bytes": 1e-6, "kB": 1e-3, "MB": 1, "GB": 1e3, "KiB": 1.024e-3, "MiB": 1.024**2, "GiB": 1e3 * 1.024**3}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--notebooks", default="a1_1", help="which to run, such as 'a1_1 b1_1'")
    parser.add_argument("--constraints", default="", help="a file of name==version lines for the installation")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        clone = Path(folder) / "course"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), clone], check=True)
        start = time.monotonic()
        said = echo([sys.executable, "ci/install.py", "--constraints", args.constraints], clone)
        seconds, downloads, disk = time.monotonic() - start, downloaded(said), size(clone / ".venv")
        start = time.monotonic()
        echo([python_of(clone / ".venv"), "-m", "ci.run_notebooks", "--notebooks", args.notebooks], clone)
        running = time.monotonic() - start
    print(f"Installed in {seconds:.0f} s: {downloads:.0f} MB of downloads, {disk:.0f} MB of disk.")
    print(f"Ran {args.notebooks} in {running:.0f} s.")
    if build_for_this_computer() == "cpu" and (downloads > DOWNLOADS or disk > DISK):
        print(f"wanted at most {DOWNLOADS} MB of downloads and {DISK} MB of disk.", file=sys.stderr)
        return 1
    return 0


def echo(command: list, folder: Path) -> str:
    """Run a command in a folder; its output is printed as it comes, and returned. Exits if it fails."""
    said = []
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            said.append(line)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed with status {process.returncode}.")
    return "".join(said)


def downloaded(said: str) -> float:
    """The MB that pip or uv said that they download; what pip takes from its cache or from a folder counts as well.

    uv names only the larger files.
    """
    sizes = re.findall(r"^ *(?:Downloading|Using cached) \S+ \(([\d.]+) ?(\w+)\)", said, flags=re.MULTILINE)
    local = re.findall(r"^ *Processing (\S+\.whl)", said, flags=re.MULTILINE)
    return sum(float(number) * UNITS[unit] for number, unit in sizes) + sum(Path(f).stat().st_size for f in local) / 1e6


def size(folder: Path) -> float:
    """The MB of all files in a folder."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
