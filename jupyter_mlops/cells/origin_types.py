"""Where results come from and what cells lead to, as the faces show it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..schema import Model
from .types import Linked, RecordedExecution


class NotebookImpactQuery(Model):
    """Which notebook."""

    notebook: str = Field(min_length=1, max_length=4096, description="Workspace path.")


class CellFeeds(Model):
    """What lives downstream of one cell."""

    cell_id: str
    summary: str = Field(description="In words, such as `feeds delay version 3, 2 endpoints`.")
    items: list[Linked] = Field(description="Runs, model versions, endpoints and what else came of it, nearest first.")
    live: bool = Field(description="An endpoint that answers now follows from it.")
    code: list[str] = Field(
        description="Texts of the cell, as it ran, that led to what answers now; where nothing does, to anything. "
        "The cell with another text is not what is out there."
    )


class NotebookImpact(Model):
    """What lives downstream of the cells of a notebook; cells that nothing came of are left out."""

    notebook: str
    items: list[CellFeeds]


class UsedSource(Model):
    """A file or data that an execution, or one that it follows from, read."""

    kind: Literal["file", "data"]
    name: str = Field(description="Workspace path, or the name of a dataset or of what a connection leads to.")
    version: str = Field(description="Version of the data, digest of the file's content; `missing`: it was not there.")
    execution: str = Field(description="The execution that read it.")
    written: bool = Field(description="One of these executions wrote the file: it is no source from outside.")


class ExecutionOrigin(Model):
    """What an execution's results were made of."""

    execution: RecordedExecution
    upstream: list[RecordedExecution] = Field(description="The executions that it follows from, oldest first.")
    more: int = Field(description="So many of them, the farthest, are left out.")
    sources: list[UsedSource]
    items: list[Linked] = Field(description="What came of it, nearest first.")


class MadeInQuery(Model):
    """What was made."""

    kind: Literal["run", "model_version", "deployment", "endpoint", "artifact", "dataset"]
    key: str = Field(min_length=1, max_length=4096, description="As in lineage: a run id, `name/version`, a name.")
