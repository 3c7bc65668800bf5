"""A comparison as a page: rows with margins, changed samples with outputs, prompts that differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from evalkit import __version__
from evalkit.app.comparing import Compared
from evalkit.app.workspace import Workspace
from evalkit.gate.model import Changed, Edit, Measured, Side
from evalkit.report.compare import ChangedSample, ComparePage, CompareRow, CompareSide, render_compare
from evalkit.report.model import Counts, Note, PromptDiff

_SQL = """-- {suite}: the scores of both sides, sample by sample
select sample_id, repeat, max(headline_value) filter (where entry_id = '{baseline}') as base,
       max(headline_value) filter (where entry_id = '{candidate}') as candidate
from scores
where entry_id in ('{baseline}', '{candidate}') and metric = '{metric}'
group by all having count(distinct entry_id) = 2 order by sample_id, repeat"""


def write_pages(workspace: Workspace, found: Sequence[Compared], out: Path | None) -> list[Path]:
    """One page per suite and pair in the reports' folder; the same comparison gives the same bytes."""
    folder = out or workspace.project.reports
    return [render_compare(page_of(one), folder / _name(one)) for one in found]


def page_of(one: Compared) -> ComparePage:
    """What the page of one comparison shows."""
    rows = tuple(
        _row(measured, adjusted["p_adjusted"]) for measured, adjusted in zip(one.measured, one.rows, strict=True)
    )
    first = next((row for row in rows if row.delta is not None), None)
    notes = [Note(problem) for problem in one.problems]
    notes += [Note(note, "info") for note in dict.fromkeys(note for row in one.measured for note in row.notes)]
    about = {"suite": one.suite, "baseline": one.baseline.entry_id, "candidate": one.candidate.entry_id}
    return ComparePage(
        title=f"{one.suite}: {one.candidate.candidate} against {one.baseline.candidate}",
        suite=one.suite,
        base=_side(one.baseline),
        candidate=_side(one.candidate),
        rows=rows,
        verdict=_sentence(first),
        tone=first.tone if first is not None else "warn",
        changed=tuple(_changed(changed, higher=one.higher) for changed in one.moved.changed),
        changed_total=one.moved.better + one.moved.worse,
        changed_metric=one.primary,
        diffs=tuple(_diff(edit) for edit in one.edits if edit.what.startswith("prompt")),
        notes=tuple(notes),
        sql=_SQL.format(**{name: value.replace("'", "''") for name, value in {**about, "metric": one.primary}.items()}),
        facts=tuple(
            (edit.what, f"{edit.before} \u2192 {edit.after}") for edit in one.edits if "prompt" not in edit.what
        ),
        generated=max(one.baseline.started, one.candidate.started),
        version=__version__,
    )


def _name(one: Compared) -> str:
    sides = (one.suite, one.baseline.label, one.candidate.label)
    return "compare-" + "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", text).strip("_") for text in sides) + ".html"


def _row(measured: Measured, p_adjusted: float | None) -> CompareRow:
    head, rule = measured.headline, measured.rule
    plain = CompareRow(
        metric=rule.metric,
        slice=rule.slice,
        unit="%" if rule.share else rule.unit,
        higher_is_better=rule.higher_is_better,
        reason="; ".join(measured.problems),
    )
    if head is None:
        return plain
    return CompareRow(
        metric=rule.metric,
        slice=rule.slice,
        base=head.baseline,
        candidate=head.candidate,
        delta=head.delta,
        low=head.low,
        high=head.high,
        p=head.p_value,
        p_adjusted=p_adjusted,
        better=head.better,
        worse=head.worse,
        same=head.same,
        n=head.n,
        groups=head.groups,
        method=head.method,
        unit=plain.unit,
        higher_is_better=rule.higher_is_better,
        reason=plain.reason,
        mde=head.mde,
    )


def _sentence(row: CompareRow | None) -> str:
    if row is None or row.delta is None:
        return "Nothing can be compared."
    scale, unit = (100.0, " points") if row.unit == "%" else (1.0, f" {row.unit}" if row.unit else "")
    told = {"good": "better", "bad": "worse"}.get(row.tone, "no difference that these samples show")
    ends = "" if row.low is None or row.high is None else f", 95 % CI {scale * row.low:+.3g} to {scale * row.high:+.3g}"
    return f"{row.name}: {told} ({scale * row.delta:+.3g}{unit}{ends}, {row.n:,} paired samples)."


def _side(side: Side) -> CompareSide:
    counts = Counts(side.planned, side.answered, side.errored, side.unscorable, side.scored, side.cached)
    return CompareSide(
        side.label, side.candidate, side.run_id, side.commit or "", side.started, side.fingerprint, counts
    )


def _changed(one: Changed, *, higher: bool) -> ChangedSample:
    known = one.before is not None and one.after is not None and one.before != one.after
    return ChangedSample(
        sample_id=one.sample_id,
        before=one.before,
        after=one.after,
        before_output=one.before_output,
        after_output=one.after_output,
        reason=one.reason,
        tags=one.tags,
        stable=one.stable,
        better=(one.after > one.before) == higher if known else None,  # type: ignore[operator]  # known: both are numbers
    )


def _diff(edit: Edit) -> PromptDiff:
    return PromptDiff(edit.what, "base", "candidate", edit.before, edit.after)
