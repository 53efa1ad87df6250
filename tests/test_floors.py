"""Nothing imports upwards: each module of helpers/ uses only those that its package names before it."""

import ast
from pathlib import Path

import pytest

import helpers

FOLDER = Path(helpers.__file__).parent
FLOORS = [line.split()[0] for line in helpers.__doc__.splitlines() if line.startswith("    ")]


def test_every_module_has_its_floor():
    assert sorted(FLOORS) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", FLOORS)
def test_a_module_imports_only_from_below(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1}
    assert imported <= set(FLOORS[: FLOORS.index(name)])
