"""A router by capabilities: the cheapest part that can do what a sample needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Response, Sample
from evalkit.systems._handing import broken, handed, known_targets, words_of
from evalkit.systems._needs import LANGUAGES, MEDIA, language, media
from evalkit.systems._parts import Parts, System, one_part, ready

_KNOWN = ("cost", "languages", "max_length", "media", "tools", "fields")


@dataclass(frozen=True)
class CapabilityRouter(System):
    """Asks the cheapest part that can, of parts that say what they can; the roles are the routes, freely named.

    `can` = role -> `{cost, languages, max_length, media, tools, fields}`; each part needs an entry. `cost` = any number
    that orders the parts (default 0; equal ones in the order of their names). `languages` = two-letter codes (absent:
    all; a text whose language cannot be told fits all). `max_length` in characters. `media` = kinds it reads (image,
    audio, video, file; default none). `tools: true` = it can call tools. `fields` = input fields that must be there.

    The answer is the part's, `meta.route` its role. When none can, the answer is a failure that says for each what it
    lacks. Raises ValueError for a declaration that cannot be read.
    """

    can: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kind: ClassVar[str] = "capability_router"

    def __post_init__(self) -> None:
        if not isinstance(self.can, Mapping):
            raise ValueError("can must be role: capabilities")  # noqa: TRY004 - a wrong option is a ValueError
        known_targets(self.parts, [(f"can.{role}", role) for role in self.can])
        missing = [role for role in self.parts if role not in self.can]
        if missing or not self.parts:
            raise ValueError(f"can: say what {missing[0]} can" if missing else "parts: name at least one candidate")
        for role, said in self.can.items():
            _check(f"can.{role}", said)

    def route(self, sample: Sample) -> tuple[str | None, dict[str, str]]:
        """The role that answers, None when none can; and what the cheaper ones lack."""
        lacking: dict[str, str] = {}
        for role in sorted(self.can, key=lambda role: (self.can[role].get("cost", 0), role)):
            lack = _lack(self.can[role], sample)
            if lack is None:
                return role, lacking
            lacking[role] = lack
        return None, lacking

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Choose and ask."""
        role, lacking = self.route(sample)
        if role is None:
            told = "; ".join(f"{name}: {lack}" for name, lack in lacking.items())
            return broken(f"no part can answer this: {told}")
        response = await ctx.ask(one_part(self.parts, role), sample, stage=role)
        return handed(response, route=role, lacking=lacking)


def _check(place: str, said: Any) -> None:
    if not isinstance(said, Mapping):
        raise ValueError(f"{place} must be capabilities ({', '.join(_KNOWN)})")  # noqa: TRY004 - a wrong option
    for name in said:
        if name not in _KNOWN:
            raise ValueError(f"{place}.{name}: unknown capability; known: {', '.join(_KNOWN)}")
    for name, known in (("languages", LANGUAGES), ("media", MEDIA), ("fields", None)):
        _check_list(f"{place}.{name}", said.get(name, []), known)
    for name in ("cost", "max_length"):
        value = said.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise ValueError(f"{place}.{name}={value!r} must be a number of at least 0")
    if not isinstance(said.get("tools", False), bool):
        raise ValueError(f"{place}.tools must be true or false")  # noqa: TRY004 - a wrong option


def _check_list(place: str, value: Any, known: tuple[str, ...] | None) -> None:
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{place} must be a list of names")
    strange = [one for one in value if known is not None and one not in known]
    if strange:
        raise ValueError(f"{place}: {strange[0]!r} is unknown; known: {', '.join(known or ())}")


def _lack(can: Mapping[str, Any], sample: Sample) -> str | None:
    """What a part lacks for a sample, or None."""
    text = words_of(sample)
    most = can.get("max_length")
    if most is not None and len(text) > most:
        return f"{len(text)} characters are more than {most}"
    spoken = language(text) if "languages" in can else None
    if spoken is not None and spoken not in can["languages"]:
        return f"the language {spoken}"
    unread = sorted(media(sample) - set(can.get("media", ())))
    if unread:
        return f"reading {', '.join(unread)}"
    if sample.input.get("tools") and not can.get("tools", False):
        return "calling tools"
    absent = [name for name in can.get("fields", ()) if name not in sample.input]
    return f"an input field {absent[0]}" if absent else None


def make(parts: Parts, **options: Any) -> Candidate:
    """Parts by route; option `can`. Raises ValueError naming the known ones."""
    return ready(build(CapabilityRouter, {"parts": parts, **options}))
