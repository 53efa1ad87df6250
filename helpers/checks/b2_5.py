"""Exercise of notebook B 2.5: sampling with classifier-free guidance."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from .exercise import Exercise, Mistake, alike
from .references import GUIDANCE_MISTAKES
from .samplers import DIGIT_MISTAKES, probe_digits

__all__ = ["EXERCISES"]


def probe_classes(student):
    yield from probe_digits(student, classes=True)


@torch.no_grad()
def sample_classes(network, schedule, c, gamma, *, generator=None):
    network.eval()
    count, T = len(c), schedule.T
    draw = torch.randn
    x = draw((count, 1, 28, 28), generator=generator)
    for t in range(T - 1, -1, -1):
        beta, abar = schedule.betas[t], schedule.alphas_cumprod[t]
        t01 = torch.full((count, 1), t / T)
        eps_c, eps_u = network(x, t01, c), network(x, t01, torch.zeros_like(c))
        eps = eps_u + gamma * (eps_c - eps_u)
        mean = (x - beta / (1 - abar).sqrt() * eps) / (1 - beta).sqrt()
        z = draw(x.shape, generator=generator)
        x = mean + beta.sqrt() * z if t > 0 else mean
    return x


EXERCISES = [
    Exercise(
        name="sample_classes",
        notebook="b2_5",
        kit="helpers.digits.sample_classes",
        task="Write the sampler of 2.3 with guidance: at every step predict with the class and without it.",
        look="With gamma = 1 it has to be the plain sampler that is told the class; with gamma = 0 the class must not "
        "matter.",
        probe=probe_classes,
        right=sample_classes,
        mistakes=(
            *GUIDANCE_MISTAKES,
            Mistake("guided noise clamped", "eps_u + gamma * (eps_c - eps_u)", "(eps_u + gamma * (eps_c - eps_u)).clamp(-1, 1)",
                    "The guided noise is clamped to [-1, 1]. Noise is not an image, and has to exceed this range."),
            Mistake("any digit as every other class", "torch.zeros_like(c)", "1 - c",
                    "For \"any digit\" the network receives every class but the one that is asked for. It has never seen such a c: in training a class that was dropped was all zeros."),
            Mistake("no guidance", "eps_c, eps_u = network(x, t01, c), network(x, t01, torch.zeros_like(c))\n        eps = eps_u + gamma * (eps_c - eps_u)", "eps = network(x, t01, c)",
                    "The network is never called without the class: there is no ε_u, and so no guidance."),
            Mistake("any digit as class 0", "torch.zeros_like(c)", "torch.eye(10)[:1].expand(count, 10)",
                    "For \"any digit\" the network receives class 0, the digit zero. No class is all zeros."),
            *alike("any digit as every class", "For \"any digit\" the network receives a share of every class, the same for each. It has never seen such a c: in training a class that was dropped was all zeros.",
                   ("torch.zeros_like(c)", "torch.full_like(c, 0.1)"), ("torch.zeros_like(c)", "torch.ones_like(c)")),
            *DIGIT_MISTAKES,
        ),
    )
]  # fmt: skip
