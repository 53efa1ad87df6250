"""The student's own words: about.toml, and a Markdown file for each section.

They are templates when the page is first made, and are never overwritten. HTML in them is shown as text. Formulas
become MathML, which browsers set without a script.
"""

import html
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mistune
from latex2mathml.converter import Converter

PARTS = {"a": "Part A", "b": "Part B", "c": "Part C"}
# what MathML may consist of; anything else in a formula, such as a link, shows the formula's source instead
ELEMENTS = re.compile(
    "math|mrow|mi|mn|mo|mtext|mspace|msub|msup|msubsup|munder|mover|munderover|mfrac|msqrt|mroot|mstyle|mpadded|"
    "mphantom|mtable|mtr|mtd|mmultiscripts|mprescripts|none|menclose"
)
ATTRIBUTES = re.compile(
    "xmlns|display|stretchy|mathvariant|width|height|depth|displaystyle|scriptlevel|columnalign|rowspacing|"
    "columnspacing|columnlines|rowlines|fence|separator|form|accent|linethickness|lspace|rspace|minsize|maxsize|"
    "movablelimits|linebreak|notation"
)

ABOUT = """\
# About this page. `make report` never changes this file.

title = "Diffusion models"
name = ""  # yours
course = ""  # such as "Computational Photography, Fall 2026"
parts = ["a", "b", "c"]  # leave out a part that your class does not do

[links]
# "The code" = "https://github.com/…"
"""

TEMPLATE = """\
<!--
{heading}: your words for this section go below this comment. `make report` never changes this file.

{task}
Markdown works: **bold**, lists, tables, [links](https://…), `code`, formulas in $…$ or $$…$$, and images from this
folder: ![what it shows](my_image.png). HTML is shown as text. A comment like this one is left out.
{questions}-->
"""


class About(NamedTuple):
    """What about.toml says."""

    title: str = "Diffusion models"
    name: str = ""
    course: str = ""
    parts: tuple[str, ...] = tuple(PARTS)
    links: tuple[tuple[str, str], ...] = ()  # words and address


def read_about(file: Path, missing: Callable[[str], None]) -> About:
    """The facts about the page. What is wrong in the file is told to `missing`, and the usual is taken instead."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(ABOUT, encoding="utf-8")
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        missing(f"{file.name} cannot be read ({error}); the page goes without it.")
        return About()
    kept = {}
    for key in ("title", "name", "course"):
        if isinstance(value := given.get(key, ""), str):
            kept |= {key: value} if value.strip() else {}
        else:
            missing(f'{file.name}: {key} is {value!r}; wanted text, such as {key} = "…".')
    parts = given.get("parts", [*PARTS])
    if isinstance(parts, list) and parts and all(isinstance(part, str) and part.lower() in PARTS for part in parts):
        kept["parts"] = tuple(letter for letter in PARTS if letter in [part.lower() for part in parts])
    else:
        missing(f'{file.name}: parts is {parts!r}; wanted some of "a", "b", "c".')
    links = given.get("links", {})
    if not isinstance(links, dict):
        missing(f'{file.name}: links is {links!r}; wanted lines such as "The code" = "https://…" below [links].')
        links = {}
    for words, address in links.items():
        if not (isinstance(address, str) and re.match(r"(https?://|mailto:)\S+$", address)):
            missing(
                f"{file.name}: the link {words!r} leads to {address!r}; wanted an address with https:// or mailto:."
            )
    good = [(words, a) for words, a in links.items() if isinstance(a, str) and re.match(r"(https?://|mailto:)\S+$", a)]
    if not kept.get("name"):
        missing(f"{file.name} has no name yet.")
    return About(**kept, links=tuple(good))


def read_text(file: Path, heading: str, task: str, questions: str, missing: Callable[[str], None]) -> str:
    """The Markdown that a student wrote in a file, without comments; "" as long as it is the template."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        asked = f"\nQuestions that you may answer:\n\n{questions}\n" if questions else ""
        text = TEMPLATE.format(heading=heading, task=task, questions=asked)
        file.write_text(text, encoding="utf-8")
    try:
        text = file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        missing(f"{file.name} cannot be read ({error}); wanted Markdown in UTF-8.")
        return ""
    return re.sub(r"<!--.*?(-->|\Z)", "", text, flags=re.DOTALL).strip()


def to_html(text: str, image: Callable[[str, str], str], missing: Callable[[str], None]) -> str:
    """Markdown as HTML in which nothing of the text can act as HTML.

    `image(address, alt)` gives the HTML of an image; `missing` is told of formulas that cannot be set.
    """
    plugins = ["math", "table", "strikethrough", "url"]
    return mistune.create_markdown(renderer=Renderer(image, missing), plugins=plugins)(with_dollars(text))


class Renderer(mistune.HTMLRenderer):
    """Markdown with escaped HTML, formulas in MathML, headings below the page's own, and images by a function."""

    def __init__(self, image: Callable[[str, str], str], missing: Callable[[str], None]):
        super().__init__(escape=True)
        self.by, self.missing = image, missing

    def heading(self, text: str, level: int, **attributes) -> str:
        below = min(level + 3, 6)
        return f"<h{below}>{text}</h{below}>\n"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return self.by(html.unescape(url), html.unescape(re.sub(r"<[^>]*>", "", text)))

    def inline_math(self, text: str) -> str:
        return mathml(text, "inline", self.missing)

    def block_math(self, text: str) -> str:
        return f'<div class="formula" tabindex="0">{mathml(text, "block", self.missing)}</div>\n'


def with_dollars(text: str) -> str:
    """Formulas in \\(…\\), \\[…\\] or $$…$$ on one line, as the Markdown parser knows them. Code stays as it is."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.DOTALL)
    for i in range(0, len(parts), 2):
        part = re.sub(r"\\\((.+?)\\\)", lambda found: f"${found[1].strip()}$", parts[i], flags=re.DOTALL)
        part = re.sub(r"\\\[(.+?)\\\]", r"$$\1$$", part, flags=re.DOTALL)
        parts[i] = re.sub(r"\$\$(.+?)\$\$", lambda found: f"\n\n$$\n{found[1].strip()}\n$$\n\n", part, flags=re.DOTALL)
    return "".join(parts)


def mathml(latex: str, display: str, missing: Callable[[str], None]) -> str:
    """A formula in MathML, or its source if that fails."""
    try:
        tree = Converter(display=display).convert_to_element(latex.strip())
        for node in tree.iter():
            if not ELEMENTS.fullmatch(node.tag):
                raise ValueError(node.tag)
            node.text = html.unescape(node.text or "")  # the converter writes letters as entities
            node.attrib = {name: value for name, value in node.attrib.items() if ATTRIBUTES.fullmatch(name)}
            if node.text == "&":
                raise ValueError("an alignment outside a table")
        return ElementTree.tostring(tree, encoding="unicode")
    except Exception:  # the converter has many kinds of error
        missing(f"The formula {latex.strip()[:60]!r} cannot be set; the page shows its source.")
        return f"<code>{html.escape(latex)}</code>"
