"""What a student's notebook has to show: images, functions, and cells of their own. And what is missing in it.

A notebook is read as it was executed and saved. Nothing in it is executed.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat

from ci.report.figures import text_of

NOTEBOOKS = "a0 a1_1 a1_2 a1_3 a1_4 a1_5 a1_6 a1_7 a1_7_1 a1_7_2 a1_7_3 a1_8 a1_9 b1_1 b1_2 b2_1 b2_2 b2_3 b2_4 b2_5"
NOTEBOOKS += " c1 c2 c3 c4 c5 c6"
MOST_BYTES = 100_000_000  # of a notebook
MOST_LINES = 40  # of a printed output
TAG = "exercise"
MACHINES = {"injected-parameters", "papermill-error-cell-tag"}  # tags of cells that papermill adds
SAID = re.compile(r"^(✓|✗|…) (\w+)(?:: all (\d+) checks passed| \(|: )", re.MULTILINE)  # by a check


class BadNotebook(Exception):
    """A file that is no notebook, in a sentence."""


class Function(NamedTuple):
    """A function or class that the student writes, by the name of its exercise."""

    exercise: str
    name: str  # the student's
    status: str  # "passed", "wrong", "not written", "not checked", "kit's" or "gone"
    checks: int = 0  # how many passed


class Code(NamedTuple):
    """An exercise cell, and the functions in it."""

    source: str
    functions: list[Function]


class Figure(NamedTuple):
    """A cell of the course with images: its id, its caption, its outputs."""

    cell: str
    caption: str
    outputs: list
    mine: bool  # below the first function that the student writes


class Own(NamedTuple):
    """A cell that the student has added."""

    markdown: str
    source: str
    outputs: list
    printed: str
    attachments: dict


class Section(NamedTuple):
    """A notebook as the page shows it."""

    name: str
    title: str
    questions: str
    figures: list[Figure]
    codes: list[Code]
    own: list[Own]
    executed: bool


def read_notebook(file: Path) -> nbformat.NotebookNode:
    """A notebook's file. Raises a BadNotebook for one that is missing, too large or damaged."""
    if not file.is_file():
        raise BadNotebook(f"is not in {file.parent.name}/")
    if (size := file.stat().st_size) > MOST_BYTES:
        limit = f"{MOST_BYTES / 1e6:.0f} MB"
        raise BadNotebook(f"has {size / 1e6:.0f} MB; wanted at most {limit}: clear its largest outputs")
    try:
        notebook = nbformat.reads(file.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise BadNotebook(f"is not a valid notebook: {str(error).splitlines()[0][:200]}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, nbformat.reader.NotJSONError, OSError):
        raise BadNotebook(
            "cannot be read: the file is damaged, or no notebook. Open it in Jupyter and save it again"
        ) from None
    except Exception as error:  # a JSON file of another kind
        raise BadNotebook(f"is no notebook ({type(error).__name__})") from None
    if not notebook.cells:
        raise BadNotebook("is empty")
    return notebook


def read_section(name: str, notebook: nbformat.NotebookNode, missing: Callable[[str], None]) -> Section:
    """A section of the page. What is missing in the notebook is told to `missing`, a sentence at a time."""
    cells = [cell for cell in notebook.cells if not MACHINES & set(cell.metadata.get("tags", []))]
    code = [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]
    ran = [cell for cell in code if cell.get("execution_count")]
    if not ran:
        missing("It has not been executed. Open it in Jupyter, choose Run All Cells, and save it.")
    elif len(ran) < len(code):
        missing(f"{len(code) - len(ran)} of {len(code)} code cells have not been executed.")
    for cell in code:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                words = re.sub(r"\x1b\[[0-9;]*m", "", f"{output.get('ename', '')}: {output.get('evalue', '')}")
                missing(f"A cell ended with an error: {words.splitlines()[0][:200]}")
    codes = list(exercises(code))
    for function in [function for one in codes for function in one.functions]:
        if ran and (sentence := lacking(function)):
            missing(sentence)
    own = [own_cell(cell) for cell in cells if added(cell, name)] if knows_its_cells(cells, name) else []
    title = first_heading(cells) or name
    return Section(name, title, questions(cells), list(figures(cells, name)), codes, own, bool(ran))


def first_heading(cells: list) -> str:
    headings = (re.search(r"^# (.+)$", cell.source, re.MULTILINE) for cell in cells if cell.cell_type == "markdown")
    return next((found[1].strip() for found in headings if found), "")


def questions(cells: list) -> str:
    """The numbered questions at the end of a notebook, as Markdown."""
    for cell in cells:
        if cell.cell_type == "markdown" and (found := re.match(r"## Questions[^\n]*\n(.*)", cell.source, re.DOTALL)):
            return "\n".join(re.findall(r"^\d+\. .+$", found[1], re.MULTILINE))
    return ""


def figures(cells: list, name: str) -> Iterator[Figure]:
    """The course's cells with images that have a caption, or that a function of the student's has made."""
    below = False  # of an exercise, up to the next heading
    for cell in cells:
        if cell.cell_type == "markdown":
            below = below and not re.search(r"^## ", cell.source, re.MULTILINE)
        elif TAG in cell.metadata.get("tags", []):
            below = True
        elif cell.cell_type == "code" and not added(cell, name):
            caption = cell.metadata.get("caption", "")
            if isinstance(caption, str) and (caption or below):
                yield Figure(cell.get("id", ""), caption, cell.get("outputs", []), below)


# ---- functions -------------------------------------------------------------------------------------------------------


def exercises(code: list) -> Iterator[Code]:
    """The exercise cells, each with its functions and what their checks said."""
    said = {exercise: (mark, int(count or 0)) for mark, exercise, count in SAID.findall(printed_by(code))}
    checked = [call for cell in code for call in checks_in(cell.source)]
    for cell in code:
        if TAG not in cell.metadata.get("tags", []):
            continue
        names = bound(cell.source)
        functions = [
            Function(exercise, name, *status(said.get(exercise), names[name]))
            for exercise, name in checked
            if name in names
        ]
        if functions:
            yield Code(cell.source, functions)
    bound_somewhere = {name for cell in code if TAG in cell.metadata.get("tags", []) for name in bound(cell.source)}
    gone = [Function(exercise, name, "gone") for exercise, name in checked if name not in bound_somewhere]
    if gone:
        yield Code("", gone)


def printed_by(code: list) -> str:
    """All that the cells have printed."""
    outputs = [output for cell in code for output in cell.get("outputs", []) if output.output_type == "stream"]
    return "".join(text_of(output.get("text", "")) for output in outputs)


def checks_in(source: str) -> list[tuple[str, str]]:
    """The calls check("exercise", function) in a cell: the exercise, and the function's name."""
    return re.findall(r"""\bcheck\(\s*["'](\w+)["']\s*,\s*(\w+)\s*\)""", source)


def bound(source: str) -> dict[str, str]:
    """The names that an exercise cell binds, and how: "written", "stub" or "kit's"."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):  # such as a line that Python does not understand
        return dict.fromkeys(re.findall(r"^(?:def|class)\s+(\w+)", source, re.MULTILINE), "written")
    names = {}
    for node in body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers"):
            names |= {alias.asname: "kit's" for alias in node.names if alias.asname}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            raised = [ast.unparse(raising) for raising in ast.walk(node) if isinstance(raising, ast.Raise)]
            names[node.name] = "stub" if any("NotImplementedError" in words for words in raised) else "written"
        elif isinstance(node, ast.Assign):
            names |= {target.id: "written" for target in node.targets if isinstance(target, ast.Name)}
    return names


def status(said: tuple[str, int] | None, how: str) -> tuple[str, int]:
    """A function's status, from what its check said and how its cell binds it; and how many checks passed."""
    mark, count = said or ("", 0)
    if how == "kit's":
        return "kit's", 0
    if how == "stub" and mark != "✓":
        return "not written", 0
    return {"✓": "passed", "✗": "wrong", "…": "not written"}.get(mark, "not checked"), count


def lacking(function: Function) -> str:
    """What a function lacks, in a sentence; "" for one that passed."""
    name = f"`{function.name}`"
    return {
        "passed": "",
        "wrong": f"{name} does not pass its check yet.",
        "not written": f"{name} is not written yet.",
        "not checked": f"{name} has not been checked: run the cell with `check`.",
        "kit's": f"{name} is the kit's own function.",
        "gone": f"The cell with {name} is gone.",
    }[function.status]


# ---- cells of the student's ------------------------------------------------------------------------------------------


def added(cell, name: str) -> bool:
    """Whether the student has added a cell. The course's have ids that begin with the notebook's name."""
    id_ = cell.get("id") or cell.metadata.get("id", "")
    return id_ != "hosted" and not str(id_).startswith(name.replace("_", "-") + "-")


def knows_its_cells(cells: list, name: str) -> bool:
    """Whether the course's cells kept their ids: some editors give new ones to all."""
    return sum(not added(cell, name) for cell in cells) > len(cells) / 2


def own_cell(cell) -> Own:
    if cell.cell_type != "code":
        return Own(cell.source, "", [], "", cell.get("attachments", {}))
    lines = printed_by([cell]).splitlines()
    cut_off = [f"… and {len(lines) - MOST_LINES} more lines"] if len(lines) > MOST_LINES else []
    printed = "\n".join([line[:500] for line in lines[:MOST_LINES]] + cut_off)
    return Own("", cell.source, cell.get("outputs", []), printed, {})
