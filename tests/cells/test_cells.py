"""The record of cell executions: what identifies a cell, what was recorded, and that reading it is cheap to import."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from jupyter_mlops.cells.branches import START
from jupyter_mlops.cells.service import CellService, source_hash, title
from jupyter_mlops.cells.types import ExecutionQuery, SessionQuery
from jupyter_mlops.engine.attempt import AttemptRequest, CellRecord
from jupyter_mlops.engine.progress import update_cells, write_cells
from jupyter_mlops.errors import InvalidInputError, NotFoundError
from jupyter_mlops.lineage.service import LineageService
from jupyter_mlops.lineage.types import Edge, TraceQuery
from jupyter_mlops.pipelines.store import RunStore
from jupyter_mlops.pipelines.types import PipelineSpec, StepSpec
from jupyter_mlops.store.database import database
from jupyter_mlops.store.tables import EndpointRow
from jupyter_mlops.workspace import Workspace

from .conftest import RecordedShell
from .journals import Kernel


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ny = 2", "x = 1"),
        ("\n\n# Load the flights\nx = 1", "Load the flights"),
        ("#\n%%time\nx", "%%time"),
        ("#%% Section\nx", "Section"),
        ("a" * 200, "a" * 79 + "…"),
        ("", ""),
    ],
)
def test_a_cell_is_called_by_its_first_telling_line(source: str, expected: str) -> None:
    assert title(source) == expected


def test_the_hash_is_of_the_source_only_and_takes_any_text() -> None:
    assert source_hash("x = 1") == source_hash("x = 1") != source_hash("x = 2")
    assert len(source_hash("\ud800")) == 32


def test_cells_come_back_in_the_order_of_the_notebook(workspace: Workspace) -> None:
    steps = [StepSpec(name="s", notebook="s.ipynb")]
    RunStore(workspace).create("r", PipelineSpec(name="p", path="p.pipeline.yaml", steps=steps), steps, {}, "")
    request = AttemptRequest(
        pipeline_run_id="r", step="s", attempt=1, round=1, notebook="s.ipynb", source="x", output="y"
    )
    cells = [CellRecord(index=n, cell_id=f"c{n}", source_hash="h", title=f"t{n}") for n in (11, 2, 1)]
    with database(workspace).session() as session:
        write_cells(session, request, cells)
    cells[1].status, cells[1].started_at = "running", 5.0
    with database(workspace).session() as session:
        update_cells(session, request, [cells[1]])

    found = CellService(workspace).of_attempt("r", "s", 1)

    assert [(cell.index, cell.status, cell.started_at) for cell in found] == [
        (1, "queued", None),
        (2, "running", 5.0),
        (11, "queued", None),
    ]
    assert CellService(workspace).of_attempt("r", "s", 2) == []


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "{'sqlalchemy', 'nbformat', 'papermill', 'mlflow', 'pandas', 'dbos', 'jupyter_client'}"
    code = f"import sys, jupyter_mlops.cells.service, jupyter_mlops.pipelines.io; print({heavy} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


# -- the record ----------------------------------------------------------------------------------------------------


class Story:
    """Two notebooks: one makes a file of features, the other trains with it, in two runs."""

    def __init__(self, workspace: Workspace):
        make = Kernel(workspace, "make.ipynb", at=1_700_000_000.0)
        self.load = make.run("load", "df = read()", written=["df"], key="k1")
        self.save = make.run(
            "save", "df.to_parquet('f')", reads={"df": "k1:df"}, files_written={"f.parquet": "d1"}, key="k2"
        )
        self.plot = make.run("plot", "df.plot()", reads={"df": "k1:df"}, key="k3")
        train = Kernel(workspace, "train.ipynb", at=1_700_001_000.0)
        self.read = train.run("read", "x = load('f')", written=["x"], files_read={"f.parquet": "d1"}, key="k4")
        self.depth = train.run("depth", "depth = 3", written=["depth"])
        self.scale = train.run("scale", "x *= 2", reads={"x": "k4:x"}, changed=["x"], key="k5")
        reads = {"x": "k5:x", "depth": f"{self.depth['id']}:depth", "np": "absent"}
        self.fit = train.run("fit", "fit(x, depth)", reads=reads, written=["model"], runs=["r1"])
        self.deeper = train.run("depth", "depth = 4", written=["depth"])
        reads = {"x": "k5:x", "depth": f"{self.deeper['id']}:depth"}
        self.again = train.run("fit", "fit(x, depth)", reads=reads, written=["model"], runs=["r2"])
        self.after = train.run("after", "del model", deleted=["model"])
        self.make, self.train = make.session, train.session


def ids(*records: Any) -> list[str]:
    return [record["id"] if isinstance(record, dict) else record.id for record in records]


def test_executions_are_found_by_what_they_are_about(place: Workspace) -> None:
    story, cells = Story(place), CellService(place)

    def found(**query: Any) -> list[str]:
        return ids(*cells.executions(ExecutionQuery(**query)).items)

    assert found(notebook="make.ipynb") == ids(story.plot, story.save, story.load)
    assert found(cell_id="fit") == ids(story.again, story.fit)
    assert found(notebook="make.ipynb", cell_id="fit") == []
    assert found(session=story.make) == found(notebook="make.ipynb")
    assert found(run_id="r1") == ids(story.fit)
    assert found(name="x") == ids(story.scale, story.read)
    assert found(name="model") == ids(story.after, story.again, story.fit)
    assert found(key="k4") == ids(story.read)
    assert found(pipeline_run_id="p") == []
    assert len(found()) == 10


def test_pages_join_to_the_whole(place: Workspace) -> None:
    Story(place)
    cells = CellService(place)
    whole = ids(*cells.executions().items)
    paged: list[str] = []
    token = ""
    while True:
        page = cells.executions(ExecutionQuery(max_results=3, page_token=token))
        paged += ids(*page.items)
        token = page.next_page_token
        if not token:
            break
    assert paged == whole
    assert len(cells.sessions(SessionQuery(max_results=1)).items) == 1
    for wrong in ("x", "bnVsbA==", "WzEsIDJd", "WyIxIiwgImEiXQ==", "Wzk5OTk5LCAiYS9iIl0=", "ü"):
        with pytest.raises(InvalidInputError, match="token"):
            cells.executions(ExecutionQuery(page_token=wrong))


def test_what_jumps_left_behind_is_told_on_every_page_and_in_every_search(place: Workspace) -> None:
    # Given sessions in which somebody went back: to a state, to the beginning, and to a state of another session
    kernel, other, straight = (Kernel(place, at=1_700_000_000.0 + 1000 * number) for number in range(3))
    one, two = kernel.run("one", "a = 1"), kernel.run("two", "a = 2")
    kernel.run("", "%undo", restored=one["id"])
    three = kernel.run("three", "a = 3")
    kernel.run("", "%goto", restored=two["id"])
    kernel.run("four", "a = 4")
    first = other.run("first", "b = 1")
    other.run("", "%goto", restored=START)
    second = other.run("second", "b = 2")
    other.run("", "%goto", restored=one["id"])
    other.run("third", "b = 3")
    straight.run("only", "c = 1")
    left = {three["id"], first["id"], second["id"]}

    cells = CellService(place)

    def told(**query: Any) -> dict[str, bool]:
        return {each.id: each.left for each in cells.executions(ExecutionQuery(**query)).items}

    # Then it is the same in the whole list, on a page, and where the jumps are not among what is searched for
    whole = told()
    assert (len(whole), {key for key, is_left in whole.items() if is_left}) == (12, left)
    token = cells.executions(ExecutionQuery(max_results=8)).next_page_token
    for narrowed in ({"page_token": token}, {"cell_id": "three"}, {"search": "b ="}, {"session": straight.session}):
        part = told(**narrowed)
        assert part and part.items() <= whole.items()


def test_an_execution_is_found_by_the_beginning_of_its_id(place: Workspace) -> None:
    kernel = Kernel(place)
    one = kernel.run(id="abcdef" + "0" * 26)
    kernel.run(id="abcdef" + "1" * 26)
    cells = CellService(place)
    assert cells.execution("abcdef0").id == one["id"]
    with pytest.raises(InvalidInputError, match="More than one"):
        cells.execution("abcdef")
    for wrong in ("abcde", "abcdef2", "", "%%%%%%", "______", "a\0bcdef", "x" * 5000):
        with pytest.raises(NotFoundError):
            cells.execution(wrong)


def test_the_executions_behind_a_run_come_in_the_order_in_which_they_ran(place: Workspace) -> None:
    story, cells = Story(place), CellService(place)
    assert ids(*cells.of_run("r1")) == ids(story.read, story.depth, story.scale, story.fit)
    assert cells.of_run("r2")[-1].items() >= story.again.items()
    assert ids(*cells.record_of_session(story.make)) == ids(story.load, story.save, story.plot)
    assert cells.record_of_session("none") == []
    assert cells.newest_session("train.ipynb") == story.train
    with pytest.raises(NotFoundError, match="r3"):
        cells.of_run("r3")


def test_a_name_has_its_version_from_the_last_that_wrote_or_changed_it(place: Workspace) -> None:
    story, cells = Story(place), CellService(place)

    def producer(name: str, **where: str) -> str:
        found = cells.producer(name, **where)
        return found.id if found else ""

    assert producer("x", notebook="train.ipynb") == story.scale["id"]
    assert producer("depth", session=story.train) == story.deeper["id"]
    assert producer("model", notebook="train.ipynb") == ""
    assert producer("x", notebook="make.ipynb") == ""
    with pytest.raises(InvalidInputError):
        cells.producer("x")


def test_an_execution_follows_from_those_that_made_what_it_read(place: Workspace) -> None:
    story, cells = Story(place), CellService(place)
    assert ids(*cells.producers(story.fit["id"])) == ids(story.depth, story.scale)
    assert ids(*cells.producers(story.again["id"])) == ids(story.scale, story.deeper)
    assert ids(*cells.producers(story.scale["id"])) == ids(story.read)
    assert ids(*cells.producers(story.read["id"])) == ids(story.save)
    assert cells.producers(story.load["id"]) == []


def test_lineage_leads_from_a_run_to_the_cells_of_both_notebooks(place: Workspace) -> None:
    story = Story(place)
    CellService(place).refresh()
    trace = LineageService(place).trace(TraceQuery(kind="run", key="r1"))
    executions = [node for node in trace.nodes if node.kind == "cell_execution"]
    wanted = (story.fit, story.scale, story.depth, story.read, story.save, story.load)
    assert [node.key for node in executions][:1] == ids(story.fit)
    assert {node.key for node in executions} == set(ids(*wanted))  # not the plot, nor the depth of the other run
    assert executions[0].label == "[4] fit(x, depth)"
    assert executions[0].data == {
        "notebook": "train.ipynb",
        "cell_id": "fit",
        "count": 4,
        "session": story.train,
    }


def test_what_a_cell_feeds_is_said(place: Workspace) -> None:
    story, cells = Story(place), CellService(place)
    cells.refresh()
    serve(place, "r1", "delay/3", "d1", "delay", answers=True)
    serve(place, "r1", "delay/3", "d0", "old", answers=False)
    # When a cell of the other notebook is asked for
    found = cells.impact("make.ipynb", "load")
    assert found.summary == "feeds delay/3, 1 endpoint"
    assert found.executions == 1
    assert {each.key for each in found.cells} == set(ids(story.save, story.read, story.scale, story.fit, story.again))
    live = {each.key: each.live for each in found.items if each.kind in ("endpoint", "deployment")}
    assert live == {"d1": True, "delay": True, "d0": False, "old": False}
    # Then one that nothing came of, and one that is not known
    assert (cells.impact("make.ipynb", "plot").summary, cells.impact("make.ipynb", "plot").executions) == ("", 1)
    assert cells.impact("none.ipynb", "x").executions == 0
    assert cells.impact("train.ipynb", "depth").executions == 2
    assert [each.key for each in cells.links(story.again["id"]).items] == ["r2"]
    assert [each.key for each in cells.links(story.deeper["id"]).items] == ["r2"]
    assert cells.links(story.after["id"]).items == []


def serve(place: Workspace, run: str, version: str, deployment: str, endpoint: str, *, answers: bool) -> None:
    """Put a run's model version behind an endpoint, as the areas record it."""
    ends = [("run", run), ("model_version", version), ("deployment", deployment), ("endpoint", endpoint)]
    relations = ("produced", "deployed_as", "answers_at")
    LineageService(place).record(
        [],
        [
            Edge(source_kind=a[0], source_key=a[1], relation=relation, target_kind=b[0], target_key=b[1])  # type: ignore[arg-type]
            for a, b, relation in zip(ends, ends[1:], relations, strict=False)
        ],
    )
    now = deployment if answers else "another"
    row = EndpointRow(
        name=endpoint, host="h", port=1, wanted="running", deployment_id=now, created_at=1.0, updated_at=1.0
    )
    with database(place).session() as session:
        session.add(row)


