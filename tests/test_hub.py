"""DeepFloyd IF by its name: downloaded from a double of the hub on loopback, which also refuses in every way."""

import shutil

import pytest
import torch
from hub_double import OTHER_TOKEN, TOKEN, Hub
from huggingface_hub import constants, file_download, utils

from helpers import stages
from helpers.denoisers import guided
from helpers.hub import DEEPFLOYD, LICENCE, ModelError, explain, fetch_from_hub
from helpers.models import load_model
from helpers.prompts import course_prompts
from helpers.sampling import dynamic_threshold, final, sample
from helpers.text_encoders import EMBEDDINGS

XL, II_L = DEEPFLOYD["deepfloyd"]
PATTERNS = ("model_index.json", "unet/*")


@pytest.fixture
def hub(tiny_if, user_cache, monkeypatch):
    """The hub with DeepFloyd's XL, gated."""
    with Hub(dict(zip((XL, II_L), tiny_if)), gated=True) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        new_sessions()
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(user_cache / "no-token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)  # between two attempts
        yield hub
        new_sessions()


def go_offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    new_sessions()


def new_sessions():
    """Before huggingface_hub 1.0, a session remembers whether it was made offline."""
    getattr(utils, "reset_sessions", lambda: None)()


@pytest.fixture
def logged_in(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def names(hub) -> set[str]:
    return {path.split("/", 2)[2] for path in hub.downloads if path.startswith(XL)}


def test_one_word_loads_both_stages_and_encodes_the_courses_prompts(hub, logged_in, user_cache, capsys):
    model = load_model("deepfloyd", "cpu")
    assert model.stage_1.image_shape == (3, 16, 16) and model.stage_2.image_shape == (3, 64, 64)
    assert model.upscaler == "diffusion model, stage II"
    assert set(model.embeddings) == set(course_prompts())
    assert names(hub) >= {"unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.fp16.safetensors"}
    assert not any("safety" in name or "pipeline" in name for name in names(hub))
    said = capsys.readouterr().out
    assert "no safety checker" in said and "no watermark" in said and LICENCE in said

    text = model.embed("a photo of a dog")
    steps = sample(guided(model.stage_1, 5), text, timesteps=[900, 400, 0], threshold=dynamic_threshold)
    x0 = final(steps, progress=False)
    assert model.upscale(x0, text, steps=2).shape == (1, 3, 64, 64)

    # the second time nothing is fetched or encoded again: kept in one file, beside the hub's cache
    assert (user_cache / "course-prompts" / "DeepFloyd" / EMBEDDINGS).is_file()
    shutil.rmtree(user_cache / "hub")
    hub.downloads.clear()
    load_model("deepfloyd", "cpu")
    assert not any(name.startswith("text_encoder/model") for name in names(hub))


def test_without_a_network_the_cache_serves(hub, logged_in, monkeypatch):
    load_model("deepfloyd", "cpu")
    go_offline(monkeypatch)
    assert load_model("deepfloyd", "cpu").upscaler == "diffusion model, stage II"


def test_a_hub_name_without_fp16_weights_gets_the_others(hub, logged_in, tiny_if, tmp_path):
    hub.models["somebody/full"] = folder = shutil.copytree(tiny_if[0], tmp_path / "full")
    unet = stages.load_network(folder / "unet")
    (folder / "unet/diffusion_pytorch_model.fp16.safetensors").unlink()
    unet.float().save_pretrained(folder / "unet")
    model = load_model("somebody/full", "cpu")
    assert model.stage_2 is None
    torch.testing.assert_close(model.stage_1.unet.conv_in.weight.float(), unet.conv_in.weight, atol=0.01, rtol=0.01)


def test_a_hub_name_has_its_stage_ii_in_a_folder(hub, logged_in, tiny_if, tmp_path):
    hub.models["somebody/both"] = folder = shutil.copytree(tiny_if[0], tmp_path / "both")
    shutil.copytree(tiny_if[1], folder / "stage_2")
    assert load_model("somebody/both", "cpu").stage_2.image_shape == (3, 64, 64)


def test_the_hubs_own_name_of_stage_i_brings_its_stage_ii_along(hub, logged_in):
    assert load_model(XL, "cpu").stage_2.image_shape == (3, 64, 64)


def test_a_stage_ii_alone_is_no_model(hub, logged_in):
    with pytest.raises(ModelError, match=rf"{II_L} is a stage II.*wanted the name of a stage I, such as {XL}"):
        load_model(II_L, "cpu")


# How the hub refuses


def test_without_a_token_the_error_says_where_to_accept_and_what_to_run(hub):
    with pytest.raises(ModelError) as caught:
        load_model("deepfloyd")
    said = str(caught.value)
    assert f"Open https://huggingface.co/{XL}, log in and accept the licence" in said
    assert "run `hf auth login`, or set HF_TOKEN" in said


def test_a_licence_that_is_not_accepted_is_named(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", OTHER_TOKEN)
    with pytest.raises(ModelError, match=rf"licence of {XL} has not been accepted.*Open https://huggingface.co/{XL}"):
        load_model("deepfloyd")


def test_a_wrong_token_is_told_from_a_missing_one(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mistyped")
    with pytest.raises(ModelError, match=r"does not take your token.*hf auth login"):
        load_model("deepfloyd")


@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_name_that_is_not_there_is_neither_folder_nor_model(hub, token, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ModelError, match=r"neither a folder somebody/nothing here nor a model https://hugging"):
        load_model("somebody/nothing")


def test_a_download_that_breaks_off_is_said_and_the_next_one_completes_it(hub, logged_in):
    hub.breaks = ".safetensors"
    with pytest.raises(ModelError, match=rf"download of {XL} broke off.*Load the model again"):
        fetch_from_hub(XL, PATTERNS)
    hub.breaks = None
    hub.downloads.clear()
    folder = fetch_from_hub(XL, PATTERNS)
    assert names(hub) == {"unet/diffusion_pytorch_model.fp16.safetensors"}  # the others had arrived
    stages.load_network(folder / "unet")


def test_an_absent_hub_and_an_empty_cache_say_what_is_missing(hub, monkeypatch, user_cache):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(ModelError, match=rf"{XL} is not, or only partly, in the cache.*the hub cannot be reached"):
        load_model("deepfloyd")
    go_offline(monkeypatch)
    with pytest.raises(ModelError, match=rf"{user_cache / 'hub'}.*HF_HUB_OFFLINE is set"):
        load_model("deepfloyd")


def test_a_download_that_broke_off_and_an_absent_hub_say_so(hub, logged_in, monkeypatch):
    hub.breaks = ".safetensors"
    with pytest.raises(ModelError):
        load_model("deepfloyd")
    go_offline(monkeypatch)
    with pytest.raises(ModelError, match=r"only partly, in the cache|is incomplete"):
        load_model("deepfloyd")


def test_an_absent_hub_and_a_cache_without_the_text_encoder_say_what_to_run(hub, logged_in, monkeypatch, user_cache):
    load_model("deepfloyd", "cpu")
    shutil.rmtree(next(user_cache.glob("hub/models--*I-XL*/snapshots/*/text_encoder")))
    go_offline(monkeypatch)
    model = load_model("deepfloyd", "cpu")  # the course's prompts are kept
    with pytest.raises(ModelError, match=r"no text states are stored for 'a zebra'.*helpers\.prompts deepfloyd"):
        model.embed("a zebra")


def test_a_full_disk_says_where_to_make_room():
    assert "HF_HOME" in explain(XL, OSError(28, "No space left on device"))
