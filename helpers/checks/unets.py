"""The UNets of Part B: their references, the probe, and the mistakes in their wiring."""

# ruff: noqa: E501 (one mistake, two lines)

import inspect

import torch
import torch.nn.functional as F  # noqa: F401 (in a mistake)
from torch import nn

from .exercise import Mistake, alike
from .faults import Fault
from .layers import (
    CLOSE,
    Conv,  # noqa: F401 (in a mistake)
    ConvBlock,
    DownBlock,
    FCBlock,
    Flatten,
    Unflatten,
    UpBlock,
    build,
    fill,
    output,
    weights_in,
)
from .measured import Measured
from .running import tensor
from .toys import noise

__all__: list[str] = []  # it is for the checks alone


TURNED = (
    "halves exchanged",
    "Note that the skip comes first in your concatenation. That learns as well, but the weights of the kit's "
    "networks, in which the skip comes second, do not fit it, and its weights do not fit them.",
)


def join(below, skip):
    return torch.cat([below, skip], dim=1)


class UNet(nn.Module):
    def __init__(self, D):
        super().__init__()
        self.conv_in = ConvBlock(1, D)
        self.down1, self.down2 = DownBlock(D, D), DownBlock(D, 2 * D)
        self.flatten, self.unflatten = Flatten(), Unflatten(2 * D)
        self.up1, self.up2 = UpBlock(4 * D, D), UpBlock(2 * D, D)
        self.conv_out = nn.Sequential(ConvBlock(2 * D, D), nn.Conv2d(D, 1, 3, padding=1))

    def forward(self, x):
        return self.wire(x)

    def wire(self, x, c1=1.0, t1=0.0, c2=1.0, t2=0.0):
        """The numbers in the names are the side lengths in pixels; x7 and up7 have 2D channels, the others D."""
        x28 = self.conv_in(x)
        x14 = self.down1(x28)
        x7 = self.down2(x14)
        x1 = self.flatten(x7)
        up7 = c1 * self.unflatten(x1) + t1
        up14 = c2 * self.up1(join(up7, x7)) + t2
        up28 = self.up2(join(up14, x14))
        return self.conv_out(join(up28, x28))


class TimeUNet(UNet):
    def __init__(self, hidden):
        super().__init__(hidden)
        self.time1, self.time2 = FCBlock(1, 2 * hidden), FCBlock(1, hidden)

    def shifts(self, t01):
        return self.time1(t01), self.time2(t01)

    def forward(self, x, t01):
        t1, t2 = self.shifts(t01)
        return self.wire(x, t1=t1, t2=t2)


def probe_unet(student, time=False, classes=False):
    for hidden in (4, 3):
        case = f"hidden = {hidden}, two images, in evaluation mode"
        x = noise(2, 1, 28, 28, seed=133)
        more = [torch.tensor([[0.1], [0.9]])] * time + [torch.eye(10)[[2, 7]]] * classes
        network = watched(build(student, case, [hidden], [x, *more], alike=True).eval(), hidden)
        yield Measured(
            "t01 stands before c",
            in_order(network),
            name="arguments exchanged",
            say="forward takes its arguments in another order than the stub, which has x, t01, c.",
        )
        y, steady = output(student, network, case, x, *more)
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
        fill(network)
        y = tensor(student.call(network, case, x, *more), "the result")
        yield Measured(
            "the result, with weights of its own for each half of a concatenation", y, CLOSE, *TURNED, warns=True
        )
        fill(network, alike=True)
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


def learns(y, network) -> bool:
    """Whether a gradient reaches all of the network's weights from the output y."""
    weights = [p for p in network.parameters() if p.requires_grad]
    if not y.requires_grad:
        return False
    return all(gradient is not None for gradient in torch.autograd.grad(y.sum(), weights, allow_unused=True))


def in_order(network) -> bool:
    """Whether forward has t01 before c, if it has both."""
    names = list(inspect.signature(network.forward).parameters)
    return names.index("t01") < names.index("c") if {"t01", "c"} <= set(names) else True


def widths(hidden):
    """The channels of the scales and shifts, in the order of `wire`'s arguments."""
    return {"c1": 2 * hidden, "t1": 2 * hidden, "c2": hidden, "t2": hidden}


def watched(network, hidden):
    """The network, with a `wire` that explains wrong shapes of its arguments."""
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
    """Explains wrong shapes of scales and shifts."""
    flat = [f"{name} {shape}" for name, shape in shapes.items() if len(shape) == 2]
    if flat:
        return Fault(
            "axes missing",
            f"`wire` receives {' and '.join(flat)}. To be combined with images (B, C, H, W), it needs two more axes: "
            "`[:, :, None, None]`, which FCBlock adds.",
        )
    handed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    return Fault(
        "scales and shifts that do not fit",
        f"`wire` receives {handed}. It takes (x, c1, t1, c2, t2) in this order, c1 and t1 with 2D = {2 * hidden} "
        f"channels, and c2 and t2 with D = {hidden}. Pass them by name, as in `t1=…`.",
    )


