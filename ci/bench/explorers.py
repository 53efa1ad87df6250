"""The response times of the explorers: seconds to the first and to the last image, at the controls' first values.

Each notebook's cells run here one after the other, with `play` replaced by a timer. "CPU" is the computing time of one
thread. On an idle computer with OMP_NUM_THREADS=1, it equals the elapsed time.

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
    """Replaces `play`: draws once, and records the time of each image."""
    wall, cpu, images = time.perf_counter(), time.thread_time(), []
    for stage in widgets.stages(draw, widgets.values_of(controls)):
        if isinstance(stage, widgets.Graphic):
            images.append((time.perf_counter() - wall, time.thread_time() - cpu))
    found.append((draw.__name__, images[0], images[-1]))


def run(notebook: Path) -> None:
    """Run every cell but the one for Colab and Kaggle."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):  # the cells' own output is not needed
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
print("notebook  explorer       first image: CPU  passed    last image: CPU  passed")
for name in chosen:
    found = []
    run(NOTEBOOKS / f"{name}.ipynb")
    for explorer, first, last in found:
        seconds = "".join(f"{cpu:16.2f} s {wall:6.2f} s" for wall, cpu in (first, last))
        print(f"{name:8s}  {explorer:14s}{seconds}", flush=True)
