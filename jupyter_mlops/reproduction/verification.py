"""Verifying a run: its cells run again in a work tree, and what was recorded of both compared."""

from __future__ import annotations

import math
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..cells.service import content_digest, file_digest, source_hash
from ..engine.attempt import error_info
from ..errors import CancelledError, InvalidInputError, MlopsError, NotebookError, NotFoundError
from ..i18n import gettext as _
from ..tracking.service import TrackingService
from ..versioning.service import VersioningService
from ..workspace import Workspace
from . import data, environments, results
from .comparing import Again, Comparer
from .executed import executed_notebook, metadata_of
from .material import gather
from .replay import Place, Replay, cancel_file, check_inputs, place, set_up, stop_worker
from .tables import first_difference
from .types import MetricComparison, PackageChange, ResultDifference, Verification, VerifyRequest

if TYPE_CHECKING:
    from ..cells.service import Execution

_INSTALLS = re.compile(
    r"^\s*[%!]+\s*(?:\S*[\\/])?(?:pip3?|conda|mamba|uv|apt|apt-get|npm)\b.*\binstall\b", re.MULTILINE
)
_REPRODUCES = re.compile(r"^\s*(?:%|!\s*mlops\s+)(?:verify|restore)\b", re.MULTILINE)
#: A change is told at most this often, seconds.
_TELL_EVERY = 0.5


