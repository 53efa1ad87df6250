"""Part B's networks, against numbers computed by hand and against the course's figure written a second time."""

import math

import pytest
import torch
import torch.nn.functional as F

from helpers.unet import (
    ClassConditionalUNet,
    Conv,
    ConvBlock,
    DownBlock,
    DownConv,
    FCBlock,
    Flatten,
    TimeConditionalUNet,
    UnconditionalUNet,
    Unflatten,
    UpBlock,
    UpConv,
    copy_input,
    one_hot,
)


def gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_hand(operation, kernel, *, mean=0.0, scale=1.0):
    """A one-channel operation with a known kernel, whose BatchNorm turns y into (y - mean) · scale."""
    convolution, norm = operation[0], operation[1]
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor(kernel).view_as(convolution.weight))
        convolution.bias.zero_()
        norm.running_mean.fill_(mean)
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(scale)
    return operation.eval()


# ---- operations and blocks


@pytest.mark.parametrize(
    "block, given, wanted",
    [
        (Conv(3, 5), (3, 28, 28), (5, 28, 28)),
        (DownConv(3, 5), (3, 28, 28), (5, 14, 14)),
        (DownConv(3, 5), (3, 14, 14), (5, 7, 7)),
        (UpConv(3, 5), (3, 7, 7), (5, 14, 14)),
        (UpConv(3, 5), (3, 14, 14), (5, 28, 28)),
        (Flatten(), (3, 7, 7), (3, 1, 1)),
        (Unflatten(3), (3, 1, 1), (3, 7, 7)),
        (ConvBlock(3, 5), (3, 28, 28), (5, 28, 28)),
        (DownBlock(3, 5), (3, 28, 28), (5, 14, 14)),
        (UpBlock(3, 5), (3, 7, 7), (5, 14, 14)),
        (FCBlock(10, 5), (10,), (5, 1, 1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else None,
)
def test_shapes(block, given, wanted):
    assert block(torch.rand(2, *given)).shape == (2, *wanted)


@torch.no_grad()
def test_conv_by_hand():
    """Nine ones reach all four pixels from every place: 1 + 2 + 3 + 4 = 10, normalised to (10 - 8) / 2 = 1."""
    conv = by_hand(Conv(1, 1), [1.0] * 9, mean=8, scale=0.5)
    out = conv(torch.tensor([[[[1.0, 2], [3, 4]]]]))
    torch.testing.assert_close(out, torch.full((1, 1, 2, 2), gelu(1)))


@torch.no_grad()
def test_down_conv_by_hand():
    """Stride 2 and padding 1: the kernel's middle lies on pixels 0 and 2 of each side."""
    down = by_hand(DownConv(1, 1), [0.0, 0, 0, 0, 1, 0, 0, 0, 0])
    out = down(torch.arange(16.0).view(1, 1, 4, 4))
    torch.testing.assert_close(out.flatten(), torch.tensor([gelu(v) for v in (0, 2, 8, 10)]))


@torch.no_grad()
def test_up_conv_by_hand():
    """From one pixel, padding 1 leaves the middle 2×2 of the 4×4 kernel."""
    up = by_hand(UpConv(1, 1), [float(k) for k in range(16)])
    out = up(torch.full((1, 1, 1, 1), 0.1))
    torch.testing.assert_close(out.flatten(), torch.tensor([gelu(0.1 * k) for k in (5, 6, 9, 10)]))


@torch.no_grad()
def test_flatten_and_unflatten_by_hand():
    torch.testing.assert_close(Flatten()(torch.arange(49.0).view(1, 1, 7, 7) - 24.5).item(), gelu(-0.5))
    kernel = [k / 10 for k in range(49)]
    out = by_hand(Unflatten(1), kernel)(torch.full((1, 1, 1, 1), 2.0))
    torch.testing.assert_close(out.flatten(), torch.tensor([gelu(2 * k) for k in kernel]))


@torch.no_grad()
def test_fc_block_by_hand():
    block = FCBlock(1, 1)
    for parameter, value in zip(block.parameters(), (2.0, 0.5, 3.0, -1.0)):  # weight, bias, weight, bias
        parameter.fill_(value)
    torch.testing.assert_close(block(torch.tensor([[0.25]])).item(), 3 * gelu(2 * 0.25 + 0.5) - 1)


@torch.no_grad()
def test_neighbouring_timesteps_differ_under_autocast():
    """bf16 has 8 bits: 298/300 and 299/300 would be the same number."""
    t01 = torch.arange(300)[:, None] / 300
    assert len(t01.bfloat16().unique()) < 300
    with torch.autocast("cpu", torch.bfloat16):
        out = FCBlock(1, 8)(t01)
    assert out.dtype == torch.float32
    assert len(out[..., 0, 0].unique(dim=0)) == 300


# ---- the UNets


def figure(weights, x, t01=None, c=None):
    """The course's figure, written from its tables with plain functions, in evaluation mode."""

    def norm(x, name):
        parts = (weights[f"{name}.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.gelu(F.batch_norm(x, *parts))

    def conv(x, name, stride=1):
        return norm(F.conv2d(x, weights[f"{name}.0.weight"], weights[f"{name}.0.bias"], stride, 1), name)

    def transposed(x, name, stride, padding):
        return norm(
            F.conv_transpose2d(x, weights[f"{name}.0.weight"], weights[f"{name}.0.bias"], stride, padding), name
        )

    def two(x, name):
        return conv(conv(x, f"{name}.0"), f"{name}.1")

    def fc(signal, name):
        hidden = F.gelu(F.linear(signal, weights[f"{name}.0.weight"], weights[f"{name}.0.bias"]))
        return F.linear(hidden, weights[f"{name}.2.weight"], weights[f"{name}.2.bias"])[:, :, None, None]

    skip28 = two(x, "conv_in")
    skip14 = two(conv(skip28, "down1.0", 2), "down1.1")
    skip7 = two(conv(skip14, "down2.0", 2), "down2.1")
    up = transposed(F.gelu(skip7.mean((2, 3), keepdim=True)), "unflatten", 7, 0)
    up = up if c is None else up * fc(c, "c1")
    up = up if t01 is None else up + fc(t01, "t1")
    up = two(transposed(torch.cat([up, skip7], 1), "up1.0", 2, 1), "up1.1")
    up = up if c is None else up * fc(c, "c2")
    up = up if t01 is None else up + fc(t01, "t2")
    up = two(transposed(torch.cat([up, skip14], 1), "up2.0", 2, 1), "up2.1")
    up = two(torch.cat([up, skip28], 1), "conv_out.0")
    return F.conv2d(up, weights["conv_out.1.weight"], weights["conv_out.1.bias"], padding=1)


@torch.no_grad()
@pytest.mark.parametrize("hidden", [1, 3])
@pytest.mark.parametrize("signals", [0, 1, 2])
def test_the_unets_are_the_figure(signals, hidden):
    unet = [UnconditionalUNet, TimeConditionalUNet, ClassConditionalUNet][signals](hidden).eval()
    for name, value in unet.state_dict().items():
        if value.is_floating_point():  # running statistics too, whose start would hide a mix-up
            value.copy_(torch.rand(value.shape, generator=seeded(len(name))) + (0.5 if "running_var" in name else -0.3))
    x = torch.rand(2, 1, 28, 28, generator=seeded())
    given = [torch.tensor([[0.2], [0.9]]), one_hot([3, 8])][:signals]
    out = unet(x, *given)
    assert out.shape == x.shape
    torch.testing.assert_close(out, figure(unet.state_dict(), x, *given), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("hidden", [2, 5])
def test_a_network_can_start_by_copying_its_input(hidden):
    torch.manual_seed(0)
    unet = ClassConditionalUNet(hidden)  # in training mode: BatchNorm scales by this batch
    x, t01, c = torch.randn(8, 1, 28, 28), torch.rand(8, 1), one_hot(range(8))

    def correlation():
        return torch.corrcoef(torch.stack([unet(x, t01, c).flatten(), x.flatten()]))[0, 1].item()

    assert abs(correlation()) < 0.9
    copy_input(unet)
    assert correlation() == pytest.approx(1, abs=1e-4)
    copy_input(unet, -1)
    assert correlation() == pytest.approx(-1, abs=1e-4)


def test_a_network_too_narrow_to_copy_is_refused():
    with pytest.raises(ValueError, match="hidden is 1; wanted at least 2"):
        copy_input(UnconditionalUNet(1))
    with pytest.raises(ValueError, match="sign is 0; wanted 1 or -1"):
        copy_input(UnconditionalUNet(4), 0)


def test_the_number_of_weights():
    """D = 64, counted from the tables."""

    def conv(i, o, k=3):
        return i * o * k * k + o

    def op(i, o, k=3):
        return conv(i, o, k) + 2 * o  # BatchNorm's scale and shift

    D = 64
    wanted = (
        (op(1, D) + op(D, D))
        + (3 * op(D, D))
        + (op(D, 2 * D) + 2 * op(2 * D, 2 * D))
        + op(2 * D, 2 * D, 7)
        + (op(4 * D, D, 4) + 2 * op(D, D))
        + (op(2 * D, D, 4) + 2 * op(D, D))
        + (op(2 * D, D) + op(D, D))
        + conv(D, 1)
    )
    assert sum(p.numel() for p in UnconditionalUNet(D).parameters()) == wanted


@torch.no_grad()
def test_a_dropped_class_is_neither_of_the_ten():
    unet = ClassConditionalUNet(2).eval()
    x, t01 = torch.rand(1, 1, 28, 28, generator=seeded()).expand(11, -1, -1, -1), torch.full((11, 1), 0.5)
    out = unet(x, t01, torch.cat([one_hot(range(10)), torch.zeros(1, 10)]))
    assert len(out.unique(dim=0)) == 11


# ---- what a student gets wrong


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": torch.rand(2, 1, 32, 32)}, r"x has shape \(2, 1, 32, 32\); this network wants \(B, 1, 28, 28\)"),
        ({"x": torch.rand(1, 28, 28)}, r"x has shape \(1, 28, 28\); wanted \(B, C, H, W\)"),
        ({"t01": torch.tensor([0.1, 0.2])}, r"t01 has shape \(2,\); wanted \(2, 1\)"),
        ({"t01": torch.tensor([[100.0], [299.0]])}, r"t01 has values from 100 to 299; wanted \[0, 1\]"),
        ({"t01": torch.tensor([[100], [299]])}, r"t01 has dtype torch.int64; wanted floating point"),
        ({"c": torch.tensor([3.0, 4.0])}, r"c has shape \(2,\); wanted \(2, 10\)"),
        ({"c": torch.eye(10)}, r"c has shape \(10, 10\); wanted \(2, 10\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    given = {"x": torch.rand(2, 1, 28, 28), "t01": torch.rand(2, 1), "c": one_hot([3, 4])} | change
    with pytest.raises((ValueError, TypeError), match=message):
        ClassConditionalUNet(1)(**given)


@pytest.mark.parametrize("hidden", [0, -1, 2.0])
def test_a_width_that_is_no_positive_integer_is_refused(hidden):
    with pytest.raises((ValueError, TypeError), match="hidden is"):
        UnconditionalUNet(hidden)


@pytest.mark.parametrize("labels, message", [([0, 10], "run from 0 to 10"), ([-1], "-1"), ([0.5], "wanted integers")])
def test_labels_outside_0_to_9_are_refused(labels, message):
    with pytest.raises((ValueError, TypeError), match=message):
        one_hot(labels)


def test_one_hot():
    c = one_hot(torch.tensor([3, 0]))
    assert c.dtype == torch.float32 and c.shape == (2, 10)
    assert c.nonzero().tolist() == [[0, 3], [1, 0]] and c.sum() == 2
