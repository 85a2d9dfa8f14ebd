"""A workspace that this process works in, and small real models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking._tracking_service import utils
from sklearn.linear_model import LogisticRegression

from jupyter_mlops.registry import attempts
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace


@pytest.fixture
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The workspace, as a kernel of it sees it."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    attempts._calls.clear()
    before = utils._tracking_uri
    yield workspace
    utils._tracking_uri = before
    while mlflow.active_run() is not None:
        mlflow.end_run()


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    """Flights in miniature: a column with an umlaut, a number, a text."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "verspätung": random.normal(10, 20, 200),
            "stunde": random.integers(0, 24, 200),
            "carrier": random.choice(["AA", "UA"], 200),
        }
    )


@pytest.fixture(scope="session")
def late(table: pd.DataFrame) -> Any:
    """What is to be predicted."""
    return (table["verspätung"] > 15).astype(int)


@pytest.fixture(scope="session")
def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that a plain linear model takes."""
    return table[["verspätung", "stunde"]]


@pytest.fixture(scope="session")
def classifier(numbers: pd.DataFrame, late: Any) -> LogisticRegression:
    """A small fitted classifier."""
    return LogisticRegression().fit(numbers, late)
