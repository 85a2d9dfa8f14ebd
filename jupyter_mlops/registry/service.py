"""The model registry: registered models, their versions and aliases, over MLflow's registry."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ..context import TAG_NOTEBOOK, TAG_SNAPSHOT
from ..errors import InvalidInputError, MlopsError, NotFoundError
from ..events import Change
from ..i18n import gettext as _
from ..store import outbox
from ..store.database import database
from ..store.tables import DeploymentRow, EndpointRow
from ..workspace import Workspace
from .client import check_alias, check_name, check_version, client, in_words, quoted
from .files import Description, describe, fetch_all
from .refs import parse_ref
from .types import ModelDetail, ModelPage, ModelQuery, ModelVersion, RegisteredModel

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Versions in a model's detail.
DETAIL_VERSIONS = 100


class RegistryService:
    """What is registered in one workspace. Cheap to construct; may be used from several threads."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    # -- reading -----------------------------------------------------------------------------------------------

    def models(self, query: ModelQuery | None = None) -> ModelPage:
        """Return one page of registered models, by name.

        Raises :class:`InvalidInputError` for a page token that is none.
        """
        query = query or ModelQuery()
        registry = client(self.workspace)
        if not query.page_token.isascii():  # MLflow would raise a bare ValueError
            raise InvalidInputError(_("{token!r} is no page token.").format(token=query.page_token))
        with in_words(_("list the registered models")):
            page = registry.search_registered_models(
                filter_string=_name_filter(query.search),
                max_results=query.max_results,
                order_by=["name ASC"],
                page_token=query.page_token or None,
            )
            counts = self._count_versions(registry, [found.name for found in page])
        return ModelPage(
            items=[self._summary(found, *counts[found.name]) for found in page],
            next_page_token=page.token or "",
        )

    def model(self, name: str) -> ModelDetail:
        """Return a model with its newest versions. Raises :class:`NotFoundError`."""
        check_name(name)
        registry = client(self.workspace)
        with in_words(_("read the model {name}").format(name=name), missing=_no_model(name)):
            found = registry.get_registered_model(name)
            total, latest = self._count_versions(registry, [name])[name]
            versions = registry.search_model_versions(
                f"name = {quoted(name)}", max_results=DETAIL_VERSIONS, order_by=["version_number DESC"]
            )
        summary = self._summary(found, total, latest)
        metrics: dict[str, _RunFacts] = {}
        where = self._endpoints(name)
        aliases = _by_version(summary.aliases)
        return ModelDetail(
            **summary.model_dump(),
            items=[
                self._version(registry, version, aliases.get(str(version.version), []), where, metrics)
                for version in versions
            ],
        )

    def version(self, ref: str) -> ModelVersion:
        """Return the version that ``name@alias``, ``name/version`` or ``name`` (the latest) means.

        Raises :class:`NotFoundError` where there is none, :class:`InvalidInputError` where ``ref`` can't be read.
        """
        parsed = parse_ref(ref)
        registry = client(self.workspace)
        with in_words(_("read the model {name}").format(name=parsed.name), missing=_no_model(parsed.name)):
            model = registry.get_registered_model(parsed.name)
        aliases = {alias: str(version) for alias, version in dict(model.aliases).items()}
        number = parsed.version
        if parsed.alias:
            number = aliases.get(parsed.alias, "")
            if not number:
                raise NotFoundError(
                    _("The model {name} has no alias {alias}.").format(name=parsed.name, alias=parsed.alias),
                    why=_("Its aliases: {aliases}.").format(aliases=", ".join(sorted(aliases)) or _("none")),
                    next=_("Set one:  mlops models alias {name} {alias} VERSION").format(
                        name=parsed.name, alias=parsed.alias
                    ),
                )
        elif not number:
            number = self._count_versions(registry, [parsed.name])[parsed.name][1]
            if not number:
                raise NotFoundError(
                    _("The model {name} has no version.").format(name=parsed.name),
                    next=_("Register one with mlops.register(model, {name!r}).").format(name=parsed.name),
                )
        with in_words(
            _("read {name}, version {version}").format(name=parsed.name, version=number),
            missing=_("There is no version {version} of the model {name}.").format(version=number, name=parsed.name),
        ):
            found = registry.get_model_version(parsed.name, number)
        return self._version(
            registry, found, _by_version(aliases).get(number, []), self._endpoints(parsed.name), metrics={}
        )

    def download(self, ref: str, to: Path) -> Path:
        """Copy the files of a version into the folder ``to`` (made where it is missing) and return it."""
        found = self.version(ref)
        fetch_all(self._location(client(self.workspace), found.name, found.version), self.workspace.tracking_uri, to)
        return to

    # -- aliases -----------------------------------------------------------------------------------------------

    def set_alias(self, name: str, alias: str, version: str) -> ModelVersion:
        """Point an alias at a version, from wherever it pointed before, and return the version.

        Raises :class:`NotFoundError` where the model or version is missing.
        """
        check_name(name), check_alias(alias)
        number = check_version(version)
        registry = client(self.workspace)
        with in_words(
            _("set the alias {alias}").format(alias=alias),
            missing=_("There is no version {version} of the model {name}.").format(version=number, name=name),
        ):
            registry.get_model_version(name, number)
            registry.set_registered_model_alias(name, alias, number)
        self.announce(name, "updated", {"alias": alias, "version": number})
        return self.version(f"{name}/{number}")

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away. Raises :class:`NotFoundError` where the model has no such alias."""
        self.version(f"{check_name(name)}@{check_alias(alias)}")
        with in_words(_("delete the alias {alias}").format(alias=alias), missing=_no_model(name)):
            client(self.workspace).delete_registered_model_alias(name, alias)
        self.announce(name, "updated", {"alias": alias, "version": ""})

    def announce(self, name: str, action: str, data: dict[str, Any]) -> None:
        """Tell those who watch that the model ``name`` changed.

        The registry may lie in another database than the outbox, so this can't be one transaction with the change.
        """
        with database(self.workspace).session() as session:
            outbox.announce(session, Change("model", name, action, data))  # type: ignore[arg-type]

    # -- parts -------------------------------------------------------------------------------------------------

    def _count_versions(self, registry: MlflowClient, names: list[str]) -> dict[str, tuple[int, str]]:
        """Return for each model how many versions it has and the highest number ("" for none)."""
        counts: Counter[str] = Counter()
        highest: dict[str, int] = {}
        if names:
            token: str | None = None
            # A name with both kinds of quotes (made outside) can't be written in a filter; it shows no versions.
            listed = ", ".join(quoted(name) for name in names if not {"'", '"'} <= set(name)) or "''"
            while True:
                page = registry.search_model_versions(f"name IN ({listed})", page_token=token)
                for version in page:
                    counts[version.name] += 1
                    highest[version.name] = max(highest.get(version.name, 0), int(version.version))
                token = page.token
                if not token:
                    break
        return {name: (counts[name], str(highest.get(name) or "")) for name in names}

    def _summary(self, found: Any, versions: int, latest: str) -> RegisteredModel:
        return RegisteredModel(
            name=found.name,
            description=found.description or "",
            created_at=(found.creation_timestamp or 0) / 1000,
            updated_at=(found.last_updated_timestamp or 0) / 1000,
            aliases={alias: str(version) for alias, version in sorted(dict(found.aliases).items())},
            latest_version=latest,
            versions=versions,
        )

    def _version(
        self,
        registry: MlflowClient,
        found: Any,
        aliases: list[str],
        endpoints: dict[str, list[str]],
        metrics: dict[str, _RunFacts],
    ) -> ModelVersion:
        number = str(found.version)
        run_id = found.run_id or ""
        if run_id not in metrics:
            metrics[run_id] = _RunFacts.of(registry, run_id)
        run = metrics[run_id]
        about = self._describe(registry, found.name, number)
        return ModelVersion(
            name=found.name,
            version=number,
            aliases=sorted(aliases),
            created_at=(found.creation_timestamp or 0) / 1000,
            run_id=run_id,
            description=found.description or "",
            tags=dict(found.tags),
            inputs=list(about.inputs),
            outputs=list(about.outputs),
            flavors=list(about.flavors),
            metrics=run.metrics,
            notebook=found.tags.get(TAG_NOTEBOOK) or run.tags.get(TAG_NOTEBOOK, ""),
            snapshot=found.tags.get(TAG_SNAPSHOT) or run.tags.get(TAG_SNAPSHOT, ""),
            endpoints=endpoints.get(number, []),
        )

    def _describe(self, registry: MlflowClient, name: str, version: str) -> Description:
        """Return what the version's files say; nothing where they are gone (the version is still listed then)."""
        try:
            return describe(self._location(registry, name, version), self.workspace.tracking_uri)
        except (MlopsError, OSError):
            return Description((), (), ())

    def _location(self, registry: MlflowClient, name: str, version: str) -> str:
        with in_words(_("find the files of {name}/{version}").format(name=name, version=version)):
            return str(registry.get_model_version_download_uri(name, version))

    def _endpoints(self, name: str) -> dict[str, list[str]]:
        """Return version → endpoints where it answers now."""
        answering = (
            select(DeploymentRow.version, EndpointRow.name)
            .join(EndpointRow, EndpointRow.deployment_id == DeploymentRow.id)
            .where(DeploymentRow.model == name, DeploymentRow.status == "ready", EndpointRow.wanted == "running")
            .order_by(EndpointRow.name)
        )
        found: dict[str, list[str]] = {}
        with database(self.workspace).reading() as session:
            for version, endpoint in session.execute(answering):
                found.setdefault(version, []).append(endpoint)
        return found


class _RunFacts:
    """Metrics and tags of a version's run; empty where the run is gone."""

    def __init__(self, metrics: dict[str, float], tags: dict[str, str]):
        self.metrics = metrics
        self.tags = tags

    @classmethod
    def of(cls, registry: MlflowClient, run_id: str) -> _RunFacts:
        if not run_id:
            return cls({}, {})
        try:
            with in_words(_("read the run {run_id}").format(run_id=run_id)):
                run = registry.get_run(run_id)
        except NotFoundError:
            return cls({}, {})
        return cls(dict(run.data.metrics), dict(run.data.tags))


def _name_filter(search: str) -> str | None:
    """Return MLflow's filter for names that contain ``search``."""
    if not search:
        return None
    if not re.fullmatch(r"[^\"\x00-\x1f\ud800-\udfff]*", search):
        raise InvalidInputError(
            _("No model is found by {search!r}.").format(search=search),
            why=_("A model's name has no double quotes or control characters."),
        )
    return f"name ILIKE {quoted(f'%{search}%')}"


def _by_version(aliases: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for alias, version in aliases.items():
        found.setdefault(version, []).append(alias)
    return found


def _no_model(name: str) -> str:
    return _("There is no registered model {name}.").format(name=name)
