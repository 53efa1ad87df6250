"""Flow matching: the same samples as diffusers' schedulers, as closed forms, and as the kit's own diffusion steps."""

import math
from itertools import pairwise

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from toys import Gaussian, Toy, seeded

from helpers.denoisers import Denoiser, FlowPrediction, Prediction, batch_conds, guided
from helpers.editing import inpaint, sdedit
from helpers.flow import (
    dpm_solver_2m,
    euler_sample,
    euler_step,
    from_flow,
    heun,
    interpolate,
    one_step_denoise,
    reflow_pairs,
    to_flow,
    velocity,
)
from helpers.illusions import anagram, hybrid
from helpers.models import load_model
from helpers.sampling import ddim_step, ddpm_step, denoise, dynamic_threshold, estimate_x0, final, forward, sample
from helpers.schedule import NoiseSchedule, flow_timesteps, strided_timesteps

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE = (3, 8, 8)
UNEVEN = [999, 700, 699, 350, 20, 3, 0]
LISTS = {
    "34 strided": strided_timesteps(34),
    "uneven": UNEVEN,
    "not to 0": [990, 500, 61],
    "even in u": flow_timesteps(NoiseSchedule.cosine(), 20),
    "one": [990],
}


class FlowToy(Toy):
    """A flow network in small: a velocity that differs at every pixel, with or without a condition (1 or B, C)."""

    def __init__(self, T: int = 20, image_shape=SHAPE):
        super().__init__(image_shape)
        self.schedule = NoiseSchedule.flow(T)

    def v(self, z, u, cond):
        cond = batch_conds([cond], len(z))[:, :, None, None]
        return torch.tanh(self.weight * z + self.pattern * cond + u) - 0.3 * z

    def __call__(self, x_t, t, cond):
        self.calls += 1
        z, u = to_flow(x_t, t, self.schedule)
        v = self.v(z, u, cond)
        return FlowPrediction(z - u * v, None, z + (1 - u) * v)


class GaussianFlow(Denoiser):
    """The exact velocity for images whose pixels are independent draws from N(m, sigma²); cond is ()."""

    def __init__(self, m: float, sigma: float, schedule: NoiseSchedule, image_shape=(1, 32, 32)):
        self.m, self.sigma, self.schedule, self.image_shape = m, sigma, schedule, image_shape

    def v(self, z, u):
        D = u**2 * self.sigma**2 + (1 - u) ** 2
        return self.m + (u * self.sigma**2 - (1 - u)) / D * (z - u * self.m)

    def __call__(self, x_t, t, cond):
        z, u = to_flow(x_t, t, self.schedule)
        v = self.v(z, u)
        return FlowPrediction(z - u * v, None, z + (1 - u) * v)

    def unconditional(self, cond):
        return cond


@pytest.fixture
def z():
    return torch.randn(2, *SHAPE, generator=seeded(6))


@pytest.fixture
def cond():
    return torch.randn(2, 3, generator=seeded(7))


def wavy(x_t, t, schedule):
    """A plausible eps for two images, one of which needs a threshold."""
    contrast = torch.tensor([0.8, 3.0]).view(-1, 1, 1, 1)
    eps, _ = Gaussian(schedule, torch.tensor(0.2), contrast, SHAPE)(x_t, t, ())
    return eps + 0.1 * schedule.abar(t).sqrt() * torch.sin(5 * x_t)


def close(a, b, atol):
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


# ---- the schedule, and the seam


@pytest.mark.parametrize("T", [1, 2, 50, 300, 1000, 2000])
def test_a_flow_schedule_ends_in_pure_noise_and_is_even_in_u(T):
    schedule = NoiseSchedule.flow(T)
    assert schedule.T == T and schedule.alphas_cumprod[-1] == 0 and schedule.u[-1] == 0
    close(schedule.u.double(), 1 - torch.arange(1, T + 1, dtype=torch.double) / T, 2e-5)
    assert (schedule.u.diff() < 0).all()


def test_the_last_beta_may_be_1_but_no_other():
    NoiseSchedule(torch.tensor([0.1, 1.0]))
    for betas in ([1.0, 0.5], [0.1, 1.1], [0.0, 1.0]):
        with pytest.raises(ValueError, match=r"betas has values from .*; wanted more than 0 and less than 1. Only the"):
            NoiseSchedule(torch.tensor(betas))


