"""Which areas have an HTTP face, in the one place that knows them all.

This module is imported when Jupyter starts and so imports nothing; the areas' routes are imported at the first request.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .routing import Route

#: Of the interface, below the server's base URL.
PREFIX = "jupyter-mlops/api"

#: Area → module whose ``routes`` holds its :class:`~jupyter_mlops.extension.routing.Routes`.
AREAS: dict[str, str] = {
    "workspace": "jupyter_mlops.extension.routes",
    "tracking": "jupyter_mlops.tracking.routes",
    "cells": "jupyter_mlops.cells.routes",
    "versioning": "jupyter_mlops.versioning.routes",
    "reproduction": "jupyter_mlops.reproduction.routes",
    "lineage": "jupyter_mlops.lineage.routes",
    "pipelines": "jupyter_mlops.pipelines.routes",
    "registry": "jupyter_mlops.registry.routes",
    "serving": "jupyter_mlops.serving.routes",
}


def load_routes() -> list[Route]:
    """Import every area's routes, in the order of the table. Takes a moment at first: call it in a thread."""
    return [route for module in AREAS.values() for route in import_module(module).routes.items]
