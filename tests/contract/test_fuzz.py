"""Whatever is sent to any operation, the answer is one that the document promises, and never a 5xx."""

from __future__ import annotations

import math
from http.cookiejar import DefaultCookiePolicy

import nbformat
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, settings

from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.workspace import Workspace

from .conftest import ROOT, Server

#: What a valid request may meet beside success: a name that does not exist, a workspace in another state, and text
#: that only its reader can judge (a filter, a path, the name of a model).
_EXPECTED = ["2xx", "400", "403", "404", "409", "422"]

#: Bytes; of Tornado.
_LONGEST_ADDRESS = 60_000

config = schemathesis.Config.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": _EXPECTED},
            # It knows no other answer than 401; Jupyter's to who is not signed in is 403. test_access.py asks that.
            "missing_required_header": {"enabled": False},
        },
        "seed": 2013,
    }
)
schema = schemathesis.openapi.from_path(ROOT / "openapi.json", config=config)


@pytest.fixture(scope="module")
def session() -> requests.Session:
    """Connections that are kept, but no cookies: they would sign in a request that is meant to be refused."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


@schema.parametrize()
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
)
def test_every_answer_is_as_documented(case: schemathesis.Case, server: Server, session: requests.Session) -> None:
    try:
        case.call_and_validate(base_url=server.url, headers=server.headers, session=session, timeout=60)
    except requests.ConnectionError:
        # The web server ends a connection whose first line is longer than its buffer.
        assume(len(address(case, server)) < _LONGEST_ADDRESS)
        raise


def address(case: schemathesis.Case, server: Server) -> str:
    """What a case asks for, as it goes over the wire."""
    parts = case.as_transport_kwargs(base_url=server.url)
    return str(requests.Request(parts["method"], parts["url"], params=parts.get("params")).prepare().url)


def test_things_that_exist_are_as_documented(server: Server, session: requests.Session) -> None:
    """The fuzzer can't guess ids: here every operation that reads is asked about a run that is really there."""
    run_id = make_run(server.workspace)
    notebook = server.workspace.root / "train.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), notebook)
    names = {"run_id": run_id, "name": "delay", "version": "1", "endpoint": "delay", "step": "train"}
    queries = {"key": "loss", "path": "", "kind": "run", "base": "20201123-000000-000000"}
    queries |= {"notebook": "train.ipynb", "cell_id": "cell-1"}
    found = 0
    for operation in (result.ok() for result in schema.get_all_operations()):
        if operation.method.upper() != "GET":
            continue
        query = {parameter.name: queries[parameter.name] for parameter in operation.query if parameter.is_required}
        if operation.path == "/lineage/trace":
            query["key"] = run_id
        of_notebook = operation.path.startswith("/versioning/notebook/")
        if operation.path == "/pipelines/document" or operation.path.endswith("/file") or of_notebook:
            query["path"] = "train.ipynb"
        path = {parameter.name: names.get(parameter.name, "x") for parameter in operation.path_parameters}
        case = operation.Case(path_parameters=path, query=query)
        response = case.call(base_url=server.url, headers=server.headers, session=session, timeout=60)
        case.validate_response(response, headers=server.headers)
        found += response.status_code == 200
    assert found >= 14
    history = session.get(
        f"{server.url}/tracking/runs/{run_id}/metrics", params={"key": "loss"}, headers=server.headers
    ).json()
    assert [point["value"] for point in history["points"]] == [0.5, "NaN", "Infinity"]


def make_run(workspace: Workspace) -> str:
    """Log a run with values that JSON lacks, from another process than the server's."""
    client = TrackingService(workspace).client()
    experiment = client.create_experiment("flights")
    run_id = str(client.create_run(experiment).info.run_id)
    for step, value in enumerate((0.5, math.nan, math.inf)):
        client.log_metric(run_id, "loss", value, step=step)
    client.log_param(run_id, "depth", 3)
    client.set_terminated(run_id)
    return run_id
