"""A flipped bit is found: in a run's checkpoint, in the digit networks, and in the models that ship."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.utils.data import TensorDataset

from helpers import checksums, results
from helpers.checkpoints import RESUME, TrainingError, read_tensors, write_tensors
from helpers.data import DATA
from helpers.hub import ModelError
from helpers.prompts import load_embeddings, remember
from helpers.recipes import Recipe
from helpers.results import load_result, load_unet, save_unet
from helpers.stages import BUNDLED, STAGE_2, find_stages
from helpers.tasks import OneStep
from helpers.text_encoders import EMBEDDINGS
from helpers.training import train

MODELS = DATA / "models"
FOLDERS = [MODELS / "digits", BUNDLED["mini-if"], BUNDLED["mini-if"] / STAGE_2]
SMALL = Recipe(OneStep(), hidden=1, epochs=1, batch_size=2, lr=1e-3)


def flip(file: Path, place: int, bit: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1 << bit
    file.write_bytes(data)


# ---- files that the kit writes


def test_every_flipped_byte_of_a_file_is_found(tmp_path):
    file, chance = tmp_path / "some.safetensors", random.Random(0)
    tensors = {"a": torch.randn(3, 4).half(), "b": torch.arange(5), "c": torch.tensor(1.0), "d": torch.zeros(0)}
    write_tensors(tensors, file, {"recipe": "one", "seed": "0"})
    again, about = read_tensors(file)
    assert about == {"recipe": "one", "seed": "0"} and all(torch.equal(again[name], tensors[name]) for name in tensors)
    whole = file.read_bytes()
    for place in range(len(whole)):
        flip(file, place, chance.randrange(8))
        with pytest.raises(TrainingError):
            read_tensors(file)
        file.write_bytes(whole)


def test_a_flipped_byte_of_a_run_is_found_before_it_goes_on(tmp_path):
    data = TensorDataset(torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 2, 3]))
    next(train(SMALL.new_network(), SMALL, data, folder=tmp_path, save_every=0))
    whole, chance = (tmp_path / RESUME).read_bytes(), random.Random(0)
    for _ in range(60):
        flip(tmp_path / RESUME, chance.randrange(len(whole)), chance.randrange(8))
        with pytest.raises(TrainingError, match=r"resume\.safetensors"):
            train(SMALL.new_network(), SMALL, data, folder=tmp_path)
        (tmp_path / RESUME).write_bytes(whole)
    train(SMALL.new_network(), SMALL, data, folder=tmp_path)


def test_a_file_from_before_there_were_checksums_is_read(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "old.safetensors", {"recipe": "one"})
    tensors, about = read_tensors(tmp_path / "old.safetensors")
    assert torch.equal(tensors["a"], torch.ones(2)) and about == {"recipe": "one"}


# ---- what ships


def test_all_weights_that_ship_are_listed_as_they_are():
    listed = {folder / name for folder in FOLDERS for name in checksums.read_sums(folder)}
    assert set(MODELS.rglob("*.safetensors")) <= listed
    assert set(MODELS.rglob("*config.json")) <= listed
    assert [checksums.damaged(folder) for folder in FOLDERS] == [[], [], []]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_sha256sum_reads_the_list_too(folder):
    if shutil.which("sha256sum") is None:
        pytest.skip("there is no sha256sum")
    subprocess.run(["sha256sum", "--check", "--quiet", checksums.SUMS], cwd=folder, check=True)


@pytest.fixture(scope="module")
def mini_if(tmp_path_factory):
    return shutil.copytree(BUNDLED["mini-if"], tmp_path_factory.mktemp("models") / "mini-if")


LISTED = [f"{place}{name}" for place in ("", "stage_2/") for name in checksums.read_sums(BUNDLED["mini-if"] / place)]


@pytest.mark.parametrize("name", LISTED)
def test_a_flipped_byte_of_the_model_that_ships_is_found(name, mini_if):
    file, chance = mini_if / name, random.Random(name)
    whole = file.read_bytes()
    flip(file, chance.randrange(len(whole)), chance.randrange(8))
    with pytest.raises(ModelError, match=rf"{file.name} differs from its checksum in SHA256SUMS"):
        find_stages(str(mini_if))
    file.write_bytes(whole)
    assert len(find_stages(str(mini_if))) == 2


def test_the_model_that_ships_needs_its_list(mini_if, monkeypatch):
    monkeypatch.setitem(BUNDLED, "mini-if", mini_if)
    (mini_if / checksums.SUMS).rename(mini_if / "away")
    with pytest.raises(ModelError, match="it has no SHA256SUMS"):
        find_stages("mini-if")
    (mini_if / "away").rename(mini_if / checksums.SUMS)
    find_stages("mini-if")


@pytest.mark.parametrize("file", ["weights.safetensors", "results.safetensors"])
def test_a_flipped_byte_of_a_digit_network_is_found(file, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", shutil.copytree(MODELS / "digits", tmp_path / "digits"))
    load_result("time-conditional")
    flip(tmp_path / "digits" / "time-conditional" / file, -100, 3)
    with pytest.raises(TrainingError, match=rf"{file} is damaged: it differs from its checksum"):
        load_result("time-conditional")


# ---- changed on purpose


def test_what_the_kit_writes_anew_is_listed_anew(tmp_path):
    digits = shutil.copytree(MODELS / "digits", tmp_path / "digits")
    save_unet(SMALL.new_network(), digits / "one-step" / "weights.safetensors")
    assert checksums.damaged(digits) == []
    load_unet(digits / "one-step" / "weights.safetensors")
    others = {name for name in checksums.read_sums(digits) if name != "one-step/weights.safetensors"}
    shipped = checksums.read_sums(MODELS / "digits")
    assert all(checksums.read_sums(digits)[name] == shipped[name] for name in others)


def test_prompts_that_a_folder_remembers_are_listed_anew(mini_if):
    remember({"a new prompt": torch.zeros(77, 384)}, mini_if)
    assert "a new prompt" in load_embeddings(mini_if)
    assert EMBEDDINGS in checksums.read_sums(mini_if) and checksums.damaged(mini_if) == []


def test_the_command_lists_a_changed_folder_anew(mini_if, tmp_path, capsys):
    (mini_if / "known.json").write_text('["a panda"]\n')
    assert checksums.damaged(mini_if) == ["known.json"]
    checksums.main([str(mini_if)])
    assert capsys.readouterr().out == f"{mini_if / checksums.SUMS} lists 6 files\n"
    assert checksums.damaged(mini_if) == []
    for folder, words in ((tmp_path / "nosuch", "there is no folder"), (tmp_path, "has no weights")):
        with pytest.raises(SystemExit):
            checksums.main([str(folder)])
        assert words in capsys.readouterr().err
