"""How good Mini-IF is: the same questions to any weights, to the real art and to chance, judged by the reader.

    python -m making.mini_if.evaluation --model runs/mini-if/model

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
import json
import re
from pathlib import Path

import torch
from torch import Tensor

from helpers.checkpoints import TrainingError
from helpers.models import ModelError, TextToImage, load_model
from helpers.show import Picture, grid
from helpers.stages import BUNDLED

from .asked import ILLUSIONS, SEEDS, chance, pairs_of, usual_captions
from .dataset import DATA, Dataset, DatasetError
from .drafts import on_white, targets
from .judge import Judge
from .painting import Sampler, enlarge, real_illusions, real_pictures, sheet_prompts
from .reader import READER, load_reader
from .sheets import OUT

KEPT = BUNDLED["mini-if"]  # evaluation.json, and the card
REAL = "real pictures"


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
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.evaluation", description=main.__doc__)
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
