"""Are poor samples the network's fault or the sampler's? `check_samples(x0, losses)` looks at both, and says.

It measures simple statistics of the samples and compares them with those of 149 simulated samplings, right and wrong
ones, of networks that had learned much or little (ci/bench/sample_causes.py). An undertrained network draws fragments,
but on black, with about the ink of a digit. Samples that are out of range, all alike, empty, grey or full of grain come
from a faulty sampler, unless the loss says that the network has learned nothing. Statistics cannot see mistakes that
hardly change the samples, such as noise at the last step: `check("sample_digits", …)` finds those.
"""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..metrics import read_digits, share_confident
from ..validate import check_axes

__all__: list[str] = []  # the package offers check_samples

FEWEST = 8  # samples: a share of fewer says little
CLEAR = 0.6  # the share that the reader is sure of, from which samples are good
# losses below which a network has learned digits, and above which it has hardly learned anything. A network that always
# predicts 0 has 1 and 1.1
LOSSES = {False: (0.03, 0.2), True: (0.125, 0.5)}  # of noise (B 2.2) and of a velocity (C 3)
MOST_INK = {False: 0.18, True: 0.22}  # without classes, and with: guidance makes strokes thicker


class Samples(NamedTuple):
    """Statistics of samples (N, 1, 28, 28); in brackets, real digits. All but `outside` are of the displayed images.

    ink: their mean (0.12)
    dark, grey: the shares of pixels below 0.1 (0.84), and between 0.25 and 0.75 (0.05)
    outside: the share of pixels below -0.15 or above 1.15 before they are clamped for display (0)
    grain: the standard deviation of noise that is left, from the median difference of neighbouring pixels (0)
    alike: the mean correlation of two samples (0.25)
    confident: the share that the digit reader is sure of, with a probability of at least 0.9 (0.99)
    """

    ink: float
    dark: float
    grey: float
    outside: float
    grain: float
    alike: float
    confident: float


class Sign(NamedTuple):
    """What a statistic says: a name, whether it is there, and the likely mistakes in the sampler."""

    name: str
    there: bool
    mistakes: str


class Cause(NamedTuple):
    """The outcome. cause: "good", "sampler", "training", "class" or "unclear"; say: why, in sentences."""

    cause: str
    say: list[str]


def check_samples(
    x0: Tensor, losses: Sequence[float] | None = None, *, labels: Sequence[int] | None = None, flow: bool = False
) -> str:
    """Say whether samples of digits are good, and if not, whether the network or the sampler is the likely cause.

    Args:
        x0: the samples (N, 1, 28, 28), not clamped, N at least 8; 20 or more say more.
        losses: of every training step, such as `loss_history(folder)` or `load_result(…).losses`.
        labels: the digits that were asked for, (N,).
        flow: whether the network predicts a velocity (Part C), not noise (Part B).

    Prints what it measured and the verdict. Returns the cause: "good"; "training": the network has not learned enough;
    "sampler"; "class": the digits are clear, but not those that were asked for; "unclear": statistics cannot tell, and
    it names both possibilities.
    """
    check_axes(x0, "x0")
    if x0.shape[1:] != (1, 28, 28) or len(x0) < FEWEST:
        raise ValueError(f"x0 has shape {tuple(x0.shape)}; wanted at least {FEWEST} samples (N, 1, 28, 28).")
    if labels is not None and len(labels) != len(x0):
        raise ValueError(f"there are {len(labels)} labels; wanted one for each of {len(x0)} samples.")
    loss = None if losses is None else last_loss(losses)
    found = judged(x0.detach().float().cpu(), loss, labels, flow)
    for sentence in found.say:
        print(textwrap.fill(sentence, 100, subsequent_indent="  "))
    return found.cause


