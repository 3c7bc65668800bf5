"""Rerankers behind Cohere's `/v2/rerank`, which many servers speak, and behind TEI's `/rerank`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.core.errors import Finish
from evalkit.core.options import build
from evalkit.core.types import Request, Response, Sample, Tools
from evalkit.providers._endpoint import Endpoint, EndpointCandidate, endpoint
from evalkit.providers._options import one_of
from evalkit.providers._wire import Malformed
from evalkit.providers.embeddings import counted, posted

_APIS = {"cohere": "/v2/rerank", "tei": "/rerank"}


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the `rerank` provider.

    `base_url` = the server's address without the path; a server on this machine needs no key. `api` = cohere (also
    Jina, Voyage and vLLM, with another `path`) or tei (Text Embeddings Inference; its model is not sent). `top_n` =
    how many documents get a score (cohere; None: all). `headers` as for `openai`; `timeout_s` > 0 per attempt. `extra`
    = more fields of the body, such as truncate for tei.
    """

    base_url: str = "https://api.cohere.com"
    api_key_env: str | None = "COHERE_API_KEY"
    api: str = "cohere"
    path: str | None = None
    top_n: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("api", self.api, tuple(_APIS))
        if self.path is not None and not self.path.startswith("/"):
            raise ValueError(f"option 'path' must start with '/'; got {self.path!r}")
        if self.top_n is not None and (type(self.top_n) is not int or self.top_n < 1 or self.api == "tei"):
            raise ValueError(f"option 'top_n' must be a whole number from 1 on, and tei has none; got {self.top_n!r}")


class Rerank(EndpointCandidate):
    """Sends a query with documents and answers with how relevant each is.

    Reads `query` and `documents` (a list of texts) of a sample's input; the output is `{"scores": [...]}` in the order
    of the documents, null for one that the server left out.
    """

    def __init__(self, tools: Tools, place: Endpoint, options: Options) -> None:
        super().__init__(tools, place, options.timeout_s)
        self.options = options

    def request(self, sample: Sample, repeat: int) -> Request:  # noqa: ARG002 - the protocol's signature
        """The body. Raises ValueError for a sample without a query or without documents."""
        query, documents = sample.input.get("query"), sample.input.get("documents")
        if not isinstance(query, str) or not query.strip():
            raise ValueError(f"sample {sample.id!r} has no `query` to rank for")
        if not isinstance(documents, (list, tuple)) or not documents or not all(isinstance(d, str) for d in documents):
            raise ValueError(f"sample {sample.id!r} has no `documents`, a list of texts, to rank")
        if self.options.api == "tei":
            return Request(
                self.place.identity.endpoint, {**self.options.extra, "query": query, "texts": list(documents)}
            )
        top = {} if self.options.top_n is None else {"top_n": self.options.top_n}
        body = {**self.options.extra, "model": self.model, "query": query, "documents": list(documents), **top}
        return Request(self.place.identity.endpoint, body)

    async def call(self, body: Mapping[str, Any], started: float) -> Response:
        """Send query and documents and read the scores."""
        said = await posted(self, body)
        tei = self.options.api == "tei"
        results = said if tei else said.get("results") if isinstance(said, Mapping) else None
        count = len(body["texts" if tei else "documents"])
        scores = _scores(results, "score" if tei else "relevance_score", count)
        if None in scores and self.options.top_n is None:
            raise Malformed(f"{count} documents were sent and {count - scores.count(None)} scores came back")
        usage = {"requests": 1.0, **({} if tei else _tokens(said))}
        seconds = time.monotonic() - started
        return Response(output={"scores": scores}, finish=Finish.STOP, usage=usage, seconds=seconds)


def _scores(results: Any, name: str, count: int) -> list[float | None]:
    if not isinstance(results, list) or not all(isinstance(result, Mapping) for result in results):
        raise Malformed("the reply has no list of results")
    scores: list[float | None] = [None] * count
    for result in results:
        place, score = result.get("index"), result.get(name)
        if type(place) is not int or not 0 <= place < count or scores[place] is not None:
            raise Malformed(f"the reply ranks document {place!r:.40}, where 0 to {count - 1} were sent, each once")
        if type(score) not in (float, int) or not math.isfinite(score):
            raise Malformed(f"the {name} of document {place} is {score!r:.40}; a finite number is needed")
        scores[place] = float(score)
    return scores


def _tokens(said: Mapping[str, Any]) -> dict[str, float]:
    """Input tokens where the server counts them: `meta.tokens` (Cohere), `usage.total_tokens` (the others)."""
    meta, usage = said.get("meta"), said.get("usage")
    inner = meta.get("tokens") if isinstance(meta, Mapping) else None
    told = inner.get("input_tokens") if isinstance(inner, Mapping) else None
    if told is None and isinstance(usage, Mapping):
        told = usage.get("total_tokens")
    return counted(told)


def make(tools: Tools, model: str | None, **options: Any) -> Rerank:
    """A reranker. Raises ValueError for wrong options and a missing key."""
    if not model:
        raise ValueError("rerank needs a model, as in rerank/rerank-v3.5")
    chosen = build(Options, options)
    settings = {name: getattr(chosen, name) for name in ("api", "top_n", "extra")}
    path = chosen.path or _APIS[chosen.api]
    return Rerank(tools, endpoint(tools, "rerank", path, model=model, options=chosen, settings=settings), chosen)
