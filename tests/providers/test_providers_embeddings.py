"""Embedding and rerank endpoints over real sockets: exact bodies, both encodings, and every way to fail."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Candidate, Closes, Sample, Sends, Tools
from evalkit.providers import embeddings, rerank

KEY = "sk-test-that-nobody-may-see"
CTX = SimpleNamespace(repeat=0)
TOOLS = Tools(root="/", blobs=None, render=None, secret={"OPENAI_API_KEY": KEY, "COHERE_API_KEY": KEY}.get)


@asynccontextmanager
async def serving(handle):
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


def asked(handle, sample, *, provider=embeddings, base="/v1", **options):
    """The response of one call, and what the server saw: method, path, headers, JSON body."""
    seen = []

    async def noting(request):
        seen.append((request.method, request.path, dict(request.headers), await request.json()))
        return await handle(request)

    async def run():
        async with serving(noting) as url:
            candidate = provider.make(TOOLS, "some-model", base_url=url + base, **options)
            try:
                return await candidate.answer(sample, CTX)
            finally:
                await candidate.close()

    return asyncio.run(run()), seen


def replying(value, status=200, headers=None):
    async def handle(request):
        if isinstance(value, str):
            return web.Response(text=value, status=status, headers=headers)
        return web.json_response(value, status=status, headers=headers)

    return handle


def packed(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def reply(*vectors, **more):
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "data": data, "model": "some-model-2", "usage": usage, **more}


TEXTS = Sample("s", {"texts": ["first", "second"]})


def test_texts_are_sent_together():
    response, seen = asked(replying(reply([1.0, 0.5], [0.25, -2])), TEXTS)
    ((method, path, headers, body),) = seen
    assert (method, path) == ("POST", "/v1/embeddings")
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == "application/json"
    assert body == {"input": ["first", "second"], "model": "some-model", "encoding_format": "float"}
    assert response.output == {"vectors": [packed(1.0, 0.5), packed(0.25, -2)], "dimensions": 2}
    assert response.usage == {"requests": 1.0, "input_tokens": 7.0}
    assert response.finish is Finish.STOP
    assert response.model == "some-model-2"
    assert response.seconds > 0


def test_base64_and_dimensions_and_more_fields():
    options = {"encoding": "base64", "dimensions": 3, "extra": {"user": "me"}}
    response, seen = asked(replying(reply(packed(1, 2, 3))), Sample("s", {"query": "one"}), **options)
    assert seen[0][3] == {"input": ["one"], "model": "some-model", "encoding_format": "base64", "dimensions": 3, "user": "me"}  # fmt: skip
    assert response.output == {"vectors": [packed(1, 2, 3)], "dimensions": 3}


def test_numbers_where_base64_was_asked_for_and_vectors_out_of_order():
    swapped = reply([1, 0], [0, 1])
    swapped["data"].reverse()
    response, _ = asked(replying(swapped), TEXTS, encoding="base64")
    assert response.output["vectors"] == [packed(1, 0), packed(0, 1)]
    unnumbered = {"data": [{"embedding": [1, 0]}, {"embedding": [0, 1]}]}
    response, _ = asked(replying(unnumbered), TEXTS)
    assert response.output["vectors"] == [packed(1, 0), packed(0, 1)]
    assert response.usage == {"requests": 1.0}
    assert response.model is None


MALFORMED = {
    "no JSON": ("<html>", "not JSON"),
    "no data": ({"vectors": []}, "no `data`"),
    "one too few": (reply([1, 0]), "2 texts were sent and 1 vectors came back"),
    "numbered twice": ({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}, "numbered [0, 0]"),
    "no vector": (reply([1, 0], None), "text 1 has no vector"),
    "words": (reply([1, 0], ["a"]), "text 1 has no vector"),
    "other dimensions": (reply([1, 0], [1, 0, 0]), "text 1 has 3 dimensions instead of 2"),
    "NaN": (json.dumps(reply([1, 0], [float("nan"), 0])), "text 1 holds NaN"),
    "infinity": (json.dumps(reply([1, 0], [float("inf"), 0])), "text 1 holds NaN or infinity"),
    "too large": (reply([1, 0], [1e300, 0]), "text 1 cannot be read"),
    "NaN in base64": (reply([1, 0], packed(float("nan"), 1)), "text 1 holds NaN"),
    "zeros": (reply([1, 0], [0, 0.0]), "text 1 is zero"),
    "empty": (reply([], []), "text 0 is empty"),
    "broken base64": (reply([1, 0], "%%%"), "text 1 cannot be read"),
    "half a number": (reply([1, 0], base64.b64encode(b"abcdef").decode()), "text 1 cannot be read"),
    "a list": ([1], "no `data`"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_replies_that_break_the_promise(name):
    value, words = MALFORMED[name]
    response, _ = asked(replying(value), TEXTS)
    assert response.error.kind is ErrorKind.MALFORMED
    assert words in response.error.message
    assert response.output is None


def test_dimensions_that_were_not_asked_for():
    response, _ = asked(replying(reply([1, 0], [0, 1])), TEXTS, dimensions=3)
    assert "text 0 has 2 dimensions instead of 3" in response.error.message


STATUSES = {
    401: (ErrorKind.AUTH, False, None),
    404: (ErrorKind.UNKNOWN_MODEL, False, None),
    400: (ErrorKind.BAD_REQUEST, False, None),
    429: (ErrorKind.RATE_LIMITED, True, 3.0),
    500: (ErrorKind.PROVIDER, True, None),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("provider", [embeddings, rerank])
def test_refusals_are_typed_and_hold_no_key(provider, status):
    kind, retryable, wait = STATUSES[status]
    said = {"error": {"message": f"no such model, key {KEY}", "type": "x"}}
    headers = {"Retry-After": "3"} if status == 429 else None
    sample = Sample("s", {"texts": ["a"], "query": "a", "documents": ["b"]})
    response, _ = asked(replying(said, status, headers), sample, provider=provider)
    assert (response.error.kind, response.error.retryable, response.error.retry_after_s) == (kind, retryable, wait)
    assert response.error.status == status
    assert KEY not in response.error.message


@pytest.mark.parametrize("provider", [embeddings, rerank])
def test_a_server_that_is_not_there(provider):
    candidate = provider.make(TOOLS, "m", base_url="http://127.0.0.1:9")
    sample = Sample("s", {"text": "a", "query": "a", "documents": ["b"]})

    async def ask():
        try:
            return await candidate.answer(sample, CTX)
        finally:
            await candidate.close()

    response = asyncio.run(ask())
    assert response.error.kind is ErrorKind.CONNECTION


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"row": 1}, "no `texts`, `text` or `query`"),
        ({"texts": []}, "no `texts`"),
        ({"texts": ["a", 3]}, "no `texts`"),
        ({"texts": "a text"}, "no `texts`"),
        ({"texts": ["a", "  "]}, "text 1 is empty"),
    ],
)
def test_samples_without_a_text(fields, words):
    response, seen = asked(replying({}), Sample("s9", fields))
    assert response.error.kind is ErrorKind.BAD_REQUEST
    assert words in response.error.message
    assert "'s9'" in response.error.message
    assert seen == []


def test_it_is_a_candidate_whose_requests_are_keys():
    make = lambda **options: embeddings.make(TOOLS, "m", base_url="http://127.0.0.1:9/v1", **options)  # noqa: E731
    one = make()
    assert isinstance(one, Candidate)
    assert isinstance(one, Sends)
    assert isinstance(one, Closes)
    prints = {make(**options).fingerprint for options in ({}, {"dimensions": 2}, {"encoding": "base64"}, {"extra": {"a": 1}}, {"timeout_s": 9})}  # fmt: skip
    assert len(prints) == 4, "how long we wait changes no answer"
    assert one.request(TEXTS, 0) == make().request(TEXTS, 0)
    assert KEY not in str(one.request(TEXTS, 0))


DOCUMENTS = Sample("s", {"query": "which?", "documents": ["one", "two", "three"]})


def test_cohere_reranks():
    results = [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.4}, {"index": 1, "relevance_score": 0}]  # fmt: skip
    said = {
        "id": "x",
        "results": results,
        "meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 12}},
    }
    response, seen = asked(replying(said), DOCUMENTS, provider=rerank, base="")
    ((method, path, headers, body),) = seen
    assert (method, path) == ("POST", "/v2/rerank")
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {"model": "some-model", "query": "which?", "documents": ["one", "two", "three"]}
    assert response.output == {"scores": [0.4, 0.0, 0.9]}
    assert response.usage == {"requests": 1.0, "input_tokens": 12.0}


def test_another_path_and_top_n():
    said = {"results": [{"index": 1, "relevance_score": 3}], "usage": {"total_tokens": 5}}
    response, seen = asked(replying(said), DOCUMENTS, provider=rerank, base="", path="/v1/rerank", top_n=1)
    assert seen[0][1] == "/v1/rerank"
    assert seen[0][3]["top_n"] == 1
    assert response.output == {"scores": [None, 3.0, None]}
    assert response.usage == {"requests": 1.0, "input_tokens": 5.0}


def test_tei_reranks():
    said = [{"index": 1, "score": 0.9}, {"index": 2, "score": -4}, {"index": 0, "score": 0.1}]
    options = {"api": "tei", "api_key_env": None, "extra": {"truncate": True}}
    response, seen = asked(replying(said), DOCUMENTS, provider=rerank, base="", **options)
    ((_, path, headers, body),) = seen
    assert path == "/rerank"
    assert "Authorization" not in headers
    assert body == {"query": "which?", "texts": ["one", "two", "three"], "truncate": True}
    assert response.output == {"scores": [0.1, 0.9, -4.0]}
    assert response.usage == {"requests": 1.0}


def ranked(*pairs):
    return {"results": [{"index": index, "relevance_score": score} for index, score in pairs]}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("prose", "not JSON"),
        ({"documents": []}, "no list of results"),
        ({"results": [1]}, "no list of results"),
        (ranked((0, 1), (1, 1)), "3 documents were sent and 2 scores came back"),
        (ranked((0, 1), (1, 1), (3, 1)), "ranks document 3, where 0 to 2"),
        (ranked((0, 1), (0, 1), (1, 1)), "ranks document 0"),
        (ranked(("0", 1)), "ranks document '0'"),
        (ranked((True, 1)), "ranks document True"),
        (ranked((0, None)), "document 0 is None"),
        (ranked((0, "high")), "document 0 is 'high'"),
        (json.dumps(ranked((0, float("nan")))), "document 0 is nan"),
    ],
)
def test_reranks_that_break_the_promise(said, words):
    response, _ = asked(replying(said), DOCUMENTS, provider=rerank, base="")
    assert response.error.kind is ErrorKind.MALFORMED
    assert words in response.error.message


@pytest.mark.parametrize("fields", [{}, {"query": " ", "documents": ["a"]}, {"query": "a"}, {"query": "a", "documents": []}, {"query": "a", "documents": [1]}])  # fmt: skip
def test_nothing_to_rerank(fields):
    response, seen = asked(replying({}), Sample("s9", fields), provider=rerank)
    assert response.error.kind is ErrorKind.BAD_REQUEST
    assert "'s9'" in response.error.message
    assert seen == []


@pytest.mark.parametrize(
    ("provider", "options", "words"),
    [
        (embeddings, {"encoding": "hex"}, "encoding"),
        (embeddings, {"dimensions": 0}, "dimensions"),
        (embeddings, {"timeout_s": 0}, "timeout_s"),
        (embeddings, {"model_name": "x"}, "unknown option"),
        (rerank, {"api": "voyage"}, "cohere, tei"),
        (rerank, {"path": "v1/rerank"}, "must start with '/'"),
        (rerank, {"top_n": 0}, "top_n"),
        (rerank, {"api": "tei", "top_n": 3}, "tei has none"),
    ],
)
def test_wrong_options(provider, options, words):
    with pytest.raises(ValueError, match=words):
        provider.make(TOOLS, "m", base_url="http://127.0.0.1:9", **options)


@pytest.mark.parametrize("provider", [embeddings, rerank])
def test_a_model_and_a_key_are_needed(provider):
    with pytest.raises(ValueError, match="needs a model"):
        provider.make(TOOLS, None)
    bare = Tools(root="/", blobs=None, render=None, secret=lambda name: None)
    with pytest.raises(ValueError, match="no key for api"):
        provider.make(bare, "m")
