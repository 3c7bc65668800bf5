"""What a name means: an entry, a run, a candidate, a branch, tag or commit, a promoted baseline, a baseline file."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import InvalidRun, UsageError, did_you_mean
from evalkit.store import baselines as kept
from evalkit.store import reader

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN = 5
LEAST_PREFIX = 4
DEFAULT_BRANCHES = ("main", "master")


class UnknownName(UsageError):
    """Nothing is known by a name."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of the store with what names it; times are ISO texts."""

    entry_id: str
    run_id: str
    suite: str
    candidate: str
    fingerprint: str
    data_hash: str
    status: str
    started: str
    reason: str | None = None
    git_commit: str | None = None
    git_branch: str | None = None
    git_dirty: bool | None = None

    @property
    def complete(self) -> bool:
        """Whether every planned cell was asked."""
        return self.status == "complete"


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that a name means: an entry, or a kept baseline (`baseline_id`), or one of a file (`file`, `place`).

    `exact` = the name means this and nothing else, so it may stand for a candidate of another name.
    """

    suite: str
    candidate: str
    label: str
    row: Row | None = None
    baseline_id: str | None = None
    file: Path | None = None
    place: int = 0
    exact: bool = True
    note: str = ""


@dataclass(frozen=True)
class Book:
    """Everything that can be named: entries newest first, kept baselines, and the project's repository."""

    rows: tuple[Row, ...]
    baselines: tuple[Mapping[str, Any], ...]
    root: Path
    files: Callable[[Path], Sequence[tuple[str, str]]]
    skipped: tuple[Row, ...] = ()

    @classmethod
    def of(cls, connection: DuckDBPyConnection, root: Path, files: Callable[[Path], Sequence[tuple[str, str]]]) -> Book:
        """Read the store; `files` gives (suite, candidate) of each entry in a baseline file, or raises."""
        rows = [Row(**row) for row in reader.named(connection, "named_entries", suite=None).dicts()]
        there = tuple(row for row in rows if row.status != "skipped")
        skipped = tuple(row for row in rows if row.status == "skipped")
        return cls(there, tuple(kept.baselines(connection)), root, files, skipped)

    @cached_property
    def runs(self) -> tuple[str, ...]:
        """Run ids, newest first."""
        return tuple(dict.fromkeys(row.run_id for row in self.rows))

    def commit_of(self, name: str) -> str | None:
        """The commit that git knows by a name; None without git, a repository, or such a name."""
        if not name or name.startswith("-"):
            return None
        return git(self.root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def default_branch(self) -> str:
        """`main` where anything is known of it, else the remote's default branch, else `main`."""
        known = {row.git_branch for row in self.rows} | {baseline["name"] for baseline in self.baselines}
        for name in DEFAULT_BRANCHES[:1]:
            if name in known:
                return name
        head = git(self.root, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
        named = head.removeprefix("origin/") if head else None
        return next(
            (name for name in (named, *DEFAULT_BRANCHES) if name is not None and name in known), named or "main"
        )


def git(folder: Path, *words: str) -> str | None:
    """What git says to a question about a repository; None where it says nothing."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603, S607
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def choices(
    book: Book, name: str, *, suite: str | None = None, but: str | None = None, alike: str | None = None
) -> list[Choice]:
    """What a name means, one choice per suite and candidate; `but` = an entry that is not meant.

    Of several entries of a candidate, branch or commit the newest is meant, of those on the data `alike` if there are.

    Goes through: a .json file, a promoted or imported baseline, entry id, run id (or its beginning), RUN:candidate,
    candidate, branch, tag or commit. Raises UnknownName for a name that means nothing, UsageError for one that means
    two things.
    """
    if name.endswith(".json"):
        return _of_file(book, Path(name), suite)
    rows = [row for row in book.rows if (suite is None or row.suite == suite) and row.entry_id != but]
    for meant in (_promoted(book, name, suite), _by_id(rows, name), _part_of_run(book, rows, name)):
        if meant:
            return meant
    rows = sorted(rows, key=lambda row: row.data_hash != alike) if alike else rows
    by_candidate, by_branch = _newest(row for row in rows if row.candidate == name), _of_git(book, rows, name)
    if by_candidate and by_branch:
        raise UsageError(
            f"{name!r} is a candidate and a branch or commit: name the run instead ({_shown(book.runs)}), or an entry"
        )
    if by_candidate or by_branch:
        return by_candidate or by_branch
    raise _unknown(book, name, suite)


def opposite(choice: Sequence[Choice], suite: str, candidate: str, name: str) -> Choice:
    """The one of several choices that a candidate is compared with: the same candidate, or the only one.

    Raises InvalidRun where there is none for this suite and candidate.
    """
    here = [one for one in choice if one.suite == suite]
    same = [one for one in here if one.candidate == candidate]
    if same:
        return same[0]
    if len(here) == 1 and here[0].exact:
        return here[0]
    if not here:
        others = _shown(sorted({one.suite for one in choice}))
        raise InvalidRun(f"{name!r} has no answers to suite {suite!r}, only to {others}: nothing can be compared")
    there = _shown([one.candidate for one in here])
    raise InvalidRun(
        f"{name!r} has no answers of {candidate!r} to suite {suite!r}, only of {there}; name one of them, as in "
        "RUN:candidate"
    )


def newest_run(book: Book, suite: str) -> list[Choice]:
    """The entries of the newest run of a suite: of the commit that is checked out, where it was run there.

    Raises InvalidRun when the suite was never run.
    """
    rows = [row for row in book.rows if row.suite == suite]
    here = book.commit_of("HEAD")
    rows = [row for row in rows if here is not None and row.git_commit == here] or rows
    if not rows:
        raise InvalidRun(f"suite {suite!r} was never run here: there is nothing to judge; `evalkit run` it first")
    return [_choice(row) for row in rows if row.run_id == rows[0].run_id]


def skipped_in(book: Book, judged: Sequence[Choice], wanted: Collection[str]) -> list[Choice]:
    """Candidates that the judged runs could not ask, of those that are wanted: they are not simply gone."""
    runs = {(one.row.run_id, one.suite) for one in judged if one.row is not None}
    return [_choice(row) for row in book.skipped if (row.run_id, row.suite) in runs and row.candidate in wanted]


def _of_file(book: Book, path: Path, suite: str | None) -> list[Choice]:
    found = book.files(path)
    made = [
        Choice(of, candidate, f"{path.name}:{candidate}", file=path, place=place)
        for place, (of, candidate) in enumerate(found)
        if suite is None or of == suite
    ]
    if not made:
        raise InvalidRun(f"{path} is a baseline of {_shown(sorted({of for of, _ in found}))}, not of suite {suite!r}")
    return made


def _promoted(book: Book, name: str, suite: str | None) -> list[Choice]:
    rows = {row.entry_id: row for row in book.rows}
    return [
        Choice(
            one["suite"], one["candidate"], f"{name} ({one['origin']})", rows.get(one["entry_id"] or ""),
            one["baseline_id"], exact=False,
        )
        for one in book.baselines
        if one["name"] == name and (suite is None or one["suite"] == suite)
    ]  # fmt: skip


def _by_id(rows: Sequence[Row], name: str) -> list[Choice]:
    exact = [row for row in rows if row.entry_id == name]
    if exact:
        return [_choice(exact[0])]
    if len(name) < LEAST_PREFIX:
        return []
    found = [row for row in rows if row.entry_id.startswith(name)]
    runs = sorted({row.run_id for row in rows if row.run_id.startswith(name)})
    if len(found) + len(runs) > 1:
        raise UsageError(f"{name!r} is the beginning of several ids: {_shown([*runs, *(r.entry_id for r in found)])}")
    return [_choice(row) for row in (found or [row for row in rows if row.run_id in runs])]


def _part_of_run(book: Book, rows: Sequence[Row], name: str) -> list[Choice]:
    run, colon, candidate = name.partition(":")
    if not colon:
        return [_choice(row) for row in rows if name in ("last", "newest") and row.run_id == book.runs[0]]
    meant = [run_id for run_id in book.runs if run_id == run] or (
        [run_id for run_id in book.runs if run_id.startswith(run)] if len(run) >= LEAST_PREFIX else []
    )
    meant = list(book.runs[:1]) if run in ("last", "newest") else meant
    if len(meant) > 1:
        raise UsageError(f"{run!r} is the beginning of several runs: {_shown(meant)}")
    if not meant:
        return []
    of_run = [row for row in rows if row.run_id == meant[0]]
    found = [_choice(row) for row in of_run if row.candidate == candidate]
    if not found:
        there = sorted({row.candidate for row in of_run})
        hint = did_you_mean(candidate, there) or f"its candidates: {_shown(there)}"
        raise UsageError(f"run {meant[0]} has no candidate {candidate!r}; {hint}")
    return found


def _of_git(book: Book, rows: Sequence[Row], name: str) -> list[Choice]:
    branch = name.removeprefix("origin/")
    found = _newest((row for row in rows if row.git_branch == branch), exact=False)
    if found:
        return found
    commit = book.commit_of(name)
    if commit is None:
        return []
    return _newest((row for row in rows if row.git_commit == commit), exact=False)


def _newest(rows: Iterable[Row], *, exact: bool = True) -> list[Choice]:
    """The newest complete entry of each suite and candidate; runs of uncommitted changes only where no others are."""
    first: dict[tuple[str, str], Row] = {}
    for row in sorted((row for row in rows if row.complete), key=lambda row: bool(row.git_dirty)):
        first.setdefault((row.suite, row.candidate), row)
    note = "it was run with uncommitted changes"
    return [
        _choice(row, exact=exact, note=note if row.git_dirty and not exact else "") for _, row in sorted(first.items())
    ]


def _choice(row: Row, *, exact: bool = True, note: str = "") -> Choice:
    return Choice(row.suite, row.candidate, f"{row.run_id}:{row.candidate}", row, exact=exact, note=note)


def _unknown(book: Book, name: str, suite: str | None) -> UnknownName:
    rows = [row for row in book.rows if suite is None or row.suite == suite]
    where = f" for suite {suite!r}" if suite else ""
    known = {
        "candidates": sorted({row.candidate for row in rows}),
        "branches": sorted({row.git_branch for row in rows if row.git_branch}),
        "baselines": sorted({str(one["name"]) for one in book.baselines}),
        "runs": list(dict.fromkeys(row.run_id for row in rows)),
    }
    hint = did_you_mean(name, [word for words in known.values() for word in words])
    listed = "; ".join(f"{kind}: {_shown(words)}" for kind, words in known.items() if words) or "the store is empty"
    return UnknownName(f"nothing is known by {name!r}{where}{f'; {hint}' if hint else ''}; {listed}")


def _shown(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return (", ".join(words[:SHOWN]) or "none") + more
