"""Scenes: pictures composed by rule from art of one set, for prompts that name several things or none of the icons.

A scene is a function that paints on a Canvas, from back to front. The same rule serves every set, and its own small
random numbers make no two alike.
"""

import math
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from .art import SIZE, ArtError, fitted
from .concepts import CONCEPTS, INK_SETS, STYLES

# what is not art but painted here: the sets' own greens, blues and browns
SETS = ("fluent-3d", "fluent-flat", "twemoji", "noto")
COLOURS = {
    "grass": ("#7cb342", "#44911b", "#77b255", "#689f38"),
    "snow": ("#e8eefc", "#e1edfb", "#e1e8ed", "#eceff1"),
    "sea": ("#3f8efc", "#0074ba", "#55acee", "#29b6f6"),
    "sand": ("#f2c879", "#fcd53f", "#ffd983", "#ffe082"),
    "cliff": ("#5d4a41", "#533a35", "#6b4a3e", "#5d4037"),  # beside a waterfall: dark
    "headland": ("#b08968", "#a97142", "#c1895f", "#a1887f"),  # of a sunny coast
    "rock": ("#6b7a94", "#636e8a", "#66757f", "#607d8b"),  # of a mountain, below the snow
}
COMMON = {  # these are the same in all sets
    "sky": "#9fd3f5",
    "white": "#ffffff",  # snow on a roof, foam
    "night": "#1a237e",
    "dusk": "#3b2a63",
    "glow": "#e0703f",  # the sky above the horizon, after sunset
    "earth": "#3e4a2c",
    "log": "#6d4324",
    "log end": "#d9a566",
    "fall": "#e3f5fd",  # water, and the darker water in it
    "streak": "#8fcbee",
    "timber": "#a8562f",  # a house in the snow: front, side, door, and light in the window
    "shade": "#7c3d22",
    "door": "#4a2614",
    "light": "#ffd54f",
    "pink": "#f4a6a0",  # houses on a coast
    "yellow": "#fbd872",
    "cream": "#fff3dc",
    "terracotta": "#c8553d",
    "window": "#4a5568",
    "red": "#c0392b",  # clothes
    "blue": "#2f6fb3",
    "green": "#3f8f5b",
    "plum": "#8e4a8e",
    "shirt": "#f1efe9",
    "apron": "#3c5a4c",
    "counter": "#8d5a33",
    "counter top": "#c98f5a",
    "cafe": "#8fbfb0",  # the wall behind the counter
}
PALETTES = {icons: {name: row[i] for name, row in COLOURS.items()} | COMMON for i, icons in enumerate(SETS)}
BLACK = ("streak", "cliff", "rock", "log", "light", "door", "window", "terracotta", "apron", "counter")
INK = dict.fromkeys([*COLOURS, *COMMON], "#ffffff") | dict.fromkeys(BLACK, "#000000")  # outlined instead
for icons in (icons.removesuffix("-oil") for style in STYLES.values() for icons in style.sets):
    PALETTES.setdefault(icons, INK if icons in INK_SETS else PALETTES["noto"])

# In sets that stand for photographs and paintings, parts of photographs fill some shapes instead of a colour:
# (the photograph's name in photographs.json, (left, top, right, bottom) in fractions of its width and height).
PHOTOGRAPHIC = frozenset(STYLES["photo"].sets + STYLES["oil painting"].sets)
PHOTOGRAPHS = {
    "sky": (("land-canyon7", (0.0, 0.0, 0.8, 0.45)),),
    "sea": (("land-beach1", (0.0, 0.3, 0.35, 0.75)), ("land-sea1", (0.1, 0.36, 0.6, 0.7))),
    "snowy mountains": (
        ("land-mountain8", (0.05, 0.0, 0.55, 1.0)),
        ("land-snow0", (0.28, 0.1, 0.73, 0.95)),
    ),
    "snow": (("land-snow8", (0.1, 0.72, 0.9, 1.0)),),
    "cliff": (("land-mountain6", (0.0, 0.45, 0.4, 1.0)), ("land-forest1", (0.0, 0.3, 0.5, 1.0))),
    "headland": (("land-badlands8", (0.1, 0.5, 0.9, 1.0)), ("land-valley6", (0.0, 0.3, 0.5, 0.9))),
}
LINE = 7  # width of the outlines in high contrast, as that set draws them
FINE = 2  # shapes are drawn this much larger, and then shrunk, so that their edges are smooth


class SceneError(ValueError):
    """A scene that an icon set cannot show, because it has no icon of something in it."""


Point = tuple[float, float]  # (x, y) with (0, 0) the upper left corner and (1, 1) the lower right one


