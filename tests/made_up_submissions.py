"""A made-up class: notebooks that are right, wrong, malicious or empty, for the tests of ci/grading.

python -m tests.made_up_submissions folder 60
"""

import ast
import inspect
import json
import sys
import textwrap
import zipfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from ci.grading.cells import students_name
from helpers.checks import EXERCISES

sys.path.insert(0, str(Path(__file__).parent))
from right_solutions import SOLUTIONS

SOURCE = (Path(__file__).parent / "right_solutions.py").read_text("utf-8")
IMPORTS = [ast.unparse(node) for node in ast.parse(SOURCE).body if isinstance(node, (ast.Import, ast.ImportFrom))]
USES_THE_KITS = ("TimesInAListAndByName",)  # inherits from the class that is asked for


def cell_of(name: str, solution) -> str:
    """A right solution, under the name that the student's function has."""
    source = textwrap.dedent(inspect.getsource(solution)).partition("\n")[2]  # without the decorator @solves
    own = solution.__name__
    node = next(n for n in ast.walk(ast.parse(source)) if getattr(n, "name", None) == own)
    lines = source.splitlines()
    lines[node.lineno - 1] = lines[node.lineno - 1].replace(own, students_name(EXERCISES[name]), 1)
    return "\n".join(lines)


def notebook(cells: dict[str, str] | list[str], before: str = "\n".join(IMPORTS)) -> nbformat.NotebookNode:
    """A notebook with a cell of imports, and these exercise cells."""
    sources = cells if isinstance(cells, list) else list(cells.values())
    tagged = [new_code_cell(source, metadata={"tags": ["exercise"]}) for source in sources]
    return new_notebook(cells=[new_code_cell(before), *tagged])


RIGHT = {
    name: [cell_of(n, s) for n, s in SOLUTIONS if n == name and s.__name__ not in USES_THE_KITS] for name in EXERCISES
}
# those that stand alone: each is written without another solution
ALONE = ("strided_timesteps", "forward", "blur", "estimate_x0", "ddpm_step", "denoise", "guided", "conv", "fc_block",
         "training_step", "sample_digits", "interpolate")  # fmt: skip

FORWARD = "def my_forward(x0, t, alphas_cumprod, *, noise=None, generator=None):\n"
WRONG = {
    "forward": FORWARD + """\
    eps = torch.randn(x0.shape, generator=generator) if noise is None else noise
    abar_t = alphas_cumprod[torch.as_tensor(t)].view(-1, 1, 1, 1)
    return abar_t * x0 + (1 - abar_t).sqrt() * eps, eps""",
    "estimate_x0": """\
def my_estimate_x0(x_t, t, eps, alphas_cumprod):
    abar_t = alphas_cumprod[torch.as_tensor(t)].view(-1, 1, 1, 1)
    return x_t - (1 - abar_t).sqrt() * eps""",
    "conv": """\
class MyConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        super().__init__(convolution, nn.BatchNorm2d(out_channels), nn.ReLU())""",
    "interpolate": """\
def my_interpolate(x0, u, *, noise=None, generator=None):
    eps = torch.randn(x0.shape, generator=generator) if noise is None else noise
    return (1 - u) * x0 + u * eps, eps""",
}  # fmt: skip

# What a submission must not do. Each is a cell of the exercise `forward`; {folder} is the folder of all submissions.
ATTACKS = {
    "forks": FORWARD + "    import os\n    while True:\n        os.fork()",
    "allocates": FORWARD + "    return torch.ones(30 * 2**28), torch.ones(30 * 2**28)",
    "deletes": "import shutil\nshutil.rmtree('{folder}', ignore_errors=True)\n" + FORWARD + "    return x0, x0",
    "reads": "theirs = open('{folder}/right-00.ipynb').read()\n" + FORWARD + "    return x0, x0",
    "connects": FORWARD + "    import socket\n    socket.create_connection(('192.0.2.1', 80))\n    return x0, x0",
    "loops": FORWARD + "    while True:\n        x0 = x0 * 1.0",
    "prints": FORWARD + "    for i in range(100):\n        print('x' * 2**20)\n    return x0, x0",
    "replaces": "import helpers.checks.exercise as e\ne.judge = lambda *a, **k: e.Verdict('right', None, '', 42)\n"
    + FORWARD + "    return x0, x0",
    "forges": "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'{{\"score\": 100}}' * 100)\n"
    "    except OSError:\n        pass\n" + FORWARD + "    return x0, x0",
}  # fmt: skip
# the same by ways that Python does not announce, which only the sandbox holds
QUIET = {
    "fork": "import ctypes\npid = ctypes.CDLL(None).fork()\n",
    "vfork": "import ctypes\npid = ctypes.CDLL(None).syscall(58)\n",
    "socket": "import ctypes\npid = -1 if ctypes.CDLL(None).socket(2, 1, 0) < 0 else 0\n",
    "kill": "import ctypes, os\npid = ctypes.CDLL(None).kill(os.getppid(), 9)\n",
    "unlink": "import ctypes\npid = ctypes.CDLL(None).unlink(b'{folder}/right-00.ipynb')\n",
    "open": "import ctypes\npid = ctypes.CDLL(None).open(b'{folder}/right-00.ipynb', 0)\n",
}


def write(folder: Path, count: int) -> dict[str, str]:
    """A class in a folder: about half right, a quarter wrong, all attacks, some empty. Returns name -> kind."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {}

    def save(name: str, kind: str, made) -> None:
        kinds[name] = kind
        text = made if isinstance(made, str) else nbformat.writes(made)
        if len(kinds) % 5 == 0:
            with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
                archive.writestr("work/a1_1.ipynb", text)
                archive.writestr("__MACOSX/._a1_1.ipynb", "x")
        else:
            (folder / f"{name}.ipynb").write_text(text, "utf-8")

    for i in range(count - len(ATTACKS) - count // 4 - count // 10):
        some = {name: RIGHT[name][i % len(RIGHT[name])] for name in ALONE if RIGHT[name]}
        save(f"right-{i:02d}", "right", notebook(some))
    for i in range(count // 4):
        some = {name: source for j, (name, source) in enumerate(WRONG.items()) if (i + j) % 3}
        save(f"wrong-{i:02d}", "wrong", notebook(some, "import torch\nfrom torch import nn"))
    for name, source in ATTACKS.items():
        save(f"attack-{name}", "attack", notebook([source.format(folder=folder)], "import torch"))
    for i in range(count - len(kinds)):
        empty = [
            "",
            json.dumps({"cells": []}),
            "{",
            notebook([]),
            notebook([FORWARD + "    raise NotImplementedError"]),
        ]
        save(f"empty-{i:02d}", "empty", empty[i % len(empty)])
    return kinds


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), int(sys.argv[2])))
