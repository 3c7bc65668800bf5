"""The models behind a suite file: every key, its bounds and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from evalkit.config._check import Strict
from evalkit.config.parts import SEED_MAX, Generation, Limits, Name, OneOrMany, Part, ShortForm, SpecText, Text, Words


def _columns(value: Any) -> Any:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, Mapping) and value:
        return {key: _columns(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and value:
        return tuple(_columns(item) for item in value)
    raise ValueError("write a column's name, a list of names, or {field: column}")


Columns = Annotated[
    Any,
    PlainValidator(_columns),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "object"}]},
    ),
]
"""A column, a list of columns, or a mapping of names to columns."""


class Fields(Strict):
    """Which columns of a record become which part of a sample; a dotted name reaches into nested JSON."""

    id: str | None = Field(default=None, min_length=1, description="Column of the sample id.")
    input: Columns = Field(default=None, description="The input: {field of the family: column}, `*` for all columns.")
    target: Columns = Field(default=None, description="The right answer: a column, or {part: column}.")
    group: str | None = Field(
        default=None, min_length=1, description="Column of the cluster for statistics: document, speaker, template."
    )
    tags: Columns = Field(default=None, description="Columns whose values become tags, as `column:value`.")
    meta: Columns = Field(default=None, description="Columns kept beside the sample, for slices and reading.")
    checks: str | None = Field(
        default=None, min_length=1, description="Column with scorer specs that hold for one sample only."
    )


_SPLIT_KEYS = {
    "kfold": {"k", "grouped", "seed"},
    "holdout": {"test_share", "grouped", "seed"},
    "given": {"field"},
    "time": {"field", "test_share"},
}


class Split(Strict):
    """How a dataset is divided into what candidates learn from and what they are asked."""

    kind: Literal["kfold", "holdout", "given", "time"] = Field(
        description="kfold: k parts, each asked once. holdout: one part is asked. given: a field says which. "
        "time: the past is learnt from, the last part is asked."
    )
    k: int = Field(default=5, ge=2, le=100, description="kfold: the number of parts.")
    test_share: float = Field(default=0.2, gt=0, lt=1, description="holdout, time: the share that is asked.")
    field: str | None = Field(
        default=None,
        min_length=1,
        description="given: where `train` or `test` stands. time: what orders samples. meta.x, or a tag prefix.",
    )
    grouped: bool = Field(default=True, description="kfold, holdout: samples of one group never stand on both sides.")
    seed: int = Field(default=0, ge=0, le=SEED_MAX, description="kfold, holdout: which sample falls into which part.")

    @model_validator(mode="after")
    def _needs(self) -> Split:
        if "field" in _SPLIT_KEYS[self.kind] and self.field is None:
            raise ValueError(f"a split of kind {self.kind} needs `field`")
        for name in type(self).model_fields:
            if name in self.model_fields_set - {"kind"} - _SPLIT_KEYS[self.kind]:
                raise ValueError(f"`{name}` has no meaning for a split of kind {self.kind}")
        return self


class Records(ShortForm):
    """Where records come from; a plain path is enough for .jsonl, .csv, .tsv, .parquet and folders."""

    path: str | None = Field(default=None, min_length=1, description="File or folder, relative to this file.")
    source: str | None = Field(
        default=None, description="Kind of source: jsonl, csv, parquet, folder, sql, hub; default: by the path."
    )
    options: dict[str, Any] = Field(
        default={}, description="The source's own options, such as {query: ...} or {revision: ...}."
    )
    fields: Fields = Field(
        default=Fields(), description="Which column holds what; default: columns named as the parts."
    )
    filter: str | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        description='Which records count, as in `lang == "en" and level > 2`.',
    )

    short: ClassVar[tuple[str, str]] = ("path", "string")

    @model_validator(mode="after")
    def _findable(self) -> Records:
        if self.path is None and self.source is None:
            raise ValueError("needs a `path`, or a `source` with its options")
        return self


class Dataset(Records):
    """Where the samples come from; a plain path is enough for .jsonl, .csv, .tsv, .parquet and folders."""

    limit: int | None = Field(
        default=None, ge=1, description="Ask this many samples, the first in hash order of (seed, id)."
    )
    stratify: str | None = Field(
        default=None,
        min_length=1,
        description="What a limit keeps the shares of: target, group, input.x, meta.x or a tag prefix.",
    )
    split: Split | None = Field(default=None, description="Only for candidates that learn.")
    card: str | None = Field(default=None, min_length=1, description="card.yaml: source, licence, how made, limits.")
    corpus: Records | None = Field(
        default=None, description="What candidates search in or learn from beside the samples: passages, documents."
    )

    @model_validator(mode="after")
    def _limited(self) -> Dataset:
        if self.stratify is not None and self.limit is None:
            raise ValueError("`stratify` has no meaning without `limit`")
        return self


class Message(Strict):
    """One message of a conversation that is sent with every sample."""

    role: Literal["system", "user", "assistant", "tool"] = Field(description="Who speaks.")
    content: Annotated[tuple[Part, ...], BeforeValidator(OneOrMany.wrap), OneOrMany()] = Field(
        min_length=1, description="Text, {file: path}, or a list of parts (text, file, image, audio)."
    )


class Asking(Strict):
    """What is said to a model."""

    system: Text | None = Field(default=None, description="The system prompt.")
    prompt: Text | None = Field(
        default=None, description="The user prompt, a Jinja2 template over the sample's input fields."
    )
    messages: tuple[Message, ...] = Field(default=(), description="A whole conversation instead of `prompt`.")
    image: str | None = Field(default=None, description="Shown with the prompt, as in '{{ image }}'.")
    audio: str | None = Field(default=None, description="Played with the prompt, as in '{{ audio }}'.")

    @model_validator(mode="after")
    def _one_way(self) -> Asking:
        if self.prompt is not None and self.messages:
            raise ValueError("give `prompt` or `messages`, not both")
        if self.messages and not any(message.role == "user" for message in self.messages):
            raise ValueError("`messages` needs a message of role user")
        return self


class Prompt(Asking, ShortForm):
    """A named prompt of the matrix; what it leaves out is taken from the task."""

    candidates: tuple[str, ...] = Field(
        default=(), description="Only these candidates are asked with it; default: all."
    )

    short: ClassVar[tuple[str, str]] = ("prompt", "string")

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        file = {"type": "string", "description": "A UTF-8 text file, relative to this file."}
        short = {"type": "object", "properties": {"file": file}, "required": ["file"], "additionalProperties": False}
        return {"anyOf": [{"type": "string"}, short, handler(core)]}

    @model_validator(mode="after")
    def _asks(self) -> Prompt:
        if self.prompt is None and not self.messages:
            raise ValueError("needs a `prompt` or `messages`")
        return self

    @model_validator(mode="before")
    @classmethod
    def _file(cls, value: Any) -> Any:
        return {"prompt": value} if isinstance(value, Mapping) and "file" in value else value


class Shots(ShortForm):
    """Few-shot examples, drawn by hash order of (seed, id); never the asked sample nor one of its group."""

    count: int = Field(ge=0, le=1000, description="How many examples.")
    seed: int = Field(default=0, ge=0, le=SEED_MAX, description="Which examples.")
    source: str | None = Field(
        default=None, alias="from", description="The part of the split they come from, such as train."
    )

    short: ClassVar[tuple[str, str]] = ("count", "integer")


class Task(Asking):
    """The task: what is said, examples, the form of the answer, and how it is generated."""

    prompts: dict[Name, Prompt] = Field(
        default={}, description="Named prompts: each candidate is asked with each of them."
    )
    shots: Shots | None = Field(default=None, description="Few-shot examples: a number, or {count, seed, from}.")
    response_schema: dict[str, Any] | None = Field(
        default=None, alias="schema", description="JSON Schema of the answer, written here or as {file: path}."
    )
    generation: Generation = Field(default=Generation(), description="Generation parameters for every candidate.")
    extract: str | None = Field(
        default=None, min_length=1, description="How the answer is taken out of the output, as in last_number."
    )

    @model_validator(mode="after")
    def _matrix(self) -> Task:
        if self.prompts and (self.prompt is not None or self.messages):
            raise ValueError("give `prompts`, or a single `prompt` or `messages`, not both")
        return self


class Gate(Strict):
    """What must hold of a candidate against its baseline, or by itself; judged by the gate command, not by a run."""

    metric: str = Field(min_length=1, description="The metric's name, as the leaderboard shows it.")
    mode: Literal["regression", "noninferiority", "superiority", "equivalence", "no_regression", "threshold"] = Field(
        default="regression", description="Which claim is tested; threshold needs no baseline."
    )
    margin: float | None = Field(
        default=None, ge=0, description="The drop that still counts as equal, in units of the metric, >= 0."
    )
    relative: bool = Field(default=False, description="The margin is a share of the baseline's value.")
    floor: float | None = Field(
        default=None, description="threshold: the worst value allowed, in the metric's own direction."
    )
    slice: str | None = Field(default=None, min_length=1, description="Judge this slice only, as in `topic:billing`.")
    veto: bool = Field(default=False, description="A failure here blocks whatever the other gates say.")
    description: str = Field(default="", description="Why this gate is here.")

    @model_validator(mode="after")
    def _fits(self) -> Gate:
        if (self.mode == "threshold") != (self.floor is not None):
            raise ValueError("`floor` and `mode: threshold` belong together")
        if self.margin is not None and self.mode in ("superiority", "no_regression", "threshold"):
            raise ValueError(f"a gate of mode {self.mode} takes no margin")
        if self.mode == "equivalence" and self.margin == 0:
            raise ValueError("equivalence needs a margin above 0")
        if self.relative and self.margin is None:
            raise ValueError("`relative` has no meaning without `margin`")
        return self


class Demo(Strict):
    """What a demonstration asks of this suite: few samples, some candidates; never a result to be quoted."""

    limit: int | None = Field(default=None, ge=1, description="Ask this many samples, the first in hash order.")
    candidates: tuple[str, ...] = Field(default=(), description="Who is asked; default: the suite's candidates.")
    skip: bool = Field(default=False, description="This suite is no part of a demonstration.")


class SuiteModel(Strict):
    """A suite: what good means for one task on one dataset."""

    name: Name | None = Field(default=None, description="Default: the file's name without its ending.")
    description: str = Field(default="", description="What this suite measures and for whom.")
    family: str = Field(min_length=1, description="The kind of model: generalist, tabular...")
    dataset: Dataset = Field(description="Where the samples come from.")
    task: Task = Field(default=Task(), description="What candidates are asked to do.")
    scorers: tuple[SpecText, ...] = Field(
        default=(), description="How answers are scored, as in numeric(tolerance=0.01)."
    )
    primary: str | None = Field(
        default=None, min_length=1, description="The metric that sorts the leaderboard; default: the first."
    )
    repeats: int = Field(default=1, ge=1, le=10_000, description="How often each candidate is asked about each sample.")
    seed: int = Field(
        default=0, ge=0, le=SEED_MAX, description="Decides the order and sampling of samples, and every resampling."
    )
    slices: Words = Field(
        default=(), description="Tag prefixes: `topic` gives every tag `topic:...` results of its own."
    )
    limits: Limits = Field(default=Limits(), description="Budgets, rates and patience of a run.")
    candidates: tuple[str, ...] = Field(
        default=(), description="Run by default: names from evalkit.yaml, provider/model, baselines."
    )
    demo: Demo = Field(default=Demo(), description="What `run --demo` asks.")
    gates: tuple[Gate, ...] = Field(default=(), description="What the gate command judges.")

    @field_validator("scorers", "candidates", "slices")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, item in enumerate(value):
            if item in value[:index]:
                raise ValueError(f"{item!r} stands twice")
        return value
