"""ci/grading: what students hand in is read safely, run in a sandbox, and judged outside it.

GRADING=long adds what takes minutes: all right solutions, the planted mistakes, and a class of 60.
"""

import ast
import csv
import inspect
import io
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
import torch
import yaml
from nbformat.v4 import new_code_cell, new_notebook
from right_solutions import SOLUTIONS

if sys.platform != "linux":
    pytest.skip("it is Linux that limits memory and system calls", allow_module_level=True)

from made_up_submissions import ATTACKS, FORWARD, IMPORTS, QUIET, RIGHT, USES_THE_KITS, WRONG, notebook, write

from ci.exercises import exercises, solved
from ci.grading import __main__ as command_line
from ci.grading import marks, pool, reports, sandbox
from ci.grading.autograder import RUN, SETUP, write_zip
from ci.grading.autograder import run as autograder_run
from ci.grading.cells import Written, find_written, students_name
from ci.grading.inside import walls
from ci.grading.inside.codec import BadMessage, Channel, Closed, pack, unpack
from ci.grading.library import sources_without
from ci.grading.marks import BadPoints, Graded, Mark, Points, grade, read_points, same_code
from ci.grading.originality import is_the_kits, text_of
from ci.grading.sandbox import Limits, Sandbox
from ci.grading.submissions import Submission, find, read
from helpers.checks import EXERCISES

ROOT = Path(__file__).resolve().parents[1]
LONG = os.environ.get("GRADING") == "long"
KIND = "bubblewrap" if sandbox.bubblewrap_works() else "unsafe"
LIMITS = Limits(seconds=3, wall=300.0)
long_only = pytest.mark.skipif(not LONG, reason="takes minutes: GRADING=long")


@pytest.fixture(scope="module")
def box():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with Sandbox(KIND, LIMITS) as box:
        yield box
    torch.set_num_threads(threads)


def submitted(*sources: str, before: str = "import torch\nfrom torch import nn") -> Submission:
    return Submission("student", {"a1_1": notebook(list(sources), before)})


def mark_of(box, source: str, exercise: str = "forward", before: str = "import torch\nfrom torch import nn") -> Mark:
    return grade(submitted(source, before=before), Points({exercise: 2.0}), box).marks[0]


# ---- reading -------------------------------------------------------------------------------------------------------


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


NOTEBOOK = nbformat.writes(notebook(["def my_forward(): pass"])).encode()


def test_a_zip_is_read_without_writing_anything(tmp_path):
    files = {"../../out.ipynb": NOTEBOOK, "/abs/b.ipynb": NOTEBOOK, "..\\..\\c.ipynb": NOTEBOOK, "notes.txt": b"x",
             "__MACOSX/._a.ipynb": b"x", ".ipynb_checkpoints/a.ipynb": b"x", "more.zip": b"x"}  # fmt: skip
    submission = read(zipped(tmp_path / "s.zip", files))
    assert sorted(submission.notebooks) == ["b", "c", "out"]
    assert submission.notes == ["more.zip is a zip within the zip, and was not opened."]
    assert [path.name for path in tmp_path.rglob("*")] == ["s.zip"] and not (tmp_path.parent / "out.ipynb").exists()


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("ci.grading.submissions.MOST_NOTEBOOK", 10_000)
    submission = read(zipped(tmp_path / "s.zip", {"a1_1.ipynb": NOTEBOOK, "bomb.ipynb": b" " * 50_000_000}))
    assert list(submission.notebooks) == ["a1_1"] and "bomb.ipynb is too large" in submission.notes[0]
    many = {f"{i}.ipynb": b"" for i in range(30)}
    monkeypatch.setattr("ci.grading.submissions.MOST_FILES", 20)
    assert "holds 30 files; wanted at most 20" in read(zipped(tmp_path / "t.zip", many)).notes[0]


