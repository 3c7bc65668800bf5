from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import duckdb
import pytest

from evalkit.core.errors import StoreError
from evalkit.store import migrate
from evalkit.store.database import Store, transaction


def python(code: str, *args: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def test_a_new_store_has_every_migration_applied_once(store):
    for _ in range(2):
        with store.open() as connection:
            rows = connection.execute("select version, name, applied from (select version, name, applied::varchar as applied from schema_migration)").fetchall()  # fmt: skip
        assert [row[:2] for row in rows] == [(m.version, m.name) for m in migrate.migrations()]
    assert [path.name for path in store.folder.iterdir() if path.name != "tmp"] == ["store.duckdb"]


def test_migrations_are_numbered_from_one_without_gaps():
    assert [m.version for m in migrate.migrations()] == list(range(1, len(migrate.migrations()) + 1))


def test_what_is_committed_is_there_the_next_time(store):
    with store.open() as connection, transaction(connection):
        connection.execute("insert into cost values ('c', 1.5, 'now')")
    with store.open(read_only=True) as connection:
        assert connection.execute("select call_id, usd from cost").fetchall() == [("c", 1.5)]


def _insert_and_fail(connection):
    connection.execute("insert into cost values ('c', 1.5, 'now')")
    raise ZeroDivisionError


def _insert_inside_and_fail(connection):
    with transaction(connection):
        connection.execute("insert into cost values ('c', 1.5, 'now')")
    raise ZeroDivisionError


def test_a_failed_block_is_rolled_back_and_the_store_is_closed(store):
    with pytest.raises(ZeroDivisionError), store.open() as connection, transaction(connection):
        _insert_and_fail(connection)
    with store.open() as connection:
        assert connection.execute("select count(*) from cost").fetchall() == [(0,)]


def test_an_inner_transaction_is_part_of_the_outer(store):
    with store.open() as connection:
        with pytest.raises(ZeroDivisionError), transaction(connection):
            _insert_inside_and_fail(connection)
        assert connection.execute("select count(*) from cost").fetchall() == [(0,)]
        with transaction(connection), transaction(connection):
            connection.execute("insert into cost values ('d', 1.5, 'now')")
        assert connection.execute("select count(*) from cost").fetchall() == [(1,)]


def test_sql_that_fails_is_a_store_error_with_the_path(store):
    with pytest.raises(StoreError, match=r"store\.duckdb: Catalog Error"), store.open() as connection:
        connection.execute("select * from nowhere")


def test_reading_needs_a_store(store):
    with (
        pytest.raises(StoreError, match=r"there is no store at .* yet; `evalkit run` makes one"),
        store.open(read_only=True),
    ):
        pass


def test_reading_changes_nothing(store):
    with store.open():
        pass
    with pytest.raises(StoreError, match="cannot be written"), store.open(read_only=True) as connection:
        connection.execute("insert into cost values ('c', 1.5, 'now')")


def test_a_newer_schema_says_upgrade(store):
    with store.open() as connection:
        connection.execute("insert into schema_migration values (999, 'future', now())")
    for read_only in (False, True):
        newer = r"schema version 999, written by a newer evalkit .* upgrade"
        with pytest.raises(StoreError, match=newer), store.open(read_only=read_only):
            pass


def _first_schema(store: Store) -> None:
    """A store as the first version wrote it: the first migration only, and rows."""
    store.folder.mkdir(exist_ok=True)
    connection = duckdb.connect(str(store.path))
    first = migrate.migrations()[0]
    connection.execute("create table schema_migration (version integer primary key, name varchar not null, applied timestamptz not null)")  # fmt: skip
    connection.execute(first.sql)
    connection.execute("insert into schema_migration values (1, 'first', '2026-01-01T00:00:00Z')")
    connection.execute("insert into cost values ('old', 2.5, 'then')")
    connection.execute("insert into run (run_id, identity, started, status, command, versions) values ('r0', 'i', '2026-01-01T00:00:00Z', 'complete', 'evalkit run', '{}')")  # fmt: skip
    connection.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_of_the_first_schema_opens_with_its_rows(store, read_only):
    _first_schema(store)
    with store.open(read_only=read_only) as connection:
        assert connection.execute("select * from cost").fetchall() == [("old", 2.5, "then")]
        assert connection.execute("select run_id, status from runs").fetchall() == [("r0", "complete")]
        assert connection.execute("select max(version) from schema_migration").fetchall() == [(migrate.latest(),)]


@pytest.mark.parametrize("read_only", [False, True])
def test_later_migrations_are_applied_in_order_to_an_older_store(store, tmp_path, monkeypatch, read_only):
    _first_schema(store)
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text(migrate.migrations()[0].sql)
    (folder / "0003_third.sql").write_text("insert into second values (3)")
    (folder / "0002_second.sql").write_text("create table second (a integer); alter table cost add column note varchar")
    later = migrate.migrations(folder)
    monkeypatch.setattr(migrate, "migrations", lambda: later)
    with store.open(read_only=read_only) as connection:
        assert connection.execute("select * from second").fetchall() == [(3,)]
        assert connection.execute("select * from cost").fetchall() == [("old", 2.5, "then", None)]
        versions = connection.execute("select version, name from schema_migration order by version").fetchall()
    assert versions == [(1, "first"), (2, "second"), (3, "third")]


def test_a_migration_that_fails_leaves_the_store_as_it_was(store, tmp_path, monkeypatch):
    _first_schema(store)
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / f"{migrate.latest() + 1:04}_broken.sql").write_text(
        "create table half (a integer); insert into nowhere values (1)"
    )
    broken = (*migrate.migrations(), *migrate.migrations(folder))
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "migrations", lambda: broken)
        with pytest.raises(StoreError, match="nowhere"), store.open():
            pass
    with store.open() as connection:
        names = connection.execute("select table_name from duckdb_tables() where table_name = 'half'").fetchall()
        assert (names, connection.execute("select count(*) from schema_migration").fetchall()) == (
            [],
            [(migrate.latest(),)],
        )


