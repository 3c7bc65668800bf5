"""A small project in a folder, the command line over it, and the mock server that its candidates ask."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evalkit.app.query import query
from evalkit.app.workspace import open_workspace
from evalkit.cli.main import main

HERE = Path(__file__).parent
LONGEST_S = 120
TWO = ("sure-p90", "weak-p60")
_KEPT = ("PATH", "EVALKIT_CACHE", "LANG", "TMPDIR")


def environment(*, measured: bool = True, **more: str) -> dict[str, str]:
    """A clean environment: no keys, no proxies; `measured` hands coverage on, which a killed process cannot write."""
    names = [name for name in os.environ if name in _KEPT or (measured and name.startswith("COVERAGE_"))]
    return {**{name: os.environ[name] for name in names}, "HOME": "/nonexistent", **more}


def sums(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Samples whose answers the mock server knows: every text is different."""
    return [
        {
            "id": f"s{i:04d}",
            "text": f"Ticket {i}. How much is {i} + {(i * 37) % 101}?",
            "target": str(i + (i * 37) % 101),
        }
        for i in range(first, first + count)
    ]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """The rows that `--json` printed last."""
        found: list[dict[str, Any]] = json.loads(self.out.strip().splitlines()[-1])
        return found

    def expect(self, code: int) -> Done:
        """Itself, when the exit code is this one."""
        assert self.code == code, f"exit {self.code}, not {code}\n--- out\n{self.out}\n--- err\n{self.err}"
        return self


@dataclass
class World:
    """A project with one suite of sums; `url` is the server that its provider `mocked` asks."""

    root: Path
    url: str
    models: Sequence[str] = TWO
    settings: dict[str, Any] = field(default_factory=dict)
    suite: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def build(cls, root: Path, url: str, count: int = 40, **more: Any) -> World:
        """Write the project; `project` and `suite` in `more` are laid over evalkit.yaml and the suite."""
        world = cls(root, url, more.pop("models", TWO))
        world.settings = {
            "candidates": {name: {"provider": "mocked", "model": name} for name in world.models},
            "providers": {"mocked": {"provider": "openai", "base_url": f"{url}/v1", "endpoint": "mock"}},
            **more.pop("project", {}),
        }
        world.suite = {
            "name": "sums",
            "family": "generalist",
            "dataset": {"path": "sums.jsonl", "fields": {"id": "id", "input": {"text": "text"}, "target": "target"}},
            "task": {"prompt": "{{ text }}"},
            "scorers": ["numeric", "length"],
            "candidates": list(world.models),
            **more.pop("suite", {}),
        }
        assert not more, more
        world.samples(sums(count))
        world.write()
        return world

    def write(self, *, suite: Mapping[str, Any] | None = None, **settings: Any) -> World:
        """Write evalkit.yaml and the suite again, with changes on the first level."""
        self.settings.update(settings)
        self.suite.update(suite or {})
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "evalkit.yaml").write_text(yaml.safe_dump(self.settings, sort_keys=False), "utf-8")
        (self.root / f"{self.suite['name']}.yaml").write_text(yaml.safe_dump(self.suite, sort_keys=False), "utf-8")
        return self

    def samples(self, rows: Iterable[Mapping[str, Any]], file: str = "sums.jsonl") -> None:
        """Write a dataset."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    @property
    def store(self) -> Path:
        """The store's folder."""
        return self.root / ".evalkit"

    def start(self, *arguments: str, driver: Path | None = None, measured: bool = True, **how: Any) -> Started:
        """Begin a command in a process of its own; `driver` is a program that runs the command line in its own way."""
        program = [str(driver)] if driver else ["-m", "evalkit"]
        said = Path(tempfile.mkdtemp(dir=self.root.parent, prefix="said-"))
        with (said / "out").open("w") as out, (said / "err").open("w") as err:
            child = subprocess.Popen(
                [sys.executable, *program, *arguments],
                cwd=self.root,
                env=environment(measured=measured, **self.environ, **how.pop("env", {})),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                **how,
            )
        return Started(child, said)

    def cli(self, *arguments: str, **how: Any) -> Done:
        """Run a command in a process of its own to its end."""
        return self.start(*arguments, **how).done()

    def quick(self, verb: str, *arguments: str) -> Done:
        """Run a command in this process: no second of start-up, the same code from the command line down."""
        here = () if verb == "run" else ("--project", str(self.root))
        placed = [str(self.root / a) if a.endswith((".yaml", "/")) else a for a in arguments]
        out, err = io.StringIO(), io.StringIO()
        kept = dict(os.environ)
        os.environ.update(self.environ)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main([verb, *placed, *here])
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os.environ.clear()
            os.environ.update(kept)
        return Done(code, out.getvalue(), err.getvalue())

    def run(self, *arguments: str) -> Done:
        """`evalkit run` of the suite, quiet, in this process."""
        return self.quick("run", f"{self.suite['name']}.yaml", "--quiet", *arguments)

    def sql(self, text: str) -> list[dict[str, Any]]:
        """Rows of a query over the store."""
        return query(open_workspace(self.root, {}), text)[1]

    def one(self, text: str) -> Any:
        """The only value of a query."""
        rows = self.sql(text)
        assert len(rows) == 1, rows
        return next(iter(rows[0].values()))

    def journal(self) -> list[list[Any]]:
        """Every complete, undamaged line of the journals on disk."""
        lines = [
            line for path in sorted(self.store.glob("runs/*/*.jsonl")) for line in path.read_bytes().splitlines(True)
        ]
        whole = [line for line in lines if line.endswith(b"\n") and b"%08x" % zlib.crc32(line[9:-1]) == line[:8]]
        return [json.loads(line[9:]) for line in whole]

    def answered_keys(self) -> set[str]:
        """Keys of calls that succeeded and are journaled."""
        return {record[2] for record in self.journal() if record[0] == "c" and record[13] is None}

    def nothing_lost_or_doubled(self) -> None:
        """Every planned cell has one answer, every answer one call, every call key one successful root call."""
        counts = self.sql(
            "select e.entry_id, e.planned, (select count(*) from cell c where c.entry_id = e.entry_id) as cells,"
            " (select count(distinct sample_id || ':' || repeat) from cell c where c.entry_id = e.entry_id) as different,"
            " (select count(*) from answer a where a.entry_id = e.entry_id) as answers"
            " from entry e where e.run_id = (select run_id from run order by started desc limit 1)"
        )
        assert counts
        for row in counts:
            assert row["planned"] == row["cells"] == row["different"] == row["answers"], row
        doubled = self.sql(
            "select call_key, count(*) from call where error_kind is null and ordinal = 0 group by 1 having count(*) > 1"
        )
        assert not doubled
        lost = self.one("select count(*) from answer a left join call k using (call_id) where k.call_id is null")
        unscored = self.one(
            "select count(*) from answer a join entry_scorer es using (entry_id)"
            " left join score s on s.call_id = a.call_id and s.scorer_sig = es.scorer_sig where s.call_id is null"
        )
        assert (lost, unscored) == (0, 0)

    def leaderboard(self) -> list[dict[str, Any]]:
        """The view without what may differ between equal runs."""
        return self.sql(
            "select * exclude (run_id, entry_id, started) from leaderboard order by suite, candidate, metric, slice"
        )

    def pages(self) -> dict[str, str]:
        """The report with run ids, entry ids, times and measured latencies masked, by masked path."""
        self.quick("report").expect(0)
        folder = self.root / "reports"
        entries = [row["entry_id"] for row in self.sql("select entry_id from entry")]
        found = {}
        for path in sorted(folder.rglob("*.html")):
            text = path.read_text("utf-8")
            for entry in entries:
                text = text.replace(entry, "ENTRY")
            found[masked(str(path.relative_to(folder)))] = masked(text)
        return found