def last_loss(losses: Sequence[float]) -> float:
    """The mean loss of the last steps, a fiftieth of all, at least 20."""
    losses = torch.as_tensor(losses, dtype=torch.float64).flatten()
    if len(losses) == 0:
        raise ValueError("losses is empty; wanted the loss of every training step, or None.")
    return losses[-max(20, len(losses) // 50) :].mean().item()


def measured(x0: Tensor) -> Samples:
    """The statistics of finite samples (N, 1, 28, 28)."""
    shown = x0.clamp(0, 1)
    neighbours = torch.cat([x0.diff(dim=2).flatten(), x0.diff(dim=3).flatten()]).abs()
    images = shown.flatten(1) - shown.flatten(1).mean(dim=1, keepdim=True)  # (N, 784)
    images = images / images.norm(dim=1, keepdim=True).clamp(min=1e-6)
    alike = images @ images.T  # (N, N)
    return Samples(
        ink=shown.mean().item(),
        dark=(shown < 0.1).float().mean().item(),
        grey=((shown > 0.25) & (shown < 0.75)).float().mean().item(),
        outside=((x0 < -0.15) | (x0 > 1.15)).float().mean().item(),
        grain=neighbours.median().item() / 0.954,  # the median of |a - b|, a and b normal with deviation 1
        alike=((alike.sum() - alike.trace()) / (len(x0) * (len(x0) - 1))).item(),
        confident=share_confident(x0),
    )


def signs(seen: Samples, labels: Sequence[int] | None) -> list[Sign]:
    """The signs of a faulty sampler, the clearest first. Undertrained networks do not show them."""
    mixed = labels is None or len(set(map(int, labels))) > 3  # else a class's own ink and likeness would count
    most_ink = MOST_INK[labels is not None]
    return [
        Sign("the samples are empty", seen.dark > 0.99, EMPTY),
        Sign(f"{seen.outside:.0%} of the pixels are far outside [0, 1]", seen.outside > 0.15, OUTSIDE),
        Sign(f"the samples are alike (a mean correlation of {seen.alike:.2f})", mixed and seen.alike > 0.85, ALIKE),
        Sign(f"there is too much ink (a mean of {seen.ink:.2f}; digits have 0.12)", mixed and seen.ink > most_ink, INK),
        Sign(f"{seen.grey:.0%} of the pixels are grey (digits: 5%)", seen.grey > 0.15, GREY),
        Sign(f"there is too little ink (black: {seen.dark:.0%}; digits: 84%)", mixed and seen.dark > 0.92, THIN),
        Sign(f"noise is left, with a standard deviation of {seen.grain:.2f}", seen.grain > 0.12, GRAIN),
    ]


def judged(x0: Tensor, loss: float | None, labels: Sequence[int] | None, flow: bool) -> Cause:
    """The cause of the samples' quality, from the mean loss of the last steps."""
    learned, nothing = LOSSES[flow]
    said = [] if loss is None else [f"The loss ended at {loss:.3g}; a well-trained network's is below about {learned}."]
    untrained = loss is not None and not loss < nothing  # NaN, too
    if not x0.isfinite().all():
        cause = "training" if untrained else "unclear" if loss is None else "sampler"
        return Cause(cause, [*said, f"The samples contain NaN or infinity. {NOT_FINITE[cause]}"])
    seen = measured(x0)
    said.insert(0, in_numbers(seen))
    there = [sign for sign in signs(seen, labels) if sign.there]
    if untrained:
        return Cause("training", [*said, UNTRAINED])
    if there:
        return by_sampler(there[0], said, loss, learned)
    return by_quality(seen, x0, said, loss, learned, labels)


def in_numbers(seen: Samples) -> str:
    """The statistics, each with that of real digits."""
    return (
        f"Measured: ink {seen.ink:.2f} (digits: 0.12), black {seen.dark:.0%} (84%), grey {seen.grey:.0%} (5%), "
        f"outside [0, 1] {seen.outside:.0%} (0), grain {seen.grain:.3f} (0), correlation {seen.alike:.2f} (0.25), read "
        f"with confidence {seen.confident:.0%} (99%)."
    )


def by_sampler(sign: Sign, said: list[str], loss: float | None, learned: float) -> Cause:
    """The verdict on samples with a sign of a faulty sampler."""
    name = sign.name[:1].upper() + sign.name[1:]
    if sign.mistakes == EMPTY and (loss is None or loss >= learned):
        return Cause("unclear", [*said, f"{name}. Either the training diverged, or the sampler is wrong: {EMPTY}."])
    advice = "An undertrained network does not do that, so look at the sampler"
    return Cause("sampler", [*said, f"{name}. {advice}: {sign.mistakes}."])


def by_quality(
    seen: Samples, x0: Tensor, said: list[str], loss: float | None, learned: float, labels: Sequence[int] | None
) -> Cause:
    """The verdict on samples that look like strokes on black."""
    if seen.confident < CLEAR:
        cause = "unclear" if loss is None or loss < learned else "training"
        return Cause(cause, [*said, FEW_CAN_BE_READ[cause]])
    if labels is not None:
        right = (read_digits(x0)[1] == torch.as_tensor(labels)).float().mean().item()
        if right < 0.5:
            return Cause(
                "class", [*said, f"The digits are clear, but {right:.0%} are those that were asked for. {CLASS}"]
            )
    return Cause("good", [*said, GOOD])


# ---- in words --------------------------------------------------------------------------------------------------------

EMPTY = "all of the noise is subtracted in one step, or no noise is drawn for the start"
OUTSIDE = (
    "the sign of the step, noise at full strength, a wrong factor of the predicted noise or velocity, the time told "
    "backwards, or a start that is not normal noise"
)
ALIKE = "the same noise for all images or steps, a start with a mean other than 0, or images clamped on the way"
INK = "x clamped in the loop, 1/√α left out, a start with a mean above 0, or a time that is not t/T"
GREY = "the estimate of the image taken for the sample, or the same time told at every step"
THIN = "no noise added in DDPM's steps, or its variance in place of the standard deviation"
GRAIN = "noise added where there should be none, a loop that ends early, or the same time told at every step"
NOT_FINITE = {
    "training": "The training diverged: try a smaller learning rate.",
    "sampler": "The network is fine, so the sampler divides by zero, or its values grow without limit.",
    "unclear": "Either the training diverged (look at the loss), or the sampler divides by zero.",
}
UNTRAINED = (
    "The network has hardly learned anything, so the samples say nothing about the sampler. Train longer, or with a "
    "smaller learning rate if the loss rose, and look again."
)
FEW_CAN_BE_READ = {
    "training": "The sampler leaves strokes on black, as it should, but too few can be read, and the loss is still "
    "high: the network needs more training.",
    "unclear": "The samples are strokes on black, but too few can be read. Two causes look alike: the network needs "
    "more training or more channels, or it predicts in training mode while it samples. Call network.eval() before "
    "sampling; if that changes nothing, train longer.",
}
CLASS = "The class does not reach the network, or guidance has a wrong sign or leaves it out."
GOOD = (
    "The samples look like digits. Mistakes that hardly change them, such as noise at the last step, cannot be seen "
    "here: `check` finds those."
)
