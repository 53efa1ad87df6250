"""Exercises on denoisers made from denoisers: guidance, anagrams, hybrids, and a network of digits as a denoiser."""

import math

import torch
from torch import nn

from ..denoisers import DigitDenoiser, Prediction
from ..illusions import View
from .exercise import Exercise, Measured, Mistake
from .noising import blur_by, gauss
from .running import Fault, pair, tensor
from .toys import Toy, conds, noise, schedule


def ask(student, denoiser, case, *question):
    """eps and var of a denoiser; a var of None stays None."""
    if not callable(denoiser):
        raise Fault(
            "wrong type", f"It makes a {type(denoiser).__name__}; wanted a denoiser, to be called with x_t, t, cond."
        )
    eps, var = pair(student.call(denoiser, case, *question), "eps, var")
    return tensor(eps, "eps"), var if var is None else tensor(var, "var")


class Made:
    """A denoiser round another one, from a function of (denoiser, x_t, t, cond)."""

    def __init__(self, denoiser, predict):
        self.denoiser, self.predict = denoiser, predict
        self.schedule, self.image_shape = denoiser.schedule, denoiser.image_shape

    def __call__(self, x_t, t, cond):
        return Prediction(*self.predict(self.denoiser, x_t, t, cond))

    def unconditional(self, cond):
        if isinstance(cond, tuple):
            return tuple(self.denoiser.unconditional(c) for c in cond)
        return self.denoiser.unconditional(cond)


# ---- 1.6: guidance -------------------------------------------------------------------------------------------------


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


# ---- 1.8: anagrams -------------------------------------------------------------------------------------------------

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


# ---- 1.9: hybrids --------------------------------------------------------------------------------------------------


def probe_hybrid(student):
    x_t, cond = noise(2, 3, 32, 32, seed=124), tuple(noise(2, 1, 3, seed=125))
    for kernel_size, sigma in ((9, 1.5), (15, 3.0)):
        case = f"kernel_size = {kernel_size}, sigma = {sigma:g}"
        denoiser = student(case, Toy(size=32), kernel_size, sigma)
        eps, var = ask(student, denoiser, case, x_t, 30, cond)
        edge = kernel_size // 2  # what is beyond the edges, everyone may decide for themselves
        yield Measured("eps away from the edges", eps[..., edge:-edge, edge:-edge])
        yield Measured("var", var)
    denoiser = student("both prompts equal", Toy(size=32), 9, 1.5)
    eps, _ = ask(student, denoiser, "both prompts equal", x_t, 30, (cond[0], cond[0]))
    yield Measured("eps", eps)
    denoiser = student("a network without learned variance", Toy(size=32, learns_variance=False), 9, 1.5)
    _, var = ask(student, denoiser, "a network without learned variance", x_t, 30, cond)
    yield Measured("var", var)


low = blur_by(gauss)


def hybrid_by(
    mix=lambda far, near, low: low(far) + near - low(near),
    var=lambda far, near: far,
    order=lambda cond: cond,
    fixed=None,
):
    def hybrid(denoiser, kernel_size=33, sigma=2.0):
        size = fixed or (kernel_size, sigma)

        def predict(denoiser, x_t, t, cond):
            far, near = (denoiser(x_t, t, c) for c in order(cond))
            eps = mix(far.eps, near.eps, lambda x: low(x, *size))
            return eps, None if far.var is None else var(far.var, near.var)

        return Made(denoiser, predict)

    return hybrid


