"""The site's pages before Sphinx reads them: what `make site` puts together from notebooks, texts and docstrings."""

import inspect
import re
from html import unescape

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image, ImageChops

from ci.site import course_site
from ci.site.course_site import (
    MAKERS,
    NOTEBOOKS,
    ROOT,
    TEXTS,
    Lesson,
    api_pages,
    course_map,
    gallery_page,
    page,
    read_lessons,
    without_dead_links,
)
from ci.site.exhibits import pixels
from ci.site.gallery import alt_text, write_gallery
from ci.site.looks import Look, Strip, frames_of, markup, stacked
from helpers import show

LESSONS = read_lessons()
NAMES = [lesson.name for lesson in LESSONS]


@pytest.fixture(params=LESSONS, ids=NAMES)
def lesson(request) -> Lesson:
    return request.param


def images_of(cell):
    return [output.data for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def images(html: str) -> list[str]:
    return re.findall(r"<img\b[^>]*>", html)


def same(first: Image.Image, second: Image.Image) -> bool:
    return ImageChops.difference(first.convert("RGB"), second.convert("RGB")).getbbox() is None


# the map


def test_every_notebook_is_on_the_map_once_and_in_order(tmp_path):
    text = course_map(LESSONS, tmp_path)
    cards = re.findall(r"\[!\[(.+)\]\((\S+)\)\]\(notebooks/(\w+)\.ipynb\)", text)
    assert [name for _, _, name in cards] == NAMES == sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb"))
    for words, image, _ in cards:
        assert words.strip() and Image.open(tmp_path / image).width > 100
    assert re.findall(r"^notebooks/(\w+)$", text, flags=re.MULTILINE) == NAMES  # and in the navigation


def test_a_notebook_says_in_a_sentence_what_it_is_for(lesson):
    assert re.match(r"\*Part [ABC].*\* After this notebook you can ", lesson.introduction)
    assert lesson.title and not lesson.title.startswith("#")


def test_badges_are_not_taken_for_the_introduction():
    title = (
        "# 1.1 · A title\n\n[![Colab](https://somewhere/badge.svg)](https://somewhere)\n\n*Part A, soon.* After this."
    )
    lesson = Lesson("a1_1", new_notebook(cells=[new_markdown_cell(title)]))
    assert (lesson.title, lesson.introduction) == ("1.1 · A title", "*Part A, soon.* After this.")


def test_the_navigation_has_every_text_that_there_is(tmp_path):
    text = course_map(LESSONS, tmp_path)
    for name in TEXTS:
        stem = name.removesuffix(".md")
        assert (re.search(rf"^(.* <)?{stem}>?$", text, flags=re.MULTILINE) is not None) == (ROOT / name).is_file()


# notebooks


def test_every_image_of_a_notebook_has_words_and_nothing_was_executed(lesson, tmp_path):
    before, after = lesson.notebook.cells, page(lesson, tmp_path).cells
    assert [cell.id for cell in after] == [cell.id for cell in before]
    for cell, made in zip(before, after):
        assert cell.cell_type == "markdown" or made.source == cell.source
        assert images_of(made) == images_of(cell)
        for data in images_of(cell):
            assert made.metadata["mystnb"]["image"]["alt"] == alt_text(data) != ""
        for output in made.get("outputs", []):
            for image in images(output.get("data", {}).get("text/html", "")):
                assert re.search(r'alt="[^"]+"', image) and "base64" not in image


def test_making_a_page_leaves_the_notebook_as_it_is(tmp_path):
    lesson = next(lesson for lesson in LESSONS if "show.animate" in str(lesson.notebook))
    before = str(lesson.notebook)
    page(lesson, tmp_path)
    assert str(lesson.notebook) == before


def test_a_cell_with_two_images_is_refused_rather_than_described_wrongly(tmp_path):
    outputs = [new_output("display_data", {"image/png": "", "text/plain": f"[image: {n}]"}) for n in "ab"]
    lesson = Lesson("a0", new_notebook(cells=[new_code_cell("f()", outputs=outputs)]))
    with pytest.raises(ValueError, match="2 images"):
        page(lesson, tmp_path)


def test_an_animation_becomes_a_strip_with_all_its_frames(tmp_path):
    frames = [torch.full((3, 8, 8), value) for value in (-1.0, 0.0, 1.0)]
    animation = show.animate(frames, alt="from black to white")
    data = {"text/html": animation._repr_html_(), "text/plain": repr(animation)}
    strip = course_site.strip_of(data, "A caption")
    assert len(strip.frames) == len(strip.labels) == 3 and strip.start == 2
    assert all(same(frame, pixels(x)) for frame, x in zip(strip.frames, frames))
    assert (strip.alt, strip.caption) == ("from black to white", "A caption")
    assert course_site.strip_of({"text/html": "<b>words</b>"}, "") is None


# links


@pytest.mark.parametrize(
    "text, mended",
    [
        ("[1.4](a1_4.ipynb)", "[1.4](a1_4.ipynb)"),
        ("[1.4](a1_4.ipynb#run-it)", "[1.4](a1_4.ipynb#run-it)"),
        ("[card](../data/models/mini-if/README.md)", "[card](../data/models/mini-if/README.md)"),
        ("[paper](https://arxiv.org/abs/2207.12598)", "[paper](https://arxiv.org/abs/2207.12598)"),
        ("[here](#a-place)", "[here](#a-place)"),
        ("![words](../docs/digits.png)", "![words](../docs/digits.png)"),
        ("[the licence](../LICENSE) and more", "the licence and more"),
        ("[no such](a9_9.ipynb)", "no such"),
        ("`x[0](y)` [a [b] c](../Makefile)", "`x[0](y)` a [b] c"),
    ],
)
def test_a_link_that_leads_to_no_page_becomes_words(text, mended):
    assert without_dead_links(text, NOTEBOOKS) == mended


def test_links_are_the_same_from_another_folder():
    assert without_dead_links("[1.4](a1_4.ipynb)", NOTEBOOKS, "notebooks/") == "[1.4](notebooks/a1_4.ipynb)"


def test_every_image_that_a_text_shows_is_copied_to_the_site():
    texts = [ROOT / name for name in TEXTS if (ROOT / name).is_file()]
    shown = {
        (file.parent / image).resolve()
        for file in texts
        for image in re.findall(r"!\[[^\]]*\]\(([^():]+)\)", file.read_text(encoding="utf-8"))
    }
    assert len(shown) > 3 and shown <= set(course_site.SHOWN)


# the gallery


def test_the_gallery_has_every_sections_images_and_text(tmp_path):
    made = {lesson.name: "" for lesson in LESSONS} | {"a1_8": "<b>turning</b>"}
    text = gallery_page(LESSONS, tmp_path, made)
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(sections) == len(LESSONS)
    for section, lesson in zip(sections, LESSONS):
        assert section.startswith(f"[{lesson.title}](notebooks/{lesson.name}.ipynb)")
        apart = any(course_site.RESULTS in cell.source for cell in lesson.notebook.cells)  # not below the images
        assert lesson.results.startswith("- ") == apart and lesson.results[:60] in section
        assert all(caption in section or "'" in caption for caption, _ in lesson.figures)
        shown = re.findall(r":::\{figure\} (\S+)\n:alt: \S", section)
        assert len(shown) + section.count('class="exhibit strip"') == sum(len(outputs) for _, outputs in lesson.figures)
        assert all((tmp_path / image).is_file() for image in shown)
        assert ("<b>turning</b>" in section) == (lesson.name == "a1_8")


@pytest.mark.parametrize("name", MAKERS)
def test_exhibits_find_their_parameters_in_their_notebook(name):
    lesson = next(lesson for lesson in LESSONS if lesson.name == name)
    wanted = {
        name
        for name, parameter in inspect.signature(MAKERS[name]).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert wanted <= set(lesson.parameters)


def test_the_forward_process_as_an_exhibit():
    lesson = next(lesson for lesson in LESSONS if lesson.name == "a1_1")
    (strip,) = MAKERS["a1_1"](**lesson.parameters)
    assert strip.labels[0] == "t = 0" and strip.labels[-1] == "t = 999"
    assert len(strip.frames) == len(strip.labels)


def colour(value: int) -> Image.Image:
    return Image.new("RGB", (8, 4), (value, 0, 0))


def test_a_strip_is_one_tall_image_whose_slider_says_where_it_is(tmp_path):
    strip = Strip([colour(i) for i in range(3)], ["a", "b <", "c"], 1, 'alt "text"', "What & why")
    html = markup(strip, "name", tmp_path, "there")
    tall = Image.open(tmp_path / "name.webp")
    assert tall.size == (8, 12) and [tall.convert("RGB").getpixel((0, 4 * i))[0] for i in range(3)] == [0, 1, 2]
    (image,) = images(html)
    assert 'src="there/name.webp"' in image and unescape(re.search(r'alt="([^"]*)"', image)[1]) == 'alt "text"'
    assert 'min="0" max="2" value="1"' in html and "<output>b &lt;</output>" in html
    assert "--count:3;--frame:1" in html and "What &amp; why</figcaption>" in html


@pytest.mark.parametrize("kind, count", [("turn", 1), ("shrink", 1), ("dissolve", 3)])
def test_a_look_is_a_button_with_words_for_each_state(kind, count, tmp_path):
    states = ["first", "second & more", "third"][: max(count, 2)]
    html = markup(Look(kind, [colour(i) for i in range(count)], states), "name", tmp_path, "there")
    assert len(images(html)) == count == len(list(tmp_path.iterdir()))
    assert all(re.search(r'alt="[^"]+"', image) for image in images(html))
    assert html.count("<li>") == len(states) and "second &amp; more" in html
    assert f'class="exhibit {kind}"' in html and '<button type="button" aria-pressed="false">' in html


def test_frames_come_back_out_of_a_gif(tmp_path):
    frames = [colour(i * 80) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert all(same(a, b) for a, b in zip(frames_of(Image.open(tmp_path / "a.gif")), frames))
    assert stacked(frames).size == (8, 12)


# the library


def test_every_module_has_a_page_and_packages_list_their_floors_in_order():
    pages = dict(api_pages())
    files = {file.relative_to(ROOT) for file in (ROOT / "helpers").rglob("*.py")}
    modules = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files}
    assert set(pages) == modules
    listed = re.findall(r"^helpers\.(\w+)$", pages["helpers"], flags=re.MULTILINE)
    assert listed.index("schedule") < listed.index("denoisers") < listed.index("sampling")
    for name, text in pages.items():
        assert f"automodule:: {name}\n" in text


# the gallery of executed notebooks


def test_the_gallery_escapes_titles_and_captions_and_says_what_failed(tmp_path):
    figure = new_output("display_data", {"image/png": "aGVsbG8=", "text/plain": '[image: a "dog"]'})
    cell = new_code_cell("show()", outputs=[figure], metadata={"caption": "x & y"})
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A <b> title"), cell]), tmp_path / "a0.ipynb")
    write_gallery(tmp_path, ["a0", "a1_1"], failed=["a1_1"])
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<a href="#a0">A &lt;b&gt; title</a>' in html and "<figcaption>x &amp; y.</figcaption>" in html
    (image,) = images(html)
    assert 'src="data:image/png;base64,aGVsbG8="' in image and "&quot;dog&quot;" in image
    assert html.count("This notebook failed") == 1 < html.index("This notebook failed") - html.index('id="a1_1"')
