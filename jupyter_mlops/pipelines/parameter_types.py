"""Types of parameters: which values fit, and how text from a command line is read."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

from ..errors import InvalidInputError
from ..i18n import gettext as _
from .types import ParameterSpec

Type = Literal["string", "integer", "number", "boolean", "any"]
TYPES: tuple[Type, ...] = ("string", "integer", "number", "boolean", "any")


def type_of(value: Any) -> Type:
    """Return the type that a default of this value gives its parameter."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "any"


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a type."""
    if kind == "any":
        return True
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int)
    if kind == "number":
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, str)


def from_text(text: str, kind: str) -> Any:
    """Return the value that text on a command line stands for. Raises ``ValueError`` where it does not fit."""
    if kind == "string":
        return text
    if kind == "integer":
        return int(text)
    if kind == "number":
        return float(text) if not text.strip().lstrip("+-").isdigit() else int(text)
    if kind == "boolean":
        known = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        if text.strip().lower() not in known:
            raise ValueError(text)
        return known[text.strip().lower()]
    try:
        return json.loads(text, parse_constant=lambda name: name)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)


def complete(given: dict[str, Any], declared: list[ParameterSpec], pipeline: str) -> dict[str, Any]:
    """Return a value for each declared parameter. Raises :class:`InvalidInputError` naming all that is wrong."""
    wrong: list[str] = []
    known = {spec.name: spec for spec in declared}
    for name in given:
        if name not in known:
            wrong.append(_("There is no parameter '{name}'.").format(name=name))
    values: dict[str, Any] = {}
    for name, spec in known.items():
        value = given.get(name, spec.default)
        if isinstance(value, float) and spec.type == "integer" and value.is_integer():
            value = int(value)
        if value is None and spec.type != "any":
            wrong.append(_("'{name}' has no default and must be given ({type}).").format(name=name, type=spec.type))
        elif not fits(value, spec.type):
            wrong.append(
                _("'{name}' is {value}, not of type {type}.").format(name=name, value=repr(value)[:80], type=spec.type)
            )
        values[name] = value
    if wrong:
        listed = ", ".join(known) or _("none")
        raise InvalidInputError(
            _("{pipeline} can't be started with these parameters.").format(pipeline=pipeline),
            why=" ".join(wrong),
            next=_("Its parameters are: {known}.").format(known=listed),
            details={"problems": wrong},
        )
    return values
