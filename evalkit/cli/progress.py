"""Progress of a run: a live table on a terminal, plain lines elsewhere, JSON events for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from evalkit.cli.output import as_json_text, inert

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from evalkit.app.watching import Estimate, Watch
    from evalkit.engine.work import Progress

PLAIN_EVERY_S = 5.0


class Plain:
    """Lines on stderr: what happens, and a line per candidate every few seconds."""

    def __init__(self, *, agrees: bool, quiet: bool = False) -> None:
        self._agrees, self._quiet = agrees, quiet
        self._begun = self._said = time.monotonic()

    def event(self, kind: str, **values: Any) -> None:
        """Say what a person must know; with --quiet only warnings and skips."""
        text = describe(kind, values)
        if text and (not self._quiet or kind in ("warning", "skipped", "interrupted")):
            self._line(text)

    def confirm(self, estimate: Estimate) -> bool:
        """`--yes`, or the person's answer where there is one to ask."""
        if self._agrees:
            return True
        if not sys.stdin.isatty():
            return False
        more = " and what has no price" if estimate.unpriced else ""
        return typer.confirm(f"estimated cost ${estimate.least_usd:.2f}{more}; go on?", err=True)

    def progress(self, entries: Sequence[Progress]) -> None:
        """A line per candidate, at most every few seconds."""
        now = time.monotonic()
        if self._quiet or now - self._said < PLAIN_EVERY_S:
            return
        self._said = now
        for entry in entries:
            self._line("  ".join(part for part in cells(entry, now - self._begun) if part))

    def _line(self, text: str) -> None:
        typer.echo(inert(text), err=True)


class Json(Plain):
    """One JSON object per event and per progress report, on stdout."""

    def event(self, kind: str, **values: Any) -> None:
        """Print the event."""
        plain = {
            name: asdict(value) if hasattr(value, "__dataclass_fields__") else value for name, value in values.items()
        }
        typer.echo(as_json_text({"event": kind, **plain}))

    def progress(self, entries: Sequence[Progress]) -> None:
        """Print the counts, at most every few seconds."""
        now = time.monotonic()
        if now - self._said < PLAIN_EVERY_S:
            return
        self._said = now
        for entry in entries:
            counts = {
                name: getattr(entry, name) for name in ("suite", "candidate", "planned", "known", "done", "errors")
            }
            self.event("progress", **counts, tokens=entry.tokens, usd=entry.usd, waiting_on=waiting(entry))


class Rich(Plain):
    """A table on stderr that is drawn anew several times a second."""

    def __init__(self, live: Live, *, agrees: bool) -> None:
        super().__init__(agrees=agrees)
        self._live = live

    def event(self, kind: str, **values: Any) -> None:
        """Print above the table."""
        text = describe(kind, values)
        if text:
            self._live.console.print(inert(text), markup=False, highlight=False)

    def confirm(self, estimate: Estimate) -> bool:
        """Ask with the table out of the way."""
        self._live.stop()
        agreed = super().confirm(estimate)
        self._live.start()
        return agreed

    def progress(self, entries: Sequence[Progress]) -> None:
        """Draw the table."""
        self._live.update(table(entries, time.monotonic() - self._begun))


HEADINGS = ("suite x candidate", "done", "errors", "tokens", "usd", "rate", "eta", "in flight", "waiting on")


def table(entries: Sequence[Progress], seconds: float) -> Table:
    """The live table: one row per candidate of each suite."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        drawn.add_column(heading)
    for entry in entries:
        drawn.add_row(*(Text(inert(cell)) for cell in cells(entry, seconds)))
    return drawn


def cells(entry: Progress, seconds: float) -> tuple[str, ...]:
    """One progress row in words; `seconds` since the run began."""
    left = entry.planned - entry.known - entry.done
    rate = entry.done / seconds if seconds > 0 else 0.0
    eta = f"{left / rate:.0f} s" if rate and left and not entry.stopped else ""
    usd = f"${entry.usd:.4f}" + (" + unknown" if entry.unpriced else "")
    lane = entry.lane
    flight = f"{lane.in_flight}/{lane.allowed}" if lane is not None and left else ""
    known = f" ({entry.known} known)" if entry.known else ""
    return (
        f"{entry.suite} x {entry.candidate}",
        f"{entry.done + entry.known}/{entry.planned}{known}",
        f"{entry.errors} errors" if entry.errors else "0",
        f"{entry.tokens:,.0f} tok",
        usd,
        f"{rate:.1f}/s",
        eta,
        flight,
        waiting(entry) or "",
    )


def waiting(entry: Progress) -> str | None:
    """What an entry waits on, or why it stopped."""
    if entry.stopped:
        return f"stopped: {entry.stopped}"
    return entry.lane.waiting_on if entry.lane is not None else None


def describe(kind: str, values: dict[str, Any]) -> str | None:
    """An event in words; None for what needs no words."""
    say = _WORDS.get(kind)
    return None if say is None else say(values)


def _interrupted(values: dict[str, Any]) -> str:
    return "interrupted: waiting for calls in flight; again to stop at once" if values["draining"] else "stopping"


def _estimate(needs: Estimate) -> str:
    if not needs.calls:
        return f"nothing to ask: {needs.known} answers are known"
    money = "unknown cost" if needs.usd is None else f"${needs.usd:.4f}"
    unpriced = f" (no price for {', '.join(sorted(set(needs.unpriced)))})" if needs.unpriced else ""
    tokens = f"about {needs.input_tokens:,.0f} + {needs.output_tokens:,.0f} tokens, " if needs.input_tokens else ""
    return f"estimate: {needs.calls} calls, {tokens}{money}{unpriced}; {needs.known} answers are known"


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "planned": lambda v: (
        f"{'resuming' if v['resumed'] else 'run'} {v['run']}: {v['entries']} entries, {v['open']} calls to make"
    ),
    "estimate": lambda v: _estimate(v["estimate"]),
    "skipped": lambda v: f"skipped: {v['suite']} x {v['candidate']}: {v['reason']}",
    "warning": lambda v: f"warning: {v['message']}",
    "gates": lambda v: f"gates: {v['count']} in {v['suite']}; `evalkit gate` judges them",
    "look": lambda v: (
        f"look {v['place']} of {v['of']}: {v['samples']} samples of {v['suite']} x {v['candidate']}: "
        f"{', '.join(v['outcomes'])}"
    ),
    "interrupted": _interrupted,
}


@contextmanager
def watcher(*, agrees: bool, quiet: bool, as_json: bool) -> Iterator[Watch]:
    """Who watches a run: a live table on a terminal, else plain lines or JSON."""
    if as_json:
        yield Json(agrees=agrees)
    elif quiet or not sys.stderr.isatty():
        yield Plain(agrees=agrees, quiet=quiet)
    else:
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), refresh_per_second=8, transient=True) as live:
            yield Rich(live, agrees=agrees)
