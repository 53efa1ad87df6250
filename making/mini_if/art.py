"""Open icon art from npm: fetch its packages, and draw every concept at 256×256.

    python -m making.mini_if.art

leaves runs/art/<set>/<concept>.png, RGBA. It needs npm, unless the packages are there already, and resvg:
pip install -e ".[art]".
"""

import argparse
import functools
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from helpers.command import errors_end

from .concepts import CONCEPTS, ICONS, Concept
from .packages import (
    EMOJIONE,
    EMOJIONE_MONOTONE,
    FLUENT_3D,
    FLUENT_CONTRAST,
    FLUENT_FLAT,
    FLUENT_GRADIENT,
    FOLDER,
    FXEMOJI,
    NOTO,
    NOTO_FONT,
    NOTO_V1,
    STREAMLINE,
    TWEMOJI,
    PackageError,
    fetch,
    members,
)

ART = Path(__file__).resolve().parents[2] / "runs" / "art"
SIZE = 256  # of the images
MARGIN = 10  # pixels left free around the art


class ArtError(RuntimeError):
    """Art that cannot be fetched or drawn. The message says what to do."""


# the folder of each set's images -> its package
SETS = {
    "fluent-3d": FLUENT_3D,
    "fluent-flat": FLUENT_FLAT,
    "fluent-contrast": FLUENT_CONTRAST,
    "noto": NOTO,
    "twemoji": TWEMOJI,
    "emojione": EMOJIONE,
    "noto-v1": NOTO_V1,
    "fxemoji": FXEMOJI,
    "fluent-gradient": FLUENT_GRADIENT,
    "streamline-lines": STREAMLINE,
    "noto-font": NOTO_FONT,
    "emojione-mono": EMOJIONE_MONOTONE,
}
FONT = "package/files/noto-emoji-emoji-700-normal.woff"  # the bold one: thin lines fade at 64×64


# ---- drawing ------------------------------------------------------------------------------------------------------


def reader(icons: str, file: Path) -> Callable[[Concept], Image.Image]:
    """A function that draws a concept in an icon set, given the set's name and its package file."""
    files = dict(members(file))
    if FONT in files:
        font = ImageFont.truetype(io.BytesIO(files[FONT]), 2 * SIZE, layout_engine=ImageFont.Layout.BASIC)
        return functools.partial(draw_glyph, font)
    if "package/icons.json" in files:
        names, drawings = (json.loads(files[f"package/{name}.json"]) for name in ("chars", "icons"))
        if icons in ICONS:  # its chars.json is empty
            names = {CONCEPTS[concept].icon: name for concept, name in ICONS[icons].items()}
        return functools.partial(draw_lines if icons == "streamline-lines" else draw_svg, names, drawings)
    # fe0f only says "in colour, please", and is left out elsewhere
    images = {Path(name).stem.replace("-fe0f", ""): data for name, data in files.items() if name.endswith(".webp")}
    return functools.partial(draw_webp, images)


def draw_webp(images: dict[str, bytes], concept: Concept) -> Image.Image:
    """A concept's image from a package of images that are named by code points."""
    if concept.icon not in images:
        raise ArtError(f"the 3-D set has no image {concept.icon} for {concept.name!r}.")
    return Image.open(io.BytesIO(images[concept.icon])).convert("RGBA")


def draw_glyph(font: ImageFont.FreeTypeFont, concept: Concept) -> Image.Image:
    """A concept's glyph from a font, in black; of a composed one ("policeman": officer and man), the first part."""
    mask = Image.new("L", (4 * SIZE, 4 * SIZE))
    ImageDraw.Draw(mask).text((2 * SIZE, 2 * SIZE), chr(int(concept.icon.split("-")[0], 16)), 255, font, anchor="mm")
    return ink(ImageOps.invert(mask))


def draw_svg(names: dict[str, str], drawings: dict, concept: Concept) -> Image.Image:
    """A concept's drawing from a package of SVGs in Iconify's format: https://iconify.design/docs/types/iconify-json.html

    names: a concept's code point -> the drawing's name in the package.
    """
    return rendered(icon(names, drawings, concept), drawings)


def draw_lines(names: dict[str, str], drawings: dict, concept: Concept) -> Image.Image:
    """A coloured SVG drawing as a black line drawing: only the outlines, with white areas and no shadows."""
    about = icon(names, drawings, concept)
    body = re.sub(r'<[^>]*opacity="\.15"[^>]*/>', "", about["body"])
    body = re.sub(rf'fill="(?!none|{OUTLINE})[^"]*"', 'fill="#fff"', body).replace(OUTLINE, "#000")
    body = re.sub(r'stroke="(?!none)[^"]*"', 'stroke="#000"', body)
    image = rendered(about | {"body": f'<g stroke-width="1.5">{body}</g>'}, drawings)  # 1.5 of 48: 2 pixels of 64
    return ink(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L"))


OUTLINE = "#45413c"  # the colour of the outlines and eyes in the Streamline set


def icon(names: dict[str, str], drawings: dict, concept: Concept) -> dict:
    """A concept's entry in an Iconify package."""
    if concept.icon not in names:
        raise ArtError(f"the set {drawings['prefix']} has no icon {concept.icon} for {concept.name!r}.")
    name = names[concept.icon]
    name = drawings.get("aliases", {}).get(name, {}).get("parent", name)
    if name not in drawings["icons"]:
        raise ArtError(f"the set {drawings['prefix']} has no icon {name!r} for {concept.name!r}.")
    return drawings["icons"][name]


def rendered(icon: dict, drawings: dict) -> Image.Image:
    """An entry of an Iconify package as an RGBA image, oversized, for clean edges."""
    try:
        from resvg_py import svg_to_bytes  # imported here, because nothing else in the kit needs it
    except ImportError as error:
        raise ArtError('there is no resvg to draw SVG with: run pip install -e ".[art]".') from error
    box = [icon.get(key, drawings.get(key, 0)) for key in ("left", "top", "width", "height")]
    side = SIZE if "<filter" in icon["body"] else 2 * SIZE  # blurs are smooth anyway, and slow
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{" ".join(map(str, box))}" width="{side}" height="{side}">{icon["body"]}</svg>'
    )
    return Image.open(io.BytesIO(svg_to_bytes(svg_string=svg, skip_system_fonts=True))).convert("RGBA")


