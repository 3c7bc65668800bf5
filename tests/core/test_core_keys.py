"""Keys and hashes never change their meaning: golden files pin them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core import keys
from evalkit.core.types import Request, Sample

GOLDEN = json.loads((Path(__file__).parent.parent / "cases/core/keys.json").read_text("utf-8"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("case", GOLDEN["canonical"], ids=lambda c: c["why"])
def test_canonical_json_is_frozen(case):
    assert keys.canonical_json(case["value"]).decode() == case["text"]


@pytest.mark.parametrize("case", GOLDEN["call_keys"], ids=lambda c: c["why"])
def test_call_keys_are_frozen(case):
    request = Request(case["endpoint"], case["body"])
    assert keys.call_key(request, case["repeat"], case["ordinal"], case["generation"]) == case["key"]


@pytest.mark.parametrize("case", GOLDEN["local_keys"], ids=lambda c: c["why"])
def test_local_keys_are_frozen(case):
    assert keys.local_key(*case["arguments"]) == case["key"]


@pytest.mark.parametrize("case", GOLDEN["samples"], ids=lambda c: c["why"])
def test_sample_hashes_are_frozen(case):
    fields = {**case["sample"], "tags": tuple(case["sample"].get("tags", ())), "checks": ()}
    sample = Sample(**fields)
    assert keys.sample_hash(sample) == case["hash"]


@pytest.mark.parametrize("case", GOLDEN["orders"], ids=lambda c: f"{c['seed']}-{c['id']}")
def test_the_scheduled_order_is_frozen(case):
    assert keys.order_hash(case["seed"], case["id"]) == case["place"]


def test_the_data_hash_is_frozen():
    assert keys.data_hash((a, b) for a, b in GOLDEN["data"]["pairs"]) == GOLDEN["data"]["hash"]


REQUEST = Request(
    "openai:http://x/v1/chat/completions",
    {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0},
)


@pytest.mark.parametrize(
    "other",
    [
        {"request": replace(REQUEST, endpoint="openai:http://y/v1/chat/completions")},
        {"request": replace(REQUEST, body={**REQUEST.body, "model": "m2"})},
        {"request": replace(REQUEST, body={**REQUEST.body, "temperature": 0.5})},
        {"request": replace(REQUEST, body={**REQUEST.body, "messages": [{"role": "user", "content": "hi "}]})},
        {"request": replace(REQUEST, body={**REQUEST.body, "messages": [{"role": "system", "content": "hi"}]})},
        {"request": replace(REQUEST, body={**REQUEST.body, "response_format": {"type": "json_object"}})},
        {"request": replace(REQUEST, body={**REQUEST.body, "image": {"$blob": "0" * 64, "type": "image/png"}})},
        {"repeat": 1},
        {"ordinal": 1},
        {"generation": 1},
    ],
)
def test_every_field_of_the_call_key_makes_a_miss(other):
    base = {"request": REQUEST, "repeat": 0, "ordinal": 0, "generation": 0}
    assert keys.call_key(**base) != keys.call_key(**{**base, **other})


@pytest.mark.parametrize("place", range(6))
def test_every_part_of_a_local_key_makes_a_miss(place):
    base = ["fp", "sample", "given", 0, 0, 0]
    changed = [*base]
    changed[place] = 7 if place > 2 else "other"
    assert keys.local_key(*base) != keys.local_key(*changed)


def test_the_schema_version_is_part_of_the_key(monkeypatch):
    before = keys.call_key(REQUEST, 0)
    monkeypatch.setattr(keys, "KEY_SCHEMA", keys.KEY_SCHEMA + 1)
    assert keys.call_key(REQUEST, 0) != before


@settings(max_examples=50)
@given(JSON)
def test_canonical_json_reads_back(value):
    assert json.loads(keys.canonical_json(value)) == value


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_the_order_of_keys_does_not_matter(value):
    assert keys.digest(value) == keys.digest(dict(reversed(list(value.items()))))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), [float("-inf")], {"a": float("nan")}])
def test_nan_and_infinity_have_no_canonical_form(bad):
    with pytest.raises(ValueError, match="JSON"):
        keys.canonical_json(bad)


def test_what_is_not_json_is_refused_by_name():
    with pytest.raises(TypeError, match="object has no canonical JSON form"):
        keys.canonical_json(object())


def test_sets_and_mappings_have_a_canonical_form():
    from types import MappingProxyType

    assert keys.canonical_json({"s": {"b", "a"}, "m": MappingProxyType({"k": 1})}) == b'{"m":{"k":1},"s":["a","b"]}'


def test_the_id_is_not_part_of_the_content():
    assert keys.sample_hash(Sample("a", {"text": "x"})) == keys.sample_hash(Sample("b", {"text": "x"}))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=8), st.randoms())
def test_the_data_hash_ignores_order_but_counts_duplicates(pairs, random):
    shuffled = pairs[:]
    random.shuffle(shuffled)
    assert keys.data_hash(pairs) == keys.data_hash(shuffled)
    assert keys.data_hash([*pairs, ("x", "y")]) != keys.data_hash(pairs)


def test_bytes_are_named_by_their_sha256():
    assert keys.digest_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
