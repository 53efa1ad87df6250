"""T5's text states: made as diffusers makes them, kept on disk, or read from a dictionary; and what is said if not."""

import pickle
import shutil

import pytest
import torch
from diffusers import IFPipeline
from toys import seeded
from transformers import BitsAndBytesConfig, T5Config, T5EncoderModel

from helpers import prompts, stages, text_encoders
from helpers.denoisers import guided
from helpers.devices import load_in
from helpers.editing import inpaint, sdedit
from helpers.hub import ModelError
from helpers.illusions import anagram, hybrid, views
from helpers.memory import GB
from helpers.models import load_model
from helpers.prompts import course_prompts, load_embeddings, read_dictionary, remember
from helpers.sampling import dynamic_threshold, final, sample
from helpers.text_encoders import EMBEDDINGS, encode_t5

TEXTS = ["a photo of a Dog ", "", "an oil painting"]


@pytest.fixture
def folder(tiny_if, tmp_path):
    """A folder with both stages and the text encoder, to be written to."""
    folder = shutil.copytree(tiny_if[0], tmp_path / "model")
    shutil.copytree(tiny_if[1], folder / stages.STAGE_2)
    return folder


@pytest.fixture
def no_room(monkeypatch):
    monkeypatch.setattr(text_encoders, "get_max_memory", lambda: {"cpu": 1000})


def states(*texts: str, width: int = 64) -> dict[str, torch.Tensor]:
    return dict(zip(texts, torch.randn(len(texts), 1, 77, width, generator=seeded())))


# The encoder


def test_the_states_are_those_of_diffusers_own_pipeline(tiny_if):
    pipeline = IFPipeline.from_pretrained(tiny_if[0], variant="fp16", unet=None, **load_in(torch.bfloat16, "diffusers"))
    theirs, empty = pipeline.encode_prompt(TEXTS[0])
    ours = encode_t5(TEXTS, tiny_if[0])
    assert ours.shape == (3, 77, 64) and ours.dtype == torch.float16
    torch.testing.assert_close(ours[:1].float(), theirs.float(), atol=0.02, rtol=0.02)
    torch.testing.assert_close(ours[1:2].float(), empty.float(), atol=0.02, rtol=0.02)
    assert (ours[0] - ours[2]).abs().max() > 0.1


def test_the_tokenizers_files_are_those_that_the_hub_has(tiny_if):
    """Nothing faster: transformers has to make what it wants from T5's SentencePiece model."""
    files = {"spiece.model", "special_tokens_map.json", "tokenizer_config.json"}
    assert {file.name for folder in tiny_if for file in (folder / "tokenizer").iterdir()} == files


def test_a_tokenizer_that_does_not_load_says_what_to_install(tiny_if, tmp_path):
    folder = shutil.copytree(tiny_if[0], tmp_path / "model")
    model = folder / "tokenizer" / "spiece.model"
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"tokenizer in .* does not load .*pip install sentencepiece protobuf"):
        encode_t5(TEXTS, folder)


def test_a_tokenizer_without_its_file_is_not_made_up(tiny_if, tmp_path):
    folder = shutil.copytree(tiny_if[0], tmp_path / "model")
    (folder / "tokenizer" / "spiece.model").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer/spiece\.model"):
        encode_t5(TEXTS, folder)


def test_more_prompts_than_one_batch_come_in_order(tiny_if):
    many = [f"a photo of {i}" for i in range(text_encoders.T5_BATCH + 2)]
    torch.testing.assert_close(encode_t5(many, tiny_if[0])[-1:], encode_t5(many[-1:], tiny_if[0]), atol=0.02, rtol=0)


def test_a_prompt_that_is_too_long_is_refused_before_the_encoder_is_loaded(tiny_if, no_room):
    with pytest.raises(ValueError, match=r"has \d+ tokens; wanted at most 77"):
        encode_t5(["dog " * 40], tiny_if[0])


def test_with_room_on_a_gpu_it_is_loaded_in_8_bit(tiny_if, monkeypatch):
    def load(folder, **options):
        asked.update(options)
        return T5EncoderModel(T5Config(d_model=8, d_ff=8, d_kv=4, num_heads=2, num_layers=1, vocab_size=9))

    asked = {}
    monkeypatch.setattr(text_encoders.util, "find_spec", lambda name: name == "bitsandbytes")
    monkeypatch.setattr(text_encoders, "get_max_memory", lambda: {0: 16 * GB, "cpu": 16 * GB})
    monkeypatch.setattr(T5EncoderModel, "from_pretrained", load)
    text_encoders.load_t5(tiny_if[0] / "text_encoder")
    assert isinstance(asked["quantization_config"], BitsAndBytesConfig) and asked["quantization_config"].load_in_8bit
    assert asked["device_map"] == {"": 0} and asked["variant"] == "fp16"
    asked.clear()
    monkeypatch.setattr(text_encoders, "get_max_memory", lambda: {0: 1000, "cpu": 16 * GB})  # a full GPU
    text_encoders.load_t5(tiny_if[0] / "text_encoder")
    assert "quantization_config" not in asked and torch.bfloat16 in asked.values()


