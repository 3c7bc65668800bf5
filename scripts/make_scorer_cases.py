"""Regenerate the golden cases of scorers whose metric a reference library also computes; CI diffs the result.

Usage: python scripts/make_scorer_cases.py [folder]
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
COMMAND = "python scripts/make_scorer_cases.py"
Case = dict[str, Any]


def item(target: Any, output: Any, **more: Any) -> dict[str, Any]:
    """One sample and its answer."""
    return {"target": target, "output": output, **more}


def value(number: Any) -> float:
    """Twelve significant digits: the same on every machine."""
    return float(f"{float(number):.12g}")


def classification_cases() -> list[Case]:
    """Random labels, more than two classes, constant predictions, absent classes, one class only."""
    drawn = random.Random(1)
    names = ["billing", "bug", "how-to", "other"]
    mixed = [(t, t if drawn.random() < 0.6 else drawn.choice(names)) for t in drawn.choices(names, [9, 5, 3, 1], k=120)]
    lists = {
        "four classes": ([], mixed),
        "two classes": ([], [(t, p) for t, p in mixed if {t, p} <= {"billing", "bug"}]),
        "labels given, one without support": ([*names, "unused"], mixed),
        "a predicted class that no target has": (
            [],
            [(t, "other" if i % 7 == 0 else t) for i, t in enumerate(["a", "b"] * 20)],
        ),
        "constant prediction": ([], [(t, "billing") for t, _ in mixed]),
        "one class, all right": ([], [("a", "a")] * 5),
        "one class, some wrong": (["a", "b"], [("a", "a"), ("a", "b"), ("a", "a")]),
        "integers and whole floats": ([], [(i % 3, float(i % 3 if i % 4 else 0)) for i in range(30)]),
    }
    return [_classified(name, labels, pairs) for name, (labels, pairs) in lists.items()]


def _classified(name: str, labels: list[str], pairs: list[tuple[Any, Any]]) -> Case:
    from sklearn import metrics

    truth, guess = (
        [str(int(v)) if isinstance(v, float) else str(v) for v in column] for column in zip(*pairs, strict=True)
    )
    known = labels or sorted(set(truth))
    folded = {
        "accuracy": value(metrics.accuracy_score(truth, guess)),
        "macro_f1": value(metrics.f1_score(truth, guess, labels=known, average="macro", zero_division=0)),
        "micro_f1": value(metrics.f1_score(truth, guess, labels=known, average="micro", zero_division=0)),
        "mcc": value(metrics.matthews_corrcoef(truth, guess)),
    }
    spec = f"classification(labels={labels!r})" if labels else "classification"
    return {"name": name, "spec": spec, "items": [item(t, p) for t, p in pairs], "value": folded}


def binary_pairs(seed: int, n: int, digits: int) -> list[tuple[int, float]]:
    """Labels and rounded probabilities: few digits make many ties."""
    drawn = random.Random(seed)
    labels = [int(drawn.random() < 0.35) for _ in range(n)]
    return [(y, round(min(max(drawn.gauss(0.35 + 0.25 * y, 0.25), 0.0), 1.0), digits)) for y in labels]


def several(seed: int, n: int) -> list[tuple[str, dict[str, float]]]:
    """Labels and three probabilities that sum to 1."""
    drawn = random.Random(seed)
    rows = []
    for _ in range(n):
        truth = drawn.choice("abc")
        raw = {k: drawn.randint(1, 20) + (12 if k == truth else 0) for k in "abc"}
        a, b = (round(raw[k] / sum(raw.values()), 4) for k in "ab")
        rows.append((truth, {"a": a, "b": b, "c": round(1 - a - b, 4)}))
    return rows


def probability_cases(metric: str, binary: Callable[..., Any], multi: Callable[..., Any]) -> list[Case]:
    """The three forms of a probability, with ties, constant answers and certainty."""
    cases = []
    for name, pairs in {
        "binary": binary_pairs(2, 80, 6),
        "binary with ties": binary_pairs(3, 120, 1),
        "constant": [(y, 0.5) for y, _ in binary_pairs(4, 30, 2)],
        "certain and wrong once": [(1, 1.0), (0, 0.0), (1, 0.0), (0, 0.25)],
    }.items():
        truth, chances = zip(*pairs, strict=True)
        items = [item(y, p if i % 2 else {"probability": p}) for i, (y, p) in enumerate(pairs)]
        cases.append({"name": name, "spec": metric, "items": items, "value": {metric: value(binary(truth, chances))}})
    named = [
        ("yes" if y else "no", {"probabilities": {"yes": p, "no": round(1 - p, 6)}}) for y, p in binary_pairs(5, 60, 3)
    ]
    found = binary([y == "yes" for y, _ in named], [p["probabilities"]["yes"] for _, p in named])
    items = [item(y, p) for y, p in named]
    cases.append(
        {"name": "positive", "spec": f"{metric}(positive='yes')", "items": items, "value": {metric: value(found)}}
    )
    rows = several(6, 90)
    found = multi([t for t, _ in rows], [[p[k] for k in "abc"] for _, p in rows])
    items = [item(t, json.dumps({"probabilities": p})) for t, p in rows]
    cases.append({"name": "three classes", "spec": metric, "items": items, "value": {metric: value(found)}})
    return cases


def auc_cases() -> list[Case]:
    """Area under the curve, one against the rest for several classes."""
    from sklearn.metrics import roc_auc_score

    cases = probability_cases(
        "auc", roc_auc_score, lambda t, p: roc_auc_score(t, p, multi_class="ovr", average="macro")
    )
    one = [item(1, 0.2), item(1, 0.7)]
    return [*cases, {"name": "one class is undefined", "spec": "auc", "items": one, "value": {"auc": None}}]


def average_precision_cases() -> list[Case]:
    """Area under the precision-recall curve, one against the rest for several classes."""
    from sklearn.metrics import average_precision_score
    from sklearn.preprocessing import label_binarize

    def several_classes(truth: list[str], chances: list[list[float]]) -> float:
        return float(average_precision_score(label_binarize(truth, classes=list("abc")), chances, average="macro"))

    cases = probability_cases("average_precision", average_precision_score, several_classes)
    none = {"name": "no positive is undefined", "items": [item(0, 0.2), item(0, 0.7)]}
    every = {"name": "only positives", "items": [item(1, 0.2), item(1, 0.7)]}
    cases.append({**none, "spec": "average_precision", "value": {"average_precision": None}})
    found = value(average_precision_score([1, 1], [0.2, 0.7]))
    return [*cases, {**every, "spec": "average_precision", "value": {"average_precision": found}}]


def _gaps(hits: list[float], sure: list[float], bins: int) -> dict[str, float]:
    """Mean and largest gap of scikit-learn's quantile bins: equal ones where `bins` divides the number of samples."""
    from sklearn.calibration import calibration_curve

    assert len(hits) % bins == 0
    assert len(set(sure)) == len(sure)
    right, stated = calibration_curve(hits, sure, n_bins=bins, strategy="quantile")
    gaps = abs(right - stated)
    assert len(gaps) == bins
    return {"ece": value(gaps.mean()), "mce": value(gaps.max())}


