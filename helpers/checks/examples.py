"""Shared by the exercises on training examples: probes, the reference of B 2.2, and its mistakes."""

# ruff: noqa: E501 (one mistake, two lines)

import torch
import torch.nn.functional as F

from . import toys
from .exercise import Mistake, alike
from .faults import Fault
from .measured import Measured
from .references import FORWARD_MISTAKES
from .running import pair, tensor

__all__: list[str] = []  # it is for the checks alone

LINEAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 300, dtype=torch.float64), 0)  # ᾱ of CS180's schedule


def examples_of(student, task, case, x0, labels, generator, count):
    """The network's arguments and its target. Raises a Fault for wrong types."""
    if not hasattr(task, "examples"):
        raise Fault("wrong type", f"It makes a {type(task).__name__}, which has no method examples.")
    inputs, target = pair(student.call(task.examples, case, x0, labels, generator), "inputs, target")
    if isinstance(inputs, torch.Tensor):
        raise Fault(
            "inputs no tuple",
            "The inputs are a tensor. Return a tuple of the network's arguments, even for a single one: (z,).",
        )
    if not isinstance(inputs, (tuple, list)) or len(inputs) != count:
        given = f"{len(inputs)} inputs" if isinstance(inputs, (tuple, list)) else f"a {type(inputs).__name__}"
        raise Fault("other inputs", f"It returns {given} for the network; this one takes {count}.")
    names = ("the noisy image", "t01", "c")
    return [tensor(x, name) for x, name in zip(inputs, names)], tensor(target, "the target")


