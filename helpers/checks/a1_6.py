"""Exercise of notebook 1.6: classifier-free guidance."""

# ruff: noqa: E501 (one mistake, two lines)

import torch  # noqa: F401 (in a mistake)

from ..denoisers import Prediction
from .exercise import Exercise, Mistake, alike
from .measured import Measured
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
        u = self.denoiser(x_t, t, self.denoiser.unconditional(cond))
        c = self.denoiser(x_t, t, cond)
        return Prediction(u.eps + self.gamma * (c.eps - u.eps), c.var)


EXERCISES = [
    Exercise(
        name="guided",
        notebook="a1_6",
        kit="helpers.denoisers.Guided",
        task="Ask with the condition and with the empty one, and take γ times their difference; var as it is with the "
        "condition.",
        look="With γ = 1 it has to be the plain prediction with the condition, with γ = 0 the one without.",
        probe=probe_guided,
        right=Guided,
        blank=("__call__",),
        mistakes=(
            Mistake("the halves exchanged", "u.eps + self.gamma * (c.eps - u.eps)", "c.eps + self.gamma * (u.eps - c.eps)",
                    "The two predictions are exchanged: this walks away from the prompt. Begin at ε_u, and go towards ε_c."),
            Mistake("another convention", "u.eps + self.gamma", "c.eps + self.gamma",
                    "It is ε_c + γ (ε_c − ε_u): Ho and Salimans' convention, in which their w is our γ − 1. Here it begins at ε_u."),
            Mistake("ε_u missing", "u.eps + self.gamma", "self.gamma",
                    "The difference is enlarged, but ε_u itself, to which it is added, is missing."),
            Mistake("ε_u added in full", "(c.eps - u.eps)", "c.eps",
                    "It is ε_u + γ ε_c: with γ = 1 it should be ε_c alone. It is the difference that is enlarged."),
            Mistake("only the condition", "u.eps + self.gamma * (c.eps - u.eps)", "self.gamma * c.eps",
                    "It multiplies ε_c by γ; ε_u makes no difference."),
            Mistake("gamma ignored", "u.eps + self.gamma * (c.eps - u.eps)", "c.eps",
                    "γ makes no difference: it is the plain prediction."),
            Mistake("mean of the halves", "u.eps + self.gamma * (c.eps - u.eps)", "(u.eps + c.eps) / 2",
                    "It is the mean of the two predictions; guidance goes beyond ε_c."),
            Mistake("sign of the difference", "u.eps + self.gamma", "u.eps - self.gamma",
                    "The difference is subtracted: this walks away from the prompt."),
            Mistake("variance of the unconditional half", "c.var)", "u.var)",
                    "var is the unconditional prediction's. Take it from the half that knows the condition."),
            *alike("variance guided too", "var is extrapolated like eps. It is no direction to exaggerate: take it from the conditional half.",
                   ("c.var)", "u.var + self.gamma * (c.var - u.var))"),
                   ("c.var)", "c.var if c.var is None else u.var + self.gamma * (c.var - u.var))")),
            *alike("variance averaged", "var is the mean of both. Take it from the half that knows the condition.",
                   ("c.var)", "(u.var + c.var) / 2)"), ("c.var)", "c.var if c.var is None else (u.var + c.var) / 2)")),
            Mistake("variance left out", "c.var)", "None)",
                    "var is None, although the network has learned one: hand it on from the conditional half."),
            Mistake("zeros for the empty condition", "self.denoiser.unconditional(cond)", "torch.zeros_like(cond)",
                    "The empty condition is all zeros. For a text model it is the embedding of \"\": ask the denoiser, denoiser.unconditional(cond)."),
            *alike("the network told another time", "The network is told another t than the one it was asked about.",
                   ("u = self.denoiser(x_t, t,", "t = 0\n        u = self.denoiser(x_t, t,"),
                   ("u = self.denoiser(x_t, t,", "u = self.denoiser(x_t, 0,")),
        ),
    )
]  # fmt: skip
