"""What came of executions: a walk down the lineage graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select

from ..i18n import gettext as _
from ..i18n import ngettext
from ..lineage.service import LineageService
from ..lineage.types import Node
from ..store.database import database
from ..store.tables import CellRecordRow, EndpointRow
from ..workspace import Workspace
from .reading import plain_text, row_of
from .types import CellImpact, ExecutionLinks, Linked

#: The newest executions of a cell that are looked at.
_EXECUTIONS = 5000
#: What a summary names, in this order; of more than so many it says only how many.
_NAMED = 1


def links(workspace: Workspace, execution: str) -> ExecutionLinks:
    """Return what an execution led to, nearest first; other executions are left out."""
    with database(workspace).reading() as session:
        found = row_of(session, execution).id
    nodes = LineageService(workspace).reached("cell_execution", [found])
    return ExecutionLinks(execution=found, items=[each for each in _linked(workspace, nodes) if _is_thing(each)])


def impact(workspace: Workspace, notebook: str, cell_id: str) -> CellImpact:
    """Return what lives downstream of a cell."""
    row = CellRecordRow
    query = (
        select(row.id)
        .where(row.cell_id == plain_text(cell_id), row.notebook == plain_text(notebook))
        .order_by(row.started_at.desc())
        .limit(_EXECUTIONS)
    )
    with database(workspace).reading() as session:
        executions = list(session.scalars(query))
    found = _linked(workspace, LineageService(workspace).reached("cell_execution", executions) if executions else [])
    items = [each for each in found if _is_thing(each)]
    return CellImpact(
        notebook=notebook,
        cell_id=cell_id,
        summary=in_words(items),
        executions=len(executions),
        cells=[each for each in found if not _is_thing(each)],
        items=items,
    )


def _is_thing(linked: Linked) -> bool:
    return linked.kind != "cell_execution"


def _linked(workspace: Workspace, nodes: list[Node]) -> list[Linked]:
    return as_linked(nodes, answering(workspace, nodes))


def answering(workspace: Workspace, nodes: Iterable[Node]) -> dict[str, str | None]:
    """Return the endpoints among nodes that answer now, and the deployment that does."""
    names = {node.key for node in nodes if node.kind == "endpoint"}
    if not names:
        return {}
    query = select(EndpointRow.name, EndpointRow.deployment_id).where(
        EndpointRow.name.in_(names), EndpointRow.wanted == "running"
    )
    with database(workspace).reading() as session:
        return {row.name: row.deployment_id for row in session.execute(query)}


def as_linked(nodes: list[Node], answers: Mapping[str, str | None]) -> list[Linked]:
    """Say of endpoints and deployments among nodes that belong together whether they answer now."""
    deployments = {node.key for node in nodes if node.kind == "deployment"}
    now = {each for each in answers.values() if each} & deployments
    found = []
    for node in nodes:
        live = None
        if node.kind == "deployment":
            live = node.key in now
        elif node.kind == "endpoint":  # another model may answer there by now
            live = answers.get(node.key) in now
        found.append(Linked(kind=node.kind, key=node.key, label=node.label, live=live))
    return found


def in_words(items: list[Linked]) -> str:
    """Say it in words, what matters most first."""
    models = [each for each in items if each.kind == "model_version"]
    endpoints = [each for each in items if each.kind == "endpoint" and each.live]
    datasets = [each for each in items if each.kind == "dataset"]
    artifacts = [each for each in items if each.kind == "artifact"]
    runs = [each for each in items if each.kind == "run"]
    parts = [
        *_said(models, ngettext("{n} model version", "{n} model versions", len(models))),
        *_said(endpoints, ngettext("{n} endpoint", "{n} endpoints", len(endpoints)), named=0),
        *_said(datasets, ngettext("{n} dataset", "{n} datasets", len(datasets))),
        *_said(artifacts, ngettext("{n} output", "{n} outputs", len(artifacts))),
    ]
    if not parts:
        parts = list(_said(runs, ngettext("{n} run", "{n} runs", len(runs)), named=0))
    return _("feeds {things}").format(things=", ".join(parts)) if parts else ""


def _said(things: list[Linked], counted: str, named: int = _NAMED) -> Iterable[str]:
    if things:
        yield things[0].label if len(things) <= named else counted.format(n=len(things))
