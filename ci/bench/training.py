"""The speed of Part B's training and sampling: `make bench`, or `python -m ci.bench.training`.

- Training: the kit's loop against the plain loop of the course's text (fp32, no channels_last), on the same network
  with the same batch size.
- Time to quality: how long each recipe trains until its digits are as good as the reference recipe's last ones. The
  number of images is known from stored trainings (data/models/digits/quality.json); the speed is measured here.
- The quick recipe, by which notebooks 2.2 to 2.5 train: how long it takes, and how good its digits are.
- Sampling all ten digits with guidance, against a plain loop.
- Two processes under `accelerate launch`, one core each, against one with both cores; their losses must agree.

The contestants of a comparison run in turn, round after round. A ratio is the median of the rounds' ratios.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice

import torch
from torch import nn
from torch.utils.data import DataLoader

from ci.bench.timing import parse_options, time_in_turn
from helpers.data import mnist
from helpers.denoisers import guided
from helpers.digits import DigitDenoiser
from helpers.recipes import class_conditional, faster_class_conditional, quick_class_conditional
from helpers.results import RESULTS, load_result
from helpers.sampling import final, sample
from helpers.schedule import NoiseSchedule, strided_timesteps
from helpers.training import loss_history, train
from helpers.unet import one_hot

IMAGES = 1280  # of each measurement
GAMMA = 5.0


def main() -> None:
    options = parse_options(__doc__)
    print(f"{options.threads} threads, medians of {options.rounds} rounds, torch {torch.__version__}\n")
    speeds = training_speed(options.rounds)
    time_to_quality(speeds)
    quick_quality(speeds["quick"])
    drawing_speed(options.rounds)
    two_processes(options.threads)


# ---- training -----------------------------------------------------------------------------------------------------


def training_speed(rounds: int) -> dict[str, float]:
    """Print images per second; return those of each recipe."""
    reference = class_conditional
    recipes = {
        "reference": reference,
        "faster": faster_class_conditional,
        "quick": quick_class_conditional,
    }
    trainings = {name: train(recipe.new_network(), recipe, mnist()) for name, recipe in recipes.items()}
    trainings["course loop"] = course_training(reference.new_network(), reference.batch_size)
    sizes = {name: recipe.batch_size for name, recipe in recipes.items()} | {"course loop": reference.batch_size}

    def go_on(name):
        return lambda: list(islice(trainings[name], IMAGES // sizes[name]))

    contestants = {name: go_on(name) for name in trainings}
    for go in contestants.values():
        go()  # warms up
    seconds = time_in_turn(contestants, rounds)
    speeds = {name: IMAGES / statistics.median(times) for name, times in seconds.items()}
    ratios = [plain / kit for plain, kit in zip(seconds["course loop"], seconds["reference"])]
    print(f"## Training the class-conditional network, D = {reference.hidden}, batches of {reference.batch_size}\n")
    print("| course loop, fp32 | kit | kit is faster by | rounds' range |")
    print("|---|---|---|---|")
    print(
        f"| {speeds['course loop']:.0f} images/s | {speeds['reference']:.0f} images/s "
        f"| **{statistics.median(ratios):.2f}×** | {min(ratios):.2f}–{max(ratios):.2f}× |\n"
    )
    return speeds


def course_training(network: nn.Module, batch_size: int):
    """Section 2.4 of the course, written as it is explained; yields after every step."""
    T = 300
    abar = NoiseSchedule.linear(T).alphas_cumprod
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    while True:
        for x0, labels in DataLoader(mnist(), batch_size=batch_size, shuffle=True):
            t = torch.randint(0, T, (len(x0),))
            eps = torch.randn_like(x0)
            abar_t = abar[t].view(-1, 1, 1, 1)
            x_t = abar_t.sqrt() * x0 + (1 - abar_t).sqrt() * eps
            c = nn.functional.one_hot(labels, 10).float()
            c = c * (torch.rand(len(x0), 1) >= 0.1)
            loss = nn.functional.mse_loss(network(x_t, t[:, None] / T, c), eps)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()


def time_to_quality(speeds: dict[str, float]) -> None:
    """Print how long each recipe trains for the reference's first and last quality."""
    judged = [j for j in judgements() if (j["sampler"], j["steps"], j["gamma"]) == ("ddpm", 50, 1)]
    judged.sort(key=lambda j: j["epoch"])
    runs = {name: [j for j in judged if j["recipe"] == name] for name in ("reference", "faster", "quick")}
    print("## Time to quality: images from stored trainings, at the speeds above\n")
    print("| as good as | recipe | images | training | share of the reference's | accuracy | Fréchet distance |")
    print("|---|---|---|---|---|---|---|")
    for goal in (runs["reference"][0], runs["reference"][-1]):
        first = None
        for name, run in runs.items():
            reached = [j for j in run if j["accuracy"] >= goal["accuracy"] and j["distance"] <= goal["distance"]]
            what = f"| the reference after epoch {goal['epoch']} | {name} "
            if not reached:
                print(f"{what}| not reached | | | | |")
                continue
            j = min(reached, key=lambda j: j["images"])
            seconds = j["images"] / speeds[name]
            first = first or seconds
            print(
                f"{what}| {j['images']:,} | {seconds / 60:.1f} min | {seconds / first:.0%} "
                f"| {j['accuracy']:.1%} | {j['distance']:.1f} |"
            )
    print()


