from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from toys import Gaussian, Toy, seeded
from tqdm import tqdm

from helpers import sampling
from helpers.editing import inpaint, sdedit
from helpers.sampling import (
    ddim_step,
    ddpm_step,
    denoise,
    dynamic_threshold,
    estimate_x0,
    final,
    forward,
    sample,
)
from helpers.schedule import NoiseSchedule, strided_timesteps

pytestmark = pytest.mark.usefixtures("one_thread")
TIMESTEPS = strided_timesteps(12)


# ---- the forward process


@pytest.mark.parametrize("t", [0, 250, 999, torch.tensor(500), torch.tensor([3, 750])])
def test_forward_is_diffusers_add_noise(x0, schedule, t):
    noise = torch.randn(x0.shape, generator=seeded(1))
    x_t, eps = forward(x0, t, schedule.alphas_cumprod, noise=noise)
    wanted = DDPMScheduler(beta_schedule="squaredcos_cap_v2").add_noise(x0, noise, torch.as_tensor(t).expand(2))
    torch.testing.assert_close(x_t, wanted, atol=1e-6, rtol=0)
    assert eps is noise


def test_forward_draws_its_noise_from_the_generator(x0, schedule):
    _, eps = forward(x0, 100, schedule.alphas_cumprod, generator=seeded(3))
    assert torch.equal(eps, torch.randn(x0.shape, generator=seeded(3)))


def test_a_timestep_for_each_image_is_the_same_as_one_after_the_other(x0, schedule):
    abar, noise = schedule.alphas_cumprod, torch.randn(x0.shape, generator=seeded(1))
    together, _ = forward(x0, torch.tensor([20, 800]), abar, noise=noise)
    apart = [forward(x0[i : i + 1], t, abar, noise=noise[i : i + 1])[0] for i, t in enumerate([20, 800])]
    assert torch.equal(together, torch.cat(apart))


@pytest.mark.parametrize("t", [0, 250, 750, torch.tensor([10, 900])])
def test_estimate_x0_inverts_forward(x0, schedule, t):
    x_t, eps = forward(x0, t, schedule.alphas_cumprod, generator=seeded())
    # dividing by √abar (0.16 at t = 900) makes the round-off of x_t that much larger
    torch.testing.assert_close(estimate_x0(x_t, t, eps, schedule.alphas_cumprod), x0, atol=1e-5, rtol=0)


# ---- one step, against diffusers


LISTS = {
    "34 strided": {"timesteps": strided_timesteps(34)},
    "150 strided": {"timesteps": strided_timesteps(150)},
    "uneven": {"timesteps": [999, 700, 699, 350, 20, 3, 0]},
    "50 of diffusers": {"num_inference_steps": 50},
    "27 of diffusers": {"num_inference_steps": 27},
    "all 1000": {"num_inference_steps": 1000},
}


def wavy(schedule, x_t, t):
    """A network's 2C channels for x_t: plausible noise for three images of small, usual and excessive contrast."""
    contrast = torch.tensor([0.3, 0.8, 3.0]).view(-1, 1, 1, 1)  # thresholds below 1, between, and above 1.5
    eps, _ = Gaussian(schedule, torch.tensor(0.2), contrast, x_t.shape[1:])(x_t, t, ())
    off = 0.1 * schedule.alphas_cumprod[t].sqrt() * torch.sin(5 * x_t)  # and x0_hat off by at most 0.1
    return eps + off, torch.sin(3 * x_t + t)


def diffusers_ddpm(timesteps, schedule, **config):
    scheduler = DDPMScheduler(trained_betas=schedule.betas.numpy(), clip_sample=False, **config)
    scheduler.set_timesteps(**timesteps)
    return scheduler


