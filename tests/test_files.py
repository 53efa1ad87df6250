"""A file is complete at every moment: the old one until the new one is."""

import pytest

from helpers import files
from helpers.checksums import SUMS, write_sums
from helpers.files import replacing, write_whole


def test_a_file_is_replaced_as_a_whole(tmp_path):
    file = tmp_path / "folder" / "file.txt"  # the folder is made, too
    write_whole(b"old", file)
    with replacing(file) as partial:
        partial.write_bytes(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new" and list(file.parent.iterdir()) == [file]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "file.txt"
    write_whole(b"old", file)
    with pytest.raises(OSError, match="No space left"), replacing(file) as partial:
        partial.write_bytes(b"ne")
        raise OSError(28, "No space left on device")
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_two_writers_of_one_file_do_not_share_a_name(tmp_path):
    file = tmp_path / "file.txt"
    with replacing(file) as first, replacing(file) as second:
        assert first != second
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert file.read_bytes() == b"first"  # the one that ended last


def test_a_list_of_checksums_survives_a_full_disk(tmp_path, monkeypatch):
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    write_sums(tmp_path)
    old = (tmp_path / SUMS).read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(b"other weights")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_sums(tmp_path)
    assert (tmp_path / SUMS).read_bytes() == old
