"""Claims files: who is said to reach what, by which protocol, and where that is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from evalkit.config._check import Strict, problem_at, validate
from evalkit.config._files import shown
from evalkit.config._yaml import Document, read
from evalkit.core.errors import Problem

Words = Annotated[str, Field(min_length=1, max_length=2000)]


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError(f"{value!r} is no day: write it as 2026-03-01") from None


class Protocol(Strict):
    """How the claimed number was measured, as far as it is known."""

    prompt: Words | None = Field(default=None, description="Name, hash or text of the prompt.")
    shots: int | None = Field(default=None, ge=0, description="How many examples stood in the prompt.")
    extraction: Words | None = Field(
        default=None, description="How the answer was taken out of the output, as in last_number; `none` = all of it."
    )
    normaliser: Words | None = Field(default=None, description="What was made equal before comparing, as in squad.")
    reasoning: Words | int | None = Field(default=None, description="Effort (low, medium, high) or a budget in tokens.")
    temperature: float | None = Field(default=None, ge=0, description="The temperature of generation.")
    repeats: int | None = Field(default=None, ge=1, description="How often each sample was asked.")
    dataset: Words | None = Field(default=None, description="Version, revision or hash of the data.")


class Shared(Strict):
    """What claims may share: who, suite, metric, source, day, tolerance, protocol."""

    who: Words | None = Field(default=None, description="Who it is about: a candidate's name.")
    suite: Words | None = Field(default=None, description="The own suite that tests it, by its name.")
    metric: Words | None = Field(default=None, description="The metric's name, as the leaderboard shows it.")
    source: Words | None = Field(default=None, description="Where the claim is written.")
    date: Annotated[str, AfterValidator(_day)] | None = Field(default=None, description="The day of the source.")
    tolerance: float | None = Field(
        default=None, gt=0, description="What still counts as the claimed value, in the metric's own scale."
    )
    protocol: Protocol | None = Field(default=None, description="How it was measured.")


class Claim(Shared):
    """One claim: `who` reaches `value`, or `who` beats another candidate."""

    value: float | None = Field(
        default=None, description="The claimed value, in the metric's own scale: 0.87, not 87 %."
    )
    slice: Words | None = Field(default=None, description="A slice of the suite, as in lang:de; default: all samples.")
    interval: tuple[float, float] | None = Field(default=None, description="The claim's own 95 % interval.")
    se: float | None = Field(default=None, ge=0, description="The claim's own standard error.")
    n: int | None = Field(default=None, ge=1, description="How many samples the claim stands on.")
    beats: Words | None = Field(default=None, description="The candidate that `who` is said to beat.")
    by: float | None = Field(default=None, ge=0, description="beats: by at least this much; default: 0.")
    description: str = Field(default="", description="The claim in words.")

    @model_validator(mode="after")
    def _one_claim(self) -> Claim:
        if (self.value is None) == (self.beats is None):
            raise ValueError("needs either `value` or `beats`")
        for name in ("interval", "se", "n", "tolerance"):
            if self.beats is not None and getattr(self, name) is not None:
                raise ValueError(f"`{name}` has no meaning for a claim of rank")
        if self.by is not None and self.beats is None:
            raise ValueError("`by` has no meaning without `beats`")
        if self.beats is not None and self.beats == self.who:
            raise ValueError("nobody beats himself: `who` and `beats` are the same")
        if self.interval is not None and self.value is not None:
            low, high = self.interval
            if not low <= self.value <= high:
                raise ValueError(f"the value {self.value:g} lies outside its own interval [{low:g}, {high:g}]")
        return self


class ClaimsModel(Strict):
    """Claims to be checked against one's own data."""

    defaults: Shared = Field(default=Shared(), description="What holds for every claim that says nothing else.")
    claims: tuple[Claim, ...] = Field(min_length=1, description="The claims.")


_NEEDED = ("who", "suite", "metric")


@dataclass(frozen=True, slots=True)
class Stated:
    """A claim with the defaults put in, and the line that it begins on."""

    claim: Claim
    place: int
    file: str
    line: int | None

    @property
    def who(self) -> str:
        """The candidate that it is about."""
        return str(self.claim.who)

    @property
    def protocol(self) -> Protocol:
        """How it was measured, as far as stated."""
        return self.claim.protocol or Protocol()

    def problem(self, message: str, hint: str | None = None) -> Problem:
        """Something wrong in this claim, at its line."""
        return Problem(f"claims[{self.place}]: {message}", self.file, self.line, hint)


@dataclass(frozen=True, slots=True)
class ClaimsFile:
    """A claims file: what it states, or everything that is wrong in it."""

    stated: tuple[Stated, ...]
    problems: tuple[Problem, ...]


def load_claims(path: Path) -> ClaimsFile:
    """Read a claims file. Never raises for what is in it; `problems` has all of it, each with its line."""
    document = read(path, shown(path))
    model, problems = validate(ClaimsModel, document)
    if model is None:
        return ClaimsFile((), tuple(problems))
    stated = tuple(
        Stated(_filled(claim, model.defaults), place, document.file, document.line(f"claims[{place}]"))
        for place, claim in enumerate(model.claims)
    )
    return ClaimsFile(stated, tuple(_wrong(document, stated)))


def _filled(claim: Claim, shared: Shared) -> Claim:
    given: dict[str, Any] = {
        name: getattr(shared, name)
        for name in Shared.model_fields
        if name != "protocol" and getattr(claim, name) is None and not (name == "tolerance" and claim.beats is not None)
    }
    return claim.model_copy(update={**given, "protocol": _protocol(claim.protocol, shared.protocol)})


def _protocol(own: Protocol | None, shared: Protocol | None) -> Protocol:
    both: Mapping[str, Any] = {
        **(shared.model_dump(exclude_none=True) if shared else {}),
        **(own.model_dump(exclude_none=True) if own else {}),
    }
    return Protocol(**both)


def _wrong(document: Document, stated: tuple[Stated, ...]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for one in stated:
        where = f"claims[{one.place}]"
        for name in _NEEDED:
            if getattr(one.claim, name) is None:
                yield problem_at(document, where, f"`{name}` is needed", "write it here or under `defaults`")
        if one.claim.beats is not None and one.claim.beats == one.claim.who:
            yield problem_at(document, where, "nobody beats himself: `who` and `beats` are the same")
        about = one.claim.model_dump_json(exclude={"source", "date", "description"})
        if about in seen:
            yield problem_at(document, where, f"says the same as claims[{seen[about]}]", "each claim is tested once")
        seen.setdefault(about, one.place)
