"""``mlops.inputs["train"]`` and ``mlops.outputs["model"] = model``: how values pass between notebooks.

In a pipeline step they are the step's declared inputs and outputs. In a notebook that a person has open,
``inputs`` reads what the notebook's step read in the last pipeline run, so a failed step is debugged with its real
data; ``outputs`` keeps values for the session only and no run sees them.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ..cells.service import current_execution, note_data
from ..context import ExecutionContext, current
from ..engine.attempt import AttemptRequest, InputContent, write_whole
from ..errors import ConflictError, InvalidInputError, MlopsError, NotFoundError, from_os_error
from ..i18n import gettext as _
from .content import Stored, load, store
from .expressions import is_name
from .layout import RunFolder
from .together import Together

__all__ = ["Inputs", "Outputs", "inputs", "outputs"]


class Inputs(Mapping[str, Any]):
    """The inputs of this notebook, read when asked for."""

    def __getitem__(self, name: str) -> Any:
        """Return an input. Raises :class:`MlopsError` where there is none of that name, saying what to do."""
        context = current()
        return _one(load(context.workspace, name, _stored(self._content(context, name))), name)

    def variables(self, *names: str) -> Any:
        """Return variables that earlier steps handed on, as a tuple in this order (one: the variable itself).

        Those that shared objects there share them here. Raises as ``inputs[…]``.
        """
        from .passing import take

        context = current()
        values = take(lambda name: self._content(context, name), names)
        return values[0] if len(values) == 1 else tuple(values)

    def bind(self, *names: str) -> None:
        """Bind variables that earlier steps handed on if they were bound there; else they are not bound here."""
        from .passing import bind

        context = current()
        bind(lambda name: self._content(context, name), names)

    def random_state(self, *generators: str) -> None:
        """Set global random generators (``random``, ``numpy``, ``torch``) to what earlier steps left."""
        from .passing import take_random

        context = current()
        take_random(lambda name: self._content(context, name), generators)

    def path(self, name: str) -> Path:
        """Return the stored file of an input, to be read by other means. It must not be changed."""
        context = current()
        return context.workspace.resolve(self._content(context, name).path)

    def __iter__(self) -> Iterator[str]:
        return iter(_contents(current()))

    def __len__(self) -> int:
        return len(_contents(current()))

    def __contains__(self, name: object) -> bool:
        return name in _contents(current())

    def __repr__(self) -> str:
        try:
            found = _contents(current())
        except MlopsError as error:
            return f"<inputs: {error.what}>"
        lines = [f"  {name}: {each.summary}  (← {each.step}.{each.output})" for name, each in found.items()]
        return "\n".join(["<inputs>", *lines])

    @staticmethod
    def _content(context: ExecutionContext, name: str) -> InputContent:
        found = _contents(context)
        if name in found:
            note_data(f"input {name}", found[name].digest)
            return found[name]
        listed = ", ".join(found) or _("none")
        raise InvalidInputError(
            _("There is no input '{name}'.").format(name=name),
            why=_("The step of this notebook declares: {known}.").format(known=listed),
            next=_("Add it to the step's `inputs:` in the pipeline file, as ${{ steps.<step>.outputs.<output> }}."),
            details={"input": name, "known": list(found)},
        )


class Outputs(MutableMapping[str, Any]):
    """The outputs of this notebook, stored when assigned."""

    def __setitem__(self, name: str, value: Any) -> None:
        """Store an output. Assigning a name again replaces it. Raises :class:`MlopsError` saying what to do."""
        context = current()
        if not is_name(name):
            raise InvalidInputError(
                _("{name} can't be the name of an output.").format(name=repr(name)[:80]),
                next=_("Begin with a letter; letters, digits, _ and -, at most 64."),
            )
        if context.in_step:
            request = _request(context)
            _check_declared(request, name)
            _record(context, name, store(context.workspace, name, value))
        else:
            stored = store(context.workspace, name, value)
            _Session(context).put(name, stored)
            print(  # noqa: T201 — the notebook's reader is to see it
                _("Kept '{name}' ({summary}) for this session; outside a pipeline run nothing else reads it.").format(
                    name=name, summary=stored.summary
                )
            )

    def variables(
        self,
        *names: str,
        if_bound: Iterable[str] = (),
        untouched: Iterable[str] = (),
        opened_again: Iterable[str] = (),
    ) -> None:
        """Hand variables on to later steps, by name: those that share objects will share them there.

        ``if_bound``: more of them, which may be missing. ``untouched``: variables that later steps take from an earlier
        one; ``opened_again``: files and connections that they open themselves. Raises :class:`ConflictError` where that
        would give them something else than the notebook has, :class:`InvalidInputError` for a variable that is missing
        or can't be kept.
        """
        from .passing import check_untouched, give, settle

        context = current()
        settle(opened_again)
        if context.in_step:
            check_untouched(untouched, _contents(context), (*names, *if_bound))
        give(names, lambda name, stored: self._put(context, name, stored), if_bound)

    def random_state(self, *generators: str) -> None:
        """Hand on the states of global random generators (``random``, ``numpy``, ``torch``)."""
        from .passing import give_random

        context = current()
        give_random(generators, lambda name, stored: self._put(context, name, stored))

    @staticmethod
    def _put(context: ExecutionContext, name: str, stored: Stored) -> None:
        if context.in_step:
            _check_declared(_request(context), name)
            _record(context, name, stored)
        else:
            _Session(context).put(name, stored)

    def __getitem__(self, name: str) -> Any:
        """Return what was stored under a name here."""
        context = current()
        found = _written(context)
        if name not in found:
            raise NotFoundError(
                _("No output '{name}' was written here yet.").format(name=name),
                next=_('Write it with mlops.outputs["{name}"] = value.').format(name=name),
            )
        return _one(load(context.workspace, name, found[name]), name)

    def __delitem__(self, name: str) -> None:
        raise ConflictError(_("An output can't be deleted."), next=_("Assign a new value to replace it."))

    def __iter__(self) -> Iterator[str]:
        return iter(_written(current()))

    def __len__(self) -> int:
        return len(_written(current()))

    def __contains__(self, name: object) -> bool:
        return name in _written(current())

    def __repr__(self) -> str:
        try:
            found = _written(current())
        except MlopsError as error:
            return f"<outputs: {error.what}>"
        return "\n".join(["<outputs>", *(f"  {name}: {each.summary}" for name, each in found.items())])


#: What ``import jupyter_mlops as mlops`` gives as ``mlops.inputs`` and ``mlops.outputs``.
inputs = Inputs()
outputs = Outputs()


def _one(value: Any, name: str) -> Any:
    return value.value(name) if isinstance(value, Together) else value


# -- in a step -----------------------------------------------------------------------------------------------------


def _request(context: ExecutionContext) -> AttemptRequest:
    folder = RunFolder(context.workspace, context.pipeline_run_id)
    return folder.attempt(context.step, context.attempt).request()


def _check_declared(request: AttemptRequest, name: str) -> None:
    if request.undeclared or name in request.outputs:
        return
    listed = ", ".join(request.outputs) or _("none")
    raise InvalidInputError(
        _("The step '{step}' has no output '{name}'.").format(step=request.step, name=name),
        why=_("It declares: {known}.").format(known=listed),
        next=_("Add '{name}' to the step's `outputs:` in the pipeline file.").format(name=name),
        details={"output": name, "known": request.outputs},
    )


def _record(context: ExecutionContext, name: str, stored: Stored) -> None:
    """Make the content this step's output, in one transaction, in place of what was there."""
    from ..events import Change
    from ..lineage.service import made_in, record_in
    from ..store.database import database
    from ..store.outbox import announce
    from ..store.tables import ArtifactRow, StepRunRow

    with database(context.workspace).session() as session:
        step = session.get(StepRunRow, (context.pipeline_run_id, context.step))
        if step is None or step.attempt != context.attempt or step.status != "running":
            raise ConflictError(
                _("The output '{name}' was not taken.").format(name=name),
                why=_("The step was cancelled, or another attempt has taken the place of this one."),
            )
        row = session.get(ArtifactRow, (context.pipeline_run_id, context.step, name))
        if row is None:
            row = ArtifactRow(pipeline_run_id=context.pipeline_run_id, step=context.step, name=name)
            session.add(row)
        row.codec, row.path, row.digest = stored.codec, stored.path, stored.digest
        row.size, row.summary, row.created_at = stored.size, stored.summary, time.time()
        if execution := current_execution():
            record_in(session, [], [made_in(execution, "artifact", f"{context.step_key}/{name}")])
        announce(session, Change("step_run", context.step_key, "updated", {"output": name}))


