"""Suites as pytest items: `pytest --evalkit suites/` measures every candidate and judges its gates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evalkit.app.gating import Gated

ENDINGS = (".yaml", ".yml")
OTHER_FILES = ("evalkit.yaml", "card.yaml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, all beginning with --evalkit."""
    group = parser.getgroup("evalkit", "suites as tests")
    group.addoption("--evalkit", action="append", default=[], metavar="PATH", help="Suite files or folders to judge.")
    group.addoption("--evalkit-candidate", action="append", default=[], metavar="NAME", help="Judge this one only.")
    group.addoption("--evalkit-baseline", default=None, metavar="NAME", help="What to compare with; default: main.")
    group.addoption(
        "--evalkit-policy", default="pr", choices=("pr", "release", "nightly"), help="Whether inconclusive fails."
    )
    group.addoption("--evalkit-limit", type=int, default=None, metavar="N", help="Ask the first N samples only.")
    group.addoption(
        "--evalkit-budget-usd", type=float, default=None, metavar="USD", help="The most that a candidate may cost."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the suites, and nothing else unless tests are named too."""
    wanted = [str(Path(path).resolve()) for path in config.getoption("--evalkit")]
    if wanted:
        named = config.args_source is pytest.Config.ArgsSource.ARGS
        config.args = [*(config.args if named else ()), *wanted]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A suite file that --evalkit names, or that lies in a folder it names."""
    if file_path.suffix not in ENDINGS or file_path.name in OTHER_FILES:
        return None
    roots = [Path(path).resolve() for path in parent.config.getoption("--evalkit")]
    if not any(file_path.resolve().is_relative_to(root) for root in roots):
        return None
    collector: pytest.Collector = SuiteFile.from_parent(parent, path=file_path)
    return collector


class SuiteFile(pytest.File):
    """One suite: an item per candidate."""

    def collect(self) -> Iterator[pytest.Item]:
        """The candidates of the suite, or those that the command line names. Raises CollectError for a bad file."""
        from evalkit.app.api import candidates_of
        from evalkit.core.errors import EvalkitError

        try:
            names = candidates_of(self.path)
        except EvalkitError as error:
            raise self.CollectError(str(error)) from None
        for name in self.config.getoption("--evalkit-candidate") or names:
            yield SuiteItem.from_parent(self, name=name)


class NotPassed(Exception):
    """A run or a gate that did not pass; its text is what is shown."""


class SuiteItem(pytest.Item):
    """One candidate on one suite: measured, then judged by the gates."""

    def runtest(self) -> None:
        """Fail on regression and on what may not be judged; skip, never pass, where nothing was decided."""
        from evalkit.app.api import run
        from evalkit.core.errors import EvalkitError

        option = self.config.getoption
        budget = option("--evalkit-budget-usd")
        try:
            measured = run(
                self.path, [self.name], limit=option("--evalkit-limit"), budget_usd=budget,
                agree_to_cost=budget is not None,
            )  # fmt: skip
            if measured.code:
                raise NotPassed("the run may not be judged: " + "; ".join(measured.reasons))
            if not measured.gated:
                pytest.skip("measured; no gate is declared, so nothing is asserted")
            found = measured.gate(baseline=option("--evalkit-baseline"), policy=option("--evalkit-policy"))
        except EvalkitError as error:
            raise NotPassed(str(error)) from None
        self._say(found)

    def _say(self, found: list[Gated]) -> None:
        from evalkit.app.api import told
        from evalkit.app.gate_files import table

        for row in table(found):
            shown = f"{row['before']} -> {row['after']}, 95 % {row['low']} to {row['high']}, n {row['n']}"
            self.user_properties.append((f"{row['metric']} {row['slice']}".strip(), shown))
        blocked = [told(one) for one in found if one.verdict.code]
        if blocked:
            raise NotPassed("\n".join(blocked))
        undecided = [told(one) for one in found if one.verdict.outcome != "pass"]
        if undecided:
            pytest.skip("\n".join(undecided))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The verdict in words, without a traceback; one for everything else."""
        if isinstance(excinfo.value, NotPassed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the suite stands."""
        return self.path, 0, f"{self.path.stem} x {self.name}"
