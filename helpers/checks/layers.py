"""What the exercises on networks share: layers with known weights, probes, and the three UNets."""

import inspect

import torch
import torch.nn.functional as F
from torch import nn

from .exercise import Mistake
from .faults import Fault
from .measured import Measured
from .running import tensor
from .toys import fill, noise

CLOSE = 3e-3  # GELU has a usual approximation, which is right enough


def build(student, case, sizes, inputs) -> nn.Module:
    """The student's network of these sizes, for these inputs, with the check's weights."""
    network = student(case, *sizes)
    if not isinstance(network, nn.Module):
        raise Fault(
            "no network", f"It makes a {type(network).__name__}; wanted an nn.Module, such as an nn.Sequential."
        )
    if "_modules" not in vars(network):
        raise Fault(
            "super().__init__ forgotten",
            "It never calls `super().__init__(…)`, without which it is no network. An nn.Sequential is handed its "
            "layers there.",
        )
    for module in network.modules():
        loose = [name for name, _ in module.named_parameters(recurse=False)]
        if loose and not type(module).__module__.startswith("torch."):
            raise Fault(
                "weights outside a layer",
                f"It keeps weights of its own in {loose[0]}. They may be right, but this check can only try PyTorch's "
                "layers (nn.Conv2d, nn.Linear …), to which it gives weights that it knows: make one of them.",
            )
    for name in lists_of_layers(network):
        raise Fault(
            "layers in a plain list",
            f"It keeps layers in self.{name}, a Python list, where no optimizer finds them, so that they never learn: "
            "an nn.ModuleList, or an nn.Sequential(*layers).",
        )
    if any(nn.parameter.is_lazy(p) for p in network.parameters()):
        student.call(network, case, *inputs)  # from which a LazyConv2d learns how many channels there are
    return fill(network)


def lists_of_layers(network: nn.Module) -> list[str]:
    """The names of lists and tuples that have layers which the network itself does not know."""
    layers = set(network.modules())
    attributes = [(name, value) for module in layers for name, value in vars(module).items()]
    plain = [(name, value) for name, value in attributes if isinstance(value, (list, tuple))]
    return [name for name, value in plain if any(isinstance(x, nn.Module) and x not in layers for x in value)]


def ask(student, network, case, *inputs) -> tuple[torch.Tensor, Measured]:
    """A network's answer, still attached to its weights, and whether it says the same when it is asked again."""
    y, again = (student.call(network, case, *inputs) for _ in range(2))
    alike = torch.allclose(tensor(y, "the result"), tensor(again, "the result"), rtol=0, atol=CLOSE)
    return y, Measured(
        "asked again, it says the same",
        alike,
        name="chance",
        say="Asked the same again, it says something else. Is there a dropout, or a layer that is made anew in each "
        "call, so that it never learns?",
    )


def weights_in(network: nn.Module) -> int:
    """How many, without the biases, which some leave out before a BatchNorm."""
    return sum(p.numel() for name, p in network.named_parameters() if not name.endswith("bias"))


def probe_layer(*sizes: tuple[tuple[int, ...], tuple[int, ...]]):
    """A probe for networks of pictures: ((arguments of the class), (shape of the input)) for each case."""

    def probe(student):
        for arguments, shape in sizes:
            case = f"made with {', '.join(map(str, arguments)) or 'no arguments'}, for pictures {shape}"
            x = noise(*shape, seed=131)
            network = build(student, case, arguments, [x])
            y, steady = ask(student, network.eval(), case, x)
            yield Measured("the shape of the result", list(y.shape))
            yield steady
            yield Measured("the result in evaluation mode", y.detach(), CLOSE)
            y, steady = ask(student, network.train(), f"{case}, in training mode", x)
            yield steady
            yield Measured("the result in training mode", y.detach(), CLOSE)
            yield Measured("the number of weights, biases apart", weights_in(network))

    return probe


def layers(*parts):
    """A class of networks: its parts are functions of the sizes."""
    return lambda *sizes: nn.Sequential(*[part(*sizes) for part in parts])


def conv(k, s, p, **options):
    return lambda i, o: nn.Conv2d(i, o, k, s, p, **options)


def up(k, s, p, **options):
    return lambda i, o: nn.ConvTranspose2d(i, o, k, s, p, **options)


def norm(i, o=None):
    return nn.BatchNorm2d(i if o is None else o)


def gelu(*sizes):
    return nn.GELU()


def relu(*sizes):
    return nn.ReLU()


Conv, Down, Up = (layers(first, norm, gelu) for first in (conv(3, 1, 1), conv(3, 2, 1), up(4, 2, 1)))


