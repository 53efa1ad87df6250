"""Exercises on noise and pictures: the forward process and the estimate, blurs, pixels, thresholds, timesteps."""

import itertools
import math

import torch
import torch.nn.functional as F

from .exercise import Exercise, Measured, Mistake, same
from .running import pair, tensor
from .toys import (
    GREY_NOISE,
    NOISY,
    grey_noise,
    likeness,
    noise,
    of_chance,
    other_noises,
    pictures,
    schedule,
    seeded,
    std,
)

# ---- 1.1: the forward process --------------------------------------------------------------------------------------

SECOND = "x_t is right. The second result is not the noise: return the eps that went into x_t, with variance 1."


def probe_forward(student):
    # large enough for the eye to find the picture in the noise
    abar, x0, eps = schedule().alphas_cumprod, pictures(size=64), noise(2, 3, 64, 64)
    for t in (20, 0, 49):
        x_t, handed_back = pair(student(f"t = {t}, the noise given", x0, t, abar, noise=eps), "x_t, eps")
        yield Measured("x_t", tensor(x_t, "x_t"), low=-1.0)
        yield Measured("eps", tensor(handed_back, "eps"), name="wrong second result", say=SECOND)
    t = torch.tensor([5, 30])
    x_t, _ = pair(
        student("a timestep of its own for each picture, t = tensor([5, 30])", x0, t, abar, noise=eps), "x_t, eps"
    )
    yield Measured("x_t", tensor(x_t, "x_t"), low=-1.0)

    black = torch.zeros(4, 3, 32, 32)
    case = "t = 20, the noise drawn from a generator, black pictures"
    x_t, eps = pair(student(case, black, 20, abar, generator=seeded(81)), "x_t, eps")
    x_t, eps = tensor(x_t, "x_t"), tensor(eps, "eps")
    again = pair(student(case, black, 20, abar, generator=seeded(81)), "x_t, eps")[0]
    other = pair(student(case, black, 20, abar, generator=seeded(82)), "x_t, eps")[0]
    yield from of_chance(x_t, tensor(again, "x_t"), tensor(other, "x_t"))
    yield Measured("the shape of x_t", list(x_t.shape))
    yield Measured("the standard deviation of eps", std(eps), NOISY)
    yield Measured("the mean of eps", eps.double().mean(), 2 * NOISY)
    yield Measured("the standard deviation of x_t", std(x_t), NOISY)
    yield Measured("how far x_t is from what its eps makes of it", x_t - (1 - abar[20]).sqrt() * eps)
    yield Measured("the likeness of two pictures' noise", likeness(eps[0], eps[1]), 3 * NOISY)
    yield Measured("the likeness of two colours' noise", likeness(eps[:, 0], eps[:, 1]), 2.5 * NOISY)


def forward_by(weigh, draw=torch.randn):
    """The forward process with weights of picture and noise by weigh(abar, t), picture by picture."""

    def forward(x0, t, alphas_cumprod, *, noise=None, generator=None):
        eps = draw(x0.shape, generator=generator) if noise is None else noise
        ts = [int(t)] * len(x0) if not torch.is_tensor(t) or t.ndim == 0 else t.tolist()
        weights = [weigh(alphas_cumprod.double(), t) for t in ts]
        x_t = [a * x + b * e for (a, b), x, e in zip(weights, x0.double(), eps.double())]
        return torch.stack(x_t).float(), eps

    return forward


def roots(abar, t):
    return math.sqrt(abar[t]), math.sqrt(1 - abar[t])


def hand_back_the_change(x0, t, alphas_cumprod, **options):
    x_t, _eps = forward_by(roots)(x0, t, alphas_cumprod, **options)
    return x_t, x_t - x0


def hand_back_weighted(x0, t, alphas_cumprod, **options):
    x_t, _eps = forward_by(roots)(x0, t, alphas_cumprod, **options)
    return x_t, x_t - alphas_cumprod[t].sqrt().view(-1, 1, 1, 1) * x0


def own_noise(x0, t, alphas_cumprod, *, noise=None, generator=None):
    return forward_by(roots)(x0, t, alphas_cumprod, generator=generator)


def clamped(*args, **options):
    x_t, eps = forward_by(roots)(*args, **options)
    return x_t.clamp(-1, 1), eps


