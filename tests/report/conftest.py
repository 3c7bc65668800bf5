"""A realistic site: two suites, five candidates and more, slices, failing samples, hostile text."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from evalkit.report.model import (
    Cell,
    Column,
    Counts,
    EntryLine,
    Evidence,
    FailRow,
    LeaderRow,
    Note,
    Prompt,
    PromptDiff,
    Ranking,
    RunPage,
    ScoreLine,
    Site,
    SliceRow,
    SuitePage,
    TraceStep,
)

HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\x1b[31mred\x1b[0m nul\x00 "
    "\u202egnp.exe\u202c </style><style>body{display:none}</style> data:text/html,<script>hacked=1</script> {{ 7*7 }}"
)
RUN = "20261122-1405-k3f9"


def proportion(p: float, n: int, dropped: float | None = None) -> Cell:
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    low, high = max(0.0, p - half), min(1.0, p + half)
    return Cell(p, low, high, dropped, "wilson", n, n, "9f31ab02cc77de10")


def row(
    name: str, p: float, usd: float | None, p50: float, *, errored: int = 0, rank: tuple[int, int] | None = None
) -> LeaderRow:
    metrics = {
        "accuracy": proportion(p, 150, None if not errored else p * 150 / (150 - errored)),
        "field_f1": Cell(p + 0.04, p - 0.01, min(1, p + 0.085), None, "bootstrap-bca (B=2000)", 150, 150, "77aa01"),
        "latency p50": Cell(p50, p50 * 0.93, p50 * 1.08, None, "bootstrap-percentile (B=2000)", 150, 150, "12bb"),
    }
    counts = Counts(150, 150 - errored, errored, 2, 148 - errored, 20)
    return LeaderRow(
        name, "ab12cd34ef", RUN, "complete", "", counts, metrics,
        None if usd is None else usd * 0.15, usd, p50, p50 * 2.4, 20 / 150, rank, None if rank is None else 0.9 * p + 0.07,
    )  # fmt: skip


def triage() -> SuitePage:
    rows = (
        row("claude-haiku · v2 prompt", 0.8733, 1.24, 0.82, errored=3, rank=(1, 3)),
        row("gpt-mini", 0.82, 0.41, 0.64, rank=(1, 3)),
        row("cascade: tfidf → claude-haiku", 0.8467, 0.52, 0.31, rank=(1, 3)),
        row("smollm2-135m (local)", 0.4133, None, 1.92, rank=(5, 5)),
        row("tfidf + logistic regression", 0.6933, 0.0, 0.002, rank=(4, 4)),
        LeaderRow(
            "gemma-local", "01", RUN, "incomplete", "", Counts(150, 61, 0, 0, 61, 0), {"accuracy": proportion(0.7, 61)}
        ),
        LeaderRow("mistral-large", "02", RUN, "skipped", "no key: set MISTRAL_API_KEY in .env"),
    )
    names = [r.candidate for r in rows[:5]]
    slices = tuple(
        SliceRow(
            label,
            {
                n: proportion(max(0.05, r.metrics["accuracy"].value - drop), size)
                for n, r in zip(names, rows, strict=False)
            },
        )
        for label, drop, size in (("lang:en", -0.03, 90), ("lang:de", 0.06, 38), ("priority:urgent", 0.17, 22))
    )
    before = "You are a support agent.\nRead the ticket.\n\nAnswer with the queue.\n\nTicket:\n{{ ticket }}\n"
    after = 'You are a support agent.\nRead the ticket.\n\nAnswer with JSON: {"queue": ..., "urgent": true|false}.\nUse only the queues listed.\n\nTicket:\n{{ ticket }}\n'
    return SuitePage(
        name="ticket-triage", family="generalist",
        columns=(Column("accuracy", "%", primary=True), Column("field_f1"), Column("latency p50", "s", higher_is_better=False)),
        rows=rows, description="Route a support ticket to its queue and say whether it is urgent. 150 written tickets in two languages.",
        samples=150, data_hash="c0ffee1234567890aa", repeats=1,
        card={"Source": "written for this project", "Licence": "CC0-1.0", "Limits": "English and German only; one support desk's queues."},
        slices=slices,
        prompts=(Prompt("triage", "system", "aa11bb22cc", ("claude-haiku · v2 prompt", "gpt-mini"), after),),
        diffs=(PromptDiff("triage", "v1 (aa03…)", "v2 (aa11…)", before, after),),
        notes=(Note("2 samples have the same content under different ids (t-041, t-112)."), Note("gates: not judged", "info")),
        sql="select candidate, value, low, high, n\nfrom leaderboard\nwhere suite = 'ticket-triage' and metric = 'accuracy' and slice = '';",
        evidence=evidence(*fails(2)),
        ranking=Ranking(5, (("gemma-local", "incomplete: budget"), ("mistral-large", "skipped: no key"))),
    )  # fmt: skip


def iris() -> SuitePage:
    def cells(v: float, half: float) -> dict[str, Cell]:
        return {"rmse": Cell(v, v - half, v + half, None, "bootstrap-bca (B=2000)", 442, 442, "aa")}

    counts = Counts(442, 442, 0, 0, 442, 0)
    rows = tuple(
        LeaderRow(name, "77aa", RUN, "complete", "", counts, cells(v, h), 0.0, 0.0, 0.0004, 0.0011, 0.0)
        for name, v, h in (("linear", 54.6, 2.9), ("forest", 57.9, 3.2), ("boosting", 59.7, 3.4), ("mean", 77.0, 3.1))
    )
    once = LeaderRow(
        "one series",
        "77ab",
        RUN,
        "complete",
        "",
        Counts(1, 1, 0, 0, 1, 0),
        {"rmse": Cell(61.2, n=1, groups=1, method="bootstrap", signature="aa")},
        0.0,
        0.0,
    )
    return SuitePage(
        "diabetes",
        "tabular",
        (Column("rmse", "", higher_is_better=False, primary=True),),
        (*rows, once),
        "Disease progression after one year, 5-fold.",
        442,
        "feed",
    )


def fails(count: int) -> list[FailRow]:
    found = [
        FailRow(
            sample_id="t-017", tags=("lang:de", "priority:urgent"),
            input={"ticket": "Seit heute früh kommt niemand mehr ins Lager-System. Wir stehen.", "channel": "mail"},
            messages=(("system", "You are a support agent…"), ("user", "Ticket:\nSeit heute früh kommt niemand mehr ins Lager-System.")),
            output='{"queue": "billing", "urgent": false}', reasoning="The user mentions a warehouse…\nso maybe billing?",
            target={"queue": "access", "urgent": True},
            scores=(ScoreLine("accuracy", "scored", 0.0, 0.0, "billing", "expected 'access', got 'billing'"), ScoreLine("field_f1", "scored", 0.0, 0.0, None, None, (("queue", 0.0), ("urgent", 0.0)))),
            finish="stop", seconds=0.91, usd=0.0011, usage={"input_tokens": 412, "output_tokens": 18},
            trace=(TraceStep("tfidf", "tfidf", "aa00bb11", 0.002, cached=False, output="billing (0.41)"), TraceStep("fallback", "claude-haiku", "cc22", 0.9, cached=True)),
        ),
        FailRow(sample_id="t-044", repeat=1, input="How do I reset my token?", error_kind="timeout", error_message="no answer within 60 s (3 attempts)", scores=(ScoreLine("accuracy", "errored", None, 0.0),), seconds=60.0),
        FailRow(sample_id=HOSTILE, tags=(HOSTILE,), input={HOSTILE: HOSTILE}, messages=((HOSTILE, HOSTILE),), output=HOSTILE, reasoning=HOSTILE, target=HOSTILE, error_kind=HOSTILE, error_message=HOSTILE,
                scores=(ScoreLine(HOSTILE, "unscorable", None, None, HOSTILE, HOSTILE, ((HOSTILE, None),)),), finish=HOSTILE, usage={HOSTILE: 1}, trace=(TraceStep(HOSTILE, HOSTILE, HOSTILE, None, output=HOSTILE),)),
        FailRow(sample_id="t-big", output="x" * 1_000_000),
    ]  # fmt: skip
    found += [
        FailRow(
            f"t-{i:03d}",
            output="billing",
            target="access",
            scores=(ScoreLine("accuracy", "scored", 0.0),),
            seconds=0.5,
            usd=0.001,
        )
        for i in range(100, 100 + count - len(found))
    ]
    return found


def wav() -> bytes:
    """A tenth of a second of silence."""
    data = bytes(1600)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    return head + struct.pack("<4sI", b"data", len(data)) + data


def png() -> bytes:
    """A small grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 640, 20, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\x80" * 640) * 20)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


