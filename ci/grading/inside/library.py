"""The course's library as the students' code may import it: from memory, without what they are asked to write."""

import importlib.abc
import importlib.util
import linecache
import sys
from collections.abc import Callable

__all__ = ["Library"]

FOLDER = "/course"  # where the files seem to be


class Library(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports modules from their sources.

    Args:
        sources: of each module, by its full name. A package is the name of others' beginnings.
        forbid: called with a sentence if a module of the course is imported that is not among them.
    """

    def __init__(self, sources: dict[str, str], forbid: Callable[[str], None]):
        self.sources, self.forbid = sources, forbid
        self.packages = {name.rpartition(".")[0] for name in sources}

    def install(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname, path=None, target=None):
        if fullname in self.sources:
            return importlib.util.spec_from_loader(fullname, self, is_package=fullname in self.packages)
        if fullname.startswith(("helpers.checks.", "ci.")):
            self.forbid(f"It tried to import {fullname}, a part of the checks or of the grader.")
        if fullname.split(".")[0] in ("helpers", "ci"):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None

    def exec_module(self, module) -> None:
        name = module.__spec__.name
        inner = "/__init__" if name in self.packages else ""
        module.__file__ = f"{FOLDER}/{name.replace('.', '/')}{inner}.py"
        source = self.sources[name]
        linecache.cache[module.__file__] = (len(source), None, source.splitlines(True), module.__file__)
        exec(compile(source, module.__file__, "exec"), module.__dict__)
