"""Two sides on the same samples: matched by id and content, errors at their worst and left out, slices, quarantine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.app.results import parts_of
from evalkit.core.fold import Mean, PassAll, PassAt
from evalkit.core.types import Metric
from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair
from evalkit.store.sides import Cells, Scores

LEAST_OVERLAP = 0.95
SCORED, UNSCORABLE, ERRORED = "scored", "unscorable", "errored"
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of one side that are paired: their places among its cells, and the sample code of each."""

    places: Codes
    sample: Codes


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Samples that both sides have with the same content, coded 0..n-1 in the order of their ids.

    `cluster` and `tags` are per sample. `changed` = the same id with other content, which is paired with nothing;
    `quarantined` are left out on both sides. Counts are of samples.
    """

    sample_ids: tuple[str, ...]
    cluster: Codes
    tags: tuple[tuple[str, ...], ...]
    candidate: Rows
    baseline: Rows
    only_candidate: int = 0
    only_baseline: int = 0
    changed: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    missing_tags: frozenset[str] = frozenset()

    @property
    def overlap(self) -> float | None:
        """Share of the larger side's samples that are paired; None when both sides are empty."""
        pairs = len(self.sample_ids)
        larger = pairs + len(self.changed) + max(self.only_candidate, self.only_baseline)
        return pairs / larger if larger else None

    @property
    def trouble(self) -> str | None:
        """Why too little is paired to judge anything, or None."""
        share = self.overlap
        if share is not None and share >= LEAST_OVERLAP:
            return None
        apart = [f"{self.only_candidate} only in the candidate", f"{self.only_baseline} only in the baseline"]
        apart += [f"{len(self.changed)} with changed content"] if self.changed else []
        told = "no samples at all" if share is None else f"{len(self.sample_ids)} samples are paired ({share:.0%})"
        return f"overlap: {told}, {LEAST_OVERLAP:.0%} are needed ({', '.join(apart)}); run both sides on the same data"


def match(candidate: Cells, baseline: Cells, quarantined: Collection[str] = ()) -> Matching:
    """Pair samples by id and content hash; never by the order of rows."""
    mine, theirs = _contents(candidate), _contents(baseline)
    left_out = frozenset(quarantined)
    both = sorted(ident for ident in mine.keys() & theirs.keys() if ident not in left_out)
    same = tuple(ident for ident in both if mine[ident] == theirs[ident])
    codes = {ident: code for code, ident in enumerate(same)}
    cluster, tags = _per_sample(candidate, codes)
    there = {tag for tag_list in baseline.tags for tag in tag_list}
    return Matching(
        sample_ids=same,
        cluster=cluster,
        tags=tags,
        candidate=_rows(candidate, codes),
        baseline=_rows(baseline, codes),
        only_candidate=len([1 for ident in mine if ident not in theirs and ident not in left_out]),
        only_baseline=len([1 for ident in theirs if ident not in mine and ident not in left_out]),
        changed=tuple(ident for ident in both if mine[ident] != theirs[ident]),
        quarantined=tuple(sorted(left_out & (mine.keys() | theirs.keys()))),
        missing_tags=frozenset(there - {tag for tag_list in candidate.tags for tag in tag_list}),
    )


def alone(cells: Cells, quarantined: Collection[str] = ()) -> Matching:
    """One side matched with itself: what a floor is judged on."""
    return match(cells, cells, quarantined)


def _contents(cells: Cells) -> dict[str, str]:
    return dict(zip(cells.sample_id.tolist(), cells.sample_hash.tolist(), strict=True))


def _rows(cells: Cells, codes: dict[str, int]) -> Rows:
    found = np.fromiter((codes.get(ident, -1) for ident in cells.sample_id), dtype=np.int64, count=len(cells))
    places = np.flatnonzero(found >= 0)
    order = np.lexsort((cells.repeat[places], found[places]))
    return Rows(places[order], found[places][order])


def _per_sample(cells: Cells, codes: dict[str, int]) -> tuple[Codes, tuple[tuple[str, ...], ...]]:
    clusters: list[str] = [""] * len(codes)
    tags: list[tuple[str, ...]] = [()] * len(codes)
    for ident, cluster, own in zip(cells.sample_id, cells.cluster, cells.tags, strict=True):
        code = codes.get(ident)
        if code is not None:
            clusters[code], tags[code] = cluster, own
    labels = np.unique(np.array(clusters, dtype=object), return_inverse=True)[1] if clusters else np.zeros(0)
    return labels.astype(np.int64).reshape(-1), tuple(tags)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One metric of one side on matched samples, row by row: the scores and which rows count.

    What is neither scored nor `errored` is the candidate's own failure, which counts as its worst.
    """

    seen: Observations
    errored: Flags
    fresh: Flags
    output: npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One metric of both sides on the same samples: `headline` with errors at their worst, `dropped` without them.

    `sample_ids` by the codes of `headline`. `undefined` counts errors for which no worst value is declared, and
    `unknown` other scores that have none; `lost` = samples with no score at all, `stale` = cached calls left out.
    """

    headline: Pair | None
    dropped: Pair | None
    sample_ids: tuple[str, ...] = ()
    identical: bool = False
    undefined: int = 0
    unknown: int = 0
    lost: int = 0
    stale: int = 0


