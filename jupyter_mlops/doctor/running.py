"""The worker, the model servers and the work under way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from .._version import __version__
from ..errors import MlopsError, StoreError
from ..i18n import gettext as _
from ..i18n import ngettext
from ..workspace import Workspace
from .finding import Reporter
from .types import Finding

_report = Reporter("processes")
#: A worker that is still starting after this long, seconds, hangs.
_START_SECONDS = 120.0


def check(_start: Path, workspace: Workspace | None) -> Iterator[Finding]:
    """Check the worker, the endpoints that should be up, and pipeline runs that have not finished."""
    if workspace is None:
        return
    for name, part in (("worker", _worker), ("endpoints", _endpoints), ("pipelines", _pipelines)):
        try:
            yield from part(workspace)
        except StoreError as error:
            yield _report.error(name, error)
            return  # a database that is locked keeps each further question waiting too
        except MlopsError as error:
            yield _report.error(name, error)


def _worker(workspace: Workspace) -> Iterator[Finding]:
    from ..engine.service import EngineService, worker_lock

    engine = EngineService(workspace)
    status = engine.worker_status()
    lock = worker_lock(workspace)
    holder, last = lock.holder(), lock.last()
    if holder is None:
        failed = (last.info.get("error") or {}) if last else {}
        if failed:
            yield _report(
                "worker",
                "error",
                _("The worker could not start: {what} {why}")
                .format(what=failed.get("what", ""), why=failed.get("why", ""))
                .strip(),
                failed.get("next") or _("See {log}, then try `mlops worker run`.").format(log=status.log),
            )
        elif status.active:
            yield _report(
                "worker",
                "warning",
                ngettext(
                    "The worker does not run, and {n} piece of work waits.",
                    "The worker does not run, and {n} pieces of work wait.",
                    status.active,
                ).format(n=status.active),
                _("Start it:  mlops worker start"),
            )
        else:
            yield _report("worker", "ok", _("The worker does not run: there is nothing to do."))
        return
    running = _("The worker runs (pid {pid}, version {version}, {n} at work).").format(
        pid=status.pid, version=status.version, n=status.active
    )
    if status.version != __version__:
        yield _report(
            "worker",
            "warning",
            running + " " + _("jupyter_mlops is {version} by now.").format(version=__version__),
            _("It changes over when it has nothing to do; at once:  mlops worker stop && mlops worker start"),
        )
    elif holder.info.get("root") not in (None, str(workspace.root)):
        yield _report(
            "worker",
            "warning",
            running + " " + _("It works for the folder's old place."),
            _("It ends by itself within a second; if it stays:  mlops worker stop"),
        )
    elif holder.info.get("state") != "ready" and time.time() - holder.started_at > _START_SECONDS:
        yield _report(
            "worker",
            "error",
            running + " " + _("It is '{state}' for too long.").format(state=holder.info.get("state", "?")),
            _("Stop it, then see {log}:  mlops worker stop").format(log=status.log),
        )
    else:
        yield _report("worker", "ok", running)


def _endpoints(workspace: Workspace) -> Iterator[Finding]:
    if not _has_database(workspace):
        return
    from ..serving.service import ServingService

    service = ServingService(workspace)
    endpoints = service.endpoints()
    for endpoint in endpoints:
        if endpoint.status == "failed":
            error = endpoint.deployment.error if endpoint.deployment else None
            yield _report(
                f"endpoint-{endpoint.name}",
                "error",
                _("The endpoint {name} has failed. {what}")
                .format(name=endpoint.name, what=error.what if error else "")
                .strip(),
                (error.next if error else "") or f"mlops endpoints start {endpoint.name}",
            )
        elif endpoint.status == "ready" and not _answers(endpoint.url):
            yield _report(
                f"endpoint-{endpoint.name}",
                "error",
                _("The endpoint {name} should run at {url}, but does not answer.").format(
                    name=endpoint.name, url=endpoint.url
                ),
                _("Start the worker, which looks after it:  mlops worker start"),
            )
    count = {
        status: sum(e.status == status for e in endpoints) for status in ("ready", "starting", "stopped", "failed")
    }
    if endpoints:
        shown = ", ".join(f"{n} {status}" for status, n in count.items() if n)
        yield _report("endpoints", "ok", _("Endpoints: {shown}.").format(shown=shown))


def _answers(url: str) -> bool:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(f"{url}/v2/health/live", timeout=3):  # noqa: S310  # our own server, http
            return True
    except HTTPError:  # something answers there
        return True
    except OSError:
        return False


def _pipelines(workspace: Workspace) -> Iterator[Finding]:
    if not _has_database(workspace):
        return
    from ..pipelines.service import PipelineService
    from ..pipelines.types import PipelineRunQuery

    service = PipelineService(workspace)
    for status in ("running", "queued"):
        page = service.runs(PipelineRunQuery(status=status, max_results=20))
        if page.items:
            shown = ", ".join(f"{run.name} ({run.id})" for run in page.items[:3])
            yield _report(
                f"pipelines-{status}",
                "info",
                ngettext(
                    "{n} pipeline run is {status}: {shown}.",
                    "{n} pipeline runs are {status}: {shown}.",
                    len(page.items),
                ).format(n=len(page.items), status=status, shown=shown),
            )


def _has_database(workspace: Workspace) -> bool:
    """Whether there is a database to ask: looking must not make one."""
    return bool(workspace.config.store.url) or (workspace.state / "mlops.db").exists()
