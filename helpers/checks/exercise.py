"""What an exercise is, and how it is judged.

An exercise measures a function: its probe calls the function in small cases and yields what came out. The same probe
measures `right`, which is written from the maths, and the usual mistakes. A function is right where it measures like
`right`; a mistake is recognised because the function measures as somebody's would who made it.
"""

import atexit
import functools
import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..show import Picture
from .faults import Fault, NotWritten
from .measured import Measured, agree, difference, picture_of
from .running import Subject, within

SECONDS = 10.0  # for all cases of a check together; a right function needs a tenth of one


class Mistake(NamedTuple):
    """A usual mistake: its name, what it computes (called like the function), and what to tell who made it."""

    name: str
    wrong: Callable
    say: str


@dataclass(frozen=True)
class Exercise:
    """A function that the student writes.

    Args:
        name: what `check` calls it.
        notebook: where it stands.
        kit: the kit's own, by its full name; the notebooks go on with it until the student's is right.
        task: what to write, in a sentence that begins with a verb.
        look: where to look when it is wrong in a way that nobody has foreseen.
        probe: calls a Subject, and yields what it Measured.
        right: the function, written from the maths.
        mistakes: the usual ones.
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
    blank: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        """As the notebook's title has it: "1.7.2", or "B 2.1"."""
        number = self.notebook[1:].replace("_", ".")
        return f"B {number}" if self.notebook.startswith("b") else number

    def kits_own(self) -> Callable:
        """The function of the kit itself."""
        module, _, name = self.kit.rpartition(".")
        return getattr(importlib.import_module(module), name)


class Verdict(NamedTuple):
    """What a check has found.

    status: "right", "wrong" or "not written".
    mistake: the mistake's name, if it was recognised.
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

    def picture(self) -> Picture | None:
        """What came out beside what was wanted, where both are pictures."""
        return None if self.mine is None else picture_of(self.mine, self.right)


def judge(exercise: Exercise, function: Callable, seconds: float = SECONDS) -> Verdict:
    """Measure a function, and say what is wrong with it, if anything is."""
    if not callable(function):
        say = f"That is a {type(function).__name__}; wanted the function itself, without calling it."
        return Verdict("wrong", "no function", say, 0)
    found: list[Measured] = []
    try:
        within(seconds, lambda: found.extend(measure(exercise.probe, function)))
    except Fault as fault:  # time is up; what was measured until then stays, but not what the stop itself led to
        if found and isinstance(found[-1].value, Fault):
            found.pop()
        found.append(Measured("", fault, case=found[-1].case if found else ""))
    if found and isinstance(found[-1].value, NotWritten):
        return Verdict("not written", None, str(found[-1].value), len(found) - 1)
    wanted = list(known(exercise.probe, exercise.right))
    for i, right in enumerate(wanted):
        if i >= len(found) or not agree(found[i], right):
            break
    else:
        return Verdict("right", None, "", len(found))
    mine = found[i] if i < len(found) else Measured("", Fault("too little", "It ended too early."), case=right.case)
    mistake = recognise(exercise, found, wanted, i)
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
    return Verdict("wrong", name, case + say, i, mine, right)


def is_own_error(fault: Fault) -> bool:
    """Whether the function raised it, or computed NaN: a mistake that does the same says more than that."""
    return fault.__cause__ is not None or fault.name == "NaN"


def measure(probe: Callable, function: Callable) -> Iterator[Measured]:
    """What an exercise's probe sees of a function, up to the first Fault, which is then the last thing seen."""
    subject = Subject(function)
    try:
        for measured in probe(subject):
            yield replace(measured, case=subject.case)
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
    """The measurements of one of the kit's own functions: they are the same each time."""
    return Replay(measure(probe, function))


atexit.register(known.cache_clear)  # what is half-way through must not end after the modules that it needs


def recognise(exercise: Exercise, found: list[Measured], wanted: list[Measured], first: int) -> Mistake | None:
    """The mistake that measures like this function: up to the first difference to what is right, and then the most."""
    best, most = None, 0
    for mistake in exercise.mistakes:
        alike = 0
        for i, (mine, theirs) in enumerate(zip(found, known(exercise.probe, mistake.wrong))):
            if agree(mine, theirs) and not (i == first and agree(theirs, wanted[i])):
                alike += 1
            elif i <= first:
                alike = 0
                break
        if alike > most:
            best, most = mistake, alike
    return best
