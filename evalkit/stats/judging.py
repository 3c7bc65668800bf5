"""Order effects of a judge that sees every pair in both orders: conflicts, primacy, and when it is unfit to judge."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MOST_CONFLICT = 0.30
MOST_PRIMACY = 0.15
VERDICTS = ("first", "second", "tie")


@dataclass(frozen=True, slots=True)
class Orders:
    """Counts over pairs that were judged in both orders; a pair counts once.

    `pairs` = all, `conflicts` = the two verdicts name different answers (or one is a tie), `first_first` and
    `second_second` = both verdicts took the same slot, which are conflicts too.
    """

    pairs: int
    conflicts: int
    first_first: int
    second_second: int


def orders(verdicts: Iterable[tuple[str, str]]) -> Orders:
    """Count pairs of verdicts (first, second or tie), with the answers swapped for the second one.

    Raises ValueError for a verdict that is none of these.
    """
    listed = list(verdicts)
    wrong = next((said for pair in listed for said in pair if said not in VERDICTS), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is no verdict; known: {', '.join(VERDICTS)}")
    return Orders(
        pairs=len(listed),
        conflicts=sum(conflict(*pair) for pair in listed),
        first_first=listed.count(("first", "first")),
        second_second=listed.count(("second", "second")),
    )


def conflict(one: str, swapped: str) -> bool:
    """Whether two verdicts about one pair, in both orders, disagree about who is better."""
    agreeing = (("first", "second"), ("second", "first"), ("tie", "tie"))
    return (one, swapped) not in agreeing


def conflict_rate(counts: Orders) -> float | None:
    """Share of pairs whose verdicts disagree, 0..1; None without pairs."""
    return counts.conflicts / counts.pairs if counts.pairs else None


def primacy(counts: Orders) -> float | None:
    """(both first - both second) / pairs, -1..1: above 0 the judge prefers what it sees first; None without pairs."""
    return (counts.first_first - counts.second_second) / counts.pairs if counts.pairs else None


def slot_p_value(counts: Orders) -> float | None:
    """Exact two-sided binomial p that the conflicts with one slot twice fall on both slots alike; None without any."""
    n, k = counts.first_first + counts.second_second, min(counts.first_first, counts.second_second)
    if n == 0:
        return None
    return min(1.0, 2 * sum(math.comb(n, taken) for taken in range(k + 1)) / (1 << n))


def unfit(
    counts: Orders, *, most_conflict: float = MOST_CONFLICT, most_primacy: float = MOST_PRIMACY
) -> tuple[str, ...]:
    """Why a gate must not stand on this judge: one reason per rule that it breaks; empty when it is fit.

    Unfit when the conflict rate is above 0.30 or the primacy effect above 0.15 either way, or when nothing was judged.
    """
    rate, effect = conflict_rate(counts), primacy(counts)
    if rate is None or effect is None:
        return ("no pair was judged in both orders",)
    reasons = []
    if rate > most_conflict:
        reasons.append(f"its verdicts change with the order in {rate:.0%} of the pairs (at most {most_conflict:.0%})")
    if abs(effect) > most_primacy:
        slot = "first" if effect > 0 else "second"
        reasons.append(f"it prefers the {slot} answer (primacy {effect:+.2f}, at most {most_primacy:.2f})")
    return tuple(reasons)
