"""How numbers are written: shares in points, units, limits, p, money, time."""

from __future__ import annotations

import pytest

from evalkit.gate import say
from evalkit.gate.model import Rule

SHARE, SECONDS, PLAIN = Rule("a", share=True), Rule("l", unit="s", higher_is_better=False), Rule("m")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (say.value(SHARE, 0.8149), "81.5 %"),
        (say.value(SHARE, 0.0), "0.0 %"),
        (say.value(SHARE, 0.0002), "0.02 %"),
        (say.value(SECONDS, 0.4123), "0.412 s"),
        (say.value(PLAIN, 12_345.6), "12,346"),
        (say.value(PLAIN, None), "unknown"),
        (say.change(SHARE, -0.055), "-5.5 points"),
        (say.change(SHARE, 0.0), "0.0 points"),
        (say.change(SHARE, -0.00031), "-0.031 points"),
        (say.change(SECONDS, 0.0312), "+0.0312 s"),
        (say.change(SECONDS, 0.0312, unit=False), "+0.0312"),
        (say.change(SHARE, 0.01, unit=False), "+1.0"),
        (say.change(PLAIN, None), "unknown"),
        (say.benefit(SECONDS, 0.03), "0.03 s better"),
        (say.benefit(SHARE, -0.055), "5.5 points worse"),
        (say.benefit(PLAIN, 0.0), "no different"),
        (say.limit(Rule("a", margin=0.02, share=True)), "-2.0 points"),
        (say.limit(Rule("l", margin=0.1, unit="s", higher_is_better=False)), "+0.1 s"),
        (say.limit(Rule("a", "threshold", floor=0.8, share=True)), "at least 80.0 %"),
        (say.limit(Rule("l", "threshold", floor=2.0, unit="s", higher_is_better=False)), "at most 2 s"),
        (say.limit(Rule("a", "superiority")), "better"),
        (say.limit(Rule("a", "no_regression")), "no significant drop"),
        (say.limit(Rule("a", "equivalence", margin=0.02, share=True)), "2.0 points either way"),
        (say.probability(0.0004), "< 0.001"),
        (say.probability(0.0312), "0.031"),
        (say.probability(None), "unknown"),
        (say.money(None), "unknown"),
        (say.money(0.0), "$0.00"),
        (say.money(1_234.5), "$1,234.50"),
        (say.money(0.0123), "$0.012"),
        (say.money(0.00001), "< $0.0001"),
        (say.duration(None), "unknown"),
        (say.duration(12.0), "12 s"),
        (say.duration(150.0), "2 min"),
        (say.duration(7_200.0), "2 h"),
        (say.duration(260_000.0), "3 d"),
        (say.percent(0.125), "12.5 %"),
        (say.percent(None), "unknown"),
    ],
)
def test_numbers_in_words(said: str, text: str) -> None:
    assert said == text
