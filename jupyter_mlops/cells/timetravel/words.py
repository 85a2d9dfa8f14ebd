"""What a jump did, in words."""

from __future__ import annotations

from ...i18n import gettext as _
from ...i18n import ngettext
from ..table import few
from .plans import Plan


def journey(plan: Plan) -> list[str]:
    """Return what a jump has changed, as lines."""
    lines = [
        _("The variables are as they were after {state}.").format(state=_named(plan.target.label, plan.target.title))
    ]
    if plan.target.label == _("the start"):
        lines = [_("The variables are as they were at the start.")]
    if plan.back:
        lines.append(_("Put back: {names}").format(names=few(plan.back)))
    if plan.gone:
        lines.append(_("Deleted: {names}").format(names=few(plan.gone)))
    if plan.lost:
        lost = "; ".join(f"{name} ({why})" for name, why in list(plan.lost.items())[:5])
        lines.append(_("Deleted, since they can't be put back: {names}").format(names=lost))
    if plan.generators:
        lines.append(_("Random generators set: {names}").format(names=", ".join(plan.generators)))
    if not (plan.back or plan.gone or plan.lost or plan.generators):
        lines.append(_("They were the same; nothing had to be put back."))
    elif plan.stay and (plan.back or plan.gone):
        n = len(plan.stay)
        lines.append(
            ngettext("{n} variable was the same and stays.", "{n} variables were the same and stay.", n).format(n=n)
        )
    if plan.runs:
        cells = ", ".join(_named(each.label, each.title) for each in plan.runs)
        lines.append(_("Run again for what could not be kept: {cells}").format(cells=cells))
    if plan.leaves:
        lines.append(
            _("Can't come back from where you were: {names}").format(
                names="; ".join(f"{name} ({why})" for name, why in list(plan.leaves.items())[:3])
            )
        )
    if plan.set_elsewhere:
        names = ", ".join(plan.set_elsewhere[:5])
        lines.append(_("What the cells between have set in modules stays as it is: {names}").format(names=names))
    lines.append(_("→ %redo goes forward again; files, options and the working directory stay as they are."))
    return lines


def _named(label: str, title: str) -> str:
    return f"{label} ({title[:40]})" if title else label
