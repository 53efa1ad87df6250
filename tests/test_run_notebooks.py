"""The runner behind `make course`, on notebooks of one cell."""

import time

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from ci.run_notebooks import Outcome, gpus, read_parameters, run_all, summary

MEET = """
import os, time
from pathlib import Path
mine = os.environ["CUDA_VISIBLE_DEVICES"]
Path(f"seen-{mine}").touch()
until = time.time() + 60
while len(list(Path(".").glob("seen-*"))) < 2 and time.time() < until:
    time.sleep(0.05)
print(mine, len(list(Path(".").glob("seen-*"))))
"""


@pytest.fixture
def notebook(tmp_path):
    """A function that writes a notebook of one cell, and gives its path."""
    (tmp_path / "build").mkdir()

    def write(name, source):
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), tmp_path / f"{name}.ipynb")
        return tmp_path / f"{name}.ipynb"

    return write


def printed(build, name):
    cell = nbformat.read(build / f"{name}.ipynb", as_version=4).cells[-1]
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_two_gpus_run_two_notebooks_at_a_time_and_each_kernel_sees_one(notebook, tmp_path):
    outcomes = list(run_all([notebook("a", MEET), notebook("b", MEET)], tmp_path / "build", {}, ["5", "GPU-c0ffee"]))
    assert [outcome.error for outcome in outcomes] == [None, None]
    shown = sorted(printed(tmp_path / "build", name).split() for name in "ab")
    assert shown == [["5", "2"], ["GPU-c0ffee", "2"]]  # each saw the other at work


def test_a_failure_is_named_with_its_cell_and_the_others_still_run_once(notebook, tmp_path):
    count = "with open('runs', 'a') as file: file.write('x')"
    sources = {"bad": f"{count}\n1 / 0", "dead": "import os\nos._exit(1)", "good": count}
    notebooks = [notebook(name, source) for name, source in sources.items()]
    outcomes = {outcome.name: outcome for outcome in run_all(notebooks, tmp_path / "build", {}, [])}
    assert outcomes["bad"].error == "FAILED in cell 0 [1]: ZeroDivisionError: division by zero"
    assert outcomes["dead"].error.startswith("FAILED: DeadKernelError")
    assert outcomes["good"].error is None
    assert all(outcome.seconds > 0 for outcome in outcomes.values())
    assert (tmp_path / "runs").read_text() == "xx"  # nothing is tried again


def test_a_killed_worker_is_reported_for_every_notebook_that_it_took_along(notebook, tmp_path):
    notebooks = [notebook("a", "import os\nos.kill(os.getppid(), 9)"), notebook("b", "1")]
    outcomes = list(run_all(notebooks, tmp_path / "build", {}, []))
    assert sorted(outcome.name for outcome in outcomes) == ["a", "b"]
    assert all("FAILED" in outcome.error and "terminated abruptly" in outcome.error for outcome in outcomes)


def test_stopping_ends_the_kernels_and_begins_no_other_notebook(notebook, tmp_path):
    slow = "from pathlib import Path\nPath('begun').touch()\nimport time\ntime.sleep(600)"
    outcomes = run_all([notebook("a", "1"), notebook("b", slow), notebook("c", slow)], tmp_path / "build", {}, [])
    assert next(outcomes).name == "a"
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        outcomes.throw(KeyboardInterrupt)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    "visible, count, wanted",
    [(None, 0, []), (None, 2, ["0", "1"]), ("3,1", 2, ["3", "1"]), ("", 0, []), ("0,9", 1, ["0"])],
)
def test_the_gpus_are_those_that_the_process_may_use(visible, count, wanted, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == wanted


def test_the_summary_gives_every_time_and_names_what_failed():
    text = summary([Outcome("a0", 3.21, None), Outcome("a1_1", 12.5, "FAILED: …")], 16.2)
    assert text == "Seconds, slowest first: a1_1 12.5, a0 3.2.\n1 of 2 notebooks ran, in 16 s. Failed: a1_1."


def test_parameters_are_read_as_yaml_and_what_is_none_is_said():
    wanted = {"seed": 3, "gamma": 2.5, "gammas": [0, 1], "prompt": "cat"}
    assert read_parameters("seed=3 gamma=2.5 gammas=[0,1] prompt=cat") == wanted
    assert read_parameters("") == {}
    with pytest.raises(ValueError, match="has 'twenty'; wanted name=value"):
        read_parameters("seed=3 twenty")
