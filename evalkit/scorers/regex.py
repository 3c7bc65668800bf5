"""Whether a regular expression matches the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, unscorable
from evalkit.scorers._pattern import CHARACTERS, compiled, search

_METRICS = (Metric("regex", kind="mean01", bounds=(0.0, 1.0), primary=True),)


@dataclass(frozen=True, slots=True)
class Regex(TextScorer):
    """1 when `pattern` is found in the answer, else 0; needs no target.

    `ignore_case` ignores case; `whole` asks the whole answer (white space around it aside) to match. `^` and `$` match
    at lines. An answer longer than 100,000 characters is not scorable; a search longer than a second is an error.
    """

    pattern: str
    ignore_case: bool = False
    whole: bool = False
    libraries: ClassVar[tuple[str, ...]] = ("regex",)

    def __post_init__(self) -> None:
        compiled(self.pattern, ignore_case=self.ignore_case)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`regex`, a rate."""
        return _METRICS

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Search the answer; the answer shown is what matched."""
        if len(text) > CHARACTERS:
            return unscorable(_METRICS, f"the answer has {len(text)} characters; {CHARACTERS} are searched at most")
        match = search(compiled(self.pattern, ignore_case=self.ignore_case), text.strip(), whole=self.whole)
        if match is None:
            return {"regex": Score(0.0, reason="no match")}
        return {"regex": Score(1.0, answer=shown(match[0]))}


def make(**options: Any) -> Regex:
    """Build from options; raises ValueError naming the known ones and for a pattern that does not compile."""
    return build(Regex, options)
