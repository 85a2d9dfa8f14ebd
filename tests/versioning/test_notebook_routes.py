"""Versions of notebooks in a real Jupyter server: made by saving, looked at and brought back over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_mlops.workspace import Workspace
from tests.extension.conftest import Api, Reply, api, jp_server_config, project

from .notebooks import cell, notebook, plain

__all__ = ["api", "jp_server_config", "project"]

FOLDER = "flüge 2013"


@pytest.fixture
def probe_routes() -> None:
    """All areas' routes, as they are."""


def query(path: str = "a.ipynb", **values: Any) -> str:
    pairs = {"path": path, "workspace": FOLDER, **values}
    return "?" + "&".join(f"{key}={quote(str(value))}" for key, value in pairs.items())


class Jupyter:
    """The notebook's side: Jupyter's own contents service."""

    def __init__(self, fetch: Any):
        self._fetch = fetch

    async def save(self, content: dict[str, Any], path: str = "a.ipynb") -> dict[str, Any]:
        model = {"type": "notebook", "format": "json", "content": content}
        return await self._request("PUT", path, model)

    async def open(self, path: str = "a.ipynb") -> dict[str, Any]:
        return await self._request("GET", path)

    async def rename(self, path: str, new: str) -> None:
        await self._request("PATCH", path, {"path": f"{FOLDER}/{new}"})

    async def delete(self, path: str) -> None:
        await self._request("DELETE", path)

    async def _request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        parts = f"{FOLDER}/{path}".split("/")  # jp_fetch quotes them
        options = {"body": json.dumps(body)} if body is not None else {}
        reply = await self._fetch("api", "contents", *parts, method=method, **options)
        found: dict[str, Any] = json.loads(reply.body) if reply.body else {}
        return found


@pytest.fixture
def jupyter(jp_fetch: Any, project: Workspace) -> Jupyter:
    return Jupyter(jp_fetch)


async def versions(api: Api, count: int, path: str = "a.ipynb") -> list[dict[str, Any]]:
    """Return a notebook's versions when there are as many."""
    end = time.monotonic() + 20
    while True:
        reply = await api("GET", "/versioning/notebook/versions" + query(path))
        assert reply.status == 200, reply.body
        items: list[dict[str, Any]] = reply.body["items"]
        if len(items) >= count:
            return items
        assert time.monotonic() < end, items
        await asyncio.sleep(0.05)


async def restore(api: Api, version: str, path: str = "a.ipynb") -> Reply:
    return await api(
        "POST", f"/versioning/notebook/restore?workspace={quote(FOLDER)}", json_body={"path": path, "version": version}
    )


async def test_each_save_in_jupyter_is_a_version(api: Api, jupyter: Jupyter, project: Workspace) -> None:
    await jupyter.save(notebook(cell(1, "x = 1")))
    await versions(api, 1)
    await jupyter.save(notebook(cell(1, "x = 2", "2\n")))
    await jupyter.save(notebook(cell(1, "x = 2", "2\n")))
    items = await versions(api, 2)
    assert [item["cause"] for item in items] == ["save", "save"]
    assert items[0]["changes"]["edited"] == [1]
    text = await api("GET", f"/versioning/notebook/versions/{items[0]['id']}/text" + query())
    assert text.body["content"].encode() == (project.root / "a.ipynb").read_bytes()
    one = await api("GET", f"/versioning/notebook/versions/{items[1]['id']}" + query())
    assert one.body == items[1]


