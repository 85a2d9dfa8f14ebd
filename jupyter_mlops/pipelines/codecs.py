"""How values become files and files values again. A codec's name is stored with each output, so none is ever renamed.

Libraries are looked up by the value's own type: nothing is imported that the notebook has not imported itself. A
pickle runs code when it is read; so pickles are read only from the workspace's own store, after their digest was
compared with the one recorded (``content.verified``).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError
from ..i18n import gettext as _
from .together import Together


@dataclass(frozen=True, slots=True)
class Codec:
    """Writes values of one kind to a file and reads them back."""

    name: str
    #: Name of the file that holds the content; empty: the value's own (a path).
    file: str
    accepts: Callable[[Any], bool]
    write: Callable[[Any, Path], None]
    read: Callable[[Path], Any]
    summary: Callable[[Any], str]
    #: Whether reading it runs code.
    runs_code: bool = False


def codec_for(value: Any) -> Codec:
    """Return the codec that writes ``value``: the first that accepts it; pickling takes what is left."""
    return next(codec for codec in CODECS if codec.accepts(value))


def codec_named(name: str) -> Codec:
    """Return a codec by its stored name."""
    for codec in CODECS:
        if codec.name == name:
            return codec
    raise InvalidInputError(
        _("There is no codec '{name}'.").format(name=name),
        why=_("The output was written by a newer version of jupyter_mlops."),
        next=_("Upgrade:  pip install -U jupyter_mlops"),
    )


def _is(value: Any, module: str, *names: str) -> bool:
    """Whether ``value`` is of one of these types of a library, without importing the library."""
    library = sys.modules.get(module)
    types = tuple(kind for name in names if isinstance(kind := getattr(library, name, None), type))
    return bool(types) and isinstance(value, types)


def _table_summary(rows: int, columns: int) -> str:
    return _("{rows:,} rows x {columns:,} columns").format(rows=rows, columns=columns)


def _size_summary(size: int, unit: str) -> str:
    return f"{size:,} {unit}"


# -- tables --------------------------------------------------------------------------------------------------------


def _write_pandas(value: Any, file: Path) -> None:
    value.to_parquet(file, engine="pyarrow")


def _read_pandas(file: Path) -> Any:
    import pandas

    return pandas.read_parquet(file, engine="pyarrow")


def _write_series(value: Any, file: Path) -> None:
    # The name may be None or anything: it is kept beside the column, which is always called the same.
    frame = value.rename("value").to_frame()
    frame.attrs = {"series_name": value.name}
    frame.to_parquet(file, engine="pyarrow")


def _read_series(file: Path) -> Any:
    frame = _read_pandas(file)
    return frame["value"].rename(frame.attrs.get("series_name"))


def _write_polars(value: Any, file: Path) -> None:
    value.write_parquet(file)


def _read_polars(file: Path) -> Any:
    import polars

    return polars.read_parquet(file, memory_map=False)


def _write_lazy(value: Any, file: Path) -> None:
    value.collect().write_parquet(file)


def _write_arrow(value: Any, file: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(value, file)


def _read_arrow(file: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(file)


# -- arrays and models ---------------------------------------------------------------------------------------------


def _write_numpy(value: Any, file: Path) -> None:
    import numpy

    with file.open("wb") as out:
        numpy.save(out, value, allow_pickle=False)


def _read_numpy(file: Path) -> Any:
    import numpy

    return numpy.load(file, allow_pickle=False)


def _is_plain_array(value: Any) -> bool:
    return _is(value, "numpy", "ndarray") and not value.dtype.hasobject and type(value).__name__ == "ndarray"


def _write_torch(value: Any, file: Path) -> None:
    import torch

    torch.save(value, file)


def _read_torch(file: Path) -> Any:
    import torch

    return torch.load(file, map_location="cpu", weights_only=False)


def _torch_summary(value: Any) -> str:
    if _is(value, "torch", "Tensor"):
        return f"tensor {tuple(value.shape)} {value.dtype}".replace("torch.", "")
    if isinstance(value, dict):
        return _("state of {n} tensors").format(n=len(value))
    count = sum(parameter.numel() for parameter in value.parameters())
    return _("{name}, {count:,} parameters").format(name=_class_name(value), count=count)


def _is_torch(value: Any) -> bool:
    if _is(value, "torch", "Tensor") or _is(value, "torch.nn", "Module"):
        return True
    return isinstance(value, dict) and bool(value) and all(_is(item, "torch", "Tensor") for item in value.values())


def _write_pickle(value: Any, file: Path) -> None:
    import cloudpickle  # like pickle, and takes along functions and classes that the notebook itself defines

    with file.open("wb") as out:
        cloudpickle.dump(value, out, protocol=5)


def _read_pickle(file: Path) -> Any:
    import joblib  # reads plain pickles too, and names the missing library where one is missing

    return joblib.load(file)


def _class_name(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__.split('.')[0]} {kind.__qualname__}" if kind.__module__ != "builtins" else kind.__name__


# -- text, JSON, files, pictures -----------------------------------------------------------------------------------


def _is_json(value: Any) -> bool:
    """Whether JSON gives back an equal value: no tuples, no keys that are not text, no NaN."""
    if value is None or isinstance(value, (bool, int)):
        return type(value) in (type(None), bool, int)
    if isinstance(value, float):
        return type(value) is float and value == value and value not in (float("inf"), float("-inf"))
    if isinstance(value, str):
        return type(value) is str
    if type(value) is list:
        return all(map(_is_json, value))
    return type(value) is dict and all(type(key) is str and _is_json(item) for key, item in value.items())


def _write_json(value: Any, file: Path) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")


def _json_summary(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return _("{kind} of {n} items").format(kind="list" if isinstance(value, list) else "dict", n=len(value))
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def _write_file(value: Any, file: Path) -> None:
    source = Path(value)
    if source.is_dir():
        raise InvalidInputError(
            _("{path} is a folder.").format(path=source.name),
            why=_("An output is one file."),
            next=_("Pack it first, for example with shutil.make_archive, and write the archive."),
        )
    shutil.copyfile(source, file)


def _write_figure(value: Any, file: Path) -> None:
    figure = value if _is(value, "matplotlib.figure", "Figure") else value.figure
    figure.savefig(file, format="png", bbox_inches="tight", dpi=120)


def _is_figure(value: Any) -> bool:
    return _is(value, "matplotlib.figure", "Figure") or _is(value, "matplotlib.axes", "Axes")


def _itself(file: Path) -> Any:
    return file


CODECS: tuple[Codec, ...] = (
    Codec(
        "pandas",
        "data.parquet",
        lambda value: _is(value, "pandas", "DataFrame"),
        _write_pandas,
        _read_pandas,
        lambda value: _table_summary(*value.shape),
    ),
    Codec(
        "pandas-series",
        "data.parquet",
        lambda value: _is(value, "pandas", "Series"),
        _write_series,
        _read_series,
        lambda value: _size_summary(len(value), _("values")),
    ),
    Codec(
        "polars",
        "data.parquet",
        lambda value: _is(value, "polars", "DataFrame"),
        _write_polars,
        _read_polars,
        lambda value: _table_summary(*value.shape),
    ),
    Codec(
        "polars-lazy",
        "data.parquet",
        lambda value: _is(value, "polars", "LazyFrame"),
        _write_lazy,
        _read_polars,
        lambda value: _("table, {n} columns").format(n=len(value.collect_schema())),
    ),
    Codec(
        "arrow",
        "data.parquet",
        lambda value: _is(value, "pyarrow", "Table"),
        _write_arrow,
        _read_arrow,
        lambda value: _table_summary(value.num_rows, value.num_columns),
    ),
    Codec(
        "numpy",
        "array.npy",
        _is_plain_array,
        _write_numpy,
        _read_numpy,
        lambda value: f"array {value.shape} {value.dtype}",
    ),
    Codec("torch", "data.pt", _is_torch, _write_torch, _read_torch, _torch_summary, runs_code=True),
    Codec("figure", "figure.png", _is_figure, _write_figure, _itself, lambda _value: _("picture")),
    Codec(
        "text",
        "text.txt",
        lambda value: type(value) is str,
        lambda value, file: _write_bytes(value.encode("utf-8", "surrogatepass"), file),
        lambda file: file.read_bytes().decode("utf-8", "surrogatepass"),
        lambda value: _size_summary(len(value), _("characters")),
    ),
    Codec(
        "bytes",
        "data.bin",
        lambda value: isinstance(value, (bytes, bytearray)),
        lambda value, file: _write_bytes(bytes(value), file),
        Path.read_bytes,
        lambda value: _size_summary(len(value), _("bytes")),
    ),
    Codec(
        "file",
        "",
        lambda value: isinstance(value, Path),
        _write_file,
        _itself,
        lambda value: _("file {name}").format(name=value.name),
    ),
    Codec(
        "json",
        "data.json",
        _is_json,
        _write_json,
        lambda file: json.loads(file.read_text(encoding="utf-8")),
        _json_summary,
    ),
    Codec(
        "variables",
        "variables.zip",
        lambda value: isinstance(value, Together),
        lambda value, file: value.write(file),
        Together.read,
        lambda value: value.summary(),
        runs_code=True,
    ),
    Codec(
        "pickle",
        "object.joblib",
        lambda _value: True,
        _write_pickle,
        _read_pickle,
        _class_name,
        runs_code=True,
    ),
)


def _write_bytes(content: bytes, file: Path) -> None:
    file.write_bytes(content)
