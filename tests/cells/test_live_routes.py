"""Stale cells and slices of a notebook that is open, over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_mlops.cells import live_sessions
from jupyter_mlops.workspace import Workspace
from tests.extension.conftest import Api, api, jp_server_config, project

from .journals import Kernel

__all__ = ["api", "jp_server_config", "project"]

NINE = ["a = 1", "b = 2", "c = a", "d = b", "e = c + 1", "f = d", "g = [f]", "h = d", "print(e)"]


@pytest.fixture
def probe_routes() -> None:
    """All areas' routes, as they are."""


@pytest.fixture(autouse=True)
def fresh_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known from other tests."""
    live_sessions._kept.clear()
    live_sessions._heads.clear()


class Written:
    """A kernel's journal made by hand: each cell makes a version of the names that it binds."""

    def __init__(self, workspace: Workspace, kernel: str = "k-1"):
        self.journal = Kernel(workspace, kernel=kernel)
        self.versions: dict[str, str] = {}

    def run(self, cell_id: str, source: str, reads: str = "", writes: str = "") -> dict[str, Any]:
        read = {name: self.versions[name] for name in reads.split()}
        key = f"{abs(hash((source, tuple(read.items())))):x}"
        record = self.journal.run(cell_id, source, reads=read, written=writes.split(), key=key)
        self.versions |= {name: f"{key}:{name}" for name in writes.split()}
        return record


def cells(*sources: str) -> list[dict[str, str]]:
    return [{"id": f"c{number}", "source": source} for number, source in enumerate(sources, 1)]


async def ask(api: Api, what: str = "states", status: int = 200, **body: Any) -> Any:
    reply = await api("POST", f"/cells/live/{what}?workspace=fl%C3%BCge%202013", json_body={"kernel": "k-1", **body})
    assert reply.status == status, reply.body
    return reply.body


@pytest.fixture
def three(project: Workspace) -> Written:
    written = Written(project)
    written.run("c1", "a = 1", writes="a")
    written.run("c2", "b = a + 1", reads="a", writes="b")
    written.run("c3", "c = 3", writes="c")
    return written


async def test_what_was_edited_and_not_saved_counts(api: Api, three: Written) -> None:
    found = await ask(api, cells=cells("a = 1", "b = a + 1", "c = 3"))
    assert [each["state"] for each in found["cells"]] == ["fresh"] * 3
    assert (found["recorded"], found["order"], found["names"]) == (True, [], ["a", "b", "c"])
    found = await ask(api, cells=cells("a = 10", "b = a + 1", "c = 3", "new = 1"))
    assert [each["state"] for each in found["cells"]] == ["stale", "stale", "fresh", "never run"]
    assert [each["edited"] for each in found["cells"]] == [True, False, False, False]
    assert found["cells"][1]["reasons"] == ["it reads a, which cell 1 (In [1]) makes: that is stale"]
    assert found["order"] == ["c1", "c2"]
    # When one cell is asked for, the order is for it and what it needs.
    assert (await ask(api, cells=cells("a = 10", "b = a + 1", "c = 3"), only=["c3"]))["order"] == ["c3"]


