"""Mini-IF's second network, which enlarges 64×64 images to 256×256: diffusers' UNet2DConditionModel on 4×4 patches.

Its interface is that of an IF super-resolution stage: the input has 6 channels, x_t and the low-resolution image,
enlarged and noised; the latter's noise level is the class label; the output has 6 channels, the predicted noise and
the learned variance. Inside, every 4×4 patch of both images becomes one pixel with 96 channels, so a patch corresponds
to one pixel of the low-resolution image.

The low-resolution image determines nearly all of x0, so the network predicts only the rest. No skip term adds x_t to
the output: where the low image is flat, x0 should be flat, and a narrow network could not remove the noise again. The
network is trained on crops and used on whole images, so it must not depend on the position: it has only convolutions,
no attention and no positions. It ignores the text: the text adds little to the low image, and guidance on it made
colours blotchy. Guidance would therefore change nothing, and upscale leaves it out.
"""

import torch
import torch.nn.functional as F
from diffusers import ModelMixin, UNet2DConditionModel  # noqa: F401  (diffusers' loader expects ModelMixin here)
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from .patch_unet import Nearest, VUNet, alphas_cumprod_at

__all__ = ["UpscaleUNet", "aligned"]

PATCH = 4


class UpscaleUNet(VUNet):
    """Mini-IF's stage II: (x_t and the low image, t, text, noise level) -> (B, 6, 256, 256), eps and variance.

    Args:
        sample_size: height and width of the images, in pixels; any other multiple of 16 works as well.
        in_channels: of x_t and the low-resolution image together.
        out_channels: of the prediction (eps and variance).
        block_out_channels, layers_per_block, norm_num_groups: of the inner UNet.
        T: number of timesteps of both cosine schedules.
    """

    reads_text = False
    detail = 0.03  # mean squared error of known()

    @register_to_config
    def __init__(
        self,
        sample_size: int = 256,
        in_channels: int = 6,
        out_channels: int = 6,
        block_out_channels: tuple[int, ...] = (64, 96, 128),
        layers_per_block: int = 1,
        norm_num_groups: int = 8,
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
        )
        self.register_to_config(**outer)  # the config describes images, not patches
        for block in self.up_blocks[:-1]:  # as in stage I
            block.upsamplers = nn.ModuleList([Nearest()])

    def forward(
        self,
        sample: Tensor,
        timestep,
        encoder_hidden_states: Tensor,
        class_labels: Tensor,
        return_dict: bool = True,
        **kwargs,
    ):
        """x_t and the low image (B, 6, 256, 256), t (one or B), text (unread), the low image's noise level (B,)
        -> .sample (B, 6, 256, 256) of x_t's dtype."""
        x_t, low = sample.chunk(2, dim=1)
        t = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        v, var = self.predict_v(x_t, t, encoder_hidden_states, aligned(low), class_labels, **kwargs)
        return self.as_eps(v, var, x_t, t, return_dict)

    def predict_v(
        self, x_t: Tensor, t: Tensor, text: Tensor, low: Tensor, level: Tensor, **kwargs
    ) -> tuple[Tensor, Tensor]:
        """The prediction that training compares with its target: v and the variance channels, each like x_t.

        Args:
            x_t, low: the noised image, and the low-resolution one, enlarged, noised and aligned, (B, 3, H, W).
            t, level: their timesteps (B,).
            text: states (B, 77, width), unread.
        """
        dtype = self.conv_in.weight.dtype
        abar = alphas_cumprod_at(t, self.config.T, x_t)
        known = self.known(low, level)
        news = (x_t - abar.sqrt() * known) / (
            1 - abar + self.detail * abar
        ).sqrt()  # the part of x_t that low does not determine
        patches = F.pixel_unshuffle(torch.cat([news, low], dim=1), PATCH).to(dtype)  # (B, 96, H / 4, W / 4)
        out = super().forward(patches, t, None, class_labels=level, **kwargs).sample
        rest, var = F.pixel_shuffle(out.to(x_t.dtype), PATCH).chunk(2, dim=1)
        x0_hat = known + self.detail**0.5 * rest
        # var within [-1, 1]: near t = 0, where x0_hat is worse than x_t, the loss would ask for any variance
        return (abar.sqrt() * x_t - x0_hat) / (1 - abar).sqrt(), var.tanh()

    def known(self, low: Tensor, level: Tensor) -> Tensor:
        """The estimate of x0 from aligned low images (B, 3, H, W) with noise levels (B,) alone.

        It is the mean of each patch, shrunk towards grey as the noise grows, and interpolated between patches.
        """
        abar = alphas_cumprod_at(level, self.config.T, low)
        mean = F.avg_pool2d(low, PATCH) * abar.sqrt() / (abar + (1 - abar) / PATCH**2)
        return F.interpolate(mean, scale_factor=float(PATCH), mode="bilinear")

    def weight(self, t: Tensor) -> Tensor:
        """The weight that turns v's squared error into that of x0, which then counts equally at every t."""
        return (1 - alphas_cumprod_at(t, self.config.T, t.float())) / self.detail


def aligned(low: Tensor) -> Tensor:
    """Low-resolution images as IF enlarges them (B, C, H, W), aligned with x0.

    IF enlarges with align_corners, which puts the centres of the outermost pixels into the corners. This stretches an
    image around its middle: at the edges, it is off by a pixel and a half.
    """
    B, C, H, W = low.shape
    stretch = torch.diag(low.new_tensor([(n - 1) / (n - PATCH) for n in (W, H)]))
    theta = F.pad(stretch, (0, 1)).expand(B, 2, 3)
    grid = F.affine_grid(theta, [B, C, H, W], align_corners=False)
    return F.grid_sample(low, grid, padding_mode="border", align_corners=False)
