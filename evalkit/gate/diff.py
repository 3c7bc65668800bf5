"""Two outputs as one text: what went is struck out, what came is underlined, what is equal is shortened."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from evalkit.gate.inert import html, visible

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
_LONGEST = 1_200
# Matching takes cubic time where the same few tokens repeat; above 200, difflib leaves such tokens to their neighbours.
_TOKENS = 400
_CONTEXT = 60


def word_diff(before: str, after: str) -> str:
    """HTML of `pre` with `del` and `ins`, at most about 1,200 characters of each side around the first difference.

    Everything of the two texts is escaped; equal texts come back without a mark.
    """
    lead = _common(before, after)
    start = max(0, lead - _CONTEXT)
    head = "\u2026" if start else ""
    old, new = (_tokens(visible(text[start:], _LONGEST)) for text in (before, after))
    body = "".join(
        _marked(op, "".join(old[i:j]), "".join(new[k:m]))
        for op, i, j, k, m in SequenceMatcher(None, old, new).get_opcodes()
    )
    return f"<pre>{head}{body or '(empty)'}</pre>"


def _tokens(text: str) -> list[str]:
    found = _TOKEN.findall(text)
    return found if len(found) <= _TOKENS else [*found[:_TOKENS], "\u2026"]


def _marked(op: str, old: str, new: str) -> str:
    if op == "equal":
        short = old if len(old) <= 2 * _CONTEXT + 20 else f"{old[:_CONTEXT]} \u2026 {old[-_CONTEXT:]}"
        return html(short)
    gone = f"<del>{html(old)}</del>" if old else ""
    return gone + (f"<ins>{html(new)}</ins>" if new else "")


def _common(before: str, after: str) -> int:
    """How many characters the two begin with alike, by halving: outputs may be megabytes."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[:middle] == after[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
