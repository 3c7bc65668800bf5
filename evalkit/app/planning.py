"""From suites and candidates to cells: what is planned, what the store knows already, what is still to be asked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.app.candidates import Built
from evalkit.app.fitting import Fitted
from evalkit.app.loading import LoadedSuite
from evalkit.app.places import placed
from evalkit.core.capabilities import sending
from evalkit.core.errors import ConfigError, Problem
from evalkit.core.keys import KEY_SCHEMA, call_key, digest, local_key
from evalkit.core.types import Candidate, Request, Sample, Sends
from evalkit.store import planning as stored
from evalkit.store.planning import CellColumns, OpenCells

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from evalkit.data.schedule import Indices

MOST_PROBLEMS = 20
MOST_REQUESTS = 20_000
BATCH_SAMPLES = 5_000
CHUNK_CELLS = 1_000


@dataclass(frozen=True, slots=True)
class Opened:
    """One open cell: its place in the scheduled order, repeat and key, its sample with the hash of its content."""

    position: int
    repeat: int
    key: str
    sample: Sample
    content: str


@dataclass
class PlannedEntry:
    """A suite x candidate of this run: its cells, and after planning the ones that are open.

    `requests` keeps some of the requests that were made to plan, by key, so that they are not made again to ask.
    `at_generation` says which generation it is in, where another entry decides that.
    """

    suite: LoadedSuite
    built: Built
    generation: int
    entry_id: str = ""
    open: OpenCells = field(default_factory=OpenCells.none)
    requests: dict[str, Request] = field(default_factory=dict)
    fitted: dict[str, Candidate] = field(default_factory=dict)
    at_generation: int | None = None

    @property
    def planned(self) -> int:
        """How many cells it has; none when the candidate is skipped."""
        return 0 if self.built.skipped else len(self.suite.indices) * self.suite.repeats

    @property
    def plan_id(self) -> str:
        """Equal exactly when the cells and their keys are equal."""
        suite = self.suite
        which = [suite.data_hash, suite.repeats, suite.seed, suite.split_ids]
        return digest(["plan", KEY_SCHEMA, self.built.fingerprint, which, self.generation, self.built.skipped])

    @property
    def identity(self) -> list[Any]:
        """What makes two invocations the same run, whatever generation they open."""
        return [self.suite.name, self.built.name, self.suite.suite_hash, self.suite.data_hash, self.built.fingerprint]

    def opened(self, places: Iterable[int] | None = None) -> Iterator[Opened]:
        """The open cells (those at some places among them, or all) with their samples, in scheduled order."""
        suite, repeats = self.suite, self.suite.repeats
        waiting = iter(range(len(self.open)) if places is None else places)
        while chunk := list(islice(waiting, CHUNK_CELLS)):
            positions, keys = self.open.positions[chunk], self.open.keys[chunk].tolist()
            samples = suite.snapshot.picked(suite.indices[positions // repeats])
            for position, key, (sample, content) in zip(positions.tolist(), keys, samples, strict=True):
                yield Opened(position, position % repeats, key.decode(), sample, content)

    def request_of(self, cell: Opened, candidate: Candidate) -> Request | None:
        """The exact request of an open cell; None for a candidate that sends none."""
        sends = sending(candidate)
        if sends is None:
            return None
        return self.requests.pop(cell.key, None) or sends.request(cell.sample, cell.repeat)

    def let_go(self) -> None:
        """Give back the memory of what was asked; afterwards no cell is open here."""
        self.open = OpenCells.none()
        self.requests.clear()
        self.suite.snapshot.let_go()

    def candidate_for(self, split_id: str | None) -> Candidate:
        """Who answers: the candidate, or its fitted form on a split."""
        candidate = self.built.candidate
        assert candidate is not None
        if not self.built.fits:
            return candidate
        key = split_id or ""
        if key not in self.fitted:
            self.fitted[key] = Fitted(candidate, self.suite.given(split_id), self.suite.seed)
        return self.fitted[key]


def plan_cells(entry: PlannedEntry) -> Iterator[CellColumns]:
    """Every cell of an entry with its key, in scheduled order: sample by sample, its repeats together; in batches.

    Raises ConfigError naming the samples that no request can be made of.
    """
    problems: list[Problem] = []
    indices = entry.suite.indices
    for first in range(0, len(indices), BATCH_SAMPLES):
        yield _plan_batch(entry, indices[first : first + BATCH_SAMPLES], problems)
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise ConfigError(problems[:MOST_PROBLEMS])


def _plan_batch(entry: PlannedEntry, indices: Indices, problems: list[Problem]) -> CellColumns:
    suite, built = entry.suite, entry.built
    sends = sending(built.candidate)
    ids: list[str] = []
    hashes: list[str] = []
    splits: list[str | None] = []
    keys: list[str] = []
    for sample, content in suite.snapshot.picked(indices):
        split_id = suite.split_of(sample.id)
        try:
            for repeat in range(suite.repeats):
                keys.append(_key(entry, sends, sample, content, (repeat, split_id)))  # noqa: PERF401 - see below
        except ValueError as error:
            message = f"sample {sample.id!r}, candidate {built.name!r}: {error}"
            problems.append(placed(Problem(message), suite.file))
            continue
        ids += [sample.id] * suite.repeats
        hashes += [content] * suite.repeats
        splits += [split_id] * suite.repeats
    # A sample that failed may have left the keys of its first repeats: the plan is refused anyway.
    keys = keys[: len(ids)]
    return CellColumns(
        ids, hashes, np.tile(np.arange(suite.repeats, dtype=np.int32), len(ids) // suite.repeats), splits, keys
    )


def _key(entry: PlannedEntry, sends: Sends | None, sample: Sample, content: str, cell: tuple[int, str | None]) -> str:
    repeat, split_id = cell
    if sends is not None:
        request = sends.request(sample, repeat)
        key = call_key(request, repeat, 0, entry.generation)
        if len(entry.requests) < MOST_REQUESTS:
            entry.requests[key] = request
        return key
    if entry.built.fits:
        given = f"{entry.suite.given(split_id).id}:{entry.suite.seed}"
        return local_key(entry.built.fingerprint, content, given, repeat, 0, entry.generation)
    return local_key(entry.built.fingerprint, content, None, repeat, 0, entry.generation)


@dataclass
class Plan:
    """A run that is about to be made, or taken up again."""

    run_id: str
    entries: list[PlannedEntry]
    identity: str
    adopted: bool = False

    @property
    def open_cells(self) -> int:
        """How many cells are to be asked."""
        return sum(len(entry.open) for entry in self.entries)

    @property
    def shared(self) -> frozenset[str]:
        """Keys that more than one open cell has."""
        found = [entry.open.keys for entry in self.entries if len(entry.open)]
        if not found:
            return frozenset()
        keys, counts = np.unique(np.concatenate(found), return_counts=True)
        return frozenset(key.decode() for key in keys[counts > 1])


def new_run_id(now: float) -> str:
    """A run id that sorts by time: UTC seconds, milliseconds as three hex digits, and 28 random bits."""
    second = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    return f"{second}-{int(now % 1 * 1000):03x}{os.urandom(4).hex()[:7]}"


def identity_of(entries: Sequence[PlannedEntry], *, fresh: bool, at: str | None = None) -> str:
    """Equal for two invocations that ask the same of the same; `at` = of the same pinned commit."""
    pinned = [] if at is None else [at]
    return digest(["run", sorted((entry.identity for entry in entries), key=str), fresh, *pinned])


def choose_generations(connection: DuckDBPyConnection, entries: Sequence[PlannedEntry], *, fresh: bool) -> None:
    """Each entry goes on in its newest generation; `fresh` opens the next."""
    rows: Mapping[tuple[str, str], int] = {
        (suite, candidate): newest
        for suite, candidate, newest in connection.execute(
            "select suite, candidate, max(generation) from entry where status <> 'skipped' group by all"
        ).fetchall()
    }
    for entry in entries:
        newest = rows.get((entry.suite.name, entry.built.name))
        following = (newest or 0) + (1 if fresh and newest is not None else 0)
        entry.generation = following if entry.at_generation is None else entry.at_generation


def write_cells(connection: DuckDBPyConnection, entry: PlannedEntry) -> None:
    """Plan an entry's cells (copied where an equal plan exists) and answer those that the store knows."""
    if entry.built.skipped:
        return
    source = stored.equal_plan(connection, entry.plan_id)
    if source is not None and source != entry.entry_id:
        stored.copy_cells(connection, entry.entry_id, source)
    else:
        stored.insert_cells(connection, entry.entry_id, plan_cells(entry))
    stored.link_known(connection, entry.entry_id, entry.generation)


def samples_of(suite: LoadedSuite) -> Iterator[tuple[str, dict[str, Any]]]:
    """The suite's samples as rows for the store, their JSON as it stands in the snapshot; each with its whole text."""
    for text, sample in suite.snapshot.written(suite.indices):
        yield (
            text,
            {
                "sample_id": sample.id,
                "sample_hash": sample.sample_hash,
                "cluster": sample.group or sample.id,
                "tags": sample.tags,
                "input": sample.input,
                "target": None if bytes(sample.target) == b"null" else sample.target,
                "meta": sample.meta,
            },
        )
