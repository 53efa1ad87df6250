"""Checks of what students write: `check("forward", my_forward)` says what is wrong with it, or hands it back.

From the ground floor up; a module imports only from those above it in this list:

    running       calling somebody else's function
    exercise      what an exercise is, and how a function is judged
    toys          what the functions are tried on
    noising       exercises: the forward process, blurs, pixels, thresholds, timesteps
    loops         exercises: one step, the loop, sampling, SDEdit, inpainting, samplers of digits
    guidance      exercises: guidance, anagrams, hybrids, a network of digits as a denoiser
    networks      exercises: operations, blocks, UNets
    learning      exercises: examples to learn from, and the step that learns
"""

import textwrap
from collections.abc import Callable

from IPython.display import display

from . import guidance, learning, loops, networks, noising
from .exercise import Exercise, Verdict, judge

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for module in (noising, loops, guidance, networks, learning)
    for exercise in module.EXERCISES
}


def check(name: str, function: Callable) -> Callable:
    """Check a function that you have written for the exercise `name`, and say what is wrong with it, if anything is.

    Returns the function if it is right, and the kit's own if not: either way the notebook goes on.
    Raises a ValueError if there is no such exercise.
    """
    exercise = find_exercise(name)
    verdict = judge(exercise, function)
    for paragraph in sentences(exercise, function, verdict):
        print(textwrap.fill(paragraph, 100, subsequent_indent="  ", break_long_words=False))
    picture = verdict.picture()
    if picture is not None:
        display(picture)
    return function if verdict.status == "right" else exercise.kits_own()


def find_exercise(name: str) -> Exercise:
    """The exercise of this name."""
    if name not in EXERCISES:
        raise ValueError(f"there is no exercise {name!r}; wanted one of {', '.join(EXERCISES)}.")
    return EXERCISES[name]


def sentences(exercise: Exercise, function: Callable, verdict: Verdict) -> list[str]:
    """A verdict in words, for whoever wrote the function."""
    own, theirs = exercise.kit.rpartition(".")[2], getattr(function, "__name__", "your function")
    if verdict.status == "right":
        return [f"✓ {exercise.name}: right, in all {verdict.seen} things that were measured. From here on it is yours."]
    if verdict.status == "not written":
        what = f"{theirs} is not written yet." if theirs != own else "This is not written yet."
        how = "Write it in the cell above, in the place of `raise NotImplementedError(…)`, and run both cells again."
        return [f"… {exercise.name}: {what} {verdict.say} {how}", f"Until then the notebook has the kit's {own}."]
    return [f"✗ {exercise.name} ({exercise.section}): {verdict.say}", f"The notebook goes on with the kit's own {own}."]
