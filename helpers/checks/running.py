"""Calling a student's function: the result is a value, or a Fault that explains what went wrong.

A student's function may return nothing, change its arguments, raise an error, or never end. `Subject` handles this, and
`within` sets a time limit.
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
    """Raised in the thread of a function that does not end. Not an Exception: `except Exception` ignores it."""


class Subject:
    """A student's function (or class), and the current case.

    A call sets `case`, a description of the arguments. It raises a Fault if the function returns nothing, changes one
    of its arguments, or sets the global random seed. A generator is run to its end and returned as a list.
    """

    def __init__(self, function: Callable):
        self.function, self.case, self.calls = function, "", 0

    def __call__(self, case: str, *args, **kwargs) -> Any:
        """Call the function itself."""
        return self.call(self.function, case, *args, **kwargs)

    def call(self, function: Callable, case: str, *args, nothing: bool = False, **kwargs) -> Any:
        """Call an object that the function has returned; `nothing` allows the result None."""
        if getattr(threading.current_thread(), "given_up", False):
            raise TimeUp
        self.case = case
        self.calls += 1
        before = {name: x.detach().clone() for name, x in named_tensors(function, args, kwargs)}
        # another one each time, so draws from the global generator never repeat
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
                    f"It changes its argument {name} in place, but the caller still needs the original {name}: "
                    f"write `y = {name} + …` where you have `{name} += …` or `{name}[…] = …`, or work on a copy.",
                )
        if reseeded:
            raise Fault(
                "fixed seed",
                "It calls torch.manual_seed, which makes all random numbers of the notebook repeat. "
                "Draw only from the `generator` argument.",
            )
        if result is None and not nothing:
            raise Fault("nothing returned", "It returns None. Does every branch end in a `return`?")
        return kept(result)


def kept(value) -> Any:
    """A copy of the value: tensors, also those in tuples and lists, are cloned with their graph."""
    if type(value) is Tensor:
        return value.clone()
    if type(value) in (tuple, list):
        return type(value)(kept(inner) for inner in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(kept(inner) for inner in value))
    return value


def named_tensors(function: Callable, args: tuple, kwargs: dict) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the arguments, also those in tuples and lists, with the arguments' names."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"number {i + 1}" for i in range(len(names), len(args))]
    for name, value in [*zip(names, args), *kwargs.items()]:
        for i, x in enumerate(leaves(value)):
            yield name if i == 0 else f"{name}[{i}]", x


def leaves(value) -> Iterator[Tensor]:
    """The tensors in nested tuples and lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from leaves(inner)


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def tensor(value, name: str) -> Tensor:
    """The value, if it is a tensor without NaN. Raises a Fault otherwise."""
    if not isinstance(value, Tensor):
        raise Fault("wrong type", f"{name} is {with_article(type(value).__name__)}; wanted a torch.Tensor.")
    if value.layout != torch.strided or value.is_quantized or value.is_nested or value.device.type == "meta":
        kind = f"layout {value.layout}, {value.dtype} on {value.device}"
        raise Fault("wrong type", f"{name} is a special tensor ({kind}); wanted an ordinary one.")
    if value.isnan().any():
        raise Fault(
            "NaN",
            f"{name} has values that are NaN, not a number. The cause is a root or a logarithm of a negative number, "
            "or 0 / 0: print the argument of each root and logarithm, and each denominator.",
        )
    return value.detach()


def pair(value, names: str) -> tuple:
    """The two values of a tuple or list. Raises a Fault otherwise."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        given = f"{len(value)} values" if isinstance(value, (tuple, list)) else with_article(type(value).__name__)
        raise Fault("wrong type", f"It returns {given}; wanted two, ({names}).")
    return value[0], value[1]


def within(seconds: float | None, function: Callable[[], Any]) -> Any:
    """The result of function(). Raises a Fault if it takes longer, or raises something that is not an Exception.

    It runs in a new thread, for two reasons. PyTorch's gradient mode, autocast and default device belong to a thread,
    so a new one has the defaults. And only another thread can stop it on every system (alarm signals exist only on
    Unix, and only in the main thread). Python checks for the stop between two of its instructions, so a single long
    call in C, such as 3**10**8, or one that waits for the network, goes on until it returns or the kernel is restarted.
    A process could be killed, but it would have to be forked from a kernel with threads, or take seconds to import
    PyTorch.
    """
    outcome: list = []

    def work() -> None:
        try:
            outcome.append((function(), None))
        except BaseException as error:  # even SystemExit, which would end the thread silently
            outcome.append((None, error))

    thread = threading.Thread(target=work, daemon=True, name="a student's function")
    thread.start()
    try:
        thread.join(seconds)
    except BaseException:  # Ctrl-C or the stop button: stop the function, too
        stop(thread)
        raise
    if thread.is_alive():
        stopped = stop(thread)
        rest = "" if stopped else " It could not be stopped, and slows the notebook down: restart the kernel."
        raise Fault(
            "endless loop",
            f"It did not end within {seconds:g} seconds. Does every loop in it end?{rest}",
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
    """Raise TimeUp in a thread until it ends, or until patience runs out. Returns whether it has ended."""
    thread.given_up = True  # prevents its next call
    until = time.monotonic() + patience
    while thread.is_alive() and time.monotonic() < until:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeUp))
        thread.join(0.02)
    return not thread.is_alive()


# ---- settings of the whole process ---------------------------------------------------------------------------------

# (get, set, default)
SETTINGS = [
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0),
    (lambda: torch.backends.cudnn.deterministic, lambda on: setattr(torch.backends.cudnn, "deterministic", on), False),
    (lambda: torch.backends.cudnn.benchmark, lambda on: setattr(torch.backends.cudnn, "benchmark", on), False),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, False),
]
STATES = [  # (get, set) of states that the function may change
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
    """A context with PyTorch's default settings, after which all settings and states are restored."""
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