class Verifier:
    """One verification of one run."""

    def __init__(
        self,
        workspace: Workspace,
        run_id: str,
        request: VerifyRequest,
        on_change: Callable[[Verification], None] | None,
        workflow_id: str = "",
    ):
        """Raises :class:`NotFoundError`, :class:`InvalidInputError` as :meth:`.service.ReproductionService.verify`."""
        self.workspace = workspace
        self.request = request
        self.material = gather(workspace, run_id)
        self._on_change = on_change
        self._told = 0.0
        if not self.material.records:
            raise NotFoundError(
                _("The run {name} can't be verified: its cells are not recorded.").format(name=self.material.run.name),
                why=self.material.not_recorded,
                next=_("`mlops restore {run_id}` brings its files back.").format(run_id=self.material.run.id),
            )
        self._check_writes()
        check_inputs([record for record in self.material.records if not record["step"]])
        self.state = Verification(
            run_id=self.material.run.id,
            status="running",
            workflow_id=workflow_id,
            present=request.present,
            tolerance=request.tolerance,
            started_at=time.time(),
            cells_total=sum(not _why_not_run(record) for record in self.material.records),
        )

    def queued(self) -> Verification:
        """Return the state of a verification that has not begun."""
        return self.state.model_copy(update={"status": "queued", "error": None, "ended_at": None, "cells_done": 0})

    def run(self, cancelled: threading.Event) -> Verification:
        """Verify, and keep the result."""
        deadline = time.monotonic() + self.request.timeout_seconds if self.request.timeout_seconds else None
        try:
            with place(self.workspace, self.material.run.id) as here:
                results.forget_old(self.workspace)
                self._tell(always=True)
                self._verify(here, deadline, cancelled)
        except MlopsError as error:
            self.state.status = "cancelled" if isinstance(error, CancelledError) else "failed"
            self.state.error, self.state.ended_at = error_info(error), time.time()
            if error.code != "conflict":  # then the file is another verification's
                self._tell(always=True)
            raise
        except BaseException:
            self.state.status, self.state.ended_at = "cancelled", time.time()
            self._tell(always=True)
            raise
        self.state.ended_at = time.time()
        results.keep_with_run(self.workspace, self.state)
        self._tell(always=True)
        return self.state

    # -- before --------------------------------------------------------------------------------------------------

    def _check_writes(self) -> None:
        """Refuse cells that would write over files outside the folder in which they run again."""
        root, temporary = str(self.workspace.root), tempfile.gettempdir() + "/"
        sources = [record["source"] for record in self.material.records]
        for record in self.material.records:
            for path in data.of_the_user(record.get("files_written", {})):
                absolute = path if path.startswith("/") else f"{root}/{path}"
                named = any(absolute in source or (root in source and path in source) for source in sources)
                if (path.startswith("/") and not path.startswith(temporary)) or named:
                    raise InvalidInputError(
                        _("The run {name} is not verified: it would write over {path}.").format(
                            name=self.material.run.name, path=absolute
                        ),
                        why=_(
                            "Cell In [{count}] wrote it by its absolute path, which no other folder can stand for."
                        ).format(count=record["count"]),
                        next=_("Let the notebook write to paths relative to its folder; then later runs can be."),
                        details={"path": absolute},
                    )

    @contextmanager
    def _commit(self) -> Iterator[str]:
        """Give the commit whose files the cells run on."""
        if not self.request.present:
            yield self.material.snapshot.commit
            return
        versioning = VersioningService(self.workspace)
        key = f"present-{uuid.uuid4().hex[:16]}"
        taken = versioning.snapshot(key, message=_("Files as they are now"), namespace="verifications")
        if taken is None:
            raise NotFoundError(_("The present files can't be taken."), why=versioning.last_reason)
        try:
            yield taken.commit
        finally:
            versioning.unpin(key, namespace="verifications")

    # -- the work ------------------------------------------------------------------------------------------------

    def _verify(self, here: Place, deadline: float | None, cancelled: threading.Event) -> None:
        versioning, material = VersioningService(self.workspace), self.material
        with self._commit() as commit:
            copy = set_up(self.workspace, versioning.restoring.check_out(commit, here.tree))
            found = data.check(self.workspace, commit, material.records, copy.root, look=lambda: self._heed(cancelled))
            if self.request.present:
                found = [
                    e.model_copy(update={"state": "changed"} if e.state == "other in snapshot" else {}) for e in found
                ]
            self.state.data = found
            try:
                again: list[Again | None] = []
                for number, session in enumerate(material.sessions, start=1):
                    again += self._session(copy, commit, number, session, deadline, cancelled)
                self._compare(copy, commit, again)
                self._compare_run(copy, again)
            finally:
                stop_worker(copy)
        drifted = self.state.first is not None or self.state.params or not all(m.equal for m in self.state.metrics)
        self.state.status = "drifted" if drifted else "equal"

    def _session(
        self,
        copy: Workspace,
        commit: str,
        number: int,
        session: Sequence[Execution],
        deadline: float | None,
        cancelled: threading.Event,
    ) -> list[Again | None]:
        run = [_without_installs(record) for record in session if not _why_not_run(record)]
        notebook = session[0]["notebook"] or self.material.notebook
        original = data.snapshot_content(VersioningService(self.workspace), commit, notebook) if notebook else None
        content, _indices = executed_notebook(run, metadata_of(original or b""))
        replay = Replay(copy, self.workspace, session, number)
        done = self.state.cells_done

        def progress(cells: int) -> None:
            self.state.cells_done = done + cells
            self._heed(cancelled)
            self._tell()

        result = replay.run(content, deadline=deadline, cancelled=cancelled, on_progress=progress)
        recorded, expected = iter(replay.again()), iter(run)
        self.state.cells_done = done + len(run)
        found: list[Again | None] = []
        for record in session:
            skipped = bool(_why_not_run(record))
            each, wanted = (None, record) if skipped else (next(recorded, None), next(expected))
            if each is not None and each.record["source_hash"] != wanted["source_hash"]:
                raise NotebookError(
                    _("The cells of {notebook} could not be followed when they ran again.").format(notebook=notebook),
                    why=_("The record of In [{count}] is of another cell.").format(count=record["count"]),
                )
            found.append(each)
        if result.error is not None and not any(found):
            raise NotebookError(result.error.what, why=result.error.why, next=result.error.next)
        return found

    def _compare(self, copy: Workspace, commit: str, again: Sequence[Again | None]) -> None:
        records, versioning = self.material.records, VersioningService(self.workspace)
        notes = [
            _why_not_run(record) or ("" if each is not None else _("A cell before it failed."))
            for record, each in zip(records, again, strict=True)
        ]
        original = self.material.snapshot.commit

        def detail(path: str, then: str, now: str) -> str:
            before = None if path.startswith("/") else data.snapshot_content(versioning, original, path)
            if before is None or content_digest(before) != then:
                return _("its content then is not kept")
            after = copy.root / path
            if file_digest(after) != now:
                return ""
            return first_difference(path, before, after.read_bytes())

        comparer = Comparer(
            packages=lambda then, now: self._packages(copy, then, now),
            detail=detail,
            is_folder=lambda path: (copy.root / path).is_dir(),
            here=str(copy.root),
            original=str(self.workspace.root),
        )
        compared = comparer.compare(records, again, notes)
        self.state.cells, self.state.first = compared.cells, compared.first
        uncompared = sum(len(cell.uncompared) for cell in compared.cells)
        if uncompared:
            self.state.notes.append(
                _("{n} values could not be compared: they have no digest in one of the records.").format(n=uncompared)
            )
        old, new = records[-1]["environment"], next((e.record["environment"] for e in again if e is not None), "")
        self.state.packages = (self._packages(copy, old, new) or []) if new and old != new else []

    def _packages(self, copy: Workspace, then: str, now: str) -> list[PackageChange] | None:
        before = environments.text_of(self.workspace, then) or self.material.environment
        after = environments.text_of(copy, now)
        return environments.differences(before, after) if before and after else None

    def _compare_run(self, copy: Workspace, again: Sequence[Again | None]) -> None:
        """Compare the metrics and parameters of the run with those of the run that took its place."""
        run = self.material.run
        for record, each in zip(self.material.records, again, strict=True):
            if run.id in record.get("runs", ()) and each is not None:
                place_of_run = record["runs"].index(run.id)
                if place_of_run < len(each.record["runs"]):
                    other = TrackingService(copy).run(each.record["runs"][place_of_run])
                    break
        else:
            self.state.notes.append(_("The cells that were run again made no run: its metrics are not compared."))
            return
        self.state.metrics = self._metrics(run.metrics, other.metrics)
        self.state.params = [
            ResultDifference(kind="param", name=name, then=run.params.get(name, ""), now=other.params.get(name, ""))
            for name in sorted({*run.params, *other.params})
            if run.params.get(name) != other.params.get(name)
        ]

    def _metrics(self, then: Mapping[str, float], now: Mapping[str, float]) -> list[MetricComparison]:
        found = []
        for name in sorted({*then, *now}):
            before, after = then.get(name), now.get(name)
            equal = before is not None and after is not None and _equal(before, after, self.request.tolerance)
            shown = ["" if value is None else repr(value) for value in (before, after)]
            found.append(MetricComparison(name=name, then=shown[0], now=shown[1], equal=equal))
        return found

    # ----------------------------------------------------------------------------------------------------------

    def _heed(self, cancelled: threading.Event) -> None:
        """Take to heart that another process has asked for the end. Raises :class:`CancelledError`."""
        if cancel_file(self.workspace, self.material.run.id).exists():
            cancelled.set()
        if cancelled.is_set():
            raise CancelledError(_("The verification was cancelled."))

    def _tell(self, *, always: bool = False) -> None:
        now = time.monotonic()
        if not always and now - self._told < _TELL_EVERY:
            return
        self._told = now
        results.write(self.workspace, self.state)
        if self._on_change is not None:
            self._on_change(self.state)


