"""One list of dependencies, which pip, conda and Colab agree on."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ci.hosted import needed
from ci.lowest_versions import lowest

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml"}  # imported under one name, installed under another


def lines(file: str) -> list[tuple[str, str]]:
    """A requirements file's entries, each with its comment."""
    text = (ROOT / file).read_text(encoding="utf-8")
    pairs = [line.partition("#") for line in text.splitlines()]
    return [(entry.strip(), comment.strip()) for entry, _, comment in pairs if entry.strip()]


REQUIREMENTS = {
    canonicalize_name(Requirement(entry).name): Requirement(entry) for entry, _ in lines("requirements.txt")
}
COLAB = dict(entry.split("==") for entry, _ in lines("ci/colab-versions.txt"))
REQUIRED_ON_COLAB = [(name, version) for name, version in COLAB.items() if canonicalize_name(name) in REQUIREMENTS]


@pytest.fixture
def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_requirement_is_listed_once():
    assert len(REQUIREMENTS) == len(lines("requirements.txt"))


@pytest.mark.parametrize("entry, comment", lines("requirements.txt"))
def test_every_requirement_is_a_range(entry, comment):
    operators = {specifier.operator for specifier in Requirement(entry).specifier}
    assert ">=" in operators, f"{entry} has no lower bound"
    assert operators == {">="} or comment, f"{entry}: a comment has to say why anything but a lower bound is needed"
    assert not operators & {"==", "==="}, f"{entry} pins one version"


@pytest.mark.parametrize("version", ["2.4.1", "2.5.1", "2.9.1"])
def test_no_pytorch_is_admitted_that_is_unsafe_with_weights_only(version):
    """CVE-2025-32434 (before 2.6) and CVE-2026-24747 (before 2.10): `helpers.prompts` reads .pth files of others."""
    assert not REQUIREMENTS["torch"].specifier.contains(version)


# pip and conda read the same list


def test_pyproject_reads_requirements_and_adds_nothing(pyproject):
    project = pyproject["project"]
    assert "dependencies" not in project and project["dynamic"] == ["dependencies"]
    assert pyproject["tool"]["setuptools"]["dynamic"] == {"dependencies": {"file": ["requirements.txt"]}}
    few_need = {"images", "art", "deepfloyd", "browser", "lint", "site", "web"}
    assert set(project.get("optional-dependencies", {})) <= few_need
    assert "dependency-groups" not in pyproject


def test_conda_reads_requirements_and_adds_only_python_and_pip():
    head, _, dependencies = (ROOT / "environment.yml").read_text(encoding="utf-8").partition("\ndependencies:\n")
    items = [line.strip() for line in dependencies.splitlines() if line.strip()]
    assert items == ["- python>=3.11", "- pip", "- pip:", "- -r requirements.txt"]
    assert "name: diffusion-course" in head and "- conda-forge" in head


