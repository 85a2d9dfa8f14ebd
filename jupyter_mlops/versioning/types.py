"""Git state and snapshots as the faces show them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..schema import Model, Page, PageQuery


class GitStatus(Model):
    """Where the workspace's repository stands."""

    available: bool = Field(description="Git is installed and the workspace is in a repository.")
    reason: str = Field("", description="Why not, in words, where it is not available.")
    branch: str = Field("", description="Current branch; empty: HEAD is detached.")
    commit: str = Field("", description="HEAD; empty: no commit yet.")
    dirty: bool | None = None


class Snapshot(Model):
    """The exact state behind a run, a commit under `refs/mlops/`. Runs that found nothing changed share one."""

    run_id: str
    commit: str
    ref: str = Field(description="Git ref that keeps it; empty where it was asked for by its commit id.")
    parent: str = Field(description="HEAD at the time; empty: none.")
    created_at: float
    message: str
    files: int = Field(description="Number of files in it.")
    left_out: list[str] = Field(description="Files that stayed out because of their size, with the reason.")


class SnapshotFile(Model):
    """A text file as it was in a snapshot."""

    path: str
    commit: str
    size: int = Field(description="Bytes.")
    content: str


class SnapshotFileQuery(Model):
    """Which file of a snapshot."""

    path: str = Field(min_length=1, max_length=4096, description="Workspace path.")


# -- versions of notebooks -----------------------------------------------------------------------------------------

#: What made a version. `open`: the file had been changed by something else when it was opened. `manual`: asked for.
Cause = Literal["save", "execution", "restore", "open", "rename", "manual"]
_VERSION_PATTERN = r"^\d{8}-\d{6}-\d{6}$"


class NotebookChanges(Model):
    """What is different from the version before, in numbers. Cells are counted from 1, in this version."""

    edited: list[int] = Field(default_factory=list, description="Cells whose source changed, the first 20.")
    edited_count: int = 0
    added: int = Field(0, description="Cells that are new.")
    removed: int = Field(0, description="Cells that are gone.")
    moved: int = Field(0, description="Cells that stand elsewhere.")
    outputs: int = Field(0, description="Cells of which only outputs changed.")
    unknown: bool = Field(False, description="Not compared: one of the two can't be read, or is larger than 8 MB.")


class NotebookVersion(Model):
    """A notebook as it was, byte for byte."""

    id: str = Field(description="Sorts by time and never changes.")
    path: str = Field(description="Workspace path that the notebook had then.")
    created_at: float
    cause: Cause
    size: int = Field(description="Bytes.")
    name: str = Field(description="Given by a person; a version with a name is never thinned out.")
    execution_ids: list[str] = Field(description="Cell executions that led to it, where known; the last 100.")
    run_ids: list[str] = Field(description="Runs that it belongs to; then it is never thinned out.")
    restored_from: str = Field(description="For `restore`: the version that was brought back.")
    changes: NotebookChanges | None = Field(description="Against the version before; null for the first.")
    digest: str = Field(description="Name that git gives the content: equal contents have equal ones.")


class NotebookVersionQuery(PageQuery):
    """Which versions of which notebook, newest first."""

    path: str = Field(min_length=1, max_length=4096, description="Workspace path; the notebook may be deleted.")
    search: str = Field("", max_length=200, description="Text in the version's name or in the notebook as it was.")
    cause: Literal["", "save", "execution", "restore", "open", "rename", "manual"] = Field(
        "", description="Only these."
    )
    named: bool = Field(False, description="Only versions with a name.")


class NotebookVersionPage(Page[NotebookVersion]):
    """Versions of one notebook, newest first."""

    path: str
    exists: bool = Field(description="The notebook is there; false: it was deleted or moved by another program.")
    current: str = Field(description="Version that is equal to the file as it is now; empty: none is.")
    not_kept: str = Field(description="Why no versions of it are kept now, in words; empty: they are.")


class NotebookPath(Model):
    """Which notebook."""

    path: str = Field(min_length=1, max_length=4096, description="Workspace path.")


class KeptNotebook(Model):
    """A notebook of which there are versions."""

    path: str
    exists: bool = Field(description="False: it was deleted, and can be brought back.")
    versions: int
    newest: str = Field(description="Id of the newest version.")
    newest_at: float


class KeptNotebookQuery(PageQuery):
    """Which notebooks."""

    deleted: bool = Field(False, description="Only those that are gone.")


class KeptNotebookPage(Page[KeptNotebook]):
    """Notebooks of which there are versions, the latest changed first."""


class KeepRequest(Model):
    """Keep a notebook's state that is not in its file: what the browser shows after an execution."""

    path: str = Field(min_length=1, max_length=4096, description="Workspace path.")
    content: dict[str, Any] | None = Field(
        None, description="The notebook as JSON, format 4; null: the file as it is now."
    )
    cause: Literal["save", "execution", "manual"] = "execution"
    execution_id: str = Field("", max_length=200, description="Cell execution that led to it, where known.")
    name: str = Field("", max_length=200, description="Name of the version.")


class NameRequest(Model):
    """A version's new name."""

    name: str = Field(max_length=200, description="Empty: take the name away.")


class RestoreRequest(Model):
    """Bring a version back."""

    path: str = Field(min_length=1, max_length=4096, description="Workspace path of the notebook.")
    version: str = Field(pattern=_VERSION_PATTERN, description="Id of the version.")


class RestoredNotebook(Model):
    """What a restore did."""

    path: str
    version: NotebookVersion = Field(description="The new version, equal to the one that was brought back.")
    before: str = Field(description="Version that holds what was there before: restore it to undo. Empty: no file.")


class CopiedNotebook(Model):
    """A version as a new notebook."""

    path: str = Field(description="Workspace path of the copy, beside the notebook.")


class NotebookText(Model):
    """A version's content as text."""

    path: str
    version: str
    size: int = Field(description="Bytes.")
    content: str


class NotebookDiffQuery(Model):
    """Which two states of a notebook are compared."""

    path: str = Field(min_length=1, max_length=4096, description="Workspace path.")
    base: str = Field(pattern=_VERSION_PATTERN, description="Id of the earlier version.")
    other: str = Field(
        "", pattern=r"^(\d{8}-\d{6}-\d{6})?$", description="The other one; empty: the file as it is now."
    )


class DiffLine(Model):
    """A line of a cell's source."""

    op: Literal[" ", "+", "-", "@"] = Field(description="Both, only the other, only the base; @: lines were left out.")
    text: str


class CellDiff(Model):
    """A cell that is not the same in both."""

    kind: Literal["added", "removed", "changed", "moved"]
    cell_type: str
    base: int = Field(description="Place in the base, counted from 1; 0: not in it.")
    other: int = Field(description="Place in the other, counted from 1; 0: not in it.")
    lines: list[DiffLine] = Field(description="Changed lines of the source with some around them; empty: unchanged.")
    outputs_changed: bool
    outputs_base: list[str] = Field(description="Each output in a few words, as in the base.")
    outputs_other: list[str] = Field(description="Each output in a few words, as in the other.")
    metadata: list[str] = Field(description="Keys of the cell's metadata that differ.")


class NotebookDiff(Model):
    """How two states of a notebook differ, cell by cell."""

    path: str
    base: str
    other: str = Field(description="Empty: the file as it is now.")
    cells: list[CellDiff] = Field(description="In the order of the other.")
    same: int = Field(description="Cells that are equal in both.")
    metadata: list[str] = Field(description="Keys of the notebook's metadata that differ.")
    truncated: bool = Field(description="There was more than is shown.")
