"""Images from files: test images, your own photographs, masks, and the digits of MNIST."""

import gzip
import hashlib
import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import TensorDataset

from .validate import check_integer, check_path, in_words, kind

__all__ = [
    "DATA",
    "FORMATS",
    "MAX_SIZE",
    "DataError",
    "ImageError",
    "course_image",
    "from_pixels",
    "load_image",
    "mnist",
    "open_image",
    "rectangle_mask",
]

DATA = Path(__file__).resolve().parent.parent / "data"
MAX_PIXELS = 50_000_000  # a 50-megapixel photograph; a decompression bomb claims far more
MAX_SIZE = 2048  # side of a loaded image, in pixels
# by Pillow's names; MPO is a phone's JPEG with more than one image inside
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
MAX_IDX = 47_040_016  # bytes of MNIST's largest file; a gzip bomb unpacks to far more

# MD5 of the raw files (not gzipped). They identify the data set in a folder, and show that it is intact.
DIGIT_FILES = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "Fashion-MNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}
# where the files are: directly in a folder (Debian's dataset-fashion-mnist, data/mnist), or as torchvision stores them
DIGIT_FOLDERS = (".", "MNIST/raw", "FashionMNIST/raw", "raw")


class ImageError(ValueError):
    """An image that cannot be read. The message gives the reason."""


class DataError(ValueError):
    """A data set that cannot be read. The message gives the reason."""


def load_image(source: str | os.PathLike | bytes, size: int = 64) -> Tensor:
    """Read an image from a file, or from its bytes (an upload), as (1, 3, size, size) in [-1, 1].

    The largest central square is cropped and resized. The EXIF orientation is applied, CMYK and 16-bit images are
    converted, and transparent pixels become white. FORMATS lists the formats.

    Raises an ImageError unless it is a complete still image of a reasonable size in one of these formats.
    """
    check_integer(size, "size", 1, MAX_SIZE)
    image = open_image(source, check_header, FORMATS)
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    return from_pixels(torch.from_numpy(np.array(square)))


def open_image(
    source: str | os.PathLike | bytes,
    check: Callable[[Image.Image, str], None],
    formats: Sequence[str],
    convert: Callable[[Image.Image], Image.Image] | None = None,
) -> Image.Image:
    """An image from a file, or from its bytes, if `check` accepts its header; upright and in RGB.

    Args:
        formats: Pillow's names of the allowed formats. (For others, such as EPS, Pillow would start programs.)
        convert: replaces the conversion to upright RGB.
    """
    upload = isinstance(source, (bytes, bytearray, memoryview))  # ipywidgets 7 hands over bytes, 8 a memoryview
    if not upload and not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source is {kind(source)}; wanted a file's path, or its bytes.")
    name = "the upload" if upload else str(source)
    if name.startswith(("http://", "https://")):
        raise ImageError(f"{name} is a web address; wanted a file: save the image on this computer first.")
    try:
        file = io.BytesIO(source) if upload else open(source, "rb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        raise ImageError(f"there is no file {name}.") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} cannot be opened: {getattr(error, 'strerror', None) or error}.") from None
    Image.init()  # older versions of Pillow lack some formats
    with file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own: MAX_PIXELS is stricter, and the others are harmless
        try:
            with Image.open(file, formats=[format for format in formats if format in Image.OPEN]) as image:
                check(image, name)
                return upright(image) if convert is None else convert(image)
        except ImageError:
            raise
        except UnidentifiedImageError:
            known = ", ".join(formats)
            raise ImageError(f"{name} is not an image that can be read, or is damaged; wanted {known}.") from None
        except Image.DecompressionBombError as error:
            raise ImageError(f"{name} is too large: {error}") from None
        except Exception as error:  # on a damaged file, Pillow's decoders fail in many ways
            raise ImageError(f"{name} is damaged or truncated: {error or type(error).__name__}.") from error


def upright(image: Image.Image) -> Image.Image:
    """The image in RGB, with its EXIF orientation applied."""
    return to_rgb(ImageOps.exif_transpose(image))


def from_pixels(pixels: Tensor) -> Tensor:
    """Convert an image from a file's bytes, (H, W, 3) from 0 to 255, to a model's (1, 3, H, W) in [-1, 1], fp32."""
    if not isinstance(pixels, Tensor) or pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        given = f"{pixels.dtype} {tuple(pixels.shape)}" if isinstance(pixels, Tensor) else type(pixels).__name__
        raise TypeError(f"pixels is {given}; wanted a torch.uint8 tensor (H, W, 3).")
    return pixels.permute(2, 0, 1)[None] / 127.5 - 1  # (1, 3, H, W)


