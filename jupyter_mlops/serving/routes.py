"""HTTP face of serving."""

from __future__ import annotations

from ..errors import ConflictError, InvalidInputError, NotFoundError, ServingError, WorkerError
from ..extension.routing import Call, Routes
from ..lineage.types import Trace
from .service import ServingService
from .types import DeployRequest, Endpoint, EndpointList, Prediction, PredictRequest

routes = Routes("serving")


@routes.get("/serving/endpoints", returns=EndpointList)
def list_endpoints(call: Call) -> EndpointList:
    """All endpoints, by name."""
    return EndpointList(items=ServingService(call.workspace).endpoints())


@routes.post(
    "/serving/endpoints",
    body=DeployRequest,
    returns=Endpoint,
    location=lambda endpoint: f"/serving/endpoints/{endpoint.name}",
    raises=(InvalidInputError, NotFoundError, ConflictError, WorkerError),
)
def deploy_model(call: Call) -> Endpoint:
    """Put a model version behind an endpoint. It is `starting`; events of topic `endpoint` tell how it goes on."""
    return ServingService(call.workspace).deploy(call.body)


@routes.get("/serving/endpoints/{endpoint}", returns=Endpoint, raises=(InvalidInputError, NotFoundError))
def get_endpoint(call: Call) -> Endpoint:
    """One endpoint."""
    return ServingService(call.workspace).endpoint(call.path["endpoint"])


@routes.delete("/serving/endpoints/{endpoint}", raises=(InvalidInputError, NotFoundError, WorkerError))
def delete_endpoint(call: Call) -> None:
    """Delete an endpoint and stop its model server; its request log stays."""
    ServingService(call.workspace).delete(call.path["endpoint"])


@routes.post(
    "/serving/endpoints/{endpoint}/stop", returns=Endpoint, raises=(InvalidInputError, NotFoundError, WorkerError)
)
def stop_endpoint(call: Call) -> Endpoint:
    """Stop an endpoint's model server; the endpoint keeps its URL."""
    return ServingService(call.workspace).stop(call.path["endpoint"])


@routes.post(
    "/serving/endpoints/{endpoint}/start", returns=Endpoint, raises=(InvalidInputError, NotFoundError, WorkerError)
)
def start_endpoint(call: Call) -> Endpoint:
    """Start a stopped or failed endpoint again."""
    return ServingService(call.workspace).start(call.path["endpoint"])


@routes.post(
    "/serving/endpoints/{endpoint}/predict",
    body=PredictRequest,
    returns=Prediction,
    raises=(InvalidInputError, NotFoundError, ConflictError, ServingError),
)
def predict_endpoint(call: Call) -> Prediction:
    """Ask an endpoint."""
    return ServingService(call.workspace).predict(call.path["endpoint"], call.body)


@routes.get("/serving/requests/{request_id}/trace", returns=Trace, raises=(NotFoundError,))
def trace_prediction_request(call: Call) -> Trace:
    """What led to a prediction, from its request id."""
    return ServingService(call.workspace).trace_prediction(call.path["request_id"])
