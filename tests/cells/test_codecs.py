"""Arrays, tensors and tables in the value store: shared memory, deduplication, mapping, and what is left out."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops.cells.blobs import BlobStore, PrivateMapping
from jupyter_mlops.cells.codecs import CODECS, codec_of
from jupyter_mlops.cells.value_errors import NotRestoredError
from jupyter_mlops.cells.value_memory import ReadMemory, address_of, bytes_at
from jupyter_mlops.cells.value_reading import Reading
from jupyter_mlops.cells.value_torch import make_tensor
from jupyter_mlops.cells.values import NotKeptError, keep, restore

from .kept import main_module, run


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "values")


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    with main_module() as namespace:
        yield namespace


def again(store: BlobStore, **values: Any) -> dict[str, Any]:
    return restore(store, keep(store, values, {}).digest, {})


def test_each_codec_is_found_by_the_classes_it_names() -> None:
    import polars
    import pyarrow
    import torch

    for kind, name in (
        (np.ndarray, "numpy"),
        (np.matrix, "numpy"),
        (torch.Tensor, "torch"),
        (torch.nn.Parameter, "torch"),
        (pyarrow.Table, "arrow"),
        (pyarrow.Int64Array, "arrow"),
        (polars.DataFrame, "polars"),
        (polars.Series, "polars-series"),
        (type(pd.DataFrame({"a": [1]})._mgr.blocks[0]), "pandas"),
    ):
        codec = codec_of(kind)
        assert codec is not None
        assert codec.name == name
        assert codec in CODECS
    assert codec_of(dict) is None


# -- memory --------------------------------------------------------------------------------------------------------


def test_memory_is_stored_once_for_all_groups_and_executions(store: BlobStore) -> None:
    values = np.arange(200_000.0)
    first = keep(store, {"a": values}, {})
    assert first.written == first.size > values.nbytes
    second = keep(store, {"b": values.copy(), "c": [values.copy()]}, {})
    assert second.written < 2000
    assert set(first.blobs) & set(second.blobs)
    frame = pd.DataFrame({"x": values})
    assert keep(store, {"df": frame}, {}).written < 3000


def test_a_new_column_costs_the_new_column(store: BlobStore) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).random((50_000, 10)))
    keep(store, {"df": frame}, {})
    frame["new"] = 1.5
    kept = keep(store, {"df": frame}, {})
    assert frame["new"].to_numpy().nbytes <= kept.written < frame["new"].to_numpy().nbytes + 5000


def test_large_memory_is_mapped_and_copied_when_written_to(store: BlobStore) -> None:
    values = np.arange(1_000_000.0)
    kept = keep(store, {"a": values}, {})
    one, two = restore(store, kept.digest, {})["a"], restore(store, kept.digest, {})["a"]
    base = one
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base.obj if isinstance(base, memoryview) else base, PrivateMapping)
    one[:] = 0
    assert two.sum() == values.sum()
    assert restore(store, kept.digest, {})["a"].sum() == values.sum()


def test_what_was_restored_is_not_stored_again(store: BlobStore) -> None:
    values = np.arange(100_000.0)
    back = again(store, a=values, v=values[10:20])
    assert keep(store, back, {}).written < 1000


def test_a_slice_does_not_take_its_array_along(store: BlobStore) -> None:
    whole = np.arange(1_000_000.0)
    part = whole[500:600]
    kept = keep(store, {"part": part}, {})
    assert kept.size < 3000
    back = restore(store, kept.digest, {})["part"]
    assert (back == part).all()
    back[0] = 1.0


def test_a_sparse_view_alone_is_packed(store: BlobStore) -> None:
    whole = np.arange(1_000_000.0).reshape(1000, 1000)
    kept = keep(store, {"column": whole[:, 3]}, {})
    assert kept.size < 10_000
    assert (restore(store, kept.digest, {})["column"] == whole[:, 3]).all()
    # but two of them share what lies between
    back = again(store, a=whole[:, 3], b=whole[2])
    back["a"][2] = -1
    assert back["b"][3] == -1


def test_parts_of_one_allocation_are_found_in_any_order(store: BlobStore) -> None:
    import torch

    whole = np.arange(1000.0)
    low, high = torch.from_numpy(whole[:600]), torch.from_numpy(whole[400:])
    for values in (
        {"low": low, "high": high, "whole": whole},
        {"high": high, "low": low},
        {"whole": whole, "low": low, "high": high},
    ):
        back = again(store, **values)
        back["low"][450] = -5
        assert back["high"][50] == -5
        assert "whole" not in back or back["whole"][450] == -5


def test_bytes_are_found_by_their_address() -> None:
    for buffer in (bytearray(b"abcdef"), b"abcdef"):
        view = memoryview(buffer)
        start = address_of(view)
        assert bytes(bytes_at(start + 1, start + 4)) == b"bcd"
    assert address_of(memoryview(b"")) == 0
    assert bytes(bytes_at(5, 5)) == b""


def test_memory_beyond_its_array_is_refused(store: BlobStore) -> None:
    inner = np.arange(10.0)
    beyond = np.lib.stride_tricks.as_strided(inner, shape=(20,), strides=(8,))
    with pytest.raises(NotKeptError, match="reaches beyond the memory"):
        keep(store, {"x": beyond}, {})


def test_arrays_of_structures_with_objects_are_refused(store: BlobStore) -> None:
    with pytest.raises(NotKeptError, match="references in memory"):
        keep(store, {"x": np.zeros(2, dtype=[("a", object)])}, {})


# -- pandas --------------------------------------------------------------------------------------------------------


def test_frames_without_copy_on_write_share_what_they_shared(store: BlobStore) -> None:
    frame = pd.DataFrame({"a": np.arange(5.0), "b": np.arange(5.0)})
    back = again(store, df=frame, column=frame["a"], values=frame.values)
    back["values"][0, 0] = 77.0
    assert back["df"].loc[0, "a"] == back["column"][0] == 77.0


def test_frames_with_copy_on_write_come_back_apart(store: BlobStore) -> None:
    with pd.option_context("mode.copy_on_write", True):
        frame = pd.DataFrame({"a": np.arange(100_000.0), "b": np.arange(100_000.0)})
        column, same = frame["a"], frame[:]
        kept = keep(store, {"df": frame, "column": column, "same": same}, {})
        assert kept.size < 2_500_000  # the memory is one blob all the same
        back = restore(store, kept.digest, {})
        back["column"].iloc[0] = 77.0
        back["same"].iloc[1, 0] = 88.0
        assert back["df"].iloc[0, 0] == 0.0
        assert back["df"].iloc[1, 0] == 1.0
        assert back["same"].iloc[0, 0] == 0.0


def test_a_large_frame_is_there_at_once(store: BlobStore) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).random((500_000, 20)))
    kept = keep(store, {"df": frame}, {})
    times = []
    for _try in range(5):  # the machine may be busy
        begun = time.perf_counter()
        back = restore(store, kept.digest, {})["df"]
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.1
    pd.testing.assert_frame_equal(back, frame)
    back.iloc[0, 0] = 5.0
    back["new"] = 1
    assert restore(store, kept.digest, {})["df"].iloc[0, 0] == frame.iloc[0, 0]


# -- Arrow and polars ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["table", "batch", "array", "chunked", "empty batch"])
def test_a_slice_of_arrow_is_written_alone(store: BlobStore, kind: str) -> None:
    import pyarrow as pa

    table = pa.table({"a": range(100_000), "b": ["text"] * 100_000})
    part = {
        "table": lambda: table.slice(7, 3),
        "batch": lambda: table.to_batches()[0].slice(7, 3),
        "array": lambda: table["a"].chunk(0).slice(7, 3),
        "chunked": lambda: table["b"].slice(7, 3),
        "empty batch": lambda: table.to_batches()[0].slice(7, 0),
    }[kind]()
    kept = keep(store, {"x": part}, {}, verify=True)
    assert kept.size < 10_000
    back = restore(store, kept.digest, {})["x"]
    assert type(back) is type(part)
    assert back.equals(part)
    assert back.to_pylist() == part.to_pylist()


def test_columns_of_arrow_and_polars_are_mapped_and_deduplicated(store: BlobStore) -> None:
    import polars as pl

    frame = pl.DataFrame({"a": np.arange(200_000.0), "s": [f"a rather long text {i}" for i in range(200_000)]})
    first = keep(store, {"df": frame}, {}, verify=True)
    second = keep(store, {"df": frame.with_columns(b=pl.lit(1))}, {})
    assert second.written < 1_000_000 < first.written
    table = frame.to_arrow()
    assert keep(store, {"t": table.select(["a"])}, {}).written < 3000
    back = restore(store, second.digest, {})["df"]
    assert back.equals(frame.with_columns(b=pl.lit(1)))
    assert back.sort("s", descending=True).height == frame.height


# -- PyTorch -------------------------------------------------------------------------------------------------------


def test_a_device_that_is_missing_is_named() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a device")
    reading = Reading({}, lambda _index: ReadMemory(bytearray(8), 0), lambda _name: None)

    class Tensor:
        def __reduce__(self) -> Any:
            return make_tensor, (Memory(), "cuda:0", 0, 8, torch.float32, 0, (2,), (1,), torch.Tensor)

    class Memory:
        def __reduce__(self) -> Any:
            return ReadMemory, (bytearray(8), 0)

    with pytest.raises(NotRestoredError, match="lies on the device cuda:0, which can't be used here"):
        reading.load(io.BytesIO(pickle.dumps(Tensor())), iter(()))


@pytest.mark.skipif("not __import__('torch').cuda.is_available()")
def test_tensors_on_a_device(store: BlobStore) -> None:
    import torch

    a = torch.arange(6.0, device="cuda").reshape(2, 3)
    back = again(store, a=a, row=a[1], p=torch.nn.Parameter(torch.ones(2, device="cuda")))
    assert back["a"].device == a.device
    back["row"][0] = 99.0
    assert back["a"][1, 0].item() == 99.0
    assert back["p"].requires_grad


def test_a_used_up_graph_comes_back_used_up(store: BlobStore, notebook: dict[str, Any]) -> None:
    run(
        """
        import torch
        w = torch.ones(3, requires_grad=True)
        out = w * 2
        loss = (out ** 2).sum()
        """,
        notebook,
    )
    group = {name: notebook[name] for name in ("w", "out", "loss")}
    with pytest.raises(NotKeptError, match="gradients can still flow"):
        keep(store, group, notebook)
    notebook["loss"].backward()
    back = restore(store, keep(store, group, notebook, verify=True).digest, {})
    for name in ("out", "loss"):
        assert (back[name].requires_grad, back[name].is_leaf) == (True, False)
        assert back[name].detach().equal(notebook[name].detach())
        for values in (notebook, back):
            with pytest.raises(RuntimeError):
                values[name].sum().backward()
    assert back["w"].grad.equal(notebook["w"].grad)
    assert back["loss"].item() == 12.0


def test_a_model_goes_on_learning_as_it_would_have(store: BlobStore, notebook: dict[str, Any]) -> None:
    run(
        """
        import torch
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
        opt = torch.optim.Adam(net.parameters(), lr=0.1)
        plan = torch.optim.lr_scheduler.StepLR(opt, 2, 0.5)
        x = torch.randn(8, 3)
        def step():
            opt.zero_grad()
            loss = net(x).pow(2).mean()
            loss.backward()
            opt.step()
            plan.step()
            return loss.item()
        step()
        """,
        notebook,
    )
    names = ("net", "opt", "plan", "x", "step")
    kept = keep(store, {name: notebook[name] for name in names}, notebook)
    with main_module() as after:
        after.update(restore(store, kept.digest, after), torch=notebook["torch"])
        continued = [after["step"]() for _step in range(5)]
    assert continued == [notebook["step"]() for _step in range(5)]
