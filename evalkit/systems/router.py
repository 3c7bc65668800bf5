"""A router by rules: the first rule that fits a sample's input says which part answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Response, Sample
from evalkit.systems._handing import handed, known_targets
from evalkit.systems._needs import Test, condition
from evalkit.systems._parts import Parts, System, one_part, ready


@dataclass(frozen=True)
class Router(System):
    """Asks the part of the first rule that fits, else the part `default`; the roles are the routes, freely named.

    `rules` = list of `{when: ..., to: role}`. `when` is a regular expression, or conditions that must all hold:
    `regex`, `words`, `min_length`, `max_length` (characters), `has` (code, digits, question, url, tools, media),
    `language`, `not`. It sees the sample's input only, never tags, target or meta.

    The answer is the part's. `meta.route` = its role, `meta.rule` = the place of the rule from 1 on (0 = default).
    Raises ValueError for a rule that cannot be read or names no part.
    """

    rules: tuple[Mapping[str, Any], ...] = ()
    default: str = ""
    kind: ClassVar[str] = "router"
    _tests: tuple[tuple[Test, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.rules, tuple) or not all(_is_rule(rule) for rule in self.rules):
            raise ValueError("rules must be a list of {when: ..., to: role}")
        named = [(f"rules[{n}].to", str(rule["to"])) for n, rule in enumerate(self.rules)]
        known_targets(self.parts, [*named, ("default", self.default)])
        tests = tuple((condition(f"rules[{n}].when", r["when"]), str(r["to"])) for n, r in enumerate(self.rules))
        object.__setattr__(self, "_tests", tests)

    def route(self, sample: Sample) -> tuple[str, int]:
        """The role that answers a sample, and the place of the rule that says so (0 = none fits)."""
        for place, (test, role) in enumerate(self._tests, 1):
            if test(sample):
                return role, place
        return self.default, 0

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Choose and ask."""
        role, place = self.route(sample)
        response = await ctx.ask(one_part(self.parts, role), sample, stage=role)
        return handed(response, route=role, rule=place)


def _is_rule(rule: Any) -> bool:
    return isinstance(rule, Mapping) and set(rule) == {"when", "to"}


def make(parts: Parts, **options: Any) -> Candidate:
    """Parts by route; options `rules` and `default`. Raises ValueError naming the known ones."""
    return ready(build(Router, {"parts": parts, **options}))
