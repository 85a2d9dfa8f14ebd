"""Endpoints, deployments and predictions as the faces show them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..registry.types import TensorSpec
from ..schema import ErrorInfo, Model

NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$"
EndpointStatus = Literal["starting", "ready", "failed", "stopped"]


class DeployRequest(Model):
    """Put a model version behind an endpoint; where the endpoint exists, it moves to the new version."""

    endpoint: str = Field(pattern=NAME_PATTERN)
    model: str = Field(
        min_length=1, max_length=500, description="`name@alias`, `name/version` or `name` (latest version)."
    )


class Deployment(Model):
    """One model version behind an endpoint."""

    id: str
    model: str
    version: str
    run_id: str
    status: EndpointStatus
    error: ErrorInfo | None
    created_at: float


class Endpoint(Model):
    """A stable URL and what answers there."""

    name: str
    url: str = Field(description="Base URL of the Open Inference Protocol V2.")
    status: EndpointStatus
    deployment: Deployment | None = Field(description="What answers, or is meant to.")
    pending: Deployment | None = Field(
        description="A newer deployment that is starting, or failed while `deployment` went on; null: none."
    )
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    example: dict[str, Any] = Field(
        description='A request body that works: `{"dataframe_split": …}`; empty: none known.'
    )
    created_at: float
    updated_at: float
    requests: int = Field(description="Requests answered, from the request log.")


class EndpointList(Model):
    """All endpoints."""

    items: list[Endpoint]


class PredictRequest(Model):
    """Rows to predict, as a table: column names and rows."""

    columns: list[str] = Field(min_length=1, max_length=10_000)
    data: list[list[Any]] = Field(min_length=1, max_length=10_000)


class Prediction(Model):
    """An answer of an endpoint."""

    request_id: str
    endpoint: str
    deployment_id: str
    model: str
    version: str
    predictions: list[Any]
    milliseconds: float = Field(description="Time at the model server.")
