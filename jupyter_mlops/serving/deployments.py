"""Endpoints and deployments in the workspace's database: what is wanted, what is.

Each function is one transaction, and announces what a person can see of it in that transaction.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import MlopsError, NotFoundError
from ..events import Change
from ..i18n import gettext as _
from ..registry.types import ModelVersion
from ..store import outbox
from ..store.database import database
from ..store.tables import DeploymentRow, EndpointRow
from ..workspace import Workspace
from .types import EndpointStatus


@dataclass(frozen=True, slots=True)
class State:
    """An endpoint's rows, detached."""

    endpoint: EndpointRow
    #: What answers, or is meant to.
    current: DeploymentRow | None
    #: The newest deployment, whatever became of it.
    latest: DeploymentRow | None

    @property
    def status(self) -> EndpointStatus:
        """How the endpoint is."""
        if self.endpoint.wanted != "running":
            return "stopped"
        shown = self.shown
        if shown is None:
            return "starting"
        return shown.status  # type: ignore[return-value]

    @property
    def shown(self) -> DeploymentRow | None:
        """The deployment that a person sees at the endpoint."""
        return self.current or self.latest

    @property
    def pending(self) -> DeploymentRow | None:
        """A newer deployment than the one that answers, unless it was stopped."""
        if self.current is None or self.latest is None or self.latest.id == self.current.id:
            return None
        return self.latest if self.latest.status in ("starting", "failed") else None


def begin(workspace: Workspace, endpoint: str, version: ModelVersion, host: str, port: int) -> DeploymentRow:
    """Store the wish that ``version`` answers at ``endpoint``; return its deployment.

    Asked again for what answers already, or is about to, it returns that deployment: a step that is tried again
    deploys once.
    """
    now = time.time()
    with database(workspace).session() as session:
        row = session.get(EndpointRow, endpoint)
        if row is None:
            row = EndpointRow(
                name=endpoint,
                host=host,
                port=port,
                wanted="running",
                deployment_id=None,
                created_at=now,
                updated_at=now,
            )
            session.add(row)
            session.flush()
            action = "created"
        else:
            action = "updated"
            same = _latest(session, endpoint)
            if (
                same is not None
                and (same.model, same.version) == (version.name, version.version)
                and same.status in ("starting", "ready")
                and row.wanted == "running"
            ):
                session.expunge(same)
                return same
            row.wanted = "running"
            row.updated_at = now
        made = DeploymentRow(
            id=secrets.token_hex(6),
            endpoint=endpoint,
            model=version.name,
            version=version.version,
            run_id=version.run_id,
            status="starting",
            bundle="",
            error=None,
            created_at=now,
            ended_at=None,
        )
        made.bundle = f".mlops/serving/{endpoint}/{made.id}"
        session.add(made)
        _announce(session, endpoint, action, status="starting", deployment=made.id)
        session.flush()
        session.expunge(made)
        return made


def state(workspace: Workspace, endpoint: str) -> State:
    """Return an endpoint's state. Raises :class:`NotFoundError`."""
    with database(workspace).reading() as session:
        row = session.get(EndpointRow, endpoint)
        if row is None:
            raise not_found(endpoint)
        return _state(session, row)


def states(workspace: Workspace) -> list[State]:
    """Return the states of all endpoints, by name."""
    with database(workspace).reading() as session:
        return [_state(session, row) for row in session.scalars(select(EndpointRow).order_by(EndpointRow.name))]


def ports(workspace: Workspace) -> set[int]:
    """Return the ports that endpoints of this workspace have."""
    with database(workspace).reading() as session:
        return set(session.scalars(select(EndpointRow.port)))


def deployments(workspace: Workspace, endpoint: str) -> list[DeploymentRow]:
    """Return an endpoint's deployments, oldest first."""
    with database(workspace).reading() as session:
        return list(
            session.scalars(
                select(DeploymentRow)
                .where(DeploymentRow.endpoint == endpoint)
                .order_by(DeploymentRow.created_at, DeploymentRow.id)
            )
        )


def set_port(workspace: Workspace, endpoint: str, port: int) -> None:
    """Give an endpoint another port."""
    with database(workspace).session() as session:
        row = session.get(EndpointRow, endpoint)
        if row is not None:
            row.port = port
            _announce(session, endpoint, "updated")


def want(workspace: Workspace, endpoint: str, wanted: str) -> None:
    """Store that an endpoint is to be ``running`` or ``stopped``. Raises :class:`NotFoundError`."""
    with database(workspace).session() as session:
        row = session.get(EndpointRow, endpoint)
        if row is None:
            raise not_found(endpoint)
        row.wanted = wanted
        row.updated_at = time.time()
        current = session.get(DeploymentRow, row.deployment_id) if row.deployment_id else _latest(session, endpoint)
        if wanted == "running" and current is not None and current.status in ("stopped", "failed"):
            current.status, current.error, current.ended_at = "starting", None, None
        status = "stopped" if wanted == "stopped" else current.status if current else "starting"
        _announce(session, endpoint, "updated", status=status)


def move(workspace: Workspace, endpoint: str, deployment_id: str) -> None:
    """Make a deployment the one that answers; the ones before it are stopped."""
    now = time.time()
    with database(workspace).session() as session:
        row = session.get(EndpointRow, endpoint)
        if row is None:
            raise not_found(endpoint)
        row.deployment_id = deployment_id
        row.updated_at = now
        for each in session.scalars(select(DeploymentRow).where(DeploymentRow.endpoint == endpoint)):
            if each.id == deployment_id:
                each.status, each.error, each.ended_at = "ready", None, None
            elif each.status == "ready":
                each.status, each.ended_at = "stopped", now
        current = session.get(DeploymentRow, deployment_id)
        _announce(session, endpoint, "updated", status="ready", deployment=deployment_id)
        if current is not None:
            outbox.announce(session, Change("model", current.model, "updated", {"version": current.version}))


def mark(workspace: Workspace, deployment_id: str, status: EndpointStatus, error: MlopsError | None = None) -> None:
    """Store how a deployment is."""
    with database(workspace).session() as session:
        row = session.get(DeploymentRow, deployment_id)
        if row is None:
            return
        row.status = status
        row.error = error.to_dict() if error else None
        row.ended_at = time.time() if status in ("failed", "stopped") else None
        data: dict[str, Any] = {"status": status, "deployment": deployment_id}
        _announce(session, row.endpoint, "updated", **data)


def delete(workspace: Workspace, endpoint: str) -> None:
    """Forget an endpoint and its deployments."""
    with database(workspace).session() as session:
        row = session.get(EndpointRow, endpoint)
        if row is not None:
            session.delete(row)
            _announce(session, endpoint, "deleted")


def not_found(endpoint: str) -> NotFoundError:
    """Return the error for an endpoint that does not exist."""
    return NotFoundError(
        _("There is no endpoint {name}.").format(name=endpoint),
        next=_("`mlops endpoints list` shows what there is; deploy one with `mlops serve MODEL`."),
    )


def _state(session: Session, row: EndpointRow) -> State:
    current = session.get(DeploymentRow, row.deployment_id) if row.deployment_id else None
    return State(row, current, _latest(session, row.name))


def _latest(session: Session, endpoint: str) -> DeploymentRow | None:
    return session.scalars(
        select(DeploymentRow)
        .where(DeploymentRow.endpoint == endpoint)
        .order_by(DeploymentRow.created_at.desc(), DeploymentRow.id)
        .limit(1)
    ).first()


def _announce(session: Session, endpoint: str, action: str, **data: Any) -> None:
    outbox.announce(session, Change("endpoint", endpoint, action, data))  # type: ignore[arg-type]
