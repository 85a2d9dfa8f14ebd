"""NumPy arrays: their elements as raw memory, views of one another as views.

NumPy is not imported here: whoever has an array has NumPy.
"""

from __future__ import annotations

import array
import mmap
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..i18n import gettext as _
from .blobs import PrivateMapping
from .memory_places import bounds_of_array
from .value_errors import CannotKeep
from .value_memory import ReadMemory
from .value_names import Reduced
from .value_reading import current

if TYPE_CHECKING:
    from .value_writing import Writing

_ATOMS = frozenset((str, bytes, int, float, bool, type(None)))
_RAW_KINDS = "biufcmMSUV"


def reduce_array(value: Any, writing: Writing) -> Reduced:
    """An array as a view of memory."""
    return _reduce(value, writing, shared=True)


def _reduce(value: Any, writing: Writing, shared: bool) -> Reduced:
    numpy = sys.modules["numpy"]
    writing.check_bound_elsewhere(value)
    writing.uses("numpy")
    kind = type(value)
    if kind is not numpy.ndarray and kind.__reduce__ is not numpy.ndarray.__reduce__ and not _is_masked(kind):
        writing.doubts.add(kind)
        return NotImplemented  # the class says itself how it is written
    flags = value.flags.writeable
    state = (dict(value.__dict__) if kind is not numpy.ndarray and value.__dict__ else None, flags)
    if value.dtype.hasobject and value.dtype.kind in "OV":
        memory: Any = _objects(value, writing)
        start = memory.start
        low, high = bounds_of_array(value)
        if not start <= low <= high <= start + 8 * memory.size:
            raise CannotKeep(value, _("it reaches beyond the memory that it belongs to"))
        offset = low - start
    elif value.dtype.kind not in _RAW_KINDS:  # StringDType: its texts lie elsewhere
        if value.base is not None:
            raise CannotKeep(value, _("a view of an array of {dtype}").format(dtype=value.dtype))
        return NotImplemented
    elif value.size == 0 or value.dtype.itemsize == 0:
        return make_empty, (kind, value.shape, value.dtype), state, None, None, fill_array
    else:
        low, high = bounds_of_array(value)
        root, owner = _root(value)
        if isinstance(owner, (bytearray, array.array)):
            memory = _Owned(owner)
            offset = low - bounds_of_array(numpy.frombuffer(owner, numpy.uint8))[0]
        else:
            region = bounds_of_array(root)
            if owner is not None:
                _check_owner(value, owner)
                writing.memories.foreign = True
                if id(value) not in writing.of_states:
                    writing.owners[id(owner)] = value
            memory = writing.memories.at(*region, root) if shared else writing.memories.apart(*region, root)
            offset = memory.view(low, high, value.nbytes, lambda: numpy.ascontiguousarray(value).reshape(-1).view("u1"))
    # NumPy's pointer is to the first element, which is not the lowest where a stride is negative.
    first = offset + value.__array_interface__["data"][0] - low
    made_from = (memory, kind, value.dtype, value.shape, value.strides, first, value.base is None)
    return make_array, made_from, state, None, None, fill_array


class PrivateArray:
    """Stands for an array that shall not share memory when it is read (copy-on-write in pandas)."""

    def __init__(self, value: Any):
        self.value = value


def reduce_private(value: PrivateArray, writing: Writing) -> Reduced:
    """An array with memory of its own."""
    return _reduce(value.value, writing, shared=False)


def _is_masked(kind: type) -> bool:
    return any(each.__module__ == "numpy.ma" and each.__qualname__ == "MaskedArray" for each in kind.__mro__) and (
        kind.__module__ == "numpy.ma"
    )


def _root(value: Any) -> tuple[Any, Any]:
    """The array at the end of the chain of views, and what owns its memory, if that is not the array."""
    numpy = sys.modules["numpy"]
    root, base = value, value.base
    while base is not None:
        if isinstance(base, numpy.memmap):
            raise CannotKeep(base, _("an open file"))
        if isinstance(base, numpy.ndarray):
            root, base = base, base.base
        elif isinstance(base, memoryview):
            base = base.obj
        elif type(base).__name__ == "DummyArray":  # of as_strided
            base = base.base
        else:
            break
    if isinstance(base, mmap.mmap) and not isinstance(base, PrivateMapping):
        raise CannotKeep(base, _("an open file"))
    return root, base


def views_of(owner: Any, reduced: tuple[Any, ...]) -> list[Any]:
    """Return the arrays in what an object says of its state that look at its own memory; made for that, mostly."""
    numpy = sys.modules.get("numpy")
    parts: list[Any] = []
    for each in reduced[1:3]:
        parts.extend(each.values() if isinstance(each, dict) else each if isinstance(each, (tuple, list)) else (each,))
    return [each for each in parts if numpy and isinstance(each, numpy.ndarray) and _root(each)[1] is owner]


