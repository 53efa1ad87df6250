"""Exercise of notebook 1.3: the estimate of the clean image."""

# ruff: noqa: E501 (one mistake, two lines)

import torch
import torch.nn.functional as F  # noqa: F401 (in a mistake)

from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .references import forward
from .running import tensor
from .toys import images, noise, schedule

__all__ = ["EXERCISES"]


def probe_estimate(student):
    abar, eps = schedule().alphas_cumprod, noise(2, 3, 64, 64)
    guess = eps + 0.3 * noise(2, 3, 64, 64, seed=83)  # no network is perfect: so x0_hat leaves [-1, 1] in places
    for case, t in (
        *((f"t = {t}", t) for t in (20, 0, 49)),
        ("a timestep of its own for each image, t = tensor([5, 30])", torch.tensor([5, 30])),
    ):
        x_t, _ = forward(images(size=64), t, abar, noise=eps)
        yield Measured("x0_hat", tensor(student(case, x_t, t, guess, abar), "x0_hat"), low=-1.0)


def estimate_x0(x_t, t, eps, alphas_cumprod):
    abar_t = alphas_cumprod[torch.as_tensor(t)].view(-1, 1, 1, 1)
    return (x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()


EXERCISES = [
    Exercise(
        name="estimate_x0",
        notebook="a1_3",
        kit="helpers.sampling.estimate_x0",
        task="Solve the forward process for the clean image, with the predicted noise in place of the true noise.",
        look="Put x_t = √ᾱ_t x0 + √(1 − ᾱ_t) eps into your formula, on paper: the result has to be x0.",
        probe=probe_estimate,
        right=estimate_x0,
        mistakes=(
            Mistake("division by √ᾱ forgotten", " / abar_t.sqrt()", "",
                    "The noise is removed, but √ᾱ_t x0 remains: divide by √ᾱ_t."),
            Mistake("√ᾱ forgotten", "/ abar_t.sqrt()", "/ abar_t",
                    "It divides by ᾱ_t itself: the square root is missing there."),
            Mistake("√(1 − ᾱ) forgotten", "(1 - abar_t).sqrt()", "(1 - abar_t)",
                    "The noise is weighted by 1 − ᾱ_t itself: the square root is missing there."),
            Mistake("both roots forgotten", "(1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "(1 - abar_t) * eps) / abar_t",
                    "Both square roots look forgotten."),
            Mistake("multiplied instead of divided", "/ abar_t.sqrt()", "* abar_t.sqrt()",
                    "It multiplies by √ᾱ_t where it should divide: the image was scaled down, and has to be scaled up again."),
            Mistake("noise added", "x_t - (1", "x_t + (1", "The noise is added; it should be subtracted."),
            Mistake("brackets forgotten", "(x_t - (1 - abar_t).sqrt() * eps)", "x_t - (1 - abar_t).sqrt() * eps",
                    "Only the noise is divided by √ᾱ_t: brackets around the difference are missing."),
            Mistake("brackets forgotten", "(x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "x_t / abar_t.sqrt() - (1 - abar_t).sqrt() * eps",
                    "Only x_t is divided by √ᾱ_t: brackets around the difference are missing."),
            Mistake("1 − √ᾱ", "(1 - abar_t).sqrt()", "(1 - abar_t.sqrt())",
                    "The noise's weight looks like 1 − √ᾱ_t: the root is of the whole difference, √(1 − ᾱ_t)."),
            Mistake("α instead of ᾱ", "alphas_cumprod[", "(alphas_cumprod / F.pad(alphas_cumprod, (1, 0), value=1.0)[:-1])[",
                    "It looks as if α_t of a single step were used. The noise of all steps up to t is in x_t: ᾱ_t, which is alphas_cumprod[t] as it is."),
            Mistake("noise not weighted", "(1 - abar_t).sqrt() * eps", "eps",
                    "It subtracts all of eps, but x_t contains only √(1 − ᾱ_t) eps."),
            Mistake("weights exchanged", "(1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "abar_t.sqrt() * eps) / (1 - abar_t).sqrt()",
                    "√ᾱ_t and √(1 − ᾱ_t) look exchanged."),
            Mistake("clamped", "(x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "((x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()).clamp(-1, 1)",
                    "It is right, and then clamped to [-1, 1]. CS180 does not clamp it: clamp only for display."),
            *alike("ᾱ off by one", "It looks as if it used ᾱ of the timestep before. alphas_cumprod[t] belongs to t.",
                   ("torch.as_tensor(t)", "(torch.as_tensor(t) - 1).clamp(min=0)"),
                   ("torch.as_tensor(t)", "torch.as_tensor(t) - 1")),
            Mistake("ᾱ off by one", "torch.as_tensor(t)", "(torch.as_tensor(t) + 1).clamp(max=len(alphas_cumprod) - 1)",
                    "It looks as if it used ᾱ of the timestep after. alphas_cumprod[t] belongs to t."),
            Mistake("one timestep for the whole batch", "torch.as_tensor(t)", "torch.as_tensor(t).flatten()[0]",
                    "All images have the first one's timestep. If t is a tensor (B,), each image has its own: `.view(-1, 1, 1, 1)` adds the axes of images."),
        ),
    )
]  # fmt: skip
