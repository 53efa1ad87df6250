"""A model's stages: their folders and files, and loading the networks and noise schedules from them."""

import json
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors import SafetensorError

from .checksums import SUMS, damaged
from .devices import best_dtype, load_in
from .hub import DEEPFLOYD, ModelError, deepfloyd, fetch_from_hub, is_hub_name
from .memory import Plan, choose_plan, footprint
from .patch_unet import PatchUNet
from .prompts import KNOWN
from .schedule import NoiseSchedule
from .text_encoders import EMBEDDINGS
from .upscale_unet import UpscaleUNet

__all__ = [
    "BUNDLED",
    "STAGE_2",
    "WANTED_FILES",
    "WANTED_FILES_2",
    "find_stages",
    "load_network",
    "load_stage",
    "plan_for",
]

BUNDLED = {"mini-if": Path(__file__).resolve().parent.parent / "data" / "models" / "mini-if"}
NETWORKS = {"PatchUNet": PatchUNet, "UpscaleUNet": UpscaleUNet, "UNet2DConditionModel": UNet2DConditionModel}
STAGE_2 = "stage_2"  # the folder of stage II within a model's folder
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
WANTED_FILES = ("model_index.json", "scheduler/scheduler_config.json", "unet/config.json", WEIGHTS)
WANTED_FILES_2 = (*WANTED_FILES, "image_noising_scheduler/scheduler_config.json")
# weights may also exist in fp16, half the download, and in several files
WEIGHTS_FP16 = ("unet/diffusion_pytorch_model*fp16*.safetensors", "unet/*.index.fp16.json")
WEIGHTS_FULL = ("unet/diffusion_pytorch_model*.safetensors", "unet/*.index.json")


def find_stages(name: str) -> list[Path]:
    """The folders of a model's stage I and, if it has one, stage II, with all their files; from the hub if need be."""
    folder = BUNDLED.get(name, Path(name))
    if folder.is_dir():
        folders = [folder, folder / STAGE_2]
    elif deepfloyd(name):
        stage_1, stage_2 = deepfloyd(name)
        folders = [fetch_stage(stage_1, WANTED_FILES), fetch_stage(stage_2, WANTED_FILES_2)]
    elif is_hub_name(name):
        folder = fetch_stage(name, WANTED_FILES_2, inner=("", f"{STAGE_2}/"))
        folders = [folder, folder / STAGE_2]
    else:
        raise ModelError(
            f"there is no model {name!r}; wanted {', '.join(map(repr, [*BUNDLED, *DEEPFLOYD]))}, a name on the hub "
            "(owner/name), or the path of a folder in diffusers' IF format."
        )
    folders = [folder for folder in folders if folder.is_dir()]
    for folder, wanted in zip(folders, (WANTED_FILES, WANTED_FILES_2)):
        wanted = (*wanted, SUMS) if name in BUNDLED else wanted
        missing = [file for file in wanted if not has_file(folder, file)]
        if missing:
            raise ModelError(f"{folder} is incomplete: it has no {', '.join(missing)}. Fetch the folder again.")
        changed = damaged(folder)
        if changed:
            raise ModelError(
                f"{folder} is damaged: {', '.join(changed)} differs from its checksum in {SUMS}. Fetch the folder "
                f"again; or, if you have changed it, update the list with `python -m helpers.checksums {folder}`."
            )
    if has_file(folders[0], WANTED_FILES_2[-1]):
        raise ModelError(
            f"{name} is a stage II, which enlarges another network's images; wanted the name of a stage I, "
            f"such as {DEEPFLOYD['deepfloyd'][0]}."
        )
    return folders


def fetch_stage(name: str, wanted: tuple[str, ...], inner: tuple[str, ...] = ("",)) -> Path:
    """The folder of a stage (or of two, nested) from the hub: schedulers and network, in fp16 if there is such a file.

    The text encoder, of 10 GB, is not downloaded until a prompt needs it.
    """
    rest = (*(file for file in wanted if file != WEIGHTS), EMBEDDINGS, KNOWN)
    folder = fetch_from_hub(name, tuple(place + file for place in inner for file in (*rest, *WEIGHTS_FP16)))
    if has_file(folder, WEIGHTS):
        return folder
    return fetch_from_hub(name, tuple(place + file for place in inner for file in (*rest, *WEIGHTS_FULL)))


def load_stage(folder: Path, wanted: tuple[str, ...]) -> tuple:
    """The network in a folder, and a noise schedule for each scheduler among the wanted files."""
    schedules = [load_schedule(folder / file) for file in wanted if file.endswith("scheduler_config.json")]
    return load_network(folder / "unet"), *schedules


def has_file(folder: Path, file: str) -> bool:
    """Whether a stage's folder has a file (weights: in any of their formats)."""
    return any(folder.glob(WEIGHTS_FULL[0])) if file == WEIGHTS else (folder / file).is_file()


def load_schedule(file: Path) -> NoiseSchedule:
    """The noise schedule of a scheduler's config."""
    try:
        return NoiseSchedule.from_scheduler(DDPMScheduler.from_pretrained(file.parent))
    except (OSError, TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{file} is damaged: {error}") from error


def network_class(folder: Path) -> tuple[type[UNet2DConditionModel], dict]:
    """The class and the config of the network in an IF-format `unet` folder."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return NETWORKS[config["_class_name"]], config
    except OSError as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / 'config.json'} is not the config of one of {', '.join(NETWORKS)}.") from error


def load_network(folder: Path) -> UNet2DConditionModel:
    """The network of an IF-format `unet` folder, in fp16 if there is such a file.

    In fp32, the largest network would not fit into the main memory of a free Colab machine. Raises a ModelError if
    weights are missing.
    """
    network, _ = network_class(folder)
    options = {"use_safetensors": True, "output_loading_info": True}
    if any(folder.glob("*fp16*.safetensors")):
        options |= {"variant": "fp16", **load_in(torch.float16, "diffusers")}
    try:
        unet, report = network.from_pretrained(folder, **options)
    except (SafetensorError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"the weights in {folder} are damaged or do not fit its config.json: {error}. Fetch the folder again."
        ) from error
    if report["missing_keys"]:
        some = ", ".join(sorted(report["missing_keys"])[:3])
        raise ModelError(f"the weights in {folder} lack {len(report['missing_keys'])} tensors ({some}, …).")
    return unet.eval().requires_grad_(False)


def plan_for(folders: list[Path], device: torch.device) -> Plan:
    """The memory plan for a model's networks. Only DeepFloyd IF's are large enough to need one."""
    networks = [network_class(folder / "unet") for folder in folders]
    large = [(network, config) for network, config in networks if network is UNet2DConditionModel]
    if device.type != "cuda" or not large:
        return Plan.ALL
    free, _ = torch.cuda.mem_get_info(device)
    return choose_plan([footprint(network, config, best_dtype(device)) for network, config in large], free)
