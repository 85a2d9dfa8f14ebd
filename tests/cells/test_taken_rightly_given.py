"""What a library was given and what is changed later: who asks the library must see it as in a run from the top."""

from __future__ import annotations

import csv
import importlib
import json
import locale
import logging
import mimetypes
import sys
import threading
import types
from collections.abc import Iterator

import pytest

from .sessions import Session, fresh_workspace

_FILTER = "class F:\n    keep = 0\n    parts = None\nf = F()\nf.parts = []"
_ADD = "logging.getLogger('h3').addFilter(f)"
_ASK = "logging.getLogger('h3').filters[0]"
#: What is made, how it is given, what changes it with a number, what uses it through the library.
CASES = {
    "an object, registered": (f"import logging\n{_FILTER}", _ADD, "f.keep = <n>", f"y = {_ASK}.keep"),
    "made and registered in one cell": ("import logging", f"{_FILTER}\n{_ADD}", "f.keep = <n>", f"y = {_ASK}.keep"),
    "changed by a call": (f"import logging\n{_FILTER}", _ADD, "f.parts.append(<n>)", f"y = str({_ASK}.parts)"),
    "changed by another name": (
        f"import logging\n{_FILTER}", f"{_ADD}\nparts = f.parts", "parts.append(<n>)", f"y = str({_ASK}.parts)"),
    "changed by a name that came later": (
        f"import logging\n{_FILTER}", f"{_ADD}\n---\nparts = f.parts", "parts.append(<n>)", f"y = str({_ASK}.parts)"),
    "held by another variable": (
        f"import logging\n{_FILTER}", f"{_ADD}\n---\nheld = [f]", "f.keep = <n>", f"y = {_ASK}.keep"),
    "asked back from the library": (
        f"import logging\n{_FILTER}", f"{_ADD}\n---\ng = {_ASK}", "g.keep = <n>", f"y = {_ASK}.keep"),
    "asked back, seen by the first name": (
        f"import logging\n{_FILTER}", f"{_ADD}\n---\ng = {_ASK}", "g.keep = <n>", "y = f.keep"),
    "asked back by what a function returns": (
        f"import logging\n{_FILTER}\ndef ask():\n    return {_ASK}", f"{_ADD}\n---\ng = ask()",
        "g.parts.append(<n>)", "y = str(f.parts)"),
    "given in a list": (
        f"import logging\n{_FILTER}\nfs = [f]", "for each in fs:\n    logging.getLogger('h3').addFilter(each)",
        "f.keep = <n>", f"y = {_ASK}.keep"),
    "given within a function": (
        f"import logging\n{_FILTER}\ndef add(it):\n    logging.getLogger('h3').addFilter(it)", "add(f)",
        "f.keep = <n>", f"y = {_ASK}.keep"),
    "a function that reads a variable": (
        "import logging\nkeep = 0\ndef f(record):\n    return keep", _ADD, "keep = <n>", f"y = str({_ASK}(1))"),
    "a function that reads an object": (
        "import logging\nkeep = [0]\ndef f(record):\n    return keep", _ADD, "keep[0] = <n>", f"y = str({_ASK}(1))"),
    "an attribute of a module": ("import json\nx = {}", "json.h3 = x", "x['v'] = <n>", "y = json.h3['v']"),
    "set by its name": ("import json\nx = {}", "setattr(json, 'h3', x)", "x['v'] = <n>", "y = json.h3['v']"),
    "a module": ("import sys, types\nx = types.SimpleNamespace()", "sys.modules['h3'] = x", "x.v = <n>",
                 "import h3 as _h\ny = _h.v\ndel _h"),
    "a list of a library": (
        "import mimetypes\nx = {}\nhooks = mimetypes.knownfiles", "hooks.append(x)",
        "x['v'] = <n>", "y = mimetypes.knownfiles[-1]['v']"),
    "a table of a library": (
        "import locale\nx = {}\ntable = locale.locale_alias", "table['h3'] = x", "x['v'] = <n>",
        "y = locale.locale_alias['h3']['v']"),
    "a list of a library itself": (
        "import locale\ntable = locale.locale_alias", "z = 1", "table['h3'] = <n>", "y = locale.locale_alias['h3']"),
    "a frame in a database": (
        "import duckdb, pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})", "duckdb.register('h3', df)",
        "df.loc[0, 'a'] = <n>", "y = duckdb.sql('select sum(a) from h3').fetchall()"),
    "a setter, kept result": ("import csv", "z = 1", "old = csv.field_size_limit(1000 + <n>)",
                              "y = csv.field_size_limit()"),
    "a setter of threads, kept result": ("import threading", "z = 1", "old = threading.stack_size(<n> * 65536)",
                                         "y = threading.stack_size()"),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """What a cell may use is limited: libraries are loaded before."""
    for name in ("duckdb", "pandas"):
        importlib.import_module(name)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    _reset()
    yield
    _reset()


def _reset() -> None:
    logging.getLogger("h3").filters.clear()
    vars(json).pop("h3", None)
    sys.modules.pop("h3", None)
    locale.locale_alias.pop("h3", None)
    mimetypes.knownfiles[:] = [each for each in mimetypes.knownfiles if not isinstance(each, dict)]
    csv.field_size_limit(131072)
    threading.stack_size(0)
    if isinstance(duckdb := sys.modules.get("duckdb"), types.ModuleType):
        duckdb.unregister("h3")


def _run(session: Session, cells: list[str]) -> Session:
    _reset()
    for cell in cells:
        assert session.run(cell), (cell, session.records[-1]["error"])
    if session.cache is not None:
        session.cache.put_back_all()
    return session


def _cells(case: str, number: int) -> list[str]:
    makes, gives, changes, uses = CASES[case]
    return [makes, *gives.split("\n---\n"), "x1 = [1]", changes.replace("<n>", str(number)), uses]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_what_uses_it_runs_again_after_an_edit_and_only_then(case: str) -> None:
    with fresh_workspace() as workspace:
        _run(Session(workspace), _cells(case, 3))
        same = _run(Session(workspace), _cells(case, 3))
        assert same.actions[-1] == "take" and same.actions[-3] == "take"
        # When the cell is edited that changes what was given
        cached = _run(Session(workspace), _cells(case, 4))
        full = _run(Session(workspace, cached=False), _cells(case, 4))
        assert repr(cached.space["y"]) == repr(full.space["y"]) != repr(same.space["y"]), cached.actions
        # When the cell is edited that uses it: then what changes it must have run, on what was given
        edited = [*_cells(case, 4)[:-1], f"{CASES[case][3]}\nz = 1"]
        cached = _run(Session(workspace), edited)
        assert repr(cached.space["y"]) == repr(full.space["y"]), cached.actions


@pytest.mark.filterwarnings("ignore")
def test_other_variables_of_a_cell_that_sets_up_are_not_given() -> None:
    cells = ["import logging\nd = {}\nlogging.getLogger('h3').setLevel(10)\nprint(d)", "d['v'] = <n>", "y = len([1])"]
    with fresh_workspace() as workspace:
        for number in (3, 4, 4):
            session = _run(Session(workspace), [cell.replace("<n>", str(number)) for cell in cells])
        assert session.actions[1:] == ["take", "take"]
        assert _run(Session(workspace), [cells[0], "d['v'] = 5", cells[2]]).actions[-1] == "take"
