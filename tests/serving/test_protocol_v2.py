"""Open Inference Protocol V2 against a real model server, as the specification has it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.conftest import ROWS, Server

INFER = "/v2/models/delay/infer"


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def flight(**changes: Any) -> dict[str, Any]:
    """A request of two rows; ``changes`` replace an input's parts, or remove an input (None)."""
    inputs = {
        "verspätung": tensor("verspätung", "FP64", [5.0, 90.0]),
        "stunde": tensor("stunde", "INT64", [6, 21]),
        "carrier": tensor("carrier", "BYTES", ["AA", "日航"]),
        "nacht": tensor("nacht", "BOOL", [False, True]),
    }
    for name, change in changes.items():
        if change is None:
            del inputs[name]
        else:
            inputs[name] |= change
    return {"inputs": list(inputs.values())}


class TestHealthAndMetadata:
    def test_health(self, delay: Server) -> None:
        assert delay.ask("GET", "/v2/health/live").json == {"live": True}
        assert delay.ask("GET", "/v2/health/ready").json == {"ready": True}

    def test_server(self, delay: Server) -> None:
        found = delay.ask("GET", "/v2").json
        assert found["name"] == "jupyter_mlops" and found["version"] and found["extensions"] == []

    @pytest.mark.parametrize("path", ["delay", "late-flights", "delay/versions/1", "late-flights/versions/1"])
    def test_model_by_its_name_or_the_endpoints(self, delay: Server, path: str) -> None:
        found = delay.ask("GET", f"/v2/models/{path}").json
        assert found == {
            "name": "delay",
            "versions": ["1"],
            "platform": "mlflow_sklearn",
            "inputs": [
                {"name": "verspätung", "datatype": "FP64", "shape": [-1]},
                {"name": "stunde", "datatype": "INT64", "shape": [-1]},
                {"name": "carrier", "datatype": "BYTES", "shape": [-1]},
                {"name": "nacht", "datatype": "BOOL", "shape": [-1]},
            ],
            "outputs": [{"name": "output", "datatype": "FP64", "shape": [-1, 2]}],
        }
        assert delay.ask("GET", f"/v2/models/{path}/ready").json == {"name": "delay", "ready": True}

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/v2/models/other", 404),
            ("GET", "/v2/models/other/ready", 404),
            ("GET", "/v2/models/delay/versions/9", 404),
            ("GET", "/v2/models/delay/versions/9/ready", 404),
            ("GET", "/v2/models/delay/versions", 404),
            ("GET", "/v2/models", 404),
            ("GET", "/v2/nothing", 404),
            ("GET", "/v2x", 404),
            ("GET", INFER, 405),
            ("POST", "/v2", 405),
            ("DELETE", "/v2/models/delay", 405),
            ("POST", "/v2/models/other/infer", 404),
            ("POST", "/v2/models/delay/versions/9/infer", 404),
        ],
    )
    def test_what_is_not_there(self, delay: Server, method: str, path: str, status: int) -> None:
        answer = delay.ask(method, path, flight() if method == "POST" else None)
        assert answer.status == status
        assert list(answer.json) == ["error"] and answer.json["error"]


