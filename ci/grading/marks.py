"""The marks of one submission: each exercise is measured in a process of its own, and judged here."""

import base64
import time
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from helpers.checks import EXERCISES
from helpers.checks.exercise import Exercise, Verdict, compare, known, measured_within
from helpers.checks.faults import Fault
from helpers.checks.measured import Measured, agree
from helpers.checks.running import usual_state, within

from .cells import Written, find_written
from .connection import Connection, Forbidden
from .library import KITS_OWN, sources_without
from .originality import is_the_kits, text_of
from .sandbox import Sandbox
from .submissions import Submission

__all__ = ["BadPoints", "Graded", "Mark", "Points", "grade", "read_points", "same_code"]

POINTS = Path(__file__).parent / "points.toml"
SAID = {
    "right": "All {seen} checks passed.",
    "missing": "Nothing was handed in for this exercise.",
    "not written": "It is not written yet.",
}
LIMITS_EXCEEDED = ("endless loop", "too much memory", "prints too much", "killed", "process ended")


class BadPoints(Exception):
    """A file of points that cannot be used; the text says why."""


@dataclass(frozen=True)
class Points:
    """The points of each exercise that is graded, and the share of them that a wrong answer can get."""

    points: dict[str, float]
    wrong: float = 0.5


def read_points(file: Path = POINTS) -> Points:
    """The points in a TOML file. Raises a BadPoints for anything else than exercises with numbers."""
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadPoints(f"POINTS is {file}, which cannot be read: {error}") from None
    points, wrong = table.get("points"), table.get("wrong", 0.5)
    if not isinstance(points, dict) or not points:
        raise BadPoints(f"{file} has no table [points]; wanted lines such as forward = 2.")
    unknown = [name for name in points if name not in EXERCISES]
    if unknown:
        raise BadPoints(f"{file} has points for {', '.join(unknown)}; wanted some of {', '.join(EXERCISES)}.")
    for name, value in [*points.items(), ("wrong", wrong)]:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e6:
            raise BadPoints(f"{file} has {name} = {value!r}; wanted a number that is not negative.")
    if wrong > 1:
        raise BadPoints(f"{file} has wrong = {wrong}; wanted a share between 0 and 1.")
    return Points({name: float(value) for name, value in points.items()}, float(wrong))


@dataclass
class Mark:
    """The mark of one exercise.

    status: "right", "wrong", "not written", "missing", "kit's own" or "forbidden". share: of the measurements that
    agree with the right ones. say: the sentences for the student. image: a data URI, or "". fault: the name of the
    mistake, if it has one. text and size: the fingerprint of the code, and its length.
    """

    exercise: str
    section: str
    status: str
    points: float
    most: float
    say: str
    share: float = 0.0
    seconds: float = 0.0
    image: str = ""
    fault: str = ""
    text: str = ""
    size: int = 0


@dataclass
class Graded:
    """A submission's marks. forbidden: the sentence for a forbidden act, for which the whole submission gets zero."""

    name: str
    marks: list[Mark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    forbidden: str = ""
    seconds: float = 0.0

    @property
    def score(self) -> float:
        return round(sum(mark.points for mark in self.marks), 2)

    @property
    def most(self) -> float:
        return round(sum(mark.most for mark in self.marks), 2)

    def as_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict) -> "Graded":
        return cls(**{**saved, "marks": [Mark(**mark) for mark in saved["marks"]]})


def grade(submission: Submission, points: Points, sandbox: Sandbox, find=find_written) -> Graded:
    """Grade all exercises. A forbidden act in one of them takes the points of all."""
    graded, start = Graded(submission.name, notes=list(submission.notes)), time.monotonic()
    for name, most in points.points.items():
        exercise = EXERCISES[name]
        mark = Mark(name, exercise.section, "missing", 0.0, most, "")
        before = time.monotonic()
        try:
            fill_in(mark, exercise, find(submission, exercise), sandbox, points.wrong)
        except Forbidden as act:
            mark.status, mark.points, mark.say = "forbidden", 0.0, str(act)
            graded.forbidden = graded.forbidden or f"{str(act).rstrip('.')} (in {name})."
        mark.seconds = round(time.monotonic() - before, 2)
        if mark.fault in LIMITS_EXCEEDED:
            graded.notes.append(f"In {name}: {mark.say}")
        graded.marks.append(mark)
    if graded.forbidden:
        for mark in graded.marks:
            mark.points = 0.0
    graded.seconds = round(time.monotonic() - start, 2)
    return graded


