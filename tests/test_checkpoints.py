"""Two processes, one file: nothing is lost or torn, and the second training on a folder is told so."""

import time
from dataclasses import replace

import pytest
import torch
from processes import start
from torch.utils.data import TensorDataset

from helpers import checkpoints, training
from helpers.checkpoints import LOCK, RESUME, TrainingError, claim, only_writer, read_tensors, write_tensors
from helpers.prompts import load_embeddings, remember
from helpers.recipes import faster_one_step
from helpers.training import train

SMALL = replace(faster_one_step, hidden=2, epochs=1, batch_size=8)


def digits(n: int = 64) -> TensorDataset:
    images = torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    return TensorDataset(images, torch.arange(n) % 10)


# ---- one file -----------------------------------------------------------------------------------------------------


def remember_many(first: int, folder) -> None:
    for i in range(first, first + 25):
        remember({f"prompt {i}": torch.full((77, 4), float(i))}, folder)


def test_what_four_processes_remember_at_a_time_is_all_kept(tmp_path):
    processes = [start(remember_many, first, tmp_path) for first in range(0, 100, 25)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    kept = load_embeddings(tmp_path)
    assert kept.keys() == {f"prompt {i}" for i in range(100)}
    assert all((kept[f"prompt {i}"] == i).all() for i in range(100))
    assert {file.name for file in tmp_path.iterdir()} <= {checkpoints.LOCK, "prompt_embeddings.safetensors"}


def write_many(value: int, file) -> None:
    for _ in range(150):
        write_tensors({"x": torch.full((50_000,), value)}, file, {"by": str(value)})


def test_a_file_that_two_processes_write_is_always_one_of_theirs(tmp_path):
    file = tmp_path / "x.safetensors"
    write_tensors({"x": torch.zeros(50_000, dtype=torch.int64)}, file, {"by": "0"})
    processes = [start(write_many, value, file) for value in (1, 2)]
    while any(process.is_alive() for process in processes):
        tensors, about = read_tensors(file)
        assert (tensors["x"] == int(about["by"])).all()
    assert [process.exitcode for process in processes] == [0, 0]
    assert [found.name for found in tmp_path.iterdir()] == ["x.safetensors"]


# ---- one folder ---------------------------------------------------------------------------------------------------


def train_slowly(folder) -> None:
    """A training that has begun, and goes on until it is killed."""
    for _ in train(SMALL.new_network(), SMALL, digits(), folder=folder, save_every=0):
        (folder / "begun").touch()
        time.sleep(600)


@pytest.fixture
def other_training(tmp_path):
    """A process that trains in tmp_path."""
    process = start(train_slowly, tmp_path)
    until = time.monotonic() + 300
    while not (tmp_path / "begun").exists():
        assert process.is_alive() and time.monotonic() < until
        time.sleep(0.05)
    yield process
    process.kill()
    process.join()


def test_a_second_training_in_a_folder_is_told_so_until_the_first_is_killed(tmp_path, other_training, capsys):
    with pytest.raises(TrainingError, match=r"^another process is writing to .*: wait until it has ended, or use"):
        train(SMALL.new_network(), SMALL, digits(), folder=tmp_path)
    with pytest.raises(SystemExit) as stopped:
        training.main(["one-step", "--out", str(tmp_path), "--images", "256"])
    assert stopped.value.code == 1 and "another process is writing to" in capsys.readouterr().err

    (tmp_path / f"{RESUME}.0123.partial").write_text("half")  # as the killed one may have left it
    other_training.kill()
    other_training.join()
    steps = list(train(SMALL.new_network(), SMALL, digits(), folder=tmp_path))
    assert [step.step for step in steps] == list(range(2, 9))  # it goes on after the first step
    assert not list(tmp_path.glob("*.partial"))
    claim(tmp_path)  # the folder is free again


def test_an_interrupted_training_is_not_in_the_way_of_the_next_in_its_own_process(tmp_path):
    interrupted = train(SMALL.new_network(), SMALL, digits(), folder=tmp_path, save_every=0)
    next(interrupted)  # and a notebook's traceback keeps it
    assert len(list(train(SMALL.new_network(), SMALL, digits(), folder=tmp_path))) == 7
    interrupted.close()


def test_a_writer_waits_and_then_says_for_whom(tmp_path):
    with (
        only_writer(tmp_path),
        pytest.raises(TrainingError, match="another process is writing to"),
        only_writer(tmp_path, timeout=0.1),
    ):
        pass
    with only_writer(tmp_path, timeout=0.1):
        pass


def test_on_a_file_system_without_locks_it_trains_all_the_same(tmp_path, monkeypatch):
    def without_locks(*arguments, **options):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(checkpoints.FileLock, "acquire", without_locks)
    assert len(list(train(SMALL.new_network(), SMALL, digits(), folder=tmp_path))) == 8


def test_a_folder_that_cannot_be_made_or_locked_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"file.runs cannot be made: "):
        claim(tmp_path / "file" / "runs")
    (tmp_path / LOCK).mkdir()
    with pytest.raises(TrainingError, match=r"\.lock cannot be written: "):
        claim(tmp_path)
