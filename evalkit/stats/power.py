"""What a design of a given size can find, and the size that finds a given effect, before money is spent."""

from __future__ import annotations

import math

from evalkit.stats.quantiles import normal_probability, normal_quantile

WORTH = 0.05


def mde(se: float, *, alpha: float = 0.05, power: float = 0.8, two_sided: bool = False) -> float:
    """The smallest true effect that is found with probability `power`: (z_{1-a} + z_{power}) se.

    `se` is the standard error of the (paired) difference, in the metric's unit; two-sided takes z_{1-a/2}.
    Raises ValueError for a negative `se` or for alpha or power outside (0, 1).
    """
    if se < 0:
        raise ValueError(f"a standard error cannot be negative: {se}")
    return _reach(alpha, power, two_sided=two_sided) * se


def power_of(effect: float, se: float, *, alpha: float = 0.05, two_sided: bool = False) -> float:
    """The probability that a true effect is found, by the normal approximation; 0..1.

    Two-sided counts findings in the effect's own direction only. With `se` 0 every effect above 0 is found.
    """
    z = _critical(alpha, two_sided=two_sided)
    if se <= 0:
        return 1.0 if abs(effect) > 0 else 0.0
    return float(normal_probability(abs(effect) / se - z))


def samples_needed(
    sd: float,
    effect: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    two_sided: bool = False,
    design_effect: float = 1.0,
) -> int:
    """Samples that find a true `effect`: (z_{1-a} + z_{power})^2 sd^2 design_effect / effect^2, at least 2.

    `sd` is the standard deviation of the paired differences per sample (`with_repeats`, `binary_sd`, or a pilot);
    `design_effect` is V_cluster / V_iid of a pilot. Raises ValueError for an effect of 0.
    """
    if effect == 0:
        raise ValueError("an effect of 0 is found by no number of samples")
    reach = _reach(alpha, power, two_sided=two_sided)
    return _whole(reach**2 * sd**2 * design_effect / effect**2)


def noninferiority_samples(
    sd: float, margin: float, *, true_benefit: float = 0.0, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Samples that show "not worse by `margin`" when the true benefit is `true_benefit`, one-sided, at least 2.

    (z_{1-a} + z_{power})^2 sd^2 / (margin + true_benefit)^2. Raises ValueError where the truth is outside the margin.
    """
    room = margin + true_benefit
    if room <= 0:
        raise ValueError(f"a true benefit of {true_benefit} is not inside a margin of {margin}: nothing can show it")
    return _whole(_reach(alpha, power, two_sided=False) ** 2 * sd**2 / room**2)


def mcnemar_samples(
    discordance: float, effect: float, *, alpha: float = 0.05, power: float = 0.8, two_sided: bool = False
) -> int:
    """Pairs for McNemar's test (Connor 1987): (z_{1-a} sqrt(pi) + z_{power} sqrt(pi - d^2))^2 / d^2, at least 2.

    `discordance` pi = share of samples where the two differ, `effect` d = difference of the pass rates.
    """
    spread = binary_sd(discordance, effect)
    if effect == 0:
        raise ValueError("an effect of 0 is found by no number of samples")
    z = _critical(alpha, two_sided=two_sided)
    return _whole((z * math.sqrt(discordance) + normal_quantile(power) * spread) ** 2 / effect**2)


def binary_sd(discordance: float, effect: float) -> float:
    """The standard deviation of paired 0/1 differences: sqrt(pi - d^2).

    Differences are -1, 0 or 1; `discordance` pi is the share that is not 0, `effect` d their mean, |d| <= pi <= 1.
    Under no difference it is sqrt(pi), which Connor's form (`mcnemar_samples`) takes for the first term.
    """
    if not abs(effect) <= discordance <= 1:
        raise ValueError(f"a discordance of {discordance} cannot hold an effect of {effect}: |effect| <= it <= 1")
    return math.sqrt(discordance - effect**2)


def worst_case_sd(p: float) -> float:
    """The standard deviation of a paired 0/1 difference when nothing is known: sqrt(2 p (1 - p)).

    Two candidates with pass rate p whose answers are independent; answers to the same samples mostly agree more than
    that, which only makes the real value smaller. 1/sqrt(2) at p = 0.5.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"a pass rate lies in 0..1: {p}")
    return math.sqrt(2 * p * (1 - p))


def with_repeats(omega2_d: float, sigma2_a: float, repeats_a: int, sigma2_b: float, repeats_b: int) -> float:
    """The standard deviation of per-sample differences of repeat means: sqrt(omega2_d + sA^2/KA + sB^2/KB).

    `omega2_d` is the variance of the true differences between samples, `sigma2` that between the repeats of a sample
    (Miller 2024). Raises ValueError for fewer than one repeat.
    """
    if min(repeats_a, repeats_b) < 1:
        raise ValueError("a sample is asked at least once")
    return math.sqrt(max(0.0, omega2_d) + sigma2_a / repeats_a + sigma2_b / repeats_b)


def repeats_worth(omega2: float, sigma2: float) -> int:
    """The number of repeats after which one more makes the standard error less than 5 % smaller; 1..10.

    SE(K)^2 is proportional to omega2 + sigma2/K; a negative omega2 (it is estimated by subtraction) counts as 0.
    """
    between, k = max(0.0, omega2), 1
    while sigma2 > 0 and math.sqrt((between + sigma2 / (k + 1)) / (between + sigma2 / k)) <= 1 - WORTH:
        k += 1
    return k


def se_floor(omega2: float, samples: int) -> float:
    """The standard error that is left with endless repeats: sqrt(omega2 / samples)."""
    return math.sqrt(max(0.0, omega2) / samples)


def _critical(alpha: float, *, two_sided: bool) -> float:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1: {alpha}")
    return normal_quantile(1 - alpha / 2 if two_sided else 1 - alpha)


def _reach(alpha: float, power: float, *, two_sided: bool) -> float:
    if not 0 < power < 1:
        raise ValueError(f"power lies between 0 and 1: {power}")
    return _critical(alpha, two_sided=two_sided) + normal_quantile(power)


def _whole(samples: float) -> int:
    # A hair below a whole number is that number: 100.00000000000001 samples are 100.
    return max(2, math.ceil(samples * (1 - 1e-12)))
