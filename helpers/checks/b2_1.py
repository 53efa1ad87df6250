"""Exercises of notebook B 2.1: the FCBlock, and a UNet that is conditioned on the time."""

# ruff: noqa: E501 (one mistake, two lines)

from torch import nn  # noqa: F401 (in a mistake)

from .exercise import Exercise, Mistake, alike
from .layers import CLOSE, FCBlock, build, output, weights_in
from .measured import Measured
from .toys import noise
from .unets import TIME_MISTAKES, WIRING, TimeUNet, UNet, join, probe_unet

__all__ = ["EXERCISES"]


def probe_fc(student):
    for sizes, batch in (((1, 6), 4), ((10, 5), 3)):
        case = f"FCBlock{sizes}, for {batch} rows"
        rows = noise(batch, sizes[0], seed=132).abs()
        network = build(student, case, sizes, [rows])
        y, steady = output(student, network, case, rows)
        yield Measured("the number of values for each row", y.numel() // batch)
        yield steady
        yield Measured("the result, without its shape", y.detach().flatten(), CLOSE)
        yield Measured("the shape of the result", list(y.shape))
        yield Measured("the number of weights, biases apart", weights_in(network))


FC_BLOCK = Exercise(
    name="fc_block",
    notebook="b2_1",
    kit="helpers.unet.FCBlock",
    task="Pass Linear(F_in, F_out), GELU and Linear(F_out, F_out) to super().__init__. In forward, "
    "apply these layers to the signal, and append two axes of length 1: (B, F_out, 1, 1).",
    look="Linear(F_in, F_out) → GELU → Linear(F_out, F_out), and two more axes, so that it adds to images.",
    probe=probe_fc,
    right=FCBlock,
    blank=("__init__", "forward"),
    mistakes=(
        Mistake("no GELU", "nn.GELU(),", "", "The GELU between the two is missing: two Linears in a row are only one."),
        Mistake("ReLU instead of GELU", "nn.GELU()", "nn.ReLU()", "It looks like ReLU in the middle; it is GELU."),
        Mistake("GELU at the end", "nn.Linear(out_features, out_features)", "nn.Linear(out_features, out_features), nn.GELU()",
                "There is a GELU at the end, too. Then its output could hardly be negative."),
        Mistake("one Linear", "nn.GELU(),\n            nn.Linear(out_features, out_features),", "",
                "There is one Linear; it takes two, and GELU between them."),
        Mistake("one Linear", "nn.Linear(out_features, out_features),", "",
                "There is one Linear and a GELU; a second Linear follows."),
        Mistake("hidden width F_in", "nn.Linear(in_features, out_features),\n            nn.GELU(),\n            nn.Linear(out_features, out_features)", "nn.Linear(in_features, in_features), nn.GELU(), nn.Linear(in_features, out_features)",
                "The hidden width is F_in: for the time, a single number. It should be F_out."),
        Mistake("axes missing", "[:, :, None, None]", "",
                "The result is (B, F_out). To be added to images (B, C, H, W) it needs two more axes."),
        Mistake("axes in front", "[:, :, None, None]", "[None, None]",
                "The two more axes are in front, (1, 1, B, F_out). The pixels' axes are the last two: (B, F_out, 1, 1)."),
        *alike("no bias", "A Linear has no bias. Leave it there, as nn.Linear has it.",
               ("in_features, out_features),", "in_features, out_features, bias=False),"),
               ("out_features, out_features),", "out_features, out_features, bias=False),"),
               ("out_features),\n            nn.GELU(),\n            nn.Linear(out_features, out_features)", "out_features, bias=False), nn.GELU(), nn.Linear(out_features, out_features, bias=False)")),
        *(
            Mistake("a wider middle",
                    "out_features),\n            nn.GELU(),\n            nn.Linear(out_features, out_features)",
                    f"{n} * out_features), nn.GELU(), nn.Linear({n} * out_features, out_features)",
                    f"The hidden width is {n} · F_out. It should be F_out.")
            for n in (2, 4)
        ),
        Mistake("three Linears", "nn.Linear(out_features, out_features)", "nn.Linear(out_features, out_features), nn.GELU(), nn.Linear(out_features, out_features)",
                "There are three Linears; it takes two."),
        Mistake("Sigmoid instead of GELU", "nn.GELU()", "nn.Sigmoid()", "It has a sigmoid in the middle; it is GELU."),
    ),
)  # fmt: skip


def probe_time_unet(student):
    yield from probe_unet(student, time=True)


UNET = Exercise(
    name="time_unet",
    notebook="b2_1",
    kit="helpers.unet.TimeConditionalUNet",
    task="Condition the UNet on the time: two FCBlocks of t/T, the first with 2D channels, added after Unflatten, the second "
    "with D, added after the first UpBlock.",
    look="t1 has 2D channels and is added after Unflatten, t2 has D and is added after the first UpBlock.",
    probe=probe_time_unet,
    parts=(join, UNet),
    right=TimeUNet,
    blank=("__init__", "forward"),
    mistakes=(*TIME_MISTAKES, *WIRING),
)

EXERCISES = [FC_BLOCK, UNET]
