"""What ``%mlops`` and ``%%track`` show: HTML in a notebook, text in a terminal, both kept in the saved file."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MlopsError
from ..i18n import gettext as _
from ..i18n import ngettext
from ..workspace import Workspace

if TYPE_CHECKING:
    from ..tracking.run import Run

#: Models and endpoints named in the overview; the panels show all.
_NAMED = 5


class Message:
    """Lines of text for a person; those that begin with "→" say what to do."""

    def __init__(self, *lines: str):
        self.lines = [line for line in lines if line]

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return "".join(f"<div>{escape(line)}</div>" for line in self.lines)


class Table:
    """Names and values under a title."""

    def __init__(self, title: str, rows: dict[str, str]):
        self.title = title
        self.rows = {name: value for name, value in rows.items() if value}

    def __repr__(self) -> str:
        width = max((len(name) for name in self.rows), default=0)
        return "\n".join([self.title, *(f"  {name.ljust(width)}  {value}" for name, value in self.rows.items())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align: left">{escape(name)}</th>'
            f'<td style="text-align: left">{escape(value)}</td></tr>'
            for name, value in self.rows.items()
        )
        return f'<table><caption style="text-align: left">{escape(self.title)}</caption><tbody>{rows}</tbody></table>'


def of(workspace: Workspace) -> Table:
    """Return how a workspace stands. What can't be told is said in its row."""
    from ..workspace_state import standing

    found = standing(workspace)
    rows = {_("folder"): str(workspace.root)}
    if found.problem:
        rows[_("problem")] = " ".join(filter(None, (found.problem.what, found.problem.why, found.problem.next)))
    if found.git:
        rows[_("git")] = _git(found.git.model_dump())
    if not found.problem:
        rows[_("runs")] = _or_why(lambda: _runs(workspace))
        rows[_("models")] = _or_why(lambda: _models(workspace))
        rows[_("endpoints")] = _or_why(lambda: _endpoints(workspace))
    if found.worker:
        rows[_("worker")] = (
            _("running, {active} active").format(active=found.worker.active)
            if found.worker.state == "running"
            else _("not running; it starts when there is work")
        )
    return Table(_("Workspace {name}").format(name=found.name), rows)


def no_workspace(folder: Path) -> Message:
    """Return what to say outside a workspace."""
    return Message(
        _("{folder} is not in a workspace.").format(folder=folder),
        _("A workspace is a project's folder with an mlops.toml: runs, models and endpoints are kept in it."),
        _("→ %mlops init makes this folder one. (Or `mlops init` in a terminal, or the button in the MLOps panel.)"),
    )


def tracked(run: Run) -> Message:
    """Return what to say after a tracked cell."""
    metrics = _or_why(lambda: _latest_metrics(run))
    return Message(
        _("Run {name} in the experiment {experiment}: {metrics}").format(
            name=run.name, experiment=run.experiment, metrics=metrics or _("nothing logged")
        ),
        _("→ mlops runs show {id}").format(id=run.id),
    )


def _or_why(read: Callable[[], str]) -> str:
    try:
        return read()
    except MlopsError as error:
        return str(error)


def _git(status: dict[str, object]) -> str:
    if not status["available"]:
        return str(status["reason"])
    commit = str(status["commit"])[:8]
    where = f"{status['branch'] or _('no branch')}, {commit or _('no commit yet')}"
    state = {True: _("with changes"), False: _("clean"), None: str(status["reason"])}[status["dirty"]]  # type: ignore[index]
    return f"{where}, {state}"


def _runs(workspace: Workspace) -> str:
    from ..tracking.service import TrackingService

    experiments = TrackingService(workspace).experiments()
    counts = [each.run_count for each in experiments]
    if any(count < 0 for count in counts):
        return ngettext("{n} experiment", "{n} experiments", len(experiments)).format(n=len(experiments))
    used = [each.name for each in experiments if each.run_count]
    runs = ngettext("{n} run", "{n} runs", sum(counts)).format(n=sum(counts))
    return _("{runs} in {experiments}").format(runs=runs, experiments=_named(used)) if used else _("none yet")


def _models(workspace: Workspace) -> str:
    from ..registry.service import RegistryService
    from ..registry.types import ModelQuery

    page = RegistryService(workspace).models(ModelQuery(max_results=_NAMED + 1))
    return _named([_with_alias(model.name, model.aliases, model.latest_version) for model in page.items]) or _(
        "none yet"
    )


def _with_alias(name: str, aliases: dict[str, str], latest: str) -> str:
    shown = [f"@{alias} → {version}" for alias, version in sorted(aliases.items())]
    return f"{name} ({', '.join(shown) or _('version {version}').format(version=latest)})"


def _endpoints(workspace: Workspace) -> str:
    from ..serving.service import ServingService

    return _named([f"{each.name} ({each.status}) {each.url}" for each in ServingService(workspace).endpoints()]) or _(
        "none yet"
    )


def _latest_metrics(run: Run) -> str:
    return ", ".join(f"{key} = {value:.6g}" for key, value in sorted(run.metrics().items())[:8])


def _named(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
