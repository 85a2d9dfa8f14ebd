"""Classes that a notebook defines, members of its enumerations, its type variables.

A class is made bare, with its bases and slots, and gets its attributes as they were: neither its metaclass, nor its
bases' ``__init_subclass__``, nor ``__set_name__`` run again. They ran when the notebook defined it, and what they did
is in the attributes (or in objects that share references with the class and so are restored with it).
"""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]  # what abc itself is made of; there is no public way
import abc
import contextlib
import enum
import types
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..i18n import gettext as _
from .value_errors import CannotKeep
from .value_functions import fill_attributes
from .value_names import Reduced, hidden_type, reference
from .value_reading import current

if TYPE_CHECKING:
    from .value_writing import Writing

#: Made with the class, or again when it is made.
_AT_BIRTH = ("__module__", "__qualname__", "__doc__", "__slots__", "__orig_bases__")
#: ``__slotnames__`` is what pickling itself leaves in a class.
_MADE_ANEW = {*_AT_BIRTH, "_abc_impl", "__dict__", "__weakref__", "__annotations_cache__", "__slotnames__"}
_KNOWN_METACLASSES = (type, abc.ABCMeta, enum.EnumMeta)


def is_own_class(kind: type, namespace: dict[str, Any]) -> bool:
    """Whether a class is written with its content, since no module has it. Raises :class:`CannotKeep`."""
    return kind.__module__ != "builtins" and reference(kind, namespace) is None


def reduce_class(value: type, writing: Writing) -> Reduced:
    """A class of a module by its name, any other with its attributes."""
    if (where := reference(value, writing.namespace)) is not None:
        writing.uses(where[0])
        return NotImplemented
    if value.__module__ == "builtins":
        name = hidden_type(value)
        return (class_of_types, (name,)) if name is not None else NotImplemented
    if not value.__flags__ & _HEAP_TYPE or value.__module__ in _C_BASES:
        raise CannotKeep(value, _("no module has it under its name"))
    writing.check_bound_elsewhere(value)
    kind = type(value)
    if kind not in _KNOWN_METACLASSES:
        writing.doubts.add(kind)
    at_birth = {name: value.__dict__[name] for name in _AT_BIRTH if name in value.__dict__}
    made_from = (kind, value.__name__, value.__bases__, {**at_birth, "__qualname__": value.__qualname__})
    return make_class, made_from, class_state(value), None, None, fill_class


_HEAP_TYPE = 1 << 9
_C_BASES = ("_ctypes",)


def class_state(value: type) -> tuple[dict[str, Any], list[type]]:
    """Return the attributes of a class that are set after it is made, and classes registered with it."""
    attributes = {}
    for name, each in value.__dict__.items():
        if name not in _MADE_ANEW and not _is_of_layout(each, value):
            attributes[name] = each
    registered = []
    if isinstance(value, abc.ABCMeta):
        registered = [found for each in _abc._get_dump(value)[0] if (found := each()) is not None]
    return attributes, registered


def _is_of_layout(attribute: Any, kind: type) -> bool:
    """Whether an attribute of a class is how its objects reach a slot."""
    descriptors = (types.MemberDescriptorType, types.GetSetDescriptorType)
    return isinstance(attribute, descriptors) and attribute.__objclass__ is kind


def make_class(kind: type, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
    """Read: a class without its attributes."""
    with _quiet(bases):
        try:
            made: type = type.__new__(kind, name, bases, attributes)
        except TypeError:  # its metaclass is written in C and wants to make it itself
            made = kind.__new__(kind, name, bases, attributes)
    if isinstance(made, abc.ABCMeta):
        _abc._abc_init(made)
    current().classes.add(made)
    return made


@contextlib.contextmanager
def _quiet(bases: tuple[type, ...]) -> Iterator[None]:
    """Keep ``__init_subclass__`` of the notebook's own classes from running: it ran when the notebook ran."""
    own = {each for base in bases for each in base.__mro__ if each in current().classes}
    hooks = {each: each.__dict__["__init_subclass__"] for each in own if "__init_subclass__" in each.__dict__}
    for each in hooks:
        type.__setattr__(each, "__init_subclass__", classmethod(lambda cls, **_options: None))
    try:
        yield
    finally:
        for each, hook in hooks.items():
            type.__setattr__(each, "__init_subclass__", hook)


def fill_class(made: type, state: tuple[dict[str, Any], list[type]]) -> None:
    """Read: the attributes of a class, set past its metaclass."""
    attributes, registered = state
    for name, each in list(made.__dict__.items()):  # from what its bases did when it was made
        if name not in _MADE_ANEW and not _is_of_layout(each, made):
            type.__delattr__(made, name)
    for name, each in attributes.items():
        type.__setattr__(made, name, each)
    for each in registered:
        abc.ABCMeta.register(made, each)  # type: ignore[arg-type]


def class_of_types(name: str) -> type:
    """Read: a type of the interpreter that only the module ``types`` has."""
    found: type = current().global_of("types", name)
    return found


# -- enumerations and type variables -------------------------------------------------------------------------------


def reduce_member(value: enum.Enum, writing: Writing) -> Reduced:
    """A member of an enumeration of the notebook: it exists once, as an attribute of its class."""
    kind = type(value)
    plain: Any = getattr(kind, "_member_type_", object)
    data = None if plain is object else (_plain(value, plain),)
    return make_member, (kind, plain, data), value.__dict__, None, None, fill_attributes


def _plain(value: Any, kind: type) -> Any:
    known: Any = kind
    if known in (int, float, complex, str, bytes, tuple):
        return known.__new__(known, *known.__getnewargs__(value))
    raise CannotKeep(value, _("its enumeration is made from {kind}").format(kind=kind.__qualname__))


def make_member(kind: Any, plain: Any, data: tuple[Any, ...] | None) -> Any:
    """Read: a member without its attributes."""
    return object.__new__(kind) if data is None else plain.__new__(kind, *data)


def reduce_type_variable(value: Any, writing: Writing) -> Reduced:
    """A type variable of the notebook (typing writes it as a name)."""
    module = getattr(value, "__module__", None)
    if module not in (None, "__main__") and (where := reference(value, writing.namespace)) is not None:
        writing.uses(where[0])
        return NotImplemented
    writing.check_bound_elsewhere(value)
    if isinstance(value, typing.NewType):
        return make_new_type, (value.__name__, value.__supertype__, value.__module__, vars(value)["__qualname__"])
    if not isinstance(value, typing.TypeVar):
        return make_type_variable, (type(value), (value.__name__,), {}, module)
    options = {"covariant": value.__covariant__, "contravariant": value.__contravariant__, "bound": value.__bound__}
    return make_type_variable, (type(value), (value.__name__, *value.__constraints__), options, module)


def make_type_variable(kind: Any, arguments: tuple[Any, ...], options: dict[str, Any], module: str | None) -> Any:
    """Read: a type variable."""
    made = kind(*arguments, **options)
    made.__module__ = module
    return made


def make_new_type(name: str, supertype: Any, module: str, qualname: str) -> Any:
    """Read: a ``typing.NewType``."""
    make: Any = typing.NewType
    made = make(name, supertype)
    made.__module__ = module
    made.__qualname__ = qualname
    return made
