"""What lives downstream of each cell of a notebook, and from which code of the cell it came."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

from sqlalchemy import select

from ..lineage.service import LineageService
from ..lineage.types import Node
from ..store.database import database
from ..store.tables import CellRecordRow
from ..workspace import Workspace
from .impact import answering, as_linked, in_words
from .origin_types import CellFeeds, NotebookImpact
from .reading import plain_text, sources

#: The newest executions of a notebook that are looked at.
_EXECUTIONS = 5000
#: Texts of one cell that are told.
_CODES = 10
Name = tuple[str, str]


def notebook_impact(workspace: Workspace, notebook: str) -> NotebookImpact:
    """Return the cells of a notebook that something came of."""
    row = CellRecordRow
    query = (
        select(row.id, row.cell_id, row.source_hash)
        .where(row.notebook == plain_text(notebook), row.cell_id != "")
        .order_by(row.started_at.desc())
        .limit(_EXECUTIONS)
    )
    with database(workspace).reading() as session:
        executions = [(key, cell, code) for key, cell, code in session.execute(query)]
    nodes, edges = LineageService(workspace).below("cell_execution", [key for key, _cell, _code in executions])
    answers = answering(workspace, nodes.values())
    after: dict[Name, list[Name]] = defaultdict(list)
    for edge in edges:
        after[edge.source_kind, edge.source_key].append((edge.target_kind, edge.target_key))
    by_cell: dict[str, dict[str, list[Name]]] = defaultdict(lambda: defaultdict(list))
    for key, cell, code in executions:
        if ("cell_execution", key) in nodes:
            by_cell[cell][code].append(("cell_execution", key))
    found = [_feeds(cell, codes, after, nodes, answers) for cell, codes in by_cell.items()]
    feeds = [each for each in found if each.items]
    texts = sources(workspace, [code for each in feeds for code in each.code])
    for each in feeds:
        each.code = [texts[code] for code in each.code[:_CODES] if code in texts]
    return NotebookImpact(notebook=notebook, items=feeds)


def _feeds(
    cell: str,
    codes: Mapping[str, list[Name]],
    after: Mapping[Name, list[Name]],
    nodes: Mapping[Name, Node],
    answers: Mapping[str, str | None],
) -> CellFeeds:
    """Say what came of a cell; ``code`` has hashes yet."""
    things = {code: as_linked(_reached(starts, after, nodes), answers) for code, starts in codes.items()}
    items = as_linked(_reached([start for starts in codes.values() for start in starts], after, nodes), answers)
    live = [code for code, linked in things.items() if any(each.live for each in linked)]
    return CellFeeds(
        cell_id=cell,
        summary=in_words(items),
        items=items,
        live=bool(live),
        code=live or [code for code, linked in things.items() if linked],
    )


def _reached(starts: Iterable[Name], after: Mapping[Name, list[Name]], nodes: Mapping[Name, Node]) -> list[Node]:
    """Return what came of executions, nearest first; other executions are left out."""
    seen = dict.fromkeys(starts)
    waiting = deque(seen)
    while waiting:
        for name in after.get(waiting.popleft(), ()):
            if name not in seen:
                seen[name] = None
                waiting.append(name)
    return [nodes[name] for name in seen if name[0] != "cell_execution" and name in nodes]
