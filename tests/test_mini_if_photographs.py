"""The photographs that Mini-IF learns from: their list, their licences and splits, and reading them from packages."""

import hashlib
import io
import json
import re
import struct
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from making.mini_if import packages, photographs
from making.mini_if.concepts import read_held_out
from making.mini_if.photographs import (
    KEPT,
    LICENCES,
    SHIPPED,
    PhotographError,
    choose_held_out,
    decode,
    fitted,
    load,
    pairs,
    read_photographs,
    readme,
    resources,
    squares,
)

PHOTOGRAPHS = read_photographs()
LISTED = json.loads((photographs.FOLDER / "photographs.json").read_text(encoding="utf-8"))


def rcc(files: dict[str, bytes], version: int = 3, magic: bytes = b"qres") -> bytes:
    """A Qt resource file with one folder, "a", in which files lie; those called *.z are compressed with zlib."""
    extra = bytes(8) if version >= 2 else b""
    names, contents, entries = b"", b"", b""

    def name(text: str) -> int:
        nonlocal names
        at = len(names)
        names += struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")
        return at

    entries += struct.pack(">IHII", 0, 2, 1, 1) + extra
    entries += struct.pack(">IHII", name("a"), 2, len(files), 2) + extra
    for file, data in files.items():
        flags = 1 if file.endswith(".z") else 4 if file.endswith(".zst") else 0
        stored = struct.pack(">I", len(data)) + zlib.compress(data) if flags == 1 else data
        entries += struct.pack(">IHHHI", name(file), flags, 0, 0, len(contents)) + extra
        contents += struct.pack(">I", len(stored)) + stored
    head = 20
    offsets = (head, head + len(entries), head + len(entries) + len(contents))
    return magic + struct.pack(">4I", version, *offsets) + entries + contents + names


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)).save(file, "PNG")
    return file.getvalue()


# ---- the list -----------------------------------------------------------------------------------------------------


def test_every_image_is_listed_once():
    for what in ("id", "sha256"):
        assert max(Counter(getattr(photo, what) for photo in PHOTOGRAPHS).values()) == 1
    used = {photo.resource or photo.file for photo in PHOTOGRAPHS}
    left_out = {path for reasons in LISTED["left out"].values() for paths in reasons.values() for path in paths}
    assert len(used) == len(PHOTOGRAPHS) and not used & left_out


def test_every_landscape_of_the_package_is_used_or_left_out_for_a_reason():
    landscapes = {photo.file for photo in PHOTOGRAPHS if "/land/" in photo.file}
    left_out = LISTED["left out"]["endless-sky-data"]
    landscapes |= {path for paths in left_out.values() for path in paths if "/land/" in path}
    assert len(landscapes) == 273
    share_alike = [path for reason, paths in left_out.items() if "BY-SA" in reason for path in paths]
    assert sum("/land/" in path for path in share_alike) == 92


def test_photographs_of_share_alike_authors_are_not_used():
    # the package's copyright file names these authors' files by such endings; a pattern such as mountain1*, meant for
    # other files, covers some of them too
    authors = re.compile(r"(sfiera|striker|harro|iridium|spfld)\.jpg|(bwerner|myrabella|dmottl|mfield|lava5)")
    assert not [photo.id for photo in PHOTOGRAPHS if authors.search(photo.file)]


@pytest.mark.parametrize("photo", PHOTOGRAPHS, ids=lambda photo: photo.id)
def test_an_entry_is_whole(photo):
    assert photo.licence in LICENCES and photo.author and re.fullmatch("[0-9a-f]{64}", photo.sha256)
    assert re.fullmatch("[a-z0-9-]+", photo.id) and bool(photo.resource) == photo.file.endswith(".rcc")
    assert 2 <= len(set(photo.names)) == len(photo.names) <= 4
    assert all(name == name.lower().strip() and len(name.split()) <= 7 for name in photo.names)
    assert photo.label and (photo.kind == "painting") == photo.label.startswith("painting of")
    assert photo.split == "held out" or not photo.original


@pytest.mark.parametrize("field, value", [("licence", "CC-BY-SA-4.0"), ("kind", "drawing"), ("split", "test")])
def test_an_entry_that_is_not_allowed_is_refused(field, value):
    with pytest.raises(PhotographError, match=rf"{field} is '{value}'; wanted one of"):
        replace(PHOTOGRAPHS[0], **{field: value})


