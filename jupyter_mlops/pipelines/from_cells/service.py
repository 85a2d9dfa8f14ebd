"""Pipelines from the cells of a notebook: proposed, and written."""

from __future__ import annotations

import contextlib
import json
from pathlib import PurePosixPath
from typing import Any

import yaml

from ...errors import ConflictError, PathError, from_os_error
from ...i18n import gettext as _
from ...workspace import STATE_NAME, Workspace
from ..parameter_types import type_of
from . import static
from .notebook import read_notebook
from .notebooks import about, inputs_of, notebook_of, outputs_of
from .proposing import Proposal, propose
from .steps import Step
from .types import CellsPipeline, CellsPipelineRequest, ProposedStep, StepCell, StepVariable

__all__ = ["CellsPipelineService"]


class CellsPipelineService:
    """Makes pipelines of notebooks' cells. Cheap to construct."""

    def __init__(self, workspace: Workspace):
        self._workspace = workspace

    def make(self, request: CellsPipelineRequest) -> CellsPipeline:
        """Propose a pipeline; where the request says so, write it.

        The notebook itself stays as it is. Raises :class:`InvalidInputError` for what no pipeline can be made of,
        :class:`NotebookError`, :class:`NotFoundError`, :class:`PathError`, and :class:`ConflictError` where a file
        would be overwritten: nothing is written then.
        """
        notebook = read_notebook(self._workspace, request.notebook)
        proposal = propose(
            self._workspace,
            notebook,
            edited=[(step.name, step.cells) for step in request.steps],
            not_kept=request.not_kept,
        )
        folder = self._folder(request, notebook.path)
        files = self._files(proposal, folder)
        exists = [path for path in files if self._workspace.resolve(path).exists()]
        if request.write:
            if exists and not request.overwrite:
                raise ConflictError(
                    _("{path} is there already.").format(path=exists[0]),
                    why=_("Files are replaced only when that is asked for."),
                    next=_("Choose another folder, or say that files may be replaced (--overwrite)."),
                    details={"exists": exists},
                )
            self._write(files)
        return _shown(proposal, folder, exists, list(files) if request.write else [])

    def _folder(self, request: CellsPipelineRequest, notebook: str) -> str:
        stem = PurePosixPath(notebook)
        folder = request.folder or str(stem.with_name(f"{stem.stem}-pipeline"))
        found = self._workspace.relative(self._workspace.resolve(folder))
        if PurePosixPath(found).parts[:1] == (STATE_NAME,):
            raise PathError(_("{path} is in {folder}, which is not yours.").format(path=found, folder=STATE_NAME))
        return found

    def _files(self, proposal: Proposal, folder: str) -> dict[str, str]:
        """Return what is to be written: workspace path → content."""
        files = {_pipeline_path(proposal, folder): pipeline_text(proposal)}
        for step in proposal.steps:
            text = about(proposal.notebook, step, proposal.survey)
            content = notebook_of(proposal.notebook, step, proposal.survey, folder, text)
            files[_join(folder, f"{step.name}.ipynb")] = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        return files

    def _write(self, files: dict[str, str]) -> None:
        for path, content in reversed(files.items()):  # the pipeline file last: it names the others
            file = self._workspace.resolve(path)
            temporary = file.with_name(f".{file.name}.part")
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(content, encoding="utf-8")
                temporary.replace(file)
            except OSError as error:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise from_os_error(error, _("write {path}").format(path=path), path) from error


def pipeline_text(proposal: Proposal) -> str:
    """Return the pipeline file."""
    document: dict[str, Any] = {
        "name": _name(proposal),
        "description": _("From the cells of {notebook}.").format(notebook=proposal.notebook.path),
    }
    used = {name for step in proposal.steps for name in _parameters_of(proposal, step)}
    parameters = {name: value for name, value in proposal.parameters.items() if name in used}
    if parameters:
        # Lists and mappings would be read as the parameter's description.
        document["parameters"] = {
            name: {"type": type_of(value), "default": value} for name, value in parameters.items()
        }
    document["steps"] = {step.name: _step(proposal, step) for step in proposal.steps}
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    return text


