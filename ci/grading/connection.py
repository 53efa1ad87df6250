"""Calls into a student's process, and its calls back.

`Remote` stands for an object over there, such as the student's function: a check calls it as it would call the function
itself. What the check hands it, networks, denoisers, steps, stays here, and the student's code has stand-ins for them:
each call of those arrives here, is carried out, and is answered. So the checks run unchanged, and see all that they see
in the notebook, but share no memory with the code that they judge.
"""

import inspect
import os
import signal
import time

import torch
from torch import nn

from helpers.checks.faults import Fault, NotWritten
from helpers.denoisers import Denoiser
from helpers.schedule import NoiseSchedule

from .inside.codec import BadMessage, Channel, Closed, Handles, leaves, pack, unpack
from .inside.describe import parameters_of
from .inside.generators import STATES, Generators, States
from .networks import is_network, mirror
from .sandbox import Sandbox

__all__ = ["Connection", "Forbidden", "Remote"]

GRADERS_CHANNEL = "It wrote into the channel of the grader, where only results belong ({})."
NAMED = {"Prediction": "helpers.denoisers", "Step": "helpers.sampling", "View": "helpers.illusions"}


class Forbidden(Exception):
    """A submission tried what none may do; the text says what."""


class Remote:
    """An object in a student's process, with the methods that its class has."""

    def __init__(self, connection: "Connection", handle: int, method: str, about: dict):
        self.connection, self.handle, self.method = connection, handle, method
        self.__name__ = str(about["name"])[:100] or method
        self.__signature__ = signature(about["parameters"])
        for name, parameters in about.get("methods", {}).items():
            inner = {"name": name, "parameters": parameters}
            vars(self)[str(name)] = RemoteCallable(connection, handle, str(name), inner)


class RemoteCallable(Remote):
    def __call__(self, *args, **kwargs):
        return self.connection.call(self.handle, self.method, args, kwargs)


def signature(parameters: list) -> inspect.Signature:
    """A signature with these (name, kind), as far as they make one."""
    try:
        return inspect.Signature([inspect.Parameter(str(n), inspect._ParameterKind(k)) for n, k in parameters])
    except (ValueError, TypeError):
        return inspect.Signature()


