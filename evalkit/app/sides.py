"""One side of a comparison, wherever its answers lie: an entry of the store, or a baseline in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from evalkit.app.scoring import Prepared, prepare
from evalkit.core.errors import InvalidRun
from evalkit.store import sides as stored
from evalkit.store.sides import Cells, Scores

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Rescore = Callable[["StoredSide", Prepared], Mapping[str, Scores]]
"""Scores of an entry's stored answers by another scorer, by metric name; raises InvalidRun where that cannot be."""


class Answers(Protocol):
    """What pairing needs of a side; the columns of everything are in the order of `cells`."""

    @property
    def label(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, Any]:
        """Suite, candidate, hashes, run, times: the columns of the query `side`, JSON decoded."""

    @property
    def cells(self) -> Cells: ...
    @property
    def scorers(self) -> Sequence[Mapping[str, Any]]:
        """scorer_sig, spec, extraction and metrics of each scorer."""

    def scores(self, sig: str, metric: str) -> Scores | None:
        """The scores of a metric by this very signature; None when the side has none."""

    def anew(self, one: Prepared) -> Mapping[str, Scores]:
        """Scores of the stored outputs by a scorer; raises InvalidRun saying why that cannot be."""

    def costs(self) -> Floats:
        """US dollars per cell, NaN = unknown."""

    def failed(self) -> Flags:
        """Which cells failed by provider, scorer or judge."""

    def texts(self, sample_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """Sample id -> its outputs as text, repeat by repeat; an error in brackets."""

    def reasons(self, sig: str, metric: str, sample_ids: Sequence[str]) -> Mapping[str, str]:
        """Sample id -> why it has its score, where the scorer says so."""

    def prompts(self) -> Sequence[Mapping[str, Any]]:
        """The prompt texts: prompt_hash, name, role, body."""


@dataclass
class StoredSide:
    """An entry of the store; reads what is asked for while its connection is open, each thing once."""

    connection: DuckDBPyConnection
    entry_id: str
    label: str
    rescore: Rescore
    fields: tuple[str, ...] = ()
    _known: dict[Any, Any] = field(default_factory=dict)

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The entry with its run, data set and suite."""
        found: Mapping[str, Any] = self._once("facts", self._facts)
        return found

    def _facts(self) -> dict[str, Any]:
        row = stored.facts(self.connection, self.entry_id)
        if row is None:
            raise InvalidRun(f"{self.label}: entry {self.entry_id} is not in the store any more")
        for name in ("candidate_spec", "versions", "source", "spec"):
            row[name] = msgspec.json.decode(row[name]) if row[name] else {}
        return row

    @property
    def cells(self) -> Cells:
        """All planned cells."""
        found: Cells = self._once("cells", lambda: stored.cells(self.connection, self.entry_id, self.fields))
        return found

    @property
    def scorers(self) -> Sequence[Mapping[str, Any]]:
        """The scorers of the entry."""
        found: Sequence[Mapping[str, Any]] = self._once(
            "scorers", lambda: stored.scorers(self.connection, self.entry_id)
        )
        return found

    def scores(self, sig: str, metric: str) -> Scores | None:
        """As the run stored them."""
        if not any(row["scorer_sig"] == sig for row in self.scorers):
            return None
        of = (sig, metric)
        found: Scores = self._once(of, lambda: stored.scores(self.connection, self.entry_id, of, self.cells))
        return found if found.there else None

    def anew(self, one: Prepared) -> Mapping[str, Scores]:
        """By the scorer as it is now, without touching what is stored."""
        found: Mapping[str, Scores] = self._once(("anew", one.sig), lambda: self.rescore(self, one))
        return found

    def costs(self) -> Floats:
        """With every call made for a cell."""
        found: Floats = self._once("costs", lambda: stored.costs(self.connection, self.entry_id, self.cells))
        return found

    def failed(self) -> Flags:
        """A failed call, or a score that errored."""
        found: Flags = self._once("failed", self._failed)
        return found

    def _failed(self) -> Flags:
        positions = stored.errored(self.connection, self.entry_id)
        return np.array([int(at) in positions for at in self.cells.position], dtype=np.bool_)

    def texts(self, sample_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """What the calls answered."""
        found: dict[str, list[str]] = {}
        for row in stored.outputs(self.connection, self.entry_id, sample_ids):
            text = f"[{row['error_kind']}: {row['error_message']}]" if row["error_kind"] else _said(row["output"])
            found.setdefault(row["sample_id"], []).append(text)
        return found

    def reasons(self, sig: str, metric: str, sample_ids: Sequence[str]) -> Mapping[str, str]:
        """As the scorer gave them."""
        return stored.reasons(self.connection, self.entry_id, (sig, metric), sample_ids)

    def prompts(self) -> Sequence[Mapping[str, Any]]:
        """By the entry's prompt hashes."""
        return stored.prompts(self.connection, self.facts["prompt_hashes"])


def _said(output: str | None) -> str:
    """An output as text: itself where it is text, else JSON."""
    if output is None:
        return ""
    value = msgspec.json.decode(output)
    return value if isinstance(value, str) else msgspec.json.format(output, indent=1)


def scorer_of(side: Answers, metric: str) -> Prepared | None:
    """The scorer behind a metric of a side, built from its stored spec with the signature that its scores have.

    None when the side has no such metric, or when nothing of that spec can be built any more.
    """
    for row in side.scorers:
        if metric not in (row["metrics"] or ()):
            continue
        try:
            made = prepare(row["spec"], extract=row["extraction"], schema=_schema(side))
        except ValueError:
            return None
        return Prepared(made.spec, made.scorer, str(row["scorer_sig"]), made.libraries, made.extract)
    return None


def metric_names(side: Answers) -> list[str]:
    """The metrics of a side in the order of its scorers."""
    return [name for row in side.scorers for name in row["metrics"] or () if name is not None]


def _schema(side: Answers) -> Mapping[str, Any] | None:
    spec = side.facts.get("spec") or {}
    schema = (spec.get("task") or {}).get("schema") if isinstance(spec, Mapping) else None
    return schema if isinstance(schema, Mapping) and set(schema) != {"file"} else None
