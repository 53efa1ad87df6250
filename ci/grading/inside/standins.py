"""Stand-ins for objects of the grader: a student's function calls them, and the grader computes the result.

The network of a check stays with the grader, which so sees every call of it. Gradients pass: backward() on a loss that
a stand-in's output went into asks the grader for the gradients of the network's weights.
"""

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["StandIn", "function", "is_standin", "network", "optimizer"]

Ask = Callable[..., Any]  # (handle, method, arguments by place, arguments by name) -> the result


class StandIn:
    """Marks an object of the grader's, and has its `handle`."""

    handle: int


def is_standin(value) -> bool:
    return isinstance(value, StandIn)


def signature_of(parameters: list) -> inspect.Signature:
    """A signature with these (name, kind); the defaults stay with the grader."""
    return inspect.Signature([inspect.Parameter(name, inspect._ParameterKind(kind)) for name, kind in parameters])


def function(ask: Ask, handle: int, parameters: list) -> Callable:
    """A function of the grader's, such as a step or a velocity."""

    class Function(StandIn):
        def __call__(self, *args, **kwargs):
            return ask(handle, "call", args, kwargs)

    made = Function()
    made.handle = handle
    with contextlib.suppress(ValueError):  # it has none that can be written down
        made.__signature__ = signature_of(parameters)
    return made


def denoiser(ask: Ask, handle: int, schedule, image_shape: tuple) -> Any:
    """A toy denoiser of the grader's."""
    from helpers.denoisers import Denoiser

    class Toy(StandIn, Denoiser):
        def __call__(self, x_t, t, cond):
            return ask(handle, "call", (x_t, t, cond), {})

        def unconditional(self, cond):
            return ask(handle, "unconditional", (cond,), {})

    made = Toy()
    made.handle, made.schedule, made.image_shape = handle, schedule, image_shape
    return made


class Through(torch.autograd.Function):
    """The output of a network of the grader's; its gradient is the grader's, too."""

    @staticmethod
    def forward(ctx, ask, handle, args, kwargs, *weights):
        ctx.ask, ctx.handle = ask, handle
        with torch.enable_grad():
            call, y = ask(handle, "forward", args, kwargs)
        ctx.call = call
        return y.detach()

    @staticmethod
    def backward(ctx, gradient):
        return (None, None, None, None, *ctx.ask(ctx.handle, "backward", (ctx.call, gradient), {}))


class Network(StandIn, nn.Module):
    """A network of the grader's, with copies of its weights."""

    def __init__(self, ask: Ask, handle: int, weights: dict[str, Tensor], parameters: list):
        super().__init__()
        self.handle = handle
        self._ask, self._names = ask, list(weights)
        for name, value in weights.items():
            *path, last = name.split(".")
            place: nn.Module = self
            for part in path:
                if not hasattr(place, part):
                    place.add_module(part, nn.Module())
                place = getattr(place, part)
            place.register_parameter(last, nn.Parameter(value))
        self.__signature__ = signature_of(parameters)

    def take(self, weights: dict[str, Tensor], training: bool) -> None:
        nn.Module.train(self, training)
        for name, value in weights.items():
            self.get_parameter(name).data = value

    def forward(self, *args, **kwargs):
        if not torch.is_grad_enabled():
            return self._ask(self.handle, "forward", args, kwargs)[1]
        return Through.apply(self._ask, self.handle, args, kwargs, *(self.get_parameter(n) for n in self._names))

    def train(self, mode: bool = True):
        self._ask(self.handle, "train", (bool(mode),), {})
        return super().train(mode)


def network(ask: Ask, handle: int, weights: dict[str, Tensor], training: bool, parameters: list) -> Network:
    made = Network(ask, handle, weights, parameters)
    made.take(weights, training)
    return made


class Optimizer(StandIn, torch.optim.Optimizer):
    """The optimizer of a check. Its step takes place at the grader, with the gradients that the weights have here."""

    def __init__(self, ask: Ask, handle: int, network: Network):  # PyTorch's own would prepare a step that is not here
        self.handle, self._ask, self._network = handle, ask, network
        self.state, self.defaults = {}, {}
        self.param_groups = [{"params": [network.get_parameter(name) for name in network._names]}]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for p in self.param_groups[0]["params"]:
            p.grad = None if set_to_none or p.grad is None else torch.zeros_like(p.grad)

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = [p.grad for p in self.param_groups[0]["params"]]
        weights = self._ask(self.handle, "step", (gradients,), {})
        self._network.take(weights, self._network.training)
        return loss


def optimizer(ask: Ask, handle: int, network: Network) -> Optimizer:
    return Optimizer(ask, handle, network)
