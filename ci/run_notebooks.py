"""Execute the notebooks with papermill and collect their images: `make course`.

Each notebook runs in a fresh kernel and is written to build/: on GPUs, one at a time on each of them; on a CPU, two at
a time if there are enough cores for both (helpers/devices.py), else one. If a notebook fails, its cell and error are
printed, and the others still run. build/index.html shows the images of all of them. The results of an earlier run in
build/ are removed first.

    python -m ci.run_notebooks                              all of them
    python -m ci.run_notebooks --notebooks "a1_4 a1_8"      some
    python -m ci.run_notebooks --model path --parameters "seed=3 steps=20"
    python -m ci.run_notebooks --timeout 0                  no time limit for a cell
    python -m ci.run_notebooks --save                       write the outputs back into notebooks/, to be committed
"""

import argparse
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import nbformat
import papermill
import yaml
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from ci.site.gallery import write_gallery

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS, BUILD = ROOT / "notebooks", ROOT / "build"
MAX_BYTES = 500_000  # of a committed notebook
TIMEOUT = 3600  # seconds for a cell


class Outcome(NamedTuple):
    """The outcome of one notebook."""

    name: str
    seconds: float
    error: str | None  # the error and its cell, if it failed


def main() -> int:
    args = parse_arguments()
    # there is no user to move a slider or watch a progress bar; idle threads sleep, as in the Makefile
    os.environ.update(COURSE_HEADLESS="1", TQDM_DISABLE="1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    clear(BUILD)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as after Ctrl-C, the kernels end

    started, outcomes, devices, at_once = time.time(), [], gpus(), notebooks_at_once()
    total = len(args.notebooks)
    places = f"on GPU {', '.join(devices)}" if devices else "two at a time" if at_once == 2 else "one after the other"
    print(f"Running {total} notebook{'s' * (total > 1)}, {places}. Each is named when it is done.", flush=True)
    notebooks = [NOTEBOOKS / f"{name}.ipynb" for name in args.notebooks]
    try:
        for outcome in run_all(notebooks, BUILD, args.parameters, devices, at_once, args.timeout):
            outcomes.append(outcome)
            progress = f"[{len(outcomes):2d}/{total}] {outcome.name:6s} {outcome.seconds:5.1f} s"
            print(f"{progress}  {outcome.error or 'ok'}", flush=True)
            if args.save and not outcome.error:
                save(outcome.name)
    except (KeyboardInterrupt, SystemExit) as stop:
        print(f"Stopped: {len(outcomes)} of {total} notebooks are done, and are in {os.path.relpath(BUILD, ROOT)}/.")
        return stop.code if isinstance(stop, SystemExit) else 128 + signal.SIGINT
    failed = [outcome.name for outcome in outcomes if outcome.error]
    write_gallery(BUILD, args.notebooks, failed)
    print(summary(outcomes, time.time() - started), end=" ")
    print(f"Their images: {os.path.relpath(BUILD / 'index.html', ROOT)}")
    return 1 if failed else 0


def clear(build: Path) -> None:
    """Remove the notebooks and the gallery of an earlier run."""
    build.mkdir(exist_ok=True)
    for file in (*build.glob("*.ipynb"), build / "index.html"):
        file.unlink(missing_ok=True)


def summary(outcomes: list[Outcome], seconds: float) -> str:
    """How many notebooks ran, which failed, and how long each took."""
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
    parser.add_argument("--timeout", type=int, default=TIMEOUT, help="seconds for a cell (an hour); 0: no limit")
    parser.add_argument("--save", action="store_true", help="write the outputs back into notebooks/")
    args = parser.parse_args()
    try:
        args.notebooks = choose_notebooks(args.notebooks)
    except ValueError as error:
        parser.error(f"--notebooks {error}")
    try:
        args.parameters = read_parameters(args.parameters)
        check_known(args.parameters, [NOTEBOOKS / f"{name}.ipynb" for name in args.notebooks])
    except ValueError as error:
        parser.error(f"--parameters {error}")
    if args.timeout < 0:
        parser.error(f"--timeout is {args.timeout}; wanted seconds, or 0 for no limit")
    if args.model:
        # the path is relative to this folder, but the notebooks run in theirs
        folder = Path(args.model)
        args.parameters["model"] = str(folder.resolve()) if folder.is_dir() else args.model
    if args.save and args.parameters:
        parser.error("--save writes the committed notebooks, so it allows no other parameters than theirs")
    return args


def choose_notebooks(text: str) -> list[str]:
    """The names in a text such as 'a1_4 a1_8' or 'a1_4, a1_8.ipynb'; of all notebooks if it is empty.

    Raises a ValueError for an unknown name, and for a text without a name.
    """
    there = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    if not text.strip():
        return there
    names = list(dict.fromkeys(name.removesuffix(".ipynb") for name in text.replace(",", " ").split()))
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        raise ValueError(f"has {', '.join(unknown) or 'no name'}; wanted some of {', '.join(there)}")
    return names


def read_parameters(text: str) -> dict:
    """Parameters for the notebooks, from 'seed=3 steps=20'. Raises a ValueError for anything else."""
    parameters = {}
    for pair in text.split():
        name, _, value = pair.partition("=")
        if not name or not value:
            raise ValueError(f"has {pair!r}; wanted name=value")
        try:
            parameters[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(f"has {pair!r}, whose value is not valid YAML; wanted name=value, as seed=3") from error
    return parameters


def check_known(parameters: dict, notebooks: list[Path]) -> None:
    """Raise a ValueError for a parameter that none of the notebooks has."""
    if not parameters:
        return
    known = set()
    for notebook in notebooks:
        with suppress(Exception):  # an unreadable one is reported when it is run
            known |= papermill.inspect_notebook(str(notebook)).keys()
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise ValueError(f"has {', '.join(unknown)}; these notebooks have {', '.join(sorted(known)) or 'none'}")


def gpus() -> list[str]:
    """The CUDA devices to run notebooks on, as CUDA_VISIBLE_DEVICES names them."""
    import torch  # imported here, because the workers need no torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (visible.split(",") if visible else [str(i) for i in range(count)])[:count]


def notebooks_at_once() -> int:
    """How many notebooks to run at a time on the CPU: two if there are enough cores for both, else one."""
    import torch

    from helpers.devices import cores  # which also limits the threads

    return 2 if cores() >= 2 * torch.get_num_threads() else 1


def run_all(
    notebooks: list[Path],
    build: Path,
    parameters: dict,
    devices: list[str],
    at_once: int = 1,
    timeout: int = TIMEOUT,
) -> Iterator[Outcome]:
    """Run notebooks into a folder, one at a time on each device, or several at once on the CPU. Yields each outcome."""
    context = multiprocessing.get_context("spawn")
    free = context.SimpleQueue()  # devices without a worker
    for device in devices:
        free.put(device)
    workers = len(devices) or at_once
    with ProcessPoolExecutor(workers, context, initializer=start_worker, initargs=(free, bool(devices))) as pool:
        futures = {pool.submit(execute, notebook, build, parameters, timeout): notebook for notebook in notebooks}
        try:
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenProcessPool as error:  # a worker was killed, which breaks the pool
                    yield Outcome(futures[future].stem, 0.0, f"FAILED: {error}")
        except BaseException:  # such as Ctrl-C: the kernels end with their workers, and no other notebook begins
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


def start_worker(free: multiprocessing.SimpleQueue, has_devices: bool) -> None:
    """Run once in each worker: the kernels that it starts will see only one device."""
    warnings.filterwarnings("ignore", category=UserWarning, module="papermill")
    if has_devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = free.get()


def execute(notebook: Path, build: Path, parameters: dict, timeout: int = TIMEOUT) -> Outcome:
    """Run one notebook in a fresh kernel, and write it to the build folder, even if it fails. `timeout` is per cell."""
    start, error, output = time.time(), None, build / notebook.name
    try:
        executed = papermill.execute_notebook(
            notebook,
            output,
            parameters=parameters,
            kernel_name="python3",
            cwd=notebook.parent,
            progress_bar=False,
            execution_timeout=timeout or None,
            store_widget_state=False,  # a reader cannot use the controls, and GitHub's viewer fails on them
            # the kernel's own log: irrelevant warnings, and a KeyboardInterrupt when it ends
            extra_arguments=["--IPKernelApp.log_level=50"],
        )
        error = exit_in(executed)
    except papermill.PapermillExecutionError as failure:
        error = f"FAILED in cell {failure.cell_index} [{failure.exec_count}]: {failure.ename}: {failure.evalue}"
    except CellTimeoutError:
        error = f"FAILED in {last_cell(output)}: it took longer than {timeout} s (--timeout, or make's TIMEOUT)"
    except DeadKernelError:
        error = f"FAILED in {last_cell(output)}: the kernel died"
    except Exception as failure:  # the kernel did not start, or the file is no notebook
        error = f"FAILED: {type(failure).__name__}: {failure}"
    return Outcome(notebook.stem, time.time() - start, error)


def exit_in(notebook) -> str | None:
    """The error of a cell that called sys.exit(), if there is one. (Papermill skips the cells below it silently.)"""
    for index, cell in enumerate(notebook.cells):
        if any(output.get("ename") == "SystemExit" for output in cell.get("outputs", [])):
            return f"FAILED in cell {index} [{cell.execution_count}]: SystemExit: the cells below it did not run"
    return None


def last_cell(output: Path) -> str:
    """The cell at which the execution of a notebook ended, from papermill's notes in the file."""
    with suppress(Exception):  # the file may be missing or half written
        cells = nbformat.read(output, as_version=4).cells
        begun = [index for index, cell in enumerate(cells) if cell.metadata.papermill.start_time]
        return f"cell {begun[-1]}"
    return "an unknown cell"


def save(name: str) -> None:
    """Write an executed notebook back, without metadata that differ between runs."""
    notebook = nbformat.read(BUILD / f"{name}.ipynb", as_version=4)
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "caption", "jupyter") if cell.metadata.get(key)}
    path = NOTEBOOKS / f"{name}.ipynb"
    nbformat.write(notebook, path)
    if path.stat().st_size > MAX_BYTES:
        print(f"        {name} has {path.stat().st_size / 1000:.0f} kB; wanted at most {MAX_BYTES / 1000:.0f}")


if __name__ == "__main__":
    sys.exit(main())
