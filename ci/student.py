"""The student edition: `make student` writes build/student/ and build/student.zip from the one source.

In the notebooks, each exercise cell (tag `exercise`) binds the kit's own function to a name of the student's. Here that
cell becomes a stub, made from the function's signature and docstring; all outputs are cleared. What a student needs
to run them goes beside them.

    python -m ci.student              write it
    python -m ci.student --run a1_1   and execute some of its notebooks as they are, into build/student-run/
"""

import argparse
import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat

from helpers.checks import EXERCISES
from helpers.checks.exercise import Exercise

ROOT = Path(__file__).resolve().parent.parent
STUDENT = ROOT / "build" / "student"
TAG = "exercise"
README = """\
# Diffusion models, by doing: the student's edition

You need Python 3.11 or newer, about 500 MB of downloads and 1.5 GB of disk. In this folder, once:

    python3 ci/install.py

(on Windows `py ci\\install.py`), and then, each time:

    .venv/bin/jupyter lab notebooks

Each notebook explains, runs and plays first. Under *Your turn* you write a function, in the place of the line
`raise NotImplementedError(…)`; the cell below it says at once what is wrong with it, and where to look. Once it is
right, the notebook goes on with yours; until then, with the kit's own, whose source is in `helpers/`.
"""


# ---- stubs ---------------------------------------------------------------------------------------------------------


def stub(exercise: Exercise, name: str) -> str:
    """The source of a function or class without the part that the student writes."""
    kits_own = exercise.kits_own()
    source = textwrap.dedent(inspect.getsource(kits_own))
    node = ast.parse(source).body[0]
    lines = source.splitlines()
    if isinstance(node, ast.FunctionDef):
        text = blanked(lines[node.lineno - 1 :], node, node.lineno - 1, inspect.getdoc(kits_own), exercise.task)
    else:
        text = "\n".join(lines)
        for method in reversed(node.body):
            if isinstance(method, ast.FunctionDef) and method.name in exercise.blank:
                first, last = method.lineno - 1, method.end_lineno
                doc = docstring(kits_own, method.name)
                new = blanked(lines[first:last], method, first, doc, exercise.task)
                lines[first:last] = new.splitlines()
        text = "\n".join(lines)
    text = re.sub(rf"^(def|class) {node.name}\b", rf"\1 {name}", text, flags=re.MULTILINE)
    return text


def docstring(kits_own: type, method: str) -> str | None:
    """A method's, or that of the class of the kit's that it overrides; not PyTorch's."""
    kits = [base for base in kits_own.__mro__ if base.__module__.startswith("helpers") and method in vars(base)]
    written = [vars(base)[method].__doc__ for base in kits]  # not inspect.getdoc, which would ask PyTorch, too
    return next((inspect.cleandoc(doc) for doc in written if doc), None)


def blanked(lines: list[str], node: ast.FunctionDef, offset: int, doc: str | None, task: str) -> str:
    """A function's signature and docstring, and a line that says what to write."""
    header = lines[: node.body[0].lineno - 1 - offset]
    indent = " " * (node.col_offset + 4)
    while header and header[-1].strip().startswith("#"):  # a comment on the first line of what is not shown
        header.pop()
    body = []
    if doc:
        quoted = f'"""{doc}\n"""' if "\n" in doc else f'"""{doc}"""'
        body = textwrap.indent(quoted, indent, lambda line: bool(line.strip())).splitlines()
    body += [f"{indent}raise NotImplementedError(", f'{indent}    "{task}"', f"{indent})"]
    return "\n".join([*header, *body])


def imports_for(sources: list[str], exercises: list[Exercise], given: set[str]) -> list[str]:
    """Import lines for the names that stubs use and that are not `given`, from where the kit's modules have them."""
    lines: dict[str, set[str]] = {}
    for source, exercise in zip(sources, exercises):
        module = importlib.import_module(exercise.kit.rpartition(".")[0])
        known = importable(module)
        tree = ast.parse(source)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        for name in sorted(used & known.keys() - given):
            home, what = known[name]
            lines.setdefault(home, set()).add(what)
    plain = sorted(f"import {what}" for what in lines.pop("", ()))
    return plain + [f"from {home} import {', '.join(sorted(whats))}" for home, whats in sorted(lines.items())]


