"""Stage II's network: the network of an IF super-resolution stage from outside, and inside what its page describes."""

import copy

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from toys import seeded

from helpers.models import enlarged
from helpers.schedule import NoiseSchedule, abar_at
from helpers.upscale_unet import UpscaleUNet, aligned

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE = {"sample_size": 64, "block_out_channels": (8, 16, 24)}


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return UpscaleUNet(**SHAPE).eval().requires_grad_(False)


@pytest.fixture
def inputs():
    """x_t with the low image, text, and the latter's noise levels."""
    generator = seeded(1)
    images, text = torch.randn(2, 6, 64, 64, generator=generator), torch.randn(2, 77, 48, generator=generator)
    return images, text, torch.tensor([0, 250])


class FourTimes(torch.nn.Module):
    def forward(self, x, *_):
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def recompute(unet, images, t, level):
    """The same prediction, from the description alone, on a plain diffusers UNet with the same weights."""
    inner = UNet2DConditionModel(
        sample_size=16,
        in_channels=96,
        out_channels=96,
        block_out_channels=(8, 16, 24),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("ResnetDownsampleBlock2D",) * 3,
        mid_block_type="UNetMidBlock2D",
        up_block_types=("ResnetUpsampleBlock2D",) * 3,
        resnet_time_scale_shift="scale_shift",
        class_embed_type="timestep",
    ).eval()
    for block in inner.up_blocks[:-1]:
        block.upsamplers = torch.nn.ModuleList([FourTimes()])
    inner.double().load_state_dict(unet.state_dict())

    abars = NoiseSchedule.cosine().alphas_cumprod.double()
    abar, abar_low = abars[t].item(), abars[level].view(2, 1, 1, 1)
    x_t, low = images[:, :3], stretched(images[:, 3:])
    means = low.view(2, 3, 16, 4, 16, 4).mean(dim=(3, 5)) * abar_low.sqrt() / (abar_low + (1 - abar_low) / 16)
    known = between(between(means).transpose(2, 3)).transpose(2, 3)
    spread = 1 - abar + 0.03 * abar

    six = torch.cat([(x_t - abar**0.5 * known) / spread**0.5, low], dim=1)
    patches = [six[:, c, i::4, j::4] for c in range(6) for i in range(4) for j in range(4)]
    out = inner(torch.stack(patches, dim=1), t, None, class_labels=level).sample
    pixels = torch.empty(2, 6, 64, 64, dtype=torch.double)
    for k, patch in enumerate(out.unbind(dim=1)):
        pixels[:, k // 16, k % 16 // 4 :: 4, k % 4 :: 4] = patch
    rest, var = pixels.chunk(2, dim=1)
    x0_hat = known + 0.03**0.5 * rest
    return (abar**0.5 * x_t - x0_hat) / (1 - abar) ** 0.5, var.tanh()


def stretched(x):
    """Images (2, 3, 64, 64) stretched by 63 / 60 round their middle, by the formula, in both directions."""
    for _ in range(2):
        at = ((torch.arange(64, dtype=torch.double) - 31.5) * 63 / 60 + 31.5).clamp(0, 63)
        left = at.floor().long().clamp(max=62)
        x = x[..., left] + (at - left) * (x[..., left + 1] - x[..., left])
        x = x.transpose(2, 3)
    return x


def between(means):
    """(…, 16) values in the middle of four pixels each, and on straight lines between them: (…, 64)."""
    at = ((torch.arange(64, dtype=torch.double) + 0.5) / 4 - 0.5).clamp(0, 15)
    left = at.floor().long().clamp(max=14)
    return means[..., left] + (at - left) * (means[..., left + 1] - means[..., left])


def test_the_weight_makes_an_error_of_x0_count_the_same_at_every_timestep(unet):
    error = torch.randn(3, 1, 4, 4, generator=seeded(2))
    t = torch.tensor([0, 400, 990])
    abar = NoiseSchedule.cosine().alphas_cumprod[t].view(3, 1, 1, 1)
    v_error = error / (1 - abar).sqrt()  # since v = (√abar x_t - x0) / √(1 - abar)
    torch.testing.assert_close(unet.weight(t) * v_error**2, error**2 / 0.03)


def test_aligned_undoes_the_shift_of_ifs_enlargement():
    """A slope stays where it was; without that, it is off by a pixel and a half at the edges."""
    slope = torch.linspace(-1, 1, 256).expand(1, 3, 256, 256)
    low = enlarged(F.avg_pool2d(slope, 4), 256)
    inside = slice(2, -2)  # the outermost pixels have no neighbours to be between
    assert (low - slope)[..., inside].abs().max() * 127.5 > 1.2
    assert (aligned(low) - slope)[..., inside].abs().max() * 127.5 < 0.01
    torch.testing.assert_close(aligned(low.transpose(2, 3)), aligned(low).transpose(2, 3))


@pytest.mark.parametrize("t", [0, 300, 990])
def test_prediction_equals_a_reimplementation_from_the_description(unet, inputs, schedule, t):
    images, text, level = inputs[0].double(), *inputs[1:]
    precise = copy.deepcopy(unet).double()
    v, var = recompute(precise, images, t, level)
    abar = schedule.alphas_cumprod[t].double()
    out = precise(images, t, text, class_labels=level).sample
    eps = abar.sqrt() * v + (1 - abar).sqrt() * images[:, :3]
    torch.testing.assert_close(out, torch.cat([eps, var], dim=1), atol=1e-6, rtol=0)


def test_predict_v_is_what_forward_hands_out_as_eps(unet, inputs, schedule):
    (x_t, low), t = inputs[0].chunk(2, dim=1), torch.tensor([3, 800])
    v, var = unet.predict_v(x_t, t, inputs[1], aligned(low), inputs[2])
    abar_t = abar_at(t, schedule.alphas_cumprod, x_t)
    wanted = torch.cat([abar_t.sqrt() * v + (1 - abar_t).sqrt() * x_t, var], dim=1)
    torch.testing.assert_close(unet(inputs[0], t, inputs[1], inputs[2]).sample, wanted)


def test_all_that_it_is_told_matters_but_the_text(unet, inputs):
    images, text, level = inputs
    given = unet(images, 500, text, level).sample
    x_t, low = images.chunk(2, dim=1)
    for other in (
        unet(torch.cat([x_t, -low], dim=1), 500, text, level),
        unet(images, 400, text, level),
        unet(images, 500, text, level + 100),
    ):
        assert (other.sample - given).abs().max() > 1e-3
    assert torch.equal(unet(images, 500, -text, level).sample, given)


def test_it_takes_crops(unet, inputs):
    images, text, level = inputs
    assert unet(images[..., :32, :48], 500, text, level).sample.shape == (2, 6, 32, 48)


def test_no_place_is_special(unet, inputs, monkeypatch):
    """Only the border tells it where it is: without one, on a torus, images that are moved give the same, moved."""
    (x_t, low), text, level = inputs[0].chunk(2, dim=1), *inputs[1:]
    torus = copy.deepcopy(unet)
    for module in torus.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.padding_mode = "circular"
    monkeypatch.setattr(torus, "known", lambda low, level: F.interpolate(F.avg_pool2d(low, 4), scale_factor=4))
    shift = {"shifts": (16, -32), "dims": (2, 3)}  # whole places of the coarsest grid
    t = torch.tensor([500, 500])
    given = torus.predict_v(x_t.roll(**shift), t, text, low.roll(**shift), level)
    wanted = torus.predict_v(x_t, t, text, low, level)
    for one, other in zip(given, wanted):
        torch.testing.assert_close(one, other.roll(**shift), atol=1e-5, rtol=0)


def test_the_config_speaks_of_images_and_survives_saving(unet, inputs, tmp_path):
    config = unet.config
    assert (config.in_channels, config.out_channels, config.sample_size) == (6, 6, 64)
    unet.save_pretrained(tmp_path)
    again = UpscaleUNet.from_pretrained(tmp_path).eval()
    assert torch.equal(again(inputs[0], 500, *inputs[1:]).sample, unet(inputs[0], 500, *inputs[1:]).sample)
