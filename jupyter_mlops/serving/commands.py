"""Command-line face of serving: ``mlops serve``, ``endpoints``, ``predict`` and ``trace``."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, TextIO

import click

from ..cells.service import CellService
from ..errors import InvalidInputError, NotFoundError
from ..i18n import gettext as _
from ..lineage.service import LineageService
from ..lineage.types import Node, Trace, TraceQuery
from ..registry.service import RegistryService
from ..terminal import show
from ..workspace import Workspace
from .rows import to_request
from .service import WAIT_SECONDS, ServingService, deploy_request
from .types import Endpoint

_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))


@click.command()
@click.argument("model")
@click.option("--endpoint", "-e", default="", help=_("Name of the endpoint (default: the model's name)."))
@click.option("--foreground", is_flag=True, help=_("Serve in this terminal, without the worker, until Ctrl+C."))
@click.option("--host", default="", help=_("With --foreground: address to listen on (default: from mlops.toml)."))
@click.option("--port", default=0, type=click.IntRange(0, 65535), help=_("With --foreground: port; 0: any free one."))
@_json
def serve(model: str, endpoint: str, foreground: bool, host: str, port: int, as_json: bool) -> None:
    """Put the model version MODEL behind an endpoint: NAME@ALIAS, NAME/VERSION, or NAME for its latest version."""
    from .api import default_endpoint

    workspace = Workspace.find()
    name = endpoint or default_endpoint(model)
    if foreground:
        from .foreground import serve_here

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        sys.exit(
            serve_here(
                workspace, model, deploy_request(name, model).endpoint, host or workspace.config.serving.host, port
            )
        )
    if host or port:
        raise click.UsageError(_("--host and --port go with --foreground; else mlops.toml says where to listen."))
    done = ServingService(workspace).deploy(deploy_request(name, model), wait=WAIT_SECONDS)
    show(done, as_json, _say_endpoint(done))


@click.group()
def endpoints() -> None:
    """List, show, stop, start and delete endpoints."""


@endpoints.command("list")
@_json
def list_endpoints(as_json: bool) -> None:
    """List the endpoints."""
    found = ServingService(Workspace.find()).endpoints()
    lines = [
        f"{each.name:<24} {each.status:<9} "
        + (f"{each.deployment.model}/{each.deployment.version}" if each.deployment else "-")
        + f"  {each.url}"
        for each in found
    ]
    show(list(found), as_json, "\n".join(lines) or _("There is no endpoint. Deploy a model with `mlops serve MODEL`."))


@endpoints.command("show")
@click.argument("name")
@_json
def show_endpoint(name: str, as_json: bool) -> None:
    """Show one endpoint."""
    found = ServingService(Workspace.find()).endpoint(name)
    show(found, as_json, _say_endpoint(found))


@endpoints.command("stop")
@click.argument("name")
@_json
def stop_endpoint(name: str, as_json: bool) -> None:
    """Stop an endpoint; it keeps its URL."""
    done = ServingService(Workspace.find()).stop(name, wait=WAIT_SECONDS)
    show(done, as_json, _("{name} is stopped.").format(name=name))


@endpoints.command("start")
@click.argument("name")
@_json
def start_endpoint(name: str, as_json: bool) -> None:
    """Start a stopped or failed endpoint."""
    done = ServingService(Workspace.find()).start(name, wait=WAIT_SECONDS)
    show(done, as_json, _say_endpoint(done))


@endpoints.command("delete")
@click.argument("name")
def delete_endpoint(name: str) -> None:
    """Delete an endpoint. Its request log stays in .mlops/serving/NAME/requests."""
    ServingService(Workspace.find()).delete(name, wait=WAIT_SECONDS)
    click.echo(_("{name} is deleted.").format(name=name))


@click.command()
@click.argument("endpoint")
@click.argument("values", nargs=-1, metavar="[COLUMN=VALUE]...")
@click.option("--json-data", "text", default="", help=_("Rows as JSON: records, columns, or columns and data."))
@click.option(
    "--file", "-f", type=click.File("r", encoding="utf-8"), default=None, help=_("File with such JSON; -: stdin.")
)
@_json
def predict(endpoint: str, values: tuple[str, ...], text: str, file: TextIO | None, as_json: bool) -> None:
    """Ask ENDPOINT for one row given as COLUMN=VALUE, or for the rows of a JSON text. Without rows: its example."""
    service = ServingService(Workspace.find())
    if sum([bool(values), bool(text), file is not None]) > 1:
        raise click.UsageError(_("Give rows in one way: COLUMN=VALUE, --json-data or --file."))
    if values:
        rows: Any = [_one_row(values, service.endpoint(endpoint))]
    elif text or file is not None:
        rows = _parse_json(text or (file.read() if file else ""))
    else:
        rows = service.endpoint(endpoint).example
        if "dataframe_split" not in rows:
            raise click.UsageError(_("The endpoint has no example; give a row as COLUMN=VALUE."))
    done = service.predict(endpoint, to_request(rows))
    lines = [json.dumps(value, ensure_ascii=False) for value in done.predictions]
    about = _("{model}/{version} at {endpoint}, {ms:.1f} ms, request {id}").format(
        model=done.model, version=done.version, endpoint=done.endpoint, ms=done.milliseconds, id=done.request_id
    )
    show(done, as_json, "\n".join([*lines, about]))


@click.command()
@click.argument("id")
@_json
def trace(id: str, as_json: bool) -> None:  # noqa: A002
    """Show what led to ID: a prediction's request id, a model version (NAME/VERSION, NAME@ALIAS), or a run id."""
    found = _trace(Workspace.find(), id)
    show(found, as_json, say_trace(found))


