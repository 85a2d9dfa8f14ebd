"""The value store: variables of a notebook on disk, and back, exactly and together where they share references.

A *group* is what shares references. It is one blob: a header (JSON), small memory, and a pickle; memory from 64 KiB on
lies in blobs of its own, which groups and executions share. Reading a pickle runs code: the folder belongs to the user
alone, and what lies there is trusted as the notebook is.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import io
import json
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from ..errors import MlopsError
from ..i18n import gettext as _
from .blobs import MAPPED_FROM, BlobStore, Buffer
from .value_comparison import Comparison
from .value_errors import CannotKeep, NotKeptError, NotRestoredError
from .value_functions import BYTECODE
from .value_memory import Content, Memories, OutOfBand, Overlap, ReadMemory
from .value_names import shared_with_module
from .value_parts import way_to
from .value_reading import Reading
from .value_writing import Writing

__all__ = ["Kept", "NotKeptError", "NotRestoredError", "header", "keep", "restore"]

_MAGIC = b"mlops-values-1\n\0"
_LENGTHS = struct.Struct("<QQQ")  # of the header, of the small memory, of the pickle
_APART_FROM = 64 * 1024
_ALIGNMENT = 64
_MOST_TRIES = 100
_COPIED_FOR_TRIAL = 16 * 1024 * 1024
#: Names that hold what others made: results shown, IPython's own.
_NOT_THE_NOTEBOOKS = {"In", "Out", "exit", "quit", "get_ipython", "open"}


@dataclass(frozen=True, slots=True)
class Kept:
    """A group in the store."""

    digest: str
    #: The group's blob and those of its memory: what must stay for it to be restored.
    blobs: tuple[str, ...]
    #: Bytes in these.
    size: int
    #: Bytes that were not there before.
    written: int
    #: Name → full name of the value's type.
    types: dict[str, str]
    #: What wrote its parts, beside pickle.
    codecs: tuple[str, ...]
    #: Modules that restoring imports.
    modules: tuple[str, ...]
    #: Names of other groups that it refers to.
    links: tuple[str, ...]
    #: Whether it was read again and compared.
    verified: bool


def keep(
    store: BlobStore,
    values: Mapping[str, Any],
    namespace: dict[str, Any],
    *,
    links: Mapping[str, Any] | None = None,
    verify: bool | Literal["auto"] = "auto",
) -> Kept:
    """Write variables that share references, as one group.

    Parameters
    ----------
    values : the group, by name.
    namespace : the notebook's namespace. Its functions become functions of the namespace that they come back to.
    links : objects of other groups (classes and functions, most of all); where the group refers to one, only the name
        is written, and :attr:`Kept.links` has it.
    verify : read the group again and compare. "auto" does so where a class that is not known has a say in how its
        objects are pickled.

    Raises :class:`NotKeptError`, which names the part that can't be kept and why; and as :meth:`BlobStore.add`.
    """
    group = dict(values)
    links = links or {}
    for name, value in group.items():
        _check_value(name, value, namespace)
    writing = _write(group, namespace, links)
    checked = verify is True or (verify == "auto" and bool(writing.doubts))
    if checked:
        _verify(group, namespace, links, writing)
    return _store(store, group, writing, checked)


def restore(
    store: BlobStore,
    digest: str,
    namespace: dict[str, Any],
    names: list[str] | None = None,
    *,
    links: Callable[[str], Any] | None = None,
    any_version: bool = False,
) -> dict[str, Any]:
    """Return the variables of a group (``names``: some of them). Nothing is bound in ``namespace``.

    ``links`` gives the objects that the group was written with links to. ``any_version`` restores in spite of other
    versions of packages.

    Raises :class:`NotRestoredError`: damaged, gone, another Python or package, a module or class or device that is
    missing here.
    """
    try:
        blob = store.get(digest)
    except MlopsError as error:
        raise NotRestoredError(" ".join((error.what, error.why))) from error
    head, small, stream = _parse(blob)
    _check_versions(head, any_version)
    memory: dict[int, ReadMemory] = {}

    def read_memory(index: int) -> ReadMemory:
        if index not in memory:
            memory[index] = _read_memory(store, head["memory"][index], small)
        return memory[index]

    def buffers() -> Iterator[Any]:
        for index in head["buffers"]:
            yield read_memory(index).content

    reading = Reading(namespace, read_memory, links or _no_links)
    file = io.BytesIO(stream) if len(stream) < MAPPED_FROM else _Stream(stream)
    collecting = gc.isenabled()
    gc.disable()  # many new objects, none of them garbage: looking for some would take most of the time
    try:
        values: dict[str, Any] = reading.load(file, buffers())
    finally:
        if collecting:
            gc.enable()
    missing = [name for name in names or () if name not in values]
    if missing:
        raise NotRestoredError(_("{names} is not among them.").format(names=", ".join(missing)))
    return values if names is None else {name: values[name] for name in names}


def header(store: BlobStore, digest: str) -> dict[str, Any]:
    """Return what a group's blob says of itself, without reading the values: python, packages, types, blobs.

    Raises :class:`NotRestoredError`.
    """
    try:
        head, _small, _stream = _parse(store.get(digest))
    except NotRestoredError:
        raise
    except MlopsError as error:
        raise NotRestoredError(" ".join((error.what, error.why))) from error
    apart = [each[2] for each in head["memory"] if isinstance(each[2], str)]
    return {**{name: head[name] for name in ("python", "packages", "types")}, "blobs": [digest, *apart]}


# -- writing -------------------------------------------------------------------------------------------------------


def _check_value(name: str, value: Any, namespace: dict[str, Any]) -> None:
    if value is namespace:
        raise NotKeptError(name, name, "dict", _("it is the namespace of the notebook"))
    if (module := shared_with_module(name, value)) is not None:
        raise NotKeptError(name, name, _full_name(type(value)), _("the module {module} has it").format(module=module))


def _write(group: dict[str, Any], namespace: dict[str, Any], links: Mapping[str, Any]) -> Writing:
    elsewhere = {
        id(value): name
        for name, value in list(namespace.items())
        if name not in group and not name.startswith("_") and name not in _NOT_THE_NOTEBOOKS
    }
    for value in group.values():
        elsewhere.pop(id(value), None)
    linked = {id(value): name for name, value in links.items()}
    known: list[tuple[int, int]] = []
    tried: list[Writing] = []  # what they hold keeps its address: a known region must not become something else's
    for _try in range(_MOST_TRIES):
        writing = Writing(namespace, elsewhere, linked, Memories(known))
        try:
            writing.dump(group)
        except Overlap as found:
            known.append(found.region)
            tried.append(writing)
        except CannotKeep as error:
            raise _not_kept(group, error.culprit, error.reason, namespace, error.shared_with) from error
        except RecursionError as error:
            raise _not_kept(group, writing.last, _("it is nested too deeply"), namespace) from error
        except Exception as error:  # __reduce__ and __getstate__ are anybody's code
            raise _not_kept(group, writing.last, f"{type(error).__name__}: {error}"[:500], namespace) from error
        else:
            return writing
    raise _not_kept(group, group, _("its arrays overlap in too many ways"), namespace)


def _not_kept(
    group: dict[str, Any], culprit: Any, reason: str, namespace: dict[str, Any], shared_with: str | None = None
) -> NotKeptError:
    where = way_to(group, culprit, namespace)
    if where is None and len(group) > 1:  # made while it was written: see which variable it was written for
        for name, value in group.items():
            try:
                Writing(namespace, {}, {}, Memories([])).dump(value)
            except Overlap:
                continue
            except Exception:
                where = name
                break
    where = where or next(iter(group))
    name = next(name for name in sorted(group, key=len, reverse=True) if where.startswith(name))
    return NotKeptError(name, where, _full_name(type(culprit)), reason, shared_with)


def _verify(group: dict[str, Any], namespace: dict[str, Any], links: Mapping[str, Any], writing: Writing) -> None:
    memories = writing.memories
    memory: dict[int, ReadMemory] = {}

    def read_memory(index: int) -> ReadMemory:
        if index not in memory:
            content, offset = memories.all[index].content()
            small = len(content) <= _COPIED_FOR_TRIAL
            memory[index] = ReadMemory(bytearray(content) if small else content.toreadonly(), offset)
        return memory[index]

    scratch = {"__name__": "__main__", "__builtins__": namespace.get("__builtins__", __builtins__)}
    reading = Reading(scratch, read_memory, links.__getitem__, trial=True)
    try:
        again = reading.load(io.BytesIO(writing.stream.getbuffer()), (read_memory(n).content for n in memories.order))
    except NotRestoredError as error:
        raise _doubtful(group, writing, error.reason) from error
    scratch.update(again)  # methods of the notebook's classes look names up there
    try:
        where = Comparison(namespace, scratch).difference(group, again)
    except Exception as error:  # the classes' own code
        reason = _("comparing it failed: {error}").format(error=f"{type(error).__name__}: {error}"[:500])
        raise _doubtful(group, writing, reason) from error
    if where is not None:
        raise _doubtful(group, writing, _("what comes back differs at {where}").format(where=where), where)


def _doubtful(group: dict[str, Any], writing: Writing, reason: str, where: str = "") -> NotKeptError:
    names = sorted(group, key=len, reverse=True)
    name = next((name for name in names if where.startswith(name)), next(iter(group)))
    kinds = ", ".join(sorted(map(_full_name, writing.doubts))) or _full_name(type(group[name]))
    return NotKeptError(name, where or name, kinds, reason)


def _store(store: BlobStore, group: dict[str, Any], writing: Writing, verified: bool) -> Kept:
    small: list[Buffer] = []
    at = 0
    entries: list[tuple[int, int, int | str, bool]] = []
    apart: dict[str, int] = {}
    written = 0
    for each in writing.memories.all:
        content, offset = each.content()
        read_only = content.readonly if isinstance(each, OutOfBand) else isinstance(each, Content)
        if len(content) < _APART_FROM:
            entries.append((offset, len(content), at, read_only))
            padding = -len(content) % _ALIGNMENT
            small += (content, bytes(padding))
            at += len(content) + padding
        else:
            digest, fresh = store.add(content)
            written += len(content) if fresh else 0
            apart[digest] = len(content)
            entries.append((offset, len(content), digest, read_only))
    tops = sorted({module.partition(".")[0] for module in writing.modules} - sys.stdlib_module_names)
    types = {name: _full_name(type(value)) for name, value in group.items()}
    head = json.dumps(
        {
            "python": list(sys.version_info[:2]),
            "implementation": sys.implementation.name,
            "bytecode": BYTECODE,
            "packages": {top: version for top in tops if (version := _version(top)) is not None},
            "types": types,
            "memory": entries,
            "buffers": writing.memories.order,
        },
        separators=(",", ":"),
    ).encode()
    head += b" " * (-(len(_MAGIC) + _LENGTHS.size + len(head)) % _ALIGNMENT)
    stream = writing.stream.getbuffer()
    lengths = _LENGTHS.pack(len(head), at, len(stream))
    digest, fresh = store.add(_MAGIC, lengths, head, *small, stream)
    size = len(_MAGIC) + len(lengths) + len(head) + at + len(stream)
    return Kept(
        digest=digest,
        blobs=(digest, *apart),
        size=size + sum(apart.values()),
        written=written + (size if fresh else 0),
        types=types,
        codecs=tuple(sorted(writing.codecs)),
        modules=tuple(sorted(writing.modules)),
        links=tuple(sorted(writing.links)),
        verified=verified,
    )


# -- reading -------------------------------------------------------------------------------------------------------


def _parse(blob: memoryview) -> tuple[dict[str, Any], memoryview, memoryview]:
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


def _check_versions(head: dict[str, Any], any_version: bool) -> None:
    here = (list(sys.version_info[:2]), sys.implementation.name, BYTECODE)
    if (head["python"], head["implementation"], head["bytecode"]) != here:
        raise NotRestoredError(
            _("They were kept by Python {then}, and this is Python {now}.").format(
                then=".".join(map(str, head["python"])), now=".".join(map(str, here[0]))
            )
        )
    for top, version in head["packages"].items() if not any_version else ():
        now = _version(top)
        if now != version and top not in sys.modules:  # its distribution may have another name
            with contextlib.suppress(Exception):
                importlib.import_module(top)
            now = _version(top)
        if now != version:
            raise NotRestoredError(
                _("They were kept with {package} {then}, and here is {now}.").format(
                    package=top, then=version, now=now or "?"
                )
            )


def _read_memory(store: BlobStore, entry: tuple[int, int, int | str, bool], small: memoryview) -> ReadMemory:
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


class _Stream:
    """A buffer as the file that pickle reads from, without a copy of the whole."""

    def __init__(self, content: memoryview):
        self._content = content
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._content) if size < 0 else min(self._at + size, len(self._content))
        part = bytes(self._content[self._at : end])
        self._at = end
        return part

    def readinto(self, target: Any) -> int:
        part = self._content[self._at : self._at + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def readline(self) -> bytes:
        line = b""
        while not line.endswith(b"\n") and (more := self.read(1)):
            line += more
        return line


def _no_links(name: str) -> Any:
    raise NotRestoredError(_("They refer to '{name}', which was not given.").format(name=name))


def _version(package: str) -> str | None:
    version = getattr(sys.modules.get(package), "__version__", None)
    return str(version) if isinstance(version, str) else _installed(package)


@lru_cache(maxsize=256)
def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _full_name(kind: type) -> str:
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
