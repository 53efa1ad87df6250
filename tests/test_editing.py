import pytest
import torch
from toys import Toy, seeded

from helpers.editing import inpaint, sdedit
from helpers.sampling import ddim_step, ddpm_step, denoise, draw_noise, dynamic_threshold, final, forward, renoise
from helpers.schedule import strided_timesteps

pytestmark = pytest.mark.usefixtures("one_thread")
TIMESTEPS = strided_timesteps(12)


# ---- SDEdit


@pytest.mark.parametrize("i_start", [0, 1, 7, 11])
def test_sdedit_is_denoising_from_the_noised_image(toy, x0, conds, i_start):
    steps = list(sdedit(toy, x0, conds[0], timesteps=TIMESTEPS, i_start=i_start, generator=seeded()))
    noise = seeded()
    x_t, _ = forward(x0, TIMESTEPS[i_start], toy.schedule.alphas_cumprod, generator=noise)
    wanted = list(denoise(toy, x_t, TIMESTEPS[i_start:], conds[0], generator=noise))
    assert [step.t for step in steps] == TIMESTEPS[i_start:]
    assert torch.equal(steps[0].x_t, x_t)
    assert torch.equal(steps[-1].x_s, wanted[-1].x_s)


def test_sdedit_passes_the_loop_s_options_on(toy, x0, conds):
    options = {"step": ddim_step, "threshold": dynamic_threshold, "constrain": lambda x_s, s: x_s.clamp(-2, 2)}
    steps = list(sdedit(toy, x0, conds[0], timesteps=TIMESTEPS, i_start=5, generator=seeded(), **options))
    wanted = list(denoise(toy, steps[0].x_t, TIMESTEPS[5:], conds[0], **options))
    assert torch.equal(steps[-1].x_s, wanted[-1].x_s)


# ---- inpainting


