"""The commands behind `make digits`, in small."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import TensorDataset

from helpers import checkpoints, training
from helpers.data import mnist
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
    """The lines of `make digits`, those of its loop once."""
    _, _, recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndigits: $(READY)\n")
    lines = recipe.partition("\n\n")[0].replace("$$name", "faster").splitlines()
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
