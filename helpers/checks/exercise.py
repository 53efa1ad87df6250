"""Exercises, and the verdict on a student's function.

An exercise has a probe, which calls a function in small cases and yields measurements. The same probe measures `right`,
a reference written plainly from the maths, and the usual mistakes, which are edits of the reference's source. A
function is right if its measurements agree with those of `right`. A mistake is recognised if they agree with those of
the reference with that mistake.
"""

import atexit
import functools
import importlib
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..show import Graphic
from .faults import Fault, NotWritten
from .measured import Measured, agree, difference, distance, image_of
from .running import Subject, kept, usual_state, within

__all__: list[str] = []  # it is for the checks alone

SECONDS = 10.0  # for all cases of a check together; a right function needs about 0.1


class Mistake(NamedTuple):
    """A usual mistake: an edit of the reference, and an explanation.

    Args:
        name: of the mistake.
        piece: a piece of the reference's source, which occurs there exactly once.
        instead: its replacement.
        say: the explanation for the student.
    """

    name: str
    piece: str
    instead: str
    say: str


def alike(name: str, say: str, *edits: tuple[str, str]) -> tuple[Mistake, ...]:
    """One mistake that can be made by several edits (piece, instead)."""
    return tuple(Mistake(name, piece, instead, say) for piece, instead in edits)


@dataclass(frozen=True)
class Exercise:
    """A function or class that the student writes.

    Args:
        name: its name in `check`.
        notebook: where it is.
        kit: the full name of the kit's function, which the notebook uses until the student's is right.
        task: what to write, in a sentence that begins with a verb.
        look: a hint for a function that is wrong in an unknown way.
        probe: calls a Subject, and yields Measured values.
        right: the reference: the function, written from the maths.
        mistakes: the usual mistakes.
        parts: functions and classes that the reference calls and that mistakes may edit, too.
        blank: of a class, the methods that the student writes.
    """

    name: str
    notebook: str
    kit: str
    task: str
    look: str
    probe: Callable[[Subject], Iterator[Measured]]
    right: Callable
    mistakes: tuple[Mistake, ...] = ()
    parts: tuple[Callable, ...] = ()
    blank: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        """The section's number, as in the notebook's title: "1.7.2", "B 2.1" or "C 1"."""
        part, number = self.notebook[0], self.notebook[1:].replace("_", ".")
        return number if part == "a" else f"{part.upper()} {number}"

    def kits_own(self) -> Callable:
        """The kit's function."""
        module, _, name = self.kit.rpartition(".")
        return getattr(importlib.import_module(module), name)

    def wrong(self, mistake: Mistake) -> Callable:
        """The reference with this mistake in it."""
        return (
            mistake.wrong
            if hasattr(mistake, "wrong")
            else edited((*self.parts, self.right), mistake.piece, mistake.instead)
        )


@functools.cache
def edited(parts: tuple[Callable, ...], piece: str, instead: str) -> Callable:
    """The last of these functions or classes, with one piece of their sources replaced.

    All are compiled together, so each calls the edited versions of the others. Raises a ValueError unless the piece
    occurs exactly once in all sources together.
    """
    source = "\n\n".join(map(inspect.getsource, parts))
    if source.count(piece) != 1:
        raise ValueError(f"{piece!r} occurs {source.count(piece)} times in {parts[-1].__name__}; wanted once.")
    namespace: dict = {}
    for part in parts:
        namespace |= vars(sys.modules[part.__module__])
    exec(compile(source.replace(piece, instead), f"<{parts[-1].__name__} with a mistake>", "exec"), namespace)
    return namespace[parts[-1].__name__]


class Verdict(NamedTuple):
    """The result of a check.

    status: "right", "wrong" or "not written".
    mistake: the name of the recognised mistake, or of a warning about a right function.
    say: the explanation.
    seen: the number of measurements.
    mine, right: the first wrong measurement, and the right one.
    """

    status: str
    mistake: str | None
    say: str
    seen: int
    mine: Measured | None = None
    right: Measured | None = None

    def image(self) -> Graphic | None:
        """The result and the right result side by side, if they are images."""
        return None if self.mine is None else within(None, lambda: image_of(self.mine, self.right))


def judge(exercise: Exercise, function: Callable, seconds: float = SECONDS) -> Verdict:
    """Measure a function, and explain what is wrong with it.

    The result does not depend on the caller's settings (precision, gradients, random numbers …), which are restored.
    """
    if not callable(function):
        say = f"That is a {type(function).__name__}; wanted the function itself, without calling it."
        return Verdict("wrong", "no function", say, 0)
    with usual_state():
        found = measured_within(seconds, exercise.probe, function)
    with usual_state():  # again, because the function may have changed it
        try:
            return within(None, lambda: compare(exercise, found))
        except BaseException:  # interrupted, perhaps during a reference's measurements
            known.cache_clear()
            raise


