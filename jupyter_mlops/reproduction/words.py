"""Restorations and verifications in words, the same for the terminal and the notebook."""

from __future__ import annotations

from ..i18n import gettext as _
from ..i18n import ngettext
from .comparing import input_in_words
from .types import PackageChange, RebuiltEnvironment, Restoration, ResultDifference, Verification

#: Items of one kind that are named.
_NAMED = 10


def restoration(found: Restoration, *, environment: bool = False) -> list[str]:
    """Return what was restored, as lines; those that begin with → say what to do.

    ``environment``: the run's environment is made next.
    """
    lines = [
        _("Restored the run {id} as {name} ({commit}).").format(
            id=found.run_id, name=found.name, commit=found.commit[:12]
        )
    ]
    if found.folder:
        lines.append(_("  work tree  {folder}").format(folder=found.folder))
    if found.notebook:
        cells = ngettext("{n} execution", "{n} executions", found.cells).format(n=found.cells)
        lines.append(_("  cells as executed  {notebook} ({cells})").format(notebook=found.notebook, cells=cells))
    if found.environment:
        lines.append(_("  environment  {file}").format(file=found.environment))
    lines += [_("  here: {what}").format(what=_change(each)) for each in found.packages[:_NAMED]]
    lines += _more(len(found.packages))
    lines += [f"  {each.path}: {each.state}" for each in found.data[:_NAMED]]
    lines += _more(len(found.data))
    lines += [_("  not in the snapshot: {file}").format(file=each) for each in found.left_out[:_NAMED]]
    lines += [f"  {each}" for each in found.notes]
    if not found.folder:
        lines.append(_("→ git switch {name}").format(name=found.name))
    elif found.environment and not environment:
        make = _("→ mlops restore {id} --rebuild {name}  makes its environment")
        lines.append(make.format(id=found.run_id, name=found.name))
    lines.append(_("→ mlops restore --undo {name}  takes it away").format(name=found.name))
    return lines


def rebuilt(found: RebuiltEnvironment) -> list[str]:
    """Return how an environment became that was made again, as lines; those that begin with → say what to do."""
    if found.status == "equal":
        lines = [_("Equal: the environment {folder} is that of the run.").format(folder=found.folder)]
    else:
        lines = [_("Different: the environment {folder} is not all that of the run.").format(folder=found.folder)]
    count = ngettext("{n} package by {program}", "{n} packages by {program}", found.installed)
    lines.append("  " + count.format(n=found.installed, program=found.installer))
    lines.append(_("  hash then {then}, now {now}").format(then=found.hash_then, now=found.hash_now))
    for package in found.unavailable[:_NAMED]:
        lines.append(
            _("  can't be had: {name} {version}: {why}").format(
                name=package.name, version=package.version, why=package.why
            )
        )
    lines += _more(len(found.unavailable))
    unavailable = {each.name for each in found.unavailable}
    others = [each for each in found.packages if each.name not in unavailable]
    lines += [_("  here: {what}").format(what=_change(each)) for each in others[:_NAMED]]
    lines += _more(len(others))
    lines += [f"  {each}" for each in found.notes]
    if "mlops" in found.programs:
        verify = _("→ {folder}/bin/mlops verify {run_id}  runs the cells again in it")
        lines.append(verify.format(folder=found.folder, run_id=found.run_id))
    if "jupyter-lab" in found.programs:
        lines.append(_("→ {folder}/bin/jupyter lab  opens JupyterLab in it").format(folder=found.folder))
    if found.kernel:
        offer = _("→ JUPYTER_PATH={folder}/share/jupyter jupyter lab  offers its kernel, {kernel}")
        lines.append(offer.format(folder=found.folder, kernel=found.kernel))
    return lines


def _change(each: PackageChange) -> str:
    return _("{name} {now}, then: {then}").format(
        name=each.name, now=each.now or _("not installed"), then=each.then or _("not installed")
    )


def verification(found: Verification) -> list[str]:
    """Return how a verification ended, as lines."""
    lines = [_headline(found)]
    first = found.first
    if first is not None:
        lines.append(
            _("  first: execution {n}, In [{count}]  {title}").format(
                n=first.cell, count=first.count, title=first.title
            )
        )
        lines.append(f"  {first.why}")
        lines += [f"    {_result(each)}" for each in first.results[:_NAMED]]
        later = sum(cell.status == "drifted" for cell in found.cells) - 1
        if later > 0:
            lines.append(
                ngettext("  {n} later execution differs, too", "  {n} later executions differ, too", later).format(
                    n=later
                )
            )
    else:
        without = {input_in_words(each): None for cell in found.cells for each in cell.inputs}
        lines += [_("  without effect: {what}").format(what=each) for each in list(without)[:_NAMED]]
    for metric in found.metrics:
        if metric.equal:
            lines.append(f"  {metric.name} = {metric.then}")
        else:
            lines.append(
                _("  {name} = {now}, was {then}").format(
                    name=metric.name, now=metric.now or _("not logged"), then=metric.then or _("not logged")
                )
            )
    lines += [f"  {_result(each)}" for each in found.params]
    not_run = [cell for cell in found.cells if cell.status in ("not run", "not compared")]
    lines += [f"  In [{cell.count}] {cell.status}: {cell.note}" for cell in not_run[:_NAMED]]
    lines += [f"  {each.path}: {each.state}" for each in found.data if each.state in ("changed", "missing")]
    lines += [f"  {each}" for each in found.notes]
    if found.error is not None:
        lines += [f"  {part}" for part in (found.error.what, found.error.why) if part]
    return lines


def _headline(found: Verification) -> str:
    if found.status == "equal":
        return _("Equal: the run {id} gives the same again ({n} executions).").format(
            id=found.run_id, n=found.cells_done
        )
    if found.status == "drifted":
        where = _(" on the present files") if found.present else ""
        return _("Drifted: the run {id} does not give the same{where}.").format(id=found.run_id, where=where)
    return {
        "queued": _("The verification of {id} waits for its turn."),
        "running": _("The run {id} is being verified: {done} of {total} executions."),
        "failed": _("The run {id} could not be verified."),
        "cancelled": _("The verification of {id} was cancelled."),
    }[found.status].format(id=found.run_id, done=found.cells_done, total=found.cells_total)


def _result(each: ResultDifference) -> str:
    name = each.name
    if each.kind == "variable":
        return _("the variable {name} has another value").format(name=name)
    if each.kind == "file":
        return _("the file {name} has other content").format(name=name)
    if each.kind == "output":
        return _("output {name} differs").format(name=name)
    if each.kind == "status":
        return _("it ended with: {now}; then: {then}").format(now=each.now[:200], then=each.then[:200])
    return _("{name} = {now}, was {then}").format(
        name=name, now=each.now or _("not logged"), then=each.then or _("not logged")
    )


def _more(count: int) -> list[str]:
    return [_("  … and {n} more").format(n=count - _NAMED)] if count > _NAMED else []
