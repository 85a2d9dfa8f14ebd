"""Registered models as the faces show them."""

from __future__ import annotations

from pydantic import Field

from ..schema import MetricValue, Model, Page, PageQuery


class ModelQuery(PageQuery):
    """Which registered models."""

    search: str = Field("", max_length=500, description="Part of the name.")


class TensorSpec(Model):
    """One input or output of a model."""

    name: str
    datatype: str = Field(description="MLflow's type name: `double`, `long`, `string`, `boolean`, … or a NumPy dtype.")
    shape: list[int] = Field(description="-1: any size. A column of a table is `[-1]`.")
    required: bool = True


class ModelVersion(Model):
    """One version of a registered model."""

    name: str
    version: str
    aliases: list[str]
    created_at: float
    run_id: str
    description: str
    tags: dict[str, str]
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    flavors: list[str]
    metrics: dict[str, MetricValue] = Field(description="Metrics of its run.")
    notebook: str
    snapshot: str
    endpoints: list[str] = Field(description="Endpoints where it answers now.")


class RegisteredModel(Model):
    """A registered model."""

    name: str
    description: str
    created_at: float
    updated_at: float
    aliases: dict[str, str] = Field(description="Alias → version.")
    latest_version: str = Field(description="Empty: it has no version.")
    versions: int


class ModelPage(Page[RegisteredModel]):
    """One page of registered models."""


class ModelDetail(RegisteredModel):
    """A registered model with its versions, newest first (at most 100)."""

    items: list[ModelVersion]


class AliasRequest(Model):
    """Where an alias is to point."""

    version: str = Field(min_length=1, max_length=32, pattern=r"^[0-9]+$")
