"""How few calls of the network reach the quality of the 34-step guided DDPM sample? `python -m ci.bench.solvers digits`

    python -m ci.bench.solvers digits --count 1000      Part B's class-conditional network, judged by the bundled reader
    python -m ci.bench.solvers mini-if --count 1000     Mini-IF, judged by the reader of making/mini_if, which needs the
                                                        training set (runs/mini-if-data)

Every sampler gets the same conditions and the same start. A call is one evaluation of the network on an image and its
unconditional counterpart; an evaluation without guidance counts half. A figure is given as its ratio to DDPM's, with a
bootstrap interval over the samples that holds 95 %. A sampler reaches DDPM's quality if no share of recognised images
falls below 98 % of DDPM's, and no Fréchet distance is above 102 %.

What a sampler's images were judged to be is kept in build/solvers, so that a stopped run continues where it was.
Seconds are those of one image, measured in turn, with diffusers' IFPipeline among them for Mini-IF.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import IFPipeline
from diffusers.utils import logging
from torch import Tensor
from tqdm import tqdm

from ci.bench.timing import time_in_turn
from helpers.checkpoints import read_tensors, write_tensors
from helpers.denoisers import Combinator, Cond, Denoiser, Prediction, guided
from helpers.digits import DigitDenoiser
from helpers.flow import dpm_solver_2m, euler_step, heun
from helpers.metrics import frechet_distance, read_digits, real_features
from helpers.models import load_model
from helpers.recipes import class_conditional
from helpers.results import load_result
from helpers.sampling import ddim_step, ddpm_step, dynamic_threshold, final, sample
from helpers.schedule import NoiseSchedule, flow_timesteps, strided_timesteps
from helpers.stages import BUNDLED
from helpers.unet import one_hot

KEPT = Path("build/solvers")
BATCH = 25
RESAMPLES = 300
REFERENCE = "DDPM, 34 timesteps"


class Counting(Combinator):
    """Counts the images that a denoiser's network evaluates."""

    evaluated = 0

    def __call__(self, x_t: Tensor, t: int, cond: Cond) -> Prediction:
        self.evaluated += len(x_t)
        return self.denoiser(x_t, t, cond)

    def prepare(self, cond: Cond) -> Cond:
        return self.denoiser.prepare(cond)


@dataclass
class Judged:
    """What a reader says of N images."""

    right: dict[str, Tensor]  # by the name of a figure, whether each image is recognised, (N,)
    features: Tensor  # (N, F)


@dataclass
class Case:
    """A network, what it is asked for, and who judges.

    Args:
        cond: a condition for each of N images.
        judge: from images (N, C, H, W) and the rows of cond that they show, to what is said of them.
        real: features (M, F) of real images of the same kind.
    """

    name: str
    denoiser: Denoiser
    gamma: float
    threshold: Callable[[Tensor], Tensor] | None
    cond: Tensor
    judge: Callable[[Tensor], Judged]
    real: Tensor


@dataclass(frozen=True)
class Sampler:
    """A solver, its number of timesteps, and the interval of timesteps in which it guides (all by default)."""

    solver: str
    timesteps: int
    interval: tuple[int, int] | None = None

    def __str__(self) -> str:
        where = "" if self.interval is None else f", guided in {self.interval[0]}…{self.interval[1]}"
        return f"{self.solver}, {self.timesteps} timesteps{where}"

    def paint(self, case: Case, denoiser: Denoiser, cond: Tensor, seed: int) -> Tensor:
        """An image for each condition: (B, C, H, W)."""
        painter = guided(denoiser, case.gamma, self.interval)
        spacing, step = SOLVERS[self.solver]
        options = {"threshold": case.threshold, "generator": torch.Generator().manual_seed(seed)}
        step = step(painter, cond, case.threshold)
        timesteps = spacing(case.denoiser.schedule, self.timesteps)
        return final(
            sample(painter, cond, timesteps=timesteps, batch_size=len(cond), step=step, **options), progress=False
        )


def strided(schedule: NoiseSchedule, steps: int) -> list[int]:
    return strided_timesteps(steps, schedule.T)


# which timesteps each solver visits, and its step, which is new for each run
SOLVERS = {
    "DDPM": (strided, lambda *_: ddpm_step),
    "DDIM": (strided, lambda *_: ddim_step),
    "Euler": (flow_timesteps, lambda *_: euler_step),
    "2M": (flow_timesteps, lambda *_: dpm_solver_2m()),
    "Heun": (flow_timesteps, lambda painter, cond, threshold: heun(painter, cond, threshold=threshold)),
}


