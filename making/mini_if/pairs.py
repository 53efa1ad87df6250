"""Search for pairs of concepts that one image can show: anagrams for 1.8, hybrids for 1.9.

    python -m making.mini_if.pairs flip
    python -m making.mini_if.pairs hybrid --gamma 7

Three rounds, each on fewer pairs. First, all pairs of concepts within each main style are ranked by how well their
drafts agree when each is seen as its prompt will be; this needs no sampling. Second, the best pairs are sampled from a
few seeds in a few DDIM steps. Third, the best of those are sampled from many seeds, exactly as the notebooks do it.
An image's score is the probability that the reader gives to the right concept in the worse of its two views. The
command prints the best pairs with their seeds, and writes a sheet into build/mini-if/.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from helpers.checkpoints import TrainingError
from helpers.command import errors_end
from helpers.denoisers import guided
from helpers.illusions import views
from helpers.models import ModelError, TextToImage, load_model
from helpers.patch_unet import Drafter
from helpers.sampling import ddim_step, dynamic_threshold
from helpers.show import Graphic, grid
from helpers.stages import BUNDLED
from helpers.validate import check_number
from making.sampling import paint

from .asked import Illusion, asked, usual_captions
from .concepts import MAIN_STYLES
from .dataset import CACHE, Dataset, DatasetError
from .drafts import on_white
from .reader import READER, ArtReader, load_reader, look
from .sheets import OUT

KINDS = (*(name for name in views if name != "identity"), "hybrid")
SHORTLIST, PER_CONCEPT = 60, 3  # pairs in the second round, and how many of them may share a concept
FEW_SEEDS, FEW_STEPS = 8, 12
FINALISTS, SEEDS, STEPS = 12, 36, 34


class Pair(NamedTuple):
    """Two prompts for one image."""

    illusion: Illusion
    texts: tuple[Tensor, Tensor]  # their text states, (1, 77, 384) each
    labels: tuple[int, int]  # the reader's numbers for the two concepts


class Found(NamedTuple):
    """The best image of a pair."""

    pair: Pair
    seed: int
    score: float  # the probability of the right concept, in the worse of the two views
    image: Tensor  # (1, 3, 64, 64)


# ---- the first round ----------------------------------------------------------------------------------------------


def shortlist(dataset: Dataset, drafter: Drafter, kind: str, n: int = SHORTLIST) -> list[Pair]:
    """The n pairs whose drafts agree best, of all pairs of trained concepts within one of the main styles."""
    rows, ranked = asked(dataset, held_out=False), []
    for style in MAIN_STYLES:
        mine = rows[dataset.style[rows] == dataset.styles.index(style)]
        text = dataset.states[usual_captions(dataset, mine)].to(drafter.mean)  # its precision and device
        drafts = on_white(drafter(text).float().cpu())
        ranked += [(score, mine[[i, j]]) for score, i, j in agreeing(drafts, kind)]
    pairs, used, taken = [], Counter(), set()
    for _, two in sorted(ranked, key=lambda one: one[0], reverse=True):
        labels = tuple(dataset.label[two].tolist())
        # an anagram of B and A is one of A and B, turned; a hybrid is not
        same = labels if kind == "hybrid" else frozenset(labels)
        if len(pairs) < n and same not in taken and all(used[label] < PER_CONCEPT for label in labels):
            captions = usual_captions(dataset, two)
            illusion = Illusion(kind, tuple(dataset.texts[caption] for caption in captions))
            pairs.append(Pair(illusion, dataset.states[captions].float().split(1), labels))
            used.update(labels)
            taken.add(same)
    return pairs


def agreeing(drafts: Tensor, kind: str, n: int = 20 * SHORTLIST) -> list[tuple[float, int, int]]:
    """The n best pairs of drafts (N, 3, H, W): how well they agree, from -1 to 1, and their two numbers.

    They agree if the first, turned as an anagram is or blurred as a hybrid is from afar, correlates with the second
    once the mean of all drafts is subtracted.
    """
    drafts = drafts - drafts.mean(dim=0)
    upright, turned = Illusion(kind, ("", "")).seen(drafts)
    first = upright if kind == "hybrid" else turned
    agreement = F.normalize(first.flatten(1)) @ F.normalize(drafts.flatten(1)).T  # (N, N)
    N = len(drafts)
    scores, which = agreement.fill_diagonal_(-1).flatten().topk(min(n, N * (N - 1)))
    return [(score, k // N, k % N) for score, k in zip(scores.tolist(), which.tolist())]


# ---- the second and the third -------------------------------------------------------------------------------------


def scores(reader: ArtReader, pair: Pair, images: Tensor) -> Tensor:
    """The probability of the right concept in the worse of the two views of images (N, 3, 64, 64): (N,)."""
    seen = zip(pair.illusion.seen(images), pair.labels)
    return torch.stack([look(reader, view).labels.softmax(dim=1)[:, label] for view, label in seen]).amin(dim=0)


def glance(model: TextToImage, reader: ArtReader, pair: Pair, gamma: float) -> float:
    """The best score of a pair among a few seeds in a few DDIM steps."""
    denoiser = guided(pair.illusion.denoiser(model.stage_1), gamma)
    cond = tuple(text.expand(FEW_SEEDS, -1, -1) for text in pair.texts)
    images = paint(denoiser, cond, FEW_SEEDS, steps=FEW_STEPS, step=ddim_step, threshold=dynamic_threshold)
    return scores(reader, pair, images.clamp(-1, 1)).max().item()


def best(model: TextToImage, reader: ArtReader, pair: Pair, gamma: float) -> Found:
    """The best image of a pair among many seeds, each sampled alone as the notebooks do it."""
    denoiser, found = guided(pair.illusion.denoiser(model.stage_1), gamma), []
    for seed in range(SEEDS):
        generator = torch.Generator().manual_seed(seed)
        image = paint(denoiser, pair.texts, 1, steps=STEPS, threshold=dynamic_threshold, generator=generator)
        image = image.clamp(-1, 1)
        found.append(Found(pair, seed, scores(reader, pair, image).item(), image))
    return max(found, key=lambda one: one.score)


def search(model: TextToImage, dataset: Dataset, reader: ArtReader, kind: str, gamma: float) -> list[Found]:
    """The best image of each of FINALISTS pairs, best first."""
    pairs = shortlist(dataset, model.stage_1.unet.drafter, kind)
    first = [glance(model, reader, pair, gamma) for pair in tqdm(pairs, desc="a few seeds of each pair")]
    order = torch.tensor(first).argsort(descending=True)[:FINALISTS]
    found = [best(model, reader, pairs[i], gamma) for i in tqdm(order, desc="many seeds of the best pairs")]
    return sorted(found, key=lambda one: one.score, reverse=True)


# ---- the command --------------------------------------------------------------------------------------------------


def sheet(found: list[Found]) -> Graphic:
    """The best images, each as it is seen for either prompt."""
    cells = [view for one in found for view in one.pair.illusion.seen(one.image)]
    titles = [prompt for one in found for prompt in one.pair.illusion.prompts]
    return grid(cells, titles, columns=6, cell=192)


def main(arguments: list[str] | None = None) -> None:
    """Search for pairs of prompts that one image can show, and print the best ones with their seeds."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.pairs", description=main.__doc__)
    parser.add_argument("kind", choices=KINDS, help="an anagram's view, or hybrid")
    parser.add_argument("--model", type=Path, default=BUNDLED["mini-if"], help="default: the bundled model")
    parser.add_argument("--gamma", type=float, default=5.0, help="guidance scale; default: %(default)s")
    parser.add_argument("--data", type=Path, default=CACHE, help="the training set's folder")
    parser.add_argument("--reader", type=Path, default=READER, help="the reader's file; made if it is not there")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the sheet")
    args = parser.parse_args(arguments)
    with errors_end(parser, DatasetError, ModelError, TrainingError, ValueError):
        check_number(args.gamma, "gamma")
        dataset = Dataset(args.data)
        reader = load_reader(dataset, args.reader)
        found = search(load_model(str(args.model)), dataset, reader, args.kind, args.gamma)
    for one in found:
        print(f"{one.score:.2f}  {(*one.pair.illusion.prompts, one.seed)}")
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"pairs-{args.kind}.png"
    sheet(found).save(file)
    print(f"look at {file}")


if __name__ == "__main__":
    main()
