"""The course as a static site: `make site` writes build/site/, which any web server can host.

Sphinx reads build/site-source/, which is laid out like the repository, so that links between notebooks and texts work.
The map, the gallery and the library's pages are made here from the notebooks and the docstrings. No notebook is
executed: the pages show the stored outputs.
"""

import argparse
import base64
import copy
import importlib
import io
import pkgutil
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from PIL import Image

from ci.badges import BESIDE, images_from
from ci.site import try_it
from ci.site.exhibits import MAKERS
from ci.site.gallery import alt_text, captioned, image_html
from ci.site.looks import Strip, frames_of, markup

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS, CONFIG = ROOT / "notebooks", ROOT / "docs" / "site"
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
EXHIBITS = "exhibits"  # the folder of their images on the site
EXTRA = "extra"  # a folder of the source that Sphinx copies unchanged
# texts that become pages, where they exist
TEXTS = ["README.md", try_it.PAGE, "docs/install.md", "docs/deepfloyd.md", "docs/glossary.md", "docs/references.md"]
TEXTS += ["docs/instructors.md", "docs/measurements.md", "docs/grading.md", "CONTRIBUTING.md"]
TEXTS += ["data/SOURCES.md", "data/models/mini-if/README.md"]
TEXTS += ["data/models/digits/README.md", "data/models/digits/TRIALS.md"]
SHOWN = [file for file in sorted((ROOT / "docs").iterdir()) if file.suffix in (".gif", ".png")]  # images in them
PARTS = {
    "a": "Part A: a text-to-image model",
    "b": "Part B: from scratch, on digits",
    "c": "Part C: flow matching",
}
QUICK = {"steps": 4, "i_starts": [1, 2]}  # replace the notebooks' parameters
RESULTS = "## What you should see"


