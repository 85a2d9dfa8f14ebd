"""Where results come from, and what the cells of a notebook lead to: services and routes."""

from __future__ import annotations

import pytest

from jupyter_mlops.cells.service import CellService
from jupyter_mlops.errors import NotFoundError
from jupyter_mlops.lineage.service import LineageService, made_in
from jupyter_mlops.workspace import Workspace
from tests.extension.conftest import Api, api, jp_server_config, project

from .test_cell_routes import get, probe_routes
from .test_cells import Story, ids, serve

__all__ = ["api", "jp_server_config", "probe_routes", "project"]


def test_the_impact_of_a_whole_notebook_names_the_code_behind_what_answers(project: Workspace) -> None:
    story, cells = Story(project), CellService(project)
    cells.refresh()
    serve(project, "r1", "delay/3", "d1", "delay", answers=True)
    # When all cells of the notebook are asked for at once
    found = {each.cell_id: each for each in cells.notebook_impact("train.ipynb").items}
    # Then each says what it says alone
    for cell, each in found.items():
        alone = cells.impact("train.ipynb", cell)
        assert each.summary == alone.summary
        assert {(item.kind, item.key, item.live) for item in each.items} == {
            (item.kind, item.key, item.live) for item in alone.items
        }
    # And of a cell that ran with two texts, the one that led to the endpoint is told
    assert found["depth"].live and found["depth"].code == [story.depth["source"]]
    assert story.deeper["source"] != story.depth["source"]
    assert found["fit"].summary == "feeds delay/3, 1 endpoint"
    # And of one that led only to a run that nothing serves
    assert "after" not in found
    other = {each.cell_id: each for each in cells.notebook_impact("make.ipynb").items}
    assert set(other) == {"load", "save"} and other["load"].live
    assert cells.notebook_impact("none.ipynb").items == []


def test_without_an_endpoint_every_text_that_led_to_something_counts(project: Workspace) -> None:
    story, cells = Story(project), CellService(project)
    found = {each.cell_id: each for each in cells.notebook_impact("train.ipynb").items}
    assert not found["depth"].live
    assert set(found["depth"].code) == {story.depth["source"], story.deeper["source"]}


def test_the_origin_of_an_output_goes_back_to_its_files_through_both_notebooks(project: Workspace) -> None:
    story, cells = Story(project), CellService(project)
    found = cells.origin(story.fit["id"])
    assert found.execution.id == story.fit["id"]
    assert ids_of(found.upstream) == ids(story.load, story.save, story.read, story.depth, story.scale)
    assert found.more == 0
    assert [(each.name, each.version, each.execution, each.written) for each in found.sources] == [
        ("f.parquet", "d1", story.read["id"], True)
    ]
    assert [(each.kind, each.key) for each in found.items] == [("run", "r1")]
    # When nothing is behind it
    assert cells.origin(story.load["id"]).upstream == []
    with pytest.raises(NotFoundError):
        cells.origin("0" * 32)


def test_a_deployed_model_leads_to_the_cells_that_made_it(project: Workspace) -> None:
    story, cells = Story(project), CellService(project)
    cells.refresh()
    serve(project, "r1", "delay/3", "d1", "delay", answers=True)
    LineageService(project).record([], [made_in(story.plot["id"], "deployment", "d1")])
    # The run alone, then what was made of it
    assert ids_of(cells.made_in("run", "r1")) == ids(story.fit)
    assert ids_of(cells.made_in("model_version", "delay/3")) == ids(story.fit)
    assert ids_of(cells.made_in("endpoint", "delay")) == ids(story.plot, story.fit)
    assert cells.made_in("endpoint", "none") == []


def ids_of(items: list[object]) -> list[str]:
    return [each.id for each in items]  # type: ignore[attr-defined]


async def test_over_http(api: Api, project: Workspace) -> None:
    story = Story(project)
    where = "workspace=fl%C3%BCge%202013"
    feeds = await get(api, f"/cells/impact/notebook?{where}&notebook=train.ipynb")
    assert "fit" in {each["cell_id"] for each in feeds["items"]}
    origin = await get(api, f"/cells/executions/{story.fit['id'][:12]}/origin?{where}")
    assert origin["upstream"][0]["id"] == story.load["id"]
    made = await get(api, f"/cells/made-in?{where}&kind=run&key=r1")
    assert [each["cell_id"] for each in made["items"]] == ["fit"]
    for path, status in (
        (f"/cells/impact/notebook?{where}", 422),
        (f"/cells/executions/none/origin?{where}", 404),
        (f"/cells/made-in?{where}&kind=prediction&key=x", 422),
    ):
        assert (await api("GET", path)).status == status
