"""Restored and verified runs as the faces show them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..schema import ErrorInfo, Model

_NAME = r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$"
_GIVEN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class RestoreRequest(Model):
    """How to bring a run's state back."""

    into: Literal["branch", "worktree"] = Field(
        "branch", description="branch: a new branch. worktree: also its files, in `restored/<name>`."
    )
    name: str = Field("", pattern=_NAME, description="Of the branch and the folder; empty: one is made up.")


FileState = Literal["copied", "as it was", "changed", "missing", "other in snapshot"]


class UndoQuery(Model):
    """How to take a restored state away."""

    force: bool = Field(False, description="Also one that was worked in since.")


class DataFile(Model):
    """A file that the run read and that its snapshot does not hold as it was."""

    path: str = Field(description="Workspace path; absolute: it lies outside the workspace.")
    state: FileState = Field(
        description="as it was: the present file is the one that the run read. copied: and it was put into the "
        "restored folder. other in snapshot: it changed between the snapshot and the cell that read it."
    )


class PackageChange(Model):
    """A package, Python, the operating system or the container image, in two environments."""

    name: str
    then: str = Field(description="Version that the run had; empty: it was not installed.")
    now: str = Field(description="Version here; empty: it is not installed.")


class UnavailablePackage(Model):
    """A package of a run's environment that could not be installed."""

    name: str
    version: str
    why: str = Field(description="What the installer said.")


class RebuiltEnvironment(Model):
    """A run's environment, made again."""

    run_id: str
    name: str = Field(description="Of the restored work tree that it lies in.")
    status: Literal["equal", "different"]
    folder: str = Field(description="Workspace path of the virtual environment.")
    installer: Literal["uv", "pip"]
    installed: int = Field(description="Packages that were installed.")
    hash_then: str = Field(description="Hash of the run's environment, its tag `mlops.environment`.")
    hash_now: str = Field(
        description="Of this one, of what the record tells: one from before the operating system was recorded has none."
    )
    packages: list[PackageChange] = Field(description="What is different: `now` is what was installed.")
    unavailable: list[UnavailablePackage]
    kernel: str = Field("", description="Name of its Jupyter kernel; empty: ipykernel is not among its packages.")
    programs: list[str] = Field(default_factory=list, description="Of JupyterLab and mlops, which are in it.")
    notes: list[str] = Field(default_factory=list)


class RunEnvironment(Model):
    """The environment that a run had, and what making it again takes."""

    run_id: str
    python: str = Field(description="Such as `CPython 3.11.7`; empty: the environment of the run is not kept.")
    system: str = Field(description="Operating system; empty: not recorded.")
    packages: int = Field(description="Packages to install.")
    installer: Literal["uv", "pip", ""] = Field(description="What makes it here; empty: neither is installed.")


class RebuildRequest(Model):
    """Where to make a run's environment again."""

    name: str = Field(pattern=_GIVEN_NAME, description="Of the work tree restored from the run.")
    replace: bool = Field(False, description="An environment that is there is taken away first.")


RebuildStatus = Literal["queued", "running", "equal", "different", "failed", "cancelled"]


class Rebuild(Model):
    """How the making of a run's environment stands, or how it ended."""

    run_id: str
    name: str = Field(description="Of the restored work tree.")
    status: RebuildStatus
    workflow_id: str = Field("", description="Of the work of the worker; empty: another process does it.")
    folder: str = Field(description="Workspace path of the virtual environment.")
    started_at: float
    ended_at: float | None = None
    packages_total: int = 0
    packages_done: int = Field(0, description="Packages that are in it by now.")
    doing: str = Field("", description="What was said of it last, a line.")
    result: RebuiltEnvironment | None = Field(None, description="What was made; null: nothing, or not yet.")
    error: ErrorInfo | None = Field(None, description="Why it could not be made. Nothing half-made is kept.")


