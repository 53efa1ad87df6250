"""The ONNX files of the live demo compute what PyTorch computes: stage I of any size, and the text encoder."""

import numpy as np
import pytest
import torch
from toys import seeded

from helpers.if_denoisers import TextDenoiser
from helpers.models import load_model
from helpers.patch_unet import PatchUNet
from helpers.schedule import NoiseSchedule
from helpers.text_encoders import encode, load_encoder

pytest.importorskip("onnxscript", reason="the extra `web` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `web` is not installed")

from ci.site.onnx_files import encoder_model, in_fp16, stage_1_model  # noqa: E402 (it imports onnx)


def session(model) -> "onnxruntime.InferenceSession":
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def wide() -> tuple[TextDenoiser, torch.Tensor]:
    """A random network of another size, with all that a PatchUNet can have; and texts for it."""
    torch.manual_seed(0)
    unet = PatchUNet(
        sample_size=32,
        block_out_channels=(8, 16, 48),
        text_dim=24,
        draft_dim=16,
        finish_dim=4,
        overviews=(8, 1),
        centred=True,
    )
    torch.nn.init.normal_(unet.finisher.layers[-1].weight)  # they are zero before training
    unet = unet.half().float().eval().requires_grad_(False)
    texts = torch.randn(4, 77, 24, generator=seeded(1))
    return TextDenoiser(unet, NoiseSchedule.cosine(), texts[:1]), texts


@pytest.fixture(scope="module")
def bundled() -> tuple[TextDenoiser, torch.Tensor]:
    model = load_model("mini-if", "cpu")
    model.stage_1.unet.float()
    return model.stage_1, model.embed(["", "a photo of a panda", "a rocket ship", "a high quality photo"])


@pytest.fixture(scope="module", params=["wide", "bundled"])
def both(request) -> tuple[TextDenoiser, torch.Tensor, "onnxruntime.InferenceSession", int]:
    """A denoiser, texts (4, 77, width), its ONNX file opened, and the file's bytes."""
    denoiser, texts = request.getfixturevalue(request.param)
    model = stage_1_model(denoiser)
    return denoiser, texts, session(model), model.ByteSize()


@torch.no_grad()
def test_stage_1_predicts_as_in_pytorch_at_every_noise_level_and_for_any_number_of_images(both):
    denoiser, texts, onnx, _ = both
    for t, B in [(0, 1), (90, 4), (500, 2), (990, 3), (999, 2)]:
        x_t, text = torch.randn(B, *denoiser.image_shape, generator=seeded(t)), texts[:B]
        eps = denoiser(x_t, t, text).eps.numpy()
        (found,) = onnx.run(["eps"], {"x_t": x_t.numpy(), "t": np.array([t]), "text": text.numpy()})
        assert found.shape == eps.shape and np.abs(found - eps).max() < 1e-4 * np.abs(eps).max(), (t, B)


def test_the_file_has_the_weights_in_fp16_once(both):
    denoiser, _, _, size = both
    weights = sum(parameter.numel() for parameter in denoiser.unet.parameters())
    assert 2 * weights < size < 2.2 * weights + 400_000  # the graph itself takes some hundred kilobytes


def test_a_table_that_fp16_would_round_stays_in_fp32():
    import onnx

    table = np.linspace(0, 1, 3000, dtype=np.float32)
    weights = table.astype(np.float16).astype(np.float32)
    inputs = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [3000])]
    outputs = [onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [3000])]
    nodes = [onnx.helper.make_node("Mul", ["x", "a"], ["y"]), onnx.helper.make_node("Add", ["y", "b"], ["z"])]
    tensors = [onnx.numpy_helper.from_array(values, name) for values, name in [(table, "a"), (weights, "b")]]
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs, tensors)
    opset = [onnx.helper.make_opsetid("", 20)]
    model = in_fp16(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10))
    assert {tensor.name for tensor in model.graph.initializer} == {"a", "b_fp16"}
    (z,) = session(model).run(None, {"x": np.ones(3000, np.float32)})
    assert np.array_equal(z, table + weights)


@torch.no_grad()
def test_the_text_encoder_in_int8_gives_nearly_the_same_states_and_stays_below_30_MB():
    model = encoder_model()
    assert model.ByteSize() < 30e6
    onnx, (tokenizer, _) = session(model), load_encoder()
    prompts = ["a photo of a panda", "a watercolour of two très jolies lemons, upside down!"]
    for prompt, wanted in zip(prompts, encode(prompts, 384).float().numpy()):
        tokens = tokenizer([prompt], padding="max_length", max_length=77, return_tensors="np")
        feeds = {"tokens": tokens["input_ids"].astype(np.int64), "mask": tokens["attention_mask"].astype(np.int64)}
        (found,) = onnx.run(["states"], feeds)
        assert np.abs(found[0] - wanted).mean() < 0.06 * np.abs(wanted).mean()
