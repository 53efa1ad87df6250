"""References that several exercises share, written plainly from the maths."""

# ruff: noqa: E501 (one mistake, two lines)

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from ..sampling import Step, ddpm_step
from ..sampling import forward as kits_forward  # noqa: F401 (in a mistake)
from .exercise import Mistake, alike
from .measured import Measured
from .toys import nothing_left, plain_step

__all__: list[str] = []  # it is for the checks alone

LAST = "A list of n timesteps has n network calls; after the last timestep, there is no next one (s is None)."
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


def follows_from_its_start(trace, denoiser, timesteps, cond, **options) -> Iterator[Measured]:
    """Measures whether the last x_s of a trace with `plain_step` follows from its first x_t."""
    expected = list(denoise(denoiser, trace[0].x_t.detach(), timesteps, cond, step=plain_step, **options))[-1].x_s
    yield from nothing_left(trace[-1].x_s - expected, "how far the last x_s is from what its own start should lead to")


def keep_known(x_s, s, x_orig, mask, alphas_cumprod, *, generator=None):
    """x_s where the mask is 1, and elsewhere the original as noisy as x_s."""
    known = x_orig
    if s is not None:
        abar_s = alphas_cumprod[s]
        eps = torch.randn(x_orig.shape, generator=generator)
        known = abar_s.sqrt() * x_orig + (1 - abar_s).sqrt() * eps
    return torch.where(mask.bool(), x_s, known)


# ---- mistakes in these references ----------------------------------------------------------------------------------

FORWARD_MISTAKES = (
    Mistake("both roots forgotten", "abar_t.sqrt() * x0 + (1 - abar_t).sqrt() * eps", "abar_t * x0 + (1 - abar_t) * eps",
            "Both square roots seem to be missing: the weights are √ᾱ_t and √(1 − ᾱ_t), and their squares add up to 1."),
    Mistake("√ᾱ forgotten", "abar_t.sqrt() * x0", "abar_t * x0",
            "The image is weighted by ᾱ_t itself: the square root is missing. The weights' squares add up to 1."),
    Mistake("√(1 − ᾱ) forgotten", "(1 - abar_t).sqrt()", "(1 - abar_t)",
            "The noise is weighted by 1 − ᾱ_t itself: the square root is missing. The weights' squares add up to 1."),
    Mistake("weights exchanged", "abar_t.sqrt() * x0 + (1 - abar_t).sqrt() * eps", "(1 - abar_t).sqrt() * x0 + abar_t.sqrt() * eps",
            "Image and noise have each other's weight. At t = 0 there is almost no noise: ᾱ_0 is nearly 1."),
    Mistake("image not shrunk", "abar_t.sqrt() * x0", "x0",
            "The image has its full strength in x_t. It should be scaled down as the noise grows, which keeps the variance constant."),
)  # fmt: skip

GUIDANCE_MISTAKES = (
    Mistake("the halves exchanged", "eps_u + gamma * (eps_c - eps_u)", "eps_c + gamma * (eps_u - eps_c)",
            "The two predictions are exchanged: this moves away from the condition. Start from ε_u and move towards ε_c."),
    Mistake("another convention", "eps_u + gamma", "eps_c + gamma",
            "It is ε_c + γ (ε_c − ε_u): Ho and Salimans' convention, in which their w is our γ − 1. Here it starts from ε_u."),
    Mistake("ε_u missing", "eps_u + gamma", "gamma",
            "The difference is scaled, but ε_u itself, to which it is added, is missing."),
    Mistake("ε_u added in full", "(eps_c - eps_u)", "eps_c",
            "It is ε_u + γ ε_c: with γ = 1 it should be ε_c alone. Only the difference is scaled by γ."),
    Mistake("only the condition", "eps_u + gamma * (eps_c - eps_u)", "gamma * eps_c",
            "It multiplies ε_c by γ; ε_u makes no difference."),
    Mistake("gamma ignored", "eps_u + gamma * (eps_c - eps_u)", "eps_c",
            "γ makes no difference: it is the plain prediction with the condition."),
    Mistake("mean of the halves", "eps_u + gamma * (eps_c - eps_u)", "(eps_u + eps_c) / 2",
            "It is the mean of the two predictions; guidance goes beyond ε_c."),
)  # fmt: skip

ESTIMATE = "(x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()"
CLAMPED = (
    "The estimate is clamped to [-1, 1] at every step. The loop does not change it, unless a `threshold` is given."
)
LOOP_CUT = Mistake("the last step forgotten", "zip(timesteps, [*timesteps[1:], None])", "zip(timesteps, timesteps[1:])", f"The last step is missing. {LAST}")  # fmt: skip


def clamped_estimate(*edits: tuple[str, str]) -> tuple[Mistake, ...]:
    """The mistake of clamping x0_hat in the loop, or by these edits."""
    return alike("x0_hat clamped", CLAMPED, (ESTIMATE, f"({ESTIMATE}).clamp(-1, 1)"), *edits)
