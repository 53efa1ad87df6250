"""Exercises of notebook B 1.1: operations, blocks, and the UNet."""

from torch import nn

from .exercise import Exercise, Mistake
from .layers import (
    Conv,
    Down,
    Up,
    conv,
    gelu,
    layers,
    neither,
    net,
    norm,
    place_mistakes,
    probe_layer,
    probe_unet,
    relu,
    scale_and_shift,
    scale_mistakes,
    shifted_and_scaled,
    two,
    up,
    wiring,
)

__all__ = ["EXERCISES"]


def around(first):
    """The mistakes that all operations have in common; `first` is the convolution."""
    return (
        Mistake(
            "ReLU instead of GELU",
            layers(first, norm, relu),
            "It looks like ReLU at the end. GELU is smooth, and lets a little of what is negative through.",
        ),
        Mistake("no BatchNorm", layers(first, gelu), "BatchNorm is missing between the convolution and the GELU."),
        Mistake(
            "no GELU", layers(first, norm), "The GELU at the end is missing: negative values come out as they are."
        ),
        Mistake(
            "only the convolution", layers(first), "Only the convolution is there: BatchNorm and GELU are missing."
        ),
        Mistake(
            "BatchNorm after the GELU",
            layers(first, gelu, norm),
            "BatchNorm and GELU are exchanged: first BatchNorm, then GELU.",
        ),
        Mistake(
            "BatchNorm without scale and shift",
            layers(first, lambda i, o=None: nn.BatchNorm2d(i if o is None else o, affine=False), gelu),
            "BatchNorm has no scale and shift that it learns: leave affine as it is, True.",
        ),
        Mistake(
            "BatchNorm without running averages",
            layers(first, lambda i, o=None: nn.BatchNorm2d(i if o is None else o, track_running_stats=False), gelu),
            "BatchNorm keeps no running averages, so in evaluation mode, too, each picture depends on its batch.",
        ),
        Mistake(
            "another norm",
            layers(first, lambda i, o=None: nn.InstanceNorm2d(i if o is None else o), gelu),
            "The norm is taken over each picture by itself. BatchNorm2d takes it over the batch.",
        ),
        Mistake(
            "another norm",
            layers(first, lambda i, o=None: nn.GroupNorm(1, i if o is None else o), gelu),
            "The norm is taken over each picture by itself. BatchNorm2d takes it over the batch.",
        ),
        Mistake(
            "Sigmoid instead of GELU",
            layers(first, norm, lambda *sizes: nn.Sigmoid()),
            "It ends in a sigmoid. The operation ends in GELU.",
        ),
    )


def operation(name, kit, task, first, cases, mistakes):
    return Exercise(
        name=name,
        notebook="b1_1",
        kit=f"helpers.unet.{kit}",
        task=task,
        look="Compare with its line in the table of operations: kernel, stride, padding, then BatchNorm, then GELU.",
        probe=probe_layer(*cases),
        right=layers(first, norm, gelu),
        blank=("__init__",),
        mistakes=(
            *mistakes,
            Mistake(
                "channels exchanged",
                lambda i, o: nn.Sequential(first(o, i), norm(i, o), gelu()),
                "The convolution has in_channels and out_channels exchanged. Transposed or not, C_in comes first.",
            ),
            Mistake(
                "BatchNorm of in_channels",
                lambda i, o: nn.Sequential(first(i, o), norm(i), gelu()),
                "BatchNorm was made for in_channels. What the convolution hands it has out_channels.",
            ),
            *around(first),
        ),
    )


conv_operation = operation(
    "conv",
    "Conv",
    "Put a convolution (3, 1, 1), BatchNorm and GELU one after the other.",
    conv(3, 1, 1),
    [((3, 5), (2, 3, 8, 8)), ((1, 4), (3, 1, 28, 28))],
    (
        Mistake(
            "no padding",
            layers(conv(3, 1, 0), norm, gelu),
            "The picture loses a pixel on each side: padding = 1 keeps its size.",
        ),
        Mistake("stride 2", layers(conv(3, 2, 1), norm, gelu), "The picture is halved: Conv keeps its size, stride 1."),
        Mistake(
            "another kernel",
            layers(conv(5, 1, 2), norm, gelu),
            "It has more weights: the kernel looks like 5; it is 3.",
        ),
        Mistake(
            "another kernel",
            layers(conv(1, 1, 0), norm, gelu),
            "It has fewer weights: the kernel looks like 1; it is 3.",
        ),
        Mistake(
            "reflected padding",
            layers(conv(3, 1, 1, padding_mode="reflect"), norm, gelu),
            "The edges are reflected; the network's convolutions pad with zeros, PyTorch's default.",
        ),
    ),
)


