"""Exercises of notebook B 2.1: the FCBlock, and a UNet that is told the time."""

from torch import nn

from .exercise import Exercise, Mistake
from .layers import CLOSE, ask, build, fc, gelu, linear, net, place_mistakes, probe_unet, relu, weights_in, wiring
from .measured import Measured
from .toys import noise

__all__ = ["EXERCISES"]


def probe_fc(student):
    for sizes, batch in (((1, 6), 4), ((10, 5), 3)):
        case = f"FCBlock{sizes}, for {batch} rows"
        rows = noise(batch, sizes[0], seed=132).abs()
        network = build(student, case, sizes, [rows])
        y, steady = ask(student, network, case, rows)
        yield Measured("the number of values for each row", y.numel() // batch)
        yield steady
        yield Measured("the result, without its shape", y.detach().flatten(), CLOSE)
        yield Measured("the shape of the result", list(y.shape))
        yield Measured("the number of weights, biases apart", weights_in(network))


class AxesInFront(nn.Module):
    def forward(self, x):
        return x[None, None]


fc_block = Exercise(
    name="fc_block",
    notebook="b2_1",
    kit="helpers.unet.FCBlock",
    task="Linear(F_in, F_out), GELU, Linear(F_out, F_out): rows (B, F_in) become numbers for channels, "
    "(B, F_out, 1, 1).",
    look="Linear(F_in, F_out) → GELU → Linear(F_out, F_out), and two more axes, so that it adds to pictures.",
    probe=probe_fc,
    right=fc(linear("in", "out"), gelu, linear("out", "out")),
    blank=("__init__", "forward"),
    mistakes=(
        Mistake(
            "no GELU",
            fc(linear("in", "out"), linear("out", "out")),
            "The GELU between the two is missing: two Linears in a row are only one.",
        ),
        Mistake(
            "ReLU instead of GELU",
            fc(linear("in", "out"), relu, linear("out", "out")),
            "It looks like ReLU in the middle; it is GELU.",
        ),
        Mistake(
            "GELU at the end",
            fc(linear("in", "out"), gelu, linear("out", "out"), gelu),
            "There is a GELU at the end, too. Then it could hardly ever say something negative.",
        ),
        Mistake("one Linear", fc(linear("in", "out")), "There is one Linear; it takes two, and GELU between them."),
        Mistake(
            "one Linear", fc(linear("in", "out"), gelu), "There is one Linear and a GELU; a second Linear follows."
        ),
        Mistake(
            "hidden width F_in",
            fc(linear("in", "in"), gelu, linear("in", "out")),
            "The middle is F_in wide: for the time, that is a single number. It is F_out wide.",
        ),
        Mistake(
            "axes missing",
            fc(linear("in", "out"), gelu, linear("out", "out"), axes=nn.Identity),
            "The result is (B, F_out). To be added to pictures (B, C, H, W) it needs two more axes.",
        ),
        Mistake(
            "axes in front",
            fc(linear("in", "out"), gelu, linear("out", "out"), axes=AxesInFront),
            "The two more axes are in front, (1, 1, B, F_out). The pixels' axes are the last two: (B, F_out, 1, 1).",
        ),
        *(
            Mistake(
                "no bias",
                fc(linear("in", "out", bias=first), gelu, linear("out", "out", bias=second)),
                "A Linear has no bias. Leave it there, as nn.Linear has it.",
            )
            for first, second in ((True, False), (False, True), (False, False))
        ),
        *(
            Mistake(
                "a wider middle",
                fc(linear("in", middle), gelu, linear(middle, "out")),
                f"The middle is {middle[0]} · F_out wide. It is F_out wide.",
            )
            for middle in ("2 out", "4 out")
        ),
        Mistake(
            "three Linears",
            fc(linear("in", "out"), gelu, linear("out", "out"), gelu, linear("out", "out")),
            "There are three Linears; it takes two.",
        ),
        Mistake(
            "Sigmoid instead of GELU",
            fc(linear("in", "out"), lambda *s: nn.Sigmoid(), linear("out", "out")),
            "It has a sigmoid in the middle; it is GELU.",
        ),
    ),
)


def told_of_time(change):
    return {"told": lambda t01, c: (change(t01), c)}


time_mistakes = (
    *(
        ("t/T once more", told_of_time(lambda t01, T=T: t01 / T), f"The time is divided by {T}. t01 is t/T already.")
        for T in (300, 1000)
    ),
    ("t for t/T", told_of_time(lambda t01: t01 * 300), "The time is multiplied by 300. The blocks are told t/T."),
    (
        "one time for the batch",
        told_of_time(lambda t01: t01[:1].expand_as(t01)),
        "All pictures are told the first one's time. Each has its own.",
    ),
    (
        "one time for the batch",
        told_of_time(lambda t01: t01.mean(dim=0, keepdim=True)),
        "All pictures are told the mean of the batch's times. Each has its own.",
    ),
    ("time ignored", {"times": lambda ts: [0.0, 0.0]}, "The time makes no difference: t1 and t2 are never added."),
    *place_mistakes,
    ("time multiplied", {"put": lambda c, y, t: c * y * t}, "The time multiplies the channels; it is added to them."),
    (
        "time multiplied",
        {"put": lambda c, y, t: c * y * (1 + t)},
        "The time multiplies the channels; it is added to them.",
    ),
    ("time taken away", {"put": lambda c, y, t: c * y - t}, "The time is subtracted; it is added."),
)


time_unet = Exercise(
    name="time_unet",
    notebook="b2_1",
    kit="helpers.unet.TimeConditionalUNet",
    task="Tell the UNet the time: two FCBlocks of t/T, the first with 2D channels, added after Unflatten, the second "
    "with D, added after the first UpBlock.",
    look="t1 has 2D channels and is added after Unflatten, t2 has D and is added after the first UpBlock.",
    probe=probe_unet(time=True),
    right=net(True),
    blank=("__init__", "forward"),
    mistakes=(*(Mistake(name, net(True, **twist), say) for name, twist, say in time_mistakes), *wiring(True)),
)


EXERCISES = [fc_block, time_unet]
