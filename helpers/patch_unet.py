"""Mini-IF's network: diffusers' UNet2DConditionModel on 2×2 pixel patches, with positions as further inputs.

Its interface is that of an IF network: it takes x_t (B, 3, 64, 64) in [-1, 1], a timestep and the text states, and
returns 6 channels, the predicted noise and the learned variance. Inside, five changes make a few million weights
sufficient:

- Every 2×2 patch becomes one pixel with 12 channels, so the convolutions work on a quarter of the positions.
- Fixed sine and cosine channels encode the position of each patch, which convolutions cannot know.
- Three narrow convolutions at full resolution correct the result. The pixels of a patch are predicted
  independently of each other, which would leave a 2×2 weave.
- Averages of x_t over large blocks are further input channels. Averaging removes noise, so they still show colours and
  layout at timesteps at which single pixels are almost pure noise.
- A drafter turns the text into a rough image with one pixel per patch, which is a further input as well: text that only
  scales channels cannot specify *where* something goes.
"""

import functools
import inspect
import json
import math

import torch
import torch.nn.functional as F
from diffusers import ModelMixin, UNet2DConditionModel  # noqa: F401  (diffusers' loader expects ModelMixin here)
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from torch import Tensor, nn

from .schedule import NoiseSchedule

__all__ = ["DRAFT", "Drafter", "Nearest", "PatchUNet", "VUNet", "alphas_cumprod_at"]

PATCH = 2
POSITIONS = 8  # sin and cos of pi k z / 2, for z = x, y and k = 1, 2
DRAFT = 4  # red, green, blue (premultiplied) and alpha
NO_DRAFT = -1.0  # every value of a fully transparent draft
SPREAD = 0.3  # variance of a block's mean over images, in [-1, 1]


class VUNet(UNet2DConditionModel):
    """The base of both stages' networks: the weights predict v, and forward returns eps.

    v = √abar_t eps - √(1 - abar_t) x0 (Salimans & Ho 2022, section 4, arXiv:2202.00512) gives more weight than eps to
    the noisy end, where the concept is decided. The interface is eps, as in IF, so samplers need no change.
    """

    image_dtype = (
        torch.float32
    )  # of x_t and of the prediction, for weights of any dtype, because eps is computed from both

    def weight(self, t: Tensor) -> Tensor:
        """The weight of v's squared error in training at timesteps t (B,), as (B, 1, 1, 1): constant."""
        return torch.ones(len(t), 1, 1, 1, device=t.device)

    def freeze(self) -> None:
        """Freeze the weights that are not trained. Here there are none."""

    def as_eps(self, v: Tensor, var: Tensor, x_t: Tensor, t: Tensor, return_dict: bool):
        """v and the variance channels (B, C, H, W) at timesteps t (B,) -> .sample (B, 2C, H, W): eps and variance."""
        abar = alphas_cumprod_at(t, self.config.T, x_t)
        eps = abar.sqrt() * v + (1 - abar).sqrt() * x_t
        out = torch.cat([eps, var], dim=1)
        return UNet2DConditionOutput(sample=out) if return_dict else (out,)

    def to_json_string(self) -> str:
        """The saved config: the name and arguments of this class, from which those of the inner UNet follow."""
        config = json.loads(super().to_json_string())
        kept = {*inspect.signature(type(self).__init__).parameters, "_class_name", "_diffusers_version"}
        return json.dumps({k: v for k, v in config.items() if k in kept}, indent=2) + "\n"


