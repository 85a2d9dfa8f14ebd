"""The record of cell executions: what identifies a cell, what was recorded, and that reading it is cheap to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jupyter_mlops.cells.service import CellService, source_hash, title
from jupyter_mlops.engine.attempt import AttemptRequest, CellRecord
from jupyter_mlops.engine.progress import update_cells, write_cells
from jupyter_mlops.pipelines.store import RunStore
from jupyter_mlops.pipelines.types import PipelineSpec, StepSpec
from jupyter_mlops.store.database import database
from jupyter_mlops.workspace import Workspace


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ny = 2", "x = 1"),
        ("\n\n# Load the flights\nx = 1", "Load the flights"),
        ("#\n%%time\nx", "%%time"),
        ("#%% Section\nx", "Section"),
        ("a" * 200, "a" * 79 + "…"),
        ("", ""),
    ],
)
def test_a_cell_is_called_by_its_first_telling_line(source: str, expected: str) -> None:
    assert title(source) == expected


def test_the_hash_is_of_the_source_only_and_takes_any_text() -> None:
    assert source_hash("x = 1") == source_hash("x = 1") != source_hash("x = 2")
    assert len(source_hash("\ud800")) == 32


def test_cells_come_back_in_the_order_of_the_notebook(workspace: Workspace) -> None:
    steps = [StepSpec(name="s", notebook="s.ipynb")]
    RunStore(workspace).create("r", PipelineSpec(name="p", path="p.pipeline.yaml", steps=steps), steps, {}, "")
    request = AttemptRequest(
        pipeline_run_id="r", step="s", attempt=1, round=1, notebook="s.ipynb", source="x", output="y"
    )
    cells = [CellRecord(index=n, cell_id=f"c{n}", source_hash="h", title=f"t{n}") for n in (11, 2, 1)]
    with database(workspace).session() as session:
        write_cells(session, request, cells)
    cells[1].status, cells[1].started_at = "running", 5.0
    with database(workspace).session() as session:
        update_cells(session, request, [cells[1]])

    found = CellService(workspace).of_attempt("r", "s", 1)

    assert [(cell.index, cell.status, cell.started_at) for cell in found] == [
        (1, "queued", None),
        (2, "running", 5.0),
        (11, "queued", None),
    ]
    assert CellService(workspace).of_attempt("r", "s", 2) == []


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "{'sqlalchemy', 'nbformat', 'papermill', 'mlflow', 'pandas', 'dbos', 'jupyter_client'}"
    code = f"import sys, jupyter_mlops.cells.service, jupyter_mlops.pipelines.io; print({heavy} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
