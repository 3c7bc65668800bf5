"""What routers and their like share: the words of a sample, and handing on what a part answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure, Response, Sample
from evalkit.systems._parts import Parts, members

WORDED = ("text", "query", "question", "prompt", "instruction")
_OWN = ("stages", "route", "escalated")
FINAL = (ErrorKind.BUDGET, ErrorKind.CANCELLED)
"""Failures after which asking another part is pointless: nothing more may be asked in this run."""


def words_of(sample: Sample) -> str:
    """What a sample says: its text, query, question, prompt or instruction, else its last user message; "" for none."""
    for field in WORDED:
        value = sample.input.get(field)
        if isinstance(value, str):
            return value
    messages = sample.input.get("messages")
    said = [one for one in messages if _is_user(one)] if isinstance(messages, Sequence) else []
    return _content(said[-1].get("content")) if said else ""


def _is_user(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "user"


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else ()
    return "\n".join(part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str))


def handed(response: Response, **told: Any) -> Response:
    """A part's answer as the system's own, with what the system says of it in `meta`.

    Output, finish, reasoning, tool calls and log-probabilities are the part's. Usage is empty and time unmeasured: the
    engine counts each call where it was made, and measures the system from outside.
    """
    kept = {name: value for name, value in response.meta.items() if name not in _OWN}
    return replace(response, usage={}, seconds=None, first_token_s=None, trace=(), batch=None, meta={**kept, **told})


def broken(message: str, kind: ErrorKind = ErrorKind.CANDIDATE, **told: Any) -> Response:
    """A failure of the system itself."""
    return Response(error=Failure(kind, message), meta=told)


def why(response: Response) -> str:
    """Why a part did not answer, in a few words."""
    assert response.error is not None
    return f"{response.error.kind.value}: {response.error.message}"


def several(parts: Parts, role: str, least: int) -> tuple[Any, ...]:
    """The candidates of a role that takes a list. Raises ValueError when there are fewer than `least`."""
    found = members(parts[role]) if role in parts else ()
    if len(found) < least:
        raise ValueError(f"parts: {role} must name at least {least} candidate{'s' if least > 1 else ''}")
    return found


def known_targets(parts: Parts, named: Iterable[tuple[str, str]], *, apart: Iterable[str] = ()) -> None:
    """Raise ValueError for a (place, role) whose role has no part, or holds a list."""
    roles = [role for role in parts if role not in set(apart)]
    for place, role in named:
        if role not in roles:
            raise ValueError(f"{place}: there is no part {role!r}; parts: {', '.join(roles) or 'none'}")
        if isinstance(parts[role], tuple):
            raise ValueError(f"parts: {role} must name one candidate")  # noqa: TRY004 - a wrong option
