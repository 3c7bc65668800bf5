"""The public API for notebooks and programs: `evalkit.run(...)` and what it returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.app.candidates import Built
from evalkit.app.execute import Limits
from evalkit.app.loading import Selection
from evalkit.app.run import RunOutcome, RunRequest
from evalkit.app.run import run as run_suites
from evalkit.app.watching import Silent
from evalkit.app.workspace import Workspace, open_workspace
from evalkit.core.errors import ConfigError, ExitCode, InvalidRun, UsageError
from evalkit.core.types import Candidate

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.app.gating import Gated
    from evalkit.gate.model import PolicyName


@dataclass(frozen=True)
class Results:
    """What a run measured. `code` = the exit code of the command line; `reasons` say why it is not 0."""

    workspace: Workspace
    run_id: str
    code: ExitCode
    reasons: tuple[str, ...]
    paths: tuple[Path, ...] = ()

    def leaderboard(self, *, slices: bool = False) -> list[dict[str, Any]]:
        """One row per entry and metric: value, 95 % interval, denominators, money, signature."""
        from evalkit.app.show import leaderboard

        return leaderboard(self.workspace, self.run_id, slices=slices)

    def to_pandas(self) -> pd.DataFrame:
        """Every score of the run, one row per cell and metric. Raises MissingComponent without pandas."""
        columns, rows = self.sql(
            f"select * from scores where run_id = '{self.run_id}' order by entry_id, position, metric"  # noqa: S608 - our id
        )
        return _frame(columns, rows)

    def sql(self, query: str) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
        """Columns and rows of a read-only query over the whole store."""
        from evalkit.app.query import query as ask

        return ask(self.workspace, query)

    @property
    def gated(self) -> bool:
        """Whether any suite of the run declares a gate."""
        _, rows = self.sql(
            "select count(*) as n from entry join suite using (suite_hash, data_hash)"  # noqa: S608 - our id
            f" where run_id = '{self.run_id}' and coalesce(json_array_length(spec, '$.gates'), 0) > 0"
        )
        return bool(rows[0]["n"])

    def gate(self, *, baseline: str | None = None, policy: PolicyName = "pr") -> list[Gated]:
        """Judge this run by the gates of its suites; `baseline` as on the command line (None: main). Asks nobody.

        Raises InvalidRun where nothing is asserted or there is nothing to judge.
        """
        from evalkit.app.choosing import Judging
        from evalkit.app.gating import gate

        names = self.sql(f"select distinct candidate from entry where run_id = '{self.run_id}'")[1]  # noqa: S608 - our id
        judged = tuple(f"{self.run_id}:{row['candidate']}" for row in names)
        return gate(self.workspace, Judging(tuple(map(str, self.paths)), judged, baseline, policy=policy))

    def report(self, out: str | Path | None = None) -> Path:
        """Write the HTML report of everything in the store; returns index.html."""
        from evalkit.app.report import build_report

        return build_report(self.workspace, None if out is None else Path(out))


def run(
    suites: str | Path | Sequence[str | Path],
    candidates: Sequence[str | Candidate | Callable[..., Any]] | Mapping[str, Callable[..., Any]] = (),
    *,
    limit: int | None = None,
    fresh: bool = False,
    budget_usd: float | None = None,
    agree_to_cost: bool = False,
) -> Results:
    """Run suites with candidates: names, objects with `answer`, or plain functions of a sample (sync or async).

    A mapping names its functions. Raises ConfigError with every problem, InvalidRun when nothing is measured,
    CostNotConfirmed when the estimate is above the project's threshold and `agree_to_cost` is False.
    """
    paths = tuple(Path(path) for path in ([suites] if isinstance(suites, (str, Path)) else suites))
    if not paths:
        raise UsageError("no suite is named")
    workspace = open_workspace(paths[0] if paths[0].exists() else Path(), os.environ)
    pairs = candidates.items() if isinstance(candidates, Mapping) else ((None, one) for one in candidates)
    names: list[str] = []
    made: list[Built] = []
    for name, one in pairs:
        if isinstance(one, str):
            names.append(one)
        else:
            made.append(_built(name, one))
    defaults = workspace.project.defaults
    request = RunRequest(
        paths,
        tuple(names),
        Selection(limit),
        fresh=fresh,
        limits=Limits(usd=budget_usd, timeout_s=defaults.timeout_s, retries=defaults.retries),
        made=tuple(made),
        command="evalkit.run(...)",
    )
    outcome: RunOutcome = run_suites(workspace, request, Silent(agree_to_cost))
    return Results(workspace, outcome.run_id, outcome.code, outcome.reasons, paths)


def candidates_of(suite: Path) -> tuple[str, ...]:
    """The candidates that a suite names. Raises ConfigError with everything wrong in it, InvalidRun without any."""
    from evalkit.app.loading import read_files

    result = read_files(open_workspace(suite, os.environ), [suite])
    if result.problems:
        raise ConfigError(result.problems)
    names = tuple(name for file in result.suites for name in file.model.candidates)
    if not names:
        raise InvalidRun(f"{suite} names no candidate: nothing is measured")
    return names


def told(one: Gated) -> str:
    """A verdict in words: the headline, why each gate is not passed, warnings."""
    from evalkit.gate.terminal import headline

    lines = [headline(one.verdict, one.evidence)]
    lines += [
        f"  {judged.rule.name}: {judged.comparison.reason}"
        for judged in one.verdict.judged
        if judged.rule.gated and judged.outcome != "pass"
    ]
    return "\n".join([*lines, *(f"  warning: {text}" for text in one.verdict.warnings)])


def _built(name: str | None, one: Any) -> Built:
    if hasattr(one, "answer") and hasattr(one, "fingerprint"):
        return Built(name or one.name, {"kind": "object", "part": type(one).__name__}, one)
    if not callable(one):
        raise UsageError(f"{one!r} is no candidate: give a name, a function of a sample, or an object with `answer`")
    from evalkit.providers.python import make_from_callable

    chosen = str(name or getattr(one, "__name__", "function"))
    return Built(chosen, {"kind": "function", "part": chosen}, make_from_callable(one, chosen))


def _frame(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    try:
        import pandas as pd
    except ImportError as error:
        from evalkit.core.errors import MissingComponent

        raise MissingComponent("to_pandas needs pandas: pip install 'evalkit[tabular]'") from error
    return pd.DataFrame([dict(row) for row in rows], columns=list(columns))
