"""Classes of the user's whose objects may change where no call says so: by properties, operators, formatting, truth."""

from __future__ import annotations

import collections
import dis
import functools
import sys
import types
from functools import lru_cache
from typing import Any

from .flow import HARMLESS_CALLS
from .modules import is_local

#: Methods that only what counts as a change anyway leads to: calls, ``with``, loops; and ``__del__``, told of apart.
_CALLED = frozenset(
    {
        *("__init__", "__new__", "__post_init__", "__init_subclass__", "__class_getitem__", "__set_name__", "__call__"),
        *("__enter__", "__exit__", "__aenter__", "__aexit__", "__await__", "__iter__", "__next__", "__aiter__"),
        *("__anext__", "__reversed__", "__copy__", "__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__"),
        *("__setstate__", "__getnewargs__", "__getnewargs_ex__", "__subclasshook__", "__prepare__", "__del__"),
        *("__setattr__", "__delattr__", "__setitem__", "__delitem__", "__set__", "__delete__", "__dir__", "__sizeof__"),
    }
)
#: Instructions that change no object, but for what methods behind them do: these are looked at where they belong.
_READING = frozenset(
    {
        *("RESUME", "NOP", "CACHE", "EXTENDED_ARG", "POP_TOP", "PUSH_NULL", "COPY", "SWAP", "COPY_FREE_VARS"),
        *("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW"),
        *("LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT", "LOAD_GLOBAL"),
        *("LOAD_ATTR", "LOAD_DEREF", "LOAD_ASSERTION_ERROR", "STORE_FAST", "STORE_FAST_STORE_FAST"),
        *("STORE_FAST_LOAD_FAST", "BINARY_OP", "BINARY_SUBSCR", "BINARY_SLICE", "COMPARE_OP", "IS_OP"),
        *("UNARY_NOT", "UNARY_NEGATIVE", "UNARY_INVERT", "TO_BOOL", "BUILD_TUPLE", "BUILD_LIST", "BUILD_MAP"),
        *("BUILD_SET", "BUILD_CONST_KEY_MAP", "BUILD_STRING", "BUILD_SLICE", "FORMAT_VALUE", "FORMAT_SIMPLE"),
        *("FORMAT_WITH_SPEC", "CONVERT_VALUE", "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "NOT_TAKEN"),
        *("PRECALL", "CALL", "KW_NAMES", "JUMP_FORWARD"),
    }
)
_FUNCTIONS = (
    *(types.FunctionType, types.BuiltinFunctionType, classmethod, staticmethod, types.WrapperDescriptorType),
    *(types.MethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType),
)


def acts(kind: type, namespace: dict[str, Any]) -> bool:
    """Whether reading an object of a class of the user's may change something, by what the class itself defines.

    What a decorator has written (``dataclass``, ``attrs``) and what libraries define changes nothing.
    """
    generated = "__dataclass_fields__" in vars(kind)
    for name, value in list(vars(kind).items()):
        if isinstance(value, types.FunctionType):
            special = name.startswith("__") and name.endswith("__") and name not in _CALLED
            if special and _is_written(value, namespace, generated) and may_change(value.__code__):
                return True
        elif isinstance(value, property):
            getter = value.fget
            if not isinstance(getter, types.FunctionType) or may_change(getter.__code__):
                return True
        elif isinstance(value, functools.cached_property) or (
            not isinstance(value, _FUNCTIONS) and hasattr(type(value), "__get__") and not _is_of_python(type(value))
        ):
            return True
    return False


def _is_of_python(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names and kind.__module__ != "__main__"


def fills_itself(value: Any) -> bool:
    """Whether a dictionary may gain items by being read."""
    if isinstance(value, collections.defaultdict):
        return value.default_factory is not None
    return hasattr(type(value), "__missing__") and not isinstance(value, collections.Counter)


def _is_written(function: types.FunctionType, namespace: dict[str, Any], generated: bool) -> bool:
    file = function.__code__.co_filename
    if (generated and file == "<string>") or file.startswith("<attrs generated"):
        return False
    found = function.__globals__
    return found is namespace or is_local(sys.modules.get(found.get("__name__", "")))


@lru_cache(maxsize=4096)
def may_change(code: types.CodeType) -> bool:
    """Whether code may change objects when it runs: it stores, or calls something that is not known to be harmless."""
    calls = harmless = 0
    for instruction in dis.get_instructions(code):
        name, shown = instruction.opname, instruction.argrepr
        if name not in _READING and not name.startswith(("POP_JUMP_", "JUMP_IF_")):
            return True
        if name == "CALL":
            calls += 1
        elif name == "LOAD_GLOBAL" and "NULL" in shown:
            if instruction.argval not in HARMLESS_CALLS:
                return True
            harmless += 1
        elif (name == "LOAD_ATTR" and "NULL" in shown) or (name == "BINARY_OP" and shown.endswith("=")):
            return True  # a method; ``+=`` on what a name of the function's stands for
    return calls != harmless