class Connection:
    """The process of one exercise.

    Args:
        sandbox: where it is started.
        sources: the modules of the course's library that it can import, by full name.
    """

    def __init__(self, sandbox: Sandbox, sources: dict[str, str]):
        self.sandbox = sandbox
        messages, output = sandbox.spawn()
        self.channel = Channel(messages, output, sandbox.limits.printed)
        self.channel.deadline = time.monotonic() + sandbox.limits.wall
        self.objects = Handles()  # those of ours that the student's process has a handle for
        self.remotes: dict[int, object] = {}
        self.graphs: dict[int, tuple] = {}
        self.generators = Generators(first=2)
        self.number = 0
        self.over: Fault | Forbidden | None = None
        self.channel.send(pack(sources))

    def close(self) -> None:
        for fd in (self.channel.fd, self.channel.output):
            os.close(fd)
        self.sandbox.end(kill=True)

    # ---- requests --------------------------------------------------------------------------------------------------

    def load(self, cells: list, names: list[str], course: str = "kit", exercise: str = "") -> list:
        """Run cells over there, and get what some names then stand for (None for those that do not exist).

        course: whose signatures they have; those of another than the kit are adapted to this exercise's.
        """
        return self.request("load", cells, names, course, exercise)[0]

    def call(self, handle: int, method: str, args: tuple, kwargs: dict, state: list | None = None):
        return self.called(handle, method, args, kwargs, state)[0]

    def call_network(self, handle: int, method: str, args: tuple, kwargs: dict, state: list) -> tuple:
        """The output, the number of the call, and what the network then looks like."""
        result, about = self.called(handle, method, args, kwargs, state)
        return result, self.number, about

    def called(self, handle: int, method: str, args: tuple, kwargs: dict, state: list | None) -> tuple:
        seed = torch.default_generator.initial_seed()
        answer = self.request("call", handle, method, tuple(args), dict(kwargs), STATES, seed, state)
        result, changed, _, seeded, about = answer
        given = list(leaves([list(args), list(kwargs.values())]))
        for i, new in changed:
            given[int(i)].data = new  # so that the check sees it
        if seeded != seed:
            torch.default_generator.manual_seed(int(seeded))
        return result, about

    def backward(self, call: int, gradient: torch.Tensor, names: list[str]) -> list:
        return self.request("backward", call, gradient, names)[0]

    def request(self, operation: str, *rest) -> list:
        """Send a request, answer what is asked meanwhile, and return the answer. Raises a Fault, or a Forbidden."""
        if self.over is not None:
            raise self.over
        self.number += 1
        try:
            self.channel.send(pack([self.number, operation, *rest], self.describe))
            while True:
                number, kind, *answer = unpack(self.channel.receive(), self.restore)
                if kind == "forbidden":
                    raise Forbidden(str(answer[0])[:300])
                if number != self.number:
                    raise BadMessage("an answer that nothing was asked for")
                if kind != "ask":
                    break
                self.channel.send(pack([self.number, *self.answer(*answer)], self.describe))
            if kind == "return":
                return answer
            raise fault_of(*answer)
        except (Fault, Forbidden) as error:
            if isinstance(error, Forbidden):
                self.over = error
            raise
        except (BadMessage, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            self.over = Forbidden(GRADERS_CHANNEL.format(str(error)[:200]))
        except TimeoutError:
            self.over = endless(f"{self.sandbox.limits.wall:g} seconds")
        except OverflowError:
            most = self.sandbox.limits.printed / 2**20
            self.over = Fault("prints too much", f"It prints more than {most:g} MB. Remove the print in the loop.")
        except Closed:
            self.over = self.ended()
        raise self.over

    def ended(self) -> Fault:
        """The explanation for a process that is gone."""
        number = self.sandbox.end()
        if number == signal.SIGXCPU:
            return endless(f"{self.sandbox.limits.seconds} seconds of computing")
        if number == signal.SIGKILL:
            return Fault("killed", "Its process was killed, probably because it needs too much memory.")
        how = f" ({signal.Signals(number).name})" if number and number > 0 else ""
        return Fault("process ended", f"It ended its process{how} before it returned a result.")

    # ---- requests of the student's process -------------------------------------------------------------------------

    def answer(self, handle: int, method: str, args: tuple, kwargs: dict, states: None, grad: bool) -> list:
        """The answer to a call of one of our objects."""
        ours = self.objects[handle]
        try:
            with torch.set_grad_enabled(bool(grad)):
                return ["answer", self.carry_out(ours, method, args, kwargs), STATES]
        except Fault as fault:
            return ["fault", fault.name, str(fault), fault.text]
        except Exception as error:
            return ["error", type(error).__name__, str(error)[:2000]]

    def carry_out(self, ours, method: str, args: tuple, kwargs: dict):
        if isinstance(ours, nn.Module):
            if method == "train":
                ours.train(args[0])
                return None
            if method == "forward":
                y = ours(*args, **kwargs)
                self.graphs[len(self.graphs)] = (ours, y)
                return [len(self.graphs) - 1, y]
            if method == "backward":
                network, y = self.graphs[args[0]]
                weights = list(network.parameters())
                return list(torch.autograd.grad(y, weights, args[1], allow_unused=True, retain_graph=True))
        elif isinstance(ours, torch.optim.Optimizer):
            if method == "step":
                weights = [p for group in ours.param_groups for p in group["params"]]
                for p, gradient in zip(weights, args[0]):
                    p.grad = gradient
                ours.step()
                return dict(self.network_of(ours).named_parameters())
        elif method == "call":
            return ours(*args, **kwargs)
        elif method == "unconditional" and isinstance(ours, Denoiser):
            return ours.unconditional(*args)
        raise BadMessage(f"a call of {method!r}")

    def network_of(self, optimizer: torch.optim.Optimizer) -> nn.Module:
        """The network that an optimizer trains, among those that were handed over."""
        first = optimizer.param_groups[0]["params"][0]
        networks = [x for x in self.objects if isinstance(x, nn.Module)]
        return next(network for network in networks if any(p is first for p in network.parameters()))

    # ---- what the messages hold ------------------------------------------------------------------------------------

    def describe(self, value) -> list | None:
        if isinstance(value, States):
            return ["states", self.generators.changed()]
        if isinstance(value, torch.Generator):
            return ["generator", self.generators.number(value)]
        if isinstance(value, NoiseSchedule):
            return ["schedule", value.betas]
        if isinstance(value, Remote):
            return ["yours", value.handle]
        if is_network(value):
            return ["yours", value._remote[1]]
        if isinstance(value, tuple) and type(value).__name__ in NAMED:
            return ["named", NAMED[type(value).__name__], type(value).__name__, *value]
        if isinstance(value, Denoiser):
            return ["denoiser", self.objects.handle(value), value.schedule, tuple(value.image_shape)]
        if isinstance(value, nn.Module):
            weights = {name: p.detach() for name, p in value.named_parameters()}
            return ["network", self.objects.handle(value), weights, value.training, parameters_of(value.forward)]
        if isinstance(value, torch.optim.Optimizer):
            handle = self.objects.handle(value)
            return ["optimizer", handle, self.network_of(value)]
        if callable(value):
            return ["function", self.objects.handle(value), parameters_of(value)]
        return None

    def restore(self, kind: str, rest: list):
        if kind == "states":
            return self.generators.take(rest[0])
        if kind == "generator":
            return self.generators.of(rest[0])
        if kind == "schedule":
            return NoiseSchedule(rest[0])
        if kind == "theirs":
            return self.objects[rest[0]]
        handle, about = rest
        if kind == "network":
            if handle not in self.remotes:
                self.remotes[handle] = mirror(about, self, handle, signature)
            return self.remotes[handle]
        if kind == "object":
            if handle not in self.remotes:
                base = RemoteCallable if about["callable"] else Remote
                made = type(str(about["type"])[:100], (base,), {})
                self.remotes[handle] = made(self, handle, "", about)
            return self.remotes[handle]
        raise BadMessage(f"a {kind}")


def fault_of(not_written: bool, name: str, say: str, text: str, own: bool, kind: str, wire: dict | None) -> Fault:
    """The student's error, of this kind. One that Python raised has a cause, which counts when a mistake is recognised.

    wire: the shapes that a UNet's `wire` was given, if the error arose there.
    """
    fault = (NotWritten if not_written else Fault)(str(name)[:100], str(say)[:2000], str(text)[:2000])
    fault.__cause__ = RuntimeError(text) if own else None
    fault.kind, fault.wire = kind, wire
    return fault


def endless(after: str) -> Fault:
    return Fault("endless loop", f"It did not end within {after}. Does every loop in it end?")