def part(metric: Metric, scores: Scores, cells: Cells, rows: Rows, matching: Matching, *, sparse: bool) -> Part:
    """The scores of a side on its paired rows; `sparse` = a sample has one score for all its repeats.

    Otherwise a cell without a score is one that failed: it has no value, so that nothing is dropped in silence.
    """
    status = scores.status[rows.places]
    kept = status != "" if sparse else np.ones(len(status), dtype=np.bool_)
    places, sample, status = rows.places[kept], rows.sample[kept], status[kept]
    scored = status == SCORED
    value = np.where(scored, scores.value[places], scores.worst[places])
    needs_parts = not isinstance(metric.fold.across, Mean)
    texts = np.where(scored, scores.parts[places], scores.worst_parts[places])
    seen = Observations(
        sample=sample,
        repeat=cells.repeat[places],
        cluster=matching.cluster[sample],
        value=value.astype(np.float64),
        parts=parts_of(texts) if needs_parts else {},
        answers=tuple(scores.answer[places]),
    )
    errored = (status == ERRORED) | (status == "")
    return Part(seen, errored, ~cells.cached[places], cells.output[places])


def draw(metric: Metric, sides: tuple[Part, Part], matching: Matching, where: str = "") -> Drawn:
    """The candidate's and the baseline's scores of a metric on their common samples, all of them or those of a slice.

    Cached calls are left out where the metric says so. A sample stays only when both sides have it.
    """
    masks = [_inside(one, matching, where) for one in sides]
    stale = 0
    if metric.fresh_only:
        stale = sum(int((mask & ~one.fresh).sum()) for one, mask in zip(sides, masks, strict=True))
        masks = [mask & one.fresh for one, mask in zip(sides, masks, strict=True)]
    expected = sum(where in tags for tags in matching.tags) if where else len(matching.sample_ids)
    headline, ids, kept = _common(sides, masks, matching, least=1)
    if headline is None:
        return Drawn(None, None, stale=stale)
    gaps = [_missing(one.seen) & mask for one, mask in zip(sides, kept, strict=True)]
    undefined = sum(int((gap & one.errored).sum()) for one, gap in zip(sides, gaps, strict=True))
    unknown = sum(int((gap & ~one.errored).sum()) for one, gap in zip(sides, gaps, strict=True))
    dropped: Pair | None = headline
    if any(bool((one.errored & mask).any()) for one, mask in zip(sides, kept, strict=True)):
        answered = [mask & ~one.errored for one, mask in zip(sides, masks, strict=True)]
        dropped = _common(sides, answered, matching, least=_least(metric))[0]
    same = _identical(sides, kept)
    lost = 0 if metric.fresh_only else expected - len(ids)
    return Drawn(headline, dropped, ids, same, undefined, unknown, lost, stale)


def has_slice(matching: Matching, where: str) -> bool:
    """Whether a paired sample carries the tag."""
    return any(where in tags for tags in matching.tags)


def _inside(one: Part, matching: Matching, where: str) -> Flags:
    if not where:
        return np.ones(one.seen.sample.size, dtype=np.bool_)
    inside = np.fromiter((where in tags for tags in matching.tags), dtype=np.bool_, count=len(matching.tags))
    return np.asarray(inside[one.seen.sample], dtype=np.bool_)


def _common(
    sides: tuple[Part, Part], masks: Sequence[Flags], matching: Matching, *, least: int
) -> tuple[Pair | None, tuple[str, ...], list[Flags]]:
    size = len(matching.sample_ids)
    enough = np.ones(size, dtype=np.bool_)
    for one, mask in zip(sides, masks, strict=True):
        enough &= np.bincount(one.seen.sample[mask], minlength=size) >= least
    kept = [mask & enough[one.seen.sample] for one, mask in zip(sides, masks, strict=True)]
    if not enough.any():
        return None, (), kept
    ids = tuple(ident for ident, here in zip(matching.sample_ids, enough, strict=True) if here)
    candidate, baseline = (one.seen.keep(mask) for one, mask in zip(sides, kept, strict=True))
    return Pair(candidate, baseline), ids, kept


def _least(metric: Metric) -> int:
    within = metric.fold.within
    return within.k if isinstance(within, PassAt | PassAll) else 1


def _missing(seen: Observations) -> Flags:
    absent = np.isnan(seen.value)
    for column in seen.parts.values():
        absent = absent & np.isnan(column)
    return np.asarray(absent, dtype=np.bool_)


def _identical(sides: tuple[Part, Part], kept: Sequence[Flags]) -> bool:
    """Whether both sides have the same answers with the same scores, row by row; an answer that is missing is not."""
    (mine, theirs), (left, right) = sides, kept
    if left.sum() != right.sum():
        return False
    said, also = mine.output[left], theirs.output[right]
    if (said == None).any() or not (said == also).all():  # noqa: E711 - elementwise
        return False
    one, other = mine.seen.keep(left), theirs.seen.keep(right)
    columns: list[tuple[Any, Any]] = [(one.sample, other.sample), (one.repeat, other.repeat), (one.value, other.value)]
    columns += [(one.parts.get(name), other.parts.get(name)) for name in {*one.parts, *other.parts}]
    return all(a is not None and b is not None and np.array_equal(a, b, equal_nan=True) for a, b in columns)
