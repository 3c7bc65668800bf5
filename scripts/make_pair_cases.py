"""Makes the golden cases of paired comparisons from scipy, statsmodels, scikit-learn, sacrebleu and exact counting.

Run: python scripts/make_pair_cases.py [FOLDER]  (needs statsmodels, scikit-learn and sacrebleu; the product does not).
Each case file names the library, its version and this command.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu
import scipy
import scipy.stats
import sklearn
import statsmodels
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

OUT = Path(__file__).parent.parent / "tests" / "cases" / "stats"
COMMAND = "python scripts/make_pair_cases.py"
Cases = list[dict[str, Any]]


def write(folder: Path, name: str, library: tuple[str, str], cases: Cases) -> None:
    """One case file, one case per line so that a diff shows what changed."""
    head = {"library": library[0], "version": library[1], "command": COMMAND}
    body = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    text = f'{{\n  "made_by": {json.dumps(head)},\n  "cases": [\n{body}\n  ]\n}}\n'
    (folder / name).write_text(text, encoding="utf-8")


def printed() -> Cases:
    """Tango's interval for (gained - lost)/n, as papers and R packages print it; `places` are their decimals."""
    fagerland = "Fagerland, Lydersen and Laake (2014), Recommended tests and confidence intervals, table V"
    tango = "Tango (1998), Equivalence test and confidence interval, Statistics in Medicine 17, 891-908, as in ratesci"
    rows = (
        (fagerland, 1, 7, 21, 0.95, -0.517, -0.026, 3),
        (tango, 0, 1, 44, 0.90, -0.096, 0.037, 3),
        (tango, 9, 3, 32, 0.95, -0.027, 0.390, 3),
        ("R PropCIs::scoreci.mp(25, 28, 618, 0.90)", 28, 25, 618, 0.90, -0.0148, 0.0247, 4),
    )
    names = ("source", "gained", "lost", "n", "level", "low", "high", "places")
    return [dict(zip(names, row, strict=True)) for row in rows]


def tests_of_counts() -> Cases:
    cases = []
    for gained, lost in ((0, 0), (1, 0), (5, 0), (3, 3), (2, 9), (7, 1), (12, 11), (40, 20)):
        n = gained + lost
        exact = float(mcnemar([[5, gained], [lost, 5]], exact=True).pvalue) if n else 1.0
        below = Fraction(sum(math.comb(n, k) for k in range(min(gained, lost))), 2**n)
        here = Fraction(math.comb(n, min(gained, lost)), 2**n)
        mid = 1.0 if gained == lost else float(2 * (below + here / 2))
        asymptotic = float(mcnemar([[5, gained], [lost, 5]], exact=False, correction=False).pvalue) if n else 1.0
        case = {"gained": gained, "lost": lost, "exact": exact, "mid": mid, "asymptotic": asymptotic}
        cases.append({**case, "binomtest": float(scipy.stats.binomtest(gained, n).pvalue) if n else 1.0})
    return cases


def means() -> Cases:
    rng = np.random.default_rng(21)
    cases = []
    for n in (10, 25, 60):
        before = rng.normal(3, 2, n)
        ours, theirs = (before + rng.normal(0.3, 1, n)).round(3), before.round(3)
        paired = scipy.stats.ttest_rel(ours, theirs)
        less = scipy.stats.ttest_rel(ours, theirs, alternative="less")
        welch = scipy.stats.ttest_ind(ours, theirs, equal_var=False)
        cases.append({
            "candidate": ours.tolist(), "baseline": theirs.tolist(),
            "p": float(paired.pvalue), "p_less": float(less.pvalue), "df": float(paired.df),
            "interval": [float(end) for end in paired.confidence_interval(0.95)],
            "inner": [float(end) for end in paired.confidence_interval(0.90)],
            "welch_p": float(welch.pvalue), "welch_df": float(welch.df),
            "welch_interval": [float(end) for end in welch.confidence_interval(0.95)],
        })  # fmt: skip
    return cases


def independent() -> Cases:
    cases = []
    for one, n, other, m in ((56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 20), (5, 56, 0, 29)):
        low, high = confint_proportions_2indep(one, n, other, m, method="newcomb", compare="diff", alpha=0.05)
        cases.append({"won": one, "n": n, "lost": other, "m": m, "low": float(low), "high": float(high)})
    return cases


def flips() -> Cases:
    """Every sign of every cluster, by scipy; and the bounds by a search for what a count of all signs lets stand."""
    rng = np.random.default_rng(22)
    cases = []
    for groups in (4, 6, 9):
        values = rng.normal(0.4, 1, groups).round(2)

        def mean(x: np.ndarray, axis: int = -1) -> np.ndarray:
            return np.mean(x, axis=axis)

        p = {
            side: float(
                scipy.stats.permutation_test(
                    (values,), mean, permutation_type="samples", n_resamples=np.inf, alternative=side
                ).pvalue
            )
            for side in ("two-sided", "less")
        }
        case = {"values": values.tolist(), "p": p["two-sided"], "p_less": p["less"]}
        cases.append({**case, "lower": counted(values, 1), "upper": counted(values, -1)})
    return cases


