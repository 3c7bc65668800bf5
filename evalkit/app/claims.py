"""Claims against one's own data: every claim tested, verdicts over the whole table, the panel, rows and a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.app.claim_tests import Tested, examine, nearest, settle
from evalkit.app.claimed_sides import Desk
from evalkit.app.sensitivity import Panel, panel
from evalkit.app.workspace import Workspace
from evalkit.config.claims import Stated, load_claims
from evalkit.core.errors import ConfigError, ExitCode, Problem

COLUMNS = (
    "claim", "who", "suite", "metric", "slice", "beats", "claimed", "own", "low", "high", "delta", "delta_low",
    "delta_high", "verdict", "reason", "p", "p_adjusted", "p_confirm", "p_confirm_adjusted", "tolerance", "n", "groups",
    "method", "mde", "samples_needed", "rescored", "differences", "unstated", "signals", "source", "date", "run_id",
    "unit",
)  # fmt: skip
SENSITIVITY = (
    "suite", "metric", "candidate", "kind", "variant", "own", "value", "least", "greatest", "turns", "unit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checked:
    """Every claim with its verdict, and the panels of the metrics that claims of value are about.

    `unpanelled` says for which suite and metric there is no panel, and why.
    """

    tested: tuple[Tested, ...]
    panels: tuple[Panel, ...] = ()
    unpanelled: tuple[tuple[str, str, str], ...] = ()
    generated: str = ""

    @property
    def code(self) -> ExitCode:
        """3 when a claim is contradicted, 5 when none could be tested."""
        verdicts = {one.verdict for one in self.tested}
        if "contradicted" in verdicts:
            return ExitCode.REGRESSION
        return ExitCode.INVALID if verdicts == {"not testable"} else ExitCode.PASS


def check(workspace: Workspace, path: Path) -> Checked:
    """Test the claims of a file. Raises ConfigError with everything wrong in it; asks nobody."""
    found = load_claims(path)
    if found.problems:
        raise ConfigError(found.problems)
    with workspace.loaded() as connection:
        desk = Desk(connection, workspace)
        tested = _examined(desk, found.stated)
        panels, without = _panels(desk, tested)
        newest = max((str(one.entry["run_id"]) for members in desk.suites.values() for one in members), default="")
    settled = [_with_panel(one, panels) for one in settle(tested)]
    return Checked(tuple(settled), tuple(panels), tuple(without), f"after run {newest}" if newest else "no runs yet")


def _examined(desk: Desk, stated: Sequence[Stated]) -> list[Tested]:
    tested: list[Tested] = []
    problems: list[Problem] = []
    for one in stated:
        try:
            tested.append(examine(desk, one))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return tested


def _panels(desk: Desk, tested: Sequence[Tested]) -> tuple[list[Panel], list[tuple[str, str, str]]]:
    wanted: dict[tuple[str, str], list[str]] = {}
    for one in tested:
        if one.own is not None:
            claim = one.stated.claim
            named = [one.stated.who, *([claim.beats] if claim.beats else [])]
            wanted.setdefault((str(claim.suite), str(claim.metric)), []).extend(named)
    panels: list[Panel] = []
    without: list[tuple[str, str, str]] = []
    for (suite, metric), first in wanted.items():
        found = panel(desk, suite, metric, first)
        if isinstance(found, Panel):
            panels.append(found)
        else:
            without.append((suite, metric, found))
    return panels, without


def _with_panel(one: Tested, panels: Sequence[Panel]) -> Tested:
    """A claim with the signals of the panel: ways of scoring by which the claimed value is reached."""
    claim = one.stated.claim
    about = next((p for p in panels if (p.suite, p.metric.name) == (claim.suite, claim.metric)), None)
    if about is None or claim.value is None or claim.slice or abs(one.delta or 0.0) <= one.tolerance:
        return one
    found = []
    for kind in ("normaliser", "extraction", "option"):
        values = {v.name: value for v in about.variants if v.kind == kind and (value := v.values.get(one.stated.who))}
        found += list(nearest(kind, one, values))
    return replace(one, signals=(*one.signals, *found))


def rows(checked: Checked) -> list[dict[str, Any]]:
    """One row per claim with the columns of `COLUMNS`."""
    return [_row(one) for one in checked.tested]


def _row(one: Tested) -> dict[str, Any]:
    claim = one.stated.claim
    return {
        "claim": one.stated.place,
        "who": claim.who, "suite": claim.suite, "metric": claim.metric, "slice": claim.slice or "",
        "beats": claim.beats, "claimed": claim.value if claim.value is not None else claim.by or 0.0,
        "own": one.own, "low": one.low, "high": one.high, "delta": one.delta, "delta_low": one.delta_low,
        "delta_high": one.delta_high, "verdict": one.verdict, "reason": one.reason, "p": one.p_against,
        "p_adjusted": one.p_against_adjusted, "p_confirm": one.p_for, "p_confirm_adjusted": one.p_for_adjusted,
        "tolerance": one.tolerance or None, "n": one.n, "groups": one.groups, "method": one.method, "mde": one.mde,
        "samples_needed": one.needed, "rescored": one.rescored,
        "differences": [f"{p.name}: claimed {p.claimed}, own {p.own}" for p in one.differences],
        "unstated": [p.name for p in one.points if p.state == "unstated"],
        "signals": [f"{s.kind} {s.name}: {s.value:.4g}" for s in one.signals],
        "source": claim.source, "date": claim.date, "run_id": one.run_id, "unit": "%" if one.share else "",
    }  # fmt: skip


def panel_rows(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    """One row per candidate and way of scoring, with the columns of `SENSITIVITY`."""
    for one in panels:
        for way in one.variants:
            for candidate, value in way.values.items():
                spread = one.spread(candidate) or (None, None)
                yield {
                    "suite": one.suite, "metric": one.metric.name, "candidate": candidate, "kind": way.kind,
                    "variant": way.name, "own": way.own, "value": value, "least": spread[0], "greatest": spread[1],
                    "turns": [f"above {f.worse}" for f in one.flips if (f.variant, f.better) == (way.name, candidate)],
                    "unit": one.metric.unit,
                }  # fmt: skip


def sensitivity(workspace: Workspace, suite: str, metric: str | None) -> tuple[Panel | str, str]:
    """The panel of a suite's metric (None: its main one), and the metric's name; raises InvalidRun without entries."""
    with workspace.loaded() as connection:
        desk = Desk(connection, workspace)
        first = desk.any_of(suite)
        name = metric or str((first.primary or {}).get("metric"))
        return panel(desk, suite, name, ()), name