def test_pip_and_conda_want_the_same_python(pyproject):
    (python,) = re.findall(r"- python(\S+)", (ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert python == pyproject["project"]["requires-python"] == ">=3.11"


# What is imported is required


def imports(code: str) -> set[str]:
    """The top-level names of all modules that a piece of code imports."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def sources():
    """Every script and notebook of the kit, as plain Python."""
    for folder in ("helpers", "making", "ci", "tests"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file, file.read_text(encoding="utf-8")
    yield ROOT / "conftest.py", (ROOT / "conftest.py").read_text(encoding="utf-8")
    for file in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        cells = [cell.source for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]
        yield file, re.sub(r"^(\s*)[%!].*$", r"\1pass", "\n".join(cells), flags=re.MULTILINE)  # without magics


def test_every_package_that_is_imported_is_required(pyproject):
    own = {"helpers", "making", "ci"} | {file.stem for file in (ROOT / "tests").glob("*.py")}
    third_party = {
        (DISTRIBUTIONS.get(module, canonicalize_name(module)), file.relative_to(ROOT).as_posix())
        for file, code in sources()
        for module in imports(code) - own - sys.stdlib_module_names
    }
    assert len({package for package, _ in third_party}) > 5  # the search found something
    optional = pyproject["project"]["optional-dependencies"]
    extras = {Requirement(entry).name for extra in ("art", "browser", "site", "web") for entry in optional[extra]}
    missing = sorted(f"{package} in {file}" for package, file in third_party if package not in {*REQUIREMENTS, *extras})
    assert missing == []


def test_every_requirement_is_imported_or_says_what_it_is_for():
    imported = {
        DISTRIBUTIONS.get(module, canonicalize_name(module)) for _, code in sources() for module in imports(code)
    }
    unused = [
        entry
        for entry, comment in lines("requirements.txt")
        if canonicalize_name(Requirement(entry).name) not in imported and not comment
    ]
    assert unused == []


@pytest.mark.parametrize(
    "code, wanted",
    [
        ("import a.b, c as d", {"a", "c"}),
        ("from e.f import g", {"e"}),
        ("from . import h", set()),
        ("def f():\n import i", {"i"}),
    ],
)
def test_the_search_sees_every_kind_of_import(code, wanted):
    assert imports(code) == wanted


def test_what_a_notebook_imports_is_installed_on_colab_and_kaggle(pyproject):
    there = {canonicalize_name(entry.name) for entry in needed((ROOT / "requirements.txt").read_text(encoding="utf-8"))}
    imported = {
        DISTRIBUTIONS.get(module, canonicalize_name(module))
        for file, code in sources()
        if file.parent.name in ("helpers", "notebooks")
        for module in imports(code) - {"helpers", "ci"} - sys.stdlib_module_names
    }
    assert {"torch", "diffusers", "ipywidgets"} <= imported <= there
    assert not {"pytest", "papermill", "jupyterlab"} & there


# The tested versions, with which a course can be pinned

CONSTRAINTS = [entry for entry, _ in lines("constraints.txt")]
TESTED = dict(entry.split("==") for entry in CONSTRAINTS)


def test_a_constraint_is_a_name_and_a_released_version():
    """No address, no local version such as 2.13.0+cpu, which only one index has."""
    odd = [entry for entry in CONSTRAINTS if not re.fullmatch(r"[\w.-]+==\d+(\.\w+)*", entry)]
    assert odd == []
    names = [canonicalize_name(name) for name in TESTED]
    assert len(set(names)) == len(CONSTRAINTS)


def test_every_requirement_has_a_tested_version_in_its_range():
    tested = {canonicalize_name(name): version for name, version in TESTED.items()}
    assert REQUIREMENTS.keys() <= tested.keys()
    for name, requirement in REQUIREMENTS.items():
        assert requirement.specifier.contains(tested[name]), f"{requirement}, but constraints.txt has {tested[name]}"


def test_the_tested_versions_agree_with_each_other():
    """Each installed package that has its tested version wants nothing of the others that they are not."""
    tested = {canonicalize_name(name): version for name, version in TESTED.items()}
    disagreeing, looked_at = [], 0
    for package in metadata.distributions():
        if tested.get(canonicalize_name(package.name)) != package.version:
            continue
        looked_at += 1
        for wanted in map(Requirement, package.requires or []):
            version = tested.get(canonicalize_name(wanted.name))
            applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
            if version and applies and not wanted.specifier.contains(version, prereleases=True):
                disagreeing.append(f"{package.name} wants {wanted}, not {version}")
    assert looked_at > 5 and disagreeing == []


def test_pre_commit_runs_the_tested_ruff():
    config = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    versions = set(re.findall(r"ruff==([\w.]+)", config))
    assert versions == {TESTED["ruff"]}


# The lowest versions, for the matrix of CI


def test_the_lowest_versions_are_the_lower_bounds():
    entries = [Requirement(entry) for entry in lowest((ROOT / "requirements.txt").read_text(encoding="utf-8"))]
    assert [canonicalize_name(entry.name) for entry in entries] == list(REQUIREMENTS)
    for entry in entries:
        (pin,) = entry.specifier
        assert pin.operator == "==" and f">={pin.version}" in str(REQUIREMENTS[canonicalize_name(entry.name)].specifier)


def test_only_lower_bounds_are_taken():
    assert lowest("a>=1.0 # why\n# b>=2\nc-d<9,>=3.1\n") == ["a==1.0", "c-d==3.1"]


# Colab has these already, and should not have to download others


@pytest.mark.parametrize(
    "package, version", [pair for pair in COLAB.items() if canonicalize_name(pair[0]) in REQUIREMENTS]
)
def test_colab_satisfies_the_requirement(package, version):
    assert REQUIREMENTS[canonicalize_name(package)].specifier.contains(version)


def test_colab_has_the_large_packages():
    assert {"torch", "torchvision", "diffusers", "transformers", "numpy", "ipywidgets"} <= {
        name for name, _ in REQUIRED_ON_COLAB
    }