SQUARES = "The squares of the two weights add up to 1, since they are shares of the variance."
forward = Exercise(
    name="forward",
    notebook="a1_1",
    kit="helpers.sampling.forward",
    task="Mix the picture x0 with noise, as the formula under 'All steps in one' says, and return x_t and the noise.",
    look="Set the noise to zero, and look at what is left: it is the first term of the formula, and nothing else.",
    probe=probe_forward,
    right=forward_by(roots),
    mistakes=(
        Mistake(
            "both roots forgotten",
            forward_by(lambda abar, t: (abar[t], 1 - abar[t])),
            f"Both weights look as if the square roots were forgotten: ᾱ_t is a variance. {SQUARES}",
        ),
        Mistake(
            "√ᾱ forgotten",
            forward_by(lambda abar, t: (abar[t], math.sqrt(1 - abar[t]))),
            f"The picture looks as if it were multiplied by ᾱ_t itself: its square root is missing. {SQUARES}",
        ),
        Mistake(
            "√(1 − ᾱ) forgotten",
            forward_by(lambda abar, t: (math.sqrt(abar[t]), 1 - abar[t])),
            f"The noise looks as if it were multiplied by 1 − ᾱ_t itself: its square root is missing. {SQUARES}",
        ),
        Mistake(
            "weights exchanged",
            forward_by(lambda abar, t: roots(abar, t)[::-1]),
            "Picture and noise have each other's weight. At t = 0 there is almost no noise: ᾱ_0 is nearly 1.",
        ),
        Mistake(
            "1 − √ᾱ",
            forward_by(lambda abar, t: (math.sqrt(abar[t]), 1 - math.sqrt(abar[t]))),
            f"The noise's weight looks like 1 − √ᾱ_t. {SQUARES}",
        ),
        Mistake(
            "picture not shrunk",
            forward_by(lambda abar, t: (1.0, math.sqrt(1 - abar[t]))),
            "The picture has its full strength in x_t. It shrinks as the noise grows, so that the variance stays.",
        ),
        Mistake(
            "ᾱ off by one",
            forward_by(lambda abar, t: roots(abar, max(t - 1, 0))),
            "It looks as if it used ᾱ of the timestep before. alphas_cumprod[t] belongs to t, and alphas_cumprod[0] "
            "to t = 0, which has a little noise already.",
        ),
        Mistake(
            "ᾱ off by one",
            forward_by(lambda abar, t: roots(abar, min(t + 1, len(abar) - 1))),
            "It looks as if it used ᾱ of the timestep after. alphas_cumprod[t] belongs to t.",
        ),
        Mistake(
            "ᾱ_t multiplied up again",
            forward_by(lambda abar, t: roots(abar.cumprod(0), t)),
            "It looks as if the product were taken twice. alphas_cumprod is ᾱ already, the product of all 1 − β.",
        ),
        Mistake(
            "one timestep for the whole batch",
            lambda x0, t, *rest, **options: forward_by(roots)(
                x0, t[0] if torch.is_tensor(t) and t.ndim else t, *rest, **options
            ),
            "All pictures get the first one's timestep. If t is a tensor (B,), each picture has its own: "
            "`.view(-1, 1, 1, 1)` gives the numbers the axes that pictures have.",
        ),
        Mistake(
            "clamped",
            clamped,
            "x_t is clamped to [-1, 1]. A noisy picture has to leave that: clamp for the display only.",
        ),
        Mistake(
            "the given noise ignored",
            own_noise,
            "It draws noise of its own although it is given some: with `noise=`, that is the eps to use.",
        ),
        Mistake(
            "wrong second result",
            hand_back_the_change,
            SECOND,
        ),
        Mistake(
            "wrong second result",
            hand_back_weighted,
            "x_t is right. The second result is the noise as it was added, √(1 − ᾱ_t) eps: return eps itself, whose "
            "variance is 1 at every t.",
        ),
        *other_noises(lambda draw: forward_by(roots, draw)),
        Mistake("one noise for all colours", forward_by(roots, grey_noise), GREY_NOISE),
    ),
)


# ---- 1.2: a blur ---------------------------------------------------------------------------------------------------


def probe_blur(student):
    one = torch.zeros(1, 3, 17, 17)
    one[:, 1, 8, 8] = 1.0
    spot = tensor(student("a single bright pixel, in the middle of one channel", one, 7, 2.0), "the result")
    yield Measured(
        "the spot is the same on both sides",
        spot.ndim != 4 or all(torch.allclose(spot, spot.flip(i), atol=1e-4, equal_nan=True) for i in (2, 3)),
        name="bell beside the middle",
        say="A single bright pixel becomes a lopsided spot, so the whole picture shifts: the middle of the bell is not "
        "on the pixel. Print the weights: the largest stands in the middle, and they fall alike on both sides.",
    )
    yield Measured("the spot", spot, low=0.0, high=0.1)
    x = pictures(2, size=32)
    for kernel_size, sigma in ((7, 2.0), (5, 0.8), (11, 1.5)):
        y = tensor(student(f"kernel_size = {kernel_size}, sigma = {sigma:g}", x, kernel_size, sigma), "the result")
        yield Measured("the shape of the result", list(y.shape))
        edge = kernel_size // 2
        yield Measured("the middle of the picture", y[..., edge:-edge, edge:-edge], low=-1.0)
    y = tensor(student("the same pictures, up to their edges", x, 9, 2.0), "the result")
    if same(y, blur_by(gauss, padding="doubled")(x, 9, 2.0), 1e-4):  # the pixel at the edge may be reflected, too
        y = blur_by(gauss)(x, 9, 2.0)
    yield Measured("the result", y, low=-1.0)
    grey = tensor(student("a picture that is 0.5 everywhere", torch.full((1, 3, 16, 16), 0.5), 7, 2.0), "the result")
    yield Measured("the blurred grey, up to its edges", grey, low=0.0)


