"""The student's page: it shows every section of a report, says what is missing, and executes nothing of a student's."""

import base64
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image, ImageChops
from solved_course import COURSE, solved, write_course

from ci.grading.submissions import read
from ci.report import figures, sections, words
from ci.report.__main__ import main
from ci.report.page import FRAME, HERO, make_page
from helpers import show

NAMES = sections.NOTEBOOKS.split()

# What the student report that the kit has to reproduce shows, section by section: its heading, the section of the page,
# and the cells whose images are the report's. "functions": it shows what the student wrote.
SEED = [
    ("Overview", "overview", ()),
    ("Part A: The Power of Diffusion Models!", "part-a", ()),
    ("Part 0 - Set Up: stages 1 and 2, 20 and 100 steps", "a0", ("a0-6", "a0-9", "functions")),
    ("1.1 - Implementing the Forward Process", "a1_1", ("a1-1-6", "functions")),
    ("1.2 - Classical Denoising", "a1_2", ("a1-2-6", "functions")),
    ("1.3 - One-Step Denoising", "a1_3", ("a1-3-7", "functions")),
    ("1.4 - Iterative Denoising", "a1_4", ("a1-4-7", "a1-4-8", "functions")),
    ("1.5 - Diffusion Model Sampling", "a1_5", ("a1-5-6", "functions")),
    ("1.6 - Classifier-Free Guidance (CFG)", "a1_6", ("a1-6-7", "functions")),
    ("1.7 - Image-to-Image Translation", "a1_7", ("a1-7-6", "functions")),
    ("1.7.1 - Editing Hand-Drawn and Web Images", "a1_7_1", ("a1-7-1-6", "a1-7-1-8", "functions")),
    ("1.7.2 - Inpaintings", "a1_7_2", ("a1-7-2-5", "functions")),
    ("1.7.3 - Text-Conditional Image-to-image Translation", "a1_7_3", ("a1-7-3-5", "functions")),
    ("1.8 - Visual Anagrams", "a1_8", ("a1-8-7", "a1-8-9", "turn", "functions")),
    ("1.9 - Hybrid Images", "a1_9", ("a1-9-6", "a1-9-8", "shrink", "functions")),
    ("Part B", "part-b", ()),
    ("1.1 - Implementing the UNet", "b1_1", ("b1-1-10", "functions")),
    ("1.2 - Using the UNet to Train a Denoiser: noises, loss, epochs, out of distribution", "b1_2",
     ("b1-2-5", "b1-2-train-1", "b1-2-10", "b1-2-17", "functions")),
    ("2.1 - Adding Time Conditioning to UNet", "b2_1", ("b2-1-tell-3", "functions")),
    ("2.2 - Training: the loss", "b2_2", ("b2-2-10", "functions")),
    ("2.3 - Sampling from the UNet, by epochs", "b2_3", ("b2-3-8", "functions")),
    ("2.4 - Adding Class-Conditioning to UNet: the network, the loss", "b2_4",
     ("b2-4-where-1", "b2-4-8", "functions")),
    ("2.5 - Sampling from the Class-Conditioned UNet, by epochs", "b2_5", ("b2-5-8", "functions")),
    ("Summary", "summary", ()),
]  # fmt: skip


class Page(HTMLParser):
    """A page's elements, with what stands in them."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def part_of(html: str, name: str) -> str:
    """The HTML of a section of the page, up to the next one."""
    found = re.search(rf'<(?:section|article) id="{name}".*?(?=<(?:section|article) id=|<footer)', html, re.DOTALL)
    return found[0] if found else ""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A solved course, made into a page with a sentence of the student's in every text: its folder."""
    folder = tmp_path_factory.mktemp("course")
    write_course(folder / "notebooks", NAMES)
    (folder / "report").mkdir()
    for name in [*NAMES, "overview", "part_a", "part_b", "part_c", "summary"]:
        (folder / "report" / f"{name}.md").write_text(f"What I say about {name}.", encoding="utf-8")
    (folder / "report" / "about.toml").write_text('name = "Ada"', encoding="utf-8")
    arguments = ["--folder", folder / "notebooks", "--words", folder / "report", "--out", folder / "page"]
    assert main([str(argument) for argument in arguments]) == 0
    return folder


