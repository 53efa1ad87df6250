"""The networks as ONNX files, which a browser runs: stage I with its drafter, and the text encoder.

Weights take half a file's usual size, or a quarter: stage I's are stored in fp16, as they ship, and the text encoder's
in int8. Both are computed with in fp32, so stage I loses nothing.
"""

import copy
import warnings

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from helpers.if_denoisers import TextDenoiser
from helpers.text_encoders import TOKENS, load_encoder

__all__ = ["encoder_model", "stage_1_model"]

MOST_IMAGES = 16  # in one call
LARGE = 1000  # numbers; smaller tensors stay in fp32


class NoisePredictor(nn.Module):
    """Stage I as one function: x_t (B, 3, H, W), t (1,), text (B, 77, width) -> eps (B, 3, H, W)."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, x_t: Tensor, t: Tensor, text: Tensor) -> Tensor:
        B = x_t.shape[0]  # len(x_t) would fix it to the example's
        out = self.unet(x_t, t.expand(B), encoder_hidden_states=text, return_dict=False)[0]
        return out.chunk(2, dim=1)[0]  # without the learned variance, which DDIM does not use


class TextEncoder(nn.Module):
    """all-MiniLM-L6-v2 as one function: tokens and their mask, (1, 77) each -> text states (1, 77, width)."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state


def stage_1_model(denoiser: TextDenoiser) -> onnx.ModelProto:
    """Stage I of any size, for up to 16 images at a time. Its weights are in fp16, rounded if they were in fp32."""
    unet = copy.deepcopy(denoiser.unet).half().float().eval()
    x_t = torch.zeros(2, *denoiser.image_shape)
    text = denoiser.empty.float().expand(2, -1, -1).contiguous()
    B = torch.export.Dim("B", min=1, max=MOST_IMAGES)
    shapes = {"x_t": {0: B}, "t": None, "text": {0: B}}
    return in_fp16(exported(NoisePredictor(unet), {"x_t": x_t, "t": torch.tensor([1]), "text": text}, "eps", shapes))


def encoder_model() -> onnx.ModelProto:
    """The text encoder, for one prompt, its weights in int8. Raises a ModelError if it is not installed."""
    _, encoder = load_encoder()
    inputs = {name: torch.ones(1, TOKENS, dtype=torch.long) for name in ("tokens", "mask")}
    return in_int8(exported(TextEncoder(encoder), inputs, "states", None))


@torch.no_grad()
def exported(network: nn.Module, inputs: dict[str, Tensor], output: str, shapes: dict | None) -> onnx.ModelProto:
    """A network as ONNX, in fp32. `shapes` names the axes of the inputs whose size may change."""
    network.eval()
    network(**inputs)  # fills caches such as the schedule's, which an export would fill with tensors without values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, such as that two axes share a name
        program = torch.onnx.export(
            network, kwargs=inputs, dynamo=True, dynamic_shapes=shapes, output_names=[output], verbose=False
        )
    return program.model_proto


def in_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store each large tensor in fp16, with a cast to fp32, if that changes no value.

    Weights that were in fp16 qualify. Tables that need fp32, such as the noise schedule, do not.
    """
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LARGE:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if np.array_equal(half.astype(np.float32), values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_fp16"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}_fp16"], [name], to=onnx.TensorProto.FLOAT))
    return with_nodes_first(model, casts)


def in_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store each large matrix (rows, columns) as integers from -127 to 127 and a factor for each column."""
    nodes = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LARGE or values.ndim != 2:
            continue
        factors = np.abs(values).max(axis=0).clip(min=1e-12) / 127  # (columns,)
        integers = np.round(values / factors).astype(np.int8)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(integers, f"{name}_int8"))
        model.graph.initializer.append(numpy_helper.from_array(factors.astype(np.float32), f"{name}_factors"))
        parts = [f"{name}_int8", f"{name}_factors"]
        nodes.append(onnx.helper.make_node("DequantizeLinear", parts, [name], axis=1))
    return with_nodes_first(model, nodes)


def with_nodes_first(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    """The model with more nodes before its own, which read their results."""
    own = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *own])
    del model.graph.value_info[:]  # types of what is inside, which have changed
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]  # a megabyte about the source code of each node
    onnx.checker.check_model(model)
    return model
