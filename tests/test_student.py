"""What goes into the students' zip."""

import shutil
import subprocess
import zipfile

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from ci import student


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A small clone of a course, in which more lies than the course."""
    root, secret = tmp_path / "clone", tmp_path / "home" / "key"
    for file in ("helpers/a.py", "data/model.json", "data/make.py", "data/link.txt", "docs/glossary.md", "LICENSE"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("the course's own")
    (root / "requirements.txt").touch()
    (root / "ci").mkdir()
    (root / "ci" / "install.py").touch()
    (root / "pyproject.toml").touch()
    (root / "notebooks").mkdir()
    git = ["git", "-C", str(root)]
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run([*git, *command], check=True)
    secret.parent.mkdir()
    for file in (secret, root / "helpers" / ".env", root / "data" / "grades.csv"):
        file.write_text("secret")
    (root / "helpers" / "key").symlink_to(secret)
    (root / "data" / "link.txt").unlink()
    (root / "data" / "link.txt").symlink_to(secret)
    monkeypatch.setattr(student, "ROOT", root)
    return root


def test_only_the_courses_own_files_go_out(clone, tmp_path):
    student.write(tmp_path / "student")
    archive = shutil.make_archive(str(tmp_path / "student"), "zip", tmp_path, "student")
    with zipfile.ZipFile(archive) as opened:
        files = {name.removeprefix("student/"): opened.read(name) for name in opened.namelist() if name[-1] != "/"}
    own = {"LICENSE", "README.md", "requirements.txt", "pyproject.toml", "docs/glossary.md", "ci/install.py"}
    assert files.keys() == own | {"helpers/a.py", "data/model.json"}
    assert not any(b"secret" in content for content in files.values())


def test_an_image_that_a_notebook_shows_goes_out_with_it(clone, tmp_path):
    (clone / "docs" / "paths.png").write_text("an image")
    (clone / "docs" / "other.png").write_text("an image for the README")
    title = new_markdown_cell("# A title\n\n![Two paths](../docs/paths.png)")
    nbformat.write(new_notebook(cells=[title]), clone / "notebooks" / "c1.ipynb")
    student.write(tmp_path / "student")
    assert sorted(file.name for file in (tmp_path / "student" / "docs").iterdir()) == ["glossary.md", "paths.png"]


def test_without_git_it_says_what_is_wanted(clone, tmp_path):
    shutil.rmtree(clone / ".git")
    with pytest.raises(SystemExit, match=r"git cannot list the course's files in .*clone: wanted a clone"):
        student.write(tmp_path / "student")
