"""Where Python would find another module than the one that a cell used, if something were put there.

A folder that stands earlier on ``sys.path``, a package beside a module of the same name; for an import that failed, all
folders. Only the user's count: what is installed belongs to the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from .left_out import is_left_out
from .modules import is_local_file


class ModulePlaces:
    """Finds these places, and remembers them for as long as the modules and the search path stay."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._known: dict[str, tuple[object, list[str]]] = {}

    def of(self, loaded: Iterable[str], wanted: Iterable[str]) -> list[str]:
        """Return the places at which there was no module when a cell ran.

        ``loaded``: the user's modules that it used. ``wanted``: the modules, and names that may be some, that its
        imports and those of what it calls name.
        """
        modules = sys.modules
        names = {name: None for name in wanted if name not in modules and _may_be_missing(name)}
        for name in loaded:
            names[name] = None
            package = name.rpartition(".")[0]
            while package:  # of a namespace package each folder of its name is a part
                names[package] = None
                package = package.rpartition(".")[0]
        if not names:
            return []
        if self._path != sys.path:
            self._path = list(sys.path)
            self._known.clear()
        found: dict[str, None] = {}
        for name in names:
            module = modules.get(name)
            known = self._known.get(name)
            if known is None or known[0] is not module:
                known = self._known[name] = (module, list(_places(name)))
            found.update(dict.fromkeys(known[1]))
        return list(found)


def _may_be_missing(name: str) -> bool:
    """Whether what an import names is no module that is loaded, and no attribute of one."""
    package, _dot, last = name.rpartition(".")
    if not package:
        return True
    # Not asked for: packages that load their parts when these are asked for would do so now.
    around = getattr(sys.modules.get(package), "__dict__", {})
    return "__path__" in around and last not in around and "__getattr__" not in around


def _places(name: str) -> Iterator[str]:
    package, _dot, last = name.rpartition(".")
    origin = getattr(sys.modules.get(name), "__file__", None)
    found: list[str] = []
    for folder in _folders(package):
        for place in (os.path.join(folder, last, "__init__.py"), os.path.join(folder, f"{last}.py")):
            if place == origin:
                yield from found
                return
            if is_local_file(place) and not is_left_out(place):
                found.append(place)
    if origin is None:  # else it came from elsewhere than Python would look now
        yield from found


def _folders(package: str) -> list[str]:
    """Return where modules of a package are looked for; of none: all modules."""
    if not package:
        return [os.path.abspath(each) for each in sys.path if isinstance(each, str)]
    module = sys.modules.get(package)
    path = getattr(module, "__path__", None)
    if path is None:
        return []
    if getattr(module, "__file__", None) is None:
        around, _dot, last = package.rpartition(".")
        return [os.path.join(folder, last) for folder in _folders(around)]
    return [os.path.abspath(each) for each in path]