@pytest.fixture
def build(tmp_path):
    """A function that makes a page of notebooks and texts; it returns the HTML and what is missing."""

    def build(notebooks: dict, texts: dict | None = None):
        (tmp_path / "notebooks").mkdir()
        for name, notebook in notebooks.items():
            file = tmp_path / "notebooks" / f"{name}.ipynb"
            if isinstance(notebook, str):
                file.write_text(notebook, encoding="utf-8")
            else:
                nbformat.write(notebook, file)
        (tmp_path / "report").mkdir()
        for name, text in (texts or {}).items():
            (tmp_path / "report" / name).write_text(text, encoding="utf-8")
        made = make_page(tmp_path / "notebooks", tmp_path / "report", tmp_path / "page")
        return (tmp_path / "page" / "index.html").read_text(encoding="utf-8"), made.missing

    return build


def notebook(*cells, name="a1_1"):
    """A small notebook of the course's, with the title of 1.1."""
    prefix = name.replace("_", "-")
    first = [new_markdown_cell("# 1.1 · The forward process"), new_code_cell("seed = 0", execution_count=1)]
    course = [*first, *(cell for cell in cells if "mine" not in cell.metadata)]
    for i, cell in enumerate(course):
        cell["id"] = f"{prefix}-{i}"
    return new_notebook(cells=[*first, *cells])


def png(width=64, height=64, colour="red") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def image_output(data: str, alt="[image: 1 image]"):
    return new_output("display_data", {"image/png": data, "text/plain": alt})


def exercise(source: str, said: str = ""):
    """An exercise cell and its check."""
    outputs = [new_output("stream", text=said)] if said else []
    check = 'from helpers.checks import check\n\nforward = check("forward", my_forward)'
    return [
        new_code_cell(source, execution_count=2, metadata={"tags": ["exercise"]}),
        new_code_cell(check, execution_count=3, outputs=outputs, metadata={"tags": ["check"]}),
    ]


# ---- a solved course -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heading, name, shown", SEED, ids=[name for _, name, _ in SEED])
def test_every_section_of_the_students_report_is_on_the_page(course, heading, name, shown):
    html = (course / "page" / "index.html").read_text(encoding="utf-8")
    section = part_of(html, name)
    text = name.replace("-", "_")
    assert f"What I say about {text}." in section, heading
    alts = {image.get("alt") for tag, image in Page(section).elements if tag == "img"}
    for what in shown:
        if what == "functions":
            assert "all 9 checks passed" in section and '<pre class="code"' in section
        elif what in ("turn", "shrink"):
            assert section.count(f'class="exhibit {what}"') >= 6
        else:
            (cell,) = [cell for cell in nbformat.read(COURSE / f"{name}.ipynb", as_version=4).cells if cell.id == what]
            stored = [output.data["text/plain"] for output in cell.outputs if "image/png" in output.get("data", {})]
            assert stored and all(re.sub(r"^\[image: (.*)\]$", r"\1", alt, flags=re.S) in alts for alt in stored), what


def test_nothing_is_missing_in_a_solved_course(course):
    assert "Not finished yet" not in (course / "page" / "index.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_its_folder_and_is_small_enough_to_hand_in(course):
    page = Page((course / "page" / "index.html").read_text(encoding="utf-8"))
    sources = [element["src"] for tag, element in page.elements if "src" in element]
    assert len(sources) > 100 and all((course / "page" / source).is_file() for source in sources)
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "embed", "form")]
    with zipfile.ZipFile(course / "page.zip") as archive:
        assert {"page/index.html", f"page/{sources[0]}"} <= set(archive.namelist())
        page_files = [file for file in archive.infolist() if not file.filename.startswith("page/notebooks/")]
    assert sum(file.compress_size for file in page_files) < 15e6 and (course / "page.zip").stat().st_size < 25e6
    assert set(read(course / "page.zip").notebooks) == set(NAMES)  # as the grader reads it
    ids = {element["id"] for _, element in page.elements if "id" in element}
    links = [element["href"] for tag, element in page.elements if tag == "a"]
    assert {link[1:] for link in links if link.startswith("#")} <= ids and len(links) > len(NAMES)


def test_the_page_has_an_alt_text_for_every_image(course):
    html = (course / "page" / "index.html").read_text(encoding="utf-8")
    html = re.sub(r'<div class="hero" role="img" aria-label="[^"]+">.*?</div>', "", html)  # which has one for all
    assert all(element["alt"].strip() for tag, element in Page(html).elements if tag == "img")


def test_the_sections_and_cells_that_it_names_exist():
    assert sorted(NAMES) == sorted(file.stem for file in COURSE.glob("*.ipynb"))
    ids = {cell.id for name in NAMES for cell in nbformat.read(COURSE / f"{name}.ipynb", as_version=4).cells}
    assert {*figures.MAKERS, *HERO} <= ids
    assert set(FRAME) == {"overview", *words.PARTS, "summary"}