@pytest.mark.parametrize(
    "content, words",
    [(b"", "not JSON"), (b"{", "not JSON"), (b"[" * 100_000, "format"), (b"\xff\xfe", "not JSON"), (b"{}", "format"),
     (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}', "format"),
     (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "format")],
)  # fmt: skip
def test_what_is_no_notebook_leaves_a_note(tmp_path, content, words):
    (tmp_path / "s.ipynb").write_bytes(content)
    submission = read(tmp_path / "s.ipynb")
    assert not submission.notebooks and words in submission.notes[0]


def test_a_broken_zip_and_an_encrypted_one_leave_a_note(tmp_path):
    (tmp_path / "s.zip").write_bytes(b"PK\x03\x04 no zip")
    assert "cannot be read" in read(tmp_path / "s.zip").notes[0]
    path = zipped(tmp_path / "t.zip", {"a.ipynb": NOTEBOOK})
    content = bytearray(path.read_bytes())
    for sign, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + flags] |= 1
    path.write_bytes(content)
    assert "cannot be unpacked" in read(path).notes[0]


def test_links_lead_nowhere(tmp_path):
    secret, folder = tmp_path / "secret.ipynb", tmp_path / "class"
    secret.write_bytes(NOTEBOOK)
    (folder / "student").mkdir(parents=True)
    (folder / "linked.ipynb").symlink_to(secret)
    (folder / "student" / "a.ipynb").symlink_to(secret)
    assert [path.name for path in find(folder)] == ["student"]
    assert read(folder / "student").notes == ["There is no notebook in it."]


def test_a_missing_folder_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["grading", str(tmp_path / "none"), "--unsafe"])
    assert command_line.main() == 2
    assert f"SUBMISSIONS is {tmp_path / 'none'}; wanted a folder" in capsys.readouterr().err


# ---- cells ---------------------------------------------------------------------------------------------------------


def test_every_exercise_has_its_name_and_cell_in_the_notebooks():
    found = {}
    for file in (ROOT / "notebooks").glob("*.ipynb"):
        for _, _, checked in exercises(nbformat.read(file, 4)):
            found |= {exercise.name: (name, file.stem) for name, exercise in checked.items()}
    assert found == {name: (students_name(exercise), exercise.notebook) for name, exercise in EXERCISES.items()}


def test_the_notebooks_stubs_are_found_and_the_solved_ones_count_as_handed_back():
    for name in ("forward", "guided", "hybrid", "unconditional_unet", "digit_denoiser", "heun"):
        exercise = EXERCISES[name]
        book = nbformat.read(ROOT / "notebooks" / f"{exercise.notebook}.ipynb", 4)
        written = find_written(Submission("stubs", {exercise.notebook: book}), exercise)
        assert written.problem is None and written.notebook == exercise.notebook
        assert len(written.cells) < 12  # what the cell needs, and no more
        handed_back = Submission("solved", {exercise.notebook: solved(book)})
        assert find_written(handed_back, exercise).problem[0] == "kit's own"


def test_a_cell_brings_along_what_it_needs():
    cells = ["%matplotlib inline\nimport torch, os\nfrom helpers import show", "scale = 3.0\nunused = boom()",
             "def twice(x):\n    return scale * x", 'forward = check("forward", my_forward)']  # fmt: skip
    source = "def my_forward(x0, t, os2=None):\n    unused = 1\n    return twice(torch.tensor(x0)), forward"
    book = new_notebook(cells=[*map(new_code_cell, cells), new_code_cell(source, metadata={"tags": ["exercise"]})])
    written = find_written(Submission("s", {"x": book}), EXERCISES["forward"])
    assert [cell[1] for cell in written.cells[:-1]] == [
        "import torch, os", "scale = 3.0", "def twice(x):\n    return scale * x",
        "from helpers.sampling import forward as forward",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source",
    ["from helpers.sampling import forward as my_forward",
     "import helpers.sampling\nmy_forward = helpers.sampling.forward",
     "import functools\nmy_forward = functools.partial(forward)",
     "my_forward = f = forward"],
)  # fmt: skip
def test_a_name_that_is_only_bound_is_handed_back(source):
    assert find_written(submitted(source), EXERCISES["forward"]).problem[0] == "kit's own"


