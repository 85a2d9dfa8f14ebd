"""Which objects are not left to pickle, and what writes them instead.

A codec is found by the full name of a class, so nothing is imported that the notebook has not imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .value_arrays import reduce_array
from .value_points import COPYING, reduce_points
from .value_refusals import remembered
from .value_tables import (
    reduce_arrow,
    reduce_arrow_column,
    reduce_arrow_list,
    reduce_block,
    reduce_polars_frame,
    reduce_polars_lazy,
    reduce_polars_series,
)
from .value_torch import reduce_tensor


@dataclass(frozen=True, slots=True)
class Codec:
    """Writes objects of some classes and of those derived from them."""

    name: str
    #: Full names: module and qualified name.
    classes: tuple[str, ...]
    #: As pickle's ``reducer_override``, with the group that is being written.
    reduce: Callable[[Any, Any], Any]


CODECS: tuple[Codec, ...] = (
    Codec("numpy", ("numpy.ndarray",), reduce_array),
    Codec("pandas", ("pandas._libs.internals.Block",), reduce_block),
    Codec(
        "arrow",
        ("pyarrow.lib.Table", "pyarrow.lib.RecordBatch", "pyarrow.lib.Array", "pyarrow.lib.ChunkedArray"),
        reduce_arrow,
    ),
    Codec("arrow-column", ("pandas.core.arrays.arrow.array.ArrowExtensionArray",), reduce_arrow_column),
    Codec("arrow-list", ("pyarrow.lib.ListScalar",), reduce_arrow_list),
    Codec("polars", ("polars.dataframe.frame.DataFrame",), reduce_polars_frame),
    Codec("polars-series", ("polars.series.series.Series",), reduce_polars_series),
    Codec("polars-lazy", ("polars.lazyframe.frame.LazyFrame",), reduce_polars_lazy),
    Codec("points", COPYING, reduce_points),
    Codec("torch", ("torch.Tensor",), reduce_tensor),
)

_BY_CLASS = {name: codec for codec in CODECS for name in codec.classes}


@remembered
def codec_of(kind: type) -> Codec | None:
    """Return the codec for the objects of a class, or None: pickle writes them."""
    for each in kind.__mro__:
        codec = _BY_CLASS.get(f"{each.__module__}.{each.__qualname__}")
        if codec is not None:
            return codec
    return None