# ---- what is missing -------------------------------------------------------------------------------------------------

STUB = 'def my_forward(x0, t):\n    """Noise."""\n    raise NotImplementedError("Mix image and noise.")'
WRITTEN = "def my_forward(x0, t):\n    return x0 * t"


@pytest.mark.parametrize(
    "source, said, sentence, shown",
    [
        (STUB, "… forward: my_forward is not written yet.\n", "`my_forward` is not written yet.", False),
        (STUB, "", "`my_forward` is not written yet.", False),
        (WRITTEN, "✗ forward (1.1): too much noise.\n", "`my_forward` does not pass its check yet.", True),
        (WRITTEN, "", "`my_forward` has not been checked: run the cell with `check`.", True),
        ("from helpers.sampling import forward as my_forward", "✓ forward: all 12 checks passed.\n",
         "`my_forward` is the kit's own function.", False),
        ("other = 1", "", "The cell with `my_forward` is gone.", False),
        (WRITTEN, "✓ forward: all 12 checks passed. The notebook now uses your version.\n", None, True),
    ],
)  # fmt: skip
def test_an_exercise_that_is_not_solved_is_named(build, source, said, sentence, shown):
    html, missing = build({"a1_1": notebook(*exercise(source, said))})
    sentences = missing.get("1.1 · The forward process", [])
    assert sentences == ([sentence] if sentence else [])
    assert ("x0 * t" in Page(part_of(html, "a1_1")).text) == shown
    assert sentence is None or sentence in Page(html).text


def test_a_notebook_that_was_not_executed_or_only_partly_is_named(build):
    part = notebook(new_code_cell("seed + 1"), name="a1_2")
    whole = notebook(*exercise(WRITTEN))
    for cell in whole.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
    part.cells[0].source = "# 1.2 · Classical denoising"
    _, missing = build({"a1_1": whole, "a1_2": part})
    (sentence,) = missing["1.1 · The forward process"]  # not that its function was not checked, besides
    assert sentence == "It has not been executed. Open it in Jupyter, choose Run All Cells, and save it."
    assert missing["1.2 · Classical denoising"] == ["1 of 2 code cells have not been executed."]


def test_an_error_in_an_output_is_named_without_colours(build):
    error = new_output("error", ename="NameError", evalue="\x1b[31mname 'x' is not defined\x1b[0m", traceback=["<b>"])
    _, missing = build({"a1_1": notebook(new_code_cell("x", execution_count=2, outputs=[error]))})
    assert missing["1.1 · The forward process"] == ["A cell ended with an error: NameError: name 'x' is not defined"]


GOOD = json.dumps(new_notebook(cells=[new_markdown_cell("# 1.1")]))


@pytest.mark.parametrize(
    "content, sentence",
    [
        (None, "a1_1.ipynb is not in notebooks/."),
        ("{", "cannot be read: the file is damaged, or no notebook."),
        ("[1, 2]", "a1_1.ipynb is no notebook"),
        ('{"cells": []}', "a1_1.ipynb is"),
        (GOOD.replace('"# 1.1"', "7"), "is not a valid notebook"),
        (json.dumps(new_notebook()), "a1_1.ipynb is empty."),
        ("<html>", "cannot be read"),
    ],
)
def test_a_damaged_notebook_gets_a_sentence_and_the_page_is_made(build, content, sentence):
    html, missing = build({} if content is None else {"a1_1": content})
    assert any(sentence in one for one in missing["a1_1"]), missing["a1_1"]
    assert part_of(html, "a1_1")


def test_bytes_that_are_no_text_get_a_sentence(tmp_path):
    file = tmp_path / "a1_1.ipynb"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(sections.BadNotebook, match="damaged"):
        sections.read_notebook(file)
    with file.open("wb") as huge:
        huge.truncate(200_000_000)
    with pytest.raises(sections.BadNotebook, match="has 200 MB; wanted at most 100 MB"):
        sections.read_notebook(file)


def test_a_folder_that_is_none_or_that_holds_other_files_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--folder", str(tmp_path / "nowhere")])
    assert "is no folder; wanted one with executed notebooks" in capsys.readouterr().err
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SystemExit):
        main(["--folder", str(tmp_path), "--words", str(tmp_path / "report"), "--out", str(tmp_path)])
    assert "has other files in it" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").is_file() and not (tmp_path / "report").exists()


