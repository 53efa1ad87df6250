"""Part B's networks, as CS180 draws them: operations, blocks, and three UNets on 28×28 images.

Shapes are (B, C, H, W); D is the number of hidden channels. Nothing here knows about noise or training.
"""

import torch
from torch import Tensor, nn

from .devices import no_autocast
from .validate import check_batch, check_integer, check_tensor, in_words

__all__ = [
    "CLASSES",
    "ClassConditionalUNet",
    "Conv",
    "ConvBlock",
    "DownBlock",
    "DownConv",
    "FCBlock",
    "Flatten",
    "TimeConditionalUNet",
    "TimeScaledUNet",
    "UnconditionalUNet",
    "Unflatten",
    "UpBlock",
    "UpConv",
    "copy_input",
    "one_hot",
]

CLASSES = 10


# ---- operations --------------------------------------------------------------------------------------------------


class Conv(nn.Sequential):
    """Keeps the resolution, changes the channels: (B, C_in, H, W) -> (B, C_out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=1, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.GELU(),
        )


class DownConv(nn.Sequential):
    """Halves the resolution: (B, C_in, H, W) -> (B, C_out, H/2, W/2)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.GELU(),
        )


class UpConv(nn.Sequential):
    """Doubles the resolution: (B, C_in, H, W) -> (B, C_out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.GELU(),
        )


class Flatten(nn.Sequential):
    """The mean of each channel: (B, C, 7, 7) -> (B, C, 1, 1)."""

    def __init__(self):
        super().__init__(nn.AvgPool2d(7), nn.GELU())


class Unflatten(nn.Sequential):
    """Back from the means to a 7×7 image: (B, C, 1, 1) -> (B, C, 7, 7)."""

    def __init__(self, channels: int):
        super().__init__(
            nn.ConvTranspose2d(channels, channels, kernel_size=7, stride=7, padding=0),
            nn.BatchNorm2d(channels),
            nn.GELU(),
        )


# ---- blocks ------------------------------------------------------------------------------------------------------


class ConvBlock(nn.Sequential):
    """Conv → Conv: (B, C_in, H, W) -> (B, C_out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(Conv(in_channels, out_channels), Conv(out_channels, out_channels))


class DownBlock(nn.Sequential):
    """DownConv → ConvBlock: (B, C_in, H, W) -> (B, C_out, H/2, W/2)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(DownConv(in_channels, out_channels), ConvBlock(out_channels, out_channels))


class UpBlock(nn.Sequential):
    """UpConv → ConvBlock: (B, C_in, H, W) -> (B, C_out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(UpConv(in_channels, out_channels), ConvBlock(out_channels, out_channels))


class FCBlock(nn.Sequential):
    """One number for each channel of an image: (B, F_in) -> (B, F_out, 1, 1).

    Linear(F_in, F_out) → GELU → Linear(F_out, F_out), and two more axes.
    """

    def __init__(self, in_features: int, out_features: int):
        super().__init__(
            nn.Linear(in_features, out_features),
            nn.GELU(),
            nn.Linear(out_features, out_features),
        )

    def forward(self, signal: Tensor) -> Tensor:
        # never in half precision: in bf16's 8 bits, neighbouring timesteps t/T would be equal
        with no_autocast(signal.device):
            return super().forward(signal.float())[:, :, None, None]


# ---- UNets -------------------------------------------------------------------------------------------------------


class UnconditionalUNet(nn.Module):
    """The UNet of B 1.1, a one-step denoiser: x (B, 1, 28, 28) -> (B, 1, 28, 28).

    Args:
        hidden: the number D of hidden channels.
    """

    def __init__(self, hidden: int):
        check_integer(hidden, "hidden", 1)
        super().__init__()
        D = self.hidden = hidden
        self.conv_in = ConvBlock(1, D)
        self.down1 = DownBlock(D, D)
        self.down2 = DownBlock(D, 2 * D)
        self.flatten = Flatten()
        self.unflatten = Unflatten(2 * D)
        self.up1 = UpBlock(4 * D, D)
        self.up2 = UpBlock(2 * D, D)
        self.conv_out = nn.Sequential(ConvBlock(2 * D, D), nn.Conv2d(D, 1, kernel_size=3, stride=1, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        check_arguments(x)
        return self.wire(x)

    def wire(self, x: Tensor, c1=1, t1=0, c2=1, t2=0) -> Tensor:
        """The blocks, wired as in the diagram. A condition scales (c) and shifts (t) the decoder in two places."""
        x28 = self.conv_in(x)  # (B, D, 28, 28)
        x14 = self.down1(x28)  # (B, D, 14, 14)
        x7 = self.down2(x14)  # (B, 2D, 7, 7)
        x1 = self.flatten(x7)  # (B, 2D, 1, 1)

        up7 = c1 * self.unflatten(x1) + t1  # (B, 2D, 7, 7)
        up14 = c2 * self.up1(torch.cat([up7, x7], dim=1)) + t2  # 4D -> (B, D, 14, 14)
        up28 = self.up2(torch.cat([up14, x14], dim=1))  # 2D -> (B, D, 28, 28)
        return self.conv_out(torch.cat([up28, x28], dim=1))  # 2D -> (B, 1, 28, 28)


class TimeConditionalUNet(UnconditionalUNet):
    """The UNet of B 2.1: (x, t01) -> (B, 1, 28, 28), where t01 (B, 1) is t/T in [0, 1]."""

    def __init__(self, hidden: int):
        super().__init__(hidden)
        self.t1 = FCBlock(1, 2 * hidden)
        self.t2 = FCBlock(1, hidden)

    def forward(self, x: Tensor, t01: Tensor) -> Tensor:
        check_arguments(x, t01=(t01, 1))
        return self.wire(x, t1=self.t1(t01), t2=self.t2(t01))


class TimeScaledUNet(TimeConditionalUNet):
    """The flow matching UNet of CS180's Fall 2025 edition: as TimeConditionalUNet, but the time scales the way up.

    (z, u01) -> (B, 1, 28, 28), where u01 (B, 1) is the flow time in [0, 1].
    """

    def forward(self, z: Tensor, u01: Tensor) -> Tensor:
        check_arguments(z, u01=(u01, 1))
        return self.wire(z, c1=self.t1(u01), c2=self.t2(u01))


class ClassConditionalUNet(TimeConditionalUNet):
    """The UNet of B 2.4: (x, t01, c) -> (B, 1, 28, 28), where c (B, 10) is one-hot, or zero for "any digit"."""

    def __init__(self, hidden: int):
        super().__init__(hidden)
        self.c1 = FCBlock(CLASSES, 2 * hidden)
        self.c2 = FCBlock(CLASSES, hidden)

    def forward(self, x: Tensor, t01: Tensor, c: Tensor) -> Tensor:
        check_arguments(x, t01=(t01, 1), c=(c, CLASSES))
        return self.wire(x, self.c1(c), self.t1(t01), self.c2(c), self.t2(t01))


@torch.no_grad()
def copy_input(unet: UnconditionalUNet, sign: int = 1) -> None:
    """Set some weights so that the untrained network outputs its input times `sign`, up to a scale and a shift.

    A network that predicts noise has to copy most of its input, because x_t is mostly noise, and x can only pass its
    GELUs as a pair: GELU(x) - GELU(-x) = x. Here two channels carry the pair from the first layer to the last.

    Args:
        sign: 1, or -1 for a network that predicts a velocity: x0 - eps is mostly -eps.
    """
    if sign not in (1, -1):
        raise ValueError(f"sign is {in_words(sign)}; wanted 1 or -1.")
    D = unet.hidden
    check_integer(D, "hidden", 2)  # channels for the pair
    (first, second), (third, fourth) = unet.conv_in, unet.conv_out[0]
    last = unet.conv_out[1]
    pair = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    first[0].weight[:2] = 0
    first[0].weight[:2, 0, 1, 1] = pair[0]  # x and -x
    for layer, start in ((second, 0), (third, D), (fourth, 0)):  # third reads up28's D channels, then x28's
        layer[0].weight[:2] = 0
        layer[0].weight[:2, start : start + 2, 1, 1] = pair
    for layer in (first, second, third, fourth):
        layer[0].bias[:2] = 0
    last.weight[:] = 0
    last.weight[0, :2, 1, 1] = sign * pair[0]


def check_arguments(x: Tensor, **signals: tuple[Tensor, int]) -> None:
    """Images (B, 1, 28, 28), and for each signal (B, width) with values in [0, 1]."""
    check_batch(x, "x")
    if x.shape[1:] != (1, 28, 28):
        raise ValueError(f"x has shape {tuple(x.shape)}; this network wants (B, 1, 28, 28).")
    if x.dtype != torch.float32:
        raise TypeError(f"x has dtype {x.dtype}; wanted torch.float32: convert it with x.float().")
    for name, (signal, width) in signals.items():
        check_tensor(signal, name)
        if signal.shape != (len(x), width):
            raise ValueError(
                f"{name} has shape {tuple(signal.shape)}; wanted {(len(x), width)}: one row for each image."
            )
        low, high = signal.min().item(), signal.max().item()
        if low < 0 or high > 1:
            raise ValueError(f"{name} has values from {low:g} to {high:g}; wanted [0, 1].")


def one_hot(labels: Tensor | list[int]) -> Tensor:
    """Class labels 0 … 9, N of them, as the network's c (N, 10): 1 in the label's place, 0 elsewhere."""
    try:
        labels = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"labels is {in_words(labels)}; wanted integers (N,).") from None
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise TypeError(f"labels have dtype {labels.dtype} and shape {tuple(labels.shape)}; wanted integers (N,).")
    if len(labels) and not 0 <= labels.min() <= labels.max() < CLASSES:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}; wanted 0 to {CLASSES - 1}.")
    return nn.functional.one_hot(labels.long(), CLASSES).float()
