"""What `app` lends to the engine for a plan: prices, blobs, templates, helpers of scorers, a sandbox, known calls."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from evalkit.app.candidates import Built
from evalkit.app.planning import Plan
from evalkit.app.workspace import Workspace
from evalkit.core.capabilities import needed, sending
from evalkit.core.types import Candidate, Response
from evalkit.engine.limits import Lane
from evalkit.engine.retry import Retries
from evalkit.engine.work import Settings
from evalkit.store import planning as stored

AT_ONCE = 200
REMEMBERED = 2_000


def settings(workspace: Workspace, plan: Plan, retries: int, shared: frozenset[str] = frozenset()) -> Settings:
    """How the engine asks in this plan."""
    helpers = {entry.entry_id: entry.suite.helpers for entry in plan.entries}

    def candidate(entry_id: str, name: str) -> Candidate:
        found = helpers[entry_id][name].candidate
        assert found is not None
        return found

    return Settings(
        retries=Retries(most=retries),
        money=workspace.money,
        blobs=workspace.blobs,
        render=workspace.render,
        shared=shared,
        known=KnownCalls(workspace) if _asks_inside(plan) else _nothing,
        candidate=candidate,
        models=dict(_models(plan)),
        sandbox=workspace.sandbox,
    )


def everybody(plan: Plan) -> Iterator[Built]:
    """Every candidate that may be asked: those of entries, the parts of systems, the helpers of scorers."""
    for entry in plan.entries:
        if not entry.built.skipped:
            yield from entry.built.all()
            for helper in entry.suite.helpers.values():
                yield from helper.all()


def lanes(plan: Plan) -> dict[str, Lane]:
    """A lane for each that has limits of its own; the first one named decides."""
    found: dict[str, Lane] = {}
    for built in everybody(plan):
        found.setdefault(built.lane, Lane(built.lane, built.limits, time.monotonic))
    return found


def _models(plan: Plan) -> Iterator[tuple[str, str]]:
    named: dict[str, set[str]] = {}
    for built in everybody(plan):
        sends = sending(built.candidate)
        if sends is None:
            yield built.fingerprint, built.model
            named.setdefault(built.candidate.name if built.candidate else built.name, set()).add(built.model)
        elif built.model != sends.model:
            yield sends.lane, built.model
    # What has learnt has another fingerprint, and still its name.
    yield from ((name, next(iter(models))) for name, models in named.items() if len(models) == 1)


def _asks_inside(plan: Plan) -> bool:
    systems = any(entry.built.parts for entry in plan.entries)
    return systems or any(needed(one.scorer) for entry in plan.entries for one in entry.suite.prepared)


def _nothing(key: str) -> tuple[str, Response] | None:  # noqa: ARG001 - a plan without calls inside cells
    return None


class KnownCalls:
    """Answers of calls that were made inside cells, found in the store by their key.

    Keys are read once; answers come some hundreds at a time, since neighbours are asked for next.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._places: Mapping[str, int] | None = None
        self._ids: list[str] = []
        self._held: OrderedDict[str, Response] = OrderedDict()

    def __call__(self, key: str) -> tuple[str, Response] | None:
        """The call and its answer; None when no call inside a cell had this key and succeeded."""
        if self._places is None:
            self._read()
        place = (self._places or {}).get(key)
        if place is None:
            return None
        call_id = self._ids[place]
        if call_id not in self._held:
            self._fetch(place)
        found = self._held.get(call_id)
        return None if found is None else (call_id, found)

    def _read(self) -> None:
        with self._workspace.store.open(read_only=True) as connection:
            found = stored.inner_calls(connection)
        self._ids = [call_id for _, call_id in found]
        self._places = {key: place for place, (key, _) in enumerate(found)}

    def _fetch(self, place: int) -> None:
        with self._workspace.store.open(read_only=True) as connection:
            self._held.update(stored.responses(connection, self._ids[place : place + AT_ONCE]))
        while len(self._held) > REMEMBERED:
            self._held.popitem(last=False)
