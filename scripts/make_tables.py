"""Write datasets/tables: scikit-learn's real tables cut into folds of training and held-out rows, as CSV files.

Usage: make_tables.py [FOLDER]. The same version of scikit-learn gives the same bytes.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.model_selection import KFold

ROOT = Path(__file__).parents[1]
FOLDS = 4
TABLES = {"iris": "class", "wine": "class", "breast_cancer": "class", "diabetes": "progression"}


def outward(low: float, high: float) -> tuple[float, float]:
    """A round range that holds [low, high], as a data dictionary would state it."""
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-9)))
    return math.floor(low / step) * step, math.ceil(high / step) * step


def table(name: str) -> tuple[list[str], list[list[str]], list[dict]]:
    """Column names, rows as text, and what is publicly known of each column."""
    found = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    names = [str(column).replace(" ", "_") for column in found.feature_names]
    classes = [str(label) for label in getattr(found, "target_names", [])]
    columns: list[dict] = []
    for place, column in enumerate(names):
        low, high = outward(float(found.data[:, place].min()), float(found.data[:, place].max()))
        columns.append({"name": column, "type": "number", "low": round(low, 9), "high": round(high, 9)})
    if classes:
        columns.append({"name": TABLES[name], "type": "category", "values": classes})
        last = [classes[int(target)] for target in found.target]
    else:
        low, high = outward(float(found.target.min()), float(found.target.max()))
        columns.append({"name": TABLES[name], "type": "number", "low": low, "high": high})
        last = [f"{float(target):g}" for target in found.target]
    rows = [
        [f"{value:.10g}" for value in row] + [target] for row, target in zip(found.data.tolist(), last, strict=True)
    ]
    return [column["name"] for column in columns], rows, columns


def write(path: Path, names: list[str], rows: list[list[str]]) -> None:
    """A CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rows])


def main() -> None:
    """Write the files and the index."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "datasets" / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for name, target in TABLES.items():
        names, rows, columns = table(name)
        for fold, (train, held) in enumerate(KFold(FOLDS, shuffle=True, random_state=7).split(np.zeros(len(rows)))):
            own = f"{name}-{fold}"
            write(folder / f"{own}-train.csv", names, [rows[place] for place in train])
            write(folder / f"{own}-held.csv", names, [rows[place] for place in held])
            samples.append(
                {
                    "id": own,
                    "input": {"table": {"$file": f"{own}-train.csv"}, "columns": columns, "rows": len(train)},
                    "target": {"held_out": {"$file": f"{own}-held.csv"}, "column": target},
                    "group": name,
                    "tags": [f"table:{name}"],
                }
            )
    (folder / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples), "utf-8")


if __name__ == "__main__":
    main()
