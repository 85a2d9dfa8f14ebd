"""State that lives in libraries and in the interpreter: who sets it up in another way has what follows run again."""

from __future__ import annotations

import builtins
import decimal
import json
import locale
import logging
import math
import socket
import sys
import types
from collections.abc import Iterator

import pytest

from jupyter_mlops.cells.code import analyse
from jupyter_mlops.cells.execution import Running
from jupyter_mlops.cells.hidden import may_use
from jupyter_mlops.cells.slicing import Target, slice_of
from jupyter_mlops.cells.staleness import stale
from jupyter_mlops.cells.unrun import guess

from .sessions import Session, execute, fresh_workspace

_ACCESSOR = (
    "@pd.api.extensions.register_dataframe_accessor('h3')\nclass H3:\n    def __init__(self, frame): pass\n"
    "    def number(self): return <n>"
)
_FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': [1]})"
#: What is imported, what is set up with a number, what uses it.
CASES = {
    "a module's attribute": ("import math", "math.tau = <n>", "y = math.tau"),
    "a new attribute": ("import json", "json.h3 = <n>", "y = json.h3"),
    "an attribute by its name": ("import json", "setattr(json, 'h3', <n>)", "y = json.h3"),
    "a module's dictionary": ("import json", "json.__dict__.update(h3=<n>)", "y = json.h3"),
    "a builtin": ("import builtins", "builtins.h3 = <n>", "y = h3"),
    "a class of a library": (_FRAME, "pd.DataFrame.h3 = lambda self: self * <n>", "y = df.h3()"),
    "an accessor": (_FRAME, _ACCESSOR, "y = df.h3.number()"),
    "a table in memory": ("import duckdb", "duckdb.sql('create or replace table h3 as select <n> as x')",
                          "y = duckdb.sql('select * from h3').fetchall()"),
    "a table, kept result": ("import duckdb", "r = duckdb.execute('create or replace table h3 as select <n> as x')",
                             "y = duckdb.sql('select * from h3').fetchall()"),
    "SQL in a variable": ("import duckdb", "q = 'create or replace table h3 as select <n> as x'\nduckdb.sql(q)",
                          "y = duckdb.sql('select * from h3').fetchall()"),
    "polars": ("import polars as pl", "pl.Config.set_tbl_rows(<n>)", "y = str(pl.DataFrame({'a': range(9)}))"),
    "the interpreter": ("import sys", "sys.setrecursionlimit(3000 + <n>)", "y = sys.getrecursionlimit()"),
    "in a function": ("import sys\ndef limit(n):\n    sys.setrecursionlimit(3000 + n)", "limit(<n>)",
                      "y = sys.getrecursionlimit()"),
    "in a function, kept result": ("import socket\ndef f(n):\n    return socket.setdefaulttimeout(n)", "x = f(<n>)",
                                   "y = socket.getdefaulttimeout()"),
    "sockets": ("import socket", "old = socket.setdefaulttimeout(<n>)", "y = socket.getdefaulttimeout()"),
    "a module put there": ("import sys, types", "sys.modules['h3'] = types.SimpleNamespace(v=<n>)",
                           "import h3\ny = h3.v"),
    "the root logger": ("import logging", "logging.getLogger().setLevel(10 + <n>)", "y = logging.getLogger().level"),
    "a logger": ("import logging\nlog = logging.getLogger('h3')", "log.setLevel(10 + <n>)",
                 "y = logging.getLogger('h3').level"),
    "what a function returns": ("import logging", "logging.getLogger('h3').level = <n>",
                                "y = logging.getLogger('h3').level"),
    "a context by another name": ("import decimal\nnow = decimal.getcontext()", "now.prec = <n>",
                                  "y = decimal.getcontext().prec"),
    "text that is run": ("import json", "exec('json.h3 = <n>')", "y = json.h3"),
}  # fmt: skip

#: As the process had them: other tests run in it.
_LOCALE = locale.setlocale(locale.LC_ALL)
_RECURSION = sys.getrecursionlimit()


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    _reset()


