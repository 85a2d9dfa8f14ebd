"""What the doctor found, as the faces show it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..schema import Model

State = Literal["ok", "info", "warning", "error"]
Group = Literal["installation", "workspace", "stores", "processes"]
#: Worst last.
STATES: tuple[State, ...] = ("ok", "info", "warning", "error")


class Finding(Model):
    """The answer of one check."""

    name: str = Field(description="Stable name of the check, e.g. `git`.")
    group: Group
    state: State
    what: str = Field(description="What was found, one sentence.")
    next: str = Field("", description="What to do about it; empty: nothing.")


class DoctorReport(Model):
    """All findings, in the order of the checks."""

    state: State = Field(description="The worst state among the findings.")
    workspace: str = Field(description="Name of the workspace that was checked; empty: there is none.")
    findings: list[Finding]
    seconds: float = Field(description="Time that the checks took.")
