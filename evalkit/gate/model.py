"""What a gate judges and what stands beside its verdict: rules, measurements, verdicts, evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from evalkit.core.errors import ExitCode
from evalkit.core.types import Comparison, Difference, Mode, Outcome

PolicyName = Literal["pr", "release", "nightly", "extend"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One gate of a suite, resolved: the margin is absolute, in the metric's unit, never negative.

    `slice` empty = all samples. `veto` = a failure here counts unadjusted, whatever the other gates say. `gated` False
    = looked at, decides nothing. `guardrail` = measured beside quality (cost, latency, refusals, errors). `share` =
    its values are shares from 0 to 1, said in percent and points. `margin_default` = nobody declared it. `file` and
    `line` say where the gate stands.
    """

    metric: str
    mode: Mode = "regression"
    margin: float = 0.0
    floor: float | None = None
    slice: str = ""
    veto: bool = False
    gated: bool = True
    guardrail: bool = False
    higher_is_better: bool = True
    unit: str = ""
    margin_default: bool = False
    description: str = ""
    file: str | None = None
    line: int | None = None
    share: bool = False

    @property
    def name(self) -> str:
        """The metric, with its slice in brackets."""
        return f"{self.metric} [{self.slice}]" if self.slice else self.metric


@dataclass(frozen=True, slots=True)
class Measured:
    """A rule with what the data say: errors at their declared worst (`headline`), and left out (`dropped`).

    Mode `threshold` has the floor as `baseline`, so that its delta is value - floor. `anchor` is the same comparison
    with the pinned baseline, where there is one. `problems` say why nothing may be judged: a vanished metric or slice,
    another signature, too little overlap, an unfit judge. `notes` are told and decide nothing. `identical` = every
    answer of both sides is the same one, so that there is no difference to infer.
    """

    rule: Rule
    headline: Difference | None = None
    dropped: Difference | None = None
    anchor: Difference | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    identical: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule with its outcome; `comparison` holds the numbers, the adjusted p and the reason."""

    rule: Rule
    outcome: Outcome
    comparison: Comparison
    measured: Measured


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says of one candidate on one suite.

    `outcome` is the worst of the gated rules in the order regression, invalid, inconclusive, pass; `code` follows from
    it and the policy. `unaudited` names judges that nobody compared with people: such a gate is never rendered green.
    `attempt` counts judgements of other answers to the same question, from 1; `alpha` is what this attempt may spend.
    """

    suite: str
    candidate: str
    baseline: str
    policy: PolicyName
    outcome: Outcome
    code: ExitCode
    judged: tuple[Judged, ...]
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unaudited: tuple[str, ...] = ()
    attempt: int = 1
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two entries: where it comes from and its denominators. `age_s` = seconds between it and the other."""

    label: str
    candidate: str
    run_id: str
    entry_id: str
    commit: str | None
    branch: str | None
    started: str
    fingerprint: str
    data_hash: str
    task_hash: str
    planned: int
    answered: int
    errored: int
    unscorable: int
    scored: int
    cached: int
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A sample whose score moved: `before` and `after` are values of the primary metric, outputs as text.

    `stable` = every repeat of both sides agrees with its side's mean. `link` leads into the report, where one is.
    """

    sample_id: str
    before: float | None
    after: float | None
    before_output: str
    after_output: str
    reason: str = ""
    stable: bool = True
    quarantined: bool = False
    tags: tuple[str, ...] = ()
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge behind a gated metric: how often its verdict changed with the order, and agreement with people."""

    name: str
    fingerprint: str
    metric: str
    same_on_both_sides: bool
    conflict_rate: float | None = None
    primacy: float | None = None
    kappa: float | None = None
    kappa_low: float | None = None
    labels: int = 0


@dataclass(frozen=True, slots=True)
class Spending:
    """Cost or latency of both sides: `name` as shown, unit usd, s or tokens; None = unknown, never 0.

    `limit` is the budget where the suite has one. `fresh` counts the calls that the figure stands on (cached ones are
    left out of latency).
    """

    name: str
    unit: str
    before: float | None
    after: float | None
    limit: float | None = None
    low: float | None = None
    high: float | None = None
    fresh: int | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """Something that differs between the sides: a prompt, the model, parameters, data, a scorer."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Power:
    """What this size could have seen, and what seeing the margin would take; None = not known.

    `mde` is the smallest drop found in 80 % of cases, `wanted` the margin; `samples_needed` and `usd_needed` are for
    the rule `metric`, `repeats_worth` the number of repeats beyond which more change little.
    """

    metric: str
    mde: float | None
    wanted: float | None
    samples: int
    samples_needed: int | None = None
    usd_needed: float | None = None
    repeats: int = 1
    repeats_worth: int | None = None
    flip_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands beside a verdict. Everything in it may hold hostile text; whoever prints it makes it inert."""

    candidate: Side
    baseline: Side | None = None
    anchor: Side | None = None
    overlap: float | None = None
    pairs: int = 0
    only_baseline: int = 0
    only_candidate: int = 0
    changed: tuple[Changed, ...] = ()
    better: int = 0
    worse: int = 0
    flaky: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    judges: tuple[Judge, ...] = ()
    spending: tuple[Spending, ...] = ()
    edits: tuple[Edit, ...] = ()
    power: tuple[Power, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    reproduce: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    report: str | None = None


@dataclass(frozen=True, slots=True)
class SampleResult:
    """One sample of the candidate for a test report: its value of the primary metric (None = not scorable), and why.

    `seconds` = time of the answer, None when unknown or cached.
    """

    sample_id: str
    value: float | None
    reason: str = ""
    seconds: float | None = None
