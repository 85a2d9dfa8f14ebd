"""What a cell that is run again, because a part of it can't be kept, makes of the cells below."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlops.cells.slicing import Target, slice_of

from .sessions import Session, fresh_workspace


def actions(notebook: list[str], *, again: list[str] | None = None) -> list[str]:
    with fresh_workspace() as workspace:
        expected = Session(workspace, cached=False).run_all(again or notebook)
        Session(workspace).run_all(notebook)
        session = Session(workspace)
        assert session.run_all(again or notebook) == expected
        return session.actions


def test_what_came_out_the_same_is_not_made_anew() -> None:
    # Given a cell with a variable that can neither be kept nor compared, and one that can
    cells = ["numbers = (each for each in [1, 2])\ntable = [3]", "double = [2 * each for each in table]"]
    # When it runs again, Then what follows from the other one is taken
    assert actions(cells) == ["replay", "take"]
    # and what follows from it is not
    assert actions([*cells, "first = next(numbers)"]) == ["replay", "take", "run"]


def test_what_belongs_to_a_variable_that_can_not_be_compared_is_made_anew() -> None:
    cells = ["table = [3]\nnumbers = (each for each in table)", "double = [2 * each for each in table]"]
    assert actions(cells) == ["replay", "run"]


def test_what_differs_though_its_cell_read_the_same_is_made_anew() -> None:
    first = "import time\nnumbers = (1 for _ in 'a')\nnow = time.perf_counter()\nname = 'n'"
    cells = [first, "late = now > 0", "text = name", "del now"]
    assert actions(cells) == ["replay", "run", "take", "run"]


@pytest.mark.parametrize(
    "sets",
    ["import warnings\nwarnings.filterwarnings('ignore')", "import logging\nlogging.getLogger('x').setLevel(50)"],
)
def test_what_is_shown_and_logged_is_set_again(sets: str) -> None:
    # No variable shows it, but cells below show other output without it
    assert actions([sets, "x = 1"]) == ["replay", "take"]


@pytest.mark.parametrize(
    "patch",
    [
        "import colorsys\ncolorsys.MINE = 1",
        "import colorsys\nfor name in ('A', 'B'):\n    setattr(colorsys, name, 1)",
        "import string\nstring.Template.mine = 1",
        "from string import Template\nTemplate.mine = 1\ndel Template.mine",
        "import sys\nsys.modules['mine'] = sys",
        "import colorsys as c\ndef patch():\n    c.MINE = 2\npatch()",
        "import collections.abc\n@collections.abc.Sequence.register\nclass Mine: pass",
        "import matplotlib\nmatplotlib.set_loglevel('warning')",
        "import locale\nold = locale.setlocale(locale.LC_ALL, None)",
    ],
)
def test_what_is_changed_of_libraries_is_changed_again(patch: str) -> None:
    try:
        # No variable shows it either: who needs it would not find it
        assert actions([patch, "x = 1"])[0] == "replay"
    finally:
        sys.modules.pop("mine", None)


def test_a_function_that_changes_a_library_is_called_again() -> None:
    define = "import colorsys as c\ndef patch(n):\n    c.MINE = n\ndef note(n):\n    c.__dict__['X' + str(n)] = n"
    assert actions([define, "patch(1)", "note(1)", "x = 1"])[1:] == ["replay", "replay", "take"]
    # One that only uses it, and changes what is its own, is not
    use = "import colorsys as c\ndef colours(d):\n    d['a'] = c.hls_to_rgb(0, 0, 0)\n    return d"
    assert actions([use, "x = colours({})", "y = x"]) == ["take", "take", "take"]


def test_what_is_changed_of_the_notebooks_own_is_not() -> None:
    own = "class Mine: pass\nMine.x = [1]\nsetattr(Mine, 'y', 2)\nd = {}\nd['a'] = 1\nm = Mine()\nm.z = d\ndel d['a']"
    assert actions([own, "n = m.z"]) == ["take", "take"]


def test_filters_of_warnings_that_end_with_their_block_are_not_set_again() -> None:
    block = "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    x = [1]"
    assert actions([block, "y = x"]) == ["take", "take"]


IMPORTS = [
    "import xml.dom.minidom",
    "import xml",
    "import wsgiref.util",
    "from curses import ascii as unused",
]
USE = "import sys\nf = xml.dom.minidom, wsgiref.util, sys.modules['curses.ascii']"


def test_what_taken_cells_imported_is_loaded_for_those_that_run() -> None:
    # Given submodules, and one that is imported for what it does, in cells of their own
    code = (
        "import sys\nfrom pathlib import Path\nfrom jupyter_mlops.workspace import Workspace\n"
        "from tests.cells.sessions import Session\n"
        "session = Session(Workspace(Path.cwd()))\nfor cell in sys.argv[1:]:\n    session.run(cell)\n"
        "print(session.actions, repr(session.records[-1]['error']))"
    )

    def run(last: str) -> str:
        command = [sys.executable, "-c", code, *IMPORTS, last]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    with fresh_workspace():
        assert run("done = 1") == f"{['run'] * 5} ''"
        # When only a cell that uses them runs, in a process that has none of them loaded
        said = run(USE)
    # Then it finds what it would find had they run
    assert said == f"{['take'] * 4 + ['run']} ''"


def test_a_slice_has_the_imports_that_no_name_shows() -> None:
    with fresh_workspace() as workspace:
        session = Session(workspace, cached=False)
        for cell in ["import json", "x = json.dumps([])", *IMPORTS, USE]:
            assert session.run(cell), session.records[-1]["error"]
        found = slice_of(session.records, Target("variable", "f"))
        # Not the cells whose names the others read
        assert [each["source"] for each in found.executions] == [*IMPORTS, USE]
