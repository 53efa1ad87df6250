"""Part C's digits: the UNet that time scales, what flow networks learn, and sampling with them."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch.utils.data import TensorDataset
from toys import seeded

from helpers import digits, training
from helpers.denoisers import guided
from helpers.digits import FlowDigitDenoiser, sample_flow, sample_flow_classes
from helpers.editing import inpaint
from helpers.flow import euler_step, to_flow
from helpers.recipes import RECIPES, flow_class, flow_time, quick_flow_class, quick_flow_time
from helpers.results import load_unet, save_unet
from helpers.sampling import final, sample
from helpers.schedule import NoiseSchedule
from helpers.tasks import FlowClass, FlowTime
from helpers.training import train
from helpers.unet import ClassConditionalUNet, TimeScaledUNet, one_hot

pytestmark = pytest.mark.usefixtures("one_thread")
FLOW = NoiseSchedule.flow(20)


@pytest.fixture
def fp32(monkeypatch):
    for module in (digits, training):
        monkeypatch.setattr(module, "bf16_autocast", lambda device: nullcontext())


@pytest.fixture
def by_time():
    return replace(flow_time, hidden=2).new_network().eval()


@pytest.fixture
def by_class():
    return replace(flow_class, hidden=2).new_network().eval()


def images(count=3):
    return torch.rand(count, 1, 28, 28, generator=seeded(1))


# ---- the network


@torch.no_grad()
def test_time_scales_the_way_up(by_time):
    z, u01 = torch.randn(3, 1, 28, 28, generator=seeded()), torch.tensor([[0.0], [0.3], [1.0]])
    assert torch.equal(by_time(z, u01), by_time.wire(z, c1=by_time.t1(u01), c2=by_time.t2(u01)))
    scaled = by_time.t1(u01) * by_time.unflatten(torch.ones(3, 4, 1, 1))
    assert scaled.shape == (3, 4, 7, 7)
    assert not torch.equal(by_time(z, u01), by_time.wire(z, t1=by_time.t1(u01), t2=by_time.t2(u01)))


@pytest.mark.parametrize("u01", [torch.tensor([[0.5], [1.5], [0.0]]), torch.tensor([[0.5], [-0.5], [0.0]])])
def test_a_flow_time_outside_0_to_1_is_refused(by_time, u01):
    with pytest.raises(ValueError, match=r"u01 has values from .*; wanted \[0, 1\]"):
        by_time(torch.zeros(3, 1, 28, 28), u01)


def test_its_weights_come_back_from_a_file(by_time, tmp_path):
    save_unet(by_time, tmp_path / "weights.safetensors")
    again = load_unet(tmp_path / "weights.safetensors")
    assert type(again) is TimeScaledUNet
    assert all(torch.equal(value, by_time.state_dict()[name]) for name, value in again.state_dict().items())


# ---- what it learns


@pytest.mark.parametrize("recipe", [quick_flow_time, quick_flow_class], ids=["time", "class"])
def test_by_the_quick_recipes_a_network_starts_as_minus_its_input(recipe):
    network = replace(recipe, hidden=4).new_network()  # in training mode: BatchNorm scales by this batch
    z, u01 = torch.randn(8, 1, 28, 28, generator=seeded()), torch.rand(8, 1, generator=seeded())
    v = network(z, u01, one_hot(range(8))) if recipe is quick_flow_class else network(z, u01)
    assert torch.corrcoef(torch.stack([v.flatten(), z.flatten()]))[0, 1].item() == pytest.approx(-1, abs=1e-3)


def test_the_target_is_the_velocity_at_a_time_of_its_own_for_each_image():
    x0 = images(2000)[:, :, :2, :2]
    (z, u01), v = FlowTime().examples(x0, torch.zeros(2000), seeded(2))
    assert z.shape == v.shape == x0.shape and u01.shape == (2000, 1)
    u, eps = u01[..., None, None], x0 - v
    torch.testing.assert_close(z, u * x0 + (1 - u) * eps, atol=1e-6, rtol=0)
    assert abs(eps.mean()) < 4 / 8000**0.5 and abs(eps.std() - 1) < 4 / 16000**0.5  # four standard errors
    counts = torch.histc(u01, 10, 0, 1)
    assert u01.min() >= 0 and u01.max() < 1 and (counts - 200).abs().max() < 60  # √(2000 · 0.1 · 0.9) is 13


def test_classes_are_dropped_image_by_image():
    labels = torch.arange(4000) % 10
    (z, _u01, c), _v = FlowClass(p_uncond=0.1).examples(torch.zeros(4000, 1, 2, 2), labels, seeded(3))
    dropped = c.sum(dim=1) == 0
    assert torch.equal(c[~dropped], one_hot(labels)[~dropped])
    assert abs(dropped.float().mean() - 0.1) < 4 * (0.1 * 0.9 / 4000) ** 0.5
    (same, _), _ = FlowTime().examples(torch.zeros(4000, 1, 2, 2), labels, seeded(3))
    assert torch.equal(z, same)


@pytest.mark.parametrize(
    "labels, sentence", [(torch.zeros(2).long(), "wanted one for each of 3"), ([1, 2, 3], "wanted a")]
)
def test_labels_that_do_not_fit_are_refused(labels, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        FlowClass().examples(images(), labels, seeded())


def test_the_courses_numbers():
    for recipe in (flow_time, flow_class):
        assert (recipe.hidden, recipe.batch_size, recipe.epochs, recipe.lr) == (64, 64, 10, 1e-2)
    assert flow_class.task.p_uncond == 0.1
    assert {name for name in RECIPES if name.startswith("flow")} == {
        "flow-time", "flow-class", "flow-time-faster", "flow-class-faster", "flow-time-quick", "flow-class-quick"
    }  # fmt: skip
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1e-2)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1 ** (1 / 10))
    for epoch in range(10):
        assert flow_time.learning_rate(epoch + 0.5) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("name", ["flow-time", "flow-class"])
def test_the_loss_is_that_of_the_courses_loop(name, fp32):
    """The course's training, as a student writes it: fp32, a plain loop, torch's own decay of the learning rate."""
    recipe = replace(RECIPES[name], hidden=2, epochs=2, batch_size=8)
    data = TensorDataset(images(19), torch.arange(19) % 10)
    losses = torch.tensor([step.loss for step in train(recipe.new_network(), recipe, data, seed=5)])

    unet, generator = recipe.new_network(), seeded(5)
    optimizer = torch.optim.Adam(unet.parameters(), lr=1e-2)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1 ** (1 / 2))
    wanted = []
    for _epoch in range(2):
        order = torch.randperm(19, generator=generator)
        for i in (0, 8):
            x1, y = (tensor[order[i : i + 8]] for tensor in data.tensors)
            t = torch.rand(8, generator=generator)[:, None]
            x0 = torch.randn(x1.shape, generator=generator)
            given = [(1 - t[..., None, None]) * x0 + t[..., None, None] * x1, t]
            if name == "flow-class":
                c = torch.eye(10)[y]
                c[torch.rand(8, 1, generator=generator)[:, 0] < 0.1] = 0
                given.append(c)
            loss = ((unet(*given) - (x1 - x0)) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            wanted.append(loss.item())
        decay.step()
    torch.testing.assert_close(losses, torch.tensor(wanted), atol=1e-5, rtol=1e-4)


# ---- the adapter, and sampling


@torch.no_grad()
def test_the_network_is_asked_for_the_velocity_at_z_and_u(by_time, by_class, fp32):
    x_t, c = torch.randn(3, 1, 28, 28, generator=seeded()), one_hot([3, 0, 7])
    for unet, cond, more in ((by_time, (), ()), (by_class, c, (c,))):
        for t in (19, 7, 0):
            prediction = FlowDigitDenoiser(unet, FLOW)(x_t, t, cond)
            z, u = to_flow(x_t, t, FLOW)
            v = unet(z, u.expand(3, 1), *more)
            assert prediction.var is None
            torch.testing.assert_close(prediction.x0 - prediction.eps, v, atol=1e-5, rtol=0)
            torch.testing.assert_close(u * prediction.x0 + (1 - u) * prediction.eps, z, atol=1e-5, rtol=0)


@torch.no_grad()
def test_batchnorm_never_trains_while_sampling(by_time):
    by_time.train()
    before = {name: value.clone() for name, value in by_time.state_dict().items()}
    sample_flow(by_time, 2, 3, generator=seeded())
    assert by_time.training and all(torch.equal(value, before[name]) for name, value in by_time.state_dict().items())


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 3, 7])
def test_sampling_is_the_courses_algorithm(by_time, by_class, fp32, steps):
    x, c = torch.randn(2, 1, 28, 28, generator=seeded()), one_hot([4, 9])
    plain, classes = x, x
    for i in range(steps):
        t = torch.full((2, 1), i / steps)
        plain = plain + by_time(plain, t) / steps
        v_u, v_c = by_class(classes, t, 0 * c), by_class(classes, t, c)
        classes = classes + (v_u + 5 * (v_c - v_u)) / steps
    torch.testing.assert_close(sample_flow(by_time, 2, steps, generator=seeded()), plain, atol=2e-5, rtol=1e-4)
    ours = sample_flow_classes(by_class, c, 5.0, steps, generator=seeded())
    torch.testing.assert_close(ours, classes, atol=1e-4, rtol=1e-3)


def test_a_flow_of_digits_in_the_loop_guided_and_inpainted(by_class):
    denoiser, c, mask = (
        guided(FlowDigitDenoiser(by_class, FLOW), 5.0, interval=(4, 15)),
        one_hot([1]),
        torch.zeros(28, 28),
    )
    mask[:14] = 1
    timesteps = range(19, -1, -1)
    assert final(sample(denoiser, c, timesteps=timesteps, generator=seeded()), progress=False).isfinite().all()
    x0 = images(1)
    steps = inpaint(denoiser, x0, mask, c, timesteps=timesteps, step=euler_step, generator=seeded())
    assert torch.equal(final(steps, progress=False)[..., 14:, :], x0[..., 14:, :])


@pytest.mark.parametrize("schedule", [NoiseSchedule.linear(300), NoiseSchedule.linear(20)])
def test_a_schedule_without_its_end_is_refused(by_time, schedule):
    with pytest.raises(ValueError, match=r"schedule ends at u = 0\.\d+, .*; wanted one that ends in pure noise"):
        FlowDigitDenoiser(by_time, schedule)
    FlowDigitDenoiser(by_time, NoiseSchedule.cosine())  # ends at u = 5e-5


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: sample_flow(TimeScaledUNet(1), 2, 0), "steps is 0; wanted 1 to 2000"),
        (lambda: sample_flow(TimeScaledUNet(1), 2, 3000), "steps is 3000; wanted 1 to 2000"),
        (lambda: sample_flow(TimeScaledUNet, 2), "unet is the class TimeScaledUNet; wanted a network"),
        (lambda: sample_flow(TimeScaledUNet(1), 0), "batch_size is 0; wanted at least 1"),
        (lambda: sample_flow(ClassConditionalUNet(1), 2, 1), r"takes \(x, t01, c\); it is given 2 arguments"),
        (lambda: sample_flow_classes(ClassConditionalUNet(1), 3, 5.0), "c is 3; wanted one-hot classes"),
        (lambda: sample_flow_classes(ClassConditionalUNet(1), one_hot([3]), 5.0, 0), "steps is 0; wanted 1 to 2000"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call()
