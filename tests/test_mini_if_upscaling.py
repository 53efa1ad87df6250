"""Stage II's training: what it is shown, and a run that stops and goes on. The loop and the loss are stage I's."""

from dataclasses import replace

import pytest
import torch
from toys import seeded

from helpers.checkpoints import TrainingError
from helpers.models import enlarged, load_model
from making.mini_if import upscaling
from making.mini_if.dataset import Examples
from making.mini_if.recipe import StageRecipe
from making.mini_if.upscaling import UpscaleRecipe, UpscaleRun, shrunk, softened

SMALL = UpscaleRecipe(steps=4, batch_size=4, warmup=2, channels=(8, 16), crop=32, crops=2)
pytestmark = pytest.mark.usefixtures("one_thread")


class Slopes:
    """A data set of images that say at each pixel where it is: red grows along x, green along y; blue tells which."""

    texts = ("", "dark", "bright")
    identity = "slopes"
    held_out = None

    def __init__(self):
        self.states = torch.randn(3, 77, 384, generator=seeded(1)).half()

    def examples(self, n: int, generator: torch.Generator, *, which=None, p_empty=0.0) -> Examples:
        which = torch.randint(2, (n,), generator=generator)
        z = torch.linspace(-1, 1, 256)
        images = torch.stack([z.expand(256, 256), z[:, None].expand(256, 256), torch.zeros(256, 256)])
        images = images.repeat(n, 1, 1, 1)
        images[:, 2] = which.view(n, 1, 1) - 0.5
        return Examples(images, which + 1, which, which)


def new_run(folder, recipe=SMALL, **options) -> UpscaleRun:
    return UpscaleRun(recipe.new_network(), recipe, Slopes(), folder, **options)


# ---- what it is shown


@pytest.fixture
def without_noise(monkeypatch):
    """The low images as they are before they are noised."""
    monkeypatch.setattr(upscaling, "forward", lambda x, *args, **options: (x, None))


def test_crops_have_the_captions_of_their_images_and_lie_anywhere(tmp_path):
    run = new_run(tmp_path, replace(SMALL, batch_size=400))
    x0, captions, _ = run.draw(400, seeded())
    assert x0.shape == (400, 3, 32, 32)
    assert torch.equal(captions, (x0[:, 2, 0, 0] + 1.5).long())
    for colour in (0, 1):
        corners = ((x0[:, colour, 0, 0] + 1) * 127.5).round()
        assert corners.min() < 10 and corners.max() > 214 and len(corners.unique()) > 100
    assert not torch.equal(x0[0], x0[1])  # two crops of one image


def test_the_low_image_is_the_same_crop_shrunk_and_enlarged(tmp_path, without_noise):
    x0, _, (low, level) = new_run(tmp_path).draw(4, seeded())
    assert (low - x0).abs().max() < 1.6 / 127.5  # the outermost pixels are those beside them
    assert ((low - x0).abs() < 0.1 / 127.5).float().mean() > 0.8
    assert level.shape == (4,) and level.dtype == torch.long


def test_shrunk_and_enlarged_lose_detail_only():
    images = torch.rand(1, 3, 256, 256, generator=seeded()) * 2 - 1
    small = shrunk(images)
    torch.testing.assert_close(small[0, :, 3, 5], images[0, :, 12:16, 20:24].mean(dim=(1, 2)))
    large = enlarged(small, 256)
    assert large.shape == images.shape
    torch.testing.assert_close(large[..., 0, 0], small[..., 0, 0])  # corners are aligned
    torch.testing.assert_close(large[..., -1, -1], small[..., -1, -1])


def test_half_of_the_images_are_softened_each_in_its_own_way():
    images = torch.rand(1, 3, 16, 16, generator=seeded()).expand(400, -1, -1, -1)
    soft = softened(images, seeded(1))
    changed = (soft - images).abs().mean(dim=(1, 2, 3))
    assert 150 < (changed > 0).sum() < 250
    assert len(changed.unique()) > 100
    torch.testing.assert_close(softened(torch.ones(8, 3, 9, 9), seeded()), torch.ones(8, 3, 9, 9))  # also at the edge


