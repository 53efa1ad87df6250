"""What a reader says of images: recognition, distance to real images, diversity."""

import functools
import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.metrics import frechet_distance

from .asked import ILLUSIONS, Illusion, row_of
from .dataset import Dataset
from .painting import generic_pictures, real_pictures
from .reader import ArtReader, look

REFERENCE = 2000  # real examples, that samples are compared with
COMPONENTS = 16  # of the features, in which few images are compared
GENERIC_COUNT = 500  # samples of the generic prompt, and real images that they are compared with


def in_top(k: int, scores: Tensor, wanted: Tensor) -> Tensor:
    """Whether the wanted one (N,) is among the k best of scores (N, K): (N,) booleans."""
    return (scores.topk(k, dim=1).indices == wanted[:, None]).any(dim=1)


def share(booleans: Tensor) -> float:
    """How many are true, from 0 to 1."""
    return booleans.double().mean().item()


def diversity(pictures: Tensor) -> float:
    """How much two seeds differ: pictures (seeds, N, C, H, W), root mean square over the pixels, mean over the rest."""
    differences = [(a - b).square().mean(dim=(1, 2, 3)).sqrt() for a, b in itertools.combinations(pictures, 2)]
    if not differences:
        raise ValueError("pictures are of one seed; wanted at least two seeds, whose difference can be told.")
    return torch.stack(differences).mean().item()


def nearest(features: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The cosine distance from each of features (N, F) to the nearest of others (M, F), (N,); and which it is, (N,)."""
    similarity = F.normalize(features) @ F.normalize(others).T  # (N, M)
    closest = similarity.max(dim=1)
    return 1 - closest.values, closest.indices


class Judge:
    """What a reader says of pictures that are meant to show pairs of a data set.

    Pairs are given as cached pictures of them, (N,) indices; pictures are (N, 3, 64, 64) in [-1, 1].
    """

    def __init__(self, dataset: Dataset, reader: ArtReader):
        self.dataset, self.reader = dataset, reader

    def recognition(self, pictures: Tensor, rows: Tensor) -> dict[str, float]:
        """The shares of pictures whose concept and style are recognised. For a quick look during a training."""
        seen = look(self.reader, pictures)
        labels, styles = self.dataset.label[rows], self.dataset.style[rows]
        return {
            "top 1": share(in_top(1, seen.labels, labels)),
            "top 5": share(in_top(5, seen.labels, labels)),
            "style": share(in_top(1, seen.styles, styles)),
        }

    def figures(self, pictures: Tensor, rows: Tensor) -> dict[str, float]:
        """All that is measured of pictures (seeds, N, 3, 64, 64) of some pairs (N,)."""
        flat, flat_rows = pictures.flatten(0, 1), rows.repeat(len(pictures))
        features = look(self.reader, flat).features
        return self.recognition(flat, flat_rows) | {
            "distance": round(frechet_distance(features, self.real_features(rows)), 2),
            "diversity": round(diversity(pictures), 4),
            "nearest": round(self.nearest(flat)[0].mean().item(), 4),
        }

    def illusions(self, seen: list[tuple[Tensor, Tensor]]) -> dict[str, dict[str, float]]:
        """The shares of views that are recognised, for anagrams and hybrids. `seen` are ILLUSIONS, each in two ways."""
        counted = {}
        for illusion, both in zip(ILLUSIONS, seen):
            kind = "hybrids" if illusion.kind == "hybrid" else "anagrams"
            counted.setdefault(kind, []).append(self.views_recognised(illusion, both))
        figures = {}
        for kind, recognised in counted.items():
            top_1, top_5 = torch.cat(recognised, dim=2)  # (2 views, pictures) each
            figures[kind] = {"top 1": share(top_1), "top 5": share(top_5), "both": share(top_5.all(dim=0))}
        return figures

    def views_recognised(self, illusion: Illusion, seen: tuple[Tensor, Tensor]) -> Tensor:
        """Whether the best label, and whether one of the best five, is the prompt's in each view: (2, 2 views, N)."""
        recognised = []
        for prompt, pictures in zip(illusion.prompts, seen):
            scores = look(self.reader, pictures).labels
            wanted = self.dataset.label[row_of(self.dataset, prompt)].expand(len(pictures))
            recognised.append(torch.stack([in_top(1, scores, wanted), in_top(5, scores, wanted)]))
        return torch.stack(recognised, dim=1)

    def generic_distance(self, pictures: Tensor) -> float:
        """The Fréchet distance between images (N, 3, 64, 64) and held-out photographs and renders, in the principal
        components of the latter's features: as few as N images have a covariance there."""
        reference, components = self.generic_reference
        features = look(self.reader, pictures).features
        return frechet_distance(features @ components, reference @ components)

    @functools.cached_property
    def generic_reference(self) -> tuple[Tensor, Tensor]:
        """Features (GENERIC_COUNT, 64) of held-out images that could be called generic; their components (64, 16)."""
        features = look(self.reader, generic_pictures(self.dataset, self.dataset.unseen, GENERIC_COUNT)).features
        _, _, components = torch.pca_lowrank(features, q=COMPONENTS, niter=10)
        return features, components

    def nearer(self, pictures: Tensor, others: Tensor, originals: Tensor) -> float:
        """How often an image is nearer to its original, in the features, than another one is; (N, 3, 64, 64) each."""
        images, others, originals = (look(self.reader, x).features for x in (pictures, others, originals))
        return share((images - originals).norm(dim=1) < (others - originals).norm(dim=1))

    def real_features(self, rows: Tensor) -> Tensor:
        """Features of many real examples of some pairs (N,), equally many of each: (at least REFERENCE, 64)."""
        rows = rows.repeat(math.ceil(REFERENCE / len(rows)))
        return look(self.reader, real_pictures(self.dataset, rows, seed=1)).features

    def nearest(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The distance to the nearest training example, (N,); and the cached picture that this was made from, (N,)."""
        features, rows = self.training_examples
        distance, which = nearest(look(self.reader, pictures).features, features)
        return distance, rows[which]

    @functools.cached_property
    def training_examples(self) -> tuple[Tensor, Tensor]:
        """Features (M, 64) of examples of every trained picture, four of each, and which picture it is, (M,)."""
        rows = self.dataset.trained.nonzero()[:, 0].repeat(4)
        generator = torch.Generator().manual_seed(2)
        examples = (self.dataset.compose(part, generator).pictures for part in rows.split(256))
        return torch.cat([look(self.reader, pictures).features for pictures in examples]), rows
