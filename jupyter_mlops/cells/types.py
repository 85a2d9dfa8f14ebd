"""Cell executions as the faces show them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..lineage.types import Kind
from ..schema import Model, Page, PageQuery

ExecutionStatus = Literal["running", "succeeded", "failed", "interrupted", "died", "cached"]


class CellExecution(Model):
    """One execution of one code cell by an attempt of a step."""

    index: int
    cell_id: str
    source_hash: str
    title: str
    status: Literal["queued", "running", "succeeded", "failed", "cancelled", "skipped"]
    started_at: float | None
    ended_at: float | None
    execution: str = Field(
        "", description="Id of its record, which has what it read and wrote; empty: it was not recorded."
    )


class ExecutionQuery(PageQuery):
    """Which executions; newest first."""

    notebook: str = Field("", max_length=4096, description="Only those of this notebook (workspace path).")
    cell_id: str = Field("", max_length=200, description="Only those of the cell with this id.")
    session: str = Field("", max_length=64, description="Only those of this kernel session.")
    run_id: str = Field("", max_length=200, description="Only those in which this MLflow run was active.")
    name: str = Field("", max_length=500, description="Only those that wrote, changed or deleted this name.")
    key: str = Field("", max_length=64, description="Only those whose result follows from the same.")
    pipeline_run_id: str = Field("", max_length=200, description="Only those of this pipeline run.")
    step: str = Field("", max_length=200, description="Only those of this step.")
    status: Literal["", ExecutionStatus] = Field("", description="Only those that ended like this.")
    search: str = Field("", max_length=500, description="Only those whose source has this text; case is ignored.")


class RecordedExecution(Model):
    """One run of one cell, as a row of a list."""

    id: str
    session: str = Field(description="The kernel that ran it, from its start to its end.")
    sequence: int = Field(description="Place in the session, from 1.")
    notebook: str = Field(description="Workspace path; empty: the kernel belongs to no notebook of the workspace.")
    cell_id: str
    count: int = Field(description="Jupyter's number of the execution, `In [7]`.")
    title: str = Field(description="First telling line of the cell.")
    status: ExecutionStatus = Field(
        description="died: the kernel ended, or stopped recording, while it ran. cached: its results were taken from "
        "an earlier execution."
    )
    started_at: float = Field(description="UTC seconds since the epoch.")
    seconds: float | None = Field(description="How long it took; null: it runs, or its end is not known.")
    error: str = Field(description="`<exception>: <message>`; empty: none.")
    reads: dict[str, str] = Field(description="Names read → the version that they had.")
    written: list[str] = Field(description="Names bound.")
    changed: list[str] = Field(description="Names whose objects may have been changed in place.")
    deleted: list[str]
    files_read: dict[str, str] = Field(description="Files read → digest of their content.")
    files_written: dict[str, str]
    data: dict[str, str] = Field(description="Data read through connections and datasets → version.")
    runs: list[str] = Field(description="MLflow runs that were active in it.")
    key: str = Field(description="Hash of all that its result follows from; empty: that can't be told.")
    incomplete: str = Field(description="Why parts of the record are missing; empty: none are.")
    restored: str = Field(
        "",
        description="A jump to an earlier state of the variables: the execution after which they were so, `start`: "
        "before the first; empty: none.",
    )
    pipeline_run_id: str
    step: str
    attempt: int


class ListedExecution(RecordedExecution):
    """One run of one cell among those of its session."""

    left: bool = Field(description="A jump to an earlier state of the variables has left it behind.")


class ExecutionPage(Page[ListedExecution]):
    """One page of executions."""


class ExecutionList(Model):
    """Executions that belong together."""

    items: list[RecordedExecution]


class RecordedValue(Model):
    """What is known of a variable after an execution that wrote or changed it."""

    type: str
    digest: str = Field("", description="Of its content; empty: it has none, or it would have taken too long.")
    group: list[str] = Field(default_factory=list, description="Names that share objects with it; empty: it is alone.")
    reads: list[str] = Field(default_factory=list, description="Names of the notebook that its functions use.")
    writes: list[str] = Field(default_factory=list)
    opaque: bool = Field(False, description="What its functions use can't be told.")


class ExecutionDetail(RecordedExecution):
    """One run of one cell, whole."""

    source: str = Field(description="The cell's text as it ran.")
    source_hash: str
    message: str = Field(description="Id of the message that asked for it.")
    kept: list[str] = Field(description="Names that it may have bound, and has left as they were.")
    values: dict[str, RecordedValue]
    groups: list[list[str]] = Field(description="How the variables that it touched belong together after it.")
    modules: dict[str, str] = Field(description="Modules of the user's own that it used → digest of their source.")
    module_files: dict[str, str] = Field(description="Their files → the module.")
    generators: dict[str, list[str]] = Field(
        description="Global random generators that it used → digests of their state before and after."
    )
    seeded: list[str] = Field(description="Those that it set before it can have used them.")
    options: dict[str, str] = Field(description="Options that were not the defaults → digest, before it.")
    options_after: dict[str, str]
    environment: str = Field(description="Hash of the Python environment.")
    network: list[str] = Field(description="Hosts that it connected to.")
    programs: list[str] = Field(description="Programs that it started.")
    background: int = Field(description="Threads and tasks that still ran when it ended.")
    opaque: list[str] = Field(description="Why its names can't be told from its code.")
    calls: list[str] = Field(description="Calls whose result was thrown away.")
    effects: list[str] = Field(description="Shell commands, and magics that change the process.")
    outputs: list[str] = Field(description="Digests of what it displayed, in order.")
    runs_open: list[str] = Field(description="MLflow runs that were still open when it ended.")
    taken_from: str = Field(description="cached: the execution whose results were taken; empty: none.")


class SessionQuery(PageQuery):
    """Which sessions; newest first."""

    notebook: str = Field("", max_length=4096, description="Only those of this notebook (workspace path).")


class CellSession(Model):
    """One kernel whose cells were recorded."""

    id: str
    notebook: str
    pipeline_run_id: str
    step: str
    attempt: int
    host: str
    pid: int
    python: str
    environment: str = Field(description="Hash of the Python environment at its start.")
    started_at: float = Field(description="UTC seconds since the epoch.")
    ended_at: float | None = Field(description="When recording ended; null: it goes on.")
    executions: int
    damaged: int = Field(description="Lines of its journal that could not be read.")


class SessionPage(Page[CellSession]):
    """One page of sessions."""


class Linked(Model):
    """A run, model version, endpoint, … that an execution led to."""

    kind: Kind
    key: str
    label: str
    live: bool | None = Field(description="An endpoint or deployment: whether it answers now. Others: null.")


class ExecutionLinks(Model):
    """What came of an execution, nearest first."""

    execution: str
    items: list[Linked]


class ImpactQuery(Model):
    """Which cell."""

    notebook: str = Field(min_length=1, max_length=4096, description="Workspace path.")
    cell_id: str = Field(min_length=1, max_length=200)


class CellImpact(Model):
    """What lives downstream of a cell: what its executions, and those that used what they made, have led to."""

    notebook: str
    cell_id: str
    summary: str = Field(description="In words, such as `feeds delay version 3, 2 endpoints`; empty: nothing is known.")
    executions: int = Field(description="Executions of the cell that are recorded.")
    cells: list[Linked] = Field(description="Later executions that used what it made and led to something.")
    items: list[Linked] = Field(description="Runs, model versions, endpoints and what else came of it, nearest first.")