def blur_by(bell, *, normalise=True, padding="reflect", sides=(0, 1), crop=False, mix=False, swap=False, fixed=None):
    """A blur with the weights bell(d, sigma) at the distances d, one side after the other."""

    def blur(x, kernel_size, sigma):
        if swap:
            kernel_size, sigma = 2 * int(sigma) + 1, float(kernel_size)
        if fixed:
            kernel_size, sigma = fixed(kernel_size, sigma)
        edge = kernel_size // 2
        weights = [bell(abs(d), sigma) for d in range(-edge, edge + 1)]
        weights = [w / (sum(weights) if normalise else 1) for w in weights]
        y, n = x.double(), x.shape[-1]
        if mix:
            y = y.mean(dim=1, keepdim=True).expand(x.shape)
        if crop:
            padded = y
        elif padding == "doubled":
            wide = torch.cat([y[..., :edge].flip(3), y, y[..., -edge:].flip(3)], dim=3)
            padded = torch.cat([wide[..., :edge, :].flip(2), wide, wide[..., -edge:, :].flip(2)], dim=2)
        else:
            padded = F.pad(y, (edge,) * 4, mode=padding)
        n = padded.shape[-1] - 2 * edge
        if 0 in sides:
            padded = sum(w * padded[..., i : i + n, :] for i, w in enumerate(weights))
        else:
            padded = padded[..., edge : edge + n, :]
        if 1 in sides:
            padded = sum(w * padded[..., i : i + n] for i, w in enumerate(weights))
        else:
            padded = padded[..., edge : edge + n]
        return padded.float()

    return blur


def gauss(d, sigma):
    return math.exp(-(d**2) / (2 * sigma**2))