def test_the_terminal_says_what_is_missing_and_the_size(tmp_path, capsys):
    (tmp_path / "notebooks").mkdir()
    folders = ["--folder", str(tmp_path / "notebooks"), "--words", str(tmp_path / "report")]
    assert main([*folders, "--out", str(tmp_path / "page")]) == 0
    said = capsys.readouterr().out
    assert "a1_4:\n  - a1_4.ipynb is not in notebooks/." in said
    assert re.search(rf"{len(NAMES)} sections, 0 images, 0\.\d MB", said)
    assert re.search(r"To hand in: .*page\.zip", said)
    assert main([*folders, "--out", str(tmp_path / "page")]) == 0  # an earlier page may be replaced


# ---- the student's words ---------------------------------------------------------------------------------------------


def test_templates_are_written_once_and_count_as_no_text(build, tmp_path):
    questions = "## Questions to take along\n\n1. Why 750?\n2. And 999?"
    html, missing = build({"a1_1": notebook(new_markdown_cell(questions))}, {"a1_2.md": "Mine."})
    template = (tmp_path / "report" / "a1_1.md").read_text(encoding="utf-8")
    assert "1. Why 750?\n2. And 999?" in template and "1.1 · The forward process" in template
    assert "Why 750?" not in html and "Mine." in part_of(html, "a1_2")
    (sentence,) = missing["Your words"]
    assert "a1_1.md" in sentence and "a1_2.md" not in sentence
    (tmp_path / "report" / "a1_1.md").write_text(template + "\nBecause.", encoding="utf-8")
    make_page(tmp_path / "notebooks", tmp_path / "report", tmp_path / "again")
    assert (tmp_path / "report" / "a1_1.md").read_text(encoding="utf-8").endswith("Because.")
    assert (tmp_path / "report" / "a1_2.md").read_text(encoding="utf-8") == "Mine."
    assert "<p>Because.</p>" in (tmp_path / "again" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "toml, sentence",
    [
        ("title = ", "about.toml cannot be read"),
        ('title = 3\nname = "A"', "title is 3; wanted text"),
        ('parts = ["d"]\nname = "A"', "wanted some of"),
        ('name = "A"\n[links]\n"X" = "javascript:alert(1)"', "the link 'X' leads to 'javascript:alert(1)'"),
        ("", "about.toml has no name yet."),
    ],
)
def test_what_is_wrong_in_about_toml_gets_a_sentence(build, toml, sentence):
    html, missing = build({}, {"about.toml": toml})
    assert any(sentence in one for one in missing["About the page"])
    assert "javascript:" not in "".join(element.get("href", "") for _, element in Page(html).elements)


def test_a_class_may_leave_out_a_part(build):
    html, missing = build({}, {"about.toml": 'name = "A"\nparts = ["B", "a"]', "part_c.md": "Flows."})
    assert part_of(html, "a1_1") and part_of(html, "b2_5") and not part_of(html, "c3")
    assert "c3" not in missing and html.index('id="part-a"') < html.index('id="part-b"')


def to_html(text: str, noted: list | None = None) -> str:
    return words.to_html(text, lambda address, alt: f"[{alt}: {address}]", (noted if noted is not None else []).append)


@pytest.mark.parametrize(
    "text, html",
    [
        (r"\(x_t\)", '<msub><mi>x</mi><mi>t</mi></msub>'),
        ("so $a < b$.", "<mo>&lt;</mo>"),
        ("$$\\frac12$$", '<div class="formula"'),
        (r"\[ x = 1 \]", 'display="block"'),
        ("`$x$`", "<code>$x$</code>"),
        ("# Mine", "<h4>Mine</h4>"),
        ("a <b>bold</b> claim", "a &lt;b&gt;bold&lt;/b&gt; claim"),
        ("![A cat](cat.png)", "[A cat: cat.png]"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "<td>1</td>"),
    ],
)  # fmt: skip
def test_markdown_and_formulas_become_html(text, html):
    assert html in to_html(text)


def test_a_formula_that_cannot_be_set_shows_its_source():
    noted = []
    assert r"<code>\begin{aligned} a&amp;=b" in to_html(r"$\begin{aligned} a&=b \end{aligned}$", noted)
    assert "cannot be set; the page shows its source" in noted[0]


