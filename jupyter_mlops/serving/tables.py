"""From what a request says to what a model takes: a table by the model's columns, or named arrays.

Conversion follows the model's signature column by column and is strict: a value of the wrong type is the caller's
error and is named by column and row, never turned into something else silently. ``null`` and NaN are missing values,
allowed in float and text columns.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..registry.types import TensorSpec
from .errors import RequestError, bad

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_FLOATS = {"double": "float64", "float": "float32"}
_COLUMN_TYPES = {"double", "float", "long", "integer", "string", "boolean", "binary", "datetime"}
_INTEGERS = {"long": "int64", "integer": "int32"}
#: Python types of JSON values that may stand in a column of each kind.
_NUMBER: set[type] = {int, float, type(None)}
_TEXT: set[type] = {str, type(None)}


def is_table(specs: Sequence[TensorSpec]) -> bool:
    """Whether these are the columns of a table (MLflow's column types) and not arrays (NumPy's dtypes)."""
    return any(spec.datatype in _COLUMN_TYPES or "(" in spec.datatype for spec in specs)


def frame(specs: Sequence[TensorSpec], columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return the table of a request in the model's columns and types.

    Columns that the model does not know are left out; a missing one that it needs raises :class:`RequestError`.
    Without specs (a model without signature) pandas decides on the types.
    """
    import pandas as pd

    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise bad("The columns have different numbers of rows.")
    if not columns or lengths == {0}:
        raise bad("The request has no rows.")
    if not specs:
        return pd.DataFrame(dict(columns))
    missing = [spec.name for spec in specs if spec.required and spec.name not in columns]
    if missing:
        raise bad(f"Missing input: {', '.join(missing)}. The model takes: {', '.join(s.name for s in specs)}.")
    made = {spec.name: _column(spec, columns[spec.name]) for spec in specs if spec.name in columns}
    if not made:
        raise bad(f"The request has none of the model's columns: {', '.join(spec.name for spec in specs)}.")
    return pd.DataFrame(made)


def by_column(specs: Sequence[TensorSpec], names: Sequence[Any] | None, rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Turn rows (lists) into columns. Without names the rows are in the order of the model's columns."""
    if names is None:
        names = [spec.name for spec in specs]
        if not names:
            width = len(rows[0]) if rows and isinstance(rows[0], list) else 1
            names = [str(i) for i in range(width)]
    labels = [str(name) for name in names]
    if len(set(labels)) != len(labels):
        raise bad("A column is named twice.")
    columns: list[list[Any]] = [[] for _label in labels]
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            row = [row]
        if len(row) != len(labels):
            raise bad(f"Row {number} has {len(row)} values, not {len(labels)}.")
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return dict(zip(labels, columns, strict=True))


def by_record(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn records (objects) into columns; a key that a record lacks is a missing value there."""
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    return {name: [record.get(name) for record in records] for name in names}


def array(spec: TensorSpec, values: Any) -> np.ndarray:
    """Return nested lists (or an array) as the array that ``spec`` describes."""
    import numpy as np

    try:
        found = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise bad(f"Input {spec.name}: {error}.") from error
    target = np.dtype(spec.datatype)
    if found.dtype == object and target.kind in "fiub":
        raise bad(f"Input {spec.name}: the rows have different lengths, or not every value is a number.")
    if target.kind in "fiub" and not _fits(found, target):
        raise bad(f"Input {spec.name} is {spec.datatype}; the request has {found.dtype}.")
    converted = found.astype(target) if found.dtype != target else found
    if len(spec.shape) != converted.ndim or any(
        want not in (-1, have) for want, have in zip(spec.shape, converted.shape, strict=False)
    ):
        raise bad(f"Input {spec.name} has shape {list(converted.shape)}; the model takes {spec.shape}.")
    return converted


def _fits(found: np.ndarray, target: np.dtype) -> bool:
    import numpy as np

    if found.dtype == target:
        return True
    if found.dtype.kind not in "fiub" or (found.dtype.kind == "b") != (target.kind == "b"):
        return False
    if target.kind in "iu" and found.dtype.kind in "iu" and found.size:
        info = np.iinfo(target)
        return bool(found.min() >= info.min and found.max() <= info.max)
    return bool(np.can_cast(found.dtype, target, "same_kind"))


def _column(spec: TensorSpec, values: Sequence[Any]) -> Any:
    """Return one column as a pandas-ready array of the type that the model was trained with."""
    import numpy as np
    import pandas as pd

    kind = spec.datatype
    try:
        if kind in _FLOATS:
            _check_types(spec, values, _NUMBER)
            return np.array([math.nan if value is None else value for value in values], dtype=_FLOATS[kind])
        if kind in _INTEGERS:
            return _integers(spec, values)
        if kind == "boolean":
            _check_types(spec, values, {bool})
            return np.array(values, dtype=bool)
        if kind == "string":
            values = [None if _is_nan(value) else value for value in values]
            _check_types(spec, values, _TEXT)
            return pd.array(values, dtype=object)
        if kind == "datetime":
            return pd.to_datetime(pd.Series(values))
        if kind == "binary":
            return [base64.b64decode(value, validate=True) for value in values]
    except RequestError:
        raise
    except (OverflowError, ValueError, TypeError, binascii.Error) as error:
        raise bad(f"Column {spec.name} ({kind}): {error}.") from error
    return pd.Series(list(values), dtype=object)  # arrays, objects, maps: MLflow's own check decides


def _integers(spec: TensorSpec, values: Sequence[Any]) -> Any:
    import numpy as np

    # JSON of JavaScript and of pandas may write 3.0 for 3; nothing is lost in taking it.
    whole = [int(value) if type(value) is float and value.is_integer() else value for value in values]
    _check_types(spec, whole, {int})
    return np.array(whole, dtype=_INTEGERS[spec.datatype])


def _check_types(spec: TensorSpec, values: Sequence[Any], allowed: set[type]) -> None:
    if set(map(type, values)) <= allowed:
        return
    row = next(number for number, value in enumerate(values) if type(value) not in allowed)
    shown = repr(values[row])
    missing = values[row] is None or _is_nan(values[row])
    what = "a missing value" if missing else shown[:60]
    raise bad(f"Column {spec.name} takes {spec.datatype}; row {row} has {what}.")


def _is_nan(value: Any) -> bool:
    return type(value) is float and math.isnan(value)
