"""Open Inference Protocol V2 over REST, JSON tensors (kserve/open-inference-protocol, `inference_rest.yaml`).

A model that takes a table has one input tensor per column, of shape ``[rows]`` or ``[rows, 1]``; one tensor of shape
``[rows, columns]`` is taken too. Data may be flat or nested. FP16, BF16 and binary tensors are refused in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..registry.types import TensorSpec
from . import tables
from .errors import RequestError, bad
from .jsons import decode, encode
from .runtime import Answer, Inputs, column_values

if TYPE_CHECKING:
    import numpy as np

    from .runtime import ModelRuntime

#: V2 datatype → NumPy's.
DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
#: MLflow's column types → V2 datatype.
_COLUMNS = {
    "double": "FP64",
    "float": "FP32",
    "long": "INT64",
    "integer": "INT32",
    "boolean": "BOOL",
    "string": "BYTES",
    "binary": "BYTES",
    "datetime": "BYTES",
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class Request:
    """A parsed inference request."""

    def __init__(self, inputs: Inputs, request_id: str | None, outputs: list[str] | None):
        self.inputs = inputs
        #: The caller's own id, echoed.
        self.id = request_id
        #: Names of the outputs asked for; None: all.
        self.outputs = outputs


def datatype_of(spec: TensorSpec) -> str:
    """Return the V2 datatype of an input or output."""
    return _COLUMNS.get(spec.datatype) or _NAMES.get(spec.datatype, "BYTES")


def metadata(runtime: ModelRuntime) -> dict[str, Any]:
    """Return the model's metadata."""
    bundle = runtime.bundle
    return {
        "name": bundle.model,
        "versions": [bundle.version],
        "platform": "mlflow_" + next((flavor for flavor in bundle.flavors if flavor != "python_function"), "pyfunc"),
        "inputs": [_describe(spec) for spec in runtime.inputs],
        "outputs": [_describe(spec) for spec in runtime.outputs],
    }


def parse(body: bytes, runtime: ModelRuntime) -> Request:
    """Read an inference request. Raises :class:`RequestError`."""
    document = decode(body)
    if not isinstance(document, dict):
        raise bad("The body must be a JSON object.")
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise bad("`id` must be a string.")
    parameters = document.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise bad("`parameters` must be an object.")
    if parameters and parameters.get("binary_data_output"):
        raise bad("Binary tensors are not supported; ask for JSON data.")
    given = document.get("inputs")
    if not isinstance(given, list) or not given:
        raise bad("`inputs` must be a list of at least one tensor.")
    tensors: dict[str, np.ndarray] = {}
    for each in given:
        name, values = _tensor(each)
        if name in tensors:
            raise bad(f"Input {name} is given twice.")
        tensors[name] = values
    return Request(_to_inputs(tensors, runtime), request_id, _asked(document.get("outputs")))


def write(request: Request, answer: Answer, runtime: ModelRuntime, request_id: str) -> bytes:
    """Return the body of an answer. Raises :class:`RequestError` for an output that the model does not have."""
    outputs = answer.outputs
    if request.outputs is not None:
        there = dict(outputs)
        unknown = [name for name in request.outputs if name not in there]
        if unknown:
            raise bad(f"The model has no output {', '.join(unknown)}; it has: {', '.join(there)}.")
        outputs = [(name, there[name]) for name in request.outputs]
    bundle = runtime.bundle
    return encode(
        {
            "model_name": bundle.model,
            "model_version": bundle.version,
            "id": request.id if request.id is not None else request_id,
            "parameters": {"request_id": request_id, "deployment": bundle.deployment_id},
            "outputs": [_write_tensor(name, values) for name, values in outputs],
        }
    )


def write_error(error: RequestError) -> bytes:
    """Return the body of an error."""
    return encode({"error": error.message})


