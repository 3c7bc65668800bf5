"""What the data say of each rule of a gate: pairs drawn from two sides, and one comparison of all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evalkit.app.guardrails import Emitted
from evalkit.app.pairing import Drawn, Matching, alone, draw, has_slice, match, part
from evalkit.app.sides import Answers, metric_names
from evalkit.core.errors import InvalidRun
from evalkit.core.types import Difference, Metric
from evalkit.gate.model import Measured, Rule
from evalkit.stats import fold
from evalkit.stats.paired import Question, against, compare_all

GATE_RESAMPLES = 10_000
_AGAINST_MARGIN = ("noninferiority", "equivalence")


@dataclass(frozen=True, slots=True)
class Terms:
    """How numbers are made: the level of one-sided bounds, the seed of resampling and how often."""

    alpha: float = 0.05
    seed: int = 0
    resamples: int = GATE_RESAMPLES


@dataclass
class Bench:
    """A candidate beside its baseline (and a pinned anchor), with every metric that can be had of them.

    `max_error_rate` = share of cells that may fail, `left_out` = samples that count on no side, `absent` = why there is
    no baseline, `refused` = metrics that nothing may stand on, with the reasons. `looked`: both sides are parts of what
    they are recorded as. Reads the store while it is open.
    """

    candidate: Answers
    baseline: Answers | None
    known: Mapping[str, Emitted]
    anchor: Answers | None = None
    max_error_rate: float = 0.02
    left_out: tuple[str, ...] = ()
    looked: bool = False
    absent: str = ""
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _matched: dict[int, Matching] = field(default_factory=dict, init=False)
    _drawn: dict[tuple[str, str, int], Drawn] = field(default_factory=dict, init=False)

    def matching(self, other: Answers | None) -> Matching:
        """The candidate's samples paired with those of another side, or with themselves."""
        key = id(other)
        if key not in self._matched:
            cells = self.candidate.cells
            self._matched[key] = (
                alone(cells, self.left_out) if other is None else match(cells, other.cells, self.left_out)
            )
        return self._matched[key]

    def drawn(self, metric: str, where: str, other: Answers | None) -> Drawn:
        """The scores of a metric on common samples. Raises InvalidRun where a side cannot have them."""
        key = (metric, where, id(other))
        if key not in self._drawn:
            self._drawn[key] = self._draw(self.known[metric], where, other)
        return self._drawn[key]

    def _draw(self, one: Emitted, where: str, other: Answers | None) -> Drawn:
        matching = self.matching(other)
        mine = part(
            one.metric, one.of(self.candidate), self.candidate.cells, matching.candidate, matching, sparse=one.sparse
        )
        if other is None:
            return draw(one.metric, (mine, mine), matching, where)
        theirs = part(one.metric, one.of(other), other.cells, matching.baseline, matching, sparse=one.sparse)
        return draw(one.metric, (mine, theirs), matching, where)

    def baseline_values(self, wanted: Sequence[tuple[str, str]]) -> dict[str, float]:
        """The baseline's value by rule name, for margins that are a share of it; only of what is known."""
        found: dict[str, float] = {}
        for metric, where in wanted:
            if self.baseline is None or metric not in self.known:
                continue
            value = self._value(metric, where)
            if value is not None:
                found[f"{metric} [{where}]" if where else metric] = value
        return found

    def _value(self, metric: str, where: str) -> float | None:
        try:
            drawn = self.drawn(metric, where, self.baseline)
            return None if drawn.headline is None else fold.value(self.known[metric].metric, drawn.headline.baseline)
        except (InvalidRun, ValueError):
            # Said where the rule itself is measured.
            return None


@dataclass
class _Case:
    """A rule on its way: what was drawn, and what must be said."""

    rule: Rule
    metric: Metric
    drawn: Drawn | None = None
    pinned: Drawn | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def measure(bench: Bench, rules: Sequence[Rule], terms: Terms) -> Callable[[], list[Measured]]:
    """Draw what every rule needs from the open store; the call that comes back compares, with the store closed."""
    shared = [*_broken(bench, bench.candidate, "candidate")]
    between = [*shared, *_between(bench)]
    cases = [_case(bench, rule, shared if rule.mode == "threshold" else between) for rule in rules]
    return lambda: _compared(cases, terms)


