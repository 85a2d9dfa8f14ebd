"""The generated reference pages: one function for each, from the lists of ``inventory``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence
from typing import Any

from . import inventory

MADE = "<!-- Made from the code by docs/_ext/mlops_reference: edit the code, not this page. -->\n"


def all_pages() -> dict[str, str]:
    """File name → text of every generated page."""
    return {
        "api.rst": api(),
        "cli.rst": cli(),
        "configuration.md": configuration(),
        "errors.md": errors(),
        "events.md": events(),
        "http.md": http(),
        "magics.md": magics(),
        "pipeline-file.md": pipeline_file(),
        "settings.md": settings(),
    }


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    lines += ["| " + " | ".join(cell(str(value)) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return text that stays within one cell of a table."""
    return plain(" ".join(text.split())).replace("|", "\\|")


def plain(text: str) -> str:
    """Return text in which only `code` and [links](x) are mark-up: ``<`` and ``*`` are escaped outside of code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is no mark-up
        parts = [text.replace("`", "\\`")]
    parts[::2] = [part.replace("<", "\\<").replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


def code(value: object) -> str:
    """Return a value as code, nothing where there is none."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if text else ""


def from_rst(text: str) -> str:
    """Return a docstring's inline mark-up as Markdown (``x`` and :class:`X` become `x` and `X`)."""
    import re

    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", inspect.cleandoc(text))
    return text.replace("``", "`")


# -- Python and the command line: RST, rendered by autodoc and sphinx-click -----------------------------------------


def rst_title(text: str, line: str = "=") -> str:
    """Return an RST title."""
    return f"{text}\n{line * len(text)}\n"


def api() -> str:
    """The Python API: what a notebook imports, then the areas' services and their models."""
    import jupyter_mlops

    parts = [
        rst_title("Python API"),
        "In a notebook\n-------------\n",
        "What ``import jupyter_mlops as mlops`` gives. Each is loaded when it is first used.\n",
    ]
    for name in inventory.public_names():
        value = getattr(jupyter_mlops, name)
        if isinstance(value, str):
            parts.append(f".. py:data:: jupyter_mlops.{name}\n   :type: str\n\n   The version of the package.\n")
            continue
        if isinstance(value, type):
            parts.append(f".. autoclass:: jupyter_mlops.{name}\n")
        elif callable(value):
            parts.append(f".. autofunction:: jupyter_mlops.{name}\n")
        else:  # an object with methods: its class is what there is to say
            cls = type(value)
            parts.append(
                f".. py:data:: jupyter_mlops.{name}\n   :type: {cls.__module__}.{cls.__qualname__}\n\n"
                + "".join(f"   {line}\n" for line in inspect.getdoc(value).splitlines())  # type: ignore[union-attr]
            )
    parts.append("Services\n--------\n")
    parts.append("The public API of each area, for programs. None of them needs Jupyter.\n")
    parts += [f".. autoclass:: {name}\n" for name in inventory.services().values()]
    parts.append("Errors\n------\n")
    parts.append(".. autoclass:: jupyter_mlops.errors.MlopsError\n   :no-index:\n")
    parts += [
        f".. autoclass:: jupyter_mlops.errors.{each.class_name}\n   :no-members:\n"
        for each in inventory.error_codes()
        if hasattr(__import__("jupyter_mlops.errors", fromlist=["errors"]), each.class_name)
    ]
    return "\n".join(parts)


def cli() -> str:
    """The command line, by sphinx-click."""
    return (
        rst_title("Command line")
        + "\n``mlops`` finds the workspace upwards from the working directory. Exit codes: 0 done, 1 an error that was"
        " said, 2 wrong usage, 130 interrupted. With ``--json`` a command prints the same fields as the HTTP"
        " interface.\n\n" + ".. click:: jupyter_mlops.cli:cli\n   :prog: mlops\n   :nested: full\n"
    )


# -- Markdown --------------------------------------------------------------------------------------------------------


def configuration() -> str:
    """The settings of ``mlops.toml``."""
    from jupyter_mlops.config import default_config_text

    parts = [
        "# `mlops.toml`\n",
        MADE,
        "Every key has a default, so an empty file is valid. A key that does not exist is an error"
        " ([`invalid-config`](../../how-to/troubleshooting.md#invalid-config)), with line and column."
        ' A value written `"env:NAME"` in `store.url` or `tracking.uri` is taken from the environment variable'
        " `NAME`, so that secrets stay out of git.\n",
    ]
    sections: dict[str, list[inventory.ConfigKey]] = {}
    for key in inventory.config_keys():
        sections.setdefault(key.section, []).append(key)
    for section, keys in sections.items():
        parts.append(f"## `[{section}]`\n")
        parts.append(
            table(
                ("key", "type", "default", "meaning"),
                (
                    (
                        code(key.name),
                        key.type + (f" ({key.limits})" if key.limits else ""),
                        code(json.dumps(key.default)),
                        key.description,
                    )
                    for key in keys
                ),
            )
        )
    parts.append("## The file that `mlops init` writes\n")
    parts.append(f"```toml\n{default_config_text('my project').rstrip()}\n```\n")
    return "\n".join(parts)


