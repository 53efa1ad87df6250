"""Exercises of notebook B 1.1: operations, blocks, and the UNet."""

# ruff: noqa: E501 (one mistake, two lines)

import torch  # noqa: F401 (in a mistake)
import torch.nn.functional as F  # noqa: F401 (in a mistake)

from .exercise import Exercise, Mistake, alike
from .layers import Conv, ConvBlock, DownBlock, DownConv, Flatten, Unflatten, UpBlock, UpConv, probe_layer
from .unets import ORDER_MISTAKES, PLACE_MISTAKES, SCALE_MISTAKES, WIRING, UNet, join, probe_unet

__all__ = ["EXERCISES"]

# ---- operations ----------------------------------------------------------------------------------------------------


def after_the_convolution(width: str) -> tuple[Mistake, ...]:
    """The mistakes of all operations in BatchNorm, of this width, and GELU."""
    norm, both = f"nn.BatchNorm2d({width})", f"nn.BatchNorm2d({width}),\n            nn.GELU(),"
    return (
        Mistake("ReLU instead of GELU", "nn.GELU()", "nn.ReLU()",
                "It looks like ReLU at the end. GELU is smooth, and small negative values pass."),
        Mistake("no BatchNorm", f"{norm},", "", "BatchNorm is missing between the convolution and the GELU."),
        Mistake("no GELU", "nn.GELU(),", "", "The GELU at the end is missing: negative values stay unchanged."),
        Mistake("only the convolution", both, "", "Only the convolution is there: BatchNorm and GELU are missing."),
        Mistake("BatchNorm after the GELU", both, f"nn.GELU(), {norm},",
                "BatchNorm and GELU are exchanged: first BatchNorm, then GELU."),
        Mistake("BatchNorm without scale and shift", norm, f"nn.BatchNorm2d({width}, affine=False)",
                "BatchNorm has no scale and shift that it learns: leave affine as it is, True."),
        Mistake("BatchNorm without running averages", norm, f"nn.BatchNorm2d({width}, track_running_stats=False)",
                "BatchNorm keeps no running averages, so in evaluation mode, too, each image depends on its batch."),
        *alike("another norm",
               "The norm is taken over each image on its own. BatchNorm2d takes it over the batch.",
               (norm, f"nn.InstanceNorm2d({width})"), (norm, f"nn.GroupNorm(1, {width})")),
        Mistake("Sigmoid instead of GELU", "nn.GELU()", "nn.Sigmoid()",
                "It ends in a sigmoid. The operation ends in GELU."),
    )  # fmt: skip


def operation(reference: type, name: str, task: str, cases, first: str, mistakes: tuple[Mistake, ...]) -> Exercise:
    """The exercise of an operation with in_channels and out_channels; `first` is its convolution's class."""
    return Exercise(
        name=name,
        notebook="b1_1",
        kit=f"helpers.unet.{reference.__name__}",
        task=task,
        look="Compare with its line in the table of operations: kernel, stride, padding, then BatchNorm, then GELU.",
        probe=probe_layer(*cases),
        right=reference,
        blank=("__init__",),
        mistakes=(
            *mistakes,
            *alike("channels exchanged",
                   "The convolution has in_channels and out_channels exchanged. Transposed or not, C_in comes first.",
                   (f"{first}(in_channels, out_channels", f"{first}(out_channels, in_channels")),
            Mistake("BatchNorm of in_channels", "nn.BatchNorm2d(out_channels)", "nn.BatchNorm2d(in_channels)",
                    "BatchNorm has in_channels. The convolution's output has out_channels."),
            *after_the_convolution("out_channels"),
        ),
    )  # fmt: skip


