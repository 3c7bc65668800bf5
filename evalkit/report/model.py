"""What a report shows, as plain rows that the caller fills; nothing here computes or formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["complete", "incomplete", "skipped"]


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of a suite.

    `unit` "%" = a share stored as 0..1 and shown times 100; "s", "tokens"... are shown after the number; "" = none.
    `bounds` = least and greatest possible value, None where there is none: no axis runs past them.
    """

    name: str
    unit: str = ""
    higher_is_better: bool = True
    primary: bool = False
    bounds: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its interval; None = not defined. `value_dropped` has errors left out instead of at their worst."""

    value: float | None
    low: float | None = None
    high: float | None = None
    value_dropped: float | None = None
    method: str = ""
    n: int = 0
    groups: int = 0
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """The denominators of an entry, in cells."""

    planned: int = 0
    answered: int = 0
    errored: int = 0
    unscorable: int = 0
    scored: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True)
class LeaderRow:
    """One candidate on one suite.

    `status` "incomplete" (missing cells) is shown below the line, "skipped" with its `reason`. `usd` and `usd_per_1000`
    None = unknown price; latencies are seconds of fresh calls, None = none measured; `cached_share` in 0..1. `rank` =
    best and worst rank that it may have, `shrunken` = its main value pulled towards the others', None = there is none.
    """

    candidate: str
    fingerprint: str = ""
    run_id: str = ""
    status: Status = "complete"
    reason: str = ""
    counts: Counts = Counts()
    metrics: Mapping[str, Cell] = field(default_factory=dict)
    usd: float | None = None
    usd_per_1000: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    cached_share: float | None = None
    rank: tuple[int, int] | None = None
    shrunken: float | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """How many candidates were ranked, who was not and for what reason; `why` = there are no ranks at all.

    Ranks are intervals that all hold at once with `level`, from paired tests of all pairs on the main metric.
    """

    among: int
    excluded: tuple[tuple[str, str], ...] = ()
    why: str = ""
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice of the data: its name and the primary metric of each candidate (by name) on it."""

    name: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as stored: `role` (system, user...), content hash, who uses it, the template text."""

    name: str
    role: str
    hash: str
    used_by: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class PromptDiff:
    """Two prompts to be shown as a line diff."""

    title: str
    before_name: str
    after_name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader must know; `kind` is warning (amber) or info."""

    message: str
    kind: Literal["warning", "info"] = "warning"


@dataclass(frozen=True, slots=True)
class GainRow:
    """A system against the random mix of its suite's cheapest and best part at the system's own cost.

    `cost` is per sample in the unit of `Routing`, None = a price is unknown; then there is no `mix` and no `gain`.
    `verdict`: better, no better, worse, undecided (no interval) or unknown (a price is).
    """

    candidate: str
    quality: float
    cost: float | None
    mix: float | None = None
    share: float | None = None
    gain: Cell | None = None
    verdict: str = "unknown"
    regret: float | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """What systems gain over mixing parts at random. `unit` of costs: USD, or s (seconds of computing) for free parts.

    `area` = what the systems add to the area under the hull of the parts (`area_parts` alone).
    """

    unit: Literal["USD", "s"]
    cheapest: str
    best: str
    rows: tuple[GainRow, ...]
    oracle: float
    oracle_cost: float
    area: Cell | None = None
    area_parts: float | None = None


@dataclass(frozen=True, slots=True)
class StageRow:
    """The calls of a system at one stage. `usd` = the known part of the cost, `unpriced` calls have no price.

    `known` calls were answered from the store; `p50_s` is over all that have a time.
    """

    candidate: str
    stage: str
    calls: int
    known: int
    failed: int
    usd: float
    unpriced: int
    p50_s: float | None


@dataclass(frozen=True, slots=True)
class SuitePage:
    """One suite: its leaderboard and what stands behind it.

    `card` holds the data card's fields in order; `sql` is the query that derives the headline numbers again; `evidence`
    are samples with every candidate's answer, read only when their page is written.
    """

    name: str
    family: str
    columns: tuple[Column, ...]
    rows: tuple[LeaderRow, ...]
    description: str = ""
    samples: int = 0
    data_hash: str = ""
    repeats: int = 1
    card: Mapping[str, str] = field(default_factory=dict)
    slices: tuple[SliceRow, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    diffs: tuple[PromptDiff, ...] = ()
    notes: tuple[Note, ...] = ()
    sql: str = ""
    evidence: Iterable[Evidence] = ()
    routing: Routing | None = None
    stages: tuple[StageRow, ...] = ()
    ranking: Ranking | None = None


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """What one scorer said of one answer; `rows` are its units as (unit, value), `blob` refers to a file it made.

    A scored answer without a value has parts only, which count in the sum over all samples.
    """

    metric: str
    status: Literal["scored", "unscorable", "errored"] = "scored"
    value: float | None = None
    worst: float | None = None
    answer: str | None = None
    reason: str | None = None
    rows: tuple[tuple[str, float | None], ...] = ()
    blob: Any = None

    @property
    def said(self) -> str:
        """What stands where the value would: a dash, or why there is none."""
        return "\u2013" if self.status == "scored" else self.status

    @property
    def why(self) -> str:
        """The reason as the scorer gave it, or why there is no value."""
        only_parts = self.status == "scored" and self.value is None
        return self.reason or ("no value of its own: it counts in the sum over all samples" if only_parts else "")


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One call inside a composed answer."""

    stage: str
    model: str = ""
    key: str = ""
    seconds: float | None = None
    cached: bool = False
    output: Any = None


@dataclass(frozen=True, slots=True)
class FailRow:
    """One answer that is wrong, unscorable or missing. `input`, `output`, `target` are text or JSON values."""

    sample_id: str
    repeat: int = 0
    tags: tuple[str, ...] = ()
    input: Any = None
    messages: tuple[tuple[str, Any], ...] = ()
    output: Any = None
    reasoning: str | None = None
    target: Any = None
    scores: tuple[ScoreLine, ...] = ()
    tool_calls: tuple[Any, ...] = ()
    error_kind: str | None = None
    error_message: str | None = None
    finish: str | None = None
    seconds: float | None = None
    usd: float | None = None
    usage: Mapping[str, float] = field(default_factory=dict)
    cached: bool = False
    trace: tuple[TraceStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sample and what each candidate made of it; `why` says for what it was picked."""

    sample_id: str
    why: str
    tags: tuple[str, ...]
    input: Any
    target: Any
    answers: tuple[tuple[str, FailRow], ...]


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One suite x candidate of a run. `failing` is read only as far as shown; `failing_total` is the true count."""

    suite: str
    candidate: str
    fingerprint: str = ""
    status: Status = "complete"
    reason: str = ""
    counts: Counts = Counts()
    usd: float | None = None
    failing: Iterable[FailRow] = ()
    failing_total: int = 0


@dataclass(frozen=True, slots=True)
class RunPage:
    """One invocation: `started` and `finished` are texts, `versions` library -> version."""

    id: str
    command: str = ""
    status: str = ""
    started: str = ""
    finished: str = ""
    git: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[EntryLine, ...] = ()
    notes: tuple[Note, ...] = ()


def _no_media(ref: str) -> None:  # noqa: ARG001 - a site without files
    return None


@dataclass(frozen=True, slots=True)
class Site:
    """The whole report; `generated` is a text of the caller's (this room has no clock).

    `media` gives the bytes of a blob by its hash, None when they are gone.
    """

    title: str
    generated: str
    version: str
    suites: tuple[SuitePage, ...] = ()
    runs: tuple[RunPage, ...] = ()
    media: Callable[[str], bytes | None] = _no_media
