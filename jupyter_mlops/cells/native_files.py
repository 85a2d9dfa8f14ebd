"""Doubts about files: a library that reads or writes by itself was called, and no file of it could be found.

Python sees nothing of what C, C++ and Rust open. What such a library reads is known where its arguments can be told
(``named_files``); where they can't, the result may follow from a file that nobody knows.
"""

from __future__ import annotations

import ast
import io
import os
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any

from .called import names_in, texts_in
from .named_files import Texts, paths_of, running_nodes, texts_in_all, texts_of
from .syntax import walk

#: Packages that open files by themselves.
NATIVE = frozenset(
    (  # noqa: SIM905
        "pyarrow polars duckdb _duckdb h5py netCDF4 cv2 rasterio xgboost lightgbm catboost fiona tables safetensors "
        "tokenizers vaex datatable fastparquet pyogrio zarr lance deltalake pysam osgeo soundfile torchaudio "
        "onnxruntime onnx faiss sentencepiece fasttext llama_cpp"
    ).split()
)
_READING = re.compile(
    r"(read|scan|load|imread|from_(file|pretrained|disk))(_|$)|^(read|scan|load|open)\w*$"
    r"|^(File|Dataset|DMatrix|Booster|VideoCapture|safe_open|ParquetFile|ParquetDataset|dataset|memory_map"
    r"|connect|sql|query|execute|from_query|InferenceSession|SentencePieceProcessor)$"
)
#: Functions of other packages that have one of those read a file.
_READERS = re.compile(
    r"pandas\.read_(parquet|feather|orc|hdf)|geopandas\.read_\w+|xarray\.(open|load)_\w+|torch\.jit\.load"
    r"|datasets\.load_\w+|dask\.dataframe\.read_\w+|torchvision\.io\.\w+"
)
_FORMATS = (
    "csv|parquet|feather|orc|hdf|netcdf|zarr|json|ndjson|excel|pickle|stata|file|xml|html|latex|ipc|avro|arrow|delta"
)
_WRITING = re.compile(
    rf"^(save|savefig|savez\w*|savetxt|save_\w+|write_(?!c$)\w+|sink_\w+|dump|dump_\w+|imwrite|to_({_FORMATS}))$"
)
_NATIVE_WRITING = re.compile(
    r"^(write_(parquet|csv|json|ndjson|ipc|avro|excel|delta|table|dataset|feather|image)|sink_\w+|imwrite|save_model"
    r"|save_file|to_(parquet|feather|orc|hdf|netcdf|zarr))$"
)
_TARGETS = frozenset({"path", "path_or_buf", "fname", "filename", "file", "fp", "f", "out", "where", "excel_writer"})
_BUILDING = frozenset({"format", "join", "joinpath", "with_suffix", "with_name", "glob", "iglob", "iterdir", "listdir"})
_URL = re.compile(r"^\w+://")


def doubts(
    tree: ast.Module,
    values: Mapping[str, Any],
    called: Iterable[tuple[types.CodeType, Mapping[str, Any]]],
    *,
    read: Mapping[str, str],
    written: dict[str, str],
    digest: Any,
) -> list[str]:
    """Return what leaves open what a cell read (``reads NAME``) or wrote (``writes NAME``).

    What a call is known to have written is added to ``written``, with its ``digest``.
    """
    found: dict[str, None] = {}
    texts, unknown = Texts(values), 0
    loops = _bound_in_loops(tree)
    for node in running_nodes(tree).of(ast.Call):
        name = full_name(node.func, values)
        last = name.rpartition(".")[2]
        if _reads(name):
            if _state(_arguments(node), texts, loops) == "unknown":
                found[f"reads {name}"] = None
        elif _WRITING.match(last) and name.partition(".")[0] not in ("mlflow", "jupyter_mlops"):
            targets = _targets(node)
            state = _written(targets, texts, loops, written, digest)
            if state == "unknown":
                unknown += 1
                if len(written) < unknown:
                    found[f"writes {name}"] = None
            elif state == "missing":
                found[f"writes {name}"] = None
    for code, space in called:
        names = names_in(code)
        if (what := reads_in(names, space)) and not _is_certain(code, names, read, values):
            found[f"reads {what}"] = None
        native = {each for each in names if _NATIVE_WRITING.match(each)}
        if {"torch", "save"} <= names:
            native.add("torch.save")
        if native and not written:
            found[f"writes {sorted(native)[0]}"] = None
    return list(found)


def texts_of_readers(called: Iterable[tuple[types.CodeType, Mapping[str, Any]]]) -> list[str]:
    """Return the texts in those functions that have a native library read."""
    return [text for code, space in called if reads_in(names_in(code), space) for text in texts_in(code)]


