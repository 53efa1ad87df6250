"""Mini-IF's concepts (concepts.json), its styles, and the pairs of the two that are held out (held_out.json).

icons.json gives the names of the concepts in those icon sets that do not use Unicode's code points. A set that is
missing for a concept has no icon of it, or one that was rejected on a contact sheet because it shows something else,
has text on it, or cannot be recognised at 64×64.

A held-out pair, such as a kite in oil, is never shown in training, although other things in oil and other kites are.
Whether the model can still generate it tests whether it combines style and content.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HELD_OUT_PER_STYLE = 13


@dataclass(frozen=True)
class Concept:
    """A thing that images show.

    Args:
        name: its name here, and in the names of its files.
        icon: its code point in Unicode (several, joined by "-", for a composed character), the same in every icon
            set.
        called: what captions call it, articles included. The first is its usual name.
        without: icon sets that have no usable icon of it.
        course: whether the course's prompts name it. Such a concept is shown twice as often and never held out.
    """

    name: str
    icon: str
    called: tuple[str, ...]
    without: tuple[str, ...] = ()
    course: bool = False


@dataclass(frozen=True)
class Style:
    """A style of images that a prompt can name.

    Args:
        sets: the icon sets whose images show it.
        templates: of captions; the first is the usual one. The templates of two styles share no word, so a caption
            means one style.
        ink: whether its images are black ink on paper.
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
# The styles of the course's prompts. Each has an image of every concept, and held-out pairs.
MAIN_STYLES = ("photo", "oil painting", "lithograph", "flat illustration", "drawing")
INK_SETS = frozenset(icons for style in STYLES.values() if style.ink for icons in style.sets)


def read_icons(file: Path = FOLDER / "icons.json") -> dict[str, dict[str, str]]:
    """Icon set -> concept -> the icon's name in the set."""
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
    """Draw the pairs of held_out.json: equally many for each of five styles, no concept twice."""
    drawn = random.Random(seed).sample(sorted(concepts), HELD_OUT_PER_STYLE * len(MAIN_STYLES))
    return [(concept, MAIN_STYLES[i // HELD_OUT_PER_STYLE]) for i, concept in enumerate(drawn)]


ICONS = read_icons()
CONCEPTS = read_concepts()
