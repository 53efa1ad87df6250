"""Models from the Hugging Face hub: their names, their download, and what to do if it fails.

DeepFloyd IF is gated: you have to log in and accept its licence (LICENCE), which also limits the use of its images.
Its authors run a safety checker and add a visible watermark; the kit's own loops do neither.
"""

import errno
import re
from pathlib import Path

from huggingface_hub import constants, get_token, snapshot_download
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

__all__ = ["DEEPFLOYD", "LICENCE", "ModelError", "deepfloyd", "fetch_from_hub", "is_hub_name"]

LICENCE = "https://huggingface.co/spaces/DeepFloyd/deepfloyd-if-license"
# the hub's names of stage I and of the stage II that goes with it; 400 M and 450 M, 900 M and 1.2 B, 4.3 B and 1.2 B
# weights
DEEPFLOYD = {
    "deepfloyd-m": ("DeepFloyd/IF-I-M-v1.0", "DeepFloyd/IF-II-M-v1.0"),
    "deepfloyd-l": ("DeepFloyd/IF-I-L-v1.0", "DeepFloyd/IF-II-L-v1.0"),
    "deepfloyd-xl": ("DeepFloyd/IF-I-XL-v1.0", "DeepFloyd/IF-II-L-v1.0"),
}
DEEPFLOYD["deepfloyd"] = DEEPFLOYD["deepfloyd-xl"]
LOG_IN = "run `hf auth login`, or set HF_TOKEN to a token from https://huggingface.co/settings/tokens"


class ModelError(RuntimeError):
    """A model, or a part of it, that cannot be loaded. The message says what to do."""


def deepfloyd(name: str) -> tuple[str, str] | None:
    """The hub's names of DeepFloyd IF's stages I and II, by a size's name here or by stage I's there; else None."""
    return DEEPFLOYD.get(name) or next((stages for stages in DEEPFLOYD.values() if stages[0] == name), None)


def is_hub_name(name: str) -> bool:
    """Whether a name has the hub's form, owner/name."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) is not None


def fetch_from_hub(name: str, patterns: tuple[str, ...]) -> Path:
    """The folder in the hub's cache with a model's files that match `patterns`; missing ones are downloaded.

    huggingface_hub fetches only what is new and, without a network, takes what its cache has.
    Raises a ModelError that says what to do.
    """
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except Exception as error:  # huggingface_hub's own errors, or those of the HTTP library that its version uses
        raise ModelError(explain(name, error)) from error


def explain(name: str, error: Exception) -> str:
    """Why the download failed, and what to do."""
    page = f"https://huggingface.co/{name}"
    # older versions say only in the cause that the hub has answered
    statuses = [getattr(getattr(e, "response", None), "status_code", None) for e in (error, error.__cause__)]
    status = next((status for status in statuses if status is not None), None)
    if isinstance(error, GatedRepoError) and status == 401:
        return (
            f"the hub gives {name} only to those who have accepted its licence, and it does not know who you are. "
            f"Open {page}, log in and accept the licence; then {LOG_IN}."
        )
    if isinstance(error, GatedRepoError):
        return (
            f"the licence of {name} has not been accepted with your account. Open {page}, log in as the owner of "
            "your token and accept it. (A fine-grained token must also be allowed to read gated repositories.)"
        )
    if status == 401 and get_token():
        return f"the hub does not take your token: it is mistyped, or has expired. For a new one, {LOG_IN}."
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"there is neither a folder {name} here nor a model {page} on the hub. (If the model is private, {LOG_IN}.)"
        )
    if isinstance(error, LocalEntryNotFoundError):
        offline = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        return (
            f"{name} is not, or only partly, in the cache on this computer ({constants.HF_HUB_CACHE}), and {offline}. "
            "Load it once with a network; or copy that cache from a computer that has it; or take model='mini-if'."
        )
    if getattr(error, "errno", None) == errno.ENOSPC:
        return f"the disk is full: make room in {constants.HF_HUB_CACHE}, or set HF_HOME to a folder on another disk."
    reason = str(error).partition("\n")[0] or type(error).__name__
    return f"the download of {name} broke off ({reason}). Load the model again: files that had arrived are kept."
