"""A router that learns: a classifier says which part answers; below a confidence floor a default part does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from evalkit.core.capabilities import learns
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Candidate, Context, Given, Response, Sample
from evalkit.systems._handing import broken, handed, known_targets, words_of
from evalkit.systems._parts import Learner, Part, Parts, System, one_part, ready

CLASSIFIER = "classifier"


@dataclass(frozen=True)
class LearnedRouter(System):
    """Asks the part `classifier` for a route, then the part of that name; the other roles are the routes.

    The classifier is any candidate that answers with a label, `{"label", "probabilities"}` or `{"label",
    "confidence"}`: `tfidf_linear(probabilities=True)`, `nearest_centroid(probabilities=True)`, a zero-shot chat. One
    that learns is taught the routes of the training samples, which stand in `meta[field]`, else in the target's field
    of that name. It sees no target and no meta. `floor` = least confidence in 0..1; below it, or without a known route,
    the part `default` answers ("" = the likeliest route always answers, and an unknown one is a failure). An answer
    without a confidence counts as sure.

    The answer is the part's. `meta.route` = its role, `meta.likeliest` = what the classifier said, `meta.confidence`.
    A classifier that fails is the answer's failure.
    """

    field: str = "route"
    floor: float = 0.0
    default: str = ""
    kind: ClassVar[str] = "learned_router"

    def __post_init__(self) -> None:
        one_part(self.parts, CLASSIFIER)
        known_targets(self.parts, [("parts", role) for role in self.routes], apart=(CLASSIFIER,))
        if not self.routes:
            raise ValueError("parts: name a candidate for at least one route")
        if isinstance(self.floor, bool) or not isinstance(self.floor, (int, float)) or not 0 <= self.floor <= 1:
            raise ValueError(f"floor={self.floor!r} must be a number from 0 to 1")
        if self.default:
            known_targets(self.parts, [("default", self.default)], apart=(CLASSIFIER,))
        elif self.floor > 0:
            raise ValueError("a floor needs a default: the part that answers below it")

    @property
    def routes(self) -> tuple[str, ...]:
        """The roles that answer."""
        return tuple(role for role in self.parts if role != CLASSIFIER)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Classify, then ask."""
        asked = Sample(sample.id, _seen(sample))
        said = await ctx.ask(one_part(self.parts, CLASSIFIER), asked, stage=CLASSIFIER)
        if said.error is not None:
            return Response(error=said.error)
        label, sure = _verdict(said.output)
        known = label in self.routes
        if not known and not self.default:
            return broken(f"the classifier said {label!r}, which is no route; routes: {', '.join(self.routes)}")
        role = str(label) if known and sure >= self.floor else self.default or str(label)
        response = await ctx.ask(one_part(self.parts, role), sample, stage=role)
        return handed(response, route=role, likeliest=label, confidence=sure)


@dataclass(frozen=True)
class Untaught(Learner):
    """A learned router before it has learnt: the classifier from routes, the other parts from what is there."""

    system: LearnedRouter

    async def fit_asking(self, given: Given, seed: int, ctx: Context) -> Candidate:
        """Teach the classifier the routes, and let every other part learn. Raises ValueError without routes."""
        parts = dict(self.system.parts)
        classifier = one_part(parts, CLASSIFIER)
        if learns(classifier):
            lessons = _Only({CLASSIFIER: classifier})
            taught = await Learner(lessons).fit_asking(_routes(given, self.system.field), seed, ctx)
            parts[CLASSIFIER] = _one(taught)
        others = {role: part for role, part in parts.items() if role != CLASSIFIER}
        fitted: Any = await Learner(_Only(others)).fit_asking(given, seed, ctx)
        return replace(self.system, parts={**fitted.parts, CLASSIFIER: parts[CLASSIFIER]})


@dataclass(frozen=True)
class _Only(System):
    """Some parts by themselves, to be fitted."""

    kind: ClassVar[str] = "learned_router"


def _one(taught: Any) -> Part:
    part: Part = taught.parts[CLASSIFIER]
    return part


def _seen(sample: Sample) -> dict[str, Any]:
    """What a classifier may see: the input, with its words in the field `text`."""
    return {**sample.input, "text": words_of(sample)}


def _routes(given: Given, field: str) -> Given:
    lessons = []
    for sample in given.train:
        inside = sample.target if isinstance(sample.target, Mapping) else {}
        route = sample.meta.get(field, inside.get(field))
        if isinstance(route, str):
            lessons.append(Sample(sample.id, _seen(sample), route, sample.group))
    if not lessons:
        raise ValueError(f"no training sample has a route in meta.{field} or in the target's field {field}")
    return Given(digest(["routes", field, given.id]), lessons)


def _verdict(output: Any) -> tuple[Any, float]:
    """The label of a classifier's answer, and how sure it is (1 where it does not say)."""
    value = output
    if isinstance(output, str):
        try:
            value = json.loads(output)
        except ValueError:
            value = output.strip()
    if not isinstance(value, Mapping):
        return value, 1.0
    label = value.get("label", value.get("route"))
    chances = value.get("probabilities")
    sure = value.get("confidence", chances.get(label) if isinstance(chances, Mapping) else None)
    return label, float(sure) if isinstance(sure, (int, float)) and not isinstance(sure, bool) else 1.0


def make(parts: Parts, **options: Any) -> Candidate:
    """Part `classifier` and parts by route; options `field`, `floor`, `default`."""
    made = build(LearnedRouter, {"parts": parts, **options})
    found = ready(made)
    return Untaught(made) if isinstance(found, Learner) else found
