"""Whether the answer is JSON that a JSON Schema accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from evalkit.core.errors import MissingComponent
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._answers import answer_json, answer_text, shown, written
from evalkit.scorers._base import OneAnswer, trouble, unscorable

_METRICS = (Metric("json_valid", kind="mean01", bounds=(0.0, 1.0), primary=True),)


@dataclass(frozen=True, slots=True)
class JsonValid(OneAnswer):
    """1 when the answer is JSON and the schema accepts it, else 0 with the first objection.

    `schema` = JSON Schema (draft by its $schema, else 2020-12; a remote $ref is never fetched); without it
    `sample.meta["schema"]`, else any JSON. `strict` refuses JSON inside a fenced code block. Needs no target.
    """

    schema: Mapping[str, Any] | bool | None = None
    strict: bool = False
    libraries: ClassVar[tuple[str, ...]] = ("jsonschema",)

    def __post_init__(self) -> None:
        if self.schema is not None:
            _validator(written(self.schema))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`json_valid`, a rate."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Parse and validate; an answer that is not JSON is invalid, no answer at all is not scorable."""
        text, missing = answer_text(response)
        if text is None:
            return unscorable(_METRICS, missing)
        value, reason = answer_json(response, strict=self.strict)
        if reason is None:
            reason = self._objection(sample, value)
        return {"json_valid": Score(0.0 if reason else 1.0, answer=shown(text), reason=reason)}

    def problem(self, sample: Sample) -> str | None:
        """A schema of the sample that is none."""
        return trouble(self._check, sample)

    def _check(self, sample: Sample) -> Any:
        schema = self.schema if self.schema is not None else sample.meta.get("schema")
        return None if schema is None else _validator(written(schema))

    def _objection(self, sample: Sample, value: Any) -> str | None:
        check = self._check(sample)
        if check is None:
            return None
        from referencing.exceptions import Unresolvable

        try:
            found = list(check.iter_errors(value))
        except Unresolvable as error:
            raise ValueError(f"the JSON Schema has a $ref that leads nowhere here (none is fetched): {error}") from None
        objections = sorted(found, key=lambda e: (len(e.absolute_path), e.json_path, e.message))
        return f"{objections[0].json_path}: {objections[0].message[:300]}" if objections else None


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    try:
        import jsonschema
        from referencing import Registry
    except ImportError:
        raise MissingComponent("json_valid needs jsonschema: pip install jsonschema") from None
    parsed = json.loads(schema)
    kind = jsonschema.validators.validator_for(parsed, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(parsed)
    except jsonschema.SchemaError as error:
        raise ValueError(f"the JSON Schema is wrong at {error.json_path}: {error.message[:300]}") from None
    # An empty registry instead of the default one, which would fetch a remote $ref over the network.
    return kind(parsed, registry=Registry())


def make(**options: Any) -> JsonValid:
    """Build from options; raises ValueError naming the known ones and for a schema that is none."""
    return build(JsonValid, options)
