"""What scorers need beside an answer: candidates to ask, opponents, a sandbox, programs on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from evalkit.app.candidates import Builder, Built
from evalkit.app.loading import LoadedSuite
from evalkit.app.places import placed
from evalkit.app.planning import PlannedEntry
from evalkit.app.scoring import Prepared
from evalkit.core.capabilities import needed
from evalkit.core.errors import ConfigError, MissingComponent, Problem
from evalkit.core.keys import digest


def provide(builder: Builder, suite: LoadedSuite, entries: Sequence[PlannedEntry]) -> list[PlannedEntry]:
    """Build what the suite's scorers ask and sign their numbers with it; problems are gathered in `builder`.

    Entries come back skipped, with the reason, where a scorer cannot work on this machine.
    """
    signed: list[Prepared] = []
    reasons = list(suite.lacking)
    for one in suite.prepared:
        try:
            signed.append(_signed(builder, suite, one, entries))
        except MissingComponent as error:
            reasons.append(f"its scorer {one.spec}: {error}")
            signed.append(one)
        except ConfigError as error:
            builder.problems += [_at(suite, one, problem.message, problem.hint) for problem in error.problems]
        except ValueError as error:
            builder.problems.append(_at(suite, one, str(error)))
        reasons += [f"its scorer {one.spec}: {why}" for why in _lacking(builder, one)]
        problem = _wrong_repeats(suite, one)
        if problem is not None:
            builder.problems.append(_at(suite, one, problem))
    if len(signed) == len(suite.prepared):
        suite.prepared = tuple(signed)
    if not reasons:
        return list(entries)
    return [replace(entry, built=_skipped(entry.built, "; ".join(reasons))) for entry in entries]


def _signed(builder: Builder, suite: LoadedSuite, one: Prepared, entries: Sequence[PlannedEntry]) -> Prepared:
    """The scorer with a signature that covers whom it asks and whom it compares with."""
    asked = []
    for name in needed(one.scorer):
        if name not in suite.helpers:
            suite.helpers[name] = builder.helper(name, suite)
        asked.append([name, suite.helpers[name].fingerprint])
    if one.scorer.takes == "pair":
        rival = opponent_of(one, [entry.built for entry in entries])
        asked.append(["against", rival.fingerprint])
    return replace(one, sig=digest([one.sig, asked])) if asked else one


def opponent_of(one: Prepared, among: Iterable[Built]) -> Built:
    """The candidate that a scorer of pairs compares with. Raises ValueError when it is not asked in this run."""
    name = getattr(one.scorer, "against", "")
    built = list(among)
    found = next((candidate for candidate in built if candidate.name == name), None)
    if found is None:
        there = ", ".join(candidate.name for candidate in built) or "nobody"
        raise ValueError(f"{one.spec} compares with {name!r}, who is not asked in this run ({there}); add -c {name}")
    return found


def _lacking(builder: Builder, one: Prepared) -> list[str]:
    found = []
    if getattr(one.scorer, "needs_sandbox", False):
        why = builder.workspace.sandbox.available()
        if why is not None:
            found.append(why)
    unavailable = getattr(one.scorer, "unavailable", None)
    if unavailable is not None and (why := unavailable()) is not None:
        found.append(why)
    return found


def _wrong_repeats(suite: LoadedSuite, one: Prepared) -> str | None:
    folds = (getattr(metric.fold.within, "k", 0) for metric in one.metrics)
    needs = max(getattr(one.scorer, "min_repeats", 1), *folds, 1)
    if needs > suite.repeats:
        return f"{one.spec} needs {needs} repeats of each sample, the suite has {suite.repeats}; set `repeats: {needs}`"
    return None


def _skipped(built: Built, reason: str) -> Built:
    return built if built.skipped else replace(built, candidate=None, skipped=reason)


def _at(suite: LoadedSuite, one: Prepared, message: str, hint: str | None = None) -> Problem:
    places = [f"scorers[{place}]" for place, spec in enumerate(suite.file.model.scorers) if spec == one.spec]
    line = next((suite.file.lines[place] for place in places if place in suite.file.lines), None)
    line = line or suite.file.lines.get("scorers", 1)
    return placed(Problem(message, hint=hint), suite.file, line)