def test_the_courses_times_in_the_kits_timesteps():
    u = NoiseSchedule.cosine().u  # FLOW.md, section 2
    times = {793: 0.25, 495: 0.5, 198: 0.75, 986: 0.02, 972: 0.04, 958: 0.06, 928: 0.1, 895: 0.14}
    for t, wanted in times.items():
        assert abs(u[t].item() - wanted) < 0.001
        assert (u - wanted).abs().argmin() == t


@pytest.mark.parametrize("schedule", [NoiseSchedule.cosine(), NoiseSchedule.linear(300), NoiseSchedule.flow(300)])
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_flow_timesteps_are_even_in_u(schedule, steps):
    timesteps = flow_timesteps(schedule, steps)
    assert len(timesteps) == steps and timesteps[0] == (299 if schedule.u[-1] == 0 else schedule.T * 99 // 100)
    u = schedule.u[timesteps]
    even = torch.linspace(u[0].item(), 1, steps + 1)[:-1]
    assert (u - even).abs().max() < schedule.u.diff().abs().max()  # within the table's own spacing


def test_flow_timesteps_may_start_anywhere_and_cover_a_flow_schedule():
    assert flow_timesteps(NoiseSchedule.flow(50), 50) == list(range(49, -1, -1))
    assert flow_timesteps(NoiseSchedule.flow(50), 5, start=24) == [24, 19, 14, 9, 4]
    assert flow_timesteps(NoiseSchedule.cosine(), 1, start=700) == [700]


def test_a_prediction_that_carries_x0_still_unpacks_into_two():
    eps, var, x0 = torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)
    prediction = FlowPrediction(eps, var, x0)
    assert tuple(prediction) == (eps, var) and len(prediction) == 2 and isinstance(prediction, Prediction)
    assert prediction.eps is eps and prediction.var is var and prediction.x0 is x0
    assert Prediction(eps, var).x0 is None and Prediction._fields == ("eps", "var")


def test_the_loop_takes_x0_where_it_is_carried(z, cond):
    toy = FlowToy()
    for step in sample(toy, cond, timesteps=[19, 8, 0], batch_size=2, step=euler_step, generator=seeded()):
        assert torch.equal(step.x0_hat, toy(step.x_t, step.t, cond).x0)


def test_a_plain_pair_is_refused_where_abar_is_0(z):
    class Pair(FlowToy):
        def __call__(self, x_t, t, cond):
            eps, var = super().__call__(x_t, t, cond)
            return eps, var

    steps = sample(Pair(), torch.zeros(1, 3), timesteps=[19, 0])
    with pytest.raises(ValueError, match=r"t is 19, where abar is 0: .* Wanted an earlier t, or a network that"):
        final(steps, progress=False)
    with pytest.raises(ValueError, match="where abar is 0"):
        estimate_x0(z, torch.tensor([3, 19]), z, NoiseSchedule.flow(20).alphas_cumprod)
    estimate_x0(z, torch.tensor([3, 18]), z, NoiseSchedule.flow(20).alphas_cumprod)


def test_eps_networks_keep_every_bit(toy, x_t, conds):
    """Against the formulas as they stood before predictions could carry x0."""
    empty = torch.zeros_like(conds[0])
    joined = toy(torch.cat([x_t, x_t]), 300, batch_conds([empty, conds[0]], 2))
    (u, c), (_, c_var) = joined.eps.chunk(2), joined.var.chunk(2)
    for gamma in (0.5, 7.0):
        prediction = guided(toy, gamma)(x_t, 300, conds[0])
        assert torch.equal(prediction.eps, u + gamma * (c - u)) and torch.equal(prediction.var, c_var)
        assert prediction.x0 is None
    joined = toy(torch.cat([x_t, x_t.flip(-2)]), 300, batch_conds(conds[:2], 2)).eps.chunk(2)
    eps = anagram(toy, ["identity", "flip"])(x_t, 300, tuple(conds[:2])).eps
    assert torch.equal(eps, torch.stack([joined[0], joined[1].flip(-2)]).mean(dim=0))
    far, near = toy(torch.cat([x_t, x_t]), 300, batch_conds(conds[:2], 2)).eps.chunk(2)
    mix = hybrid(toy, 7)
    assert torch.equal(mix(x_t, 300, tuple(conds[:2])).eps, mix.low_pass(far) + (near - mix.low_pass(near)))
    steps = list(sample(toy, conds[0], timesteps=[600, 300, 0], generator=seeded()))
    for step in steps:
        eps = toy(step.x_t, step.t, conds[0]).eps
        assert torch.equal(step.eps, eps)
        assert torch.equal(step.x0_hat, estimate_x0(step.x_t, step.t, eps, toy.schedule.alphas_cumprod))


