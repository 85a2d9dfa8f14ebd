"""States of a session's variables as the faces show them."""

from __future__ import annotations

from pydantic import Field

from ...schema import Model


class StatesQuery(Model):
    """Of which session: named, or the newest of a notebook."""

    notebook: str = Field("", max_length=4096, description="Workspace path.")
    session: str = Field("", max_length=64, description="The kernel that ran it, from its start to its end.")


class VariableState(Model):
    """The variables as they were after an execution."""

    id: str = Field(description="Of the execution; others are what was bound between cells, and the start.")
    session: str
    parent: str = Field(description="The state that it began in; empty: none is known.")
    count: int = Field(description="Jupyter's number of the execution, `In [7]`; 0: none.")
    title: str = Field(description="First telling line of the cell.")
    at: float = Field(description="UTC seconds since the epoch.")
    here: bool = Field(description="The session is in this state.")
    on_branch: bool = Field(description="The present state follows from it; false: a jump has left it behind.")
    variables: int = Field(description="How many there were.")
    changed: list[str] = Field(description="Names that were bound or may have changed since the state before.")
    deleted: list[str]
    to_make: dict[str, str] = Field(
        description="Variables that are not in the store → why; going there runs the cells that made them again."
    )


class VariableStates(Model):
    """The states of one session, oldest first."""

    session: str = Field(description="Empty: none is known.")
    items: list[VariableState]
