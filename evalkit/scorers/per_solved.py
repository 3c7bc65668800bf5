"""What solving takes: money per solved sample, solved samples per thousand tokens, and those solved within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from evalkit.core.fold import Columns, Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.core.units import ANSWER_UNITS
from evalkit.scorers._base import unscorable
from evalkit.scorers._folds import Floats, ratio
from evalkit.scorers._inner import Resting, checked

NAMES = ("cost_per_solved", "solved_per_1k_tokens", "solved_within")
SOLVED = 1 - 1e-9


def per_thousand(columns: Columns) -> Floats:
    """1000 x solved / tokens, [B]; NaN where no token was written."""
    return 1000 * ratio(columns, numerator="solved", denominator="tokens")


_COST = Fold(across=Sums(partial(ratio, numerator="usd", denominator="solved"), keys=("usd", "solved")))
_RATE = Fold(across=Sums(per_thousand, keys=("solved", "tokens")))


def written_tokens(response: Response) -> float | None:
    """The tokens that a model wrote, reasoning included; None when they were not counted."""
    counts = [response.usage[unit] for unit in ANSWER_UNITS if unit in response.usage]
    return sum(counts) if counts else None


@dataclass(frozen=True, slots=True)
class CostPerSolved(Resting):
    """Money spent on all answers divided by the number of solved samples, in US dollars by the run's price table.

    `by` = the scorer that says what is solved (it gives 1). Wrong and refused answers cost too. An unknown price is
    unknown, never 0, and where nothing is solved the number does not exist.
    """

    by: str = "math_equal"

    def __post_init__(self) -> None:
        checked(self)

    @property
    def spec(self) -> str:
        """The scorer that says what is solved."""
        return self.by

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`cost_per_solved`, a ratio of sums."""
        options: dict[str, Any] = {"bounds": (0.0, None), "fold": _COST, "on_error": "undefined", "unit": "USD"}
        return (Metric("cost_per_solved", kind="ratio", higher_is_better=False, **options),)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Price one answer and ask whether it solves."""
        response = responses[0]
        if response.error is not None:
            return unscorable(self.metrics, f"{response.error.kind.value}: {response.error.message}")
        price = getattr(ctx, "money", None)  # a worker process has no price table
        usd = None if price is None else price(response)
        if usd is None:
            return unscorable(self.metrics, "unknown price")
        solved = await self.verdict(sample, responses, ctx)
        return {"cost_per_solved": Score(usd, {"usd": usd, "solved": _passes(solved)}, solved.answer, solved.reason)}


@dataclass(frozen=True, slots=True)
class SolvedPerTokens(Resting):
    """Solved samples per thousand tokens that the model wrote, reasoning included.

    `by` = the scorer that says what is solved (it gives 1). Tokens as the provider counts them, unknown where it did
    not.
    """

    by: str = "math_equal"

    def __post_init__(self) -> None:
        checked(self)

    @property
    def spec(self) -> str:
        """The scorer that says what is solved."""
        return self.by

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`solved_per_1k_tokens`, a ratio of sums."""
        return (Metric("solved_per_1k_tokens", "ratio", bounds=(0.0, None), fold=_RATE, on_error="undefined"),)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Count one answer's tokens and ask whether it solves."""
        response = responses[0]
        if response.error is not None:
            return unscorable(self.metrics, f"{response.error.kind.value}: {response.error.message}")
        tokens = written_tokens(response)
        if tokens is None:
            return unscorable(self.metrics, "tokens were not counted")
        solved = await self.verdict(sample, responses, ctx)
        parts = {"solved": _passes(solved), "tokens": float(tokens)}
        return {"solved_per_1k_tokens": Score(parts["solved"], parts, solved.answer, solved.reason)}


@dataclass(frozen=True, slots=True)
class SolvedWithin(Resting):
    """Share of samples solved with at most `k` tokens written, reasoning included: accuracy at a token budget.

    `by` = the scorer that says what is solved (it gives 1). An answer whose tokens were not counted is not scorable.
    """

    k: int
    by: str = "math_equal"

    def __post_init__(self) -> None:
        if not (type(self.k) is int and self.k > 0):
            raise ValueError(f"k={self.k!r} must be a whole number of tokens above 0, as in solved_within@1000")
        checked(self)

    @property
    def spec(self) -> str:
        """The scorer that says what is solved."""
        return self.by

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`solved_within@k`, a rate."""
        return (Metric(f"solved_within@{self.k}", kind="mean01", bounds=(0.0, 1.0)),)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Ask whether one answer solves, and with how many tokens."""
        solved = await self.verdict(sample, responses, ctx)
        tokens = written_tokens(responses[0])
        if solved.value is None or tokens is None:
            return unscorable(self.metrics, solved.reason if solved.value is None else "tokens were not counted")
        late = tokens > self.k
        reason = f"{tokens:g} tokens, more than {self.k}" if late and _passes(solved) else solved.reason
        value = 0.0 if late else _passes(solved)
        return {f"solved_within@{self.k}": Score(value, answer=solved.answer, reason=reason)}


def _passes(solved: Score) -> float:
    return 1.0 if solved.value is not None and solved.value >= SOLVED else 0.0


_MADE = {"cost_per_solved": CostPerSolved, "solved_per_1k_tokens": SolvedPerTokens, "solved_within": SolvedWithin}


def make(*, name: str, **options: Any) -> Resting:
    """Build from options; raises ValueError naming the known ones."""
    return build(_MADE[name], options)
