"""Makes golden cases of tests, ratings, agreement and looks: statsmodels, scipy, scikit-learn, and published values.

Run: python scripts/make_stats_oracle_cases.py  (needs statsmodels and scikit-learn; the product needs neither). What R
packages and papers printed is kept here as constants, each with its source.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn
import statsmodels
import statsmodels.api as sm
from scipy import stats
from scipy.integrate import dblquad, quad
from scipy.optimize import brentq, minimize
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower, normal_sample_size_one_tail

OUT = Path(__file__).parent.parent / "tests" / "cases" / "stats"
COMMAND = "python scripts/make_stats_oracle_cases.py"
IRRCAC = "irrCAC 1.0 (R), README of github.com/kgwet/irrCAC"
RAW4RATERS = [
    [1, 1, None, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4], [4, 4, 4, 4], [1, 1, 2, 1],
    [2, 2, 2, 2], [None, 5, 5, 5], [None, None, 1, 1], [None, None, 3, None],
]  # fmt: skip
ABSTRACTORS = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]
SIX_RATERS = [
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0],
    [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0],
    [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1],
]  # fmt: skip
BATTING = [
    0.400, 0.378, 0.356, 0.333, 0.311, 0.311, 0.289, 0.267, 0.244, 0.244, 0.222, 0.222, 0.222, 0.222, 0.222, 0.200,
    0.178, 0.156,
]  # fmt: skip


def write(name: str, library: str, version: str, cases: list[dict[str, Any]]) -> None:
    """One case file, one case per line so that a diff shows what changed."""
    head = {"library": library, "version": version, "command": COMMAND}
    body = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    text = f'{{\n  "made_by": {json.dumps(head)},\n  "cases": [\n{body}\n  ]\n}}\n'
    (OUT / name).write_text(text, encoding="utf-8")


def adjusted() -> list[dict[str, Any]]:
    rng = np.random.default_rng(21)
    lists = [[0.2], [0.01, 0.04, 0.03], [0.0, 1.0, 0.5], [0.05] * 4, rng.beta(0.4, 1, 25).round(4).tolist()]
    return [
        {"p": p, **{name: multipletests(p, method=name)[1].tolist() for name in ("holm", "fdr_bh", "fdr_by")}}
        for p in lists
    ]


def sizes() -> list[dict[str, Any]]:
    cases = []
    for effect, sd, alpha, power in ((0.02, 0.4, 0.05, 0.8), (0.1, 1.0, 0.01, 0.9), (0.5, 0.7, 0.05, 0.95)):
        one = normal_sample_size_one_tail(effect, power, alpha, std_null=sd, std_alternative=sd)
        two = NormalIndPower(ddof=0).solve_power(effect / sd, None, alpha, power, ratio=0, alternative="two-sided")
        reached = NormalIndPower(ddof=0).power(effect / sd, 80, alpha, ratio=0, alternative="larger")
        given = {"effect": effect, "sd": sd, "alpha": alpha, "power": power}
        cases.append({**given, "one_sided": float(one), "two_sided": float(two), "power_at_80": float(reached)})
    for discordance, effect in ((0.2, 0.03), (0.5, 0.1)):
        null, other = np.sqrt(discordance), np.sqrt(discordance - effect**2)
        connor = normal_sample_size_one_tail(effect, 0.8, 0.05, std_null=null, std_alternative=other)
        cases.append({"discordance": discordance, "effect": effect, "connor": float(connor)})
    return cases


def looks() -> list[dict[str, Any]]:
    """Bounds at up to three looks by nested adaptive quadrature: another method than the product's fixed nodes."""
    plans = (
        ((0.3, 0.6, 1.0), 0.05), ((0.3, 0.6, 1.0), 0.025), ((1 / 3, 2 / 3, 1.0), 0.025), ((0.5, 1.0), 0.05),
        ((0.2, 0.9, 1.0), 0.01), ((1.0,), 0.05),
    )  # fmt: skip
    return [{"fractions": list(times), "alpha": alpha, "bounds": nested(times, alpha)} for times, alpha in plans]


