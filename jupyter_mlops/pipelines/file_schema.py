"""The JSON Schema of pipeline files, for editors that complete and check them while they are written."""

from __future__ import annotations

from typing import Any

from ..i18n import gettext as _
from .parameter_types import TYPES
from .spec import MAX_STEPS

SCHEMA_ID = "https://jupyter-mlops.readthedocs.io/schemas/pipeline-v1.json"


def pipeline_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12). It says what a single file can tell; the reader also checks references."""
    step = {
        "type": "object",
        "additionalProperties": False,
        "required": ["notebook"],
        "properties": {
            "notebook": {
                "type": "string",
                "pattern": r"\.ipynb$",
                "description": _("The notebook, relative to the folder of this file."),
            },
            "parameters": {
                "type": ["object", "null"],
                "description": _("Values for the notebook's parameters; text may hold ${{ parameters.x }}."),
            },
            "inputs": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "string", "pattern": r"^\s*\$\{\{\s*steps\..+\.outputs\..+\}\}\s*$"},
                "description": _("Input name → ${{ steps.<step>.outputs.<output> }}; read with mlops.inputs[name]."),
            },
            "outputs": {
                "type": ["array", "null"],
                "items": {"type": "string", "maxLength": 64},
                "uniqueItems": True,
                "description": _("Names that the notebook writes with mlops.outputs[name] = value."),
            },
            "needs": {
                "type": ["array", "null"],
                "items": {"type": "string"},
                "uniqueItems": True,
                "description": _("Steps that must have succeeded before, besides those of the inputs."),
            },
            "timeout_minutes": {
                "type": "number",
                "minimum": 0,
                "description": _("The step is stopped after this long; 0: the workspace's limit."),
            },
        },
    }
    plain = {"type": ["string", "number", "boolean", "array", "null"]}
    parameter = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "type": {"enum": list(TYPES)},
            "default": {"description": _("Without it a value must be given at the start.")},
            "description": {"type": "string"},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": _("A pipeline of notebooks"),
        "type": "object",
        "additionalProperties": False,
        "required": ["steps"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": {"type": "string"},
            "parameters": {
                "type": ["object", "null"],
                "additionalProperties": {"anyOf": [plain, parameter]},
                "description": _("Name → default, or → {type, default, description}."),
            },
            "steps": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": MAX_STEPS,
                "additionalProperties": step,
                "description": _("Step name → what it runs."),
            },
        },
    }
