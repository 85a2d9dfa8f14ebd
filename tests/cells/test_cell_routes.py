"""The record of cells over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from jupyter_mlops.workspace import Workspace
from tests.extension.conftest import Api, api, jp_server_config, project

from .test_cells import Story

__all__ = ["api", "jp_server_config", "project"]


@pytest.fixture
def probe_routes() -> None:
    """All areas' routes, as they are."""


@pytest.fixture
def story(project: Workspace) -> Story:
    return Story(project)


async def get(api: Api, path: str) -> Any:
    reply = await api("GET", path)
    assert reply.status == 200, reply.body
    return reply.body


async def test_lists_are_paged_and_narrowed(api: Api, story: Story) -> None:
    first = await get(api, "/cells/executions?workspace=fl%C3%BCge%202013&notebook=train.ipynb&max_results=4")
    assert first["items"][0]["id"] == story.after["id"]
    token = quote(first["next_page_token"])
    rest = await get(api, f"/cells/executions?workspace=fl%C3%BCge%202013&notebook=train.ipynb&page_token={token}")
    assert (len(first["items"]), len(rest["items"]), rest["next_page_token"]) == (4, 3, "")
    found = await get(api, "/cells/executions?workspace=fl%C3%BCge%202013&run_id=r1")
    assert [each["cell_id"] for each in found["items"]] == ["fit"]


@pytest.mark.parametrize(
    ("narrowed", "cells"),
    [
        ("search=FIT%28X,%20DEPTH", ["fit", "fit"]),
        ("search=%25", []),  # a sign of the query language is a letter like any other
        ("status=failed", []),
        ("status=succeeded&search=fit%28&notebook=make.ipynb", []),
    ],
)
async def test_lists_are_searched_by_source_and_status(api: Api, story: Story, narrowed: str, cells: list[str]) -> None:
    found = await get(api, f"/cells/executions?workspace=fl%C3%BCge%202013&{narrowed}")
    assert [each["cell_id"] for each in found["items"]] == cells


async def test_one_execution_with_all_that_is_known(api: Api, story: Story) -> None:
    found = await get(api, f"/cells/executions/{story.fit['id']}?workspace=fl%C3%BCge%202013")
    assert found["source"] == "fit(x, depth)"
    assert found["reads"]["x"] == "k5:x"
    links = await get(api, f"/cells/executions/{story.fit['id']}/links?workspace=fl%C3%BCge%202013")
    assert links["items"] == [{"kind": "run", "key": "r1", "label": "r1", "live": None}]
    producers = await get(api, f"/cells/executions/{story.fit['id'][:12]}/producers?workspace=fl%C3%BCge%202013")
    assert [each["cell_id"] for each in producers["items"]] == ["depth", "scale"]


async def test_sessions_and_impact(api: Api, story: Story) -> None:
    sessions = await get(api, "/cells/sessions?workspace=fl%C3%BCge%202013")
    assert [(each["notebook"], each["executions"]) for each in sessions["items"]] == [
        ("train.ipynb", 7),
        ("make.ipynb", 3),
    ]
    impact = await get(api, "/cells/impact?workspace=fl%C3%BCge%202013&notebook=make.ipynb&cell_id=load")
    assert impact["summary"] == "feeds 2 runs"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/cells/executions/none?workspace=fl%C3%BCge%202013", 404, "not-found"),
        ("/cells/executions/..%2F..%2Fetc?workspace=fl%C3%BCge%202013", 404, "not-found"),
        ("/cells/executions/none/links?workspace=fl%C3%BCge%202013", 404, "not-found"),
        ("/cells/executions/none/producers?workspace=fl%C3%BCge%202013", 404, "not-found"),
        ("/cells/executions?workspace=fl%C3%BCge%202013&page_token=x", 400, "invalid-input"),
        ("/cells/executions?workspace=fl%C3%BCge%202013&status=well", 422, "invalid-fields"),
        ("/cells/sessions?workspace=fl%C3%BCge%202013&page_token=x", 400, "invalid-input"),
        ("/cells/impact?workspace=fl%C3%BCge%202013", 422, "invalid-fields"),
    ],
)
async def test_what_is_not_there_is_said(api: Api, story: Story, path: str, status: int, code: str) -> None:
    reply = await api("GET", path)
    assert (reply.status, reply.body["code"]) == (status, code)
