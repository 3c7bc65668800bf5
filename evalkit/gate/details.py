"""The parts of a comment below its table: changed samples, validity, cost and time, what changed, commands."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.gate import say
from evalkit.gate.diff import word_diff
from evalkit.gate.inert import code, fenced, html_code, link, prose
from evalkit.gate.model import Changed, Edit, Evidence, Judge, Side, Spending, Verdict

SHOWN = 5
LISTED = 100
_LINES = 30
_SHORT, _EDITS = 60, 10


def folded(summary: str, body: str) -> str:
    """A part that opens on a click; `summary` is HTML, `body` Markdown."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def moved(evidence: Evidence) -> str:
    """How many samples moved, and which of them are told below."""
    told = f"{evidence.worse:,} worse, {evidence.better:,} better of {evidence.pairs:,} pairs."
    shown = min(SHOWN, len(evidence.changed))
    return f"{told} The {shown} that matter most, ~~before~~ and after:" if shown > 1 else told


def samples(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Per sample its name for a list of what was left out, and its text; last the ids of all that are not shown."""
    for one in evidence.changed[:SHOWN]:
        yield f"sample {code(one.sample_id, 40)}", _sample(one)
    rest = evidence.changed[SHOWN:]
    if rest:
        listed = [f"{code(one.sample_id, 60)} {_step(one)}" for one in rest[:LISTED]]
        more = f"; {len(rest) - LISTED:,} more in the report" if len(rest) > LISTED else ""
        yield f"{len(rest):,} more samples", folded(f"{len(rest):,} more changed samples", "; ".join(listed) + more)


def validity(verdict: Verdict, evidence: Evidence) -> str:
    """Denominators, pairs, hashes, cached share, judges, where the baseline comes from, flaky samples."""
    lines = [_side("candidate", evidence.candidate)]
    for label, side in (("baseline", evidence.baseline), ("pinned anchor", evidence.anchor)):
        lines += [_side(label, side)] if side else []
    lines += [_pairs(evidence)] if evidence.baseline else ["There is no baseline."]
    if evidence.baseline:
        lines += [_same("data", evidence.baseline.data_hash, evidence.candidate.data_hash)]
        lines += [_same("task and prompt", evidence.baseline.task_hash, evidence.candidate.task_hash)]
    lines += [_judge(judge, verdict) for judge in evidence.judges[:_LINES]]
    lines += _unsteady(evidence)
    lines += [f"{prose(name, 60)}: {prose(text, 200)}" for name, text in list(evidence.facts.items())[:_LINES]]
    errors = evidence.candidate.errored + (evidence.baseline.errored if evidence.baseline else 0)
    summary = (
        f"<b>Validity</b>: {evidence.pairs:,} pairs, {errors:,} errors, {_cached(evidence.candidate)} from the cache"
    )
    return folded(summary, "\n".join(f"- {line}" for line in lines))


def spending(evidence: Evidence) -> str:
    """Cost and latency of both sides, as a table; empty where nothing is known of them."""
    if not evidence.spending:
        return ""
    rows = ["| | before | after | change | limit |", "|---|---:|---:|---:|---:|"]
    rows += [_spent(one) for one in evidence.spending[:_LINES]]
    over = [one for one in evidence.spending if _over(one)]
    told = "within the limits" if any(one.limit is not None for one in evidence.spending) else "no limit set"
    words = f"{len(over)} over the limit" if over else told
    return folded(f"<b>Cost and time</b>: {words}", "\n".join(rows))


def edits(evidence: Evidence) -> str:
    """What differs between the sides: prompt, model, parameters, data, scorers."""
    if not evidence.edits:
        return ""
    names = ", ".join(html_code(one.what, 60) for one in evidence.edits[:8])
    body = "\n\n".join(_edit(one) for one in evidence.edits[:_EDITS])
    more = len(evidence.edits) - _EDITS
    return folded(f"<b>What changed</b>: {names}", body + (f"\n\n{more} more edits" if more > 0 else ""))


def commands(evidence: Evidence) -> str:
    """How to see the same again, and how to take the candidate as the new baseline."""
    parts = []
    if evidence.reproduce:
        parts.append(f"Reproduce:\n\n{fenced(list(evidence.reproduce[:_LINES]), 'console')}")
    if evidence.accept:
        parts.append(f"Accept the change:\n\n{fenced(list(evidence.accept[:_LINES]), 'console')}")
    return folded("<b>Reproduce or accept</b>", "\n\n".join(parts)) if parts else ""


def _sample(one: Changed) -> str:
    notes = ["" if one.stable else "not in every repeat", "quarantined" if one.quarantined else ""]
    told = ", ".join([_step(one), *filter(None, notes)])
    body = [word_diff(one.before_output, one.after_output)]
    body += [f"Reason: {prose(one.reason, 400)}"] if one.reason else []
    body += [f"Tags: {', '.join(code(tag, 40) for tag in one.tags[:8])}"] if one.tags else []
    body += [found] if (found := link("In the report", one.link)) else []
    return folded(f"{html_code(one.sample_id, 80)} {told}", "\n\n".join(body))


def _step(one: Changed) -> str:
    before, after = ("not scorable" if v is None else say.plain(v) for v in (one.before, one.after))
    return f"{before} \u2192 {after}"


def _side(label: str, side: Side) -> str:
    where = [f"run {code(side.run_id, 40)}"]
    where += [f"commit {code(side.commit, 40)}"] if side.commit else []
    where += [f"branch {code(side.branch, 60)}"] if side.branch else []
    where += [f"{say.duration(side.age_s)} apart from the other side"] if side.age_s is not None else []
    counts = (
        f"{side.planned:,} planned, {side.answered:,} answered, {side.errored:,} errored, "
        f"{side.unscorable:,} unscorable, {side.scored:,} scored, {_cached(side)} from the cache"
    )
    return (
        f"{label} {code(side.candidate, 80)}: {counts} ({', '.join(where)}; fingerprint {code(side.fingerprint, 12)})"
    )


def _cached(side: Side) -> str:
    return say.percent(side.cached / side.answered if side.answered else None)


def _pairs(evidence: Evidence) -> str:
    return (
        f"{evidence.pairs:,} pairs, overlap {say.percent(evidence.overlap)}; only in the baseline "
        f"{evidence.only_baseline:,}, only in the candidate {evidence.only_candidate:,}"
    )


def _same(what: str, before: str, after: str) -> str:
    if before == after:
        return f"the same {what}: {code(after, 12)}"
    return f"{what} differ: {code(before, 12)} \u2192 {code(after, 12)}"


def _judge(judge: Judge, verdict: Verdict) -> str:
    audit = "nobody has compared it with people"
    if judge.kappa is not None:
        low = "" if judge.kappa_low is None else f", at least {judge.kappa_low:.2f}"
        audit = f"kappa {judge.kappa:.2f}{low} with {judge.labels:,} labels of people"
    told = [audit + (" (not audited)" if judge.name in verdict.unaudited and judge.kappa is not None else "")]
    told += [] if judge.same_on_both_sides else ["another one on the other side"]
    told += (
        [] if judge.conflict_rate is None else [f"verdict turns with the order in {say.percent(judge.conflict_rate)}"]
    )
    told += [] if judge.primacy is None else [f"first answer preferred in {say.percent(judge.primacy)}"]
    return f"judge {code(judge.name, 80)} of {code(judge.metric, 80)}: {'; '.join(told)}"


def _unsteady(evidence: Evidence) -> Iterator[str]:
    for what, ids in (("flaky", evidence.flaky), ("quarantined, counted in all numbers", evidence.quarantined)):
        if ids:
            more = f" and {len(ids) - 10:,} more" if len(ids) > 10 else ""
            yield f"{len(ids):,} {what}: {', '.join(code(ident, 60) for ident in ids[:10])}{more}"


def _over(one: Spending) -> bool:
    return one.limit is not None and (one.after is None or one.after > one.limit)


def _spent(one: Spending) -> str:
    change = say.UNKNOWN
    if one.before is not None and one.after is not None:
        delta = one.after - one.before
        change = f"{'+' if delta > 0 else ''}{_amount(one, delta)}"
    if one.low is not None and one.high is not None:
        change += f" (95 % CI {_amount(one, one.low)} to {_amount(one, one.high)})"
    limit = "\u2013" if one.limit is None else _amount(one, one.limit)
    over = " \u26a0\ufe0f" if _over(one) else ""
    calls = "" if one.fresh is None else f", {one.fresh:,} fresh calls"
    return (
        f"| {prose(one.name, 60)}{calls} | {_amount(one, one.before)} | {_amount(one, one.after)}{over} "
        f"| {change} | {limit} |"
    )


def _amount(one: Spending, number: float | None) -> str:
    if number is None:
        return say.UNKNOWN
    if one.unit.casefold() == "usd":
        return f"-{say.money(-number)}" if number < 0 else say.money(number)
    return f"{say.plain(number)} {prose(one.unit, 20)}"


def _edit(one: Edit) -> str:
    if max(len(one.before), len(one.after)) <= _SHORT and "\n" not in one.before + one.after:
        return f"{code(one.what, 80)}: {code(one.before)} \u2192 {code(one.after)}"
    return f"{code(one.what, 80)}:\n\n{word_diff(one.before, one.after)}"
