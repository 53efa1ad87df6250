"""The Denoiser for Part B's networks, and sampling digits with it."""

import torch
from torch import Tensor

from .denoisers import Cond, Denoiser, Prediction, batch_conds, guided
from .devices import bf16_autocast
from .sampling import final, sample
from .schedule import NoiseSchedule, check_schedule, strided_timesteps
from .unet import CLASSES
from .validate import check_fits, check_integer, check_network, check_takes, in_words

__all__ = ["DigitDenoiser", "sample_classes", "sample_digits"]


class DigitDenoiser(Denoiser):
    """A network of Part B: UNet(x_t, t/T) or UNet(x_t, t/T, c) gives predicted noise.

    The condition is () for a time-conditional network, and one-hot classes (1 or B, 10) for a class-conditional one;
    zeros are the empty class. The variance of a step is beta, not beta-tilde, as in the course.

    Args:
        unet: a TimeConditionalUNet or ClassConditionalUNet, or your own network with the same arguments.
        schedule: the noise schedule that it was trained with.
    """

    image_shape = (1, 28, 28)

    def __init__(self, unet: torch.nn.Module, schedule: NoiseSchedule):
        check_network(unet, "unet")
        check_schedule(schedule)
        self.unet, self.schedule = unet, schedule

    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> Prediction:
        check_fits(x_t, self.image_shape, "x_t")
        check_integer(t, "t", 0, self.schedule.T - 1)
        B, device = len(x_t), next(self.unet.parameters()).device
        t01 = torch.full((B, 1), t / self.schedule.T, device=device)
        classes = [] if isinstance(cond, tuple) and not cond else [self.classes(cond, B).to(device)]
        check_takes(self.unet, (x_t, t01, *classes))
        # in training mode, BatchNorm would make each image depend on the others in its batch
        was_training = self.unet.training
        self.unet.eval()
        try:
            with bf16_autocast(device):
                eps = self.unet(x_t.to(device), t01, *classes).to(x_t.device, torch.float32)  # (B, 1, 28, 28)
        finally:
            self.unet.train(was_training)  # training may continue after sampling between two epochs
        return Prediction(eps, torch.ones_like(eps))  # +1: the variance is beta

    def classes(self, cond: Tensor, batch_size: int) -> Tensor:
        """The condition (1 or B, 10) for each picture: (B, 10)."""
        if not isinstance(cond, Tensor) or cond.ndim != 2 or cond.shape[1] != CLASSES:
            given = f"of shape {tuple(cond.shape)}" if isinstance(cond, Tensor) else in_words(cond)
            raise ValueError(f"the condition is {given}; wanted () or one-hot classes (B, {CLASSES}): one_hot(labels).")
        return batch_conds([cond], batch_size).float()

    def unconditional(self, cond: Cond) -> Cond:
        return torch.zeros_like(cond) if isinstance(cond, Tensor) else ()

    def prepare(self, cond: Cond) -> Cond:
        return cond.to(next(self.unet.parameters()).device) if isinstance(cond, Tensor) else cond


def sample_digits(
    network: torch.nn.Module, schedule: NoiseSchedule, count: int, *, generator: torch.Generator | None = None
) -> Tensor:
    """Sample digits at all the schedule's timesteps T - 1, …, 0, with a time-conditional network.

    Args:
        network: predicts the noise, network(x_t, t01), where t01 (count, 1) is t/T. It predicts in evaluation mode.
        schedule: the noise schedule that it was trained with. The noise of each step has the variance beta_t; the last
            step, at t = 0, adds none.

    Returns: x0 (count, 1, 28, 28), not clamped. Source: Ho et al. 2020, algorithm 2 (arXiv:2006.11239).
    """
    denoiser, timesteps = DigitDenoiser(network, schedule), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, (), timesteps=timesteps, batch_size=count, generator=generator), progress=False)


def sample_classes(
    network: torch.nn.Module,
    schedule: NoiseSchedule,
    c: Tensor,
    gamma: float,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Sample digits of given classes at all the schedule's timesteps, with classifier-free guidance.

    Args:
        network: predicts the noise, network(x_t, t01, c), where t01 (B, 1) is t/T. It predicts in evaluation mode.
        schedule: as for sample_digits, and the same steps.
        c: one-hot classes (count, 10), one for each digit; zeros would be "any digit".
        gamma: the guidance scale, eps_u + gamma (eps_c - eps_u).

    Returns: x0 (count, 1, 28, 28), not clamped. Source: Ho & Salimans 2022, algorithm 2 (arXiv:2207.12598).
    """
    if not isinstance(c, Tensor) or c.ndim == 0:
        raise TypeError(f"c is {in_words(c)}; wanted one-hot classes (count, 10): one_hot(labels) makes them.")
    denoiser, timesteps = guided(DigitDenoiser(network, schedule), gamma), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, c, timesteps=timesteps, batch_size=len(c), generator=generator), progress=False)
