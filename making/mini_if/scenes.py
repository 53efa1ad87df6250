"""Scenes: images composed of the icons of one set, for prompts that name several things or something without an icon.

A scene is a function that draws on a Canvas, from back to front. It works for every set, and small random differences
make no two images alike.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .canvas import Canvas, Point, SceneError
from .concepts import CONCEPTS


@dataclass(frozen=True)
class Scene:
    """A composition of several things.

    Args:
        called: its names in captions; the first is the usual one.
        paint: draws it on a canvas.
        course: whether the course's prompts name it.
    """

    called: tuple[str, ...]
    paint: Callable[[Canvas], None]
    course: bool = False

    def painted(self, art: Callable[[str, str], np.ndarray], icons: str, variant: int) -> tuple[np.ndarray, bool]:
        """The scene in an icon set, (256, 256, 4) uint8, and whether it reaches the image's edges.

        art(set's name, concept's name) is an icon. Raises a SceneError if the set lacks one.
        """
        seed = zlib.crc32(f"{self.called[0]}, {icons}, {variant}".encode())
        canvas = Canvas(art, icons, seed)
        self.paint(canvas)
        return canvas.finished(), canvas.full


# ---- the course's prompts -----------------------------------------------------------------------------------------


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """A rectangle's corners."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def beam(x0: float, y0: float, x1: float, y1: float, width: float) -> list[Point]:
    """The corners of a thick line from (x0, y0) to (x1, y1)."""
    length = math.hypot(x1 - x0, y1 - y0)
    dx, dy = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
    return [(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)]


def oval(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 2) -> list[Point]:
    """An ellipse, or the part of one from angle `start` to `end`, in multiples of pi, clockwise from the right."""
    angles = np.pi * np.linspace(start, end, 40)
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def campfire(canvas: Canvas) -> None:
    people = list(filter(canvas.has, ("man", "woman", "boy", "girl", "man with a beard", "old man")))
    if len(people) < 2:
        raise SceneError(f"the set {canvas.icons} has too few people.")
    people = canvas.random.sample(people, min(4, len(people)))
    clothes = canvas.random.sample(["red", "blue", "green", "plum"], 4)
    canvas.all_over("dusk")
    if not canvas.ink:
        canvas.shape(oval(0.5, 0.66, 0.8, 0.36), "glow")
    canvas.ground("earth", 0.64)
    places = ((0.3, 0.6, 0.22), (0.7, 0.6, 0.22), (0.14, 0.88, 0.3), (0.86, 0.88, 0.3))
    for person, colour, (x, bottom, size) in zip(people, clothes, places):
        canvas.shape(oval(x, bottom, 0.5 * size, 0.8 * size, 1, 2), colour)  # shoulders
        canvas.put(person, x, bottom - 0.55 * size, size, jitter=0.01)
    for left, right in ((0.29, 0.68), (0.71, 0.32)):  # two logs, crossed
        canvas.shape(beam(left, 0.94, right, 0.83, 0.1), "log")
        canvas.shape(oval(left, 0.94, 0.04, 0.05), "log end")
    canvas.put("fire", 0.5, 0.88, 0.54, jitter=0.01)


def wearing_a_hat(who: str, canvas: Canvas) -> None:
    canvas.put(who, 0.5, 1, 0.68, jitter=0)
    canvas.put("top hat", 0.5, 0.49, 0.48)


def snowy_house(canvas: Canvas, x: float, bottom: float, size: float) -> None:
    canvas.parts(
        *(x, bottom, size),
        ("timber", [(0, 1), (0, 0.5), (0.25, 0.12), (0.5, 0.5), (0.5, 1)]),
        ("shade", box(0.5, 0.5, 1, 1)),
        ("door", box(0.15, 0.66, 0.36, 1)),
        ("light", box(0.64, 0.66, 0.87, 0.86)),
        ("white", [(0.24, 0), (-0.1, 0.5), (-0.02, 0.6), (0.25, 0.22)]),
        ("white", [(0.24, 0), (0.82, 0), (1.1, 0.58), (0.52, 0.6)]),
    )