@pytest.mark.parametrize(
    "source, words",
    [("def my_forward(:", "no valid Python: invalid syntax, line 1"),
     ("def my_forward():\n" + "x = 1\n" * 30_000, "180018 characters"),
     ("x = " + "(" * 3000 + ")" * 3000 + "\ndef my_forward(): pass", "valid"), ("other = 1", "no my_forward"),
     ("def my_forward():\n    '\x00'", "valid")],
)  # fmt: skip
def test_what_cannot_be_run_is_explained(source, words):
    assert words in find_written(submitted(source), EXERCISES["forward"]).problem[1]


@pytest.mark.parametrize(
    "line",
    ["import helpers.checks.exercise", "from helpers.checks import judge",
     "import helpers.sampling as s\ns.forward = 1", "from helpers import sampling\nsetattr(sampling, 'forward', None)",
     "import helpers.sampling\ndel helpers.sampling.f"],
)  # fmt: skip
def test_reaching_for_the_checks_or_the_library_is_forbidden(line):
    written = find_written(submitted(f"{line}\n{FORWARD}    return x0"), EXERCISES["forward"])
    assert written.problem[0] == "forbidden"


def test_the_notebook_of_the_exercises_name_comes_first_and_a_lost_tag_does_no_harm():
    tagged, untagged = (
        notebook([FORWARD + "    return 1"]),
        new_notebook(cells=[new_code_cell(FORWARD + "    return 2")]),
    )
    both = Submission("s", {"copy": tagged, "a1_1": tagged})
    assert find_written(both, EXERCISES["forward"]).notebook == "a1_1"
    assert find_written(Submission("s", {"x": untagged}), EXERCISES["forward"]).problem is None


# ---- whose code ----------------------------------------------------------------------------------------------------


def text(exercise: str, source: str):
    return text_of(EXERCISES[exercise], ast.parse(source).body[0])


def test_the_kits_text_is_known_whatever_its_names_and_a_right_answer_is_not_it():
    source = inspect.getsource(EXERCISES["ddpm_step"].kits_own())
    renamed = source.replace("abar_s", "b").replace("beta_tilde", "c").replace("def ddpm_step", "def my_ddpm_step")
    assert is_the_kits(EXERCISES["ddpm_step"], text("ddpm_step", renamed))
    assert not is_the_kits(
        EXERCISES["ddpm_step"], text("ddpm_step", source.replace("beta = 1 - alpha", "beta = 1 - 1 * alpha"))
    )
    for name, sources in RIGHT.items():
        for answer in sources:
            tree = ast.parse(answer).body[-1]
            assert not is_the_kits(EXERCISES[name], text_of(EXERCISES[name], tree))
    flow = "def my_flow_target(x0, eps):\n    return x0 - eps"  # of which there is only one
    assert not is_the_kits(EXERCISES["flow_target"], text("flow_target", flow))


def test_the_library_lacks_what_is_asked_and_has_the_rest():
    def written_in(module: str, exercise: str) -> dict[str, ast.stmt]:
        body = ast.parse(sources_without(EXERCISES[exercise])[module]).body
        return {node.name: node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}

    assert [type(node) for node in written_in("helpers.sampling", "forward")["forward"].body] == [ast.Raise]
    assert len(written_in("helpers.sampling", "forward")["estimate_x0"].body) > 1
    unet = written_in("helpers.unet", "unconditional_unet")["UnconditionalUNet"]
    lines = {method.name: len(method.body) for method in unet.body if isinstance(method, ast.FunctionDef)}
    assert lines["wire"] == 1 and lines["__init__"] > 1
    checks = {name for name in sources_without(EXERCISES["conv"]) if name.startswith("helpers.checks")}
    assert checks == {"helpers.checks", "helpers.checks.faults"}


