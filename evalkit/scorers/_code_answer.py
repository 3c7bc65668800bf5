"""The program in an answer: the last fenced block of the language, or the whole answer where nothing is fenced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.core.types import Response
from evalkit.scorers._answers import answer_text, cut_off

PYTHON = frozenset({"python", "py", "python3", "py3"})
_FENCE = re.compile(r"\A[ \t]{0,16}(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*\Z")
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Code:
    """A program in an answer. `whole` = nothing said that it is one: the answer as it stands may be prose."""

    text: str
    whole: bool = False


def code_of(response: Response, function: str | None = None) -> tuple[Code | None, str | None]:
    """The program of an answer, or None and why there is none.

    Of several Python blocks the last one counts, or the last one that defines `function`; a block without a language
    counts where none says Python. A block that is never closed goes to the end of the answer.
    """
    text, reason = answer_text(response)
    if text is None:
        return None, reason
    blocks = list(fenced(text))
    named = [body for language, body in blocks if language.lower() in PYTHON]
    bodies = named or [body for language, body in blocks if not language]
    if blocks and not bodies:
        others = ", ".join(sorted({language for language, _ in blocks}))
        return None, cut_off(f"no code: the answer has no Python block, only {others}"[:200], response)
    code = Code(_chosen(bodies, function)) if bodies else Code(text, whole=True)
    if not code.text.strip():
        return None, cut_off("no code: the block is empty" if bodies else "no code: the answer is empty", response)
    if any("\ud800" <= character <= "\udfff" for character in code.text[:_MOST]):
        return None, "no code: the text has halves of characters (lone surrogates)"
    if len(code.text) > _MOST:
        return None, f"no code: {len(code.text):,} characters are more than {_MOST:,}"
    return code, None


def _chosen(bodies: list[str], function: str | None) -> str:
    if function is not None:
        defines = re.compile(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{re.escape(function)}\b", re.MULTILINE)
        bodies = [body for body in bodies if defines.search(body)] or bodies
    return bodies[-1]


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """Language and body of each fenced block, in order; a body loses the indentation of its fence."""
    if "```" not in text and "~~~" not in text:
        return
    fence, language, indent = "", "", 0
    lines: list[str] = []
    for line in text.split("\n"):
        mark = _FENCE.match(line.rstrip()) if len(line) < 200 else None
        if fence and mark and mark[1].startswith(fence) and not mark[2]:
            yield language, "\n".join(lines)
            fence, lines = "", []
        elif fence:
            lines.append(line[indent:] if line[:indent].isspace() else line)
        elif mark:
            fence, language, indent = mark[1], mark[2], len(line) - len(line.lstrip())
    if fence:
        yield language, "\n".join(lines)
