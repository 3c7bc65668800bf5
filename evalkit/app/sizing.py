"""How large a run must be: what the present size can see, what seeing an effect takes, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.app.gated_suite import GatedSuite
from evalkit.app.loading import LoadedSuite, Selection, load
from evalkit.app.pilots import Pilot, Spread
from evalkit.app.workspace import Workspace
from evalkit.core.errors import ConfigError, InvalidRun, UsageError, did_you_mean
from evalkit.gate.model import Rule
from evalkit.gate.rules import named
from evalkit.stats.power import mde, noninferiority_samples, repeats_worth, samples_needed, se_floor
from evalkit.store.sizing import PerAnswer

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = (
    "suite", "metric", "slice", "candidate", "mode", "samples", "repeats", "margin", "sees", "underpowered", "detect",
    "repeats_advised", "samples_needed", "samples_to_pass", "se", "se_floor", "sd", "design_effect", "variance_from",
    "calls", "usd", "tokens", "seconds", "unit", "share", "notes",
)  # fmt: skip
BLUNT = 2.0
MODES_WITH_PASS = ("regression", "noninferiority")


@dataclass(frozen=True, slots=True)
class Aim:
    """What is to be found: an effect (None: each gate's margin) with power, at one-sided alpha; for some metrics."""

    detect: float | None = None
    power: float = 0.8
    alpha: float = 0.05
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.detect is not None and not (math.isfinite(self.detect) and self.detect > 0):
            raise UsageError(f"--detect {self.detect:g}: an effect is a number above 0, in the metric's own unit")
        for name, value in (("power", self.power), ("alpha", self.alpha)):
            if not 0 < value < 1:
                raise UsageError(f"--{name} {value:g} must lie between 0 and 1")


def plan(workspace: Workspace, paths: Sequence[Path], candidates: Sequence[str], aim: Aim) -> list[dict[str, Any]]:
    """One row per gate (without gates: the main metric) and candidate, with the columns of `COLUMNS`.

    Asks nobody. Raises ConfigError with everything wrong in the suites, InvalidRun when nothing is selected.
    """
    found = load(workspace, paths, Selection())
    gated = [(one, GatedSuite(one.file, one.prepared)) for one in found.suites]
    problems = [*found.problems, *(problem for _, suite in gated for problem in suite.problems)]
    if problems:
        raise ConfigError(problems)
    if not gated:
        raise InvalidRun("no suite measures anything: there is nothing to plan")
    return _planned(workspace, gated, candidates, aim)


def _planned(
    workspace: Workspace, gated: Sequence[tuple[LoadedSuite, GatedSuite]], candidates: Sequence[str], aim: Aim
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with _opened(workspace) as connection:
        for loaded, suite in gated:
            for candidate in candidates or (None,):
                pilot = Pilot(connection, workspace, suite, candidate)
                rows += _rows(loaded, suite, pilot, aim)
    return rows


def underpowered(workspace: Workspace, suites: Iterable[LoadedSuite]) -> list[str]:
    """What to say, before anything is spent, of gates that samples of this number will hardly decide."""
    gated = [(one, GatedSuite(one.file, one.prepared)) for one in suites if one.file.model.gates]
    # What is wrong with a gate is the gate command's to say: a run only measures.
    sound = [(one, suite) for one, suite in gated if not suite.problems]
    rows = _planned(workspace, sound, (), Aim()) if sound else []
    return [
        f"underpowered: {row['samples']} samples of {row['suite']} find a change of {row['metric']} in 80 % of cases "
        f"from {row['sees']:.3g} on, and the margin is {row['margin']:.3g}; `evalkit plan` says what it takes"
        for row in rows
        if row["underpowered"]
    ]


def _opened(workspace: Workspace) -> AbstractContextManager[DuckDBPyConnection | None]:
    """The store; nothing before the first run has made one."""
    return workspace.loaded() if workspace.store.path.is_file() else nullcontext()


def _rows(loaded: LoadedSuite, suite: GatedSuite, pilot: Pilot, aim: Aim) -> Iterator[dict[str, Any]]:
    costs = pilot.costs()
    for rule in _wanted(suite, aim):
        spread = pilot.spread(suite.known[rule.metric], rule.slice, fixed=rule.mode == "threshold")
        yield _row(loaded, _with_margin(suite, rule, spread), spread, costs, aim) | {
            "candidate": pilot.candidate or spread.pilot or None
        }


def _wanted(suite: GatedSuite, aim: Aim) -> list[Rule]:
    rules = [rule for rule in suite.rules({}) if not aim.metrics or rule.metric in aim.metrics]
    there = {rule.metric for rule in rules}
    names = aim.metrics or (() if rules else (suite.primary,))
    for name in names:
        if name not in suite.known:
            hint = did_you_mean(name, suite.known) or f"known: {', '.join(suite.known)}"
            raise UsageError(f"suite {suite.name!r} has no metric {name!r}; {hint}")
        if name not in there:
            rules.append(named(suite.known[name].metric, {}))
    return rules


def _with_margin(suite: GatedSuite, rule: Rule, spread: Spread) -> Rule:
    """The rule with a margin that is a share of the value made absolute, where an earlier run has a value."""
    if spread.value is None:
        return rule
    values = {rule.name: spread.value}
    again = [
        one for one in suite.rules(values) if (one.metric, one.slice, one.mode) == (rule.metric, rule.slice, rule.mode)
    ]
    return again[0] if again else named(suite.known[rule.metric].metric, values)


def _row(loaded: LoadedSuite, rule: Rule, spread: Spread, costs: PerAnswer, aim: Aim) -> dict[str, Any]:
    planned = len(loaded.indices)
    samples = max(1, round(planned * spread.share)) if rule.slice else planned
    sd = spread.at(loaded.repeats)
    sees = None if sd is None else mde(sd / math.sqrt(samples), alpha=aim.alpha, power=aim.power)
    margin = rule.margin or None
    detect = aim.detect or margin
    advised = _repeats(spread, loaded.repeats)
    best = spread.at(advised)
    needed = _needed(best, detect, aim)
    passing = _passing(best, rule, aim)
    most = max((count for count in (needed, passing if aim.detect is None else None) if count), default=None)
    calls = None if most is None else math.ceil(most / spread.share) * advised
    return {
        "suite": loaded.name, "metric": rule.metric, "slice": rule.slice, "mode": rule.mode, "samples": samples,
        "repeats": loaded.repeats, "margin": margin, "sees": sees,
        "underpowered": None if sees is None or margin is None else sees > BLUNT * margin, "detect": detect,
        "repeats_advised": advised, "samples_needed": needed, "samples_to_pass": passing,
        "se": None if sd is None else sd / math.sqrt(samples),
        "se_floor": None if spread.between is None else se_floor(spread.between * spread.design_effect, samples),
        "sd": sd, "design_effect": spread.design_effect, "variance_from": spread.source, "calls": calls,
        **_price(calls, costs), "unit": rule.unit, "share": rule.share, "notes": [*spread.notes, *_notes(rule, spread)],
    }  # fmt: skip


def _repeats(spread: Spread, present: int) -> int:
    """How many repeats are worth it; without repeats in an earlier run nothing is known, and one stays one."""
    if spread.between is None or spread.within is None:
        return present
    return repeats_worth(spread.between, spread.within)


def _needed(sd: float | None, detect: float | None, aim: Aim) -> int | None:
    return None if sd is None or not detect else samples_needed(sd, detect, alpha=aim.alpha, power=aim.power)


def _passing(sd: float | None, rule: Rule, aim: Aim) -> int | None:
    """Samples by which a candidate without any change passes the gate."""
    if sd is None or not rule.margin or rule.mode not in MODES_WITH_PASS:
        return None
    return noninferiority_samples(sd, rule.margin, alpha=aim.alpha, power=aim.power)


def _price(calls: int | None, costs: PerAnswer) -> Mapping[str, float | None]:
    """What so many answers take; unknown where a single one's is."""
    means = {"usd": costs.usd, "tokens": costs.tokens, "seconds": costs.seconds}
    return {name: None if calls is None or mean is None else calls * mean for name, mean in means.items()}


def _notes(rule: Rule, spread: Spread) -> Iterator[str]:
    if rule.slice and spread.value is None:
        yield "how many samples the slice has is not known before a run"
    if rule.margin_default:
        yield "the margin is the default: no gate declares one"
    if spread.within == 0 and spread.repeats > 1:
        yield "all repeats of the earlier run are equal: more of them tell nothing (temperature 0, or a cache)"
