"""Several tests at once: Holm for what decides, Benjamini and Hochberg for what is only looked at."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the given order, family-wise (Holm 1979): running maximum of (k - rank) p, at most 1."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, running = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the given order, false discovery rate (Benjamini and Hochberg 1995)."""
    order = sorted(range(len(p_values)), key=lambda place: -p_values[place])
    adjusted, running = [1.0] * len(p_values), 1.0
    for behind, place in enumerate(order):
        running = min(running, p_values[place] * len(p_values) / (len(p_values) - behind))
        adjusted[place] = running
    return adjusted