class Drafter(nn.Module):
    """Text states (B, 77, text_dim) -> drafts (B, 4, grid, grid): the average image with this caption.

    It is trained first, by plain regression from captions to images, and then frozen.

    Args:
        text_dim: width of the text states.
        hidden: width of its three hidden layers.
        grid: height and width of a draft.
    """

    def __init__(self, text_dim: int, hidden: int, grid: int):
        super().__init__()
        self.grid = grid
        # statistics of the mean text state over all captions, whose directions vary by different amounts
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
        sample_size: height and width of the images, in pixels.
        in_channels, out_channels: of the images, and of the output (eps and variance).
        block_out_channels, layers_per_block, attention_head_dim, norm_num_groups: of the inner UNet.
        text_dim: width of the text states.
        draft_dim: hidden width of the drafter.
        finish_dim: channels of the convolutions at full resolution; 0 leaves them out.
        overviews: grids of blocks whose averages of x_t the network sees: 8 means 8×8 blocks, 1 the mean colour.
        centred: whether the skip term takes the draft for the mean of x0, instead of grey.
        T: number of timesteps of the cosine schedule.

    v contains the noise of every single pixel, too much for a few channels. A skip term adds most of it to the output:
    the v of the best estimate of x0 from one pixel of x_t, if x0 has variance `detail` around a known mean. That leaves
    the network as little as possible (Karras et al. 2022, appendix B.6, arXiv:2206.00364, in the notation of v).
    """

    detail = 0.1  # variance of x0 given neighbouring pixels and the text

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
        centred: bool = False,
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
        self.register_to_config(**outer)  # the config describes images, not patches

        self.drafter = Drafter(text_dim, draft_dim, sample_size // PATCH)
        self.finisher = Finisher(in_channels, finish_dim) if finish_dim else None
        # In diffusers' decoder, a ResNet as wide as the coarser level runs at the finer one, a third of the total cost.
        for block in self.up_blocks[:-1]:
            block.upsamplers = nn.ModuleList([Nearest()])

    def forward(self, sample: Tensor, timestep, encoder_hidden_states: Tensor, return_dict: bool = True, **kwargs):
        """x_t (B, 3, 64, 64), t (one or B of them), text (B, 77, text_dim) -> .sample (B, 6, 64, 64) of x_t's dtype."""
        B = sample.shape[0]
        t = torch.as_tensor(timestep, device=sample.device).expand(B)
        v, var = self.predict_v(sample, t, encoder_hidden_states, **kwargs)
        return self.as_eps(v, var, sample, t, return_dict)

    def predict_v(self, sample: Tensor, t: Tensor, text: Tensor, **kwargs) -> tuple[Tensor, Tensor]:
        """The prediction that training compares with its target: v and the variance channels, (B, 3, 64, 64) each."""
        B, dtype = sample.shape[0], self.conv_in.weight.dtype
        text = text.to(dtype)
        patches = F.pixel_unshuffle(sample, PATCH)  # (B, 12, 32, 32)
        positions = patch_positions(patches.shape[-1]).to(patches)
        overviews = self.block_means(sample, t)  # [(B, 3, 32, 32), …]
        draft = self.drafter(text).to(patches)  # (B, 4, 32, 32)
        patches = torch.cat([patches, positions.expand(B, -1, -1, -1), *overviews, draft], dim=1)
        out = super().forward(patches.to(dtype), t, text, **kwargs).sample  # (B, 24, 32, 32)
        v, var = F.pixel_shuffle(out.to(sample.dtype), PATCH).chunk(2, dim=1)
        skip = self.skip_term(sample, t, draft)
        if self.finisher is not None:
            v = v + self.finisher(sample, v, skip, alphas_cumprod_at(t, self.config.T, sample))
        return skip + v, var

    def block_means(self, x_t: Tensor, t: Tensor) -> list[Tensor]:
        """The means of x_t (B, 3, H, W) over blocks, scaled to variance 1 at every t, at the patches' resolution."""
        abar = alphas_cumprod_at(t, self.config.T, x_t)
        H, overviews = x_t.shape[-1], []
        for grid in self.config.overviews:
            k = H // grid  # the noise in a mean over k×k pixels has standard deviation √(1 - abar) / k
            means = F.avg_pool2d(x_t, k) * k / (abar * k**2 * SPREAD + 1 - abar).sqrt()  # (B, 3, grid, grid)
            overviews.append(F.interpolate(means, size=(H // PATCH, H // PATCH), mode="bilinear"))
        return overviews

    def skip_term(self, x_t: Tensor, t: Tensor, draft: Tensor) -> Tensor:
        """The skip term of v, for x_t (B, C, H, W), timesteps t (B,) and drafts (B, 4, H/2, W/2)."""
        abar = alphas_cumprod_at(t, self.config.T, x_t)
        v = (abar * (1 - abar)).sqrt() * (1 - self.detail) * x_t
        if self.config.centred:
            mean = F.interpolate(on_grey(draft), scale_factor=PATCH, mode="bilinear")  # (B, C, H, W)
            v = v - (1 - abar).sqrt() * mean
        return v / (1 - abar + self.detail * abar)

    def freeze(self) -> None:
        """Freeze the drafter, which was trained before."""
        self.drafter.requires_grad_(False)


def on_grey(draft: Tensor) -> Tensor:
    """A draft (B, 4, H, W), premultiplied and in [-1, 1], before a middle grey: (B, 3, H, W) in [-1, 1]."""
    rgb, alpha = draft.split([DRAFT - 1, 1], dim=1)
    return rgb + (1 - alpha) / 2


# These fixed numbers are kept outside the module, because its conversion to half precision would round them.


@functools.cache
def cosine_schedule(T: int) -> NoiseSchedule:
    """The noise schedule of training."""
    return NoiseSchedule.cosine(T)


def alphas_cumprod_at(t: Tensor, T: int, x: Tensor) -> Tensor:
    """abar_t of that schedule at timesteps t (B,), as (B, 1, 1, 1) to multiply images x (B, C, H, W)."""
    return cosine_schedule(T).abar(t, x)


@functools.cache
def patch_positions(grid: int) -> Tensor:
    """Positions of grid × grid patches: sin and cos of pi k z / 2 for z = x, y in [-1, 1], k = 1, 2: (1, 8, …)."""
    z = torch.linspace(-1, 1, grid)
    y, x = torch.meshgrid(z, z, indexing="ij")
    waves = [f(math.pi * k * z / 2) for z in (x, y) for k in (1, 2) for f in (torch.sin, torch.cos)]
    return torch.stack(waves)[None]  # (1, 8, grid, grid)
