"""Functions that a notebook defines, and what belongs to them: cells of closures, code, descriptors.

A function of the notebook is brought back as a function *of the notebook*: its globals are the namespace it is
restored into, so that it sees what is bound there later. Functions that share a variable of an enclosing function
share it again.
"""

from __future__ import annotations

import builtins
import functools
import gc
import importlib.util
import marshal
import sys
import types
import weakref
from typing import TYPE_CHECKING, Any

from ..i18n import gettext as _
from .value_errors import CannotKeep
from .value_names import Reduced, bound_in_module, reference
from .value_reading import current

if TYPE_CHECKING:
    from .value_writing import Writing

#: Without references between constants, so that the same code always has the same bytes. Slices (3.14) need more.
_MARSHAL = 2 if sys.version_info < (3, 14) else marshal.version
_LARGEST_PRIVATE_GLOBALS = 64
#: What code written by one interpreter can be read by.
BYTECODE = importlib.util.MAGIC_NUMBER.hex()


class CellBox:
    """Stands for a cell of a closure before its content is there: a function may be within its own closure."""

    def __reduce__(self) -> Reduced:
        return types.CellType, ()


def reduce_function(value: types.FunctionType, writing: Writing) -> Reduced:
    """A function of a module by its name, any other with its code."""
    if (where := reference(value, writing.namespace)) is not None:
        writing.uses(where[0])
        return NotImplemented
    writing.check_bound_elsewhere(value)
    cells = value.__closure__ or ()
    annotate = getattr(value, "__annotate__", None)  # 3.14: annotations are not computed to be kept
    state = (
        cells,
        value.__qualname__,
        value.__module__,
        value.__doc__,
        value.__defaults__,
        value.__kwdefaults__,
        value.__annotations__ if annotate is None else None,
        annotate,
        getattr(value, "__type_params__", ()),
        value.__dict__,
    )
    made_from = (value.__code__, _globals(value, writing), value.__name__, tuple(map(writing.box, cells)))
    return make_function, made_from, state, None, None, fill_function


def _globals(value: types.FunctionType, writing: Writing) -> Any:
    found = value.__globals__
    if found is writing.namespace:
        return writing.the_namespace
    name = found.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is not None and getattr(module, "__dict__", None) is found and name != "__main__":
        writing.uses(module.__name__)
        return ModuleGlobals(module.__name__)
    of_its_own = any(isinstance(each, types.FunctionType) and each.__globals__ is found for each in found.values())
    of_its_own = of_its_own or found.get("__builtins__") is builtins.__dict__  # exec leaves them there
    if of_its_own or len(found) > _LARGEST_PRIVATE_GLOBALS or name == "__main__":
        raise CannotKeep(value, _("its globals are neither the notebook's nor a module's (exec, %run)"))
    return found


class ModuleGlobals:
    """Stands for the globals of a module."""

    def __init__(self, name: str):
        self.name = name

    def __reduce__(self) -> Reduced:
        return module_globals, (self.name,)


class TheNamespace:
    """Stands for the namespace that values are restored into."""

    def __reduce__(self) -> Reduced:
        return the_namespace, ()


def module_globals(name: str) -> dict[str, Any]:
    """Read: the globals of a module."""
    return current().module(name).__dict__


def the_namespace() -> dict[str, Any]:
    """Read: the namespace that values are restored into."""
    return current().namespace


def make_function(
    code: types.CodeType, globals_: dict[str, Any], name: str, cells: tuple[types.CellType, ...]
) -> types.FunctionType:
    """Read: a function without its state."""
    return types.FunctionType(code, globals_, name, None, cells)


def fill_function(function: Any, state: tuple[Any, ...]) -> None:
    """Read: the state of a function. Its cells were filled when they were read."""
    (_cells, qualname, module, doc, defaults, kwdefaults, annotations, annotate, type_params, attributes) = state
    function.__qualname__ = qualname
    function.__module__ = module
    function.__doc__ = doc
    function.__defaults__ = defaults
    function.__kwdefaults__ = kwdefaults
    if annotations is not None:
        function.__annotations__ = annotations
    if annotate is not None:
        function.__annotate__ = annotate
    if type_params:
        function.__type_params__ = type_params
    function.__dict__.update(attributes)


# -- cells and code ------------------------------------------------------------------------------------------------


def reduce_cell(value: types.CellType, writing: Writing) -> Reduced:
    """A cell: first the box, which its functions know, then what is in it."""
    try:
        content: tuple[Any, ...] = (value.cell_contents,)
    except ValueError:  # not assigned yet
        content = ()
    return same, (writing.box(value),), content, None, None, fill_cell


