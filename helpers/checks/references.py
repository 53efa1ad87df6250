"""The references that several exercises share, written plainly from the maths."""

import torch
import torch.nn.functional as F

from ..sampling import Step, ddpm_step
from ..sampling import forward as kits_forward  # noqa: F401 (in a mistake)

__all__: list[str] = []  # it is for the checks alone

LAST = "A list of n timesteps has n network calls: the last one, at its last timestep, has no next one (s is None)."
NOT_THE_END = "The last step is the one where s is None. s = 0 is a timestep with a little noise, like any other"


def forward(x0, t, alphas_cumprod, *, noise=None, generator=None):
    """x_t and its noise, of images (B, C, H, W) at t, an int or (B,)."""
    abar_t = alphas_cumprod[torch.as_tensor(t)].view(-1, 1, 1, 1)
    eps = torch.randn(x0.shape, generator=generator) if noise is None else noise
    x_t = abar_t.sqrt() * x0 + (1 - abar_t).sqrt() * eps
    return x_t, eps


def blur(x, kernel_size, sigma):
    """Images (B, C, H, W), blurred first along their columns and then along their rows."""
    edge = kernel_size // 2
    d = torch.arange(-edge, edge + 1, dtype=torch.float64)
    weights = torch.exp(-(d**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    x = F.pad(x.double(), (edge,) * 4, mode="reflect")
    x = x.unfold(2, kernel_size, 1) @ weights
    x = x.unfold(3, kernel_size, 1) @ weights
    return x.float()


@torch.no_grad()
def denoise(denoiser, x_t, timesteps, cond, *, step=ddpm_step, threshold=None, constrain=None, generator=None):
    """The loop: yields a Step for each of the timesteps."""
    for t, s in zip(timesteps, [*timesteps[1:], None]):
        eps, var = denoiser(x_t, t, cond)
        abar_t = denoiser.schedule.alphas_cumprod[t]
        x0_hat = (x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()
        if threshold is not None:
            x0_hat = threshold(x0_hat)
        x_s = step(x_t, x0_hat, t, s, denoiser.schedule, var=var, generator=generator)
        if constrain is not None:
            x_s = constrain(x_s, s)
        yield Step(t, s, x_t, eps, x0_hat, x_s)
        x_t = x_s


def keep_known(x_s, s, x_orig, mask, alphas_cumprod, *, generator=None):
    """x_s where the mask is 1, and elsewhere the original as noisy as x_s."""
    known = x_orig
    if s is not None:
        abar_s = alphas_cumprod[s]
        eps = torch.randn(x_orig.shape, generator=generator)
        known = abar_s.sqrt() * x_orig + (1 - abar_s).sqrt() * eps
    return torch.where(mask.bool(), x_s, known)
