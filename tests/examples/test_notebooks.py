"""The example's files as they are committed."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.workspace import Workspace
from tests.examples.conftest import EXAMPLE

NOTEBOOKS = sorted(EXAMPLE.glob("*.ipynb"))


def test_the_four_notebooks_are_there() -> None:
    assert [file.name for file in NOTEBOOKS] == ["evaluate.ipynb", "prepare.ipynb", "publish.ipynb", "train.ipynb"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_valid_and_without_outputs(file: Path) -> None:
    notebook = nbformat.read(file, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_explains_itself_and_has_parameters(file: Path) -> None:
    cells = nbformat.read(file, as_version=4).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in cells) == 1
    # each code cell begins with the comment that lists show as its title
    untitled = [cell.id for cell in cells if cell.cell_type == "code" and not re.match(r"# [A-Z]", cell.source)]
    assert untitled == []


def test_the_pipeline_joins_them(example: Workspace) -> None:
    service = PipelineService(example)
    (found,) = service.files()
    assert (found.path, found.problems) == ("flights.pipeline.yaml", [])
    assert found.steps == ["prepare", "train", "evaluate", "publish"]
    assert example.config.tracking.experiment == "flight-delay"