def samplers(T: int, counts: list[int], share: tuple[float, float]) -> Iterator[Sampler]:
    """The reference, then all solvers at so many timesteps, guided everywhere and in an interval, a share of T."""
    yield Sampler("DDPM", 34)
    interval = tuple(round(end * (T - 1)) for end in share)
    for solver in SOLVERS:
        for count in counts:
            # Heun calls twice at each timestep but the last
            timesteps = count // 2 + 1 if solver == "Heun" else count
            yield Sampler(solver, timesteps)
            yield Sampler(solver, timesteps, interval)


# ---- the cases ----------------------------------------------------------------------------------------------------


def digits(count: int) -> Case:
    """Part B's class-conditional digits with guidance 5."""
    labels = torch.arange(count) % 10

    def judge(images: Tensor) -> Judged:
        features, read = read_digits(images)
        return Judged({"read": read == labels[: len(images)]}, features)

    denoiser = DigitDenoiser(load_result("class-conditional").network, class_conditional.task.schedule)
    real = real_features()[::15]  # 4,000 of them, whose covariance the bootstrap takes 600 times for each sampler
    return Case("digits", denoiser, 5.0, None, one_hot(labels), judge, real)


def mini_if(count: int) -> Case:
    """Mini-IF on the usual captions of trained pairs, as its own evaluation paints them: guidance 5, thresholded."""
    # here, because the digits need neither the training set nor its packages
    from making.mini_if.asked import asked, usual_captions
    from making.mini_if.dataset import Dataset
    from making.mini_if.judge import Judge, in_top
    from making.mini_if.reader import load_reader, look

    dataset = Dataset()
    reader = load_reader(dataset)
    pairs = asked(dataset, held_out=False, n=200)
    rows = pairs[torch.arange(count) % len(pairs)]

    def judge(images: Tensor) -> Judged:
        seen = look(reader, images)
        labels, styles = dataset.label[rows[: len(images)]], dataset.style[rows[: len(images)]]
        right = {
            "concept": in_top(1, seen.labels, labels),
            "among five": in_top(5, seen.labels, labels),
            "style": in_top(1, seen.styles, styles),
        }
        return Judged(right, seen.features)

    text = dataset.states[usual_captions(dataset, rows)].float()
    denoiser = load_model("mini-if", device="cpu").stage_1
    real = Judge(dataset, reader).real_features(pairs)
    return Case("mini-if", denoiser, 5.0, dynamic_threshold, text, judge, real)


CASES = {"digits": digits, "mini-if": mini_if}


# ---- quality ------------------------------------------------------------------------------------------------------


def judged(case: Case, sampler: Sampler) -> tuple[Judged, float]:
    """What is said of a sampler's images, and how many calls each took; from the file if it was measured before."""
    file = KEPT / f"{case.name}-{len(case.cond)}-{sampler}.safetensors".replace(" ", "-").replace(",", "")
    if not file.exists():
        denoiser = Counting(case.denoiser)
        parts = case.cond.split(BATCH)
        painted = [
            sampler.paint(case, denoiser, part, seed)
            for seed, part in enumerate(tqdm(parts, desc=str(sampler), leave=False))
        ]
        found = case.judge(torch.cat(painted))
        calls = torch.tensor(denoiser.evaluated / 2 / len(case.cond))
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tensors({**found.right, "features": found.features, "calls": calls}, file, {})
    tensors, _ = read_tensors(file)
    features, calls = tensors.pop("features"), tensors.pop("calls").item()
    return Judged(dict(sorted(tensors.items())), features), calls  # a file keeps no order


def figures(found: Judged, real: Tensor, chosen: Tensor) -> dict[str, float]:
    """The figures of some of the images, by their indices: shares that are recognised, and the Fréchet distance."""
    shares = {name: right[chosen].double().mean().item() for name, right in found.right.items()}
    return shares | {"distance": frechet_distance(found.features[chosen], real)}


