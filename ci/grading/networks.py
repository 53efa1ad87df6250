"""A student's network, as the grader sees it: its layers and weights are here, its forward is the student's.

The checks give a network weights of their own, look at its layers, and ask for gradients. All of this works on the
mirror. Its output comes from the student's process, which receives the weights with each call.
"""

import contextlib

import torch
from torch import nn

from helpers.checks.faults import Fault

__all__ = ["is_network", "mirror", "refresh"]

KINDS = {kind.__name__: kind for kind in (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d)}
MOST_LAYERS, MOST_WEIGHTS = 500, 5_000_000


class Mirror:
    """Mixed into the class of a mirror's outermost layer."""

    def connect(self, connection, handle: int) -> None:
        object.__setattr__(self, "_remote", (connection, handle))

    def tensors(self) -> dict[str, torch.Tensor]:
        named = [*self.named_parameters(), *self.named_buffers()]
        return {name: x.detach() for name, x in named if not nn.parameter.is_lazy(x)}


def is_network(value) -> bool:
    return isinstance(value, Mirror)


class Output(torch.autograd.Function):
    """The output of a student's network; its gradient is computed there, too."""

    @staticmethod
    def forward(ctx, connection, call, names, y, *weights):
        ctx.connection, ctx.call, ctx.names = connection, call, names
        return y.detach().clone()

    @staticmethod
    def backward(ctx, gradient):
        return (None, None, None, None, *ctx.connection.backward(ctx.call, gradient, ctx.names))


class Method:
    """A method of a student's network, `forward` or another such as `wire`."""

    def __init__(self, network, name: str, signature):
        self.network, self.name, self.__name__ = network, name, name
        self.__signature__ = signature

    def __call__(self, *args, **kwargs):
        network = self.network
        connection, handle = network._remote
        state = [network.tensors(), network.training]
        method = "" if self.name == "forward" else self.name
        try:
            y, call, about = connection.call_network(handle, method, args, kwargs, state)
        except Fault as fault:
            if self.name == "wire" and getattr(fault, "kind", "") == "RuntimeError":
                raise RuntimeError(fault.text) from fault  # a check may have put an explanation around it
            explain_by_wire(network, self.name, getattr(fault, "wire", None))
            raise
        refresh(network, about)
        if isinstance(y, torch.Tensor) and y.requires_grad:
            weights = {name: p for name, p in network.named_parameters() if p.requires_grad}
            y = Output.apply(connection, call, list(weights), y, *weights.values())
        return y


def explain_by_wire(network, name: str, shapes: dict | None) -> None:
    """Repeat the call of `wire` in which an error arose, if a check has put an explanation around it."""
    wire = vars(network).get("wire")
    if name == "forward" and shapes and wire is not None and not isinstance(wire, Method):
        with contextlib.suppress(RuntimeError):
            wire(**{key: torch.zeros([int(n) for n in shape][:6]) for key, shape in shapes.items()})


def mirror(about: dict, connection, handle: int, signature) -> nn.Module:
    """A mirror of the network that a student's process has described."""
    if not about["made"]:
        unmade = type(str(about["type"]), (Mirror, nn.Module), {})
        return unmade.__new__(unmade)
    layers = check(about["layers"])
    network = make_layer(layers[0], (Mirror,))
    network.connect(connection, handle)
    fill_in(network, layers)
    network.train(bool(about["training"]))
    for name, parameters in {**about["methods"], "forward": about["parameters"]}.items():
        if name == "forward" or not hasattr(nn.Module, name):
            object.__setattr__(network, name, Method(network, name, signature(parameters)))
    return network


def check(layers: list) -> list:
    if not 1 <= len(layers) <= MOST_LAYERS:
        raise Fault("too many layers", f"It has {len(layers)} layers; at most {MOST_LAYERS} are graded.")
    tensors = [x for layer in layers for x in layer["parameters"].values() if isinstance(x, torch.Tensor)]
    if sum(x.numel() for x in tensors) > MOST_WEIGHTS:
        raise Fault("too many weights", f"It has more than {MOST_WEIGHTS} weights, in a network of a few channels.")
    return layers


def make_layer(layer: dict, mixed: tuple = ()) -> nn.Module:
    """A layer of the same kind and sizes, without a constructor's weights."""
    base = KINDS.get(layer["kind"], nn.Module)
    name, module = str(layer["type"]), str(layer["module"])
    made = type(name, (*mixed, base), {"__module__": module}) if mixed or base.__name__ != name else base
    empty = made.__new__(made)
    nn.Module.__init__(empty)
    return empty


def fill_in(network: nn.Module, layers: list) -> None:
    """Put layers, weights and lists of layers where the description has them."""
    by_name = {"": network}
    for layer in layers[1:]:
        *path, last = str(layer["name"]).split(".")
        place = by_name.get(".".join(path))
        if place is None:
            continue
        by_name[layer["name"]] = made = make_layer(layer)
        place.add_module(last, made)
    for layer in layers:
        if layer["name"] not in by_name:
            continue
        made = by_name[layer["name"]]
        for size, value in layer["sizes"].items():
            vars(made)[str(size)] = value
        for name, value in layer["parameters"].items():
            made.register_parameter(name, nn.UninitializedParameter() if value == "lazy" else nn.Parameter(value))
        if layer["kind"] and "bias" not in layer["parameters"]:
            made.register_parameter("bias", None)
        for name, value in layer["buffers"].items():
            made.register_buffer(name, value)
        if layer["kind"] == "BatchNorm2d" and "running_mean" not in layer["buffers"]:
            vars(made).setdefault("running_mean", None)
        for name, inside in layer["lists"].items():
            vars(made)[str(name)] = [by_name.get(item, nn.Identity()) for item in inside if item != ""]


def refresh(network: nn.Module, about: dict | None) -> None:
    """Take over what a call has changed: running averages, and the layers that had no sizes before."""
    if about is None or not about["made"]:
        return
    layers = check(about["layers"])
    if any(nn.parameter.is_lazy(p) for p in network.parameters()):
        network._modules.clear()
        fill_in(network, layers)
        return
    running = {f"{layer['name']}.{name}".lstrip("."): x for layer in layers for name, x in layer["buffers"].items()}
    for name, buffer in network.named_buffers():
        if name in running and running[name].shape == buffer.shape:
            buffer.data = running[name]
