"""The page: sections put together from notebooks and words, and written with their images."""

import base64
import hashlib
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from ci.report.figures import MAKERS, Shown, cut, film, images_in, keep, opened
from ci.report.sections import NOTEBOOKS, BadNotebook, Code, Own, Section, read_notebook, read_section
from ci.report.words import PARTS, About, read_about, read_text, to_html
from ci.site.looks import Strip, markup
from ci.site.pages import render

STATIC = Path(__file__).resolve().parents[2] / "docs" / "site" / "static"
PAGE, IMAGES = "index.html", "images"
HERO = (
    "a1-5-10",
    "a1-4-7",
    "b2-3-12",
    "c3-4",
)  # cells with a row of images from noise to image: the first is the banner
SHORT = 30  # lines of code that are shown without being asked for
STATES = {
    "passed": "all {} checks passed",
    "wrong": "does not pass its check yet",
    "not written": "not written yet",
    "not checked": "not checked",
    "kit's": "the kit's own",
    "gone": "its cell is gone",
}
# the texts that belong to no notebook: file, heading, and what to write
FRAME = {
    "overview": ("Overview", "What is this page about, and what did you do, in a paragraph?"),
    "a": ("Part A: the power of diffusion models", "What is Part A about? Which model did you use, with which seed?"),
    "b": ("Part B: a diffusion model from scratch", "What is Part B about? What did you train, and for how long?"),
    "c": ("Part C: flow matching", "What is Part C about, and how does it differ from the others?"),
    "summary": ("Summary", "What did you learn, what surprised you, and what would you try next?"),
}
TASK = "What did you do here, what do the images show, and what do they not show? Say it in your own words."


class Made(NamedTuple):
    """What was written: the number of sections, and what is missing, by section."""

    sections: int
    missing: dict[str, list[str]]


class Entry(NamedTuple):
    """A section for the template; all but name, number, title and done are HTML."""

    name: str
    number: str
    title: str
    done: str  # such as "2 of 2 functions passed"
    text: str
    exhibits: str
    figures: str
    codes: str
    results: str
    own: str


class Missing:
    """Collects what is missing, by section."""

    def __init__(self):
        self.sentences: dict[str, list[str]] = {}

    def of(self, heading: str) -> Callable[[str], None]:
        """A function that notes a sentence about a section; each sentence once."""

        def note(sentence: str) -> None:
            noted = self.sentences.setdefault(heading, [])
            if sentence not in noted:
                noted.append(sentence)

        return note


def make_page(folder: Path, words: Path, out: Path) -> Made:
    """Write the page and its images to `out`, from the notebooks in a folder and the texts in another."""
    (out / IMAGES).mkdir(parents=True)
    missing = Missing()
    about = read_about(words / "about.toml", missing.of("About the page"))
    writer = Writer(folder, words, out / IMAGES, missing)
    parts = [(letter, writer.frame(letter), writer.part(letter)) for letter in about.parts]
    overview, summary = writer.frame("overview"), writer.frame("summary")
    if writer.unwritten:
        names = ", ".join(writer.unwritten)
        missing.of("Your words")(f"No text yet in {names} (in {words.name}/).")
    page = written(about, overview, parts, summary, missing.sentences, writer)
    (out / PAGE).write_text(page, encoding="utf-8")
    return Made(sum(len(entries) for _, _, entries in parts), missing.sentences)


def written(about: About, overview: str, parts: list, summary: str, missing: dict, writer: "Writer") -> str:
    """The page's HTML. A browser runs no script in it but the kit's own, which its checksum names."""
    script = (STATIC / "exhibits.js").read_text(encoding="utf-8") + BOXES
    checksum = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return render(
        "report.html",
        about=about,
        overview=overview,
        parts=[(letter, FRAME[letter][0], text, entries) for letter, text, entries in parts],
        summary=summary,
        missing=missing,
        hero=writer.hero(),
        places=writer.places,
        style=(STATIC / "exhibits.css").read_text(encoding="utf-8") + colours(),
        script=script,
        checksum=checksum,
    )


BOXES = """
if (matchMedia("(max-width: 60rem)").matches) document.querySelector("nav details").open = false;
addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((box) => (box.open = true)));
"""


