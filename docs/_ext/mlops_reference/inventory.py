"""What the product has that documentation must name, read from the code itself.

The reference pages are made from these lists, and ``tests/docs`` compares the hand-written pages with them.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "jupyter_mlops"


@dataclass(frozen=True)
class ConfigKey:
    """One setting of ``mlops.toml``."""

    section: str
    name: str
    type: str
    default: Any
    limits: str
    description: str

    @property
    def key(self) -> str:
        """As written in messages: ``section.name``."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True)
class Magic:
    """One IPython magic; ``doc`` is what ``%name?`` shows."""

    name: str
    doc: str


@dataclass(frozen=True)
class ErrorCode:
    """One code of the error hierarchy."""

    code: str
    status: int
    class_name: str
    doc: str


def public_names() -> list[str]:
    """Names a notebook gets from ``import jupyter_mlops``."""
    return list(importlib.import_module("jupyter_mlops").__all__)


def services() -> dict[str, str]:
    """Area → dotted name of its service class."""
    found = {}
    for file in sorted(PACKAGE.glob("*/service.py")):
        area = file.parent.name
        module = f"jupyter_mlops.{area}.service"
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, type) and name.endswith("Service") and value.__module__ == module:
                found[area] = f"{module}.{name}"
    return found


def commands() -> dict[str, click.Command]:
    """Every command of ``mlops`` with its groups, by full name: ``mlops pipeline run``."""
    from jupyter_mlops.cli import cli

    def walk(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=name, parent=parent)
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                if found is not None and not found.hidden:
                    yield from walk(found, f"{name} {child}", context)

    return dict(list(walk(cli, "mlops", None))[1:])


def magics() -> list[Magic]:
    """The magics that ``%load_ext jupyter_mlops`` adds, with their prefix."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    before = {kind: set(names) for kind, names in shell.magics_manager.magics.items()}
    importlib.import_module("jupyter_mlops").load_ipython_extension(shell)
    return [
        Magic(prefix + name, (function.__doc__ or "").strip("\n"))
        for kind, prefix in (("line", "%"), ("cell", "%%"))
        for name, function in sorted(shell.magics_manager.magics[kind].items())
        if name not in before[kind]
    ]


def config_keys() -> list[ConfigKey]:
    """Every setting of ``mlops.toml``, in the order of the file."""
    from jupyter_mlops.config import Config

    properties = Config.model_json_schema()["$defs"]
    found = []
    for section, field in Config.model_fields.items():
        for name, setting in field.annotation.model_fields.items():  # type: ignore[union-attr]
            schema = properties[field.annotation.__name__]["properties"][name]  # type: ignore[union-attr]
            found.append(
                ConfigKey(
                    section=section,
                    name=name,
                    type=schema.get("type", ""),
                    default=setting.default,
                    limits=limits(schema),
                    description=setting.description or "",
                )
            )
    return found


def limits(schema: dict[str, Any]) -> str:
    """Say a JSON schema's limits in words: ``1 to 256``, ``at most 200 characters``."""
    low, high = schema.get("minimum"), schema.get("maximum")
    parts = []
    if low is not None and high is not None:
        parts.append(f"{low:g} to {high:g}")
    elif low is not None:
        parts.append(f"at least {low:g}")
    elif high is not None:
        parts.append(f"at most {high:g}")
    if "exclusiveMinimum" in schema:
        parts.append(f"greater than {schema['exclusiveMinimum']:g}")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if most is not None:
        parts.append(f"{least} to {most:,} characters" if least else f"at most {most:,} characters")
    elif least is not None:
        parts.append(f"at least {least} character" + ("s" if least > 1 else ""))
    if "enum" in schema:
        parts.append("one of " + ", ".join(f"`{value}`" for value in schema["enum"] if value != ""))
    return ", ".join(parts)


def error_codes() -> list[ErrorCode]:
    """Every ``MlopsError`` class of the package with a code of its own."""
    from jupyter_mlops import errors

    for file in _modules():  # an area may define a class of its own; import those modules
        if re.search(r"^class \w+\(.*Error\):", file.read_text(encoding="utf-8"), flags=re.MULTILINE):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))

    def walk(cls: type[errors.MlopsError]) -> Iterator[type[errors.MlopsError]]:
        for child in cls.__subclasses__():
            yield child
            yield from walk(child)

    found = {
        cls.code: ErrorCode(cls.code, cls.status, cls.__name__, (cls.__doc__ or "").strip())
        for cls in walk(errors.MlopsError)
        if "code" in vars(cls) and cls.__module__.startswith("jupyter_mlops.")
    }
    return sorted(found.values(), key=lambda each: each.code)


def server_options() -> list[tuple[str, str, str]]:
    """``(name, default, help)`` of the server extension's own options in ``jupyter_server_config.py``."""
    from jupyter_mlops.extension.app import MlopsExtension

    return [
        (f"{MlopsExtension.__name__}.{name}", repr(trait.default()), trait.help)
        for name, trait in sorted(MlopsExtension.class_own_traits(config=True).items())
    ]


def openapi() -> dict[str, Any]:
    """The OpenAPI document, as checked in (a contract test holds it equal to the routes)."""
    document: dict[str, Any] = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    return document


def routes() -> list[tuple[str, str]]:
    """``(method, path)`` of every HTTP operation."""
    return [
        (method.upper(), path)
        for path, operations in openapi()["paths"].items()
        for method in operations
        if method in ("get", "put", "post", "delete", "patch")
    ]


def settings_schemas() -> dict[str, dict[str, Any]]:
    """JupyterLab settings schemas: plugin name → schema, for those that have settings a person can change."""
    schemas = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(ROOT.glob("schema/*.json"))}
    schemas.pop("package", None)
    return schemas


def settings() -> list[str]:
    """``plugin.property`` of every JupyterLab setting."""
    return [
        f"{plugin}.{name}" for plugin, schema in settings_schemas().items() for name in schema.get("properties", {})
    ]


def strings_matching(pattern: str) -> set[str]:
    """Every string constant of the package's source that is wholly of a pattern."""
    expression = re.compile(pattern)
    return {
        node.value
        for file in _modules()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and expression.fullmatch(node.value)
    }


def environment_variables() -> set[str]:
    """Environment variables of our own that the package reads or sets."""
    return strings_matching(r"MLOPS_[A-Z_]+[A-Z]")


def mlflow_tags() -> set[str]:
    """MLflow tags that the package writes or reads: ``mlops.<name>``."""
    files = {path.name for path in PACKAGE.rglob("*")} | {"mlops.toml"}
    return {name for name in strings_matching(r"mlops\.[a-z_]+") if name not in files and not name.endswith((".db",))}


def event_schemas() -> list[dict[str, Any]]:
    """The schemas of what is emitted on Jupyter's event stream."""
    import yaml

    return [
        yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(PACKAGE.glob("extension/events/*.yaml"))
    ]


def topics() -> tuple[str, ...]:
    """Topics of changes on the event stream."""
    from typing import get_args

    from jupyter_mlops.events import Topic

    return get_args(Topic)


def _modules() -> list[Path]:
    return [file for file in sorted(PACKAGE.rglob("*.py")) if "labextension" not in file.parts]
