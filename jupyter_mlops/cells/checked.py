"""Records as they come out of a journal: what fits into the tables, and what is refused.

A journal is a file that anybody with the folder may write, and records of other versions have other fields. Unknown
fields are kept; a known field of another shape makes the record unusable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, Literal, cast, get_args, get_origin, get_type_hints

from ..engine.cell_source import source_hash
from .record import Execution

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}\Z")
#: PostgreSQL's integer.
_MOST: Final = 2**31 - 1
#: Seconds since 1970 in some 30,000 years. Infinity and NaN are beyond it.
_LATEST: Final = 1e12
#: Statuses that no ended execution has in a journal; that one died is found out here.
_NO_END: Final = frozenset({"", "running", "died"})


def is_id(value: object) -> bool:
    """Whether a value can be the id of a session or an execution: letters, digits, ``_.-``, at most 64."""
    return isinstance(value, str) and _ID.match(value) is not None


def is_number(value: object) -> bool:
    """Whether a value is a count that every database takes."""
    return type(value) is int and 0 <= value <= _MOST


def is_time(value: object) -> bool:
    """Whether a value is a number of seconds that a clock may show."""
    return type(value) in (int, float) and abs(cast("float", value)) < _LATEST


def _check_of(kind: Any) -> tuple[Callable[[object], bool], Any]:
    """Return what tells whether a value is of a type of the record, and what stands for a missing one."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return (lambda value: isinstance(value, str) and value in inner), ""
    if origin is list:
        of, _missing = _check_of(inner[0])
        return (lambda value: isinstance(value, list) and all(map(of, value))), list
    if origin is tuple:  # a list in JSON
        each, _missing = _check_of(inner[0])
        return (lambda value: isinstance(value, list) and len(value) == len(inner) and all(map(each, value))), list
    if origin is dict:
        of, _missing = _check_of(inner[1])
        return (lambda value: isinstance(value, dict) and all(map(of, value.values()))), dict
    parts = {key: _check_of(each)[0] for key, each in get_type_hints(kind).items()}
    return (
        lambda value: isinstance(value, dict) and all(parts[key](each) for key, each in value.items() if key in parts)
    ), dict


_PLAIN: Final[dict[Any, tuple[Callable[[object], bool], Any]]] = {
    str: (lambda value: isinstance(value, str), ""),
    bool: (lambda value: isinstance(value, bool), False),
    int: (is_number, 0),
    float: (is_time, 0.0),
}
#: Of a cell that can use nothing that others set up in libraries, no version of that is known: it is not empty.
_SAYS_BY_MISSING: Final = frozenset({"hidden"})
#: Field → (what tells whether a value fits, what a missing one is, or the type to make it of), as the record has it.
_FIELDS: Final = {name: _check_of(kind) for name, kind in get_type_hints(Execution).items() if name != "kind"}


def checked(record: dict[str, Any], session: str) -> Execution | None:
    """Return an execution as it can be stored, with all fields; None where it is no record of this session.

    ``record`` is of kind ``start`` (the execution is running then) or ``execution``.
    """
    if record.get("session") != session or not is_id(record.get("id")):
        return None
    if not all(fits(record[field]) for field, (fits, _missing) in _FIELDS.items() if field in record):
        return None
    record = filled(record)
    if record["kind"] == "start":
        record["status"] = "running"
    elif record["status"] in _NO_END:
        return None
    found = storable(record)
    if found is not None and not found["source_hash"]:
        found["source_hash"] = source_hash(found["source"])
    return cast("Execution | None", found)


def filled(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record that has all fields: one of an earlier version, or of a cell that runs, lacks some."""
    missing = {
        field: empty() if isinstance(empty, type) else empty
        for field, (_fits, empty) in _FIELDS.items()
        if field not in _SAYS_BY_MISSING
    }
    return {**missing, **record}


def storable(record: dict[str, Any]) -> dict[str, Any] | None:
    """Return a record with text that every database takes; None where it holds numbers that JSON does not have."""
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except UnicodeEncodeError:
        return cast("dict[str, Any]", _plain(record))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", _plain(record)) if "\\u0000" in text else record


def _plain(value: Any) -> Any:
    """Replace NUL and halves of surrogate pairs: names of files may hold them, a cell that does can't run."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "�")
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