class Lesson(NamedTuple):
    """A notebook for the map and the gallery."""

    name: str
    notebook: nbformat.NotebookNode

    @property
    def title(self) -> str:
        return self.notebook.cells[0].source.split("\n")[0].removeprefix("# ")

    @property
    def introduction(self) -> str:
        """The paragraph under its title: the part, the time needed, and what you will learn."""
        texts = self.notebook.cells[0].source.split("\n\n")
        return elsewhere(next(text for text in texts if text.startswith("*Part")))

    @property
    def results(self) -> str:
        """The notebook's text about its images, in one place. (In Part C it is below each image.)"""
        texts = "\n\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")
        return elsewhere(texts.partition(RESULTS)[2].partition("\n## ")[0].strip())

    @property
    def figures(self) -> list[tuple[str, list[dict]]]:
        return list(captioned(self.notebook))

    @property
    def cover(self) -> dict:
        """An image for the map; not a curve, if possible."""
        images = [data for _, outputs in self.figures for data in outputs if "image/png" in data]
        return next((data for data in images if re.search(r"\d images?\b", alt_text(data))), images[0])

    @property
    def parameters(self) -> dict:
        (cell,) = [cell for cell in self.notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        values: dict = {}
        exec(cell.source, values)
        return {name: value for name, value in values.items() if name != "__builtins__"}


def read_lessons() -> list[Lesson]:
    """All notebooks, in the order of the course."""
    return [Lesson(file.stem, nbformat.read(file, as_version=4)) for file in sorted(NOTEBOOKS.glob("*.ipynb"))]


# ---- pages -----------------------------------------------------------------------------------------------------------


def page(lesson: Lesson, source: Path) -> nbformat.NotebookNode:
    """A notebook for Sphinx: every image has an alt text, animations become sliders, Colab's cell is folded."""
    notebook = copy.deepcopy(lesson.notebook)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = images_from(BESIDE, without_dead_links(cell.source, NOTEBOOKS))
        if "hosted" in cell.metadata.get("tags", []):
            cell.metadata["tags"] = [*cell.metadata["tags"], "hide-input"]
            cell.metadata["mystnb"] = {"code_prompt_show": "For Colab and Kaggle only"}
        shown = [output.data for output in cell.get("outputs", []) if image_html(output.get("data", {}))]
        if len(shown) > 1:  # MyST-NB has one alt text for all of a cell's images
            raise ValueError(f"{lesson.name}: cell {cell.id} shows {len(shown)} images; wanted one at most.")
        for data in shown:
            if strip := strip_of(data, cell.metadata.get("caption", "")):
                address = f"../{EXHIBITS}"
                data["text/html"] = markup(strip, f"{lesson.name}-{number}", source / EXTRA / EXHIBITS, address)
            else:
                cell.metadata["mystnb"] = {"image": {"alt": alt_text(data)}}
    return notebook


def strip_of(data: dict, caption: str) -> Strip | None:
    """An output's animation as a film strip, if it is one."""
    gif = re.search(r'src="data:image/gif;base64,([^"]*)"', data.get("text/html", ""))
    if not gif:
        return None
    frames = frames_of(Image.open(io.BytesIO(base64.b64decode(gif[1]))))
    labels = [f"{i + 1} of {len(frames)}" for i in range(len(frames))]
    return Strip(frames, labels, len(frames) - 1, alt_text(data), caption or alt_text(data))


def course_map(lessons: list[Lesson], source: Path) -> str:
    """The first page: every notebook with an image and its introduction."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    title, what_it_is = readme.split("\n\n")[:2]
    links = [("Try it in your browser", try_it.PAGE), ("How to run it", "README.md")]
    links += [("Its images, section by section", "gallery.md")]
    parts = [title, what_it_is, " · ".join(f"[{words}]({page})" for words, page in links)]
    for letter, part in PARTS.items():
        cards = []
        for lesson in lessons:
            if lesson.name.startswith(letter):
                image = keep_image(lesson.cover, f"{lesson.name}-map", source)
                alt = as_alt(alt_text(lesson.cover))
                link = f"notebooks/{lesson.name}.ipynb"
                cards.append(CARD.format(image=image, alt=alt, link=link, lesson=lesson))
        parts.append(f"## {part}\n\n:::::{{container}} lessons\n{''.join(cards)}\n:::::")
    notebooks = {
        part: [f"notebooks/{lesson.name}" for lesson in lessons if lesson.name.startswith(letter)]
        for letter, part in PARTS.items()
    }
    texts = [name.removesuffix(".md") for name in TEXTS if (ROOT / name).is_file()]
    tried = try_it.PAGE.removesuffix(".md")
    trees = [("", [tried, "Running it <README>", "gallery"]), *notebooks.items()]
    trees += [("Reference", [*[text for text in texts if text not in (tried, "README")], "api/helpers"])]
    parts += [toctree(entries, caption) for caption, entries in trees]
    return "\n\n".join(parts) + "\n"


CARD = """
::::{{container}} lesson
[![{alt}]({image})]({link})

[{lesson.title}]({link})

{lesson.introduction}
::::
"""


def as_html(markup: str) -> str:
    return f"```{{raw}} html\n{markup}```"


def gallery_page(lessons: list[Lesson], source: Path, made: dict[str, str]) -> str:
    """Every section's results with its text, and its exhibits."""
    parts = ["# Gallery", GALLERY]
    for lesson in lessons:
        parts += [f"## [{lesson.title}](notebooks/{lesson.name}.ipynb)", lesson.introduction]
        if made[lesson.name]:
            parts.append(as_html(made[lesson.name]))
        for number, (caption, outputs) in enumerate(lesson.figures):
            for i, data in enumerate(outputs):
                name = f"{lesson.name}-{number}-{i}"
                if strip := strip_of(data, caption):
                    parts.append(as_html(markup(strip, name, source / EXTRA / EXHIBITS, EXHIBITS)))
                else:
                    image = keep_image(data, name, source)
                    parts.append(f":::{{figure}} {image}\n:alt: {alt_text(data)}\n\n{caption}.\n:::")
        parts.append(lesson.results)
    return "\n\n".join(parts) + "\n"


GALLERY = """\
The results of the notebooks, section by section. An image with a frame changes when you point at it, focus it or tap
it. A slider steps through a row of images, also with the arrow keys."""


def keep_image(data: dict, name: str, source: Path) -> str:
    """Write an output's image to the source. Returns its path relative to it."""
    folder = source / "images"
    folder.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).save(folder / f"{name}.webp", lossless=True)
    return f"images/{name}.webp"


def as_alt(text: str) -> str:
    """A text for Markdown's brackets."""
    return text.replace("[", "(").replace("]", ")")


def api_pages() -> Iterator[tuple[str, str]]:
    """A page for every module of the library, by name; packages list their modules from the ground floor up."""
    modules = ["helpers"]
    while modules:
        name = modules.pop(0)
        module = importlib.import_module(name)
        inside = []
        if hasattr(module, "__path__"):
            there = {info.name for info in pkgutil.iter_modules(module.__path__)}
            floors = re.findall(r"^    (\w+) ", module.__doc__, flags=re.MULTILINE)
            inside = [f"{name}.{floor}" for floor in floors if floor in there]
            inside += sorted({f"{name}.{other}" for other in there} - set(inside))
        heading = "The library" if name == "helpers" else name
        directive = f"```{{eval-rst}}\n.. automodule:: {name}\n```"
        yield name, "\n\n".join([f"# {heading}", directive, *([toctree(inside)] if inside else [])]) + "\n"
        modules += inside


