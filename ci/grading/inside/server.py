"""The student's process: runs the cells, and then the calls that the grader asks for.

It computes results and returns them. Whether they are right is decided elsewhere.
"""

import importlib
import inspect
import itertools
import linecache
from collections.abc import Iterator

import torch
from torch import nn

from . import cs180, standins
from .codec import Channel, Handles, leaves, pack, unpack
from .describe import describe_network, describe_object, load_weights
from .generators import STATES, Generators, States

__all__ = ["Server"]

MOST_YIELDED = 200  # as in the checks
NO_MEMORY = ("can't allocate memory", "Cannot allocate memory", "not enough memory")


class Server:
    def __init__(self, channel: Channel, gigabytes: float):
        self.channel, self.gigabytes = channel, gigabytes
        self.objects = Handles()  # those that the grader has a handle for
        self.theirs: dict[int, object] = {}  # the stand-ins
        self.graphs: dict[int, torch.Tensor] = {}
        self.generators = Generators(first=1)
        self.number = 0

        for file in (__file__, standins.__file__):  # so that the line shown of an error is the student's
            linecache.cache[file] = (0, None, [], file)

    def run(self) -> None:
        while True:
            self.number, operation, *rest = unpack(self.channel.receive(), self.restore)
            operations = {"load": self.load, "call": self.call, "backward": self.backward}
            self.channel.send(pack([self.number, *operations[operation](*rest)], self.describe))

    def ask(self, handle: int, method: str, args: tuple, kwargs: dict):
        """What an object of the grader's returns."""
        grad = torch.is_grad_enabled()
        message = [self.number, "ask", handle, method, tuple(args), kwargs, STATES, grad]
        self.channel.send(pack(message, self.describe))
        _, kind, *rest = unpack(self.channel.receive(), self.restore)
        if kind == "answer":
            return rest[0]
        faults = importlib.import_module("helpers.checks.faults")
        if kind == "fault":
            raise faults.Fault(*rest)
        known = getattr(importlib.import_module("builtins"), rest[0], RuntimeError)
        raise known(rest[1])

    # ---- what the messages hold ------------------------------------------------------------------------------------

    def describe(self, value) -> list | None:
        if isinstance(value, States):
            return ["states", self.generators.changed()]
        if isinstance(value, torch.Generator):
            return ["generator", self.generators.number(value)]
        if standins.is_standin(value):
            return ["theirs", value.handle]
        if type(value).__name__ == "NoiseSchedule" and isinstance(getattr(value, "betas", None), torch.Tensor):
            return ["schedule", value.betas]
        if isinstance(value, nn.Module):
            return ["network", self.objects.handle(value), describe_network(value)]
        if isinstance(value, (tuple, list, dict)):
            return None
        if isinstance(value, (range, Iterator)):
            return ["list", *itertools.islice(value, MOST_YIELDED)]
        return ["object", self.objects.handle(value), describe_object(value)]

    def restore(self, kind: str, rest: list):
        if kind == "states":
            return self.generators.take(rest[0])
        if kind == "generator":
            return self.generators.of(rest[0])
        if kind == "schedule":
            return importlib.import_module("helpers.schedule").NoiseSchedule(rest[0])
        if kind == "named":
            module, name, *values = rest
            return getattr(importlib.import_module(module), name)(*values)
        if kind == "yours":
            return self.objects[rest[0]]
        handle, *about = rest
        if kind == "network" and handle in self.theirs:
            self.theirs[handle].take(about[0], about[1])
        if handle not in self.theirs:
            makers = {"function": standins.function, "denoiser": standins.denoiser, "network": standins.network,
                      "optimizer": standins.optimizer}  # fmt: skip
            self.theirs[handle] = makers[kind](self.ask, handle, *about)
        return self.theirs[handle]

    # ---- what the grader asks for ----------------------------------------------------------------------------------

    def load(self, cells: list, names: list[str], course: str, exercise: str) -> list:
        """Run cells (name, source, whether the exercise is in it), and return what some names then stand for."""
        namespace: dict = {"__name__": "__main__"}
        if course == "cs180":
            cs180.prepare(namespace)
        for title, source, matters in cells:
            linecache.cache[title] = (len(source), None, source.splitlines(True), title)
            try:
                exec(compile(source, title, "exec"), namespace)
            except BaseException as error:
                if matters and not any(name in namespace for name in names):
                    return self.fault(error)
        if course == "cs180":
            return ["return", [cs180.ADAPTERS[exercise](namespace)]]
        return ["return", [namespace.get(name) for name in names]]

    def call(self, handle: int, method: str, args: tuple, kwargs: dict, states: None, seed: int, state) -> list:
        """Call an object, or a method of one. `state` has the weights of a network, and its mode."""
        target = self.objects[handle]
        if isinstance(target, nn.Module) and state is not None:
            load_weights(target, *state)
        function = getattr(target, method) if method else target
        given = list(leaves([list(args), list(kwargs.values())]))
        before = [x.detach().clone() for x in given]
        torch.default_generator.manual_seed(seed)
        try:
            result = function(*args, **kwargs)
            if inspect.isgenerator(result):
                result = [kept(value) for value in itertools.islice(result, MOST_YIELDED)]
        except BaseException as error:
            return self.fault(error, timeless=any(value is None for value in args))
        changed = [[i, x] for i, (x, was) in enumerate(zip(given, before)) if not same_bits(x, was)]
        if isinstance(target, nn.Module) and isinstance(result, torch.Tensor) and result.requires_grad:
            self.graphs[self.number] = (result, target)
        after = describe_network(target) if isinstance(target, nn.Module) else None
        return ["return", result, changed, STATES, torch.default_generator.initial_seed(), after]

    def backward(self, number: int, gradient: torch.Tensor, names: list[str]) -> list:
        """The gradients of a network's weights, from that of its output; None where none arrives."""
        output, network = self.graphs[number]
        weights = dict(network.named_parameters())
        return ["return", list(torch.autograd.grad(output, [weights[name] for name in names], gradient,
                                                   allow_unused=True, retain_graph=True))]  # fmt: skip

    def fault(self, error: BaseException, timeless: bool = False) -> list:
        """An error in the student's code, explained as the notebook explains it."""
        faults = importlib.import_module("helpers.checks.faults")
        wire, kind = arguments_of_wire(error), type(error).__name__
        if not isinstance(error, Exception):
            does = f"ends Python ({kind})" if isinstance(error, (SystemExit, KeyboardInterrupt)) else f"raises a {kind}"
            error = faults.Fault("exit", f"It {does}. Raise a ValueError, if anything.")
        elif isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
            error = faults.Fault("too much memory", f"It needs more memory than the {self.gigabytes:g} GB it may have.")
        own = not isinstance(error, faults.Fault)
        if own:
            error = faults.explain(error, timeless=timeless)
        return ["fault", isinstance(error, faults.NotWritten), error.name, str(error), error.text, own, kind, wire]


def arguments_of_wire(error: BaseException) -> dict | None:
    """The shapes that a UNet's `wire` was given, if the error arose there: they explain it best."""
    trace = error.__traceback__
    while trace is not None:
        code, values = trace.tb_frame.f_code, trace.tb_frame.f_locals
        if code.co_name == "wire":
            names = code.co_varnames[1 : code.co_argcount]
            return {n: list(values[n].shape) for n in names if isinstance(values.get(n), torch.Tensor)}
        trace = trace.tb_next
    return None


def kept(value):
    """A copy of what a generator yields, since it may change it afterwards."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    return tuple(kept(inner) for inner in value) if isinstance(value, (tuple, list)) else value


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)