@pytest.mark.parametrize("thresholding", [False, True], ids=["plain", "thresholding"])
@pytest.mark.parametrize("variance_type", ["learned_range", "fixed_small"])
@pytest.mark.parametrize("timesteps", LISTS.values(), ids=LISTS)
def test_ddpm_step_is_diffusers(schedule, timesteps, variance_type, thresholding):
    theirs = diffusers_ddpm(
        timesteps,
        schedule,
        variance_type=variance_type,
        thresholding=thresholding,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=1.5,
    )
    our_noise, their_noise = seeded(5), seeded(5)
    x_t = torch.randn(3, 3, 8, 8, generator=seeded(6))
    visited = theirs.timesteps.tolist()
    assert visited[-1] == 0
    for t, s in zip(visited, [*visited[1:], None]):
        eps, var = wavy(schedule, x_t, t)
        var = var if variance_type == "learned_range" else None
        x0_hat = estimate_x0(x_t, t, eps, schedule.alphas_cumprod)
        if thresholding:
            x0_hat = dynamic_threshold(x0_hat)
        x_s = ddpm_step(x_t, x0_hat, t, s, schedule, var=var, generator=our_noise)
        output = eps if var is None else torch.cat([eps, var], dim=1)
        wanted = theirs.step(output, t, x_t, generator=their_noise).prev_sample
        torch.testing.assert_close(x_s, wanted, atol=1e-5, rtol=0, msg=lambda m, t=t, s=s: f"{t} -> {s}: {m}")
        x_t = x_s


@pytest.mark.parametrize("steps", [10, 27, 50, 1000])
def test_ddim_step_is_diffusers(schedule, steps):
    theirs = DDIMScheduler(trained_betas=schedule.betas.numpy(), clip_sample=False)
    theirs.set_timesteps(steps)
    x_t = torch.randn(3, 3, 8, 8, generator=seeded(6))
    visited = theirs.timesteps.tolist()
    assert visited[-1] == 0
    for t, s in zip(visited, [*visited[1:], None]):
        eps, _ = wavy(schedule, x_t, t)
        x_s = ddim_step(x_t, estimate_x0(x_t, t, eps, schedule.alphas_cumprod), t, s, schedule)
        wanted = theirs.step(eps, t, x_t, eta=0.0).prev_sample
        torch.testing.assert_close(x_s, wanted, atol=1e-5, rtol=0, msg=lambda m, t=t, s=s: f"{t} -> {s}: {m}")
        x_t = x_s


# ---- one step, against what it should mean


@pytest.mark.parametrize("t, s", [(990, 960), (500, 499), (300, 30), (30, 0)])
def test_a_ddpm_step_from_the_true_x0_lands_on_the_forward_process(schedule, t, s):
    x0 = torch.full((4, 3, 128, 128), 0.7)
    x_t, _ = forward(x0, t, schedule.alphas_cumprod, generator=seeded(1))
    x_s = ddpm_step(x_t, x0, t, s, schedule, generator=seeded(2))
    abar_s = schedule.alphas_cumprod[s].item()
    mean, std, n = 0.7 * abar_s**0.5, (1 - abar_s) ** 0.5, x_s.numel()
    assert abs(x_s.mean().item() - mean) < 4 * std / n**0.5  # four standard errors
    assert abs(x_s.std().item() - std) < 4 * std / (2 * n) ** 0.5


