"""What can go wrong on the way from the journals into the database: nothing is lost, and no other record suffers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from jupyter_mlops.cells import importing, origin  # noqa: F401  (else it would keep the database of the first test)
from jupyter_mlops.cells.importing import import_journals
from jupyter_mlops.cells.record import FORMAT
from jupyter_mlops.cells.service import CellService
from jupyter_mlops.cells.session import journal_folder, journal_path
from jupyter_mlops.cells.types import ExecutionQuery, SessionQuery
from jupyter_mlops.errors import MlopsError, PathError
from jupyter_mlops.journal import Journal, read_part
from jupyter_mlops.store.database import Database
from jupyter_mlops.store.tables import CellNameRow, CellSourceRow
from jupyter_mlops.workspace import Workspace
from tests.conftest import fill

from .imported import rows, statuses
from .journals import Kernel, ended

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:multiprocessing")


def test_a_locked_database_loses_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(workspace)
    kernel.run()
    import_journals(workspace)
    kernel.run()
    impatient = Database(workspace.database_url, busy_timeout_ms=50)
    assert impatient.engine
    monkeypatch.setattr("jupyter_mlops.store.database.database", lambda _workspace: impatient)
    with Database(workspace.database_url).session() as holder:
        holder.execute(text("SELECT 1"))
        with pytest.raises(MlopsError, match="locked"):
            import_journals(workspace)
        # A question is answered with what is there
        assert len(CellService(workspace).record_of_session(kernel.session)) == 1
    assert import_journals(workspace).executions == 1
    assert len(CellService(workspace).record_of_session(kernel.session)) == 2


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    workspace = Workspace.init(small_disk / "w")
    kernel = Kernel(workspace)
    kernel.run()
    import_journals(workspace)
    for number in range(60):
        kernel.run(source=f"x = {number}" + "#" * 20_000)
    ballast = fill(small_disk, leave=200_000)
    with pytest.raises(MlopsError):
        import_journals(workspace)
    ballast.unlink()
    import_journals(workspace)
    assert statuses(workspace) == ["succeeded"] * 61


def test_an_import_that_is_killed_is_done_again(workspace: Workspace) -> None:
    kernel = Kernel(workspace)
    for number in range(3000):
        kernel.run(f"c{number}", f"x = {number}" + "#" * 500, written=["x"])
    import_journals(Workspace.init(workspace.root.parent / "warm"))
    code = (
        "import sys; from jupyter_mlops.workspace import Workspace; from jupyter_mlops.cells.importing import "
        "import_journals; print(1, flush=True); import_journals(Workspace(sys.argv[1]))"
    )
    for pause in (0.3, 0.6, 0.9):
        with subprocess.Popen([sys.executable, "-c", code, str(workspace.root)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
    import_journals(workspace)
    assert rows(workspace) == rows(workspace, CellNameRow) == 3000


def test_a_record_of_a_newer_format_waits_for_the_newer_version(place: Workspace, monkeypatch: Any) -> None:
    kernel, other = Kernel(place), Kernel(place)
    kernel.run(format=FORMAT + 1, status="thought")
    other.run()
    problems = import_journals(place).problems
    assert list(problems) == [kernel.journal.path.name]
    assert "newer" in str(problems[kernel.journal.path.name])
    assert statuses(place) == ["succeeded"]
    # When this version is upgraded
    monkeypatch.setattr(importing, "FORMAT", FORMAT + 1)
    kernel.run(format=FORMAT + 1)
    assert import_journals(place).problems == {}
    assert statuses(place).count("succeeded") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "../../etc/passwd"},
        {"id": "x" * 65},
        {"id": ""},
        {"id": 7},
        {"session": "another"},
        {"sequence": 10**12},
        {"sequence": -1},
        {"count": True},
        {"attempt": 1.5},
        {"started_at": "now"},
        {"started_at": 10**400},
        {"seconds": None},
        {"status": "died"},
        {"status": ["succeeded"]},
        {"reads": ["x"]},
        {"reads": {"x": 1}},
        {"written": "x"},
        {"written": [None]},
        {"runs": {"a": "b"}},
        {"values": {"x": []}},
        {"values": {"x": {"group": "y"}}},
        {"generators": {"random": ["a"]}},
        {"source": None},
        {"notebook": 1},
        {"seeded": True},
        {"groups": ["x"]},
    ],
    ids=lambda wrong: json.dumps(wrong)[:30],
)
def test_a_record_that_does_not_fit_is_refused_and_no_other(workspace: Workspace, wrong: dict[str, Any]) -> None:
    kernel = Kernel(workspace)
    kernel.run("c1")
    begun = kernel.start("c2")
    kernel.journal.append({**ended(begun), **wrong})
    kernel.run("c3")
    assert import_journals(workspace).damaged == 1
    assert statuses(workspace) == ["succeeded", "died", "succeeded"]


def test_numbers_that_json_does_not_have(workspace: Workspace) -> None:
    kernel = Kernel(workspace)
    kernel.run("c1")
    line = json.dumps(ended(kernel.start("c2"))).replace('"seconds": 0.5', '"seconds": 1e999')
    _append(kernel.journal, line.encode())
    _append(kernel.journal, line.replace("1e999", "0.5").replace('"values": {}', '"unknown": NaN').encode())
    assert import_journals(workspace).damaged == 2


def _append(journal: Journal, text: bytes) -> None:
    import zlib

    with journal.path.open("ab") as file:
        file.write(b"\n%08x %s\n" % (zlib.crc32(text), text))


def test_unknown_fields_and_kinds_are_kept_or_passed_over(place: Workspace) -> None:
    kernel = Kernel(place)
    kernel.journal.append({"kind": "checkpoint", "at": 1})
    kernel.journal.append({"no": "kind"})
    record = kernel.run(fresh={"a": [1, None]}, values={"x": {"type": "int", "mood": "good"}}, written=["x"])
    assert import_journals(place).damaged == 0
    assert CellService(place).record(record["id"])["fresh"] == {"a": [1, None]}  # type: ignore[typeddict-item]
    assert CellService(place).execution(record["id"]).values["x"].type == "int"


def test_text_that_a_database_does_not_take(place: Workspace) -> None:
    kernel = Kernel(place, notebook="a\0b.ipynb")
    record = kernel.run(
        "c\ud800", "x = '\0\udcff'", written=["x"], files_written={"a\udce4\0": "d"}, error="\0", runs=["r\0"]
    )
    assert import_journals(place).damaged == 0
    found = CellService(place).execution(record["id"])
    assert (found.notebook, found.cell_id, found.source) == ("a�b.ipynb", "c?", "x = '�?'")
    found.model_dump_json()
    assert CellService(place).executions(ExecutionQuery(run_id="r\0", notebook="a\0b.ipynb")).items


def test_a_cell_of_a_megabyte(place: Workspace) -> None:
    source = "x = '" + "ü" * 1_000_000 + "'"
    kernel = Kernel(place)
    record = kernel.run(source=source, written=["x"])
    kernel.run(source=source, written=["x"])
    found = CellService(place).execution(record["id"])
    assert found.source == source
    assert len(found.title) == 80
    assert rows(place, CellSourceRow) == 1


def test_the_id_of_another_sessions_execution_is_not_taken(place: Workspace) -> None:
    kernel, other = Kernel(place), Kernel(place)
    record = kernel.run(source="x = 1", written=["x"])
    import_journals(place)
    other.run(source="evil = 1", id=record["id"], written=["evil"])
    assert import_journals(place).damaged >= 1
    assert CellService(place).execution(record["id"]).source == "x = 1"
    assert rows(place, CellNameRow) == 1


def test_a_journal_folder_that_leads_outside_is_not_read(workspace: Workspace, tmp_path: Path) -> None:
    elsewhere = Workspace.init(tmp_path / "elsewhere")
    Kernel(elsewhere).run()
    (workspace.state / "cells").symlink_to(elsewhere.state / "cells")
    with pytest.raises(PathError, match="outside"):
        import_journals(workspace)
    assert CellService(workspace).executions().items == []


def test_only_files_with_a_sessions_name_are_journals(workspace: Workspace, tmp_path: Path) -> None:
    kernel = Kernel(workspace)
    kernel.run()
    folder = journal_folder(workspace)
    kernel.journal.path.rename(tmp_path / "real.jsonl")
    (folder / f"{kernel.session}.jsonl").symlink_to(tmp_path / "real.jsonl")
    (folder / ("a" * 32 + ".jsonl")).mkdir()
    (folder / "b b.jsonl").write_text("x")
    os.mkfifo(folder / ("c" * 32 + ".jsonl"))
    report = import_journals(workspace)
    assert (report.executions, report.problems) == (0, {})


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_journal_that_may_not_be_read(workspace: Workspace) -> None:
    kernel, other = Kernel(workspace), Kernel(workspace)
    kernel.run()
    other.run()
    kernel.journal.path.chmod(0)
    assert list(import_journals(workspace).problems) == [kernel.journal.path.name]
    assert statuses(workspace) == ["succeeded"]


def test_a_journal_that_can_not_be_read_keeps_no_other_from_it(workspace: Workspace, monkeypatch: Any) -> None:
    kernel, other = Kernel(workspace), Kernel(workspace)
    kernel.run()
    other.run()
    real = read_part

    def read(path: Path, *args: Any, **options: Any) -> Any:
        if path == journal_path(workspace, kernel.session):
            raise MlopsError("an error of the disk")
        return real(path, *args, **options)

    monkeypatch.setattr(importing, "read_part", read)
    assert list(import_journals(workspace).problems) == [kernel.journal.path.name]
    assert statuses(workspace) == ["succeeded"]
    monkeypatch.undo()
    assert statuses(workspace) == ["succeeded", "succeeded"]


def test_sessions_say_whose_they_are(place: Workspace) -> None:
    kernel = Kernel(place, at=1_700_000_000.0, pipeline_run_id="p", step="s", attempt=2)
    Kernel(place, notebook="b.ipynb", at=1_600_000_000.0, pid="a lot")
    kernel.run()
    second, first = CellService(place).sessions().items  # when it began is not known: when it was written counts
    assert (first.id, first.notebook, first.step, first.attempt, first.executions) == (
        kernel.session,
        "a.ipynb",
        "s",
        2,
        1,
    )
    assert (second.notebook, second.damaged) == ("", 1)  # its first record does not fit
    assert [each.id for each in CellService(place).sessions(SessionQuery(notebook="a.ipynb")).items] == [kernel.session]


def test_the_log_says_once_why_a_journal_is_not_read(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    Kernel(workspace).run(format=FORMAT + 1)
    cells = CellService(workspace)
    for _time in range(3):
        cells.executions()
    said = [record for record in caplog.records if "newer" in record.getMessage()]
    assert [record.levelname for record in said if record.levelname != "DEBUG"] == ["WARNING"]
