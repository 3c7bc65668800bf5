"""A majority vote: of several members, or of several answers of one."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Response, Sample
from evalkit.systems._gates import parsed, said
from evalkit.systems._handing import FINAL, broken, handed, several, why
from evalkit.systems._parts import Parts, System, known_roles, ready

_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
_FINAL_ANSWER = re.compile(r"answer\s*(?:is|:)\s*(.+)", re.IGNORECASE)
TIES = ("first", "none")


def _casefold(response: Response) -> str:
    return re.sub(r"[^\w\s]+", "", " ".join(said(response).casefold().split())).strip()


def _number(response: Response) -> str:
    marked = _FINAL_ANSWER.findall(said(response))
    found = _NUMBER.findall(marked[-1] if marked else said(response))
    return f"{float(found[0 if marked else -1].replace(',', '')):.12g}" if found else _casefold(response)


def _line(response: Response) -> str:
    marked = _FINAL_ANSWER.findall(said(response))
    lines = marked or [line for line in said(response).splitlines() if line.strip()]
    return re.sub(r"[^\w\s]+$", "", " ".join(lines[-1].casefold().split())) if lines else ""


def _json(response: Response) -> str:
    try:
        value = parsed(response)
    except ValueError:
        return _casefold(response)
    return json.dumps(_told(value), sort_keys=True, ensure_ascii=False)


def _label(response: Response) -> str:
    try:
        value = parsed(response)
    except ValueError:
        return _casefold(response)
    label = value.get("label") if isinstance(value, Mapping) else value
    return str(label).strip().casefold()


def _told(value: Any) -> Any:
    """JSON in which case and spaces of texts, and 2 and 2.0, are alike; null and absent are the same."""
    if isinstance(value, Mapping):
        return {str(key): _told(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_told(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return " ".join(value.casefold().split()) if isinstance(value, str) else value


NORMALISERS: Mapping[str, Callable[[Response], str]] = {
    "strip": lambda response: said(response).strip(),
    "casefold": _casefold,
    "number": _number,
    "line": _line,
    "json": _json,
    "label": _label,
}


@dataclass(frozen=True)
class Vote(System):
    """Asks all `members` side by side and gives the answer that most of them give.

    `samples` = how often each member is asked: one member asked n times is self-consistency, which needs a temperature
    above 0. `normaliser` = when two answers are the same: strip, casefold (case, spaces and punctuation apart), number
    (the last number, or the first after "Answer:"), line (the last line, or what follows "Answer:"), json (equal
    objects), label (the JSON field `label`, else the words). `ties` = first (of the answers with most votes the one
    that was asked for first) or none (no answer, as a refusal). Failed members do not vote; with fewer than `quorum`
    answers the answer is a failure that names them.

    The output is that of the first member with the winning answer, word for word. `meta.route` = its `members[n]`,
    `meta.votes` = answer -> votes, `meta.agreement` = winning share, `meta.confidence` the same.
    """

    samples: int = 1
    normaliser: str = "casefold"
    ties: str = "first"
    quorum: int = 1
    kind: ClassVar[str] = "vote"

    def __post_init__(self) -> None:
        known_roles(self.parts, ("members",), needed=("members",))
        for name in ("samples", "quorum"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name}={value!r} must be a whole number from 1 on")
        voters = len(several(self.parts, "members", 1)) * self.samples
        if voters < 2 or self.quorum > voters:
            raise ValueError(f"{voters} answers are too few for a vote with quorum={self.quorum}: name more members")
        for name, known in (("normaliser", tuple(NORMALISERS)), ("ties", TIES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; known: {', '.join(known)}")

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Ask all, then count."""
        voters = [(n, part) for n, part in enumerate(several(self.parts, "members", 1)) for _ in range(self.samples)]
        answers = await asyncio.gather(*(ctx.ask(part, sample, stage=f"members[{n}]") for n, part in voters))
        failed = [f"members[{n}] {part.name}: {why(one)}" for (n, part), one in zip(voters, answers, strict=True)
                  if one.error is not None]  # fmt: skip
        final = next((one.error for one in answers if one.error is not None and one.error.kind in FINAL), None)
        if final is not None:
            return Response(error=final)
        if len(voters) - len(failed) < self.quorum:
            return broken(f"only {len(voters) - len(failed)} of {len(voters)} answered, {self.quorum} are needed: "
                          + "; ".join(failed), ErrorKind.PROVIDER)  # fmt: skip
        return self._counted(
            [(n, one) for (n, _), one in zip(voters, answers, strict=True) if one.error is None], failed
        )

    def _counted(self, answers: list[tuple[int, Response]], failed: list[str]) -> Response:
        normalise = NORMALISERS[self.normaliser]
        votes: dict[str, int] = {}
        first: dict[str, tuple[int, Response]] = {}
        for place, response in answers:
            key = normalise(response)
            votes[key] = votes.get(key, 0) + 1
            first.setdefault(key, (place, response))
        most = max(votes.values())
        leading = [key for key, count in votes.items() if count == most]
        share = most / len(answers)
        told = {"votes": votes, "agreement": share, "confidence": share, "failed": failed}
        if len(leading) > 1 and self.ties == "none":
            return Response(finish=Finish.REFUSAL, meta={**told, "tied": leading})
        place, response = first[leading[0]]
        return handed(response, route=f"members[{place}]", **told)


def make(parts: Parts, **options: Any) -> Candidate:
    """Role `members` (one or a list); options `samples`, `normaliser`, `ties`, `quorum`."""
    return ready(build(Vote, {"parts": parts, **options}))
