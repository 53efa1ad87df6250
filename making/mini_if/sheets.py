"""Contact sheets of the training set, to find images that show the wrong thing.

    python -m making.mini_if.sheets

writes build/mini-if/: concepts-1.png and so on, every concept and scene in every set, and examples.png, 64 training
examples with their captions.
"""

import argparse
import textwrap
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from helpers.command import errors_end

from .concepts import CONCEPTS
from .dataset import CACHE, Dataset, DatasetError

OUT = Path(__file__).resolve().parents[2] / "build" / "mini-if"
ROWS, COLUMNS = 20, 2  # of concepts on a page
HELD_OUT = "#ffd6d6"  # the background of what is never trained


def concept_sheets(dataset: Dataset, cell: int = 64) -> list[Image.Image]:
    """Pages with a row of images for every concept and scene; a scene shows its first two variants."""
    by_label: dict[str, list[int]] = {}
    seen = set()
    for i, entry in enumerate(dataset.entries):
        if entry.kind != "drawing":
            continue
        variant = 0
        while (entry.label, entry.source, variant) in seen:
            variant += 1
        seen.add((entry.label, entry.source, variant))
        if variant < 2:
            by_label.setdefault(entry.label, []).append(i)
    concepts = [label for label in by_label if label in CONCEPTS]
    scenes = [label for label in by_label if label not in CONCEPTS]
    pages = []
    for labels, columns in ((concepts, COLUMNS), (scenes, 1)):
        per_label = max(len(by_label[label]) for label in labels)
        width, height = per_label * cell + 12, cell + 14
        for first in range(0, len(labels), ROWS * columns):
            page = Image.new("RGB", (columns * width, ROWS * height), "white")
            draw = ImageDraw.Draw(page)
            for k, label in enumerate(labels[first : first + ROWS * columns]):
                x, y = k % columns * width, k // columns * height
                draw.text((x + 2, y), label, fill="black")
                for j, number in enumerate(by_label[label]):
                    ground = "#e8eef4" if dataset.entries[number].split == "train" else HELD_OUT
                    page.paste(on_colour(dataset.images[number], cell, ground), (x + j * cell, y + 12))
            pages.append(page)
    return pages


def on_colour(image: torch.Tensor, size: int, colour: str) -> Image.Image:
    """A premultiplied image (4, H, H) uint8 on a colour."""
    rgba = Image.frombytes("RGBa", image.shape[1:], image.permute(1, 2, 0).contiguous().numpy().tobytes())
    small = rgba.resize((size, size), Image.Resampling.BOX).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", (size, size), colour), small).convert("RGB")


def example_sheet(dataset: Dataset, n: int = 64, seed: int = 0, cell: int = 128) -> Image.Image:
    """n training examples, each with its caption."""
    examples = dataset.examples(n, torch.Generator().manual_seed(seed))
    sheet = Image.new("RGB", (8 * (cell + 4), -(-n // 8) * (cell + 28)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for i, (image, caption) in enumerate(zip(examples.images, examples.captions)):
        x, y = i % 8 * (cell + 4), i // 8 * (cell + 28)
        pixels = ((image + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        sheet.paste(Image.fromarray(pixels).resize((cell, cell), Image.Resampling.NEAREST), (x, y))
        draw.text((x, y + cell), textwrap.fill(dataset.texts[caption] or "(empty)", 25), fill="black", font=font)
    return sheet


def main(arguments: list[str] | None = None) -> None:
    """Write contact sheets of the training set."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.sheets", description=main.__doc__)
    parser.add_argument("--data", type=Path, default=CACHE, help="the training set's folder")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(arguments)
    with errors_end(parser, DatasetError):
        dataset = Dataset(args.data)
    args.out.mkdir(parents=True, exist_ok=True)
    for i, page in enumerate(concept_sheets(dataset), 1):
        page.save(args.out / f"concepts-{i}.png")
    example_sheet(dataset).save(args.out / "examples.png")
    print(f"The sheets are in {args.out}.")


if __name__ == "__main__":
    main()
