"""Questions about a notebook that is open: how its cells stand to what its kernel ran, and what made a value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import MlopsError, NotFoundError
from ..i18n import gettext as _
from ..workspace import Workspace
from .cell_states import CellState
from .live_sessions import keep_bounded, live_session, records_of, session_of_kernel
from .live_types import (
    CellStanding,
    CellStandings,
    Leftover,
    LiveCell,
    LiveSlice,
    SliceCheckState,
    SliceCopy,
    SlicePart,
    SliceQuestion,
    StandingQuestion,
)
from .slice_checks import checks
from .slice_text import check_line, slice_notes, write_notebook
from .slice_things import thing
from .slicing import Slice, slice_of, target_of
from .stale_document import Document
from .staleness import run_order

if TYPE_CHECKING:
    from .record import Execution

#: Names that are offered for a slice.
_MOST_NAMES = 2000
_MOST_COPIES = 1000


def standings(workspace: Workspace, asked: StandingQuestion) -> CellStandings:
    """Say how the cells stand. A kernel that is not recorded is an answer, with why and what to do."""
    head = session_of_kernel(workspace, asked.kernel) if asked.kernel else None
    if head is None or head.is_gone():
        return _not_recorded(workspace, was=head is not None)
    session = live_session(workspace, head)
    root = workspace.root
    with session.lock:
        session.read_on()
        keep_bounded()
        if session.ended:
            return _unrecorded(
                _("Recording was stopped in this kernel."), _("Restart the kernel, then %load_ext jupyter_mlops.")
            )
        document = Document(
            [(cell.id, cell.source) for cell in asked.cells],
            session.past,
            file=lambda path: session.digests.of(str(root / path)),
        )
        states = document.states()
        left = document.leftovers()
        names = [name for name in session.past.versions if not name.startswith("_")]
    return CellStandings(
        recorded=True,
        why="",
        next="",
        startable=False,
        session=head.session,
        cells=[_standing(state) for state in states],
        order=[state.cell_id for state in run_order(states, asked.only or None)],
        leftovers=[Leftover(name=name, made=made) for name, made in left.items()],
        names=sorted(names)[:_MOST_NAMES],
    )


def _standing(state: CellState) -> CellStanding:
    return CellStanding(
        cell_id=state.cell_id,
        state=state.state,
        edited=state.edited,
        reasons=state.reasons,
        hidden=state.hidden,
        execution=state.execution,
        count=state.count,
    )


def _not_recorded(workspace: Workspace, *, was: bool) -> CellStandings:
    try:
        wanted = workspace.config.cells.record
    except MlopsError as error:  # a mistake in mlops.toml: recording does not begin then
        return _unrecorded(_("The cells of this kernel are not recorded: {error}").format(error=error.what), error.next)
    if not wanted:
        return _unrecorded(
            _("The cells of this kernel are not recorded: [cells] record is false in mlops.toml."),
            _("Set it to true and restart the kernel."),
        )
    why = (
        _("The kernel was restarted, and what it runs since is not recorded.")
        if was
        else _("The cells of this kernel are not recorded.")
    )
    return _unrecorded(
        why,
        _("%load_ext jupyter_mlops records them from then on; [cells] every_kernel = true in mlops.toml, always."),
        startable=True,
    )


def _unrecorded(why: str, what_next: str, *, startable: bool = False) -> CellStandings:
    return CellStandings(
        recorded=False,
        why=why,
        next=what_next,
        startable=startable,
        session="",
        cells=[],
        order=[],
        leftovers=[],
        names=[],
    )


# -- slices ----------------------------------------------------------------------------------------------------------


def live_slice(workspace: Workspace, asked: SliceQuestion) -> LiveSlice:
    """Say what made something. Raises :class:`NotFoundError` where nothing is recorded, or nothing of that name."""
    session, found, recorded = _slice(workspace, asked)
    return LiveSlice(
        kind=found.target.kind,
        name=found.target.name,
        session=session,
        recorded=recorded,
        cells=[
            SlicePart(
                execution=each.execution["id"],
                cell_id=each.execution.get("cell_id", ""),
                count=each.execution.get("count", 0),
                title=each.title,
                why=each.why,
                cell=each.cell,
            )
            for each in found.cells
        ],
        notes=slice_notes(found),
    )


def copy_slice(workspace: Workspace, asked: SliceQuestion) -> SliceCopy:
    """Write a slice to a new notebook beside the notebook. Raises as :func:`live_slice`, and where that can't be."""
    _session, found, _recorded = _slice(workspace, asked)
    folder, _slash, name = asked.notebook.rpartition("/")
    stem = name.removesuffix(".ipynb") or _("notebook")
    what = re.sub(r"[^\w.-]+", "-", found.target.name.rpartition("/")[2])[:40].strip("-.") or "slice"
    for number in range(_MOST_COPIES):
        again = f"-{number + 1}" if number else ""
        path = workspace.resolve(f"{folder}/{stem}-{what}{again}.ipynb".lstrip("/"))
        if not path.exists():
            break
    write_notebook(found, path)
    return SliceCopy(path=workspace.relative(path))


def check_slice_alone(workspace: Workspace, asked: SliceQuestion) -> SliceCheckState:
    """Run a slice alone, or see what came of it: the same question begins it, waits for it, and gets its result."""
    session, found, _recorded = _slice(workspace, asked)
    checked = checks.answer(workspace, session, found)
    if checked is None:
        return SliceCheckState(state="running", result="", text=_("It runs alone, in a kernel of its own."))
    return SliceCheckState(state="done", result=checked.result, text=check_line(checked))


def _slice(workspace: Workspace, asked: SliceQuestion) -> tuple[str, Slice, int]:
    if made := thing(workspace, asked.name):
        found = slice_of(made.records, made.target, cells=_pairs(asked.cells))
        found.doubts += made.notes
        return made.session, found, len(made.records)
    session, records = _records(workspace, asked)
    if not records:
        raise NotFoundError(
            _("No execution of a cell of this notebook is recorded."),
            next=_("Run the cells that make {name} after %load_ext jupyter_mlops.").format(name=asked.name[:80]),
        )
    found = slice_of(records, target_of(records, asked.name), cells=_pairs(asked.cells))
    return session, found, len(records)


def _records(workspace: Workspace, asked: SliceQuestion) -> tuple[str, Sequence[Execution]]:
    head = session_of_kernel(workspace, asked.kernel) if asked.kernel else None
    if head is not None:
        return head.session, records_of(workspace, head.session)
    if not asked.notebook:
        return "", []
    from .service import CellService

    service = CellService(workspace)
    session = service.newest_session(workspace.relative(asked.notebook))
    ended = [record for record in service.record_of_session(session) if record["status"] != "running"]
    return session, ended if session else []


def _pairs(cells: Sequence[LiveCell]) -> list[tuple[str, str]]:
    return [(cell.id, cell.source) for cell in cells]
