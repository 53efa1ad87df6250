"""Exercise of notebook 1.6: classifier-free guidance."""

import torch

from .exercise import Exercise, Mistake
from .measured import Measured
from .toys import Made, Toy, ask, conds, noise

__all__ = ["EXERCISES"]


def probe_guided(student):
    x_t = noise(2, 3, 16, 16, seed=121)
    for gamma, count in ((7.0, 1), (1.0, 1), (0.0, 2), (-2.0, 2)):
        denoiser = student(f"gamma = {gamma:g}", Toy(), gamma)
        case = f"gamma = {gamma:g}, {count} condition{'s' * (count > 1)} for two pictures"
        eps, var = ask(student, denoiser, case, x_t, 30, conds(count))
        yield Measured("eps", eps)
        yield Measured("var", var)
    denoiser = student("a network without learned variance", Toy(learns_variance=False), 7.0)
    eps, var = ask(student, denoiser, "a network without learned variance", x_t, 30, conds())
    yield Measured("eps", eps)
    yield Measured("var", var)


def guided_by(
    mix=lambda u, c, g: u + g * (c - u),
    var=lambda u, c, g: c,
    nothing=lambda d, cond: d.unconditional(cond),
    told=lambda t: t,
):
    def guided(denoiser, gamma):
        def predict(denoiser, x_t, t, cond):
            u = denoiser(x_t, told(t), nothing(denoiser, cond))
            c = denoiser(x_t, told(t), cond)
            return mix(u.eps, c.eps, gamma), None if c.var is None else var(u.var, c.var, gamma)

        return Made(denoiser, predict)

    return guided


guided = Exercise(
    name="guided",
    notebook="a1_6",
    kit="helpers.denoisers.Guided",
    task="Ask with the condition and with the empty one, and take γ times their difference; var as it is with the "
    "condition.",
    look="With γ = 1 it has to be the plain prediction with the condition, with γ = 0 the one without.",
    probe=probe_guided,
    right=guided_by(),
    blank=("__call__",),
    mistakes=(
        Mistake(
            "the halves exchanged",
            guided_by(lambda u, c, g: c + g * (u - c)),
            "The two predictions are exchanged: this walks away from the prompt. Begin at ε_u, and go towards ε_c.",
        ),
        Mistake(
            "another convention",
            guided_by(lambda u, c, g: c + g * (c - u)),
            "It is ε_c + γ (ε_c − ε_u): Ho and Salimans' convention, in which their w is our γ − 1. Here it "
            "begins at ε_u.",
        ),
        Mistake(
            "ε_u missing",
            guided_by(lambda u, c, g: g * (c - u)),
            "The difference is enlarged, but ε_u itself, to which it is added, is missing.",
        ),
        Mistake(
            "ε_u added in full",
            guided_by(lambda u, c, g: u + g * c),
            "It is ε_u + γ ε_c: with γ = 1 it should be ε_c alone. It is the difference that is enlarged.",
        ),
        Mistake(
            "only the condition", guided_by(lambda u, c, g: g * c), "It multiplies ε_c by γ; ε_u makes no difference."
        ),
        Mistake("gamma ignored", guided_by(lambda u, c, g: c), "γ makes no difference: it is the plain prediction."),
        Mistake(
            "mean of the halves",
            guided_by(lambda u, c, g: (u + c) / 2),
            "It is the mean of the two predictions; guidance goes beyond ε_c.",
        ),
        Mistake(
            "sign of the difference",
            guided_by(lambda u, c, g: u - g * (c - u)),
            "The difference is subtracted: this walks away from the prompt.",
        ),
        Mistake(
            "variance of the unconditional half",
            guided_by(var=lambda u, c, g: u),
            "var is the unconditional prediction's. Take it from the half that knows the condition.",
        ),
        Mistake(
            "variance guided too",
            guided_by(var=lambda u, c, g: u + g * (c - u)),
            "var is extrapolated like eps. It is no direction to exaggerate: take it from the conditional half.",
        ),
        Mistake(
            "variance averaged",
            guided_by(var=lambda u, c, g: (u + c) / 2),
            "var is the mean of both. Take it from the half that knows the condition.",
        ),
        Mistake(
            "variance left out",
            guided_by(var=lambda u, c, g: None),
            "var is None, although the network has learned one: hand it on from the conditional half.",
        ),
        Mistake(
            "zeros for the empty condition",
            guided_by(nothing=lambda d, cond: torch.zeros_like(cond)),
            'The empty condition is all zeros. For a text model it is the embedding of "": '
            "ask the denoiser, denoiser.unconditional(cond).",
        ),
        Mistake(
            "the network told another time",
            guided_by(told=lambda t: 0),
            "The network is told another t than the one it was asked about.",
        ),
    ),
)


EXERCISES = [guided]
