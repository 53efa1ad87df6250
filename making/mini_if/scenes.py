"""Scenes: pictures composed by rule from art of one set, for prompts that name several things or none of the icons.

A scene is a function that paints on a Canvas, from back to front. The same rule serves every set, and its own small
random numbers make no two alike.
"""

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from .art import SIZE, fitted
from .concepts import CONCEPTS

# what is not art but painted here: the sets' own greens, blues and browns
COLOURS = {
    "grass": ("#7cb342", "#44911b", "#77b255", "#689f38"),
    "snow": ("#e8eefc", "#e1edfb", "#e1e8ed", "#eceff1"),
    "sea": ("#3f8efc", "#0074ba", "#55acee", "#29b6f6"),
    "sand": ("#f2c879", "#fcd53f", "#ffd983", "#ffe082"),
    "cliff": ("#8a6d5b", "#7d4533", "#c1694f", "#8d6e63"),
    "fall": ("#b3e5fc",) * 4,  # water, and the darker water in it
    "streak": ("#4fc3f7",) * 4,
    "night": ("#1a237e",) * 4,
}
PALETTES = {
    icons: {name: colours[i] for name, colours in COLOURS.items()}
    for i, icons in enumerate(("fluent-3d", "fluent-flat", "twemoji", "noto"))
}
PALETTES["fluent-contrast"] = dict.fromkeys(COLOURS, "#ffffff") | {"streak": "#000000"}  # outlined instead
LINE = 7  # width of the outlines in high contrast, as that set draws them
FINE = 2  # shapes are drawn this much larger, and then shrunk, so that their edges are smooth

Point = tuple[float, float]  # (x, y) with (0, 0) the upper left corner and (1, 1) the lower right one


class Canvas:
    """What a scene is painted on.

    Args:
        art: a concept's name -> its picture (256, 256, 4) uint8, in one set.
        icons: that set's name.
        seed: of the small differences between two pictures of the same scene.
    """

    def __init__(self, art: Callable[[str], np.ndarray], icons: str, seed: int):
        self.art, self.icons, self.random = art, icons, random.Random(seed)
        self.image = Image.new("RGBA", (SIZE, SIZE))
        self.full = False  # whether it reaches the picture's edges, where a plain object is left some room

    def put(self, concept: str, x: float, bottom: float, size: float, jitter: float = 0.02) -> None:
        """A concept's art: its middle at x, its lower edge at `bottom`, its longer side `size`."""
        x, bottom = (value + self.random.uniform(-jitter, jitter) for value in (x, bottom))
        size *= 1 + self.random.uniform(-2, 2) * jitter
        art = Image.fromarray(self.art(concept))
        art = art.crop(art.getbbox())
        scale = size * SIZE / max(art.size)
        w, h = (max(1, round(scale * side)) for side in art.size)
        art = art.convert("RGBa").resize((w, h), Image.Resampling.LANCZOS, reducing_gap=3).convert("RGBA")
        layer = Image.new("RGBA", (SIZE, SIZE))
        layer.paste(art, (round(x * SIZE - w / 2), round(bottom * SIZE - h)))
        if self.icons == "fluent-contrast":  # line art is see-through: white paper under it, or the back shines through
            self.image = Image.alpha_composite(self.image, paper(layer))
        self.image = Image.alpha_composite(self.image, layer)

    def one_of(self, *concepts: str) -> str:
        """One of several concepts, at random."""
        return self.random.choice(concepts)

    def shape(self, points: list[Point], colour: str) -> None:
        """A polygon in one of the palette's colours, such as "grass"."""
        flat = [(x * SIZE * FINE, y * SIZE * FINE) for x, y in points]
        mask = Image.new("L", (SIZE * FINE, SIZE * FINE))
        ImageDraw.Draw(mask).polygon(flat, fill=255)
        layer = Image.new("RGBA", mask.size, PALETTES[self.icons][colour])
        if self.icons == "fluent-3d":  # light falls from above
            light = np.linspace(1.1, 0.88, SIZE * FINE)[:, None, None]
            rgb = np.array(layer)[..., :3] * light
            layer = Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).convert("RGBA")
        layer.putalpha(mask)
        if self.icons == "fluent-contrast":
            ImageDraw.Draw(layer).line([*flat, flat[0]], fill="black", width=LINE * FINE, joint="curve")
        small = layer.convert("RGBa").resize((SIZE, SIZE), Image.Resampling.BOX).convert("RGBA")
        self.image = Image.alpha_composite(self.image, small)

    def ground(self, what: str, top: float, bump: float = 0.0, wave: float = 0.0) -> None:
        """Grass, snow, sand or sea, from `top` down to the lower edge: with one hill on it, or with waves."""
        self.full = True
        x = np.linspace(-0.1, 1.1, 61)
        y = top - bump * np.sin(np.pi * x.clip(0, 1)) ** 2 + wave * np.sin(10 * np.pi * x)
        self.shape([*zip(x, y), (1.1, 1.1), (-0.1, 1.1)], what)

    def night(self) -> None:
        """A dark sky, over the whole picture (the paper stays white in a print)."""
        self.full = True
        if self.icons != "fluent-contrast":
            self.shape([(-0.1, -0.1), (1.1, -0.1), (1.1, 1.1), (-0.1, 1.1)], "night")

    def finished(self) -> np.ndarray:
        """The picture (256, 256, 4) uint8."""
        return np.array(self.image if self.full else fitted(self.image))


