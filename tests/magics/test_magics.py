"""The magics, in real shells and in a real kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output

from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import RunDetail, RunQuery
from jupyter_mlops.workspace import Workspace

_VARIABLES = ("MLOPS_WORKSPACE", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_DISABLE_TELEMETRY")


class Shell:
    """An IPython shell that a person types into."""

    def __init__(self, profile: Path):
        os.environ["IPYTHONDIR"] = str(profile)
        InteractiveShell.clear_instance()
        self.shell = InteractiveShell.instance()
        self.shell.history_manager.enabled = False
        self.shell.colors = "nocolor"
        self.output: CapturedIO
        self.result: ExecutionResult

    def run(self, cell: str) -> str:
        """Run a cell; return what it prints and shows, as text."""
        with capture_output() as self.output:
            self.result = self.shell.run_cell(cell, store_history=True)
        shown = [str(each.data.get("text/plain", "")) for each in self.output.outputs]
        return "\n".join([self.output.stdout, self.output.stderr, *shown])

    @property
    def names(self) -> dict[str, Any]:
        return self.shell.user_ns


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A new shell outside any workspace; what the extension sets in the environment is undone."""
    import mlflow

    for name in (*_VARIABLES, "IPYTHONDIR"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    mlflow.set_tracking_uri(None)
    yield Shell(tmp_path / "ipython")
    InteractiveShell.clear_instance()
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def inside(shell: Shell, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in a workspace, with the extension loaded."""
    monkeypatch.chdir(workspace.root)
    assert shell.run("%load_ext jupyter_mlops").strip() == ""
    return shell


def the_run(workspace: Workspace) -> RunDetail:
    tracking = TrackingService(workspace)
    (found,) = tracking.runs(RunQuery()).items
    return tracking.run(found.id)


# -- %%track ---------------------------------------------------------------------------------------------------------


def test_a_tracked_cell_is_a_run(inside: Shell, workspace: Workspace) -> None:
    text = inside.run(
        '%%track "my first" -p depth=3 --param "note=a b" -t team=delay -e sweeps -d "A *try*"\n'
        "import mlflow\n"
        "mlflow.log_metric('auc', 0.71)\n"
        "answer = 6 * 7\n"
        "answer\n"
    )
    assert inside.result.success
    run = the_run(workspace)
    assert (run.name, run.status, run.experiment) == ("my first", "succeeded", "sweeps")
    assert (run.params, run.metrics) == ({"depth": "3", "note": "a b"}, {"auc": 0.71})
    assert (run.tags["team"], run.tags["mlflow.note.content"]) == ("delay", "A *try*")
    assert inside.names["answer"] == 42
    assert "42" in text
    assert "Run my first in the experiment sweeps: auc = 0.71" in text
    assert run.id in text


def test_variables_in_the_line_are_filled_in(inside: Shell, workspace: Workspace) -> None:
    inside.run("depth = 5")
    inside.run("%%track deep -p depth={depth}\npass\n")
    assert the_run(workspace).params == {"depth": "5"}


def test_a_failing_cell_fails_the_run_and_shows_its_own_error_once(inside: Shell, workspace: Workspace) -> None:
    inside.run("def load():\n    raise ValueError('no data')\n")
    text = inside.run("%%track bad\nx = 1\nload()\n")
    assert not inside.result.success
    assert type(inside.result.error_in_exec) is ValueError
    run = the_run(workspace)
    assert (run.status, run.error) == ("failed", "ValueError: no data")
    assert text.count("ValueError: no data") == 1
    assert "----> 2 load()" in text
    assert "jupyter_mlops" not in text  # our frames are not the person's concern
    assert "run_cell_magic" not in text
    again = inside.run("raise __import__('sys').last_value")
    assert "no data" in again


def test_an_interrupted_cell_is_cancelled(inside: Shell, workspace: Workspace) -> None:
    inside.run("%%track long\nraise KeyboardInterrupt\n")
    assert not inside.result.success
    assert the_run(workspace).status == "cancelled"


def test_a_cell_that_can_not_be_read_makes_no_run(inside: Shell, workspace: Workspace) -> None:
    text = inside.run("%%track typo\nprint('a'\n")
    assert "SyntaxError" in text
    assert TrackingService(workspace).runs(RunQuery()).items == []


def test_magics_semicolons_and_await_below(inside: Shell, workspace: Workspace) -> None:
    assert "Out[" not in inside.run("%%track quiet\n'hidden';\n")
    assert "hidden" not in inside.output.stdout
    text = inside.run("%%track magic\nwhere = !echo here\nprint(where[0])\n%timeit -n1 -r1 pass\n")
    assert "here" in text
    assert "per loop" in text
    assert "with mlops.run" in inside.run("%%track waiting\nimport asyncio\nawait asyncio.sleep(0)\n")
    assert len(TrackingService(workspace).runs(RunQuery()).items) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-p depth", "depth is not KEY=VALUE"),
        ("-p =3", "is not KEY=VALUE"),
        ("--nope", "nope"),
        ("a b c", "unrecognized"),
    ],
)
def test_mistakes_in_the_line_are_one_line(inside: Shell, workspace: Workspace, line: str, said: str) -> None:
    text = inside.run(f"%%track {line}\nran = True\n")
    assert said in text
    assert "Traceback" not in text
    assert "ran" not in inside.names
    assert TrackingService(workspace).runs(RunQuery()).items == []


def test_tracking_outside_a_workspace(shell: Shell) -> None:
    shell.run("%load_ext jupyter_mlops")
    text = shell.run("%%track nowhere\nran = True\n")
    assert "UsageError" in text
    assert "%mlops init" in text
    assert "Traceback" not in text
    assert "ran" not in shell.names
    assert not list(Path.cwd().iterdir())


# -- %mlops ----------------------------------------------------------------------------------------------------------


def test_outside_a_workspace_it_explains_and_makes_one(shell: Shell) -> None:
    shell.run("%load_ext jupyter_mlops")
    assert "is not in a workspace" in shell.run("%mlops")
    assert "%mlops init" in shell.output.outputs[0].data["text/html"]
    text = shell.run("%mlops init --name flights")
    assert "Workspace flights" in text
    workspace = Workspace.find(Path.cwd())
    assert workspace.name == "flights"
    assert os.environ["MLFLOW_TRACKING_URI"] == workspace.tracking_uri
    again = shell.run("%mlops init")
    assert "is a workspace already" in again
    assert "Traceback" not in again


def test_the_state_of_a_workspace(inside: Shell, workspace: Workspace) -> None:
    assert "none yet" in inside.run("%mlops")
    inside.run("%%track first\npass\n")
    client = TrackingService(workspace).client()
    client.create_registered_model("delay <b>")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=workspace.root, check=True)
    text = inside.run("%mlops")
    assert "Workspace flights" in text
    assert "1 run in flights" in text
    assert "no commit yet" in text
    assert "delay <b>" in text
    assert "not running" in text
    html = inside.output.outputs[0].data["text/html"]
    assert "delay &lt;b&gt;" in html
    assert '<th scope="row"' in html
    assert "invalid choice" in inside.run("%mlops nonsense")


def test_a_broken_configuration_is_said_and_the_magics_load(
    shell: Shell, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.root / "mlops.toml").write_text("[store]\nurl = nothing\n")
    monkeypatch.chdir(workspace.root)
    shell.run("%load_ext jupyter_mlops")
    assert "line 2, column" in shell.run("%mlops")
    assert "line 2, column" in shell.run("%%track x\npass\n")
    assert "Traceback" not in shell.output.stderr + shell.output.stdout


# -- %load_ext -------------------------------------------------------------------------------------------------------


def test_a_person_who_chose_another_server_keeps_it(
    shell: Shell, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example.org")
    shell.run("%load_ext jupyter_mlops")
    assert os.environ["MLFLOW_TRACKING_URI"] == "https://me:secret@mlflow.example.org"
    assert "mlflow.example.org" in caplog.text
    assert "secret" not in caplog.text


_LOAD = """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
before = time.process_time()
shell.run_line_magic("load_ext", "jupyter_mlops")
elapsed = time.process_time() - before
assert not {"mlflow", "sqlalchemy", "dbos", "pandas"} & set(sys.modules), "heavy imports"
print(elapsed)
"""


def test_loading_is_fast_and_imports_nothing_heavy(workspace: Workspace, tmp_path: Path) -> None:
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _LOAD], cwd=workspace.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 0.5  # measured: 0.11 s, most of it Pydantic


@pytest.mark.slow
def test_in_a_real_kernel_the_notebook_stops_at_the_failed_cell(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat
    from nbclient.exceptions import CellExecutionError

    from jupyter_mlops.engine.starting_client import StartingClient

    new = nbformat.v4.new_code_cell
    notebook = nbformat.v4.new_notebook(
        cells=[
            new("%load_ext jupyter_mlops"),
            new("import mlflow\nwith mlflow.start_run(run_name='plain'):\n    mlflow.log_metric('a', 1)"),
            new("%%track good -p depth=3\nmlflow.log_metric('auc', 0.7)\n'the value'"),
            new("%%track bad\nraise ValueError('no data')"),
            new("never = 1"),
        ]
    )
    client = StartingClient(notebook, timeout=120, resources={"metadata": {"path": str(workspace.root)}})
    with pytest.raises(CellExecutionError) as raised:
        client.execute()
    assert raised.value.ename == "ValueError"
    good, bad, never = notebook.cells[2:]
    assert any(out.get("data", {}).get("text/plain") == "'the value'" for out in good.outputs)
    errors = [out for out in bad.outputs if out.output_type == "error"]
    assert [(out.ename, out.evalue) for out in errors] == [("ValueError", "no data")]
    assert "jupyter_mlops" not in "".join(errors[0].traceback)
    assert never.outputs == []
    assert never.execution_count is None
    runs = {run.name: run for run in TrackingService(workspace).runs(RunQuery()).items}
    assert {name: run.status for name, run in runs.items()} == {
        "plain": "succeeded",
        "good": "succeeded",
        "bad": "failed",
    }
    assert {run.experiment for run in runs.values()} == {"flights"}