def toctree(entries: list[str], caption: str = "") -> str:
    options = f":caption: {caption}\n" if caption else ""
    return f"```{{toctree}}\n:hidden:\n{options}\n" + "\n".join(entries) + "\n```"


def without_dead_links(text: str, folder: Path, prefix: str = "") -> str:
    """Markdown from a folder, without relative links that lead neither to a page nor to an image; their text stays.

    `prefix` is added to the remaining links, for a page in another folder.
    """

    def mend(link: re.Match) -> str:
        code, bang, words, target = link.groups()
        if code:
            return code
        file, hash_, place = target.partition("#")
        if "://" in target or not file:
            return link[0]
        there = (folder / file).resolve()
        if is_page(there) or bang:
            return f"{bang}[{words}]({prefix}{file}{hash_}{place})"
        return words

    return re.sub(r"(`[^`]*`)|(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)", mend, text)


def elsewhere(text: str) -> str:
    """A notebook's text, with links that work outside the notebooks' folder."""
    return without_dead_links(text, NOTEBOOKS, "notebooks/")


def is_page(file: Path) -> bool:
    return file.is_file() and (file.parent == NOTEBOOKS or file in [ROOT / name for name in TEXTS])


# ---- the site --------------------------------------------------------------------------------------------------------


def write_source(source: Path, *, live: bool = True, **instead) -> None:
    """Write all files that Sphinx reads. `instead` replaces parameters of the exhibits' notebooks.

    Args:
        live: whether the page "Try it" gets the model, if that is possible here.
    """
    shutil.rmtree(source, ignore_errors=True)
    (source / EXTRA / EXHIBITS).mkdir(parents=True)
    (source / "notebooks").mkdir()
    (source / "api").mkdir()
    lessons = read_lessons()
    made = {lesson.name: make_exhibits(lesson, source, instead) for lesson in lessons}
    (source / "index.md").write_text(course_map(lessons, source), encoding="utf-8")
    (source / "gallery.md").write_text(gallery_page(lessons, source, made), encoding="utf-8")
    for lesson in lessons:
        nbformat.write(page(lesson, source), source / "notebooks" / f"{lesson.name}.ipynb")
    for name, text in api_pages():
        (source / "api" / f"{name}.md").write_text(text, encoding="utf-8")
    for name in TEXTS:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            text = without_dead_links((ROOT / name).read_text(encoding="utf-8"), (ROOT / name).parent)
            text = try_it.fill(text, source / EXTRA, live=live) if name == try_it.PAGE else text
            (source / name).write_text(text, encoding="utf-8")
    for file in SHOWN:
        shutil.copy(file, source / "docs")


def make_exhibits(lesson: Lesson, source: Path, instead: dict) -> str:
    """A section's exhibits as HTML, if it has any; writes their images to the source."""
    if lesson.name not in MAKERS:
        return ""
    start = time.time()
    exhibits = MAKERS[lesson.name](**{**lesson.parameters, **instead})
    parts = [
        markup(exhibit, f"{lesson.name}-exhibit-{i}", source / EXTRA / EXHIBITS, EXHIBITS)
        for i, exhibit in enumerate(exhibits)
    ]
    print(f"{lesson.name}: {len(exhibits)} exhibits in {time.time() - start:.0f} s", flush=True)
    return f'<div class="exhibits">\n{"".join(parts)}</div>\n'


def build(source: Path, site: Path) -> int:
    """Run Sphinx. Returns its exit status, which is 1 after a warning."""
    from sphinx.cmd.build import main as sphinx

    shutil.rmtree(site, ignore_errors=True)
    options = ["--fail-on-warning", "--quiet", "-c", str(CONFIG), "-d", str(source / ".doctrees")]
    return sphinx([*options, "-D", f"html_extra_path={source / EXTRA}", str(source), str(site)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="exhibits in four steps, to inspect the rest")
    quick = parser.parse_args().quick
    start = time.time()
    write_source(SOURCE, **(QUICK if quick else {}))
    status = build(SOURCE, SITE)
    size = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file())
    print(f"{(SITE / 'index.html').relative_to(ROOT)}: {size / 1e6:.0f} MB, in {time.time() - start:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
