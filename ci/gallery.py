"""build/index.html: the pictures of all executed notebooks on one page that stands by itself."""

import html
import re
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
  nav a {{ margin-right: .8em; white-space: nowrap; }}
  figure {{ margin: 1.5rem 0; }}
  figcaption {{ opacity: .75; font-size: .9rem; }}
  img {{ max-width: 100%; height: auto; }}
  .failed {{ color: #c33; font-weight: bold; }}
</style>
<h1>Diffusion models, section by section</h1>
<p>Every picture on this page was made by running the course's notebooks.</p>
<nav>{links}</nav>
{sections}
</html>
"""


def write_gallery(build: Path, names: list[str], failed: list[str]) -> None:
    """Write build/index.html from the executed notebooks build/<name>.ipynb."""
    sections, links = [], []
    for name in names:
        title, intro, figures = "", "", []
        if (build / f"{name}.ipynb").is_file():
            title, intro, figures = read(nbformat.read(build / f"{name}.ipynb", as_version=4))
        title = html.escape(title or name)
        note = '<p class="failed">This notebook failed; its pictures end where it did.</p>' if name in failed else ""
        links.append(f'<a href="#{name}">{title}</a>')
        sections.append(
            f'<section id="{name}">\n<h2>{title}</h2>\n<p>{intro}</p>\n{note}\n{"".join(figures)}</section>'
        )
    page = PAGE.format(links="\n".join(links), sections="\n".join(sections))
    (build / "index.html").write_text(page, encoding="utf-8")


def read(notebook) -> tuple[str, str, list[str]]:
    """A notebook's title, what it promises, and its pictures under the text that leads to them."""
    title, intro, text, figures = "", "", "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if not title:
                title = cell.source.split("\n")[0].lstrip("# ")
                intro = markdown(cell.source.split("\n\n")[1])
                text = ""
            else:
                text = markdown(last_words(cell.source))
            continue
        for output in cell.get("outputs", []):
            picture = image(output.get("data", {}))
            if picture:
                caption = f"<figcaption>{text}</figcaption>\n" if text else ""
                figures.append(f"<figure>\n{caption}{picture}\n</figure>\n")
                text = ""
    return title, intro, figures


def image(data: dict) -> str:
    """An output's picture or animation as HTML, if it has one."""
    if "image/png" in data:
        alt = re.sub(r"^\[picture: (.*)\]$", r"\1", data.get("text/plain", ""), flags=re.DOTALL)
        return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{data["image/png"].strip()}">'
    markup = data.get("text/html", "")
    return markup if markup.startswith("<img") else ""


def last_words(source: str) -> str:
    """The last paragraph of a markdown cell, unless it is a formula or a list; else its heading."""
    paragraphs = [p for p in source.split("\n\n") if not p.startswith(("$$", "- ", "#"))]
    headings = [line.lstrip("# ") for line in source.split("\n") if line.startswith("#")]
    return paragraphs[-1] if paragraphs else (headings or [""])[-1]


def markdown(text: str) -> str:
    """The little Markdown that the first paragraphs use: emphasis and code. Formulas lose their dollar signs."""
    text = html.escape(text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)
    text = re.sub(r"\*([^*]+)\*", r"<i>\1</i>", text)
    return re.sub(r"\$([^$]+)\$", r"<i>\1</i>", text)
