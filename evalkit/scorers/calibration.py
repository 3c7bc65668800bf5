"""Calibration of probabilities: how far confidence is from how often it is right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from evalkit.core.fold import Fold, Whole
from evalkit.core.options import build
from evalkit.core.types import Metric, Score
from evalkit.scorers import _folds
from evalkit.scorers._probability import Forecast, ProbabilityScorer

MOST_BINS = 1000


@lru_cache(maxsize=16)
def _metrics(bins: int) -> tuple[Metric, ...]:
    return tuple(
        Metric(
            name,
            kind="rank",
            higher_is_better=False,
            bounds=(0.0, 1.0),
            fold=Fold(across=Whole(partial(_folds.calibration_gaps, bins=bins, largest=name == "mce"))),
            on_error="undefined",
        )
        for name in ("ece", "mce")
    )


@dataclass(frozen=True, slots=True)
class Calibration(ProbabilityScorer):
    """Expected and maximum calibration error over bins of equal mass, 0..1, lower is better.

    In each of `bins` bins of equally many samples, in order of confidence, the gap is |share that is right - mean
    confidence|; `ece` is the mean gap, `mce` the largest (Naeini et al. 2015, with equal-mass bins as in Nixon et al.
    2019). A number, or {"probabilities": ...} with `positive`, is calibrated as the probability of that class; several
    labels by the probability of the best one (Guo et al. 2017; of equally probable labels each is the answer equally
    often). A sample that a boundary cuts lies on both sides in proportion. A failed answer has no worst: one that is
    wrong with full confidence can cancel answers that are right with too little.
    """

    bins: int = 10
    positive: str | None = None

    def __post_init__(self) -> None:
        if type(self.bins) is not int or not 1 <= self.bins <= MOST_BINS:
            raise ValueError(f"bins={self.bins!r} must be a whole number from 1 to {MOST_BINS}")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`ece` and `mce`, of the whole set."""
        return _metrics(self.bins)

    def judge(self, forecast: Forecast) -> Score:
        """Columns for the fold: `value` is the confidence, `hit` whether it came true."""
        chances, truth = forecast.chances, forecast.truth
        if forecast.binary:
            return Score(chances["1"], {"hit": float(truth == "1")}, answer=f"{chances['1']:.6g}")
        sure = max(chances.values())
        best = [name for name, p in chances.items() if p == sure]
        hit = (truth in best) / len(best)
        return Score(sure, {"hit": hit}, answer=f"{sure:.6g}", reason=None if hit else f"{min(best)[:60]}, not {truth}")


def make(**options: Any) -> Calibration:
    """Build from options; raises ValueError naming the known ones and for a number of bins that is none."""
    return build(Calibration, options)
