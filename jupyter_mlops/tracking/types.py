"""Runs and experiments as the faces show them."""

from __future__ import annotations

from pydantic import Field

from ..schema import MetricValue, Model, Page, PageQuery, Status


class Experiment(Model):
    """A named group of runs."""

    id: str
    name: str
    created_at: float = Field(description="UTC seconds since the epoch.")
    run_count: int = Field(description="Its runs outside the trash; -1: a remote tracking server does not tell.")


class ExperimentList(Model):
    """The experiments, by name."""

    items: list[Experiment]


class RunQuery(PageQuery):
    """Which runs, in which order."""

    experiment: str = Field("", max_length=500, description="Experiment id; empty: all experiments.")
    filter: str = Field("", max_length=10_000, description="MLflow's filter syntax, e.g. `metrics.auc > 0.7`.")
    order_by: str = Field(
        "",
        max_length=600,
        description="`started_at`, `ended_at`, `name`, `status`, `metrics.<key>`, `params.<key>` or `tags.<key>`; "
        "empty: started_at.",
    )
    descending: bool = True
    notebook: str = Field("", max_length=4096, description="Only the runs of this notebook (workspace path).")
    deleted: bool = Field(False, description="The runs in the trash instead.")


class RunSummary(Model):
    """A row of the runs table."""

    id: str
    name: str
    experiment_id: str
    experiment: str
    status: Status
    started_at: float | None = Field(description="UTC seconds since the epoch.")
    ended_at: float | None
    deleted: bool = Field(description="It is in the trash, from where it can be restored.")
    notebook: str = Field(description="Notebook that made it, a workspace path; empty: unknown.")
    snapshot: str = Field(description="Git commit that holds its exact state; empty: none.")
    pipeline_run_id: str = Field(description="Pipeline run it belongs to; empty: none.")
    step: str
    params: dict[str, str]
    metrics: dict[str, MetricValue] = Field(description="Latest value of each metric; NaN and infinities as strings.")


class RunPage(Page[RunSummary]):
    """One page of runs."""


class Artifact(Model):
    """A file or folder of a run."""

    path: str
    is_dir: bool
    size: int | None


class ArtifactList(Model):
    """The artifacts below one folder of a run."""

    items: list[Artifact]


class RunDetail(RunSummary):
    """One run, whole."""

    tags: dict[str, str]
    artifacts: list[Artifact]
    models: list[str] = Field(description="Registered versions made from it, `name/version`.")
    commit: str = Field(description="HEAD commit when it started; empty: none.")
    dirty: bool | None = Field(description="Whether the work tree differed from that commit; null: unknown.")
    user: str
    error: str = Field(description="Why it failed, `<exception>: <message>`; empty: it did not, or it is unknown.")


class RunNotebook(Model):
    """A file with the notebook of a run, byte for byte as it was."""

    notebook: str = Field(description="The notebook, a workspace path.")
    path: str = Field(description="File that holds it as it was: the notebook itself, or a copy beside it.")
    version: str = Field(description="Version of the notebook; empty: it comes from the run's snapshot.")
    copied: bool = Field(description="The notebook has changed since; `path` is a copy.")
    as_executed: bool | None = Field(
        description="Whether its cells are those that the run executed: a notebook may have been changed on the screen "
        "and not saved. Null: the cells were not recorded, or a step ran its own copy."
    )


class MetricPoint(Model):
    """One logged value."""

    step: int
    at: float = Field(description="UTC seconds since the epoch.")
    value: MetricValue


class MetricHistory(Model):
    """The values of one metric, in order of step and time; thinned evenly where there are more than asked for."""

    key: str
    points: list[MetricPoint]
    total: int = Field(description="Number of points logged.")


class MetricQuery(Model):
    """Which metric."""

    key: str = Field(min_length=1, max_length=500)
    max_points: int = Field(2000, ge=2, le=50_000)


class ArtifactQuery(Model):
    """Which folder of the run's artifacts."""

    path: str = Field("", max_length=4096)