def same(value: Any) -> Any:
    """Read: what is given."""
    return value


def fill_cell(cell: types.CellType, content: tuple[Any, ...]) -> None:
    """Read: the content of a cell."""
    for value in content:
        cell.cell_contents = value


def reduce_code(value: types.CodeType, writing: Writing) -> Reduced:
    """Compiled code, for the same version of Python."""
    try:
        return marshal.loads, (marshal.dumps(value, _MARSHAL),)
    except ValueError as error:
        raise CannotKeep(value, _("its code has constants of its own")) from error


# -- methods and descriptors ---------------------------------------------------------------------------------------


def reduce_method(value: types.MethodType, writing: Writing) -> Reduced:
    """A method and what it is bound to."""
    owner = value.__self__
    found = bound_in_module(value, value.__func__.__name__, type(owner)) if hasattr(value, "__func__") else None
    if found is not None:
        return by_name(found, writing)
    if isinstance(value.__func__, (types.FunctionType, types.BuiltinFunctionType)):
        return types.MethodType, (value.__func__, owner)
    return NotImplemented


def reduce_builtin(value: types.BuiltinFunctionType, writing: Writing) -> Reduced:
    """A function of a C module, or a method of an object of it."""
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        if isinstance(value.__module__, str):
            writing.uses(value.__module__)
        return NotImplemented
    if not isinstance(owner, type):
        found = bound_in_module(value, value.__name__, type(owner))
        if found is not None:
            return by_name(found, writing)
    return NotImplemented


def by_name(where: tuple[str, str], writing: Writing) -> Reduced:
    """What a module has under a name."""
    writing.uses(where[0])
    return global_of, where


def global_of(module: str, name: str) -> Any:
    """Read: what a module has under a name."""
    return current().global_of(module, name)


def reduce_property(value: property, writing: Writing) -> Reduced:
    """A property of exactly this type."""
    return property, (value.fget, value.fset, value.fdel, value.__doc__)


def reduce_wrapped(value: Any, writing: Writing) -> Reduced:
    """``classmethod`` and ``staticmethod``; what they copy from the function comes with making them."""
    extra = {name: each for name, each in value.__dict__.items() if name not in _COPIED}
    return type(value), (value.__func__,), extra or None


_COPIED = {"__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__annotate__", "__wrapped__"}


def reduce_cached_property(value: Any, writing: Writing) -> Reduced:
    """``functools.cached_property``: up to Python 3.11 it holds a lock, which is made anew."""
    return make_cached_property, (type(value), value.func, value.attrname, value.__doc__)


def make_cached_property(kind: Any, function: Any, name: str | None, doc: str | None) -> Any:
    """Read: a cached property of a class."""
    made = kind(function)
    made.attrname = name
    made.__doc__ = doc
    return made


def reduce_lru_cache(value: Any, writing: Writing) -> Reduced:
    """A function with a cache that is still empty: entries can't be listed."""
    if (where := reference(value, writing.namespace)) is not None:
        return by_name(where, writing)
    writing.check_bound_elsewhere(value)
    if any((value.cache_info().hits, value.cache_info().misses, value.cache_info().currsize)):
        raise CannotKeep(value, _("it remembers results, which can't be read out of its cache"))
    return make_lru_cache, (value.__wrapped__, value.cache_parameters()), value.__dict__, None, None, fill_attributes


def make_lru_cache(function: Any, parameters: dict[str, Any]) -> Any:
    """Read: a function with an empty cache."""
    return functools.lru_cache(**parameters)(function)


def fill_attributes(value: Any, attributes: dict[str, Any]) -> None:
    """Read: the attributes of an object, without asking its class."""
    value.__dict__.update(attributes)


def reduce_mapping_proxy(value: types.MappingProxyType[Any, Any], writing: Writing) -> Reduced:
    """A read-only view of a dict, of that dict."""
    (mapping,) = gc.get_referents(value)
    return types.MappingProxyType, (mapping,)


def reduce_weak_keys(value: weakref.WeakKeyDictionary[Any, Any], writing: Writing) -> Reduced:
    """The caches by class of ``functools.singledispatch``; other keys may be gone at any time."""
    if not all(isinstance(key, type) for key in value):
        raise CannotKeep(value, _("it holds weak references"))
    return weakref.WeakKeyDictionary, (dict(value),)