@pytest.mark.parametrize("t, s", [(990, 960), (500, 499), (30, 0)])
def test_a_ddim_step_from_the_true_x0_keeps_the_noise(x0, schedule, t, s):
    x_t, eps = forward(x0, t, schedule.alphas_cumprod, generator=seeded(1))
    wanted, _ = forward(x0, s, schedule.alphas_cumprod, noise=eps)
    torch.testing.assert_close(ddim_step(x_t, x0, t, s, schedule), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("step", [ddpm_step, ddim_step])
@pytest.mark.parametrize("t", [0, 30])
def test_the_last_step_is_the_estimate_itself(x0, x_t, schedule, step, t):
    assert torch.equal(step(x_t, x0, t, None, schedule, generator=seeded()), x0)


@pytest.mark.parametrize("step", [ddpm_step, ddim_step])
def test_timesteps_may_come_from_a_tensor(x0, x_t, schedule, step):
    t, s = torch.tensor([30, 0])
    wanted = step(x_t, x0, 30, 0, schedule, generator=seeded())
    assert torch.equal(step(x_t, x0, t, s, schedule, generator=seeded()), wanted)


def test_dynamic_threshold_by_hand():
    ramp = torch.linspace(0, 1, 101) * torch.tensor([1, -1]).repeat(51)[:101]  # the 0.95 quantile of |ramp| is 0.95
    images = torch.stack([0.8 * ramp, 1.3 * ramp, 10 * ramp]).view(3, 1, 1, 101)
    tame, wild, wilder = dynamic_threshold(images).view(3, 101)
    assert torch.equal(tame, 0.8 * ramp)
    torch.testing.assert_close(wild, (1.3 * ramp).clamp(-1.235, 1.235) / 1.235)
    torch.testing.assert_close(wilder, (10 * ramp).clamp(-1.5, 1.5) / 1.5)


# ---- an analytic denoiser is sampled back to its own mean and variance

MEAN = torch.tensor([-0.4, 0.0, 0.3]).view(3, 1, 1)
STD = torch.tensor([0.5, 0.25, 0.1]).view(3, 1, 1)


def assert_moments(x0, mean_bias, std_bias):
    """Mean and std of each channel are right up to four standard errors, and the bias of a finite list of steps."""
    n = x0.numel() / 3
    mean, std = x0.mean((0, 2, 3)), x0.std((0, 2, 3))
    assert ((mean - MEAN.flatten()).abs() < 4 * STD.flatten() / n**0.5 + mean_bias).all(), mean
    assert ((std - STD.flatten()).abs() < STD.flatten() * (4 / (2 * n) ** 0.5 + std_bias)).all(), std


@pytest.mark.parametrize("timesteps", [strided_timesteps(34), [980, 600, 90, 0]], ids=["34 steps", "4 steps"])
def test_gaussian_is_recovered_in_a_few_steps_when_the_variance_is_known(schedule, timesteps):
    # With the exact variance of every stride the chain has no bias, but for two: it starts from N(0, 1) where
    # √abar mean is 0.03 · 0.4 at most (and is forgotten), and the last step, which adds no noise, leaves out
    # Var(x0 | x_t) at t = 0, a share (1 - abar_0) / std² = 0.004 of the variance of the third channel.
    denoiser = Gaussian(schedule, MEAN, STD, (3, 64, 64), timesteps)
    x0 = final(sample(denoiser, (), timesteps=timesteps, batch_size=48, generator=seeded(1)), progress=False)
    assert_moments(x0, mean_bias=1e-4, std_bias=0.0025)


@pytest.mark.parametrize(
    "name, step, std_bias",
    [
        ("cosine", ddpm_step, 0.020),
        ("linear", ddpm_step, 0.037),
        ("cosine", ddim_step, 0.0085),
        ("linear", ddim_step, 0.017),
    ],
)
def test_gaussian_is_recovered_in_all_1000_steps(name, step, std_bias):
    # Without the learned variance a ddpm_step takes beta-tilde, which is right for one x0 but not for many, and a
    # ddim_step is a first-order solver: either loses std in proportion to the stride. Every step is linear, so mean
    # and variance can be carried through all 1000 in closed form: that gives std_bias, for the smallest STD (0.1).
    # The same sum has DDIM's mean of -0.4 off by 0.0013 on the linear schedule, whose abar ends at 4e-5, not at 0.
    denoiser = Gaussian(getattr(NoiseSchedule, name)(), MEAN, STD, (3, 32, 32))
    steps = sample(denoiser, (), timesteps=strided_timesteps(1000), batch_size=16, step=step, generator=seeded(1))
    assert_moments(final(steps, progress=False), mean_bias=0.0013, std_bias=std_bias)


def test_more_steps_come_closer_to_the_gaussian(schedule):
    denoiser = Gaussian(schedule, MEAN, STD, (3, 32, 32))
    errors = []
    for steps in (10, 34, 200):
        timesteps = strided_timesteps(steps)
        x0 = final(sample(denoiser, (), timesteps=timesteps, batch_size=8, generator=seeded(1)), progress=False)
        errors.append((x0.std((0, 2, 3)) - STD.flatten()).abs().max().item())
    assert errors[0] > errors[1] > errors[2]


# ---- the loop


def test_steps_follow_the_list_and_hand_over(toy, x_t, conds):
    steps = list(denoise(toy, x_t, TIMESTEPS, conds[0], generator=seeded()))
    assert [step.t for step in steps] == TIMESTEPS
    assert [step.s for step in steps] == [*TIMESTEPS[1:], None]
    assert steps[0].x_t is x_t
    assert all(torch.equal(a.x_s, b.x_t) for a, b in pairwise(steps))
    assert torch.equal(steps[-1].x_s, steps[-1].x0_hat)


def test_a_step_holds_what_it_was_made_from(toy, x_t, conds):
    noise = seeded()
    for t, s, x, eps, x0_hat, x_s in denoise(toy, x_t, TIMESTEPS, conds[0], generator=seeded()):
        prediction = toy(x, t, conds[0])
        assert torch.equal(eps, prediction.eps)
        assert torch.equal(x0_hat, estimate_x0(x, t, eps, toy.schedule.alphas_cumprod))
        assert torch.equal(x_s, ddpm_step(x, x0_hat, t, s, toy.schedule, var=prediction.var, generator=noise))


def test_a_network_without_learned_variance_gets_beta_tilde(x_t, conds):
    toy = Toy(learns_variance=False)
    first = next(denoise(toy, x_t, [500, 200, 0], conds[0], generator=seeded()))
    smallest = torch.full_like(x_t, -1)
    wanted = ddpm_step(x_t, first.x0_hat, 500, 200, toy.schedule, var=smallest, generator=seeded())
    torch.testing.assert_close(first.x_s, wanted, atol=1e-5, rtol=0)


def test_one_network_call_per_step(toy, x_t, conds):
    list(denoise(toy, x_t, TIMESTEPS, conds[0], generator=seeded()))
    assert toy.calls == len(TIMESTEPS)


def test_the_whole_loop_is_diffusers(toy, x_t, conds):
    theirs = diffusers_ddpm({"timesteps": TIMESTEPS}, toy.schedule, variance_type="learned_range")
    noise, x = seeded(8), x_t
    for t in theirs.timesteps.tolist():
        x = theirs.step(torch.cat(toy(x, t, conds[0]), dim=1), t, x, generator=noise).prev_sample
    ours = final(denoise(toy, x_t, TIMESTEPS, conds[0], generator=seeded(8)), progress=False)
    torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-5)  # the round-off of 12 steps


