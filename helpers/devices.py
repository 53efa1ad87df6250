"""What a processor computes in. Decided by what it says of itself, never by timing: a seed must mean the same twice."""

from pathlib import Path

import torch


def best_dtype(device: str | torch.device) -> torch.dtype:
    """For the weights of a network that only predicts: fp16 on CUDA, bf16 on a CPU that computes in it, else fp32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_has_bf16() else torch.float32


def bf16_autocast(device: str | torch.device) -> torch.autocast:
    """A context in which convolutions run in bf16 where the device has it, else in fp32. The weights stay fp32.

    bf16 has the range of fp32, so that, unlike in fp16, no gradient is too small for it and nothing needs scaling.
    """
    device = torch.device(device)
    if device.type == "cuda":
        enabled = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        enabled = device.type == "cpu" and cpu_has_bf16()
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def cpu_has_bf16() -> bool:
    """Whether the processor has bf16 arithmetic. Linux tells; elsewhere the answer is a safe no."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.is_file() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags
