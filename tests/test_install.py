"""Installing: PyTorch's small build where it is enough, from an index served here; PyPI's if that does not answer."""

import http.server
import os
import runpy
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from functools import partial
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest

from ci import install, smoke

PACKAGES = {"torch": "2.99.0+cpu", "torchvision": "0.99.0+cpu"}


def save_wheel(folder: Path, name: str, version: str) -> None:
    """A wheel of an empty module that needs a package which no index has."""
    folder.mkdir(parents=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: absent\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A small index of CPU builds on this computer, in place of PyTorch's."""
    for name, version in PACKAGES.items():
        save_wheel(tmp_path / "whl" / "cpu" / name, name, version)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "whl")
    monkeypatch.setattr(handler.func, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(install, "PYTORCH_INDEX", f"http://127.0.0.1:{server.server_address[1]}")
        yield
        server.shutdown()


@pytest.fixture
def unreachable(monkeypatch):
    """An index that refuses the connection."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setattr(install, "PYTORCH_INDEX", f"http://127.0.0.1:{port}")


@pytest.fixture
def silent(monkeypatch):
    """An index that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(install, "PYTORCH_INDEX", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An environment, which takes seconds to make."""
    return install.environment(tmp_path_factory.mktemp("environment")).parent.parent


@pytest.fixture
def environment(made):
    """An environment without torch."""
    yield made
    for place in (made / "lib").rglob("torch*"):
        shutil.rmtree(place) if place.is_dir() else place.unlink()


@pytest.fixture
def commands(monkeypatch):
    """The commands that would have asked PyPI, or made an environment, which are noted and not run.

    No setting of pip or uv is in the way.
    """
    run, noted = subprocess.run, []

    def offline(command, **options):
        if {"-e", "--upgrade", "venv"} & set(command):
            noted.append(list(map(str, command)))
            return SimpleNamespace(returncode=0)
        return run(command, **options)

    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(install.subprocess, "run", offline)
    return noted


@pytest.fixture
def laptop(monkeypatch):
    """A computer on Linux without a GPU and without uv."""
    monkeypatch.setattr(install.sys, "platform", "linux")
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    monkeypatch.setattr(install.Path, "exists", lambda path: False)


def version_in(environment: Path, package: str) -> str | None:
    """The version of a package in an environment."""
    code = f"from importlib.metadata import distributions as d; print(*[x.version for x in d(name={package!r})])"
    python = install.python_of(environment)
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() or None


# ---- the two branches ----------------------------------------------------------------------------------------------


def test_without_a_gpu_the_cpu_build_comes_from_pytorchs_index_alone(index, laptop, commands, environment, capfd):
    assert install.main([str(environment)]) == 0
    assert {name: version_in(environment, name) for name in PACKAGES} == PACKAGES
    assert version_in(environment, "absent") is None  # that index is asked for nothing else
    assert "Installing PyTorch's CPU build, from http://127.0.0.1" in capfd.readouterr().out
    python = str(install.python_of(environment))
    assert commands[-1] == [python, "-m", "pip", "install", "--no-compile", "-e", str(install.ROOT)]


def test_where_that_index_is_unreachable_pypis_build_is_installed_with_one_sentence(
    unreachable, laptop, commands, environment, capfd
):
    assert install.main([str(environment)]) == 0
    out = capfd.readouterr().out
    assert out.count("That failed, so PyPI's PyTorch is installed, which works as well but takes 5 GB.") == 1
    assert commands[-1][-2:] == ["-e", str(install.ROOT)]
    assert version_in(environment, "torch") is None


def test_an_index_that_never_answers_is_given_up(silent, laptop, commands, environment, capfd, monkeypatch):
    assert 2 * int(install.IMPATIENT["PIP_DEFAULT_TIMEOUT"]) <= 20 and install.IMPATIENT["PIP_RETRIES"] == "1"
    monkeypatch.setitem(install.IMPATIENT, "PIP_DEFAULT_TIMEOUT", "1")
    assert install.main([str(environment)]) == 0
    assert "That failed, so PyPI's PyTorch is installed" in capfd.readouterr().out
    assert commands[-1][-2:] == ["-e", str(install.ROOT)]


def test_a_build_that_was_asked_for_by_name_is_not_replaced(unreachable, laptop, commands, environment):
    with pytest.raises(SystemExit, match=r"PyTorch's cpu build could not be installed.*TORCH=default takes PyPI's"):
        install.main([str(environment), "--torch", "cpu"])
    assert not any("-e" in command for command in commands)


# ---- which build, and with what ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "platform, tool, driver, build",
    [
        ("linux", None, False, "cpu"),
        ("linux", "/usr/bin/nvidia-smi", False, "default"),
        ("linux", None, True, "default"),
        ("darwin", None, False, "default"),
        ("win32", None, False, "default"),
        ("win32", "nvidia-smi.exe", False, "default"),
    ],
)
def test_the_cpu_build_is_for_linux_without_a_gpu(platform, tool, driver, build, monkeypatch):
    monkeypatch.setattr(install.sys, "platform", platform)
    monkeypatch.setattr(install.shutil, "which", lambda name: tool)
    monkeypatch.setattr(install.Path, "exists", lambda path: driver)
    assert install.build_for_this_computer() == build


@pytest.fixture
def noted(monkeypatch):
    """All commands, none of which is run, with their environment variables."""
    calls = []

    def run(command, **options):
        calls.append((list(map(str, command)), options.get("env", {})))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(install.subprocess, "run", run)
    return calls


def test_uv_installs_where_it_is_there(noted, laptop, monkeypatch, tmp_path):
    monkeypatch.setattr(install.shutil, "which", {"uv": "/bin/uv"}.get)
    assert install.main([str(tmp_path), "--extras", "browser,site", "--constraints", "constraints.txt"]) == 0
    (venv, _), (torch, environment), (rest, _) = noted
    uv = ["/bin/uv", "pip", "install", "--python", str(install.python_of(tmp_path)), "-c", "constraints.txt"]
    assert venv[1:] == ["-m", "venv", str(tmp_path)]
    assert torch[:9] == [*uv, "--no-deps", "--index-url"][:9] and torch[-2:] == install.torch_requirements()
    assert environment["UV_HTTP_RETRIES"] == "1" and environment["UV_HTTP_TIMEOUT"] == "8"
    assert rest == [*uv, "-e", f"{install.ROOT}[browser,site]"]


def test_the_default_build_takes_no_step_of_its_own(noted, laptop, tmp_path):
    assert install.main([str(tmp_path), "--torch", "default"]) == 0
    assert not any("--index-url" in command for command, _ in noted)


@pytest.mark.parametrize("build, folder", [("cpu", "cpu"), ("cuda", "cu130")])
def test_a_build_has_a_folder_of_pytorchs_index(build, folder, noted, laptop, tmp_path):
    assert install.main([str(tmp_path), "--torch", build]) == 0
    (command,) = [command for command, _ in noted if "--index-url" in command]
    assert command[command.index("--index-url") + 1] == f"https://download.pytorch.org/whl/{folder}"


def test_torch_is_installed_in_the_range_that_is_required():
    torch, torchvision = install.torch_requirements()
    assert torch.startswith("torch>=2.") and torchvision.startswith("torchvision>=0.")
    lines = (install.ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {torch, torchvision} <= {line.partition(" #")[0] for line in lines}


def test_an_unknown_build_is_an_error(capsys):
    with pytest.raises(SystemExit):
        install.main(["--torch", "rocm"])
    assert "invalid choice: 'rocm'" in capsys.readouterr().err


def test_an_environment_that_cannot_be_made_is_an_error(tmp_path, capfd):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="file could not be made: see above"):
        install.main([str(tmp_path / "file")])


def test_an_older_python_is_told_what_is_wanted(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit, match=r"is Python 3\.9; wanted 3\.11 or newer.*make PYTHON=python3\.12 course"):
        runpy.run_path(str(install.ROOT / "ci" / "install.py"))


def test_pythons_place_on_windows(monkeypatch):
    monkeypatch.setattr(install.os, "name", "nt")
    environment = PureWindowsPath(r"C:\course\.venv")
    assert install.python_of(environment) == PureWindowsPath(r"C:\course\.venv\Scripts\python.exe")


# ---- the smoke test ------------------------------------------------------------------------------------------------


def test_downloads_are_what_pip_says_and_what_lies_in_a_folder(tmp_path):
    (tmp_path / "torch-2.0-py3-none-any.whl").write_bytes(bytes(3_000_000))
    said = f"""\
Collecting numpy>=1.26 (from diffusion-course-kit==0.1.0)
  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.9 MB)
  Using cached filelock-4.3.1-py3-none-any.whl (20 kB)
  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (6.6 kB)
Requirement already satisfied: torch>=2.10 (99.9 MB)
Processing {tmp_path}/torch-2.0-py3-none-any.whl (from diffusion-course-kit==0.1.0)
Processing {tmp_path}
"""
    assert smoke.downloaded(said) == pytest.approx(16.9 + 0.02 + 0.0066 + 3)


def test_uv_says_it_in_another_way():
    said = "Downloading torch (2.0MiB)\nDownloading scipy (1.0GiB)\n"
    assert smoke.downloaded(said) == pytest.approx(1075.84, rel=1e-3)


def test_a_command_that_fails_ends_the_smoke_test(tmp_path, capsys):
    with pytest.raises(SystemExit, match="failed with status 3"):
        smoke.echo([sys.executable, "-c", "print('why'); raise SystemExit(3)"], tmp_path)
    assert capsys.readouterr().out == "why\n"


def test_the_size_of_a_folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(bytes(1_500_000))
    (tmp_path / "b").write_bytes(bytes(500_000))
    assert smoke.size(tmp_path) == pytest.approx(2)


@pytest.mark.parametrize("downloads, disk, status", [(700, 2500, 0), (701, 100, 1), (100, 2501, 1)])
def test_more_than_the_budget_is_an_error(downloads, disk, status, laptop, monkeypatch, capsys):
    monkeypatch.setattr(smoke.subprocess, "run", lambda *_, **__: None)
    monkeypatch.setattr(smoke, "echo", lambda *_: f"  Downloading all.whl ({downloads} MB)\n")
    monkeypatch.setattr(smoke, "size", lambda folder: disk)
    monkeypatch.setattr(sys, "argv", ["smoke"])
    assert smoke.main() == status
    out, err = capsys.readouterr()
    assert f"{downloads} MB of downloads, {disk} MB of disk" in out
    assert bool(err) == bool(status)
