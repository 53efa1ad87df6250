"""What the exercises on examples share: probes, the reference and its mistakes."""

import torch
import torch.nn.functional as F

from .exercise import Mistake
from .faults import Fault
from .measured import Measured
from .running import pair, tensor
from .toys import NOISY, likeness, mean, noise, of_chance, other_noises, seeded, std


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
