"""The memory behind arrays and tensors: kept once, however many of them look at it.

pickle copies an array's elements, so that two arrays that share memory come back apart. Here each array is written as
a view of *a piece of memory*, found by its address; what lies within the same allocation stays one. The memory itself
is not part of the pickle: it goes into blobs of its own, which are mapped when they are read.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from ..i18n import gettext as _
from .blobs import PrivateMapping
from .memory_places import place_of_buffer
from .value_errors import CannotKeep
from .value_names import Reduced
from .value_reading import current

_ALIGNMENT = 64
#: An array alone on its memory, of which it uses less than half of this much, is written without the rest.
_SPARSE_FROM = 64 * 1024


class Overlap(Exception):
    """Two allocations were found to be parts of one: writing begins again and takes them for one from the start."""

    def __init__(self, start: int, end: int):
        super().__init__(start, end)
        self.region = (start, end)


class Memory:
    """A piece of memory while its group is written."""

    def __init__(self, index: int, start: int, end: int):
        self.index = index
        self.start = start
        self.end = end
        #: What is used of it, as addresses.
        self.used: tuple[int, int] = (end, start)
        #: Kept alive until it is written: the address must not be used for anything else.
        self.held: list[Any] = []
        self.views = 0
        #: Its elements alone, where one sparse view is all there is.
        self._compact: Callable[[], Any] | None = None

    def __reduce__(self) -> Reduced:
        return read_memory, (self.index,)

    def view(self, low: int, high: int, nbytes: int, compact: Callable[[], Any] | None) -> int:
        """Note a view of the addresses from ``low`` to ``high``; return its offset.

        ``compact`` gives the view's elements in C order, for the case that it is the only one and sparse.
        """
        if low < self.start or high > self.end:
            raise CannotKeep(self.held[0], _("it reaches beyond the memory that it belongs to"))
        self.views += 1
        self.used = (min(self.used[0], low), max(self.used[1], high))
        sparse = high - low > max(_SPARSE_FROM, 2 * nbytes)
        self._compact = compact if sparse and self.views == 1 else None
        return low - self.start

    def content(self) -> tuple[memoryview, int]:
        """Return what is used of the memory, and its offset (-1: the elements of the only view, in C order)."""
        if self._compact is not None:
            return memoryview(self._compact()).cast("B"), -1
        low = self.start + (self.used[0] - self.start) // _ALIGNMENT * _ALIGNMENT
        return bytes_at(low, self.used[1]), low - self.start


class Content:
    """Bytes that are kept apart from the pickle, so that reading can map them."""

    def __init__(self, index: int, content: bytes):
        self.index = index
        self.bytes = content

    def __reduce__(self) -> Reduced:
        return read_memory, (self.index,)

    def content(self) -> tuple[memoryview, int]:
        """Return the bytes, and that they are to be read from their beginning."""
        return memoryview(self.bytes), 0


class OutOfBand:
    """A buffer that pickle wrote out of band."""

    def __init__(self, content: memoryview):
        self.view = content
        self.start = address_of(content)
        self.end = self.start + content.nbytes

    def content(self) -> tuple[memoryview, int]:
        """Return the buffer, and that it is to be read from its beginning."""
        return self.view, 0


class Memories:
    """The memory that a group was found to use. ``known`` regions were found in an earlier try."""

    def __init__(self, known: list[tuple[int, int]]):
        self._known = sorted(known)
        self._starts: list[int] = []
        self._by_start: list[Memory] = []
        self._out_of_band: dict[tuple[int, int], int] = {}
        self._buffers: list[OutOfBand] = []
        self.all: list[Memory | Content | OutOfBand] = []
        #: For each buffer that pickle asks for when reading, the number of its memory; of a part of it, with the offset
        #: and the number of bytes.
        self.order: list[int | tuple[int, int, int]] = []
        #: Some of it may belong to an object that is written in another way.
        self.foreign = False
        self._copied: list[tuple[int, int, Any]] = []
        self._hidden: list[Any] = []

    def at(self, start: int, end: int, held: Any) -> Memory:
        """Return the memory that has a region. Raises :class:`Overlap`."""
        for low, high in self._known:
            if start < high and low < end:
                start, end = min(start, low), max(end, high)
        at = bisect_right(self._starts, start) - 1
        if at >= 0 and end <= self._by_start[at].end:
            found = self._by_start[at]
            found.held.append(held)
            return found
        for each in self._by_start[max(at, 0) :]:
            if each.start >= end:
                break
            if start < each.end:
                raise Overlap(min(start, each.start), max(end, each.end))
        for other in self._buffers:
            if start < other.end and other.start < end:
                raise Overlap(min(start, other.start), max(end, other.end))
        made = self.apart(start, end, held)
        self._starts.insert(at + 1, start)
        self._by_start.insert(at + 1, made)
        return made

    def apart(self, start: int, end: int, held: Any) -> Memory:
        """Return memory that nothing else shares when it is read."""
        made = Memory(len(self.all), start, end)
        made.held.append(held)
        self.all.append(made)
        return made

    def content(self, content: bytes) -> Content:
        """Return what stands for bytes that are kept apart."""
        made = Content(len(self.all), content)
        self.all.append(made)
        return made

    def out_of_band(self, content: memoryview) -> None:
        """Take a buffer that pickle writes out of band."""
        start, size = address_of(content), content.nbytes
        if size and self._has(start, start + size):
            memory = self.at(start, start + size, content)
            self.order.append((memory.index, memory.view(start, start + size, size, None), size))
            return
        if (start, size) not in self._out_of_band or not size:
            self._out_of_band[start, size] = len(self.all)
            made = OutOfBand(content)
            self.all.append(made)
            if size:
                self._buffers.append(made)
        self.order.append(self._out_of_band[start, size])

    def _has(self, start: int, end: int) -> bool:
        """Whether an array or tensor is known to lie in a part of a region."""
        at = bisect_right(self._starts, start) - 1
        near = self._by_start[max(at, 0) : at + 2]
        return any(each.start < end and start < each.end for each in near) or any(
            low < end and start < high for low, high in self._known
        )

    def copied(self, start: int, end: int, value: Any) -> None:
        """Note that what lies in a region is written as a copy of its own."""
        self._copied.append((start, end, value))

    def hidden(self, value: Any) -> None:
        """Note an object that is written with a copy of memory, of which it can't be told where it lies."""
        self._hidden.append(value)

    def apart_from_its_owner(self, owners: Callable[[], Iterable[Any]]) -> Any:
        """Return an object that was written apart from what it shares memory with; None: there is none.

        ``owners`` gives the ``bytearray`` and ``array`` objects of the group.
        """
        shared = [each for each in self.all if isinstance(each, Memory)]
        if self._hidden and (shared or self.foreign):
            return self._hidden[0]
        if not (self.foreign or self._copied or self._buffers):
            return None
        plain = [(place_of_buffer(each), each) for each in owners()]
        owned = [(start, start + size, each) for (start, size), each in plain if size]
        buffers = [(each.start, each.end, each.view.obj) for each in self._buffers]
        private = [(each.start, each.end, each.held[0]) for each in shared if each not in self._by_start]
        arrays = [(each.start, each.end, each.held[0]) for each in self._by_start]
        for regions, others in (
            (owned, [*arrays, *private, *self._copied, *buffers]),
            (arrays, self._copied),
            (private, [*self._copied, *buffers]),
        ):
            if (found := _first_in(regions, others)) is not None:
                return found
        return None