def measured_within(seconds: float, probe: Callable, function: Callable) -> list[Measured]:
    """The probe's measurements of a function, within a time limit."""
    seen: list[Measured] = []
    try:
        within(seconds, lambda: seen.extend(measure(probe, function)))
    except Fault as fault:  # time is up; keep the measurements, except a fault caused by the stop
        found = list(seen)
        if found and isinstance(found[-1].value, Fault):
            found.pop()
        return [*found, Measured("", fault, case=found[-1].case if found else "")]
    return seen


def compare(exercise: Exercise, found: list[Measured]) -> Verdict:
    """The verdict on a function with these measurements."""
    if found and isinstance(found[-1].value, NotWritten):
        return Verdict("not written", None, str(found[-1].value), len(found) - 1)
    wanted = list(known(exercise.probe, exercise.right))
    off = [i for i, right in enumerate(wanted) if i >= len(found) or not agree(found[i], right)]
    first = next((i for i in off if not wanted[i].warns), None)
    if first is None:
        warning = wanted[off[0]] if off else None
        return Verdict("right", warning and warning.name, warning.say if warning else "", len(found))
    return explained(exercise, found, wanted, first)


def explained(exercise: Exercise, found: list[Measured], wanted: list[Measured], first: int) -> Verdict:
    """The verdict on a function whose measurement number `first` is the first wrong one."""
    right = wanted[first]
    early = Measured("", Fault("too little", "It ended too early."), case=right.case)
    mine = found[first] if first < len(found) else early
    mistake = recognise(exercise, found, wanted, first)
    fault = mine.value if isinstance(mine.value, Fault) else None
    if fault and not (mistake and mistake.name != fault.name and is_own_error(fault)):
        name, say = fault.name, fault.say
    elif mistake:
        name, say = mistake.name, f"{mistake.say} ({difference(mine, right)})"
        if fault and fault.name == "NaN":
            say = mistake.say  # which mentions NaN
    elif right.say:
        name, say = right.name, f"{right.say} ({difference(mine, right)})"
    else:
        name, say = None, f"Measured: {difference(mine, right)}. {exercise.look}"
    case = f"Case: {mine.case}. " if mine.case else ""
    return Verdict("wrong", name, case + say, first, mine, right)


def is_own_error(fault: Fault) -> bool:
    """Whether the function raised the error, or computed NaN: a recognised mistake explains more than that."""
    return fault.__cause__ is not None or fault.name == "NaN"


def measure(probe: Callable, function: Callable) -> Iterator[Measured]:
    """A probe's measurements of a function, up to the first Fault, which is then the last of them."""
    subject = Subject(function)
    try:
        for measured in probe(subject):
            yield replace(measured, value=kept(measured.value), case=subject.case)
    except Fault as fault:
        yield Measured("", fault, case=subject.case)
    except Exception as error:  # the probe cannot handle the type of the result
        fault = Fault("wrong type", f"What it returned cannot be used: {type(error).__name__}: {error}")
        yield Measured("", fault, case=subject.case)


class Replay:
    """Caches the items of an iterator, which it advances only as far as needed."""

    def __init__(self, source: Iterator):
        self.source, self.seen = source, []

    def __iter__(self) -> Iterator:
        for i in itertools.count():
            if i == len(self.seen):
                following = list(itertools.islice(self.source, 1))
                if not following:
                    return
                self.seen += following
            yield self.seen[i]


@functools.cache
def known(probe: Callable, function: Callable) -> Replay:
    """The measurements of a reference, with or without a mistake, which are always the same."""
    return Replay(measure(probe, function))


atexit.register(known.cache_clear)  # unfinished generators must be closed before the modules they need


def recognise(exercise: Exercise, found: list[Measured], wanted: list[Measured], first: int) -> Mistake | None:
    """The mistake whose measurements all agree with those found; of several, the nearest."""
    best, least = None, float("inf")
    for mistake in exercise.mistakes:
        try:
            wrong = exercise.wrong(mistake)
        except (ValueError, OSError, SyntaxError):  # helpers/ was edited since it was imported, or has no source here
            continue
        pairs = itertools.zip_longest(found, known(exercise.probe, wrong))
        off = apart(pairs, first, wanted[first])
        if off is not None and off < least:
            best, least = mistake, off
    return best


def apart(pairs, first: int, right: Measured) -> float | None:
    """The distance between two functions' measurements; None if they do not agree, or if this explains nothing.

    An explanation has to differ from the right result at the first wrong measurement, too.
    """
    off = 0.0
    for i, (mine, theirs) in enumerate(pairs):
        if mine is None or theirs is None or (i == first and agree(theirs, right)):
            return None
        if not mine.warns:
            if not agree(mine, theirs):
                return None
            off += distance(mine, theirs)
    return off
