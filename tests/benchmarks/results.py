"""One line of the benchmark's output, and how it is judged."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """A figure, what it may be, and whether it is.

    `limit` is in `unit`; where there is a `control` (the bare loop, measured in the same run, in `unit` too) the limit
    is the control times the allowed ratio, so that it holds on any machine. `target` is the absolute figure.
    """

    name: str
    value: float
    unit: str
    limit: float
    ok: bool
    control: float | None = None
    target: float | None = None

    def line(self) -> str:
        """The result as one line of JSON, rounded to what is worth reading."""
        return json.dumps({k: rounded(v) if isinstance(v, float) else v for k, v in asdict(self).items()})


def at_most(
    name: str, value: float, unit: str, limit: float, *, control: float | None = None, target: float | None = None
) -> Result:
    """A figure that is good when it is small."""
    return Result(name, value, unit, limit, value <= limit, control, target)


def at_least(
    name: str, value: float, unit: str, limit: float, *, control: float | None = None, target: float | None = None
) -> Result:
    """A figure that is good when it is large."""
    return Result(name, value, unit, limit, value >= limit, control, target)


def shown(value: float | None) -> str:
    """Four digits for a reader; a dash for what there is not."""
    return "-" if value is None else f"{rounded(value):,}"


def rounded(value: float) -> float:
    """Four digits, all of those before the point."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
