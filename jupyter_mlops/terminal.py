"""What all commands of the terminal share: how a result is printed, how an error is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .errors import MlopsError
from .i18n import gettext as _

if TYPE_CHECKING:
    from pydantic import BaseModel


def show(value: BaseModel | list[Any] | dict[str, Any], as_json: bool, text: str) -> None:
    """Print a command's result: ``text`` for a person, or the value as JSON (the same fields as over HTTP)."""
    if as_json:
        click.echo(json.dumps(value, indent=2, default=lambda item: item.model_dump(mode="json")))
    else:
        click.echo(text)


def say_error(error: MlopsError) -> str:
    """Return an error as the lines that a terminal shows: what, why, what next."""
    lines = [_("Error: {what}").format(what=error.what)]
    if error.why:
        lines.append(f"  {error.why}")
    if error.next:
        lines.append(f"  → {error.next}")
    return "\n".join(lines)
