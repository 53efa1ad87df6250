"""Execute the notebooks with papermill and collect their pictures: `make course`.

Each notebook runs in a fresh kernel and is written to build/: one after the other, or, on a computer with several
GPUs, one at a time on each of them. One that fails is named with its cell and error, and is not tried again; the others
still run. build/index.html shows the pictures of all of them.

    python -m ci.run_notebooks                              all of them
    python -m ci.run_notebooks --notebooks "a1_4 a1_8"      some
    python -m ci.run_notebooks --model path --parameters "seed=3 steps=20"
    python -m ci.run_notebooks --save                       write the outputs back into notebooks/, to be committed
"""

import argparse
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import nbformat
import papermill
import yaml

from ci.site.gallery import write_gallery

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS, BUILD = ROOT / "notebooks", ROOT / "build"
MAX_BYTES = 500_000  # of a committed notebook


class Outcome(NamedTuple):
    """Of one notebook."""

    name: str
    seconds: float
    error: str | None  # what failed, with its cell, if anything did


def main() -> int:
    args = parse_arguments()
    # nobody is there to move a slider or to watch a progress bar
    os.environ.update(COURSE_HEADLESS="1", TQDM_DISABLE="1")
    BUILD.mkdir(exist_ok=True)

    started, outcomes, devices = time.time(), [], gpus()
    total = len(args.notebooks)
    where = f"on GPU {', '.join(devices)}" if devices else "one after the other"
    print(f"Running {total} notebook{'s' * (total > 1)}, {where}. Each is named when it is done.", flush=True)
    for outcome in run_all([NOTEBOOKS / f"{name}.ipynb" for name in args.notebooks], BUILD, args.parameters, devices):
        outcomes.append(outcome)
        progress = f"[{len(outcomes):2d}/{total}] {outcome.name:6s} {outcome.seconds:5.1f} s"
        print(f"{progress}  {outcome.error or 'ok'}", flush=True)
        if args.save and not outcome.error:
            save(outcome.name)
    failed = [outcome.name for outcome in outcomes if outcome.error]
    write_gallery(BUILD, args.notebooks, failed)
    print(summary(outcomes, time.time() - started), end=" ")
    print(f"Their pictures: {(BUILD / 'index.html').relative_to(ROOT)}")
    return 1 if failed else 0


def summary(outcomes: list[Outcome], seconds: float) -> str:
    """How many notebooks ran, which did not, and how long each took."""
    failed = [outcome.name for outcome in outcomes if outcome.error]
    slowest_first = sorted(outcomes, key=lambda outcome: -outcome.seconds)
    times = ", ".join(f"{outcome.name} {outcome.seconds:.1f}" for outcome in slowest_first)
    ran = f"{len(outcomes) - len(failed)} of {len(outcomes)} notebooks ran, in {seconds:.0f} s."
    return f"Seconds, slowest first: {times}.\n{ran}" + (f" Failed: {', '.join(failed)}." if failed else "")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--notebooks", default="", help="names such as 'a1_4 a1_8'; all by default")
    parser.add_argument("--model", help="the parameter `model` of every notebook")
    parser.add_argument("--parameters", default="", help="other parameters, as 'seed=3 steps=20'")
    parser.add_argument("--save", action="store_true", help="write the outputs back into notebooks/")
    args = parser.parse_args()

    there = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    args.notebooks = [name.removesuffix(".ipynb") for name in args.notebooks.replace(",", " ").split()] or there
    unknown = [name for name in args.notebooks if name not in there]
    if unknown:
        parser.error(f"there is no notebook {', '.join(unknown)}; wanted some of {', '.join(there)}")

    try:
        args.parameters = read_parameters(args.parameters)
    except ValueError as error:
        parser.error(f"--parameters {error}")
    if args.model:
        # a folder is named from here, but the notebooks run in their own
        folder = Path(args.model)
        args.parameters["model"] = str(folder.resolve()) if folder.is_dir() else args.model
    if args.save and args.parameters:
        parser.error("--save writes what is committed, so it runs with the notebooks' own parameters")
    return args


def read_parameters(text: str) -> dict:
    """Parameters for the notebooks, from 'seed=3 steps=20'. Raises a ValueError for what is no name=value."""
    pairs = [pair.partition("=") for pair in text.split()]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        raise ValueError(f"has {wrong[0]!r}; wanted name=value")
    return {name: yaml.safe_load(value) for name, _, value in pairs}


def gpus() -> list[str]:
    """The CUDA devices to share the notebooks out over, by the names that CUDA_VISIBLE_DEVICES gives them."""
    import torch  # here, since the workers import this file and need no torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (visible.split(",") if visible else [str(i) for i in range(count)])[:count]


def run_all(notebooks: list[Path], build: Path, parameters: dict, devices: list[str]) -> Iterator[Outcome]:
    """Run notebooks into a folder, as many at a time as there are devices (without any, one); yields each when done."""
    context = multiprocessing.get_context("spawn")
    free = context.SimpleQueue()  # devices that no worker has taken
    for device in devices:
        free.put(device)
    workers = max(1, len(devices))
    with ProcessPoolExecutor(workers, context, initializer=start_worker, initargs=(free, bool(devices))) as pool:
        futures = {pool.submit(execute, notebook, build, parameters): notebook for notebook in notebooks}
        try:
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenProcessPool as error:  # a worker was killed, and the pool with it
                    yield Outcome(futures[future].stem, 0.0, f"FAILED: {error}")
        except BaseException:  # Ctrl-C, for one: the kernels end with their workers, and no other notebook begins
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


def start_worker(free: multiprocessing.SimpleQueue, has_devices: bool) -> None:
    """Once in each worker: the kernels that it starts will see one device, and no other."""
    warnings.filterwarnings("ignore", category=UserWarning, module="papermill")
    if has_devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = free.get()


def execute(notebook: Path, build: Path, parameters: dict) -> Outcome:
    """Run one notebook in a fresh kernel, and write it to the build folder."""
    start, error = time.time(), None
    try:
        papermill.execute_notebook(
            notebook,
            build / notebook.name,
            parameters=parameters,
            kernel_name="python3",
            cwd=notebook.parent,
            progress_bar=False,
            request_save_on_cell_execute=False,
            store_widget_state=False,  # controls that nobody can move, and that GitHub's viewer stumbles over
            extra_arguments=["--IPKernelApp.log_level=40"],  # errors only: a kernel warns of things no reader can help
        )
    except papermill.PapermillExecutionError as failure:
        error = f"FAILED in cell {failure.cell_index} [{failure.exec_count}]: {failure.ename}: {failure.evalue}"
    except Exception as failure:  # a kernel that died or never came up: say so, and go on with the others
        error = f"FAILED: {type(failure).__name__}: {failure}"
    return Outcome(notebook.stem, time.time() - start, error)


def save(name: str) -> None:
    """Write an executed notebook back, without what differs from run to run."""
    notebook = nbformat.read(BUILD / f"{name}.ipynb", as_version=4)
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "caption") if cell.metadata.get(key)}
    path = NOTEBOOKS / f"{name}.ipynb"
    nbformat.write(notebook, path)
    if path.stat().st_size > MAX_BYTES:
        print(f"        {name} has {path.stat().st_size / 1000:.0f} kB; wanted at most {MAX_BYTES / 1000:.0f}")


if __name__ == "__main__":
    sys.exit(main())