class Canvas:
    """What a scene is painted on.

    Args:
        art: (set's name, concept's name) -> the image (256, 256, 4) uint8. In the set "photographs", the name is a
            photograph's, and the image may be up to 512 pixels wide or high.
        icons: that set's name; "-oil" at its end means that the image will be painted in oil.
        seed: of the small differences between two pictures of the same scene.
    """

    def __init__(self, art: Callable[[str], np.ndarray], icons: str, seed: int):
        self.art, self.random = art, random.Random(seed)
        self.icons = icons.removesuffix("-oil")
        self.ink = self.icons in INK_SETS
        self.photographs = {}  # colour -> the part of a photograph that is painted instead
        if icons in PHOTOGRAPHIC:
            self.photographs = {colour: self.random.choice(parts) for colour, parts in PHOTOGRAPHS.items()}
        if icons.endswith("-oil"):  # brush strokes would blur the sky and the sea of photographs into each other
            del self.photographs["sky"], self.photographs["sea"]
        self.image = Image.new("RGBA", (SIZE, SIZE))
        self.full = False  # whether it reaches the picture's edges, where a plain object is left some room

    def put(self, concept: str, x: float, bottom: float, size: float, jitter: float = 0.02) -> None:
        """A concept's art: its middle at x, its lower edge at `bottom`, its longer side `size`."""
        if not self.has(concept):
            raise SceneError(f"the set {self.icons} has no {concept}.")
        x, bottom = (value + self.random.uniform(-jitter, jitter) for value in (x, bottom))
        size *= 1 + self.random.uniform(-2, 2) * jitter
        art = Image.fromarray(self.art(self.icons, concept))
        art = art.crop(art.getbbox())
        scale = size * SIZE / max(art.size)
        w, h = (max(1, round(scale * side)) for side in art.size)
        art = art.convert("RGBa").resize((w, h), Image.Resampling.LANCZOS, reducing_gap=3).convert("RGBA")
        layer = Image.new("RGBA", (SIZE, SIZE))
        layer.paste(art, (round(x * SIZE - w / 2), round(bottom * SIZE - h)))
        if self.ink:  # line art is see-through: white paper under it, or the back shines through
            self.image = Image.alpha_composite(self.image, paper(layer))
        self.image = Image.alpha_composite(self.image, layer)

    def has(self, concept: str) -> bool:
        """Whether the set shows a concept."""
        return self.icons not in CONCEPTS[concept].without

    def one_of(self, *concepts: str) -> str:
        """One of several concepts, at random."""
        return self.random.choice(concepts)

    def shape(self, points: list[Point], colour: str) -> None:
        """A polygon in one of the palette's colours, such as "grass"."""
        flat = [(x * SIZE * FINE, y * SIZE * FINE) for x, y in points]
        mask = Image.new("L", (SIZE * FINE, SIZE * FINE))
        ImageDraw.Draw(mask).polygon(flat, fill=255)
        if colour in self.photographs:
            layer = self.filled(colour, mask)
        else:
            layer = Image.new("RGBA", mask.size, PALETTES[self.icons].get(colour))
        if self.icons == "fluent-3d" and colour not in self.photographs:  # light falls from above
            light = np.linspace(1.1, 0.88, SIZE * FINE)[:, None, None]
            rgb = np.array(layer)[..., :3] * light
            layer = Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).convert("RGBA")
        layer.putalpha(mask)
        if self.ink and colour not in BLACK:
            ImageDraw.Draw(layer).line([*flat, flat[0]], fill="black", width=LINE * FINE, joint="curve")
        small = layer.convert("RGBa").resize((SIZE, SIZE), Image.Resampling.BOX).convert("RGBA")
        self.image = Image.alpha_composite(self.image, small)

    def filled(self, colour: str, mask: Image.Image) -> Image.Image:
        """A part of a photograph where the mask is white, as large as the mask."""
        name, (left, top, right, bottom) = self.photographs[colour]
        try:
            photograph = Image.fromarray(self.art("photographs", name)).convert("RGB")
        except ArtError as error:
            raise ArtError(
                f"there is no photograph {name} to paint {colour!r} with ({error}); "
                "make it with python -m making.mini_if.photographs."
            ) from error
        w, h = photograph.size
        part = photograph.crop((round(left * w), round(top * h), round(right * w), round(bottom * h)))
        box = mask.getbbox()
        layer = Image.new("RGB", mask.size)
        layer.paste(part.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BICUBIC), box[:2])
        return layer.convert("RGBA")

    def all_over(self, colour: str) -> None:
        """The whole image in one colour, or in a photograph (the paper stays white in a print)."""
        self.full = True
        if not self.ink:
            self.shape([(0, 0), (1, 0), (1, 1), (0, 1)], colour)

    def parts(self, x: float, bottom: float, size: float, *parts: tuple[str, list[Point]]) -> None:
        """Shapes in coordinates of their own: (0, 0) to (1, 1) is a square around x, `size` wide, above `bottom`."""
        for colour, points in parts:
            self.shape([(x + size * (px - 0.5), bottom + size * (py - 1)) for px, py in points], colour)

    def ground(self, what: str, top: float, bump: float = 0.0, wave: float = 0.0) -> None:
        """Grass, snow, sand or sea, from `top` down to the lower edge: with one hill on it, or with waves."""
        self.full = True
        x = np.linspace(-0.1, 1.1, 61)
        y = top - bump * np.sin(np.pi * x.clip(0, 1)) ** 2 + wave * np.sin(10 * np.pi * x)
        self.shape([*zip(x, y), (1.1, 1.1), (-0.1, 1.1)], what)

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

        art(set's name, concept's name) is a concept's picture. Raises SceneError if the set lacks something.
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
