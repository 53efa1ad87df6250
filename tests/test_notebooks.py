"""Every notebook begins alike: its title, the cell for Colab and Kaggle, its parameters."""

import re
from pathlib import Path

import nbformat
import pytest

from ci.badges import TAG, hosted_source, title_source
from ci.run_notebooks import MAX_BYTES

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
AGAIN = "`python -m ci.badges --clear` (or, in a fork, `make badges REPO=owner/name`) writes it"


def read(file):
    return nbformat.read(file, as_version=4).cells


def home(source):
    """The repository owner/name and the revision that a first cell names."""
    return re.search(r'repository, revision = "(?:https://github\.com/)?(.*?)", "(.*?)"', source).groups()


def test_there_are_notebooks():
    assert len(NOTEBOOKS) > 10


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_first_cells_come_in_the_same_order(file):
    title, hosted, parameters = read(file)[:3]
    assert title.cell_type == "markdown" and title.source.startswith("# ")
    assert hosted.metadata.get("tags") == [TAG], f"{file.name} has no first cell for Colab and Kaggle: {AGAIN}"
    assert parameters.metadata.get("tags") == ["parameters"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_all_come_from_one_repository_and_their_badges_lead_there(file):
    title, hosted = read(file)[:2]
    repo, ref = home(hosted.source)
    assert hosted.source == hosted_source(repo, ref), f"the first cell of {file.name} is an old one: {AGAIN}"
    assert title.source == title_source(title.source, file.stem, repo, ref)
    assert (repo, ref) == home(read(NOTEBOOKS[0])[1].source)
    assert not hosted.outputs


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_it_is_stored_as_it_was_executed_from_top_to_bottom_without_an_error(file):
    code = [cell for cell in read(file) if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run `make notebooks`"
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert file.stat().st_size <= MAX_BYTES


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_no_controls_are_stored_only_their_images(file):
    notebook = nbformat.read(file, as_version=4)
    assert "widgets" not in notebook.metadata  # GitHub shows no notebook whose widgets' state is not whole
    players = [cell for cell in notebook.cells if re.search(r"^play\(", cell.source, flags=re.MULTILINE)]
    assert players
    for cell in notebook.cells:
        kinds = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        assert not any("widget" in kind for kind in kinds)
        assert cell not in players or "image/png" in kinds, f"{cell.id} leaves no image: run `make notebooks`"


FIRST_FIGURE = 150  # words before it, at most


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_headings_come_in_the_usual_order(file):
    heads = [source.split("\n")[0] for source in markdown(file)]
    places = [heads.index(f"## {head}") for head in ("Your turn", "Play", "Common mistakes")]
    assert places == sorted(places)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_first_figure_comes_early_and_has_a_caption(file):
    before, after = read(file)[0].source.split("![", 1)
    assert len(before.split()) <= FIRST_FIGURE
    assert re.match(r"[^\]]+\]\([^)]+\)\n\n\*\*", after), "below the image: its caption, beginning with **bold** words"


@pytest.mark.parametrize("trains, samples", [("b2_2", "b2_3"), ("b2_4", "b2_5")])
def test_two_notebooks_share_a_training(trains, samples):
    """The same recipe, data, folder and seed, so that the second takes what the first has trained."""
    first, second = (read(NOTEBOOKS[0].with_name(f"{name}.ipynb")) for name in (trains, samples))
    for parameter in ("hidden", "n_images", "epochs", "seed"):
        values = [re.search(rf"^{parameter} = (\d+)", cells[2].source, re.MULTILINE)[1] for cells in (first, second)]
        assert values[0] == values[1], parameter
    choices = [
        re.search(r"^recipe, data, folder = .*?\n\n", cells[3].source, re.M | re.S)[0] for cells in (first, second)
    ]
    assert choices[0] == choices[1]
    call = "folder = training_folder(folder, recipe, data, seed=seed)"
    assert all(sum(call in cell.source for cell in cells) == 1 for cells in (first, second))


# ---- the text ------------------------------------------------------------------------------------------------------


def markdown(file):
    return [cell.source for cell in read(file) if cell.cell_type == "markdown"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_first_cell_says_how_long_it_takes_and_what_it_needs(file):
    title = read(file)[0].source
    assert re.search(r"^- \*\*Time\*\*: .+ to read, play and write; .+ to run on two cores", title, flags=re.MULTILINE)
    assert re.search(r"^- \*\*Prerequisites\*\*: .+", title, flags=re.MULTILINE)
    assert "(../docs/glossary.md)" in title


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_last_cell_asks_three_or_four_questions(file):
    questions = read(file)[-1].source
    assert questions.startswith("## Questions\n\n1. ")
    numbered = re.findall(r"^(\d)\. (.+)$", questions, flags=re.MULTILINE)
    assert [int(number) for number, _ in numbered] == list(range(1, len(numbered) + 1))
    assert 3 <= len(numbered) <= 4 and all("?" in question for _, question in numbered)


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_the_answers_quote_the_questions(file):
    questions = read(file)[-1].source.partition("<details>")[0]
    asked = [one_line(question) for question in re.split(r"^\d\. ", questions, flags=re.MULTILINE)[1:]]
    answers = file.parent.with_name("docs") / "answers" / f"{file.stem}.md"
    text = answers.read_text(encoding="utf-8").replace("(../../notebooks/", "(")
    quotes = re.findall(r"^> \*\*\d\.\*\* (.*(?:\n>.*)*)", text, flags=re.MULTILINE)
    assert [one_line(quote.replace("\n>", "\n")) for quote in quotes] == asked


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_formulas_are_closed(file):
    for source in markdown(file):
        text = re.sub(r"```.*?```|`[^`\n]*`", "", source, flags=re.DOTALL)
        displayed = re.findall(r"\$\$([^$]+)\$\$", text)
        text = re.sub(r"\$\$[^$]+\$\$", "", text)
        assert text.count("$") % 2 == 0 and "$$" not in text, source
        inline = re.findall(r"\$([^$]*)\$", text)
        for formula in inline:
            assert formula == formula.strip() and "\n" not in formula, formula  # else it is no formula on GitHub
        for formula in displayed + inline:
            assert formula.count("{") == formula.count("}"), formula


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_boxes_have_blank_lines_inside(file):
    """Without them, what is in a box is HTML, and its formulas are not typeset."""
    box = r"^<details(?: open)?><summary>[^\n]+</summary>\n\n.+?\n\n</details>$"
    for source in markdown(file):
        boxes = re.findall(box, source, flags=re.DOTALL | re.MULTILINE)
        assert len(boxes) == source.count("<details") == source.count("</details>"), source
