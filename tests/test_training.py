"""Part B's training loop: against a loop written a second time, through kill -9, and on a full disk."""

import json
import random
import time
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice

import pytest
import torch
from processes import launch_two, start
from safetensors.torch import load_file
from torch.utils.data import TensorDataset

from helpers import processes, results, training
from helpers.checkpoints import LOCK, RESUME, TrainingError, read_tensors, write_tensors
from helpers.data import DataError
from helpers.devices import bf16_autocast
from helpers.recipes import RECIPES, Annealed, class_conditional, one_step
from helpers.results import Result, load_result, load_unet, save_result, save_unet
from helpers.schedule import NoiseSchedule
from helpers.tasks import ClassConditional, OneStep, TimeConditional, add_noise
from helpers.training import loss_history, train, training_folder
from helpers.unet import ClassConditionalUNet, TimeConditionalUNet, UnconditionalUNet, one_hot

COURSE = ["one-step", "time-conditional", "class-conditional"]
SMALL = {"hidden": 2, "epochs": 3, "batch_size": 8}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(n: int = 35) -> TensorDataset:
    return TensorDataset(torch.rand(n, 1, 28, 28, generator=seeded(3)), torch.arange(n) % 10)


@pytest.fixture
def fp32(monkeypatch):
    monkeypatch.setattr(training, "bf16_autocast", lambda device: nullcontext())


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def written(folder) -> list[str]:
    """The files of a run's folder, without its lock."""
    return sorted(file.name for file in folder.iterdir() if file.name != LOCK)


def assert_same_run(a, b):
    """Two runs' resume files agree to the last bit, in everything."""
    a, b = load_file(a / RESUME), load_file(b / RESUME)
    assert a.keys() == b.keys()
    assert not [name for name in a if not torch.equal(a[name], b[name])]


# ---- what is learned


