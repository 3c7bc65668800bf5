"""Samples whose score moved, as a reader wants to see them: worst first, those that always move before the unsteady."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.app.guardrails import Emitted
from evalkit.app.pairing import Drawn
from evalkit.app.sides import Answers
from evalkit.core.types import Metric
from evalkit.gate.model import Changed, SampleResult
from evalkit.gate.sampling import FEWEST_RUNS, flaky
from evalkit.stats.changes import SAME, sample_benefits
from evalkit.stats.fold import Observations
from evalkit.store.sides import Scores

LISTED = 200
SHOWN = 20
CHARACTERS = 4_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moved:
    """The samples that changed, the first with their outputs, and how many changed which way."""

    changed: tuple[Changed, ...] = ()
    better: int = 0
    worse: int = 0


def moved(one: Emitted, drawn: Drawn | None, sides: tuple[Answers, Answers], quarantined: Collection[str]) -> Moved:
    """What changed between two sides on a metric."""
    if drawn is None or drawn.headline is None:
        return Moved()
    pair = drawn.headline
    benefits = sample_benefits(one.metric, pair.candidate, pair.baseline)
    if benefits is None:
        return Moved()
    known = np.nan_to_num(benefits)
    slack = SAME * float(np.abs(known).max(initial=0.0))
    steady = _steady(pair.candidate) & _steady(pair.baseline)
    places = sorted(
        np.flatnonzero(np.abs(known) > slack).tolist(),
        key=lambda at: (known[at] > 0, not steady[at], known[at], drawn.sample_ids[at]),
    )
    values = _means(pair.candidate), _means(pair.baseline)
    ids = [drawn.sample_ids[at] for at in places]
    told = _Told.of(one, sides, ids[:SHOWN])
    found = tuple(
        Changed(
            sample_id=ident,
            before=_number(values[1][at]),
            after=_number(values[0][at]),
            before_output=told.before.get(ident, ""),
            after_output=told.after.get(ident, ""),
            reason=told.reasons.get(ident, ""),
            stable=bool(steady[at]),
            quarantined=ident in quarantined,
            tags=told.tags.get(ident, ()),
        )
        for at, ident in zip(places[:LISTED], ids, strict=False)
    )
    return Moved(found, int((known > slack).sum()), int((known < -slack).sum()))


@dataclass(frozen=True, slots=True)
class _Told:
    before: dict[str, str]
    after: dict[str, str]
    reasons: dict[str, str]
    tags: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, one: Emitted, sides: tuple[Answers, Answers], ids: Sequence[str]) -> _Told:
        candidate, baseline = sides
        wanted = set(ids)
        tags = {
            str(ident): tuple(own)
            for ident, own in zip(candidate.cells.sample_id, candidate.cells.tags, strict=True)
            if ident in wanted
        }
        why = candidate.reasons(one.prepared.sig, one.metric.name, ids) if one.prepared is not None else {}
        return cls(_first(baseline, ids), _first(candidate, ids), dict(why), tags)


def _first(side: Answers, ids: Sequence[str]) -> dict[str, str]:
    """The output of each sample's first repeat that differs least from nothing: as it was said, cut to a length."""
    return {
        ident: texts[0] if len(texts[0]) <= CHARACTERS else f"{texts[0][:CHARACTERS]}..."
        for ident, texts in side.texts(ids).items()
        if texts
    }


def unsteady(metric: Metric, drawn: Drawn | None) -> tuple[str, ...]:
    """Samples that pass in some repeats and fail in others, on either side; only where repeats are enough to tell."""
    if drawn is None or drawn.headline is None or metric.bounds != (0.0, 1.0):
        return ()
    found: set[str] = set()
    for seen in (drawn.headline.candidate, drawn.headline.baseline):
        if np.isnan(seen.value).any():
            continue
        runs = np.bincount(seen.sample)
        passes = np.bincount(seen.sample, weights=(seen.value >= 1 - SAME).astype(np.float64)).astype(int)
        told = zip(drawn.sample_ids, passes.tolist(), runs.tolist(), strict=True)
        counts = [one for one in told if one[2] >= FEWEST_RUNS]
        found |= {one.sample_id for one in flaky(counts) if one.flaky}
    return tuple(sorted(found))


def results(one: Emitted, side: Answers, scores: Scores) -> tuple[SampleResult, ...]:
    """Every sample of the candidate with its value of a metric, for a test report."""
    cells = side.cells
    ids = list(dict.fromkeys(cells.sample_id.tolist()))
    why = side.reasons(one.prepared.sig, one.metric.name, ids) if one.prepared is not None else {}
    value: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    counted = np.where(scores.status == "scored", scores.value, scores.worst)
    for ident, number, time, cached in zip(cells.sample_id, counted, cells.seconds, cells.cached, strict=True):
        value.setdefault(ident, []).append(float(number))
        if not cached and not np.isnan(time):
            seconds[ident] = seconds.get(ident, 0.0) + float(time)
    return tuple(
        SampleResult(ident, _number(float(np.mean(value[ident]))), why.get(ident, ""), seconds.get(ident))
        for ident in ids
    )


def _means(seen: Observations) -> Floats:
    count = np.bincount(seen.sample, minlength=seen.samples)
    return np.asarray(np.bincount(seen.sample, weights=seen.value, minlength=seen.samples) / count, dtype=np.float64)


def _steady(seen: Observations) -> npt.NDArray[np.bool_]:
    mean = _means(seen)
    apart = np.abs(seen.value - mean[seen.sample]) > SAME
    return np.asarray(np.bincount(seen.sample, weights=apart, minlength=seen.samples) == 0, dtype=np.bool_)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