def two(i, o):
    return nn.Sequential(Conv(i, o), Conv(o, o))


class Pixels(nn.Module):
    """Two axes more: (B, F) -> (B, F, 1, 1)."""

    def forward(self, x):
        return x[:, :, None, None]


def fc(*parts, axes=Pixels):
    return lambda i, o: nn.Sequential(*[part(i, o) for part in parts], axes())


def linear(a, b, **options):
    def make(i, o):
        widths = {"in": i, "out": o, "2 out": 2 * o, "4 out": 4 * o}
        return nn.Linear(widths[a], widths[b], **options)

    return make


def no_change(x):
    return x


def scale_and_shift(c, y, t):
    return c * y + t


def shift_and_scale(c, y, t):
    return c * (y + t)


def neither(c, y, t):
    return y


def to_one_channel(D):
    return nn.Sequential(two(2 * D, D), nn.Conv2d(D, 1, 3, 1, 1))


class Net(nn.Module):
    """The three UNets by the table, with everything in their wiring that can be got wrong."""

    def __init__(self, hidden, time=False, classes=False, **twist):
        super().__init__()
        D, self.twist = hidden, twist
        self.a28, self.end = two(1, D), twist.get("end", to_one_channel)(D)
        self.a14, self.a7 = nn.Sequential(Down(1 * D, D), two(D, D)), nn.Sequential(Down(D, 2 * D), two(2 * D, 2 * D))
        self.wide = nn.Sequential(nn.ConvTranspose2d(2 * D, 2 * D, 7, 7, 0), nn.BatchNorm2d(2 * D), nn.GELU())
        self.b14, self.b28 = nn.Sequential(Up(4 * D, D), two(D, D)), nn.Sequential(Up(2 * D, D), two(D, D))
        t_in, c_in = (1 if time else 0), (10 if classes else 0)
        self.times = nn.ModuleList(
            fc(linear("in", "out"), gelu, linear("out", "out"))(t_in, w) for w in (2 * D, D) if time
        )
        self.kinds = nn.ModuleList(
            fc(linear("in", "out"), gelu, linear("out", "out"))(c_in, w) for w in (2 * D, D) if classes
        )

    def forward(self, x, t01=None, c=None):
        t01, c = self.twist.get("told", lambda *told: told)(t01, c)
        t1, t2 = [block(t01) for block in self.times] or [0.0, 0.0]
        c1, c2 = [block(c) for block in self.kinds] or [1.0, 1.0]
        return self.wire(x, c1, t1, c2, t2)

    def wire(self, x, c1, t1, c2, t2):
        twist = self.twist.get
        ts = twist("times", no_change)([t1, t2])
        cs = twist("kinds", no_change)([c1, c2])
        put = twist("put", scale_and_shift)
        puts, places = twist("puts", (put, put)), twist("places", (1, 2))
        join = twist("join", lambda below, skip: torch.cat([below, skip], dim=1))
        joins = twist("joins", (join, join, join))

        def told(place, y):
            for where, put, c, t in zip(places, puts, cs, ts):
                y = put(c, y, t) if where == place else y
            return y

        x28 = self.a28(x)
        x14 = self.a14(x28)
        x7 = self.a7(x14)
        x1 = x7.mean((2, 3), keepdim=True)
        x1 = told(0, x1 if twist("bare mean") else F.gelu(x1))
        up7 = x7 if twist("no bottleneck") else told(1, self.wide(x1))
        up14 = told(2, self.b14(joins[0](up7, x7)))
        up28 = told(3, self.b28(joins[1](up14, x14)))
        y = self.end(joins[2](up28, x28))
        return twist("out", no_change)(y)


def net(time=False, classes=False, **twist):
    return lambda hidden: Net(hidden, time, classes, **twist)


def probe_unet(time=False, classes=False):
    def probe(student):
        for hidden in (4, 3):
            case = f"hidden = {hidden}, two pictures, in evaluation mode"
            x = noise(2, 1, 28, 28, seed=133)
            more = [torch.tensor([[0.1], [0.9]])] * time + [torch.eye(10)[[2, 7]]] * classes
            network = watched(build(student, case, [hidden], [x, *more]).eval(), hidden)
            yield Measured(
                "t01 stands before c",
                in_order(network),
                name="arguments exchanged",
                say="forward takes its arguments in another order than the stub, which has x, t01, c.",
            )
            y, steady = ask(student, network, case, x, *more)
            yield Measured("the shape of the result", list(y.shape))
            yield steady
            yield Measured("the result", y.detach(), CLOSE)
            yield Measured("the number of weights, biases apart", weights_in(network))
            yield Measured(
                "a gradient reaches every layer",
                learns(y, network),
                name="gradient cut off",
                say="The gradient of the result does not reach every layer, so that not all of them learn. Is there a "
                "detach(), a .data or a torch.no_grad()?",
            )
            if hidden == 3:
                return
            if time:
                more[0] = torch.tensor([[0.5], [0.5]])
                y = tensor(student.call(network, f"{case}, both told 0.5", x, *more), "the result")
                yield Measured("the result", y, CLOSE)
            if classes:
                more[1] = torch.zeros(2, 10)
                y = tensor(student.call(network, f"{case}, c = 0", x, *more), "the result")
                yield Measured("the result", y, CLOSE)
            if not time and not classes:
                yield Measured("the result", wired(student, network, f"{case}, given c1, t1, c2, t2", x, hidden), CLOSE)

    return probe