@pytest.mark.parametrize("content", [b"hello world" * 1000, b"x", b"", b"SQLite format 3\x00" + bytes(4096)])
def test_a_foreign_file_is_refused_and_left_alone(store, content):
    store.path.write_bytes(content)
    with pytest.raises(StoreError, match=r"store\.duckdb is not an evalkit store: .* move it away"), store.open():
        pass
    assert store.path.read_bytes() == content


def test_a_duckdb_file_of_someone_else_is_refused(store):
    connection = duckdb.connect(str(store.path))
    connection.execute("create table theirs as select 1 as a")
    connection.close()
    for read_only in (False, True):
        with pytest.raises(StoreError, match="a DuckDB file without evalkit's tables"), store.open(read_only=read_only):
            pass


@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_a_truncated_file_is_told_as_damaged(store, kept):
    with store.open() as connection:
        connection.execute("insert into cost select i::varchar, i, md5(i::varchar) from range(200000) t(i)")
    data = store.path.read_bytes()
    store.path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(StoreError, match=r"store\.duckdb is damaged; restore a backup"), store.open() as connection:
        connection.execute("select count(distinct dated) from cost")


def test_a_folder_in_the_way_is_a_store_error(tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError, match="store"), Store(tmp_path / "store").open():
        pass


HOLD = """
    import sys, time
    from pathlib import Path
    from evalkit.store.database import Store
    with Store(Path(sys.argv[1])).open():
        print("held", flush=True)
        sys.stdin.readline()
"""


