"""Restoring a run: its snapshot, and what the record adds to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..environment import ARTIFACT, environment_lock
from ..errors import ConflictError, MissingProgramError, NotFoundError
from ..i18n import gettext as _
from ..tracking.service import TrackingService
from ..versioning.service import VersioningService
from . import data
from .environments import differences
from .executed import executed_notebook, metadata_of, path_beside, seeds_in_words
from .material import Material, environment_of, gather, sources_of
from .types import RebuildRequest, Restoration, RestoreRequest, RunEnvironment

if TYPE_CHECKING:
    from ..workspace import Workspace
    from .installers import InstallerName
    from .rebuilding import Rebuilding

_OTHER_ARTIFACT = "environment-of-run.txt"


def restore(workspace: Workspace, run_id: str, request: RestoreRequest) -> Restoration:
    """Bring a run's state back; see :meth:`.service.ReproductionService.restore`."""
    material = gather(workspace, run_id)
    versioning = VersioningService(workspace)
    commit = material.snapshot.commit
    name = request.name or versioning.restoring.free_name(f"restored-{material.run.id[:8]}")
    seeds = seeds_in_words(material.records)
    files: dict[str, bytes] = {}
    environment = _environment_file(versioning, commit, material.environment)
    if environment:
        files[environment] = material.environment.encode()
    notebook = ""
    if material.records:
        notebook = _free_path(versioning, commit, material.notebook)
        original = data.snapshot_content(versioning, commit, material.notebook) if material.notebook else None
        content, _indices = executed_notebook(
            material.records, metadata_of(original or b""), _introduction(material, environment, seeds)
        )
        files[notebook] = content
    made = versioning.restoring.restore(
        commit,
        name,
        worktree=request.into == "worktree",
        files=files,
        message=_("Restore the run {name} ({id})").format(name=material.run.name, id=material.run.id),
    )
    found = data.check(workspace, commit, material.records, made.workspace)
    return Restoration(
        run_id=material.run.id,
        name=made.name,
        into=request.into,
        commit=made.commit,
        snapshot=commit,
        folder=workspace.relative(made.folder) if made.folder else "",
        notebook=notebook,
        cells=len(material.records),
        environment=environment,
        packages=differences(material.environment, environment_lock()) if material.environment else [],
        data=found,
        left_out=material.snapshot.left_out,
        seeds=seeds,
        notes=_notes(workspace, material, commit),
    )


def environment(workspace: Workspace, run_id: str) -> RunEnvironment:
    """Say what a run's environment was; see :meth:`.service.ReproductionService.environment`."""
    from .environments import Lock
    from .installers import choose

    run = TrackingService(workspace).run(run_id)
    lock = Lock.of(environment_of(workspace, run))
    try:
        installer = choose(None).name
    except MissingProgramError:
        installer = None
    return RunEnvironment(
        run_id=run.id,
        python=" ".join(filter(None, lock.interpreter)),
        system=lock.system,
        packages=len(lock.packages),
        installer=installer or "",
    )


def prepare(
    workspace: Workspace,
    run_id: str,
    name: str,
    installer: InstallerName | None,
    cancelled: threading.Event,
    on_progress: Callable[[str], None],
) -> tuple[str, Rebuilding]:
    """Get ready to make a run's environment again; return the run's id and what makes it.

    Raises as :meth:`.service.ReproductionService.rebuild`.
    """
    from .installers import choose
    from .rebuilding import Rebuilding

    material = gather(workspace, run_id)
    if not material.environment:
        raise NotFoundError(
            _("The environment of the run {name} is not kept.").format(name=material.run.name),
            why=_("It was made by a version that did not record it, or the artifact {file} is gone.").format(
                file=ARTIFACT
            ),
        )
    folder, inside = _tree(workspace, material.run.id, name)
    making = Rebuilding(
        workspace,
        material.environment,
        sources_of(workspace, material.run),
        inside,
        _places(workspace, folder, inside),
        choose(installer),
        cancelled,
        on_progress,
    )
    return material.run.id, making


