"""Run the notebooks in an imitation of Colab: `make colab`, a part of `make test-all`.

build/colab is an environment with Colab's versions and without the kit. The notebooks have badges and are in their own
folder. Their first cell clones the last commit of this repository, because git is told to find it here instead of on
GitHub.

    python -m ci.colab                       every notebook
    python -m ci.colab --notebooks a1_1      one
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import nbformat

from ci import badges
from ci.run_notebooks import BUILD, NOTEBOOKS, ROOT, run_all

VERSIONS = ROOT / "ci" / "colab-versions.txt"
ENVIRONMENT = BUILD / "colab"
FREEZE = ENVIRONMENT / "freeze.txt"  # the packages before any notebook ran
REPO, REF = "owner/a-fork", "main"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--notebooks", default="", help="names such as 'a1_4 a1_8'; all by default")
    args = parser.parse_args()
    names = args.notebooks.split() or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))

    python = environment()
    with tempfile.TemporaryDirectory() as folder:
        notebooks = open_on_colab(names, Path(folder), python)
        failed = 0
        for outcome in run_all(notebooks, Path(folder), {}, []):
            fetched = first_output(Path(folder) / f"{outcome.name}.ipynb")
            print(f"{outcome.name:6s} {outcome.seconds:5.1f} s  {outcome.error or 'ok'}  {fetched}", flush=True)
            failed += outcome.error is not None
    changed = sorted(set(FREEZE.read_text().splitlines()) - installed(python))
    if changed:
        print(f"the first cell changed what was preinstalled: {', '.join(changed)}")
    print(f"{len(names) - failed} passed, {failed + len(changed)} failed")
    return 1 if failed or changed else 0


def environment() -> Path:
    """The Python of an environment with Colab's packages, and nothing that an earlier notebook installed."""
    python = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not FREEZE.is_file():
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        pip(python, "install", "-r", str(VERSIONS))
        FREEZE.write_text("\n".join(sorted(installed(python))))
    added = installed(python) - set(FREEZE.read_text().splitlines())
    if added:
        pip(python, "uninstall", "--yes", *(entry.partition("==")[0] for entry in sorted(added)))
    return python


def pip(python: Path, *arguments: str) -> str:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def installed(python: Path) -> set[str]:
    """name==version of every package."""
    return set(pip(python, "freeze").splitlines())


def open_on_colab(names: list[str], folder: Path, python: Path) -> list[Path]:
    """The notebooks as a badge opens them. Sets this process's environment variables as on Colab."""
    content = folder / "content"
    content.mkdir()
    for name in names:
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        badges.write(notebook, name, REPO, REF)
        nbformat.write(notebook, content / f"{name}.ipynb")

    served = folder / "served.git"
    subprocess.run(["git", "init", "--quiet", "--bare", served], check=True)
    subprocess.run(["git", "-C", ROOT, "push", "--quiet", served, f"HEAD:refs/heads/{REF}"], check=True)

    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Colab", "language": "python"}))

    os.environ.pop("PYTHONPATH", None)  # helpers/ must come from the clone
    os.environ.update(
        COLAB_RELEASE_TAG="imitated",
        HOME=str(folder),
        JUPYTER_PATH=str(folder),
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0=f"url.{served.as_uri()}.insteadOf",
        GIT_CONFIG_VALUE_0=f"https://github.com/{REPO}",
    )
    return [content / f"{name}.ipynb" for name in names]


def first_output(file: Path) -> str:
    """The printed output of the first code cell."""
    cells = [cell for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]
    return " ".join(output.text.strip() for output in cells[0].outputs if output.output_type == "stream")


if __name__ == "__main__":
    sys.exit(main())
