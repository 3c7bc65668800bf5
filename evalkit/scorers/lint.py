"""Whether pyflakes finds nothing wrong in the program of an answer: names that are not defined, imports not used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from evalkit.core.errors import EvalkitError, MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Row, Sample, Score
from evalkit.scorers._answers import shown
from evalkit.scorers._base import OneAnswer, listed, unscorable
from evalkit.scorers._code_answer import code_of

EXTRA = "code"
PROGRAMS = ("bwrap",)
DRIVER = Path(__file__).with_name("_lint_driver.py")
_LIMITS = {"wall_s": 30.0, "cpu_s": 15.0, "memory_mb": 512, "processes": 4}
_REASON = 300


@dataclass(frozen=True, slots=True)
class Lint(OneAnswer):
    """What pyflakes finds in the program of an answer, which is read in the sandbox and not run.

    `ignore` = kinds of findings that do not count, by pyflakes' names, as in ["UnusedImport"]. A program that does not
    compile has one finding. Where nothing is fenced the whole answer is looked at: prose does not compile.
    """

    ignore: tuple[str, ...] = ()

    libraries: ClassVar[tuple[str, ...]] = ("pyflakes",)
    needs_sandbox: ClassVar[bool] = True

    def __post_init__(self) -> None:
        listed(self, "ignore")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`lint_clean` (1 = nothing found) and `lint_findings`, how many there are; without a program undefined."""
        return (
            Metric("lint_clean", kind="mean01", bounds=(0.0, 1.0), primary=True),
            Metric("lint_findings", higher_is_better=False, bounds=(0.0, None), on_error="undefined"),
        )

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Look at the program of an answer; an answer without one has no value, with the reason."""
        code, reason = code_of(responses[0])
        if code is None:
            return unscorable(self.metrics, reason)
        found = [one for one in await self._findings(code.text, ctx.sandbox) if one[1] not in self.ignore]
        if code.whole and found and found[0][1] == "SyntaxError":
            return unscorable(self.metrics, f"no code: {found[0][2]}"[:_REASON])
        first = f"line {found[0][0]}: {found[0][2]}"[:_REASON] if found else None
        rows = tuple(Row(f"line {line}: {text}", kind, 1.0) for line, kind, text in found)
        return {
            "lint_clean": Score(float(not found), answer=shown(code.text.strip()), reason=first, rows=rows),
            "lint_findings": Score(float(len(found))),
        }

    def unavailable(self) -> str | None:
        """Why nothing can be looked at on this machine, or None."""
        try:
            _pyflakes()
        except MissingComponent as error:
            return str(error)
        return None

    async def _findings(self, program: str, sandbox: Any) -> list[tuple[int, str, str]]:
        ran = await sandbox.run(
            [sandbox.python, "-s", "-S", "-P", "-B", DRIVER.name],
            files={DRIVER.name: DRIVER.read_bytes(), **_pyflakes()},
            stdin=program.encode("utf-8", "replace"),
            limits=_LIMITS,
        )
        if ran.killed or ran.exit_code:
            words = ran.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            if ran.exit_code == 1 and not ran.killed:
                raise EvalkitError(f"pyflakes failed in the sandbox: {words}")
            return [(1, "CompilerFailed", f"the compiler gave up on it ({ran.killed or f'exit code {ran.exit_code}'})")]
        found: list[tuple[int, str, str]] = json.loads(ran.stdout)
        return found


@cache
def _pyflakes() -> dict[str, bytes]:
    """The source files of pyflakes, by where they stand in the sandbox. Raises MissingComponent without it."""
    from importlib.util import find_spec

    spec = find_spec("pyflakes")
    if spec is None or not spec.submodule_search_locations:
        raise MissingComponent("looking for mistakes in programs needs pyflakes: pip install 'evalkit[code]'")
    folder = Path(spec.submodule_search_locations[0])
    return {f"pyflakes/{file.name}": file.read_bytes() for file in sorted(folder.glob("*.py"))}


def make(**options: Any) -> Lint:
    """Build from options; raises ValueError naming the known ones."""
    return build(Lint, options)