async def test_restore_goes_through_the_contents_manager_and_is_undone(
    api: Api, jupyter: Jupyter, project: Workspace, jp_serverapp: Any
) -> None:
    await jupyter.save(notebook(cell(1, "x = 1")))
    await versions(api, 1)
    await jupyter.save(notebook(cell(1, "x = 2")))
    items = await versions(api, 2)
    saved: list[str] = []
    jp_serverapp.contents_manager.register_post_save_hook(lambda os_path, **_rest: saved.append(os_path))

    reply = await restore(api, items[1]["id"])

    assert reply.status == 200, reply.body
    assert reply.body["before"] == items[0]["id"]
    assert [Path(path).name for path in saved] == ["a.ipynb"]
    assert (await jupyter.open())["content"]["cells"][0]["source"] == "x = 1"
    assert [item["cause"] for item in await versions(api, 3)] == ["restore", "save", "save"]
    page = (await api("GET", "/versioning/notebook/versions" + query())).body
    assert page["current"] == page["items"][0]["id"]
    await restore(api, reply.body["before"])
    assert (await jupyter.open())["content"]["cells"][0]["source"] == "x = 2"
    await asyncio.sleep(0.5)  # the saves of the restores are reported, and are no versions of their own
    assert len(await versions(api, 4)) == 4


async def test_a_corrupt_state_is_restored_past_the_contents_manager(
    api: Api, jupyter: Jupyter, project: Workspace
) -> None:
    file = project.root / "a.ipynb"
    file.write_bytes(b"<<<<<<< HEAD")
    kept = await api(
        "POST",
        f"/versioning/notebook/versions?workspace={quote(FOLDER)}",
        json_body={"path": "a.ipynb", "cause": "manual"},
    )
    assert kept.status == 200, kept.body
    await jupyter.save(notebook(cell(1, "good")))
    await versions(api, 2)
    assert (await restore(api, kept.body["id"])).status == 200
    assert file.read_bytes() == b"<<<<<<< HEAD"


async def test_what_was_changed_outside_is_kept_when_it_is_opened(
    api: Api, jupyter: Jupyter, project: Workspace
) -> None:
    (project.root / "a.ipynb").write_bytes(plain("pulled = True"))
    await jupyter.open()
    (item,) = await versions(api, 1)
    assert item["cause"] == "open"
    for _ in range(3):
        await jupyter.open()
    await jupyter.save(notebook(cell(0, "pulled = False")))
    items = await versions(api, 2)
    assert [each["cause"] for each in items] == ["save", "open"]


async def test_the_history_follows_a_rename_and_outlives_a_deletion(
    api: Api, jupyter: Jupyter, project: Workspace
) -> None:
    await jupyter.save(notebook(cell(1, "x")), "old name.ipynb")
    await versions(api, 1, "old name.ipynb")
    await jupyter.rename("old name.ipynb", "neu ü.ipynb")
    items = await versions(api, 2, "neu ü.ipynb")
    assert [(item["cause"], item["path"]) for item in items] == [("rename", "neu ü.ipynb"), ("save", "old name.ipynb")]
    await jupyter.delete("neu ü.ipynb")
    gone = (await api("GET", f"/versioning/notebooks?deleted=true&workspace={quote(FOLDER)}")).body["items"]
    assert [(each["path"], each["exists"]) for each in gone] == [("neu ü.ipynb", False)]
    assert (await restore(api, gone[0]["newest"], "neu ü.ipynb")).status == 200
    assert (project.root / "neu ü.ipynb").is_file()


async def test_what_the_browser_shows_is_kept_after_an_execution(
    api: Api, jupyter: Jupyter, project: Workspace
) -> None:
    await jupyter.save(notebook(cell(1, "x")))
    await versions(api, 1)
    content = notebook(cell(1, "x", "1\n"))
    body = {"path": "a.ipynb", "content": content, "execution_id": "e1"}
    address = f"/versioning/notebook/versions?workspace={quote(FOLDER)}"
    first = await api("POST", address, json_body=body)
    assert (first.status, first.body["cause"], first.body["execution_ids"]) == (200, "execution", ["e1"])
    # Saving that same state afterwards is no version of its own.
    await jupyter.save(content)
    await asyncio.sleep(0.5)
    assert (await versions(api, 2))[0]["id"] == first.body["id"]
    page = (await api("GET", "/versioning/notebook/versions" + query())).body
    assert page["current"] == first.body["id"]


