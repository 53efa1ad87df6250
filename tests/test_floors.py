"""Nothing imports upwards: each module uses only those that its package names before it, and helpers never making.

Every module says what it offers, and each name stands for one thing.
"""

import ast
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

import helpers
import making
from helpers import checks
from making import mini_if


def floors(package) -> list[str]:
    """The modules that a package's docstring lists, ground floor first."""
    listed = package.__doc__.rpartition("ground floor")[2] if "ground floor" in package.__doc__ else package.__doc__
    return [line.split()[0] for line in listed.splitlines() if line.startswith("    ")]


def modules(package) -> list[str]:
    """The modules and packages that are in it."""
    folder = Path(package.__file__).parent
    found = [*folder.glob("*.py"), *(file.parent for file in folder.glob("*/__init__.py"))]
    return sorted(path.stem for path in found if path.stem != "__init__")


def imported(file: Path, level: int) -> set[str]:
    """What a file imports relatively, with so many dots."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    nodes = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level == level]
    whole = {alias.name for node in nodes if node.module is None for alias in node.names}  # from . import toys
    return whole | {node.module.split(".")[0] for node in nodes if node.module}


FLOORS = floors(helpers)
PACKAGES = {"checks": checks, "mini_if": mini_if}  # those within it, each with floors of its own
INNER_FLOORS = [(name, module) for name, package in PACKAGES.items() for module in floors(package)]


@pytest.mark.parametrize("package", [helpers, *PACKAGES.values()])
def test_every_module_has_its_floor(package):
    assert sorted(floors(package)) == modules(package)


@pytest.mark.parametrize("name", [name for name in FLOORS if name not in PACKAGES])
def test_a_module_imports_only_from_below(name):
    assert imported(Path(helpers.__file__).parent / f"{name}.py", 1) <= set(FLOORS[: FLOORS.index(name)])


def test_the_library_never_imports_the_workshop():
    sources = {file: file.read_text(encoding="utf-8") for file in Path(helpers.__file__).parent.rglob("*.py")}
    assert not [file for file, text in sources.items() if re.search(r"^\s*(from|import) making", text, re.MULTILINE)]


@pytest.mark.parametrize("name, module", INNER_FLOORS)
def test_a_module_of_a_package_imports_only_from_below(name, module):
    inner = floors(PACKAGES[name])
    file = Path(PACKAGES[name].__file__).parent / f"{module}.py"
    assert imported(file, 1) <= set(inner[: inner.index(module)])
    below = FLOORS[: FLOORS.index(name)] if name in FLOORS else []  # the workshop names helpers in full
    assert imported(file, 2) <= set(below)


# ---- what each module offers: __all__

OFFERED = {name: importlib.import_module(f"helpers.{name}") for name in FLOORS if name not in PACKAGES}


def defined(file: Path) -> set[str]:
    """The names that a file's own top level binds; imports are not counted."""
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("name", OFFERED)
def test_a_module_offers_only_what_it_defines(name):
    module = OFFERED[name]
    assert module.__all__ and set(module.__all__) <= defined(Path(module.__file__))


def test_each_name_is_offered_once():
    offered = Counter(name for module in OFFERED.values() for name in module.__all__)
    assert [name for name, times in offered.items() if times > 1] == []


def test_the_workshop_gives_no_offered_name_to_something_else():
    offered = {name for module in OFFERED.values() for name in module.__all__}
    files = [file for module in (making, mini_if) for file in Path(module.__file__).parent.glob("*.py")]
    assert len(files) > 10
    assert {file.name: names for file in files if (names := defined(file) & offered)} == {}
