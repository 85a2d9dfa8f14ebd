"""Tables: pandas by its own pickling, whose arrays become memory; Arrow and polars in Arrow's format.

docs/adr/0015 has the measurements behind this. None of the libraries is imported here before a value needs it.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
from typing import TYPE_CHECKING, Any

from ..i18n import gettext as _
from .digest_tables import own_attributes
from .memory_places import kinds_of, places_of_arrow
from .value_arrays import PrivateArray
from .value_errors import CannotKeep
from .value_memory import ReadMemory
from .value_names import Reduced
from .value_reading import current

if TYPE_CHECKING:
    from .value_writing import Writing

#: What a slice may leave unused before it is written without it.
_UNUSED = 64 * 1024


# -- pandas --------------------------------------------------------------------------------------------------------


def reduce_block(value: Any, writing: Writing) -> Reduced:
    """A block of a data frame.

    With copy-on-write, a frame copies a block before it writes to it as long as another frame refers to it; reading
    can't make these references again, so each frame gets memory of its own then (the blob is one all the same).
    """
    writing.uses("pandas")
    reduced = value.__reduce_ex__(5)
    if not (_copies_on_write() and value.refs.has_reference()):
        return reduced
    make, (values, *rest) = reduced[0], reduced[1]
    if isinstance(values, sys.modules["numpy"].ndarray) and not values.dtype.hasobject:
        values = PrivateArray(values)
    elif not isinstance(values, sys.modules["numpy"].ndarray):
        raise CannotKeep(value, _("frames that share a column of the type {dtype}").format(dtype=values.dtype))
    return (make, (values, *rest), *reduced[2:])


def check_attributes(value: Any) -> None:
    """Raise :class:`CannotKeep` where somebody has set attributes on a frame or series: pandas does not pickle them."""
    lost = own_attributes(value).keys() - set(value._metadata)
    if lost:
        reason = _("pandas does not pickle the attributes that were set on it: {names}; attrs are kept")
        raise CannotKeep(value, reason.format(names=", ".join(sorted(lost))))


def with_columns_held(value: Any, reduced: Reduced) -> Reduced:
    """Add to how a frame is written the columns that it gave out and that others hold.

    Without copy-on-write a frame gives the same series each time, and what is set in that arrives in the frame.
    """
    given_out = getattr(value, "_item_cache", None)
    held = [(label, column) for label, column, n in _references(given_out) if n > _ALONE] if given_out else None
    if not held:
        return reduced
    make, arguments, state, *_none = value.__reduce_ex__(5)
    return make, arguments, (state, held), None, None, fill_frame


def _references(given_out: dict[Any, Any]) -> list[tuple[Any, Any, int]]:
    return [(label, column, sys.getrefcount(column)) for label, column in given_out.items()]


#: The references to a column that nobody but its frame has, as they are counted.
_ALONE = _references({"": object()})[0][2]


def fill_frame(made: Any, state: tuple[Any, list[tuple[Any, Any]]]) -> None:
    """Read: a frame's content, and the columns that it has given out."""
    content, held = state
    made.__setstate__(content)
    for label, column in held:
        made._item_cache[label] = column
        column._set_as_cached(label, made)


def _copies_on_write() -> bool:
    pandas = sys.modules["pandas"]
    return int(pandas.__version__.partition(".")[0]) >= 3 or pandas.options.mode.copy_on_write is True


# -- Arrow ---------------------------------------------------------------------------------------------------------


def reduce_arrow(value: Any, writing: Writing) -> Reduced:
    """An Arrow table, batch or array. A slice is written without what it does not show."""
    arrow = sys.modules["pyarrow"]
    writing.uses("pyarrow")
    if value.get_total_buffer_size() <= 2 * value.nbytes + _UNUSED:
        return _reduce_by_itself(value)
    for address, size in places_of_arrow(value):
        writing.memories.copied(address, address + size, value)
    if isinstance(value, arrow.Table):
        table, kind = value, "table"
    elif isinstance(value, arrow.RecordBatch):
        table, kind = arrow.Table.from_batches([value]), "batch"
    else:
        table, kind = arrow.table({"": value}), "chunked" if isinstance(value, arrow.ChunkedArray) else "array"
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as out:
        for batch in table.to_batches():
            out.write_batch(batch)
    return read_arrow, (kind, pickle.PickleBuffer(sink.getvalue()))


def _reduce_by_itself(value: Any) -> Reduced:
    registered = copyreg.dispatch_table.get(type(value))
    return value.__reduce_ex__(5) if registered is None else registered(value)


def read_arrow(kind: str, content: Any) -> Any:
    """Read: what was a slice."""
    table = current().module("pyarrow.ipc").open_stream(content).read_all()
    if kind == "table":
        return table
    if kind == "batch":
        batches = table.to_batches()
        return batches[0] if batches else current().module("pyarrow").RecordBatch.from_pylist([], schema=table.schema)
    column = table.column(0)
    if kind == "chunked":
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def reduce_arrow_list(value: Any, writing: Writing) -> Reduced:
    """The scalar of a list: pickle copies its values."""
    writing.uses("pyarrow")
    for address, size in places_of_arrow(value):
        writing.memories.copied(address, address + size, value)
    return _reduce_by_itself(value)


def reduce_arrow_column(value: Any, writing: Writing) -> Reduced:
    """A column of pandas in Arrow's memory: pickle copies it."""
    writing.check_bound_elsewhere(value)
    writing.uses("pandas")
    for address, size in places_of_arrow(value._pa_array):
        writing.memories.copied(address, address + size, value)
    return _reduce_by_itself(value)


# -- polars --------------------------------------------------------------------------------------------------------


def reduce_polars_frame(value: Any, writing: Writing) -> Reduced:
    """A polars data frame as its columns."""
    writing.check_bound_elsewhere(value)
    writing.uses("polars")
    return read_polars_frame, (value.get_columns(), value.height)


def reduce_polars_series(value: Any, writing: Writing) -> Reduced:
    """A polars series as an Arrow array, which shares its memory; as an Arrow IPC file where that would lose something.

    polars has dictionaries of its own for categories.
    """
    polars = sys.modules["polars"]
    writing.check_bound_elsewhere(value)
    writing.uses("polars")
    kinds = set(kinds_of(value.dtype))
    if "Object" in kinds:
        raise CannotKeep(value, _("a column of Python objects"))
    newest = polars.CompatLevel.newest()
    if kinds.isdisjoint(("Categorical", "Enum", "Unknown")):
        content: Any = value.to_arrow(compat_level=newest)
    else:
        out = io.BytesIO()
        polars.DataFrame([value]).write_ipc(out, compression="uncompressed", compat_level=newest)
        content = writing.memories.content(out.getvalue())
    return read_polars_series, (content, value.name, value.dtype)


def reduce_polars_lazy(value: Any, writing: Writing) -> Reduced:
    """A lazy frame, with what it goes on from: where that lies can't be seen."""
    writing.check_bound_elsewhere(value)
    writing.uses("polars")
    writing.memories.hidden(value)
    return _reduce_by_itself(value)


def read_polars_frame(columns: list[Any], height: int) -> Any:
    """Read: a polars data frame."""
    frame = current().module("polars").DataFrame(columns)
    return frame if columns or not height else current().module("polars").DataFrame(height=height)


def read_polars_series(content: Any, name: str, dtype: Any) -> Any:
    """Read: a polars series."""
    polars = current().module("polars")
    if isinstance(content, ReadMemory):
        return polars.read_ipc(bytes(content.content)).to_series()
    series = polars.from_arrow(content)
    return (series if series.dtype == dtype else series.cast(dtype)).rename(name)
