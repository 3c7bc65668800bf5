"""Hard budgets in money, tokens and wall time; a call that would start beyond one does not start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from evalkit.core.units import Usage, tokens


@dataclass
class Budget:
    """What may be spent: US dollars, tokens, seconds since `begun`; None = no limit. `parent` is spent with it.

    Overshoot is at most the calls in flight. A call whose price is unknown cannot be held to a money limit, so with a
    money limit set it counts as `unpriced` and the run says so. With `share`, the totals of what is limited are kept by
    several workers: it adds (name, dollars, tokens) and returns the totals.
    """

    name: str
    usd: float | None = None
    tokens: float | None = None
    seconds: float | None = None
    clock: Callable[[], float] = lambda: 0.0
    parent: Budget | None = None
    share: Callable[[str, float, float], tuple[float, float]] | None = None
    spent_usd: float = 0.0
    spent_tokens: float = 0.0
    unpriced: int = 0
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    @property
    def label(self) -> str:
        """What is limited, in words."""
        return self.name.partition(":")[0]

    def exhausted(self) -> str | None:
        """Which limit is reached, in words; None while there is room."""
        if self.usd is not None and self.spent_usd >= self.usd:
            return f"the {self.label} budget of ${self.usd:g} is spent (${self.spent_usd:.4f})"
        if self.tokens is not None and self.spent_tokens >= self.tokens:
            return f"the {self.label} budget of {self.tokens:g} tokens is spent ({self.spent_tokens:g})"
        if self.seconds is not None and self.clock() - self.begun >= self.seconds:
            return f"the {self.label} time limit of {self.seconds:g} s is over"
        return self.parent.exhausted() if self.parent else None

    def lasts(self, seconds: float) -> bool:
        """Whether there is room now and the time limit is not over before `seconds` from now."""
        if self.exhausted() is not None:
            return False
        over = self.seconds is not None and self.clock() + seconds - self.begun >= self.seconds
        return not over and (self.parent is None or self.parent.lasts(seconds))

    def spend(self, usage: Usage, usd: float | None) -> None:
        """Count what a call used here and in the parents."""
        if usd is None:
            self.unpriced += 1
        # Sharing costs a lock for every call, so only what is limited is shared.
        if self.share is not None and (self.usd is not None or self.tokens is not None):
            self.spent_usd, self.spent_tokens = self.share(self.name, usd or 0.0, tokens(usage))
        else:
            self.spent_usd += usd or 0.0
            self.spent_tokens += tokens(usage)
        if self.parent:
            self.parent.spend(usage, usd)
