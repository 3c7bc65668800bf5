"""From stored scores to results: every metric with interval, denominators and slices; what calls cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from evalkit.app.execute import Execution
from evalkit.app.loading import LoadedSuite
from evalkit.app.planning import Plan, PlannedEntry
from evalkit.app.scoring import Prepared
from evalkit.app.workers import SharedExecution
from evalkit.app.workspace import Workspace
from evalkit.core.fold import Majority, Mean
from evalkit.core.keys import digest
from evalkit.core.types import Estimate, Metric
from evalkit.stats.fold import Observations
from evalkit.store import observing, writers

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WHOLE = ""
_decode = msgspec.json.Decoder(dict[str, float]).decode


@dataclass(frozen=True, slots=True)
class Measure:
    """What the results of an entry rest on: scorers, data, the seed of resampling, slices and the primary metric."""

    prepared: Sequence[Prepared]
    data_hash: str
    seed: int
    slices: Sequence[str] = ()
    primary: str | None = None

    @classmethod
    def of(cls, suite: LoadedSuite) -> Measure:
        """What a suite measures; without a named primary metric it is the first scorer's main one."""
        model = suite.file.model
        first = next((one.metrics[0].name for one in suite.prepared), None)
        return cls(suite.prepared, suite.data_hash, suite.seed, model.slices, model.primary or first)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one metric of one entry as columns, in the order of (sample, repeat)."""

    seen: Observations
    scored: npt.NDArray[np.bool_]
    unscorable: npt.NDArray[np.bool_]
    cached: npt.NDArray[np.bool_]
    tags: Sequence[Sequence[str]]

    def keep(self, mask: npt.NDArray[np.bool_]) -> Scored:
        """Only the rows where `mask` holds."""
        kept = [tags for tags, here in zip(self.tags, mask, strict=True) if here]
        return Scored(self.seen.keep(mask), self.scored[mask], self.unscorable[mask], self.cached[mask], kept)


def price_calls(connection: DuckDBPyConnection, workspace: Workspace) -> None:
    """Cost every call that has no cost yet, by the price table as it is now."""
    dated = max((row.dated for row in workspace.prices.rows()), default="")
    priced = [
        (model, usage, batch, workspace.money(model, _decode(usage) if usage else {}, batch=batch))
        for model, usage, batch in observing.unpriced_usages(connection)
    ]
    observing.price_usages(connection, priced, dated)


def finish_entries(
    connection: DuckDBPyConnection, plan: Plan, execution: Execution | SharedExecution
) -> tuple[list[str], bool]:
    """Fold all entries, say how each stands. Returns why the run is not valid, and whether all cells have answers."""
    reasons: list[str] = []
    complete = True
    for entry in plan.entries:
        if entry.built.skipped:
            continue
        counts = observing.counts(connection, entry.entry_id)
        missing = entry.planned - counts.answered - counts.errored
        stopped = execution.progress[entry.entry_id].stopped if entry.entry_id in execution.progress else None
        status = "incomplete" if missing else "complete"
        complete = complete and not missing
        why = stopped or (execution.stop.reason if missing else None)
        writers.update_entry_status(connection, entry.entry_id, status, reason=why)
        label = f"{entry.suite.name} x {entry.built.name}"
        if missing:
            reasons.append(f"{label}: {missing} of {entry.planned} cells have no answer ({why or 'not asked'})")
        reasons += _too_many_errors(connection, entry, label)
        writers.put_results(connection, results_of(connection, entry.entry_id, Measure.of(entry.suite), entry.planned))
    return reasons, complete


def _too_many_errors(connection: DuckDBPyConnection, entry: PlannedEntry, label: str) -> list[str]:
    allowed = entry.suite.file.model.limits.max_error_rate
    errored = observing.errored_cells(connection, entry.entry_id)
    if entry.planned and errored / entry.planned > allowed:
        share = f"{errored} of {entry.planned} cells failed ({errored / entry.planned:.1%})"
        return [f"{label}: {share}, more than the allowed {allowed:.1%}"]
    return []


def results_of(
    connection: DuckDBPyConnection, entry_id: str, measure: Measure, planned: int
) -> Iterator[dict[str, Any]]:
    """Every metric of an entry over all samples, and the primary one by slice."""
    counts = observing.counts(connection, entry_id)
    for one in measure.prepared:
        signature = digest([one.sig, measure.data_hash])
        for metric in one.metrics:
            is_primary = metric.name == measure.primary
            fields = measure.slices if is_primary else ()
            found = scored_columns(connection, entry_id, one.sig, metric, fields)
            ends = _ends(connection, entry_id, one, metric, fields)
            base = {
                "entry_id": entry_id, "scorer_sig": one.sig, "metric": metric.name, "signature": signature,
                "is_primary": is_primary, "higher_is_better": metric.higher_is_better, "unit": _unit(metric),
                "low_bound": metric.bounds[0], "high_bound": metric.bounds[1],
            }  # fmt: skip
            whole = {"planned": planned, "answered": counts.answered, "cached": counts.cached}
            yield {**base, "slice": WHOLE, **_folded(metric, found, measure.seed), **_ended(ends, WHOLE), **whole}
            if is_primary:
                for name, part in slices(found, measure.slices):
                    rows = len(part.scored)
                    inside = {"planned": rows, "answered": rows, "cached": int(part.cached.sum())}
                    told = {**_folded(metric, part, measure.seed), **_ended(ends, name)}
                    yield {**base, "slice": name, **told, **inside}


Ends = tuple[dict[str, float | None], dict[str, float | None]]


def _ends(
    connection: DuckDBPyConnection, entry_id: str, one: Prepared, metric: Metric, fields: Sequence[str]
) -> Ends | None:
    """Slice -> value of the metrics that end this one's interval, where it names some; an end itself has none."""
    if any(metric.name in (other.ends or ()) for other in one.metrics):
        return {}, {}
    if metric.ends is None:
        return None
    from evalkit.stats import fold

    def values(name: str) -> dict[str, float | None]:
        end = next(other for other in one.metrics if other.name == name)
        whole = scored_columns(connection, entry_id, one.sig, end, fields)
        parts = [(WHOLE, whole), *slices(whole, fields)]
        return {part: fold.value(end, seen.seen) if len(seen.scored) else None for part, seen in parts}

    return values(metric.ends[0]), values(metric.ends[1])


