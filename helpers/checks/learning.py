"""Exercises on training: what each of the three models is shown and asked, and the step that learns from it."""

import torch
import torch.nn.functional as F
from torch import nn

from .exercise import Exercise, Measured, Mistake
from .running import Fault, pair, tensor
from .toys import NOISY, likeness, mean, noise, of_chance, other_noises, pictures, seeded, std


def examples_of(student, task, case, x0, labels, generator, count):
    """The network's arguments and what it should answer, if they are of the right kinds."""
    if not hasattr(task, "examples"):
        raise Fault("wrong type", f"It makes a {type(task).__name__}, which has no method examples.")
    inputs, target = pair(student.call(task.examples, case, x0, labels, generator), "inputs, target")
    if isinstance(inputs, torch.Tensor):
        raise Fault(
            "inputs no tuple",
            "The inputs are a tensor. They are all that the network takes, so they come as a "
            "tuple: with one alone, (z,).",
        )
    if not isinstance(inputs, (tuple, list)) or len(inputs) != count:
        given = f"{len(inputs)} inputs" if isinstance(inputs, (tuple, list)) else f"a {type(inputs).__name__}"
        raise Fault("other inputs", f"It returns {given} for the network; this one takes {count}.")
    names = ("the noisy picture", "t01", "c")
    return [tensor(x, name) for x, name in zip(inputs, names)], tensor(target, "the target")


class Task:
    """A task from a function (x0, labels, generator) -> (inputs, target)."""

    def __init__(self, examples):
        self.examples = examples


# ---- B 1.2: the one-step denoiser ----------------------------------------------------------------------------------


def probe_one_step(student):
    x0, labels = pictures(16, 1, 28, low=0), torch.arange(16) % 10
    for sigma in (0.5, 0.2):
        task, generator = student(f"sigma = {sigma:g}", sigma), seeded(141)
        case = f"sigma = {sigma:g}, 16 pictures"
        (z,), target = examples_of(student, task, case, x0, labels, generator, 1)
        yield Measured("the shape of the noisy pictures", list(z.shape))
        yield Measured("the shape of what the network should answer", list(target.shape))
        if z.shape != x0.shape or target.shape != x0.shape:
            return
        yield Measured(
            "x0, and the noise in z, as parts of what the network should answer", parts(target, x0, z - x0), 0.1
        )
        yield Measured("what the network should answer, less x0", target - x0)
        yield Measured("the mean of what was added", mean(z - x0), 2 * NOISY)
        yield Measured("the standard deviation of what was added", std(z - x0), 2 * NOISY)
        yield Measured("the likeness of two pictures' noise", likeness((z - x0)[0], (z - x0)[1]), 10 * NOISY)
        (later,), _ = examples_of(student, task, case, x0, labels, generator, 1)
        yield Measured("the likeness of two batches' noise", likeness(z - x0, later - x0), 2.5 * NOISY)
        noisy = [examples_of(student, task, case, x0, labels, seeded(seed), 1)[0][0] for seed in (141, 141, 142)]
        yield from of_chance(*noisy)


def parts(x, *of):
    """How often each of the tensors is in x: the least squares."""
    return torch.linalg.lstsq(torch.stack([y.flatten() for y in of], dim=1), x.flatten()[:, None]).solution.flatten()


def one_step_by(
    mix=lambda x, s, e: x + s * e,
    answer=lambda x, e, z: x,
    draw=torch.randn,
    frozen=False,
    bare=False,
    exchanged=False,
):
    def make(sigma=0.5):
        kept = noise(16, 1, 28, 28, seed=1)

        def examples(x0, labels, generator):
            eps = kept if frozen else draw(x0.shape, generator=generator)
            z = mix(x0, sigma, eps)
            said = answer(x0, eps, z)
            z, said = (said, z) if exchanged else (z, said)
            return (z if bare else (z,)), said

        return Task(examples)

    return make


