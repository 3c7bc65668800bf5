"""What claims are tested on: the newest complete answers of each candidate, scored as the claim says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.app.guardrails import Emitted
from evalkit.app.leaderboard import Standing, standings
from evalkit.app.pairing import Matching, alone, draw, has_slice, match, part
from evalkit.app.protocols import under
from evalkit.app.scored_anew import rescorer
from evalkit.app.scoring import Prepared
from evalkit.app.sides import StoredSide, metric_names, scorer_of
from evalkit.app.workspace import Workspace
from evalkit.config.claims import Stated
from evalkit.core.errors import InvalidRun, MissingComponent, did_you_mean
from evalkit.core.types import Metric
from evalkit.stats.fold import Observations
from evalkit.stats.paired import Pair
from evalkit.store import sides as stored

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OTHER_SIGNATURE = "other signature"


@dataclass
class Desk:
    """Reads the open store for claims, each thing once. Its methods raise InvalidRun saying why there is nothing."""

    connection: DuckDBPyConnection
    workspace: Workspace
    _sides: dict[str, StoredSide] = field(default_factory=dict)

    @cached_property
    def suites(self) -> Mapping[str, Sequence[Standing]]:
        """The entries that stand side by side, by suite."""
        return standings(self.connection, spent=False)

    def standing(self, suite: str, candidate: str) -> Standing:
        """The entry of a candidate on a suite's leaderboard."""
        members = self._members(suite)
        found = next((one for one in members if one.candidate == candidate), None)
        if found is None:
            names = [one.candidate for one in members]
            hint = did_you_mean(candidate, names) or f"candidates with answers: {', '.join(names[:8])}"
            raise InvalidRun(f"no entry: {candidate!r} was never asked on {suite!r}; {hint}")
        if not found.complete:
            why = found.entry["reason"] or "cells have no answer"
            raise InvalidRun(f"the entry of {candidate!r} is {found.entry['status']}: {why}")
        return found

    def any_of(self, suite: str) -> Standing:
        """The entry at the top of a suite's leaderboard."""
        return self._members(suite)[0]

    def _members(self, suite: str) -> Sequence[Standing]:
        members = self.suites.get(suite)
        if members is None:
            hint = did_you_mean(suite, self.suites) or f"suites with answers: {', '.join(self.suites) or 'none'}"
            raise InvalidRun(f"no entry: suite {suite!r} was never run here; {hint}")
        return members

    def side(self, one: Standing) -> StoredSide:
        """The answers of an entry. Refused where more of them failed than the suite allows."""
        ident = str(one.entry["entry_id"])
        if ident not in self._sides:
            plain = StoredSide(self.connection, ident, one.candidate, rescorer(self.workspace))
            slices = tuple((plain.facts.get("spec") or {}).get("slices") or ())
            self._sides[ident] = StoredSide(self.connection, ident, one.candidate, plain.rescore, slices)
        side = self._sides[ident]
        limits = (side.facts.get("spec") or {}).get("limits") or {}
        allowed, failed = float(limits.get("max_error_rate", 0.02)), float(side.failed().mean())
        if failed > allowed:
            raise InvalidRun(f"errors: {failed:.1%} of the answers of {one.candidate!r} failed, {allowed:.1%} may")
        return side

    def scorer(self, stated: Stated, side: StoredSide) -> tuple[Metric, Prepared]:
        """The claim's metric and its scorer, with the normaliser and extraction that the claim states."""
        name = str(stated.claim.metric)
        own = self.own_scorer(name, side)
        try:
            used = under(own, stated.protocol)
        except (ValueError, MissingComponent) as error:
            raise InvalidRun(f"{OTHER_SIGNATURE}: {error}") from error
        return next(metric for metric in used.metrics if metric.name == name), used

    def own_scorer(self, name: str, side: StoredSide) -> Prepared:
        """The scorer behind a metric of a side, as the suite has it."""
        known = metric_names(side)
        if name not in known:
            hint = did_you_mean(name, known) or f"its metrics: {', '.join(known)}"
            raise InvalidRun(f"suite {side.facts['suite']!r} does not measure {name!r}; {hint}")
        try:
            own = scorer_of(side, name)
        except MissingComponent as error:
            raise InvalidRun(f"the scorer of {name!r} cannot be built here: {error}") from error
        if own is None:
            raise InvalidRun(f"the scorer of {name!r} cannot be built from its spec alone")
        return own

    def prompts(self, side: StoredSide) -> dict[str, tuple[str, str]]:
        """Hash of each prompt of a side -> name and text."""
        rows = stored.prompts(self.connection, side.facts["prompt_hashes"])
        return {row["prompt_hash"]: (row["name"], row["body"]) for row in rows}

    def alone(self, metric: Metric, used: Prepared, side: StoredSide, where: str = "") -> Observations:
        """The scores of one side, errors at their worst."""
        return self._pair(metric, used, (side, side), alone(side.cells), where).candidate

    def pair(self, metric: Metric, used: Prepared, sides: tuple[StoredSide, StoredSide], where: str = "") -> Pair:
        """The scores of two sides on the samples of both."""
        matching = match(sides[0].cells, sides[1].cells)
        if matching.trouble:
            raise InvalidRun(matching.trouble)
        return self._pair(metric, used, sides, matching, where)

    def _pair(
        self, metric: Metric, used: Prepared, sides: tuple[StoredSide, StoredSide], matching: Matching, where: str
    ) -> Pair:
        if where and not has_slice(matching, where):
            tags = sorted({tag for own in matching.tags for tag in own})
            raise InvalidRun(f"no sample is tagged {where!r}; {did_you_mean(where, tags) or 'tags come from the data'}")
        emitted = Emitted(metric, used)
        parts = [
            part(metric, emitted.of(side), side.cells, rows, matching, sparse=emitted.sparse)
            for side, rows in zip(sides, (matching.candidate, matching.baseline), strict=True)
        ]
        found = draw(metric, (parts[0], parts[1]), matching, where).headline
        if found is None:
            raise InvalidRun(f"{metric.name} has no scores to test")
        return found
