"""Calling a student's function: what comes back is a value, or a sentence about what went wrong.

A student's function may return nothing, change its arguments, raise, or never end. `Subject` calls it with care, and
`within` gives it a limit of time.
"""

import contextlib
import ctypes
import inspect
import itertools
import os
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .faults import Fault, explain, with_article

__all__: list[str] = []  # it is for the checks alone

MOST_YIELDED = 200  # the checks' longest list of timesteps has 150


class TimeUp(BaseException):
    """Sent into the thread of a function that does not end. No Exception, so that `except Exception` lets it pass."""


class Subject:
    """A student's function (or class), and the case that it is called for.

    After each call: `case` says in words what it was called with; a Fault is raised if it returned nothing, changed one
    of its arguments, or touched the global random numbers' seed; a generator has been run to its end, into a list.
    """

    def __init__(self, function: Callable):
        self.function, self.case, self.calls = function, "", 0

    def __call__(self, case: str, *args, **kwargs) -> Any:
        """Call the function itself."""
        return self.call(self.function, case, *args, **kwargs)

    def call(self, function: Callable, case: str, *args, nothing: bool = False, **kwargs) -> Any:
        """Call something that the function has made; `nothing` allows it to return None."""
        if getattr(threading.current_thread(), "given_up", False):
            raise TimeUp
        self.case = case
        self.calls += 1
        before = {name: x.detach().clone() for name, x in named_tensors(function, args, kwargs)}
        # another one each time: so what is drawn from the global generator never repeats itself
        seed = 1_000_003 + self.calls
        torch.default_generator.manual_seed(seed)
        try:
            result = function(*args, **kwargs)
            if inspect.isgenerator(result):
                result = [kept(value) for value in itertools.islice(result, MOST_YIELDED)]
        except Fault:
            raise
        except Exception as error:
            raise explain(error, timeless=any(value is None for value in args)) from error
        reseeded = torch.default_generator.initial_seed() != seed
        for name, x in named_tensors(function, args, kwargs):
            if name in before and not same_bits(before[name], x):
                raise Fault(
                    "in-place change of the input",
                    f"It changes its argument {name} in place. The caller still needs {name} as it was: "
                    f"write `y = {name} + …` where you have `{name} += …` or `{name}[…] = …`, or work on a copy.",
                )
        if reseeded:
            raise Fault(
                "fixed seed",
                "It calls torch.manual_seed, so that everything random in the whole notebook repeats itself. "
                "All randomness comes from the `generator` that the caller passes.",
            )
        if result is None and not nothing:
            raise Fault("nothing returned", "It returns None. Is there a `return` at its end, on every way through?")
        return kept(result)


def kept(value) -> Any:
    """The value as it is now: tensors, also those in tuples and lists, as copies with the same gradient."""
    if type(value) is Tensor:
        return value.clone()
    if type(value) in (tuple, list):
        return type(value)(kept(inner) for inner in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(kept(inner) for inner in value))
    return value


def named_tensors(function: Callable, args: tuple, kwargs: dict) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the arguments, also those in tuples and lists, by the arguments' names."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"number {i + 1}" for i in range(len(names), len(args))]
    for name, value in [*zip(names, args), *kwargs.items()]:
        for i, x in enumerate(leaves(value)):
            yield name if i == 0 else f"{name}[{i}]", x


def leaves(value) -> Iterator[Tensor]:
    """The tensors in a tree of tuples and lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from leaves(inner)


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def tensor(value, name: str) -> Tensor:
    """The value, if it is a tensor of numbers."""
    if not isinstance(value, Tensor):
        raise Fault("wrong type", f"{name} is {with_article(type(value).__name__)}; wanted a torch.Tensor.")
    if value.layout != torch.strided or value.is_quantized or value.is_nested or value.device.type == "meta":
        kind = f"layout {value.layout}, {value.dtype} on {value.device}"
        raise Fault("wrong type", f"{name} is a tensor of another kind ({kind}); wanted one that has all its numbers.")
    if value.isnan().any():
        raise Fault(
            "NaN",
            f"{name} has values that are NaN, not a number. That comes of a root or a logarithm of a negative number, "
            "or of 0 / 0: print what stands under each root, in each logarithm and below each line.",
        )
    return value.detach()


def pair(value, names: str) -> tuple:
    """The two values, if there are two: a tuple or list of them."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        given = f"{len(value)} values" if isinstance(value, (tuple, list)) else with_article(type(value).__name__)
        raise Fault("wrong type", f"It returns {given}; wanted two, ({names}).")
    return value[0], value[1]


