"""Runs a program against tests in the sandbox, and compares outside of it what came out."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit.core.keys import digest
from evalkit.scorers._code_answer import Code
from evalkit.scorers._code_tests import Equality, Tests

DRIVER = Path(__file__).with_name("_code_driver.py")
PASSED, WRONG, LATE, CRASHED, LOUD, LEFT = (
    "passed", "wrong answer", "timeout", "runtime error", "too much output", "not run",
)  # fmt: skip
_TOO_LONG = {"timeout": "it computed for {:.2g} s", "stuck": "it computed for {:.2g} s", "waiting": "it waits"}
_ENDS = {"timeout": LATE, "stuck": LATE, "waiting": LATE, "output": LOUD}
_KILLED = {"memory": (CRASHED, "out of memory"), "output": (LOUD, ""), "cpu": (LATE, ""), "time": (LATE, "")}
# No user site, no site at all, nothing from the folder: a program finds the standard library only.
_OPTIONS = ("-s", "-S", "-P", "-B")
_OUTPUT_BYTES = 1 << 18
_SPARE_S = 10.0
_REFERENCE_S = 60.0
_RECENT = 256


@dataclass(frozen=True, slots=True)
class Allowed:
    """What each test may use. `cpu_s` where the sample says nothing; `relative` x the reference's time where that is
    more; `give_up` = after so many tests that took too long, the rest is not run.
    """

    cpu_s: float = 4.0
    relative: float = 4.0
    memory_mb: int = 512
    give_up: int = 1

    def __post_init__(self) -> None:
        for name in ("cpu_s", "relative", "memory_mb", "give_up"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
                raise ValueError(f"{name}={value!r} must be a number above 0")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test went: `kind` is one of the words above, `why` says more, `seconds` is CPU time."""

    kind: str
    why: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """How a program did. `no_code`: the answer is no program; `syntax`: it is none that compiles."""

    outcomes: tuple[Outcome, ...] = ()
    no_code: str | None = None
    syntax: str | None = None


# The scorers of a suite judge the same answer one after the other: they share what running it gave.
_RECENTLY: OrderedDict[tuple[int, str], Judged] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Judging:
    """Judges programs by the tests of one sample: `sandbox` runs them, `allowed` and `equality` decide."""

    sandbox: Any
    tests: Tests
    allowed: Allowed = Allowed()
    equality: Equality = Equality()

    async def judge(self, code: Code) -> Judged:
        """Run every test; again only what took too long for this machine to have been judged fairly."""
        key = (id(self.sandbox), digest([asdict(part) for part in (code, self.tests, self.allowed, self.equality)]))
        if key not in _RECENTLY:
            _RECENTLY[key] = await self._judge(code)
            if len(_RECENTLY) > _RECENT:
                _RECENTLY.popitem(last=False)
        return _RECENTLY[key]

    async def _judge(self, code: Code) -> Judged:
        numbers = range(len(self.tests.given))
        seconds = self.tests.cpu_s or self.allowed.cpu_s
        head, said = await self._run(code, numbers, seconds)
        if "compiled" not in head:
            return Judged(no_code=head.get("no_code"), syntax=head.get("syntax"))
        late = [n for n in said if said[n]["end"] in _TOO_LONG]
        if late:
            more = await self._fair(late[0], said[late[0]], seconds)
            if more is not None:
                rest = [n for n in numbers if n in late or n not in said]
                _, again = await self._run(code, rest, more, patience=4)
                said.update(again)
        return Judged(tuple(self._outcome(said.get(n)) for n in numbers))

    async def _fair(self, number: int, found: Mapping[str, Any], seconds: float) -> float | None:
        """The time that a test should have on this machine: more, the same once more, or None: it had enough.

        A test that had computed less than it may when its wall time was over met a busy machine: it is tried again.
        """
        if found["end"] == "waiting":
            return None
        if self.tests.reference is not None:
            _, said = await self._run(Code(self.tests.reference), [number], max(_REFERENCE_S, seconds))
            fair = self.allowed.relative * float(said.get(number, {}).get("seconds", 0.0))
            if fair > seconds:
                return fair
        return seconds if found["end"] == "stuck" else None

    async def _run(
        self, code: Code, which: Sequence[int], seconds: float, *, patience: int = 2
    ) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
        """One sandbox for all of the tests: what the driver said first, and then about each test."""
        wall_s = patience * seconds + 1
        request = {
            "program": code.text, "whole": code.whole, "function": self.tests.function, "tests": self.tests.given,
            "which": list(which), "cpu_s": seconds, "wall_s": wall_s, "output_bytes": _OUTPUT_BYTES,
            "give_up": self.allowed.give_up,
        }  # fmt: skip
        limits = {
            "wall_s": len(which) * wall_s + _SPARE_S, "cpu_s": len(which) * seconds + _SPARE_S, "processes": 16,
            "memory_mb": self.allowed.memory_mb, "output_bytes": 8 * _OUTPUT_BYTES * len(which), "file_mb": 64,
        }  # fmt: skip
        ran = await self.sandbox.run(
            [self.sandbox.python, *_OPTIONS, DRIVER.name],
            files={DRIVER.name: DRIVER.read_bytes()},
            stdin=json.dumps(request).encode("ascii"),
            limits=limits,
        )
        head, said = _heard(ran.stdout)
        if not head:
            return {"syntax": f"the compiler gave up on it ({ran.killed or f'exit code {ran.exit_code}'})"}, {}
        missing = next((n for n in which if n not in said), None)
        if ran.killed and missing is not None:
            said[missing] = {"end": "killed", "by": ran.killed}
        return head, said

    def _outcome(self, found: Mapping[str, Any] | None) -> Outcome:
        if found is None:
            return Outcome(LEFT)
        end, seconds = found["end"], float(found.get("seconds", 0.0))
        if end in _ENDS:
            return Outcome(_ENDS[end], _TOO_LONG.get(end, "").format(seconds), seconds)
        if end == "killed":
            return Outcome(*_KILLED[found["by"]], seconds)
        if end != "ok":
            return Outcome(CRASHED, _raised(found), seconds)
        why = self._difference(found)
        return Outcome(PASSED if why is None else WRONG, why or "", seconds)

    def _difference(self, found: Mapping[str, Any]) -> str | None:
        wanted = self.tests.wanted[found["test"]]
        if self.tests.function is None:
            return self.equality.difference(found.get("stdout", ""), wanted, written=True)
        if "value" in found:
            return self.equality.difference(found["value"], wanted, written=False)
        return str(found.get("unwritable") or "it ended before the function returned")


def _heard(stdout: bytes) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """The driver's lines; a test may have written among them, and what cannot be read is not there."""
    head: dict[str, Any] = {}
    said: dict[int, dict[str, Any]] = {}
    for line in stdout.splitlines():
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(told, dict) and isinstance(told.get("test"), int) and isinstance(told.get("end"), str):
            said.setdefault(told["test"], told)
        elif isinstance(told, dict):
            head = head or told
    return head, said


def _raised(found: Mapping[str, Any]) -> str:
    """What a program died of, in words."""
    if "error" not in found:
        code = int(found.get("code", 0))
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    line = f" (line {found['line']})" if found.get("line") else ""
    return f"{found['error']}: {found.get('message', '')}{line}"
