"""Submissions: notebooks, zips of notebooks, or folders with them, read without writing anything to disk."""

import json
import stat
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import nbformat

__all__ = ["Submission", "Unreadable", "find", "read"]

MOST_NOTEBOOK = 50 * 2**20  # bytes of one notebook
MOST_TOGETHER = 200 * 2**20  # bytes of all notebooks of a submission
MOST_FILES = 5000  # in a zip or folder
SKIPPED = ("__MACOSX", ".ipynb_checkpoints")


class Unreadable(Exception):
    """A file that holds no notebook; the text says why."""


@dataclass
class Submission:
    """One student's notebooks.

    name: of the file or folder. notebooks: by file name without .ipynb. notes: what was left out, in sentences.
    """

    name: str
    notebooks: dict[str, nbformat.NotebookNode] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find(folder: Path) -> list[Path]:
    """The submissions in a folder: each notebook, zip or folder in it is one. Links are left out."""
    if not folder.is_dir():
        raise Unreadable(
            f"SUBMISSIONS is {folder}; wanted a folder with a notebook, a zip or a folder for each student."
        )
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "__MACOSX"))]
    return [path for path in entries if not path.is_symlink() and (path.is_dir() or path.suffix in (".ipynb", ".zip"))]


def read(path: Path) -> Submission:
    """The notebooks of a submission. One that cannot be read leaves a note; the others are read all the same."""
    submission = Submission(path.stem if path.is_file() else path.name)
    try:
        if path.is_dir():
            files = files_of_folder(path, submission.notes)
        elif path.suffix == ".zip":
            files = files_of_zip(path, submission.notes)
        else:
            files = {path.name: read_file(path)}
    except (OSError, Unreadable, zipfile.BadZipFile) as error:
        submission.notes.append(f"It cannot be read: {error}")
        return submission
    for name, content in files.items():
        try:
            submission.notebooks[PurePosixPath(name).stem] = parse(content)
        except Unreadable as error:
            submission.notes.append(f"{name[:100]} is no notebook: {error}")
    if not files:
        submission.notes.append("There is no notebook in it.")
    return submission


def files_of_folder(folder: Path, notes: list[str]) -> dict[str, bytes]:
    files, total = {}, 0
    for path in sorted(folder.rglob("*"))[:MOST_FILES]:
        if path.is_symlink() or any(part in SKIPPED or part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_file() and path.suffix == ".ipynb" and folder.resolve() in path.resolve().parents:
            content = read_file(path)
            total += len(content)
            if total > MOST_TOGETHER:
                notes.append(
                    f"Its notebooks have more than {MOST_TOGETHER // 2**20} MB together; the rest was left out."
                )
                break
            keep(files, path.name, content, notes)
    return files


def read_file(path: Path) -> bytes:
    if not stat.S_ISREG(path.lstat().st_mode) or path.stat().st_size > MOST_NOTEBOOK:
        raise Unreadable(f"{path.name} has more than {MOST_NOTEBOOK // 2**20} MB, or is no ordinary file.")
    return path.read_bytes()


def files_of_zip(path: Path, notes: list[str]) -> dict[str, bytes]:
    """The notebooks in a zip. Names are only labels here, so a path such as ../../x leads nowhere."""
    files, total = {}, 0
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_FILES:
            raise Unreadable(f"it holds {len(entries)} files; wanted at most {MOST_FILES}.")
        for entry in entries:
            name = PurePosixPath(entry.filename.replace("\\", "/"))
            if entry.is_dir() or any(part in SKIPPED or part.startswith("._") for part in name.parts):
                continue
            if name.suffix == ".zip":
                notes.append(f"{name.name[:100]} is a zip within the zip, and was not opened.")
            if name.suffix != ".ipynb":
                continue
            try:
                with archive.open(entry) as file:
                    content = file.read(min(MOST_NOTEBOOK, MOST_TOGETHER - total) + 1)
            except (RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
                notes.append(f"{name.name[:100]} cannot be unpacked: {str(error)[:200]}")
                continue
            total += len(content)
            if len(content) > MOST_NOTEBOOK or total > MOST_TOGETHER:
                notes.append(f"{name.name[:100]} is too large, and was left out with all that follows it.")
                break
            keep(files, name.name, content, notes)
    return files


def keep(files: dict[str, bytes], name: str, content: bytes, notes: list[str]) -> None:
    if name in files:
        notes.append(f"There are two notebooks named {name[:100]}; the first was taken.")
    files.setdefault(name, content)


def parse(content: bytes) -> nbformat.NotebookNode:
    """A notebook, of any version of the format, without its outputs."""
    try:
        notebook = nbformat.reader.reads(content.decode("utf-8-sig"))
        notebook = nbformat.convert(notebook, 4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell in cells:
            cell.source = "".join(cell.source) if isinstance(cell.source, list) else cell.source
            if not isinstance(cell.source, str) or not isinstance(cell.get("metadata", {}), dict):
                raise Unreadable("a cell of it has no text.")
            cell.outputs = []
    except Unreadable:
        raise
    except (UnicodeDecodeError, json.JSONDecodeError, nbformat.reader.NotJSONError):
        raise Unreadable("it is not JSON in UTF-8.") from None
    except (Exception, RecursionError) as error:
        raise Unreadable(f"it does not follow the format ({type(error).__name__}).") from None
    return notebook
