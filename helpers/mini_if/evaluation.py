"""How good Mini-IF is: the same questions to any weights, to the real art and to chance, judged by the reader.

    python -m helpers.mini_if.evaluation --model runs/mini-if/model

prints a table, and paints sheets into build/mini-if/. With --name "…" the figures are kept in evaluation.json beside
the bundled model, and the table of all that was kept goes into its card. What is measured:

concept, style    The model is asked for a pair of the two by its usual caption; the reader says what it sees. Among the
                  five best of all labels, or the best one. Of pairs that were trained, and of those held out.
Fréchet distance  between samples and real examples of the same pairs, in the reader's features. Few pictures
                  overestimate it: the column of real pictures has as many, and is the least that can be reached.
diversity         How much two seeds of one caption differ: root mean square over the pixels, which lie in [-1, 1]. Not
                  in the reader's features, since these have learned to be the same for all pictures of a pair.
nearest           The cosine distance from a sample to the nearest training example in the reader's features, which
                  care little where the art is placed and how it is tinted. A trained pair has one drawing or two, so
                  those are to be learned by heart: real trained pictures show what a perfect copy has. Real held-out
                  pictures show what a right picture has that was in no training set. nearest.png shows both.
anagrams          Twelve pictures of two things, several seeds each. A view is recognised if the reader sees its own
hybrids           prompt's label among the five best (or as the best one); "both" if that is so in both views of a
                  picture. A hybrid is seen from afar through its own low-pass filter, and close up as it is.
"""

import argparse
import functools
import itertools
import json
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur
from tqdm.auto import tqdm

from ..denoisers import Cond, Denoiser, guided
from ..illusions import anagram, hybrid, views
from ..metrics import frechet_distance
from ..models import BUNDLED, ModelError, TextToImage, load_model
from ..prompts import course_prompts
from ..sampling import dynamic_threshold, final, sample
from ..schedule import strided_timesteps
from ..show import Picture, grid
from ..training import TrainingError
from ..validate import check_integer, check_number
from .captions import captions
from .concepts import CONCEPTS
from .dataset import DATA, Dataset, DatasetError
from .drafts import on_white, targets
from .reader import BLUR, READER, ArtReader, load_reader, look
from .sheets import OUT

KEPT = BUNDLED["mini-if"]  # evaluation.json, and the card
REAL = "real pictures"
TRAINED = 200  # pairs that are asked for, of those that are trained
SEEDS = {"trained": 2, "held out": 4}  # of each pair
ILLUSION_SEEDS = 4
REFERENCE = 2000  # real examples, that samples are compared with
BATCH = 16  # pictures painted at a time


# ---- what is asked for --------------------------------------------------------------------------------------------


def asked(dataset: Dataset, *, held_out: bool, n: int | None = None) -> Tensor:
    """Pairs of a concept and a style, held out or trained: the index of a cached picture of each, (N,).

    With `n`, so many of them, always the same.
    """
    pairs = {}
    for row, entry in enumerate(dataset.entries):
        if entry.label in CONCEPTS and entry.held_out == held_out:
            pairs.setdefault((entry.label, entry.style), row)
    rows = list(pairs.values())
    return torch.tensor(rows if n is None else random.Random(0).sample(rows, min(n, len(rows))))


def row_of(dataset: Dataset, prompt: str) -> int:
    """The index of a cached picture that a prompt is a caption of."""
    for row, entry in enumerate(dataset.entries):
        if prompt in captions(entry.called, entry.style):
            return row
    raise ValueError(f"no picture of the training set is called {prompt!r}; wanted one of its captions.")


def usual_captions(dataset: Dataset, rows: Tensor) -> Tensor:
    """The usual caption of cached pictures, (N,) indices."""
    return dataset.caption[rows, 0]


