"""The packages that Mini-IF's training images come from: icons from npm, photographs and 3-D models from Debian.

    python -m making.mini_if.packages

fetches them all into runs/packages (about 310 MB), compares each with its checksum, and prints what they are. It needs
npm (Node.js) and apt-get (Debian, Ubuntu). Files that are there already are not fetched again.
"""

import argparse
import base64
import hashlib
import io
import lzma
import os
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers.command import errors_end

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "packages"


class PackageError(RuntimeError):
    """A package that cannot be fetched or read. The message says what to do."""


@dataclass(frozen=True)
class Package:
    """One package file of a registry.

    Args:
        registry: "npm" or "debian".
        name, version: in the registry.
        checksum: SHA-512 as npm publishes it ("sha512-" and base64), or SHA-256 as Debian does (hexadecimal).
        licence: of the parts that are used (SPDX, or "public domain").
        about: a description in one line.
    """

    registry: str
    name: str
    version: str
    checksum: str
    licence: str
    about: str

    @property
    def file(self) -> str:
        """The package file's name, as the registry's client chooses it."""
        if self.registry == "npm":
            return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"
        return f"{self.name}_{self.version.replace(':', '%3a')}_all.deb"

    @property
    def command(self) -> list[str]:
        """The command that fetches the package file into the working directory."""
        if self.registry == "npm":
            return ["npm", "pack", "--silent", f"{self.name}@{self.version}"]
        return ["apt-get", "download", "--quiet", f"{self.name}={self.version}"]


# ---- the packages -------------------------------------------------------------------------------------------------

FLUENT_3D = Package(
    "npm",
    "@lobehub/fluent-emoji-3d",
    "1.1.0",
    "sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
    "MIT",
    "Microsoft's Fluent Emoji, 3-D renders, packed by LobeHub",
)
FLUENT_FLAT = Package(
    "npm",
    "@iconify-json/fluent-emoji-flat",
    "1.2.6",
    "sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
    "MIT",
    "Microsoft's Fluent Emoji, flat, packed by Iconify",
)
FLUENT_CONTRAST = Package(
    "npm",
    "@iconify-json/fluent-emoji-high-contrast",
    "1.2.6",
    "sha512-esqhZPpkrF7sNX3NsLoh8KW64okEr/bzko7WNnFP+qTJGAqDPDYjp0925yxuivXy3HtVQB8xhIKu3+Nq1byX5w==",
    "MIT",
    "Microsoft's Fluent Emoji, high contrast, packed by Iconify",
)
NOTO = Package(
    "npm",
    "@iconify-json/noto",
    "1.2.9",
    "sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
    "Apache-2.0",
    "Google's Noto Emoji, packed by Iconify",
)
TWEMOJI = Package(
    "npm",
    "@iconify-json/twemoji",
    "1.2.5",
    "sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
    "CC-BY-4.0",
    "Twemoji, © Twitter and contributors, packed by Iconify",
)
EMOJIONE = Package(
    "npm",
    "@iconify-json/emojione",
    "1.2.3",
    "sha512-T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
    "CC-BY-4.0",
    "Emoji One, © Emoji One, packed by Iconify",
)
NOTO_V1 = Package(
    "npm",
    "@iconify-json/noto-v1",
    "1.2.5",
    "sha512-/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
    "Apache-2.0",
    "Google's Noto Emoji, the older version, packed by Iconify",
)
FXEMOJI = Package(
    "npm",
    "@iconify-json/fxemoji",
    "1.2.2",
    "sha512-UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==",
    "Apache-2.0",
    "Mozilla's FxEmojis, packed by Iconify",
)
FLUENT_GRADIENT = Package(
    "npm",
    "@iconify-json/fluent-emoji",
    "1.2.7",
    "sha512-D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==",
    "MIT",
    "Microsoft's Fluent Emoji, with gradients, packed by Iconify",
)
STREAMLINE = Package(
    "npm",
    "@iconify-json/streamline-emojis",
    "1.2.4",
    "sha512-iNr9T9XuZVTyQPJO8ZlLxBzPkpi7qMl+z1l0C31vpEMqhPMelth3n7CeWQYtixdetDPdI81yeG4ROqjWpYJE6A==",
    "CC-BY-4.0",
    "Streamline Emojis, © Streamline, packed by Iconify",
)
NOTO_FONT = Package(
    "npm",
    "@fontsource/noto-emoji",
    "5.3.2",
    "sha512-N9CSzXJB04AVWYvFbuBgL2Dq964Zo91th/uOu/QLSuWBYuL9FWXGcEo6ZNwc/IJ7vmpm8KHaIKD7jF8pYm4taw==",
    "OFL-1.1",
    "Google's Noto Emoji, a font of one colour, packed by Fontsource",
)
EMOJIONE_MONOTONE = Package(
    "npm",
    "@iconify-json/emojione-monotone",
    "1.2.1",
    "sha512-cZSNcPsuiAD6HCzCh/2dYKGh3pNI0jJlxBxQWfC33cQsPtqYZqulGBvlkThXYNvDl8VxgVHT9u+izyX/yeEIkA==",
    "CC-BY-4.0",
    "Emoji One, © Emoji One, in one colour, packed by Iconify",
)
ENDLESS_SKY = Package(
    "debian",
    "endless-sky-data",
    "0.9.8-1.2",
    "e45835e05a11e84bb1a890a0ded390246a53b8318f21a25925aa70fa54f80c13",
    "public domain",
    "photographs of landscapes; only those that the package's copyright file calls public domain",
)
GCOMPRIS = Package(
    "debian",
    "gcompris-qt-data",
    "3.1-2",
    "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    "public domain or CC0-1.0",
    "photographs and paintings; only those that the package's files call public domain or CC0",
)
OPENCLIPART = Package(
    "debian",
    "openclipart-svg",
    "1:0.18+dfsg-19",
    "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
    "public domain",
    "drawings of the Open Clip Art Library",
)
SWEETHOME3D = Package(
    "debian",
    "sweethome3d-furniture",
    "1.8-1",
    "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
    "CC-BY-3.0 or CC0-1.0",
    "3-D models by Kator & Legaz, Reallusion, Scopia and contributors of Blend Swap",
)
PACKAGES = (
    FLUENT_3D,
    FLUENT_FLAT,
    FLUENT_CONTRAST,
    FLUENT_GRADIENT,
    NOTO,
    NOTO_V1,
    NOTO_FONT,
    TWEMOJI,
    EMOJIONE,
    EMOJIONE_MONOTONE,
    FXEMOJI,
    STREAMLINE,
    ENDLESS_SKY,
    GCOMPRIS,
    OPENCLIPART,
    SWEETHOME3D,
)


