"""Images of many formats, damaged at random: cut off, bits turned, stretches blank, missing or doubled.

`make test` tries a few hundred, `make fuzz` more than twenty thousand. To see what becomes of them, format by format:

    python tests/damaged_images.py 5000
"""

import io
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

from helpers.data import ImageError, load_image

# those that load_image accepts, with the ways in which they are written; then those that it does not
ACCEPTED = {
    "PNG": [{}, {"mode": "P"}, {"mode": "I;16"}, {"mode": "RGBA"}, {"optimize": True}],
    "JPEG": [{}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}],
    "MPO": [{}],
    "WEBP": [{}, {"lossless": True}],
    "AVIF": [{}],
    "GIF": [{"mode": "P"}],
    "BMP": [{}, {"mode": "P"}, {"mode": "1"}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "tiff_adobe_deflate"}],
}
OTHERS = [
    "EPS",
    "DDS",
    "BLP",
    "PPM",
    "TGA",
    "ICO",
    "PCX",
    "JPEG2000",
    "ICNS",
    "SGI",
    "IM",
    "SPIDER",
    "PDF",
    "XBM",
    "MSP",
]
MODES = {"BLP": "P", "XBM": "1", "MSP": "1", "SPIDER": "F"}


def written(format: str, mode: str = "RGB", **options) -> bytes:
    """A small image of a format."""
    smooth = np.linspace(0, 255, 40 * 40 * 3).reshape(40, 40, 3)
    noise = np.random.default_rng(0).integers(0, 60, smooth.shape)
    image = Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8))
    grey = np.asarray(image.convert("L"))
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    if format == "JPEG" and mode == "RGB":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def whole_images() -> dict[str, list[bytes]]:
    """By format, as far as this version of Pillow writes it."""
    Image.init()
    images = {}
    for format, ways in [*ACCEPTED.items(), *((f, [{"mode": MODES.get(f, "RGB")}]) for f in OTHERS)]:
        if format in Image.SAVE:
            images[format] = [written(format, **way) for way in ways]
    return images


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One or two kinds of damage; half of the time near the beginning, where the headers are."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 2))):
        end = max(len(data) if chance.random() < 0.5 else min(len(data), 200), 1)
        at, length = chance.randrange(end), chance.choice((1, 4, 20))
        kind = chance.choice(("cut", "bits", "bits", "bytes", "blank", "missing", "doubled"))
        if kind == "cut":
            del data[at:]
        elif kind == "bits":
            for _ in range(chance.choice((1, 3, 10))):
                if data:
                    data[chance.randrange(min(end, len(data)))] ^= 1 << chance.randrange(8)
        elif kind == "bytes":
            data[at : at + length] = chance.randbytes(length)
        elif kind == "blank":
            data[at : at + length] = bytes([chance.choice((0, 255))]) * length
        elif kind == "missing":
            del data[at : at + length]
        else:
            data[at:at] = data[at : at + length]
    return bytes(data)


def damaged_images(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """So many, of each format equally many."""
    chance, images = random.Random(seed), whole_images()
    for i in range(count):
        format = list(images)[i % len(images)]
        yield format, damaged(chance.choice(images[format]), chance)


def outcome(data: bytes) -> tuple[str, str]:
    """ "image", "sentence" (an ImageError) or "raw", and the error's words."""
    try:
        image = load_image(data, 16)
    except ImageError as error:
        return "sentence", str(error)
    except Exception as error:
        return "raw", f"{type(error).__name__}: {error}"
    assert image.shape == (1, 3, 16, 16) and image.dtype == torch.float32 and image.abs().max() <= 1
    return "image", ""


def main() -> None:
    counts, slowest = Counter(), 0.0
    for format, data in damaged_images(int(sys.argv[1])):
        began = time.process_time()
        what, words = outcome(data)
        slowest = max(slowest, time.process_time() - began)
        counts[what] += 1
        if what == "raw":
            counts[f"raw from {format}: {words[:60]}"] += 1
    for what, count in counts.most_common():
        print(count, what)
    print(f"the slowest took {slowest:.2f} s")


if __name__ == "__main__":
    main()
