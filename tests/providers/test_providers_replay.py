from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from evalkit.core.errors import ConfigError, ErrorKind, Finish, MissingComponent
from evalkit.core.types import Candidate, Closes, Response, Sample, Tools
from evalkit.providers import replay


def tools(root):
    return Tools(str(root), None, None, lambda name: None)


def recording(tmp_path, *lines, name="out.jsonl"):
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / name).write_text(text, "utf-8")
    return replay.make(tools(tmp_path), name)


def ask(candidate, *asked):
    async def asking():
        found = [
            await candidate.answer(Sample(ident, {}), SimpleNamespace(repeat=repeat))
            for ident, repeat in ((a if isinstance(a, tuple) else (a, 0)) for a in asked)
        ]
        await candidate.close()
        return found

    return asyncio.run(asking())


def test_answers_in_any_order_with_everything_that_was_recorded(tmp_path):
    candidate = recording(
        tmp_path,
        {"id": "a", "output": "first"},
        {"id": 7, "output": {"x": [1]}, "repeat": 0, "latency": 0.5, "prompt": "ignored"},
        {
            "id": "a",
            "output": "again",
            "repeat": 1,
            "seconds": 2,
            "first_token_s": 0.1,
            "finish": "length",
            "model": "m",
        },
        {
            "id": "ü",
            "output": None,
            "usage": {"prompt_tokens": 3, "output_tokens": 4, "requests": None},
            "logprobs": [-0.5],
        },
    )
    assert isinstance(candidate, Candidate)
    assert isinstance(candidate, Closes)
    assert candidate.name == "out"
    last, again, number, first = ask(candidate, "ü", ("a", 1), "7", "a")
    assert first == Response(output="first")
    assert number == Response(output={"x": [1]}, seconds=0.5)
    assert again == Response(output="again", seconds=2.0, first_token_s=0.1, finish=Finish.LENGTH, model="m")
    assert last == Response(output=None, usage={"input_tokens": 3, "output_tokens": 4}, logprobs=(-0.5,))


def test_recorded_errors_stay_errors(tmp_path):
    candidate = recording(
        tmp_path,
        {"id": "a", "error": "it broke"},
        {"id": "b", "error": {"kind": "timeout", "message": "slow"}},
        {"id": "c", "error": {"type": "odd"}, "seconds": 1},
    )
    found = [(r.error.kind, r.error.message) for r in ask(candidate, "a", "b", "c")]
    assert found == [
        (ErrorKind.PROVIDER, "it broke"),
        (ErrorKind.TIMEOUT, "slow"),
        (ErrorKind.PROVIDER, "recorded without a message"),
    ]


def test_what_is_not_there_is_a_miss(tmp_path):
    candidate = recording(tmp_path, {"id": "a", "output": "x"})
    gone, repeat = ask(candidate, "b", ("a", 2))
    assert gone.error.kind is repeat.error.kind is ErrorKind.REPLAY_MISS
    assert gone.error.message.endswith("out.jsonl has no output for id 'b', repeat 0")
    assert repeat.error.message.endswith("id 'a', repeat 2 (repeat 0 is there)")


def test_a_file_that_changes_under_way_gives_misses_not_wrong_answers(tmp_path):
    candidate = recording(tmp_path, {"id": "a", "output": "x"}, {"id": "b", "output": "y"})
    (tmp_path / "out.jsonl").write_text('{"id": "b", "output": "y"}\n{"id": "a", "output": "x"}\n')
    assert {r.error.kind for r in ask(candidate, "a", "b")} == {ErrorKind.REPLAY_MISS}


def test_mark_empty_lines_and_line_ends(tmp_path):
    (tmp_path / "out.jsonl").write_bytes(
        b'\xef\xbb\xbf{"id": "a", "output": 1}\r\n\r\n  \n{"id": "b", "output": 2}\r\n{"id": "c", "output": 3}'
    )
    found = ask(replay.make(tools(tmp_path), file="out.jsonl", name="mine"), "a", "b", "c")
    assert [r.output for r in found] == [1, 2, 3]


