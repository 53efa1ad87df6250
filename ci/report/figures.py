"""The images in a notebook's outputs, as files; and the single images that a grid of them consists of.

Only images are taken from an output, decoded and checked. HTML and scripts in it are left behind.
"""

import base64
import binascii
import io
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ci.site.gallery import alt_text
from ci.site.looks import Look, Strip, frames_of, side_by_side

MOST_PIXELS = 40_000_000  # of an image, or of an animation's frames together
SMALLEST = 20  # pixels: a smaller rectangle in a grid is no image
SIDES = (28, 32, 64, 128)  # of images that a grid may show enlarged
GIF = re.compile(r'^\s*<img\b[^>]*\bsrc="data:image/gif;base64,([^"]*)"')


class Shown(NamedTuple):
    """An image of a notebook; of an animation, its frames."""

    image: Image.Image
    alt: str
    png: bytes | None = None  # as it was stored
    frames: tuple[Image.Image, ...] = ()


def images_in(outputs: list, missing: Callable[[str], None]) -> Iterator[Shown]:
    """The images and animations in a cell's outputs. What cannot be shown is told to `missing`."""
    for output in outputs:
        data = {kind: text_of(value) for kind, value in output.get("data", {}).items()}
        gif = GIF.match(data.get("text/html", ""))
        stored = data.get("image/png") or data.get("image/jpeg") or (gif[1] if gif else None)
        if stored is None:
            if "image/svg+xml" in data:
                missing("An SVG image is left out; wanted PNG or JPEG.")
            continue
        try:
            content = base64.b64decode("".join(stored.split()), validate=True)
            image = opened(content)
        except binascii.Error:
            missing("An image cannot be shown: it is not valid base64.")
            continue
        except ValueError as error:
            missing(f"An image cannot be shown: {error}.")
            continue
        frames = tuple(frames_of(image)) if getattr(image, "n_frames", 1) > 1 else ()
        yield Shown(image, alt_text(data) or "an image", content if image.format == "PNG" else None, frames)


def text_of(value) -> str:
    """A text of a notebook, which may be stored as a list of lines."""
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


def opened(content: bytes) -> Image.Image:
    """The image of a file's content, decoded. Raises a ValueError for none, or one that is too large."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is judged below
        try:
            image = Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "GIF", "WEBP"])
            pixels = image.width * image.height * getattr(image, "n_frames", 1)
            if pixels > MOST_PIXELS:
                raise ValueError(f"it has {pixels:,} pixels; wanted at most {MOST_PIXELS:,}")
            image.load()
        except Image.DecompressionBombError:
            raise ValueError(f"it is far too large; wanted at most {MOST_PIXELS:,} pixels") from None
        except (OSError, SyntaxError) as error:  # Pillow raises both for damaged files
            raise ValueError("it is damaged, or no PNG, JPEG, GIF or WebP") from error
    return image


def keep(shown: Shown, file: Path) -> str:
    """Write an image beside the page. Returns the file's name."""
    if shown.png is not None:
        file.with_suffix(".png").write_bytes(shown.png)
        return file.with_suffix(".png").name
    image = shown.image if shown.image.mode in ("RGB", "RGBA") else shown.image.convert("RGBA")
    image.save(file.with_suffix(".webp"), quality=92)
    return file.with_suffix(".webp").name


# ---- the images of a grid --------------------------------------------------------------------------------------------


def cut(image: Image.Image) -> list[list[Image.Image]]:
    """The images of a grid that `show.grid` drew, row by row. They are its opaque rectangles: around them are
    transparent background and text.
    """
    if "A" not in image.getbands():
        return []
    opaque = np.asarray(image.getchannel("A")) == 255  # (H, W)
    rows = []
    for top, bottom in runs(has_run(opaque)):
        places = [(left, right) for left, right in runs(opaque[top:bottom].all(axis=0)) if right - left >= SMALLEST]
        if bottom - top >= SMALLEST and places:
            rows.append([unenlarged(image.crop((left, top, right, bottom)).convert("RGB")) for left, right in places])
    return rows


