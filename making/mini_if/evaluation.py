"""The evaluation of Mini-IF: the same measures for any weights, for real images and for chance.

    python -m making.mini_if.evaluation "third weights=runs/third-weights" "fourth weights=runs/mini-if/model"

prints a table, and writes sheets of samples to build/mini-if/, a folder for each model. With --keep, the figures are
written to evaluation.json beside the bundled model, and the table to its card. The measures:

concept, style    The model samples the usual caption of a pair. How often the reader's best label (or one of its five
                  best) is the pair's. For trained pairs and for held-out ones.
Fréchet distance  between samples and real examples of the same pairs, in the reader's features, divided by the distance
                  between as many real examples and the same reference: 1 is the floor.
diversity         How much two seeds of one caption differ: root mean square over the pixels, which lie in [-1, 1]. (The
                  reader's features would not do: they were trained to be equal for all images of a pair.)
nearest           The cosine distance from a sample to the nearest training example in the reader's features, which
                  hardly depend on position and tint. nearest.png shows both.
generic           500 samples of the generic prompt against 500 crops of held-out photographs and renders: Fréchet
                  distance, divided by that of 500 training crops; without and with guidance.
weave             The variance within 2×2 patches in flat areas, divided by that of real images.
colour            The largest difference of a channel's mean from that of real images of the same pairs, in [0, 1].
iterative         How often iterative denoising of a held-out photograph from t = 690 comes nearer to it, in the
                  reader's features, than one-step denoising.
seam              The gradient across the edge of an inpainted square, divided by that of the photograph.
anagrams          Twelve images of two things, several seeds each. A view is recognised if its prompt's label is among
hybrids           the reader's five best (or its best); "both" means both views of an image. A hybrid is viewed from
                  afar through its own low-pass filter, and close up as it is.
cost              Seconds for one guided image, the median of five; the weights of both stages in MB.
"""

import argparse
import json
import re
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from helpers.checkpoints import TrainingError
from helpers.command import errors_end
from helpers.models import ModelError, TextToImage, load_model
from helpers.show import Graphic, grid
from helpers.stages import BUNDLED

from .asked import ILLUSIONS, SEEDS, chance, pairs_of, usual_captions
from .dataset import CACHE, Dataset, DatasetError
from .drafts import on_white, targets
from .editing import denoised, inpainted, originals
from .judge import GENERIC_COUNT, Judge
from .painting import Sampler, enlarge, generic_images, real_illusions, real_images, sheet_prompts
from .pixels import mean_colour, middle_mask, seam, weave
from .reader import READER, load_reader
from .sheets import OUT

KEPT = BUNDLED["mini-if"]  # evaluation.json, and the card
REAL = "real images"
EDITED = 40  # held-out photographs


# ---- the table ----------------------------------------------------------------------------------------------------

WORDS = {
    "top 1": "concept recognised",
    "top 5": "concept among five",
    "style": "style recognised",
    "both": "both views among five",
    "distance": "Fréchet distance",
    "ratio": "Fréchet distance over the floor",
    "guided": "the same, with guidance",
    "diversity": "diversity over seeds",
    "nearest": "to the nearest training image",
    "weave": "weave over that of real images",
    "colour": "largest error of a mean channel",
    "iterative": "iterative denoising nearer than one step",
    "seam": "seam of an inpainting over the original",
    "seconds": "seconds for one image",
    "megabytes": "weights, MB",
}
SHARES = ("top 1", "top 5", "style", "both", "iterative")
WANTED = {
    ("trained", "top 1"): "≥ 95 %",
    ("held out", "top 1"): "≥ 80 %",
    ("trained", "ratio"): "≤ 2",
    ("held out", "ratio"): "≤ 4",
    ("generic prompt", "ratio"): "≤ 5",
    ("trained", "diversity"): "≥ 0.45",
    ("trained", "weave"): "≤ 1.3",
    ("trained", "colour"): "≤ 0.03",
    ("held-out photographs", "iterative"): "≥ 75 %",
    ("held-out photographs", "seam"): "≤ 1.3",
    ("anagrams", "both"): "≥ 60 %",
    ("hybrids", "both"): "≥ 45 %",
    ("cost", "seconds"): "≤ 1",
    ("cost", "megabytes"): "≤ 40",
}