def within(seconds: float | None, function: Callable[[], Any]) -> Any:
    """What function() returns; a Fault if it has not ended by then, or if it raises what is no Exception.

    It runs in a thread of its own, for two reasons. PyTorch's gradient mode, autocast and default device belong to a
    thread, so a new one has them as they are at the start. And only another thread can stop it on every system (an
    alarm signal exists on Unix alone, and in no other thread than the main one). Python looks for the stop between two
    of its instructions. So it cannot end a single call that takes for ever inside C, such as 3**10**8, or one that
    waits for the network or for sleep: that goes on until it returns, or the kernel is restarted. A process could be
    killed, but it would have to be forked from a kernel full of threads, or be started and import PyTorch for seconds.
    """
    outcome: list = []

    def work() -> None:
        try:
            outcome.append((function(), None))
        except BaseException as error:  # SystemExit too: it must not end the thread without a word
            outcome.append((None, error))

    thread = threading.Thread(target=work, daemon=True, name="a student's function")
    thread.start()
    try:
        thread.join(seconds)
    except BaseException:  # Ctrl-C, or the stop button: it stops what runs, too
        stop(thread)
        raise
    if thread.is_alive():
        stopped = stop(thread)
        rest = "" if stopped else " It could not be stopped, and slows the rest down: restart the kernel."
        raise Fault(
            "endless loop",
            f"It has not come to an end within {seconds:g} seconds. Does each loop in it come nearer to its end?{rest}",
        )
    result, error = outcome[0]
    if error is not None and not isinstance(error, Exception):
        kind = type(error).__name__
        does = f"ends Python ({kind})" if isinstance(error, (SystemExit, KeyboardInterrupt)) else f"raises a {kind}"
        raise Fault("exit", f"It {does}. Raise a ValueError, if anything.") from error
    if error is not None:
        raise error
    return result


def stop(thread: threading.Thread, patience: float = 0.5) -> bool:
    """Raise TimeUp in a thread until it ends, or until it has caught it too often; whether it has ended."""
    thread.given_up = True  # so that its next call does not begin
    until = time.monotonic() + patience
    while thread.is_alive() and time.monotonic() < until:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeUp))
        thread.join(0.02)
    return not thread.is_alive()


# ---- settings of the whole process ---------------------------------------------------------------------------------

# (what it is now, set it, what it is at the start)
SETTINGS = [
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0),
    (lambda: torch.backends.cudnn.deterministic, lambda on: setattr(torch.backends.cudnn, "deterministic", on), False),
    (lambda: torch.backends.cudnn.benchmark, lambda on: setattr(torch.backends.cudnn, "benchmark", on), False),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, False),
]
STATES = [  # what the function may change, and is set back
    (torch.get_rng_state, torch.set_rng_state),
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (
        lambda: vars(torch._tensor_str.PRINT_OPTS).copy(),
        lambda options: vars(torch._tensor_str.PRINT_OPTS).update(options),
    ),
    (torch.get_num_threads, torch.set_num_threads),
    (os.getcwd, os.chdir),
]


@contextlib.contextmanager
def usual_state() -> Iterator[None]:
    """Inside, the settings of PyTorch as they are at the start; afterwards, everything as the caller had it."""
    before = [(change, now()) for now, change, _ in SETTINGS] + [(change, now()) for now, change in STATES]
    for _, change, usual in SETTINGS:
        change(usual)
    with (
        warnings.catch_warnings(),
        np.printoptions(),
        contextlib.redirect_stdout(sys.stdout),
        contextlib.redirect_stderr(sys.stderr),
    ):
        try:
            yield
        finally:
            for change, value in before:
                change(value)
