"""Mini-IF's training: the losses against closed forms, and a run that stops and goes on."""

import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from processes import launch_two
from toys import seeded

from helpers.checkpoints import TrainingError
from helpers.models import load_model
from helpers.sampling import forward
from helpers.schedule import abar_at
from making.mini_if import training
from making.mini_if.dataset import Examples
from making.mini_if.recipe import StageRecipe
from making.mini_if.training import LEVELS, StageRun, stage_history, v_target, variance_loss

SMALL = StageRecipe(steps=6, batch_size=4, warmup=2, channels=(8, 16, 48))


class Images:
    """A data set of three colours, each with its caption."""

    texts = ("", "red", "green", "blue")
    identity = "three colours"

    def __init__(self):
        self.states = torch.randn(4, 77, 384, generator=seeded(1)).half()

    def examples(self, n: int, generator: torch.Generator, *, p_empty: float = 0.0) -> Examples:
        which = torch.randint(3, (n,), generator=generator)
        empty = torch.rand(n, generator=generator) < p_empty
        images = -torch.ones(n, 3, 64, 64)
        images[torch.arange(n), which] = 1
        return Examples(images, (which + 1).masked_fill(empty, 0), which, which)


pytestmark = pytest.mark.usefixtures("one_thread")


def new_run(folder, recipe=SMALL, **options) -> StageRun:
    return StageRun(recipe.new_network(), recipe, Images(), folder, **options)


# ---- the losses ---------------------------------------------------------------------------------------------------


def test_v_and_x_t_give_back_image_and_noise(schedule, x0):
    t = torch.tensor([0, 900])
    x_t, eps = forward(x0, t, schedule.alphas_cumprod, generator=seeded())
    abar_t = abar_at(t, schedule.alphas_cumprod, x0)
    v = v_target(x0, eps, abar_t)
    torch.testing.assert_close(abar_t.sqrt() * x_t - (1 - abar_t).sqrt() * v, x0, atol=1e-5, rtol=0)
    torch.testing.assert_close(abar_t.sqrt() * v + (1 - abar_t).sqrt() * x_t, eps, atol=1e-5, rtol=0)


@pytest.mark.parametrize("t", [1, 40, 700, 999])
def test_variance_loss_is_the_divergence_of_two_gaussians(schedule, t):
    generator = seeded(t)
    var, error = (torch.rand(2, 3, 4, 4, generator=generator) * 2 - 1 for _ in range(2))
    abar, abar_s = schedule.alphas_cumprod[t].double(), schedule.alphas_cumprod[t - 1].double()
    beta = schedule.betas[t].double()
    beta_tilde = beta * (1 - abar_s) / (1 - abar)
    variance = torch.exp((var + 1) / 2 * beta.log() + (1 - var) / 2 * beta_tilde.log())
    mean = abar_s.sqrt() * beta / (1 - abar) * error  # of q, when that of p is 0
    q = torch.distributions.Normal(mean, beta_tilde.sqrt())
    p = torch.distributions.Normal(torch.zeros_like(mean), variance.sqrt())
    wanted = torch.distributions.kl_divergence(q, p).mean(dim=(1, 2, 3))
    loss = variance_loss(var, error, torch.full((2,), t), schedule)
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-3, atol=1e-6)


def test_a_perfect_estimate_has_the_posteriors_variance_at_every_timestep(schedule):
    t = torch.arange(schedule.T)
    zeros = torch.zeros(schedule.T, 3, 1, 1)
    torch.testing.assert_close(variance_loss(zeros - 1, zeros, t, schedule), torch.zeros(schedule.T), atol=1e-5, rtol=0)
    assert (variance_loss(zeros + 1, zeros, t, schedule)[1:100] > 1e-6).all()


def test_the_mean_learns_nothing_from_the_variance(schedule):
    var, error = torch.zeros(1, 3, 2, 2, requires_grad=True), torch.ones(1, 3, 2, 2, requires_grad=True)
    variance_loss(var, error, torch.tensor([50]), schedule).sum().backward()
    assert error.grad is None and var.grad.abs().min() > 0


