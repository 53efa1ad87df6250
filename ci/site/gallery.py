"""build/index.html: the images of all executed notebooks, on one page without other files."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat

from ci.site.pages import render


class Section(NamedTuple):
    """A notebook on the page, and its figures: a caption, and the images as HTML."""

    name: str
    title: str
    figures: list[tuple[str, str]]
    failed: bool


def write_gallery(build: Path, names: list[str], failed: list[str]) -> None:
    """Write build/index.html from the executed notebooks build/<name>.ipynb."""
    sections = []
    for name in names:
        file = build / f"{name}.ipynb"
        try:
            title, figures = read(nbformat.read(file, as_version=4))
        except (FileNotFoundError, nbformat.reader.NotJSONError):  # its kernel never came up, or died as it was written
            title, figures = "", []
        sections.append(Section(name, title or name, figures, failed=name in failed))
    (build / "index.html").write_text(render("gallery.html", sections=sections), encoding="utf-8")


def read(notebook) -> tuple[str, list[tuple[str, str]]]:
    """A notebook's title, and the figures of the cells that carry a caption in their metadata."""
    title = notebook.cells[0].source.split("\n")[0].lstrip("# ") if notebook.cells else ""
    return title, [(caption, "".join(image(data) for data in outputs)) for caption, outputs in captioned(notebook)]


def captioned(notebook) -> Iterator[tuple[str, list[dict]]]:
    """The captions, and for each the outputs that are pictures or animations."""
    for cell in notebook.cells:
        caption = cell.metadata.get("caption", "")
        pictures = [output.data for output in cell.get("outputs", []) if image(output.get("data", {}))]
        if caption and pictures:
            yield caption, pictures


def image(data: dict) -> str:
    """An output's picture or animation as HTML, if it has one."""
    if "image/png" in data:
        alt = html.escape(alt_text(data), quote=True)
        return f'<img alt="{alt}" src="data:image/png;base64,{data["image/png"].strip()}">'
    markup = data.get("text/html", "")
    return markup if markup.startswith("<img") else ""


def alt_text(data: dict) -> str:
    """What an output's picture or animation shows, in words."""
    return re.sub(r"^\[(?:picture|animation): (.*)\]$", r"\1", data.get("text/plain", ""), flags=re.DOTALL)
