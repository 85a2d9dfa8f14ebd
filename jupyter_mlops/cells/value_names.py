"""What is kept by its name: modules, and the functions, classes and constants that importing a module gives again."""

from __future__ import annotations

import copyreg
import enum
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from ..i18n import gettext as _
from .modules import is_local
from .objects import ATOMIC, reached_from
from .value_errors import CannotKeep
from .value_refusals import TRUSTED, is_immutable

Reduced = Any  # what pickle's reducer_override may return: a tuple, a name, or NotImplemented

#: Of so many objects of a module it is looked whether the notebook has them.
_MOST_OWNED = 50_000
_NOT_OWNED = (
    *(tuple, frozenset, type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType),
    *(enum.Enum, property, classmethod, staticmethod, weakref.ref),
)
_CONSTANTS = (type(None), bool, int, float, complex, str, bytes, type, types.FunctionType, types.BuiltinFunctionType)
_BY_C = (type(None), type(NotImplemented), type(...))
#: Generators that a whole process shares: their state is the process's, a value only refers to them.
_GLOBAL_GENERATORS = {("random", "_inst"), ("numpy.random.mtrand", "_rand"), ("torch", "default_generator")}


def reference(value: Any, namespace: dict[str, Any]) -> tuple[str, str] | None:
    """Return the module and the qualified name by which importing gives ``value`` again, or None.

    Raises :class:`CannotKeep` for a class that its module has meanwhile replaced.
    """
    name: str | None = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    module_name = getattr(value, "__module__", None)
    if name is None or not isinstance(module_name, str) or "<locals>" in name:
        return None
    module = sys.modules.get(module_name)
    if module is None or not is_importable(module, module_name, namespace):
        return None
    found = look_up(module, name)
    if found is value:
        return module_name, name
    if isinstance(value, type) and isinstance(found, type):
        raise CannotKeep(
            value, _("{module} has another class of this name: was it loaded again?").format(module=module_name)
        )
    return None


def look_up(module: types.ModuleType, name: str) -> Any:
    """Return what a qualified name means in a module, or None."""
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except Exception:  # a module may have a __getattr__ of its own
            return None
    return found


def is_importable(module: types.ModuleType, name: str, namespace: dict[str, Any]) -> bool:
    """Whether another process gets the module by importing a name."""
    if name == "__main__" or getattr(module, "__dict__", None) is namespace or sys.modules.get(name) is not module:
        return False
    return name in sys.builtin_module_names or getattr(module, "__spec__", None) is not None


def hidden_type(value: type) -> str | None:
    """Return the name that the module ``types`` gives a type of the interpreter (``FunctionType``)."""
    if value.__module__ != "builtins" or value in _BY_C:
        return None
    return next((name for name, each in vars(types).items() if each is value), None)


def bound_in_module(value: Any, name: str, owner: type) -> tuple[str, str] | None:
    """Return where the module of ``owner``, or a package around it, has a bound method under its name.

    ``random.randint`` and ``numpy.random.rand`` are methods of a generator that the whole process shares.
    """
    module_name: str = owner.__module__
    while module_name:
        module = sys.modules.get(module_name)
        if module is not None and module.__name__ != "__main__" and vars(module).get(name) is value:
            return module_name, name
        module_name = module_name.rpartition(".")[0]
    return None


def singletons(kind: type) -> Callable[[Any], tuple[str, str] | None] | None:
    """Return a function that finds the objects of a type that its own module has as globals; None: it has none."""
    if kind is object:  # a marker, of whatever module
        modules = [each for each in list(sys.modules.values()) if isinstance(each, types.ModuleType)]
    else:
        modules = [sys.modules[kind.__module__]] if kind.__module__ in sys.modules else []
    if kind.__module__.partition(".")[0] in TRUSTED and kind is not object:
        found = [(module, name) for module in modules for name in _names_of(kind, module)]
    else:
        found = [(module, name) for module in modules for name in _names_now(kind, module)]
    names = {id(vars(module).get(name)): (module.__name__, name) for module, name in found}
    return (lambda value: names.get(id(value))) if names else None


