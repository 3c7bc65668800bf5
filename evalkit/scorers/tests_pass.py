"""Runs the program of an answer in the sandbox and compares its outputs with those that the tests want."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.fold import Fold, PassAt
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Row, Sample, Score
from evalkit.scorers._answers import cut_off, shown
from evalkit.scorers._base import OneAnswer, choose, trouble, unscorable
from evalkit.scorers._code_answer import Code, code_of
from evalkit.scorers._code_running import CRASHED, LATE, LEFT, LOUD, PASSED, Allowed, Judged, Judging
from evalkit.scorers._code_tests import Equality, tests_of

NAMES = ("tests_pass", "pass")
PROGRAMS = ("bwrap",)
_REASON = 400


@dataclass(frozen=True, slots=True)
class TestsPass(OneAnswer):
    """Whether the program of an answer passes all tests of its sample, run where it can do no harm.

    The target has `tests`: {"input", "output"} from stdin to stdout, or {"args", "value"} with `function` beside them;
    its own `cpu_s` goes before the option. `compare` = tokens (words, whatever stands between), lines (words, line
    by line) or exact; words are also equal as numbers within `rtol` and `atol` where no whole number is wanted.
    `cpu_s` = CPU seconds per test; where the target has a `reference`, a test that took longer gets `relative` x its
    time on this machine. `memory_mb` = MiB per test. `give_up` = after so many tests that took too long, no more run.
    """

    compare: str = "tokens"
    rtol: float = 1e-7
    atol: float = 1e-6
    cpu_s: float = 4.0
    relative: float = 4.0
    memory_mb: int = 512
    give_up: int = 1

    needs_sandbox: ClassVar[bool] = True

    def __post_init__(self) -> None:
        choose("compare", self.compare, ("tokens", "lines", "exact"))
        for name in ("rtol", "atol"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
                raise ValueError(f"{name}={value!r} must be a number from 0 to below 1")
        self._allowed()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`tests_pass` (1 = all), `tests_share`, and how far programs get: they compile, end in time, and end well."""
        names = ("tests_share", "code_compiles", "code_in_time", "code_runs")
        first = Metric("tests_pass", kind="mean01", bounds=(0.0, 1.0), primary=True)
        return (first, *(Metric(name, bounds=(0.0, 1.0)) for name in names))

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Run the tests; an answer without a program has no value, with the reason."""
        tests = tests_of(sample)
        response = responses[0]
        code, reason = code_of(response, tests.function)
        if code is None:
            return unscorable(self.metrics, reason)
        equality = Equality(self.compare, self.rtol, self.atol)
        judged = await Judging(ctx.sandbox, tests, self._allowed(), equality).judge(code)
        if judged.no_code is not None:
            return unscorable(self.metrics, cut_off(f"no code: {judged.no_code}"[:_REASON], response))
        return self.scores(code, judged, response)

    def scores(self, code: Code, judged: Judged, response: Response) -> Mapping[str, Score]:
        """The scores of a program that was judged."""
        answer = shown(code.text.strip())
        if judged.syntax is not None:
            reason = cut_off(f"syntax error: {judged.syntax}"[:_REASON], response)
            return {metric.name: Score(0.0, answer=answer, reason=reason) for metric in self.metrics}
        kinds = [outcome.kind for outcome in judged.outcomes]
        rows = tuple(
            Row(f"test {number}", outcome.kind, float(outcome.kind == PASSED), {"seconds": outcome.seconds})
            for number, outcome in enumerate(judged.outcomes, 1)
        )
        share = kinds.count(PASSED) / len(kinds)
        values = {
            "tests_share": share,
            "code_compiles": 1.0,
            "code_in_time": float(LATE not in kinds),
            "code_runs": float(not {LATE, CRASHED, LOUD} & set(kinds)),
        }
        found = {name: Score(value) for name, value in values.items()}
        main = Score(float(share == 1), answer=answer, reason=_why(judged), rows=rows)
        return {self.metrics[0].name: main, **found}

    def problem(self, sample: Sample) -> str | None:
        """A target without tests that can be run."""
        return trouble(tests_of, sample)

    def _allowed(self) -> Allowed:
        return Allowed(self.cpu_s, self.relative, self.memory_mb, self.give_up)


@dataclass(frozen=True, slots=True)
class Pass(TestsPass):
    """pass@k over the repeats of a sample: the unbiased chance that one of `k` answers passes all tests.

    1 - C(n-c, k) / C(n, k) of n repeats with c passes (Chen et al. 2021); a suite with fewer than k repeats is refused.
    Options as of `tests_pass`: `compare`, `rtol`, `atol`, `cpu_s`, `relative`, `memory_mb`, `give_up`.
    """

    k: int = 1

    def __post_init__(self) -> None:
        TestsPass.__post_init__(self)
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 1:
            raise ValueError(f"k={self.k!r} must be a whole number of at least 1, as in pass@5")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`pass@k`, a mean over the samples; an answer without a program is one that did not pass."""
        return (Metric(f"pass@{self.k}", bounds=(0.0, 1.0), fold=Fold(within=PassAt(self.k)), primary=True),)

    def scores(self, code: Code, judged: Judged, response: Response) -> Mapping[str, Score]:
        """The score of a program that was judged: 1 when all tests pass."""
        found = TestsPass.scores(self, code, judged, response)
        name = self.metrics[0].name
        return {name: found[name]}


def _why(judged: Judged) -> str | None:
    """The first test that fails and what was wrong, or None where all pass."""
    failed = [(number, one) for number, one in enumerate(judged.outcomes, 1) if one.kind not in (PASSED, LEFT)]
    if not failed:
        return None
    number, first = failed[0]
    rest = sum(outcome.kind == LEFT for outcome in judged.outcomes)
    counted = f"{len(failed)} of {len(judged.outcomes)} tests fail" + (f", {rest} not run" if rest else "")
    return f"{first.kind}: test {number}{': ' if first.why else ''}{first.why}"[:_REASON] + f" ({counted})"


def make(*, name: str, **options: Any) -> TestsPass:
    """Build `tests_pass` or `pass@k` from options; raises ValueError naming the known ones."""
    return build(Pass if name == "pass" else TestsPass, options)