# ---- coordinates


@pytest.mark.parametrize("schedule", [NoiseSchedule.cosine(), NoiseSchedule.linear(), NoiseSchedule.flow()])
def test_x_t_is_a_point_on_the_line_scaled(schedule):
    x0 = torch.rand(2, *SHAPE, generator=seeded(1)) * 2 - 1
    for t in (0, 300, 999, torch.tensor([700, 999])):
        x_t, eps = forward(x0, t, schedule.alphas_cumprod, generator=seeded(2))
        z, u = to_flow(x_t, t, schedule)
        close(torch.as_tensor(u).flatten(), schedule.u[t].flatten(), 1e-7)
        close(z, interpolate(x0, u.flatten() if u.ndim else u, noise=eps)[0], 2e-6)
        close(from_flow(z, t, schedule), x_t, 2e-6)
        close(from_flow(z, t, schedule), z / (u**2 + (1 - u) ** 2).sqrt(), 2e-6)


def test_interpolate_goes_from_noise_to_the_image():
    x0 = torch.full((3, 2, 1, 1), 2.0)  # points in the plane
    z, eps = interpolate(x0, torch.tensor([0.0, 0.25, 1.0]), generator=seeded(3))
    assert torch.equal(eps, torch.randn(3, 2, 1, 1, generator=seeded(3)))
    assert torch.equal(z[0], eps[0]) and torch.equal(z[2], x0[2])
    close(z[1], 0.25 * x0[1] + 0.75 * eps[1], 1e-7)
    assert torch.equal(interpolate(x0, 1)[0], x0)


def test_the_velocity_is_the_length_of_the_line():
    schedule, x0 = NoiseSchedule.cosine(), torch.rand(2, *SHAPE, generator=seeded(1))
    for t in (60, 500, 999, torch.tensor([100, 900])):
        x_t, eps = forward(x0, t, schedule.alphas_cumprod, generator=seeded(2))
        close(velocity(x_t, x0, t, schedule), x0 - eps, 5e-5)


# ---- Euler is DDIM


@pytest.mark.parametrize("threshold", [None, dynamic_threshold], ids=["plain", "thresholded"])
@pytest.mark.parametrize("timesteps", LISTS.values(), ids=LISTS)
def test_euler_is_ddim_at_every_step_size(z, timesteps, threshold):
    schedule, x_t = NoiseSchedule.cosine(), z
    for t, s in pairwise([*timesteps, None]):
        x0_hat = estimate_x0(x_t, t, wavy(x_t, t, schedule), schedule.alphas_cumprod)
        x0_hat = x0_hat if threshold is None else threshold(x0_hat)
        x_s = euler_step(x_t, x0_hat, t, s, schedule)
        close(x_s, ddim_step(x_t, x0_hat, t, s, schedule), 1e-5)
        x_t = x_s


def test_whole_runs_of_euler_are_ddims(toy, conds):
    runs = [
        final(sample(toy, conds[0], timesteps=strided_timesteps(34), step=step, generator=seeded()), progress=False)
        for step in (euler_step, ddim_step)
    ]
    close(*runs, 5e-5 * runs[0].abs().max().item())


# ---- against diffusers


