import pytest
import torch
from huggingface_hub import constants
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
    """Two clean images of the toy's shape, in [-1, 1]."""
    return torch.rand(2, 3, 16, 16, generator=seeded(10)) * 2 - 1


@pytest.fixture
def x_t():
    """Two images of pure noise."""
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


@pytest.fixture(scope="session")
def tiny_if(tmp_path_factory):
    """The folders of a random DeepFloyd IF in small, stage I (16 pixels) and II (64), with the text encoder."""
    from ci.tiny_if import save_tiny_if  # here, since transformers takes long to import

    folder = tmp_path_factory.mktemp("tiny-if")
    save_tiny_if(folder / "stage-I", folder / "stage-II", size=16)
    return folder / "stage-I", folder / "stage-II"


@pytest.fixture
def user_cache(tmp_path, monkeypatch):
    """An empty place for the hub's cache and the kit's, instead of the user's."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    return tmp_path / "home"
