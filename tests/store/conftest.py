"""Journals written by hand, byte for byte, and a small store with one of everything."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from evalkit.store import writers
from evalkit.store.bulk import insert
from evalkit.store.database import Store
from evalkit.store.journals import load_run

CALL_FIELDS = [
    "call_id",
    "call_key",
    "generation",
    "entry_id",
    "position",
    "ordinal",
    "stage",
    "lane",
    "model",
    "endpoint",
    "request",
    "output",
    "reasoning",
    "error_kind",
    "error_message",
    "http_status",
    "finish",
    "usage",
    "seconds",
    "first_token_s",
    "logprobs",
    "tool_calls",
    "trace",
    "attempts",
    "started",
    "server_model",
    "meta",
]


def line(value: Any) -> bytes:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return b"%08x %b\n" % (zlib.crc32(body), body)


def raw_line(body: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(body), body)


def header(run_id: str = "r1", version: int = 1) -> bytes:
    return line(["h", version, run_id, "w", 1767225600.0])


def call(call_id: str, position: int | None = 0, **changed: Any) -> bytes:
    values: dict[str, Any] = dict.fromkeys(CALL_FIELDS)
    values |= {
        "call_id": call_id,
        "call_key": f"key-{position}",
        "generation": 0,
        "entry_id": "e1",
        "position": position,
    }
    values |= {
        "ordinal": 0,
        "request": {"messages": []},
        "output": "yes",
        "finish": "stop",
        "usage": {"input_tokens": 3},
    }
    values |= {"seconds": 0.5, "attempts": 1, "started": 1767225600.5, "model": "m", **changed}
    return line(["c", *(values[name] for name in CALL_FIELDS)])


def scores(call_id: str, position: int = 0, *metrics: list[Any], sig: str = "sig1") -> bytes:
    rows = metrics or (["exact_match", "scored", 1.0, {"right": 1}, 0.0, {"right": 0}, "yes", None, None, None],)
    return line(["s", call_id, f"hash-{position}", sig, list(rows)])


class Hand:
    """Line makers for tests."""

    line = staticmethod(line)
    raw_line = staticmethod(raw_line)
    header = staticmethod(header)
    call = staticmethod(call)
    scores = staticmethod(scores)


@pytest.fixture
def hand() -> type[Hand]:
    return Hand


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, wait_s=5)


def run_row(run_id: str = "r1", **changed: Any) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "identity": "abc",
        "started": "2026-01-01T00:00:00Z",
        "status": "complete",
        "command": "evalkit run",
        "versions": {"evalkit": "0.1.0"},
        **changed,
    }


def entry_row(entry_id: str = "e1", run_id: str = "r1", **changed: Any) -> dict[str, Any]:
    return {
        "entry_id": entry_id,
        "run_id": run_id,
        "suite": "tickets",
        "suite_hash": "s-hash",
        "data_hash": "d-hash",
        "task_hash": "t-hash",
        "family": "generalist",
        "candidate": "model-a",
        "fingerprint": "f",
        "candidate_spec": {"model": "a"},
        "prompt_hashes": ["p-hash"],
        "generation": 0,
        "seed": 1,
        "repeats": 1,
        "planned": 3,
        "status": "complete",
        **changed,
    }


def sample_rows(count: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "sample_id": f"s{n}",
            "sample_hash": f"hash-{n}",
            "cluster": f"doc{n // 2}",
            "tags": ["even"] if n % 2 == 0 else [],
            "input": {"text": f"ticket {n}"},
            "target": "yes",
            "meta": {},
        }
        for n in range(count)
    ]


def put_cells(connection: Any, entry_id: str, cells: Iterable[tuple[int, str, str, int, str | None, str]]) -> None:
    """Plan cells: position, sample_id, sample_hash, repeat, split_id, call_key; a position that is there stays."""
    names = ("position", "sample_id", "sample_hash", "repeat", "split_id", "call_key")
    rows = list(cells)
    columns = {"entry_id": [entry_id] * len(rows), **dict(zip(names, zip(*rows, strict=True), strict=True))}
    insert(connection, "cell", columns, ("entry_id", "position"))


def put_answers(connection: Any, entry_id: str, *answers: tuple[int, str]) -> None:
    """Say which known call answers which cell: (position, call_id)."""
    connection.executemany("insert into answer values (?, ?, ?, true)", [(entry_id, *one) for one in answers])


def plan(store: Store, run_id: str = "r1", entry_id: str = "e1", count: int = 3, **changed: Any) -> None:
    """Write everything that a run knows before it asks."""
    with store.open() as connection:
        writers.put_run(connection, run_row(run_id))
        data_set = {"data_hash": "d-hash", "name": "tickets", "source": {"type": "jsonl"}, "samples": count}
        writers.put_data_set(connection, {**data_set, "duplicate_ids": 0, "duplicate_contents": 0}, sample_rows(count))
        writers.put_prompts(
            connection, [{"prompt_hash": "p-hash", "name": "ask", "role": "user", "body": "{{ text }}"}]
        )
        suite = {"suite_hash": "s-hash", "data_hash": "d-hash", "task_hash": "t-hash", "name": "tickets"}
        writers.put_suite(connection, {**suite, "family": "generalist", "spec": {"scorers": ["exact_match"]}})
        writers.put_entry(connection, entry_row(entry_id, run_id, planned=count, **changed))
        signature = {"scorer_sig": "sig1", "spec": "exact_match", "version": 1, "libraries": {}}
        writers.put_signatures(connection, [signature])
        writers.put_entry_scorers(
            connection, [{"entry_id": entry_id, "scorer_sig": "sig1", "spec": "exact_match", "place": 0}]
        )
        cells = ((n, f"s{n}", f"hash-{n}", 0, None, f"key-{n}") for n in range(count))
        put_cells(connection, entry_id, cells)


def journal(folder: Path, *lines: bytes, run_id: str = "r1", name: str = "w-00001.jsonl") -> Path:
    run_dir = folder / "runs" / run_id
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / name).write_bytes(header(run_id) + b"".join(lines))
    return run_dir


@pytest.fixture
def make() -> Any:
    class Make:
        pass

    made = Make()
    made.plan, made.journal, made.run, made.entry, made.samples = plan, journal, run_row, entry_row, sample_rows
    made.cells, made.answers = put_cells, put_answers
    return made


@pytest.fixture
def filled(store: Store, filled_folder: Path) -> Store:
    """A copy of the small store, for one test."""
    shutil.copytree(filled_folder, store.folder, dirs_exist_ok=True)
    return store


@pytest.fixture(scope="session")
def filled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run r1: s0 answered right, s1 answered wrong, s2 timed out; one judge call; prices for two of the calls."""
    store = Store(tmp_path_factory.mktemp("filled"))
    plan(store)
    wrong = ["exact_match", "scored", 0.0, {"right": 0}, 0.0, {"right": 0}, "no", "not equal", {"got": "no"}, None]
    late = ["exact_match", "errored", None, None, 0.0, {"right": 0}, None, "timeout", None, None]
    run_dir = journal(
        store.folder,
        call("c0", 0),
        scores("c0", 0),
        call("c1", 1, output="no", seconds=1.5),
        scores("c1", 1, wrong),
        call("c2", 2, output=None, error_kind="timeout", error_message="no answer in 5 s", finish=None, usage={}),
        scores("c2", 2, late),
        call("j1", 1, ordinal=1, stage="judge", call_key="judge-key", usage={"input_tokens": 10, "output_tokens": 2}),
        line(["p", "e1", "duplicates", "2 samples have the same content"]),
    )
    load_run(store, run_dir)
    with store.open() as connection:
        writers.put_costs(connection, [("c0", 0.01, "2026-01-01"), ("j1", 0.02, "2026-01-01"), ("c1", None, "unknown")])
        result = {"entry_id": "e1", "scorer_sig": "sig1", "metric": "exact_match", "slice": "", "signature": "sig1"}
        counts = {
            "n": 3,
            "groups": 2,
            "planned": 3,
            "answered": 2,
            "errored": 1,
            "unscorable": 0,
            "scored": 2,
            "cached": 0,
        }
        shown = {"is_primary": True, "higher_is_better": True, "unit": "", "value": 0.33, "low": 0.1, "high": 0.7}
        writers.put_results(connection, [{**result, **counts, **shown}])
        connection.execute("update run set finished = '2026-01-01T00:10:00Z'")
    return store.folder
