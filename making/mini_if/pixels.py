"""Measures of images without a network: weave, mean colour, and the seam of an inpainting.

Images are (N, 3, H, W) in [-1, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.validate import check_batch

PATCH = 2  # side of the network's patches, in pixels
BLOCK = 8  # side of a block in pixels
FLAT = 0.1  # a block is flat if its patches' means differ by less than this


def weave(images: Tensor) -> float:
    """The mean variance within patches of 2×2 pixels, where an image is flat.

    Within a 2×2 patch, only the highest frequencies are left. Edges have them too, so only flat blocks count. Raises a
    ValueError if no block is flat.
    """
    check_batch(images, "images")
    means = F.avg_pool2d(images, PATCH)  # (N, 3, H / 2, W / 2)
    k = BLOCK // PATCH
    spread = F.max_pool2d(means, k) + F.max_pool2d(-means, k)  # largest minus smallest mean of each block
    flat = (spread < FLAT).all(dim=1)  # (N, H / 8, W / 8)
    if not flat.any():
        raise ValueError("images have no flat block; wanted at least one, to measure the weave.")
    detail = (images - F.interpolate(means, scale_factor=float(PATCH))).square()
    return F.avg_pool2d(detail, BLOCK).mean(dim=1)[flat].mean().item()


def mean_colour(images: Tensor) -> Tensor:
    """Mean of each channel, in [0, 1]: (3,)."""
    check_batch(images, "images")
    return (images.mean(dim=(0, 2, 3)) + 1) / 2


def seam(images: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference between neighbouring pixels across the mask's edge: (N,).

    mask is (H, W), of zeros and ones.
    """
    across = (mask.diff(dim=1) != 0).to(images)
    down = (mask.diff(dim=0) != 0).to(images)
    total = (images.diff(dim=3).abs() * across).sum(dim=(1, 2, 3)) + (images.diff(dim=2).abs() * down).sum(
        dim=(1, 2, 3)
    )
    return total / (images.shape[1] * (across.sum() + down.sum()))


def middle_mask(size: int = 64, side: int = 24) -> Tensor:
    """A mask (size, size) that is 1 in a square in the middle."""
    mask = torch.zeros(size, size)
    start = (size - side) // 2
    mask[start : start + side, start : start + side] = 1
    return mask
