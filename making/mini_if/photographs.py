"""The photographs and paintings that Mini-IF learns from, all in the public domain or CC0: see photographs.json.

    python -m making.mini_if.photographs

writes runs/art/photographs/<id>.png and contact sheets, from the Debian packages that packages.py fetches. A fifth of
the images is held out: never trained on, used to evaluate the model and as originals in the notebooks. With
--ship, the held-out images also go to data/photos/, with a README that names author, licence and source of each.
"""

import argparse
import hashlib
import io
import json
import random
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, UnidentifiedImageError

from helpers.command import errors_end

from .concepts import CONCEPTS, FOLDER
from .packages import ENDLESS_SKY, GCOMPRIS, PackageError, fetch, members
from .packages import FOLDER as PACKAGE_FILES

ART = Path(__file__).resolve().parents[2] / "runs" / "art"
SHIPPED = Path(__file__).resolve().parents[2] / "data" / "photos"
PACKAGES = {package.name: package for package in (ENDLESS_SKY, GCOMPRIS)}
SIZE = 256  # pixels of the shorter side
LONGEST = 2  # times SIZE; a longer side is cropped
STYLES = {"photo": "photo", "painting": "oil painting"}  # kind of image: its style in concepts.STYLES
LICENCES = ("public domain", "CC0-1.0")
SPLITS = ("train", "held out")
HELD_OUT_SHARE = 5  # one image in so many is held out
KEPT = (
    "dog",
    "pencil",
    "people",
    "rocket",
    "village",
    "waterfall",
)  # rare, and in the course's prompts: all trained on


class PhotographError(RuntimeError):
    """A photograph that cannot be read or used. The message says what to do."""


@dataclass(frozen=True)
class Photograph:
    """One image, and where it comes from.

    Args:
        id: its name here, and of its files.
        package: name of the Debian package.
        file: path inside the package.
        resource: path inside that file, where it is a Qt resource file (.rcc); empty elsewhere.
        sha256: of the image file, hexadecimal.
        licence: one of LICENCES.
        author, source: as the package states them.
        names: what captions call it, articles included. The first is the usual name.
        label: what it shows, coarsely.
        kind: "photo" or "painting".
        plain: whether it shows an object on a plain background that can be extended.
        split: "train" or "held out".
        original: whether it is a clear original for the notebooks; such images are held out.
    """

    id: str
    package: str
    file: str
    resource: str
    sha256: str
    licence: str
    author: str
    source: str
    names: tuple[str, ...]
    label: str
    kind: str
    plain: bool
    split: str
    original: bool

    def __post_init__(self):
        allowed = {"package": tuple(PACKAGES), "licence": LICENCES, "kind": tuple(STYLES), "split": SPLITS}
        for field, values in allowed.items():
            if getattr(self, field) not in values:
                raise PhotographError(f"{self.id}: {field} is {getattr(self, field)!r}; wanted one of {values}.")


def read_photographs(file: Path = FOLDER / "photographs.json") -> list[Photograph]:
    """The images in use. The file's other part, "left out", gives the reasons against other images of the packages."""
    entries = json.loads(file.read_text(encoding="utf-8"))["used"]
    return [Photograph(**{**entry, "names": tuple(entry["names"])}) for entry in entries]


# ---- what may be trained on ---------------------------------------------------------------------------------------


def pairs(names: Collection[str], kind: str) -> set[tuple[str, str]]:
    """The (concept, style) pairs that an image shows by its names.

    >>> pairs(["a castle", "a building with towers"], "photo") == {("castle", "photo"), ("tower", "photo")}
    True
    """
    text = "\n".join(names).lower()
    return {(concept.name, STYLES[kind]) for concept in CONCEPTS.values() if any(says(text, c) for c in concept.called)}


def says(text: str, called: str) -> bool:
    """Whether a text contains a concept's name, in singular or plural, with any article."""
    noun = re.sub(r"^(an?|the) ", "", called)
    return re.search(rf"\b{re.escape(noun)}(e?s)?\b", text) is not None


def choose_held_out(labels: dict[str, str], always: Collection[str], seed: int = 0) -> set[str]:
    """Choose a fifth of the images, spread over the labels. This made the splits in photographs.json.

    Args:
        labels: label by id, of the images that may be trained on.
        always: ids that are held out in any case; they count towards their label's share.
    """
    groups = defaultdict(list)
    for id in sorted(labels):
        if labels[id] not in KEPT:
            groups[labels[id]].append(id)
    draw, chosen, seen = random.Random(seed), set(), 0
    for label in sorted(groups):
        group = groups[label]
        draw.shuffle(group)
        group.sort(key=lambda id: id not in always)
        # a label of three images has no share of its own, but three such labels hold one or two images out
        share = (seen + len(group)) // HELD_OUT_SHARE - seen // HELD_OUT_SHARE
        chosen.update(group[: max(share, sum(id in always for id in group))])
        seen += len(group)
    return chosen


