"""A summary that is the beginning of the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from evalkit.baselines._answering import Named, Reader
from evalkit.baselines._sentences import sentences
from evalkit.core.options import build

VERSION = 1


@dataclass(frozen=True)
class LeadSummary(Reader, Named):
    """The first `count` sentences of the input field `text`, whatever the instruction says."""

    count: int = 1
    text: str = "text"
    kind: ClassVar[str] = "lead_summary"
    version: ClassVar[int] = VERSION

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or self.count < 1:
            raise ValueError(f"count={self.count!r} must be a whole number of at least 1")

    def reply(self, text: str) -> str:
        """The beginning. Raises ValueError for a text without words."""
        found = sentences(text)
        if not found:
            raise ValueError("the text is empty, so it has no first sentence")
        return " ".join(found[: self.count])


def make(**options: object) -> LeadSummary:
    """Options: `count`, `text` (input field)."""
    return build(LeadSummary, options)