async def test_names_filters_pages_diff_and_copy(api: Api, jupyter: Jupyter, project: Workspace) -> None:
    for number in range(3):
        await jupyter.save(notebook(cell(1, f"x = {number}")))
        items = await versions(api, number + 1)
    oldest = items[-1]["id"]
    named = await api("PUT", f"/versioning/notebook/versions/{oldest}/name" + query(), json_body={"name": "the first"})
    assert (named.status, named.body["name"]) == (200, "the first")
    for values, count in (
        ({"named": "true"}, 1),
        ({"search": "FIRST"}, 1),
        ({"search": "x = 1"}, 1),
        ({"cause": "open"}, 0),
    ):
        found = (await api("GET", "/versioning/notebook/versions" + query(**values))).body
        assert len(found["items"]) == count, values
    page = (await api("GET", "/versioning/notebook/versions" + query(max_results=2))).body
    rest = (await api("GET", "/versioning/notebook/versions" + query(page_token=page["next_page_token"]))).body
    assert [item["id"] for item in [*page["items"], *rest["items"]]] == [item["id"] for item in items]
    diff = (await api("GET", "/versioning/notebook/diff" + query(base=oldest))).body
    assert [line["text"] for line in diff["cells"][0]["lines"]] == ["x = 0", "x = 2"]
    copied = await api(
        "POST", f"/versioning/notebook/copy?workspace={quote(FOLDER)}", json_body={"path": "a.ipynb", "version": oldest}
    )
    assert (await jupyter.open(copied.body["path"]))["content"]["cells"][0]["source"] == "x = 0"


@pytest.mark.parametrize(
    ("method", "address", "body", "status"),
    [
        ("GET", "/versioning/notebook/versions" + query("../x.ipynb"), None, 400),
        ("GET", "/versioning/notebook/versions" + query("notes.txt"), None, 400),
        ("GET", "/versioning/notebook/versions" + query(cause="never"), None, 422),
        ("GET", "/versioning/notebook/diff" + query(base="HEAD"), None, 422),
        ("GET", "/versioning/notebook/diff" + query(base="20200101-000000-000000"), None, 404),
        ("GET", "/versioning/notebook/versions/--all/text" + query(), None, 404),
        ("PUT", "/versioning/notebook/versions/20200101-000000-000000/name" + query(), {"name": "x"}, 404),
        ("POST", f"/versioning/notebook/restore?workspace={quote(FOLDER)}", {"path": "a.ipynb", "version": "x"}, 422),
        ("POST", f"/versioning/notebook/versions?workspace={quote(FOLDER)}", {"path": "gone.ipynb"}, 404),
        ("POST", f"/versioning/notebook/versions?workspace={quote(FOLDER)}", {"path": "a.ipynb", "content": {}}, 400),
        (
            "POST",
            f"/versioning/notebook/versions?workspace={quote(FOLDER)}",
            {"path": "../out.ipynb", "content": notebook()},
            400,
        ),
    ],
)
async def test_what_can_not_be_is_refused(
    api: Api, project: Workspace, method: str, address: str, body: Any, status: int
) -> None:
    (project.root / "a.ipynb").write_bytes(plain("x"))
    reply = await api(method, address, json_body=body)
    assert reply.status == status, reply.body
    assert reply.body["what"] and reply.body["code"] != "internal"


async def test_a_save_outside_of_workspaces_and_a_broken_git_change_nothing(
    api: Api, jp_fetch: Any, jp_root_dir: Path, jupyter: Jupyter, project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"type": "notebook", "format": "json", "content": notebook(cell(1, "x"))})
    reply = await jp_fetch("api", "contents", "plain.ipynb", method="PUT", body=body)
    assert reply.code in (200, 201)
    monkeypatch.setenv("PATH", "/nonexistent")
    await jupyter.save(notebook(cell(1, "x")))
    assert (project.root / "a.ipynb").is_file()
    listed = await api("GET", "/versioning/notebook/versions" + query())
    assert (listed.status, listed.body["items"]) == (200, [])
    assert "git is not installed" in listed.body["not_kept"]
    kept = await api("POST", f"/versioning/notebook/versions?workspace={quote(FOLDER)}", json_body={"path": "a.ipynb"})
    assert (kept.status, kept.body["code"]) == (501, "missing-program")
