"""papermill's engine ``jupyter_mlops``: ``papermill --engine jupyter_mlops in.ipynb out.ipynb``, and what steps run on.

papermill loads this module while it is itself half imported, and imports every engine that is installed whether or
not it is used. So nothing of papermill is imported here; the work is in :mod:`.notebook_execution`, an execution
manager and a client that extend papermill's own.
"""

from __future__ import annotations

from typing import Any


class WorkspaceEngine:
    """A papermill engine (the three class methods that papermill calls) with the defects of the default one mended.

    - A cell that was running when the kernel died or the time was up is marked failed, those after it stay pending;
      the default engine marks all of them completed.
    - Outputs go to a journal as they arrive, so a killed execution loses none (:mod:`.output_recovery`).
    - The notebook is written to a temporary name and renamed, at a bounded rate, also while one cell runs for long.
    - What is kept of a cell's output is bounded, and fast output is not lost.
    """

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: Any = True,
        log_output: bool = False,
        autosave_cell_every: float = 30,
        **kwargs: Any,
    ) -> Any:
        """Execute ``nb`` and return it. Arguments as of papermill's engines, and some of ours.

        ``reporter`` hears of each cell (:class:`.notebook_execution.Reporter`); ``control`` can stop the execution
        (:class:`.kernel_control.Control`); ``planner`` may skip or prepare cells (:class:`.planning.Planner`);
        ``extensions`` names IPython extensions that the kernel loads as it starts.
        """
        from .notebook_execution import execute

        return execute(
            nb,
            kernel_name,
            output_path=output_path,
            progress_bar=progress_bar,
            log_output=log_output,
            autosave_cell_every=autosave_cell_every,
            **kwargs,
        )

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Return the kernel to use: ``name``, else what the notebook says. Raises ``ValueError`` if neither."""
        from papermill.utils import nb_kernel_name

        return nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Return the notebook's language: ``language``, else what it says. Raises ``ValueError`` if neither."""
        from papermill.utils import nb_language

        return nb_language(nb, language)
