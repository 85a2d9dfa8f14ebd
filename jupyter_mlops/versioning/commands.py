"""``mlops history``: the versions of notebooks on the command line."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from ..i18n import gettext as _
from ..i18n import ngettext
from ..terminal import show
from ..workspace import Workspace
from .notebook_history import NotebookHistory
from .types import (
    CellDiff,
    KeptNotebookPage,
    KeptNotebookQuery,
    NotebookChanges,
    NotebookDiff,
    NotebookDiffQuery,
    NotebookVersion,
    NotebookVersionPage,
    NotebookVersionQuery,
)

_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON, the same fields as over HTTP."))
_notebook = click.argument("notebook", type=click.Path())
_version = click.argument("version")


class _WithNotebook(click.Group):
    """A group whose first argument may be a notebook: then its versions are listed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the command that was left out."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_WithNotebook)
def history() -> None:
    """List, compare and bring back versions of notebooks. `mlops history NOTEBOOK` lists those of one.

    A VERSION is named by its id, the beginning of its id, or the name that somebody gave it.
    """


@history.command("list")
@_notebook
@click.option("--search", default="", metavar="TEXT", help=_("Only versions with this in their name or content."))
@click.option("--named", is_flag=True, help=_("Only versions with a name."))
@click.option("-n", "--max", "limit", type=click.IntRange(1, 1000), default=20, help=_("How many."))
@click.option("--page-token", default="", help=_("From the answer before: the next page."))
@_json
def list_(notebook: str, search: str, named: bool, limit: int, page_token: str, as_json: bool) -> None:
    """List the versions of NOTEBOOK, newest first. The notebook may be deleted."""
    kept, path = _open(notebook)
    query = NotebookVersionQuery(path=path, search=search, named=named, max_results=limit, page_token=page_token)
    page = kept.versions(query)
    show(page, as_json, _page_text(page))


@history.command()
@click.option("--deleted", is_flag=True, help=_("Only notebooks that are gone."))
@click.option("-n", "--max", "limit", type=click.IntRange(1, 1000), default=50, help=_("How many."))
@_json
def notebooks(deleted: bool, limit: int, as_json: bool) -> None:
    """List the notebooks of which there are versions."""
    page = NotebookHistory(Workspace.find()).kept(KeptNotebookQuery(deleted=deleted, max_results=limit))
    show(page, as_json, _notebooks_text(page))


@history.command("show")
@_notebook
@_version
def show_version(notebook: str, version: str) -> None:
    """Print the file of NOTEBOOK as it was in VERSION, byte for byte."""
    kept, path = _open(notebook)
    sys.stdout.buffer.write(kept.content(path, version))


@history.command()
@_notebook
@_version
@click.argument("other", default="")
@_json
def diff(notebook: str, version: str, other: str, as_json: bool) -> None:
    """Compare VERSION of NOTEBOOK with the version OTHER, or with the file as it is now."""
    kept, path = _open(notebook)
    second = kept.version(path, other).id if other else ""
    found = kept.compare(NotebookDiffQuery(path=path, base=kept.version(path, version).id, other=second))
    show(found, as_json, _diff_text(found))


@history.command()
@_notebook
@_version
@_json
def restore(notebook: str, version: str, as_json: bool) -> None:
    """Bring VERSION back into the file of NOTEBOOK. What is there now is kept as a version before."""
    kept, path = _open(notebook)
    done = kept.restore(path, version)
    text = _("{path} is as it was in version {version}.").format(path=done.path, version=done.version.restored_from)
    if done.before:
        text += "\n" + _("To undo:  mlops history restore {path} {version}").format(path=notebook, version=done.before)
    show(done, as_json, text)


@history.command()
@_notebook
@_version
@_json
def copy(notebook: str, version: str, as_json: bool) -> None:
    """Write VERSION of NOTEBOOK as a new notebook beside it."""
    kept, path = _open(notebook)
    done = kept.copy(path, version)
    show(done, as_json, done.path)


@history.command()
@_notebook
@_version
@click.argument("name")
@_json
def name(notebook: str, version: str, name: str, as_json: bool) -> None:
    """Give VERSION of NOTEBOOK a NAME; an empty one takes it away. A version with a name stays for ever."""
    kept, path = _open(notebook)
    done = kept.name(path, version, name)
    show(done, as_json, _version_text(done))