def wired(student, network, case, x, hidden):
    """The result of `wire` with scales and shifts, which later networks use. (Some networks have no `wire`.)"""
    signals = {name: noise(2, w, 1, 1, seed=134 + i) for i, (name, w) in enumerate(widths(hidden).items())}
    wire = getattr(network, "wire", None) or fill(UNet(hidden), alike=True).eval().wire
    return tensor(student.call(wire, case, x, **signals), "the result")


# ---- mistakes in the wiring of all three ---------------------------------------------------------------------------

JOINS = (("up7", "x7"), ("up14", "x14"), ("up28", "x28"))
UP7, UP14 = "up7 = c1 * self.unflatten(x1) + t1", "up14 = c2 * self.up1(join(up7, x7)) + t2"
BOTH = f"{UP7}\n        {UP14}"


def in_both(first: str, second: str) -> tuple[str, str]:
    """An edit of both places where scales and shifts are applied."""
    return BOTH, f"up7 = {first.format(c='c1', y='self.unflatten(x1)', t='t1')}\n        " + (
        f"up14 = {second.format(c='c2', y='self.up1(join(up7, x7))', t='t2')}"
    )


WIRING = (
    *alike("a skip forgotten",
           "A skip connection is lost: a concatenation has the decoder's features twice.",
           *((f"join({a}, {b})", f"join({a}, {a})") for a, b in JOINS), ("[below, skip]", "[below, below]")),
    *(
        Mistake("along another axis", piece, f"torch.cat([{a}, {b}], dim={dim})",
                f"It concatenates along the {axis}. Concatenate the channels: `torch.cat([…], dim=1)`.")
        for dim, axis in ((0, "batch, torch.cat's default"), (2, "images' height, dim=2"),
                          (3, "images' width, dim=3"))
        for piece, a, b in (*((f"join({a}, {b})", a, b) for a, b in JOINS),
                            ("torch.cat([below, skip], dim=1)", "below", "skip"))
    ),
    *alike("not concatenated",
           "A concatenation is missing: the next block takes the decoder's channels followed by those of the skip. "
           "They are not added, and neither is left out.",
           *((f"join({a}, {b})", f"{a} + {b}") for a, b in JOINS), ("torch.cat([below, skip], dim=1)", "below + skip")),
    *alike("only the skip",
           "A concatenation has the skip twice, so the decoder's features are lost.",
           *((f"join({a}, {b})", f"join({b}, {b})") for a, b in JOINS[1:])),
    *alike("no bottleneck", "Flatten and Unflatten are left out: x7 goes directly to the decoder, so the first concatenation has it twice.",
           ("up7 = c1 * self.unflatten(x1) + t1", "up7 = x7"), ("self.unflatten(x1)", "x7")),
    Mistake("no GELU in Flatten", "self.flatten(x7)", "x7.mean((2, 3), keepdim=True)",
            "Flatten is a plain mean here: its GELU is missing."),
    Mistake("an activation at the end", "return self.conv_out(join(up28, x28))", "return torch.sigmoid(self.conv_out(join(up28, x28)))",
            "It ends in a sigmoid. Nothing follows the last convolution."),
    Mistake("an activation at the end", "nn.Sequential(ConvBlock(2 * D, D), nn.Conv2d(D, 1, 3, padding=1))", "nn.Sequential(ConvBlock(2 * D, D), Conv(D, 1))",
            "It ends in a Conv, with BatchNorm and GELU, so its output can hardly be negative. Nothing follows the last convolution."),
    *alike("an activation at the end", "It ends in a ConvBlock, and so in a GELU: its output can hardly be negative. The last layer is a plain convolution, after the ConvBlock from 2D to D channels.",
           ("nn.Sequential(ConvBlock(2 * D, D), nn.Conv2d(D, 1, 3, padding=1))", "ConvBlock(2 * D, 1)"),
           ("nn.Conv2d(D, 1, 3, padding=1)", "ConvBlock(D, 1)")),
    Mistake("another kernel at the end", "nn.Conv2d(D, 1, 3, padding=1)", "nn.Conv2d(D, 1, 1)",
            "The last convolution has fewer weights: its kernel looks like 1; it is 3, with padding 1."),
    Mistake("no ConvBlock at the end", "nn.Sequential(ConvBlock(2 * D, D), nn.Conv2d(D, 1, 3, padding=1))", "nn.Conv2d(2 * D, 1, 3, padding=1)",
            "The last convolution takes the concatenation itself: before it there is a ConvBlock, from 2D to D channels."),
    Mistake("an activation at the end", "return self.conv_out(join(up28, x28))", "return F.gelu(self.conv_out(join(up28, x28)))",
            "It ends in a GELU. Nothing follows the last convolution."),
    Mistake("an activation at the end", "return self.conv_out(join(up28, x28))", "return torch.tanh(self.conv_out(join(up28, x28)))",
            "It ends in a tanh. Nothing follows the last convolution."),
    Mistake("a way round the network", "return self.conv_out(join(up28, x28))", "return x + self.conv_out(join(up28, x28))",
            "The input is added to the output. Here there is no such residual connection."),
)  # fmt: skip