def test_low_images_are_noised_to_their_levels_which_are_mostly_small(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(upscaling, "forward", lambda x, t, abar, **options: (given.append((x, t, abar)) or x + 1, None))
    run = new_run(tmp_path)
    _, _, (low, level) = run.draw(4, seeded())
    x, t, abar = given[0]
    assert len(x) == 2 and abar is run.schedule.alphas_cumprod  # two images, two crops of each
    assert torch.equal(level, t.repeat_interleave(2)) and low.min() >= 0
    levels = torch.cat([run.draw(4, seeded(seed))[2][1] for seed in range(100)])
    assert levels.min() >= 0 and 450 < levels.max() < 500
    assert 0.6 < (levels < 250).float().mean() < 0.8


def test_a_batch_is_what_the_network_wants(tmp_path):
    x0, eps, t, text, low, level = new_run(tmp_path).batch()
    assert x0.shape == eps.shape == low.shape == (4, 3, 32, 32)
    assert text.shape == (4, 77, 384) and t.shape == level.shape == (4,)


# ---- the run


def test_a_run_goes_on_to_the_last_bit(tmp_path):
    whole = new_run(tmp_path / "whole")
    losses = [progress.loss for progress in whole.train()]
    killed = new_run(tmp_path / "killed")
    steps = killed.train(save_every=0)
    next(steps), next(steps)
    del killed, steps
    resumed = new_run(tmp_path / "killed")
    assert resumed.step == 2
    assert [progress.loss for progress in resumed.train()] == losses[2:]
    wanted, given = whole.tensors(), resumed.tensors()
    assert wanted.keys() == given.keys()
    for name in wanted:
        torch.testing.assert_close(given[name], wanted[name], rtol=0, atol=0, equal_nan=True)


def test_other_crops_are_another_run(tmp_path):
    next(new_run(tmp_path).train(save_every=0))
    with pytest.raises(TrainingError, match="belongs to another run: its recipe"):
        new_run(tmp_path, replace(SMALL, crop=48))


def test_it_learns(tmp_path):
    run = new_run(tmp_path, replace(SMALL, steps=80, batch_size=8, lr=1e-2))
    batch = run.batch()
    run.batch = lambda: batch
    losses = [progress.loss for progress in run.train()]
    assert losses[-1] < 0.5 * losses[0]


def test_its_model_is_the_bundled_one_with_this_stage_ii(tmp_path):
    run = new_run(tmp_path)
    next(run.train())
    run.save_model()
    run.save_model()  # replaces the first
    model = load_model(tmp_path / "model", device="cpu")
    given, wanted = model.stage_2.unet.state_dict(), run.average.state_dict()
    assert all((given[name].float() - wanted[name]).abs().max() < 1e-2 for name in wanted)
    torch.testing.assert_close(model.stage_2.schedule.betas, run.schedule.betas)
    torch.testing.assert_close(model.stage_2.low_schedule.betas, run.schedule.betas)
    pencil = model.upscale(torch.zeros(1, 3, 64, 64), model.embed("a pencil"), steps=2, generator=seeded())
    assert pencil.shape == (1, 3, 256, 256)


def test_its_samples_are_an_image(tmp_path):
    run = new_run(tmp_path)
    run.save_samples(steps=2)
    assert (tmp_path / "samples" / "step-0000000.png").stat().st_size > 10_000


@pytest.mark.parametrize("wrong", [{"crop": 40}, {"crop": 0}, {"crop": 272}, {"crops": 0}, {"batch_size": 0}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(SMALL, **wrong)


def test_the_recipe_is_stage_is_but_for_its_own_numbers():
    assert set(UpscaleRecipe.__dataclass_fields__) - set(StageRecipe.__dataclass_fields__) == {"crop", "crops"}


def test_the_command_says_what_is_missing(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        upscaling.main(["--out", str(tmp_path / "run"), "--data", str(tmp_path / "nowhere")])
    assert stopped.value.code == 1
    assert "make it with python -m making.mini_if.dataset" in capsys.readouterr().err