down_operation = operation(
    "down_conv",
    "DownConv",
    "Like Conv, with stride 2: it halves the picture.",
    conv(3, 2, 1),
    [((3, 5), (2, 3, 8, 8)), ((1, 4), (3, 1, 28, 28))],
    (
        Mistake("stride 1", layers(conv(3, 1, 1), norm, gelu), "The picture keeps its size: stride 2 halves it."),
        Mistake("no padding", layers(conv(3, 2, 0), norm, gelu), "28 pixels become 13: padding = 1 makes them 14."),
        Mistake(
            "stride and padding exchanged",
            layers(conv(3, 1, 2), norm, gelu),
            "The picture grows: stride and padding look exchanged. They are stride 2 and padding 1.",
        ),
        Mistake(
            "another kernel",
            layers(conv(4, 2, 1), norm, gelu),
            "It has more weights: the kernel looks like 4; it is 3.",
        ),
        Mistake(
            "another kernel",
            layers(conv(2, 2, 0), norm, gelu),
            "It has fewer weights: the kernel looks like 2; it is 3.",
        ),
        *(
            Mistake(
                "pooling instead of a stride",
                layers(conv(3, 1, 1), norm, gelu, lambda *s, pool=pool: pool),
                "It halves by pooling after the convolution; here the convolution itself strides.",
            )
            for pool in (nn.MaxPool2d(2), nn.AvgPool2d(2))
        ),
        *(
            Mistake(
                "pooling instead of a stride",
                layers(lambda *s, pool=pool: pool, conv(3, 1, 1), norm, gelu),
                "It halves by pooling before the convolution; here the convolution itself strides.",
            )
            for pool in (nn.MaxPool2d(2), nn.AvgPool2d(2))
        ),
    ),
)


up_operation = operation(
    "up_conv",
    "UpConv",
    "Put a transposed convolution (4, 2, 1), BatchNorm and GELU one after the other.",
    up(4, 2, 1),
    [((3, 5), (2, 3, 7, 7)), ((4, 4), (2, 4, 14, 14))],
    (
        Mistake(
            "another kernel",
            layers(up(3, 2, 1), norm, gelu),
            "7 pixels become 13: the kernel looks like 3. With 4 they become 14.",
        ),
        Mistake(
            "another kernel",
            layers(up(3, 2, 1, output_padding=1), norm, gelu),
            "The kernel looks like 3, with output_padding. 2 does not divide 3, and a chequered pattern would show.",
        ),
        Mistake(
            "another kernel", layers(up(2, 2, 0), norm, gelu), "It has fewer weights: the kernel looks like 2; it is 4."
        ),
        Mistake("no padding", layers(up(4, 2, 0), norm, gelu), "7 pixels become 16: padding = 1 makes them 14."),
        Mistake("stride 1", layers(up(4, 1, 1), norm, gelu), "The picture hardly grows: stride 2 doubles it."),
        Mistake(
            "no transposed convolution",
            layers(conv(4, 2, 1), norm, gelu),
            "The picture shrinks: that is Conv2d. ConvTranspose2d enlarges.",
        ),
        Mistake(
            "enlarged by copying",
            layers(lambda *s: nn.Upsample(scale_factor=2), conv(3, 1, 1), norm, gelu),
            "It enlarges by copying pixels, and convolves then. The transposed convolution does both at once.",
        ),
    ),
)


flatten_operation = Exercise(
    name="flatten",
    notebook="b1_1",
    kit="helpers.unet.Flatten",
    task="Take the mean of each channel over its 7×7 pixels, and GELU of it.",
    look="A picture (B, C, 7, 7) becomes (B, C, 1, 1): one number for each channel, its mean, and then GELU.",
    probe=probe_layer(((), (3, 4, 7, 7))),
    right=layers(lambda: nn.AvgPool2d(7), gelu),
    blank=("__init__",),
    mistakes=(
        Mistake(
            "maximum instead of mean",
            layers(lambda: nn.MaxPool2d(7), gelu),
            "It takes the largest value; here it is the mean.",
        ),
        Mistake("no GELU", layers(lambda: nn.AvgPool2d(7)), "The GELU after the mean is missing."),
        Mistake(
            "ReLU instead of GELU",
            layers(lambda: nn.AvgPool2d(7), relu),
            "It looks like ReLU after the mean; it is GELU.",
        ),
        Mistake(
            "GELU before the mean",
            layers(gelu, lambda: nn.AvgPool2d(7)),
            "Mean and GELU are exchanged: first the mean.",
        ),
        Mistake(
            "axes lost",
            layers(lambda: nn.AvgPool2d(7), gelu, lambda: nn.Flatten()),
            "The result is (B, C). The next operation wants pictures of one pixel, (B, C, 1, 1).",
        ),
        Mistake(
            "pixels kept",
            layers(lambda: nn.Flatten()),
            "It only puts the pixels in a row, as nn.Flatten does. This Flatten takes the mean of each channel.",
        ),
        Mistake(
            "sum instead of mean",
            layers(lambda: nn.LPPool2d(1, 7), gelu),
            "It adds the pixels up; here it is the mean.",
        ),
        Mistake(
            "smaller windows",
            layers(lambda: nn.AvgPool2d(2), gelu),
            "The mean is over small windows; it is over all 7×7 pixels.",
        ),
        Mistake(
            "a norm too many",
            layers(lambda: nn.AvgPool2d(7), lambda: nn.BatchNorm2d(4), gelu),
            "There is a BatchNorm. Flatten has none.",
        ),
    ),
)

unflatten_first = lambda c: nn.ConvTranspose2d(c, c, 7, 7, 0)  # noqa: E731


unflatten_operation = Exercise(
    name="unflatten",
    notebook="b1_1",
    kit="helpers.unet.Unflatten",
    task="Make 7×7 pixels of one, by a transposed convolution (7, 7, 0), BatchNorm and GELU.",
    look="Compare with its line in the table of operations: kernel 7, stride 7, no padding, then BatchNorm, then GELU.",
    probe=probe_layer(((4,), (3, 4, 1, 1))),
    right=layers(unflatten_first, norm, gelu),
    blank=("__init__",),
    mistakes=(
        Mistake(
            "padding",
            layers(lambda c: nn.ConvTranspose2d(c, c, 7, 7, 1), norm, gelu),
            "The result is smaller than 7×7: no padding.",
        ),
        Mistake(
            "another kernel",
            layers(lambda c: nn.ConvTranspose2d(c, c, 4, 2, 1), norm, gelu),
            "One pixel becomes 2×2: those are UpConv's kernel and stride. Here both are 7.",
        ),
        Mistake(
            "enlarged by copying",
            layers(lambda c: nn.Upsample(scale_factor=7), lambda c: nn.Conv2d(c, c, 3, 1, 1), norm, gelu),
            "It copies the one pixel 49 times. The transposed convolution has weights of their own for each.",
        ),
        Mistake(
            "enlarged by copying",
            layers(lambda c: nn.Upsample(scale_factor=7)),
            "It copies the one pixel 49 times. The transposed convolution has weights of their own for each.",
        ),
        Mistake(
            "enlarged by copying",
            layers(lambda c: nn.Upsample(scale_factor=7), norm, gelu),
            "It copies the one pixel 49 times, and learns nothing of what 7×7 pixels look like. The transposed "
            "convolution has weights of their own for each.",
        ),
        Mistake(
            "enlarged by copying",
            layers(lambda c: nn.Conv2d(c, c, 1), lambda c: nn.Upsample(scale_factor=7), norm, gelu),
            "All 49 pixels are the same. The transposed convolution has weights of their own for each.",
        ),
        Mistake(
            "each channel by itself",
            layers(lambda c: nn.ConvTranspose2d(c, c, 7, 7, 0, groups=c), norm, gelu),
            "Each channel is enlarged by itself; here every channel hears all of them.",
        ),
        *around(unflatten_first),
    ),
)