# ---- splits -------------------------------------------------------------------------------------------------------


def test_pairs_are_found_in_names():
    assert pairs(["a castle", "a building with towers"], "photo") == {("castle", "photo"), ("tower", "photo")}
    assert pairs(["a man with a straw hat"], "painting") >= {("straw hat", "oil painting")}
    assert ("bat", "photo") not in pairs(["a bathroom"], "photo")


def test_no_pair_that_is_held_out_is_trained():
    held_out = read_held_out()
    trained = [photo for photo in PHOTOGRAPHS if photo.split == "train"]
    assert not {
        photo.id: found for photo in trained if (found := pairs([*photo.names, photo.label], photo.kind) & held_out)
    }
    assert [photo.id for photo in PHOTOGRAPHS if pairs(photo.names, photo.kind) & held_out]  # towers, drums …


def test_a_fifth_is_held_out_over_the_labels():
    held_out = read_held_out()
    free = [photo for photo in PHOTOGRAPHS if not pairs(photo.names, photo.kind) & held_out]
    originals = [photo.id for photo in PHOTOGRAPHS if photo.original]
    chosen = choose_held_out({photo.id: photo.label for photo in free}, originals)
    assert {photo.id for photo in free if photo.split == "held out"} == chosen
    assert 0.17 < len(chosen) / len(free) < 0.23
    trained = {photo.label for photo in free if photo.split == "train"}
    common = {label for label, n in Counter(photo.label for photo in free).items() if n >= 10}
    assert common <= trained and common <= {photo.label for photo in free if photo.id in chosen}
    assert not [photo.id for photo in free if photo.label in KEPT and photo.split == "held out"]
    assert 8 <= len(originals) <= 12


def test_the_choice_of_held_out_images_is_spread_and_repeats():
    labels = {f"{label}{i}": label for label in ("a", "b", "c") for i in range(10)} | {"dog1": "dog"}
    chosen = choose_held_out(labels, always={"a3", "a4", "a5"})
    assert chosen == choose_held_out(labels, always={"a3", "a4", "a5"}) != choose_held_out(labels, (), seed=1)
    assert Counter(labels[id] for id in chosen) == {"a": 3, "b": 2, "c": 2} and {"a3", "a4", "a5"} < chosen


# ---- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 3])
def test_a_resource_file_is_read(version):
    files = {"one.webp": b"1234", "two.z": b"5" * 100, "three.zst": b"?"}
    assert dict(resources(rcc(files, version))) == {"a/one.webp": b"1234", "a/two.z": b"5" * 100}


@pytest.mark.parametrize("data", [b"", b"PK\3\4", rcc({"a": b""}, magic=b"qrex")], ids=["empty", "zip", "other magic"])
def test_a_file_that_is_no_resource_file_is_refused(data):
    with pytest.raises(PhotographError, match="wanted b'qres'"):
        list(resources(data))


@pytest.mark.parametrize("length", [4, 19, 25, 60])
def test_a_resource_file_that_was_cut_off_is_refused(length):
    with pytest.raises(PhotographError, match="damaged"):
        list(resources(rcc({"one": b"1234", "two.z": b"5" * 100})[:length]))


def test_a_folder_that_contains_itself_is_refused():
    data = bytearray(rcc({"one": b"1"}))
    struct.pack_into(">I", data, 20 + 22 + 10, 1)  # the first child of "a" is "a"
    with pytest.raises(PhotographError, match="damaged"):
        list(resources(bytes(data)))


def test_an_image_that_was_changed_is_refused():
    photo = PHOTOGRAPHS[0]
    with pytest.raises(PhotographError, match=rf"{photo.id} has the SHA-256 [0-9a-f]+; wanted {photo.sha256}"):
        decode(photo, b"changed")