def fill_in(mark: Mark, exercise: Exercise, written: Written, sandbox: Sandbox, wrong: float) -> None:
    """Judge one exercise."""
    if written.problem:
        mark.status, mark.say = written.problem
        if mark.status == "forbidden":
            raise Forbidden(mark.say)
        return
    text = text_of(exercise, written.definition, whole=written.course != "kit")
    mark.text, mark.size = text.fingerprint, text.size
    if is_the_kits(exercise, text):
        mark.status = "kit's own"
        mark.say = f"It is the kit's own {exercise.kit.rpartition('.')[2]}, word for word but for the names."
        return
    verdict, mark.share = judge(exercise, written, sandbox)
    mark.status, mark.say, mark.fault = verdict.status, verdict.say, verdict.mistake or ""
    if verdict.status == "not written" and verdict.say.startswith(KITS_OWN):
        mark.status = "kit's own"
        mark.say = f"It calls {verdict.say}, which is what you are asked to write."
    elif verdict.status in SAID:
        mark.say = f"{SAID[verdict.status].format(seen=verdict.seen)} {verdict.say}".strip()
    if mark.status == "right":
        mark.points = mark.most
    elif mark.status == "wrong":
        mark.points = round(mark.most * wrong * mark.share, 2)
        mark.image = image_of(verdict)


def judge(exercise: Exercise, written: Written, sandbox: Sandbox) -> tuple[Verdict, float]:
    """The verdict on a student's function in a process of its own, and the share of what was measured right."""
    connection = Connection(sandbox, sources_without(exercise))
    try:
        with usual_state():
            found = measurements(connection, exercise, written)
    finally:
        connection.close()
    if isinstance(connection.over, Forbidden):
        raise connection.over
    with usual_state():
        return within(None, lambda: (compare(exercise, found), share(exercise, found)))


def measurements(connection: Connection, exercise: Exercise, written: Written) -> list[Measured]:
    """What the exercise's probe measures of the student's function; or the error that its cell raises."""
    try:
        (function,) = connection.load(written.cells, [written.name], written.course, exercise.name)
        if not callable(function):
            raise Fault("no function", f"{written.name} is a {type(function).__name__}; wanted a function or a class.")
    except Fault as fault:
        return [Measured("", fault)]
    return measured_within(None, exercise.probe, function)


def share(exercise: Exercise, found: list) -> float:
    """Of all measurements of a right function, the share that agree with those found."""
    wanted = [(i, right) for i, right in enumerate(known(exercise.probe, exercise.right)) if not right.warns]
    agreed = sum(i < len(found) and agree(found[i], right) for i, right in wanted)
    return round(agreed / max(len(wanted), 1), 4)


def image_of(verdict: Verdict) -> str:
    """The result beside the right one, as a data URI; "" if they are no images."""
    graphic = verdict.image()
    png = None if graphic is None else graphic._repr_png_()
    return f"data:image/png;base64,{base64.b64encode(png).decode()}" if png else ""


def same_code(everyone: list[Graded], least: int = 60) -> list[tuple[str, int, list[str]]]:
    """(exercise, length in nodes, names) for each answer that several submissions share, up to their local names."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for graded in everyone:
        for mark in graded.marks:
            if mark.size >= least and mark.status in ("right", "wrong"):
                found.setdefault((mark.exercise, mark.text, mark.size), []).append(graded.name)
    return [(exercise, size, names) for (exercise, _, size), names in found.items() if len(names) > 1]
