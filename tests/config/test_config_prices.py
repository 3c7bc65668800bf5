"""Prices: sums, tiers, dates, overrides; what is unknown is never 0."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evalkit.config._check import frozen
from evalkit.config.prices import PriceRow, PriceTable, price_rows
from evalkit.config.project_models import Price
from evalkit.core.errors import ConfigError
from evalkit.core.units import PROMPT_UNITS, UNITS

TABLE = PriceTable.load()
M = 1e6


def price(**more: Any) -> Price:
    return Price.model_validate(frozen({"model": "m", "usd": {"input_tokens": 1}, "dated": "2026-01-01", **more}))


def table(*prices: dict[str, Any]) -> PriceTable:
    return PriceTable(row for values in prices for row in price_rows(price(**values)))


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("gpt-4o-mini", {"input_tokens": M, "output_tokens": M}, 0.75),
        ("gpt-4o-2024-08-06", {"input_tokens": M, "cached_read_tokens": M}, 3.75),
        ("gpt-4o-2024-05-13", {"cached_read_tokens": M}, 5.0),
        ("o4-mini", {"reasoning_tokens": M, "output_tokens": M}, 8.8),
        ("claude-3-5-haiku-20241022", {"cached_write_tokens": M, "cached_read_tokens": M}, 1.08),
        ("claude-opus-4-20250514", {"input_tokens": 1000, "output_tokens": 1000}, 0.09),
        ("claude-opus-4-5-20251101", {"input_tokens": 1000, "output_tokens": 1000}, 0.03),
        ("text-embedding-3-small", {"input_tokens": M, "requests": 1}, 0.02),
        ("whisper-1", {"seconds": 90, "bytes": 12345}, 0.009),
        ("tts-1", {"characters": 2000}, 0.03),
        ("dall-e-3:hd:1024x1024", {"images": 2}, 0.16),
        ("gpt-image-1:medium:1024x1024", {"images": 1, "input_tokens": 1000}, 0.047),
        ("gpt-4o-audio-preview", {"audio_input_tokens": M, "audio_output_tokens": M}, 120.0),
        ("local:tfidf_linear", {}, 0.0),
        ("llamacpp:smollm2-135m", {"input_tokens": 10, "output_tokens": 5}, 0.0),
        ("baseline:bm25", {"requests": 1}, 0.0),
    ],
)
def test_known_prices(model: str, usage: dict[str, float], usd: float) -> None:
    assert TABLE.money(model, usage) == pytest.approx(usd, rel=1e-12)


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("no-such-model", {"input_tokens": 5}),
        (None, {"input_tokens": 5}),
        ("gpt-4o", {}),
        ("gpt-4o", {"requests": 1}),
        ("gpt-4o", {"requests": 1, "bytes": 10}),
        ("gpt-4o", {"input_tokens": 5, "audio_input_tokens": 1}),
        ("gpt-4o", {"input_tokens": 5, "images": 1}),
        ("gpt-4o", {"input_tokens": 5, "cached_write_tokens": 1}),
        ("gpt-4o", {"input_tokens": 5, "parsecs": 1}),
        ("gpt-4o", {"input_tokens": float("nan")}),
        ("gpt-4o", {"input_tokens": float("inf")}),
        ("gpt-4o", {"input_tokens": -1}),
        ("dall-e-3", {"images": 1}),
        ("gpt-4o-mini-2099-01-01", {"input_tokens": 5}),
        ("ft:gpt-4o-mini-2024-07-18:org::id", {"input_tokens": 5}),
        ("openai/gpt-4o", {"input_tokens": 5}),
        ("", {"input_tokens": 5}),
    ],
)
def test_unknown_is_never_zero(model: str | None, usage: dict[str, float]) -> None:
    assert TABLE.money(model, usage) is None


def test_a_unit_that_was_not_used_needs_no_price() -> None:
    assert TABLE.money("gpt-4o", {"input_tokens": M, "images": 0, "audio_input_tokens": 0}) == pytest.approx(2.5)
    assert TABLE.money("gpt-4o", {"input_tokens": 0}) == 0.0


def test_batch_has_prices_of_its_own() -> None:
    assert TABLE.money("gpt-4o", {"input_tokens": M}, batch=True) == pytest.approx(1.25)
    assert TABLE.money("gpt-4o", {"reasoning_tokens": M}, batch=True) == pytest.approx(5.0)
    assert TABLE.money("claude-3-haiku-20240307", {"input_tokens": M}, batch=True) is None
    assert TABLE.money("local:x", {"input_tokens": M}, batch=True) == 0.0


def test_the_tier_follows_the_whole_prompt_of_the_call() -> None:
    assert TABLE.money("claude-haiku-5-5", {"input_tokens": 100_000}) == pytest.approx(0.01)
    assert TABLE.money("claude-haiku-5-5", {"input_tokens": 100_001}) == pytest.approx(0.0500005)
    long = {"input_tokens": 1, "cached_read_tokens": 100_000, "output_tokens": 1000}
    assert TABLE.money("claude-haiku-5-5", long) == pytest.approx(0.5e-6 + 0.005 + 0.0025)
    assert TABLE.money("gpt-4o", {"input_tokens": 10 * M}) == pytest.approx(25)


def test_a_tier_without_a_base_is_unknown_below_it() -> None:
    only = table({"usd": {"input_tokens": 2}, "above_prompt_tokens": 100})
    assert only.money("m", {"input_tokens": 100}) is None
    assert only.money("m", {"input_tokens": 101}) == pytest.approx(202e-6)
    assert only.money("m", {"input_tokens": 101, "cached_read_tokens": 1}) == pytest.approx(204e-6)


def test_prices_of_an_earlier_day() -> None:
    usage = {"input_tokens": M}
    assert TABLE.money("o3", usage) == pytest.approx(2.0)
    assert TABLE.money("o3", usage, on="2025-06-09") == pytest.approx(10.0)
    assert TABLE.money("o3", usage, on="2025-06-10") == pytest.approx(2.0)
    assert TABLE.money("o3", usage, on="2025-01-01") is None


def test_own_prices_go_first_unit_by_unit() -> None:
    own = PriceTable.load(
        [
            price(model=["gpt-4*", "inhouse"], usd={"input_tokens": 7}),
            price(model="local:*", usd={"seconds": 3600}, per=3600),
            price(model="claude-haiku-5-5", usd={"input_tokens": 1}),
        ]
    )
    assert own.money("gpt-4o", {"input_tokens": M, "output_tokens": M}) == pytest.approx(17)
    assert own.money("inhouse", {"input_tokens": M}) == pytest.approx(7)
    assert own.money("inhouse", {"output_tokens": M}) is None
    assert own.money("local:x", {"seconds": 2, "input_tokens": 5}) == pytest.approx(2)
    assert own.money("local:x", {}) is None
    assert own.money("claude-haiku-5-5", {"input_tokens": 200_000}) == pytest.approx(0.2)


def test_the_most_specific_pattern_wins() -> None:
    found = table(
        {"model": "*", "usd": {"input_tokens": 1}},
        {"model": "ab*", "usd": {"input_tokens": 2}},
        {"model": "ab[0-9]*", "usd": {"input_tokens": 3}},
        {"model": "abc", "usd": {"input_tokens": 4}},
        {"model": "*long-suffix", "usd": {"input_tokens": 5}},
    )
    for model, usd in (("zz", 1), ("abx", 2), ("ab1", 3), ("abc", 4), ("ab-long-suffix", 5)):
        assert found.money(model, {"input_tokens": M}) == pytest.approx(usd), model


def test_requests_and_bytes_cost_where_they_are_priced() -> None:
    found = table({"usd": {"requests": 0.01, "bytes": 1e-9, "input_tokens": 1}})
    assert found.money("m", {"requests": 1}) == pytest.approx(0.01)
    assert found.money("m", {"requests": 1, "bytes": 1e9, "input_tokens": M}) == pytest.approx(2.01)


def test_what_is_known_and_missing() -> None:
    known = TABLE.price_of("claude-sonnet-4-5-20250929")
    assert known.pattern == "claude-sonnet-4-5-*"
    assert known.rates["input_tokens"] == pytest.approx(3e-6)
    assert known.rates["reasoning_tokens"] == known.rates["output_tokens"]
    assert known.missing == ("audio_input_tokens", "audio_output_tokens", "images", "seconds", "characters")
    assert (known.free, known.dated) == (False, "2025-10-01")
    assert known.sources == ("https://platform.claude.com/docs/en/about-claude/pricing",)
    nothing = TABLE.price_of("no-such-model")
    assert (nothing.pattern, nothing.rates, nothing.dated, nothing.free) == (None, {}, None, False)
    assert set(nothing.missing) == set(UNITS) - {"requests", "bytes"}
    assert TABLE.price_of("local:x").free
    assert TABLE.price_of("gpt-4o", batch=True).rates["input_tokens"] == pytest.approx(1.25e-6)


def test_every_row_says_where_it_comes_from() -> None:
    rows = TABLE.rows()
    assert len({row.price_id for row in rows}) == len(rows)
    for row in rows:
        assert row.unit in UNITS
        assert row.usd >= 0
        assert row.per > 0
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", row.dated)
        assert row.source.startswith("https://") or row.usd == 0
        assert (row.usd == 0) == row.model.startswith(("local:", "baseline:", "llamacpp:", "mock:"))


def test_rows_hold_own_prices_too() -> None:
    own = PriceTable.load([price(source="us")])
    assert own.rows()[-1] == PriceRow("m", "input_tokens", 1.0, 1e6, 0, False, "us", "2026-01-01")
    assert len(own.rows()) == len(TABLE.rows()) + 1


def test_a_table_from_another_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("prices:\n  - {model: m, usd: {images: 1}, dated: 2026-01-01}\n")
    assert PriceTable.load(file=file).money("m", {"images": 2}) == 2.0
    broken = tmp_path / "broken.yaml"
    broken.write_text("prices:\n  - {model: m, usd: {image: 1}, dated: 2026-01-01}\n")
    with pytest.raises(ConfigError, match=r"broken.yaml:2: prices\[0\].usd: there is no unit 'image'"):
        PriceTable.load(file=broken)


COUNTS = st.integers(0, 10**7).map(float) | st.floats(0, 1e7)
USAGE = st.dictionaries(st.sampled_from(UNITS), COUNTS, max_size=6)
MODELS = st.sampled_from(
    ["gpt-4o", "claude-haiku-5-5", "claude-sonnet-4-5", "whisper-1", "tts-1", "local:x", "nobody", "o3"]
)


@settings(max_examples=50, deadline=None)
@given(MODELS, USAGE, USAGE, st.booleans())
def test_money_adds_up_within_a_tier(model: str, one: dict[str, float], two: dict[str, float], batch: bool) -> None:
    both = {unit: one.get(unit, 0) + two.get(unit, 0) for unit in {*one, *two}}
    prompts = [sum(usage.get(unit, 0) for unit in PROMPT_UNITS) for usage in (one, two, both)]
    assume(max(prompts) <= 100_000 or min(prompts) > 200_000)
    parts = [TABLE.money(model, usage, batch=batch) for usage in (one, two)]
    total = TABLE.money(model, both, batch=batch)
    if parts[0] is not None and parts[1] is not None:
        assert total == pytest.approx(parts[0] + parts[1], rel=1e-9, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(MODELS, USAGE)
def test_money_is_unknown_or_at_least_nothing_and_grows(model: str, usage: dict[str, float]) -> None:
    usd = TABLE.money(model, usage)
    assert usd is None or usd >= 0
    if usd is not None and "output_tokens" in TABLE.price_of(model).rates:
        more = TABLE.money(model, {**usage, "output_tokens": usage.get("output_tokens", 0) + 1000})
        assert more is not None
        assert more > usd or TABLE.price_of(model).free


@settings(max_examples=50, deadline=None)
@given(USAGE.filter(lambda usage: any(count for unit, count in usage.items() if unit not in ("requests", "bytes"))))
def test_a_model_without_rows_is_unknown_whatever_it_used(usage: dict[str, float]) -> None:
    assert TABLE.money("nobody-knows", usage) is None


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 100), st.integers(1, 10**6), st.integers(0, 10**6))
def test_a_price_is_per_unit(usd: float, per: int, count: int) -> None:
    found = table({"usd": {"images": usd}, "per": float(per)})
    assert found.money("m", {"images": count}) == pytest.approx(usd * count / per, rel=1e-9, abs=1e-15)
