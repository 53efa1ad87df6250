"""Functions in processes of their own: for training that is killed, and for training by several."""

import multiprocessing
import os
import socket
from collections.abc import Callable

import torch

# processes are forked from a server that has imported the library once, and has no threads yet
server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["helpers.training"])


def start(target: Callable, *args) -> multiprocessing.Process:
    process = server.Process(target=target, args=args)
    process.start()
    return process


def launch_two(target: Callable, *args) -> None:
    """Run a function in two processes on the CPU, who know of each other what `accelerate launch` would tell them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [start(one_of_two, rank, port, target, *args) for rank in (0, 1)]
    for process in both:
        process.join()
        assert process.exitcode == 0


def one_of_two(rank: int, port: int, target: Callable, *args) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    torch.set_num_threads(1)
    target(*args)
    torch.distributed.destroy_process_group()