class Twice(nn.Module):
    """One layer, used twice."""

    def __init__(self, i, o):
        super().__init__()
        self.first, self.again = Conv(i, o), Conv(o, o)

    def forward(self, x):
        return self.again(self.again(self.first(x)))


class Shared(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.layer = Conv(i, o)

    def forward(self, x):
        return self.layer(self.layer(x))


class Around(nn.Module):
    """With a way round the second layer."""

    def __init__(self, i, o):
        super().__init__()
        self.a, self.b = Conv(i, o), Conv(o, o)

    def forward(self, x):
        y = self.a(x)
        return y + self.b(y)


conv_block = Exercise(
    name="conv_block",
    notebook="b1_1",
    kit="helpers.unet.ConvBlock",
    task="Put two Convs one after the other; the first changes the number of channels.",
    look="ConvBlock(C_in, C_out) is Conv(C_in, C_out) and then Conv(C_out, C_out).",
    probe=probe_layer(((3, 5), (2, 3, 8, 8)), ((4, 4), (2, 4, 8, 8))),
    right=two,
    blank=("__init__",),
    mistakes=(
        Mistake("only one Conv", Conv, "There is one Conv; it takes two."),
        Mistake(
            "three Convs",
            lambda i, o: nn.Sequential(Conv(i, o), Conv(o, o), Conv(o, o)),
            "There are three Convs; it takes two.",
        ),
        Mistake(
            "channels changed too late",
            lambda i, o: nn.Sequential(Conv(i, i), Conv(i, o)),
            "The number of channels changes in the second Conv; it is the first that changes it.",
        ),
        Mistake(
            "a way round", Around, "There is a way round the second Conv, as in a residual network. Here there is none."
        ),
        Mistake(
            "one layer used twice",
            lambda i, o: Shared(i, o) if i == o else two(i, o),
            "Both places use the same Conv: make two of them.",
        ),
        Mistake("one layer used twice", Twice, "One Conv is used twice: each place has its own."),
        Mistake(
            "a plain convolution for a Conv",
            lambda i, o: nn.Sequential(Conv(i, o), nn.Conv2d(o, o, 3, 1, 1)),
            "The second is a plain convolution. A Conv has BatchNorm and GELU after it, too.",
        ),
        Mistake(
            "a Conv twice with C_in",
            lambda i, o: nn.Sequential(Conv(i, o), Conv(i, o)),
            "The second Conv takes C_in channels, but the first gives it C_out.",
        ),
    ),
)


def sampled_block(name, kit, change, word, size, mistakes):
    return Exercise(
        name=name,
        notebook="b1_1",
        kit=f"helpers.unet.{kit}",
        task=f"Put {word} and then a ConvBlock; {word} changes the number of channels.",
        look=f"{kit}(C_in, C_out) is {word}(C_in, C_out) and then ConvBlock(C_out, C_out).",
        probe=probe_layer(((3, 5), (2, 3, size, size)), ((4, 4), (2, 4, size, size))),
        right=lambda i, o: nn.Sequential(change(i, o), two(o, o)),
        blank=("__init__",),
        mistakes=(
            Mistake(f"no {word}", lambda i, o: two(i, o), f"The picture keeps its size: {word} is missing."),
            Mistake("no ConvBlock", change, f"After {word} the ConvBlock is missing."),
            Mistake(
                "a Conv for the ConvBlock",
                lambda i, o: nn.Sequential(change(i, o), Conv(o, o)),
                f"After {word} there is a single Conv; a ConvBlock has two.",
            ),
            Mistake(
                "order exchanged",
                lambda i, o: nn.Sequential(two(i, o), change(o, o)),
                f"The ConvBlock comes before {word}; it comes after it.",
            ),
            Mistake(
                "order exchanged",
                lambda i, o: nn.Sequential(two(i, i), change(i, o)),
                f"The ConvBlock comes before {word}; it comes after it.",
            ),
            Mistake(
                "a ConvBlock with C_in",
                lambda i, o: nn.Sequential(change(i, o), two(i, o)),
                f"The ConvBlock takes C_in channels, but {word} gives it C_out.",
            ),
            Mistake(
                "channels changed too late",
                lambda i, o: nn.Sequential(change(i, i), two(i, o)),
                f"The number of channels changes in the ConvBlock; it is {word} that changes it.",
            ),
            *mistakes,
        ),
    )


down_block = sampled_block(
    "down_block",
    "DownBlock",
    Down,
    "DownConv",
    8,
    (
        Mistake(
            "halved twice",
            lambda i, o: nn.Sequential(Down(i, o), Down(o, o), Conv(o, o)),
            "The picture is halved twice: one DownConv, and then Convs, which keep the size.",
        ),
        *(
            Mistake(
                "pooling instead of DownConv",
                lambda i, o, pool=pool: nn.Sequential(pool, two(i, o)),
                "The picture is halved by pooling, as in the first UNet. Here DownConv does it, by its stride.",
            )
            for pool in (nn.MaxPool2d(2), nn.AvgPool2d(2))
        ),
        Mistake(
            "UpConv for DownConv", lambda i, o: nn.Sequential(Up(i, o), two(o, o)), "The picture grows: that is UpConv."
        ),
    ),
)


up_block = sampled_block(
    "up_block",
    "UpBlock",
    Up,
    "UpConv",
    7,
    (
        Mistake(
            "doubled twice",
            lambda i, o: nn.Sequential(Up(i, o), Up(o, o), Conv(o, o)),
            "The picture is doubled twice: one UpConv, and then Convs, which keep the size.",
        ),
        Mistake(
            "copying instead of UpConv",
            lambda i, o: nn.Sequential(nn.Upsample(scale_factor=2), two(i, o)),
            "The picture is enlarged by copying pixels. Here UpConv does it, a transposed convolution.",
        ),
        Mistake(
            "DownConv for UpConv",
            lambda i, o: nn.Sequential(Down(i, o), two(o, o)),
            "The picture shrinks: that is DownConv.",
        ),
    ),
)


order_mistakes = (
    (
        "scale and shift exchanged",
        {"put": lambda c, y, t: y * t + c},
        "t multiplies and c is added. It is the other way round: c scales, and t shifts.",
    ),
    (
        "scale and shift exchanged",
        {"put": lambda c, y, t: y * (c + t)},
        "t multiplies, too: c scales what comes from below, and then t is added.",
    ),
    *(
        (
            "shift scaled too",
            {"puts": puts},
            "c scales the shift t as well. In both places c scales only what comes from below, and then t is added. "
            "Before Part 2, where the class scales and the time shifts, it makes no difference.",
        )
        for puts in shifted_and_scaled
    ),
)


ignored_mistakes = tuple(
    (
        "scales and shifts ignored",
        {"puts": puts},
        f"{which} make no difference. Part 2 will hand them in: c scales and t shifts, in two places on the way up.",
    )
    for which, puts in (
        ("c1, t1, c2 and t2", (neither, neither)),
        ("c1 and t1", (neither, scale_and_shift)),
        ("c2 and t2", (scale_and_shift, neither)),
    )
)


unconditional_unet = Exercise(
    name="unconditional_unet",
    notebook="b1_1",
    kit="helpers.unet.UnconditionalUNet",
    task="Wire the blocks as the drawing shows: down, across, and up again, with three concatenations.",
    look="Compare line by line with the network under The maths: what goes into each block?",
    probe=probe_unet(),
    right=net(),
    blank=("wire",),
    mistakes=(
        *wiring(),
        *(
            Mistake(name, net(**twist), say)
            for name, twist, say in (*ignored_mistakes, *place_mistakes, *scale_mistakes, *order_mistakes)
        ),
    ),
)


EXERCISES = [
    conv_operation,
    down_operation,
    up_operation,
    flatten_operation,
    unflatten_operation,
    conv_block,
    down_block,
    up_block,
    unconditional_unet,
]
