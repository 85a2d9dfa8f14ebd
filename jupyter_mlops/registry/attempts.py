"""What earlier attempts of a pipeline step registered, and what becomes of it when the step is tried again.

An attempt that was cut off is run again from its start. Where it had registered a model that the step itself trained,
the next attempt trains and registers its own, and that takes the place of the first: version and run are there once.
Where it had registered the model of another step, which is not run again, the version stays and is used again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from .. import context
from ..i18n import gettext as _
from ..store.database import database
from ..store.tables import DeploymentRow
from ..workspace import Workspace
from .client import in_words, quoted

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG_STEP_KEY = "mlops.step_key"

#: Calls of this process for each (step, model name). A notebook is run by a kernel of its own in each attempt, so
#: the n-th call of one attempt is the n-th call of the next.
_calls: Counter[tuple[str, str]] = Counter()


def step_key(origin: context.ExecutionContext, name: str) -> str:
    """Count a call and return what identifies it within its step over all attempts; empty outside a step."""
    if not origin.in_step:
        return ""
    _calls[origin.step_key, name] += 1
    nth = _calls[origin.step_key, name]
    return origin.step_key if nth == 1 else f"{origin.step_key}#{nth}"


@dataclass
class Earlier:
    """What the earlier attempts left."""

    #: The version to use again; None: make one.
    number: str | None = None
    #: Versions whose place the new one takes.
    replaced: list[Any] = field(default_factory=list)


def made_before(registry: MlflowClient, origin: context.ExecutionContext, name: str, key: str) -> Earlier:
    """Return what earlier attempts made with this call (``key``).

    A version whose run was discarded is deleted at once: a version must lead to a run that exists.
    """
    earlier = Earlier()
    if not key:
        return earlier
    with in_words(_("search the versions of {name}").format(name=name)):
        found = registry.search_model_versions(f"name = {quoted(name)} AND tags.`{TAG_STEP_KEY}` = {quoted(key)}")
        for version in found:
            run = registry.get_run(version.run_id) if version.run_id else None
            if run is not None and run.info.lifecycle_stage != "active":
                registry.delete_model_version(name, version.version)
            elif run is not None and _of_earlier_attempt(origin, run.data.tags):
                earlier.replaced.append(version)
            else:
                earlier.number = str(version.version)
    return earlier


def replace(registry: MlflowClient, workspace: Workspace, name: str, replaced: list[Any], number: str) -> None:
    """Give the aliases of the ``replaced`` versions to version ``number``; delete them, their runs go to the trash.

    A version that an endpoint has or had stays, with its run: answers that it gave must lead to their origin.
    """
    if not replaced:
        return
    with in_words(_("replace what an earlier attempt registered as {name}").format(name=name)):
        aliases = dict(registry.get_registered_model(name).aliases)
        old = {str(version.version) for version in replaced}
        for alias in [alias for alias, version in aliases.items() if str(version) in old]:
            registry.set_registered_model_alias(name, alias, number)
        for version in replaced:
            if _was_deployed(workspace, name, str(version.version)):
                continue
            registry.delete_model_version(name, version.version)
            if not registry.search_model_versions(f"run_id = {quoted(version.run_id)}", max_results=1):
                registry.delete_run(version.run_id)


def _of_earlier_attempt(origin: context.ExecutionContext, tags: dict[str, str]) -> bool:
    attempt = tags.get(context.TAG_ATTEMPT, "")
    return (
        tags.get(context.TAG_PIPELINE_RUN) == origin.pipeline_run_id
        and tags.get(context.TAG_STEP) == origin.step
        and attempt.isdecimal()
        and int(attempt) < origin.attempt
    )


def _was_deployed(workspace: Workspace, name: str, version: str) -> bool:
    wanted = select(DeploymentRow.id).where(DeploymentRow.model == name, DeploymentRow.version == version).limit(1)
    with database(workspace).reading() as session:
        return session.scalar(wanted) is not None