def test_t5_xxl_needs_what_its_architecture_says():
    xxl = {"d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_heads": 64, "num_layers": 24, "vocab_size": 32128}
    int8, bf16 = text_encoders.t5_bytes(T5Config(**xxl, feed_forward_proj="gated-gelu"))
    assert bf16 == pytest.approx(2 * 4.76e9, rel=0.01)  # 4.8 billion weights
    # 24 layers of 4096 × 10240 in "wo", at 4 bytes; embeddings at 2; the rest at 1
    assert int8 == pytest.approx(4.76e9 + 3 * 24 * 4096 * 10240 + 32128 * 4096, rel=0.01)


# Kept for the next time


def test_a_folder_gets_the_courses_prompts_once(folder, monkeypatch):
    model = load_model(folder, "cpu")
    assert set(load_embeddings(folder)) == set(model.embeddings) == set(course_prompts())
    monkeypatch.setattr(prompts, "encode_t5", None)  # nothing is encoded again
    again = load_model(folder, "cpu")
    assert torch.equal(again.embed("a pencil"), model.embed("a pencil"))


def test_a_free_prompt_is_added(folder):
    remember({"": torch.zeros(77, 64), "a dog": torch.ones(77, 64)}, folder)
    model = load_model(folder, "cpu")
    model.embed(["a cat", "a dog"])
    assert set(load_embeddings(folder)) == {"", "a dog", "a cat"}


def test_without_room_for_the_encoder_the_error_says_how_to_get_the_states(folder, no_room):
    remember({"": torch.zeros(77, 64)}, folder)
    model = load_model(folder, "cpu")
    with pytest.raises(ModelError) as caught:
        model.embed("a cat")
    said = str(caught.value)
    assert "no text states are stored for 'a cat'" in said and str(folder / EMBEDDINGS) in said
    assert "pip install bitsandbytes" in said and "main memory" in said
    assert f"python -m helpers.prompts {folder} 'a cat'" in said and "--read prompt_embeds_dict.pth" in said


def test_without_an_encoder_too(folder):
    shutil.rmtree(folder / "text_encoder")
    with pytest.raises(ModelError, match=r"no text_encoder.*--read prompt_embeds_dict\.pth"):
        load_model(folder, "cpu")


def test_a_damaged_encoder_is_named(folder):
    weights = folder / "text_encoder/model.fp16.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"text encoder in .* is damaged"):
        load_model(folder, "cpu")


# Dictionaries of precomputed states


def test_a_dictionary_is_converted_once_and_then_serves(folder, tmp_path, capsys):
    shutil.rmtree(folder / "text_encoder")
    dictionary = states("", "a dog")
    torch.save(dictionary, tmp_path / "dictionary.pth")
    prompts.main([str(folder), "--read", str(tmp_path / "dictionary.pth")])
    assert f"2 prompts added to {folder / EMBEDDINGS}, which has 2" in capsys.readouterr().out
    model = load_model(folder, "cpu")
    torch.testing.assert_close(model.embed("a dog"), dictionary["a dog"], atol=1e-3, rtol=1e-3)  # kept in fp16


class Code:
    def __reduce__(self):
        return print, ("this must not run",)