# -- which inputs ----------------------------------------------------------------------------------------------------


def _contents(context: ExecutionContext) -> dict[str, InputContent]:
    if context.in_step:
        request = _request(context)
        if not request.undeclared:
            return request.inputs
    return _last_inputs(context)


def _last_inputs(context: ExecutionContext) -> dict[str, InputContent]:
    """Return what this notebook's step read in the newest pipeline run in which it got that far."""
    if not context.notebook:
        raise NotFoundError(
            _("Which notebook this is can't be told, so its inputs can't be found."),
            why=_("Only kernels started from JupyterLab or by a pipeline know their notebook."),
            next=_("Set the variable MLOPS_NOTEBOOK to the notebook's path in the workspace."),
        )
    from sqlalchemy import select

    from ..store.database import database
    from ..store.tables import PipelineRunRow, StepRunRow

    query = (
        select(StepRunRow.pipeline_run_id, StepRunRow.name, StepRunRow.attempt, PipelineRunRow.path)
        .join(PipelineRunRow, PipelineRunRow.id == StepRunRow.pipeline_run_id)
        .where(StepRunRow.notebook == context.notebook, StepRunRow.attempt > 0)
        .where(PipelineRunRow.path != context.notebook)  # a run of the notebook alone had no inputs of its own
        .order_by(PipelineRunRow.created_at.desc())
        .limit(20)
    )
    with database(context.workspace).reading() as session:
        rows = session.execute(query).all()
    for run_id, step, attempt, _path in rows:
        try:
            return RunFolder(context.workspace, run_id).attempt(step, attempt).request().inputs
        except MlopsError:
            continue  # this run's folder was cleaned up: an older one will do
    raise NotFoundError(
        _("There are no inputs for {notebook} yet.").format(notebook=context.notebook),
        why=_("No pipeline run has come to a step with this notebook."),
        next=_("Run its pipeline first (`mlops pipeline run …`); then this reads what the step read."),
        details={"notebook": context.notebook},
    )


