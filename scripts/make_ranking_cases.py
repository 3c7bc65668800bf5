"""Regenerate the golden cases of ranking measures with pytrec-eval, scikit-learn and ir-measures; CI diffs the result.

Usage: python scripts/make_ranking_cases.py [folder]
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
COMMAND = "python scripts/make_ranking_cases.py"
LIBRARY = "pytrec-eval-terrier"
NAMES = ["b#1", "a#1", "a#10", "a#2", "Z", "z", "ä", "é#3", "文", "😀", "0", "10", "9", "doc 7", "x.y", "x-y"]

Query = tuple[dict[str, int], list[list[Any]]]
"""Judgements, and a ranking as [id, score] in any order."""


def queries(seed: int, count: int, *, digits: int | None) -> list[Query]:
    """Random queries: some documents are unjudged, some judged ones not found; few digits make many ties."""
    drawn = random.Random(seed)
    found: list[Query] = []
    for _ in range(count):
        documents = [*NAMES, *(f"d{n}" for n in range(drawn.randint(0, 30)))]
        judged = {name: drawn.choice([0, 0, 1, 1, 2, 3]) for name in drawn.sample(documents, drawn.randint(3, 14))}
        judged[drawn.choice(documents)] = 3
        retrieved = drawn.sample(documents, drawn.randint(1, len(documents)))
        found.append((judged, [[name, round(drawn.gauss(0, 1), digits or 6)] for name in retrieved]))
    return found


def run_of(ranking: Sequence[Sequence[Any]], k: int | None = None) -> dict[str, float]:
    """A run of pytrec-eval, cut after rank `k` (`-M` of trec_eval, which pytrec-eval does not offer)."""
    order = sorted(ranking, key=lambda pair: pair[0], reverse=True)
    order.sort(key=lambda pair: -np.float32(pair[1]))
    return {str(name): float(score) for name, score in order[:k]}


def trec(measure: str, asked: Sequence[Query], *, level: int = 1, k: int | None = None) -> list[float]:
    """A measure of trec_eval for each query."""
    import pytrec_eval

    judged = {f"q{i}": grades for i, (grades, _) in enumerate(asked)}
    runs = {f"q{i}": run_of(ranking, k) for i, (_, ranking) in enumerate(asked)}
    values = pytrec_eval.RelevanceEvaluator(judged, {measure}, relevance_level=level).evaluate(runs)
    name = measure.replace(".", "_")
    return [values[f"q{i}"][name] for i in range(len(asked))]


def averaged(asked: Sequence[Query], k: int | None) -> list[float]:
    """nDCG of scikit-learn, which averages over ties; every judged document must have been retrieved."""
    from sklearn.metrics import ndcg_score

    found = []
    for judged, ranking in asked:
        grades = [[judged.get(name, 0) for name, _ in ranking]]
        found.append(float(ndcg_score(grades, [[score for _, score in ranking]], k=k)))
    return found


def unjudged(asked: Sequence[Query], k: int) -> list[float]:
    """1 - Judged@k of ir-measures."""
    import ir_measures

    measure = ir_measures.Judged @ k
    judged = {f"q{i}": grades for i, (grades, _) in enumerate(asked)}
    runs = {f"q{i}": {str(n): float(s) for n, s in ranking} for i, (_, ranking) in enumerate(asked)}
    values = {m.query_id: m.value for m in ir_measures.iter_calc([measure], judged, runs)}
    return [1 - values[f"q{i}"] for i in range(len(asked))]


def complete(asked: Sequence[Query]) -> list[Query]:
    """The same with every judged document somewhere in the ranking."""
    return [
        (judged, [*ranking, *([name, -9.5] for name in judged if name not in {n for n, _ in ranking})])
        for judged, ranking in asked
    ]


def case(name: str, spec: str, asked: Sequence[Query], values: Sequence[float]) -> dict[str, Any]:
    """One case: items and their values, twelve significant digits."""
    metric = spec.partition("(")[0]
    return {
        "name": name,
        "spec": spec,
        "items": [{"target": judged, "output": {"ranking": ranking}} for judged, ranking in asked],
        "scores": [{metric: float(f"{value:.12g}")} for value in values],
    }


def made() -> Mapping[str, list[dict[str, Any]]]:
    """The cases of every measure."""
    plain, tied = queries(1, 25, digits=None), queries(2, 25, digits=0)
    constant = [(judged, [[name, 0.25] for name, _ in ranking]) for judged, ranking in queries(3, 12, digits=None)]
    single = [({"a": 2, "b": 0}, [["b", 1.0], ["a", 1.0 + 1e-9]]), ({"a": 0, "b": 2}, [["b", 1.0], ["a", 1.0 + 1e-9]])]
    kinds = [("no ties", plain), ("ties", tied), ("constant", constant), ("tied in single precision", single)]

    def both(spec: str, measure: str, **more: Any) -> list[dict[str, Any]]:
        return [case(f"{name}: {spec}", spec, asked, trec(measure, asked, **more)) for name, asked in kinds]

    whole = [("ties", complete(tied)), ("constant", complete(constant))]
    expected = [
        case(f"{name}, averaged by scikit-learn", f"ndcg{'' if k is None else f'@{k}'}(ties='expected')", asked, values)
        for name, asked in whole
        for k in (None, 5)
        for values in [averaged(asked, k)]
    ]
    return {
        "ndcg": [*both("ndcg@10", "ndcg_cut.10"), *both("ndcg", "ndcg"), *both("ndcg@1", "ndcg_cut.1"), *expected],
        "recall": [*both("recall@10", "recall.10"), *both("recall@3(level=2)", "recall.3", level=2)],
        "precision": [*both("precision@10", "P.10"), *both("precision@4(level=2)", "P.4", level=2)],
        "mrr": [*both("mrr@10", "recip_rank", k=10), *both("mrr", "recip_rank"), *both("mrr@2", "recip_rank", k=2)],
        "map": [*both("map", "map"), *both("map@5", "map_cut.5"), *both("map(level=2)", "map", level=2)],
        "success": [*both("success@5", "success.5"), *both("success@1(level=2)", "success.1", level=2)],
        "hole": [case(f"hole@{k}", f"hole@{k}", plain, unjudged(plain, k)) for k in (10, 3)],
    }


def main(folder: Path) -> None:
    """Write one file per measure."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, cases in made().items():
        library = "ir-measures" if name == "hole" else LIBRARY
        made_by = {"library": library, "version": version(library), "command": COMMAND}
        text = json.dumps({"made_by": made_by, "cases": cases}, ensure_ascii=False)
        text = text.replace('{"name": ', '\n{"name": ').replace('{"target": ', '\n {"target": ')
        (folder / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
