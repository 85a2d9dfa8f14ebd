"""From the journals into the database, on SQLite and PostgreSQL."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_mlops.cells import importing
from jupyter_mlops.cells.importing import import_journals
from jupyter_mlops.cells.service import CellService
from jupyter_mlops.store import outbox
from jupyter_mlops.store.database import close_all, database
from jupyter_mlops.store.tables import CellNameRow, CellSessionRow, CellSourceRow
from jupyter_mlops.workspace import Workspace

from .imported import rows, session_row, statuses
from .journals import Kernel

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:multiprocessing")


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
