"""What Mini-IF learns: concepts (concepts.json), styles, and the pairs of the two that are held out (held_out.json).

A held-out pair, say the kite in oil, is never shown in training, although other things in oil and other kites are.
Whether the model paints it all the same tells whether style and content combine.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HELD_OUT_PER_STYLE = 13


@dataclass(frozen=True)
class Concept:
    """One thing that can be painted.

    Args:
        name: what it is called here, and the name of its pictures' files.
        icon: its code point in Unicode (several, joined by "-", for a composed character), by which every icon set
            knows it.
        called: what captions call it, articles included. The first is its usual name.
        without: icon sets whose picture shows something else than the others'.
        course: whether the course's prompts name it; such a concept is shown twice as often, and never held out.
    """

    name: str
    icon: str
    called: tuple[str, ...]
    without: tuple[str, ...] = ()
    course: bool = False


@dataclass(frozen=True)
class Style:
    """A way to paint, that a prompt can name.

    Args:
        sets: the icon sets whose pictures show it.
        templates: what captions say. The first is the usual one.
    """

    sets: tuple[str, ...]
    templates: tuple[str, ...]


STYLES = {
    # a caption that names no style means this one
    "photo": Style(("fluent-3d",), ("a photo of {}", "a 3d render of {}", "{}")),
    "oil painting": Style(("noto-oil",), ("an oil painting of {}", "a painting of {}")),
    "lithograph": Style(("fluent-contrast",), ("a lithograph of {}", "a black and white print of {}")),
    "flat illustration": Style(("fluent-flat", "twemoji"), ("a flat illustration of {}", "an icon of {}")),
    "drawing": Style(("noto",), ("a drawing of {}", "a cartoon of {}")),
}


def read_concepts(file: Path = FOLDER / "concepts.json") -> dict[str, Concept]:
    """The concepts by name."""
    concepts = {}
    for name, entry in json.loads(file.read_text(encoding="utf-8")).items():
        lists = {key: tuple(entry.get(key, ())) for key in ("called", "without")}
        concepts[name] = Concept(name, entry["icon"], **lists, course=entry.get("course", False))
    return concepts


def read_held_out(file: Path = FOLDER / "held_out.json") -> frozenset[tuple[str, str]]:
    """The (concept, style) pairs that are never trained together."""
    return frozenset((concept, style) for concept, style in json.loads(file.read_text(encoding="utf-8")))


def choose_held_out(concepts: list[str], seed: int = 0) -> list[tuple[str, str]]:
    """As many pairs for every style, each of another concept, drawn from those given. This made held_out.json."""
    drawn = random.Random(seed).sample(sorted(concepts), HELD_OUT_PER_STYLE * len(STYLES))
    return [(concept, list(STYLES)[i // HELD_OUT_PER_STYLE]) for i, concept in enumerate(drawn)]


CONCEPTS = read_concepts()
