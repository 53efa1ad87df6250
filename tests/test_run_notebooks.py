"""The runner behind `make course`, on notebooks of one cell."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ci import run_notebooks
from ci.run_notebooks import (
    NOTEBOOKS,
    ROOT,
    Outcome,
    check_known,
    choose_notebooks,
    clear,
    execute,
    gpus,
    notebooks_at_once,
    read_parameters,
    run_all,
    summary,
)
from ci.site.gallery import write_gallery
from helpers import devices

# the command, on other folders than the kit's
COMMAND = """
import sys
from pathlib import Path
from ci import run_notebooks
folder = Path(sys.argv.pop(1))
run_notebooks.ROOT, run_notebooks.NOTEBOOKS, run_notebooks.BUILD = folder, folder, folder / "build"
sys.exit(run_notebooks.main())
"""
MEET = """
import os, time
from pathlib import Path
mine = os.environ.get("CUDA_VISIBLE_DEVICES", os.getpid())
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


def test_two_notebooks_at_a_time_also_run_without_a_gpu(notebook, tmp_path):
    outcomes = list(run_all([notebook("a", MEET), notebook("b", MEET)], tmp_path / "build", {}, [], at_once=2))
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert [printed(tmp_path / "build", name).split()[1] for name in "ab"] == ["2", "2"]


@pytest.mark.parametrize("cores, threads, wanted", [(1, 1, 1), (2, 1, 2), (2, 2, 1), (8, 4, 2), (64, 4, 2)])
def test_two_at_a_time_want_cores_for_the_threads_of_both(cores, threads, wanted, monkeypatch):
    monkeypatch.setattr(devices, "cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert notebooks_at_once() == wanted


def test_a_failure_is_named_with_its_cell_and_the_others_still_run_once(notebook, tmp_path):
    count = "with open('runs', 'a') as file: file.write('x')"
    sources = {"bad": f"{count}\n1 / 0", "dead": "import os\nos._exit(1)", "good": count}
    notebooks = [notebook(name, source) for name, source in sources.items()]
    outcomes = {outcome.name: outcome for outcome in run_all(notebooks, tmp_path / "build", {}, [])}
    assert outcomes["bad"].error == "FAILED in cell 0 [1]: ZeroDivisionError: division by zero"
    assert outcomes["dead"].error == "FAILED in cell 0: the kernel died"
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


def test_parameters_are_read_as_yaml():
    wanted = {"seed": 3, "gamma": 2.5, "gammas": [0, 1], "prompt": "cat"}
    assert read_parameters("seed=3 gamma=2.5 gammas=[0,1] prompt=cat") == wanted
    assert read_parameters("") == {}


@pytest.mark.parametrize("wrong", ["twenty", "=3", "seed=", "seed=[1", "seed={"])
def test_what_is_no_parameter_is_named(wrong):
    with pytest.raises(ValueError) as raised:
        read_parameters(f"gamma=3 {wrong}")
    assert f"has {wrong!r}" in str(raised.value) and "wanted name=value" in str(raised.value)


def test_a_parameter_that_no_notebook_has_is_named_beside_those_that_they_have():
    notebooks = [NOTEBOOKS / "a1_6.ipynb", NOTEBOOKS / "a1_8.ipynb"]
    check_known({"seed": 3, "gamma": 12}, notebooks)
    with pytest.raises(ValueError, match=r"^has sed; these notebooks have .*\bseed\b"):
        check_known({"sed": 3, "seed": 4}, notebooks)


def test_notebooks_are_chosen_by_name():
    assert choose_notebooks("") == choose_notebooks(" ") == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    assert choose_notebooks("a1_8, a1_4.ipynb a1_8") == ["a1_8", "a1_4"]


@pytest.mark.parametrize("text, found", [(" , ", "no name"), ("a1_4 a7 a8", "a7, a8")])
def test_what_is_no_notebook_is_named(text, found):
    with pytest.raises(ValueError, match=f"^has {found}; wanted some of a0, a1_1"):
        choose_notebooks(text)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--notebooks", " , "], "--notebooks has no name; wanted some of a0"),
        (["--parameters", "seed=[1"], "--parameters has 'seed=[1'"),
        (["--parameters", "sed=3"], "--parameters has sed; these notebooks have"),
        (["--timeout", "-1"], "--timeout is -1; wanted seconds"),
    ],
)
def test_the_command_refuses_wrong_arguments_before_it_removes_anything(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run_notebooks", *arguments])
    monkeypatch.setattr(run_notebooks, "clear", lambda build: pytest.fail("removed the earlier run"))
    with pytest.raises(SystemExit):
        run_notebooks.main()
    assert said in capsys.readouterr().err


# ---- what ends a notebook early -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["", "0"])
def test_a_cell_that_exits_is_a_failure_although_papermill_is_content(code, notebook, tmp_path):
    outcome = execute(notebook("exits", f"import sys\nsys.exit({code})"), tmp_path / "build", {})
    assert outcome.error == "FAILED in cell 0 [1]: SystemExit: the cells below it did not run"


def test_a_cell_that_hangs_is_ended_and_named(notebook, tmp_path):
    outcome = execute(notebook("hangs", "import time\nwhile True: time.sleep(1)"), tmp_path / "build", {}, timeout=2)
    assert outcome.error == "FAILED in cell 0: it took longer than 2 s (--timeout, or make's TIMEOUT)"


def test_a_notebook_without_cells_has_its_name_for_a_title(tmp_path):
    nbformat.write(new_notebook(), tmp_path / "empty.ipynb")
    (tmp_path / "build").mkdir()
    assert execute(tmp_path / "empty.ipynb", tmp_path / "build", {}).error is None
    write_gallery(tmp_path / "build", ["empty"], [])
    assert "<h2>empty</h2>" in (tmp_path / "build" / "index.html").read_text(encoding="utf-8")


def test_the_kernels_own_log_is_silent(notebook, tmp_path, capfd):
    log = 'get_ipython().kernel.log.error("KeyboardInterrupt caught in kernel.")'
    assert execute(notebook("logs", log), tmp_path / "build", {}).error is None
    assert "KeyboardInterrupt" not in "".join(capfd.readouterr())


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_sigterm_ends_the_kernels_with_a_sentence(notebook, tmp_path):
    notebook("slow", "import os\nfrom pathlib import Path\nPath('begun').write_text(str(os.getpid()))\n" + SLEEP)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", COMMAND, str(tmp_path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text())
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=300)[0]
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    assert "Stopped: 0 of 1 notebooks are done" in said and "Traceback" not in said
    kernel = int((tmp_path / "begun").read_text())
    wait_for(lambda: not is_running(kernel))


