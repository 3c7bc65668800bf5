"""How long answers take: quantiles of seconds, of seconds to the first token, and tokens per second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from evalkit.core.fold import Fold, Sums, Whole
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.core.units import ANSWER_UNITS
from evalkit.scorers import _folds
from evalkit.scorers._base import OneAnswer, unscorable


def _quantile(name: str, q: float) -> Metric:
    fold = Fold(across=Whole(partial(_folds.quantile, q=q)))
    bounds = (0.0, None)
    return Metric(
        name,
        "quantile",
        higher_is_better=False,
        bounds=bounds,
        fold=fold,
        on_error="undefined",
        unit="s",
        fresh_only=True,
    )


_RATE = partial(_folds.ratio, numerator="tokens", denominator="seconds")
_METRICS = (
    _quantile("latency_p50", 0.5),
    _quantile("latency_p95", 0.95),
    _quantile("latency_p99", 0.99),
    _quantile("first_token_p50", 0.5),
    _quantile("first_token_p95", 0.95),
    Metric(
        "tokens_per_s",
        "ratio",
        bounds=(0.0, None),
        fold=Fold(across=Sums(_RATE, ("tokens", "seconds"))),
        on_error="undefined",
        unit="tokens/s",
        fresh_only=True,
    ),
)
_ANSWER, _FIRST = ("latency_p50", "latency_p95", "latency_p99"), ("first_token_p50", "first_token_p95")


@dataclass(frozen=True, slots=True)
class Latency(OneAnswer):
    """Seconds per answer (p50, p95, p99), to the first token of a stream (p50, p95), and tokens per second.

    Quantiles by definition 2 of Hyndman and Fan (1996): the median of an even number is the mean of the middle two.
    Tokens per second = all answer tokens (reasoning included) / all seconds. Reused answers are left out; no target.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Quantiles in seconds, lower is better; tokens per second, higher is better."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Read what the call measured; a refusal takes its time too."""
        if response.error is not None:
            return unscorable(_METRICS, f"{response.error.kind.value}: {response.error.message}")
        whole = Score(response.seconds, reason=None if response.seconds is not None else "the time was not measured")
        first = Score(response.first_token_s, reason=None if response.first_token_s is not None else "not streamed")
        scores = {**dict.fromkeys(_ANSWER, whole), **dict.fromkeys(_FIRST, first)}
        return {**scores, "tokens_per_s": _rate(response)}


def _rate(response: Response) -> Score:
    counts = [response.usage[unit] for unit in ANSWER_UNITS if unit in response.usage]
    if not counts or not response.seconds:
        return Score(None, reason="the tokens were not counted" if response.seconds else "the time was not measured")
    tokens = float(sum(counts))
    return Score(tokens / response.seconds, {"tokens": tokens, "seconds": response.seconds})


def make(**options: Any) -> Latency:
    """Build from options; raises ValueError naming the known ones."""
    return build(Latency, options)
