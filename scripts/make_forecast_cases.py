"""Regenerate the golden cases of forecast metrics with utilsforecast; a test diffs the result.

Usage: python scripts/make_forecast_cases.py [folder]. sMAPE is twice utilsforecast's, which has no factor 2.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from utilsforecast import losses

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
COMMAND = "python scripts/make_forecast_cases.py"
LEVELS = [round(0.1 * tenth, 1) for tenth in range(1, 10)]


def series(seed: int, season: int, scale: float) -> dict[str, Any]:
    """A history, its future, and a forecast with quantiles."""
    random = np.random.default_rng(seed)
    steps = np.arange(30 + 6)
    values = scale * (10 + 0.1 * steps + 3 * np.sin(2 * np.pi * steps / season) + random.normal(0, 1, len(steps)))
    points = values[30:] + random.normal(0, scale, 6)
    spread = scale * random.uniform(0.5, 2, 6)
    quantiles = {level: np.sort(points + spread * (level - 0.5) * 3 + random.normal(0, 0.1, 6)) for level in LEVELS}
    rounded = {f"{level:g}": np.round(column, 4).tolist() for level, column in quantiles.items()}
    return {
        "input": {"series": np.round(values[:30], 4).tolist(), "horizon": 6, "season": season},
        "target": np.round(values[30:], 4).tolist(),
        "output": {"mean": np.round(points, 4).tolist(), "quantiles": rounded},
    }


def frames(item: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The item as utilsforecast wants it: forecasts and history."""
    history = pd.DataFrame({"unique_id": "s", "ds": range(30), "y": item["input"]["series"]})
    future = pd.DataFrame({"unique_id": "s", "ds": range(30, 36), "y": item["target"], "f": item["output"]["mean"]})
    for level, column in item["output"]["quantiles"].items():
        future[f"q{level}"] = column
    return future, history


def of_library(name: str, item: dict[str, Any]) -> float:
    """One metric of one item by utilsforecast."""
    future, history = frames(item)
    season = item["input"]["season"]
    if name in ("mase", "rmsse"):
        found = getattr(losses, name)(future, ["f"], seasonality=season, train_df=history)
        return float(found["f"].iloc[0])
    if name == "smape":
        return 2 * float(losses.smape(future, ["f"])["f"].iloc[0])
    if name == "coverage":
        wide = future.rename(columns={"q0.1": "f-lo-80", "q0.9": "f-hi-80"})
        return float(losses.coverage(wide, ["f"], level=80)["f"].iloc[0])
    columns = {"f": [f"q{level:g}" for level in LEVELS]}
    return float(losses.scaled_crps(future, columns, np.array(LEVELS))["f"].iloc[0])


def main() -> None:
    """Write a file per metric."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    items = [
        series(seed, season, scale) for seed, season, scale in ((1, 4, 1.0), (2, 12, 50.0), (3, 1, 0.02), (4, 7, 8.0))
    ]
    made = {"library": "utilsforecast", "version": version("utilsforecast"), "command": COMMAND}
    for name in ("mase", "rmsse", "smape", "wql", "coverage"):
        scores = [{name: float(f"{of_library(name, item):.12g}")} for item in items]
        case = {"name": "four series", "spec": name, "items": items, "scores": scores}
        lines = json.dumps({"made_by": made, "cases": [case]}, indent=None)
        (folder / f"{name}.json").write_text(lines + "\n", "utf-8")


if __name__ == "__main__":
    main()
