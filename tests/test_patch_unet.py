"""Mini-IF's network: an IF network from outside, and inside what its page describes."""

import copy
import logging
import math

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging

from helpers.patch_unet import NO_DRAFT, SPREAD, PatchUNet, on_grey
from helpers.schedule import NoiseSchedule

TIMES = [0, 300, 990]


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return PatchUNet().eval().requires_grad_(False)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 64, 64, generator=generator), torch.randn(2, 77, 384, generator=generator)


class FourTimes(torch.nn.Module):
    def forward(self, x, *_):
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def recompute(unet, x_t, t, text):
    """The same prediction, from the description alone, on a plain diffusers UNet with the same weights."""
    inner = UNet2DConditionModel(
        sample_size=32,
        in_channels=24,
        out_channels=24,
        block_out_channels=(32, 64, 192),
        layers_per_block=1,
        attention_head_dim=48,
        norm_num_groups=8,
        down_block_types=("ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"),
        resnet_time_scale_shift="scale_shift",
        encoder_hid_dim=384,
        encoder_hid_dim_type="text_proj",
        cross_attention_dim=192,
        addition_embed_type="text",
        addition_embed_type_num_heads=6,
    ).eval()
    for block in inner.up_blocks[:-1]:
        block.upsamplers = torch.nn.ModuleList([FourTimes()])
    weights = unet.state_dict()
    drafter = {key: weights.pop(key) for key in list(weights) if key.startswith("drafter.")}
    inner.load_state_dict(weights)

    patches = torch.empty(len(x_t), 24, 32, 32)
    for c in range(3):
        for i in range(2):
            for j in range(2):
                patches[:, 4 * c + 2 * i + j] = x_t[:, c, i::2, j::2]
    place = [-1 + 2 * i / 31 for i in range(32)]
    for n, (k, wave) in enumerate((k, wave) for k in (1, 2) for wave in (math.sin, math.cos)):
        values = torch.tensor([wave(math.pi * k * z / 2) for z in place])
        patches[:, 12 + n] = values[None, :]  # x, along a row
        patches[:, 16 + n] = values[:, None]  # y

    draft = (text.mean(1) - drafter["drafter.mean"]) / drafter["drafter.std"]
    for n in (0, 2, 4):
        draft = F.silu(draft @ drafter[f"drafter.layers.{n}.weight"].T + drafter[f"drafter.layers.{n}.bias"])
    draft = draft @ drafter["drafter.layers.6.weight"].T + drafter["drafter.layers.6.bias"]
    patches[:, 20:24] = draft.view(-1, 4, 32, 32)

    v, var = F.pixel_shuffle(inner(patches, t, text).sample, 2).chunk(2, dim=1)
    angle = [math.cos((u / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for u in range(1001)]
    abar = math.prod(1 - min(1 - angle[u + 1] / angle[u], 0.999) for u in range(t + 1))
    abar = torch.tensor(abar, dtype=torch.float32).item()  # as a number of 32 bits, whose 1 - abar the network has
    # of x0 = mean + 0.1**0.5 times a standard normal, x_t tells v up to this multiple of x_t (and a constant)
    cov = abar**0.5 * (1 - abar) ** 0.5 * (1 - 0.1)
    v = v + cov / (0.1 * abar + 1 - abar) * x_t
    return abar**0.5 * v + (1 - abar) ** 0.5 * x_t, var


@pytest.mark.parametrize("t", TIMES)
def test_prediction_equals_a_reimplementation_from_the_description(unet, inputs, t):
    x_t, text = inputs
    eps, var = unet(x_t, t, text).sample.chunk(2, dim=1)
    wanted_eps, wanted_var = recompute(unet, x_t, t, text)
    torch.testing.assert_close(eps, wanted_eps, atol=1e-5, rtol=0)
    torch.testing.assert_close(var, wanted_var, atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch", [1, 3])
def test_one_prediction_and_one_variance_for_every_image(unet, batch):
    out = unet(torch.randn(batch, 3, 64, 64), 500, torch.randn(batch, 77, 384)).sample
    assert out.shape == (batch, 6, 64, 64)


def test_without_return_dict_it_hands_out_a_tuple(unet, inputs):
    x_t, text = inputs
    (out,) = unet(x_t, 500, text, return_dict=False)
    assert torch.equal(out, unet(x_t, 500, text).sample)


def test_a_timestep_for_each_image_equals_one_image_at_a_time(unet, inputs):
    x_t, text = inputs
    together = unet(x_t, torch.tensor([100, 900]), text).sample
    for i, t in enumerate([100, 900]):
        torch.testing.assert_close(together[i : i + 1], unet(x_t[i : i + 1], t, text[i : i + 1]).sample)


def test_drafts_tell_texts_apart(unet, inputs):
    drafts = unet.drafter(inputs[1])
    assert drafts.shape == (2, 4, 32, 32)
    assert not torch.allclose(drafts[0], drafts[1])


def test_training_leaves_the_drafter_alone(unet):
    free = PatchUNet().requires_grad_(True)
    free.freeze()
    frozen = {name for name, weights in free.named_parameters() if not weights.requires_grad}
    assert frozen == {name for name, _ in free.named_parameters() if name.startswith("drafter.")} != set()


def test_the_config_speaks_of_images_and_not_of_patches(unet):
    config = unet.config
    assert (config.in_channels, config.out_channels, config.sample_size) == (3, 6, 64)
    assert (unet.conv_in.in_channels, unet.conv_out.out_channels) == (24, 24)


def test_save_and_load_keeps_every_bit_and_warns_of_nothing(unet, inputs, tmp_path, caplog, recwarn):
    diffusers_logging.enable_propagation()
    try:
        with caplog.at_level(logging.WARNING):
            unet.save_pretrained(tmp_path)
            again = PatchUNet.from_pretrained(tmp_path)
    finally:
        diffusers_logging.disable_propagation()
    assert [record.getMessage() for record in caplog.records] == []
    assert [str(warning.message) for warning in recwarn] == []

    assert again.state_dict().keys() == unet.state_dict().keys()
    assert all(torch.equal(again.state_dict()[key], value) for key, value in unet.state_dict().items())
    assert torch.equal(again(inputs[0], 500, inputs[1]).sample, unet(inputs[0], 500, inputs[1]).sample)


def test_another_size_survives_saving_and_loading(tmp_path):
    shape = {"sample_size": 32, "block_out_channels": (16, 24), "layers_per_block": 2, "attention_head_dim": 8}
    small = PatchUNet(**shape, text_dim=24, draft_dim=8, T=50)
    small.save_pretrained(tmp_path)
    again = PatchUNet.from_pretrained(tmp_path).eval()
    assert again(torch.randn(1, 3, 32, 32), 49, torch.randn(1, 77, 24)).sample.shape == (1, 6, 32, 32)
    assert again.config.T == 50


def test_bf16_weights_keep_the_state_in_fp32(unet, inputs):
    x_t, text = inputs
    half = PatchUNet().eval().requires_grad_(False)
    half.load_state_dict(unet.state_dict())
    torch.nn.Module.to(half, torch.bfloat16)
    out = half(x_t, 500, text.bfloat16()).sample
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, unet(x_t, 500, text).sample, atol=0.1, rtol=0)

    # at the noisy end eps is x_t itself but for a trace of v: had x_t been rounded to bf16, it would show
    eps = half(x_t, 999, text.bfloat16()).sample[:, :3]
    torch.testing.assert_close(eps, x_t, atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def overlooking():
    torch.manual_seed(0)
    return PatchUNet(block_out_channels=(8, 16, 48), overviews=(8, 1)).eval().requires_grad_(False)


@pytest.mark.parametrize("t", [20, 500, 980])
def test_overviews_are_means_over_blocks_of_variance_one(overlooking, t):
    generator = torch.Generator().manual_seed(t)
    colours = SPREAD**0.5 * torch.randn(400, 3, 1, 1, generator=generator)  # of plain images
    abar = NoiseSchedule.cosine(1000).alphas_cumprod[t]
    x_t = abar.sqrt() * colours + (1 - abar).sqrt() * torch.randn(400, 3, 64, 64, generator=generator)
    blocks, mean = overlooking.block_means(x_t, torch.full((400,), t))
    assert blocks.shape == mean.shape == (400, 3, 32, 32)
    assert mean[..., 0, 0].std() == pytest.approx(1, abs=0.1)
    assert (mean - mean[..., :1, :1]).abs().max() < 1e-5  # the same everywhere

    def shows_colour(pixels):  # how closely values (400, 3) follow the colours
        return torch.corrcoef(torch.stack([pixels.flatten(), colours.flatten()]))[0, 1].item()

    assert shows_colour(mean[..., 9, 9]) >= shows_colour(blocks[..., 9, 9]) >= shows_colour(x_t[..., 9, 9]) - 1e-3
    assert shows_colour(mean[..., 9, 9]) > 0.6  # also at t = 980, where a pixel's is 0.02


@pytest.mark.parametrize("t", [20, 500, 980])
def test_the_skip_term_is_the_best_estimate_from_one_pixel_around_the_draft(t):
    """For images that vary by `detail` around their draft on grey, least squares finds no better line through x_t."""
    generator = torch.Generator().manual_seed(t)
    draft = torch.tensor([-0.2, 0.1, 0.3, 0.6]).view(1, 4, 1, 1).expand(400, 4, 8, 8)  # premultiplied, alpha = 0.8
    mean = torch.tensor([0.0, 0.3, 0.5]).view(1, 3, 1, 1)  # 1 - alpha = 0.2 of grey, which is 0.5 in [0, 1]
    x0 = mean + PatchUNet.detail**0.5 * torch.randn(400, 3, 16, 16, generator=generator)
    eps = torch.randn(x0.shape, generator=generator)
    abar = NoiseSchedule.cosine(1000).alphas_cumprod[t]
    x_t, v = abar.sqrt() * x0 + (1 - abar).sqrt() * eps, abar.sqrt() * eps - (1 - abar).sqrt() * x0
    unet = PatchUNet(sample_size=16, block_out_channels=(8, 16, 48), centred=True)
    skip = unet.skip_term(x_t, torch.full((400,), t), draft)
    for c in range(3):
        x, y, line = x_t[:, c].flatten(), v[:, c].flatten(), skip[:, c].flatten()
        A = torch.stack([x, torch.ones_like(x)], dim=1)
        best = A @ torch.linalg.lstsq(A, y[:, None]).solution[:, 0]
        assert (line - best).square().mean() < 1e-3 * y.var()


def test_a_transparent_draft_is_grey():
    draft = torch.full((1, 4, 2, 2), NO_DRAFT)
    torch.testing.assert_close(on_grey(draft), torch.zeros(1, 3, 2, 2))


def test_the_finish_corrects_nothing_before_training_and_then_single_pixels(inputs):
    (x_t, text), t = inputs, torch.tensor([300, 700])
    torch.manual_seed(0)
    unet = PatchUNet(block_out_channels=(8, 16, 48), finish_dim=4).eval().requires_grad_(False)
    untrained = unet.predict_v(x_t, t, text)[0]
    plain = copy.deepcopy(unet)
    plain.finisher = None
    torch.testing.assert_close(untrained, plain.predict_v(x_t, t, text)[0])
    unet.finisher.layers[-1].weight.normal_(generator=torch.Generator().manual_seed(2))
    change = unet.predict_v(x_t, t, text)[0] - untrained
    moved = unet.predict_v(x_t.roll(1, dims=3), t, text)[0] - plain.predict_v(x_t.roll(1, dims=3), t, text)[0]
    assert change.abs().mean() > 0.01 and moved.abs().mean() > 0.01