@pytest.mark.parametrize("n", [1, 5, 20, 300])
def test_euler_is_diffusers(cond, n):
    toy, scheduler = FlowToy(n), FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / n, n).tolist())
    z = torch.randn(2, *SHAPE, generator=seeded())
    for sigma, t in zip(scheduler.sigmas, scheduler.timesteps):
        z = scheduler.step(-toy.v(z, 1 - sigma, cond), t, z).prev_sample
    options = {"timesteps": range(n - 1, -1, -1), "batch_size": 2}
    for step in (euler_step, ddim_step):
        close(final(sample(toy, cond, step=step, generator=seeded(), **options), progress=False), z, 6e-6)


@pytest.mark.parametrize("timesteps", [strided_timesteps(34), [990, 700, 400, 100, 0], [990, 918, 500, 61]])
def test_dpm_solver_is_diffusers_for_an_eps_network(z, timesteps):
    schedule, ours, theirs = NoiseSchedule.cosine(), z, z
    scheduler = DPMSolverMultistepScheduler(trained_betas=schedule.betas.numpy(), final_sigmas_type="zero")
    scheduler.set_timesteps(timesteps=timesteps)
    step = dpm_solver_2m()
    for t, s in pairwise([*timesteps, None]):
        theirs = scheduler.step(wavy(theirs, t, schedule), t, theirs).prev_sample
        x0_hat = estimate_x0(ours, t, wavy(ours, t, schedule), schedule.alphas_cumprod)
        ours = step(ours, x0_hat, t, s, schedule)
        close(ours, theirs, 1e-5 * max(1, theirs.abs().max().item()))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 50])
def test_dpm_solver_is_diffusers_for_a_flow_network(cond, n):
    toy = FlowToy(n)
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, final_sigmas_type="zero"
    )
    scheduler.set_timesteps(n)
    scheduler.sigmas = torch.linspace(1, 0, n + 1)  # its own begin at 0.999
    z = torch.randn(2, *SHAPE, generator=seeded())
    for sigma, t in zip(scheduler.sigmas, scheduler.timesteps):
        z = scheduler.step(-toy.v(z, 1 - sigma, cond), t, z).prev_sample
    options = {"timesteps": range(n - 1, -1, -1), "batch_size": 2, "generator": seeded()}
    close(final(sample(toy, cond, step=dpm_solver_2m(), **options), progress=False), z, 2e-6 * z.abs().max().item())


# ---- against closed forms


@pytest.mark.parametrize("n, slope", [(1, 0.0), (10, 0.431), (100, 0.493)])
def test_a_gaussian_flow_by_euler(n, slope):
    """z at u = 1 is linear in the noise; its exact slope is sigma = 0.5, which Euler reaches from below."""
    m, flow = 0.7, GaussianFlow(0.7, 0.5, NoiseSchedule.flow(n))
    steps = list(sample(flow, (), timesteps=range(n - 1, -1, -1), step=euler_step, generator=seeded()))
    noise, x0 = steps[0].x_t, steps[-1].x_s
    close(x0, m + slope * noise, 5e-3)
    path = euler_sample(flow.v, noise, h=1 / n)
    assert len(path) == n + 1 and path[-1][0] == 1.0
    close(path[-1][1], x0, 5e-5)


def test_a_gaussian_flow_in_between():
    """The exact path is z_u = u m + √(u² sigma² + (1 - u)²) z_0."""
    m, sigma, flow = 0.7, 0.5, GaussianFlow(0.7, 0.5, NoiseSchedule.flow())
    noise = torch.randn(1, 1, 32, 32, generator=seeded())
    for u, z in euler_sample(flow.v, noise, h=0.001)[::100]:
        close(z, u * m + math.sqrt(u**2 * sigma**2 + (1 - u) ** 2) * noise, 5e-3)


def test_heun_and_dpm_solver_have_a_smaller_error_than_euler_for_as_many_calls():
    flow, errors = GaussianFlow(0.7, 0.5, NoiseSchedule.flow(420)), {}
    for name, n in (("euler", 21), ("2m", 21), ("heun", 11)):
        options = {"timesteps": flow_timesteps(flow.schedule, n), "step": SOLVERS[name][0](flow)}
        steps = list(sample(flow, (), generator=seeded(), **options))
        errors[name] = (steps[-1].x_s - 0.7 - 0.5 * steps[0].x_t).square().mean().sqrt().item()
    assert errors["2m"] < errors["euler"] / 2 and errors["heun"] < errors["euler"] / 2