def calibration_cases() -> list[Case]:
    """Calibration error over equal bins: one probability, that of a named class, the best of three labels."""
    pairs = [(p, y) for p, y in {p: y for y, p in binary_pairs(9, 140, 5)}.items() if 0 < p < 1][:100]
    truth, sure = [y for _, y in pairs], [p for p, _ in pairs]
    items = [item(y, p if i % 2 else {"probability": p}) for i, (p, y) in enumerate(pairs)]
    yes = [item("yes" if y else "no", {"probabilities": {"yes": p, "no": round(1 - p, 5)}}) for p, y in pairs]
    best = {max(p.values()): (t, p) for t, p in several(10, 110)}
    rows = list(best.values())[:60]
    labels = [item(t, {"probabilities": p}) for t, p in rows]
    hits = [float(p[t] == max(p.values())) for t, p in rows]
    return [
        {"name": "binary", "spec": "calibration", "items": items, "value": _gaps(truth, sure, 10)},
        {"name": "four bins", "spec": "calibration(bins=4)", "items": items, "value": _gaps(truth, sure, 4)},
        {"name": "positive", "spec": "calibration(positive='yes')", "items": yes, "value": _gaps(truth, sure, 10)},
        {
            "name": "best of three labels",
            "spec": "calibration(bins=6)",
            "items": labels,
            "value": _gaps(hits, [max(p.values()) for _, p in rows], 6),
        },
    ]


def log_loss_cases() -> list[Case]:
    """Log loss, clipped."""
    from sklearn.metrics import log_loss

    return probability_cases("log_loss", lambda t, p: log_loss(t, p, labels=[0, 1]), log_loss)


def brier_cases() -> list[Case]:
    """Brier score, halved for any number of classes."""
    from sklearn.metrics import brier_score_loss, mean_squared_error
    from sklearn.preprocessing import label_binarize

    def several_classes(truth: list[str], chances: list[list[float]]) -> float:
        return float(mean_squared_error(label_binarize(truth, classes=list("abc")), chances) * 3 / 2)

    return probability_cases("brier", brier_score_loss, several_classes)


def regression_cases() -> list[Case]:
    """Noisy numbers, a perfect and a constant prediction, large targets, percentages."""
    from sklearn import metrics

    drawn = random.Random(7)
    truth = [round(drawn.gauss(150, 70), 3) for _ in range(70)]
    noisy = [(y, round(y * 0.8 + drawn.gauss(30, 25), 3)) for y in truth]
    shifted = [(round(1e9 + y, 3), round(1e9 + p, 3)) for y, p in noisy]
    cases = []
    for name, spec, pairs in [
        ("noisy", "regression", noisy),
        ("perfect", "regression", [(y, y) for y in truth]),
        ("constant prediction", "regression", [(y, 150) for y in truth]),
        ("large targets", "regression(origin=1000000000.0)", shifted),
        ("percentage", "regression(percentage=True)", noisy),
    ]:
        y, p = zip(*pairs, strict=True)
        folded = {
            "rmse": value(metrics.root_mean_squared_error(y, p)),
            "mae": value(metrics.mean_absolute_error(y, p)),
            "r2": value(metrics.r2_score(y, p)),
        }
        if "percentage" in spec:
            folded["mape"] = value(metrics.mean_absolute_percentage_error(y, p))
        items = [item(a, b if i % 2 else str(b)) for i, (a, b) in enumerate(pairs)]
        cases.append({"name": name, "spec": spec, "items": items, "value": folded})
    flat = [item(3, 3.5), item(3, 2.5)]
    undefined = {"rmse": 0.5, "mae": 0.5, "r2": None}
    return [*cases, {"name": "constant target has no R2", "spec": "regression", "items": flat, "value": undefined}]


