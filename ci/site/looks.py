"""Images that turn, shrink, dissolve or follow a slider, on a page without a kernel.

Their HTML is here, docs/site/static/exhibits.css draws their states, and exhibits.js beside it moves them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageSequence

from ci.site.pages import render

PHONE, DESKTOP, LARGEST = 330, 560, 4  # largest width of a strip in pixels, on two screens; its largest enlargement


class Strip(NamedTuple):
    """Frames, one of which is shown, and a slider that selects it."""

    frames: Sequence[Image.Image]
    labels: Sequence[str]  # the slider's label for each of them
    start: int  # the first frame shown
    alt: str
    caption: str


class Look(NamedTuple):
    """An image that changes when you point at it, focus it or tap it."""

    kind: str  # "turn", "shrink", or "dissolve", which steps through all its images
    images: Sequence[Image.Image]
    states: Sequence[str]  # descriptions, before and after


Exhibit = Strip | Look


def stacked(images: Sequence[Image.Image]) -> Image.Image:
    """Images of one size, one below the other."""
    width, height = images[0].size
    whole = Image.new("RGBA", (width, height * len(images)))
    for i, image in enumerate(images):
        whole.paste(image, (0, i * height))
    return whole


def side_by_side(images: Sequence[Image.Image], gap: int = 4) -> Image.Image:
    """Images of one size in a row, with so many transparent pixels between them."""
    width, height = images[0].size
    whole = Image.new("RGBA", (len(images) * (width + gap) - gap, height))
    for i, image in enumerate(images):
        whole.paste(image, (i * (width + gap), 0))
    return whole


def frames_of(gif: Image.Image) -> list[Image.Image]:
    """An animation's frames."""
    return [frame.convert("RGB") for frame in ImageSequence.Iterator(gif)]


def markup(exhibit: Exhibit, name: str, folder: Path, address: str) -> str:
    """An exhibit as HTML. Writes its images to the folder, in files that begin with the name; address is their URL."""
    folder.mkdir(parents=True, exist_ok=True)

    def keep(image: Image.Image, file: str) -> str:
        image.save(folder / file, lossless=True)
        return f"{address}/{file}"

    if isinstance(exhibit, Strip):
        source = keep(stacked(exhibit.frames), f"{name}.webp")
        labels = json.dumps(list(exhibit.labels), ensure_ascii=False)
        return render("strip.html", strip=exhibit, source=source, labels=labels, **sizes(exhibit))
    alts = exhibit.states if len(exhibit.images) > 1 else ["; ".join(exhibit.states)]
    sources = [keep(image, f"{name}-{i}.webp") for i, image in enumerate(exhibit.images)]
    return render("look.html", look=exhibit, images=list(zip(exhibit.images, alts, sources)))


def sizes(strip: Strip) -> dict[str, int]:
    """The strip's size and its enlargements, whole numbers, which keep frames aligned with screen pixels."""
    width, height = strip.frames[0].size
    phone, desktop = (max(1, min(LARGEST, screen // width)) for screen in (PHONE, DESKTOP))
    return {"width": width, "height": height, "phone": phone, "desktop": desktop}
