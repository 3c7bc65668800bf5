"""A verdict as GitHub workflow commands, each at the line of its gate in the suite's file."""

from __future__ import annotations

from evalkit.core.types import Outcome
from evalkit.gate import say
from evalkit.gate.model import Judged, Verdict

LEVELS: dict[Outcome, str] = {"pass": "notice", "regression": "error", "inconclusive": "warning", "invalid": "error"}
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


def command(level: str, title: str, message: str, *, file: str | None = None, line: int | None = None) -> str:
    """One workflow command on one line; the text may hold anything and stays inside it."""
    places = [f"file={_property(file)}"] if file else []
    places += [f"line={line}"] if file and line else []
    return f"::{level} {','.join([*places, f'title={_property(title)}'])}::{_message(message)}"


def _of_rule(verdict: Verdict, one: Judged) -> str:
    title = f"{verdict.suite}: {one.rule.name} {say.TITLES[one.outcome]}"
    numbers = "" if one.comparison.delta is None else f"{say.change(one.rule, one.comparison.delta)}; "
    message = f"{verdict.candidate} against {verdict.baseline}: {numbers}{one.comparison.reason}"
    return command(LEVELS[one.outcome], title, message, file=one.rule.file, line=one.rule.line)


def _message(text: str) -> str:
    """Escaped as the runner reads it back: percent first, then line ends."""
    return text[:_LONGEST].replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
