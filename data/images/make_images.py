"""Make the test images of the course: five drawings of our own and three free photographs.

Run ``python data/images/make_images.py``; the images are written beside this file.
The drawings use coordinates from 0 to 256, x to the right and y downwards.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

OUT = Path(__file__).resolve().parent
SIZE = 256  # side of every finished image, in pixels
SCALE = 4  # drawings are made this much larger, then shrunk, which smooths their edges
JPEG_QUALITY = 88

WHITE = (255, 255, 255)
INK = (35, 32, 45)
STONE = (244, 236, 218)
SHADED_STONE = (180, 168, 160)
OPENING = (66, 64, 86)

# Each photograph with the square that its subject fills: (left, top, right, bottom) in its own pixels.
PHOTOGRAPHS = {
    "cat.jpg": (data.chelsea, (75, 0, 375, 300)),
    "coffee.jpg": (data.coffee, (77, 0, 477, 400)),
    "astronaut.jpg": (data.astronaut, (54, 0, 374, 320)),
}


def scaled(points):
    """Points of the 256-pixel image as a list of points on the large canvas."""
    return [(float(x) * SCALE, float(y) * SCALE) for x, y in points]


def new_canvas(colour):
    """A large empty image of one colour, and the pen to draw on it."""
    image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), colour)
    return image, ImageDraw.Draw(image)


def box(draw, x0, y0, x1, y1, fill):
    """An upright filled rectangle."""
    draw.rectangle(scaled([(x0, y0), (x1, y1)]), fill)


def polygon(draw, points, fill):
    """A filled polygon."""
    draw.polygon(scaled(points), fill)


def disc(draw, x, y, radius, fill):
    """A filled circle."""
    draw.ellipse(scaled([(x - radius, y - radius), (x + radius, y + radius)]), fill)


def arc(x, y, rx, ry, start, stop):
    """Points on an ellipse; angles in degrees, 0 is right and 90 is down."""
    angle = np.radians(np.linspace(start, stop, 40))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def blend(a, b, t):
    """The colour a fraction t of the way from colour a to colour b."""
    return tuple(round(p + (q - p) * t) for p, q in zip(a, b, strict=True))


def jitter(colour, rng, spread):
    """The colour made a little lighter or darker at random."""
    return tuple(int(c) for c in np.clip(np.array(colour) + rng.normal(0, spread), 0, 255))


def wobbly(points, rng, wobble):
    """The polyline through the points as an unsteady hand would draw it.

    The error is a sum of slow waves along the line, because a hand drifts: it does not jitter.
    """
    points = np.asarray(points, dtype=float)
    distance = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, distance[-1], max(2, int(distance[-1])))
    path = np.stack([np.interp(at, distance, points[:, 0]), np.interp(at, distance, points[:, 1])], axis=1)
    for wavelength, strength in ((120, 1.0), (55, 0.7), (26, 0.3)):
        phase = rng.uniform(0, 2 * np.pi, 2)
        path += wobble * strength * np.sin(2 * np.pi * at[:, None] / wavelength + phase)
    return path


def stroke(draw, points, fill, width, rng, wobble=1.0, end_width=None):
    """A line of a round pen; it thins or thickens towards end_width if that is given."""
    path = wobbly(points, rng, wobble)
    widths = np.linspace(width, width if end_width is None else end_width, len(path))
    for (x, y), w in zip(path, widths, strict=True):
        disc(draw, x, y, w / 2, fill)


def shape(draw, points, fill, outline, width, rng, wobble=1.5):
    """A flat filled shape with an unsteady outline, as drawn with a marker."""
    path = wobbly([*points, points[0]], rng, wobble)
    polygon(draw, path, fill)
    stroke(draw, path, outline, width, rng, wobble=0.4)


def crayon(draw, colours, rng, step=5, width=9):
    """Cover the image with slanted crayon lines, running through the colours from top to bottom."""
    for y in np.arange(-40, SIZE + 40, step):
        place = np.clip(y / SIZE, 0, 1) * (len(colours) - 1)
        i = min(int(place), len(colours) - 2)
        colour = jitter(blend(colours[i], colours[i + 1], place - i), rng, 7)
        stroke(draw, [(-10, y + 18), (SIZE + 10, y - 18)], colour, width, rng, wobble=2.0)


def cloud_outline(x, y, width):
    """Points around a flat-bottomed cloud of four bumps; (x, y) is the middle of its base."""
    u = width / 10
    return np.concatenate(
        [
            arc(x - 3.4 * u, y - 1.2 * u, 1.6 * u, 1.3 * u, 90, 280),
            arc(x - 1.1 * u, y - 2.5 * u, 1.9 * u, 1.9 * u, 190, 310),
            arc(x + 1.6 * u, y - 2.2 * u, 1.6 * u, 1.5 * u, 220, 340),
            arc(x + 3.6 * u, y - 1.1 * u, 1.5 * u, 1.1 * u, 270, 450),
        ]
    )


def sky_with_clouds():
    """A blue sky, paler towards the horizon, with two soft clouds."""
    image, draw = new_canvas(WHITE)
    for y in range(SIZE):
        box(draw, 0, y, SIZE, y + 1, blend((58, 122, 204), (205, 229, 246), min(1, y / 190)))
    mask = Image.new("L", image.size, 0)
    for x, y, width in ((50, 84, 76), (212, 58, 84)):
        polygon(ImageDraw.Draw(mask), cloud_outline(x, y, width), 235)
    image.paste(WHITE, mask=mask.filter(ImageFilter.GaussianBlur(2.5 * SCALE)))
    return image, draw


def house(draw, x0, x1, eaves, ground):
    """A low building with a red hipped roof and a row of windows."""
    box(draw, x0, eaves, x1, ground, (236, 220, 190))
    polygon(draw, [(x0 - 4, eaves + 1), (x0 + 9, eaves - 15), (x1 - 9, eaves - 15), (x1 + 4, eaves + 1)], (192, 74, 50))
    polygon(draw, [(x1 - 20, eaves + 1), (x1 - 9, eaves - 15), (x1 + 4, eaves + 1)], (152, 52, 40))
    for x in np.arange(x0 + 5, x1 - 6, 11):
        box(draw, x, eaves + 7, x + 5, eaves + 16, (92, 96, 118))


def tree(draw, x, y, radius):
    """A round tree, lit from the left; (x, y) is the middle of its crown."""
    box(draw, x - 2, y, x + 2, y + radius + 8, (96, 68, 44))
    for dx, dy, r, fill in (
        (0.25, 0.2, 1.0, (30, 86, 48)),
        (-0.1, 0, 0.9, (50, 122, 58)),
        (-0.3, -0.3, 0.5, (104, 164, 74)),
    ):
        disc(draw, x + dx * radius, y + dy * radius, r * radius, fill)


def stone(draw, x0, y0, x1, y1, colour, rng):
    """A wall of stone blocks, each a little lighter or darker than the next."""
    for y in np.arange(y0, y1, 6):
        for x in np.arange(x0, x1, 9):
            box(draw, x, y, min(x + 9, x1), min(y + 6, y1), jitter(colour, rng, 4))


def arch(draw, x0, y0, x1, y1, fill):
    """An opening with a round top."""
    radius = (x1 - x0) / 2
    disc(draw, x0 + radius, y0 + radius, radius, fill)
    box(draw, x0, y0 + radius, x1, y1, fill)


def shaft(draw, left, edge, right, rng):
    """The tower's stone walls; the front face (left to edge) is lit, the side (edge to right) is in shade."""
    stone(draw, left, 74, edge, 236, STONE, rng)
    stone(draw, edge, 74, right, 236, SHADED_STONE, rng)
    for x in (left + 9, left + 19, left + 29):
        box(draw, x, 132, x + 6, 226, (218, 206, 188))
    for y in range(140, 220, 22):
        for x in (left + 10, left + 20, left + 30, edge + 7):
            box(draw, x, y, x + 4, y + 11, OPENING)
    for y0, y1, out in ((70, 75, 4), (101, 105, 3), (127, 130, 2)):
        box(draw, left - out, y0, edge, y1, (252, 247, 234))
        box(draw, edge, y0, right + out, y1, (160, 148, 144))
        box(draw, left, y1, right, y1 + 1.5, (132, 122, 120))


