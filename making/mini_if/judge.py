"""Measures computed with the reader: recognition, distance to real images, diversity."""

import functools
import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.metrics import frechet_distance

from .asked import ILLUSIONS, Illusion, row_of
from .dataset import Dataset
from .painting import generic_images, real_images
from .reader import ArtReader, look

REFERENCE = 2000  # real examples that samples are compared with
COMPONENTS = 16  # principal components of the features, for comparing few images
GENERIC_COUNT = 500  # samples of the generic prompt, and of the real images that they are compared with


def in_top(k: int, scores: Tensor, wanted: Tensor) -> Tensor:
    """Whether the wanted one (N,) is among the k best of scores (N, K): (N,) booleans."""
    return (scores.topk(k, dim=1).indices == wanted[:, None]).any(dim=1)


def share(booleans: Tensor) -> float:
    """The fraction that is true, from 0 to 1."""
    return booleans.double().mean().item()


def diversity(images: Tensor) -> float:
    """How much two seeds differ: images (seeds, N, C, H, W), root mean square over the pixels, mean over the rest."""
    differences = [(a - b).square().mean(dim=(1, 2, 3)).sqrt() for a, b in itertools.combinations(images, 2)]
    if not differences:
        raise ValueError("images are of one seed; wanted at least two seeds, to measure how much they differ.")
    return torch.stack(differences).mean().item()


def nearest(features: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The cosine distance from each of features (N, F) to the nearest of others (M, F), (N,), and its index, (N,)."""
    similarity = F.normalize(features) @ F.normalize(others).T  # (N, M)
    closest = similarity.max(dim=1)
    return 1 - closest.values, closest.indices


class Judge:
    """Evaluates images that are meant to show given pairs of a data set.

    A pair is given as the index of one of its cached images, (N,); images are (N, 3, 64, 64) in [-1, 1].
    """

    def __init__(self, dataset: Dataset, reader: ArtReader):
        self.dataset, self.reader = dataset, reader

    def recognition(self, images: Tensor, rows: Tensor) -> dict[str, float]:
        """The fractions of images whose concept and style are recognised; fast enough to use during training."""
        seen = look(self.reader, images)
        labels, styles = self.dataset.label[rows], self.dataset.style[rows]
        return {
            "top 1": share(in_top(1, seen.labels, labels)),
            "top 5": share(in_top(5, seen.labels, labels)),
            "style": share(in_top(1, seen.styles, styles)),
        }

    def figures(self, images: Tensor, rows: Tensor) -> dict[str, float]:
        """All measures of images (seeds, N, 3, 64, 64) of some pairs (N,)."""
        flat, flat_rows = images.flatten(0, 1), rows.repeat(len(images))
        features = look(self.reader, flat).features
        return self.recognition(flat, flat_rows) | {
            "distance": round(frechet_distance(features, self.real_features(rows)), 2),
            "diversity": round(diversity(images), 4),
            "nearest": round(self.nearest(flat)[0].mean().item(), 4),
        }

    def illusions(self, seen: list[tuple[Tensor, Tensor]]) -> dict[str, dict[str, float]]:
        """The fractions of recognised views, for anagrams and hybrids. `seen` has both views of each of ILLUSIONS."""
        counted = {}
        for illusion, both in zip(ILLUSIONS, seen):
            kind = "hybrids" if illusion.kind == "hybrid" else "anagrams"
            counted.setdefault(kind, []).append(self.views_recognised(illusion, both))
        figures = {}
        for kind, recognised in counted.items():
            top_1, top_5 = torch.cat(recognised, dim=2)  # (2 views, images) each
            figures[kind] = {"top 1": share(top_1), "top 5": share(top_5), "both": share(top_5.all(dim=0))}
        return figures

    def views_recognised(self, illusion: Illusion, seen: tuple[Tensor, Tensor]) -> Tensor:
        """Whether the prompt's label is the best, and among the best five, in each view: (2, 2 views, N)."""
        recognised = []
        for prompt, images in zip(illusion.prompts, seen):
            scores = look(self.reader, images).labels
            wanted = self.dataset.label[row_of(self.dataset, prompt)].expand(len(images))
            recognised.append(torch.stack([in_top(1, scores, wanted), in_top(5, scores, wanted)]))
        return torch.stack(recognised, dim=1)

    def generic_distance(self, images: Tensor) -> float:
        """The Fréchet distance between images (N, 3, 64, 64) and held-out photographs and renders.

        It is computed in the principal components of the latter's features, where N images suffice for a covariance.
        """
        reference, components = self.generic_reference
        features = look(self.reader, images).features
        return frechet_distance(features @ components, reference @ components)

    @functools.cached_property
    def generic_reference(self) -> tuple[Tensor, Tensor]:
        """Features (GENERIC_COUNT, 64) of held-out images with the generic caption, and their components (64, 16)."""
        features = look(self.reader, generic_images(self.dataset, self.dataset.unseen, GENERIC_COUNT)).features
        _, _, components = torch.pca_lowrank(features, q=COMPONENTS, niter=10)
        return features, components

    def nearer(self, images: Tensor, others: Tensor, originals: Tensor) -> float:
        """How often an image is nearer to its original than another one is, in the features; (N, 3, 64, 64) each."""
        images, others, originals = (look(self.reader, x).features for x in (images, others, originals))
        return share((images - originals).norm(dim=1) < (others - originals).norm(dim=1))

    def real_features(self, rows: Tensor) -> Tensor:
        """Features of many real examples of some pairs (N,), equally many of each: (at least REFERENCE, 64)."""
        rows = rows.repeat(math.ceil(REFERENCE / len(rows)))
        return look(self.reader, real_images(self.dataset, rows, seed=1)).features

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The distance to the nearest training example, (N,), and the cached image it was made from, (N,)."""
        features, rows = self.training_examples
        distance, which = nearest(look(self.reader, images).features, features)
        return distance, rows[which]

    @functools.cached_property
    def training_examples(self) -> tuple[Tensor, Tensor]:
        """Features (M, 64) of four examples of every trained image, and the index of that image, (M,)."""
        rows = self.dataset.trained.nonzero()[:, 0].repeat(4)
        generator = torch.Generator().manual_seed(2)
        examples = (self.dataset.compose(part, generator).images for part in rows.split(256))
        return torch.cat([look(self.reader, images).features for images in examples]), rows
