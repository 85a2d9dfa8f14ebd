"""The model server: a process of its own that answers for one deployment.

It reads its bundle and nothing else: no Jupyter, no worker, no database has to be up. It holds ``server.lock`` in the
bundle while it lives (so nobody starts it twice, and the worker can wait for its end) and writes there how it is:
``starting``, ``ready``, ``stopping`` or ``failed`` with the error.

Its port is bound with SO_REUSEPORT, and only after the model answered: a new deployment's server takes the port beside
the old one's, which then leaves it, so the endpoint's port is never without a listener.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from ..engine.processes import LockFile
from ..errors import MlopsError, ServingError
from ..i18n import gettext as _
from .bundle import Bundle, read_bundle

#: How long requests that are being answered may take after the server was told to stop, seconds.
DRAIN_SECONDS = 10.0
#: How long the server may take from listening to answering itself, seconds.
_SELF_CHECK_SECONDS = 10.0
#: Pause between two looks whether the bundle is still there, seconds.
_LOOK_SECONDS = 5.0

_log = logging.getLogger("jupyter_mlops.serving")


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop. Exit status: 0 stopped (or served by another process), 1 could not serve."""
    parser = argparse.ArgumentParser(prog="python -m jupyter_mlops.serving.server")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--no-request-log", action="store_true")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return serve(read_bundle(options.bundle), options.host, options.port, log_requests=not options.no_request_log)


def serve(bundle: Bundle, host: str, port: int, *, log_requests: bool) -> int:
    """Serve a bundle at ``host:port`` until SIGTERM or SIGINT; return the exit status."""
    lock = LockFile(bundle.lock)
    if not lock.acquire(state="starting", port=port):
        _log.info("Another process serves this deployment.")
        return 0
    try:
        return asyncio.run(_Server(bundle, host, port, lock, log_requests).run())
    except Exception as error:
        said = error if isinstance(error, MlopsError) else _unforeseen(error)
        _log.exception("The model server could not start.")
        lock.write(state="failed", port=port, error=said.to_dict())
        return 1


class _Server:
    def __init__(self, bundle: Bundle, host: str, port: int, lock: LockFile, log_requests: bool):
        self.bundle = bundle
        self.host = host
        self.port = port
        self.lock = lock
        self.log_requests = log_requests

    async def run(self) -> int:
        from granian.constants import HTTPModes
        from granian.server.embed import Server

        from .http import ModelApp
        from .metrics import Metrics
        from .request_log import RequestLog
        from .runtime import ModelRuntime

        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        bundle = self.bundle
        _log.info("Loading %s version %s for %s.", bundle.model, bundle.version, bundle.endpoint)
        began = time.perf_counter()
        runtime = ModelRuntime(bundle)
        await asyncio.to_thread(runtime.load)
        _log.info("Loaded in %.1f s.", time.perf_counter() - began)
        if stop.is_set():
            return 0
        common = {
            "endpoint": bundle.endpoint,
            "deployment_id": bundle.deployment_id,
            "model": bundle.model,
            "version": bundle.version,
        }
        log = RequestLog(bundle.requests, common, told=bundle.requests_logged) if self.log_requests else None
        app = ModelApp(runtime, Metrics(bundle, log), log)
        server = Server(
            app, address=self.host, port=self.port, websockets=False, http=HTTPModes.http1, log_level="warning"
        )
        serving = asyncio.create_task(server.serve())
        await self._check_self(serving)
        self.lock.write(state="ready", port=self.port)
        _log.info("Ready at http://%s:%d", _in_url(self.host), self.port)
        homeless = asyncio.create_task(self._until_gone(stop))
        await asyncio.wait({serving, stopping := asyncio.create_task(stop.wait())}, return_when="FIRST_COMPLETED")
        homeless.cancel()
        if not stopping.done():
            serving.result()
            raise ServingError(_("The HTTP server ended by itself."))
        app.draining = True
        self.lock.write(state="stopping", port=self.port)
        server.stop()  # closes the listener; what was begun is answered
        await asyncio.wait({serving}, timeout=DRAIN_SECONDS)
        if log is not None:
            await asyncio.to_thread(log.close)
        _log.info("Stopped.")
        return 0

    async def _until_gone(self, stop: asyncio.Event) -> None:
        """Stop once the bundle is deleted: nobody could find this server any more to stop it."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
            if not self.lock.in_place():
                _log.warning("The bundle was deleted.")
                stop.set()

    async def _check_self(self, serving: asyncio.Task[Any]) -> None:
        """Return once this very server answers at the port (during a change of deployments another one does too)."""
        end = time.monotonic() + _SELF_CHECK_SECONDS
        while time.monotonic() < end:
            if serving.done():
                serving.result()
                raise ServingError(_("The HTTP server ended by itself."))
            if await asyncio.to_thread(answering, self.host, self.port) == self.bundle.deployment_id:
                return
            await asyncio.sleep(0.02)
        raise ServingError(
            _("The model server does not answer at {host}:{port}.").format(host=self.host, port=self.port),
            next=_("See whether another program uses the port."),
        )


def answering(host: str, port: int, timeout: float = 2.0) -> str | None:
    """Return the id of the deployment that answers at an address, None where nothing of ours does."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=timeout)
    try:
        connection.request("GET", "/v2/health/live", headers={"connection": "close"})
        return connection.getresponse().getheader("mlops-deployment")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def reachable(host: str) -> str:
    """Return the address under which a server that listens on ``host`` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _unforeseen(error: Exception) -> ServingError:
    return ServingError(_("The model server could not start."), why=f"{type(error).__name__}: {error}")


def port_is_free(host: str, port: int) -> bool:
    """Whether nobody listens at the address: without SO_REUSEPORT the system refuses a port that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # not sys.exit: a prediction that never ends would keep its thread, and so the process, alive