def belfry_and_roof(draw, left, edge, right):
    """The arches with the clock below them, and the pyramid roof that carries a small lantern."""
    for x in (left + 5, left + 18, left + 31, edge + 4):
        arch(draw, x, 78, x + 9, 100, OPENING)
    disc(draw, 120, 116, 9.5, OPENING)
    disc(draw, 120, 116, 7.5, WHITE)
    draw.line(scaled([(120, 110), (120, 116), (124, 118)]), OPENING, 2 * SCALE)
    polygon(draw, [(left - 2, 70), (edge, 70), (132, 28), (126, 28)], (196, 206, 204))
    polygon(draw, [(edge, 70), (right + 2, 70), (134, 28), (132, 28)], (122, 138, 148))
    for x, colour in ((left, STONE), (edge, STONE), (right, SHADED_STONE)):
        polygon(draw, [(x - 3, 71), (x - 2, 62), (x, 52), (x + 2, 62), (x + 3, 71)], colour)
    box(draw, 124, 18, 132, 30, STONE)
    box(draw, 132, 18, 136, 30, SHADED_STONE)
    arch(draw, 126, 20, 130, 28, OPENING)
    polygon(draw, [(122, 18), (138, 18), (130, 3)], (150, 120, 70))


def campanile():
    """A tall pale bell tower with a clock, red-roofed houses and trees at its foot, a blue sky."""
    rng = np.random.default_rng(1)
    image, draw = sky_with_clouds()
    polygon(draw, [(0, 200), *arc(60, 208, 90, 28, 180, 360), (256, 196), (256, 256), (0, 256)], (134, 166, 160))
    house(draw, 8, 84, 204, 240)
    house(draw, 176, 250, 208, 240)
    shaft(draw, 98, 142, 160, rng)
    belfry_and_roof(draw, 98, 142, 160)
    for x, y, radius in ((6, 216, 17), (84, 218, 17), (174, 214, 19), (246, 220, 18), (44, 228, 11)):
        tree(draw, x, y, radius)
    polygon(draw, [*arc(128, 238, 128, 6, 180, 360), (256, 256), (0, 256)], (112, 168, 76))
    polygon(draw, [(118, 233), (140, 233), (166, 256), (92, 256)], (224, 206, 170))
    return image