def nested(times: tuple[float, ...], alpha: float) -> list[float]:
    spent = [2 * stats.norm.sf(stats.norm.isf(alpha / 2) / np.sqrt(t)) for t in times]
    ends = [stats.norm.isf(spent[0]) * np.sqrt(times[0])]
    gaps = np.sqrt(np.diff(times))

    def second(end: float) -> float:
        def at(s: float) -> float:
            return stats.norm.pdf(s, scale=np.sqrt(times[0])) * stats.norm.sf(end - s, scale=gaps[0])

        return quad(at, -12, ends[0], epsabs=1e-13)[0]

    def third(end: float) -> float:
        def at(u: float, s: float) -> float:
            path = stats.norm.pdf(s, scale=np.sqrt(times[0])) * stats.norm.pdf(u - s, scale=gaps[0])
            return path * stats.norm.sf(end - u, scale=gaps[1])

        return dblquad(at, -8, ends[0], -8, ends[1], epsabs=1e-11)[0]

    for k, crossing in zip(range(1, len(times)), (second, third), strict=False):
        ends.append(root(crossing, spent[k] - spent[k - 1]))
    return [float(end / np.sqrt(t)) for end, t in zip(ends, times, strict=True)]


def root(crossing: Callable[[float], float], goal: float) -> float:
    return float(brentq(lambda end: crossing(end) - goal, 0.5, 5, xtol=1e-9))


def agreement() -> list[dict[str, Any]]:
    rng = np.random.default_rng(22)
    cases = []
    for size, n in ((2, 40), (4, 150)):
        a = rng.integers(0, size, n)
        b = np.where(rng.random(n) < 0.6, a, rng.integers(0, size, n))
        cases.append(
            {
                "a": a.tolist(), "b": b.tolist(), "kappa": float(cohen_kappa_score(a, b)),
                "quadratic": float(cohen_kappa_score(a, b, weights="quadratic")),
                "spearman": float(stats.spearmanr(a, b).statistic), "kendall": float(stats.kendalltau(a, b).statistic),
            }
        )  # fmt: skip
    return cases


def published() -> list[dict[str, Any]]:
    """What irrCAC prints, and Krippendorff (2011, "Computing Krippendorff's Alpha-Reliability") for the same data."""
    six = [[place for place, count in enumerate(row) for _ in range(count)] for row in SIX_RATERS]
    pairs = [[i, j] for i, row in enumerate(ABSTRACTORS) for j, count in enumerate(row) for _ in range(count)]
    found = [
        ("cac.raw4raters", RAW4RATERS, "gwet", None, 0.77544),
        ("cac.raw4raters", RAW4RATERS, "krippendorff", "nominal", 0.74342),
        ("distrib.6raters", six, "gwet", None, 0.4448007),
        ("distrib.6raters", six, "krippendorff", "nominal", 0.4204384),
        ("cont3x3abstractors", pairs, "kappa", None, 0.7964094),
        ("cont3x3abstractors", pairs, "gwet", None, 0.8493305),
        ("cont3x3abstractors", pairs, "krippendorff", "nominal", 0.7972585),
    ]
    cases = [
        {"source": IRRCAC, "data": data, "ratings": ratings, "coefficient": name, "scale": scale, "value": value}
        for data, ratings, name, scale, value in found
    ]
    paper = "Krippendorff (2011), Computing Krippendorff's Alpha-Reliability"
    for scale, value in (("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)):
        given = {"data": "cac.raw4raters", "ratings": RAW4RATERS, "coefficient": "krippendorff"}
        cases.append({"source": paper, **given, "scale": scale, "value": value})
    return cases


def verdicts(ties: float, seed: int) -> tuple[np.ndarray[Any, Any], ...]:
    rng = np.random.default_rng(seed)
    n, models = 240, 4
    strength = np.array([0.0, 0.4, 0.9, 1.3])
    first = rng.integers(0, models, n)
    second = (first + rng.integers(1, models, n)) % models
    score = (rng.random(n) < 1 / (1 + np.exp(strength[second] - strength[first]))).astype(float)
    score[rng.random(n) < ties] = 0.5
    return first, second, score, np.arange(n) // 3


def ratings() -> list[dict[str, Any]]:
    """Bradley-Terry as a binomial regression on differences, with clustered errors; Davidson by direct maximisation."""
    cases = []
    for ties in (0.0, 0.25):
        first, second, score, cluster = verdicts(ties, 23)
        design = np.zeros((first.size, 4))
        design[np.arange(first.size), first] = 1
        design[np.arange(first.size), second] = -1
        fit = sm.GLM(score, design[:, 1:], family=sm.families.Binomial()).fit(
            tol=1e-13, maxiter=200, cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}
        )
        prompts = int(cluster.max()) + 1
        case = {
            "first": first.tolist(), "second": second.tolist(), "score": score.tolist(), "cluster": cluster.tolist(),
            "theta": [0.0, *fit.params.tolist()], "se": (fit.bse * np.sqrt(prompts / (prompts - 1))).tolist(),
        }  # fmt: skip
        if ties:
            case["davidson"] = davidson(first, second, score)
        cases.append(case)
    return cases


def davidson(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> dict[str, Any]:
    def loss(free: np.ndarray[Any, Any]) -> float:
        strength = np.exp(np.concatenate([[0.0], free[:3]]))
        i, j = strength[first], strength[second]
        tie = np.exp(free[3]) * np.sqrt(i * j)
        chosen = np.where(score == 1, i, np.where(score == 0, j, tie))
        return float(-np.log(chosen / (i + j + tie)).sum())

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9})
    return {"theta": [0.0, *found.x[:3].tolist()], "nu": float(np.exp(found.x[3]))}


