"""Pipelines and their runs as the faces show them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..schema import ErrorInfo, Model, Page, PageQuery, Status

StepStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "skipped"]


class ParameterSpec(Model):
    """A parameter of a pipeline."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "any"]
    default: Any = None
    description: str = ""


class StepSpec(Model):
    """One step as written in the pipeline file."""

    name: str
    notebook: str = Field(description="Workspace path.")
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict, description="Input name → `step.output`.")
    outputs: list[str] = Field(default_factory=list)
    needs: list[str] = Field(default_factory=list, description="Steps that must have succeeded before.")
    timeout_minutes: float = 0


class PipelineSpec(Model):
    """A pipeline: a DAG of notebook steps, in topological order."""

    name: str
    path: str
    description: str = ""
    parameters: list[ParameterSpec] = Field(default_factory=list)
    steps: list[StepSpec] = Field(default_factory=list)


class Problem(Model):
    """One thing wrong in a pipeline file."""

    message: str
    line: int = Field(description="1-based; 0: the file as a whole.")
    column: int
    fix: str = ""


class PipelineFile(Model):
    """A pipeline file found in the workspace."""

    path: str
    name: str
    description: str = ""
    steps: list[str]
    problems: list[Problem]


class PipelineFileList(Model):
    """The pipeline files of the workspace."""

    items: list[PipelineFile]


class PipelineDocument(Model):
    """A pipeline file, read and checked: `spec` is null where problems stand in the way."""

    path: str
    spec: PipelineSpec | None
    problems: list[Problem]


class StartRequest(Model):
    """Start a pipeline, or one notebook as a pipeline of one step."""

    path: str = Field(min_length=1, max_length=4096, description="A `*.pipeline.yaml` or `*.ipynb`, workspace path.")
    parameters: dict[str, Any] = Field(default_factory=dict)
    request_id: str = Field(
        "",
        max_length=100,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Chosen by the caller: two requests with the same id are one run (a double click).",
    )


class CellProgress(Model):
    """One cell of a step's latest attempt."""

    index: int
    cell_id: str
    title: str
    status: StepStatus
    started_at: float | None
    ended_at: float | None
    action: str = Field(
        "",
        description="`ran`, `cached` (the results of an earlier execution were taken) or `replayed` (known, but run "
        "again); empty while the step runs.",
    )
    why: str = Field("", description="Why it ran, where it might have been taken.")


class StepOutput(Model):
    """A named output that a step has written."""

    name: str
    codec: str
    path: str = Field(description="Workspace path.")
    digest: str
    size: int = Field(description="Bytes.")
    summary: str = Field(description="What it is in words, e.g. `150,000 rows x 12 columns`.")


class StepRun(Model):
    """A step of a pipeline run."""

    name: str
    notebook: str
    status: StepStatus
    attempt: int
    needs: list[str]
    parameters: dict[str, Any]
    cells_total: int
    cells_done: int
    current_cell: int | None
    output_notebook: str = Field(description="The executed notebook, workspace path; empty: not started.")
    started_at: float | None
    ended_at: float | None
    error: ErrorInfo | None


class ExecutedNotebook(Model):
    """The notebook of a step as it was executed, outputs and all; while the step runs, as far as it is."""

    path: str = Field(description="Workspace path; below `.mlops/`, where a Jupyter server shows nothing by itself.")
    modified_at: float = Field(description="UTC seconds since the epoch.")
    content: str = Field(description="The file: a notebook as JSON text.")


class StepRunDetail(StepRun):
    """A step with its cells and outputs."""

    cells: list[CellProgress]
    outputs: list[StepOutput]
    log: str = Field(description="End of the log of its latest attempt.")


class PipelineRunSummary(Model):
    """A row of the list of pipeline runs."""

    id: str
    name: str
    path: str
    status: Status
    round: int = Field(description="1, and one more for each resume.")
    created_at: float
    started_at: float | None
    ended_at: float | None
    steps_total: int
    steps_done: int
    error: ErrorInfo | None


class PipelineRunPage(Page[PipelineRunSummary]):
    """One page of pipeline runs, newest first."""


class PipelineRunQuery(PageQuery):
    """Which pipeline runs."""

    path: str = Field("", max_length=4096, description="Only the runs of this pipeline file or notebook.")
    status: Literal["", "queued", "running", "succeeded", "failed", "cancelled"] = ""


class PipelineRun(PipelineRunSummary):
    """A pipeline run with its steps, in topological order."""

    parameters: dict[str, Any]
    snapshot: str
    steps: list[StepRun]


class PathQuery(Model):
    """A file of the workspace."""

    path: str = Field(min_length=1, max_length=4096)