def vanished(bench: Bench, rules: Sequence[Rule]) -> list[Measured]:
    """Metrics that the baseline's own suite gated and that nothing emits any more: never a pass."""
    if bench.baseline is None:
        return []
    spec = bench.baseline.facts.get("spec") or {}
    gates = spec.get("gates") or () if isinstance(spec, Mapping) else ()
    gone = [name for gate in gates if (name := str(gate.get("metric"))) not in bench.known]
    told = (
        "vanished: the baseline has this gate, and no scorer emits the metric any more; promote a baseline without it"
    )
    named = {rule.metric for rule in rules}
    return [Measured(Rule(name), problems=(told,)) for name in dict.fromkeys(gone) if name not in named]


def fewer(bench: Bench) -> list[str]:
    """Metrics of the baseline that this suite has no more."""
    return [] if bench.baseline is None else sorted(set(metric_names(bench.baseline)) - set(bench.known))


def _broken(bench: Bench, side: Answers, role: str) -> Iterator[str]:
    planned = len(side.cells)
    missing = sum(call is None for call in side.cells.call_id)
    if not planned:
        why = side.facts.get("reason") or "nothing was asked"
        yield f"the {role} has no answers: {why}"
        return
    if missing:
        yield f"{missing} of {planned} cells of the {role} have no answer; `evalkit run` asks what is missing"
    failed = int(side.failed().sum())
    if failed / planned > bench.max_error_rate:
        share = f"{failed} of {planned} cells of the {role} failed ({failed / planned:.1%})"
        yield f"errors: {share}, more than the allowed {bench.max_error_rate:.1%}"


def _between(bench: Bench) -> Iterator[str]:
    if bench.baseline is None:
        yield bench.absent or "there is no baseline"
        return
    yield from _broken(bench, bench.baseline, "baseline")
    trouble = bench.matching(bench.baseline).trouble
    if trouble:
        yield trouble
    mine, theirs = bench.candidate.facts, bench.baseline.facts
    if bench.looked:
        return
    same = not bench.matching(bench.baseline).changed and bench.matching(bench.baseline).overlap == 1.0
    if same and mine["data_hash"] != theirs["data_hash"] and not bench.left_out:
        yield "the samples are the same, but not what they are asked about (corpus); run both sides on the same data"


def _case(bench: Bench, rule: Rule, problems: Sequence[str]) -> _Case:
    refused = bench.refused.get(rule.metric, ())
    case = _Case(rule, bench.known[rule.metric].metric, problems=[*problems, *refused])
    other = None if rule.mode == "threshold" else bench.baseline
    if other is None and rule.mode != "threshold":
        return case
    matching = bench.matching(other)
    if rule.slice and not has_slice(matching, rule.slice):
        case.problems.append(_no_slice(rule, matching))
        return case
    try:
        case.drawn = bench.drawn(rule.metric, rule.slice, other)
        if bench.anchor is not None and rule.mode != "threshold":
            case.pinned = _pinned(bench, rule)
    except InvalidRun as error:
        case.problems.append(str(error))
        return case
    _look(case, matching)
    return case


def _pinned(bench: Bench, rule: Rule) -> Drawn:
    assert bench.anchor is not None
    trouble = bench.matching(bench.anchor).trouble
    if trouble:
        raise InvalidRun(f"pinned anchor: {trouble}")
    return bench.drawn(rule.metric, rule.slice, bench.anchor)


def _no_slice(rule: Rule, matching: Matching) -> str:
    if rule.slice in matching.missing_tags:
        return f"vanished: the baseline has samples of {rule.slice!r}, the candidate has none"
    known = sorted({tag for tags in matching.tags for tag in tags})
    return f"no paired sample is tagged {rule.slice!r}; tags: {', '.join(known[:8]) or 'none'}"


