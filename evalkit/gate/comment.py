"""A verdict as one Markdown comment that is read in ten seconds and that no sample can break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evalkit.core.types import Outcome
from evalkit.gate import details, say
from evalkit.gate.headline import green, interval, judged_green, ordered, sentence, title
from evalkit.gate.inert import code, link, prose
from evalkit.gate.model import Evidence, Judged, Power, Rule, Verdict

LIMIT = 60_000
"""Longest comment in characters; GitHub refuses above 65,536."""
ROWS, TABLE = 60, 20_000
WARNINGS, REASONS = 8, 20
MARKS: dict[Outcome, str] = {
    "pass": "\u2705",
    "regression": "\u274c",
    "inconclusive": "\u26a0\ufe0f",
    "invalid": "\u26d4",
}
_UP, _DOWN = "\u2191", "\u2193"
_MARKED = re.compile(r"[^A-Za-z0-9._ -]|--")


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the comment; of the parts that do not fit, those with the highest `rank` are left out first."""

    what: str
    text: str
    rank: int


def marker(suite: str) -> str:
    """The first line of the suite's comment, by which it is found again: an HTML comment that shows nothing."""
    name = _MARKED.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "replace")), suite
    )
    return f"<!-- evalkit:{name[:200]} -->"


def comment(verdict: Verdict, evidence: Evidence) -> str:
    """Markdown of at most 60,000 characters whatever the input; the least important parts go first, and it says so."""
    return _fitted(list(_blocks(verdict, evidence)))


def _blocks(verdict: Verdict, evidence: Evidence) -> Iterable[Block]:
    yield Block("", f"{marker(verdict.suite)}\n{_headline(verdict, evidence)}", 0)
    yield Block("metrics and slices", _table(verdict, evidence), 1)
    yield Block("what this size can see", _power(verdict, evidence), 2)
    if evidence.changed:
        yield Block("", f"### Changed samples\n{details.moved(evidence)}", 3)
    for rank, (what, text) in enumerate(details.samples(evidence), 20):
        yield Block(what, text, rank)
    yield Block("validity", details.validity(verdict, evidence), 4)
    yield Block("cost and time", details.spending(evidence), 6)
    yield Block("what changed", details.edits(evidence), 7)
    yield Block("how to reproduce and accept", details.commands(evidence), 5)


def _headline(verdict: Verdict, evidence: Evidence) -> str:
    mark = MARKS[verdict.outcome] if verdict.outcome != "pass" or green(verdict) else MARKS["inconclusive"]
    sides = f"{code(verdict.candidate)} against {code(verdict.baseline)}, policy `{verdict.policy}`"
    where = link("full report", evidence.report)
    lines = [
        f"## {mark} {title(verdict)}: {code(verdict.suite)}",
        sentence(verdict, code, prose),
        f"{sides}{f'; {where}' if where else ''}",
    ]
    told = [f"> {prose(text, 300)}" for text in verdict.warnings[:WARNINGS]]
    if len(verdict.warnings) > WARNINGS:
        told.append(f"> {len(verdict.warnings) - WARNINGS} more warnings in the report")
    return "\n\n".join([*lines, *(["\n>\n".join(told)] if told else [])])