def test_a_long_history_is_followed_to_its_beginning_however_often_it_is_interrupted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, cells = Kernel(workspace), CellService(workspace)
    first = kernel.run("c0", "x = 0", written=["x"], key="k0")
    for number in range(1, 60):
        kernel.run(f"c{number}", "x += 1", reads={"x": f"k{number - 1}:x"}, changed=["x"], key=f"k{number}")
    kernel.run("fit", "fit(x)", reads={"x": "k59:x"}, runs=["r0"])

    def fails(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jupyter_mlops.cells.provenance.record_in", fails)
        with pytest.raises(KeyboardInterrupt):
            cells.refresh()
    kernel.run("fit", "fit(x)", reads={"x": "k59:x"}, runs=["r1", "r0"])
    assert {each.key for each in cells.links(first["id"]).items} == {"r0", "r1"}


def test_the_cells_of_an_attempt_lead_to_their_records(workspace: Workspace) -> None:
    steps = [StepSpec(name="s", notebook="s.ipynb")]
    RunStore(workspace).create("r", PipelineSpec(name="p", path="p.pipeline.yaml", steps=steps), steps, {}, "")
    request = AttemptRequest(
        pipeline_run_id="r", step="s", attempt=1, round=1, notebook="s.ipynb", source="x", output="y"
    )
    cells = [CellRecord(index=n, cell_id=f"c{n}", source_hash="h", title=f"t{n}") for n in range(3)]
    with database(workspace).session() as session:
        write_cells(session, request, cells)
    other = Kernel(workspace, "s.ipynb", pipeline_run_id="r", step="s", attempt=2)
    other.run("c0")
    kernel = Kernel(workspace, "s.ipynb", pipeline_run_id="r", step="s", attempt=1)
    one, two = kernel.run("c0"), kernel.run("c1")

    found = CellService(workspace).of_attempt("r", "s", 1)

    assert [cell.execution for cell in found] == [one["id"], two["id"], ""]
    query = ExecutionQuery(pipeline_run_id="r", step="s")
    assert len(CellService(workspace).executions(query).items) == 3


def test_what_a_recorder_writes_is_what_the_service_tells(recorded: RecordedShell) -> None:
    first = recorded.run("import math\nx = [1]")
    second = recorded.run("x.append(2); print(x)")
    third = recorded.run("1 / 0")
    cells = CellService(recorded.workspace)
    for told, record in zip(cells.record_of_session(recorded.recorder.session), (first, second, third), strict=True):
        assert told.items() >= json.loads(json.dumps(record)).items()
    found = cells.execution(second["id"])
    assert (found.changed, found.source, found.status) == (["x"], "x.append(2); print(x)", "succeeded")
    assert found.values["x"].type == "list"
    assert [each.id for each in cells.producers(second["id"])] == [first["id"]]
    failed = cells.execution(third["id"])
    assert (failed.status, failed.error) == ("failed", "ZeroDivisionError: division by zero")
    assert cells.sources([second["source_hash"]]) == {second["source_hash"]: second["source"]}
