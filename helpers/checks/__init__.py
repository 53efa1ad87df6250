"""Checks of students' functions: `check("forward", my_forward)` explains what is wrong, or returns it if it is right.

From the ground floor up; a module imports only from those above it in this list:

    faults        errors of a student's function, explained
    running       calling a student's function safely
    measured      measurements, and their comparison
    exercise      exercises, and the verdict on a function
    toys          test inputs, and measures of random numbers
    references    reference functions that several exercises share
    layers        networks with known weights
    unets         the three UNets of Part B
    samplers      shared by the exercises on sampling digits
    examples      shared by the exercises on training examples
    flow_digits   shared by the exercises on flows of digits
    samples       the network or the sampler: why samples are poor

and one module for each notebook that has an exercise:

    a0            timesteps
    a1_1          the forward process
    a1_2          a blur
    a1_3          the estimate of the clean image
    a1_4          one step, and the loop
    a1_5          sampling
    a1_6          guidance
    a1_7          SDEdit
    a1_7_1        pixels
    a1_7_2        inpainting
    a1_7_3        thresholds
    a1_8          anagrams
    a1_9          hybrid images
    b1_1          operations, blocks, the UNet
    b1_2          the one-step denoiser
    b2_1          the time-conditional UNet
    b2_2          its examples
    b2_3          its sampler
    b2_4          the class-conditional UNet, and its examples
    b2_5          its sampler
    c1            points, velocities and paths of a flow
    c2            a diffusion model as a flow
    c3            digits by flow matching: the examples and the sampler
    c4            the same with classes and guidance
    c5            solvers of second order
    c6            one step, and the pairs of reflow
"""

import importlib
import textwrap
from collections.abc import Callable

from IPython.display import display

from .exercise import Exercise, Verdict, judge
from .samples import check_samples

__all__ = ["EXERCISES", "check", "check_samples"]

NOTEBOOKS = "a0 a1_1 a1_2 a1_3 a1_4 a1_5 a1_6 a1_7 a1_7_1 a1_7_2 a1_7_3 a1_8 a1_9 b1_1 b1_2 b2_1 b2_2 b2_3 b2_4 b2_5"
NOTEBOOKS += " c1 c2 c3 c4 c5 c6"
EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for notebook in NOTEBOOKS.split()
    for exercise in importlib.import_module(f".{notebook}", __name__).EXERCISES
}


def check(name: str, function: Callable) -> Callable:
    """Check your function for the exercise `name`, and print what is wrong with it.

    Returns your function if it is right, and the kit's otherwise, so the notebook can go on. Raises a ValueError for an
    unknown exercise.
    """
    exercise = find_exercise(name)
    verdict = judge(exercise, function)
    for paragraph in sentences(exercise, function, verdict):
        print(textwrap.fill(paragraph, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    image = verdict.image()
    if image is not None:
        display(image)
    return function if verdict.status == "right" else exercise.kits_own()


def find_exercise(name: str) -> Exercise:
    """The exercise of this name."""
    if name not in EXERCISES:
        raise ValueError(f"there is no exercise {name!r}; wanted one of {', '.join(EXERCISES)}.")
    return EXERCISES[name]


def sentences(exercise: Exercise, function: Callable, verdict: Verdict) -> list[str]:
    """A verdict in words, for the student."""
    own, theirs = exercise.kit.rpartition(".")[2], getattr(function, "__name__", "your function")
    if verdict.status == "right":
        right = f"✓ {exercise.name}: all {verdict.seen} checks passed. The notebook now uses your version."
        return [right, verdict.say] if verdict.say else [right]
    if verdict.status == "not written":
        what = f"{theirs} is not written yet." if theirs != own else "This is not written yet."
        how = "Write it in the cell above, in place of `raise NotImplementedError(…)`, and run both cells again."
        return [f"… {exercise.name}: {what} {verdict.say} {how}", f"Until then, the notebook uses the kit's {own}."]
    return [
        f"✗ {exercise.name} ({exercise.section}): {verdict.say}",
        f"Until it passes, the notebook uses the kit's {own}.",
    ]