def say_trace(found: Trace) -> str:
    """Return a trace as a tree: below each thing stands what led to it; what was shown already is not repeated."""
    sources: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for edge in found.edges:
        sources.setdefault((edge.target_kind, edge.target_key), []).append((edge.source_kind, edge.source_key))
    nodes: dict[tuple[str, str], Node] = {(node.kind, node.key): node for node in (found.start, *found.nodes)}
    lines: list[str] = []
    shown: set[tuple[str, str]] = set()

    def add(name: tuple[str, str], first: str, rest: str) -> None:
        node = nodes.get(name)
        repeated = name in shown and bool(sources.get(name))
        lines.append(first + _say_node(node, name) + (" …" if repeated else ""))
        if repeated:
            return
        shown.add(name)
        before = sources.get(name, [])
        for i, source in enumerate(before):
            last = i == len(before) - 1
            add(source, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    add((found.start.kind, found.start.key), "", "")
    if found.truncated:
        lines.append(_("There is more; `--json` has all that was read."))
    return "\n".join(lines)


def _say_node(node: Node | None, name: tuple[str, str]) -> str:
    kind = {
        "notebook": _("notebook"),
        "cell_execution": _("cell execution"),
        "snapshot": _("snapshot"),
        "run": _("run"),
        "pipeline_run": _("pipeline run"),
        "step": _("step"),
        "artifact": _("artifact"),
        "dataset": _("dataset"),
        "model_version": _("model version"),
        "deployment": _("deployment"),
        "endpoint": _("endpoint"),
        "prediction": _("prediction"),
    }[name[0]]
    label = node.label if node else name[1]
    return f"{kind} {name[1]}" + (f"  ({label})" if label != name[1] else "")


def _trace(workspace: Workspace, key: str) -> Trace:
    lineage = LineageService(workspace)
    CellService(workspace).try_to_refresh()
    if "/" in key or "@" in key:
        version = RegistryService(workspace).version(key)
        return lineage.trace(TraceQuery(kind="model_version", key=f"{version.name}/{version.version}"))
    try:
        return ServingService(workspace).trace_prediction(key)
    except NotFoundError as no_request:
        try:
            return lineage.trace(TraceQuery(kind="run", key=key))
        except NotFoundError:
            raise NotFoundError(
                _("{id} is no prediction and no run of this workspace.").format(id=key),
                why=no_request.why,
                next=_("Give a prediction's request id, a run id, or a model version as NAME/VERSION."),
            ) from no_request


def _one_row(values: tuple[str, ...], endpoint: Endpoint) -> dict[str, Any]:
    """Read COLUMN=VALUE pairs, each value as the type that the column takes."""
    types = {spec.name: spec.datatype for spec in endpoint.inputs}
    row: dict[str, Any] = {}
    for pair in values:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(_("{pair!r} is not of the form COLUMN=VALUE.").format(pair=pair))
        row[name] = value if types.get(name) in ("string", "datetime", "binary") else _value(value)
    return row


def _value(text: str) -> Any:
    if text == "":
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInputError(_("The rows are not valid JSON."), why=str(error)) from error


def _say_endpoint(each: Endpoint) -> str:
    served = each.deployment
    lines = [
        f"{each.name}  {each.status}  {each.url}",
        "  "
        + (f"{served.model}/{served.version}" if served else "-")
        + _("  {n} requests logged").format(n=each.requests),
    ]
    for deployment in (served, each.pending):
        if deployment is not None and deployment.error is not None:
            lines.append(
                _("  {model}/{version} failed: {what}").format(
                    model=deployment.model, version=deployment.version, what=deployment.error.what
                )
            )
            lines += [f"    {line}" for line in deployment.error.why.splitlines()]
    for spec in each.inputs:
        optional = "" if spec.required else _(" (optional)")
        lines.append(f"  {spec.name}: {spec.datatype}{'' if spec.shape == [-1] else spec.shape}{optional}")
    if each.status == "ready" and each.example:
        body = json.dumps(each.example, ensure_ascii=False)
        if len(body) <= 400:
            lines.append(f"  curl {each.url}/invocations -H 'content-type: application/json' -d '{body}'")
    return "\n".join(lines)
