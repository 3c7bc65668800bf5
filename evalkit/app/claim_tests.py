"""One claim on one's own data: the test, its verdict, and what else would have given the claimed number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evalkit.app.claimed_sides import OTHER_SIGNATURE, Desk
from evalkit.app.leaderboard import Standing
from evalkit.app.protocols import Point, points
from evalkit.app.scoring import Prepared
from evalkit.app.sides import StoredSide
from evalkit.config.claims import Stated
from evalkit.core.errors import ConfigError, InvalidRun
from evalkit.core.types import Metric
from evalkit.gate.rules import is_share, named
from evalkit.stats import fold
from evalkit.stats.claimed import Claimed, Departure, value_claim
from evalkit.stats.fold import Observations
from evalkit.stats.multiplicity import holm
from evalkit.stats.paired import Pair, Question, compare
from evalkit.stats.quantiles import normal_quantile

ClaimVerdict = Literal["confirmed", "consistent", "contradicted", "not testable"]
ALPHA = 0.05
LEAST_GROUPS = 10
LEAST_SLICE = 10
BLIND = 10.0
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Signal:
    """Something else than the whole that reaches the claimed value: a slice, a repeat, a normaliser, an extraction."""

    kind: str
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Tested:
    """A claim with what the data say; numbers are None where it could not be tested.

    `delta` = own - claimed value, or who - beaten; `p_against` and `p_for` speak against the claim and for it, adjusted
    over the table in `..._adjusted`. `mde` = the departure that would be found in 80 % of cases.
    """

    stated: Stated
    verdict: ClaimVerdict
    reason: str
    metric: Metric | None = None
    own: float | None = None
    low: float | None = None
    high: float | None = None
    other: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    p_against: float | None = None
    p_for: float | None = None
    p_against_adjusted: float | None = None
    p_for_adjusted: float | None = None
    tolerance: float = 0.0
    n: int = 0
    groups: int = 0
    method: str = ""
    mde: float | None = None
    needed: int | None = None
    entry_id: str = ""
    run_id: str = ""
    rescored: bool = False
    points: tuple[Point, ...] = ()
    signals: tuple[Signal, ...] = ()

    @property
    def differences(self) -> tuple[Point, ...]:
        """Points of the protocol in which claim and own measurement differ."""
        return tuple(point for point in self.points if point.state == "differs")

    @property
    def share(self) -> bool:
        """Whether its values are shares from 0 to 1."""
        return self.metric is not None and is_share(self.metric)


def examine(desk: Desk, stated: Stated) -> Tested:
    """Test a claim by itself; `settle` then adjusts for the whole table and gives the verdict.

    Raises ConfigError for a value that the metric cannot have.
    """
    plain = Tested(stated, "not testable", "")
    try:
        one = desk.standing(str(stated.claim.suite), stated.who)
        side = desk.side(one)
        plain = replace(plain, entry_id=side.entry_id, run_id=str(side.facts["run_id"]))
        try:
            metric, used = desk.scorer(stated, side)
        except InvalidRun as error:
            return replace(plain, reason=str(error))
        found = tuple(points(stated.protocol, side, used, desk.prompts(side)))
        own = desk.own_scorer(metric.name, side)
        plain = replace(plain, metric=metric, points=found, rescored=used.sig != own.sig)
        if stated.claim.beats is not None:
            return _rank(desk, plain, (one, side), used)
        return _value(desk, plain, side, used)
    except InvalidRun as error:
        told = str(error)
        return replace(plain, reason=f"{OTHER_SIGNATURE}: {told}" if plain.rescored else told)


def _value(desk: Desk, plain: Tested, side: StoredSide, used: Prepared) -> Tested:
    claim, metric = plain.stated.claim, plain.metric
    assert metric is not None
    assert claim.value is not None
    _possible(plain.stated, metric)
    seen = desk.alone(metric, used, side, claim.slice or "")
    tolerance = claim.tolerance or named(metric, {metric.name: claim.value}).margin
    if not tolerance:
        return replace(plain, reason="a claimed value of 0 needs a `tolerance`: 2 % of nothing is nothing")
    found = value_claim(
        metric, seen, Claimed(claim.value, tolerance, _own_se(plain.stated), claim.n), seed=int(side.facts["seed"])
    )
    if isinstance(found, str):
        return replace(plain, reason=found, n=seen.samples, groups=seen.groups)
    told = replace(
        plain, own=found.own.value, low=found.own.low, high=found.own.high, other=claim.value, delta=found.delta,
        delta_low=found.low, delta_high=found.high, p_against=found.p_against, p_for=found.p_for, tolerance=tolerance,
        n=found.own.n, groups=found.own.groups, method=found.own.method, mde=found.mde, needed=found.needed,
    )  # fmt: skip
    told = _enough(told)
    return replace(told, signals=tuple(_signals(desk, told, side, used, found)))


def _possible(stated: Stated, metric: Metric) -> None:
    low, high = metric.bounds
    value = stated.claim.value or 0.0
    if (low is None or value >= low) and (high is None or value <= high):
        return
    hint = f"write {value / 100:g}" if is_share(metric) and 1 < value <= 100 else None
    told = f"{value:g} is no value that {metric.name} can have ({low} to {'any' if high is None else high})"
    raise ConfigError([stated.problem(told, hint)])


def _own_se(stated: Stated) -> float | None:
    claim = stated.claim
    if claim.se is not None or claim.interval is None:
        return claim.se
    return (claim.interval[1] - claim.interval[0]) / 2 / normal_quantile(0.975)


def _rank(desk: Desk, plain: Tested, mine: tuple[Standing, StoredSide], used: Prepared) -> Tested:
    claim, metric = plain.stated.claim, plain.metric
    assert metric is not None
    other = desk.side(desk.standing(str(claim.suite), str(claim.beats)))
    pair = desk.pair(metric, used, (mine[1], other), claim.slice or "")
    by, seed = claim.by or 0.0, int(mine[1].facts["seed"])
    found = compare(Question(metric, pair, null=by), seed=seed, resamples=RESAMPLES)
    turned = compare(Question(metric, Pair(pair.baseline, pair.candidate), null=-by), seed=seed, resamples=RESAMPLES)
    if found.delta is None or found.p_fail is None or turned.p_fail is None:
        return replace(plain, reason=f"no test: {found.method}", n=found.n, groups=found.groups)
    return _enough(
        replace(
            plain, own=found.candidate, other=found.baseline, delta=found.delta, delta_low=found.low,
            delta_high=found.high, p_against=found.p_fail, p_for=turned.p_fail, n=found.n, groups=found.groups,
            method=found.method, mde=found.mde, tolerance=by,
        )
    )  # fmt: skip


def _enough(told: Tested) -> Tested:
    if told.groups >= LEAST_GROUPS:
        return told
    few = f"only {told.groups} {'samples' if told.groups == told.n else 'clusters'}; {LEAST_GROUPS} are the least"
    return replace(told, reason=few, p_against=None, p_for=None)


def _signals(desk: Desk, told: Tested, side: StoredSide, used: Prepared, found: Departure) -> Iterator[Signal]:
    """The slice and the repeat that come nearest to a value which the whole does not reach."""
    if abs(found.delta) <= told.tolerance or told.metric is None or told.stated.claim.slice is not None:
        return
    tags = sorted({tag for own in side.cells.tags for tag in own})
    slices = {tag: desk.alone(told.metric, used, side, tag) for tag in tags}
    whole = desk.alone(told.metric, used, side)
    repeats = {f"repeat {int(r)}": whole.keep(whole.repeat == r) for r in np.unique(whole.repeat)}
    yield from nearest("slice", told, _values(told.metric, slices, LEAST_SLICE))
    if len(repeats) > 1:
        yield from nearest("repeat", told, _values(told.metric, repeats, 1))


def _values(metric: Metric, parts: Mapping[str, Observations], least: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, seen in parts.items():
        try:
            value = fold.value(metric, seen) if seen.samples >= least else None
        except ValueError:
            # A fold of several repeats has no value of one of them.
            continue
        if value is not None:
            found[name] = value
    return found


def nearest(kind: str, told: Tested, values: Mapping[str, float]) -> Iterator[Signal]:
    """The one of several values that lies nearest to the claimed one, where it reaches it within the tolerance."""
    if told.other is None or not values:
        return
    claimed = told.other
    name = min(values, key=lambda one: (abs(values[one] - claimed), one))
    if abs(values[name] - claimed) <= told.tolerance:
        yield Signal(kind, name, values[name])


def settle(tested: Sequence[Tested]) -> list[Tested]:
    """Verdicts, with p-values adjusted by Holm over the table: those against claims and those for them apart."""
    places = [place for place, one in enumerate(tested) if one.p_against is not None and one.p_for is not None]
    against = holm([tested[place].p_against or 0.0 for place in places]) if places else ()
    speaks_for = holm([tested[place].p_for or 0.0 for place in places]) if places else ()
    out = list(tested)
    for place, p_against, p_for in zip(places, against, speaks_for, strict=True):
        out[place] = _judged(replace(tested[place], p_against_adjusted=p_against, p_for_adjusted=p_for))
    return out


def _judged(one: Tested) -> Tested:
    against, speaks_for = one.p_against_adjusted or 0.0, one.p_for_adjusted or 0.0
    ranks = one.stated.claim.beats is not None
    if speaks_for <= ALPHA:
        told = "better on the same samples" if ranks else "shown to lie within the tolerance"
        return replace(one, verdict="confirmed", reason=told)
    if against <= ALPHA:
        told = "worse than claimed on the same samples" if ranks else _excluded(one)
        return replace(one, verdict="contradicted", reason=told)
    if not ranks and (blind := _blind(one)) is not None:
        return replace(one, reason=blind)
    return replace(one, verdict="consistent", reason=_open(one, ranks=ranks))


def _excluded(one: Tested) -> str:
    assert one.metric is not None
    better = ((one.delta or 0.0) > 0) == one.metric.higher_is_better
    return "excluded: the data show more than is claimed" if better else "excluded: the data show less than is claimed"


def _blind(one: Tested) -> str | None:
    """Why nothing can be said: what would be found in four of five cases is more than ten times the tolerance."""
    if one.mde is None or one.mde <= BLIND * one.tolerance:
        return None
    return f"underpowered: {one.n} samples see departures of {one.mde:.3g}, the tolerance is {one.tolerance:.3g}"


def _open(one: Tested, *, ranks: bool) -> str:
    if ranks:
        assert one.metric is not None
        ahead = ((one.delta or 0.0) > 0) == one.metric.higher_is_better and one.delta != 0
        return "not excluded, not shown" + ("" if ahead else "; the order observed is not the claimed one")
    if (one.p_against or 0.0) <= ALPHA:
        return "not excluded once all claims of the table are counted; equality within the tolerance is not shown"
    return "inside the interval; equality within the tolerance is not shown"
