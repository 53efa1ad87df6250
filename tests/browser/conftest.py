"""One JupyterLab and one browser for all tests here. `make test-browser` runs them; `make test` does not."""

import shutil
from pathlib import Path

import pytest
from lab import FLAGS, ROOT, SCREENSHOTS, WAITED, Notebook, find_browser, lab
from playwright.sync_api import sync_playwright

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def pytest_addoption(parser):
    parser.addoption("--notebooks", default="", help="names such as 'a1_4 a1_8'; all by default")


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--notebooks").split() or NOTEBOOKS
        metafunc.parametrize("name", chosen)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """What JupyterLab sees: the notebooks, and whatever a test adds."""
    folder = tmp_path_factory.mktemp("lab")
    for name in NOTEBOOKS:
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder)
    return folder


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address(folder):
    with lab(folder) as address:
        yield address


@pytest.fixture
def opened(browser, address):
    """Opens a notebook by its name, with a kernel of its own, until the test is over."""
    notebooks = []

    def open_notebook(name: str, **options) -> Notebook:
        notebooks.append(Notebook(browser, address, f"{name}.ipynb", **options))
        return notebooks[-1]

    yield open_notebook
    for notebook in notebooks:
        notebook.close()


def pytest_terminal_summary(terminalreporter):
    """How long the first pictures took; on a busy computer, longer."""
    for name, number in dict.fromkeys(entry[:2] for entry in WAITED):
        seconds = sorted(entry[2] for entry in WAITED if entry[:2] == (name, number))
        middle, slowest = seconds[len(seconds) // 2], seconds[-1]
        terminalreporter.write_line(f"{name}-{number}: first picture after {middle:.2f} s, at most {slowest:.2f} s")
    if WAITED:
        terminalreporter.write_line(f"What the explorers look like: {SCREENSHOTS.relative_to(ROOT)}/")
