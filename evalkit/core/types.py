"""The nouns: what a suite, a candidate, an answer and a score are. Standard library only, frozen, no behaviour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.fold import Fold
from evalkit.core.ledger import Cell, Comparison, Difference, Entry, Estimate, Family, Mode, Outcome, Run, Suite
from evalkit.core.units import Usage

__all__ = [
    "Batches",
    "Blobs",
    "Candidate",
    "Cell",
    "Chat",
    "Closes",
    "Comparison",
    "Context",
    "Difference",
    "Entry",
    "Estimate",
    "Failure",
    "Family",
    "Fits",
    "FitsAsking",
    "Generation",
    "Given",
    "Kind",
    "LearnsFirst",
    "Message",
    "Metric",
    "Mode",
    "Outcome",
    "Request",
    "Response",
    "Row",
    "Run",
    "Sample",
    "Samples",
    "Score",
    "Scorer",
    "Sends",
    "Split",
    "Step",
    "Suite",
    "Tools",
]


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a data set.

    `input` holds the family's fields (text, messages, image, row, series...), JSON values and blob references only.
    `group` is the cluster for statistics (document, speaker, template); None means the sample itself.
    `checks` are scorer specs of this one sample.
    """

    id: str
    input: Mapping[str, Any]
    target: Any = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[str, ...] = ()


class Samples(Protocol):
    """A re-iterable, lazy collection of samples."""

    def __iter__(self) -> Iterator[Sample]: ...


@dataclass(frozen=True, slots=True)
class Given:
    """What a candidate may learn from; `id` is the content hash, `train` is re-iterable and lazy."""

    id: str
    train: Samples
    corpus: Samples | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """One division of a data set, the same for every candidate; ids are sorted."""

    id: str
    train_ids: tuple[str, ...]
    test_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """The exact request of a call: everything that decides the answer, and nothing else.

    `endpoint` = provider kind, URL and path. `body` = JSON; media stand in it as {"$blob": sha256, "type": media type}.
    """

    endpoint: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. `retry_after_s` is what the server asked for; `status` the HTTP status, if any."""

    kind: ErrorKind
    message: str
    retryable: bool = False
    retry_after_s: float | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One call inside a composed answer: a stage name and the key of the call that it made."""

    stage: str
    key: str
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. An error is data; `usage` is unit counts, never money.

    `output` is the answer as text or JSON, or a blob reference. `reasoning` (think blocks, summaries) is kept apart and
    never reaches a scorer as the answer. `seconds` and `first_token_s` are measured on the caller's monotonic clock.
    `model` is what the server said it was. `logprobs` is one number per answer token (natural log).
    """

    output: Any = None
    error: Failure | None = None
    finish: Finish | None = None
    usage: Usage = field(default_factory=dict)
    seconds: float | None = None
    first_token_s: float | None = None
    logprobs: tuple[float, ...] | None = None
    reasoning: str | None = None
    model: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    trace: tuple[Step, ...] = ()
    batch: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether this answer may be reused: success, refusal, content filter or truncation; never an error."""
        return self.error is None


class Blobs(Protocol):
    """Content-addressed files."""

    def put(self, data: bytes, media_type: str) -> Mapping[str, str]:
        """Store bytes; returns the reference {"$blob": sha256, "type": media type}."""

    def get(self, ref: str | Mapping[str, str]) -> bytes:
        """The bytes of a reference; raises KeyError when they are not there."""