PLACE_MISTAKES = (
    Mistake("t1 forgotten", " + t1", "", "t1 is never added: it belongs after Unflatten."),
    Mistake("t2 forgotten", " + t2", "", "t2 is never added: it belongs after the first UpBlock."),
    *alike("t2 one level too late", "t2 comes in after the second UpBlock; it belongs after the first.",
           (f"{UP14}\n        up28 = self.up2(join(up14, x14))",
            "up14 = self.up1(join(up7, x7))\n        up28 = c2 * self.up2(join(up14, x14)) + t2")),
    Mistake("t1 before Unflatten", "c1 * self.unflatten(x1) + t1", "self.unflatten(c1 * x1 + t1)",
            "The first scale and shift, c1 and t1, come in before Unflatten; they belong after it."),
    *alike("one level too late",
           "The scales and shifts come in one level too late. c1 and t1 have 2D channels, as what Unflatten gives; c2 and "
           "t2 have D, as what the first UpBlock gives.",
           (BOTH, "up7 = self.unflatten(x1)\n        up14 = c1 * self.up1(join(up7, x7)) + t1"),
           (BOTH, "up7 = self.unflatten(x1)\n        up14 = self.up1(join(up7, x7)) * c1 + t1")),
)  # fmt: skip

SCALE_MISTAKES = (
    Mistake("c1 forgotten", "c1 * ", "", "c1 is missing: it multiplies the output of Unflatten."),
    Mistake("c2 forgotten", "c2 * ", "", "c2 is missing: it multiplies the output of the first UpBlock."),
)  # fmt: skip

SHIFTED_TOO = (
    in_both("{c} * ({y} + {t})", "{c} * ({y} + {t})"),
    in_both("{c} * ({y} + {t})", "{c} * {y} + {t}"),
    in_both("{c} * {y} + {t}", "{c} * ({y} + {t})"),
)

ORDER_MISTAKES = (
    *alike("scale and shift exchanged",
           "t multiplies and c is added. It should be the opposite: c scales, and t shifts.",
           in_both("{t} * {y} + {c}", "{t} * {y} + {c}")),
    *alike("scale and shift exchanged",
           "t multiplies, too: c scales the features, and then t is added.",
           in_both("({c} + {t}) * {y}", "({c} + {t}) * {y}")),
    *alike("shift scaled too",
           "c scales the shift t as well. In both places c scales only the features, and then t is added. Until "
           "Part 2, where the class scales and the time shifts, this makes no difference.",
           *SHIFTED_TOO),
    *(
        Mistake("scales and shifts ignored", *in_both(first, second),
                f"{which} make no difference. Part 2 will use them: c scales and t shifts, in two places of the "
                "decoder.")
        for which, first, second in (("c1, t1, c2 and t2", "{y}", "{y}"), ("c1 and t1", "{y}", "{c} * {y} + {t}"),
                                     ("c2 and t2", "{c} * {y} + {t}", "{y}"))
    ),
)  # fmt: skip

# ---- mistakes in the conditioning ---------------------------------------------------------------------------------

TOLD = "self.time1(t01), self.time2(t01)"
TIME_MISTAKES = (
    *(
        Mistake("t/T once more", TOLD, TOLD.replace("t01", f"t01 / {T}"),
                f"The time is divided by {T}. t01 is t/T already.")
        for T in (300, 1000)
    ),
    Mistake("t for t/T", TOLD, TOLD.replace("t01", "300 * t01"),
            "The time is multiplied by 300. The blocks receive t/T."),
    Mistake("one time for the batch", TOLD, TOLD.replace("t01", "t01[:1].expand_as(t01)"),
            "All images receive the first one's time. Each has its own."),
    Mistake("one time for the batch", TOLD, TOLD.replace("t01", "t01.mean(dim=0, keepdim=True)"),
            "All images receive the mean of the batch's times. Each has its own."),
    Mistake("time ignored", "self.time1(t01), self.time2(t01)", "0.0, 0.0",
            "The time makes no difference: t1 and t2 are never added."),
    *PLACE_MISTAKES,
    *alike("time multiplied", "The time multiplies the channels; it is added to them.",
           in_both("{c} * {y} * {t}", "{c} * {y} * {t}"), in_both("{c} * {y} * (1 + {t})", "{c} * {y} * (1 + {t})")),
    *alike("time taken away", "The time is subtracted; it is added.",
           in_both("{c} * {y} - {t}", "{c} * {y} - {t}")),
)  # fmt: skip