def test_predict_v_is_what_forward_hands_out_as_eps(schedule):
    unet = SMALL.new_network().eval().requires_grad_(False)
    x_t, text, t = torch.randn(2, 3, 64, 64, generator=seeded()), torch.randn(2, 77, 384), torch.tensor([3, 800])
    v, var = unet.predict_v(x_t, t, text)
    abar_t = abar_at(t, schedule.alphas_cumprod, x_t)
    wanted = torch.cat([abar_t.sqrt() * v + (1 - abar_t).sqrt() * x_t, var], dim=1)
    torch.testing.assert_close(unet(x_t, t, text).sample, wanted)


# ---- the run ------------------------------------------------------------------------------------------------------


def test_a_run_goes_on_to_the_last_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "REPORT", 4)
    whole = new_run(tmp_path / "whole")
    losses = [progress.loss for progress in whole.train()]
    assert len(losses) == 6

    killed = new_run(tmp_path / "killed")
    steps = killed.train(save_every=0)
    next(steps), next(steps), next(steps)  # the file is that of step 3 …
    del killed, steps  # … and nothing says goodbye
    resumed = new_run(tmp_path / "killed")
    assert resumed.step == 3
    assert [progress.loss for progress in resumed.train()] == losses[3:]
    wanted, given = whole.tensors(), resumed.tensors()
    assert wanted.keys() == given.keys()
    for name in wanted:  # (a noise level that no step has met yet has no mean loss)
        torch.testing.assert_close(given[name], wanted[name], rtol=0, atol=0, equal_nan=True)
    assert stage_history(tmp_path / "killed").shape == (1, 1 + LEVELS)


class BothShares(StageRun):
    """One process that learns from what two would."""

    def batch(self):
        self.processes = 2  # of whose shares each is
        return tuple(torch.cat(parts) for parts in zip(self.share(0), self.share(1)))


def train_small(folder):
    training.bf16_autocast = lambda device: nullcontext()
    training.REPORT = 1
    list(new_run(folder).train())


def test_two_processes_learn_what_one_does_from_both_shares(tmp_path, monkeypatch):
    """The same losses at every step and noise level, and networks that say the same."""
    launch_two(train_small, tmp_path / "two")
    monkeypatch.setattr(training, "bf16_autocast", lambda device: nullcontext())
    monkeypatch.setattr(training, "REPORT", 1)
    one = BothShares(SMALL.new_network(), SMALL, Images(), tmp_path / "one")
    list(one.train())
    two = new_run(tmp_path / "two", replace(SMALL, steps=7))
    assert two.step == len(two.history) == 6
    torch.testing.assert_close(*(torch.tensor(run.history) for run in (two, one)), rtol=1e-5, atol=1e-5, equal_nan=True)
    x_t, text, t = torch.randn(2, 3, 64, 64, generator=seeded()), torch.randn(2, 77, 384), torch.tensor([3, 800])
    with torch.no_grad():
        said = [run.average.eval().predict_v(x_t, t, text)[0] for run in (two, one)]
    torch.testing.assert_close(*said, rtol=0, atol=1e-4)
    assert next(two.train()).step == 7  # and one process may go on with it


def test_another_seed_is_another_run(tmp_path):
    a, b = (next(new_run(tmp_path / str(seed), seed=seed).train()).loss for seed in (0, 1))
    assert a != b
    next(new_run(tmp_path).train(save_every=0))
    with pytest.raises(TrainingError, match="its seed is 0; wanted 1"):
        new_run(tmp_path, seed=1)


def test_a_run_may_be_prolonged_but_not_changed(tmp_path):
    next(new_run(tmp_path).train(save_every=0))
    assert new_run(tmp_path, replace(SMALL, steps=50)).step == 1
    with pytest.raises(TrainingError, match="belongs to another run: its recipe"):
        new_run(tmp_path, replace(SMALL, lr=0.5))


def test_every_step_has_other_examples_and_noise(tmp_path):
    run = new_run(tmp_path)
    first, again = run.batch(), run.batch()
    assert all(torch.equal(a, b) for a, b in zip(first, again))  # until the step is done
    run.step = 1
    assert not torch.equal(first[1], run.batch()[1])
    seen = set()
    for run.step in range(300):  # a generator that knew too few bits of its seed would repeat itself
        seen.add(run.batch()[1][0, 0, 0, 0].item())
    assert len(seen) == 300


