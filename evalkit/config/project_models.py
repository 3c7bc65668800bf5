"""The models behind evalkit.yaml: candidates, providers, prices and defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from evalkit.config._check import Strict
from evalkit.config.parts import Generation, Name, RateLimits, ShortForm, SpecText, Words, thaw
from evalkit.core.errors import did_you_mean
from evalkit.core.units import UNITS

_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_URL = r"^https?://\S+$"
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text) if _ISO.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise ValueError(f"{text!r} is not a day like 2025-06-30")
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(_VARIABLE, text):
        # What stands here may be the key itself, so it is not shown.
        raise ValueError("write the name of the variable that holds the key, such as OPENAI_API_KEY")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(_URL, text):
        raise ValueError(f"{text!r:.80} is no address; write http://... or https://...")
    return text


def _usd(value: Any) -> float | dict[str, float]:
    if isinstance(value, Mapping) and value:
        return {_unit(unit): _amount(amount) for unit, amount in value.items()}
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0:
        return 0.0
    raise ValueError("write {unit: US dollars}, or 0 where every unit is free")


def _unit(unit: str) -> str:
    if unit not in UNITS:
        raise ValueError(f"there is no unit {unit!r}; {did_you_mean(unit, UNITS) or 'known: ' + ', '.join(UNITS)}")
    return unit


def _amount(amount: Any) -> float:
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or amount < 0:
        raise ValueError(f"a price is a number of at least 0, not {amount!r}")
    return float(amount)


Variable = Annotated[str, AfterValidator(_variable), WithJsonSchema({"type": "string", "pattern": _VARIABLE})]
Url = Annotated[str, AfterValidator(_url), WithJsonSchema({"type": "string", "pattern": _URL})]

_USD_SCHEMA = {
    "anyOf": [
        {"const": 0},
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {unit: {"type": "number", "minimum": 0} for unit in UNITS},
        },
    ]
}


def _names(value: Any) -> str | tuple[str, ...]:
    many = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not many or not all(isinstance(one, str) and one for one in many):
        raise ValueError("write the name of a candidate, or a list of names")
    return many if isinstance(value, (list, tuple)) else str(value)


_NAME_SCHEMA = {"type": "string", "minLength": 1}
PartNames = Annotated[
    Any,
    PlainValidator(_names),
    WithJsonSchema({"anyOf": [_NAME_SCHEMA, {"type": "array", "items": _NAME_SCHEMA, "minItems": 1}]}),
]


class Open(Strict):
    """A model that hands the keys it does not know on to a part, which knows its own options."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        """The part's own options, as written."""
        return {key: thaw(value) for key, value in (self.__pydantic_extra__ or {}).items()}


class Candidate(Open, ShortForm):
    """Anything that answers: a model of a provider, or a baseline; or its short form as one text."""

    model_config = ConfigDict(extra="allow")

    spec: str | None = Field(default=None, min_length=1, description="provider/model, or a baseline with its options.")
    provider: str | None = Field(default=None, min_length=1, description="A provider, or a name under `providers`.")
    model: str | None = Field(default=None, min_length=1, description="The model's name as the provider knows it.")
    baseline: SpecText | None = Field(default=None, description="A baseline, as in tfidf_linear(c=1.0).")
    system: str | None = Field(default=None, min_length=1, description="A candidate made of candidates: router, rag...")
    parts: dict[str, PartNames] = Field(
        default={}, description="What a system is made of: role -> a candidate, or a list of them."
    )
    prompt: str | None = Field(
        default=None, min_length=1, description="Ask with this prompt of a suite's `prompts` only."
    )
    generation: Generation = Field(default=Generation(), description="Goes before the suite's generation parameters.")
    description: str = Field(default="", description="What this candidate is.")

    short: ClassVar[tuple[str, str]] = ("spec", "string")

    @model_validator(mode="after")
    def _one_kind(self) -> Candidate:
        if sum(value is not None for value in (self.spec, self.provider, self.baseline, self.system)) != 1:
            raise ValueError("write exactly one of `provider`, `baseline`, `system` and `spec`")
        if self.parts and self.system is None:
            raise ValueError("`parts` belong to a `system`")
        if self.model is not None and self.provider is None:
            raise ValueError("`model` needs a `provider`")
        if self.baseline is not None and self.options:
            raise ValueError("a baseline's options stand in its spec, as in tfidf_linear(c=1.0)")
        return self


class Provider(Open):
    """What all candidates of a provider share; a new name with `provider:` is the same part under other options."""

    provider: str | None = Field(
        default=None, min_length=1, description="The part behind this name; default: the name."
    )
    base_url: Url | None = Field(default=None, description="Where the API is.")
    api_key_env: Variable | None = Field(default=None, description="Name of the variable that holds the key.")
    limits: RateLimits = Field(default=RateLimits(), description="Rates that all its candidates share.")


class Price(Strict):
    """What some models cost, from one source on one date."""

    model: Words = Field(min_length=1, description="Model names or patterns (*, ?, [...]); the most specific one wins.")
    usd: Annotated[float | dict[str, float], PlainValidator(_usd), WithJsonSchema(_USD_SCHEMA)] = Field(
        description="Unit -> US dollars; 0 alone: every unit is free."
    )
    per: float | None = Field(
        default=None, gt=0, description="Units per price; default: 1e6 for tokens and characters, else 1."
    )
    above_prompt_tokens: int = Field(default=0, ge=0, description="Holds for calls with more prompt tokens than this.")
    batch: bool = Field(default=False, description="Holds for batch calls.")
    source: str = Field(default="evalkit.yaml", min_length=1, description="Where this price is published.")
    dated: Annotated[str, AfterValidator(_day)] = Field(description="The day on which it was read there.")


class Defaults(Strict):
    """What a run uses where neither the command line nor the suite says otherwise."""

    store: str = Field(default=".evalkit", min_length=1, description="Folder of the store, relative to evalkit.yaml.")
    reports: str = Field(default="reports", min_length=1, description="Folder of the report, relative to evalkit.yaml.")
    confirm_above_usd: float = Field(default=1.0, ge=0, description="Ask before a run estimated to cost more.")
    concurrency: int | None = Field(
        default=None, ge=1, le=10_000, description="Most calls in flight over all providers."
    )
    timeout_s: float = Field(default=120.0, gt=0, le=86_400, description="Longest wait for one call, in seconds.")
    retries: int = Field(default=5, ge=0, le=100, description="How often a failed call is tried again.")
    workers: int | None = Field(
        default=None, ge=1, le=1024, description="Worker processes for heavy scoring; default: by the CPU."
    )


class ProjectModel(Strict):
    """The project file: who can be asked, through whom, at what price."""

    candidates: dict[Name, Candidate] = Field(default={}, description="Name -> candidate.")
    providers: dict[Name, Provider] = Field(default={}, description="Name -> what its candidates share.")
    prices: tuple[Price, ...] = Field(default=(), description="Prices that go before the bundled table.")
    defaults: Defaults = Field(default=Defaults(), description="Where nothing else is said.")
    roots: tuple[str, ...] = Field(default=(), description="More folders that suites may read files from.")
