"""How soon do the explorers answer? Seconds to the first picture and to the last, at the controls' first values.

Each notebook's cells run here one after the other, and `play` is replaced by a watch. "CPU" is the time that one thread
computed, whatever else the computer did meanwhile; on an idle one, and with OMP_NUM_THREADS=1, it is the time that
passed.

    python -m ci.bench.explorers                           every notebook: some minutes
    python -m ci.bench.explorers --notebooks "a1_6 a1_8"   some
"""

import argparse
import contextlib
import io
import os
import time
from pathlib import Path

import nbformat

from ci.hosted import ROOT

NOTEBOOKS = ROOT / "notebooks"


def watch(draw, **controls) -> None:
    """In the place of `play`: draw once, and note when each picture came."""
    wall, cpu, pictures = time.perf_counter(), time.thread_time(), []
    for stage in widgets.stages(draw, widgets.values_of(controls)):
        if isinstance(stage, widgets.Picture):
            pictures.append((time.perf_counter() - wall, time.thread_time() - cpu))
    found.append((draw.__name__, pictures[0], pictures[-1]))


def run(notebook: Path) -> None:
    """Every cell but the one for Colab and Kaggle."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):  # what they print is for their readers
        for cell in cells:
            if cell.id != "hosted":
                exec(compile(cell.source, f"{notebook.name}, {cell.id}", "exec"), names)


parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("--notebooks", default="", help="names such as 'a1_4 a1_8'; all by default")
chosen = parser.parse_args().notebooks.split() or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
os.environ.update(COURSE_HEADLESS="1", TQDM_DISABLE="1")
os.chdir(NOTEBOOKS)

from helpers import widgets  # noqa: E402  (what it imports reads the environment)

widgets.play = watch
print("notebook  explorer       first picture: CPU  passed    last picture: CPU  passed")
for name in chosen:
    found = []
    run(NOTEBOOKS / f"{name}.ipynb")
    for explorer, first, last in found:
        seconds = "".join(f"{cpu:16.2f} s {wall:6.2f} s" for wall, cpu in (first, last))
        print(f"{name:8s}  {explorer:14s}{seconds}", flush=True)
