"""What can go wrong, how it is said, and which exit code it carries.

EvalkitError                 70  something inside evalkit broke
├── UsageError                2  the command line or a file is wrong
│   ├── ConfigError           2  a list of Problems, each with file:line and what to do
│   └── CostNotConfirmed      2  the estimate is above the threshold and nobody said yes
├── InvalidRun                5  the run may not be judged: nothing selected, nothing asserted, cells missing
├── StoreError                2  the store cannot be opened, read or written
├── MissingComponent          2  an optional package, program or model is not there (names the extra)
└── Interrupted             130  ctrl-C, drained

A failed *answer* is not an exception: it is a `Failure` inside a `Response`, with an `ErrorKind`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; 1 is never ours, since Python's own crash uses it."""

    PASS = 0
    USAGE = 2
    REGRESSION = 3
    INCONCLUSIVE = 4
    INVALID = 5
    INTERNAL = 70
    INTERRUPTED = 130

    @classmethod
    def worst(cls, codes: Iterable[ExitCode]) -> ExitCode:
        """The one code to exit with when several hold: interruption and faults first, then 3 before 5 before 4."""
        rank = (cls.INTERNAL, cls.INTERRUPTED, cls.USAGE, cls.REGRESSION, cls.INVALID, cls.INCONCLUSIVE, cls.PASS)
        found = set(codes)
        return next((code for code in rank if code in found), cls.PASS)


class ErrorKind(str, Enum):
    """Why a cell has no answer. None of these is ever reused from the store."""

    PROVIDER = "provider_error"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED = "malformed_response"
    AUTH = "auth"
    BAD_REQUEST = "bad_request"
    UNKNOWN_MODEL = "unknown_model"
    CANDIDATE = "candidate_error"
    REPLAY_MISS = "replay_miss"
    BUDGET = "budget"
    CANCELLED = "cancelled"
    SCORER = "scorer_error"
    JUDGE = "judge_error"

    @property
    def stops_candidate(self) -> bool:
        """Whether asking this candidate again in the same run is pointless (wrong key, unknown model)."""
        return self in (ErrorKind.AUTH, ErrorKind.UNKNOWN_MODEL)


class Finish(str, Enum):
    """How an answer ended. Every member is an answer that may be reused: asking again is the candidate's new try."""

    STOP = "stop"
    LENGTH = "length"
    REFUSAL = "refusal"
    CONTENT_FILTER = "content_filter"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in something the user wrote: where it is, what it is, what to do."""

    message: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        where = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return where + self.message + (f" ({self.hint})" if self.hint else "")


class EvalkitError(Exception):
    """Base of all errors that evalkit raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = ExitCode.INTERNAL


class UsageError(EvalkitError):
    """The command line asks for something that cannot be done."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """Everything wrong with the configuration, gathered; shown all at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class CostNotConfirmed(UsageError):
    """The estimated cost is above the confirmation threshold and was not confirmed."""


class InvalidRun(EvalkitError):
    """The run measures nothing that may be judged."""

    exit_code = ExitCode.INVALID


class StoreError(EvalkitError):
    """The store on disk cannot be opened, read or written."""

    exit_code = ExitCode.USAGE


class MissingComponent(EvalkitError):
    """An optional package, program or model file is not on this machine; the text says how to get it."""

    exit_code = ExitCode.USAGE


class Interrupted(EvalkitError):
    """The user stopped the run; what was in flight has been drained and journaled."""

    exit_code = ExitCode.INTERRUPTED


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint naming the nearest known words, or None when nothing is near."""
    near = get_close_matches(word, sorted(known), n=2, cutoff=0.6)
    return f"did you mean {' or '.join(repr(n) for n in near)}?" if near else None