class Context(Protocol):
    """The only way a room reaches another; built by `app` for one cell."""

    @property
    def repeat(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def blobs(self) -> Blobs: ...
    @property
    def sandbox(self) -> Any:
        """Where code from a model runs; raises MissingComponent where nothing isolates it."""

    def candidate(self, name: str) -> Candidate:
        """A candidate that the scorer named in `needs`; raises KeyError for another name."""

    async def ask(self, candidate: Candidate, sample: Sample, stage: str = "") -> Response:
        """Ask another candidate through the engine: keyed, cached, budgeted, traced."""

    def render(self, template: str, /, **variables: Any) -> str:
        """Render a prompt template in the sandbox; an undefined variable raises."""

    def money(self, response: Response) -> float | None:
        """What the response cost in US dollars by the run's price table; None when a price is unknown."""


@runtime_checkable
class Candidate(Protocol):
    """Anything that answers. `fingerprint` changes exactly when its answers may change."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Answer one sample; returns a Response with an error rather than raising."""


@runtime_checkable
class Sends(Protocol):
    """A candidate whose answer is one exact request: the engine keys, limits and retries it.

    `lane` names what limits are shared by (provider and account); `model` names the price.
    """

    @property
    def lane(self) -> str: ...
    @property
    def model(self) -> str: ...
    def request(self, sample: Sample, repeat: int) -> Request:
        """The exact request, without a side effect; raises ValueError for a sample that it cannot be made of."""

    async def send(self, request: Request) -> Response:
        """One attempt on the wire; every failure is a Response with an error."""


Message = Mapping[str, Any]
"""{"role": system|user|assistant|tool, "content": text or list of parts}; a part is {"type": "text", "text": ...},
{"type": "image", "image": blob reference} or {"type": "audio", "audio": blob reference}."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How an answer is to be generated; None leaves a parameter out of the request.

    `schema` = JSON Schema of the answer, `effort` = low|medium|high, `thinking_tokens` = budget, `logprobs` = ask for
    token log-probabilities, `cache_prompt` = mark the prompt for the provider's cache, `extra` = sent as it is.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: Mapping[str, Any] | None = None
    effort: str | None = None
    thinking_tokens: int | None = None
    logprobs: bool = False
    stream: bool = False
    cache_prompt: bool = False
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class Chat(Protocol):
    """A model behind a chat API. `fingerprint` covers endpoint and options, never a key."""

    @property
    def lane(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    def request(self, messages: Sequence[Message], generation: Generation) -> Request:
        """The exact request; pure."""

    async def send(self, request: Request) -> Response:
        """One attempt on the wire; every failure is a Response with an error."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What `app` hands to a provider: where relative paths start, blobs, rendering, secrets by environment name."""

    root: str
    blobs: Blobs
    render: Callable[[str, Mapping[str, Any]], str]
    secret: Callable[[str], str | None]


@runtime_checkable
class Fits(Protocol):
    """A candidate that learns: `fit` returns a new object and never changes this one."""

    def fit(self, given: Given, seed: int) -> Candidate: ...


@runtime_checkable
class FitsAsking(Protocol):
    """A candidate that asks others while it learns (embedding a corpus); a new object, never a changed one."""

    def fit_asking(self, given: Given, seed: int, ctx: Context) -> Awaitable[Candidate]: ...


@runtime_checkable
class LearnsFirst(Protocol):
    """A candidate that has yet to learn: whoever asks it has it learn first, outside the time of an answer."""

    def learn_first(self, ctx: Context) -> Awaitable[Candidate]:
        """Who has learnt; called again, the same one."""


@runtime_checkable
class Batches(Protocol):
    """A candidate that answers many samples at once; same length and order, an error per item."""

    def answer_batch(self, samples: Sequence[Sample], ctx: Context) -> Awaitable[list[Response]]: ...


@runtime_checkable
class Closes(Protocol):
    """A candidate that holds connections or processes; `close` is called once, at the end of a run."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One unit inside a response (a detection, an entity, a record): `unit` names it, `group` clusters it."""

    unit: str
    group: str | None = None
    value: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """One observation. `value` None = not scorable, with the `reason`; never NaN.

    `parts` are additive sufficient statistics (`Sums`) or columns (`Whole`). `answer` is what was extracted.
    """

    value: float | None
    parts: Mapping[str, float] = field(default_factory=dict)
    answer: str | None = None
    reason: str | None = None
    rows: tuple[Row, ...] = ()
    blob: str | None = None


Kind = Literal["mean01", "mean", "ratio", "corpus", "rank", "quantile"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A named number that a scorer emits.

    `kind` picks the interval (`mean01` = mean of 0/1, `ratio` = Sums num/den, `corpus` = other Sums, `rank` = AUC-like,
    `quantile`). `on_error` is the declared worst value, or "undefined" where no worst exists (RMSE, AUC).
    `primary` marks the number that sorts a leaderboard. `fresh_only` leaves cached calls out (latency). `ends` names
    two metrics of the same scorer that end its 95 % interval, where more was drawn than samples (raters, say).
    """

    name: str
    kind: Kind = "mean"
    higher_is_better: bool = True
    bounds: tuple[float | None, float | None] = (None, None)
    fold: Fold = Fold()
    on_error: float | Literal["undefined"] = 0.0
    unit: str = ""
    primary: bool = False
    fresh_only: bool = False
    ends: tuple[str, str] | None = None


class Scorer(Protocol):
    """A frozen dataclass whose fields are its options.

    `metrics` are the names it emits; the first is its main one. `version` rises when its numbers change; `libraries`
    are the packages whose versions belong to the signature. `heavy` scorers run in worker processes, with a context
    that has blobs, seed and repeat only. `takes` says when it is called: "one" with each answer at once; "repeats"
    after the run with the answers of all repeats of a sample; "pair" after the run with an answer and that of the
    candidate named by its field `against`. A scorer that asks others names them in `needs`, one that runs code says
    `needs_sandbox = True`, one that needs a program says in `unavailable()` why it cannot work here, or None.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]: ...
    @property
    def takes(self) -> Literal["one", "pair", "repeats"]: ...
    @property
    def version(self) -> int: ...
    @property
    def libraries(self) -> tuple[str, ...]: ...
    @property
    def heavy(self) -> bool: ...
    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Score by metric name; pure given the sample, the responses and the calls made through `ctx.ask`."""

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """What a failed answer to this sample counts as: the declared worst value and parts per metric."""
