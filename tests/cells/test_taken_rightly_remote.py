"""Data that libraries fetch without Python's knowing is recognised by its address, or by the driver."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import sqlalchemy

from jupyter_mlops.cells.called import called_code
from jupyter_mlops.cells.remote import reached_without_python

from .sessions import Session, fresh_workspace


def found(source: str, space: dict[str, Any]) -> list[str]:
    tree = ast.parse(source)
    return reached_without_python(tree, space, called_code(tree, space))


@pytest.mark.parametrize(
    ("source", "hosts"),
    [
        ("x = pl.read_csv('https://example.org/a.csv')", ["example.org"]),
        ("x = duckdb.sql(\"select * from 's3://bucket/a.parquet'\")", ["bucket"]),
        ("x = pq.read_table(f'gs://data/{name}.parquet')", ["data"]),
        ("x = read(source=URL)", ["example.org"]),
        ("x = read([URLS[0], 'a'])", ["example.org"]),
        ("x = connect('postgresql://me:secret@db.example.org/x')", ["db.example.org"]),
        ("x = read('file:///a.csv')", []),
        ("x = connect('sqlite:///a.db')", []),
        ("print('see https://example.org')", []),
        ("x = URL.replace('https://', '')", []),
        ("URL = 'https://example.org'  # bound, not handed to anybody", []),
        ("ax.set_title('https://example.org')", []),
        ("x = read('a://')", ["a"]),
    ],
)
def test_an_address_that_is_handed_to_a_call_is_network(source: str, hosts: list[str]) -> None:
    assert found(source, {"URL": "https://example.org/a.csv", "URLS": ["https://example.org/b.csv"]}) == hosts


def test_a_function_that_has_a_native_library_read_an_address() -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    space: dict[str, Any] = {"pq": pyarrow, "__name__": "__main__"}
    exec("def load():\n    return pq.read_table('s3://bucket/a')\ndef help():\n    'https://example.org'", space)
    assert found("x = load()", space) == ["bucket"]
    assert found("x = help()", space) == []


def test_a_database_that_is_elsewhere() -> None:
    near = sqlalchemy.create_engine("sqlite://")
    psycopg = pytest.importorskip("psycopg")
    engine = sqlalchemy.create_engine("postgresql+psycopg://me@db.example.org/x")
    assert found("x = read('select 1', e)", {"e": near}) == []
    assert found("x = read('select 1', e)", {"e": engine}) == ["db.example.org"]
    assert found("x = link.connect()", {"link": psycopg}) == ["psycopg"]


def test_a_cell_that_reads_an_address_has_no_key() -> None:
    with fresh_workspace() as place:
        session = Session(place, cached=False)
        for cell in ("def read(place):\n    return 1", "x = read('https://example.org')", "y = read('a')"):
            assert session.run(cell)
    assert [each["network"] for each in session.records] == [[], ["example.org"], []]
    assert [bool(each["key"]) for each in session.records] == [True, False, True]
