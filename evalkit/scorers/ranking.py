"""Ranked documents against graded judgements: nDCG, recall, precision, MRR, MAP, success and holes, as trec_eval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _rankings
from evalkit.scorers._answers import answer_json, shown
from evalkit.scorers._base import OneAnswer, choose, trouble, unscorable
from evalkit.scorers._rankings import Ranking
from evalkit.scorers._targets import kind

NAMES = ("ndcg", "recall", "precision", "mrr", "map", "success", "hole")
CUT = ("precision", "success", "hole")
"""What has no meaning without a cut-off."""

_SHOWN = 4


@lru_cache(maxsize=256)
def _metrics(name: str, k: int | None) -> tuple[Metric, ...]:
    whole = name if k is None else f"{name}@{k}"
    hole = name == "hole"
    zero_one = "mean01" if name == "success" else "mean"
    return (
        Metric(
            whole,
            kind=zero_one,  # type: ignore[arg-type]
            higher_is_better=not hole,
            bounds=(0.0, 1.0),
            on_error=1.0 if hole else 0.0,
            primary=name == "ndcg",
        ),
    )


class _Ranked(OneAnswer):
    """What both kinds of measures share: reading the ranking and the judgements."""

    __slots__ = ()
    name: str
    k: int | None
    ties: str

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
        return _metrics(self.name, self.k)

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Measure the ranking; an answer that is none, or is empty, is not scorable."""
        judged = judgements(sample, self._least_needed)
        value, reason = answer_json(response)
        ranking = _rankings.read(value) if reason is None else reason
        if not isinstance(ranking, Ranking):
            return unscorable(self.metrics, ranking)
        about = self._places(ranking, judged)
        score = Score(self.measure(ranking, judged), answer=shown(", ".join(ranking.ids[:3])), reason=about)
        return {self.metrics[0].name: score}

    def problem(self, sample: Sample) -> str | None:
        """A target without judgements, or without a relevant document."""
        return trouble(lambda one: judgements(one, self._least_needed), sample)

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


@dataclass(frozen=True, slots=True)
class Gain(_Ranked):
    """Normalised discounted cumulative gain of a ranking, 0..1 (trec_eval's `ndcg` and `ndcg_cut`).

    `name` = ndcg. `k` = cut-off of ranking and ideal, none: the whole ranking. `gain` = linear (the grade), or exp
    (2^grade - 1, Burges et al. 2005). `ties` = trec (score descending, then id descending in byte order), expected
    (mean over all orders of tied documents) or worst. Scores are compared in single precision.
    """

    name: str = "ndcg"
    k: int | None = None
    gain: str = "linear"
    ties: str = "trec"

    def __post_init__(self) -> None:
        _check(self.name, self.k, self.ties)
        choose("gain", self.gain, _rankings.GAINS)

    def measure(self, ranking: Ranking, judged: Mapping[str, int]) -> float:
        """Gain over the ideal gain."""
        return _rankings.ndcg(ranking, judged, k=self.k, ties=self.ties, gain=self.gain)


@dataclass(frozen=True, slots=True)
class Binary(_Ranked):
    """A measure of relevant and other documents, 0..1 (trec_eval's `recall`, `P`, `recip_rank`, `map`, `success`).

    `name` = recall (of all relevant documents), precision (always divided by `k`), mrr (1 / rank of the first relevant
    one), map (mean precision at relevant ones, divided by all relevant ones), success (whether one is among the first
    `k`), hole (share of the first `k` that nobody judged: lower is better). `k` = cut-off; recall, mrr and map go
    without. `level` >= 1 = lowest grade that is relevant. `ties` = trec (score descending, then id descending in byte
    order), expected (mean over all orders of tied documents) or worst. Scores are compared in single precision.
    """

    name: str = "recall"
    k: int | None = None
    level: int = 1
    ties: str = "trec"

    def __post_init__(self) -> None:
        _check(self.name, self.k, self.ties)
        if type(self.level) is not int or self.level < 1:
            raise ValueError(f"level={self.level!r} must be a whole number from 1 on")

    @property
    def least(self) -> int:
        """The lowest grade that is relevant."""
        return self.level

    def measure(self, ranking: Ranking, judged: Mapping[str, int]) -> float:
        """The measure by its name."""
        if self.name == "hole":
            return self._hole(ranking, judged)
        relevant = {name: 1.0 for name, grade in judged.items() if grade >= self.level}
        found, ends = _rankings.along(ranking, relevant, other=0.0, depth=self.k, ties=self.ties, good=1)
        if self.name in ("recall", "precision"):
            hits = sum(list(_rankings.averaged(found, ends))[: self.k])
            return hits / (len(relevant) if self.name == "recall" else self.k or len(found))
        groups = _rankings.groups(found, ends)
        if self.name == "mrr":
            return _rankings.reciprocal_rank(groups, self.k)
        if self.name == "map":
            return _rankings.average_precision(groups, len(relevant), self.k)
        return _rankings.success(groups, self.k or len(found))

    def _hole(self, ranking: Ranking, judged: Mapping[str, int]) -> float:
        known = dict.fromkeys(judged, 0.0)
        found, ends = _rankings.along(ranking, known, other=1.0, depth=self.k, ties=self.ties, good=-1)
        first = list(_rankings.averaged(found, ends))[: self.k]
        return sum(first) / len(first)


def judgements(sample: Sample, least: int | None = None) -> dict[str, int]:
    """The grades of a sample's documents, whole numbers >= 0; a list of ids gives grade 1 to each.

    Raises ValueError for a target that is none, and (with `least`) when no document has at least that grade.
    """
    target = sample.target
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


def _check(name: str, k: int | None, ties: str) -> None:
    choose("ties", ties, _rankings.TIES)
    if k is not None and (type(k) is not int or k < 1):
        raise ValueError(f"k={k!r} must be a whole number from 1 on")
    if k is None and name in CUT:
        raise ValueError(f"{name} needs a cut-off, as in {name}@10")


def make(name: str, **options: Any) -> Gain | Binary:
    """Build a measure by its name; raises ValueError naming the known options, and for one that needs a cut-off."""
    named = {"name": name, **options}
    return build(Gain, named) if name == "ndcg" else build(Binary, named)
