"""Cells are taken only where the user's modules, loaded or not yet, are what they ran with; and never with data."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jupyter_mlops.cells.record import why_no_key
from jupyter_mlops.workspace import Workspace

from .sessions import Session, execute, fresh_workspace, play


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with fresh_workspace() as made:
        monkeypatch.syspath_prepend(str(made.root))
        yield made
        unload()


def unload() -> None:
    """Forget the notebook's modules, as a new kernel does."""
    for name in [name for name in sys.modules if name.startswith("of_user")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def write(name: str, text: str) -> None:
    Path(f"of_user_{name}.py").write_text(text)
    time.sleep(0.06)  # a digest is remembered once the file is no longer new


def anew(place: Workspace, notebook: list[str]) -> Session:
    """Run a notebook in a new kernel."""
    unload()
    return play(place, notebook)


_LAZY = [
    pytest.param(
        "def f():\n    import of_user_b\n    return of_user_b.v",
        ["import of_user_a as a", "x = a.f()", "y = a.f() + 1"],
        id="in a module's function",
    ),
    pytest.param(
        "def f():\n    import importlib\n    return importlib.import_module('of_user_' + 'b').v",
        ["import of_user_a as a", "x = a.f()", "y = a.f() + 1"],
        id="by name",
    ),
    pytest.param(
        "",
        ["def f():\n    from of_user_b import v\n    return v", "x = f()", "y = f() + 1"],
        id="in a function of the notebook",
    ),
    pytest.param(
        "",
        [
            "class A:\n    def f(self):\n        import of_user_b as b\n        return b.v",
            "x = A().f()",
            "y = A().f() + 1",
        ],
        id="in a method",
    ),
]


@pytest.mark.parametrize(("module", "notebook"), _LAZY)
def test_a_module_that_is_imported_within_a_function_counts_in_all_cells(
    place: Workspace, module: str, notebook: list[str]
) -> None:
    write("a", module)
    write("b", "v = 1")
    anew(place, notebook)
    assert anew(place, notebook).actions[1:] == ["take", "take"]
    write("b", "v = 22")
    session = anew(place, notebook)
    assert (session.space["x"], session.space["y"]) == (22, 23)


def test_modules_that_a_library_makes_by_hand_are_the_library_s(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one that names a file as torch.ops does, which it was not loaded from, in an installed package
    importlib.import_module("numpy")
    made = ModuleType("numpy.of_hand")
    made.__file__ = "_of_hand.py"
    monkeypatch.setitem(sys.modules, "numpy.of_hand", made)
    write("a", "import importlib\ndef f(name):\n    return importlib.import_module(name).v")
    write("b", "v = 1")
    notebook = ["import numpy, of_user_a as a", "x = a.f('of_user_b')"]
    # When a module imports by name, so that all of the user's modules count
    assert [why_no_key(each) for each in anew(place, notebook).records] == ["", ""]
    # Then that one is none of them
    assert anew(place, notebook).actions[1:] == ["take"]


def test_a_module_edited_while_the_cell_that_loads_it_runs_gives_no_key(place: Workspace) -> None:
    # Given a cell that loads a module, during which it is edited
    write("a", "v = 1")
    edit = "import of_user_a, pathlib\nx = of_user_a.v\npathlib.Path('of_user_a.py').write_text('v = 333')"
    session = anew(place, [edit, "y = of_user_a.v"])
    # Then nothing says that what was loaded is what the file holds now
    assert session.space["y"] == 1
    assert [each["modules"] for each in session.records] == [{"of_user_a": "changed"}] * 2
    assert not any(each["key"] for each in session.records)


def test_a_module_edited_after_it_was_loaded_is_what_was_loaded(place: Workspace) -> None:
    write("a", "v = 1")
    notebook = ["import of_user_a", "x = of_user_a.v"]
    session = anew(place, notebook[:1])
    loaded = session.records[0]["modules"]
    # When the file is edited, and a traceback shows it
    write("a", "v = 4444")
    session.run("import linecache; text = linecache.getline('of_user_a.py', 1)")
    session.run(notebook[1])
    assert session.records[-1]["modules"] == loaded
    assert session.space["x"] == 1
    # Then a new kernel does not take what the old code gave
    assert anew(place, notebook).space["x"] == 4444


def test_a_module_loaded_again_is_what_it_is_then(place: Workspace) -> None:
    write("a", "v = 1")
    session = anew(place, ["import of_user_a, importlib", "x = of_user_a.v"])
    first = session.records[-1]["modules"]
    write("a", "v = 55555")
    session.run("importlib.invalidate_caches()\nimportlib.reload(of_user_a)")
    session.run("y = of_user_a.v")
    assert session.space["y"] == 55555
    assert session.records[-1]["modules"] != first
    assert why_no_key(session.records[-1]) == ""


def test_a_cell_that_read_data_whose_version_nobody_can_ask_for_runs(place: Workspace) -> None:
    # Given a cell that has read a version of a dataset, through a function that says so
    session, notebook = Session(place), ["x = 1"]
    assert session.cache is not None
    session.cache.before(notebook[0])
    record, _error = execute(session, notebook[0], sequence=1, begun=lambda each: each.record["data"].update(sales="1"))
    session.cache.after(record, "")
    # Then it is not taken: the version may be another now
    assert anew(place, notebook).actions == ["replay"]
