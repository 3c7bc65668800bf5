"""How fast rankings are scored and vectors searched: against pytrec-eval alone, and against the bare blocked product."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytrec_eval

from evalkit.baselines._vectors import BLOCK, top_k
from evalkit.scorers._rankings import ndcg_many

from .definitions import Bench, Group
from .results import Result, at_most

RANKS = 1_000
AT_ONCE = 500
CUT = 10


def gains(bench: Bench) -> Iterator[Result]:
    """nDCG@10 of 10,000 queries with 1,000 ranks, a tenth of them tied; `evaluate` of pytrec-eval is the control.

    Both get what they would get in use: pytrec-eval its dictionaries, evalkit the answers as JSON holds them. The
    queries are made and measured 500 at a time: all of them would take gigabytes.
    """
    drawn = random.Random(1)
    bare = own = 0.0
    left = bench.sized(10_000)
    while left > 0:
        judged, answers = _queries(drawn, min(left, AT_ONCE))
        left -= len(answers)
        runs = {f"q{i}": dict(answer["ranking"]) for i, answer in enumerate(answers)}
        evaluator = pytrec_eval.RelevanceEvaluator({f"q{i}": one for i, one in enumerate(judged)}, {f"ndcg_cut.{CUT}"})
        begun = time.process_time()
        theirs = evaluator.evaluate(runs)
        bare += time.process_time() - begun
        begun = time.process_time()
        ours = ndcg_many(answers, judged, k=CUT)
        own += time.process_time() - begun
        assert np.allclose(ours, [theirs[f"q{i}"][f"ndcg_cut_{CUT}"] for i in range(len(answers))])
    yield at_most("ndcg_cpu", own, "s", 1.5 * bare, control=bare)


def _queries(drawn: random.Random, n: int) -> tuple[list[dict[str, int]], list[dict[str, Any]]]:
    judged, answers = [], []
    for _ in range(n):
        names = [f"d{number}" for number in drawn.sample(range(1_000_000), RANKS)]
        scores = sorted((round(drawn.expovariate(1), 4) for _ in names), reverse=True)
        answers.append({"ranking": [[name, score] for name, score in zip(names, scores, strict=True)]})
        judged.append({name: drawn.randint(0, 3) for name in drawn.sample(names, 20)} | {"elsewhere": 2})
    return judged, answers


def neighbours(bench: Bench) -> Iterator[Result]:
    """Exact top 100 of 1,000 queries over 200,000 vectors of 256 dimensions; the bare blocked product is the control."""
    drawn = np.random.default_rng(1)
    corpus = drawn.standard_normal((bench.sized(200_000), 256), dtype=np.float32)
    queries = drawn.standard_normal((bench.sized(1_000), 256), dtype=np.float32)
    times = 1 if bench.quick else bench.repeats
    bare = min(_wall(lambda: _product(queries, corpus)) for _ in range(times))
    found = min(_wall(lambda: top_k(queries, corpus, 100)) for _ in range(times))
    yield at_most("top_k_wall", found, "s", 2.0 * bare, control=bare)


def _product(queries: Any, corpus: Any) -> None:
    for start in range(0, len(corpus), BLOCK):
        queries @ corpus[start : start + BLOCK].T


def _wall(run: Any) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


GROUPS = (Group(("ndcg_cpu",), gains), Group(("top_k_wall",), neighbours))
