"""Makes the golden cases of the statistics room from statsmodels, scipy and exact arithmetic.

Run: python scripts/make_stats_cases.py  (needs statsmodels and scipy; the product itself needs neither statsmodels
nor scipy.stats). Each case file names the library, its version and this command.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.stats
import statsmodels
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

OUT = Path(__file__).parent.parent / "tests" / "cases" / "stats"
COMMAND = "python scripts/make_stats_cases.py"


def write(name: str, library: str, version: str, cases: list[dict[str, Any]]) -> None:
    """One case file, one case per line so that a diff shows what changed."""
    head = {"library": library, "version": version, "command": COMMAND}
    body = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    text = f'{{\n  "made_by": {json.dumps(head)},\n  "cases": [\n{body}\n  ]\n}}\n'
    (OUT / name).write_text(text, encoding="utf-8")


def proportions(method: str) -> list[dict[str, Any]]:
    cases = []
    for successes, n in ((0, 1), (1, 1), (0, 10), (10, 10), (3, 10), (81, 100), (147, 150), (1, 1000), (9999, 10000)):
        for level in (0.9, 0.95, 0.99):
            low, high = proportion_confint(successes, n, alpha=1 - level, method=method)
            cases.append({"successes": successes, "n": n, "level": level, "low": float(low), "high": float(high)})
    return cases


def means() -> list[dict[str, Any]]:
    rng = np.random.default_rng(11)
    cases = []
    for n in (2, 5, 40):
        values = rng.normal(3, 2, n).round(3)
        low, high = DescrStatsW(values).tconfint_mean(alpha=0.05)
        cases.append({"values": values.tolist(), "level": 0.95, "low": float(low), "high": float(high)})
    return cases


def clustered() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rng = np.random.default_rng(12)
    plain, ratios = [], []
    for sizes in ((5,) * 40, (1, 2, 3, 4) * 10, (3, 7, 2, 9, 30, 1, 4, 6)):
        cluster = np.repeat(np.arange(len(sizes)), sizes)
        values = (rng.normal(0, 1, len(sizes))[cluster] + rng.normal(2, 1, cluster.size)).round(3)
        fit = sm.OLS(values, np.ones(values.size)).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
        low, high = fit.conf_int(0.05)[0]
        case = {"values": values.tolist(), "cluster": cluster.tolist(), "se": float(fit.bse[0])}
        plain.append({**case, "low": float(low), "high": float(high), **bell_mccaffrey(values, cluster)})
        words = rng.integers(3, 30, cluster.size).astype(float)
        errors = rng.binomial(words.astype(int), 0.2).astype(float)
        # A ratio of sums is a weighted regression on a constant, so its sandwich is the linearised variance.
        line = sm.WLS(errors / words, np.ones(words.size), weights=words)
        fit = line.fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
        low, high = fit.conf_int(0.05)[0]
        case = {"errors": errors.tolist(), "words": words.tolist(), "cluster": cluster.tolist()}
        ratios.append(
            {**case, "value": float(fit.params[0]), "se": float(fit.bse[0]), "low": float(low), "high": float(high)}
        )
    return plain, ratios


def bell_mccaffrey(values: np.ndarray, cluster: np.ndarray) -> dict[str, float]:
    """CR2 and its degrees of freedom in the full matrix form, for a regression on a constant."""
    n = values.size
    hat = np.full((n, n), 1 / n)
    residual_maker = np.eye(n) - hat
    residuals = values - values.mean()
    variance, vectors = 0.0, []
    for group in np.unique(cluster):
        mine = np.flatnonzero(cluster == group)
        adjust = scipy.linalg.fractional_matrix_power(np.eye(mine.size) - hat[np.ix_(mine, mine)], -0.5).real
        variance += float((np.ones(mine.size) @ adjust @ residuals[mine] / n) ** 2)
        vectors.append(residual_maker[:, mine] @ adjust @ np.ones(mine.size) / n)
    gram = np.array([[a @ b for b in vectors] for a in vectors])
    return {"cr2_se": math.sqrt(variance), "cr2_df": float(np.trace(gram) ** 2 / (gram**2).sum())}


def accelerated() -> list[dict[str, Any]]:
    rng = np.random.default_rng(13)
    cases = []
    for n in (12, 30):
        values = rng.exponential(2, n).round(3)
        drawn = scipy.stats.bootstrap((values,), np.mean, n_resamples=400, method="BCa", rng=np.random.default_rng(5))
        again = scipy.stats.bootstrap((values,), np.mean, n_resamples=0, method="BCa", bootstrap_result=drawn)
        low, high = again.confidence_interval
        draws = [float(d) for d in drawn.bootstrap_distribution]
        cases.append({"values": values.tolist(), "draws": draws, "level": 0.95, "low": float(low), "high": float(high)})
    return cases


def passes() -> list[dict[str, Any]]:
    cases = []
    for n, c, k in ((1, 0, 1), (1, 1, 1), (5, 2, 1), (5, 2, 3), (5, 3, 3), (10, 1, 10), (200, 7, 100), (2000, 3, 500)):
        at = 1 - Fraction(math.comb(n - c, k), math.comb(n, k))
        together = Fraction(math.comb(c, k), math.comb(n, k))
        cases.append({"n": n, "c": c, "k": k, "pass_at": float(at), "pass_all": float(together)})
    return cases


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    write("wilson.json", "statsmodels", statsmodels.__version__, proportions("wilson"))
    write("clopper_pearson.json", "statsmodels", statsmodels.__version__, proportions("beta"))
    write("mean_t.json", "statsmodels", statsmodels.__version__, means())
    plain, ratios = clustered()
    write(
        "cluster_mean.json",
        "statsmodels (CR1), numpy matrix form of Bell-McCaffrey (CR2)",
        statsmodels.__version__,
        plain,
    )
    write("ratio.json", "statsmodels (WLS, cluster)", statsmodels.__version__, ratios)
    write("bca.json", "scipy.stats.bootstrap", scipy.__version__, accelerated())
    write("pass_at.json", "python fractions", "exact", passes())


if __name__ == "__main__":
    main()
