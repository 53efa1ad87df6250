"""Random mistakes and random damage: whatever comes in, the answer is a result or a sentence.

`make fuzz` sets FUZZ=long, which tries many more.
"""

import gzip
import os
import random
import re
import shutil
import zlib

import pytest
import torch
from damaged_images import ACCEPTED, OTHERS, damaged, damaged_images, whole_images
from damaged_images import outcome as outcome_of_image
from fuzz import CALLS, wrong_calls
from PIL import EpsImagePlugin
from student_mistakes import outcome

from helpers import data
from helpers.data import DataError, ImageError, course_image, load_image, mnist
from helpers.drawing import MaskPainter
from helpers.hub import ModelError
from helpers.prompts import KNOWN, load_embeddings, load_known, remember
from helpers.stages import BUNDLED
from helpers.text_encoders import EMBEDDINGS
from making.mini_if import training, upscaling

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]
LONG = os.environ.get("FUZZ") == "long"


@pytest.mark.parametrize("part", range(10))
def test_a_wrong_argument_gives_a_result_or_a_sentence(part):
    raw = []
    for name, call in wrong_calls(2500 if LONG else 60, seed=part):
        what, words = outcome(call)
        if what == "raw":
            raw.append(f"{name}: {words}")
    assert raw == []


@pytest.mark.parametrize("function, right", CALLS)
def test_the_right_arguments_are_right(function, right):
    if right.get("source") != b"" and right.get("folder") != "nosuch":  # which there is nothing right to put in for
        assert outcome(lambda: function(**right))[0] == "silent"


# ---- images


@pytest.mark.parametrize("part", range(4))
def test_a_damaged_image_gives_an_image_or_a_sentence(part):
    count = 5600 if LONG else 100
    raw = [f"{f}: {w}" for f, d in damaged_images(count, part) for what, w in [outcome_of_image(d)] if what == "raw"]
    assert raw == []


@pytest.mark.parametrize("format", ACCEPTED)
def test_an_accepted_format_is_read(format):
    if format not in whole_images():
        pytest.skip(f"this version of Pillow writes no {format}")
    for image in whole_images()[format]:
        assert load_image(image).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("format", OTHERS)
def test_another_format_is_refused_and_the_accepted_ones_are_named(format, tmp_path):
    for image in whole_images().get(format, ()):
        (tmp_path / f"image.{format}").write_bytes(image)
        for source in (image, tmp_path / f"image.{format}"):
            with pytest.raises(ImageError, match=r"is not an image that can be read.*wanted PNG, JPEG, MPO, WEBP"):
                load_image(source)


def test_postscript_starts_no_program(monkeypatch):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **b: started.append(a))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    for source in (eps, whole_images()["EPS"][0]):
        with pytest.raises(ImageError, match="wanted PNG"):
            load_image(source)
        with pytest.raises(ImageError, match="wanted PNG"):
            MaskPainter(course_image("cat")).load(source)
    assert started == []


@pytest.mark.parametrize("size", [2049, 10**6, 10**30])
def test_the_size_is_bounded(size):
    with pytest.raises(ValueError, match=rf"size is {size}; wanted 1 to 2048"):
        course_image("cat", size)


def test_a_mask_of_another_size_is_refused_before_a_pixel_is_decoded(monkeypatch):
    from test_data import raw_png

    painter = MaskPainter(course_image("cat"))
    monkeypatch.setattr(zlib, "decompressobj", None)
    with pytest.raises(ImageError, match=r"5000×5000 pixels; wanted 64×64"):
        painter.load(raw_png(5000, 5000, b""))


def test_a_damaged_mask_gives_a_mask_or_a_sentence(tmp_path):
    painter, chance = MaskPainter(course_image("cat")), random.Random(0)
    painter.save(tmp_path / "mask.png")
    whole, refused = (tmp_path / "mask.png").read_bytes(), 0
    for _ in range(3000 if LONG else 100):
        try:
            painter.load(damaged(whole, chance))
        except ImageError:
            refused += 1
    assert refused > 10


# ---- other files


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "MAX_IDX", 10_000)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    with pytest.raises(DataError, match=r"has more than 10000 bytes, unpacked; wanted MNIST's train-images"):
        mnist(folder=tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[", '["a panda", "a c', "5", "null", '{"a": 1}', "[1, 2]", "\udc80"], ids=lambda text: repr(text)
)
def test_a_damaged_list_of_what_is_known_is_told(content, tmp_path):
    (tmp_path / KNOWN).write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ModelError, match=r"known\.json is damaged"):
        load_known(tmp_path)


@pytest.mark.parametrize(
    "states, words",
    [
        ({"a": torch.zeros(77, 4), "b": torch.zeros(77, 5)}, r"states of several widths, \[4, 5\]"),
        ({"a": torch.zeros(76, 4)}, r"'a' -> torch\.float32 of shape \(76, 4\); wanted"),
        ({"a": torch.zeros(1, 77, 4)}, r"of shape \(1, 77, 4\); wanted"),
        ({"a": torch.zeros(77, 4, dtype=torch.long)}, r"torch\.int64 of shape"),
        ({"a": torch.full((77, 4), torch.nan)}, r"wanted finite"),
    ],
)
def test_text_states_that_do_not_fit_are_told(states, words, tmp_path):
    from safetensors.torch import save_file

    save_file(states, tmp_path / EMBEDDINGS)
    with pytest.raises(ModelError, match=words):
        load_embeddings(tmp_path)


def test_text_states_beyond_the_range_of_fp16_are_not_kept_as_infinity(tmp_path):
    with pytest.raises(ModelError, match=r"the states of 'a cat' reach 70000; wanted at most 65504"):
        remember({"a cat": torch.full((77, 4), 7e4)}, tmp_path)
    assert not (tmp_path / EMBEDDINGS).exists()


# ---- commands


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--init", "nosuch"], r"config\.json cannot be read: No such file"),
        (["--channels", "8"], r"a number of channels is 8; wanted at least 48"),
        (["--channels", "12", "16", "48"], r"channels are \(12, 16, 48\); wanted multiples of 8"),
        (["--channels", "0", "0", "0"], r"a number of channels is 0; wanted at least 8"),
        (["--channels", "8", "16", "48", "--samples-every", "0"], r"samples_every is 0; wanted at least 1"),
        (["--seed", str(10**30)], r"seed is 1000000000000000000000000000000; wanted"),
        (["--lr", "nan"], r"lr is nan; wanted a finite number"),
        (["--batch-size", "0"], r"batch_size is 0; wanted at least 1"),
    ],
)
def test_a_training_that_cannot_begin_says_why(arguments, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        training.main(["--out", str(tmp_path / "run"), *arguments])
    assert stop.value.code == 1
    assert re.search(words, capsys.readouterr().err)


def test_a_stage_does_not_start_from_the_other_stages_network(tmp_path, capsys):
    shutil.copytree(BUNDLED["mini-if"] / "unet", tmp_path / "stage_2" / "unet")
    with pytest.raises(SystemExit):
        upscaling.main(["--out", str(tmp_path / "run"), "--init", str(tmp_path)])
    assert "has a PatchUNet; wanted a UpscaleUNet" in capsys.readouterr().err
