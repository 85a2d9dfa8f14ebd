"""HTTP face of the registry."""

from __future__ import annotations

from ..errors import ConflictError, InvalidInputError, NotFoundError
from ..extension.routing import Call, Routes
from .client import check_name, check_version
from .service import RegistryService
from .types import AliasRequest, ModelDetail, ModelPage, ModelQuery, ModelVersion

routes = Routes("registry")


@routes.get("/registry/models", query=ModelQuery, returns=ModelPage, raises=(InvalidInputError,))
def list_models(call: Call) -> ModelPage:
    """Registered models, by name."""
    return RegistryService(call.workspace).models(call.query)


@routes.get("/registry/models/{name}", returns=ModelDetail, raises=(InvalidInputError, NotFoundError))
def get_model(call: Call) -> ModelDetail:
    """One registered model with its versions."""
    return RegistryService(call.workspace).model(call.path["name"])


@routes.get(
    "/registry/models/{name}/versions/{version}", returns=ModelVersion, raises=(InvalidInputError, NotFoundError)
)
def get_model_version(call: Call) -> ModelVersion:
    """One version of a registered model."""
    name, version = check_name(call.path["name"]), check_version(call.path["version"])
    return RegistryService(call.workspace).version(f"{name}/{version}")


@routes.put(
    "/registry/models/{name}/aliases/{alias}",
    body=AliasRequest,
    returns=ModelVersion,
    raises=(InvalidInputError, NotFoundError, ConflictError),
)
def set_model_alias(call: Call) -> ModelVersion:
    """Point an alias at a version."""
    return RegistryService(call.workspace).set_alias(call.path["name"], call.path["alias"], call.body.version)


@routes.delete("/registry/models/{name}/aliases/{alias}", raises=(InvalidInputError, NotFoundError))
def delete_model_alias(call: Call) -> None:
    """Take an alias away."""
    RegistryService(call.workspace).delete_alias(call.path["name"], call.path["alias"])