CONV = operation(
    Conv,
    "conv",
    "Put a convolution (3, 1, 1), BatchNorm and GELU one after the other.",
    [((3, 5), (2, 3, 8, 8)), ((1, 4), (3, 1, 28, 28))],
    "nn.Conv2d",
    (
        Mistake("no padding", ", padding=1", "", "The image loses a pixel on each side: padding = 1 keeps its size."),
        Mistake("stride 2", "stride=1", "stride=2", "The image is halved: Conv keeps its size, stride 1."),
        Mistake("another kernel", "3, stride=1, padding=1", "5, stride=1, padding=2",
                "It has more weights: the kernel looks like 5; it is 3."),
        Mistake("another kernel", "3, stride=1, padding=1", "1, stride=1, padding=0",
                "It has fewer weights: the kernel looks like 1; it is 3."),
        Mistake("reflected padding", "padding=1", "padding=1, padding_mode=\"reflect\"",
                "The edges are reflected; the network's convolutions pad with zeros, PyTorch's default."),
    ),
)  # fmt: skip

DOWN_CONV = operation(
    DownConv,
    "down_conv",
    "Like Conv, with stride 2: it halves the image.",
    [((3, 5), (2, 3, 8, 8)), ((1, 4), (3, 1, 28, 28))],
    "nn.Conv2d",
    (
        Mistake("stride 1", "stride=2", "stride=1", "The image keeps its size: stride 2 halves it."),
        Mistake("no padding", ", padding=1", "", "28 pixels become 13: padding = 1 makes them 14."),
        Mistake("stride and padding exchanged", "stride=2, padding=1", "stride=1, padding=2",
                "The image grows: stride and padding look exchanged. They are stride 2 and padding 1."),
        Mistake("another kernel", "3, stride=2, padding=1", "4, stride=2, padding=1",
                "It has more weights: the kernel looks like 4; it is 3."),
        Mistake("another kernel", "3, stride=2, padding=1", "2, stride=2",
                "It has fewer weights: the kernel looks like 2; it is 3."),
        *(
            Mistake("pooling instead of a stride", piece, instead.format(pool),
                    f"It halves by pooling {when} the convolution; here the convolution itself strides.")
            for when, piece, instead in (
                ("after", "stride=2, padding=1),\n            nn.BatchNorm2d(out_channels),\n            nn.GELU(),",
                 "stride=1, padding=1), nn.BatchNorm2d(out_channels), nn.GELU(), nn.{}(2)"),
                ("before", "nn.Conv2d(in_channels, out_channels, 3, stride=2",
                 "nn.{}(2), nn.Conv2d(in_channels, out_channels, 3, stride=1"),
            )
            for pool in ("MaxPool2d", "AvgPool2d")
        ),
    ),
)  # fmt: skip

UP_CONV = operation(
    UpConv,
    "up_conv",
    "Put a transposed convolution (4, 2, 1), BatchNorm and GELU one after the other.",
    [((3, 5), (2, 3, 7, 7)), ((4, 4), (2, 4, 14, 14))],
    "nn.ConvTranspose2d",
    (
        Mistake("another kernel", "4, stride=2", "3, stride=2",
                "7 pixels become 13: the kernel looks like 3. With 4 they become 14."),
        Mistake("another kernel", "4, stride=2, padding=1", "3, stride=2, padding=1, output_padding=1",
                "The kernel looks like 3, with output_padding. 2 does not divide 3, and a chequered pattern would show."),
        Mistake("another kernel", "4, stride=2, padding=1", "2, stride=2",
                "It has fewer weights: the kernel looks like 2; it is 4."),
        Mistake("no padding", ", padding=1", "", "7 pixels become 16: padding = 1 makes them 14."),
        Mistake("stride 1", "stride=2", "stride=1", "The image hardly grows: stride 2 doubles it."),
        Mistake("no transposed convolution", "nn.ConvTranspose2d", "nn.Conv2d",
                "The image shrinks: that is Conv2d. ConvTranspose2d enlarges."),
        Mistake("enlarged by copying", "nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2", "nn.Upsample(scale_factor=2), nn.Conv2d(in_channels, out_channels, 3",
                "It enlarges by copying pixels, and convolves then. The transposed convolution does both at once."),
    ),
)  # fmt: skip