def loop_of_the_course(name, data, seed):
    """The course's training, as a student writes it: fp32, a plain loop, torch's own schedule of the learning rate."""
    recipe = replace(RECIPES[name], **SMALL)
    unet, generator = recipe.new_network(), seeded(seed)
    optimizer = torch.optim.Adam(unet.parameters(), lr=1e-4 if name == "one-step" else 1e-3)
    gamma = 1 if name == "one-step" else 0.1 ** (1 / 3)  # 3 epochs here
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    abar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 300), 0)
    images, labels = data.tensors
    losses = []
    for _epoch in range(3):
        order = torch.randperm(35, generator=generator)
        for i in range(0, 32, 8):
            x, y = images[order[i : i + 8]], labels[order[i : i + 8]]
            if name == "one-step":
                loss = ((unet(x + 0.5 * torch.randn(x.shape, generator=generator)) - x) ** 2).mean()
            else:
                t = torch.randint(0, 300, (8,), generator=generator)
                eps = torch.randn(x.shape, generator=generator)
                a = abar[t].reshape(8, 1, 1, 1)
                given = [a.sqrt() * x + (1 - a).sqrt() * eps, t.reshape(8, 1) / 300]
                if name == "class-conditional":
                    c = torch.eye(10)[y]
                    c[torch.rand(8, 1, generator=generator)[:, 0] < 0.1] = 0
                    given.append(c)
                loss = ((unet(*given) - eps) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        decay.step()
    return torch.tensor(losses)


@pytest.mark.parametrize("name", COURSE)
def test_the_loss_is_that_of_the_courses_loop(name, fp32):
    recipe = replace(RECIPES[name], **SMALL)
    steps = list(train(recipe.new_network(), recipe, digits(), seed=5))
    assert [(s.epoch, s.step, s.steps) for s in steps] == [(e, i, 4) for e in (1, 2, 3) for i in (1, 2, 3, 4)]
    assert [s.epoch_done for s in steps] == [False, False, False, True] * 3
    losses = torch.tensor([s.loss for s in steps])
    torch.testing.assert_close(losses, loop_of_the_course(name, digits(), seed=5), atol=1e-5, rtol=1e-4)


def test_the_courses_recipes():
    for recipe in RECIPES.values():
        unet = recipe.new_network()
        assert type(unet) is recipe.task.network and unet.hidden == recipe.hidden
    assert (one_step.hidden, one_step.epochs, one_step.batch_size, one_step.lr) == (128, 5, 256, 1e-4)
    assert one_step.learning_rate(4) == 1e-4
    r = class_conditional
    assert (r.hidden, r.epochs, r.batch_size, r.task.T, r.task.p_uncond) == (64, 20, 128, 300, 0.1)
    wanted = [1e-3 * 0.1 ** (epoch / 20) for epoch in range(20)]
    assert [r.learning_rate(epoch) for epoch in range(20)] == pytest.approx(wanted)


def test_an_annealed_rate_rises_and_falls_to_nothing():
    recipe = Annealed(OneStep(), hidden=1, epochs=4, batch_size=1, lr=0.5)
    rates = [recipe.learning_rate(epoch) for epoch in (0.0, 0.1, 0.2, 2.0, 3.99)]
    assert rates[0] == 0 and rates[1] == pytest.approx(0.25)  # half-way up after a fortieth of the training
    assert 0.45 < rates[2] < 0.5
    assert rates[3] == pytest.approx(0.25)  # half-way down in the middle
    assert 0 < rates[4] < 1e-4


def test_the_rate_reaches_the_optimizer():
    recipe = Annealed(OneStep(), hidden=1, epochs=1, batch_size=1, lr=0.5)
    still = replace(recipe, lr=0.0)
    moved = []
    for r in (recipe, still):
        network = r.new_network()
        before = network.conv_out[1].weight.clone()
        list(train(network, r, digits(5)))
        moved.append((network.conv_out[1].weight - before).abs().max().item())
    assert moved[0] > 0.01 and moved[1] == 0


@pytest.mark.parametrize("name", COURSE)
def test_the_shipped_results(name):
    result = load_result(name)
    assert result.losses.isfinite().all() and len(result.losses) % result.steps == 0
    assert result.samples and not result.network.training
    for images in result.samples.values():
        assert images.shape[1:] == (1, 28, 28) and images.min() >= 0 and images.max() <= 1


def test_a_result_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    network = TimeConditionalUNet(2)
    samples = {1: torch.rand(3, 1, 28, 28), 20: 3 * torch.rand(3, 1, 28, 28)}  # beyond 1: clamped, as when shown
    save_result(Result(network, "a test", torch.rand(6), 3, samples), "time-conditional")
    result = load_result("time-conditional")
    assert (result.recipe, result.steps, list(result.samples)) == ("a test", 3, [1, 20])
    for epoch, images in samples.items():
        assert (result.samples[epoch] - images.clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6
    for name, weights in network.state_dict().items():
        assert weights.dtype != torch.float16  # the network that was saved stays as it was
        torch.testing.assert_close(result.network.state_dict()[name], weights, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="no result 'class-conditional'; wanted one of time-conditional"):
        load_result("class-conditional")


def test_a_network_depends_on_its_seed_only():
    state = torch.get_rng_state()
    a, b, c = (replace(class_conditional, hidden=1).new_network(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(a.conv_in[0][0].weight, b.conv_in[0][0].weight)
    assert not torch.equal(a.conv_in[0][0].weight, c.conv_in[0][0].weight)


def test_the_noise_is_fresh_in_every_batch():
    x0, labels = digits(4).tensors
    for task in (OneStep(), TimeConditional(), ClassConditional()):
        generator = seeded()
        (first, *_), _ = task.examples(x0, labels, generator)
        (second, *_), _ = task.examples(x0, labels, generator)
        assert ((first - second).abs() > 1e-4).float().mean() > 0.99


def test_one_class_in_ten_is_dropped_as_a_whole():
    labels = torch.arange(20_000) % 10
    (_, _, c), _ = ClassConditional().examples(torch.rand(20_000, 1, 1, 1), labels, seeded())
    kept = c.sum(1)
    assert set(kept.tolist()) == {0, 1}
    assert abs((kept == 0).float().mean() - 0.1) < 0.01
    assert torch.equal(c[kept == 1], one_hot(labels)[kept == 1])


def test_every_timestep_is_drawn_equally_often():
    (_, t01), _ = TimeConditional(T=5).examples(torch.rand(10_000, 1, 1, 1), None, seeded())
    values, counts = t01.unique(return_counts=True)
    torch.testing.assert_close(values, torch.tensor([0, 0.2, 0.4, 0.6, 0.8]))
    assert (counts - 2000).abs().max() < 200


def test_emphasis_draws_noisy_timesteps_more_often():
    task = ClassConditional(T=300, emphasis=0.5)
    abar = NoiseSchedule.linear(300).alphas_cumprod
    t = task.timesteps(300_000, seeded())
    share = torch.bincount(t, minlength=300).double() / len(t)
    wanted = (1 / abar.double().sqrt()) / (1 / abar.double().sqrt()).sum()
    assert (t.min(), t.max()) == (0, 299)
    assert ((share[:30].sum() - wanted[:30].sum()).abs() < 0.003) and (share[-30:].sum() > 3 * share[:30].sum())
    torch.testing.assert_close(share[-30:].sum(), wanted[-30:].sum(), atol=0.003, rtol=0)
    with pytest.raises(ValueError, match="emphasis is -1"):
        TimeConditional(emphasis=-1)


@pytest.mark.parametrize("batch_size, momentum", [(256, 0.1), (128, 0.1), (16, 0.0125)])
def test_running_means_end_over_many_images(batch_size, momentum):
    recipe = replace(class_conditional, batch_size=batch_size)
    assert [recipe.momentum(0), recipe.momentum(10_000)] == [0.1, momentum]


def test_running_means_forget_where_they_began_in_a_short_training():
    data = digits(70 * 4)
    recipe = replace(one_step, hidden=2, epochs=1, batch_size=4)  # 70 small steps
    network = recipe.new_network()
    network.unflatten[1].running_var.fill_(1e6)
    for _ in train(network, recipe, data):
        pass
    assert network.unflatten[1].running_var.max() < 0.01 * 1e6


def test_add_noise():
    x0 = digits(2).tensors[0]
    noise = torch.randn(x0.shape, generator=seeded())
    assert torch.equal(add_noise(x0, 0), x0)
    torch.testing.assert_close(add_noise(x0, 0.4, noise=noise), x0 + 0.4 * noise)
    assert torch.equal(add_noise(x0, 0.4, generator=seeded()), add_noise(x0, 0.4, noise=noise))


def test_sampling_between_two_steps_does_not_change_what_is_learned(fp32):
    recipe = replace(class_conditional, **SMALL)
    unet = recipe.new_network()
    losses = [(unet.eval(), torch.randn(3), s.loss)[2] for s in train(unet, recipe, digits())]
    assert losses == [s.loss for s in train(recipe.new_network(), recipe, digits())]


# ---- going on


@pytest.mark.parametrize("stop_after", [1, 4, 7])
def test_a_stopped_run_goes_on_to_the_same_bits(stop_after, tmp_path):
    recipe = replace(class_conditional, **SMALL)
    whole = [s.loss for s in train(recipe.new_network(), recipe, digits(), folder=tmp_path / "whole")]
    first = train(recipe.new_network(), recipe, digits(), folder=tmp_path / "parts", save_every=0)
    losses = [s.loss for s in islice(first, stop_after)]
    losses += [s.loss for s in train(recipe.new_network(9), recipe, digits(), folder=tmp_path / "parts")]
    assert losses == whole == loss_history(tmp_path / "parts").tolist()
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    assert written(tmp_path / "parts") == [
        "epoch-01.safetensors",
        "epoch-02.safetensors",
        "epoch-03.safetensors",
        RESUME,
    ]


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    recipe = replace(class_conditional, **SMALL, task=ClassConditional(T=10))
    unet = recipe.new_network()
    list(train(unet, recipe, digits(), folder=tmp_path))
    again = recipe.new_network(1)
    assert list(train(again, recipe, digits(), folder=tmp_path)) == []
    assert all(torch.equal(a, b) for a, b in zip(unet.state_dict().values(), again.state_dict().values()))


def test_notebooks_share_a_training(tmp_path, capsys):
    recipe = replace(class_conditional, **SMALL)
    folder = training_folder(tmp_path / "run", recipe, digits(), seed=1)
    assert folder == tmp_path / "run"
    half = islice(train(recipe.new_network(), recipe, digits(), folder=folder, seed=1, save_every=0), 6)
    assert len(list(half)) == 6
    assert training_folder(tmp_path / "run", recipe, digits(), seed=1) == folder  # to be resumed
    assert len(list(train(recipe.new_network(), recipe, digits(), folder=folder, seed=1))) == 6
    assert training_folder(tmp_path / "run", recipe, digits(), seed=1) == folder  # finished
    assert list(train(recipe.new_network(), recipe, digits(), folder=folder, seed=1)) == []
    assert capsys.readouterr().out == ""


def other_recipe(folder):
    return {"recipe": replace(class_conditional, **SMALL, lr=0.5)}, "its recipe is"


def other_seed(folder):
    return {"seed": 2}, "its seed is 0; wanted 2"


def other_data(folder):
    return {"data": digits(36)}, "its data is 35"


def cut_off(folder):
    (folder / RESUME).write_bytes((folder / RESUME).read_bytes()[:1000])
    return {}, "damaged or half written"


def a_flipped_byte(folder):
    content = bytearray((folder / RESUME).read_bytes())
    content[-1] ^= 1
    (folder / RESUME).write_bytes(content)
    return {}, "differs from its checksum"


def of_an_older_kit(folder):
    tensors, about = read_tensors(folder / RESUME)
    del tensors["counters"]
    write_tensors(tensors, folder / RESUME, about)
    return {}, "does not fit"


@pytest.mark.parametrize(
    "change", [other_recipe, other_seed, other_data, cut_off, a_flipped_byte, of_an_older_kit], ids=lambda f: f.__name__
)
def test_a_training_that_cannot_be_shared_is_reported_and_kept(change, tmp_path, capsys):
    asked = {"recipe": replace(class_conditional, **SMALL), "data": digits(), "seed": 0}
    first = tmp_path / "run"
    list(train(asked["recipe"].new_network(), asked["recipe"], asked["data"], folder=first))
    changes, message = change(first)
    asked |= changes
    content = (first / RESUME).read_bytes()
    folder = training_folder(first, **asked)
    printed = capsys.readouterr().out
    assert folder == tmp_path / "run-2" and message in printed and str(first) in printed
    assert len(list(train(asked["recipe"].new_network(), folder=folder, **asked))) >= 12  # trained anew
    assert training_folder(first, **asked) == folder  # and the next notebook takes that
    assert (first / RESUME).read_bytes() == content


def test_without_a_folder_to_write_to_there_is_a_temporary_one(tmp_path, capsys):
    recipe = replace(class_conditional, **SMALL)
    (tmp_path / "file").write_text("no folder")
    folder = training_folder(tmp_path / "file" / "run", recipe, digits())
    assert folder.is_dir() and tmp_path not in folder.parents
    assert "cannot be made" in capsys.readouterr().out


LONG = replace(class_conditional, hidden=4, epochs=4, batch_size=16)


def train_in_a_process(folder):
    torch.set_num_threads(1)
    list(train(LONG.new_network(), LONG, digits(160), folder=folder, save_every=0))


def test_killed_three_times_it_ends_with_the_same_bits(tmp_path):
    whole = start(train_in_a_process, tmp_path / "whole")
    killed, file = tmp_path / "killed", tmp_path / "killed" / RESUME
    chance, kills = random.Random(), 0
    for _ in range(3):
        process = start(train_in_a_process, killed)
        before = file.stat().st_mtime_ns if file.exists() else 0
        while process.is_alive() and not (file.exists() and file.stat().st_mtime_ns > before):
            time.sleep(0.005)  # until it has done a step of its own
        time.sleep(chance.uniform(0, 0.1))
        kills += process.is_alive()
        process.kill()
        process.join()
    assert kills, "every run had ended before it could be killed"
    last = start(train_in_a_process, killed)
    for process in (last, whole):
        process.join()
        assert process.exitcode == 0
    assert_same_run(tmp_path / "whole", killed)
    for epoch in range(1, 5):
        a, b = (load_file(f / f"epoch-{epoch:02d}.safetensors") for f in (tmp_path / "whole", killed))
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_training_in_use_by_another_process_is_not_waited_for(tmp_path, capsys):
    process = start(train_in_a_process, tmp_path / "run")
    while not (tmp_path / "run" / RESUME).exists():
        time.sleep(0.005)
    assert training_folder(tmp_path / "run", LONG, digits(160)) == tmp_path / "run-2"
    assert "another process" in capsys.readouterr().out
    process.kill()
    process.join()


# ---- several processes


def train_small(folder):
    training.bf16_autocast = lambda device: nullcontext()
    recipe = replace(class_conditional, **SMALL)
    list(train(recipe.new_network(), recipe, digits(), folder=folder))


def test_two_processes_learn_what_one_does(tmp_path, fp32):
    """Equal losses for equal global batches: the same noise, and BatchNorm over both shares together."""
    launch_two(train_small, tmp_path)
    recipe = replace(class_conditional, **SMALL)
    losses = [s.loss for s in train(recipe.new_network(), recipe, digits())]
    torch.testing.assert_close(loss_history(tmp_path), torch.tensor(losses), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("asked, on_cpu", [(None, True), ("mps", False)])
def test_apples_gpu_trains_only_when_asked(asked, on_cpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("ACCELERATE_TORCH_DEVICE", raising=False)
    if asked:
        monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", asked)
    monkeypatch.setattr(processes, "Accelerator", lambda cpu, mixed_precision: cpu)
    assert processes.new_accelerator() is on_cpu


# ---- what goes wrong


@pytest.mark.parametrize(
    "change, what",
    [
        ({"recipe": {"hidden": 3}}, "recipe is .*hidden=2.*; wanted .*hidden=3"),
        ({"recipe": {"epochs": 4}}, "recipe is .*epochs=3.*; wanted .*epochs=4"),
        ({"seed": 1}, "seed is 0; wanted 1"),
        ({"data": digits(40)}, "data is 35 images, .*; wanted 40 images"),
        ({"data": TensorDataset(digits().tensors[0], torch.zeros(35, dtype=torch.int64))}, "data is 35 images"),
    ],
)
def test_the_folder_of_another_run_is_refused_and_kept(change, what, tmp_path):
    recipe = replace(class_conditional, **SMALL)
    next(train(recipe.new_network(), recipe, digits(), folder=tmp_path, save_every=0))
    before = (tmp_path / RESUME).read_bytes()
    recipe = replace(recipe, **change.get("recipe", {}))
    with pytest.raises(TrainingError, match=f"belongs to another run: its {what}"):
        train(recipe.new_network(), recipe, change.get("data", digits()), folder=tmp_path, seed=change.get("seed", 0))
    assert (tmp_path / RESUME).read_bytes() == before


@pytest.mark.parametrize("keep", [0, 5, 1000, -1])
def test_a_half_written_checkpoint_is_refused(keep, tmp_path):
    recipe = replace(class_conditional, **SMALL)
    next(train(recipe.new_network(), recipe, digits(), folder=tmp_path, save_every=0))
    file = tmp_path / RESUME
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(TrainingError, match=r"resume\.safetensors is damaged or half written"):
        train(recipe.new_network(), recipe, digits(), folder=tmp_path)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path):
    recipe = replace(class_conditional, **SMALL)
    steps = train(recipe.new_network(), recipe, digits(), folder=tmp_path, save_every=0)
    next(steps)
    before = (tmp_path / RESUME).read_bytes()
    resource = pytest.importorskip("resource")  # Windows has no such limit
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # no file may grow beyond that
    try:
        with pytest.raises(TrainingError, match=r"resume\.safetensors cannot be written: .*The old one is intact"):
            next(steps)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert written(tmp_path) == [RESUME]
    assert (tmp_path / RESUME).read_bytes() == before
    assert len(list(train(recipe.new_network(), recipe, digits(), folder=tmp_path))) == 11  # one step was done


@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    recipe = replace(class_conditional, **SMALL, lr=1e30)
    steps = train(recipe.new_network(), recipe, digits(), folder=tmp_path, save_every=0)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) in epoch 1, step \d; .*A smaller learning rate"):
        list(steps)
    assert all(
        torch.isfinite(value).all() for value in load_file(tmp_path / RESUME).values() if value.is_floating_point()
    )


class Poisoned(torch.nn.Module):
    """Its answer is finite, its gradient is not: the weights are spoilt a step before the loss shows it."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.weight.sqrt()


def test_spoilt_weights_are_never_saved(tmp_path):
    with pytest.raises(TrainingError, match=r"the weights are no longer finite after .*No checkpoint was saved"):
        list(train(Poisoned(), replace(one_step, **SMALL), digits(), folder=tmp_path, save_every=0))
    assert written(tmp_path) == []


def bad(**changes):
    return replace(class_conditional, **{**SMALL, **changes})


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: add_noise(torch.rand(1, 1, 28, 28), -0.1), "sigma is -0.1; wanted 0 to inf"),
        (lambda: add_noise(torch.rand(1, 1, 28, 28) * 255, 0.1), r"x0 has values .*; wanted \[0, 1\]"),
        (lambda: OneStep(sigma=-1), "sigma is -1"),
        (lambda: TimeConditional(T=0), "T is 0; wanted at least 1"),
        (lambda: NoiseSchedule.linear(0), "T is 0; wanted at least 1"),
        (lambda: ClassConditional(p_uncond=1.5), "p_uncond is 1.5; wanted 0 to 1"),
        (lambda: bad(hidden=0), "hidden is 0"),
        (lambda: bad(epochs=0), "epochs is 0"),
        (lambda: bad(batch_size=0), "batch_size is 0"),
        (lambda: bad(lr=float("nan")), "lr is nan"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "data, error, message",
    [
        (digits(7), DataError, "batch_size is 8, but there are only 7 images"),
        (torch.rand(9, 1, 28, 28), TypeError, "wanted a TensorDataset of images and labels"),
        (TensorDataset(digits().tensors[0] * 255, digits().tensors[1]), ValueError, r"wanted \[0, 1\]"),
        (TensorDataset(digits().tensors[0] * 2 - 1, digits().tensors[1]), ValueError, r"wanted \[0, 1\]"),
        (TensorDataset(digits().tensors[0], digits().tensors[1] + 1), ValueError, "labels run from 1 to 10"),
        (TensorDataset(digits().tensors[0], digits().tensors[1] - 1), ValueError, "labels run from -1 to 8"),
        (TensorDataset(digits().tensors[0] * torch.nan, digits().tensors[1]), ValueError, "NaN"),
    ],
)
def test_data_that_do_not_fit_are_refused_at_once(data, error, message):
    recipe = replace(class_conditional, **SMALL)
    with pytest.raises(error, match=message):
        train(recipe.new_network(), recipe, data)


# ---- weights


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("kind", [UnconditionalUNet, TimeConditionalUNet, ClassConditionalUNet])
def test_weights_come_back(kind, dtype, tmp_path):
    unet = kind(3).to(dtype)
    save_unet(unet, tmp_path / "unet.safetensors")
    again = load_unet(tmp_path / "unet.safetensors")
    assert type(again) is kind and again.hidden == 3 and not again.training
    for a, b in zip(unet.state_dict().values(), again.state_dict().values()):
        assert b.dtype != torch.float16 and torch.equal(a.to(b.dtype), b)


def test_weights_of_another_width_are_refused(tmp_path):
    file = tmp_path / "unet.safetensors"
    write_tensors(UnconditionalUNet(3).state_dict(), file, {"unet": "UnconditionalUNet", "hidden": "4"})
    with pytest.raises(
        TrainingError, match=r"of another width: its conv_in.* has shape \(3, 1, 3, 3\); wanted \(4, 1,"
    ):
        load_unet(file)


def test_weights_of_another_kind_are_refused(tmp_path):
    file = tmp_path / "unet.safetensors"
    write_tensors(UnconditionalUNet(3).state_dict(), file, {"unet": "TimeConditionalUNet", "hidden": "3"})
    with pytest.raises(TrainingError, match=r"another network: 8 weights .*t1\.0\.bias.*wanted those of a TimeCond"):
        load_unet(file)


def test_a_run_goes_on_only_with_the_same_network(tmp_path):
    recipe = replace(class_conditional, **SMALL)
    next(train(recipe.new_network(), recipe, digits(), folder=tmp_path, save_every=0))
    with pytest.raises(TrainingError, match=r"resume\.safetensors is of another width"):
        train(ClassConditionalUNet(3), recipe, digits(), folder=tmp_path)


@pytest.mark.parametrize("about", [{}, {"unet": "Other", "hidden": "4"}, {"unet": "UnconditionalUNet"}])
def test_weights_of_an_unknown_network_are_refused(about, tmp_path):
    write_tensors({"weight": torch.zeros(1)}, tmp_path / "unet.safetensors", about)
    with pytest.raises(TrainingError, match="wanted weights of one of UnconditionalUNet, "):
        load_unet(tmp_path / "unet.safetensors")


def test_a_missing_or_half_written_file_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="there is no file"):
        load_unet(tmp_path / "unet.safetensors")
    save_unet(UnconditionalUNet(1), tmp_path / "unet.safetensors")
    (tmp_path / "unet.safetensors").write_bytes((tmp_path / "unet.safetensors").read_bytes()[:-1])
    with pytest.raises(TrainingError, match="damaged or half written"):
        load_unet(tmp_path / "unet.safetensors")


# ---- the command


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "mnist", lambda folder: digits())
    command = ["one-step", "--out", str(tmp_path), "--hidden", "1", "--epochs", "2", "--batch-size", "8"]
    training.main([*command, "--images", "24"])
    out = capsys.readouterr().out
    assert "hidden=1, epochs=2, batch_size=8" in out and "epoch 2/2  step 3/3  loss" in out
    assert len(loss_history(tmp_path)) == 6
    with pytest.raises(SystemExit):
        training.main(command)
    assert "belongs to another run: its data is 24 images" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        training.main([*command, "--images", "36"])
    assert "images is 36; wanted 1 to 35" in capsys.readouterr().err


def test_checkpoints_need_no_unpickling(tmp_path):
    """A safetensors file is a length, a JSON header, and raw numbers."""
    recipe = replace(class_conditional, **SMALL)
    next(train(recipe.new_network(), recipe, digits(), folder=tmp_path, save_every=0))
    raw = (tmp_path / RESUME).read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert {"generator", "order", "counters", "losses", "adam.conv_in.0.0.weight.exp_avg_sq"} < header.keys()


def test_bf16_is_used_where_the_processor_has_it(monkeypatch):
    for has in (False, True):
        monkeypatch.setattr("helpers.devices.cpu_has_bf16", lambda has=has: has)
        with bf16_autocast("cpu"):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if has else torch.float32)