def test_equal_answers_are_listed_but_not_short_ones():
    def with_mark(name, fingerprint, size):
        return Graded(name, [Mark("forward", "1.1", "right", 1.0, 1.0, "", text=fingerprint, size=size)])

    everyone = [with_mark("a", "x", 90), with_mark("b", "x", 90), with_mark("c", "y", 90), with_mark("d", "z", 9),
                with_mark("e", "z", 9)]  # fmt: skip
    assert same_code(everyone) == [("forward", 90, ["a", "b"])]


# ---- messages ------------------------------------------------------------------------------------------------------


def test_messages_carry_tensors_numbers_and_lists():
    sent = [None, True, 3, 0.5, "é", (1, [2]), torch.arange(3), torch.zeros(2, dtype=torch.bool), torch.float16]
    back = unpack(pack([*sent, np.arange(2.0), np.int64(7), {"a": float("inf")}]))
    assert back[:6] == sent[:6] and torch.equal(back[6], sent[6]) and back[7].dtype == torch.bool and back[8] == sent[8]
    assert (
        back[9].tolist() == [0.0, 1.0]
        and back[10] == 7
        and back[10].dtype == np.int64
        and back[11] == {"a": float("inf")}
    )
    assert unpack(pack(torch.ones(2, requires_grad=True))).requires_grad


@pytest.mark.parametrize(
    "message",
    [b"", b"123", struct.pack("<Q", 99) + b"{}", struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 4) + b'["x"]',
     struct.pack("<Q", 17) + b'["tensor","9",0]]' , pack([1])[:-1], b"\x80\x04cos\nsystem\n", pack(1) + b"x" * 9],
)  # fmt: skip
def test_a_message_that_breaks_the_format_is_refused(message):
    with pytest.raises(BadMessage):
        unpack(message)


def test_what_has_no_place_in_a_message_is_refused():
    with pytest.raises(BadMessage, match="holds a object"):
        pack(object())
    nested: list = []
    for _ in range(50):
        nested = [nested]
    with pytest.raises(BadMessage, match="too deeply"):
        pack(nested)
    with pytest.raises(BadMessage, match="5000000 numbers"):
        pack(torch.zeros(5_000_000))


def test_a_channel_gives_up_on_too_long_a_message_and_on_a_closed_end():
    ours, theirs = socket.socketpair()
    theirs.send(struct.pack("<Q", 2**60))
    with pytest.raises(BadMessage, match="too long"):
        Channel(ours.fileno()).receive()
    theirs.close()
    with pytest.raises(Closed):
        Channel(ours.fileno()).receive()


# ---- the sandbox ---------------------------------------------------------------------------------------------------


def test_bubblewraps_command_line_shows_python_and_nothing_else(monkeypatch):
    monkeypatch.setattr(sandbox, "size_is_known", lambda: True)
    line = sandbox.command("bubblewrap", "/own", 7, LIMITS)
    for option in ("--unshare-all", "--die-with-parent", "--new-session", "--clearenv"):
        assert option in line
    shown = [line[i + 1] for i, word in enumerate(line) if word in ("--ro-bind", "--bind", "--dev-bind")]
    assert "--bind" not in line and str(ROOT) not in shown and str(Path.home()) not in shown and "/" not in shown
    assert line[line.index("--size") + 1] == str(LIMITS.folder) and line[line.index("--orders") + 1] == "7"
    names = {line[i + 1] for i, word in enumerate(line) if word == "--setenv"}
    assert names == set(sandbox.ENVIRONMENT) and "SECRET" not in str(line)


