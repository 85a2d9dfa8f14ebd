"""What a model server counts, in Prometheus' text format at ``/metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from .bundle import Bundle

if TYPE_CHECKING:
    from .request_log import RequestLog

#: From what a linear model needs to what a user will not wait for, seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one model server."""

    def __init__(self, bundle: Bundle, log: RequestLog | None):
        self.registry = CollectorRegistry()
        labels = {
            "endpoint": bundle.endpoint,
            "deployment": bundle.deployment_id,
            "model": bundle.model,
            "version": bundle.version,
        }
        names = list(labels)
        self._requests = Counter(
            "mlops_inference_requests",
            "Inference requests, by protocol and HTTP status.",
            [*names, "protocol", "code"],
            registry=self.registry,
        )
        self._failures = Counter(
            "mlops_inference_failures",
            "Inference requests that were refused or failed.",
            [*names, "protocol", "reason"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "mlops_inference_duration_seconds",
            "Time from a request's last byte to its answer.",
            [*names, "protocol"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "mlops_inference_in_flight", "Inference requests being answered.", names, registry=self.registry
        ).labels(**labels)
        self._labels = labels
        if log is not None:
            written = Gauge("mlops_request_log_written", "Requests in the log.", names, registry=self.registry)
            dropped = Gauge("mlops_request_log_dropped", "Requests that the log lost.", names, registry=self.registry)
            written.labels(**labels).set_function(lambda: log.written)
            dropped.labels(**labels).set_function(lambda: log.dropped)

    def answered(self, protocol: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(**self._labels, protocol=protocol, code=str(status)).inc()
        self._seconds.labels(**self._labels, protocol=protocol).observe(seconds)
        if status >= 400:
            reason = "model" if status >= 500 else "request"
            self._failures.labels(**self._labels, protocol=protocol, reason=reason).inc()

    def text(self) -> bytes:
        """Return the metrics as text."""
        return generate_latest(self.registry)
