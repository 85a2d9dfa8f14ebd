"""The OpenAPI 3.1 document, made from the routes' declarations and their Pydantic models.

    python -m jupyter_mlops.extension.openapi > openapi.json

The TypeScript types are generated from that file (``npm run types:api``); a contract test fails where either is old.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from .. import errors
from .._version import __version__
from .areas import PREFIX, load_routes
from .routing import Route
from .types import ProblemDetails

_REF = "#/components/schemas/{model}"
PROBLEM_TYPE = "application/problem+json"

#: What the framework itself may answer, by what a route takes.
_ALWAYS: tuple[int, ...] = (400, 403)
#: A workspace may be misconfigured, lack its database, lie on a full or read-only disk, or need a missing extra.
_IN_WORKSPACE: tuple[type[errors.MlopsError], ...] = (
    errors.InvalidInputError,
    errors.NotAWorkspaceError,
    errors.ConfigError,
    errors.ReadOnlyError,
    errors.MissingExtraError,
    errors.StoreError,
    errors.DiskFullError,
)
_TITLES = {
    400: "The request can't be understood",
    403: "Not allowed: not signed in, not authorised, or the folder can't be written",
    404: "No such thing",
    409: "Does not fit the present state",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "A parameter, a field of the body or the configuration is not valid",
    501: "Something that is needed is not installed",
    502: "A model server failed",
    503: "The database or the worker can't be used now",
    507: "The disk is full",
}


def statuses(route: Route) -> list[int]:
    """Return the statuses of all problems that the route may answer, in order."""
    found = {*_ALWAYS, *(error.status for error in route.raises)}
    if route.in_workspace:
        found.update(error.status for error in _IN_WORKSPACE)
    if route.query is not None or route.body is not None:
        found.add(422)
    if route.body is not None:
        found.update((413, 415))
    return sorted(found)


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI document of the routes."""
    references, schemas = _components(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        item = paths.setdefault(route.path, {})
        if route.method.lower() in item:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        item[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jupyter_mlops",
            "version": __version__,
            "description": "The MLOps workbench inside JupyterLab. Errors are RFC 9457 problem details.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": f"/{PREFIX}", "description": "Below the Jupyter server's base URL."}],
        "security": [{"token": []}],
        "tags": [{"name": area} for area in dict.fromkeys(_area(route) for route in routes)],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token <the Jupyter server's token>`; a browser sends its cookie instead.",
                }
            },
            "responses": _problems(references),
            "schemas": schemas,
        },
    }


_References = dict[tuple[type[BaseModel], JsonSchemaMode], dict[str, Any]]


def _components(routes: Iterable[Route]) -> tuple[_References, dict[str, Any]]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ProblemDetails, "serialization")]
    for route in routes:
        if route.body is not None:
            wanted.append((route.body, "validation"))
        if route.returns is not None:
            wanted.append((route.returns, "serialization"))
    references, definitions = models_json_schema(list(dict.fromkeys(wanted)), ref_template=_REF)
    schemas = definitions.get("$defs", {})
    return references, {name: _without_titles(schemas[name]) for name in sorted(schemas)}  # type: ignore[return-value]


def _without_titles(schema: Any) -> Any:
    """Drop Pydantic's titles of fields ("Page Token"), which only make the document and the types noisy."""
    if isinstance(schema, dict):
        return {
            key: {name: _without_titles(value) for name, value in value.items()}
            if key == "properties"
            else _without_titles(value)
            for key, value in schema.items()
            if key != "title" or not isinstance(value, str)
        }
    if isinstance(schema, list):
        return [_without_titles(value) for value in schema]
    return schema


def _area(route: Route) -> str:
    return route.resource.removeprefix("jupyter_mlops.")


def _operation(route: Route, references: _References) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [_area(route)],
    }
    rest = route.description
    if rest:
        operation["description"] = rest
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in route.parameters
    ]
    if route.in_workspace:
        parameters.append(
            {
                "name": "workspace",
                "in": "query",
                "required": False,
                "description": "Folder below the server's root that is, or lies in, the workspace; empty: the root.",
                "schema": {"type": "string", "default": "", "maxLength": 4096},
            }
        )
    parameters.extend(_query_parameters(route))
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": references[route.body, "validation"]}},
        }
    operation["responses"] = _responses(route, references)
    return operation


def _query_parameters(route: Route) -> Iterable[dict[str, Any]]:
    if route.query is None:
        return
    schema = route.query.model_json_schema(mode="validation")
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        field = _without_titles(field)
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": name in required}
        description = field.pop("description", None)
        if description:
            parameter["description"] = description
        yield {**parameter, "schema": field}


def _responses(route: Route, references: _References) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if route.returns is not None:
        success = {
            "description": (route.returns.__doc__ or "").strip().split("\n")[0] or route.returns.__name__,
            "content": {"application/json": {"schema": references[route.returns, "serialization"]}},
        }
    if route.location is not None:
        success["headers"] = {"Location": {"description": "URL of what was made.", "schema": {"type": "string"}}}
    problems = {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses(route)}
    return {str(route.status): success, **problems}


def _problems(references: _References) -> dict[str, Any]:
    content = {PROBLEM_TYPE: {"schema": references[ProblemDetails, "serialization"]}}
    return {f"Problem{status}": {"description": title, "content": content} for status, title in _TITLES.items()}


def dumps(routes: Sequence[Route] | None = None) -> str:
    """Return the document as the text of ``openapi.json``."""
    return json.dumps(document(load_routes() if routes is None else routes), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(dumps())
