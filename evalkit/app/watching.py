"""What a run tells whoever watches: events with plain values, drawn by the command line or kept by a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evalkit.engine.work import Progress


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will need: calls, tokens, and money (None = a price is unknown); `assumed` says on what it rests.

    `least_usd` is the money of the models whose price is known.
    """

    calls: int
    known: int
    input_tokens: float
    output_tokens: float
    usd: float | None
    assumed: str
    unpriced: tuple[str, ...] = ()
    least_usd: float = 0.0


class Watch(Protocol):
    """Told about a run as it goes; `confirm` is asked before money is spent."""

    def event(self, kind: str, **values: Any) -> None:
        """Something happened: planned, estimate, skipped, warning, stored, finished."""

    def confirm(self, estimate: Estimate) -> bool:
        """Whether to go on with a run above the confirmation threshold."""

    def progress(self, entries: Sequence[Progress]) -> None:
        """The live counts, several times a second."""


@dataclass
class Silent:
    """Watches in silence and keeps the events; agrees to no cost."""

    agrees: bool = False
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def event(self, kind: str, **values: Any) -> None:
        """Keep the event."""
        self.events.append((kind, values))

    def confirm(self, estimate: Estimate) -> bool:  # noqa: ARG002 - it has one answer
        """The answer it was made with."""
        return self.agrees

    def progress(self, entries: Sequence[Progress]) -> None:
        """Nothing is shown."""
