"""Models that suites and the project file share: specs, texts, generation parameters and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from evalkit.config._check import Strict
from evalkit.core.spec import Spec
from evalkit.core.types import Generation as GenerationNoun

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$"
SEED_MAX = 2**63 - 1


def _name(text: str) -> str:
    if re.fullmatch(NAME, text) is None:
        raise ValueError(f"{text!r:.60} is not a name: letters, digits and '-', '_', '+', '.', at most 100, no blanks")
    return text


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME})]
"""What a suite, a candidate or a prompt may be called."""


class OneOrMany:
    """Annotation: a single item may stand for a list of one, in files and in the JSON Schema."""

    @staticmethod
    def wrap(value: Any) -> Any:
        """A tuple of the value, unless it is one already."""
        return value if isinstance(value, tuple) else (value,)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(OneOrMany.wrap), OneOrMany()]
"""One word or a list of words."""


def thaw(value: Any) -> Any:
    """JSON values with lists for tuples, as other libraries expect them."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    return [thaw(item) for item in value] if isinstance(value, (list, tuple)) else value


def spec_text(value: Any) -> str:
    """The canonical short form of a part, from `name`, `name@k(option=value)` or {name: {option: value}}.

    Raises ValueError that says what is wrong.
    """
    if isinstance(value, str):
        return str(Spec.parse(value))
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError("write name, name(option=value) or {name: {option: value}}")
    ((head, options),) = value.items()
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"the options of {head!r} must be a mapping, as in {{{head}: {{option: value}}}}")
    parsed = Spec.parse(head)
    text = str(Spec(parsed.name, parsed.at, {**parsed.options, **thaw(options or {})}))
    Spec.parse(text)
    return text


_SPEC_SCHEMA = {
    "anyOf": [
        {"type": "string", "examples": ["exact_match", "numeric(tolerance=0.01)", "ndcg@10"]},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {"type": ["object", "null"]},
        },
    ]
}
SpecText = Annotated[str, BeforeValidator(spec_text), WithJsonSchema(_SPEC_SCHEMA)]
"""A part in its canonical short form."""


class ShortForm(Strict):
    """A model that may also be written as one plain value, which then stands for its main field."""

    short: ClassVar[tuple[str, str]]
    """The main field's name in YAML, and the JSON type of the plain value."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if value is None or isinstance(value, (Mapping, Strict)):
            return value
        return {cls.short[0]: value}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": cls.short[1]}, handler(core)]}


class Text(ShortForm):
    """A prompt text: written here, or {file: path} relative to this file."""

    text: str | None = Field(default=None, description="The text itself, a Jinja2 template.")
    file: str | None = Field(default=None, min_length=1, description="A UTF-8 text file, relative to this file.")

    short: ClassVar[tuple[str, str]] = ("text", "string")

    @model_validator(mode="after")
    def _one(self) -> Text:
        if (self.text is None) == (self.file is None):
            raise ValueError("write the text, or {file: path}")
        return self


class Part(Text):
    """One piece of a message: text, a text file, an image or an audio clip (a field of the sample's input)."""

    image: str | None = Field(default=None, description="A template that gives an image, as in '{{ image }}'.")
    audio: str | None = Field(default=None, description="A template that gives an audio clip, as in '{{ audio }}'.")

    @model_validator(mode="after")
    def _one(self) -> Part:
        if sum(value is not None for value in (self.text, self.file, self.image, self.audio)) != 1:
            raise ValueError("write exactly one of text, file, image, audio")
        return self


class Generation(Strict):
    """How an answer is generated; what is left out is left out of the request."""

    temperature: float | None = Field(default=None, ge=0, le=2, description="Sampling temperature, 0 to 2.")
    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000, description="The longest answer, in tokens.")
    top_p: float | None = Field(default=None, gt=0, le=1, description="Nucleus sampling, above 0 to 1.")
    stop: Words = Field(default=(), max_length=16, description="Texts that end the answer: one, or a list of up to 16.")
    seed: int | None = Field(
        default=None, ge=0, le=SEED_MAX, description="The provider's sampling seed; the repeat is added to it."
    )
    logprobs: bool = Field(default=False, description="Ask for the log-probability of each answer token.")
    stream: bool = Field(default=False, description="Stream the answer: measures the time to the first token.")
    cache_prompt: bool = Field(default=False, description="Mark the prompt for the provider's prompt cache.")
    effort: Literal["low", "medium", "high"] | None = Field(default=None, description="Reasoning effort.")
    thinking_tokens: int | None = Field(default=None, ge=1, le=10_000_000, description="Budget of thinking, in tokens.")
    extra: dict[str, Any] = Field(default={}, description="More request fields, sent as they are.")

    def over(self, base: Generation) -> Generation:
        """These parameters where they are written, those of `base` elsewhere; `extra` is merged key by key."""
        written = {name: getattr(self, name) for name in self.model_fields_set}
        extra = {**base.extra, **self.extra}
        return base.model_copy(update={**written, **({"extra": extra} if extra else {})})

    def noun(self, schema: Mapping[str, Any] | None = None) -> GenerationNoun:
        """The core noun; `schema` is the response schema of the task."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "extra"}
        return GenerationNoun(**values, schema=thaw(schema), extra=thaw(self.extra))

    def material(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON values for hashing."""
        return self.model_dump(mode="json", exclude_defaults=True)


class RateLimits(Strict):
    """How fast a provider may be asked."""

    requests_per_minute: float | None = Field(default=None, gt=0, description="Most requests in a minute.")
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="Most tokens in a minute, prompt and answer together."
    )
    concurrency: int | None = Field(
        default=None, ge=1, le=10_000, description="Most calls in flight; default: found while running."
    )


class Limits(RateLimits):
    """Where a run of this suite stops, and how patient it is."""

    budget_usd: float | None = Field(
        default=None, ge=0, description="Most money for this suite in one run, in US dollars."
    )
    budget_tokens: float | None = Field(default=None, ge=0, description="Most tokens for this suite in one run.")
    max_seconds: float | None = Field(
        default=None, gt=0, description="Most wall time for this suite in one run, in seconds."
    )
    timeout_s: float | None = Field(default=None, gt=0, le=86_400, description="Longest wait for one call, in seconds.")
    max_error_rate: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Share of cells that may fail by provider, scorer or judge before the run is invalid.",
    )
    retries: int | None = Field(default=None, ge=0, le=100, description="How often a failed call is tried again.")


_SECRET = re.compile(r"(^|[_-])(api_?key|access_?token|auth_?token|secret|password|authorization)$", re.IGNORECASE)


def secret_paths(value: Any, path: str = "") -> list[str]:
    """Dotted paths of literal secrets; a value that only names a variable (`{{ ... }}`, `${...}`) is none."""
    if isinstance(value, Mapping):
        found = []
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            literal = isinstance(item, str) and "{{" not in item and "${" not in item
            found += [here] if literal and _SECRET.search(str(key).replace("-", "_")) else secret_paths(item, here)
        return found
    if isinstance(value, (list, tuple)):
        return [found for index, item in enumerate(value) for found in secret_paths(item, f"{path}[{index}]")]
    return []
