"""What is stored is JSON; errors come back as what they were."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from jupyter_mlops import errors
from jupyter_mlops.engine import codec


@pytest.mark.parametrize("value", [None, 0, 1.5, True, "ä", [], [1, [2]], {"a": {"b": None}}, {"error": "not one"}])
def test_values_come_back(value: object) -> None:
    assert codec.decode(codec.encode(value)) == value


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError):
        codec.encode(object())


@pytest.mark.parametrize(
    "error",
    [
        errors.NotebookError("What.", why="Why.", next="Next.", details={"cell": 3, "traceback": ["a", "b"]}),
        errors.CancelledError("Gone."),
        errors.MissingExtraError("postgres", "A PostgreSQL database"),
        errors.MlopsError("Plain."),
    ],
)
def test_every_error_comes_back_as_its_class(error: errors.MlopsError) -> None:
    back = codec.decode(codec.encode(error))
    assert type(back) is type(error)
    assert back.to_dict() == error.to_dict()


def test_an_error_of_a_later_version_comes_back_as_the_base() -> None:
    back = codec.error_from_dict({"code": "from-the-future", "what": "W", "why": "Y", "next": "N", "details": {}})
    assert type(back) is errors.MlopsError
    assert str(back) == "W Y N"


def test_foreign_errors_are_said_in_words() -> None:
    full = codec.error_in_words(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    assert isinstance(full, errors.DiskFullError)
    locked = codec.error_in_words(OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked")))
    assert isinstance(locked, errors.StoreError)

    def fail() -> None:
        raise ValueError("bad\nsecond line")

    with pytest.raises(ValueError) as raised:
        fail()
    said = codec.error_in_words(raised.value, "train")
    assert isinstance(said, errors.WorkflowError)
    assert said.what == "train failed: ValueError: bad"
    assert said.details["type"] == "ValueError"
    assert any("in fail" in line for line in said.details["traceback"])


def test_an_error_that_cannot_even_be_printed_is_said() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "Broken" in codec.error_in_words(Broken()).what
