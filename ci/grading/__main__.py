"""Grade a folder of submissions: `make grade SUBMISSIONS=folder`.

Each notebook, zip or folder in it is one student's. Into build/grades/ go marks.csv, marks.xml (JUnit), same_code.csv,
and for each student Gradescope's results.json and feedback.html. Stopped, it goes on where it was.

    python -m ci.grading folder                    grade a class
    python -m ci.grading folder --jobs 4           four at a time
    python -m ci.grading folder --points mine.toml other points
    python -m ci.grading folder --course cs180     solutions with CS180's signatures
    python -m ci.grading folder --unsafe           without a sandbox, with limits of time and memory alone
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

from tqdm import tqdm

from .marks import BadPoints, Graded, Points, read_points
from .pool import grade_all
from .reports import file_name, write_class, write_student, write_summary
from .sandbox import Limits, NoSandbox, choose
from .submissions import Unreadable, find

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    args = parse_arguments()
    try:
        points = read_points(args.points) if args.points else read_points()
        kind = choose(args.unsafe)
        paths = find(args.submissions)
    except (BadPoints, NoSandbox, Unreadable) as error:
        print(error, file=sys.stderr)
        return 2
    if not paths:
        print(f"SUBMISSIONS is {args.submissions}, which holds no notebook, zip or folder.", file=sys.stderr)
        return 2
    if kind != "bubblewrap":
        print(f"There is no bubblewrap here: submissions run {WITHOUT[kind]}.", file=sys.stderr)
    limits = Limits(seconds=args.seconds, gigabytes=args.gigabytes)
    args.out.mkdir(parents=True, exist_ok=True)
    state = key_of(points, limits, args.course)
    everyone = grade_class(paths, args.out, state, args.jobs, points, kind, limits, args.course)
    write_class(everyone, args.out)
    if args.summary:
        for graded in everyone:
            write_summary(graded, args.summary)
    print(summary(everyone))
    print(f"The marks: {os.path.relpath(args.out / 'marks.csv')}")
    return 0


WITHOUT = {"container": "as another user in this container", "unsafe": "with limits alone, and can read your files"}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ci.grading", description=__doc__.split("\n\n")[0])
    parser.add_argument("submissions", type=folder, help="a folder with a notebook, a zip or a folder for each student")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "grades")
    parser.add_argument("--points", type=Path, help="a TOML file; by default ci/grading/points.toml")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="submissions at a time")
    parser.add_argument("--seconds", type=int, default=Limits.seconds, help="of computing, for one exercise")
    parser.add_argument("--gigabytes", type=float, default=Limits.gigabytes, help="of memory, for one exercise")
    parser.add_argument("--course", choices=("kit", "cs180"), default="kit", help="whose signatures they have")
    parser.add_argument("--unsafe", action="store_true", help="allow limits alone where there is no sandbox")
    parser.add_argument("--summary", type=Path, help="a file to which the marks are added in Markdown")
    args = parser.parse_args()
    if min(args.jobs, args.seconds, args.gigabytes) <= 0:
        parser.error("--jobs, --seconds and --gigabytes have to be positive")
    return args


def folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("is missing; wanted a folder: make grade SUBMISSIONS=folder")
    return Path(text)


def grade_class(paths: list[Path], out: Path, state: str, jobs: int, points: Points, *arguments) -> list[Graded]:
    """Grade those whose marks are not there yet, and write each as soon as it is known."""
    folders = unique_folders(paths, out)
    everyone, waiting, keys = [], [], {}
    for path in paths:
        keys[path] = hashlib.sha256(f"{state} {digest(path)}".encode()).hexdigest()
        saved = saved_marks(folders[path], keys[path])
        everyone += [saved] if saved else []
        waiting += [] if saved else [path]
    if everyone:
        print(f"{len(everyone)} of {len(paths)} submissions are graded already.")
    with tqdm(total=len(waiting), unit="submission", disable=not waiting) as bar:
        for path, graded in grade_all(waiting, jobs, points, *arguments):
            write_student(graded, folders[path])
            record = {"key": keys[path], "graded": graded.as_dict()}
            partial = folders[path] / "graded.json.partial"
            partial.write_text(json.dumps(record), "utf-8")
            partial.replace(folders[path] / "graded.json")
            everyone.append(graded)
            bar.update()
    return everyone


def unique_folders(paths: list[Path], out: Path) -> dict[Path, Path]:
    """A folder for each submission's results; equal names get a number."""
    folders: dict[Path, Path] = {}
    for path in paths:
        name = file_name(path.stem if path.is_file() else path.name)
        taken, number = {folder.name for folder in folders.values()}, 2
        while name in taken:
            name, number = f"{file_name(path.stem)}-{number}", number + 1
        folders[path] = out / name
    return folders


def saved_marks(folder: Path, key: str) -> Graded | None:
    """The marks of an earlier run, if the submission, the points and the grader are the same."""
    try:
        record = json.loads((folder / "graded.json").read_text("utf-8"))
        return Graded.from_dict(record["graded"]) if record["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def digest(path: Path) -> str:
    """A checksum of a submission's files."""
    sums = hashlib.sha256()
    files = [path] if path.is_file() else sorted(path.rglob("*.ipynb"))[:5000]
    for file in files:
        if file.is_file() and not file.is_symlink():
            sums.update(f"{file.relative_to(path.parent)}\0{file.stat().st_size}\0".encode())
            with open(file, "rb") as content:
                sums.update(hashlib.file_digest(content, "sha256").digest())
    return sums.hexdigest()


def key_of(*settings) -> str:
    """A checksum of the grader, the library and the settings, on which marks depend."""
    sums = hashlib.sha256(repr(settings).encode())
    for folder in ("helpers", "ci/grading"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            sums.update(file.read_bytes())
    return sums.hexdigest()


def summary(everyone: list[Graded]) -> str:
    scores = sorted(graded.score for graded in everyone)
    middle = scores[len(scores) // 2]
    zero = sum(bool(graded.forbidden) for graded in everyone)
    most = max(graded.most for graded in everyone)
    rest = f" {zero} got none for a forbidden act." if zero else ""
    return f"{len(everyone)} submissions: median {middle:g} of {most:g} points.{rest}"


if __name__ == "__main__":
    sys.exit(main())
