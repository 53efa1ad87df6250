"""One Jupyter and one browser for all tests here. `make test-browser` runs them; `make test` does not."""

from collections.abc import Callable
from pathlib import Path

import papermill
import pytest
from playwright.sync_api import sync_playwright

from ci.figures.lab import FLAGS, FRONT_ENDS, ROOT, SCREENSHOTS, WAITED, Notebook, find_browser, lab
from ci.run_notebooks import read_parameters

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def pytest_addoption(parser):
    parser.addoption("--notebooks", default="", help="names such as 'a1_4 a1_8'; all by default")
    parser.addoption("--front-end", default="jupyterlab", choices=FRONT_ENDS)
    parser.addoption("--parameters", default="", help="parameters for all of them, as 'steps=28'")


def pytest_generate_tests(metafunc):
    """A test of a notebook runs on every notebook, unless it names its own."""
    its_own = [mark for mark in metafunc.definition.iter_markers("parametrize") if mark.args[0].split(",")[0] == "name"]
    if "name" in metafunc.fixturenames and not its_own:
        metafunc.parametrize("name", NOTEBOOKS)


def pytest_collection_modifyitems(config, items):
    """The chosen notebooks only, and one after the other, since each is run once for all its tests."""
    chosen = config.getoption("--notebooks").split() or NOTEBOOKS
    unknown = set(chosen) - set(NOTEBOOKS)
    if unknown:
        raise pytest.UsageError(f"there is no notebook {', '.join(sorted(unknown))}; wanted {', '.join(NOTEBOOKS)}")
    order = {name: place for place, name in enumerate(chosen)}
    if config.getoption("--front-end") == "jupyterlab":  # Notebook takes the engine tests' arrow keys for itself
        order[""] = -1  # without a notebook, and first
    names = {item: item.callspec.params.get("name", "") if hasattr(item, "callspec") else "" for item in items}
    config.hook.pytest_deselected(items=[item for item in items if names[item] not in order])
    items[:] = sorted((item for item in items if names[item] in order), key=lambda item: order[names[item]])


@pytest.fixture(scope="session")
def folder(pytestconfig, tmp_path_factory) -> Path:
    """What Jupyter sees: the notebooks, and whatever a test adds."""
    folder = tmp_path_factory.mktemp("lab")
    parameters = read_parameters(pytestconfig.getoption("--parameters"))
    for name in NOTEBOOKS:
        notebook = ROOT / "notebooks" / f"{name}.ipynb"
        if parameters:
            papermill.execute_notebook(notebook, folder / notebook.name, parameters, prepare_only=True)
        else:
            (folder / notebook.name).write_bytes(notebook.read_bytes())
    return folder


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def open_notebook(pytestconfig, browser, folder):
    """A function that opens a notebook, with a kernel of its own, and runs it.

    It stays open until another one is asked for: two kernels at a time would need the memory of both.
    """
    opened: dict[str, Notebook] = {}

    def open_notebook(name: str) -> Notebook:
        if name not in opened:
            close()
            opened[name] = Notebook(browser, address, f"{name}.ipynb", has_touch=True)
            opened[name].run_all()
        return opened[name]

    def close() -> None:
        while opened:
            opened.popitem()[1].close()

    with lab(folder, pytestconfig.getoption("--front-end")) as address:
        yield open_notebook
        close()


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The site, its exhibits painted in a few steps."""
    from ci.site import course_site  # it imports what only the site needs

    folder = tmp_path_factory.mktemp("site")
    course_site.write_source(folder / "source", **course_site.QUICK)
    assert course_site.build(folder / "source", folder / "site") == 0, "Sphinx complains: see its words above"
    return folder / "site"


@pytest.fixture
def notebook(open_notebook: Callable[[str], Notebook], name: str) -> Notebook:
    """The notebook that a test is about, every cell run."""
    return open_notebook(name)


def pytest_terminal_summary(terminalreporter):
    """How long the first images took; on a busy computer, longer."""
    for name, number in dict.fromkeys(entry[:2] for entry in WAITED):
        seconds = sorted(entry[2] for entry in WAITED if entry[:2] == (name, number))
        middle, slowest = seconds[len(seconds) // 2], seconds[-1]
        terminalreporter.write_line(f"{name}-{number}: first image after {middle:.2f} s, at most {slowest:.2f} s")
    if WAITED:
        terminalreporter.write_line(f"What the explorers look like: {SCREENSHOTS.relative_to(ROOT)}/")