def _first_in(regions: list[tuple[int, int, Any]], others: list[tuple[int, int, Any]]) -> Any:
    """Return the first object of ``others`` that lies in one of the regions, at least in part; None: none does."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted((start, end) for start, end, _value in regions):
        if ends and start < ends[-1]:
            ends[-1] = max(end, ends[-1])
        else:
            starts.append(start)
            ends.append(end)
    for start, end, value in others:
        at = bisect_left(starts, end) - 1  # the last one that begins before it ends
        if at >= 0 and ends[at] > start:
            return value
    return None


class ReadMemory:
    """A piece of memory while its group is read. ``offset`` is where its content begins; -1: elements in C order."""

    def __init__(self, content: bytearray | PrivateMapping | memoryview, offset: int):
        self.content = content
        self.compact = offset < 0
        self.offset = max(offset, 0)
        #: The whole as an array of bytes, and as storages of tensors, once there are such.
        self.flat: Any = None
        self.storages: dict[tuple[int, int], Any] = {}


def read_memory(index: int) -> ReadMemory:
    """Read: the memory with a number."""
    return current().memory(index)


def bytes_at(start: int, end: int) -> memoryview:
    """Return the bytes between two addresses of this process; their owner must be kept alive."""
    if end <= start:
        return memoryview(b"")
    return memoryview((ctypes.c_ubyte * (end - start)).from_address(start)).cast("B")


def address_of(content: memoryview) -> int:
    """Return the address of a buffer."""
    if not content.nbytes:
        return 0
    if content.readonly:  # ctypes looks at writable buffers only, and NumPy may not be there
        return _address_of_readonly(content)
    return ctypes.addressof(ctypes.c_ubyte.from_buffer(content))


class _PyBuffer(ctypes.Structure):
    """The beginning of ``Py_buffer`` (part of the stable ABI since Python 3.11) is all that is needed."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


def _address_of_readonly(content: memoryview) -> int:
    view = _PyBuffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(content), ctypes.byref(view), 0)
    try:
        return int(view.buf)
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(view))
