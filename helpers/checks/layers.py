"""Networks with known weights, what a probe asks of them, and the operations and blocks of Part B, by their table.

A network of one's own may name its layers as it likes: `fill` gives layers of equal size equal weights, in the
student's network and in the one that it is compared with.
"""

import math

import torch
from torch import nn

from .faults import Fault
from .measured import Measured
from .running import tensor
from .toys import noise

__all__: list[str] = []  # it is for the checks alone

CLOSE = 3e-3  # GELU has a usual approximation, which is right enough


def terms(layer: nn.Module) -> float:
    """About how many terms each number that a layer gives is the sum of."""
    if isinstance(layer, nn.ConvTranspose2d):
        return 2 * layer.in_channels  # whatever the stride, which makes no difference to a single pixel
    return layer.weight[0].numel()


def takes_two(layer: nn.Module) -> bool:
    """Whether a layer of the UNets takes a concatenation: it has at least twice as many channels as it gives."""
    return not isinstance(layer, nn.Linear) and layer.in_channels >= 2 * layer.out_channels > 2


def fill(network: nn.Module, alike: bool = False) -> nn.Module:
    """Give a network weights that depend on the layers' kinds and sizes only, not on their names or order.

    BatchNorm gets running averages of its own as well, so that it shows whether it uses them. Biases of convolutions
    are set to 0: some leave them out before a BatchNorm, which has one too.

    alike: give both halves of what a layer takes the same weights, where it takes a concatenation, so that their order
        makes no difference.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            values = 2 * noise(*layer.weight.shape, seed=74) / math.sqrt(terms(layer))  # 2: GELU halves what is small
            if alike and takes_two(layer):
                axis = 0 if isinstance(layer, nn.ConvTranspose2d) else 1
                values = torch.cat([values.chunk(2, dim=axis)[0]] * 2, dim=axis)
            layer.weight.data = values.to(layer.weight)
            if layer.bias is not None:
                bias = noise(len(layer.bias), seed=75) if isinstance(layer, nn.Linear) else torch.zeros_like(layer.bias)
                layer.bias.data = bias.to(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            if layer.affine:
                layer.weight.data = 1 + 0.3 * noise(layer.num_features, seed=76)
                layer.bias.data = 0.3 * noise(layer.num_features, seed=77)
            if layer.running_mean is not None:
                layer.running_mean.data = 0.5 * noise(layer.num_features, seed=78)
                layer.running_var.data = noise(layer.num_features, seed=79).square() + 0.5
    return network


def build(student, case, sizes, inputs, alike=False) -> nn.Module:
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
    return fill(network, alike)


def lists_of_layers(network: nn.Module) -> list[str]:
    """The names of lists and tuples that have layers which the network itself does not know."""
    layers = set(network.modules())
    attributes = [(name, value) for module in layers for name, value in vars(module).items()]
    plain = [(name, value) for name, value in attributes if isinstance(value, (list, tuple))]
    return [name for name, value in plain if any(isinstance(x, nn.Module) and x not in layers for x in value)]


def answer(student, network, case, *inputs) -> tuple[torch.Tensor, Measured]:
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
    """A probe for networks of images: ((arguments of the class), (shape of the input)) for each case."""

    def probe(student):
        for arguments, shape in sizes:
            case = f"made with {', '.join(map(str, arguments)) or 'no arguments'}, for images {shape}"
            x = noise(*shape, seed=131)
            network = build(student, case, arguments, [x])
            y, steady = answer(student, network.eval(), case, x)
            yield Measured("the shape of the result", list(y.shape))
            yield steady
            yield Measured("the result in evaluation mode", y.detach(), CLOSE)
            y, steady = answer(student, network.train(), f"{case}, in training mode", x)
            yield steady
            yield Measured("the result in training mode", y.detach(), CLOSE)
            yield Measured("the number of weights, biases apart", weights_in(network))

    return probe


# ---- the operations and blocks, by their table ---------------------------------------------------------------------


class Conv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride=1, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.GELU(),
        )


class DownConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.GELU(),
        )


class UpConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.GELU(),
        )


class Flatten(nn.Sequential):
    def __init__(self):
        super().__init__(nn.AvgPool2d(7), nn.GELU())


class Unflatten(nn.Sequential):
    def __init__(self, channels):
        super().__init__(
            nn.ConvTranspose2d(channels, channels, 7, stride=7, padding=0),
            nn.BatchNorm2d(channels),
            nn.GELU(),
        )


class ConvBlock(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(Conv(in_channels, out_channels), Conv(out_channels, out_channels))


class DownBlock(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(DownConv(in_channels, out_channels), ConvBlock(out_channels, out_channels))


class UpBlock(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(UpConv(in_channels, out_channels), ConvBlock(out_channels, out_channels))


class FCBlock(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(in_features, out_features),
            nn.GELU(),
            nn.Linear(out_features, out_features),
        )

    def forward(self, x):
        return self.layers(x)[:, :, None, None]  # (B, F_out, 1, 1)
