"""The network on a GPU, all else in main memory: what notebooks hand to it, and what they get. See pretend_gpu."""

import copy
from types import SimpleNamespace

import pytest
import torch
from pretend_gpu import GPU, OnGPU, pretend_gpu, put_on_gpu
from torch.utils.data import TensorDataset
from toys import seeded

from helpers import models, recipes, stages, training
from helpers.data import rectangle_mask
from helpers.denoisers import guided
from helpers.digits import DigitDenoiser, sample_classes, sample_digits
from helpers.editing import inpaint, sdedit
from helpers.if_denoisers import TextDenoiser
from helpers.illusions import anagram, hybrid
from helpers.sampling import denoise, dynamic_threshold, final, sample
from helpers.schedule import NoiseSchedule
from helpers.unet import ClassConditionalUNet, TimeConditionalUNet, one_hot

pytestmark = pytest.mark.usefixtures("one_thread")
TIMESTEPS = [900, 400]


@pytest.fixture(scope="module")
def model(tiny_if):
    """DeepFloyd IF in small, both stages in fp32: 16 pixels, and 64."""
    first = stages.load_stage(tiny_if[0], stages.WANTED_FILES)
    second = stages.load_stage(tiny_if[1], stages.WANTED_FILES_2)
    for network, *_ in (first, second):
        torch.nn.Module.float(network)
    states = torch.randn(3, 77, 64, generator=seeded())
    return models.TextToImage(*first, dict(zip(["", "a dog", "a cat"], states)), second)


@pytest.fixture(scope="module")
def on_gpu(model):
    """The same model with its networks on the GPU."""
    model = copy.deepcopy(model)
    for network in model.networks:
        put_on_gpu(network)
    return model


def image(*shape):
    return torch.rand(1, *shape, generator=seeded(1)) * 2 - 1


def run(steps):
    return final(steps, progress=False)


def options():
    return {"timesteps": TIMESTEPS, "threshold": dynamic_threshold, "generator": seeded(2)}


WAYS = {
    "sample": lambda m, x: run(sample(guided(m.stage_1, 3), m.embed("a dog"), **options())),
    "sdedit": lambda m, x: run(sdedit(guided(m.stage_1, 3), x, m.embed("a dog"), i_start=1, **options())),
    "inpaint": lambda m, x: run(
        inpaint(guided(m.stage_1, 3), x, rectangle_mask(2, 2, 9, 9, 16), m.embed("a dog"), **options())
    ),
    "anagram": lambda m, x: run(
        sample(guided(anagram(m.stage_1, ["identity", "inner_circle"]), 3), tuple(pair(m)), **options())
    ),
    "hybrid": lambda m, x: run(sample(guided(hybrid(m.stage_1, 5), 3), tuple(pair(m)), **options())),
    "a single call": lambda m, x: m.stage_1(x, 500, m.embed("a dog")).eps,
    "upscale": lambda m, x: m.upscale(x, m.embed("a dog"), steps=2, generator=seeded(2)),
}


def pair(model):
    return model.embed(["a dog", "a cat"]).split(1)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@torch.no_grad()
def test_images_from_main_memory_come_back_to_it(model, on_gpu, way):
    x = image(3, 16, 16)
    with pretend_gpu():
        given = way(on_gpu, x)
    assert given.device == x.device and not isinstance(given, OnGPU)
    # not to the last bit: PyTorch 2.4 sums in another order there, and guidance enlarges what that changes
    torch.testing.assert_close(given, way(model, x), atol=1e-4, rtol=0)


@pytest.mark.parametrize("way", ["sample", "anagram", "hybrid", "upscale"])
@torch.no_grad()
def test_a_run_moves_its_text_to_the_gpu_before_the_first_step(on_gpu, way, monkeypatch):
    given, predict = [], TextDenoiser.predict

    def spy(denoiser, sample, t, text, **more):
        given.append(isinstance(text, OnGPU))
        return predict(denoiser, sample, t, text, **more)

    monkeypatch.setattr(TextDenoiser, "predict", spy)
    with pretend_gpu():
        WAYS[way](on_gpu, image(3, 16, 16))
    assert len(given) > 1 and all(given)


@torch.no_grad()
def test_mini_if_computes_there_too():
    model, x = models.load_model("mini-if", "cpu"), image(3, 64, 64)
    with pretend_gpu():
        put_on_gpu(model.stage_1.unet)
        eps, var = model.stage_1(x, 500, model.embed("a photo of a panda"))
    assert eps.device == var.device == x.device and eps.std() > 0.5


