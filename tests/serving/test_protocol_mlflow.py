"""MLflow's scoring protocol against a real model server."""

from __future__ import annotations

from typing import Any

import mlflow
import pytest

from tests.serving.conftest import ROWS, Server

TWO = ROWS.head(2)
SPLIT = {"dataframe_split": {"columns": list(TWO.columns), "data": TWO.values.tolist()}}


@pytest.fixture(scope="module")
def expected(serve: Any) -> Any:
    """What MLflow itself answers with the same files."""
    bundle = serve("delay", endpoint="late-flights").bundle
    return mlflow.pyfunc.load_model(str(bundle.model_folder)).predict(TWO).tolist()


class TestFormats:
    @pytest.mark.parametrize(
        "body",
        [
            SPLIT,
            {"dataframe_split": {**SPLIT["dataframe_split"], "index": [7, 8]}},
            {"dataframe_records": TWO.to_dict("records")},
            {"instances": TWO.to_dict("records")},
            {"instances": TWO.values.tolist()},
            {"inputs": TWO.to_dict("list")},
            {"inputs": TWO.to_dict("records")},
            {"dataframe_records": [{**record, "extra": 1} for record in TWO.to_dict("records")]},
        ],
    )
    @pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
    def test_json(self, delay: Server, expected: Any, body: Any, kind: str) -> None:
        answer = delay.ask("POST", "/invocations", body, content_type=kind)
        assert answer.status == 200, answer.body
        assert answer.json == {"predictions": [pytest.approx(row) for row in expected]}
        assert len(answer.headers["mlops-request-id"]) == 32

    @pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=UTF-8"])
    def test_csv(self, delay: Server, expected: Any, kind: str) -> None:
        answer = delay.ask("POST", "/invocations", TWO.to_csv(index=False).encode(), content_type=kind)
        assert answer.json == {"predictions": [pytest.approx(row) for row in expected]}

    @pytest.mark.parametrize(
        "body",
        [
            {"inputs": [[0, 1, 2], [3, 4, 5]]},
            {"instances": [[0, 1, 2], [3, 4, 5]]},
            {"inputs": {"input": [[0, 1, 2], [3, 4, 5]]}},
            {"instances": [{"input": [0, 1, 2]}, {"input": [3, 4, 5]}]},
        ],
    )
    def test_arrays(self, plane: Server, body: Any) -> None:
        assert plane.ask("POST", "/invocations", body).json == {"predictions": pytest.approx([3.0, 12.0])}

    @pytest.mark.parametrize(
        "body",
        [
            {"inputs": [[0, 1, 2]]},
            {"dataframe_split": {"columns": [0, 1, 2], "data": [[0, 1, 2]]}},
            {"dataframe_records": [{"a": 0, "b": 1, "c": 2}]},
        ],
    )
    def test_a_model_without_a_signature(self, serve: Any, body: Any) -> None:
        assert serve("bare").ask("POST", "/invocations", body).json == {"predictions": pytest.approx([3.0])}

    def test_the_endpoints_own_example_works(self, delay: Server) -> None:
        assert delay.ask("POST", "/invocations", delay.bundle.example).status == 200


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({}, "exactly one of"),
            ([], "must be a JSON object"),
            ({**SPLIT, "inputs": []}, "exactly one of"),
            ({**SPLIT, "other": 1}, "exactly one of"),
            ({**SPLIT, "params": []}, "`params`"),
            ({"dataframe_split": []}, "dataframe_split"),
            ({"dataframe_split": {"data": [[1]]}}, "must name its `columns`"),
            ({"dataframe_split": {"columns": ["a"], "data": [[1]], "x": 1}}, "unknown parts"),
            ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "named twice"),
            ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "Row 0 has 2 values"),
            ({"dataframe_split": {"columns": ["a"], "data": []}}, "no rows"),
            ({"dataframe_split": {"columns": [], "data": []}}, "no rows"),
            ({"dataframe_split": {"columns": ["stunde"], "data": [[1]]}}, "Missing input: verspätung"),
            ({"dataframe_records": {}}, "list of objects"),
            ({"dataframe_records": [1]}, "list of objects"),
            ({"dataframe_records": []}, "no rows"),
            ({"instances": 5}, "list of rows"),
            ({"instances": [[1, 2]]}, "Row 0 has 2 values, not 4"),
            ({"inputs": {"verspätung": [1], "stunde": [1, 2]}}, "different numbers of rows"),
            ({"dataframe_records": [{**TWO.iloc[0].to_dict(), "stunde": 6.5}]}, "takes long; row 0 has 6.5"),
            ({"dataframe_records": [{**TWO.iloc[0].to_dict(), "stunde": None}]}, "row 0 has a missing value"),
            ({"dataframe_records": [{**TWO.iloc[0].to_dict(), "verspätung": "much"}]}, "double; row 0 has 'much'"),
            ({"dataframe_records": [{**TWO.iloc[0].to_dict(), "carrier": 5}]}, "takes string; row 0 has 5"),
            ({"dataframe_records": [{**TWO.iloc[0].to_dict(), "verspätung": [1]}]}, "takes double"),
        ],
    )  # fmt: skip
    def test_bodies_that_are_wrong(self, delay: Server, body: Any, says: str) -> None:
        body = json_of(body)
        answer = delay.ask("POST", "/invocations", body, content_type="application/json")
        assert (answer.status, answer.json["error_code"]) == (400, "BAD_REQUEST")
        assert says in answer.json["message"]

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
    def test_no_json(self, delay: Server, body: bytes) -> None:
        answer = delay.ask("POST", "/invocations", body, content_type="application/json")
        assert (answer.status, answer.json["error_code"]) == (400, "BAD_REQUEST")

    @pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"a,b\n1\n2,3,4\n", b'"'])
    def test_no_csv(self, delay: Server, body: bytes) -> None:
        assert delay.ask("POST", "/invocations", body, content_type="text/csv").status == 400

    @pytest.mark.parametrize(
        "kind",
        ["", "text/plain", "application/octet-stream", "application/json; charset=latin-1", "application/json; v=1"],
    )
    def test_content_types_that_are_not_known(self, delay: Server, kind: str) -> None:
        assert delay.ask("POST", "/invocations", json_of(SPLIT), content_type=kind).status == 415

    def test_only_post(self, delay: Server) -> None:
        assert delay.ask("GET", "/invocations").status == 405

    @pytest.mark.parametrize("body", [{"inputs": [[0, 1]]}, {"inputs": [0, 1, 2]}, {"inputs": [[0, 1, 2], [3]]},
                                      {"inputs": [["a", "b", "c"]]}, {"inputs": {"other": [[0, 1, 2]]}},
                                      {"inputs": [[True, False, True]]}, {"inputs": [[10**400, 1, 2]]}])  # fmt: skip
    def test_arrays_that_are_wrong(self, plane: Server, body: Any) -> None:
        answer = plane.ask("POST", "/invocations", body)
        assert (answer.status, answer.json["error_code"]) == (400, "BAD_REQUEST")


def json_of(body: Any) -> bytes:
    import json

    return json.dumps(body, ensure_ascii=False, default=lambda value: value.item()).encode()
