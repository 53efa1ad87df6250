import pytest
import torch
from toys import Toy, seeded

from helpers.schedule import NoiseSchedule


@pytest.fixture
def schedule():
    return NoiseSchedule.cosine()


@pytest.fixture
def toy():
    return Toy()


@pytest.fixture
def x0():
    """Two clean pictures of the toy's shape, in [-1, 1]."""
    return torch.rand(2, 3, 16, 16, generator=seeded(10)) * 2 - 1


@pytest.fixture
def x_t():
    """Two pictures of pure noise."""
    return torch.randn(2, 3, 16, 16, generator=seeded(11))


@pytest.fixture
def conds():
    """Four conditions of the toy, (1, 3) each."""
    return list(torch.randn(4, 1, 3, generator=seeded(12)))


@pytest.fixture
def one_thread():
    """For many small operations: on a busy computer, two threads wait for one another at each of them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
