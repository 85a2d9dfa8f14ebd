"""Steps made from cells run in this process: the code of their notebooks, each in a namespace of its own.

Variables pass through the same files as in a pipeline; only the database that says which file is whose is left out.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jupyter_mlops.engine.attempt import InputContent
from jupyter_mlops.pipelines import passing
from jupyter_mlops.pipelines.content import Stored
from jupyter_mlops.pipelines.from_cells.marks import Mark
from jupyter_mlops.pipelines.from_cells.notebook import Cell, Notebook
from jupyter_mlops.pipelines.from_cells.notebooks import inputs_of, notebook_of, outputs_of
from jupyter_mlops.pipelines.from_cells.proposing import Proposal
from tests.cells.kept import main_module
from tests.cells.sessions import bounded


def as_notebook(sources: list[str]) -> Notebook:
    """A notebook with these cells."""
    cells = [
        Cell(place, f"c{place}", source, Mark(), {"cell_type": "code", "metadata": {}})
        for place, source in enumerate(sources)
    ]
    return Notebook("n.ipynb", {}, cells)


class _Inputs:
    def __init__(self, contents: dict[str, InputContent]):
        self.contents = contents

    def variables(self, *names: str) -> Any:
        found = passing.take(lambda name: self.contents[name], names)
        return found[0] if len(found) == 1 else tuple(found)

    def bind(self, *names: str) -> None:
        passing.bind(lambda name: self.contents[name], names)

    def random_state(self, *generators: str) -> None:
        passing.take_random(lambda name: self.contents[name], generators)


class _Outputs:
    def __init__(self, inputs: dict[str, InputContent]):
        self.inputs = inputs
        self.stored: dict[str, Stored] = {}

    def variables(
        self,
        *names: str,
        if_bound: Sequence[str] = (),
        untouched: Sequence[str] = (),
        opened_again: Sequence[str] = (),
    ) -> None:
        passing.settle(opened_again)
        passing.check_untouched(untouched, self.inputs, (*names, *if_bound))
        passing.give(names, self.stored.__setitem__, if_bound)

    def random_state(self, *generators: str) -> None:
        passing.give_random(generators, self.stored.__setitem__)


class _Workbench:
    def __init__(self, contents: dict[str, InputContent]):
        self.inputs = _Inputs(contents)
        self.outputs = _Outputs(contents)


class StepsRun:
    """All steps of a proposal, run one after the other."""

    def __init__(
        self,
        proposal: Proposal,
        seed: int,
        *,
        own_modules: Sequence[str] = (),
        forget: Callable[[], None] = lambda: None,
    ):
        """``own_modules``: the user's modules, which each process loads for itself.

        ``forget`` undoes what cells set in libraries, which a new process knows nothing of.
        """
        #: Step → its namespace, and the state of ``random``, at its end.
        self.spaces: dict[str, dict[str, Any]] = {}
        self.random: dict[str, Any] = {}
        given: dict[str, dict[str, Stored]] = {}
        for step in proposal.steps:
            contents = {
                name: InputContent(
                    step=giver,
                    output=output,
                    **{field: getattr(given[giver][output], field) for field in Stored.__slots__},
                )
                for name, (giver, output) in inputs_of(step).items()
            }
            workbench = _Workbench(contents)
            random.seed(seed)  # every process begins like this
            forget()
            for name in own_modules:
                sys.modules.pop(name, None)
            with main_module() as space:
                space["__name__"] = "__main__"
                space["__step__"] = workbench
                for cell in notebook_of(proposal.notebook, step, proposal.survey, ".", "")["cells"]:
                    if cell["cell_type"] == "code":
                        _execute(cell["source"], space)
                space.pop("__step__")
                self.spaces[step.name] = dict(space)
                self.random[step.name] = random.getstate()
            given[step.name] = workbench.outputs.stored
            assert sorted(workbench.outputs.stored) == sorted(outputs_of(step))


def _execute(source: str, space: dict[str, Any]) -> None:
    if source.startswith("import jupyter_mlops as "):
        head, _newline, rest = source.partition("\n")
        name = head.removeprefix("import jupyter_mlops as ")
        exec(compile(f"{name} = __step__\n{rest}\ndel {name}", "made", "exec"), space)
        return
    with bounded(6000):
        exec(compile(source, "cell", "exec"), space)


def files(folder: Path) -> dict[str, str]:
    """The text files in a folder."""
    return {each.name: each.read_text() for each in folder.glob("*.txt")}