# ---- reading ------------------------------------------------------------------------------------------------------


def resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file in a Qt resource file (.rcc); those compressed with zstd are skipped.

    Source: Qt's qresource.cpp. After the magic come the version and the offsets of tree, data and names, all as
    big-endian integers of 32 bits. An entry of the tree holds the offset of its name, flags (1: zlib, 2: folder,
    4: zstd), and either number and index of its children, or language and offset of its data.
    """
    if data[:4] != b"qres":
        raise PhotographError(f"a Qt resource file begins with {data[:4]!r}; wanted b'qres'.")

    def walk(index: int, folder: str) -> Iterator[tuple[str, bytes]]:
        entry = tree + index * entry_size
        name_at, flags = struct.unpack_from(">IH", data, entry)
        length = struct.unpack_from(">H", data, names + name_at)[0] if index else 0  # the root has no name
        name = data[names + name_at + 6 :][: 2 * length].decode("utf-16-be") if index else ""
        path = f"{folder}/{name}".lstrip("/")
        if flags & 2:
            children, first = struct.unpack_from(">2I", data, entry + 6)
            for child in range(first, first + children):
                yield from walk(child, path)
        elif not flags & 4:
            start = contents + struct.unpack_from(">I", data, entry + 10)[0]
            content = data[start + 4 :][: struct.unpack_from(">I", data, start)[0]]
            yield path, zlib.decompress(content[4:]) if flags & 1 else content

    try:
        version, tree, contents, names = struct.unpack_from(">4I", data, 4)
        entry_size = 22 if version >= 2 else 14
        yield from walk(0, "")
    except (struct.error, UnicodeDecodeError, zlib.error, RecursionError) as error:
        raise PhotographError(f"a Qt resource file is damaged ({error}).") from error


def load(photographs: list[Photograph], folder: Path = PACKAGE_FILES) -> dict[str, Image.Image]:
    """The images by id (RGB, SIZE pixels high or wide; see `fitted`), from the packages in a folder."""
    wanted = {(photo.package, photo.file, photo.resource): photo for photo in photographs}
    files = {(photo.package, photo.file) for photo in photographs}
    images = {}
    for name in sorted({photo.package for photo in photographs}):
        for file, data in members(fetch(PACKAGES[name], folder)):
            if (name, file) in files:
                for resource, content in resources(data) if file.endswith(".rcc") else [("", data)]:
                    if photo := wanted.get((name, file, resource)):
                        images[photo.id] = decode(photo, content)
    if missing := [photo for photo in photographs if photo.id not in images]:
        photo = missing[0]
        raise PhotographError(
            f"{PACKAGES[photo.package].file} has no {photo.file} {photo.resource}; {len(missing)} images are missing."
        )
    return {photo.id: images[photo.id] for photo in photographs}


def decode(photo: Photograph, content: bytes) -> Image.Image:
    """One image from the content of its file, which must have the listed checksum."""
    given = hashlib.sha256(content).hexdigest()
    if given != photo.sha256:
        raise PhotographError(f"{photo.id} has the SHA-256 {given}; wanted {photo.sha256}.")
    try:
        image = Image.open(io.BytesIO(content)).convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise PhotographError(f"{photo.id} is no readable image ({error}).") from error
    white = Image.new("RGBA", image.size, "white")
    return fitted(Image.alpha_composite(white, image).convert("RGB"), photo.plain)


# ---- shapes -------------------------------------------------------------------------------------------------------


def fitted(image: Image.Image, plain: bool = False) -> Image.Image:
    """An image whose shorter side has SIZE pixels, and whose longer side at most twice as many (cropped evenly).

    A plain one becomes a square instead: the whole object, on its background's colour.
    """
    if plain:
        return squared(image)
    scale = SIZE / min(image.size)
    width, height = (round(side * scale) for side in image.size)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    longest = LONGEST * SIZE
    left, top = (max(0, side - longest) // 2 for side in (width, height))
    return image.crop((left, top, min(width, left + longest), min(height, top + longest)))


def squared(image: Image.Image) -> Image.Image:
    """A square of SIZE pixels with the whole image in the middle; its outermost rows or columns are repeated."""
    scale = SIZE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
    before = [(SIZE - side) // 2 for side in (height, width)]
    after = [SIZE - side - first for side, first in zip((height, width), before)]
    padded = np.pad(pixels, ((before[0], after[0]), (before[1], after[1]), (0, 0)), mode="edge")
    return Image.fromarray(padded)


def squares(image: Image.Image) -> list[Image.Image]:
    """Overlapping squares that cover an image along its longer side: three for an image twice as wide as high."""
    side, longer = sorted(image.size)
    count = 1 + -(-2 * (longer - side) // side)  # neighbours overlap by half a square or more
    starts = [round(i * (longer - side) / max(1, count - 1)) for i in range(count)]
    wide = image.width >= image.height
    return [image.crop((s, 0, s + side, side) if wide else (0, s, side, s + side)) for s in starts]


# ---- the command --------------------------------------------------------------------------------------------------


def contact_sheets(photographs: list[Photograph], images: dict[str, Image.Image]) -> list[Image.Image]:
    """Pages of small images with their ids and names; held-out ones on red, originals among them on blue."""
    cell, columns, per_page, pages = 128, 8, 48, []
    for first in range(0, len(photographs), per_page):
        page = Image.new("RGB", (columns * (cell + 4), -(-per_page // columns) * (cell // 2 + 30)), "white")
        draw = ImageDraw.Draw(page)
        for i, photo in enumerate(photographs[first : first + per_page]):
            x, y = i % columns * (cell + 4), i // columns * (cell // 2 + 30)
            colour = "#bcd7ff" if photo.original else "#ffd6d6" if photo.split == "held out" else "white"
            draw.rectangle((x, y, x + cell, y + cell // 2 + 28), fill=colour)
            small = images[photo.id].copy()
            small.thumbnail((cell, cell // 2))
            page.paste(small, (x, y + 26))
            draw.text((x + 2, y), photo.id[:22], fill="black")
            draw.text((x + 2, y + 12), photo.names[0][:22], fill="black")
        pages.append(page)
    return pages


def readme(photographs: list[Photograph]) -> str:
    """The README of data/photos/: a table with what each image shows, its author, licence and source."""
    lines = [
        "# Photographs that Mini-IF has never seen",
        "",
        "These images were held out of the training of the bundled model. The shorter side of each has 256 pixels.",
        "The notebooks take their originals from those in bold.",
        "`python -m making.mini_if.photographs --ship` makes the folder and this file anew.",
        "",
        "| file | what it shows | author | licence | source |",
        "|---|---|---|---|---|",
    ]
    for photo in photographs:
        name = f"`{photo.id}.webp`"
        name = f"**{name}**" if photo.original else name
        source = f"{photo.source}, in Debian's `{photo.package}`" if photo.source else f"Debian's `{photo.package}`"
        kind = " (painting)" if photo.kind == "painting" else ""
        lines.append(f"| {name} | {photo.names[0]}{kind} | {photo.author} | {photo.licence} | {source} |")
    return "\n".join(lines) + "\n"


def ship(photographs: list[Photograph], images: dict[str, Image.Image], folder: Path = SHIPPED) -> None:
    """Write the held-out images as WebP files, with their README."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.webp"):
        old.unlink()
    held_out = [photo for photo in photographs if photo.split == "held out"]
    for photo in held_out:
        images[photo.id].save(folder / f"{photo.id}.webp", quality=90 if photo.original else 82, method=6)
    (folder / "README.md").write_text(readme(held_out), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Write the photographs and paintings that Mini-IF learns from, and contact sheets of them."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.photographs", description=main.__doc__)
    parser.add_argument("--packages", type=Path, default=PACKAGE_FILES, help="folder of the package files")
    parser.add_argument("--out", type=Path, default=ART, help="folder for photographs/ and the contact sheets")
    parser.add_argument("--ship", action="store_true", help="write data/photos/ too")
    args = parser.parse_args(arguments)
    photographs = read_photographs()
    with errors_end(parser, PhotographError, PackageError, OSError):
        images = load(photographs, args.packages)
        (args.out / "photographs").mkdir(parents=True, exist_ok=True)
        for id, image in images.items():
            image.save(args.out / "photographs" / f"{id}.png")
        for i, page in enumerate(contact_sheets(photographs, images), 1):
            page.save(args.out / f"photographs-{i}.png")
        if args.ship:
            ship(photographs, images)
    trained = sum(photo.split == "train" for photo in photographs)
    print(f"{len(images)} images in {args.out / 'photographs'}, {trained} of them for training")


if __name__ == "__main__":
    main()
