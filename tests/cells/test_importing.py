"""From the journals into the database, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from jupyter_mlops.cells import importing
from jupyter_mlops.cells.importing import import_journals
from jupyter_mlops.cells.record import FORMAT
from jupyter_mlops.cells.service import CellService
from jupyter_mlops.cells.session import journal_folder, journal_path
from jupyter_mlops.cells.types import ExecutionQuery, SessionQuery
from jupyter_mlops.errors import MlopsError, PathError
from jupyter_mlops.journal import Journal, read_part
from jupyter_mlops.store import outbox
from jupyter_mlops.store.database import Database, close_all, database
from jupyter_mlops.store.tables import CellNameRow, CellRecordRow, CellSessionRow, CellSourceRow
from jupyter_mlops.workspace import Workspace
from tests.conftest import fill

from .journals import Kernel, ended

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:multiprocessing")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    """A workspace on each kind of database."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        Path(workspace.root, "mlops.toml").write_text(f'[store]\nurl = "{url}"\n')
    return Workspace(workspace.root)


def rows(workspace: Workspace, table: Any = CellRecordRow) -> int:
    with database(workspace).reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def statuses(workspace: Workspace) -> list[str]:
    page = CellService(workspace).executions(ExecutionQuery(max_results=1000))
    return [each.status for each in reversed(page.items)]


def session_row(workspace: Workspace, name: str) -> CellSessionRow:
    with database(workspace).reading() as session:
        return session.get_one(CellSessionRow, name)


# -- what is new ---------------------------------------------------------------------------------------------------


def test_nothing_recorded_makes_no_database(workspace: Workspace) -> None:
    assert import_journals(workspace).executions == 0
    assert not (workspace.state / "mlops.db").exists()


def test_what_is_new_is_read_in_once(place: Workspace) -> None:
    kernel = Kernel(place)
    first = kernel.run(source="x = 1", written=["x"])
    assert import_journals(place).executions == 1
    # When a cell runs, and then has ended
    begun = kernel.start("c2", "y = x")
    assert import_journals(place).executions == 1
    assert statuses(place) == ["succeeded", "running"]
    second = kernel.end(begun, reads={"x": f"{first['id']}:x"}, written=["y"], status="failed", error="E: e")
    assert import_journals(place).executions == 1
    # Then it is there as it was recorded, and no more is read
    assert import_journals(place).executions == 0
    assert statuses(place) == ["succeeded", "failed"]
    assert CellService(place).record(second["id"]).items() >= second.items()
    assert (rows(place), rows(place, CellNameRow), rows(place, CellSourceRow)) == (2, 2, 2)


def test_reading_it_all_again_changes_nothing(place: Workspace) -> None:
    kernel = Kernel(place)
    for number in range(5):
        kernel.run(source=f"x = {number % 2}", written=["x"], runs=["r"], files_written={"a": "d"})
    import_journals(place)
    before = CellService(place).executions()
    with database(place).session() as session:
        session.get_one(CellSessionRow, kernel.session).offset = 0
    assert import_journals(place).executions == 5
    assert CellService(place).executions() == before
    assert rows(place, CellSourceRow) == 2


def test_watchers_are_told_of_the_notebook(place: Workspace) -> None:
    kernel = Kernel(place, notebook="a b/ü.ipynb")
    kernel.run()
    kernel.run()
    import_journals(place)
    with database(place).reading() as session:
        told = [(each.topic, each.key, each.data) for each in outbox.since(session, 0)]
    assert told == [("cell_execution", "a b/ü.ipynb", {"session": kernel.session, "executions": 2})]


def test_a_line_that_is_being_written_is_read_next_time(place: Workspace) -> None:
    kernel = Kernel(place)
    kernel.run()
    import_journals(place)
    path = kernel.journal.path
    before = path.stat().st_size
    kernel.run("c2")
    whole = path.read_bytes()
    for cut in range(before + 2, len(whole), 97):
        path.write_bytes(whole[:cut])
        import_journals(place)
    path.write_bytes(whole)
    import_journals(place)
    assert statuses(place) == ["succeeded", "succeeded"]
    assert session_row(place, kernel.session).damaged == 0


def test_damaged_lines_are_counted_and_the_rest_is_there(place: Workspace) -> None:
    kernel = Kernel(place)
    kernel.run("c1")
    kernel.run("c2")
    kernel.run("c3")
    content = kernel.journal.path.read_bytes()
    lines = [line for line in content.splitlines(keepends=True) if line != b"\n"]
    lines[3] = lines[3][:40] + b"\xff" + lines[3][41:]  # the start of c2: its end tells all
    lines[4] = lines[4].replace(b"c2", b"c9")
    kernel.journal.path.write_bytes(b"".join(lines))
    report = import_journals(place)
    assert report.damaged == 2
    assert statuses(place) == ["succeeded", "succeeded"]
    assert CellService(place).sessions().items[0].damaged == 2