def tables() -> list[dict[str, Any]]:
    rng = np.random.default_rng(24)
    cases = []
    for sets, count, ties in ((6, 3, False), (12, 5, False), (15, 4, True)):
        table = rng.random((sets, count)) + 0.2 * np.arange(count)
        table = table.round(1) if ties else table.round(4)
        cases.append(
            {
                "table": table.tolist(), "statistic": float(stats.friedmanchisquare(*table.T).statistic),
                "mean_ranks": stats.rankdata(-table, axis=1).mean(axis=0).tolist(),
                "wilcoxon_01": float(stats.wilcoxon(table[:, 0], table[:, 1]).pvalue),
            }
        )  # fmt: skip
    return cases


def main() -> None:
    """Write all files."""
    write("multiplicity.json", "statsmodels multipletests", statsmodels.__version__, adjusted())
    write("power.json", "statsmodels.stats.power", statsmodels.__version__, sizes())
    write("looks.json", "scipy.integrate (nested quad)", scipy.__version__, looks())
    libraries = f"scikit-learn {sklearn.__version__} and scipy"
    write("agreement.json", libraries, scipy.__version__, agreement())
    write("agreement_published.json", "irrCAC (R) and Krippendorff (2011), as printed", "1.0", published())
    write("ratings.json", "statsmodels GLM, scipy.optimize", statsmodels.__version__, ratings())
    write("friedman.json", "scipy.stats", scipy.__version__, tables())
    baseball = {
        "source": "Efron and Morris (1977), Stein's Paradox in Statistics, Scientific American 236(5)",
        "values": BATTING, "at_bats": 45, "kept": 0.212,
    }  # fmt: skip
    nemenyi = {
        "source": "Demsar (2006), Statistical Comparisons of Classifiers, table 5(a)",
        "q": {"2": 1.960, "3": 2.343, "4": 2.569, "5": 2.728, "6": 2.850, "7": 2.949, "8": 3.031, "9": 3.102},
    }  # fmt: skip
    reached = {
        "source": "Lan-DeMets O'Brien-Fleming bounds of 2, 3, 4 and 5 equal looks, one-sided 0.025 (Reboussin, DeMets, "
        "Kim and Lan 2000; Jennison and Turnbull 2000)",
        "bounds": [
            [2.9626, 1.9686], [3.7103, 2.5114, 1.9930], [4.3326, 2.9631, 2.3590, 2.0141],
            [4.8769, 3.3569, 2.6803, 2.2898, 2.0310],
        ],
    }  # fmt: skip
    write("printed.json", "papers, as printed", "none", [baseball, nemenyi, reached])


if __name__ == "__main__":
    main()