def _equal(then: float, now: float, tolerance: float) -> bool:
    if math.isnan(then) or math.isnan(now):
        return math.isnan(then) and math.isnan(now)
    return then == now or (tolerance > 0 and math.isclose(then, now, rel_tol=tolerance))


def _why_not_run(record: Execution) -> str:
    """Say why an execution is not run again; empty: it is."""
    if record["status"] in ("interrupted", "died"):
        return _("It was interrupted: how far it came can't be repeated.")
    if _INSTALLS.search(record["source"]) and not _has_code(_without_installs(record)["source"]):
        return _("It installs packages; the environments are compared instead.")
    if _REPRODUCES.search(record["source"]):
        return _("It restores or verifies a run.")
    return ""


def _without_installs(record: Execution) -> Execution:
    """Return an execution without the lines that install packages: the environments are compared instead."""
    source = record["source"]
    if not _INSTALLS.search(source):
        return record
    kept: list[str] = []
    goes_on = False
    for line in source.split("\n"):
        if goes_on:
            kept.append("")
        elif _INSTALLS.match(line):
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(f"{indent}pass" if indent else "")  # it may be all that an `if` has
        else:
            kept.append(line)
            continue
        goes_on = line.rstrip().endswith("\\")
    rest = "\n".join(kept)
    return {**record, "source": rest, "source_hash": source_hash(rest)}


def _has_code(source: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith(("#", "%%capture")) for line in source.split("\n"))
