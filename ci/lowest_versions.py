"""Print requirements.txt with each lower bound as the version: the constraints of `make lowest`.

It needs only Python, because it runs before anything is installed.
"""

import re
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"


def lowest(requirements: str) -> list[str]:
    """The entries of a requirements file as name==version, each with its lower bound."""
    bounds = re.findall(r"^([\w.-]+)[^#\n]*?>=\s*([\w.]+)", requirements, flags=re.MULTILINE)
    return [f"{name}=={version}" for name, version in bounds]


if __name__ == "__main__":
    print("\n".join(lowest(REQUIREMENTS.read_text(encoding="utf-8"))))
