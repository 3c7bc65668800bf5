"""Regression: root mean squared error, mean absolute error and R2 of predicted numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import answer_json
from evalkit.scorers._base import OneAnswer, trouble, unscorable
from evalkit.scorers._paths import MISSING, get, steps
from evalkit.scorers._targets import field as field_of
from evalkit.scorers._targets import number

_LARGEST = 1e150


def _metric(name: str, fold: Fold, **more: Any) -> Metric:
    return Metric(name, fold=fold, on_error="undefined", **more)


_MAIN = (
    _metric(
        "rmse",
        Fold(across=Sums(_folds.root_mean_square, ("n", "se"))),
        kind="corpus",
        higher_is_better=False,
        bounds=(0.0, None),
        primary=True,
    ),
    _metric("mae", Fold(), higher_is_better=False, bounds=(0.0, None)),
    _metric("r2", Fold(across=Sums(_folds.r2, ("n", "se", "y", "yy"))), kind="corpus", bounds=(None, 1.0)),
)
_MAPE = _metric("mape", Fold(), higher_is_better=False, bounds=(0.0, None))


@dataclass(frozen=True, slots=True)
class Regression(OneAnswer):
    """RMSE, MAE and R2 of a predicted number; lower is better but for R2.

    `field` = path of the number in a JSON answer (and in an object target). `percentage` adds the mean absolute
    percentage error (as a ratio; a target of 0 has none). `origin` is subtracted from targets before they are squared:
    set it near their mean where they are large and vary little, so that R2 keeps its digits. An answer that is no
    finite number is not scorable; no worst value exists.
    """

    field: str | None = None
    percentage: bool = False
    origin: float = 0.0

    def __post_init__(self) -> None:
        if self.field is not None:
            steps(self.field)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`rmse`, `mae`, `r2` and, where asked for, `mape`."""
        return (*_MAIN, _MAPE) if self.percentage else _MAIN

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """The error of one prediction."""
        truth = self._truth(sample)
        guess = self._said(response)
        if isinstance(guess, str):
            return unscorable(self.metrics, guess)
        error = guess - truth
        from_origin = truth - self.origin
        sums = {"n": 1.0, "se": error * error, "y": from_origin, "yy": from_origin * from_origin}
        answer = repr(guess)
        scores = {
            "rmse": Score(abs(error), {"n": 1.0, "se": sums["se"]}, answer),
            "mae": Score(abs(error), answer=answer),
            "r2": Score(abs(error), sums, answer),
        }
        if self.percentage:
            scores["mape"] = Score(abs(error / truth), answer=answer)
        return scores

    def problem(self, sample: Sample) -> str | None:
        """A target that is no finite number, or 0 where percentages are asked for."""
        return trouble(self._truth, sample)

    def _truth(self, sample: Sample) -> float:
        truth = number(field_of(sample.target, self.field))
        if abs(truth) > _LARGEST:
            raise ValueError(f"the target {truth} is too large to be squared")
        if self.percentage and truth == 0:
            raise ValueError("the target is 0, which has no percentage error")
        return truth

    def _said(self, response: Response) -> float | str:
        value, reason = answer_json(response)
        if reason is not None:
            return reason
        found = value if self.field is None else get(value, steps(self.field))
        if found is MISSING:
            return f"the answer has no {self.field}"
        try:
            guess = number(found, "the answer")
        except ValueError as error:
            return str(error)
        return guess if abs(guess) <= _LARGEST else f"the answer {guess} is too large to be squared"


def make(**options: Any) -> Regression:
    """Build from options; raises ValueError naming the known ones."""
    return build(Regression, options)