class TestInfer:
    def test_an_answer_carries_all_that_says_where_it_came_from(self, delay: Server) -> None:
        answer = delay.ask("POST", INFER, {"id": "mine", **flight()})
        assert answer.status == 200
        assert answer.json["id"] == "mine"
        assert (answer.json["model_name"], answer.json["model_version"]) == ("delay", "1")
        (output,) = answer.json["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("output", "FP64", [2, 2])
        assert len(output["data"]) == 4 and sum(output["data"]) == pytest.approx(2.0)
        request_id = answer.headers["mlops-request-id"]
        assert answer.json["parameters"] == {"request_id": request_id, "deployment": delay.bundle.deployment_id}
        assert answer.headers["mlops-deployment"] == delay.bundle.deployment_id
        assert answer.headers["mlops-model"] == "delay" and answer.headers["mlops-model-version"] == "1"

    def test_without_an_id_the_answer_has_the_servers(self, delay: Server) -> None:
        answer = delay.ask("POST", INFER, flight())
        assert answer.json["id"] == answer.headers["mlops-request-id"]

    @pytest.mark.parametrize("path", ["/v2/models/late-flights/infer", "/v2/models/delay/versions/1/infer"])
    def test_every_way_to_the_model(self, delay: Server, path: str) -> None:
        assert delay.ask("POST", path, flight()).json["outputs"] == delay.ask("POST", INFER, flight()).json["outputs"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"verspätung": {"shape": [2, 1], "data": [[5.0], [90.0]]}},
            {"verspätung": {"shape": [2, 1], "data": [5.0, 90.0]}},
            {"verspätung": {"datatype": "FP32"}},
            {"verspätung": {"data": [5, 90]}},
            {"stunde": {"datatype": "INT32"}},
            {"stunde": {"datatype": "UINT8"}},
            {"stunde": {"datatype": "FP64", "data": [6.0, 21.0]}},
        ],
    )
    def test_the_same_values_in_other_forms(self, delay: Server, changes: dict[str, Any]) -> None:
        expected = delay.ask("POST", INFER, flight()).json["outputs"]
        assert delay.ask("POST", INFER, flight(**changes)).json["outputs"] == expected

    def test_no_content_type_as_tritonclient_sends_it(self, delay: Server) -> None:
        import json

        assert delay.ask("POST", INFER, json.dumps(flight()).encode()).status == 200

    def test_columns_that_the_model_does_not_know_are_left_out(self, delay: Server) -> None:
        more = flight()
        more["inputs"].append(tensor("extra", "FP64", [1.0, 2.0]))
        assert delay.ask("POST", INFER, more).status == 200

    def test_outputs_by_name(self, delay: Server) -> None:
        assert delay.ask("POST", INFER, {**flight(), "outputs": [{"name": "output"}]}).status == 200
        answer = delay.ask("POST", INFER, {**flight(), "outputs": [{"name": "nope"}]})
        assert answer.status == 400 and "no output nope" in answer.json["error"]

    @pytest.mark.parametrize("data", [[[0, 1, 2], [3, 4, 5]], [0, 1, 2, 3, 4, 5]])
    @pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT32", "UINT8"])
    @pytest.mark.parametrize("name", ["input", "input-0"])
    def test_arrays(self, plane: Server, name: str, datatype: str, data: list[Any]) -> None:
        body = {"inputs": [tensor(name, datatype, data, [2, 3])]}
        (output,) = plane.ask("POST", "/v2/models/plane/infer", body).json["outputs"]
        assert (output["shape"], output["datatype"]) == ([2], "FP64")
        assert output["data"] == pytest.approx([3.0, 12.0])

    def test_a_model_without_a_signature_takes_what_comes(self, serve: Any) -> None:
        bare = serve("bare")
        assert bare.ask("GET", "/v2/models/bare").json["inputs"] == []
        body = {"inputs": [tensor("x", "FP64", [0, 1, 2], [1, 3])]}
        assert bare.ask("POST", "/v2/models/bare/infer", body).json["outputs"][0]["data"] == pytest.approx([3.0])


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"verspätung": None}, "Missing input: verspätung"),
            ({"stunde": None, "carrier": None}, "Missing input: stunde, carrier"),
            ({"verspätung": {"data": ["5", "90"]}}, "FP64"),
            ({"verspätung": {"data": [True, False]}}, "FP64"),
            ({"verspätung": {"data": [5.0]}}, "means 2 values"),
            ({"verspätung": {"shape": [3]}}, "means 3 values"),
            ({"verspätung": {"shape": [-1]}}, "shape"),
            ({"verspätung": {"shape": "2"}}, "shape"),
            ({"verspätung": {"shape": [2.0]}}, "shape"),
            ({"verspätung": {"shape": [True, 2]}}, "shape"),
            ({"verspätung": {"shape": [1, 2]}}, "must be [rows]"),
            ({"verspätung": {"shape": [10**30, 10**30]}}, "values"),
            ({"verspätung": {"shape": [1] * 40 + [2]}}, "dimensions"),
            ({"verspätung": {"data": [[5.0], [90.0, 1.0]], "shape": [2, 1]}}, "unevenly"),
            ({"verspätung": {"data": [[5.0, 90.0]]}}, "data"),
            ({"verspätung": {"data": {"a": 1}}}, "must be a list"),
            ({"verspätung": {"data": None}}, "must be a list"),
            ({"verspätung": {"datatype": "FP16"}}, "can't be sent as JSON"),
            ({"verspätung": {"datatype": "BF16"}}, "can't be sent as JSON"),
            ({"verspätung": {"datatype": "double"}}, "not known"),
            ({"verspätung": {"datatype": ["FP64"]}}, "not known"),
            ({"verspätung": {"data": [10**400, 1]}}, "too large"),
            ({"verspätung": {"name": ""}}, "name"),
            ({"verspätung": {"name": "stunde"}}, "given twice"),
            ({"verspätung": {"shape": [1], "data": [5.0]}}, "different numbers of rows"),
            ({"verspätung": {"parameters": {"binary_data_size": 8}}}, "binary tensors are not supported"),
            ({"stunde": {"data": [6.5, 21]}}, "INT64"),
            ({"stunde": {"data": [None, 21]}}, "null"),
            ({"stunde": {"datatype": "FP64", "data": [6.5, 21.0]}}, "takes long"),
            ({"stunde": {"data": [2**70, 1]}}, "INT64"),
            ({"stunde": {"datatype": "UINT8", "data": [-1, 1]}}, "UINT8"),
            ({"carrier": {"data": [1, 2]}}, "BYTES"),
            ({"nacht": {"data": [0, 1]}}, "BOOL"),
            ({"nacht": {"datatype": "INT64", "data": [0, 1]}}, "takes boolean"),
        ],
    )
    def test_inputs_that_are_wrong(self, delay: Server, changes: dict[str, Any], says: str) -> None:
        answer = delay.ask("POST", INFER, flight(**changes))
        assert (answer.status, list(answer.json)) == (400, ["error"])
        assert says in answer.json["error"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"null",
            b"[]",
            b'"text"',
            b"{}",
            b'{"inputs": []}',
            b'{"inputs": {}}',
            b'{"inputs": [1]}',
            b'{"inputs": [{}]}',
            b'{"inputs": null}',
            b"\xff\xfe{}",
            b"\x80\x04K\x01.",  # a pickle
            b"[" * 100_000,
            b'{"inputs":' * 50_000,
            b'{"id": 1, "inputs": [{"name": "a"}]}',
            b'{"parameters": [], "inputs": [{"name": "a"}]}',
            b'{"parameters": {"binary_data_output": true}, "inputs": [{"name": "a"}]}',
            b'{"inputs": [{"name": "a", "shape": [1], "datatype": "BYTES", "data": ["\\ud800"]}]}',
        ],
    )
    def test_bodies_that_are_wrong(self, delay: Server, body: bytes) -> None:
        answer = delay.ask("POST", INFER, body)
        assert (answer.status, list(answer.json)) == (400, ["error"])

    def test_binary_requests_are_refused_in_words(self, delay: Server) -> None:
        answer = delay.ask("POST", INFER, b"{}" + bytes(8), inference_header_content_length="2")
        assert answer.status == 400 and "Binary tensors are not supported" in answer.json["error"]
        body = {**flight(), "outputs": [{"name": "output", "parameters": {"binary_data": True}}]}
        assert "Binary tensors are not supported" in delay.ask("POST", INFER, body).json["error"]

    @pytest.mark.parametrize("shape", [[3], [2, 2], [1, 3, 1], []])
    def test_arrays_of_the_wrong_shape(self, plane: Server, shape: list[int]) -> None:
        count = 1
        for size in shape:
            count *= size
        body = {"inputs": [{**tensor("input", "FP64", [0.5] * count), "shape": shape}]}
        answer = plane.ask("POST", "/v2/models/plane/infer", body)
        assert answer.status == 400 and "shape" in answer.json["error"]

    def test_text_for_numbers(self, plane: Server) -> None:
        body = {"inputs": [tensor("input", "BYTES", ["a", "b", "c"], [1, 3])]}
        assert plane.ask("POST", "/v2/models/plane/infer", body).status == 400

    def test_what_the_model_itself_refuses(self, delay: Server) -> None:
        # a missing value, which this model was not trained to take; a carrier that it has never seen
        for change in ({"verspätung": {"data": [None, 1.0]}}, {"carrier": {"data": ["ZZ", "AA"]}}):
            answer = delay.ask("POST", INFER, flight(**change))
            assert answer.status == 400 and "The model refused" in answer.json["error"]

    def test_the_table_of_the_test_is_the_models(self) -> None:
        assert [each["name"] for each in flight()["inputs"]] == list(ROWS.columns)