FLATTEN = Exercise(
    name="flatten",
    notebook="b1_1",
    kit="helpers.unet.Flatten",
    task="Average each channel over its 7×7 pixels, then apply GELU.",
    look="An image (B, C, 7, 7) becomes (B, C, 1, 1): one number for each channel, its mean, and then GELU.",
    probe=probe_layer(((), (3, 4, 7, 7))),
    right=Flatten,
    blank=("__init__",),
    mistakes=(
        Mistake("maximum instead of mean", "nn.AvgPool2d(7)", "nn.MaxPool2d(7)",
                "It takes the largest value; here it is the mean."),
        Mistake("no GELU", ", nn.GELU()", "", "The GELU after the mean is missing."),
        Mistake("ReLU instead of GELU", "nn.GELU()", "nn.ReLU()", "It looks like ReLU after the mean; it is GELU."),
        Mistake("GELU before the mean", "nn.AvgPool2d(7), nn.GELU()", "nn.GELU(), nn.AvgPool2d(7)",
                "Mean and GELU are exchanged: first the mean."),
        Mistake("axes lost", "nn.GELU()", "nn.GELU(), nn.Flatten()",
                "The result is (B, C). The next operation wants images of one pixel, (B, C, 1, 1)."),
        Mistake("pixels kept", "nn.AvgPool2d(7), nn.GELU()", "nn.Flatten()",
                "It only puts the pixels in a row, as nn.Flatten does. This Flatten takes the mean of each channel."),
        Mistake("sum instead of mean", "nn.AvgPool2d(7)", "nn.LPPool2d(1, 7)",
                "It adds the pixels up; here it is the mean."),
        Mistake("smaller windows", "nn.AvgPool2d(7)", "nn.AvgPool2d(2)",
                "The mean is over small windows; it is over all 7×7 pixels."),
        Mistake("a norm too many", "nn.GELU()", "nn.BatchNorm2d(4), nn.GELU()",
                "There is a BatchNorm. Flatten has none."),
    ),
)  # fmt: skip

UNFLATTEN = Exercise(
    name="unflatten",
    notebook="b1_1",
    kit="helpers.unet.Unflatten",
    task="Enlarge one pixel to 7×7 with a transposed convolution (7, 7, 0), then BatchNorm and GELU.",
    look="Compare with its line in the table of operations: kernel 7, stride 7, no padding, then BatchNorm, then GELU.",
    probe=probe_layer(((4,), (3, 4, 1, 1))),
    right=Unflatten,
    blank=("__init__",),
    mistakes=(
        Mistake("padding", "padding=0", "padding=1", "The result is smaller than 7×7: no padding."),
        Mistake("another kernel", "7, stride=7, padding=0", "4, stride=2, padding=1",
                "One pixel becomes 2×2: those are UpConv's kernel and stride. Here both are 7."),
        *alike("enlarged by copying", "It copies the one pixel 49 times. The transposed convolution has weights of their own for each.",
               ("nn.ConvTranspose2d(channels, channels, 7, stride=7, padding=0)", "nn.Upsample(scale_factor=7), nn.Conv2d(channels, channels, 3, padding=1)"),
               ("nn.ConvTranspose2d(channels, channels, 7, stride=7, padding=0),\n            nn.BatchNorm2d(channels),\n            nn.GELU(),", "nn.Upsample(scale_factor=7)")),
        Mistake("enlarged by copying", "nn.ConvTranspose2d(channels, channels, 7, stride=7, padding=0)", "nn.Upsample(scale_factor=7)",
                "It copies the one pixel 49 times, and learns nothing of what 7×7 pixels look like. The transposed convolution has weights of their own for each."),
        Mistake("enlarged by copying", "nn.ConvTranspose2d(channels, channels, 7, stride=7, padding=0)", "nn.Conv2d(channels, channels, 1), nn.Upsample(scale_factor=7)",
                "All 49 pixels are the same. The transposed convolution has weights of their own for each."),
        Mistake("each channel separately", "padding=0", "padding=0, groups=channels",
                "Each channel is enlarged separately; here every output channel depends on all input channels."),
        *after_the_convolution("channels"),
    ),
)  # fmt: skip


