"""In which cells a metric of a run was logged: the execution during which each of its values was."""

from __future__ import annotations

from ..cells.api import Execution
from ..cells.service import CellService
from ..errors import NotFoundError
from ..i18n import gettext as _
from ..workspace import Workspace
from .service import TrackingService
from .types import MetricQuery

#: Values looked at; thinned evenly where there are more.
_POINTS = 50_000
#: Clocks of the kernel and of what stamps the values (milliseconds, of the same machine) are rounded.
_SECONDS = 0.002


def executions_of_metric(workspace: Workspace, run_id: str, key: str) -> list[Execution]:
    """Return the records of the executions that logged a metric, newest first; empty where it was logged elsewhere.

    Those in which the run was active and during which a value was stamped. Raises :class:`NotFoundError` where there
    is no such run, no such metric, or no recorded cell of the run.
    """
    history = TrackingService(workspace).metric_history(run_id, MetricQuery(key=key, max_points=_POINTS))
    if not history.points:
        raise NotFoundError(
            _("The run {run_id} has no metric {key}.").format(run_id=run_id[:80], key=key[:200]),
            next=_("The run's page, or mlops runs show, lists its metrics."),
        )
    stamps = [each.at for each in history.points]
    found = [
        record
        for record in CellService(workspace).of_run(run_id)
        if run_id in record.get("runs", ()) and _logged_in(record, stamps)
    ]
    return found[::-1]


def _logged_in(record: Execution, stamps: list[float]) -> bool:
    begin = record["started_at"] - _SECONDS
    end = record["started_at"] + record.get("seconds", 0.0) + _SECONDS
    return any(begin <= stamp <= end for stamp in stamps)
