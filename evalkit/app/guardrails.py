"""What a gate may watch beside quality without a scorer for it: cost, latency, refusals, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evalkit.app.scoring import Prepared, prepare
from evalkit.app.sides import Answers
from evalkit.core.errors import InvalidRun
from evalkit.core.types import Metric
from evalkit.store.sides import Scores

COST, ERRORS = "cost", "error_rate"
_COST = Metric(COST, higher_is_better=False, bounds=(0.0, None), on_error="undefined", unit="USD")
_ERRORS = Metric(ERRORS, "mean01", higher_is_better=False, bounds=(0.0, 1.0), on_error=1.0)
_SCORERS = ("latency", "refusal", "cost")
_QUANTILES = ("latency_p50", "latency_p95", "latency_p99")


@dataclass(frozen=True, slots=True)
class Emitted:
    """A metric that can be had of a side, and the scorer that gives it; None = read from the answers themselves."""

    metric: Metric
    prepared: Prepared | None = None
    guardrail: bool = False

    @property
    def sparse(self) -> bool:
        """Whether a sample has one score for all its repeats."""
        return self.prepared is not None and self.prepared.scorer.takes == "repeats"

    def of(self, side: Answers) -> Scores:
        """The scores of a side: stored by this very scorer, else scored anew. Raises InvalidRun where neither goes."""
        if self.prepared is None:
            return _read(self.metric.name, side)
        found = side.scores(self.prepared.sig, self.metric.name)
        if found is not None:
            return found
        if self.guardrail and self.metric.name in _QUANTILES:
            return _seconds(side)
        return side.anew(self.prepared)[self.metric.name]


def emitted(prepared: tuple[Prepared, ...]) -> dict[str, Emitted]:
    """Every metric that a suite's scorers emit, by name, then the guardrails that none of them emits."""
    found = {metric.name: Emitted(metric, one) for one in prepared for metric in one.metrics}
    for spec in _SCORERS:
        one = prepare(spec, extract=None)
        for metric in one.metrics:
            found.setdefault(metric.name, Emitted(metric, one, guardrail=True))
    found.setdefault(COST, Emitted(_COST, guardrail=True))
    found.setdefault(ERRORS, Emitted(_ERRORS, guardrail=True))
    return found


def metrics_of(found: Mapping[str, Emitted]) -> dict[str, Metric]:
    """The metrics by name."""
    return {name: one.metric for name, one in found.items()}


def _read(name: str, side: Answers) -> Scores:
    failed = side.failed()
    scores = Scores.empty(len(side.cells))
    if name == ERRORS:
        scores.status[:] = "scored"
        scores.value[:] = failed
        return scores
    usd = side.costs()
    answered = ~failed
    scores.status[:] = np.where(answered, np.where(np.isnan(usd), "unscorable", "scored"), "errored")
    scores.value[answered] = usd[answered]
    if answered.any() and np.isnan(usd[answered]).all():
        raise InvalidRun(f"cost unknown: no price of {side.label} is known; add `prices:` to evalkit.yaml")
    return scores


def _seconds(side: Answers) -> Scores:
    """Seconds per answer, for sides whose run had no latency scorer."""
    failed = side.failed()
    scores = Scores.empty(len(side.cells))
    known = ~np.isnan(side.cells.seconds) & ~failed
    scores.status[:] = np.where(known, "scored", np.where(failed, "errored", "unscorable"))
    scores.value[known] = side.cells.seconds[known]
    return scores
