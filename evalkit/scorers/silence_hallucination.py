"""Words where nobody spoke: what a recogniser makes of silence and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, choose, trouble
from evalkit.scorers._targets import texts
from evalkit.scorers._transcripts import LIBRARIES, normaliser

_KEYS = ("silent", "said", "words")


def _metric(name: str, numerator: str, top: float | None, unit: str) -> Metric:
    fold = Fold(across=Sums(partial(_folds.ratio, numerator=numerator, denominator="silent"), _KEYS))
    return Metric(name, "ratio", higher_is_better=False, bounds=(0.0, top), fold=fold, on_error=1.0, unit=unit)


_METRICS = (
    _metric("silence_hallucination", "said", 1.0, ""),
    _metric("silence_words", "words", None, "words"),
)
_SPOKEN = {"silent": 0.0, "said": 0.0, "words": 0.0}


@dataclass(frozen=True, slots=True)
class SilenceHallucination(TextScorer):
    """Share of the silent recordings (empty target) in which words were found, and words found per silent recording.

    Samples with a spoken target do not count; a corpus without silence has no value. `normaliser` as in `wer`: what it
    leaves no word of ("...", "[noise]" with Whisper's) is silence. A failed answer on silence counts as one word.
    """

    normaliser: str = "basic"

    def __post_init__(self) -> None:
        choose("normaliser", self.normaliser, LIBRARIES)
        normaliser(self.normaliser)

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]
        """The normaliser's package."""
        return LIBRARIES[self.normaliser]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`silence_hallucination`, 0..1, and `silence_words`; both are better low."""
        return _METRICS

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Count words where there are none."""
        if not self._silent(sample):
            return dict.fromkeys((m.name for m in _METRICS), Score(None, _SPOKEN, reason="somebody speaks here"))
        words = len(normaliser(self.normaliser)(text).split())
        parts = {"silent": 1.0, "said": float(words > 0), "words": float(words)}
        return {
            "silence_hallucination": Score(parts["said"], parts, shown(text.strip())),
            "silence_words": Score(parts["words"], parts),
        }

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """One word on silence; nothing where somebody speaks."""
        silent = self.problem(sample) is None and self._silent(sample)
        parts = dict.fromkeys(_KEYS, 1.0) if silent else _SPOKEN
        return {metric.name: Score(1.0, parts) for metric in _METRICS}

    def problem(self, sample: Sample) -> str | None:
        """A target that is neither text nor a list of texts."""
        return trouble(texts, sample)

    def _silent(self, sample: Sample) -> bool:
        clean = normaliser(self.normaliser)
        return not any(clean(text).split() for text in texts(sample))


def make(**options: Any) -> SilenceHallucination:
    """Build from options; raises ValueError naming the known ones."""
    return build(SilenceHallucination, options)
