"""What an exercise is, and how it is judged.

An exercise measures a function: its probe calls the function in small cases and yields what came out. The same probe
measures `right`, a reference written plainly from the maths, and the usual mistakes, which are edits of the reference's
source. A function is right if it measures like `right`, and a mistake is recognised if the function measures like the
reference with that mistake in it.
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

SECONDS = 10.0  # for all cases of a check together; a right function needs a tenth of one


class Mistake(NamedTuple):
    """A usual mistake: an edit of the reference, and what to tell the student who made it.

    Args:
        name: what the mistake is called.
        piece: a piece of the reference's source, which occurs there exactly once.
        instead: what stands in its place.
        say: in sentences, for the student.
    """

    name: str
    piece: str
    instead: str
    say: str


def alike(name: str, say: str, *edits: tuple[str, str]) -> tuple[Mistake, ...]:
    """One mistake that can be made in several ways: the edits are (piece, instead)."""
    return tuple(Mistake(name, piece, instead, say) for piece, instead in edits)


@dataclass(frozen=True)
class Exercise:
    """A function that the student writes.

    Args:
        name: what `check` calls it.
        notebook: where it stands.
        kit: the kit's own, by its full name; the notebooks go on with it until the student's is right.
        task: what to write, in a sentence that begins with a verb.
        look: where to look when it is wrong in a way that no mistake foresees.
        probe: calls a Subject, and yields what it Measured.
        right: the reference: the function, written from the maths.
        mistakes: the usual ones.
        parts: functions and classes that the reference calls and in which mistakes may be, too.
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
        """As the notebook's title has it: "1.7.2", "B 2.1" or "C 1"."""
        part, number = self.notebook[0], self.notebook[1:].replace("_", ".")
        return number if part == "a" else f"{part.upper()} {number}"

    def kits_own(self) -> Callable:
        """The function of the kit itself."""
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

    All are made anew, so that each calls the others' edited versions. Raises a ValueError unless the piece occurs
    exactly once in all of the sources together.
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
    """What a check has found.

    status: "right", "wrong" or "not written".
    mistake: the mistake's name, if it was recognised; of a right function, what to warn of.
    say: in sentences.
    seen: how many things were measured.
    mine, right: where it was wrong, what came out and what was wanted.
    """

    status: str
    mistake: str | None
    say: str
    seen: int
    mine: Measured | None = None
    right: Measured | None = None

    def image(self) -> Graphic | None:
        """What came out beside what was wanted, where both are images."""
        return None if self.mine is None else within(None, lambda: image_of(self.mine, self.right))


def judge(exercise: Exercise, function: Callable, seconds: float = SECONDS) -> Verdict:
    """Measure a function, and say what is wrong with it, if anything is.

    The caller's settings (precision, gradients, random numbers …) make no difference, and are as before afterwards.
    """
    if not callable(function):
        say = f"That is a {type(function).__name__}; wanted the function itself, without calling it."
        return Verdict("wrong", "no function", say, 0)
    with usual_state():
        found = measured_within(seconds, exercise.probe, function)
    with usual_state():  # anew, since the function may have changed it
        try:
            return within(None, lambda: compare(exercise, found))
        except BaseException:  # interrupted, perhaps half-way through a reference's measurements
            known.cache_clear()
            raise


def measured_within(seconds: float, probe: Callable, function: Callable) -> list[Measured]:
    """What the probe sees of the function in this time."""
    seen: list[Measured] = []
    try:
        within(seconds, lambda: seen.extend(measure(probe, function)))
    except Fault as fault:  # time is up; what was measured until then stays, but not what the stop itself led to
        found = list(seen)
        if found and isinstance(found[-1].value, Fault):
            found.pop()
        return [*found, Measured("", fault, case=found[-1].case if found else "")]
    return seen


def compare(exercise: Exercise, found: list[Measured]) -> Verdict:
    """What is wrong with a function of which this was found."""
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
    """The verdict on a function that measures otherwise than wanted, from measurement `first` on."""
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
            say = mistake.say  # which says so itself
    elif right.say:
        name, say = right.name, f"{right.say} ({difference(mine, right)})"
    else:
        name, say = None, f"Measured: {difference(mine, right)}. {exercise.look}"
    case = f"Case: {mine.case}. " if mine.case else ""
    return Verdict("wrong", name, case + say, first, mine, right)


def is_own_error(fault: Fault) -> bool:
    """Whether the function raised it, or computed NaN: a mistake that does the same says more than that."""
    return fault.__cause__ is not None or fault.name == "NaN"


def measure(probe: Callable, function: Callable) -> Iterator[Measured]:
    """What an exercise's probe sees of a function, up to the first Fault, which is then the last thing seen."""
    subject = Subject(function)
    try:
        for measured in probe(subject):
            yield replace(measured, value=kept(measured.value), case=subject.case)
    except Fault as fault:
        yield Measured("", fault, case=subject.case)
    except Exception as error:  # what came back was of a kind that the probe cannot handle
        fault = Fault("wrong type", f"What it returned cannot be used: {type(error).__name__}: {error}")
        yield Measured("", fault, case=subject.case)


class Replay:
    """What an iterator gives, as often as it is asked for, and no more of it than was asked for."""

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
    """The measurements of a reference, with or without a mistake: they are the same each time."""
    return Replay(measure(probe, function))


atexit.register(known.cache_clear)  # what is half-way through must not end after the modules that it needs


def recognise(exercise: Exercise, found: list[Measured], wanted: list[Measured], first: int) -> Mistake | None:
    """The mistake with which the reference measures like this function, in everything; of several, the nearest."""
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
    """How far the measurements of two functions are apart; None if they do not agree, or if this explains nothing.

    What explains the first difference to what is right has to differ from it, too.
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
