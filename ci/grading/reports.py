"""What grading writes: a table of marks, JUnit XML, Gradescope's results, and a page for each student."""

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import jinja2

from .marks import Graded, same_code

__all__ = ["file_name", "gradescope", "write_class", "write_student", "write_summary"]

ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)
CONTROL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML cannot hold


def file_name(name: str) -> str:
    """A student's name as that of a folder: letters, digits, and - _ . between them."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:80] or "student"


def write_student(graded: Graded, folder: Path) -> None:
    """results.json for Gradescope and feedback.html, into a student's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(gradescope(graded), indent=1, ensure_ascii=False), "utf-8")
    page = ENVIRONMENT.get_template("feedback.html.j2").render(graded=graded)
    (folder / "feedback.html").write_text(page, "utf-8")


def gradescope(graded: Graded) -> dict:
    """The results as Gradescope reads them from /autograder/results/results.json."""
    about = [*([f"Not graded: {graded.forbidden}"] if graded.forbidden else []), *graded.notes]
    return {
        "score": graded.score,
        "execution_time": round(graded.seconds),
        "output": "\n".join(about),
        "output_format": "text",
        "visibility": "visible",
        "tests": [
            {
                "name": f"{mark.section} {mark.exercise}",
                "score": mark.points,
                "max_score": mark.most,
                "status": "passed" if mark.status == "right" else "failed",
                "output": mark.say,
                "output_format": "text",
                "visibility": "visible",
            }
            for mark in graded.marks
        ],
    }


def write_class(everyone: list[Graded], folder: Path) -> None:
    """marks.csv, marks.xml (JUnit) and same_code.csv, for the whole class."""
    everyone = sorted(everyone, key=lambda graded: graded.name)
    exercises = list(dict.fromkeys(mark.exercise for graded in everyone for mark in graded.marks))
    with open(folder / "marks.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["student", "score", "of", *exercises, "note"])
        for graded in everyone:
            points = {mark.exercise: mark.points for mark in graded.marks}
            note = " ".join([graded.forbidden, *graded.notes]).strip()
            row = [graded.name, graded.score, graded.most, *(points.get(name, "") for name in exercises), note]
            rows.writerow([plain(cell) for cell in row])
    with open(folder / "same_code.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["exercise", "length", "students"])
        for exercise, size, names in same_code(everyone):
            rows.writerow([exercise, size, *map(plain, names)])
    junit(everyone).write(folder / "marks.xml", "utf-8", xml_declaration=True)


def plain(cell):
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def junit(everyone: list[Graded]) -> ElementTree.ElementTree:
    """One suite for each student, one case for each exercise."""
    root = ElementTree.Element("testsuites", name="marks")
    for graded in everyone:
        failed = sum(mark.status != "right" for mark in graded.marks)
        numbers = {"tests": str(len(graded.marks)), "failures": str(failed), "time": str(graded.seconds)}
        suite = ElementTree.SubElement(root, "testsuite", name=legal(graded.name), **numbers)
        for mark in graded.marks:
            case = ElementTree.SubElement(
                suite, "testcase", name=mark.exercise, classname=legal(graded.name), time=str(mark.seconds)
            )
            if mark.status != "right":
                failure = ElementTree.SubElement(case, "failure", type=mark.status, message=legal(mark.say)[:500])
                failure.text = legal(mark.say)
    return ElementTree.ElementTree(root)


def legal(text: str) -> str:
    return CONTROL.sub("?", text)


def write_summary(graded: Graded, file: Path) -> None:
    """The checks as a table in Markdown, for the summary of a GitHub workflow."""
    lines = [f"## {graded.score:g} of {graded.most:g} points", ""]
    lines += [f"> {escaped(note)}" for note in [graded.forbidden, *graded.notes] if note]
    lines += ["", "| | exercise | points | |", "|---|---|---|---|"]
    signs = {"right": "✓", "not written": "…", "missing": "…"}
    for mark in graded.marks:
        sign, points = signs.get(mark.status, "✗"), f"{mark.points:g} / {mark.most:g}"
        lines.append(f"| {sign} | {mark.section} {mark.exercise} | {points} | {escaped(mark.say)} |")
    with open(file, "a", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    text = re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|!~#$])", r"\\\1", text)
