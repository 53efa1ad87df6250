"""Exercises on Part B's networks: operations, blocks, and how the three UNets are wired.

A network of one's own may name its layers as it likes: `fill` gives layers of equal size equal weights, in the
student's network and in the one that it is compared with.
"""

import inspect

import torch
import torch.nn.functional as F
from torch import nn

from .exercise import Exercise, Measured, Mistake
from .running import Fault, tensor
from .toys import fill, noise

CLOSE = 3e-3  # GELU has a usual approximation, which is right enough


def build(student, case, sizes, inputs) -> nn.Module:
    """The student's network of these sizes, for these inputs, with the check's weights."""
    network = student(case, *sizes)
    if not isinstance(network, nn.Module):
        raise Fault(
            "no network", f"It makes a {type(network).__name__}; wanted an nn.Module, such as an nn.Sequential."
        )
    if "_modules" not in vars(network):
        raise Fault(
            "super().__init__ forgotten",
            "It never calls `super().__init__(…)`, without which it is no network. An nn.Sequential is handed its "
            "layers there.",
        )
    for module in network.modules():
        loose = [name for name, _ in module.named_parameters(recurse=False)]
        if loose and not type(module).__module__.startswith("torch."):
            raise Fault(
                "weights outside a layer",
                f"It keeps weights of its own in {loose[0]}. They may be right, but this check can only try PyTorch's "
                "layers (nn.Conv2d, nn.Linear …), to which it gives weights that it knows: make one of them.",
            )
    for name in lists_of_layers(network):
        raise Fault(
            "layers in a plain list",
            f"It keeps layers in self.{name}, a Python list, where no optimizer finds them, so that they never learn: "
            "an nn.ModuleList, or an nn.Sequential(*layers).",
        )
    if any(nn.parameter.is_lazy(p) for p in network.parameters()):
        student.call(network, case, *inputs)  # from which a LazyConv2d learns how many channels there are
    return fill(network)


def lists_of_layers(network: nn.Module) -> list[str]:
    """The names of lists and tuples that have layers which the network itself does not know."""
    layers = set(network.modules())
    attributes = [(name, value) for module in layers for name, value in vars(module).items()]
    plain = [(name, value) for name, value in attributes if isinstance(value, (list, tuple))]
    return [name for name, value in plain if any(isinstance(x, nn.Module) and x not in layers for x in value)]


def ask(student, network, case, *inputs) -> tuple[torch.Tensor, Measured]:
    """A network's answer, still attached to its weights, and whether it says the same when it is asked again."""
    y, again = (student.call(network, case, *inputs) for _ in range(2))
    alike = torch.allclose(tensor(y, "the result"), tensor(again, "the result"), rtol=0, atol=CLOSE)
    return y, Measured(
        "asked again, it says the same",
        alike,
        name="chance",
        say="Asked the same again, it says something else. Is there a dropout, or a layer that is made anew in each "
        "call, so that it never learns?",
    )


def weights_in(network: nn.Module) -> int:
    """How many, without the biases, which some leave out before a BatchNorm."""
    return sum(p.numel() for name, p in network.named_parameters() if not name.endswith("bias"))


def probe_layer(*sizes: tuple[tuple[int, ...], tuple[int, ...]]):
    """A probe for networks of pictures: ((arguments of the class), (shape of the input)) for each case."""

    def probe(student):
        for arguments, shape in sizes:
            case = f"made with {', '.join(map(str, arguments)) or 'no arguments'}, for pictures {shape}"
            x = noise(*shape, seed=131)
            network = build(student, case, arguments, [x])
            y, steady = ask(student, network.eval(), case, x)
            yield Measured("the shape of the result", list(y.shape))
            yield steady
            yield Measured("the result in evaluation mode", y.detach(), CLOSE)
            y, steady = ask(student, network.train(), f"{case}, in training mode", x)
            yield steady
            yield Measured("the result in training mode", y.detach(), CLOSE)
            yield Measured("the number of weights, biases apart", weights_in(network))

    return probe


def layers(*parts):
    """A class of networks: its parts are functions of the sizes."""
    return lambda *sizes: nn.Sequential(*[part(*sizes) for part in parts])


def conv(k, s, p, **options):
    return lambda i, o: nn.Conv2d(i, o, k, s, p, **options)


def up(k, s, p, **options):
    return lambda i, o: nn.ConvTranspose2d(i, o, k, s, p, **options)


