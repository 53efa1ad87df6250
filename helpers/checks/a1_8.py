"""Exercise of notebook 1.8: anagrams."""

from ..illusions import View
from .exercise import Exercise, Mistake
from .measured import Measured
from .toys import Made, Toy, ask, noise

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


def anagram_by(
    see=lambda v, x: v.view(x),
    back=lambda v, e: v.inverse_view(e),
    mix=lambda es: sum(es) / len(es),
    var=lambda vs, views: vs[0],
    order=lambda cond: cond,
    chained=False,
):
    def anagram(denoiser, views):
        def predict(denoiser, x_t, t, cond):
            found, x = [], x_t
            for v, c in zip(views, order(cond)):
                x = see(v, x if chained else x_t)
                found.append(denoiser(x, t, c))
            eps = mix([back(v, p.eps) for v, p in zip(views, found)])
            return eps, None if found[0].var is None else var([p.var for p in found], views)

        return Made(denoiser, predict)

    return anagram


anagram = Exercise(
    name="anagram",
    notebook="a1_8",
    kit="helpers.illusions.Anagram",
    task="Show x_t to the network through every view, turn each answer back, and take the mean; var from the "
    "first view.",
    look="Print what the network is asked: through each view x_t itself, not what the view before has made of it, with "
    "the prompt of that view.",
    probe=probe_anagram,
    right=anagram_by(),
    blank=("__call__",),
    mistakes=(
        Mistake(
            "the answer not turned back",
            anagram_by(back=lambda v, e: e),
            "The answers are not turned back: each is in its own view, and they have to meet in the upright one.",
        ),
        Mistake(
            "the picture not turned",
            anagram_by(see=lambda v, x: x),
            "The network sees x_t upright for every prompt; it has to see it through the view.",
        ),
        Mistake(
            "views ignored",
            anagram_by(see=lambda v, x: x, back=lambda v, e: e),
            "The views make no difference: it is the mean of the predictions for the prompts.",
        ),
        Mistake(
            "turned twice",
            anagram_by(back=lambda v, e: v.view(e)),
            "The answer goes through the view again instead of back. For a flip that is the same; for a turn it "
            "is not: "
            "inverse_view.",
        ),
        Mistake(
            "view and inverse exchanged",
            anagram_by(see=lambda v, x: v.inverse_view(x), back=lambda v, e: v.view(e)),
            "view and inverse_view are exchanged: the picture is shown through the view, the answer goes back.",
        ),
        Mistake(
            "sum instead of mean",
            anagram_by(mix=sum),
            "The answers are added up, so the noise is too strong: take their mean.",
        ),
        Mistake(
            "divided by 2 always",
            anagram_by(mix=lambda es: sum(es) / 2),
            "The sum is divided by 2, also for three views.",
        ),
        Mistake(
            "divided by the root",
            anagram_by(mix=lambda es: sum(es) / len(es) ** 0.5),
            "The sum is divided by √n. It keeps the variance of independent noises, but these are not independent.",
        ),
        Mistake("only the last view", anagram_by(mix=lambda es: es[-1]), "Only the last view counts."),
        Mistake("only the first view", anagram_by(mix=lambda es: es[0]), "Only the first view counts."),
        Mistake(
            "one prompt for all views",
            anagram_by(order=lambda cond: cond[:1] * len(cond)),
            "The network gets the first prompt for every view. cond is a tuple with a prompt for each.",
        ),
        Mistake(
            "one view upon the other",
            anagram_by(chained=True),
            "Each view is applied to what the view before has made: it has to see x_t itself.",
        ),
        Mistake(
            "prompts exchanged",
            anagram_by(order=lambda cond: cond[::-1]),
            "The prompts are exchanged: the first belongs to the first view.",
        ),
        Mistake(
            "variance turned back",
            anagram_by(var=lambda vs, views: views[-1].inverse_view(vs[-1])),
            "var is the last view's, turned back. Take the first view's, which is the picture as it is.",
        ),
        Mistake(
            "variance of another view",
            anagram_by(var=lambda vs, views: vs[-1]),
            "var is the last view's. Take the first view's, which is the picture as it is.",
        ),
        Mistake(
            "variance averaged",
            anagram_by(var=lambda vs, views: sum(vs) / len(vs)),
            "var is the mean over the views. It is no picture: take the first view's.",
        ),
        Mistake(
            "variance averaged",
            anagram_by(var=lambda vs, views: sum(v.inverse_view(x) for v, x in zip(views, vs)) / len(vs)),
            "var is turned back and averaged. It is no picture, and its negative means nothing: take the first view's.",
        ),
        Mistake(
            "variance left out",
            anagram_by(var=lambda vs, views: None),
            "var is None, although the network has learned one: hand on the first view's.",
        ),
    ),
)


EXERCISES = [anagram]