def probe_noise(student, classes=False):
    N, T, p = 200, 300, 0.3
    shape, labels = (N, 1, 28, 28), torch.arange(N) % 10
    made = f"p_uncond = {p}" if classes else f"T = {T}"
    task = student(made, **({"p_uncond": p} if classes else {"T": T}))

    def batch(shade, generator):
        case = f"{made}, {N} {'white' if shade else 'black'} images"
        return examples_of(student, task, case, torch.full(shape, shade), labels, generator, 2 + classes)

    generator = toys.seeded(151)
    (x_t, t01, *c), eps = batch(0.0, generator)
    yield Measured("the shape of the images", list(x_t.shape))
    yield Measured("the shape of t01", list(t01.shape))
    yield Measured("the kind of number in t01", str(t01.dtype))
    yield Measured("the shape of the target", list(eps.shape))
    if x_t.shape != shape or t01.numel() != N or eps.shape != shape:
        return
    t = t01.double().flatten() * T
    yield Measured("the largest t01 of a batch", t01.max().item(), 2 * toys.NOISY)
    yield Measured("t01 · 300 is a whole number", bool(((t - t.round()).abs() < 0.01).all()))
    yield Measured("the images have a t of their own each", len(t.round().unique()) > N / 2)
    yield Measured("the mean of the target", toys.mean(eps), toys.NOISY)
    yield Measured("the standard deviation of the target", toys.std(eps), toys.NOISY)
    yield toys.reach(eps, "the target")
    yield Measured("the likeness of two images' targets", toys.likeness(*eps.chunk(2)), toys.NOISY)
    alike = F.cosine_similarity(x_t.flatten(1), eps.flatten(1)).mean()
    yield Measured("the likeness of x_t, of black images, and the target", alike, toys.NOISY)
    yield Measured(
        "the share of the noise in x_t, over √(1 − ᾱ_t) (small t to large)",
        shares(x_t, eps, t01, (1 - LINEAR).sqrt()),  # black images: x_t is only noise
        0.01,
    )
    weighted = (1 - LINEAR[index_of(t01)]).sqrt().view(-1, 1, 1, 1) * eps
    yield Measured(
        "x_t, of black images, is their weighted noise everywhere", bool((x_t - weighted).abs().max() < 1e-3)
    )
    (x_white, t_white, *_), eps_white = batch(1.0, generator)
    noiseless = x_white - (1 - LINEAR[index_of(t_white)]).sqrt().view(-1, 1, 1, 1) * eps_white
    yield Measured(
        "the share of the image in x_t, over √ᾱ_t (small t to large)",
        shares(noiseless, torch.ones(shape), t_white, LINEAR.sqrt()),
        0.01,
    )
    (_, t_later, *c_later), eps_later = batch(0.0, generator)
    yield Measured("the likeness of two batches' noise", toys.likeness(eps, eps_later), toys.NOISY)
    yield Measured("two batches have other timesteps", not torch.equal(t01, t_later))
    (_, t_again, *c_again), again = batch(0.0, toys.seeded(151))
    (_, t_other, *c_other), other = batch(0.0, toys.seeded(152))
    yield from toys.of_chance(eps, again, other)
    yield from toys.of_chance(t01, t_again, t_other, "choice of timesteps")
    if classes:
        yield from probe_dropping(student, labels, *c, *c_later, *c_again, *c_other)
    many = [batch(0.0, generator)[0][1:] for _ in range(4500 // N)]
    yield from probe_many([t01 for t01, *_ in many], [c for _, *[c] in many] if classes else [], T, p)


def probe_dropping(student, labels, c, later, again, other):
    """Measures which classes are dropped: in one batch, in a later one, with the same seed again, with another seed."""
    yield from probe_classes(c, labels)
    yield Measured(
        "another batch drops others",
        not torch.equal(c, later),
        name="always the same dropped",
        say="Every batch drops the classes of the same images. Draw anew for each batch.",
    )
    yield from toys.of_chance(c, again, other, "choice of the classes to drop")
    black = torch.zeros(len(labels), 1, 28, 28)
    for all_or_nothing, words in ((0.0, "p_uncond = 0: nothing is dropped"), (1.0, "p_uncond = 1: everything is")):
        task = student(words, p_uncond=all_or_nothing)
        (_, _, c), _ = examples_of(student, task, words, black, labels, toys.seeded(153), 3)
        yield Measured("the share of images without a class", (c == 0).all(dim=1).double().mean())


def probe_classes(c, labels):
    """Measures the classes c of a batch, some of which are dropped."""
    yield Measured("the shape of c", list(c.shape))
    if c.shape != (len(labels), 10):
        return
    yield Measured("the kind of number in c", str(c.dtype))
    dropped, of_each = dropped_from(c)
    yield Measured(
        "some digits are always dropped, and others never",
        bool((of_each == 0).any() and (of_each == 1).any()),
        name="digits dropped, not images",
        say="Some digits are always dropped, and others never: it drops columns of c. An image's class is its row.",
    )
    yield Measured("the share of images without a class", dropped.double().mean(), 3.2 * toys.NOISY)
    yield Measured("the largest number in c", c.double().max().item(), 1e-3)
    yield Measured("the smallest number in c", c.double().min())
    right = c[~dropped].argmax(dim=1) == labels[~dropped]
    yield Measured("c is one-hot in its own label", bool(right.all()) and bool((c[~dropped].sum(1) == c.max()).all()))


def dropped_from(c):
    """The images without a class (booleans), and their fraction for each digit; the labels are 0 … 9, repeated."""
    dropped = (c == 0).all(dim=1)
    return dropped, dropped.view(-1, 10).double().mean(dim=0)


def probe_many(times, classes, T, p):
    """Measures over many batches: the distribution of timesteps and of dropped classes."""
    t = torch.cat(times).double().flatten() * T
    yield Measured("the largest t01, times 300", t.max(), 0.1 / T)  # to a tenth of a timestep
    yield Measured("the smallest t01, times 300", t.min(), 0.1)
    yield Measured("the mean of t", t.mean().item(), 1.3 * toys.NOISY)
    if classes:
        dropped, of_each = dropped_from(torch.cat(classes))
        yield Measured("the share of images without a class", dropped.double().mean(), 0.045)
        yield Measured("each digit is dropped as often", bool((of_each - p).abs().max() < 0.15))


def index_of(t01):
    """The timesteps of t01, as indices into ᾱ."""
    return (t01.double().flatten() * len(LINEAR)).round().long().clamp(0, len(LINEAR) - 1)


def shares(x, of, t01, wanted):
    """The coefficient of `of` in x, relative to the wanted one, near four timesteps, at the first pixel."""
    index, found = index_of(t01), (x / of).double().flatten(1)[:, 0]
    shown = [int(index[(index - near).abs().argmin()]) for near in (2, 60, 150, 290)]
    return [(found[index == i].median() / wanted[i]).item() for i in shown]


class TimeConditional:
    def __init__(self, T=300):
        self.T, self.alphas_cumprod = T, torch.cumprod(1 - torch.linspace(1e-4, 0.02, T), 0)

    def examples(self, x0, labels, generator):
        t = torch.randint(self.T, (len(x0),), generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        abar_t = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        x_t = abar_t.sqrt() * x0 + (1 - abar_t).sqrt() * eps
        t01 = (t / self.T)[:, None]
        target = eps
        return (x_t, t01), target


NOISE_MISTAKES = (
    *alike("t instead of t/T", "t01 is t itself. The network needs t/T, a number in [0, 1].",
           ("t / self.T", "t.float()"), ("t / self.T", "t")),
    Mistake("divided without a remainder", "t / self.T", "t // self.T",
            "t01 is always 0: // leaves no fraction. The network needs t / T."),
    Mistake("wrong dtype", "t / self.T", "t.double() / self.T",
            "t01 is in double precision. A network's inputs are torch.float32, like its weights."),
    Mistake("1000 for T", "t / self.T", "t / 1000",
            "t01 is t/1000, and T is ignored. The network receives t/T, and T is self.T."),
    Mistake("images in [-1, 1]", "abar_t.sqrt() * x0", "abar_t.sqrt() * (2 * x0 - 1)",
            "It looks as if x0 were moved to [-1, 1], 2 x0 - 1, as in Part A. Part B's images stay in [0, 1]."),
    *alike("t off by one", "t01 is (t + 1)/T, or t was drawn from 1 to T. t runs from 0 to T - 1, and the network receives t/T.",
           ("t / self.T", "(t + 1) / self.T"),
           ("abar_t = self.alphas_cumprod[t]", "t = t + 1\n        abar_t = torch.cumprod(1 - torch.linspace(1e-4, 0.02, self.T + 1), 0)[t]")),
    Mistake("t/(T − 1)", "t / self.T", "t / (self.T - 1)", "t01 is t/(T - 1); the network receives t/T."),
    Mistake("the last timestep never drawn", "torch.randint(self.T,", "torch.randint(self.T - 1,",
            "t = T - 1 is never drawn: randint(T, …) draws from 0 to T - 1 already."),
    Mistake("t = 0 never drawn", "torch.randint(self.T,", "torch.randint(1, self.T,",
            "t = 0 is never drawn. t runs from 0 to T - 1."),
    Mistake("one timestep for the whole batch", "(len(x0),), generator=generator)", "(1,), generator=generator).expand(len(x0))",
            "All images of the batch have the same t: draw one for each."),
    Mistake("t is no whole number", "t / self.T", "(t + 0.5) / self.T",
            "t01 · T is not a whole number: t is an integer, an index into alphas_cumprod."),
    Mistake("time runs backwards", "t / self.T", "(self.T - 1 - t) / self.T",
            "The network receives a time that runs backwards: t/T is small where there is little noise."),
    *alike("shape of t01", "t01 has shape (B,). The network takes a column, (B, 1).",
           ("[:, None]", ""), ("[:, None]", "[:, None, None, None]")),
    Mistake("the image as the answer", "target = eps", "target = x0",
            "The target is x0. This network has to predict the noise."),
    Mistake("the noisy image as the answer", "target = eps", "target = x_t",
            "The target is x_t, the network's input. It has to predict the noise."),
    Mistake("the noise in x_t as the answer", "target = eps", "target = x_t - x0",
            "The target is x_t - x0. It should be eps itself, whose variance is 1 at every t."),
    *alike("other noise as the answer", "The target is noise that is not in x_t: drawn anew, or another image's. The network cannot learn from that: the target is the eps that was used for x_t.",
           ("target = eps", "target = torch.randn(x0.shape, generator=generator)"),
           ("target = eps", "target = torch.randn(x0.shape)"),
           ("target = eps", "target = torch.randn(x0.shape, generator=torch.Generator().manual_seed(3))")),
    *alike("the sign of the noise", "The target is the noise in x_t with the opposite sign. It should be the eps that was added.",
           ("target = eps", "target = -eps"), ("+ (1 - abar_t).sqrt() * eps", "- (1 - abar_t).sqrt() * eps")),
    *FORWARD_MISTAKES,
    Mistake("α instead of ᾱ", "self.alphas_cumprod[t]", "(1 - torch.linspace(1e-4, 0.02, self.T))[t]",
            "It looks as if α_t of one step were used: then nearly every x_t is nearly clean. ᾱ_t is the product."),
    *alike("ᾱ off by one", "It looks as if it used ᾱ of the timestep before. alphas_cumprod[t] belongs to t.",
           ("self.alphas_cumprod[t]", "F.pad(self.alphas_cumprod, (1, 0), value=1.0)[t]"),
           ("self.alphas_cumprod[t]", "self.alphas_cumprod[t - 1]"),
           ("self.alphas_cumprod[t]", "self.alphas_cumprod[(t - 1).clamp(min=0)]")),
    Mistake("ᾱ off by one", "self.alphas_cumprod[t]", "self.alphas_cumprod[(t + 1).clamp(max=self.T - 1)]",
            "It looks as if it used ᾱ of the timestep after. alphas_cumprod[t] belongs to t."),
    *alike("x_t clamped", "x_t is clamped, which cuts a part of the noise away. A noisy image has to exceed the range of clean ones.",
           ("(1 - abar_t).sqrt() * eps", "(1 - abar_t).sqrt() * eps\n        x_t = x_t.clamp(0, 1)"),
           ("(1 - abar_t).sqrt() * eps", "(1 - abar_t).sqrt() * eps\n        x_t = x_t.clamp(-1, 1)")),
    Mistake("noise drawn once", "torch.randn(x0.shape, generator=generator)", "torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))",
            "Every batch has the same noise. Draw it anew in each call, or the network memorises it."),
    Mistake("timesteps drawn once", "(len(x0),), generator=generator)", "(len(x0),), generator=torch.Generator().manual_seed(0))",
            "Every batch has the same timesteps. Draw them anew in each call."),
    *toys.other_noises("x0.shape"),
)  # fmt: skip

# Of a reference that drops classes by `c = one_hot * keep`.
CLASS_MISTAKES = (
    Mistake("the whole batch dropped at once", "torch.rand(len(x0), 1,", "torch.rand(1, 1,",
            "The classes of a whole batch are dropped, or none. Draw it for every image."),
    Mistake("never dropped", "c = one_hot * keep", "c = one_hot",
            "No class is ever dropped, so the network never learns to predict without one."),
    Mistake("always dropped", "c = one_hot * keep", "c = 0 * one_hot",
            "Every class is dropped, so the network never learns what the classes are."),
    Mistake("kept with probability p", ">= self.p_uncond", "< self.p_uncond",
            "The class is kept with probability p_uncond; it is dropped with it."),
    Mistake("randn for rand", "torch.rand(len(x0), 1,", "torch.randn(len(x0), 1,",
            "Too many classes are dropped, as if the draw were normal: half of torch.randn's numbers are below 0, and so below any p_uncond. torch.rand's are below p_uncond with that very probability."),
    Mistake("no class as class 0", "c = one_hot * keep", "c = F.one_hot(labels * keep[:, 0], 10).float()",
            "Where the class is dropped, c is class 0, the digit zero. No class is all zeros."),
    *alike("scaled by the dropout", "What is kept is divided by 1 - p, as nn.Dropout does: then c has a size that sampling never shows.",
           ("c = one_hot * keep", "c = one_hot * keep / max(1 - self.p_uncond, 1e-6)"),
           ("c = one_hot * keep", "c = F.dropout(one_hot, self.p_uncond)")),
    Mistake("p fixed", ">= self.p_uncond", ">= 0.1", "A tenth is always dropped: p_uncond is ignored."),
    Mistake("p fixed", ">= self.p_uncond", ">= 0.5", "Half is always dropped: p_uncond is ignored."),
    Mistake("classes exchanged", "F.one_hot(labels, 10)", "F.one_hot(labels.roll(1), 10)",
            "c is another image's class: rows and labels have to stay together."),
    Mistake("class as a number", "c = one_hot * keep", "c = labels.float()[:, None]",
            "c is the label as a number. The network takes one-hot rows, (B, 10)."),
    Mistake("wrong dtype", "c = one_hot * keep", "c = (one_hot * keep).long()",
            "c has integers. The network takes torch.float32."),
    Mistake("the class negative", "c = one_hot * keep", "c = one_hot * (-1 * keep.float())",
            "c is one-hot with -1 in the place of 1: the mask that drops the classes has turned the sign. It is 1 for a class that is kept, and 0 for one that is dropped."),
    Mistake("-1 for no class", "c = one_hot * keep", "c = one_hot * keep - 1.0 * (~keep)",
            "Where the class is dropped, c is -1 everywhere. It is all zeros there."),
    *alike("shape of c", "c has axes like an image's. The network takes rows, (B, 10): its FCBlock adds the two axes.",
           ("c = one_hot * keep", "c = (one_hot * keep)[:, None, None]"),
           ("c = one_hot * keep", "c = (one_hot * keep)[:, :, None, None]")),
)  # fmt: skip