def paper(layer: Image.Image) -> Image.Image:
    """White where line art encloses something: everything that cannot be reached from the picture's edge."""
    ink = np.array(layer.getchannel("A")) > 96
    outside = Image.fromarray(np.pad(np.where(ink, 255, 0).astype(np.uint8), 1)).copy()  # floodfill writes into it
    ImageDraw.floodfill(outside, (0, 0), 128)
    inside = np.array(outside)[1:-1, 1:-1] != 128
    white = Image.new("RGBA", layer.size, "white")
    white.putalpha(Image.fromarray(np.where(inside, 255, 0).astype(np.uint8)))
    return white


@dataclass(frozen=True)
class Scene:
    """Several things in one picture.

    Args:
        called: what captions call it; the first is its usual name.
        paint: puts them on a canvas.
        course: whether the course's prompts name it.
    """

    called: tuple[str, ...]
    paint: Callable[[Canvas], None]
    course: bool = False

    def picture(self, art: Callable[[str, str], np.ndarray], icons: str, variant: int) -> tuple[np.ndarray, bool]:
        """The scene in an icon set, (256, 256, 4) uint8, and whether it reaches the picture's edges.

        art(set's name, concept's name) is a concept's picture.
        """
        seed = zlib.crc32(f"{self.called[0]}, {icons}, {variant}".encode())
        canvas = Canvas(partial(art, icons), icons, seed)
        self.paint(canvas)
        return canvas.finished(), canvas.full


# ---- the course's prompts -----------------------------------------------------------------------------------------


def campfire(canvas: Canvas) -> None:
    people = canvas.random.sample(["man", "woman", "boy", "girl", "man with a beard", "old man"], 4)
    canvas.ground("grass", 0.75)
    for person, x, bottom, size in zip(people, (0.35, 0.65, 0.18, 0.82), (0.44, 0.44, 0.72, 0.72), (0.27,) * 4):
        canvas.put(person, x, bottom, size)
    canvas.put("wood", 0.5, 0.97, 0.26)
    canvas.put("fire", 0.5, 0.87, 0.42)


def wearing_a_hat(who: str, canvas: Canvas) -> None:
    canvas.put(who, 0.5, 0.98, 0.72, jitter=0)
    canvas.put("top hat", 0.5, 0.46, 0.52)