def keep(evaluations: dict[str, dict], dataset: Dataset, folder: Path) -> None:
    """Write evaluations to evaluation.json, and their table to the card, between its two marks."""
    card, marks = folder / "README.md", r"(<!-- evaluation -->\n).*(<!-- until here -->)"
    text = card.read_text(encoding="utf-8")
    if not re.search(marks, text, flags=re.DOTALL):
        raise ValueError(f"{card} has no <!-- evaluation --> … <!-- until here -->; wanted a place for the table.")
    written = table(evaluations, chance(dataset))
    card.write_text(re.sub(marks, lambda m: f"{m[1]}\n{written}\n\n{m[2]}", text, flags=re.DOTALL), encoding="utf-8")
    text = json.dumps(evaluations, indent=1, ensure_ascii=False)
    (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")


def table(evaluations: dict[str, dict], guessing: dict[str, float]) -> str:
    """Evaluations side by side, in Markdown: real images first, chance and goals last, notes below."""
    evaluations = {name: evaluations[name] for name in sorted(evaluations, key=lambda name: name != REAL)}
    lines = [f"| | {' | '.join(evaluations)} | chance | wanted |", "|---" * (len(evaluations) + 3) + "|"]
    figures = [about["figures"] for about in evaluations.values()]
    rows = {(group, key): None for groups in figures for group, keys in groups.items() for key in keys}
    for group, key in rows:
        values = [groups.get(group, {}).get(key) for groups in figures]
        values = ["" if value is None else number(key, value) for value in values]
        guessed = number(key, guessing[key]) if key in guessing else ""
        wanted = WANTED.get((group, key), "")
        lines.append(f"| {group}: {WORDS[key]} | {' | '.join(values)} | {guessed} | {wanted} |")
    notes = [f"{name}: {about['note']}" for name, about in evaluations.items()]
    return "\n\n".join(["\n".join(lines), *notes])


def number(key: str, value: float) -> str:
    if key not in SHARES:
        return f"{value:.2f}"
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{100 * value:.1g} %"


# ---- sheets -------------------------------------------------------------------------------------------------------


def illusion_sheet(painted: list[Tensor]) -> Graphic:
    """The first seed of each illusion, in both views."""
    cells, titles = [], []
    for illusion, images in zip(ILLUSIONS, painted):
        cells += illusion.seen(images[:1])
        ways = ("from afar", "close up") if illusion.kind == "hybrid" else ("upright", illusion.kind)
        titles += [f"{way}: {prompt}" for way, prompt in zip(ways, illusion.prompts)]
    return grid(cells, titles, columns=6, cell=192)


def nearest_sheet(judge: Judge, images: Tensor, rows: Tensor) -> Graphic:
    """Samples, each beside the training image that is nearest in the reader's features."""
    dataset, cells, titles = judge.dataset, [], []
    distances, neighbours = judge.nearest(images)
    for image, row, distance, neighbour in zip(images, rows, distances, neighbours):
        cells += [image, *on_white(targets(dataset.images[neighbour, None], len(image[0])))]
        caption, other = (dataset.texts[usual_captions(dataset, i)] for i in (row, neighbour))
        titles += [f"{caption}", f"{distance:.2f}: {other}"]
    return grid(cells, titles, columns=8, cell=128)


# ---- the command --------------------------------------------------------------------------------------------------


def evaluate_real(judge: Judge) -> dict:
    """The evaluation of real images: the best that a model could reach."""
    figures = {}
    for kind, rows in pairs_of(judge.dataset).items():
        images = real_images(judge.dataset, rows.repeat(SEEDS[kind]), seed=3)
        figures[kind] = judge.figures(images.unflatten(0, (SEEDS[kind], len(rows))), rows)
    generic = generic_images(judge.dataset, judge.dataset.trained, GENERIC_COUNT, seed=9)
    figures["generic prompt"] = {"distance": judge.generic_distance(generic)}
    figures |= judge.illusions(list(real_illusions(judge.dataset, seed=4)))
    return {"figures": figures, "note": "an illusion's views are two images, not one."}


def evaluate(model: TextToImage, judge: Judge, sampler: Sampler, real: dict, out: Path) -> dict:
    """A model's evaluation, relative to that of real images; writes its sheets to a folder."""
    dataset, figures, shown, shown_rows = judge.dataset, {}, [], []
    out.mkdir(parents=True, exist_ok=True)
    for kind, rows in pairs_of(dataset).items():
        images = sampler.samples(model, dataset, rows.repeat(SEEDS[kind]), what=kind)
        figures[kind] = judge.figures(images.unflatten(0, (SEEDS[kind], len(rows))), rows)
        figures[kind]["ratio"] = figures[kind]["distance"] / real[kind]["distance"]
        examples = real_images(dataset, rows.repeat(SEEDS[kind]), seed=3)
        figures[kind]["weave"] = weave(images) / weave(examples)
        figures[kind]["colour"] = (mean_colour(images) - mean_colour(examples)).abs().max().item()
        some = torch.arange(0, len(rows), max(1, len(rows) // 16))[:16]
        shown.append(images[some])
        shown_rows.append(rows[some])
    nearest_sheet(judge, torch.cat(shown), torch.cat(shown_rows)).save(out / "nearest.png")

    figures["generic prompt"] = {}
    for key, gamma in (("ratio", 1.0), ("guided", sampler.gamma)):
        text = dataset.states[dataset.generic].float().expand(GENERIC_COUNT, -1, -1)
        images = Sampler(gamma, sampler.steps).paint(model.stage_1, text, what=f"generic, guidance {gamma:g}")
        figures["generic prompt"][key] = judge.generic_distance(images) / real["generic prompt"]["distance"]
        grid(list(images[:32]), columns=8, cell=128).save(out / f"generic-{gamma:g}.png")

    photographs = originals(dataset, EDITED)
    iterative, one_step = denoised(model, photographs)
    repainted = inpainted(model, photographs)
    figures["held-out photographs"] = {
        "iterative": judge.nearer(iterative, one_step, photographs),
        "seam": (seam(repainted, middle_mask()).mean() / seam(photographs, middle_mask()).mean()).item(),
    }
    rows = {"original": photographs, "one step": one_step, "iterative": iterative, "inpainted": repainted}
    grid([list(x[:10]) for x in rows.values()], rows=list(rows), cell=128).save(out / "edits.png")

    painted = sampler.illusions(model, dataset)
    figures |= judge.illusions([illusion.seen(images) for illusion, images in zip(ILLUSIONS, painted)])
    illusion_sheet(painted).save(out / "illusions.png")

    prompts = sheet_prompts()
    text = model.embed(prompts)
    images = sampler.paint(model.stage_1, text, what="the sheet")
    grid(list(images), prompts, columns=8, cell=128).save(out / "samples-64.png")
    if model.stage_2 is not None:
        grid(list(enlarge(model, images, text)), prompts, columns=8, cell=256).save(out / "samples-256.png")
    figures["cost"] = {"seconds": seconds(model, sampler)}
    return {"figures": figures, "note": f"{sampler}."}


def seconds(model: TextToImage, sampler: Sampler) -> float:
    """The median time of one guided image."""
    text, taken = model.embed("a photo of a dog"), []
    for seed in range(5):
        began = time.perf_counter()
        sampler.paint(model.stage_1, text, seed=seed)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def megabytes(folder: Path) -> float:
    """The size of both stages' weights."""
    return sum(file.stat().st_size for file in folder.glob("**/*.safetensors") if "embeddings" not in file.name) / 1e6


def named_folder(text: str) -> tuple[str, Path]:
    """An argument such as "third weights=runs/third-weights"."""
    name, equals, folder = text.partition("=")
    if not (name and equals and Path(folder).is_dir()):
        raise argparse.ArgumentTypeError(f"{text!r} names no folder; wanted NAME=FOLDER, with a model in that folder")
    return name, Path(folder)


def main(arguments: list[str] | None = None) -> None:
    """Evaluate models, print the table, and write sheets of samples for inspection."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.evaluation", description=main.__doc__)
    bundled = ("bundled weights", KEPT)
    parser.add_argument("models", nargs="*", type=named_folder, default=[bundled], help="NAME=FOLDER, in IF format")
    parser.add_argument("--keep", action="store_true", help="write the figures into the bundled model's card")
    parser.add_argument("--gamma", type=float, default=Sampler.gamma, help="guidance; default: %(default)s")
    parser.add_argument("--steps", type=int, default=Sampler.steps, help="of DDPM; default: %(default)s")
    parser.add_argument("--data", type=Path, default=CACHE, help="the training set's folder")
    parser.add_argument("--reader", type=Path, default=READER, help="the reader's file; trained if it does not exist")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the sheets")
    args = parser.parse_args(arguments)
    with errors_end(parser, DatasetError, ModelError, TrainingError, ValueError):
        dataset, sampler = Dataset(args.data), Sampler(args.gamma, args.steps)
        judge = Judge(dataset, load_reader(dataset, args.reader))
        evaluations = {REAL: evaluate_real(judge)}
        for name, folder in args.models:
            real = evaluations[REAL]["figures"]
            evaluations[name] = evaluate(load_model(str(folder)), judge, sampler, real, args.out / name)
            evaluations[name]["figures"]["cost"]["megabytes"] = megabytes(folder)
            print(table({REAL: evaluations[REAL], name: evaluations[name]}, chance(dataset)), flush=True)
        if args.keep:
            keep(evaluations, dataset, KEPT)
    print(table(evaluations, chance(dataset)))
    print(f"\nThe sheets are in {args.out}.")


if __name__ == "__main__":
    main()