def counted(values: np.ndarray, side: int) -> float | None:
    """The least (side 1) or largest (-1) mean that a count of all flips lets stand at one-sided 5 %, on a grid."""
    signs = np.array(list(itertools.product((1, -1), repeat=values.size)))
    kept = []
    for mean in np.arange(-8, 8, 0.001):
        apart = side * (values - mean)
        if (signs @ apart >= apart.sum() - 1e-9).mean() > 0.05:
            kept.append(mean)
    end = min(kept) if side > 0 else max(kept)
    return None if abs(end) > 7.9 else round(float(end), 3)


def areas() -> Cases:
    """Placements by counting pairs, DeLong's variances from them, and the areas by scikit-learn."""
    rng = np.random.default_rng(23)
    cases = []
    for n, digits in ((8, 1), (12, 1), (40, 2)):
        positive = np.arange(n) % 3 == 0
        scores = [(rng.normal(0, 1, n) + shift * positive).round(digits) for shift in (1.5, 0.7)]
        above, below = zip(*(counted_placements(score, positive) for score in scores), strict=True)
        difference = [a - b for a, b in zip(*above, strict=True)], [a - b for a, b in zip(*below, strict=True)]
        cases.append({
            "positive": positive.astype(int).tolist(), "scores": [score.tolist() for score in scores],
            "area": [float(roc_auc_score(positive, score)) for score in scores],
            "se": [math.sqrt(spread(a) + spread(b)) for a, b in zip(above, below, strict=True)],
            "se_difference": math.sqrt(spread(difference[0]) + spread(difference[1])),
        })  # fmt: skip
    return cases


def counted_placements(score: np.ndarray, positive: np.ndarray) -> tuple[list[Fraction], list[Fraction]]:
    def beats(a: float, b: float) -> Fraction:
        return Fraction(1) if a > b else Fraction(1, 2) if a == b else Fraction(0)

    ones, zeros = score[positive], score[~positive]
    above = [sum((beats(a, b) for b in zeros), Fraction(0)) / len(zeros) for a in ones]
    return above, [sum((beats(a, b) for a in ones), Fraction(0)) / len(ones) for b in zeros]


def spread(parts: list[Fraction]) -> Fraction:
    """The variance of a mean of structural components."""
    mean = sum(parts, Fraction(0)) / len(parts)
    return sum(((part - mean) ** 2 for part in parts), Fraction(0)) / (len(parts) - 1) / len(parts)


def fieller() -> Cases:
    """The ends of the set of ratios that a t test of above - r below lets stand, found by a root search."""
    rng = np.random.default_rng(24)
    cases = []
    for groups in (12, 30):
        below = rng.gamma(1.2, 5, groups).round(2)
        above = (0.3 * below + rng.normal(0, 1, groups)).round(2)

        def excess(ratio: float, above: np.ndarray = above, below: np.ndarray = below) -> float:
            found = scipy.stats.ttest_1samp(above - ratio * below, 0.0)
            return float(abs(found.statistic) - scipy.stats.t.ppf(0.975, above.size - 1))

        centre = above.sum() / below.sum()
        ends = [float(brentq(excess, centre, centre + far, xtol=1e-13)) for far in (-2.0, 2.0)]
        cases.append({"above": above.tolist(), "below": below.tolist(), "low": ends[0], "high": ends[1]})
    return cases


def translations() -> Cases:
    """sacrebleu's own paired approximate randomisation of two systems, and the statistics that it swaps."""
    rng = np.random.default_rng(25)
    words = ["the", "a", "red", "old", "fox", "dog", "cat", "runs", "sees", "far", "house", "tree", "and", "today"]
    targets = [" ".join(rng.choice(words, rng.integers(6, 14))) for _ in range(60)]

    def noisy(rate: float) -> list[str]:
        return [
            " ".join(word if rng.random() > rate else str(rng.choice(words)) for word in text.split())
            for text in targets
        ]

    systems = [("baseline", noisy(0.32)), ("candidate", noisy(0.2))]
    metric = BLEU(references=[targets])
    test = PairedTest(systems, {"BLEU": metric}, references=None, test_type="ar", n_samples=10_000)
    _, scores = test()
    extract = metric._extract_corpus_statistics  # noqa: SLF001 - the only way to what the test swaps
    statistics = {name: extract(texts, None) for name, texts in systems}
    found = scores["BLEU"]
    return [{
        "statistics": {name: [[float(s) for s in row] for row in rows] for name, rows in statistics.items()},
        "scores": [float(one.score) for one in found], "p": float(found[1].p_value),
    }]  # fmt: skip


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "tango.json", ("papers, as printed", "none"), printed())
    write(folder, "mcnemar.json", ("statsmodels", statsmodels.__version__), tests_of_counts())
    write(folder, "paired_t.json", ("scipy", scipy.__version__), means())
    write(folder, "newcombe.json", ("statsmodels", statsmodels.__version__), independent())
    write(folder, "sign_flips.json", ("scipy", scipy.__version__), flips())
    write(folder, "delong.json", ("scikit-learn", sklearn.__version__), areas())
    write(folder, "fieller.json", ("scipy", scipy.__version__), fieller())
    write(folder, "paired_bleu.json", ("sacrebleu", sacrebleu.__version__), translations())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
