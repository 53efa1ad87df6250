"""A GPU that is not there. Its tensors lie in main memory, but are as strict as a real one's: they mix with no others.

    with pretend_gpu():
        put_on_gpu(network)
        network(x)             raises a RuntimeError: x is in main memory
        network(x.to(GPU))     computes, and the answer is on the "GPU"

It calls itself "meta", a device that every build of PyTorch knows and on which nothing else here computes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU, CPU = torch.device("meta"), torch.device("cpu")
aten = torch.ops.aten
BETWEEN_DEVICES = {aten._to_copy.default, aten.copy_.default}
WITH_INDICES = {aten.index.Tensor, aten.index_put_.default}  # which may be in main memory


class OnGPU(Tensor):
    """A tensor, `held` in main memory, that says that it is on the GPU."""

    @staticmethod
    def __new__(cls, real: Tensor):
        like = {"dtype": real.dtype, "strides": real.stride(), "storage_offset": real.storage_offset()}
        return Tensor._make_wrapper_subclass(cls, real.shape, device=GPU, **like)

    def __init__(self, real: Tensor):
        self.held = real

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return compute(function, args, kwargs or {})


class Operations(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return compute(function, args, kwargs or {})


class NewTensors(TorchFunctionMode):
    """torch.tensor and torch.as_tensor, which put no numbers on "meta"."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") == GPU:
            return function(*args, **kwargs | {"device": None}).to(GPU)
        return function(*args, **kwargs)


@contextmanager
def pretend_gpu() -> Iterator[None]:
    """While it lasts, tensors can be on the GPU."""
    with Operations(), NewTensors():
        yield


def compute(function, args: tuple, kwargs: dict):
    """What an operation gives, on the device where PyTorch would have it."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    on_gpu = any(isinstance(x, OnGPU) for x in tensors)
    if on_gpu and function not in BETWEEN_DEVICES:
        checked = tensors[:1] if function in WITH_INDICES else tensors
        # a single number is taken along from main memory, but not back to it
        if any(x.ndim for x in checked if not isinstance(x, OnGPU)) or not (
            any(isinstance(x, OnGPU) and x.ndim for x in checked) or all(isinstance(x, OnGPU) for x in checked)
        ):
            raise RuntimeError(f"{function}: expected all tensors to be on the same device.")
    asked = kwargs.get("device")
    if asked is not None:
        on_gpu, kwargs = torch.device(asked) == GPU, kwargs | {"device": CPU}
    elif function is aten.copy_.default:
        on_gpu = isinstance(args[0], OnGPU)

    real = [tree_map(lambda x: x.held if isinstance(x, OnGPU) else x, part) for part in (args, kwargs)]
    result = function(*real[0], **real[1])
    if function._schema.is_mutable and tensors and isinstance(tensors[0], OnGPU):
        return tensors[0]  # it was changed in place
    return tree_map(lambda x: OnGPU(x) if on_gpu and isinstance(x, Tensor) else x, result)


def put_on_gpu(network: nn.Module) -> nn.Module:
    """Move a network's weights there, in fp32. (nn.Module.to would exchange their contents, which these cannot do.)"""
    for module in network.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                module._parameters[name] = nn.Parameter(OnGPU(weight.detach().float()), requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = OnGPU(buffer.detach())
    return network