def _step(proposal: Proposal, step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {"notebook": f"{step.name}.ipynb"}
    if parameters := _parameters_of(proposal, step):
        found["parameters"] = {name: f"${{{{ parameters.{name} }}}}" for name in parameters}
    if inputs := inputs_of(step):
        found["inputs"] = {
            name: f"${{{{ steps.{giver}.outputs.{output} }}}}" for name, (giver, output) in inputs.items()
        }
    if outputs := outputs_of(step):
        found["outputs"] = outputs
    if needs := sorted(step.needs):
        found["needs"] = needs
    return found


def _parameters_of(proposal: Proposal, step: Step) -> list[str]:
    place = proposal.parameters_cell
    return list(proposal.parameters) if place in step.replayed or place in step.places else []


def _name(proposal: Proposal) -> str:
    return PurePosixPath(proposal.notebook.path).stem[:200] or "pipeline"


def _pipeline_path(proposal: Proposal, folder: str) -> str:
    return _join(folder, f"{_name(proposal)}.pipeline.yaml")


def _join(folder: str, name: str) -> str:
    return str(PurePosixPath(folder) / name)


# -- as it is shown --------------------------------------------------------------------------------------------------


def _shown(proposal: Proposal, folder: str, exists: list[str], written: list[str]) -> CellsPipeline:
    steps = [_shown_step(proposal, step, folder) for step in proposal.steps]
    return CellsPipeline(
        notebook=proposal.notebook.path,
        name=_name(proposal),
        path=_pipeline_path(proposal, folder),
        parameters=proposal.parameters,
        steps=steps,
        how=proposal.how,
        notes=proposal.notes,
        skipped=[cell.number for cell in proposal.skipped],
        exists=exists,
        written=written,
    )


def _shown_step(proposal: Proposal, step: Step, folder: str) -> ProposedStep:
    cells = {cell.place: cell for cell in proposal.survey.cells}
    types = {name: kind for facts in proposal.survey.facts for name, kind in facts.types.items()}
    mates = {name: [each for each in group if each != name] for group in step.shared_objects for name in group}
    shown = []
    for place, why in step.replayed.items():
        role = (
            "parameters" if place == proposal.parameters_cell else "prepares" if place in proposal.prepares else "again"
        )
        shown.append(_shown_cell(cells[place], role, why))
    for place in step.places:
        role = (
            "parameters" if place == proposal.parameters_cell else "prepares" if place in proposal.prepares else "own"
        )
        shown.append(_shown_cell(cells[place], role, ""))
    packages = [each for cell in shown for each in static.installs(_source(proposal, cell.number))]
    return ProposedStep(
        name=step.name,
        notebook=_join(folder, f"{step.name}.ipynb"),
        cells=shown,
        inputs=[
            *(
                StepVariable(name=name, step=giver, type=types.get(name, ""), together=mates.get(name, []))
                for name, giver in step.takes.items()
            ),
            *(
                StepVariable(name=_("state of random numbers ({name})").format(name=name), step=giver)
                for name, giver in step.takes_random.items()
            ),
        ],
        outputs=[StepVariable(name=name, type=types.get(name, "")) for name in sorted(step.gives)],
        needs=step.needs,
        parameters=_parameters_of(proposal, step),
        packages=list(dict.fromkeys(packages)),
        notes=list(dict.fromkeys(step.notes)),
    )


def _shown_cell(cell: Any, role: Any, why: str) -> StepCell:
    return StepCell(id=cell.id, number=cell.number, title=cell.title, role=role, why=why)


def _source(proposal: Proposal, number: int) -> str:
    return next(cell.source for cell in proposal.survey.cells if cell.number == number)
