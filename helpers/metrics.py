"""The quality of sampled digits, measured with a classifier that was trained on real ones.

Accuracy is the fraction of samples that are classified as the digit that was asked for. The Fréchet distance compares
the distributions of samples and real digits in the classifier's features; it also detects a lack of variety.
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
from .validate import check_batch, check_integer, check_number, check_tensor, in_words

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
    "share_confident",
]

DIGIT_READER = DATA / "models" / "digits" / "reader.safetensors"
FEATURES = 64


class DigitReader(nn.Module):
    """A classifier of digits: images (B, 1, 28, 28) in [0, 1] -> a score for each class (B, 10).

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
    """Classify digits: a task for `training.train`, with the cross-entropy as loss."""

    network = DigitReader

    def examples(self, x0: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor]:
        """Images (B, 1, 28, 28) and labels (B,) -> the network's arguments (x0,), and its target."""
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
def read_digits(images: Tensor) -> tuple[Tensor, Tensor]:
    """Classify images (N, 1, 28, 28), clamped to [0, 1] as they are when displayed.

    Returns their features (N, 64) and the predicted digits (N,).
    """
    check_batch(images, "images")
    if images.shape[1:] != (1, 28, 28):
        raise ValueError(f"images have shape {tuple(images.shape)}; wanted (N, 1, 28, 28).")
    reader = load_digit_reader()
    features = torch.cat([reader.features(batch.clamp(0, 1)) for batch in images.cpu().split(500)])
    return features, reader.scores(features).argmax(dim=1)


@torch.no_grad()
def share_confident(images: Tensor, confidence: float = 0.9) -> float:
    """The share, in [0, 1], of images (N, 1, 28, 28) to which the classifier gives one digit with a probability of at
    least `confidence`.

    It evaluates samples without a class. It is not enough alone, because the classifier can also be sure of noise,
    which it has never seen: look at the images, and at their Fréchet distance.
    """
    check_number(confidence, "confidence", 0, 1)
    features, _ = read_digits(images)
    probabilities = load_digit_reader().scores(features).softmax(dim=1)  # (N, 10)
    return (probabilities.amax(dim=1) >= confidence).double().mean().item()


def frechet_distance(features: Tensor, others: Tensor) -> float:
    """The Fréchet distance between two samples of features, (N, F) and (M, F), each approximated by a Gaussian.

    |mu_1 - mu_2|² + tr(S_1 + S_2 - 2 √(S_1 S_2)), with mu and S the mean and the covariance of the features. 0 if these
    agree. It is overestimated for few samples, so compare equally many; 2,000 are enough for 64 features.

    Source: Heusel et al. 2017, equation 6 (arXiv:1706.08500), where the features are those of another network.
    Raises a ValueError for samples that are too small for a covariance.
    """
    for name, crowd in (("features", features), ("others", others)):
        check_tensor(crowd, name)  # in some builds of LAPACK, NaN ends Python
    for crowd in (features, others):
        if crowd.ndim != 2 or len(crowd) <= crowd.shape[1] or crowd.shape[1] != features.shape[1]:
            raise ValueError(
                f"features have shapes {tuple(features.shape)} and {tuple(others.shape)}; "
                "wanted (N, F) and (M, F), with more rows than columns."
            )
    features, others = features.double(), others.double()
    shift = features.mean(dim=0) - others.mean(dim=0)
    S_1, S_2 = features.T.cov(), others.T.cov()  # (F, F)
    # a product of covariances has eigenvalues >= 0, up to rounding; the trace of its root is the sum of their roots
    root_trace = torch.linalg.eigvals(S_1 @ S_2).real.clamp(min=0).sqrt().sum()
    return max((shift.square().sum() + S_1.trace() + S_2.trace() - 2 * root_trace).item(), 0.0)


class DigitQuality(NamedTuple):
    """accuracy: the fraction of correctly classified images, in [0, 1]. distance: to real digits, at least 0."""

    accuracy: float
    distance: float


@functools.cache
def real_features() -> Tensor:
    """The classifier's features of the 60,000 training images, (60000, 64). Takes some seconds, once."""
    return read_digits(mnist().tensors[0])[0]


def digit_quality(images: Tensor, labels: Tensor) -> DigitQuality:
    """The quality of N > 64 sampled digits (N, 1, 28, 28) that were meant to show labels (N,).

    The distance is to MNIST's training images. Compare with `real_quality(N)`, the quality of real digits.
    """
    features, read = read_digits(images)
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels is {in_words(labels)}; wanted a torch.Tensor (N,).")
    if labels.shape != read.shape:
        raise ValueError(f"labels have shape {tuple(labels.shape)}; wanted one for each of {len(read)} images.")
    if len(read) <= FEATURES:
        raise ValueError(f"there are {len(read)} images; wanted more than {FEATURES}, to compare their covariance.")
    return DigitQuality((read == labels.cpu()).double().mean().item(), frechet_distance(features, real_features()))


def real_quality(count: int) -> DigitQuality:
    """The quality of real digits: `count` of MNIST's 10,000 test images, on which no network here was trained."""
    check_integer(count, "count", FEATURES + 1, 10_000)
    chosen = torch.randperm(10_000, generator=torch.Generator().manual_seed(0))[
        :count
    ]  # a random subset, because the first 5,000 are neater
    return digit_quality(*mnist(train=False)[chosen])
