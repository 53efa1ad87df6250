"""paint: the sampling chain that the making of both models shares."""

import torch
from toys import seeded

from helpers.denoisers import guided
from helpers.sampling import ddim_step, dynamic_threshold, final, sample
from helpers.schedule import strided_timesteps
from making.sampling import paint


def test_it_is_the_course_s_chain(toy, conds):
    cond = torch.cat(conds)
    options = {"threshold": dynamic_threshold, "step": ddim_step}
    steps = sample(guided(toy, 5), cond, timesteps=strided_timesteps(20), batch_size=4, generator=seeded(3), **options)
    painted = paint(guided(toy, 5), cond, 4, steps=20, generator=seeded(3), **options)
    assert torch.equal(painted, final(steps, progress=False))


def test_without_a_generator_the_noise_is_always_the_same(toy, conds):
    first, second = (paint(toy, conds[0], 2, steps=5) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(first, paint(toy, conds[0], 2, steps=5, generator=seeded(0)))
