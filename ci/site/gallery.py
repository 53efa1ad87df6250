"""build/index.html: the pictures of all executed notebooks on one page that stands by itself."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Diffusion models, section by section</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
  h1 {{ font-size: 1.8rem; }}
  h2 {{ margin-top: 3rem; border-top: 1px solid #8886; padding-top: 1.5rem; }}
  nav a {{ margin-right: .8em; }}
  figure {{ margin: 1.5rem 0; }}
  figcaption {{ opacity: .75; font-size: .9rem; }}
  .wide {{ overflow-x: auto; }}
  .failed {{ color: #c33; font-weight: bold; }}
</style>
<h1>Diffusion models, section by section</h1>
<p>Every picture on this page was made by running the course's notebooks. Part A runs on the model that they name; the
bundled one, Mini-IF, is small: it has learned about 300 things, from emoji, and paints them in 64×64 pixels. Part B's
digits are drawn by networks that its notebooks train, or that were trained longer and ship with the kit.</p>
<nav>{links}</nav>
{sections}
</html>
"""


def write_gallery(build: Path, names: list[str], failed: list[str]) -> None:
    """Write build/index.html from the executed notebooks build/<name>.ipynb."""
    sections, links = [], []
    for name in names:
        file = build / f"{name}.ipynb"
        try:
            title, figures = read(nbformat.read(file, as_version=4))
        except (FileNotFoundError, nbformat.reader.NotJSONError):  # its kernel never came up, or died as it was written
            title, figures = "", []
        title = html.escape(title or name)
        note = '<p class="failed">This notebook failed; its images end where it did.</p>' if name in failed else ""
        links.append(f'<a href="#{name}">{title}</a>')
        sections.append(f'<section id="{name}">\n<h2>{title}</h2>\n{note}\n{"".join(figures)}</section>')
    page = PAGE.format(links="\n".join(links), sections="\n".join(sections))
    (build / "index.html").write_text(page, encoding="utf-8")


def read(notebook) -> tuple[str, list[str]]:
    """A notebook's title, and the pictures of the cells that carry a caption in their metadata."""
    title = notebook.cells[0].source.split("\n")[0].lstrip("# ") if notebook.cells else ""
    figures = []
    for caption, outputs in captioned(notebook):
        shown = "".join(image(data) for data in outputs)
        figures.append(
            f'<figure>\n<div class="wide">{shown}</div>\n<figcaption>{html.escape(caption)}.</figcaption>\n</figure>\n'
        )
    return title, figures


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