def test_every_bad_line_is_said_with_its_number(tmp_path):
    with pytest.raises(ConfigError) as caught:
        recording(
            tmp_path,
            {"id": "a", "output": 1},
            "not json",
            {"output": 1},
            {"id": "b"},
            {"id": "c", "output": 1, "repeat": -1},
            {"id": "d", "output": 1, "usage": {"input_token": 1}},
            {"id": "d", "output": 1, "usage": {"zzzzz": 1}},
            {"id": "e", "output": 1, "finish": "bored"},
            '{"id": "f", "output": NaN}',
            {"id": "a", "output": 2},
            {"id": "a", "output": 2, "repeat": 1},
            {"id": "a", "output": 2, "repeat": 1},
        )
    problems = caught.value.problems
    assert sorted(p.line for p in problems) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 12]
    text = str(caught.value)
    for said in (
        "out.jsonl:2: not a recorded output",
        "out.jsonl:4: id 'b' has neither `output` nor `error`",
        "'input_token' is no unit; did you mean 'input_tokens'",
        "'zzzzz' is no unit; known: requests",
        "out.jsonl:10: id 'a', repeat 0 stands there twice, first as number 1",
        "out.jsonl:12: id 'a', repeat 1 stands there twice, first as number 11",
    ):
        assert said in text


def test_bad_text_is_a_problem(tmp_path):
    (tmp_path / "out.jsonl").write_bytes(b'{"id": "a", "output": "\xff"}\n')
    with pytest.raises(ConfigError, match=r"out.jsonl:1: not a recorded output"):
        replay.make(tools(tmp_path), "out.jsonl")


def test_too_many_problems_are_counted(tmp_path):
    with pytest.raises(ConfigError) as caught:
        recording(tmp_path, *["x"] * 150)
    assert len(caught.value.problems) == 101
    assert str(caught.value).endswith("and 50 more problems")


def test_fingerprint_is_the_content(tmp_path):
    first = recording(tmp_path, {"id": "a", "output": 1})
    same = recording(tmp_path, {"id": "a", "output": 1}, name="copy.jsonl")
    other = recording(tmp_path, {"id": "a", "output": 2}, name="other.jsonl")
    assert first.fingerprint == same.fingerprint != other.fingerprint
    for candidate in (first, same, other):
        asyncio.run(candidate.close())


def write_parquet(tmp_path, rows):
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "out.parquet")
    return replay.make(tools(tmp_path), "out.parquet")


def test_parquet(tmp_path):
    rows = [{"id": f"s{n}", "output": {"n": n}, "usage": {"input_tokens": n}, "error": None} for n in range(2500)]
    rows[3] |= {"output": None, "error": "broke"}
    candidate = write_parquet(tmp_path, rows)
    last, broken, gone = ask(candidate, "s2499", "s3", "s9999")
    assert last == Response(output={"n": 2499}, usage={"input_tokens": 2499})
    assert broken.error.message == "broke"
    assert gone.error.kind is ErrorKind.REPLAY_MISS
    again = replay.make(tools(tmp_path), "out.parquet")
    assert again.fingerprint == candidate.fingerprint
    asyncio.run(again.close())


def test_parquet_problems_name_the_row(tmp_path):
    with pytest.raises(ConfigError, match=r"out.parquet: row 2: not a recorded output") as caught:
        write_parquet(tmp_path, [{"id": "a", "output": "x"}, {"id": None, "output": "y"}, {"id": "a", "output": "z"}])
    assert "row 3: id 'a', repeat 0 stands there twice, first as number 1" in str(caught.value)
    (tmp_path / "bad.parquet").write_bytes(b"not parquet")
    with pytest.raises(ConfigError, match="not a Parquet file"):
        replay.make(tools(tmp_path), "bad.parquet")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "out.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[parquet\]"):
        replay.make(tools(tmp_path), "out.parquet")


@pytest.mark.parametrize(("model", "said"), [(None, "say which file"), ("gone.jsonl", "there is no file")])
def test_refuses(tmp_path, model, said):
    with pytest.raises(ValueError, match=said):
        replay.make(tools(tmp_path), model)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.text(st.characters(codec="utf-8"), max_size=8), st.integers(0, 3)),
        st.text(st.characters(codec="utf-8"), max_size=20),
        max_size=20,
    )
)
def test_reads_back_whatever_was_written(tmp_path_factory, answers):
    lines = [{"id": ident, "repeat": repeat, "output": output} for (ident, repeat), output in answers.items()]
    candidate = recording(tmp_path_factory.mktemp("r"), *lines)
    assert [r.output for r in ask(candidate, *answers)] == list(answers.values())
