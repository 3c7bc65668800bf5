"""Buy answers until a gate is decided: planned looks at growing data, within a budget, by the policy `extend`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from evalkit.app.choosing import Judging, LookAt, against_of, suites_of
from evalkit.app.entries import Choice
from evalkit.app.execute import Limits
from evalkit.app.gated_suite import GatedSuite
from evalkit.app.gating import Gated, gate
from evalkit.app.judges import Labels
from evalkit.app.loading import LoadedSuite, Selection, load
from evalkit.app.looks import Look, Looks, plan_looks
from evalkit.app.opening import book_of, side_of
from evalkit.app.run import RunOutcome, RunRequest, run
from evalkit.app.watching import Watch
from evalkit.app.workspace import Workspace
from evalkit.core.errors import ConfigError, ExitCode, InvalidRun
from evalkit.gate.policy import exit_code
from evalkit.store.bulk import first_row

DECIDED = ("pass", "regression", "invalid")
_SPENT = """
select coalesce(sum(u.usd), 0), coalesce(sum(coalesce(cast(k.usage ->> '$.input_tokens' as double), 0)
       + coalesce(cast(k.usage ->> '$.output_tokens' as double), 0)), 0)
from call k left join cost u using (call_id) where k.run_id = ?
"""


@dataclass(frozen=True, slots=True)
class Extending:
    """What to judge, and the most that may be spent on it. `command` is recorded with every run."""

    judging: Judging
    limits: Limits = Limits()
    command: str = "evalkit gate --policy extend"


def extend(workspace: Workspace, wanted: Extending, watch: Watch, labels: Labels | None = None) -> list[Gated]:
    """Ask and judge, look by look, every candidate of every suite with gates; the last judgement of each.

    The looks of a candidate are planned before its first answer. It ends with the look that decides, with the last one,
    or where the budget does. Raises what `run` and `gate` raise.
    """
    suites = suites_of(workspace, wanted.judging.suites)
    loaded = load(workspace, [suite.file.path for suite in suites], Selection())
    if loaded.problems:
        raise ConfigError([*loaded.problems, *loaded.empty])
    ready = {suite.name: suite for suite in loaded.suites}
    # All looks are planned, and everything that is missing is said, before anybody is asked.
    planned = [
        (suite, name, _looks(workspace, suite, ready[suite.name], (name, wanted.judging)))
        for suite in suites
        for name in wanted.judging.candidates or suite.file.model.candidates
    ]
    found: list[Gated] = []
    left = wanted.limits
    for suite, name, looks in planned:
        one = _Buying(workspace, suite, name, looks, replace(wanted, limits=left))
        found += one.judged(watch, labels)
        left = one.left
    return found


def _looks(workspace: Workspace, suite: GatedSuite, loaded: LoadedSuite, of: tuple[str, Judging]) -> Looks:
    """The looks at one candidate. Raises InvalidRun where it would be compared with something that is not there."""
    name, judging = of
    if not workspace.store.exists:
        if _alone(suite):
            return plan_looks(loaded, None)
        raise InvalidRun("nothing was run here yet: there is no baseline; `evalkit run` it first")
    with workspace.loaded() as connection:
        before = against_of(book_of(connection, workspace), suite.name, judging)
        against = before.of(Choice(suite.name, name, name))
        if against.baseline is None and not _alone(suite):
            raise InvalidRun(f"{suite.name} x {name}: {against.absent}")
        baseline = None if against.baseline is None else side_of(connection, workspace, against.baseline)
        return plan_looks(loaded, baseline)


def _alone(suite: GatedSuite) -> bool:
    """Whether no gate needs a baseline."""
    return all(gate["mode"] == "threshold" for gate in suite.gates)


@dataclass
class _Buying:
    """One candidate being asked look by look; `left` is what may still be spent."""

    workspace: Workspace
    suite: GatedSuite
    name: str
    looks: Looks
    wanted: Extending
    left: Limits = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.wanted.limits

    def judged(self, watch: Watch, labels: Labels | None) -> list[Gated]:
        """The judgement at the look that decides, at the last one, or at the last that the budget allowed."""
        found: list[Gated] = []
        for place, look in enumerate(self.looks.planned):
            outcome, more = self._asked(look, watch)
            if outcome is None or outcome.code is not ExitCode.PASS:
                watch.event("warning", message=f"{self.suite.name} x {self.name}: {_why(outcome)}")
                if found or outcome is None:
                    break
            found = self._at(place, outcome, more, labels)
            watch.event(
                "look", suite=self.suite.name, candidate=self.name, place=place + 1, of=len(self.looks.planned),
                samples=len(look.sample_ids), outcomes=[one.verdict.outcome for one in found],
            )  # fmt: skip
            if all(one.verdict.outcome in DECIDED for one in found):
                return found
        return [_final(one) for one in found]

    def _asked(self, look: Look, watch: Watch) -> tuple[RunOutcome | None, str | None]:
        """Ask everything up to this look; what is known already is not asked again. None when nothing may be spent."""
        if self.left.usd is not None and self.left.usd <= 0:
            return None, None
        outcome = self._run(Selection(ids=look.sample_ids), watch)
        if not look.more or outcome.code is not ExitCode.PASS:
            return outcome, None
        again = self._run(Selection(ids=look.more, repeats=look.repeats), watch)
        return (outcome, again.run_id) if again.code is ExitCode.PASS else (again, None)

    def _run(self, selection: Selection, watch: Watch) -> RunOutcome:
        request = RunRequest(
            (self.suite.file.path,), (self.name,), selection, limits=self.left, command=self.wanted.command
        )
        outcome = run(self.workspace, request, watch)
        with self.workspace.store.open(read_only=True) as connection:
            row = first_row(connection, _SPENT, [outcome.run_id])
        usd, tokens = row or (0.0, 0.0)
        self.left = replace(
            self.left,
            usd=None if self.left.usd is None else max(0.0, self.left.usd - usd),
            tokens=None if self.left.tokens is None else max(0.0, self.left.tokens - tokens),
        )
        return outcome

    def _at(self, place: int, outcome: RunOutcome, more: str | None, labels: Labels | None) -> list[Gated]:
        look = self.looks.planned[place]
        shares = tuple(one.share for one in self.looks.planned)
        seen = LookAt(frozenset(look.sample_ids), shares, place, more)
        judging = replace(self.wanted.judging, suites=(str(self.suite.file.path),), policy="extend", look=seen)
        with self.workspace.store.open(read_only=True) as connection:
            rows = connection.execute(
                "select candidate from entry where run_id = ? and status <> 'skipped' order by candidate",
                [outcome.run_id],
            ).fetchall()
        if not rows:
            raise InvalidRun(f"{self.suite.name} x {self.name} was skipped: nothing is judged")
        return gate(
            self.workspace, replace(judging, candidates=tuple(f"{outcome.run_id}:{row[0]}" for row in rows)), labels
        )


def _why(outcome: RunOutcome | None) -> str:
    if outcome is None:
        return "the budget is spent, so no further answers are bought"
    return "; ".join(outcome.reasons) or "the run did not end"


def _final(one: Gated) -> Gated:
    """Where no further look is made, what is undecided blocks."""
    verdict = one.verdict
    return replace(one, verdict=replace(verdict, code=exit_code(verdict.outcome, verdict.policy)))
