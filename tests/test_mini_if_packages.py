"""The packages of Mini-IF's training images: fetched, checked and read, on made-up ones."""

import hashlib
import io
import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from making.mini_if import packages
from making.mini_if.packages import PACKAGES, Package, PackageError, check_integrity, debian_data, fetch, members

NPM = Package("npm", "@tiny/icons", "1.0.0", "sha512-", "MIT", "tiny icons")
DEBIAN = Package("debian", "tiny-data", "1:2.0-1", hashlib.sha256(b"abc").hexdigest(), "CC0-1.0", "tiny data")
FILES = {"a/one.txt": b"1", "a/two.txt": b"22" * 50}


def tar(files: dict[str, bytes], compression: str, prefix: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as archive:
        folder = tarfile.TarInfo(f"{prefix}a")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            about = tarfile.TarInfo(prefix + name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return packed.getvalue()


def deb(files: dict[str, bytes]) -> bytes:
    archive = b"!<arch>\n"
    for name, data in {
        "debian-binary": b"2.0\n",
        "control.tar.xz": b"odd",
        "data.tar.xz": tar(files, "xz", "./"),
    }.items():
        archive += f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(data):<10}`\n".encode()
        archive += data + b"\n" * (len(data) % 2)
    return archive


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Put a program of a given name on the PATH, alone: it is run instead of the registry's client."""

    def install(name: str, script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / name
        program.write_text(f"#!{sys.executable}\n{script}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return install


def test_every_package_is_described_in_full():
    assert len({package.file for package in PACKAGES}) == len(PACKAGES)
    for package in PACKAGES:
        assert package.registry in ("npm", "debian")
        assert len(package.checksum) == (7 + 88 if package.registry == "npm" else 64)
        assert package.licence and package.about


def test_every_package_is_listed_among_the_sources():
    listed = (Path(packages.__file__).parents[2] / "data" / "SOURCES.md").read_text(encoding="utf-8")
    assert [package.name for package in PACKAGES if f"`{package.name}` {package.version} |" not in listed] == []


def test_files_are_called_as_the_clients_call_them():
    assert NPM.file == "tiny-icons-1.0.0.tgz"
    assert DEBIAN.file == "tiny-data_1%3a2.0-1_all.deb"


def test_a_package_is_known_by_npms_checksum(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    check_integrity(  # of "abc", from FIPS 180-2
        tmp_path / "abc",
        "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==",
    )
    check_integrity(tmp_path / "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")


@pytest.mark.parametrize("package", [NPM, replace(DEBIAN, checksum="0" * 64)])
def test_an_altered_package_is_refused(tmp_path, package):
    (tmp_path / package.file).write_bytes(b"abc")
    with pytest.raises(PackageError, match=r"has the checksum \S+; wanted \S+ Delete it"):
        fetch(package, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="the client's double is a Unix program")
def test_a_package_is_fetched_once(tmp_path, client):
    client("apt-get", f"import sys; print(sys.argv[1:]); open({DEBIAN.file!r}, 'w').write('abc')")
    file = fetch(DEBIAN, tmp_path / "new")
    assert file == tmp_path / "new" / DEBIAN.file and file.read_bytes() == b"abc"
    (tmp_path / "bin" / "apt-get").unlink()
    assert fetch(DEBIAN, tmp_path / "new") == file


@pytest.mark.skipif(os.name == "nt", reason="the client's double is a Unix program")
def test_a_package_that_is_fetched_wrong_is_not_kept(tmp_path, client):
    client("apt-get", f"open({DEBIAN.file!r}, 'w').write('abcd')")
    with pytest.raises(PackageError, match="has the checksum"):
        fetch(DEBIAN, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("package, name", [(NPM, "npm"), (DEBIAN, "apt-get")])
def test_a_client_that_is_not_there(tmp_path, monkeypatch, package, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    if os.name == "nt":
        pytest.skip("there the shell is asked")
    with pytest.raises(PackageError) as error:
        fetch(package, tmp_path / "new")
    assert f"there is no {name}" in str(error.value)
    assert f"put its file {package.file} into {tmp_path / 'new'}" in str(error.value)


@pytest.mark.skipif(os.name == "nt", reason="the client's double is a Unix program")
def test_a_client_that_fails(tmp_path, client):
    client("npm", "import sys; sys.exit('no such version')")
    with pytest.raises(PackageError, match=r"npm cannot fetch @tiny/icons 1\.0\.0 \(no such version\); put its file"):
        fetch(NPM, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="the client's double is a Unix program")
def test_a_client_that_fetches_nothing(tmp_path, client):
    client("npm", "")
    with pytest.raises(PackageError, match=r"npm fetched no tiny-icons-1\.0\.0\.tgz; put its file"):
        fetch(NPM, tmp_path)


def test_both_kinds_of_packages_are_read(tmp_path):
    (tmp_path / "tiny.tgz").write_bytes(tar(FILES, "gz"))
    (tmp_path / "tiny.deb").write_bytes(deb(FILES))
    assert dict(members(tmp_path / "tiny.tgz")) == dict(members(tmp_path / "tiny.deb")) == FILES


@pytest.mark.parametrize("archive", [b"", b"!<arch>\n", b"no archive at all", deb(FILES)[:150], deb(FILES)[:-40]])
def test_a_damaged_debian_package(tmp_path, archive):
    (tmp_path / "tiny.deb").write_bytes(archive)
    with pytest.raises(PackageError, match=r"tiny\.deb is no readable package"):
        list(members(tmp_path / "tiny.deb"))


def test_a_damaged_npm_package(tmp_path):
    (tmp_path / "tiny.tgz").write_bytes(tar(FILES, "gz")[:-30])
    with pytest.raises(PackageError, match=r"tiny\.tgz is no readable package"):
        list(members(tmp_path / "tiny.tgz"))
    with pytest.raises(PackageError, match="cannot be read"):
        list(members(tmp_path / "other.tgz"))


def test_an_ar_archive_may_have_members_of_odd_size():
    assert debian_data(deb(FILES)) == tar(FILES, "xz", "./")


def test_the_command_prints_every_source(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(packages, "PACKAGES", (DEBIAN,))
    (tmp_path / DEBIAN.file).write_bytes(b"abc")
    packages.main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    for part in (DEBIAN.name, DEBIAN.version, DEBIAN.licence, DEBIAN.checksum, DEBIAN.about):
        assert part in printed
    (tmp_path / DEBIAN.file).write_bytes(b"abcd")
    with pytest.raises(SystemExit):
        packages.main(["--out", str(tmp_path)])
