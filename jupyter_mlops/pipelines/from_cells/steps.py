"""Steps of a pipeline of cells, and when it matters which of two cells runs first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...i18n import gettext as _
from .facts import ANY_FILE, Facts, Survey


@dataclass(slots=True)
class Step:
    """A step: first its cells, then what follows from them."""

    name: str
    #: Places of its cells in the notebook, in the order in which they run.
    places: list[int]
    #: Steps that a tag tells it to wait for.
    prev: list[str] = field(default_factory=list)
    #: Why it begins where it does, and what was moved or joined, for a person.
    notes: list[str] = field(default_factory=list)
    #: Cells of other steps that run again here first → why.
    replayed: dict[int, str] = field(default_factory=dict)
    #: Variables that are taken before these cells run.
    early: set[str] = field(default_factory=set)
    #: Variable → the step that hands it on.
    takes: dict[str, str] = field(default_factory=dict)
    #: Variables of these that may not be there: it depends on the way that the cells take.
    maybe: set[str] = field(default_factory=set)
    gives: set[str] = field(default_factory=set)
    gives_maybe: set[str] = field(default_factory=set)
    #: Random generator → the step whose last state it goes on from.
    takes_random: dict[str, str] = field(default_factory=dict)
    gives_random: set[str] = field(default_factory=set)
    #: Step → why it must have run before, beside what is taken from it.
    needs: dict[str, str] = field(default_factory=dict)
    #: Variables that later steps take from earlier ones than this.
    untouched: set[str] = field(default_factory=set)
    #: Files, connections and locks that later steps open again.
    opened_again: set[str] = field(default_factory=set)
    #: Names that are bound by what runs again, and are not bound here in a run of the notebook.
    unbound: set[str] = field(default_factory=set)
    #: What it takes shares objects: groups of two or more.
    shared_objects: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """What must change about the steps before they are right."""

    kind: Literal["join", "move"]
    #: join: first and last step, by number. move: into this step (last).
    first: int
    last: int
    #: move: places of the cells in the notebook.
    places: tuple[int, ...]
    why: str


class Layout:
    """How steps lie on the cells of a survey. Cells are named by their index in the order in which they run."""

    def __init__(self, survey: Survey, steps: list[Step], prepares: set[int]):
        """``prepares`` holds places in the notebook."""
        self.survey = survey
        self.steps = steps
        self.prepares = {index for index, cell in enumerate(survey.cells) if cell.place in prepares}
        #: Cell → number of its step; step → its first cell.
        self.step_at: list[int] = []
        self.start: list[int] = []
        for number, step in enumerate(steps):
            self.start.append(len(self.step_at))
            self.step_at += [number] * len(step.places)


def conflict(one: Facts, other: Facts) -> bool:
    """Whether it makes a difference which of two cells runs first."""
    if not one.touches.isdisjoint(other.reads | other.touches) or not one.reads.isdisjoint(other.touches):
        return True
    if not one.generators.isdisjoint(other.generators) or one.sets_up or other.sets_up:
        return True
    return bool(tie(one, other)) or bool(one.leaves_open or other.leaves_open)


def tie(one: Facts, other: Facts) -> str:
    """Return why one must run before the other for what lies outside; empty: it need not."""
    for written, used in (
        (one.files_written, other.files_read | other.files_written),
        (other.files_written, one.files_read),
    ):
        if written and used:
            if common := (written & used) - {ANY_FILE}:
                return _("both use the file {path}").format(path=min(common))
            if ANY_FILE in written or ANY_FILE in used:
                return _("both may use the same files")
    if one.outside and other.outside:
        return _("both talk to other programs or machines")
    return ""
