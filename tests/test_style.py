"""The kit uses the field's words, such as image for picture, and none of those that make its English hard to read."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CLEAN = ("helpers", "making", "ci", "web")  # folders that stay clean; add a folder once it is
KINDS = (".py", ".js", ".css", ".html")
WORDS = re.compile(
    r"picture|\b(shall|whoever|nobody|somebody|anybody|lest)\b|\bby itself\b|in the manner of|\bhalf-way\b", re.I
)
# files and keys of Mini-IF's training set, which no sentence can avoid
NAMES = ("pictures-256", "pictures-128", "pictures-{", '"pictures"')


def found(file: Path) -> list[str]:
    text = re.sub(r"https?://\S+", "", file.read_text(encoding="utf-8"))
    for name in NAMES:
        text = text.replace(name, "")
    return [match[0] for match in WORDS.finditer(text)]


FILES = [file for folder in CLEAN for file in sorted((ROOT / folder).rglob("*")) if file.suffix in KINDS]
FILES += [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "data").rglob("*.md"))]


def test_there_are_files_to_read():
    assert len(FILES) > 100


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_file_uses_the_fields_words(file):
    assert not found(file)


def test_the_words_are_found_in_code_and_text(tmp_path):
    file = tmp_path / "some.py"
    file.write_text('def paint(pictures):  # whoever calls it shall wait\n    "By itself"; "pictures-256"\n')
    assert found(file) == ["picture", "whoever", "shall", "By itself"]


@pytest.mark.parametrize("file", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda file: file.stem)
def test_a_notebooks_text_and_code_use_the_fields_words(file):
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    assert not [match[0] for cell in cells for match in WORDS.finditer("".join(cell["source"]))]


@pytest.mark.parametrize("file", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda file: file.stem)
def test_a_notebooks_stored_outputs_are_those_of_todays_library(file):
    text = file.read_text(encoding="utf-8")
    assert "[picture: " not in text and "things that were measured" not in text, "execute it again: make notebooks"