blur = Exercise(
    name="blur",
    notebook="a1_2",
    kit="helpers.illusions.blur",
    task="Blur the pictures with a Gaussian kernel whose weights add up to 1; beyond the edge the picture is "
    "reflected.",
    look="Blur a single bright pixel and look: the spot is the kernel. Is it as wide as it should be, and adds up "
    "to 1?",
    probe=probe_blur,
    right=blur_by(gauss),
    mistakes=(
        Mistake(
            "weights not normalised",
            blur_by(gauss, normalise=False),
            "The weights do not add up to 1, so that the picture becomes brighter. Divide them by their sum.",
        ),
        Mistake(
            "weights not normalised",
            blur_by(lambda d, s: gauss(d, s) / (s * math.sqrt(2 * math.pi)), normalise=False),
            "The weights are the normal density's, which add up to 1 only over all of space. A kernel cuts the bell "
            "off, and this one's weights add up to less than 1: divide them by their sum.",
        ),
        Mistake(
            "σ instead of σ²",
            blur_by(lambda d, s: math.exp(-(d**2) / (2 * s))),
            "The bell has another width: it looks as if sigma were not squared in the exponent.",
        ),
        Mistake(
            "2 missing in the exponent",
            blur_by(lambda d, s: math.exp(-(d**2) / s**2)),
            "The bell is too narrow, by a factor of √2: the exponent is -d² / 2 sigma².",
        ),
        Mistake(
            "σ² on the wrong side of the line",
            blur_by(lambda d, s: math.exp(-(d**2) / 2 * s**2)),
            "The bell is narrower the larger sigma is: `/ 2 * sigma**2` divides by 2 and then multiplies. Put brackets "
            "around 2 * sigma**2.",
        ),
        Mistake(
            "2 squared as well",
            blur_by(lambda d, s: math.exp(-(d**2) / (2 * s) ** 2)),
            "The bell is too wide, by a factor of √2: only sigma is squared, 2 * sigma**2, and not (2 * sigma)**2.",
        ),
        Mistake(
            "distance in halves of a kernel",
            blur_by(gauss, fixed=lambda k, s: (k, s * (k // 2))),
            "The bell is far too wide: d looks as if it ran from -1 to 1. Distances are in pixels, -3 … 3 for a kernel "
            "of 7.",
        ),
        Mistake("box blur", blur_by(lambda d, s: 1.0), "All neighbours weigh the same: that is a box, not a bell."),
        Mistake(
            "exponent not squared",
            blur_by(lambda d, s: math.exp(-d / (2 * s**2))),
            "The weights fall like exp(-d): the distance in the exponent is squared.",
        ),
        Mistake(
            "only one direction",
            blur_by(gauss, sides=(1,)),
            "It blurs along the rows only. A Gaussian in two dimensions is one along each side.",
        ),
        Mistake(
            "only one direction",
            blur_by(gauss, sides=(0,)),
            "It blurs along the columns only. A Gaussian in two dimensions is one along each side.",
        ),
        *(
            Mistake(
                "twice in the same direction",
                lambda x, k, s, sides=(side,): blur_by(gauss, sides=sides)(blur_by(gauss, sides=sides)(x, k, s), k, s),
                f"It blurs along the {which} twice, and not along the {other}: the second pass has to take the other "
                "side.",
            )
            for side, which, other in ((0, "columns", "rows"), (1, "rows", "columns"))
        ),
        Mistake(
            "zeros at the edges",
            blur_by(gauss, padding="constant"),
            "Near the edges the picture turns grey: beyond them it is padded with zeros. Reflect it instead.",
        ),
        Mistake(
            "edges continued",
            blur_by(gauss, padding="replicate"),
            "Beyond the edges the outermost pixel is repeated. The docstring wants the picture reflected there.",
        ),
        Mistake(
            "edges wrapped round",
            blur_by(gauss, padding="circular"),
            "Beyond the right edge the left one begins again: top and bottom, left and right flow into one another. "
            "Reflect the picture instead.",
        ),
        Mistake(
            "no padding",
            blur_by(gauss, crop=True),
            "The result is smaller than the picture. Pad the picture by half a kernel on each side first.",
        ),
        Mistake(
            "channels mixed",
            blur_by(gauss, mix=True),
            "The colours flow into one another: each channel is blurred by itself (groups=3, for a convolution).",
        ),
        Mistake("kernel_size and sigma exchanged", blur_by(gauss, swap=True), "kernel_size and sigma look exchanged."),
        Mistake(
            "arguments ignored",
            blur_by(gauss, fixed=lambda k, s: (7, 2.0)),
            "It blurs the same whatever kernel_size and sigma are.",
        ),
        Mistake(
            "sigma ignored",
            blur_by(gauss, fixed=lambda k, s: (k, 0.3 * ((k - 1) * 0.5 - 1) + 0.8)),
            "It takes kernel_size, and chooses a sigma of its own: that is what gaussian_blur does without sigma.",
        ),
        Mistake(
            "sigma ignored",
            blur_by(gauss, fixed=lambda k, s: (k, 2.0)),
            "The width of the bell is always 2, whatever sigma is.",
        ),
    ),
)


# ---- 1.3: the estimate of the clean picture ------------------------------------------------------------------------


def probe_estimate(student):
    abar, eps = schedule().alphas_cumprod, noise(2, 3, 64, 64)
    guess = eps + 0.3 * noise(2, 3, 64, 64, seed=83)  # no network is perfect: so x0_hat leaves [-1, 1] in places
    for case, t in (
        *((f"t = {t}", t) for t in (20, 0, 49)),
        ("a timestep of its own for each picture, t = tensor([5, 30])", torch.tensor([5, 30])),
    ):
        x_t, _ = forward_by(roots)(pictures(size=64), t, abar, noise=eps)
        yield Measured("x0_hat", tensor(student(case, x_t, t, guess, abar), "x0_hat"), low=-1.0)


def estimate_by(solve):
    """x0_hat = solve(x, e, ᾱ, t), picture by picture, in fp64."""

    def estimate_x0(x_t, t, eps, alphas_cumprod):
        ts = [int(t)] * len(x_t) if not torch.is_tensor(t) or t.ndim == 0 else t.tolist()
        abar = alphas_cumprod.double()
        return torch.stack([solve(x, e, abar, t) for x, e, t in zip(x_t.double(), eps.double(), ts)]).float()

    return estimate_x0


def solved(x, e, abar, t):
    return (x - math.sqrt(1 - abar[t]) * e) / math.sqrt(abar[t])


estimate_x0 = Exercise(
    name="estimate_x0",
    notebook="a1_3",
    kit="helpers.sampling.estimate_x0",
    task="Solve the forward process for the clean picture, with the predicted noise in the place of the true one.",
    look="Put x_t = √ᾱ_t x0 + √(1 − ᾱ_t) eps into your formula, on paper: x0 has to come out.",
    probe=probe_estimate,
    right=estimate_by(solved),
    mistakes=(
        Mistake(
            "division by √ᾱ forgotten",
            estimate_by(lambda x, e, a, t: x - math.sqrt(1 - a[t]) * e),
            "The noise is taken away, but what is left is √ᾱ_t x0, a picture too weak: divide by its factor.",
        ),
        Mistake(
            "√ᾱ forgotten",
            estimate_by(lambda x, e, a, t: (x - math.sqrt(1 - a[t]) * e) / a[t]),
            "It divides by ᾱ_t itself: the square root is missing there.",
        ),
        Mistake(
            "√(1 − ᾱ) forgotten",
            estimate_by(lambda x, e, a, t: (x - (1 - a[t]) * e) / math.sqrt(a[t])),
            "The noise is weighted by 1 − ᾱ_t itself: the square root is missing there.",
        ),
        Mistake(
            "both roots forgotten",
            estimate_by(lambda x, e, a, t: (x - (1 - a[t]) * e) / a[t]),
            "Both square roots look forgotten.",
        ),
        Mistake(
            "multiplied instead of divided",
            estimate_by(lambda x, e, a, t: (x - math.sqrt(1 - a[t]) * e) * math.sqrt(a[t])),
            "It multiplies by √ᾱ_t where it should divide: the picture was shrunk, and has to grow again.",
        ),
        Mistake(
            "noise added",
            estimate_by(lambda x, e, a, t: (x + math.sqrt(1 - a[t]) * e) / math.sqrt(a[t])),
            "The noise is added where it should be taken away.",
        ),
        Mistake(
            "brackets forgotten",
            estimate_by(lambda x, e, a, t: x - math.sqrt(1 - a[t]) * e / math.sqrt(a[t])),
            "Only the noise is divided by √ᾱ_t: brackets around the difference are missing.",
        ),
        Mistake(
            "brackets forgotten",
            estimate_by(lambda x, e, a, t: x / math.sqrt(a[t]) - math.sqrt(1 - a[t]) * e),
            "Only x_t is divided by √ᾱ_t: brackets around the difference are missing.",
        ),
        Mistake(
            "1 − √ᾱ",
            estimate_by(lambda x, e, a, t: (x - (1 - math.sqrt(a[t])) * e) / math.sqrt(a[t])),
            "The noise's weight looks like 1 − √ᾱ_t: the root is of the whole difference, √(1 − ᾱ_t).",
        ),
        Mistake(
            "α instead of ᾱ",
            estimate_by(lambda x, e, a, t: solved(x, e, a / F.pad(a, (1, 0), value=1.0)[:-1], t)),
            "It looks as if α_t of a single step were used. The noise of all steps up to t is in x_t: ᾱ_t, which is "
            "alphas_cumprod[t] as it is.",
        ),
        Mistake(
            "noise not weighted",
            estimate_by(lambda x, e, a, t: (x - e) / math.sqrt(a[t])),
            "It takes all of eps away. In x_t there is only √(1 − ᾱ_t) of it.",
        ),
        Mistake(
            "weights exchanged",
            estimate_by(lambda x, e, a, t: (x - math.sqrt(a[t]) * e) / math.sqrt(1 - a[t])),
            "√ᾱ_t and √(1 − ᾱ_t) look exchanged.",
        ),
        Mistake(
            "clamped",
            estimate_by(lambda x, e, a, t: solved(x, e, a, t).clamp(-1, 1)),
            "It is right, and then clamped to [-1, 1]. The course leaves it as it is: clamp for the display only.",
        ),
        Mistake(
            "ᾱ off by one",
            estimate_by(lambda x, e, a, t: solved(x, e, a, max(t - 1, 0))),
            "It looks as if it used ᾱ of the timestep before. alphas_cumprod[t] belongs to t.",
        ),
        Mistake(
            "ᾱ off by one",
            estimate_by(lambda x, e, a, t: solved(x, e, a, min(t + 1, len(a) - 1))),
            "It looks as if it used ᾱ of the timestep after. alphas_cumprod[t] belongs to t.",
        ),
        Mistake(
            "one timestep for the whole batch",
            lambda x, t, *rest: estimate_by(solved)(x, t[0] if torch.is_tensor(t) and t.ndim else t, *rest),
            "All pictures get the first one's timestep. If t is a tensor (B,), each picture has its own: "
            "`.view(-1, 1, 1, 1)` gives the numbers the axes that pictures have.",
        ),
    ),
)


# ---- 0: timesteps --------------------------------------------------------------------------------------------------


def probe_timesteps(student):
    for steps, T in ((34, 1000), (20, 1000), (150, 1000), (50, 50), (7, 300)):
        given = student(f"steps = {steps}, T = {T}", steps, T)
        try:
            ts = [t.item() if torch.is_tensor(t) else t for t in given]
            whole = all(t == int(t) for t in ts)
            kinds = all(isinstance(t, int) or hasattr(t, "__index__") for t in ts)
        except TypeError:
            ts, whole, kinds = [], False, False
        yield Measured("all are whole numbers", whole)
        yield Measured("all are integers, not floats", kinds)
        ts = [int(t) for t in ts] or [0]
        yield Measured(
            "the last timestep",
            ts[-1],
            name="does not end at 0",
            say="The last timestep has to be 0: whatever noise is left there, nobody takes away.",
        )
        yield Measured("how many there are", len(ts))
        yield Measured(
            "the first is below T",
            ts[0] < T,
            name="begins at T",
            say="It begins at T, or beyond. Timesteps run from 0 to T - 1: there is no ᾱ for T.",
        )
        yield Measured(
            "the first is in the noisiest 2 %, or as near as T allows",
            ts[0] >= int(0.98 * T),
            name="begins in the middle",
            say="The first timestep is too small. A sampler begins with pure noise, and the network would take it for "
            "a picture that is less noisy.",
        )
        if steps == 150:
            yield Measured(
                "the first timestep",
                ts[0],
                name="spread from below T − 1",
                say="No whole stride from 0 begins in the noisiest 2 % here, so the timesteps are to be spread from "
                "T - 1 down to 0, both ends included: there are steps - 1 gaps between them.",
            )
        strides = [a - b for a, b in itertools.pairwise(ts)] or [0]
        yield Measured("each is smaller than the one before", min(strides) > 0)
        yield Measured("the strides are equal, but for one", max(strides) - min(strides) <= 1)
        if steps == 34:
            yield Measured(
                "the timesteps",
                ts,
                name="another stride",
                say="They are evenly spread, but not by the course's stride. Where one whole number can be the stride "
                "between all of them, and the first is still in the noisiest 2 %, it is: here 990, 960, …, 0.",
            )


def even_timesteps(steps=34, T=1000):
    stride = (T - 1) // (steps - 1)
    if stride * (steps - 1) >= 0.98 * T:
        return list(range(stride * (steps - 1), -1, -stride))
    return [math.floor((T - 1) * i / (steps - 1)) for i in range(steps - 1, -1, -1)]


strided_timesteps = Exercise(
    name="strided_timesteps",
    notebook="a0",
    kit="helpers.schedule.strided_timesteps",
    task="Choose `steps` timesteps out of T, evenly spaced, from the noisy end down to 0.",
    look="Print the list: how many are there, and what are the first and the last?",
    probe=probe_timesteps,
    right=even_timesteps,
    mistakes=(
        Mistake(
            "upside down",
            lambda steps=34, T=1000: even_timesteps(steps, T)[::-1],
            "They grow. A sampler begins where all is noise and ends at 0, so the list has to fall.",
        ),
        Mistake(
            "0 left out",
            lambda steps=34, T=1000: [t + T // steps for t in range(T // steps * (steps - 1), -1, -(T // steps))],
            "0 is missing: the last timestep has to be 0, or the picture stays a little noisy.",
        ),
        Mistake(
            "0 left out",
            lambda steps=34, T=1000: even_timesteps(steps + 1, T)[:-1],
            "0 is missing: the last timestep has to be 0, or the picture stays a little noisy.",
        ),
        Mistake(
            "begins at T",
            lambda steps=34, T=1000: [round(T * i / (steps - 1)) for i in range(steps - 1, -1, -1)],
            "It begins at T. Timesteps run from 0 to T - 1: there is no ᾱ for T.",
        ),
        Mistake(
            "one too few",
            lambda steps=34, T=1000: even_timesteps(max(steps - 1, 2), T),
            "There is one too few. Between `steps` timesteps there are steps - 1 strides.",
        ),
        Mistake(
            "one too many",
            lambda steps=34, T=1000: even_timesteps(min(steps + 1, T), T),
            "There is one too many. Between `steps` timesteps there are steps - 1 strides.",
        ),
        Mistake(
            "stride of 30 always",
            lambda steps=34, T=1000: list(range(990, -1, -30)),
            "It gives 990, 960, … whatever `steps` and T are. The stride follows from the two.",
        ),
        Mistake(
            "begins in the middle",
            lambda steps=34, T=1000: [(T // steps) * i for i in range(steps - 1, -1, -1)],
            "The first timestep is too small: the whole number T // steps is used for a stride, and what is lost "
            "by rounding leaves the noisiest timesteps out. Between `steps` timesteps there are steps - 1 strides.",
        ),
        Mistake(
            "begins in the middle",
            lambda steps=34, T=1000: [(T - 1) // (steps - 1) * i for i in range(steps - 1, -1, -1)],
            "The first timestep is too small: the stride is rounded down to a whole number, also where it does not go "
            "evenly into T, and what each stride loses adds up. Round the timesteps, not the stride.",
        ),
        *(
            Mistake(
                "strides from T − 1 miss 0",
                lambda steps=34, T=1000, stride=stride: list(range(T - 1, -1, -stride(steps, T))),
                "It goes down from T - 1 in equal strides until it is below 0. They need not meet 0, nor be as many "
                "as were asked for: first and last timestep are given, and `steps` is how many there are with both.",
            )
            for stride in (
                lambda steps, T: T // steps,
                lambda steps, T: T // (steps - 1),
                lambda steps, T: max(round(T / steps), 1),
            )
        ),
        Mistake(
            "floats",
            lambda steps=34, T=1000: [float(t) for t in even_timesteps(steps, T)],
            "They are floats. A timestep is an index into alphas_cumprod, so it has to be an int.",
        ),
        Mistake(
            "not whole",
            lambda steps=34, T=1000: [(T - 1) * i / (steps - 1) for i in range(steps - 1, -1, -1)],
            "They are no whole numbers. A timestep is an index into alphas_cumprod.",
        ),
    ),
)


# ---- 1.7.1: pixels -------------------------------------------------------------------------------------------------


def probe_pixels(student):
    ramp = torch.arange(256, dtype=torch.uint8)
    pixels = torch.stack([ramp[:240], ramp[:240].flip(0), ramp[8:248]], dim=-1).view(12, 20, 3)
    x = tensor(student("a picture of 12 rows and 20 columns", pixels), "the result")
    yield Measured("the number of axes", x.ndim)
    yield Measured("the shape", list(x.shape))
    yield Measured("the smallest and the largest value", [x.double().min().item(), x.double().max().item()], 0.01)
    yield Measured(
        "the kind of number",
        str(x.dtype),
        name="wrong dtype",
        say="The model's numbers are torch.float32: .float() makes these.",
    )
    yield Measured("the picture", x, low=-1.0)


def pixels_by(scale, axes=(2, 0, 1), batch=True, view=False):
    def from_pixels(pixels):
        x = scale(pixels)
        x = x.reshape(3, *pixels.shape[:2]) if view else x.permute(*axes)
        return (x[None] if batch else x).float()

    return from_pixels


def to_one(pixels):
    return pixels.double() * (2 / 255) - 1


from_pixels = Exercise(
    name="from_pixels",
    notebook="a1_7_1",
    kit="helpers.data.from_pixels",
    task="Turn a picture's bytes (H, W, 3), 0 to 255, into what the model takes: (1, 3, H, W) in [-1, 1].",
    look="Print shape, dtype, smallest and largest value; then show the picture.",
    probe=probe_pixels,
    right=pixels_by(to_one),
    mistakes=(
        Mistake(
            "range [0, 1]",
            pixels_by(lambda p: p.double() / 255),
            "The values run from 0 to 1. Part A's pictures lie in [-1, 1]: black is -1.",
        ),
        Mistake(
            "range [0, 255]",
            pixels_by(lambda p: p.double()),
            "The values still run from 0 to 255; the model wants -1 to 1.",
        ),
        Mistake(
            "range [-0.5, 0.5]",
            pixels_by(lambda p: p.double() / 255 - 0.5),
            "The values run from -0.5 to 0.5: from -1 to 1 is twice as wide.",
        ),
        Mistake(
            "range [0, 2]",
            pixels_by(lambda p: p.double() / 127.5),
            "The values run from 0 to 2: shift them, so that black is -1.",
        ),
        Mistake(
            "divided without a remainder",
            pixels_by(lambda p: p // 127.5 - 1),
            "Only -1, 0 and 1 are left: `//` rounds down to whole numbers. Divide with `/`.",
        ),
        Mistake(
            "bytes overflow",
            pixels_by(lambda p: (p * 2).double() / 255 - 1),
            "Light pixels have become dark: bytes were multiplied as bytes, where 255 · 2 is 254. Make floating-point "
            "numbers of them first.",
        ),
        Mistake(
            "bytes overflow",
            pixels_by(lambda p: (p - 128).double() / 127.5),
            "Dark pixels have become light: bytes were subtracted as bytes, which know nothing below 0. Make "
            "floating-point numbers of them first.",
        ),
        Mistake(
            "128 instead of 127.5",
            pixels_by(lambda p: p.double() / 128 - 1),
            "White does not become 1: 255 / 127.5 - 1 would.",
        ),
        Mistake(
            "128 instead of 127.5",
            pixels_by(lambda p: (p.double() - 128) / 128),
            "White does not become 1, since it is divided by 128; half of 255 is 127.5.",
        ),
        Mistake(
            "reshaped instead of permuted",
            pixels_by(to_one, view=True),
            "The shape is right and the picture is torn to pieces: reshape and view keep the order of the numbers in "
            "memory. To move an axis, permute.",
        ),
        Mistake(
            "rows and columns exchanged",
            pixels_by(to_one, axes=(2, 1, 0)),
            "The picture lies on its side: the axes are (channels, rows, columns).",
        ),
        Mistake(
            "channels last",
            lambda p: to_one(p)[None].float(),
            "The channels are still the last axis. PyTorch wants (B, C, H, W).",
        ),
        Mistake(
            "no batch",
            pixels_by(to_one, batch=False),
            "The axis of the batch is missing: one picture is a batch of one, x[None].",
        ),
        Mistake("colours exchanged", lambda p: pixels_by(to_one)(p.flip(2)), "Red and blue are exchanged."),
        Mistake("negative", pixels_by(lambda p: 1 - p.double() / 127.5), "Black and white are exchanged."),
        Mistake(
            "standardised",
            pixels_by(lambda p: (p.double() - p.double().mean()) / p.double().std()),
            "It is shifted and scaled by the picture's own mean and deviation. The range is fixed: 0 is -1, 255 is 1.",
        ),
        Mistake(
            "stretched",
            pixels_by(lambda p: 2 * (p.double() - p.min()) / (p.max() - p.min()) - 1),
            "The picture's own darkest value becomes -1, and its lightest 1. The range is fixed: 0 is -1, 255 is 1.",
        ),
    ),
)


# ---- 1.7.3: dynamic thresholding -----------------------------------------------------------------------------------


def probe_threshold(student):
    gentle, strong = 0.6 * pictures(1), 2.2 * pictures(1) + 0.3 * noise(1, 3, 16, 16)
    slight = 1.2 * pictures(1) + 0.05
    for case, x, given in (
        ("a picture that stays inside [-1, 1]", gentle, {}),
        ("a picture that leaves [-1, 1] a little", slight, {}),
        ("a picture that goes far beyond", strong, {}),
        ("ratio = 0.8, maximum = 3, a dark picture", strong - 0.7, {"ratio": 0.8, "maximum": 3.0}),
        ("two pictures, one of them gentle", torch.cat([gentle, strong]), {}),
    ):
        result = tensor(student(case, x, **given), "the result")
        yield Measured("the result", result, 0.01, low=-1.0)  # between two values, a quantile may be either


def threshold_by(
    size=lambda x: x.abs(),
    parts="picture",
    floor=True,
    ceiling=True,
    scale=True,
    clamp=lambda x, s: x.clamp(-s, s),
    together=False,
):
    def dynamic_threshold(x0_hat, *, ratio=0.95, maximum=1.5):
        results = []
        for x in x0_hat.double():
            of = {"picture": [x], "batch": [x0_hat.double()], "channel": list(x)}[parts]
            values = [torch.quantile(size(part).flatten(), ratio).item() for part in of]
            values = [max(v, 1.0) if floor else v for v in values]
            values = [min(v, maximum) if ceiling else v for v in values]
            if together:
                values = [max(1.0, min(maximum, max(torch.quantile(size(p).flatten(), ratio).item() for p in x0_hat)))]
            pieces = x[None] if parts != "channel" else x[:, None]
            done = [clamp(p, s) / (s if scale else 1) for p, s in zip(pieces, values)]
            results.append(torch.cat([d if d.ndim == 3 else d[None] for d in done]))
        return torch.stack(results).float()

    return dynamic_threshold


dynamic_threshold = Exercise(
    name="dynamic_threshold",
    notebook="a1_7_3",
    kit="helpers.sampling.dynamic_threshold",
    task="Pull an estimate that has left [-1, 1] back in: find the quantile, clamp to it, divide by it.",
    look="Print the bound b that you find for one picture: it is between 1 and `maximum`, and never less than 1.",
    probe=probe_threshold,
    right=threshold_by(),
    mistakes=(
        Mistake(
            "one quantile for the whole batch",
            threshold_by(parts="batch"),
            "The quantile is taken over the whole batch, so that one picture changes its neighbours. Each has its own.",
        ),
        Mistake(
            "a quantile for each channel",
            threshold_by(parts="channel"),
            "Each channel has a quantile of its own, which shifts the colours. A picture has one for all three.",
        ),
        Mistake(
            "b below 1",
            threshold_by(floor=False),
            "A picture that never left [-1, 1] is stretched: b must not be less than 1.",
        ),
        Mistake("maximum ignored", threshold_by(ceiling=False), "b grows beyond `maximum`."),
        Mistake(
            "not divided",
            threshold_by(scale=False),
            "It clamps to [-b, b], but does not divide by b: the result still leaves [-1, 1].",
        ),
        Mistake(
            "not clamped",
            threshold_by(clamp=lambda x, s: x),
            "It divides by b, but what is beyond b is not clamped before, and still leaves [-1, 1].",
        ),
        Mistake(
            "clamped to 1 and divided",
            threshold_by(clamp=lambda x, s: x.clamp(-1, 1)),
            "It clamps to [-1, 1] and then divides by b, so the result never reaches black or white. Clamp to [-b, b].",
        ),
        Mistake(
            "the largest b for all pictures",
            threshold_by(together=True),
            "All pictures are clamped to the largest b of the batch, so that one changes its neighbours. Each has its "
            "own.",
        ),
        Mistake(
            "ratio ignored",
            lambda x, ratio=0.95, maximum=1.5: threshold_by()(x, maximum=maximum),
            "ratio makes no difference: it is always the 0.95 quantile.",
        ),
        Mistake(
            "absolute value forgotten",
            threshold_by(size=lambda x: x),
            "The quantile is taken of the values with their signs: dark pixels count as small. Take it of |x0_hat|.",
        ),
        Mistake(
            "plainly clamped",
            lambda x0_hat, **options: x0_hat.clamp(-1, 1),
            "That is plain clamping to [-1, 1], which burns out what guidance has pushed far.",
        ),
        Mistake(
            "the maximum instead of the quantile",
            lambda x, ratio=0.95, maximum=1.5: threshold_by()(x, ratio=1.0, maximum=maximum),
            "b is the largest value: a single pixel then darkens the whole picture. Take the `ratio` quantile.",
        ),
        Mistake("arguments ignored", lambda x, **options: threshold_by()(x), "ratio and maximum make no difference."),
    ),
)


# ---- B 1.2: the noising of a one-step denoiser ---------------------------------------------------------------------


def probe_add_noise(student):
    x0, eps = pictures(2, 1, low=0), noise(2, 1, 16, 16)
    for sigma in (0.5, 0.2, 0.0, 1.0):
        z = tensor(student(f"sigma = {sigma:g}, the noise given", x0, sigma, noise=eps), "z")
        yield Measured("z", z, low=0.0)
    black, case = torch.zeros(8, 1, 28, 28), "sigma = 0.5, the noise drawn from a generator, black pictures"
    z, again, other = (tensor(student(case, black, 0.5, generator=seeded(s)), "z") for s in (84, 84, 85))
    yield from of_chance(z, again, other)
    yield Measured("the shape of z", list(z.shape))
    yield Measured("the mean of z", z.double().mean(), NOISY)
    yield Measured("the standard deviation of z", std(z), 1.5 * NOISY)
    yield Measured("the likeness of two pictures' noise", likeness(z[0], z[1]), 6 * NOISY)


def add_noise_by(mix, draw=torch.randn, own=False):
    def add_noise(x0, sigma, *, noise=None, generator=None):
        eps = draw(x0.shape, generator=generator) if noise is None or own else noise
        return mix(x0.double(), sigma, eps.double()).float()

    return add_noise


add_noise = Exercise(
    name="add_noise",
    notebook="b1_2",
    kit="helpers.training.add_noise",
    task="Add noise of strength sigma to the pictures x0: the first formula under The maths.",
    look="With sigma = 0 the picture comes back as it was. With black pictures only the noise is left: how strong "
    "is it?",
    probe=probe_add_noise,
    right=add_noise_by(lambda x, sigma, e: x + sigma * e),
    mistakes=(
        Mistake(
            "σ²",
            add_noise_by(lambda x, s, e: x + s**2 * e),
            "The noise is too weak, as if by sigma squared: sigma is the standard deviation, not the variance.",
        ),
        Mistake(
            "√σ",
            add_noise_by(lambda x, s, e: x + math.sqrt(s) * e),
            "The noise is as strong as √sigma: sigma is the standard deviation, so it multiplies eps as it is.",
        ),
        Mistake(
            "picture shrunk",
            add_noise_by(lambda x, s, e: (1 - s) * x + s * e),
            "The picture becomes weaker as sigma grows. Here, unlike in the forward process, it keeps its strength.",
        ),
        Mistake(
            "picture shrunk",
            add_noise_by(lambda x, s, e: math.sqrt(1 - min(s, 1) ** 2) * x + s * e),
            "The picture becomes weaker as sigma grows. Here, unlike in the forward process, it keeps its strength.",
        ),
        Mistake(
            "clamped",
            add_noise_by(lambda x, s, e: (x + s * e).clamp(0, 1)),
            "z is clamped to [0, 1]: half of the noise on the black ground is cut away. Clamp for the display only.",
        ),
        Mistake("sigma ignored", add_noise_by(lambda x, s, e: x + e), "The noise has always full strength."),
        Mistake(
            "sigma ignored",
            add_noise_by(lambda x, s, e: x + 0.5 * e),
            "The noise has always strength 0.5, whatever sigma is.",
        ),
        Mistake(
            "noise multiplied",
            add_noise_by(lambda x, s, e: x * (1 + s * e)),
            "Black stays black: the noise is multiplied with the picture where it should be added.",
        ),
        Mistake("only the noise", add_noise_by(lambda x, s, e: s * e), "The picture is missing in z."),
        Mistake(
            "noise taken away",
            add_noise_by(lambda x, s, e: x - s * e),
            "The noise is subtracted. That is noise as well, but then eps is not what was added.",
        ),
        Mistake(
            "the given noise ignored",
            add_noise_by(lambda x, s, e: x + s * e, own=True),
            "It draws noise of its own although it is given some: with `noise=`, that is the eps to use.",
        ),
        *other_noises(lambda draw: add_noise_by(lambda x, s, e: x + s * e, draw)),
    ),
)

EXERCISES = [strided_timesteps, forward, blur, estimate_x0, from_pixels, dynamic_threshold, add_noise]
