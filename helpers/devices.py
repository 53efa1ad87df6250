"""Choose device, precision and number of threads from what the hardware reports, never from timing, so that results are
reproducible."""

import os
import re
import warnings
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path

import torch
import torch.nn.functional as F
from packaging.version import Version

__all__ = [
    "best_dtype",
    "bf16_autocast",
    "choose_device",
    "cores",
    "limit_threads",
    "load_in",
    "no_autocast",
    "threads_for",
]

HAVE_AUTOCAST = ("cuda", "cpu")  # where the kit uses PyTorch's autocast; other devices compute in fp32


def choose_device(asked: str | torch.device | None = None) -> torch.device:
    """The device that was asked for; by default a CUDA GPU if there is one, else the CPU.

    Apple's GPU computes only if it is asked for, as "mps": which operations it has differs between releases of PyTorch,
    and the kit has not been run on one. Where a device cannot run the networks' operations, a UserWarning says so, and
    the CPU takes its place. Raises a ValueError for anything that is not a device.
    """
    if asked is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f'device is {asked!r}; wanted "cpu", "cuda", "cuda:1", "mps" …') from error
    try:
        try_operations(device)
    except (RuntimeError, AssertionError) as error:  # no such device, or an operation that it lacks
        reason = str(error).partition("\n")[0].partition(". ")[0]
        hint = " (PYTORCH_ENABLE_MPS_FALLBACK=1, set before Python starts, may help)" if device.type == "mps" else ""
        warnings.warn(f"{device} cannot run the networks: {reason}{hint}. The CPU computes instead.", stacklevel=2)
        return torch.device("cpu")
    return device


def try_operations(device: torch.device) -> None:
    """Run the networks' operations on tiny tensors. Raises the device's own errors."""
    x = torch.zeros(1, 4, 4, 4, device=device).contiguous(memory_format=torch.channels_last)
    x = F.conv2d(x, torch.zeros(4, 4, 3, 3, device=device), padding=1)
    x = F.gelu(F.batch_norm(F.group_norm(F.silu(x), 2), None, None, training=True))
    x = F.conv_transpose2d(F.avg_pool2d(x, 2), torch.zeros(4, 4, 2, 2, device=device), stride=2)
    x = F.interpolate(F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2), scale_factor=2.0, mode="nearest")
    F.scaled_dot_product_attention(*[x.flatten(2)] * 3).cpu()  # .cpu() waits for the result


def best_dtype(device: str | torch.device) -> torch.dtype:
    """For the weights of a network in inference: fp16 on CUDA, bf16 on a CPU that supports it, else fp32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_has_bf16() else torch.float32


def load_in(dtype: torch.dtype, library: str) -> dict[str, torch.dtype]:
    """The argument of `from_pretrained` that asks for a precision: torch_dtype, which newer versions call dtype."""
    since = {"diffusers": "0.42", "transformers": "4.56"}[library]
    return {"dtype" if Version(metadata.version(library)) >= Version(since) else "torch_dtype": dtype}


def bf16_autocast(device: str | torch.device) -> AbstractContextManager:
    """A context in which convolutions run in bf16 where the device has it, else in fp32. The weights stay fp32.

    bf16 has the range of fp32. Unlike fp16, it needs no scaling, because no gradient underflows.
    """
    device = torch.device(device)
    if device.type not in HAVE_AUTOCAST:
        return nullcontext()
    enabled = cpu_has_bf16() if device.type == "cpu" else torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def no_autocast(device: torch.device) -> AbstractContextManager:
    """A context in which nothing is cast to half precision, even inside bf16_autocast."""
    return torch.autocast(device.type, enabled=False) if device.type in HAVE_AUTOCAST else nullcontext()


def cpu_has_bf16() -> bool:
    """Whether the processor has bf16 arithmetic. Only Linux reports it; elsewhere the result is False."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="utf-8").split() if cpuinfo.is_file() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(cores: int) -> int:
    """The number of threads for the kit's networks on a CPU: one on up to two cores, else half of them, at most four.

    The threads wait for each other after every operation, and these networks consist of many short ones. A single
    thread that shares its core with another program therefore delays all of them. The other half of the cores is left
    to other programs. At most four, because a container reports all the cores of its server.
    """
    return max(1, min(cores // 2, 4))


def limit_threads() -> None:
    """Let PyTorch use at most `threads_for(cores())` threads. The environment variable OMP_NUM_THREADS overrides it."""
    asked = re.match(r"\s*[1-9]\d*\s*(,|$)", os.environ.get("OMP_NUM_THREADS", ""))
    if not asked:  # otherwise PyTorch has read it
        torch.set_num_threads(min(torch.get_num_threads(), threads_for(cores())))
