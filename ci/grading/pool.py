"""Grades submissions in several processes. One that ends while it grades a submission harms no other."""

import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

from .cells import find_written
from .cs180 import find_adapted
from .marks import Graded, Points, grade
from .sandbox import Limits, Sandbox
from .submissions import read

__all__ = ["grade_all", "grade_file"]

FINDERS = {"kit": find_written, "cs180": find_adapted}  # by whose signatures the solutions have
MEMORY = 6 * 2**30  # bytes of address space that a worker may use beyond what it has at its start


def grade_file(path: Path, points: Points, kind: str, limits: Limits, course: str = "kit") -> Graded:
    """Grade one submission."""
    with Sandbox(kind, limits) as sandbox:
        return grade(read(path), points, sandbox, FINDERS[course])


def work(orders, *arguments) -> None:
    """A worker: grades each submission whose path arrives, until None does. The arguments are those of grade_file."""
    import resource

    import torch

    torch.set_num_threads(1)
    if Path("/proc/self/statm").exists():
        space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (space, resource.getrlimit(resource.RLIMIT_AS)[1]))
    while (path := orders.recv()) is not None:
        orders.send(grade_file(path, *arguments).as_dict())


class Worker:
    """A process that grades, started anew after it has died."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.orders, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, *self.arguments), daemon=True)
        self.process.start()
        theirs.close()

    def grade(self, path: Path) -> Graded:
        try:
            self.orders.send(path)
            return Graded.from_dict(self.orders.recv())
        except (EOFError, OSError):
            self.process.join(5)
            self.start()
            sentence = "The process that graded it ended unexpectedly. Grade it alone, and read its notebooks."
            return Graded(path.stem if path.suffix else path.name, notes=[sentence])

    def stop(self) -> None:
        self.process.terminate()
        self.process.join(5)
        self.orders.close()


def grade_all(paths: list[Path], jobs: int, *arguments) -> Iterator[tuple[Path, Graded]]:
    """Grade submissions, `jobs` at a time, and yield each when it is done. The arguments are those of grade_file."""
    waiting: Queue = Queue()
    done: Queue = Queue()
    for path in paths:
        waiting.put(path)

    def serve() -> None:
        worker = None
        try:
            while not waiting.empty():
                path = waiting.get()
                worker = worker or Worker(*arguments)
                done.put((path, worker.grade(path)))
        except Exception as error:
            done.put(error)
        finally:
            if worker is not None:
                worker.stop()

    for _ in range(min(jobs, len(paths))):
        threading.Thread(target=serve, daemon=True).start()
    for _ in paths:
        result = done.get()
        if isinstance(result, Exception):
            raise result
        yield result
