"""A pytest plugin for papermill's own tests: every notebook that they execute is executed by our engine."""

from __future__ import annotations

from typing import Any

import pytest
from papermill.engines import papermill_engines

from jupyter_mlops.engine.papermill_engine import WorkspaceEngine


def pytest_configure() -> None:
    for name in (None, "nbclient"):
        papermill_engines.register(name, WorkspaceEngine)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The command line is started as a process, where the default would be papermill's engine: name ours."""
    for module in {item.module for item in items if hasattr(item, "module")}:
        real = getattr(module, "papermill_cli", None)
        if real is not None:
            module.papermill_cli = _with_our_engine(real)


def _with_our_engine(real: Any) -> Any:
    def papermill_cli(papermill_args: list[str] | None = None, **options: Any) -> Any:
        arguments = list(papermill_args or [])
        return real([*arguments, "--engine", "jupyter_mlops"], **options)

    return papermill_cli
