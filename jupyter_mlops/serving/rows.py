"""Rows as people give them (a data frame, records, columns, JSON) as a :class:`PredictRequest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..errors import InvalidInputError
from ..i18n import gettext as _
from .runtime import plain
from .types import PredictRequest


def to_request(rows: Any) -> PredictRequest:
    """Return rows as a request.

    Taken are a pandas or Polars data frame, a list of records, one record, columns (name → list of values), and
    ``{"columns": …, "data": …}`` (also below ``dataframe_split``). Raises :class:`InvalidInputError`.
    """
    columns, data = _table(rows)
    try:
        return PredictRequest(columns=columns, data=data)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInputError(
            _("These rows can't be predicted."),
            why=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
            next=_("Give 1 to 10,000 rows with the columns that the endpoint takes."),
        ) from error


def _table(rows: Any) -> tuple[list[str], list[list[Any]]]:
    if hasattr(rows, "to_pandas"):
        rows = rows.to_pandas()
    if hasattr(rows, "to_frame") and not hasattr(rows, "columns"):  # one row of a data frame: rows.iloc[0]
        rows = rows.to_frame().T.infer_objects()
    if hasattr(rows, "columns") and hasattr(rows, "iloc"):
        values = rows.astype(object).where(rows.notna(), None)
        return [str(name) for name in rows.columns], [[plain(value) for value in row] for row in values.values.tolist()]
    if isinstance(rows, Mapping):
        if "dataframe_split" in rows:
            return _table(rows["dataframe_split"])
        if set(rows) >= {"columns", "data"} and isinstance(rows["data"], list):
            return [str(name) for name in rows["columns"]], plain(rows["data"])
        if rows and all(isinstance(values, (list, tuple)) for values in rows.values()):
            if len({len(values) for values in rows.values()}) > 1:
                raise InvalidInputError(_("The columns have different numbers of rows."))
            return [str(name) for name in rows], [plain(row) for row in zip(*rows.values(), strict=True)]
        rows = [rows]
    if isinstance(rows, Sequence) and rows and all(isinstance(row, Mapping) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        return [str(name) for name in names], [[plain(row.get(name)) for name in names] for row in rows]
    raise InvalidInputError(
        _("These rows can't be predicted."),
        why=_("A {type} is not a table.").format(type=type(rows).__name__),
        next=_("Give a data frame, a list of records, or columns with their values."),
    )