def _look(case: _Case, matching: Matching) -> None:
    drawn = case.drawn
    assert drawn is not None
    if drawn.headline is None:
        cached = "every answer came from the store, so nothing was timed; run with --fresh to measure it"
        case.problems.append(cached if drawn.stale else "no sample has a score on both sides")
        return
    if drawn.dropped is None:
        case.problems.append("no sample is left without errors")
    if drawn.undefined:
        case.problems.append(
            f"{drawn.undefined} answers failed, and {case.metric.name} has no worst value to count them as; run again"
        )
    if drawn.unknown:
        what = "cost unknown: " if case.metric.name.startswith("cost") else ""
        case.problems.append(
            f"{what}{drawn.unknown} answers have no {case.metric.name}, and no worst value is declared"
        )
    if drawn.lost:
        case.problems.append(f"{drawn.lost} paired samples have no {case.metric.name} at all")
    if drawn.stale:
        case.notes.append(f"{drawn.stale} cached answers are left out of {case.metric.name}")
    if matching.changed:
        case.notes.append(
            f"{len(matching.changed)} samples have another content than in the baseline and are not paired"
        )


def _compared(cases: Sequence[_Case], terms: Terms) -> list[Measured]:
    questions: list[Question] = []
    places: list[tuple[int, str]] = []
    for place, case in enumerate(cases):
        for basis, question in _questions(case, terms):
            questions.append(question)
            places.append((place, basis))
    answers: dict[tuple[int, str], Difference] = {}
    usable = [one for one, question in enumerate(questions) if not _refused(cases[places[one][0]], question)]
    differences = compare_all([questions[one] for one in usable], seed=terms.seed, resamples=terms.resamples)
    answers.update({places[one]: found for one, found in zip(usable, differences, strict=True)})
    return [_measured(case, place, answers, terms) for place, case in enumerate(cases)]


def _questions(case: _Case, terms: Terms) -> Iterator[tuple[str, Question]]:
    if case.problems or case.rule.mode == "threshold" or case.drawn is None or case.drawn.headline is None:
        return
    null = -case.rule.margin if case.rule.mode in _AGAINST_MARGIN else 0.0
    yield "headline", Question(case.metric, case.drawn.headline, null=null, alpha=terms.alpha)
    if case.drawn.dropped is not None and case.drawn.dropped is not case.drawn.headline:
        yield "dropped", Question(case.metric, case.drawn.dropped, null=null, alpha=terms.alpha)
    if case.pinned is not None and case.pinned.headline is not None:
        yield "anchor", Question(case.metric, case.pinned.headline, null=null, alpha=terms.alpha)


def _refused(case: _Case, question: Question) -> bool:
    """Whether the fold cannot be taken of these data; the case says why."""
    try:
        for seen in (question.pair.candidate, question.pair.baseline):
            fold.statistic(question.metric.fold, seen)
    except ValueError as error:
        case.problems.append(str(error))
        return True
    return False


def _measured(case: _Case, place: int, answers: Mapping[tuple[int, str], Difference], terms: Terms) -> Measured:
    found = Measured(
        case.rule,
        headline=answers.get((place, "headline")),
        dropped=answers.get((place, "dropped")),
        anchor=answers.get((place, "anchor")),
        problems=tuple(case.problems),
        notes=tuple(case.notes),
        identical=bool(case.drawn and case.drawn.identical and case.rule.mode != "threshold"),
    )
    if case.rule.mode != "threshold" or case.problems or case.drawn is None or case.drawn.headline is None:
        return found
    return _on_floor(case, found, terms)


def _on_floor(case: _Case, found: Measured, terms: Terms) -> Measured:
    assert case.drawn is not None
    assert case.drawn.headline is not None
    assert case.rule.floor is not None
    named = {"seed": terms.seed, "resamples": terms.resamples}
    try:
        head = against(case.metric, case.drawn.headline.candidate, case.rule.floor, alpha=terms.alpha, **named)
        rest = case.drawn.dropped
        dropped = (
            None
            if rest is None or rest is case.drawn.headline
            else against(case.metric, rest.candidate, case.rule.floor, alpha=terms.alpha, **named)
        )
    except ValueError as error:
        return replace(found, problems=(str(error),))
    return replace(found, headline=head, dropped=dropped)
