"""Origin tags for every ``mlflow.start_run()`` in a workspace (entry point ``mlflow.run_context_provider``).

MLflow imports this module whenever it is imported itself, in any project: it must cost nothing there.
"""

from __future__ import annotations

from mlflow.tracking.context.abstract_context import RunContextProvider

from ..workspace import Workspace


class WorkspaceRunContext(RunContextProvider):
    """Adds notebook, step, commit, environment and process to a run's tags; outside a workspace it does nothing."""

    def in_context(self) -> bool:
        """Whether this process works in a workspace."""
        return Workspace.locate() is not None

    def tags(self) -> dict[str, str]:
        """Return the tags; MLflow logs a warning, and starts the run all the same, where this fails."""
        from .origin import origin_tags

        return origin_tags(Workspace.find())