def _describe(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": datatype_of(spec), "shape": spec.shape}


def _asked(outputs: Any) -> list[str] | None:
    if outputs is None or outputs == []:
        return None
    if not isinstance(outputs, list):
        raise bad("`outputs` must be a list.")
    names = []
    for each in outputs:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise bad("Each of `outputs` must be an object with a `name`.")
        if isinstance(each.get("parameters"), dict) and each["parameters"].get("binary_data"):
            raise bad("Binary tensors are not supported; ask for JSON data.")
        names.append(each["name"])
    return names


def _tensor(document: Any) -> tuple[str, np.ndarray]:
    """Read one input tensor, strictly: the values must be of its datatype and as many as its shape says."""
    import numpy as np

    if not isinstance(document, dict):
        raise bad("Each of `inputs` must be an object.")
    name, shape, datatype = document.get("name"), document.get("shape"), document.get("datatype")
    if not isinstance(name, str) or not name:
        raise bad("Each of `inputs` must have a `name`.")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise bad(f"Input {name}: `shape` must be a list of sizes.")
    if len(shape) > 32:
        raise bad(f"Input {name}: `shape` has more than 32 dimensions.")
    parameters = document.get("parameters")
    if isinstance(parameters, dict) and "binary_data_size" in parameters:
        raise bad(f"Input {name}: binary tensors are not supported; send `data` as JSON.")
    if datatype in ("FP16", "BF16"):
        raise bad(f"Input {name}: {datatype} can't be sent as JSON; send FP32.")
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise bad(f"Input {name}: the datatype {datatype!r} is not known; known are {', '.join(DTYPES)}.")
    if "data" not in document:
        raise bad(f"Input {name} has no `data`.")
    flat = _flatten(document["data"], len(shape), name)
    count = 1
    for size in shape:
        count *= size
    if len(flat) != count:
        raise bad(f"Input {name}: shape {shape} means {count} values, `data` has {len(flat)}.")
    _check(flat, datatype, name)
    if datatype in ("FP32", "FP64"):
        flat = [np.nan if value is None else value for value in flat]
    try:
        values = np.array(flat, dtype=DTYPES[datatype])
    except (OverflowError, ValueError, TypeError) as error:
        raise bad(f"Input {name} ({datatype}): {error}.") from error
    return name, values.reshape(shape)


def _flatten(data: Any, depth: int, name: str) -> list[Any]:
    """Return nested or flat row-major data as a flat list."""
    if not isinstance(data, list):
        if depth == 0:
            return [data]
        raise bad(f"Input {name}: `data` must be a list.")
    level = data
    for _axis in range(max(depth, 1) - 1):
        if not level or not isinstance(level[0], list):
            break
        if not all(isinstance(part, list) and len(part) == len(level[0]) for part in level):
            raise bad(f"Input {name}: `data` is nested unevenly.")
        level = [value for part in level for value in part]
    return level


_ALLOWED: dict[str, set[type]] = {"BOOL": {bool}, "BYTES": {str}, "FP32": {int, float, type(None)}}
_ALLOWED["FP64"] = _ALLOWED["FP32"]


def _check(flat: Sequence[Any], datatype: str, name: str) -> None:
    allowed = _ALLOWED.get(datatype, {int})
    if not set(map(type, flat)) <= allowed:
        wrong = next(value for value in flat if type(value) not in allowed)
        raise bad(f"Input {name} is {datatype}, but `data` has {_shown(wrong)}.")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "a list (nested deeper than `shape`)"
    return "null" if value is None else repr(value)[:60]


def _to_inputs(tensors: dict[str, np.ndarray], runtime: ModelRuntime) -> Inputs:
    specs = runtime.inputs
    if not specs:
        if len(tensors) == 1:
            return Inputs(arrays=tensors)
        return Inputs(columns={name: _as_column(name, values) for name, values in tensors.items()})
    if not runtime.takes_table:
        if len(specs) == 1 and len(tensors) == 1:
            return Inputs(arrays={specs[0].name: tables.array(specs[0], next(iter(tensors.values())))})
        missing = [spec.name for spec in specs if spec.required and spec.name not in tensors]
        if missing:
            raise bad(f"Missing input: {', '.join(missing)}.")
        return Inputs(arrays={s.name: tables.array(s, tensors[s.name]) for s in specs if s.name in tensors})
    if len(tensors) == 1:
        name, only = next(iter(tensors.items()))
        if only.ndim == 2 and only.shape[1] == len(specs) and name not in {spec.name for spec in specs}:
            return Inputs(columns={spec.name: only[:, i].tolist() for i, spec in enumerate(specs)})
    return Inputs(columns={name: _as_column(name, values) for name, values in tensors.items()})


def _as_column(name: str, values: np.ndarray) -> list[Any]:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise bad(f"Input {name} is a column: its shape must be [rows], not {list(values.shape)}.")
    found: list[Any] = values.tolist()
    return found


def _write_tensor(name: str, values: np.ndarray) -> dict[str, Any]:
    datatype = _NAMES.get(str(values.dtype), "")
    if datatype == "" and values.dtype.kind == "f":  # float16: JSON has FP32 at the smallest
        datatype = "FP32"
    if datatype in ("", "BYTES"):
        flat = [value if isinstance(value, str) else str(value) for value in values.ravel().tolist()]
        return {"name": name, "shape": list(values.shape), "datatype": "BYTES", "data": flat}
    return {"name": name, "shape": list(values.shape), "datatype": datatype, "data": column_values(values.ravel())}