@pytest.mark.parametrize(
    "content, wanted",
    [
        ([1, 2], "holds a list"),
        ({}, "holds a dict"),
        ({"a dog": [1.0]}, r"'a dog' -> list"),
        ({7: torch.zeros(1, 77, 8)}, "has 7 -> Tensor"),
        ({"a dog": torch.zeros(1, 76, 8)}, r"'a dog' -> torch\.float32 of shape \(1, 76, 8\)"),
        ({"a dog": torch.zeros(77)}, r"shape \(77,\)"),
        ({"a dog": torch.zeros(1, 77, 8, dtype=torch.long)}, r"'a dog' -> torch\.int64"),
        ({"a dog": torch.full((1, 77, 8), torch.nan)}, "NaN or infinity for 'a dog'"),
        ({"a": torch.zeros(1, 77, 8), "b": torch.zeros(1, 77, 9)}, r"several widths, \[8, 9\]"),
        ({"a dog": Code()}, "holds more than tensors, and is not opened"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_such_dictionary_is_said(content, wanted, tmp_path, capsys):
    torch.save(content, tmp_path / "dictionary.pth")
    with pytest.raises(ModelError, match=rf"{wanted}.*wanted a dictionary of prompt -> tensor \(1, 77, width\)"):
        read_dictionary(tmp_path / "dictionary.pth")
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize("data", [b"", b"text", pickle.dumps(Code()), pickle.dumps({"a": 1})[:5]], ids=range(4))
def test_a_file_that_is_not_pytorchs_is_said(data, tmp_path, capsys):
    (tmp_path / "dictionary.pth").write_bytes(data)
    with pytest.raises(ModelError, match=r"dictionary\.pth .*wanted a dictionary"):
        read_dictionary(tmp_path / "dictionary.pth")
    assert "must not run" not in capsys.readouterr().out


def test_a_truncated_dictionary_is_said(tmp_path):
    file = tmp_path / "dictionary.pth"
    torch.save(states("a dog"), file)
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="is damaged"):
        read_dictionary(file)
    with pytest.raises(ModelError, match="there is no file"):
        read_dictionary(tmp_path / "nothing.pth")


# The command


def test_the_command_encodes_only_what_is_not_kept(folder, capsys):
    prompts.main([str(folder), "a cat", ""])
    prompts.main([str(folder), "a cat", "a dog"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("2 prompts added") and said[1].startswith("1 prompts added")
    assert set(load_embeddings(folder)) == {"", "a cat", "a dog"}


def test_the_command_says_what_went_wrong(folder, no_room, capsys):
    with pytest.raises(SystemExit) as caught:
        prompts.main([str(folder), "a cat"])
    assert caught.value.code == 1 and "the text encoder needs" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        prompts.main(["mini-fi"])
    assert "there is no model 'mini-fi'" in capsys.readouterr().err


# The course's loops on IF's own networks


@pytest.fixture(scope="module")
def model(tiny_if, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loops") / "model"
    shutil.copytree(tiny_if[0], folder)
    shutil.copytree(tiny_if[1], folder / stages.STAGE_2)
    remember({prompt: state[0] for prompt, state in states("", "a dog", "a cat").items()}, folder)
    return load_model(folder, "cpu")


TIMESTEPS = [900, 500, 0]


@pytest.mark.parametrize("kind", ["plain", "guided", "anagram", "hybrid"])
def test_sampling_on_ifs_networks(model, kind):
    dog, cat = model.embed("a dog"), model.embed("a cat")
    denoiser, cond = {
        "plain": (model.stage_1, dog),
        "guided": (guided(model.stage_1, 5), dog),
        "anagram": (anagram(guided(model.stage_1, 5), [views["identity"], views["flip"]]), (dog, cat)),
        "hybrid": (hybrid(guided(model.stage_1, 5), kernel_size=5), (dog, cat)),
    }[kind]
    steps = list(sample(denoiser, cond, timesteps=TIMESTEPS, threshold=dynamic_threshold, generator=seeded()))
    assert steps[-1].x_s.shape == (1, 3, 16, 16) and steps[-1].x_s.isfinite().all()
    assert steps[-1].x_s.abs().max() <= 1 and steps[-1].x_s.std() > 0.1
    assert steps[0].eps.dtype == torch.float32


def test_editing_on_ifs_networks(model):
    x0 = torch.rand(1, 3, 16, 16, generator=seeded()) * 2 - 1
    mask = torch.zeros(16, 16)
    mask[4:8, 4:8] = 1
    options = {"timesteps": TIMESTEPS, "threshold": dynamic_threshold, "generator": seeded()}
    edited = final(sdedit(model.stage_1, x0, model.embed("a dog"), i_start=1, **options), progress=False)
    assert edited.shape == x0.shape and not torch.equal(edited, x0)
    filled = final(inpaint(guided(model.stage_1, 3), x0, mask, model.embed("a dog"), **options), progress=False)
    torch.testing.assert_close(filled * (1 - mask), x0 * (1 - mask))
    assert not torch.equal(filled, x0)


def test_enlarging_on_ifs_networks(model):
    small = torch.rand(2, 3, 16, 16, generator=seeded()) * 2 - 1
    large = model.upscale(small, model.embed(["a dog", "a cat"]), steps=2, generator=seeded())
    assert large.shape == (2, 3, 64, 64) and large.isfinite().all() and large.abs().max() <= 1