def colours() -> str:
    """The colours of code, on a light and on a dark page."""
    light, dark = (HtmlFormatter(style=style).get_style_defs(".code") for style in ("tango", "github-dark"))
    dark = "\n".join(line for line in dark.splitlines() if line.startswith(".code ."))
    light = "\n".join(line for line in light.splitlines() if line.startswith(".code ."))
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


class Writer:
    """Writes the sections' HTML, and their images to a folder."""

    def __init__(self, folder: Path, words: Path, images: Path, missing: Missing):
        self.folder, self.words, self.images, self.missing = folder, words, images, missing
        self.unwritten: list[str] = []  # files without a text
        self.heroes: dict[str, list] = {}  # images from noise to image, by the cell that has them
        self.places: dict[str, str] = {}  # heading of a section -> its anchor

    def frame(self, name: str) -> str:
        """A text that belongs to no notebook, as HTML."""
        heading, task = FRAME[name]
        file = f"part_{name}.md" if name in PARTS else f"{name}.md"
        return self.text(file, heading, task, "")

    def part(self, letter: str) -> list[Entry]:
        return [self.entry(name) for name in NOTEBOOKS.split() if name.startswith(letter)]

    def entry(self, name: str) -> Entry:
        """A section. If its notebook cannot be read, only the student's text is there."""
        heading = name
        try:
            notebook = read_notebook(self.folder / f"{name}.ipynb")
            noted: list[str] = []
            section = read_section(name, notebook, noted.append)
            heading = section.title
            for sentence in noted:
                self.missing.of(heading)(sentence)
        except BadNotebook as bad:
            self.missing.of(name)(f"{name}.ipynb {bad}.")
            section = Section(name, name, "", [], [], [], False)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # valid JSON of unexpected content
            self.missing.of(name)(f"{name}.ipynb cannot be shown ({type(error).__name__}: {error}).")
            section = Section(name, name, "", [], [], [], False)
        self.places[heading] = name
        number, _, title = section.title.partition(" · ")
        shown = [(figure, list(self.images_of(figure.outputs, heading))) for figure in section.figures]
        exhibits: dict[bool, list[str]] = {False: [], True: []}  # the course's, and those below the student's functions
        for figure, images in shown:
            exhibits[figure.mine] += [self.exhibit(figure, image, i) for i, image in enumerate(images)]
        functions = [function for code in section.codes for function in code.functions]
        passed = sum(function.status == "passed" for function in functions)
        own = "".join(self.own(cell, name, heading, i) for i, cell in enumerate(section.own))
        return Entry(
            name,
            number if title else "",
            title or section.title,
            f"{passed} of {len(functions)} functions passed" if functions else "",
            self.text(f"{name}.md", heading, TASK, section.questions),
            boxed(exhibits[False]),
            self.figures([pair for pair in shown if not pair[0].mine], name),
            "".join(self.code(code) for code in section.codes),
            boxed(exhibits[True]) + self.figures([pair for pair in shown if pair[0].mine], f"{name}-mine"),
            own,
        )

    def text(self, file: str, heading: str, task: str, questions: str) -> str:
        missing = self.missing.of(heading)
        text = read_text(self.words / file, heading, task, questions, missing)
        if not text:
            self.unwritten.append(file)
            return ""
        return to_html(text, lambda address, alt: self.words_image(address, alt, file), missing)

    def words_image(self, address: str, alt: str, file: str) -> str:
        """An image that a text names, copied beside the page."""
        missing = self.missing.of("Your words")
        if re.match(r"[a-z][a-z0-9+.-]*:", address, re.IGNORECASE) or address.startswith("//"):
            missing(f"{file}: the image {address[:80]} is elsewhere; save it in {self.words.name}/.")
            return f"<em>{html.escape(alt or address)}</em>"
        there = self.words / unquote(address)
        try:
            if not there.resolve().is_relative_to(self.words.resolve()):
                raise ValueError(f"it is outside {self.words.name}/")
            image = opened(there.read_bytes())
        except OSError:
            missing(f"{file}: there is no image {address}.")
        except ValueError as error:
            missing(f"{file}: the image {address} cannot be shown: {error}.")
        else:
            name = keep(Shown(image, alt), self.images / f"words-{re.sub(r'[^A-Za-z0-9]+', '-', address)}")
            return img_tag(name, alt or address, image.size)
        return f"<em>{html.escape(alt or address)}</em>"

    # ---- images

    def images_of(self, outputs: list, heading: str):
        return images_in(outputs, self.missing.of(heading))

    def exhibit(self, figure, shown: Shown, i: int) -> str:
        """What moves: the exhibits that are cut out of a figure, or an animation's frames."""
        if figure.cell in HERO and (rows := cut(shown.image)):
            self.heroes.setdefault(figure.cell, [*rows[0][:-1], rows[-1][-1]])
        looks = [film(shown)] if shown.frames else MAKERS.get(figure.cell, lambda _: [])(shown)
        looks = [
            look._replace(caption=figure.caption or look.alt) if isinstance(look, Strip) else look for look in looks
        ]
        name = f"{figure.cell}-{i}"
        return "".join(markup(look, f"{name}-{j}", self.images, IMAGES) for j, look in enumerate(looks))

    def hero(self) -> list[str]:
        """The banner's images, from noise to an image: their addresses."""
        images = next((self.heroes[cell] for cell in HERO if cell in self.heroes), [])
        for i, image in enumerate(images):
            image.save(self.images / f"hero-{i}.webp", lossless=True)
        return [f"{IMAGES}/hero-{i}.webp" for i in range(len(images))]

    def figures(self, shown: list, name: str) -> str:
        """Figures with their captions."""
        parts = []
        for number, (figure, images) in enumerate(shown):
            if tags := self.tags(images, f"{name}-{number}"):
                parts.append(render("figure.html", images=tags, caption=figure.caption))
        return "".join(parts)

    def tags(self, images: list[Shown], name: str) -> list[str]:
        """Images as HTML, except animations, which are exhibits."""
        still = [image for image in images if not image.frames]
        files = [keep(image, self.images / f"{name}-{i}") for i, image in enumerate(still)]
        return [img_tag(file, image.alt, image.image.size) for file, image in zip(files, still)]

    # ---- code

    def code(self, code: Code) -> str:
        """An exercise's code, unless there is nothing of the student's in it."""
        states = [(function, STATES[function.status].format(function.checks)) for function in code.functions]
        mine = any(function.status in ("passed", "wrong", "not checked") for function in code.functions)
        lines = code.source.count("\n") + 1
        return render("code.html", states=states, code=coloured(code.source) if mine else "", open=lines <= SHORT)

    def own(self, cell: Own, name: str, heading: str, i: int) -> str:
        """A cell that the student added."""
        if cell.markdown:
            words = to_html(cell.markdown, lambda *image: self.attached(cell, *image, i), self.missing.of(heading))
            return f'<div class="words">{words}</div>'
        images = list(self.images_of(cell.outputs, heading))
        films = [film(image) for image in images if image.frames]
        caption = re.match(r"#\s*(.+)", cell.source)
        return render(
            "own.html",
            looks="".join(markup(look, f"{name}-own-{i}-{j}", self.images, IMAGES) for j, look in enumerate(films)),
            images=self.tags(images, f"{name}-own-{i}"),
            caption=caption[1] if caption else "",
            printed=cell.printed,
            code=coloured(cell.source) if cell.source.strip() else "",
        )

    def attached(self, cell: Own, address: str, alt: str, i: int) -> str:
        """An image that was dropped into a Markdown cell, or that lies beside the notebook's texts."""
        name = unquote(address.removeprefix("attachment:"))
        if not address.startswith("attachment:") or name not in cell.attachments:
            return self.words_image(address, alt, "a cell of yours")
        outputs = [{"data": cell.attachments[name]}]
        for image in self.images_of(outputs, "Your words"):
            stem = re.sub(r"[^A-Za-z0-9]+", "-", name)
            return img_tag(keep(image, self.images / f"attached-{i}-{stem}"), alt or name, image.image.size)
        return f"<em>{html.escape(alt or name)}</em>"


def boxed(exhibits: list[str]) -> str:
    """Exhibits beside each other, if there are any."""
    return f'<div class="exhibits">{"".join(exhibits)}</div>' if any(exhibits) else ""


def img_tag(file: str, alt: str, size: tuple[int, int]) -> str:
    """An image beside the page as HTML."""
    width, height = size
    alt = html.escape(alt, quote=True)
    return f'<img src="{IMAGES}/{file}" alt="{alt}" width="{width}" height="{height}" loading="lazy">'


def coloured(source: str) -> str:
    """Python as HTML with a class for each kind of word."""
    return highlight(source, PythonLexer(stripnl=True), HtmlFormatter(nowrap=True))