def compare(found: Judged, reference: Judged, real: Tensor) -> dict[str, tuple[float, float, float]]:
    """Each figure's ratio to the reference's, and the ends of its bootstrap interval.

    Both are resampled alike, because image i of either has the same condition and the same start.
    """
    n, generator = len(found.features), torch.Generator().manual_seed(0)

    def ratios(chosen: Tensor) -> list[float]:
        ours, theirs = figures(found, real, chosen), figures(reference, real, chosen)
        # a share of 0, as that of few images may be, has nothing to compare with
        return [ours[name] / theirs[name] if theirs[name] else math.nan for name in ours]

    point = ratios(torch.arange(n))
    resampled = torch.tensor([ratios(torch.randint(n, (n,), generator=generator)) for _ in range(RESAMPLES)])
    low, high = resampled.quantile(torch.tensor([0.025, 0.975]), dim=0).tolist()
    return dict(zip([*found.right, "distance"], zip(point, low, high)))


def reached(ratios: dict[str, tuple[float, float, float]]) -> bool:
    """Whether no figure is more than 2 % worse than the reference's."""
    return all(ratio <= 1.02 if name == "distance" else ratio >= 0.98 for name, (ratio, *_) in ratios.items())


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--count", type=int, default=1000, help="samples of each, more than 64")
    parser.add_argument("--timesteps", type=int, nargs="+", default=[5, 7, 9, 11, 15, 21], help="calls of each solver")
    parser.add_argument("--interval", type=float, nargs=2, default=(0.2, 0.8), help="where to guide, shares of T")
    parser.add_argument("--only", help="samplers whose name contains this, beside the reference")
    parser.add_argument("--rounds", type=int, default=5, help="of timing; 0 for none")
    options = parser.parse_args(arguments)
    if options.count <= 64:
        parser.error(f"--count is {options.count}; wanted more than 64, to compare covariances")
    case = CASES[options.case](options.count)
    print(f"{options.count} samples each, guidance {case.gamma:g}, {torch.get_num_threads()} threads\n")
    wanted = [
        sampler
        for sampler in samplers(case.denoiser.schedule.T, options.timesteps, options.interval)
        if str(sampler) == REFERENCE or not options.only or options.only in str(sampler)
    ]
    reference, _ = judged(case, wanted[0])
    for name, value in figures(reference, case.real, torch.arange(options.count)).items():
        print(f"{REFERENCE}: {name} {value:.3f}")
    seconds = seconds_each(case, wanted, options.rounds)
    names = [*reference.right, "distance"]
    print(f"\n| sampler | calls | seconds | {' | '.join(names)} | within 2 % |")
    print("|---" * (len(names) + 4) + "|", flush=True)
    for sampler in wanted:
        found, calls = judged(case, sampler)
        ratios = compare(found, reference, case.real)
        cells = [f"{ratio:.3f} ({low:.3f}–{high:.3f})" for ratio, low, high in ratios.values()]
        verdict = "yes" if reached(ratios) else "no"
        print(
            f"| {sampler} | {calls:.1f} | {seconds.get(str(sampler), '')} | {' | '.join(cells)} | {verdict} |",
            flush=True,
        )
    if "IFPipeline" in seconds:
        print(f"\ndiffusers' IFPipeline, its own DDPM with 34 timesteps on the same weights: {seconds['IFPipeline']}")


def seconds_each(case: Case, wanted: list[Sampler], rounds: int) -> dict[str, str]:
    """The median seconds of one image by each sampler, and how many times as fast as the reference it is."""
    if rounds == 0:
        return {}
    cond = case.cond[:1]
    contestants = {str(s): (lambda s=s: s.paint(case, case.denoiser, cond, seed=0)) for s in wanted}
    if case.name == "mini-if":
        contestants["IFPipeline"] = pipeline(case, cond)
    for run in contestants.values():
        run()  # warms up
    seconds = time_in_turn(contestants, rounds)
    speedups = {
        name: statistics.median(first / each for first, each in zip(seconds[REFERENCE], own))
        for name, own in seconds.items()
    }
    return {name: f"{statistics.median(own):.3f} ({speedups[name]:.1f}×)" for name, own in seconds.items()}


def pipeline(case: Case, cond: Tensor) -> Callable[[], object]:
    """diffusers' own sampler on the same weights; ci/bench/sampling.py shows that its images are DDPM's."""
    logging.disable_progress_bar()
    theirs = IFPipeline.from_pretrained(BUNDLED["mini-if"])
    theirs.set_progress_bar_config(disable=True)
    return lambda: theirs(
        prompt_embeds=cond,
        negative_prompt_embeds=case.denoiser.unconditional(cond),
        timesteps=strided_timesteps(34),
        guidance_scale=case.gamma,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    )


if __name__ == "__main__":
    main()
