"""Exercise of notebook 1.6: classifier-free guidance."""

# ruff: noqa: E501 (one mistake, two lines)

import torch  # noqa: F401 (in a mistake)

from ..denoisers import Prediction
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .references import GUIDANCE_MISTAKES
from .toys import Toy, ask, conds, noise

__all__ = ["EXERCISES"]


def probe_guided(student):
    x_t = noise(2, 3, 16, 16, seed=121)
    for gamma, count in ((7.0, 1), (1.0, 1), (0.0, 2), (-2.0, 2)):
        denoiser = student(f"gamma = {gamma:g}", Toy(), gamma)
        case = f"gamma = {gamma:g}, {count} condition{'s' * (count > 1)} for two images"
        eps, var = ask(student, denoiser, case, x_t, 30, conds(count))
        yield Measured("eps", eps)
        yield Measured("var", var)
    denoiser = student("a network without learned variance", Toy(learns_variance=False), 7.0)
    eps, var = ask(student, denoiser, "a network without learned variance", x_t, 30, conds())
    yield Measured("eps", eps)
    yield Measured("var", var)


class Guided:
    def __init__(self, denoiser, gamma):
        self.denoiser, self.gamma = denoiser, gamma

    def __call__(self, x_t, t, cond):
        gamma = self.gamma
        eps_u, var_u = self.denoiser(x_t, t, self.denoiser.unconditional(cond))  # noqa: RUF059 (in a mistake)
        eps_c, var_c = self.denoiser(x_t, t, cond)
        return Prediction(eps_u + gamma * (eps_c - eps_u), var_c)


EXERCISES = [
    Exercise(
        name="guided",
        notebook="a1_6",
        kit="helpers.denoisers.Guided",
        task="Predict with the condition and with the empty one, and extrapolate with γ; var is that of the prediction "
        "with the condition.",
        look="With γ = 1 it has to be the plain prediction with the condition, with γ = 0 the one without.",
        probe=probe_guided,
        right=Guided,
        blank=("__call__",),
        mistakes=(
            *GUIDANCE_MISTAKES,
            Mistake("sign of the difference", "eps_u + gamma", "eps_u - gamma",
                    "The difference is subtracted: this moves away from the prompt."),
            Mistake("variance of the unconditional half", ", var_c)", ", var_u)",
                    "var is the unconditional prediction's. Take it from the half that knows the condition."),
            *alike("variance guided too", "var is extrapolated like eps. Extrapolating a variance makes no sense: take it from the conditional half.",
                   (", var_c)", ", var_u + gamma * (var_c - var_u))"),
                   (", var_c)", ", var_c if var_c is None else var_u + gamma * (var_c - var_u))")),
            *alike("variance averaged", "var is the mean of both. Take it from the half that knows the condition.",
                   (", var_c)", ", (var_u + var_c) / 2)"), (", var_c)", ", var_c if var_c is None else (var_u + var_c) / 2)")),
            Mistake("variance left out", ", var_c)", ", None)",
                    "var is None, although the network has learned one: take it from the conditional half."),
            Mistake("zeros for the empty condition", "self.denoiser.unconditional(cond)", "torch.zeros_like(cond)",
                    "The empty condition is all zeros. For a text model, it is the embedding of \"\": use denoiser.unconditional(cond)."),
            *alike("the network told another time", "The network receives another timestep than t.",
                   ("eps_u, var_u = self.denoiser(x_t, t,", "t = 0\n        eps_u, var_u = self.denoiser(x_t, t,"),
                   ("eps_u, var_u = self.denoiser(x_t, t,", "eps_u, var_u = self.denoiser(x_t, 0,")),
        ),
    )
]  # fmt: skip
