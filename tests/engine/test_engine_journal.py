"""The journal: what is written is complete, checksummed, redacted and frozen in shape."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest

from evalkit.core.errors import ErrorKind, Finish, StoreError
from evalkit.core.types import Failure, Response, Step
from evalkit.engine import journal as journal_module
from evalkit.engine.journal import Journal
from evalkit.engine.records import Link, Note, Origin, Scores, call_record

GOLDEN = Path(__file__).parent.parent / "cases/core/journal.jsonl"

ORIGIN = Origin(
    "c" * 32, "k" * 32, 0, "e" * 16, 7, 0, None, "openai:x", "m", "http://x", {"messages": []}, 1700000000.5, 2
)
FULL = Response(
    output="hi", finish=Finish.STOP, usage={"input_tokens": 3}, seconds=0.25, first_token_s=0.1, logprobs=(-0.5,),
    reasoning="because", model="m-1", tool_calls=({"name": "f"},), trace=(Step("a", "k", cached=True),), meta={"id": "r"},
)  # fmt: skip
FAILED = Response(error=Failure(ErrorKind.TIMEOUT, "no answer", retryable=True, status=408))


def records():
    yield call_record(ORIGIN, FULL)
    yield call_record(ORIGIN, FAILED)
    yield Link("e" * 16, 8, "c" * 32, cached=False)
    yield Scores(
        "c" * 32, "s" * 32, "g" * 32, [["exact_match", "scored", 1.0, None, None, None, "hi", None, None, None]]
    )
    yield Note("e" * 16, "skipped", "why")


def lines(folder):
    return [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def write(folder, *recs, redact=None):
    journal = Journal(folder, "run", "w0", started=1700000000.0, redact=redact)
    for record in recs:
        journal.append(record)
    journal.close()
    return journal


def test_the_line_format_is_frozen(tmp_path):
    write(tmp_path, *records())
    assert b"\n".join(lines(tmp_path)) + b"\n" == GOLDEN.read_bytes()


def test_every_line_carries_its_checksum(tmp_path):
    journal = write(tmp_path, *records())
    for line in lines(tmp_path):
        crc, _, body = line.partition(b" ")
        assert int(crc, 16) == zlib.crc32(body)
    assert journal.bytes_written == sum(path.stat().st_size for path in tmp_path.glob("*"))


def test_lone_surrogates_and_control_characters_are_kept_readable(tmp_path):
    write(tmp_path, call_record(ORIGIN, Response(output="a\ud800b\x00\x1b[31m", meta={"\udfff": ["\ud800"]})))
    body = json.loads(lines(tmp_path)[-1].partition(b" ")[2])
    assert body[12] == "a\ufffdb\x00\x1b[31m"


def test_secrets_never_reach_the_file(tmp_path):
    write(
        tmp_path,
        call_record(ORIGIN, Response(output="key abc12345")),
        redact=lambda t: t.replace("abc12345", "[redacted]"),
    )
    data = b"".join(lines(tmp_path))
    assert b"abc12345" not in data
    assert b"[redacted]" in data
    crc, _, body = lines(tmp_path)[-1].partition(b" ")
    assert int(crc, 16) == zlib.crc32(body)


def test_a_full_segment_is_followed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 300)
    write(tmp_path, *records(), *records())
    paths = sorted(p.name for p in tmp_path.glob("*"))
    assert paths[:2] == ["w0-00001.jsonl", "w0-00002.jsonl"]
    assert all(path.read_bytes().split(b" ", 1)[1].startswith(b'["h",1,') for path in tmp_path.glob("*"))


def test_a_second_writer_never_touches_the_first_ones_files(tmp_path):
    write(tmp_path, Note(None, "a", "b"))
    before = (tmp_path / "w0-00001.jsonl").read_bytes()
    write(tmp_path, Note(None, "c", "d"))
    assert (tmp_path / "w0-00001.jsonl").read_bytes() == before
    assert (tmp_path / "w0-00002.jsonl").exists()


def test_every_record_is_in_the_file_before_append_returns(tmp_path):
    journal = Journal(tmp_path, "run", "w0", started=0.0)
    journal.append(Note(None, "a", "b"))
    assert len(lines(tmp_path)) == 2
    journal.close()


def test_a_full_disk_is_said_and_keeps_what_was_written(tmp_path):
    code = textwrap.dedent(f"""
        import resource, signal
        from evalkit.engine.journal import Journal
        from evalkit.engine.records import Note
        from evalkit.core.errors import StoreError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        journal = Journal({str(tmp_path)!r}, "run", "w0", started=0.0) if False else None
        from pathlib import Path
        journal = Journal(Path({str(tmp_path)!r}), "run", "w0", started=0.0)
        count = 0
        try:
            for count in range(100):
                journal.append(Note(None, "a", "x" * 100))
        except StoreError as error:
            first = str(error)
            try:
                journal.append(Note(None, "a", "b"))
            except StoreError as again:
                assert again is error or str(again) == first
                print(count, first)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count = int(done.stdout.split()[0])
    assert "disk is full" in done.stdout
    complete = (tmp_path / "w0-00001.jsonl").read_bytes().split(b"\n")[:-1]
    assert len(complete) == count + 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    journal = Journal(tmp_path / "file" / "runs", "run", "w0", started=0.0)
    with pytest.raises(StoreError, match="what was journaled before is kept"):
        journal.append(Note(None, "a", "b"))


def test_a_read_only_folder_is_said_with_what_to_do(tmp_path):
    code = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from evalkit.engine.journal import Journal
        from evalkit.engine.records import Note
        from evalkit.core.errors import StoreError
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            Journal(Path({str(tmp_path)!r}) / "runs", "run", "w0", started=0.0).append(Note(None, "a", "b"))
        except StoreError as error:
            print(error)
    """)
    tmp_path.chmod(0o555)
    for parent in list(tmp_path.parents)[:-1]:
        if parent != Path("/tmp") and os.getuid() == 0:
            parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert "cannot be written" in done.stdout or "Permission denied" in done.stdout


def test_limits_of_this_process_are_untouched():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_the_batch_of_a_call_stands_in_its_meta():
    assert call_record(ORIGIN, Response(output="a", batch="batch_7", meta={"k": 1})).meta == {
        "k": 1,
        "batch": "batch_7",
    }
    assert call_record(ORIGIN, Response(output="a")).meta is None
