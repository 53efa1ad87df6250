"""Where a submission's processes run: in bubblewrap, in a container, or, if asked for, with limits alone.

bubblewrap gives them a file system with nothing in it but Python and what it needs, an empty folder of their own, and
no network. In a container (Gradescope's, or one of yours), they run as another user, who can write nowhere else; the
filter of system calls takes the network away. Without either there are only limits of time and memory, and that filter.
"""

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Limits", "NoSandbox", "Sandbox", "bubblewrap_works", "choose", "command"]

HERE = Path(__file__).resolve().parent
UNPRIVILEGED = 65534
OWN = "/tmp/own"  # the only folder in which a submission may write, in bubblewrap
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
          "/etc/alternatives")  # fmt: skip
ENVIRONMENT = {
    "HOME": "/nonexistent", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PATH": "/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg", "TQDM_DISABLE": "1",
    "CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip


class NoSandbox(Exception):
    """There is nothing here that would hold a submission."""


@dataclass(frozen=True)
class Limits:
    """What an exercise may use.

    seconds: of computing. wall: in all, the checks' part included. gigabytes: of memory beyond PyTorch's own. printed:
    bytes. folder: bytes of the folder of its own, where bubblewrap can limit it.
    """

    seconds: int = 20
    wall: float = 120.0
    gigabytes: float = 2.0
    printed: int = 2**20
    folder: int = 64 * 2**20


def choose(unsafe: bool) -> str:
    """ "bubblewrap", "container" or "unsafe". Raises a NoSandbox."""
    if sys.platform == "win32":
        raise NoSandbox("Grading needs Linux or macOS; on Windows, use WSL.")
    if bubblewrap_works():
        return "bubblewrap"
    if in_container() and os.geteuid() == 0:
        return "container"
    if unsafe:
        return "unsafe"
    raise NoSandbox(
        "There is no sandbox: bubblewrap (bwrap) is missing or may not make namespaces, and this is no container with "
        "root. Install it (apt-get install bubblewrap), or ask for limits of time and memory alone: UNSAFE=1. Then a "
        "submission can read your files."
    )


@functools.cache
def bubblewrap_works() -> bool:
    if shutil.which("bwrap") is None:
        return False
    python = [sys.executable, "-I", "-c", ""]
    with tempfile.TemporaryDirectory() as own:
        tried = subprocess.run([*bubblewrap(own, Limits()), *python], capture_output=True, check=False)
    return tried.returncode == 0


def in_container() -> bool:
    return any(Path(file).exists() for file in ("/.dockerenv", "/run/.containerenv")) or "container" in os.environ


def pythons() -> list[str]:
    """The folders that Python, its packages and their libraries are in, without those that others contain."""
    import torch

    found = {sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix), str(Path(torch.__file__).parents[1])}
    found |= {str(Path(os.path.realpath(sys.executable)).parents[1])}
    kept = [path for path in sorted(found) if not any(path.startswith(other + "/") for other in found)]
    return [path for path in kept if not path.startswith(("/usr/", "/bin/")) and path != "/usr"]


def bubblewrap(own: str, limits: Limits) -> list[str]:
    """The command line that runs a program in a sandbox: read-only Python, an empty /tmp, no network."""
    line = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    for name, value in ENVIRONMENT.items():
        line += ["--setenv", name, value]
    for path in SYSTEM:
        if os.path.islink(path):
            line += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            line += ["--ro-bind", path, path]
    line += ["--proc", "/proc", "--dev", "/dev"]
    for path in pythons():
        line += ["--ro-bind", path, path]
    line += ["--ro-bind", str(HERE / "inside"), "/grading/inside"]
    if size_is_known():
        line += ["--size", str(limits.folder)]
    return [*line, "--tmpfs", "/tmp", "--dir", OWN, "--hostname", "grading", "--chdir", "/grading"]


@functools.cache
def size_is_known() -> bool:
    """Whether this bubblewrap can limit the size of a folder in memory; versions before 0.9 cannot."""
    return "--size" in subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False).stdout


def command(kind: str, own: str, orders: int, limits: Limits) -> list[str]:
    """The command line of the process that forks one for each exercise."""
    folder = OWN if kind == "bubblewrap" else own
    sources = {"bubblewrap": "/grading", "container": os.path.dirname(own), "unsafe": str(HERE)}[kind]
    options = ["--orders", str(orders), "--own", folder, "--seconds", str(limits.seconds)]
    python = [sys.executable, "-s", "-P", "-c", START.format(sources)]
    program = [*python, *options, "--gigabytes", str(limits.gigabytes)]
    return [*bubblewrap(own, limits), *program] if kind == "bubblewrap" else program


def readable_copy(folder: Path, copy: Path) -> None:
    """A copy of a folder that every user can read, even if that one is closed to them."""
    shutil.copytree(folder, copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


START = "import sys; sys.path.insert(0, {!r}); from inside.zygote import main; main()"


class Sandbox:
    """The processes of one submission. `spawn` starts one for an exercise; only one runs at a time."""

    def __init__(self, kind: str, limits: Limits):
        self.kind, self.limits = kind, limits
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
        own = os.path.join(self.folder.name, "own")
        os.mkdir(own)
        self.orders, theirs = socket.socketpair()
        self.orders.settimeout(120)
        options = {}
        if self.kind == "container":  # another user, who cannot read the grader's sources
            os.chmod(self.folder.name, 0o755)
            readable_copy(HERE / "inside", Path(self.folder.name) / "inside")
            os.chown(own, UNPRIVILEGED, UNPRIVILEGED)
            options = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
        self.process = subprocess.Popen(
            command(self.kind, own, theirs.fileno(), self.limits),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=own,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            **options,
        )
        theirs.close()
        if self.answer() != b"ready":
            told = self.process.stderr.read().decode(errors="replace")[-2000:]
            self.stop()
            raise NoSandbox(f"The sandbox did not start: {told}")

    def answer(self) -> bytes:
        try:
            return self.orders.recv(16)
        except OSError:
            return b""

    def spawn(self) -> tuple[int, int]:
        """A new process: the socket for messages to it, and the end of the pipe with what it prints."""
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.start()
        messages, theirs = socket.socketpair()
        output, theirs_output = os.pipe()
        socket.send_fds(self.orders, [b"spawn"], [theirs.fileno(), theirs_output])
        theirs.close()
        os.close(theirs_output)
        return messages.detach(), output

    def end(self, kill: bool = False) -> int | None:
        """The signal that ended the process, or -1 if none did; None if it is unknown."""
        try:
            self.orders.send(b"kill" if kill else b"end")
            return int(self.answer() or b"x")
        except (OSError, ValueError):
            self.stop()
            return None

    def stop(self) -> None:
        if self.process is None:
            return
        self.orders.close()  # after which it ends
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()
        self.folder.cleanup()
        self.process = None

    def __exit__(self, *error) -> None:
        self.stop()
