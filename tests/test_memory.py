"""Memory plans: what they are expected to need, which is chosen, and that each computes the same."""

import pytest
import torch
from accelerate.hooks import CpuOffload
from diffusers import UNet2DConditionModel
from tiny_if import STAGE_1
from toys import seeded

from helpers import memory, models
from helpers.denoisers import guided
from helpers.hub import ModelError
from helpers.memory import GB, Footprint, LiveBytes, Plan, choose_plan, execution_device, expected_peak, footprint
from helpers.models import load_network


@pytest.fixture
def networks(tiny_if):
    return [load_network(folder / "unet") for folder in tiny_if]


# What a network takes


def test_live_bytes_follow_tensors_until_they_are_forgotten():
    with torch.device("meta"), LiveBytes() as live:
        a = torch.ones(1000)
        b = a + 1  # 8000 bytes
        c = b.view(10, 100)  # shares them
        del a
        d = c * 2  # a is gone: 8000 again
        del b, c, d
        torch.zeros(10)
    assert live.peak == 8000


def test_attention_scores_take_no_memory():
    with torch.device("meta"), memory.FusedAttention(), LiveBytes() as live:
        q = torch.ones(1, 1, 100, 8)
        assert torch.nn.functional.scaled_dot_product_attention(q, q, q).shape == q.shape
    assert live.peak == 2 * 4 * 800


def test_a_footprint_is_the_networks_own(networks):
    for network in networks:
        weights, layer, tensors = footprint(type(network), network.config, torch.float16)
        assert weights == sum(2 * p.numel() for p in network.parameters())
        convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
        assert max(2 * m.weight.numel() for m in convolutions) <= layer < weights / 4
        size = network.config.sample_size
        picture = memory.PICTURES * network.config.block_out_channels[0] * size**2 * 2
        assert 3 * picture < tensors < 60 * picture  # skip connections keep several alive, but not all


def test_the_published_sizes_of_if_i_are_those_of_its_architecture():
    """Widths of 704 give the published 4.3 billion weights: STAGE_1 has IF-I-XL's blocks."""
    xl = STAGE_1 | {"block_out_channels": (704, 1408, 2112, 2816), "cross_attention_dim": 2816}
    xl |= {"encoder_hid_dim": 4096, "attention_head_dim": 64, "norm_num_groups": 32, "sample_size": 64}
    with torch.device("meta"):
        weights = sum(p.numel() for p in UNet2DConditionModel(**xl).parameters())
    assert round(weights / 1e9, 1) == 4.3


# Which plan


LARGE, SMALL = Footprint(9 * GB, 0.3 * GB, 2 * GB), Footprint(2 * GB, 0.1 * GB, 4 * GB)


def test_each_plan_is_expected_to_need_less_than_the_one_before():
    peaks = [expected_peak(plan, [LARGE, SMALL]) / GB for plan in Plan]
    assert peaks == [1 + 11 + 4, 1 + 11, 1 + 4.1]


@pytest.mark.parametrize(
    "free, plan", [(24, Plan.ALL), (16, Plan.ALL), (15, Plan.NETWORK), (11, Plan.LAYER), (5.2, Plan.LAYER)]
)
def test_the_fastest_plan_that_fits_is_taken(free, plan):
    assert choose_plan([LARGE, SMALL], free * GB) == plan


def test_a_gpu_that_is_too_small_is_told_what_is_needed():
    with pytest.raises(ModelError, match=r"has 4\.0 GB of free memory; this model needs at least 5\.1 GB.*deepfloyd-m"):
        choose_plan([LARGE, SMALL], 4 * GB)


def test_a_gpus_free_memory_decides_and_a_cpu_is_not_asked(networks, monkeypatch):
    sizes = [footprint(type(network), network.config, torch.float16) for network in networks]
    for plan in Plan:
        free = expected_peak(plan, sizes)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 16 * GB))
        assert models.plan_for(networks, torch.device("cuda")) == plan
    monkeypatch.delattr(torch.cuda, "mem_get_info")
    assert models.plan_for(networks, torch.device("cpu")) == Plan.ALL


# The plans at work (the "GPU" is the CPU, which accelerate's hooks treat alike)


@pytest.fixture
def model(tiny_if, user_cache):
    states = torch.randn(2, 77, 64, generator=seeded())
    stages = models.load_stage(tiny_if[0], models.WANTED_FILES), models.load_stage(tiny_if[1], models.WANTED_FILES_2)
    return models.TextToImage(*stages[0], dict(zip(["", "a dog"], states)), stages[1])


@pytest.mark.parametrize("plan", Plan)
def test_every_plan_computes_the_same(model, plan):
    x_t, low = torch.randn(1, 3, 16, 16, generator=seeded(1)), torch.randn(1, 3, 64, 64, generator=seeded(2))
    text = model.embed("a dog")

    def both():
        first = guided(model.stage_1, 5)(x_t, 500, text).eps
        second = model.stage_2(low, 500, (text, low, torch.tensor([250]))).eps
        return first, second, guided(model.stage_1, 5)(x_t, 500, text).eps

    wanted = [eps.clone() for eps in (model.to("cpu"), both())[1]]
    model.to("cpu", plan)
    assert model.stage_1.device == model.stage_2.device == torch.device("cpu")
    if plan == Plan.LAYER:
        assert {p.device.type for p in model.stage_1.unet.parameters()} == {"meta"}  # kept aside, layer by layer
    for eps, right in zip(both(), wanted):
        torch.testing.assert_close(eps, right, atol=1e-5, rtol=0)
    model.to("cpu")  # and back
    assert {p.device.type for p in model.stage_1.unet.parameters()} == {"cpu"}
    assert torch.equal(both()[0], wanted[0])


def test_one_network_at_a_time_sends_the_other_away(model, monkeypatch):
    model.to("cpu", Plan.NETWORK)
    hooks = [next(h for h in hooks_of(unet) if isinstance(h, CpuOffload)) for unet in model.networks]
    assert hooks[0].prev_module_hook.model is model.networks[1]
    assert hooks[1].prev_module_hook.model is model.networks[0]


def hooks_of(network):
    hook = network._hf_hook
    return getattr(hook, "hooks", [hook])


def test_a_network_computes_where_its_hook_says(networks):
    memory.place(networks, torch.device("meta"), torch.float32, Plan.NETWORK)  # (nothing runs)
    assert next(networks[0].parameters()).device.type == "cpu"
    assert execution_device(networks[0]) == torch.device("meta")
