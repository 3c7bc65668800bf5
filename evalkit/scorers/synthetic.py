"""Synthetic tables: how like the real one, how useful, how private."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._base import OneAnswer, choose, unscorable
from evalkit.scorers._synthetic import Tables, coded, needs_libraries, read, spec_problem

EXTRA = "privacy"
NAMES = ("table_fidelity", "table_detection", "table_utility", "table_privacy")
_DIGITS = 9
_METRICS: Mapping[str, tuple[Metric, ...]] = {
    "table_fidelity": (
        Metric("fidelity_columns", primary=True, bounds=(0.0, 1.0)),
        Metric("fidelity_pairs", bounds=(0.0, 1.0)),
    ),
    "table_detection": (
        Metric("detection_auc", higher_is_better=False, bounds=(0.5, 1.0), on_error=1.0),
    ),
    "table_utility": (
        Metric("tstr", bounds=(None, 1.0), on_error="undefined"),
        Metric("utility_gap", higher_is_better=False, on_error="undefined"),
    ),
    "table_privacy": (
        Metric("copies", higher_is_better=False, bounds=(0.0, 1.0), on_error=1.0),
        Metric("closer_to_train", higher_is_better=False, bounds=(0.0, 1.0), on_error=1.0),
        Metric("dcr_ratio", bounds=(0.0, None), on_error=0.0),
        Metric("epsilon_claimed", "ratio", higher_is_better=False, bounds=(0.0, None), on_error="undefined",
               fold=Fold(across=Sums(partial(_folds.ratio, numerator="sum", denominator="n"), ("sum", "n")))),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SyntheticTable(OneAnswer):
    """One view of a synthetic table, by `name`, beside the rows that it was learnt from and rows that were held out.

    `table_fidelity`: the mean over columns of 1 - the Kolmogorov-Smirnov statistic (numbers) or 1 - total variation
    (categories), and the mean over pairs of numbers of the similarity of their correlations, as sdmetrics defines them.
    `table_detection`: AUC of gradient boosting that tells real from synthetic rows, three folds; 0.5 cannot tell.
    `table_utility`: `tstr` = macro F1 (R2 for a number) of gradient boosting trained on synthetic and tested on
    held-out rows; `utility_gap` = the same trained on real rows, minus that. `table_privacy`: share of rows that are a
    training row; share of rows closer to one of as many training rows than to a held-out one (0.5 where nothing is
    learnt by heart; ties count half); the median distance to the closest training row over that of held-out rows (below
    1 is too close); and the epsilon that the answer claims, shown and not verified. `seed` decides folds and models.
    """

    name: str
    seed: int = 0
    heavy: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn", "sdmetrics")

    def __post_init__(self) -> None:
        choose("name", self.name, NAMES)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of that view."""
        return _METRICS[self.name]

    def problem(self, sample: Sample) -> str | None:
        """Tables that are not named as they must be."""
        return spec_problem(sample)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Compare the tables; an answer that is no table of this shape is not scorable."""
        tables = read(sample, responses[0], ctx.blobs)
        if isinstance(tables, str):
            return unscorable(self.metrics, tables)
        # Two scorers at once on two processors: threads of their own would only wait for each other.
        with warnings.catch_warnings(), import_module("threadpoolctl").threadpool_limits(limits=1):
            warnings.simplefilter("ignore")
            found = {"table_fidelity": _fidelity, "table_privacy": _privacy}.get(self.name)
            if found is not None:
                return found(tables)
            return _detection(tables, self.seed) if self.name == "table_detection" else _utility(tables, self.seed)


def _fidelity(tables: Tables) -> Mapping[str, Score]:
    single, pairs = import_module("sdmetrics.single_column"), import_module("sdmetrics.column_pairs")
    values = {
        name: float(single.KSComplement.compute(tables.train[name], tables.made[name])) for name in tables.numeric
    }
    values |= {
        name: float(single.TVComplement.compute(tables.train[name], tables.made[name])) for name in tables.categories
    }
    worst = min(values, key=lambda name: (values[name], name))
    first = Score(float(np.mean(list(values.values()))), reason=f"least alike: {worst} ({values[worst]:.3f})")
    varied = [n for n in tables.numeric if tables.train[n].nunique() > 1 and tables.made[n].nunique() > 1]
    together = [
        float(pairs.CorrelationSimilarity.compute(tables.train[[a, b]], tables.made[[a, b]]))
        for place, a in enumerate(varied)
        for b in varied[place + 1 :]
    ]
    kept = [value for value in together if np.isfinite(value)]
    none = Score(None, reason="there are no two numeric columns that vary")
    return {"fidelity_columns": first, "fidelity_pairs": Score(float(np.mean(kept))) if kept else none}


def _detection(tables: Tables, seed: int) -> Mapping[str, Score]:
    train, _, made = coded(tables)
    data = np.concatenate([train, made])
    labels = np.concatenate([np.ones(len(train)), np.zeros(len(made))])
    if len(made) < 3:
        return {"detection_auc": Score(None, reason=f"{len(made)} rows are too few to be told from real ones")}
    ensemble, selection = import_module("sklearn.ensemble"), import_module("sklearn.model_selection")
    folds = selection.StratifiedKFold(3, shuffle=True, random_state=seed)
    model = ensemble.HistGradientBoostingClassifier(max_iter=40, random_state=seed)
    said = selection.cross_val_predict(model, data, labels, cv=folds, method="predict_proba")[:, 1]
    auc = float(import_module("sklearn.metrics").roc_auc_score(labels, said))
    return {"detection_auc": Score(max(0.5, auc), reason=None if auc >= 0.5 else f"AUC {auc:.3f}: cannot be told")}


def _utility(tables: Tables, seed: int) -> Mapping[str, Score]:
    made, real = (_trained(tables, frame, seed) for frame in (tables.made, tables.train))
    if isinstance(made, str):
        return unscorable(_METRICS["table_utility"], made)
    assert not isinstance(real, str)
    reason = f"trained on real rows: {real:.3f}"
    return {"tstr": Score(made, reason=reason), "utility_gap": Score(real - made)}


def _trained(tables: Tables, frame: Any, seed: int) -> float | str:
    """Macro F1 or R2 on the held-out rows of a model trained on `frame`, or why none can be trained."""
    ensemble, metrics = import_module("sklearn.ensemble"), import_module("sklearn.metrics")
    rest = Tables(tables.train.drop(columns=tables.target), tables.held.drop(columns=tables.target),
                  frame.drop(columns=tables.target), tables.target,
                  tuple(n for n in tables.numeric if n != tables.target),
                  tuple(n for n in tables.categories if n != tables.target))  # fmt: skip
    _, held, rows = coded(rest)
    wanted, truth = frame[tables.target], tables.held[tables.target]
    if tables.target in tables.numeric:
        model = ensemble.HistGradientBoostingRegressor(max_iter=60, random_state=seed)
        return float(metrics.r2_score(truth, model.fit(rows, wanted).predict(held)))
    if wanted.nunique() < 2:
        return f"all synthetic rows are of one class, {wanted.iloc[0]!r}: nothing can be trained on them"
    model = ensemble.HistGradientBoostingClassifier(max_iter=60, random_state=seed)
    return float(metrics.f1_score(truth, model.fit(rows, wanted).predict(held), average="macro", zero_division=0.0))


def _privacy(tables: Tables) -> Mapping[str, Score]:
    train, held, made = coded(tables)
    neighbours = import_module("sklearn.neighbors").NearestNeighbors(n_neighbors=1, algorithm="kd_tree")
    # As many training rows as were held out: more rows would be closer by their number alone.
    some = np.random.default_rng(0).permutation(len(train))[: len(held)]
    to_train, to_some, to_held = (neighbours.fit(rows).kneighbors(made)[0][:, 0] for rows in (train, train[some], held))
    known = {tuple(row) for row in train.round(_DIGITS).tolist()}
    copies = float(np.mean([tuple(row) in known for row in made.round(_DIGITS).tolist()]))
    closer = float(np.mean(np.where(to_some == to_held, 0.5, to_some < to_held)))
    base = float(np.median(neighbours.fit(train).kneighbors(held)[0][:, 0]))
    ratio = float(np.median(to_train)) / base if base > 0 else float(np.median(to_train) > 0)
    told = f"{round(copies * len(made))} of {len(made)} rows are training rows" if copies else None
    claimed = Score(0.0, {"sum": 0.0, "n": 0.0}, reason="no epsilon is claimed")
    if tables.epsilon is not None:
        claimed = Score(tables.epsilon, {"sum": tables.epsilon, "n": 1.0}, reason="claimed, not verified")
    return {
        "copies": Score(copies, reason=told), "closer_to_train": Score(closer), "dcr_ratio": Score(ratio),
        "epsilon_claimed": claimed,
    }  # fmt: skip


def make(**options: Any) -> SyntheticTable:
    """Build from options; raises ValueError naming the known ones, MissingComponent for what is not installed."""
    needs_libraries()
    return build(SyntheticTable, options)
