"""A shell whose cells are recorded."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_mlops.cells.record import Execution
from jupyter_mlops.cells.recorder import Recorder
from jupyter_mlops.journal import read
from jupyter_mlops.workspace import Workspace

from .sessions import MEMORY_FOLDER

_HERE = str(Path(__file__).parents[2])
_TEMPORARY = tuple({tempfile.gettempdir(), MEMORY_FOLDER or tempfile.gettempdir()})


@pytest.fixture(autouse=True)
def _no_module_is_left() -> None:
    """Modules that an earlier test wrote count as the user's, and as changed, in all tests of this process."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.startswith(_TEMPORARY) and not file.startswith(_HERE):
            del sys.modules[name]


class RecordedShell:
    """An IPython shell in a workspace, with a recorder."""

    def __init__(self, workspace: Workspace):
        InteractiveShell.clear_instance()
        self.shell = InteractiveShell.instance()
        self.shell.history_manager.enabled = False
        self.shell.colors = "nocolor"
        self.workspace = workspace
        self.recorder = Recorder(self.shell, workspace)
        self.recorder.start()

    def run(self, cell: str) -> Execution:
        """Run a cell; return its record."""
        with capture_output():
            self.shell.run_cell(cell, store_history=True)
        assert self.recorder.last is not None
        return self.recorder.last

    def journal(self, kind: str = "execution") -> list[dict[str, Any]]:
        """The records of a kind in the journal."""
        return [each for each in read(self.recorder.journal.path).records if each["kind"] == kind]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    """A workspace on each kind of database."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        Path(workspace.root, "mlops.toml").write_text(f'[store]\nurl = "{url}"\n')
    return Workspace(workspace.root)


@pytest.fixture
def recorded(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RecordedShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(workspace.root)
    monkeypatch.syspath_prepend(str(workspace.root))
    environment, modules = dict(os.environ), set(sys.modules)
    made = RecordedShell(workspace)
    yield made
    made.recorder.stop()
    InteractiveShell.clear_instance()
    os.environ.clear()
    os.environ.update(environment)
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(workspace.root)):
            del sys.modules[name]
