"""Write badges and the repository's address into the notebooks: `make badges REPO=owner/name [REF=main]`.

The badges under the title open the repository's notebook in Colab or Kaggle. The first code cell has the repository and
the revision that it fetches there, and images of docs/ in the text are linked in the repository. A second run replaces
all of them. No cell is executed, and outputs stay.

    python -m ci.badges owner/name --ref v1.0       a branch or a tag
    python -m ci.badges --clear                     no repository and no badges: for a copy without a public repository
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
TAG = "hosted"  # of the first code cell
CELL = """\
# On Colab and Kaggle, this cell fetches the course and installs what is missing there. Elsewhere it does nothing.
import os
import subprocess
import sys

repository, revision = "{repository}", "{revision}"  # written by `make badges`

if os.environ.keys() & {{"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"}}:
    course = os.path.expanduser("~/course")
    if not os.path.exists(course):
        assert repository, f"This copy does not know its repository: clone it to {{course}}, or run `make badges`."
        subprocess.run(["git", "clone", "-q", "--depth=1", "-b", revision, repository, course], check=True)
    assert os.path.isfile(f"{{course}}/ci/hosted.py"), f"{{course}} is not the course: rename it, then run this again."
    sys.path.insert(0, course)
    from ci.hosted import prepare

    prepare()"""
BADGES = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repo}/blob/{ref}/notebooks/{name}.ipynb)"
    " [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]"
    "(https://kaggle.com/kernels/welcome?src=https://github.com/{repo}/blob/{ref}/notebooks/{name}.ipynb)"
)


BESIDE = "../docs/"  # where a notebook's images are in a clone
RAW = "https://raw.githubusercontent.com/{repo}/{ref}/docs/"  # Colab and Kaggle show no image by a relative link


def hosted_source(repo: str = "", ref: str = "") -> str:
    """The first code cell of every notebook of the repository owner/name."""
    return CELL.format(repository=f"https://github.com/{repo}" if repo else "", revision=ref)


def title_source(source: str, name: str, repo: str = "", ref: str = "") -> str:
    """A notebook's title cell with the repository's badges under its first line, or without badges.

    Its images from docs/ are those of the repository, too, or by relative links without one.
    """
    bare = re.sub(r"\n\n\[!\[Open in Colab\].*", "", source)
    bare = images_from(RAW.format(repo=repo, ref=ref) if repo else BESIDE, bare)
    title, line_end, text = bare.partition("\n")
    return title + ("\n\n" + BADGES.format(repo=repo, ref=ref, name=name) if repo else "") + line_end + text


def images_from(folder: str, source: str) -> str:
    """A notebook's text with its images of docs/ linked in that folder, which may be an address."""
    links = rf"(!\[[^\]]*\])\((?:{re.escape(BESIDE)}|{RAW.format(repo='[^)]*', ref='[^)]*')})"
    return re.sub(links, lambda link: f"{link[1]}({folder}", source)


def write(notebook, name: str, repo: str = "", ref: str = "") -> None:
    """Put badges and the first code cell into a notebook, replacing those of an earlier call."""
    title, *cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    title.source = title_source(title.source, name, repo, ref)
    counts = (cell.execution_count for cell in notebook.cells if TAG in cell.metadata.get("tags", []))
    count = next(counts, None)  # it stays: the cell does the same here
    hosted = new_code_cell(hosted_source(repo, ref), id=TAG, metadata={"tags": [TAG]}, execution_count=count)
    notebook.cells = [title, hosted, *cells]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make badges", description=__doc__.split("\n\n")[0])
    parser.add_argument("repo", nargs="?", default="", help="owner/name on GitHub")
    parser.add_argument("--ref", default="main", help="the branch or tag that the notebooks are opened at")
    parser.add_argument("--clear", action="store_true", help="no repository, no badges")
    args = parser.parse_args(arguments)
    if not args.clear and not re.fullmatch(r"[\w.-]+/[\w.-]+", args.repo):
        parser.error(f"REPO is {args.repo!r}; wanted owner/name, the repository on GitHub: make badges REPO=owner/name")
    if not re.fullmatch(r"[\w][\w./-]*", args.ref) or re.fullmatch(r"[0-9a-f]{40}", args.ref):
        parser.error(f"REF is {args.ref!r}; wanted a branch or a tag, which git can clone")
    repo, ref = ("", "") if args.clear else (args.repo, args.ref)

    files = sorted(NOTEBOOKS.glob("*.ipynb"))
    for file in files:
        notebook = nbformat.read(file, as_version=4)
        write(notebook, file.stem, repo, ref)
        nbformat.write(notebook, file)
    what = f"open {repo} at {ref}" if repo else "know no repository and have no badges"
    print(f"{len(files)} notebooks {what}.")


if __name__ == "__main__":
    sys.exit(main())
