"""Command-line face of the registry: ``mlops models``."""

from __future__ import annotations

import time

import click

from ..i18n import gettext as _
from ..terminal import show
from ..workspace import Workspace
from .service import RegistryService
from .types import ModelDetail, ModelQuery, ModelVersion, TensorSpec


@click.group()
def models() -> None:
    """List and show registered models, move aliases."""


@models.command("list")
@click.option("--search", default="", help=_("Only names that contain this text."))
@click.option("--max-results", default=50, type=click.IntRange(1, 1000), show_default=True, help=_("Models shown."))
@click.option("--page-token", default="", help=_("Token of the page, from the answer before."))
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))
def list_models(search: str, max_results: int, page_token: str, as_json: bool) -> None:
    """List the registered models."""
    query = ModelQuery(search=search, max_results=max_results, page_token=page_token)
    page = RegistryService(Workspace.find()).models(query)
    lines = [
        f"{item.name:<30} "
        + _("{count} versions, latest {latest}").format(count=item.versions, latest=item.latest_version or "-")
        + "".join(f"  {alias}→{version}" for alias, version in item.aliases.items())
        for item in page.items
    ]
    if page.next_page_token:
        lines.append(_("More:  --page-token {token}").format(token=page.next_page_token))
    show(page, as_json, "\n".join(lines) or _("No model is registered. Register one with mlops.register(model, name)."))


@models.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))
def show_model(name: str, as_json: bool) -> None:
    """Show the model NAME with its versions; or one version: NAME@ALIAS, NAME/VERSION."""
    service = RegistryService(Workspace.find())
    if "@" in name or "/" in name:
        version = service.version(name)
        show(version, as_json, _say_version(version))
    else:
        detail = service.model(name)
        show(detail, as_json, _say_model(detail))


@models.command("alias")
@click.argument("name")
@click.argument("alias")
@click.argument("version")
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))
def set_alias(name: str, alias: str, version: str, as_json: bool) -> None:
    """Point ALIAS of the model NAME at VERSION."""
    done = RegistryService(Workspace.find()).set_alias(name, alias, version)
    show(done, as_json, _("{name}@{alias} is version {version} now.").format(name=name, alias=alias, version=version))


@models.command("unalias")
@click.argument("name")
@click.argument("alias")
def delete_alias(name: str, alias: str) -> None:
    """Take ALIAS away from the model NAME."""
    RegistryService(Workspace.find()).delete_alias(name, alias)
    click.echo(_("The alias {alias} of {name} is gone.").format(alias=alias, name=name))


def _say_model(model: ModelDetail) -> str:
    head = [model.name, *([model.description] if model.description else []), ""]
    return "\n".join(head + [_say_version(version) + "\n" for version in model.items]).rstrip()


def _say_version(version: ModelVersion) -> str:
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.created_at))
    lines = [
        f"{version.name}/{version.version}  {made}" + "".join(f"  @{alias}" for alias in version.aliases),
        "  " + _("run {run}").format(run=version.run_id or "-"),
    ]
    if version.notebook:
        lines.append("  " + _("notebook {notebook}").format(notebook=version.notebook))
    if version.snapshot:
        lines.append("  " + _("snapshot {commit}").format(commit=version.snapshot[:12]))
    if version.metrics:
        lines.append("  " + "  ".join(f"{key} {value:.4g}" for key, value in sorted(version.metrics.items())))
    lines.append("  " + _("takes {inputs}").format(inputs=_say_specs(version.inputs)))
    lines.append("  " + _("gives {outputs}").format(outputs=_say_specs(version.outputs)))
    if version.endpoints:
        lines.append("  " + _("answers at {endpoints}").format(endpoints=", ".join(version.endpoints)))
    return "\n".join(lines)


def _say_specs(specs: list[TensorSpec]) -> str:
    if not specs:
        return _("unknown (no signature)")
    shown = [f"{spec.name}: {spec.datatype}" + ("" if spec.shape == [-1] else str(spec.shape)) for spec in specs[:12]]
    more = len(specs) - len(shown)
    return ", ".join(shown) + (_(" and {more} more").format(more=more) if more > 0 else "")
