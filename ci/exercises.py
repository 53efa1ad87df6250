"""The exercises in the notebooks, and the notebooks with all of them solved.

A cell with the tag `exercise` holds stubs for the student to write; the next one, with the tag `check`, checks them. In
the solved notebooks, which this writes to build/solved/, the exercise cells import the kit's own functions instead.
`make solved` executes them: every check has to pass, and every other cell has to print what the stored notebook, with
its stubs, has printed.

    python -m ci.exercises
"""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.checks import EXERCISES
from helpers.checks.exercise import Exercise

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS, SOLVED = ROOT / "notebooks", ROOT / "build" / "solved"
TAG, CHECK = "exercise", "check"


def exercises(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode, dict[str, Exercise]]]:
    """Each exercise cell, the cell that checks it, and its exercises by the names of the student's functions.

    Raises a ValueError for an exercise cell without a check below it.
    """
    cells = notebook.cells
    for cell, below in pairwise([*cells, nbformat.v4.new_markdown_cell()]):
        if TAG in cell.metadata.get("tags", []):
            checked = dict(checks(below.source)) if below.cell_type == "code" else {}
            if not checked or CHECK not in below.metadata.get("tags", []):
                raise ValueError(
                    f"the exercise cell {cell.id} has {below.source!r} below it; wanted a cell with the tag {CHECK} "
                    'that calls check("…", …).'
                )
            yield cell, below, checked


def checks(source: str) -> Iterator[tuple[str, Exercise]]:
    """The calls check("name", mine) in a cell: each name `mine`, with its exercise."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check":
            name, mine = node.args
            yield mine.id, EXERCISES[name.value]


def solved(notebook: NotebookNode) -> NotebookNode:
    """A notebook with the kit's functions in its exercise cells; its checks raise an error unless they pass."""
    for cell, below, found in exercises(notebook):
        kits = [(*exercise.kit.rpartition(".")[::2], mine) for mine, exercise in found.items()]
        cell.source = "\n".join(f"from {module} import {own} as {mine}" for module, own, mine in kits)
        below.source += "\n\nfrom helpers.checks import EXERCISES, judge\n"
        for mine, exercise in found.items():
            below.source += f'\nassert judge(EXERCISES["{exercise.name}"], {mine}).status == "right"'
        below.metadata["tags"] = [*below.metadata["tags"], "nbval-ignore-output"]
    return notebook


def main() -> None:
    SOLVED.mkdir(parents=True, exist_ok=True)
    for file in sorted(NOTEBOOKS.glob("*.ipynb")):
        nbformat.write(solved(nbformat.read(file, as_version=4)), SOLVED / file.name)
    print(f"look at {SOLVED.relative_to(ROOT)}/")


if __name__ == "__main__":
    main()
