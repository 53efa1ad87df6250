"""One JupyterLab and one browser for all tests here. `make test-browser` runs them; `make test` does not."""

import shutil
from pathlib import Path

import pytest
from lab import FLAGS, ROOT, Notebook, find_browser, lab
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
