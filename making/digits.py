"""The digit models that ship with the kit, from training runs in runs/: their samples and their quality.

    python -m making.digits reader                                    train the classifier, in two minutes
    python -m making.digits ship class-conditional runs/reference     copy weights, losses and samples to data/
    python -m making.digits judge reference runs/reference            evaluate each epoch, into data/
    python -m making.digits table                                     print all evaluations

The training is `python -m helpers.training class-conditional --out runs/reference`. Evaluating an epoch takes two to
four minutes on two cores; epochs that have been evaluated are skipped. Samples without a class are evaluated by the
share of which the classifier is sure.
"""

import argparse
import json
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm import tqdm

from helpers.checkpoints import RESUME, only_writer, read_tensors
from helpers.data import mnist
from helpers.denoisers import guided
from helpers.devices import bf16_autocast
from helpers.digits import DigitDenoiser, FlowDigitDenoiser, sample_flow, sample_flow_classes
from helpers.files import write_whole
from helpers.flow import euler_step
from helpers.metrics import DIGIT_READER, digit_quality, reading, real_quality, share_confident
from helpers.recipes import RECIPES
from helpers.results import RESULTS, Result, load_unet, save_result, save_unet
from helpers.sampling import ddim_step, ddpm_step
from helpers.schedule import NoiseSchedule
from helpers.tasks import add_noise
from helpers.training import loss_history, train
from helpers.unet import ClassConditionalUNet, one_hot
from making.sampling import paint

QUALITY = RESULTS / "quality.json"
COUNT = 2000  # digits of each evaluation
COURSE_EPOCHS = (1, 5, 10, 15, 20)
BATCH = 100
SAMPLERS = {"ddpm": ddpm_step, "ddim": ddim_step, "euler": euler_step}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("reader")
    ship_parser = commands.add_parser("ship")
    ship_parser.add_argument("name", choices=SHOWN)
    ship_parser.add_argument("run", type=Path)
    judge_parser = commands.add_parser("judge")
    judge_parser.add_argument("name", help="a name for the recipe, such as reference or faster")
    judge_parser.add_argument("run", type=Path)
    judge_parser.add_argument("--gamma", type=float, default=1.0)
    judge_parser.add_argument("--steps", type=int, default=50, help="the course takes 300")
    judge_parser.add_argument("--sampler", choices=SAMPLERS, default="ddpm")
    judge_parser.add_argument("--last", action="store_true", help="only the last epoch")
    commands.add_parser("table")
    args = vars(parser.parse_args(arguments))
    {"reader": make_reader, "ship": ship, "judge": judge, "table": table}[args.pop("command")](**args)


def make_reader() -> None:
    """Train the classifier, on real digits only."""
    network = reading.new_network()
    for progress in train(network, reading, mnist(), learn=reading_step):
        if progress.epoch_done:
            print(f"epoch {progress.epoch}: loss {progress.loss:.4f}", flush=True)
    save_unet(network.half(), DIGIT_READER)
    print(f"reads {real_quality(10_000).accuracy:.2%} of MNIST's test images correctly")


