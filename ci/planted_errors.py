"""Check that nbval notices mistakes in the library: a part of `make test-all`.

Each mistake is made in a copy of helpers/, with which nbval runs the notebook of its section. It has to fail.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBVAL = [
    *(sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"),
    *("--nbval", "--nbval-current-env", "--nbval-cell-timeout=300"),
    f"--nbval-sanitize-with={ROOT / 'ci' / 'nbval_sanitize.cfg'}",
]
# what, file, the right line, a wrong one, notebook
MISTAKES = [
    ("forward: √ forgotten", "sampling.py", "abar_t.sqrt() * x0 +", "abar_t * x0 +", "a1_1"),
    (
        "forward: noise too weak",
        "sampling.py",
        "(1 - abar_t).sqrt() * eps\n    return x_t",
        "(1 - abar_t) * eps\n    return x_t",
        "a1_1",
    ),
    ("ddpm_step: weights wrong", "sampling.py", "alpha = abar_t / abar_s", "alpha = abar_s / abar_t * abar_t", "a1_4"),
    (
        "ddpm_step: noise too strong",
        "sampling.py",
        "return mean + variance.sqrt() *",
        "return mean + variance.sqrt() * 2 *",
        "a1_4",
    ),
    (
        "guided: halves exchanged",
        "denoisers.py",
        "u.eps + self.gamma * (c.eps - u.eps)",
        "c.eps + self.gamma * (u.eps - c.eps)",
        "a1_6",
    ),
    ("guided: γ off by one", "denoisers.py", "u.eps + self.gamma * (c.eps", "c.eps + self.gamma * (c.eps", "a1_6"),
]


def run(helpers: Path, notebook: str) -> int:
    """nbval's exit status for a notebook against this copy of the library: 0 is green, 1 red."""
    env = {**os.environ, "PYTHONPATH": str(helpers.parent)}
    command = [*NBVAL, str(ROOT / "notebooks" / f"{notebook}.ipynb")]
    return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL).returncode


def main() -> int:
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        helpers = Path(folder) / "helpers"
        shutil.copytree(ROOT / "helpers", helpers)
        (Path(folder) / "data").symlink_to(ROOT / "data")
        for notebook in sorted({mistake[-1] for mistake in MISTAKES}):
            if run(helpers, notebook) != 0:
                print(f"{notebook} is red without any mistake", flush=True)
                return 1
        for what, file, right, wrong, notebook in MISTAKES:
            original = (helpers / file).read_text(encoding="utf-8")
            if original.count(right) != 1:
                print(f"{file} has {original.count(right)} places {right!r}; wanted 1")
                return 1
            (helpers / file).write_text(original.replace(right, wrong), encoding="utf-8")
            noticed = run(helpers, notebook) == 1
            (helpers / file).write_text(original, encoding="utf-8")
            print(f"{what:30s} {notebook}  {'red, as it should be' if noticed else 'NOT NOTICED'}", flush=True)
            unnoticed += not noticed
    print(f"{len(MISTAKES) - unnoticed} passed, {unnoticed} failed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
