"""What a person has said with tags of cells: steps, what they share, what to leave out.

``step:train`` is all it takes. Kale's other tags mean here what they mean there, so its notebooks work as they are
(https://github.com/kubeflow-kale/kale, ``backend/kale/processors/nbprocessor.py``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ...errors import InvalidInputError
from ...i18n import gettext as _
from ..expressions import is_name

Role = Literal["", "shared", "parameters", "skip"]

_ROLES: dict[str, Role] = {
    "imports": "shared",
    "functions": "shared",
    "parameters": "parameters",
    "pipeline-parameters": "parameters",
    "skip": "skip",
}
#: Kale's words for Kubernetes, and for showing metrics: nothing of them concerns which cells run where.
_WITHOUT_MEANING = ("annotation:", "label:", "limit:", "pipeline-metrics", "image:", "cache:")
_PREFIXES = ("step:", "block:", "prev:")


@dataclass(slots=True)
class Mark:
    """What the tags of one cell say."""

    role: Role = ""
    #: Name of the step that begins, or goes on, with this cell.
    step: str = ""
    #: Steps that its own is to wait for.
    prev: list[str] = field(default_factory=list)
    #: What is not understood, for a person.
    notes: list[str] = field(default_factory=list)


def read_tags(tags: Iterable[object], number: int) -> Mark:
    """Read the tags of code cell ``number``. Raises :class:`InvalidInputError` for a name that no step can have."""
    mark = Mark()
    for tag in tags:
        if not isinstance(tag, str):
            continue
        prefix, colon, rest = tag.partition(":")
        if tag in _ROLES:
            mark.role = _ROLES[tag]
        elif colon and f"{prefix}:" in _PREFIXES:
            if not rest:  # Kale: the cell goes on with the step before it
                continue
            if not is_name(rest):
                raise InvalidInputError(
                    _("The tag '{tag}' of cell {number} names no step.").format(tag=tag[:100], number=number),
                    why=_("'{name}' can't be a step's name.").format(name=rest[:80]),
                    next=_("Begin with a letter; letters, digits, _ and -, at most 64."),
                )
            if prefix == "prev":
                mark.prev.append(rest)
            else:
                mark.step = rest
        elif tag.startswith(_WITHOUT_MEANING):
            mark.notes.append(_("Cell {number}: the tag '{tag}' has no meaning here.").format(number=number, tag=tag))
        elif colon and (close := difflib.get_close_matches(f"{prefix}:", _PREFIXES, cutoff=0.6)):
            mark.notes.append(
                _("Cell {number}: the tag '{tag}' is not known and is left alone; did you mean {close}…?").format(
                    number=number, tag=tag[:80], close=close[0]
                )
            )
    return mark
