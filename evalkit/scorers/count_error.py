"""How far a count is off: objects in a picture, rows of a table, slices of a chart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, trouble, unscorable
from evalkit.scorers._numbers import answer_number
from evalkit.scorers._targets import number

_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_VALUES = {**{word: float(value) for value, word in enumerate(_WORDS)}, "none": 0.0, "no": 0.0}
_WORD = re.compile(r"[a-z]+")
_LONGEST = 10_000
_KEYS = ("error", "exact", "n")


def _mean(part: str) -> Fold:
    return Fold(across=Sums(partial(_folds.ratio, numerator=part, denominator="n"), _KEYS))


@dataclass(frozen=True, slots=True)
class CountError(TextScorer):
    """Mean absolute error of counts, and the share of counts that are exact.

    The count is the answer's last number, or else its last English number word up to twenty. `cap` = the largest error
    that counts, 10 things; a failed answer counts as that, so that one wild answer cannot rule the mean and a failure
    is never better than an answer. `tag` = score only samples that carry this tag: the others weigh nothing.
    """

    cap: float = 10.0
    tag: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.cap < float("inf"):
            raise ValueError(f"cap={self.cap} must be above 0 and finite")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`count_error` in things, capped, lower is better; `count_exact`, the share without error."""
        error, exact = _mean("error"), _mean("exact")
        return (
            Metric(
                "count_error", "ratio", higher_is_better=False, bounds=(0.0, self.cap), fold=error, on_error=self.cap
            ),
            Metric("count_exact", "ratio", bounds=(0.0, 1.0), fold=exact),
        )

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Compare the count of the answer; an answer without a number is not scorable."""
        if not self._asked(sample):
            return self._scores(0.0, 1.0, 0.0, None)
        said = count(text)
        if said is None:
            return unscorable(self.metrics, "the answer holds no number")
        off = min(abs(said - number(sample.target)), self.cap)
        return self._scores(off, float(off == 0), 1.0, shown(f"{said:g}"))

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """An error as large as the cap; nothing where no count was asked for."""
        parts = {"error": self.cap, "exact": 0.0, "n": 1.0} if self._asked(sample) else dict.fromkeys(_KEYS, 0.0)
        return {"count_error": Score(self.cap, parts), "count_exact": Score(0.0, parts)}

    def problem(self, sample: Sample) -> str | None:
        """A target that is no number, where a count is asked for."""
        return trouble(lambda one: number(one.target), sample) if self._asked(sample) else None

    def _asked(self, sample: Sample) -> bool:
        return self.tag is None or self.tag in sample.tags

    @staticmethod
    def _scores(off: float, exact: float, n: float, answer: str | None) -> dict[str, Score]:
        parts = {"error": off * n, "exact": exact * n, "n": n}
        reason = None if n else "no count is asked for"
        return {"count_error": Score(off, parts, answer, reason), "count_exact": Score(exact, parts, answer, reason)}


def count(text: str) -> float | None:
    """The count that a text says: its last number, else its last number word; None when it says none."""
    found = answer_number(text[-_LONGEST:], ())
    if found is not None:
        return float(found.value)
    said = [word for word in _WORD.findall(text[-_LONGEST:].lower()) if word in _VALUES]
    return _VALUES[said[-1]] if said else None


def make(**options: Any) -> CountError:
    """Build from options; raises ValueError naming the known ones."""
    return build(CountError, options)