MASKS = {
    "(H, W)": torch.rand(16, 16, generator=seeded(2)).round(),
    "(1, 1, H, W)": torch.rand(1, 1, 16, 16, generator=seeded(3)).round(),
    "(B, C, H, W)": torch.rand(2, 3, 16, 16, generator=seeded(4)).round(),
    "bool": torch.rand(16, 16, generator=seeded(5)) > 0.5,
    "integer": torch.randint(2, (16, 16), generator=seeded(6)),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_inpainting_keeps_kept_pixels_exactly_and_repaints_the_others(toy, x0, conds, mask):
    before = mask.clone()
    result = final(inpaint(toy, x0, mask, conds[0], timesteps=TIMESTEPS, generator=seeded()), progress=False)
    repainted = mask.bool().expand_as(x0)
    assert torch.equal(result[~repainted], x0[~repainted])
    assert (result[repainted] != x0[repainted]).all()
    assert torch.equal(mask, before)


def test_nothing_is_kept_where_the_mask_is_1_everywhere(toy, x0, conds):
    result = final(inpaint(toy, x0, torch.ones(16, 16), conds[0], timesteps=TIMESTEPS), progress=False)
    assert (result != x0).all()


def test_inpainting_starts_from_pure_noise(toy, x0, conds):
    first = next(inpaint(toy, x0, MASKS["(H, W)"], conds[0], timesteps=TIMESTEPS, generator=seeded()))
    assert torch.equal(first.x_t, draw_noise(x0.shape, seeded(), x0.device))


def test_after_each_step_the_kept_part_is_the_original_noised_to_s(conds):
    toy, x_orig = Toy((3, 64, 64)), torch.full((1, 3, 64, 64), 0.5)
    mask = torch.zeros(64, 64)
    mask[:, :8] = 1
    n = 3 * 64 * 56
    for step in inpaint(toy, x_orig, mask, conds[0], timesteps=TIMESTEPS, generator=seeded()):
        if step.s is not None:
            abar_s = toy.schedule.alphas_cumprod[step.s].item()
            noise = (step.x_s[..., 8:] - 0.5 * abar_s**0.5) / (1 - abar_s) ** 0.5
            assert abs(noise.mean().item()) < 4 / n**0.5  # four standard errors
            assert abs(noise.std().item() - 1) < 4 / (2 * n) ** 0.5


def test_the_noise_of_the_kept_part_is_fresh_at_every_step(toy, x0, conds):
    mask = torch.zeros(16, 16)
    noises = []
    for step in list(inpaint(toy, x0, mask, conds[0], timesteps=TIMESTEPS, generator=seeded()))[:-1]:
        abar_s = toy.schedule.alphas_cumprod[step.s]
        noises.append((step.x_s - abar_s.sqrt() * x0) / (1 - abar_s).sqrt())
    correlation = torch.corrcoef(torch.stack(noises).flatten(1)).fill_diagonal_(0)
    assert correlation.abs().max() < 5 / x0.numel() ** 0.5  # five standard errors, since there are 55 pairs


def test_inpainting_repaints_what_denoising_would_paint(toy, x0, conds):
    steps = inpaint(toy, x0, MASKS["(H, W)"], conds[0], timesteps=TIMESTEPS, generator=seeded(), step=ddim_step)
    repainted = MASKS["(H, W)"].bool().expand_as(x0)
    for t, s, x_t, _, x0_hat, x_s in steps:
        wanted = ddim_step(x_t, x0_hat, t, s, toy.schedule)
        assert torch.equal(x_s[repainted], wanted[repainted])


# ---- resampling


def test_resampling_is_repaints_algorithm(toy, x0, conds):
    """Written out from Lugmayr et al. 2022, algorithm 1, for strided timesteps."""
    mask, n = MASKS["(H, W)"], 3
    result = final(
        inpaint(toy, x0, mask, conds[0], timesteps=TIMESTEPS, resample=n, generator=seeded()), progress=False
    )

    generator, abar = seeded(), toy.schedule.alphas_cumprod
    x = torch.randn(x0.shape, generator=generator)
    for t, s in zip(TIMESTEPS, [*TIMESTEPS[1:], None]):
        for u in range(n if s is not None else 1):
            if u > 0:
                alpha = abar[t] / abar[s]
                x = alpha.sqrt() * x + (1 - alpha).sqrt() * torch.randn(x0.shape, generator=generator)
            eps, var = toy(x, t, conds[0])
            x0_hat = (x - (1 - abar[t]).sqrt() * eps) / abar[t].sqrt()
            unknown = ddpm_step(x, x0_hat, t, s, toy.schedule, var=var, generator=generator)
            known = x0 if s is None else forward(x0, s, abar, generator=generator)[0]
            x = mask * unknown + (1 - mask) * known
    torch.testing.assert_close(result, x, rtol=0, atol=1e-5)
    assert torch.equal(result[~mask.bool().expand_as(x0)], x0[~mask.bool().expand_as(x0)])


def test_resampling_once_is_the_courses_method_and_more_yields_as_many_steps(toy, x0, conds):
    def steps(**options):
        return list(inpaint(toy, x0, MASKS["(H, W)"], conds[0], timesteps=TIMESTEPS, generator=seeded(), **options))

    assert torch.equal(steps()[-1].x_s, steps(resample=1)[-1].x_s)
    assert [step.t for step in steps(resample=4)] == TIMESTEPS
    assert not torch.equal(steps()[-1].x_s, steps(resample=4)[-1].x_s)


def test_renoised_images_are_distributed_as_noised_ones(schedule):
    s, t = 200, 700
    x_s, _ = forward(torch.full((64, 1, 32, 32), 0.8), s, schedule.alphas_cumprod, generator=seeded())
    x_t = renoise(x_s, s, t, schedule.alphas_cumprod, generator=seeded(1))
    abar_t = schedule.alphas_cumprod[t]
    assert x_t.mean() == pytest.approx(0.8 * abar_t.sqrt().item(), abs=0.02)
    assert x_t.std() == pytest.approx((1 - abar_t).sqrt().item(), abs=0.02)


@pytest.mark.parametrize("resample", [0, 1.5, "2"])
def test_resample_must_be_a_positive_integer(toy, x0, conds, resample):
    with pytest.raises((TypeError, ValueError), match="resample is"):
        inpaint(toy, x0, MASKS["(H, W)"], conds[0], timesteps=TIMESTEPS, resample=resample)
