"""Results are taken only in a process that says the same: folder, environment variables, module search path."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from .sessions import Session, fresh_workspace


@pytest.fixture(autouse=True)
def _same_process() -> Iterator[None]:
    environment, path, modules = dict(os.environ), list(sys.path), set(sys.modules)
    yield
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("taken_"):
            del sys.modules[name]


def _run(workspace: Any, notebook: list[str], *, cached: bool = True) -> Session:
    session = Session(workspace, cached=cached)
    session.run_all(notebook)
    return session


READS_ONE = "import os\nfound = os.environ.get('TAKEN_STAGE')"


@pytest.mark.parametrize(
    "cell",
    [
        READS_ONE,
        "import os\nfound = os.getenv('TAKEN_STAGE')",
        "import os\nfound = 'TAKEN_STAGE' in os.environ and os.environ['TAKEN_STAGE']",
        "import os\nfound = dict(os.environ).get('TAKEN_STAGE')",
        "import os\ndef ask():\n    return os.environb.get(b'TAKEN_STAGE')\nfound = ask()",
        "import os.path\nfound = os.path.expandvars('$TAKEN_STAGE')",
    ],
)
def test_a_cell_that_asks_for_an_environment_variable_is_taken_while_it_is_the_same(cell: str) -> None:
    with fresh_workspace() as workspace:
        os.environ["TAKEN_STAGE"] = "1"
        first = _run(workspace, [cell, "more = 1"])
        assert _run(workspace, [cell, "more = 1"]).actions == ["take", "take"]
        # When a new process has another value
        os.environ["TAKEN_STAGE"] = "2"
        second = _run(workspace, [cell, "more = 1"])
        # Then it runs, and what did not ask is taken
        assert second.actions == ["replay", "take"]
        assert second.space["found"] == _run(workspace, [cell], cached=False).space["found"] != first.space["found"]


@pytest.mark.parametrize("name", ["TAKEN_MODE", "CUDA_TAKEN_DEVICES", "OMP_TAKEN", "_TAKEN"])
@pytest.mark.parametrize("there", [None, "1", "2"])
def test_a_cell_that_sets_an_environment_variable_runs(name: str, there: str | None) -> None:
    notebook = ["import os", f"os.environ['{name}'] = '1'", f"found = os.environ.get('{name}')", "other = 5"]
    with fresh_workspace() as workspace:
        if there:
            os.environ[name] = there
        _run(workspace, notebook)
        os.environ.pop(name, None)
        again = _run(workspace, notebook)
        assert again.actions == ["take", "replay", "take", "take"] and os.environ[name] == "1"
        # When it sets another value, what may read it runs
        os.environ.pop(name, None)
        now = [*notebook[:1], notebook[1].replace("'1'", "'3'"), *notebook[2:]]
        assert _run(workspace, now).space["found"] == "3"
        # and where it is not set
        os.environ.pop(name, None)
        assert _run(workspace, [notebook[0], "pass", *notebook[2:]]).space["found"] is None


def test_a_relative_path_is_another_file_in_another_folder() -> None:
    cell = "text = open('d.txt').read()"
    with fresh_workspace() as workspace:
        for name in (".", "b", "b/c"):
            (workspace.root / name).mkdir(exist_ok=True)
            (workspace.root / name / "d.txt").write_text(f"in {name}")
        for name in (".", "b", "b/c", "b"):
            os.chdir(workspace.root / name)
            assert _run(workspace, [cell]).space["text"] == f"in {name}"
        assert _run(workspace, [cell]).actions == ["take"]


def test_a_search_path_that_begins_and_one_that_ends_with_a_folder_are_two() -> None:
    with fresh_workspace() as workspace:
        for folder in ("one", "two"):
            (workspace.root / folder).mkdir()
            (workspace.root / folder / "taken_module.py").write_text(f"value = '{folder}'\n")
        one = str(workspace.root / "one")
        sys.path.insert(0, str(workspace.root / "two"))
        base = list(sys.path)
        found = []
        for how in (f"sys.path.append({one!r})", f"sys.path.insert(0, {one!r})"):
            sys.path[:] = base
            sys.modules.pop("taken_module", None)
            found.append(_run(workspace, ["import sys", how, "import taken_module\nv = taken_module.value"]).space["v"])
        assert found == ["two", "one"]