def learns(y, network) -> bool:
    """Whether a gradient goes from the answer y to each of the network's weights."""
    weights = [p for p in network.parameters() if p.requires_grad]
    if not y.requires_grad:
        return False
    return all(gradient is not None for gradient in torch.autograd.grad(y.sum(), weights, allow_unused=True))


def in_order(network) -> bool:
    """Whether forward has t01 before c, where it calls them so."""
    names = list(inspect.signature(network.forward).parameters)
    return names.index("t01") < names.index("c") if {"t01", "c"} <= set(names) else True


def widths(hidden):
    """The channels of the scales and shifts, in the order in which `wire` takes them."""
    return {"c1": 2 * hidden, "t1": 2 * hidden, "c2": hidden, "t2": hidden}


def watched(network, hidden):
    """The network, whose `wire` now says what it was handed where that does not fit."""
    wire, wanted = getattr(network, "wire", None), widths(hidden)

    def watching(x, *args, **kwargs):
        try:
            return wire(x, *args, **kwargs)
        except RuntimeError as error:
            given = dict(zip(wanted, args)) | kwargs
            shapes = {name: tuple(y.shape) for name, y in given.items() if isinstance(y, torch.Tensor)}
            if all(shape[1:] == (wanted[name], 1, 1) for name, shape in shapes.items()):
                raise
            raise misfit(shapes, hidden) from error

    if wire is not None:
        network.wire = watching
    return network


def misfit(shapes, hidden) -> Fault:
    """What is wrong with scales and shifts of these shapes."""
    flat = [f"{name} {shape}" for name, shape in shapes.items() if len(shape) == 2]
    if flat:
        return Fault(
            "axes missing",
            f"`wire` is handed {' and '.join(flat)}. To meet pictures (B, C, H, W) it needs two more axes behind: "
            "`[:, :, None, None]`, which FCBlock adds.",
        )
    handed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    return Fault(
        "scales and shifts that do not fit",
        f"`wire` is handed {handed}. It takes (x, c1, t1, c2, t2) in this order, c1 and t1 with 2D = {2 * hidden} "
        f"channels, and c2 and t2 with D = {hidden}. By name, as in `t1=…`, each arrives in its place.",
    )


def wired(student, network, case, x, hidden):
    """What comes of scales and shifts, which later networks hand to `wire`; who has no `wire` has no place for them."""
    signals = {name: noise(2, w, 1, 1, seed=134 + i) for i, (name, w) in enumerate(widths(hidden).items())}
    wire = getattr(network, "wire", None) or fill(Net(hidden)).eval().wire
    return tensor(student.call(wire, case, x, **signals), "the result")


def cat(a, b):
    return torch.cat([a, b], dim=1)


def cat_turned(a, b):
    return torch.cat([b, a], dim=1)


def no_skip(a, b):
    return torch.cat([a, a], dim=1)


def skip_only(a, b):
    return torch.cat([b, b], dim=1)


def at_each_place(join):
    return (join, cat, cat), (cat, join, cat), (cat, cat, join)


