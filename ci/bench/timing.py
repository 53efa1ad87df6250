"""Timing several implementations in turn."""

import argparse
import time
from collections.abc import Callable

import torch


def parse_options(description: str) -> argparse.Namespace:
    """Parse the numbers of rounds and threads, and set the threads."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, torch.get_num_threads()))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options


def time_in_turn(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The seconds of each contestant in each round; every other round runs in reverse order."""
    seconds = {name: [] for name in contestants}
    for i in range(rounds):
        order = list(contestants) if i % 2 == 0 else list(reversed(contestants))
        for name in order:
            start = time.perf_counter()
            contestants[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds
