from itertools import pairwise

import pytest
import torch
from diffusers import DDPMScheduler

from helpers.schedule import NoiseSchedule, strided_timesteps


@pytest.mark.parametrize("T", [1000, 300])
@pytest.mark.parametrize(
    "ours, theirs", [(NoiseSchedule.cosine, "squaredcos_cap_v2"), (NoiseSchedule.linear, "linear")]
)
def test_betas_and_abar_are_diffusers(ours, theirs, T):
    schedule, scheduler = ours(T), DDPMScheduler(T, beta_schedule=theirs)
    assert schedule.T == T
    torch.testing.assert_close(schedule.betas, scheduler.betas, atol=1e-6, rtol=0)
    torch.testing.assert_close(schedule.alphas_cumprod, scheduler.alphas_cumprod, atol=1e-6, rtol=0)


def test_linear_takes_its_ends():
    schedule = NoiseSchedule.linear(10, beta_start=0.01, beta_end=0.1)
    torch.testing.assert_close(schedule.betas[[0, -1]], torch.tensor([0.01, 0.1]))


@pytest.mark.parametrize("name", ["squaredcos_cap_v2", "linear", "scaled_linear"])
def test_from_scheduler_takes_over_its_betas(name):
    scheduler = DDPMScheduler(beta_schedule=name)
    schedule = NoiseSchedule.from_scheduler(scheduler)
    assert torch.equal(schedule.betas, scheduler.betas)
    assert torch.equal(schedule.alphas_cumprod, scheduler.alphas_cumprod)


@pytest.mark.parametrize("make", [NoiseSchedule.cosine, NoiseSchedule.linear])
def test_abar_falls_from_almost_one_to_almost_nothing(make):
    abar = make().alphas_cumprod
    assert abar.dtype == torch.float32
    assert (abar.diff() < 0).all()
    assert abar[0] > 0.999 and 0 < abar[-1] < 1e-4


def test_the_course_s_34_timesteps():
    assert strided_timesteps() == strided_timesteps(34) == list(range(990, -1, -30))


def test_the_course_s_100_timesteps():
    assert strided_timesteps(100) == list(range(990, -1, -10))


@pytest.mark.parametrize("T", [2, 20, 300, 1000])
def test_any_number_of_steps_falls_from_the_noisy_end_to_zero(T):
    for steps in range(2, T + 1):
        timesteps = strided_timesteps(steps, T)
        assert len(timesteps) == steps
        assert timesteps[-1] == 0
        assert 0.98 * T <= timesteps[0] <= T - 1 or timesteps[0] == T - 1
        strides = [t - s for t, s in pairwise(timesteps)]
        assert min(strides) >= 1 and max(strides) - min(strides) <= 1, f"{steps} steps are uneven"


def test_abar_is_looked_up_for_one_timestep_or_for_a_batch():
    schedule, x = NoiseSchedule.linear(10), torch.zeros(2, 3, 4, 4, dtype=torch.double)
    assert schedule.abar(3) == schedule.alphas_cumprod[3] and schedule.abar(3).dtype == torch.float32
    both = schedule.abar(torch.tensor([0, 9]), x)
    assert both.shape == (2, 1, 1, 1) and both.dtype == torch.double
    assert both.flatten().tolist() == schedule.alphas_cumprod[[0, 9]].tolist()
    with pytest.raises(ValueError, match="t has 3 timesteps for 2 images"):
        schedule.abar(torch.tensor([0, 1, 2]), x)
