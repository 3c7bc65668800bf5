"""How fast two entries of 10,000 samples are compared: closed forms, resampling, and a gate's worth of both."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from evalkit.core.fold import Fold, PassAt, Sums, Whole
from evalkit.core.types import Metric
from evalkit.scorers import _folds
from evalkit.scorers.bleu import make as make_bleu
from evalkit.stats.fold import Observations, statistic
from evalkit.stats.paired import Pair, Question, compare, compare_all
from evalkit.stats.resample import CHUNK_ROWS, Weights, bootstrap

from .definitions import Bench, Group
from .results import Result, at_most

RESAMPLES = 10_000
CLOSED_TARGET = 0.02
GATE_TARGET = 10.0
Floats = Any


def closed_forms(bench: Bench) -> Iterator[Result]:
    """The slowest metric that has a closed form, over 10,000 pairs: the least of several comparisons."""
    questions = _closed(np.random.default_rng(1), bench.sized(10_000))
    slowest = max(_least(partial(compare, one, seed=1), 3 if bench.quick else 9) for one in questions)
    yield at_most("compare_closed_wall", slowest, "s", CLOSED_TARGET, target=CLOSED_TARGET)


def gate_of_twenty(bench: Bench) -> Iterator[Result]:
    """20 metrics over 10,000 pairs, five of them of the corpus with 10,000 resamples."""
    drawn, n = np.random.default_rng(2), bench.sized(10_000)
    questions = (_closed(drawn, n) * 3)[:15] + _corpus(drawn, n)
    resamples = RESAMPLES // 100 if bench.quick else RESAMPLES
    taken = _least(lambda: compare_all(questions, seed=1, resamples=resamples), 1 if bench.quick else bench.repeats)
    yield at_most("compare_twenty_wall", taken, "s", GATE_TARGET, target=GATE_TARGET)


def resampled_mean(bench: Bench) -> Iterator[Result]:
    """10,000 resamples of a mean of 10,000 samples; the control draws such weights by a table and multiplies."""
    n = resamples = bench.sized(10_000)
    mean = statistic(Fold(), _entry(np.random.default_rng(3).normal(size=n)))
    weights = Weights(np.ones(n, dtype=np.int64), resamples, 1)
    ours, bare = [], []
    for _ in range(1 if bench.quick else bench.repeats):
        ours.append(_wall(lambda: bootstrap([mean], weights)))
        bare.append(_wall(lambda: _bare(n, resamples)))
    yield at_most("bootstrap_mean_wall", min(ours), "s", 2.0 * min(bare), control=min(bare))


def _bare(n: int, resamples: int) -> None:
    source = np.random.default_rng(1)
    sums = np.random.default_rng(3).normal(size=(n, 2))
    chances = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(9)])
    table = np.searchsorted(chances, (np.arange(65536) + 0.5) / 65536).astype(np.uint8)
    for start in range(0, resamples, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, resamples - start)
        total = table[source.integers(0, 65536, size=(rows, n), dtype=np.uint16)].astype(np.float64) @ sums
        total[:, 0] / total[:, 1]


def _entry(values: Floats, parts: dict[str, Floats] | None = None, repeats: int = 1) -> Observations:
    sample = np.repeat(np.arange(values.size // repeats), repeats)
    repeat = np.tile(np.arange(repeats), values.size // repeats)
    return Observations(sample, repeat, sample, np.asarray(values, dtype=np.float64), parts or {})


def _asked(metric: Metric, side: Callable[[], Observations]) -> Question:
    return Question(metric, Pair(side(), side()))


def _closed(drawn: np.random.Generator, n: int) -> list[Question]:
    words = drawn.integers(3, 30, n).astype(float)
    positive = drawn.random(n) < 0.3

    def errors() -> Observations:
        wrong = drawn.binomial(words.astype(int), 0.2).astype(float)
        return _entry(wrong / words, {"errors": wrong, "words": words})

    wer = Fold(across=Sums(partial(_folds.ratio, numerator="errors", denominator="words"), ("errors", "words")))
    area = Fold(across=Whole(_folds.roc_auc))
    return [
        _asked(Metric("accuracy", "mean01", bounds=(0.0, 1.0)), lambda: _entry(drawn.random(n) < 0.7)),
        _asked(Metric("score", bounds=(0.0, 1.0)), lambda: _entry(drawn.random(n))),
        _asked(Metric("pass@2", bounds=(0.0, 1.0), fold=Fold(PassAt(2))), lambda: _entry(drawn.random(4 * n) < 0.5, repeats=4)),
        _asked(Metric("wer", "ratio", False, (0.0, None), wer), errors),
        _asked(Metric("auc", "rank", bounds=(0.0, 1.0), fold=area),
               lambda: _entry(drawn.normal(size=n) + positive, {"positive": positive.astype(float)})),
    ]  # fmt: skip


def _corpus(drawn: np.random.Generator, n: int) -> list[Question]:
    labels = tuple("abcdefgh")
    true = drawn.integers(0, len(labels), n)

    def classified() -> Observations:
        said = np.where(drawn.random(n) < 0.7, true, drawn.integers(0, len(labels), n))
        columns = {"n": np.ones(n)}
        for code, label in enumerate(labels):
            columns |= {f"t:{label}": true == code, f"p:{label}": said == code}
            columns[f"tp:{label}"] = (true == code) & (said == code)
        return _entry(said == true, {name: column.astype(float) for name, column in columns.items()})

    def translated() -> Observations:
        length = drawn.integers(8, 30, n)
        totals = [np.maximum(length - order, 0) for order in range(4)]
        matches = [drawn.binomial(total, 0.7 / (order + 1)) for order, total in enumerate(totals)]
        columns = [length, length + drawn.integers(-2, 3, n), *matches, *totals]
        return _entry(np.zeros(n), {f"s{place}": column.astype(float) for place, column in enumerate(columns)})

    def squared() -> Observations:
        truth, error = drawn.normal(size=n), drawn.normal(size=n)
        return _entry(np.abs(error), {"n": np.ones(n), "se": error**2, "y": truth, "yy": truth**2})

    def metric(name: str, fn: Callable[..., Any], keys: tuple[str, ...] = ()) -> Metric:
        return Metric(name, "corpus", bounds=(None, 1.0), fold=Fold(across=Sums(fn, keys)))

    return [
        _asked(make_bleu().metrics[0], translated),
        _asked(metric("macro_f1", partial(_folds.macro_f1, labels=labels)), classified),
        _asked(metric("mcc", partial(_folds.mcc, labels=labels)), classified),
        _asked(metric("rmse", _folds.root_mean_square), squared),
        _asked(metric("r2", _folds.r2), squared),
    ]


def _wall(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _least(run: Callable[[], object], times: int) -> float:
    return min(_wall(run) for _ in range(times))


GROUPS = (
    Group(("compare_closed_wall",), closed_forms),
    Group(("compare_twenty_wall",), gate_of_twenty),
    Group(("bootstrap_mean_wall",), resampled_mean),
)