MEDIA = {"a" * 64: png(), "b" * 64: wav()}
PICTURE, SOUND = {"$blob": "a" * 64, "type": "image/png"}, {"$blob": "b" * 64, "type": "audio/wav"}


def evidence(*rows: FailRow) -> tuple[Evidence, ...]:
    """Two samples: one with a picture and a recording, one with whatever text is given."""
    shown = FailRow("t-500", output={"drawn": PICTURE}, scores=(ScoreLine("accuracy", "scored", 1.0, blob=PICTURE),))
    first = Evidence(
        "t-500",
        "candidates differ most",
        ("lang:de",),
        {"image": PICTURE, "audio": SOUND},
        "a box",
        (("gpt-mini", shown),),
    )
    return (
        first,
        *(
            Evidence(row.sample_id, "hard for all", row.tags, row.input, row.target, ((row.sample_id, row),))
            for row in rows
        ),
    )


def hostile_suite() -> SuitePage:
    counts = Counts(3, 3, 0, 0, 3, 0)
    hostile = LeaderRow(
        HOSTILE,
        HOSTILE,
        HOSTILE,
        "complete",
        HOSTILE,
        counts,
        {HOSTILE: Cell(0.5, 0.2, 0.8, None, HOSTILE, 3, 3, HOSTILE)},
        1.0,
        1.0,
    )
    return SuitePage(HOSTILE, HOSTILE, (Column(HOSTILE, "", primary=True),), (hostile, LeaderRow("b" + HOSTILE, status="skipped", reason=HOSTILE)), HOSTILE, 3, HOSTILE,
                     card={HOSTILE: HOSTILE}, slices=(SliceRow(HOSTILE, {HOSTILE: Cell(0.4)}),), prompts=(Prompt(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), HOSTILE),),
                     diffs=(PromptDiff(HOSTILE, HOSTILE, HOSTILE, HOSTILE, "new"),), notes=(Note(HOSTILE),), sql=HOSTILE, evidence=evidence(fails(4)[2]), ranking=Ranking(1, ((HOSTILE, HOSTILE),), HOSTILE))  # fmt: skip


