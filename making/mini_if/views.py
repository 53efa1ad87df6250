"""The 3-D models that are rendered, and from where; renders.json lists them."""

import json
from dataclasses import dataclass
from pathlib import Path

from .concepts import FOLDER


class RenderError(RuntimeError):
    """A model that cannot be rendered. The message says what to do."""


@dataclass(frozen=True)
class Side:
    """A position of the camera.

    Args:
        azimuth: in degrees, 0 in front of the model, 90 at its left-hand side (the viewer's right).
        elevation: in degrees above the ground.
        words: for captions, such as "from the side"; may be empty.
    """

    azimuth: int
    elevation: int
    words: str = ""

    @property
    def name(self) -> str:
        """Such as "030-20", used in the names of files."""
        return f"{self.azimuth % 360:03d}-{self.elevation:02d}"


def words(azimuth: int, elevation: int) -> str:
    """The words for a view of an object that has a front.

    >>> words(180, 15), words(270, 15), words(40, 20)
    ('from behind', 'from the side', '')
    """
    from_front = abs((azimuth + 180) % 360 - 180)
    if elevation >= 50:
        return "from above"
    if from_front <= 10:
        return "from the front"
    if abs(from_front - 90) <= 10:
        return "from the side"
    return "from behind" if from_front >= 170 else ""


ROUND = [(0, 12), (30, 20), (60, 10), (90, 15), (120, 25), (150, 15)]
ROUND += [(180, 15), (210, 25), (240, 10), (270, 15), (300, 20), (330, 28)]
FRONT = [(-65, 15), (-40, 22), (-20, 12), (0, 15), (20, 25), (40, 12), (65, 20)]
VIEWS = {
    # things with a front, from all sides
    "around": tuple(Side(*angles, words(*angles)) for angles in ROUND),
    # things that look alike from all sides, or whose sides have no names
    "any side": tuple(Side(*angles) for angles in ROUND),
    # things that cannot be recognised from behind
    "front": tuple(Side(*angles, words(*angles)) for angles in FRONT),
    # things without a front
    "turned": tuple(Side(60 * i, elevation) for i, elevation in enumerate((12, 20, 28, 15, 24, 10))),
    # flat things, such as a plate of food
    "plate": tuple(Side(60 * i, elevation) for i, elevation in enumerate((30, 40, 50, 35, 60, 45))),
    # things that lie on their back and are recognised from above
    "lying": (Side(0, 89), Side(0, 70), Side(20, 75), Side(-20, 75), Side(35, 60), Side(-35, 60)),
}


@dataclass(frozen=True)
class Model:
    """A 3-D model of the package, as renders.json lists it.

    Args:
        id: names its files.
        catalogue, name, path: the package's catalogue, and name and path of the model in it.
        creator, licence: for attribution; the licence is an SPDX identifier.
        concept: what it shows; usually one of concepts.json.
        called: its names in captions, with articles.
        shown: the camera's positions; a key of VIEWS.
        split: "train" or "held out".
        turn: degrees by which the model is first turned about the vertical, to face the front.
        rotation: a 3×3 matrix (nine numbers, by rows) that first sets the model upright; empty if it is upright.
        without: names of views in which it cannot be recognised.
    """

    id: str
    catalogue: str
    name: str
    path: str
    creator: str
    licence: str
    concept: str
    called: tuple[str, ...]
    shown: str
    split: str
    turn: float = 0
    rotation: tuple[float, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def views(self) -> tuple[Side, ...]:
        """The views that are rendered."""
        return tuple(view for view in VIEWS[self.shown] if view.name not in self.without)

    def file(self, view: Side) -> str:
        """Name of the image of a view."""
        return f"{self.id}-{view.name}.png"


def read_models(file: Path = FOLDER / "renders.json") -> tuple[Model, ...]:
    """All models that are rendered."""
    entries = json.loads(file.read_text(encoding="utf-8"))
    lists = [{key: tuple(value) for key, value in entry.items() if isinstance(value, list)} for entry in entries]
    return tuple(Model(**entry | tuples) for entry, tuples in zip(entries, lists))
