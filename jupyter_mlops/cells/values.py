"""The value store: variables of a notebook on disk, and back, exactly and together where they share references.

A *group* is what shares references. It is one blob: a header (JSON), small memory, and a pickle; memory from 64 KiB on
lies in blobs of its own, which groups and executions share. Reading a pickle runs code: the folder belongs to the user
alone, and what lies there is trusted as the notebook is.
"""

from __future__ import annotations

import array
import contextlib
import gc
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import MlopsError
from ..i18n import gettext as _
from .blobs import MAPPED_FROM, BlobStore, Buffer
from .codecs import codec_of
from .names import HISTORY, INTERPRETERS
from .value_arrays import piece_of
from .value_comparison import Comparison
from .value_errors import CannotKeep, NotKeptError, NotRestoredError
from .value_format import ALIGNMENT, Entry, Stream, beginning, check_versions, full_name, make_head, memory_of, parse
from .value_memory import Content, Memories, OutOfBand, Overlap, ReadMemory
from .value_names import can_be_owned, owned_by_modules, shared_with_module
from .value_parts import way_to
from .value_reading import Reading
from .value_writing import Writing

__all__ = ["Kept", "NotKeptError", "NotRestoredError", "bound_in", "header", "keep", "restore"]

_APART_FROM = 64 * 1024
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
    bound: Mapping[int, str] | None = None,
    check: Callable[[], None] | None = None,
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
    bound : identity → name of what the notebook has bound, where ``namespace`` may change while this goes on.
    check : called now and then; a ``BaseException`` of its own ends the writing, and goes through.

    Raises :class:`NotKeptError`, which names the part that can't be kept and why; and as :meth:`BlobStore.add`.
    """
    group = dict(values)
    links = links or {}
    for name, value in group.items():
        _check_value(name, value, namespace)
    writing = _write(group, namespace, links, bound, check)
    try:
        _check_owners(group, namespace, writing)
        _check_memory(group, namespace, writing)
        checked = verify is True or (verify == "auto" and bool(writing.doubts))
        if checked:
            _verify(group, namespace, links, writing)
        return _store(store, group, writing, checked)
    finally:
        writing.release()


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
    head, small, stream = parse(blob)
    check_versions(head, any_version)
    memory: dict[int, ReadMemory] = {}

    def read_memory(index: int) -> ReadMemory:
        if index not in memory:
            memory[index] = memory_of(store, head["memory"][index], small)
        return memory[index]

    def buffers() -> Iterator[Any]:
        for piece in head["buffers"]:
            yield piece_of(read_memory, piece)

    reading = Reading(namespace, read_memory, links or _no_links)
    file = io.BytesIO(stream) if len(stream) < MAPPED_FROM else Stream(stream)
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
        head, _small, _stream = parse(store.get(digest))
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
    if (module := shared_with_module(value)) is not None:
        raise NotKeptError(name, name, full_name(type(value)), _("the module {module} has it").format(module=module))


def _check_owners(group: dict[str, Any], namespace: dict[str, Any], writing: Writing) -> None:
    """Raise :class:`NotKeptError` for what one of the user's modules has as well: it would be there twice."""
    owned = owned_by_modules(namespace, writing.modules)
    if not owned:
        return
    written = writing.memo.copy()
    for identity in owned.keys() & written.keys():
        value = written[identity][1]
        if can_be_owned(value):
            raise _not_kept(group, value, _("the module {module} has it").format(module=owned[identity]), namespace)


def _check_memory(group: dict[str, Any], namespace: dict[str, Any], writing: Writing) -> None:
    """Raise :class:`NotKeptError` for what would come back apart from what it shares memory with."""

    def owners() -> Iterator[Any]:
        for _number, value in writing.memo.copy().values():
            if isinstance(value, (bytearray, array.array)):
                yield value

    apart = writing.memories.apart_from_its_owner(owners)
    if apart is None and writing.owners:  # a library's object was written with a content of its own, an array as well
        written = writing.memo.copy()
        apart = next(
            (
                array
                for owner, array in writing.owners.items()
                if owner in written and codec_of(type(written[owner][1])) is None
            ),
            None,
        )
    if apart is not None:
        reason = _("it shares memory with an object of another kind, from which it would come back apart")
        raise _not_kept(group, apart, reason, namespace)


