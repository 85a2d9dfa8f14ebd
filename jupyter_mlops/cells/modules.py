"""Telling the user's own modules, whose content is recorded, from Python's and from installed packages."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import types
from functools import cache, lru_cache
from pathlib import Path


def is_local(module: object) -> bool:
    """Whether a module's source is a file of the user: neither Python's nor an installed package's."""
    if not isinstance(module, types.ModuleType):
        return False
    name = module.__name__
    if name == "__main__" or name.partition(".")[0] == "jupyter_mlops":
        return False
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and _is_local(name, file)


@cache
def _is_local(name: str, file: str) -> bool:
    if not Path(file).is_absolute() and (package := name.partition(".")[0]) != name:
        # Not a file that was loaded but a word put there (``torch.ops`` has "_ops.py"): the package tells whose it is.
        file = getattr(sys.modules.get(package), "__file__", None) or file
    return is_local_file(file)


def is_of_local_module(value: object) -> bool:
    """Whether a value is a module of the user's, or a function or class of one."""
    if isinstance(value, (type, types.FunctionType)):
        return is_local(sys.modules.get(value.__module__ or ""))
    return is_local(value)


@cache
def is_local_file(file: str) -> bool:
    """Whether a source file belongs to the user: it lies in no folder of installed packages."""
    if "site-packages" in file or "dist-packages" in file or file.startswith("<"):
        return False
    path = os.path.realpath(file)
    return not path.startswith(_library_folders())


class LocalModules:
    """The user's modules that are loaded, found again without looking at all the others."""

    def __init__(self) -> None:
        self._looked_at: set[str] = set()
        self._local: set[str] = set()
        #: How many modules there were, and the last of them: a new one comes last.
        self._last: tuple[int, str] = (0, "")

    def now(self) -> dict[str, Path]:
        """Return them, with their source files."""
        modules = sys.modules
        last = (len(modules), next(reversed(modules), ""))
        if last != self._last:
            new = modules.keys() - self._looked_at
            self._looked_at |= new
            self._local |= {name for name in new if is_local(modules[name])}
            self._last = last
        found: dict[str, Path] = {}
        for name in self._local:
            file = getattr(modules.get(name), "__file__", None)
            if isinstance(file, str):
                found[name] = Path(file)
        return found


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    return tuple(sorted({os.path.realpath(folder) + os.sep for folder in folders}))
