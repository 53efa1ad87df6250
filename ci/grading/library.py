"""The course's library for students' processes: its sources, without what an exercise asks for."""

import ast
import functools
from pathlib import Path

from helpers.checks.exercise import Exercise

__all__ = ["KITS_OWN", "sources_without"]

HELPERS = Path(__file__).resolve().parents[2] / "helpers"
KITS_OWN = "the kit's own"  # by which the error of a removed function is known
# in the checks' place: a check cell that runs along does nothing
CHECKS = '"""The checks are elsewhere."""\n\n\ndef check(name, function):\n    return function\n'


@functools.cache
def sources() -> dict[str, str]:
    """All modules of the library but the checks, by full name; and of these, what explains errors."""
    files = {file: file.relative_to(HELPERS.parent).with_suffix("") for file in HELPERS.rglob("*.py")}
    found = {".".join(name.parts).removesuffix(".__init__"): file.read_text("utf-8") for file, name in files.items()}
    explained = found["helpers.checks.faults"]
    library = {name: source for name, source in found.items() if not name.startswith("helpers.checks")}
    library["helpers"] = '"""The library behind the notebooks."""\n'
    return library | {"helpers.checks": CHECKS, "helpers.checks.faults": explained}


@functools.cache
def sources_without(exercise: Exercise) -> dict[str, str]:
    """The library in which the kit's own function for this exercise raises an error.

    Of a class, only the methods that the student writes do.
    """
    module, _, name = exercise.kit.rpartition(".")
    tree = ast.parse(sources()[module])
    error = ast.parse(f'raise NotImplementedError("{KITS_OWN} {name}")').body
    for node in tree.body:
        if getattr(node, "name", None) != name:
            continue
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name in exercise.blank:
                    method.body = error
        else:
            node.body = error
    return sources() | {module: ast.unparse(tree)}
