"""MNIST as it ships, other copies of it, and files that must not be trusted."""

import gzip
import hashlib
import shutil
import struct

import pytest
import torch

from helpers import data
from helpers.data import DATA, DIGIT_FILES, DataError, mnist

FILES = list(DIGIT_FILES["MNIST"])


def test_mnist_is_mnist():
    digits = mnist(train=False)
    images, labels = digits.tensors
    assert images.shape == (10_000, 1, 28, 28) and images.dtype == torch.float32
    assert (images.min(), images.max()) == (0, 1)
    assert labels.shape == (10_000,) and labels.dtype == torch.int64
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_training_part():
    images, labels = mnist().tensors
    assert images.shape == (60_000, 1, 28, 28)
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert abs(images.mean().item() - 0.1307) < 1e-4 and abs(images.std().item() - 0.3081) < 1e-4  # as everyone quotes


def test_it_reads_one_digit_a_slice_or_a_batch_at_once():
    digits = mnist(train=False)
    image, label = digits[3]
    assert image.shape == (1, 28, 28) and label == 0
    images, labels = digits[:256]
    assert images.shape == (256, 1, 28, 28) and labels.shape == (256,)
    images, labels = digits[torch.tensor([3, 1])]
    assert labels.tolist() == [0, 2]


# ---- other copies, in other layouts: tiny ones, whose checksums are declared


def idx(array: torch.Tensor) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.numpy().tobytes()


@pytest.fixture
def tiny(monkeypatch):
    """Raw files by name, of a small MNIST and a small Fashion-MNIST that pass for the real ones."""
    raw, checksums = {}, {}
    for seed, dataset in enumerate(DIGIT_FILES):
        generator = torch.Generator().manual_seed(seed)
        raw[dataset] = {
            name: idx(
                torch.randint(256, (5, 28, 28), dtype=torch.uint8, generator=generator)
                if "images" in name
                else torch.randint(10, (5,), dtype=torch.uint8, generator=generator)
            )
            for name in FILES
        }
        checksums[dataset] = {name: hashlib.md5(content).hexdigest() for name, content in raw[dataset].items()}
    monkeypatch.setattr(data, "DIGIT_FILES", checksums)
    return raw


def write(folder, files, *, gzipped):
    folder.mkdir(parents=True)
    for name, content in files.items():
        if gzipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("place", [".", "MNIST/raw", "FashionMNIST/raw"])
@pytest.mark.parametrize("dataset", list(DIGIT_FILES))
def test_folders_as_torchvision_and_debian_lay_them_out(tiny, tmp_path, dataset, place, gzipped):
    write(tmp_path / "root" / place, tiny[dataset], gzipped=gzipped)
    images, labels = mnist(folder=tmp_path / "root").tensors
    assert (images * 255).round().byte().numpy().tobytes() == tiny[dataset]["train-images-idx3-ubyte"][16:]
    assert labels.tolist() == list(tiny[dataset]["train-labels-idx1-ubyte"][8:])


def test_images_and_labels_of_two_data_sets_are_refused(tiny, tmp_path):
    mixed = tiny["MNIST"] | {"train-labels-idx1-ubyte": tiny["Fashion-MNIST"]["train-labels-idx1-ubyte"]}
    write(tmp_path / "mixed", mixed, gzipped=True)
    with pytest.raises(DataError, match="the images of MNIST and the labels of Fashion-MNIST"):
        mnist(folder=tmp_path / "mixed")


# ---- damaged files


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(DATA / "mnist", tmp_path / "mnist")
    return tmp_path / "mnist"


@pytest.mark.parametrize("keep", [0, 10, 2000, -1])
def test_a_truncated_file_is_refused_and_named(copy, keep):
    file = copy / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz .*(damaged or truncated|wanted 27ae3e4e)"):
        mnist(train=False, folder=copy)


def test_a_truncated_raw_file_is_refused_with_both_checksums(copy):
    packed = copy / "t10k-labels-idx1-ubyte.gz"
    raw = gzip.decompress(packed.read_bytes())[:-1]
    packed.unlink()
    (copy / "t10k-labels-idx1-ubyte").write_bytes(raw)
    given, wanted = hashlib.md5(raw).hexdigest(), DIGIT_FILES["MNIST"]["t10k-labels-idx1-ubyte"]
    with pytest.raises(DataError, match=rf"idx1-ubyte has MD5 {given} over 10007 bytes.*wanted {wanted} \(MNIST\)"):
        mnist(train=False, folder=copy)


def test_one_altered_label_is_noticed(copy):
    file = copy / "t10k-labels-idx1-ubyte.gz"
    raw = bytearray(gzip.decompress(file.read_bytes()))
    raw[100] = (raw[100] + 1) % 10
    file.write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz has MD5 .*; wanted"):
        mnist(train=False, folder=copy)


def test_a_missing_file_is_named(copy):
    (copy / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte\.gz in .*mnist"):
        mnist(train=False, folder=copy)


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="wanted MNIST's four files"):
        mnist(folder=tmp_path)
