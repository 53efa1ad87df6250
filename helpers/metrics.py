"""How good are drawn digits? As a network judges that learned to read digits, and has seen real ones only.

Two numbers. Accuracy: how many of the drawings are read as the digit that was asked for. Fréchet distance: how far
apart drawings and real digits are as crowds, in what the reader looks at; it also sees when they are all alike.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .checkpoints import load_weights, read_tensors
from .data import DATA, mnist
from .recipes import Recipe
from .unet import CLASSES, Conv, DownConv
from .validate import check_batch, check_integer, check_tensor, in_words

__all__ = [
    "DIGIT_READER",
    "DigitQuality",
    "DigitReader",
    "digit_quality",
    "frechet_distance",
    "load_digit_reader",
    "read_digits",
    "reading",
    "real_quality",
]

DIGIT_READER = DATA / "models" / "digits" / "reader.safetensors"
FEATURES = 64


class DigitReader(nn.Module):
    """Reads digits: pictures (B, 1, 28, 28) in [0, 1] -> a score for each class (B, 10), the largest for its answer.

    Args:
        hidden: the number of channels after the first convolution.
    """

    def __init__(self, hidden: int):
        check_integer(hidden, "hidden", 1)
        super().__init__()
        D = self.hidden = hidden
        self.features = nn.Sequential(
            Conv(1, D),  # (B, D, 28, 28)
            DownConv(D, 2 * D),  # (B, 2D, 14, 14)
            DownConv(2 * D, 4 * D),  # (B, 4D, 7, 7)
            nn.Flatten(),
            nn.Linear(4 * D * 7 * 7, FEATURES),  # (B, 64)
            nn.GELU(),
        )
        self.scores = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.features(x))


@dataclass(frozen=True)
class Reading:
    """Say which digit an image shows: a task for `training.train`. Its loss is the cross-entropy."""

    network = DigitReader

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Pictures (B, 1, 28, 28) and labels (B,) -> the network's arguments (x0,), and what it should say."""
        return (x0,), labels


reading = Recipe(Reading(), hidden=16, epochs=4, batch_size=128, lr=1e-3, decay=0.01)


@functools.cache
def load_digit_reader() -> DigitReader:
    """The reader that ships with the kit, in fp32 on the CPU."""
    weights, _ = read_tensors(DIGIT_READER)
    reader = reading.new_network()
    load_weights(reader, weights, DIGIT_READER)
    return reader.eval()


@torch.no_grad()
def read_digits(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """What the reader sees in pictures (N, 1, 28, 28), clamped to [0, 1] as they are shown.

    Returns its features (N, 64), and the digits that it reads (N,).
    """
    check_batch(pictures, "pictures")
    if pictures.shape[1:] != (1, 28, 28):
        raise ValueError(f"pictures have shape {tuple(pictures.shape)}; wanted (N, 1, 28, 28).")
    reader = load_digit_reader()
    features = torch.cat([reader.features(batch.clamp(0, 1)) for batch in pictures.cpu().split(500)])
    return features, reader.scores(features).argmax(dim=1)


def frechet_distance(features: Tensor, others: Tensor) -> float:
    """The Fréchet distance between two crowds, each taken for a Gaussian in its features (N, F) and (M, F).

    |mu_1 - mu_2|² + tr(S_1 + S_2 - 2 √(S_1 S_2)), with mu and S the mean and the covariance of the features. 0 if these
    agree. Few samples overestimate it, so compare distances of equally many; 2,000 will do for 64 features.

    Source: Heusel et al. 2017, equation 6 (arXiv:1706.08500), where the features are those of another network.
    Raises a ValueError for crowds that are too small to have a covariance.
    """
    for crowd in (features, others):
        check_tensor(crowd, "features")  # NaN ends Python in some builds of LAPACK
        if crowd.ndim != 2 or len(crowd) <= crowd.shape[1] or crowd.shape[1] != features.shape[1]:
            raise ValueError(
                f"features have shapes {tuple(features.shape)} and {tuple(others.shape)}; "
                "wanted (N, F) and (M, F), with more rows than columns."
            )
    features, others = features.double(), others.double()
    shift = features.mean(dim=0) - others.mean(dim=0)
    S_1, S_2 = features.T.cov(), others.T.cov()  # (F, F)
    # a product of covariances has eigenvalues from 0 up, but for rounding; the trace of its root is the sum of theirs
    root_trace = torch.linalg.eigvals(S_1 @ S_2).real.clamp(min=0).sqrt().sum()
    return max((shift.square().sum() + S_1.trace() + S_2.trace() - 2 * root_trace).item(), 0.0)


class DigitQuality(NamedTuple):
    """accuracy: the share of pictures read as what they should be, in [0, 1]. distance: to real digits, from 0 up."""

    accuracy: float
    distance: float


@functools.cache
def real_features() -> Tensor:
    """The reader's features of the 60,000 training pictures, (60000, 64). Takes some seconds, once."""
    return read_digits(mnist().tensors[0])[0]


def digit_quality(pictures: Tensor, labels: Tensor) -> DigitQuality:
    """How good drawn digits (N, 1, 28, 28) are, N > 64, if labels (N,) were asked for.

    The distance is to MNIST's training pictures. `real_quality(N)` says what is possible.
    """
    features, read = read_digits(pictures)
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels is {in_words(labels)}; wanted a torch.Tensor (N,).")
    if labels.shape != read.shape:
        raise ValueError(f"labels have shape {tuple(labels.shape)}; wanted one for each of {len(read)} pictures.")
    if len(read) <= FEATURES:
        raise ValueError(f"there are {len(read)} images; wanted more than {FEATURES}, to compare their covariance.")
    return DigitQuality((read == labels.cpu()).double().mean().item(), frechet_distance(features, real_features()))


def real_quality(count: int) -> DigitQuality:
    """The quality of real digits: `count` of MNIST's 10,000 test pictures, which no network here has learned from."""
    check_integer(count, "count", FEATURES + 1, 10_000)
    chosen = torch.randperm(10_000, generator=torch.Generator().manual_seed(0))[:count]  # the first ones are neater
    return digit_quality(*mnist(train=False)[chosen])
