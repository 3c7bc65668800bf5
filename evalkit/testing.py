"""Assertions about models for a test suite: no regression against a baseline, judged by the same statistics."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from evalkit.app.gating import Gated
    from evalkit.core.types import Candidate, Outcome

Named = str | Path
Policy = Literal["pr", "release", "nightly"]


class ModelRegression(AssertionError):
    """A gate did not pass. `outcome` is regression, inconclusive or invalid; the text is what a person reads."""

    def __init__(self, outcome: Outcome, text: str) -> None:
        self.outcome = outcome
        super().__init__(text)


class InconclusiveWarning(UserWarning):
    """A gate could not decide, and its policy lets that pass."""


def assert_no_regression(
    suite: Named,
    candidates: Sequence[str | Candidate | Callable[..., Any]] | Mapping[str, Callable[..., Any]] = (),
    *,
    baseline: str | None = None,
    policy: Policy = "release",
    limit: int | None = None,
    budget_usd: float | None = None,
) -> list[Gated]:
    """Measure candidates on a suite and judge its gates against a baseline; returns the verdicts that did not block.

    `candidates` as in `evalkit.run`; none: those of the suite. `baseline` is a run, entry, branch, tag, commit,
    promoted name or .json file (None: main). What the store knows is not asked again. With a `budget_usd` its cost
    counts as agreed to. Raises ModelRegression when a gate regresses or may not be judged, and when it is inconclusive
    unless the policy is pr, which warns; ConfigError and InvalidRun as `evalkit.run` does.
    """
    from evalkit.app.api import run, told

    measured = run(suite, candidates, limit=limit, budget_usd=budget_usd, agree_to_cost=budget_usd is not None)
    if measured.code:
        raise ModelRegression("invalid", "the run may not be judged: " + "; ".join(measured.reasons))
    found = measured.gate(baseline=baseline, policy=policy)
    for one in found:
        text = told(one)
        if one.verdict.code:
            raise ModelRegression(one.verdict.outcome, text)
        if one.verdict.outcome != "pass":
            warnings.warn(text, InconclusiveWarning, stacklevel=2)
    return found
