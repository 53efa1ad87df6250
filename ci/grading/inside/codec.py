"""Messages between the grader and a student's process: JSON for the structure, safetensors for the tensors.

Nothing is ever unpickled. Lists, tuples and tensors are written as ["its kind", …], and other objects as each side's
`describe` and `restore` say. A message that breaks the format, or exceeds the limits, raises a BadMessage.
"""

import json
import os
import select
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

__all__ = ["BadMessage", "Channel", "Closed", "Handles", "leaves", "pack", "unpack"]

MOST_BYTES = 64 * 2**20  # of a message
MOST_ELEMENTS = 4 * 2**20  # of a tensor; the checks' largest has 160,000
MOST_DEPTH = 40
DTYPES = {str(d).removeprefix("torch."): d for d in (torch.float16, torch.bfloat16, torch.float32, torch.float64,
          torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)}  # fmt: skip


class BadMessage(Exception):
    """A message that is not in the format."""


class Closed(Exception):
    """The other side is gone."""


def pack(value: Any, describe: Callable[[Any], list] | None = None) -> bytes:
    """A message. `describe` writes an object of another kind as a list whose first item names the kind."""
    tensors: dict[str, torch.Tensor] = {}
    structure = json.dumps(write(value, tensors, describe, 0)).encode()
    return struct.pack("<Q", len(structure)) + structure + save(tensors)


def write(value, tensors: dict, describe, depth: int):
    if depth > MOST_DEPTH:
        raise BadMessage("it is nested too deeply")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, torch.Tensor):
        return write_tensor(value, tensors)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return ["array", write_tensor(torch.from_numpy(np.array(value)), tensors)]
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return ["number", write_tensor(torch.from_numpy(np.array(value)), tensors)]
    if isinstance(value, torch.dtype):
        return ["dtype", str(value).removeprefix("torch.")]
    if isinstance(value, torch.device):
        return ["device"]
    if describe is not None:
        described = describe(value)
        if described is not None:
            return [described[0], *(write(inner, tensors, describe, depth + 1) for inner in described[1:])]
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return [kind, *(write(inner, tensors, describe, depth + 1) for inner in value)]
    if isinstance(value, dict):
        return ["dict", *([str(key), write(inner, tensors, describe, depth + 1)] for key, inner in value.items())]
    raise BadMessage(f"it holds a {type(value).__name__}")


def write_tensor(x: torch.Tensor, tensors: dict) -> list:
    if x.layout != torch.strided or x.is_quantized or x.is_nested or x.device.type == "meta":
        return ["special tensor"]
    if str(x.dtype).removeprefix("torch.") not in DTYPES:
        return ["special tensor"]
    if x.numel() > MOST_ELEMENTS:
        raise BadMessage(f"it holds a tensor of {x.numel()} numbers; at most {MOST_ELEMENTS} are wanted")
    name = str(len(tensors))
    tensors[name] = x.detach().cpu().clone().contiguous()
    return ["tensor", name, x.requires_grad]


def unpack(message: bytes, restore: Callable[[str, list], Any] | None = None) -> Any:
    """The value of a message. `restore` makes the objects of other kinds, from the kind and the rest of the list."""
    try:
        (length,) = struct.unpack_from("<Q", message)
        if length > len(message) - 8:
            raise BadMessage("it is shorter than it says")
        structure = json.loads(message[8 : 8 + length])
        tensors = load(message[8 + length :])
        if any(x.numel() > MOST_ELEMENTS for x in tensors.values()):
            raise BadMessage("it holds a tensor that is too large")
        return read(structure, tensors, restore, 0)
    except BadMessage:
        raise
    except Exception as error:
        raise BadMessage(f"it cannot be read ({type(error).__name__})") from error


def read(value, tensors: dict, restore, depth: int):
    if depth > MOST_DEPTH:
        raise BadMessage("it is nested too deeply")
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise BadMessage("it holds an object")
        return value
    kind, *rest = value
    if kind == "tensor":
        return read_tensor(tensors[rest[0]], bool(rest[1]))
    if kind == "special tensor":
        return torch.empty(0, device="meta")
    if kind == "dtype":
        return DTYPES[rest[0]]
    if kind == "device":
        return torch.device("cpu")
    if kind == "dict":
        return {str(key): read(inner, tensors, restore, depth + 1) for key, inner in rest}
    inner = [read(item, tensors, restore, depth + 1) for item in rest]
    if kind == "array":
        return inner[0].numpy()
    if kind == "number":
        return inner[0].numpy()[()]
    if kind == "list":
        return inner
    if kind == "tuple":
        return tuple(inner)
    if restore is None:
        raise BadMessage(f"it holds a {kind}")
    return restore(kind, inner)


def read_tensor(x: torch.Tensor, has_graph: bool) -> torch.Tensor:
    """The tensor; one that had a graph for a gradient again has one, though not the same."""
    return x.clone().requires_grad_().clone() if has_graph and x.is_floating_point() else x.clone()


class Channel:
    """A socket that carries messages, each with its length before it.

    Args:
        fd: the socket.
        output: the reading end of the pipe for all that is printed on the other side, which is emptied meanwhile.
        most_printed: bytes, after which `too_much` is called.
    """

    def __init__(self, fd: int, output: int | None = None, most_printed: int = 2**20):
        self.fd, self.output, self.most_printed = fd, output, most_printed
        self.printed, self.text = 0, b""
        self.deadline: float | None = None
        os.set_blocking(fd, output is None)

    def send(self, message: bytes) -> None:
        view = memoryview(struct.pack("<Q", len(message)) + message)
        if len(view) > MOST_BYTES:
            raise BadMessage("it is too long")
        while view:
            try:
                view = view[os.write(self.fd, view) :]
            except BlockingIOError:
                self.wait(writing=True)
            except OSError as error:
                raise Closed from error

    def receive(self) -> bytes:
        (length,) = struct.unpack("<Q", self.read(8))
        if length > MOST_BYTES:
            raise BadMessage("it is too long, or it does not come from the grader's own code")
        return self.read(length)

    def read(self, count: int) -> bytes:
        parts = []
        while count:
            try:
                part = os.read(self.fd, min(count, 2**20))
            except BlockingIOError:
                self.wait()
                continue
            except OSError as error:
                raise Closed from error
            if not part:
                raise Closed
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def wait(self, writing: bool = False) -> None:
        """Until the socket is ready. Raises a TimeoutError after the deadline, an OverflowError on too much print."""
        watched = [self.fd] if self.output is None else [self.fd, self.output]
        while True:
            ready, writable, _ = select.select(watched, [self.fd] if writing else [], [], 0.25)
            if self.output in ready:
                self.empty_output()
            if self.fd in writable or (self.fd in ready and not writing):
                return
            if self.deadline is not None and time.monotonic() > self.deadline:
                raise TimeoutError

    def empty_output(self) -> None:
        part = os.read(self.output, 2**16)
        self.printed += len(part)
        self.text = (self.text + part)[:2000]
        if self.printed > self.most_printed:
            raise OverflowError


class Handles(list):
    """The objects of one side that the other side has a handle for: an object's handle is its place."""

    def handle(self, value) -> int:
        for handle, known in enumerate(self):
            if known is value:
                return handle
        self.append(value)
        return len(self) - 1


def leaves(value) -> Iterator[torch.Tensor]:
    """The tensors in nested tuples and lists."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from leaves(inner)
