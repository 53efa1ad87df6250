"""The student's page: `make report` writes build/report/index.html; build/report.zip holds it and the notebooks.

It shows the notebooks as they were executed and saved, section by section: their images, the functions that the student
wrote, the cells that the student added, and the student's words from report/, a Markdown file for each section. Nothing
is executed. What is missing is said at the top of the page and here.

    python -m ci.report                                  notebooks/, as executed in Jupyter
    python -m ci.report --folder build                   as executed by `make course`
    python -m ci.report --words mine --out site          words from mine/, the page in site/
"""

import argparse
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from ci.report.page import PAGE, Made, make_page
from ci.report.sections import MOST_BYTES, NOTEBOOKS

ROOT = Path(__file__).resolve().parents[2]
MARK = "made by make report"  # in the page; a folder without it is not overwritten


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make report", description=__doc__.split("\n\n")[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "notebooks", help="the executed notebooks (notebooks/)")
    parser.add_argument("--words", type=Path, default=ROOT / "report", help="your own texts (report/)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "report", help="the page's folder (build/report/)")
    args = parser.parse_args(arguments)
    if not args.folder.is_dir():
        parser.error(f"--folder {args.folder} is no folder; wanted one with executed notebooks")
    if args.words.exists() and not args.words.is_dir():
        parser.error(f"--words {args.words} is a file; wanted a folder for your texts")
    if args.out.exists() and not replaceable(args.out):
        parser.error(f"--out {args.out} has other files in it; wanted a new folder, or an earlier page's")
    shutil.rmtree(args.out, ignore_errors=True)
    made = make_page(args.folder, args.words, args.out)
    tell(made, args.out, pack(args.out, args.folder), print)
    return 0


def replaceable(folder: Path) -> bool:
    """Whether a folder is empty, or holds an earlier page and nothing but its files."""
    if not folder.is_dir():
        return False
    names = {file.name for file in folder.iterdir()}
    return not names or (names <= {PAGE, "images"} and PAGE in names)


def pack(out: Path, notebooks: Path) -> Path:
    """A zip of the page's folder and, for the grader, of the course's notebooks."""
    archive = out.with_name(f"{out.name}.zip")
    files = [file for file in sorted(out.rglob("*")) if file.is_file()]
    originals = [notebooks / f"{name}.ipynb" for name in NOTEBOOKS.split()]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            packed.write(file, file.relative_to(out.parent))
        for file in originals:
            if file.is_file() and not file.is_symlink() and file.stat().st_size <= MOST_BYTES:
                packed.write(file, f"{out.name}/notebooks/{file.name}")
    return archive


def tell(made: Made, out: Path, archive: Path, say: Callable[[str], None]) -> None:
    """The outcome, on the terminal."""
    for heading, sentences in made.missing.items():
        say(f"{heading}:")
        for sentence in sentences:
            say(f"  - {sentence}")
    files = [file for file in out.rglob("*") if file.is_file()]
    size, packed = sum(file.stat().st_size for file in files) / 1e6, archive.stat().st_size / 1e6
    say(f"{shown(out / PAGE)}: {made.sections} sections, {len(files) - 1} images, {size:.1f} MB")
    say(f"To hand in: {shown(archive)} ({packed:.1f} MB)")
    points = sum(map(len, made.missing.values()))
    say(f"{points} point{'s are' if points != 1 else ' is'} missing: see above." if points else "Nothing is missing.")


def shown(path: Path) -> Path:
    return path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path


if __name__ == "__main__":
    sys.exit(main())