def _ended(ends: Ends | None, name: str) -> dict[str, Any]:
    """The interval that other metrics end, in place of one over samples; both ends or none."""
    if ends is None:
        return {}
    low, high = ends[0].get(name), ends[1].get(name)
    if low is None or high is None:
        return {"low": None, "high": None, "se": None, "method": "none (nothing to judge by)"}
    return {"low": low, "high": high, "se": None, "method": "the scorer's own, over all that was drawn"}


def _unit(metric: Metric) -> str:
    """Shares are shown in percent; areas, losses and scores keep their own scale."""
    share = metric.kind == "mean01" or (metric.higher_is_better and metric.kind != "rank")
    return metric.unit or ("%" if share and metric.bounds == (0.0, 1.0) else "")


def _folded(metric: Metric, found: Scored, seed: int) -> dict[str, Any]:
    from evalkit.stats.summary import headline

    if metric.fresh_only:
        found = found.keep(~found.cached)
    estimate, dropped = headline(metric, found.seen, found.scored, seed=seed)
    return {
        **_numbers(estimate),
        "value_dropped": dropped,
        "scored": int(found.scored.sum()),
        "unscorable": int(found.unscorable.sum()),
        "errored": int((~found.scored & ~found.unscorable).sum()),
    }


def _numbers(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value, "low": estimate.low, "high": estimate.high, "se": estimate.se,
        "method": estimate.method, "n": estimate.n, "groups": estimate.groups,
    }  # fmt: skip


def scored_columns(
    connection: DuckDBPyConnection, entry_id: str, sig: str, metric: Metric, fields: Sequence[str] = ()
) -> Scored:
    """The scores of a metric with the declared worst put in where there is none."""
    needs_parts = not isinstance(metric.fold.across, Mean)
    sliced = bool(fields)
    wanted = observing.Wanted(
        parts=needs_parts, answers=isinstance(metric.fold.within, Majority), tags=sliced, fields=tuple(fields)
    )
    columns = observing.scores(connection, entry_id, (sig, metric.name), wanted)
    scored = columns["scored"]
    value = np.where(scored, columns["value"], columns["worst"]).astype(np.float64)
    parts: dict[str, npt.NDArray[np.float64]] = {}
    if needs_parts:
        texts = np.where(scored, columns["parts"], columns["worst_parts"])
        parts = parts_of(texts)
    seen = Observations(
        sample=columns["sample"], repeat=columns["repeat"], cluster=columns["cluster"], value=value, parts=parts,
        answers=tuple(columns["answer"]) if "answer" in columns else (),
    )  # fmt: skip
    return Scored(
        seen,
        scored,
        columns["unscorable"],
        columns["cached"],
        tuple(columns["tags"]) if sliced else [()] * len(scored),
    )


def parts_of(texts: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float64]]:
    """Part name -> column, NaN where a row has no such part."""
    columns: dict[str, npt.NDArray[np.float64]] = {}
    known: dict[str, dict[str, float]] = {}
    for row, text in enumerate(texts):
        if not text:
            continue
        parts = known.get(text)
        if parts is None:
            parts = known[text] = _decode(text)
        for name, value in parts.items():
            if name not in columns:
                columns[name] = np.full(len(texts), np.nan)
            columns[name][row] = value
    return dict(sorted(columns.items()))


def slices(found: Scored, prefixes: Sequence[str]) -> Iterator[tuple[str, Scored]]:
    """The rows of each tag that has one of the prefixes, by name."""
    wanted = {
        tag
        for tags in found.tags
        for tag in tags
        for prefix in prefixes
        if tag == prefix or tag.startswith(f"{prefix}:")
    }
    for tag in sorted(wanted):
        mask = np.fromiter((tag in tags for tags in found.tags), dtype=np.bool_, count=len(found.tags))
        yield tag, found.keep(mask)
