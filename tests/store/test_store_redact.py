from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.store.redact import REDACTED, Redactor

SECRET = "my-private/key+value=="


@pytest.mark.parametrize(
    "key",
    [
        "sk-abcdefghijklmnop1234",
        "sk-ant-api03-" + "aB3_" * 20,
        "sk-proj-" + "x" * 40,
        "AKIAIOSFODNN7EXAMPLE",
        "hf_" + "a1B2" * 8,
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2_" * 8,
        "AIza" + "Sy-_" * 9,
        "gsk_" + "a1B2" * 8,
        "xoxb-123456789012-abcdef",
    ],
)
@pytest.mark.parametrize("around", ["{}", "key={}", "{}.", '{{"a": "{}"}}', "see:{}\n"])
def test_well_known_keys_go(key, around):
    assert Redactor().text(around.format(key)) == around.format(REDACTED)


def test_bearer_tokens_go_and_the_word_stays():
    assert Redactor().text("Authorization: Bearer abc.def-ghi_jkl~mno+pqr/s==") == f"Authorization: Bearer {REDACTED}"
    assert Redactor().text("authorization: bearer 0123456789abcdef0") == f"authorization: bearer {REDACTED}"


@pytest.mark.parametrize(
    "text",
    [
        "a risk-averse-and-very-long-hyphenated-word and task-0123456789abcdefghijklm",
        "the bearer of bad news",
        "sk-short",
        "AKIA is a prefix",
        "half_a_loaf_is_better_than_none_at_all",
        "",
        "😀 nothing here",
    ],
)
def test_ordinary_text_is_the_same_object(text):
    assert Redactor([SECRET]).text(text) is text


def test_given_secrets_go_however_they_are_written():
    redactor = Redactor([SECRET, 'with"quote\\and\nline', "ünïcödé-secret"])
    for secret in (SECRET, 'with"quote\\and\nline', "ünïcödé-secret"):
        assert redactor.text(f"x{secret}y{secret}") == f"x{REDACTED}y{REDACTED}"
        assert redactor.text(json.dumps({"a": secret})) == json.dumps({"a": REDACTED})
        assert redactor.text(json.dumps({"a": secret}, ensure_ascii=False)) == json.dumps({"a": REDACTED})
    assert redactor.text("?key=my-private%2Fkey%2Bvalue%3D%3D&x=1") == f"?key={REDACTED}&x=1"


def test_the_longest_of_overlapping_secrets_goes_as_a_whole():
    assert Redactor(["password1", "password123456"]).text("password123456 password1") == f"{REDACTED} {REDACTED}"


def test_short_secrets_are_not_hunted():
    assert Redactor(["abc", ""]).text("abc and abcdefgh") == "abc and abcdefgh"


def test_values_are_searched_through_and_through():
    value = {"headers": {"x": SECRET}, SECRET: [1, None, True, 2.5, (f"a {SECRET}",)], "n": 7}
    assert Redactor([SECRET]).value(value) == {
        "headers": {"x": REDACTED}, REDACTED: [1, None, True, 2.5, [f"a {REDACTED}"]], "n": 7
    }  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text(min_size=8).filter(lambda s: s not in REDACTED), st.text())
def test_no_secret_survives(before, secret, after):
    cleaned = Redactor([secret]).text(before + secret + after)
    assert cleaned != before + secret + after
    assert cleaned.count(secret) <= (before + REDACTED + after).count(secret)


KEYS = ["sk-" + "a" * 24, "hf_" + "b" * 24, "AKIA" + "C" * 16, "ghp_" + "d" * 30]


@pytest.mark.parametrize("before", ["\n", "\t", "\r\n", "\b", "\f", "\x0b", " ", '"'])
@pytest.mark.parametrize("key", KEYS)
def test_a_key_at_the_start_of_a_line_is_found_in_json_too(key: str, before: str) -> None:
    redactor = Redactor()
    text = f"my key:{before}{key}"
    once = msgspec.json.encode({"prompt": text}).decode()
    twice = json.dumps({"output": once})
    for written in (text, once, twice):
        assert key not in redactor.text(written)


@pytest.mark.parametrize("key", KEYS)
def test_a_word_that_ends_like_a_key_begins_is_left_alone(key: str) -> None:
    redactor = Redactor()
    for text in (f"a{key}", json.dumps(f"\na{key}"), json.dumps(f"x9{key}")):
        assert redactor.text(text) is text


SECRETS = ['quo"ted\\key', "tab\tkey\x07bell", "schlüssel-ß"]


@pytest.mark.parametrize("secret", [*SECRETS, *KEYS])
def test_what_may_hold_a_secret_is_suspected_also_as_json(secret: str) -> None:
    redactor = Redactor(SECRETS)
    for text in (secret, msgspec.json.encode([secret]).decode(), f"a{secret}z"):
        assert redactor.suspects(text)
    assert not redactor.suspects("What is 12+30?")