def test_processes_read_the_same_journals_at_once(place: Workspace) -> None:
    kernels = [Kernel(place, at=1_700_000_000.0 + 1000 * number) for number in range(3)]
    for kernel in kernels:
        for number in range(150):
            kernel.run(f"c{number}", f"x = {number % 7}", written=["x"], runs=["r"])
    close_all()
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        done = pool.map(_read_in_another_process, [str(place.root)] * 6)
    assert sum(done) == 450
    assert rows(place) == rows(place, CellNameRow) == 450


def _read_in_another_process(root: str) -> int:
    return import_journals(Workspace(root)).executions


# -- the ends of sessions ------------------------------------------------------------------------------------------

KERNEL = """
import os, signal, sys
from pathlib import Path
from jupyter_mlops.workspace import Workspace
from tests.cells.journals import Kernel
kernel = Kernel(Workspace(Path(sys.argv[1])))
kernel.run("c1")
kernel.start("c2")
print(kernel.session, flush=True)
signal.pause()
"""


@pytest.mark.chaos
def test_a_cell_whose_kernel_was_killed_has_died(place: Workspace) -> None:
    command = [sys.executable, "-c", KERNEL, str(place.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert statuses(place) == ["succeeded", "running"]
        assert CellService(place).sessions().items[0].ended_at is None
        # When
        process.send_signal(signal.SIGKILL)
        process.wait()
    # Then
    assert statuses(place) == ["succeeded", "died"]
    assert CellService(place).sessions().items[0].ended_at is not None
    assert CellService(place).record_of_session(name)[1]["status"] == "died"


def test_what_ended_after_all_has_not_died(place: Workspace) -> None:
    kernel = Kernel(place)
    begun = kernel.start()
    kernel.dies()
    assert statuses(place) == ["died"]
    kernel.end(begun)
    assert statuses(place) == ["succeeded"]


def test_a_cell_without_an_end_does_not_run_for_ever(place: Workspace) -> None:
    kernel = Kernel(place)
    kernel.start("c1")  # its end found the disk full
    kernel.start("c2")
    assert statuses(place) == ["died", "running"]


def test_the_kernel_of_another_machine_dies_of_silence(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(place, host="elsewhere", pid=1)
    kernel.start()
    assert statuses(place) == ["running"]
    old = time.time() - importing.SILENCE_S - 10
    os.utime(kernel.journal.path, (old, old))
    assert statuses(place) == ["died"]
    assert kernel.journal.path.exists()


def test_the_end_of_a_forked_process_is_not_that_of_the_session(place: Workspace) -> None:
    kernel = Kernel(place)
    kernel.run()
    kernel.journal.append({"kind": "end", "session": kernel.session, "at": 1_700_000_100.0})
    import_journals(place)
    assert session_row(place, kernel.session).ended_at == 1_700_000_100.0
    kernel.run()
    import_journals(place)
    assert session_row(place, kernel.session).ended_at is None


def test_a_journal_goes_when_its_session_is_dead_and_read_in_and_old(place: Workspace) -> None:
    alive, dead, foreign = Kernel(place), Kernel(place), Kernel(place, host="elsewhere")
    for kernel in (alive, dead, foreign):
        kernel.run()
    dead.dies()
    import_journals(place)
    import_journals(place)
    assert dead.journal.path.exists()  # for now
    old = time.time() - importing.GRACE_S - 10
    for kernel in (alive, dead, foreign):
        os.utime(kernel.journal.path, (old, old))
    import_journals(place)
    assert [each.journal.path.exists() for each in (alive, dead, foreign)] == [True, False, True]
    assert statuses(place) == ["succeeded"] * 3
    old = time.time() - importing.FOREIGN_GRACE_S - 10
    os.utime(foreign.journal.path, (old, old))
    import_journals(place)
    import_journals(place)
    assert not foreign.journal.path.exists()


def test_a_dead_journal_that_ends_in_half_a_line(place: Workspace) -> None:
    kernel = Kernel(place)
    kernel.run()
    kernel.dies()
    with kernel.journal.path.open("ab") as file:
        file.write(b'\n0011aabb {"kind": "exec')
    old = time.time() - importing.GRACE_S - 10
    for _time in range(2):
        os.utime(kernel.journal.path, (old, old))
        import_journals(place)
    assert not kernel.journal.path.exists()
    assert session_row(place, kernel.session).damaged == 1


def test_a_session_whose_journal_somebody_has_deleted(place: Workspace) -> None:
    kernel, other = Kernel(place), Kernel(place)
    kernel.start()
    kernel.dies()
    with database(place).session():
        pass
    # Given that it was read in while it lived
    begun = kernel.journal.path.read_bytes()
    lines = begun.splitlines(keepends=True)
    kernel.journal.path.write_bytes(b"".join(lines[:-2]))
    import_journals(place)
    with database(place).session() as session:
        session.get_one(CellSessionRow, kernel.session).process_started_at = 1.0
    # When
    kernel.journal.path.unlink()
    other.run()
    # Then
    assert sorted(statuses(place)) == ["died", "succeeded"]


# -- what can go wrong ---------------------------------------------------------------------------------------------


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
