"""Files that are complete at every moment, even if the process that writes them is killed or the disk is full."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PARTIAL", "replacing", "write_whole"]

PARTIAL = ".partial"  # ends the name of a file that is not complete yet


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Write a file under the yielded name, which is used nowhere else; at the end of the context it replaces `file`.

    At every moment, `file` is either the old one or the new one. If the context ends with an error, it is the old one.
    Raises an OSError.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        yield partial
        with open(partial, "r+b") as opened:
            os.fsync(opened.fileno())  # on the disk, before the name points to it
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(content: bytes, file: Path) -> None:
    """Write a file that is complete at every moment: the old one, then the new one. Raises an OSError."""
    with replacing(file) as partial:
        partial.write_bytes(content)
