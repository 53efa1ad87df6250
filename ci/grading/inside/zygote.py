"""The process that a sandbox starts. It imports PyTorch once, and then forks a process for each exercise.

It runs no student's code. Its orders come over a socket: b"spawn", with two file descriptors, for the messages and for
what is printed; b"end", which waits for the process to end, and b"kill"; both are answered with the signal that ended
it, or -1 if it ended without one.

    python -m inside.zygote --orders FD --own FOLDER --seconds 20 --gigabytes 2
"""

import argparse
import contextlib
import os
import signal
import socket
import sys
import time

import numpy  # noqa: F401 (imported once, for all)
import PIL.Image  # noqa: F401
import torch
import torchvision.transforms.functional  # noqa: F401
import tqdm.auto  # noqa: F401
from torch.utils.data import TensorDataset  # noqa: F401

from .codec import Channel, Closed, pack, unpack
from .library import Library
from .server import Server
from .walls import filter_system_calls, limit, watch

PATIENCE = 2.0  # seconds for a process to end that has closed its socket


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--own", required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--gigabytes", type=float, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.chdir(options.own)
    os.environ["TMPDIR"] = options.own
    orders = socket.socket(fileno=options.orders)
    orders.send(b"ready")
    child = None
    while True:
        order, fds, _, _ = socket.recv_fds(orders, 16, 2)
        if not order:
            return
        if order == b"spawn":
            child = os.fork()
            if child == 0:
                orders.close()
                work(*fds, options)
            for fd in fds:
                os.close(fd)
        else:
            if order == b"kill" and child is not None:
                os.kill(child, signal.SIGKILL)
            orders.send(str(-1 if child is None else end(child)).encode())
            child = None


def end(child: int) -> int:
    """The signal that has ended a process, or -1; it is killed if it goes on."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def work(messages: int, output: int, options: argparse.Namespace) -> None:
    """The process of one exercise; it does not return."""
    channel = Channel(messages)

    def forbid(sentence: str) -> None:
        with contextlib.suppress(Exception):
            channel.send(pack([0, "forbidden", sentence]))
        os._exit(3)

    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        limit(options.seconds, options.gigabytes)
        filter_system_calls()
        Library(unpack(channel.receive()), forbid).install()
        watch(forbid, os.path.realpath(options.own))
        Server(channel, options.gigabytes).run()
    except Closed:
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    main()
