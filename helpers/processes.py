"""Training with several processes gives the same result as training with one."""

import os

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from .devices import choose_device

__all__ = ["SharedBatchNorm", "new_accelerator"]


def new_accelerator() -> Accelerator:
    """Accelerate's view of this process: its device, and the other processes if accelerate launched several."""
    # on a Mac, accelerate would use the GPU unasked; ACCELERATE_TORCH_DEVICE=mps asks for it
    on_cpu = choose_device().type == "cpu" and "ACCELERATE_TORCH_DEVICE" not in os.environ
    return Accelerator(cpu=on_cpu, mixed_precision="no")  # bf16_autocast does that, without wrapping the network


class SumOverProcesses(torch.autograd.Function):
    """x, summed over all processes. Its gradient is summed as well, because every process has used the sum.

    PyTorch's own differentiable all_reduce, in torch.distributed.nn.functional, is deprecated.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        x = x.clone()
        torch.distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return SumOverProcesses.forward(ctx, gradient)


class SharedBatchNorm(nn.BatchNorm2d):
    """BatchNorm with the mean and variance of the whole batch, of which each process has an equal share.

    Without it, the result would depend on the number of processes. PyTorch's own SyncBatchNorm needs a GPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        var, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)  # (C,)
        moments = torch.stack([mean, var + mean**2]).double()  # E[x] and E[x²], which may be averaged
        processes = torch.distributed.get_world_size()
        mean, square = SumOverProcesses.apply(moments) / processes
        var = square - mean**2
        n = x.numel() / x.shape[1] * processes
        with torch.no_grad():
            self.running_mean.lerp_(mean.float(), self.momentum)
            self.running_var.lerp_((var * n / (n - 1)).float(), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight / (var + self.eps).sqrt().float()
        shift = self.bias - mean.float() * scale
        return (x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).to(x.dtype)
