"""The model server as a process: what it tells of itself, its limits, load, hostile bodies, and its end."""

from __future__ import annotations

import http.client
import json
import random
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mlflow
import pytest

from jupyter_mlops.engine.processes import LockFile, wait_for_release
from jupyter_mlops.serving import request_log
from tests.serving.conftest import ROWS, Server, logged, until
from tests.serving.test_protocol_mlflow import SPLIT, json_of
from tests.serving.test_protocol_v2 import INFER, flight


class TestAbout:
    def test_probes(self, delay: Server) -> None:
        assert (delay.ask("GET", "/ping").status, delay.ask("GET", "/health").status) == (200, 200)
        assert delay.ask("GET", "/version").body.decode() == mlflow.__version__
        assert delay.ask("GET", "/nothing").status == 404
        assert delay.ask("POST", "/ping").status == 405
        assert delay.ask("HEAD", "/v2/health/live").status == 200

    def test_metrics(self, delay: Server) -> None:
        def value(name: str, *labels: str) -> float:
            for line in delay.ask("GET", "/metrics").body.decode().splitlines():
                if line.startswith(name + "{") and all(label in line for label in labels):
                    return float(line.rsplit(" ", 1)[1])
            return 0.0

        good = ("mlops_inference_requests_total", 'protocol="v2"', 'code="200"')
        bad = ("mlops_inference_failures_total", 'protocol="v2"', 'reason="request"')
        timed = ("mlops_inference_duration_seconds_count", 'protocol="v2"')
        before = value(*good), value(*bad), value(*timed)
        delay.ask("POST", INFER, flight())
        delay.ask("POST", INFER, b"{")
        assert (value(*good), value(*bad), value(*timed)) == (before[0] + 1, before[1] + 1, before[2] + 2)
        assert value("mlops_inference_in_flight", 'endpoint="late-flights"', 'model="delay"', 'version="1"') == 0
        assert value("mlops_request_log_dropped") == 0

    def test_it_knows_no_way_to_the_workspaces_stores(self, delay: Server) -> None:
        environment = delay.process.environ()
        assert not any(name.startswith("MLOPS_") or name == "MLFLOW_TRACKING_URI" for name in environment)
        assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


class TestLimits:
    def test_a_body_that_is_too_large(self, delay: Server) -> None:
        # announced
        connection = http.client.HTTPConnection("127.0.0.1", delay.port, timeout=30)
        connection.putrequest("POST", INFER)
        connection.putheader("content-length", str(33 * 2**20))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 413 and "32 MB" in json.loads(response.read())["error"]
        connection.close()
        # and not
        answer = _send_chunked(delay.port, INFER, chunk=b" " * 2**20, count=40)
        assert answer.startswith(b"HTTP/1.1 413") or answer == b""  # closed while it was still being sent
        assert delay.ask("GET", "/v2/health/live").status == 200

    @pytest.mark.parametrize("path", [INFER, "/invocations"])
    def test_compressed_bodies_are_refused(self, delay: Server, path: str) -> None:
        assert delay.ask("POST", path, b"x", content_encoding="gzip", content_type="application/json").status == 415

    def test_health_is_told_while_the_model_works(self, delay: Server) -> None:
        # Given requests of many rows, more than there are threads
        many = {"dataframe_records": ROWS.to_dict("records") * 3_000}
        body = json_of(many)
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                assert delay.ask("POST", "/invocations", body, content_type="application/json").status == 200

        threads = [threading.Thread(target=load) for _thread in range(6)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.5)
            waits = []
            for _probe in range(10):
                began = time.perf_counter()
                assert delay.ask("GET", "/v2/health/ready").status == 200
                waits.append(time.perf_counter() - began)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert sorted(waits)[5] < 2.0  # seconds; alone it is a millisecond

    def test_nobody_gets_anothers_answer(self, delay: Server) -> None:
        def ask(number: int) -> bool:
            rows = [{**ROWS.iloc[number % len(ROWS)].to_dict(), "verspätung": float(number)}]
            body = json_of({"dataframe_records": rows})
            return alone[number] == delay.ask("POST", "/invocations", body, content_type="application/json").json

        alone: dict[int, Any] = {}
        for number in range(60):
            rows = [{**ROWS.iloc[number % len(ROWS)].to_dict(), "verspätung": float(number)}]
            alone[number] = delay.ask(
                "POST", "/invocations", json_of({"dataframe_records": rows}), content_type="application/json"
            ).json
        with ThreadPoolExecutor(12) as pool:
            assert all(pool.map(ask, list(range(60)) * 5))


