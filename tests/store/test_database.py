"""The workspace's database, the same tests on SQLite and PostgreSQL."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from jupyter_mlops.errors import (
    DiskFullError,
    MlopsError,
    NotFoundError,
    ReadOnlyError,
    StoreError,
    from_database_error,
)
from jupyter_mlops.events import Change
from jupyter_mlops.store import migrate, outbox, sqlite_files
from jupyter_mlops.store.database import Database, database
from jupyter_mlops.store.tables import Base, EndpointRow, PipelineRunRow, StepRunRow
from jupyter_mlops.workspace import Workspace


def endpoint(name: str) -> EndpointRow:
    return EndpointRow(name=name, host="127.0.0.1", port=1, wanted="running", created_at=1.0, updated_at=1.0)


def test_migrations_make_the_tables_that_the_code_declares(any_database: Database) -> None:
    with any_database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrate.VERSION_TABLE, "compare_type": True}
        )
        differences = compare_metadata(context, Base.metadata)
    assert differences == []


def test_the_known_head_is_the_newest_migration(any_database: Database) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD
    with any_database.reading() as session:
        assert migrate.current(session.connection()) == migrate.HEAD


def test_every_migration_can_be_undone(any_database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    engine = any_database.engine
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) == {migrate.VERSION_TABLE}
    migrate.upgrade(engine)
    assert "pipeline_run" in inspect(engine).get_table_names()


def test_a_failed_transaction_leaves_nothing(any_database: Database) -> None:
    with pytest.raises(IntegrityError), any_database.session() as session:
        session.add(endpoint("one"))
        outbox.announce(session, Change("endpoint", "one", "created"))
        session.add(
            StepRunRow(
                pipeline_run_id="missing", name="s", position=0, notebook="n", status="queued", needs=[], parameters={}
            )
        )
    with any_database.reading() as session:
        assert session.get(EndpointRow, "one") is None
        assert outbox.latest(session) == 0


def test_json_and_unicode_come_back_as_they_went_in(any_database: Database) -> None:
    parameters = {"Größe": [1, 2.5, None, True], "日本": {"a": "b'\"\\"}}
    with any_database.session() as session:
        session.add(
            PipelineRunRow(
                id="r1",
                name="flüge",
                path="a b/ü.pipeline.yaml",
                status="queued",
                parameters=parameters,
                spec={},
                workflow_id="w",
                created_at=1234567890.123456,
            )
        )
    with any_database.reading() as session:
        row = session.get_one(PipelineRunRow, "r1")
        assert (row.parameters, row.created_at, row.name) == (parameters, 1234567890.123456, "flüge")


def test_changes_are_read_in_order_and_once(any_database: Database) -> None:
    for number in range(5):
        with any_database.session() as session:
            outbox.announce(session, Change("run", f"r{number}", "updated", {"n": number}))
    with any_database.reading() as session:
        first = outbox.since(session, 0, limit=3)
        rest = outbox.since(session, first[-1].seq)
        assert [c.key for c in first + rest] == ["r0", "r1", "r2", "r3", "r4"]
        assert rest[-1].data == {"n": 4}
        assert outbox.latest(session) == rest[-1].seq


def test_old_changes_are_pruned_and_numbers_never_given_out_again(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "KEEP_SECONDS", -1.0)
    monkeypatch.setattr(outbox, "_PRUNE_EVERY", 1)
    with any_database.session() as session:
        outbox.announce(session, Change("run", "a"))
    with any_database.session() as session:
        assert outbox.since(session, 0) == []
        outbox.announce(session, Change("run", "b"))
    monkeypatch.setattr(outbox, "KEEP_SECONDS", 1e9)
    with any_database.session() as session:
        outbox.announce(session, Change("run", "c"))
    with any_database.reading() as session:
        assert [(c.key, c.seq) for c in outbox.since(session, 0)] == [("c", 3)]


def test_many_threads_write_at_once(any_database: Database) -> None:
    """Read-then-write transactions of several threads neither fail as locked nor lose an update."""
    with any_database.session() as session:
        session.add(endpoint("counter"))

    def add_one(times: int) -> None:
        for _ in range(times):
            with any_database.session() as session:
                row = session.get_one(EndpointRow, "counter", with_for_update=True)
                row.port += 1

    threads = [threading.Thread(target=add_one, args=(20,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_database.reading() as session:
        assert session.get_one(EndpointRow, "counter").port == 81


def _open(url: str, results: multiprocessing.Queue[str]) -> None:
    try:
        with Database(url).session() as session:
            outbox.announce(session, Change("run", "x"))
        results.put("ok")
    except BaseException as error:
        results.put(repr(error))


def test_processes_that_open_a_new_database_at_once_make_it_once(any_database: Database) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    url = any_database.url.render_as_string(hide_password=False)
    processes = [context.Process(target=_open, args=(url, results)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [results.get(timeout=120) for _ in processes] == ["ok"] * 4
    for process in processes:
        process.join()
    with any_database.reading() as session:
        assert outbox.latest(session) == 4


def _begin_logs(folder: str, barrier: Any, results: multiprocessing.Queue[str]) -> None:
    for number in range(60):
        barrier.wait()
        try:
            connection = sqlite3.connect(f"{folder}/{number}.db", timeout=10)
            sqlite_files.use_log(connection, 10_000)
            connection.execute("BEGIN IMMEDIATE")
            connection.close()
            results.put("ok")
        except sqlite3.Error as error:
            results.put(repr(error))


def test_a_write_ahead_log_is_begun_by_several_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    barrier = context.Barrier(3)
    processes = [context.Process(target=_begin_logs, args=(str(tmp_path), barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    assert {results.get(timeout=120) for _ in range(180)} == {"ok"}
    for process in processes:
        process.join()


def test_a_database_of_a_newer_version_is_refused(any_database: Database) -> None:
    with any_database.engine.begin() as connection:
        connection.execute(text(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'"))
    any_database.close()
    with pytest.raises(StoreError, match="newer jupyter_mlops"), any_database.session():
        pass


# -- what only SQLite knows: files ---------------------------------------------------------------------------------


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    small = Database(f"sqlite:///{tmp_path / 'mlops.db'}", busy_timeout_ms=50)
    with small.session() as session:
        session.add(endpoint("before"))
    with small.session() as writer:
        writer.add(endpoint("during"))
        writer.flush()
        with small.reading() as reader:
            assert reader.get(EndpointRow, "before") is not None
            assert reader.get(EndpointRow, "during") is None


def test_a_locked_database_is_said_in_words(tmp_path: Path) -> None:
    small = Database(f"sqlite:///{tmp_path / 'mlops.db'}", busy_timeout_ms=50)
    with small.session() as session:
        session.add(endpoint("one"))
    other = sqlite3.connect(tmp_path / "mlops.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="holds .* locked") as caught, small.session() as session:
        session.add(endpoint("two"))
    assert "mlops doctor" in caught.value.next
    other.execute("ROLLBACK")
    with small.session() as session:
        session.add(endpoint("two"))


@pytest.mark.parametrize(
    "content", [b"this is no database at all, just text" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_corrupt_database_is_said_in_words_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mlops.db"
    file.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"), Database(f"sqlite:///{file}").session():
        pass
    assert file.read_bytes() == content


def test_a_full_disk_and_a_read_only_file_are_said_in_words() -> None:
    full = from_database_error(sqlite3.OperationalError("database or disk is full"), "/x/mlops.db")
    assert isinstance(full, DiskFullError)
    read_only = from_database_error(sqlite3.OperationalError("attempt to write a readonly database"), "/x/mlops.db")
    assert isinstance(read_only, ReadOnlyError)


def test_a_password_never_shows(tmp_path: Path) -> None:
    remote = Database("postgresql+psycopg://me:geheim@127.0.0.1:1/none")
    with pytest.raises(MlopsError) as caught, remote.session():
        pass
    assert "geheim" not in str(caught.value) + repr(caught.value.details) + remote.where


def test_other_kinds_of_database_are_refused() -> None:
    with pytest.raises(StoreError, match="not supported"), Database("mysql://me@127.0.0.1/x").session():
        pass


def test_opening_a_database_that_is_up_to_date_does_not_import_alembic(tmp_path: Path) -> None:
    import subprocess
    import sys

    url = f"sqlite:///{tmp_path / 'mlops.db'}"
    with Database(url).session():
        pass
    code = (
        "import sys; from jupyter_mlops.store.database import Database\n"
        f"with Database({url!r}).session(): pass\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    engine = create_engine(url)
    assert migrate.current(engine.connect()) == migrate.HEAD


def test_a_database_that_was_replaced_is_opened_anew(workspace: Workspace, tmp_path: Path) -> None:
    """A fresh copy of a project takes the place of the old one while a Jupyter server goes on."""
    opened = database(workspace)
    with opened.session() as session:
        session.add(endpoint("of the old one"))
    shutil.move(workspace.root, tmp_path / "put away")
    with pytest.raises(NotFoundError), opened.session():
        pass
    assert not workspace.root.exists()
    Workspace.init(workspace.root)
    with opened.session() as session:
        assert session.get(EndpointRow, "of the old one") is None
        session.add(endpoint("of the new one"))
    with sqlite3.connect(workspace.state / "mlops.db") as seen:
        assert seen.execute("SELECT name FROM endpoint").fetchall() == [("of the new one",)]
