"""The site as a visitor sees it: every page, on phone and desktop, light and dark, and what moves in the gallery."""

import io
import json
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import numpy as np
import pytest
from PIL import Image

from ci.figures.lab import SCREENSHOTS
from ci.site import course_site

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
THEMES = ["light", "dark"]
# when formulas are set and images are there
READY = """async () => {
    await window.MathJax?.startup?.promise;
    await Promise.all([...document.images].map(image => image.decode().catch(() => 0)));
}"""
FACTS = """() => ({
    ids: [...document.querySelectorAll("[id]")].map(element => element.id),
    links: [...document.querySelectorAll("a[href]")].map(link => link.href),
    images: [...document.images].map(image => [image.src.slice(0, 200), image.alt, image.naturalWidth]),
    formulas: document.querySelectorAll("mjx-container").length,
    unset: document.querySelectorAll("[data-mjx-error], [data-mml-node=merror]").length,
})"""
LOOKS = """() => ({
    overflow: document.documentElement.scrollWidth - innerWidth,
    ground: getComputedStyle(document.body).backgroundColor,
})"""


@pytest.fixture(scope="session")
def visited(site, browser) -> dict[str, dict]:
    """What there is on each page, and what went wrong there, by its path."""
    context, pages = browser.new_context(), {}
    for file in sorted(site.rglob("*.html")):
        page, problems, requests = context.new_page(), [], []
        page.on("console", lambda message, problems=problems: problems.append(message.text))
        page.on("pageerror", lambda error, problems=problems: problems.append(str(error)))
        page.on("requestfailed", lambda request, problems=problems: problems.append(request.url[:200]))
        page.on("request", lambda request, requests=requests: requests.append(request.url))
        page.goto(file.as_uri())
        page.evaluate(READY)
        facts = {"problems": problems, "requests": requests, "looks": {}, **page.evaluate(FACTS)}
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                facts["looks"][size, theme] = page.evaluate(LOOKS)
        pages[file.relative_to(site).as_posix()] = facts
        page.close()
    context.close()
    return pages


def gathered(visited: dict, find) -> list[str]:
    """What `find` finds on each page, with the page's name."""
    return [f"{name}: {found}" for name, facts in visited.items() for found in find(facts)]