async def test_only_what_is_new_is_read(api: Api, three: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    whole = live_sessions.read_part

    def counted(path: Path, offset: int = 0, **options: Any) -> Any:
        read.append(offset)
        return whole(path, offset, **options)

    await ask(api, cells=cells("a = 1"))
    monkeypatch.setattr(live_sessions, "read_part", counted)
    three.run("c1", "a = 10", writes="a")
    found = await ask(api, cells=cells("a = 10", "b = a + 1", "c = 3"))
    assert [each["state"] for each in found["cells"]] == ["fresh", "stale", "fresh"]
    assert read and min(read) > 0


async def test_hidden_state_is_told(api: Api, three: Written) -> None:
    found = await ask(api, cells=cells("a = 1", "b = a + 1")[1:])
    assert found["cells"][0]["hidden"] == ["it reads a, which no remaining cell defines"]
    assert [each["name"] for each in found["leftovers"]] == ["a", "c"]


@pytest.mark.parametrize(
    ("change", "why", "what_next"),
    [
        ("none", "are not recorded", "%load_ext jupyter_mlops"),
        ("off", "[cells] record is false", "restart the kernel"),
        ("dead", "was restarted", "every_kernel = true"),
        ("stopped", "was stopped", "Restart the kernel"),
    ],
)
async def test_a_kernel_that_is_not_recorded_is_said(
    api: Api, project: Workspace, change: str, why: str, what_next: str
) -> None:
    if change == "off":
        (project.root / "mlops.toml").write_text("[cells]\nrecord = false\n")
    elif change == "dead":
        Kernel(project, kernel="k-1", process_started_at=1.0).run()
    elif change == "stopped":
        kernel = Kernel(project, kernel="k-1")
        kernel.run()
        kernel.journal.append({"kind": "end", "session": kernel.session, "at": 1.0})
    found = await ask(api, cells=cells("x = 1"))
    assert not found["recorded"] and found["cells"] == []
    assert why in found["why"] and what_next in found["next"]
    assert found["startable"] == (change in ("none", "dead"))


async def test_damaged_and_foreign_journals_are_passed_over(api: Api, project: Workspace, three: Written) -> None:
    folder = three.journal.journal.path.parent
    (folder / "damaged.jsonl").write_bytes(b"\n00000000 {}\n")
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "link.jsonl").symlink_to(three.journal.journal.path)
    (folder / "folder.jsonl").mkdir()
    with three.journal.journal.path.open("ab") as file:
        file.write(b"\nnothing of the kind\n\n12345678 {")
    three.run("c1", "a = 2", writes="a")
    found = await ask(api, cells=cells("a = 2", "b = a + 1", "c = 3"))
    assert [each["state"] for each in found["cells"]] == ["fresh", "stale", "fresh"]


async def test_memory_is_bounded(api: Api, project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_sessions, "MOST_EXECUTIONS", 10)
    for kernel in ("k-1", "k-2", "k-3"):
        written = Written(project, kernel)
        for number in range(8):
            written.run("c1", f"a = {number}", writes="a")
        await ask(api, kernel=kernel, cells=cells("a = 7"))
    assert len(live_sessions._kept) == 1
    # What was let go of is read again; of superseded executions hardly anything is kept.
    found = await ask(api, cells=cells("a = 7"))
    assert (found["cells"][0]["state"], found["cells"][0]["count"]) == ("fresh", 8)
    (kept,) = live_sessions._kept.values()
    assert "source_hash" in kept.past.records[-1] and "reads" not in kept.past.records[3]


async def test_a_slice_in_place_copied_and_run_alone(api: Api, project: Workspace, three: Written) -> None:
    now = cells("a = 1", "b = a + 2")
    found = await ask(api, "slice", name="b", cells=now)
    assert [(each["cell_id"], each["cell"]) for each in found["cells"]] == [("c1", "unchanged"), ("c2", "edited")]
    assert (found["kind"], found["recorded"]) == ("variable", 3)
    assert found["cells"][0]["why"] == ["it made a, which In [2] read"]
    for path in ("sub/train-b.ipynb", "sub/train-b-2.ipynb"):
        (project.root / "sub").mkdir(exist_ok=True)
        assert await ask(api, "slice/copy", name="b", notebook="sub/train.ipynb") == {"path": path}
        made = nbformat.read(project.root / path, as_version=4)
        assert [cell.source for cell in made.cells[1:]] == ["a = 1", "b = a + 1"]
    checked = await ask(api, "slice/check", name="b")
    assert checked["state"] == "done" and checked["result"] == "can't be told"  # made by hand: no digest


