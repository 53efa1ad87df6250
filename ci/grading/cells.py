"""What a student has written: the exercise cells of their notebooks, and what these need of the cells before them."""

import ast
import re
import symtable
from dataclasses import dataclass, field

from helpers.checks import EXERCISES
from helpers.checks.exercise import Exercise

from .submissions import Submission

__all__ = ["TAG", "Written", "find_written", "students_name"]

TAG = "exercise"  # of the cells that hold them
MOST_SOURCE = 100_000  # characters of a cell
# what loads models and data, which are not there: no answer needs them
LOADING = {"load_model", "load_result", "mnist", "course_image", "from_pretrained", "hf_hub_download", "open", "check"}


@dataclass
class Written:
    """A student's answer to an exercise.

    name: of their function. cells: what to run for it: (title, source, whether the exercise is in it). definition: of
    the function or class. problem: why there is nothing to run, as (status, sentence). notebook: where it was found.
    course: whose signature it has.
    """

    name: str
    cells: list = field(default_factory=list)
    definition: ast.AST | None = None
    problem: tuple[str, str] | None = None
    notebook: str = ""
    course: str = "kit"


def students_name(exercise: Exercise) -> str:
    """The name that the notebook gives to the student's function or class."""
    own = exercise.kit.rpartition(".")[2]
    return f"My{own}" if own[0].isupper() else f"my_{own}"


def find_written(
    submission: Submission, exercise: Exercise, name: str | None = None, given: frozenset[str] = frozenset()
) -> Written:
    """The answer to an exercise: in the notebook of its name if there is one, else in any, tagged cells first.

    name: of the student's function, if it is another than the kit's notebooks have. given: names that need no cell.
    """
    name = name or students_name(exercise)
    stems = sorted(submission.notebooks, key=lambda stem: (stem != exercise.notebook, stem))
    for only_tagged in (True, False):
        for stem in stems:
            sources = [c for c in submission.notebooks[stem].cells if c.cell_type == "code"]
            for i, cell in enumerate(sources):
                tagged = TAG in (cell.get("metadata", {}).get("tags") or [])
                if (tagged or not only_tagged) and re.search(rf"\b{name}\b", cell.source):
                    tree = parsed(cell.source)
                    if tree is None:
                        if only_tagged or re.search(rf"^(def|class)\s+{name}\b", cell.source, re.MULTILINE):
                            return Written(name, problem=("wrong", syntax_error(cell.source)), notebook=stem)
                    elif any(name in bound(statement) for statement in tree.body):
                        return written(name, [c.source for c in sources], i, stem, given)
    return Written(name, problem=("missing", f"There is no {name} in the notebooks."))


def written(name: str, sources: list[str], i: int, notebook: str, given: frozenset[str]) -> Written:
    """The answer in cell i of a notebook's code cells."""
    tree = parsed(sources[i])
    binding = [statement for statement in tree.body if name in bound(statement)]
    definition = next((s for s in reversed(binding) if is_definition(s, name)), None)
    if definition is None:
        return Written(name, problem=handed_back(binding[-1], name), notebook=notebook)
    before = needed(tree, [parsed(source) for source in sources[:i]], given)
    cells = [[f"<{notebook}, before the exercise>", ast.unparse(statement), False] for statement in before]
    cells.append([f"<{notebook}, cell {i}>", ast.unparse(tree), True])
    problem = tampering([*before, *tree.body])
    return Written(name, cells, definition, problem and ("forbidden", problem), notebook)


def parsed(source: str) -> ast.Module | None:
    """The cell, without IPython's magic lines; None if it is no Python."""
    if len(source) > MOST_SOURCE:
        return None
    for text in (source, re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def syntax_error(source: str) -> str:
    if len(source) > MOST_SOURCE:
        return f"The cell has {len(source)} characters; at most {MOST_SOURCE} are graded."
    try:
        ast.parse(source)
    except SyntaxError as error:
        return f"The cell is no valid Python: {error.msg}, line {error.lineno}."
    except (ValueError, RecursionError, MemoryError):
        pass
    return "The cell is no valid Python."


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement defines, imports or assigns to."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    names: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def loaded(tree: ast.AST) -> set[str]:
    """The names that code takes from outside its functions."""
    names, tables = set(), [symtable.symtable(ast.unparse(tree), "<cell>", "exec")]
    while tables:
        table = tables.pop()
        top = table.get_type() == "module"
        names |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
        tables += table.get_children()
    return names


def is_definition(statement: ast.stmt, name: str) -> bool:
    """Whether it defines the function here: by def, class or lambda."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return statement.name == name
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda)


def handed_back(statement: ast.stmt, name: str) -> tuple[str, str]:
    """The sentence for a name that is bound to something else than a definition in its cell."""
    text = ast.unparse(statement)[:100]
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return "kit's own", f"`{text}` hands back a function that is not yours. Define {name} in the cell."
    return "kit's own", f"`{text}` does not define {name}. Write the function itself, with def or class."


def needed(cell: ast.Module, before: list[ast.Module | None], given: frozenset[str]) -> list[ast.stmt]:
    """The statements of earlier cells that this cell needs: imports, definitions and assignments, in their order.

    A name that an earlier check returned stands for the kit's function, so a mistake counts only where it is made.
    """
    wanted, kept = loaded(cell) - set().union(*map(bound, cell.body)) - given, []
    for tree in reversed([tree for tree in before if tree is not None]):
        for statement in reversed(tree.body):
            if bound(statement) & wanted:
                statement = from_the_kit(statement) or statement
                if not called_in(statement) & LOADING:
                    kept.append(statement)
                    wanted |= loaded(statement) - given
    return kept[::-1]


def called_in(statement: ast.stmt) -> set[str]:
    """The functions that running a statement calls; not those that a function in it would call."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return set()
    calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return {call.id if isinstance(call, ast.Name) else getattr(call, "attr", "") for call in calls}


def from_the_kit(statement: ast.stmt) -> ast.stmt | None:
    """For `x = check("its name", …)`, the import of the kit's function as x."""
    if not isinstance(statement, ast.Assign) or not isinstance(call := statement.value, ast.Call):
        return None
    if not (isinstance(call.func, ast.Name) and call.func.id == "check" and call.args):
        return None
    exercise = EXERCISES.get(getattr(call.args[0], "value", None))
    target = statement.targets[0]
    if exercise is None or not isinstance(target, ast.Name):
        return None
    module, _, name = exercise.kit.rpartition(".")
    return ast.parse(f"from {module} import {name} as {target.id}").body[0]


def tampering(statements: list[ast.stmt]) -> str | None:
    """The sentence for code that reaches for the checks, or replaces a part of the course's library."""
    kits: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None) or ""
            for alias in node.names:
                full = alias.name if isinstance(node, ast.Import) else f"{module}.{alias.name}"
                if full.startswith("helpers.checks") and full != "helpers.checks.check":
                    return f"It imports {full}, a part of the checks."
                if full.startswith("helpers"):
                    kits.add(alias.asname or alias.name.split(".")[0])
    for node in (node for statement in statements for node in ast.walk(statement)):
        changed = None
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
            changed = node
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("setattr", "delattr") and node.args:
            changed = node.args[0]
        while isinstance(changed, ast.Attribute):
            changed = changed.value
        if isinstance(changed, ast.Name) and changed.id in kits:
            return f"It replaces a part of the course's library: `{ast.unparse(node)[:100]}`."
    return None
