"""The first cell of every notebook, which fetches the course on Colab and Kaggle, and the badges that lead there."""

import functools
import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from packaging.requirements import Requirement

from ci import badges, hosted

HOSTS = {"COLAB_RELEASE_TAG": "release", "KAGGLE_KERNEL_RUN_TYPE": "Interactive"}
PREPARE = "def prepare():\n    with open({log!r}, 'a') as log: log.write('prepared ')\n"


@pytest.fixture
def computer(tmp_path, monkeypatch):
    """A home folder, and a repository that git finds when it is asked for somebody/a-fork on GitHub."""
    served = tmp_path / "served"
    (served / "ci").mkdir(parents=True)
    (served / "ci" / "hosted.py").write_text(PREPARE.format(log=str(tmp_path / "log")))
    git = ["git", "-C", str(served), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "1"], ["branch", "v1"]):
        subprocess.run([*git, *command], check=True)
    for name in HOSTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{served.as_uri()}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/somebody/a-fork")
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.split(".")[0] == "ci"]:
        monkeypatch.delitem(sys.modules, name)  # the cell imports the ci/ that it fetched
    return tmp_path


def run_cell(repo="", ref=""):
    exec(badges.hosted_source(repo, ref), {})


def test_elsewhere_the_first_cell_does_nothing(computer):
    run_cell("somebody/a-fork", "main")
    assert not (computer / "course").exists() and not (computer / "log").exists()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("ref", ["main", "v1"])
def test_on_a_host_it_fetches_the_revision_once_and_prepares_each_time(host, ref, computer, monkeypatch):
    monkeypatch.setenv(host, HOSTS[host])
    run_cell("somebody/a-fork", ref)
    head = (computer / "course" / ".git" / "HEAD").read_text()
    (computer / "course" / "mine.txt").touch()
    run_cell("somebody/a-fork", ref)
    assert head == f"ref: refs/heads/{ref}\n"
    assert (computer / "course" / "mine.txt").exists()  # not fetched a second time
    assert (computer / "log").read_text() == "prepared prepared "