def _reset() -> None:
    math.tau = 2 * math.pi  # type: ignore[misc]
    for owner in (json, builtins):
        vars(owner).pop("h3", None)
    sys.modules.pop("h3", None)
    sys.setrecursionlimit(_RECURSION)
    socket.setdefaulttimeout(None)
    logging.getLogger("h3").setLevel(0)
    logging.getLogger().setLevel(30)
    decimal.setcontext(decimal.Context(prec=28))
    locale.setlocale(locale.LC_ALL, _LOCALE)
    for name, attribute in (("duckdb", ""), ("polars", ""), ("pandas", "h3")):
        module = sys.modules.get(name)
        if module is not None and name == "duckdb":
            module.sql("drop table if exists h3")
        elif module is not None and name == "polars":
            module.Config.restore_defaults()
        elif module is not None and hasattr(module.DataFrame, attribute):
            delattr(module.DataFrame, attribute)
            module.DataFrame._accessors.discard(attribute)


def _run(session: Session, cells: list[str]) -> Session:
    _reset()
    for cell in cells:
        assert session.run(cell), session.records[-1]["error"]
    if session.cache is not None:
        session.cache.put_back_all()
    return session


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore")
def test_what_uses_it_runs_again_after_an_edit_and_only_then(case: str) -> None:
    imports, sets, uses = CASES[case]
    cells = [imports, sets.replace("<n>", "3"), "x = [1]", uses]
    edited = [imports, sets.replace("<n>", "4"), "x = [1]", uses]
    with fresh_workspace() as workspace:
        _run(Session(workspace), cells)
        same = _run(Session(workspace), cells)
        assert same.actions[2:] == ["take", "take"]
        cached = _run(Session(workspace), edited)
        assert "take" not in (cached.actions[1], cached.actions[3])
        assert cached.actions[2] == "take" or case == "a context by another name"  # an option, which counts for all
        full = _run(Session(workspace, cached=False), edited)
        assert repr(cached.space["y"]) == repr(full.space["y"]) != repr(same.space["y"])


