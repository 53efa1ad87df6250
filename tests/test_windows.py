"""What would fail on Windows and can be seen from here: calls that only POSIX has, file names, paths."""

import ast
import subprocess
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from helpers import checksums, hub, prompts, stages

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "helpers").rglob("*.py"))
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {
    *("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "alarm", "setitimer", "pthread_kill"),
    *("chown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getppid", "getuid", "killpg", "mkfifo", "nice"),
    *("setsid", "statvfs", "sysconf", "uname", "wait3", "wait4", "sched_setaffinity", "O_DIRECTORY", "O_NOFOLLOW"),
    *("link", "symlink", "symlink_to", "hardlink_to", "readlink"),  # Windows asks for a permission
}


def posix_only(code: str) -> list[str]:
    """The modules and names in a piece of code that Windows does not have."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in POSIX_MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = {alias.name for alias in node.names} & POSIX_NAMES
            found += [node.module] if node.module.split(".")[0] in POSIX_MODULES else sorted(names)
        elif isinstance(node, ast.Attribute) and node.attr in POSIX_NAMES:
            found.append(node.attr)
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_the_library_calls_nothing_that_only_posix_has(file):
    assert posix_only(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "code, wanted",
    [
        ("import resource", ["resource"]),
        ("from fcntl import flock", ["fcntl"]),
        ("from os import fork, path", ["fork"]),
        ("signal.signal(signal.SIGALRM, f)", ["SIGALRM"]),
        ("Path('a').symlink_to('b')", ["symlink_to"]),
        ("from .resource import x\nos.replace(a, b)", []),
    ],
)
def test_the_search_sees_them(code, wanted):
    assert posix_only(code) == wanted


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_text_is_read_and_written_as_utf_8(file):
    """Windows' own encoding has no ᾱ."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("read_text", "write_text"):
            named = {keyword.arg for keyword in node.keywords}
            assert "encoding" in named, f"{file.name}:{node.lineno} names no encoding"


def test_every_file_has_a_name_that_windows_takes():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, encoding="utf-8")
    names = [name for name in listed.stdout.split("\0") if name]
    if not names:
        pytest.skip("this is no clone")
    for name in names:
        path = PureWindowsPath(name)
        assert path.as_posix() == name and not path.drive, name
        assert not set(name) & set('<>:"|?*\\'), name
        for part in path.parts:
            assert not part.endswith((".", " ")), name
            assert part.split(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}, name
        assert len(name) < 160, f"{name} leaves too little of Windows' 260 characters"
    assert len({name.lower() for name in names}) == len(names), "two names differ only in upper and lower case"


# ---- paths ---------------------------------------------------------------------------------------------------------

FOLDER = PureWindowsPath(r"C:\course\data\models\mini-if")


@pytest.mark.parametrize(
    "path", [r"C:\models\mine", r"models\mine", r"..\mine", r"\\server\models\mine", "C:/models/mine"]
)
def test_a_windows_path_is_no_name_on_the_hub(path):
    assert not hub.is_hub_name(path) and hub.deepfloyd(path) is None
    with pytest.raises(hub.ModelError, match="there is no model"):
        stages.find_stages(path)


@pytest.mark.parametrize("file", ["model_index.json", "unet/config.json"])
def test_a_list_of_checksums_names_files_with_slashes_on_windows_too(file, monkeypatch):
    monkeypatch.setattr(checksums, "read_sums", lambda folder: {file: "0"} if folder == FOLDER else {})
    assert checksums.places(FOLDER / PureWindowsPath(PurePosixPath(file))) == {FOLDER: file}


def test_a_models_own_folder_keeps_its_prompts_on_windows(monkeypatch):
    monkeypatch.setattr(prompts, "Path", PureWindowsPath)
    monkeypatch.setattr(prompts.constants, "HF_HOME", r"C:\Users\student\.cache\huggingface")
    assert prompts.remembered(str(FOLDER)) == FOLDER
    kept = prompts.remembered("deepfloyd")
    assert kept == PureWindowsPath(r"C:\Users\student\.cache\huggingface\course-prompts\DeepFloyd")
