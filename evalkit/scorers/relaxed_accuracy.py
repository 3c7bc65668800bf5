"""Relaxed accuracy of questions about charts: numbers within a share of the target, everything else word for word."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, choose, trouble
from evalkit.scorers._normalise import casefold
from evalkit.scorers._targets import texts

_METRICS = (Metric("relaxed_accuracy", kind="mean01", bounds=(0.0, 1.0), primary=True),)
_SWAP = str.maketrans(",.", ".,")
_NUMBER = re.compile(
    r"(?P<sign>[-+\u2212]?)\s?[$€£¥]?\s?(?P<after>[-\u2212]?)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)(?P<power>[eE][-+]?\d{1,3})?\s?(?P<percent>%?)"
)
_YEAR = re.compile(r"1[89]\d\d|20\d\d|2100")
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class RelaxedAccuracy(TextScorer):
    """ChartQA's relaxed accuracy (Masry et al. 2022): |answer - target| <= tolerance x |target| for two numbers, else
    equal text without regard to case and spacing; the best over the targets, 0 or 1.

    What the usual code leaves open is declared here. A target of 0 is met by every spelling of 0 and by nothing else.
    `tolerance` = the relative one, 0.05. `years`: exact (a target from 1800 to 2100 written as four digits is a year
    and is met only by the same number) or relaxed (as in ChartQA, where 2000 passes for 2019). `percent`: fraction
    ("10%" is 0.1 and not 10, as in ChartQA) or ignore ("10%" is 10). `decimal` = the decimal mark; the other of `.` and
    `,` groups thousands. A number is the whole answer, with a currency sign or percent sign at most: words around it
    are the task's extraction to remove.
    """

    tolerance: float = 0.05
    years: str = "exact"
    percent: str = "fraction"
    decimal: str = "."

    def __post_init__(self) -> None:
        choose("years", self.years, ("exact", "relaxed"))
        choose("percent", self.percent, ("fraction", "ignore"))
        choose("decimal", self.decimal, (".", ","))
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance={self.tolerance} must be at least 0 and below 1")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`relaxed_accuracy`, a mean over the samples; an answer that cannot be read counts as 0."""
        return _METRICS

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Right when any target is met."""
        given = self.number(text, self.decimal)
        right = any(self._met(gold, text, given) for gold in texts(sample))
        return {"relaxed_accuracy": Score(float(right), answer=shown(casefold(text)))}

    def problem(self, sample: Sample) -> str | None:
        """A target that is neither text, a number nor a list of them."""
        return trouble(texts, sample)

    def number(self, text: str, decimal: str = ".") -> float | None:
        """The number that a text is as a whole; None when it is something else, or too large for a float."""
        plain = text.strip()
        if len(plain) > _LONGEST:
            return None
        found = _NUMBER.fullmatch(plain.translate(_SWAP) if decimal == "," else plain)
        if found is None or (found["sign"] and found["after"]):
            return None
        value = float(found["digits"].replace(",", "") + (found["power"] or ""))
        if not math.isfinite(value):
            return None
        if found["percent"] and self.percent == "fraction":
            value /= 100
        return -value if found["sign"] in ("-", "\u2212") or found["after"] else value

    def _met(self, gold: str, text: str, given: float | None) -> bool:
        wanted = self.number(gold)
        if wanted is None or given is None:
            return casefold(gold) == casefold(text)
        if self.years == "exact" and _YEAR.fullmatch(gold.strip()):
            return given == wanted
        # The slack keeps 95 within 5 % of 100 although 0.05 is no binary fraction; it is nothing for a target of 0.
        return abs(given - wanted) <= self.tolerance * abs(wanted) * (1 + 1e-12)


def make(**options: Any) -> RelaxedAccuracy:
    """Build from options; raises ValueError naming the known ones."""
    return build(RelaxedAccuracy, options)