def moon():
    """A yellow waxing moon, lit on its right side, over clouds in a dark blue crayon sky with stars."""
    rng = np.random.default_rng(2)
    image, draw = new_canvas((20, 30, 84))
    crayon(draw, [(16, 24, 74), (28, 46, 116), (44, 70, 148)], rng)
    for x, y in ((36, 40), (78, 98), (226, 36), (26, 142), (228, 150), (66, 20)):
        stroke(draw, [(x - 5, y), (x + 5, y)], (255, 244, 190), 3.5, rng, wobble=0.5)
        stroke(draw, [(x, y - 5), (x, y + 5)], (255, 244, 190), 3.5, rng, wobble=0.5)
    crescent = np.concatenate([arc(98, 96, 86, 76, -90, 90), arc(98, 96, 38, 76, 90, -90)])
    shape(draw, crescent, (255, 216, 74), (236, 156, 36), 6, rng)
    shape(draw, cloud_outline(70, 208, 124), (226, 232, 244), INK, 5, rng)
    shape(draw, cloud_outline(196, 222, 104), (190, 202, 228), INK, 5, rng)
    return image


def palm(draw, foot, top, size, rng):
    """A palm tree: a bent trunk with rings, and a crown of hanging fronds."""
    (x0, y0), (x1, y1) = foot, top
    t = np.linspace(0, 1, 20)
    trunk = np.stack([x0 + (x1 - x0) * t**2, y0 + (y1 - y0) * t], axis=1)
    stroke(draw, trunk, INK, 19, rng, 0.6, end_width=12)
    stroke(draw, trunk, (150, 96, 56), 13, rng, 0.6, end_width=7)
    for x, y in trunk[2:-2:2]:
        stroke(draw, [(x - 5, y), (x + 4, y + 2)], (98, 60, 38), 2.5, rng, 0.5)
    for reach, rise, drop in (
        (-1.0, 0.30, 0.55),
        (1.0, 0.30, 0.55),
        (-0.95, 0.60, 0.0),
        (0.95, 0.60, 0.0),
        (-0.5, 0.75, -0.45),
        (0.5, 0.75, -0.45),
        (-0.6, 0.1, 0.85),
        (0.6, 0.1, 0.85),
    ):
        # A quadratic curve: it leaves the crown upwards and is pulled down at its tip.
        rib = np.stack([x1 + size * reach * t, y1 + size * (-2 * rise * t * (1 - t) + drop * t**2)], axis=1)
        stroke(draw, rib, (16, 70, 44), 13, rng, 0.8, end_width=4)
        stroke(draw, rib, (42, 138, 66), 7, rng, 0.5, end_width=2)
    for dx in (-5, 5):
        disc(draw, x1 + dx, y1 + 6, 5, (94, 54, 34))


