"""Pictures from files: test images, photographs of one's own, masks."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .validate import check_integer

DATA = Path(__file__).resolve().parent.parent / "data"
MAX_PIXELS = 50_000_000  # a 50-megapixel photograph; a decompression bomb claims far more


class ImageError(ValueError):
    """A picture that cannot be read, and why not."""


def load_image(source: str | os.PathLike | bytes, size: int = 64) -> Tensor:
    """Read a picture from a file, or from its bytes (an upload), as (1, 3, size, size) in [-1, 1].

    The largest square in the middle is kept and resized. Turned upright by its EXIF tag; CMYK and 16-bit pictures are
    converted; what is transparent becomes white.

    Raises an ImageError for what is not a whole, still picture of a sensible size.
    """
    check_integer(size, "size", 1)
    upload = isinstance(source, (bytes, bytearray, memoryview))  # ipywidgets 7 hands over bytes, 8 a memoryview
    if not upload and not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source is a {type(source).__name__}; wanted a file's path, or its bytes.")
    name = "the upload" if upload else str(source)
    file = io.BytesIO(source) if upload else source
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is stricter
            with Image.open(file) as image:
                check_picture(image, name)
                image = ImageOps.exif_transpose(image)  # decodes it, so a truncated file fails here
    except FileNotFoundError:
        raise ImageError(f"there is no file {name}.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise ImageError(f"{name} cannot be opened: {error.strerror}.") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture that Pillow can read; wanted PNG, JPEG, WebP or the like.") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {error}") from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{name} is damaged or truncated: {error}.") from error
    square = ImageOps.fit(to_rgb(image), (size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 127.5 - 1  # (1, 3, size, size)


def check_picture(image: Image.Image, name: str) -> None:
    """What can be told before the pixels are decoded."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name} is {width}×{height} pixels; wanted at most {MAX_PIXELS // 1_000_000} million in all.")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a phone's JPEG with a depth or gain map behind it is one still picture
        raise ImageError(f"{name} is animated, with {frames} frames; wanted one still picture: save one frame of it.")


def to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB from whatever mode; transparency on white."""
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit grey (Pillow itself would clip it, not scale it)
        values = np.asarray(image, dtype=np.float64)
        top = 65535 if values.max() > 255 or image.mode.startswith("I;16") else 255
        image = Image.fromarray((values / top * 255).clip(0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def course_image(name: str, size: int = 64) -> Tensor:
    """One of the kit's own test images by name, as (1, 3, size, size) in [-1, 1]; data/images/ has the list."""
    found = {file.stem: file for file in sorted((DATA / "images").iterdir()) if file.suffix in (".png", ".jpg")}
    if name not in found:
        raise ImageError(f"there is no test image {name!r}; wanted one of {', '.join(found)}.")
    return load_image(found[name], size)


def rectangle_mask(top: int, left: int, bottom: int, right: int, size: int = 64) -> Tensor:
    """A mask (1, 1, size, size) that is 1, to be repainted, in rows top … bottom-1 and columns left … right-1."""
    check_integer(top, "top", 0, size - 1)
    check_integer(left, "left", 0, size - 1)
    check_integer(bottom, "bottom", top + 1, size)
    check_integer(right, "right", left + 1, size)
    mask = torch.zeros(1, 1, size, size)
    mask[..., top:bottom, left:right] = 1
    return mask