def test_images_of_the_students_own(build, tmp_path):
    (tmp_path / "secret.png").write_bytes(base64.b64decode(png()))
    text = "![mine](cat%201.png) ![gone](no.png) ![out](../secret.png) ![away](https://example.org/x.png)"
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "cat 1.png").write_bytes(base64.b64decode(png(3, 5)))
    (tmp_path / "report" / "a1_1.md").write_text(text, encoding="utf-8")
    made = make_page(tmp_path, tmp_path / "report", tmp_path / "page")
    section = part_of((tmp_path / "page" / "index.html").read_text(encoding="utf-8"), "a1_1")
    (image,) = [element for tag, element in Page(section).elements if tag == "img"]
    assert image["alt"] == "mine" and Image.open(tmp_path / "page" / image["src"]).size == (3, 5)
    said = " ".join(made.missing["Your words"])
    assert "there is no image no.png" in said and "outside report/" in said and "is elsewhere; save it" in said


# ---- images ----------------------------------------------------------------------------------------------------------


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.size == second.size and ImageChops.difference(first, second).getbbox() is None


@pytest.mark.parametrize("cell", [128, 160, 192])
def test_a_grid_is_cut_into_the_images_that_it_was_made_of(cell):
    images = [[torch.rand(3, 64, 64) * 2 - 1 for _ in range(3)] for _ in range(2)]
    grid = show.grid(images, ["one", "two", "a long title of several words"], rows=["above", "below"], cell=cell)
    rows = figures.cut(Image.open(io.BytesIO(grid.png)))
    assert [len(row) for row in rows] == [3, 3]
    for row, wanted in zip(rows, images):
        assert all(same(image, Image.fromarray(show.to_pixels(x))) for image, x in zip(row, wanted))


def test_a_curve_is_no_grid():
    curve = show.curves([0, 1, 2], {"a": [1, 2, 3], "b": [3, 3, 3]}, xlabel="t")
    assert figures.cut(Image.open(io.BytesIO(curve.png))) == []
    assert figures.cut(Image.new("RGB", (300, 300))) == []  # it has no background


def test_anagrams_and_hybrids_are_named_by_their_titles():
    x = [torch.rand(3, 64, 64) for _ in range(4)]
    grid = show.grid(x, ["a cat, sitting", "flipped: a bear", "a tree", "flipped: an owl"], cell=128)
    looks = figures.turning(figures.Shown(Image.open(io.BytesIO(grid.png)), grid.alt))
    assert [look.states for look in looks] == [
        ["a cat, sitting", "upside down: a bear"],
        ["a tree", "upside down: an owl"],
    ]
    assert same(looks[1].images[0], Image.fromarray(show.to_pixels(x[2])))
    grid = show.grid(
        [x[:2], x[2:]], ["far: a skull\nnear: a cat", "far: a panda\nnear: a tree"], rows=["a", "b"], cell=192
    )
    looks = figures.shrinking(figures.Shown(Image.open(io.BytesIO(grid.png)), grid.alt))
    assert [look.states for look in looks] == [
        ["close up: a cat", "from afar: a skull"],
        ["close up: a tree", "from afar: a panda"],
    ]


def test_stages_become_a_strip_with_their_titles():
    x = [torch.rand(3, 64, 64) for _ in range(6)]
    grid = show.grid([x[:3], x[3:]], ["i = 1", "i = 2", "original"], rows=["a", "b"], cell=128)
    (strip,) = figures.sliding(figures.Shown(Image.open(io.BytesIO(grid.png)), grid.alt))
    assert strip.labels == ["i = 1", "i = 2", "original"] and strip.start == 1
    assert strip.frames[0].size == (2 * 64 + 4, 64)


def test_images_that_cannot_be_shown_get_a_sentence(build, monkeypatch):
    monkeypatch.setattr(figures, "MOST_PIXELS", 10_000)
    outputs = [
        image_output("%%%"),
        image_output(png()[:80]),
        image_output(png(300, 300)),
        new_output("display_data", {"image/svg+xml": "<svg onload='alert(1)'/>"}),
        image_output(png()),
    ]
    cell = new_code_cell("f()", execution_count=2, outputs=outputs, metadata={"caption": "Mine"})
    html, missing = build({"a1_1": notebook(cell)})
    said = " ".join(missing["1.1 · The forward process"])
    for sentence in (
        "is not valid base64",
        "it is damaged",
        "it has 90,000 pixels; wanted at most 10,000",
        "an SVG image is left out",
    ):
        assert sentence.lower() in said.lower()
    assert part_of(html, "a1_1").count("<img") == 1 and "svg" not in part_of(html, "a1_1")


