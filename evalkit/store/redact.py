"""Keys and tokens out of everything that is written down."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "[redacted]"
SHORTEST = 6
# How often a text may stand in a JSON text: an answer that is JSON, in the JSON of a journal line, in a trace.
QUOTED = 3
# What a key starts with -> what follows. The starts are looked for first: most texts have none.
SHAPES = {
    "sk-": r"[A-Za-z0-9_\-]{16,}",
    "earer ": r"[A-Za-z0-9._~+/\-]{16,}=*",
    "AKIA": r"[A-Z0-9]{16}",
    "ASIA": r"[A-Z0-9]{16}",
    "hf_": r"[A-Za-z0-9]{20,}",
    "ghp_": r"[A-Za-z0-9]{20,}",
    "gho_": r"[A-Za-z0-9]{20,}",
    "ghs_": r"[A-Za-z0-9]{20,}",
    "github_pat_": r"[A-Za-z0-9_]{20,}",
    "AIza": r"[A-Za-z0-9_\-]{30,}",
    "xoxb-": r"[A-Za-z0-9\-]{10,}",
    "xoxp-": r"[A-Za-z0-9\-]{10,}",
    "gsk_": r"[A-Za-z0-9]{20,}",
}
# Not inside a word; what JSON writes for a newline or a tab before a key ends in a letter too.
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))"


class Redactor:
    """Replaces given secrets of at least 6 characters, and what looks like a well-known key, by `[redacted]`.

    Secrets are also found as JSON (in JSON, up to three deep) and URL escaping write them.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {form for secret in secrets if len(secret) >= SHORTEST for form in _spellings(secret)}
        # Longest first: a secret that contains another goes as a whole.
        exact = [re.escape(one) for one in sorted(spellings, key=lambda form: (-len(form), form))]
        shapes = [rf"{_BEFORE}{start}{rest}" for start, rest in SHAPES.items() if start != "earer "]
        bearer = rf"(?<=[Bb]earer ){SHAPES['earer ']}"
        self._find = re.compile("|".join((*exact, bearer, *shapes)))
        self._marks = (*sorted(spellings), *SHAPES)

    def text(self, text: str) -> str:
        """The text without secrets; the very same object when there are none."""
        for mark in self._marks:
            if mark in text:
                return self._find.sub(REDACTED, text) if self._find.search(text) else text
        return text

    def suspects(self, text: str) -> bool:
        """Whether a text, or the JSON that holds it, may have a secret; False is certain."""
        return any(mark in text for mark in self._marks)

    def value(self, value: Any) -> Any:
        """A JSON value without secrets, in texts and in names; what has none comes back as it is."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(name): self.value(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value


def _spellings(secret: str) -> set[str]:
    import json
    from urllib.parse import quote

    found = {secret, quote(secret, safe="")}
    for plain in (True, False):
        form = secret
        for _ in range(QUOTED):
            form = json.dumps(form, ensure_ascii=plain)[1:-1]
            found.add(form)
    return found
