"""What systems share: naming themselves by their parts, parts that learn, and looking a part up by its role."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from evalkit.core.capabilities import fitting, fitting_by_asking, learns
from evalkit.core.errors import ErrorKind
from evalkit.core.keys import digest
from evalkit.core.types import Candidate, Context, Failure, Given, Response, Sample

Part = Candidate | tuple[Candidate, ...]
Parts = Mapping[str, Part]


@dataclass(frozen=True)
class System:
    """Base of systems: `parts` by role, and options as further fields of the frozen dataclass.

    `kind` is the part's name in the registry, `version` rises when its answers change.
    """

    parts: Parts
    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """The part's name."""
        return self.kind

    @property
    def fingerprint(self) -> str:
        """Hash of kind, version, options and the fingerprints of the parts."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name != "parts"}
        inside = {role: [one.fingerprint for one in members(part)] for role, part in self.parts.items()}
        return digest(["system", self.kind, self.version, options, inside])

    def with_parts(self, parts: Parts) -> Self:
        """The same system made of other parts."""
        return replace(self, parts=parts)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Answer one sample by asking parts through `ctx.ask`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Learner:
    """A system with parts that learn: fitting it fits them and gives the same system made of the fitted ones."""

    system: System

    @property
    def name(self) -> str:
        """The system's name."""
        return self.system.name

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the system with unfitted parts; what it learns from stands in the key of its answers."""
        return self.system.fingerprint

    async def answer(self, sample: Sample, ctx: Context) -> Response:  # noqa: ARG002 - the contract's arguments
        """A failure: nothing has been learnt."""
        message = f"{self.name} has learnt nothing: give the suite a `dataset.split` or a `dataset.corpus`"
        return Response(error=Failure(ErrorKind.CANDIDATE, message))

    async def fit_asking(self, given: Given, seed: int, ctx: Context) -> Candidate:
        """Fit the parts that learn, one after the other."""
        fitted: dict[str, Part] = {}
        for role, part in self.system.parts.items():
            many = [await _fitted(one, given, seed, ctx) for one in members(part)]
            fitted[role] = tuple(many) if isinstance(part, tuple) else many[0]
        return self.system.with_parts(fitted)


def ready(system: System) -> Candidate:
    """The system as a candidate: one that learns where a part of it does."""
    return Learner(system) if any(learns(one) for part in system.parts.values() for one in members(part)) else system


def members(part: Part) -> tuple[Candidate, ...]:
    """The candidates of a role, one or many."""
    return part if isinstance(part, tuple) else (part,)


def one_part(parts: Parts, role: str) -> Candidate:
    """The only candidate of a role. Raises ValueError naming the role when it is absent or a list."""
    part = parts.get(role)
    if part is None or isinstance(part, tuple):
        raise ValueError(f"parts: {role} must name one candidate")
    return part


def known_roles(parts: Parts, roles: Iterable[str], *, needed: Iterable[str] = ()) -> None:
    """Raise ValueError for a role that the system does not know, or that is missing."""
    allowed = tuple(roles)
    for role in parts:
        if role not in allowed:
            raise ValueError(f"parts: there is no role {role!r}; known: {', '.join(allowed)}")
    for role in needed:
        if role not in parts:
            raise ValueError(f"parts: {role} is missing")


async def _fitted(candidate: Candidate, given: Given, seed: int, ctx: Context) -> Candidate:
    asking: Any = fitting_by_asking(candidate)
    if asking is not None:
        found: Candidate = await asking.fit_asking(given, seed, ctx)
        return found
    learner = fitting(candidate)
    return candidate if learner is None else await asyncio.to_thread(learner.fit, given, seed)
