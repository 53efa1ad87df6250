"""Networks with known weights, probes for them, and reference versions of Part B's operations and blocks.

A student's network may name its layers freely: `fill` gives layers of equal size equal weights, in the student's
network and in the reference.
"""

import math

import torch
from torch import nn

from .faults import Fault
from .measured import Measured
from .running import tensor
from .toys import noise

__all__: list[str] = []  # it is for the checks alone

CLOSE = 3e-3  # tolerance; GELU's usual approximation is accepted


def terms(layer: nn.Module) -> float:
    """The approximate number of terms in the sum that is an element of a layer's output."""
    if isinstance(layer, nn.ConvTranspose2d):
        return 2 * layer.in_channels  # for any stride, which does not affect a single pixel
    return layer.weight[0].numel()


def takes_two(layer: nn.Module) -> bool:
    """Whether a layer of the UNets takes a concatenation: it has at least twice as many input as output channels."""
    return not isinstance(layer, nn.Linear) and layer.in_channels >= 2 * layer.out_channels > 2


def fill(network: nn.Module, alike: bool = False) -> nn.Module:
    """Give a network weights that depend only on the layers' types and sizes, not on their names or order.

    BatchNorm gets special running averages, which show whether it uses them. Biases of convolutions are set to 0,
    because some students leave them out before a BatchNorm, which has a bias, too.

    alike: whether the two halves of a concatenated input get the same weights, so their order makes no difference.
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
    """The student's network of these sizes, with the check's weights."""
    network = student(case, *sizes)
    if not isinstance(network, nn.Module):
        raise Fault(
            "no network", f"It makes a {type(network).__name__}; wanted an nn.Module, such as an nn.Sequential."
        )
    if "_modules" not in vars(network):
        raise Fault(
            "super().__init__ forgotten",
            "It never calls `super().__init__(…)`, which every network needs. An nn.Sequential passes its "
            "layers to it.",
        )
    for module in network.modules():
        loose = [name for name, _ in module.named_parameters(recurse=False)]
        if loose and not type(module).__module__.startswith("torch."):
            raise Fault(
                "weights outside a layer",
                f"It has parameters outside a layer, in {loose[0]}. They may be right, but this check can only test "
                "PyTorch's layers (nn.Conv2d, nn.Linear …), because it sets their weights: use one of them.",
            )
    for name in lists_of_layers(network):
        raise Fault(
            "layers in a plain list",
            f"It keeps layers in self.{name}, a Python list, where no optimizer finds them: "
            "use an nn.ModuleList, or an nn.Sequential(*layers).",
        )
    if any(nn.parameter.is_lazy(p) for p in network.parameters()):
        student.call(network, case, *inputs)  # determines the channels of a LazyConv2d
    return fill(network, alike)


def lists_of_layers(network: nn.Module) -> list[str]:
    """The names of lists and tuples with layers that are not registered in the network."""
    layers = set(network.modules())
    attributes = [(name, value) for module in layers for name, value in vars(module).items()]
    plain = [(name, value) for name, value in attributes if isinstance(value, (list, tuple))]
    return [name for name, value in plain if any(isinstance(x, nn.Module) and x not in layers for x in value)]


def output(student, network, case, *inputs) -> tuple[torch.Tensor, Measured]:
    """A network's output, with its graph, and whether a second call gives the same."""
    y, again = (student.call(network, case, *inputs) for _ in range(2))
    alike = torch.allclose(tensor(y, "the result"), tensor(again, "the result"), rtol=0, atol=CLOSE)
    return y, Measured(
        "a second call gives the same",
        alike,
        name="chance",
        say="A second call on the same input gives another result. Is there a dropout, or a layer that is "
        "created in each call, which never learns?",
    )


def weights_in(network: nn.Module) -> int:
    """The number of weights, without biases, which some students leave out before a BatchNorm."""
    return sum(p.numel() for name, p in network.named_parameters() if not name.endswith("bias"))


def probe_layer(*sizes: tuple[tuple[int, ...], tuple[int, ...]]):
    """A probe for layers of images; a case is ((arguments of the class), (shape of the input))."""

    def probe(student):
        for arguments, shape in sizes:
            case = f"made with {', '.join(map(str, arguments)) or 'no arguments'}, for images {shape}"
            x = noise(*shape, seed=131)
            network = build(student, case, arguments, [x])
            y, steady = output(student, network.eval(), case, x)
            yield Measured("the shape of the result", list(y.shape))
            yield steady
            yield Measured("the result in evaluation mode", y.detach(), CLOSE)
            y, steady = output(student, network.train(), f"{case}, in training mode", x)
            yield steady
            yield Measured("the result in training mode", y.detach(), CLOSE)
            yield Measured("the number of weights, biases apart", weights_in(network))

    return probe


# ---- reference operations and blocks -------------------------------------------------------------------------------


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
