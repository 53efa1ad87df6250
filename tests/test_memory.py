"""Memory plans: what they are expected to need, which is chosen, and that each computes the same."""

import shutil

import pytest
import torch
from diffusers import UNet2DConditionModel
from toys import seeded

from ci.bench.memory_table import CHANNELS, architecture
from helpers import memory, models, stages
from helpers.denoisers import guided
from helpers.hub import ModelError
from helpers.memory import GB, Footprint, LiveBytes, Plan, choose_plan, execution_device, expected_peak, footprint
from helpers.models import load_model
from helpers.prompts import course_prompts, remember
from helpers.stages import load_network


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
        image = memory.IMAGES_PER_CALL * network.config.block_out_channels[0] * size**2 * 2
        assert 3 * image < tensors < 60 * image  # skip connections keep several alive, but not all


@pytest.mark.parametrize(
    "name, millions",
    [("IF-I-M", 371.60), ("IF-I-L", 900), ("IF-I-XL", 4300), ("IF-II-M", 461.06), ("IF-II-L", 1240)],
)
def test_the_architectures_have_as_many_weights_as_others_count(name, millions):
    """ci/bench/memory_table.py says who; to as many digits as they print."""
    with torch.device("meta"):
        weights = sum(p.numel() for p in UNet2DConditionModel(**architecture(name)).parameters())
    assert weights / 1e6 == pytest.approx(millions, rel=0.04 if name == "IF-I-L" else 0.003)
    assert CHANNELS[name][-1] % 64 == 0  # the width of a head


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


def test_while_they_change_places_the_gpu_has_the_weights_of_all():
    assert expected_peak(Plan.NETWORK, [LARGE, LARGE]) / GB == 1 + 9 + 9


def test_a_gpus_free_memory_decides_and_a_cpu_is_not_asked(tiny_if, networks, monkeypatch):
    sizes = [footprint(type(network), network.config, torch.float16) for network in networks]
    for plan in Plan:
        free = expected_peak(plan, sizes)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 16 * GB))
        assert stages.plan_for(tiny_if, torch.device("cuda")) == plan
    monkeypatch.delattr(torch.cuda, "mem_get_info")
    assert stages.plan_for(tiny_if, torch.device("cpu")) == Plan.ALL


# The plans at work (the "GPU" is the CPU, which accelerate's hooks treat alike)


@pytest.fixture
def model(tiny_if, user_cache):
    states = torch.randn(2, 77, 64, generator=seeded())
    first = stages.load_stage(tiny_if[0], stages.WANTED_FILES)
    second = stages.load_stage(tiny_if[1], stages.WANTED_FILES_2)
    return models.TextToImage(*first, dict(zip(["", "a dog"], states)), second)


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
    assert {execution_device(network) for network in model.networks} == {torch.device("cpu")}
    if plan == Plan.LAYER:
        assert {p.device.type for p in model.stage_1.unet.parameters()} == {"meta"}  # kept aside, layer by layer
    for eps, right in zip(both(), wanted):
        torch.testing.assert_close(eps, right, atol=1e-5, rtol=0)
    model.to("cpu")  # and back
    assert {p.device.type for p in model.stage_1.unet.parameters()} == {"cpu"}
    assert torch.equal(both()[0], wanted[0])


class Network(torch.nn.Linear):
    """It notes in `moves` where it is sent, and believes to be there."""

    def __init__(self, name, moves):
        super().__init__(1, 1)
        self.name, self.moves = name, moves

    def to(self, device):
        self.moves.append(f"{self.name} to {torch.device(device).type}")
        return super().to(device)

    def parameters(self, recurse=True):
        there = [move.split()[-1] for move in self.moves if move.startswith(self.name)]
        return iter([torch.empty(1, device="meta" if there and there[-1] == "meta" else "cpu")])


def test_one_network_at_a_time_comes_before_the_other_goes(monkeypatch):
    """So that main memory never holds both. (The "GPU" is the meta device, from which nothing comes back by itself.)"""
    monkeypatch.setattr(torch.nn.Linear, "to", lambda network, device: network)
    moves, gpu = [], torch.device("meta")
    networks = [Network("I", moves), Network("II", moves)]
    hooks = [memory.OneAtATime(gpu, [other for other in networks if other is not network]) for network in networks]
    for i in (0, 0, 1, 1, 0):
        hooks[i].pre_forward(networks[i])
    assert moves == ["I to meta", "II to meta", "I to cpu", "I to meta", "II to cpu"]


def test_the_first_network_leaves_main_memory_before_the_second_is_loaded(tiny_if, user_cache, tmp_path, monkeypatch):
    folder = shutil.copytree(tiny_if[0], tmp_path / "both")
    shutil.copytree(tiny_if[1], folder / stages.STAGE_2)
    remember(dict.fromkeys(course_prompts(), torch.zeros(77, 64)), folder)
    loaded, where = [], []

    def spy(unet_folder):
        where.append([execution_place(network) for network in loaded])
        loaded.append(load_network(unet_folder))
        return loaded[-1]

    monkeypatch.setattr(stages, "load_network", spy)
    monkeypatch.setattr(models, "choose_device", lambda device: torch.device("meta"))  # the "GPU"
    for plan, there in ((Plan.ALL, "meta"), (Plan.NETWORK, "meta"), (Plan.LAYER, "cpu")):
        loaded.clear(), where.clear()
        monkeypatch.setattr(models, "plan_for", lambda *_, plan=plan: plan)
        monkeypatch.setattr(models.TextToImage, "to", lambda model, *_: model)  # (from meta, nothing comes back)
        load_model(folder)
        assert where == [[], [there]], plan


def execution_place(network):
    """Where a network's weights are; accelerate keeps those of its layers aside."""
    hook = getattr(network.conv_in, "_hf_hook", None)
    return next(network.parameters()).device.type if hook is None else hook.weights_map["weight"].device.type


def test_a_network_computes_where_its_hook_says(networks):
    memory.place_networks(networks, torch.device("meta"), torch.float32, Plan.NETWORK)  # (nothing runs)
    assert [next(network.parameters()).device.type for network in networks] == ["meta", "cpu"]
    assert execution_device(networks[1]) == torch.device("meta")
