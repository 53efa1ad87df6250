"""The course's time and memory on a student's computer, and an estimate for DeepFloyd IF on a GPU: `make costs`.

    python -m ci.bench.costs                             both tables of docs/measurements.md
    python -m ci.bench.costs --notebooks "a1_4 a1_8"     of some notebooks

The first table is measured: each notebook in its own process, one after the other. The second is an estimate; nothing
was run on a GPU. Part A's notebooks run on a tiny DeepFloyd IF (ci/tiny_if.py) and record each call of its networks and
its number of images. The operations of the real network's calls are counted on the meta device. The speed of a T4 is
taken from published measurements (SPEED), and no call takes less time than the shortest of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from ci.bench.memory_table import MODELS, architecture, files_of, networks_of
from ci.run_notebooks import NOTEBOOKS, ROOT, Outcome, execute
from helpers.prompts import course_prompts, remember

# iterations a second on a T4, each a call on a guided image: "torch 2.0, no compile" of diffusers' benchmark with
# IF-I-M and IF-II-M, https://github.com/huggingface/diffusers/blob/d6e432c38a30ae2760731adc2f3c265a81d794bb/docs/source/en/optimization/torch2.0.md
SPEED = {"IF-I-M": (4, 5.79), "IF-II-M": (1, 2.47)}  # guided images at a time, and iterations a second
SHORTEST = 1 / 17.42  # least seconds of a call: those of IF-I-M on one image
DOLLARS = (
    0.052  # a minute of GitHub's runner with a T4, https://docs.github.com/billing/reference/actions-runner-pricing
)

# run in a kernel before the first cell: each call of a network appends a line to $CALLS and computes nothing
NOTE_CALLS = """
import os
from types import SimpleNamespace

import torch
from diffusers import UNet2DConditionModel


def forward(unet, sample, *args, **kwargs):
    with open(os.environ["CALLS"], "a") as file:
        print(unet.config.in_channels, len(sample), file=file)
    return SimpleNamespace(sample=torch.cat([sample[:, :3], 0 * sample[:, :3]], dim=1))


UNet2DConditionModel.forward = forward
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--notebooks", default="", help="names such as 'a1_4 a1_8'; all by default")
    names = parser.parse_args().notebooks.split() or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    os.environ.update(COURSE_HEADLESS="1", TQDM_DISABLE="1")
    print_sizes()
    with tempfile.TemporaryDirectory() as folder:
        print("\n| notebook | time | memory |\n|---|---|---|", flush=True)
        seconds = most = 0
        for outcome, memory in measure(names, Path(folder)):
            seconds, most = seconds + outcome.seconds, max(most, memory)
            print(f"| {outcome.name} | {outcome.seconds:.0f} s | {memory / 1e9:.1f} GB |", flush=True)
        print(f"| all | {seconds / 60:.0f} min | {most / 1e9:.1f} GB |\n")

        print(f"| notebook | calls of stage I, II | {' | '.join(MODELS)} |\n|---|---|---|---|---|", flush=True)
        total = Counter()
        for name, calls in count_calls([name for name in names if name.startswith("a")], Path(folder)):
            print_row(name, calls)
            total += calls
        print_row("all", total)
        print(f"| price on a T4 | | {' | '.join(f'${DOLLARS * t4_seconds(total, m) / 60:.2f}' for m in MODELS)} |")


def print_sizes() -> None:
    """Print the sizes of a clone, of the environment that runs this, and of both with DeepFloyd IF."""
    here = sum((ROOT / file).stat().st_size for file in git("ls-files").splitlines())
    history = int(git("rev-list", "--objects", "--disk-usage", "HEAD"))
    environment = sum(f.stat().st_size for f in Path(sys.prefix).rglob("*") if f.is_file() and not f.is_symlink())
    print(f"Files: {here / 1e6:.0f} MB; history: {history / 1e6:.0f} MB; environment: {environment / 1e9:.1f} GB.")
    with_model = (f"{(here + history + environment + files_of(model)) / 1e9:.1f} GB ({model})" for model in MODELS)
    print(f"All of it with DeepFloyd IF, but without its text encoder: {', '.join(with_model)}.")


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


# ---- on this computer ---------------------------------------------------------------------------------------------


def measure(names: list[str], build: Path, parameters: dict | None = None) -> Iterator[tuple[Outcome, int]]:
    """Run notebooks, one after the other. Yields each outcome and its peak memory in bytes."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in names:
            outcome, memory = pool.submit(run_one, NOTEBOOKS / f"{name}.ipynb", build, parameters or {}).result()
            if outcome.error:
                sys.exit(f"{name}: {outcome.error}")
            yield outcome, memory


def run_one(notebook: Path, build: Path, parameters: dict) -> tuple[Outcome, int]:
    import resource  # here, since Windows does not have it

    outcome = execute(notebook, build, parameters)
    return outcome, 1024 * resource.getrusage(
        resource.RUSAGE_CHILDREN
    ).ru_maxrss  # the peak of the kernel, which has ended


# ---- on a T4 ------------------------------------------------------------------------------------------------------


def count_calls(names: list[str], folder: Path) -> Iterator[tuple[str, Counter]]:
    """How often each notebook calls the networks: {(stage, images in the call): number}."""
    from ci.tiny_if import WIDTH, save_tiny_if  # imported here, because transformers is slow to import

    model, calls, startup = folder / "model", folder / "calls", folder / "ipython" / "profile_default" / "startup"
    save_tiny_if(model, model / "stage_2")
    shutil.rmtree(model / "stage_2" / "text_encoder")
    remember(dict.fromkeys(course_prompts(), torch.zeros(77, WIDTH)), model)
    startup.mkdir(parents=True)
    (startup / "note_calls.py").write_text(NOTE_CALLS)
    os.environ.update(IPYTHONDIR=str(folder / "ipython"), CALLS=str(calls))
    for name in names:
        calls.write_text("")
        for _ in measure([name], folder, {"model": str(model)}):
            lines = (line.split() for line in calls.read_text().splitlines())
            yield name, Counter(("I" if channels == "3" else "II", int(images)) for channels, images in lines)


@cache
def operations(network: str) -> int:
    """Floating-point operations of a network's call on one image."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        unet = UNet2DConditionModel(**architecture(network)).eval()
        config = unet.config
        sample = torch.empty(1, config.in_channels, config.sample_size, config.sample_size)
        level = None if config.class_embed_type is None else torch.zeros(1)
        unet(sample, 0, encoder_hidden_states=torch.empty(1, 77, config.encoder_hid_dim), class_labels=level)
    return counter.get_total_flops()


def t4_seconds(calls: Counter, model: str) -> float:
    """Estimated seconds on a T4 for these calls of a model's networks."""
    seconds = 0.0
    for stage, network in zip(("I", "II"), networks_of(model)):
        measured = f"IF-{stage}-M"
        images, speed = SPEED[measured]
        operations_per_second = 2 * images * operations(measured) * speed
        own = operations(network)
        for (called, batch), number in calls.items():
            if called == stage:
                seconds += number * max(SHORTEST, batch * own / operations_per_second)
    return seconds


def print_row(name: str, calls: Counter) -> None:
    times = " | ".join(f"{t4_seconds(calls, model) / 60:.1f} min" for model in MODELS)
    numbers = ", ".join(str(sum(n for (stage, _), n in calls.items() if stage == which)) for which in ("I", "II"))
    print(f"| {name} | {numbers} | {times} |", flush=True)


if __name__ == "__main__":
    main()