@pytest.mark.parametrize(
    ("what", "body", "status", "code"),
    [
        ("states", {"cells": [{"id": "x" * 300, "source": ""}]}, 422, "invalid-fields"),
        ("states", {"kernel": 7}, 422, "invalid-fields"),
        ("slice", {"name": ""}, 422, "invalid-fields"),
        ("slice", {"name": "nothing"}, 404, "not-found"),
        ("slice", {"name": "a", "kernel": "other"}, 404, "not-found"),
        ("slice", {"name": "a", "kernel": "other", "notebook": "../x.ipynb"}, 400, "path-outside-workspace"),
        ("slice/copy", {"name": "a", "notebook": "../../x.ipynb"}, 400, "path-outside-workspace"),
        ("slice/check", {"name": "nothing"}, 404, "not-found"),
    ],
)
async def test_mistakes_are_said(
    api: Api, three: Written, what: str, body: dict[str, Any], status: int, code: str
) -> None:
    assert (await ask(api, what, status, **body))["code"] == code


async def test_a_long_session_is_answered_quickly(api: Api, project: Workspace) -> None:
    written = Written(project)
    for number in range(300):
        written.run(f"c{number + 1}", f"v{number} = 1", reads=f"v{number - 1}" if number else "", writes=f"v{number}")
    for number in range(3000):
        written.run(f"c{number % 300 + 1}", f"v{number % 300} = 1", writes=f"v{number % 300}")
    now = cells(*(f"v{number} = 1" for number in range(300)))
    await ask(api, cells=now)
    began = time.perf_counter()
    found = await ask(api, cells=now)
    assert len(found["cells"]) == 300
    assert time.perf_counter() - began < 2  # 0.05 s on an idle machine


# -- with a kernel ---------------------------------------------------------------------------------------------------


@pytest.fixture
def workspace_variable(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MLOPS_WORKSPACE", raising=False)
    yield


async def run_cell(client: Any, cell_id: str, source: str) -> None:
    """Run a cell as JupyterLab does: with its id."""
    content = {
        "code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
    }  # fmt: skip
    message = client.session.msg("execute_request", content, metadata={"cellId": cell_id})
    client.shell_channel.send(message)
    while True:
        reply = await client.get_shell_msg(timeout=60)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            return


async def test_an_edit_of_cell_3_marks_5_and_9(
    api: Api, jp_serverapp: Any, project: Workspace, workspace_variable: None
) -> None:
    kernels = jp_serverapp.kernel_manager
    kernel = await kernels.start_kernel(path=project.root.name)
    client = kernels.get_kernel(kernel).client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        assert not (await ask(api, kernel=kernel))["recorded"]
        # The first cell of a kernel is recorded from where it loads the extension on.
        load = {"id": "load", "source": "%load_ext jupyter_mlops\nimport json"}
        await run_cell(client, load["id"], load["source"])
        for cell in cells(*NINE):
            await run_cell(client, cell["id"], cell["source"])
        found = await ask(api, kernel=kernel, cells=[load, *cells(*NINE)])
        assert {each["state"] for each in found["cells"]} == {"fresh"}
        # When
        edited = cells(*NINE[:2], "c = a + 5", *NINE[3:])
        found = await ask(api, kernel=kernel, cells=edited)
        # Then
        assert [each["cell_id"] for each in found["cells"] if each["state"] == "stale"] == ["c3", "c5", "c9"]
        assert found["order"] == ["c3", "c5", "c9"]
        for cell_id in found["order"]:
            await run_cell(client, cell_id, next(each["source"] for each in edited if each["id"] == cell_id))
        found = await ask(api, kernel=kernel, cells=edited)
        assert {each["state"] for each in found["cells"]} == {"fresh"}
        # The slice is the same when it runs alone.
        found = await ask(api, "slice", kernel=kernel, name="e", cells=edited)
        assert [each["cell_id"] for each in found["cells"]] == ["load", "c1", "c3", "c5"]
        began, state = time.monotonic(), {"state": "running"}
        while state["state"] == "running" and time.monotonic() - began < 120:
            state = await ask(api, "slice/check", kernel=kernel, name="e")
        assert state == {"state": "done", "result": "equal", "text": "Run alone it gives the same."}
        # A kernel that is started again has not run anything, whatever its id.
        await kernels.restart_kernel(kernel)
        found = await ask(api, kernel=kernel, cells=edited)
        assert not found["recorded"] and "restarted" in found["why"]
    finally:
        client.stop_channels()
        await asyncio.wait_for(kernels.shutdown_kernel(kernel, now=True), 30)
