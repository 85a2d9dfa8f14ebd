"""Whatever is sent to any operation, the answer is one that the document promises, and never a 5xx."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings

from .conftest import ROOT, Server

#: What a valid request may meet beside success: a name that does not exist, a workspace in another state, and text
#: that only its reader can judge (a filter, a path, the name of a model).
_EXPECTED = ["2xx", "400", "403", "404", "409", "422"]

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
    case.call_and_validate(base_url=server.url, headers=server.headers, session=session, timeout=60)