@pytest.mark.parametrize("p_empty", [0.0, 1.0])
def test_empty_captions(tmp_path, p_empty):
    run = new_run(tmp_path, replace(SMALL, p_empty=p_empty, batch_size=16))
    text = run.batch()[3]
    is_empty = (text == run.dataset.states[0].float()).flatten(1).all(dim=1)
    assert is_empty.all() if p_empty else not is_empty.any()


def test_losses_are_counted_at_their_noise_level(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "REPORT", 1)
    run = new_run(tmp_path)
    run.step = 7
    run.count(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0, 99, 100]))
    assert run.history[0][:3] == [7, 2, 5]
    assert torch.tensor(run.history[0][3:]).isnan().all()  # no example was noised so much


def test_the_learning_rate_rises_stays_and_falls():
    recipe = StageRecipe(steps=1000, warmup=99, cooldown=0.2, lr=1.0)
    rates = [recipe.learning_rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and rates[99] == 1 == rates[800]
    assert rates[900] == pytest.approx(0.5) and 0 < rates[999] < 0.01


def test_it_learns(tmp_path):
    recipe = StageRecipe(steps=60, batch_size=8, warmup=5, channels=(8, 16, 48), lr=1e-2)
    run = new_run(tmp_path, recipe)
    batch = run.batch()
    run.batch = lambda: batch  # the same examples over and over: those can be learned in no time
    losses = [progress.loss for progress in run.train()]
    assert losses[-1] < 0.7 * losses[0]


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path):
    run = new_run(tmp_path)
    run.dataset.states = run.dataset.states * float("nan")
    with pytest.raises(TrainingError, match="the loss is nan in step 1; wanted a finite number"):
        next(run.train())


def test_its_model_is_one_that_load_model_reads(tmp_path):
    run = new_run(tmp_path)
    next(run.train())
    run.save_model()
    run.save_model()  # replaces the first
    model = load_model(tmp_path / "model", device="cpu")
    given, wanted = model.stage_1.unet.state_dict(), run.average.state_dict()
    assert all((given[name].float() - wanted[name]).abs().max() < 1e-2 for name in wanted)
    assert "a pencil" in model.embeddings


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command, on three colours, in tmp_path."""
    monkeypatch.setattr(training, "Dataset", lambda folder, size: Images())
    monkeypatch.setattr(StageRun, "save_samples", lambda self: None)
    arguments = ["--out", str(tmp_path), "--steps", "2", "--batch-size", "4", "--channels", "8", "16", "48"]
    return lambda: training.main(arguments)


def test_a_finished_run_that_lost_its_model_writes_it_again(command, tmp_path):
    command()
    written = (tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "model")  # as if it had been killed before it wrote the model
    (tmp_path / "model.partial").mkdir()
    command()
    assert (tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == written


def test_a_second_training_in_a_folder_is_told_that_it_is_in_use(command, tmp_path, capsys):
    script = "from pathlib import Path; from helpers.checkpoints import claim; import sys, time\n"
    script += "with claim(Path(sys.argv[1])): print('claimed', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline().strip() == b"claimed"
        with pytest.raises(SystemExit) as stopped:
            command()
    finally:
        other.kill()
        other.wait()
    assert stopped.value.code == 1 and "another process is writing to" in capsys.readouterr().err


def test_a_full_disk_is_a_sentence_and_loses_nothing(command, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "model.partial"))

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(StageRun, "save_model", full)
        command()
    assert stopped.value.code == 1
    assert re.search("No space left on device.*the same command resumes", capsys.readouterr().err)
    command()
    assert (tmp_path / "model" / "model_index.json").is_file()


def test_its_samples_are_an_image(tmp_path):
    run = new_run(tmp_path)
    run.save_samples(steps=2)
    assert (tmp_path / "samples" / "step-0000000.png").stat().st_size > 10_000


def test_wrong_numbers_are_refused():
    for wrong in ({"steps": 0}, {"batch_size": 0}, {"ema": 1.5}, {"lr": -1}, {"p_empty": float("nan")}):
        with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
            replace(SMALL, **wrong)


def test_the_command_says_what_is_missing(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        training.main(
            ["--out", str(tmp_path / "run"), "--data", str(tmp_path / "nowhere"), "--channels", "8", "16", "72"]
        )
    assert stopped.value.code == 1
    assert "make it with python -m making.mini_if.dataset" in capsys.readouterr().err
