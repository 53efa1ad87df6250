"""Drawing on a canvas: an icon set's icons, and shapes in its colours."""

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from .art import SIZE, ArtError, fitted
from .concepts import CONCEPTS, INK_SETS, STYLES

# colours of the shapes that are drawn here, matched to each icon set
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
COMMON = {  # the same in all sets
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

# In the sets for photos and oil paintings, some shapes are filled with parts of photographs instead of a colour:
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
FINE = 2  # shapes are drawn at this multiple of the size and then shrunk, for smooth edges


class SceneError(ValueError):
    """A scene that an icon set cannot show, because one of its icons is missing."""


Point = tuple[float, float]  # (x, y) with (0, 0) the upper left corner and (1, 1) the lower right one


class Canvas:
    """A canvas on which a scene is drawn.

    Args:
        art: (set's name, concept's name) -> the image (256, 256, 4) uint8. In the set "photographs", the name is a
            photograph's, and the image may be up to 512 pixels wide or high.
        icons: that set's name; "-oil" at its end means that the image will be painted in oil.
        seed: of the small random differences between images of the same scene.
    """

    def __init__(self, art: Callable[[str], np.ndarray], icons: str, seed: int):
        self.art, self.random = art, random.Random(seed)
        self.icons = icons.removesuffix("-oil")
        self.ink = self.icons in INK_SETS
        self.photographs = {}  # colour -> the part of a photograph that replaces it
        if icons in PHOTOGRAPHIC:
            self.photographs = {colour: self.random.choice(parts) for colour, parts in PHOTOGRAPHS.items()}
        if icons.endswith("-oil"):  # brush strokes would blur sky and sea into each other
            del self.photographs["sky"], self.photographs["sea"]
        self.image = Image.new("RGBA", (SIZE, SIZE))
        self.full = False  # whether it extends to the edges; a plain object gets a margin

    def put(self, concept: str, x: float, bottom: float, size: float, jitter: float = 0.02) -> None:
        """Draw a concept's icon: its middle at x, its lower edge at `bottom`, its longer side `size`."""
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
        if self.ink:  # line art is transparent: white paper behind it hides what is further back
            self.image = Image.alpha_composite(self.image, paper(layer))
        self.image = Image.alpha_composite(self.image, layer)

    def has(self, concept: str) -> bool:
        """Whether the set has an icon of a concept."""
        return self.icons not in CONCEPTS[concept].without

    def one_of(self, *concepts: str) -> str:
        """One of several concepts, at random."""
        return self.random.choice(concepts)

    def shape(self, points: list[Point], colour: str) -> None:
        """Draw a polygon in one of the palette's colours, such as "grass"."""
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
        """A part of a photograph, fitted to the white part of the mask."""
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
        """Fill the whole image with one colour or a photograph (in line art, the paper stays white)."""
        self.full = True
        if not self.ink:
            self.shape([(0, 0), (1, 0), (1, 1), (0, 1)], colour)

    def parts(self, x: float, bottom: float, size: float, *parts: tuple[str, list[Point]]) -> None:
        """Draw shapes in local coordinates: (0, 0) to (1, 1) is a square around x, `size` wide, above `bottom`."""
        for colour, points in parts:
            self.shape([(x + size * (px - 0.5), bottom + size * (py - 1)) for px, py in points], colour)

    def ground(self, what: str, top: float, bump: float = 0.0, wave: float = 0.0) -> None:
        """Draw grass, snow, sand or sea from `top` down to the lower edge, with a hill or waves."""
        self.full = True
        x = np.linspace(-0.1, 1.1, 61)
        y = top - bump * np.sin(np.pi * x.clip(0, 1)) ** 2 + wave * np.sin(10 * np.pi * x)
        self.shape([*zip(x, y), (1.1, 1.1), (-0.1, 1.1)], what)

    def finished(self) -> np.ndarray:
        """The image (256, 256, 4) uint8."""
        return np.array(self.image if self.full else fitted(self.image))


def paper(layer: Image.Image) -> Image.Image:
    """White wherever line art encloses an area: everything that cannot be reached from the image's edge."""
    ink = np.array(layer.getchannel("A")) > 96
    outside = Image.fromarray(np.pad(np.where(ink, 255, 0).astype(np.uint8), 1)).copy()  # floodfill writes into it
    ImageDraw.floodfill(outside, (0, 0), 128)
    inside = np.array(outside)[1:-1, 1:-1] != 128
    white = Image.new("RGBA", layer.size, "white")
    white.putalpha(Image.fromarray(np.where(inside, 255, 0).astype(np.uint8)))
    return white
