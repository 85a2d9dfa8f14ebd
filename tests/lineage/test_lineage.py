"""The lineage graph, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from jupyter_mlops.errors import NotFoundError
from jupyter_mlops.lineage.service import NODE_LIMIT, LineageService
from jupyter_mlops.lineage.types import Edge, Kind, Node, Relation, Trace, TraceQuery
from jupyter_mlops.store.database import database
from jupyter_mlops.store.tables import LineageEdgeRow, LineageNodeRow
from jupyter_mlops.workspace import Workspace


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def lineage(request: pytest.FixtureRequest, workspace: Workspace) -> LineageService:
    """The service of a new workspace on each kind of database."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        Path(workspace.root, "mlops.toml").write_text(f'[store]\nurl = "{url}"\n')
    return LineageService(Workspace(workspace.root))


def edge(source: tuple[Kind, str], relation: Relation, target: tuple[Kind, str]) -> Edge:
    return Edge(
        source_kind=source[0], source_key=source[1], relation=relation, target_kind=target[0], target_key=target[1]
    )


#: The flights story, as the areas record it.
STORY = [
    edge(("notebook", "train.ipynb"), "used_by", ("step", "p1/train")),
    edge(("snapshot", "c0ffee"), "used_by", ("pipeline_run", "p1")),
    edge(("pipeline_run", "p1"), "contains", ("step", "p1/train")),
    edge(("step", "p1/train"), "produced", ("run", "r1")),
    edge(("run", "r1"), "produced", ("model_version", "delay/1")),
    edge(("model_version", "delay/1"), "deployed_as", ("deployment", "d1")),
    edge(("deployment", "d1"), "answers_at", ("endpoint", "delay")),
]


def keys(trace: Trace) -> list[str]:
    return [f"{node.kind}:{node.key}" for node in trace.nodes]


def test_up_leads_from_the_endpoint_to_notebook_and_snapshot(lineage: LineageService) -> None:
    lineage.record([Node(kind="run", key="r1", label="brisk-owl")], STORY)
    trace = lineage.trace(TraceQuery(kind="endpoint", key="delay"))
    assert keys(trace)[:4] == ["deployment:d1", "model_version:delay/1", "run:r1", "step:p1/train"]
    assert set(keys(trace)[4:6]) == {"notebook:train.ipynb", "pipeline_run:p1"}
    assert keys(trace)[6:] == ["snapshot:c0ffee"]
    assert len(trace.edges) == len(STORY)
    assert not trace.truncated
    assert next(node.label for node in trace.nodes if node.kind == "run") == "brisk-owl"


def test_down_leads_from_the_notebook_to_the_endpoint(lineage: LineageService) -> None:
    lineage.record([], STORY)
    trace = lineage.trace(TraceQuery(kind="notebook", key="train.ipynb", direction="down"))
    assert keys(trace) == ["step:p1/train", "run:r1", "model_version:delay/1", "deployment:d1", "endpoint:delay"]


def test_recording_again_changes_nothing_and_merges_what_is_new(lineage: LineageService) -> None:
    node = Node(kind="run", key="r1", label="owl", data={"experiment": "flights"})
    for _ in range(3):
        lineage.record([node], STORY)
    lineage.record([Node(kind="run", key="r1", label="", data={"auc": 0.7})], [])
    lineage.record([], [STORY[3]])  # an edge alone does not rename its ends
    with database(lineage.workspace).reading() as session:
        assert session.execute(select(func.count()).select_from(LineageEdgeRow)).scalar() == len(STORY)
        assert session.execute(select(func.count()).select_from(LineageNodeRow)).scalar() == 8
    start = lineage.trace(TraceQuery(kind="run", key="r1")).start
    assert (start.label, start.data) == ("owl", {"experiment": "flights", "auc": 0.7})


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cycle_ends(lineage: LineageService, direction: str) -> None:
    ring: list[tuple[Kind, str]] = [("step", "a"), ("step", "b"), ("step", "c")]
    lineage.record([], [edge(ring[i], "used_by", ring[(i + 1) % 3]) for i in range(3)])
    trace = lineage.trace(TraceQuery.model_validate({"kind": "step", "key": "a", "direction": direction}))
    assert sorted(keys(trace)) == ["step:b", "step:c"]
    assert len(trace.edges) == 3
    assert not trace.truncated


def test_depth_is_kept_and_said(lineage: LineageService) -> None:
    lineage.record([], STORY)
    trace = lineage.trace(TraceQuery(kind="endpoint", key="delay", depth=2))
    assert keys(trace) == ["deployment:d1", "model_version:delay/1"]
    assert trace.truncated
    assert len(trace.edges) == 2


def test_no_more_than_the_limit(lineage: LineageService) -> None:
    lineage.record([], [edge(("run", f"r{n}"), "used_by", ("artifact", "all")) for n in range(NODE_LIMIT + 50)])
    trace = lineage.trace(TraceQuery(kind="artifact", key="all"))
    assert len(trace.nodes) == NODE_LIMIT - 1
    assert trace.truncated
    known = {("artifact", "all"), *((node.kind, node.key) for node in trace.nodes)}
    assert all((e.source_kind, e.source_key) in known for e in trace.edges)


@pytest.mark.parametrize("key", ["r404", "r1' OR 1=1", "a\0b"])
def test_nothing_is_recorded(lineage: LineageService, key: str) -> None:
    with pytest.raises(NotFoundError, match="Nothing is recorded of the run"):
        lineage.trace(TraceQuery(kind="run", key=key))


def test_many_threads_record_the_same(lineage: LineageService) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for n in range(5):
                nodes = [Node(kind="run", key=f"r{i}", label=f"label {n}") for i in range(20)]
                lineage.record(nodes, STORY)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(lineage.trace(TraceQuery(kind="endpoint", key="delay")).nodes) == 7