def quick_quality(speed: float) -> None:
    """Print how long the quick recipe trains, at so many images per second, and what was judged of its samples."""
    print("## The quick recipe, after its last epoch\n")
    print("| network | images | training | sampler | γ | accuracy, or share confident | Fréchet distance |")
    print("|---|---|---|---|---|---|---|")
    for j in judgements():
        if j["recipe"] in ("quick", "time-quick") and j["epoch"] == quick_class_conditional.epochs:
            network = "class-conditional" if j["recipe"] == "quick" else "time-conditional"
            share = j["accuracy"] if j["recipe"] == "quick" else j["confident"]
            print(
                f"| {network} | {j['images']:,} | {j['images'] / speed:.0f} s "
                f"| {j['sampler'].upper()}, {j['steps']} steps | {j['gamma']:g} | {share:.1%} | {j['distance']:.1f} |"
            )
    print()


def judgements() -> list[dict]:
    """All that `python -m making.digits judge` has stored."""
    return json.loads((RESULTS / "quality.json").read_text())


# ---- drawing ------------------------------------------------------------------------------------------------------


def drawing_speed(rounds: int) -> None:
    """Print the time for all ten digits, with guidance, in 300 steps."""
    network = load_result("class-conditional").network
    denoiser = DigitDenoiser(network, class_conditional.task.schedule)
    c = one_hot(list(range(10)))
    T = denoiser.schedule.T

    def kit():
        steps = sample(guided(denoiser, GAMMA), c, timesteps=strided_timesteps(T, T), batch_size=10, generator=seeded())
        return final(steps, progress=False)

    contestants = {"course loop": lambda: course_drawing(network, c), "kit": kit}
    images = {name: draw() for name, draw in contestants.items()}
    difference = (images["kit"] - images["course loop"]).abs().mean().item()
    assert difference < 0.05, f"the two differ by {difference:.2g} on average: they do not sample the same digits"
    seconds = time_in_turn(contestants, rounds)
    ratios = [plain / ours for plain, ours in zip(seconds["course loop"], seconds["kit"])]
    print(f"## All ten digits at once, guidance {GAMMA:g}, 300 steps, D = {network.hidden}\n")
    print("| course loop, fp32 | kit | kit is faster by | rounds' range | mean difference of pixels |")
    print("|---|---|---|---|---|")
    print(
        f"| {statistics.median(seconds['course loop']):.1f} s | {statistics.median(seconds['kit']):.1f} s "
        f"| **{statistics.median(ratios):.2f}×** | {min(ratios):.2f}–{max(ratios):.2f}× | {difference:.4f} |\n"
    )


@torch.no_grad()
def course_drawing(network: nn.Module, c: torch.Tensor) -> torch.Tensor:
    """Section 2.5 of the course, written as it is explained: two calls of the network in each step."""
    schedule = NoiseSchedule.linear(300)
    betas, abar = schedule.betas, schedule.alphas_cumprod
    generator = seeded()
    x = torch.randn(len(c), 1, 28, 28, generator=generator)
    for t in range(299, -1, -1):
        t01 = torch.full((len(c), 1), t / 300)
        eps_u, eps_c = network(x, t01, torch.zeros_like(c)), network(x, t01, c)
        eps = eps_u + GAMMA * (eps_c - eps_u)
        x0 = (x - (1 - abar[t]).sqrt() * eps) / abar[t].sqrt()
        if t == 0:
            return x0
        alpha = 1 - betas[t]
        x = (abar[t - 1].sqrt() * betas[t] * x0 + alpha.sqrt() * (1 - abar[t - 1]) * x) / (1 - abar[t])
        x = x + betas[t].sqrt() * torch.randn(x.shape, generator=generator)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


# ---- two processes ------------------------------------------------------------------------------------------------


def two_processes(threads: int) -> None:
    """Print the time of the same training by one process and by two, start included, and compare their losses."""
    training = ["-m", "helpers.training", "class-conditional", "--epochs", "1", "--images", "5120", "--out"]
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    seconds, losses = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments, cores in (("one", [], threads), ("two", launch, max(threads // 2, 1))):
            environment = {**os.environ, "OMP_NUM_THREADS": str(cores), "ACCELERATE_USE_CPU": "true"}
            start = time.perf_counter()
            command = [sys.executable, *arguments, *training, f"{folder}/{name}"]
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            seconds[name] = time.perf_counter() - start
            losses[name] = loss_history(f"{folder}/{name}")
    difference = ((losses["one"] - losses["two"]).abs() / losses["one"]).max().item()
    assert difference < 0.05, f"the losses differ by up to {difference:.1%}: the two trainings are not the same"
    print("## Two processes with one core each, against one with both, on equal batches\n")
    print("| one process | two | two are faster by | largest difference of a step's loss |")
    print("|---|---|---|---|")
    print(
        f"| {seconds['one']:.0f} s | {seconds['two']:.0f} s | **{seconds['one'] / seconds['two']:.2f}×** "
        f"| {difference:.1%} |"
    )


if __name__ == "__main__":
    main()
