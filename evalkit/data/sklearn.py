"""Records of the real data sets that scikit-learn carries: no download, known licence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from evalkit.core.errors import MissingComponent, Problem, did_you_mean
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.data._records import Record, plain

EXTRA = "tabular"

TABLES = {"iris": True, "wine": True, "breast_cancer": True, "digits": True, "diabetes": False}
"""Table -> whether its target is a class (text) rather than a number."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `id`, a column per feature, and `target` (the class name as text, or the number to predict)."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in TABLES:
            hint = did_you_mean(self.name, TABLES) or f"known: {', '.join(sorted(TABLES))}"
            raise ValueError(f"scikit-learn has no table {self.name!r} here; {hint}")

    def records(self) -> Iterator[Record | Problem]:
        """One record per row of the table, in its order. Raises MissingComponent without scikit-learn."""
        table = _load(self.name)
        features = [str(name) for name in table.feature_names]
        classes = [str(name) for name in table.target_names] if TABLES[self.name] else None
        width = len(str(len(table.target) - 1))
        for number, (row, target) in enumerate(zip(table.data.tolist(), table.target.tolist(), strict=True)):
            answer = plain(target) if classes is None else classes[int(target)]
            columns = dict(zip(features, row, strict=True))
            fields = {"id": f"{self.name}-{number:0{width}d}", **columns, "target": answer}
            yield Record(fields, f"sklearn:{self.name}", number + 1)

    def fingerprint(self) -> str:
        """Hash of the table's numbers, so that another scikit-learn with the same data is the same source."""
        table = _load(self.name)
        return digest([self.name, [str(n) for n in table.feature_names], table.data.tolist(), table.target.tolist()])

    def describe(self) -> Mapping[str, Any]:
        """Source, table, and the mapping that makes every feature a field of the row."""
        fields = {"id": "id", "input": {"row": "*"}, "target": "target"}
        return {"source": "sklearn", "name": self.name, "fields": fields}


def _load(name: str) -> Any:
    try:
        loaders = import_module("sklearn.datasets")
    except ImportError as error:
        raise MissingComponent("scikit-learn is not installed: pip install 'evalkit[tabular]'") from error
    # Without scaling, diabetes stands in its real units (years, mg/dl), which a reader can check.
    return getattr(loaders, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))


def make(**options: Any) -> Table:
    """Options: `name` (iris, wine, breast_cancer, digits, diabetes)."""
    return build(Table, options)