DIGITS = {
    "sample_digits": lambda of: sample_digits(of(TimeConditionalUNet), schedule(), 2, generator=seeded()),
    "sample_classes": lambda of: sample_classes(
        of(ClassConditionalUNet), schedule(), one_hot([3, 5]), 5.0, generator=seeded()
    ),
    "sdedit": lambda of: run(
        sdedit(
            DigitDenoiser(of(ClassConditionalUNet), schedule()),
            image(1, 28, 28).abs(),
            one_hot([3]),
            timesteps=[3, 0],
            i_start=1,
            generator=seeded(),
        )
    ),
}


def schedule():
    return NoiseSchedule(torch.linspace(0.1, 0.3, 4))


@pytest.mark.parametrize("way", DIGITS.values(), ids=DIGITS)
def test_a_network_of_digits_may_be_there_as_after_its_training(way, monkeypatch):
    monkeypatch.setattr("helpers.devices.cpu_has_bf16", lambda: False)
    networks = {kind: kind(4).eval() for kind in (TimeConditionalUNet, ClassConditionalUNet)}
    with pretend_gpu():
        given = way(lambda kind: put_on_gpu(copy.deepcopy(networks[kind])))
    assert not isinstance(given, OnGPU)
    torch.testing.assert_close(given, way(networks.get), atol=1e-5, rtol=0)


class Task:
    """As a student may write it: with nothing in it about devices."""

    network = torch.nn.Linear

    def examples(self, x0, labels, generator):
        return (x0 + torch.randn(x0.shape, generator=generator), labels[:, None]), x0


class Elsewhere(torch.nn.Linear):
    def to(self, *args, **kwargs):
        return self


def test_a_task_makes_its_examples_in_main_memory_and_the_network_learns_on_the_gpu(monkeypatch):
    one_gpu = {"device": GPU, "num_processes": 1, "process_index": 0, "is_main_process": True}
    functions = {"prepare_model": lambda network: network, "reduce": lambda loss, how: loss}
    monkeypatch.setattr(training, "new_accelerator", lambda: SimpleNamespace(**one_gpu, **functions))
    given = []

    def learn(network, optimizer, inputs, target):
        given.extend([*inputs, target])
        return torch.tensor(1.0)

    data = TensorDataset(torch.zeros(4, 1, 28, 28), torch.arange(4))
    recipe = recipes.Recipe(Task(), hidden=4, epochs=1, batch_size=2, lr=1e-3)
    with pretend_gpu():
        list(training.train(Elsewhere(1, 1), recipe, data, learn=learn))
        assert len(given) == 6 and all(isinstance(x, OnGPU) for x in given)


@torch.no_grad()
def test_images_on_the_gpu_stay_there(model, on_gpu):
    x_T = torch.randn(1, 3, 16, 16, generator=seeded(3))
    with pretend_gpu():
        steps = list(denoise(on_gpu.stage_1, x_T.to(GPU), TIMESTEPS, model.embed("a dog"), generator=seeded()))
        assert all(isinstance(x, OnGPU) for step in steps for x in (step.x_t, step.eps, step.x0_hat, step.x_s))
        there = steps[-1].x_s.cpu()
    here = run(denoise(model.stage_1, x_T, TIMESTEPS, model.embed("a dog"), generator=seeded()))
    torch.testing.assert_close(there, here, atol=1e-5, rtol=0)


def test_the_pretended_gpu_is_as_strict_as_a_real_one():
    network, x = put_on_gpu(torch.nn.Linear(2, 3)), torch.ones(1, 2)
    with pretend_gpu():
        with pytest.raises(RuntimeError, match="same device"):
            network(x)
        answer = network(x.to(GPU))
        assert (answer.device, answer.cpu().device.type) == (GPU, "cpu")
        with pytest.raises(RuntimeError, match="same device"):
            answer.cpu() + answer
        assert (answer * torch.tensor(2.0)).shape == (1, 3)  # a single number is taken along
        with pytest.raises(RuntimeError, match="same device"):
            torch.ones(3) * torch.tensor(2.0, device=GPU)  # but not to main memory
        assert isinstance(torch.zeros(3, device=GPU).add_(1), OnGPU)
        assert torch.tensor([1.0, 2.0], device=GPU).sum() == 3