def wiring(time=False, classes=False):
    def wrong(**twist):
        return net(time, classes, **twist)

    turned = (
        "The halves of a concatenation are exchanged: what comes from below first, then the skip. It would learn as "
        "well, but its weights fit no other network of this course."
    )
    lost = "A skip is lost: a concatenation has what comes from below twice, and nothing of the way down."
    return (
        Mistake("halves exchanged", wrong(join=cat_turned), turned),
        *(Mistake("halves exchanged", wrong(joins=joins), turned) for joins in at_each_place(cat_turned)),
        *(
            Mistake("a skip forgotten", wrong(joins=joins), lost)
            for joins in (*at_each_place(no_skip), (no_skip, no_skip, no_skip))
        ),
        *(
            Mistake(
                "along another axis",
                wrong(joins=joins),
                f"It concatenates along the {axis}. What is put together are the channels: `torch.cat([…], dim=1)`.",
            )
            for dim, axis in (
                (0, "batch, as torch.cat does where it is told no dim"),
                (2, "pictures' height, dim=2"),
                (3, "pictures' width, dim=3"),
            )
            for joins in at_each_place(lambda a, b, dim=dim: torch.cat([a, b], dim=dim))
        ),
        *(
            Mistake(
                "not concatenated",
                wrong(joins=joins),
                "A concatenation is missing: the next block is made for the channels from below and those of the skip, "
                "one after the other. They are not added, and neither is left out.",
            )
            for joins in at_each_place(lambda a, b: a + b)
        ),
        *(
            Mistake(
                "only the skip",
                wrong(joins=joins),
                "A concatenation has the skip twice, so that nothing from below comes through.",
            )
            for joins in ((cat, skip_only, cat), (cat, cat, skip_only))
        ),
        Mistake(
            "no bottleneck",
            wrong(**{"no bottleneck": True}),
            "Flatten and Unflatten are left out: x7 goes straight up again, so that the first concatenation has "
            "it twice.",
        ),
        Mistake(
            "no GELU in Flatten", wrong(**{"bare mean": True}), "Flatten is a plain mean here: its GELU is missing."
        ),
        Mistake(
            "an activation at the end",
            wrong(out=torch.sigmoid),
            "It ends in a sigmoid. The last convolution stands alone.",
        ),
        Mistake(
            "an activation at the end",
            wrong(end=lambda D: nn.Sequential(two(2 * D, D), Conv(D, 1))),
            "It ends in a Conv, with BatchNorm and GELU, so that it can hardly say something negative. The last "
            "convolution stands alone.",
        ),
        *(
            Mistake(
                "an activation at the end",
                wrong(end=end),
                "It ends in a ConvBlock, and so in a GELU: it can hardly say something negative. After the ConvBlock "
                "from 2D to D channels, the last convolution stands alone.",
            )
            for end in (lambda D: two(2 * D, 1), lambda D: nn.Sequential(two(2 * D, D), two(D, 1)))
        ),
        Mistake(
            "another kernel at the end",
            wrong(end=lambda D: nn.Sequential(two(2 * D, D), nn.Conv2d(D, 1, 1))),
            "The last convolution has fewer weights: its kernel looks like 1; it is 3, with padding 1.",
        ),
        Mistake(
            "no ConvBlock at the end",
            wrong(end=lambda D: nn.Conv2d(2 * D, 1, 3, 1, 1)),
            "The last convolution takes the concatenation itself: before it there is a ConvBlock, from 2D to D "
            "channels.",
        ),
        Mistake("an activation at the end", wrong(out=F.gelu), "It ends in a GELU. The last convolution stands alone."),
        Mistake(
            "an activation at the end", wrong(out=torch.tanh), "It ends in a tanh. The last convolution stands alone."
        ),
        Mistake(
            "a way round the network",
            lambda hidden: WayRound(hidden, time, classes),
            "The input is added to the output. The network says the result itself.",
        ),
    )


class WayRound(Net):
    def forward(self, x, *more):
        return x + super().forward(x, *more)


place_mistakes = (
    ("t1 forgotten", {"times": lambda ts: [0.0, ts[1]]}, "t1 is never added: it belongs after Unflatten."),
    ("t2 forgotten", {"times": lambda ts: [ts[0], 0.0]}, "t2 is never added: it belongs after the first UpBlock."),
    (
        "t2 one level too late",
        {"places": (1, 3)},
        "t2 comes in after the second UpBlock; it belongs after the first.",
    ),
    (
        "t1 before Unflatten",
        {"places": (0, 2)},
        "The first scale and shift, c1 and t1, come in before Unflatten; they belong after it.",
    ),
    *(
        (
            "one level too late",
            {"places": (2, 3), "put": put},
            "The scales and shifts come in one level too late. c1 and t1 have 2D channels, as what Unflatten gives; c2 "
            "and t2 have D, as what the first UpBlock gives.",
        )
        for put in (scale_and_shift, lambda c, y, t: y * c + t)
    ),
)


scale_mistakes = (
    ("c1 forgotten", {"kinds": lambda cs: [1.0, cs[1]]}, "c1 is missing: it multiplies what Unflatten says."),
    ("c2 forgotten", {"kinds": lambda cs: [cs[0], 1.0]}, "c2 is missing: it multiplies what the first UpBlock says."),
)


shifted_and_scaled = (
    (shift_and_scale, shift_and_scale),
    (shift_and_scale, scale_and_shift),
    (scale_and_shift, shift_and_scale),
)