def norm(i, o=None):
    return nn.BatchNorm2d(i if o is None else o)


def gelu(*sizes):
    return nn.GELU()


def relu(*sizes):
    return nn.ReLU()


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


# ---- blocks --------------------------------------------------------------------------------------------------------

Conv, Down, Up = (layers(first, norm, gelu) for first in (conv(3, 1, 1), conv(3, 2, 1), up(4, 2, 1)))


def two(i, o):
    return nn.Sequential(Conv(i, o), Conv(o, o))


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


def probe_fc(student):
    for sizes, batch in (((1, 6), 4), ((10, 5), 3)):
        case = f"FCBlock{sizes}, for {batch} rows"
        rows = noise(batch, sizes[0], seed=132).abs()
        network = build(student, case, sizes, [rows])
        y, steady = ask(student, network, case, rows)
        yield Measured("the number of values for each row", y.numel() // batch)
        yield steady
        yield Measured("the result, without its shape", y.detach().flatten(), CLOSE)
        yield Measured("the shape of the result", list(y.shape))
        yield Measured("the number of weights, biases apart", weights_in(network))


class Pixels(nn.Module):
    """Two axes more: (B, F) -> (B, F, 1, 1)."""

    def forward(self, x):
        return x[:, :, None, None]


class AxesInFront(nn.Module):
    def forward(self, x):
        return x[None, None]


def fc(*parts, axes=Pixels):
    return lambda i, o: nn.Sequential(*[part(i, o) for part in parts], axes())


def linear(a, b, **options):
    def make(i, o):
        widths = {"in": i, "out": o, "2 out": 2 * o, "4 out": 4 * o}
        return nn.Linear(widths[a], widths[b], **options)

    return make


fc_block = Exercise(
    name="fc_block",
    notebook="b2_1",
    kit="helpers.unet.FCBlock",
    task="Linear(F_in, F_out), GELU, Linear(F_out, F_out): rows (B, F_in) become numbers for channels, "
    "(B, F_out, 1, 1).",
    look="Linear(F_in, F_out) → GELU → Linear(F_out, F_out), and two more axes, so that it adds to pictures.",
    probe=probe_fc,
    right=fc(linear("in", "out"), gelu, linear("out", "out")),
    blank=("__init__", "forward"),
    mistakes=(
        Mistake(
            "no GELU",
            fc(linear("in", "out"), linear("out", "out")),
            "The GELU between the two is missing: two Linears in a row are only one.",
        ),
        Mistake(
            "ReLU instead of GELU",
            fc(linear("in", "out"), relu, linear("out", "out")),
            "It looks like ReLU in the middle; it is GELU.",
        ),
        Mistake(
            "GELU at the end",
            fc(linear("in", "out"), gelu, linear("out", "out"), gelu),
            "There is a GELU at the end, too. Then it could hardly ever say something negative.",
        ),
        Mistake("one Linear", fc(linear("in", "out")), "There is one Linear; it takes two, and GELU between them."),
        Mistake(
            "one Linear", fc(linear("in", "out"), gelu), "There is one Linear and a GELU; a second Linear follows."
        ),
        Mistake(
            "hidden width F_in",
            fc(linear("in", "in"), gelu, linear("in", "out")),
            "The middle is F_in wide: for the time, that is a single number. It is F_out wide.",
        ),
        Mistake(
            "axes missing",
            fc(linear("in", "out"), gelu, linear("out", "out"), axes=nn.Identity),
            "The result is (B, F_out). To be added to pictures (B, C, H, W) it needs two more axes.",
        ),
        Mistake(
            "axes in front",
            fc(linear("in", "out"), gelu, linear("out", "out"), axes=AxesInFront),
            "The two more axes are in front, (1, 1, B, F_out). The pixels' axes are the last two: (B, F_out, 1, 1).",
        ),
        *(
            Mistake(
                "no bias",
                fc(linear("in", "out", bias=first), gelu, linear("out", "out", bias=second)),
                "A Linear has no bias. Leave it there, as nn.Linear has it.",
            )
            for first, second in ((True, False), (False, True), (False, False))
        ),
        *(
            Mistake(
                "a wider middle",
                fc(linear("in", middle), gelu, linear(middle, "out")),
                f"The middle is {middle[0]} · F_out wide. It is F_out wide.",
            )
            for middle in ("2 out", "4 out")
        ),
        Mistake(
            "three Linears",
            fc(linear("in", "out"), gelu, linear("out", "out"), gelu, linear("out", "out")),
            "There are three Linears; it takes two.",
        ),
        Mistake(
            "Sigmoid instead of GELU",
            fc(linear("in", "out"), lambda *s: nn.Sigmoid(), linear("out", "out")),
            "It has a sigmoid in the middle; it is GELU.",
        ),
    ),
)


# ---- the UNets -----------------------------------------------------------------------------------------------------


def no_change(x):
    return x


def scale_and_shift(c, y, t):
    return c * y + t


def shift_and_scale(c, y, t):
    return c * (y + t)


def neither(c, y, t):
    return y


def to_one_channel(D):
    return nn.Sequential(two(2 * D, D), nn.Conv2d(D, 1, 3, 1, 1))


class Net(nn.Module):
    """The three UNets by the table, with everything in their wiring that can be got wrong."""

    def __init__(self, hidden, time=False, classes=False, **twist):
        super().__init__()
        D, self.twist = hidden, twist
        self.a28, self.end = two(1, D), twist.get("end", to_one_channel)(D)
        self.a14, self.a7 = nn.Sequential(Down(1 * D, D), two(D, D)), nn.Sequential(Down(D, 2 * D), two(2 * D, 2 * D))
        self.wide = nn.Sequential(nn.ConvTranspose2d(2 * D, 2 * D, 7, 7, 0), nn.BatchNorm2d(2 * D), nn.GELU())
        self.b14, self.b28 = nn.Sequential(Up(4 * D, D), two(D, D)), nn.Sequential(Up(2 * D, D), two(D, D))
        t_in, c_in = (1 if time else 0), (10 if classes else 0)
        self.times = nn.ModuleList(
            fc(linear("in", "out"), gelu, linear("out", "out"))(t_in, w) for w in (2 * D, D) if time
        )
        self.kinds = nn.ModuleList(
            fc(linear("in", "out"), gelu, linear("out", "out"))(c_in, w) for w in (2 * D, D) if classes
        )

    def forward(self, x, t01=None, c=None):
        t01, c = self.twist.get("told", lambda *told: told)(t01, c)
        t1, t2 = [block(t01) for block in self.times] or [0.0, 0.0]
        c1, c2 = [block(c) for block in self.kinds] or [1.0, 1.0]
        return self.wire(x, c1, t1, c2, t2)

    def wire(self, x, c1, t1, c2, t2):
        twist = self.twist.get
        ts = twist("times", no_change)([t1, t2])
        cs = twist("kinds", no_change)([c1, c2])
        put = twist("put", scale_and_shift)
        puts, places = twist("puts", (put, put)), twist("places", (1, 2))
        join = twist("join", lambda below, skip: torch.cat([below, skip], dim=1))
        joins = twist("joins", (join, join, join))

        def told(place, y):
            for where, put, c, t in zip(places, puts, cs, ts):
                y = put(c, y, t) if where == place else y
            return y

        x28 = self.a28(x)
        x14 = self.a14(x28)
        x7 = self.a7(x14)
        x1 = x7.mean((2, 3), keepdim=True)
        x1 = told(0, x1 if twist("bare mean") else F.gelu(x1))
        up7 = x7 if twist("no bottleneck") else told(1, self.wide(x1))
        up14 = told(2, self.b14(joins[0](up7, x7)))
        up28 = told(3, self.b28(joins[1](up14, x14)))
        y = self.end(joins[2](up28, x28))
        return twist("out", no_change)(y)


def net(time=False, classes=False, **twist):
    return lambda hidden: Net(hidden, time, classes, **twist)


def probe_unet(time=False, classes=False):
    def probe(student):
        for hidden in (4, 3):
            case = f"hidden = {hidden}, two pictures, in evaluation mode"
            x = noise(2, 1, 28, 28, seed=133)
            more = [torch.tensor([[0.1], [0.9]])] * time + [torch.eye(10)[[2, 7]]] * classes
            network = watched(build(student, case, [hidden], [x, *more]).eval(), hidden)
            yield Measured(
                "t01 stands before c",
                in_order(network),
                name="arguments exchanged",
                say="forward takes its arguments in another order than the stub, which has x, t01, c.",
            )
            y, steady = ask(student, network, case, x, *more)
            yield Measured("the shape of the result", list(y.shape))
            yield steady
            yield Measured("the result", y.detach(), CLOSE)
            yield Measured("the number of weights, biases apart", weights_in(network))
            yield Measured(
                "a gradient reaches every layer",
                learns(y, network),
                name="gradient cut off",
                say="The gradient of the result does not reach every layer, so that not all of them learn. Is there a "
                "detach(), a .data or a torch.no_grad()?",
            )
            if hidden == 3:
                return
            if time:
                more[0] = torch.tensor([[0.5], [0.5]])
                y = tensor(student.call(network, f"{case}, both told 0.5", x, *more), "the result")
                yield Measured("the result", y, CLOSE)
            if classes:
                more[1] = torch.zeros(2, 10)
                y = tensor(student.call(network, f"{case}, c = 0", x, *more), "the result")
                yield Measured("the result", y, CLOSE)
            if not time and not classes:
                yield Measured("the result", wired(student, network, f"{case}, given c1, t1, c2, t2", x, hidden), CLOSE)

    return probe


def learns(y, network) -> bool:
    """Whether a gradient goes from the answer y to each of the network's weights."""
    weights = [p for p in network.parameters() if p.requires_grad]
    if not y.requires_grad:
        return False
    return all(gradient is not None for gradient in torch.autograd.grad(y.sum(), weights, allow_unused=True))


def in_order(network) -> bool:
    """Whether forward has t01 before c, where it calls them so."""
    names = list(inspect.signature(network.forward).parameters)
    return names.index("t01") < names.index("c") if {"t01", "c"} <= set(names) else True


def widths(hidden):
    """The channels of the scales and shifts, in the order in which `wire` takes them."""
    return {"c1": 2 * hidden, "t1": 2 * hidden, "c2": hidden, "t2": hidden}


def watched(network, hidden):
    """The network, whose `wire` now says what it was handed where that does not fit."""
    wire, wanted = getattr(network, "wire", None), widths(hidden)

    def watching(x, *args, **kwargs):
        try:
            return wire(x, *args, **kwargs)
        except RuntimeError as error:
            given = dict(zip(wanted, args)) | kwargs
            shapes = {name: tuple(y.shape) for name, y in given.items() if isinstance(y, torch.Tensor)}
            if all(shape[1:] == (wanted[name], 1, 1) for name, shape in shapes.items()):
                raise
            raise misfit(shapes, hidden) from error

    if wire is not None:
        network.wire = watching
    return network


def misfit(shapes, hidden) -> Fault:
    """What is wrong with scales and shifts of these shapes."""
    flat = [f"{name} {shape}" for name, shape in shapes.items() if len(shape) == 2]
    if flat:
        return Fault(
            "axes missing",
            f"`wire` is handed {' and '.join(flat)}. To meet pictures (B, C, H, W) it needs two more axes behind: "
            "`[:, :, None, None]`, which FCBlock adds.",
        )
    handed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    return Fault(
        "scales and shifts that do not fit",
        f"`wire` is handed {handed}. It takes (x, c1, t1, c2, t2) in this order, c1 and t1 with 2D = {2 * hidden} "
        f"channels, and c2 and t2 with D = {hidden}. By name, as in `t1=…`, each arrives in its place.",
    )


def wired(student, network, case, x, hidden):
    """What comes of scales and shifts, which later networks hand to `wire`; who has no `wire` has no place for them."""
    signals = {name: noise(2, w, 1, 1, seed=134 + i) for i, (name, w) in enumerate(widths(hidden).items())}
    wire = getattr(network, "wire", None) or fill(Net(hidden)).eval().wire
    return tensor(student.call(wire, case, x, **signals), "the result")


def cat(a, b):
    return torch.cat([a, b], dim=1)


def cat_turned(a, b):
    return torch.cat([b, a], dim=1)


def no_skip(a, b):
    return torch.cat([a, a], dim=1)


def skip_only(a, b):
    return torch.cat([b, b], dim=1)


def at_each_place(join):
    return (join, cat, cat), (cat, join, cat), (cat, cat, join)


def wiring(time=False, classes=False):
    def wrong(**twist):
        return net(time, classes, **twist)

    turned = (
        "The halves of a concatenation are exchanged: what comes from below first, then the skip. It would learn as "
        "well, but its weights fit no other network of this course."
    )
    lost = "A skip is lost: a concatenation has what comes from below twice, and nothing of the way down."
    return (
        Mistake("halves exchanged", wrong(join=cat_turned), turned),
        *(Mistake("halves exchanged", wrong(joins=joins), turned) for joins in at_each_place(cat_turned)),
        *(
            Mistake("a skip forgotten", wrong(joins=joins), lost)
            for joins in (*at_each_place(no_skip), (no_skip, no_skip, no_skip))
        ),
        *(
            Mistake(
                "along another axis",
                wrong(joins=joins),
                f"It concatenates along the {axis}. What is put together are the channels: `torch.cat([…], dim=1)`.",
            )
            for dim, axis in (
                (0, "batch, as torch.cat does where it is told no dim"),
                (2, "pictures' height, dim=2"),
                (3, "pictures' width, dim=3"),
            )
            for joins in at_each_place(lambda a, b, dim=dim: torch.cat([a, b], dim=dim))
        ),
        *(
            Mistake(
                "not concatenated",
                wrong(joins=joins),
                "A concatenation is missing: the next block is made for the channels from below and those of the skip, "
                "one after the other. They are not added, and neither is left out.",
            )
            for joins in at_each_place(lambda a, b: a + b)
        ),
        *(
            Mistake(
                "only the skip",
                wrong(joins=joins),
                "A concatenation has the skip twice, so that nothing from below comes through.",
            )
            for joins in ((cat, skip_only, cat), (cat, cat, skip_only))
        ),
        Mistake(
            "no bottleneck",
            wrong(**{"no bottleneck": True}),
            "Flatten and Unflatten are left out: x7 goes straight up again, so that the first concatenation has "
            "it twice.",
        ),
        Mistake(
            "no GELU in Flatten", wrong(**{"bare mean": True}), "Flatten is a plain mean here: its GELU is missing."
        ),
        Mistake(
            "an activation at the end",
            wrong(out=torch.sigmoid),
            "It ends in a sigmoid. The last convolution stands alone.",
        ),
        Mistake(
            "an activation at the end",
            wrong(end=lambda D: nn.Sequential(two(2 * D, D), Conv(D, 1))),
            "It ends in a Conv, with BatchNorm and GELU, so that it can hardly say something negative. The last "
            "convolution stands alone.",
        ),
        *(
            Mistake(
                "an activation at the end",
                wrong(end=end),
                "It ends in a ConvBlock, and so in a GELU: it can hardly say something negative. After the ConvBlock "
                "from 2D to D channels, the last convolution stands alone.",
            )
            for end in (lambda D: two(2 * D, 1), lambda D: nn.Sequential(two(2 * D, D), two(D, 1)))
        ),
        Mistake(
            "another kernel at the end",
            wrong(end=lambda D: nn.Sequential(two(2 * D, D), nn.Conv2d(D, 1, 1))),
            "The last convolution has fewer weights: its kernel looks like 1; it is 3, with padding 1.",
        ),
        Mistake(
            "no ConvBlock at the end",
            wrong(end=lambda D: nn.Conv2d(2 * D, 1, 3, 1, 1)),
            "The last convolution takes the concatenation itself: before it there is a ConvBlock, from 2D to D "
            "channels.",
        ),
        Mistake("an activation at the end", wrong(out=F.gelu), "It ends in a GELU. The last convolution stands alone."),
        Mistake(
            "an activation at the end", wrong(out=torch.tanh), "It ends in a tanh. The last convolution stands alone."
        ),
        Mistake(
            "a way round the network",
            lambda hidden: WayRound(hidden, time, classes),
            "The input is added to the output. The network says the result itself.",
        ),
    )


class WayRound(Net):
    def forward(self, x, *more):
        return x + super().forward(x, *more)


place_mistakes = (
    ("t1 forgotten", {"times": lambda ts: [0.0, ts[1]]}, "t1 is never added: it belongs after Unflatten."),
    ("t2 forgotten", {"times": lambda ts: [ts[0], 0.0]}, "t2 is never added: it belongs after the first UpBlock."),
    (
        "t2 one level too late",
        {"places": (1, 3)},
        "t2 comes in after the second UpBlock; it belongs after the first.",
    ),
    (
        "t1 before Unflatten",
        {"places": (0, 2)},
        "The first scale and shift, c1 and t1, come in before Unflatten; they belong after it.",
    ),
    *(
        (
            "one level too late",
            {"places": (2, 3), "put": put},
            "The scales and shifts come in one level too late. c1 and t1 have 2D channels, as what Unflatten gives; c2 "
            "and t2 have D, as what the first UpBlock gives.",
        )
        for put in (scale_and_shift, lambda c, y, t: y * c + t)
    ),
)
scale_mistakes = (
    ("c1 forgotten", {"kinds": lambda cs: [1.0, cs[1]]}, "c1 is missing: it multiplies what Unflatten says."),
    ("c2 forgotten", {"kinds": lambda cs: [cs[0], 1.0]}, "c2 is missing: it multiplies what the first UpBlock says."),
)
shifted_and_scaled = (
    (shift_and_scale, shift_and_scale),
    (shift_and_scale, scale_and_shift),
    (scale_and_shift, shift_and_scale),
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


def told_of_time(change):
    return {"told": lambda t01, c: (change(t01), c)}


time_mistakes = (
    *(
        ("t/T once more", told_of_time(lambda t01, T=T: t01 / T), f"The time is divided by {T}. t01 is t/T already.")
        for T in (300, 1000)
    ),
    ("t for t/T", told_of_time(lambda t01: t01 * 300), "The time is multiplied by 300. The blocks are told t/T."),
    (
        "one time for the batch",
        told_of_time(lambda t01: t01[:1].expand_as(t01)),
        "All pictures are told the first one's time. Each has its own.",
    ),
    (
        "one time for the batch",
        told_of_time(lambda t01: t01.mean(dim=0, keepdim=True)),
        "All pictures are told the mean of the batch's times. Each has its own.",
    ),
    ("time ignored", {"times": lambda ts: [0.0, 0.0]}, "The time makes no difference: t1 and t2 are never added."),
    *place_mistakes,
    ("time multiplied", {"put": lambda c, y, t: c * y * t}, "The time multiplies the channels; it is added to them."),
    (
        "time multiplied",
        {"put": lambda c, y, t: c * y * (1 + t)},
        "The time multiplies the channels; it is added to them.",
    ),
    ("time taken away", {"put": lambda c, y, t: c * y - t}, "The time is subtracted; it is added."),
)

time_unet = Exercise(
    name="time_unet",
    notebook="b2_1",
    kit="helpers.unet.TimeConditionalUNet",
    task="Tell the UNet the time: two FCBlocks of t/T, the first with 2D channels, added after Unflatten, the second "
    "with D, added after the first UpBlock.",
    look="t1 has 2D channels and is added after Unflatten, t2 has D and is added after the first UpBlock.",
    probe=probe_unet(time=True),
    right=net(True),
    blank=("__init__", "forward"),
    mistakes=(*(Mistake(name, net(True, **twist), say) for name, twist, say in time_mistakes), *wiring(True)),
)

class_mistakes = (
    (
        "class ignored",
        {"kinds": lambda cs: [1.0, 1.0]},
        "The class makes no difference: c1 and c2 never multiply anything.",
    ),
    *scale_mistakes,
    (
        "class and time exchanged",
        {"put": lambda c, y, t: t * y + c},
        "Class and time are exchanged: c multiplies, t is added.",
    ),
    ("class added", {"put": lambda c, y, t: y + c + t}, "The class is added; it multiplies the channels."),
    *(
        (
            "time scaled by the class",
            {"puts": puts},
            "The class multiplies the time, too: c · y + t, not c · (y + t).",
        )
        for puts in shifted_and_scaled
    ),
    (
        "c between 0 and 1",
        {"kinds": lambda cs: [c.sigmoid() for c in cs]},
        "c goes through a sigmoid. What the FCBlock says multiplies as it is.",
    ),
    ("1 + c", {"put": lambda c, y, t: (1 + c) * y + t}, "The channels are multiplied by 1 + c; here it is c alone."),
)

class_unet = Exercise(
    name="class_unet",
    notebook="b2_4",
    kit="helpers.unet.ClassConditionalUNet",
    task="Tell the UNet the class, too: two FCBlocks of c, as wide as those of the time, which multiply where it is "
    "added.",
    look="c1 · unflatten + t1, and c2 · up1 + t2: the class scales, the time shifts.",
    probe=probe_unet(time=True, classes=True),
    right=net(True, True),
    blank=("__init__", "forward"),
    mistakes=tuple(Mistake(name, net(True, True, **twist), say) for name, twist, say in class_mistakes + time_mistakes)
    + wiring(True, True),
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
    fc_block,
    time_unet,
    class_unet,
]
