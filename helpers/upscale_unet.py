"""Mini-IF's second network, which enlarges 64×64 pictures to 256×256: diffusers' UNet2DConditionModel on 4×4 patches.

Seen from outside it is the network of an IF super-resolution stage: 6 channels go in, x_t and behind it the
low-resolution picture, enlarged and noised; the noise level of the latter is the class label; 6 channels come out,
predicted noise and learned variance. Inside, every 4×4 patch of both becomes one pixel with 96 channels. It is
trained on crops and used on whole pictures, so it must not know where it is: convolutions only, no attention, no
positions. What the picture shows is in the low-resolution one already; the text tells mostly the style, and for that
one vector is enough, which is added to the time embedding.

"""

import torch
import torch.nn.functional as F
from diffusers import ModelMixin, UNet2DConditionModel  # noqa: F401  (diffusers' loader wants ModelMixin in here)
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from .patch_unet import VUNet

PATCH = 4


class UpscaleUNet(VUNet):
    """Mini-IF's stage II: (x_t and the low picture, t, text, noise level) -> (B, 6, 256, 256), eps and variance.

    Args:
        sample_size: height and width of the pictures, in pixels; any other multiple of 16 works as well.
        in_channels: of x_t and the low-resolution picture together.
        out_channels: of the prediction (eps and variance).
        block_out_channels, layers_per_block, norm_num_groups: of the inner UNet.
        text_dim: width of the text states.
        T: number of timesteps of the cosine schedule.
    """

    detail = 0.004  # what Lanczos gets wrong in the art

    @register_to_config
    def __init__(
        self,
        sample_size: int = 256,
        in_channels: int = 6,
        out_channels: int = 6,
        block_out_channels: tuple[int, ...] = (80, 96, 128),
        layers_per_block: int = 1,
        norm_num_groups: int = 8,
        text_dim: int = 384,
        T: int = 1000,
    ):
        outer = {"sample_size": sample_size, "in_channels": in_channels, "out_channels": out_channels}
        levels = len(block_out_channels)
        super().__init__(
            sample_size=sample_size // PATCH,
            in_channels=in_channels * PATCH**2,
            out_channels=out_channels * PATCH**2,
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            norm_num_groups=norm_num_groups,
            down_block_types=("ResnetDownsampleBlock2D",) * levels,
            mid_block_type="UNetMidBlock2D",
            up_block_types=("ResnetUpsampleBlock2D",) * levels,
            resnet_time_scale_shift="scale_shift",
            class_embed_type="timestep",
            cross_attention_dim=text_dim,
            addition_embed_type="text",
            addition_embed_type_num_heads=6,
        )
        self.register_to_config(**outer)  # what the outside sees is the picture, not the patches

    def forward(
        self,
        sample: Tensor,
        timestep,
        encoder_hidden_states: Tensor,
        class_labels: Tensor,
        return_dict: bool = True,
        **kwargs,
    ):
        """x_t and the low picture (B, 6, 256, 256), t (one or B), text (B, 77, text_dim), the low picture's noise
        level (B,) -> .sample (B, 6, 256, 256) of x_t's dtype."""
        x_t, low = sample.chunk(2, dim=1)
        t = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        v, var = self.predict_v(x_t, t, encoder_hidden_states, low, class_labels, **kwargs)
        return self.hand_out(v, var, x_t, t, return_dict)

    def predict_v(
        self, x_t: Tensor, t: Tensor, text: Tensor, low: Tensor, level: Tensor, **kwargs
    ) -> tuple[Tensor, Tensor]:
        """What the weights themselves say, and training compares: v and the variance channels, each like x_t.

        Args:
            x_t, low: the noised picture, and the enlarged and noised low-resolution one, (B, 3, H, W).
            t, level: their timesteps (B,).
            text: states (B, 77, text_dim).
        """
        dtype = self.conv_in.weight.dtype
        patches = F.pixel_unshuffle(torch.cat([x_t, low], dim=1), PATCH).to(dtype)  # (B, 96, H / 4, W / 4)
        out = super().forward(patches, t, text.to(dtype), class_labels=level, **kwargs).sample
        v, var = F.pixel_shuffle(out.to(x_t.dtype), PATCH).chunk(2, dim=1)
        return self.past(x_t, t) + v, var
