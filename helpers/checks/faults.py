"""What can go wrong when a student's function is called, and how to say so."""

import re
import traceback
from pathlib import Path

__all__: list[str] = []  # it is for the checks alone

KIT = Path(__file__).resolve().parent.parent  # helpers/


class Fault(Exception):
    """Something that is wrong whatever the function should compute: a name for it, and what to tell the student.

    text: of an error that the function raised, its own text. Two of them are the same if that is.
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
    "A timestep is None ({error}). After the last step there is no next one, so s is None: that case needs a line of "
    "its own."
)
WHOLE_TABLE = (
    "A timestep is None, and as an index None takes nothing out: alphas_cumprod[None] is the whole table with an axis "
    "more ({error}). After the last step there is no next timestep, so s is None: that case needs a line of its own."
)

# (kind of error, what its text has, name, what to tell)
KNOWN_ERRORS = [
    (
        TypeError,
        r"unexpected keyword argument|missing \d+ required .*argument|positional arguments? but",
        "wrong call",
        "Something in it is called with other arguments than it takes: {error}.",
    ),
    (
        TypeError,
        r"is a tuple; wanted a torch.Tensor|multiply sequence by non-int|only integer tensors of a single element",
        "tuple for a tensor",
        "A tuple stands where a tensor should, or a tensor where an integer should ({error}). `forward` gives a pair: "
        "`x_t, eps = forward(…)`.",
    ),
    (
        TypeError,
        r"is not a Module subclass",
        "no layer",
        "What stands in a layer's place is none ({error}). A class becomes a layer with its brackets, `nn.GELU()`; a "
        "list becomes several with a star, `*layers`.",
    ),
    (
        AttributeError,
        r"before Module.__init__\(\) call",
        "layers before super().__init__",
        "`super().__init__(…)` comes first, and then the layers, `self.… = …` ({error}).",
    ),
    (
        TypeError,
        r"is None; wanted an integer",
        "None for a timestep",
        NO_NEXT,
    ),
    (
        RuntimeError,
        r"one_hot is only applicable to index tensor|Class values must be",
        "labels of another kind",
        "F.one_hot wants labels from 0 to 9 as torch.int64, the indices of the ones ({error}): `.long()` makes them "
        "so. What is one-hot already, (B, 10), needs no F.one_hot.",
    ),
    (
        RuntimeError,
        r"Boolean value of Tensor",
        "truth of a tensor",
        "It asks whether a tensor is true, to which several numbers have no answer. Ask for what you want to know: "
        "`x is None`, or `isinstance(x, torch.Tensor)`.",
    ),
    (
        Exception,
        r"same device|CUDA|NVIDIA|cuda|MPS",
        "wrong device",
        "It puts something on a fixed device ({error}). Make new tensors where the argument is: "
        "`device=x.device`, or `torch.zeros_like(x)`.",
    ),
    (
        NameError,
        r"name '(\w+)' is not defined",
        "unknown name",
        "It uses the name {0}, which is not defined. Is it an argument with another name, or an import that is "
        "missing?",
    ),
    (UnboundLocalError, r"variable '(\w+)'", "unknown name", "It uses {0} before anything was put there."),
    (
        RuntimeError,
        r"mat1 and mat2 shapes cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)",
        "shapes that do not fit",
        "A Linear that was made for {1} numbers is given {0}.",
    ),
    (
        RuntimeError,
        r"to have (\d+) channels, but got (\d+) channels",
        "shapes that do not fit",
        "A layer that was made for {0} channels is given {1}.",
    ),
    (
        RuntimeError,
        r"except in dimension (\d)\. Expected size (\d+) but got size (\d+)",
        "shapes that do not fit",
        "What is concatenated along axis {0} has to agree in all others, but one axis is {1} long in one tensor and "
        "{2} in another. Is it the skip of the same resolution?",
    ),
    (
        RuntimeError,
        r"tensor a \((\d+)\) must match .* tensor b \((\d+)\) at non-singleton dimension 1",
        "shapes that do not fit",
        "Two tensors meet of which one has {0} and one {1} along axis 1, where images have their channels. Does each "
        "argument stand in its place?",
    ),
    (
        RuntimeError,
        r"tensor a \(50\) must match|must match .* tensor b \(50\)",  # T of the checks' schedule
        "a whole table for one timestep",
        "Images meet a table with a number for each of the 50 timesteps ({error}). alphas_cumprod[t] takes out one; "
        "where t is None, as after the last step, it takes out nothing: that case needs a line of its own.",
    ),
    (
        RuntimeError,
        r"size of tensor a|broadcast|shape|sizes",
        "shapes that do not fit",
        "Two shapes in it do not fit together ({error}). Axes are matched from the last one back: for images (B, C, "
        "H, W), numbers (B,) need `.view(-1, 1, 1, 1)`, and (B, C) need `[:, :, None, None]`.",
    ),
    (
        RuntimeError,
        r"dtype|scalar type|Half|Double|should be the same",
        "wrong dtype",
        "It mixes two kinds of number ({error}). Everything here is torch.float32.",
    ),
    (
        RuntimeError,
        r"in-place|inplace",
        "in-place change of the input",
        "It changes in place what must not change ({error}).",
    ),
    (
        IndexError,
        r"out of bounds|out of range",
        "index out of range",
        "It reaches behind the end of something ({error}). A list of length T has the indices 0 … T - 1.",
    ),
    (RecursionError, r"", "endless recursion", "It calls itself without end."),
]


def explain(error: Exception, timeless: bool = False) -> Fault:
    """What an error inside a student's function means, and in which of their lines it arose.

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
                name, say = "wrong signature", "It takes other arguments than the stub: {error}. Keep its signature."
            if timeless and name in ("shapes that do not fit", "a whole table for one timestep"):
                name, say = "None for a timestep", WHOLE_TABLE
            return Fault(name, say.format(*found.groups(), error=text) + where, text)
    kind = type(error).__name__
    return Fault(kind, f"It raises {with_article(kind)}: {text}.{where}", text)


def inside(error: Exception) -> list[traceback.FrameSummary]:
    """The traceback from within the function, without what libraries add; empty if the call itself failed."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call
    return [frame for frame in frames if "site-packages" not in frame.filename]


def their_line(error: Exception) -> str:
    """The last line of the traceback that is neither the kit's nor a library's."""
    frames = [frame for frame in inside(error) if KIT not in Path(frame.filename).parents and frame.line]
    return f" That is in `{frames[-1].line}`." if frames else ""
