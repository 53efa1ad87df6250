"""Mini-IF's network: diffusers' UNet2DConditionModel on 2×2 pixel patches, told where each patch is.

Seen from outside it is an IF network: it takes x_t (B, 3, 64, 64) in [-1, 1], a timestep and the text states, and
returns 6 channels, the predicted noise and the learned variance. Inside, five things differ, so that a few million
weights suffice:

- every 2×2 patch becomes one pixel with 12 channels, so the convolutions work on a quarter of the places;
- fixed sine and cosine channels encode the position of each patch, which convolutions cannot know;
- two or three narrow convolutions at full resolution correct the result, because the pixels of a patch are predicted
  apart from each other and would leave a weave of 2×2 pixels;
- averages of x_t over large blocks lie beside it. Averaging removes noise, so they still show colours and layout at
  timesteps at which single pixels are almost pure noise;
- a drafter turns the text into a rough image, one pixel for each patch, which lies beside x_t as well: text that only
  scales channels cannot say *where* something goes.
"""

import functools
import inspect
import json
import math

import torch
import torch.nn.functional as F
from diffusers import ModelMixin, UNet2DConditionModel  # noqa: F401  (diffusers' loader wants ModelMixin in here)
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor, nn

from .schedule import NoiseSchedule

__all__ = ["DRAFT", "Drafter", "Nearest", "PatchUNet", "VUNet", "alphas_cumprod_at"]

PATCH = 2
POSITIONS = 8  # sin and cos of pi k z / 2, for z = x, y and k = 1, 2
DRAFT = 4  # red, green, blue (premultiplied) and alpha
NO_DRAFT = -1.0  # every value of a draft that is transparent everywhere
SPREAD = 0.3  # variance of a block's mean over images, in [-1, 1]


class VUNet(UNet2DConditionModel):
    """What the networks of both stages have in common: their weights predict v, and forward hands out eps.

    v = √abar_t eps - √(1 - abar_t) x0 (Salimans & Ho 2022, section 4, arXiv:2202.00512) weighs the noisy end, where
    the concept is decided, more than eps does. From outside it is eps, as IF promises, so no sampler needs to know.
    """

    picture_dtype = torch.float32  # of x_t and of the prediction, whatever the weights are: eps is solved from both

    def weight(self, t: Tensor) -> Tensor:
        """How much v's squared error counts in training at timesteps t (B,): the same everywhere. (B, 1, 1, 1)"""
        return torch.ones(len(t), 1, 1, 1, device=t.device)

    def freeze(self) -> None:
        """Mark the weights that training leaves alone. Here there are none."""

    def hand_out(self, v: Tensor, var: Tensor, x_t: Tensor, t: Tensor, return_dict: bool):
        """v and the variance channels (B, C, H, W) at timesteps t (B,) -> .sample (B, 2C, H, W): eps and variance."""
        abar = alphas_cumprod_at(t, self.config.T, x_t)
        eps = abar.sqrt() * v + (1 - abar).sqrt() * x_t
        out = torch.cat([eps, var], dim=1)
        return UNet2DConditionOutput(sample=out) if return_dict else (out,)

    def to_json_string(self) -> str:
        """The config that is saved: this class's own arguments, from which the inner UNet's follow, and its name."""
        config = json.loads(super().to_json_string())
        kept = {*inspect.signature(type(self).__init__).parameters, "_class_name", "_diffusers_version"}
        return json.dumps({k: v for k, v in config.items() if k in kept}, indent=2) + "\n"


class Drafter(nn.Module):
    """Text states (B, 77, text_dim) -> drafts (B, 4, grid, grid): what pictures called so look like, on average.

    It learns before the rest, by plain regression from captions to pictures, and stays as it is from then on.

    Args:
        text_dim: width of the text states.
        hidden: width of its three hidden layers.
        grid: height and width of a draft.
    """

    def __init__(self, text_dim: int, hidden: int, grid: int):
        super().__init__()
        self.grid = grid
        # of the mean text state, over all captions: it varies little, and more in some directions than in others
        self.register_buffer("mean", torch.zeros(text_dim))
        self.register_buffer("std", torch.ones(text_dim))
        self.layers = nn.Sequential(
            nn.Linear(text_dim, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, DRAFT * grid**2),
        )

    def forward(self, text: Tensor) -> Tensor:
        return self.layers(self.standardised(text)).view(-1, DRAFT, self.grid, self.grid)

    def standardised(self, text: Tensor) -> Tensor:
        """The mean text state of texts (B, 77, text_dim), with mean 0 and variance 1 over captions: (B, text_dim)."""
        return (text.mean(dim=1) - self.mean) / self.std


