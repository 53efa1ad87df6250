"""Checks of arguments, with error messages that say what was given and what is wanted.

A check changes nothing. It raises a ValueError, or a TypeError for an object of another kind.
"""

import functools
import inspect
import itertools
import math
import numbers
import operator
import os
import re

import torch
from torch import Tensor, nn

__all__ = [
    "check_alphas_cumprod",
    "check_axes",
    "check_batch",
    "check_finite",
    "check_fits",
    "check_floating",
    "check_function",
    "check_generator",
    "check_image",
    "check_integer",
    "check_like",
    "check_mask",
    "check_network",
    "check_number",
    "check_path",
    "check_same",
    "check_seed",
    "check_takes",
    "check_tensor",
    "check_timestep",
    "check_timesteps",
    "in_words",
    "kind",
]

RANGE_TOLERANCE = 1e-3  # half-precision round-off; an image in [0, 255] or a standardised one is far outside


# ---- words --------------------------------------------------------------------------------------------------------


def in_words(x) -> str:
    """A short description of x for an error message."""
    if isinstance(x, type):
        return f"the class {x.__name__}"
    if isinstance(x, Tensor) and x.numel() > 4:
        return f"a tensor of shape {tuple(x.shape)}"
    if inspect.isroutine(x):
        return f"the function {x.__name__}"
    text = str(x) if isinstance(x, numbers.Number) else repr(x)
    return text if len(text) <= 60 and not text.startswith("<") and "\n" not in text else kind(x)


def kind(x) -> str:
    """The type of x with its article, such as "a list"."""
    name = type(x).__name__
    return f"an {name}" if re.match("[AEIOaeio]|Un[a-z]", name) else f"a {name}"


# ---- tensors ------------------------------------------------------------------------------------------------------


def check_tensor(x, name: str) -> None:
    """A floating-point torch.Tensor without NaN or infinity."""
    check_floating(x, name)
    check_finite(x, name)


def check_floating(x, name: str) -> None:
    """A floating-point torch.Tensor. Its values are not checked."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is {kind(x)}; wanted a torch.Tensor.")
    if not x.is_floating_point():
        raise TypeError(f"{name} has dtype {x.dtype}; wanted floating point: convert it with {name}.float().")


def check_batch(x, name: str) -> None:
    """A batch of images: a finite floating-point tensor (B, C, H, W)."""
    check_axes(x, name)
    check_finite(x, name)


def check_axes(x, name: str) -> None:
    """A floating-point tensor with the axes (B, C, H, W), none of them empty. Its values are not checked."""
    check_floating(x, name)
    if x.ndim != 4:
        hint = f" A single image becomes a batch with {name}[None]." if x.ndim == 3 else ""
        raise ValueError(f"{name} has shape {tuple(x.shape)}; wanted (B, C, H, W).{hint}")
    if x.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(x.shape)}, which is empty; wanted at least one image.")


def check_image(x, name: str, low: float = -1.0, high: float = 1.0) -> None:
    """A batch of clean images (B, C, H, W) with values in [low, high]."""
    check_batch(x, name)
    smallest, largest = x.min().item(), x.max().item()
    if smallest < low - RANGE_TOLERANCE or largest > high + RANGE_TOLERANCE:
        raise ValueError(
            f"{name} has values from {smallest:.3g} to {largest:.3g}; wanted [{low:g}, {high:g}]. "
            "Part A's images lie in [-1, 1]: from [0, 1] with 2 * x - 1, from [0, 255] with x / 127.5 - 1."
        )


def check_finite(x: Tensor, name: str) -> None:
    """No NaN, no infinity."""
    if not torch.isfinite(x).all():
        bad = (~torch.isfinite(x)).sum().item()
        raise ValueError(f"{name} has {bad} of {x.numel()} values that are NaN or infinite; wanted finite numbers.")


def check_same(a: Tensor, b, name_a: str, name_b: str) -> None:
    """Equal shape, dtype and device; b is finite."""
    check_like(a, b, name_a, name_b)
    check_finite(b, name_b)


def check_like(a: Tensor, b, name_a: str, name_b: str) -> None:
    """Equal shape, dtype and device. The values are not checked."""
    check_floating(b, name_b)
    for what in ("shape", "dtype", "device"):
        given, wanted = getattr(b, what), getattr(a, what)
        if given != wanted:
            given, wanted = (tuple(v) if what == "shape" else v for v in (given, wanted))
            raise ValueError(f"{name_b} has {what} {given}; wanted {name_a}'s {what}, {wanted}.")


def check_fits(x, shape: tuple[int, ...], name: str) -> None:
    """Images of a model's shape (C, H, W), in fp32. The values are not checked."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is {kind(x)}; wanted a torch.Tensor.")
    if tuple(x.shape[1:]) != tuple(shape):
        hint = f" A single image becomes a batch with {name}[None]." if tuple(x.shape) == tuple(shape) else ""
        wanted = ", ".join(str(n) for n in shape)
        raise ValueError(f"{name} has shape {tuple(x.shape)}; this model wants (B, {wanted}).{hint}")
    if x.dtype != torch.float32:
        raise TypeError(f"{name} has dtype {x.dtype}; wanted torch.float32: convert it with {name}.float().")


