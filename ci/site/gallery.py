"""build/index.html: the images of all executed notebooks, on one page without other files."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat

from ci.site.pages import render


class Section(NamedTuple):
    """A notebook on the page, with its figures: captions, and images as HTML."""

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
        except (FileNotFoundError, nbformat.reader.NotJSONError):  # its kernel did not start, or died while writing it
            title, figures = "", []
        sections.append(Section(name, title or name, figures, failed=name in failed))
    (build / "index.html").write_text(render("gallery.html", sections=sections), encoding="utf-8")


def read(notebook) -> tuple[str, list[tuple[str, str]]]:
    """A notebook's title, and the figures of the cells that carry a caption in their metadata."""
    title = notebook.cells[0].source.split("\n")[0].lstrip("# ") if notebook.cells else ""
    return title, [(caption, "".join(image_html(data) for data in outputs)) for caption, outputs in captioned(notebook)]


def captioned(notebook) -> Iterator[tuple[str, list[dict]]]:
    """The captions, each with the outputs that are images or animations."""
    for cell in notebook.cells:
        caption = cell.metadata.get("caption", "")
        images = [output.data for output in cell.get("outputs", []) if image_html(output.get("data", {}))]
        if caption and images:
            yield caption, images


def image_html(data: dict) -> str:
    """An output's image or animation as HTML, if it has one."""
    if "image/png" in data:
        alt = html.escape(alt_text(data), quote=True)
        return f'<img alt="{alt}" src="data:image/png;base64,{data["image/png"].strip()}">'
    markup = data.get("text/html", "")
    return markup if markup.startswith("<img") else ""


def alt_text(data: dict) -> str:
    """The alt text of an output's image or animation."""
    return re.sub(r"^\[(?:image|animation): (.*)\]$", r"\1", data.get("text/plain", ""), flags=re.DOTALL)
