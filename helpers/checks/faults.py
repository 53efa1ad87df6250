"""Errors of a student's function, and their explanations."""

import re
import traceback
from pathlib import Path

__all__: list[str] = []  # it is for the checks alone

KIT = Path(__file__).resolve().parent.parent  # helpers/


class Fault(Exception):
    """An error that would be one in any exercise, with a name and an explanation.

    text: the message of the Python error, if there is one. Two such Faults are equal if their texts are.
    """

    def __init__(self, name: str, say: str, text: str = ""):
        super().__init__(say)
        self.name, self.say, self.text = name, say, text


class NotWritten(Fault):
    """The function is still the stub."""


def with_article(name: str) -> str:
    """The name of a type with its article."""
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


NO_NEXT = (
    "A timestep is None ({error}). After the last step there is no next one, so s is None: handle that case separately."
)
WHOLE_TABLE = (
    "A timestep is None, and alphas_cumprod[None] is the whole table with one more axis ({error}). After the last step "
    "there is no next timestep, so s is None: handle that case separately."
)

# (type of the error, pattern in its message, name,
#  explanation)
# fmt: off
KNOWN_ERRORS = [
    (TypeError, r"unexpected keyword argument|missing \d+ required .*argument|positional arguments? but", "wrong call",
     "It calls a function with wrong arguments: {error}."),
    (TypeError, r"is a tuple; wanted a torch.Tensor|multiply sequence by non-int|only integer tensors of a single",
     "tuple for a tensor",
     "It uses a tuple instead of a tensor, or a tensor instead of an integer ({error}). `forward` returns a pair: "
     "`x_t, eps = forward(…)`."),
    (TypeError, r"is not a Module subclass", "no layer",
     "It uses something else as a layer ({error}). A class needs brackets to become a layer, `nn.GELU()`; a list of "
     "layers needs a star, `*layers`."),
    (AttributeError, r"before Module.__init__\(\) call", "layers before super().__init__",
     "Call `super().__init__(…)` before assigning layers, `self.… = …` ({error})."),
    (TypeError, r"is None; wanted an integer", "None for a timestep",
     NO_NEXT),
    (RuntimeError, r"one_hot is only applicable to index tensor|Class values must be", "labels of another kind",
     "F.one_hot needs labels from 0 to 9 as torch.int64 ({error}): convert them with `.long()`. A tensor that is "
     "one-hot already, (B, 10), needs no F.one_hot."),
    (RuntimeError, r"Boolean value of Tensor", "truth of a tensor",
     "It uses a tensor as a condition, but several numbers have no single truth value. Write the condition you mean: "
     "`x is None`, or `isinstance(x, torch.Tensor)`."),
    (Exception, r"same device|CUDA|NVIDIA|cuda|MPS", "wrong device",
     "It uses a fixed device ({error}). Create tensors on the argument's device: `device=x.device`, or "
     "`torch.zeros_like(x)`."),
    (NameError, r"name '(\w+)' is not defined", "unknown name",
     "It uses the name {0}, which is not defined. Is it an argument with another name, or a missing import?"),
    (UnboundLocalError, r"variable '(\w+)'", "unknown name",
     "It uses {0} before it is assigned."),
    (RuntimeError, r"mat1 and mat2 shapes cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", "shapes that do not fit",
     "A Linear with {1} input features receives {0}."),
    (RuntimeError, r"to have (\d+) channels, but got (\d+) channels", "shapes that do not fit",
     "A layer with {0} input channels receives {1}."),
    (RuntimeError, r"except in dimension (\d)\. Expected size (\d+) but got size (\d+)", "shapes that do not fit",
     "Tensors that are concatenated along axis {0} must agree in all others, but one axis has length {1} in one and "
     "{2} in another. Is it the skip connection of the same resolution?"),
    (RuntimeError, r"tensor a \((\d+)\) must match .* tensor b \((\d+)\) at non-singleton dimension 1",
     "shapes that do not fit",
     "Two tensors have {0} and {1} elements along axis 1, which is the channels' axis of images. Are the arguments in "
     "the right order?"),
    (RuntimeError, r"tensor a \(50\) must match|must match .* tensor b \(50\)", "a whole table for one timestep",
     "Images are combined with a table of all 50 timesteps ({error}). alphas_cumprod[t] is one element; but if t is "
     "None, as after the last step, it is the whole table: handle that case separately."),
    (RuntimeError, r"size of tensor a|broadcast|shape|sizes", "shapes that do not fit",
     "Two shapes do not fit ({error}). Broadcasting matches axes from the last one back: with images (B, C, H, W), "
     "(B,) needs `.view(-1, 1, 1, 1)`, and (B, C) needs `[:, :, None, None]`."),
    (RuntimeError, r"dtype|scalar type|Half|Double|should be the same", "wrong dtype",
     "It mixes two dtypes ({error}). All tensors here are torch.float32."),
    (RuntimeError, r"in-place|inplace", "in-place change of the input",
     "It changes a tensor in place that must not change ({error})."),
    (IndexError, r"out of bounds|out of range", "index out of range",
     "An index is out of range ({error}). A list of length T has the indices 0 … T - 1."),
    (RecursionError, r"", "endless recursion",
     "It calls itself endlessly."),
]
# fmt: on


def explain(error: Exception, timeless: bool = False) -> Fault:
    """Explain an error in a student's function, with the line that raised it.

    timeless: whether the function was called with None for a timestep.
    """
    if isinstance(error, NotImplementedError):
        return NotWritten("not written", str(error))
    text = str(error).split("\n")[0].rstrip(".") or type(error).__name__
    where = their_line(error)
    if timeless and isinstance(error, TypeError) and "NoneType" in text:
        return Fault("None for a timestep", NO_NEXT.format(error=text) + where, text)
    for kind, pattern, name, say in KNOWN_ERRORS:
        found = re.search(pattern, str(error))
        if isinstance(error, kind) and found:
            if name == "wrong call" and not inside(error):
                name, say = (
                    "wrong signature",
                    "It takes other arguments than the stub: {error}. Keep the stub's signature.",
                )
            if timeless and name in ("shapes that do not fit", "a whole table for one timestep"):
                name, say = "None for a timestep", WHOLE_TABLE
            return Fault(name, say.format(*found.groups(), error=text) + where, text)
    kind = type(error).__name__
    return Fault(kind, f"It raises {with_article(kind)}: {text}.{where}", text)


def inside(error: Exception) -> list[traceback.FrameSummary]:
    """The traceback within the function, without libraries; empty if the call itself failed."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call
    return [frame for frame in frames if "site-packages" not in frame.filename]


def their_line(error: Exception) -> str:
    """The last line of the traceback in the student's code."""
    frames = [frame for frame in inside(error) if KIT not in Path(frame.filename).parents and frame.line]
    return f" That is in `{frames[-1].line}`." if frames else ""
