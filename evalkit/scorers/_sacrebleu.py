"""What the scorers on sacrebleu share: its statistics per answer, added over the corpus, and its formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from evalkit.core.errors import MissingComponent
from evalkit.core.fold import Sums
from evalkit.core.types import Metric, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import shown
from evalkit.scorers._base import TextScorer, trouble, unscorable
from evalkit.scorers._targets import texts

LONGEST = 20_000


class TranslationScorer(TextScorer):
    """Base of corpus scores against references; a subclass has `metric_name`, `engine()` and one metric of sums.

    Values are on sacrebleu's scale of 0 to 100. The parts are sacrebleu's statistics, named s0, s1...
    """

    __slots__ = ()
    libraries: ClassVar[tuple[str, ...]] = ("sacrebleu",)

    def engine(self) -> Any:
        """The metric of sacrebleu with this scorer's options."""
        raise NotImplementedError

    def sentence(self, statistics: Sequence[float]) -> float:
        """The score of one answer alone, for display; the corpus score is no mean of these."""
        across = self.metrics[0].fold.across
        assert isinstance(across, Sums)
        value = float(across.fn(columns(statistics))[0])
        return 0.0 if np.isnan(value) else value

    def unavailable(self) -> str | None:
        """Why nothing can be scored on this machine, or None."""
        try:
            self.engine()
        except MissingComponent as error:
            return str(error)
        return None

    @property
    def signature(self) -> str:
        """sacrebleu's signature of the score with one reference: options, tokenizer and version."""
        engine = self.engine()
        engine.num_refs = 1
        return str(engine.get_signature())

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """Take the statistics; an answer of more than 20,000 characters is not scorable."""
        if len(text) > LONGEST:
            return unscorable(self.metrics, f"the answer is longer than {LONGEST} characters")
        found = self._statistics(text, texts(sample))
        score = Score(self.sentence(found), _parts(found), answer=shown(text.strip()))
        return {self.metrics[0].name: score}

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """An empty answer."""
        metric: Metric = self.metrics[0]
        golds = ("",) if self.problem(sample) else texts(sample)
        return {metric.name: Score(float(metric.on_error), _parts(self._statistics("", golds)))}

    def problem(self, sample: Sample) -> str | None:
        """A target that is no text."""
        return trouble(texts, sample)

    def _statistics(self, text: str, references: Sequence[str]) -> list[float]:
        # A lone surrogate has no UTF-8 form, which sacrebleu's tokenizers may ask for.
        clean = text.encode("utf-8", "replace").decode("utf-8")
        (found,) = self.engine()._extract_corpus_statistics([clean], [[reference] for reference in references])  # noqa: SLF001 - the only way to statistics that can be added
        return [float(value) for value in found]


def _parts(statistics: Sequence[float]) -> dict[str, float]:
    return {f"s{place}": value for place, value in enumerate(statistics)}


def columns(statistics: Sequence[float]) -> dict[str, _folds.Floats]:
    """The statistics of one answer as the columns of a fold, each [1]."""
    return {name: np.array([value]) for name, value in _parts(statistics).items()}


def stacked(columns: _folds.Columns, count: int) -> _folds.Floats:
    """Columns s0, s1... as one array [count, B]."""
    return np.stack([columns[f"s{place}"] for place in range(count)])


@lru_cache(maxsize=32)
def engine(name: str, options: tuple[tuple[str, Any], ...]) -> Any:
    """A metric class of sacrebleu with options. Raises MissingComponent without the library."""
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise MissingComponent("this scorer needs sacrebleu: pip install 'evalkit[text]'") from error
    return getattr(metrics, name)(**dict(options))


def bleu(columns: _folds.Columns, *, smooth: str, effective: bool = False) -> _folds.Floats:
    """BLEU of sums (answer length, reference length, 4 matches, 4 totals), [B], 0..100 (Papineni et al. 2002).

    `smooth` is exp, floor (0.1), add-k (1) or none, as in sacrebleu (Chen and Cherry 2014). `effective` leaves out the
    orders that the answer is too short for. NaN where there is no reference length.
    """
    sums = stacked(columns, 10)
    said, wanted, correct, total = sums[0], sums[1], sums[2:6].copy(), sums[6:10].copy()
    none = ~(correct > 0).any(axis=0)
    if smooth == "add-k":
        correct[1:] += 1
        total[1:] += 1
    # sacrebleu stops at the first order without n-grams: what comes after has precision 0.
    there = np.logical_and.accumulate(total > 0, axis=0)
    missed = there & (correct == 0)
    small = {"exp": 0.5 ** np.cumsum(missed, axis=0), "floor": np.full(correct.shape, 0.1)}.get(
        smooth, np.zeros_like(correct)
    )
    precision = np.nan_to_num(_folds.divide(np.where(missed, small, correct), np.where(there, total, 0.0)))
    orders = there.sum(axis=0) if effective else np.full(said.shape, 4)
    used = np.arange(4)[:, None] < orders
    with np.errstate(divide="ignore"):
        logs = np.where(used, np.log(precision), 0.0).sum(axis=0)
        brevity = np.where(said < wanted, np.exp(1 - _folds.divide(wanted, said)), 1.0)
    score = 100 * np.nan_to_num(brevity) * np.exp(_folds.divide(logs, orders))
    return np.where((said == 0) & (wanted == 0), np.nan, np.where(none | (said == 0), 0.0, score))


def chrf(columns: _folds.Columns, *, orders: int, beta: int) -> _folds.Floats:
    """chrF of sums (n-grams of the answer, of the reference, matches; for each order), [B], 0..100 (Popovic 2015).

    Precision and recall are averaged over the orders that both sides have, as in sacrebleu; NaN without any n-gram.
    """
    sums = stacked(columns, 3 * orders).reshape(orders, 3, -1)
    said, wanted, matches = sums[:, 0], sums[:, 1], sums[:, 2]
    both = (said > 0) & (wanted > 0)
    count = both.sum(axis=0)
    precision = np.nan_to_num(_folds.divide(np.where(both, _folds.divide(matches, said), 0.0).sum(axis=0), count))
    recall = np.nan_to_num(_folds.divide(np.where(both, _folds.divide(matches, wanted), 0.0).sum(axis=0), count))
    factor = float(beta**2)
    score = 100 * np.nan_to_num(_folds.divide((1 + factor) * precision * recall, factor * precision + recall))
    return np.where((said + wanted).sum(axis=0) > 0, score, np.nan)


def ter(columns: _folds.Columns) -> _folds.Floats:
    """Edits by mean reference length, [B], 0 and up, 100 = as many edits as words (Snover et al. 2006).

    100 where only the references are empty, as in sacrebleu. NaN where there are neither edits nor references.
    """
    edits, wanted = columns["s0"], columns["s1"]
    return np.where((wanted == 0) & (edits > 0), 100.0, 100 * _folds.divide(edits, wanted))
