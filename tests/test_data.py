"""Images from files: whatever a student may drop in comes out the same way, or is refused with a reason."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from helpers.data import DATA, ImageError, course_image, load_image, rectangle_mask

STEP = 2 / 255  # one of 255 grey levels, in [-1, 1]


def encode(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def raw_png(width: int, height: int, rows: bytes, *, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG put together by hand, for what Pillow does not write (or would have to allocate)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def noise(size: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8))


def colour(image: torch.Tensor) -> list[int]:
    """The 8-bit colour of an image that has only one."""
    assert (image - image[:, :, :1, :1]).abs().max() < 1e-6
    return [round((value.item() + 1) * 127.5) for value in image[0, :, 0, 0]]


# What is read


def test_a_png_of_the_right_size_is_read_to_the_last_bit(tmp_path):
    path = tmp_path / "noise.png"
    noise().save(path)
    wanted = torch.from_numpy(np.array(noise())).permute(2, 0, 1)[None] / 127.5 - 1
    for source in (path, str(path)):
        image = load_image(source)
        assert image.shape == (1, 3, 64, 64)
        assert image.dtype == torch.float32
        assert torch.equal(image, wanted)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])  # ipywidgets 7 uploads bytes, 8 a memoryview
def test_an_upload_reads_like_the_file(kind, tmp_path):
    (tmp_path / "noise.png").write_bytes(encode(noise()))
    assert torch.equal(load_image(kind(encode(noise()))), load_image(tmp_path / "noise.png"))


@pytest.mark.parametrize("size", [1, 28, 64, 256])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP"])
def test_every_format_is_resized_and_stays_in_range(format, size):
    image = load_image(encode(noise(), format), size)
    assert image.shape == (1, 3, size, size)
    assert image.min() >= -1 and image.max() <= 1


def test_black_is_minus_one_and_white_is_one():
    assert (load_image(encode(Image.new("RGB", (9, 9), "black"))) == -1).all()
    assert (load_image(encode(Image.new("RGB", (9, 9), "white"))) == 1).all()


@pytest.mark.parametrize("shape", [(90, 30), (30, 90)])
def test_the_square_in_the_middle_is_kept(shape):
    image = Image.new("RGB", shape, "red")
    left, top = (shape[0] - 30) // 2, (shape[1] - 30) // 2
    image.paste("lime", (left, top, left + 30, top + 30))
    assert colour(load_image(encode(image), 30)) == [0, 255, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright(orientation):
    """The same scene, stored in the eight ways that a camera may hold, with the tag that says so."""
    upright = Image.new("RGB", (32, 32), "black")
    upright.paste("white", (0, 0, 16, 16))  # white at the top left …
    upright.paste("red", (16, 0, 32, 16))  # … and red at the top right: no two orientations look the same
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert torch.equal(load_image(encode(stored, exif=exif), 32), load_image(encode(upright), 32))


def test_a_phone_jpeg_with_a_second_image_inside_is_its_first_image():
    gain_map = Image.new("RGB", (32, 32), "blue")
    both = encode(Image.new("RGB", (32, 32), "lime"), "MPO", save_all=True, append_images=[gain_map])
    red, green, blue = load_image(both)[0].mean((1, 2))
    assert green > 0.95 and max(red, blue) < -0.95


# Colour models


def test_cmyk_becomes_the_colour_that_it_means():
    cyan = encode(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG")
    red, green, blue = load_image(cyan)[0].mean((1, 2))
    assert red < -0.9 and min(green, blue) > 0.9


@pytest.mark.parametrize("top", [65535, 20000, 200], ids=["bright", "dim", "almost black"])
def test_16_bit_grey_is_scaled_and_not_clipped(top):
    ramp = np.linspace(0, top, 64).round().astype(np.uint16).reshape(8, 8)
    image = load_image(encode(Image.fromarray(ramp)), 8)
    wanted = torch.from_numpy(ramp.astype(np.float32)) / 65535 * 2 - 1
    assert (image - wanted).abs().max() <= STEP / 2 + 1e-6


def test_16_bit_colour_is_scaled_and_not_clipped():
    row = b"\0" + struct.pack(">HHH", 65535, 32768, 0) * 8  # a filter byte, then the pixels
    assert colour(load_image(raw_png(8, 8, row * 8, bits=16), 8)) == [255, 128, 0]


def test_one_bit_images_are_black_and_white():
    image = Image.new("1", (16, 16), 0)
    image.paste(1, (8, 0, 16, 16))
    image = load_image(encode(image), 16)
    assert (image[..., :8] == -1).all() and (image[..., 8:] == 1).all()


@pytest.mark.parametrize("mode, ink", [("RGBA", (255, 0, 0, 0)), ("LA", (0, 0))])
def test_what_is_transparent_becomes_white(mode, ink):
    assert colour(load_image(encode(Image.new(mode, (16, 16), ink)))) == [255, 255, 255]


def test_what_is_half_transparent_is_half_white():
    assert colour(load_image(encode(Image.new("RGBA", (16, 16), (255, 0, 0, 128))))) == [255, 127, 127]


def test_a_transparent_palette_colour_becomes_white_and_the_others_stay():
    image = Image.new("P", (16, 16), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (8, 0, 16, 16))
    image = load_image(encode(image, transparency=0), 16)
    assert colour(image[..., :8]) == [255, 255, 255]
    assert colour(image[..., 8:]) == [0, 0, 255]


def test_a_grey_image_has_three_equal_channels():
    assert colour(load_image(encode(Image.new("L", (16, 16), 51)))) == [51, 51, 51]


# What is refused


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_refused_with_its_number_of_frames(format):
    frames = [Image.new("RGB", (16, 16), name) for name in ("red", "lime", "blue")]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="animated, with 3 frames"):
        load_image(data)


def test_a_gif_with_one_frame_is_an_image():
    assert colour(load_image(encode(Image.new("RGB", (16, 16), "blue"), "GIF"))) == [0, 0, 255]


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_file_is_refused_and_named(format, share, tmp_path):
    data = encode(noise(), format)
    path = tmp_path / f"half.{format.lower()}"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ImageError, match=r"half\.\w+ is (damaged or truncated|not an image that can be read)"):
        load_image(path)


@pytest.mark.parametrize("data", [b"", b"GIF", bytes(range(256)) * 8, b"<svg/>"], ids=["nothing", "3", "random", "svg"])
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(ImageError, match="the upload is not an image that can be read"):
        load_image(data)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"there is no file .*moon\.png"):
        load_image(tmp_path / "moon.png")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ImageError, match="cannot be opened"):
        load_image(tmp_path)


@pytest.mark.parametrize("source", [None, 7, torch.zeros(1, 3, 64, 64)], ids=["None", "int", "tensor"])
def test_what_is_neither_a_path_nor_bytes_is_refused(source):
    with pytest.raises(TypeError, match="wanted a file's path, or its bytes"):
        load_image(source)


@pytest.mark.parametrize("size", [0, -64, 64.0, True])
def test_a_size_that_is_no_positive_integer_is_refused(size):
    with pytest.raises((TypeError, ValueError), match="size is"):
        load_image(encode(noise()), size)


@pytest.mark.parametrize("side", [60_000, 8_000])  # beyond Pillow's own limit, and within it
def test_a_decompression_bomb_is_refused_before_a_pixel_is_decoded(side, monkeypatch):
    def decode(image):
        raise AssertionError("it started to decode the bomb")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    bomb = raw_png(side, side, b"\0")
    assert len(bomb) < 100
    start = time.perf_counter()
    with pytest.raises(ImageError, match=r"the upload is (too large|\d+×\d+ pixels; wanted at most 50 million)"):
        load_image(bomb)
    assert time.perf_counter() - start < 1


# The kit's own images, and masks


@pytest.mark.parametrize("size", [64, 256])
def test_every_course_image_can_be_loaded_by_name(size):
    names = [file.stem for file in (DATA / "images").iterdir() if file.suffix in (".png", ".jpg")]
    assert {"campanile", "moon", "palms"} <= set(names)
    for name in names:
        image = course_image(name, size)
        assert image.shape == (1, 3, size, size)
        assert image.std() > 0.1, f"{name} is almost of one colour"


def test_an_unknown_course_image_is_answered_with_the_list():
    with pytest.raises(ImageError, match=r"'sun'; wanted one of .*moon"):
        course_image("sun")


def test_a_mask_is_one_exactly_inside_its_rectangle():
    mask = rectangle_mask(2, 3, 5, 7, size=8)
    wanted = torch.zeros(1, 1, 8, 8)
    for row in (2, 3, 4):
        for column in (3, 4, 5, 6):
            wanted[0, 0, row, column] = 1
    assert mask.dtype == torch.float32
    assert torch.equal(mask, wanted)


def test_a_mask_may_cover_the_whole_image():
    assert (rectangle_mask(0, 0, 64, 64) == 1).all()


@pytest.mark.parametrize(
    "rectangle, name",
    [((-1, 0, 4, 4), "top"), ((0, 64, 4, 65), "left"), ((4, 0, 4, 4), "bottom"), ((0, 0, 4, 65), "right")],
)
def test_a_rectangle_that_is_empty_or_outside_is_refused(rectangle, name):
    with pytest.raises(ValueError, match=f"{name} is .*; wanted"):
        rectangle_mask(*rectangle)