SLEEP = "import time\ntime.sleep(600)"


def wait_for(happened, seconds=300):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.1)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


# ---- what an earlier run left -------------------------------------------------------------------------------------


def with_image(file, title):
    """A notebook with a captioned image, as an earlier run left it."""
    cell = new_code_cell("1", metadata={"caption": "an old image"})
    cell.outputs = [new_output("display_data", {"image/png": "b2xk", "text/plain": "[image: old]"})]
    nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {title}"), cell]), file)


@pytest.mark.parametrize("source", ["import os\nos._exit(1)", None], ids=["dead kernel", "unreadable"])
def test_the_gallery_shows_no_image_of_an_earlier_run(source, notebook, tmp_path):
    build = tmp_path / "build"
    failing = notebook("failing", source or "1")
    if source is None:
        failing.write_text("{")
    with_image(build / "failing.ipynb", "Failing")
    with_image(build / "not_asked_for.ipynb", "Not asked for")  # `make course-again` would read it
    (build / "index.html").write_text("of an earlier run")
    (build / "lowest.txt").write_text("kept")
    clear(build)
    assert [file.name for file in build.iterdir()] == ["lowest.txt"]
    assert "FAILED" in execute(failing, build, {}).error
    write_gallery(build, ["failing"], ["failing"])
    page = (build / "index.html").read_text(encoding="utf-8")
    assert "This notebook failed" in page and "of an earlier run" not in page


def test_a_notebook_that_is_half_written_leaves_the_gallery_whole(tmp_path):
    with_image(tmp_path / "whole.ipynb", "Whole")
    text = (tmp_path / "whole.ipynb").read_text()
    (tmp_path / "half.ipynb").write_text(text[: len(text) // 2])
    write_gallery(tmp_path, ["half", "whole"], ["half"])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<h2>half</h2>" in page and page.count("<img") == 1
