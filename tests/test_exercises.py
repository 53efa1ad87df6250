"""The exercises in the notebooks: stubs that say what to write, and a check below each."""

import ast
import functools
import inspect
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ci.exercises import exercises, solved
from helpers.checks import EXERCISES, check
from helpers.checks.exercise import judge

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.usefixtures("one_thread")


@functools.cache
def read(file):
    return nbformat.read(file, as_version=4)


@functools.cache
def stubs():
    """Of each exercise: its notebook, the name of the student's function, and its source."""
    found = {}
    for file in NOTEBOOKS:
        for cell, _, checked in exercises(read(file)):
            nodes = {node.name: node for node in ast.parse(cell.source).body if hasattr(node, "name")}
            assert nodes.keys() == checked.keys(), f"{file.stem}, cell {cell.id}"
            for mine, exercise in checked.items():
                assert exercise.name not in found
                found[exercise.name] = (file.stem, mine, ast.unparse(nodes[mine]))
    return found


def stub(name):
    """An exercise's stub, made with the names of the module in which the kit's own function is."""
    _, mine, source = stubs()[name]
    namespace = dict(vars(inspect.getmodule(EXERCISES[name].kits_own())))
    exec(source, namespace)
    return namespace[mine]


def test_every_exercise_is_in_its_notebook():
    assert {name: notebook for name, (notebook, _, _) in stubs().items()} == {
        name: exercise.notebook for name, exercise in EXERCISES.items()
    }


@pytest.mark.parametrize("name", EXERCISES)
def test_an_untouched_stub_says_what_to_do(name, capsys):
    exercise, mine = EXERCISES[name], stub(name)
    assert judge(exercise, mine).status == "not written"
    assert check(name, mine) is exercise.kits_own()  # so that the notebook goes on
    said = " ".join(capsys.readouterr().out.split())
    assert exercise.task in said and "cell above" in said


@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_is_the_kits_own_without_what_the_student_writes(name):
    """Signature, docstrings and all else are the kit's; what is to be written is one line that says so."""
    exercise, (_, mine, source) = EXERCISES[name], stubs()[name]
    (theirs,) = ast.parse(source).body
    (kits,) = ast.parse(textwrap.dedent(inspect.getsource(exercise.kits_own()))).body
    to_write = [node for node in ast.walk(theirs) if getattr(node, "name", None) in (exercise.blank or [mine])]
    assert len(to_write) == len(exercise.blank or [mine])
    for node in to_write:
        wanted = ast.parse(f"raise NotImplementedError({exercise.task!r})").body[0]
        assert ast.dump(node.body.pop()) == ast.dump(wanted), "after the docstring: raise NotImplementedError(its task)"
    for node in ast.walk(kits):
        if getattr(node, "name", None) in (exercise.blank or [kits.name]):
            docstring = ast.get_docstring(node) or inherited(exercise.kits_own(), node.name)
            node.body = [ast.Expr(ast.Constant(docstring))] if docstring else []
    kits.name = mine
    if isinstance(kits, ast.FunctionDef):
        kits.decorator_list = []  # such as no_grad
    assert outline(theirs) == outline(kits)


def inherited(owner, method):
    """The docstring of the kit's class whose method this one overrides; PyTorch's say nothing about the exercise."""
    kits = [base for base in owner.__mro__ if base.__module__.startswith("helpers") and method in vars(base)]
    return next((vars(base)[method].__doc__ for base in kits if vars(base)[method].__doc__), None)


def outline(tree):
    """A tree's code, with docstrings that do not depend on how they are indented."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = inspect.cleandoc(node.value)
    return ast.unparse(tree)


# ---- solved --------------------------------------------------------------------------------------------------------


def exercise_cells(source, below):
    cells = [new_code_cell(source, metadata={"tags": ["exercise"]}), below]
    return new_notebook(cells=[new_markdown_cell("# A title"), *cells])


def test_solving_puts_the_kits_functions_in_and_requires_their_checks_to_pass():
    below = new_code_cell('forward = check("forward", my_forward)', metadata={"tags": ["check"]})
    notebook = solved(exercise_cells("def my_forward(): ...", below))
    _, exercise, checked = notebook.cells
    namespace = {"check": check}
    exec(exercise.source + "\n" + checked.source, namespace)
    assert namespace["my_forward"] is EXERCISES["forward"].kits_own()
    assert "nbval-ignore-output" in checked.metadata["tags"]
    namespace["my_forward"] = lambda *arguments: None
    with pytest.raises(AssertionError):
        exec(checked.source, namespace)


@pytest.mark.parametrize(
    "below",
    [
        new_markdown_cell("## Play"),
        new_code_cell("1 + 1", metadata={"tags": ["check"]}),
        new_code_cell('forward = check("forward", my_forward)'),
    ],
    ids=["text", "no check", "no tag"],
)
def test_an_exercise_without_its_check_is_refused(below):
    with pytest.raises(ValueError, match="wanted a cell with the tag check"):
        solved(exercise_cells("def my_forward(): ...", below))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_every_notebook_can_be_solved(file):
    notebook = solved(nbformat.read(file, as_version=4))
    nbformat.validate(notebook)
    assert not any("NotImplementedError" in cell.source for cell in notebook.cells if cell.cell_type == "code")