def _table(verdict: Verdict, evidence: Evidence) -> str:
    rows = ordered(verdict)
    if not rows:
        return ""
    lines = [
        "| metric | before | after | change (95 % CI) | adjusted p | better / worse / same | verdict |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    size = 0
    for one in rows[:ROWS]:
        line = _row(verdict, evidence, one)
        size += len(line)
        if size > TABLE:
            break
        lines.append(line)
    missing = len(rows) - (len(lines) - 2)
    lines += [f"\n{missing:,} more rows in the report."] if missing else []
    return "\n".join([*lines, "", *_why(rows)]).rstrip()


def _row(verdict: Verdict, evidence: Evidence, one: Judged) -> str:
    head, rule = one.measured.headline, one.rule
    before, after, counts = say.UNKNOWN, say.UNKNOWN, ""
    if head is not None:
        before = ("floor " if rule.mode == "threshold" else "") + say.value(rule, head.baseline)
        after = say.value(rule, head.candidate)
        counts = f"{head.better} / {head.worse} / {head.same}" if rule.mode != "threshold" else ""
    span = interval(one).removeprefix("95 % CI ")
    cells = (
        f"{code(rule.name)} {_UP if rule.higher_is_better else _DOWN}",
        before,
        after,
        f"{say.change(rule, one.comparison.delta)}{f' ({span})' if span else ''}",
        say.probability(one.comparison.p_adjusted),
        counts,
        _said(verdict, evidence, one),
    )
    return f"| {' | '.join(cells)} |"


def _said(verdict: Verdict, evidence: Evidence, one: Judged) -> str:
    if not one.rule.gated:
        return f"looked at: {one.outcome}"
    sure = one.outcome != "pass" or judged_green(verdict, evidence, one)
    mark = MARKS[one.outcome] if sure else MARKS["inconclusive"]
    return f"{mark} {one.outcome}{'' if sure else ', judge not audited'}{', veto' if one.rule.veto else ''}"


def _why(rows: Sequence[Judged]) -> list[str]:
    """The reasons of gated rules that do not pass, and what else must be known of gated rules."""
    found = []
    for one in rows:
        if not one.rule.gated:
            continue
        reason = () if one.outcome == "pass" else (one.comparison.reason,)
        # Power is told once, below the table, and matters for what it left undecided.
        notes = [text for text in one.comparison.notes if not text.startswith("underpowered")]
        told = [prose(text, 300) for text in (*reason, *notes[:3])]
        found += [f"- {code(one.rule.name)}: {'; '.join(told)} (limit {say.limit(one.rule)})"] if told else []
    return found[:REASONS] + ([f"- {len(found) - REASONS} more in the report"] if len(found) > REASONS else [])


def _power(verdict: Verdict, evidence: Evidence) -> str:
    rules = {one.rule.metric: one.rule for one in reversed(verdict.judged)}
    lines = [f"- {_seen(rules.get(one.metric, Rule(one.metric)), one)}" for one in evidence.power[:REASONS]]
    return "\n".join(["**What this size can see**", "", *lines]) if lines else ""


def _seen(rule: Rule, one: Power) -> str:
    repeats = f" x {one.repeats} repeats" if one.repeats > 1 else ""
    size = f"{one.samples:,} samples{repeats}"
    told = [f"{code(one.metric)}: what {size} can see is {say.UNKNOWN}"]
    if one.mde is not None:
        told = [f"{code(one.metric)}: {size} find a change for the worse of {say.size(rule, one.mde)} in 80 % of cases"]
    if one.wanted is not None:
        told.append(f"the margin is {say.size(rule, one.wanted)}")
    if one.samples_needed is not None:
        price = (
            f" and costs about {say.money(one.usd_needed)}" if one.usd_needed is not None else ", at an unknown price"
        )
        told.append(f"seeing that takes {one.samples_needed:,} samples{price}")
    if one.flip_rate is not None:
        told.append(f"repeats of a sample disagree in {say.percent(one.flip_rate)}")
    if one.repeats_worth is not None:
        told.append(f"more than {one.repeats_worth} repeats change little")
    return "; ".join(told)


def _fitted(blocks: Sequence[Block]) -> str:
    kept = [block for block in blocks if block.text]
    gone: list[str] = []
    while len(_joined(kept, gone)) > LIMIT:
        last = max(kept, key=lambda block: block.rank)
        kept.remove(last)
        gone.append(last.what)
    return _joined(kept, gone)


def _joined(blocks: Sequence[Block], gone: Sequence[str]) -> str:
    parts = [block.text for block in blocks]
    if gone:
        parts.append(f"Left out, because a comment is bounded: {', '.join(reversed(gone))}.")
    return "\n\n".join(parts) + "\n"
