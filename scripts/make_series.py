"""Write datasets/series/samples.jsonl: real series of statsmodels and labelled synthetic ones, cut at rolling origins.

Usage: make_series.py [FOLDER]. The same versions give the same bytes; nothing is downloaded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import statsmodels.api as sm

ROOT = Path(__file__).parents[1]
HORIZON = {"yearly": 4, "quarterly": 8, "monthly": 12, "weekly": 13, "daily": 14}
SEASON = {"yearly": 1, "quarterly": 4, "monthly": 12, "weekly": 52, "daily": 7}
LONGEST = {"yearly": 120, "quarterly": 120, "monthly": 180, "weekly": 208, "daily": 168}
ORIGINS = 3
COUNTRIES = (
    "Argentina", "Brazil", "Canada", "China", "Egypt, Arab Rep.", "France", "India", "Ireland", "Japan", "Kenya",
    "Mexico", "Nigeria", "Poland", "Spain", "Sweden", "Turkey", "Vietnam",
)  # fmt: skip
DIGITS = 6


@dataclass(frozen=True)
class Series:
    """One series: its name, frequency, numbers in time order, and where they come from."""

    name: str
    frequency: str
    values: list[float]
    source: str


def load(name: str):
    return getattr(sm.datasets, name).load_pandas().data


def real() -> Iterator[Series]:
    """Series of statsmodels' data sets, at their own frequency."""
    yield Series("sunspots", "yearly", load("sunspots")["SUNACTIVITY"].tolist(), "sunspots")
    yield Series("nile", "yearly", load("nile")["volume"].tolist(), "nile")
    for firm, rows in load("grunfeld").groupby("firm"):
        yield Series(f"invest-{firm.lower().replace(' ', '-')}", "yearly", rows["invest"].tolist(), "grunfeld")
    births = load("fertility").set_index("Country Name")
    years = [column for column in births.columns if column.isdigit()]
    for country in COUNTRIES:
        values = births.loc[country, years].dropna().astype(float).tolist()
        yield Series(f"births-{country.split(',')[0].lower()}", "yearly", values, "fertility")
    macro = load("macrodata")
    for column in macro.columns[2:]:
        yield Series(f"us-{column}", "quarterly", macro[column].tolist(), "macrodata")
    danish = load("danish_data")
    for column in danish.columns:
        yield Series(f"dk-{column}", "quarterly", danish[column].tolist(), "danish_data")
    months = load("elnino").iloc[:, 1:]
    yield Series("sea-temperature", "monthly", months.to_numpy().ravel().tolist(), "elnino")
    co2 = load("co2")["co2"]
    yield Series("co2-monthly", "monthly", co2.resample("MS").mean().interpolate().tolist(), "co2")
    yield Series("co2-weekly", "weekly", co2.interpolate().tolist(), "co2")


def synthetic() -> Iterator[Series]:
    """Trend, season, level shifts and noise from a fixed seed, for the frequencies that few real series here have."""
    for frequency, count, length in (("monthly", 8, 150), ("weekly", 5, 200), ("daily", 8, 160)):
        season = SEASON[frequency]
        for number in range(count):
            random = np.random.default_rng([2026, season, number])
            steps = np.arange(length)
            level = random.uniform(20, 400)
            trend = random.normal(0, 0.15) * level / 100 * steps
            phase = random.uniform(0, 2 * np.pi)
            wave = np.sin(2 * np.pi * steps / season + phase) + 0.4 * np.sin(4 * np.pi * steps / season)
            seasonal = random.uniform(0.02, 0.3) * level * wave
            shift = np.where(steps > random.integers(length // 3, length), random.normal(0, 0.1) * level, 0.0)
            noise = random.normal(0, random.uniform(0.01, 0.08) * level, length)
            if number % 3 == 2:
                noise = np.cumsum(noise) / 3
            values = level + trend + seasonal + shift + noise
            if number % 4 == 3:
                # Counts with many zeros, as spare parts sell.
                values = random.poisson(0.6 + 0.5 * np.maximum(0, wave)).astype(float)
            yield Series(f"synthetic-{frequency}-{number + 1}", frequency, values.tolist(), "synthetic")


def samples(series: Series) -> Iterator[dict]:
    """The series at its last origins, each a horizon apart: what lies before is the input, what follows is asked."""
    horizon = HORIZON[series.frequency]
    values = [round(float(value), DIGITS) for value in series.values]
    origin_tag = "origin:synthetic" if series.source == "synthetic" else "origin:real"
    for back in range(ORIGINS, 0, -1):
        origin = len(values) - back * horizon
        if origin < horizon + 4:
            continue
        yield {
            "id": f"{series.name}@{origin}",
            "input": {
                "series": values[max(0, origin - LONGEST[series.frequency]) : origin],
                "horizon": horizon, "season": SEASON[series.frequency], "frequency": series.frequency,
            },
            "target": values[origin : origin + horizon],
            "group": series.name,
            "tags": [f"frequency:{series.frequency}", origin_tag],
            "meta": {"source": series.source},
        }  # fmt: skip


def main() -> None:
    """Write the samples."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "datasets" / "series"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(sample) for series in (*real(), *synthetic()) for sample in samples(series)]
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