def ink(grey: Image.Image) -> Image.Image:
    """Black ink whose opacity is the darkness of a grey image ("L")."""
    image = Image.new("RGBA", grey.size, "black")
    image.putalpha(ImageOps.invert(grey))
    return image


def fitted(image: Image.Image) -> Image.Image:
    """The art, cropped, scaled to fill SIZE up to MARGIN, and centred, because every set has other margins."""
    opaque = image.getchannel("A").point(lambda alpha: 255 * (alpha > 16))
    if opaque.getbbox() is None:
        raise ArtError("an image is empty; wanted art in it.")
    image = image.crop(opaque.getbbox())
    scale = (SIZE - 2 * MARGIN) / max(image.size)
    size = [max(1, round(scale * side)) for side in image.size]
    # premultiplied ("RGBa"), or the colour of transparent pixels would bleed into the edge
    image = image.convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=3).convert("RGBA")
    canvas = Image.new("RGBA", (SIZE, SIZE))
    canvas.paste(image, ((SIZE - size[0]) // 2, (SIZE - size[1]) // 2))
    return canvas


def drawing(set_name: str, concept_name: str, folder: Path = ART) -> np.ndarray:
    """A drawn concept, (256, 256, 4) uint8."""
    file = folder / set_name / f"{concept_name}.png"
    if not file.is_file():
        raise ArtError(f"there is no {file}; make it with python -m making.mini_if.art.")
    return np.array(Image.open(file).convert("RGBA"))


# ---- oil ----------------------------------------------------------------------------------------------------------


def brush_strokes(
    image: np.ndarray, seed: int = 0, *, radius: int = 10, dab: int = 14, amount: float = 0.13
) -> np.ndarray:
    """An icon as an oil painting, (H, W, 4) uint8: random dabs of colour, smoothed into strokes along the edges.

    Args:
        seed: of the dabs.
        radius: of the Kuwahara filter's squares, in pixels.
        dab, amount: size of the dabs in pixels, and how much their colour varies.
    """
    x = premultiplied(image)  # (4, H, W)
    H, W = x.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    dabs = [torch.randn(1, channels, H // dab + 1, W // dab + 1, generator=generator) for channels in (1, 3)]
    dabs = F.interpolate(dabs[0] + 0.4 * dabs[1], scale_factor=dab, mode="bilinear")[0, :, :H, :W]  # (3, H, W)
    rgb = torch.minimum((x[:3] * (1 + amount * dabs)).clamp(min=0), x[3:])
    x = kuwahara(torch.cat([rgb, x[3:]]), radius)
    x[:3] /= x[3:].clamp(min=1e-4)
    return (255 * x.clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()


def kuwahara(x: Tensor, radius: int) -> Tensor:
    """Replace every pixel of x (C, H, W) by the mean of the least varying of the four squares around it.

    Source: Kuwahara et al. 1976, "Processing of RI-angiocardiographic images".
    """
    (C, H, W), r = x.shape, radius
    padded = F.pad(x[None], (r, r, r, r), mode="replicate")
    mean, mean_square = F.avg_pool2d(padded, r + 1, 1), F.avg_pool2d(padded**2, r + 1, 1)  # (1, C, H + r, W + r)
    variance = (mean_square - mean**2).sum(dim=1, keepdim=True)
    corners = [(slice(y, y + H), slice(x, x + W)) for y in (0, r) for x in (0, r)]
    means = torch.stack([mean[0, :, rows, columns] for rows, columns in corners])  # (4, C, H, W)
    variances = torch.stack([variance[0, :, rows, columns] for rows, columns in corners])  # (4, 1, H, W)
    least = variances.argmin(dim=0, keepdim=True).expand(1, C, H, W)
    return means.gather(0, least)[0]


def premultiplied(image: np.ndarray) -> Tensor:
    """(H, W, 4) uint8 -> (4, H, W) in [0, 1], colours times alpha, so that images can be averaged and resized."""
    x = torch.from_numpy(image).permute(2, 0, 1) / 255
    return torch.cat([x[:3] * x[3:], x[3:]])


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Fetch the icon art, check it, and draw every concept in every set."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.art", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=ART, help="folder for the images")
    parser.add_argument("--packages", type=Path, default=FOLDER, help="folder for the package files")
    args = parser.parse_args(arguments)
    with errors_end(parser, ArtError, PackageError):
        for name, package in SETS.items():
            draw = reader(name, fetch(package, args.packages))
            (args.out / name).mkdir(parents=True, exist_ok=True)
            shown = [concept for concept in CONCEPTS.values() if name not in concept.without]
            for concept in shown:
                fitted(draw(concept)).save(args.out / name / f"{concept.name}.png", compress_level=1)
            print(f"{len(shown)} images in {args.out / name}, from {package.name} {package.version}")


if __name__ == "__main__":
    main()
