"""Showing a pipeline run in a terminal: a line for each change, and on a real terminal a live line for what runs."""

from __future__ import annotations

import time
from typing import TextIO

import click

from ..i18n import gettext as _
from ..i18n import ngettext
from .types import PipelineRun, StepRun

_COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "skipped": "yellow", "running": "cyan"}
_MARKS = {"succeeded": "✓", "failed": "✗", "cancelled": "■", "skipped": "-", "running": "▶", "queued": "·"}
_BAR = 20


def status_word(status: str) -> str:
    """Return a status in the reader's language."""
    words = {
        "queued": _("queued"),
        "running": _("running"),
        "succeeded": _("succeeded"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
        "skipped": _("skipped"),
    }
    return words.get(status, status)


def duration(start: float | None, end: float | None) -> str:
    """Return how long something took, or has taken so far; empty if it has not begun."""
    if start is None:
        return ""
    seconds = max(0.0, (end or time.time()) - start)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02} min"


def step_line(step: StepRun, *, width: int, colour: bool) -> str:
    """Return one step as a line."""
    mark = _MARKS.get(step.status, " ")
    text = f"{mark} {step.name:<{width}}  {status_word(step.status):<10}"
    if step.status == "running":
        text += f"  {_bar(step)} "
        text += _("cell {done} of {total}").format(done=step.cells_done, total=step.cells_total or "?")
    elif step.cells_total:
        text += "  " + ngettext("{n} cell", "{n} cells", step.cells_done).format(n=step.cells_done)
    taken = duration(step.started_at, step.ended_at)
    if taken:
        text += f"  {taken}"
    if step.attempt > 1:
        text += "  " + _("attempt {n}").format(n=step.attempt)
    return click.style(text, fg=_COLOURS.get(step.status)) if colour else text


def _bar(step: StepRun) -> str:
    filled = round(_BAR * step.cells_done / step.cells_total) if step.cells_total else 0
    return "█" * filled + "░" * (_BAR - filled)


def run_text(run: PipelineRun) -> str:
    """Return a run with its steps and its error as text."""
    width = max((len(step.name) for step in run.steps), default=0)
    lines = [
        f"{run.name}  {run.id}  {status_word(run.status)}  {duration(run.started_at, run.ended_at)}".rstrip(),
        *("  " + step_line(step, width=width, colour=False) for step in run.steps),
    ]
    lines += error_lines(run)
    return "\n".join(lines)


def error_lines(run: PipelineRun) -> list[str]:
    """Return why a run failed, with the failing cell's traceback."""
    if run.error is None:
        return []
    lines = [_("Error: {what}").format(what=run.error.what)]
    if run.error.why:
        lines.append(f"  {run.error.why}")
    traceback = str(run.error.details.get("traceback", ""))
    lines += [f"  │ {line}" for line in traceback.splitlines()[-15:]]
    if run.error.next:
        lines.append(f"  → {run.error.next}")
    failed = [step for step in run.steps if step.status == "failed" and step.output_notebook]
    lines += [_("  Executed notebook: {path}").format(path=step.output_notebook) for step in failed]
    return lines


class LiveRun:
    """Prints a run's changes as they come: call it with each state of the run."""

    def __init__(self, out: TextIO):
        self._out = out
        self._live = out.isatty()
        self._printed: dict[str, tuple[str, int]] = {}
        self._lines = 0

    def __call__(self, run: PipelineRun) -> None:
        """Show the run as it is now."""
        width = max((len(step.name) for step in run.steps), default=0)
        self._clear()
        for step in run.steps:
            state = (step.status, step.attempt)
            if self._printed.get(step.name) == state or step.status == "queued":
                continue
            if step.status == "running" and self._live:
                continue
            self._printed[step.name] = state
            self._out.write(step_line(step, width=width, colour=self._live) + "\n")
        if self._live:
            running = [step for step in run.steps if step.status == "running"]
            for step in running:
                self._out.write(step_line(step, width=width, colour=True) + "\n")
            self._lines = len(running)
        self._out.flush()

    def _clear(self) -> None:
        if self._lines:
            self._out.write(f"\x1b[{self._lines}A\x1b[J")
            self._lines = 0