def check_header(image: Image.Image, name: str) -> None:
    """Checks before the pixels are decoded."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name} is {width}×{height} pixels; wanted at most {MAX_PIXELS // 1_000_000} million in all.")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # (an MPO is a phone's photo with a depth or gain map)
        raise ImageError(f"{name} is animated, with {frames} frames; wanted one still image: save one frame of it.")


def to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB from any mode; transparent pixels become white."""
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
    if not isinstance(name, str) or name not in found:
        raise ImageError(f"there is no test image {in_words(name)}; wanted one of {', '.join(found)}.")
    return load_image(found[name], size)


def rectangle_mask(top: int, left: int, bottom: int, right: int, size: int = 64) -> Tensor:
    """A mask (1, 1, size, size) that is 1, to be repainted, in rows top … bottom-1 and columns left … right-1."""
    check_integer(size, "size", 1, MAX_SIZE)
    check_integer(top, "top", 0, size - 1)
    check_integer(left, "left", 0, size - 1)
    check_integer(bottom, "bottom", top + 1, size)
    check_integer(right, "right", left + 1, size)
    mask = torch.zeros(1, 1, size, size)
    mask[..., top:bottom, left:right] = 1
    return mask


def mnist(train: bool = True, folder: str | os.PathLike | None = None) -> TensorDataset:
    """MNIST: 28×28 images of digits (N, 1, 28, 28) in [0, 1], and their labels 0 … 9 (N,).

    The data set is kept in memory. `images, labels = mnist().tensors` gives everything, `mnist()[i]` one pair, and
    `mnist()[indices]` or `mnist()[:256]` a batch at once.

    Args:
        train: the 60,000 training images, or the 10,000 test images.
        folder: another copy of MNIST, or Fashion-MNIST, which has ten kinds of clothing in the same format: a root as
            torchvision downloads it, or Debian's /usr/share/datasets/fashion-mnist.

    Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits"; Xiao et al. 2017 (arXiv:1708.07747).
    Raises a DataError for a file that is missing, truncated or altered: every load compares checksums.
    """
    if not isinstance(train, bool):
        raise TypeError(f"train is {in_words(train)}; wanted True or False. The folder is named: mnist(folder=…).")
    if folder is not None:
        check_path(folder, "folder")
    folder = find_digits(DATA / "mnist" if folder is None else Path(folder))
    part = "train" if train else "t10k"
    images, of_images = read_idx(folder, f"{part}-images-idx3-ubyte")  # (N, 28, 28)
    labels, of_labels = read_idx(folder, f"{part}-labels-idx1-ubyte")  # (N,)
    if of_images != of_labels:
        raise DataError(f"{folder} has the images of {of_images} and the labels of {of_labels}; wanted one data set.")
    return TensorDataset(images[:, None].float() / 255, labels.long())


def find_digits(folder: Path) -> Path:
    """The folder itself, or torchvision's sub-folder in it, that holds a data set in MNIST's format."""
    for place in DIGIT_FOLDERS:
        for suffix in ("", ".gz"):
            if (folder / place / f"train-images-idx3-ubyte{suffix}").is_file():
                return folder / place
    raise DataError(
        f"{folder} has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz; wanted MNIST's four files."
    )


def read_idx(folder: Path, name: str) -> tuple[Tensor, str]:
    """One of MNIST's files, plain or gzipped, as a tensor of bytes, and the name of its data set."""
    file = next((folder / f for f in (name, name + ".gz") if (folder / f).is_file()), None)
    if file is None:
        raise DataError(f"there is no {name} or {name}.gz in {folder}; wanted MNIST's four files.")
    try:
        with gzip.open(file) if file.suffix == ".gz" else open(file, "rb") as opened:
            raw = opened.read(MAX_IDX + 1)
    except (OSError, EOFError, zlib.error) as error:
        size = file.stat().st_size
        raise DataError(f"{file} ({size} bytes) is damaged or truncated: {error}. Fetch it again.") from error
    if len(raw) > MAX_IDX:
        raise DataError(f"{file} has more than {MAX_IDX} bytes, unpacked; wanted MNIST's {name}. Fetch it again.")
    wanted = {files[name]: dataset for dataset, files in DIGIT_FILES.items()}
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if md5 not in wanted:
        choices = " or ".join(f"{digest} ({dataset})" for digest, dataset in wanted.items())
        raise DataError(f"{file} has MD5 {md5} over {len(raw)} bytes, unpacked; wanted {choices}. Fetch it again.")
    # idx: two zeros, the type (8: bytes), the number of dimensions; then each dimension, big-endian; then the data
    dimensions = raw[3]
    shape = struct.unpack_from(f">{dimensions}I", raw, 4)
    data = torch.frombuffer(bytearray(raw), dtype=torch.uint8, offset=4 + 4 * dimensions)
    return data.view(shape), wanted[md5]