@history.command()
@_notebook
@click.option("--name", default="", help=_("Name of the version; then it stays for ever."))
@_json
def keep(notebook: str, name: str, as_json: bool) -> None:
    """Keep NOTEBOOK's file as it is now, whatever wrote it."""
    kept, path = _open(notebook)
    done = kept.keep(path, cause="manual", name=name)
    show(done, as_json, _version_text(done))


@history.command()
def thin() -> None:
    """Take away old versions by the rules of mlops.toml. Jupyter does so once a day."""
    count = NotebookHistory(Workspace.find()).thin()
    click.echo(ngettext("{n} version was taken away.", "{n} versions were taken away.", count).format(n=count))


# -- inside --------------------------------------------------------------------------------------------------------


def _open(notebook: str) -> tuple[NotebookHistory, str]:
    """Return the versions of a notebook's workspace and its path in it; the notebook need not be there."""
    folder = Path(notebook).resolve().parent
    while not folder.is_dir():
        folder = folder.parent
    workspace = Workspace.find(folder)
    return NotebookHistory(workspace), str(Path(notebook).absolute())


def _page_text(page: NotebookVersionPage) -> str:
    if not page.items:
        return page.not_kept or _("There are no versions of {path} that fit.").format(path=page.path)
    lines = [_version_text(version, now=version.id == page.current) for version in page.items]
    if page.next_page_token:
        lines.append(_("More: --page-token {token}").format(token=page.next_page_token))
    if not page.exists:
        lines.append(_("The notebook is gone. `mlops history restore` brings it back."))
    if page.not_kept:
        lines.append(page.not_kept)
    return "\n".join(lines)


def _version_text(version: NotebookVersion, now: bool = False) -> str:
    at = datetime.fromtimestamp(version.created_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    words = [
        f"{version.size / 1000:.1f} kB",
        changes_text(version.changes),
        f'"{version.name}"' if version.name else "",
    ]
    words.append(_("(now)") if now else "")
    return f"{version.id}  {at}  {version.cause:<9}  " + "  ".join(word for word in words if word)


def changes_text(changes: NotebookChanges | None) -> str:
    """Return what changed in a few words; empty: nothing is known."""
    if changes is None:
        return _("first version")
    numbers = ", ".join(map(str, changes.edited[:5])) + ("…" if changes.edited_count > 5 else "")
    told = (
        (changes.edited_count, ngettext("cell {cells} edited", "cells {cells} edited", changes.edited_count)),
        (changes.added, _("{n} added")),
        (changes.removed, _("{n} removed")),
        (changes.moved, _("{n} moved")),
        (changes.outputs, ngettext("output of {n} cell", "outputs of {n} cells", changes.outputs)),
    )
    if changes.unknown:
        return ""
    return "; ".join(text.format(n=n, cells=numbers) for n, text in told if n) or _("no cell changed")


def _notebooks_text(page: KeptNotebookPage) -> str:
    if not page.items:
        return _("There are no versions yet: Jupyter keeps one when a notebook is saved.")
    return "\n".join(
        f"{datetime.fromtimestamp(item.newest_at):%Y-%m-%d %H:%M}  {item.versions:>5}  {item.path}"
        + ("" if item.exists else "  " + _("(deleted)"))
        for item in page.items
    )


def _diff_text(found: NotebookDiff) -> str:
    lines = [line for cell in found.cells for line in _cell_lines(cell)]
    if found.metadata:
        lines.append(_("metadata of the notebook: {keys}").format(keys=", ".join(found.metadata)))
    if found.truncated:
        lines.append(_("There is more than is shown."))
    return "\n".join(lines) or _("The two are equal, cell by cell.")


def _cell_lines(cell: CellDiff) -> list[str]:
    heads = {
        "added": _("cell {other} added"),
        "removed": _("cell {base} removed"),
        "changed": _("cell {other} changed"),
        "moved": _("cell {base} moved to {other}"),
    }
    lines = ["@@ " + heads[cell.kind].format(base=cell.base, other=cell.other)]
    lines += ["  …" if line.op == "@" else f"{line.op} {line.text}" for line in cell.lines]
    if cell.outputs_changed:
        lines += [f"- [{text}]" for text in cell.outputs_base] + [f"+ [{text}]" for text in cell.outputs_other]
    if cell.metadata:
        lines.append("  " + _("metadata: {keys}").format(keys=", ".join(cell.metadata)))
    return lines
