"""Variables of a notebook that are handed on as they are: those that share objects lie in one file, and share them
again in the step that takes them."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .expressions import is_name

_LONGEST = 64


@dataclass(slots=True)
class Together:
    """A group of variables: about to be written (``names`` of ``namespace``), or read (``values``)."""

    names: list[str] = field(default_factory=list)
    namespace: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Write the group. Raises :class:`NotKeptError`."""
        from ..cells.api import keep_together

        self.names = keep_together(self.names, self.namespace, file)

    @staticmethod
    def read(file: Path) -> Together:
        """Read a group; its functions become functions of this process's notebook."""
        from ..cells.api import read_group

        values = read_group(file, notebook_namespace())
        return Together(names=list(values), values=values)

    def summary(self) -> str:
        """Return the names with their types."""
        kinds = (f"{name} ({type(self.namespace.get(name)).__name__})" for name in self.names)
        return ", ".join(kinds)[:300]

    def value(self, output: str) -> Any:
        """Return the variable that an output of this name stands for."""
        return next(value for name, value in self.values.items() if output_name(name) == output)


def notebook_namespace() -> dict[str, Any]:
    """Return the namespace of the notebook that runs in this process."""
    return sys.modules["__main__"].__dict__


def output_name(variable: str) -> str:
    """Return the name of the output in which a variable is handed on: its own, unless that is too long."""
    if is_name(variable):
        return variable
    return f"{variable[: _LONGEST - 13]}-{hashlib.blake2b(variable.encode(), digest_size=6).hexdigest()}"


def random_output(generator: str) -> str:
    """Return the name of the output with the state of a global random generator; no variable is called so."""
    return f"random-{generator}"
