"""Whether the answer contains, starts with or ends with a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, trouble
from evalkit.scorers._targets import texts

NAMES = ("contains", "starts_with", "ends_with")

_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}
_METRICS = {name: (Metric(name, kind="mean01", bounds=(0.0, 1.0), primary=True),) for name in NAMES}


@dataclass(frozen=True, slots=True)
class Contains(TextScorer):
    """1 when a target stands in the answer (anywhere, at its start or at its end, by `name`), else 0.

    `ignore_case` folds the case of both; `every` asks for all targets of a list instead of any. White space around the
    answer and around each target is ignored.
    """

    name: str
    ignore_case: bool = False
    every: bool = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One rate, named as the scorer."""
        return _METRICS[self.name]

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Look for each target."""
        test, answer, golds = _TESTS[self.name], text.strip(), _golds(sample)
        if self.ignore_case:
            answer, golds = answer.casefold(), tuple(map(str.casefold, golds))
        missing = [gold for gold in golds if not test(answer, gold)]
        hit = not missing if self.every else len(missing) < len(golds)
        reason = None if hit else f"not there: {', '.join(repr(gold[:40]) for gold in missing[:3])}"
        return {self.name: Score(1.0 if hit else 0.0, answer=shown(text.strip()), reason=reason)}

    def problem(self, sample: Sample) -> str | None:
        """A target that is not text, or empty text, which every answer contains."""
        return trouble(_golds, sample)


def _golds(sample: Sample) -> tuple[str, ...]:
    golds = tuple(gold.strip() for gold in texts(sample))
    if not all(golds):
        raise ValueError("the target is empty text, which every answer contains")
    return golds


def make(*, name: str, **options: Any) -> Contains:
    """Build from options; raises ValueError naming the known ones."""
    return build(Contains, {"name": name, **options})