def _names_now(kind: type, module: types.ModuleType) -> list[str]:
    if module.__name__ == "__main__":
        return []
    return [name for name, each in list(vars(module).items()) if type(each) is kind]


#: The modules of libraries do not change, and some have thousands of names.
_names_of = lru_cache(maxsize=1024)(_names_now)


def is_found_by_name(value: Any, where: tuple[str, str]) -> bool:
    """Whether a module's global is a mere marker, or something that the whole process shares by intention."""
    if is_local(sys.modules.get(where[0])) and (getattr(value, "__dict__", None) or copyreg._slotnames(type(value))):  # type: ignore[attr-defined]
        return False  # the notebook may have set its attributes
    return where in _GLOBAL_GENERATORS or _is_constant(value)


def has_default_pickling(kind: type) -> bool:
    """Whether nothing between a class and ``object`` says how its objects are pickled."""
    hooks: tuple[str, ...] = ("__reduce_ex__", "__reduce__")
    return not any(hook in each.__dict__ for each in kind.__mro__[:-1] for hook in hooks)


def _is_constant(value: Any) -> bool:
    if not has_default_pickling(type(value)):
        return False  # it has more than attributes, as containers have
    if isinstance(value, (list, dict, set, bytearray)):
        return False
    parts = list(getattr(value, "__dict__", {}).values())
    for each in type(value).__mro__:
        slots = each.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            parts.append(getattr(value, slot, None))
    return all(isinstance(part, (*_CONSTANTS, tuple, frozenset)) for part in parts)


def shared_with_module(value: Any) -> str | None:
    """Return the module that has a list, dict or set of the notebook as its own global, under whatever name."""
    if type(value) not in _CONTAINERS:
        return None
    _containers.look()
    module_name, name = _containers.known.get(id(value), ("", ""))
    module = sys.modules.get(module_name)
    return module_name if module is not None and vars(module).get(name) is value else None


class _Containers:
    """The containers that modules have as globals. Modules have thousands: each is looked at when it is new."""

    def __init__(self) -> None:
        #: Identity → module and name. It may be out of date.
        self.known: dict[int, tuple[str, str]] = {}
        self._looked_at: set[str] = set()
        self._local: set[str] = set()
        #: How many modules there were, and the last of them: a new one comes last.
        self._last: tuple[int, str] = (0, "")

    def look(self) -> None:
        """Look at modules that are new, and at the user's."""
        last = (len(sys.modules), next(reversed(sys.modules), ""))
        if last != self._last:
            self._last = last
            new = sys.modules.keys() - self._looked_at
            self._looked_at |= new
            self._local |= {name for name in new if is_local(sys.modules.get(name))}
            self._look_at(new - self._local)
        self._look_at(self._local)

    def _look_at(self, names: Iterable[str]) -> None:
        for module_name in names:
            module = sys.modules.get(module_name)
            if not isinstance(module, types.ModuleType) or vars(module).get("__name__") == "__main__":
                continue
            for name, value in list(vars(module).items()):
                if type(value) in _CONTAINERS and not name.startswith("__"):
                    self.known[id(value)] = (module_name, name)


_CONTAINERS = (list, dict, set, bytearray)
_containers = _Containers()


def owned_by_modules(namespace: dict[str, Any], others: Iterable[str]) -> dict[int, str]:
    """Return the identities of what the user's modules reach that the notebook leads to → the module.

    ``others``: names of further modules to look at.
    """
    names = set(others)
    for value in list(namespace.values()):
        named = value if isinstance(value, (type, types.FunctionType)) else type(value)
        names.add(value.__name__ if isinstance(value, types.ModuleType) else str(named.__module__))
    found: dict[int, str] = {}
    for name in sorted(names):
        module = sys.modules.get(name)
        if is_local(module):
            found.update(dict.fromkeys(reached_from(module, namespace, _MOST_OWNED).ids, name))
    return found


def can_be_owned(value: Any) -> bool:
    """Whether it matters that a module has a value: a copy would be another object, which can change."""
    kind = type(value)
    return kind not in ATOMIC and not isinstance(value, _NOT_OWNED) and not is_immutable(kind)