one_step = Exercise(
    name="one_step",
    notebook="b1_2",
    kit="helpers.training.OneStep",
    task="Make a batch of examples: the noisy pictures, as a tuple of one, and what the network should answer.",
    look="The network sees z = x0 + sigma eps, with fresh noise for every batch, and should answer x0.",
    probe=probe_one_step,
    right=one_step_by(),
    blank=("examples",),
    mistakes=(
        *(
            Mistake(
                "the noise as the answer",
                one_step_by(answer=answer),
                "The network is asked for the noise. This one is asked for the clean picture; 2.2 will ask for the "
                "noise.",
            )
            for answer in (lambda x, e, z: e, lambda x, e, z: z - x)
        ),
        Mistake(
            "picture and answer exchanged",
            one_step_by(exchanged=True),
            "The network is shown x0 and asked for z. It is shown z and asked for x0.",
        ),
        Mistake(
            "the noisy picture as the answer",
            one_step_by(answer=lambda x, e, z: z),
            "The network is asked for z, which it has been given: it would learn to do nothing.",
        ),
        Mistake(
            "noise drawn once",
            one_step_by(frozen=True),
            "Every batch has the same noise. Draw it anew in each call, or the network learns it by heart.",
        ),
        Mistake(
            "σ²",
            one_step_by(lambda x, s, e: x + s**2 * e),
            "The noise is too weak, as if by sigma squared: sigma is the standard deviation.",
        ),
        Mistake(
            "√σ",
            one_step_by(lambda x, s, e: x + s**0.5 * e),
            "The noise is as strong as √sigma: sigma is the standard deviation, so it multiplies eps as it is.",
        ),
        Mistake("sigma ignored", one_step_by(lambda x, s, e: x + e), "The noise has always full strength."),
        Mistake(
            "sigma ignored",
            one_step_by(lambda x, s, e: x + 0.5 * e),
            "The noise has always strength 0.5, whatever sigma the task was made with.",
        ),
        Mistake(
            "picture shrunk",
            one_step_by(lambda x, s, e: (1 - s) * x + s * e),
            "The picture becomes weaker as sigma grows. Here it keeps its strength.",
        ),
        Mistake(
            "clamped",
            one_step_by(lambda x, s, e: (x + s * e).clamp(0, 1)),
            "z is clamped to [0, 1]: half of the noise on the black ground is cut away.",
        ),
        Mistake("not noised", one_step_by(lambda x, s, e: x + 0 * e), "There is no noise in z."),
        Mistake("only the noise", one_step_by(lambda x, s, e: s * e), "The picture is missing in z."),
        *other_noises(lambda draw: one_step_by(draw=draw)),
        Mistake("inputs no tuple", one_step_by(bare=True), "The inputs are no tuple."),
    ),
)


# ---- B 2.2 and 2.4: predicting noise -------------------------------------------------------------------------------

LINEAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 300, dtype=torch.float64), 0)  # ᾱ of the course's schedule


