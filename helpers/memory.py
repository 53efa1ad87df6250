"""Plans for large networks: how much GPU memory each needs, which one fits, and how to apply it.

The sizes come from the networks themselves, built on PyTorch's meta device, where tensors have a shape but no memory.
"""

from enum import StrEnum
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from accelerate import cpu_offload
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .hub import ModelError

__all__ = [
    "GB",
    "IMAGES_PER_CALL",
    "Footprint",
    "Plan",
    "choose_plan",
    "execution_device",
    "expected_peak",
    "footprint",
    "place_networks",
]

GB = 1e9
IMAGES_PER_CALL = 12  # six guided images, the largest batch of any notebook
RESERVE = 1 * GB  # for CUDA itself, workspaces of convolutions, and fragmentation


class Plan(StrEnum):
    """Where the networks are kept. Each plan needs less GPU memory than the one before it, and more time."""

    ALL = "all networks on the GPU"
    NETWORK = "one network at a time on the GPU, the other in main memory"
    LAYER = "one layer at a time on the GPU, the others in main memory (slow)"


class Footprint(NamedTuple):
    """A network's memory in bytes: weights, the largest layer, and the tensors of a call on IMAGES_PER_CALL images."""

    weights: int
    layer: int
    tensors: int


def footprint(network: type[UNet2DConditionModel], config: dict, dtype: torch.dtype) -> Footprint:
    """Of a network in IF's format, from its config alone."""
    with torch.device("meta"):
        unet = nn.Module.to(network.from_config(config).eval(), dtype)
        width = unet.config.encoder_hid_dim or unet.config.cross_attention_dim
        size = unet.config.sample_size
        sample = torch.empty(IMAGES_PER_CALL, unet.config.in_channels, size, size, dtype=dtype)
        text = torch.empty(IMAGES_PER_CALL, 77, width, dtype=dtype)
        # the noise level of stage II's low-resolution image; stage I has no classes
        level = None if unet.config.class_embed_type is None else torch.zeros(IMAGES_PER_CALL)
        with torch.no_grad(), FusedAttention(), LiveBytes() as live:
            unet(sample, torch.zeros(IMAGES_PER_CALL), encoder_hidden_states=text, class_labels=level)
    layers = [sum(p.nbytes for p in module.parameters(recurse=False)) for module in unet.modules()]
    return Footprint(sum(layers), max(layers), live.peak)


class LiveBytes(TorchDispatchMode):
    """A context that counts the bytes of all live tensors; `peak` is their maximum."""

    def __init__(self):
        super().__init__()
        self.alive = WeakKeyDictionary()  # bytes by storage: views share one
        self.peak = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                self.alive[storage] = storage.nbytes()
        self.peak = max(self.peak, sum(self.alive.values()))
        return out


class FusedAttention(TorchFunctionMode):
    """A context in which attention stores no scores, as on GPUs; the meta device would allocate them."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return function(*args, **(kwargs or {}))


def expected_peak(plan: Plan, networks: list[Footprint]) -> float:
    """Bytes of GPU memory that a plan needs for a model's networks, of which one computes at a time."""
    if plan == Plan.ALL:
        return RESERVE + sum(n.weights for n in networks) + max(n.tensors for n in networks)
    if plan == Plan.NETWORK:  # during an exchange, the device has the weights of all (OneAtATime)
        return RESERVE + max(sum(n.weights for n in networks), *(n.weights + n.tensors for n in networks))
    return RESERVE + max(n.layer + n.tensors for n in networks)


def choose_plan(networks: list[Footprint], free: float) -> Plan:
    """The fastest plan that fits into so many free bytes. Raises a ModelError if none does."""
    for plan in Plan:
        if expected_peak(plan, networks) <= free:
            return plan
    least = expected_peak(plan, networks)
    raise ModelError(
        f"the GPU has {free / GB:.1f} GB of free memory; this model needs at least {least / GB:.1f} GB. End other "
        "programs that use the GPU, take a smaller model (deepfloyd-m), or compute on the CPU: device='cpu'."
    )


class OneAtATime(ModelHook):
    """Moves a network to its device when it is called, and then the others to main memory.

    In this order, main memory never has to hold two networks. (accelerate's own cpu_offload_with_hook moves the others
    first, and DeepFloyd IF's networks, 11 GB together, then fill the main memory of a free Colab machine.)
    """

    def __init__(self, device: torch.device, others: list[nn.Module]):
        self.execution_device, self.others = device, others

    def pre_forward(self, module: nn.Module, *args, **kwargs) -> tuple:
        if not is_on(module, self.execution_device):
            module.to(self.execution_device)
        away = [other for other in self.others if not is_on(other, torch.device("cpu"))]
        for other in away:
            other.to("cpu")
        if away:
            torch.cuda.empty_cache()  # their blocks of memory, for what is to be computed
        return args, kwargs


def is_on(network: nn.Module, device: torch.device) -> bool:
    """Whether a network's weights are on a device of this type (GPU or main memory)."""
    return next(network.parameters()).device.type == device.type


def place_networks(networks: list[nn.Module], device: torch.device, dtype: torch.dtype, plan: Plan = Plan.ALL) -> None:
    """Place networks according to a plan. They always compute on the device, which `execution_device` returns."""
    for i, network in enumerate(networks):
        remove_hook_from_module(network, recurse=True)
        waits = plan == Plan.LAYER or (plan == Plan.NETWORK and i > 0)
        # nn.Module's own `to`: diffusers' warns about casting, which these networks allow (their state stays fp32)
        nn.Module.to(network, "cpu" if waits else device, dtype, memory_format=torch.channels_last)
        if plan == Plan.LAYER:
            cpu_offload(network, device)
    if plan == Plan.NETWORK:
        for network in networks:
            add_hook_to_module(network, OneAtATime(device, [other for other in networks if other is not network]))


def execution_device(network: nn.Module) -> torch.device:
    """The device on which a network computes. If its weights are kept elsewhere, accelerate's hook has it."""
    first = next(network.parameters()).device
    for module in network.modules() if hasattr(network, "_hf_hook") else ():
        device = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
        if device is not None:
            return torch.device(device)
    return first
