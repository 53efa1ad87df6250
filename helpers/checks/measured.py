"""The measurements of a probe, and their comparison."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..show import Graphic, grid
from .faults import Fault

__all__: list[str] = []  # it is for the checks alone


@dataclass(frozen=True)
class Measured:
    """A measurement.

    Args:
        what: a description, such as "x_t".
        value: a tensor, a number, a list of numbers, a boolean …
        tolerance: the largest relative difference of two right results; for random ones, five standard deviations.
        name, say: the mistake's name and explanation, if there is only one way to be wrong here.
        warns: a difference here leads only to a warning.
        low, high: the values of black and white, if it should be shown as an image.
        case: the case that was measured.
    """

    what: str
    value: Any
    tolerance: float = 1e-4
    name: str = ""
    say: str = ""
    warns: bool = False
    low: float | None = None
    high: float = 1.0
    case: str = ""


def agree(a: Measured, b: Measured) -> bool:
    """Whether two measurements agree within their tolerance."""
    return a.what == b.what and a.case == b.case and same(a.value, b.value, max(a.tolerance, b.tolerance))


def same(a, b, tolerance: float) -> bool:
    """Whether two values have the same type and agree within a relative tolerance."""
    if isinstance(a, Fault) or isinstance(b, Fault):
        return isinstance(a, Fault) and isinstance(b, Fault) and (a.name, a.text) == (b.name, b.text)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
            return False
        a, b = a.double(), b.double()
        size = max(b[b.isfinite()].abs().max().item(), 1.0) if b.numel() and b.isfinite().any() else 1.0
        return torch.allclose(a, b, rtol=0, atol=tolerance * size, equal_nan=True)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or a == b or abs(a - b) <= tolerance * max(abs(b), 1e-6)
    return type(a) is type(b) and a == b


def distance(a: Measured, b: Measured) -> float:
    """The mean distance of two agreeing measurements, relative to the tolerance."""
    if not all(isinstance(m.value, (Tensor, float)) for m in (a, b)):
        return 0.0
    x, y = (torch.as_tensor(m.value).double().nan_to_num() for m in (a, b))
    reach = max(a.tolerance, b.tolerance) * max(y.abs().max().item() if y.numel() else 1.0, 1.0)
    return (x - y).abs().sum().item() / max(y.numel(), 1) / reach


def difference(mine: Measured, right: Measured) -> str:
    """The measured value and the wanted one, in words."""
    a, b = mine.value, right.value
    if isinstance(a, Fault):
        return str(a)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        for what in ("shape", "dtype", "device"):
            given, wanted = getattr(a, what), getattr(b, what)
            if given != wanted:
                given, wanted = (tuple(v) if what == "shape" else v for v in (given, wanted))
                return f"{right.what} with {what} {given}; wanted {wanted}"
        if not a.isfinite().all():
            return f"{right.what} with values that are NaN or infinite"
        return f"{right.what}{apart(a, b)}"
    if isinstance(a, bool):
        return f"{right.what}: {'yes' if a else 'no'}; wanted {'yes' if b else 'no'}"
    given, wanted = told_apart(number, a, b)
    return f"{right.what}: {given}; wanted {wanted}"


def apart(a: Tensor, b: Tensor) -> str:
    """A few numbers that distinguish two tensors of the same shape."""
    if moments(a) != moments(b):
        return f"{' with ' if a.numel() > 4 else ': '}{moments(a)}; wanted {moments(b)}"
    index = tuple(i.item() for i in torch.unravel_index((a.double() - b.double()).abs().argmax(), a.shape))
    given, wanted = told_apart(number, a[index].item(), b[index].item())
    return f": {given} at {list(index)}; wanted {wanted}"


def told_apart(write: Callable[[Any, int], str], a, b) -> tuple[str, str]:
    """Two values in words, with enough digits to differ."""
    for digits in range(3, 17):
        if write(a, digits) != write(b, digits):
            break
    return write(a, digits), write(b, digits)


def moments(x: Tensor) -> str:
    x = x.double()
    if x.numel() <= 4:
        return ", ".join(f"{v:.4g}" for v in x.flatten().tolist())
    return f"mean {x.mean():.3f} and variance {x.var():.3f}"


def number(x, digits: int = 3) -> str:
    """A value with this number of significant digits; of a long list, only the two ends."""
    if isinstance(x, Tensor):
        return f"a tensor of shape {tuple(x.shape)}"
    if isinstance(x, float):
        return f"{x:.{digits}g}"
    if isinstance(x, (list, tuple)) and len(x) > 8:
        return f"{number(list(x[:4]), digits)[:-1]}, … {number(list(x[-2:]), digits)[1:]} ({len(x)} of them)"
    return "[" + ", ".join(number(v, digits) for v in x) + "]" if isinstance(x, (list, tuple)) else str(x)


def image_of(mine: Measured, right: Measured) -> Graphic | None:
    """The result, the wanted result and the difference, if they are images."""
    a, b = mine.value, right.value
    if right.low is None or not isinstance(a, Tensor) or a.shape != b.shape or not a.isfinite().all():
        return None
    a, b = a.float().cpu(), b.float()
    i = (a - b).abs().flatten(1).sum(dim=1).argmax()  # the image with the largest difference
    a, b, off = a[i, None], b[i, None], (a - b)[i, None]
    middle, reach = (right.low + right.high) / 2, (right.high - right.low) / 2
    times = max(int(reach / off.abs().max().item()), 1) if off.any() else 1
    difference = f"{times} × difference" if times > 1 else "difference"
    titles = [f"your {right.what.removeprefix('the ')}", "wanted", difference]
    return grid([a, b, times * off + middle], titles, low=right.low, high=right.high, cell=128)
