"""Mini-IF's drafter, learning from captions alone."""

import copy

import pytest
import torch
from test_mini_if_evaluation import folder, small  # noqa: F401  (a data set of seven shapes, as fixtures)
from toys import seeded

from helpers.patch_unet import Drafter
from helpers.stages import load_network
from making.mini_if import drafts
from making.mini_if.drafts import LEAST_STD, learn, on_white, sheet, standardise, targets

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(small):  # noqa: F811
    """The shapes, under captions that point in directions of their own."""
    data = copy.copy(small)
    data.states = torch.randn(len(small.texts), 1, 384, generator=seeded()).expand(-1, 77, -1).half()
    data.images = small.images.clone()
    return data


def new_drafter(hidden: int = 64) -> Drafter:
    torch.manual_seed(0)
    return Drafter(384, hidden, 32)


def test_targets_are_means_of_pixels():
    images = torch.zeros(1, 4, 128, 128, dtype=torch.uint8)
    images[:, :, :2, :4] = 255
    images[:, 3] = 255
    x = targets(images, 32)
    assert x.shape == (1, 4, 32, 32)
    assert x[0, 0, 0, 0] == 0 and x[0, 0, 1:].eq(-1).all() and x[0, 3].eq(1).all()


def test_captions_have_mean_0_and_variance_1_for_it(data):
    drafter = new_drafter()
    standardise(drafter, data)
    states = data.states[data.caption[:, 0].unique()].float()
    x = drafter.standardised(states)
    varied = drafter.std > LEAST_STD
    torch.testing.assert_close(x.mean(0), torch.zeros(384), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.std(0)[varied], torch.ones(int(varied.sum())), atol=1e-3, rtol=0)


def test_a_direction_that_never_varies_does_no_harm(data):
    data.states = data.states.index_fill(2, torch.tensor(0), 1)
    drafter = new_drafter()
    standardise(drafter, data)
    assert drafter(data.states[:3].float()).isfinite().all()


def test_it_learns_what_captions_show(data):
    drafter = new_drafter()
    losses = learn(drafter, data, steps=400, progress=False)
    assert len(losses) == 400 and losses[-1] < 0.6 * losses[0]
    assert not any(weights.requires_grad for weights in drafter.parameters())

    rows = (data.trained & (data.style == 0) & (data.kind == 0)).nonzero()[:, 0]  # an image of each label in one style
    x = targets(data.images[rows], 32).flatten(1)
    nearest = torch.cdist(drafter(data.states[data.caption[rows, 0]].float()).flatten(1), x).argmin(dim=1)
    assert torch.equal(nearest, torch.arange(len(rows)))


def test_held_out_pairs_teach_it_nothing(data):
    learned = []
    for value in (0, 255):
        data.images[data.held_out] = value
        drafter = new_drafter()
        learn(drafter, data, steps=3, progress=False)
        learned.append(drafter.layers[0].weight)
    assert torch.equal(*learned)


def test_clear_pixels_are_white_on_white():
    clear, red = torch.tensor([-1.0, -1, -1, -1]), torch.tensor([1.0, -1, -1, 1])
    x = on_white(torch.stack([clear, red]).view(2, 4, 1, 1))
    assert x.flatten().tolist() == [1, 1, 1, 1, -1, -1]


def test_the_command_leaves_a_network_and_a_sheet(folder, small, tmp_path, capsys):  # noqa: F811
    drafts.main(["--out", str(tmp_path), "--data", str(folder), "--steps", "2"])
    network = load_network(tmp_path / "unet")
    assert network.drafter.std.ne(1).any()
    assert (tmp_path / "drafts.png").stat().st_size > 1000
    assert "mean squared error: " in capsys.readouterr().out
    assert sheet(network.drafter, small, n=3).png


def test_the_command_says_what_is_missing(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        drafts.main(["--out", str(tmp_path), "--data", str(tmp_path / "nowhere")])
    assert stopped.value.code == 1
    assert "make it with python -m making.mini_if.dataset" in capsys.readouterr().err
