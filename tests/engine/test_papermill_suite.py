"""papermill's own tests, from its source distribution, with our engine as its engine.

Exceptions are listed with their reasons in ``papermill_suite/exceptions.toml``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import REPOSITORY

HERE = Path(__file__).parent / "papermill_suite"
CACHE = REPOSITORY / ".make" / "papermill-tests"


def source_of_papermill() -> Path:
    """Return papermill's source, of the version that is installed; fetched from the package index once."""
    name = f"papermill-{version('papermill')}"
    folder = CACHE / name
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--no-build-isolation", "--dest", str(CACHE), name.replace("-", "==")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = f"papermill's source distribution can't be fetched: {done.stderr.strip()[-300:]}"
            if os.environ.get("CI"):
                pytest.fail(said)
            pytest.skip(said)
        unpacked = CACHE / f"{name}.{os.getpid()}"
        with tarfile.open(CACHE / f"{name}.tar.gz") as archive:
            archive.extractall(unpacked, filter="data")
        (unpacked / name).rename(folder)
        unpacked.rmdir()
    return folder


def results(report: Path) -> Iterator[tuple[str, bool]]:
    """Yield each test that was run, as ``file::Class::name``, and whether it passed."""
    for case in ElementTree.parse(report).iter("testcase"):
        module, _tests, rest = case.attrib["classname"].rpartition("tests.")[2].partition(".")
        name = "::".join(part for part in (f"{module}.py", rest, case.attrib["name"]) if part)
        if case.find("skipped") is None:
            yield name, case.find("failure") is None and case.find("error") is None


@pytest.mark.slow
def test_papermills_own_tests_pass_apart_from_named_exceptions(tmp_path: Path) -> None:
    exceptions = tomllib.loads((HERE / "exceptions.toml").read_text(encoding="utf-8"))
    source = source_of_papermill()
    report = tmp_path / "report.xml"
    left_out = [f"--ignore=papermill/tests/{name}" for name in exceptions["not_run"]]

    command = [sys.executable, "-m", "pytest", "-p", "mlops_as_papermills_engine", "-p", "no:cacheprovider", "-q"]
    command += ["-p", "no:xdist", "-c", os.devnull, "--rootdir", str(source), f"--junitxml={report}", *left_out]
    done = subprocess.run(
        [*command, "papermill/tests"],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(HERE), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )

    found = dict(results(report))
    failed = {name for name, passed in found.items() if not passed}
    assert len(found) > 400, done.stdout[-3000:]
    assert failed - set(exceptions["fails"]) == set(), done.stdout[-8000:]
    assert set(exceptions["fails"]) - failed == set(), "listed as an exception, but it passes or is gone"