def check_mask(mask, x: Tensor) -> None:
    """A mask of zeros and ones that fits the images x (B, C, H, W): (H, W), or (1 or B, 1 or C, H, W)."""
    if not isinstance(mask, Tensor):
        raise TypeError(f"mask is {kind(mask)}; wanted a torch.Tensor.")
    B, C, H, W = x.shape
    shape = (1, 1, *mask.shape) if mask.ndim == 2 else tuple(mask.shape)
    fits = len(shape) == 4 and shape[0] in (1, B) and shape[1] in (1, C) and shape[2:] == (H, W)
    if not fits:
        raise ValueError(f"mask has shape {tuple(mask.shape)}; wanted ({H}, {W}) or (1, 1, {H}, {W}), the image's.")
    if not ((mask == 0) | (mask == 1)).all():
        values = mask.float()
        raise ValueError(
            f"mask has values from {values.min().item():g} to {values.max().item():g}; "
            "wanted only 0 (keep) and 1 (repaint): round it with (mask > 0.5).float()."
        )


def check_alphas_cumprod(alphas_cumprod) -> None:
    """abar (T,), which falls from nearly 1, unlike the betas, which rise."""
    check_tensor(alphas_cumprod, "alphas_cumprod")
    if alphas_cumprod.ndim != 1 or len(alphas_cumprod) == 0:
        raise ValueError(f"alphas_cumprod has shape {tuple(alphas_cumprod.shape)}; wanted (T,).")
    if alphas_cumprod[0] < alphas_cumprod[-1]:
        first, last = alphas_cumprod[0].item(), alphas_cumprod[-1].item()
        raise ValueError(f"alphas_cumprod rises from {first:.3g} to {last:.3g}; wanted schedule.alphas_cumprod.")


# ---- numbers ------------------------------------------------------------------------------------------------------


def check_integer(n, name: str, low: float = -math.inf, high: float = math.inf) -> None:
    """An integer with low <= n <= high."""
    try:
        if isinstance(n, bool):
            raise TypeError
        value = operator.index(n)
    except TypeError:
        raise TypeError(f"{name} is {in_words(n)}; wanted an integer.") from None
    if not low <= value <= high:
        wanted = f"at least {low}" if high == math.inf else f"{low} to {high}"
        raise ValueError(f"{name} is {value}; wanted {wanted}.")


def check_number(x, name: str, low: float = -math.inf, high: float = math.inf) -> None:
    """A finite number with low <= x <= high. Text such as "0.5" is not accepted."""
    try:
        if isinstance(x, (bool, str, bytes, bytearray)) or getattr(x, "ndim", 0):
            raise TypeError
        value = float(x)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"{name} is {in_words(x)}; wanted a number.") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; wanted a finite number.")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value:g}; wanted {low:g} to {high:g}.")


def check_seed(seed) -> None:
    """An integer that torch accepts as a seed. It takes no tensor."""
    if isinstance(seed, Tensor):
        raise TypeError(f"seed is {in_words(seed)}; wanted an integer, such as seed.item().")
    check_integer(seed, "seed", -(2**63), 2**64 - 1)


def check_timestep(t, T: int, name: str = "t") -> None:
    """An integer 0 … T-1, or a tensor (B,) of them."""
    if not isinstance(t, Tensor) or t.ndim == 0:
        check_integer(t, name, 0, T - 1)
        return
    if t.is_floating_point() or t.dtype == torch.bool or t.ndim != 1:
        raise TypeError(f"{name} has dtype {t.dtype} and shape {tuple(t.shape)}; wanted integers of shape (B,).")
    if t.numel() and (t.min() < 0 or t.max() >= T):
        raise ValueError(f"{name} runs from {t.min().item()} to {t.max().item()}; wanted 0 to {T - 1}.")


def check_timesteps(timesteps, T: int) -> list[int]:
    """A strictly decreasing list of timesteps in 0 … T-1. Returns it as plain integers."""
    given = timesteps
    try:
        timesteps = timesteps.tolist() if isinstance(timesteps, Tensor) else timesteps
        timesteps = list(timesteps)
    except TypeError:
        raise TypeError(f"timesteps is {in_words(given)}; wanted a list, such as strided_timesteps(34).") from None
    if not timesteps:
        raise ValueError("timesteps is empty; wanted at least one timestep.")
    for t in timesteps:
        check_integer(t, "a timestep", 0, T - 1)
    for t, s in itertools.pairwise(timesteps):
        if s >= t:
            raise ValueError(f"timesteps has {s} after {t}; wanted strictly decreasing, such as 990, 960, …, 0.")
    return [operator.index(t) for t in timesteps]


# ---- other things -------------------------------------------------------------------------------------------------


def check_generator(generator) -> None:
    """A torch.Generator, or None. A seed is not accepted."""
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator is {in_words(generator)}; wanted a torch.Generator: torch.Generator().manual_seed(0) makes one."
        )


def check_function(f, name: str, example: str) -> None:
    """A function or another callable, such as the example."""
    if not callable(f):
        raise TypeError(f"{name} is {in_words(f)}; wanted a function, such as {example}.")


def check_network(network, name: str) -> None:
    """A network, not its class."""
    if not isinstance(network, nn.Module):
        raise TypeError(f"{name} is {in_words(network)}; wanted a network, a torch.nn.Module.")


def check_takes(network: nn.Module, arguments: tuple) -> None:
    """A network whose forward takes this number of arguments."""
    signature = forward_signature(type(network))
    try:
        signature.bind(network, *arguments)
    except TypeError:
        takes = ", ".join(list(signature.parameters)[1:])
        count = f"{len(arguments)} argument" + ("s" if len(arguments) != 1 else "")
        raise TypeError(
            f"{type(network).__name__} takes ({takes}); it is given {count}. Wanted a network that takes this number."
        ) from None


@functools.cache
def forward_signature(network: type[nn.Module]) -> inspect.Signature:
    """The signature of a network's forward; cached, because a sampler calls its network up to a thousand times."""
    return inspect.signature(network.forward)


def check_path(path, name: str) -> None:
    """The path of a file or folder: text, or a pathlib.Path."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name} is {in_words(path)}; wanted a path.")
