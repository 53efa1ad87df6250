"""The commands behind `make digits`, in small."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import TensorDataset

from helpers import checkpoints, training
from helpers.data import mnist
from helpers.digits import DigitDenoiser, FlowDigitDenoiser
from helpers.metrics import DigitQuality, DigitReader, reading
from making import digits

ROOT = Path(__file__).resolve().parent.parent


def test_the_reader_learns_to_read(tmp_path, monkeypatch, capsys):
    small = replace(reading, hidden=4, epochs=6, batch_size=32, decay=1.0)
    monkeypatch.setattr(digits, "reading", small)
    monkeypatch.setattr(digits, "mnist", lambda: TensorDataset(*mnist()[:640]))
    monkeypatch.setattr(digits, "DIGIT_READER", tmp_path / "reader.safetensors")
    monkeypatch.setattr(digits, "real_quality", lambda count: DigitQuality(0.5, 1.0))
    digits.make_reader()
    said = capsys.readouterr().out.splitlines()
    losses = [float(line.rpartition("loss ")[2]) for line in said if line.startswith("epoch ")]
    assert len(losses) == 6 and losses[-1] < 1 < losses[0] < 2.4  # chance is ln 10 = 2.30

    weights, _ = checkpoints.read_tensors(tmp_path / "reader.safetensors")
    reader = DigitReader(4)
    checkpoints.load_weights(reader, weights, tmp_path)
    images, labels = mnist(train=False)[:500]
    with torch.no_grad():
        assert (reader.eval()(images).argmax(dim=1) == labels).double().mean() > 0.6


def makefile_lines() -> list[str]:
    """The lines of `make digits` and of `make flow-digits`, those of their loops once."""
    makefile, lines = (ROOT / "Makefile").read_text(encoding="utf-8"), []
    for target in ("\ndigits: $(READY)\n", "\nflow-digits: $(READY)\n"):
        _, _, recipe = makefile.partition(target)
        lines += recipe.partition("\n\n")[0].replace("$$name", "faster").splitlines()
    return [line.partition("$(BIN)/python ")[2].partition(" ||")[0] for line in lines if "$(BIN)/python" in line]


@pytest.mark.parametrize("line", makefile_lines())
def test_each_line_of_make_digits_is_a_command_that_exists(line, monkeypatch):
    called = []
    for name in ("make_reader", "ship", "judge", "table"):
        monkeypatch.setattr(digits, name, lambda name=name, **options: called.append(name))
    monkeypatch.setattr(training, "run_command", lambda options: called.append("train"))
    _, module, *arguments = shlex.split(line)
    {"making.digits": digits.main, "helpers.training": training.main}[module](arguments)
    assert len(called) == 1


@pytest.mark.parametrize("name", digits.SHOWN)
def test_what_ships_is_drawn_by_a_network_of_its_recipe(name, monkeypatch):
    monkeypatch.setattr(digits, "paint", lambda denoiser, cond, count, **options: torch.zeros(count, 1, 28, 28))
    monkeypatch.setattr(digits, "mnist", lambda train: TensorDataset(torch.zeros(10, 1, 28, 28), torch.zeros(10)))

    def two_steps(sample):
        return lambda *args, **options: sample(*args[:-1], 2, **options)

    for sample in (digits.sample_flow, digits.sample_flow_classes):  # instead of 50 and 300
        monkeypatch.setattr(digits, sample.__name__, two_steps(sample))
    with torch.no_grad():
        drawn = digits.SHOWN[name](replace(digits.RECIPES[name], hidden=1).new_network().eval())
    assert drawn.shape == ((10 if name == "one-step" else 40), 1, 28, 28) and drawn.isfinite().all()


@pytest.mark.parametrize("recipe, kind", [("flow-class", FlowDigitDenoiser), ("class-conditional", DigitDenoiser)])
def test_a_flow_is_judged_as_a_flow(recipe, kind):
    recipe = digits.RECIPES[recipe]
    denoiser = digits.denoiser_of(repr(recipe), replace(recipe, hidden=1).new_network(), 50)
    assert type(denoiser) is kind
    x = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert denoiser(x, denoiser.schedule.T - 1, torch.eye(10)[:1]).eps.isfinite().all()


@pytest.mark.parametrize("name", ["flow-time", "flow-class"])
def test_a_result_says_which_recipe_made_it(name, monkeypatch):
    recipe = digits.RECIPES[f"{name}-quick"]
    identity = {"recipe": repr(recipe), "data": "6000 images"}
    monkeypatch.setattr(digits, "read_tensors", lambda file: ({}, identity))
    assert digits.describe(name, Path("run")) == "the quick recipe: D = 16, 10 epochs of 6,000 images"
    identity["recipe"] = repr(replace(recipe, hidden=3))
    with pytest.raises(SystemExit, match=f"wanted one of the recipes for {name}"):
        digits.describe(name, Path("run"))