_MASKS = (
    (re.compile(r"\d{8}[Tt]\d{6}-[0-9a-f]{10}(-[0-9a-f]{8}(?=\.html))?"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)?"), "TIME"),
    (re.compile(r"(?<![\w.])\d[\d.,]*(?:e-?\d+)?\s?(ms|µs|s|min)(?![\w])"), "DURATION"),
    (re.compile(r'data-value="[\d.e-]+">DURATION'), 'data-value="DURATION">DURATION'),
)


def masked(text: str) -> str:
    """A page without run ids, times and durations."""
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


@dataclass
class Started:
    """A command under way."""

    child: subprocess.Popen[bytes]
    said: Path

    @property
    def out(self) -> str:
        """What it has said so far."""
        return (self.said / "out").read_text("utf-8", "replace")

    @property
    def err(self) -> str:
        """What it has said on stderr so far."""
        return (self.said / "err").read_text("utf-8", "replace")

    def done(self) -> Done:
        """Wait for its end."""
        try:
            code = self.child.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(
                f"did not end within {LONGEST_S} s\n--- out\n{self.out}\n--- err\n{self.err}"
            ) from None
        return Done(code, self.out, self.err)

    def until(self, ready: Callable[[], bool], pause_s: float = 0.002) -> bool:
        """Wait until something holds; False when the command ended before."""
        end = time.monotonic() + LONGEST_S
        while self.child.poll() is None:
            if ready():
                return True
            assert time.monotonic() < end, "waited in vain"
            time.sleep(pause_s)
        return False

    def kill(self) -> Done:
        """End it at once, as a power cut would."""
        self.child.kill()
        return self.done()

    def interrupt(self) -> None:
        """What ctrl-C does."""
        self.child.send_signal(signal.SIGINT)


@contextlib.contextmanager
def served_at(port: int, **settings: Any) -> Iterator[int]:
    """A mock server on a port of one's own choice (0 takes a free one), by the command line."""
    options = [text for name, value in settings.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-u", "-m", "evalkit", "mock-server", "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(measured=False)) as child:
        try:
            assert child.stdout is not None
            said = re.search(r"http://127\.0\.0\.1:(\d+)", child.stdout.readline())
            assert said, "the server did not start"
            yield int(said[1])
        finally:
            child.kill()