@pytest.mark.parametrize("is_folder", [True, False])
def test_on_a_host_another_course_in_its_place_is_reported_and_kept(is_folder, computer, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    other = computer / "course" / "essay.txt" if is_folder else computer / "course"
    other.parent.mkdir(exist_ok=True)
    other.write_text("mine")
    with pytest.raises(AssertionError, match="course is not the course: rename it, then run this again"):
        run_cell("somebody/a-fork", "main")
    assert other.read_text() == "mine"


def test_on_a_host_a_copy_without_a_repository_says_so(computer, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    with pytest.raises(AssertionError, match=r"does not know its repository: .* `make badges`\."):
        run_cell()
    assert not (computer / "course").exists()


def test_on_a_host_a_clone_that_is_there_serves_a_copy_without_a_repository(computer, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    run_cell("somebody/a-fork", "main")
    run_cell()
    assert (computer / "log").read_text() == "prepared prepared "


def test_a_revision_that_is_not_there_stops_the_cell(computer, monkeypatch, capfd):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            run_cell("somebody/a-fork", "v2")
    assert "v2 not found" in capfd.readouterr().err


# What is installed


@pytest.fixture
def there(monkeypatch):
    """The packages that are installed, by name; and the commands that were run."""
    packages, commands = {"torch": "2.11.0+cu128", "numpy": "2.1.3", "pillow": "11.3.0"}, []
    monkeypatch.setattr(hosted, "version", packages.get)
    monkeypatch.setattr(hosted.subprocess, "run", lambda command, check: commands.append(command))
    return packages, commands


def test_only_what_is_missing_or_too_old_is_installed_and_torch_is_held(there, capsys):
    packages, commands = there
    packages["tqdm"] = "4.1"
    wanted = [Requirement(entry) for entry in ("torch>=2.4", "numpy>=1.26", "pillow>=11", "tqdm>=4.66", "absent>=1")]
    hosted.install(hosted.missing(wanted))
    (command,) = commands
    assert command[:5] == [sys.executable, "-m", "pip", "install", "--quiet"]
    assert command[5:] == ["tqdm>=4.66", "absent>=1", "torch==2.11.0+cu128", "numpy==2.1.3"]
    assert capsys.readouterr().out == "Installed tqdm>=4.66, absent>=1.\n"


def test_when_nothing_is_missing_pip_is_not_called(there):
    hosted.install(hosted.missing([Requirement("torch>=2.4"), Requirement("pillow>=11")]))
    assert there[1] == []


def test_a_torch_that_is_too_old_is_left_alone(there):
    with pytest.raises(RuntimeError, match=r"has torch 2\.11\.0\+cu128; wanted torch>=3\. Choose a newer runtime"):
        hosted.missing([Requirement("torch>=3")])


def test_a_failing_pip_is_explained(there, monkeypatch):
    def fail(command, check):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(hosted.subprocess, "run", fail)
    with pytest.raises(RuntimeError, match=r"pip could not install absent; it says why above.*Internet"):
        hosted.install([Requirement("absent")])


def test_prepare_goes_to_the_notebooks_and_finds_helpers(monkeypatch, tmp_path):
    monkeypatch.setattr(hosted, "install", lambda requirements: None)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(hosted.ROOT)])
    monkeypatch.chdir(tmp_path)
    hosted.prepare()
    assert sys.path[0] == str(hosted.ROOT) and os.getcwd() == str(hosted.ROOT / "notebooks")


# Badges


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of one executed notebook, that `make badges` writes to."""
    cells = [new_markdown_cell("# 1 · One\n\n*Ten minutes.*"), new_code_cell("x = 1", execution_count=1)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "a1.ipynb")
    monkeypatch.setattr(badges, "NOTEBOOKS", tmp_path)
    return tmp_path


def cells(folder):
    return nbformat.read(folder / "a1.ipynb", as_version=4).cells


def test_badges_open_the_fork_and_are_replaced_by_the_next(folder):
    badges.main(["a/first"])
    badges.main(["somebody/a-fork", "--ref", "v1"])
    title, hosted_cell, code = cells(folder)
    assert "a/first" not in title.source + hosted_cell.source
    assert title.source.startswith("# 1 · One\n\n[![Open in Colab]") and title.source.endswith("\n\n*Ten minutes.*")
    page = "somebody/a-fork/blob/v1/notebooks/a1.ipynb)"
    assert f"(https://colab.research.google.com/github/{page}" in title.source
    assert f"(https://kaggle.com/kernels/welcome?src=https://github.com/{page}" in title.source
    assert 'repository, revision = "https://github.com/somebody/a-fork", "v1"' in hosted_cell.source
    assert code.source == "x = 1" and code.execution_count == 1  # nothing was executed


def test_an_executed_first_cell_keeps_its_number_or_the_forks_tests_would_fail(folder):
    badges.main(["a/first"])
    notebook = nbformat.read(folder / "a1.ipynb", as_version=4)
    notebook.cells[1].execution_count, notebook.cells[2].execution_count = 1, 2
    nbformat.write(notebook, folder / "a1.ipynb")
    badges.main(["somebody/a-fork"])
    assert [cell.execution_count for cell in cells(folder)[1:]] == [1, 2]


def test_images_in_the_text_come_from_the_repository_and_a_clone_has_them_beside(folder):
    text = "# 1 · One\n\n![Digits](../docs/digits.png) and [a glossary](../docs/glossary.md)"
    write = functools.partial(badges.title_source, name="a1")
    of_first = write(text, repo="a/first", ref="main")
    assert (
        "![Digits](https://raw.githubusercontent.com/a/first/main/docs/digits.png) and [a glossary](../docs/"
        in of_first
    )
    of_second = write(of_first, repo="b/second", ref="v1/x")
    assert "(https://raw.githubusercontent.com/b/second/v1/x/docs/digits.png)" in of_second
    assert badges.images_from(badges.BESIDE, of_second).endswith(text.partition("\n\n")[2])
    assert write(of_second) == text


def test_clearing_takes_everything_back_and_is_idempotent(folder):
    badges.main(["--clear"])
    cleared = (folder / "a1.ipynb").read_text(encoding="utf-8")
    badges.main(["somebody/a-fork"])
    badges.main(["--clear"])
    assert (folder / "a1.ipynb").read_text(encoding="utf-8") == cleared
    assert cells(folder)[0].source == "# 1 · One\n\n*Ten minutes.*"
    assert len(cells(folder)) == 3


@pytest.mark.parametrize(
    "arguments, wanted",
    [
        ([""], "REPO is ''; wanted owner/name"),
        (["https://github.com/a/b"], "REPO is 'https://github.com/a/b'; wanted owner/name"),
        (["a/b", "--ref", "0123456789" * 4], "wanted a branch or a tag"),
        (["a/b", "--ref", "--x"], "expected one argument"),
        (["a/b", "--ref", 'x"y'], "wanted a branch or a tag"),
    ],
)
def test_what_is_wanted_is_said(arguments, wanted, folder, capsys):
    before = (folder / "a1.ipynb").read_bytes()
    with pytest.raises(SystemExit):
        badges.main(arguments)
    assert wanted in capsys.readouterr().err
    assert (folder / "a1.ipynb").read_bytes() == before