hybrid = Exercise(
    name="hybrid",
    notebook="a1_9",
    kit="helpers.illusions.Hybrid",
    task="Put the low-pass part of the far prompt's prediction and the high-pass part of the near one's together.",
    look="With both prompts equal it has to be the plain prediction: low-pass and high-pass add up to the whole.",
    probe=probe_hybrid,
    right=hybrid_by(),
    blank=("__call__",),
    mistakes=(
        Mistake(
            "far and near exchanged",
            hybrid_by(lambda far, near, low: low(near) + far - low(far)),
            "far and near are exchanged: from afar the eye sees the low frequencies, and the condition is (far, near).",
        ),
        Mistake(
            "high-pass forgotten",
            hybrid_by(lambda far, near, low: low(far) + near),
            "near's prediction is added whole: its low frequencies are in it as well. Take them away first.",
        ),
        Mistake(
            "high-pass forgotten",
            hybrid_by(lambda far, near, low: low(far)),
            "There is no high-pass part: nobody predicts the fine noise, so it would never go away.",
        ),
        Mistake(
            "high-pass of the far prompt",
            hybrid_by(lambda far, near, low: low(near) + far - low(near)),
            "The high-pass part mixes the two: far's prediction minus near's low frequencies.",
        ),
        Mistake(
            "high-pass of the far prompt",
            hybrid_by(lambda far, near, low: low(far) + near - low(far)),
            "The high-pass part is near's prediction minus FAR's low frequencies: take away its own.",
        ),
        Mistake(
            "low-pass of both",
            hybrid_by(lambda far, near, low: low(far) + low(near)),
            "Both parts are low-pass. The high-pass part is what the blur takes away: x - lowpass(x).",
        ),
        Mistake(
            "high-pass of both",
            hybrid_by(lambda far, near, low: far - low(far) + near - low(near)),
            "Both parts are high-pass. What is to be seen from afar are far's low frequencies: lowpass(far).",
        ),
        Mistake(
            "sign of the high-pass",
            hybrid_by(lambda far, near, low: low(far) + low(near) - near),
            "The high-pass part has the wrong sign: it is x - lowpass(x).",
        ),
        Mistake(
            "mean of the two",
            hybrid_by(lambda far, near, low: (low(far) + near - low(near)) / 2),
            "The sum is halved. The two parts own different frequencies, so they simply add up.",
        ),
        Mistake(
            "mean of the two",
            hybrid_by(lambda far, near, low: (far + near) / 2),
            "That is the mean of the two predictions: each has to be filtered first.",
        ),
        Mistake(
            "filtered twice",
            hybrid_by(lambda far, near, low: low(low(far)) + near - low(near)),
            "The low-pass part is blurred twice.",
        ),
        Mistake(
            "arguments ignored",
            hybrid_by(fixed=(33, 2.0)),
            "kernel_size and sigma make no difference: it always filters with 33 and 2.",
        ),
        Mistake(
            "variance of the near prompt",
            hybrid_by(var=lambda far, near: near),
            "var is near's. Take far's, as the docstring says.",
        ),
        Mistake(
            "variance averaged",
            hybrid_by(var=lambda far, near: (far + near) / 2),
            "var is the mean of both. It is no picture: take far's.",
        ),
        Mistake(
            "variance filtered",
            hybrid_by(var=lambda far, near: low(far, 9, 1.5) + near - low(near, 9, 1.5)),
            "var is filtered like eps. It is no picture: take far's as it is.",
        ),
        Mistake(
            "variance left out",
            hybrid_by(var=lambda far, near: None),
            "var is None, although the network has learned one: hand on far's.",
        ),
    ),
)


# ---- B 2.3: a network of digits as a denoiser ----------------------------------------------------------------------