def has_run(opaque: np.ndarray) -> np.ndarray:
    """Whether each row of a mask (H, W) is opaque in SMALLEST neighbouring pixels: (H,)."""
    if opaque.shape[1] < SMALLEST:
        return np.zeros(len(opaque), dtype=bool)
    sums = np.cumsum(np.pad(opaque, ((0, 0), (1, 0))), axis=1)
    return (sums[:, SMALLEST:] - sums[:, :-SMALLEST] == SMALLEST).any(axis=1)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """The beginnings and ends of neighbouring True values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2])]


def unenlarged(image: Image.Image) -> Image.Image:
    """An image at its own size, if it was enlarged by repeating pixels."""
    nearest = Image.Resampling.NEAREST
    for side in SIDES:
        if image.width == image.height > side:
            small = image.resize((side, side), nearest)
            if np.array_equal(np.asarray(small.resize(image.size, nearest)), np.asarray(image)):
                return small
    return image


def words_of(alt: str, rows: int, columns: int) -> tuple[list[str], list[str]] | None:
    """A grid's titles, of its rows and its columns, from its alt text "6 images: first, second …".

    None if that is ambiguous: a title may have commas of its own.
    """
    words = re.sub(r"^\d+ images?: ", "", alt).split(", ")
    if len(words) == rows + columns:
        return words[:rows], words[rows:]
    return ([], words) if len(words) == columns else None


# ---- exhibits --------------------------------------------------------------------------------------------------------


def turning(shown: Shown) -> list[Look]:
    """Anagrams: a row of images, each followed by its flipped copy."""
    upright = [image for row in cut(shown.image) for image in row][::2]
    return [
        Look("turn", [image], [first, f"upside down: {second}"])
        for image, (first, second) in zip(upright, pairs(shown.alt, ", flipped: "))
    ]


def pairs(alt: str, between: str) -> list[tuple[str, str]]:
    """The titles of a row of pairs, from "6 images: one, flipped: other, one, flipped: other …"."""
    first, *pieces = re.sub(r"^\d+ images?: ", "", alt).split(between)
    firsts, seconds = [first], []
    for piece in pieces[:-1]:  # the end of a pair and the beginning of the next
        second, _, first = piece.rpartition(", ")
        seconds.append(second)
        firsts.append(first)
    return list(zip(firsts, [*seconds, *pieces[-1:]]))


def shrinking(shown: Shown) -> list[Look]:
    """Hybrids: the first row of a grid shows each close up. Its titles say what is seen from afar and near."""
    rows = cut(shown.image)
    seen = re.findall(r"far: (.+?) near: (.+?)(?=, far: |$)", shown.alt)
    if rows and len(seen) == len(rows[0]):
        return [
            Look("shrink", [image], [f"close up: {near}", f"from afar: {far}"])
            for image, (far, near) in zip(rows[0], seen)
        ]
    return [Look("shrink", [rows[0][0]], ["close up", "from afar"])] if rows and not seen else []


def dissolving(shown: Shown) -> list[Look]:
    """Inpainting: in each row the original, the mask, what is kept, and two repainted images."""
    looks = []
    for row in cut(shown.image):
        if len(row) == 5:
            states = ["the original", "the kept part; the grey hole is the mask", "repainted"]
            looks.append(Look("dissolve", [row[0], row[2], row[4]], states))
    return looks


def sliding(shown: Shown) -> list[Strip]:
    """A grid whose columns are stages: each becomes a frame, with the images of its rows side by side.

    The last stage may be the original, so the slider begins before it.
    """
    rows = cut(shown.image)
    if not rows or len({len(row) for row in rows}) > 1 or len({image.size for row in rows for image in row}) > 1:
        return []
    columns = [side_by_side(list(column)) for column in zip(*rows)]
    words = words_of(shown.alt, len(rows), len(columns))
    labels = words[1] if words else [f"{i + 1} of {len(columns)}" for i in range(len(columns))]
    return [Strip(columns, labels, max(len(columns) - 2, 0), shown.alt, shown.alt)]


def film(shown: Shown) -> Strip:
    """An animation, to be stepped through."""
    labels = [f"{i + 1} of {len(shown.frames)}" for i in range(len(shown.frames))]
    return Strip(shown.frames, labels, len(shown.frames) - 1, shown.alt, shown.alt)


# the cells whose images become exhibits, by their ids
MAKERS: dict[str, Callable[[Shown], list]] = {
    "a1-1-6": sliding,
    "a1-6-9": sliding,
    "a1-7-6": sliding,
    "a1-7-1-6": sliding,
    "a1-7-1-8": sliding,
    "a1-7-2-5": dissolving,
    "a1-7-3-5": sliding,
    "a1-7-3-7": sliding,
    "a1-8-7": turning,
    "a1-8-9": turning,
    "a1-8-turn-3": turning,
    "a1-9-6": shrinking,
    "a1-9-8": shrinking,
    "a1-9-turn-3": shrinking,
}
