"""The text states of prompts, and the files that store them.

    python -m helpers.prompts deepfloyd                                  encode the kit's prompts with T5
    python -m helpers.prompts deepfloyd "a photo of a cat"               encode others
    python -m helpers.prompts deepfloyd --read prompt_embeds_dict.pth    import a dictionary of embeddings

DeepFloyd IF's encoder is large, so it is loaded only to encode prompts, and its outputs are stored in the folder that
`remembered` returns.
"""

import argparse
import json
from pathlib import Path

import torch
from huggingface_hub import constants
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from .checkpoints import TrainingError, only_writer, write_tensors
from .command import errors_end
from .hub import DEEPFLOYD, ModelError, is_hub_name
from .text_encoders import EMBEDDINGS, TOKENS, encode_t5

__all__ = [
    "KNOWN",
    "course_prompts",
    "encode_and_remember",
    "load_embeddings",
    "load_known",
    "read_dictionary",
    "remember",
    "remembered",
]

KNOWN = "known.json"  # the concepts that a model was trained on
COURSE = Path(__file__).resolve().parent.parent / "data" / "prompts.json"


def load_embeddings(folder: Path) -> dict[str, Tensor]:
    """A folder's stored text states (77, width) by prompt; none if there is no such file."""
    file = folder / EMBEDDINGS
    if not file.is_file():
        return {}
    try:
        states = load(file.read_bytes())  # at once, since another process may replace it
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} is damaged: {error}. Fetch it again, or make it with `make embeddings`.") from error
    for prompt, state in states.items():
        if not state.is_floating_point() or state.ndim != 2 or len(state) != TOKENS or not state.isfinite().all():
            raise ModelError(
                f"{file} has {prompt!r} -> {state.dtype} of shape {tuple(state.shape)}; "
                f"wanted finite floating-point states ({TOKENS}, width)."
            )
    widths = {state.shape[1] for state in states.values()}
    if len(widths) > 1:
        raise ModelError(f"{file} has states of several widths, {sorted(widths)}; wanted one.")
    return states


def load_known(folder: Path) -> tuple[str, ...]:
    """The concepts that a model was trained on, such as "a panda"; none if there is no such file."""
    file = folder / KNOWN
    if not file.is_file():
        return ()
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} is damaged: {error}. Fetch it again.") from error
    if not isinstance(known, list) or not all(isinstance(thing, str) for thing in known):
        raise ModelError(f"{file} is damaged: it has no list of words. Fetch it again.")
    return tuple(known)


def remembered(name: str) -> Path:
    """The folder with a model's stored text states: the model's own, or one beside the hub's cache."""
    if name in DEEPFLOYD or name.startswith("DeepFloyd/"):
        return Path(constants.HF_HOME) / "course-prompts" / "DeepFloyd"  # all sizes have the same encoder
    if is_hub_name(name) and not Path(name).is_dir():
        return Path(constants.HF_HOME) / "course-prompts" / name.replace("/", "--")
    return Path(name)


def remember(states: dict[str, Tensor], folder: Path) -> None:
    """Add text states (77, width) to a folder's stored ones. Several processes may do so at the same time."""
    for prompt, state in states.items():
        if not state.half().isfinite().all():
            largest = state.abs().max().item()
            raise ModelError(
                f"the states of {prompt!r} reach {largest:g}; wanted at most 65504, fp16's largest number."
            )
    states = {prompt: state.detach().half().cpu().contiguous() for prompt, state in states.items()}
    try:
        with only_writer(folder):
            write_tensors(load_embeddings(folder) | states, folder / EMBEDDINGS, {})
    except TrainingError as error:
        raise ModelError(str(error)) from error


def read_dictionary(file: str | Path) -> dict[str, Tensor]:
    """Text states (77, width) by prompt, from a dictionary saved with torch.save: prompt -> (1, 77, width).

    Only tensors are read, because such a file could otherwise run code. Raises a ModelError for any other file.
    """
    wanted = f"wanted a dictionary of prompt -> tensor (1, {TOKENS}, width), saved with torch.save"
    try:
        dictionary = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"there is no file {file}.") from None
    except Exception as error:  # on other files, PyTorch's reader fails in many ways
        raise ModelError(f"{file} is damaged, or holds more than tensors, and is not opened; {wanted}.") from error
    if not isinstance(dictionary, dict) or not dictionary:
        raise ModelError(f"{file} holds a {type(dictionary).__name__} of nothing that fits; {wanted}.")
    states = {}
    for prompt, state in dictionary.items():
        if not isinstance(prompt, str) or not isinstance(state, Tensor):
            raise ModelError(f"{file} has {prompt!r} -> {type(state).__name__}; {wanted}.")
        shape = tuple(state.shape)
        if not state.is_floating_point() or state.ndim not in (2, 3) or shape[:-1] not in ((TOKENS,), (1, TOKENS)):
            raise ModelError(f"{file} has {prompt!r} -> {state.dtype} of shape {shape}; {wanted}.")
        if not state.isfinite().all():
            raise ModelError(f"{file} has NaN or infinity for {prompt!r}; {wanted}.")
        states[prompt] = state.view(TOKENS, -1)
    widths = {state.shape[1] for state in states.values()}
    if len(widths) > 1:
        raise ModelError(f"{file} has states of several widths, {sorted(widths)}; {wanted}.")
    return states


def encode_and_remember(prompts: list[str], name: str | Path) -> Tensor:
    """Text states (N, 77, width) of a model's T5 encoder, stored for the next time."""
    folder = remembered(str(name))
    try:
        states = encode_t5(prompts, name)
    except ModelError as error:
        prompt = prompts[0] if len(prompts) == 1 else prompts[-1]
        raise ModelError(
            f"no text states are stored for {prompt!r} in {folder / EMBEDDINGS}, and they cannot be made here: "
            f"{str(error).rstrip('.')}. Either run `python -m helpers.prompts {name} {prompt!r}` where there is room "
            "for the encoder, and copy that file; or convert a dictionary of precomputed ones: "
            f"`python -m helpers.prompts {name} --read prompt_embeds_dict.pth`."
        ) from error
    remember(dict(zip(prompts, states)), folder)
    return states


def course_prompts() -> list[str]:
    """Every prompt of the notebooks, including the empty one."""
    return json.loads(COURSE.read_text(encoding="utf-8"))


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Encode prompts with a model's T5 encoder, or read their states from a dictionary, and store them."""
    parser = argparse.ArgumentParser(prog="python -m helpers.prompts", description=main.__doc__)
    parser.add_argument("model", help="deepfloyd, another name on the hub, or a folder in IF's format")
    parser.add_argument("prompts", nargs="*", help="the kit's by default")
    parser.add_argument(
        "--read", metavar="FILE", help="a dictionary of prompt -> (1, 77, width), saved with torch.save"
    )
    args = parser.parse_args(arguments)
    if args.model not in DEEPFLOYD and not is_hub_name(args.model) and not Path(args.model).is_dir():
        parser.error(f"there is no model {args.model!r}; wanted deepfloyd, a name on the hub, or a folder")
    folder = remembered(args.model)
    with errors_end(parser, ModelError, ValueError):
        if args.read:
            states = read_dictionary(args.read)
            remember(states, folder)
            prompts = list(states)
        else:
            kept = load_embeddings(folder)
            prompts = [prompt for prompt in args.prompts or course_prompts() if prompt not in kept]
            if prompts:
                encode_and_remember(prompts, args.model)
    print(f"{len(prompts)} prompts added to {folder / EMBEDDINGS}, which has {len(load_embeddings(folder))}")


if __name__ == "__main__":
    main()