def test_without_a_sandbox_grading_refuses_unless_asked(monkeypatch):
    monkeypatch.setattr(sandbox, "bubblewrap_works", lambda: False)
    monkeypatch.setattr(sandbox, "in_container", lambda: False)
    with pytest.raises(sandbox.NoSandbox, match="UNSAFE=1"):
        sandbox.choose(unsafe=False)
    assert sandbox.choose(unsafe=True) == "unsafe"
    monkeypatch.setattr(sandbox, "in_container", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert sandbox.choose(unsafe=False) == "container"


def test_in_a_container_the_other_user_can_read_what_it_runs(tmp_path):
    closed = tmp_path / "closed"
    (closed / "deeper").mkdir(parents=True, mode=0o700)
    (closed / "deeper" / "a.py").write_text("x")
    (closed / "deeper" / "a.py").chmod(0o600)
    sandbox.readable_copy(closed, tmp_path / "open")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "open").rglob("*")}
    assert modes == {"deeper": 0o755, "a.py": 0o644}


def test_the_filter_of_system_calls_is_well_formed():
    for machine in walls.ARCHITECTURES:
        code = walls.program(machine)
        lines = [struct.unpack("<HBBI", code[i : i + 8]) for i in range(0, len(code), 8)]
        for i, (operation, yes, no, _) in enumerate(lines):
            assert operation & 7 != 5 or i + 1 + max(yes, no) < len(lines)  # no jump beyond the end
        assert lines[-1] == (6, 0, 0, walls.ALLOW)


@pytest.mark.skipif(platform.machine() not in walls.ARCHITECTURES, reason="not known there")
def test_the_filter_refuses_processes_and_sockets_and_allows_threads():
    program = """
import ctypes, errno, os, sys, threading
from ci.grading.inside.walls import filter_system_calls
assert filter_system_calls()
libc = ctypes.CDLL(None, use_errno=True)
for call in (libc.fork, lambda: libc.socket(2, 1, 0), lambda: libc.kill(os.getppid(), 0)):
    assert call() == -1 and ctypes.get_errno() == errno.EPERM
try:
    os.execv(sys.executable, [sys.executable, "-c", ""])
except PermissionError:
    pass
thread = threading.Thread(target=print, args=("a thread",))
thread.start(), thread.join()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "a thread\n"), done.stderr


# ---- marks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", ["forward", "guided", "conv", "training_step"])
def test_a_right_answer_gets_its_points(box, exercise):
    mark = mark_of(box, RIGHT[exercise][0], exercise, "\n".join(IMPORTS))
    assert (mark.status, mark.points, mark.share) == ("right", 2.0, 1.0) and "checks passed" in mark.say


def test_a_wrong_answer_gets_a_share_and_the_explanation_of_the_notebook(box):
    mark = mark_of(box, WRONG["forward"])
    assert mark.status == "wrong" and "the square root is missing" in mark.say and 0 < mark.points < 1.0
    assert mark.points == round(2.0 * 0.5 * mark.share, 2) and mark.image.startswith("data:image/png;base64,")


def test_what_is_not_written_and_what_raises_an_error_are_told_apart(box):
    assert mark_of(box, FORWARD + "    raise NotImplementedError('Mix')").status == "not written"
    broken = mark_of(box, FORWARD + "    return undefined_name")
    assert broken.status == "wrong" and "uses the name undefined_name" in broken.say and broken.points == 0
    assert "my_forward is a int" in mark_of(box, FORWARD + "    pass\nmy_forward = 3").say
    assert "ZeroDivisionError" in mark_of(box, "1 / 0\n" + FORWARD + "    return x0").say


@pytest.mark.parametrize(
    "source",
    [FORWARD + "    from helpers.sampling import forward\n    return forward(x0, t, alphas_cumprod, noise=noise)",
     FORWARD + "    import helpers.sampling as s\n    return getattr(s, 'for' + 'ward')(x0, t, alphas_cumprod)",
     FORWARD + "    from helpers.editing import keep_known\n    x = keep_known(x0, t, x0, 0 * x0[:1, :1], "
     "alphas_cumprod, generator=generator)\n    return x, x"],
)  # fmt: skip
def test_calling_the_kits_own_gets_nothing(box, source):
    mark = mark_of(box, source)
    assert (mark.status, mark.points) == ("kit's own", 0.0) and "It calls the kit's own forward" in mark.say


SENTENCES = {
    "forks": "start another process", "allocates": "more memory than the 2 GB", "deletes": "change or delete files",
    "reads": "read files that are not its own", "connects": "open a network connection",
    "loops": "did not end within 3 seconds of computing", "prints": "prints more than 1 MB",
    "replaces": "part of the checks", "forges": "channel of the grader",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_gets_nothing_but_a_sentence_and_touches_nothing(box, attack, tmp_path):
    kept = tmp_path / "class"
    kept.mkdir()
    (kept / "right-00.ipynb").write_bytes(NOTEBOOK)
    graded = grade(submitted(ATTACKS[attack].format(folder=kept)), Points({"forward": 2.0, "conv": 1.0}), box)
    assert graded.score == 0 and SENTENCES[attack] in graded.marks[0].say, graded.marks[0]
    assert [file.read_bytes() for file in kept.iterdir()] == [NOTEBOOK]
    if attack == "forges":  # and the next one is graded
        assert mark_of(box, WRONG["forward"]).status == "wrong"


def test_a_forbidden_act_takes_all_points_and_a_limit_only_those_of_the_exercise(box):
    conv = "class MyConv(nn.Sequential):\n    def __init__(self, i, o):\n        super().__init__(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.GELU())"  # noqa: E501
    points = Points({"forward": 2.0, "conv": 1.0})
    forbidden = grade(submitted(ATTACKS["connects"], conv), points, box)
    assert forbidden.score == 0 and "network connection (in forward)" in forbidden.forbidden
    printed = grade(submitted(ATTACKS["prints"], conv), points, box)
    assert printed.score == 1.0 and "In forward: " in printed.notes[0] and "prints more than 1 MB" in printed.notes[0]


@pytest.mark.skipif(KIND != "bubblewrap", reason="there is no bubblewrap here")
@pytest.mark.parametrize("act", QUIET)
def test_what_python_does_not_announce_is_held_by_the_sandbox(box, act, tmp_path):
    (tmp_path / "right-00.ipynb").write_bytes(NOTEBOOK)
    source = QUIET[act].format(folder=tmp_path)
    mark = mark_of(box, source + FORWARD + "    raise ValueError(f'returned {pid}')")
    assert "returned -1" in mark.say and (tmp_path / "right-00.ipynb").read_bytes() == NOTEBOOK


def test_an_answer_that_nothing_was_asked_for_is_no_result(box):
    source = """
