"""``mlops init``, ``mlops status`` and ``mlops doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from .i18n import gettext as _
from .terminal import show
from .workspace import CONFIG_NAME, STATE_NAME, Workspace

_workspace = click.option(
    "--workspace",
    "-w",
    "folder",
    type=click.Path(path_type=Path),
    default=None,
    help=_("The workspace's folder (default: found upwards from here)."),
)
_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))

_MARKS = {"ok": ("✓", "green"), "info": ("·", "blue"), "warning": ("!", "yellow"), "error": ("✗", "red")}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--name", default=None, help=_("Name of the workspace (default: the folder's name)."))
def init(folder: Path, name: str | None) -> None:
    """Make FOLDER (default: this one) a workspace.

    Writes mlops.toml with every setting at its default, the folder .mlops, and a line for it in .gitignore. What
    exists is kept.
    """
    workspace = Workspace.init(folder, name=name)
    click.echo(_("{folder} is now the workspace '{name}'.").format(folder=workspace.root, name=workspace.name))
    click.echo(
        _("Settings are in {file}; state is kept in {state}, which git ignores.").format(
            file=CONFIG_NAME, state=STATE_NAME
        )
    )


@click.command()
@_workspace
@_json
def status(folder: Path | None, as_json: bool) -> None:
    """Show how the workspace stands: settings, repository, worker, tracking store."""
    from .workspace_state import standing

    workspace = Workspace.find(folder)
    found = standing(workspace)
    lines = [f"{found.name}  {workspace.root}"]
    if found.git is not None:
        git = found.git
        if git.available:
            changed = _(", with changes that are not committed") if git.dirty else ""
            if not git.commit:
                changed = _(", no commit yet")
            lines.append(_("  git       {where}{changed}").format(where=git.branch or git.commit[:10], changed=changed))
        else:
            lines.append(_("  git       none: {reason}").format(reason=git.reason))
    if found.tracking_uri:
        lines.append(_("  tracking  {uri}").format(uri=found.tracking_uri))
    if found.worker is not None:
        lines.append(
            _("  worker    {state}, {n} at work").format(state=found.worker.state, n=found.worker.active)
            + (f" (pid {found.worker.pid})" if found.worker.pid else "")
        )
    if found.problem is not None:
        lines.append(_("  problem   {what} {why}").format(what=found.problem.what, why=found.problem.why))
        lines.append(f"            → {found.problem.next}")
    show(found, as_json, "\n".join(lines))
    if found.problem is not None:
        click.get_current_context().exit(1)


@click.command()
@_workspace
@_json
def doctor(folder: Path | None, as_json: bool) -> None:
    """Check the installation and the workspace, and say what to do about each thing found wrong.

    Works outside a workspace, and in one that is broken. The exit code is 1 where there is an error.
    """
    from .doctor import examine

    report = examine(folder)
    lines = []
    group = ""
    for finding in report.findings:
        if finding.group != group:
            group = finding.group
            lines.append(click.style(group, bold=True))
        mark, colour = _MARKS[finding.state]
        lines.append(f"  {click.style(mark, fg=colour)} {finding.name}: {finding.what}")
        if finding.next:
            lines.append(f"      → {finding.next}")
    wrong = [finding for finding in report.findings if finding.state in ("warning", "error")]
    lines.append(
        _("{n} of {all} checks found something to do.").format(n=len(wrong), all=len(report.findings))
        if wrong
        else _("All is well.")
    )
    show(report, as_json, "\n".join(lines))
    if report.state == "error":
        click.get_current_context().exit(1)
