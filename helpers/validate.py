"""The checks behind every clear error: what was given, what was wanted.

Every check returns nothing and changes nothing. It raises a ValueError (a TypeError where the kind of thing
is wrong) whose sentence a student can act on.
"""

import itertools
import math
import operator

import torch
from torch import Tensor

__all__ = [
    "check_batch",
    "check_finite",
    "check_fits",
    "check_image",
    "check_integer",
    "check_mask",
    "check_number",
    "check_same",
    "check_tensor",
    "check_timestep",
    "check_timesteps",
]

RANGE_TOLERANCE = 1e-3  # half-precision round-off; a picture in [0, 255] or a standardised one is far outside


def check_tensor(x, name: str) -> None:
    """A floating-point torch.Tensor without NaN or infinity."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}; wanted a torch.Tensor.")
    if not x.is_floating_point():
        raise TypeError(f"{name} has dtype {x.dtype}; wanted floating point: convert it with {name}.float().")
    check_finite(x, name)


def check_batch(x, name: str) -> None:
    """A batch of pictures: a finite floating-point tensor (B, C, H, W)."""
    check_tensor(x, name)
    if x.ndim != 4:
        hint = f" A single picture becomes a batch with {name}[None]." if x.ndim == 3 else ""
        raise ValueError(f"{name} has shape {tuple(x.shape)}; wanted (B, C, H, W).{hint}")
    if x.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(x.shape)}, which is empty; wanted at least one picture.")


def check_image(x, name: str, low: float = -1.0, high: float = 1.0) -> None:
    """A batch of clean pictures (B, C, H, W) with values in [low, high]."""
    check_batch(x, name)
    smallest, largest = x.min().item(), x.max().item()
    if smallest < low - RANGE_TOLERANCE or largest > high + RANGE_TOLERANCE:
        raise ValueError(
            f"{name} has values from {smallest:.3g} to {largest:.3g}; wanted [{low:g}, {high:g}]. "
            "Part A's pictures lie in [-1, 1]: from [0, 1] with 2 * x - 1, from [0, 255] with x / 127.5 - 1."
        )


def check_finite(x: Tensor, name: str) -> None:
    """No NaN, no infinity."""
    if not torch.isfinite(x).all():
        bad = (~torch.isfinite(x)).sum().item()
        raise ValueError(f"{name} has {bad} of {x.numel()} values that are NaN or infinite; wanted finite numbers.")


def check_same(a: Tensor, b, name_a: str, name_b: str) -> None:
    """Equal shape, dtype and device."""
    check_tensor(b, name_b)
    for what in ("shape", "dtype", "device"):
        given, wanted = getattr(b, what), getattr(a, what)
        if given != wanted:
            given, wanted = (tuple(v) if what == "shape" else v for v in (given, wanted))
            raise ValueError(f"{name_b} has {what} {given}; wanted {name_a}'s {what}, {wanted}.")


def check_fits(x: Tensor, shape: tuple[int, ...], name: str) -> None:
    """Pictures of the shape (C, H, W) that a model works on, in fp32."""
    if tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}; this model wants (B, {', '.join(str(n) for n in shape)})."
        )
    if x.dtype != torch.float32:
        raise TypeError(f"{name} has dtype {x.dtype}; wanted torch.float32: convert it with {name}.float().")


def check_integer(n, name: str, low: float = -math.inf, high: float = math.inf) -> None:
    """An integer with low <= n <= high."""
    try:
        if isinstance(n, bool):
            raise TypeError
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"{name} is {n!r}; wanted an integer.") from None
    if not low <= n <= high:
        wanted = f"at least {low}" if high == math.inf else f"{low} to {high}"
        raise ValueError(f"{name} is {n}; wanted {wanted}.")


def check_number(x, name: str, low: float = -math.inf, high: float = math.inf) -> None:
    """A finite number with low <= x <= high."""
    try:
        value = float(x)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {x!r}; wanted a number.") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; wanted a finite number.")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value:g}; wanted {low:g} to {high:g}.")


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
    """A strictly decreasing list of timesteps in 0 … T-1, handed back as plain integers."""
    try:
        timesteps = timesteps.tolist() if isinstance(timesteps, Tensor) else timesteps
        timesteps = list(timesteps)
    except TypeError:
        raise TypeError(f"timesteps is {timesteps!r}; wanted a list, such as strided_timesteps(34).") from None
    if not timesteps:
        raise ValueError("timesteps is empty; wanted at least one timestep.")
    for t in timesteps:
        check_integer(t, "a timestep", 0, T - 1)
    for t, s in itertools.pairwise(timesteps):
        if s >= t:
            raise ValueError(f"timesteps has {s} after {t}; wanted strictly decreasing, such as 990, 960, …, 0.")
    return [operator.index(t) for t in timesteps]


def check_mask(mask, x: Tensor) -> None:
    """A mask of zeros and ones that fits the pictures x: (H, W), or (1 or B, 1 or C, H, W)."""
    if not isinstance(mask, Tensor):
        raise TypeError(f"mask is a {type(mask).__name__}; wanted a torch.Tensor.")
    B, C, H, W = x.shape
    shape = (1, 1, *mask.shape) if mask.ndim == 2 else tuple(mask.shape)
    fits = len(shape) == 4 and shape[0] in (1, B) and shape[1] in (1, C) and shape[2:] == (H, W)
    if not fits:
        raise ValueError(f"mask has shape {tuple(mask.shape)}; wanted ({H}, {W}) or (1, 1, {H}, {W}), the picture's.")
    values = mask.float().unique()
    if not torch.isin(values, torch.tensor([0.0, 1.0], device=mask.device)).all():
        raise ValueError(
            f"mask has values from {values.min().item():g} to {values.max().item():g}; "
            "wanted only 0 (keep) and 1 (repaint): round it with (mask > 0.5).float()."
        )