def snowy_village(canvas: Canvas) -> None:
    for x, size in ((0.15, 0.5), (0.85, 0.5), (0.5, 0.68)):
        canvas.put("snowy mountain", x, 0.73, size)
    canvas.ground("snow", 0.68, bump=0.04)
    houses = ["house", "house", canvas.one_of("house", "church")]
    canvas.random.shuffle(houses)
    for house, x, bottom in zip(houses, (0.2, 0.78, 0.5), (0.82, 0.84, 0.93)):
        canvas.put(house, x, bottom, 0.31)
    for x, bottom in ((0.03, 0.98), (0.97, 0.99), (0.36, 0.78)):
        canvas.put("fir tree", x, bottom, 0.24)
    for x, bottom in ((0.1, 0.2), (0.88, 0.16), (0.3, 0.1)):
        canvas.put("snowflake", x, bottom, 0.1, jitter=0.04)


def waterfall(canvas: Canvas) -> None:
    left, right = (canvas.random.uniform(*limits) for limits in ((0.28, 0.36), (0.64, 0.72)))
    top = canvas.random.uniform(0.22, 0.3)
    canvas.full = True
    canvas.shape([(left, top), (right, top), (right + 0.03, 0.9), (left - 0.03, 0.9)], "fall")
    for i in range(1, 5):
        x = left + (right - left) * i / 5
        dy = canvas.random.uniform(0, 0.15)
        canvas.shape([(x - 0.012, top + dy), (x + 0.012, top + dy), (x + 0.014, 0.85), (x - 0.014, 0.85)], "streak")
    canvas.shape([(-0.1, top - 0.08), (left, top), (left - 0.05, 0.55), (left - 0.03, 1.1), (-0.1, 1.1)], "cliff")
    canvas.shape([(1.1, top - 0.08), (right, top), (right + 0.05, 0.55), (right + 0.03, 1.1), (1.1, 1.1)], "cliff")
    canvas.ground("sea", 0.84, wave=0.012)
    for x in (0.1, 0.9):
        canvas.put(canvas.one_of("fir tree", "tree"), x, top + 0.02, 0.26)


def coast(canvas: Canvas) -> None:
    canvas.put("sun", 0.2, 0.3, 0.22)
    canvas.ground("sea", 0.68, wave=0.01)
    canvas.shape([(1.1, 0.15), (0.86, 0.2), (0.66, 0.42), (0.5, 0.68), (0.36, 0.86), (1.1, 0.9)], "cliff")
    canvas.shape([(0.36, 0.86), (1.1, 0.8), (1.1, 1.1), (0.55, 1.1)], "sand")
    for x, bottom in ((0.85, 0.4), (0.72, 0.58), (0.93, 0.66), (0.62, 0.79), (0.83, 0.87)):
        canvas.put("house", x, bottom, 0.22, jitter=0.01)
    canvas.put("sailboat", 0.2, 0.84, 0.26)


def barista(canvas: Canvas) -> None:
    canvas.put("man with a beard", 0.42, 0.86, 0.76)
    if canvas.random.random() < 0.5:
        canvas.put("cap", 0.42, 0.32, 0.44, jitter=0.01)
    canvas.put("cup of coffee", 0.76, 0.99, 0.44)


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
    canvas.night()
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

# every concept that a scene is painted with: held-out pairs are chosen among the others
SCENERY = frozenset(
    (  # noqa: SIM905  (a list would take forty lines)
        "man, woman, boy, girl, man with a beard, old man, dog, cat, bear, cow, penguin, fox, duck, skull, "
        "top hat, cap, cup of coffee, apple, banana, house, church, castle, tent, wood, fire, tree, fir tree, "
        "snowy mountain, snowflake, sun, cloud, moon, star, rocket, sailboat, ship, car"
    ).split(", ")
)


def known() -> list[str]:
    """Everything that the model is shown, by its usual name."""
    return [shown.called[0] for shown in (*CONCEPTS.values(), *SCENES)]
