"""Denoisers for IF-style networks, which are conditioned on text: stage I, and stage II, which enlarges."""

import torch
from torch import Tensor

from .denoisers import Denoiser, Prediction, batch_conds
from .memory import execution_device
from .schedule import NoiseSchedule
from .validate import check_batch, check_fits, check_floating, check_integer, check_timestep

__all__ = ["TextDenoiser", "UpscaleDenoiser"]


class TextDenoiser(Denoiser):
    """An IF-style network: UNet(x_t, t, text) gives predicted noise and learned variance, 2C channels.

    Args:
        unet: a diffusers UNet2DConditionModel, or Mini-IF's PatchUNet.
        schedule: the noise schedule that it was trained with.
        empty: the text states (1, 77, width) of the empty prompt "".
    """

    def __init__(self, unet: torch.nn.Module, schedule: NoiseSchedule, empty: Tensor):
        self.unet, self.schedule, self.empty = unet, schedule, empty
        size = unet.config.sample_size
        self.image_shape = (unet.config.in_channels, size, size)

    def __call__(self, x_t: Tensor, t: int, cond: Tensor) -> Prediction:
        check_fits(x_t, self.image_shape, "x_t")
        check_integer(t, "t", 0, self.schedule.T - 1)
        self.check_text(cond)
        return self.predict(x_t, t, batch_conds([cond], len(x_t)))

    def predict(self, sample: Tensor, t: int, text: Tensor, **more) -> Prediction:
        """Call the network on images (B, …), text (B, 77, width) and its other inputs, on its device, in its dtype."""
        device, dtype = self.home()
        # Mini-IF's network takes images in fp32 and casts inside; IF's network takes its own dtype
        image = sample.to(device, getattr(self.unet, "image_dtype", dtype))
        more = {name: x.to(device) for name, x in more.items()}
        out = self.unet(image, t, encoder_hidden_states=text.to(device, dtype), **more).sample
        return Prediction(*out.to(sample.device, torch.float32).chunk(2, dim=1))  # of (B, 2C, H, W)

    def home(self) -> tuple[torch.device, torch.dtype]:
        """Where the network computes, and its precision."""
        # (diffusers' unet.dtype would search all modules, at every step)
        return execution_device(self.unet), next(self.unet.parameters()).dtype

    def unconditional(self, cond: Tensor) -> Tensor:
        self.check_text(cond)
        return self.empty.to(cond).expand_as(cond)

    def prepare(self, cond: Tensor) -> Tensor:
        self.check_text(cond)
        device, dtype = self.home()
        self.empty = self.empty.to(device)  # guidance needs it at every step
        return cond.to(device, dtype)

    def check_text(self, cond) -> None:
        """Text states of the width and length that the network was trained with."""
        tokens, width = self.empty.shape[1:]
        if not isinstance(cond, Tensor):
            raise TypeError(
                f"the condition is a {type(cond).__name__}; wanted text states (1 or B, {tokens}, {width}): "
                "model.embed(prompt) makes them."
            )
        if cond.ndim != 3 or cond.shape[1:] != (tokens, width):
            raise ValueError(
                f"the condition has shape {tuple(cond.shape)}; this model wants text states "
                f"(1 or B, {tokens}, {width}): model.embed(prompt) makes them."
            )
        check_floating(cond, "the condition")


class UpscaleDenoiser(TextDenoiser):
    """IF's stage II: UNet((x_t, low), t, text, level) gives predicted noise and learned variance.

    The condition is (text, low, level): text states (1 or B, 77, width); the low-resolution image, enlarged to
    image_shape and noised (1 or B, C, H, W); and the timesteps (1 or B,) to which it is noised.

    Args:
        unet, schedule, empty: as for TextDenoiser. The unet takes 2C channels, and `class_labels`: the level.
        low_schedule: the noise schedule of the low-resolution image.
    """

    def __init__(self, unet: torch.nn.Module, schedule: NoiseSchedule, empty: Tensor, low_schedule: NoiseSchedule):
        super().__init__(unet, schedule, empty)
        self.low_schedule = low_schedule
        channels, *size = self.image_shape
        self.image_shape = (channels // 2, *size)
        self.reads_text = getattr(
            unet, "reads_text", True
        )  # if it ignores the text, guidance would compute the same twice

    def __call__(self, x_t: Tensor, t: int, cond: tuple[Tensor, Tensor, Tensor]) -> Prediction:
        check_fits(x_t, self.image_shape, "x_t")
        check_integer(t, "t", 0, self.schedule.T - 1)
        self.check_cond(cond)
        text, low, level = batch_conds([cond], len(x_t))
        sample = torch.cat([x_t, low.to(x_t)], dim=1)  # (B, 2C, H, W)
        return self.predict(sample, t, text, class_labels=level.long())

    def unconditional(self, cond: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        self.check_cond(cond)
        text, low, level = cond
        return super().unconditional(text), low, level

    def prepare(self, cond: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        self.check_cond(cond)
        text, low, level = cond
        return super().prepare(text), low, level  # low is concatenated with x_t, and stays on its device

    def check_cond(self, cond) -> None:
        """Text states, enlarged images and their noise levels."""
        if not isinstance(cond, tuple) or len(cond) != 3:
            given = f"{len(cond)} things" if isinstance(cond, tuple) else f"a {type(cond).__name__}"
            raise TypeError(f"the condition is {given}; wanted (text states, low-resolution images, noise levels).")
        text, low, level = cond
        self.check_text(text)
        check_batch(low, "the low-resolution image")
        if tuple(low.shape[1:]) != self.image_shape:
            wanted = ", ".join(map(str, self.image_shape))
            raise ValueError(f"the low-resolution image has shape {tuple(low.shape)}; wanted (1 or B, {wanted}).")
        if not isinstance(level, Tensor) or level.ndim != 1:
            raise TypeError(f"the noise level is {level!r}; wanted a tensor of timesteps (1 or B,).")
        check_timestep(level, self.low_schedule.T, "the noise level")