import gc
server = next(x for x in gc.get_objects() if type(x).__name__ == "Server")
def my_forward(x0, t, alphas_cumprod, *, noise=None, generator=None):
    from inside.codec import pack
    server.channel.send(pack([server.number - 1, "return", (x0, x0), [], None, 0, None]))
    return x0, x0
"""
    assert "channel of the grader" in mark_of(box, source).say


# ---- a class -------------------------------------------------------------------------------------------------------


def test_points_are_read_and_bad_ones_explained(tmp_path):
    assert set(read_points().points) == set(EXERCISES)
    file = tmp_path / "p.toml"
    for content, words in (("x = [", "cannot be read"), ("wrong = 1", "no table"),
                           ("[points]\nfroward = 1", "froward"), ("[points]\nforward = -1", "not negative"),
                           ("wrong = 2\n[points]\nforward = 1", "between")):  # fmt: skip
        file.write_text(content)
        with pytest.raises(BadPoints, match=words):
            read_points(file)


def test_the_reports_hold_whatever_a_student_is_called_and_writes(tmp_path):
    evil = '=HYPERLINK("x")<script>alert(1)</script>\x00|`'
    mark = Mark("forward", "1.1", "wrong", 0.5, 2.0, evil, share=0.5)
    graded = Graded(evil, [mark], notes=[evil], seconds=1.0)
    reports.write_student(graded, tmp_path / reports.file_name(evil))
    reports.write_class([graded], tmp_path)
    reports.write_summary(graded, tmp_path / "summary.md")
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert "<script>" not in (folder / "feedback.html").read_text("utf-8")
    assert "<script>" not in (tmp_path / "summary.md").read_text("utf-8")
    results = json.loads((folder / "results.json").read_text("utf-8"))
    assert results["score"] == 0.5 and results["tests"][0]["max_score"] == 2.0
    row = list(csv.reader((tmp_path / "marks.csv").open(encoding="utf-8", newline="")))[1]
    assert row[0].startswith("'=") and row[1:4] == ["0.5", "2.0", "0.5"]
    suite = ElementTree.parse(tmp_path / "marks.xml").getroot()[0]
    assert suite.get("failures") == "1" and suite[0].get("name") == "forward"


def test_names_of_folders_stay_in_the_folder():
    for name in ("../../x", "/etc/passwd", "..", "", "a b", "é", "con/../b"):
        assert "/" not in reports.file_name(name) and reports.file_name(name).strip(".")


def test_what_is_graded_is_not_graded_again_unless_it_changes(tmp_path, monkeypatch, capsys):
    folder, out, asked = tmp_path / "class", tmp_path / "out", []
    folder.mkdir()
    for name in ("anna", "ben"):
        (folder / f"{name}.ipynb").write_bytes(NOTEBOOK)

    def graded(paths, *arguments):
        for path in paths:
            asked.append(path.stem)
            yield path, Graded(path.stem, [Mark("forward", "1.1", "right", 2.0, 2.0, "")])

    monkeypatch.setattr(command_line, "grade_all", graded)
    monkeypatch.setattr(sys, "argv", ["grading", str(folder), "--out", str(out), "--unsafe"])
    assert command_line.main() == 0 and command_line.main() == 0
    assert asked == ["anna", "ben"] and "2 of 2 submissions are graded already" in capsys.readouterr().out
    (folder / "ben.ipynb").write_bytes(NOTEBOOK + b" ")
    (out / "anna" / "graded.json").write_text("{")
    assert command_line.main() == 0 and asked == ["anna", "ben", "anna", "ben"]
    assert [row[0] for row in csv.reader(io.StringIO((out / "marks.csv").read_text()))] == ["student", "anna", "ben"]


def test_a_worker_that_dies_harms_no_other(monkeypatch):
    class Dying:
        started = 0

        def start(self):
            Dying.started += 1

        orders = property(lambda self: self)
        process = property(lambda self: self)

        def send(self, path):
            self.path = path

        def recv(self):
            if self.path.stem == "evil":
                raise EOFError
            return Graded(self.path.stem).as_dict()

        def join(self, seconds): ...

        stop = join
        grade = pool.Worker.grade

        def __init__(self, *arguments):
            self.start()

    Dying.stop = lambda self: None
    monkeypatch.setattr(pool, "Worker", Dying)
    results = dict(pool.grade_all([Path("a.zip"), Path("evil.zip"), Path("b.zip")], 1))
    assert [graded.name for graded in results.values()] == ["a", "evil", "b"] and Dying.started == 2
    assert "ended unexpectedly" in results[Path("evil.zip")].notes[0]


# ---- long proofs ---------------------------------------------------------------------------------------------------


@long_only
@pytest.mark.parametrize("exercise", EXERCISES)
def test_all_right_solutions_are_right_in_the_sandbox_too(box, exercise):
    source = (ROOT / "tests" / "right_solutions.py").read_text("utf-8")
    for name, solution in SOLUTIONS:
        if name == exercise and solution.__name__ not in USES_THE_KITS:
            written = Written(solution.__name__, [["<right_solutions>", source, True]])
            verdict, share = marks.judge(EXERCISES[name], written, box)
            assert (verdict.status, share) == ("right", 1.0), verdict.say


@long_only
def test_a_class_of_60_gets_the_marks_that_each_gets_alone(tmp_path):
    kinds = write(tmp_path / "class", 60)
    names = ("strided_timesteps", "forward", "blur", "estimate_x0", "conv", "guided", "interpolate")
    points = Points(dict.fromkeys(names, 2.0))
    before = {path.name: path.read_bytes() for path in (tmp_path / "class").iterdir()}
    together = dict(pool.grade_all(find(tmp_path / "class"), 2, points, KIND, LIMITS))
    for path, graded in together.items():
        alone = pool.grade_file(path, points, KIND, LIMITS)
        assert (graded.score, [m.say for m in graded.marks]) == (alone.score, [m.say for m in alone.marks]), path
        kind = kinds[path.stem]
        assert graded.score == graded.most if kind == "right" else graded.score < graded.most / 2
        assert kind not in ("attack", "empty") or graded.score == 0
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "class").iterdir()}


# ---- Gradescope, GitHub --------------------------------------------------------------------------------------------


def test_the_autograders_zip_is_the_same_each_time_and_has_what_it_needs(tmp_path):
    first, second = write_zip(tmp_path / "a.zip"), write_zip(tmp_path / "b.zip")
    assert first.read_bytes() == second.read_bytes() and first.stat().st_size < 2e6
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert {"setup.sh", "run_autograder", "helpers/checks/a1_1.py", "ci/grading/inside/zygote.py"} <= set(names)
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert not any(name.startswith(("tests", "data", "notebooks")) for name in names)
    for script in (SETUP, RUN):
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_the_autograder_runs_as_gradescope_runs_it(tmp_path):
    with zipfile.ZipFile(write_zip(tmp_path / "autograder.zip", points_for(tmp_path, forward=2, conv=1))) as archive:
        archive.extractall(tmp_path / "source")
    (tmp_path / "submission").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "submission" / "a1_1.ipynb").write_text(nbformat.writes(notebook([WRONG["forward"]])), "utf-8")
    (tmp_path / "submission_metadata.json").write_text('{"users": [{"name": "Ada"}]}')
    environment = os.environ | {"AUTOGRADER": str(tmp_path), "PYTHON": sys.executable, "UNSAFE": "1"}
    environment["PYTHONPATH"] = str(tmp_path / "source")
    script = tmp_path / "source" / "run_autograder"
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))
    forward, conv = results["tests"]
    assert 0 < results["score"] == forward["score"] < 1 and "root is missing" in forward["output"]
    assert conv["score"] == 0 and conv["max_score"] == 1 and results["visibility"] == "visible"
    assert "Ada: " in (tmp_path / "results" / "feedback.html").read_text("utf-8")


def test_an_autograder_that_fails_says_so_in_the_results(tmp_path, monkeypatch):
    def broken(*arguments):
        raise PermissionError("/opt/python")

    monkeypatch.setattr("ci.grading.autograder.grade_file", broken)
    autograder_run(tmp_path, unsafe=True)
    results = json.loads((tmp_path / "results" / "results.json").read_text("utf-8"))
    assert results == {"score": 0, "output": "It was not graded; tell your instructor. PermissionError: /opt/python"}


def points_for(folder: Path, **points: int) -> Path:
    file = folder / "points.toml"
    file.write_text("[points]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()))
    return file


def test_githubs_template_grades_with_make():
    template = yaml.safe_load((ROOT / "ci" / "grading" / "templates" / "grade.yml").read_text("utf-8"))
    steps = template["jobs"]["grade"]["steps"]
    (command,) = [step["run"] for step in steps if step.get("name") == "Grade"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name in ("SUBMISSIONS", "SUMMARY"):
        assert f"{name}=" in command and f"$({name})" in makefile
    assert "GITHUB_STEP_SUMMARY" in command and template["permissions"] == {"contents": "read"}
