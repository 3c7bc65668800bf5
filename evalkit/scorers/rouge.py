"""ROUGE-1, ROUGE-2 and ROUGE-L of summaries, by rouge-score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from evalkit.core.errors import MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, trouble, unscorable
from evalkit.scorers._targets import texts

EXTRA = "text"
_NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_METRICS = tuple(Metric(name, bounds=(0.0, 1.0), primary=name == "rougeL") for name in _NAMES)
_LONGEST = 20_000


@lru_cache(maxsize=2)
def _engine(*, stemmer: bool) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingComponent("this scorer needs rouge-score: pip install 'evalkit[text]'") from error
    return RougeScorer(list(_NAMES), use_stemmer=stemmer)


@dataclass(frozen=True, slots=True)
class Rouge(TextScorer):
    """F1 of the words (rouge1), word pairs (rouge2) and longest common subsequence (rougeL), 0..1 (Lin 2004).

    Equal to rouge-score's; of several references the best one counts, each metric by itself. `stemmer` = Porter stems.
    rougeLsum takes each line as a sentence, so texts without line breaks have rougeLsum = rougeL.
    """

    stemmer: bool = True
    libraries: ClassVar[tuple[str, ...]] = ("rouge-score",)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`rouge1`, `rouge2`, `rougeL`, `rougeLsum`: means over the samples."""
        return _METRICS

    def unavailable(self) -> str | None:
        """Why nothing can be scored on this machine, or None."""
        try:
            _engine(stemmer=self.stemmer)
        except MissingComponent as error:
            return str(error)
        return None

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Compare with every reference; an answer of more than 20,000 characters is not scorable."""
        if len(text) > _LONGEST:
            return unscorable(_METRICS, f"the answer is longer than {_LONGEST} characters")
        found = _engine(stemmer=self.stemmer).score_multi(list(texts(sample)), text)
        answer = shown(text.strip())
        return {name: Score(float(found[name].fmeasure), answer=answer) for name in _NAMES}

    def problem(self, sample: Sample) -> str | None:
        """A target that is no text."""
        return trouble(texts, sample)


def make(**options: Any) -> Rouge:
    """Build from options; raises ValueError naming the known ones."""
    return build(Rouge, options)
