"""Exercise of notebook 1.8: anagrams."""

# ruff: noqa: E501 (one mistake, two lines)

import torch

from ..denoisers import Prediction
from ..illusions import View
from .exercise import Exercise, Mistake, alike
from .measured import Measured
from .toys import Toy, ask, noise

__all__ = ["EXERCISES"]

IDENTITY = View(lambda x: x, lambda x: x)
FLIP = View(lambda x: x.flip(-2), lambda x: x.flip(-2))
TURN = View(lambda x: x.rot90(1, (-2, -1)), lambda x: x.rot90(-1, (-2, -1)))
NEGATIVE = View(lambda x: -x, lambda x: -x)


def probe_anagram(student):
    x_t, cond = noise(2, 3, 16, 16, seed=122), tuple(noise(3, 1, 3, seed=123))
    for words, views in (
        ("upright and flipped", [IDENTITY, FLIP]),
        ("upright and turned", [IDENTITY, TURN]),
        ("three views", [IDENTITY, TURN, NEGATIVE]),
    ):
        denoiser = student(words, Toy(), views)
        eps, var = ask(student, denoiser, words, x_t, 30, cond[: len(views)])
        yield Measured("eps", eps)
        yield Measured("var", var)
    denoiser = student("a network without learned variance", Toy(learns_variance=False), [IDENTITY, FLIP])
    eps, var = ask(student, denoiser, "a network without learned variance", x_t, 30, cond[:2])
    yield Measured("var", var)


class Anagram:
    def __init__(self, denoiser, views):
        self.denoiser, self.views = denoiser, views

    def __call__(self, x_t, t, cond):
        predictions = [self.denoiser(view.view(x_t), t, c) for view, c in zip(self.views, cond)]
        eps = [view.inverse_view(p.eps) for view, p in zip(self.views, predictions)]
        var = predictions[0].var
        return Prediction(torch.stack(eps).mean(dim=0), var)


EXERCISES = [
    Exercise(
        name="anagram",
        notebook="a1_8",
        kit="helpers.illusions.Anagram",
        task="Call the network on every view of x_t, transform each prediction back, and take the mean; var from the "
        "first view.",
        look="Print the network's inputs: each is a view of x_t itself, not of the previous view's result, "
        "with the prompt of that view.",
        probe=probe_anagram,
        right=Anagram,
        blank=("__call__",),
        mistakes=(
            Mistake("the answer not turned back", "view.inverse_view(p.eps)", "p.eps",
                    "The predictions are not transformed back: each is in its own view, but the mean is taken in the upright one."),
            Mistake("the image not turned", "view.view(x_t)", "x_t",
                    "The network sees x_t upright for every prompt; it should see the view of x_t."),
            Mistake("views ignored", "zip(self.views, cond)]\n        eps = [view.inverse_view(p.eps) for view, p in zip(self.views, predictions)]", "zip([View(torch.clone, torch.clone)] * len(cond), cond)]\n        eps = [p.eps for p in predictions]",
                    "The views make no difference: it is the mean of the predictions for the prompts."),
            Mistake("turned twice", "view.inverse_view(p.eps)", "view.view(p.eps)",
                    "The prediction goes through the view again instead of back. For a flip, that is the same; for a rotation it is not: use inverse_view."),
            Mistake("view and inverse exchanged", "view.view(x_t), t, c) for view, c in zip(self.views, cond)]\n        eps = [view.inverse_view(p.eps)", "view.inverse_view(x_t), t, c) for view, c in zip(self.views, cond)]\n        eps = [view.view(p.eps)",
                    "view and inverse_view are exchanged: the image goes through view, the prediction through inverse_view."),
            Mistake("sum instead of mean", ".mean(dim=0)", ".sum(dim=0)",
                    "The predictions are summed, so the noise is too strong: take their mean."),
            Mistake("divided by 2 always", ".mean(dim=0)", ".sum(dim=0) / 2",
                    "The sum is divided by 2, also for three views."),
            Mistake("divided by the root", ".mean(dim=0)", ".sum(dim=0) / len(eps) ** 0.5",
                    "The sum is divided by √n. This preserves the variance of independent noises, but these are not independent."),
            Mistake("only the last view", "torch.stack(eps).mean(dim=0)", "eps[-1]", "Only the last view counts."),
            Mistake("only the first view", "torch.stack(eps).mean(dim=0)", "eps[0]", "Only the first view counts."),
            Mistake("one prompt for all views", "zip(self.views, cond)", "zip(self.views, cond[:1] * len(cond))",
                    "The network gets the first prompt for every view. cond is a tuple with a prompt for each."),
            Mistake("one view upon the other", "self.denoiser(view.view(x_t)", "self.denoiser(x_t := view.view(x_t)",
                    "Each view is applied to the previous view's result: apply it to x_t itself."),
            Mistake("prompts exchanged", "zip(self.views, cond)", "zip(self.views, cond[::-1])",
                    "The prompts are exchanged: the first belongs to the first view."),
            *alike("variance turned back", "var is the last view's, turned back. Take the first view's, which is the image as it is.",
                   ("var = predictions[0].var", "var = self.views[-1].inverse_view(predictions[-1].var)"),
                   ("var = predictions[0].var", "var = predictions[-1].var\n        var = var if var is None else self.views[-1].inverse_view(var)")),
            Mistake("variance of another view", "predictions[0].var", "predictions[-1].var",
                    "var is the last view's. Take the first view's, which is the image as it is."),
            *alike("variance averaged", "var is the mean over the views. It is not an image: take the first view's.",
                   ("var = predictions[0].var", "var = sum(p.var for p in predictions) / len(predictions)"),
                   ("var = predictions[0].var", "var = predictions[0].var\n        var = var if var is None else sum(p.var for p in predictions) / len(predictions)")),
            *alike("variance averaged", "var is transformed back and averaged. It is not an image, and its negative is meaningless: take the first view's.",
                   ("var = predictions[0].var", "var = sum(v.inverse_view(p.var) for v, p in zip(self.views, predictions)) / len(predictions)"),
                   ("var = predictions[0].var", "var = predictions[0].var\n        if var is not None:\n            var = sum(v.inverse_view(p.var) for v, p in zip(self.views, predictions)) / len(predictions)")),
            Mistake("variance left out", "predictions[0].var", "None",
                    "var is None, although the network has learned one: take the first view's."),
        ),
    )
]  # fmt: skip
