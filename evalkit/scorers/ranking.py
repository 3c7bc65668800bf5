"""Ranked documents against graded judgements: nDCG, recall, precision, MRR, MAP, success and holes, as trec_eval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.options import build
from evalkit.scorers import _rankings
from evalkit.scorers._base import choose
from evalkit.scorers._ranked import Ranked
from evalkit.scorers._rankings import Ranking

NAMES = ("ndcg", "recall", "precision", "mrr", "map", "success", "hole")
CUT = ("precision", "success", "hole")
"""What has no meaning without a cut-off."""


@dataclass(frozen=True, slots=True)
class Gain(Ranked):
    """Normalised discounted cumulative gain of a ranking, 0..1 (trec_eval's `ndcg` and `ndcg_cut`).

    `name` = ndcg. `k` = cut-off of ranking and ideal, none: the whole ranking. `gain` = linear (the grade), or exp
    (2^grade - 1, Burges et al. 2005). `ties` = trec (score descending, then id descending in byte order), expected
    (mean over all orders of tied documents) or worst. Scores are compared in single precision. `empty` = what becomes
    of a query without judgements: refuse (found before the run), or skip (it counts nowhere).
    """

    name: str = "ndcg"
    k: int | None = None
    gain: str = "linear"
    ties: str = "trec"
    empty: str = "refuse"

    def __post_init__(self) -> None:
        _check(self)
        choose("gain", self.gain, _rankings.GAINS)

    def measure(self, ranking: Ranking, judged: Mapping[str, int]) -> float:
        """Gain over the ideal gain."""
        return _rankings.ndcg(ranking, judged, k=self.k, ties=self.ties, gain=self.gain)


@dataclass(frozen=True, slots=True)
class Binary(Ranked):
    """A measure of relevant and other documents, 0..1 (trec_eval's `recall`, `P`, `recip_rank`, `map`, `success`).

    `name` = recall (of all relevant documents), precision (always divided by `k`), mrr (1 / rank of the first relevant
    one), map (mean precision at relevant ones, divided by all relevant ones), success (whether one is among the first
    `k`), hole (share of the first `k` that nobody judged: lower is better). `k` = cut-off; recall, mrr and map go
    without. `level` >= 1 = lowest grade that is relevant. `ties` = trec (score descending, then id descending in byte
    order), expected (mean over all orders of tied documents) or worst. Scores are compared in single precision. `empty`
    = what becomes of a query without judgements: refuse (found before the run), or skip (it counts nowhere).
    """

    name: str = "recall"
    k: int | None = None
    level: int = 1
    ties: str = "trec"
    empty: str = "refuse"

    def __post_init__(self) -> None:
        _check(self)
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


def _check(measure: Gain | Binary) -> None:
    name, k = measure.name, measure.k
    choose("ties", measure.ties, _rankings.TIES)
    choose("empty", measure.empty, ("refuse", "skip"))
    if k is not None and (type(k) is not int or k < 1):
        raise ValueError(f"k={k!r} must be a whole number from 1 on")
    if k is None and name in CUT:
        raise ValueError(f"{name} needs a cut-off, as in {name}@10")


def make(name: str, **options: Any) -> Gain | Binary:
    """Build a measure by its name; raises ValueError naming the known options, and for one that needs a cut-off."""
    named = {"name": name, **options}
    return build(Gain, named) if name == "ndcg" else build(Binary, named)
