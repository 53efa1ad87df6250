"""Shared by the commands `python -m …`: an expected error prints its message instead of a traceback."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["errors_end"]


@contextmanager
def errors_end(parser: ArgumentParser, *expected: type[Exception], stopped: str | None = None) -> Iterator[None]:
    """Print an expected error and exit with status 1. With `stopped`, Ctrl+C prints it and exits with status 130."""
    try:
        yield
    except expected as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        if stopped is None:
            raise
        parser.exit(130, f"{stopped}\n")
