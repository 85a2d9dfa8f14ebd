"""The states that the variables of a workspace's sessions were in, as any process can see them.

Going there is done in a kernel (``cells.timetravel.kernel``): variables are nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import NotFoundError
from ...i18n import gettext as _
from ...workspace import Workspace
from ..blobs import BlobStore
from ..service import CellService
from .states import Pair, State, States, load_states, states_folder

if TYPE_CHECKING:
    from .types import VariableState, VariableStates


class TimeTravelService:
    """The states of one workspace's sessions. Cheap to construct; may be used from several threads."""

    def __init__(self, workspace: Workspace):
        self._workspace = workspace

    def states(self, *, notebook: str = "", session: str = "") -> VariableStates:
        """Return the states of a session, or of the newest one of a notebook, oldest first; empty where none are kept.

        Raises :class:`MlopsError` where they can't be read.
        """
        from .types import VariableStates

        name = session or (CellService(self._workspace).newest_session(notebook) if notebook else "")
        try:
            states = load_states(self._workspace, name)
        except NotFoundError:
            return VariableStates(session="", items=[])
        path = {each.id for each in states.path(states.all[states.here])} if states.here in states.all else set()
        store = _Store(states, BlobStore(states_folder(self._workspace) / "blobs"))
        return VariableStates(session=name, items=[_shown(each, states, path, store) for each in states.all.values()])


class _Store:
    """Which variables are in the store."""

    def __init__(self, states: States, blobs: BlobStore):
        self._states = states
        self._blobs = blobs
        self._known: dict[frozenset[Pair], str] = {}

    def why_not(self, pairs: frozenset[Pair]) -> str:
        """Return why variables that share objects are not there; empty: they are."""
        if pairs not in self._known:
            kept = any(all(blob in self._blobs for blob in each.blobs) for each in self._states.of(pairs))
            why = next((why for pair in sorted(pairs) if (why := self._states.not_kept.get(pair))), "")
            self._known[pairs] = "" if kept else why or _("it is no longer in the store")
        return self._known[pairs]


def _shown(state: State, states: States, path: set[str], store: _Store) -> VariableState:
    from .types import VariableState

    before = states.all.get(state.parent)
    old = before.names if before else {}
    return VariableState(
        id=state.id,
        session=state.session,
        parent=state.parent,
        count=state.count,
        title=state.title,
        at=state.at,
        here=state.id == states.here,
        on_branch=state.id in path,
        variables=len(state.names),
        changed=sorted(name for name, token in state.names.items() if old.get(name) != token),
        deleted=sorted(name for name in old if name not in state.names),
        to_make={name: why for name in sorted(state.names) if (why := store.why_not(state.pairs(state.group(name))))},
    )
