"""The model server's HTTP face: paths to protocols, over Granian's RSGI."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any
from urllib.parse import quote

from .._version import __version__
from . import protocol_mlflow, protocol_v2
from .errors import RequestError
from .jsons import encode
from .metrics import Metrics
from .request_log import Record, RequestLog, new_request_id
from .runtime import Answer, Inputs, ModelRuntime

#: Largest request body, bytes.
MAX_BODY = 32 * 2**20
_JSON = "application/json"

_log = logging.getLogger(__name__)


class ModelApp:
    """Answers every request of one model server."""

    def __init__(self, runtime: ModelRuntime, metrics: Metrics, log: RequestLog | None):
        self.runtime = runtime
        self.metrics = metrics
        self.log = log
        #: Set while the server drains: it answers, but tells balancers to look elsewhere.
        self.draining = False
        bundle = runtime.bundle
        self._names = {bundle.model, bundle.endpoint}
        self._headers = [
            ("mlops-endpoint", bundle.endpoint),
            ("mlops-deployment", bundle.deployment_id),
            ("mlops-model", quote(bundle.model)),
            ("mlops-model-version", bundle.version),
        ]

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request (RSGI's entry)."""
        if scope.proto != "http":
            protocol.close(403)
            return
        path = scope.path
        if path == "/invocations":
            await self._invocations(scope, protocol)
        elif path == "/v2" or path.startswith("/v2/"):
            await self._v2(scope, protocol, path)
        else:
            self._others(scope, protocol, path)

    # -- Open Inference Protocol V2 ----------------------------------------------------------------------------

    async def _v2(self, scope: Any, protocol: Any, path: str) -> None:
        try:
            parts = [part for part in path.split("/") if part][1:]
            infer = len(parts) > 2 and parts[0] == "models" and parts[-1] == "infer"
            self._check_method(scope, "POST" if infer else "GET")
            if infer:
                self._check_model(parts[1:-1])
                await self._infer_v2(scope, protocol)
            else:
                self._answer(protocol, 200, encode(self._v2_document(parts)))
        except RequestError as error:
            self._answer(protocol, error.status, protocol_v2.write_error(error))

    def _v2_document(self, parts: list[str]) -> dict[str, Any]:
        bundle = self.runtime.bundle
        match parts:
            case []:
                return {"name": "jupyter_mlops", "version": __version__, "extensions": []}
            case ["health", "live"]:
                return {"live": True}
            case ["health", "ready"]:
                self._check_ready()
                return {"ready": True}
            case ["models", *rest] if rest and rest[-1] == "ready":
                self._check_model(rest[:-1])
                self._check_ready()
                return {"name": bundle.model, "ready": True}
            case ["models", *rest] if rest:
                self._check_model(rest)
                return protocol_v2.metadata(self.runtime)
        raise RequestError(404, "There is nothing at this path.")

    async def _infer_v2(self, scope: Any, protocol: Any) -> None:
        began = time.perf_counter()
        request_id = new_request_id()
        try:
            if scope.headers.get("inference-header-content-length") is not None:
                raise RequestError(400, "Binary tensors are not supported; send the tensors' data as JSON.")
            body = await self._body(scope, protocol)
            request = protocol_v2.parse(body, self.runtime)
            answer = await self._predict(request.inputs)
            text = protocol_v2.write(request, answer, self.runtime, request_id)
        except RequestError as error:
            self._refuse(protocol, "v2", began, request_id, error, protocol_v2.write_error(error))
            return
        self._done(protocol, "v2", began, request_id, text, request.inputs, answer, len(body))

    # -- MLflow ------------------------------------------------------------------------------------------------

    async def _invocations(self, scope: Any, protocol: Any) -> None:
        began = time.perf_counter()
        request_id = new_request_id()
        try:
            self._check_method(scope, "POST")
            body = await self._body(scope, protocol)
            inputs = protocol_mlflow.parse(body, scope.headers.get("content-type") or "", self.runtime)
            answer = await self._predict(inputs)
            text = protocol_mlflow.write(answer)
        except RequestError as error:
            self._refuse(protocol, "mlflow", began, request_id, error, protocol_mlflow.write_error(error))
            return
        self._done(protocol, "mlflow", began, request_id, text, inputs, answer, len(body))

    def _others(self, scope: Any, protocol: Any, path: str) -> None:
        try:
            if path in ("/ping", "/health"):
                self._check_method(scope, "GET")
                self._check_ready()
                self._answer(protocol, 200, b"\n", kind=_JSON)
            elif path == "/version":
                self._check_method(scope, "GET")
                from mlflow.version import VERSION

                self._answer(protocol, 200, VERSION.encode(), kind="text/plain; charset=utf-8")
            elif path == "/metrics":
                self._check_method(scope, "GET")
                self._answer(protocol, 200, self.metrics.text(), kind="text/plain; version=0.0.4; charset=utf-8")
            else:
                raise RequestError(404, "There is nothing at this path.")
        except RequestError as error:
            self._answer(protocol, error.status, protocol_v2.write_error(error))

    # -- parts -------------------------------------------------------------------------------------------------

    async def _predict(self, inputs: Inputs) -> Answer:
        """Ask the model in a thread of its own: the event loop stays free for health checks."""
        self.metrics.in_flight.inc()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.runtime.pool, self.runtime.predict, inputs)
        except RequestError:
            raise
        except Exception as error:
            _log.exception("A request could not be answered.")
            raise RequestError(500, f"The server failed: {type(error).__name__}.") from error
        finally:
            self.metrics.in_flight.dec()

    async def _body(self, scope: Any, protocol: Any) -> bytes:
        """Return the request's body. Raises 413 where it is too large, 415 where it is compressed."""
        if scope.headers.get("content-encoding", "identity").lower() != "identity":
            raise RequestError(415, "Compressed bodies are not supported.")
        declared = scope.headers.get("content-length", "")
        too_large = RequestError(413, f"The body is larger than {MAX_BODY // 2**20} MB.")
        if declared.isdigit() and int(declared) > MAX_BODY:
            raise too_large
        parts: list[bytes] = []
        size = 0
        async for part in protocol:
            size += len(part)
            if size > MAX_BODY:
                raise too_large
            parts.append(bytes(part))
        return b"".join(parts)

    def _done(
        self,
        protocol: Any,
        name: str,
        began: float,
        request_id: str,
        body: bytes,
        inputs: Inputs,
        answer: Answer,
        size: int,
    ) -> None:
        seconds = time.perf_counter() - began
        self._answer(
            protocol,
            200,
            body,
            headers=[("mlops-request-id", request_id), ("mlops-milliseconds", f"{seconds * 1000:.3f}")],
        )
        self.metrics.answered(name, 200, seconds)
        if self.log is not None:
            self.log.add(
                Record(
                    request_id=request_id,
                    at=time.time(),
                    protocol=name,
                    inputs=inputs.logged(),
                    predictions=answer.predictions,
                    milliseconds=seconds * 1000,
                    size=size,
                )
            )

    def _refuse(
        self, protocol: Any, name: str, began: float, request_id: str, error: RequestError, body: bytes
    ) -> None:
        self._answer(protocol, error.status, body, headers=[("mlops-request-id", request_id)])
        self.metrics.answered(name, error.status, time.perf_counter() - began)

    def _answer(
        self,
        protocol: Any,
        status: int,
        body: bytes,
        *,
        kind: str = _JSON,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        protocol.response_bytes(status, [("content-type", kind), *self._headers, *(headers or [])], body)

    def _check_method(self, scope: Any, method: str) -> None:
        if scope.method != method and not (method == "GET" and scope.method == "HEAD"):
            raise RequestError(405, f"This path takes {method} only.")

    def _check_ready(self) -> None:
        if self.draining:
            raise RequestError(503, "This server is stopping.")

    def _check_model(self, parts: list[str]) -> None:
        bundle = self.runtime.bundle
        match parts:
            case [name] if name in self._names:
                return
            case [name, "versions", version] if name in self._names:
                if version == bundle.version:
                    return
                raise RequestError(404, f"The model {name} has version {bundle.version} here, not {version}.")
            case [name, *_rest] if name not in self._names:
                raise RequestError(404, f"There is no model {name} here, only {bundle.model}.")
        raise RequestError(404, "There is nothing at this path.")
