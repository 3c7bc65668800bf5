"""Ranks as intervals: which rank each entry of a leaderboard may have, all of them right at once with 95 %."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit import registry
from evalkit.app.leaderboard import Standing, standings
from evalkit.core.errors import MissingComponent
from evalkit.core.keys import digest
from evalkit.core.spec import Spec
from evalkit.core.types import Metric
from evalkit.store import ranking as stored

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION = 1
LEVEL = 0.95
RESAMPLES = 2000
LEAST_SHRUNK = 4


@dataclass(frozen=True, slots=True)
class Placing:
    """Who was ranked on which metric; `excluded` names everybody else with the reason; `why` = there are no ranks."""

    metric: str | None
    among: int
    excluded: tuple[tuple[str, str], ...] = ()
    why: str | None = None


def place(connection: DuckDBPyConnection, suites: Mapping[str, Sequence[Standing]]) -> dict[str, Placing]:
    """Write rank and shrunken value into the standings of each suite; stored ranks are taken where there are some."""
    return {name: _place(connection, members) for name, members in suites.items()}


def keep(connection: DuckDBPyConnection, run_id: str) -> None:
    """Rank the suites of a run, its own entries and all that stand beside them, so that reading need not."""
    own = standings(connection, run_id, spent=False)
    everybody = {name: members for name, members in standings(connection, spent=False).items() if name in own}
    for members in (*own.values(), *everybody.values()):
        ranked, _ = _may_rank(members)
        if len(ranked) > 1 and not stored.ranks(connection, set_id := _set_id(ranked)):
            _place(connection, members)
            stored.put_ranks(connection, [_row(set_id, one) for one in ranked if one.rank is not None])


def _place(connection: DuckDBPyConnection, members: Sequence[Standing]) -> Placing:
    ranked, excluded = _may_rank(members)
    if len(ranked) < 2:
        return Placing(None, len(ranked), excluded, "fewer than two entries stand side by side")
    name = str(_main(ranked[0])["metric"])
    known = stored.ranks(connection, _set_id(ranked))
    if len(known) == len(ranked):
        for one in ranked:
            best, worst, one.shrunken = known[one.entry["entry_id"]]
            one.rank = (best, worst)
        return Placing(name, len(ranked), excluded)
    why = _rank(connection, ranked)
    return Placing(name, len(ranked), excluded, why)


def _rank(connection: DuckDBPyConnection, ranked: Sequence[Standing]) -> str | None:
    """Rank the entries; returns why that cannot be done."""
    from evalkit.app.results import scored_columns
    from evalkit.stats.ranking import rank_intervals

    main = _main(ranked[0])
    try:
        metric = metric_of(connection, ranked[0].entry["entry_id"], main["scorer_sig"], main["metric"])
    except (MissingComponent, ValueError) as error:
        return f"the scorer cannot be built here: {error}"
    if metric.fresh_only:
        return f"{metric.name} is measured on fresh calls only, which differ between entries"
    seen = [scored_columns(connection, one.entry["entry_id"], main["scorer_sig"], metric).seen for one in ranked]
    try:
        found = rank_intervals(metric, seen, seed=int(ranked[0].entry["seed"]), resamples=RESAMPLES, level=LEVEL)
    except ValueError as error:
        return str(error)
    for one, rank in zip(ranked, found, strict=True):
        one.rank = rank
    _shrink(ranked)
    return None


def _shrink(ranked: Sequence[Standing]) -> None:
    from evalkit.stats.shrinkage import shrink

    measured = [one for one in ranked if (_main(one)["se"] or 0.0) > 0]
    if len(measured) < LEAST_SHRUNK:
        return
    found = shrink([_main(one)["value"] for one in measured], [_main(one)["se"] for one in measured])
    for one, value in zip(measured, found.estimates, strict=True):
        one.shrunken = value


def _may_rank(members: Sequence[Standing]) -> tuple[list[Standing], tuple[tuple[str, str], ...]]:
    """Complete entries with a value, few errors and the signature of most of them; the others with the reason."""
    with_value = [one for one in members if one.complete and one.primary is not None]
    found = Counter(_main(one)["signature"] for one in with_value)
    usual = min(found, key=lambda signature: (-found[signature], signature), default="")
    reasons = {id(one): _excluded(one, usual) for one in members}
    ranked = [one for one in members if reasons[id(one)] is None]
    return ranked, tuple((one.candidate, why) for one in members if (why := reasons[id(one)]) is not None)


def _excluded(one: Standing, usual: str) -> str | None:
    if one.entry["status"] == "skipped":
        return f"skipped: {one.entry['reason'] or 'no reason given'}"
    if not one.complete:
        return f"incomplete: {one.entry['reason'] or 'cells have no answer'}"
    if one.primary is None or one.primary["value"] is None:
        return "its main metric is not defined"
    failed = one.primary["errored"] / max(1, one.entry["planned"])
    if failed > one.entry["max_error_rate"]:
        return f"errors: {failed:.1%} of its cells failed, {one.entry['max_error_rate']:.1%} may"
    return None if one.primary["signature"] == usual else "scored under another signature"


def _main(one: Standing) -> dict[str, Any]:
    assert one.primary is not None
    return one.primary


def _set_id(ranked: Sequence[Standing]) -> str:
    main = _main(ranked[0])
    entries = sorted(str(one.entry["entry_id"]) for one in ranked)
    decided = [VERSION, main["scorer_sig"], main["metric"], ranked[0].entry["seed"], RESAMPLES, LEVEL]
    return digest(["ranking", entries, *decided])


def _row(set_id: str, one: Standing) -> dict[str, Any]:
    assert one.rank is not None
    best, worst = one.rank
    main = _main(one)
    return {
        "set_id": set_id, "entry_id": one.entry["entry_id"], "scorer_sig": main["scorer_sig"],
        "metric": main["metric"], "best": best, "worst": worst, "shrunken": one.shrunken,
    }  # fmt: skip


def metric_of(connection: DuckDBPyConnection, entry_id: str, sig: str, name: str) -> Metric:
    """A metric with its fold, from the scorer that an entry was scored with.

    Raises ValueError where the scorer no longer has it, MissingComponent where the scorer cannot be built here.
    """
    spec = stored.scorer_spec(connection, entry_id, sig)
    if spec == "checks":
        from evalkit.app.checks import per_sample

        metrics: Sequence[Metric] = per_sample(None).metrics
    else:
        metrics = registry.make("scorers", Spec.parse(spec)).metrics
    found = next((metric for metric in metrics if metric.name == name), None)
    if found is None:
        raise ValueError(f"scorer {spec} no longer has the metric {name}")
    return found
