"""Precision, recall and F1 over the fields of a JSON answer."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Row, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import answer_json, shown, written
from evalkit.scorers._base import OneAnswer, choose, listed, trouble, unscorable
from evalkit.scorers._normalise import NORMALISERS
from evalkit.scorers._paths import leaves, under
from evalkit.scorers._targets import kind

_KEYS = ("tp", "fp", "fn")
_BOUNDS = (0.0, 1.0)
_METRICS = (
    Metric("json_f1", kind="ratio", bounds=_BOUNDS, fold=Fold(across=Sums(_folds.f1, _KEYS)), primary=True),
    Metric("json_precision", kind="ratio", bounds=_BOUNDS, fold=Fold(across=Sums(_folds.precision, _KEYS))),
    Metric("json_recall", kind="ratio", bounds=_BOUNDS, fold=Fold(across=Sums(_folds.recall, _KEYS))),
    Metric("json_f1_mean", bounds=_BOUNDS),
    Metric("json_exact", kind="mean01", bounds=_BOUNDS),
)
Fields = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class JsonFields(OneAnswer):
    """Agreement of (path, value) pairs with the target object: pooled over samples (`json_f1`), and by sample.

    `fields` = paths to compare (all when empty), `ignore` = paths to leave out; a path covers what is inside it.
    `normaliser` is applied to text values. `tolerance` = absolute tolerance of numbers. `ordered` compares lists place
    by place, else as multisets. `strict` refuses JSON inside a fenced code block. null and absent are the same; text
    never equals a number.
    """

    fields: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    normaliser: str = "strip"
    tolerance: float = 0.0
    ordered: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        listed(self, "fields", "ignore")
        choose("normaliser", self.normaliser, NORMALISERS)
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance={self.tolerance} must not be negative")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Corpus F1, precision and recall; mean F1 per sample; rate of samples where every field agrees."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Match the fields; an answer that is not JSON is not scorable."""
        gold = self._gold(sample)
        value, reason = answer_json(response, strict=self.strict)
        if reason is None and not isinstance(value, (dict, list)):
            reason = f"the answer is {kind(value)}; a JSON object is needed"
        if reason is not None:
            return unscorable(_METRICS, reason)
        given = self._flat(value)
        rows = tuple(self._row(path, gold.get(path, []), given.get(path, [])) for path in sorted({*gold, *given}))
        return _scores(rows, shown(written(value)))

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """Every field of the target missed."""
        fields = 0.0 if self.problem(sample) else float(sum(map(len, self._gold(sample).values())))
        parts = {"tp": 0.0, "fp": 0.0, "fn": fields}
        return {m.name: Score(0.0, parts if isinstance(m.fold.across, Sums) else {}) for m in _METRICS}

    def problem(self, sample: Sample) -> str | None:
        """A target that is neither an object nor a list."""
        return trouble(self._gold, sample)

    def _gold(self, sample: Sample) -> Fields:
        if not isinstance(sample.target, (Mapping, list, tuple)):
            raise ValueError(f"the target is {kind(sample.target)}; an object (or a list of objects) is needed")  # noqa: TRY004 - bad data is a ValueError
        return self._flat(sample.target)

    def _flat(self, value: Any) -> Fields:
        found: Fields = defaultdict(list)
        normalise = NORMALISERS[self.normaliser]
        for path, leaf in leaves(value, ordered=self.ordered):
            if (not self.fields or under(path, self.fields)) and not under(path, self.ignore):
                found[path].append(normalise(leaf) if isinstance(leaf, str) else leaf)
        return dict(found)

    def _row(self, path: str, gold: list[Any], given: list[Any]) -> Row:
        hits = float(matches(gold, given, self.tolerance))
        parts = {"tp": hits, "fp": len(given) - hits, "fn": len(gold) - hits}
        return Row(path, value=2 * hits / (len(gold) + len(given)), parts=parts)


def _scores(rows: Iterable[Row], answer: str) -> dict[str, Score]:
    kept = tuple(rows)
    parts = {key: float(sum(row.parts[key] for row in kept)) for key in _KEYS}
    asked = 2 * parts["tp"] + parts["fp"] + parts["fn"]
    f1 = 2 * parts["tp"] / asked if asked else 1.0
    wrong = [row.unit for row in kept if row.parts["fp"] or row.parts["fn"]]
    reason = (
        f"differs: {', '.join(wrong[:5])}" + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        if wrong
        else None
    )
    tp, fp, fn = (parts[key] for key in _KEYS)
    empty = 0.0 if wrong else 1.0
    return {
        "json_f1": Score(f1, parts, answer, reason, kept),
        "json_precision": Score(tp / (tp + fp) if tp + fp else empty, parts),
        "json_recall": Score(tp / (tp + fn) if tp + fn else empty, parts),
        "json_f1_mean": Score(f1),
        "json_exact": Score(empty, answer=answer, reason=reason),
    }


def matches(gold: Sequence[Any], given: Sequence[Any], tolerance: float) -> int:
    """How many values of two multisets can be paired: equal type and value, numbers within the tolerance."""
    if not tolerance:
        return sum((Counter(map(_key, gold)) & Counter(map(_key, given))).values())
    wanted, have = ([value for value in values if not _is_number(value)] for values in (gold, given))
    numbers, others = (sorted(map(_float, filter(_is_number, values))) for values in (gold, given))
    return _close(numbers, others, tolerance) + matches(wanted, have, 0.0)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _key(value: Any) -> tuple[str, Any]:
    # 1 and 1.0 are one number; True equals 1 in Python but is none.
    return ("number" if _is_number(value) else type(value).__name__, value)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _close(wanted: Sequence[float], have: Sequence[float], tolerance: float) -> int:
    # Two sorted pointers pair as many as any matching can, since every number has the same tolerance.
    hits = i = j = 0
    while i < len(wanted) and j < len(have):
        if abs(wanted[i] - have[j]) <= tolerance:
            hits, i, j = hits + 1, i + 1, j + 1
        elif wanted[i] < have[j]:
            i += 1
        else:
            j += 1
    return hits


def make(**options: Any) -> JsonFields:
    """Build from options; raises ValueError naming the known ones."""
    return build(JsonFields, options)