def bound_in(namespace: Mapping[str, Any]) -> dict[int, str]:
    """Return the identities of what a notebook has bound → the names."""
    return {
        id(value): name
        for name, value in list(namespace.items())
        if name not in _NOT_THE_NOTEBOOKS and name not in INTERPRETERS and not HISTORY.fullmatch(name)
    }


def _write(
    group: dict[str, Any],
    namespace: dict[str, Any],
    links: Mapping[str, Any],
    bound: Mapping[int, str] | None,
    check: Callable[[], None] | None,
) -> Writing:
    found = bound_in(namespace) if bound is None else bound
    elsewhere = {identity: name for identity, name in found.items() if name not in group}
    for value in group.values():
        elsewhere.pop(id(value), None)
    linked = {id(value): name for name, value in links.items()}
    known: list[tuple[int, int]] = []
    tried: list[Writing] = []  # what they hold keeps its address: a known region must not become something else's
    for _try in range(_MOST_TRIES):
        writing = Writing(namespace, elsewhere, linked, Memories(known), check)
        try:
            writing.dump(group)
        except Overlap as found:
            known.append(found.region)
            tried.append(writing)
        except CannotKeep as error:
            writing.release()
            raise _not_kept(group, error.culprit, error.reason, namespace, error.shared_with) from error
        except RecursionError as error:
            raise _not_kept(group, _last(writing), _("it is nested too deeply"), namespace) from error
        except Exception as error:  # __reduce__ and __getstate__ are anybody's code
            reason = f"{type(error).__name__}: {error}"[:500]
            raise _not_kept(group, _last(writing), reason, namespace) from error
        except BaseException:
            writing.release()
            raise
        else:
            for each in tried:
                each.release()
            return writing
    raise _not_kept(group, group, _("its arrays overlap in too many ways"), namespace)


def _last(writing: Writing) -> Any:
    """Return what was written when it failed."""
    last = writing.last
    writing.release()
    return last


def _not_kept(
    group: dict[str, Any], culprit: Any, reason: str, namespace: dict[str, Any], shared_with: str | None = None
) -> NotKeptError:
    where: str | None = None
    with contextlib.suppress(Exception):  # the way leads through objects of any kind: the reason is what matters
        where = way_to(group, culprit, namespace)
    if where is None and len(group) > 1:  # made while it was written: see which variable it was written for
        for name, value in group.items():
            writing = Writing(namespace, {}, {}, Memories([]))
            try:
                writing.dump(value)
            except Overlap:
                continue
            except Exception:
                where = name
                break
            finally:
                writing.release()
    where = where or next(iter(group))
    name = next(name for name in sorted(group, key=len, reverse=True) if where.startswith(name))
    return NotKeptError(name, where, full_name(type(culprit)), reason, shared_with)


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
        again = reading.load(io.BytesIO(writing.stream.getbuffer()), (piece_of(read_memory, n) for n in memories.order))
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
    kinds = ", ".join(sorted(map(full_name, writing.doubts))) or full_name(type(group[name]))
    return NotKeptError(name, where or name, kinds, reason)


def _store(store: BlobStore, group: dict[str, Any], writing: Writing, verified: bool) -> Kept:
    small: list[Buffer] = []
    at = 0
    entries: list[Entry] = []
    apart: dict[str, int] = {}
    written = 0
    for each in writing.memories.all:
        content, offset = each.content()
        read_only = content.readonly if isinstance(each, OutOfBand) else isinstance(each, Content)
        if len(content) < _APART_FROM:
            entries.append((offset, len(content), at, read_only))
            padding = -len(content) % ALIGNMENT
            small += (content, bytes(padding))
            at += len(content) + padding
        else:
            digest, fresh = store.add(content)
            written += len(content) if fresh else 0
            apart[digest] = len(content)
            entries.append((offset, len(content), digest, read_only))
    types = {name: full_name(type(value)) for name, value in group.items()}
    stream = writing.stream.getbuffer()
    head = make_head(types, writing.modules, entries, writing.memories.order)
    start = beginning(len(head), at, len(stream))
    digest, fresh = store.add(start, head, *small, stream)
    size = len(start) + len(head) + at + len(stream)
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


def _no_links(name: str) -> Any:
    raise NotRestoredError(_("They refer to '{name}', which was not given.").format(name=name))
