"""How sharp enlarged images are: the measures, against images whose sharpness is known, and the command."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from test_mini_if_upscaling import Slopes, new_run
from toys import seeded

from helpers.models import load_model
from making.mini_if import sharpness
from making.mini_if.sharpness import gmsd, quality, squared_gradient

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def real():
    """Two images of squares."""
    return F.interpolate(torch.rand(2, 3, 8, 8, generator=seeded()) * 1.6 - 0.8, size=64, mode="nearest")


def blurred(images, size):
    return F.avg_pool2d(images, size, stride=1, padding=size // 2, count_include_pad=False)


def test_an_image_is_as_sharp_as_itself(real):
    same = quality(real, real)
    assert same.sharpness == 1 and same.gmsd == 0


def test_psnr_is_that_of_a_known_error(real):
    assert quality(real + 0.02, real).psnr == pytest.approx(40)  # a hundredth of the range


def test_the_more_it_is_blurred_the_worse_it_is(real):
    qualities = [quality(blurred(real, size), real) for size in (1, 3, 5)]
    for better, worse in itertools.pairwise(qualities):
        assert better.psnr > worse.psnr and better.sharpness > worse.sharpness and better.gmsd < worse.gmsd


def test_squared_gradient_of_a_slope():
    slope = torch.linspace(-1, 1, 65).expand(1, 3, 65, 65)
    torch.testing.assert_close(squared_gradient(slope), torch.tensor([1 / 32**2]))


def test_gmsd_sees_differences_of_edges_and_not_of_brightness(real):
    inside = (..., slice(8, -8), slice(8, -8))  # outside there is black, an edge whose height depends on it
    a, b = real[inside], real[inside] * 0.5
    assert gmsd(b, a).min() > 0.01
    assert gmsd(a, b).sub(gmsd(b, a)).abs().max() < 1e-6  # symmetric
    flat = torch.zeros(1, 3, 64, 64)
    assert gmsd(flat, real).max() > 0.2


def test_images_of_different_sizes_are_refused(real):
    with pytest.raises(ValueError, match="images has shape"):
        quality(real[..., :32], real)


def test_the_command_compares_and_shows(tmp_path, monkeypatch, capsys):
    run = new_run(tmp_path)
    run.save_model()
    monkeypatch.setattr(sharpness, "Dataset", lambda folder, size: Slopes())
    monkeypatch.setattr(sharpness, "SHOWN", 2)
    arguments = ["--model", str(tmp_path / "model"), "--out", str(tmp_path / "out"), "--images", "2", "--steps", "2"]
    sharpness.main(arguments)
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["PSNR", "sharpness", "GMSD"]
    lanczos, stage_2 = (line.split() for line in table[1:3])
    assert (lanczos[0], stage_2[:2]) == ("Lanczos", ["stage", "II"])
    assert float(lanczos[1]) > 35 > float(stage_2[2])  # a slope is all that Lanczos needs, and this network is new
    for name in ("upscaled-art.png", "upscaled-samples.png"):
        assert (tmp_path / "out" / name).stat().st_size > 10_000


def test_a_model_without_a_stage_ii_is_refused(tmp_path, monkeypatch, capsys):
    model = load_model("mini-if", "cpu")
    model.stage_2 = None
    monkeypatch.setattr(sharpness, "load_model", lambda name: model)
    with pytest.raises(SystemExit):
        sharpness.main([])
    assert "mini-if has no stage II" in capsys.readouterr().err