def test_sample_starts_from_the_generator_s_noise(toy, conds):
    first = next(sample(toy, conds[0], timesteps=TIMESTEPS, batch_size=3, generator=seeded(4)))
    assert first.t == TIMESTEPS[0]
    assert torch.equal(first.x_t, torch.randn(3, *toy.image_shape, generator=seeded(4)))


def test_sample_makes_one_image_unless_told(toy, conds):
    assert final(sample(toy, conds[0], timesteps=TIMESTEPS), progress=False).shape == (1, 3, 16, 16)


def test_sample_passes_the_loop_s_options_on(toy, conds):
    options = {"step": ddim_step, "threshold": dynamic_threshold}
    steps = list(sample(toy, conds[0], timesteps=TIMESTEPS, generator=seeded(), **options))
    wanted = list(denoise(toy, steps[0].x_t, TIMESTEPS, conds[0], **options))
    assert torch.equal(steps[-1].x_s, wanted[-1].x_s)


def test_another_step_function_takes_its_place(toy, x_t, conds):
    for t, s, x, _, x0_hat, x_s in denoise(toy, x_t, TIMESTEPS, conds[0], step=ddim_step):
        assert torch.equal(x_s, ddim_step(x, x0_hat, t, s, toy.schedule))


def test_ddim_needs_no_generator(toy, x_t, conds):
    a, b = (final(denoise(toy, x_t, TIMESTEPS, conds[0], step=ddim_step), progress=False) for _ in range(2))
    assert torch.equal(a, b)


def test_threshold_is_applied_to_the_estimate_before_the_step(toy, x_t, conds):
    for t, s, x, eps, x0_hat, x_s in denoise(
        toy, x_t, TIMESTEPS, conds[0], step=ddim_step, threshold=dynamic_threshold
    ):
        raw = estimate_x0(x, t, eps, toy.schedule.alphas_cumprod)
        assert torch.equal(x0_hat, dynamic_threshold(raw))
        assert torch.equal(x_s, ddim_step(x, x0_hat, t, s, toy.schedule))
        assert x0_hat.abs().max() <= 1


def test_the_estimate_is_left_alone_by_default(toy, x_t, conds):
    assert next(denoise(toy, x_t, TIMESTEPS, conds[0])).x0_hat.abs().max() > 1


def test_constrain_has_the_last_word_on_every_step(toy, x_t, conds):
    seen = []

    def halve(x_s, s):
        seen.append((x_s, s))
        return x_s / 2

    for step in denoise(toy, x_t, TIMESTEPS, conds[0], constrain=halve, generator=seeded()):
        x_s, s = seen[-1]
        assert s == step.s
        assert torch.equal(step.x_s, x_s / 2)
    assert len(seen) == len(TIMESTEPS)


