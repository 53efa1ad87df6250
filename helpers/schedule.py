"""The noise schedule: how much of the image is left at timestep t, and which timesteps a sampler visits.

Notation, here and everywhere: beta_t is the variance that the forward process adds in step t, alpha_t = 1 - beta_t,
and abar_t = alpha_0 · … · alpha_t (`alphas_cumprod[t]`) is the share of x0's variance that is left in x_t.
"""

import functools
import itertools
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .validate import check_integer, check_number, check_tensor, in_words

__all__ = ["NoiseSchedule", "abar_at", "check_schedule", "flow_timesteps", "strided_timesteps"]


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The T variances beta_t (T,) of the forward process and their running products abar_t (T,), in fp32.

    The last beta may be 1: then x_t at T - 1 is pure noise, and abar is 0 there.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", section 2 (arXiv:2006.11239).
    """

    betas: Tensor
    alphas_cumprod: Tensor = field(init=False)

    def __post_init__(self):
        check_tensor(self.betas, "betas")
        if self.betas.ndim != 1 or self.betas.numel() == 0:
            raise ValueError(f"betas has shape {tuple(self.betas.shape)}; wanted (T,).")
        smallest, largest = self.betas.min().item(), self.betas.max().item()
        if smallest <= 0 or largest > 1 or (self.betas[:-1] == 1).any():
            raise ValueError(
                f"betas has values from {smallest:g} to {largest:g}; wanted more than 0 and less than 1. "
                "Only the last may be 1, for a schedule that ends in pure noise."
            )
        object.__setattr__(self, "betas", self.betas.float())
        object.__setattr__(self, "alphas_cumprod", torch.cumprod(1 - self.betas, dim=0))

    @property
    def T(self) -> int:
        """The number of timesteps; t runs from 0 to T - 1."""
        return len(self.betas)

    def abar(self, t: int | Tensor, x: Tensor | None = None) -> Tensor:
        """abar_t: a scalar for one timestep, (B, 1, 1, 1) for timesteps (B,), to multiply images (B, C, H, W).

        In the dtype and on the device of images x (B, C, H, W); without them in fp32, where the schedule is.
        """
        return abar_at(t, self.alphas_cumprod, self.alphas_cumprod if x is None else x)

    @functools.cached_property
    def u(self) -> Tensor:
        """The flow time of each timestep (T,), fp32: u_t = √abar_t / (√abar_t + √(1 - abar_t)). 0 is noise, 1 is x0."""
        a, b = self.alphas_cumprod.sqrt(), (1 - self.alphas_cumprod).sqrt()
        return a / (a + b)

    @classmethod
    def linear(cls, T: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> "NoiseSchedule":
        """beta_t grows linearly (Ho et al. 2020, section 4)."""
        check_integer(T, "T", 1)
        check_number(beta_start, "beta_start", 0, 1)
        check_number(beta_end, "beta_end", 0, 1)
        return cls(torch.linspace(beta_start, beta_end, T))

    @classmethod
    def cosine(cls, T: int = 1000) -> "NoiseSchedule":
        """abar_t falls like a squared cosine (Nichol & Dhariwal 2021, equation 17, arXiv:2102.09672)."""
        check_integer(T, "T", 1)

        def abar(u: float) -> float:  # u in [0, 1]
            return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

        # near t = T the quotient goes to 0: the paper caps beta there, which keeps the last steps finite
        betas = [min(1 - abar((t + 1) / T) / abar(t / T), 0.999) for t in range(T)]
        return cls(torch.tensor(betas))

    @classmethod
    def flow(cls, T: int = 1000) -> "NoiseSchedule":
        """The flow time u_t falls linearly to 0, pure noise: u_t = 1 - (t + 1) / T.

        x_t is the flow's u x0 + (1 - u) eps, scaled to the unit circle: abar_t = u² / (u² + (1 - u)²).
        Source: Lipman et al. 2023, "Flow Matching for Generative Modeling", section 4.1, example II (arXiv:2210.02747).
        Raises a ValueError unless 1 <= T <= 2000; fp32 cannot tell the last timesteps of more apart.
        """
        check_integer(T, "T", 1, 2000)
        u = 1 - torch.arange(1, T + 1, dtype=torch.float64) / T
        abar = u**2 / (u**2 + (1 - u) ** 2)
        alphas = abar / torch.cat([torch.ones(1, dtype=torch.float64), abar[:-1]])
        return cls(1 - alphas)

    @classmethod
    def from_scheduler(cls, scheduler) -> "NoiseSchedule":
        """The same betas as a diffusers scheduler (anything with a `betas` tensor)."""
        if not isinstance(getattr(scheduler, "betas", None), Tensor):
            raise TypeError(f"scheduler is {in_words(scheduler)}; wanted a diffusers scheduler, which has betas (T,).")
        return cls(scheduler.betas.detach().cpu())


def check_schedule(schedule) -> None:
    """A NoiseSchedule."""
    if not isinstance(schedule, NoiseSchedule):
        raise TypeError(f"schedule is {in_words(schedule)}; wanted a NoiseSchedule, such as model.stage_1.schedule.")


def strided_timesteps(steps: int = 34, T: int = 1000) -> list[int]:
    """`steps` timesteps from the noisy end down to 0: 990, 960, …, 0 for 34 of 1000.

    All strides are equal if the list then starts at 0.98 T or later. Otherwise (150 steps with a stride of 6 would
    start at 894, which is not pure noise) the timesteps are spread from T - 1 to 0 as evenly as whole numbers allow.

    A network trained on T small steps can also be used with a few long ones (Nichol & Dhariwal 2021, section 4).
    Raises a ValueError unless 2 <= steps <= T.
    """
    check_integer(T, "T", 2)
    check_integer(steps, "steps", 2, T)
    first = (T - 1) // (steps - 1) * (steps - 1)
    if first < 0.98 * T:
        first = T - 1
    return [first * i // (steps - 1) for i in reversed(range(steps))]


def flow_timesteps(schedule: NoiseSchedule, steps: int, start: int | None = None) -> list[int]:
    """`steps` timesteps that are evenly spaced in the flow time u, each the nearest one in the schedule.

    u grows by (1 - u_start) / steps from each timestep to the next, and by the same from the last one to the image, at
    u = 1. So the last timestep is not 0: strided_timesteps spends its last call there.

    Args:
        start: the first timestep. By default T - 1 if the schedule ends in pure noise, as NoiseSchedule.flow does, and
            0.99 T otherwise: a network that predicts eps is inaccurate at u near 0, as its error there counts 1 / u.

    Raises a ValueError unless 1 <= steps <= start + 1, or if two steps would share a timestep.
    """
    check_schedule(schedule)
    if start is None:
        start = schedule.T - 1 if schedule.u[-1] == 0 else schedule.T * 99 // 100
    check_integer(start, "start", 0, schedule.T - 1)
    check_integer(steps, "steps", 1, start + 1)
    u = schedule.u.double()
    wanted = torch.linspace(u[start].item(), 1, steps + 1, dtype=torch.float64)[:-1]
    timesteps = [int(start), *((u[:, None] - wanted[1:]).abs().argmin(dim=0)).tolist()]
    if any(s >= t for t, s in itertools.pairwise(timesteps)):
        raise ValueError(f"steps is {steps}, and two of them would share a timestep of this schedule; wanted fewer.")
    return timesteps


def abar_at(t: int | Tensor, alphas_cumprod: Tensor, x: Tensor) -> Tensor:
    """NoiseSchedule.abar for a table of abar (T,) that has no schedule around it, such as `forward` is given."""
    if isinstance(t, Tensor) and t.ndim == 1:
        if t.shape[0] != x.shape[0]:
            raise ValueError(f"t has {len(t)} timesteps for {len(x)} images; wanted one for each, or a single t.")
        return alphas_cumprod.to(x)[t.to(x.device).long()].view(-1, 1, 1, 1)
    return alphas_cumprod[int(t)].to(x)
