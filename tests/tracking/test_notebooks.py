"""The exact notebook behind a run: kept when it starts, opened byte for byte."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import mlflow
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import jupyter_mlops as mlops
from jupyter_mlops.context import NOTEBOOK_VARIABLE, TAG_NOTEBOOK
from jupyter_mlops.errors import NotFoundError
from jupyter_mlops.tracking.notebooks import TAG_NOTEBOOK_VERSION
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.versioning.service import VersioningService
from jupyter_mlops.workspace import Workspace
from tests.cells.journals import Kernel


@pytest.fixture
def notebook(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process runs a notebook of the workspace, which is a git repository."""
    file = here.root / "train.ipynb"
    save(file, "depth = 3")
    monkeypatch.setenv(NOTEBOOK_VARIABLE, "train.ipynb")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=here.root, check=True)
    return file


def save(file: Path, source: str) -> bytes:
    nbformat.write(new_notebook(cells=[new_code_cell(source, id="depth")]), file)
    file.write_bytes(file.read_bytes() + b"\n ")  # bytes that no writer of notebooks would write again
    return file.read_bytes()


def tracked() -> str:
    with mlops.run("one") as run:
        run.log_metric("auc", 0.7)
    return run.id


def test_a_run_opens_the_notebook_byte_for_byte_as_it_was(here: Workspace, notebook: Path) -> None:
    then, tracking = notebook.read_bytes(), TrackingService(here)
    run = tracked()
    # When nothing has changed it is the notebook itself
    opened = tracking.open_notebook(run)
    assert (opened.path, opened.copied, opened.notebook) == ("train.ipynb", False, "train.ipynb")
    # When it was edited, saved and run again
    now = save(notebook, "depth = 30")
    another = tracked()
    # Then each run has its own
    copied = tracking.open_notebook(run)
    assert copied.copied and (here.root / copied.path).read_bytes() == then
    assert notebook.read_bytes() == now
    assert tracking.open_notebook(another).path == "train.ipynb"
    # And opening it again makes no further copy
    assert tracking.open_notebook(run) == copied
    # And the version is the run's: it is never thinned out
    version = VersioningService(here).notebooks.version("train.ipynb", opened.version)
    assert version.run_ids == [run]


def test_a_run_of_mlflow_alone_has_the_revision_too(here: Workspace, notebook: Path) -> None:
    then = notebook.read_bytes()
    mlflow.set_tracking_uri(here.tracking_uri)
    with mlflow.start_run() as run:
        pass
    assert run.data.tags[TAG_NOTEBOOK_VERSION]
    save(notebook, "depth = 4")
    opened = TrackingService(here).open_notebook(run.info.run_id)
    assert (here.root / opened.path).read_bytes() == then


def test_a_step_has_the_notebook_of_its_snapshot(
    here: Workspace, notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tracked()
    detail = TrackingService(here).run(run)
    then = notebook.read_bytes()
    client = TrackingService(here).client()
    client.delete_tag(run, TAG_NOTEBOOK_VERSION)
    save(notebook, "depth = 5")
    opened = TrackingService(here).open_notebook(run)
    assert detail.snapshot and opened.version == ""
    assert (here.root / opened.path).read_bytes() == then


def test_what_was_on_the_screen_and_saved_later_is_found(here: Workspace, notebook: Path) -> None:
    """The file was older than what ran: the version with the code that ran is the run's notebook."""
    run = tracked()
    kernel = Kernel(here, "train.ipynb")
    kernel.run("depth", "depth = 6", runs=[run])
    tracking = TrackingService(here)
    assert tracking.open_notebook(run).as_executed is False
    # When the notebook is saved with what had run, and edited again
    ran = save(notebook, "depth = 6")
    VersioningService(here).keep_notebook("train.ipynb", cause="save")
    save(notebook, "depth = 7")
    opened = tracking.open_notebook(run)
    assert opened.as_executed is True
    assert (here.root / opened.path).read_bytes() == ran


def test_a_run_without_a_notebook_says_so(here: Workspace, notebook: Path) -> None:
    tracking = TrackingService(here)
    client = tracking.client()
    bare = client.create_run("0").info.run_id
    with pytest.raises(NotFoundError, match="not made in a notebook"):
        tracking.open_notebook(bare)
    gone = client.create_run("0", tags={TAG_NOTEBOOK: "gone.ipynb"}).info.run_id
    with pytest.raises(NotFoundError, match="was not kept"):
        tracking.open_notebook(gone)


def test_a_notebook_that_can_not_be_kept_is_no_harm(
    here: Workspace, notebook: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (here.root / "mlops.toml").write_text("[versioning]\nnotebooks = false\n")
    with caplog.at_level(logging.WARNING):
        run = tracked()
    assert TAG_NOTEBOOK_VERSION not in TrackingService(here).run(run).tags
    assert not caplog.records