@pytest.mark.parametrize("progress", [False, True])
def test_final_is_the_last_image(toy, x_t, conds, progress):
    steps = list(denoise(toy, x_t, TIMESTEPS, conds[0], generator=seeded()))
    assert torch.equal(final(iter(steps), progress=progress), steps[-1].x_s)


def test_the_bar_of_final_ends_full(toy, x_t, conds, monkeypatch, capfd):
    bars = []

    def remembered(**options):
        bars.append(tqdm(**options))
        return bars[-1]

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(sampling, "tqdm", remembered)
    final(denoise(toy, x_t, TIMESTEPS, conds[0]))
    assert bars[0].n == bars[0].total == TIMESTEPS[0] + 1
    assert "denoising" in capfd.readouterr().err


@pytest.mark.parametrize("environment, progress", [("", False), ("1", True)])
def test_final_shows_no_bar_when_told(toy, x_t, conds, monkeypatch, capfd, environment, progress):
    monkeypatch.setenv("TQDM_DISABLE", environment)
    final(denoise(toy, x_t, TIMESTEPS, conds[0]), progress=progress)
    assert capfd.readouterr().err == ""


def test_final_says_that_a_generator_runs_only_once(toy, x_t, conds):
    steps = denoise(toy, x_t, TIMESTEPS, conds[0])
    final(steps, progress=False)
    with pytest.raises(ValueError, match=r"no steps were given.*runs only once"):
        final(steps, progress=False)


# ---- same seed, same image; nothing else changes

RUNS = {
    "denoise": lambda toy, x0, cond, g: denoise(toy, 2 * x0, TIMESTEPS, cond, generator=g),
    "sample": lambda toy, x0, cond, g: sample(toy, cond, timesteps=TIMESTEPS, batch_size=2, generator=g),
    "sdedit": lambda toy, x0, cond, g: sdedit(toy, x0, cond, timesteps=TIMESTEPS, i_start=3, generator=g),
    "inpaint": lambda toy, x0, cond, g: inpaint(toy, x0, torch.eye(16).round(), cond, timesteps=TIMESTEPS, generator=g),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_same_seed_same_image_bit_for_bit(toy, x0, conds, run):
    torch.manual_seed(0)
    a = final(run(toy, x0, conds[0], seeded(7)), progress=False)
    torch.manual_seed(1)  # the global state is not consulted
    b = final(run(toy, x0, conds[0], seeded(7)), progress=False)
    other = final(run(toy, x0, conds[0], seeded(8)), progress=False)
    assert torch.equal(a, b)
    assert not torch.equal(a, other)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_the_global_random_state_is_not_touched(toy, x0, conds, run):
    before = torch.get_rng_state()
    final(run(toy, x0, conds[0], seeded(7)), progress=False)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_no_grad_holds_inside_a_step_and_not_between_steps(toy, x0, conds, run):
    toy.weight.requires_grad_()
    for step in run(toy, x0, conds[0], seeded(7)):
        assert torch.is_grad_enabled()
        assert not step.eps.requires_grad and not step.x_s.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_inputs_are_never_changed(toy, x0, conds, run):
    before = x0.clone(), conds[0].clone()
    steps = list(run(toy, x0, conds[0], seeded(7)))
    images = [step.x_s.clone() for step in steps[:-1]]
    assert torch.equal(x0, before[0]) and torch.equal(conds[0], before[1])
    assert all(torch.equal(image, step.x_t) for image, step in zip(images, steps[1:]))


@pytest.mark.parametrize("step", [ddpm_step, ddim_step])
def test_steps_never_change_their_inputs(x0, x_t, schedule, step):
    var = torch.zeros_like(x_t)
    before = [x.clone() for x in (x0, x_t, var, schedule.alphas_cumprod)]
    step(x_t, x0, 500, 200, schedule, var=var, generator=seeded())
    assert all(torch.equal(x, old) for x, old in zip((x0, x_t, var, schedule.alphas_cumprod), before))


def test_forward_estimate_and_threshold_never_change_their_inputs(x0, schedule):
    noise = torch.randn(x0.shape, generator=seeded())
    before = x0.clone(), noise.clone()
    forward(x0, 500, schedule.alphas_cumprod, noise=noise)
    estimate_x0(x0, 500, noise, schedule.alphas_cumprod)
    dynamic_threshold(x0)
    dynamic_threshold(noise)
    assert torch.equal(x0, before[0]) and torch.equal(noise, before[1])
