"""What Mini-IF learns: concepts (concepts.json), styles, and the pairs of the two that are held out (held_out.json).

icons.json has, for each concept, its name in those icon sets that do not know Unicode's code points. A set that a
concept's line leaves out has no icon of it, or one that was rejected on a contact sheet: it shows something else, has
text on it, or cannot be recognised at 64×64.

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
        without: icon sets that have no icon of it, or one that shows something else than the others'.
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
        sets: the icon sets whose images show it.
        templates: what captions say. The first is the usual one. A word stands in the templates of one style only, so
            that a caption means one kind of image.
        ink: whether it is black ink on paper.
    """

    sets: tuple[str, ...]
    templates: tuple[str, ...]
    ink: bool = False


STYLES = {
    # a caption that names no style means this one
    "photo": Style(("fluent-3d",), ("a photo of {}", "a 3d render of {}", "{}")),
    "oil painting": Style(("noto-oil",), ("an oil painting of {}", "a painting of {}")),
    "lithograph": Style(("fluent-contrast",), ("a lithograph of {}", "an engraving of {}"), ink=True),
    "flat illustration": Style(("fluent-flat", "twemoji"), ("a flat illustration of {}", "an icon of {}")),
    "drawing": Style(("noto",), ("a drawing of {}", "a colorful drawing of {}")),
    "cartoon": Style(("emojione",), ("a cartoon of {}", "a comic of {}")),
    "sticker": Style(("noto-v1",), ("a sticker of {}", "a decal of {}")),
    "clip art": Style(("fxemoji",), ("clip art of {}", "a clipart image of {}")),
    "vector graphic": Style(("fluent-gradient",), ("a vector graphic of {}", "a computer graphic of {}")),
    "sketch": Style(("streamline-lines",), ("a sketch of {}", "a doodle of {}"), ink=True),
    "print": Style(("noto-font",), ("a black and white print of {}", "a woodcut of {}"), ink=True),
    "stencil": Style(("emojione-mono",), ("a stencil of {}", "a stamp of {}"), ink=True),
}
# The course's prompts ask for these; every one of them has an image of every concept, and pairs that are held out.
MAIN_STYLES = ("photo", "oil painting", "lithograph", "flat illustration", "drawing")
INK_SETS = frozenset(icons for style in STYLES.values() if style.ink for icons in style.sets)


def read_icons(file: Path = FOLDER / "icons.json") -> dict[str, dict[str, str]]:
    """Icon set -> concept -> what the set calls its icon."""
    icons = {}
    for concept, names in json.loads(file.read_text(encoding="utf-8")).items():
        for icon_set, name in names.items():
            icons.setdefault(icon_set, {})[concept] = name
    return icons


def read_concepts(file: Path = FOLDER / "concepts.json") -> dict[str, Concept]:
    """The concepts by name."""
    concepts = {}
    for name, entry in json.loads(file.read_text(encoding="utf-8")).items():
        without = (*entry.get("without", ()), *(icons for icons, names in ICONS.items() if name not in names))
        concepts[name] = Concept(name, entry["icon"], tuple(entry["called"]), without, entry.get("course", False))
    return concepts


def read_held_out(file: Path = FOLDER / "held_out.json") -> frozenset[tuple[str, str]]:
    """The (concept, style) pairs that are never trained together."""
    return frozenset((concept, style) for concept, style in json.loads(file.read_text(encoding="utf-8")))


def choose_held_out(concepts: list[str], seed: int = 0) -> list[tuple[str, str]]:
    """As many pairs for each of five styles, each of another concept, drawn from those given: held_out.json's."""
    drawn = random.Random(seed).sample(sorted(concepts), HELD_OUT_PER_STYLE * len(MAIN_STYLES))
    return [(concept, MAIN_STYLES[i // HELD_OUT_PER_STYLE]) for i, concept in enumerate(drawn)]


ICONS = read_icons()
CONCEPTS = read_concepts()