def palms():
    """Two palm trees before a hill with nine white strokes for a sign, and a setting sun."""
    rng = np.random.default_rng(3)
    image, draw = new_canvas((255, 190, 110))
    crayon(draw, [(112, 84, 160), (236, 110, 120), (255, 170, 84), (255, 222, 130)], rng)
    shape(draw, arc(143, 92, 34, 34, 0, 360), (255, 240, 150), (250, 200, 70), 5, rng)
    hill = [(-12, 182), (40, 172), (84, 142), (130, 116), (180, 112), (226, 132), (268, 140), (268, 268), (-12, 268)]
    shape(draw, hill, (104, 116, 70), INK, 5, rng)
    for i in range(9):
        x, y = 98 + 12 * i, 152 - 6 * np.sin(np.pi * i / 8) + rng.normal(0, 1)
        stroke(draw, [(x, y), (x + rng.normal(0, 1), y + 18)], WHITE, 7, rng, 0.5)
    beach = [(-12, 222), (60, 212), (150, 224), (268, 212), (268, 268), (-12, 268)]
    shape(draw, beach, (232, 190, 112), INK, 5, rng)
    palm(draw, (52, 240), (78, 82), 62, rng)
    palm(draw, (216, 242), (206, 96), 50, rng)
    return image


def apple_sketch():
    """A five-second apple: a red disc with a green stalk on white."""
    rng = np.random.default_rng(4)
    image, draw = new_canvas(WHITE)
    polygon(draw, wobbly(arc(128, 150, 76, 74, 0, 360), rng, 2), (214, 32, 36))
    stroke(draw, [(128, 84), (131, 62), (143, 42)], (40, 140, 52), 13, rng, 1.5)
    return image


def house_sketch():
    """A five-second house: red roof, cream wall and brown door on a green hill under a light sky."""
    rng = np.random.default_rng(5)
    image, draw = new_canvas((190, 224, 248))
    polygon(
        draw, wobbly([(-10, 214), *arc(128, 270, 160, 84, 200, 340), (266, 270), (-10, 270)], rng, 2), (92, 172, 72)
    )
    polygon(draw, wobbly([(76, 116), (180, 118), (178, 204), (78, 206)], rng, 2), (252, 242, 214))
    polygon(draw, wobbly([(56, 122), (130, 46), (202, 120), (56, 122)], rng, 2), (206, 44, 40))
    polygon(draw, wobbly([(114, 152), (144, 152), (145, 206), (113, 206)], rng, 1.5), (126, 78, 44))
    return image


def finish(image, name):
    """Shrink the image, save it beside this file and say so."""
    image = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    path = OUT / name
    if path.suffix == ".png":
        image.quantize(256).save(path, optimize=True)
    else:
        image.save(path, quality=JPEG_QUALITY)
    print(f"{name:18s} {image.width}x{image.height}  {path.stat().st_size / 1000:5.1f} kB")


def main():
    """Make all the images."""
    for draw in (campanile, moon, palms, apple_sketch, house_sketch):
        finish(draw(), f"{draw.__name__}.png")
    for name, (load, square) in PHOTOGRAPHS.items():
        finish(Image.fromarray(load()).crop(square), name)


if __name__ == "__main__":
    main()
