"""YAML with lines: what is refused, where, and what stays what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.config import _yaml

REFUSED = [
    ("a: 1\nb: 2\na: 3\n", 3, "'a' stands twice"),
    ("x:\n  - {k: 1, k: 2}\n", 2, "'x[0].k' stands twice"),
    ("1: a\n", 1, "a key must be text, not '1'"),
    ("true: a\n", 1, "a key must be text"),
    ("? [a, b]\n: c\n", 1, "not 'a list or mapping'"),
    ("a: .nan\n", 1, "'.nan' is not a finite number"),
    ("a: 1\nb: -.inf\n", 2, "is not a finite number"),
    ("a: 1e999\n", 1, "'1e999' is not a finite number"),
    ("a: !!float x\n", 1, "'x' is not a finite number"),
    ("a: !!int x\n", 1, "'x' is not a whole number"),
    ("a: !!bool maybe\n", 1, "neither true nor false"),
    ("a: " + "9" * 5000 + "\n", 1, "digits is too long"),
    ("a: !!python/object/apply:os.system [ls]\n", 1, "tag !!python/object/apply:os.system is not allowed"),
    ("a: !!binary aGk=\n", 1, "tag !!binary is not allowed"),
    ("a: !own {b: 1}\n", 1, "tag !own is not allowed"),
    ("a: &b {c: 1}\nd: {<<: *b}\n", 2, "merge keys (<<) are not read"),
    ("a: &b [*b]\n", 1, "stands inside the value that it names"),
    ('a: "\\ud800"\n', 1, "surrogate"),
    ("a:\n\tb: 1\n", 2, "a tab indents this line"),
    ("a: [1, 2\nb: 3\n", 2, "not YAML"),
    ("a: *nobody\n", 1, "not YAML: found undefined alias"),
    ("a: 1\n---\nb: 2\n", 2, "not YAML: but found another document"),
    ("a: 1\nb: \x07\n", 2, "character U+0007 is not allowed"),
    ("a: " + "[" * 100 + "]" * 100, 1, "nested more than 64 levels deep"),
    ("", None, "the file is empty"),
    ("# nothing\n", None, "the file is empty"),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_mistakes_have_a_line_and_a_reason(text: str, line: int | None, message: str) -> None:
    found = _yaml.parse(text, "f.yaml")
    assert len(found.problems) == 1
    assert found.problems[0].line == line
    assert found.problems[0].file == "f.yaml"
    assert message in found.problems[0].message


def test_all_structural_mistakes_are_found_at_once() -> None:
    found = _yaml.parse("a: .nan\n2: b\nc: !x y\na: 1\n", "f.yaml")
    assert [problem.line for problem in found.problems] == [1, 2, 3, 4]


def test_lines_are_kept_for_keys_and_items() -> None:
    found = _yaml.parse("a:\n  b: 1\n  c:\n    - x\n    - name: y\n      z: |\n        long\n", "f.yaml")
    assert found.problems == ()
    assert dict(found.lines) == {
        "": 1, "a": 1, "a.b": 2, "a.c": 3, "a.c[0]": 4, "a.c[1]": 5, "a.c[1].name": 5, "a.c[1].z": 6,
    }  # fmt: skip
    assert found.line("a.c[1].nothing.here") == 5
    assert found.line("elsewhere") == 1
    assert found.data == {"a": {"b": 1, "c": ["x", {"name": "y", "z": "long\n"}]}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("2024-01-01", "2024-01-01"), ("1:30", "1:30"), ("010", 10),
        ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"), ("1e-3", 0.001), ("+5", 5), ("-.5", -0.5), ("5.", 5.0),
        ("~", None), ("", None), ("Null", None), ("TRUE", True), ("false", False), ("'12'", "12"), ("!!str 12", "12"),
        ('"\\ud83d\\ude00"', "\N{GRINNING FACE}"), ("!!null x", None), ("=", "="), (".", "."),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    found = _yaml.parse(f"a: {text}\n", "f.yaml")
    assert found.problems == ()
    assert found.data == {"a": value}
    assert type(found.data["a"]) is type(value)


def test_an_alias_bomb_is_refused_fast() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    found = _yaml.parse("\n".join(levels), "f.yaml")
    assert len(found.problems) == 1
    assert "the aliases grow to more than 20,000 values" in found.problems[0].message


def test_a_few_aliases_are_fine() -> None:
    found = _yaml.parse("a: &x {b: [1]}\nc: *x\nd: [*x, *x]\n", "f.yaml")
    assert found.problems == ()
    assert found.data == {"a": {"b": [1]}, "c": {"b": [1]}, "d": [{"b": [1]}, {"b": [1]}]}


@pytest.mark.parametrize(
    ("raw", "line", "message"),
    [
        (b"a: 1\nb: Gr\xfc\xdfe\n", 2, "byte 0xfc is not UTF-8"),
        (b"\xff\xfea\x00", 1, "is not UTF-8"),
        (b"a: " + b"x" * _yaml.MAX_BYTES, None, "4,000,003 bytes"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, raw: bytes, line: int | None, message: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(raw)
    (problem,) = _yaml.read(file, "shown.yaml").problems
    assert (problem.file, problem.line) == ("shown.yaml", line)
    assert message in problem.message


def test_a_bom_is_no_content_and_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert _yaml.read(file).data == {"a": 1, "b": 2}
    (missing,) = _yaml.read(tmp_path / "none.yaml").problems
    assert "cannot be read: No such file" in missing.message
    assert missing.file == str(tmp_path / "none.yaml")


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    found = _yaml.parse(json.dumps({"v": value}), "f.json")
    assert found.problems == ()
    assert found.data == {"v": value}


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_data_or_problems(text: str) -> None:
    found = _yaml.parse(text, "f.yaml")
    assert (found.data is None) or isinstance(found.data, (dict, list, str, int, float, bool))
    assert all(problem.file == "f.yaml" for problem in found.problems)


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_what_pyyaml_writes_is_read_back(value: Any) -> None:
    written = yaml.safe_dump({"v": value}, allow_unicode=True)
    found = _yaml.parse(written, "f.yaml")
    if not found.problems:
        assert set(found.data) == {"v"}
