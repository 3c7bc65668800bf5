"""The base of measures of rankings: judgements, the ranking of an answer, and where its relevant documents stand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds, _rankings
from evalkit.scorers._answers import answer_json, failure, shown
from evalkit.scorers._base import OneAnswer, trouble, unscorable
from evalkit.scorers._rankings import Ranking
from evalkit.scorers._targets import kind

_SHOWN = 4
_RATIO = partial(_folds.ratio, numerator="sum", denominator="asked")
_OVER_ASKED = Fold(across=Sums(_RATIO, ("sum", "asked")))


@lru_cache(maxsize=256)
def _metrics(name: str, k: int | None, empty: str) -> tuple[Metric, ...]:
    whole = name if k is None else f"{name}@{k}"
    hole = name == "hole"
    zero_one = "mean01" if name == "success" else "mean"
    skips = empty == "skip"
    return (
        Metric(
            whole,
            kind="ratio" if skips else zero_one,  # type: ignore[arg-type]
            fold=_OVER_ASKED if skips else Fold(),
            higher_is_better=not hole,
            bounds=(0.0, 1.0),
            on_error=1.0 if hole else 0.0,
            primary=name == "ndcg",
        ),
    )


class Ranked(OneAnswer):
    """Base of measures of a ranking; a subclass is a frozen slotted dataclass with `name`, `k`, `ties` and `empty`."""

    __slots__ = ()
    name: str
    k: int | None
    ties: str
    empty: str

    def measure(self, ranking: Ranking, judged: Mapping[str, int]) -> float:
        """The value for a ranking."""
        raise NotImplementedError

    @property
    def least(self) -> int:
        """The lowest grade that is relevant."""
        return 1

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One, named after the scorer and its cut-off."""
        return _metrics(self.name, self.k, self.empty)

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Measure the ranking; an answer that is none, or is empty, is not scorable."""
        ranking = _ranking(response)
        if not isinstance(ranking, Ranking):
            return unscorable(self.metrics, ranking)
        if self._skips(sample):
            nothing = Score(None, {"sum": 0.0, "asked": 0.0}, reason="no document answers this query")
            return {self.metrics[0].name: nothing}
        judged = judgements(sample, self._least_needed)
        value, about = self.measure(ranking, judged), self._places(ranking, judged)
        parts = {"sum": value, "asked": 1.0} if self.empty == "skip" else {}
        return {self.metrics[0].name: Score(value, parts, answer=shown(", ".join(ranking.ids[:3])), reason=about)}

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """The declared worst value; a query that is skipped has no part in the mean."""
        (metric,) = self.metrics
        value, asked = float(metric.on_error), float(not self._skips(sample))
        parts = {"sum": value * asked, "asked": asked} if self.empty == "skip" else {}
        return {metric.name: Score(value, parts)}

    def problem(self, sample: Sample) -> str | None:
        """A target without judgements, or without a relevant document."""
        return None if self._skips(sample) else trouble(lambda one: judgements(one, self._least_needed), sample)

    def _skips(self, sample: Sample) -> bool:
        found = passages(sample.target)
        return self.empty == "skip" and isinstance(found, (Mapping, list, tuple)) and not found

    @property
    def _least_needed(self) -> int | None:
        return None if self.name == "hole" else self.least

    def _places(self, ranking: Ranking, judged: Mapping[str, int]) -> str:
        """Where the relevant documents stand under the rule of trec_eval, for the person who reads the report."""
        wanted = [name for name, grade in judged.items() if grade >= self.least]
        numbers = {name: float(number) for number, name in enumerate(wanted, 1)}
        order, _ = _rankings.along(ranking, numbers, other=0.0, depth=None, ties="trec", good=1)
        ranks = {wanted[int(number) - 1]: rank for rank, number in enumerate(order, 1) if number}
        found = sorted(ranks, key=ranks.__getitem__)
        shown_at = ", ".join(f"{name[:60]} at {ranks[name]}" for name in found[:_SHOWN])
        missing = [name[:60] for name in wanted if name not in ranks]
        parts = [f"{len(found)} of {len(wanted)} relevant found" + (f": {shown_at}" if found else "")]
        if missing:
            parts.append(f"not found: {', '.join(missing[: _SHOWN - 1])}" + (" ..." if len(missing) >= _SHOWN else ""))
        return "; ".join(parts)[:500]


def judgements(sample: Sample, least: int | None = None) -> dict[str, int]:
    """The grades of a sample's documents, whole numbers >= 0; a list of ids gives grade 1 to each.

    They are the target, or its field `passages` where the target also holds an answer. Raises ValueError for a target
    that is none, and (with `least`) when no document has at least that grade.
    """
    target = passages(sample.target)
    if isinstance(target, (list, tuple)):
        target = dict.fromkeys(target, 1) if all(isinstance(name, str) for name in target) else None
    if not isinstance(target, Mapping):
        raise ValueError(f"the target is {kind(sample.target)}; judgements are needed: document id -> grade")  # noqa: TRY004 - bad data
    if not target:
        raise ValueError("the query has no judgements: the target is empty")
    found: dict[str, int] = {}
    for name, grade in target.items():
        if isinstance(grade, bool) or not isinstance(grade, (int, float)) or grade != grade // 1 or grade < 0:
            raise ValueError(
                f"the grade of document {str(name)[:80]!r} is {grade!r:.40}; whole numbers from 0 on are needed"
            )
        found[str(name)] = int(grade)
    if least is not None and max(found.values()) < least:
        raise ValueError(f"the query has no relevant document: no grade of its judgements reaches {least}")
    return found


def _ranking(response: Response) -> Ranking | str:
    """What was ranked: the answer, else what a system says it retrieved for its answer (`meta.ranking`)."""
    inside = response.meta.get("ranking")
    if inside is not None and failure(response) is None and not _holds_ranking(response.output):
        return _rankings.read(inside)
    value, reason = answer_json(response)
    return _rankings.read(value) if reason is None else reason


def _holds_ranking(output: Any) -> bool:
    return isinstance(output, (list, tuple)) or (isinstance(output, Mapping) and "ranking" in output)


def passages(target: Any) -> Any:
    """The judgements of a target: its field `passages` (a list or an object), else the target itself."""
    inside = target.get("passages") if isinstance(target, Mapping) else None
    return inside if isinstance(inside, (list, tuple, Mapping)) else target