TICKET = {
    "type": "object",
    "properties": {
        "category": {"enum": ["billing", "bug"]},
        "priority": {"type": "integer", "minimum": 1, "maximum": 5},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["category", "priority"],
    "additionalProperties": False,
}
TICKETS: list[Any] = [
    {"category": "bug", "priority": 2},
    {"category": "bug", "priority": 2.0},
    {"category": "bug", "priority": 6},
    {"category": "bug", "priority": True},
    {"category": "Bug", "priority": 2},
    {"category": "bug"},
    {"category": "bug", "priority": 1, "tags": ["a", "b"]},
    {"category": "bug", "priority": 1, "tags": ["a", "a"]},
    {"category": "bug", "priority": 1, "tags": ["a", 1]},
    {"category": "bug", "priority": 1, "note": None},
    [],
    "bug",
    None,
]
TUPLE_7 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}, {"type": "string"}]}
TUPLE_2020 = {"prefixItems": [{"type": "integer"}, {"type": "string"}]}


def json_valid_cases() -> list[Case]:
    """Answers against schemas of two drafts."""
    from jsonschema import Draft7Validator, Draft202012Validator

    cases = []
    for name, schema, kind, answers in [
        ("ticket", TICKET, Draft202012Validator, TICKETS),
        ("tuple, draft 7", TUPLE_7, Draft7Validator, [[1, "a"], ["a", 1], [1], []]),
        ("tuple, draft 2020-12", TUPLE_2020, Draft202012Validator, [[1, "a"], ["a", 1], [1], []]),
    ]:
        scores = [{"json_valid": float(kind(schema).is_valid(answer))} for answer in answers]
        items = [item(None, json.dumps(answer)) for answer in answers]
        cases.append({"name": name, "spec": f"json_valid(schema={schema!r})", "items": items, "scores": scores})
        asked = [{**each, "meta": {"schema": schema}} for each in items]
        cases.append({"name": f"{name}, schema of the sample", "spec": "json_valid", "items": asked, "scores": scores})
    return cases


def latency_cases() -> list[Case]:
    """Quantiles of odd, even and single numbers of answers."""
    import numpy as np

    drawn = random.Random(8)
    cases = []
    for n in (1, 2, 4, 20, 101):
        whole = [round(drawn.lognormvariate(0, 0.7), 4) for _ in range(n)]
        first = [round(s / 3, 4) for s in whole]
        counts = [drawn.randint(5, 300) for _ in range(n)]
        folded = {
            f"{name}_p{q}": value(np.quantile(seconds, q / 100, method="averaged_inverted_cdf"))
            for name, seconds, levels in (("latency", whole, (50, 95, 99)), ("first_token", first, (50, 95)))
            for q in levels
        }
        folded["tokens_per_s"] = value(sum(counts) / sum(whole))
        items = [
            item(None, "x", seconds=s, first_token_s=f, usage={"output_tokens": c, "input_tokens": 9})
            for s, f, c in zip(whole, first, counts, strict=True)
        ]
        cases.append({"name": f"{n} answers", "spec": "latency", "items": items, "value": folded})
    return cases


MADE: dict[str, tuple[str, Callable[[], list[Case]]]] = {
    "classification": ("scikit-learn", classification_cases),
    "auc": ("scikit-learn", auc_cases),
    "average_precision": ("scikit-learn", average_precision_cases),
    "calibration": ("scikit-learn", calibration_cases),
    "log_loss": ("scikit-learn", log_loss_cases),
    "brier": ("scikit-learn", brier_cases),
    "regression": ("scikit-learn", regression_cases),
    "json_valid": ("jsonschema", json_valid_cases),
    "latency": ("numpy", latency_cases),
}
SCORES_REFUSALS = {"latency"}


def main(folder: Path) -> None:
    """Write one file per scorer."""
    folder.mkdir(parents=True, exist_ok=True)
    for scorer, (library, cases) in MADE.items():
        made_by = {"library": library, "version": version(library), "command": COMMAND}
        content: dict[str, Any] = {"made_by": made_by, "cases": cases()}
        if scorer in SCORES_REFUSALS:
            content["scores_refusals"] = True
        text = json.dumps(content, ensure_ascii=False, separators=(", ", ": "))
        text = (
            text.replace('{"name": ', '\n{"name": ')
            .replace('"items": [', '"items": [\n ')
            .replace('}, {"target"', '},\n {"target"')
        )
        (folder / f"{scorer}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
