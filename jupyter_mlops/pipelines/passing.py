"""What the first and the last cell of a step made from cells do: take variables as they were, and hand them on.

Unlike ``mlops.inputs[…]`` and ``mlops.outputs[…]``, which pass values, this passes variables: names that shared
objects share them again, functions belong to the notebook that takes them, random generators go on where they were.
"""

from __future__ import annotations

import importlib
import io
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..cells.api import NotKeptError, UndigestibleError, digest_of, together
from ..context import current
from ..engine.attempt import InputContent
from ..errors import ConflictError, InvalidInputError
from ..i18n import gettext as _
from .content import Stored, load, store
from .together import Together, notebook_namespace, output_name, random_output

#: Stands for a variable that was not bound where it was handed on.
ABSENT = object()
_Content = Callable[[str], InputContent]


def take(content: _Content, names: Iterable[str]) -> list[Any]:
    """Return variables that earlier steps handed on, each group read once; :data:`ABSENT`: it was not bound."""
    workspace = current().workspace
    read: dict[str, Any] = {}
    values = []
    for name in names:
        found = content(output_name(name))
        if found.digest not in read:
            read[found.digest] = load(workspace, name, _stored(found))
        group = read[found.digest]
        if isinstance(group, Together):
            values.append(group.value(output_name(name)))
        elif group is None:
            values.append(ABSENT)
        else:
            raise InvalidInputError(
                _("The input '{name}' is not a variable that was handed on.").format(name=name),
                why=_("It was written with mlops.outputs[…]."),
                next=_('Read it with mlops.inputs["{name}"].').format(name=name),
            )
    return values


def bind(content: _Content, names: Sequence[str]) -> None:
    """Bind variables that earlier steps handed on; those that were not bound there are not bound here."""
    namespace = notebook_namespace()
    for name, value in zip(names, take(content, names), strict=True):
        if value is ABSENT:
            namespace.pop(name, None)
        else:
            namespace[name] = value


def give(names: Iterable[str], record: Callable[[str, Stored], None], if_bound: Iterable[str] = ()) -> None:
    """Hand variables on, those together that share objects; of ``if_bound`` also that they are not there.

    Raises :class:`InvalidInputError` where one of ``names`` is not there, or where one can't be kept.
    """
    namespace, workspace = notebook_namespace(), current().workspace
    missing = [name for name in names if name not in namespace]
    if missing:
        raise InvalidInputError(
            _("There is no variable {names} to hand on.").format(names=", ".join(missing)),
            why=_("It was there when the pipeline was made from cells; with other parameters or data it is not."),
            next=_("Make the pipeline again from a notebook that ran like this."),
        )
    for name in if_bound:
        if name not in namespace:
            record(output_name(name), store(workspace, name, None))
    wanted = [name for name in dict.fromkeys((*names, *if_bound)) if name in namespace]
    for group in together(wanted, namespace):
        handed_on = [name for name in group if name in wanted]
        value = Together(names=list(handed_on), namespace=namespace)
        try:
            stored = store(workspace, ", ".join(handed_on), value)
        except NotKeptError as error:
            raise InvalidInputError(
                _("The variable '{name}' can't be handed on to the next step.").format(name=error.name),
                why=error.why,
                next=_(
                    "Make the pipeline again with --replay {name}: the steps that need it then make it themselves, "
                    "or are joined with this one."
                ).format(name=error.name),
                details=error.details,
            ) from error
        for name in handed_on:
            record(output_name(name), stored)


def check_untouched(names: Iterable[str], inputs: dict[str, InputContent], given: Iterable[str]) -> None:
    """Raise :class:`ConflictError` where this step changed a variable that later steps take from an earlier one.

    The pipeline was made from what the cells did when they were recorded. With other data or parameters they may do
    something else; then the pipeline stops here instead of going on with a value that the notebook would not have.
    """
    namespace, workspace = notebook_namespace(), current().workspace
    names, handed_on = list(names), set(given)
    groups = {name: group for group in together((*names, *handed_on), namespace) for name in group}
    for name in names:
        found = inputs.get(output_name(name))
        sharing = sorted(handed_on.intersection(groups.get(name, ())) - {name})
        if name not in namespace:
            why = _("It was deleted.") if found is not None else ""
        elif found is None:
            why = _("It was made anew here.")
        elif sharing:
            why = _("It shares objects with {others} now.").format(others=", ".join(sharing))
        else:
            before = load(workspace, name, _stored(found))
            try:
                same = digest_of(before.value(output_name(name)), namespace) == digest_of(namespace[name], namespace)
            except UndigestibleError:
                same = True
            why = "" if same else _("It was changed here.")
        if why:
            raise ConflictError(
                _("The variable '{name}' is not as later steps expect it.").format(name=name),
                why=why + " " + _("When the pipeline was made from cells, this step left it as it was."),
                next=_("Run the notebook like this once, with its cells recorded, and make the pipeline again."),
                details={"variable": name},
            )


def settle(names: Iterable[str]) -> None:
    """Bring to their end what lies outside the process before later steps open it again: files, database connections.

    Raises :class:`ConflictError` where a connection has changes that are not committed: they would be lost.
    """
    for name in names:
        handle = notebook_namespace().get(name)
        if isinstance(handle, io.IOBase) and not handle.closed and handle.writable():
            handle.flush()
        if getattr(handle, "in_transaction", False) is True:
            raise ConflictError(
                _("The connection '{name}' has changes that are not committed.").format(name=name),
                why=_("A later step connects again, and would not see them."),
                next=_("Call {name}.commit() in the last cell of this step that uses it.").format(name=name),
            )
        locked = getattr(handle, "locked", None)
        if callable(locked) and locked() is True:
            raise ConflictError(
                _("The lock '{name}' is held.").format(name=name),
                why=_("A later step makes it again, and it would be free there."),
                next=_("Release it in the step that takes it."),
            )


# -- random generators -----------------------------------------------------------------------------------------------


def give_random(generators: Iterable[str], record: Callable[[str, Stored], None]) -> None:
    """Hand on the states of global random generators."""
    for name in generators:
        stored = store(current().workspace, name, _RandomState(name, _state_of(name)))
        record(random_output(name), stored)


def take_random(content: _Content, generators: Iterable[str]) -> None:
    """Set global random generators to what an earlier step left."""
    for name in generators:
        found = load(current().workspace, name, _stored(content(random_output(name))))
        set_random(name, found.state)


class _RandomState:
    """The state of one generator; a class of its own, so that it is pickled whatever it consists of."""

    def __init__(self, generator: str, state: Any):
        self.generator = generator
        self.state = state


def _state_of(name: str) -> Any:
    """Return a generator's state; None where its library is not loaded."""
    if name == "random":
        return random.getstate()
    if name == "numpy":
        module = sys.modules.get("numpy.random")
        return module.get_state(legacy=False) if module is not None else None
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [state.numpy() for state in (torch.get_rng_state(), *cuda)]


def set_random(name: str, state: Any) -> None:
    """Set a global random generator."""
    if state is None:
        return
    if name == "random":
        random.setstate(state)
    elif name == "numpy":
        importlib.import_module("numpy.random").set_state(state)
    else:
        torch = importlib.import_module("torch")
        torch.set_rng_state(torch.from_numpy(state[0]))
        if len(state) > 1 and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([torch.from_numpy(each) for each in state[1:]])


def _stored(content: InputContent) -> Stored:
    return Stored(content.codec, content.path, content.digest, content.size, content.summary)
