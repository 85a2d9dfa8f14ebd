"""Where two contents of one file differ first: the row of a table, the line of a text."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import PurePosixPath
from typing import Any

from ..i18n import gettext as _

#: Larger files are not looked into, bytes.
LIMIT = 256 * 2**20
_VALUE_LENGTH = 80
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_NOTHING: Any = object()


def first_difference(path: str, then: bytes, now: bytes) -> str:
    """Return in words where two contents differ first; empty: they are equal, or that can't be told."""
    if then == now:
        return ""
    if max(len(then), len(now)) > LIMIT:
        return _("{then} bytes then, {now} bytes now").format(then=len(then), now=len(now))
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in (".parquet", ".pq"):
        found = _parquet(then, now)
        if found:
            return found
    try:
        texts = then.decode("utf-8"), now.decode("utf-8")
    except UnicodeDecodeError:
        return _("{then} bytes then, {now} bytes now").format(then=len(then), now=len(now))
    if suffix in _SEPARATORS:
        found = _delimited(*texts, _SEPARATORS[suffix])
        if found:
            return found
    return _lines(*texts)


def _delimited(then: str, now: str, separator: str) -> str:
    try:
        before = csv.reader(io.StringIO(then, newline=""), delimiter=separator)
        after = csv.reader(io.StringIO(now, newline=""), delimiter=separator)
        header, new_header = next(before, []), next(after, [])
        if header != new_header:
            return _columns(header, new_header)
        return _rows(header, before, after)
    except csv.Error:
        return ""


def _rows(names: list[str], before: Any, after: Any) -> str:
    for number, (old, new) in enumerate(itertools.zip_longest(before, after, fillvalue=_NOTHING), start=1):
        if old == new:
            continue
        if old is _NOTHING:
            return _("row {n} is new: {row}").format(n=number, row=_short(new))
        if new is _NOTHING:
            return _("row {n} is gone: {row}").format(n=number, row=_short(old))
        for index, (a, b) in enumerate(itertools.zip_longest(old, new, fillvalue=None)):
            if a != b and not (a != a and b != b):  # two NaN are equal here
                column = names[index] if index < len(names) else str(index + 1)
                return _("row {n}, column {column}: {then} then, {now} now").format(
                    n=number, column=column, then=_short(a), now=_short(b)
                )
    return ""


def _parquet(then: bytes, now: bytes) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        before, after = pq.ParquetFile(pa.BufferReader(then)), pq.ParquetFile(pa.BufferReader(now))
        if not before.schema_arrow.equals(after.schema_arrow):
            return _columns(
                [f"{field.name} {field.type}" for field in before.schema_arrow],
                [f"{field.name} {field.type}" for field in after.schema_arrow],
            )
        return _rows(before.schema_arrow.names, _records(before), _records(after))
    except (pa.ArrowException, OSError):
        return ""


def _records(file: Any) -> Any:
    for batch in file.iter_batches(batch_size=4096):
        columns = [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield list(row)


def _columns(before: list[str], after: list[str]) -> str:
    for old, new in itertools.zip_longest(before, after):
        if old != new:
            if old is None:
                return _("the column {name} is new").format(name=_short(new))
            if new is None:
                return _("the column {name} is gone").format(name=_short(old))
            return _("the column {then} is now {now}").format(then=_short(old), now=_short(new))
    return ""


def _lines(then: str, now: str) -> str:
    pairs = itertools.zip_longest(then.splitlines(), now.splitlines())
    for number, (old, new) in enumerate(pairs, start=1):
        if old != new:
            if old is None:
                return _("line {n} is new: {line}").format(n=number, line=_short(new))
            if new is None:
                return _("line {n} is gone: {line}").format(n=number, line=_short(old))
            return _("line {n}: {then} then, {now} now").format(n=number, then=_short(old), now=_short(new))
    return _("only the ends of lines differ")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _VALUE_LENGTH else f"{text[: _VALUE_LENGTH - 1]}…"