def test_an_animation_becomes_a_strip(build):
    animation = show.animate([torch.full((3, 8, 8), value) for value in (-1.0, 0.0, 1.0)], alt="brighter")
    output = new_output("display_data", {"text/html": animation._repr_html_(), "text/plain": repr(animation)})
    cell = new_code_cell("f()", execution_count=2, outputs=[output], metadata={"caption": "Brighter and brighter"})
    html, _ = build({"a1_1": notebook(cell)})
    assert 'class="exhibit strip"' in part_of(html, "a1_1") and "--count:3" in html and "Brighter and brighter" in html


# ---- cells that the student has added --------------------------------------------------------------------------------


def mine(cell):
    cell.metadata["mine"] = True
    return cell


def test_the_students_own_cells_are_shown_in_their_order(build):
    code = new_code_cell(
        "# Two suns\nf()", execution_count=9, outputs=[image_output(png()), new_output("stream", text="x" * 600)]
    )
    long = new_code_cell("print()", execution_count=10, outputs=[new_output("stream", text="line\n" * 99)])
    html, _ = build(
        {
            "a1_1": notebook(
                mine(new_markdown_cell("My *answer*.")),
                mine(code),
                mine(long),
                *[new_code_cell("1", execution_count=1) for _ in range(3)],
            )
        }
    )
    section = part_of(html, "a1_1")
    assert section.index("<em>answer</em>") < section.index("Two suns")
    assert "x" * 500 in section and "x" * 501 not in section and "… and 59 more lines" in section


def test_nothing_counts_as_added_where_an_editor_gave_new_ids_to_all_cells(build):
    cells = notebook(new_markdown_cell("The course's text."))
    for cell in cells.cells:
        cell["id"] = nbformat.v4.new_markdown_cell().id
    html, _ = build({"a1_1": cells})
    assert "The course's text." not in html


# ---- nothing of a student's acts in the page -------------------------------------------------------------------------

EVIL = '<script>alert(1)</script><img src=x onerror="alert(1)">'


def test_no_script_of_a_notebook_or_a_text_gets_into_the_page(build):
    alt = f'[image: "{EVIL}]'
    html_output = new_output(
        "display_data", {"text/html": EVIL, "application/javascript": "alert(1)", "text/plain": EVIL}
    )
    gif_output = new_output(
        "display_data", {"text/html": f'<img src="data:image/gif;base64,{EVIL}" onload="alert(1)">'}
    )
    outputs = [image_output(png(), alt), html_output, gif_output, new_output("stream", text=EVIL)]
    outputs += [new_output("error", ename=EVIL, evalue=EVIL, traceback=[EVIL])]
    cells = [
        new_code_cell("f()", execution_count=2, outputs=outputs, metadata={"caption": EVIL}),
        *exercise(f"def my_forward():\n    return '''</code></pre>{EVIL}'''"),
        mine(new_markdown_cell(f"{EVIL}\n\n[x](javascript:alert(1)) ![y](javascript:alert(1))")),
        mine(new_code_cell(f"# {EVIL}\nf()", execution_count=5, outputs=outputs)),
    ]
    made = notebook(*cells)
    made.cells[0].source = f"# 1.1 · {EVIL}"
    formulas = f"$\\text{{{EVIL}}}$ $\\href{{javascript:alert(1)}}{{x}}$"
    text = f"{EVIL}\n\n[x](javascript:alert(1)) <javascript:alert(1)>\n\n{formulas}"
    toml = f"title = '''{EVIL}'''\nname = '''{EVIL}'''"
    html, _ = build({"a1_1": made}, {"a1_1.md": text, "about.toml": toml})
    elements = Page(html).elements
    assert [tag for tag, _ in elements if tag == "script"] == ["script"]  # the kit's
    assert not [name for _, element in elements for name in element if name.startswith("on")]
    links = [element.get("href", "") + element.get("src", "") for _, element in elements]
    assert not [link for link in links if "javascript" in link or link == "x"]
    assert "alert(1)" in Page(html).text  # it is shown as text
    (policy,) = [
        element["content"] for tag, element in elements if element.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy


def test_a_solved_notebook_is_the_courses_with_references(tmp_path):
    made = solved("a1_1")
    (cell,) = [cell for cell in made.cells if "exercise" in cell.metadata.get("tags", [])]
    assert cell.source.startswith("def my_forward(") and "NotImplementedError" not in cell.source
    assert Path(COURSE).name == "notebooks"
