"""What memory DeepFloyd IF needs, by plan: `make memory` prints the README's table.

Computed from the architectures, built on the meta device (helpers/memory.py). Where they come from:

IF-I. Blocks and flags: diffusers' scripts/convert_if.py. IF-I-XL's config.json has block_out_channels (704, 1408, 2112,
2816), 3 layers in each and cross_attention_dim 2816, as a public summary of it says. That makes 4.30 billion weights;
4.3 are published. Those of L and M are gated, and were not found: of the widths that were tried in the same
proportions, 320 (935 M) and 192 (372 M) come nearest to the published 900 M and 400 M.
IF-II. From the same script: layers (2, 2, 3, 5, 5), cross-attention without self-attention in the two lowest levels,
and the flags. The channels were not found. Of those that give the published 1.2 B and 450 M, these are the widest at
full resolution, where most memory goes: the table rather says too much.

load_model reads the config that it has downloaded, and assumes nothing of this.
"""

import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from helpers.hub import DEEPFLOYD
from helpers.memory import GB, PICTURES, Footprint, Plan, expected_peak, footprint
from helpers.prompts import t5_bytes

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from tiny_if import STAGE_1, STAGE_2

FULL = {"attention_head_dim": 64, "norm_num_groups": 32, "encoder_hid_dim": 4096}
CHANNELS = {
    "IF-I-M": (192, 384, 576, 768),
    "IF-I-L": (320, 640, 960, 1280),
    "IF-I-XL": (704, 1408, 2112, 2816),
    "IF-II-M": (160, 320, 480, 640, 640),
    "IF-II-L": (256, 512, 1024, 1024, 1024),
}
T5_XXL = {"d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_heads": 64, "num_layers": 24, "vocab_size": 32128}


def architecture(name: str) -> dict:
    """The config of a network of DeepFloyd IF."""
    channels = CHANNELS[name]
    config = FULL | {"block_out_channels": channels, "cross_attention_dim": channels[-1]}
    if name.startswith("IF-I-"):
        return STAGE_1 | config | {"sample_size": 64}
    return STAGE_2 | config | {"sample_size": 256, "time_embedding_dim": channels[-1]}


def main() -> None:
    from transformers import T5Config

    sizes = {name: footprint(UNet2DConditionModel, architecture(name), torch.float16) for name in CHANNELS}
    print("| network | weights | in fp16 | a call on one guided picture | on six |\n|---|---|---|---|---|")
    for name, size in sizes.items():
        one = size.tensors / PICTURES * 2
        print(f"| {name} | {size.weights / 2e6:,.0f} M | {gb(size.weights)} | {gb(one)} | {gb(size.tensors)} |")
    print("\n| `model` | all on the GPU | one network at a time | one layer at a time |\n|---|---|---|---|")
    for model in ("deepfloyd-m", "deepfloyd-l", "deepfloyd-xl"):
        networks: list[Footprint] = [sizes[name.split("/")[1].removesuffix("-v1.0")] for name in DEEPFLOYD[model]]
        print(f"| {model} | {' | '.join(gb(expected_peak(plan, networks)) for plan in Plan)} |")
    int8, bf16 = t5_bytes(T5Config(**T5_XXL, feed_forward_proj="gated-gelu"))
    print(f"\nT5-XXL, while it encodes: {gb(int8)} on a GPU in 8 bit, or {gb(bf16)} of main memory in bf16.")


def gb(size: float) -> str:
    return f"{size / GB:.1f} GB"


if __name__ == "__main__":
    main()
