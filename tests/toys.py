"""Denoisers whose right answer is known: stand-ins for a network in the tests of everything that is not a network."""

from itertools import pairwise
from types import SimpleNamespace

import torch
from torch import Tensor

from helpers.denoisers import Cond, Denoiser, Prediction, batch_conds
from helpers.if_denoisers import TextDenoiser, UpscaleDenoiser
from helpers.schedule import NoiseSchedule


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Toy(Denoiser):
    """Elementwise, so a batched call gives the same numbers as single ones, and different at every pixel.

    cond is (1 or B, C): one number for each colour channel. Counts its calls.
    """

    def __init__(self, image_shape=(3, 16, 16), *, learns_variance=True):
        self.schedule, self.image_shape = NoiseSchedule.cosine(), image_shape
        self.weight, self.pattern = torch.randn(2, *image_shape, generator=seeded(1))
        self.learns_variance, self.calls = learns_variance, 0

    def __call__(self, x_t: Tensor, t: int, cond: Tensor) -> Prediction:
        self.calls += 1
        cond = batch_conds([cond], len(x_t))[:, :, None, None]  # (B, C, 1, 1)
        eps = torch.tanh(self.weight * x_t + self.pattern * cond + t / 1000)
        return Prediction(eps, torch.tanh(self.pattern * x_t - cond) if self.learns_variance else None)

    def unconditional(self, cond: Tensor) -> Tensor:
        return torch.zeros_like(cond)


class Enlarger(Toy):
    """Like a stage II: cond is (text, an image, its noise level), and only the text becomes empty."""

    def __call__(self, x_t: Tensor, t: int, cond: tuple) -> Prediction:
        text, image, level = cond
        return super().__call__(x_t + image * level[:, None, None, None], t, text)

    def unconditional(self, cond: tuple) -> tuple:
        return (torch.zeros_like(cond[0]), *cond[1:])


class Gaussian(Denoiser):
    """Exact for images whose pixels are independent draws from N(mean, std²); cond is ().

    x_t = √abar x0 + √(1 - abar) eps is Gaussian too, with variance D = abar std² + 1 - abar, and shares the covariance
    √(1 - abar) with eps. So E[eps | x_t] = √(1 - abar) (x_t - √abar mean) / D, and Var(x0 | x_t) = std² (1 - abar) / D.

    With `timesteps` it also knows the exact variance of x_s given x_t, for the strides of that list: beta-tilde, which
    is right when x0 is known, plus Var(x0 | x_t) times the square of x0_hat's weight in the mean of x_s. Every step of
    such a chain is exact. Without, var is None.
    """

    def __init__(self, schedule: NoiseSchedule, mean: Tensor, std: Tensor, image_shape, timesteps=None):
        self.schedule, self.mean, self.std, self.image_shape = schedule, mean, std, image_shape
        self.next = dict(pairwise(timesteps)) if timesteps else {}

    def __call__(self, x_t: Tensor, t: int, cond: tuple) -> Prediction:
        abar_t = self.schedule.alphas_cumprod[t].double()
        D = abar_t * self.std**2 + 1 - abar_t
        eps = ((1 - abar_t).sqrt() * (x_t - abar_t.sqrt() * self.mean) / D).float()
        if t not in self.next:
            return Prediction(eps, None)
        abar_s = self.schedule.alphas_cumprod[self.next[t]].double()
        beta = 1 - abar_t / abar_s
        beta_tilde = beta * (1 - abar_s) / (1 - abar_t)
        weight = abar_s.sqrt() * beta / (1 - abar_t)
        exact = beta_tilde + weight**2 * self.std**2 * (1 - abar_t) / D
        v = (exact.log() - beta_tilde.log()) / (beta.log() - beta_tilde.log())  # 0 … 1 between beta-tilde and beta
        return Prediction(eps, (2 * v - 1).float().expand_as(eps))

    def unconditional(self, cond: Cond) -> Cond:
        return cond


class TinyIF(torch.nn.Module):
    """A network in IF's format, which hands out x_t as the noise, and the mean of the text as the variance."""

    config = SimpleNamespace(sample_size=8, in_channels=3)

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, dtype=dtype))

    @property
    def dtype(self):
        return self.weight.dtype

    def forward(self, x_t, t, encoder_hidden_states):
        assert encoder_hidden_states.dtype == self.dtype and len(encoder_hidden_states) == len(x_t)
        self.given = x_t.dtype
        var = encoder_hidden_states.mean((1, 2)).view(-1, 1, 1, 1).expand_as(x_t)
        return SimpleNamespace(sample=torch.cat([x_t, var.to(x_t.dtype)], dim=1))


def tiny(unet: torch.nn.Module) -> TextDenoiser:
    return TextDenoiser(unet, NoiseSchedule.cosine(), empty=torch.full((1, 5, 4), 0.25))


class TinyIF2(TinyIF):
    """A network in the format of IF's stage II, which hands out the low image plus its noise level as the noise."""

    config = SimpleNamespace(sample_size=8, in_channels=6)

    def forward(self, sample, t, encoder_hidden_states, class_labels):
        x_t, low = sample.chunk(2, dim=1)
        var = super().forward(x_t, t, encoder_hidden_states).sample[:, 3:]
        return SimpleNamespace(sample=torch.cat([low + class_labels.view(-1, 1, 1, 1), var], dim=1))


def tiny_2(unet: torch.nn.Module) -> UpscaleDenoiser:
    return UpscaleDenoiser(unet, NoiseSchedule.cosine(), torch.full((1, 5, 4), 0.25), NoiseSchedule.cosine())