def _stored(content: InputContent) -> Stored:
    return Stored(content.codec, content.path, content.digest, content.size, content.summary)


# -- which outputs ---------------------------------------------------------------------------------------------------


def _written(context: ExecutionContext) -> dict[str, Stored]:
    if not context.in_step:
        return _Session(context).all()
    from .store import RunStore

    rows = RunStore(context.workspace).artifacts(context.pipeline_run_id, context.step)
    return {row.name: Stored(row.codec, row.path, row.digest, row.size, row.summary) for row in rows}


class _Session:
    """What an interactive notebook has written: one small file for each output."""

    def __init__(self, context: ExecutionContext):
        who = context.notebook or f"kernel-{os.getpid()}"
        key = hashlib.blake2b(who.encode(), digest_size=8).hexdigest()
        self._folder = context.workspace.state / "session" / key

    def put(self, name: str, stored: Stored) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = {field: getattr(stored, field) for field in Stored.__slots__}
            write_whole(self._folder / f"{name}.json", json.dumps(content))
        except OSError as error:
            raise from_os_error(error, _("keep the output '{name}'").format(name=name), self._folder) from error

    def all(self) -> dict[str, Stored]:
        if not self._folder.is_dir():
            return {}
        files = sorted(self._folder.glob("*.json"))
        return {file.stem: Stored(**json.loads(file.read_text(encoding="utf-8"))) for file in files}
