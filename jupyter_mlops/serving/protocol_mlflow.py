"""MLflow's scoring protocol: ``POST /invocations`` with JSON or CSV, ``GET /ping``, ``/health`` and ``/version``.

One of ``dataframe_split``, ``dataframe_records``, ``instances`` and ``inputs``, with ``params`` beside it; the answer
is ``{"predictions": …}``. As with MLflow's own server missing predictions (NaN) are null.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from . import tables
from .errors import RequestError, bad
from .jsons import decode, encode
from .runtime import Answer, Inputs

if TYPE_CHECKING:
    from .runtime import ModelRuntime

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def parse(body: bytes, content_type: str, runtime: ModelRuntime) -> Inputs:
    """Read a request. Raises :class:`RequestError`: 415 for another content type, 400 for what is wrong in it."""
    kind, *parameters = [part.strip() for part in content_type.lower().split(";")]
    for parameter in parameters:
        if parameter.replace('"', "") not in ("charset=utf-8", ""):
            raise RequestError(415, f"The content type has the parameter {parameter!r}; only charset=utf-8 is known.")
    if kind == "text/csv":
        return _csv(body, runtime)
    if kind != "application/json":
        raise RequestError(415, f"The content type {kind or '(none)'} is not known; send application/json or text/csv.")
    return parse_body(decode(body), runtime)


def parse_body(document: Any, runtime: ModelRuntime) -> Inputs:
    """Read the JSON document of a request."""
    if not isinstance(document, dict):
        raise bad("The body must be a JSON object.")
    unknown = document.keys() - {*FORMATS, "params"}
    given = [name for name in FORMATS if name in document]
    if len(given) != 1 or unknown:
        raise bad(f"The body must have exactly one of {', '.join(FORMATS)}, and `params` at most beside it.")
    params = document.get("params")
    if params is not None and not isinstance(params, dict):
        raise bad("`params` must be an object.")
    value = document[given[0]]
    if given[0] == "dataframe_split":
        return Inputs(columns=_split(value), params=params)
    if given[0] == "dataframe_records":
        return Inputs(columns=_records(value, given[0]), params=params)
    if runtime.takes_table:
        return Inputs(columns=_as_table(value, given[0], runtime), params=params)
    if runtime.inputs:
        return Inputs(arrays=_arrays(value, given[0], runtime), params=params)
    return _unsigned(value, params)


def write(answer: Answer) -> bytes:
    """Return the body of an answer."""
    return encode({"predictions": answer.predictions})


def write_error(error: RequestError) -> bytes:
    """Return the body of an error, as MLflow's client reads it."""
    code = "INTERNAL_ERROR" if error.status >= 500 else "BAD_REQUEST"
    return encode({"error_code": code, "message": error.message})


def _split(value: Any) -> dict[str, list[Any]]:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise bad("`dataframe_split` must be an object with `columns` and `data`.")
    unknown = value.keys() - {"columns", "index", "data"}
    if unknown:
        raise bad(f"`dataframe_split` has unknown parts: {', '.join(sorted(unknown))}.")
    columns = value.get("columns")
    if not isinstance(columns, list) or not all(isinstance(name, (str, int, float)) for name in columns):
        raise bad("`dataframe_split` must name its `columns`.")
    return tables.by_column((), columns, value["data"])


def _records(value: Any, name: str) -> dict[str, list[Any]]:
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise bad(f"`{name}` must be a list of objects.")
    return tables.by_record(value)


def _as_table(value: Any, name: str, runtime: ModelRuntime) -> dict[str, Any]:
    """Read ``instances`` or ``inputs`` for a model that takes a table."""
    if isinstance(value, dict):
        return {column: values if isinstance(values, list) else [values] for column, values in value.items()}
    if isinstance(value, list) and value and all(isinstance(record, dict) for record in value):
        return _records(value, name)
    if isinstance(value, list):
        return tables.by_column(runtime.inputs, None, value)
    raise bad(f"`{name}` must be a list of rows or an object of columns.")


def _arrays(value: Any, name: str, runtime: ModelRuntime) -> dict[str, Any]:
    specs = runtime.inputs
    if isinstance(value, list) and value and all(isinstance(record, dict) for record in value):
        value = tables.by_record(value)
    if isinstance(value, dict):
        missing = [spec.name for spec in specs if spec.required and spec.name not in value]
        if missing:
            raise bad(f"Missing input: {', '.join(missing)}.")
        return {spec.name: tables.array(spec, value[spec.name]) for spec in specs if spec.name in value}
    if len(specs) != 1:
        raise bad(f"The model takes {len(specs)} inputs; `{name}` must be an object that names them.")
    return {specs[0].name: tables.array(specs[0], value)}


def _unsigned(value: Any, params: dict[str, Any] | None) -> Inputs:
    """Read the values for a model that says nothing of its inputs."""
    import numpy as np

    if isinstance(value, list) and value and all(isinstance(record, dict) for record in value):
        return Inputs(columns=tables.by_record(value), params=params)
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        return Inputs(columns=value, params=params)
    try:
        found = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise bad(f"The values are no array: {error}.") from error
    if not isinstance(value, list) or not value or found.dtype == object:
        raise bad("The values must be a list of rows of numbers, or of objects.")
    return Inputs(arrays={"input": found}, params=params)


def _csv(body: bytes, runtime: ModelRuntime) -> Inputs:
    import pandas as pd

    text_columns = {spec.name: str for spec in runtime.inputs if spec.datatype == "string"}
    try:
        frame = pd.read_csv(io.StringIO(body.decode("utf-8")), dtype=text_columns)
    except (ValueError, pd.errors.ParserError) as error:  # UnicodeDecodeError, EmptyDataError are ValueErrors
        raise bad(f"The body is no CSV text: {error}.") from error
    if runtime.inputs and not runtime.takes_table:
        raise bad("This model takes arrays, not a table; send JSON with `inputs`.")
    return Inputs(columns={str(name): frame[name].tolist() for name in frame.columns})
