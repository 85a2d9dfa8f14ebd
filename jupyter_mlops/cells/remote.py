"""Data fetched without Python's knowing: by addresses, and by connections of libraries in C, C++ and Rust.

Sockets that Python opens are heard (``doings``). Polars, DuckDB, Arrow and database drivers open their own: if a cell
hands an address to a call, or uses such a driver, its result may follow from what lies elsewhere.
"""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .called import names_in, texts_in
from .named_files import texts_of
from .native_files import full_name, reads_in
from .syntax import nodes_of, walk

#: Database drivers and clients with network code of their own.
_DRIVERS = frozenset(
    (  # noqa: SIM905
        "psycopg psycopg2 psycopg_c psycopg2cffi pyodbc MySQLdb pymssql connectorx adbc_driver_manager "
        "adbc_driver_postgresql adbc_driver_flightsql adbc_driver_snowflake pycurl curl_cffi grpc cx_Oracle "
        "oracledb couchbase pulsar confluent_kafka obstore turbodbc ibm_db"
    ).split()
)
#: What of SQLAlchemy leads to a database, whose address says where it is.
_BOUND = frozenset({"Engine", "Connection", "Session", "AsyncEngine", "AsyncConnection", "AsyncSession"})
_ADDRESS = re.compile(r"(?<![\w.+-])([A-Za-z][A-Za-z0-9+.-]{0,30})://([^\s/'\"?#)]*)")
#: What these name lies on this machine.
_LOCAL = re.compile(r"(file|sqlite|duckdb|memory|local|mlops|jar|data|zip|simplecache|reference)(\+\w+)?$")
#: Calls that do nothing with an address but show, compare or put it together.
_HARMLESS = re.compile(
    r"^(print|repr|str|len|type|isinstance|sorted|hash|display|HTML|Markdown|Latex|dict|list|set|tuple)$"
    r"|^(builtins|IPython|logging|re|urllib\.parse|warnings|matplotlib|seaborn|textwrap|pprint)\."
    r"|\.(replace|startswith|endswith|split|rsplit|partition|rpartition|join|format|strip|lstrip|rstrip|removeprefix"
    r"|removesuffix|find|index|count|append|extend|get|set_title|suptitle|text|annotate|debug|info|warning|error)$"
)


def reached_without_python(
    tree: ast.Module, values: Mapping[str, Any], called: Iterable[tuple[types.CodeType, Mapping[str, Any]]]
) -> list[str]:
    """Return the hosts, schemes or drivers by which a cell may have read what lies elsewhere.

    ``values``: what its names are bound to; ``called``: the functions of the user's that it may call.
    """
    found: dict[str, None] = {}
    nodes = nodes_of(tree)
    for name in dict.fromkeys(each.id for each in nodes.of(ast.Name)):
        if name in values:
            found.update(dict.fromkeys(_driver(values[name])))
    for node in nodes.of(ast.Call):
        if not _HARMLESS.search(full_name(node.func, values)):
            for argument in (*node.args, *(each.value for each in node.keywords)):
                found.update(dict.fromkeys(_hosts(_texts(argument, values))))
    for code, space in called:
        names = names_in(code)
        bound = [space[name] for name in names if name in space]
        for value in bound:
            found.update(dict.fromkeys(_driver(value)))
        if reads_in(names, space):
            texts = [*texts_in(code), *(value for value in bound if isinstance(value, str))]
            found.update(dict.fromkeys(_hosts(texts)))
    return list(found)


def _hosts(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for scheme, host in _ADDRESS.findall(text):
            if not _LOCAL.match(scheme):
                yield str(host).rpartition("@")[2][:200] or scheme


def _texts(node: ast.expr, values: Mapping[str, Any]) -> Iterator[str]:
    for each in walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
        elif isinstance(each, ast.Name) and each.id in values:
            yield from texts_of(values[each.id])


def _driver(value: Any) -> Iterator[str]:
    """Yield the driver's name where a value is one, or leads to a database over one."""
    kind = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    for name in (kind, type(value).__module__):
        package = name.partition(".")[0] if isinstance(name, str) else ""
        if package in _DRIVERS:
            yield package
        elif package == "sqlalchemy" and type(value).__name__ in _BOUND:
            bind = getattr(value, "bind", None) or value
            url = getattr(getattr(bind, "engine", bind), "url", None)
            scheme = str(getattr(url, "drivername", ""))
            if scheme and not _LOCAL.match(scheme):
                yield str(getattr(url, "host", "") or scheme)
