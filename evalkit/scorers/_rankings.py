"""Reading rankings, ordering them under ties, and the measures of trec_eval; the one path from answers to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

TIES = ("trec", "expected", "worst")
GAINS = ("linear", "exp")
NOTHING = "no document was retrieved"

Judgements = Mapping[str, int]


class Ranking(NamedTuple):
    """Different document ids as they were given, and their scores in single precision; None = the order is the rank."""

    ids: Sequence[str]
    scores: Any


class Group(NamedTuple):
    """A group of tied documents: how many stand before it, its size, and how many of it are relevant (> 0)."""

    before: int
    size: int
    relevant: int


def read(value: Any) -> Ranking | str:
    """A ranking from `{"ranking": [...]}` or a list of document ids or of [id, score], or why it is none."""
    items = value.get("ranking") if isinstance(value, Mapping) else value
    if not isinstance(items, (list, tuple)):
        return 'the answer is no ranking: a list, or {"ranking": [...]}, of ids or of [id, score] is needed'
    if not items:
        return NOTHING
    if set(map(type, items)) <= {list, tuple}:
        return _scored(items)
    return _named(items, None)


def _scored(items: Sequence[Any]) -> Ranking | str:
    if set(map(len, items)) != {2}:
        return "the ranking has entries that are not [id, score]"
    ids, given = zip(*items, strict=True)
    if not set(map(type, given)) <= {float, int}:
        odd = next(i for i, score in enumerate(given) if type(score) not in (float, int))
        return f"the score of document {str(ids[odd])[:80]!r} is not a number"
    try:
        scores = np.array(given, dtype=np.float64)
    except OverflowError:
        return "a score of the ranking is too large for a number"
    finite = np.isfinite(scores)
    if not finite.all():
        odd = int(np.argmin(finite))
        return f"the score of document {str(ids[odd])[:80]!r} is {scores[odd]}; finite numbers are needed"
    with np.errstate(over="ignore"):
        # trec_eval holds scores in single precision: what differs only beyond it is tied.
        return _named(ids, scores.astype(np.float32))


def _named(ids: Sequence[Any], scores: Any) -> Ranking | str:
    kinds = set(map(type, ids))
    if not kinds <= {str, int}:
        return "the ranking has document ids that are not text"
    names: Sequence[str] = list(map(str, ids)) if int in kinds else ids
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return f"document {twice[:80]!r} stands in the ranking twice"
    return Ranking(names, scores)


def along(
    ranking: Ranking, values: Mapping[str, float], *, other: float, depth: int | None, ties: str, good: int
) -> tuple[list[float], list[int]]:
    """The values of the documents by rank, and where groups of tied documents end; `other` = documents without one.

    `depth` ranks are enough (None: all); a group that reaches beyond it comes whole. Ties are broken by descending id
    in byte order ("trec"), against the candidate ("worst", `good` = 1 where high values are good, else -1), or stay
    groups ("expected"), in which values stand in any order.
    """
    ids, ends = _ordered(ranking, depth)
    found = [values.get(name, other) for name in ids]
    if len(ends) == len(ids):
        return found, ends
    start = 0
    for end in ends:
        if end - start > 1:
            if ties == "trec":
                inside = sorted(ids[start:end], reverse=True)
                found[start:end] = [values.get(name, other) for name in inside]
            else:
                found[start:end] = sorted(found[start:end], key=lambda value: good * value)
        start = end
    return found, ends if ties == "expected" else list(range(1, len(ids) + 1))


def _ordered(ranking: Ranking, depth: int | None) -> tuple[Sequence[str], list[int]]:
    """Ids by descending score as far as the group that holds rank `depth`, and the end of each group."""
    ids, scores = ranking
    most = len(ids) if depth is None else min(depth, len(ids))
    if scores is None or bool((scores[:-1] > scores[1:]).all()):
        return ids[:most], list(range(1, most + 1))
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.append(np.flatnonzero(falling[:-1] != falling[1:]) + 1, len(ids))
    ends = ends[: int(np.searchsorted(ends, most)) + 1]
    return [ids[place] for place in order[: ends[-1]].tolist()], ends.tolist()


def averaged(values: Sequence[float], ends: Sequence[int]) -> Sequence[float]:
    """Each value replaced by the mean of its group: what a sum over ranks is expected to be."""
    if len(ends) == len(values):
        return values
    found: list[float] = []
    start = 0
    for end in ends:
        found += [sum(values[start:end]) / (end - start)] * (end - start)
        start = end
    return found


def groups(values: Sequence[float], ends: Sequence[int]) -> list[Group]:
    """The groups that hold a relevant document (value above 0)."""
    if len(ends) == len(values):
        return [Group(place, 1, 1) for place, value in enumerate(values) if value > 0]
    found: list[Group] = []
    start = 0
    for end in ends:
        relevant = sum(value > 0 for value in values[start:end])
        if relevant:
            found.append(Group(start, end - start, relevant))
        start = end
    return found


@lru_cache(maxsize=256)
def _discounts(depth: int) -> Any:
    return 1.0 / np.log2(np.arange(2, depth + 2))


def _dcg(gains: Sequence[float]) -> float:
    return float(np.dot(gains, _discounts(len(gains)))) if gains else 0.0


def gains_of(judged: Judgements, gain: str) -> dict[str, float]:
    """The gain of each document above grade 0: its grade ("linear"), or 2^grade - 1 ("exp")."""
    if gain == "linear":
        return {name: float(grade) for name, grade in judged.items() if grade > 0}
    return {name: 2.0**grade - 1.0 for name, grade in judged.items() if grade > 0}


def ndcg(ranking: Ranking, judged: Judgements, *, k: int | None, ties: str, gain: str) -> float:
    """nDCG (Jarvelin and Kekalainen 2002, as trec_eval): discount log2(rank + 1), unjudged = 0, ideal over all judged.

    0 where no document has a gain.
    """
    gains = gains_of(judged, gain)
    ideal = _dcg(sorted(gains.values(), reverse=True)[:k])
    if ideal == 0:
        return 0.0
    found, ends = along(ranking, gains, other=0.0, depth=k, ties=ties, good=1)
    return _dcg(list(averaged(found, ends))[:k]) / ideal


def ndcg_many(
    rankings: Sequence[Any],
    judgements: Sequence[Judgements],
    *,
    k: int | None = None,
    ties: str = "trec",
    gain: str = "linear",
) -> Any:
    """nDCG of many answers, an array of float64 in their order; 0 for what is no ranking, as for a missing topic."""
    values = np.zeros(len(rankings))
    for place, (answer, judged) in enumerate(zip(rankings, judgements, strict=True)):
        ranking = read(answer)
        if isinstance(ranking, Ranking):
            values[place] = ndcg(ranking, judged, k=k, ties=ties, gain=gain)
    return values


def reciprocal_rank(found: Sequence[Group], k: int | None) -> float:
    """1 / rank of the first relevant document, expected over its group; 0 beyond rank `k`."""
    if not found:
        return 0.0
    before, size, relevant = found[0]
    chance, total = relevant / size, 0.0
    for place in range(size - relevant + 1):
        rank = before + place + 1
        if k is not None and rank > k:
            break
        total += chance / rank
        if place < size - relevant:
            chance *= (size - relevant - place) / (size - place - 1)
    return total


def success(found: Sequence[Group], k: int) -> float:
    """Whether a relevant document is among the first `k`, expected over its group."""
    if not found or found[0].before >= k:
        return 0.0
    before, size, relevant = found[0]
    missed = 1.0
    for place in range(min(size, k - before)):
        missed *= max(0, size - relevant - place) / (size - place)
    return 1.0 - missed


def average_precision(found: Sequence[Group], relevant: int, k: int | None) -> float:
    """Mean over all `relevant` documents of the precision at their rank, 0 for what is not among the first `k`.

    Under ties the expectation over the orders of each group (McSherry and Najork 2008).
    """
    total, seen = 0.0, 0
    for before, size, inside in found:
        last = size if k is None else min(size, k - before)
        others = (inside - 1) / (size - 1) if size > 1 else 0.0
        for place in range(last):
            total += inside / size * (seen + 1 + place * others) / (before + place + 1)
        seen += inside
    return total / relevant
