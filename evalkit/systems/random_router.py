"""The router that looks at nothing: it draws a part by fixed shares. What every other router has to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Response, Sample
from evalkit.systems._handing import handed, known_targets
from evalkit.systems._parts import Parts, System, one_part, ready


@dataclass(frozen=True)
class RandomRouter(System):
    """Asks one part per sample, drawn by hash of (seed, sample id, repeat); the roles are the routes, freely named.

    `shares` = role -> weight above 0 (default: all alike). The answer is the part's, `meta.route` its role.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    kind: ClassVar[str] = "random_router"

    def __post_init__(self) -> None:
        if not isinstance(self.shares, Mapping):
            raise ValueError("shares must be role: weight")  # noqa: TRY004 - a wrong option is a ValueError
        known_targets(self.parts, [(f"shares.{role}", role) for role in self.shares])
        known_targets(self.parts, [("parts", role) for role in self.parts])
        for role, share in self.shares.items():
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < float("inf"):
                raise ValueError(f"shares.{role}={share!r} must be a number above 0")
        if not self.parts:
            raise ValueError("parts: name at least one candidate")

    def route(self, sample: Sample, repeat: int) -> str:
        """The role that is drawn for a sample."""
        shares = dict(self.shares) or dict.fromkeys(self.parts, 1.0)
        drawn = hashlib.sha256(f"{self.seed}\x1f{sample.id}\x1f{repeat}".encode("utf-8", "surrogatepass")).digest()
        left = int.from_bytes(drawn[:7], "big") / (1 << 56) * sum(shares.values())
        roles = sorted(shares)
        for role in roles[:-1]:
            left -= shares[role]
            if left < 0:
                return role
        return roles[-1]

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Draw and ask."""
        role = self.route(sample, ctx.repeat)
        return handed(await ctx.ask(one_part(self.parts, role), sample, stage=role), route=role)


def make(parts: Parts, **options: Any) -> Candidate:
    """Parts by route; options `shares` and `seed`. Raises ValueError naming the known ones."""
    return ready(build(RandomRouter, {"parts": parts, **options}))
