"""What is asked, and answered, of a notebook that is open and of its kernel."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..schema import Model
from .slicing import CellIs, Kind


class LiveCell(Model):
    """One code cell as it is on the screen."""

    id: str = Field(max_length=200)
    source: str


class KernelQuestion(Model):
    """About which kernel, and the notebook in front of it."""

    kernel: str = Field(max_length=200, description="Jupyter Server's id of the kernel; empty: it has none.")
    cells: list[LiveCell] = Field(
        default_factory=list, max_length=20_000, description="The code cells in the notebook's order, also unsaved."
    )


class StandingQuestion(KernelQuestion):
    """How the cells of a notebook stand."""

    only: list[str] = Field(
        default_factory=list,
        max_length=20_000,
        description="Ids of cells: the order is for these and what they need; empty: for all that is stale.",
    )


class CellStanding(Model):
    """How one cell stands to what ran."""

    cell_id: str
    state: Literal["fresh", "stale", "never run", "failed"]
    edited: bool = Field(description="Its code is not what ran.")
    reasons: list[str] = Field(description="Why it is not fresh, in words.")
    hidden: list[str] = Field(description="What it needs that the cells above don't give it, in words.")
    execution: str = Field(description="Id of its last execution; empty: none.")
    count: int = Field(description="Jupyter's number of that, `In [7]`; 0: none.")


class Leftover(Model):
    """A variable that lives on though no cell defines it."""

    name: str
    made: str = Field(description="Who made it, in words.")


class CellStandings(Model):
    """How the cells of a notebook stand to what its kernel ran."""

    recorded: bool = Field(description="Whether the kernel's cells are recorded; if not, nothing is said of cells.")
    why: str = Field(description="Why they are not recorded; empty: they are.")
    next: str = Field(description="What to do about that.")
    startable: bool = Field(description="Whether `%load_ext jupyter_mlops` would record them from then on.")
    session: str
    cells: list[CellStanding]
    order: list[str] = Field(description="Ids of the cells to run, in order, so that none is stale.")
    leftovers: list[Leftover] = Field(description="Variables that no cell defines and that live on.")
    names: list[str] = Field(description="Variables that a slice can be asked for, as far as a list is of use.")


class SliceQuestion(KernelQuestion):
    """What made something."""

    notebook: str = Field(
        "", max_length=4096, description="Workspace path: its newest session is taken where the kernel has none."
    )
    name: str = Field(
        min_length=1,
        max_length=4096,
        description="A variable, a file, the id of an MLflow run or of an execution; `models:/NAME/VERSION`, "
        "`models:/NAME@ALIAS`, `endpoint:NAME`, `metric:RUN/NAME`.",
    )


class SlicePart(Model):
    """One execution of a slice."""

    execution: str
    cell_id: str
    count: int
    title: str = Field(description="First telling line of the cell.")
    why: list[str] = Field(description="Why it is in, in words.")
    cell: CellIs = Field(description="What became of its cell since.")


class LiveSlice(Model):
    """The least executions that made something, in the order in which they ran."""

    kind: Kind
    name: str
    session: str
    recorded: int = Field(description="Executions that the session has.")
    cells: list[SlicePart]
    notes: list[str] = Field(description="What a person must know before relying on it.")


class SliceCopy(Model):
    """A slice as a notebook of its own."""

    path: str = Field(description="Workspace path.")


class SliceCheckState(Model):
    """What came of running a slice alone."""

    state: Literal["running", "done"] = Field(description="running: ask again, with the same question.")
    result: Literal["", "equal", "differs", "can't be told"]
    text: str = Field(description="In words.")