def check_not_being_made(workspace: Workspace, name: str) -> None:
    """Raise :class:`ConflictError` while an environment is made in a restored work tree: what is written would stay."""
    from .rebuilding import FOLDER, being_made

    for each in VersioningService(workspace).restoring.restored():
        if each.name == name and each.workspace is not None and being_made(each.workspace / FOLDER):
            raise ConflictError(
                _("{name} can't be taken away now: its environment is being made.").format(name=name),
                next=_("Cancel that on the run's page, or wait for its end, and try again."),
            )


def _tree(workspace: Workspace, run_id: str, name: str) -> tuple[Path, Path]:
    """The top of a restored work tree, and the workspace in it."""
    for each in VersioningService(workspace).restoring.restored():
        if each.name == name and each.folder is not None and each.workspace is not None:
            return each.folder, each.workspace
    raise NotFoundError(
        _("There is no restored work tree {name}.").format(name=name[:120]),
        why=_("A run's environment lies in the folder with the run's files."),
        next=_("`mlops restore {run_id} --environment` makes both.").format(run_id=run_id),
    )


def _places(workspace: Workspace, folder: Path, inside: Path) -> list[tuple[Path, Path]]:
    """The workspace and its place in the work tree, then the tops of the two repositories."""
    depth = len(inside.relative_to(folder).parts)
    top = workspace.root.parents[depth - 1] if depth else workspace.root
    return [(workspace.root, inside), (top, folder)]


def _introduction(material: Material, environment: str, seeds: list[str]) -> str:
    lines = [
        _("# {name}: the cells as they were executed").format(name=material.run.name),
        _("Run `{id}`, notebook `{notebook}`, {n} executions in the order in which they ran.").format(
            id=material.run.id, notebook=material.notebook, n=len(material.records)
        ),
    ]
    if environment:
        lines.append(_("Its environment is in `{file}`.").format(file=environment))
    return "\n\n".join([*lines, "\n".join(f"- {each}" for each in seeds[:50])]).strip()


def _environment_file(versioning: VersioningService, commit: str, text: str) -> str:
    if not text:
        return ""
    theirs = data.snapshot_content(versioning, commit, ARTIFACT)  # a file of the user's with this name stays
    return ARTIFACT if theirs is None or theirs == text.encode() else _OTHER_ARTIFACT


def _free_path(versioning: VersioningService, commit: str, notebook: str) -> str:
    taken: set[str] = set()
    while data.snapshot_content(versioning, commit, path := path_beside(notebook, taken)) is not None:
        taken.add(path)
    return path


def _notes(workspace: Workspace, material: Material, commit: str) -> list[str]:
    notes = [material.not_recorded] if material.not_recorded else []
    modules = {path for record in material.records for path in record.get("module_files", {})}
    in_snapshot = data.snapshot_digests(VersioningService(workspace), commit, modules)
    said: set[str] = set()
    for record in material.records:
        for path, module in record.get("module_files", {}).items():
            kept = in_snapshot.get(path)
            if kept != record.get("modules", {}).get(module) and path not in said:
                said.add(path)
                notes.append(
                    _("The module {module} was used as it was before or after the snapshot.").format(module=module)
                    if kept is not None
                    else _("The module {module} ({path}) is not in the snapshot.").format(module=module, path=path)
                )
    if not material.environment:
        notes.append(_("The environment of the run is not kept."))
    interrupted = sum(each["status"] in ("interrupted", "died") for each in material.records)
    if interrupted:
        notes.append(_("{n} executions were interrupted: how far they came can't be repeated.").format(n=interrupted))
    return notes


def checked_request(into: str, name: str) -> RestoreRequest:
    """Make a request of words that a person typed; raise :class:`InvalidInputError` for a name that can't be one."""
    from ..versioning.service import check_name

    if name:
        check_name(name)
    return RestoreRequest(into="worktree" if into == "worktree" else "branch", name=name)


def checked_rebuild(name: str, replace: bool) -> RebuildRequest:
    """Make a request of words that a person typed; raises as :func:`checked_request`."""
    from ..versioning.service import check_name

    check_name(name)
    return RebuildRequest(name=name, replace=replace)