@dataclass(frozen=True)
class Illusion:
    """One picture, two prompts.

    Args:
        kind: the name of the view in which an anagram shows its second prompt; or "hybrid".
        prompts: upright and in that view; or from afar and close up.
    """

    kind: str
    prompts: tuple[str, str]

    def denoiser(self, denoiser: Denoiser) -> Denoiser:
        """The combination of a denoiser that paints it."""
        return hybrid(denoiser, sigma=BLUR) if self.kind == "hybrid" else anagram(denoiser, ["identity", self.kind])

    def seen(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (N, C, H, W) as they are looked at for the first prompt, and for the second."""
        if self.kind == "hybrid":
            return gaussian_blur(pictures, 33, BLUR), pictures
        return pictures, views[self.kind].view(pictures)


# chosen before any was painted: first the course's, then such as have something in common
ILLUSIONS = (
    Illusion("flip", ("an oil painting of an old man", "an oil painting of people around a campfire")),
    Illusion("flip", ("a photo of the amalfi cost", "a lithograph of waterfalls")),
    Illusion("flip", ("a lithograph of a skull", "an oil painting of a snowy mountain village")),
    Illusion("flip", ("a drawing of a penguin", "a drawing of a giraffe")),
    Illusion("rotate_90", ("a lithograph of a duck", "a lithograph of a rabbit")),
    Illusion("rotate_180", ("a flat illustration of a pear", "a flat illustration of a light bulb")),
    Illusion("hybrid", ("a lithograph of a skull", "a lithograph of waterfalls")),
    Illusion("hybrid", ("a rocket ship", "a pencil")),
    Illusion("hybrid", ("a photo of a hipster barista", "a photo of the amalfi cost")),
    Illusion("hybrid", ("a lithograph of a skull", "a lithograph of a house")),
    Illusion("hybrid", ("a photo of a panda", "a photo of a football")),
    Illusion("hybrid", ("an oil painting of the sun", "an oil painting of a sunflower")),
)


# ---- pictures -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sampler:
    """How samples are painted: by DDPM in so many strided steps, with guidance gamma and dynamic thresholding."""

    gamma: float = 5.0
    steps: int = 34

    def __post_init__(self):
        check_number(self.gamma, "gamma")
        check_integer(self.steps, "steps", 1)

    def __str__(self) -> str:
        return f"{self.steps} DDPM steps with guidance {self.gamma:g}"

    def paint(self, denoiser: Denoiser, cond: Cond, *, seed: int = 0, what: str = "samples") -> Tensor:
        """A picture for each condition (N, …), in [-1, 1]: (N, 3, 64, 64)."""
        generator = torch.Generator().manual_seed(seed)
        parts = list(batches(cond))
        timesteps = strided_timesteps(self.steps, denoiser.schedule.T)
        options = {"timesteps": timesteps, "threshold": dynamic_threshold, "generator": generator}
        painted = []
        for part, n in tqdm(parts, desc=what, leave=False):
            x0 = final(sample(guided(denoiser, self.gamma), part, batch_size=n, **options), progress=False)
            painted.append(x0.clamp(-1, 1).cpu())
        return torch.cat(painted)

    def samples(self, model: TextToImage, dataset: Dataset, rows: Tensor, what: str = "samples") -> Tensor:
        """What a model paints for the usual captions of cached pictures, (N,) indices: (N, 3, 64, 64)."""
        text = dataset.states[usual_captions(dataset, rows)].float()  # (N, 77, 384)
        return self.paint(model.stage_1, text, what=what)

    def illusions(self, model: TextToImage, dataset: Dataset) -> list[Tensor]:
        """What a model paints for each of ILLUSIONS: (ILLUSION_SEEDS, 3, 64, 64)."""
        painted = []
        for i, illusion in enumerate(ILLUSIONS, 1):
            numbers = [dataset.texts.index(prompt) for prompt in illusion.prompts]
            text = tuple(dataset.states[number].float().expand(ILLUSION_SEEDS, -1, -1) for number in numbers)
            what = f"illusion {i} of {len(ILLUSIONS)}"
            painted.append(self.paint(illusion.denoiser(model.stage_1), text, what=what))
        return painted


def batches(cond: Cond) -> Iterator[tuple[Cond, int]]:
    """A condition for N pictures, in parts, and for how many pictures each is."""
    if isinstance(cond, tuple):
        for parts in zip(*(leaf.split(BATCH) for leaf in cond)):
            yield parts, len(parts[0])
    else:
        for part in cond.split(BATCH):
            yield part, len(part)


def real_pictures(dataset: Dataset, rows: Tensor, seed: int) -> Tensor:
    """A real example of each pair, given as a cached picture of it, (N,) indices: (N, 3, 64, 64)."""
    generator = torch.Generator().manual_seed(seed)
    same_pair = dataset.pair[rows, None] == dataset.pair  # (N, pictures)
    rows = torch.multinomial(same_pair.float(), 1, generator=generator)[:, 0]
    return torch.cat([dataset.compose(part, generator).pictures for part in rows.split(256)])


def real_illusions(dataset: Dataset, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For each of ILLUSIONS, what no single picture can be: the real art of either prompt, as it would be seen."""
    for illusion in ILLUSIONS:
        rows = torch.tensor([row_of(dataset, prompt) for prompt in illusion.prompts])
        first, second = real_pictures(dataset, rows.repeat_interleave(ILLUSION_SEEDS), seed).chunk(2)
        yield (illusion.seen(first)[0], second)  # the real art stands upright


# ---- figures ------------------------------------------------------------------------------------------------------


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
        rows = (~self.dataset.held_out).nonzero()[:, 0].repeat(4)
        generator = torch.Generator().manual_seed(2)
        examples = (self.dataset.compose(part, generator).pictures for part in rows.split(256))
        return torch.cat([look(self.reader, pictures).features for pictures in examples]), rows


def chance(dataset: Dataset) -> dict[str, float]:
    """What blind guessing would reach."""
    labels, styles = len(dataset.labels), len(dataset.styles)
    return {"top 1": 1 / labels, "top 5": 5 / labels, "style": 1 / styles, "both": (5 / labels) ** 2}


# ---- the table ----------------------------------------------------------------------------------------------------

WORDS = {
    "top 1": "concept recognised",
    "top 5": "concept among five",
    "style": "style recognised",
    "both": "both views among five",
    "distance": "Fréchet distance",
    "diversity": "diversity over seeds",
    "nearest": "to the nearest training picture",
}
DISTANCES = ("distance", "diversity", "nearest")


def read_kept(folder: Path) -> dict[str, dict]:
    """What was kept: by name, the figures, and how they came about."""
    file = folder / "evaluation.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def keep(evaluations: dict[str, dict], dataset: Dataset, folder: Path) -> None:
    """Write evaluations to evaluation.json, and their table into the card, between its two marks."""
    card, marks = folder / "README.md", r"(<!-- evaluation -->\n).*(<!-- until here -->)"
    text = card.read_text(encoding="utf-8")
    if not re.search(marks, text, flags=re.DOTALL):
        raise ValueError(f"{card} has no <!-- evaluation --> … <!-- until here -->; wanted a place for the table.")
    written = table(evaluations, chance(dataset))
    card.write_text(re.sub(marks, lambda m: f"{m[1]}\n{written}\n\n{m[2]}", text, flags=re.DOTALL), encoding="utf-8")
    text = json.dumps(evaluations, indent=1, ensure_ascii=False)
    (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")


def table(evaluations: dict[str, dict], guessing: dict[str, float]) -> str:
    """Evaluations side by side, in markdown, with chance as the last column and their notes below."""
    evaluations = {name: evaluations[name] for name in sorted(evaluations, key=lambda name: name != REAL)}
    lines = [f"| | {' | '.join(evaluations)} | chance |", "|---" * (len(evaluations) + 2) + "|"]
    for group, figures in next(iter(evaluations.values()))["figures"].items():
        for key in figures:
            values = [number(key, about["figures"][group][key]) for about in evaluations.values()]
            guessed = number(key, guessing[key]) if key in guessing else ""
            lines.append(f"| {group}: {WORDS[key]} | {' | '.join(values)} | {guessed} |")
    notes = [f"{name}: {about['note']}" for name, about in evaluations.items()]
    return "\n\n".join(["\n".join(lines), *notes])


def number(key: str, value: float) -> str:
    if key in DISTANCES:
        return f"{value:.2f}"
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{100 * value:.1g} %"


# ---- sheets -------------------------------------------------------------------------------------------------------


def sheet_prompts(n: int = 64) -> list[str]:
    """The course's prompts, which are also the seed report's, again and again."""
    return list(itertools.islice(itertools.cycle(filter(None, course_prompts())), n))


def enlarge(model: TextToImage, pictures: Tensor, text: Tensor) -> Tensor:
    """Pictures (N, 3, 64, 64) by the model's stage II: (N, 3, 256, 256)."""
    generator = torch.Generator().manual_seed(0)
    parts = list(zip(pictures.split(BATCH), text.split(BATCH)))
    return torch.cat(
        [model.upscale(*part, generator=generator).cpu() for part in tqdm(parts, desc="stage II", leave=False)]
    )


def illusion_sheet(painted: list[Tensor]) -> Picture:
    """The first seed of each illusion, as it is seen for either prompt."""
    cells, titles = [], []
    for illusion, pictures in zip(ILLUSIONS, painted):
        cells += illusion.seen(pictures[:1])
        ways = ("from afar", "close up") if illusion.kind == "hybrid" else ("upright", illusion.kind)
        titles += [f"{way}: {prompt}" for way, prompt in zip(ways, illusion.prompts)]
    return grid(cells, titles, columns=6, cell=192)


def nearest_sheet(judge: Judge, pictures: Tensor, rows: Tensor) -> Picture:
    """Samples, each beside the training picture that is nearest in the reader's features."""
    dataset, cells, titles = judge.dataset, [], []
    distances, neighbours = judge.nearest(pictures)
    for picture, row, distance, neighbour in zip(pictures, rows, distances, neighbours):
        cells += [picture, *on_white(targets(dataset.pictures[neighbour, None], len(picture[0])))]
        caption, other = (dataset.texts[usual_captions(dataset, i)] for i in (row, neighbour))
        titles += [f"{caption}", f"{distance:.2f}: {other}"]
    return grid(cells, titles, columns=8, cell=128)


# ---- the command --------------------------------------------------------------------------------------------------


def evaluate_real(judge: Judge) -> dict:
    """The real pictures' evaluation: what it would be if the model painted as well as the art is."""
    figures = {}
    for kind, rows in pairs_of(judge.dataset).items():
        pictures = real_pictures(judge.dataset, rows.repeat(SEEDS[kind]), seed=3)
        figures[kind] = judge.figures(pictures.unflatten(0, (SEEDS[kind], len(rows))), rows)
    figures |= judge.illusions(list(real_illusions(judge.dataset, seed=4)))
    return {"figures": figures, "note": "an illusion's views are two pictures, not one."}


def pairs_of(dataset: Dataset) -> dict[str, Tensor]:
    """The pairs that are asked for."""
    return {"trained": asked(dataset, held_out=False, n=TRAINED), "held out": asked(dataset, held_out=True)}


def evaluate(model: TextToImage, judge: Judge, sampler: Sampler, out: Path, note: str = "") -> dict:
    """A model's evaluation, and its sheets into a folder."""
    dataset, figures, shown, shown_rows = judge.dataset, {}, [], []
    out.mkdir(parents=True, exist_ok=True)
    for kind, rows in pairs_of(dataset).items():
        pictures = sampler.samples(model, dataset, rows.repeat(SEEDS[kind]), what=kind)
        figures[kind] = judge.figures(pictures.unflatten(0, (SEEDS[kind], len(rows))), rows)
        some = torch.arange(0, len(rows), max(1, len(rows) // 16))[:16]
        shown.append(pictures[some])
        shown_rows.append(rows[some])
    nearest_sheet(judge, torch.cat(shown), torch.cat(shown_rows)).save(out / "nearest.png")

    painted = sampler.illusions(model, dataset)
    figures |= judge.illusions([illusion.seen(pictures) for illusion, pictures in zip(ILLUSIONS, painted)])
    illusion_sheet(painted).save(out / "illusions.png")

    prompts = sheet_prompts()
    text = model.embed(prompts)
    pictures = sampler.paint(model.stage_1, text, what="the sheet")
    grid(list(pictures), prompts, columns=8, cell=128).save(out / "samples-64.png")
    grid(list(enlarge(model, pictures, text)), prompts, columns=8, cell=256).save(out / "samples-256.png")
    return {"figures": figures, "note": f"{sampler}. {note}".strip()}


def main(arguments: list[str] | None = None) -> None:
    """Measure how good a Mini-IF is, print the table, and paint sheets to be looked at."""
    parser = argparse.ArgumentParser(prog="python -m helpers.mini_if.evaluation", description=main.__doc__)
    parser.add_argument("--model", default="mini-if", help="a folder in IF format; default: the bundled model")
    parser.add_argument("--name", help='keep the figures under this name, such as "first weights"')
    parser.add_argument("--note", default="", help="a sentence below the table")
    parser.add_argument("--gamma", type=float, default=Sampler.gamma, help="guidance; default: %(default)s")
    parser.add_argument("--steps", type=int, default=Sampler.steps, help="of DDPM; default: %(default)s")
    parser.add_argument("--data", type=Path, default=DATA, help="the training set's folder")
    parser.add_argument("--reader", type=Path, default=READER, help="the reader's file; made if it is not there")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the sheets")
    args = parser.parse_args(arguments)
    try:
        dataset, model = Dataset(args.data), load_model(args.model)
        judge = Judge(dataset, load_reader(dataset, args.reader))
        evaluations = read_kept(KEPT)
        evaluations[REAL] = evaluate_real(judge)
        evaluations[args.name or "this model"] = evaluate(
            model, judge, Sampler(args.gamma, args.steps), args.out, args.note
        )
        if args.name:
            keep(evaluations, dataset, KEPT)
    except (DatasetError, ModelError, TrainingError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(table(evaluations, chance(dataset)))
    print(f"\nlook at {args.out}")


if __name__ == "__main__":
    main()
