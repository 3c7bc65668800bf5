"""The nouns that are written down: suites, cells, runs, entries, and what may be claimed of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Suite:
    """What good means. Separate hashes, so that adding a gate orphans no baseline.

    `spec` is the whole normalised YAML as JSON values; `file` and `lines` (dotted key -> line) say where things stand.
    """

    name: str
    family: str
    scorers: tuple[str, ...]
    repeats: int
    seed: int
    spec: Mapping[str, Any]
    data_hash: str
    task_hash: str
    suite_hash: str
    file: str | None = None
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """The denominator: sample x candidate x repeat x split. `position` is its place in the scheduled order."""

    entry: str
    position: int
    sample_id: str
    repeat: int
    key: str
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One invocation."""

    id: str
    started: str
    command: str
    status: str
    git: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """Run x suite x candidate: what compare and gate work on."""

    id: str
    run_id: str
    suite: str
    candidate: str
    fingerprint: str
    data_hash: str
    task_hash: str
    suite_hash: str
    planned: int
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its uncertainty: `low`..`high` at level 0.95, None where not defined; `method` names it."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    groups: int
    method: str
    se: float | None = None


Outcome = Literal["pass", "regression", "inconclusive", "invalid"]
Mode = Literal["regression", "noninferiority", "superiority", "equivalence", "no_regression", "threshold"]


@dataclass(frozen=True, slots=True)
class Difference:
    """What paired scores say about candidate - baseline on one metric, in the metric's own unit and direction.

    `low`..`high` is the two-sided 95 % interval; `lower` and `upper` are one-sided bounds at `alpha` each: what a gate
    decides by. `p_value` is two-sided for "no difference"; `p_fail` one-sided for "the benefit is at least `null`",
    where benefit = delta, or -delta when lower is better. `se` and `df` None where the method has none. `se_unpaired`
    is what the same data would give without pairing; `correlation` that of the clusters' values. `better`, `worse` and
    `same` count samples by benefit. `mde` is the smallest benefit that a design of this size finds in 80 % of cases at
    `alpha`, one-sided. None where not defined, never NaN.
    """

    candidate: float | None
    baseline: float | None
    delta: float | None
    low: float | None
    high: float | None
    lower: float | None
    upper: float | None
    p_value: float | None
    p_fail: float | None
    n: int
    groups: int
    method: str
    alpha: float = 0.05
    null: float = 0.0
    se: float | None = None
    df: float | None = None
    se_unpaired: float | None = None
    correlation: float | None = None
    better: int = 0
    worse: int = 0
    same: int = 0
    mde: float | None = None
    resamples: int = 0
    seed: int = 0
    paired: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """What may be claimed about a candidate against a baseline on one metric; `delta` is candidate - baseline.

    `slice` empty = all samples. `reason` says why the outcome is what it is, `notes` what else a reader must know.
    """

    scorer: str
    baseline: str
    candidate: str
    delta: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None
    n: int
    groups: int
    mde: float | None
    outcome: Outcome
    slice: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of model: which fields a sample's input has, what an output is, and what to start from."""

    name: str
    title: str
    input_fields: Mapping[str, str]
    output: str
    scorers: tuple[str, ...]
    baselines: tuple[str, ...]
    cost_unit: str
    required: tuple[str, ...] = ()
    target_types: tuple[type, ...] = ()
