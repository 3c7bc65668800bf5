"""What is measured, how much of it, and what it may cost; every group starts from fresh folders."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from evalkit.providers.mock_server import Settings, running

from . import projects
from .measure import EVALKIT, BenchmarkFailed, Measured, control, cpu_of, evalkit, least, measured
from .results import Result, at_least, at_most

# Ratios to the bare loop. They say on any machine what the targets say on the machine of docs/performance.md.
HELP_RATIO = 25.0
IMPORT_RATIO = 8.0
RECORD_RATIO = 130.0
HTTP_RATIO = 3.3
MOCK_RATIO = 0.67


@dataclass
class Bench:
    """Where and how thoroughly to measure. `quick` shrinks every size: it shows that all works, not how fast."""

    folder: Path
    quick: bool = False
    repeats: int = 3
    _folders: Iterator[int] = field(default_factory=count)

    def sized(self, samples: int) -> int:
        """How many samples to take where a full run takes `samples`."""
        return max(20, samples // 1000) if self.quick else samples

    def fresh(self) -> Path:
        """A folder that does not exist yet."""
        return self.folder / f"p{next(self._folders)}"

    def least(self, measure: Callable[[], Measured], times: int | None = None) -> Measured:
        """The least of several measurements; one is enough in quick runs."""
        return least(1 if self.quick else times or self.repeats, measure)


@dataclass(frozen=True, slots=True)
class Group:
    """Benchmarks that are measured together: the names that `run` gives, in order."""

    names: tuple[str, ...]
    run: Callable[[Bench], Iterator[Result]]


def start_up(bench: Bench) -> Iterator[Result]:
    """Interpreter against interpreter: `python -c pass` is the control."""
    bare = bench.least(lambda: measured((sys.executable, "-c", "pass"), bench.folder), 9).cpu
    shown = bench.least(lambda: evalkit("--help", cwd=bench.folder), 9).cpu
    yield at_most("help_cpu", shown, "s", HELP_RATIO * bare, control=bare, target=0.3)
    imported = bench.least(lambda: measured((sys.executable, "-c", "import evalkit"), bench.folder), 9).cpu
    yield at_most("import_cpu", imported, "s", IMPORT_RATIO * bare, control=bare, target=0.1)


def in_process(bench: Bench) -> Iterator[Result]:
    """20,000 trivial samples through a Python function, every record stored; start-up and leaderboard included."""
    samples = bench.sized(20_000)
    run = bench.least(lambda: evalkit("run", "bench.yaml", "-q", cwd=projects.local(bench.fresh(), samples)))
    bare = bench.least(lambda: control("loop", "samples.jsonl", "o", cwd=projects.local(bench.fresh(), samples)))
    speed, bare_speed = samples / run.cpu, samples / bare.cpu
    yield at_least(
        "in_process_cpu", speed, "samples/CPU s", bare_speed / RECORD_RATIO, control=bare_speed, target=1000.0
    )


def at_scale(bench: Bench) -> Iterator[Result]:
    """Ask, score, store and report 100,000 samples; memory must not grow from 50,000 on."""

    def end_to_end(samples: int) -> tuple[float, float]:
        folder = projects.local(bench.fresh(), samples)
        run, report = evalkit("run", "bench.yaml", "-q", cwd=folder), evalkit("report", cwd=folder)
        return run.wall + report.wall, max(run.rss_mb, report.rss_mb)

    _, half = end_to_end(bench.sized(50_000))
    wall, whole = end_to_end(bench.sized(100_000))
    yield at_most("scale_100k_wall", wall, "s", 120.0, target=120.0)
    yield at_most("scale_100k_rss", whole, "MiB", 500.0, target=500.0)
    yield at_most("scale_rss_growth", whole / half, "x", 1.1, target=1.1)


def http_small(bench: Bench) -> Iterator[Result]:
    """Job 1: 2,000 samples at 50 ms and 64 at once. Ideal: all waiting and no work."""
    samples, latency_ms, concurrency = bench.sized(2_000), 50.0, 64
    ideal = samples / concurrency * latency_ms / 1000
    with running(Settings(latency_ms=latency_ms)) as server:

        def asked(*more: str) -> Measured:
            folder = projects.remote(bench.fresh(), samples, url=server.url, concurrency=concurrency)
            return evalkit("run", "bench.yaml", "-q", *more, cwd=folder)

        bare = bench.least(lambda: _bare(bench, server.url, samples, concurrency)).wall
        one = bench.least(lambda: asked("--limit", "1")).wall
        yield at_most(
            "http_job1_wall", bench.least(lambda: asked("--workers", "1")).wall, "s", 1.5 * ideal + one, control=bare
        )


def http_large(bench: Bench) -> Iterator[Result]:
    """Job 2: 20,000 samples at 20 ms and 256 at once, journal, scoring and store included; then with two workers."""
    samples, concurrency = bench.sized(20_000), 256
    with running(Settings(latency_ms=20.0)) as server:

        def asked(*more: str) -> Measured:
            folder = projects.remote(bench.fresh(), samples, url=server.url, concurrency=concurrency)
            return evalkit("run", "bench.yaml", "-q", *more, cwd=folder)

        bare = bench.least(lambda: _bare(bench, server.url, samples, concurrency))
        one = bench.least(lambda: asked("--workers", "1"))
        two = bench.least(lambda: asked("--workers", "2"))
    each, bare_each = one.cpu / samples * 1000, bare.cpu / samples * 1000
    yield at_most("http_job2_cpu", each, "ms/sample", HTTP_RATIO * bare_each, control=bare_each, target=0.5)
    yield at_most("http_job2_wall", one.wall, "s", 12.0, target=12.0)
    yield at_most("http_job2_workers_wall", two.wall, "s", one.wall, control=one.wall)


def mock_server(bench: Bench) -> Iterator[Result]:
    """CPU of the mock server per request without latency; the control is the bare client's own."""
    samples = bench.sized(20_000)
    with running() as server:

        def asked() -> tuple[float, float]:
            before = cpu_of(server.pid)
            client = _bare(bench, server.url, samples, 64)
            return (cpu_of(server.pid) - before) / samples * 1000, client.cpu / samples * 1000

        found = [asked() for _ in range(1 if bench.quick else bench.repeats)]
    served, client = min(one for one, _ in found), min(one for _, one in found)
    yield at_most("mock_server_cpu", served, "ms/request", MOCK_RATIO * client, control=client, target=0.1)