def test_a_store_that_stays_in_use_names_who_holds_it(store):
    with store.open():
        pass
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(store.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        impatient = Store(store.folder, wait_s=0.2)
        for read_only in (False, True):
            named = rf"in use by process {holder.pid} .* let that process finish"
            with pytest.raises(StoreError, match=named), impatient.open(read_only=read_only):
                pass
        threading.Timer(0.3, holder.stdin.close).start()
        with store.open() as connection:
            assert connection.execute("select 1").fetchall() == [(1,)]


def test_a_thread_waits_for_its_turn_and_gives_up(store):
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store.open():
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    store.wait_s = 0.05
    with pytest.raises(StoreError, match="in use by another part of this process"), store.open():
        pass
    done.set()
    thread.join()
    with store.open(), store.open():
        pass


def test_another_store_object_of_this_process_is_waited_for_too(store):
    impatient = Store(store.folder, wait_s=0.1).open(read_only=True)
    with store.open(), pytest.raises(StoreError, match="in use by another part of this process"), impatient:
        pass


WRITE = """
    import sys
    from pathlib import Path
    from evalkit.store.database import Store
    store = Store(Path(sys.argv[1]))
    for n in range(8):
        with store.open() as connection:
            connection.execute("insert into cost values (?, 1, 'now')", [f"{sys.argv[2]}-{n}"])
        with store.open(read_only=True) as connection:
            connection.execute("select count(*) from cost").fetchall()
"""


def test_processes_that_create_write_and_read_at_once_lose_nothing(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(WRITE), str(tmp_path)]
    writers = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE, text=True) for n in range(3)]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [("", 0)] * 3
    with Store(tmp_path).open(read_only=True) as connection:
        assert connection.execute("select count(*), count(distinct call_id) from cost").fetchall() == [(24, 24)]
    assert not list(tmp_path.glob("*.new*"))


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from evalkit.store.database import Store
    with Store(Path(sys.argv[1])).open() as connection:
        connection.execute("insert into cost values ('kept', 1, 'now')")
        connection.execute("begin")
        connection.execute("insert into cost values ('lost', 1, 'now')")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("read_only", [False, True])
def test_a_killed_writer_leaves_what_it_committed(store, read_only):
    assert python(KILLED, store.folder).returncode == -9
    with store.open(read_only=read_only) as connection:
        assert connection.execute("select call_id from cost").fetchall() == [("kept",)]


READ_ONLY = """
    import os, sys
    from pathlib import Path
    import duckdb, numpy
    from evalkit.core.errors import StoreError
    from evalkit.store.database import Store
    if os.getuid() == 0:
        # Permissions do not bind root.
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    store = Store(Path(sys.argv[1]))
    for read_only in (False, True):
        try:
            with store.open(read_only=read_only) as connection:
                print(connection.execute("select count(*) from cost").fetchall())
        except StoreError as error:
            print(error)
"""


def test_a_read_only_folder_can_be_read_and_says_that_it_cannot_be_written(store):
    # The folders that pytest makes are closed to others.
    for folder in store.folder.parents:
        if folder.stat().st_uid == os.getuid() and "pytest" in str(folder):
            folder.chmod(folder.stat().st_mode | 0o055)
    store.folder.chmod(0o555)
    write, read = python(READ_ONLY, store.folder).stdout.splitlines()
    assert "store.duckdb cannot be written; check the permissions" in write
    assert "there is no store" in read
    store.folder.chmod(0o755)
    with store.open():
        pass
    store.path.chmod(0o444)
    store.folder.chmod(0o555)
    write, read = python(READ_ONLY, store.folder).stdout.splitlines()
    assert "store.duckdb cannot be written; check the permissions" in write
    assert read == "[(0,)]"
    store.folder.chmod(0o755)


def test_a_file_system_without_hard_links_will_do(store, monkeypatch):
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with store.open() as connection:
        assert connection.execute("select count(*) from run").fetchall() == [(0,)]


def test_a_store_that_another_process_made_meanwhile_is_taken(store):
    with store.open() as connection:
        connection.execute("insert into cost values ('theirs', 1, 'now')")
    store._create()
    with store.open() as connection:
        assert connection.execute("select call_id from cost").fetchall() == [("theirs",)]


def test_a_store_that_cannot_be_made_leaves_nothing_behind(store):
    (store.folder / f"store.{os.getpid()}.{threading.get_ident()}.new").mkdir()
    with pytest.raises(StoreError, match=r"store\.duckdb"), store.open():
        pass
    assert not store.exists


def test_a_file_that_was_replaced_while_it_was_opened_is_opened_again(store, monkeypatch):
    with store.open():
        pass
    seen = iter([1, 2, 3, 3])
    monkeypatch.setattr("evalkit.store.database._identity", lambda _: next(seen))
    with store.open() as connection:
        assert connection.execute("select count(*) from run").fetchall() == [(0,)]
    assert next(seen, None) is None


def test_a_file_that_went_away_while_it_was_opened_is_not_made_anew(store):
    with pytest.raises(StoreError, match=r"store\.duckdb: No such file"):
        store._session(read_only=False)
    assert not store.exists
