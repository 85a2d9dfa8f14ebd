"""Executions as rows of text: what `mlops cells` and ``%history_cells`` show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..i18n import gettext as _

if TYPE_CHECKING:
    from .types import ExecutionDetail, Linked, ListedExecution, RecordedExecution

#: Names and files shown in a row; the rest is counted.
_SHOWN = 4
#: Characters of a cell's title in a row.
_TITLE = 40
Row = tuple[str, ...]


def execution_rows(executions: Iterable[ListedExecution]) -> list[Row]:
    """Return a header and one row for each execution; those that a jump has left behind say so."""
    header = (_("In"), _("cell"), _("when"), _("took"), _("status"), _("wrote"), _("read"), _("files"))
    return [header, *(_row(each) for each in executions)]


def _row(each: ListedExecution) -> Row:
    wrote = [*each.written, *(f"~{name}" for name in each.changed if name not in each.written)]
    wrote += [f"-{name}" for name in each.deleted]
    files = [*(f"←{path}" for path in each.files_read), *(f"→{path}" for path in each.files_written)]
    title = each.title if len(each.title) <= _TITLE else each.title[: _TITLE - 1] + "…"
    count = f"[{each.count or ' '}]"
    return (
        _("{count} left").format(count=count) if each.left else count,
        title,
        when(each.started_at),
        took(each.seconds),
        status(each),
        few(wrote),
        few(each.reads),
        few(files),
    )


def detail_lines(found: ExecutionDetail, came_of_it: Sequence[Linked]) -> list[str]:
    """Return an execution as lines: what is known of it, then its source."""
    facts = {
        _("execution"): found.id,
        _("notebook"): found.notebook,
        _("cell"): found.cell_id,
        _("order"): _("In [{count}], number {sequence} of the session {session}").format(
            count=found.count, sequence=found.sequence, session=found.session
        ),
        _("started"): when(found.started_at),
        _("took"): took(found.seconds),
        _("status"): status(found) + (f": {found.error}" if found.error else ""),
        _("not complete"): found.incomplete,
        _("step"): f"{found.pipeline_run_id} / {found.step}, {found.attempt}" if found.pipeline_run_id else "",
        _("runs"): ", ".join(found.runs),
        _("network"): ", ".join(found.network),
        _("programs"): ", ".join(found.programs),
        _("effects"): ", ".join(found.effects),
        _("environment"): found.environment,
        _("key"): found.key,
    }
    width = max(len(name) for name in facts)
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts.items() if value]
    values = {name: f"{each.type} {each.digest[:12]}".strip() for name, each in found.values.items()}
    for title, entries in (
        (_("wrote"), {name: values.get(name, "") for name in found.written}),
        (_("changed"), {name: values.get(name, "") for name in found.changed if name not in found.written}),
        (_("deleted"), dict.fromkeys(found.deleted, "")),
        (_("read"), found.reads),
        (_("files read"), found.files_read),
        (_("files written"), found.files_written),
        (_("data"), found.data),
        (_("modules"), found.modules),
        (_("led to"), {each.label: each.kind.replace("_", " ") for each in came_of_it}),
    ):
        if entries:
            lines += ["", title, *(f"  {name}  {value}".rstrip() for name, value in entries.items())]
    return [*lines, "", _("source"), *(f"  {line}" for line in found.source.splitlines())]


def in_columns(rows: Sequence[Row]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def when(seconds: float) -> str:
    """Return a time of this place; of today without the date."""
    try:
        at = datetime.fromtimestamp(seconds).astimezone()
    except (OverflowError, OSError, ValueError):  # a clock that was set to nonsense
        return "-"
    today = datetime.now().astimezone().date() == at.date()
    return at.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M")


def took(seconds: float | None) -> str:
    """Return a duration in a unit that suits it; empty where it is not known."""
    if seconds is None:
        return ""
    if seconds < 1:
        return _("{n} ms").format(n=round(1000 * seconds))
    if seconds < 60:
        return _("{n:.1f} s").format(n=seconds)
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("{m} min {s} s").format(m=minutes, s=rest)
    return _("{h} h {m} min").format(h=minutes // 60, m=minutes % 60)


def status(each: RecordedExecution) -> str:
    """Return the status as a word of the reader's language."""
    return {
        "running": _("running"),
        "succeeded": _("succeeded"),
        "failed": _("failed"),
        "interrupted": _("interrupted"),
        "died": _("died"),
        "cached": _("from the cache"),
    }[each.status]


def few(names: Iterable[str]) -> str:
    """Return the first of some names, and how many there are beside them."""
    found = list(names)
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" +{more}" if more > 0 else "")
