"""A suite as a gate sees it: its gates, what its scorers emit, and where things stand in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from evalkit.app.checks import per_sample
from evalkit.app.guardrails import Emitted, emitted, metrics_of
from evalkit.app.scoring import Prepared, prepare
from evalkit.config.suite import SuiteFile, shown
from evalkit.core.errors import Problem
from evalkit.gate.model import Rule
from evalkit.gate.rules import resolve


@dataclass(frozen=True)
class GatedSuite:
    """A suite file with its scorers built; its data are not read."""

    file: SuiteFile
    prepared: tuple[Prepared, ...]

    @classmethod
    def of(cls, file: SuiteFile) -> GatedSuite:
        """Build the scorers. Raises ValueError for one that cannot be built."""
        model = file.model
        made = tuple(prepare(spec, extract=model.task.extract, schema=file.response_schema) for spec in model.scorers)
        checks = (per_sample(model.task.extract),) if model.dataset.fields.checks is not None else ()
        return cls(file, (*made, *checks))

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.file.name

    @property
    def seed(self) -> int:
        """The seed of every resampling."""
        return self.file.model.seed

    @property
    def max_error_rate(self) -> float:
        """Share of cells that may fail."""
        return float(self.file.model.limits.max_error_rate)

    @cached_property
    def known(self) -> dict[str, Emitted]:
        """Every metric that can be had, by name."""
        return emitted(self.prepared)

    @cached_property
    def gates(self) -> Sequence[Mapping[str, Any]]:
        """The gates as JSON values."""
        return [one.model_dump(mode="json") for one in self.file.model.gates]

    @property
    def gated(self) -> frozenset[str]:
        """Metrics with a gate."""
        return frozenset(str(one["metric"]) for one in self.gates)

    @property
    def slices(self) -> tuple[str, ...]:
        """Tag prefixes of the suite."""
        return tuple(self.file.model.slices)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of samples that become tags: those of the slices and of gates on a slice."""
        named = [str(one["slice"]).partition(":")[0] for one in self.gates if one.get("slice")]
        return tuple(dict.fromkeys((*self.slices, *named)))

    @property
    def mains(self) -> tuple[str, ...]:
        """The main metric of each scorer."""
        return tuple(dict.fromkeys(one.metrics[0].name for one in self.prepared))

    @property
    def primary(self) -> str:
        """The metric that sorts the leaderboard: as named, else the first."""
        return self.file.model.primary or self.mains[0]

    def rules(self, baseline_values: Mapping[str, float]) -> tuple[Rule, ...]:
        """The gates as rules; their problems were told before."""
        found = self._resolved(baseline_values)[0]
        return tuple(replace(rule, guardrail=True) if self.known[rule.metric].guardrail else rule for rule in found)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything wrong with the gates."""
        return self._resolved({})[1]

    def _resolved(self, values: Mapping[str, float]) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
        metrics = metrics_of(self.known)
        return resolve(self.gates, metrics, values, self.file.lines, shown(self.file.path))