def errors() -> str:
    """The error codes."""
    return "\n".join(
        (
            "# Error codes\n",
            MADE,
            "An error says what happened, why, and what to do next, in every face. Its code is stable: HTTP answers"
            " carry it as `code` in their problem details (RFC 9457), failed runs store it, and the"
            " [troubleshooting page](../../how-to/troubleshooting.md) has an entry for each.\n",
            table(
                ("code", "HTTP status", "Python class", "meaning"),
                (
                    (
                        f"[`{each.code}`](../../how-to/troubleshooting.md#{each.code})",
                        each.status,
                        code(each.class_name),
                        from_rst(each.doc),
                    )
                    for each in inventory.error_codes()
                ),
            ),
        )
    )


def events() -> str:
    """The events on Jupyter's event stream."""
    parts = [
        "# Change events\n",
        MADE,
        "Emitted on Jupyter's event stream, `/api/events/subscribe`. What each topic and its key are stands with the"
        " [other names of the outside](../environment.md#change-events).\n",
    ]
    for schema in inventory.event_schemas():
        parts.append(f"## {schema['title']}\n")
        parts.append(f"Schema id `{schema['$id']}`.\n\n{schema['description']}")
        parts.append(
            table(
                ("field", "type", "meaning"),
                (
                    (
                        code(name),
                        _type(each) if "enum" not in each else " or ".join(code(value) for value in each["enum"]),
                        each["description"],
                    )
                    for name, each in schema["properties"].items()
                ),
            )
        )
    return "\n".join(parts)


def magics() -> str:
    """The IPython magics, as ``%name?`` shows them."""
    parts = ["# Magics\n", MADE, "Loaded with `%load_ext jupyter_mlops`.\n"]
    for magic in inventory.magics():
        parts.append(f"## `{magic.name}`\n")
        parts.append(f"```text\n{inspect.cleandoc(magic.doc)}\n```\n")
    return "\n".join(parts)


def settings() -> str:
    """The JupyterLab settings."""
    parts = [
        "# JupyterLab settings\n",
        MADE,
        "In JupyterLab: Settings → Settings Editor. Shortcuts are in the same place, under Keyboard Shortcuts.\n",
    ]
    for plugin, schema in inventory.settings_schemas().items():
        parts.append(f"## {schema.get('title', plugin)}\n")
        if schema.get("description"):
            parts.append(f"{schema['description']} Plugin: `jupyter-mlops:{plugin}`.\n")
        properties = schema.get("properties", {})
        if properties:
            parts.append(
                table(
                    ("setting", "title", "type", "default", "meaning"),
                    (
                        (code(name), each.get("title", ""), _type(each), code(each.get("default", "")), _meaning(each))
                        for name, each in properties.items()
                    ),
                )
            )
        shortcuts = schema.get("jupyter.lab.shortcuts", [])
        if shortcuts:
            parts.append(
                table(
                    ("command", "keys"),
                    ((code(each["command"]), code(" ".join(each["keys"]))) for each in shortcuts),
                )
            )
    parts.append("## Options of the server extension\n")
    parts.append("Set in `jupyter_server_config.py` (`c.MlopsExtension.threads = 16`) or on the command line.\n")
    rows = ((code(name), code(default), meaning) for name, default, meaning in inventory.server_options())
    parts.append(table(("option", "default", "meaning"), rows))
    return "\n".join(parts)


def _meaning(schema: dict[str, Any]) -> str:
    choices = [f"`{each['const']}`: {each.get('title', '')}" for each in schema.get("oneOf", []) if "const" in each]
    return schema.get("description", "") + (" " + "; ".join(choices) + "." if choices else "")


def pipeline_file() -> str:
    """What a pipeline file may say, and its JSON schema."""
    from jupyter_mlops.pipelines.file_schema import pipeline_schema

    schema = pipeline_schema()
    properties = schema["properties"]
    parameter = properties["parameters"]["additionalProperties"]["anyOf"][-1]
    step = properties["steps"]["additionalProperties"]
    return "\n".join(
        (
            "# Pipeline file\n",
            MADE,
            "A file `<name>.pipeline.yaml` anywhere in the workspace. [How to write one](../../how-to/pipelines.md).\n",
            "## The file\n",
            _keys(schema),
            "## A parameter\n",
            "Either its default alone, or:\n",
            _keys(parameter),
            "## A step\n",
            _keys(step),
            "## JSON schema\n",
            "For editors that complete and check a file while it is written. The reader also checks what a schema"
            " can't: that steps, outputs, parameters and notebooks that are named exist, and that steps do not wait for"
            " each other.\n",
            f"```json\n{json.dumps(schema, indent=2, ensure_ascii=False)}\n```\n",
        )
    )


