"""How good drawn digits are: the distance against closed forms, the reader against real digits and against noise."""

import pytest
import torch

from helpers.data import mnist
from helpers.metrics import (
    digit_quality,
    frechet_distance,
    load_digit_reader,
    read_digits,
    real_quality,
    share_confident,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crowd(n: int, mean, std) -> torch.Tensor:
    """n rows whose sample mean and (diagonal) sample covariance are exactly these."""
    x = torch.randn(n, len(mean), generator=seeded(), dtype=torch.float64)
    x = x - x.mean(dim=0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T  # white
    return x * torch.tensor(std) + torch.tensor(mean)


def test_the_distance_of_a_crowd_to_itself_is_zero():
    x = crowd(50, [1.0, 2.0, 3.0], [1.0, 2.0, 0.5])
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_the_distance_of_two_diagonal_gaussians_in_closed_form():
    # |mu_1 - mu_2|² + the sum of (std_1 - std_2)²
    a, b = crowd(50, [0.0, 0.0], [1.0, 2.0]), crowd(70, [3.0, -4.0], [2.0, 0.5])
    assert frechet_distance(a, b) == pytest.approx(25 + 1 + 2.25, rel=1e-9)


def test_the_distance_does_not_depend_on_the_axes():
    a, b = crowd(50, [0.0, 0.0, 1.0], [1.0, 2.0, 3.0]), crowd(70, [3.0, -4.0, 0.0], [2.0, 0.5, 1.0])
    turn = torch.linalg.qr(torch.randn(3, 3, generator=seeded(1), dtype=torch.float64)).Q
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(frechet_distance(a, b), rel=1e-9)


@pytest.mark.parametrize("shapes", [((3, 3), (9, 3)), ((9, 3), (3, 3)), ((9, 3), (9, 4)), ((9,), (9,))])
def test_crowds_that_have_no_covariance_are_refused(shapes):
    with pytest.raises(ValueError, match=r"wanted \(N, F\) and \(M, F\)"):
        frechet_distance(*(torch.randn(shape) for shape in shapes))


def test_the_reader_reads_real_digits():
    images, labels = mnist(train=False)[:500]
    features, read = read_digits(images)
    assert features.shape == (500, 64)
    assert (read == labels).float().mean() > 0.97


def test_the_reader_never_changes_by_looking():
    before = {name: value.clone() for name, value in load_digit_reader().state_dict().items()}
    read_digits(torch.rand(10, 1, 28, 28))
    assert all(torch.equal(before[name], value) for name, value in load_digit_reader().state_dict().items())


def test_images_are_judged_as_they_are_shown():
    images, _ = mnist(train=False)[:100]
    loud = (images - 0.5) * 1000  # beyond [0, 1] nearly everywhere
    assert torch.equal(read_digits(loud)[0], read_digits(loud.clamp(0, 1))[0])


def test_quality_tells_real_digits_from_spoilt_and_from_all_alike(monkeypatch):
    monkeypatch.setattr("helpers.metrics.real_features", lambda: read_digits(mnist()[:3000][0])[0])
    images, labels = mnist(train=False)[2000:2500]
    real = digit_quality(images, labels)
    blurred = digit_quality(torch.nn.functional.avg_pool2d(images, 5, 1, 2), labels)
    alike = digit_quality(images[:10].repeat(50, 1, 1, 1), labels[:10].repeat(50))
    assert real.accuracy > 0.95
    assert blurred.distance > 5 * real.distance
    assert alike.accuracy > 0.8 and alike.distance > 5 * real.distance  # accuracy alone would not notice
    assert digit_quality(images, (labels + 1) % 10).accuracy < 0.05


def test_the_reader_is_sure_of_real_digits_and_less_of_their_upper_halves():
    images, _ = mnist(train=False)[:500]
    halves = images.clone()
    halves[:, :, 14:] = 0
    assert share_confident(images) > 0.95
    assert share_confident(halves) < 0.8
    assert share_confident(images, 0.0) == 1
    with pytest.raises(ValueError, match=r"confidence is 1\.5; wanted"):
        share_confident(images, 1.5)


def test_bad_images_and_labels_are_refused():
    with pytest.raises(ValueError, match=r"wanted \(N, 1, 28, 28\)"):
        read_digits(torch.rand(2, 3, 64, 64))
    with pytest.raises(ValueError, match="wanted one for each of 100 images"):
        digit_quality(torch.rand(100, 1, 28, 28), torch.zeros(99, dtype=torch.long))
    with pytest.raises(ValueError, match="count is 60"):
        real_quality(60)
