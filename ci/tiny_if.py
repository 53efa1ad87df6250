"""A tiny DeepFloyd IF for tests: every kind of block and every flag of IF-I-XL, IF-II-L and their T5, with few channels
and random weights, saved in the hub's format. It is made in seconds and never stored.

The flags are those of the published configs; ci/bench/memory_table.py says where these can be read.

    python -m ci.tiny_if folder      for `make course MODEL=folder`
"""

import json
import shutil
import sys
from pathlib import Path

import sentencepiece
import torch
from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline, UNet2DConditionModel
from transformers import AutoTokenizer, T5Config, T5EncoderModel

from helpers.prompts import course_prompts

WIDTH = 64  # of the text states; 4096 in IF
BOTH = {
    "out_channels": 6,
    "attention_head_dim": 16,  # 64 in IF
    "norm_num_groups": 8,  # 32
    "cross_attention_norm": "group_norm",
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "resnet_time_scale_shift": "scale_shift",
    "act_fn": "gelu",
    "encoder_hid_dim": WIDTH,
    "encoder_hid_dim_type": "text_proj",
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 64,
}
STAGE_1 = BOTH | {
    "in_channels": 3,
    "block_out_channels": (16, 32, 48, 64),  # times 44 in IF-I-XL: (704, 1408, 2112, 2816)
    "layers_per_block": 3,
    "cross_attention_dim": 64,
    "down_block_types": ("ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3),
    "up_block_types": (*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"),
}
STAGE_2 = BOTH | {
    "in_channels": 6,
    "block_out_channels": (8, 16, 32, 48, 64),  # times 20 in IF-II-L: (160, 320, 640, 960, 1280)
    "layers_per_block": (2, 2, 3, 5, 5),
    "cross_attention_dim": 64,
    "down_block_types": (*["ResnetDownsampleBlock2D"] * 3, *["SimpleCrossAttnDownBlock2D"] * 2),
    "up_block_types": (*["SimpleCrossAttnUpBlock2D"] * 2, *["ResnetUpsampleBlock2D"] * 3),
    "class_embed_type": "timestep",
    "time_embedding_act_fn": "gelu",
    "time_embedding_dim": 64,
    "resnet_skip_time_act": True,
    "resnet_out_scale_factor": 1 / 0.7071,
    "mid_block_scale_factor": 1 / 0.7071,
}


def save_tiny_if(stage_1: Path, stage_2: Path, size: int = 64, variant: str | None = "fp16") -> None:
    """Save both stages with text encoder and tokenizer, for images of `size` and 4 · `size` pixels."""
    torch.manual_seed(0)
    save_tokenizer(stage_1 / "tokenizer")
    parts = {
        "tokenizer": AutoTokenizer.from_pretrained(stage_1 / "tokenizer"),
        "text_encoder": text_encoder(),
        "safety_checker": None,
        "feature_extractor": None,
    }
    parts |= {"watermarker": None, "requires_safety_checker": False}
    cosine = {"beta_schedule": "squaredcos_cap_v2"}
    learned = cosine | {"variance_type": "learned_range", "thresholding": True, "dynamic_thresholding_ratio": 0.95}
    first = IFPipeline(
        unet=UNet2DConditionModel(sample_size=size, **STAGE_1),
        scheduler=DDPMScheduler(**learned, sample_max_value=1.5),
        **parts,
    )
    second = IFSuperResolutionPipeline(
        unet=UNet2DConditionModel(sample_size=4 * size, **STAGE_2),
        scheduler=DDPMScheduler(**learned, sample_max_value=1.0),
        image_noising_scheduler=DDPMScheduler(**cosine),
        **parts,
    )
    for pipeline, folder in ((first, stage_1), (second, stage_2)):
        if variant == "fp16":
            torch.nn.Module.to(pipeline.unet, torch.float16)
            torch.nn.Module.to(pipeline.text_encoder, torch.float16)
        pipeline.save_pretrained(folder, variant=variant)
        shutil.rmtree(folder / "tokenizer")  # current versions of transformers write more files than the hub has
        save_tokenizer(folder / "tokenizer")


def text_encoder() -> T5EncoderModel:
    config = {"d_model": WIDTH, "d_ff": 96, "d_kv": 8, "num_heads": 4, "num_layers": 2, "vocab_size": 60}
    return T5EncoderModel(T5Config(**config, feed_forward_proj="gated-gelu")).eval()


def save_tokenizer(folder: Path) -> None:
    """Save T5's files in the hub's format: a SentencePiece model, here of single letters, and two lists of names."""
    lines = [*course_prompts(), "abcdefghijklmnopqrstuvwxyz0123456789.,-'"]
    letters = set("".join(lines).lower().replace(" ", "▁"))
    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line.lower() for line in lines),
        model_prefix=str(folder / "spiece"),
        vocab_size=len(letters) + 3,  # and <pad>, </s>, <unk>
        character_coverage=1.0,
        **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "minloglevel": 2},
    )
    (folder / "spiece.vocab").unlink()
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    names["additional_special_tokens"] = [f"<extra_id_{i}>" for i in range(100)]
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    more = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(names | more))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    save_tiny_if(folder, folder / "stage_2")
    shutil.rmtree(folder / "stage_2" / "text_encoder")
    print(json.dumps({"model": str(folder)}))
