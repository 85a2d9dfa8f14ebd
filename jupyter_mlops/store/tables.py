"""Tables of the workspace's database, the same on SQLite and PostgreSQL.

Times are UTC seconds since the epoch (float): exact enough, comparable, the same on both databases. Paths are
relative to the workspace. JSON columns hold small documents that are read whole. A change of a table is a new
migration in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, ForeignKeyConstraint, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite gives out row ids only for INTEGER; PostgreSQL's INTEGER would overflow after 2 thousand million changes.
_Sequence = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """Declarative base; its metadata is what Alembic compares with the migrations."""

    type_annotation_map = {str: String(), float: Float(), dict[str, Any]: JSON(), list[Any]: JSON()}


class ChangeRow(Base):
    """Outbox of changes (``events.Change``), appended in the transaction that made the change."""

    __tablename__ = "change"
    __table_args__ = ({"sqlite_autoincrement": True},)  # a pruned sequence number is never given out again

    seq: Mapped[int] = mapped_column(_Sequence, primary_key=True, autoincrement=True)
    at: Mapped[float]
    topic: Mapped[str]
    key: Mapped[str]
    action: Mapped[str]
    data: Mapped[dict[str, Any]]


class PipelineRunRow(Base):
    """One run of a pipeline (or of one notebook, ``mlops run``: a pipeline of one step)."""

    __tablename__ = "pipeline_run"
    __table_args__ = (
        Index("ix_pipeline_run_created", "created_at", "id"),
        Index("ix_pipeline_run_path", "path"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    #: The pipeline file or notebook, relative to the workspace.
    path: Mapped[str]
    status: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    #: The pipeline as it was read at the start; later edits of the file change nothing.
    spec: Mapped[dict[str, Any]]
    #: Commit under refs/mlops/ that pins the notebooks, or "" where snapshots are off or git is missing.
    snapshot: Mapped[str] = mapped_column(default="")
    #: Durable workflow that runs it now; a resumed run gets a new one.
    workflow_id: Mapped[str]
    #: 1, and one more for each resume.
    round: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    error: Mapped[dict[str, Any] | None]


class StepRunRow(Base):
    """One step of a pipeline run, in its latest attempt."""

    __tablename__ = "step_run"
    __table_args__ = (ForeignKeyConstraint(["pipeline_run_id"], ["pipeline_run.id"], ondelete="CASCADE"),)

    pipeline_run_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    notebook: Mapped[str]
    status: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=0)
    needs: Mapped[list[Any]]
    parameters: Mapped[dict[str, Any]]
    cells_total: Mapped[int] = mapped_column(default=0)
    cells_done: Mapped[int] = mapped_column(default=0)
    #: Index of the cell that runs now (0-based, in the executed notebook), or None.
    current_cell: Mapped[int | None]
    #: The executed notebook, relative to the workspace.
    output_notebook: Mapped[str] = mapped_column(default="")
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    error: Mapped[dict[str, Any] | None]


class CellExecutionRow(Base):
    """One execution of one cell by a step's attempt."""

    __tablename__ = "cell_execution"
    __table_args__ = (
        ForeignKeyConstraint(
            ["pipeline_run_id", "step"], ["step_run.pipeline_run_id", "step_run.name"], ondelete="CASCADE"
        ),
    )

    pipeline_run_id: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    #: 0-based index in the executed notebook.
    index: Mapped[int] = mapped_column("cell_index", primary_key=True)
    cell_id: Mapped[str]
    #: BLAKE2b-128 of the source, hexadecimal.
    source_hash: Mapped[str]
    #: First line of code, shortened, for lists.
    title: Mapped[str] = mapped_column(Text())
    status: Mapped[str]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]


