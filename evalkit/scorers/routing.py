"""Routers and cascades: whether the right part answered, and how often a cheaper one was left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as option
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._base import OneAnswer, unscorable
from evalkit.scorers._targets import kind

_METRICS = (
    Metric("routing_accuracy", kind="mean01", bounds=(0.0, 1.0), on_error="undefined", primary=True),
    Metric("escalation_rate", kind="mean01", higher_is_better=False, bounds=(0.0, 1.0), on_error="undefined"),
)


@dataclass(frozen=True, slots=True)
class Routing(OneAnswer):
    """Share of answers given by the part that should answer, and share of answers that a cheaper part did not give.

    A system says who answered in `meta.route` of its answer, a cascade or fallback in `meta.escalated` how many parts
    were passed over. `field` = where the right route stands in the sample's meta, a name or a list of names. `names` =
    role of the system -> name in the data, where they differ: `{'steps[0]': 'easy'}`. A candidate that does not route
    has no routing accuracy (nor has a place in a list, such as `members[1]`, without a name), and one that does not
    escalate no escalation rate: undefined, not 0. Needs no target.
    """

    field: str = "route"
    names: Mapping[str, str] = option(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.names, Mapping) or not all(isinstance(name, str) for name in self.names.values()):
            raise ValueError(f"names={self.names!r} must be role: name")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`routing_accuracy` and `escalation_rate`, rates."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Read what the system says of its answer; a failed one says nothing."""
        if response.error is not None:
            return unscorable(_METRICS, f"{response.error.kind.value}: {response.error.message}")
        return {"routing_accuracy": self._route(sample, response), "escalation_rate": _escalated(response)}

    def problem(self, sample: Sample) -> str | None:
        """A right route that is no name."""
        wanted = self._wanted(sample)
        if wanted is None or (isinstance(wanted, tuple) and wanted and all(isinstance(one, str) for one in wanted)):
            return None
        return f"meta.{self.field} is {kind(sample.meta[self.field])}; the name of a route or a list of names is needed"

    def _wanted(self, sample: Sample) -> Any:
        found = sample.meta.get(self.field)
        return (found,) if isinstance(found, str) else tuple(found) if isinstance(found, (list, tuple)) else found

    def _route(self, sample: Sample, response: Response) -> Score:
        role = response.meta.get("route")
        if not isinstance(role, str):
            return Score(None, reason="the answer does not say which part gave it")
        wanted = self._wanted(sample)
        if wanted is None:
            return Score(None, answer=role, reason=f"the sample has no meta.{self.field}")
        taken = self.names.get(role, role)
        if taken.endswith("]"):
            return Score(None, answer=role, reason=f"{role} is a place in a list; say which route it is with `names`")
        right = taken in wanted
        return Score(float(right), answer=taken, reason=None if right else f"not {' or '.join(wanted)}")


def _escalated(response: Response) -> Score:
    count = response.meta.get("escalated")
    if isinstance(count, bool) or not isinstance(count, (int, float)):
        return Score(None, reason="the answer does not say whether it was escalated")
    return Score(float(count > 0), answer=f"{count:g} passed over")


def make(**options: Any) -> Routing:
    """Build from options; raises ValueError naming the known ones."""
    return build(Routing, options)