def known_rerun(bench: Bench) -> Iterator[Result]:
    """The same 20,000 cells again: nothing is asked, the leaderboard is printed; then the report is drawn."""
    folder = projects.local(bench.fresh(), bench.sized(20_000))
    evalkit("run", "bench.yaml", "-q", cwd=folder)
    again = bench.least(lambda: evalkit("run", "bench.yaml", "-q", cwd=folder))
    yield at_most("known_rerun_wall", again.wall, "s", 2.0, target=2.0)
    report = bench.least(lambda: evalkit("report", cwd=folder))
    yield at_most("known_report_wall", report.wall, "s", 3.0, target=3.0)


def bytes_written(bench: Bench) -> Iterator[Result]:
    """What 20,000 answers of 400 characters cost in writing, against what is kept after the run's own compaction."""
    folder = projects.local(bench.fresh(), bench.sized(20_000), answers=projects.PROSE, scorers="length")
    run = evalkit("run", "bench.yaml", "-q", cwd=folder)
    kept = sum(file.stat().st_size for file in (folder / ".evalkit").rglob("*") if file.is_file())
    yield at_most("bytes_written", run.written / kept, "x kept bytes", 3.0, target=3.0)


def read_during_run(bench: Bench) -> Iterator[Result]:
    """How long `evalkit sql` takes while another process runs: the median of what was asked before the run ended."""
    folder = projects.local(bench.fresh(), bench.sized(100_000))
    taken: list[float] = []
    with subprocess.Popen((*EVALKIT, "run", "bench.yaml", "-q"), cwd=folder, stdout=subprocess.DEVNULL) as run:
        while run.poll() is None and not (folder / ".evalkit" / "store.duckdb").exists():
            time.sleep(0.01)
        while run.poll() is None or not taken:
            taken.append(evalkit("sql", "select count(*) as n from calls", "--json", cwd=folder).wall)
    if run.returncode:
        raise BenchmarkFailed(f"the run that was read from ended with {run.returncode}")
    yield at_most("read_during_run", sorted(taken)[len(taken) // 2], "s", 5.0, target=5.0)


def _bare(bench: Bench, url: str, samples: int, concurrency: int) -> Measured:
    folder = projects.remote(bench.fresh(), samples, url=url, concurrency=concurrency)
    return control("http", url, "samples.jsonl", str(concurrency), cwd=folder)


GROUPS = (
    Group(("help_cpu", "import_cpu"), start_up),
    Group(("in_process_cpu",), in_process),
    Group(("scale_100k_wall", "scale_100k_rss", "scale_rss_growth"), at_scale),
    Group(("http_job1_wall",), http_small),
    Group(("http_job2_cpu", "http_job2_wall", "http_job2_workers_wall"), http_large),
    Group(("mock_server_cpu",), mock_server),
    Group(("known_rerun_wall", "known_report_wall"), known_rerun),
    Group(("bytes_written",), bytes_written),
    Group(("read_during_run",), read_during_run),
)