class Restoration(Model):
    """A run's state, brought back beside the present work."""

    run_id: str
    name: str
    into: Literal["branch", "worktree"]
    commit: str = Field(description="Tip of the branch `name`: the snapshot, and what the record adds to it.")
    snapshot: str
    folder: str = Field(description="Workspace path of the work tree; empty: there is only the branch.")
    notebook: str = Field(description="The cells as they were executed, a path in the restored workspace; empty: none.")
    cells: int = Field(description="Executions in it.")
    environment: str = Field(description="File with the run's environment, a path in the restored workspace.")
    packages: list[PackageChange] = Field(description="What is different in the environment of this process.")
    data: list[DataFile]
    left_out: list[str] = Field(description="Files that stayed out of the snapshot, with the reason.")
    seeds: list[str] = Field(description="What is known of random generators, in words.")
    notes: list[str]


InputKind = Literal["module", "file", "data", "package", "options", "generator", "variable"]
ResultKind = Literal["variable", "file", "output", "status", "metric", "param"]


class InputDifference(Model):
    """Something that an execution follows from, and that was not the same."""

    kind: InputKind
    name: str
    then: str = Field("", description="Version or digest that the run had; empty: none.")
    now: str = ""
    detail: str = Field("", description="In words: the first row of a table or line of a file that differs.")


class ResultDifference(Model):
    """Something that an execution made, and that was not the same."""

    kind: ResultKind
    name: str
    then: str = ""
    now: str = ""


class VerifiedCell(Model):
    """One execution, then and now."""

    index: int = Field(description="Place in the executed order, from 1.")
    count: int = Field(description="Jupyter's number, `In [7]`, then.")
    title: str
    execution: str = Field(description="Id of the record of then.")
    status: Literal["equal", "drifted", "not compared", "not run"]
    inputs: list[InputDifference]
    results: list[ResultDifference]
    uncompared: list[str] = Field(description="Names whose values have no digest in one of the two records.")
    note: str = Field("", description="Why it was not run or not compared.")


class Divergence(Model):
    """The first cell whose results differ."""

    cell: int = Field(description="Place in the executed order, from 1.")
    count: int
    title: str
    cause: Literal["input", "not deterministic", "unknown"]
    inputs: list[InputDifference] = Field(description="What was different before it; empty: nothing that is recorded.")
    results: list[ResultDifference]
    why: str = Field(description="One sentence for a person.")


class MetricComparison(Model):
    """A metric of the run, then and now."""

    name: str
    then: str = Field(description="Its value; empty: not logged.")
    now: str
    equal: bool


VerificationStatus = Literal["queued", "running", "equal", "drifted", "failed", "cancelled"]


class VerifyRequest(Model):
    """How to verify a run."""

    present: bool = Field(False, description="Run the cells on the files as they are now, not on the run's snapshot.")
    timeout_seconds: float = Field(0.0, ge=0, le=30 * 86400, description="Longest time; 0: no limit.")
    tolerance: float = Field(
        0.0, ge=0, le=1, description="Largest relative difference of a metric that counts as equal; 0: exactly equal."
    )


class Verification(Model):
    """A run's cells, executed again and compared."""

    run_id: str
    status: VerificationStatus
    workflow_id: str = Field("", description="Of the work of the worker; empty: another process does it.")
    present: bool
    tolerance: float
    started_at: float
    ended_at: float | None = None
    cells_total: int = 0
    cells_done: int = 0
    first: Divergence | None = Field(None, description="Null: no cell's results differ.")
    cells: list[VerifiedCell] = Field(default_factory=list)
    metrics: list[MetricComparison] = Field(default_factory=list)
    params: list[ResultDifference] = Field(default_factory=list, description="Parameters of the run that differ.")
    packages: list[PackageChange] = Field(default_factory=list)
    data: list[DataFile] = Field(default_factory=list, description="Files that were not found as the run read them.")
    notes: list[str] = Field(default_factory=list)
    error: ErrorInfo | None = Field(None, description="Why it could not be finished.")
