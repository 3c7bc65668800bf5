"""Text that nobody vetted, made harmless inside Markdown: as code, as prose, as HTML, as a link or not at all."""

from __future__ import annotations

import re
import unicodedata

NAME = 120
"""Longest name or id that is shown, in characters."""
PROSE = 600
"""Longest sentence that is shown, in characters."""

_SAFE_SPAN = re.compile(r"[^`|\\<>&\n]+")
_SAFE_PROSE = re.compile(r"(?:[^\W_]|[ .,;:%()+/'\u2019\u2026=?-]|(?<=\w)_(?=\w)|< (?=\d)|\u2192)+")
# What GitHub makes links of without any markup: addresses, issues as GH-1, hashes of commits.
_LINKED = re.compile(r"www\.|://|\bGH-\d|\b(?:[0-9a-f]*\d[0-9a-f]*){7,}\b|mailto:|xmpp:", re.IGNORECASE)
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#!$&*+,;=%-]{1,1000}")
_PATH = re.compile(r"[A-Za-z0-9._~/#%-]{1,500}")
_KEPT = frozenset("\n\t\u200c\u200d")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str, limit: int) -> str:
    """At most `limit` characters and an ellipsis, controls and direction marks written out: ⟦U+202E⟧."""
    kept = text[:limit].replace("\r\n", "\n")
    shown = "".join(
        f"\u27e6U+{ord(c):04X}\u27e7" if c not in _KEPT and unicodedata.category(c) in _HIDDEN else c for c in kept
    )
    return shown + "\u2026" if len(text) > limit else shown


def one_line(text: str, limit: int = NAME) -> str:
    """`visible` on one line, runs of white space as one space."""
    return " ".join(visible(text, limit).split())


def code(text: str, limit: int = NAME) -> str:
    """Inline code, also in a table's cell: in backticks, or as HTML where the text has backticks, pipes or HTML."""
    shown = one_line(text, limit) or "(empty)"
    return f"`{shown}`" if _SAFE_SPAN.fullmatch(shown) else html_code(shown, limit)


def html_code(text: str, limit: int = NAME) -> str:
    """Inline code as HTML, for inside of HTML too; punctuation as character references: Markdown sees none."""
    return f"<code>{_referenced(one_line(text, limit) or '(empty)')}</code>"


def prose(text: str, limit: int = PROSE) -> str:
    """A sentence as it is, where it holds nothing but words; else as inline code."""
    shown = one_line(text, limit)
    harmless = _SAFE_PROSE.fullmatch(shown) and not _LINKED.search(shown)
    return shown if harmless else code(shown, limit)


def html(text: str) -> str:
    """Text for inside of an HTML element that keeps lines (`pre`); call `visible` first."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def fenced(lines: list[str], language: str = "") -> str:
    """A fenced block that no line of it can end; each line is bounded and stays one line."""
    shown = [one_line(line, 1_000) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence + language, *shown, fence])


def link(words: str, address: str | None) -> str:
    """A link with words of ours, or nothing where the address is not a plain one; a path is shown as code."""
    if address and _URL.fullmatch(address):
        return f"[{words}]({address})"
    return f"{words}: {code(address)}" if address and _PATH.fullmatch(address) else ""


def _referenced(text: str) -> str:
    return "".join(c if c.isalnum() or c == " " or ord(c) > 127 else f"&#{ord(c)};" for c in text)