@pytest.mark.parametrize(
    "reach",
    ["import __main__\ny = __main__.x", "from __main__ import x as y", "import sys\ny = sys.modules['__main__'].x"],
)
def test_a_cell_that_reaches_the_namespace_as_a_module_runs(reach: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(cells: list[str], *, cached: bool) -> object:
        session = Session(workspace, cached=cached)
        main = types.ModuleType("__main__")
        session.space = session.observer.variables.namespace = main.__dict__
        monkeypatch.setitem(sys.modules, "__main__", main)
        return _run(session, cells).space["y"]

    with fresh_workspace() as workspace:
        assert run(["x = 1", reach], cached=True) == 1
        assert run(["x = 2", reach], cached=True) == run(["x = 2", reach], cached=False) == 2


def test_a_name_that_is_compared_with_main_reaches_nothing() -> None:
    assert not analyse("if __name__ == '__main__':\n    print(1)").opaque


def test_a_change_of_how_later_cells_are_compiled() -> None:
    first, then = "from __future__ import annotations", "def f(a: H3): return 1"
    with fresh_workspace() as workspace:
        for cells in ([first, "x = 1", "y = len([1])"], [first, "x = 1", "y = len([1])"]):
            session = _run(Session(workspace), cells)
        assert session.actions == ["replay", "take", "take"]
        # It is compiled in another way when that cell is gone
        assert may_use(analyse(then).tree, lambda name: "") and may_use(analyse("y = len([1])").tree, lambda name: "")
        assert _run(Session(workspace), ["x = 1", "y = len([1])"]).actions == ["take", "replay"]


_SETS = ["import json", "json.h3 = 3", "json.h3 = 4", "y = getattr(json, 'h3', 0)"]


@pytest.mark.parametrize(
    "now",
    [
        [_SETS[0], _SETS[2], _SETS[1], _SETS[3]],
        [_SETS[0], _SETS[1], _SETS[3]],
        [_SETS[0], _SETS[3]],
        [*_SETS[:3], "json.h3 = 5", _SETS[3]],
    ],
    ids=["moved", "one deleted", "all deleted", "inserted"],
)
def test_the_order_of_setting_up_counts(now: list[str]) -> None:
    with fresh_workspace() as workspace:
        _run(Session(workspace), _SETS)
        cached = _run(Session(workspace), now)
        assert cached.actions[-1] != "take"
        assert cached.space["y"] == _run(Session(workspace, cached=False), now).space["y"]


@pytest.mark.parametrize(
    "cell",
    [
        "print(<n>)",
        "import warnings\nwarnings.filterwarnings('ignore', str(<n>))",
        "import matplotlib.pyplot as plt\nplt.plot([<n>])\nplt.close()",
        "len([<n>])",
        "import os\nos.makedirs('f<n>', exist_ok=True)",
        "import duckdb\nduckdb.sql('select <n>')",
    ],
)
def test_what_sets_nothing_up_leaves_what_follows(cell: str) -> None:
    with fresh_workspace() as workspace:
        _run(Session(workspace), ["import json", cell.replace("<n>", "1"), "y = json.dumps(1)"])
        cached = _run(Session(workspace), ["import json", cell.replace("<n>", "2"), "y = json.dumps(1)"])
        assert cached.actions[-1] == "take"


# -- stale marks and slices ------------------------------------------------------------------------------------------


class _Worked:
    """Cells that are run in a session one by one, with their ids."""

    def __init__(self, session: Session, *sources: str):
        self.session, self.cells = session, [(f"c{place}", source) for place, source in enumerate(sources)]

    def run(self, *places: int) -> None:
        for place in places:
            cell_id, source = self.cells[place]

            def begun(running: Running, cell_id: str = cell_id) -> None:
                running.record["cell_id"] = cell_id

            record, error = execute(self.session, source, sequence=len(self.session.records), begun=begun)
            assert error is None
            self.session.records.append(record)

    def edit(self, place: int, source: str) -> None:
        self.cells[place] = (f"c{place}", source)

    @property
    def states(self) -> str:
        return " ".join(each.state for each in stale(self.cells, self.session.records))


def test_what_uses_it_is_stale_until_it_has_run_again() -> None:
    with fresh_workspace() as workspace:
        worked = _Worked(Session(workspace, cached=False), "import json", "json.h3 = 3", "x = [1]", "y = json.h3")
        worked.run(0, 1, 2, 3)
        assert worked.states == "fresh fresh fresh fresh"
        # When it is edited, and run
        worked.edit(1, "json.h3 = 4")
        assert worked.states == "fresh stale fresh stale"
        worked.run(1)
        assert worked.states == "fresh fresh fresh stale"
        worked.run(3)
        # Then the value of before is of no account: it was put in its place
        assert worked.states == "fresh fresh fresh fresh"
        worked.run(1, 1)
        assert worked.states == "fresh fresh fresh fresh"
        # When it is deleted
        del worked.cells[1]
        assert worked.states == "fresh fresh stale"


def test_setting_up_once_more_is_not_the_same_where_it_adds_up() -> None:
    with fresh_workspace() as workspace:
        add = "json.h3 = getattr(json, 'h3', 0) + 1"
        worked = _Worked(Session(workspace, cached=False), "import json", add, "y = json.h3")
        worked.run(0, 1, 1, 2)
        assert worked.session.space["y"] == 2
        assert worked.states.endswith("stale")


def test_a_cell_that_never_ran_and_may_set_up() -> None:
    with fresh_workspace() as workspace:
        worked = _Worked(Session(workspace, cached=False), "import socket", "x = 1", "y = socket.getdefaulttimeout()")
        worked.run(0, 1, 2)
        worked.edit(1, "x = socket.setdefaulttimeout(4)")
        assert worked.states == "fresh stale stale"
        worked.edit(1, "x = socket.gethostname()")
        assert worked.states == "fresh stale fresh"


def test_cells_without_ids_are_known_by_their_source() -> None:
    with fresh_workspace() as workspace:
        session = Session(workspace, cached=False)
        for source in ("a = 1", "b = a"):
            session.run(source)
        states = stale([("x", "a = 1"), ("y", "b = a"), ("z", "c = 2")], session.records)
        assert [each.state for each in states] == ["fresh", "fresh", "never run"]
        states = stale([("x", "a = 1"), ("y", "b = a + 1")], session.records)
        assert [each.state for each in states] == ["fresh", "never run"]


@pytest.mark.parametrize("sets", ["json.h3 = 3", "exec('json.h3 = 3')", "r = setattr(json, 'h3', 3)"])
def test_the_slice_has_what_sets_it_up(sets: str) -> None:
    with fresh_workspace() as workspace:
        session = Session(workspace, cached=False)
        for source in ("import json", sets, "x = 1", "y = json.h3"):
            assert session.run(source)
        found = slice_of(session.records, Target("variable", "y"))
        assert [each["source"] for each in found.executions] == ["import json", sets, "y = json.h3"]


@pytest.mark.parametrize("line", ["files = !rm x.txt", "x = %sx rm x.txt", "a, b = !ls", "!rm x.txt"])
def test_a_program_in_the_middle_of_a_line_may_write(line: str) -> None:
    found = guess(line, {}, {}, {})
    assert found.writes_files and found.sets_options
