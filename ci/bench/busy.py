"""The time of a guided step on an idle and on a busy computer, for several numbers of threads.

    python -m ci.bench.busy               five rounds, beside four busy processes
    python -m ci.bench.busy --rounds 9

Mini-IF's stage I, one 64×64 image, guidance 7, on the CPU. Each setting computes in its own process:

- one thread;
- PyTorch's own number of threads, one for each core, which spin while they wait for each other;
- the kit's rule (`helpers.devices.threads_for`), with threads that sleep while they wait.

The settings take turns, round after round. A ratio is the median of the rounds' own ratios. With the kit's rule, a step
should take at most twice the time of one thread on a busy computer, and at most 1.7 times that of PyTorch's own number
of threads on a quiet one. The exit status is 1 if it takes longer.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from helpers.devices import cores, threads_for

OURS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
ONE, OWN, RULE = "one thread", f"PyTorch's own, {cores()}", f"the kit's rule, {threads_for(cores())}"
SETTINGS = {
    ONE: {"OMP_NUM_THREADS": "1"},
    OWN: {"OMP_NUM_THREADS": str(cores())},
    RULE: {"OMP_WAIT_POLICY": "PASSIVE"},  # as the Makefile has it
}
BUSY_LIMIT, QUIET_LIMIT = 2.0, 1.7
WORKER = (
    "import torch; from ci.bench.busy import answer; answer()"  # torch first, since the library sets OMP_WAIT_POLICY
)


def answer() -> None:
    """Run in a setting's process: for each number of steps on standard input, print the seconds of a guided step."""
    import torch

    from helpers.denoisers import guided
    from helpers.models import load_model

    model = load_model("mini-if", device="cpu")
    denoiser, cond = guided(model.stage_1, 7.0), model.embed("a rocket ship")
    x_t = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    denoiser(x_t, 500, cond)  # warms up
    print("ready", flush=True)
    for steps in map(int, sys.stdin):
        start = time.perf_counter()
        for _ in range(steps):
            denoiser(x_t, 500, cond)
        print((time.perf_counter() - start) / steps, flush=True)


@contextmanager
def worker(setting: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A process that computes with a setting."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS} | setting
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n", "the worker ended; it says why above"
        yield process
    finally:
        process.kill()


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Run `count` processes, each of which keeps a core busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def seconds_per_step(process: subprocess.Popen, steps: int) -> float:
    process.stdin.write(f"{steps}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def in_turn(workers: dict[str, subprocess.Popen], rounds: int, steps: int) -> dict[str, list[float]]:
    """The seconds per guided step of each setting in each round."""
    times = {name: [] for name in workers}
    for _ in range(rounds):
        for name, process in workers.items():
            times[name].append(seconds_per_step(process, steps))
    return times


def ratio(times: dict[str, list[float]], ours: str, other: str) -> float:
    return statistics.median(mine / theirs for mine, theirs in zip(times[ours], times[other]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", type=int, default=4, help="busy processes")
    options = parser.parse_args()
    with ExitStack() as stack:
        workers = {name: stack.enter_context(worker(setting)) for name, setting in SETTINGS.items()}
        quiet = in_turn(workers, options.rounds, steps=10)
        with busy(options.busy):
            loaded = in_turn(workers, options.rounds, steps=3)

    print(f"A guided step in ms, median (most) of {options.rounds} rounds, {cores()} cores\n")
    print(f"| threads | quiet | beside {options.busy} busy processes |\n|---|---|---|")
    for name in SETTINGS:
        cells = [f"{1e3 * statistics.median(t[name]):.0f} ({1e3 * max(t[name]):.0f})" for t in (quiet, loaded)]
        print(f"| {name} | {' | '.join(cells)} |")
    on_busy, on_quiet = ratio(loaded, RULE, ONE), ratio(quiet, RULE, OWN)
    print(f"\nThe kit's rule on the busy computer: {on_busy:.2f}× one thread; wanted at most {BUSY_LIMIT:g}×.")
    print(f"On the quiet one: {on_quiet:.2f}× PyTorch's own; wanted at most {QUIET_LIMIT:g}×.")
    print(f"PyTorch's own on the busy computer: {ratio(loaded, OWN, ONE):.2f}× one thread.")
    return 0 if on_busy <= BUSY_LIMIT and on_quiet <= QUIET_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