def brightness(colour: str) -> float:
    """Of an opaque CSS colour such as rgb(19, 20, 22), from 0 to 1."""
    return float(np.mean([float(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")])) / 255


# every page


def test_every_notebook_every_module_and_every_text_has_a_page(visited):
    wanted = {f"notebooks/{lesson.name}.html" for lesson in course_site.read_lessons()}
    wanted |= {f"api/{name}.html" for name, _ in course_site.api_pages()}
    texts = [name for name in course_site.TEXTS if (course_site.ROOT / name).is_file()]
    wanted |= {name.replace(".md", ".html") for name in texts}
    assert wanted | {"index.html", "gallery.html", "search.html"} <= set(visited)


def test_the_console_is_clean(visited):
    assert gathered(visited, lambda facts: facts["problems"]) == []


def test_nothing_is_asked_of_any_other_place(visited):
    def elsewhere(facts):
        return [url[:200] for url in facts["requests"] if not url.startswith(("file:", "data:", "blob:"))]

    assert gathered(visited, elsewhere) == []
    assert all(facts["requests"] for facts in visited.values())  # they would have been seen


def test_links_within_the_site_lead_somewhere(site, visited):
    def dead(facts):
        for link in dict.fromkeys(facts["links"]):
            address, place = urldefrag(link)
            if not address.startswith("file:"):
                continue
            file = Path(unquote(urlsplit(address).path))
            name = file.relative_to(site).as_posix() if file.is_relative_to(site) else None
            if not file.is_file() or (place and unquote(place) not in visited[name]["ids"]):
                yield link

    assert gathered(visited, dead) == []


def test_every_image_is_there_and_has_words(visited):
    def wrong(facts):
        return [image for image in facts["images"] if not (image[1].strip() and image[2])]

    assert gathered(visited, wrong) == []
    assert sum(len(facts["images"]) for facts in visited.values()) > 200


def test_formulas_are_set(visited):
    assert gathered(visited, lambda facts: [facts["unset"]] if facts["unset"] else []) == []
    for lesson in course_site.read_lessons():
        written = any("$" in cell.source for cell in lesson.notebook.cells if cell.cell_type == "markdown")
        assert (visited[f"notebooks/{lesson.name}.html"]["formulas"] > 0) == written, lesson.name


def test_no_page_is_wider_than_the_screen(visited):
    def wide(facts):
        return [(size, theme) for (size, theme), looks in facts["looks"].items() if looks["overflow"] > 0]

    assert gathered(visited, wide) == []


def test_every_page_follows_the_theme(visited):
    def wrong(facts):
        for (size, theme), looks in facts["looks"].items():
            if (brightness(looks["ground"]) > 0.5) != (theme == "light"):
                yield size, theme, looks["ground"]

    assert gathered(visited, wrong) == []


# the gallery


@pytest.fixture
def gallery(site, browser):
    """The gallery; a function that opens it with options of a browser's."""
    pages = []

    def open_gallery(**options):
        page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
        pages.append(page)
        page.goto((site / "gallery.html").as_uri())
        page.evaluate(READY)
        return page

    yield open_gallery
    for page in pages:
        page.close()


def look(page, kind: str):
    """The first exhibit of a kind, in sight and at rest."""
    exhibit = page.locator(f".exhibit.{kind}").first
    exhibit.scroll_into_view_if_needed()
    assert exhibit.get_attribute("data-state") == "0"
    return exhibit


def seen(locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB")).astype(float)


def wait_for_state(exhibit, state: int) -> None:
    """Until an exhibit is in a state, and has stopped moving."""
    exhibit.and_(exhibit.page.locator(f"[data-state='{state}']")).wait_for()
    exhibit.evaluate("figure => Promise.all(figure.getAnimations({ subtree: true }).map(moving => moving.finished))")


def said(exhibit) -> str:
    return exhibit.locator("li[aria-current]").inner_text()


def test_an_anagram_turns_when_it_is_pointed_at(gallery):
    page = gallery()
    exhibit = look(page, "turn")
    button = exhibit.locator("button")
    upright, words = seen(button), said(exhibit)
    button.hover()
    wait_for_state(exhibit, 1)
    assert np.abs(seen(button) - upright[::-1]).mean() < np.abs(seen(button) - upright).mean() / 3
    assert said(exhibit).startswith("upside down: ") and said(exhibit) != words
    page.mouse.move(0, 0)
    wait_for_state(exhibit, 0)
    assert np.abs(seen(button) - upright).mean() < 1


def test_an_anagram_turns_under_the_keyboard(gallery):
    page = gallery()
    exhibit = look(page, "turn")
    button = exhibit.locator("button")
    button.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")  # as a keyboard focuses
    wait_for_state(exhibit, 1)
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    wait_for_state(exhibit, 1)  # pressed, it stays


def test_an_anagram_turns_when_it_is_tapped_and_back_again(gallery):
    exhibit = look(gallery(has_touch=True), "turn")
    for state in (1, 0):
        exhibit.locator("button").tap()
        wait_for_state(exhibit, state)


def test_a_hybrid_shrinks(gallery):
    exhibit = look(gallery(), "shrink")
    image = exhibit.locator("img")
    before = image.bounding_box()["width"]
    exhibit.locator("button").hover()
    wait_for_state(exhibit, 1)
    assert image.bounding_box()["width"] < before / 5
    assert said(exhibit).startswith("from afar: ")


def test_an_inpainting_dissolves_by_the_mask_into_the_result(gallery):
    exhibit = look(gallery(), "dissolve")
    button, images = exhibit.locator("button"), []
    images.append(seen(button))
    button.hover()
    for state in (1, 2):
        wait_for_state(exhibit, state)
        images.append(seen(button))
    original, mask, result = images
    assert min(np.abs(a - b).mean() for a, b in [(original, mask), (mask, result), (original, result)]) > 2
    assert said(exhibit).startswith("repainted: ")


def test_nothing_glides_for_whoever_wants_it_calm(gallery):
    exhibit = look(gallery(reduced_motion="reduce"), "turn")
    exhibit.locator("button").hover()
    wait_for_state(exhibit, 1)
    durations = exhibit.locator("img").evaluate("image => getComputedStyle(image).transitionDuration")
    assert set(durations.split(", ")) == {"0s"}


def test_a_slider_runs_through_its_strip_by_the_arrow_keys(gallery):
    page = gallery()
    for exhibit in (page.locator(".exhibit.strip").first, page.locator(".exhibit.strip").last):
        slider, film = exhibit.locator("input"), exhibit.locator(".film")
        labels = json.loads(slider.get_attribute("data-labels"))
        slider.press("Home")
        first = seen(film)
        assert exhibit.locator("output").inner_text() == labels[0]
        slider.press("ArrowRight")
        assert exhibit.locator("output").inner_text() == slider.get_attribute("aria-valuetext") == labels[1]
        slider.press("End")
        assert exhibit.locator("output").inner_text() == labels[-1]
        assert np.abs(seen(film) - first).mean() > 2


def test_a_notebook_has_its_animation_as_a_strip(site, browser):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((site / "notebooks" / "a1_5.html").as_uri())
    exhibit = page.locator(".exhibit.strip")
    exhibit.locator("input").press("End")
    last = seen(exhibit.locator(".film"))
    exhibit.locator("input").press("Home")
    assert np.abs(seen(exhibit.locator(".film")) - last).mean() > 2
    page.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", THEMES)
def test_screenshots_to_be_looked_at(site, browser, size, theme):
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    folder = SCREENSHOTS.parent / "site-screenshots"
    for name in ("index", "gallery", "notebooks/a1_4", "notebooks/b2_5", "api/helpers.sampling"):
        page.goto((site / f"{name}.html").as_uri())
        page.evaluate(READY)
        file = folder / f"{name.rpartition('/')[2]}-{size}-{theme}.png"
        page.screenshot(path=file, full_page=True)
        shown = np.asarray(Image.open(file).convert("L"))
        assert shown.shape[1] == width and shown.std() > 5, f"{name} is blank"
    page.close()