class Finisher(nn.Module):
    """Convolutions at full resolution: (x_t, v, skip, t) -> a correction of v (B, 3, H, W), zero before training.

    Args:
        channels: of the images.
        hidden: the number of channels in between.
    """

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3 * channels + 1, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(hidden, channels, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, x_t: Tensor, v: Tensor, skip: Tensor, abar: Tensor) -> Tensor:
        level = abar.sqrt().expand(-1, 1, *x_t.shape[-2:])  # (B, 1, H, W): how much of x_t is image
        inputs = torch.cat([x_t, v, skip, level], dim=1).to(self.layers[0].weight.dtype)
        return self.layers(inputs).to(x_t.dtype)


class Nearest(nn.Module):
    """Features (B, C, H, W) -> (B, C, 2H, 2W), each four times."""

    def forward(self, features: Tensor, *_) -> Tensor:
        return F.interpolate(features, scale_factor=2.0)


class PatchUNet(VUNet):
    """Mini-IF's stage I: (x_t, t, text) -> (B, 6, 64, 64), predicted eps and the variance channels.

    Args:
        sample_size: height and width of the pictures, in pixels.
        in_channels, out_channels: of the pictures, and of the prediction (eps and variance).
        block_out_channels, layers_per_block, attention_head_dim, norm_num_groups: of the inner UNet.
        text_dim: width of the text states.
        draft_dim: hidden width of the drafter.
        finish_dim: channels of the convolutions at full resolution; 0 leaves them out.
        overviews: grids of blocks whose averages of x_t the network sees: 8 means 8×8 blocks, 1 the mean colour.
        T: number of timesteps of the cosine schedule.

    v contains the noise of every single pixel, which a few channels can hardly hold. Most of it comes to the output
    past the network, as skip(t) x_t, with the factor that leaves the network least to do if x0 varies by `detail`
    round what is known of it (Karras et al. 2022, appendix B.6, arXiv:2206.00364, in the letters of v).
    """

    detail = 0.1  # what neighbouring pixels and the text leave open

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        in_channels: int = 3,
        out_channels: int = 6,
        block_out_channels: tuple[int, ...] = (32, 64, 192),
        layers_per_block: int = 1,
        attention_head_dim: int = 48,
        norm_num_groups: int = 8,
        text_dim: int = 384,
        draft_dim: int = 640,
        finish_dim: int = 0,
        overviews: tuple[int, ...] = (),
        T: int = 1000,
    ):
        outer = {"sample_size": sample_size, "in_channels": in_channels, "out_channels": out_channels}
        width = block_out_channels[-1]
        down, up = "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D"
        plain_levels = len(block_out_channels) - 1  # attention only where the grid is coarsest
        super().__init__(
            sample_size=sample_size // PATCH,
            in_channels=in_channels * (PATCH**2 + len(overviews)) + POSITIONS + DRAFT,
            out_channels=out_channels * PATCH**2,
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            attention_head_dim=attention_head_dim,
            norm_num_groups=norm_num_groups,
            down_block_types=(down,) * plain_levels + ("SimpleCrossAttnDownBlock2D",),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=("SimpleCrossAttnUpBlock2D",) + (up,) * plain_levels,
            resnet_time_scale_shift="scale_shift",
            encoder_hid_dim=text_dim,
            encoder_hid_dim_type="text_proj",
            cross_attention_dim=width,
            addition_embed_type="text",
            addition_embed_type_num_heads=6,
        )
        self.register_to_config(**outer)  # what the outside sees is the picture, not the patches

        self.drafter = Drafter(text_dim, draft_dim, sample_size // PATCH)
        self.finisher = Finisher(in_channels, finish_dim) if finish_dim else None
        # In diffusers' way up, a ResNet as wide as the coarser level works at the finer one: a third of all the work.
        for block in self.up_blocks[:-1]:
            block.upsamplers = nn.ModuleList([Nearest()])

    def forward(self, sample: Tensor, timestep, encoder_hidden_states: Tensor, return_dict: bool = True, **kwargs):
        """x_t (B, 3, 64, 64), t (one or B of them), text (B, 77, text_dim) -> .sample (B, 6, 64, 64) of x_t's dtype."""
        B = len(sample)
        t = torch.as_tensor(timestep, device=sample.device).expand(B)
        v, var = self.predict_v(sample, t, encoder_hidden_states, **kwargs)
        return self.hand_out(v, var, sample, t, return_dict)

    def predict_v(
        self, sample: Tensor, t: Tensor, text: Tensor, drafted: Tensor | None = None, **kwargs
    ) -> tuple[Tensor, Tensor]:
        """What the weights predict, and training compares: v and the variance channels, (B, 3, 64, 64) each.

        drafted (B,) says which images keep their draft; the others get NO_DRAFT, as some do in training.
        """
        B, dtype = len(sample), self.conv_in.weight.dtype
        text = text.to(dtype)
        patches = F.pixel_unshuffle(sample, PATCH)  # (B, 12, 32, 32)
        positions = patch_positions(patches.shape[-1]).to(patches)
        overviews = self.look_from_afar(sample, t)  # [(B, 3, 32, 32), …]
        draft = self.drafter(text).to(patches)  # (B, 4, 32, 32)
        if drafted is not None:
            draft = torch.where(drafted.view(B, 1, 1, 1), draft, NO_DRAFT)
        patches = torch.cat([patches, positions.expand(B, -1, -1, -1), *overviews, draft], dim=1)
        out = super().forward(patches.to(dtype), t, text, **kwargs).sample  # (B, 24, 32, 32)
        v, var = F.pixel_shuffle(out.to(sample.dtype), PATCH).chunk(2, dim=1)
        skip = self.past(sample, t)
        if self.finisher is not None:
            v = v + self.finisher(sample, v, skip, alphas_cumprod_at(t, self.config.T, sample))
        return skip + v, var

    def look_from_afar(self, x_t: Tensor, t: Tensor) -> list[Tensor]:
        """The means of x_t (B, 3, H, W) over blocks, scaled to variance 1 at every t, one pixel for each patch."""
        abar = alphas_cumprod_at(t, self.config.T, x_t)
        H, overviews = x_t.shape[-1], []
        for grid in self.config.overviews:
            k = H // grid  # a mean over k×k pixels has noise of deviation √(1 - abar) / k
            means = F.avg_pool2d(x_t, k) * k / (abar * k**2 * SPREAD + 1 - abar).sqrt()  # (B, 3, grid, grid)
            overviews.append(F.interpolate(means, size=(H // PATCH, H // PATCH), mode="bilinear"))
        return overviews

    def past(self, x_t: Tensor, t: Tensor) -> Tensor:
        """What comes to v past the network: x_t (B, C, H, W) at timesteps t (B,), times skip(t)."""
        abar = alphas_cumprod_at(t, self.config.T, x_t)
        return (abar * (1 - abar)).sqrt() * (1 - self.detail) / (1 - abar + self.detail * abar) * x_t

    def freeze(self) -> None:
        """The drafter has learned before."""
        self.drafter.requires_grad_(False)


# Fixed numbers, kept outside the module: they stay exact in fp32 when its weights become half precision.


@functools.cache
def cosine_schedule(T: int) -> NoiseSchedule:
    """The schedule that the weights were trained with."""
    return NoiseSchedule.cosine(T)


def alphas_cumprod_at(t: Tensor, T: int, x: Tensor) -> Tensor:
    """abar_t of that schedule at timesteps t (B,), as (B, 1, 1, 1) to multiply images x (B, C, H, W)."""
    return cosine_schedule(T).abar(t, x)


@functools.cache
def patch_positions(grid: int) -> Tensor:
    """Where each of grid × grid patches is: sin and cos of pi k z / 2 for z = x, y in [-1, 1], k = 1, 2: (1, 8, …)."""
    z = torch.linspace(-1, 1, grid)
    y, x = torch.meshgrid(z, z, indexing="ij")
    waves = [f(math.pi * k * z / 2) for z in (x, y) for k in (1, 2) for f in (torch.sin, torch.cos)]
    return torch.stack(waves)[None]  # (1, 8, grid, grid)
