"""Links lead to files that exist and to headings that they have. (.github/workflows/links.yml tries other sites.)"""

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (".", "docs", "docs/answers", "notebooks", "data", "data/*", "data/models/*")
PAGES = sorted(page for folder in FOLDERS for kind in ("md", "ipynb") for page in ROOT.glob(f"{folder}/*.{kind}"))
LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:href|src)=["']([^"']+)["']""")
ARXIV = re.compile(r"arxiv\.org/\w+/([^\s)\"'>\]]+)")
REFERENCES = ROOT / "docs" / "references.md"
PAPER = re.compile(r"(?:arXiv:\s?|arxiv\.org/abs/)(\d{4}\.\d{4,5})")  # in pages and docstrings
SOURCES = sorted(file for folder in ("helpers", "making", "ci", "web") for file in (ROOT / folder).rglob("*.*"))


@cache
def text_of(page: Path) -> str:
    """A page's Markdown, without code."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


@cache
def anchors(page: Path) -> set[str]:
    """What a link to a part of a page may name: its headings as GitHub spells them, and ids."""
    text = page.read_text(encoding="utf-8") if page.suffix == ".md" else text_of(page)
    headings = re.findall(r"^#+ (.+?)\s*$", text, flags=re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'\bid="([^"]+)"', text))


def links(page: Path) -> list[str]:
    return [unquote(markdown or html) for markdown, html in LINK.findall(text_of(page))]


def dead(page: Path) -> list[str]:
    """The links to files or headings that do not exist."""
    found = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):  # https:, mailto:, data:
            continue
        path, _, part = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (part and target.suffix in (".md", ".ipynb") and part not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    assert not dead(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_to_arxiv_name_a_paper(page):
    assert all(re.fullmatch(r"\d{4}\.\d{4,5}", paper) for paper in ARXIV.findall(text_of(page)))


def test_every_cited_paper_is_listed_once_among_the_references():
    listed = re.findall(r"\(https://arxiv\.org/abs/([\d.]+)\)", REFERENCES.read_text(encoding="utf-8"))
    assert len(listed) == len(set(listed)) > 30
    code = [file for file in SOURCES if file.suffix in (".py", ".js")]
    cited = {file.relative_to(ROOT).as_posix(): PAPER.findall(file.read_text("utf-8")) for file in (*PAGES, *code)}
    missing = {name: set(papers) - set(listed) for name, papers in cited.items() if set(papers) - set(listed)}
    assert not missing, f"add them to {REFERENCES.name}"


def test_pages_are_found_and_dead_links_are_seen(tmp_path):
    assert len(PAGES) > 60
    (tmp_path / "there.md").write_text("# Sampling, step by step\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#sampling-step-by-step) [c](#here) [d](https://example.org)\n"
        '# Here\n<img src="gone.png"> [e](there.md#elsewhere) `[f](code.md)`\n'
    )
    assert dead(page) == ["gone.png", "there.md#elsewhere"]
