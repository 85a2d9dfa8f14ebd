"""The blob of a group: what it begins with, its header, its small memory, its pickle."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import struct
import sys
from collections.abc import Collection
from functools import lru_cache
from typing import Any, TypeAlias

from ..errors import MlopsError
from ..i18n import gettext as _
from .blobs import BlobStore
from .value_errors import NotRestoredError
from .value_functions import BYTECODE
from .value_memory import ReadMemory

#: A piece of memory: offset of what is written of it (see ``ReadMemory``), bytes, where it lies (an offset in the
#: group's small memory, or the digest of a blob), whether it is read-only.
Entry: TypeAlias = tuple[int, int, int | str, bool]

#: The memory of a buffer: its number; where it is a part of it, with the offset in that and the number of bytes.
Piece: TypeAlias = int | tuple[int, int, int]

ALIGNMENT = 64
_MAGIC = b"mlops-values-1\n\0"
_LENGTHS = struct.Struct("<QQQ")  # of the header, of the small memory, of the pickle


def beginning(of_head: int, of_small: int, of_stream: int) -> bytes:
    """Return what a blob begins with, from the lengths of its parts in bytes."""
    return _MAGIC + _LENGTHS.pack(of_head, of_small, of_stream)


def make_head(
    types: dict[str, str], modules: Collection[str], memory: Collection[Entry], buffers: Collection[Piece]
) -> bytes:
    """Return the header: what it takes to read the group, padded so that what follows is aligned."""
    tops = sorted({module.partition(".")[0] for module in modules} - sys.stdlib_module_names)
    head = json.dumps(
        {
            "python": list(sys.version_info[:2]),
            "implementation": sys.implementation.name,
            "bytecode": BYTECODE,
            "packages": {top: version for top in tops if (version := version_of(top)) is not None},
            "types": types,
            "memory": memory,
            "buffers": buffers,
        },
        separators=(",", ":"),
    ).encode()
    return head + b" " * (-(len(_MAGIC) + _LENGTHS.size + len(head)) % ALIGNMENT)


def parse(blob: memoryview) -> tuple[dict[str, Any], memoryview, memoryview]:
    """Return a group's header, its small memory and its pickle. Raises :class:`NotRestoredError`."""
    start = len(_MAGIC) + _LENGTHS.size
    if bytes(blob[: len(_MAGIC)]) != _MAGIC or len(blob) < start:
        raise NotRestoredError(_("This is not a group of variables, or one of another version of jupyter_mlops."))
    of_head, of_small, of_stream = _LENGTHS.unpack(blob[len(_MAGIC) : start])
    middle = start + of_head
    try:
        head = json.loads(bytes(blob[start:middle]))
    except ValueError as error:
        raise NotRestoredError(_("This is not a group of variables.")) from error
    end = middle + of_small
    if end + of_stream != len(blob):
        raise NotRestoredError(_("A group of variables was cut off."))
    return head, blob[middle:end], blob[end:]


def check_versions(head: dict[str, Any], any_version: bool) -> None:
    """Raise :class:`NotRestoredError` where another Python or, unless ``any_version``, package wrote the group."""
    here = (list(sys.version_info[:2]), sys.implementation.name, BYTECODE)
    if (head["python"], head["implementation"], head["bytecode"]) != here:
        raise NotRestoredError(
            _("They were kept by Python {then}, and this is Python {now}.").format(
                then=".".join(map(str, head["python"])), now=".".join(map(str, here[0]))
            )
        )
    for top, version in head["packages"].items() if not any_version else ():
        now = version_of(top)
        if now != version and top not in sys.modules:  # its distribution may have another name
            with contextlib.suppress(Exception):
                importlib.import_module(top)
            now = version_of(top)
        if now != version:
            raise NotRestoredError(
                _("They were kept with {package} {then}, and here is {now}.").format(
                    package=top, then=version, now=now or "?"
                )
            )


def memory_of(store: BlobStore, entry: Entry, small: memoryview) -> ReadMemory:
    """Return a piece of memory of a group. Raises :class:`NotRestoredError`."""
    offset, size, place, read_only = entry
    if isinstance(place, int):
        part = small[place : place + size]
        return ReadMemory(part.toreadonly() if read_only else bytearray(part), offset)
    try:
        content: Any = store.get(place) if read_only else store.private(place)
    except MlopsError as error:
        raise NotRestoredError(" ".join((error.what, error.why))) from error
    if len(content) != size:
        raise NotRestoredError(_("The memory of an array has another size than it had."))
    return ReadMemory(content, offset)


class Stream:
    """A buffer as the file that pickle reads from, without a copy of the whole."""

    def __init__(self, content: memoryview):
        self._content = content
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        end = len(self._content) if size < 0 else min(self._at + size, len(self._content))
        part = bytes(self._content[self._at : end])
        self._at = end
        return part

    def readinto(self, target: Any) -> int:
        """Fill a buffer with the next bytes; return their number."""
        part = self._content[self._at : self._at + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def readline(self) -> bytes:
        """Return the next bytes up to a line break."""
        line = b""
        while not line.endswith(b"\n") and (more := self.read(1)):
            line += more
        return line


def version_of(package: str) -> str | None:
    """Return the version of a package that is loaded or installed; None: it has none, as a file of the user's."""
    version = getattr(sys.modules.get(package), "__version__", None)
    return str(version) if isinstance(version, str) else _installed(package)


@lru_cache(maxsize=256)
def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def full_name(kind: type) -> str:
    """Return the name of a class as it is told to a person."""
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
