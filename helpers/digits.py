"""The Denoiser for Part B's networks, and sampling digits with it."""

import torch
from torch import Tensor

from .denoisers import Cond, Denoiser, FlowPrediction, Prediction, batch_conds, guided
from .devices import bf16_autocast
from .flow import euler_step, to_flow
from .sampling import final, sample
from .schedule import NoiseSchedule, check_schedule, strided_timesteps
from .unet import CLASSES
from .validate import check_fits, check_integer, check_network, check_takes, in_words

__all__ = [
    "DigitDenoiser",
    "FlowDigitDenoiser",
    "sample_classes",
    "sample_digits",
    "sample_flow",
    "sample_flow_classes",
]


class DigitDenoiser(Denoiser):
    """A network of Part B: UNet(x_t, t/T) or UNet(x_t, t/T, c) gives predicted noise.

    The condition is () for a time-conditional network, and one-hot classes (1 or B, 10) for a class-conditional one;
    zeros are the empty class. The variance of a step is beta, not beta-tilde, as in CS180.

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
        eps = self.ask(x_t, t / self.schedule.T, cond)
        return Prediction(eps, torch.ones_like(eps))  # +1: the variance is beta

    def ask(self, x: Tensor, time: float, cond: Cond) -> Tensor:
        """The network's output (B, 1, 28, 28) for images x (B, 1, 28, 28) at a time in [0, 1], in evaluation mode."""
        B, device = len(x), next(self.unet.parameters()).device
        t01 = torch.full((B, 1), time, device=device)
        classes = [] if isinstance(cond, tuple) and not cond else [self.classes(cond, B).to(device)]
        check_takes(self.unet, (x, t01, *classes))
        # in training mode, BatchNorm would make each image depend on the others in its batch
        was_training = self.unet.training
        self.unet.eval()
        try:
            with bf16_autocast(device):
                return self.unet(x.to(device), t01, *classes).to(x.device, torch.float32)
        finally:
            self.unet.train(was_training)  # a training may continue after it has sampled

    def classes(self, cond: Tensor, batch_size: int) -> Tensor:
        """The condition (1 or B, 10) for each image: (B, 10)."""
        if not isinstance(cond, Tensor) or cond.ndim != 2 or cond.shape[1] != CLASSES:
            given = f"of shape {tuple(cond.shape)}" if isinstance(cond, Tensor) else in_words(cond)
            raise ValueError(f"the condition is {given}; wanted () or one-hot classes (B, {CLASSES}): one_hot(labels).")
        return batch_conds([cond], batch_size).float()

    def unconditional(self, cond: Cond) -> Cond:
        return torch.zeros_like(cond) if isinstance(cond, Tensor) else ()

    def prepare(self, cond: Cond) -> Cond:
        return cond.to(next(self.unet.parameters()).device) if isinstance(cond, Tensor) else cond


class FlowDigitDenoiser(DigitDenoiser):
    """A flow network of Part C: UNet(z, u) or UNet(z, u, c) gives the velocity v, a prediction of x0 - eps.

    eps = z - u v and x0 = z + (1 - u) v, so that all samplers, combinators and editors can use it. It has not learned a
    variance: its DDPM steps take beta-tilde. The condition is as for DigitDenoiser.

    Args:
        unet: a TimeScaledUNet or ClassConditionalUNet, or your own network with the same arguments.
        schedule: ends in pure noise, such as NoiseSchedule.flow(). It need not be the one of the training, which draws
            u from all of [0, 1].
    """

    def __init__(self, unet: torch.nn.Module, schedule: NoiseSchedule):
        super().__init__(unet, schedule)
        if schedule.u[-1] > 1e-3:
            raise ValueError(
                f"schedule ends at u = {schedule.u[-1].item():.3g}, where the image is still visible; wanted one that "
                "ends in pure noise (u = 0), where a flow begins, such as NoiseSchedule.flow()."
            )

    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> FlowPrediction:
        check_fits(x_t, self.image_shape, "x_t")
        check_integer(t, "t", 0, self.schedule.T - 1)
        z, u = to_flow(x_t, t, self.schedule)
        v = self.ask(z, u.item(), cond)
        return FlowPrediction(z - u * v, None, z + (1 - u) * v)


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
    check_classes(c)
    denoiser, timesteps = guided(DigitDenoiser(network, schedule), gamma), strided_timesteps(schedule.T, schedule.T)
    return final(sample(denoiser, c, timesteps=timesteps, batch_size=len(c), generator=generator), progress=False)


def sample_flow(
    network: torch.nn.Module, count: int, steps: int = 50, *, generator: torch.Generator | None = None
) -> Tensor:
    """Sample digits with a flow network: `steps` equal Euler steps from noise at u = 0 to the digits at u = 1.

    Args:
        network: predicts the velocity x0 - eps, network(z, u01), where u01 (count, 1) is the flow time. It predicts in
            evaluation mode, at u = 0, 1/steps, …, 1 - 1/steps.

    Returns: x0 (count, 1, 28, 28), not clamped. Source: Lipman et al. 2023, equation 1 (arXiv:2210.02747).
    """
    check_integer(steps, "steps", 1, 2000)
    denoiser = FlowDigitDenoiser(network, NoiseSchedule.flow(steps))
    return follow(denoiser, (), count, generator)


def sample_flow_classes(
    network: torch.nn.Module,
    c: Tensor,
    gamma: float,
    steps: int = 300,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Sample digits of given classes with a flow network, with classifier-free guidance of the velocity.

    Args:
        network: predicts the velocity x0 - eps, network(z, u01, c). Otherwise as for sample_flow.
        c: one-hot classes (count, 10), one for each digit; zeros would be "any digit".
        gamma: the guidance scale, v_u + gamma (v_c - v_u).

    Returns: x0 (count, 1, 28, 28), not clamped. Source: Zheng et al. 2023, "Guided Flows" (arXiv:2311.13443).
    """
    check_integer(steps, "steps", 1, 2000)
    check_classes(c)
    denoiser = guided(FlowDigitDenoiser(network, NoiseSchedule.flow(steps)), gamma)
    return follow(denoiser, c, len(c), generator)


def follow(denoiser: Denoiser, cond: Cond, count: int, generator: torch.Generator | None) -> Tensor:
    """Euler steps at all of the schedule's timesteps, from noise (count, 1, 28, 28)."""
    timesteps = range(denoiser.schedule.T - 1, -1, -1)
    options = {"timesteps": timesteps, "batch_size": count, "step": euler_step, "generator": generator}
    return final(sample(denoiser, cond, **options), progress=False)


def check_classes(c) -> None:
    """One-hot classes, as many as digits are to be sampled."""
    if not isinstance(c, Tensor) or c.ndim == 0:
        raise TypeError(f"c is {in_words(c)}; wanted one-hot classes (count, 10): one_hot(labels) makes them.")