class CellSessionRow(Base):
    """One kernel whose cells are recorded, and how far its journal was read in."""

    __tablename__ = "cell_session"
    __table_args__ = (Index("ix_cell_session_notebook", "notebook", "started_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    notebook: Mapped[str] = mapped_column(default="")
    pipeline_run_id: Mapped[str] = mapped_column(default="")
    step: Mapped[str] = mapped_column(default="")
    attempt: Mapped[int] = mapped_column(default=0)
    host: Mapped[str] = mapped_column(default="")
    pid: Mapped[int] = mapped_column(BigInteger(), default=0)
    process_started_at: Mapped[float] = mapped_column(default=0.0)
    python: Mapped[str] = mapped_column(default="")
    environment: Mapped[str] = mapped_column(default="")
    started_at: Mapped[float] = mapped_column(default=0.0)
    #: When recording ended, or was found to have ended with its process.
    ended_at: Mapped[float | None]
    #: The process is gone: nothing more will come.
    dead: Mapped[bool] = mapped_column(Boolean(), default=False)
    #: Bytes of the journal that are read in.
    offset: Mapped[int] = mapped_column("journal_offset", BigInteger(), default=0)
    #: Lines of the journal that were no records.
    damaged: Mapped[int] = mapped_column(default=0)
    #: Format of the records. Of one that a newer version writes nothing is read in before this version is upgraded.
    format: Mapped[int] = mapped_column(default=0)


class CellSourceRow(Base):
    """The text of cells, once for each different one."""

    __tablename__ = "cell_source"

    #: BLAKE2b-128 of the text, hexadecimal.
    hash: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text())


class CellRecordRow(Base):
    """One execution of one cell, as the recorder in its kernel wrote it."""

    __tablename__ = "cell_record"
    __table_args__ = (
        Index("ix_cell_record_notebook", "notebook", "started_at", "id"),
        Index("ix_cell_record_cell", "cell_id", "started_at"),
        Index("ix_cell_record_started", "started_at", "id"),
        Index("ix_cell_record_session", "session", "sequence"),
        Index("ix_cell_record_key", "key"),
        Index("ix_cell_record_step", "pipeline_run_id", "step", "attempt"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[str]
    sequence: Mapped[int]
    notebook: Mapped[str]
    cell_id: Mapped[str]
    count: Mapped[int]
    source_hash: Mapped[str]
    title: Mapped[str] = mapped_column(Text())
    #: "running", "succeeded", "failed", "interrupted" or "died".
    status: Mapped[str]
    started_at: Mapped[float]
    seconds: Mapped[float | None]
    key: Mapped[str]
    pipeline_run_id: Mapped[str]
    step: Mapped[str]
    attempt: Mapped[int]
    #: The whole record without its source (``cells.record.Execution``).
    record: Mapped[dict[str, Any]]


class CellNameRow(Base):
    """A name that an execution wrote, changed or deleted."""

    __tablename__ = "cell_name"
    __table_args__ = (
        ForeignKeyConstraint(["execution"], ["cell_record.id"], ondelete="CASCADE"),
        Index("ix_cell_name_session", "session", "name", "sequence"),
        Index("ix_cell_name_name", "name"),
    )

    execution: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[str]
    sequence: Mapped[int]
    #: "written", "changed" or "deleted".
    what: Mapped[str]


class CellFileRow(Base):
    """A file that an execution wrote, with the digest that it had then."""

    __tablename__ = "cell_file"
    __table_args__ = (
        ForeignKeyConstraint(["execution"], ["cell_record.id"], ondelete="CASCADE"),
        Index("ix_cell_file_path", "path", "digest"),
    )

    execution: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(Text(), primary_key=True)
    digest: Mapped[str]


class CellRunRow(Base):
    """An MLflow run that was active in an execution."""

    __tablename__ = "cell_run"
    __table_args__ = (
        ForeignKeyConstraint(["execution"], ["cell_record.id"], ondelete="CASCADE"),
        Index("ix_cell_run_run", "run_id"),
    )

    execution: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(primary_key=True)


class ArtifactRow(Base):
    """A named output of a step; the content lies in the workspace's artifact store."""

    __tablename__ = "artifact"
    __table_args__ = (
        ForeignKeyConstraint(
            ["pipeline_run_id", "step"], ["step_run.pipeline_run_id", "step_run.name"], ondelete="CASCADE"
        ),
        Index("ix_artifact_digest", "digest"),
    )

    pipeline_run_id: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    codec: Mapped[str]
    #: Path of the content, relative to the workspace.
    path: Mapped[str]
    digest: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger())
    summary: Mapped[str]
    created_at: Mapped[float]


class EndpointRow(Base):
    """A stable URL; ``deployment_id`` is the deployment that answers now."""

    __tablename__ = "endpoint"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    port: Mapped[int]
    #: What a person asked for: "running" or "stopped".
    wanted: Mapped[str]
    deployment_id: Mapped[str | None]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class DeploymentRow(Base):
    """One model version behind an endpoint."""

    __tablename__ = "deployment"
    __table_args__ = (ForeignKeyConstraint(["endpoint"], ["endpoint.name"], ondelete="CASCADE"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    endpoint: Mapped[str]
    model: Mapped[str]
    version: Mapped[str]
    run_id: Mapped[str]
    status: Mapped[str]
    #: Folder that the model server reads, relative to the workspace.
    bundle: Mapped[str]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[float]
    ended_at: Mapped[float | None]


class LineageNodeRow(Base):
    """A thing in the lineage graph."""

    __tablename__ = "lineage_node"

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]
    data: Mapped[dict[str, Any]]
    at: Mapped[float]


class LineageEdgeRow(Base):
    """``source`` was used in making, or led to, ``target``. Recording one twice changes nothing."""

    __tablename__ = "lineage_edge"
    __table_args__ = (Index("ix_lineage_edge_target", "target_kind", "target_key"),)

    source_kind: Mapped[str] = mapped_column(primary_key=True)
    source_key: Mapped[str] = mapped_column(primary_key=True)
    relation: Mapped[str] = mapped_column(primary_key=True)
    target_kind: Mapped[str] = mapped_column(primary_key=True)
    target_key: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[float]