def probe_noise(student, classes=False):
    N, T, p = 200, 300, 0.3
    shape, labels = (N, 1, 28, 28), torch.arange(N) % 10
    made = f"p_uncond = {p}" if classes else f"T = {T}"
    task = student(made, **({"p_uncond": p} if classes else {"T": T}))

    def batch(shade, generator):
        case = f"{made}, {N} {'white' if shade else 'black'} pictures"
        return examples_of(student, task, case, torch.full(shape, shade), labels, generator, 2 + classes)

    generator = seeded(151)
    (x_t, t01, *c), eps = batch(0.0, generator)
    yield Measured("the shape of the pictures", list(x_t.shape))
    yield Measured("the shape of t01", list(t01.shape))
    yield Measured("the kind of number in t01", str(t01.dtype))
    yield Measured("the shape of the target", list(eps.shape))
    if x_t.shape != shape or t01.numel() != N or eps.shape != shape:
        return
    t = t01.double().flatten() * T
    yield Measured("the largest t01 of a batch", t01.max().item(), 2 * NOISY)
    yield Measured("t01 · 300 is a whole number", bool(((t - t.round()).abs() < 0.01).all()))
    yield Measured("the pictures have a t of their own each", len(t.round().unique()) > N / 2)
    yield Measured("the mean of the target", mean(eps), NOISY)
    yield Measured("the standard deviation of the target", std(eps), NOISY)
    yield Measured("the likeness of two pictures' targets", likeness(*eps.chunk(2)), NOISY)
    alike = F.cosine_similarity(x_t.flatten(1), eps.flatten(1)).mean()
    yield Measured("the likeness of x_t, of black pictures, and the target", alike, NOISY)
    yield Measured(
        "the share of the noise in x_t, over √(1 − ᾱ_t) (small t to large)",
        shares(x_t, eps, t01, (1 - LINEAR).sqrt()),  # black: x_t is noise alone
        0.01,
    )
    (x_white, t_white, *_), eps_white = batch(1.0, generator)
    noiseless = x_white - (1 - LINEAR[index_of(t_white)]).sqrt().view(-1, 1, 1, 1) * eps_white
    yield Measured(
        "the share of the picture in x_t, over √ᾱ_t (small t to large)",
        shares(noiseless, torch.ones(shape), t_white, LINEAR.sqrt()),
        0.01,
    )
    (_, t_later, *c_later), eps_later = batch(0.0, generator)
    yield Measured("the likeness of two batches' noise", likeness(eps, eps_later), NOISY)
    yield Measured("two batches have other timesteps", not torch.equal(t01, t_later))
    (_, t_again, *c_again), again = batch(0.0, seeded(151))
    (_, t_other, *c_other), other = batch(0.0, seeded(152))
    yield from of_chance(eps, again, other)
    yield from of_chance(t01, t_again, t_other, "choice of timesteps")
    if classes:
        yield from probe_classes(c[0], labels)
        yield Measured(
            "another batch drops others",
            not torch.equal(c[0], c_later[0]),
            name="always the same dropped",
            say="Every batch drops the classes of the same pictures. Draw anew for each batch.",
        )
        yield from of_chance(c[0], c_again[0], c_other[0], "choice of the classes to drop")
        for all_or_nothing, words in ((0.0, "p_uncond = 0: nothing is dropped"), (1.0, "p_uncond = 1: everything is")):
            sure = student(words, p_uncond=all_or_nothing)
            (_, _, c), _ = examples_of(student, sure, words, torch.zeros(shape), labels, seeded(153), 3)
            yield Measured("the share of pictures without a class", (c == 0).all(dim=1).double().mean())
    many = [batch(0.0, generator)[0][1:] for _ in range(4500 // N)]
    yield from probe_many([t01 for t01, *_ in many], [c for _, *[c] in many] if classes else [], T, p)


def probe_classes(c, labels):
    """c of a batch, of which a share has none."""
    yield Measured("the shape of c", list(c.shape))
    if c.shape != (len(labels), 10):
        return
    yield Measured("the kind of number in c", str(c.dtype))
    dropped, of_each = dropped_from(c)
    yield Measured(
        "some digits are always dropped, and others never",
        bool((of_each == 0).any() and (of_each == 1).any()),
        name="digits dropped, not pictures",
        say="Some digits are always dropped, and others never: it drops columns of c. A picture's class is its row.",
    )
    yield Measured("the share of pictures without a class", dropped.double().mean(), 3.2 * NOISY)
    yield Measured("the largest number in c", c.double().max().item(), 1e-3)
    right = c[~dropped].argmax(dim=1) == labels[~dropped]
    yield Measured("c is one-hot in its own label", bool(right.all()) and bool((c[~dropped].sum(1) == c.max()).all()))


def dropped_from(c):
    """Which pictures have no class, and their share of each digit's: the labels are 0 … 9, again and again."""
    dropped = (c == 0).all(dim=1)
    return dropped, dropped.view(-1, 10).double().mean(dim=0)


def probe_many(times, classes, T, p):
    """What only many batches show: how often each timestep is drawn, and how often each class dropped."""
    t = torch.cat(times).double().flatten() * T
    yield Measured("the largest t01, times 300", t.max(), 0.1 / T)  # to a tenth of a timestep
    yield Measured("the smallest t01, times 300", t.min(), 0.1)
    yield Measured("the mean of t", t.mean().item(), 1.3 * NOISY)
    if classes:
        dropped, of_each = dropped_from(torch.cat(classes))
        yield Measured("the share of pictures without a class", dropped.double().mean(), 0.045)
        yield Measured("each digit is dropped as often", bool((of_each - p).abs().max() < 0.15))


def index_of(t01):
    """The timesteps that the network is told, as indices into ᾱ."""
    return (t01.double().flatten() * len(LINEAR)).round().long().clamp(0, len(LINEAR) - 1)


def shares(x, of, t01, wanted):
    """How much of something is in x, as a part of what is wanted: near four timesteps, at the first pixel."""
    index, found = index_of(t01), (x / of).double().flatten(1)[:, 0]
    shown = [int(index[(index - near).abs().argmin()]) for near in (2, 60, 150, 290)]
    return [(found[index == i].median() / wanted[i]).item() for i in shown]


def noise_task(
    weigh=lambda a: (a.sqrt(), (1 - a).sqrt()),
    answer=lambda x, e, x_t: e,
    pick=None,
    told=lambda t, T: t / T,
    at=lambda t, T: t,
    columns=1,
    drop=None,
    classes=False,
    draw=torch.randn,
    frozen=False,
    table=LINEAR,
    clamp=False,
    frozen_t=False,
    show=lambda x: x,
    arrange=lambda *inputs: inputs,
):
    def make(T=300, emphasis=0.0, p_uncond=0.1):
        kept = noise(200, 1, 28, 28, seed=1) if frozen else None
        kept_t = torch.randint(T, (200,), generator=seeded(2))

        def examples(x0, labels, generator):
            n = len(x0)
            t = pick(T, n, generator) if pick else torch.randint(T, (n,), generator=generator)
            t = kept_t[:n] if frozen_t else t
            eps = kept[:n] if frozen else draw(x0.shape, generator=generator)
            a, b = weigh(table[at(t, T).clamp(0, len(table) - 1)].view(-1, 1, 1, 1))
            x_t = (a * show(x0) + b * eps).float()
            x_t = x_t.clamp(0, 1) if clamp else x_t
            t01 = told(t, T)
            t01 = t01.view(-1, 1) if columns else t01
            more = [(drop or drop_rows)(labels, p_uncond, generator)] if classes else []
            return arrange(x_t, t01, *more), answer(x0, eps, x_t)

        return Task(examples)

    return make


def one_hot_of(labels):
    return F.one_hot(labels, 10).float()


def drop_rows(labels, p, generator):
    return one_hot_of(labels) * (torch.rand(len(labels), 1, generator=generator) >= p)


def drop_all(labels, p, generator):
    return one_hot_of(labels) * (torch.rand(1, generator=generator) >= p)


def drop_by_randn(labels, p, generator):
    return one_hot_of(labels) * (torch.randn(len(labels), 1, generator=generator) >= p)


def drop_to_zero_class(labels, p, generator):
    dropped = torch.rand(len(labels), generator=generator) < p
    return one_hot_of(labels.masked_fill(dropped, 0))


def noise_mistakes(classes):
    def wrong(**twist):
        return noise_task(classes=classes, **twist)

    betas = 1 - torch.linspace(1e-4, 0.02, 300, dtype=torch.float64)
    before = torch.cat([torch.ones(1, dtype=torch.float64), LINEAR[:-1]])
    return (
        *(
            Mistake("t instead of t/T", wrong(told=told), "t01 is t itself. The network wants t/T, a number in [0, 1].")
            for told in (lambda t, T: t.float(), lambda t, T: t)
        ),
        Mistake(
            "divided without a remainder",
            wrong(told=lambda t, T: t // T),
            "t01 is always 0: // leaves no fraction. The network wants t / T.",
        ),
        Mistake(
            "wrong dtype",
            wrong(told=lambda t, T: t.double() / T),
            "t01 is in double precision. What a network is shown is torch.float32, as its weights are.",
        ),
        Mistake(
            "1000 for T",
            wrong(told=lambda t, T: t / 1000),
            "t01 is t/1000, whatever T is. The network is told t/T, and T is self.T.",
        ),
        Mistake(
            "inputs in another order",
            wrong(arrange=lambda x_t, t01, *c: (x_t, *c, t01) if c else (t01, x_t)),
            "The inputs stand in another order than that in which the network takes them: x_t, t01"
            + (", c." if classes else "."),
        ),
        Mistake(
            "pictures in [-1, 1]",
            wrong(show=lambda x: 2 * x - 1),
            "It looks as if x0 were moved to [-1, 1], 2 x0 - 1, as in Part A. Part B's pictures stay in [0, 1].",
        ),
        Mistake(
            "t off by one",
            wrong(told=lambda t, T: (t + 1) / T),
            "t01 is (t + 1)/T, or t was drawn from 1 to T. t runs from 0 to T - 1, and the network is told t/T.",
        ),
        Mistake("t/(T − 1)", wrong(told=lambda t, T: t / (T - 1)), "t01 is t/(T - 1); the network is told t/T."),
        Mistake(
            "the last timestep never drawn",
            wrong(pick=lambda T, n, g: torch.randint(T - 1, (n,), generator=g)),
            "t = T - 1 is never drawn: randint(T, …) draws from 0 to T - 1 already.",
        ),
        Mistake(
            "t = 0 never drawn",
            wrong(pick=lambda T, n, g: torch.randint(1, T, (n,), generator=g)),
            "t = 0 is never drawn. t runs from 0 to T - 1.",
        ),
        Mistake(
            "one timestep for the whole batch",
            wrong(pick=lambda T, n, g: torch.randint(T, (1,), generator=g).expand(n)),
            "All pictures of the batch have the same t: draw one for each.",
        ),
        Mistake(
            "t is no whole number",
            wrong(told=lambda t, T: (t + 0.5) / T),
            "t01 · T is no whole number: t is an integer, an index into alphas_cumprod.",
        ),
        Mistake(
            "time runs backwards",
            wrong(told=lambda t, T: (T - 1 - t) / T),
            "The network is told a time that runs backwards: t/T is small where there is little noise.",
        ),
        Mistake("shape of t01", wrong(columns=0), "t01 has shape (B,). The network takes a column, (B, 1)."),
        Mistake(
            "the picture as the answer",
            wrong(answer=lambda x, e, x_t: x),
            "The network is asked for x0. This one is asked for the noise.",
        ),
        Mistake(
            "the noisy picture as the answer",
            wrong(answer=lambda x, e, x_t: x_t),
            "The network is asked for x_t, which it has been given. It is asked for the noise.",
        ),
        Mistake(
            "the noise in x_t as the answer",
            wrong(answer=lambda x, e, x_t: x_t - x),
            "The network is asked for x_t - x0. It is asked for eps itself, whose variance is 1 at every t.",
        ),
        Mistake(
            "other noise as the answer",
            wrong(answer=lambda x, e, x_t: noise(*x.shape, seed=3)),
            "The network is asked for noise that is not in its own x_t: drawn anew, or another picture's. Of that "
            "there is nothing to be learned: the target is the very eps that went into x_t.",
        ),
        *(
            Mistake(
                "the sign of the noise",
                wrong(**twist),
                "The target is the noise in x_t with the opposite sign. What is asked for is the eps that was added.",
            )
            for twist in (
                {"answer": lambda x, e, x_t: -e},
                {"weigh": lambda a: (a.sqrt(), -(1 - a).sqrt())},
            )
        ),
        Mistake(
            "both roots forgotten",
            wrong(weigh=lambda a: (a, 1 - a)),
            "Both square roots look forgotten: the weights are √ᾱ_t and √(1 − ᾱ_t).",
        ),
        Mistake(
            "√(1 − ᾱ) forgotten",
            wrong(weigh=lambda a: (a.sqrt(), 1 - a)),
            "The noise is weighted by 1 − ᾱ_t itself: the square root is missing.",
        ),
        Mistake(
            "√ᾱ forgotten",
            wrong(weigh=lambda a: (a, (1 - a).sqrt())),
            "The picture is weighted by ᾱ_t itself: the square root is missing.",
        ),
        Mistake(
            "picture not shrunk",
            wrong(weigh=lambda a: (torch.ones_like(a), (1 - a).sqrt())),
            "The picture has its full strength in x_t. It shrinks as the noise grows.",
        ),
        Mistake(
            "weights exchanged",
            wrong(weigh=lambda a: ((1 - a).sqrt(), a.sqrt())),
            "Picture and noise have each other's weight.",
        ),
        Mistake(
            "α instead of ᾱ",
            wrong(table=betas),
            "It looks as if α_t of one step were used: then nearly every x_t is nearly clean. ᾱ_t is the product.",
        ),
        Mistake(
            "ᾱ off by one",
            wrong(table=before),
            "It looks as if it used ᾱ of the timestep before. alphas_cumprod[t] belongs to t.",
        ),
        Mistake(
            "ᾱ off by one",
            wrong(at=lambda t, T: t + 1),
            "It looks as if it used ᾱ of the timestep after. alphas_cumprod[t] belongs to t.",
        ),
        Mistake("x_t clamped", wrong(clamp=True), "x_t is clamped to [0, 1], which cuts half of the noise away."),
        Mistake(
            "noise drawn once",
            wrong(frozen=True),
            "Every batch has the same noise. Draw it anew in each call, or the network learns it by heart.",
        ),
        Mistake(
            "timesteps drawn once",
            wrong(frozen_t=True),
            "Every batch has the same timesteps. Draw them anew in each call.",
        ),
        *other_noises(lambda draw: wrong(draw=draw)),
    )


time_conditional = Exercise(
    name="time_conditional",
    notebook="b2_2",
    kit="helpers.training.TimeConditional",
    task="Make a batch of examples: draw t, by self.timesteps, and eps for every picture; the network sees (x_t, t/T) "
    "and should answer eps.",
    look="Compare with algorithm 1: a t for every picture, from 0 to T - 1, fresh noise, x_t by the forward process.",
    probe=probe_noise,
    right=noise_task(),
    blank=("examples",),
    mistakes=noise_mistakes(False),
)

class_conditional = Exercise(
    name="class_conditional",
    notebook="b2_4",
    kit="helpers.training.ClassConditional",
    task="As in 2.2, and a third input: the one-hot class c, which is all zeros with probability p_uncond.",
    look="x_t and t01 are as in 2.2, and c comes after them. Count its rows that are all zeros: it should be a share "
    "p_uncond of them. All others have a single 1.",
    probe=lambda student: probe_noise(student, classes=True),
    right=noise_task(classes=True),
    blank=("examples",),
    mistakes=(
        Mistake(
            "the whole batch dropped at once",
            noise_task(classes=True, drop=drop_all),
            "The classes of a whole batch are dropped, or none. Draw it for every picture.",
        ),
        Mistake(
            "never dropped",
            noise_task(classes=True, drop=lambda labels, p, g: one_hot_of(labels)),
            "No class is ever dropped, so the network never learns to predict without one.",
        ),
        Mistake(
            "kept with probability p",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, 1 - p, g)),
            "The class is kept with probability p_uncond; it is dropped with it.",
        ),
        Mistake(
            "randn for rand",
            noise_task(classes=True, drop=drop_by_randn),
            "Too many classes are dropped, as if the draw were normal: half of torch.randn's numbers are below 0, and "
            "so below any p_uncond. torch.rand's are below p_uncond with that very probability.",
        ),
        Mistake(
            "no class as class 0",
            noise_task(classes=True, drop=drop_to_zero_class),
            "Where the class is dropped, c says class 0, which is a zero. No class is all zeros.",
        ),
        Mistake(
            "scaled by the dropout",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, p, g) / max(1 - p, 1e-6)),
            "What is kept is divided by 1 - p, as nn.Dropout does: then c has a size that sampling never shows.",
        ),
        Mistake(
            "p fixed",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, 0.1, g)),
            "A tenth is dropped whatever p_uncond is.",
        ),
        Mistake(
            "p fixed",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, 0.5, g)),
            "Half is dropped whatever p_uncond is.",
        ),
        Mistake(
            "classes exchanged",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels.roll(1), p, g)),
            "c is another picture's class: rows and labels have to stay together.",
        ),
        Mistake(
            "class as a number",
            noise_task(classes=True, drop=lambda labels, p, g: labels.float()[:, None]),
            "c is the label as a number. The network takes one-hot rows, (B, 10).",
        ),
        Mistake(
            "wrong dtype",
            noise_task(classes=True, drop=lambda labels, p, g: drop_rows(labels, p, g).long()),
            "c has integers. The network takes torch.float32.",
        ),
        *noise_mistakes(True),
    ),
)


