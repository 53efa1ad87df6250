"""DeepFloyd IF's memory by plan, and its download sizes: `make memory` prints the tables of docs/deepfloyd.md.

They are computed from the architectures, built on the meta device (helpers/memory.py). The configs are gated, but
fine-tuned models keep them, and published file sizes and outputs give the rest:

IF-I-XL. Its config.json is that of https://huggingface.co/lucostiguy11/dreambooth_if. 4,304,695,110 weights; 4.3
billion are published.
IF-II-L. Likewise https://huggingface.co/williamberman/dreambooth_me_upscale. 1,243,277,190 weights; 1.2 billion are
published, and 2.5 GB in fp16.
IF-I-M. Inferred: XL's proportions with 192 channels make 371,605,830 weights. OpenVINO's notebook on it prints 1417.56
MiB in fp32, which are 371.60 million
(https://github.com/openvinotoolkit/openvino_notebooks/tree/latest/notebooks/deepfloyd-if).
IF-II-M. Inferred: L's proportions with 96 channels and no self-attention make 460,997,382 weights. The same notebook
prints 1758.82 MiB, which are 461.06 million; with self-attention it would be 482.5 million.
IF-I-L. A guess: of XL's proportions (channels in multiples of 64, the heads' width), those with 320 channels make
935,365,830 weights and come nearest to the published 900 million.

load_model reads the downloaded config and does not depend on these numbers.
"""

from functools import cache

import torch
from diffusers import UNet2DConditionModel

from ci.tiny_if import STAGE_1, STAGE_2
from helpers.hub import DEEPFLOYD
from helpers.memory import GB, IMAGES_PER_CALL, Footprint, Plan, expected_peak, footprint
from helpers.text_encoders import TOKENS, t5_bytes

MODELS = ("deepfloyd-m", "deepfloyd-l", "deepfloyd-xl")
FULL = {"attention_head_dim": 64, "norm_num_groups": 32, "encoder_hid_dim": 4096}
CHANNELS = {
    "IF-I-M": (192, 384, 576, 768),
    "IF-I-L": (320, 640, 960, 1280),
    "IF-I-XL": (704, 1408, 2112, 2816),
    "IF-II-M": (96, 192, 384, 576, 768),
    "IF-II-L": (160, 320, 640, 960, 1280),
}
T5_XXL = {"d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_heads": 64, "num_layers": 24, "vocab_size": 32128}


def architecture(name: str) -> dict:
    """The config of a network of DeepFloyd IF."""
    channels = CHANNELS[name]
    config = FULL | {"block_out_channels": channels, "cross_attention_dim": channels[-1]}
    if name.startswith("IF-I-"):
        return STAGE_1 | config | {"sample_size": 64}
    own = {"time_embedding_dim": channels[-1], "only_cross_attention": name == "IF-II-M"}
    return STAGE_2 | config | {"sample_size": 256} | own


def networks_of(model: str) -> list[str]:
    """The networks of a model, such as "deepfloyd-m": stage I, stage II."""
    return [name.split("/")[1].removesuffix("-v1.0") for name in DEEPFLOYD[model]]


@cache
def size_of(network: str) -> Footprint:
    return footprint(UNet2DConditionModel, architecture(network), torch.float16)


def files_of(model: str) -> float:
    """The bytes of a model's files, nearly all of which are the networks' weights in fp16."""
    return sum(size_of(network).weights for network in networks_of(model))


def main() -> None:
    from transformers import T5Config

    sizes = {name: size_of(name) for name in CHANNELS}
    print("| network | weights | in fp16 | a call on one guided image | on six |\n|---|---|---|---|---|")
    for name, size in sizes.items():
        one = size.tensors / IMAGES_PER_CALL * 2
        print(f"| {name} | {size.weights / 2e6:,.0f} M | {gb(size.weights)} | {gb(one)} | {gb(size.tensors)} |")
    print("\n| `model` | all on the GPU | one network at a time | one layer at a time |\n|---|---|---|---|")
    for model in MODELS:
        networks = [sizes[network] for network in networks_of(model)]
        print(f"| {model} | {' | '.join(gb(expected_peak(plan, networks)) for plan in Plan)} |")
    int8, bf16 = t5_bytes(T5Config(**T5_XXL, feed_forward_proj="gated-gelu"))
    print(f"\nT5-XXL, while it encodes: {gb(int8)} on a GPU in 8 bit, or {gb(bf16)} of main memory in bf16.")
    print(f"To download: {', '.join(f'{gb(files_of(model))} for {model}' for model in MODELS)}.")
    print(f"The stored text states of a prompt: {TOKENS * T5_XXL['d_model'] * 2 / 1e6:.1f} MB.")  # fp16


def gb(size: float) -> str:
    return f"{size / GB:.1f} GB"


if __name__ == "__main__":
    main()
