"""A proposed pipeline as lines, for the command line and notebooks."""

from __future__ import annotations

from ...i18n import gettext as _
from ...i18n import ngettext
from .types import CellsPipeline, ProposedStep


def proposal_lines(found: CellsPipeline) -> list[str]:
    """Return a pipeline in words: each step with its cells, what it takes and hands on, and what to know."""
    number = ngettext("{n} step", "{n} steps", len(found.steps)).format(n=len(found.steps))
    lines = [f"{found.notebook} → {found.path} ({number})", found.how]
    if found.parameters:
        lines.append(_("Parameters: {names}").format(names=", ".join(found.parameters)))
    for step in found.steps:
        lines += ["", *step_lines(step)]
    if found.skipped:
        lines += ["", _("Left out: cells {numbers}").format(numbers=_numbers(found.skipped))]
    if found.notes:
        lines += ["", *(f"! {note}" for note in found.notes)]
    if found.written:
        lines += ["", _("Written: {files}").format(files=", ".join(found.written))]
        lines.append(_("Run it:  mlops pipeline run {path}").format(path=found.path))
    return lines


def step_lines(step: ProposedStep) -> list[str]:
    """Return one step in words."""
    own = [cell.number for cell in step.cells if cell.role in ("own", "moved")]
    lines = [f"{step.name}: " + _("cells {numbers}").format(numbers=_numbers(own))]
    again = [cell for cell in step.cells if cell.why]
    if again:
        lines.append("  " + _("runs first: cells {numbers}").format(numbers=_numbers([each.number for each in again])))
        lines += [f"    {cell.number}: {cell.why}" for cell in again if cell.role == "again"]
    for giver in dict.fromkeys(each.step for each in step.inputs):
        names = [each.name for each in step.inputs if each.step == giver]
        lines.append("  " + _("takes {names} from {step}").format(names=", ".join(names), step=giver))
    for group in dict.fromkeys(tuple(sorted([each.name, *each.together])) for each in step.inputs if each.together):
        lines.append("    " + _("{names} share objects").format(names=", ".join(group)))
    if step.outputs:
        lines.append("  " + _("hands on {names}").format(names=", ".join(each.name for each in step.outputs)))
    lines += ["  " + _("waits for {step}: {why}").format(step=name, why=why) for name, why in step.needs.items()]
    if step.packages:
        lines.append("  " + _("installs {packages}").format(packages=", ".join(step.packages)))
    return [*lines, *(f"  – {note}" for note in step.notes)]


def _numbers(numbers: list[int]) -> str:
    """Return numbers as a person writes them: 1–3, 5."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(each[0]) if len(each) == 1 else f"{each[0]}–{each[-1]}" for each in parts) or "–"