def reading_step(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, inputs: tuple[torch.Tensor], labels: torch.Tensor
) -> torch.Tensor:
    """As `training_step`, with the cross-entropy of the network's scores (B, 10) for the labels (B,)."""
    network.train()
    with bf16_autocast(labels.device):
        scores = network(*inputs)
    loss = F.cross_entropy(scores.float(), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def checkpoints(run: Path) -> dict[int, Path]:
    """A run's weights, by epoch."""
    return {int(file.stem.removeprefix("epoch-")): file for file in sorted(run.glob("epoch-*.safetensors"))}


def shown_epochs(files: dict[int, Path]) -> list[int]:
    """The course's epochs, as far as the run has them, and the last one; all epochs of a shorter run."""
    return sorted(files) if max(files) <= 5 else sorted({max(files), *COURSE_EPOCHS} & set(files))


# ---- what ships ---------------------------------------------------------------------------------------------------


def ship(name: str, run: Path) -> None:
    """Copy a run's last weights, its losses, and samples after the course's epochs."""
    files = checkpoints(run)
    losses, last = loss_history(run), max(files)
    recipe = describe(name, run)
    samples = {}
    for epoch in shown_epochs(files):
        network = load_unet(files[epoch])
        samples[epoch] = SHOWN[name](network)
        print(f"{name}: sampled after epoch {epoch}", flush=True)
    save_result(Result(network, recipe, losses, len(losses) // last, samples), name)


def describe(name: str, run: Path) -> str:
    """A run's recipe, in words."""
    _, identity = read_tensors(run / RESUME)
    for suffix, kind in (("", "the course's"), ("-faster", "the faster"), ("-quick", "the quick")):
        recipe = RECIPES.get(name + suffix)
        if identity["recipe"] == repr(recipe):
            images = int(identity["data"].split()[0])
            part = "" if images == 60_000 else f" of {images:,} images"
            return f"{kind} recipe: D = {recipe.hidden}, {recipe.epochs} epochs{part}"
    raise SystemExit(f"{run} followed {identity['recipe']}; wanted one of the recipes for {name}.")


@torch.no_grad()
def denoised(network: torch.nn.Module) -> torch.Tensor:
    """The first ten test digits, noised with sigma 0.5 and denoised in one step: (10, 1, 28, 28)."""
    x0, _ = mnist(train=False)[:10]
    return network(add_noise(x0, 0.5, generator=torch.Generator().manual_seed(0)))


def unconditional_digits(network: torch.nn.Module) -> torch.Tensor:
    """Forty random digits: (40, 1, 28, 28)."""
    return paint(DigitDenoiser(network, RECIPES["time-conditional"].task.schedule), (), 40, steps=300)


def guided_digits(network: torch.nn.Module) -> torch.Tensor:
    """Four samples of every digit with guidance 5, row by row: (40, 1, 28, 28)."""
    denoiser = guided(DigitDenoiser(network, RECIPES["class-conditional"].task.schedule), 5.0)
    return paint(denoiser, one_hot(torch.arange(10).repeat(4)), 40, steps=300)


def flow_digits(network: torch.nn.Module) -> torch.Tensor:
    """Forty digits by the flow's 50 Euler steps, as the course's notebook takes them: (40, 1, 28, 28)."""
    return sample_flow(network, 40, 50, generator=torch.Generator().manual_seed(0))


def guided_flow_digits(network: torch.nn.Module) -> torch.Tensor:
    """Every digit four times by 300 Euler steps of the flow, with guidance 5, row by row: (40, 1, 28, 28)."""
    classes, generator = one_hot(torch.arange(10).repeat(4)), torch.Generator().manual_seed(0)
    return sample_flow_classes(network, classes, 5.0, 300, generator=generator)


SHOWN = {
    "one-step": denoised,
    "time-conditional": unconditional_digits,
    "class-conditional": guided_digits,
    "flow-time": flow_digits,
    "flow-class": guided_flow_digits,
}


# ---- how good it is -----------------------------------------------------------------------------------------------


def judge(name: str, run: Path, gamma: float, steps: int, sampler: str, last: bool) -> None:
    """The quality of 2,000 digits from each of the course's epochs, in data/models/digits/quality.json."""
    files = checkpoints(run)
    _, identity = read_tensors(run / RESUME)
    batch_size = int(re.search(r"batch_size=(\d+)", identity["recipe"]).group(1))
    images_each = int(identity["data"].split()[0]) // batch_size * batch_size
    labels = torch.randint(10, (COUNT,), generator=torch.Generator().manual_seed(1))
    step = SAMPLERS[sampler]
    for epoch in [max(files)] if last else shown_epochs(files):
        key = {"recipe": name, "epoch": epoch, "sampler": sampler, "steps": steps, "gamma": gamma}
        if any(key.items() <= judgement.items() for judgement in read_judgements()):
            continue
        network = load_unet(files[epoch])
        asked = isinstance(network, ClassConditionalUNet)
        denoiser = denoiser_of(identity["recipe"], network, steps)
        denoiser = denoiser if gamma == 1 else guided(denoiser, gamma)
        images = []
        for seed, batch in enumerate(tqdm(labels.split(BATCH), desc=f"{name}, epoch {epoch}")):
            options = {"steps": steps, "step": step, "generator": torch.Generator().manual_seed(seed)}
            images.append(paint(denoiser, one_hot(batch) if asked else (), len(batch), **options))
        accuracy, distance = digit_quality(torch.cat(images), labels)
        judged = {"accuracy": accuracy} if asked else {"confident": share_confident(torch.cat(images))}
        judgement = {**key, "images": epoch * images_each, **judged, "distance": round(distance, 2)}
        with only_writer(QUALITY.parent):
            lines = [
                f"  {json.dumps(each)}" for each in [*read_judgements(), judgement]
            ]  # another process may have added some
            write_whole(("[\n" + ",\n".join(lines) + "\n]\n").encode(), QUALITY)
        print(judgement, flush=True)


def denoiser_of(recipe: str, network: torch.nn.Module, steps: int) -> DigitDenoiser:
    """A class-conditional network as a Denoiser, for so many steps; a recipe for flow matching gives a velocity."""
    if "FlowClass(" in recipe:
        return FlowDigitDenoiser(network, NoiseSchedule.flow(steps))
    return DigitDenoiser(network, RECIPES["class-conditional"].task.schedule)


def read_judgements() -> list[dict]:
    """All evaluations so far."""
    return json.loads(QUALITY.read_text()) if QUALITY.exists() else []


def table() -> None:
    """Print all evaluations, and the quality of real digits."""
    print("| recipe | epoch | images seen | sampler | γ | accuracy | confident | Fréchet distance |")
    print("|---|---|---|---|---|---|---|---|")
    for j in sorted(read_judgements(), key=lambda j: [j[k] for k in ("gamma", "sampler", "steps", "recipe", "epoch")]):
        sampler = f"{j['sampler'].upper()}, {j['steps']} steps"
        accuracy, confident = (f"{j[name]:.1%}" if name in j else "" for name in ("accuracy", "confident"))
        print(
            f"| {j['recipe']} | {j['epoch']} | {j['images']:,} | {sampler} | {j['gamma']:g} "
            f"| {accuracy} | {confident} | {j['distance']:.1f} |"
        )
    real = real_quality(COUNT)
    print(f"| real digits (MNIST's test set) | | | | | {real.accuracy:.1%} | | {real.distance:.1f} |")


if __name__ == "__main__":
    main()