def _keys(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    return table(
        ("key", "type", "meaning"),
        (
            (code(name) + (" (required)" if name in required else ""), _type(each), each.get("description", ""))
            for name, each in schema["properties"].items()
        ),
    )


def http() -> str:
    """The HTTP interface, from the OpenAPI document."""
    document = inventory.openapi()
    schemas = document.get("components", {}).get("schemas", {})
    parts = [
        "# HTTP interface\n",
        MADE,
        f"All paths are below `{document['servers'][0]['url']}` at the Jupyter server's base URL. Every request needs"
        " the server's token or a login session, and a POST, PUT or DELETE by cookie needs its XSRF token, as for any"
        " Jupyter Server interface."
        " The running server gives all of this as an OpenAPI document at `openapi.json`.\n",
    ]
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in ("get", "put", "post", "delete", "patch"):
                groups.setdefault((operation.get("tags") or ["other"])[0], []).append((method, path, operation))
    for group, items in groups.items():
        parts.append(f"## {group}\n")
        for method, path, operation in items:
            parts.append(f"### {method.upper()} `{path}`\n")
            said = (operation.get("summary", ""), operation.get("description", ""))
            parts += [plain(from_rst(text)) + "\n" for text in said if text]
            parts.append(_operation(operation, document))
    parts.append("## Problems\n")
    parts.append(
        "An error is a [ProblemDetails](#problemdetails) of the media type `application/problem+json`. Its `code`"
        " is one of the [error codes](errors.md).\n"
    )
    said = {
        status: _resolved(answer, document)["description"]
        for _, _, operation in (item for items in groups.values() for item in items)
        for status, answer in operation["responses"].items()
        if status >= "300"
    }
    parts.append(table(("status", "meaning"), sorted(said.items())))
    parts.append("## Models\n")
    for name, schema in sorted(schemas.items()):
        parts.append(f"### {name}\n")
        parts.append(_schema(schema))
    return "\n".join(parts)


def _operation(operation: dict[str, Any], document: dict[str, Any]) -> str:
    parts = []
    if operation.get("parameters"):
        parts.append(
            table(
                ("parameter", "in", "type", "meaning"),
                (
                    (
                        code(each["name"]) + (" (required)" if each.get("required") else ""),
                        each["in"],
                        _type(each.get("schema", {})),
                        from_rst(each.get("description") or each.get("schema", {}).get("description", "")),
                    )
                    for each in operation["parameters"]
                ),
            )
        )
    for content in operation.get("requestBody", {}).get("content", {}).values():
        parts.append(f"Body: {_type(content.get('schema', {}))}.\n")
    answers = {status: _resolved(answer, document) for status, answer in operation["responses"].items()}
    good = [(status, answer) for status, answer in answers.items() if status < "300"]
    for status, answer in good:
        parts.append(f"Answers {status}{_body(answer)}.\n")
    problems = [status for status in answers if status >= "300"]
    if problems:
        parts.append("Problems: " + ", ".join(problems) + ".\n")
    return "\n".join(parts)


def _resolved(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Follow a ``$ref`` within the document."""
    while "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def _body(answer: dict[str, Any]) -> str:
    types = [_type(content.get("schema", {})) for content in answer.get("content", {}).values()]
    return " with " + ", ".join(types) if types else " without a body"


def _schema(schema: dict[str, Any]) -> str:
    parts = [plain(from_rst(schema.get("description", ""))) + "\n"]
    if schema.get("properties"):
        required = set(schema.get("required", ()))
        parts.append(
            table(
                ("field", "type", "meaning"),
                (
                    (code(name) + ("" if name in required else " (optional)"), _type(each), _field_meaning(each))
                    for name, each in schema["properties"].items()
                ),
            )
        )
    return "\n".join(parts)


def _field_meaning(schema: dict[str, Any]) -> str:
    return from_rst(schema.get("description", ""))


def _type(schema: dict[str, Any]) -> str:
    """Say a JSON schema in words, with links to named models."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in schema and all("const" not in each for each in schema[key]):
            return " or ".join(_type(each) for each in schema[key])
    kind = schema.get("type", "text" if "enum" in schema else "any")
    if isinstance(kind, list):
        kind = " or ".join(each for each in kind if each != "null")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    words = inventory.limits(schema)
    if "const" in schema:
        return code(schema["const"])
    return kind + (f" ({words})" if words else "")
