"""Where a pipeline run keeps its files: ``.mlops/pipelines/<run>/``."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from ..engine.attempt import Attempt
from ..errors import from_os_error
from ..i18n import gettext as _
from ..workspace import Workspace

#: The notebooks as they were when each round started. Begins with a dot, as no step's name does.
_SOURCE = ".source"


class RunFolder:
    """The folder of one run."""

    def __init__(self, workspace: Workspace, run_id: str):
        self._workspace = workspace
        self.path = workspace.state / "pipelines" / run_id

    def attempt(self, step: str, number: int) -> Attempt:
        """Return the attempt of a step."""
        return Attempt(self.path / step / str(number))

    def output(self, step: str, number: int, notebook: str) -> str:
        """Return the workspace path of the executed notebook of an attempt."""
        name = notebook.rpartition("/")[2]
        return (self.path / step / str(number) / name).relative_to(self._workspace.root).as_posix()

    def source(self, round_: int, notebook: str) -> str:
        """Return the workspace path of a round's copy of a notebook (a workspace path)."""
        return (self._sources(round_) / notebook).relative_to(self._workspace.root).as_posix()

    def pin(self, round_: int, notebooks: Iterable[str]) -> None:
        """Copy the notebooks for a round, all or none. Copies that exist are another start of the same round: kept.

        A notebook that is gone when a run is resumed is taken from the round before.
        """
        place = self._sources(round_)
        if place.exists():
            return
        temporary = place.with_name(f"{place.name}.{uuid.uuid4().hex[:8]}")
        try:
            for notebook in sorted(set(notebooks)):
                copy = temporary / notebook
                copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                original, earlier = self._workspace.resolve(notebook), self._sources(round_ - 1) / notebook
                shutil.copyfile(earlier if earlier.exists() and not original.exists() else original, copy)
            if not place.exists():
                temporary.rename(place)
        except OSError as error:
            if not place.exists():
                raise from_os_error(error, _("copy the pipeline's notebooks"), self.path) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def remove(self) -> None:
        """Remove the folder (of a run that was never stored)."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _sources(self, round_: int) -> Path:
        return self.path / _SOURCE / str(round_)
