"""The plan of a headless notebook: which cells are taken from the cache, asked in its kernel cell by cell.

What was done is written to each cell's metadata (``mlops.action``: ``ran``, ``cached``, ``replayed``; ``mlops.why``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..engine.planning import PlanBrokenError, RunSilently, SilentCodeError, Skip
from ..errors import MlopsError
from ..i18n import gettext as _
from .blobs import BlobStore
from .entries import Entries, cache_folder
from .shown import readers

if TYPE_CHECKING:
    from ..engine.attempt import AttemptRequest
    from ..workspace import Workspace

log = logging.getLogger("jupyter_mlops.notebook")

_KERNEL = "__import__('jupyter_mlops.cells.cache_kernel', fromlist=['_'])"
_SAID = {"run": "ran", "replay": "replayed", "take": "cached", "start over": "ran"}
#: Larger outputs are not kept: their cell is run again.
_OUTPUTS_LIMIT = 32 * 1024 * 1024


class CachePlanner:
    """Plans one execution (:class:`~jupyter_mlops.engine.planning.Planner`)."""

    def __init__(self, workspace: Workspace):
        self._blobs = BlobStore(cache_folder(workspace) / "blobs")
        self._entries = Entries(cache_folder(workspace) / "entries")
        self._limit = int(workspace.config.cells.cache_gb * 1e9)
        #: Cells before the present one, for the case that all have to run again.
        self._earlier: list[str] = []
        self._on: bool | None = None
        self._taken = False
        #: Cells to come that read outputs by their number, and so need those above to have run.
        self._readers: list[str] = []

    def begin(self, cells: Sequence[Any]) -> None:
        """Find the cells that read what others showed."""
        sources = [str(cell.source) for cell in cells]
        self._readers = [sources[place] for place in readers(sources)]

    def before(self, index: int, cell: Any, run: RunSilently) -> Skip | None:
        """Take a cell's results from the cache, or have what it reads put back."""
        source = str(cell.source)
        if self._on is None:
            self._on = self._begin(run)
        if not self._on:
            return None
        try:
            decision = self._decide(cell, run, needed=bool(self._readers))
        except SilentCodeError as error:
            self._on = False
            if self._taken:  # what was taken lies in the store, and nobody would put it back
                raise PlanBrokenError(
                    _("The cell cache can't be asked any more, and cells above were taken from it: {error}").format(
                        error=error
                    )
                ) from error
            raise
        if decision["action"] == "fail":
            raise PlanBrokenError(
                _(
                    "What the cell cache had kept can't be read: {why} Run the notebook again: its cells run anew, "
                    "from the first of which something is lost."
                ).format(why=decision["why"])
            )
        if decision["action"] == "start over":
            self._start_over(decision["why"], run)
        skip = self._outputs(decision) if decision["action"] == "take" else None
        self._taken |= skip is not None
        self._earlier.append(source)
        if source in self._readers:
            self._readers.remove(source)
        _note(cell, _SAID[decision["action"]], decision["why"], decision["execution"])
        log.info("cell %s: %s%s", index, _SAID[decision["action"]], f" ({decision['why']})" if decision["why"] else "")
        return skip

    def after(self, index: int, cell: Any, succeeded: bool, run: RunSilently) -> None:
        """Keep what a cell made."""
        if not self._on or not succeeded:
            return
        text = json.dumps(cell.outputs).encode()
        if len(text) > _OUTPUTS_LIMIT:
            return
        try:
            digest = self._blobs.put(text)
        except MlopsError as error:
            log.info("cell %s: its outputs were not kept: %s", index, error)
            return
        why_not = run("", value=f"{_KERNEL}.after({digest!r})")
        if why_not:
            cell.metadata.setdefault("mlops", {})["not_kept"] = why_not[:500]
            log.info("cell %s: not kept: %s", index, why_not[:500])

    def _begin(self, run: RunSilently) -> bool:
        try:
            if self._blobs.collect(max_bytes=self._limit).removed:
                self._entries.prune(lambda digest: digest in self._blobs)
        except MlopsError as error:
            log.info("the cache was not made smaller: %s", error)
        why_not = run("", value=f"{_KERNEL}.begin()")
        if why_not:
            log.info("no cache: %s", why_not)
        return not why_not

    def _decide(self, cell: Any, run: RunSilently, *, needed: bool) -> dict[str, str]:
        why = _("a cell reads outputs by their number: it and those above run") if needed else ""
        asking = f"{_KERNEL}.before({str(cell.source)!r}, {str(cell.get('id', ''))!r}, {why!r})"
        found: dict[str, str] = json.loads(run("", value=asking))
        return found

    def _outputs(self, decision: dict[str, str]) -> Skip:
        from nbformat import from_dict

        if not decision["outputs"]:
            return Skip(execution_count=int(decision["count"]) or None)
        try:
            outputs = json.loads(bytes(self._blobs.get(decision["outputs"])))
        except MlopsError as error:  # the kernel has just read them
            raise PlanBrokenError(
                _("Outputs in the cell cache can't be read any more: {error}").format(error=error)
            ) from error
        return Skip([from_dict(each) for each in outputs], execution_count=int(decision["count"]) or None)

    def _start_over(self, why: str, run: RunSilently) -> None:
        """Run all cells so far: something that was taken is lost. The kernel has emptied its namespace."""
        log.warning("The cells before are run again: %s", why)
        for source in self._earlier:
            try:
                run(source)
            except SilentCodeError as error:
                raise PlanBrokenError(
                    _(
                        "What the cell cache had kept could not be read, and a cell that made it failed now: {error}"
                    ).format(error=error)
                ) from error
        run("", value=f"{_KERNEL}.started_over()")


def _note(cell: Any, action: str, why: str, execution: str) -> None:
    noted = {"action": action, **({"why": why} if why else {}), **({"execution": execution} if execution else {})}
    cell.metadata["mlops"] = noted


def make(workspace: Workspace, _request: AttemptRequest) -> CachePlanner:
    """Make the planner of a step (``AttemptRequest.planner``)."""
    return CachePlanner(workspace)