# ---- blocks --------------------------------------------------------------------------------------------------------


CONV_BLOCK = Exercise(
    name="conv_block",
    notebook="b1_1",
    kit="helpers.unet.ConvBlock",
    task="Put two Convs one after the other; the first changes the number of channels.",
    look="ConvBlock(C_in, C_out) is Conv(C_in, C_out) and then Conv(C_out, C_out).",
    probe=probe_layer(((3, 5), (2, 3, 8, 8)), ((4, 4), (2, 4, 8, 8))),
    right=ConvBlock,
    blank=("__init__",),
    mistakes=(
        Mistake("only one Conv", ", Conv(out_channels, out_channels)", "", "There is one Conv; it takes two."),
        Mistake("three Convs", ", Conv(out_channels, out_channels)", ", Conv(out_channels, out_channels), Conv(out_channels, out_channels)",
                "There are three Convs; it takes two."),
        Mistake("channels changed too late", "Conv(in_channels, out_channels), Conv(out_channels, out_channels)", "Conv(in_channels, in_channels), Conv(in_channels, out_channels)",
                "The number of channels changes in the second Conv; it is the first that changes it."),
        *alike("a way round", "A part of the block has a residual connection. Here there is none.",
               ("Conv(out_channels, out_channels))", "Conv(out_channels, out_channels))\n\n    def forward(self, x):\n        y = self[0](x)\n        return y + self[1](y)"),
               ("Conv(out_channels, out_channels))", "Conv(out_channels, out_channels))\n\n    def forward(self, x):\n        y = super().forward(x)\n        return x + y if x.shape == y.shape else y"),
               ("Conv(out_channels, out_channels))", "Conv(out_channels, out_channels), nn.Conv2d(in_channels, out_channels, 1))\n\n    def forward(self, x):\n        return self[1](self[0](x)) + self[2](x)")),
        Mistake("one layer used twice", "super().__init__(Conv(in_channels, out_channels), Conv(out_channels, out_channels))", "layer = Conv(in_channels, out_channels)\n        super().__init__(layer, layer if in_channels == out_channels else Conv(out_channels, out_channels))",
                "Both places use the same Conv: make two of them."),
        Mistake("one layer used twice", "Conv(out_channels, out_channels))", "*[Conv(out_channels, out_channels)] * 2)",
                "One Conv is used twice: each place has its own."),
        Mistake("a plain convolution for a Conv", ", Conv(out_channels, out_channels)", ", nn.Conv2d(out_channels, out_channels, 3, padding=1)",
                "The second is a plain convolution. A Conv has BatchNorm and GELU after it, too."),
        Mistake("a Conv twice with C_in", "Conv(out_channels, out_channels)", "Conv(in_channels, out_channels)",
                "The second Conv takes C_in channels, but the first gives it C_out."),
    ),
)  # fmt: skip


