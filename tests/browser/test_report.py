"""The student's page in a browser: on phone and desktop, light and dark, by keyboard, and with a hostile notebook."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from ci.report.page import make_page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from solved_course import solved

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    """The page of two sections, one of which has a script in its outputs."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "notebooks").mkdir()
    for name in ("a1_4", "a1_8"):
        nbformat.write(solved(name), folder / "notebooks" / f"{name}.ipynb")
    evil = '<script>window.hacked = true</script><img src=x onerror="window.hacked = true">'
    output = new_output("display_data", {"text/html": evil, "application/javascript": "window.hacked = true"})
    hostile = solved("a1_1")
    hostile.cells += [new_markdown_cell(evil), new_code_cell("f()", execution_count=99, outputs=[output])]
    nbformat.write(hostile, folder / "notebooks" / "a1_1.ipynb")
    (folder / "report").mkdir()
    (folder / "report" / "a1_1.md").write_text(evil + "\n\n" + r"\(\sqrt{\bar\alpha_t}\)", encoding="utf-8")
    make_page(folder / "notebooks", folder / "report", folder / "page")
    return folder / "page" / "index.html"


@pytest.fixture
def open_page(page_file, browser):
    """A function that opens the page; nothing may go wrong there."""
    pages, problems = [], []

    def open_page(size="desktop", scheme="light", **options):
        width, height = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        pages.append(page)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(request.url[:200]))
        page.goto(page_file.as_uri())
        return page

    yield open_page
    for page in pages:
        page.close()
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_the_screen_and_follows_the_theme(open_page, size, scheme):
    page = open_page(size, scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    parts = [int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    assert (sum(parts) / 3 > 128) == (scheme == "light")
    assert page.locator("nav details").evaluate("box => box.open") == (size == "desktop")
    loaded = "async () => { for (const i of document.images) { i.loading = 'eager'; await i.decode(); } return true; }"
    assert page.evaluate(loaded)


def test_an_anagram_turns_by_keyboard_and_says_what_it_is(open_page):
    page = open_page()
    figure = page.locator("#a1_8 .exhibit.turn").first
    assert figure.get_attribute("data-state") == "0"
    page.keyboard.press("Tab")  # so that the focus is one of a keyboard's
    figure.locator("button").focus()
    page.keyboard.press("Enter")
    figure.and_(page.locator("[data-state='1']")).wait_for()
    assert figure.locator("li[aria-current]").inner_text().startswith("upside down: ")


def test_a_long_figure_scrolls_by_keyboard_on_a_phone(open_page):
    page = open_page("phone")
    box = page.locator("#a1_8 .plate .wide").first
    box.locator("img").evaluate("image => { image.loading = 'eager'; return image.decode(); }")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1000)  # wait_for_function would need eval, which the page forbids
    assert box.evaluate("box => box.scrollLeft") > 0


def test_no_script_of_a_notebook_runs_in_the_page(open_page):
    page = open_page()
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert page.locator("#a1_1").inner_text().count("<script>") == 2  # shown as text: the cell's and the text's
    assert page.locator("#a1_1 math").count() == 1


def test_on_paper_the_code_is_open_and_what_moves_stands_still(open_page):
    page = open_page()
    page.evaluate("document.querySelectorAll('main details').forEach(box => (box.open = false))")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#a1_4 .source").first.evaluate("box => box.open")
    assert not page.locator("#a1_8 .exhibit.turn").first.is_visible()
    assert page.locator("#a1_8 .plate").first.is_visible()
    assert not page.locator("nav").is_visible()