@pytest.mark.parametrize("content", [b"no image", png(40, 30)[:60]], ids=["text", "half an image"])
def test_an_image_that_cannot_be_read_is_refused(content):
    photo = replace(PHOTOGRAPHS[0], sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(PhotographError, match=f"{photo.id} is no readable image"):
        decode(photo, content)


@pytest.fixture
def packed(monkeypatch):
    """Two images, one of them in a resource file, in packages that are there, with every other file missing."""
    landscape, castle = png(80, 40), png(30, 30)
    content = {
        "endless-sky-data": [("land/a.png", landscape)],
        "gcompris-qt-data": [("x/readme", b""), ("x/b.rcc", rcc({"b.png": castle}))],
    }
    monkeypatch.setattr(photographs, "fetch", lambda package, folder: package.name)
    monkeypatch.setattr(photographs, "members", lambda file: iter(content[file]))
    one, two = (
        {"id": id, "sha256": hashlib.sha256(data).hexdigest()} for id, data in [("one", landscape), ("two", castle)]
    )
    return [
        replace(PHOTOGRAPHS[0], **one, package="endless-sky-data", file="land/a.png", resource="", plain=False),
        replace(PHOTOGRAPHS[0], **two, package="gcompris-qt-data", file="x/b.rcc", resource="a/b.png", plain=False),
    ]


def test_images_are_loaded_from_packages(packed):
    images = load(packed)
    assert {id: image.size for id, image in images.items()} == {"one": (512, 256), "two": (256, 256)}
    assert all(image.mode == "RGB" for image in images.values())


def test_an_image_that_the_package_lacks_is_named(packed):
    with pytest.raises(
        PhotographError, match=r"gcompris-qt-data_.*\.deb has no x/b\.rcc a/c\.png; 1 images are missing"
    ):
        load([packed[0], replace(packed[1], resource="a/c.png")])


def test_the_command_says_which_package_is_missing_or_damaged(tmp_path, monkeypatch, capsys):
    def refuse(package, folder, wanted):
        raise packages.PackageError(f"there is no apt-get to fetch {package.name} with.")

    monkeypatch.setattr(packages, "download", refuse)
    arguments = ["--packages", str(tmp_path), "--out", str(tmp_path / "art")]
    with pytest.raises(SystemExit) as ended:
        photographs.main(arguments)
    assert ended.value.code == 1 and "no apt-get to fetch endless-sky-data" in capsys.readouterr().err
    (tmp_path / packages.ENDLESS_SKY.file).write_bytes(b"half a package")
    with pytest.raises(SystemExit) as ended:
        photographs.main(arguments)
    assert ended.value.code == 1 and "Delete it, and fetch it again" in capsys.readouterr().err


# ---- shapes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, wanted, count",
    [
        ((720, 360), (512, 256), 3),
        ((400, 300), (341, 256), 2),
        ((300, 300), (256, 256), 1),
        ((100, 500), (256, 512), 3),
    ],
)
def test_an_image_is_fitted_and_covered_by_squares(given, wanted, count):
    image = fitted(Image.new("RGB", given))
    found = squares(image)
    assert image.size == wanted and [square.size for square in found] == [(256, 256)] * count


def test_squares_overlap_and_reach_both_ends():
    columns = np.broadcast_to((np.arange(512) // 2).astype(np.uint8)[None, :, None], (256, 512, 3))
    starts = [int(np.asarray(square)[0, 0, 0]) * 2 for square in squares(Image.fromarray(columns.copy()))]
    assert starts == [0, 128, 256]


def test_a_plain_image_keeps_the_whole_object():
    image = Image.new("RGB", (200, 100), "white")
    image.paste("red", (0, 40, 200, 60))
    square = np.asarray(fitted(image, plain=True))
    assert square.shape == (256, 256, 3) and (square[[0, -1]] == 255).all() and (square[128] == (255, 0, 0)).all()


# ---- data/photos --------------------------------------------------------------------------------------------------


def test_the_shipped_photographs_are_the_held_out_ones():
    held_out = [photo for photo in PHOTOGRAPHS if photo.split == "held out"]
    files = sorted(file.name for file in SHIPPED.iterdir())
    assert files == sorted([*(f"{photo.id}.webp" for photo in held_out), "README.md"])
    assert (SHIPPED / "README.md").read_text(encoding="utf-8") == readme(held_out)
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 2_000_000
    for photo in held_out:
        with Image.open(SHIPPED / f"{photo.id}.webp") as image:
            assert min(image.size) == 256 and max(image.size) <= 512
