"""A verdict as GitHub workflow commands, each at the line of its gate in the suite's file."""

from __future__ import annotations

from evalkit.core.errors import ExitCode
from evalkit.core.types import Outcome
from evalkit.gate import say
from evalkit.gate.github import Check, Conclusion
from evalkit.gate.headline import green
from evalkit.gate.model import Evidence, Judged, Verdict
from evalkit.gate.terminal import headline

LEVELS: dict[Outcome, str] = {"pass": "notice", "regression": "error", "inconclusive": "warning", "invalid": "error"}
_CHECK_LEVELS = {"notice": "notice", "warning": "warning", "error": "failure"}
_LONGEST = 2_000


def annotations(verdict: Verdict) -> list[str]:  # type: ignore[no-redef]  # the future import has the name too
    """One command per gated rule, worst first, and one for the suite where no rule was judged.

    `::error` for a regression or an invalid gate, `::warning` for an inconclusive one and for every warning,
    `::notice` for a pass.
    """
    gated = [one for one in verdict.judged if one.rule.gated]
    order = list(LEVELS)
    gated.sort(key=lambda one: order.index(one.outcome) if one.outcome != "pass" else len(order))
    found = [_of_rule(verdict, one) for one in gated]
    if not gated:
        found.append(command("error", f"{verdict.suite}: {say.TITLES['invalid']}", "; ".join(verdict.reasons)))
    return found + [command("warning", f"{verdict.suite}: {verdict.candidate}", text) for text in verdict.warnings]


def check(verdict: Verdict, evidence: Evidence, summary: str) -> Check:
    """The verdict as a check run: green for a pass only, red where the policy blocks, grey between.

    `summary` is Markdown; rules without a place in a file are told by it alone.
    """
    conclusion: Conclusion = "success" if green(verdict) else "neutral" if verdict.code == ExitCode.PASS else "failure"
    placed = [one for one in verdict.judged if one.rule.gated and one.rule.file and one.rule.line]
    return Check(
        name=f"evalkit: {verdict.suite} ({verdict.candidate})"[:200],
        conclusion=conclusion,
        title=headline(verdict, evidence),
        summary=summary,
        annotations=[_placed(verdict, one) for one in placed],
    )


def _placed(verdict: Verdict, one: Judged) -> dict[str, str | int | None]:
    return {
        "path": one.rule.file,
        "start_line": one.rule.line,
        "end_line": one.rule.line,
        "annotation_level": _CHECK_LEVELS[LEVELS[one.outcome]],
        "title": f"{one.rule.name}: {say.TITLES[one.outcome]}"[:255],
        "message": _told(verdict, one)[:_LONGEST],
    }


def command(level: str, title: str, message: str, *, file: str | None = None, line: int | None = None) -> str:
    """One workflow command on one line; the text may hold anything and stays inside it."""
    places = [f"file={_property(file)}"] if file else []
    places += [f"line={line}"] if file and line else []
    return f"::{level} {','.join([*places, f'title={_property(title)}'])}::{_message(message)}"


def _of_rule(verdict: Verdict, one: Judged) -> str:
    title = f"{verdict.suite}: {one.rule.name} {say.TITLES[one.outcome]}"
    return command(LEVELS[one.outcome], title, _told(verdict, one), file=one.rule.file, line=one.rule.line)


def _told(verdict: Verdict, one: Judged) -> str:
    numbers = "" if one.comparison.delta is None else f"{say.change(one.rule, one.comparison.delta)}; "
    return f"{verdict.candidate} against {verdict.baseline}: {numbers}{one.comparison.reason}"


def _message(text: str) -> str:
    """Escaped as the runner reads it back: percent first, then line ends."""
    return text[:_LONGEST].replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
