"""Numeric equality within a tolerance, with units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._answers import answer_text
from evalkit.scorers._base import OneAnswer, choose, listed, trouble, unscorable
from evalkit.scorers._numbers import Quantity, answer_number, quantities
from evalkit.scorers._targets import kind
from evalkit.scorers._units import unit as unit_of

_METRICS = (Metric("numeric", kind="mean01", bounds=(0.0, 1.0), primary=True),)
MARKERS = ("####", "answer:", "answer is", "\\boxed{")


@dataclass(frozen=True, slots=True)
class Numeric(OneAnswer):
    """1 when the answer's number is within max(`tolerance`, `relative` * |target|) of a target, else 0.

    The number is the first after the last of `markers`, else the last number of the answer; compared as decimals.
    `unit` = unit of a bare target (a target "3 km" brings its own); an answer in another unit of the same kind is
    converted, one of another kind is wrong, a bare number is taken in the target's unit. `percent` = fraction (10% is
    0.1) or ignore (10% is 10). `decimal` = the decimal mark, "." or ",". An answer without a number is not scorable.
    """

    tolerance: float = 0.0
    relative: float = 0.0
    unit: str | None = None
    percent: str = "fraction"
    decimal: str = "."
    markers: tuple[str, ...] = MARKERS

    def __post_init__(self) -> None:
        listed(self, "markers")
        choose("percent", self.percent, ("fraction", "ignore"))
        choose("decimal", self.decimal, (".", ","))
        if not (self.tolerance >= 0 and self.relative >= 0):
            raise ValueError(f"tolerance={self.tolerance} and relative={self.relative} must not be negative")
        if self.unit is not None and unit_of(self.unit) is None:
            raise ValueError(f"unit={self.unit!r} is not a known unit")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`numeric`, a rate."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Extract the number and compare it with each target."""
        text, reason = answer_text(response)
        if text is None:
            return unscorable(_METRICS, reason)
        output = response.output
        if not isinstance(output, (str, int, float)) or isinstance(output, bool):
            return unscorable(_METRICS, f"the answer is {kind(output)}, not a number")
        found = answer_number(text, self.markers, self.decimal if isinstance(output, str) else ".")
        if found is None:
            return unscorable(_METRICS, "no number in the answer")
        reason = None
        for gold in self._golds(sample):
            reason = self._difference(found, gold)
            if reason is None:
                break
        return {"numeric": Score(0.0 if reason else 1.0, answer=_written(found), reason=reason)}

    def problem(self, sample: Sample) -> str | None:
        """A target without exactly one finite number."""
        return trouble(self._golds, sample)

    def _golds(self, sample: Sample) -> tuple[Quantity, ...]:
        target = sample.target
        several = target if isinstance(target, (list, tuple)) and target else (target,)
        return tuple(_gold(value, self.decimal) for value in several)

    def _difference(self, found: Quantity, gold: Quantity) -> str | None:
        """Why the answer is not the target, or None."""
        wanted = unit_of(gold.unit) or unit_of(self.unit)
        value, target = found.value, gold.value
        given = unit_of(found.unit)
        if found.unit == "%" and wanted is None and self.percent == "fraction":
            value = value / 100
        elif gold.unit == "%" and self.percent == "fraction" and given is None:
            target = target / 100
        elif wanted is not None and given is not None:
            if given[0] != wanted[0]:
                return f"{found.unit} is a unit of {given[0]}; {wanted[0]} is needed"
            value = value * given[1] / wanted[1]
        allowed = max(_exact(self.tolerance), _exact(self.relative) * abs(target))
        return None if abs(value - target) <= allowed else f"{_written(found)} is not {_written(gold)}"


@lru_cache(maxsize=64)
def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


@lru_cache(maxsize=4096, typed=True)
def _gold_number(value: str | float, decimal: str) -> Quantity:
    found = list(
        quantities(value if isinstance(value, str) else repr(value), decimal if isinstance(value, str) else ".")
    )
    if len(found) != 1:
        raise ValueError(f"the target {value!r} holds {len(found) or 'no'} numbers; one is needed")
    return found[0]


def _gold(value: Any, decimal: str) -> Quantity:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"the target is {kind(value)}; a number, its text or a list of them is needed")  # noqa: TRY004 - bad data is a ValueError
    return _gold_number(value, decimal)


def _written(quantity: Quantity) -> str:
    text = str(quantity.value)
    return f"{text} {quantity.unit}" if unit_of(quantity.unit) is not None else text


def make(**options: Any) -> Numeric:
    """Build from options; raises ValueError naming the known ones."""
    return build(Numeric, options)
