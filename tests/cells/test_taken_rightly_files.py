"""Results that follow from files, or that are files, are taken only while these are known and as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from . import sessions
from .sessions import fresh_workspace, play


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MEMORY", 8 << 30)


def _table(value: int, path: str = "a.parquet") -> None:
    pq.write_table(pa.table({"v": [value]}), path)
    os.utime(path, ns=(value * 10**9, value * 10**9))


PQ = "import pyarrow.parquet as pq"
PL = "import polars as pl"
READS = {
    "text": [PQ, "s = pq.read_table('a.parquet')['v'][0].as_py()"],
    "list": [PQ, "paths = ['a.parquet']", "s = [pq.read_table(p)['v'][0].as_py() for p in paths]"],
    "dict": [PQ, "cfg = {'path': 'a.parquet'}", "s = pq.read_table(cfg['path'])['v'][0].as_py()"],
    "nested": [PQ, "c = {'in': {'p': ['a.parquet']}}", "s = pq.read_table(c['in']['p'][0])['v'].to_pylist()"],
    "loop": [PQ, "s = [pq.read_table(f'{n}.parquet')['v'][0].as_py() for n in 'a']"],
    "percent": [PQ, "n = 'a'", "s = pq.read_table('%s.parquet' % n)['v'][0].as_py()"],
    "function": [f"{PQ}\ndef load(n): return pq.read_table(f'{{n}}.parquet')['v'][0].as_py()", "s = load('a')"],
    "constant in function": [f"{PQ}\ndef load(): return pq.read_table('a.parquet')['v'][0].as_py()", "s = load()"],
    "imported in function": ["def load(n):\n    import polars\n    return polars.read_parquet(n + '.parquet')['v'][0]",
                             "s = load('a')"],
    "glob": [f"import glob\n{PQ}", "ps = glob.glob('*.parquet')", "s = [pq.read_table(p)['v'][0].as_py() for p in ps]"],
    "polars list": [PL, "ps = ['a.parquet']", "s = [pl.read_parquet(p)['v'][0] for p in ps]"],
    "polars pattern": [PL, "s = pl.read_parquet('*.parquet')['v'].to_list()"],
    "lazy": [PL, "lf = pl.scan_parquet('a.parquet')", "s = lf.collect()['v'][0]"],
    "duckdb": ["import duckdb", "s = duckdb.sql(\"select v from '*.parquet'\").fetchall()"],
    "duckdb percent": ["import duckdb", "n = 'a'",
                       "s = duckdb.sql(\"select v from read_parquet('%s.parquet')\" % n).fetchall()"],
    "pandas": ["import pandas as pd", "ps = ['a.parquet']", "s = [int(pd.read_parquet(p)['v'][0]) for p in ps]"],
    "magic": ["import types", "s = __import__('pyarrow.parquet').parquet.read_table('a.parquet')['v'][0].as_py()"],
}  # fmt: skip


@pytest.mark.parametrize("what", READS)
def test_a_file_that_a_library_reads_by_itself_counts(what: str) -> None:
    with fresh_workspace() as workspace:
        _table(1)
        play(workspace, READS[what])
        # When it is replaced between two sessions
        _table(2)
        again = play(workspace, READS[what])
        assert again.space["s"] == play(workspace, READS[what], cached=False).space["s"]


@pytest.mark.parametrize(
    "what", ["text", "list", "dict", "percent", "constant in function", "polars pattern", "duckdb"]
)
def test_what_was_read_from_known_files_is_taken(what: str) -> None:
    with fresh_workspace() as workspace:
        _table(1)
        play(workspace, READS[what])
        assert set(play(workspace, READS[what]).actions) <= {"take"}
        if "pattern" in what or what == "duckdb":
            _table(3, "b.parquet")
            assert play(workspace, READS[what]).actions[-1] == "replay"


WRITES = {
    "dict": ("import torch\ncfg = {'out': 'm.out'}", "torch.save({'w': torch.zeros(2)}, cfg['out'])"),
    "arrow": (
        f"{PQ}\nimport pyarrow as pa\ncfg = {{'out': 'm.out'}}",
        "pq.write_table(pa.table({'a': [1]}), cfg['out'])",
    ),
    "polars": (f"{PL}\ncfg = {{'out': 'm.out'}}", "pl.DataFrame({'a': [1]}).write_parquet(cfg['out'])"),
    "pandas": ("import pandas as pd\ncfg = {'out': 'm.out'}", "pd.DataFrame({'a': [1]}).to_parquet(cfg['out'])"),
    "loop": (f"{PL}\nd = pl.DataFrame({{'a': [1]}})", "for k in ['m']:\n    d.write_csv(f'{k}.out')"),
    "function": (f"{PL}\ndef put(n): pl.DataFrame({{'a': [1]}}).write_csv(f'{{n}}.out')", "put('m')"),
    "python": ("import pandas as pd\ncfg = {'out': 'm.out'}", "pd.DataFrame({'a': [1]}).to_csv(cfg['out'])"),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_file_that_a_library_writes_by_itself_is_there_after_theplay(what: str) -> None:
    with fresh_workspace() as workspace:
        for _time in range(3):
            play(workspace, list(WRITES[what]))
            assert Path("m.out").exists()
            Path("m.out").unlink()


def test_what_was_written_and_is_still_there_is_taken() -> None:
    for what in ("arrow", "polars", "pandas", "python"):
        with fresh_workspace() as workspace:
            play(workspace, list(WRITES[what]))
            assert play(workspace, list(WRITES[what])).actions == ["take", "take"], what


@pytest.mark.parametrize("cell", ["p = 'a/b'.split('/')", "p = 'x/tmp/'.strip('/tmp/')", "p = 'x' + '/' + 'y'"])
def test_a_separator_is_no_folder(cell: str) -> None:
    with fresh_workspace() as workspace:
        play(workspace, [cell])
        again = play(workspace, [cell])
        assert again.actions == ["take"]