SOLVERS = {
    "euler": (lambda flow: euler_step, 1),
    "2m": (lambda flow: dpm_solver_2m(), 2),
    "heun": (lambda flow: heun(flow, ()), 2),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_half_the_step_divides_the_error_by_two_to_the_order(name):
    """From u = 0.2 to 0.8, away from the ends. 2M does better here, since this x0_hat is nearly straight in lambda."""
    make, order = SOLVERS[name]
    flow, x_t = GaussianFlow(0.7, 0.5, NoiseSchedule.flow(1000)), torch.randn(1, 1, 32, 32, generator=seeded())

    def arrive(n, step):
        timesteps = [799 - 600 * i // n for i in range(n + 1)]
        return list(denoise(flow, x_t, timesteps, (), step=step))[-1].x_t

    exact = arrive(150, heun(flow, ()))
    errors = [(arrive(n, make(flow)) - exact).square().mean().sqrt().item() for n in (6, 12)]
    assert 1.8 * 2 ** (order - 1) < errors[0] / errors[1]
    assert name == "2m" or errors[0] / errors[1] < 2.2 * 2 ** (order - 1)


def test_from_pure_noise_2m_is_euler_up_to_three_calls(cond):
    for n in (1, 2, 3, 4):
        toy = FlowToy(n)
        options = {"timesteps": range(n - 1, -1, -1), "batch_size": 2}
        runs = [
            final(sample(toy, cond, step=step, generator=seeded(), **options), progress=False)
            for step in (euler_step, dpm_solver_2m())
        ]
        assert torch.allclose(*runs, atol=1e-6) == (n <= 3)


# ---- steps that call, and steps that remember


def test_heun_calls_twice_at_all_steps_but_the_last_and_thresholds_both(cond):
    toy, seen = FlowToy(), []

    def threshold(x0_hat):
        seen.append(x0_hat)
        return x0_hat.clamp(-1, 1)

    step = heun(toy, cond, threshold=threshold)
    run = list(sample(toy, cond, timesteps=[19, 12, 6, 0], batch_size=2, step=step, threshold=threshold))
    assert toy.calls == len(seen) == 7
    x_t, t, s, schedule = run[0].x_t, 19, 12, toy.schedule
    x_e = euler_step(x_t, run[0].x0_hat, t, s, schedule)
    v = velocity(x_t, run[0].x0_hat, t, schedule) + velocity(x_e, toy(x_e, s, cond).x0.clamp(-1, 1), s, schedule)
    z = to_flow(x_t, t, schedule)[0] + (schedule.u[s] - schedule.u[t]) * v / 2
    close(run[0].x_s, from_flow(z, s, schedule), 1e-6)


def test_dpm_solver_forgets_between_runs(cond):
    toy, step = FlowToy(), dpm_solver_2m()
    options = {"timesteps": range(19, -1, -1), "batch_size": 2}
    first = final(sample(toy, cond, step=step, generator=seeded(), **options), progress=False)
    for one in sample(toy, cond, step=step, generator=seeded(1), **options):
        if one.t == 10:  # abandoned
            break
    again = final(sample(toy, cond, step=step, generator=seeded(), **options), progress=False)
    assert torch.equal(first, again)


def test_dpm_solver_refuses_images_of_another_run(cond):
    toy, step = FlowToy(), dpm_solver_2m()
    options = {"timesteps": [19, 10, 5, 0], "batch_size": 2, "step": step}
    one, other = sample(toy, cond, generator=seeded(1), **options), sample(toy, cond, generator=seeded(2), **options)
    next(one), next(other)
    with pytest.raises(ValueError, match=r"x_t is not what this step returned at timestep 10: .* wanted a new one for"):
        next(one)
    with pytest.raises(ValueError, match="remembers one run"):  # abandoned at 10, and another batch size begins there
        step(torch.zeros(1, *SHAPE), torch.zeros(1, *SHAPE), 10, 5, toy.schedule)


def test_dpm_solver_serves_inpainting_which_replaces_part_of_what_it_returned(cond):
    toy, mask = FlowToy(), torch.zeros(8, 8)
    mask[:4] = 1
    x_orig = torch.rand(2, *SHAPE, generator=seeded(4)) * 2 - 1
    timesteps = range(19, -1, -1)
    runs = [
        final(inpaint(toy, x_orig, mask, cond, timesteps=timesteps, step=step, generator=seeded()), progress=False)
        for step in (dpm_solver_2m(), euler_step)
    ]
    assert not torch.equal(*runs) and all(torch.equal(run[..., 4:, :], x_orig[..., 4:, :]) for run in runs)


# ---- combinators and editors on a flow network, against velocities combined by hand


def by_hand(v, z, n=20):
    for i in range(n):
        z = z + v(z, torch.tensor(i / n)) / n
    return z


def lowpass(x):
    return hybrid(FlowToy(), 7).low_pass(x)


STACKS = {
    "guided": (lambda d: guided(d, 3), lambda v, c, e, z, u: v(z, u, e) + 3 * (v(z, u, c[0]) - v(z, u, e))),
    "anagram": (
        lambda d: anagram(d, ["identity", "rotate_90", "negate"]),
        lambda v, c, e, z, u: (
            v(z, u, c[0]) + v(z.rot90(1, (-2, -1)), u, c[1]).rot90(-1, (-2, -1)) - v(-z, u, c[2])
        ) / 3,
    ),
    "hybrid": (
        lambda d: hybrid(d, 7),
        lambda v, c, e, z, u: lowpass(v(z, u, c[0])) + v(z, u, c[1]) - lowpass(v(z, u, c[1])),
    ),
    "guided hybrid": (
        lambda d: guided(hybrid(d, 7), 3),
        lambda v, c, e, z, u: (
            lowpass(3 * v(z, u, c[0]) - 2 * v(z, u, e))
            + (3 * v(z, u, c[1]) - 2 * v(z, u, e))
            - lowpass(3 * v(z, u, c[1]) - 2 * v(z, u, e))
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STACKS)
def test_combinators_mix_velocities(name, conds):
    (stack, v), toy = STACKS[name], FlowToy()
    cond = conds[0] if name == "guided" else tuple(conds[: 3 if name == "anagram" else 2])
    empty = torch.zeros_like(conds[0])
    options = {"timesteps": range(19, -1, -1), "batch_size": 2, "generator": seeded()}
    steps = list(sample(stack(toy), cond, step=euler_step, **options))
    assert toy.calls == 20
    wanted = by_hand(lambda z, u: v(toy.v, conds, empty, z, u), steps[0].x_t)
    close(steps[-1].x_s, wanted, 2e-5)


def test_sdedit_of_a_flow_is_euler_from_the_point_in_between(cond):
    toy, x_orig = FlowToy(), torch.rand(2, *SHAPE, generator=seeded(4)) * 2 - 1
    edited = final(
        sdedit(toy, x_orig, cond, timesteps=range(19, -1, -1), i_start=8, step=euler_step, generator=seeded()),
        progress=False,
    )
    z, _ = interpolate(x_orig, 0.4, generator=seeded())
    path = euler_sample(lambda z, u: toy.v(z, torch.tensor(u), cond), z, u_start=0.4, h=0.05)
    assert len(path) == 13
    close(edited, path[-1][1], 1e-5)


@pytest.mark.parametrize("step", [euler_step, ddpm_step])
def test_inpainting_of_a_flow_keeps_pixels_to_the_last_bit(cond, step):
    x_orig, mask = torch.rand(2, *SHAPE, generator=seeded(4)) * 2 - 1, torch.zeros(8, 8)
    mask[:4] = 1
    options = {"timesteps": range(19, -1, -1), "step": step, "resample": 2, "generator": seeded()}
    out = final(inpaint(FlowToy(), x_orig, mask, cond, **options), progress=False)
    assert torch.equal(out[..., 4:, :], x_orig[..., 4:, :]) and out.isfinite().all()
    assert not torch.equal(out[..., :4, :], x_orig[..., :4, :])


# ---- Euler without the loop


@pytest.mark.parametrize("u_start, calls", [(0.0, 50), (0.5, 25), (0.93, 4), (1.0, 0)])
def test_euler_sample_shortens_its_last_step(z, u_start, calls):
    times, constant = [], torch.ones_like(z)
    path = euler_sample(lambda z, u: times.append(u) or constant, z, u_start)
    assert len(times) == calls and len(path) == calls + 1 and path[-1][0] == 1.0
    assert times == [u for u, _ in path[:-1]]
    close(path[-1][1], z + (1 - u_start), 1e-6)


# ---- guidance in an interval


def test_guidance_in_an_interval_asks_outside_only_for_the_conditional_half(toy, x_t, conds):
    sizes = []

    class Counting(Toy):
        def __call__(self, x_t, t, cond):
            sizes.append(len(x_t))
            return super().__call__(x_t, t, cond)

    denoiser = Counting()
    plain, full, within = denoiser, guided(denoiser, 7), guided(denoiser, 7, interval=(200, 600))
    for t, inside in ((199, False), (200, True), (400, True), (600, True), (601, False)):
        sizes.clear()
        prediction = within(x_t, t, conds[0])
        assert sizes == [4 if inside else 2]
        wanted = (full if inside else plain)(x_t, t, conds[0])
        assert torch.equal(prediction.eps, wanted.eps) and torch.equal(prediction.var, wanted.var)


def test_an_interval_of_everything_is_guidance_and_stacks(toy, conds):
    cond, options = tuple(conds[:2]), {"timesteps": [900, 600, 300, 0]}
    runs = [
        final(
            sample(anagram(guided(toy, 7, **interval), ["identity", "flip"]), cond, generator=seeded(), **options),
            progress=False,
        )
        for interval in ({}, {"interval": (0, 999)}, {"interval": [600, 600]})
    ]
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


# ---- one step, and reflow


def test_one_step_is_a_step_of_euler_to_the_end(z):
    def v(z, u):
        return torch.tanh(z) - u

    for u in (0.0, 0.4, 0.9):
        close(one_step_denoise(z, v(z, u), u), euler_sample(v, z, u, h=1.0)[-1][1], 1e-6)
    each = one_step_denoise(z, v(z, 0.4), torch.tensor([0.4, 1.0]))
    close(each[:1], one_step_denoise(z, v(z, 0.4), 0.4)[:1], 1e-6)
    assert torch.equal(each[1], z[1])


def test_one_step_from_pure_noise_is_the_mean_of_the_images(z):
    flow = GaussianFlow(0.7, 0.5, NoiseSchedule.flow(10))
    close(one_step_denoise(z, flow.v(z, 0.0), 0.0), torch.full_like(z, 0.7), 1e-6)


def two_clusters(z, u):
    """The exact velocity to two narrow clusters of pixels, around -1 and 1."""
    D = (0.1 * u) ** 2 + (1 - u) ** 2
    x0_hat = torch.tanh(u * z / D) * (1 - 0.01 * u**2 / D) + 0.01 * u / D * z
    return (x0_hat - z) / (1 - u)


def test_reflow_pairs_are_the_ends_of_the_flows_paths_which_never_cross():
    x0, eps = reflow_pairs(two_clusters, (400, 1, 1, 1), 0.01, generator=seeded())
    assert torch.equal(x0, euler_sample(two_clusters, eps, h=0.01)[-1][1])
    assert torch.equal(x0.flatten().argsort(), eps.flatten().argsort())  # on a line, paths that do not cross keep order
    assert abs(eps.std() - 1) < 0.1 and (x0.abs() - 1).abs().mean() < 0.15
    again = reflow_pairs(two_clusters, torch.Size([400, 1, 1, 1]), 0.01, generator=seeded())
    assert torch.equal(again[0], x0) and torch.equal(again[1], eps)


# ---- bad input

Z = torch.zeros(2, *SHAPE)
FLOW = NoiseSchedule.flow(20)
BAD = {
    "u above 1": (lambda: interpolate(Z, 1.2), r"u is 1\.2; wanted 0 to 1"),
    "u below 0": (lambda: interpolate(Z, -0.1), r"u is -0\.1; wanted 0 to 1"),
    "one u of a batch": (lambda: interpolate(Z, torch.tensor([0.5, 1.5])), "u has values from 0.5 to 1.5; wanted"),
    "as many u as images": (lambda: interpolate(Z, torch.rand(3)), r"u has shape \(3,\); wanted \(2,\), one for each"),
    "another noise": (lambda: interpolate(Z, 0.5, noise=Z[:1]), "noise has shape"),
    "u_start": (lambda: euler_sample(lambda z, u: z, Z, 1.5), r"u_start is 1\.5; wanted 0 to 1"),
    "no step": (lambda: euler_sample(lambda z, u: z, Z, h=0.0), "h is 0; wanted"),
    "no function": (lambda: euler_sample(Z, Z), "velocity is a tensor .* wanted a function"),
    "u of one step": (lambda: one_step_denoise(Z, Z, 1.5), r"u is 1\.5; wanted 0 to 1"),
    "v of one step": (lambda: one_step_denoise(Z, Z[:1], 0.5), "v has shape"),
    "a number of pairs": (lambda: reflow_pairs(lambda z, u: z, 100), "shape is 100; wanted four numbers"),
    "no pairs": (lambda: reflow_pairs(lambda z, u: z, (0, 1, 8, 8)), "a number of shape is 0; wanted"),
    "no flow": (lambda: reflow_pairs(Z, (2, 1, 8, 8)), "velocity is a tensor .* wanted a function"),
    "a velocity of another shape": (lambda: euler_sample(lambda z, u: z[:1], Z), "v, from velocity, has shape"),
    "t": (lambda: to_flow(Z, 20, FLOW), "t is 20; wanted 0 to 19"),
    "a table for a schedule": (lambda: to_flow(Z, 3, FLOW.alphas_cumprod), "wanted a NoiseSchedule"),
    "x0_hat": (lambda: velocity(Z, Z[:1], 3, FLOW), "x0_hat has shape"),
    "T": (lambda: NoiseSchedule.flow(0), "T is 0; wanted 1 to 2000"),
    "too many steps": (lambda: flow_timesteps(FLOW, 21), "steps is 21; wanted 1 to 20"),
    "steps after a start": (lambda: flow_timesteps(FLOW, 6, start=4), "steps is 6; wanted 1 to 5"),
    "start": (lambda: flow_timesteps(FLOW, 6, start=20), "start is 20; wanted 0 to 19"),
    "steps that share a timestep": (
        lambda: flow_timesteps(NoiseSchedule.cosine(), 900),
        "steps is 900, and two of them would share a timestep of this schedule; wanted fewer",
    ),
    "heun of a network": (lambda: heun(torch.nn.Linear(1, 1), ()), "wanted a Denoiser"),
    "heun's threshold": (lambda: heun(FlowToy(), torch.zeros(1, 3), threshold=1), "threshold is 1; wanted a function"),
    "an interval of one": (lambda: guided(FlowToy(), 7, interval=(3,)), r"interval is \(3,\); wanted two timesteps"),
    "an interval of levels": (lambda: guided(FlowToy(), 7, interval=(0.2, 0.8)), r"low end is 0\.2; wanted an int"),
    "an interval too long": (lambda: guided(FlowToy(), 7, interval=(0, 20)), r"high end is 20; wanted 0 to 19"),
    "an interval upside down": (lambda: guided(FlowToy(), 7, interval=(9, 3)), "with low <= high"),
}  # fmt: skip


@pytest.mark.parametrize("call, sentence", BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_a_sentence(call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call()


# ---- the bundled model


def test_minis_euler_steps_are_its_ddim_steps():
    """Guided and thresholded, from one real prediction after the other."""
    model = load_model("mini-if", device="cpu")
    schedule = model.stage_1.schedule
    options = {"timesteps": flow_timesteps(schedule, 5), "step": ddim_step, "threshold": dynamic_threshold}
    for step in sample(guided(model.stage_1, 7), model.embed("a rocket ship"), generator=seeded(), **options):
        euler = euler_step(step.x_t, step.x0_hat, step.t, step.s, schedule)
        close(euler, step.x_s, 2e-6)
        if step.s is not None:
            z, u = to_flow(step.x_t, step.t, schedule)
            by_hand = z + (schedule.u[step.s] - u) * (step.x0_hat - z) / (1 - u)
            close(to_flow(step.x_s, step.s, schedule)[0], by_hand, 2e-6)
