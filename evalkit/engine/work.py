"""What the engine is given and what it reports: works, lanes of work, settings, progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Blobs, Candidate, Request, Response, Sample
from evalkit.core.units import Usage
from evalkit.engine.budget import Budget
from evalkit.engine.limits import Lane
from evalkit.engine.retry import PATIENCE_S, Retries


class Flow(Protocol):
    """What a lane shows of itself: calls in flight, how many it allows now, and what it waits on."""

    in_flight: int
    allowed: int
    waiting_on: str | None


@dataclass(slots=True)
class Progress:
    """Live counts of one entry; `stopped` says why it ended early."""

    candidate: str
    suite: str
    planned: int
    known: int = 0
    done: int = 0
    errors: int = 0
    tokens: float = 0.0
    usd: float = 0.0
    unpriced: int = 0
    stopped: str | None = None
    lane: Flow | None = None


@dataclass(slots=True)
class Work:
    """One cell to ask: `request` is set when the candidate sends exact requests; `model` names its price."""

    entry: str
    position: int
    sample: Sample
    sample_hash: str
    repeat: int
    key: str
    candidate: Candidate
    request: Request | None
    progress: Progress
    budget: Budget
    seed: int = 0
    timeout_s: float = 600.0
    model: str | None = None
    generation: int = 0


Handler = Callable[[Work, str, Response], Awaitable[None]]
Money = Callable[[str | None, Usage], float | None]


@dataclass(slots=True)
class LaneWork:
    """Works that share a lane, in scheduled order; `in_process` ones run after the remote ones, one at a time."""

    lane: Lane
    works: Iterator[Work]
    in_process: bool = False


def _unknown(entry: str, name: str) -> Candidate:
    raise KeyError(f"{name!r} is none of the candidates that the scorers of {entry!r} named")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the engine asks: retries, drain time after ctrl-C, and what `app` lends to contexts.

    `shared` holds the keys that more than one cell has. `known` finds the answer of a sub-call in the store.
    `candidate` gives the candidate of a name to the scorers of an entry; `models` maps the lane, fingerprint or name of
    a candidate to what the price table calls it; `sandbox` runs code, None where nothing does.
    """

    retries: Retries
    money: Money
    blobs: Blobs
    render: Callable[[str, Mapping[str, object]], str]
    shared: frozenset[str] = frozenset()
    known: Callable[[str], tuple[str, Response] | None] = field(default=lambda _key: None)
    candidate: Callable[[str, str], Candidate] = field(default=_unknown)
    models: Mapping[str, str] = field(default_factory=dict)
    sandbox: Any = None
    drain_s: float = 30.0
    batch: int = 64


STOP_AFTER_REFUSALS = 12
STOP_AFTER_BREAKS = 200


def stop_reason(progress: Progress, response: Response, lane: Lane | None) -> str | None:
    """Why asking this candidate further is pointless, in words; None when it is not. What stopped it stays."""
    error = response.error
    if error is None:
        # An answer that was in flight when the candidate stopped takes the reason away from nobody.
        return progress.stopped
    if error.kind.stops_candidate:
        return f"{error.kind.value}: {error.message}"
    if error.retry_after_s is not None and error.retry_after_s > PATIENCE_S:
        return f"{error.kind.value}: the server asks to wait {error.retry_after_s:,.0f} s: {error.message}"
    if error.kind is ErrorKind.CONNECTION and lane is not None and _dead(lane):
        return f"the server does not answer: {error.message}"
    return progress.stopped


def _dead(lane: Lane) -> bool:
    """Nothing but broken connections: few are enough where nobody ever answered, more where a server went away."""
    return lane.refused_in_a_row >= (STOP_AFTER_BREAKS if lane.ever_answered else STOP_AFTER_REFUSALS)
