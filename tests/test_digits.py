"""The digit networks behind the seam: the same samplers, guidance and editing as in Part A."""

from contextlib import nullcontext

import pytest
import torch
from diffusers import DDPMScheduler

from helpers import digits
from helpers.denoisers import guided
from helpers.digits import DigitDenoiser
from helpers.editing import inpaint, sdedit
from helpers.sampling import final, sample
from helpers.schedule import NoiseSchedule
from helpers.unet import ClassConditionalUNet, TimeConditionalUNet, one_hot

T = 300
ALL = range(T - 1, -1, -1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def schedule():
    return NoiseSchedule.linear(T)


def network(kind, hidden=2):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(hidden)


@pytest.fixture
def by_time(schedule):
    return DigitDenoiser(network(TimeConditionalUNet), schedule)


@pytest.fixture
def by_class(schedule):
    return DigitDenoiser(network(ClassConditionalUNet), schedule)


@pytest.fixture
def fp32(monkeypatch):
    monkeypatch.setattr(digits, "bf16_autocast", lambda device: nullcontext())


def x_t(batch_size=3):
    return torch.randn(batch_size, 1, 28, 28, generator=seeded(1))


# ---- the wrapper


@torch.no_grad()
def test_it_asks_the_network_at_t_over_T(by_time, by_class, fp32):
    t01 = torch.full((3, 1), 100 / T)
    assert torch.equal(by_time(x_t(), 100, ()).eps, by_time.unet.eval()(x_t(), t01))
    c = one_hot([4, 0, 4])
    assert torch.equal(by_class(x_t(), 100, c).eps, by_class.unet.eval()(x_t(), t01, c))


@torch.no_grad()
def test_the_variance_of_a_step_is_beta(by_time, schedule):
    eps, var = by_time(x_t(), 100, ())
    assert eps.dtype == var.dtype == torch.float32
    assert (var == 1).all()


@torch.no_grad()
def test_one_class_serves_every_image(by_class):
    torch.testing.assert_close(by_class(x_t(), 9, one_hot([7])).eps, by_class(x_t(), 9, one_hot([7] * 3)).eps)


@torch.no_grad()
def test_batchnorm_never_trains_while_sampling(by_time):
    by_time.unet.train()
    before = {name: value.clone() for name, value in by_time.unet.state_dict().items()}
    together = by_time(x_t(), 100, ()).eps
    assert all(torch.equal(value, before[name]) for name, value in by_time.unet.state_dict().items())
    alone = by_time(x_t()[:1], 100, ()).eps
    torch.testing.assert_close(together[:1], alone, atol=0.05, rtol=0)  # in bf16; training mode would differ by 1
    assert by_time.unet.training  # and training goes on


@torch.no_grad()
def test_guidance_is_one_call_and_the_empty_class_is_zeros(by_class, fp32):
    calls = []
    by_class.unet.register_forward_hook(lambda module, given, out: calls.append(given))
    c = one_hot([1, 2, 3])
    eps = guided(by_class, 5.0)(x_t(), 100, c).eps
    assert len(calls) == 1 and torch.equal(calls[0][2], torch.cat([torch.zeros(3, 10), c]))
    eps_u, eps_c = by_class(x_t(), 100, torch.zeros(3, 10)).eps, by_class(x_t(), 100, c).eps
    torch.testing.assert_close(eps, eps_u + 5 * (eps_c - eps_u), atol=1e-5, rtol=1e-5)


def test_guidance_of_a_network_without_classes_changes_nothing(by_time, fp32):
    with torch.no_grad():
        torch.testing.assert_close(guided(by_time, 5.0)(x_t(), 9, ()).eps, by_time(x_t(), 9, ()).eps)


@pytest.mark.parametrize("cond", [torch.tensor([3, 4, 5]), torch.eye(3), (one_hot([3]),), None, 3])
def test_a_condition_that_is_not_one_hot_is_refused(by_class, cond):
    with pytest.raises(ValueError, match=r"the condition is .*; wanted \(\) or one-hot classes \(B, 10\)"):
        by_class(x_t(), 9, cond)


# ---- sampling


class Tiny(torch.nn.Module):
    """Takes what a ClassConditionalUNet takes, and is done at once."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(1, 1, 3, 3, generator=seeded(2)) / 3)

    def forward(self, x, t01, c):
        return torch.tanh(
            torch.conv2d(x, self.weight, padding=1) + (t01 + c @ torch.arange(10.0)[:, None])[..., None, None]
        )


def test_sampling_is_diffusers_ddpm_with_the_same_betas(schedule, fp32):
    """All 300 steps, the noise drawn in the same order. fixed_large: the course's sigma_t is √beta_t."""
    scheduler = DDPMScheduler(T, 1e-4, 0.02, "linear", variance_type="fixed_large", clip_sample=False)
    torch.testing.assert_close(scheduler.betas, schedule.betas)
    denoiser, cond, generator = guided(DigitDenoiser(Tiny(), schedule), 5.0), one_hot([3, 8]), seeded()
    x = torch.randn(2, 1, 28, 28, generator=generator)
    scheduler.set_timesteps(T)
    assert scheduler.timesteps.tolist() == list(ALL)
    with torch.no_grad():
        for t in scheduler.timesteps:
            x = scheduler.step(denoiser(x, int(t), cond).eps, t, x, generator=generator).prev_sample
    ours = final(sample(denoiser, cond, timesteps=ALL, batch_size=2, generator=seeded()), progress=False)
    torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-4)


def test_the_last_step_adds_no_noise(by_time):
    *_, last = sample(by_time, (), timesteps=[200, 100, 0], generator=seeded())
    assert last.s is None and torch.equal(last.x_s, last.x0_hat)


def test_the_noisy_end_is_not_quite_noise(schedule):
    """SPEC: abar at the last step is about 0.048."""
    assert abs(schedule.alphas_cumprod[-1].item() - 0.048) < 5e-4


# ---- editing


@pytest.fixture
def digit():
    x = torch.zeros(1, 1, 28, 28)
    x[..., 4:24, 13:16] = 1  # a one
    return x


def test_sdedit_of_a_digit(by_class, digit):
    steps = sdedit(guided(by_class, 5.0), digit, one_hot([1]), timesteps=[200, 100, 0], i_start=1, generator=seeded())
    assert final(steps, progress=False).shape == digit.shape


def test_inpainting_keeps_a_digits_pixels(by_class, digit):
    mask = torch.zeros(28, 28)
    mask[:14] = 1
    steps = inpaint(guided(by_class, 5.0), digit, mask, one_hot([1]), timesteps=[200, 100, 0], generator=seeded())
    out = final(steps, progress=False)
    assert torch.equal(out[..., 14:, :], digit[..., 14:, :])
    assert not torch.equal(out[..., :14, :], digit[..., :14, :])
