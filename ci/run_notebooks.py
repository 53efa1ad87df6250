"""Execute the notebooks with papermill and collect their pictures: `make course`.

Each notebook runs in a fresh kernel and is written to build/. One that fails is named with its cell and error, and the
others still run. build/index.html shows the pictures of all of them.

    python ci/run_notebooks.py                              all of them
    python ci/run_notebooks.py --notebooks "a1_4 a1_8"      some
    python ci/run_notebooks.py --model path --parameters "seed=3 steps=20"
    python ci/run_notebooks.py --save                       write the outputs back into notebooks/, to be committed
"""

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

import nbformat
import papermill
import yaml
from gallery import write_gallery

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS, BUILD = ROOT / "notebooks", ROOT / "build"
MAX_BYTES = 500_000  # of a committed notebook


def main() -> int:
    args = parse_arguments()
    # nobody is there to move a slider or to watch a progress bar
    os.environ.update(COURSE_HEADLESS="1", TQDM_DISABLE="1")
    warnings.filterwarnings("ignore", category=UserWarning, module="papermill")
    BUILD.mkdir(exist_ok=True)

    names, started, failed = args.notebooks, time.time(), []
    for i, name in enumerate(names, 1):
        print(f"[{i:2d}/{len(names)}] {name:6s} ", end="", flush=True)
        start = time.time()
        error = execute(name, args.parameters)
        print(f"{time.time() - start:5.1f} s  {error or 'ok'}", flush=True)
        if error:
            failed.append(name)
        elif args.save:
            save(name)
    write_gallery(BUILD, names, failed)
    print(f"{len(names) - len(failed)} of {len(names)} notebooks ran, in {time.time() - started:.0f} s.", end=" ")
    print(f"Their pictures: {(BUILD / 'index.html').relative_to(ROOT)}")
    return 1 if failed else 0


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

    pairs = [pair.partition("=") for pair in args.parameters.split()]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        parser.error(f"--parameters has {wrong[0]!r}; wanted name=value")
    args.parameters = {name: yaml.safe_load(value) for name, _, value in pairs}
    if args.model:
        # a folder is named from here, but the notebooks run in their own
        folder = Path(args.model)
        args.parameters["model"] = str(folder.resolve()) if folder.is_dir() else args.model
    if args.save and args.parameters:
        parser.error("--save writes what is committed, so it runs with the notebooks' own parameters")
    return args


def execute(name: str, parameters: dict) -> str | None:
    """Run one notebook into build/; says what failed, if anything did."""
    try:
        papermill.execute_notebook(
            NOTEBOOKS / f"{name}.ipynb",
            BUILD / f"{name}.ipynb",
            parameters=parameters,
            kernel_name="python3",
            cwd=NOTEBOOKS,
            progress_bar=False,
            request_save_on_cell_execute=False,
            extra_arguments=["--IPKernelApp.log_level=40"],  # errors only: a kernel warns of things no reader can help
        )
    except papermill.PapermillExecutionError as error:
        return f"FAILED in cell {error.cell_index} [{error.exec_count}]: {error.ename}: {error.evalue}"
    except Exception as error:  # a kernel that died or never came up: say so, and go on with the others
        return f"FAILED: {type(error).__name__}: {error}"
    return None


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
