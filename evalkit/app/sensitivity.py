"""The sensitivity panel: stored outputs scored by other normalisers and extractions, and ranks that turn with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

from evalkit.app.claimed_sides import Desk
from evalkit.app.leaderboard import Standing
from evalkit.app.protocols import variant
from evalkit.app.scoring import Prepared
from evalkit.app.sides import StoredSide
from evalkit.core.errors import InvalidRun, MissingComponent
from evalkit.core.types import Metric
from evalkit.stats import fold

MOST_SCORINGS = 400_000
LEAST_VARIANTS = 4
EXTRACTIONS = (None, "first_line", "last_line", "last_number", "boxed")
_CASE = ("ignore_case", "case_sensitive", "lowercase", "ignore_punctuation", "no_punct")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of scoring: what it changes (normaliser, extraction, option) and each candidate's value by it."""

    kind: str
    name: str
    own: bool
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Flip:
    """Two candidates whose order by one way of scoring is the other way round than the suite's own."""

    better: str
    worse: str
    variant: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A metric of a suite under several ways of scoring; the suite's own is the first variant.

    `note` says who or what was left out, and why.
    """

    suite: str
    metric: Metric
    variants: tuple[Variant, ...]
    flips: tuple[Flip, ...] = ()
    note: str = ""

    def spread(self, candidate: str) -> tuple[float, float] | None:
        """The least and the greatest value of a candidate over the variants."""
        values = [value for one in self.variants if (value := one.values.get(candidate)) is not None]
        return (min(values), max(values)) if values else None


def panel(desk: Desk, suite: str, metric: str, first: Sequence[str]) -> Panel | str:
    """Score the stored outputs of a suite's candidates in every known way; `first` are candidates that must be in it.

    No model is called and nothing stored is touched. A text says why there is no panel.
    """
    sides, left_out = _sides(desk, suite, first)
    if not sides:
        return "no entry is complete and without too many errors"
    try:
        own = desk.own_scorer(metric, sides[0][1])
        ways, missing = _ways(own)
        if len(ways) < 2:
            return f"{own.spec} knows one way of scoring only"
        kept = _affordable(sides, len(ways))
        if not kept:
            return f"more than {MOST_SCORINGS:,} scorings would be needed"
        left_out += [f"{one.candidate}: too many answers" for one, side in sides if (one, side) not in kept]
        found = next(one for one in own.metrics if one.name == metric)
        variants = tuple(
            Variant(kind, name, place == 0, {one.candidate: _value(desk, found, used, side) for one, side in kept})
            for place, (kind, name, used) in enumerate(ways)
        )
    except InvalidRun as error:
        return str(error)
    told = [*missing, *(f"left out {one}" for one in left_out)]
    return Panel(suite, found, variants, tuple(_flips(found, variants)), "; ".join(told))


def _sides(desk: Desk, suite: str, first: Sequence[str]) -> tuple[list[tuple[Standing, StoredSide]], list[str]]:
    """The complete entries, those of `first` at the head; and who is left out for errors."""
    sides: list[tuple[Standing, StoredSide]] = []
    left_out: list[str] = []
    for one in sorted(desk.suites[suite], key=lambda one: one.candidate not in first):
        try:
            if one.complete:
                sides.append((one, desk.side(one)))
        except InvalidRun as error:
            left_out.append(f"{one.candidate}: {error}")
    return sides, left_out


def _affordable(sides: Sequence[tuple[Standing, StoredSide]], ways: int) -> list[tuple[Standing, StoredSide]]:
    kept: list[tuple[Standing, StoredSide]] = []
    scorings = 0
    for one, side in sides:
        scorings += len(side.cells) * ways
        if scorings <= MOST_SCORINGS:
            kept.append((one, side))
    return kept


def _value(desk: Desk, metric: Metric, used: Prepared, side: StoredSide) -> float | None:
    return fold.value(metric, desk.alone(metric, used, side))


def _ways(own: Prepared) -> tuple[list[tuple[str, str, Prepared]], list[str]]:
    """The suite's own way and every other: (kind, name, scorer); and what this machine lacks."""
    found, missing = [("own", "as the suite scores", own)], []
    seen = {own.sig}
    for kind, name, extract, options in _changes(own):
        try:
            used = variant(own, extract=extract, **options)
        except ValueError:
            # A normaliser of another kind of scorer.
            continue
        except MissingComponent as error:
            missing.append(f"{name}: {error}")
            continue
        if used.sig not in seen:
            seen.add(used.sig)
            found.append((kind, name, used))
    return found, missing


def _changes(own: Prepared) -> Iterator[tuple[str, str, str | None, dict[str, Any]]]:
    from evalkit.scorers._base import TextScorer
    from evalkit.scorers._normalise import NORMALISERS
    from evalkit.scorers._transcripts import LIBRARIES

    scorer = own.scorer
    if hasattr(scorer, "normaliser"):
        for name in dict.fromkeys((*NORMALISERS, *LIBRARIES)):
            yield "normaliser", name, own.extract, {"normaliser": name}
    for one in fields(scorer):  # type: ignore[arg-type]
        value = getattr(scorer, one.name)
        if one.name in _CASE and isinstance(value, bool):
            yield "option", f"{one.name}={not value}", own.extract, {one.name: not value}
    if isinstance(scorer, TextScorer):
        for extract in EXTRACTIONS:
            yield "extraction", extract or "whole answer", extract, {}


def _flips(metric: Metric, variants: Sequence[Variant]) -> Iterator[Flip]:
    sign = 1 if metric.higher_is_better else -1
    first = variants[0].values
    for one in variants[1:]:
        for a, b in combinations(first, 2):
            before, after = (_gap(values, a, b, sign) for values in (first, one.values))
            if before * after < 0:
                yield Flip(*((a, b) if after > 0 else (b, a)), one.name)


def _gap(values: Mapping[str, float | None], a: str, b: str, sign: int) -> float:
    left, right = values.get(a), values.get(b)
    return 0.0 if left is None or right is None else sign * (left - right)