def importable(module) -> dict[str, tuple[str, str]]:
    """The names of a module, and how to import each: name -> (from where, what)."""
    known = {name: (module.__name__, name) for name in vars(module) if not name.startswith("__")}
    package = module.__name__.rpartition(".")[0]
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                what = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
                known[alias.asname or alias.name] = ("", what)
        elif isinstance(node, ast.ImportFrom):
            home = f"{package}.{node.module}" if node.level else node.module
            for alias in node.names:
                known[alias.asname or alias.name] = (home, alias.name)
    return known


# ---- notebooks -----------------------------------------------------------------------------------------------------


def exercises_in(source: str) -> list[tuple[Exercise, str]]:
    """The exercises of an exercise cell, and the student's name for each: `from helpers.x import f as my_f`."""
    by_kit = {exercise.kit: exercise for exercise in EXERCISES.values()}
    found = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ImportFrom):
            raise ValueError(
                f"an exercise cell has {ast.unparse(node)!r}; wanted imports of the kit's own, and no more."
            )
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            if full not in by_kit or not alias.asname:
                raise ValueError(
                    f"an exercise cell imports {full} as {alias.asname}; wanted an exercise's, under a new name."
                )
            found.append((by_kit[full], alias.asname))
    return found


def stub_cell(source: str, given: set[str]) -> str:
    """An exercise cell as the student gets it."""
    found = exercises_in(source)
    stubs = [stub(exercise, name) for exercise, name in found]
    imports = imports_for(stubs, [exercise for exercise, _ in found], given)
    return "\n\n\n".join(["\n".join(imports)] * bool(imports) + stubs)


def bound(source: str) -> set[str]:
    """The names that a cell imports, defines, or assigns to."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names


def student_notebook(notebook):
    """The student's edition of a notebook."""
    given: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if TAG in cell.metadata.get("tags", []):
            cell.source = stub_cell(cell.source, given)
        given |= bound(cell.source)
    return notebook


# ---- the folder ----------------------------------------------------------------------------------------------------


def tracked(*folders: str) -> list[str]:
    """The course's own files in these folders: what git tracks, not what else lies there, nor what a link points to."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", *folders]
    try:
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"git cannot list the course's files in {ROOT}: wanted a clone of its repository.") from error
    files = [file for file in listed.split("\0") if file]
    return [file for file in files if (ROOT / file).is_file() and not (ROOT / file).is_symlink()]


def write(folder: Path) -> None:
    """The whole edition: notebooks, library, data, and how to install them."""
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "notebooks").mkdir(parents=True)
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        nbformat.write(student_notebook(nbformat.read(file, as_version=4)), folder / "notebooks" / file.name)
    for file in tracked("helpers", "data"):
        if not (file.startswith("data/") and file.endswith(".py")):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
    others = ["LICENSE", "requirements.txt", "ci/install.py", "docs/glossary.md"]
    for file in [*others, *images_in(folder / "notebooks")]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = [line for line in project.splitlines() if "package-data" not in line]
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(README, encoding="utf-8")


def images_in(notebooks: Path) -> list[str]:
    """The images in docs/ that the notebooks' texts show, as paths from the root."""
    cells = [cell for file in notebooks.glob("*.ipynb") for cell in nbformat.read(file, as_version=4).cells]
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return sorted({image for text in texts for image in re.findall(r"!\[[^\]]*\]\(\.\./(docs/[\w-]+\.png)\)", text)})


def main() -> int:
    parser = argparse.ArgumentParser(prog="make student", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--run", nargs="*", metavar="NOTEBOOK", help="execute these of its notebooks; all without a name"
    )
    args = parser.parse_args()
    write(STUDENT)
    archive = shutil.make_archive(str(STUDENT), "zip", STUDENT.parent, STUDENT.name)
    size = Path(archive).stat().st_size / 1e6
    print(f"{STUDENT.relative_to(ROOT)}/ and {Path(archive).relative_to(ROOT)} ({size:.0f} MB)")
    return run(args.run) if args.run is not None else 0


def run(names: list[str]) -> int:
    """Execute notebooks of the untouched edition: with nothing written, each still has to run to its end."""
    import os

    from ci.run_notebooks import execute

    os.environ.update(COURSE_HEADLESS="1", TQDM_DISABLE="1", PYTHONPATH=str(STUDENT))
    executed = ROOT / "build" / "student-run"
    executed.mkdir(parents=True, exist_ok=True)
    files = sorted((STUDENT / "notebooks").glob("*.ipynb"))
    outcomes = [execute(file, executed, {}) for file in files if not names or file.stem in names]
    for outcome in outcomes:
        print(f"{outcome.name:6s} {outcome.seconds:5.1f} s  {outcome.error or 'ok'}")
    return 1 if any(outcome.error for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