class TestHostileBodies:
    @pytest.mark.parametrize("path", [INFER, "/invocations"])
    def test_mutated_bodies_get_an_answer_of_the_protocol(self, delay: Server, path: str) -> None:
        """Bytes flipped, cut, doubled; values replaced by others: never a 5xx, never the wrong error shape."""
        generator = random.Random(2013)
        good = flight() if path == INFER else SPLIT
        shape = ["error"] if path == INFER else ["error_code", "message"]
        connection = http.client.HTTPConnection("127.0.0.1", delay.port, timeout=30)
        refused = 0
        for _try in range(400):
            body = _mutate(generator, good)
            connection.request("POST", path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            assert response.status in (200, 400), (response.status, body[:300], text[:300])
            if response.status == 400:
                refused += 1
                assert list(json.loads(text)) == shape
            else:
                json.loads(text)
        connection.close()
        assert refused > 200

    def test_half_a_request_does_not_keep_others_waiting(self, delay: Server) -> None:
        slow = [socket.create_connection(("127.0.0.1", delay.port)) for _connection in range(20)]
        for each in slow:
            each.sendall(b"POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
        assert delay.ask("POST", INFER, flight()).status == 200
        for each in slow:
            each.close()
        assert delay.ask("POST", INFER, flight()).status == 200


class TestRequestLog:
    def test_every_answer_is_logged_once_and_found_by_its_id(self, delay: Server) -> None:
        time.sleep(request_log.FLUSH_SECONDS * 3)  # what other tests asked is written
        before = logged(delay.bundle.requests)
        asked = [delay.ask("POST", INFER, {"id": "same for all", **flight()}) for _request in range(5)]
        asked.append(delay.ask("POST", "/invocations", SPLIT))
        delay.ask("POST", INFER, b"{")
        until(lambda: logged(delay.bundle.requests) == before + 6, 5)
        for answer in asked:
            record = request_log.find(delay.bundle.requests, answer.headers["mlops-request-id"])
            assert record is not None
            assert record["endpoint"] == "late-flights" and record["deployment_id"] == delay.bundle.deployment_id
            assert (record["model"], record["version"]) == ("delay", "1")
            assert record["inputs"]["carrier"] in (["AA", "日航"], ["AA", "UA"])
            assert abs(record["at"] - time.time()) < 60 and 0 < record["milliseconds"] < 30_000
        assert record["predictions"] == asked[-1].json["predictions"]


class TestEnd:
    def test_told_to_stop_it_answers_what_was_begun_and_logs_it(self, serve: Callable[..., Server]) -> None:
        server = serve("delay", endpoint="ending")
        body = json_of({"dataframe_records": ROWS.to_dict("records") * 5_000})
        answers: list[int] = []

        def ask() -> None:
            answers.append(server.ask("POST", "/invocations", body, content_type="application/json").status)

        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: b'version="1"} 1.0' in _line(server, "mlops_inference_in_flight"), 10)
        process = server.process
        process.send_signal(signal.SIGTERM)
        asking.join()
        assert answers == [200]
        assert process.wait(15) in (0, None)
        assert logged(server.bundle.requests) == 1
        last = LockFile(server.bundle.lock).last()
        assert last is not None and last.info["state"] == "stopping"

    def test_when_its_bundle_is_deleted_it_ends(self, serve: Callable[..., Server]) -> None:
        server = serve("plane", endpoint="deleted")
        process = server.process
        shutil.rmtree(server.bundle.folder)
        assert process.wait(30) in (0, None)

    def test_killed_it_loses_no_more_than_a_moment(self, serve: Callable[..., Server]) -> None:
        server = serve("delay", endpoint="killed")
        for _request in range(20):
            assert server.ask("POST", INFER, flight()).status == 200
        time.sleep(request_log.FLUSH_SECONDS * 2.5)
        server.process.kill()
        assert wait_for_release(LockFile(server.bundle.lock), 10)
        assert logged(server.bundle.requests) == 20


def _line(server: Server, name: str) -> bytes:
    for line in server.ask("GET", "/metrics").body.splitlines():
        if line.startswith(name.encode() + b"{"):
            return line
    return b""


def _send_chunked(port: int, path: str, chunk: bytes, count: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        try:
            for _part in range(count):
                connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
            return connection.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            return b""


#: Values that programs send by mistake.
_ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    2**63,
    1e308,
    "",
    "x",
    "\u0000",
    [],
    {},
    [[]],
    {"a": []},
    [None],
    "NaN",
    1.5,
    "FP64",
]


def _mutate(generator: random.Random, good: Any) -> bytes:
    if generator.random() < 0.4:
        body = bytearray(json.dumps(good).encode())
        for _change in range(generator.randint(1, 4)):
            at = generator.randrange(len(body))
            kind = generator.randrange(3)
            if kind == 0:
                body[at] = generator.randrange(256)
            elif kind == 1:
                del body[at : at + generator.randint(1, 30)]
            else:
                body[at:at] = body[at : at + generator.randint(1, 30)]
        return bytes(body)
    document = json.loads(json.dumps(good))
    for _change in range(generator.randint(1, 2)):
        places = list(_places(document))
        if not places:
            break
        holder, key = generator.choice(places)
        if generator.random() < 0.15:
            del holder[key]
        else:
            holder[key] = generator.choice(_ODD)
    return json.dumps(document).encode()


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield value, key
        yield from _places(each)
