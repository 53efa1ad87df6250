"""Sphinx's settings for `make site`; ci/site/course_site.py puts its sources together, and calls it."""

import re
import sys
import textwrap
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # the library of this copy

project = "Diffusion models, by doing"
html_title = project
copyright = "the authors; code under the MIT licence, text and images under CC BY 4.0"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]

# notebooks show what is stored in them, and Markdown is what it is in Jupyter
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# one file of MathJax that draws formulas as SVG: no fonts, and nothing that a page would have to fetch
(MATHJAX,) = (str(f.locate()) for f in files("sphinx-mathjax-offline") if f.name == "tex-svg.js")
mathjax_path = "tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}  # the menu's entries would fetch more
suppress_warnings = ["myst.mathjax"]

html_theme = "furo"
html_static_path = ["static", MATHJAX]
html_css_files = ["course.css", "exhibits.css"]
html_js_files = [("exhibits.js", {"defer": "defer"})]
html_favicon = "static/icon.svg"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"footer_icons": []}
pygments_style, pygments_dark_style = "tango", "monokai"

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False  # PyTorch's and Jupyter's are elsewhere
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
default_role = "literal"  # of `names` in docstrings
SECTIONS = ("Args:", "Attributes:")  # napoleon's


def tidy(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings as they are written here, made into what Sphinx reads."""
    paragraphs = re.split(r"\n{2,}", "\n".join(lines).strip("\n"))
    lines[:] = [*"\n\n".join(mended(paragraph) for paragraph in paragraphs).split("\n"), ""]


def mended(paragraph: str) -> str:
    """A paragraph of plain words or a section; or, where it is indented at all, as it stands: a table or code."""
    if not paragraph.startswith(SECTIONS) and re.search(r"^\s", paragraph, flags=re.MULTILINE):
        return "::\n\n" + textwrap.indent(textwrap.dedent(paragraph), "    ")
    parts = re.split(r"(`[^`]*`)", paragraph)  # what is between backticks is code
    parts[::2] = [plain(part) for part in parts[::2]]
    # one line each, in a paragraph of its own
    return re.sub(r"^(Returns|Source|Raises|Yields):? ", r"\n**\1:** ", "".join(parts), flags=re.MULTILINE)


def plain(text: str) -> str:
    """Words without the marks of reStructuredText, and papers with their address."""
    text = re.sub(r"([*|\\]|(?<=\w)_(?!\w))", r"\\\1", text)
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"`arXiv:\1 <https://arxiv.org/abs/\1>`__", text)


def skip(app, what, name, obj, skip, options) -> bool | None:
    """A NamedTuple's fields are in its signature."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app) -> None:
    # before napoleon, which has priority 500
    app.connect("autodoc-process-docstring", tidy, priority=400)
    app.connect("autodoc-skip-member", skip)