def may_write(tree: ast.Module, called: Iterable[tuple[types.CodeType, Mapping[str, Any]]]) -> bool:
    """Whether a cell, or a function that it calls, names something that writes files."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = {getattr(each, "attr", "") or getattr(each, "id", "") for each in calls}
    inner = {part for code, _space in called for each in names_in(code) for part in each.split(".")}
    return any(map(_WRITING.match, names)) or any(map(_NATIVE_WRITING.match, inner))


def full_name(node: ast.expr, values: Mapping[str, Any]) -> str:
    """Return the full dotted name of a function: of a method, with the package of what it belongs to."""
    parts: list[str] = []
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            node = node.value
    if not isinstance(node, ast.Name):
        return ".".join(reversed(parts))
    return ".".join([_name_of(values.get(node.id), node.id), *reversed(parts)])


def _name_of(root: Any, name: str) -> str:
    if isinstance(root, types.ModuleType):
        return root.__name__
    if isinstance(root, (type, types.FunctionType, types.BuiltinFunctionType)):
        return f"{root.__module__}.{root.__qualname__}"
    kind = type(root)
    if kind.__name__ == "cython_function_or_method":
        return f"{root.__module__}.{root.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}" if root is not None else name


def _reads(name: str) -> bool:
    package, _dot, rest = name.partition(".")
    last = rest.rpartition(".")[2]
    return bool(_READERS.match(name)) or (package in NATIVE and bool(_READING.search(last)))


def reads_in(names: frozenset[str], space: Mapping[str, Any]) -> str:
    """Return a native reader that a function names; empty: none."""
    for name in names:
        value = space.get(name)
        full = _name_of(value, "") if isinstance(value, _NAMED) else name if "." in name else ""
        package = full.partition(".")[0]
        if package in NATIVE or name in NATIVE:
            for each in names:
                if _READING.search(each):
                    return f"{full or name}.{each}" if each != name else full
        for each in names:
            if full and _READERS.match(f"{full}.{each}"):
                return f"{full}.{each}"
    return ""


_NAMED = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType)


def _is_certain(
    code: types.CodeType, names: frozenset[str], read: Mapping[str, str], values: Mapping[str, Any]
) -> bool:
    """Whether what a function reads is among the files that were found: it is named, and not put together there."""
    builds = bool(names & _BUILDING) or any(
        each.startswith((".", "/")) or "%s" in each or "{" in each for each in texts_in(code)
    )
    named = any(path in read for text in texts_in(code) for path in paths_of(text))
    given = any(path in read for value in values.values() for text in texts_of(value) for path in paths_of(text))
    return (named or given or bool(read)) and not builds


def _arguments(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(each.value for each in node.keywords if each.arg in _TARGETS or each.arg is None)]


def _targets(node: ast.Call) -> list[ast.expr]:
    positional = (
        node.args[1:] if getattr(node.func, "attr", "").startswith("dump") and len(node.args) > 1 else node.args
    )
    return [*positional, *(each.value for each in node.keywords if each.arg in _TARGETS)]


def _state(arguments: list[ast.expr], texts: Texts, loops: Mapping[str, ast.expr | None]) -> str:
    """Say whether a file that is read can be told from these: ``known``, ``unknown``, or ``none`` is read."""
    states = {_of(each, texts, loops) for each in arguments}
    return "known" if "known" in states else "unknown" if "unknown" in states else "none"


def _of(node: ast.expr, texts: Texts, loops: Mapping[str, ast.expr | None]) -> str:
    names = {each.id for each in walk(node) if isinstance(each, ast.Name)}
    if isinstance(node, ast.Name) and node.id in loops:
        over = loops[node.id]
        return _of(over, texts, loops) if over is not None else "unknown"
    if names & loops.keys():
        return "unknown"
    if (text := texts.of(node)) is not None:
        if paths_of(text) or _URL.match(text) or re.search(r"\s|^:memory:$", text):
            return "known"
        return "none"
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        states = {_of(each, texts, loops) for each in node.elts}
        return "unknown" if "unknown" in states else "known" if "known" in states else "none"
    if isinstance(node, (ast.Name, ast.Subscript, ast.Attribute)):
        value = texts.value(node)
        if value is None:
            return "unknown"
        found, whole = texts_in_all(value)
        named = [bool(paths_of(text)) for text in found]
        return "known" if named and all(named) and whole else "unknown" if any(named) else "none"
    if isinstance(node, ast.Call):
        states = {_of(each, texts, loops) for each in node.args}
        return "known" if "known" in states else "unknown"
    return "none" if isinstance(node, (ast.Constant, ast.Lambda, ast.Dict, ast.Compare, ast.UnaryOp)) else "unknown"


def _written(
    targets: list[ast.expr],
    texts: Texts,
    loops: Mapping[str, ast.expr | None],
    written: dict[str, str],
    digest: Any,
) -> str:
    """Say whether what a call wrote is ``known``, ``missing`` among what is there, ``unknown``, or ``none``."""
    state = "none"
    for node in targets:
        names = {each.id for each in walk(node) if isinstance(each, ast.Name)}
        text = texts.of(node) if not names & loops.keys() else None
        if text is not None:
            if _URL.match(text) or len(text) > 1024 or "\n" in text:
                continue
            path = os.path.abspath(os.path.expanduser(text))
            if any(each == path or each.startswith(path) for each in written):
                return "known"
            if os.path.exists(path) and (len(text) > 1) and path != os.getcwd():
                written[path] = digest(path)
                return "known"
            if paths_like(text):
                return "missing"
        elif names & loops.keys() or isinstance(node, (ast.JoinedStr, ast.BinOp, ast.Subscript, ast.Attribute)):
            state = "unknown"
        elif isinstance(node, ast.Name):
            value = texts.value(node)
            if value is None or (isinstance(value, io.IOBase) and not isinstance(value, (io.BytesIO, io.StringIO))):
                state = "unknown"
    return state


def paths_like(text: str) -> bool:
    """Whether a text looks like the path of a file."""
    return bool(re.fullmatch(r"[^\0\n]*(?:[\\/]|\.[A-Za-z0-9]{1,8}$)[^\0\n]*", text))


def _bound_in_loops(tree: ast.Module) -> dict[str, ast.expr | None]:
    """Return the names that loops and comprehensions bind → what they go over; None: that can't be told."""
    found: dict[str, ast.expr | None] = {}
    for node in running_nodes(tree).of(ast.For, ast.AsyncFor, ast.comprehension):
        for each in walk(node.target):
            if isinstance(each, ast.Name):
                found[each.id] = node.iter if each is node.target and each.id not in found else None
        if isinstance(node, (ast.For, ast.AsyncFor)):
            inner = (each for part in node.body for each in walk(part))
            found |= {each.id: None for each in inner if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    return found
