"""What a run says while it goes: lines, events, the live table; and on what it waits."""

from __future__ import annotations

import io
import json
from dataclasses import asdict

import pytest
from rich.console import Console
from rich.live import Live

from evalkit.app.watching import Estimate, Silent
from evalkit.cli import progress
from evalkit.cli.progress import Json, Plain, Rich, cells, describe, table, watcher
from evalkit.engine.limits import Lane, LaneLimits
from evalkit.engine.work import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    ticking = Clock()
    monkeypatch.setattr(progress.time, "monotonic", ticking)
    return ticking


def entry(**values) -> Progress:
    made = Progress("cand\x1b[2J", "suite", 100, known=10)
    for name, value in values.items():
        setattr(made, name, value)
    return made


NEEDS = Estimate(5, 1, 10.0, 20.0, 3.5, "prompt length / 4")


def test_cells_count_and_estimate():
    going = entry(done=30, errors=2, tokens=1234.0, usd=0.5, unpriced=1)
    assert cells(going, 10.0) == (
        "suite x cand\x1b[2J", "40/100 (10 known)", "2 errors", "1,234 tok", "$0.5000 + unknown", "3.0/s", "20 s", "", "",
    )  # fmt: skip
    assert cells(entry(), 0.0)[5:7] == ("0.0/s", "")
    assert cells(entry(stopped="auth: wrong key"), 10.0)[-1] == "stopped: auth: wrong key"
    lane = Lane("local", LaneLimits(concurrency=4, start=2), lambda: 0.0)
    assert cells(entry(lane=lane), 1.0)[7] == f"0/{lane.allowed}"
    assert cells(entry(lane=lane, done=90), 1.0)[7] == ""


def test_lines_come_every_few_seconds(clock, capsys):
    plain = Plain(agrees=False)
    plain.progress([entry()])
    assert capsys.readouterr().err == ""
    clock.now = 6.0
    plain.progress([entry(done=12), entry(stopped="no\x1bkey")])
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("suite x cand\\x1b[2J  22/100 (10 known)  0  0 tok")
    assert said[1].endswith("stopped: no\\x1bkey")
    plain.progress([entry()])
    assert capsys.readouterr().err == ""


def test_quiet_says_only_what_must_be_known(clock, capsys):
    quiet = Plain(agrees=True, quiet=True)
    quiet.event("planned", run="r", resumed=False, entries=1, open=2)
    quiet.event("warning", message="mind \x07 this")
    quiet.event("finished")
    clock.now = 100.0
    quiet.progress([entry()])
    assert capsys.readouterr().err == "warning: mind \\x07 this\n"
    assert quiet.confirm(NEEDS)


def test_events_in_words():
    assert (
        describe("planned", {"run": "r1", "resumed": True, "entries": 2, "open": 3})
        == "resuming r1: 2 entries, 3 calls to make"
    )
    assert describe("skipped", {"suite": "s", "candidate": "c", "reason": "no key"}) == "skipped: s x c: no key"
    assert describe("gates", {"count": 2, "suite": "s"}) == "gates: 2 in s; `evalkit gate` judges them"
    assert "again to stop at once" in describe("interrupted", {"draining": True})
    assert describe("interrupted", {"draining": False}) == "stopping"
    assert describe("stored", {}) is None
    assert describe("estimate", {"estimate": NEEDS}) == (
        "estimate: 5 calls, about 10 + 20 tokens, $3.5000; 1 answers are known"
    )
    unknown = Estimate(5, 0, 0.0, 0.0, None, "", ("b", "a", "a"))
    assert describe("estimate", {"estimate": unknown}) == (
        "estimate: 5 calls, unknown cost (no price for a, b); 0 answers are known"
    )


def test_events_as_json(clock, capsys):
    told = Json(agrees=False)
    told.event("estimate", estimate=NEEDS)
    told.progress([entry()])
    clock.now = 10.0
    told.progress([entry(done=5, errors=1, stopped="budget")])
    lines = capsys.readouterr().out.splitlines()
    assert "\x1b" not in "".join(lines)
    assert json.loads(lines[0]) == {"event": "estimate", "estimate": {**asdict(NEEDS), "unpriced": []}}
    assert json.loads(lines[1]) == {
        "event": "progress", "suite": "suite", "candidate": "cand\x1b[2J", "planned": 100, "known": 10, "done": 5,
        "errors": 1, "tokens": 0.0, "usd": 0.0, "waiting_on": "stopped: budget",
    }  # fmt: skip


def test_the_live_table(clock, monkeypatch):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160, height=20)
    with Live(console=console, auto_refresh=False) as live:
        rich = Rich(live, agrees=False)
        rich.event("warning", message="[red]mind\x1b[2J")
        rich.event("finished")
        clock.now = 4.0
        rich.progress([entry(done=8)])
        live.refresh()
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        assert not rich.confirm(NEEDS)
    shown = out.getvalue()
    assert "[red]mind\\x1b[2J" in shown
    assert "suite x cand\\x1b[2J" in shown
    assert "2.0/s" in shown
    assert table([entry()], 1.0).row_count == 1


def test_who_watches(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    with watcher(agrees=False, quiet=False, as_json=True) as watch:
        assert type(watch) is Json
    with watcher(agrees=False, quiet=True, as_json=False) as watch:
        assert type(watch) is Plain
    monkeypatch.setattr("sys.stderr", Terminal())
    with watcher(agrees=False, quiet=False, as_json=False) as watch:
        assert type(watch) is Rich


def test_silence_keeps_the_events():
    silent = Silent()
    silent.event("planned", run="r")
    silent.progress([entry()])
    assert silent.events == [("planned", {"run": "r"})]
    assert not silent.confirm(NEEDS)