# ---- B 1.2: the step that learns -----------------------------------------------------------------------------------


class Line(nn.Module):
    """A network of three weights. It notes in which mode it was called."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.tensor(v)) for v in (0.5, -0.2, 0.1))
        self.modes = []

    def forward(self, x, t01):
        self.modes.append(self.training)
        return self.a * x + self.b + self.c * t01.view(-1, 1, 1, 1)

    def weights(self):
        return [p.detach().item() for p in (self.a, self.b, self.c)]


def count_steps(optimizer) -> list:
    """A list that grows by one with each step of the optimizer from now on."""
    steps: list = []
    optimizer.register_step_pre_hook(lambda *arguments: steps.append(1))
    return steps


def probe_training_step(student):
    x, t01, target = noise(6, 1, 28, 28, seed=161), torch.linspace(0, 1, 6)[:, None], noise(6, 1, 28, 28, seed=162)
    attached = False
    for words, optimizer_of in (
        ("plain gradient descent", lambda line: torch.optim.SGD(line.parameters(), lr=0.1)),
        ("Adam", lambda line: torch.optim.Adam(line.parameters(), lr=0.01)),
    ):
        line = Line().eval()
        optimizer = optimizer_of(line)
        for which in ("first", "second", "third"):
            steps, gradients = count_steps(optimizer), []
            hook = line.a.register_hook(gradients.append)
            loss = student(f"{words}, the {which} step", line, optimizer, (x, t01), target)
            hook.remove()
            try:
                value = float(loss.detach() if torch.is_tensor(loss) else loss)
            except (TypeError, ValueError, RuntimeError):
                given = f"a tensor {tuple(loss.shape)}" if torch.is_tensor(loss) else f"a {type(loss).__name__}"
                raise Fault("wrong type", f"It returns {given}; wanted the loss, one number.") from None
            yield Measured("the network learns in training mode", bool(line.modes) and line.modes[-1])
            yield Measured("the loss that it returns", value, 1e-3)
            yield Measured("a gradient is computed", bool(gradients))
            yield Measured("how often the optimizer steps", len(steps))
            yield Measured("the weights after the step", line.weights(), 2e-3)
            attached |= torch.is_tensor(loss) and loss.requires_grad
    yield Measured(
        "the loss that it returns is still attached to how it was computed",
        attached,
        name="loss still attached",
        say="The loss comes back with all that its gradient was computed from. Whoever collects the losses, as the "
        "loss curve does, then keeps every batch's activations in memory. What is wanted is its value alone.",
    )


def training_step_by(
    loss=lambda a, b: ((a - b) ** 2).mean(),
    predict=lambda network, inputs: network(*inputs),
    wanted=lambda inputs, target: target,
    train=True,
    clear="before",
    back=True,
    go=True,
    order="right",
    report="before",
    sign=1.0,
    twice=False,
):
    def training_step(network, optimizer, inputs, target):
        if train:
            network.train()
        if order == "step first":
            optimizer.step()
        value = sign * loss(predict(network, inputs), wanted(inputs, target))
        if clear == "before":
            optimizer.zero_grad()
        if back:
            value.backward()
        if clear == "after backward":
            optimizer.zero_grad()
        if go and order == "right":
            optimizer.step()
        if twice:
            optimizer.step()
        if report == "after":
            with torch.no_grad():
                value = loss(network(*inputs), target)
        return sign * value.detach() if report == "before" else value.detach()

    return training_step


training_step = Exercise(
    name="training_step",
    notebook="b1_2",
    kit="helpers.training.training_step",
    task="Let the network learn from one batch: its answer, the mean squared error, the gradient, Adam's step.",
    look="Four things in this order: the answer and its loss, the old gradients away, the new ones, the "
    "optimizer's step.",
    probe=probe_training_step,
    right=training_step_by(),
    mistakes=(
        Mistake(
            "zero_grad forgotten",
            training_step_by(clear="never"),
            "The gradients of earlier steps are still there, and add up: optimizer.zero_grad() before the new ones.",
        ),
        Mistake(
            "gradients cleared too late",
            training_step_by(clear="after backward"),
            "The gradients are cleared after they were computed, so the step has nothing to go by.",
        ),
        Mistake(
            "evaluation mode",
            training_step_by(train=False),
            "The network learns in evaluation mode: BatchNorm's averages then stand still. network.train() first.",
        ),
        Mistake(
            "inputs not unpacked",
            training_step_by(predict=lambda network, inputs: network(inputs)),
            "The network is called with one argument. `inputs` is a tuple of all that it takes: network(*inputs).",
        ),
        Mistake(
            "gradient cut off",
            training_step_by(predict=lambda network, inputs: network(*inputs).detach()),
            "There is no way back from the loss to the weights. Is there a detach(), an item() or a torch.no_grad() "
            "before loss.backward()?",
        ),
        Mistake(
            "compared with its input",
            training_step_by(wanted=lambda inputs, target: inputs[0]),
            "The answer is compared with inputs[0], which the network was shown. It is compared with target.",
        ),
        Mistake(
            "no step", training_step_by(go=False), "The weights stay as they are: the optimizer's step is missing."
        ),
        Mistake(
            "no backward",
            training_step_by(back=False, go=True),
            "The weights stay as they are: no gradient is computed. loss.backward() does.",
        ),
        Mistake(
            "step before the gradient",
            training_step_by(order="step first", clear="before"),
            "The optimizer steps before the gradient of this batch is there: it follows the one before.",
        ),
        Mistake(
            "loss summed",
            training_step_by(loss=lambda a, b: ((a - b) ** 2).sum()),
            "The squared errors are added up. The loss is their mean, which does not depend on the batch's size.",
        ),
        Mistake(
            "absolute error",
            training_step_by(loss=lambda a, b: (a - b).abs().mean()),
            "The loss is the mean absolute error; it is the mean of the squares.",
        ),
        Mistake(
            "root of the loss",
            training_step_by(loss=lambda a, b: ((a - b) ** 2).mean().sqrt()),
            "The loss is the root of the mean squared error; here it is the mean itself.",
        ),
        Mistake(
            "squares forgotten",
            training_step_by(loss=lambda a, b: (a - b).mean()),
            "The errors are not squared, so that positive and negative ones cancel.",
        ),
        Mistake("uphill", training_step_by(sign=-1.0), "It walks up the gradient: the loss grows."),
        Mistake("two steps", training_step_by(twice=True), "The optimizer steps twice."),
        Mistake(
            "half of the loss",
            training_step_by(loss=lambda a, b: ((a - b) ** 2).mean() / 2),
            "The loss is half of the mean squared error.",
        ),
        Mistake(
            "loss after the step",
            training_step_by(report="after"),
            "The loss that is returned was measured after the step; wanted the one that the step followed.",
        ),
    ),
)

EXERCISES = [one_step, training_step, time_conditional, class_conditional]
