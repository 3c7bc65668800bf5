"""Mathematical equality with math-verify: numbers, fractions, expressions, sets and intervals; words as words."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _math
from evalkit.scorers._base import TextScorer, listed, trouble
from evalkit.scorers._targets import texts

EXTRA = "math"
_METRICS = (Metric("math_equal", kind="mean01", bounds=(0.0, 1.0), primary=True),)


@dataclass(frozen=True, slots=True)
class MathEqual(TextScorer):
    """1 when the answer equals a target mathematically (math-verify: sympy, sets, intervals, rounding to 6 digits).

    The answer is the line after the last of `markers`, else the whole text, in which math-verify prefers a box, then
    the last formula. A bare expression such as `3 + sqrt(2)` is read as one. 10% equals 0.1, `x = 5` equals 5 and 3 cm
    equals 3. A target of letters only, a clock time or a date is compared as a word, case and article apart. Reading
    and comparing happen in a process of their own, which is ended after `timeout` seconds.
    """

    timeout: int = 5
    markers: tuple[str, ...] = _math.MARKERS
    libraries: ClassVar[tuple[str, ...]] = ("math-verify", "sympy")

    def __post_init__(self) -> None:
        listed(self, "markers")
        if not (type(self.timeout) is int and self.timeout > 0):
            raise ValueError(f"timeout={self.timeout!r} must be a whole number of seconds above 0")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`math_equal`, a rate."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Score one answer; the wait for the other process is spent off the event loop."""
        return await to_thread(self.mark, sample, responses[0])

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Compare with each target; an answer that cannot be read is not scorable."""
        golds = texts(sample)
        found = [_math.verdict(target, text[-_math.LONGEST :], self.markers, self.timeout) for target in golds]
        best = next((one for one in found if one.value == 1.0), found[0])
        return {"math_equal": Score(best.value, answer=best.answer, reason=best.reason)}

    def problem(self, sample: Sample) -> str | None:
        """A target that is neither a word nor mathematics."""
        return trouble(self._golds, sample)

    def _golds(self, sample: Sample) -> None:
        for target in texts(sample):
            if not target.strip():
                raise ValueError("the target is empty; a number, an expression or a word is needed")
            if not _math.is_word(target) and not self._readable(target):
                raise ValueError(f"the target {target[:60]!r} does not read as mathematics or as a word")

    def _readable(self, target: str) -> bool:
        try:
            return _math.readable(target, self.timeout)
        except TimeoutError:
            return False


def make(**options: Any) -> MathEqual:
    """Build from options; raises ValueError naming the known ones, MissingComponent without math-verify."""
    _math.needs_library()
    return build(MathEqual, options)
