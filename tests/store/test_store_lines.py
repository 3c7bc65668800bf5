from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.engine.records import Call as EngineCall
from evalkit.engine.records import encode
from evalkit.engine.records import line as engine_line
from evalkit.store.lines import Bad, Call, Line, NewerJournal, decode, header, read


def test_what_the_engine_writes_is_read(hand):
    record = EngineCall(
        "c", "k", 0, "e", 1, 0, None, "lane", "m", "u", {"a": 1}, "x", None, None, None, 200, "stop", {"requests": 1},
        0.1, 0.05, [-0.5], [{"f": 1}], [["stage", "key", True]], 1, 5.0, "m-1", {"a": None},
    )  # fmt: skip
    found = decode(engine_line(encode(record)))
    assert isinstance(found, Call)
    assert (found.call_id, found.position, found.started, bytes(found.trace)) == (
        "c",
        1,
        5.0,
        b'[["stage","key",true]]',
    )


def test_bad_lines_are_numbered_and_the_rest_is_kept(tmp_path, hand):
    path = tmp_path / "w-1.jsonl"
    damaged = hand.call("b").replace(b"yes", b"yEs")
    lines = [
        hand.header(),
        hand.call("a"),
        damaged,
        hand.call("c"),
        b"\n",
        b"short\n",
        hand.line(["z", 1]),
        hand.call("d"),
    ]
    path.write_bytes(b"".join(lines))
    found = list(read(path))
    assert [one.record.call_id for one in found if isinstance(one, Line) and isinstance(one.record, Call)] == [
        "a",
        "c",
        "d",
    ]
    bad = [one for one in found if isinstance(one, Bad)]
    assert [one.number for one in bad] == [3, 5, 6, 7]
    assert "checksum" in bad[0].why
    assert "not a journal line" in bad[3].why
    assert found[-1].end == path.stat().st_size


def test_numbers_count_from_the_start_of_the_file_whatever_the_offset(tmp_path, hand):
    path = tmp_path / "w-1.jsonl"
    begin = hand.header() + hand.call("a")
    path.write_bytes(begin + hand.call("b") + b"bad\n" + b"worse\n")
    assert [one.number for one in read(path, len(begin)) if isinstance(one, Bad)] == [4, 5]


def test_an_incomplete_last_line_is_left_for_later(tmp_path, hand):
    path = tmp_path / "w-1.jsonl"
    whole = hand.header() + hand.call("a")
    path.write_bytes(whole + hand.call("b")[:-1])
    found = list(read(path))
    assert len(found) == 2
    assert found[-1].end == len(whole)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'["l","e",1,"c"]', "length"),
        (b'["l","e","one","c",true]', "int"),
        (b'["l","e",9223372036854775808,"c",true]', "not a journal line"),
        (b'["l","e",1,"\xff",true]', "utf-8"),
        (b'["l","e",1,"\\ud8",true]', "not a journal line"),
        (b'["s","c","h","g",' + b"[" * 3000 + b"]" * 3000 + b"]", "not a journal line"),
        (b'["s","c","h","g",[["m","scored",NaN,null,0,null,null,null,null,null]]]', "not a journal line"),
    ],
)
def test_wrong_lines_with_a_right_checksum_are_refused_with_the_reason(hand, body, why):
    with pytest.raises(ValueError, match=why):
        decode(hand.raw_line(body))


def test_deep_nesting_in_an_undecoded_field_is_refused(hand):
    deep = hand.call("a").partition(b" ")[2].strip().replace(b'"yes"', b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(hand.raw_line(deep))


def test_lone_surrogates_become_replacement_characters(hand):
    body = hand.call("a").partition(b" ")[2].strip().replace(b'"yes"', b'"\\ud800 and \\ud83d\\ude00"')
    found = decode(hand.raw_line(body))
    assert json.loads(bytes(found.output)) == "\ufffd and 😀"


def test_a_newer_journal_is_refused_by_name(tmp_path, hand):
    path = tmp_path / "w-9.jsonl"
    path.write_bytes(hand.line(["h", 2, "r1", "w", 1.0, "something new"]) + hand.line(["x"]))
    with pytest.raises(NewerJournal, match=r"w-9.jsonl is a journal of version 2, .* upgrade"):
        list(read(path))


def test_a_header_is_read_or_missing(tmp_path, hand):
    good, other, cut = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "c.jsonl"
    good.write_bytes(hand.header("run-7"))
    other.write_bytes(hand.call("a"))
    cut.write_bytes(hand.header()[:-5])
    assert header(good).run_id == "run-7"
    assert header(other) is None
    assert header(cut) is None
    assert list(read(cut)) == []


def test_a_header_without_a_number_is_a_bad_line(tmp_path, hand):
    path = tmp_path / "a.jsonl"
    path.write_bytes(hand.line(["h", "one", "r1", "w", 1.0]) + hand.call("a"))
    first, second = read(path)
    assert isinstance(first, Bad)
    assert isinstance(second, Line)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.integers(0, 2**63 - 1))
def test_any_text_survives(text, position):
    from evalkit.engine.records import Link

    found = decode(engine_line(encode(Link(text, position, text, cached=True))))
    assert (found.entry_id, found.position, found.call_id) == (text, position, text)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_line_or_bad_never_a_crash(tmp_path_factory, noise):
    path = Path(tmp_path_factory.mktemp("noise")) / "w.jsonl"
    path.write_bytes(noise)
    assert all(isinstance(one, (Line, Bad)) for one in read(path))
