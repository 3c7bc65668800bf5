"""Planned looks at a candidate: which samples are asked before each, and how much error each look may spend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.app.loading import LoadedSuite
from evalkit.app.pairing import alone
from evalkit.app.sides import Answers
from evalkit.stats.adaptive import FIRST, MORE, unsettled
from evalkit.stats.fold import Observations
from evalkit.stats.sequential import LOOKS, nominal_alphas


@dataclass(frozen=True, slots=True)
class Look:
    """One look: all samples asked so far, in scheduled order. `share` of the planned cells, rising to 1.

    `more` = samples that are asked `repeats` times in all, on which the baseline's own repeats disagree; none of the
    candidate's answers has a say in it, so that means of repeats stay unbiased (`stats.adaptive`).
    """

    sample_ids: tuple[str, ...]
    share: float
    more: tuple[str, ...] = ()
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Looks:
    """The plan of all looks; it is never changed once the first was made."""

    planned: tuple[Look, ...]

    def alpha(self, place: int, alpha: float) -> float:
        """The one-sided error that look `place` may spend of `alpha`: Lan-DeMets, O'Brien-Fleming."""
        return nominal_alphas([look.share for look in self.planned], alpha)[place]

    def last(self, place: int) -> bool:
        """Whether there is no look after this one."""
        return place == len(self.planned) - 1


def plan_looks(suite: LoadedSuite, baseline: Answers | None, fractions: Sequence[float] = LOOKS) -> Looks:
    """Looks at shares of the samples in scheduled order, whole clusters at a time, then at more repeats.

    The last look asks again what the baseline wavers on, where it has repeats; without any there is no such look.
    """
    ids = [suite.snapshot.id_of(int(index)) for index in suite.indices]
    clusters = suite.snapshot.groups()[suite.indices]
    cuts = list(dict.fromkeys(_whole_clusters(clusters, math.ceil(share * len(ids))) for share in fractions))
    wavering = _wavering(baseline, ids) if baseline is not None else ()
    cells = len(ids) * suite.repeats + len(wavering) * MORE
    looks = [Look(tuple(_in_order(ids, clusters, cut)), cut * suite.repeats / cells) for cut in cuts]
    if wavering:
        looks.append(Look(tuple(ids), 1.0, wavering, suite.repeats + MORE))
    return Looks(tuple(looks))


def _whole_clusters(clusters: np.ndarray, least: int) -> int:
    """How many samples the first clusters hold, taken whole, that have at least so many."""
    order, sizes = _sizes(clusters)
    total = np.cumsum(sizes[order])
    return int(total[int(np.searchsorted(total, least))])


def _in_order(ids: Sequence[str], clusters: np.ndarray, count: int) -> list[str]:
    """The first `count` samples, clusters in the order in which their first sample is scheduled."""
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    order, _ = _sizes(clusters)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return [ids[at] for at in np.argsort(place[codes], kind="stable")[:count]]


def _sizes(clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, first, sizes = np.unique(clusters, return_index=True, return_counts=True)
    return np.argsort(first, kind="stable"), sizes


def _wavering(baseline: Answers, ids: Sequence[str]) -> tuple[str, ...]:
    """Samples on which the baseline's repeats say different things; none where it has too few repeats to tell."""
    matching = alone(baseline.cells)
    rows = matching.candidate
    repeat = baseline.cells.repeat[rows.places]
    if not repeat.size or int(repeat.max()) + 1 < FIRST:
        return ()
    answers = np.unique(baseline.cells.output[rows.places].astype(np.str_), return_inverse=True)[1].reshape(-1)
    seen = Observations(rows.sample, repeat, matching.cluster[rows.sample], answers.astype(np.float64))
    flags = unsettled(seen)
    chosen = {ident for ident, wavers in zip(matching.sample_ids, flags, strict=True) if wavers}
    return tuple(ident for ident in ids if ident in chosen)