def snowy_village(canvas: Canvas) -> None:
    if canvas.photographs:
        canvas.all_over("snowy mountains")
    else:
        peak = 0.5 + canvas.random.uniform(-0.06, 0.06)
        canvas.all_over("sky")
        canvas.shape([(peak, 0.04), (1.1, 0.75), (-0.1, 0.75)], "rock")
        zigzag = [(0.24, 0.36), (0.12, 0.3), (0.04, 0.42), (-0.07, 0.31), (-0.16, 0.4), (-0.22, 0.36)]
        slope = (0.36 - 0.04) / 0.71
        right = (peak + (1.1 - peak) * slope, 0.36)
        left = (peak - (peak + 0.1) * slope, 0.36)
        canvas.shape([(peak, 0.04), right, *((peak + x, y) for x, y in zigzag[1:-1]), left], "white")
    canvas.ground("snow", 0.68, bump=0.04)
    for x, bottom in ((0.04, 0.76), (0.97, 0.76)):
        canvas.put("fir tree", x, bottom, 0.36, jitter=0.01)
    for x, bottom, size in ((0.24, 0.8, 0.3), (0.77, 0.79, 0.3), (0.5, 0.97, 0.4)):
        jitter = canvas.random.uniform(-0.015, 0.015)
        snowy_house(canvas, x + jitter, bottom + jitter, size)


def waterfall(canvas: Canvas) -> None:
    left, right = (canvas.random.uniform(*limits) for limits in ((0.3, 0.34), (0.66, 0.7)))
    top = canvas.random.uniform(0.24, 0.28)
    canvas.all_over("sky")
    for x in (0.1, 0.9):
        canvas.put("fir tree", x, top, 0.27, jitter=0.01)
    canvas.shape([(-0.1, top - 0.08), (left, top), (left + 0.02, 0.85), (0.2, 1.1), (-0.1, 1.1)], "cliff")
    canvas.shape([(1.1, top - 0.08), (right, top), (right - 0.02, 0.85), (0.8, 1.1), (1.1, 1.1)], "cliff")
    canvas.shape(oval(0.5, 1.0, 0.62, 0.2), "sea")
    canvas.shape([(left, top), (right, top), (right + 0.02, 0.88), (left - 0.02, 0.88)], "fall")
    for i in (1, 2, 3):
        x, dx = left + (right - left) * i / 4, canvas.random.uniform(-0.01, 0.01)
        start = top + canvas.random.uniform(0.02, 0.16)
        canvas.shape([(x + dx, start), (x + 0.03, 0.88), (x - 0.03, 0.88)], "streak")
    canvas.shape(oval(0.5, 0.88, 0.27, 0.055), "white")  # foam, where the water falls into the pool


def coast_house(canvas: Canvas, x: float, bottom: float, size: float, colour: str) -> None:
    canvas.parts(
        *(x, bottom, size),
        (colour, box(0, 0.25, 1, 1)),
        ("terracotta", [(-0.08, 0.28), (0.15, 0.02), (0.85, 0.02), (1.08, 0.28)]),
        ("window", box(0.16, 0.45, 0.38, 0.75)),
        ("window", box(0.62, 0.45, 0.84, 0.75)),
    )


def coast(canvas: Canvas) -> None:
    canvas.all_over("sky")
    canvas.ground("sea", 0.52)
    canvas.shape(
        [(1.1, 0.02), (0.84, 0.08), (0.7, 0.3), (0.56, 0.5), (0.44, 0.88), (0.36, 1.1), (1.1, 1.1)], "headland"
    )
    colours = ("pink", "yellow", "cream", "yellow", "pink", "cream")
    places = ((0.9, 0.34), (0.78, 0.57), (1.0, 0.6), (0.62, 0.84), (0.86, 0.84), (0.74, 1.1))
    for (x, bottom), colour in zip(places, colours):
        coast_house(canvas, x + canvas.random.uniform(-0.01, 0.01), bottom, 0.23, colour)
    canvas.put("sailboat", 0.2, 0.82, 0.3)


def barista(canvas: Canvas) -> None:
    canvas.all_over("cafe")
    canvas.shape(oval(0.4, 0.95, 0.36, 0.42, 1, 2), "shirt")
    canvas.shape(box(0.24, 0.68, 0.56, 0.9), "apron")
    canvas.put("man with a beard", 0.4, 0.74, 0.54, jitter=0.01)
    canvas.put("cap", 0.4, 0.37, 0.4, jitter=0.005)
    canvas.shape(box(-0.1, 0.84, 1.1, 1.1), "counter")
    canvas.shape(box(-0.1, 0.82, 1.1, 0.89), "counter top")
    canvas.put("cup of coffee", 0.76, 0.93, 0.44, jitter=0.01)


# ---- families of scenes -------------------------------------------------------------------------------------------


def on_a_hill(what: str, canvas: Canvas) -> None:
    canvas.put("cloud", canvas.one_of(0.15, 0.85), 0.25, 0.26, jitter=0.06)
    canvas.ground("grass", 0.85, bump=0.2)
    canvas.put(what, 0.5, 0.73, 0.54)


