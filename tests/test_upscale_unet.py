"""Stage II's network: the network of an IF super-resolution stage from outside, and inside what its page describes."""

import copy

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from toys import seeded

from helpers.sampling import abar_at
from helpers.schedule import NoiseSchedule
from helpers.upscale_unet import UpscaleUNet

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE = {"sample_size": 64, "block_out_channels": (8, 16, 24), "text_dim": 48}


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return UpscaleUNet(**SHAPE).eval().requires_grad_(False)


@pytest.fixture
def inputs():
    """x_t with the low picture, text, and the latter's noise levels."""
    generator = seeded(1)
    pictures, text = torch.randn(2, 6, 64, 64, generator=generator), torch.randn(2, 77, 48, generator=generator)
    return pictures, text, torch.tensor([0, 250])


def recompute(unet, pictures, t, text, level):
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
        cross_attention_dim=48,
        addition_embed_type="text",
        addition_embed_type_num_heads=6,
    ).eval()
    inner.load_state_dict(unet.state_dict())
    patches = [pictures[:, c, i::4, j::4] for c in range(6) for i in range(4) for j in range(4)]
    out = inner(torch.stack(patches, dim=1), t, text, class_labels=level).sample
    pixels = torch.empty(2, 6, 64, 64)
    for k, patch in enumerate(out.unbind(dim=1)):
        pixels[:, k // 16, k % 16 // 4 :: 4, k % 4 :: 4] = patch
    v, var = pixels.chunk(2, dim=1)
    abar = NoiseSchedule.cosine().alphas_cumprod[t].item()
    skip = (abar * (1 - abar)) ** 0.5 * 0.996 / (1 - abar + 0.004 * abar)
    return v + skip * pictures[:, :3], var


def test_the_skip_leaves_the_network_least_to_do(unet, inputs, monkeypatch):
    """Of all multiples of x_t, the one it adds is nearest to v, if x0 is noise with the variance DETAIL."""
    x0, eps = torch.linalg.qr(torch.randn(100, 2, generator=seeded(2), dtype=torch.double)).Q.T  # uncorrelated
    x0 = 0.004**0.5 * x0
    (x_t, low), text, level = inputs[0].chunk(2, dim=1), *inputs[1:]
    monkeypatch.setattr(
        UNet2DConditionModel, "forward", lambda *args, **options: UNet2DConditionOutput(torch.zeros(2, 96, 16, 16))
    )
    for t in (50, 500, 950):
        abar = NoiseSchedule.cosine().alphas_cumprod[t].item()
        noised, v = abar**0.5 * x0 + (1 - abar) ** 0.5 * eps, abar**0.5 * eps - (1 - abar) ** 0.5 * x0
        added = unet.predict_v(x_t, torch.tensor([t, t]), text, low, level)[0] / x_t
        torch.testing.assert_close(
            added, torch.full_like(x_t, (noised @ v / (noised @ noised)).item()), atol=1e-3, rtol=0
        )


@pytest.mark.parametrize("t", [0, 300, 990])
def test_prediction_equals_a_reimplementation_from_the_description(unet, inputs, schedule, t):
    pictures, text, level = inputs
    v, var = recompute(unet, pictures, t, text, level)
    abar = schedule.alphas_cumprod[t]
    out = unet(pictures, t, text, class_labels=level).sample
    torch.testing.assert_close(out[:, 3:], var, atol=1e-5, rtol=0)
    eps = abar.sqrt() * v + (1 - abar).sqrt() * pictures[:, :3]
    torch.testing.assert_close(out[:, :3], eps, atol=1e-5, rtol=0)


def test_predict_v_is_what_forward_hands_out_as_eps(unet, inputs, schedule):
    (x_t, low), t = inputs[0].chunk(2, dim=1), torch.tensor([3, 800])
    v, var = unet.predict_v(x_t, t, inputs[1], low, inputs[2])
    abar_t = abar_at(t, schedule.alphas_cumprod, x_t)
    wanted = torch.cat([abar_t.sqrt() * v + (1 - abar_t).sqrt() * x_t, var], dim=1)
    torch.testing.assert_close(unet(inputs[0], t, inputs[1], inputs[2]).sample, wanted)


def test_everything_that_it_is_told_matters(unet, inputs):
    pictures, text, level = inputs
    given = unet(pictures, 500, text, level).sample
    x_t, low = pictures.chunk(2, dim=1)
    for other in (
        unet(torch.cat([x_t, -low], dim=1), 500, text, level),
        unet(pictures, 500, -text, level),
        unet(pictures, 500, text, level + 100),
    ):
        assert (other.sample - given).abs().max() > 1e-3


def test_it_takes_crops(unet, inputs):
    pictures, text, level = inputs
    assert unet(pictures[..., :32, :48], 500, text, level).sample.shape == (2, 6, 32, 48)


def test_no_place_is_special(unet, inputs):
    """Only the border tells it where it is: without one, on a torus, pictures that are moved give the same, moved."""
    pictures, *rest = inputs
    torus = copy.deepcopy(unet)
    for module in torus.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.padding_mode = "circular"
    shift = {"shifts": (16, -32), "dims": (2, 3)}  # whole places of the coarsest grid
    given, wanted = torus(pictures.roll(**shift), 500, *rest).sample, torus(pictures, 500, *rest).sample
    torch.testing.assert_close(given, wanted.roll(**shift), atol=1e-5, rtol=0)


def test_the_config_speaks_of_pictures_and_survives_saving(unet, inputs, tmp_path):
    config = unet.config
    assert (config.in_channels, config.out_channels, config.sample_size) == (6, 6, 64)
    unet.save_pretrained(tmp_path)
    again = UpscaleUNet.from_pretrained(tmp_path).eval()
    assert torch.equal(again(inputs[0], 500, *inputs[1:]).sample, unet(inputs[0], 500, *inputs[1:]).sample)
