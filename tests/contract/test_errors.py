"""Errors are part of the contract: each class has a code of its own and a status that is no bug's."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import defaultdict

import jupyter_mlops
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.extension.problems import internal_problem, problem, problem_of_status
from jupyter_mlops.extension.types import ProblemDetails


def classes() -> list[type[MlopsError]]:
    """Return every error class of the package."""
    importlib.import_module("mlflow")  # it loads our plug-ins while it is being imported: not the other way round
    for module in pkgutil.walk_packages(jupyter_mlops.__path__, "jupyter_mlops."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[MlopsError]] = []
    waiting = [MlopsError]
    while waiting:
        each = waiting.pop()
        if each.__module__.startswith("jupyter_mlops."):  # not a test's
            found.append(each)
        waiting += each.__subclasses__()
    return found


def test_codes_are_unique_and_statuses_say_whose_fault_it_is() -> None:
    by_code = defaultdict(set)
    for each in classes():
        by_code[each.code].add(each.__name__)
        assert re.fullmatch(r"[a-z][a-z-]*", each.code), each
        assert 400 <= each.status < 600 and each.status != 500, each
        assert each.__doc__, each
    assert {code: names for code, names in by_code.items() if len(names) > 1} == {}


def test_every_way_to_a_problem_gives_all_its_fields() -> None:
    for made in (
        problem(MlopsError("What.", why="Why.", next="Next.", details={"a": 1})),
        problem_of_status(403, "Forbidden"),
        problem_of_status(418, "I'm a teapot"),
        internal_problem(),
    ):
        ProblemDetails.model_validate(made)
    assert problem_of_status(418, "I'm a teapot")["status"] == 418
