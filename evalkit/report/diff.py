"""Two texts beside each other: line by line for prompts, word by word for answers; both bounded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from evalkit.report import text
from evalkit.report.model import PromptDiff

DIFF_LINES = 400
DIFF_INPUT = 2_000
DIFF_CONTEXT = 3
DIFF_WORDS = 1_500
_WORD = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a diff: `kind` is same, removed, added or gap."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text: `changed` = the other text does not have it here."""

    changed: bool
    text: str


def diff_lines(diff: PromptDiff) -> list[DiffLine]:
    """A line diff with three lines of context; cut, and said so, after 400 lines."""
    before, after = (text.visible(side, 100_000).split("\n")[:DIFF_INPUT] for side in (diff.before, diff.after))
    lines: list[DiffLine] = []
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(DIFF_CONTEXT):
        if lines or group[0][1] > 0:
            lines.append(DiffLine("gap", "⋯"))
        for tag, a1, a2, b1, b2 in group:
            lines += _hunk(tag, before[a1:a2], after[b1:b2])
    if len(lines) > DIFF_LINES:
        return [*lines[:DIFF_LINES], DiffLine("gap", f"… {len(lines) - DIFF_LINES:,} more lines")]
    return lines


def _hunk(tag: str, before: Sequence[str], after: Sequence[str]) -> list[DiffLine]:
    if tag == "equal":
        return [DiffLine("same", line) for line in before]
    return [DiffLine("removed", line) for line in before] + [DiffLine("added", line) for line in after]


def word_diff(before: str, after: str) -> tuple[list[Span], list[Span]]:
    """Both texts as spans, those of words that only one of them has marked; beyond 1,500 words nothing is marked."""
    left, right = (_WORD.findall(text.visible(side)) for side in (before, after))
    if len(left) > DIFF_WORDS or len(right) > DIFF_WORDS:
        return [Span(changed=False, text="".join(left))], [Span(changed=False, text="".join(right))]
    spans: tuple[list[Span], list[Span]] = ([], [])
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for found, words in ((spans[0], left[a1:a2]), (spans[1], right[b1:b2])):
            if words:
                found.append(Span(tag != "equal", "".join(words)))
    return spans
