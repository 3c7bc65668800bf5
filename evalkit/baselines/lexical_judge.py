"""A judge that counts words: a lexical baseline for judges, which understands nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.baselines._answering import Named, as_json, failed, respond
from evalkit.baselines._sentences import words
from evalkit.core.options import build
from evalkit.core.types import Context, Response, Sample

VERSION = 1
_WEIGHT = 0.5


@dataclass(frozen=True)
class LexicalJudge(Named):
    """Grades an `answer`, or compares `a` with `b`, by the words that they share with the reference or the source.

    The input holds `answer` or `a` and `b`, with `reference` or `source` (what judges are shown). With a reference the
    merit is the F1 of the words; without, the share of the answer's words that stand in the source, times how near its
    length is to `length` of the source. A grade is the merit on the `scale` of the input; merits within `margin` of
    each other are a tie. The order of `a` and `b` cannot matter.
    """

    margin: float = 0.02
    length: float = 0.35
    kind: ClassVar[str] = "lexical_judge"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 1 or not 0 < self.length <= 1:
            raise ValueError(f"margin={self.margin!r} must be in 0..1 and length={self.length!r} above 0, at most 1")

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """A verdict as judges give it: {"score", "reason"} or {"verdict", "reason"}."""
        shown = {name: value for name, value in sample.input.items() if isinstance(value, str)}
        if "answer" not in shown and not {"a", "b"} <= set(shown):
            there = ", ".join(sorted(sample.input)) or "nothing"
            return failed(
                f"sample {sample.id!r} has neither `answer` nor `a` and `b` to judge (its input has: {there})"
            )
        return respond("".join(shown.values()), lambda: as_json(self._verdict(shown, sample.input)))

    def _verdict(self, shown: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, Any]:
        if "answer" in shown:
            merit = self.merit(shown["answer"], shown)
            scale = asked.get("scale", 5)
            most = scale if isinstance(scale, int) and scale > 1 else 5
            return {"reason": f"lexical merit {merit:.2f}", "score": 1 + round(merit * (most - 1))}
        first, second = (self.merit(shown[name], shown) for name in ("a", "b"))
        reason = f"lexical merit {first:.2f} against {second:.2f}"
        if abs(first - second) <= self.margin and asked.get("ties", True):
            return {"reason": reason, "verdict": "tie"}
        if first == second:
            # No tie allowed: the texts decide, so that swapping them swaps the verdict.
            return {"reason": reason, "verdict": "first" if shown["a"] <= shown["b"] else "second"}
        return {"reason": reason, "verdict": "first" if first > second else "second"}

    def merit(self, answer: str, shown: Mapping[str, str]) -> float:
        """0..1: how much an answer's words say about its worth, which is little."""
        said = Counter(words(answer))
        size = sum(said.values())
        if not size:
            return 0.0
        reference = Counter(words(shown.get("reference", "")))
        if reference:
            return 2 * sum((said & reference).values()) / (size + sum(reference.values()))
        source = Counter(words(shown.get("source", "")))
        if not source:
            return 0.0
        kept = sum((said & source).values()) / size
        wanted = max(1.0, self.length * sum(source.values()))
        return kept * float((min(size, wanted) / max(size, wanted)) ** _WEIGHT)


def make(**options: Any) -> LexicalJudge:
    """Options: `margin`, `length`."""
    return build(LexicalJudge, options)
