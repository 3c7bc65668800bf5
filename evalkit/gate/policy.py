"""What follows from an outcome: the policies as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.core.errors import ExitCode
from evalkit.core.types import Outcome
from evalkit.gate.model import PolicyName

WORST_FIRST: tuple[Outcome, ...] = ("regression", "invalid", "inconclusive", "pass")


@dataclass(frozen=True, slots=True)
class Policy:
    """`blocks` = an inconclusive gate ends with 4; `extends` = it may buy more samples before that holds."""

    name: PolicyName
    blocks: bool
    extends: bool = False
    meaning: str = ""


POLICIES: dict[PolicyName, Policy] = {
    "pr": Policy("pr", blocks=False, meaning="inconclusive warns and does not block"),
    "release": Policy("release", blocks=True, meaning="inconclusive blocks"),
    "nightly": Policy("nightly", blocks=True, meaning="inconclusive blocks"),
    "extend": Policy("extend", blocks=True, extends=True, meaning="inconclusive asks for more, then blocks"),
}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of several in the order regression, invalid, inconclusive, pass; of none, `invalid`."""
    found = set(outcomes)
    return next((outcome for outcome in WORST_FIRST if outcome in found), "invalid")


def exit_code(outcome: Outcome, policy: PolicyName, *, final: bool = True) -> ExitCode:
    """The code that an outcome ends with; `final` False = `extend` may still buy more, so nothing blocks yet."""
    if outcome == "regression":
        return ExitCode.REGRESSION
    if outcome == "invalid":
        return ExitCode.INVALID
    rules = POLICIES[policy]
    undecided = outcome == "inconclusive" and rules.blocks and (final or not rules.extends)
    return ExitCode.INCONCLUSIVE if undecided else ExitCode.PASS