def in_the_snow(what: str, canvas: Canvas) -> None:
    canvas.ground("snow", 0.76, bump=0.03)
    canvas.put("fir tree", canvas.one_of(0.1, 0.9), 0.8, 0.42)
    canvas.put(what, 0.5, 0.93, 0.54)
    for x, bottom in ((0.12, 0.22), (0.4, 0.16), (0.7, 0.24), (0.9, 0.14)):
        canvas.put("snowflake", x, bottom, 0.12, jitter=0.04)


def in_a_forest(what: str, canvas: Canvas) -> None:
    canvas.ground("grass", 0.74)
    for x in (0.08, 0.36, 0.64, 0.92):
        canvas.put(canvas.one_of("fir tree", "tree"), x, 0.8, 0.6)
    canvas.put(what, 0.5, 0.96, 0.48)


def on_the_sea(what: str, canvas: Canvas) -> None:
    canvas.put(canvas.one_of("sun", "cloud"), canvas.one_of(0.2, 0.8), 0.3, 0.24)
    canvas.put(what, 0.5, 0.78, 0.58)
    canvas.ground("sea", 0.72, wave=0.012)


def at_night(what: str, canvas: Canvas) -> None:
    canvas.all_over("night")
    canvas.put("moon", 0.82, 0.3, 0.22)
    for x, bottom in ((0.12, 0.2), (0.4, 0.12), (0.15, 0.55), (0.9, 0.6)):
        canvas.put("star", x, bottom, 0.1, jitter=0.03)
    if what == "rocket":
        canvas.put(what, 0.48, 0.86, 0.62)
    else:
        canvas.ground("grass", 0.84)
        canvas.put(what, 0.48, 0.92, 0.56)


def side_by_side(left: str, right: str, canvas: Canvas) -> None:
    canvas.put(left, 0.25, 0.75, 0.47)
    canvas.put(right, 0.75, 0.75, 0.47)


def family(paint: Callable, words: str, *concepts: str) -> list[Scene]:
    """A scene for each of several concepts: "a house" + "on a hill"."""
    return [Scene((f"{CONCEPTS[name].called[0]} {words}",), partial(paint, name)) for name in concepts]


def pair(left: str, right: str) -> Scene:
    a, b = CONCEPTS[left].called[0], CONCEPTS[right].called[0]
    return Scene((f"{a} and {b}", f"{b} and {a}"), partial(side_by_side, left, right))


SCENES = (
    Scene(("people around a campfire", "people sitting around a fire", "a campfire"), campfire, course=True),
    Scene(("a man wearing a hat", "a man with a hat"), partial(wearing_a_hat, "man"), course=True),
    Scene(("a snowy mountain village", "a village in the snow", "a village"), snowy_village, course=True),
    Scene(("waterfalls", "a waterfall", "a river"), waterfall, course=True),
    Scene(("the amalfi coast", "the amalfi cost", "a village by the sea", "a coast"), coast, course=True),
    Scene(("a hipster barista", "a barista", "a bearded man with a cup of coffee"), barista, course=True),
    *family(wearing_a_hat, "wearing a hat", "woman", "dog", "cat", "bear", "skull"),
    *family(on_a_hill, "on a hill", "house", "castle", "church", "tree", "cow"),
    *family(in_the_snow, "in the snow", "house", "penguin", "dog"),
    *family(in_a_forest, "in a forest", "house", "bear", "fox", "tent"),
    *family(on_the_sea, "on the sea", "sailboat", "ship", "duck"),
    *family(at_night, "at night", "house", "castle", "tree"),
    Scene(("a rocket in space", "a spaceship among the stars"), partial(at_night, "rocket")),
    pair("cat", "dog"),
    pair("apple", "banana"),
    pair("man", "woman"),
    pair("house", "tree"),
    pair("sun", "cloud"),
    pair("moon", "star"),
    pair("car", "house"),
)

# every concept that a scene is made of: held-out pairs are chosen among the others
SCENERY = frozenset(
    (  # noqa: SIM905  (a list would take forty lines)
        "man, woman, boy, girl, man with a beard, old man, dog, cat, bear, cow, penguin, fox, duck, skull, "
        "top hat, cap, cup of coffee, apple, banana, house, church, castle, tent, wood, fire, tree, fir tree, "
        "snowy mountain, snowflake, sun, cloud, moon, star, rocket, sailboat, ship, car"
    ).split(", ")
)


def known() -> list[str]:
    """The usual names of all concepts and scenes."""
    return [shown.called[0] for shown in (*CONCEPTS.values(), *SCENES)]