class Digits(nn.Module):
    """A network in small that notes how it is called. Its BatchNorm has averages, so the mode shows in its answer."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.norm.running_mean.fill_(0.3)
        self.calls = []

    def forward(self, x, t01, c=None):
        if not torch.is_tensor(t01) or t01.shape != (len(x), 1):
            given = tuple(t01.shape) if torch.is_tensor(t01) else t01
            raise Fault("shape of t01", f"The network is told the time as {given}; it wants a tensor ({len(x)}, 1).")
        if c is not None and (not torch.is_tensor(c) or c.shape != (len(x), 10)):
            given = tuple(c.shape) if torch.is_tensor(c) else c
            raise Fault("shape of c", f"The network is given the class as {given}; it wants a tensor ({len(x)}, 10).")
        t01 = t01.float()  # FCBlock takes any precision
        self.calls.append((t01, c is not None, self.training))
        push = 0.0 if c is None else (c.float() * torch.linspace(-1, 1.5, 10)).sum(dim=1).view(-1, 1, 1, 1)
        return torch.tanh(self.norm(x) + t01.view(-1, 1, 1, 1) + push)


def probe_digit_denoiser(student):
    steep, x_t, c = schedule(), noise(3, 1, 28, 28, seed=126), torch.eye(10)[[3, 0, 7]]
    for words, cond, t in (("without classes", (), 20), ("one-hot classes", c, 49), ("one class for all", c[:1], 0)):
        network = Digits().train()
        denoiser = student(words, network, steep)
        case = f"{words}, t = {t}"
        eps, var = ask(student, denoiser, case, x_t, t, cond)
        times, given, training = zip(
            *network.calls or [(torch.zeros(0), False, True)]
        )  # of one call, or of one for each
        yield Measured("the time that the network is told", torch.cat(times))
        yield Measured("the network is given a class", any(given))
        yield Measured("the network predicts in evaluation mode", not any(training))
        yield Measured("its running average", network.norm.running_mean.clone())
        yield Measured("eps", eps, 0.02)  # half precision is allowed
        yield Measured("the shape of var", None if var is None else list(tensor(var, "var").shape))
        yield Measured("var", var, name="another var than 1", say=NOT_ONE)
    network = Digits().eval()
    ask(student, student("a network in evaluation mode", network, steep), "a network in evaluation mode", x_t, 5, ())
    yield Measured("it stays in evaluation mode", not network.training)


NOT_ONE = "var is not 1. It says where between β̃ (-1) and β (+1) the variance lies: the course's steps take β."


def classes_of(cond, count):
    """What the network gets beside the time, as a tuple: nothing, or a class for each picture."""
    return () if isinstance(cond, tuple) else (cond.expand(count, -1),)


def digit_denoiser_by(
    told=lambda t, T: t / T,
    ready=True,
    woken=False,
    var=lambda eps, beta: torch.ones_like(eps),
    classes=classes_of,
):
    class Denoiser:
        def __init__(self, unet, schedule):
            self.unet, self.schedule = unet, schedule

        def __call__(self, x_t, t, cond):
            was = self.unet.training
            if ready:
                self.unet.eval()
            t01 = torch.full((len(x_t), 1), told(t, self.schedule.T))
            eps = self.unet(x_t, t01, *classes(cond, len(x_t))).detach()
            self.unet.train(was or woken)
            return Prediction(eps, var(eps, self.schedule.betas[t].item()))

    return Denoiser


digit_denoiser = Exercise(
    name="digit_denoiser",
    notebook="b2_3",
    kit="helpers.denoisers.DigitDenoiser",
    task="Ask the network, in evaluation mode and told t/T, which noise it sees; var = 1 everywhere, which means β.",
    look="Print what the network is given: x_t, a column of t/T with a row for each picture, and the class if "
    "there is one.",
    probe=probe_digit_denoiser,
    right=digit_denoiser_by(),
    blank=("__call__",),
    mistakes=(
        Mistake(
            "t instead of t/T",
            digit_denoiser_by(told=lambda t, T: float(t)),
            "The network is told t. It wants t/T, a number in [0, 1].",
        ),
        Mistake(
            "t off by one",
            digit_denoiser_by(told=lambda t, T: (t + 1) / T),
            "The network is told (t + 1)/T. In training it was told t/T, with t from 0 to T - 1.",
        ),
        Mistake(
            "t/(T − 1)",
            digit_denoiser_by(told=lambda t, T: t / (T - 1)),
            "The network is told t/(T - 1). In training it was told t/T.",
        ),
        Mistake(
            "divided without a remainder",
            digit_denoiser_by(told=lambda t, T: t // T),
            "The network is told 0 at every timestep: `//` rounds down to whole numbers. Divide with `/`.",
        ),
        Mistake(
            "time runs backwards",
            digit_denoiser_by(told=lambda t, T: 1 - t / T),
            "The network is told 1 - t/T. t/T is 0 where there is no noise.",
        ),
        Mistake(
            "BatchNorm in training mode",
            digit_denoiser_by(ready=False),
            "The network predicts in training mode: BatchNorm then takes mean and variance of this batch, so that "
            "each picture's answer depends on the others.",
        ),
        Mistake(
            "put into training mode",
            digit_denoiser_by(woken=True),
            "The network was in evaluation mode, and is in training mode afterwards: leave it as it was.",
        ),
        Mistake(
            "β̃ instead of β",
            digit_denoiser_by(var=lambda eps, beta: -torch.ones_like(eps)),
            "var is -1, which means β̃. The course's steps take β: +1.",
        ),
        Mistake(
            "β̃ instead of β",
            digit_denoiser_by(var=lambda eps, beta: None),
            "var is None, with which a step takes β̃. The course's steps take β: +1 everywhere.",
        ),
        Mistake(
            "var = 0",
            digit_denoiser_by(var=lambda eps, beta: torch.zeros_like(eps)),
            "var is 0, which means the middle between β̃ and β. The course's steps take β: +1.",
        ),
        *(
            Mistake(
                "the variance itself as var",
                digit_denoiser_by(var=lambda eps, beta, of=of: torch.full_like(eps, of(beta))),
                f"var is {which}. It is no variance, but says where between β̃ (-1) and β (+1) the variance lies: the "
                "course's steps take β, at every timestep.",
            )
            for which, of in (("β_t itself", float), ("√β_t", math.sqrt), ("log β_t", math.log))
        ),
        Mistake(
            "a single number as var",
            digit_denoiser_by(var=lambda eps, beta: torch.tensor(1.0)),
            "var is a single number. It has one for each of eps: torch.ones_like(eps).",
        ),
        Mistake(
            "class ignored",
            digit_denoiser_by(classes=lambda cond, count: tuple(0 * c for c in classes_of(cond, count))),
            'The class makes no difference: the network is told zeros, "any digit", whatever cond is.',
        ),
        Mistake(
            "() taken for a class",
            digit_denoiser_by(classes=lambda cond, count: (DigitDenoiser.classes(None, cond, count),)),
            "cond is (), the empty tuple, where the network takes no class. That is not None: ask "
            "`isinstance(cond, torch.Tensor)`.",
        ),
        Mistake(
            "a class where there is none",
            digit_denoiser_by(classes=lambda cond, count: classes_of(cond, count) or (torch.zeros(count, 10),)),
            "A network without classes is given some: the condition () means that it takes only x_t and the time.",
        ),
    ),
)

EXERCISES = [guided, anagram, hybrid, digit_denoiser]
