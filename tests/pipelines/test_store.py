"""Rows of pipeline runs: transitions, paging, and what each refuses. The same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_mlops.engine.attempt import AttemptRequest, AttemptResult, CellRecord
from jupyter_mlops.errors import ConflictError, InvalidInputError, NotFoundError
from jupyter_mlops.pipelines import store as store_module
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.store import RunStore
from jupyter_mlops.pipelines.types import PipelineRunQuery, PipelineSpec, StepSpec
from jupyter_mlops.store.database import close_all
from jupyter_mlops.workspace import Workspace

STEPS = [StepSpec(name="a", notebook="a.ipynb"), StepSpec(name="b", notebook="b.ipynb", needs=["a"])]
SPEC = PipelineSpec(name="p", path="p.pipeline.yaml", steps=STEPS)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def anywhere(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[Workspace]:
    """A workspace on each kind of database."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        (workspace.root / "mlops.toml").write_text(f'[store]\nurl = "{url}"\n', encoding="utf-8")
        workspace = Workspace(workspace.root)
    yield workspace
    close_all()


def request_of(run_id: str, step: str, attempt: int = 1, round_: int = 1) -> AttemptRequest:
    return AttemptRequest(
        pipeline_run_id=run_id,
        step=step,
        attempt=attempt,
        round=round_,
        notebook=f"{step}.ipynb",
        source="x",
        output="y",
    )


def result(outcome: str = "succeeded") -> AttemptResult:
    cell = CellRecord(index=0, cell_id="c", source_hash="h", title="t", status="succeeded", started_at=1, ended_at=2)
    return AttemptResult(outcome=outcome, cells=[cell], ended_at=5.0)  # type: ignore[arg-type]


def test_a_run_goes_its_way(anywhere: Workspace) -> None:
    store = RunStore(anywhere)
    assert store.create("r", SPEC, STEPS, {"n": 1}, "")
    assert not store.create("r", SPEC, STEPS, {"n": 2}, "")
    assert store.count_unfinished() == 1
    assert store.begin_run("r", 1)
    assert store.begin_run("r", 1)  # again after a crash
    for name in ("a", "b"):
        assert store.begin_attempt(request_of("r", name))
        assert store.end_attempt(request_of("r", name), result(), "succeeded", None)
    assert store.end_run("r", 1) == "succeeded"

    run = PipelineService(anywhere).run("r")
    assert (run.status, run.steps_done, run.parameters) == ("succeeded", 2, {"n": 1})
    assert [cell.title for cell in PipelineService(anywhere).step("r", "a").cells] == ["t"]
    assert store.unfinished() == []
    assert not store.begin_attempt(request_of("r", "a", 2))


def test_nothing_begins_in_a_round_that_is_over(anywhere: Workspace) -> None:
    store = RunStore(anywhere)
    store.create("r", SPEC, STEPS, {}, "")
    store.begin_run("r", 1)
    store.begin_attempt(request_of("r", "a"))

    assert [step.name for step in store.cancel("r")] == ["a"]

    assert not store.begin_run("r", 1)
    assert not store.begin_attempt(request_of("r", "b"))
    assert not store.end_attempt(request_of("r", "a"), result("cancelled"), "failed", None)
    assert store.end_run("r", 1) == "cancelled"
    assert [step.status for step in store.steps("r")] == ["cancelled", "cancelled"]
    store.resume("r", "")
    assert not store.begin_run("r", 1)  # the first round's workflow, waking up late
    assert store.begin_run("r", 2)
    assert not store.begin_attempt(request_of("r", "a", 2, round_=1))
    assert store.begin_attempt(request_of("r", "a", 2, round_=2))
    with pytest.raises(ConflictError):
        store.resume("r", "")


def test_pages_follow_each_other_without_gaps(anywhere: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(anywhere)
    monkeypatch.setattr(store_module.time, "time", lambda: 1000.25)  # all at the same moment
    for number in range(7):
        store.create(f"run{number}", SPEC, STEPS, {}, "")
    monkeypatch.undo()
    store.create("newest", SPEC, STEPS, {}, "")
    service = PipelineService(anywhere)

    seen, token = [], ""
    while True:
        page = service.runs(PipelineRunQuery(max_results=3, page_token=token))
        seen += [run.id for run in page.items]
        token = page.next_page_token
        if not token:
            break

    assert seen == ["newest", *[f"run{number}" for number in range(6, -1, -1)]]
    assert page.items[0].steps_total == 2
    assert service.runs(PipelineRunQuery(status="failed")).items == []
    assert service.runs(PipelineRunQuery(path="other.ipynb")).items == []


@pytest.mark.parametrize("token", ["x", "bnVsbA==", "ü", "WzEsMl0", "W10="])
def test_a_token_that_is_none_is_refused(workspace: Workspace, token: str) -> None:
    with pytest.raises(InvalidInputError, match="page token"):
        PipelineService(workspace).runs(PipelineRunQuery(page_token=token))


def test_what_does_not_exist_is_said(workspace: Workspace) -> None:
    service = PipelineService(workspace)
    for call in (service.run, service.cancel, service.resume, lambda run_id: service.step(run_id, "x")):
        with pytest.raises(NotFoundError, match="no pipeline run ../../x"):
            call("../../x")