def sampled_block(reference: type, name: str, word: str, size: int, mistakes: tuple[Mistake, ...]) -> Exercise:
    """The exercise of a block that begins by changing the size of the image; `word` is the operation that does it."""
    first, block = f"{word}(in_channels, out_channels)", "ConvBlock(out_channels, out_channels)"
    return Exercise(
        name=name,
        notebook="b1_1",
        kit=f"helpers.unet.{reference.__name__}",
        task=f"Put {word} first and a ConvBlock after it; {word} changes the number of channels.",
        look=f"{reference.__name__}(C_in, C_out) is {word}(C_in, C_out) and then ConvBlock(C_out, C_out).",
        probe=probe_layer(((3, 5), (2, 3, size, size)), ((4, 4), (2, 4, size, size))),
        right=reference,
        blank=("__init__",),
        mistakes=(
            Mistake(f"no {word}", f"{first}, {block}", "ConvBlock(in_channels, out_channels)",
                    f"The image keeps its size: {word} is missing."),
            Mistake("no ConvBlock", f", {block}", "", f"After {word} the ConvBlock is missing."),
            Mistake("a Conv for the ConvBlock", block, "Conv(out_channels, out_channels)",
                    f"After {word} there is a single Conv; a ConvBlock has two."),
            *alike("order exchanged", f"The ConvBlock comes before {word}; it comes after it.",
                   (f"{first}, {block}", f"ConvBlock(in_channels, out_channels), {word}(out_channels, out_channels)"),
                   (f"{first}, {block}", f"ConvBlock(in_channels, in_channels), {first}")),
            Mistake("a ConvBlock with C_in", block, "ConvBlock(in_channels, out_channels)",
                    f"The ConvBlock takes C_in channels, but {word} gives it C_out."),
            Mistake("channels changed too late", f"{first}, {block}",
                    f"{word}(in_channels, in_channels), ConvBlock(in_channels, out_channels)",
                    f"The number of channels changes in the ConvBlock; it is {word} that changes it."),
            Mistake("a way round", f"{block})",
                    f"{block})\n\n    def forward(self, x):\n        y = self[0](x)\n        return y + self[1](y)",
                    "The ConvBlock has a residual connection. Here there is none."),
            *mistakes,
        ),
    )  # fmt: skip


DOWN_BLOCK = sampled_block(
    DownBlock,
    "down_block",
    "DownConv",
    8,
    (
        Mistake("halved twice", "ConvBlock(out_channels, out_channels)", "DownConv(out_channels, out_channels), Conv(out_channels, out_channels)",
                "The image is halved twice: one DownConv, and then Convs, which keep the size."),
        *alike("pooling instead of DownConv", "The image is halved by pooling, as in the first UNet. Here DownConv does it, by its stride.",
               ("DownConv(in_channels, out_channels), ConvBlock(out_channels, out_channels)", "nn.MaxPool2d(2), ConvBlock(in_channels, out_channels)"),
               ("DownConv(in_channels, out_channels), ConvBlock(out_channels, out_channels)", "nn.AvgPool2d(2), ConvBlock(in_channels, out_channels)")),
        Mistake("UpConv for DownConv", "DownConv(in", "UpConv(in", "The image grows: that is UpConv."),
    ),
)  # fmt: skip
UP_BLOCK = sampled_block(
    UpBlock,
    "up_block",
    "UpConv",
    7,
    (
        Mistake("doubled twice", "ConvBlock(out_channels, out_channels)", "UpConv(out_channels, out_channels), Conv(out_channels, out_channels)",
                "The image is doubled twice: one UpConv, and then Convs, which keep the size."),
        Mistake("copying instead of UpConv", "UpConv(in_channels, out_channels), ConvBlock(out_channels, out_channels)", "nn.Upsample(scale_factor=2), ConvBlock(in_channels, out_channels)",
                "The image is enlarged by copying pixels. Here UpConv does it, a transposed convolution."),
        Mistake("DownConv for UpConv", "UpConv(in", "DownConv(in", "The image shrinks: that is DownConv."),
    ),
)  # fmt: skip

# ---- the UNet ------------------------------------------------------------------------------------------------------


def probe_plain_unet(student):
    yield from probe_unet(student)


UNET = Exercise(
    name="unconditional_unet",
    notebook="b1_1",
    kit="helpers.unet.UnconditionalUNet",
    task="Wire the blocks as the diagram shows: down, across, and up again, with three concatenations.",
    look="Compare with the diagram, block by block: what goes into each of them?",
    probe=probe_plain_unet,
    parts=(join,),
    right=UNet,
    blank=("wire",),
    mistakes=(*WIRING, *PLACE_MISTAKES, *SCALE_MISTAKES, *ORDER_MISTAKES),
)

EXERCISES = [CONV, DOWN_CONV, UP_CONV, FLATTEN, UNFLATTEN, CONV_BLOCK, DOWN_BLOCK, UP_BLOCK, UNET]
