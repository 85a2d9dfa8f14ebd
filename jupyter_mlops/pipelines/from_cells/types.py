"""A pipeline proposed from a notebook's cells, as the faces show it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ...schema import Model

CellRole = Literal["own", "prepares", "parameters", "again", "moved"]


class StepChoice(Model):
    """A step as a person wants it."""

    name: str = Field(min_length=1, max_length=64)
    cells: list[str] = Field(max_length=10_000, description="Ids of its cells, in the notebook's order.")


class CellsPipelineRequest(Model):
    """Propose a pipeline from a notebook's cells, or write it."""

    notebook: str = Field(min_length=1, max_length=4096, description="Workspace path.")
    steps: list[StepChoice] = Field(
        default_factory=list,
        max_length=1000,
        description="The steps as chosen; empty: by tags, headings, or where least moves across.",
    )
    not_kept: list[str] = Field(
        default_factory=list, max_length=1000, description="Variables that can't be handed on, so are made again."
    )
    folder: str = Field("", max_length=4096, description="Where to write, workspace path; empty: beside the notebook.")
    write: bool = Field(False, description="Write the files; else only propose.")
    overwrite: bool = Field(False, description="Replace files that are there.")


class StepCell(Model):
    """A cell of a step."""

    id: str
    number: int = Field(description="Its place among the notebook's code cells, from 1.")
    title: str
    role: CellRole = Field(
        description="`own`; `prepares`: imports, definitions and settings, which each step runs for itself; "
        "`parameters`; `again`: a cell of another step, run here as well; `moved` from another step."
    )
    why: str = Field("", description="Why it is run here, where it is not the step's own.")


class StepVariable(Model):
    """A variable that moves between steps."""

    name: str
    step: str = Field("", description="Of an input: the step that hands it on.")
    type: str = ""
    together: list[str] = Field(
        default_factory=list, description="Variables with which it shares objects: they are handed on together."
    )


class ProposedStep(Model):
    """One step."""

    name: str
    notebook: str = Field(description="Workspace path of its notebook.")
    cells: list[StepCell]
    inputs: list[StepVariable]
    outputs: list[StepVariable]
    needs: dict[str, str] = Field(description="Steps that it waits for without an input → why.")
    parameters: list[str]
    packages: list[str] = Field(description="What the notebook installs for it.")
    notes: list[str] = Field(description="Why it begins where it does, what was moved or joined.")


class CellsPipeline(Model):
    """A pipeline from the cells of a notebook."""

    notebook: str
    name: str
    path: str = Field(description="Workspace path of the pipeline file.")
    parameters: dict[str, Any]
    steps: list[ProposedStep]
    how: str = Field(description="How the steps were found.")
    notes: list[str] = Field(description="What to know before relying on it.")
    skipped: list[int] = Field(description="Numbers of the cells that are left out.")
    exists: list[str] = Field(description="Files that are there already.")
    written: list[str] = Field(description="Files that were written; empty: a proposal only.")