def _check_owner(value: Any, owner: Any) -> None:
    """Raise :class:`CannotKeep` where the memory is that of an object which is written with a content of its own."""
    if f"{type(owner).__module__}.{type(owner).__name__}" == "_io._BytesIOBuffer":
        raise CannotKeep(value, _("it looks at the memory of a file in memory"))


class _Owned:
    """Memory of an object that is kept as such: a bytearray."""

    def __init__(self, owner: Any):
        self.owner = owner

    def __reduce__(self) -> Reduced:
        return owned_memory, (self.owner,)


class _Objects:
    """Memory that holds references. It is filled after it was made: an array may hold itself."""

    def __init__(self, root: Any):
        self.root = root
        self.start = bounds_of_array(root)[0]
        self.size = root.size

    def __reduce__(self) -> Reduced:
        items = self.root.ravel("K").tolist()
        if _ATOMS.issuperset(map(type, items)):  # these can't hold the array: no need to make it before them
            return atoms_memory, (items,)
        return objects_memory, (self.size,), items, None, None, fill_objects


def _objects(value: Any, writing: Writing) -> _Objects:
    numpy = sys.modules["numpy"]
    root, owner = _root(value)
    if owner is not None or root.dtype != numpy.dtype(object) or value.dtype != root.dtype:
        raise CannotKeep(value, _("references in memory that is not an array of objects"))
    found = writing.objects.get(id(root))
    if found is None:
        found = writing.objects[id(root)] = _Objects(root)
    return found


# -- reading -------------------------------------------------------------------------------------------------------


def _numpy() -> Any:
    return current().module("numpy")


def owned_memory(owner: Any) -> ReadMemory:
    """Read: the memory of a bytearray."""
    return ReadMemory(memoryview(owner), 0)


def atoms_memory(items: list[Any]) -> Any:
    """Read: memory for references to texts and numbers."""
    memory = ReadMemory(memoryview(b""), 0)
    memory.flat = _numpy().fromiter(items, dtype=object, count=len(items))
    return memory


def objects_memory(size: int) -> Any:
    """Read: memory for references, empty."""
    memory = ReadMemory(memoryview(b""), 0)
    memory.flat = _numpy().empty(size, dtype=object)
    return memory


def fill_objects(memory: ReadMemory, items: list[Any]) -> None:
    """Read: the references."""
    memory.flat[...] = _numpy().fromiter(items, dtype=object, count=len(items))


def flat_of(memory: ReadMemory) -> Any:
    """Read: memory as one array of bytes (or of references)."""
    if memory.flat is None:
        memory.flat = _numpy().frombuffer(memory.content, dtype="u1")
    return memory.flat


def piece_of(read: Callable[[int], ReadMemory], piece: int | Sequence[int]) -> Any:
    """Read: a buffer that pickle wrote out of band; a part of memory that arrays look at shares it with them."""
    if isinstance(piece, int):
        return read(piece).content
    index, offset, size = piece
    memory = read(index)
    return flat_of(memory)[offset - memory.offset :][:size].data


def make_array(
    memory: ReadMemory,
    kind: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    first: int,
    owns: bool,
) -> Any:
    """Read: an array that looks at memory. A small one that had its memory for itself gets it for itself."""
    numpy = _numpy()
    if memory.compact:
        return numpy.ndarray.__new__(kind, shape, dtype, flat_of(memory), 0)
    if owns and memory.flat is None and isinstance(memory.content, bytearray):
        order = "F" if len(shape) > 1 and strides[0] < strides[-1] else "C"
        made = numpy.empty(shape, dtype, order)
        if made.strides == strides and made.nbytes == len(memory.content):
            # "K" and "A" keep the order of the memory; reshape gives a view of contiguous arrays.
            memory.flat = made.reshape(-1, order="A").view("u1")
            memory.flat[:] = numpy.frombuffer(memory.content, dtype="u1")
            return made if kind is numpy.ndarray else made.view(kind)
    return numpy.ndarray.__new__(kind, shape, dtype, flat_of(memory), first - memory.offset, strides)


def make_empty(kind: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Read: an array without elements."""
    return _numpy().ndarray.__new__(kind, shape, dtype)


def fill_array(made: Any, state: tuple[dict[str, Any] | None, bool]) -> None:
    """Read: attributes of an array of a subclass, and whether it may be written to."""
    attributes, writeable = state
    if attributes:
        made.__dict__.update(attributes)
    if made.flags.writeable != writeable and not (writeable and current().trial):
        made.flags.writeable = writeable
