"""Bases of every Pydantic model that crosses a face: HTTP, the command line's ``--json``, stored documents.

These models are the contract: OpenAPI is made from them, and the TypeScript types from that.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

#: One vocabulary of states for everything that runs.
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
FINISHED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})

#: A measured value. JSON has no NaN and no infinities: they cross as these strings.
MetricValue = Annotated[
    float,
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]},
        mode="serialization",
    ),
]

T = TypeVar("T")


class Model(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(
        extra="forbid", ser_json_inf_nan="strings", json_schema_serialization_defaults_required=True
    )


class ErrorInfo(Model):
    """An error as stored and shown: ``MlopsError.to_dict()``."""

    code: str
    what: str
    why: str = ""
    next: str = ""
    details: dict[str, Any] = Field(default_factory=dict)


class Page(Model, Generic[T]):
    """One page of a list. ``next_page_token`` is empty on the last page."""

    items: list[T]
    next_page_token: str = ""


class PageQuery(Model):
    """Query parameters of a paged list."""

    page_token: str = Field(
        "", max_length=512, description="Token of the page, from the answer before; empty: first page."
    )
    max_results: int = Field(50, ge=1, le=1000, description="Items on a page.")
