"""Where this process's code runs: in which workspace, notebook, pipeline run and step.

The engine sets environment variables for a step's kernel; in a notebook opened by a person Jupyter Server tells the
notebook's path. Everything recorded (runs, outputs, model versions) takes its origin from here.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .renames import renames
from .workspace import WORKSPACE_VARIABLE, Workspace

PIPELINE_RUN_VARIABLE = "MLOPS_PIPELINE_RUN"
STEP_VARIABLE = "MLOPS_STEP"
ATTEMPT_VARIABLE = "MLOPS_ATTEMPT"
NOTEBOOK_VARIABLE = "MLOPS_NOTEBOOK"

#: MLflow tags that tell a run's origin. The part after the prefix is the field's name in the interface.
TAG_NOTEBOOK = "mlops.notebook"
TAG_SNAPSHOT = "mlops.snapshot"
TAG_COMMIT = "mlops.commit"
TAG_DIRTY = "mlops.dirty"
TAG_PIPELINE_RUN = "mlops.pipeline_run"
TAG_STEP = "mlops.step"
TAG_ATTEMPT = "mlops.attempt"
TAG_EXECUTION = "mlops.execution"


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """Origin of what is recorded now. Strings are empty where they do not apply."""

    workspace: Workspace
    #: Workspace path of the notebook.
    notebook: str = ""
    pipeline_run_id: str = ""
    step: str = ""
    #: 1-based; 0 outside a step.
    attempt: int = 0

    @property
    def in_step(self) -> bool:
        """Whether a pipeline step runs this code."""
        return bool(self.pipeline_run_id and self.step)

    @property
    def step_key(self) -> str:
        """``<pipeline run>/<step>``, empty outside a step."""
        return f"{self.pipeline_run_id}/{self.step}" if self.in_step else ""

    def environment(self) -> dict[str, str]:
        """Return the variables that carry this context into a kernel."""
        return {
            WORKSPACE_VARIABLE: str(self.workspace.root),
            NOTEBOOK_VARIABLE: self.notebook,
            PIPELINE_RUN_VARIABLE: self.pipeline_run_id,
            STEP_VARIABLE: self.step,
            ATTEMPT_VARIABLE: str(self.attempt),
        }

    def tags(self) -> dict[str, str]:
        """Return the MLflow tags of this origin (commit and snapshot are added where they are taken)."""
        tags = {TAG_NOTEBOOK: self.notebook, TAG_PIPELINE_RUN: self.pipeline_run_id, TAG_STEP: self.step}
        if self.in_step:
            tags[TAG_ATTEMPT] = str(self.attempt)
        return {key: value for key, value in tags.items() if value}


def current(workspace: Workspace | None = None) -> ExecutionContext:
    """Return the context of this process.

    Raises :class:`NotAWorkspaceError` where there is no workspace (``workspace`` overrides the search).
    """
    found = workspace or Workspace.find()
    return ExecutionContext(
        workspace=found,
        notebook=_notebook(found),
        pipeline_run_id=os.environ.get(PIPELINE_RUN_VARIABLE, ""),
        step=os.environ.get(STEP_VARIABLE, ""),
        attempt=int(os.environ.get(ATTEMPT_VARIABLE) or 0),
    )


def kernel_id() -> str:
    """Return the id by which Jupyter Server knows this kernel; empty: none has started it."""
    application = sys.modules.get("ipykernel.kernelapp")  # no kernel is without it
    if application is None or not application.IPKernelApp.initialized():
        return ""
    name = Path(application.IPKernelApp.instance().connection_file).stem
    return name.removeprefix("kernel-") if name.startswith("kernel-") else ""


def _notebook(workspace: Workspace) -> str:
    """Return the notebook of this kernel as a workspace path; empty where it can't be known or lies outside."""
    named = os.environ.get(NOTEBOOK_VARIABLE)
    if named:
        return named
    session = os.environ.get("JPY_SESSION_NAME", "")  # set by Jupyter Server 2: the path when the kernel first started
    if not session.endswith(".ipynb"):
        return ""
    path = Path(session)
    candidates = [path] if path.is_absolute() else [Path.cwd() / path.name, workspace.root / path, Path.cwd() / path]
    for candidate in candidates:
        then = candidate.resolve()
        if workspace.root not in then.parents:
            continue
        found = renames(workspace).of_kernel(then.relative_to(workspace.root).as_posix(), kernel_id(), _started_at)
        resolved = (workspace.root / found).resolve()
        if resolved.is_file() and workspace.root in resolved.parents:
            return resolved.relative_to(workspace.root).as_posix()
    return ""


def _started_at() -> float:
    """Return when this process started, seconds since 1970, not earlier than it was and at most 20 ms later."""
    if sys.platform != "linux":
        import psutil

        return psutil.Process().create_time()
    # psutil reckons from the second in which the machine started: up to a second too early.
    ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    since_boot = (ticks + 1) / os.sysconf("SC_CLK_TCK")
    return time.time() - max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot)
