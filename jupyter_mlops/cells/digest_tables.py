"""Digests of arrays, frames, tensors: their buffers at memory speed. Libraries are reached where they are loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol


class Sink(Protocol):
    """What a digest is collected in."""

    def token(self, *texts: str) -> None:
        """Add text."""

    def raw(self, buffer: Any) -> None:
        """Add bytes."""

    def add(self, value: Any) -> None:
        """Add a value."""


def digester(kind: type, package: str) -> Callable[[Any, Any], None] | None:
    """Return how a digest is made of a type of one of these packages; None: as of any object."""
    if package == "numpy":
        numpy = sys.modules["numpy"]
        if kind is numpy.ndarray:
            return _array
        return _scalar if issubclass(kind, numpy.generic) else None
    if package == "pandas":
        pandas = sys.modules["pandas"]
        if kind is pandas.DataFrame or kind is pandas.Series:
            return _frame
        return _index if issubclass(kind, pandas.Index) else None
    if package == "torch":
        torch = sys.modules["torch"]
        return _tensor if kind in (torch.Tensor, torch.nn.Parameter) else None
    if package == "polars":
        polars = sys.modules["polars"]
        if kind in (polars.DataFrame, polars.Series):
            return _polars
        return _lazy if kind is polars.LazyFrame else None
    pyarrow = sys.modules["pyarrow"]
    return _arrow if issubclass(kind, (pyarrow.Table, pyarrow.RecordBatch)) else None


def _array(made: Sink, value: Any) -> None:
    order = "C" if value.flags.c_contiguous else "F" if value.flags.f_contiguous else "C"
    made.token("ndarray", str(value.dtype), str(value.shape), order, str(value.flags.writeable))
    if value.dtype.hasobject:
        made.add(value.ravel(order=order).tolist())
        return
    _buffer(made, value, order)


def _buffer(made: Sink, value: Any, order: str = "C") -> None:
    numpy = sys.modules["numpy"]
    if value.size == 0:
        return
    flat = value.ravel(order=order)  # no copy where the array is contiguous
    if not flat.flags.c_contiguous:
        flat = numpy.ascontiguousarray(flat)
    made.raw(flat.view(numpy.uint8).data)


def _scalar(made: Sink, value: Any) -> None:
    made.token("scalar", str(value.dtype))
    if value.dtype.hasobject:
        made.add(value.item())
    else:
        made.raw(value.tobytes())


def _frame(made: Sink, value: Any) -> None:
    manager = value._mgr
    made.token(type(value).__name__, str(value.shape))
    for axis in manager.axes:
        made.add(axis)
    if type(value).__name__ == "Series":
        made.add(value.name)
        _column(made, manager.arrays[0])
    else:
        for position in range(len(manager.axes[0])):
            _column(made, manager.iget_values(position))
    made.add(dict(value.attrs))
    made.token(str(value.flags.allows_duplicate_labels))
    for name, each in own_attributes(value).items():
        made.token(name)
        made.add(each)


def own_attributes(value: Any) -> dict[str, Any]:
    """Return the attributes of a frame or series that somebody set on it: neither pandas' own nor its accessors."""
    accessors = type(value)._accessors
    return {name: each for name, each in vars(value).items() if name[0] != "_" and name not in accessors}


def _column(made: Sink, values: Any) -> None:
    numpy = sys.modules["numpy"]
    made.token("column", str(values.dtype))
    if isinstance(values, numpy.ndarray):
        if values.dtype.hasobject:
            made.add(values.tolist())
        else:
            _buffer(made, values)
    else:
        made.add(values)  # an extension array: pandas' own or a library's


def _index(made: Sink, value: Any) -> None:
    made.token(type(value).__name__, str(value.dtype))
    made.add(list(value.names))
    if type(value).__name__ == "RangeIndex":
        made.token(str(value.start), str(value.stop), str(value.step))
    elif type(value).__name__ == "MultiIndex":
        for level, codes in zip(value.levels, value.codes, strict=True):
            made.add(level)
            _buffer(made, codes)
    else:
        _column(made, value.array if value.dtype.kind not in "biufcO" else value.to_numpy())
        made.token(str(getattr(value, "freq", None)))


def _tensor(made: Sink, value: Any) -> None:
    torch = sys.modules["torch"]
    made.token("tensor", str(value.dtype), str(tuple(value.shape)), str(value.device), str(value.requires_grad))
    if value.layout is not torch.strided or value.is_quantized:
        made.add(value.__reduce_ex__(4)[1])
        return
    flat = value.detach().cpu().contiguous().flatten()
    if flat.numel():
        made.raw(flat.view(torch.uint8).numpy().data)
    made.add(value.grad)
    made.add(value.__dict__ or None)
    made.add(dict(value._backward_hooks or {}) or None)


def _polars(made: Sink, value: Any) -> None:
    frame = value if hasattr(value, "columns") else value.to_frame()
    made.token(type(value).__name__)
    _arrow(made, frame.to_arrow())


def _lazy(made: Sink, value: Any) -> None:
    made.token("LazyFrame")
    made.raw(value.serialize())


def _arrow(made: Sink, value: Any) -> None:
    import pyarrow
    from pyarrow import ipc

    made.token(type(value).__name__)
    with ipc.new_stream(pyarrow.PythonFile(_File(made), mode="w"), value.schema) as writer:
        writer.write(value)


class _File:
    """What Arrow writes its stream to."""

    closed = False

    def __init__(self, made: Sink):
        self._made = made

    def write(self, data: Any) -> int:
        self._made.raw(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: all is in the hash."""

    def close(self) -> None:
        """Do nothing: there is no file."""
