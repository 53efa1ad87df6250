"""What a student's object looks like to the grader: names, arguments, and of a network its layers and weights."""

import inspect

import torch
from torch import nn

__all__ = ["describe_network", "describe_object", "load_weights", "parameters_of"]

MOST_NAMES = 60
SIZES = ("in_channels", "out_channels", "in_features", "out_features", "num_features", "affine")


def parameters_of(function) -> list:
    """The (name, kind) of a function's arguments; empty if they cannot be known."""
    try:
        return [[p.name, int(p.kind)] for p in list(inspect.signature(function).parameters.values())[:MOST_NAMES]]
    except (TypeError, ValueError):
        return []


def methods_of(value, beyond: type) -> dict[str, list]:
    """The methods that its class has beyond another's, with their arguments."""
    names = [name for name in dir(type(value)) if not name.startswith("_") and not hasattr(beyond, name)]
    methods = {}
    for name in names[:MOST_NAMES]:
        method = inspect.getattr_static(type(value), name)
        if callable(getattr(type(value), name, None)) or isinstance(method, (staticmethod, classmethod)):
            methods[name] = parameters_of(getattr(value, name))
    return methods


def describe_object(value) -> dict:
    name = getattr(value, "__name__", "")
    return {
        "type": type(value).__name__,
        "callable": callable(value),
        "name": name if isinstance(name, str) else "",
        "parameters": parameters_of(value) if callable(value) else [],
        "methods": methods_of(value, object),
    }


def kind_of(layer: nn.Module) -> str:
    """The layer of PyTorch's that it is or is made from, as far as the checks know it; "" for another."""
    for kind in (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d):
        if isinstance(layer, kind):
            return kind.__name__
    return ""


def describe_network(network: nn.Module) -> dict:
    """Its layers in order, and the tensors of each."""
    if "_modules" not in vars(network):
        return {"type": type(network).__name__, "made": False}
    names = dict(network.named_modules())
    by_layer = {id(layer): name for name, layer in names.items()}
    layers, seen = [], set()
    for name, layer in names.items():
        own = {}
        for key, value in layer.named_parameters(recurse=False):
            if id(value) not in seen:
                seen.add(id(value))
                own[key] = "lazy" if nn.parameter.is_lazy(value) else value.detach()
        running = {key: value for key, value in layer.named_buffers(recurse=False) if isinstance(value, torch.Tensor)}
        lists = {
            key: [by_layer.get(id(item)) if isinstance(item, nn.Module) else "" for item in value[:MOST_NAMES]]
            for key, value in vars(layer).items()
            if isinstance(value, (list, tuple)) and any(isinstance(item, nn.Module) for item in value)
        }
        layers.append({
            "name": name,
            "kind": kind_of(layer),
            "type": type(layer).__name__,
            "module": type(layer).__module__ if type(layer).__module__.startswith("torch.") else "student",
            "sizes": {size: getattr(layer, size) for size in SIZES if isinstance(getattr(layer, size, None), int)},
            "parameters": own,
            "buffers": {} if any(value == "lazy" for value in own.values() if isinstance(value, str)) else running,
            "lists": lists,
        })  # fmt: skip
    return {
        "type": type(network).__name__,
        "made": True,
        "layers": layers,
        "training": network.training,
        "parameters": parameters_of(network.forward),
        "methods": methods_of(network, nn.Module),
    }


def load_weights(network: nn.Module, tensors: dict[str, torch.Tensor], training: bool) -> None:
    """Give a network the weights and running averages that the grader has for it, and its mode."""
    if network.training != training:
        network.train(training)
    if not tensors:
        return
    named = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    for name, value in tensors.items():
        if name in named:
            named[name].data = value
