"""Verdicts as JUnit XML: rules decide failures, samples are told beside them under names that never move."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from evalkit.core.types import Outcome
from evalkit.gate import say
from evalkit.gate.headline import interval, judged_green
from evalkit.gate.model import Evidence, Judged, SampleResult, Verdict

Reported = tuple[Verdict, Evidence, Sequence[SampleResult]]

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_KINDS: dict[Outcome, str] = {"regression": "failure", "invalid": "error", "inconclusive": "skipped"}
_LONGEST = 10_000


def junit(verdicts: Sequence[Reported]) -> str:
    """One `testsuite` per suite and candidate: a `testcase` per rule, then one per sample, named by the sample's id.

    A regression is a `failure`, an invalid rule an `error`, an inconclusive one `skipped`, each with its reason, so
    that only a pass is shown as one; a rule that is not gated, and a pass that rests on a judge nobody audited, is at
    most `skipped`. A sample never fails: one score is no verdict. What XML 1.0 has no form for becomes U+FFFD.
    """
    root = ET.Element("testsuites", name="evalkit")
    for number, reported in enumerate(verdicts):
        root.append(_suite(number, *reported))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(number: int, verdict: Verdict, evidence: Evidence, samples: Sequence[SampleResult]) -> ET.Element:
    suite = ET.Element("testsuite", name=_legal(f"{verdict.suite}: {verdict.candidate}"), id=str(number))
    if stamp := _STAMP.match(evidence.candidate.started):
        suite.set("timestamp", stamp.group())
    cases = [*_rules(verdict, evidence), *(_sample(verdict, sample) for sample in samples)]
    if not any(one.rule.gated for one in verdict.judged):
        cases.insert(0, _nothing(verdict))
    seconds = sum(sample.seconds or 0.0 for sample in samples)
    suite.set("tests", str(len(cases)))
    for total, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(total, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{seconds:.3f}")
    _properties(suite, _of_suite(verdict, evidence))
    suite.extend(cases)
    return suite


def _rules(verdict: Verdict, evidence: Evidence) -> Iterator[ET.Element]:
    seen: set[str] = set()
    for one in verdict.judged:
        name = one.rule.name if one.rule.name not in seen else f"{one.rule.name} ({one.rule.mode})"
        seen.add(one.rule.name)
        case = _case(verdict, "gates", name)
        _properties(case, _of_rule(one))
        kind, message = _mark(verdict, evidence, one)
        if kind:
            ET.SubElement(case, kind, type=one.outcome, message=_legal(message)).text = _legal(_detail(one))
        else:
            ET.SubElement(case, "system-out").text = _legal(_detail(one))
        yield case


def _mark(verdict: Verdict, evidence: Evidence, one: Judged) -> tuple[str, str]:
    """The child element that says what became of a rule, and its message; nothing for a plain pass."""
    if not one.rule.gated:
        words = f"looked at, decides nothing: {say.TITLES[one.outcome]}, {one.comparison.reason}"
        return ("", "") if judged_green(verdict, evidence, one) else ("skipped", words)
    if one.outcome == "pass":
        words = f"passes by a judge that nobody compared with people: {', '.join(verdict.unaudited)}"
        return ("", "") if judged_green(verdict, evidence, one) else ("skipped", words)
    return _KINDS[one.outcome], one.comparison.reason


def _detail(one: Judged) -> str:
    head = one.measured.headline
    values = "" if head is None else f"{say.value(one.rule, head.baseline)} -> {say.value(one.rule, head.candidate)}, "
    numbers = f"{values}{say.change(one.rule, one.comparison.delta)} {interval(one)}".strip()
    lines = (f"{say.TITLES[one.outcome]}: {one.comparison.reason}", numbers, *one.comparison.notes)
    return "\n".join(lines)


def _sample(verdict: Verdict, sample: SampleResult) -> ET.Element:
    case = _case(verdict, "samples", sample.sample_id)
    if sample.seconds is not None:
        case.set("time", f"{sample.seconds:.3f}")
    value = "not scorable" if sample.value is None else f"{sample.value:.6g}"
    ET.SubElement(case, "system-out").text = _legal(f"{value}: {sample.reason}" if sample.reason else value)
    return case


def _nothing(verdict: Verdict) -> ET.Element:
    case = _case(verdict, "gates", "nothing asserted")
    reason = "; ".join(verdict.reasons)
    ET.SubElement(case, "error", type="invalid", message=_legal(reason)).text = _legal(reason)
    return case


def _case(verdict: Verdict, part: str, name: str) -> ET.Element:
    return ET.Element("testcase", classname=_legal(f"{verdict.suite}.{verdict.candidate}.{part}"), name=_legal(name))


def _of_rule(one: Judged) -> dict[str, object]:
    head, told = one.measured.headline, one.comparison
    return {
        "value": head.candidate if head else None,
        "baseline": head.baseline if head else None,
        "delta": told.delta,
        "low": told.low,
        "high": told.high,
        "n": told.n,
        "p": told.p_value,
        "p_adjusted": told.p_adjusted,
        "margin": one.rule.margin,
        "outcome": one.outcome,
        "gated": one.rule.gated,
    }


def _of_suite(verdict: Verdict, evidence: Evidence) -> dict[str, object]:
    side = evidence.candidate
    return {
        "outcome": verdict.outcome,
        "exit_code": int(verdict.code),
        "policy": verdict.policy,
        "baseline": verdict.baseline,
        "planned": side.planned,
        "answered": side.answered,
        "errored": side.errored,
        "unscorable": side.unscorable,
        "scored": side.scored,
        **{f"warning {place}": text for place, text in enumerate(verdict.warnings, 1)},
    }


def _properties(parent: ET.Element, values: dict[str, object]) -> None:
    """Name and value of what is known; unknown is left out."""
    group = ET.SubElement(parent, "properties")
    for name, value in values.items():
        if value is not None:
            text = repr(value) if isinstance(value, float) else str(value)
            ET.SubElement(group, "property", name=name, value=_legal(text))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text[:_LONGEST])
