"""Which suites a gate is about, which entries it judges, and what each is judged against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.app.entries import Book, Choice, UnknownName, choices, newest_run, opposite, skipped_in
from evalkit.app.gated_suite import GatedSuite
from evalkit.app.loading import read_files
from evalkit.app.places import placed
from evalkit.app.workspace import Workspace
from evalkit.core.errors import ConfigError, InvalidRun, Problem
from evalkit.gate.model import PolicyName


@dataclass(frozen=True, slots=True)
class LookAt:
    """One of several planned looks: only these samples count, and this look's share of the error.

    `shares` = the planned cells of each look as shares of all, `place` = this one. `more` = the run that asked some of
    the samples more often.
    """

    sample_ids: frozenset[str]
    shares: tuple[float, ...]
    place: int
    more: str | None = None

    @property
    def last(self) -> bool:
        """Whether no further look is planned."""
        return self.place == len(self.shares) - 1


@dataclass(frozen=True, slots=True)
class Judging:
    """What to judge: suite files or folders (none: all with gates), candidates (none: those of the newest run).

    `baseline` and `anchor` are names as `entries.choices` reads them. `attempt` = the user's count of attempts at the
    question, `rerun` = that of the CI system; `max_age_s` = from when on an older baseline is worth a warning.
    `record_only`: without a baseline nothing is judged, and that is no fault. `look`: further ones may follow.
    """

    suites: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    baseline: str | None = None
    anchor: str | None = None
    policy: PolicyName = "pr"
    attempt: int | None = None
    rerun: int | None = None
    max_age_s: float | None = 86_400.0
    record_only: bool = False
    look: LookAt | None = None


@dataclass(frozen=True, slots=True)
class Against:
    """What one candidate is judged against; `absent` says why there is no baseline."""

    baseline: Choice | None
    anchor: Choice | None
    absent: str = ""


@dataclass(frozen=True)
class Before:
    """What the baseline's and the anchor's names mean for one suite; `absent` says why the baseline means nothing."""

    book: Book
    suite: str
    baseline: str
    anchor: str | None
    choice: tuple[Choice, ...]
    absent: str = ""

    def of(self, judged: Choice) -> Against:
        """For one candidate."""
        try:
            baseline = self._one(self.baseline, self.choice, judged) if self.choice else None
            absent = self.absent
        except InvalidRun as error:
            baseline, absent = None, str(error)
        return Against(baseline, self._anchor(judged), absent)

    def _one(self, name: str, found: Sequence[Choice], judged: Choice) -> Choice:
        row = judged.row
        if row is not None and any(not one.exact for one in found):
            # A branch's newest run may be the very run that is judged, or one of few samples only.
            own = any(one.row is not None and one.row.run_id == row.run_id for one in found)
            but = row.entry_id if own else None
            found = choices(self.book, name, suite=self.suite, but=but, alike=row.data_hash)
        return opposite(found, self.suite, judged.candidate, name)

    def _anchor(self, judged: Choice) -> Choice | None:
        if self.anchor is not None:
            return opposite(
                choices(self.book, self.anchor, suite=self.suite), self.suite, judged.candidate, self.anchor
            )
        pinned = [
            one
            for one in self.book.baselines
            if one["anchor"] and one["suite"] == self.suite and one["candidate"] == judged.candidate
        ]
        if not pinned:
            return None
        newest = max(pinned, key=lambda one: (str(one["since"]), str(one["baseline_id"])))
        found = choices(self.book, str(newest["name"]), suite=self.suite)
        return next((one for one in found if one.baseline_id == newest["baseline_id"]), None)


def suites_of(workspace: Workspace, named: Sequence[str]) -> list[GatedSuite]:
    """The suites with gates, everything wrong with them told at once.

    Raises ConfigError for problems, InvalidRun where no gate is found: nothing would be asserted.
    """
    result = read_files(workspace, _paths(workspace, named))
    problems = list(result.problems)
    found: list[GatedSuite] = []
    for file in result.suites:
        if not file.model.gates:
            continue
        try:
            suite = GatedSuite.of(file)
        except ValueError as error:
            problems.append(placed(Problem(str(error)), file))
            continue
        problems += suite.problems if suite.prepared else ()
        found.append(suite)
    if problems:
        raise ConfigError(problems)
    if result.empty:
        raise InvalidRun("\n".join(map(str, result.empty)))
    if not found:
        looked = ", ".join(file.name for file in result.suites) or "no suite"
        raise InvalidRun(f"no gate is declared ({looked}): nothing is asserted; add `gates:` to a suite")
    return found


def fields_of(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of samples that a suite's slices, and its gates on slices, read; from its spec."""
    named = [str(one["slice"]) for one in spec.get("gates") or () if one.get("slice")]
    return tuple(dict.fromkeys(text.partition(":")[0] for text in (*(spec.get("slices") or ()), *named)))


def _paths(workspace: Workspace, named: Sequence[str]) -> list[Path]:
    if not named:
        folder = workspace.root / "suites"
        return [folder] if folder.is_dir() else _top(workspace.root)
    known = {}
    if not all(Path(name).exists() for name in named):
        folder = workspace.root / "suites"
        result = read_files(workspace, [folder] if folder.is_dir() else _top(workspace.root))
        known = {file.name: file.path for file in result.suites}
    return [known.get(name, Path(name)) if not Path(name).exists() else Path(name) for name in named]


def _top(root: Path) -> list[Path]:
    files = sorted(
        file for file in root.iterdir() if file.suffix in (".yaml", ".yml") and not file.name.startswith(".")
    )
    kept = [file for file in files if file.name not in ("evalkit.yaml", "card.yaml")]
    if not kept:
        raise InvalidRun(f"there is no suite in {root}: nothing is asserted; name the suite's file")
    return kept


def against_of(book: Book, suite: str, wanted: Judging) -> Before:
    """What the names of baseline and anchor mean. Raises UsageError for a name that means two things, ConfigError."""
    name = wanted.baseline or book.default_branch()
    try:
        found = tuple(choices(book, name, suite=suite))
    except (UnknownName, InvalidRun) as error:
        told = f"there is no baseline {name!r}: {error}"
        hint = "run the suite there, name a run with --baseline, or `evalkit baseline promote` one"
        return Before(book, suite, name, wanted.anchor, (), f"{told}; {hint}")
    return Before(book, suite, name, wanted.anchor, found)


def judged_of(book: Book, suite: str, wanted: Judging, before: Before) -> list[Choice]:
    """The entries that are judged: those of the newest run of the suite, or those named.

    Raises InvalidRun when the suite was never run, UsageError for a candidate that nobody knows.
    """
    newest = newest_run(book, suite)
    if not wanted.candidates:
        return newest + skipped_in(book, newest, {one.candidate for one in before.choice})
    found: list[Choice] = []
    for name in wanted.candidates:
        here = [one for one in newest if one.candidate == name or one.candidate.startswith(f"{name}:")]
        found += here or choices(book, name, suite=suite)
    return list({one.label: one for one in found}.values())