def make_site(*, hostile: bool = True) -> Site:
    entries = (
        EntryLine(
            "ticket-triage",
            "claude-haiku · v2 prompt",
            "ab12cd34ef",
            "complete",
            "",
            Counts(150, 147, 3, 2, 145, 20),
            0.186,
            fails(30),
            30,
        ),
        EntryLine(
            "ticket-triage",
            "gpt-mini",
            "bb",
            "complete",
            "",
            Counts(150, 150, 0, 2, 148, 20),
            0.0615,
            fails(120)[4:],
            2_345,
        ),
        EntryLine("ticket-triage", "mistral-large", "02", "skipped", "no key: set MISTRAL_API_KEY in .env"),
        EntryLine("diabetes", "linear", "77aa", "complete", "", Counts(442, 442, 0, 0, 442, 0), 0.0),
    )
    run = RunPage(RUN, "evalkit run suites/tickets.yaml -c haiku -c openai/gpt-mini", "complete", "2026-11-22 14:05 UTC", "2026-11-22 14:09 UTC", "3f2c1ab (main)",
                  {"evalkit": "0.1.0", "python": "3.11.7", "numpy": "2.4.6"}, entries, (Note("mistral-large skipped: no key"),))  # fmt: skip
    bad = RunPage(
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        {HOSTILE: HOSTILE},
        (EntryLine(HOSTILE, HOSTILE, HOSTILE, "complete", HOSTILE, failing=fails(4), failing_total=4),),
        (Note(HOSTILE),),
    )
    suites = (triage(), iris(), *((hostile_suite(),) if hostile else ()))
    return Site(
        "evalkit report", "2026-11-22 14:10 UTC", "0.1.0", suites, (run, *((bad,) if hostile else ())), MEDIA.get
    )


@pytest.fixture
def site() -> Site:
    return make_site()


@pytest.fixture
def calm_site() -> Site:
    return make_site(hostile=False)


@pytest.fixture(scope="session")
def hostile_text() -> str:
    return HOSTILE


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()
