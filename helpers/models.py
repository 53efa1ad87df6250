"""Pretrained text-to-image models: loading, prompt embeddings, enlarging."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from PIL import Image
from torch import Tensor

from .denoisers import guided
from .devices import best_dtype, choose_device
from .hub import DEEPFLOYD, LICENCE, ModelError
from .if_denoisers import TextDenoiser, UpscaleDenoiser
from .memory import Plan, place_networks
from .patch_unet import PatchUNet
from .prompts import course_prompts, encode_and_remember, load_embeddings, load_known, remembered
from .sampling import denoise, draw_noise, final, forward
from .schedule import NoiseSchedule, strided_timesteps
from .stages import WANTED_FILES, WANTED_FILES_2, find_stages, load_stage, plan_for
from .text_encoders import encode as encode_minilm
from .text_encoders import nearest_known
from .validate import check_fits, check_image, check_integer, check_number, in_words

__all__ = ["TextToImage", "enlarged", "lanczos", "load_model", "upscale"]


def load_model(name: str | Path = "mini-if", device: str | torch.device | None = None) -> "TextToImage":
    """Load a text-to-image model.

    Args:
        name: "mini-if", which ships with the kit; "deepfloyd", or a smaller size of it, "deepfloyd-l" or "deepfloyd-m";
            a name on the Hugging Face hub, or a folder, in diffusers' IF format.
        device: "cpu", "cuda", …; by default a GPU if there is one. The precision follows from it (`best_dtype`), and
            from its free memory, where the networks wait (`memory.Plan`).

    DeepFloyd IF runs here without its safety checker and its watermark; its licence still applies (hub.LICENCE).

    Raises a ModelError for an unknown name, a folder that is incomplete or damaged, a failed download, and a GPU
    that is too small. The message says what to do.
    """
    device = choose_device(device)
    folders = find_stages(str(name))
    embeddings, encode = text_states(str(name), folders[0])
    plan = plan_for(folders, device)
    stages = []
    for folder, wanted in zip(folders, (WANTED_FILES, WANTED_FILES_2)):
        stages.append(load_stage(folder, wanted))
        # directly to the GPU, so that main memory need not hold two networks
        place_networks([stages[-1][0]], device, best_dtype(device), plan)
    model = TextToImage(*stages[0], embeddings, *stages[1:], encode=encode, known=load_known(folders[0]))
    if str(name).startswith("DeepFloyd/") or str(name) in DEEPFLOYD:
        print(f"DeepFloyd IF: the kit runs no safety checker and adds no watermark. Its licence: {LICENCE}")
        print(f"Memory: {plan}." if device.type == "cuda" else f"It computes on the {device.type}, which is slow.")
    return model.to(device, plan)


def text_states(name: str, folder: Path) -> tuple[dict[str, Tensor], Callable | None]:
    """The stored text states of a model, and a function that encodes other prompts (None: Mini-IF's encoder).

    If not even the empty prompt is stored, the kit's prompts are encoded now, before the networks are loaded.
    """
    states = load_embeddings(folder)
    if not has_text_encoder(folder):
        return states, None
    states |= load_embeddings(remembered(name))
    encode = functools.partial(encode_and_remember, name=name)
    if "" not in states:
        course = course_prompts()
        states |= zip(course, encode(course))
    return states, encode


def has_text_encoder(folder: Path) -> bool:
    """Whether model_index.json lists a text encoder."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        return index["text_encoder"][0] is not None
    except (OSError, ValueError, KeyError, TypeError):
        return False


class TextToImage:
    """A loaded model. `stage_1` is a Denoiser for 64×64 images; `upscaler` names the method of `upscale`.

    Args:
        unet, schedule: the network of stage I, and the noise schedule that it was trained with.
        embeddings: text states (77, width) by prompt, "" among them.
        stage_2: a network that enlarges, its schedule, and that of the low-resolution image; None if there is none.
        encode: a function from a list of N other prompts to their states (N, 77, width); Mini-IF's encoder by default.
        known: the concepts that it was trained on, if there is a list.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        schedule: NoiseSchedule,
        embeddings: dict[str, Tensor],
        stage_2: tuple[UNet2DConditionModel, NoiseSchedule, NoiseSchedule] | None = None,
        *,
        encode: Callable[[list[str]], Tensor] | None = None,
        known: tuple[str, ...] = (),
    ):
        self.text_width = unet.config["text_dim" if isinstance(unet, PatchUNet) else "encoder_hid_dim"]
        for prompt, state in embeddings.items():
            if state.shape[-1] != self.text_width:
                raise ModelError(
                    f"the text states of {prompt!r} are {state.shape[-1]} wide; this network reads {self.text_width}."
                )
        self.embeddings = embeddings
        self.known = known
        self.encode = encode or functools.partial(encode_minilm, width=self.text_width)
        self.stage_1 = TextDenoiser(unet, schedule, empty=self.embed(""))
        self.stage_2 = None
        if stage_2 is not None:
            unet_2, schedule_2, low_schedule = stage_2
            self.stage_2 = UpscaleDenoiser(unet_2, schedule_2, self.embed(""), low_schedule)

    @property
    def upscaler(self) -> str:
        return "Lanczos resize (this model has no stage II)" if self.stage_2 is None else "diffusion model, stage II"

    @property
    def networks(self) -> list[UNet2DConditionModel]:
        return [stage.unet for stage in (self.stage_1, self.stage_2) if stage is not None]

    def to(self, device: str | torch.device, plan: Plan = Plan.ALL) -> "TextToImage":
        """Move the model to a device, in the best precision for it, according to a plan for its memory."""
        device = choose_device(device)
        place_networks(self.networks, device, best_dtype(device), plan)
        return self

    def embed(self, prompts: str | list[str]) -> Tensor:
        """The text states (N, 77, width) of N prompts, or of one. fp32, on the CPU; the denoiser moves them.

        The kit's prompts come from a file; others are encoded and stored.
        Raises a ValueError for a prompt that is blank (but not "") or too long, a ModelError without an encoder.
        """
        if not isinstance(prompts, (str, list, tuple)):
            raise TypeError(f"prompts is {in_words(prompts)}; wanted text, or a list of texts.")
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
            self.embeddings.update(zip(unknown, self.encode(unknown)))
        return torch.stack([self.embeddings[prompt].float() for prompt in prompts])  # (N, 77, width)

    def nearest(self, prompt: str) -> tuple[str, float] | None:
        """The concept of the training set that is nearest to a prompt, and the cosine similarity of the two.

        None for a model without a list of its concepts, or without the text encoder.
        """
        if not isinstance(prompt, str):
            raise TypeError(f"prompt is {in_words(prompt)}; wanted text.")
        try:
            return nearest_known(prompt, self.known) if self.known else None
        except ModelError:
            return None

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
        """Enlarge 64×64 images (B, 3, 64, 64) in [-1, 1] to (B, 3, 256, 256).

        Stage II adds details that do not exist in the small images. A model without one uses Lanczos' filter instead,
        which adds nothing and ignores all arguments but the images.

        Args:
            embeddings: the text states (1 or B, 77, width) of the images' prompts.
            steps: of stage II's denoising.
            noise_level: the timestep to which the enlarged images are noised. More noise gives stage II more freedom.
            gamma: its guidance; without effect for a stage II that ignores the text, such as Mini-IF's.
        """
        check_image(images, "images")
        check_fits(images, self.stage_1.image_shape, "images")
        check_integer(steps, "steps", 2, self.stage_1.schedule.T)
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
    """Images (B, C, h, w) in [-1, 1], enlarged by a stage II to (B, *denoiser.image_shape).

    The other arguments are those of TextToImage.upscale. Source: Saharia et al. 2022, "Imagen", section 2.4
    (arXiv:2205.11487); numbers and the order of random draws as in diffusers' IFSuperResolutionPipeline.
    """
    timesteps = strided_timesteps(steps, denoiser.schedule.T)
    painter = guided(denoiser, gamma) if denoiser.reads_text else denoiser
    x_T = draw_noise((len(images), *denoiser.image_shape), generator, images.device)
    low = enlarged(images.to(x_T), denoiser.image_shape[-1])
    low, _ = forward(low, noise_level, denoiser.low_schedule.alphas_cumprod, generator=generator)
    cond = (text.to(x_T), low, torch.tensor([noise_level], device=x_T.device))
    return final(
        denoise(painter, x_T, timesteps, cond, threshold=lambda x0_hat: x0_hat.clamp(-1, 1), generator=generator),
        progress=progress,
    )


def enlarged(images: Tensor, size: int) -> Tensor:
    """Images (B, C, h, w), enlarged as a stage II expects them before they are noised: (B, C, size, size), blurred."""
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=True)


def lanczos(images: Tensor, size: int) -> Tensor:
    """Resize images (B, C, H, W) in [-1, 1] to (B, C, size, size) with Pillow's Lanczos filter."""
    channels = images.float().cpu().flatten(0, 1).numpy()  # (B · C, H, W)
    resized = [
        np.array(Image.fromarray(channel).resize((size, size), Image.Resampling.LANCZOS)) for channel in channels
    ]
    resized = torch.from_numpy(np.stack(resized)).view(*images.shape[:2], size, size)
    return resized.clamp(-1, 1).to(images)  # the filter overshoots at edges