# ---- fetching -----------------------------------------------------------------------------------------------------


def fetch(package: Package, folder: Path = FOLDER) -> Path:
    """The checked package file in a folder, fetched from its registry unless it is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / package.file
    if not file.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as new:  # an interrupted download leaves no partial file behind
            Path(new).chmod(0o755)  # apt-get fetches as another user
            download(package, Path(new), file)
            fetched = Path(new) / package.file
            check_integrity(fetched, package.checksum)
            fetched.replace(file)
    check_integrity(file, package.checksum)
    return file


def download(package: Package, folder: Path, wanted: Path) -> None:
    """Run the registry's client in a folder. Its errors say that the package file may be put at `wanted` instead."""
    client = package.command[0]
    what = f"{package.name} {package.version}"
    instead = f"put its file {package.file} into {wanted.parent}, from a machine that can fetch it"
    try:
        # npm is a shell script on Windows, where subprocess finds it only through the shell
        subprocess.run(package.command, cwd=folder, check=True, capture_output=True, shell=os.name == "nt")
    except FileNotFoundError:
        raise PackageError(f"there is no {client} to fetch {what} with; {instead}.") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()[-300:] or f"exit status {error.returncode}"
        raise PackageError(f"{client} cannot fetch {what} ({said}); {instead}.") from error
    if not (folder / package.file).is_file():
        raise PackageError(f"{client} fetched no {package.file}; {instead}.")


def check_integrity(file: Path, wanted: str) -> None:
    """The package file is the one that the model was trained on: `wanted` is its checksum, as in a Package."""
    if wanted.startswith("sha512-"):
        with file.open("rb") as opened:
            given = "sha512-" + base64.b64encode(hashlib.file_digest(opened, "sha512").digest()).decode()
    else:
        with file.open("rb") as opened:
            given = hashlib.file_digest(opened, "sha256").hexdigest()
    if given != wanted:
        raise PackageError(f"{file} has the checksum {given}; wanted {wanted}. Delete it, and fetch it again.")


# ---- reading ------------------------------------------------------------------------------------------------------


def members(file: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file in a package, in its order: .tgz of npm, or .deb of Debian.

    Names are paths without a leading "./", such as "package/icons.json" or "usr/share/doc/…/copyright".
    """
    try:
        archive = io.BytesIO(debian_data(file.read_bytes())) if file.suffix == ".deb" else file.open("rb")
        with archive, tarfile.open(fileobj=archive) as tar:
            for member in tar:
                if member.isfile():
                    yield member.name.removeprefix("./"), tar.extractfile(member).read()
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise PackageError(f"{file} is no readable package ({error}). Delete it, and fetch it again.") from error
    except OSError as error:
        raise PackageError(f"{file} cannot be read: {error}.") from error


def debian_data(archive: bytes) -> bytes:
    """The compressed tar file with a Debian package's files. The package is an `ar` archive of three members.

    Source: deb(5). Each member has a header of 60 bytes, with its name in the first 16 and its size, in decimal
    digits, at 48 to 58. Members begin at even positions.
    """
    magic = b"!<arch>\n"
    if not archive.startswith(magic):
        raise tarfile.ReadError("it does not begin like an ar archive")
    position = len(magic)
    while position + 60 <= len(archive):
        header = archive[position : position + 60]
        name, size = header[:16].decode("latin-1").strip().rstrip("/"), header[48:58].strip()
        if not size.isdigit():
            break
        start, end = position + 60, position + 60 + int(size)
        if name.startswith("data.tar") and end <= len(archive):
            return archive[start:end]
        position = end + int(size) % 2
    raise tarfile.ReadError("it has no whole data.tar")


# ---- the command --------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Fetch the packages that the training images come from, and compare them with their checksums."""
    parser = argparse.ArgumentParser(prog="python -m making.mini_if.packages", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the package files")
    args = parser.parse_args(arguments)
    for package in PACKAGES:
        with errors_end(parser, PackageError, OSError):
            fetch(package, args.out)
        kind = "SHA-512" if package.registry == "npm" else "SHA-256"
        print(f"{package.name} {package.version} ({package.registry}): {package.about}")
        print(f"    {package.licence}; {kind} {package.checksum}")


if __name__ == "__main__":
    main()
