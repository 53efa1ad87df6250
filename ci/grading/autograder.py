"""The autograder for Gradescope: `make autograder` writes build/autograder.zip; upload it to a programming assignment.

Gradescope unpacks it into /autograder/source, runs setup.sh once, as root, while it builds the container, and then
run_autograder for each submission. That grades /autograder/submission into /autograder/results/results.json.

    python -m ci.grading.autograder                     write the zip
    python -m ci.grading.autograder --points mine.toml  with other points
    python -m ci.grading.autograder --run /autograder   grade the submission there
"""

import argparse
import contextlib
import json
import os
import sys
import zipfile
from pathlib import Path

from .marks import POINTS, BadPoints, read_points
from .pool import grade_file
from .reports import gradescope, write_student
from .sandbox import Limits, NoSandbox, choose

__all__ = ["run", "write_zip"]

ROOT = Path(__file__).resolve().parents[2]
ZIP = ROOT / "build" / "autograder.zip"
PARTS = ("requirements.txt", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "ci/install.py")
FOLDERS = ("helpers", "ci/grading")
KINDS = (".py", ".toml", ".j2", ".js", ".css")
WHEN = (2020, 1, 1, 0, 0, 0)  # so that the same sources give the same zip

SETUP = """\
#!/usr/bin/env bash
# Runs once, as root, while Gradescope builds the container. Choose Ubuntu 24.04 as its base image.
set -euo pipefail
apt-get update
apt-get install -y python3 python3-venv bubblewrap
python3 /autograder/source/ci/install.py /autograder/venv --torch cpu \\
    --constraints /autograder/source/constraints.txt
# the checks and their solutions are not for the user that runs submissions
chmod -R go-rwx /autograder/source
"""
RUN = """\
#!/usr/bin/env bash
# Runs for each submission: /autograder/submission -> /autograder/results/results.json
set -euo pipefail
here=${AUTOGRADER:-/autograder}
export container=gradescope OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
cd "$here/source"
exec "${PYTHON:-$here/venv/bin/python}" -m ci.grading.autograder --run "$here"
"""


def write_zip(file: Path = ZIP, points: Path = POINTS) -> Path:
    """The zip for Gradescope."""
    read_points(points)
    file.parent.mkdir(parents=True, exist_ok=True)
    sources = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in KINDS]
    contents = {name: (ROOT / name).read_bytes() for name in PARTS}
    contents |= {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sources}
    contents["ci/grading/points.toml"] = points.read_bytes()
    contents |= {"setup.sh": SETUP.encode(), "run_autograder": RUN.encode()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if name in ("setup.sh", "run_autograder") else 0o644) << 16
            archive.writestr(entry, contents[name])
    return file


def run(autograder: Path, unsafe: bool = False) -> None:
    """Grade the submission in Gradescope's folders. If that fails, the results say so, and have no points."""
    results = autograder / "results"
    try:
        kind = choose(unsafe)
        graded = grade_file(autograder / "submission", read_points(), kind, Limits())
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError):
            about = json.loads((autograder / "submission_metadata.json").read_text("utf-8"))
            graded.name = str(about["users"][0]["name"])
        found = gradescope(graded)
        write_student(graded, results)
    except Exception as error:  # Gradescope shows students nothing else
        kind = "" if isinstance(error, (NoSandbox, BadPoints)) else f"{type(error).__name__}: "
        found = {"score": 0, "output": f"It was not graded; tell your instructor. {kind}{error}"}
    results.mkdir(exist_ok=True)
    (results / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make autograder", description=__doc__.split("\n\n")[0])
    parser.add_argument("--points", type=Path, default=POINTS, help="a TOML file; by default ci/grading/points.toml")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="grade the submission in Gradescope's folder")
    args = parser.parse_args()
    if args.run:
        run(args.run, unsafe=os.environ.get("UNSAFE") == "1")
        return 0
    try:
        file = write_zip(points=args.points)
    except BadPoints as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{file.relative_to(ROOT)} ({file.stat().st_size / 1e3:.0f} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
