"""What a notebook has left, as text to compare: made in its kernel, and without the product's code.

The fingerprint of a variable is joblib's hash of it; of figures the picture, of functions and classes the code. Beside
the variables: which names are the same object, which arrays are views of the same memory, the random generators.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
import random
import sys
import time
import types
from typing import Any

PREFIX = "gallery: "
_SHELL = frozenset({"In", "Out", "get_ipython", "exit", "quit", "open"})
_CONSTANT = (int, float, complex, str, bytes, bool, type(None), tuple, frozenset, type, types.ModuleType)
_CONSTANT += (types.BuiltinFunctionType,)


def show(space: dict[str, Any], wanted: list[str] | None = None) -> None:
    """Print the fingerprints of the variables, and the seconds of CPU that the kernel has used until now."""
    cpu = time.process_time()
    names = [name for name in space if not name.startswith("_") and name not in _SHELL]
    found: dict[str, str] = {}
    for name in names if wanted is None else wanted:
        if name in space:
            found[name] = fingerprint(space[name])
    if wanted is None:
        found["<same object>"] = _groups({name: id(space[name]) for name in names if _can_change(space[name])})
        found["<same memory>"] = _groups({name: id(_base(space[name])) for name in names if _is_array(space[name])})
        found["<random>"] = _digest(repr(random.getstate()).encode())
        if "numpy" in sys.modules:
            state = sys.modules["numpy"].random.get_state()
            found["<numpy.random>"] = _digest(state[1].tobytes() + repr(state[2:]).encode())
    found["<cpu>"] = str(cpu)
    sys.stdout.write("\n" + PREFIX + json.dumps(found) + "\n")


def fingerprint(value: Any) -> str:
    """Return a text that is equal for equal values; empty where there is none."""
    try:
        return f"{type(value).__qualname__} {_of(value)}"
    except Exception as error:
        return f"? {type(error).__name__}"


def _of(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, types.FunctionType):
        return _digest(_code(value.__code__).encode())
    if isinstance(value, type):
        own = value.__module__ == "__main__"
        # __slotnames__ is what pickle notes in a class.
        parts = {name: _member(each) for name, each in vars(value).items() if name != "__slotnames__"} if own else {}
        return f"{value.__qualname__} {_digest(json.dumps(parts, sort_keys=True).encode())}"
    package = type(value).__module__.partition(".")[0]
    if package == "matplotlib":
        figure = value if type(value).__name__ == "Figure" else getattr(value, "figure", None)
        if figure is None or not hasattr(figure.canvas, "buffer_rgba"):
            return ""
        figure.canvas.draw()
        return _digest(bytes(figure.canvas.buffer_rgba()))
    return _hash(value)


def _hash(value: Any) -> str:
    """joblib's hash, but for how arrays lie in memory: a view's copy, as pickle makes it, has the same numbers."""
    import numpy
    from joblib.hashing import NumpyHasher

    class Hasher(NumpyHasher):  # type: ignore[misc]
        def save(self, each: Any) -> None:
            if type(each) is numpy.ndarray and not each.dtype.hasobject:
                each = (each.shape, each.dtype.str, each.tobytes())
            elif type(each) is dict and "_mgr" in each and "_metadata" in each:
                # One list of the class for all tables that pandas made, one for each that was unpickled.
                each = {**each, "_metadata": tuple(each["_metadata"])}
            super().save(each)

    first = str(Hasher("md5").hash(value))
    # What a class's own pickling makes of it: statsmodels' results are put together anew, with a dict twice for once.
    with contextlib.suppress(Exception):
        return str(Hasher("md5").hash(pickle.loads(pickle.dumps(value, 5))))
    return first


def _member(value: Any) -> str:
    function = getattr(value, "__func__", getattr(value, "fget", value))
    return _code(function.__code__) if isinstance(function, types.FunctionType) else type(value).__name__


def _code(code: types.CodeType) -> str:
    constants = [_code(each) if isinstance(each, types.CodeType) else repr(each) for each in code.co_consts]
    return f"{code.co_name} {code.co_code.hex()} {code.co_names} {constants}"


def _digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _groups(keys: dict[str, int]) -> str:
    together: dict[int, list[str]] = {}
    for name, key in keys.items():
        together.setdefault(key, []).append(name)
    return "; ".join(sorted(" ".join(sorted(group)) for group in together.values() if len(group) > 1))


def _can_change(value: Any) -> bool:
    if type(value).__module__.partition(".")[0] == "numpy":
        return _is_array(value)
    return not isinstance(value, _CONSTANT)


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def _base(value: Any) -> Any:
    while getattr(value, "base", None) is not None:
        value = value.base
    return value
