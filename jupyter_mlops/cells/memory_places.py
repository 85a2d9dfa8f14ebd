"""Where the memory of objects lies that the garbage collector does not see: Arrow's, polars', that of plain buffers.

Libraries hand memory to one another without copying it, and no reference tells: only the addresses do. None of the
libraries is imported here.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Iterable, Iterator
from typing import Any

#: Of more pieces of memory than this in a table, it is not looked where they lie.
MOST_PIECES = 1_000
#: Types of polars whose values lie nowhere else than in polars (or, of texts, in memory that nobody writes to), and of
#: which it takes long to ask for an Arrow array.
_OF_POLARS_ALONE = frozenset({"Categorical", "Enum", "Object", "String", "Binary", "Unknown", "Null"})

#: An address and the bytes from there.
Place = tuple[int, int]


def place_of_buffer(value: Any) -> Place:
    """Return where the content of a ``bytearray`` or ``array`` lies."""
    if isinstance(value, array.array):
        address, length = value.buffer_info()
        return address, length * value.itemsize
    import ctypes

    return (ctypes.addressof(ctypes.c_char.from_buffer(value)) if value else 0), len(value)


def bounds_of_array(value: Any) -> tuple[int, int]:
    """Return the addresses between which the elements of a NumPy array lie."""
    low = high = value.__array_interface__["data"][0]
    for size, stride in zip(value.shape, value.strides, strict=True):
        if size == 0:
            return low, low
        if stride < 0:
            low += (size - 1) * stride
        else:
            high += (size - 1) * stride
    return low, high + value.dtype.itemsize


def places_of_arrow(value: Any) -> Iterator[Place]:
    """Yield where the buffers of an Arrow table, batch, array, scalar or buffer lie; nothing where they are many."""
    inner = getattr(value, "values", None)  # of the scalar of a list
    if inner is not None and hasattr(value, "as_py"):
        value = inner
    columns = value.columns if hasattr(value, "columns") else [value]
    chunks = [chunk for column in columns for chunk in _chunks(column)]
    if len(chunks) <= MOST_PIECES:
        for chunk in chunks:
            yield from _buffers(chunk)


def places_of_polars(value: Any) -> Iterator[Place]:
    """Yield where the values of a polars frame or series lie; nothing where they are many.

    A frame may have been made of an array or of Arrow's memory without copying it.
    """
    columns = value.get_columns() if hasattr(value, "get_columns") else [value]
    if len(columns) > MOST_PIECES:
        return
    newest = sys.modules["polars"].CompatLevel.newest()
    for column in columns:
        if not len(column) or not _OF_POLARS_ALONE.isdisjoint(kinds_of(column.dtype)):
            continue
        if column.n_chunks() <= MOST_PIECES:
            for chunk in [column] if column.n_chunks() == 1 else column.get_chunks():
                yield from _buffers(chunk.to_arrow(compat_level=newest))


def _chunks(column: Any) -> Iterable[Any]:
    return getattr(column, "chunks", None) or [column]


def _buffers(chunk: Any) -> Iterator[Place]:
    buffers = chunk.buffers() if hasattr(chunk, "buffers") else (chunk,) if hasattr(chunk, "address") else ()
    for buffer in buffers:
        if buffer is not None:
            yield buffer.address, buffer.size


def kinds_of(dtype: Any) -> Iterator[str]:
    """Yield the names of the types that a type of a polars column is made of."""
    yield type(dtype).__name__ if not isinstance(dtype, type) else dtype.__name__
    inner = getattr(dtype, "inner", None)
    if inner is not None:
        yield from kinds_of(inner)
    for field in getattr(dtype, "fields", ()):
        yield from kinds_of(field.dtype)
